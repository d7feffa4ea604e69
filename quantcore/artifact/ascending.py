"""Numbers that mostly ascend, by their steps: of floats between their bits, read as integers in the order of the floats."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from quantcore.artifact._fail import invalid

__all__ = ["Doubles", "join_ascending", "join_doubles", "join_steps", "split_ascending", "split_doubles", "split_steps"]

_TOP = np.uint32(1 << 31)
_TOP_8 = np.uint64(1 << 63)
_LEAST_BITS, _MOST_BITS, _HALF = 16, 32, 16
_ALIKE = 0.9  # least share of items that end in the same bits, those of a sign
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


class Doubles(NamedTuple):
    """float64 numbers in parts: thresholds between float32 numbers need 27 bits of a mantissa, or those and one unit in the last
    place.

    Parameters
    ----------
    bits : int
        Low bits of a number's place among all float64 numbers that are apart.
    top, bottom : ndarray of int
        Steps between what is above those bits, the first one counted from 0: their 16 low bits, and the others.
    low : ndarray of int
        The low bits.
    """

    bits: int
    top: NDArray[Any]
    bottom: NDArray[Any]
    low: NDArray[Any]


def split_doubles(values: NDArray[np.float64]) -> Doubles | None:
    """Take numbers apart; None where too few of them end in the same bits."""
    raw = values.view(np.uint64)
    places = np.where(raw & _TOP_8, ~raw, raw | _TOP_8)
    for bits in range(_MOST_BITS, _LEAST_BITS - 1, -2):
        low = places & np.uint64((1 << bits) - 1)
        _, counts = np.unique(low, return_counts=True)
        if np.sort(counts)[-2:].sum() >= _ALIKE * len(values):
            steps = np.diff(places >> np.uint64(bits), prepend=np.uint64(0)) & np.uint64((1 << (64 - bits)) - 1)
            return Doubles(bits, steps >> np.uint64(_HALF), steps & np.uint64((1 << _HALF) - 1), low)
    return None


def join_doubles(parts: Doubles) -> NDArray[np.float64]:
    """Inverse of `split_doubles`."""
    bits = parts.bits
    if not _LEAST_BITS <= bits <= _MOST_BITS or not len(parts.top) == len(parts.bottom) == len(parts.low):
        raise invalid(f"steps between doubles of {bits} low bits, or of lengths that differ")
    for part, size in ((parts.top, 64 - _HALF - bits), (parts.bottom, _HALF), (parts.low, bits)):
        if len(part) and (int(part.min()) < 0 or int(part.max()) >> size):
            raise invalid(f"a part of a step between doubles has more than {size} bits")
    places = parts.top.astype(np.uint64)
    places <<= np.uint64(_HALF)
    for at in range(0, len(places), _BLOCK):
        places[at : at + _BLOCK] |= parts.bottom[at : at + _BLOCK].astype(np.uint64)
    np.cumsum(places, out=places)
    places <<= np.uint64(bits)
    for at in range(0, len(places), _BLOCK):
        block = places[at : at + _BLOCK]
        block |= parts.low[at : at + _BLOCK].astype(np.uint64)
        block ^= np.where(block & _TOP_8, _TOP_8, ~np.uint64(0))
    out: NDArray[np.float64] = places.astype("<u8", copy=False).view("<f8")
    return out
