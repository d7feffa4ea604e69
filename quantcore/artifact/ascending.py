"""Floats that mostly ascend: the steps between their bits, read as integers in the order of the floats."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["join_ascending", "split_ascending"]

_TOP = np.uint32(1 << 31)
_BLOCK = 8192  # temporaries stay small and in the cache


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
