"""Pipelines over tables by the form of the table: quantcore, scikit-learn and onnxruntime (``tables.py``)."""

from __future__ import annotations

import functools

import pytest
from replay import Replay, clock
from tables import CASES, DATA, FORMS, NAMES, compared, measured, met


@functools.cache
def found(case):
    return measured(case)


@pytest.mark.benchmark(timer=clock)
@pytest.mark.parametrize("contender", NAMES)
@pytest.mark.parametrize("shape", FORMS)
@pytest.mark.parametrize("case", CASES)
def bench_tables(benchmark, case, shape, contender):
    if not (DATA / f"{CASES[case][0]}.csv.gz").is_file():
        pytest.skip(f"no data set {CASES[case][0]}: set QUANTCORE_DATA to the folder that holds it")
    whole = found(case)
    times = dict(zip(NAMES, (whole.seconds["quantcore"].get(shape), *compared(shape, whole)), strict=True))
    if times[contender] is None:
        pytest.skip(whole.remarks.get(contender, "it does not read this form"))
    benchmark.group = f"{shape}: {case}"
    benchmark.extra_info.update(
        unit="call",
        case=case,
        task="table",
        form=shape,
        contender=contender,
        answers=whole.remarks[contender],
        goals=met(shape, whole),
        file_bytes=dict(zip(NAMES, whole.bytes, strict=False)).get(contender),
    )
    benchmark.pedantic(Replay([times[contender]]), rounds=1)
