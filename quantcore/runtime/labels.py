"""Ops that are built on the labels of others: what they make of labels, each known as those that may be the source's."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from quantcore.plan.ops import ArgMax, LabelValues, MultiLabel, PlanarLinear, Text, Threshold, Votes
from quantcore.reference import FUNCTIONS
from quantcore.runtime import intervals, text
from quantcore.runtime.values import OPEN, Known, Value, take

if TYPE_CHECKING:
    from quantcore.runtime.execute import Executor

__all__ = ["of_labels"]


def of_labels(executor: Executor, op: LabelValues | Votes, given: Any, known: Known, bounds: bool) -> Value:
    """What an op makes of the labels of others, each known as those that may be the source's."""
    decisions: list[Any] = [executor.plan.ops[i] for i in op.inputs]
    found = [_label(executor, i, given, known, bounds) for i in op.inputs]
    labels = [d.classes[at] if isinstance(d, ArgMax | Threshold) else at for d, (at, _) in zip(decisions, found, strict=True)]
    value = FUNCTIONS[op.kind](op, labels if op.joins else labels[0])
    if not bounds:
        return Value(value)
    if all(sure.all() for _, sure in found):
        return Value(value, (value, value))
    from quantcore.runtime import ensembles

    rows = np.flatnonzero(~np.all([sure for _, sure in found], axis=0))
    if given is None:  # scores of all rows are known, and nothing else is
        rows = np.arange(len(value))
    else:
        given, known = take(given, rows), {}
    masks, numbers = [], []
    for d, (at, sure) in zip(decisions, found, strict=True):
        scores = executor._evaluate(d.inputs[0], given, known).value
        members = ensembles.possible(d, at[rows], sure[rows], scores, *executor._compared(d.inputs[0], given, known))
        masks += members
        numbers += [np.arange(2) if isinstance(d, MultiLabel) else d.classes] * len(members)
    low, high = value.copy(), value.copy()
    if isinstance(op, LabelValues):
        low[rows], high[rows] = ensembles.values_of(numbers[0], masks[0])
    else:
        low[rows], high[rows] = ensembles.votes_of(op, value[rows], masks, numbers)
    return Value(value, (low, high))


def _label(executor: Executor, position: int, given: Any, known: Known, bounds: bool) -> tuple[NDArray[Any], NDArray[np.bool_]]:
    """Places of the labels that an op gives, and which rows' are certified (none without ``bounds``)."""
    op: Any = executor.plan.ops[position]
    model = None if op.inputs[0] in known or given is None else _model(executor, position)
    if model is not None:
        places, planes = model.labels(given)
        return np.asarray(places, np.intp), np.asarray(planes) != OPEN
    scores = executor._evaluate(op.inputs[0], given, known, bounds=bounds).value
    at = scores.argmax(axis=1) if isinstance(op, ArgMax) else (scores > op.at).astype(np.intp)
    interval, margin = executor._compared(op.inputs[0], given, known) if bounds else (None, 0.0)
    sure = np.zeros(len(scores), np.bool_) if interval is None else intervals.decide(op, interval, margin)
    return at[:, 0] if isinstance(op, Threshold) else at, sure


def _model(executor: Executor, position: int) -> Any:
    """The compiled model of documents → labels at a position, or None; made when first needed."""
    op = executor.plan.ops[position]
    scores = executor._op(op.inputs[0])
    featurizer = executor._op(scores.inputs[0]) if isinstance(scores, PlanarLinear) else None
    if executor.module is None or not isinstance(scores, PlanarLinear) or not isinstance(featurizer, Text):
        return None
    key = (scores.inputs[0], op.inputs[0], position)
    if key not in executor._models:
        fits = isinstance(op, ArgMax) == (len(scores.bias) > 1) and (isinstance(op, ArgMax) or getattr(op, "at", 1.0) == 0.0)
        serves = fits and isinstance(op, ArgMax | Threshold) and text.obstacle(featurizer, scores) is None
        executor._models[key] = text.build(executor.module, featurizer, scores, op) if serves else None
    return executor._models[key]
