"""How far the results of ops over single columns, cells, codes and records can be from the source's own.

What IEEE 754 defines, and NumPy does in one step, is exact. Logarithms, powers and trigonometric functions differ between
libraries and instruction sets: NumPy promises 4 ulp of most, and is nearer. 16 machine epsilons of the result cover that on
either side, or of 1 besides where a result is small because something cancels. Interpolation and splines are sums that compilers
may fuse. An error that comes in goes through a monotone function by its value at both ends.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from quantcore.plan import Csr, ops
from quantcore.reference.bounds import Error
from quantcore.reference.functions import apply, power_of
from quantcore.reference.normal import EXACT_TO, deviates
from quantcore.reference.quantiles import NEAR, each_column, places
from quantcore.reference.records import hashed_terms
from quantcore.reference.splines import spline_sizes
from quantcore.reference.tables import cells

__all__ = ["OPS", "error_of", "unsettled_rows"]

OPS = (
    ops.Cells,
    ops.HashedFeatures,
    ops.Lookup,
    ops.NamedFeatures,
    ops.Numbers,
    ops.OneHot,
    ops.Power,
    ops.Quantiles,
    ops.Spline,
    ops.ColumnUfunc,
    ops.Ufunc,
)
_ULP = 16.0
# One operation of IEEE's, or none.
_EXACT = frozenset("absolute ceil fabs floor identity negative positive reciprocal rint sign sqrt square trunc".split())
_EVEN = frozenset("absolute cosh fabs square".split())
_BOUNDED_SLOPE = frozenset("cos sin".split())  # by 1


def error_of(op: Any, X: Any, error: Error, value: Any) -> Error:
    """The error of an op's result.

    Parameters
    ----------
    op : Op
        One of ``OPS``.
    X : matrix, codes, table or records
    error : Error
        Of X; not UNKNOWN.
    value : matrix or codes
        The result.
    """
    if isinstance(op, ops.NamedFeatures):
        return None
    if isinstance(op, ops.HashedFeatures):
        return _hashed(op, X)
    if isinstance(op, ops.ColumnUfunc):
        return _of_table(op, X, error, value)
    if isinstance(op, ops.Numbers):
        return None if error is None else np.asarray(error[:, op.columns])
    if isinstance(op, ops.OneHot | ops.Lookup):
        return None if error is None else _of_codes(op, error, value)
    if isinstance(op, ops.Cells):
        return None if error is None else _cells(op, X, error)
    error = None if error is None else np.nan_to_num(error, nan=np.inf, posinf=np.inf)
    if isinstance(op, ops.Ufunc):
        return _ufunc(op.name, _values(X).astype(np.float64), error, _values(value))
    if isinstance(op, ops.Power):
        return _power(op, X.astype(np.float64), error, value)
    if isinstance(op, ops.Quantiles):
        return _quantiles(op, X, error, _values(value))
    return _spline(op, X, error, value)


def _of_table(op: ops.ColumnUfunc, table: Any, error: Error, value: Any) -> Error:
    """Of a table: shape (n_rows, n_columns), 0 where no op reads the column."""
    out = np.zeros((table.n_rows, len(table.columns))) if error is None else error.copy()
    for j in op.columns.tolist():
        result = value.column(j)
        result = result if result.dtype.kind == "f" else result.astype(np.float64)
        found = _ufunc(op.name, table.column(j).astype(np.float64), None if error is None else error[:, j], result)
        out[:, j] = 0.0 if found is None else found
    return out if out.any() else None


def _ufunc(name: str, x: NDArray[np.float64], error: Error, value: NDArray[Any]) -> Error:
    if error is None and name in _EXACT:
        return None
    found = value.astype(np.float64)
    if error is None:
        return _settled(x, found, _rounded(name, np.abs(found), value), name)
    with np.errstate(all="ignore"):
        if name in _BOUNDED_SLOPE:
            away, size = error, np.ones_like(found)
        elif name == "tan":
            away, size = np.where(error > 0.0, np.inf, 0.0), np.abs(found)
        else:
            low, high = x - error * 1.0001, x + error * 1.0001
            if name in _EVEN:
                low, high = np.maximum(np.abs(x) - error * 1.0001, 0.0), np.abs(x) + error * 1.0001
            ends = [apply(name, end) for end in (low, high)]
            away = np.maximum(*(np.abs(end - found) for end in ends)) * 1.0001
            size = np.maximum(np.abs(found), np.maximum(*map(np.abs, ends)))
            if name == "reciprocal":
                away = np.where((low > 0.0) | (high < 0.0), away, np.inf)
        exact = None if name in _EXACT else _settled(x, found, _rounded(name, np.abs(found), value), name)
        moved = np.nan_to_num(away + _rounded(name, size, value), nan=np.inf, posinf=np.inf)
    return np.where(error > 0.0, moved, 0.0 if exact is None else exact)


def _rounded(name: str, size: NDArray[np.float64], value: NDArray[Any]) -> NDArray[np.float64]:
    """What a function rounds at most, for results of at most these sizes."""
    info = np.finfo(value.dtype)
    more = 1.0 if name in _BOUNDED_SLOPE else 1.0 + size**2 if name == "tan" else 0.0
    with np.errstate(over="ignore"):
        found = _ULP * float(info.eps) * (size + more) + 4.0 * float(info.tiny)
    return np.where(size <= float(info.max) / 4.0, found, np.inf)


def _settled(x: NDArray[np.float64], found: NDArray[np.float64], bound: NDArray[np.float64], name: str) -> NDArray[np.float64]:
    """The bound where x is known to the bit: poles, what is not defined, and results for 0 are everybody's."""
    pole = np.isinf(found) & (np.isinf(x) | (x == 0.0) | (np.abs(x) == 1.0))
    return np.where(np.isnan(found) | pole | ((x == 0.0) & (name != "arccos")), 0.0, bound)


def _power(op: ops.Power, X: NDArray[np.float64], error: Error, value: NDArray[Any]) -> NDArray[np.float64]:
    found = value.astype(np.float64)
    bound = _power_rounded(op, X, found, value)
    if error is None:
        return bound
    with np.errstate(all="ignore"):
        ends = [X - error * 1.0001, X + error * 1.0001]
        results = [power_of(op, end) for end in ends]
        away = np.maximum(*(np.abs(result - found) for result in results)) * 1.0001
        rounded = np.maximum(*(_power_rounded(op, *pair, value) for pair in zip(ends, results, strict=True)))
    return np.where(error > 0.0, np.nan_to_num(away + rounded, nan=np.inf, posinf=np.inf), bound)


def _power_rounded(op: ops.Power, X: NDArray[np.float64], found: NDArray[np.float64], value: NDArray[Any]) -> NDArray[np.float64]:
    """With L the logarithm and p the exponent, ``(e^(pL) - 1) / p`` loses what pL does, |L| e^(pL) to each epsilon; rounding p
    to float32 does |L|^2 e^(pL); older versions take the power itself less 1, which loses e^(pL) / p."""
    info = np.finfo(value.dtype)
    box_cox = op.method == "box-cox"
    with np.errstate(all="ignore"):
        L = np.log(X) if box_cox else np.log1p(np.abs(X))
        p = np.where(box_cox | (X >= 0.0), op.exponents, 2.0 - op.exponents)
        none = np.abs(p) < float(np.finfo(np.float64).eps)
        power, size = np.exp(np.maximum(p * L, 0.0)), np.abs(L)
        share = np.where(none, 0.0, 1.0 / np.abs(np.where(none, 1.0, p)))
        bound = float(info.eps) * (power * (size * (1.0 + size) + 1.0 + share) + np.abs(found))
        if op.dtype == "float32" and not box_cox:  # in which some versions of NumPy compute 2 - p
            bound = bound + np.where(X < 0.0, float(np.finfo(np.float32).eps) * power * size * (1.0 + size), 0.0)
        bound = _ULP * bound + 4.0 * float(info.tiny)
        bound = np.where(power * (1.0 + share) <= float(info.max) / 4.0, bound, np.inf)
    bound = np.nan_to_num(bound, nan=np.inf, posinf=np.inf)
    return np.where(np.isnan(X) | (X == (1.0 if box_cox else 0.0)), 0.0, bound)


def _quantiles(op: ops.Quantiles, X: Any, error: Error, value: NDArray[Any]) -> NDArray[np.float64]:
    values, out = _values(X), np.zeros(value.shape)
    for j, of in each_column(X):
        out[of] = _places(op, j, values[of], None if error is None else error[of], value[of])
    return out


def _places(op: ops.Quantiles, j: int, x: NDArray[Any], error: Error, value: NDArray[Any]) -> NDArray[np.float64]:
    first, last = op.quantiles[0, j], op.quantiles[-1, j]
    eps, found = float(np.finfo(value.dtype).eps), value.astype(np.float64)
    wide = x.astype(np.float64)
    with np.errstate(invalid="ignore"):
        ends = [places(op, j, x).astype(np.float64)] * 2
        if error is not None:
            ends = [places(op, j, wide - error * 1.0001), places(op, j, wide + error * 1.0001)]
        # Beyond the quantiles nothing is computed.
        sure = np.isin(ends[0], (0.0, 1.0)) & (ends[0] == ends[1]) & ((wide <= first) | (wide >= last) | (op.clip is not None))
        lost = np.where(sure, 0.0, 2.0**-49 + (eps * ends[1] if value.dtype != np.float64 else 0.0))
        low, high = np.maximum(ends[0] - lost, 0.0), np.minimum(ends[1] + lost, 1.0)
        if op.clip is not None:
            low, high = (np.clip(deviates(end), *op.clip) for end in (low, high))
        bound = np.maximum(high - found, found - low)
        bound = bound * 1.0001 + (0.0 if op.clip is None else (2.0 * EXACT_TO + 2.0 * eps) * np.abs(found))
        if value.dtype != np.float64:
            # Old versions of NumPy round the quantiles to the rows' dtype before they compare.
            rounded = [c.astype(value.dtype) for c in (first, last)]
            if op.clip is None:
                unsure = ((x == rounded[0]) != (x == first)) | ((x == rounded[1]) != (x == last))
            else:
                below, above = x - NEAR, x + NEAR
                unsure = ((below < rounded[0]) != (below < first)) | ((above > rounded[1]) != (above > last))
            bound = np.where(unsure, np.inf, bound + eps * np.abs(found))
    moved = np.zeros(x.shape, np.bool_) if error is None else error > 0.0
    return np.where(np.isnan(wide) & ~moved, 0.0, np.nan_to_num(bound, nan=np.inf, posinf=np.inf))


def _spline(op: ops.Spline, X: NDArray[Any], error: Error, value: Any) -> Error:
    n, sizes = op.n_splines - (not op.bias), spline_sizes(op, X)
    eps = float(np.finfo(np.float64).eps)
    bound = sizes * (eps * (8.0 * op.degree + (16.0 if op.extrapolation == "linear" or op.degree else 0.0)))
    if X.dtype.kind == "f" and X.dtype != np.float64:
        bound = bound + float(np.finfo(X.dtype).eps) * sizes * (2.0 if op.extrapolation == "linear" else 1.0)
    bound = bound + np.repeat(_moved(op, X, error), n, axis=1)
    bound = np.nan_to_num(bound, nan=np.inf, posinf=np.inf)
    return bound[value.row_ids(), value.indices] if isinstance(value, Csr) else bound


def _moved(op: ops.Spline, X: NDArray[Any], error: Error) -> NDArray[np.float64]:
    """By how much the error of a value moves its splines. They are within 0 .. 1, so the slope of one of degree k is at most k
    times the sum of what k knots in a row span, inverted, for two such rows. Infinite where old versions of NumPy, which round
    the ends to the rows' dtype before they compare, may take another side."""
    found = np.zeros(X.shape)
    if error is not None:
        k, crosses = op.degree, _crosses(op, X, error)
        if k == 0:
            slope: Any = np.where(crosses, np.inf, 0.0)
        else:
            slope = np.broadcast_to(_slopes(op), X.shape)
        away = np.zeros(X.shape)
        moved = ~(error <= 0.0)
        away[moved] = (error * 1.0001)[moved] * slope[moved] if k else slope[moved]
        # There the splines are not bounded, or jump.
        if op.extrapolation == "continue" or (op.extrapolation == "linear" and k <= 1):
            away[moved & (crosses | (X < op.knots[:, k]) | (X > op.knots[:, -k - 1]))] = np.inf
        found += away
    if X.dtype.kind == "f" and X.dtype != np.float64:
        found[_compared(op, X)] = np.inf
        if op.extrapolation == "linear":  # and they subtract the rounded end
            at = max(op.degree, 2) if op.degree <= 1 else op.degree
            ends = np.abs(op.knots[:, [at, -at - 1]]).max(axis=1)
            beyond = (X < op.knots[:, at]) | (X > op.knots[:, -at - 1])
            lost = 2.0 * float(np.finfo(X.dtype).eps) * (np.abs(X.astype(np.float64)) + ends) * _slopes(op)
            found += np.where(beyond, lost, 0.0)
    return found


def _slopes(op: ops.Spline) -> NDArray[np.float64]:
    """The largest slope of a column's splines."""
    k = op.degree
    if k == 0:
        return np.zeros(len(op.knots))
    with np.errstate(divide="ignore"):
        return np.asarray(2.0 * k / (op.knots[:, k:] - op.knots[:, :-k]).min(axis=1))


def _crosses(op: ops.Spline, X: NDArray[Any], error: NDArray[Any]) -> NDArray[np.bool_]:
    """Whether some knot lies within the error of a value, or the end of the period."""
    with np.errstate(invalid="ignore"):
        low, high = X.astype(np.float64) - error * 1.0001, X.astype(np.float64) + error * 1.0001
        if op.extrapolation == "periodic":
            return np.asarray(error > 0.0)
        found = np.empty(X.shape, np.bool_)
        for j, knots in enumerate(op.knots):
            found[:, j] = np.searchsorted(knots, low[:, j], "left") != np.searchsorted(knots, high[:, j], "right")
    return found


def unsettled_rows(op: Any, X: Any, error: Error) -> NDArray[np.bool_] | None:
    """Rows of a sparse result in which other columns than those stored may have values; None where there are none."""
    if isinstance(op, ops.OneHot) and error is not None:
        return np.asarray((error > 0.0).any(axis=1))
    if not isinstance(op, ops.Spline):
        return None
    found = np.isinf(_moved(op, X, error))
    return np.asarray((found if error is None else found | _crosses(op, X, error)).any(axis=1))


def _compared(op: ops.Spline, X: NDArray[Any]) -> NDArray[np.bool_]:
    if op.extrapolation == "periodic":
        return np.ones(X.shape, np.bool_)
    found = np.zeros(X.shape, np.bool_)
    if op.extrapolation in ("constant", "linear"):
        for at in {op.degree, 1, 2} if op.extrapolation == "linear" and op.degree <= 1 else {op.degree}:
            for end in (op.knots[:, at], op.knots[:, -at - 1]):
                rounded = end.astype(X.dtype)
                found |= ((rounded < X) != (end < X)) | ((rounded > X) != (end > X))
    return found


def _cells(op: ops.Cells, X: NDArray[Any], error: NDArray[Any]) -> Error:
    with np.errstate(invalid="ignore"):
        known = np.isfinite(error)
        away = np.where(known, error, 0.0) * 1.0001
        wide = X.astype(np.float64)
        same = known & (cells(op, wide - away) == cells(op, wide + away))
    return None if same.all() else np.where(same, 0.0, np.inf)


def _of_codes(op: ops.OneHot | ops.Lookup, error: NDArray[Any], value: Any) -> Error:
    if isinstance(op, ops.Lookup):
        return np.repeat(error, op.values.shape[1], axis=1)
    rows = error.max(axis=1)
    if isinstance(value, Csr):
        return np.asarray(rows[value.row_ids()])
    return np.broadcast_to(rows[:, None], value.shape)


def _hashed(op: ops.HashedFeatures, records: list[Any]) -> Error:
    """SciPy sums the values of one column in any order: of two, or of whole numbers, that makes no difference."""
    terms = hashed_terms(op, records)
    row, data = terms.row_ids(), terms.data.astype(np.float64)
    slots, place = np.unique(row * op.n_features + terms.indices, return_inverse=True)
    counts = np.bincount(place, minlength=len(slots)).astype(np.float64)
    sums = np.bincount(place, np.abs(data), len(slots))
    whole = np.bincount(place, data != np.trunc(data), len(slots)) == 0.0
    eps = float(np.finfo(op.dtype).eps)
    bound = np.where((counts <= 2) | (whole & (sums < 1.0 / eps)), 0.0, 2.0 * counts * eps * sums)
    return bound if bound.any() else None


def _values(X: Any) -> NDArray[Any]:
    return X.data if isinstance(X, Csr) else X
