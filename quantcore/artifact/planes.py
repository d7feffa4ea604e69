"""Integer matrices: a byte of the high bits, deflated, and the low bits, which are noise, as bit planes.

Rows of about the same size form a group and lie together; how many low bits are cut off is a matter of the group. The few
entries whose high bits do not fit a byte are stored apart.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from quantcore.artifact._fail import invalid

__all__ = ["MAX_LOW", "Planes", "join_planes", "splits"]

MAX_LOW = 24
ESCAPE = -128
_BLOCK = 1 << 15  # entries; temporaries stay small and in the cache


@dataclass(frozen=True)
class Planes:
    """A matrix in parts.

    Parameters
    ----------
    low : list of int
        Number of low bits per group, ascending.
    group : ndarray of uint8, shape (n_rows,)
    high : ndarray of int8, shape (n_rows, n_columns)
        Rows by group, in their order; -128 stands for the next of ``wide``.
    packed : ndarray of uint8
        Per number of low bits and per bit, from the lowest on, the bit of all entries, padded to a byte.
    wide : ndarray of int64
        High parts that do not fit.
    """

    low: list[int]
    group: NDArray[np.uint8]
    high: NDArray[np.int8]
    packed: NDArray[np.uint8]
    wide: NDArray[Any]


def splits(rows: NDArray[Any]) -> Iterator[Planes]:
    """A few ways to take a matrix apart: groups by the largest entry, or by the mean one."""
    size = np.abs(rows.astype(np.int64))
    largest = np.frexp(size.max(axis=1).astype(np.float64))[1]
    for keep in (8, 6):
        yield _split(rows, largest, 1, keep - 1)
    halves = np.ceil(2.0 * np.log2(size.mean(axis=1) + 2.0**-8)).astype(np.int64)
    for keep in (1, 2, 3):
        yield _split(rows, halves, 2, keep)


def _split(rows: NDArray[Any], scale: NDArray[Any], per_bit: int, keep: int) -> Planes:
    """Rows by ``scale`` (in bits times ``per_bit``), ``keep`` bits of it in the high byte."""
    levels, inverse = np.unique(scale, return_inverse=True)
    group: NDArray[np.uint8] = inverse.reshape(-1).astype(np.uint8)
    low = np.clip(levels // per_bit - keep, 0, MAX_LOW)
    order = np.argsort(group, kind="stable")
    cut = low[group[order]][:, None]
    shifted = rows[order].astype(np.int64) + (1 << cut >> 1)
    high = shifted >> cut
    rest = shifted - (high << cut)
    packed = [
        np.packbits((rest[cut[:, 0] == h] >> k & 1).astype(np.uint8), axis=None, bitorder="little")
        for h in np.unique(low).tolist()
        for k in range(h)
    ]
    outside = (high > 127) | (high <= ESCAPE)
    wide = high[outside]
    high[outside] = ESCAPE
    return Planes(low.tolist(), group, high.astype(np.int8), np.concatenate([np.zeros(0, np.uint8), *packed]), wide)


def join_planes(planes: Planes, dtype: str) -> NDArray[Any]:
    """Inverse of `splits`, for any of them."""
    high, group, packed = planes.high, planes.group, planes.packed
    n, width = high.shape
    limits = np.iinfo(dtype)
    if len(group) != n or (n and int(group.max()) >= len(planes.low)):
        raise invalid(f"{len(group)} rows of planes for {n} rows, or a group that is not there")
    if np.count_nonzero(high == ESCAPE) != len(planes.wide):
        raise invalid("the entries stored apart do not fit the planes")
    if len(planes.wide) and not limits.min <= int(planes.wide.min()) <= int(planes.wide.max()) <= limits.max:
        raise invalid(f"an entry of a matrix does not fit {dtype}")
    counts = np.bincount(np.array(planes.low, np.int64)[group], minlength=1).tolist()
    sizes = [-(-count * width // 8) for count in counts]
    if len(packed) != sum(h * size for h, size in enumerate(sizes)):
        raise invalid(f"the low bits of a matrix do not fill {len(packed)} bytes")
    order = np.argsort(group, kind="stable")
    out = np.empty((n, width), np.dtype(dtype).newbyteorder("<"))
    step = max(8, _BLOCK // max(width, 1) & ~7)  # rows, so that blocks are whole bytes
    row = byte = taken = 0
    for h, (count, size) in enumerate(zip(counts, sizes, strict=True)):
        bits = packed[byte : byte + h * size].reshape(h, size)
        if count * width % 8 and (bits[:, -1:] >> (count * width % 8)).any():
            raise invalid("the padding of a bit plane is not zero")
        # without escapes the entries of a matrix of this many low bits stay below 127.5 * 2**h
        work = out.dtype if 255 << h >> 1 <= limits.max else np.dtype(np.int64)
        for a in range(0, count, step):
            b = min(a + step, count)
            part = high[row + a : row + b]
            rest = _unpack(bits[:, a * width // 8 : -(-b * width // 8)], part.size).reshape(part.shape)
            half = 1 << h >> 1
            value = (part.astype(work) << h) + rest.astype(work) - half
            escaped = part == ESCAPE
            if escaped.any():
                end = taken + int(np.count_nonzero(escaped))
                apart = (planes.wide[taken:end].astype(np.int64) << h) + rest[escaped] - half
                _check(apart, limits, dtype)
                value[escaped] = apart
                taken = end
            if work != out.dtype:
                _check(value, limits, dtype)
            out[order[row + a : row + b]] = value
        row += count
        byte += h * size
    return out


def _unpack(bits: NDArray[np.uint8], count: int) -> NDArray[Any]:
    """Numbers from their bits, lowest plane first."""
    total: NDArray[Any] = np.zeros(count, np.uint8 if len(bits) <= 8 else np.int64)
    for at in range(0, len(bits), 8):
        byte = np.zeros(count, np.uint8)
        for k, plane in enumerate(bits[at : at + 8]):
            byte |= np.unpackbits(plane, count=count, bitorder="little") << np.uint8(k)
        total |= byte.astype(total.dtype) << at
    return total


def _check(values: NDArray[Any], limits: np.iinfo[Any], dtype: str) -> None:
    if values.size and (values.min() < limits.min or values.max() > limits.max):
        raise invalid(f"an entry of a matrix does not fit {dtype}")
