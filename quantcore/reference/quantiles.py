"""Quantiles: where values lie among those of their column."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from quantcore.plan.column_ops import Quantiles
from quantcore.plan.csr import Csr
from quantcore.reference.inputs import require_finite
from quantcore.reference.matrices import Matrix
from quantcore.reference.normal import deviates

__all__ = ["NEAR", "quantile_values", "quantiles"]

# scikit-learn's BOUNDS_THRESHOLD: values that near to the first or last quantile, or beyond it, have its deviate.
NEAR = 1e-7


def quantiles(op: Quantiles, X: Matrix) -> Matrix:
    """Scikit-learn's interpolation from both sides; of CSR, of the stored values alone."""
    require_finite(X, allow_nan=True)
    if not isinstance(X, Csr):
        return _columns(op, X, np.broadcast_to(np.arange(X.shape[1]), X.shape))
    with np.errstate(invalid="ignore"):
        if not op.negative and (X.data < 0).any():
            raise ValueError("some values of the sparse matrix are negative, which are not accepted; pass X.toarray()")
    return X.with_data(_columns(op, X.data, X.indices))


def _columns(op: Quantiles, values: NDArray[Any], columns: NDArray[Any]) -> NDArray[Any]:
    out = np.empty(values.shape, values.dtype if values.dtype.kind == "f" else np.float64)
    for j in range(op.quantiles.shape[1]):
        of = columns == j
        out[of] = quantile_values(op, j, values[of])
    return out


def quantile_values(op: Quantiles, column: int, x: NDArray[Any]) -> NDArray[Any]:
    """The values of one column, in the dtype of x."""
    known, references = op.quantiles[:, column], op.references
    if op.clip is None:
        first, last = x == known[0], x == known[-1]
    else:
        first, last = x - NEAR < known[0], x + NEAR > known[-1]
    # What is repeated has the mean of its first and last place.
    found = 0.5 * (np.interp(x, known, references) - np.interp(-x, -known[::-1], -references[::-1]))
    found[np.isnan(x)] = np.nan
    found = found.astype(x.dtype)
    found[last], found[first] = 1.0, 0.0
    if op.clip is not None:
        found = np.clip(deviates(found.astype(np.float64)), *op.clip).astype(x.dtype)
    return found
