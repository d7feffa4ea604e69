"""Check the ops that turn matrices into matrices, and what reads them."""

from __future__ import annotations

from collections.abc import Callable
from math import comb
from typing import Any

import numpy as np

from quantcore.plan import ops
from quantcore.plan.rules import array, boolean, dtype, is_count, is_finite, require

__all__ = ["CHECKS", "MOST_PRODUCTS", "n_products"]

MOST_PRODUCTS = 1 << 20
_MOST_DEGREE = 64


def n_products(n_features: int, least: int, most: int, interaction_only: bool, bias: bool) -> int:
    """Columns of a Polynomial op.

    Parameters
    ----------
    n_features, least, most, interaction_only, bias
        As in :class:`quantcore.plan.ops.Polynomial`.
    """
    degrees = range(max(least, 1), most + 1)
    return sum(comb(n_features if interaction_only else n_features + d - 1, d) for d in degrees) + int(bias)


def _affine(op: ops.Affine, incoming: list[int]) -> int:
    if op.shift is not None:
        array(op.shift, "shift", np.float64, (incoming[0],))
    if op.scale is not None:
        array(op.scale, "scale", np.float64, (incoming[0],))
        require(op.product or bool((op.scale != 0.0).all()), "scale divides, so it can't be 0")
    boolean(op.product, "product")
    boolean(op.cast, "cast")
    if op.clip is not None:
        require(type(op.clip) is tuple and len(op.clip) == 2 and all(map(is_finite, op.clip)), "clip must be two finite numbers")
        require(op.clip[0] <= op.clip[1], "the first end of clip must not be beyond the second")
    require(op.sparse in ("scale", "centre", "refuse"), f"sparse is {op.sparse!r}")
    require(op.sparse == "refuse" or not op.product, "a product can't be had of a sparse matrix")
    return incoming[0]


def _columns(op: ops.Columns, incoming: list[int]) -> int:
    boolean(op.allow_nan, "allow_nan")
    return _index(op.index, incoming[0])


def _impute(op: ops.Impute, incoming: list[int]) -> int:
    _missing_value(op.missing)
    array(op.fill, "fill", np.float64, (incoming[0],))
    return incoming[0]


def _missing(op: ops.Missing, incoming: list[int]) -> int:
    _missing_value(op.missing)
    if op.complete is not None:
        _index(op.complete, incoming[0])
    require(op.sparse is None or type(op.sparse) is bool, "sparse must be a bool or None")
    return _index(op.index, incoming[0])


def _row_norm(op: ops.RowNorm, incoming: list[int]) -> int:
    require(op.norm in ("l1", "l2", "max"), f"norm is {op.norm!r}")
    return incoming[0]


def _polynomial(op: ops.Polynomial, incoming: list[int]) -> int:
    require(is_count(op.least) and is_count(op.most) and op.least <= op.most <= _MOST_DEGREE, "least and most must be degrees")
    boolean(op.interaction_only, "interaction_only")
    boolean(op.bias, "bias")
    require(incoming[0] <= MOST_PRODUCTS, "it reads too many columns")
    width = n_products(incoming[0], op.least, op.most, op.interaction_only, op.bias)
    require(0 < width <= MOST_PRODUCTS, f"it makes {width} columns, expected 1 to {MOST_PRODUCTS}")
    return width


def _project(op: ops.Project, incoming: list[int]) -> int:
    array(op.weight, "weight", np.float64, (incoming[0], None))
    width = op.weight.shape[1]
    require(width >= 1, "has no output")
    if op.shift is not None:
        array(op.shift, "shift", np.float64, (incoming[0],))
    boolean(op.dense, "dense")
    dtype(op.dtype)
    return int(width)


def _quadratic(op: ops.Quadratic, incoming: list[int]) -> int:
    array(op.prior, "prior", np.float64, (None,))
    width = len(op.prior)
    require(width >= 1, "has no output")
    array(op.offset, "offset", np.float64, (width,))
    array(op.center, "center", np.float64, (width, incoming[0]))
    array(op.variance, "variance", np.float64, (width, incoming[0]))
    require(bool((op.variance > 0.0).all()), "variance must be positive")
    dtype(op.dtype)
    return width


def _path_score(op: ops.PathScore, incoming: list[int]) -> int:
    require(is_finite(op.denominator) and op.denominator >= 0, "denominator must be a finite number, not negative")
    require(is_finite(op.offset), "offset must be a finite number")
    return incoming[0]


def _difference(op: ops.Difference, incoming: list[int]) -> int:
    require(incoming[0] == 2, f"reads two scores, not {incoming[0]}")
    return 1


def _same(op: Any, incoming: list[int]) -> int:
    return incoming[0]


def _predictions(op: ops.Predictions, incoming: list[int]) -> int:
    boolean(op.flat, "flat")
    require(not op.flat or incoming[0] == 1, f"only one column can be flat, not {incoming[0]}")
    return incoming[0]


def _several(op: ops.Several, incoming: list[int]) -> int:
    return len(incoming)


def _index(index: Any, width: int) -> int:
    array(index, "index", np.uint32, (None,))
    require(len(index) >= 1, "no column is left")
    require(int(index[-1]) < width and bool((index[1:] > index[:-1]).all()), f"index must ascend within 0 .. {width - 1}")
    return len(index)


def _missing_value(value: Any) -> None:
    require(value is None or is_finite(value), "missing must be None (for NaN) or a finite number")


CHECKS: dict[str, Callable[[Any, list[int]], int]] = {
    "Affine": _affine,
    "Columns": _columns,
    "Difference": _difference,
    "Exp": _same,
    "Float32": _same,
    "Impute": _impute,
    "Missing": _missing,
    "PathScore": _path_score,
    "Polynomial": _polynomial,
    "Predictions": _predictions,
    "Project": _project,
    "Quadratic": _quadratic,
    "RowNorm": _row_norm,
    "Several": _several,
    "SignedSquare": _same,
    "Softplus": _same,
}
