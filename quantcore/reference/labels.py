"""Scores to labels: ArgMax, Threshold, MultiLabel; to numbers: Predictions."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from quantcore.plan.ops import ArgMax, MultiLabel, Predictions, Several, Stack, Threshold

__all__ = ["argmax", "as_array", "multi_label", "predictions", "several", "stack", "threshold"]


def argmax(op: ArgMax, s: NDArray[Any]) -> NDArray[Any]:
    """``classes[first largest]``."""
    found: NDArray[Any] = np.take(as_array(op.classes), s.argmax(axis=1))
    return found


def threshold(op: Threshold, s: NDArray[Any]) -> NDArray[Any]:
    """``classes[1]`` where score > at."""
    found: NDArray[Any] = np.take(as_array(op.classes), s[:, 0] > op.at)
    return found


def multi_label(op: MultiLabel, s: NDArray[Any]) -> NDArray[Any]:
    """1 where score > at."""
    return (s > op.at).astype(op.dtype)


def predictions(op: Predictions, s: NDArray[Any]) -> NDArray[Any]:
    """The scores themselves."""
    return s[:, 0] if op.flat else s


def stack(op: Stack, labels: Sequence[NDArray[Any]]) -> NDArray[Any]:
    """Labels side by side."""
    return np.stack(labels, axis=1)


def several(op: Several, results: Sequence[NDArray[Any]]) -> list[NDArray[Any]]:
    """The results as a list."""
    return list(results)


def as_array(classes: Any) -> NDArray[Any]:
    """Classes as the source holds them: a tuple of Python objects is an object array."""
    if not isinstance(classes, tuple):
        return np.asarray(classes)
    out = np.empty(len(classes), object)
    out[:] = classes
    return out
