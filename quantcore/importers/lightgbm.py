"""LightGBM's boosters and scikit-learn classes, and its model files."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import numpy as np

from quantcore.importers.builder import Builder, Node, Result
from quantcore.importers.categories import coded
from quantcore.importers.forests import pooled, trees_op
from quantcore.importers.lightgbm_model import LightgbmModel, parse
from quantcore.importers.logistic import half
from quantcore.importers.malformed import Malformed
from quantcore.plan import INPUT
from quantcore.plan.ops import ArgMax, Exp, LeafSum, Op, Predictions, Sigmoid, SignedSquare, Softmax, Softplus, Threshold

__all__ = ["booster", "classifier", "from_file", "regressor"]

_EXP = ("gamma", "poisson", "tweedie")
_SIGMOID = ("binary", "cross_entropy", "multiclassova")
_IDENTITY = (
    "",  # an objective of the user's own: scores as they are
    "custom",
    "fair",
    "huber",
    "lambdarank",
    "mape",
    "quantile",
    "rank_xendcg",
    "regression",
    "regression_l1",
)
_KNOWN = {*_EXP, *_SIGMOID, *_IDENTITY, "cross_entropy_lambda", "multiclass"}


def booster(estimator: Any, source: Node, build: Builder) -> Result:
    """Booster: predict, up to the best iteration where there is one."""
    return from_file(estimator.model_to_string().encode(), estimator, build, source)


def from_file(data: bytes, estimator: Any, build: Builder, source: Node) -> Result:
    """A model file (or a Booster's text): what a Booster predicts."""
    found = _scores(estimator, data, source, build)
    if found is None:
        return Result()
    model, scores = found
    value = _value(model, scores, build)
    return Result({"predict": build.add(Predictions(inputs=(value.position,), flat=model.n_outputs == 1), None)})


def regressor(estimator: Any, source: Node, build: Builder) -> Result:
    """LGBMRegressor, LGBMRanker."""
    return from_file(estimator.booster_.model_to_string().encode(), estimator, build, source)


def classifier(estimator: Any, source: Node, build: Builder) -> Result:
    """LGBMClassifier."""
    from quantcore.importers.sklearn.common import classes_of  # LightGBM's own classes need scikit-learn, its files do not

    found = _scores(estimator, estimator.booster_.model_to_string().encode(), source, build)
    if found is None:
        return Result()
    model, scores = found
    classes = classes_of(estimator, estimator.classes_, build)
    name = _name(model)
    if name in ("multiclass", "multiclassova") and model.n_outputs == len(classes):
        probabilities = _value(model, scores, build)
        # Of one-vs-all the largest score has the largest probability too.
        predict = build.add(ArgMax(inputs=(scores.position,), classes=classes), None)
    elif name in _SIGMOID and model.n_outputs == 1 and len(classes) == 2:
        slope = _slope(model)
        op = Sigmoid(inputs=(scores.position,), slope=np.full(1, -slope), offset=np.zeros(1), paired=True)
        probabilities = build.add(op, 2)
        predict = build.add(Threshold(inputs=(scores.position,), classes=classes, at=half(slope, np.float64)), None)
    else:
        build.obstacle(estimator, "objective", f"{name!r} gives {len(classes)} classes no probabilities; fit with LightGBM's own")
        return Result()
    methods = {"predict": predict, "predict_proba": probabilities}
    if hasattr(estimator, "decision_function"):  # from LightGBM 4.7 on: the sums, which a random forest leaves undivided
        sums = build.ops[scores.position]
        raw = replace(sums, divisor=1.0) if isinstance(sums, LeafSum) else sums
        methods["decision_function"] = build.add(raw, scores.width)
    return Result(methods, classes)


def _scores(estimator: Any, data: bytes, source: Node, build: Builder) -> tuple[LightgbmModel, Node] | None:
    try:
        model = parse(data)
        name = _name(model)
        if name not in _KNOWN:
            raise Malformed("objective", f"{name!r} is not supported; supported are {', '.join(sorted(_KNOWN - {''}))}")
        if name in _SIGMOID:
            _slope(model)
        nodes = model.nodes
        if any(model.categories):
            read, place = coded(estimator, source, build, model.categories, refuse=False)
            nodes = replace(nodes, feature=place[np.where(nodes.leaf, 0, nodes.feature)])
        else:
            read = build.read_matrix(estimator, source, model.n_features)
        options: dict[str, Any] = {"allow_nan": True, "allow_infinity": True, "category": "truncated"}
        op, at = trees_op(nodes, (read.position,), **options)
    except Malformed as error:
        build.obstacle(estimator, "left_child, right_child" if error.field == "children" else error.field, error.why)
        return None
    named = [f"Column_{k}" for k in range(model.n_features)] != model.feature_names
    if source.position == INPUT and named and len(model.feature_names) == model.n_features:
        build.feature_names_in = tuple(model.feature_names)
    n_trees = len(model.starts)
    rows, index = pooled(model.values[at][:, None])
    output = np.arange(n_trees, dtype=np.uint32) % np.uint32(model.n_outputs)
    sums = LeafSum(
        inputs=(build.add(op, n_trees).position,),
        values=rows,
        index=index,
        output=output if model.n_outputs > 1 else None,
        base=np.zeros(model.n_outputs),
        divisor=float(n_trees // model.n_outputs) if model.averaged else 1.0,
    )
    return model, build.add(sums, model.n_outputs)


def _value(model: LightgbmModel, scores: Node, build: Builder) -> Node:
    """Scores through the objective's transform."""
    name, inputs = _name(model), (scores.position,)
    op: Op | None = None
    if name in _SIGMOID:
        op = Sigmoid(inputs=inputs, slope=np.full(model.n_outputs, -_slope(model)), offset=np.zeros(model.n_outputs))
    elif name == "multiclass":
        op = Softmax(inputs=inputs)
    elif name in _EXP:
        op = Exp(inputs=inputs)
    elif name == "cross_entropy_lambda":
        op = Softplus(inputs=inputs)
    elif "sqrt" in model.objective[1:]:
        op = SignedSquare(inputs=inputs)
    return scores if op is None else build.add(op, scores.width)


def _name(model: LightgbmModel) -> str:
    return model.objective[0] if model.objective else ""


def _slope(model: LightgbmModel) -> float:
    """The factor of the sigmoid."""
    for word in model.objective[1:]:
        name, _, value = word.partition(":")
        if name == "sigmoid":
            try:
                found = float(value)
            except ValueError:
                found = 0.0
            if not 0.0 < found < math.inf:
                raise Malformed("objective.sigmoid", f"{value!r} is no positive number")
            return found
    return 1.0
