"""VotingClassifier, VotingRegressor: several models over the same rows."""

from __future__ import annotations

from typing import Any

import numpy as np
from sklearn.utils.validation import check_is_fitted

from quantcore.importers.builder import Builder, Node, Result
from quantcore.importers.registry import import_estimator
from quantcore.importers.sklearn.common import classes_of
from quantcore.importers.sklearn.members import flat, side_by_side
from quantcore.plan.ops import ArgMax, Layers, Predictions, Stack, Threshold, Votes, WeightedMean

__all__ = ["voting_classifier", "voting_regressor"]


def voting_classifier(estimator: Any, source: Node, build: Builder) -> Result:
    """VotingClassifier, hard and soft."""
    check_is_fitted(estimator)
    classes = classes_of(estimator, estimator.classes_, build)
    weights = _weights(estimator, build)
    parts = [import_estimator(member, source, build) for member in estimator.estimators_]
    if not all(part.methods for part in parts):
        return Result()
    return (_soft if estimator.voting == "soft" else _hard)(estimator, parts, weights, classes, build)


def _hard(estimator: Any, parts: list[Result], weights: Any, classes: Any, build: Builder) -> Result:
    found = [part.methods.get("predict") for part in parts]
    nodes = [node for node in found if node is not None and _votes(build.ops[node.position], len(classes))]
    if len(nodes) < len(parts):
        build.obstacle(
            estimator, "estimators", f"votes are counted of classifiers whose labels are 0 to {len(classes) - 1}; refit it"
        )
        return Result()
    if weights is not None and not (weights >= 0.0).all():
        build.obstacle(estimator, "weights", "hard votes with negative weights are not supported; drop those members, or refit")
        return Result()
    inputs = tuple(node.position for node in nodes)
    votes = build.add(Votes(inputs=inputs, n_classes=len(classes), weights=weights), len(classes))
    predict = build.add(ArgMax(inputs=(votes.position,), classes=classes), None)
    return Result({"predict": predict, "transform": build.add(Stack(inputs=inputs), len(inputs))}, classes)


def _votes(op: Any, n_classes: int) -> bool:
    """Whether an op gives the numbers of classes."""
    if not isinstance(op, ArgMax | Threshold) or not isinstance(op.classes, np.ndarray) or op.classes.dtype.kind not in "biu":
        return False
    return int(op.classes.min()) >= 0 and int(op.classes.max()) < n_classes


def _soft(estimator: Any, parts: list[Result], weights: Any, classes: Any, build: Builder) -> Result:
    nodes = [part.methods["predict_proba"] for part in parts if "predict_proba" in part.methods]
    if len(nodes) < len(parts) or any(node.width != len(classes) for node in nodes):
        build.obstacle(
            estimator, "voting", "'soft' needs the probabilities of all classes from each member; calibrate it, or vote 'hard'"
        )
        return Result()
    mean = _mean(estimator, nodes, weights, build)
    inputs = tuple(node.position for node in nodes)
    transform = side_by_side(nodes, build) if estimator.flatten_transform else build.add(Layers(inputs=inputs), len(classes))
    predict = build.add(ArgMax(inputs=(mean.position,), classes=classes), None)
    return Result({"predict": predict, "predict_proba": mean, "transform": transform}, classes)


def voting_regressor(estimator: Any, source: Node, build: Builder) -> Result:
    """VotingRegressor: the mean of what its members predict."""
    check_is_fitted(estimator)
    weights = _weights(estimator, build)
    parts = [import_estimator(member, source, build) for member in estimator.estimators_]
    nodes = [node for node in (flat(part, build) for part in parts) if node is not None]
    if len(nodes) < len(parts):
        if all(part.methods for part in parts):
            build.obstacle(estimator, "estimators", "it needs regressors that predict one number a row")
        return Result()
    mean = _mean(estimator, nodes, weights, build)
    predict = build.add(Predictions(inputs=(mean.position,), flat=True), None)
    return Result({"predict": predict, "transform": side_by_side(nodes, build)})


def _weights(estimator: Any, build: Builder) -> Any:
    """Of the members that were not dropped."""
    given = estimator._weights_not_none
    if given is None:
        return None
    weights = np.asarray(given, np.float64)
    if not (np.abs(weights) <= 2.0**1000).all():
        build.obstacle(estimator, "weights", "weights that are NaN, infinite or beyond 2**1000; choose others")
        return None
    return weights


def _mean(estimator: Any, nodes: list[Node], weights: Any, build: Builder) -> Node:
    divisor = float(len(nodes)) if weights is None else float(weights.sum())
    if divisor == 0.0 or not np.isfinite(divisor):
        build.obstacle(estimator, "weights", f"their sum is {divisor}, by which the source divides; choose others")
        divisor = 1.0
    op = WeightedMean(
        inputs=tuple(node.position for node in nodes),
        weights=None if weights is None else tuple(weights.tolist()),
        divisor=divisor,
    )
    return build.add(op, nodes[0].width)
