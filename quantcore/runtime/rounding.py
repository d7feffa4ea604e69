"""How far a matrix, or the scores made of it, can be from the source's own.

Operations on single values (scale, shift, clip, select, fill, products of features) are IEEE's, done here in the source's
order and dtype: while what they read is exact, so is their result, and the error is None. Sums are not: BLAS adds in any
order, with or without fused multiply-add. For a sum of n products two results, the source's and ours, are each within
``n u / (1 - n u)`` of the sum of absolute products, u the unit roundoff (half of ``eps``). Scores take just that
(ARCHITECTURE.md, section 3, G); of matrices all bounds take n + 8 times ``2 eps``, four times that, which covers the
operations around the sum and second orders. An error that comes in goes through an operation by its derivative's largest
value, or as the difference of the operation at both ends where it is monotone. Below the smallest normal number rounding is
no longer relative (and some libraries flush to 0), so each term has that much to lose besides; what may overflow in the
source's dtype has no bound.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from quantcore.plan import Csr, ops
from quantcore.reference.bounds import UNKNOWN, UP, Error, edges, gamma
from quantcore.reference.columns import columns, norms_of
from quantcore.reference.matrices import Matrix, as_csr, concat, take
from quantcore.reference.products import polynomial
from quantcore.runtime import column_errors

__all__ = ["MATRIX", "UNKNOWN", "Error", "matrix_error", "scores_error", "with_zeros"]

MATRIX = (
    ops.Affine,
    ops.Binarize,
    ops.Columns,
    ops.Impute,
    ops.Missing,
    ops.Polynomial,
    ops.Project,
    ops.RowNorm,
    ops.Text,
    ops.Take,
    ops.TfIdf,
    *column_errors.OPS,
)


def with_zeros(op: ops.Op, arguments: list[Matrix], errors: list[Error], value: Matrix) -> Matrix:
    """A result to which an error can be given: CSR stores zeros as well that may be other values in the source.

    Parameters
    ----------
    op, arguments, errors, value
        As for :func:`matrix_error`.
    """
    if not isinstance(value, Csr) or any(e is UNKNOWN for e in errors):
        return value
    if isinstance(op, ops.Concat):
        if all(e is None or isinstance(X, Csr) for X, e in zip(arguments, errors, strict=True)):
            return value
        return concat(op, [_stored(X, e)[0] for X, e in zip(arguments, errors, strict=True)])
    if isinstance(op, ops.Missing):
        error = errors[0]
        rows = None if error is None else np.bincount(arguments[0].row_ids(), ~np.isfinite(error), value.n_rows) > 0  # type: ignore[union-attr]
    else:
        rows = column_errors.unsettled_rows(op, arguments[0], errors[0])
    if rows is None or not rows.any():
        return value
    # All columns of those rows.
    pattern = Csr(value.indptr, value.indices, np.ones(len(value.data), np.bool_), value.n_columns).toarray()
    row, column = np.nonzero(pattern | rows[:, None])
    indptr = np.concatenate([[0], np.cumsum(np.bincount(row, minlength=value.n_rows))]).astype(np.int64)
    return Csr(indptr, column.astype(np.int64), value.toarray()[row, column], value.n_columns)


def matrix_error(op: ops.Op, arguments: list[Matrix], errors: list[Error], value: Matrix) -> Error:
    """The error of an op's result.

    Parameters
    ----------
    op : Op
        One of ``MATRIX``, or Concat.
    arguments : list of matrices
    errors : list of Error
        Of the arguments.
    value : matrix
        The result.
    """
    if any(e is UNKNOWN for e in errors):
        return UNKNOWN
    if isinstance(op, ops.Text):
        return None
    if isinstance(op, column_errors.OPS):
        return column_errors.error_of(op, arguments[0], errors[0], value)
    if isinstance(op, ops.Concat):
        return None if all(e is None for e in errors) else _concat(op, arguments, errors, value)
    found = _values(value)
    if isinstance(op, ops.TfIdf):
        return _tfidf(value, errors[0])
    X, error = arguments[0], errors[0]
    if isinstance(op, ops.Project):
        return _project(op, X, error, value)
    if isinstance(op, ops.RowNorm):
        return _row_norm(op, X, error, found)
    if error is None:
        return None
    if isinstance(op, ops.Affine):
        return np.where(np.isnan(_values(X)), error, _affine(op, X, error, found))
    if isinstance(op, ops.Take) and isinstance(X, np.ndarray):
        return np.asarray(error[:, list(op.columns)])
    if isinstance(op, ops.Columns):
        return _values(columns(ops.Columns(index=op.index, allow_nan=True), _like(X, error)))
    if isinstance(op, ops.Binarize):
        # The executor keeps the zeros of CSR stored where there is an error, so that both have one pattern.
        return np.where(np.abs(_values(X) - op.threshold) <= error, 1.0, 0.0)
    if isinstance(op, ops.Polynomial) and isinstance(X, np.ndarray) and np.isfinite(error).all():
        least, most = (_values(polynomial(op, np.abs(X) + e)) for e in (0.0, error))
        return np.asarray(most - least + 2.0 * op.most * _eps(found) * most)
    if isinstance(op, ops.Take):
        return _values(take(op, _like(X, error)))
    if isinstance(op, ops.Impute | ops.Missing) and op.missing is None:
        # What is missing to us is missing to the source, where a bound is known at all.
        error = np.nan_to_num(error, nan=np.inf, posinf=np.inf)
        if isinstance(op, ops.Impute):
            return error
        if isinstance(X, Csr):
            rows = np.bincount(X.row_ids(), np.isinf(error), X.n_rows) > 0
            return np.where(rows[value.row_ids()], np.inf, 0.0)  # type: ignore[union-attr]
        return np.where(np.isinf(error[:, op.index]), np.inf, 0.0)
    return UNKNOWN


def scores_error(
    op: ops.Linear | ops.Quadratic,
    X: Matrix,
    error: Error,
    scores: NDArray[np.float64],
    sizes: NDArray[np.float64] | None = None,
) -> NDArray[np.float64]:
    """Bound on the difference between scores and the source's own, per score.

    Parameters
    ----------
    op : Linear or Quadratic
    X : matrix
    error : Error
        Of X.
    scores : ndarray, shape (n_rows, n_outputs)
    sizes : ndarray, shape (n_rows, n_outputs), or None
        Of Linear, each score's sum of absolute terms, where a kernel has summed them up already.
    """
    if isinstance(op, ops.Linear):
        return _linear(op, X, error, sizes)
    unit, info = 2.0 * float(np.finfo(op.dtype).eps), np.finfo(op.dtype)
    if isinstance(X, Csr):
        raise TypeError("Quadratic reads dense rows")  # its function has refused them before
    n = X.shape[1]
    bound = np.empty_like(scores)
    for k in range(len(op.prior)):
        # Its constants are sums of logarithms, which the source adds up anew in its own dtype.
        logs = 0.5 * (np.abs(np.log(op.variance[k])) + 2.0).sum() + abs(op.prior[k])
        away = np.abs(X - op.center[k])
        least, most = away**2 / op.variance[k], (away + (0.0 if error is None else error)) ** 2 / op.variance[k]
        rounded = (0.5 * most.sum(axis=1) + logs + np.abs(scores[:, k])) * ((n + 16.0) * unit)
        tiny = n * 2.0 * float(info.tiny) * (1.0 + 1.0 / op.variance[k].min())
        bound[:, k] = 0.5 * (most - least).sum(axis=1) * 1.0001 + rounded + tiny
        # A square, or the sum, that overflows in the source's dtype.
        bound[np.maximum(away.max(axis=1) ** 2, most.sum(axis=1)) > float(info.max) / 4, k] = np.inf
    return bound


def _linear(op: ops.Linear, X: Matrix, error: Error, sizes: NDArray[np.float64] | None) -> NDArray[np.float64]:
    size, bias = np.abs(op.weight), np.abs(op.bias)
    n = (_terms(X) if error is None or not isinstance(X, Csr) else X.n_columns) + 1.0
    with np.errstate(over="ignore", invalid="ignore"):
        sums = sizes
        if sums is None or error is not None:
            values = np.abs(_values(X)).astype(np.float64)
            sums = _product(_like(X, values if error is None else values + error), size)
        # Ours are summed in the source's dtype, or in a wider one.
        tiny, largest = edges(op.dtype)
        bound = (sums * (2.0 * gamma(n, op.dtype)) + bias * float(np.finfo(op.dtype).eps) + 2.0 * n * tiny) * UP
        if error is None:
            some = np.asarray(np.diff(X.indptr) > 0 if isinstance(X, Csr) else X.any(axis=1))
            bound = np.where(some[:, None], bound, 0.0)  # the source adds its bias to zero
        else:
            bound = bound + _product(_like(X, error.astype(np.float64)), size) * 1.0001
    return np.where(sums + bias <= largest, bound, np.inf)


def _affine(op: ops.Affine, X: Matrix, error: NDArray[Any], found: NDArray[Any]) -> NDArray[Any]:
    eps, factor = _eps(found), 1.0  # type: float, Any
    tiny = 4.0 * _smallest(found)
    if op.scale is not None:
        factor = np.abs(op.scale) if op.product else 1.0 / np.abs(op.scale)
    if isinstance(X, Csr):
        factor = factor if np.isscalar(factor) else factor[X.indices]
        return np.asarray(factor * (error * 1.0001 + 8.0 * eps * np.abs(X.data)) + tiny)
    shift = 0.0 if op.shift is None else np.abs(op.shift) * (1.0 if op.product else factor)
    return np.asarray(factor * (error * 1.0001 + 8.0 * eps * np.abs(X)) + 8.0 * eps * shift + tiny)


def _project(op: ops.Project, X: Matrix, error: Error, value: Matrix) -> NDArray[Any]:
    size, n = np.abs(op.weight), _terms(X) + 8.0
    inside = np.abs(_values(X) - op.shift) if op.dense and op.shift is not None else np.abs(_values(X))
    sums = _product(_like(X, inside + (0.0 if error is None else error)), size)
    if op.shift is not None and not op.dense:
        sums += np.abs(op.shift) @ size
        n = np.maximum(n, len(size) + 8.0)
    if error is not None:
        n = np.maximum(n, len(size) + 8.0)
    found = _values(value)
    rounded = sums * (n * 2.0 * _eps(found)) + n * 2.0 * _smallest(found)
    rounded = np.where(sums <= float(np.finfo(found.dtype).max) / 4.0, rounded, np.inf)
    return rounded if error is None else rounded + _product(_like(X, error), size) * 1.0001


def _row_norm(op: ops.RowNorm, X: Matrix, error: Error, value: NDArray[Any]) -> NDArray[Any]:
    n, eps, smallest = _terms(X) + 8.0, _eps(value), _smallest(value)
    n = n[:, 0] if isinstance(n, np.ndarray) else n
    norms = norms_of(op, X).astype(np.float64)
    # A norm of (x + e) is at most norm(x) + norm(e).
    away = norms * (n * eps)
    if error is not None:
        away = away + norms_of(op, _like(X, error)) * 1.0001
    least = 0.0 if isinstance(X, Csr) else 10.0 * eps  # below it rows stay as they are
    divided = norms > least
    with np.errstate(divide="ignore", invalid="ignore"):
        relative = np.where(divided, away / (norms - away), 0.0)
        over = np.where(divided, norms, 1.0)
    unsure = (np.abs(norms - least) <= away) & (away > 0.0)
    relative = np.where(unsure | (divided & (norms <= away)), np.inf, relative)
    if op.norm == "l2":  # squares that leave the normal numbers
        lost = (norms < np.sqrt(smallest) / eps) & divided
        relative = np.where(lost | (norms > np.sqrt(float(np.finfo(value.dtype).max)) / 4.0), np.inf, relative)
    rows = X.row_ids() if isinstance(X, Csr) else np.arange(len(norms))[:, None]
    with np.errstate(invalid="ignore"):
        tiny = np.where(divided, smallest, 0.0)
        found = np.where(value != 0.0, np.abs(value) * relative[rows] + tiny[rows], 0.0)
        if error is not None:
            found = found + error / over[rows] * (1.0 + relative[rows])
    return np.asarray(np.where(np.isnan(found), np.inf, found))


def _tfidf(value: Matrix, error: Error) -> NDArray[Any]:
    """ARCHITECTURE.md, section 3, A: n/2 + 22.5 roundings on either side."""
    values = _values(value)
    if error is not None:
        return UNKNOWN
    terms = np.diff(value.indptr)[value.row_ids()] if isinstance(value, Csr) else value.shape[1]
    return np.asarray(np.abs(values) * ((terms + 64.0) * _eps(values)) + _smallest(values))


def _concat(op: ops.Concat, arguments: list[Matrix], errors: list[Error], value: Matrix) -> NDArray[Any]:
    parts: list[Matrix] = [
        _like(X, np.zeros(_values(X).shape) if e is None else e) for X, e in zip(arguments, errors, strict=True)
    ]
    if isinstance(value, Csr):
        parts = [_stored(X, e)[1] for X, e in zip(arguments, errors, strict=True)]
    joined = _values(concat(replace(op, weights=tuple(abs(w) for w in op.weights)), parts))
    if all(w == 1.0 for w in op.weights):
        return joined
    rounded = np.nan_to_num(np.abs(_values(value)), posinf=np.inf) * (2.0 * _eps(_values(value)))
    return np.asarray(joined * 1.0001 + rounded)


def _stored(X: Matrix, error: Error) -> tuple[Csr, Csr]:
    """A matrix as CSR, and the errors of what it stores: of zeros those that may be something else in the source."""
    if isinstance(X, Csr):
        return X, X.with_data(np.zeros(len(X.data)) if error is None else error)
    away = np.zeros(X.shape) if error is None else error
    pattern = as_csr((X != 0.0) | ~(away <= 0.0))
    at = pattern.row_ids(), pattern.indices
    return pattern.with_data(X[at]), pattern.with_data(away[at])


def _product(X: Matrix, size: NDArray[np.float64]) -> NDArray[np.float64]:
    """Rows times weights, all of them positive."""
    if not isinstance(X, Csr):
        return np.asarray(X @ size)
    rows = X.row_ids()
    return np.stack([np.bincount(rows, X.data * size[X.indices, k], X.n_rows) for k in range(size.shape[1])], axis=1)


def _terms(X: Matrix) -> Any:
    """The number of terms of a row: of CSR shape (n_rows, 1), so that no row's bound depends on another's."""
    return np.diff(X.indptr).astype(np.float64)[:, None] if isinstance(X, Csr) else float(X.shape[1])


def _values(X: Matrix) -> NDArray[Any]:
    return X.data if isinstance(X, Csr) else X


def _like(X: Matrix, values: NDArray[Any]) -> Matrix:
    return X.with_data(values) if isinstance(X, Csr) else values


def _smallest(values: NDArray[Any]) -> float:
    return float(np.finfo(values.dtype if values.dtype.kind == "f" else np.float64).tiny)


def _eps(values: NDArray[Any]) -> float:
    return float(np.finfo(values.dtype).eps) if values.dtype.kind == "f" else float(np.finfo(np.float64).eps)
