"""Tree ensembles by numbers of rows: quantcore, the source library, onnxruntime, treelite and lleaves (``forests.py``)."""

from __future__ import annotations

import functools

import pytest
from forest_cases import CASES, absent
from forests import extra, measured, tasks
from replay import Replay, clock


@functools.cache
def found(case):
    return measured(case)


@pytest.mark.benchmark(timer=clock)
@pytest.mark.parametrize(
    ("case", "task", "contender"),
    [
        pytest.param(case, task, name, id=f"{case}: {task}: {name}")
        for case in CASES
        for task, names in tasks(case).items()
        for name in names
    ],
)
def bench_trees(benchmark, case, task, contender):
    reason = absent(case)
    if reason is not None:
        pytest.skip(reason)
    for library in ("lightgbm", "xgboost"):
        if library in case:
            pytest.importorskip(library)
    here = found(case)
    if contender not in here.rounds[task]:
        pytest.skip(here.answers[contender])
    rounds = here.rounds[task][contender]
    benchmark.group = f"{case}: {task}"
    benchmark.extra_info.update(extra(case, task, contender, here))
    benchmark.pedantic(Replay(rounds), rounds=len(rounds))
