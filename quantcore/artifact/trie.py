"""The edges of a vocabulary's trie, and its columns.

The children of a node are a set of symbols. Symbols are renumbered by how many nodes they end (common ones first), so a
set is a few small gaps; nodes come in the order of how many children they have, so gaps of one size lie together.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from quantcore.artifact._fail import invalid

__all__ = ["alphabetical", "join_level", "split_level"]

Counts = NDArray[Any]


def _descending(counts: Counts) -> NDArray[np.int64]:
    """Positions by falling count, equal ones in their order."""
    return np.argsort(counts.max(initial=0) - counts, kind="stable")


def split_level(parent: Counts, symbol: Counts, n_parents: int, n_symbols: int, ranked: bool) -> tuple[Counts, Counts, Counts]:
    """Children per parent, uses per symbol (empty unless ``ranked``) and gaps, for one level's edges."""
    children = np.bincount(parent, minlength=n_parents)
    uses = np.bincount(symbol, minlength=n_symbols) if ranked else np.zeros(0, np.int64)
    parent_rank, symbol_rank = np.empty(n_parents, np.int64), np.arange(n_symbols)
    parent_rank[_descending(children)] = np.arange(n_parents)
    if ranked:
        symbol_rank[_descending(uses)] = np.arange(n_symbols)
    key = np.sort(parent_rank[parent] << 32 | symbol_rank[symbol])
    first = np.concatenate([[True], np.diff(key >> 32) > 0])[: len(key)]
    rank = key & 0xFFFFFFFF
    gaps = np.diff(rank, prepend=0) - 1
    gaps[first] = rank[first]
    return children, uses, gaps


def join_level(children: Counts, uses: Counts, gaps: Counts, n_symbols: int) -> tuple[NDArray[np.uint32], NDArray[np.uint32]]:
    """Inverse of `split_level`: parents and symbols, sorted by both."""
    if int(children.sum(dtype=np.int64)) != len(gaps) or len(uses) not in (0, n_symbols):
        raise invalid("the counts of a trie's level do not add up")
    parents = _descending(children)
    counts = children[parents].astype(np.int64)
    used = counts > 0
    counts, parents = counts[used], parents[used]
    rank = np.cumsum(gaps.astype(np.int64) + 1)
    stops = np.cumsum(counts)
    before = np.concatenate([[0], rank[stops[:-1] - 1]])[: len(counts)]
    rank -= np.repeat(before, counts) + 1
    if len(rank) and rank.max() >= n_symbols:
        raise invalid("an edge of a trie names a symbol that is not there")
    if len(uses):
        rank = _descending(uses)[rank]
    rank |= np.repeat(parents << 32, counts)
    rank.sort()
    halves = rank.astype("<i8", copy=False).view("<u4")
    return halves[1::2].copy(), halves[::2].copy()


def alphabetical(parent: Counts, levels: tuple[int, ...], is_term: NDArray[np.bool_]) -> NDArray[np.uint32]:
    """Rank of each term, in node order, in a walk that visits a node before its children.

    That is the order of the terms as strings wherever no symbol holds a character below the separator, so it is the order
    in which scikit-learn numbers the columns of a learnt vocabulary.
    """
    starts = np.concatenate([[0], np.cumsum(levels)]).astype(np.int64)
    own = is_term.astype(np.int32)
    size = own.copy()
    offset = np.zeros(len(size), np.int32)  # within the parent's subtree
    for level in range(len(levels) - 1, 0, -1):
        low, high = starts[level], starts[level + 1]
        up = parent[low - starts[1] : high - starts[1]]
        total = np.concatenate([[0], np.cumsum(size[low:high], dtype=np.int32)]).astype(np.int32)
        bounds = np.searchsorted(up, np.arange(starts[level - 1], low + 1))
        size[starts[level - 1] : low] += total[bounds[1:]] - total[bounds[:-1]]
        offset[low:high] = total[:-1] - total[bounds[:-1]][up - starts[level - 1]] + own[up]
    offset[: levels[0]] = np.cumsum(size[: levels[0]]) - size[: levels[0]]
    for level in range(1, len(levels)):
        low, high = starts[level], starts[level + 1]
        offset[low:high] += offset[parent[low - starts[1] : high - starts[1]]]
    return offset[is_term].astype(np.uint32)
