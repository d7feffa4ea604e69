"""CalibratedClassifierCV: probabilities from another classifier's scores."""

from __future__ import annotations

from typing import Any

import numpy as np
from sklearn.utils.validation import check_is_fitted

from quantcore.importers.builder import Builder, Node, Result
from quantcore.importers.registry import import_estimator
from quantcore.importers.sklearn.common import classes_of
from quantcore.plan.ops import ArgMax, Average, Isotonic, Log, NormalizeRows, Op, Sigmoid, Softmax, Take

__all__ = ["calibrated_classifier"]

# What scikit-learn adds to probabilities before it takes their logarithm.
_FLOOR = 1e-12


def calibrated_classifier(estimator: Any, source: Node, build: Builder) -> Result:
    """CalibratedClassifierCV: the mean over its folds."""
    check_is_fitted(estimator)
    classes = classes_of(estimator, estimator.classes_, build)
    folds = [_fold(estimator, fold, source, build) for fold in estimator.calibrated_classifiers_]
    known = [node for node in folds if node is not None]
    if len(known) < len(folds):
        return Result()
    probabilities = known[0]
    if len(known) > 1:
        probabilities = build.add(Average(inputs=tuple(node.position for node in known)), len(classes))
    predict = build.add(ArgMax(inputs=(probabilities.position,), classes=classes), None)
    return Result({"predict": predict, "predict_proba": probabilities}, classes)


def _fold(estimator: Any, fold: Any, source: Node, build: Builder) -> Node | None:
    base = import_estimator(fold.estimator, source, build).methods
    if not base:
        return None
    n_classes = len(fold.classes)
    if len(fold.estimator.classes_) != n_classes:
        build.obstacle(estimator, "cv", "a fold was fitted without one of the classes; refit with stratified folds")
        return None
    scores = base.get("decision_function") or base.get("predict_proba")
    if scores is None:
        build.obstacle(estimator, "estimator", "it has neither decision_function nor predict_proba; calibrate one that has")
        return None
    if fold.method == "temperature":
        return _temperature(fold.calibrators[0], scores, "decision_function" in base, n_classes, build)
    if n_classes == 2 and scores.width == 2:
        scores = build.add(Take(inputs=(scores.position,), columns=(1,)), 1)
    op: Op = (_sigmoid if fold.method == "sigmoid" else _isotonic)(fold.calibrators, scores, paired=n_classes == 2)
    calibrated = build.add(op, n_classes)
    if n_classes == 2:
        return calibrated
    return build.add(NormalizeRows(inputs=(calibrated.position,), empty="uniform"), n_classes)


def _temperature(calibrator: Any, scores: Node, are_scores: bool, n_classes: int, build: Builder) -> Node:
    """Softmax of scaled logits: scores as they are, probabilities by their logarithm.

    scikit-learn looks at the values of the whole batch to tell which they are; here it is what the method says.
    """
    if not are_scores:
        scores = build.add(Log(inputs=(scores.position,), floor=_FLOOR), scores.width)
    op = Softmax(inputs=(scores.position,), paired="mirror" if scores.width == 1 else "no", scale=float(calibrator.beta_))
    return build.add(op, n_classes)


def _sigmoid(calibrators: Any, scores: Node, paired: bool) -> Sigmoid:
    slope = np.array([c.a_ for c in calibrators], np.float64)
    offset = np.array([c.b_ for c in calibrators], np.float64)
    return Sigmoid(inputs=(scores.position,), slope=slope, offset=offset, paired=paired)


def _isotonic(calibrators: Any, scores: Node, paired: bool) -> Isotonic:
    knots = [np.asarray(c.X_thresholds_, np.float64) for c in calibrators]
    values = [np.asarray(c.y_thresholds_, np.float64) for c in calibrators]
    return Isotonic(
        inputs=(scores.position,),
        knots=np.concatenate(knots),
        values=np.concatenate(values),
        ends=tuple(np.cumsum([len(k) for k in knots]).tolist()),
        paired=paired,
    )
