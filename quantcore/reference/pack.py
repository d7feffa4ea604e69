"""What packing means: float32 to int8 and float16, and back."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

__all__ = ["to_float16", "to_float32", "to_int8"]


def to_int8(x: ArrayLike) -> tuple[NDArray[np.int8], NDArray[np.float32]]:
    """Rows → int8 from -127 to 127 and one float32 scale per row, ``x ≈ q * scale``.

    Parameters
    ----------
    x : array of float32, shape (n_rows, n_columns)

    Returns
    -------
    q : ndarray of int8, shape (n_rows, n_columns)
        ``x * (1 / scale)``, rounded to nearest even; the error is at most 0.50002 steps.
    scale : ndarray of float32, shape (n_rows,)
        Largest magnitude / 127, and the smallest normal number where that is less, so that
        its inverse is finite.

    Raises
    ------
    TypeError
        Not float32.
    ValueError
        Not 2-d, or a value that is NaN or inf.
    """
    array = _checked(x, np.dtype(np.float32))
    if array.ndim != 2:
        raise ValueError(f"expected a 2-d array of rows, got {array.ndim}-d of shape {array.shape}; reshape it first")
    _refuse_nonfinite(array)
    largest = np.abs(array).max(axis=1, initial=np.float32(0))
    scale = np.maximum(largest / np.float32(127), np.finfo(np.float32).tiny)
    return np.rint(array * (np.float32(1) / scale)[:, None]).astype(np.int8), scale


def to_float16(x: ArrayLike) -> NDArray[np.float16]:
    """float32 → float16: nearest even, subnormals kept, 65520 and more become inf; NaN and inf raise ValueError."""
    array = _checked(x, np.dtype(np.float32))
    _refuse_nonfinite(array)
    with np.errstate(over="ignore"):
        return array.astype(np.float16)


def to_float32(h: ArrayLike) -> NDArray[np.float32]:
    """float16 → float32, exactly; NaN and inf raise ValueError."""
    array = _checked(h, np.dtype(np.float16))
    _refuse_nonfinite(array)
    return array.astype(np.float32)


def _checked(x: ArrayLike, dtype: np.dtype[Any]) -> NDArray[Any]:
    array = np.asarray(x)
    if array.dtype.newbyteorder("=") != dtype:
        raise TypeError(f"expected an array of {dtype}, got {array.dtype}; convert it first: x.astype(np.{dtype})")
    return array.astype(dtype, copy=False)


def _refuse_nonfinite(array: NDArray[Any]) -> None:
    finite = np.isfinite(array)
    if not finite.all():
        position = np.unravel_index(np.argmin(finite), array.shape)
        where = ", ".join(map(str, position))
        raise ValueError(f"x[{where}] is {array[position]}: only finite values can be packed; clean or impute them first")
