"""Run a Plan: compiled where a kernel serves it, by the reference where none does.

A Plan that is documents → scores → label, or rows → columns → scores → label, runs in one compiled pass. In every other Plan
each op runs on its own; scores carry the bound on their error along, so that labels are certified through links, calibration
and averages too.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from functools import cached_property
from threading import get_ident
from typing import Any

import numpy as np
from numpy.typing import NDArray

from quantcore.native import registry
from quantcore.plan import INPUT, Csr, Op, Plan, Table
from quantcore.plan.ops import (
    ArgMax,
    Augment,
    Binarize,
    Concat,
    Float32,
    LeafNumbers,
    LeafOneHot,
    LeafSum,
    Linear,
    MultiLabel,
    NormalizeRows,
    PlanarLinear,
    Predictions,
    Quadratic,
    Several,
    Stack,
    Take,
    Text,
    Threshold,
    Trees,
)
from quantcore.reference import FUNCTIONS, inputs
from quantcore.reference.bounds import UNKNOWN
from quantcore.reference.text import decode
from quantcore.runtime import csr, intervals, sparse, table, text
from quantcore.runtime.backstop import Backstop
from quantcore.runtime.certify import LABEL, Property, decided
from quantcore.runtime.cold import Cold, settle_cold
from quantcore.runtime.fallbacks import Fallbacks
from quantcore.runtime.labels import of_labels
from quantcore.runtime.trees import Forests, sums_error
from quantcore.runtime.values import FINE, OPEN, Known, Value, take

__all__ = ["Executor", "Known", "Value"]

_AT_ONCE = 1 << 14  # rows
_DECISIONS = (ArgMax, Threshold, MultiLabel, Predictions, Several, Stack)
_LINEAR = ("Linear", "PlanarLinear")
_OF_LABELS = ("LabelValues", "Votes")
_MOST_COPIED = 1 << 12  # columns of rows of the self-test
Settle = Callable[[list[Any], list[int]], Any]


class Executor:
    """Serves one Plan.

    Parameters
    ----------
    plan : Plan
    native : bool
        False: by the reference alone.
    settle : callable of (documents, positions) → labels, or None
        Answers for rows that no plane settled; None: the best answer stands.
    fallbacks : Fallbacks or None
        Where it is counted what the compiled pass does not serve; None: nowhere.
    like : Executor or None
        Of an equal Plan: the trees that it has compiled are taken over; for millions of nodes that is as long as reading them.
    """

    def __init__(
        self,
        plan: Plan,
        *,
        native: bool = True,
        settle: Settle | None = None,
        fallbacks: Fallbacks | None = None,
        like: Executor | None = None,
    ) -> None:
        self.reader = _reader(plan)
        self.plan = plan if self.reader is None else _of_contents(plan)
        self.settle, self.fallbacks = settle, fallbacks
        self._backstop = Backstop(self, lambda: Executor(plan, native=native, settle=settle, fallbacks=fallbacks))
        if fallbacks is not None and settle is not None:  # who answers for rows of all halves of a Plan
            fallbacks.answerer = "cold" if isinstance(settle, Cold) else "on_uncertain"
        kinds = frozenset([op.kind for op in plan.ops])
        families = ["text" if "Text" in kinds else "table", *(["trees"] if "Trees" in kinds else [])]
        self.module = registry.door(families[0]) if native else None
        if native and fallbacks is not None:
            _note_missing(fallbacks, ["frame", *families[1:]] if plan.input == "table" else families)
        door = registry.door("trees") if native and "Trees" in kinds else None
        self.forests: Forests = Forests(self.plan, door, None if like is None else like.forests)
        self.reasons = self.forests.reasons
        self.sparse = sparse.Models(native, self.reasons)
        self._counted: dict[
            int, list[int]
        ] = {}  # rows and open rows, by thread: no two threads add to one number, without a lock
        self._models: dict[tuple[int, ...], Any] = {}
        self._decision = self.plan.ops[self.plan.outputs["predict"]] if "predict" in self.plan.outputs else None
        self.proves = not any(isinstance(op, LeafSum | PlanarLinear) and op.approximate for op in self.plan.ops)
        # What doors call with rows that no plane settled.
        self._settles = self._backstop.settle if settle is not None or (fallbacks is not None and self.proves) else None
        self.fused = self._fused()
        self._width = self.plan.n_features_in if self.plan.input == "matrix" else None
        self.direct = self.forests.direct(self._decision, self._width, self._backstop.read_first)
        self._links = dict(self._linked()) if self.module is not None and plan.input == "matrix" else {}
        self.front: Any = self._front(like) if native and plan.input == "table" else None
        self.beside: Any = self._beside() if native and plan.input == "table" and self.front is None else None

    @property
    def compiled(self) -> Any:
        """What answers ``predict`` in one compiled pass, or None."""
        if self.front is not None:
            return self.front.reader if self.front.inner.compiled is not None else None
        return self.fused or self.direct or (self if "predict" in self._links or self.beside is not None else None)

    def _front(self, like: Executor | None) -> Any:
        from quantcore.runtime.front import front  # tables alone have one

        cold = isinstance(self.settle, Cold)

        def serve(plan: Plan) -> Executor:
            inner = None if like is None or like.front is None else like.front.inner
            return Executor(plan, settle=settle_cold(plan) if cold else None, fallbacks=self.fallbacks, like=inner)

        # Who is asked about open rows is asked about rows of the table.
        own = None if cold or self.settle is None else self._backstop.labels
        return front(self.plan, serve, self._backstop.at_cut, own, self.reasons)

    def at_cut(self, X: Any) -> Any:
        """What the ops in front of the cut give of a table that the compiled reader refuses."""
        given = self._input(X)
        if self.front.inner.compiled is not None:  # else the rows are counted behind the cut
            self._fell_back(given)
        return self._at_cut(given)

    def _beside(self) -> Any:
        if self.module is None or not _reads_texts(self.plan) or self.reader is not None or isinstance(self.settle, Cold):
            return None
        from quantcore.runtime import texts_beside  # tables with texts alone have one

        at = texts_beside.position(self.plan)
        if at is None:
            return None
        try:
            found = texts_beside.Beside(self.plan, at, self._model, Executor)
        except ValueError as error:
            self.reasons[-1] = f"tables are read op by op: {error}"
            return None
        self.reasons.pop(-1, None)
        return found

    def _started(self, X: Any) -> tuple[Any, Known]:
        """Checked rows, and results that are known of them; no rows where all that is asked for follows from those results."""
        found = None if self.beside is None else self.beside.scores(X)
        if found is None:
            given = self._input(X)
            if self.beside is not None:
                self._fell_back(given)
            return given, {}
        scores, away = found
        return None, {self.beside.at: Value(scores, (scores - away, scores + away))}

    def evaluated(self, position: int, rows: Any) -> Value:
        """The result of an op, for rows that have been checked."""
        return self._evaluate(position, rows)

    def _at_cut(self, given: Any) -> Any:
        """The rows at the cut, of a table that has been checked."""
        return self.front.in_form(self._evaluate(self.front.position, given, bounds=False).value)

    # ------------------------------------------------------------ the one pass

    def _fused(self) -> Any:
        """The compiled model of the whole way to the label, or None."""
        decision = self._decision
        if self.module is None or self.plan.input in ("table", "records") or not isinstance(decision, ArgMax | Threshold):
            return None
        return self._fused_text(decision) if self.plan.input == "text" else self._fused_table(decision)

    def _fused_text(self, decision: ArgMax | Threshold) -> Any:
        found = self._chain()
        if found is None:
            return None
        op, scores = found
        reason = text.obstacle(op, scores) if self.reader is None else "documents are read from files"
        if reason is not None:
            self.reasons[self.plan.outputs["predict"]] = reason
            return None
        fused = text.build(self.module, op, scores, decision, self._settles)  # type: ignore[arg-type]
        at = decision.inputs[0]
        self._models[self.plan.ops[at].inputs[0], at] = fused
        if fused is None:
            self.reasons[self.plan.outputs["predict"]] = text.COLLIDE
        return fused

    def _fused_table(self, decision: ArgMax | Threshold) -> Any:
        found = table.chain(self.plan, decision.inputs[0])
        if found is None or (len(found.scores.bias) > 1) != isinstance(decision, ArgMax):
            return None
        reason = table.obstacle(found)
        if reason is not None:
            self.reasons[self.plan.outputs["predict"]] = reason
            return None
        width = self.plan.n_features_in or 0
        fused = table.build(self.module, found, width, decision, self._backstop.predict, self._settles)  # type: ignore[arg-type]
        self._models[decision.inputs] = fused
        return fused

    def _linked(self) -> Iterator[tuple[str, tuple[Any, Any]]]:
        """The methods whose answers one compiled pass gives, but for labels: its model, and what it makes of the scores."""
        for method, position in self.plan.outputs.items():
            decides = isinstance(self.plan.ops[position], _DECISIONS) and not isinstance(self.plan.ops[position], Predictions)
            found = None if decides or self.module is None else table.link(self.module, self.plan, method)
            model = None if found is None else self._table(found[0])
            if found is not None and model is not None:
                yield method, (model, found[1])

    def _chain(self) -> tuple[Text, PlanarLinear] | None:
        decision = self._decision
        if not isinstance(decision, ArgMax | Threshold) or (isinstance(decision, Threshold) and decision.at != 0.0):
            return None
        scores = self._op(decision.inputs[0])
        featurizer = self._op(scores.inputs[0]) if isinstance(scores, PlanarLinear) else None
        if not isinstance(scores, PlanarLinear) or not isinstance(featurizer, Text):
            return None
        return (featurizer, scores) if (len(scores.bias) > 1) == isinstance(decision, ArgMax) else None

    def _op(self, position: int) -> Op | None:
        return None if position == INPUT else self.plan.ops[position]

    def settle_labels(self, rows: Any, labels: list[int], positions: list[int]) -> list[int]:
        """Places of labels for rows that no plane settled."""
        self._left_open(len(positions))
        if self.settle is None or not isinstance(self._decision, ArgMax | Threshold):
            return labels
        classes = list(self._decision.classes)
        return [classes.index(answer) for answer in self.settle(rows, positions)]

    def settle_csr(self, X: Any, labels: list[int], positions: list[int]) -> list[int]:
        """As ``settle_labels``, of CSR rows as the caller passed them."""
        rows = take(self._input(X), np.array(positions, np.int64)) if self.settle else X
        return self.settle_labels(rows, labels, positions)

    @cached_property
    def labels_of_csr(self) -> Any:
        """The compiled model of CSR rows → labels, or None; made when first needed: most models see dense rows or CSR alone."""
        decision, module = self._decision, registry.door("sparse") if self.module is not None else None
        found = csr.chain(self.plan, decision.inputs[0]) if isinstance(decision, ArgMax | Threshold) else None
        if module is None or found is None or (len(found.scores.bias) > 1) != isinstance(decision, ArgMax):
            return None
        reason = csr.obstacle(found)
        if reason is not None:
            self.reasons[self.plan.outputs["predict"]] = reason
            return None

        settles = None if self._settles is None else self._backstop.settle_csr
        made = csr.build(module, found, decision, self._backstop.labels, settles)  # type: ignore[arg-type]
        # Threads that come at once may each make one; one alone counts its rows for all.
        return self.__dict__.setdefault("labels_of_csr", made)

    # ---------------------------------------------------------------- methods

    def predict(self, X: Any) -> Any:
        """What ``predict`` returns for what no compiled pass to a label reads."""
        if self.front is not None:
            return self.front.answer(X)
        model = self.labels_of_csr if hasattr(X, "indptr") else None
        if model is not None:
            return model.predict(X)
        found = self._at_once("predict", X)
        if found is None:
            return self._labels(X)[0]
        self._counted.setdefault(get_ident(), [0, 0])[0] += len(found)
        return found

    def run(self, method: str, X: Any) -> Any:
        """What a method returns."""
        if self.front is not None:
            return self.front.answer(X) if method == "predict" else self.front.run(method, X)
        compiled = self.fused or self.direct
        if method == "predict" and compiled is not None:
            return compiled.predict(X)
        if method == "predict":
            return self.predict(X)
        found = self._at_once(method, X)
        if found is not None:
            return found
        given, known = self._started(X)
        found = None if given is None or given is X else self._at_once(method, given)
        if found is not None:
            return found
        if self.beside is None:
            self._fell_back(given)
        return _shown(self._result(self.plan.outputs[method], given, known), method)

    def _result(self, position: int, given: Any, known: Known) -> Any:
        """The result of an op, of many rows some at a time: what lies between stays small, and Ctrl-C is heard."""
        n_rows = 0 if known else _n_rows(given)
        if n_rows <= _AT_ONCE:
            return self._evaluate(position, given, known, bounds=False).value
        from quantcore.reference import forms  # a few rows do without

        parts = []
        for start in range(0, n_rows, _AT_ONCE):
            parts.append(self._evaluate(position, forms.part(given, start, start + _AT_ONCE), bounds=False).value)
            if not isinstance(parts[0], np.ndarray):
                return self._evaluate(position, given, known, bounds=False).value
        return np.concatenate(parts)

    def read_first(self, X: Any) -> Any:
        """Labels of what the compiled trees don't read as it is: they read what it becomes (a data frame, integers, a list)."""
        given = None if self.direct.accepts(X) else self._input(X)  # accepted: a value is one that it refuses
        return self.labels(X) if given is None or not self.direct.accepts(given) else self.direct.predict(given)

    def _at_once(self, method: str, X: Any) -> Any:
        """What a method that decides nothing makes of scores, in the pass that computes them; None where there is no such pass,
        or it does not read X."""
        if method in self._links:
            model, link = self._links[method]
            return model.linked(X, link)
        return self.forests.answer(method, self._width, X)

    def certified(self, X: Any) -> tuple[NDArray[Any], NDArray[np.bool_]]:
        """Labels, and whether each is proved to be the source's."""
        if self.front is not None:
            return self._asked_of(X, *self.front.inner.certified(self.front.matrix(X)))
        if self.fused is not None and self.plan.input == "text" and isinstance(X, list | tuple):
            return self._labels(X, checked=True)  # the kernel checks them
        return self._labels(X)

    def labels(self, X: Any) -> NDArray[Any]:
        """Labels, by what serves them but for ``direct``."""
        return self.certified(X)[0] if self.front is not None else self._labels(X)[0]

    def _labels(self, X: Any, *, checked: bool = False) -> tuple[NDArray[Any], NDArray[np.bool_]]:
        model = self.labels_of_csr if hasattr(X, "indptr") else None
        found = None if model is None else model.labels(X)
        given, known = (X, {}) if checked or found is not None else self._started(X)
        if found is None and self.fused is not None and (self.plan.input == "text" or self.fused.accepts(given)):
            found = self.fused.labels(given)
        if found is not None:
            labels, planes = text.class_array(self._decision)[found[0]], found[1]  # type: ignore[arg-type]
        else:
            labels, planes = self._predict(given, known)
        rows = np.flatnonzero(planes == OPEN)
        sure = (planes != OPEN) & self.proves
        self._left_open(len(rows))
        if len(rows) and self.settle is not None and model is not None and given is X:
            given = self._input(X)
        if len(rows) and isinstance(self.settle, Cold):
            labels[rows], sure[rows] = self.settle.proved(LABEL, take(given, rows))
        elif len(rows) and self.settle is not None:
            labels[rows] = self.settle(self._asked(X, given, rows), rows.tolist())
        return labels, sure

    def certified_as(self, wanted: Property, X: Any) -> tuple[NDArray[Any], NDArray[np.bool_]]:
        """The answers of a property, and whether each row's is proved to be the source's."""
        if wanted is LABEL:
            return self.certified(X)
        if self.front is not None:
            return self._asked_of(X, *self.front.inner.certified_as(wanted, self.front.matrix(X)))
        given, known = self._started(X)
        if self.beside is None:
            self._fell_back(given)
        answers, sure = decided(self, wanted, given, known)
        rows = np.flatnonzero(~sure)
        self._left_open(len(rows))
        if len(rows) and isinstance(self.settle, Cold):
            answers[rows], sure[rows] = self.settle.proved(wanted, take(given, rows))
        elif len(rows) and self.settle is not None:
            answers[rows] = self.settle(self._asked(X, given, rows), rows.tolist())
        return answers, sure

    def _asked_of(self, X: Any, answers: NDArray[Any], sure: NDArray[np.bool_]) -> tuple[NDArray[Any], NDArray[np.bool_]]:
        """Answers, those of open rows by who is asked about them; the source's own weights have been."""
        rows = np.flatnonzero(~sure)
        if len(rows) and self.settle is not None and not isinstance(self.settle, Cold):
            answers[rows] = self.settle(self._asked(X, None, rows), rows.tolist())
        return answers, sure

    def _asked(self, X: Any, given: Any, rows: NDArray[np.int64]) -> Any:
        """Open rows for the caller to answer: of tables in the form that they came in, else as they were checked."""
        return take(X if self.plan.input == "table" else given, rows)

    def scores(
        self, X: Any, *, checked: bool = False, counted: bool = True
    ) -> tuple[NDArray[np.float64], NDArray[np.float64]] | None:
        """Scores that the label follows from, and a bound on the error of each row's; None where there is no such bound.

        ``checked`` rows are what the input check gives: contents of files, a matrix of float64. Rows that no caller has sent are
        not ``counted``.
        """
        at = self.plan.outputs.get("predict")
        if at is None:
            return None
        if self.front is not None:
            if checked or not counted:
                rows = self._at_cut(X if checked else self._input(X))
            else:
                rows = self.front.matrix(X)
            found_: tuple[NDArray[np.float64], NDArray[np.float64]] | None
            found_ = self.front.inner.scores(rows, checked=True, counted=counted)
            return found_
        if not counted and self.fused is not None and self.plan.input == "text":
            scores, bound = self.fused.scores(X if checked else self._input(X), counted=False)
            return scores, bound if self.proves else np.full(len(scores), np.inf)
        given, known = (X, {}) if checked else self._started(X)
        found = self._evaluate(self.plan.ops[at].inputs[0], given, known)
        if found.interval is None:
            return None if self.proves else (found.value, np.full(len(found.value), np.inf))
        low, high = found.interval
        return found.value, ((high - low) / 2).max(axis=1)

    def bare_scores(self, X: Any) -> Any:
        """The scores of a few ``checked`` rows without their bounds, which take most of their time; None where ``predict`` is
        missing. Rows of a table go through the compiled reader, as the caller's would."""
        at = self.plan.outputs.get("predict")
        if at is None:
            return None
        if self.front is not None:
            rows = self.front.reader.read(X.objects()) if len(X.columns) <= _MOST_COPIED else None
            return self.front.inner.bare_scores(self._at_cut(X) if rows is None else rows)
        if self.fused is not None and self.plan.input == "text":
            return self.fused.scores(X, counted=False)[0]
        return self.value_at(self.plan.ops[at].inputs[0], X)

    def bound(self, method: str, X: Any, *, checked: bool = False) -> float | None:
        """The largest proved error of a method's values over rows, infinite where one has no bound; None where its values are no
        scores, probabilities or predicted numbers. ``checked`` as for ``scores``."""
        if method not in self.plan.outputs:
            return None
        if self.front is not None:
            rows = self._at_cut(X) if checked else self.front.matrix(X)
            most: float | None = self.front.inner.bound(method, rows, checked=True)
            return most
        position = self.plan.outputs[method]
        given, known = (X, {}) if checked else self._started(X)  # type: Any, Known
        op = self.plan.ops[position]
        if isinstance(op, _DECISIONS) and not isinstance(op, Predictions | Several):
            return None
        largest = 0.0
        for place in op.inputs if isinstance(op, _DECISIONS) else (position,):
            error = self._evaluate(place, given, known).as_matrix()
            largest = np.inf if error is None else max(largest, float(np.nan_to_num(error.max(initial=0.0), nan=np.inf)))
        return largest

    def stats(self) -> dict[str, int]:
        """Counters of all paths, summed."""
        total = dict.fromkeys(("rows", "fine_rows", "open_rows", "tokens", "unknown_tokens"), 0)
        for rows, unsure in list(self._counted.values()):
            total["rows"] += rows
            total["open_rows"] += unsure
        if self.front is not None:
            return {name: total.get(name, 0) + count for name, count in self.front.inner.stats().items()}
        if self.direct is not None:
            total["rows"] += self.direct.rows
        for model in (self.fused, self.__dict__.get("labels_of_csr")):
            for name, count in zip(total, () if model is None else model.stats(), strict=False):  # tables have no tokens
                total[name] += count
        return total if self.fallbacks is None else {**total, **self.fallbacks.stats()}

    def _fell_back(self, given: Any) -> None:
        """Note checked rows that go op by op."""
        if self.fallbacks is not None:
            self.fallbacks.op_by_op(_n_rows(given), self.reasons.values())

    def _left_open(self, n_rows: int) -> None:
        """Note rows that no plane settled, and who answers for them."""
        if self.fallbacks is None or not n_rows or not self.proves:
            return
        self.fallbacks.left_open(n_rows)

    def value_at(self, position: int, rows: Any) -> Any:
        """The result of the op at a position, for rows that have been checked."""
        return self._evaluate(position, rows, bounds=False).value

    def _predict(self, given: Any, known: Known) -> tuple[NDArray[Any], NDArray[np.uint8]]:
        """Labels op by op, and which plane settled each row."""
        if self._decision is None:
            raise AttributeError(f"this model has no 'predict'; its source has {', '.join(sorted(self.plan.outputs))}")
        if self.beside is None:
            self._fell_back(given)
        labels, sure = self._decided(self._decision, given, known)
        counted = self._counted.setdefault(get_ident(), [0, 0])
        counted[0] += len(sure)
        counted[1] += int(np.count_nonzero(~sure))
        return labels, np.where(sure, FINE, OPEN).astype(np.uint8)

    def _decided(self, op: Op, given: Any, known: Known) -> tuple[NDArray[Any], NDArray[np.bool_]]:
        """Labels, and whether each row's are certified."""
        if isinstance(op, Stack):
            parts = [self._decided(self.plan.ops[i], given, known) for i in op.inputs]
            return FUNCTIONS[op.kind](op, [labels for labels, _ in parts]), np.all([sure for _, sure in parts], axis=0)
        numbers = isinstance(op, Predictions)
        scores = self._evaluate(op.inputs[0], given, known, bounds=not numbers)
        labels = FUNCTIONS[op.kind](op, scores.value)
        if numbers:  # nothing is decided, so nothing is open
            return labels, np.ones(len(labels), np.bool_)
        interval, margin = self._compared(op.inputs[0], given, known)
        return labels, np.zeros(len(labels), np.bool_) if interval is None else intervals.decide(op, interval, margin)

    def _compared(self, position: int, given: Any, known: Known) -> tuple[intervals.Interval | None, float]:
        """What the order of classes follows from, and how much two values may differ that the source rounds to one: dividing
        by the row's sum keeps the order but for that."""
        op = self.plan.ops[position]
        if isinstance(op, NormalizeRows):
            return self._evaluate(op.inputs[0], given, known).interval, intervals.slack(self._dtype, 1)
        return self._evaluate(position, given, known).interval, 0.0

    # ------------------------------------------------------------- op by op

    def _input(self, X: Any) -> Any:
        found = inputs.read(self.plan, X)
        if self.plan.input == "text":
            inputs.require_rows(len(found))
            return found if self.reader is None else [decode(self.reader, document) for document in found]
        return found

    def _evaluate(self, position: int, given: Any, known: Known | None = None, *, bounds: bool = True) -> Value:
        """The result of an op, with its error or interval if there is one and ``bounds`` asks for it."""
        if position == INPUT:
            return Value(given)
        known = {} if known is None else known
        if position not in known:
            known[position] = self._apply(position, given, known, bounds)
        return known[position]

    def _apply(self, position: int, given: Any, known: Known, bounds: bool) -> Value:
        op: Any = self.plan.ops[position]
        kind = op.kind  # asked first: of a few rows, asking what an op is an instance of takes longer than computing it
        if kind in _LINEAR:
            found = self._compiled_scores(position, op, given, known, bounds)
            if found is not None:
                return found
        elif kind == "Text":
            model = self._model((position,))
            if model is not None:
                given = given if op.inputs[0] == INPUT else self._evaluate(op.inputs[0], given, known, bounds=bounds).value
                indptr, columns, counts = model.counts(given)
                return Value(_sorted(indptr, columns, counts, op.n_features))
        elif kind == "LeafSum":
            found = self._leaf_sum(position, op, given, known, bounds)
            if found is not None:
                return found
        elif kind in _OF_LABELS:
            return of_labels(self, op, given, known, bounds)
        arguments = [self._evaluate(i, given, known, bounds=bounds) for i in op.inputs]
        if kind == "Trees":
            leaves = self.forests.leaves(position, arguments[0].value)
            value = FUNCTIONS[kind](op, arguments[0].value) if leaves is None else leaves
            return Value(value, error=_leaves_error(op, arguments[0]) if bounds else None)
        compiled = self.sparse.scores(position, op, arguments[0].value, bounds) if kind in _LINEAR else None
        given_ = [a.value for a in arguments] if op.joins else arguments[0].value
        value, sizes = compiled if compiled is not None else (FUNCTIONS[kind](op, given_), None)
        return self._bounded(op, arguments, value, sizes) if bounds and not isinstance(op, _DECISIONS) else Value(value)

    def _compiled_scores(self, position: int, op: Linear | PlanarLinear, given: Any, known: Known, bounds: bool) -> Value | None:
        """Scores of texts, or of rows of numbers, where one kernel goes all the way to them."""
        found = None
        if isinstance(op, PlanarLinear) and isinstance(self._op(op.inputs[0]), Text):
            model = self._model((op.inputs[0], position))
            if model is not None:
                at = self.plan.ops[op.inputs[0]].inputs[0]
                found = model.scores(given if at == INPUT else self._evaluate(at, given, known).value)
        if found is None and isinstance(given, np.ndarray):
            model = self._table(position)
            found = model.scores(given) if model is not None and model.accepts(given) else None
        if found is None:
            return None
        scores, bound = found
        if not bounds or (isinstance(op, PlanarLinear) and op.approximate):
            return Value(scores)
        return Value(scores, (scores - bound[:, None], scores + bound[:, None]))

    def _leaf_sum(self, position: int, op: LeafSum, given: Any, known: Known, bounds: bool) -> Value | None:
        """Sums without the leaves in between, unless those are known already."""
        trees = self.plan.ops[op.inputs[0]]
        if op.inputs[0] in known or not isinstance(trees, Trees):
            return None
        rows = self._evaluate(trees.inputs[0], given, known, bounds=bounds)
        value = self.forests.sums(position, rows.value)
        if value is None:
            return None
        return self._summed(op, trees.n_trees, value, _leaves_error(trees, rows)) if bounds else Value(value)

    def _summed(self, op: LeafSum, n_trees: int, value: Any, error: NDArray[Any] | None) -> Value:
        """Sums over leaves, of which some rows' may be others."""
        if op.approximate:
            return Value(value, error=UNKNOWN)
        bound: Any = sums_error(op, n_trees)
        if error is not None and error.ndim == 0:
            return Value(value, error=error)
        if error is None and bound == 0.0:
            return Value(value, (value, value))
        if error is not None:  # no sum is farther from another one
            bound = np.where(error == 0.0, bound, bound + 2.0001 * n_trees * op.largest / op.divisor)[:, None]
        return Value(value, (value - bound, value + bound))

    def _bounded(self, op: Op, arguments: list[Value], value: Any, sizes: NDArray[np.float64] | None) -> Value:
        from quantcore.reference.planar import planar_bound
        from quantcore.runtime import rounding

        first = arguments[0]
        if isinstance(op, LeafSum):
            return self._summed(op, first.value.shape[1], value, first.error)
        if isinstance(op, LeafNumbers | LeafOneHot):
            # Rows that are not exact may reach other leaves.
            unsure = first.error
            if unsure is UNKNOWN:
                return Value(value, error=UNKNOWN)
            return Value(value, error=None if unsure is None else _of_rows(unsure, value))
        if isinstance(op, Linear | PlanarLinear | Quadratic):
            error = first.as_matrix()
            if error is UNKNOWN or (isinstance(op, PlanarLinear) and op.approximate):
                return Value(value, error=UNKNOWN)
            if isinstance(op, PlanarLinear):
                bound = planar_bound(op, first.value, value, error, sizes)[:, None]
            else:
                bound = rounding.scores_error(op, first.value, error, value, sizes)
            return Value(value, (value - bound, value + bound))
        intervals_ = [a.interval for a in arguments if a.interval is not None]
        if isinstance(op, rounding.MATRIX) and intervals_ and self._dtype == "float32" and not isinstance(op, Take):
            # The source may compute in float32 what is float64 here.
            return Value(value, error=UNKNOWN)
        of_matrix = isinstance(op, (*rounding.MATRIX, Augment)) and not (isinstance(op, Take) and intervals_)
        if of_matrix or (isinstance(op, Concat) and len(intervals_) < len(arguments)):
            if isinstance(op, Binarize) and isinstance(first.value, Csr) and first.error is not None:
                value = first.value.with_data((first.value.data > op.threshold).astype(np.float64))
            errors, given = [a.as_matrix() for a in arguments], [a.value for a in arguments]
            if isinstance(op, Augment):
                from quantcore.runtime import ensembles

                return Value(*ensembles.augmented(op, value, given, errors))
            value = rounding.with_zeros(op, given, errors, value)
            return Value(value, error=rounding.matrix_error(op, given, errors, value))
        if len(intervals_) < len(arguments):
            exact = all(a.interval is None and a.as_matrix() is None for a in arguments)
            return Value(value, error=None if exact else UNKNOWN)
        if op.kind in ("CodeScores", "PairConfidence", "ScoreUfunc", "WeightedMean"):
            from quantcore.runtime import ensembles

            interval = ensembles.propagate(op, intervals_, self._dtype)
        else:
            interval = intervals.propagate(op, intervals_, self._dtype)
        return Value(value, interval, UNKNOWN if interval is None else None)

    def _model(self, positions: tuple[int, ...]) -> Any:
        """The compiled model of a Text op alone, or with the scores behind it; made when first needed."""
        if positions not in self._models:
            found = [self.plan.ops[i] for i in positions]
            featurizer, scores = found[0], found[1] if len(found) > 1 else None
            if not isinstance(featurizer, Text) or not isinstance(scores, PlanarLinear | None):
                raise TypeError(f"expected Text and PlanarLinear ops, got {[op.kind for op in found]}")
            reason = "no compiled kernels" if self.module is None else text.obstacle(featurizer, scores)
            model = None if reason is not None else text.build(self.module, featurizer, scores)  # type: ignore[arg-type]
            if model is None:
                self.reasons[positions[-1]] = reason or text.COLLIDE
            self._models[positions] = model
        return self._models[positions]

    def _table(self, position: int) -> Any:
        """The compiled model of all that leads from rows to the scores at a position; made when first needed."""
        if (position,) not in self._models:
            found = None if self.module is None else table.chain(self.plan, position)
            reason = None if found is None else table.obstacle(found)
            if reason is not None:
                self.reasons[position] = reason
            serves = found is not None and reason is None
            width = self.plan.n_features_in or 0
            self._models[(position,)] = table.build(self.module, found, width) if serves else None  # type: ignore[arg-type]
        return self._models[(position,)]

    @cached_property
    def _dtype(self) -> str:
        float32 = any(getattr(op, "dtype", "float64") == "float32" or isinstance(op, Float32) for op in self.plan.ops)
        return "float32" if float32 else "float64"


def _note_missing(fallbacks: Fallbacks, families: list[str]) -> None:
    """Tell of compiled modules that a Plan would be served by, and that are not there."""
    for family in families:
        found = registry.implementation(family)
        if found.module is None:
            fallbacks.lasts("numpy", found.reason)


def _leaves_error(op: Trees, rows: Value) -> NDArray[Any] | None:
    """How far off the leaves of each row may be: 0 or infinity; None where all rows are exact."""
    error = rows.as_matrix()
    if error is None or error is UNKNOWN:
        return error
    from quantcore.runtime.tree_errors import unsure_rows  # exact rows do without

    return np.where(unsure_rows(op, rows.value, error), np.inf, 0.0)


def _of_rows(error: NDArray[Any], value: Any) -> NDArray[Any]:
    """The errors of rows for each of their values."""
    if isinstance(value, Csr):
        return np.asarray(error[value.row_ids()])
    return np.broadcast_to(error[:, None], value.shape) if value.ndim == 2 else UNKNOWN


def _reads_texts(plan: Plan) -> bool:
    return any(op.kind == "Text" for op in plan.ops)


def _reader(plan: Plan) -> Text | None:
    """How documents are read where the source takes files or their names: once, since several planes may look at them."""
    found = [op for op in plan.ops if isinstance(op, Text)]
    same = len({(op.source, op.encoding, op.decode_error) for op in found}) == 1
    return found[0] if same and found[0].source != "content" else None


def _of_contents(plan: Plan) -> Plan:
    found: Plan = plan.changed(ops=tuple(op.changed(source="content") if isinstance(op, Text) else op for op in plan.ops))
    return found


def _sorted(indptr: NDArray[np.int64], columns: NDArray[np.int64], counts: NDArray[np.float64], n_columns: int) -> Csr:
    rows = np.arange(len(indptr) - 1).repeat(indptr[1:] - indptr[:-1])
    order = np.argsort(rows * np.int64(n_columns) + columns)  # no column is there twice
    return Csr(indptr, columns[order], counts[order], n_columns)


def _n_rows(given: Any) -> int:
    """Of rows that have been checked."""
    return given.n_rows if isinstance(given, Csr | Table) else len(given)


def _shown(value: Any, method: str) -> Any:
    """decision_function and score_samples of one output are 1-d, as scikit-learn's; what is sparse is SciPy's where the caller
    uses SciPy, which is never imported here."""
    scipy = sys.modules.get("scipy.sparse")
    if isinstance(value, Csr):
        return value if scipy is None else scipy.csr_matrix((value.data, value.indices, value.indptr), shape=value.shape)
    return value[:, 0] if method in ("decision_function", "score_samples") and value.shape[1] == 1 else value
