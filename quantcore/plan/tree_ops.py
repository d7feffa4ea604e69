"""Ops of tree ensembles: :class:`Trees` finds each row's leaves, the others make something of them."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cached_property
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from quantcore.plan.op import Op

__all__ = ["LEFT", "MEMBERS_LEFT", "ZERO", "LeafMedian", "LeafNumbers", "LeafOneHot", "LeafSum", "PathScore", "Trees"]

_BLOCK = 1 << 14  # nodes
# Bits of ``missing`` and ``set_sides``.
LEFT = 1  # a missing value goes left
ZERO = 2  # of ``missing``: |x| <= ZERO_BELOW counts as missing too
MEMBERS_LEFT = 2  # of ``set_sides``: members of the set go left, all else that isn't missing right


class Trees(Op):
    """Matrix → the leaf that each row reaches in each tree, shape (n_rows, n_trees).

    Nodes stand in preorder: a node, its left subtree, its right one; one tree after another. So the flags ``leaf`` are the
    whole structure: the left child of node i is i + 1, and no bits describe anything but trees. Leaves are numbered through
    all trees, in that order, and so are splits.

    A split tests one value x. Numbers below ``len(threshold)`` name a threshold t: left where ``x <= t``, in the dtype of
    ``threshold``, to which x is rounded first. The others name a set of categories. Equal tests are stored once.

    Parameters
    ----------
    leaf : ndarray of bool, shape (n_nodes,)
    split : ndarray of uint32, shape (n_splits,)
        Test of each node that is no leaf.
    feature : ndarray of uint32, shape (n_columns,)
    missing : ndarray of uint8, shape (n_columns,)
        Where NaN goes: right, or left with the bit ``LEFT``; ``ZERO``: whatever is within 1e-35 (float32) of 0 goes there too.
        Columns ascend by (feature, missing), each stands once.
    ends : ndarray of uint32, shape (n_columns,)
        End of each column's thresholds.
    threshold : ndarray of float32 or float64, shape (n_thresholds,)
        Ascending within a column. May be infinite; 0.0 stands for both zeros.
    category_feature, category_ends : ndarray of uint32, shape (n_categorical,), or None
        Ascending features with sets of categories, and the end of each one's values.
    category_values : ndarray of float64, shape (n_values,), or None
        All categories that some set of the feature holds, ascending.
    set_feature : ndarray of uint32, shape (n_sets,), or None
        Position in ``category_feature``.
    set_sides : ndarray of uint8, shape (n_sets,), or None
        ``LEFT``: NaN goes left. ``MEMBERS_LEFT``: members go left, others right; without it the other way round.
    members : ndarray of bool, or None
        Of each set one flag per value of its feature, one set after another.
    category : {"equal", "truncated", "unsigned"}
        x is a category if it is equal to it; or if it is after truncation towards 0; the latter, and x >= 0.
    allow_nan, allow_infinity : bool
        Whether such rows are accepted.
    absent : float or None
        A value that means missing, as NaN does.
    sparse : {"zero", "finite", "missing", "refuse"}
        What a sparse matrix does not store is 0; the same, and NaN in it raises ValueError; is missing; a sparse matrix raises
        TypeError.
    """

    leaf: NDArray[np.bool_]
    split: NDArray[np.uint32]
    feature: NDArray[np.uint32]
    missing: NDArray[np.uint8]
    ends: NDArray[np.uint32]
    threshold: NDArray[Any]
    category_feature: NDArray[np.uint32] | None = None
    category_ends: NDArray[np.uint32] | None = None
    category_values: NDArray[np.float64] | None = None
    set_feature: NDArray[np.uint32] | None = None
    set_sides: NDArray[np.uint8] | None = None
    members: NDArray[np.bool_] | None = None
    category: Literal["equal", "truncated", "unsigned"] = "equal"
    allow_nan: bool = False
    allow_infinity: bool = False
    absent: float | None = None
    sparse: Literal["zero", "finite", "missing", "refuse"] = "zero"

    @property
    def accepts_nan(self) -> bool:
        return self.allow_nan

    @property
    def accepts_infinity(self) -> bool:
        return self.allow_infinity

    @cached_property
    def height(self) -> NDArray[np.int32]:
        """Of each node, how many nodes before it still wait for their right child, less the trees before it."""
        steps = np.where(self.leaf, np.int32(-1), np.int32(1))
        height = np.cumsum(steps, dtype=np.int32)
        height -= steps
        return height

    @cached_property
    def roots(self) -> NDArray[np.int64]:
        """First node of each tree."""
        return np.concatenate([np.zeros(0, np.int64), *self.root_blocks()])

    def root_blocks(self) -> Iterator[NDArray[np.int64]]:
        """The same in parts: a reader may not allocate more than a file declares, and has to count them."""
        height, lowest = 0, 1
        for start in range(0, len(self.leaf), _BLOCK):
            flags = self.leaf[start : start + _BLOCK]
            steps = np.where(flags, -1, 1)
            before = np.cumsum(steps) - steps + height
            # A tree begins where fewer nodes wait than ever before.
            low = np.minimum.accumulate(np.concatenate([[lowest], before]))
            yield np.flatnonzero(before < low[:-1]) + start
            height, lowest = height + int(steps.sum()), int(low[-1])

    @cached_property
    def n_trees(self) -> int:
        return 2 * self.n_leaves - len(self.leaf)

    @cached_property
    def leaf_ends(self) -> NDArray[np.int64]:
        """End of each tree's leaves."""
        ends = np.append(self.roots[1:], len(self.leaf))
        # Each tree has a leaf more than splits.
        found: NDArray[np.int64] = (ends + np.arange(1, len(ends) + 1)) // 2
        return found

    @cached_property
    def n_leaves(self) -> int:
        return int(np.count_nonzero(self.leaf))


class LeafSum(Op):
    """Leaves → scores: ``base`` plus the values of each tree's leaf, tree after tree, in the dtype of ``values``; then divided.

    Parameters
    ----------
    values : ndarray of float64 or float32, shape (n_distinct, width)
        Equal rows are stored once.
    index : ndarray of uint32, shape (n_leaves,) or None
        Row of each leaf; None where leaf j has row j.
    output : ndarray of uint32, shape (n_trees,) or None
        To which output each tree's first value is added; None: to the first.
    base : ndarray of float64, shape (n_outputs,)
        Where the sums start: -0.0 keeps a single value as it is.
    divisor : float
    ordered : bool
        The source adds in this order too, so its sums have the same bits.
    approximate : bool
        The values are not the source's: nothing is certified.
    """

    values: NDArray[Any]
    index: NDArray[np.uint32] | None
    output: NDArray[np.uint32] | None
    base: NDArray[np.float64]
    divisor: float = 1.0
    ordered: bool = True
    approximate: bool = False

    @cached_property
    def largest(self) -> float:
        """The largest absolute value that is added."""
        return float(np.abs(self.values).max(initial=0.0))

    @cached_property
    def whole(self) -> bool:
        """Whether all that is added are integers."""
        return bool((np.rint(self.values) == self.values).all() and (np.rint(self.base) == self.base).all())


class LeafMedian(Op):
    """Leaves → the weighted median of the trees' values (AdaBoostRegressor).

    Parameters
    ----------
    values : ndarray of float64, shape (n_distinct,)
    index : ndarray of uint32, shape (n_leaves,) or None
        As in LeafSum.
    weights : ndarray of float64, shape (n_trees,)
    """

    values: NDArray[np.float64]
    index: NDArray[np.uint32] | None
    weights: NDArray[np.float64]


class LeafNumbers(Op):
    """Leaves → the source's own numbers of them (apply).

    Parameters
    ----------
    numbers : ndarray of uint32, shape (n_leaves,)
    shape : tuple of int
        Shape of a row's numbers; () for one tree.
    dtype : {"int64", "int32", "float64", "float32"}
    """

    numbers: NDArray[np.uint32]
    shape: tuple[int, ...]
    dtype: Literal["int64", "int32", "float64", "float32"] = "int64"


class LeafOneHot(Op):
    """Leaves → a matrix with a one in the column of each leaf that is reached (RandomTreesEmbedding): CSR, or ``dense``.

    Parameters
    ----------
    n_columns : int
        The number of all leaves.
    column : ndarray of uint32, shape (n_leaves,) or None
        Each leaf's column, in the same order of trees; None where leaf j has column j.
    dense : bool
    """

    n_columns: int
    column: NDArray[np.uint32] | None = None
    dense: bool = False


class PathScore(Op):
    """Sums of path lengths → ``-2 ** (-s / denominator) - offset`` (IsolationForest); 1 for the quotient where that is by 0."""

    denominator: float
    offset: float = 0.0
