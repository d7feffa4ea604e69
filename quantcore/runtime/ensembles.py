"""What a member that is known up to a bound leaves open in an ensemble: votes, means, rows that another model reads.

Labels are known as the set of those that a member may give, numbers as intervals, leaves as rows that reach the same ones
wherever the source's values are. ARCHITECTURE.md, section 3, K, says why each rule holds.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from quantcore.plan import Csr, ops
from quantcore.reference.ensembles import joined, pair_confidence, pairs, score_ufunc, weighted_mean
from quantcore.reference.matrices import Matrix
from quantcore.runtime.intervals import Interval
from quantcore.runtime.rounding import UNKNOWN

__all__ = ["augmented", "possible", "propagate", "values_of", "votes_of"]

_U = 2.0**-53
_SHARE = 2.0**-40  # of a result: far more than a handful of operations rounds
_TINY = 2.0**-1021
_BLOCK = 1 << 22
_FEW = 2.0**10
_LAST_WHOLE = 2.0**53


def possible(
    op: ops.Op,
    labels: NDArray[np.intp],
    sure: NDArray[np.bool_],
    scores: NDArray[Any],
    interval: Interval | None,
    margin: float,
) -> list[NDArray[np.bool_]]:
    """Which labels a decision may give: for each member that it stands for an array of shape (n_rows, n_labels).

    Parameters
    ----------
    op : ArgMax, Threshold or MultiLabel
        The columns of the last are members.
    labels : ndarray of int
        Places of the labels that it gives here.
    sure : ndarray of bool, shape (n_rows,)
        Rows whose label is the source's.
    scores : ndarray
        What it reads.
    interval : (lowest, highest) or None
        All that the source may read; None: nothing is known.
    margin : float
        As in ``intervals.decide``.
    """
    if isinstance(op, ops.ArgMax):
        own = labels[:, None] == np.arange(len(op.classes))
        if interval is None:
            return [own | ~sure[:, None]]
        low, high = interval
        with np.errstate(invalid="ignore", over="ignore"):
            beaten = high * (1.0 + margin) < low.max(axis=1, keepdims=True)  # NaN rules nothing out
        return [own | ~(sure[:, None] | beaten)]
    low, high = (np.full(scores.shape, -np.inf), np.full(scores.shape, np.inf)) if interval is None else interval
    below, above = ~(low > op.at), ~(high <= op.at)  # type: ignore[attr-defined]
    found = [np.stack([below[:, k], above[:, k]], axis=1) for k in range(scores.shape[1])]
    return [(labels[:, None] == np.arange(2)) | (found[0] & ~sure[:, None])] if isinstance(op, ops.Threshold) else found


def votes_of(op: ops.Votes, value: NDArray[np.float64], masks: Sequence[NDArray[np.bool_]], numbers: Sequence[Any]) -> Interval:
    """The least and the most votes that each class may have.

    Parameters
    ----------
    op : Votes
    value : ndarray
        The votes that were counted here.
    masks : sequence of ndarray of bool, shape (n_rows, n_labels)
        The labels that each member may give.
    numbers : sequence of array of int
        The numbers that those labels are.
    """
    low, high = np.zeros_like(value), np.zeros_like(value)
    known = np.ones(len(value), np.bool_)
    for i, (mask, labels) in enumerate(zip(masks, numbers, strict=True)):
        at = np.asarray(labels, np.intp)
        at = at if op.columns is None else op.columns[i][at]
        weight = 1.0 if op.weights is None else float(op.weights[i])
        single = mask.sum(axis=1) == 1
        known &= single
        for label, column in enumerate(at.tolist()):
            low[:, column] += weight * (mask[:, label] & single)
            high[:, column] += weight * mask[:, label]
    if op.weights is None or bool((np.rint(op.weights) == op.weights).all() and op.weights.sum() < _LAST_WHOLE):
        return low, high  # whole numbers: no sum is rounded
    # Where all votes of a row are known, the source adds the same numbers in the same order.
    lost = np.where(known[:, None], 0.0, high * (2.0 * len(masks) * _U) + _TINY)
    return low - lost, high + lost


def values_of(numbers: Any, mask: NDArray[np.bool_]) -> Interval:
    """The least and the largest of the numbers that a member may give as its label."""
    values = np.asarray(numbers, np.float64)
    low = np.where(mask, values, np.inf).min(axis=1)
    high = np.where(mask, values, -np.inf).max(axis=1)
    return low[:, None], high[:, None]


def propagate(op: ops.Op, arguments: list[Interval], dtype: str) -> Interval | None:
    """The interval of the result of CodeScores, PairConfidence, ScoreUfunc or WeightedMean; None where it has no bound."""
    doubles = [(np.asarray(low, np.float64), np.asarray(high, np.float64)) for low, high in arguments]
    if isinstance(op, ops.WeightedMean):
        return _mean(op, arguments, doubles, dtype)
    low, high = doubles[0]
    if isinstance(op, ops.PairConfidence):
        return _confidence(op, low, high)
    if isinstance(op, ops.CodeScores):
        return _codes(op, low, high)
    return _function(op, low, high, dtype) if isinstance(op, ops.ScoreUfunc) else None


def _mean(op: ops.WeightedMean, arguments: list[Interval], doubles: list[Interval], dtype: str) -> Interval:
    weights = (1.0,) * len(doubles) if op.weights is None else op.weights
    low: Any = 0.0
    high: Any = 0.0
    size: Any = 0.0
    with np.errstate(invalid="ignore", over="ignore"):
        for (least, most), weight in zip(doubles, weights, strict=True):
            w = weight / op.divisor
            a, b = (least * w, most * w) if w >= 0.0 else (most * w, least * w)
            low, high, size = low + a, high + b, size + np.maximum(np.abs(a), np.abs(b))
        unit = 2.0**-24 if dtype == "float32" else _U
        # Every term, partial sum and quotient is rounded on either side; what goes below the normal numbers loses that much.
        lost = size * (4.0 * (len(doubles) + 4) * unit) + (2.0**-120 if dtype == "float32" else _TINY)
        low, high = low - lost, high + lost
    if dtype == "float64":
        # Of values that are known to the bit so is the sum in the source's order.
        exact = np.all([least == most for least, most in doubles], axis=0)
        with np.errstate(invalid="ignore", over="ignore"):
            own = weighted_mean(op, [least for least, _ in arguments])
        low, high = np.where(exact, own, low), np.where(exact, own, high)
    return low, high


def _confidence(op: ops.PairConfidence, low: NDArray[Any], high: NDArray[Any]) -> Interval:
    known = pairs(low.shape[1])
    shape = (len(low), known[-1][1] + 1)
    least, most, size = np.zeros(shape), np.zeros(shape), np.zeros(shape)
    exact = np.ones(shape, np.bool_)
    with np.errstate(invalid="ignore", over="ignore"):
        largest = np.maximum(np.abs(low), np.abs(high))
        for k, (i, j) in enumerate(known):
            least[:, i] -= high[:, k]
            most[:, i] -= low[:, k]
            least[:, j] += low[:, k]
            most[:, j] += high[:, k]
            for c in (i, j):
                size[:, c] += largest[:, k]
                exact[:, c] &= low[:, k] == high[:, k]
        lost = size * (2.0 * len(known) * _U) + _TINY
        least, most = least - lost, most + lost
        ends = [s / (3.0 * (np.abs(s) + 1.0)) for s in (least, most)]
        ends[0], ends[1] = ends[0] - _SHARE, ends[1] + _SHARE
        own = pair_confidence(op, low)
    # What is infinite tends to a third of a vote.
    ends = [np.where(np.isnan(end), limit, end) for end, limit in zip(ends, (-0.34, 0.34), strict=True)]
    return np.where(exact, own, ends[0]), np.where(exact, own, ends[1])


def _codes(op: ops.CodeScores, low: NDArray[Any], high: NDArray[Any]) -> Interval:
    """What is compared: |x|², which all scores have in common, is left out of both ends, but not of what the source rounds."""
    plus, minus = np.maximum(op.codes, 0.0).T, np.minimum(op.codes, 0.0).T
    squares = (op.codes**2).sum(axis=1)
    with np.errstate(invalid="ignore", over="ignore"):
        size = np.maximum(np.abs(low), np.abs(high))
        least = 2.0 * (low @ plus + high @ minus) - squares
        most = 2.0 * (high @ plus + low @ minus) - squares
        norm = (size**2).sum(axis=1, keepdims=True)
        lost = (norm + 2.0 * (size @ np.abs(op.codes).T) + squares) * (8.0 * (op.codes.shape[1] + 8) * _U) + _TINY
        least, most = least - lost, most + lost
        # Of small numbers of few bits (votes, shares of two or four) no product or sum is rounded, in any order.
        few = (low == high) & (np.rint(low * _FEW) == low * _FEW) & (size <= _FEW)
        exact = few.all(axis=1) & (op.codes.shape[1] <= 512) & bool(np.abs(op.codes).max() <= _FEW)
        own = 2.0 * (low @ op.codes.T) - squares
    return np.where(exact[:, None], own, least), np.where(exact[:, None], own, most)


_FALLING = ("negative",)
_STEPS = ("ceil", "floor", "negative", "positive", "rint", "trunc", "absolute")  # nothing is rounded but to a whole number


def _function(op: ops.ScoreUfunc, low: NDArray[Any], high: NDArray[Any], dtype: str) -> Interval:
    if op.name in ("absolute", "square"):
        inside = (low <= 0.0) & (high >= 0.0)
        sizes = np.abs(low), np.abs(high)
        low, high = np.where(inside, 0.0, np.minimum(*sizes)), np.maximum(*sizes)
    if op.name in _FALLING:
        low, high = high, low
    least, most = score_ufunc(op, low), score_ufunc(op, high)
    if op.name in _STEPS:
        return least, most
    share = 2.0**-16 if dtype == "float32" else _SHARE
    tiny = 2.0**-120 if dtype == "float32" else _TINY
    with np.errstate(invalid="ignore", over="ignore"):
        lost = [np.where(np.isinf(end), 0.0, np.abs(end) * share + tiny) for end in (least, most)]
        least, most = least - lost[0], most + lost[1]
    # Where the function ends (a logarithm of what may be negative) there is no bound; nor where float32 may overflow.
    largest = float(np.finfo(dtype).max)
    bad = np.isnan(least) | np.isnan(most)
    return (
        np.where(bad | (least < -largest), -np.inf, least),
        np.where(bad | (most > largest), np.inf, most),
    )


def augmented(op: ops.Augment, value: Matrix, arguments: list[Matrix], errors: list[Any]) -> tuple[Matrix, None, Any]:
    """A matrix with scores beside it, no interval, and the error of each of its values.

    Where a score of CSR rows is 0 here but need not be in the source, the zero is stored, so that it has an error.

    Parameters
    ----------
    op : Augment
    value : matrix
        The op's own result.
    arguments : list of matrices
    errors : list of Error
        Of the arguments.
    """
    if any(e is UNKNOWN for e in errors):
        return value, None, UNKNOWN
    if all(e is None for e in errors):
        return value, None, None
    X = arguments[0]
    whole = [
        np.zeros(a.data.shape if isinstance(a, Csr) else a.shape) if e is None else e
        for a, e in zip(arguments, errors, strict=True)
    ]
    if not isinstance(X, Csr):
        return value, None, np.concatenate((*whole[1:], whole[0]) if op.front else whole, axis=1)
    if len(arguments) == 1:
        return value, None, whole[0]
    scores: NDArray[Any] = np.concatenate([np.asarray(a) for a in arguments[1:]], axis=1)
    error: NDArray[Any] = np.concatenate(whole[1:], axis=1)
    kept = (scores != 0.0) | (error != 0.0)
    return joined(op, X, scores, kept), None, joined(op, X.with_data(whole[0]), error, kept).data
