"""Tree ensembles beside onnxruntime, the source library's fastest call, treelite's GTIL and lleaves.

    python bench/forests.py [CASE ...]

prints a Markdown table. Each contender runs in a process of its own, on one thread, with the same C-contiguous float32 rows; all
take turns (``timing.interleaved``), the Python call is counted, the median of each one's rounds is shown. What differs from the
source library's own answers stands beside the time: a conversion that answers wrongly shows there.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from timing import environment, interleaved, seconds_per_call

ROOT = Path(__file__).resolve().parents[1]
CACHE = ROOT / "build" / "bench" / "forests"
ROUNDS = int(os.environ.get("QUANTCORE_BENCH_ROUNDS", "9"))
SIZES = (1, 10, 100, 1000, 20000)
NAMES = ("quantcore", "source", "onnxruntime", "treelite", "lleaves")
_ROUND_SECONDS = 0.03
_FEATURES, _ROWS = 28, 20000


def _lightgbm(trees: int, leaves: int) -> Callable[..., Any]:
    def fit(X: Any, y: Any) -> Any:
        from lightgbm import LGBMRegressor

        return LGBMRegressor(n_estimators=trees, num_leaves=leaves, min_child_samples=5, verbose=-1).fit(X, y)

    return fit


def _xgboost(X: Any, y: Any) -> Any:
    from xgboost import XGBRegressor

    return XGBRegressor(n_estimators=500, max_depth=6).fit(X, y)


def _hist(X: Any, y: Any) -> Any:
    from sklearn.ensemble import HistGradientBoostingClassifier

    return HistGradientBoostingClassifier(max_iter=100, early_stopping=False).fit(X, np.digitize(y, [-0.5, 1.5]))


def _forest(X: Any, y: Any) -> Any:
    from sklearn.ensemble import RandomForestClassifier

    return RandomForestClassifier(100, random_state=0).fit(X, np.digitize(y, [-0.5, 1.5]))


# Goals: times faster than onnxruntime and than the source library, ns per row and tree; by number of rows.
CASES: dict[str, tuple[Callable[..., Any], int, dict[int, tuple[float, float | None, float | None]]]] = {
    "lightgbm 100 x 31": (_lightgbm(100, 31), 100, {1: (4, None, 13.0), 1000: (25, 15, 0.5), 20000: (25, 15, 0.5)}),
    "lightgbm 500 x 64": (_lightgbm(500, 64), 500, {1: (4, None, None), 1000: (25, 15, 0.5), 20000: (25, 15, 0.5)}),
    "lightgbm 500 x 255": (_lightgbm(500, 255), 500, {1: (4, None, None), 1000: (25, None, 1.3), 20000: (25, None, 1.3)}),
    "xgboost 500 x depth 6": (_xgboost, 500, {1: (4, None, None), 1000: (25, 15, 0.5), 20000: (25, 15, 0.5)}),
    "hist 100 x 3 x 31": (_hist, 300, {1: (4, None, None), 1000: (25, 15, 0.5), 20000: (25, 15, 0.5)}),
    "random forest 100 x 4000": (_forest, 100, {1: (4, None, None), 1000: (5, None, None), 20000: (15, None, None)}),
}


def data() -> tuple[Any, Any]:
    """Rows to fit on, and what is to be learnt from them."""
    random = np.random.default_rng(0)
    X = random.normal(size=(_ROWS, _FEATURES)).astype(np.float32)
    y = X[:, 0] * X[:, 1] + np.sin(3 * X[:, 2]) + X[:, 3] ** 2 * X[:, 4] + random.normal(size=_ROWS) * 0.5
    return X, y


def prepared(case: str) -> Path:
    """The folder of a case; what was fitted is kept for the next run, the artifact is made by the quantcore of today."""
    import joblib

    import quantcore

    folder = CACHE / case.replace(" ", "_")
    source = folder / "model.joblib"
    if not source.is_file():
        folder.mkdir(parents=True, exist_ok=True)
        joblib.dump(CASES[case][0](*data()), source, compress=3)
    if not (folder / "rows.npy").is_file():
        np.save(folder / "rows.npy", np.random.default_rng(1).normal(size=(_ROWS, _FEATURES)).astype(np.float32))
    model = joblib.load(source)
    quantcore.save(quantcore.quantize(model), folder / "model.qc")
    if not (folder / "model.onnx").is_file() and not (folder / "no_onnx.txt").is_file():
        reason = _to_onnx(model, folder / "model.onnx")
        if reason:
            (folder / "no_onnx.txt").write_text(reason)
    return folder


def _to_onnx(model: Any, path: Path) -> str | None:
    try:
        module = type(model).__module__
        if module.startswith("sklearn"):
            from skl2onnx import convert_sklearn as convert
            from skl2onnx.common.data_types import FloatTensorType

            more = {"options": {id(model): {"zipmap": False}}} if hasattr(model, "classes_") else {}
        else:
            from onnxmltools import convert_lightgbm, convert_xgboost
            from onnxmltools.convert.common.data_types import FloatTensorType

            convert = convert_lightgbm if module.startswith("lightgbm") else convert_xgboost
            more = {}
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            found = convert(model, initial_types=[("X", FloatTensorType([None, _FEATURES]))], **more)
    except Exception as error:  # converters raise many kinds; any of them means that there is no ONNX form
        return f"the conversion fails: {str(error).splitlines()[0][:90]}"
    path.write_bytes(found.SerializeToString())
    return None


def loader(name: str, folder: Path) -> Callable[[Any], Any]:
    """The fastest call of a contender: rows → predictions."""
    if name == "quantcore":
        import quantcore

        return quantcore.load(folder / "model.qc").predict
    if name == "onnxruntime":
        import onnxruntime

        if not (folder / "model.onnx").is_file():
            raise RuntimeError((folder / "no_onnx.txt").read_text())
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = options.inter_op_num_threads = 1
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        session = onnxruntime.InferenceSession(str(folder / "model.onnx"), options, providers=["CPUExecutionProvider"])
        entry, first = session.get_inputs()[0].name, [session.get_outputs()[0].name]
        return lambda rows: session.run(first, {entry: rows})[0]
    import joblib

    model = joblib.load(folder / "model.joblib")
    module = type(model).__module__
    if name == "source":
        return _source(model, module)
    if name == "lleaves":
        if not module.startswith("lightgbm"):
            raise RuntimeError("reads LightGBM's models alone")
        import lleaves

        model.booster_.save_model(folder / "model.txt")
        compiled = lleaves.Model(model_file=str(folder / "model.txt"))
        compiled.compile(cache=str(folder / "lleaves.bin"))
        return lambda rows: compiled.predict(rows, n_jobs=1)
    import treelite

    if module.startswith("lightgbm"):
        found = treelite.frontend.from_lightgbm(model.booster_)
    elif module.startswith("xgboost"):
        found = treelite.frontend.from_xgboost(model.get_booster())
    else:
        found = treelite.sklearn.import_model(model)
    return lambda rows: treelite.gtil.predict(found, rows, nthread=1)


def _source(model: Any, module: str) -> Callable[[Any], Any]:
    if module.startswith("lightgbm"):
        booster = model.booster_
        return lambda rows: booster.predict(rows, num_threads=1)
    if module.startswith("xgboost"):
        booster = model.get_booster()
        booster.set_param({"nthread": 1})
        return booster.inplace_predict
    if hasattr(model, "n_jobs"):
        model.n_jobs = 1
    return model.predict


def serve(name: str, folder: Path) -> None:
    """Answer the number of rows of a batch with the seconds of a call, "answers" with a file of them; until stdin ends."""
    try:
        predict = loader(name, folder)
    except Exception as error:
        print(json.dumps(str(error) or type(error).__name__), flush=True)
        return
    rows = np.load(folder / "rows.npy")
    print(json.dumps(None), flush=True)
    for line in sys.stdin:
        request = json.loads(line)
        if request == "answers":
            path = folder / f"{name}.npy"
            found = np.squeeze(np.asarray(predict(rows)))
            if found.ndim == 2:  # what gives probabilities alone
                found = found.argmax(axis=1)
            np.save(path, found)
            print(json.dumps(str(path)), flush=True)
            continue
        many = max(1, min(200, len(rows) // request))
        batches = [np.ascontiguousarray(rows[k * request : (k + 1) * request]) for k in range(many)]
        start, times = time.perf_counter(), []
        while not times or time.perf_counter() - start < _ROUND_SECONDS:
            times.append(seconds_per_call(predict, batches))
        print(json.dumps(float(np.median(times))), flush=True)


class Contender:
    """A process that serves one form of one case."""

    def __init__(self, name: str, folder: Path) -> None:
        command = [sys.executable, str(Path(__file__).resolve()), "--serve", name, str(folder)]
        self._process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment(), stderr=subprocess.DEVNULL
        )
        self.absent: str | None = self._answer()

    def ask(self, request: Any) -> Any:
        """What the process answers."""
        assert self._process.stdin is not None
        print(json.dumps(request), file=self._process.stdin, flush=True)
        return self._answer()

    def _answer(self) -> Any:
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        return json.loads(line) if line else f"the process ended with status {self._process.wait()}"

    def close(self) -> None:
        """End the process."""
        self._process.communicate()


def measured(case: str) -> tuple[dict[str, dict[int, float]], dict[str, str]]:
    """Median seconds of a call by contender and number of rows; and a remark on each: why it is absent, how far it is off."""
    folder = prepared(case)
    running = {name: Contender(name, folder) for name in NAMES}
    remarks = {name: found.absent for name, found in running.items() if found.absent is not None}
    present = {name: found for name, found in running.items() if name not in remarks}
    try:
        answers = {name: np.load(found.ask("answers")) for name, found in present.items()}
        for name, found in answers.items():
            remarks[name] = _off(found, answers["source"])
        seconds: dict[str, dict[int, float]] = {name: {} for name in present}
        for size in SIZES:
            rounds = interleaved({name: lambda c=c, n=size: c.ask(n) for name, c in present.items()}, ROUNDS, patience=2.0)
            for name, found in rounds.items():
                seconds[name][size] = float(np.median(found))
    finally:
        for found in running.values():
            found.close()
    return seconds, remarks


def _off(found: Any, expected: Any) -> str:
    if found.shape != expected.shape:
        return f"answers of shape {found.shape}"
    if expected.dtype.kind == "i":
        flips = int((found != expected).sum())
        return "equal" if not flips else f"{flips} of {len(found)} labels differ"
    return "equal" if (found == expected).all() else f"max difference {np.abs(found.astype(float) - expected).max():.1e}"


def table(case: str, seconds: dict[str, dict[int, float]], remarks: dict[str, str]) -> list[str]:
    """Markdown: ns per row and tree (µs where there is one row), ratios to ours, goals."""
    trees, goals = CASES[case][1], CASES[case][2]
    lines = [f"### {case}", "", "| rows | " + " | ".join(NAMES) + " | goals met |", "|---|" + "---|" * (len(NAMES) + 1)]
    for size in SIZES:
        ours, cells = seconds["quantcore"][size], []
        for name in NAMES:
            if name not in seconds:
                cells.append("-")
                continue
            taken = seconds[name][size]
            text = f"{taken * 1e6:.2f} µs" if size == 1 else f"{taken / size / trees * 1e9:.2f}"
            cells.append(text if name == "quantcore" else f"{text} ({taken / ours:.1f}x)")
        met = []
        if size in goals:
            onnx, source, most = goals[size]
            if "onnxruntime" in seconds:
                met.append(f"{onnx:g}x onnxruntime: {'yes' if seconds['onnxruntime'][size] >= onnx * ours else '**no**'}")
            if source is not None:
                met.append(f"{source:g}x source: {'yes' if seconds['source'][size] >= source * ours else '**no**'}")
            if most is not None:
                met.append(f"{most:g} ns: {'yes' if ours / size / trees * 1e9 <= most else '**no**'}")
        lines.append(f"| {size} | " + " | ".join(cells) + " | " + ", ".join(met) + " |")
    lines.append("| answers | " + " | ".join(remarks.get(name, "") for name in NAMES) + " | |")
    return [*lines, ""]


def main(cases: list[str]) -> None:
    """Print the tables."""
    for case in cases or CASES:
        print("\n".join(table(case, *measured(case))), flush=True)


if __name__ == "__main__":
    if sys.argv[1:2] == ["--serve"]:
        serve(sys.argv[2], Path(sys.argv[3]))
    else:
        main(sys.argv[1:])
