"""Functions of single values: Ufunc, ColumnUfunc, Power."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from quantcore.plan.column_ops import SPARSE_UFUNCS, ColumnUfunc, Power, Ufunc
from quantcore.plan.csr import Csr
from quantcore.plan.op import Op
from quantcore.plan.table import Table
from quantcore.reference.inputs import require_finite
from quantcore.reference.matrices import Matrix

__all__ = ["apply", "column_ufunc", "power", "power_of", "reads_integers", "ufunc"]

# Dtypes that NumPy takes to float64, and functions that are not the same of integers.
_WIDE = ("float64", "int32", "int64", "uint32", "uint64")
_OF_INTEGERS = ("absolute", "negative", "reciprocal", "square")


def reads_integers(first: list[Op], X: Any) -> bool:
    """Whether integers reach the functions of a Plan as they are, and not as float64.

    Parameters
    ----------
    first : list of Op
        What reads the rows.
    X : rows
        As the caller passed them.

    Raises
    ------
    TypeError
        What the source computes of such rows would be lost: columns of several dtypes, or readers of several kinds.
    """
    alone = all(isinstance(op, Ufunc) for op in first)
    given = getattr(X, "dtypes", None)
    dtypes = {str(getattr(X, "dtype", "float64"))} if given is None or not hasattr(X, "columns") else set(map(str, given))
    if alone and len(dtypes) == 1:
        return True
    names = {op.name for op in first if isinstance(op, Ufunc) and op.name in _OF_INTEGERS}
    if not dtypes <= set(_WIDE) or (names and dtypes != {"float64"}):
        raise TypeError(f"columns of dtype {', '.join(sorted(dtypes))} can't be told apart any more; pass X.astype(float)")
    return False


def ufunc(op: Ufunc, X: Matrix) -> Matrix:
    """NumPy's function of each value, in the dtype that it gives; what is no float becomes float64."""
    if op.finite:
        require_finite(X)
    if isinstance(X, Csr):
        if not op.sparse or op.name not in SPARSE_UFUNCS:
            raise TypeError(f"a sparse matrix was passed, of which {op.name} can't be had; pass X.toarray()")
        return X.with_data(apply(op.name, X.data))
    return apply(op.name, X)


def column_ufunc(op: ColumnUfunc, table: Table) -> Table:
    """NumPy's function of the values of each column."""
    chosen = [table.column(i) for i in op.columns.tolist()]
    if not op.finite:
        for index, values in zip(op.columns.tolist(), chosen, strict=True):
            _require_numbers(op.name, values, table.name(index))
    chosen = [c if c.dtype.kind in "biuf" else c.astype(np.float64) for c in chosen]
    common = np.result_type(*(c.dtype for c in chosen)) if op.finite else None
    changed = list(table.columns)
    for index, values in zip(op.columns.tolist(), chosen, strict=True):
        if common is not None:
            values = values.astype(common)
            require_finite(values)
        changed[index] = values if op.name == "identity" else _of(op.name, values)
    return Table(table.n_rows, tuple(changed))


def _require_numbers(name: str, values: NDArray[Any], called: str) -> None:
    """Of strings and None, which it may hold elsewhere, NumPy has no such function; objects that are numbers are some here."""
    if values.dtype == object:
        for value in values.tolist():
            if not isinstance(value, (int, float, np.number, np.bool_)):
                raise TypeError(f"{called} holds {value!r}, of which {name} can't be had; pass numbers")


def apply(name: str, values: NDArray[Any]) -> NDArray[Any]:
    """A function by its name."""
    values = values if name == "identity" else _of(name, values)
    return np.asarray(values, values.dtype if values.dtype.kind == "f" else np.float64)


def _of(name: str, values: NDArray[Any]) -> NDArray[Any]:
    with np.errstate(all="ignore"):
        return np.asarray(getattr(np, name)(values))


def power(op: Power, X: Matrix) -> NDArray[Any]:
    """Each column's power transform, in the rows' dtype."""
    if isinstance(X, Csr):
        raise TypeError("a sparse matrix was passed, but dense rows are required; pass X.toarray()")
    require_finite(X, allow_nan=True)
    with np.errstate(invalid="ignore"):
        if op.method == "box-cox" and (X <= 0).any():
            raise ValueError("the Box-Cox transformation needs values above 0, but some are not")
    return power_of(op, X if X.dtype.kind == "f" else X.astype(np.float64))


def power_of(op: Power, X: NDArray[Any]) -> NDArray[Any]:
    """The same of any floats, positive or not."""
    out = np.empty_like(X)
    # An array, since the versions of NumPy differ in what a number does to the dtype.
    exponents = op.exponents.astype(op.dtype)
    for j in range(X.shape[1]):
        with np.errstate(all="ignore"):
            if op.method == "box-cox":  # SciPy's function computes in double precision
                out[:, j] = _box_cox(np.log(X[:, j].astype(np.float64)), exponents[j : j + 1].astype(np.float64))
            else:
                logarithm, p = np.log1p(np.abs(X[:, j])), exponents[j : j + 1]
                out[:, j] = np.where(X[:, j] >= 0, _box_cox(logarithm, p), -_box_cox(logarithm, 2 - p))
    return out


def _box_cox(logarithm: NDArray[Any], exponent: NDArray[Any]) -> NDArray[Any]:
    """``(exp(exponent * logarithm) - 1) / exponent``."""
    if abs(exponent[0]) < np.finfo(np.result_type(logarithm, exponent)).eps:
        return logarithm
    return np.asarray(np.expm1(exponent * logarithm) / exponent)
