"""Fair timing within one process: contenders take turns, and medians come with intervals.

A machine is noisy in ways that last for seconds, so that one contender's minute can't be compared with another's. Here all
take turns, round by round; who begins changes; the cost of the loop that measures is taken off; and what is reported of a
quantity is its median with an interval that holds the true one in 95 of 100 cases, from order statistics: nothing is assumed
about the shape of the noise.
"""

from __future__ import annotations

import gc
import math
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

__all__ = ["Spread", "interleaved", "latencies", "seconds_per_call", "spread"]

_Z95 = 1.959963984540054
_WARM = 1_000_000  # nanoseconds


class Spread(NamedTuple):
    """A median, and the 95% interval of it.

    Parameters
    ----------
    median, low, high : float
        In the unit of the values.
    n : int
        Number of values.
    """

    median: float
    low: float
    high: float
    n: int

    @property
    def noise(self) -> float:
        """Half the interval as a share of the median; infinite where there is none."""
        return (self.high - self.low) / 2 / self.median if self.median > 0 else math.inf


def spread(values: Sequence[float] | NDArray[np.float64]) -> Spread:
    """Median and its interval by order statistics (binomial, normal approximation; of fewer than six values their range).

    Parameters
    ----------
    values : sequence of float
    """
    ordered = np.sort(np.asarray(values, np.float64))
    n = len(ordered)
    if not n:
        raise ValueError("expected at least one value, got none")
    away = _Z95 * math.sqrt(n) / 2
    low = max(0, math.floor(n / 2 - away) - 1) if n >= 6 else 0
    high = min(n - 1, math.ceil(n / 2 + away)) if n >= 6 else n - 1
    return Spread(float(np.median(ordered)), float(ordered[low]), float(ordered[high]), n)


def seconds_per_call(call: Callable[[Any], Any], arguments: Sequence[Any]) -> float:
    """Mean time of ``call(argument)``, the call counted, the loop around it not."""
    clock = time.perf_counter
    start = clock()
    for _ in arguments:
        pass
    loop = clock()
    for argument in arguments:
        call(argument)
    end = clock()
    return (end - loop - (loop - start)) / len(arguments)


def latencies(call: Callable[[Any], Any], arguments: Sequence[Any]) -> NDArray[np.float64]:
    """Seconds of each call, less what reading the clock twice takes; after a millisecond of calls that are not counted.

    Parameters
    ----------
    call : callable
    arguments : sequence
    """
    clock = time.perf_counter_ns
    out = np.empty(len(arguments))
    empty = sorted(-clock() + clock() for _ in range(201))[100]  # what it takes as a rule, as the calls are seen as a rule
    # Whoever was on before left the caches and the branch predictors to others: a server's own calls follow each other.
    warm = clock() + _WARM
    while clock() < warm:
        for argument in arguments:
            call(argument)
            if clock() >= warm:
                break
    for i, argument in enumerate(arguments):
        start = clock()
        call(argument)
        out[i] = clock() - start - empty
    return np.maximum(out, 0.0) * 1e-9


def interleaved(measures: Mapping[str, Callable[[], Any]], rounds: int, patience: float = 5.0) -> dict[str, list[Any]]:
    """What each measure returns in each round, the garbage collector held still; all take turns.

    Parameters
    ----------
    measures : mapping of str to callable
    rounds : int
    patience : float
        Seconds; who has taken more in all sits out after three rounds.
    """
    found: dict[str, list[Any]] = {name: [] for name in measures}
    spent = dict.fromkeys(measures, 0.0)
    names = list(measures)
    collecting = gc.isenabled()
    gc.disable()
    try:
        for turn in range(rounds):
            first = turn % max(len(names), 1)
            for name in names[first:] + names[:first]:
                if turn < 3 or spent[name] < patience:
                    start = time.perf_counter()
                    found[name].append(measures[name]())
                    spent[name] += time.perf_counter() - start
    finally:
        if collecting:
            gc.enable()
    return found
