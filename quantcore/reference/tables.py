"""From tables to numbers: Numbers, Fill, MissingCells, Join, Codes, OneHot, Lookup, Cells, Documents."""

from __future__ import annotations

from collections.abc import Sequence
from numbers import Integral, Real
from typing import Any

import numpy as np
from numpy.typing import NDArray

from quantcore.plan.csr import Csr
from quantcore.plan.table import Table
from quantcore.plan.table_ops import Cells, Codes, Documents, Fill, Join, Lookup, MissingCells, Numbers, OneHot
from quantcore.reference.inputs import require_finite
from quantcore.reference.matrices import Matrix, as_csr

__all__ = ["cells", "codes", "documents", "fill", "join", "lookup", "missing_cells", "numbers", "one_hot"]


def numbers(op: Numbers, table: Table) -> NDArray[Any]:
    """The columns side by side, as floats."""
    dtypes = [table.column(int(i)).dtype for i in op.columns]
    booleans = sum(dtype.kind == "b" for dtype in dtypes)
    if op.array and 0 < booleans < len(dtypes):
        dtypes = [np.dtype(np.float64)]
    dtype = _common([*dtypes, np.dtype(np.float16)] if op.beside else dtypes)
    out = np.empty((table.n_rows, len(op.columns)), dtype)
    for j, index in enumerate(op.columns.tolist()):
        out[:, j] = _floats(table, index, dtype)
    if not (op.allow_nan and op.allow_infinity):  # the source looks at all of them once they are floats
        for j, index in enumerate(op.columns.tolist()):
            _require_finite(table, index, out[:, j], allow_nan=op.allow_nan, allow_infinity=op.allow_infinity)
    return out


def fill(op: Fill, table: Table) -> Table:
    """Missing values replaced."""
    changed = list(table.columns)
    dtypes = [table.column(int(i)).dtype for i in op.columns]
    objects = np.dtype(object) in dtypes if op.objects is None else op.objects
    if objects:
        filled = [table.column(i).astype(object) for i in op.columns.tolist()]
    else:
        filled = [np.array(_floats(table, i, _common(dtypes))) for i in op.columns.tolist()]
    if not objects:  # the source looks at all of them once they are floats
        for index, values in zip(op.columns.tolist(), filled, strict=True):
            _require_finite(table, index, values, allow_nan=True, allow_infinity=False)
    for value, index, values in zip(op.fill, op.columns.tolist(), filled, strict=True):
        values[_missing(op.missing, values, table.name(index))] = value
        changed[index] = values
    return Table(table.n_rows, tuple(changed), table.names)


def missing_cells(op: MissingCells, table: Table) -> Matrix:
    """1.0 where a value is missing."""
    found = [_missing(op.missing, table.column(i), table.name(i)) for i in op.columns.tolist()]
    shown = len(found) - op.complete
    for index, gaps in zip(op.columns[shown:].tolist(), found[shown:], strict=True):
        if gaps.any():
            raise ValueError(f"{table.name(index)} misses values, but none was missing when the model was fitted")
    cells_ = np.column_stack(found[:shown]).astype(op.dtype)
    return as_csr(cells_) if op.sparse else cells_


def join(op: Join, inputs: Sequence[Table | Matrix]) -> Table:
    """Columns of tables and matrices side by side."""
    columns: list[NDArray[Any] | None] = []
    n_rows = 0
    for part, chosen in zip(inputs, op.columns, strict=True):
        n_rows = part.n_rows if isinstance(part, Table | Csr) else len(part)
        if isinstance(part, Table):
            columns += [part.columns[i] for i in chosen.tolist()]
        else:
            dense = part.toarray() if isinstance(part, Csr) else part
            columns += [dense[:, i] for i in chosen.tolist()]
    return Table(n_rows, tuple(c.astype(object) if op.objects and c is not None else c for c in columns))


def codes(op: Codes, table: Table) -> NDArray[np.int32]:
    """Positions of values among their column's categories."""
    out = np.empty((table.n_rows, len(op.columns)), np.int32)
    for j, index in enumerate(op.columns.tolist()):
        values, categories = table.column(index), op.categories[j]
        if values.dtype.kind in "iuf":
            _require_finite(table, index, values, allow_nan=True, allow_infinity=False)
            if not isinstance(categories, np.ndarray):
                raise TypeError(
                    f"{table.name(index)} holds numbers ({values.dtype}), but the encoder was fitted on objects; "
                    "pass the column as objects"
                )
            out[:, j] = _codes_of_numbers(values, categories, op.nan[j])
        else:
            out[:, j] = _codes_of_objects(values.tolist(), categories, op.nan[j])
        unknown = out[:, j] < 0
        if unknown.any() and (op.unknown == "error" or _cannot_stand_in(values, categories)):
            strange = list(dict.fromkeys(values[unknown].tolist()))
            raise ValueError(f"{table.name(index)} holds {strange[:5]}, which the encoder was not fitted on")
    return out


def _codes_of_numbers(values: NDArray[Any], categories: NDArray[Any], nan: bool) -> NDArray[np.int32]:
    """As NumPy compares: in the dtype that is common to both."""
    common = np.result_type(values, categories)
    known, found = categories.astype(common), values.astype(common)
    at: NDArray[np.int64] = np.searchsorted(known, found)
    within = np.minimum(at, max(len(known) - 1, 0))
    equal = known[within] == found if len(known) else np.zeros(len(found), np.bool_)
    places = np.where(equal, within, -1).astype(np.int32)
    if nan:
        places[np.isnan(found)] = len(known)
    return places


def _codes_of_objects(values: list[Any], categories: Any, nan: bool) -> list[int]:
    """As Python compares."""
    listed = categories.tolist() if isinstance(categories, np.ndarray) else categories
    known = {value: code for code, value in enumerate(listed)}
    of_nan = len(listed) if nan else -1
    return [of_nan if _is_nan(v) else known.get(v, -1) for v in values]


def _cannot_stand_in(values: NDArray[Any], categories: Any) -> bool:
    """scikit-learn puts the first category in the place of unknown values, and looks that up: what a boolean makes of a string
    isn't found."""
    if values.dtype.kind != "b" or not len(categories):
        return False
    return bool(categories[0]) not in (categories.tolist() if isinstance(categories, np.ndarray) else categories)


def one_hot(op: OneHot, found: NDArray[Any]) -> Matrix:
    """Ones at the places of codes."""
    places = op.place[_slots(op.ends, found)]
    rows, columns = np.nonzero(places >= 0)
    indptr = np.concatenate([[0], np.cumsum(np.bincount(rows, minlength=len(found)))]).astype(np.int64)
    dtype = _dtype_of(found) if op.dtype == "rows" else op.dtype
    hot = Csr(indptr, places[rows, columns].astype(np.int64), np.ones(len(rows), dtype), op.n_outputs)
    return hot.toarray() if op.dense else hot


def lookup(op: Lookup, found: NDArray[Any]) -> NDArray[Any]:
    """The numbers of codes."""
    numbers_ = op.values[_slots(op.ends, found)].reshape(len(found), -1)
    return numbers_.astype(_dtype_of(found)) if op.rows else numbers_


def cells(op: Cells, X: NDArray[Any] | Csr) -> NDArray[Any]:
    """The interval of each value."""
    if isinstance(X, Csr):
        raise TypeError("a sparse matrix was passed, but dense rows are required; pass X.toarray()")
    single = op.dtype == "float32" or (op.dtype == "rows" and X.dtype == np.float32)
    with np.errstate(over="ignore"):
        X = X.astype(np.float32 if single else np.float64)
    require_finite(X)
    out = np.empty(X.shape, np.int32 if single else np.int64)
    for j, end in enumerate(op.ends):
        out[:, j] = np.searchsorted(op.edges[op.ends[j - 1] if j else 0 : end], X[:, j], side="right")
    return out


def documents(op: Documents, table: Table) -> list[Any]:
    """The values of one column."""
    return list(table.column(op.column))


def _dtype_of(codes_: NDArray[Any]) -> np.dtype[Any]:
    """Of the rows that Cells found codes of that width for."""
    return np.dtype(np.float32 if codes_.dtype == np.int32 else np.float64)


def _slots(ends: tuple[int, ...], found: NDArray[Any]) -> NDArray[np.int64]:
    """Positions among the slots of all columns; the last one of a column is that of the unknown."""
    starts = np.array((0, *ends[:-1]), np.int64)
    return np.where(found >= 0, starts + found, np.array(ends, np.int64) - 1)


def _common(dtypes: list[np.dtype[Any]]) -> np.dtype[Any]:
    """What floats such columns become side by side."""
    plain = all(dtype.kind in "biuf" for dtype in dtypes)
    dtype = np.result_type(*dtypes) if plain else np.dtype(np.float64)
    return dtype if dtype.kind == "f" else np.dtype(np.float64)


def _floats(table: Table, index: int, dtype: np.dtype[Any]) -> NDArray[Any]:
    """A column as floats; an error names it."""
    try:
        return table.column(index).astype(dtype)
    except (OverflowError, TypeError, ValueError) as error:
        raise type(error)(f"{table.name(index)} must hold numbers: {error}") from None


def _require_finite(table: Table, index: int, values: NDArray[Any], *, allow_nan: bool, allow_infinity: bool) -> None:
    if values.dtype.kind == "f":
        try:
            require_finite(values, allow_nan=allow_nan, allow_infinity=allow_infinity)
        except ValueError as error:
            raise ValueError(f"{table.name(index)}: {error}") from None


def _missing(marker: Any, values: NDArray[Any], name: str) -> NDArray[np.bool_]:
    """Where values are missing, as scikit-learn's imputers look for them."""
    if marker is None:
        absent = [v is None or type(v).__name__ == "NAType" or v != v for v in values.tolist()]
        return np.array(absent, np.bool_)
    nan: NDArray[np.bool_] = np.asarray(values != values, np.bool_)
    if not marker:
        return nan
    if nan.any():
        raise ValueError(f"{name} holds NaN, but {marker[0]!r} stands for missing here; impute or drop such values")
    if values.dtype.kind != "O":
        return np.asarray(values == marker[0], np.bool_)
    return np.array([v is None if marker[0] is None else v == marker[0] for v in values.tolist()], np.bool_)


def _is_nan(value: Any) -> bool:
    """NaN of any kind of real number, as scikit-learn's ``is_scalar_nan``."""
    return value != value if type(value) is float else _is_odd_nan(value)


def _is_odd_nan(value: Any) -> bool:
    return not isinstance(value, str | Integral) and isinstance(value, Real) and bool(value != value)
