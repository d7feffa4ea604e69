"""Pipelines over tables beside scikit-learn and onnxruntime, in every form that a table comes in.

    python bench/tables.py [CASE ...]

prints a Markdown table. Each contender runs in a process of its own, on one thread; all take turns (``timing.interleaved``), the
Python call is counted, the median of each one's rounds is shown. scikit-learn reads data frames alone, so what quantcore reads as
a dict, a list of dicts or an array is compared with scikit-learn's call on the data frame of the same rows. onnxruntime is fed
arrays made beforehand ("arrays"), and data frames, whose columns are made arrays within the call.
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

ROOT = Path(__file__).resolve().parents[1]
DATA = Path(os.environ.get("QUANTCORE_DATA") or ROOT.parent / "shared" / "data")
CACHE = ROOT / "build" / "bench" / "tables"
ROUNDS = int(os.environ.get("QUANTCORE_BENCH_ROUNDS", "9"))
NAMES = ("quantcore", "scikit-learn", "onnxruntime")
# What a request is called: rows, in which form.
FORMS = (
    "1 row, dict",
    "1 row, [dict]",
    "1 row, array",
    "1 row, arrays",
    "1 row, data frame",
    "1000 rows, data frame",
    "1000 rows, data frame of objects",
    "1000 rows, list of dicts",
    "1000 rows, polars",
)
_ROUND_SECONDS = 0.03
_SETS = {"adult": "classes", "credit_g": "classes", "california_housing": "numbers"}


class Goal(NamedTuple):
    """Least times faster than scikit-learn's data frame, and than onnxruntime's form of the given name."""

    source: float
    onnx: float | None = None
    onnx_form: str = ""


GOALS = {
    "1 row, dict": Goal(500.0, 2.0, "1 row, arrays"),
    "1 row, [dict]": Goal(500.0),
    "1 row, array": Goal(500.0, 2.0, "1 row, arrays"),
    "1 row, data frame": Goal(30.0),
    "1000 rows, data frame": Goal(15.0, 1.0, "1000 rows, data frame"),
    "1000 rows, data frame of objects": Goal(15.0),
    "1000 rows, polars": Goal(15.0),
}
SMALLER = 4.0


def _models(kind: str) -> dict[str, tuple[str, Any]]:
    from sklearn.ensemble import (
        HistGradientBoostingClassifier,
        HistGradientBoostingRegressor,
        RandomForestClassifier,
        RandomForestRegressor,
    )
    from sklearn.linear_model import LogisticRegression, Ridge

    if kind == "numbers":
        return {
            "one-hot + ridge": ("one-hot", Ridge()),
            "target + ridge": ("target", Ridge()),
            "ordinal + boosting": ("ordinal", HistGradientBoostingRegressor(random_state=0)),
            "one-hot + forest": ("one-hot", RandomForestRegressor(100, max_depth=12, random_state=0)),
        }
    return {
        "one-hot + logistic": ("one-hot", LogisticRegression(max_iter=300)),
        "target + logistic": ("target", LogisticRegression(max_iter=300)),
        "ordinal + boosting": ("ordinal", HistGradientBoostingClassifier(random_state=0)),
        "one-hot + forest": ("one-hot", RandomForestClassifier(100, max_depth=12, random_state=0)),
    }


CASES = {f"{name}: {model}": (name, model) for name, kind in _SETS.items() for model in _models(kind)}


def frames(name: str) -> tuple[Any, Any, Any]:
    """Rows to fit on, what is to be learnt, and test rows."""
    import pandas

    table = pandas.read_csv(DATA / f"{name}.csv.gz")
    train = (table["split"] == "train").to_numpy()
    X = table.drop(columns=["target", "split"])
    return X[train].reset_index(drop=True), table["target"].to_numpy()[train], X[~train].reset_index(drop=True)


def fitted(name: str, model: str, X: Any, y: Any) -> Any:
    """Impute and scale numbers, encode the rest, then a model."""
    from sklearn.compose import ColumnTransformer
    from sklearn.impute import SimpleImputer
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import OneHotEncoder, OrdinalEncoder, StandardScaler, TargetEncoder

    encoder, last = _models(_SETS[name])[model]
    known = {
        "one-hot": OneHotEncoder(handle_unknown="ignore"),
        "target": TargetEncoder(target_type="continuous" if _SETS[name] == "numbers" else "binary", random_state=0),
        "ordinal": OrdinalEncoder(handle_unknown="use_encoded_value", unknown_value=-1, encoded_missing_value=-2),
    }
    numbers = [column for column in X if X[column].dtype.kind in "if"]
    columns = ColumnTransformer(
        [
            ("numbers", make_pipeline(SimpleImputer(strategy="median"), StandardScaler()), numbers),
            ("words", known[encoder], [column for column in X if column not in numbers]),
        ]
    )
    return make_pipeline(columns, last).fit(X, y)


def prepared(case: str) -> Path:
    """The folder of a case; what was fitted is kept for the next run, the artifact is made by the quantcore of today."""
    import joblib

    import quantcore

    name, model = CASES[case]
    folder = CACHE / case.replace(" ", "_").replace(":", "").replace("+", "and")
    source = folder / "model.joblib"
    X, y, rows = frames(name)
    if not source.is_file():
        folder.mkdir(parents=True, exist_ok=True)
        rows.iloc[:1000].to_pickle(folder / "rows.pickle")
        joblib.dump(fitted(name, model, X, y), source, compress=3)
    pipeline = joblib.load(source)
    quantcore.save(quantcore.quantize(pipeline), folder / "model.qc")
    if not (folder / "model.onnx").is_file():
        reason = _to_onnx(pipeline, X, folder / "model.onnx")
        if reason:
            (folder / "no_onnx.txt").write_text(reason)
    return folder


def _to_onnx(pipeline: Any, X: Any, path: Path) -> str | None:
    try:
        from skl2onnx import convert_sklearn
        from skl2onnx.common.data_types import FloatTensorType, StringTensorType

        types = [(c, FloatTensorType([None, 1]) if X[c].dtype.kind in "if" else StringTensorType([None, 1])) for c in X]
        options = {id(pipeline): {"zipmap": False}} if hasattr(pipeline, "classes_") else {}
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            found = convert_sklearn(pipeline, initial_types=types, options=options)
        path.write_bytes(found.SerializeToString())
    except Exception as error:  # converters raise many kinds; any of them means that there is no ONNX form
        return f"skl2onnx can't convert it: {str(error).splitlines()[0][:90]}"
    return None


def arrays(frame: Any) -> dict[str, Any]:
    """What onnxruntime is fed: a column of float32 or of strings for each column."""
    fed = {}
    for name in frame.columns:
        column = frame[name]
        if column.dtype.kind in "if":
            fed[name] = column.to_numpy(np.float32).reshape(-1, 1)
        else:
            fed[name] = column.to_numpy(object, na_value="").reshape(-1, 1)
    return fed


def loader(name: str, folder: Path) -> Callable[[Any], Any]:
    """A contender's call: rows → predictions."""
    if name == "quantcore":
        import quantcore

        return quantcore.load(folder / "model.qc").predict
    if name == "scikit-learn":
        import joblib

        return joblib.load(folder / "model.joblib").predict
    import onnxruntime

    if not (folder / "model.onnx").is_file():
        raise RuntimeError((folder / "no_onnx.txt").read_text())
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    session = onnxruntime.InferenceSession(str(folder / "model.onnx"), options, providers=["CPUExecutionProvider"])
    wanted, first = [entry.name for entry in session.get_inputs()], [session.get_outputs()[0].name]
    return lambda X: session.run(first, X if isinstance(X, dict) else {k: v for k, v in arrays(X).items() if k in wanted})[0]


def requests(name: str, frame: Any) -> dict[str, list[Any]]:
    """For each form that a contender reads, the tables that it answers in turn."""
    ones = [frame.iloc[i : i + 1] for i in range(100)]
    found: dict[str, list[Any]] = {"1 row, data frame": ones, "1000 rows, data frame": [frame]}
    if name == "onnxruntime":
        return {**found, "1 row, arrays": [arrays(one) for one in ones]}
    objects = frame.astype({c: object for c in frame if frame[c].dtype.kind not in "if"})
    found["1000 rows, data frame of objects"] = [objects]
    try:
        import polars

        found["1000 rows, polars"] = [polars.DataFrame(frame.to_dict("list"), strict=False)]
    except ImportError:
        pass
    if name == "quantcore":
        records = json.loads(frame.to_json(orient="records"))  # as a request holds them
        found["1 row, dict"] = records[:100]
        found["1 row, [dict]"] = [[record] for record in records[:100]]
        found["1 row, array"] = [one.to_numpy(object) for one in ones]
        found["1000 rows, list of dicts"] = [records]
    return found


def serve(name: str, folder: Path) -> None:
    """Answer the name of a form with the seconds of a call, "answers" with a file of them; until stdin ends."""
    import pandas

    warnings.simplefilter("ignore")
    try:
        predict = loader(name, folder)
    except Exception as error:
        print(json.dumps(str(error) or type(error).__name__), flush=True)
        return
    frame = pandas.read_pickle(folder / "rows.pickle")
    known = requests(name, frame)
    print(json.dumps(None), flush=True)
    for line in sys.stdin:
        request = json.loads(line)
        if request == "answers":
            answers = np.squeeze(np.asarray(predict(frame)))
            np.save(folder / f"{name}.npy", answers.astype(str) if answers.dtype == object else answers)
            print(json.dumps(None), flush=True)
            continue
        tables = known.get(request)
        if tables is None:
            print(json.dumps(None), flush=True)
            continue
        start, times = time.perf_counter(), []
        try:
            while not times or time.perf_counter() - start < _ROUND_SECONDS:
                times.append(seconds_per_call(predict, tables))
        except Exception:  # scikit-learn does not read all frames that it is given here
            known.pop(request)
        print(json.dumps(float(np.median(times)) if times else None), flush=True)


class Found(NamedTuple):
    """Seconds of a call by contender and form, remarks by contender, and bytes of the two files."""

    seconds: dict[str, dict[str, float]]
    remarks: dict[str, str]
    bytes: tuple[int, int]


def measured(case: str) -> Found:
    """Measure a case."""
    folder = prepared(case)
    running = {name: Server(__file__, name, folder) for name in NAMES}
    remarks = {name: found.absent for name, found in running.items() if found.absent is not None}
    present = {name: found for name, found in running.items() if name not in remarks}
    try:
        answered = [name for name, found in present.items() if found.ask("answers") is None]
        for name in answered:
            remarks[name] = _off(*(np.load(folder / f"{of}.npy") for of in (name, "scikit-learn")))
        seconds: dict[str, dict[str, float]] = {name: {} for name in present}
        for shape in FORMS:
            asked = {name: found for name, found in present.items() if isinstance(found.ask(shape), float)}
            if not asked:
                continue
            rounds = interleaved({name: lambda c=c, s=shape: c.ask(s) for name, c in asked.items()}, ROUNDS, patience=2.0)
            for name, times in rounds.items():
                seconds[name][shape] = float(np.median(times))
    finally:
        for found in running.values():
            found.close()
    return Found(seconds, remarks, ((folder / "model.qc").stat().st_size, (folder / "model.joblib").stat().st_size))


def _off(found: Any, expected: Any) -> str:
    if found.dtype.kind in "US" or expected.dtype.kind in "US":
        flips = int((found.astype(str) != expected.astype(str)).sum())
        return "equal" if not flips else f"{flips} of {len(found)} labels differ"
    return "equal" if (found == expected).all() else f"max difference {np.abs(found.astype(float) - expected).max():.1e}"


def compared(shape: str, found: Found) -> tuple[float | None, float | None]:
    """What scikit-learn and onnxruntime take for the same rows."""
    rows = shape.split(",")[0]
    source = found.seconds["scikit-learn"].get(shape) or found.seconds["scikit-learn"].get(f"{rows}, data frame")
    onnx = found.seconds.get("onnxruntime", {})
    goal = GOALS.get(shape)
    return source, onnx.get(goal.onnx_form if goal is not None and goal.onnx_form else shape)


def met(shape: str, found: Found) -> str:
    """The goals of a form, and whether they are met."""
    goal, ours = GOALS.get(shape), found.seconds["quantcore"].get(shape)
    if goal is None or ours is None:
        return ""
    source, onnx = compared(shape, found)
    said = []
    if source is not None:
        said.append(f"{goal.source:g}x: {'yes' if source >= goal.source * ours else '**no**'}")
    if goal.onnx is not None and onnx is not None:
        said.append(f"{goal.onnx:g}x onnxruntime: {'yes' if onnx >= goal.onnx * ours else '**no**'}")
    return ", ".join(said)


def table(case: str, found: Found) -> list[str]:
    """Markdown."""
    lines = [f"### {case}", "", "| table | quantcore | scikit-learn | onnxruntime | goals met |", "|---|---|---|---|---|"]
    for shape in FORMS:
        ours = found.seconds["quantcore"].get(shape)
        if ours is None:
            continue
        cells = [f"{t * 1e6:,.1f} µs ({t / ours:,.0f}x)" if t is not None else "-" for t in compared(shape, found)]
        lines.append(f"| {shape} | {ours * 1e6:,.2f} µs | {' | '.join(cells)} | {met(shape, found)} |")
    ours, theirs = found.bytes
    smaller = f"{SMALLER:g}x smaller: {'yes' if theirs >= SMALLER * ours else '**no**'}"
    lines.append(f"| file | {ours / 1e3:,.1f} kB | {theirs / 1e3:,.1f} kB ({theirs / ours:.1f}x) | | {smaller} |")
    lines.append(f"| answers | {found.remarks.get('quantcore', '')} | | {found.remarks.get('onnxruntime', '')} | |")
    return [*lines, ""]


def main(cases: list[str]) -> None:
    """Print the tables."""
    for case in cases or CASES:
        print("\n".join(table(case, measured(case))), flush=True)


if __name__ == "__main__":
    if sys.argv[1:2] == ["--serve"]:
        serve(sys.argv[2], Path(sys.argv[3]))
    else:
        main(sys.argv[1:])
