"""Tree ensembles on compiled kernels: which ops a kernel serves, and the models that are made of them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import cached_property
from types import ModuleType
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from quantcore.plan import INPUT, Op, Plan
from quantcore.plan.ops import ArgMax, Float32, LeafSum, Log, Predictions, Threshold, Trees
from quantcore.reference import FUNCTIONS
from quantcore.runtime.links import linked
from quantcore.runtime.text import class_array

__all__ = ["Forests", "most_rows", "obstacle", "rows_obstacle", "sliced_obstacle", "sums_error"]

_MOST_COLUMNS = 1 << 20
_MOST_LEAVES = 256  # of a tree in bit slices: a leaf's place is a byte
_MOST_OUTPUTS = 64  # sums of a block of 512 rows stay in the second level of the cache
_MOST_CODES = 1 << 14  # columns of ranks and sets: a block's take 8 MB
_TOP_COLUMNS = 128
_WALKED_ROWS = 64
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
    most = op.n_leaves - op.n_trees + 1  # were all others of one leaf
    if most > _MOST_LEAVES and (most := int(np.diff(op.leaf_ends, prepend=0).max())) > _MOST_LEAVES:
        return f"a tree has {most} leaves, more than {_MOST_LEAVES}"
    if len(sums.base) > _MOST_OUTPUTS:
        return f"{len(sums.base)} outputs are more than {_MOST_OUTPUTS}"
    n_sets = 0 if op.set_feature is None else len(op.set_feature)
    if len(op.feature) + len(op.threshold) // 255 + n_sets > _MOST_CODES:
        return f"more than {_MOST_CODES} columns of ranks"
    return None


def rows_obstacle(op: Trees) -> str | None:
    """Why rows that come one by one are not served from the tops of the trees, or None."""
    n_sets = 0 if op.set_feature is None else len(op.set_feature)
    if len(op.feature) + n_sets > _TOP_COLUMNS:
        return f"more than {_TOP_COLUMNS} columns and sets of categories"
    return None


def most_rows(*, sliced: bool, tops: bool) -> int:
    """Up to how many rows at once are served one by one.

    Measured on Zen 5 (µs a row one by one, the Python call counted / 64 rows in bit slices, AVX-512): 0.35 / 6.4 for 100 trees of
    31 leaves, 1.6 / 31 for 500 of depth 6, 2.0 / 45 for 500 of 64 leaves, 3.2 / 190 for 500 of 255; AVX2: 0.51 / 9.9, 1.7 / 57,
    3.0 / 60, 4.5 / 350. Walked from the roots, where no kernel is compiled for the tops: 0.94, 5.0, 3.2, 5.9. Of 100 trees of
    4000 leaves, which slices serve only down to their tops, a row takes 2.8 one by one, 2.7 of 64 together, 1.3 of 1000.

    Parameters
    ----------
    sliced : bool
        Whether more rows are served in bit slices; else they are walked.
    tops : bool
        Whether a compiled kernel finds the tops of 16 trees at a time.
    """
    if not sliced:
        return 64
    return 16 if tops else 12


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


class _Parts:
    """The compiled forms of an ensemble: of the walk, and of what is faster for some rows."""

    def __init__(self, module: ModuleType, forest: Any, trees: Trees, op: LeafSum, sliced: bool) -> None:
        self.values = module.Values(op.values, op.index, op.output, trees.n_leaves, trees.n_trees, len(op.base))
        self._module, self._trees = module, trees
        self._arguments = (forest, self.values, op.base, op.divisor, _refused(trees))
        self.sliced = module.Sliced(*self._arguments) if sliced else None

    @cached_property
    def _single(self) -> tuple[Any, Any, int]:
        """The walk, what serves rows one by one, and up to how many at once. Threads that come at once may each make them."""
        tops = any(kernel[0] == "tops" and kernel[3] != "scalar" for kernel in self._module.selected())
        rows = self._module.Rows(*self._arguments, tops) if rows_obstacle(self._trees) is None else None
        most = most_rows(sliced=self.sliced is not None, tops=tops) if rows is not None else 0
        return self._module.Walk(*self._arguments), rows, most

    def ensemble(self, *arguments: Any) -> Any:
        """What answers with all of them, each for the rows that it is best at."""
        walk, rows, most = self._single
        return self._module.Ensemble(walk, rows, self.sliced, most, *arguments)


class _Answer(NamedTuple):
    """How a method follows from sums: a link, rounded to float32 where ``single``, and the logarithm of that."""

    ensemble: Any
    link: Any
    single: bool
    log: Log | None


class Forests:
    """The compiled models of a Plan's Trees and LeafSum ops, each made when it is first asked for.

    Parameters
    ----------
    plan : Plan
    module : module or None
        The door; None: the reference serves.
    like : Forests or None
        Those of an equal Plan: what they have compiled is taken over.
    """

    def __init__(self, plan: Plan, module: ModuleType | None, like: Forests | None = None) -> None:
        self.plan, self.module = plan, module
        taken = like is not None and like.module is module
        self.reasons: dict[int, str] = dict(like.reasons) if like is not None and taken else {}
        self._forests: dict[int, Any] = dict(like._forests) if like is not None and taken else {}
        self._made: dict[int, _Parts] = dict(like._made) if like is not None and taken else {}
        self._answers: dict[str, _Answer | None] = {}

    def leaves(self, position: int, X: Any) -> NDArray[np.uint32] | None:
        """What the Trees op at a position gives of X, or None where no kernel serves it."""
        op, forest = self._forest(position, X.shape[1])
        if forest is None:
            return None
        return np.concatenate([self._numbers(position, forest, rows) for rows in _blocks_of(op, X)])

    def _numbers(self, position: int, forest: Any, rows: NDArray[Any]) -> Any:
        """Leaves of rows: of many rows in bit slices, where sums of the same trees are. Measured on Zen 5 (AVX-512, 1000 rows, ns
        per row and tree, walked / sliced): 8.3 / 1.0 for 500 trees of 64 leaves, 15 / 2.3 for 500 of 255."""
        if len(rows) > _WALKED_ROWS:
            for at, made in self._made.items():
                if self.plan.ops[at].inputs[0] == position and made.sliced is not None:
                    found = made.sliced.leaves(np.ascontiguousarray(rows))
                    return forest.leaves(rows) if found is None else found
        return forest.leaves(rows)

    def sums(self, position: int, X: Any) -> NDArray[Any] | None:
        """What the LeafSum op at a position gives of what its Trees op reads."""
        op = self.plan.ops[position]
        trees, forest = self._forest(op.inputs[0], X.shape[1])
        if forest is None or not isinstance(op, LeafSum) or self.module is None:
            return None
        made = self._parts(position, X.shape[1])
        if made is None:
            return None
        out = np.empty((X.shape[0], len(op.base)), op.values.dtype)
        out[:] = op.base
        start = 0
        for rows in _blocks_of(trees, X):
            part = out[start : start + len(rows)]
            found = None if made.sliced is None or not len(rows) else made.sliced.sums(np.ascontiguousarray(rows))
            if found is None:
                forest.sums(rows, made.values, part)
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
        ops = self._readable(position)
        if ops is None:
            return None
        trees, sums = ops
        decides = not isinstance(decision, Predictions)
        # What is not the source's is as good in any order.
        unsure = not sums.approximate and sums_error(sums, trees.n_trees) > 0.0
        if decides and (unsure or not np.isfinite(sums.largest * trees.n_trees)):
            return None
        found = self._parts(position, n_features)
        if found is None or self.module is None:
            return None
        kind = self.module.LARGEST
        if isinstance(decision, Predictions):
            kind = self.module.FLAT if decision.flat else self.module.NUMBERS
        elif isinstance(decision, Threshold):
            kind = self.module.ABOVE
        at = decision.at if isinstance(decision, Threshold) else 0.0
        classes = None if isinstance(decision, Predictions) else class_array(decision)
        return found.ensemble(kind, classes, at, other)

    def answer(self, method: str, n_features: int | None, X: Any) -> Any:
        """What a method makes of the sums of leaves, in the pass that sums them; None where no kernel does, or reads X."""
        if method not in self._answers:
            self._answers[method] = None if n_features is None or self.module is None else self._answer(method, n_features)
        found = self._answers[method]
        if found is None:
            return None
        value = found.ensemble.linked(X, found.link, found.single)
        if value is not None and found.log is not None:
            value = FUNCTIONS[found.log.kind](found.log, value)
        return value

    def _answer(self, method: str, n_features: int) -> _Answer | None:
        position, log = self.plan.outputs[method], None
        if position == INPUT:
            return None
        op = self.plan.ops[position]
        flat = method in ("decision_function", "score_samples")
        if isinstance(op, Log):
            position, log = op.inputs[0], op
        elif isinstance(op, Predictions):
            position, flat = op.inputs[0], op.flat
        single = position >= 0 and isinstance(self.plan.ops[position], Float32)
        if single:
            position = self.plan.ops[position].inputs[0]
        link = None if position == INPUT else linked(self.plan, position, flat=flat)
        ops = None if link is None else self._readable(link.position)
        found = None if link is None or ops is None else self._parts(link.position, n_features)
        if link is None or ops is None or found is None or self.module is None:
            return None
        sums = ops[1]
        single = single or (link.bare and sums.values.dtype == np.float32)
        ensemble = found.ensemble(self.module.NUMBERS, None, 0.0, None)
        return _Answer(ensemble, link.made(self.module, len(sums.base)), single, log)

    def _readable(self, position: int) -> tuple[Trees, LeafSum] | None:
        """The ops that lead from rows to sums, if they are all that does and a kernel reads the rows as they are."""
        sums = self.plan.ops[position] if position >= 0 else None
        trees = self.plan.ops[sums.inputs[0]] if isinstance(sums, LeafSum) else None
        if not isinstance(sums, LeafSum) or not isinstance(trees, Trees) or trees.inputs[0] != INPUT:
            return None
        return None if trees.absent is not None and not np.isnan(trees.absent) else (trees, sums)

    def _parts(self, position: int, n_features: int) -> _Parts | None:
        """What serves a LeafSum op and its Trees, made when first asked for; None where no kernel does."""
        if position not in self._made:
            op = self.plan.ops[position]
            trees, forest = self._forest(op.inputs[0], n_features) if isinstance(op, LeafSum) else (None, None)
            if forest is None or trees is None or not isinstance(op, LeafSum) or self.module is None:
                return None
            reason = sliced_obstacle(trees, op)
            if reason is not None:
                self.reasons[position] = reason
            self._made[position] = _Parts(self.module, forest, trees, op, sliced=reason is None)
        return self._made[position]

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
