"""Scores to probabilities (Softmax, LogSoftmax, Sigmoid, Ramp, Isotonic, NormalizeRows, Average), and to numbers (Log, Exp,
Difference, Softplus, SignedSquare, Float32)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from quantcore.plan.ops import (
    Average,
    Difference,
    Exp,
    Float32,
    Isotonic,
    Log,
    LogSoftmax,
    NormalizeRows,
    Ramp,
    Sigmoid,
    SignedSquare,
    Softmax,
    Softplus,
)

__all__ = [
    "average",
    "difference",
    "exp",
    "float32",
    "isotonic",
    "log",
    "log_softmax",
    "normalize_rows",
    "ramp",
    "sigmoid",
    "signed_square",
    "softmax",
    "softplus",
]

Scores = NDArray[np.float64]


def softmax(op: Softmax, s: Scores) -> Scores:
    """exp(s) over the row's sum, the row's largest subtracted first."""
    s = _outputs(op.paired, s) * op.scale
    e: Scores = np.exp(s - s.max(axis=1, keepdims=True))
    e /= e.sum(axis=1, keepdims=True)
    return e


def log_softmax(op: LogSoftmax, s: Scores) -> Scores:
    """s - logsumexp(s); the largest are counted apart, so that what is tiny beside them is not lost."""
    s = _outputs(op.paired, s)
    top = s.max(axis=1, keepdims=True)
    is_top = s == top
    count = is_top.sum(axis=1, keepdims=True)
    rest = np.where(is_top, 0.0, np.exp(s - top)).sum(axis=1, keepdims=True)
    out: Scores = s - (np.log1p(rest / count) + np.log(count) + top)
    return out


def sigmoid(op: Sigmoid, s: Scores) -> Scores:
    """1 / (1 + exp(slope * s + offset))."""
    with np.errstate(over="ignore"):  # exp = inf gives 0, as it should
        p = 1.0 / (1.0 + np.exp(op.slope * s + op.offset))
    return _pair(p) if op.paired else p


def ramp(op: Ramp, s: Scores) -> Scores:
    """(clip(s, -1, 1) + 1) / 2."""
    p = (np.clip(s, -1.0, 1.0) + 1.0) / 2.0
    return _pair(p) if op.paired else p


def isotonic(op: Isotonic, s: Scores) -> Scores:
    """Linear interpolation between each column's knots."""
    starts = (0, *op.ends[:-1])
    columns = [np.interp(s[:, k], op.knots[a:b], op.values[a:b]) for k, (a, b) in enumerate(zip(starts, op.ends, strict=True))]
    p = np.stack(columns, axis=1)
    return _pair(p) if op.paired else p


def normalize_rows(op: NormalizeRows, p: Scores) -> Scores:
    """Each row over its sum."""
    sums = p.sum(axis=1, keepdims=True)
    empty = sums == 0
    filled = np.where(empty, 1.0 / p.shape[1] if op.empty == "uniform" else 0.0, p)
    return filled / np.where(empty, 1.0, sums)


def average(op: Average, inputs: Sequence[Scores]) -> Scores:
    """The mean, summed in order."""
    total = np.zeros_like(inputs[0])
    for p in inputs:
        total += p
    return total / len(inputs)


def log(op: Log, p: Scores) -> Scores:
    """ln(p + floor)."""
    with np.errstate(divide="ignore"):
        return np.log(p + op.floor)


def exp(op: Exp, s: Scores) -> Scores:
    """exp(s), infinite where that is too large."""
    with np.errstate(over="ignore"):
        return np.exp(s)


def softplus(op: Softplus, s: Scores) -> Scores:
    """ln(1 + exp(s)), infinite where exp is."""
    with np.errstate(over="ignore"):
        return np.log1p(np.exp(s))


def signed_square(op: SignedSquare, s: Scores) -> Scores:
    """s * |s|."""
    with np.errstate(over="ignore"):
        return s * np.abs(s)


def float32(op: Float32, s: NDArray[Any]) -> NDArray[np.float32]:
    """Rounded to the nearest float32."""
    with np.errstate(over="ignore"):
        return s.astype(np.float32)


def difference(op: Difference, s: Scores) -> Scores:
    """The second of two scores less the first."""
    return s[:, 1:] - s[:, :1]


def _outputs(paired: str, s: Scores) -> Scores:
    if paired == "no":
        return s
    return np.concatenate([np.zeros_like(s) if paired == "zero" else -s, s], axis=1)


def _pair(p: Scores) -> Scores:
    return np.concatenate([1.0 - p, p], axis=1)
