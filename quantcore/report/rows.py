"""Rows in whatever form the caller has them: how many, and some of them in the same form."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["count", "kept", "some", "take"]


def kept(X: Any) -> Any:
    """Rows that can be read more than once and in slices: an iterator becomes a list."""
    if hasattr(X, "tocsr"):
        return X.tocsr()
    return X if hasattr(X, "__len__") or hasattr(X, "shape") else list(X)


def count(X: Any) -> int:
    """Number of rows.

    Parameters
    ----------
    X : list, array, sparse matrix, data frame or dict of columns
    """
    if isinstance(X, Mapping):
        return len(next(iter(X.values()))) if X else 0
    return int(X.shape[0]) if hasattr(X, "shape") else len(X)


def some(X: Any, start: int, stop: int) -> Any:
    """Rows from ``start`` up to ``stop``."""
    if isinstance(X, Mapping):
        return {name: some(values, start, stop) for name, values in X.items()}
    return (X.iloc if hasattr(X, "iloc") else X)[start:stop]


def take(X: Any, rows: NDArray[np.int64]) -> Any:
    """The given rows, in that order."""
    if isinstance(X, Mapping):
        return {name: take(values, rows) for name, values in X.items()}
    if hasattr(X, "iloc"):
        return X.iloc[rows]
    return X[rows] if hasattr(X, "shape") else [X[i] for i in rows.tolist()]
