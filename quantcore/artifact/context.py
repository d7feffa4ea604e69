"""Groups of a matrix's rows that follow from another array: from the ranks of the document frequencies.

How large a term's weight is, in steps, goes with how often the term is used. Of one column, naming each row's group would cost
more than its code gains; ranks are in the file already, so that groups which are ranges of ranks are named by a small table.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from quantcore.artifact.rows import MAX_LOW, MOST_BITS, Rows, coded, symbols

__all__ = ["split_by_rank"]

_LEAST = 32  # rows of a range to begin with
_MOST_GROUPS = 256
_HEADER, _SYMBOL = 24.0, 5.0  # bits that a group costs, and each symbol that it uses, about


def split_by_rank(rows: NDArray[Any], ranks: NDArray[Any]) -> tuple[Rows, NDArray[np.uint8]]:
    """A matrix in parts, its rows grouped by ranges of ranks; and the group of each rank.

    Parameters
    ----------
    rows : ndarray of int16 or int32, shape (n_rows, 1)
    ranks : ndarray of int, shape (n_rows,)
        0 .. n - 1, each of them there.
    """
    counts = np.bincount(ranks)
    first = _first_ranges(counts)
    least = max(0, int(np.abs(rows.astype(np.int64)).max(initial=0)).bit_length() - MOST_BITS)
    symbol, extra = symbols(rows[:, 0], least)
    width = int(symbol.max(initial=0)) + 1
    keys = first[ranks].astype(np.int64) * width + symbol
    shape = int(first[-1]) + 1, width
    histograms = np.bincount(keys, minlength=math.prod(shape)).reshape(shape).astype(np.float64)
    table = _merged(histograms)[first].astype(np.uint8)
    group = table[ranks]
    size = np.bincount(group, np.abs(rows[:, 0].astype(np.float64))) / np.bincount(group)
    low = np.clip(np.floor(np.log2(size + 2.0**-8)).astype(np.int64) - 4, least, MAX_LOW)
    return coded(rows, low, group), table


def _first_ranges(counts: NDArray[np.int64]) -> NDArray[np.int64]:
    """The range of each rank: few enough, and none of few rows but the last."""
    least = max(_LEAST, int(counts.sum()) / (4 * _MOST_GROUPS))
    out, number, have = np.empty(len(counts), np.int64), 0, 0
    for rank, count in enumerate(counts.tolist()):
        out[rank] = number
        have += count
        if have >= least:
            number, have = number + 1, 0
    return np.minimum(out, max(number - 1, 0)) if have else out


def _bits(histograms: NDArray[np.float64]) -> NDArray[np.float64]:
    """Of each group, about: its entries' codes, and the code itself."""
    total = np.maximum(histograms.sum(axis=-1, keepdims=True), 1.0)
    codes = -(histograms * np.log2(np.maximum(histograms, 1.0) / total)).sum(axis=-1)
    found: NDArray[np.float64] = codes + _HEADER + _SYMBOL * np.count_nonzero(histograms, axis=-1)
    return found


def _merged(histograms: NDArray[np.float64]) -> NDArray[np.int64]:
    """The group of each range: neighbours become one, those first that gain most, as long as it gains or they are too many."""
    parts, ends = list(histograms), list(range(1, len(histograms) + 1))
    cost = _bits(histograms).tolist()
    gain = [a + b - float(_bits(x + y)) for a, b, x, y in zip(cost, cost[1:], parts, parts[1:], strict=False)]
    while gain:
        at = int(np.argmax(gain))
        if gain[at] <= 0.0 and len(parts) <= _MOST_GROUPS:
            break
        parts[at : at + 2] = [parts[at] + parts[at + 1]]
        cost[at : at + 2] = [float(_bits(parts[at]))]
        del ends[at], gain[at]
        for i in (at - 1, at):
            if 0 <= i < len(gain):
                gain[i] = cost[i] + cost[i + 1] - float(_bits(parts[i] + parts[i + 1]))
    return np.repeat(np.arange(len(ends)), np.diff(ends, prepend=0))
