"""Statistics of times: intervals that hold the median as often as they say."""

from __future__ import annotations

import gc
import math
import time

import numpy as np
import pytest

from quantcore.report.timing import interleaved, latencies, seconds_per_call, spread


@pytest.mark.parametrize("n", [7, 15, 40, 201])
def test_the_interval_holds_the_median_in_95_of_100_cases(n):
    random = np.random.default_rng(n)
    draws = random.lognormal(size=(4000, n))  # skewed, median 1
    hits = np.mean([found.low <= 1.0 <= found.high for found in map(spread, draws)])
    assert hits > 0.94


def test_few_values_have_their_range():
    found = spread([3.0, 1.0, 2.0])
    assert (found.median, found.low, found.high, found.n) == (2.0, 1.0, 3.0, 3)
    assert found.noise == 0.5
    assert spread([0.0]).noise == math.inf
    with pytest.raises(ValueError, match="at least one value"):
        spread([])


def test_all_take_turns_and_the_first_changes():
    order: list[str] = []
    found = interleaved({name: lambda name=name: order.append(name) for name in "abc"}, 3)
    assert "".join(order) == "abcbcacab"
    assert {name: len(values) for name, values in found.items()} == {"a": 3, "b": 3, "c": 3}
    assert gc.isenabled()


def test_who_takes_too_long_sits_out_after_three_rounds():
    found = interleaved({"slow": lambda: time.sleep(0.02), "quick": lambda: None}, 6, patience=0.03)
    assert {name: len(values) for name, values in found.items()} == {"slow": 3, "quick": 6}


def test_a_collector_that_was_off_stays_off():
    gc.disable()
    try:
        interleaved({"a": lambda: None}, 1)
        assert not gc.isenabled()
    finally:
        gc.enable()


def test_the_collector_is_as_before_also_after_an_error():
    def fail():
        raise KeyError("x")

    with pytest.raises(KeyError):
        interleaved({"a": fail}, 1)
    assert gc.isenabled()


def test_every_argument_is_passed_once_after_the_warm_up():
    seen: list[int] = []
    assert len(latencies(seen.append, range(50))) == 50
    assert seen[-50:] == [*range(50)]
    assert len(seen) > 50
    del seen[:]
    seconds_per_call(seen.append, range(50))
    assert seen == [*range(50)]
