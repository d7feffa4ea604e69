"""Tree ensembles to measure: what they are fitted on, and every contender's form of them, kept in build/bench/forests."""

from __future__ import annotations

import csv
import gzip
import json
import os
import subprocess
import sys
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from texts import ROOT, data_dir

CACHE = ROOT / "build" / "bench" / "forests"
GENERATED_ROWS, _FEATURES = 20000, 28
_COMPILE_SECONDS = 300  # a model, by lleaves


class Case(NamedTuple):
    """An ensemble: what is fitted, and on which set; None: generated rows."""

    fit: Callable[[Any, Any], Any]
    data: str | None = None
    classes: bool = False

    @property
    def sizes(self) -> tuple[int, ...]:
        """Rows a call."""
        return (1, 10, 100, 1000, 20000) if self.data is None else (1, 1000)


def _lightgbm(kind: str, **options: Any) -> Callable[[Any, Any], Any]:
    def fit(X: Any, y: Any) -> Any:
        import lightgbm

        return getattr(lightgbm, kind)(**{"verbose": -1, "random_state": 0, **options}).fit(X, y)

    return fit


def _xgboost(kind: str, **options: Any) -> Callable[[Any, Any], Any]:
    def fit(X: Any, y: Any) -> Any:
        import xgboost

        return getattr(xgboost, kind)(**options).fit(X, y)

    return fit


def _scikit_learn(kind: str, **options: Any) -> Callable[[Any, Any], Any]:
    def fit(X: Any, y: Any) -> Any:
        from sklearn import ensemble

        return getattr(ensemble, kind)(random_state=0, **options).fit(X, y)

    return fit


_HIST = {"max_iter": 100, "early_stopping": False}
CASES: dict[str, Case] = {
    "lightgbm 100 x 31": Case(_lightgbm("LGBMRegressor", n_estimators=100, min_child_samples=5)),
    "lightgbm 500 x 64": Case(_lightgbm("LGBMRegressor", n_estimators=500, num_leaves=64, min_child_samples=5)),
    "lightgbm 500 x 255": Case(_lightgbm("LGBMRegressor", n_estimators=500, num_leaves=255, min_child_samples=5)),
    "xgboost 500 x depth 6": Case(_xgboost("XGBRegressor", n_estimators=500, max_depth=6)),
    "hist 100 x 3 x 31": Case(_scikit_learn("HistGradientBoostingClassifier", **_HIST), classes=True),
    "random forest 100 x 4000": Case(_scikit_learn("RandomForestClassifier", n_estimators=100), classes=True),
    "covertype, random forest": Case(_scikit_learn("RandomForestClassifier", n_estimators=100), "covertype_15k", True),
    "covertype, lightgbm": Case(_lightgbm("LGBMClassifier", n_estimators=100), "covertype_15k", True),
    "adult, lightgbm": Case(_lightgbm("LGBMClassifier", n_estimators=200), "adult", True),
    "adult, xgboost": Case(_xgboost("XGBClassifier", n_estimators=200, max_depth=6), "adult", True),
    "california_housing, lightgbm": Case(_lightgbm("LGBMRegressor", n_estimators=300), "california_housing"),
    "california_housing, xgboost": Case(_xgboost("XGBRegressor", n_estimators=300, max_depth=6), "california_housing"),
    "wine_quality, hist": Case(_scikit_learn("HistGradientBoostingClassifier", **_HIST), "wine_quality", True),
    "wine_quality, extra trees": Case(_scikit_learn("ExtraTreesClassifier", n_estimators=100), "wine_quality", True),
}


def absent(case: str) -> str | None:
    """Why a case can't be measured here, or None."""
    data = CASES[case].data
    if data is None:
        return None
    folder = data_dir()
    if folder is None or not (folder / f"{data}.csv.gz").is_file():
        return f"no data set {data}.csv.gz; set QUANTCORE_DATA to the folder that holds it"
    return None


def rows_of(case: str) -> tuple[Any, Any, Any]:
    """Rows to fit on, what is to be learnt from them, and rows to predict; float32, NaN where a set has nothing."""
    data = CASES[case].data
    if data is None:
        random = np.random.default_rng(0)
        X = random.normal(size=(GENERATED_ROWS, _FEATURES)).astype(np.float32)
        y = X[:, 0] * X[:, 1] + np.sin(3 * X[:, 2]) + X[:, 3] ** 2 * X[:, 4] + random.normal(size=GENERATED_ROWS) * 0.5
        y = np.digitize(y, [-0.5, 1.5]) if CASES[case].classes else y
        return X, y, np.random.default_rng(1).normal(size=X.shape).astype(np.float32)
    folder = data_dir()
    if folder is None:
        raise FileNotFoundError(absent(case))
    with gzip.open(folder / f"{data}.csv.gz", "rt", encoding="utf-8", newline="") as file:
        names, *lines = csv.reader(file)
    columns = {name: np.array(column) for name, column in zip(names, zip(*lines, strict=True), strict=True)}
    is_train, target = columns.pop("split") == "train", columns.pop("target")
    X = np.stack([_numbers(column) for column in columns.values()], axis=1).astype(np.float32)
    y = np.unique(target, return_inverse=True)[1] if CASES[case].classes else target.astype(np.float64)
    return X[is_train], y[is_train], X[~is_train]


def _numbers(column: Any) -> Any:
    """A column of numbers, or the ordinals of its strings; NaN where it is empty."""
    try:
        return np.where(column == "", "nan", column).astype(np.float64)
    except ValueError:
        codes = np.unique(column[column != ""])
        return np.where(column == "", np.nan, np.searchsorted(codes, column))


def prepared(case: str) -> Path:
    """The folder of a case; what was fitted is kept for the next run, the artifact is made by the quantcore of today."""
    import joblib

    import quantcore

    folder = CACHE / case.replace(",", "").replace(" ", "_")
    source = folder / "model.joblib"
    if not source.is_file() or not (folder / "rows.npy").is_file():
        folder.mkdir(parents=True, exist_ok=True)
        X, y, rows = rows_of(case)
        np.save(folder / "rows.npy", rows)
        joblib.dump(CASES[case].fit(X, y), source, compress=3)
    model = joblib.load(source)
    found = quantcore.quantize(model, guarantee="exact")
    quantcore.save(found, folder / "model.qc")
    _shape(found, folder)
    if type(model).__module__.startswith("lightgbm") and not any(
        (folder / f).is_file() for f in ("lleaves.bin", "no_lleaves.txt")
    ):
        reason = _to_lleaves(model, folder)
        if reason:
            (folder / "no_lleaves.txt").write_text(reason)
    if not (folder / "model.onnx").is_file() and not (folder / "no_onnx.txt").is_file():
        reason = _to_onnx(model, int(np.load(folder / "rows.npy", mmap_mode="r").shape[1]), folder / "model.onnx")
        if reason:
            (folder / "no_onnx.txt").write_text(reason)
    return folder


def _shape(model: Any, folder: Path) -> None:
    """What goals depend on, and the sizes of the files."""
    from quantcore.artifact import decode
    from quantcore.plan.ops import Trees

    op = next(op for op in decode(model.data).plan.ops if isinstance(op, Trees))
    leaves = np.diff(op.leaf_ends, prepend=0)
    sizes = {name: os.path.getsize(folder / f"model.{end}") for name, end in (("quantcore", "qc"), ("source", "joblib"))}
    found = {"trees": op.n_trees, "most_leaves": int(leaves.max()), "mean_leaves": float(leaves.mean()), "bytes": sizes}
    (folder / "shape.json").write_text(json.dumps(found))


def _to_lleaves(model: Any, folder: Path) -> str | None:
    """Compile by lleaves, which takes minutes where trees are large."""
    model.booster_.save_model(folder / "model.txt")
    text, compiled = folder / "model.txt", folder / "lleaves.bin"
    program = f"import lleaves; lleaves.Model(model_file={str(text)!r}).compile(cache={str(compiled)!r})"
    try:
        subprocess.run([sys.executable, "-c", program], check=True, capture_output=True, text=True, timeout=_COMPILE_SECONDS)
    except subprocess.TimeoutExpired:
        return f"not compiled within {_COMPILE_SECONDS} s"
    except subprocess.CalledProcessError as error:
        return (error.stderr.strip().splitlines() or ["it ends without a word"])[-1][:90]
    return None


def _to_onnx(model: Any, n_features: int, path: Path) -> str | None:
    try:
        module = type(model).__module__
        if module.startswith("sklearn"):
            from skl2onnx import convert_sklearn as convert
            from skl2onnx.common.data_types import FloatTensorType

            more = {"options": {id(model): {"zipmap": False}}} if hasattr(model, "classes_") else {}
        else:
            from onnxmltools import convert_lightgbm, convert_xgboost
            from onnxmltools.convert.common.data_types import FloatTensorType

            is_lightgbm = module.startswith("lightgbm")
            convert = convert_lightgbm if is_lightgbm else convert_xgboost
            more = {"zipmap": False} if is_lightgbm and hasattr(model, "classes_") else {}
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            found = convert(model, initial_types=[("X", FloatTensorType([None, n_features]))], **more)
    except Exception as error:  # converters raise many kinds; any of them means that there is no ONNX form
        return f"the conversion fails: {(str(error) or type(error).__name__).splitlines()[0][:90]}"
    path.write_bytes(found.SerializeToString())
    return None
