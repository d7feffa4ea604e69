"""Matrix to matrix: TfIdf, Concat, Take, Binarize."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from quantcore.plan.csr import Csr
from quantcore.plan.ops import Binarize, Concat, Take, TfIdf
from quantcore.reference.inputs import require_finite, require_rows

__all__ = ["Matrix", "as_csr", "binarize", "concat", "row_norms", "sum_rows", "take", "tfidf"]

Matrix = NDArray[Any] | Csr


def tfidf(op: TfIdf, X: Matrix) -> Csr:
    """Counts → tf-idf, with scikit-learn's operations in its order and dtype."""
    csr = as_csr(X)
    require_rows(csr.n_rows)
    data = csr.data.astype(op.dtype)
    if op.sublinear:
        if (data <= 0).any():
            raise ValueError("sublinear_tf takes the logarithm of counts, but one is not positive: it would be NaN")
        data = np.log(data)
        data += 1.0
    if op.idf is not None:
        data *= op.idf[csr.indices]
    if op.norm is not None:
        norms = row_norms(csr.with_data(data), op.norm)
        norms[norms == 0] = 1.0
        data /= norms[csr.row_ids()]
    return csr.with_data(data)


def row_norms(csr: Csr, norm: str) -> NDArray[np.float64]:
    """The norm of each row, summed from left to right in float64."""
    if norm == "max":
        out = np.zeros(csr.n_rows, csr.data.dtype)
        np.maximum.at(out, csr.row_ids(), np.abs(csr.data))
        return out.astype(np.float64)
    powers = csr.data * csr.data if norm == "l2" else np.abs(csr.data)
    sums = sum_rows(csr.row_ids(), powers.astype(np.float64), csr.n_rows)
    return np.sqrt(sums) if norm == "l2" else sums


def sum_rows(row_ids: NDArray[np.int64], values: NDArray[Any], n_rows: int) -> NDArray[Any]:
    """Sums of the values of each row, from left to right, in the dtype of the values."""
    if values.dtype == np.float64:
        return np.bincount(row_ids, values, n_rows)
    out = np.zeros(n_rows, values.dtype)
    np.add.at(out, row_ids, values)
    return out


def concat(op: Concat, inputs: Sequence[Matrix]) -> Matrix:
    """Matrices side by side, each times its weight."""
    if any(isinstance(x, Csr) for x in inputs) if op.sparse is None else op.sparse:
        return _concat_csr(op.weights, [as_csr(x) for x in inputs])
    dense = [x.toarray() if isinstance(x, Csr) else x for x in inputs]
    return np.concatenate([x * w if w != 1.0 else x for x, w in zip(dense, op.weights, strict=True)], axis=1)


def _concat_csr(weights: tuple[float, ...], inputs: Sequence[Csr]) -> Csr:
    n_rows = inputs[0].n_rows
    offsets = np.cumsum([0, *(x.n_columns for x in inputs)])
    rows = np.concatenate([x.row_ids() for x in inputs])
    indices = np.concatenate([x.indices + offset for x, offset in zip(inputs, offsets, strict=False)])
    data = np.concatenate([x.data * w if w != 1.0 else x.data for x, w in zip(inputs, weights, strict=True)])
    order = np.argsort(rows, kind="stable")
    indptr = np.concatenate([[0], np.cumsum(np.bincount(rows, minlength=n_rows))]).astype(np.int64)
    return Csr(indptr, indices[order], data[order], int(offsets[-1]))


def take(op: Take, X: Matrix) -> Matrix:
    """The given columns."""
    if not isinstance(X, Csr):
        return X[:, list(op.columns)]
    parts = []
    for column in op.columns:
        kept = X.indices == column
        indptr = np.concatenate([[0], np.cumsum(np.bincount(X.row_ids()[kept], minlength=X.n_rows))]).astype(np.int64)
        parts.append(Csr(indptr, np.zeros(int(kept.sum()), np.int64), X.data[kept], 1))
    return _concat_csr((1.0,) * len(parts), parts)


def binarize(op: Binarize, X: Matrix) -> Matrix:
    """1.0 where x > threshold, else 0.0."""
    require_finite(X)
    dtype = X.data.dtype if isinstance(X, Csr) else X.dtype
    dtype = dtype if dtype.kind == "f" else np.dtype(np.float64)
    if isinstance(X, np.ndarray):
        return (X > op.threshold).astype(dtype)
    if op.threshold < 0:
        raise ValueError(f"a sparse matrix can't be binarized at {op.threshold}: its zeros would become ones")
    kept = X.data > op.threshold
    rows = X.row_ids()[kept]
    indptr = np.concatenate([[0], np.cumsum(np.bincount(rows, minlength=X.n_rows))]).astype(np.int64)
    return Csr(indptr, X.indices[kept], np.ones(len(rows), dtype), X.n_columns)


def as_csr(X: Matrix, *, zeros: bool = False) -> Csr:
    """Dense to CSR, zeros left out or stored too; CSR as it is."""
    if isinstance(X, Csr):
        return X
    rows, columns = np.nonzero(np.ones(X.shape, np.bool_) if zeros else X)
    indptr = np.concatenate([[0], np.cumsum(np.bincount(rows, minlength=len(X)))]).astype(np.int64)
    return Csr(indptr, columns.astype(np.int64), X[rows, columns], X.shape[1])
