"""Matrix to matrix or scores, by sums and products: Polynomial, Project, Quadratic."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import combinations, combinations_with_replacement
from typing import Any

import numpy as np
from numpy.typing import NDArray

from quantcore.plan.csr import Csr
from quantcore.plan.ops import Polynomial, Project, Quadratic
from quantcore.reference.inputs import require_finite, require_rows
from quantcore.reference.matrices import Matrix, as_csr, sum_rows

__all__ = ["factors", "polynomial", "project", "quadratic"]

# Dense values of a CSR matrix's products at a time.
_BLOCK = 1 << 22


def polynomial(op: Polynomial, X: Matrix) -> Matrix:
    """Products of features, multiplied in scikit-learn's order: dense from the last, sparse from the first."""
    require_finite(X)
    if not isinstance(X, Csr):
        return _products(op, X, from_last=True)
    width = sum(len(f) if f.size else 1 for f in factors(op, X.n_columns))
    size = max(1, _BLOCK // max(width, 1))
    blocks = []
    for start in range(0, X.n_rows, size):
        rows = X.take_rows(np.arange(start, min(start + size, X.n_rows)))
        blocks.append(as_csr(_products(op, rows.toarray(), from_last=False)))
    ends = np.cumsum([0, *(b.indptr[-1] for b in blocks)])
    indptr = np.concatenate([[0], *(b.indptr[1:] + at for b, at in zip(blocks, ends, strict=False))]).astype(np.int64)
    indices, data = np.concatenate([b.indices for b in blocks]), np.concatenate([b.data for b in blocks])
    return Csr(indptr, indices, data, width)


def factors(op: Polynomial, n_features: int) -> Iterator[NDArray[np.int64]]:
    """For each degree the features of its products, shape (n_products, degree); first the bias, shape (1, 0)."""
    if op.bias:
        yield np.zeros((1, 0), np.int64)
    choose = combinations if op.interaction_only else combinations_with_replacement
    for degree in range(max(op.least, 1), op.most + 1):
        yield np.array(list(choose(range(n_features), degree)), np.int64).reshape(-1, degree)


def _products(op: Polynomial, X: NDArray[Any], *, from_last: bool) -> NDArray[Any]:
    parts = []
    with np.errstate(over="ignore", invalid="ignore"):
        for chosen in factors(op, X.shape[1]):
            order = chosen[:, ::-1] if from_last else chosen
            part = np.ones((len(X), len(order)), X.dtype) if not order.shape[1] else X[:, order[:, 0]]
            for k in range(1, order.shape[1]):
                part = part * X[:, order[:, k]]
            parts.append(part)
    return np.concatenate(parts, axis=1)


def project(op: Project, X: Matrix) -> NDArray[Any]:
    """``X @ weight - shift @ weight``, or ``(X - shift) @ weight``."""
    require_finite(X)
    require_rows(X.shape[0])
    dtype = np.result_type(X.data.dtype if isinstance(X, Csr) else X.dtype, op.dtype)
    weight = op.weight.astype(dtype, copy=False)
    shift = None if op.shift is None else op.shift.astype(op.dtype)
    if isinstance(X, Csr):
        if op.dense:
            raise TypeError("a sparse matrix was passed, but dense rows are required; pass X.toarray()")
        rows, data = X.row_ids(), X.data.astype(dtype, copy=False)
        out = np.empty((X.n_rows, weight.shape[1]), dtype)
        for k in range(weight.shape[1]):
            out[:, k] = sum_rows(rows, data * weight[X.indices, k], X.n_rows)
    else:
        out = np.asarray((X - shift if op.dense and shift is not None else X) @ weight)
    if shift is not None and not op.dense:
        out -= shift @ weight
    return out


def quadratic(op: Quadratic, X: Matrix) -> NDArray[np.float64]:
    """Logarithms of Gaussian densities with diagonal covariance, plus that of the prior."""
    if isinstance(X, Csr):
        raise TypeError("a sparse matrix was passed, but dense rows are required; pass X.toarray()")
    require_finite(X)
    scores = np.empty((len(X), len(op.prior)))
    with np.errstate(over="ignore"):
        for k in range(len(op.prior)):
            squares = ((X - op.center[k]) ** 2) / op.variance[k]
            scores[:, k] = op.prior[k] + (op.offset[k] - 0.5 * squares.sum(axis=1))
    return scores
