"""Tree ensembles on compiled kernels: which ops a kernel serves, and the models that are made of them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from types import ModuleType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from quantcore.plan import INPUT, Op, Plan
from quantcore.plan.ops import ArgMax, LeafSum, Predictions, Threshold, Trees
from quantcore.runtime.text import class_array

__all__ = ["Forests", "obstacle", "sliced_obstacle", "sums_error"]

_MOST_COLUMNS = 1 << 20
_MOST_LEAVES = 256  # of a tree in bit slices: a leaf's place is a byte
_MOST_OUTPUTS = 64  # sums of a block of 512 rows stay in the second level of the cache
_MOST_CODES = 1 << 14  # columns of ranks and sets: a block's take 8 MB
_INFINITE, _NAN = 1, 2


def obstacle(op: Trees) -> str | None:
    """Why no kernel serves an op, or None: then one does, with the reference's own leaves."""
    n_sets = 0 if op.set_feature is None else len(op.set_feature)
    if len(op.feature) + n_sets > _MOST_COLUMNS:
        return f"more than {_MOST_COLUMNS} columns and sets of categories"
    return None


def sliced_obstacle(op: Trees, sums: LeafSum) -> str | None:
    """Why an ensemble is not served in bit slices, or None: then it is, and has the walk's bits.

    Measured on Zen 5 (AVX-512, ns per row and tree, 1000 rows; the walk takes 7 to 12): 0.43 for 31 leaves, 0.46 for 64, 1.15 for
    255. Work grows with the leaves, the walk's with the depth.
    """
    most = int(np.diff(op.leaf_ends, prepend=0).max())
    if most > _MOST_LEAVES:
        return f"a tree has {most} leaves, more than {_MOST_LEAVES}"
    if len(sums.base) > _MOST_OUTPUTS:
        return f"{len(sums.base)} outputs are more than {_MOST_OUTPUTS}"
    n_sets = 0 if op.set_feature is None else len(op.set_feature)
    if len(op.feature) + len(op.threshold) // 255 + n_sets > _MOST_CODES:
        return f"more than {_MOST_CODES} columns of ranks"
    return None


def _refused(op: Trees) -> int:
    """What rows may not hold, as the door counts it."""
    return (0 if op.allow_infinity else _INFINITE) | (0 if op.allow_nan else _NAN)


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
        self._sliced: dict[int, Any] = {}

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
        sliced = self._slices(position, X.shape[1])
        out = np.empty((X.shape[0], len(op.base)), op.values.dtype)
        out[:] = op.base
        start = 0
        for rows in _blocks_of(trees, X):
            part = out[start : start + len(rows)]
            found = None if sliced is None or not len(rows) else sliced.sums(np.ascontiguousarray(rows))
            if found is None:
                forest.sums(rows, self._values[position], part)
                if op.divisor != 1.0:
                    part /= part.dtype.type(op.divisor)
            else:
                part[:] = found
            start += len(rows)
        return out

    def direct(self, decision: Op | None, n_features: int | None, other: Callable[[Any], Any]) -> Any:
        """The compiled way from rows to what a decision answers, or None; ``other`` answers for rows that it does not read."""
        if not isinstance(decision, ArgMax | Predictions | Threshold) or n_features is None or decision.inputs[0] == INPUT:
            return None
        position = decision.inputs[0]
        sums = self.plan.ops[position]
        trees = self.plan.ops[sums.inputs[0]] if isinstance(sums, LeafSum) else None
        if not isinstance(sums, LeafSum) or not isinstance(trees, Trees) or trees.inputs[0] != INPUT:
            return None
        absent = trees.absent is not None and not np.isnan(trees.absent)
        decides = not isinstance(decision, Predictions)
        if absent or (decides and (sums_error(sums, trees.n_trees) or not np.isfinite(sums.largest * trees.n_trees))):
            return None
        sliced = self._slices(position, n_features)
        if sliced is None or self.module is None:
            return None
        kind = self.module.LARGEST
        if isinstance(decision, Predictions):
            kind = self.module.FLAT if decision.flat else self.module.NUMBERS
        elif isinstance(decision, Threshold):
            kind = self.module.ABOVE
        at = decision.at if isinstance(decision, Threshold) else 0.0
        classes = None if isinstance(decision, Predictions) else class_array(decision)
        return self.module.Ensemble(sliced, kind, classes, at, other)

    def _slices(self, position: int, n_features: int) -> Any:
        """The bit slices of a LeafSum op and its Trees, or None; the values for the walk are there then, too."""
        if position in self._sliced:
            return self._sliced[position]
        op = self.plan.ops[position]
        trees, forest = self._forest(op.inputs[0], n_features) if isinstance(op, LeafSum) else (None, None)
        if forest is None or trees is None or not isinstance(op, LeafSum) or self.module is None:
            return None
        arguments = (op.values, op.index, op.output, trees.n_leaves, trees.n_trees, len(op.base))
        values = self._values[position] = self.module.Values(*arguments)
        reason = sliced_obstacle(trees, op)
        if reason is not None:
            self.reasons[position] = reason
        found = None if reason is not None else self.module.Sliced(forest, values, op.base, op.divisor, _refused(trees))
        self._sliced[position] = found
        return found

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
