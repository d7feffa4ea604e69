"""Discriminant analysis, linear and quadratic."""

from __future__ import annotations

from typing import Any

import numpy as np
from sklearn.utils.validation import check_is_fitted

from quantcore.importers.builder import Builder, Node, Result
from quantcore.importers.sklearn.common import classes_of, labels, project
from quantcore.importers.sklearn.linear import expit, linear_classifier
from quantcore.plan.ops import Concat, Difference, Log, LogSoftmax, Quadratic, Softmax

__all__ = ["linear_discriminant_analysis", "quadratic_discriminant_analysis"]


def linear_discriminant_analysis(estimator: Any, source: Node, build: Builder) -> Result:
    """LinearDiscriminantAnalysis; solver "lsqr" has no transform."""
    base = linear_classifier(estimator, source, build)
    scores = base.methods["decision_function"]
    binary = len(base.classes) == 2
    probabilities = expit(scores, build) if binary else build.add(Softmax(inputs=(scores.position,)), scores.width)
    # scikit-learn puts the smallest normal number in place of 0: added, it changes nothing else that can be seen.
    floor = float(np.finfo(estimator.coef_.dtype).smallest_normal)
    methods = {
        **base.methods,
        "predict_proba": probabilities,
        "predict_log_proba": build.add(Log(inputs=(probabilities.position,), floor=floor), probabilities.width),
    }
    if estimator.solver != "lsqr":
        weight = estimator.scalings_[:, : estimator._max_components]
        shift = estimator.xbar_ if estimator.solver == "svd" else None
        methods["transform"] = project(estimator, weight, source, build, shift=shift, dense=True)
    return Result(methods, base.classes)


def quadratic_discriminant_analysis(estimator: Any, source: Node, build: Builder) -> Result:
    """QuadraticDiscriminantAnalysis: for each class a rotation that makes its covariance the identity."""
    check_is_fitted(estimator)
    classes = classes_of(estimator, estimator.classes_, build)
    columns = []
    with np.errstate(divide="ignore"):
        parts = zip(estimator.rotations_, estimator.scalings_, estimator.means_, np.log(estimator.priors_), strict=True)
        for rotation, variance, mean, prior in parts:
            rotated = project(estimator, rotation, source, build, shift=mean, dense=True)
            columns.append(_gaussian(estimator, rotated, variance, prior, build))
    joined = Concat(inputs=tuple(node.position for node in columns), weights=(1.0,) * len(columns))
    scores = build.add(joined, len(columns))
    decision = build.add(Difference(inputs=(scores.position,)), 1) if len(classes) == 2 else scores
    methods = {
        "decision_function": decision,
        "predict": labels(scores, classes, build),
        "predict_proba": build.add(Softmax(inputs=(scores.position,)), scores.width),
        "predict_log_proba": build.add(LogSoftmax(inputs=(scores.position,)), scores.width),
    }
    return Result(methods, classes)


def _gaussian(estimator: Any, source: Node, variance: Any, prior: float, build: Builder) -> Node:
    offset = -0.5 * np.sum(np.log(variance))
    if not np.isfinite([prior, offset]).all():
        build.obstacle(estimator, "", "a class has no prior or a singular covariance; refit with priors > 0 and reg_param > 0")
    op = Quadratic(
        inputs=(source.position,),
        center=np.zeros((1, len(variance))),
        variance=np.array(variance, np.float64)[None, :],
        prior=np.full(1, prior),
        offset=np.full(1, offset),
    )
    return build.add(op, 1)
