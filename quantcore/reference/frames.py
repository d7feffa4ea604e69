"""What a caller may pass where a Plan reads a table: data frames, dicts of columns, records, arrays.

========================================  ==========================================================================
form                                      columns are found
========================================  ==========================================================================
data frame of pandas, polars or Arrow     as scikit-learn finds them: by name in any order, beside others, where the
                                          source's first step is a ColumnTransformer that was fitted on names; else
                                          the names have to be those of the source, in that order; by position where
                                          either has none
dict of columns, dict of values (one      by name, in any order; others are refused but where a frame may have them
row), list of dicts (one a row)
2-d array, list of rows                   by position
========================================  ==========================================================================

The values are those that scikit-learn would see (:mod:`quantcore.reference.cells`). pandas, polars and Arrow are told by what
their objects offer.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from quantcore.plan import Plan
from quantcore.plan.table import Table
from quantcore.reference import cells
from quantcore.reference.inputs import require_rows

__all__ = ["needed_columns", "read"]

Array = NDArray[Any]
_SHOWN = 5
_KINDS = 8  # of data frames, whose names are checked once


def needed_columns(plan: Plan) -> list[int]:
    """The columns of the caller's table that some op reads, ascending."""
    return list(plan.schema.columns)


def read(plan: Plan, X: Any) -> Table:
    """The columns that a Plan reads, checked.

    Parameters
    ----------
    plan : Plan
        Over tables.
    X : data frame, dict of columns, dict of values, list of dicts, 2-d array, or list of rows

    Raises
    ------
    ValueError, TypeError
        As scikit-learn raises them for the same input.
    """
    if isinstance(X, (dict, Mapping)):
        return _of_dict(plan, X)
    if isinstance(X, (list, tuple)):
        return _of_records(plan, X) if X and isinstance(X[0], (dict, Mapping)) else _of_array(plan, _of_lists(X))
    if isinstance(X, np.ndarray):
        return _of_array(plan, X)
    if hasattr(X, "iloc") and hasattr(X, "columns"):
        return _of_frame(plan, X.columns, len(X), _pandas_columns(X), cells.of_pandas)
    if hasattr(X, "get_columns"):
        return _of_frame(plan, X.columns, X.shape[0], lambda i: X[:, i], cells.of_polars)
    if hasattr(X, "column_names") and hasattr(X, "num_rows"):
        return _of_frame(plan, X.column_names, X.num_rows, X.column, cells.of_arrow)
    if hasattr(X, "tocsr"):
        raise TypeError("a sparse matrix was passed, but this model reads a table; pass X.toarray()")
    return _of_array(plan, np.asarray(X))


def _table(plan: Plan, columns: Iterable[tuple[int, Array]], n_rows: int) -> Table:
    require_rows(n_rows)
    found: list[Array | None] = [None] * (plan.n_features_in or 0)
    for i, values in columns:
        found[i] = values
    return Table(n_rows, tuple(found), plan.feature_names_in)


# ------------------------------------------------------------------- by position


def _of_lists(X: Sequence[Any]) -> Array:
    try:
        return np.array(X, object)
    except ValueError as error:
        raise ValueError(f"the rows differ in length or shape ({error}); pass rows of equal length") from None


def _of_array(plan: Plan, X: Array) -> Table:
    if isinstance(X, np.matrix):
        raise TypeError("np.matrix is not supported; pass np.asarray(X)")
    if X.ndim != 2:
        hint = "; for one row pass [row], or a dict of its values" if X.ndim == 1 else ""
        raise ValueError(f"expected a data frame, a dict, records or a 2-d array, got an array of shape {X.shape}{hint}")
    _check_width(plan, X.shape[1])
    schema, called = plan.schema, _called(plan)
    kind = X.dtype.kind
    whole = X if kind in "biufcmM" else np.asarray(X, object)
    pairs = ((i, cells.of_array(whole[:, i], called(i), number=i in schema.floats)) for i in schema.columns)
    return _table(plan, pairs, len(X))


def _check_width(plan: Plan, width: int) -> None:
    if width != plan.n_features_in:
        raise ValueError(f"the input has {width} features, but this model was fitted on {plan.n_features_in}")


def _called(plan: Plan) -> Callable[[int], str]:
    names = plan.feature_names_in
    return (lambda i: f"column {i}") if names is None else lambda i: f"column {names[i]!r}"


# ------------------------------------------------------------------- data frames


def _pandas_columns(X: Any) -> Callable[[int], Any]:
    # A Series for each column takes longer than all else here; pandas itself asks for its arrays in this way.
    return getattr(X, "_get_column_array", None) or (lambda i: X.iloc[:, i].array)


def _of_frame(plan: Plan, names: Any, n_rows: int, column: Callable[[int], Any], convert: Callable[..., Array]) -> Table:
    schema, called = plan.schema, _called(plan)
    given = tuple(names.tolist() if hasattr(names, "tolist") else names)
    places = schema.places.get(given)
    if places is None:
        places = _places(plan, given)
        if len(schema.places) < _KINDS:
            schema.places[given] = places
    require_rows(n_rows)
    pairs = ((i, convert(column(at), called(i), number=i in schema.floats)) for i, at in zip(schema.columns, places, strict=True))
    return _table(plan, pairs, n_rows)


def _places(plan: Plan, names: tuple[Any, ...]) -> Sequence[int]:
    """Where a data frame holds the columns that are read."""
    place = {name: at for at, name in enumerate(names)}
    if len(place) < len(names):
        twice = list(dict.fromkeys(name for at, name in enumerate(names) if place[name] != at))
        raise ValueError(f"columns are there more than once: {twice[:_SHOWN]}; names have to be unique")
    texts = sum(isinstance(name, str) for name in names)
    if 0 < texts < len(names):
        kinds = sorted({type(name).__name__ for name in names})
        raise TypeError(f"the names of the columns are of the types {kinds}; scikit-learn takes strings, or none at all")
    known, wanted = plan.feature_names_in, plan.schema.columns
    if known is None or (not texts and not plan.by_name):
        _check_width(plan, len(names))
        return wanted
    if not texts:
        raise TypeError(f"columns are found by their names, such as {known[wanted[0]]!r}; the names of this frame are no strings")
    if not plan.by_name:
        if names != known:
            raise ValueError(_unlike(known, names))
        return wanted
    try:
        return [place[known[i]] for i in wanted]
    except KeyError:
        raise ValueError(f"columns are missing: {[known[i] for i in wanted if known[i] not in place]}") from None


def _unlike(known: tuple[str, ...], names: Iterable[Any]) -> str:
    """How names differ from those of the source."""
    given = list(names)
    lines = ["The feature names should match those that were passed during fit."]
    for title, found in (
        ("Feature names unseen at fit time:", {*given} - {*known}),
        ("Feature names seen at fit time, yet now missing:", {*known} - {*given}),
    ):
        if found:
            shown = sorted(map(str, found))
            lines += [title, *(f"- {name}" for name in shown[:_SHOWN]), *(["- ..."] if len(shown) > _SHOWN else [])]
    if len(lines) == 1:
        lines.append("Feature names must be in the same order as they were in fit.")
    return "\n".join(lines)


# --------------------------------------------------------------- dicts and records


def _names(plan: Plan) -> tuple[str, ...]:
    if plan.feature_names_in is None:
        raise ValueError("the source was fitted without column names; pass a 2-d array, or a list of rows")
    return plan.feature_names_in


def _check_keys(plan: Plan, row: Mapping[Any, Any], where: str) -> None:
    """All names are there, and no others but where a data frame may have them too."""
    names = _names(plan)
    wanted = [names[i] for i in plan.schema.columns] if plan.by_name else names
    missing = [name for name in wanted if name not in row]
    if missing:
        raise ValueError(f"columns are missing: {missing}{where}")
    if not plan.by_name and len(row) > len(names):
        raise ValueError(_unlike(names, row) + where)


def _of_dict(plan: Plan, X: Mapping[Any, Any]) -> Table:
    names, schema = _names(plan), plan.schema
    _check_keys(plan, X, "")
    members = [X[names[i]] for i in schema.columns]
    columns = [cells.is_column(member) for member in members]
    if not any(columns):
        pairs = (
            (i, cells.of_values([member], number=i in schema.numbers, none=i in schema.none))
            for i, member in zip(schema.columns, members, strict=True)
        )
        return _table(plan, pairs, 1)
    if not all(columns):
        value, column = (names[schema.columns[columns.index(kind)]] for kind in (False, True))
        raise TypeError(
            f"{value!r} is a {type(X[value]).__name__} and {column!r} a {type(X[column]).__name__}; "
            "pass a dict of columns, or, for one row, a dict of values"
        )
    called = _called(plan)
    pairs_ = [
        (i, cells.of_column(m, called(i), number=i in schema.floats, alone=i in schema.numbers, none=i in schema.none))
        for i, m in zip(schema.columns, members, strict=True)
    ]
    first, values = pairs_[0]
    for i, other in pairs_:
        if len(other) != len(values):
            raise ValueError(f"{called(first)} has {len(values)} rows, {called(i)} has {len(other)}; columns are of one length")
    return _table(plan, pairs_, len(values))


def _of_records(plan: Plan, X: Sequence[Any]) -> Table:
    names, schema = _names(plan), plan.schema
    if not plan.by_name or not all(type(row) is dict for row in X):
        for at, row in enumerate(X):
            if not isinstance(row, Mapping):
                raise TypeError(f"row {at} is a {type(row).__name__}, expected a dict as row 0 is")
            _check_keys(plan, row, f" in row {at}")

    def column(i: int) -> Array:
        name = names[i]
        return cells.of_values([row[name] for row in X], number=i in schema.numbers, none=i in schema.none)

    try:
        return _table(plan, [(i, column(i)) for i in schema.columns], len(X))
    except KeyError:
        for at, row in enumerate(X):
            _check_keys(plan, row, f" in row {at}")
        raise
