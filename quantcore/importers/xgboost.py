"""XGBoost's boosters and scikit-learn classes, and its model files."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from quantcore.importers.builder import Builder, Node, Result
from quantcore.importers.categories import coded
from quantcore.importers.forests import pooled, trees_op
from quantcore.importers.logistic import half
from quantcore.importers.malformed import Malformed
from quantcore.importers.xgboost_model import XgboostModel, parse, read_document
from quantcore.plan import INPUT
from quantcore.plan.ops import (
    ArgMax,
    Exp,
    Float32,
    LeafNumbers,
    LeafSum,
    MultiLabel,
    Op,
    Predictions,
    Sigmoid,
    Softmax,
    Threshold,
)

__all__ = ["booster", "classifier", "from_file", "regressor"]

_SIGMOID = ("binary:logistic", "reg:logistic")
_EXP = ("count:poisson", "reg:gamma", "reg:tweedie", "survival:aft", "survival:cox")
_SOFTMAX = ("multi:softmax", "multi:softprob")
_IDENTITY = (
    "binary:logitraw",
    "rank:map",
    "rank:ndcg",
    "rank:pairwise",
    "reg:absoluteerror",
    "reg:pseudohubererror",
    "reg:quantileerror",
    "reg:squarederror",
    "reg:squaredlogerror",
)
_HINGE = "binary:hinge"
_KNOWN = {*_SIGMOID, *_EXP, *_SOFTMAX, *_IDENTITY, _HINGE}


def booster(estimator: Any, source: Node, build: Builder) -> Result:
    """Booster: predict, over all of its trees."""
    model = _model(estimator, bytes(estimator.save_raw("ubj")), None, build)
    return Result() if model is None else _booster(estimator, model, source, build)


def from_file(data: bytes, name: str, build: Builder, source: Node) -> Result:
    """A model file: what a Booster that has loaded it predicts."""
    model = _model(name, data, None, build)
    return Result() if model is None else _booster(name, model, source, build)


def regressor(estimator: Any, source: Node, build: Builder) -> Result:
    """XGBRegressor, XGBRFRegressor, XGBRanker: predict and apply, over the rounds up to the best one."""
    found = _estimator(estimator, source, build)
    if found is None:
        return Result()
    model, sums = found
    return Result({"predict": _value(model, sums.margin, build), "apply": _apply(model, sums, build)})


def classifier(estimator: Any, source: Node, build: Builder) -> Result:
    """XGBClassifier, XGBRFClassifier."""
    found = _estimator(estimator, source, build)
    if found is None:
        return Result()
    model, sums = found
    margin = sums.margin
    n_classes, objective = int(estimator.n_classes_), model.objective
    methods = {"apply": _apply(model, sums, build)}
    classes = np.arange(n_classes)
    if objective in _SOFTMAX:
        labels = classes.astype(np.int32) if estimator.objective == "multi:softmax" else classes
        methods["predict"] = build.add(ArgMax(inputs=(margin.position,), classes=labels), None)
        methods["predict_proba"] = _rounded(Softmax(inputs=(margin.position,)), n_classes, build)
    elif objective in _SIGMOID:
        at = half(1.0, np.float32)
        sigmoid = _sigmoid(margin, build, paired=model.n_outputs == 1)
        decision: Op = Threshold(inputs=(margin.position,), classes=classes, at=at)
        if model.n_outputs > 1:
            decision = MultiLabel(inputs=(margin.position,), at=at, dtype="float64")
        methods["predict"], methods["predict_proba"] = build.add(decision, None), sigmoid
    elif objective == _HINGE and model.n_outputs == 1:
        methods["predict"] = build.add(Threshold(inputs=(margin.position,), classes=classes), None)
    else:
        build.obstacle(estimator, "objective", f"{objective!r} gives no probabilities; fit with 'binary:logistic' or the like")
    return Result(methods, classes)


def _model(estimator: Any, data: bytes, rounds: int | None, build: Builder) -> XgboostModel | None:
    """The parsed model, or None and an obstacle."""
    try:
        model = parse(read_document(data), rounds=rounds)
    except Malformed as error:
        build.obstacle(estimator, error.field, error.why)
        return None
    if model.objective not in _KNOWN:
        build.obstacle(estimator, "objective", f"{model.objective!r} is not supported; supported are {', '.join(sorted(_KNOWN))}")
        return None
    return model


def _estimator(estimator: Any, source: Node, build: Builder) -> tuple[XgboostModel, _Found] | None:
    best = getattr(estimator, "best_iteration", None)
    if callable(estimator.objective):
        build.obstacle(estimator, "objective", "a function of your own can't be stored; fit with one of XGBoost's, by its name")
        return None
    missing = float(estimator.missing)
    if math.isinf(missing):
        build.obstacle(estimator, "missing", "infinity for missing values is not supported; use NaN or a finite number")
        return None
    data = bytes(estimator.get_booster().save_raw("ubj"))
    model = _model(estimator, data, None if best is None else int(best) + 1, build)
    if model is None:
        return None
    found = _margin(estimator, model, source, build, absent=None if math.isnan(missing) else missing, inplace=True)
    return None if found is None else (model, found)


class _Found(NamedTuple):
    """The leaves, the node of the source that each is, and the sums of their values before the objective's transform."""

    leaves: Node
    at: NDArray[np.int64]
    margin: Node


def _margin(
    estimator: Any, model: XgboostModel, source: Node, build: Builder, *, absent: float | None, inplace: bool
) -> _Found | None:
    nodes = model.nodes
    if any(model.categories):
        if absent is not None:
            build.obstacle(estimator, "missing", "of a data frame with categories only NaN can be missing")
        # XGBoost refuses other categories too, though 3.1 and 3.2 take most of them for the next one in the alphabet.
        read, place = coded(estimator, source, build, model.categories, refuse=True)
        nodes = replace(nodes, feature=place[np.where(nodes.leaf, 0, nodes.feature)])
    else:
        read = build.read_matrix(estimator, source, model.n_features)
    if source.position == INPUT and model.feature_names:
        build.feature_names_in = tuple(model.feature_names)
    options: dict[str, Any] = {"allow_nan": True, "allow_infinity": inplace, "absent": absent, "sparse": "missing"}
    try:
        op, at = trees_op(nodes, (read.position,), category="unsigned", **options)
    except Malformed as error:
        build.obstacle(estimator, f"trees.{error.field}", error.why)
        return None
    leaves = build.add(op, len(model.starts))
    base = _base(model)
    if base is None:
        build.obstacle(estimator, "learner_model_param.base_score", f"{model.base_score} is out of the objective's range")
        return None
    tree = np.searchsorted(model.starts, at, side="right") - 1
    values = model.values[at]
    if model.weights is not None:
        weight = model.weights[tree][:, None]
        if inplace:  # which adds the base to each tree, and takes it off again
            own = base[None, :] if values.shape[1] > 1 else base[model.output[tree]][:, None]
            values = (values + own) - own
        values = values * weight
    rows, index = pooled(values)
    output = model.output.astype(np.uint32) if model.output.any() else None
    sums = LeafSum(inputs=(leaves.position,), values=rows, index=index, output=output, base=base.astype(np.float64))
    return _Found(leaves, at, build.add(sums, model.n_outputs))


def _base(model: XgboostModel) -> NDArray[np.float32] | None:
    """Where the sums start: the base score, through the inverse of the objective's transform."""
    scores = model.base_score if len(model.base_score) == model.n_outputs else model.base_score * model.n_outputs
    try:
        if model.objective in _SIGMOID:
            # In float32, as XGBoost computes it.
            one = np.float32(1.0)
            found = [-math.log(float(one / np.float32(s) - one)) for s in scores]
        elif model.objective in _EXP:
            found = [math.log(s) for s in scores]
        else:
            found = scores
    except (ValueError, ZeroDivisionError):
        return None
    base: NDArray[np.float32] = np.array(found, np.float32)
    return base if np.isfinite(base).all() else None


def _booster(estimator: Any, model: XgboostModel, source: Node, build: Builder) -> Result:
    found = _margin(estimator, model, source, build, absent=None, inplace=False)
    return Result() if found is None else Result({"predict": _value(model, found.margin, build)})


def _value(model: XgboostModel, margin: Node, build: Builder) -> Node:
    """What a Booster predicts: the margin through the objective's transform."""
    at, width = margin.position, model.n_outputs
    if model.objective == "multi:softmax":
        return build.add(ArgMax(inputs=(at,), classes=np.arange(width, dtype=np.float32)), None)
    if model.objective == _HINGE and width == 1:
        return build.add(Threshold(inputs=(at,), classes=np.array([0.0, 1.0], np.float32)), None)
    if model.objective == "multi:softprob":
        margin = _rounded(Softmax(inputs=(at,)), width, build)
    elif model.objective in _SIGMOID:
        margin = _sigmoid(margin, build)
    elif model.objective in _EXP:
        margin = _rounded(Exp(inputs=(at,)), width, build)
    return build.add(Predictions(inputs=(margin.position,), flat=width == 1), None)


def _sigmoid(margin: Node, build: Builder, *, paired: bool = False) -> Node:
    width = margin.width or 1
    op = Sigmoid(inputs=(margin.position,), slope=np.full(width, -1.0), offset=np.zeros(width), paired=paired)
    return _rounded(op, 2 if paired else width, build)


def _rounded(op: Op, width: int, build: Builder) -> Node:
    return build.add(Float32(inputs=(build.add(op, width).position,)), width)


def _apply(model: XgboostModel, found: _Found, build: Builder) -> Node:
    at = found.at
    tree = np.searchsorted(model.starts, at, side="right") - 1
    numbers = (at - model.starts[tree]).astype(np.uint32)
    shape = (len(model.starts),) if len(model.starts) > 1 else ()
    op = LeafNumbers(inputs=(found.leaves.position,), numbers=numbers, shape=shape, dtype="float32")
    return build.add(op, len(model.starts))
