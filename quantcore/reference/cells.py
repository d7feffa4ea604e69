"""One column of a caller's table as an array, with the values that scikit-learn would see.

Nothing is imported for pandas, polars and Arrow: their columns are told by what they offer.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["is_column", "of_array", "of_arrow", "of_column", "of_pandas", "of_polars", "of_values"]

_SCALARS = (str, int, float, bool, type(None))
_NAN = float("nan")
Array = NDArray[Any]


def of_array(values: Any, name: str, *, number: bool) -> Array:
    """A 1-d array as a column: numbers and booleans as they are, all else as objects.

    Parameters
    ----------
    values : ndarray, shape (n_rows,)
    name : str
        What a message calls it.
    number : bool
        It is read as numbers.
    """
    dtype = values.dtype
    if dtype.kind in "biuf":
        if not dtype.isnative or dtype.itemsize > 8:  # of long doubles scikit-learn makes float64 too
            return np.asarray(values, np.float64 if dtype.itemsize > 8 else dtype.newbyteorder("="))
        return np.asarray(values)
    if dtype.kind == "c":
        raise ValueError(f"{name} holds complex numbers; pass real and imaginary parts as columns of their own")
    if dtype.kind in "mM":
        refuse = TypeError if number else ValueError
        raise refuse(f"{name} holds dates or durations ({dtype}); convert it as it was when the model was fitted")
    return np.asarray(values, object)


def of_values(values: Iterable[Any], *, number: bool, none: bool) -> Array:
    """Python's own values, of a list or of JSON records, as a column.

    None is a missing value: NaN, as pandas makes of it, but where the source was fitted on objects with None among them. What a
    value means does not depend on the others of its column, as it would in a data frame.

    Parameters
    ----------
    values : iterable
    number : bool
        It is read as numbers alone.
    none : bool
        The source tells None from NaN.
    """
    listed = values if isinstance(values, list) else list(values)
    if number:
        try:
            return np.array(listed, np.float64) if all(map(_is_number, listed)) else _objects(listed)
        except OverflowError:
            return _objects(listed)
    return _objects(listed if none else [_NAN if v is None else v for v in listed])


def _is_number(value: Any) -> bool:
    return value is None or isinstance(value, (float, int))


def _objects(values: list[Any]) -> Array:
    return np.fromiter(values, object, len(values))


def of_pandas(values: Any, name: str, *, number: bool) -> Array:
    """A pandas array (of an own or of NumPy's dtype)."""
    if type(values) is np.ndarray:
        return of_array(values, name, number=number)
    dtype = values.dtype
    # scikit-learn makes float64 of nullable numbers, also where none is missing, and of categories that are booleans.
    if dtype.kind in "biuf" and type(getattr(dtype, "na_value", None)).__name__ == "NAType":
        return of_array(values.to_numpy(np.float64, na_value=_NAN), name, number=number)
    categories = getattr(dtype, "categories", None)
    if categories is not None and categories.dtype.kind == "b":
        return of_array(np.asarray(values, np.float64), name, number=number)
    # Of strings to_numpy takes half the time that NumPy's way to the same function does.
    return of_array(values.to_numpy() if hasattr(values, "to_numpy") else np.asarray(values), name, number=number)


def of_polars(values: Any, name: str, *, number: bool) -> Array:
    """A polars Series: null is NaN among numbers, None elsewhere."""
    return of_array(values.to_frame().to_numpy()[:, 0], name, number=number)  # which makes float32 of small integers with nulls


def of_arrow(values: Any, name: str, *, number: bool) -> Array:
    """An Arrow array, in one piece or in chunks: null is NaN among numbers, None elsewhere."""
    whole = hasattr(values, "num_chunks")
    if hasattr(values.type, "value_type") and hasattr(values.type, "index_type"):  # of a dictionary to_numpy makes nulls entries
        values = values.cast(values.type.value_type)
    return of_array(values.to_numpy() if whole else values.to_numpy(zero_copy_only=False), name, number=number)


def is_column(value: Any) -> bool:
    """Whether a member of a dict is a column, not one value."""
    if type(value) in _SCALARS or isinstance(value, (str, bytes, Mapping, np.generic)):
        return False
    return value.ndim > 0 if isinstance(value, np.ndarray) else hasattr(value, "__len__") and hasattr(value, "__getitem__")


def of_column(values: Any, name: str, *, number: bool, alone: bool, none: bool) -> Array:
    """A member of a dict of columns.

    Parameters
    ----------
    values : list, tuple, 1-d array, or column of pandas, polars or Arrow
    name : str
    number : bool
        It is read as numbers.
    alone : bool
        And as nothing else.
    none : bool
        The source tells None from NaN.
    """
    if isinstance(values, (list, tuple)):
        return of_values(values, number=alone, none=none)
    if hasattr(values, "iloc"):
        return of_pandas(values.array, name, number=number)
    if hasattr(values, "num_chunks") or hasattr(values, "null_count") and hasattr(values, "to_pylist"):
        return of_arrow(values, name, number=number)
    if hasattr(values, "to_numpy"):
        return of_pandas(values, name, number=number) if hasattr(values, "isna") else of_polars(values, name, number=number)
    array = np.asarray(values) if hasattr(values, "__array__") else _objects(list(values))
    if array.ndim != 1:
        raise ValueError(f"{name} has shape {array.shape}, expected one value a row")
    found = of_array(array, name, number=number)
    return of_values(found.tolist(), number=alone, none=none) if found.dtype == object else found
