"""Linear: matrix to scores."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from quantcore.plan.csr import Csr
from quantcore.plan.ops import Linear
from quantcore.plan.rules import all_finite
from quantcore.reference.inputs import require_finite, require_rows
from quantcore.reference.matrices import Matrix, sum_rows

__all__ = ["linear"]


def linear(op: Linear, X: Matrix) -> NDArray[Any]:
    """``X @ weight + bias``.

    Over CSR each score is a sum from left to right, as SciPy's, in float32 where both the matrix and the
    source's weights are, so that the bits are the source's.
    """
    require_rows(X.shape[0])
    with np.errstate(over="ignore", invalid="ignore"):
        scores = _scores(op, X)
    if not all_finite(scores):
        require_finite(X)
    return scores


def _scores(op: Linear, X: Matrix) -> NDArray[Any]:
    if not isinstance(X, Csr):
        return np.asarray(X @ op.weight + op.bias, np.float64)
    dtype = np.result_type(X.data.dtype, op.dtype)
    data, rows = X.data.astype(dtype, copy=False), X.row_ids()
    scores = np.empty((X.n_rows, op.weight.shape[1]), np.float64)
    for k in range(op.weight.shape[1]):
        weight = op.weight[:, k].astype(dtype, copy=False)
        scores[:, k] = sum_rows(rows, data * weight[X.indices], X.n_rows) + op.bias[k].astype(dtype)
    return scores
