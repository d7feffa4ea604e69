"""Run a Plan: compiled where a kernel serves it, by the reference where none does.

A Plan that is documents → scores → label runs in one compiled pass. In every other Plan each op runs on its own; scores
carry the bound on their error along, so that labels are certified through links, calibration and averages too.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import replace
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from quantcore.native import registry
from quantcore.plan import INPUT, Csr, Op, Plan
from quantcore.plan.ops import (
    ArgMax,
    Binarize,
    Concat,
    LeafNumbers,
    LeafOneHot,
    LeafSum,
    Linear,
    MultiLabel,
    PlanarLinear,
    Predictions,
    Quadratic,
    Several,
    Stack,
    Text,
    TfIdf,
    Threshold,
    Trees,
)
from quantcore.reference import FUNCTIONS, inputs
from quantcore.reference.text import decode
from quantcore.runtime import intervals, text
from quantcore.runtime.trees import Forests, sums_error

__all__ = ["Executor", "cold_plan", "settle_cold"]

HOT, FINE, OPEN = 0, 1, 2
_DECISIONS = (ArgMax, Threshold, MultiLabel, Predictions, Several, Stack)
Settle = Callable[[list[Any], list[int]], Any]


class _Value(NamedTuple):
    """The result of an op; of a matrix also the error of each value, of scores and what follows them the lowest and the
    highest that the source may have."""

    value: Any
    interval: intervals.Interval | None = None
    error: NDArray[Any] | None = None

    def as_matrix(self) -> NDArray[Any] | None:
        """Scores that are read as a matrix."""
        if self.interval is None:
            return self.error
        low, high = self.interval
        return np.asarray(np.maximum(high - self.value, self.value - low))


class Executor:
    """Serves one Plan.

    Parameters
    ----------
    plan : Plan
    native : bool
        False: by the reference alone.
    settle : callable of (documents, positions) → labels, or None
        Answers for rows that no plane settled; None: the best answer stands.
    """

    def __init__(self, plan: Plan, *, native: bool = True, settle: Settle | None = None) -> None:
        self.reader = _reader(plan)
        self.plan = plan if self.reader is None else _of_contents(plan)
        self.settle = settle
        self.module = registry.door("text") if native and plan.input == "text" else None
        door = registry.door("trees") if native and any(isinstance(op, Trees) for op in plan.ops) else None
        self.forests = Forests(self.plan, door)
        self.reasons = self.forests.reasons
        self.counters = {"rows": 0, "open": 0}
        self._models: dict[tuple[int, ...], Any] = {}
        self.fused = self._fused()
        predict = self.plan.ops[self.plan.outputs["predict"]] if "predict" in self.plan.outputs else None
        width = self.plan.n_features_in if self.plan.input == "matrix" else None
        self.direct = self.forests.direct(predict, width, self._predict_checked)

    # ------------------------------------------------------------ the one pass

    def _fused(self) -> Any:
        """The compiled model of the whole way to the label, or None."""
        chain = self._chain()
        if self.module is None or chain is None:
            return None
        op, scores, decision = chain
        reason = text.obstacle(op, scores) if self.reader is None else "documents are read from files"
        if reason is not None:
            self.reasons[self.plan.outputs["predict"]] = reason
            return None
        fused = text.build(self.module, op, scores, decision, self._settle_labels if self.settle else None)
        at = self.plan.ops[self.plan.outputs["predict"]].inputs[0]
        self._models[self.plan.ops[at].inputs[0], at] = fused
        return fused

    def _chain(self) -> tuple[Text, PlanarLinear, Op] | None:
        at = self.plan.outputs.get("predict")
        decision = None if at is None else self.plan.ops[at]
        if not isinstance(decision, ArgMax | Threshold) or (isinstance(decision, Threshold) and decision.at != 0.0):
            return None
        scores = self._op(decision.inputs[0])
        featurizer = self._op(scores.inputs[0]) if isinstance(scores, PlanarLinear) else None
        if not isinstance(scores, PlanarLinear) or not isinstance(featurizer, Text):
            return None
        if (len(scores.bias) > 1) != isinstance(decision, ArgMax):
            return None
        return featurizer, scores, decision

    def _op(self, position: int) -> Op | None:
        return None if position == INPUT else self.plan.ops[position]

    def _settle_labels(self, documents: list[str], labels: list[int], rows: list[int]) -> list[int]:
        if self.settle is None:
            return labels
        chain = self._chain()
        classes = list(chain[2].classes) if chain else []  # type: ignore[attr-defined]
        return [classes.index(answer) for answer in self.settle(documents, rows)]

    # ---------------------------------------------------------------- methods

    def run(self, method: str, X: Any) -> Any:
        """What a method returns."""
        if method == "predict":
            if self.fused is not None:
                return self.fused.predict(X)
            return self._predict_checked(X) if self.direct is None else self.direct.predict(X)
        given = self._input(X)
        return _shown(self.value_at(self.plan.outputs[method], given), method)

    def _predict_checked(self, X: Any) -> Any:
        labels, planes, documents = self._predict(X)
        self.counters["rows"] += len(planes)
        rows = np.flatnonzero(planes == OPEN)
        self.counters["open"] += len(rows)
        if len(rows) and self.settle is not None:
            labels[rows] = self.settle(_take(documents, rows), rows.tolist())
        return labels

    def certified(self, X: Any) -> tuple[NDArray[Any], NDArray[np.bool_]]:
        """Labels, and whether each is proved to be the source's."""
        if self.fused is not None:
            documents = X if isinstance(X, list | tuple) else self._input(X)  # a generator can be read only once
            positions, planes = self.fused.labels(documents)
            chain = self._chain()
            labels = (text.class_array(chain[2]) if chain else np.empty(0))[positions]
        else:
            labels, planes, documents = self._predict(X)
        rows = np.flatnonzero(planes == OPEN)
        sure = planes != OPEN
        if len(rows) and self.settle is not None:
            labels[rows] = self.settle(_take(documents, rows), rows.tolist())
        return labels, sure

    def scores(self, X: Any, *, checked: bool = False) -> tuple[NDArray[np.float64], NDArray[np.float64]] | None:
        """Scores that the label follows from, and a bound on the error of each row's; None where there is no such bound.

        ``checked`` rows are what the input check gives: contents of files, a matrix of float64.
        """
        at = self.plan.outputs.get("predict")
        if at is None:
            return None
        found = self._evaluate(self.plan.ops[at].inputs[0], X if checked else self._input(X))
        if found.interval is None:
            return None
        low, high = found.interval
        return found.value, ((high - low) / 2).max(axis=1)

    def stats(self) -> dict[str, int]:
        """Counters of all paths, summed."""
        total = dict.fromkeys(("rows", "fine_rows", "open_rows", "tokens", "unknown_tokens"), 0)
        total["rows"], total["open_rows"] = self.counters["rows"], self.counters["open"]
        if self.direct is not None:
            total["rows"] += self.direct.rows
        if self.fused is not None:
            for name, count in zip(total, self.fused.stats(), strict=True):
                total[name] += count
        return total

    def value_at(self, position: int, rows: Any) -> Any:
        """The result of the op at a position, for rows that have been checked."""
        return self._evaluate(position, rows, bounds=False).value

    def _predict(self, X: Any) -> tuple[NDArray[Any], NDArray[np.uint8], Any]:
        if "predict" not in self.plan.outputs:
            raise AttributeError(f"this model has no 'predict'; its source has {', '.join(sorted(self.plan.outputs))}")
        given = self._input(X)
        labels, sure = self._decided(self.plan.ops[self.plan.outputs["predict"]], given, {})
        return labels, np.where(sure, FINE, OPEN).astype(np.uint8), given

    def _decided(self, op: Op, given: Any, known: dict[int, _Value]) -> tuple[NDArray[Any], NDArray[np.bool_]]:
        """Labels, and whether each row's are certified."""
        if isinstance(op, Stack):
            parts = [self._decided(self.plan.ops[i], given, known) for i in op.inputs]
            return FUNCTIONS[op.kind](op, [labels for labels, _ in parts]), np.all([sure for _, sure in parts], axis=0)
        numbers = isinstance(op, Predictions)
        scores = self._evaluate(op.inputs[0], given, known, bounds=not numbers)
        labels = FUNCTIONS[op.kind](op, scores.value)
        if numbers:  # nothing is decided, so nothing is open
            return labels, np.ones(len(labels), np.bool_)
        return labels, np.zeros(len(labels), np.bool_) if scores.interval is None else intervals.decide(op, scores.interval)

    # ------------------------------------------------------------- op by op

    def _input(self, X: Any) -> Any:
        found = inputs.read(self.plan, X)
        if self.plan.input == "text":
            inputs.require_rows(len(found))
            return found if self.reader is None else [decode(self.reader, document) for document in found]
        return found

    def _evaluate(self, position: int, given: Any, known: dict[int, _Value] | None = None, *, bounds: bool = True) -> _Value:
        """The result of an op, with its error or interval if there is one and ``bounds`` asks for it."""
        if position == INPUT:
            return _Value(given)
        known = {} if known is None else known
        if position not in known:
            known[position] = self._apply(position, given, known, bounds)
        return known[position]

    def _apply(self, position: int, given: Any, known: dict[int, _Value], bounds: bool) -> _Value:
        op = self.plan.ops[position]
        if isinstance(op, PlanarLinear) and isinstance(self._op(op.inputs[0]), Text):
            model = self._model((op.inputs[0], position))
            if model is not None:
                scores, bound = model.scores(given)
                return _Value(scores, (scores - bound[:, None], scores + bound[:, None]))
        if isinstance(op, Text):
            model = self._model((position,))
            if model is not None:
                indptr, columns, counts = model.counts(given)
                return _Value(_sorted(indptr, columns, counts, op.n_features))
        if isinstance(op, LeafSum):
            found = self._leaf_sum(position, op, given, known, bounds)
            if found is not None:
                return found
        arguments = [self._evaluate(i, given, known, bounds=bounds) for i in op.inputs]
        if isinstance(op, Trees):
            leaves = self.forests.leaves(position, arguments[0].value)
            value = FUNCTIONS[op.kind](op, arguments[0].value) if leaves is None else leaves
            return _Value(value, error=arguments[0].as_matrix())
        many = op.kind in ("Average", "Concat", "Several", "Stack")
        value = FUNCTIONS[op.kind](op, [a.value for a in arguments] if many else arguments[0].value)
        return self._bounded(op, arguments, value) if bounds and not isinstance(op, _DECISIONS) else _Value(value)

    def _leaf_sum(self, position: int, op: LeafSum, given: Any, known: dict[int, _Value], bounds: bool) -> _Value | None:
        """Sums without the leaves in between, unless those are known already."""
        trees = self.plan.ops[op.inputs[0]]
        if op.inputs[0] in known or not isinstance(trees, Trees):
            return None
        rows = self._evaluate(trees.inputs[0], given, known, bounds=bounds)
        value = self.forests.sums(position, rows.value)
        if value is None:
            return None
        exact = bounds and rows.as_matrix() is None
        return self._summed(op, trees.n_trees, value) if exact else _Value(value)

    def _summed(self, op: LeafSum, n_trees: int, value: Any) -> _Value:
        bound = sums_error(op, n_trees)
        return _Value(value, (value, value) if bound == 0.0 else (value - bound, value + bound))

    def _bounded(self, op: Op, arguments: list[_Value], value: Any) -> _Value:
        from quantcore.reference.planar import planar_bound  # kernels do without
        from quantcore.runtime import rounding

        first = arguments[0]
        if isinstance(op, LeafNumbers | LeafOneHot | LeafSum):
            # Rows that are not exact may reach other leaves.
            if first.error is not None:
                return _Value(value, error=rounding.UNKNOWN)
            return self._summed(op, first.value.shape[1], value) if isinstance(op, LeafSum) else _Value(value)
        if isinstance(op, Linear | PlanarLinear | Quadratic):
            error = first.as_matrix()
            if error is rounding.UNKNOWN:
                return _Value(value)
            if isinstance(op, PlanarLinear):
                bound = planar_bound(op, first.value, value, error)[:, None]
            else:
                bound = rounding.scores_error(op, first.value, error, value)
            return _Value(value, (value - bound, value + bound))
        intervals_ = [a.interval for a in arguments if a.interval is not None]
        if isinstance(op, rounding.MATRIX) or (isinstance(op, Concat) and len(intervals_) < len(arguments)):
            if isinstance(op, Binarize) and isinstance(first.value, Csr) and first.error is not None:
                value = first.value.with_data((first.value.data > op.threshold).astype(np.float64))
            errors = [a.as_matrix() for a in arguments]
            return _Value(value, error=rounding.matrix_error(op, [a.value for a in arguments], errors, value))
        if len(intervals_) < len(arguments):
            return _Value(value)
        return _Value(value, intervals.propagate(op, intervals_, self._dtype))

    def _model(self, positions: tuple[int, ...]) -> Any:
        """The compiled model of a Text op alone, or with the scores behind it; made when first needed."""
        if positions not in self._models:
            found = [self.plan.ops[i] for i in positions]
            featurizer, scores = found[0], found[1] if len(found) > 1 else None
            if not isinstance(featurizer, Text) or not isinstance(scores, PlanarLinear | None):
                raise TypeError(f"expected Text and PlanarLinear ops, got {[op.kind for op in found]}")
            reason = "no compiled kernels" if self.module is None else text.obstacle(featurizer, scores)
            if reason is not None:
                self.reasons[positions[-1]] = reason
            self._models[positions] = None if reason is not None else text.build(self.module, featurizer, scores)  # type: ignore[arg-type]
        return self._models[positions]

    @cached_property
    def _dtype(self) -> str:
        float32 = any(getattr(op, "dtype", "float64") == "float32" for op in self.plan.ops)
        return "float32" if float32 else "float64"


def _reader(plan: Plan) -> Text | None:
    """How documents are read where the source takes files or their names: once, since several planes may look at them."""
    found = [op for op in plan.ops if isinstance(op, Text)]
    same = len({(op.source, op.encoding, op.decode_error) for op in found}) == 1
    return found[0] if same and found[0].source != "content" else None


def _of_contents(plan: Plan) -> Plan:
    return replace(plan, ops=tuple(replace(op, source="content") if isinstance(op, Text) else op for op in plan.ops))


def cold_plan(plan: Plan) -> Plan | None:
    """The source's own arithmetic, from the cold planes: None where the Plan lacks them."""
    ops: list[Op] = []
    moved = {INPUT: INPUT}
    for position, op in enumerate(plan.ops):
        inputs_ = tuple(moved[i] for i in op.inputs)
        if isinstance(op, PlanarLinear):
            if op.cold is None:
                return None
            single = op.dtype == "float32"
            counts = op.inputs[0] != INPUT and isinstance(plan.ops[op.inputs[0]], Text)
            if op.sublinear or op.idf is not None or op.norm is not None or (single and counts):
                ops.append(TfIdf(inputs=inputs_, sublinear=op.sublinear, idf=op.idf, norm=op.norm, dtype=op.dtype))
                inputs_ = (len(ops) - 1,)
            # Terms of float32 may meet weights of float64: then the source sums in float64.
            single = single and bool((op.cold.astype(np.float32) == op.cold).all())
            ops.append(Linear(inputs=inputs_, weight=op.cold, bias=op.bias, dtype="float32" if single else "float64"))
        else:
            ops.append(replace(op, inputs=inputs_))
        moved[position] = len(ops) - 1
    return replace(plan, ops=tuple(ops), outputs={method: moved[at] for method, at in plan.outputs.items()})


def settle_cold(plan: Plan) -> Settle | None:
    """Answers for open rows from the cold planes, or None where there are none."""
    cold = cold_plan(plan)
    if cold is None:
        return None

    executor = Executor(cold, native=False)

    def settle(rows: Any, positions: list[int]) -> NDArray[Any]:
        # The rows have been checked: a matrix is no longer what the caller passed.
        return np.asarray(executor.value_at(cold.outputs["predict"], rows))

    return settle


def _sorted(indptr: NDArray[np.int64], columns: NDArray[np.int64], counts: NDArray[np.float64], n_columns: int) -> Csr:
    rows = np.repeat(np.arange(len(indptr) - 1), np.diff(indptr))
    order = np.lexsort((columns, rows))
    return Csr(indptr, columns[order], counts[order], n_columns)


def _take(X: Any, rows: NDArray[np.int64]) -> Any:
    if isinstance(X, Csr):
        return X.take_rows(rows)
    return X[rows] if isinstance(X, np.ndarray) else [X[i] for i in rows.tolist()]


def _shown(value: Any, method: str) -> Any:
    """decision_function and score_samples of one output are 1-d, as scikit-learn's; what is sparse is SciPy's where the caller
    uses SciPy, which is never imported here."""
    scipy = sys.modules.get("scipy.sparse")
    if isinstance(value, Csr):
        return value if scipy is None else scipy.csr_matrix((value.data, value.indices, value.indptr), shape=value.shape)
    return value[:, 0] if method in ("decision_function", "score_samples") and value.shape[1] == 1 else value
