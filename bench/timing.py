"""Fair timing: loops without their own cost, interleaved rounds (both as ``quantcore.compare`` has them), and an environment that
sets the threads.

Machines are noisy in ways that last for seconds. Contenders therefore take turns, round by round, and the median of each
one's rounds is compared; the cost of the measuring loop is measured in the same round and taken off.
"""

from __future__ import annotations

import os

from quantcore.report.timing import interleaved, seconds_per_call

__all__ = ["environment", "interleaved", "seconds_per_call"]

_THREADS = ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS", "NUMEXPR_NUM_THREADS")
# BLAS tuned for another machine; modules compiled anew at every import.
_UNFAIR = ("OPENBLAS_CORETYPE", "OPENBLAS_L2_SIZE", "PYTHONDONTWRITEBYTECODE")


def environment(**extra: str) -> dict[str, str]:
    """The environment of a contender's process: one thread, BLAS as it tunes itself, modules compiled once."""
    kept = {name: value for name, value in os.environ.items() if name not in _UNFAIR}
    return {**kept, **dict.fromkeys(_THREADS, "1"), **extra}
