"""Naive Bayes: over counts joint log likelihoods are linear scores, over Gaussian features quadratic ones."""

from __future__ import annotations

from typing import Any

import numpy as np
from sklearn.utils.validation import check_is_fitted

from quantcore.importers.builder import Builder, Node, Result
from quantcore.importers.sklearn.common import classes_of, labels, linear
from quantcore.plan.ops import Binarize, LogSoftmax, Quadratic, Softmax

__all__ = ["bernoulli_nb", "complement_nb", "gaussian_nb", "multinomial_nb"]


def multinomial_nb(estimator: Any, source: Node, build: Builder) -> Result:
    """MultinomialNB."""
    check_is_fitted(estimator)
    return _discrete(estimator, estimator.feature_log_prob_, estimator.class_log_prior_, source, build)


def complement_nb(estimator: Any, source: Node, build: Builder) -> Result:
    """ComplementNB: the prior counts only where there is one class."""
    check_is_fitted(estimator)
    prior = estimator.class_log_prior_ if len(estimator.classes_) == 1 else 0.0
    return _discrete(estimator, estimator.feature_log_prob_, prior, source, build)


def bernoulli_nb(estimator: Any, source: Node, build: Builder) -> Result:
    """BernoulliNB: absent features speak too; their sum is a constant, so the scores stay linear."""
    check_is_fitted(estimator)
    present = estimator.feature_log_prob_
    with np.errstate(divide="ignore", invalid="ignore"):
        absent = np.log(1 - np.exp(present))
        coef = present - absent
    prior = estimator.class_log_prior_ + absent.sum(axis=1)
    source = build.read_matrix(estimator, source, present.shape[1])
    if estimator.binarize is not None:
        op = Binarize(inputs=(source.position,), threshold=float(estimator.binarize))
        source = build.add(op, source.width, np.dtype(np.float64))
    return _discrete(estimator, coef, prior, source, build)


def gaussian_nb(estimator: Any, source: Node, build: Builder) -> Result:
    """GaussianNB."""
    check_is_fitted(estimator)
    center, variance = (np.array(a, np.float64) for a in (estimator.theta_, estimator.var_))
    source = build.read_matrix(estimator, source, center.shape[1])
    with np.errstate(divide="ignore"):
        prior = np.log(np.array(estimator.class_prior_, np.float64))
        offset = np.array([-0.5 * np.sum(np.log(2.0 * np.pi * v)) for v in variance])
    if not (np.isfinite(prior).all() and np.isfinite(offset).all()):
        build.obstacle(estimator, "", "a class has a prior or a variance of 0; refit with var_smoothing > 0 and priors > 0")
    single = estimator.theta_.dtype == np.float32 and source.dtype in (None, np.dtype(np.float32))
    op = Quadratic(
        inputs=(source.position,),
        center=center,
        variance=variance,
        prior=prior,
        offset=offset,
        dtype="float32" if single else "float64",
    )
    return _offered(estimator, build.add(op, len(prior)), build)


def _discrete(estimator: Any, coef: Any, prior: Any, source: Node, build: Builder) -> Result:
    return _offered(estimator, linear(estimator, coef, prior, source, build), build)


def _offered(estimator: Any, scores: Node, build: Builder) -> Result:
    classes = classes_of(estimator, estimator.classes_, build)
    methods = {
        "predict": labels(scores, classes, build),
        "predict_proba": build.add(Softmax(inputs=(scores.position,)), scores.width),
        "predict_log_proba": build.add(LogSoftmax(inputs=(scores.position,)), scores.width),
    }
    return Result(methods, classes)
