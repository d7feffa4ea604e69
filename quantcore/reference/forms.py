"""Rows of a table in the caller's own form: how many there are, and some of them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from quantcore.plan.csr import Csr
from quantcore.plan.table import Table
from quantcore.reference.cells import is_column

__all__ = ["head", "is_column", "is_records", "n_rows", "part", "take"]


def is_records(X: Any) -> bool:
    """Whether rows come as dicts, which no estimator takes: a list of them, one row, or columns."""
    return isinstance(X, Mapping) or (isinstance(X, (list, tuple)) and len(X) > 0 and isinstance(X[0], Mapping))


def n_rows(X: Any) -> int:
    """Number of rows; 0 for what has none."""
    if isinstance(X, Mapping):
        columns = [value for value in X.values() if is_column(value)]
        return len(columns[0]) if columns else 1
    if isinstance(X, Table | Csr):
        return X.n_rows
    shape = getattr(X, "shape", None)
    return int(shape[0]) if shape else len(X) if hasattr(X, "__len__") else 0


def take(X: Any, rows: NDArray[np.int64]) -> Any:
    """The rows at ascending positions, in the form that they came in."""
    if isinstance(X, Table | Csr):
        return X.take_rows(rows)
    if isinstance(X, Mapping):
        return {name: take(value, rows) if is_column(value) else value for name, value in X.items()}
    if hasattr(X, "iloc"):
        return X.iloc[rows]
    if hasattr(X, "take") and hasattr(X, "to_pylist"):  # Arrow
        return X.take(rows)
    if isinstance(X, list | tuple):
        return [X[i] for i in rows.tolist()]
    return X[rows]


def part(X: Any, start: int, stop: int) -> Any:
    """The rows from ``start`` to before ``stop``."""
    if isinstance(X, Csr):
        ends = X.indptr[start : stop + 1]
        return Csr(ends - ends[0], X.indices[ends[0] : ends[-1]], X.data[ends[0] : ends[-1]], X.n_columns)
    if isinstance(X, Table):
        return X.take_rows(np.arange(start, min(stop, X.n_rows)))
    if isinstance(X, Mapping):
        return {name: part(value, start, stop) if is_column(value) else value for name, value in X.items()}
    if hasattr(X, "iloc"):
        return X.iloc[start:stop]
    return X[start:stop]


def head(X: Any, count: int) -> Any:
    """At most so many rows, the first ones."""
    return X if n_rows(X) <= count else part(X, 0, count)
