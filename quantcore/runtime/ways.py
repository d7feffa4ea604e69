"""What each column of a matrix is made of, followed from the columns of a table through ops that look at single values.

The ops are those of :mod:`quantcore.reference.tables` and :mod:`quantcore.reference.columns`; the compiled reader does the same
operations in the same order, so that its bits are theirs. Whatever it can't do is :class:`NoWay`.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from types import MappingProxyType
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from quantcore.plan import INPUT, Op, Plan
from quantcore.plan.ops import (
    Affine,
    Binarize,
    Cells,
    Codes,
    Columns,
    Concat,
    Fill,
    Impute,
    Lookup,
    Missing,
    MissingCells,
    Numbers,
    OneHot,
    Take,
)
from quantcore.reference import FUNCTIONS

__all__ = ["KINDS", "Coding", "Hot", "NoWay", "Number", "Rows", "Valued", "at"]

# Actions of src/kernels/frame/frame.h.
FILL_NAN, FILL, REPLACE, SUBTRACT, DIVIDE, MULTIPLY, ADD, CLIP, ABOVE, IS_NAN, IS, FINITE, NO_INFINITY = range(13)
REFUSED = -2  # the code of what the reference raises for
_MOST_EXACT = 2**53
_NUMBERS = np.dtype(np.float64)

Step = tuple[int, float, float]


class NoWay(Exception):
    """Why the compiled reader can't do what an op says."""


class Cell(NamedTuple):
    """A column of the caller's table, and the op that fills its gaps."""

    column: int
    marker: Any = ()
    fill: tuple[Any, ...] = ()
    objects: bool | None = False


class Coding(NamedTuple):
    """How a column's values become codes: ``least`` is the lowest that is not refused; ``objects``: compared as Python does,
    whatever the column's dtype; else a column of numbers is refused but where ``numbers`` says that the categories are some."""

    column: int
    known: dict[Any, int]
    of_nan: int
    of_none: int
    least: int
    objects: bool
    numbers: bool = False


class Number(NamedTuple):
    """A column of numbers: what None and NaN are read as, and what is done then; ``wide``: columns of booleans and of integers
    of 8 and 16 bits, which the source makes narrow floats of, are refused."""

    column: int
    none: float
    nan: float
    steps: tuple[Step, ...] = ()
    wide: bool = False

    def then(self, *steps: Step) -> Number:
        """More is done."""
        return self._replace(steps=(*self.steps, *steps))


class Binned(NamedTuple):
    """Numbers that become the number of edges that are not above them."""

    number: Number
    edges: NDArray[np.float64]


class Valued(NamedTuple):
    """A column whose codes have values: one each, and that of the unknown."""

    of: Coding | Binned
    values: NDArray[Any]


class Hot(NamedTuple):
    """Columns of ones: by coding the places of its codes, and of the unknown; -1: nowhere."""

    of: tuple[tuple[Coding | Binned, NDArray[np.int32]], ...]
    width: int
    one: Any


Column = Number | Valued | Hot


class Rows(NamedTuple):
    """A matrix: its columns, whether it is CSR, and columns that are only checked."""

    columns: tuple[Column, ...]
    sparse: bool = False
    checks: tuple[Number | Coding, ...] = ()

    @property
    def width(self) -> int:
        return sum(c.width if isinstance(c, Hot) else 1 for c in self.columns)

    @property
    def dtype(self) -> Any:
        return _joint({_dtype(c) for c in self.columns})


class _Table(NamedTuple):
    cells: tuple[Cell, ...]


class _Codes(NamedTuple):
    codings: tuple[Coding | Binned, ...]
    checks: tuple[Number | Coding, ...] = ()


def at(plan: Plan, position: int, known: dict[int, Any] | None = None) -> Rows:
    """The columns of the matrix at a position.

    Parameters
    ----------
    plan : Plan
        Over tables.
    position : int
    known : dict of int to what stands there, or None
        What was found at other positions of this Plan, and where this call leaves what it finds.

    Raises
    ------
    NoWay
        An op on the way looks at more than single values, or does what the compiled reader can't.
    """
    known = {} if known is None else known
    if INPUT not in known:
        known[INPUT] = _Table(tuple(map(Cell, range(plan.n_features_in or 0))))
    for index in needed(plan, position):
        if index in known:
            continue
        op = plan.ops[index]
        follow = _FOLLOW.get(op.kind)
        if follow is None:
            raise NoWay(f"{op.kind} in front of the model")
        known[index] = follow(op, [known[i] for i in op.inputs])
    found = known[position]
    if not isinstance(found, Rows):
        raise NoWay("no matrix is in front of the model")
    return found


def needed(plan: Plan, position: int) -> list[int]:
    """The ops that the result at a position depends on, ascending, itself among them."""
    wanted = {position}
    for index in range(position, -1, -1):
        if index in wanted:
            wanted.update(i for i in plan.ops[index].inputs if i >= 0)
    return sorted(wanted)


# --------------------------------------------------------------------- tables


def _numbers(op: Numbers, given: list[Any]) -> Rows:
    steps: list[Step] = []
    if not op.allow_nan or not op.allow_infinity:
        if not op.allow_nan and op.allow_infinity:
            raise NoWay("numbers that may be infinite, yet not NaN")
        steps = [(NO_INFINITY if op.allow_nan else FINITE, 0.0, 0.0)]
    columns = (_number(given[0].cells[i]).then(*steps) for i in op.columns.tolist())
    return Rows(tuple(column._replace(wide=op.beside) for column in columns))


def _number(cell: Cell) -> Number:
    none = nan = math.nan
    steps: list[Step] = []
    if cell.fill:
        try:
            value = math.nan if cell.fill[0] is None else float(cell.fill[0])
            if not cell.objects or cell.marker == ():
                steps = [(NO_INFINITY, 0.0, 0.0)]
            if cell.marker is None or (cell.marker == () and cell.objects is False):
                none = nan = value
            elif cell.marker == ():
                nan, none = value, math.inf  # None is refused: of objects it is a gap that is not filled
            elif cell.marker == (None,):
                none = value if cell.objects else none
                steps += [(FILL, math.nan, 0.0)]  # NaN is refused
            else:
                steps += [(FILL, float(cell.marker[0]), value)]
        except (TypeError, ValueError, OverflowError):
            raise NoWay("numbers of a column whose gaps are filled with something else") from None
        if math.isnan(value) or cell.marker == (None,):
            raise NoWay("gaps that are filled with gaps")
    return Number(cell.column, none, nan, tuple(steps))


def _fill(op: Fill, given: list[Any]) -> _Table:
    cells = list(given[0].cells)
    for value, i in zip(op.fill, op.columns.tolist(), strict=True):
        if cells[i].fill:
            raise NoWay("gaps that are filled twice")
        cells[i] = Cell(cells[i].column, op.missing, (value,), op.objects)
    return _Table(tuple(cells))


def _codes(op: Codes, given: list[Any]) -> _Codes:
    found = []
    for i, listed, nan in zip(op.columns.tolist(), op.categories, op.nan, strict=True):
        cell: Cell = given[0].cells[i]
        values = listed.tolist() if isinstance(listed, np.ndarray) else list(listed)
        if any(type(v) is int and abs(v) >= _MOST_EXACT for v in values):
            raise NoWay("categories beyond 2^53")
        known = {value: code for code, value in enumerate(values)}
        of_nan = len(values) if nan else -1
        of_none = known.get(None, -1)
        if cell.fill:
            if not cell.objects:
                raise NoWay("categories of columns that are filled as numbers")
            value = cell.fill[0]
            code = of_nan if _is_nan(value) else known.get(value, -1)
            if cell.marker in (None, ()):
                of_nan, of_none = code, code if cell.marker is None else of_none
            else:
                of_nan = REFUSED
                known[cell.marker[0]] = code
                of_none = known.get(None, -1)
        least = 0 if op.unknown == "error" else -1
        found.append(Coding(cell.column, known, of_nan, of_none, least, bool(cell.fill), isinstance(listed, np.ndarray)))
    return _Codes(tuple(found))


def _missing_cells(op: MissingCells, given: list[Any]) -> Rows:
    def coding(i: int, code: int) -> Coding:
        cell: Cell = given[0].cells[i]
        if cell.fill:
            raise NoWay("missing values of a column whose gaps are filled")
        if op.missing is None:
            return Coding(cell.column, {}, code, code, -1, True)
        if not op.missing:
            return Coding(cell.column, {}, code, -1, -1, True)
        known = {op.missing[0]: code}
        return Coding(cell.column, known, REFUSED, known.get(None, -1), -1, True)

    listed = op.columns.tolist()
    shown = len(listed) - op.complete
    values = np.array([1.0, 0.0], op.dtype)
    columns = tuple(Valued(coding(i, 0), values) for i in listed[:shown])
    return Rows(columns, op.sparse, tuple(coding(i, REFUSED) for i in listed[shown:]))


def _is_nan(value: Any) -> bool:
    return isinstance(value, float) and math.isnan(value)


# ---------------------------------------------------------------------- codes


def _slots(ends: tuple[int, ...]) -> Iterator[slice]:
    return (slice(a, b) for a, b in zip((0, *ends), ends, strict=False))


def _one_hot(op: OneHot, given: list[Any]) -> Rows:
    codes: _Codes = given[0]
    of = tuple((coding, op.place[slots]) for coding, slots in zip(codes.codings, _slots(op.ends), strict=True))
    one = "float64" if op.dtype == "rows" else op.dtype  # rows of float32 are left to the reference
    return Rows((Hot(of, op.n_outputs, np.dtype(one).type(1.0)),), not op.dense, codes.checks)


def _lookup(op: Lookup, given: list[Any]) -> Rows:
    codes: _Codes = given[0]
    columns = [
        Valued(coding, np.ascontiguousarray(op.values[slots, k]))
        for coding, slots in zip(codes.codings, _slots(op.ends), strict=True)
        for k in range(op.values.shape[1])
    ]
    return Rows(tuple(columns), False, codes.checks)


def _cells(op: Cells, given: list[Any]) -> _Codes:
    if op.dtype == "float32":
        raise NoWay("intervals of rounded numbers")
    rows = _dense(given[0])
    binned = []
    for column, edges in zip(rows.columns, _slots(op.ends), strict=True):
        if not isinstance(column, Number):
            raise NoWay("intervals of what codes stand for")
        binned.append(Binned(column, op.edges[edges]))
    return _Codes(tuple(binned), rows.checks)


# --------------------------------------------------------------------- matrix


def _dense(rows: Rows) -> Rows:
    if rows.sparse or any(isinstance(c, Hot) for c in rows.columns):
        raise NoWay("ops on a sparse matrix in front of the model")
    return rows


def _mapped(rows: Rows, op: Op, steps: Callable[[int], list[Step]], part: Callable[[int], Op]) -> Rows:
    """Each column through an op: numbers by steps, the values of codes by the reference itself."""

    def through(j: int, column: Any) -> Column:
        if isinstance(column, Number):
            return column.then(*steps(j))
        try:
            values = FUNCTIONS[op.kind](part(j), column.values[:, None])
        except ValueError as error:
            raise NoWay(f"values that are refused: {error}") from None
        return Valued(column.of, values[:, 0])

    return rows._replace(columns=tuple(through(j, column) for j, column in enumerate(rows.columns)))


def _affine(op: Affine, given: list[Any]) -> Rows:
    def of(values: Any, j: int) -> float | None:
        return None if values is None else float(values[j])

    def steps(j: int) -> list[Step]:
        shift, scale = of(op.shift, j), of(op.scale, j)
        if op.product:
            found = [(MULTIPLY, 1.0 if scale is None else scale, 0.0), (ADD, 0.0 if shift is None else shift, 0.0)]
        else:
            found = [(a, v, 0.0) for a, v in ((SUBTRACT, shift), (DIVIDE, scale)) if v is not None]
        return found + ([] if op.clip is None else [(CLIP, float(op.clip[0]), float(op.clip[1]))])

    def part(j: int) -> Op:
        shift, scale = (None if c is None else c[j : j + 1] for c in (op.shift, op.scale))
        found: Op = op.changed(shift=shift, scale=scale)
        return found

    return _mapped(_dense(given[0]), op, steps, part)


def _impute(op: Impute, given: list[Any]) -> Rows:
    def steps(j: int) -> list[Step]:
        value = float(op.fill[j])
        return [(FILL_NAN, value, 0.0)] if op.missing is None else [(FILL, op.missing, value)]

    return _mapped(_dense(given[0]), op, steps, lambda j: op.changed(fill=op.fill[j : j + 1]))


def _binarize(op: Binarize, given: list[Any]) -> Rows:
    return _mapped(_dense(given[0]), op, lambda j: [(FINITE, 0.0, 0.0), (ABOVE, op.threshold, 0.0)], lambda j: op)


def _missing(op: Missing, given: list[Any]) -> Rows:
    rows = _dense(given[0])
    if op.complete is not None or op.sparse:
        raise NoWay("an indicator that is sparse, or checks other columns")
    chosen = rows._replace(columns=tuple(rows.columns[j] for j in op.index.tolist()))
    step = (IS_NAN, 0.0, 0.0) if op.missing is None else (IS, op.missing, 0.0)
    return _mapped(chosen, op, lambda j: [step], lambda j: op.changed(index=np.zeros(1, np.uint32)))


def _columns(op: Columns, given: list[Any]) -> Rows:
    rows = _dense(given[0])
    if not op.allow_nan:
        zero = np.zeros(1, np.uint32)
        rows = _mapped(rows, op, lambda j: [(FINITE, 0.0, 0.0)], lambda j: op.changed(index=zero))
    index = op.index.tolist()
    dropped = [] if op.allow_nan else [c for j, c in enumerate(rows.columns) if j not in index and isinstance(c, Number)]
    return Rows(tuple(rows.columns[j] for j in index), False, (*rows.checks, *dropped))


def _take(op: Take, given: list[Any]) -> Rows:
    rows = _dense(given[0])
    return rows._replace(columns=tuple(rows.columns[j] for j in op.columns))


def _concat(op: Concat, given: list[Any]) -> Rows:
    columns: list[Column] = []
    dtype = _joint({rows.dtype for rows in given})
    for rows, weight in zip(given, op.weights, strict=True):
        columns += (_weighted(column, weight, dtype) for column in rows.columns)
    sparse = any(rows.sparse for rows in given) if op.sparse is None else op.sparse
    return Rows(tuple(columns), sparse, tuple(check for rows in given for check in rows.checks))


def _weighted(column: Column, weight: float, dtype: Any) -> Column:
    if isinstance(column, Number):
        return column if weight == 1.0 else column.then((MULTIPLY, weight, 0.0))
    if isinstance(column, Hot):
        return column._replace(one=dtype.type(column.one * weight if weight != 1.0 else column.one))
    return column._replace(values=(column.values * weight if weight != 1.0 else column.values).astype(dtype))


def _joint(dtypes: set[Any]) -> Any:
    return dtypes.pop() if len(dtypes) == 1 else np.result_type(*dtypes)


def _dtype(column: Column) -> Any:
    if isinstance(column, Number):
        return _NUMBERS
    return column.values.dtype if isinstance(column, Valued) else column.one.dtype


_FOLLOW: MappingProxyType[str, Callable[[Any, list[Any]], Any]] = MappingProxyType(
    {
        "Affine": _affine,
        "Binarize": _binarize,
        "Cells": _cells,
        "Codes": _codes,
        "Columns": _columns,
        "Concat": _concat,
        "Fill": _fill,
        "Impute": _impute,
        "Lookup": _lookup,
        "Missing": _missing,
        "MissingCells": _missing_cells,
        "Numbers": _numbers,
        "OneHot": _one_hot,
        "Take": _take,
    }
)
KINDS = frozenset(_FOLLOW)  # ops that the reader does
