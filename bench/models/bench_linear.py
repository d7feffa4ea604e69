"""One row, a batch of up to 1000, and loading: quantcore, scikit-learn and onnxruntime on models of texts, of tables and of
CSR rows."""

from __future__ import annotations

import pytest
from cases import CASES, CSR_CASES, TABLE_CASES, Measured, measured
from peers import NAMES, TASKS
from replay import Replay, clock


@pytest.mark.benchmark(timer=clock)
@pytest.mark.parametrize("contender", NAMES)
@pytest.mark.parametrize("task", TASKS)
@pytest.mark.parametrize("case", [*CASES, *TABLE_CASES, *CSR_CASES])
def bench_linear(benchmark, case, task, contender):
    found = measured(case)
    if not isinstance(found, Measured):
        pytest.skip(found)
    if contender in found.absent:
        pytest.skip(found.absent[contender])
    benchmark.group = f"{task}: {case}"
    benchmark.extra_info.update(
        unit="load" if task == "load" else "row",
        case=case,
        task=task,
        contender=contender,
        file_bytes=found.file_bytes[contender],
        flips=found.flips[contender],
        rows=found.rows,
    )
    rounds = found.seconds[task][contender]
    benchmark.pedantic(Replay(rounds), rounds=len(rounds))
