"""Quantiles: where values lie among those of their column."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from quantcore.plan.column_ops import Quantiles
from quantcore.plan.csr import Csr
from quantcore.reference.inputs import require_finite
from quantcore.reference.matrices import Matrix
from quantcore.reference.normal import deviates

__all__ = ["NEAR", "each_column", "places", "quantiles"]

# scikit-learn's BOUNDS_THRESHOLD: values that near to the first or last quantile, or beyond it, have its deviate.
NEAR = 1e-7


def quantiles(op: Quantiles, X: Matrix) -> Matrix:
    """Scikit-learn's interpolation from both sides; of CSR, of the stored values alone."""
    require_finite(X, allow_nan=True)
    if isinstance(X, Csr):
        with np.errstate(invalid="ignore"):
            if not op.negative and (X.data < 0).any():
                raise ValueError("some values of the sparse matrix are negative, which are not accepted; pass X.toarray()")
    values = X.data if isinstance(X, Csr) else X
    out = np.empty(values.shape, values.dtype if values.dtype.kind == "f" else np.float64)
    for j, of in each_column(X):
        found = places(op, j, values[of].astype(out.dtype))
        if op.clip is not None:
            found = np.clip(deviates(found.astype(np.float64)), *op.clip)
        out[of] = found
    return X.with_data(out) if isinstance(X, Csr) else out


def each_column(X: Matrix) -> Iterator[tuple[int, Any]]:
    """Number of a column, and where its values are among those of the matrix."""
    if not isinstance(X, Csr):
        yield from ((j, (slice(None), j)) for j in range(X.shape[1]))
        return
    order = np.argsort(X.indices, kind="stable")
    ends = np.cumsum(np.bincount(X.indices, minlength=X.n_columns))
    yield from ((j, order[end - count : end]) for j, (end, count) in enumerate(zip(ends, np.diff(ends, prepend=0), strict=True)))


def places(op: Quantiles, column: int, x: NDArray[Any]) -> NDArray[Any]:
    """Where values of one column lie, in 0 .. 1, in the dtype of x."""
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
    return np.asarray(found)
