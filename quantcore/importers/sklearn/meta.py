"""Estimators that only chain, join or wrap others: Pipeline, FeatureUnion, searches, FrozenEstimator, SelfTrainingClassifier."""

from __future__ import annotations

from typing import Any

import numpy as np
from sklearn.utils.validation import check_is_fitted

from quantcore.importers.builder import Builder, Node, Result
from quantcore.importers.registry import import_estimator
from quantcore.plan.ops import INPUT, Concat

__all__ = ["feature_union", "frozen_estimator", "pipeline", "search", "self_training_classifier"]


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


def feature_union(estimator: Any, source: Node, build: Builder) -> Result:
    """FeatureUnion: matrices side by side."""
    weights = estimator.transformer_weights or {}
    parts: list[tuple[Node, float | None]] = []
    for name, transformer in estimator.transformer_list:
        if transformer == "drop":
            continue
        if transformer == "passthrough" or type(transformer).__name__ == "FunctionTransformer":
            build.obstacle(estimator, name, "a branch that passes its input through can't be stored; use a vectorizer, or 'drop'")
            continue
        part = import_estimator(transformer, source, build).methods.get("transform")
        if part is not None:
            parts.append((part, weights.get(name)))
    if not parts:
        build.obstacle(estimator, "transformer_list", "no branch is left; keep at least one transformer")
        return Result()
    op = Concat(inputs=tuple(part.position for part, _ in parts), weights=tuple(1.0 if w is None else float(w) for _, w in parts))
    # The dtype that the source's own multiplication and stacking give.
    kinds = [np.zeros(1, part.dtype) if w is None else np.zeros(1, part.dtype) * w for part, w in parts]
    width = sum(part.width or 0 for part, _ in parts)
    return Result({"transform": build.add(op, width, np.result_type(*kinds))})


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
