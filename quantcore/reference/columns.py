"""Matrix to matrix, value by value: Affine, Columns, Impute, Missing, RowNorm.

Each does scikit-learn's operations in its order and in the rows' own dtype, so that the bits are the same.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from quantcore.plan.csr import Csr
from quantcore.plan.ops import Affine, Columns, Impute, Missing, RowNorm
from quantcore.reference.inputs import require_finite
from quantcore.reference.matrices import Matrix, as_csr, row_norms

__all__ = ["affine", "columns", "impute", "missing", "norms_of", "row_norm"]


def affine(op: Affine, X: Matrix) -> Matrix:
    """``(x - shift) / scale`` or ``x * scale + shift``, then clipped."""
    values = X.data if isinstance(X, Csr) else X
    out = values.astype(values.dtype if values.dtype.kind == "f" else np.float64)
    # In place, so that each step is rounded to the rows' dtype.
    with np.errstate(over="ignore", invalid="ignore"):
        shift, scale = (c if c is None or not op.cast else c.astype(out.dtype) for c in (op.shift, op.scale))
        if isinstance(X, Csr):
            _refuse_sparse(op)
            if op.scale is not None:
                # SciPy's way: the reciprocal is rounded, then the product.
                reciprocal: NDArray[np.float64] = 1.0 / op.scale
                out *= reciprocal[X.indices]
        elif op.product:
            out *= 1.0 if scale is None else scale
            out += 0.0 if shift is None else shift
        else:
            if shift is not None:
                out -= shift
            if scale is not None:
                out /= scale
        if op.clip is not None:
            np.clip(out, *(np.asarray(end, out.dtype) for end in op.clip), out=out)
    return X.with_data(out) if isinstance(X, Csr) else out


def _refuse_sparse(op: Affine) -> None:
    if op.sparse == "refuse":
        raise TypeError("a sparse matrix was passed, but dense rows are required; pass X.toarray()")
    if op.sparse == "centre" and op.shift is not None:
        raise ValueError("a sparse matrix can't be centred: it would become dense; pass X.toarray(), or fit with_mean=False")


def columns(op: Columns, X: Matrix) -> Matrix:
    """The given columns."""
    if not op.allow_nan:
        require_finite(X)
    if not isinstance(X, Csr):
        return X[:, op.index]
    place = np.full(X.n_columns, -1, np.int64)
    place[op.index] = np.arange(len(op.index))
    kept = place[X.indices] >= 0
    return _kept(X, kept, place[X.indices[kept]], X.data[kept], len(op.index))


def impute(op: Impute, X: Matrix) -> Matrix:
    """Missing values become their column's fill."""
    if isinstance(X, Csr):
        if op.missing == 0:
            raise ValueError("zeros of a sparse matrix can't be imputed: it would become dense; pass X.toarray()")
        gaps = _is_missing(op.missing, X.data)
        data = X.data.copy()
        data[gaps] = op.fill[X.indices[gaps]]
        return X.with_data(data)
    gaps = _is_missing(op.missing, X)
    out: NDArray[Any] = X.copy()
    out[gaps] = op.fill[np.nonzero(gaps)[1]]
    return out


def missing(op: Missing, X: Matrix) -> Matrix:
    """1.0 where a value is missing."""
    if op.complete is not None:
        watched = columns(Columns(index=op.complete, allow_nan=True), X)
        if _is_missing(op.missing, watched.data if isinstance(watched, Csr) else watched).any():
            raise ValueError("a column misses values that missed none when the model was fitted")
    chosen = columns(Columns(index=op.index, allow_nan=True), X)
    if isinstance(chosen, Csr):
        gaps = _is_missing(op.missing, chosen.data)
        found: Matrix = _kept(chosen, gaps, chosen.indices[gaps], np.ones(int(gaps.sum()), chosen.data.dtype), chosen.n_columns)
    else:
        found = _is_missing(op.missing, chosen).astype(chosen.dtype)
    if op.sparse is None:
        return found
    return as_csr(found) if op.sparse else found.toarray() if isinstance(found, Csr) else found


def row_norm(op: RowNorm, X: Matrix) -> Matrix:
    """Each row divided by its norm."""
    require_finite(X)
    norms = norms_of(op, X)
    if isinstance(X, Csr):
        norms[norms == 0] = 1.0
        data = X.data.astype(X.data.dtype if X.data.dtype.kind == "f" else np.float64)
        data /= norms[X.row_ids()]
        return X.with_data(data)
    norms[norms < 10 * np.finfo(norms.dtype).eps] = 1.0
    return np.asarray(X / norms[:, None])


def norms_of(op: RowNorm, X: Matrix) -> NDArray[Any]:
    """The norm of each row."""
    if isinstance(X, Csr):
        return row_norms(X, op.norm)
    with np.errstate(over="ignore"):
        if op.norm == "l2":
            return np.asarray(np.sqrt(np.einsum("ij,ij->i", X, X)))
        sizes = np.abs(X)
        return np.asarray(sizes.sum(axis=1) if op.norm == "l1" else sizes.max(axis=1))


def _is_missing(value: float | None, values: NDArray[Any]) -> NDArray[np.bool_]:
    if value is None:
        return np.asarray(np.isnan(values))
    if np.isnan(values).any():
        raise ValueError(f"the input contains NaN, but this model takes {value!r} for missing; impute or drop such values")
    return np.asarray(values == value)


def _kept(X: Csr, kept: NDArray[np.bool_], indices: NDArray[np.int64], data: NDArray[Any], n_columns: int) -> Csr:
    counts = np.bincount(X.row_ids()[kept], minlength=X.n_rows)
    return Csr(np.concatenate([[0], np.cumsum(counts)]).astype(np.int64), indices, data, n_columns)
