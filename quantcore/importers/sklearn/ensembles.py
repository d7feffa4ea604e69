"""Means over trees that see some of the columns each: Bagging*, IsolationForest."""

from __future__ import annotations

from typing import Any

import numpy as np
from sklearn.ensemble._iforest import _average_path_length
from sklearn.utils.validation import check_is_fitted

from quantcore.importers.builder import Builder, Node, Result
from quantcore.importers.sklearn.common import VERSION, allows_nan, classes_of, log_of
from quantcore.importers.sklearn.trees import Forest, import_trees, is_tree, leaf_sum, single_threaded
from quantcore.plan.ops import ArgMax, PathScore, Predictions, Threshold

__all__ = ["bagging_classifier", "bagging_regressor", "isolation_forest"]


def bagging_classifier(estimator: Any, source: Node, build: Builder) -> Result:
    """BaggingClassifier over trees: the mean of their probabilities."""
    forest = _bagging(estimator, source, build)
    if forest is None:
        return Result()
    classes = classes_of(estimator, estimator.classes_, build)
    parts = []
    for tree in estimator.estimators_:
        # A tree numbers the classes that its own sample held.
        part = np.zeros((tree.tree_.node_count, len(classes)))
        part[:, tree.classes_.astype(np.intp)] = tree.tree_.value[:, 0, : len(tree.classes_)]
        parts.append(part)
    n_trees = len(estimator.estimators_)
    scores = leaf_sum(
        forest,
        np.concatenate(parts)[forest.at],
        build,
        base=np.zeros(len(classes)),
        divisor=float(n_trees),
        ordered=single_threaded(estimator),
    )
    predict = build.add(ArgMax(inputs=(scores.position,), classes=classes), None)
    return Result({"predict": predict, "predict_proba": scores, "predict_log_proba": log_of(scores, build)}, classes)


def bagging_regressor(estimator: Any, source: Node, build: Builder) -> Result:
    """BaggingRegressor over trees: the mean of their predictions."""
    forest = _bagging(estimator, source, build)
    if forest is None:
        return Result()
    values = np.concatenate([tree.tree_.value[:, :, 0] for tree in estimator.estimators_])[forest.at]
    scores = leaf_sum(
        forest,
        values,
        build,
        base=np.zeros(values.shape[1]),
        divisor=float(len(estimator.estimators_)),
        ordered=single_threaded(estimator),
    )
    return Result({"predict": build.add(Predictions(inputs=(scores.position,), flat=values.shape[1] == 1), None)})


def _bagging(estimator: Any, source: Node, build: Builder) -> Forest | None:
    check_is_fitted(estimator)
    trees = estimator.estimators_
    if not all(map(is_tree, trees)):
        build.obstacle(estimator, "estimator", "bagging is supported over trees; refit with a DecisionTree, or without bagging")
        return None
    features = estimator.estimators_features_
    return import_trees(
        estimator, [t.tree_ for t in trees], source, build, features=features, allow_nan=all(map(allows_nan, trees))
    )


def isolation_forest(estimator: Any, source: Node, build: Builder) -> Result:
    """IsolationForest: how short the paths are on which a row ends alone."""
    check_is_fitted(estimator)
    trees = [tree.tree_ for tree in estimator.estimators_]
    features = None if estimator._max_features == estimator.n_features_in_ else estimator.estimators_features_
    lenient = VERSION >= (1, 6)  # before, it checked its rows
    forest = import_trees(estimator, trees, source, build, features=features, allow_nan=lenient, allow_infinity=lenient)
    lengths, averages = (
        np.concatenate(parts)[forest.at] for parts in (estimator._decision_path_lengths, estimator._average_path_length_per_tree)
    )
    depths = leaf_sum(forest, (lengths + averages - 1.0)[:, None], build, base=np.zeros(1))
    denominator = float(len(trees) * _average_path_length([estimator._max_samples])[0])
    scores, decision = (
        build.add(PathScore(inputs=(depths.position,), denominator=denominator, offset=offset), 1)
        for offset in (0.0, float(estimator.offset_))
    )
    at = float(np.nextafter(0.0, -1.0))  # an outlier is what has a decision below 0
    predict = build.add(Threshold(inputs=(decision.position,), classes=np.array([-1, 1]), at=at), None)
    return Result({"predict": predict, "decision_function": decision, "score_samples": scores})
