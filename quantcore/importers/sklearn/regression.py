"""Regressors whose prediction is linear, or the inverse of a link of that."""

from __future__ import annotations

from typing import Any

import numpy as np
from sklearn.utils.validation import check_is_fitted

from quantcore.importers.builder import Builder, Node, Result
from quantcore.importers.registry import import_estimator
from quantcore.importers.sklearn.common import VERSION, linear, project
from quantcore.importers.sklearn.multiclass import joined
from quantcore.plan.ops import Affine, Exp, Predictions

__all__ = [
    "generalized_linear_regressor",
    "linear_regressor",
    "multi_output_regressor",
    "pls",
    "ransac_regressor",
    "sgd_regressor",
]


def linear_regressor(estimator: Any, source: Node, build: Builder) -> Result:
    """``X @ coef_.T + intercept_``; one-dimensional if the coefficients are."""
    check_is_fitted(estimator)
    scores = linear(estimator, estimator.coef_, estimator.intercept_, source, build)
    return _predicting(scores, np.ndim(estimator.coef_) == 1, build)


def sgd_regressor(estimator: Any, source: Node, build: Builder) -> Result:
    """SGDRegressor, PassiveAggressiveRegressor: one-dimensional, also with coefficients in a sparse matrix."""
    check_is_fitted(estimator)
    return _predicting(linear(estimator, estimator.coef_, estimator.intercept_, source, build), True, build)


def generalized_linear_regressor(estimator: Any, source: Node, build: Builder) -> Result:
    """PoissonRegressor, GammaRegressor, TweedieRegressor."""
    check_is_fitted(estimator)
    scores = linear(estimator, estimator.coef_, estimator.intercept_, source, build)
    link = type(estimator._base_loss.link).__name__
    if link == "LogLink":
        scores = build.add(Exp(inputs=(scores.position,)), scores.width)
    elif link != "IdentityLink":
        build.obstacle(estimator, "link", f"{link} is not supported; refit with link='log' or 'identity'")
    return _predicting(scores, True, build)


def ransac_regressor(estimator: Any, source: Node, build: Builder) -> Result:
    """RANSACRegressor: the regressor that it kept."""
    check_is_fitted(estimator)
    found = import_estimator(estimator.estimator_, source, build).methods
    return Result({name: node for name, node in found.items() if name == "predict"})


def pls(estimator: Any, source: Node, build: Builder) -> Result:
    """PLSRegression, PLSCanonical, CCA: rows are centred, and for transform scaled, before the product."""
    check_is_fitted(estimator)
    mean, std = (np.array(c, np.float64) for c in (estimator._x_mean, estimator._x_std))
    source = build.read_matrix(estimator, source, len(mean))
    nodes = []
    for scale in (None, std):
        op = Affine(inputs=(source.position,), shift=mean, scale=scale, sparse="refuse")
        nodes.append(build.add(op, len(mean), source.dtype))
    scores = linear(estimator, estimator.coef_, estimator.intercept_, nodes[VERSION < (1, 5)], build)  # then of scaled rows too
    predicting = _predicting(scores, bool(estimator._predict_1d), build)
    return Result({**predicting.methods, "transform": project(estimator, estimator.x_rotations_, nodes[1], build)})


def multi_output_regressor(estimator: Any, source: Node, build: Builder) -> Result:
    """MultiOutputRegressor: one regressor a column."""
    check_is_fitted(estimator)
    columns = []
    for part in estimator.estimators_:
        predict = import_estimator(part, source, build).methods.get("predict")
        op = None if predict is None else build.ops[predict.position]
        if isinstance(op, Predictions) and op.flat:
            columns.append(Node(op.inputs[0], 1))
    if len(columns) < len(estimator.estimators_):
        build.obstacle(estimator, "estimator", "it needs regressors that predict one number a row")
        return Result()
    return _predicting(joined(columns, build), False, build)


def _predicting(scores: Node, flat: bool, build: Builder) -> Result:
    return Result({"predict": build.add(Predictions(inputs=(scores.position,), flat=flat), None)})
