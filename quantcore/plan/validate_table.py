"""Rules of the ops over tables."""

from __future__ import annotations

import operator
from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType
from typing import Any

import numpy as np

from quantcore.plan import table_ops as ops
from quantcore.plan import validate_columns
from quantcore.plan.column_ops import ColumnUfunc
from quantcore.plan.op import Op
from quantcore.plan.rules import array as _array
from quantcore.plan.rules import boolean as _boolean
from quantcore.plan.rules import dtype as _dtype
from quantcore.plan.rules import is_count as _is_count
from quantcore.plan.rules import require as _require

__all__ = ["OPS", "check", "check_codes"]


def check(op: Op, incoming: Sequence[tuple[int, str]]) -> tuple[int, str]:
    """Number of columns, and what the op gives, for inputs of a width and a kind each."""
    if isinstance(op, ops.Join):
        return _join(op, incoming)
    width, what = incoming[0]
    wanted = "table" if isinstance(op, ops.TableOp) else "matrix" if isinstance(op, ops.Cells) else "codes"
    _require(what == wanted, f"it reads a {wanted}, but its input is {what}")
    return _CHECKS[op.kind](op, width)


def check_codes(op: Op, source: Op | None) -> None:
    """Every code that ``source`` gives has a slot of its column in an op that looks codes up."""
    if not isinstance(op, (ops.Lookup, ops.OneHot)):
        return
    if isinstance(source, ops.Codes):
        counts = [len(known) + nan for known, nan in zip(source.categories, source.nan, strict=True)]
    elif isinstance(source, ops.Cells):
        counts = [end - start + 1 for start, end in zip((0, *source.ends), source.ends, strict=False)]
    else:
        raise ValueError("it reads codes that no op gives")
    slots = [end - start for start, end in zip((0, *op.ends), op.ends, strict=False)]
    _require(all(map(operator.le, counts, slots)), f"{counts[:5]} codes a column do not fit {slots[:5]} slots")


def _columns(columns: Any, width: int) -> int:
    _array(columns, "columns", np.uint32, (None,))
    _require(0 < len(columns) and int(columns.max()) < width, f"columns must be in 0 .. {width - 1}")
    return len(columns)


def _numbers(op: ops.Numbers, width: int) -> tuple[int, str]:
    _boolean(op.allow_nan, "allow_nan")
    _boolean(op.allow_infinity, "allow_infinity")
    _boolean(op.beside, "beside")
    _boolean(op.array, "array")
    return _columns(op.columns, width), "matrix"


def _fill(op: ops.Fill, width: int) -> tuple[int, str]:
    count = _columns(op.columns, width)
    _marker(op.missing)
    _require(op.objects is None or type(op.objects) is bool, "objects must be a bool or None")
    _require(type(op.fill) is tuple and len(op.fill) == count and all(map(_is_plain, op.fill)), "needs one fill a column")
    numbers = all(type(value) in (int, float, bool) for value in op.fill)
    _require(op.objects or numbers, "what fills numbers must be a number")
    return width, "table"


def _missing_cells(op: ops.MissingCells, width: int) -> tuple[int, str]:
    _marker(op.missing)
    _boolean(op.sparse, "sparse")
    _dtype(op.dtype)
    count = _columns(op.columns, width)
    _require(_is_count(op.complete) and op.complete < count, "complete must leave a column to show")
    return count - op.complete, "matrix"


def _marker(missing: Any) -> None:
    one = missing is None or (type(missing) is tuple and len(missing) <= 1 and all(map(_is_plain, missing)))
    _require(one, "missing must be None or a tuple of at most one value")


def _join(op: ops.Join, incoming: Sequence[tuple[int, str]]) -> tuple[int, str]:
    _require(all(what in ("table", "matrix") for _, what in incoming), "it reads tables and matrices alone")
    _boolean(op.objects, "objects")
    _require(type(op.columns) is tuple and len(op.columns) == len(incoming), "needs the columns of each input")
    width = sum(_columns(columns, size) for columns, (size, _) in zip(op.columns, incoming, strict=True))
    _require(width < 2**31, "has too many columns")
    return width, "table"


def _codes(op: ops.Codes, width: int) -> tuple[int, str]:
    count = _columns(op.columns, width)
    _require(type(op.categories) is list and len(op.categories) == count, "needs a list of categories for each column")
    for found in op.categories:
        if isinstance(found, np.ndarray):
            _require(found.ndim == 1 and found.dtype.kind in "biuf", "categories must be 1-d arrays of numbers, or tuples")
            _require(bool((found[1:] > found[:-1]).all()), "categories that are numbers must ascend")
        else:
            _require(type(found) is tuple and all(map(_is_plain, found)), "categories must be strings, numbers, booleans or None")
    _require(type(op.nan) is tuple and len(op.nan) == count and all(type(n) is bool for n in op.nan), "nan: one bool a column")
    _require(op.unknown in ("error", "keep"), f"unknown is {op.unknown!r}, expected 'error' or 'keep'")
    return count, "codes"


def _is_plain(value: Any) -> bool:
    return value is None or type(value) in (str, int, float, bool)


def _one_hot(op: ops.OneHot, width: int) -> tuple[int, str]:
    _ends(op.ends, width, 1)
    _array(op.place, "place", np.int32, (op.ends[-1],))
    _require(_is_count(op.n_outputs) and 0 < op.n_outputs < 2**31, "n_outputs must be a positive number")
    _require(-1 <= int(op.place.min()) and int(op.place.max()) < op.n_outputs, "a place is beyond the outputs")
    _require(op.dtype in ("float64", "float32", "rows"), f"dtype is {op.dtype!r}, expected 'float64', 'float32' or 'rows'")
    _boolean(op.dense, "dense")
    return op.n_outputs, "matrix"


def _lookup(op: ops.Lookup, width: int) -> tuple[int, str]:
    _ends(op.ends, width, 1)
    fits = isinstance(op.values, np.ndarray) and op.values.dtype in (np.float64, np.float32) and op.values.ndim == 2
    _require(fits and len(op.values) == op.ends[-1], "needs rows of floats, one a code")
    _boolean(op.rows, "rows")
    return width * op.values.shape[1], "matrix"


def _cells(op: ops.Cells, width: int) -> tuple[int, str]:
    _ends(op.ends, width, 0)
    _array(op.edges, "edges", np.float64, (op.ends[-1],))
    _require(op.dtype in ("float64", "float32", "rows"), f"dtype is {op.dtype!r}, expected 'float64', 'float32' or 'rows'")
    return width, "codes"


def _ends(ends: Any, width: int, least: int) -> None:
    _require(type(ends) is tuple and len(ends) == width and all(map(_is_count, ends)), "needs one end a column")
    _require(all(a + least <= b for a, b in zip((0, *ends), ends, strict=False)), "ends must ascend")


def _column_ufunc(op: ColumnUfunc, width: int) -> tuple[int, str]:
    validate_columns.check_name(op)
    _columns(op.columns, width)
    return width, "table"


def _documents(op: ops.Documents, width: int) -> tuple[int, str]:
    _require(_is_count(op.column) and op.column < width, f"column must be in 0 .. {width - 1}")
    return 1, "documents"


_CHECKS: Mapping[str, Callable[[Any, int], tuple[int, str]]] = MappingProxyType(
    {
        "Cells": _cells,
        "Codes": _codes,
        "ColumnUfunc": _column_ufunc,
        "Documents": _documents,
        "Fill": _fill,
        "Lookup": _lookup,
        "MissingCells": _missing_cells,
        "Numbers": _numbers,
        "OneHot": _one_hot,
    }
)
OPS = frozenset((*_CHECKS, "Join"))
