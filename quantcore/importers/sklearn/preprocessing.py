"""Scalers and other transformers of single values or rows."""

from __future__ import annotations

from typing import Any

import numpy as np
from sklearn.utils.validation import check_is_fitted

from quantcore.importers.builder import Builder, Node, Result
from quantcore.importers.sklearn.common import VERSION
from quantcore.plan.ops import Affine, Binarize, Polynomial, RowNorm
from quantcore.plan.validate_matrix import MOST_PRODUCTS, n_products

__all__ = [
    "as_float",
    "binarizer",
    "max_abs_scaler",
    "min_max_scaler",
    "normalizer",
    "polynomial_features",
    "robust_scaler",
    "standard_scaler",
    "width_of",
]


def standard_scaler(estimator: Any, source: Node, build: Builder) -> Result:
    """StandardScaler."""
    check_is_fitted(estimator)
    shift = estimator.mean_ if estimator.with_mean else None
    scale = estimator.scale_ if estimator.with_std else None
    # From 1.8 on the mean and the scale are rounded to the rows' dtype before they are used.
    return _affine(estimator, shift, scale, source, build, sparse="centre", cast=VERSION >= (1, 8))


def min_max_scaler(estimator: Any, source: Node, build: Builder) -> Result:
    """MinMaxScaler."""
    check_is_fitted(estimator)
    low, high = estimator.feature_range
    clip = (float(low), float(high)) if estimator.clip else None
    return _affine(estimator, estimator.min_, estimator.scale_, source, build, product=True, clip=clip, sparse="refuse")


def max_abs_scaler(estimator: Any, source: Node, build: Builder) -> Result:
    """MaxAbsScaler."""
    check_is_fitted(estimator)
    clip = (-1.0, 1.0) if getattr(estimator, "clip", False) else None
    return _affine(estimator, None, estimator.scale_, source, build, clip=clip)


def robust_scaler(estimator: Any, source: Node, build: Builder) -> Result:
    """RobustScaler; what is sparse it only scales."""
    check_is_fitted(estimator)
    shift = estimator.center_ if estimator.with_centering else None
    return _affine(estimator, shift, estimator.scale_ if estimator.with_scaling else None, source, build)


def _affine(estimator: Any, shift: Any, scale: Any, source: Node, build: Builder, **settings: Any) -> Result:
    source = build.read_matrix(estimator, source, estimator.n_features_in_)
    constants = [None if c is None else np.array(c, np.float64) for c in (shift, scale)]
    if not all(c is None or np.isfinite(c).all() for c in constants):
        build.obstacle(estimator, "", "it was fitted on a column without any value; drop that column and refit")
    op = Affine(inputs=(source.position,), shift=constants[0], scale=constants[1], **settings)
    return Result({"transform": build.add(op, source.width, as_float(source))})


def normalizer(estimator: Any, source: Node, build: Builder) -> Result:
    """Normalizer: no fitted state but the number of columns."""
    source = build.read_matrix(estimator, source, width_of(estimator, source, build))
    op = RowNorm(inputs=(source.position,), norm=estimator.norm)
    return Result({"transform": build.add(op, source.width, as_float(source))})


def binarizer(estimator: Any, source: Node, build: Builder) -> Result:
    """Binarizer."""
    source = build.read_matrix(estimator, source, width_of(estimator, source, build))
    op = Binarize(inputs=(source.position,), threshold=float(estimator.threshold))
    return Result({"transform": build.add(op, source.width, as_float(source))})


def polynomial_features(estimator: Any, source: Node, build: Builder) -> Result:
    """PolynomialFeatures."""
    check_is_fitted(estimator)
    n_features = estimator.n_features_in_
    degrees = int(estimator._min_degree), int(estimator._max_degree)
    only, bias = bool(estimator.interaction_only), bool(estimator.include_bias)
    width = n_products(n_features, *degrees, only, bias)
    if not 0 < width <= MOST_PRODUCTS:
        build.obstacle(estimator, "degree", f"it makes {width} columns, expected 1 to {MOST_PRODUCTS}; select features first")
    source = build.read_matrix(estimator, source, n_features)
    op = Polynomial(inputs=(source.position,), least=degrees[0], most=degrees[1], interaction_only=only, bias=bias)
    return Result({"transform": build.add(op, width, as_float(source))})


def width_of(estimator: Any, source: Node, build: Builder) -> int:
    """Columns of an estimator that may never have been fitted."""
    found = getattr(estimator, "n_features_in_", source.width)
    if found is None:
        build.obstacle(estimator, "", "the number of columns isn't known; fit it first")
    return found or 1


def as_float(source: Node) -> np.dtype[Any] | None:
    """The dtype of a transformer's result: floats stay what they are, None is the caller's own."""
    return source.dtype if source.dtype is None or source.dtype.kind == "f" else np.dtype(np.float64)
