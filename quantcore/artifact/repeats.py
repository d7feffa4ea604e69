"""Values that come again, as the distance to where they stood last."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from quantcore.artifact._fail import invalid

__all__ = ["distances", "numbers"]

_BLOCK = 8192  # temporaries stay small and in the cache


def distances(values: NDArray[Any]) -> NDArray[np.int64]:
    """How far back each value stood last; 0 where it is new."""
    order = np.argsort(values, kind="stable")
    again = np.flatnonzero(values[order[1:]] == values[order[:-1]]) + 1
    out = np.zeros(len(values), np.int64)
    out[order[again]] = order[again] - order[again - 1]
    return out


def numbers(back: NDArray[Any]) -> NDArray[np.uint32]:
    """The number of each value, new ones counted in their order: the inverse of `distances`."""
    if (back > np.arange(len(back), dtype=np.int32)).any():
        raise invalid("a back reference points before the start")
    out: NDArray[np.uint32] = np.cumsum(back == 0, dtype=np.uint32) - np.uint32(1)
    for at in range(0, len(back), _BLOCK):
        block = back[at : at + _BLOCK].astype(np.int64)
        own = np.arange(len(block))
        source = own - block
        # within the block each round doubles how far a reference reaches; what is before it is known
        root = np.where(source >= 0, source, own)
        known = out[at + np.where(root == own, source, own)]
        while not np.array_equal(further := root[root], root):
            root = further
        out[at : at + _BLOCK] = known[root]
    return out
