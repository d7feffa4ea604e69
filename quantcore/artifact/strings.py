"""Lists of byte strings: lengths and bytes, or, where sorted, front-coded."""

from __future__ import annotations

from itertools import accumulate
from typing import Any

import numpy as np
from numpy.typing import NDArray

from quantcore.artifact._fail import invalid

__all__ = ["join_sorted", "join_text", "split_sorted", "split_text", "too_wide"]

Bytes = NDArray[np.uint8]
MAX_PREFIX = 15


def too_wide(count: int, width: int, n_bytes: int) -> bool:
    """Whether a fixed-width array would be out of proportion to its strings (one long, many short)."""
    return 4 * count * width > 64 * (count + n_bytes)


def split_text(texts: list[str]) -> tuple[NDArray[np.int64], Bytes]:
    """Byte lengths and the bytes."""
    encoded = [t.encode("utf-8", "surrogatepass") for t in texts]
    return np.array([len(e) for e in encoded], np.int64), np.frombuffer(b"".join(encoded), np.uint8)


def join_text(lengths: NDArray[Any], data: Bytes) -> list[str]:
    """Inverse of `split_text`."""
    ends = list(accumulate(lengths.tolist()))
    if (ends[-1] if ends else 0) != len(data):
        raise invalid("the lengths of strings do not add up to their bytes")
    raw, out, start = data.tobytes(), [], 0
    try:
        for end in ends:
            out.append(raw[start:end].decode("utf-8", "surrogatepass"))
            start = end
    except UnicodeDecodeError:
        raise invalid("a string is not UTF-8") from None
    return out


def split_sorted(data: Bytes, ends: NDArray[Any]) -> tuple[Bytes, NDArray[np.int64], Bytes]:
    """Prefix shared with the string before (at most 15 bytes), length of the rest, and the rests."""
    stops = ends.astype(np.int64)
    lengths = np.diff(stops, prepend=0)
    starts = stops - lengths
    prefix = np.zeros(len(stops), np.int64)
    open_ = np.arange(1, len(stops))
    for k in range(MAX_PREFIX):
        open_ = open_[(lengths[open_] > k) & (lengths[open_ - 1] > k)]
        open_ = open_[data[starts[open_] + k] == data[starts[open_ - 1] + k]]
        prefix[open_] = k + 1
    within = np.arange(len(data)) - np.repeat(starts, lengths)
    return prefix.astype(np.uint8), lengths - prefix, data[within >= np.repeat(prefix, lengths)]


def join_sorted(prefix: NDArray[Any], rest: NDArray[Any], data: Bytes) -> tuple[Bytes, NDArray[np.uint32]]:
    """Inverse of `split_sorted`: bytes and ends."""
    if len(prefix) != len(rest) or int(rest.sum(dtype=np.int64)) != len(data):
        raise invalid("front-coded strings do not add up")
    pre = prefix.astype(np.int32)
    lengths = pre + rest.astype(np.int64)
    if len(pre) and (pre.max() > MAX_PREFIX or pre[0] or (pre[1:] > lengths[:-1]).any()):
        raise invalid("a front-coded string shares more than there is")
    ends = np.cumsum(lengths)
    if len(ends) and ends[-1] >= 1 << 32:
        raise invalid("the symbols of a vocabulary need 2**32 bytes or more")
    starts = ends - lengths
    out = np.empty(int(ends[-1]) if len(ends) else 0, np.uint8)
    own = np.ones(len(out), np.bool_)
    for k in range(int(pre.max(initial=0))):
        own[starts[pre > k] + k] = False
    out[own] = data
    for k in range(int(pre.max(initial=0))):
        # the last string up to here that spells byte k itself
        source = np.maximum.accumulate(np.where(pre > k, 0, np.arange(len(pre), dtype=np.int32)))
        copies = np.flatnonzero(pre > k)
        out[starts[copies] + k] = out[starts[source[copies]] + k]
    return out, ends.astype("<u4")
