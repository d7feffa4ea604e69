"""What a link makes of scores that are known up to a bound: intervals in, intervals out.

Every function takes the lowest and the highest value of each entry and returns the same of its result, wide enough for
the source's own rounding. Where the source computes one value for all that lies between the ends (a plateau of an isotonic
function, a clipped ramp), both ends are that value, so that ties are told as the source breaks them. ARCHITECTURE.md,
section 3, H, derives the constants.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from quantcore.plan import ops
from quantcore.reference import FUNCTIONS

__all__ = ["Interval", "decide", "decide_top", "propagate", "slack"]

Interval = tuple[NDArray[np.float64], NDArray[np.float64]]

# Far more than the handful of operations of a link rounds, each within 8 units; sums of many columns take more.
_SLACK = {"float64": 2.0**-40, "float32": 2.0**-16}
_UNIT = {"float64": 2.0**-53, "float32": 2.0**-24}
# Below the smallest normal number rounding is no longer relative, and may flush to 0.
_TINY = {"float64": 2.0**-1021, "float32": 2.0**-125}
_MAX = {"float64": float(np.finfo(np.float64).max), "float32": float(np.finfo(np.float32).max)}


def slack(dtype: str, width: int) -> float:
    """Relative rounding of a link over so many columns, in the source and here."""
    return _SLACK[dtype] + 4.0 * width * _UNIT[dtype]


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
    function = FUNCTIONS[op.kind] if op.kind in FUNCTIONS else None
    if function is None:
        return None
    if isinstance(op, ops.Average | ops.Concat):
        a, b = (function(op, list(ends)) for ends in zip(*arguments, strict=True))
        if isinstance(op, ops.Concat) and all(w == 1.0 for w in op.weights):
            return a, b  # nothing is computed
        # What a sum rounds goes with the sizes of its terms.
        size = function(op, [np.maximum(np.abs(low), np.abs(high)) for low, high in arguments])
        lost = np.abs(size) * slack(dtype, len(arguments))
        # Of values that are known to the bit so is a sum in the source's order.
        exact = np.all([low == high for low, high in arguments], axis=0) if isinstance(op, ops.Average) else None
        return _widened(np.minimum(a, b), np.maximum(a, b), dtype, len(arguments), more=lost, exact=exact)
    low, high = arguments[0]
    if isinstance(op, ops.Take):
        return function(op, low), function(op, high)
    if isinstance(op, ops.Difference):
        return _widened(low[:, 1:] - high[:, :1], high[:, 1:] - low[:, :1], dtype)
    if isinstance(op, ops.Softmax | ops.LogSoftmax):
        return _softmax(op, low, high, dtype)
    if isinstance(op, ops.NormalizeRows):
        return _normalized(op, low, high, dtype)
    if not isinstance(op, _MONOTONE):
        return None
    if isinstance(op, ops.Log):
        low, high = np.maximum(low, 0.0), np.maximum(high, 0.0)  # no probability is negative, whatever the slack says
    if isinstance(op, ops.Sigmoid):
        low, high = _sigmoid_arguments(op, low, high, dtype)
    # Monotone in each entry, rising or falling: the ends of the result are among the results of the ends.
    with np.errstate(invalid="ignore"):
        a, b = function(op, low), function(op, high)
    exact = _flat(op, low, high, dtype)
    if exact is not None and getattr(op, "paired", False):
        exact = np.repeat(exact, 2, axis=1)
    # 1 - p keeps what p has rounded, and ln(p + floor) what the sum has, however small they are themselves.
    more: Any = 64.0 * _UNIT[dtype] if isinstance(op, ops.Log) else 0.0
    if getattr(op, "paired", False):
        more = np.array([64.0 * _UNIT[dtype], 0.0])
    return _widened(np.minimum(a, b), np.maximum(a, b), dtype, more=more, exact=exact)


def decide(op: ops.Op, interval: Interval, margin: float = 0.0) -> NDArray[np.bool_]:
    """Rows for which an op decides alike anywhere between the two ends, shape (n_rows,).

    Parameters
    ----------
    op : Op
    interval : (lowest, highest)
    margin : float
        What is compared is divided by one number a row first, which may round two values to one: relative.
    """
    low, high = interval
    if isinstance(op, ops.ArgMax):
        with np.errstate(invalid="ignore"):
            best = np.argmax(low / 2 + high / 2, axis=1)
        rows, columns = np.arange(len(low)), np.arange(low.shape[1])
        least, after = low[rows, best][:, None], columns > best[:, None]
        # The first largest is taken: a later one may be equal.
        beaten = (least > high * (1.0 + margin)) | (after & (least >= high)) | (columns == best[:, None])
        return np.asarray(beaten.all(axis=1) & (least[:, 0] == least[:, 0]))
    if isinstance(op, ops.Threshold | ops.MultiLabel):
        return np.asarray(((low > op.at) | (high <= op.at)).all(axis=1))
    return np.zeros(len(low), np.bool_)


def decide_top(order: NDArray[np.int64], interval: Interval, margin: float = 0.0) -> NDArray[np.bool_]:
    """Rows for which the columns in ``order`` (n_rows, k) are the k largest anywhere between the two ends, whichever of them
    is first; of equal ones the first columns are."""
    low, high = interval
    chosen = np.zeros(low.shape, np.bool_)
    np.put_along_axis(chosen, order, True, axis=1)
    # The weakest one in, from any column and from each side of every column that is out.
    inside = np.where(chosen, low, np.inf)
    before = np.minimum.accumulate(inside, axis=1)  # the least of those up to here
    behind = np.minimum.accumulate(inside[:, ::-1], axis=1)[:, ::-1]
    strictly = behind > high * (1.0 + margin)
    beaten = chosen | ((before >= high) & (strictly | (behind == np.inf)))
    return np.asarray(beaten.all(axis=1) & ~np.isnan(low).any(axis=1))


def _widened(
    low: NDArray[np.float64], high: NDArray[np.float64], dtype: str, width: int = 1, *, more: Any = 0.0, exact: Any = None
) -> Interval:
    relative, tiny, largest = slack(dtype, width), _TINY[dtype], _MAX[dtype]
    # In float32, which a Float32 op returns, the margin would be rounded away.
    low, high = np.asarray(low, np.float64), np.asarray(high, np.float64)

    def margin(end: NDArray[np.float64]) -> NDArray[np.float64]:
        with np.errstate(over="ignore"):
            return np.where(np.isinf(end), 0.0, np.abs(end) * relative + tiny + more)  # log(0) is what it is

    least, most = low - margin(low), high + margin(high)
    if exact is not None:
        least, most = np.where(exact, low, least), np.where(exact, high, most)
    # What the source's dtype can't hold is infinite to it.
    return np.where(least < -largest, -np.inf, least), np.where(most > largest, np.inf, most)


def _flat(op: ops.Op, low: NDArray[np.float64], high: NDArray[np.float64], dtype: str) -> NDArray[np.bool_] | None:
    """Entries for which the source computes one and the same value for all between the ends."""
    if isinstance(op, ops.Ramp):
        return (low >= 1.0) | (high <= -1.0)
    if isinstance(op, ops.Float32):  # one rounding, as defined
        return np.asarray(low == high)
    if not isinstance(op, ops.Isotonic):
        return None
    found = np.zeros(low.shape, np.bool_)
    for k, (start, end) in enumerate(zip((0, *op.ends[:-1]), op.ends, strict=True)):
        knots, values = op.knots[start:end], op.values[start:end]
        # Segment i lies between knots i - 1 and i; 0 and len(knots) are the clipped ends. Both ends of an interval in one
        # run of segments of one value. Exactly on a knot some interpolations come from the segment before it.
        level = np.concatenate([[values[0]], np.where(values[1:] == values[:-1], values[1:], np.nan), [values[-1]]])
        if dtype == "float32" and len(values) > 1 and values[-1] != values[-2]:
            level[-1] = np.nan  # there the clipped end is interpolated as well
        runs = np.cumsum(np.concatenate([[True], level[1:] != level[:-1]]))  # NaN differs from itself: a run of its own
        first, last = np.searchsorted(knots, low[:, k], "left"), np.searchsorted(knots, high[:, k], "left")
        same = (runs[first] == runs[last]) & ~np.isnan(level[first]) & ~np.isnan(low[:, k]) & ~np.isnan(high[:, k])
        found[:, k] = same
    return found


def _sigmoid_arguments(op: ops.Sigmoid, low: NDArray[Any], high: NDArray[Any], dtype: str) -> Interval:
    """Scores widened by what ``slope * s + offset`` rounds, which counts where the two cancel."""
    with np.errstate(divide="ignore", over="ignore", invalid="ignore"):
        centre = np.abs(op.offset / op.slope)
    lost = 8.0 * _UNIT[dtype] * (np.maximum(np.abs(low), np.abs(high)) + centre)
    lost = np.where(op.slope == 0.0, 0.0, lost)
    return low - lost, high + lost


def _softmax(op: Any, low: NDArray[np.float64], high: NDArray[np.float64], dtype: str) -> Interval:
    # A score times the scale, less the largest, or less the logarithm of the sum: each rounded.
    size = np.maximum(np.abs(low), np.abs(high)).max(axis=1, keepdims=True)
    low, high = low - 16.0 * _UNIT[dtype] * size, high + 16.0 * _UNIT[dtype] * size
    if op.paired != "no":
        other = (np.zeros_like(low), np.zeros_like(high)) if op.paired == "zero" else (-high, -low)
        low, high = np.hstack([other[0], low]), np.hstack([other[1], high])
    logarithm = isinstance(op, ops.LogSoftmax)
    if not logarithm:
        low, high = (low * op.scale, high * op.scale) if op.scale >= 0.0 else (high * op.scale, low * op.scale)
    # Output k is smallest where its own score is lowest and all others are highest.
    least, most = _shares(low, high, logarithm), _shares(high, low, logarithm)
    # A logarithm is the difference of a score and a sum: what they round, it keeps, however small it is itself.
    more = slack(dtype, low.shape[1]) * (1.0 + size) if logarithm else 0.0
    return _widened(least, most, dtype, low.shape[1], more=more)


def _shares(own: NDArray[np.float64], rest: NDArray[np.float64], logarithm: bool) -> NDArray[np.float64]:
    """exp(own_k) over its sum with exp(rest_j) of all other j, or the logarithm of that."""
    with np.errstate(invalid="ignore", over="ignore", divide="ignore"):
        top = rest.max(axis=1, keepdims=True)
        others = _others(np.exp(rest - top))
        if logarithm:
            return np.asarray(-np.logaddexp(0.0, np.log(others) + (top - own)))
        return np.asarray(1.0 / (1.0 + others * np.exp(top - own)))


def _normalized(op: ops.NormalizeRows, low: NDArray[Any], high: NDArray[Any], dtype: str) -> Interval:
    low = np.maximum(low, 0.0)
    with np.errstate(invalid="ignore", divide="ignore"):
        least, most = low / (low + _others(high)), high / (high + _others(low))
    # A row that may be all zeros is replaced as a whole: nothing is known of it.
    unknown = ~(low.sum(axis=1) > 0.0)[:, None]
    least, most = np.where(unknown, 0.0, least), np.where(unknown, 1.0, most)
    # Known to the bit is what is divided by a sum of at most two such values, whose order doesn't matter; and zeros.
    few = ((low == high).all(axis=1) & (np.count_nonzero(high, axis=1) <= 2))[:, None]
    shares = FUNCTIONS[op.kind](op, high)
    exact = few | ((high == 0.0) & ~unknown)
    return _widened(np.where(few, shares, least), np.where(few, shares, most), dtype, low.shape[1], exact=exact)


def _others(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """The sum of each row without the entry itself; not by subtraction, which would lose the small ones."""
    before, behind = np.zeros_like(values), np.zeros_like(values)
    np.cumsum(values[:, :-1], axis=1, out=before[:, 1:])
    behind[:, :-1] = np.cumsum(values[:, :0:-1], axis=1)[:, ::-1]
    return before + behind
