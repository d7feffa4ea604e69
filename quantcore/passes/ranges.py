"""In what range the numbers of a table's columns lie, as far as the model itself says: from scalers, fills and thresholds."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from quantcore.plan import INPUT, Op, Plan
from quantcore.plan.ops import Affine, Cells, Columns, Concat, Impute, Lookup, MissingCells, Numbers, OneHot, Take, Trees

__all__ = ["ranges"]

Places = list[int | None]  # of each column of an op's result, the caller's column whose values it holds


class _Found:
    """Centre and spread of each of the caller's columns; NaN where nothing is known."""

    def __init__(self, plan: Plan) -> None:
        self.plan = plan
        self.centre = np.full(plan.n_features_in or 0, np.nan)
        self.spread = np.full(plan.n_features_in or 0, np.nan)

    def note(self, places: Places, centre: NDArray[np.float64], spread: NDArray[np.float64]) -> None:
        """What a scaler or thresholds say stands over what a fill says."""
        for place, middle, width in zip(places, centre.tolist(), spread.tolist(), strict=True):
            if place is not None and np.isfinite(middle) and np.isfinite(width) and np.isnan(self.spread[place]):
                self.centre[place], self.spread[place] = middle, width

    def follow(self, position: int, places: Places) -> None:
        """Look at all that reads the result at a position."""
        for at, op in enumerate(self.plan.ops):
            if position not in op.inputs:
                continue
            if isinstance(op, Impute):
                self.follow(at, places)
                self.note(places, op.fill, np.maximum(np.abs(op.fill) / 2, 1.0))
            elif isinstance(op, Columns | Take):
                index = op.index.tolist() if isinstance(op, Columns) else op.columns
                self.follow(at, [places[i] for i in index])
            elif isinstance(op, Concat):
                self._follow_joined(at, op, position, places)
            elif isinstance(op, Affine):
                self._scaler(op, places)
            elif isinstance(op, Trees):
                self._ends(places, op.feature.tolist(), op.ends.tolist(), op.threshold)
            elif isinstance(op, Cells):
                self._ends(places, list(range(len(op.ends))), list(op.ends), op.edges)

    def _follow_joined(self, at: int, op: Concat, position: int, places: Places) -> None:
        whole: Places = []
        for source, weight in zip(op.inputs, op.weights, strict=True):
            width = len(places) if source == position else _width(self.plan, source)
            if width is None:
                return  # what comes after it can't be told apart
            whole += places if source == position and weight == 1.0 else [None] * width
        self.follow(at, whole)

    def _scaler(self, op: Affine, places: Places) -> None:
        ones = np.ones(len(places))
        shift = ones * 0.0 if op.shift is None else op.shift
        scale = ones if op.scale is None else op.scale
        with np.errstate(all="ignore"):
            if op.product:  # to about 0 .. 1
                self.note(places, (0.5 - shift) / scale, np.abs(0.3 / scale))
            else:
                self.note(places, shift, np.abs(scale))

    def _ends(self, places: Places, columns: list[int], ends: list[int], values: NDArray[np.float64]) -> None:
        start = 0
        for column, end in zip(columns, ends, strict=True):
            found = values[start:end].astype(np.float64)
            found = found[np.isfinite(found)]
            if len(found):
                low, high = float(found.min()), float(found.max())
                self.note([places[column]], np.array([(low + high) / 2]), np.array([max((high - low) / 2, abs(low) / 4, 0.5)]))
            start = end


def ranges(plan: Plan) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Centre and spread of the values of each of the caller's columns; 0 and 1 where the model says nothing.

    Parameters
    ----------
    plan : Plan
        Over tables.
    """
    found = _Found(plan)
    for position, op in enumerate(plan.ops):
        if isinstance(op, Numbers) and op.inputs == (INPUT,):
            found.follow(position, [*op.columns.tolist()])
    return np.nan_to_num(found.centre, nan=0.0), np.nan_to_num(found.spread, nan=1.0)


def _width(plan: Plan, position: int) -> int | None:
    """Number of columns of a result; None where an op does not say it."""
    op: Op = plan.ops[position]
    if isinstance(op, Numbers | MissingCells):
        return len(op.columns)
    if isinstance(op, OneHot):
        return op.n_outputs
    if isinstance(op, Lookup):
        return len(op.ends) * int(op.values.shape[1])
    if isinstance(op, Columns):
        return len(op.index)
    if isinstance(op, Affine | Impute) and op.inputs[0] >= 0:
        return _width(plan, op.inputs[0])
    return None
