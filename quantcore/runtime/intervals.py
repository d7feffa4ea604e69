"""What a link makes of scores that are known up to a bound: intervals in, intervals out.

Every function takes the lowest and the highest value of each entry and returns the same of its result, wide enough for
the source's own rounding. A decision is certified where it is the same for all values between them.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from quantcore.plan import ops
from quantcore.reference import FUNCTIONS

__all__ = ["decide", "propagate"]

Interval = tuple[NDArray[np.float64], NDArray[np.float64]]

# Far more than any link rounds: a handful of operations, each within an ulp.
_SLACK = {"float64": 2.0**-40, "float32": 2.0**-16}

_MONOTONE = (
    ops.Exp,
    ops.Float32,
    ops.Isotonic,
    ops.Log,
    ops.PathScore,
    ops.Ramp,
    ops.Sigmoid,
    ops.SignedSquare,
    ops.Softplus,
)


def propagate(op: ops.Op, arguments: list[Interval], dtype: str) -> Interval | None:
    """The interval of an op's result, or None for an op that has no bound here.

    Parameters
    ----------
    op : Op
    arguments : list of (lowest, highest)
    dtype : {"float64", "float32"}
        In what the source computes.
    """
    slack = _SLACK[dtype]
    if isinstance(op, ops.Average | ops.Concat):
        a, b = (FUNCTIONS[op.kind](op, list(ends)) for ends in zip(*arguments, strict=True))
        return _widened(np.minimum(a, b), np.maximum(a, b), slack)
    low, high = arguments[0]
    function = FUNCTIONS[op.kind] if op.kind in FUNCTIONS else None
    if function is None:
        return None
    if isinstance(op, ops.Take):
        taken = function(op, low)
        return (taken, taken) if low is high else (taken, function(op, high))
    if isinstance(op, ops.Log):
        low, high = np.maximum(low, 0.0), np.maximum(high, 0.0)  # no probability is negative, whatever the slack says
    if isinstance(op, ops.Difference):
        return _widened(low[:, 1:] - high[:, :1], high[:, 1:] - low[:, :1], slack)
    if isinstance(op, _MONOTONE):
        # Monotone in each entry, rising or falling: the ends of the result are among the results of the ends.
        a, b = function(op, low), function(op, high)
        return _widened(np.minimum(a, b), np.maximum(a, b), slack)
    if isinstance(op, ops.Softmax | ops.LogSoftmax):
        return _softmax(op, low, high, slack)
    if isinstance(op, ops.NormalizeRows):
        return _normalized(low, high, slack)
    return None


def decide(op: ops.Op, interval: Interval) -> NDArray[np.bool_]:
    """Rows, or entries, for which an op decides alike anywhere between the two ends, shape (n_rows,).

    One array for both ends says that the scores are the source's own, bit for bit.
    """
    low, high = interval
    if isinstance(op, ops.ArgMax):
        if low is high:  # the source's own bits: ties are its own, and so is the choice among them
            return np.asarray(~np.isnan(low).any(axis=1))
        best = np.argmax((low + high) / 2, axis=1)
        rows = np.arange(len(low))
        others = high.copy()
        others[rows, best] = -np.inf
        return np.asarray(low[rows, best] > others.max(axis=1, initial=-np.inf))
    if isinstance(op, ops.Threshold | ops.MultiLabel):
        return np.asarray(((low > op.at) | (high <= op.at)).all(axis=1))
    return np.zeros(len(low), np.bool_)


def _widened(low: NDArray[np.float64], high: NDArray[np.float64], slack: float) -> Interval:
    def margin(end: NDArray[np.float64]) -> NDArray[np.float64]:
        return np.where(np.isinf(end), 0.0, np.abs(end)) * slack + 1e-300  # log(0) is what it is

    return low - margin(low), high + margin(high)


def _softmax(op: Any, low: NDArray[np.float64], high: NDArray[np.float64], slack: float) -> Interval:
    # A logarithm is the difference of a score and a sum: what they round, it keeps, however small it is itself.
    lost = 0.0 if isinstance(op, ops.Softmax) else slack * (1.0 + np.abs(low).max(axis=1) + np.abs(high).max(axis=1))[:, None]
    if op.paired != "no":
        a, b = FUNCTIONS[op.kind](op, low), FUNCTIONS[op.kind](op, high)
        return _widened(np.minimum(a, b) - lost, np.maximum(a, b) + lost, slack)
    least, most = np.empty_like(low), np.empty_like(high)
    falling = isinstance(op, ops.Softmax) and op.scale < 0
    if falling:
        low, high = high, low
    for k in range(low.shape[1]):
        # output k is smallest where its own score is lowest and all others are highest
        own_low, own_high = high.copy(), low.copy()
        own_low[:, k], own_high[:, k] = low[:, k], high[:, k]
        least[:, k], most[:, k] = FUNCTIONS[op.kind](op, own_low)[:, k], FUNCTIONS[op.kind](op, own_high)[:, k]
    return _widened(least - lost, most + lost, slack)


def _normalized(low: NDArray[Any], high: NDArray[Any], slack: float) -> Interval:
    low = np.maximum(low, 0.0)
    least_others = low.sum(axis=1, keepdims=True) - low
    most_others = high.sum(axis=1, keepdims=True) - high
    with np.errstate(invalid="ignore", divide="ignore"):
        least, most = low / (low + most_others), high / (high + least_others)
    # A row that may be all zeros is replaced as a whole: nothing is known of it.
    unknown = ~(low.sum(axis=1) > 0.0)
    least[unknown], most[unknown] = 0.0, 1.0
    return _widened(least, most, slack)
