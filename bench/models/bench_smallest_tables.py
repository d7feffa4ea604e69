"""The forms that are chosen for tables: never larger or slower than the float32 form; int4 beside int8."""

from __future__ import annotations

import time
from typing import Any

import numpy as np
import pytest
import tables
from cases import TABLE_CASES
from sklearn import datasets
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from timing import interleaved

import quantcore

CASES = ("digits", "wine", "breast_cancer", "covertype", "adult")
NARROW = ("64 x 10", "784 x 10", "1024 x 100")
ROUNDS = 41
_ROUND_SECONDS = 0.01


def fitted(case: str) -> tuple[Any, Any, Any]:
    """A pipeline, the rows that it was fitted on, and others."""
    if case == "adult":
        X, y, new = tables.frames("adult")
        return tables.fitted("adult", "one-hot + logistic", X, y), X, new
    if case == "covertype":
        X, y, new = tables.frames("covertype_15k")
        X, new = (np.ascontiguousarray(rows, np.float64) for rows in (X, new))
    elif case in NARROW:
        n_columns, n_classes = TABLE_CASES[case]
        random = np.random.default_rng(0)
        y = random.integers(0, n_classes, 8000)
        X = random.normal(size=(n_classes, n_columns))[y] * 0.4 + random.normal(size=(len(y), n_columns))
        X, new, y = X[::2], X[1::2], y[::2]
    else:
        X, y = getattr(datasets, f"load_{case}")(return_X_y=True)
        order = np.random.default_rng(0).permutation(len(X))
        train, test = np.split(order, [len(X) * 3 // 5])
        X, y, new = X[train], y[train], X[test]
    return make_pipeline(StandardScaler(), LogisticRegression(max_iter=300)).fit(X, y), X, new


def figures(models: dict[str, Any], source: Any, new: Any) -> dict[str, dict[str, Any]]:
    """Of each model: bytes, labels that differ, seconds a row in a batch and alone: of interleaved rounds the least, since other
    load adds to one form as to the other."""
    own = source.predict(new)
    one = new.iloc[:1] if hasattr(new, "iloc") else new[:1]

    def seconds(model: Any, rows: Any) -> float:
        calls, start = 0, time.perf_counter()
        while True:
            model.predict(rows)
            calls, now = calls + 1, time.perf_counter() - start
            if now >= _ROUND_SECONDS:
                return now / calls / len(rows)

    found: dict[str, dict[str, Any]] = {}
    times = {
        what: interleaved({name: lambda m=m, r=rows: seconds(m, r) for name, m in models.items()}, ROUNDS)
        for what, rows in (("batch", new), ("one", one))
    }
    for name, model in models.items():
        kept = next(c for c in model.report()["candidates"] if c["kept"])
        found[name] = {
            "bytes": len(model.data),
            "flips": int(np.count_nonzero(model.predict(new) != own)),
            "rows": len(own),
            "form": kept["form"],
            "weights": kept.get("weights"),
            **{what: min(t[name]) for what, t in times.items()},
        }
    return found


def read(case: str) -> tuple[Any, Any, Any]:
    name = {"covertype": "covertype_15k", "adult": "adult"}.get(case)
    if name is not None and not (tables.DATA / f"{name}.csv.gz").is_file():
        pytest.skip(f"no data set {name}: set QUANTCORE_DATA to the folder that holds it")
    return fitted(case)


@pytest.mark.parametrize("case", CASES)
def bench_never_larger_or_slower(benchmark, case):
    source, X, new = read(case)
    chosen = benchmark.pedantic(quantcore.quantize, (source, X), {"guarantee": "measured"}, rounds=1)
    models = {"chosen": chosen, "float32": quantcore.quantize(source, X, precision="float32")}
    benchmark.extra_info.update(task="smallest table", case=case, forms=figures(models, source, new))


@pytest.mark.parametrize("case", NARROW)
def bench_int4(benchmark, case):
    source, X, new = read(case)
    options = {"guarantee": "measured", "min_agreement": 0.99}
    four = benchmark.pedantic(quantcore.quantize, (source, X), {**options, "precision": "int4"}, rounds=1)
    models = {"int4": four, "int8": quantcore.quantize(source, X, precision="int8", **options)}
    benchmark.extra_info.update(task="int4", case=case, forms=figures(models, source, new))
