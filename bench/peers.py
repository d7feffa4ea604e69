"""Handles on contenders' processes, and the ONNX form of a scikit-learn pipeline."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import warnings
from pathlib import Path
from types import TracebackType
from typing import Any

from timing import environment, interleaved

HERE = Path(__file__).resolve().parent
TASKS = ("one", "batch", "load")
NAMES = ("quantcore", "scikit-learn", "onnxruntime")


class Contender:
    """A running ``contender.py``.

    Parameters
    ----------
    name : {"quantcore", "scikit-learn", "onnxruntime"}
    model, rows : Path
    extra : str
        Variables of its environment.
    """

    def __init__(self, name: str, model: Path, rows: Path, **extra: str) -> None:
        command = [sys.executable, str(HERE / "contender.py"), name, str(model), str(rows)]
        self._process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, encoding="utf-8", env=environment(**extra)
        )
        self._answer()

    def ask(self, task: str) -> Any:
        """What the process answers to a request."""
        assert self._process.stdin is not None
        print(json.dumps({"task": task}), file=self._process.stdin, flush=True)
        return self._answer()

    def _answer(self) -> Any:
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            raise RuntimeError(f"the process ended with status {self._process.wait()}: {self._process.args}")
        return json.loads(line)

    def close(self) -> None:
        """End the process."""
        self._process.communicate()

    def __enter__(self) -> Contender:
        return self

    def __exit__(self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None) -> None:
        self.close()


def require_proofs(model: Any, pipeline: Any, rows: Any) -> None:
    """Figures of a model that proves what is not so are worth nothing: refuse to go on."""
    labels, certified = model.predict_certified(rows)
    wrong = certified & (labels != pipeline.predict(rows))
    if wrong.any():
        raise RuntimeError(f"{wrong.sum()} of {len(labels)} certified labels are not scikit-learn's: {wrong.nonzero()[0][:10]}")


def measure(contenders: dict[str, Contender], rounds: int) -> dict[str, dict[str, list[float]]]:
    """Seconds by task and contender, in interleaved rounds."""
    return {
        task: interleaved({name: lambda c=c, task=task: c.ask(task) for name, c in contenders.items()}, rounds) for task in TASKS
    }


def to_onnx(pipeline: Any, path: Path, columns: int = 0) -> str | None:
    """Write a pipeline of strings (or of so many columns of float32) → labels as ONNX; None, or why it can't be."""
    try:
        from skl2onnx import convert_sklearn
        from skl2onnx.common.data_types import FloatTensorType, StringTensorType
    except ImportError as error:
        return f"skl2onnx is not installed ({error})"
    options = {id(pipeline): {"zipmap": False}}
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            entry = FloatTensorType([None, columns]) if columns else StringTensorType([None, 1])
            model = convert_sklearn(pipeline, initial_types=[("rows", entry)], options=options)
    except Exception as error:  # skl2onnx raises many kinds; any of them means that this pipeline has no ONNX form
        return f"skl2onnx can't convert this pipeline: {str(error).splitlines()[0][:120]}"
    path.write_bytes(model.SerializeToString())
    return None


def onnx_locale(folder: Path) -> tuple[dict[str, str], str | None]:
    """The environment in which onnxruntime finds the locale en_US.UTF-8, and why there is none.

    Its tokenizer asks for that locale by name; minimal installs lack it, so it is compiled into ``folder`` where the
    sources of locales are there.
    """
    test = [sys.executable, "-c", "import locale; locale.setlocale(locale.LC_ALL, 'en_US.UTF-8')"]
    if subprocess.run(test, capture_output=True).returncode == 0:
        return {}, None
    made = folder / "en_US.UTF-8"
    if not made.is_dir() and shutil.which("localedef"):
        folder.mkdir(parents=True, exist_ok=True)
        subprocess.run(["localedef", "-i", "en_US", "-f", "UTF-8", str(made)], capture_output=True, check=False)
    extra = {"LOCPATH": str(folder)}
    if subprocess.run(test, capture_output=True, env=environment(**extra)).returncode == 0:
        return extra, None
    return {}, "the locale en_US.UTF-8, which onnxruntime's tokenizer needs, is missing: install it (locale-gen en_US.UTF-8)"
