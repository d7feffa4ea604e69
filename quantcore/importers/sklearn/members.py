"""What ensembles of whole models share: what a member answers, in the form in which the ensemble reads it."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from quantcore.importers.builder import Builder, Node, Result
from quantcore.importers.sklearn.common import classes_of
from quantcore.importers.sklearn.multiclass import joined, positive
from quantcore.plan.ops import ArgMax, Concat, LabelValues, Predictions, Threshold

__all__ = ["binary_score", "flat", "predicted", "relabelled", "relabelled_as_numbers", "side_by_side"]


def flat(result: Result, build: Builder) -> Node | None:
    """The scores behind the one number a row that a regressor predicts, or None."""
    predict = result.methods.get("predict")
    op = None if predict is None else build.ops[predict.position]
    return Node(op.inputs[0], 1) if isinstance(op, Predictions) and op.flat else None


def predicted(estimator: Any, name: str, result: Result, build: Builder) -> Node | None:
    """What a member predicts as columns of numbers; an obstacle where it predicts something else.

    Parameters
    ----------
    estimator : estimator
        The ensemble.
    name : str
        Of the member, or of the parameter that it comes from.
    result : Result
        The member's.
    build : Builder
    """
    predict = result.methods.get("predict")
    op = None if predict is None else build.ops[predict.position]
    if isinstance(op, Predictions):
        return Node(op.inputs[0], 1 if op.flat else None)
    if isinstance(op, ArgMax | Threshold) and isinstance(op.classes, np.ndarray) and op.classes.dtype.kind in "biuf":
        return build.add(LabelValues(inputs=(predict.position,)), 1, np.dtype(np.float64))  # type: ignore[union-attr]
    if result.methods:
        build.obstacle(estimator, name, "its predictions are no numbers, one a row; let it give probabilities or scores")
    return None


def relabelled(estimator: Any, predict: Node, classes: Any, build: Builder) -> Node | None:
    """The label op of a member that was fitted on the numbers 0, 1, ... of ``classes``, with those; None where it has none."""
    op = build.ops[predict.position]
    if not isinstance(op, ArgMax | Threshold) or not isinstance(op.classes, np.ndarray) or op.classes.dtype.kind not in "biu":
        return None
    numbers = op.classes.astype(np.int64)
    if int(numbers.min()) < 0 or int(numbers.max()) >= len(classes):
        return None
    return build.add(replace(op, classes=classes_of(estimator, np.asarray(classes)[numbers], build)), None)


def binary_score(result: Result, build: Builder) -> Node | None:
    """The one score of a classifier of two classes: its decision, or else the second probability; None without either."""
    scores = result.methods.get("decision_function")
    if scores is not None:
        return scores if scores.width == 1 else None
    pair = result.methods.get("predict_proba")
    return None if pair is None or pair.width != 2 else positive(pair, build)


def side_by_side(nodes: list[Node], build: Builder) -> Node:
    """Columns of numbers of several members as one matrix."""
    if all(node.width == 1 for node in nodes):
        return joined(nodes, build)
    if len(nodes) == 1:
        return nodes[0]
    widths = [node.width for node in nodes]
    width = None if None in widths else sum(w or 0 for w in widths)
    return build.add(Concat(inputs=tuple(node.position for node in nodes), weights=(1.0,) * len(nodes)), width)


def relabelled_as_numbers(predict: Node, build: Builder) -> Node | None:
    """The label op of a member, with its labels as float64; None where they are no numbers, or it gives several."""
    op = build.ops[predict.position]
    if not isinstance(op, ArgMax | Threshold) or not isinstance(op.classes, np.ndarray) or op.classes.dtype.kind not in "biuf":
        return None
    return build.add(replace(op, classes=op.classes.astype(np.float64)), None)
