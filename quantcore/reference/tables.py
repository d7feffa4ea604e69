"""From tables to numbers: Numbers, Fill, MissingCells, Codes, OneHot, Lookup, Cells, Documents."""

from __future__ import annotations

from collections.abc import Hashable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from quantcore.plan.csr import Csr
from quantcore.plan.table import Table
from quantcore.plan.table_ops import Cells, Codes, Documents, Fill, Lookup, MissingCells, Numbers, OneHot

__all__ = ["cells", "codes", "documents", "fill", "lookup", "missing_cells", "numbers", "one_hot"]


def numbers(op: Numbers, table: Table) -> NDArray[Any]:
    """The columns side by side, as floats."""
    found = [table.column(int(i)) for i in op.columns]
    dtype = np.result_type(*(c.dtype for c in found)) if all(c.dtype.kind in "biuf" for c in found) else np.dtype(np.float64)
    out = np.empty((table.n_rows, len(found)), dtype if dtype.kind == "f" else np.float64)
    for j, values in enumerate(found):
        out[:, j] = values
    return out


def fill(op: Fill, table: Table) -> Table:
    """Missing values replaced."""
    changed = list(table.columns)
    for value, index in zip(op.fill, op.columns.tolist(), strict=True):
        values = table.column(index).astype(object)
        values[_missing(op.missing, values)] = value
        changed[index] = values
    return Table(table.n_rows, tuple(changed))


def missing_cells(op: MissingCells, table: Table) -> NDArray[np.float64]:
    """1.0 where a value is missing."""
    found = [_missing(op.missing, table.column(int(i))) for i in op.columns]
    return np.column_stack(found).astype(np.float64)


def codes(op: Codes, table: Table) -> NDArray[np.int32]:
    """Positions of values among their column's categories."""
    out = np.empty((table.n_rows, len(op.columns)), np.int32)
    for j, index in enumerate(op.columns.tolist()):
        listed = op.categories[j]
        categories = listed.tolist() if isinstance(listed, np.ndarray) else listed
        known = {value: code for code, value in enumerate(categories)}
        of_nan = len(categories) if op.nan[j] else -1
        if table.column(index).dtype.kind in "iuf" and not isinstance(listed, np.ndarray):
            raise TypeError(f"column {index} holds numbers, but the encoder was fitted on objects; pass the column as objects")
        values = table.column(index).tolist()
        out[:, j] = [of_nan if _is_nan(v) else known.get(v, -1) if isinstance(v, Hashable) else -1 for v in values]
        if op.unknown == "error" and (out[:, j] < 0).any():
            strange = list(dict.fromkeys(v for v, code in zip(values, out[:, j], strict=True) if code < 0))
            raise ValueError(f"column {index} holds {strange[:5]}, which the encoder was not fitted on; handle_unknown='error'")
    return out


def one_hot(op: OneHot, found: NDArray[np.int32]) -> Csr:
    """Ones at the places of codes."""
    places = op.place[_slots(op.ends, found)]
    rows, columns = np.nonzero(places >= 0)
    indptr = np.concatenate([[0], np.cumsum(np.bincount(rows, minlength=len(found)))]).astype(np.int64)
    return Csr(indptr, places[rows, columns].astype(np.int64), np.ones(len(rows), op.dtype), op.n_outputs)


def lookup(op: Lookup, found: NDArray[np.int32]) -> NDArray[Any]:
    """The numbers of codes."""
    return op.values[_slots(op.ends, found)].reshape(len(found), -1)


def cells(op: Cells, X: NDArray[Any]) -> NDArray[np.int32]:
    """The interval of each value."""
    out = np.empty(X.shape, np.int32)
    for j, end in enumerate(op.ends):
        out[:, j] = np.searchsorted(op.edges[op.ends[j - 1] if j else 0 : end], X[:, j], side="right")
    return out


def documents(op: Documents, table: Table) -> list[Any]:
    """The values of one column."""
    return list(table.column(op.column))


def _is_nan(value: Any) -> bool:
    return isinstance(value, float | np.floating) and value != value  # noqa: PLR0124


def _slots(ends: tuple[int, ...], found: NDArray[np.int32]) -> NDArray[np.int64]:
    """Positions among the slots of all columns; the last one of a column is that of the unknown."""
    starts = np.array((0, *ends[:-1]), np.int64)
    return np.where(found >= 0, starts + found, np.array(ends, np.int64) - 1)


def _missing(marker: Any, values: NDArray[Any]) -> NDArray[np.bool_]:
    if not marker:
        return np.asarray(values != values, np.bool_)  # noqa: PLR0124
    if values.dtype.kind != "O":
        return np.asarray(values == marker[0], np.bool_)
    return np.array([v is None if marker[0] is None else v == marker[0] for v in values.tolist()], np.bool_)
