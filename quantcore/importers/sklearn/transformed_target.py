"""TransformedTargetRegressor: predictions taken back through the inverse of what the target went through."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
from sklearn.utils.validation import check_is_fitted

from quantcore.importers.builder import Builder, Node, Result
from quantcore.importers.registry import import_estimator
from quantcore.importers.sklearn.common import VERSION
from quantcore.plan.ensemble_ops import UFUNCS
from quantcore.plan.ops import Affine, Predictions, ScoreUfunc

__all__ = ["transformed_target_regressor"]

_TRANSFORMERS = "StandardScaler, MinMaxScaler, MaxAbsScaler, RobustScaler, a Pipeline of those"


def transformed_target_regressor(estimator: Any, source: Node, build: Builder) -> Result:
    """TransformedTargetRegressor."""
    check_is_fitted(estimator)
    predict = import_estimator(estimator.regressor_, source, build).methods.get("predict")
    op = None if predict is None else build.ops[predict.position]
    if not isinstance(op, Predictions):
        return Result()
    scores = _inverse(estimator, estimator.transformer_, Node(op.inputs[0]), build)
    if scores is None:
        return Result()
    return Result({"predict": build.add(replace(op, inputs=(scores.position,), flat=estimator._training_dim == 1), None)})


def _inverse(estimator: Any, transformer: Any, scores: Node, build: Builder) -> Node | None:
    """What ``inverse_transform`` makes of predictions; None where that is not supported."""
    name = type(transformer).__name__ if type(transformer).__module__.startswith("sklearn.") else ""
    if name == "FunctionTransformer":
        return _function(estimator, transformer.inverse_func, transformer.inv_kw_args, scores, build)
    if name == "Pipeline":
        found: Node | None = scores
        for _, step in reversed(transformer.steps):
            if step is not None and step != "passthrough" and found is not None:
                found = _inverse(estimator, step, found, build)
        return found
    if name == "StandardScaler":
        scale = transformer.scale_ if transformer.with_std else None
        shift = transformer.mean_ if transformer.with_mean else None
        return _product(scale, shift, scores, build, cast=VERSION >= (1, 8))
    if name == "RobustScaler":
        scale = transformer.scale_ if transformer.with_scaling else None
        shift = transformer.center_ if transformer.with_centering else None
        return _product(scale, shift, scores, build)
    if name == "MaxAbsScaler":
        return _product(transformer.scale_, None, scores, build)
    if name == "MinMaxScaler":
        shift, scale = (np.array(c, np.float64) for c in (transformer.min_, transformer.scale_))
        return build.add(Affine(inputs=(scores.position,), shift=shift, scale=scale, sparse="refuse"), scores.width)
    advice = f"{type(transformer).__name__} is not supported; supported are {_TRANSFORMERS}, or func and inverse_func"
    build.obstacle(estimator, "transformer", advice)
    return None


def _product(scale: Any, shift: Any, scores: Node, build: Builder, *, cast: bool = False) -> Node:
    if shift is None and scale is None:
        return scores
    constants = [None if c is None else np.array(c, np.float64) for c in (shift, scale)]
    op = Affine(inputs=(scores.position,), shift=constants[0], scale=constants[1], product=True, sparse="refuse", cast=cast)
    return build.add(op, scores.width)


def _function(estimator: Any, function: Any, options: Any, scores: Node, build: Builder) -> Node | None:
    if function is None:
        return scores
    name = getattr(function, "__name__", "")
    if not isinstance(function, np.ufunc) or name not in UFUNCS or getattr(np, name, None) is not function or options:
        shown = name if name and name != "<lambda>" else repr(function)
        known = ", ".join(f"np.{ufunc}" for ufunc in UFUNCS)
        advice = (
            f"{shown} is code, which a file can't hold; supported are None (the identity) and {known} themselves; refit with one"
        )
        build.obstacle(estimator, "inverse_func", advice)
        return None
    return build.add(ScoreUfunc(inputs=(scores.position,), name=name), scores.width)
