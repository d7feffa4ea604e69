"""Check the ops of tree ensembles: whatever passes, a walk ends in a leaf and reads within its arrays."""

from __future__ import annotations

from collections.abc import Callable
from math import prod
from types import ModuleType
from typing import Any

import numpy as np

from quantcore.plan import tree_ops
from quantcore.plan.rules import array, boolean, is_count, is_finite, require

__all__ = ["LEAF_OPS", "check_leaf_op", "check_trees"]

_MOST_NODES = (1 << 31) - 1
_MOST_OUTPUTS = 1 << 16
_MOST_VALUES = 1 << 31
_CATEGORICAL = ("category_feature", "category_ends", "category_values", "set_feature", "set_sides", "members")


def check_trees(op: tree_ops.Trees, width: int, codec: ModuleType | None) -> int:
    """Check a Trees op over so many columns; returns its number of trees. What compiled checks refuse is looked at here."""
    if codec is None or not _sound(op, width, codec):
        _structure(op)
        _thresholds(op, width)
        n_tests = len(op.threshold) + _sets(op, width)
        require(len(op.split) == 0 or int(op.split.max()) < n_tests, f"split names a test beyond the {n_tests} that are there")
    else:
        _sets(op, width)
    boolean(op.allow_nan, "allow_nan")
    boolean(op.allow_infinity, "allow_infinity")
    require(op.absent is None or is_finite(op.absent), "absent must be None or a finite number")
    require(op.sparse in ("zero", "finite", "missing", "refuse"), f"sparse is {op.sparse!r}")
    require(op.category in ("equal", "truncated", "unsigned"), f"category is {op.category!r}")
    return op.n_trees


def _sound(op: tree_ops.Trees, width: int, codec: ModuleType) -> bool:
    sets = op.set_feature
    if sets is not None and sets.ndim != 1:
        return False
    arrays = (op.leaf, op.split, op.feature, op.missing, op.ends, op.threshold)
    found: bool = codec.trees_sound(*arrays, width, 0 if sets is None else len(sets))
    return found


def _structure(op: tree_ops.Trees) -> None:
    array(op.leaf, "leaf", np.bool_, (None,))
    require(1 <= len(op.leaf) <= _MOST_NODES, f"it has {len(op.leaf)} nodes, expected 1 to {_MOST_NODES}")
    # The flags of a tree in preorder end where leaves first outnumber splits; the last tree must end with the flags.
    n_roots = sum(map(len, op.root_blocks()))
    require(op.n_trees >= 1 and n_roots == op.n_trees, "leaf does not describe whole trees in preorder")
    array(op.split, "split", np.uint32, (len(op.leaf) - op.n_leaves,))


def _thresholds(op: tree_ops.Trees, width: int) -> None:
    array(op.feature, "feature", np.uint32, (None,))
    array(op.missing, "missing", np.uint8, (len(op.feature),))
    _ends(op.ends, "ends", len(op.feature))
    t = op.threshold
    require(
        isinstance(t, np.ndarray) and t.ndim == 1 and t.dtype in (np.float32, np.float64), "threshold must be float32 or float64"
    )
    require(len(t) == (int(op.ends[-1]) if len(op.ends) else 0), f"{len(t)} thresholds do not fill the columns' ends")
    if len(op.feature):
        require(int(op.feature.max()) < width, f"a feature is beyond the {width} that it reads")
        require(int(op.missing.max()) <= tree_ops.LEFT | tree_ops.ZERO, "missing has unknown bits")
        keys = op.feature.astype(np.int64) * 4 + op.missing
        require(bool((keys[1:] > keys[:-1]).all()), "columns must ascend by feature and missing")
    require(not np.isnan(t).any(), "threshold holds NaN")
    rises = t[1:] > t[:-1]
    rises[op.ends[:-1].astype(np.intp) - 1] = True
    require(bool(rises.all()), "the thresholds of a column must ascend")
    require(not bool(np.signbit(t[t == 0.0]).any()), "threshold holds -0.0, which 0.0 stands for")


def _sets(op: tree_ops.Trees, width: int) -> int:
    given = [getattr(op, name) is not None for name in _CATEGORICAL]
    if not any(given):
        return 0
    require(all(given), f"{', '.join(_CATEGORICAL)} come together or not at all")
    feature, ends, values, of, sides, members = (getattr(op, name) for name in _CATEGORICAL)
    array(feature, "category_feature", np.uint32, (None,))
    require(len(feature) >= 1 and int(feature[-1]) < width, f"a categorical feature is beyond the {width} that it reads")
    require(bool((feature[1:] > feature[:-1]).all()), "category_feature must ascend")
    _ends(ends, "category_ends", len(feature))
    array(values, "category_values", np.float64, (int(ends[-1]),))
    rises = values[1:] > values[:-1]
    rises[ends[:-1].astype(np.intp) - 1] = True
    require(bool(rises.all()), "the categories of a feature must ascend")
    array(of, "set_feature", np.uint32, (None,))
    require(len(of) >= 1 and int(of.max()) < len(feature), "set_feature names a feature that is not there")
    array(sides, "set_sides", np.uint8, (len(of),))
    require(int(sides.max()) <= tree_ops.LEFT | tree_ops.MEMBERS_LEFT, "set_sides has unknown bits")
    sizes = np.diff(ends.astype(np.int64), prepend=0)
    array(members, "members", np.bool_, (int(sizes[of].sum()),))
    return len(of)


def _ends(ends: Any, name: str, count: int) -> None:
    array(ends, name, np.uint32, (count,))
    require(bool((np.diff(ends.astype(np.int64), prepend=0) > 0).all()), f"{name} must ascend, nothing may be empty")


def check_leaf_op(op: Any, trees: tree_ops.Trees) -> tuple[int, str]:
    """Check an op that reads leaves; returns its number of columns and what it gives."""
    return LEAF_OPS[op.kind](op, trees)


def _leaf_sum(op: tree_ops.LeafSum, trees: tree_ops.Trees) -> tuple[int, str]:
    array(op.base, "base", np.float64, (None,))
    n_outputs = len(op.base)
    require(1 <= n_outputs <= _MOST_OUTPUTS, f"it has {n_outputs} outputs, expected 1 to {_MOST_OUTPUTS}")
    values = op.values
    require(isinstance(values, np.ndarray) and values.dtype in (np.float32, np.float64), "values must be float32 or float64")
    array(values, "values", values.dtype, (None, None))
    width = values.shape[1]
    require(1 <= width <= n_outputs, f"a leaf has {width} values for {n_outputs} outputs")
    _index(op.index, len(values), trees)
    if op.output is not None:
        array(op.output, "output", np.uint32, (trees.n_trees,))
        require(int(op.output.max()) <= n_outputs - width, "output names one that is not there")
    require(is_finite(op.divisor) and op.divisor > 0, "divisor must be a positive number")
    boolean(op.ordered, "ordered")
    return n_outputs, "scores"


def _leaf_median(op: tree_ops.LeafMedian, trees: tree_ops.Trees) -> tuple[int, str]:
    array(op.values, "values", np.float64, (None,))
    _index(op.index, len(op.values), trees)
    array(op.weights, "weights", np.float64, (trees.n_trees,))
    return 1, "scores"


def _leaf_numbers(op: tree_ops.LeafNumbers, trees: tree_ops.Trees) -> tuple[int, str]:
    array(op.numbers, "numbers", np.uint32, (trees.n_leaves,))
    require(type(op.shape) is tuple and len(op.shape) <= 2 and all(map(is_count, op.shape)), "shape must be at most two counts")
    require(prod(op.shape) == trees.n_trees, f"shape {op.shape} does not hold {trees.n_trees} trees")
    require(op.dtype in ("int64", "int32", "float64", "float32"), f"dtype is {op.dtype!r}")
    return trees.n_trees, "numbers"


def _leaf_one_hot(op: tree_ops.LeafOneHot, trees: tree_ops.Trees) -> tuple[int, str]:
    boolean(op.dense, "dense")
    require(is_count(op.n_columns) and op.n_columns == trees.n_leaves, f"n_columns is {op.n_columns!r}, leaves {trees.n_leaves}")
    if op.column is not None:
        array(op.column, "column", np.uint32, (trees.n_leaves,))
        starts = np.concatenate([[0], trees.leaf_ends[:-1]])
        low, high = np.minimum.reduceat(op.column, starts), np.maximum.reduceat(op.column, starts)
        require(bool((low >= starts).all() and (high < trees.leaf_ends).all()), "column must keep the order of the trees")
    return trees.n_leaves, "matrix"


def _index(index: Any, n_rows: int, trees: tree_ops.Trees) -> None:
    if index is None:
        require(n_rows == trees.n_leaves, f"has {n_rows} values for {trees.n_leaves} leaves")
    else:
        array(index, "index", np.uint32, (trees.n_leaves,))
        require(int(index.max()) < n_rows, "index points beyond the values")


LEAF_OPS: dict[str, Callable[[Any, Any], tuple[int, str]]] = {
    "LeafMedian": _leaf_median,
    "LeafNumbers": _leaf_numbers,
    "LeafOneHot": _leaf_one_hot,
    "LeafSum": _leaf_sum,
}
