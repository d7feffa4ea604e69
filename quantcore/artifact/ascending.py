"""Numbers that mostly ascend, by their steps: of floats between their bits, read as integers in the order of the floats."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from quantcore.artifact._fail import invalid

__all__ = ["join_ascending", "join_steps", "split_ascending", "split_steps"]

_TOP = np.uint32(1 << 31)
_BLOCK = 8192  # temporaries stay small and in the cache


def split_steps(values: NDArray[Any]) -> NDArray[np.int64]:
    """Steps between integers, the first one counted from 0."""
    wide = values.astype(np.int64)
    out: NDArray[np.int64] = wide.copy()
    out[1:] -= wide[:-1]
    return out


def join_steps(steps: NDArray[Any], dtype: str) -> NDArray[Any]:
    """Inverse of `split_steps`; steps have at most 34 bits, so that fewer than 2**29 of them add up within 64."""
    limits, total = np.iinfo(dtype), 0
    out = np.empty(len(steps), f"<{dtype}")
    for at in range(0, len(steps), _BLOCK):
        block = np.cumsum(steps[at : at + _BLOCK], dtype=np.int64) + np.int64(total)
        if block.min() < limits.min or block.max() > limits.max:
            raise invalid(f"sums of steps do not fit {dtype}")
        out[at : at + _BLOCK] = block
        total = int(block[-1])
    return out


def split_ascending(values: NDArray[np.float32]) -> NDArray[np.uint32]:
    """Steps modulo 2**32 between the places of float32 numbers among all of them, the first one counted from 0."""
    bits = values.view(np.uint32)
    places = np.where(bits & _TOP, ~bits, bits | _TOP)
    out: NDArray[np.uint32] = np.diff(places, prepend=np.uint32(0))
    return out


def join_ascending(steps: NDArray[Any]) -> NDArray[np.float32]:
    """Inverse of `split_ascending`."""
    places = np.cumsum(steps, dtype=np.uint32)
    for at in range(0, len(places), _BLOCK):
        block = places[at : at + _BLOCK]
        block ^= np.where(block & _TOP, _TOP, ~np.uint32(0))
    out: NDArray[np.float32] = places.astype("<u4", copy=False).view("<f4")
    return out
