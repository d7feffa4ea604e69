"""Prefix codes of at most `LONGEST` bits: optimal lengths, canonical codes, decoding tables."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["LONGEST", "code_lengths", "codes", "is_complete", "table"]

LONGEST = 12
_SLOTS = 1 << LONGEST
# slot whose bits are those of i in reverse: streams are read from the lowest bit on, codes from the highest
_REVERSED: NDArray[np.int64] = sum(
    ((np.arange(_SLOTS, dtype=np.int64) >> i & 1) << LONGEST - 1 - i for i in range(LONGEST)), np.zeros(_SLOTS, np.int64)
)


def code_lengths(counts: NDArray[Any]) -> NDArray[np.uint8]:
    """Lengths of the best complete code for symbols that occur so often; 0 where one does not occur (package-merge).

    A code needs two symbols: where only one occurs, a neighbour gets a code too.
    """
    lengths = np.zeros(max(len(counts), 2), np.uint8)
    used = np.flatnonzero(counts).tolist()
    if len(used) < 2:
        at = min(used[0], len(lengths) - 2) if used else 0
        lengths[at : at + 2] = 1
        return lengths
    leaves = sorted((int(counts[s]), [s]) for s in used)
    merged = leaves
    for _ in range(LONGEST - 1):
        pairs = [(a[0] + b[0], a[1] + b[1]) for a, b in zip(merged[::2], merged[1::2], strict=False)]
        merged = sorted(leaves + pairs)
    for _, symbols in merged[: 2 * len(used) - 2]:
        for s in symbols:
            lengths[s] += 1
    return lengths


def is_complete(lengths: NDArray[np.uint8]) -> bool:
    """Whether every stream of bits can be read with codes of these lengths, in one way."""
    used = lengths[lengths > 0].astype(np.int64)
    return len(used) > 0 and int(used.max()) <= LONGEST and int((_SLOTS >> used).sum()) == _SLOTS


def _starts(lengths: NDArray[np.uint8]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Symbols by (length, number), and the first slot of each, codes read from the highest bit on."""
    order = np.argsort(lengths, kind="stable")
    order = order[lengths[order] > 0]
    slots = _SLOTS >> lengths[order].astype(np.int64)
    return order, np.cumsum(slots) - slots


def codes(lengths: NDArray[np.uint8]) -> NDArray[np.int64]:
    """The code of each symbol as it stands in a stream: its first bit lowest."""
    order, first = _starts(lengths)
    out = np.zeros(len(lengths), np.int64)
    out[order] = _REVERSED[first]
    return out


def table(lengths: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """The symbol that the next `LONGEST` bits of a stream begin with, for a complete code."""
    order, _ = _starts(lengths)
    symbols: NDArray[np.uint8] = np.repeat(order.astype(np.uint8), _SLOTS >> lengths[order].astype(np.int64))[_REVERSED]
    return symbols
