"""What the ops of a Plan read of the caller's table."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import cached_property
from typing import Any

import numpy as np

from quantcore.plan.op import INPUT, Op
from quantcore.plan.record import Record
from quantcore.plan.table_ops import Codes, Fill, Join, MissingCells, Numbers

__all__ = ["Schema", "schema_of", "values_of"]

_CHANGE_COLUMNS = ("Fill", "ColumnUfunc")


class Schema(Record):
    """The caller's columns as a Plan's ops read them.

    Parameters
    ----------
    columns : tuple of int
        Those that some op reads, ascending.
    numbers : frozenset of int
        Those that are read as floats alone.
    floats : frozenset of int
        Those that are read as floats, be it beside something else.
    none : frozenset of int
        Those of which some op tells None from NaN: the source was fitted on objects with None among them.
    tables : frozenset of int
        Positions of the results that hold the caller's columns, the caller's own table among them.
    """

    columns: tuple[int, ...]
    numbers: frozenset[int]
    floats: frozenset[int]
    none: frozenset[int]
    tables: frozenset[int]

    @cached_property
    def places(self) -> dict[tuple[Any, ...], Sequence[int]]:
        """Where data frames of some names hold these columns: what whoever reads them remembers."""
        return {}


def schema_of(ops: tuple[Op, ...]) -> Schema:
    """The schema of a Plan's ops."""
    # Some ops pass the caller's table on with its columns changed: what reads their result reads the caller's columns too.
    aligned = {INPUT}
    floats: set[int] = set()
    others: set[int] = set()
    none: set[int] = set()
    origins: dict[int, list[int | None]] = {}
    for position, op in enumerate(ops):
        if made := _origins(op, aligned, origins):
            origins[position] = made
        of = origins.get(op.inputs[0])
        if of is not None and op.inputs[0] not in aligned:  # tables that others make of the caller's columns
            none.update(of[i] for i in _knows_none(op) if i < len(of) and of[i] is not None)  # type: ignore[misc]
        if not aligned.intersection(op.inputs):
            continue
        found = {*_columns(op, aligned)}
        if isinstance(op, Numbers) and op.inputs == (INPUT,):
            floats |= found
        else:
            others |= found
        none.update(_knows_none(op))
        if op.kind in _CHANGE_COLUMNS:
            aligned.add(position)
    return Schema(
        columns=tuple(sorted(floats | others)),
        numbers=frozenset(floats - others),
        floats=frozenset(floats),
        none=frozenset(none),
        tables=frozenset(aligned),
    )


def _origins(op: Op, aligned: set[int], known: dict[int, list[int | None]]) -> list[int | None]:
    """Which of the caller's columns each column of a table is that an op makes of others."""
    if op.kind in _CHANGE_COLUMNS:
        return known.get(op.inputs[0], [])
    if not isinstance(op, Join):
        return []
    found: list[int | None] = []
    for source, part in zip(op.inputs, op.columns, strict=True):
        listed = np.asarray(part).tolist()
        of = known.get(source, [])
        found += listed if source in aligned else [of[i] if i < len(of) else None for i in listed]
    return found


def values_of(ops: tuple[Op, ...], schema: Schema) -> Iterator[tuple[int, list[Any]]]:
    """Columns and the values that the ops know of them: categories, NaN among them. A column may come more than once."""
    for op in ops:
        if isinstance(op, Codes) and op.inputs[0] in schema.tables:
            for index, known, nan in zip(op.columns.tolist(), op.categories, op.nan, strict=True):
                listed = known.tolist() if isinstance(known, np.ndarray) else list(known)
                yield index, [*listed, *([float("nan")] if nan else [])]


def _columns(op: Op, aligned: set[int]) -> Iterator[int]:
    """The columns that an op reads of the inputs that are the caller's table."""
    named = getattr(op, "columns", None)
    if isinstance(named, np.ndarray):
        yield from named.tolist()
    elif isinstance(named, tuple):  # of each input
        for source, part in zip(op.inputs, named, strict=True):
            if source in aligned:
                yield from np.asarray(part).tolist()
    elif (column := getattr(op, "column", None)) is not None:
        yield column


def _knows_none(op: Any) -> Iterator[int]:
    if isinstance(op, Codes):
        for index, known in zip(op.columns.tolist(), op.categories, strict=True):
            if isinstance(known, tuple) and None in known:
                yield index
    elif isinstance(op, Fill | MissingCells) and op.missing == (None,):
        yield from op.columns.tolist()
