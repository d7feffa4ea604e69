"""Rules that fields of ops are held to: each raises ValueError, or answers yes or no."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

__all__ = ["all_finite", "array", "boolean", "dtype", "is_count", "is_finite", "is_int", "require"]

_FEW = 1 << 12


def array(value: Any, name: str, wanted: Any, shape: tuple[int | None, ...]) -> None:
    """An array of a dtype and a shape (None: any length), without NaN or infinity."""
    if not isinstance(value, np.ndarray) or value.dtype != wanted:  # messages are made where they are needed: they take long
        raise ValueError(f"{name} must be an array of {np.dtype(wanted)}")
    have = value.shape
    if have != shape and (len(have) != len(shape) or any(w not in (None, h) for w, h in zip(shape, have, strict=True))):
        raise ValueError(f"{name} has shape {value.shape}, expected {tuple('any' if s is None else s for s in shape)}")
    if value.dtype.kind == "f" and not all_finite(value):
        raise ValueError(f"{name} holds NaN or infinity")


def all_finite(values: Any) -> bool:
    """Whether an array of floats holds neither NaN nor infinity."""
    finite = np.isfinite(values)
    # of few the search for a zero byte takes a third of the time that ``all`` takes to be called
    return b"\0" not in finite.tobytes() if finite.size <= _FEW else bool(finite.all())


def dtype(name: Any) -> None:
    """One of those that sources compute in."""
    if name not in ("float64", "float32"):
        raise ValueError(f"dtype is {name!r}, expected 'float64' or 'float32'")


def boolean(value: Any, name: str) -> None:
    """A bool, and nothing that is only true or false."""
    if type(value) is not bool:
        raise ValueError(f"{name} must be a bool, got {value!r}")


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
