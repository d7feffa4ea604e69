"""Records: rows that hold features by name. How they are read, and NamedFeatures and HashedFeatures."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from numbers import Number
from typing import Any

import numpy as np
from numpy.typing import NDArray

from quantcore.plan import Plan
from quantcore.plan.csr import Csr
from quantcore.plan.record_ops import HashedFeatures, NamedFeatures
from quantcore.reference.inputs import canonical
from quantcore.reference.murmur import murmur3_32

__all__ = ["hashed_features", "hashed_terms", "named_features", "read"]


def read(plan: Plan, X: Any) -> list[Any]:
    """The records of an iterable; generators within are read too, since several ops may look at them.

    Parameters
    ----------
    plan : Plan
    X : iterable of mappings, or of iterables; one mapping where the source takes that
    """
    if isinstance(X, Mapping) and any(isinstance(op, NamedFeatures) for op in plan.ops):
        X = [X]
    try:
        found = list(X)
    except TypeError as error:
        raise TypeError(f"expected an iterable of records, got {type(X).__name__} ({error}); pass a list") from None
    if not found:
        raise ValueError("expected at least one record, got none")
    return [list(x) if isinstance(x, Iterator) else x for x in found]


def named_features(op: NamedFeatures, records: list[Any]) -> Csr | NDArray[Any]:
    """Values of named features, strings among them as features of their own."""
    known = {name: place for place, name in enumerate(op.features())}
    dtype: Callable[[Any], Any] = np.float32 if op.dtype == "float32" else np.float64
    columns: list[int] = []
    values: list[Any] = []
    ends = [0]
    for record in records:
        for name, value in _items(record):
            for feature, number in _features(name, value, op.separator):
                place = known.get(feature)
                if place is not None:
                    columns.append(place)
                    values.append(dtype(number))
        ends.append(len(columns))
    found = canonical(Csr(np.array(ends, np.int64), np.array(columns, np.int64), np.array(values, op.dtype), len(known)))
    return found.toarray() if op.dense else found


def _items(record: Any) -> Any:
    if not hasattr(record, "items"):
        raise AttributeError(f"expected records to be mappings of names to values, got {type(record).__name__}; pass dicts")
    return record.items()


def _features(name: Any, value: Any, separator: str) -> Iterator[tuple[Any, Any]]:
    if isinstance(value, str):
        yield str(name) + separator + value, 1
    elif isinstance(value, Number) or value is None:
        yield name, value
    elif isinstance(value, Mapping) or not isinstance(value, Iterable):
        raise TypeError(f"feature {name!r} is a {type(value).__name__}; expected a number, a string or a list of strings")
    else:
        for each in value:
            if not isinstance(each, str):
                raise TypeError(f"feature {name!r} holds a {type(each).__name__} in a list; expected strings alone")
            yield str(name) + separator + each, 1


def hashed_features(op: HashedFeatures, records: list[Any]) -> Csr:
    """Values summed at the hashes of their names."""
    return canonical(hashed_terms(op, records))


def hashed_terms(op: HashedFeatures, records: list[Any]) -> Csr:
    """The values before those of one column are summed."""
    columns: list[int] = []
    values: list[float] = []
    ends = [0]
    if op.source == "string" and records and isinstance(records[0], str):
        raise ValueError("expected records to be iterables of strings, got single strings; pass a list of lists")
    for record in records:
        for name, value in _pairs(op, record):
            if isinstance(value, str):
                name, number = str(name) + "=" + value, 1.0
            else:
                number = _number(name, value)
            if number == 0.0:
                continue
            if isinstance(name, str):
                name = name.encode("utf-8")
            elif not isinstance(name, bytes):
                raise TypeError(f"feature names must be strings, got {name!r}")
            h = murmur3_32(name)
            columns.append(abs(h) % op.n_features)
            values.append(-number if op.alternate_sign and h < 0 else number)
        ends.append(len(columns))
    return Csr(np.array(ends, np.int64), np.array(columns, np.int64), np.array(values, op.dtype), op.n_features)


def _pairs(op: HashedFeatures, record: Any) -> Iterable[tuple[Any, Any]]:
    if op.source == "string":
        return ((name, 1.0) for name in record)
    return _items(record) if op.source == "dict" else record  # type: ignore[no-any-return]


def _number(name: Any, value: Any) -> float:
    # As C converts it: by __float__ or __index__, never from a string.
    try:
        return float(value) if not isinstance(value, bytes | bytearray) else float(None)  # type: ignore[arg-type]
    except TypeError:
        raise TypeError(f"feature {name!r} is a {type(value).__name__}; expected a number or a string") from None
