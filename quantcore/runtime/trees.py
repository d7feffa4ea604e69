"""Tree ensembles on compiled kernels: which ops a kernel serves, and the models that are made of them."""

from __future__ import annotations

from collections.abc import Iterator
from types import ModuleType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from quantcore.plan import Plan
from quantcore.plan.ops import LeafSum, Trees

__all__ = ["Forests", "obstacle", "sums_error"]

_MOST_COLUMNS = 1 << 20


def obstacle(op: Trees) -> str | None:
    """Why no kernel serves an op, or None: then one does, with the reference's own leaves."""
    n_sets = 0 if op.set_feature is None else len(op.set_feature)
    if len(op.feature) + n_sets > _MOST_COLUMNS:
        return f"more than {_MOST_COLUMNS} columns and sets of categories"
    return None


def sums_error(op: LeafSum, n_trees: int) -> float:
    """How far the source's own sums can be from these: 0 where it adds in the same order, or nothing is rounded."""
    if op.ordered:
        return 0.0
    eps = float(np.finfo(op.values.dtype).eps)
    most = n_trees * op.largest + float(np.abs(op.base).max(initial=0.0))
    if op.whole and most < 1.0 / eps:
        return 0.0
    # Each of the two orders is within n * eps / 2 of the exact sum of what is added; both are divided once.
    return (n_trees + 4) * eps * most / op.divisor


class Forests:
    """The compiled models of a Plan's Trees and LeafSum ops, each made when it is first asked for.

    Parameters
    ----------
    plan : Plan
    module : module or None
        The door; None: the reference serves.
    """

    def __init__(self, plan: Plan, module: ModuleType | None) -> None:
        self.plan, self.module = plan, module
        self.reasons: dict[int, str] = {}
        self._forests: dict[int, Any] = {}
        self._values: dict[int, Any] = {}

    def leaves(self, position: int, X: Any) -> NDArray[np.uint32] | None:
        """What the Trees op at a position gives of X, or None where no kernel serves it."""
        op, forest = self._forest(position, X.shape[1])
        if forest is None:
            return None
        return np.concatenate([forest.leaves(rows) for rows in _blocks_of(op, X)])

    def sums(self, position: int, X: Any) -> NDArray[Any] | None:
        """What the LeafSum op at a position gives of what its Trees op reads."""
        op = self.plan.ops[position]
        trees, forest = self._forest(op.inputs[0], X.shape[1])
        if forest is None or not isinstance(op, LeafSum) or self.module is None:
            return None
        if position not in self._values:
            arguments = (op.values, op.index, op.output, trees.n_leaves, trees.n_trees, len(op.base))
            self._values[position] = self.module.Values(*arguments)
        out = np.empty((X.shape[0], len(op.base)), op.values.dtype)
        out[:] = op.base
        start = 0
        for rows in _blocks_of(trees, X):
            forest.sums(rows, self._values[position], out[start : start + len(rows)])
            start += len(rows)
        if op.divisor != 1.0:
            out /= out.dtype.type(op.divisor)
        return out

    def _forest(self, position: int, n_features: int) -> tuple[Trees, Any]:
        op = self.plan.ops[position]
        if not isinstance(op, Trees):
            raise TypeError(f"expected a Trees op, got {op.kind}")
        if position not in self._forests:
            reason = "no compiled kernels" if self.module is None else obstacle(op)
            if reason is not None:
                self.reasons[position] = reason
            self._forests[position] = None if reason is not None else _build(self.module, op, n_features)
        return op, self._forests[position]


def _blocks_of(op: Trees, X: Any) -> Iterator[NDArray[Any]]:
    from quantcore.reference.trees import blocks_of  # models of other kinds do without

    return blocks_of(op, X)


def _build(module: Any, op: Trees, n_features: int) -> Any:
    categories = None
    if op.members is not None:
        sets = (op.category_feature, op.category_ends, op.category_values, op.set_feature, op.set_sides, op.members)
        categories = (*sets, op.category)
    return module.Forest(n_features, op.leaf, op.split, op.feature, op.missing, op.ends, op.threshold, categories)
