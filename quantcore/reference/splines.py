"""Spline: the values of B-splines."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from quantcore.plan.column_ops import Spline
from quantcore.plan.csr import Csr
from quantcore.reference.inputs import require_finite
from quantcore.reference.matrices import Matrix, as_csr

__all__ = ["basis", "spline", "spline_sizes"]


def spline(op: Spline, X: Matrix) -> Matrix:
    """Each column's splines by de Boor's recursion, with SciPy's operations in its order."""
    if isinstance(X, Csr):
        raise TypeError("a sparse matrix was passed, but dense rows are required; pass X.toarray()")
    require_finite(X, allow_nan=op.accepts_nan, allow_infinity=op.accepts_infinity)
    dtype = X.dtype if X.dtype.kind == "f" and not op.sparse else np.float64
    out = _all(op, X, np.zeros((len(X), X.shape[1] * op.n_splines), dtype), sizes=False)
    if not op.sparse:
        return out
    pattern = as_csr((out != 0.0) | (spline_sizes(op, X) > 0.0))
    return pattern.with_data(out[pattern.row_ids(), pattern.indices])


def spline_sizes(op: Spline, X: NDArray[Any]) -> NDArray[np.float64]:
    """Sums of the absolute terms of each value: what its rounding grows with."""
    return _all(op, X, np.zeros((len(X), X.shape[1] * op.n_splines)), sizes=True)


def _all(op: Spline, X: NDArray[Any], out: NDArray[Any], *, sizes: bool) -> NDArray[Any]:
    n = op.n_splines
    degree = op.degree
    for j in range(X.shape[1]):
        part, x = out[:, j * n : (j + 1) * n], X[:, j]
        with np.errstate(all="ignore"):
            if op.extrapolation in ("constant", "linear"):
                degree = _with_ends(op, j, x, part, degree, sizes)
            else:
                _everywhere(op, j, x, part, sizes)
    return out if op.bias else out[:, np.arange(out.shape[1]) % n != n - 1]


def _everywhere(op: Spline, column: int, x: NDArray[Any], out: NDArray[Any], sizes: bool) -> None:
    knots, k = op.knots[column], op.degree
    first, last = knots[k], knots[len(knots) - k - 1]
    if op.extrapolation == "periodic":
        period = last - first
        x = first + (x.astype(np.float64) - first) % period if period > 0 else np.zeros_like(x)
    elif op.extrapolation == "error" and ((x < first) | (x > last)).any():
        raise ValueError(f"column {column} holds values beyond the knots, {first} to {last}; extrapolation='error'")
    out[:] = basis(knots, x, k, out.shape[1], sizes=sizes)
    out[np.isnan(x)] = 0.0


def _with_ends(op: Spline, column: int, x: NDArray[Any], out: NDArray[Any], degree: int, sizes: bool) -> int:
    """Inside of a column's base interval, and what its ends are to a source whose ``degree`` is now that; returns what it is
    behind this column."""
    knots, k, n = op.knots[column], op.degree, op.n_splines
    low, high = float(knots[degree]), float(knots[-degree - 1])
    linear = op.extrapolation == "linear"
    reach = degree + 1 if linear and degree <= 1 else degree  # and so it stays for the columns behind, as in scikit-learn
    wide = x.astype(np.float64)
    inside, below, above = (low <= wide) & (wide <= high), wide < low, wide > high
    out[inside] = basis(knots, wide[inside], k, n, sizes=sizes)
    if not (below.any() or above.any()):
        return reach
    at = np.array([low, high])
    f_low, f_high = basis(knots, at, k, n, sizes=sizes)
    if not linear:
        if below.any():
            out[below, :reach] = f_low[:reach]
        if above.any() and reach == 0 and not op.sparse and n != 1:
            raise ValueError("constant extrapolation above the last knot fails for degree=0, as in scikit-learn")
        if above.any() and not (reach == 0 and not op.sparse):
            out[above, n - reach if reach else 0 :] = f_high[-reach:]
        return reach
    s_low, s_high = basis(knots, at, k, n, slope=True, sizes=sizes)
    for j in range(reach):
        k = n - 1 - j
        away_low, away_high = wide[below] - low, wide[above] - high
        out[below, j] = f_low[j] + (-away_low if sizes else away_low) * s_low[j]
        out[above, k] = f_high[k] + away_high * s_high[k]
    return reach


def basis(
    knots: NDArray[np.float64], x: NDArray[Any], k: int, n_splines: int, *, slope: bool = False, sizes: bool = False
) -> NDArray[np.float64]:
    """The values of all splines at x, shape (len(x), n_splines); NaN where x is.

    Parameters
    ----------
    knots : ndarray of float64
    x : ndarray
    k : int
        The degree.
    n_splines : int
        If less than the knots make, the last ones are the first ones again.
    slope : bool
        Their derivatives.
    sizes : bool
        Sums of absolute terms instead: what their rounding grows with.
    """
    x, n = x.astype(np.float64), len(knots) - k - 1
    # The interval that x lies in, or the first or last one.
    at = np.clip(np.searchsorted(knots, x, side="right") - 1, k, n - 1)
    h = np.zeros((k + 1, len(x)))
    h[0] = 1.0
    for j in range(1, k + 1):
        derived = slope and j == k
        before, h[0] = h[:j].copy(), 0.0
        for m in range(1, j + 1):
            high, low = knots[at + m], knots[at + m - j]
            empty = high == low
            width = np.where(empty, 1.0, high - low)
            if derived:
                w = j * before[m - 1] / width
                grown, new = (h[m - 1] + w if sizes else h[m - 1] - w), w
            else:
                w = before[m - 1] / width
                left, right = high - x, x - low
                if sizes:
                    left, right = np.abs(left), np.abs(right)
                grown, new = h[m - 1] + w * left, w * right
            h[m - 1] = np.where(empty, h[m - 1], grown)
            h[m] = np.where(empty, 0.0, new)
    if slope and k == 0:
        h[0] = 0.0
    out, rows = np.zeros((len(x), n_splines)), np.arange(len(x))
    for a in range(k + 1):
        out[rows, (at + a - k) % n_splines] += h[a]
    out[np.isnan(x)] = np.nan
    return out
