"""ClassifierChain, RegressorChain: each model also reads what those before it answered."""

from __future__ import annotations

from typing import Any

import numpy as np
from sklearn.utils.validation import check_is_fitted

from quantcore.importers.builder import Builder, Node, Result
from quantcore.importers.registry import import_estimator
from quantcore.importers.sklearn.common import classes_of, log_of
from quantcore.importers.sklearn.members import binary_score, flat, predicted, relabelled_as_numbers, side_by_side
from quantcore.importers.sklearn.multiclass import positive
from quantcore.plan.ops import Augment, Predictions, Stack

__all__ = ["classifier_chain", "regressor_chain"]

_FLOAT64 = np.dtype(np.float64)


def classifier_chain(estimator: Any, source: Node, build: Builder) -> Result:
    """ClassifierChain."""
    check_is_fitted(estimator)
    # Before scikit-learn 1.5 it was always this one.
    method = getattr(estimator, "chain_method_", "predict")
    parts = _chained(estimator, method, source, build)
    if not parts:
        return Result()
    classes = [classes_of(estimator, c, build) for c in estimator.classes_]
    order = _order(estimator)
    labels = [relabelled_as_numbers(parts[i].methods["predict"], build) for i in order]
    known = [node for node in labels if node is not None]
    if len(known) < len(labels):
        build.obstacle(estimator, "estimator", "it needs classifiers that give one label a row, a number")
        return Result()
    methods = {"predict": build.add(Stack(inputs=tuple(node.position for node in known)), len(known))}
    for name in ("predict_proba", "decision_function"):
        columns = [_answer(part, name, build) for part in parts]
        if hasattr(estimator, name) and all(node is not None for node in columns):
            methods[name] = side_by_side([columns[i] for i in order], build)  # type: ignore[misc]
    if "predict_proba" in methods:
        methods["predict_log_proba"] = log_of(methods["predict_proba"], build)
    if len(parts) == 1 and "decision_function" in methods:
        build.obstacle(estimator, "", "a chain of one model has nothing to pass on; convert its estimators_[0]")
    return Result(methods, [classes[i] for i in range(len(classes))])


def regressor_chain(estimator: Any, source: Node, build: Builder) -> Result:
    """RegressorChain."""
    check_is_fitted(estimator)
    parts = _chained(estimator, "predict", source, build)
    if not parts:
        return Result()
    columns = [flat(parts[i], build) for i in _order(estimator)]
    known = [node for node in columns if node is not None]
    if len(known) < len(columns):
        build.obstacle(estimator, "estimator", "it needs regressors that predict one number a row")
        return Result()
    scores = side_by_side(known, build)
    return Result({"predict": build.add(Predictions(inputs=(scores.position,), flat=False), None)})


def _order(estimator: Any) -> list[int]:
    """Which model answers each output."""
    return np.argsort(np.asarray(estimator.order_, np.int64), kind="stable").tolist()  # type: ignore[no-any-return]


def _chained(estimator: Any, method: str, source: Node, build: Builder) -> list[Result]:
    """What each model offers, in the order of the chain; nothing where one has an obstacle."""
    width = estimator.n_features_in_
    source = build.read_matrix(estimator, source, width)
    parts: list[Result] = []
    features: list[Node] = []
    for member in estimator.estimators_:
        op = Augment(inputs=(source.position, *(node.position for node in features)), front=False)
        part = import_estimator(member, build.add(op, width + len(features), _FLOAT64), build)
        feature = predicted(estimator, "estimator", part, build) if method == "predict" else _answer(part, method, build)
        if feature is None or feature.width != 1:
            if part.methods and method != "predict":
                build.obstacle(estimator, "chain_method", f"{method} of a model is not one number a row; refit with 'predict'")
            elif feature is not None:
                build.obstacle(estimator, "estimator", "it needs models that predict one number a row")
            return []
        parts.append(part)
        features.append(feature)
    return parts


def _answer(part: Result, method: str, build: Builder) -> Node | None:
    """One column: of probabilities the second class's."""
    node = part.methods.get(method)
    if node is None:
        return None
    if method == "decision_function":
        return binary_score(Result({method: node}), build)
    return positive(node, build) if node.width == 2 else None
