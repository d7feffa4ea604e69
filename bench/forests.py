"""Tree ensembles beside onnxruntime, the source library's fastest call, treelite's GTIL and lleaves.

    python bench/forests.py [CASE ...]

prints Markdown tables (``report_trees.py``). Each contender runs in a process of its own, on one thread; all take turns
(``timing.interleaved``), the Python call is counted, the median of each one's rounds is shown. All read the same C-contiguous
float32 rows, but where a task says float64 or DataFrame. What differs from the source's own ``predict`` and ``predict_proba``
stands beside the times: a conversion that answers wrongly shows there.
"""

from __future__ import annotations

import json
import os
import sys
import time
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from server import Server
from timing import interleaved, seconds_per_call

ROUNDS = int(os.environ.get("QUANTCORE_BENCH_ROUNDS", "9"))
NAMES = ("quantcore", "quantcore, AVX2", "source", "onnxruntime", "treelite", "lleaves")
_ROUND_SECONDS = 0.03
_MOST_ROWS = 20000
_PATIENCE = 1.0


class Task(NamedTuple):
    """What is asked for: a method, of rows in a form, so many a call."""

    method: str = "predict"
    form: str = "float32"
    rows: int = 1

    def __str__(self) -> str:
        form = "" if self.form == "float32" else f", {self.form}"
        return f"{self.method}{form}, {self.rows} row{'s' * (self.rows > 1)}"


def tasks(case: str) -> dict[Task, tuple[str, ...]]:
    """What a case measures, and of whom."""
    from forest_cases import CASES

    found = {Task(rows=n): NAMES if n > 100 else tuple(n for n in NAMES if "AVX2" not in n) for n in CASES[case].sizes}
    own = ("quantcore", "source")
    for n in (1, 1000):
        for form in ("float64", "DataFrame"):
            found[Task(form=form, rows=n)] = own
        if CASES[case].classes:
            found[Task("predict_proba", rows=n)] = tuple(n for n in NAMES if "AVX2" not in n)
    return found


def loader(name: str, folder: Path) -> Callable[[str, Any], Any]:
    """The fastest call of a contender: method and rows → answers."""
    if name.startswith("quantcore"):
        import quantcore

        served = quantcore.load(folder / "model.qc")
        return lambda method, rows: getattr(served, method)(rows)
    if name == "onnxruntime":
        return _onnxruntime(folder)
    import joblib

    model = joblib.load(folder / "model.joblib")
    module = type(model).__module__
    if name == "source":
        return _source(model, module)
    if name == "lleaves":
        if not module.startswith("lightgbm"):
            raise RuntimeError("reads LightGBM's models alone")
        import lleaves

        reason = folder / "no_lleaves.txt"
        if reason.is_file():
            raise RuntimeError(reason.read_text())
        compiled = lleaves.Model(model_file=str(folder / "model.txt"))
        compiled.compile(cache=str(folder / "lleaves.bin"))
        return lambda _, rows: compiled.predict(rows, n_jobs=1)
    import treelite

    if module.startswith("lightgbm"):
        found = treelite.frontend.from_lightgbm(model.booster_)
    elif module.startswith("xgboost"):
        found = treelite.frontend.from_xgboost(model.get_booster())
    else:
        found = treelite.sklearn.import_model(model)
    return lambda _, rows: treelite.gtil.predict(found, rows, nthread=1)


def _onnxruntime(folder: Path) -> Callable[[str, Any], Any]:
    import onnxruntime

    if not (folder / "model.onnx").is_file():
        raise RuntimeError((folder / "no_onnx.txt").read_text())
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    session = onnxruntime.InferenceSession(str(folder / "model.onnx"), options, providers=["CPUExecutionProvider"])
    entry, outputs = session.get_inputs()[0].name, [output.name for output in session.get_outputs()]
    wanted = {"predict": outputs[:1], "predict_proba": outputs[-1:]}
    return lambda method, rows: session.run(wanted[method], {entry: rows})[0]


def _source(model: Any, module: str) -> Callable[[str, Any], Any]:
    if module.startswith("lightgbm"):  # labels are a comparison away
        booster = model.booster_
        return lambda _, rows: booster.predict(rows, num_threads=1)
    if module.startswith("xgboost"):
        booster = model.get_booster()
        booster.set_param({"nthread": 1})
        return lambda _, rows: booster.inplace_predict(rows)
    if hasattr(model, "n_jobs"):
        model.n_jobs = 1
    return lambda method, rows: getattr(model, method)(rows)


def _formed(rows: Any, form: str) -> Any:
    if form == "DataFrame":
        import pandas

        return pandas.DataFrame(rows, columns=[f"c{k}" for k in range(rows.shape[1])])
    return np.ascontiguousarray(rows, np.float64 if form == "float64" else np.float32)


def _own(folder: Path, method: str, rows: Any) -> Any:
    """What the source itself answers, by the method that a user calls."""
    import joblib

    return getattr(joblib.load(folder / "model.joblib"), method)(rows)


def serve(name: str, folder: Path) -> None:
    """Answer [method, form, rows] with the seconds of a call, ["answers", method] with a file of them; until stdin ends."""
    warnings.simplefilter("ignore")
    try:
        call = loader(name, folder)
    except Exception as error:
        print(json.dumps(str(error) or type(error).__name__), flush=True)
        return
    rows = np.load(folder / "rows.npy")
    repeated = np.concatenate([rows] * -(-_MOST_ROWS // len(rows)))[:_MOST_ROWS]
    batches: dict[tuple[str, int], list[Any]] = {}
    print(json.dumps(None), flush=True)
    for line in sys.stdin:
        request = json.loads(line)
        if request[0] == "answers":
            path = folder / f"{name.replace(', ', '_')}_{request[1]}.npy"
            np.save(path, _own(folder, request[1], rows) if name == "source" else np.asarray(call(request[1], rows)))
            print(json.dumps(str(path)), flush=True)
            continue
        method, form, n = request
        if (form, n) not in batches:
            many = max(1, min(200, len(repeated) // n))
            batches[form, n] = [_formed(repeated[k * n : (k + 1) * n], form) for k in range(many)]
        print(json.dumps(_seconds(lambda rows, method=method: call(method, rows), batches[form, n])), flush=True)


def _seconds(call: Callable[[Any], Any], batches: list[Any]) -> float:
    """Of a call, within about the time of a round: who takes milliseconds for a row is not asked for all of them."""
    start = time.perf_counter()
    first = seconds_per_call(call, batches[:1])
    if first >= _ROUND_SECONDS:
        return first
    some, times = batches[: max(1, int(_ROUND_SECONDS / max(first, 1e-9)))], []
    while not times or time.perf_counter() - start < _ROUND_SECONDS:
        times.append(seconds_per_call(call, some))
    return float(np.median(times))


class Measured(NamedTuple):
    """Rounds by task and contender; what each contender's answers are beside the source's; trees, leaves, bytes of files."""

    rounds: dict[Task, dict[str, list[float]]]
    answers: dict[str, str]
    shape: dict[str, Any]


def measured(case: str) -> Measured:
    """Measure a case; who is absent says why in its answers."""
    from forest_cases import CASES, prepared

    folder = prepared(case)
    capped = {"quantcore, AVX2": {"QUANTCORE_ISA": "avx2"}}
    running = {name: Server(__file__, name, folder, **capped.get(name, {})) for name in NAMES}
    answers = {name: found.absent for name, found in running.items() if found.absent is not None}
    present = {name: found for name, found in running.items() if name not in answers}
    methods = ["predict", "predict_proba"] if CASES[case].classes else ["predict"]
    rounds: dict[Task, dict[str, list[float]]] = {}
    try:
        for method in methods:
            own = np.load(present["source"].ask(["answers", method]))
            for name in present:
                found = _off(np.load(present[name].ask(["answers", method])), own)
                answers[name] = f"{answers[name]}; {found}" if name in answers else found
        for task, names in tasks(case).items():
            measures = {name: lambda c=present[name], t=task: c.ask(t) for name in names if name in present}
            rounds[task] = interleaved(measures, ROUNDS, patience=_PATIENCE)
    finally:
        for found in running.values():
            found.close()
    return Measured(rounds, answers, json.loads((folder / "shape.json").read_text()))


def _off(found: Any, expected: Any) -> str:
    """How far answers are from the source's; of who gives probabilities alone, labels are made of them."""
    found = found if found.shape == expected.shape else np.squeeze(found)
    if expected.dtype.kind in "iu":
        if found.dtype.kind == "f" and found.ndim == 2:
            found = found.argmax(axis=1)
        elif found.dtype.kind == "f":
            found = found > 0.5
        flips = int((found != expected).sum()) if found.shape == expected.shape else len(expected)
        return f"{flips} of {len(expected)} labels differ" if flips else "labels equal"
    if found.shape != expected.shape and expected.ndim == 2 and found.ndim == 1:
        expected = expected[:, 1]  # of two classes some give the second's probability alone
    if found.shape != expected.shape:
        return f"answers of shape {found.shape}"
    return "equal" if (found == expected).all() else f"off by {np.abs(found.astype(float) - expected).max():.1e}"


def main(cases: list[str]) -> None:
    """Print the tables."""
    from forest_cases import CASES, absent
    from report_trees import section

    for case in cases or CASES:
        reason = absent(case)
        if reason is not None:
            print(f"{case}: {reason}", file=sys.stderr)
            continue
        found = measured(case)
        print(section(records(case, found)), flush=True)


def records(case: str, found: Measured) -> list[dict[str, Any]]:
    """What pytest-benchmark keeps of a case, in its own JSON's form."""
    out = []
    for task, by_name in found.rounds.items():
        for name, times in by_name.items():
            out.append({"extra_info": extra(case, task, name, found), "stats": {"median": float(np.median(times))}})
    return out


def extra(case: str, task: Task, name: str, found: Measured) -> dict[str, Any]:
    """The particulars of a measurement."""
    own = {"unit": "call", "case": case, "task": f"trees: {task}", "contender": name, "answers": found.answers}
    return {**own, "method": task.method, "form": task.form, "rows": task.rows, **found.shape}


if __name__ == "__main__":
    if sys.argv[1:2] == ["--serve"]:
        serve(sys.argv[2], Path(sys.argv[3]))
    else:
        main(sys.argv[1:])
