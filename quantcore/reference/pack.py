"""What packing means: float32 and float64 to int8, int16, int4 and float16, and back."""

from __future__ import annotations

from typing import Any, Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

__all__ = ["to_float16", "to_float32", "to_float64", "to_int4", "to_int8", "to_int16"]

Axis = Literal["row", "channel"]
_FLOATS = (np.dtype(np.float32), np.dtype(np.float64))
_PACKED = tuple(map(np.dtype, (np.float16, np.int8, np.int16, np.uint8)))


def to_int8(x: ArrayLike, axis: Axis = "row", group: int | None = None) -> tuple[NDArray[np.int8], NDArray[Any]]:
    """Rows → int8 from -127 to 127 and scales, ``x ≈ q * scale``.

    Parameters
    ----------
    x : array of float32 or float64, shape (n_rows, n_columns)
    axis : {"row", "channel"}
        One scale for every row, or for every column.
    group : int, optional
        With ``axis="row"``: one scale for every so many consecutive values of a row, a multiple
        of 16; the last group of a row may be shorter.

    Returns
    -------
    q : ndarray of int8, shape (n_rows, n_columns)
        ``x * (1 / scale)`` in the dtype of x, rounded to nearest even; from float32 the error is
        at most 0.50002 steps.
    scale : ndarray of x's dtype, shape (n_rows,), (n_columns,) or (n_rows, n_groups)
        Largest magnitude / 127; at least the smallest normal number, so that its inverse is
        finite, and low enough for 127 * scale to be finite.

    Raises
    ------
    TypeError
        Neither float32 nor float64.
    ValueError
        Not 2-d, a value that is NaN or inf, an unknown axis, a group of a length that is not a
        multiple of 16.
    """
    q, scale = _quantized(x, axis, group, 127)
    return q.astype(np.int8), scale


def to_int16(x: ArrayLike, axis: Axis = "row", group: int | None = None) -> tuple[NDArray[np.int16], NDArray[Any]]:
    """As `to_int8`, from -32767 to 32767; from float32 the error is at most 0.506 steps."""
    q, scale = _quantized(x, axis, group, 32767)
    return q.astype(np.int16), scale


def to_int4(x: ArrayLike, axis: Axis = "row", group: int | None = None) -> tuple[NDArray[np.uint8], NDArray[Any]]:
    """As `to_int8`, from -7 to 7, two's complement, two a byte.

    ``q`` has the shape (n_rows, ceil(n_columns / 2)): the even column stands in the low half of its byte, the next one in
    the high half, which is 0 at the end of a row of odd length.
    """
    q, scale = _quantized(x, axis, group, 7)
    nibbles = np.pad(q.astype(np.int8).view(np.uint8) & 15, ((0, 0), (0, q.shape[1] % 2)))
    return nibbles[:, ::2] | nibbles[:, 1::2] << 4, scale


def to_float16(x: ArrayLike) -> NDArray[np.float16]:
    """float32 or float64 → float16, rounded once, to nearest even.

    Subnormals are kept, 65520 and more become inf; NaN and inf raise ValueError.
    """
    array = _checked(x, _FLOATS)
    _refuse_nonfinite(array)
    with np.errstate(over="ignore", under="ignore"):
        return array.astype(np.float16)


def to_float32(
    q: ArrayLike, scale: ArrayLike | None = None, axis: Axis = "row", group: int | None = None, n_columns: int | None = None
) -> NDArray[np.float32]:
    """Packed values → float32.

    Parameters
    ----------
    q : array of float16, int8, int16 or uint8
        float16 of any shape, converted exactly, without the other arguments; else rows as `to_int8`, `to_int16` or
        `to_int4` makes them.
    scale : array of float32
        As packed, with the same ``axis`` and ``group``.
    n_columns : int, optional
        Of int4: 2 * the bytes of a row, or one less.

    Returns
    -------
    x : ndarray of float32
        ``q * scale``, rounded once.

    Raises
    ------
    TypeError
        Another dtype, of q or scale; no scale, or one for float16.
    ValueError
        Shapes that do not fit each other; a float16 or a scale that is NaN or inf.
    """
    return _unpacked(q, scale, axis, group, n_columns, np.dtype(np.float32))


def to_float64(
    q: ArrayLike, scale: ArrayLike | None = None, axis: Axis = "row", group: int | None = None, n_columns: int | None = None
) -> NDArray[np.float64]:
    """As `to_float32`, in float64: exact with float32 scales, which are taken too."""
    return _unpacked(q, scale, axis, group, n_columns, np.dtype(np.float64))


def _quantized(x: ArrayLike, axis: Axis, group: int | None, limit: int) -> tuple[NDArray[Any], NDArray[Any]]:
    array = _checked(x, _FLOATS)
    _check_rows(array)
    _check_layout(axis, group)
    _refuse_nonfinite(array)
    kind = array.dtype.type
    largest = np.abs(array)
    if axis == "channel":
        largest = largest.max(axis=0, initial=kind(0))
    elif group is None:
        largest = largest.max(axis=1, initial=kind(0))
    elif array.shape[1]:
        largest = np.maximum.reduceat(largest, range(0, array.shape[1], group), axis=1)
    info = np.finfo(kind)
    with np.errstate(under="ignore"):
        scale = np.clip(largest / kind(limit), info.tiny, np.nextafter(info.max / kind(limit), kind(0)))
        return np.rint(array * _spread(kind(1) / scale, array.shape[1], axis, group)), scale


def _unpacked(
    q: ArrayLike, scale: ArrayLike | None, axis: Axis, group: int | None, n_columns: int | None, dtype: np.dtype[Any]
) -> NDArray[Any]:
    array = _checked(q, _PACKED)
    if array.dtype == np.float16:
        if scale is not None or axis != "row" or group is not None or n_columns is not None:
            raise TypeError("float16 has no scale: expected the array alone")
        _refuse_nonfinite(array)
        return array.astype(dtype)
    if scale is None:
        raise TypeError(f"{array.dtype} needs the scale that it was packed with")
    factors = _checked(scale, _FLOATS if dtype == np.float64 else _FLOATS[:1])
    _check_rows(array)
    _check_layout(axis, group)
    width = array.shape[1]
    if array.dtype == np.uint8:
        nibbles = np.stack([array & 15, array >> 4], axis=2).reshape(len(array), 2 * width)
        array = (nibbles ^ 8).astype(np.int8) - np.int8(8)
    if n_columns is None:
        n_columns = array.shape[1]
    if not array.shape[1] - (array.shape[1] > width) <= n_columns <= array.shape[1]:
        pairs = " (two int4 each)" if array.shape[1] > width else ""
        raise ValueError(f"n_columns={n_columns} does not fit rows of {width} {np.asarray(q).dtype}{pairs}")
    array = array[:, :n_columns]
    n_groups = -(-n_columns // group) if group else 1
    expected = (n_columns,) if axis == "channel" else (len(array),) if group is None else (len(array), n_groups)
    if factors.shape != expected:
        raise ValueError(f"expected scale of shape {expected}, got {factors.shape}; pass axis and group as in packing")
    _refuse_nonfinite(factors, "scale", "scales can be unpacked")
    with np.errstate(over="ignore", under="ignore"):
        x: NDArray[Any] = array.astype(dtype) * _spread(factors.astype(dtype), n_columns, axis, group)
    return x


def _spread(scale: NDArray[Any], n_columns: int, axis: Axis, group: int | None) -> NDArray[Any]:
    """Scales in a form that broadcasts over rows."""
    if axis == "channel":
        return scale
    return scale[:, None] if group is None else np.repeat(scale, min(group, n_columns), axis=1)[:, :n_columns]


def _checked(x: ArrayLike, dtypes: tuple[np.dtype[Any], ...]) -> NDArray[Any]:
    array = np.asarray(x)
    native = array.dtype.newbyteorder("=")
    if native not in dtypes:
        expected = " or ".join(map(str, dtypes))
        raise TypeError(f"expected an array of {expected}, got {array.dtype}; convert it first: x.astype(np.{dtypes[0]})")
    return array.astype(native, copy=False)


def _check_rows(array: NDArray[Any]) -> None:
    if array.ndim != 2:
        raise ValueError(f"expected a 2-d array of rows, got {array.ndim}-d of shape {array.shape}; reshape it first")


def _check_layout(axis: Axis, group: int | None) -> None:
    if axis not in ("row", "channel"):
        raise ValueError(f"unknown axis {axis!r}; expected 'row' or 'channel'")
    if group is None:
        return
    if axis == "channel":
        raise ValueError(f"group={group!r} needs axis='row', got axis='channel': groups are of consecutive values of a row")
    if not hasattr(group, "__index__") or group <= 0 or group % 16:
        raise ValueError(f"expected group=None or a positive multiple of 16, got {group!r}")


def _refuse_nonfinite(
    array: NDArray[Any], name: str = "x", what: str = "values can be packed; clean or impute them first"
) -> None:
    finite = np.isfinite(array)
    if not finite.all():
        position = np.unravel_index(np.argmin(finite), array.shape)
        where = ", ".join(map(str, position))
        raise ValueError(f"{name}[{where}] is {array[position]}: only finite {what}")
