"""Integer matrices: a byte of the high bits, deflated, and the low bits, which are noise, as bit planes.

Row by row as many low bits are cut off as the row's largest entry has beyond ``keep`` bits. Rows with equally many go
together, in their order.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from quantcore.artifact._fail import invalid

__all__ = ["MAX_LOW", "join_planes", "split_planes"]

MAX_LOW = 24


def split_planes(rows: NDArray[Any], keep: int) -> tuple[NDArray[np.uint8], NDArray[np.int8], NDArray[np.uint8]]:
    """Low bits per row, the high bytes (rows in stored order) and the packed low bits."""
    wide = rows.astype(np.int64)
    low = np.maximum(np.frexp(np.abs(wide).max(1).astype(np.float64))[1] + 1 - keep, 0)
    low += (((wide + (1 << low >> 1)[:, None]) >> low[:, None]) > 127).any(1)
    order = np.argsort(low, kind="stable")
    shifted = wide[order] + (1 << low[order] >> 1)[:, None]
    high = shifted >> low[order][:, None]
    rest = shifted - (high << low[order][:, None])
    packed = [
        np.packbits((rest[low[order] == h] >> k & 1).astype(np.uint8), axis=None, bitorder="little")
        for h in range(1, int(low.max(initial=0)) + 1)
        for k in range(h)
    ]
    return low.astype(np.uint8), high.astype(np.int8), np.concatenate([np.zeros(0, np.uint8), *packed])


def join_planes(low: NDArray[np.uint8], high: NDArray[np.int8], packed: NDArray[np.uint8], dtype: str) -> NDArray[Any]:
    """Inverse of `split_planes`."""
    n, width = high.shape
    counts = np.bincount(low, minlength=1)
    if len(low) != n or len(counts) > MAX_LOW + 1:
        raise invalid(f"{len(low)} rows of planes for {n} rows, or more than {MAX_LOW} low bits")
    if len(packed) != sum(h * -(-int(c) * width // 8) for h, c in enumerate(counts)):
        raise invalid(f"the low bits of a matrix do not fill {len(packed)} bytes")
    order = np.argsort(low, kind="stable")
    out = np.empty((n, width), np.dtype(dtype).newbyteorder("<"))
    limits = np.iinfo(out.dtype)
    row = byte = 0
    for h, count in enumerate(counts.tolist()):
        size = -(-count * width // 8)
        planes = packed[byte : byte + h * size].reshape(h, size)
        if count * width % 8 and (planes[:, -1:] >> (count * width % 8)).any():
            raise invalid("the padding of a bit plane is not zero")
        # blocks of whole bytes, so that temporaries stay small and in the cache
        step = max(8, (1 << 15) // max(width, 1) & ~7)
        for a in range(0, count, step):
            b = min(a + step, count)
            value = high[row + a : row + b].astype(np.int32) << h
            for k in range(h):
                bits = np.unpackbits(planes[k, a * width // 8 : -(-b * width // 8)], count=(b - a) * width, bitorder="little")
                value += bits.reshape(-1, width).astype(np.int32) << k
            value -= 1 << h >> 1
            if value.size and (value.min() < limits.min or value.max() > limits.max):
                raise invalid(f"an entry of a matrix does not fit {dtype}")
            out[order[row + a : row + b]] = value
        row += count
        byte += h * size
    return out
