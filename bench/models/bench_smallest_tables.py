"""The forms that are chosen for tables: never larger or slower than the float32 form; int4 beside int8."""

from __future__ import annotations

import time
from typing import Any

import numpy as np
import pytest
from table_sets import NARROW, SETS, fitted, missing
from timing import interleaved

import quantcore

ROUNDS = 41
_ROUND_SECONDS = 0.01


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
    if missing(case) is not None:
        pytest.skip(f"no data set {missing(case)}: set QUANTCORE_DATA to the folder that holds it")
    return fitted(case)


@pytest.mark.parametrize("case", SETS)
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
