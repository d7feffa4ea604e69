"""What a caller may pass where a Plan reads a table: data frames, dicts of columns, lists of dicts, arrays.

Nothing is imported for them: pandas, polars and Arrow are told by what their objects offer.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from quantcore.plan import INPUT, Plan
from quantcore.plan.table import Table
from quantcore.plan.table_ops import Codes, Documents, Fill, Join, MissingCells, Numbers

__all__ = ["needed_columns", "read"]


def needed_columns(plan: Plan) -> list[int]:
    """The columns of the caller's table that some op reads, ascending."""
    found: set[int] = set()
    own = {INPUT}  # what holds the caller's columns at their own places
    for position, op in enumerate(plan.ops):
        if isinstance(op, Join):
            found.update(c for i, columns in zip(op.inputs, op.columns, strict=True) if i in own for c in columns.tolist())
        elif not own.isdisjoint(op.inputs) and isinstance(op, Numbers | Fill | MissingCells | Codes):
            found.update(op.columns.tolist())
        elif isinstance(op, Documents) and not own.isdisjoint(op.inputs):
            found.add(op.column)
        if isinstance(op, Fill) and not own.isdisjoint(op.inputs):
            own.add(position)
    return sorted(found)


def read(plan: Plan, X: Any) -> Table:
    """The columns that a Plan reads, checked.

    Parameters
    ----------
    plan : Plan
        Over tables.
    X : data frame, dict of columns, one dict or a list of dicts, or 2-d array
    """
    needed, names = needed_columns(plan), plan.feature_names_in
    if isinstance(X, Mapping):
        return _of_mapping(X, needed, names, plan.n_features_in or 0)
    if isinstance(X, Sequence) and X and isinstance(X[0], Mapping):
        columns: dict[Any, Any] = {names[i]: _objects([row[names[i]] for row in X]) for i in needed} if names else {}
        return _of_mapping(columns, needed, names, plan.n_features_in or 0)
    if hasattr(X, "columns") and names is not None:
        return _of_mapping({name: X[name] for name in X.columns}, needed, names, plan.n_features_in or 0)
    array = np.asarray(X, None if isinstance(X, np.ndarray) else object)
    if array.ndim != 2:
        raise ValueError(f"expected a table: a data frame or a 2-d array, got shape {array.shape}")
    if array.shape[1] != plan.n_features_in:
        raise ValueError(f"the input has {array.shape[1]} features, but this model was fitted on {plan.n_features_in}")
    return _table([array[:, i] if i in needed else None for i in range(array.shape[1])], len(array))


def _of_mapping(X: Mapping[Any, Any], needed: list[int], names: tuple[str, ...] | None, width: int) -> Table:
    if names is None:
        raise ValueError("the source was fitted without column names; pass a 2-d array")
    missing = [names[i] for i in needed if names[i] not in X]
    if missing:
        raise ValueError(f"columns are missing: {missing}")
    found: list[NDArray[Any] | None] = [None] * width
    for i in needed:
        values = X[names[i]]
        found[i] = _objects(list(values)) if isinstance(values, list | tuple) else np.asarray(values)
    return _table(found, len(found[needed[0]]) if needed else 0)  # type: ignore[arg-type]


def _table(columns: list[NDArray[Any] | None], n_rows: int) -> Table:
    return Table(n_rows, tuple(c if c is None or c.dtype.kind in "biuf" else c.astype(object) for c in columns))


def _objects(values: list[Any]) -> NDArray[Any]:
    out = np.empty(len(values), object)
    out[:] = values
    return out if any(not isinstance(v, int | float) for v in values) else np.array(values)
