"""Integers as bit strings: a class (the bit length, deflated) and the bits below the leading one, packed."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from quantcore.artifact._fail import invalid

__all__ = ["flags", "join", "split", "unzigzag", "zigzag"]

Bytes = NDArray[np.uint8]
BLOCK = 8192  # temporaries stay small and in the cache
_WIDTH = np.maximum(np.arange(34) - 1, 0).astype(np.int64)
_MASK = (np.uint64(1) << _WIDTH.astype(np.uint64)) - np.uint64(1)
_TOP = np.where(np.arange(34) > 0, np.uint64(1) << _WIDTH.astype(np.uint64), np.uint64(0))


def zigzag(values: NDArray[Any]) -> NDArray[np.int64]:
    """0, -1, 1, -2, ... → 0, 1, 2, 3, ..."""
    wide = values.astype(np.int64)
    result: NDArray[np.int64] = (wide << 1) ^ (wide >> 63)
    return result


def unzigzag(values: NDArray[np.uint64]) -> NDArray[np.int64]:
    """Inverse of `zigzag`."""
    result: NDArray[np.int64] = (values >> np.uint64(1)).view(np.int64) ^ -(values & np.uint64(1)).view(np.int64)
    return result


def flags(packed: Bytes, count: int) -> NDArray[np.bool_]:
    """So many bits, from the lowest of the first byte on."""
    found: NDArray[np.bool_] = np.unpackbits(packed, count=count, bitorder="little").view(np.bool_)
    return found


def split(values: NDArray[Any]) -> tuple[Bytes, Bytes] | None:
    """Classes and packed low bits of integers in 0 .. 2**33 - 1 (None outside)."""
    wide = values.astype(np.int64)
    if wide.size and (wide.min() < 0 or wide.max() >= 1 << 33):
        return None
    classes = np.empty(len(wide), np.uint8)
    for at in range(0, len(wide), BLOCK):
        classes[at : at + BLOCK] = np.frexp(wide[at : at + BLOCK].astype(np.float64))[1]
    total = int((np.bincount(classes, minlength=34) * _WIDTH).sum())
    out = np.zeros(total // 64 + 2, np.uint64)
    bit = 0
    for at in range(0, len(wide), BLOCK):
        widths = _WIDTH[classes[at : at + BLOCK]]
        ends = np.cumsum(widths)
        starts = ends - widths + bit
        low = wide[at : at + BLOCK].view(np.uint64) & _MASK[classes[at : at + BLOCK]]
        word, shift = starts >> 6, (starts & 63).view(np.uint64)
        first = np.flatnonzero(np.diff(word, prepend=-1))
        # What goes over the end of a word begins the next one; of each word only its last number can.
        out[word[first]] |= np.bitwise_or.reduceat(low << shift, first)
        across = (starts & 63) + widths > 64
        out[word[across] + 1] |= low[across] >> (np.uint64(64) - shift[across])
        bit += int(ends[-1])
    return classes, out.astype("<u8", copy=False).view(np.uint8)[: -(-total // 8)]


def join(classes: Bytes, packed: Bytes, dtype: str, signed: bool) -> NDArray[Any]:
    """Inverse of `split` (and of `zigzag` where ``signed``), checked against ``dtype``."""
    if classes.size and classes.max() > 33:
        raise invalid("an integer has more than 33 bits")
    total = int((np.bincount(classes, minlength=34) * _WIDTH).sum())
    if len(packed) != -(-total // 8) or (total % 8 and packed[-1] >> (total % 8)):
        raise invalid(f"packed integers of {total} bits do not fill {len(packed)} bytes")
    padded = np.zeros(len(packed) + 8, np.uint8)
    padded[: len(packed)] = packed
    windows: NDArray[np.uint64] = np.ndarray((len(packed) + 1,), "<u8", padded, strides=(1,))
    out = np.empty(len(classes), np.dtype(dtype).newbyteorder("<"))
    limits = np.iinfo(out.dtype)
    bit = 0
    for at in range(0, len(classes), BLOCK):
        block = classes[at : at + BLOCK]
        ends = np.cumsum(_WIDTH[block]) + bit
        starts = ends - _WIDTH[block]
        values = (windows[starts >> 3] >> (starts & 7).view(np.uint64)) & _MASK[block] | _TOP[block]
        wide = unzigzag(values) if signed else values.view(np.int64)
        if wide.min() < limits.min or wide.max() > limits.max:
            raise invalid(f"an integer does not fit {dtype}")
        out[at : at + BLOCK] = wide
        bit = int(ends[-1])
    return out
