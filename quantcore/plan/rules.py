"""Rules that fields of ops are held to: each raises ValueError, or answers yes or no."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

__all__ = ["array", "boolean", "dtype", "is_count", "is_finite", "is_int", "require"]


def array(value: Any, name: str, wanted: Any, shape: tuple[int | None, ...]) -> None:
    """An array of a dtype and a shape (None: any length), without NaN or infinity."""
    if not isinstance(value, np.ndarray) or value.dtype != wanted:  # messages are made where they are needed: they take long
        raise ValueError(f"{name} must be an array of {np.dtype(wanted)}")
    if value.ndim != len(shape) or not all(want in (None, have) for want, have in zip(shape, value.shape, strict=True)):
        raise ValueError(f"{name} has shape {value.shape}, expected {tuple('any' if s is None else s for s in shape)}")
    require(value.dtype.kind != "f" or bool(np.isfinite(value).all()), f"{name} holds NaN or infinity")


def dtype(name: Any) -> None:
    """One of those that sources compute in."""
    require(name in ("float64", "float32"), f"dtype is {name!r}, expected 'float64' or 'float32'")


def boolean(value: Any, name: str) -> None:
    """A bool, and nothing that is only true or false."""
    require(type(value) is bool, f"{name} must be a bool, got {value!r}")


def is_int(value: Any) -> bool:
    """An int, and no bool."""
    return type(value) is int


def is_count(value: Any) -> bool:
    """An int that is not negative."""
    return type(value) is int and value >= 0


def is_finite(value: Any) -> bool:
    """A number that is neither NaN nor infinite."""
    return type(value) in (int, float) and math.isfinite(value)


def require(holds: bool, message: str) -> None:
    """Raise ValueError with the message unless it holds."""
    if not holds:
        raise ValueError(message)
