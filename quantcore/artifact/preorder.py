"""Numbers that follow from the flags of trees in preorder (see `quantcore.plan.tree_ops.Trees`)."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

__all__ = ["leaf_numbers"]

_BLOCK = 8192  # temporaries stay small and in the cache


def leaf_numbers(leaf: NDArray[np.bool_]) -> NDArray[np.uint32]:
    """Of each node that is a leaf, its number within its own tree: a tree ends where leaves outnumber its other nodes."""
    out = np.empty(np.count_nonzero(leaf), "<u4")
    height = lowest = root = done = 0
    for at in range(0, len(leaf), _BLOCK):
        block = leaf[at : at + _BLOCK]
        steps = np.where(block, -1, 1)
        before = np.cumsum(steps) - steps + height
        # A tree begins where fewer nodes wait for their right child than ever before.
        low = np.minimum.accumulate(np.concatenate([[lowest], before]))
        roots = np.where(before < low[:-1], np.arange(at, at + len(block)), root)
        found = np.flatnonzero(block)
        out[done : done + len(found)] = found + at - np.maximum.accumulate(roots)[found]
        height, lowest, root, done = height + int(steps.sum()), int(low[-1]), int(roots.max()), done + len(found)
    return out
