"""Fair timing: loops without their own cost, interleaved rounds, an environment that sets the threads.

Machines are noisy in ways that last for seconds. Contenders therefore take turns, round by round, and the median of each
one's rounds is compared; the cost of the measuring loop is measured in the same round and taken off.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

_THREADS = ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS", "NUMEXPR_NUM_THREADS")
# BLAS tuned for another machine; modules compiled anew at every import.
_UNFAIR = ("OPENBLAS_CORETYPE", "OPENBLAS_L2_SIZE", "PYTHONDONTWRITEBYTECODE")


def environment(**extra: str) -> dict[str, str]:
    """The environment of a contender's process: one thread, BLAS as it tunes itself, modules compiled once."""
    kept = {name: value for name, value in os.environ.items() if name not in _UNFAIR}
    return {**kept, **dict.fromkeys(_THREADS, "1"), **extra}


def seconds_per_call(call: Callable[[Any], Any], arguments: Sequence[Any]) -> float:
    """Mean time of ``call(argument)``, the Python call counted, the loop around it not."""
    clock = time.perf_counter
    start = clock()
    for _ in arguments:
        pass
    loop = clock()
    for argument in arguments:
        call(argument)
    end = clock()
    return (end - loop - (loop - start)) / len(arguments)


def interleaved(measures: Mapping[str, Callable[[], float]], rounds: int, patience: float = 3.0) -> dict[str, list[float]]:
    """What each measure returns in each round; all take turns, and who begins changes from round to round.

    Parameters
    ----------
    measures : mapping of name → callable
    rounds : int
    patience : float
        Who has taken so many seconds in all sits out after three rounds.
    """
    found: dict[str, list[float]] = {name: [] for name in measures}
    spent = dict.fromkeys(measures, 0.0)
    names = list(measures)
    for turn in range(rounds):
        for name in names[turn % len(names) :] + names[: turn % len(names)]:
            if turn < 3 or spent[name] < patience:
                start = time.perf_counter()
                found[name].append(measures[name]())
                spent[name] += time.perf_counter() - start
    return found
