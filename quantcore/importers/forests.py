"""Node arrays of any library → ops: nodes in preorder, equal tests and equal leaves once.

Everything works on arrays of many nodes, a level of all trees at a time at most: a forest of ten million nodes takes less than a
second, if it comes in parts that stay in the cache.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from quantcore.importers.malformed import Malformed
from quantcore.plan.tree_ops import Trees

__all__ = [
    "MOST_FEATURES",
    "Flat",
    "Nodes",
    "Sets",
    "flat",
    "fold_below",
    "fold_to_float32",
    "in_range",
    "joined",
    "pooled",
    "preorder",
    "tests_op",
    "trees_op",
]

Array = NDArray[Any]
_MIX = np.uint64(0x9E3779B97F4A7C15)
# An index takes 4 bytes a leaf; below this share of distinct leaves it saves more.
_POOLED = 0.6
_PART = 1 << 15  # rows
_MOST_FLAGS = 1 << 27
MOST_FEATURES = 1 << 20  # a number in a model file costs nothing, a row of so many columns does


@dataclass
class Nodes:
    """The nodes of an ensemble, tree after tree.

    Parameters
    ----------
    roots : ndarray of int, shape (n_trees,)
    left, right : ndarray of int, shape (n_nodes,)
        Children, as positions in these arrays; anything for leaves.
    leaf : ndarray of bool, shape (n_nodes,)
    feature : ndarray of int, shape (n_nodes,)
    threshold : ndarray of float32 or float64, shape (n_nodes,)
        Left where ``x <= threshold``.
    missing : ndarray of uint8, shape (n_nodes,)
        As in :class:`quantcore.plan.ops.Trees`; of nodes that test a set, its sides.
    set_of : ndarray of int, shape (n_nodes,), or None
        Number of the set that a node tests, -1 for a threshold.
    sets : Sets or None
    """

    roots: Array
    left: Array
    right: Array
    leaf: Array
    feature: Array
    threshold: Array
    missing: Array
    set_of: Array | None = None
    sets: Sets | None = None


@dataclass
class Sets:
    """Sets of categories: the values of set k stand between ``ends[k - 1]`` and ``ends[k]``."""

    values: Array
    ends: Array


class Flat(NamedTuple):
    """Nodes in preorder that test thresholds alone: which of them are leaves, where those stood, and what the splits test."""

    leaf: NDArray[np.bool_]
    at: Array
    feature: Array
    threshold: Array
    missing: Array


def fold_to_float32(threshold: Array) -> NDArray[np.float32]:
    """The largest float32 that is not above each threshold: ``x <= t`` stays the same for every float32 x."""
    with np.errstate(over="ignore"):
        folded: NDArray[np.float32] = threshold.astype(np.float32)
    above = folded > threshold
    folded[above] = np.nextafter(folded[above], np.float32(-np.inf))
    folded += np.float32(0.0)
    return folded


def fold_below(threshold: NDArray[np.float32]) -> NDArray[np.float32]:
    """The largest float32 below each threshold: ``x < t`` becomes ``x <= t``."""
    folded: NDArray[np.float32] = np.nextafter(threshold, np.float32(-np.inf))
    folded += np.float32(0.0)
    return folded


def in_range(nodes: Nodes, n_features: int) -> None:
    """Check what splits test.

    Parameters
    ----------
    nodes : Nodes
    n_features : int

    Raises
    ------
    Malformed
        A feature is not there, or a threshold is NaN.
    """
    inner = ~nodes.leaf
    feature = nodes.feature[inner]
    if len(feature) and not 0 <= int(feature.min()) <= int(feature.max()) < n_features:
        raise Malformed("feature", f"a split tests one that is not among the {n_features} that the model has")
    if np.isnan(nodes.threshold[inner]).any():
        raise Malformed("threshold", "one is NaN")


def preorder(nodes: Nodes) -> NDArray[Any]:
    """Positions of all nodes that are reached, in preorder.

    Raises
    ------
    Malformed
        The children do not make trees: out of range, or a node that is reached twice.
    """
    order = _order(nodes)
    return np.arange(len(nodes.leaf), dtype=nodes.left.dtype) if order is None else order


def _order(nodes: Nodes) -> NDArray[Any] | None:
    """As preorder; None where that is the order in which they stand."""
    inner = np.flatnonzero(~nodes.leaf)
    left, right = nodes.left[inner], nodes.right[inner]
    n = len(nodes.leaf)
    for name, child in (("left", left), ("right", right)):
        if len(child) and not 0 <= int(child.min()) <= int(child.max()) < n:
            raise Malformed("children", f"a {name} child is out of range")
    reached = np.zeros(n, np.bool_)
    reached[left] = True
    reached[right] = True
    if np.count_nonzero(reached) < 2 * len(inner) or reached[nodes.roots].any():
        raise Malformed("children", "a node is the child of two nodes, or of its own descendant")
    if _in_preorder(nodes, inner, left, right):
        return None
    # Level by level down; then sizes of subtrees up; then places down again.
    levels = [np.asarray(nodes.roots)]
    while len(level := levels[-1][~nodes.leaf[levels[-1]]]):
        levels.append(np.concatenate([nodes.left[level], nodes.right[level]]))
    size = np.ones(n, np.int64)
    for level in levels[::-1]:
        level = level[~nodes.leaf[level]]
        size[level] += size[nodes.left[level]] + size[nodes.right[level]]
    place = np.empty(n, np.int64)
    sizes = size[nodes.roots]
    place[nodes.roots] = np.cumsum(sizes) - sizes
    for level in levels:
        level = level[~nodes.leaf[level]]
        place[nodes.left[level]] = place[level] + 1
        place[nodes.right[level]] = place[level] + 1 + size[nodes.left[level]]
    found = np.concatenate(levels)
    order = np.empty(len(found), np.int64)
    order[place[found]] = found
    return order


def _in_preorder(nodes: Nodes, inner: Array, left: Array, right: Array) -> bool:
    """Left children follow their parents, and right ones stand at their parents' height (see ``Trees.height``): with every
    node reached once, no other order has both."""
    n = len(nodes.leaf)
    if 2 * len(inner) + len(nodes.roots) != n or not np.array_equal(left, inner + 1) or not (right > inner).all():
        return False
    steps = np.where(nodes.leaf, np.int8(-1), np.int8(1))
    height = np.cumsum(steps, dtype=np.int32)
    height -= steps
    roots = np.asarray(nodes.roots)
    return bool((height[right] == height[inner]).all() and (height[roots] == -np.arange(len(roots))).all())


def trees_op(nodes: Nodes, inputs: tuple[int, ...], **options: Any) -> tuple[Trees, NDArray[Any]]:
    """The op, and the position of each of its leaves in the arrays that came in.

    Parameters
    ----------
    nodes : Nodes
    inputs : tuple of int
    **options
        Fields of the op: allow_nan, sparse, ...

    Raises
    ------
    Malformed
    """
    leaf, inner, at = _places(nodes)
    test_set = None if nodes.set_of is None else nodes.set_of[inner]
    if test_set is None or nodes.sets is None or (test_set < 0).all():
        return tests_op(_tests(nodes, leaf, inner, at), inputs, **options), at
    numeric = inner[test_set < 0]
    feature, missing, ends, threshold, found = _columns(nodes.feature[numeric], nodes.missing[numeric], nodes.threshold[numeric])
    split = np.empty(len(inner), np.uint32)
    split[test_set < 0] = found
    fields, which = _set_fields(nodes, inner[test_set >= 0], nodes.sets)
    split[test_set >= 0] = which + np.uint32(len(threshold))
    fields = {**fields, **options, "leaf": leaf, "split": split}
    return Trees(inputs=inputs, feature=feature, missing=missing, ends=ends, threshold=threshold, **fields), at


def flat(nodes: Nodes) -> Flat:
    """Nodes in preorder, of which none tests a set.

    Raises
    ------
    Malformed
    """
    return _tests(nodes, *_places(nodes))


def joined(parts: list[Flat]) -> Flat:
    """Parts of an ensemble, each of whole trees."""
    return parts[0] if len(parts) == 1 else Flat(*map(np.concatenate, zip(*parts, strict=True)))


def tests_op(tests: Flat, inputs: tuple[int, ...], **options: Any) -> Trees:
    """The op of such nodes; the rest as in trees_op."""
    feature, missing, ends, threshold, split = _columns(tests.feature, tests.missing, tests.threshold)
    fields = {**options, "leaf": tests.leaf, "split": split}
    return Trees(inputs=inputs, feature=feature, missing=missing, ends=ends, threshold=threshold, **fields)


def _places(nodes: Nodes) -> tuple[NDArray[np.bool_], Array, Array]:
    """Which nodes are leaves, in preorder, and the positions of splits and of leaves."""
    order = _order(nodes)
    leaf = nodes.leaf if order is None else nodes.leaf[order]
    inner, at = np.flatnonzero(~leaf), np.flatnonzero(leaf)
    return (leaf, inner, at) if order is None else (leaf, order[inner], order[at])


def _tests(nodes: Nodes, leaf: NDArray[np.bool_], inner: Array, at: Array) -> Flat:
    return Flat(leaf, at, nodes.feature[inner], nodes.threshold[inner], nodes.missing[inner])


def _columns(feature: Array, missing: Array, threshold: Array) -> tuple[Array, Array, Array, Array, Array]:
    """Distinct (feature, missing, threshold) of splits, ascending, and which one each split has."""
    rank = _sortable(threshold)
    if threshold.dtype != np.float32:
        rank = _distinct(rank)[1]
    key = feature.astype(np.uint64)
    for bits, part in ((2, missing), (32, rank)):
        key <<= np.uint64(bits)
        key |= part
    first, which = _distinct(key)
    own = key[first] >> np.uint64(32)
    starts = np.flatnonzero(np.diff(own, prepend=own[:1] + np.uint64(1)) != 0)
    keys = own[starts]
    ends = np.append(starts[1:], len(own)).astype(np.uint32) if len(own) else np.zeros(0, np.uint32)
    return (keys >> np.uint64(2)).astype(np.uint32), (keys & np.uint64(3)).astype(np.uint8), ends, threshold[first], which


def _sortable(values: Array) -> NDArray[Any]:
    """Unsigned integers of the same size in the order of the floats, -0.0 before 0.0."""
    signed = np.dtype(f"i{values.itemsize}")
    unsigned = np.dtype(f"u{values.itemsize}")
    bits = np.ascontiguousarray(values).view(signed)
    top = np.array(1, unsigned) << np.array(8 * values.itemsize - 1, unsigned)
    flipped: Array = np.where(bits < 0, ~bits.view(unsigned), bits.view(unsigned) | top)
    return flipped


def _distinct(keys: NDArray[Any]) -> tuple[NDArray[np.int64], NDArray[np.uint32]]:
    """Where each distinct key stands once, ascending by key, and the rank of every key."""
    bits = len(keys).bit_length()
    if int(keys.max(initial=0)).bit_length() + bits <= 64:  # a key and its place fit one number: sorting alone is faster
        ascending = keys.astype(np.uint64) << np.uint64(bits)
        ascending |= np.arange(len(keys), dtype=np.uint64)
        ascending.sort()
        order = (ascending & np.uint64((1 << bits) - 1)).view(np.int64)
        ascending >>= np.uint64(bits)
    else:
        order = np.argsort(keys)
        ascending = keys[order]
    new = np.ones(len(keys), np.bool_)
    new[1:] = ascending[1:] != ascending[:-1]
    which = np.empty(len(keys), np.uint32)
    which[order] = np.cumsum(new, dtype=np.uint32) - np.uint32(1)
    return order[new], which


def _set_fields(nodes: Nodes, at: Array, sets: Sets) -> tuple[dict[str, Any], NDArray[np.uint32]]:
    """The fields of the op for the sets that nodes test, equal ones once, and which one each node has."""
    if nodes.set_of is None:
        raise ValueError("no node tests a set")
    number = nodes.set_of[at]
    ends = np.asarray(sets.ends, np.int64)
    starts = np.concatenate([[0], ends[:-1]])
    lengths = (ends - starts)[number]
    owner = np.repeat(np.arange(len(at)), lengths)
    within = np.arange(len(owner)) - np.repeat(np.cumsum(lengths) - lengths, lengths)
    values = sets.values[starts[number][owner] + within].astype(np.float64)
    features, own = np.unique(nodes.feature[at], return_inverse=True)
    parts = [np.unique(values[own[owner] == k]) for k in range(len(features))]
    # A set without members (all go one way) still needs its feature to have a value.
    parts = [part if len(part) else np.zeros(1) for part in parts]
    flags = []
    n_flags = int((np.bincount(own) * [len(part) for part in parts]).sum())
    if n_flags > _MOST_FLAGS:
        raise Malformed("categories", f"{n_flags} flags of sets are more than the {_MOST_FLAGS} that are supported")
    for k, part in enumerate(parts):
        mine = own[owner] == k
        held = np.zeros((int((own == k).sum()), len(part)), np.bool_)
        row = np.cumsum(own == k) - 1
        held[row[owner[mine]], np.searchsorted(part, values[mine])] = True
        flags.append(held)
    known: dict[tuple[int, int, bytes], int] = {}
    which = np.empty(len(at), np.uint32)
    chosen: list[tuple[int, int, Array]] = []
    counters = [0] * len(features)
    for i, (k, sides) in enumerate(zip(own.tolist(), nodes.missing[at].tolist(), strict=True)):
        held = flags[k][counters[k]]
        counters[k] += 1
        key = (k, sides, held.tobytes())
        if key not in known:
            known[key] = len(chosen)
            chosen.append((k, sides, held))
        which[i] = known[key]
    return {
        "category_feature": features.astype(np.uint32),
        "category_ends": np.cumsum([len(part) for part in parts]).astype(np.uint32),
        "category_values": np.concatenate(parts),
        "set_feature": np.array([k for k, _, _ in chosen], np.uint32),
        "set_sides": np.array([sides for _, sides, _ in chosen], np.uint8),
        "members": np.concatenate([held for _, _, held in chosen]),
    }, which


def pooled(values: Array) -> tuple[Array, NDArray[np.uint32] | None]:
    """Rows of leaf values, equal ones once, and the row of each leaf; or the rows as they are, and None."""
    rows = np.ascontiguousarray(values)
    bits = rows.view(np.dtype(f"u{rows.itemsize}"))
    # Parts that stay in the cache first: pure leaves are few, and what is left then too.
    parts = [(at, *_distinct(_keys(rows[at : at + _PART]))) for at in range(0, len(rows), _PART)]
    some = np.concatenate([at + first for at, first, _ in parts])
    if len(some) > _POOLED * len(rows):
        first, which = _distinct(_keys(rows))
    else:
        kept, number = _distinct(_keys(rows[some]))
        first, which, n = some[kept], np.empty(len(rows), np.uint32), 0
        for at, own, inverse in parts:
            which[at : at + len(inverse)] = number[n : n + len(own)][inverse]
            n += len(own)
    if len(first) > _POOLED * len(rows):
        return rows, None
    for at in range(0, len(rows), _PART):  # keys may collide
        if not np.array_equal(bits[first[which[at : at + _PART]]], bits[at : at + _PART]):
            return rows, None
    return rows[first], which


def _keys(rows: Array) -> NDArray[Any]:
    """A number for each row: equal rows have equal ones; of one column they are in the order of the floats."""
    if rows.shape[1] == 1:
        return _sortable(rows[:, 0])
    bits = rows.view(np.dtype(f"u{rows.itemsize}"))
    keys = np.zeros(len(rows), np.uint64)
    for k in range(rows.shape[1]):
        keys = (keys ^ bits[:, k]) * _MIX
        keys ^= keys >> np.uint64(29)
    return keys
