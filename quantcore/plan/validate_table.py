"""Rules of the ops over tables."""

from __future__ import annotations

import operator
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any

import numpy as np

from quantcore.plan import table_ops as ops
from quantcore.plan import validate_columns
from quantcore.plan.column_ops import ColumnUfunc
from quantcore.plan.op import Op
from quantcore.plan.rules import array as _array
from quantcore.plan.rules import boolean as _boolean
from quantcore.plan.rules import is_count as _is_count
from quantcore.plan.rules import require as _require

__all__ = ["OPS", "check", "check_codes"]


def check(op: Op, width: int, what: str) -> tuple[int, str]:
    """Number of columns, and what the op gives, for an input of a width and a kind."""
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
    return _columns(op.columns, width), "matrix"


def _fill(op: ops.Fill, width: int) -> tuple[int, str]:
    count = _columns(op.columns, width)
    _marker(op.missing)
    _require(type(op.fill) is tuple and len(op.fill) == count, "needs one fill a column")
    return width, "table"


def _missing_cells(op: ops.MissingCells, width: int) -> tuple[int, str]:
    _marker(op.missing)
    return _columns(op.columns, width), "matrix"


def _marker(missing: Any) -> None:
    _require(type(missing) is tuple and len(missing) <= 1, "missing must be a tuple of at most one value")


def _codes(op: ops.Codes, width: int) -> tuple[int, str]:
    count = _columns(op.columns, width)
    _require(type(op.categories) is list and len(op.categories) == count, "needs a list of categories for each column")
    for found in op.categories:
        plain = isinstance(found, np.ndarray) and found.ndim == 1 and found.dtype.kind in "biuf"
        _require(plain or type(found) is tuple, "categories must be 1-d arrays of numbers, or tuples")
    _require(type(op.nan) is tuple and len(op.nan) == count and all(type(n) is bool for n in op.nan), "nan: one bool a column")
    _require(op.unknown in ("error", "keep"), f"unknown is {op.unknown!r}, expected 'error' or 'keep'")
    return count, "codes"


def _one_hot(op: ops.OneHot, width: int) -> tuple[int, str]:
    _ends(op.ends, width, 1)
    _array(op.place, "place", np.int32, (op.ends[-1],))
    _require(_is_count(op.n_outputs) and 0 < op.n_outputs < 2**31, "n_outputs must be a positive number")
    _require(int(op.place.max()) < op.n_outputs, "a place is beyond the outputs")
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
OPS = frozenset(_CHECKS)
