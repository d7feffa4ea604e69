"""Rows whose values are known up to a bound: which of them may go another way in a tree."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from quantcore.plan import Csr
from quantcore.plan.ops import Trees
from quantcore.plan.tree_ops import ZERO
from quantcore.reference.matrices import Matrix
from quantcore.reference.trees import ZERO_BELOW

__all__ = ["unsure_rows"]

_BLOCK = 1 << 22  # values of a sparse matrix that are written out at once


def unsure_rows(op: Trees, X: Matrix, error: NDArray[Any]) -> NDArray[np.bool_]:
    """Rows for which some threshold of a column lies within the error of its value, shape (n_rows,).

    Thresholds of all trees count, whether the row comes to them or not.

    Parameters
    ----------
    op : Trees
    X : matrix
    error : ndarray
        Of X, per value (of CSR: per stored value).
    """
    if not isinstance(X, Csr):
        return _unsure(op, X, error)
    size, parts = max(1, _BLOCK // max(X.n_columns, 1)), []
    errors = X.with_data(error)
    for start in range(0, X.n_rows, size):
        rows = np.arange(start, min(start + size, X.n_rows))
        parts.append(_unsure(op, X.take_rows(rows).toarray(), errors.take_rows(rows).toarray()))
    return np.concatenate(parts) if parts else np.zeros(0, np.bool_)


def _unsure(op: Trees, X: NDArray[Any], error: NDArray[Any]) -> NDArray[np.bool_]:
    found = np.zeros(len(X), np.bool_)
    starts = np.concatenate([[0], op.ends[:-1]]).astype(np.int64)
    for start, end, feature, missing in zip(starts, op.ends, op.feature, op.missing, strict=True):
        moved = np.flatnonzero(~(error[:, feature] <= 0.0))
        if not len(moved):
            continue
        low, high = _ends(X[moved, feature], error[moved, feature])
        with np.errstate(over="ignore", invalid="ignore"):
            # As the tests read them: rounded to the dtype of the thresholds, which keeps their order.
            a, b = (np.searchsorted(op.threshold[start:end], x.astype(op.threshold.dtype)) for x in (low, high))
            other = (a != b) | ~np.isfinite(low) | ~np.isfinite(high)
            if missing & ZERO:
                other |= (low <= 2.0 * ZERO_BELOW) & (high >= -2.0 * ZERO_BELOW)
            if op.absent is not None:
                other |= (low <= op.absent) & (high >= op.absent)
        found[moved] |= other
    if op.category_feature is not None:
        found |= ~(error[:, op.category_feature] <= 0.0).all(axis=1)
    return found


def _ends(x: NDArray[Any], error: NDArray[Any]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    wide, away = x.astype(np.float64), error.astype(np.float64)
    with np.errstate(over="ignore", invalid="ignore"):
        return np.nextafter(wide - away, -np.inf), np.nextafter(wide + away, np.inf)
