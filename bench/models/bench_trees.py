"""Tree ensembles by numbers of rows: quantcore, the source library, onnxruntime, treelite and lleaves (``forests.py``)."""

from __future__ import annotations

import functools

import pytest
from forests import CASES, NAMES, SIZES, measured
from replay import Replay, clock


@functools.cache
def found(case):
    return measured(case)


@pytest.mark.benchmark(timer=clock)
@pytest.mark.parametrize("contender", NAMES)
@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("case", CASES)
def bench_trees(benchmark, case, size, contender):
    if "gboost" in case or "lightgbm" in case:
        pytest.importorskip(case.split()[0])
    seconds, remarks = found(case)
    if contender not in seconds:
        pytest.skip(remarks[contender])
    benchmark.group = f"{size} rows: {case}"
    benchmark.extra_info.update(unit="call", case=case, task=f"{size} rows", contender=contender, answers=remarks[contender])
    benchmark.pedantic(Replay([seconds[contender][size]]), rounds=1)
