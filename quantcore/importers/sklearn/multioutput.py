"""MultiOutputClassifier: one classifier a column of labels."""

from __future__ import annotations

from typing import Any

from sklearn.utils.validation import check_is_fitted

from quantcore.importers.builder import Builder, Node, Result
from quantcore.importers.registry import import_estimator
from quantcore.importers.sklearn.common import classes_of
from quantcore.plan.ops import ArgMax, Several, Stack, Threshold

__all__ = ["multi_output_classifier"]


def multi_output_classifier(estimator: Any, source: Node, build: Builder) -> Result:
    """MultiOutputClassifier: labels side by side, probabilities as a list."""
    check_is_fitted(estimator)
    parts = [import_estimator(part, source, build).methods for part in estimator.estimators_]
    if not all(isinstance(build.ops[p["predict"].position], ArgMax | Threshold) if "predict" in p else False for p in parts):
        build.obstacle(estimator, "estimator", "it needs classifiers that give one label a row")
        return Result()
    stack = Stack(inputs=tuple(part["predict"].position for part in parts))
    methods = {"predict": build.add(stack, len(parts))}
    if all("predict_proba" in part for part in parts):
        several = Several(inputs=tuple(part["predict_proba"].position for part in parts))
        methods["predict_proba"] = build.add(several, len(parts))
    return Result(methods, [classes_of(estimator, classes, build) for classes in estimator.classes_])
