"""Estimators that only chain or wrap others: Pipeline, searches, FrozenEstimator, SelfTrainingClassifier."""

from __future__ import annotations

from typing import Any

from sklearn.utils.validation import check_is_fitted

from quantcore.importers.builder import Builder, Node, Result
from quantcore.importers.registry import import_estimator
from quantcore.plan.ops import INPUT

__all__ = ["frozen_estimator", "pipeline", "search", "self_training_classifier"]


def pipeline(estimator: Any, source: Node, build: Builder) -> Result:
    """Pipeline: each step reads what the one before it gives."""
    result = Result()
    for name, step in estimator.steps:
        if step is None or step == "passthrough":
            continue
        if result.methods:
            if "transform" not in result.methods:
                build.obstacle(estimator, name, "the step before it does not transform; let it be the last one")
                return result
            source = result.methods["transform"]
        before = len(build.obstacles)
        result = import_estimator(step, source, build)
        if len(build.obstacles) > before and not result.methods:
            # Unknown, but the next steps may have obstacles of their own: go on from a result of unknown width.
            result = Result({"transform": Node(len(build.ops))})
    return result


def search(estimator: Any, source: Node, build: Builder) -> Result:
    """GridSearchCV, RandomizedSearchCV and the halving ones: the estimator that they refitted."""
    if not estimator.refit:
        build.obstacle(estimator, "refit", "refit=False keeps no model; search with refit=True, or convert the one you fitted")
        return Result()
    check_is_fitted(estimator)
    return import_estimator(estimator.best_estimator_, source, build)


def frozen_estimator(estimator: Any, source: Node, build: Builder) -> Result:
    """FrozenEstimator: what it wraps."""
    return import_estimator(estimator.estimator, source, build)


def self_training_classifier(estimator: Any, source: Node, build: Builder) -> Result:
    """SelfTrainingClassifier: the classifier that it fitted last."""
    check_is_fitted(estimator)
    # Before scikit-learn 1.6 its name was base_estimator_.
    inner = estimator.estimator_ if hasattr(estimator, "estimator_") else estimator.base_estimator_
    found = import_estimator(inner, source, build)
    offered = ("predict", "predict_proba", "predict_log_proba", "decision_function")
    methods = {name: node for name, node in found.methods.items() if name in offered and hasattr(estimator, name)}
    if source.position == INPUT and build.input == "matrix":  # the classifier never saw the names
        build.read_matrix(estimator, source, estimator.n_features_in_)
    return Result(methods, found.classes)
