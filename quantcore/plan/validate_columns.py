"""Rules of the ops over single columns of numbers, and of those over records."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from quantcore.plan import column_ops, record_ops
from quantcore.plan.rules import array, boolean, dtype, is_count, is_finite, require

__all__ = ["CHECKS", "RECORDS", "check_name", "check_records"]

_MOST_DEGREE = 64
_MOST_COLUMNS = 1 << 24
RECORDS = ("NamedFeatures", "HashedFeatures")


def check_records(op: Any, what: str) -> int:
    """Number of columns of an op that reads records, or documents (the values of a table's column)."""
    require(what in ("records", "documents"), f"it reads records, but its input is {what}")
    dtype(op.dtype)
    if isinstance(op, record_ops.HashedFeatures):
        require(is_count(op.n_features) and 0 < op.n_features < 2**31, "n_features must be a positive number")
        require(op.source in ("dict", "pair", "string"), f"source is {op.source!r}, expected 'dict', 'pair' or 'string'")
        boolean(op.alternate_sign, "alternate_sign")
        return op.n_features
    array(op.names, "names", np.uint8, (None,))
    array(op.ends, "ends", np.uint32, (None,))
    require(0 < len(op.ends) and int(op.ends[-1]) == len(op.names), "the last end must be the number of bytes")
    require(bool((op.ends[1:] >= op.ends[:-1]).all()), "ends must ascend")
    require(type(op.separator) is str, "separator must be a string")
    boolean(op.dense, "dense")
    try:
        features = op.features()
    except UnicodeDecodeError:
        raise ValueError("a name is no UTF-8") from None
    require(len(set(features)) == len(features), "a name stands twice")
    return len(features)


def _ufunc(op: column_ops.Ufunc, incoming: list[int]) -> int:
    check_name(op)
    boolean(op.sparse, "sparse")
    return incoming[0]


def check_name(op: column_ops.Ufunc | column_ops.ColumnUfunc) -> None:
    """The name of a function, and whether it takes NaN."""
    require(type(op.name) is str and op.name in column_ops.UFUNCS, f"{op.name!r} is no function that it knows")
    boolean(op.finite, "finite")


def _power(op: column_ops.Power, incoming: list[int]) -> int:
    require(op.method in ("box-cox", "yeo-johnson"), f"method is {op.method!r}, expected 'box-cox' or 'yeo-johnson'")
    array(op.exponents, "exponents", np.float64, (incoming[0],))
    dtype(op.dtype)
    return incoming[0]


def _quantiles(op: column_ops.Quantiles, incoming: list[int]) -> int:
    array(op.references, "references", np.float64, (None,))
    require(len(op.references) >= 1 and bool((np.diff(op.references) > 0).all()), "references must ascend")
    require(bool((op.references >= 0).all() and (op.references <= 1).all()), "references must be in 0 .. 1")
    array(op.quantiles, "quantiles", np.float64, (len(op.references), incoming[0]))
    if op.clip is not None:
        require(type(op.clip) is tuple and len(op.clip) == 2 and all(map(is_finite, op.clip)), "clip must be two finite numbers")
        require(op.clip[0] < op.clip[1], "the first end of clip must be below the second")
    boolean(op.negative, "negative")
    return incoming[0]


def _spline(op: column_ops.Spline, incoming: list[int]) -> int:
    array(op.knots, "knots", np.float64, (incoming[0], None))
    require(is_count(op.degree) and op.degree <= _MOST_DEGREE, f"degree must be in 0 .. {_MOST_DEGREE}")
    require(op.knots.shape[1] >= 2 * op.degree + 2, f"a degree of {op.degree} needs at least {2 * op.degree + 2} knots")
    require(bool((np.diff(op.knots, axis=1) >= 0).all()), "the knots of a column must ascend")
    kinds = ("error", "constant", "linear", "continue", "periodic")
    require(op.extrapolation in kinds, f"extrapolation is {op.extrapolation!r}, expected one of {', '.join(kinds)}")
    for name in ("bias", "missing", "sparse"):
        boolean(getattr(op, name), name)
    width = incoming[0] * (op.n_splines - (not op.bias))
    require(op.n_splines >= 1 and 0 < width <= _MOST_COLUMNS, f"it makes {width} columns, expected 1 to {_MOST_COLUMNS}")
    return width


CHECKS: dict[str, Callable[[Any, list[int]], int]] = {
    "Power": _power,
    "Quantiles": _quantiles,
    "Spline": _spline,
    "Ufunc": _ufunc,
}
