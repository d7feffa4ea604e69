"""How far a matrix, or the scores made of it, can be from the source's own.

Operations on single values (scale, shift, clip, select, fill, products of features) are IEEE's, done here in the source's
order and dtype: while what they read is exact, so is their result, and the error is None. Sums are not: BLAS adds in any
order, with or without fused multiply-add. For a sum of n products two results, the source's and ours, are each within
``n u / (1 - n u)`` of the sum of absolute products, u the unit roundoff (half of ``eps``). All bounds here take n + 8 times
``2 eps``, four times that, which covers the operations around the sum and second orders. An error that comes in goes through
an operation by its derivative's largest value, or as the difference of the operation at both ends where it is monotone.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from quantcore.plan import Csr, ops
from quantcore.reference.columns import columns, norms_of
from quantcore.reference.matrices import Matrix, concat
from quantcore.reference.products import polynomial

__all__ = ["MATRIX", "UNKNOWN", "Error", "matrix_error", "scores_error"]

# Per value (of CSR: per stored value) a bound on |source - ours|; None where they are the same bits.
Error = NDArray[Any] | None
# No bound: not even that what is not stored is 0.
UNKNOWN: NDArray[np.float64] = np.array(np.inf)
# Products below the least normal number are rounded by more than their share.
_TINY = 1e-300

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
    ops.TfIdf,
)


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
        return _affine(op, X, error, _eps(found))
    if isinstance(op, ops.Columns):
        return _values(columns(ops.Columns(index=op.index, allow_nan=True), _like(X, error)))
    if isinstance(op, ops.Binarize):
        # The executor keeps the zeros of CSR stored where there is an error, so that both have one pattern.
        return np.where(np.abs(_values(X) - op.threshold) <= error, 1.0, 0.0)
    if isinstance(op, ops.Polynomial) and isinstance(X, np.ndarray) and np.isfinite(error).all():
        least, most = (_values(polynomial(op, np.abs(X) + e)) for e in (0.0, error))
        return np.asarray(most - least + 2.0 * op.most * _eps(found) * most)
    if isinstance(op, ops.Impute | ops.Missing) and op.missing is None:
        # What is missing to us is missing to the source.
        return np.where(np.isnan(_values(X)), 0.0, error) if isinstance(op, ops.Impute) else None
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
    unit = 2.0 * float(np.finfo(op.dtype).eps)
    if isinstance(op, ops.Linear):
        size = np.abs(op.weight)
        sums = sizes
        if sums is None or error is not None:
            sums = _product(_like(X, np.abs(_values(X)) + (0.0 if error is None else error)), size)
        bound = sums * ((_terms(X) + 8.0) * unit) + (np.abs(op.bias) + np.abs(scores)) * unit + (sums > 0.0) * _TINY
        return bound if error is None else bound + _product(_like(X, error), size) * 1.0001
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
        bound[:, k] = 0.5 * (most - least).sum(axis=1) * 1.0001 + rounded
    return bound


def _affine(op: ops.Affine, X: Matrix, error: NDArray[Any], eps: float) -> NDArray[Any]:
    factor: Any = 1.0
    if op.scale is not None:
        factor = np.abs(op.scale) if op.product else 1.0 / np.abs(op.scale)
    if isinstance(X, Csr):
        factor = factor if np.isscalar(factor) else factor[X.indices]
        return np.asarray(factor * (error * 1.0001 + 8.0 * eps * np.abs(X.data)))
    shift = 0.0 if op.shift is None else np.abs(op.shift) * (1.0 if op.product else factor)
    return np.asarray(factor * (error * 1.0001 + 8.0 * eps * np.abs(X)) + 8.0 * eps * shift)


def _project(op: ops.Project, X: Matrix, error: Error, value: Matrix) -> NDArray[Any]:
    size, n = np.abs(op.weight), _terms(X) + 8.0
    inside = np.abs(_values(X) - op.shift) if op.dense and op.shift is not None else np.abs(_values(X))
    sums = _product(_like(X, inside + (0.0 if error is None else error)), size)
    if op.shift is not None and not op.dense:
        sums += np.abs(op.shift) @ size
        n = max(n, len(size) + 8.0)
    rounded = sums * (n * 2.0 * _eps(_values(value))) + (sums > 0.0) * _TINY
    return rounded if error is None else rounded + _product(_like(X, error), size) * 1.0001


def _row_norm(op: ops.RowNorm, X: Matrix, error: Error, value: NDArray[Any]) -> NDArray[Any]:
    n, eps = _terms(X) + 8.0, _eps(value)
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
    rows = X.row_ids() if isinstance(X, Csr) else np.arange(len(norms))[:, None]
    with np.errstate(invalid="ignore"):
        found = np.abs(value) * relative[rows]
        if error is not None:
            found = found + error / over[rows] * (1.0 + relative[rows])
    return np.asarray(np.where(np.isnan(found), np.inf, found))


def _tfidf(value: Matrix, error: Error) -> NDArray[Any]:
    """ARCHITECTURE.md, section 3, A: n/2 + 22.5 roundings on either side."""
    values = _values(value)
    if error is not None:
        return UNKNOWN
    return np.asarray(np.abs(values) * ((_terms(value) + 64.0) * _eps(values)))


def _concat(op: ops.Concat, arguments: list[Matrix], errors: list[Error], value: Matrix) -> NDArray[Any]:
    parts = [_like(X, np.zeros(_values(X).shape) if e is None else e) for X, e in zip(arguments, errors, strict=True)]
    joined = concat(ops.Concat(inputs=op.inputs, weights=tuple(abs(w) for w in op.weights)), parts)
    return np.asarray(_values(joined) * 1.0001 + np.abs(_values(value)) * (2.0 * _eps(_values(value))))


def _product(X: Matrix, size: NDArray[np.float64]) -> NDArray[np.float64]:
    """Rows times weights, all of them positive."""
    if not isinstance(X, Csr):
        return np.asarray(X @ size)
    rows = X.row_ids()
    return np.stack([np.bincount(rows, X.data * size[X.indices, k], X.n_rows) for k in range(size.shape[1])], axis=1)


def _terms(X: Matrix) -> float:
    """The largest number of terms of a row."""
    return float(np.diff(X.indptr).max(initial=0) if isinstance(X, Csr) else X.shape[1])


def _values(X: Matrix) -> NDArray[Any]:
    return X.data if isinstance(X, Csr) else X


def _like(X: Matrix, values: NDArray[Any]) -> Matrix:
    return X.with_data(values) if isinstance(X, Csr) else values


def _eps(values: NDArray[Any]) -> float:
    return float(np.finfo(values.dtype).eps) if values.dtype.kind == "f" else float(np.finfo(np.float64).eps)
