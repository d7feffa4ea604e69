"""Linear classifiers."""

from __future__ import annotations

from typing import Any

import numpy as np
from sklearn.utils.validation import check_is_fitted

from quantcore.importers.builder import Builder, Node, Result
from quantcore.importers.sklearn.common import classes_of, labels, linear, log_of
from quantcore.plan.ops import MultiLabel, NormalizeRows, Ramp, Sigmoid, Softmax

__all__ = ["expit", "linear_classifier", "logistic_regression", "ridge_classifier", "sgd_classifier"]


def linear_classifier(estimator: Any, source: Node, build: Builder) -> Result:
    """decision_function and predict: LinearSVC, Perceptron, PassiveAggressiveClassifier, and the base of the rest."""
    check_is_fitted(estimator)
    classes = classes_of(estimator, estimator.classes_, build)
    scores = linear(estimator, estimator.coef_, estimator.intercept_, source, build)
    return Result({"decision_function": scores, "predict": labels(scores, classes, build)}, classes)


def logistic_regression(estimator: Any, source: Node, build: Builder) -> Result:
    """LogisticRegression, LogisticRegressionCV.

    Up to scikit-learn 1.7 a parameter says whether two classes go through softmax of (-s, s), and several
    through one-vs-rest; later versions always take the sigmoid for two and softmax for several.
    """
    base = linear_classifier(estimator, source, build)
    scores, n_classes = base.methods["decision_function"], len(base.classes)
    how = getattr(estimator, "multi_class", "auto")
    if how in ("ovr", "warn") or (how in ("auto", "deprecated") and (n_classes <= 2 or estimator.solver == "liblinear")):
        probabilities = _one_vs_rest(expit(scores, build), build)
    else:
        op = Softmax(inputs=(scores.position,), paired="mirror" if scores.width == 1 else "no")
        probabilities = build.add(op, n_classes)
    return _with_probabilities(base, probabilities, build)


def sgd_classifier(estimator: Any, source: Node, build: Builder) -> Result:
    """SGDClassifier: two of its losses give probabilities."""
    base = linear_classifier(estimator, source, build)
    scores = base.methods["decision_function"]
    if estimator.loss == "log_loss":
        probabilities = expit(scores, build)
    elif estimator.loss == "modified_huber":
        probabilities = build.add(Ramp(inputs=(scores.position,), paired=scores.width == 1), _paired_width(scores))
    else:
        return base
    return _with_probabilities(base, _one_vs_rest(probabilities, build), build)


def ridge_classifier(estimator: Any, source: Node, build: Builder) -> Result:
    """RidgeClassifier, RidgeClassifierCV, which may be multi-label."""
    base = linear_classifier(estimator, source, build)
    if not estimator._label_binarizer.y_type_.startswith("multilabel"):
        return base
    scores = base.methods["decision_function"]
    predict = build.add(MultiLabel(inputs=(scores.position,)), scores.width)
    return Result({"decision_function": scores, "predict": predict}, base.classes)


def expit(scores: Node, build: Builder) -> Node:
    """1 / (1 + exp(-s)) per column; one column becomes a pair."""
    width = scores.width or 1
    op = Sigmoid(inputs=(scores.position,), slope=np.full(width, -1.0), offset=np.zeros(width), paired=width == 1)
    return build.add(op, _paired_width(scores))


def _paired_width(scores: Node) -> int | None:
    return 2 if scores.width == 1 else scores.width


def _one_vs_rest(probabilities: Node, build: Builder) -> Node:
    """A pair sums to one; more columns are divided by their sum."""
    if probabilities.width == 2:
        return probabilities
    return build.add(NormalizeRows(inputs=(probabilities.position,), empty="uniform"), probabilities.width)


def _with_probabilities(base: Result, probabilities: Node, build: Builder) -> Result:
    more = {"predict_proba": probabilities, "predict_log_proba": log_of(probabilities, build)}
    return Result({**base.methods, **more}, base.classes)
