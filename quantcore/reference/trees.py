"""Tree ensembles: Trees, and what is made of the leaves that it finds: LeafSum, LeafMedian, LeafNumbers, LeafOneHot."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from quantcore.plan.csr import Csr
from quantcore.plan.ops import LeafMedian, LeafNumbers, LeafOneHot, LeafSum, PathScore, Trees
from quantcore.plan.tree_ops import LEFT, MEMBERS_LEFT, ZERO
from quantcore.reference.inputs import require_finite
from quantcore.reference.matrices import Matrix

__all__ = [
    "ZERO_BELOW",
    "blocks_of",
    "leaf_median",
    "leaf_numbers",
    "leaf_one_hot",
    "leaf_sum",
    "path_score",
    "right_children",
    "trees",
]

Leaves = NDArray[np.uint32]
# LightGBM's kZeroThreshold: a float32 that stands in a double.
ZERO_BELOW = float(np.float32(1e-35))
_STEPS = 1 << 20  # rows times trees that are walked at once
_DENSE = 1 << 22  # values of a sparse matrix that are written out at once


def trees(op: Trees, X: Matrix) -> Leaves:
    """The number of the leaf that each row reaches in each tree, shape (n_rows, n_trees)."""
    forest = _Forest.of(op)
    out = np.empty((X.shape[0], op.n_trees), np.uint32)
    size, at = max(1, _STEPS // op.n_trees), 0
    for rows in blocks_of(op, X):
        for start in range(0, len(rows), size):
            part = rows[start : start + size]
            out[at : at + len(part)] = _walk(op, forest, part)
            at += len(part)
    return out


def blocks_of(op: Trees, X: Matrix) -> Iterator[NDArray[Any]]:
    """Dense rows as the tests read them: rounded to the dtype of the thresholds, missing values NaN. A sparse matrix comes in
    blocks: as a whole it may not fit the memory."""
    if not isinstance(X, Csr):
        yield _rows(op, X)
        return
    size = max(1, _DENSE // X.n_columns)
    for start in range(0, X.n_rows, size):
        yield _rows(op, _dense(op, X.take_rows(np.arange(start, min(start + size, X.n_rows)))))


def _rows(op: Trees, X: NDArray[Any]) -> NDArray[Any]:
    with np.errstate(over="ignore"):
        rows = X.astype(op.threshold.dtype, copy=op.absent is not None)
    # After the cast: a value too large for the dtype is infinite now, and refused as scikit-learn refuses it.
    require_finite(rows, allow_nan=op.allow_nan, allow_infinity=op.allow_infinity)
    if op.category == "equal" and op.category_feature is not None:
        require_finite(rows[:, op.category_feature], allow_nan=True)  # scikit-learn's encoder looks at them first
    if op.absent is not None:
        rows[rows == rows.dtype.type(op.absent)] = np.nan
    return rows


def _dense(op: Trees, X: Csr) -> NDArray[Any]:
    if op.sparse == "refuse":
        raise TypeError("a sparse matrix was passed, but dense rows are required; pass X.toarray()")
    if op.sparse == "finite":
        require_finite(X)
    if op.sparse != "missing":
        return X.toarray()
    out = np.full(X.shape, np.nan, X.data.dtype)
    out[X.row_ids(), X.indices] = X.data
    return out


class _Forest(NamedTuple):
    """What a walk looks up: per node its right child and the number of its split or leaf, per test its column or set."""

    right: NDArray[np.int64]
    number: NDArray[np.int64]
    column: NDArray[np.int64]
    set_starts: NDArray[np.int64]

    @classmethod
    def of(cls, op: Trees) -> _Forest:
        leaves = np.cumsum(op.leaf)
        number = np.where(op.leaf, leaves - 1, np.arange(len(op.leaf)) - leaves)
        column = np.repeat(np.arange(len(op.ends)), _sizes(op.ends))
        starts = np.zeros(0, np.int64)
        if op.set_feature is not None and op.category_ends is not None:
            sizes = _sizes(op.category_ends)[op.set_feature]
            starts = np.cumsum(sizes) - sizes
        return cls(right_children(op), number, column, starts)


def _sizes(ends: NDArray[np.uint32]) -> NDArray[np.int64]:
    """Sizes of parts from their ends."""
    wide = ends.astype(np.int64)
    wide[1:] -= wide[:-1].copy()
    return wide


def right_children(op: Trees) -> NDArray[np.int64]:
    """Of each node the right child, -1 of leaves: the next node of the same height."""
    height = op.height - (op.height.min() if len(op.height) else 0)
    if len(height) and int(height.max()) < 1 << 16:
        height = height.astype(np.uint16)  # which NumPy sorts by radix
    order = np.argsort(height, kind="stable")
    right = np.full(len(op.leaf), -1, np.int64)
    right[order[:-1]] = order[1:]
    right[op.leaf] = -1
    return right


def _walk(op: Trees, forest: _Forest, rows: NDArray[Any]) -> Leaves:
    node = np.broadcast_to(op.roots, (len(rows), op.n_trees)).ravel().copy()
    active = np.flatnonzero(~op.leaf[node])
    while len(active):
        at = node[active]
        left = _goes_left(op, forest, rows, active // op.n_trees, op.split[forest.number[at]])
        at = np.where(left, at + 1, forest.right[at])
        node[active] = at
        active = active[~op.leaf[at]]
    leaves: Leaves = forest.number[node].astype(np.uint32).reshape(len(rows), op.n_trees)
    return leaves


def _goes_left(
    op: Trees, forest: _Forest, rows: NDArray[Any], row: NDArray[np.int64], test: NDArray[np.uint32]
) -> NDArray[np.bool_]:
    if op.set_feature is None:
        return _below(op, forest, rows, row, test)
    numeric = test < len(op.threshold)
    left = np.empty(len(test), np.bool_)
    left[numeric] = _below(op, forest, rows, row[numeric], test[numeric])
    left[~numeric] = _in_set(op, forest, rows, row[~numeric], test[~numeric] - np.uint32(len(op.threshold)))
    return left


def _below(op: Trees, forest: _Forest, rows: NDArray[Any], row: NDArray[np.int64], test: NDArray[np.uint32]) -> NDArray[np.bool_]:
    """x <= t, and what is missing where its column says."""
    column = forest.column[test]
    x = rows[row, op.feature[column]]
    missing = np.isnan(x)
    if (op.missing & ZERO).any():
        missing |= (np.abs(x) <= ZERO_BELOW) & ((op.missing[column] & ZERO) > 0)
    return np.where(missing, (op.missing[column] & LEFT) > 0, x <= op.threshold[test])


def _in_set(
    op: Trees, forest: _Forest, rows: NDArray[Any], row: NDArray[np.int64], which: NDArray[np.uint32]
) -> NDArray[np.bool_]:
    """Whether x, a category, is a member; and then the side that the set says."""
    if op.set_feature is None or op.category_feature is None or op.category_ends is None or op.set_sides is None:
        raise ValueError("this op has no sets")  # validation has seen to it
    feature = op.set_feature[which]
    x = rows[row, op.category_feature[feature]].astype(np.float64)
    missing = np.isnan(x)
    code = _codes(op, x, feature)
    known = code >= 0
    member = np.zeros(len(x), np.bool_)
    if op.members is not None:
        member[known] = op.members[forest.set_starts[which[known]] + code[known]]
    sides = op.set_sides[which]
    return np.where(missing, (sides & LEFT) > 0, member == ((sides & MEMBERS_LEFT) > 0))


def _codes(op: Trees, x: NDArray[np.float64], feature: NDArray[np.uint32]) -> NDArray[np.int64]:
    """Position of each x among its feature's categories; -1 where it is none."""
    if op.category_values is None or op.category_ends is None:
        raise ValueError("this op has no categories")
    values = x if op.category == "equal" else np.trunc(x)
    out = np.full(len(x), -1, np.int64)
    starts = np.concatenate([[0], op.category_ends[:-1].astype(np.int64)])
    for k in np.unique(feature):
        of = np.flatnonzero(feature == k)
        own = op.category_values[starts[k] : op.category_ends[k]]
        found = np.minimum(np.searchsorted(own, values[of]), len(own) - 1)
        out[of] = np.where(own[found] == values[of], found, -1)
    if op.category == "unsigned":
        out[x < 0] = -1
    return out


def leaf_sum(op: LeafSum, leaves: Leaves) -> NDArray[Any]:
    """The sum of the leaves' values, tree after tree, over the divisor."""
    values = op.values
    out = np.empty((len(leaves), len(op.base)), values.dtype)
    out[:] = op.base
    width = values.shape[1]
    for tree in range(leaves.shape[1]):
        at = leaves[:, tree]
        first = 0 if op.output is None else int(op.output[tree])
        out[:, first : first + width] += values[at if op.index is None else op.index[at]]
    out /= values.dtype.type(op.divisor)
    return out


def leaf_median(op: LeafMedian, leaves: Leaves) -> NDArray[np.float64]:
    """The first value, in ascending order, with at least half of the weight up to it."""
    found = op.values[leaves if op.index is None else op.index[leaves]]
    order = np.argsort(found, axis=1)
    weight = np.cumsum(op.weights[order], axis=1)
    place = (weight >= 0.5 * weight[:, -1:]).argmax(axis=1)
    rows = np.arange(len(found))
    median: NDArray[np.float64] = found[rows, order[rows, place]][:, None]
    return median


def leaf_numbers(op: LeafNumbers, leaves: Leaves) -> NDArray[Any]:
    """The source's numbers of the leaves."""
    return op.numbers[leaves].astype(op.dtype).reshape(len(leaves), *op.shape)


def leaf_one_hot(op: LeafOneHot, leaves: Leaves) -> Matrix:
    """A one per leaf that is reached."""
    n_rows, n_trees = leaves.shape
    columns = (leaves if op.column is None else op.column[leaves]).astype(np.int64)
    found = Csr(np.arange(n_rows + 1, dtype=np.int64) * n_trees, columns.ravel(), np.ones(columns.size), op.n_columns)
    return found.toarray() if op.dense else found


def path_score(op: PathScore, s: NDArray[np.float64]) -> NDArray[np.float64]:
    """-2 ** (-s / denominator) - offset."""
    quotient = s / op.denominator if op.denominator else np.ones_like(s)
    found: NDArray[np.float64] = -(2 ** (-quotient)) - op.offset
    return found
