"""Rows for a model that came without any: to state how far its scores may be off."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from quantcore.passes.accepted import accepted
from quantcore.passes.ranges import ranges
from quantcore.plan import INPUT, Plan, Table
from quantcore.plan.ops import Affine, Documents, Linear, RecordOp, Text
from quantcore.plan.schema import values_of
from quantcore.runtime import selftest

__all__ = ["drawn_rows", "drawn_table"]

_ROWS = 200
_MOST_NUMBERS = 1 << 22
_SYMBOLS = 20


def drawn_rows(plan: Plan, seed: int) -> Any:
    """Rows that the Plan takes, or None if none are found; see ``_drawn``.

    Parameters
    ----------
    plan : Plan
        The source's.
    seed : int
    """
    rows = _drawn(plan, seed)
    return accepted(plan, rows, seed) if plan.input in ("matrix", "table") else rows


def _drawn(plan: Plan, seed: int) -> Any:
    """Rows as ``predict`` takes them: texts of symbols of the vocabularies, or numbers as a scaler says that columns are spread;
    without one such that all columns weigh alike.
    """
    random = np.random.default_rng(seed)
    if plan.input == "records":
        return selftest.rows(plan)
    if plan.input == "table":
        return drawn_table(plan, _ROWS, seed)
    if plan.input == "text":
        return _texts(plan, random)
    width = plan.n_features_in or 1
    rows = random.normal(size=(max(1, min(_ROWS, _MOST_NUMBERS // width)), width))
    first = [op for op in plan.ops if INPUT in op.inputs]
    scaler = next((op for op in first if isinstance(op, Affine)), None)
    if scaler is not None:
        scale = 1.0 if scaler.scale is None else scaler.scale
        shift = 0.0 if scaler.shift is None else scaler.shift
        return (rows - shift) / scale if scaler.product else rows * scale + shift
    linear = next((op for op in first if isinstance(op, Linear)), None)
    if linear is None:
        return rows
    largest = np.abs(linear.weight).max(axis=1)
    return rows / np.where(largest > 0.0, largest / np.median(largest[largest > 0.0]) if largest.any() else 1.0, 1.0)


def _texts(plan: Plan, random: np.random.Generator) -> list[str]:
    return _documents(plan, random, _ROWS)


def drawn_table(plan: Plan, n_rows: int, seed: int) -> Table:
    """Rows of a table, columns drawn independently: each of a column's categories as often as the others; numbers as scalers,
    fills and thresholds say that they are spread (about 0 where none does); documents as of texts.

    Parameters
    ----------
    plan : Plan
    n_rows : int
    seed : int
    """
    random = np.random.default_rng(seed)
    centre, spread = ranges(plan)
    numbers = centre + spread * random.normal(size=(n_rows, len(centre)))
    columns: list[NDArray[Any] | None] = [None] * len(centre)
    for i in plan.schema.columns:
        columns[i] = numbers[:, i] if i in plan.schema.floats else numbers[:, i].astype(object)
    for op in plan.ops:
        if isinstance(op, Documents) and op.inputs[0] in plan.schema.tables:
            readers = tuple(r for r in plan.ops if isinstance(r, RecordOp) and plan.ops[r.inputs[0]] is op)
            found = selftest.records(readers) * n_rows if readers else _documents(plan, random, n_rows)
            columns[op.column] = _objects(found[:n_rows])
    for index, known in values_of(plan.ops, plan.schema):
        own = columns[index]
        if own is not None and known and (own.dtype == object or all(isinstance(v, int | float) for v in known)):
            picked = [known[i] for i in random.integers(0, len(known), n_rows).tolist()]
            columns[index] = _objects(picked) if own.dtype == object else np.array(picked, np.float64)
    return Table(n_rows, tuple(columns))


def _objects(values: list[Any]) -> NDArray[Any]:
    return np.fromiter(values, object, len(values))


def _documents(plan: Plan, random: np.random.Generator, n_rows: int) -> list[str]:
    known = [op.vocabulary for op in plan.ops if isinstance(op, Text) and op.vocabulary is not None]
    symbols = [s for vocabulary in known for s in vocabulary.symbols()]
    if not symbols:
        return [" ".join(f"w{i}" for i in random.integers(0, 10_000, _SYMBOLS)) for _ in range(n_rows)]
    gap = next((v.separator for v in known if v.separator), " ")
    return [gap.join(symbols[i] for i in random.integers(0, len(symbols), _SYMBOLS)) for _ in range(n_rows)]
