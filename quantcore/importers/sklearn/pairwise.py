"""OneVsOneClassifier, OutputCodeClassifier: several classes from classifiers of two."""

from __future__ import annotations

from itertools import chain
from typing import Any

import numpy as np
from sklearn.base import is_classifier, is_regressor
from sklearn.utils.validation import check_is_fitted

from quantcore.importers.builder import Builder, Node, Result
from quantcore.importers.registry import import_estimator
from quantcore.importers.sklearn.common import classes_of
from quantcore.importers.sklearn.members import binary_score
from quantcore.importers.sklearn.multiclass import joined
from quantcore.plan.ops import (
    INPUT,
    ArgMax,
    CodeScores,
    Isotonic,
    MultiLabel,
    PairConfidence,
    Take,
    Threshold,
    Votes,
    WeightedMean,
)

__all__ = ["one_vs_one_classifier", "output_code_classifier"]


def one_vs_one_classifier(estimator: Any, source: Node, build: Builder) -> Result:
    """OneVsOneClassifier: votes, and confidences to tell equal ones apart."""
    check_is_fitted(estimator)
    if estimator.pairwise_indices_ is not None:
        build.obstacle(estimator, "estimator", "a precomputed kernel is not supported; fit it over the rows themselves")
        return Result()
    parts = [import_estimator(member, source, build) for member in estimator.estimators_]
    scores = _scores(estimator, parts, build)
    if scores is None:
        return Result()
    if source.position == INPUT:  # the members never saw the names
        build.read_matrix(estimator, source, estimator.n_features_in_)
    n_classes = len(estimator.classes_)
    columns = np.array([(i, j) for i in range(n_classes) for j in range(i + 1, n_classes)], np.uint32)
    confidence = joined(scores, build)
    inputs = _labels(estimator, parts, scores, confidence, build)
    if inputs is None:
        return Result()
    votes = build.add(Votes(inputs=inputs, n_classes=n_classes, columns=columns), n_classes)
    sums = build.add(PairConfidence(inputs=(confidence.position,)), n_classes)
    # Their sum: a mean over 1.
    decision = build.add(WeightedMean(inputs=(votes.position, sums.position), weights=None, divisor=1.0), n_classes)
    classes = classes_of(estimator, estimator.classes_, build)
    if n_classes > 2:
        predict = build.add(ArgMax(inputs=(decision.position,), classes=classes), None)
        return Result({"predict": predict, "decision_function": decision}, classes)
    second = build.add(Take(inputs=(decision.position,), columns=(1,)), 1)
    first = estimator.estimators_[0]
    at = 0.0 if hasattr(first, "decision_function") and is_classifier(first) else 0.5
    predict = build.add(Threshold(inputs=(second.position,), classes=classes, at=at), None)
    return Result({"predict": predict, "decision_function": second}, classes)


def _labels(estimator: Any, parts: list[Result], scores: list[Node], confidence: Node, build: Builder) -> tuple[int, ...] | None:
    """What gives the labels of the pairs: one op where each follows from its score at one threshold."""
    ops: list[Any] = [build.ops[part.methods["predict"].position] for part in parts]
    if not all(isinstance(op, ArgMax | Threshold) and np.array_equal(op.classes, [0, 1]) for op in ops):
        build.obstacle(estimator, "estimator", "it needs classifiers that predict one of two classes")
        return None
    above = [isinstance(op, Threshold) and op.inputs[0] == s.position for op, s in zip(ops, scores, strict=True)]
    if all(above) and len({op.at for op in ops}) == 1:
        return (build.add(MultiLabel(inputs=(confidence.position,), at=ops[0].at), len(ops)).position,)
    return tuple(part.methods["predict"].position for part in parts)


def output_code_classifier(estimator: Any, source: Node, build: Builder) -> Result:
    """OutputCodeClassifier: the class whose code is nearest to the scores."""
    check_is_fitted(estimator)
    members = [member for member in estimator.estimators_ if type(member).__name__ != "_ConstantPredictor"]
    parts = [import_estimator(member, source, build) for member in members]
    answers = iter(_scores(estimator, parts, build) or ())
    first = next(answers, None)
    if first is None:
        if not members:
            build.obstacle(estimator, "code_size", "its code book tells no classes apart; refit with a larger code_size")
        return Result()
    rest = chain((first,), answers)
    scores = [next(rest) if member in members else _constant(member, first, build) for member in estimator.estimators_]
    codes = np.array(estimator.code_book_, np.float64)
    op = CodeScores(inputs=(joined(scores, build).position,), codes=codes)
    classes = classes_of(estimator, estimator.classes_, build)
    near = build.add(op, len(codes))
    return Result({"predict": build.add(ArgMax(inputs=(near.position,), classes=classes), None)}, classes)


def _constant(member: Any, over: Node, build: Builder) -> Node:
    """All classes have this digit: so many times its value as there are rows, whatever another member's score."""
    value = np.array([member.y_[0]], np.float64)
    return build.add(Isotonic(inputs=(over.position,), knots=np.zeros(1), values=value, ends=(1,)), 1)


def _scores(estimator: Any, parts: list[Result], build: Builder) -> list[Node] | None:
    """One score a member."""
    if not all(part.methods for part in parts):
        return None
    if any(map(is_regressor, estimator.estimators_)):
        build.obstacle(estimator, "estimator", "regressors in place of classifiers are not supported; refit with a classifier")
        return None
    found = [binary_score(part, build) for part in parts]
    known = [node for node in found if node is not None]
    if len(known) < len(found):
        build.obstacle(estimator, "estimator", "it needs classifiers of two classes with decision_function or predict_proba")
        return None
    return known
