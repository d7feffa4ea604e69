"""GradientBoosting* and AdaBoost* over trees."""

from __future__ import annotations

from typing import Any

import numpy as np
from sklearn.utils.validation import check_is_fitted

from quantcore.importers.builder import Builder, Node, Result
from quantcore.importers.forests import pooled
from quantcore.importers.sklearn.common import classes_of, labels, log_of
from quantcore.importers.sklearn.trees import Forest, import_trees, is_tree, leaf_sum
from quantcore.plan.ops import Difference, LeafMedian, LeafNumbers, Predictions, Sigmoid, Softmax, Threshold

__all__ = ["ada_boost_classifier", "ada_boost_regressor", "gradient_boosting_classifier", "gradient_boosting_regressor"]

# The source decides by "score >= 0": that is "score > the number just below".
_BELOW_ZERO = float(np.nextafter(0.0, -1.0))


def gradient_boosting_classifier(estimator: Any, source: Node, build: Builder) -> Result:
    """GradientBoostingClassifier."""
    forest, scores = _gradient_boosting(estimator, source, build)
    if scores is None:
        return Result()
    classes = classes_of(estimator, estimator.classes_, build)
    methods = {"decision_function": scores, "apply": _apply(estimator, forest, True, build)}
    if scores.width == 1:
        methods["predict"] = build.add(Threshold(inputs=(scores.position,), classes=classes, at=_BELOW_ZERO), None)
        slope = -2.0 if estimator.loss == "exponential" else -1.0
        op = Sigmoid(inputs=(scores.position,), slope=np.array([slope]), offset=np.zeros(1), paired=True)
        methods["predict_proba"] = build.add(op, 2)
    else:
        methods["predict"] = labels(scores, classes, build)
        methods["predict_proba"] = build.add(Softmax(inputs=(scores.position,)), scores.width)
    methods["predict_log_proba"] = log_of(methods["predict_proba"], build)
    return Result(methods, classes)


def gradient_boosting_regressor(estimator: Any, source: Node, build: Builder) -> Result:
    """GradientBoostingRegressor."""
    forest, scores = _gradient_boosting(estimator, source, build)
    if scores is None:
        return Result()
    predict = build.add(Predictions(inputs=(scores.position,), flat=True), None)
    return Result({"predict": predict, "apply": _apply(estimator, forest, False, build)})


def _gradient_boosting(estimator: Any, source: Node, build: Builder) -> tuple[Forest, Node | None]:
    check_is_fitted(estimator)
    trees = [tree.tree_ for tree in estimator.estimators_.ravel()]
    forest = import_trees(estimator, trees, source, build)
    init = estimator.init_
    constant = isinstance(init, str) or (
        type(init).__name__ in ("DummyClassifier", "DummyRegressor") and init.strategy not in ("stratified", "uniform")
    )
    if not constant:
        build.obstacle(estimator, "init", f"{type(init).__name__} as a start is not supported; refit with init=None or 'zero'")
        return forest, None
    base = estimator._raw_predict_init(np.zeros((1, estimator.n_features_in_), np.float32))[0]
    values = estimator.learning_rate * np.concatenate([tree.value[:, 0, 0] for tree in trees])[forest.at]
    output = np.arange(len(trees), dtype=np.uint32) % np.uint32(len(base))
    return forest, leaf_sum(
        forest, values[:, None], build, base=base.astype(np.float64), output=output if len(base) > 1 else None
    )


def _apply(estimator: Any, forest: Forest, is_classifier: bool, build: Builder) -> Node:
    shape = tuple(estimator.estimators_.shape) if is_classifier else (len(estimator.estimators_),)
    op = LeafNumbers(inputs=(forest.leaves.position,), numbers=forest.numbers, shape=shape, dtype="float64")
    return build.add(op, forest.n_trees)


def ada_boost_classifier(estimator: Any, source: Node, build: Builder) -> Result:
    """AdaBoostClassifier (SAMME): each tree votes for its class, against all others."""
    forest = _ada_boost(estimator, source, build)
    if getattr(estimator, "algorithm", "SAMME") == "SAMME.R":
        build.obstacle(estimator, "algorithm", "'SAMME.R' is not supported (scikit-learn 1.6 dropped it); refit with 'SAMME'")
    n_classes = int(estimator.n_classes_)
    if n_classes < 2:
        build.obstacle(estimator, "", "it was fitted on one class alone; use the constant")
    if forest is None or build.obstacles:
        return Result()
    classes = classes_of(estimator, estimator.classes_, build)
    weights = np.asarray(estimator.estimator_weights_, np.float64)
    voted = [
        np.searchsorted(estimator.classes_, e.classes_.take(e.tree_.value[:, 0].argmax(axis=1))) for e in estimator.estimators_
    ]
    own = weights[forest.tree]
    values = np.repeat((-1 / (n_classes - 1) * own)[:, None], n_classes, axis=1)
    values[np.arange(len(values)), np.concatenate(voted)[forest.at]] = own
    scores = leaf_sum(forest, values, build, base=np.zeros(n_classes), divisor=float(weights.sum()))
    scale = 1.0 / (n_classes - 1)
    if n_classes == 2:
        scores, scale = build.add(Difference(inputs=(scores.position,)), 1), 0.5
    op = Softmax(inputs=(scores.position,), paired="mirror" if n_classes == 2 else "no", scale=scale)
    probabilities = build.add(op, n_classes)
    methods = {
        "predict": labels(scores, classes, build),
        "predict_proba": probabilities,
        "predict_log_proba": log_of(probabilities, build),
        "decision_function": scores,
    }
    return Result(methods, classes)


def ada_boost_regressor(estimator: Any, source: Node, build: Builder) -> Result:
    """AdaBoostRegressor: the weighted median of its trees."""
    forest = _ada_boost(estimator, source, build)
    if forest is None:
        return Result()
    found = np.concatenate([e.tree_.value[:, 0, 0] for e in estimator.estimators_])[forest.at]
    values, index = pooled(found[:, None])
    weights = np.asarray(estimator.estimator_weights_[: forest.n_trees], np.float64)
    op = LeafMedian(inputs=(forest.leaves.position,), values=values[:, 0], index=index, weights=weights)
    scores = build.add(op, 1)
    return Result({"predict": build.add(Predictions(inputs=(scores.position,), flat=True), None)})


def _ada_boost(estimator: Any, source: Node, build: Builder) -> Forest | None:
    check_is_fitted(estimator)
    if not all(map(is_tree, estimator.estimators_)):
        build.obstacle(estimator, "estimator", "only trees can be boosted here; refit with a DecisionTree")
        return None
    return import_trees(estimator, [e.tree_ for e in estimator.estimators_], source, build)
