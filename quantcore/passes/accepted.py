"""Drawn rows that a Plan takes: logarithms, powers and splines refuse some."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from quantcore.plan import INPUT, Plan, Table
from quantcore.plan.ops import Affine, ColumnUfunc, Power, Quantiles, RecordOp, Spline, Ufunc
from quantcore.runtime.execute import Executor

__all__ = ["accepted"]


def accepted(plan: Plan, rows: Any, seed: int) -> Any:
    """The rows, or others like them, without those that the Plan refuses; None if it refuses all.

    Parameters
    ----------
    plan : Plan
    rows : ndarray or Table
        Drawn, and checked.
    seed : int
    """
    if not any(isinstance(op, ColumnUfunc | Power | RecordOp | Spline | Ufunc) for op in plan.ops):
        return rows
    executor = Executor(plan, native=False)
    position = next(iter(plan.outputs.values()))

    def takes(some: Any) -> bool:
        try:
            executor.value_at(position, some)
        except (AttributeError, TypeError, ValueError):
            return False
        return True

    best = None
    for some in _candidates(plan, rows, np.random.default_rng(seed)):
        if takes(some):
            return some
        count = some.n_rows if isinstance(some, Table) else len(some)
        kept = [i for i in range(count) if takes(_of(some, [i]))]
        if len(kept) > (0 if best is None else len(best[1])):
            best = some, kept
    return None if best is None else _of(*best)


def _of(rows: Any, kept: list[int]) -> Any:
    return rows.take_rows(np.array(kept)) if isinstance(rows, Table) else rows[kept]


def _candidates(plan: Plan, rows: Any, random: np.random.Generator) -> Iterator[Any]:
    yield rows
    if isinstance(rows, Table):
        yield replace(rows, columns=tuple(map(_positive, rows.columns)))
        return
    share = 0.5 + 0.4 * np.tanh(random.normal(size=rows.shape))  # of what the first op knows of its columns
    for op in plan.ops:
        if INPUT not in op.inputs:
            continue
        if isinstance(op, Spline):
            low, high = op.knots[:, op.degree], op.knots[:, -op.degree - 1]
            yield low + (high - low) * share
        elif isinstance(op, Quantiles):
            yield np.take_along_axis(op.quantiles, (share * len(op.quantiles)).astype(np.int64), axis=0)
        elif isinstance(op, Affine):
            scale = 1.0 if op.scale is None else op.scale
            shift = 0.0 if op.shift is None else op.shift
            yield (share - shift) / scale if op.product else shift + scale * (2.0 * share - 1.0)
    yield share
    yield np.abs(rows) + 1.0


def _positive(column: NDArray[Any] | None) -> NDArray[Any] | None:
    if column is None or (column.dtype.kind == "O" and not all(isinstance(v, int | float) for v in column)):
        return column
    return np.asarray(np.abs(column) + 1, column.dtype)
