"""Classifiers that decide at a threshold of their own: FixedThresholdClassifier, TunedThresholdClassifierCV."""

from __future__ import annotations

from typing import Any

import numpy as np
from sklearn.utils.validation import check_is_fitted

from quantcore.importers.builder import Builder, Node, Result
from quantcore.importers.registry import import_estimator
from quantcore.importers.sklearn.common import classes_of
from quantcore.importers.sklearn.multiclass import positive
from quantcore.plan.ops import Take, Threshold

__all__ = ["fixed_threshold_classifier", "tuned_threshold_classifier"]


def fixed_threshold_classifier(estimator: Any, source: Node, build: Builder) -> Result:
    """FixedThresholdClassifier."""
    inner = getattr(estimator, "estimator_", estimator.estimator)
    at = None if estimator.threshold == "auto" else float(estimator.threshold)
    return _decided(estimator, inner, at, estimator.pos_label, source, build)


def tuned_threshold_classifier(estimator: Any, source: Node, build: Builder) -> Result:
    """TunedThresholdClassifierCV: at the threshold that it found."""
    check_is_fitted(estimator)
    at, pos_label = float(estimator.best_threshold_), estimator._curve_scorer._get_pos_label()
    return _decided(estimator, estimator.estimator_, at, pos_label, source, build)


def _decided(estimator: Any, inner: Any, at: float | None, pos_label: Any, source: Node, build: Builder) -> Result:
    base = import_estimator(inner, source, build)
    wanted = ("predict_proba", "decision_function") if estimator.response_method == "auto" else (estimator.response_method,)
    method = next((name for name in wanted if name in base.methods), None)
    if method is None:
        build.obstacle(estimator, "estimator", f"it offers none of {', '.join(wanted)}; wrap a classifier that does")
        return base
    values = estimator.classes_
    positive_at = 1 if pos_label is None else int(np.flatnonzero(values == pos_label)[0])
    at = (0.5 if method == "predict_proba" else 0.0) if at is None else at
    if not np.isfinite(at):
        build.obstacle(estimator, "threshold", f"expected a finite number, got {at}; choose another and refit")
        at = 0.0
    scores = base.methods[method]
    if method == "predict_proba":
        column = Take(inputs=(scores.position,), columns=(0,))
        scores = positive(scores, build) if positive_at else build.add(column, 1)
    answers = classes_of(estimator, values[[1 - positive_at, positive_at]], build)
    # The source decides by "score >= at": that is "score > the number just below".
    below = float(np.nextafter(at, -np.inf))
    if method == "decision_function" and not positive_at:
        # Of the first class it turns the score's sign: "-score >= at" is "not score > -at".
        answers, below = answers[::-1], -at
    predict = build.add(Threshold(inputs=(scores.position,), classes=answers, at=below), None)
    return Result({**base.methods, "predict": predict}, classes_of(estimator, values, build))
