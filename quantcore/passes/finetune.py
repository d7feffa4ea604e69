"""Quantization-aware fine-tuning of linear scores: gradients are taken at the rounded weights and move the weights behind them.

Rounding has no useful derivative; the straight-through estimator takes it as 1. A quarter of the rows is held back: the weights
that do best there are kept, the ones of the beginning (compensated rounding) among them.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from quantcore.passes.compensate import compensated, gram

__all__ = ["Tuned", "tuned"]

_BATCH = 64
_MOMENTUM = 0.9
_DECAY = 0.97  # of the rate, each epoch
_HELD_BACK = 4


class Tuned(NamedTuple):
    """Weights on a grid.

    Parameters
    ----------
    integers : ndarray of int64, shape (n_features, n_outputs)
    exponent : ndarray of int64, shape (n_features,)
        log2 of each feature's step.
    bias : ndarray, shape (n_outputs,)
    epochs : int
        After which they were the best.
    before, after : float
        Accuracy on the rows that were held back: of compensated rounding, and of these.
    """

    integers: NDArray[np.int64]
    exponent: NDArray[np.int64]
    bias: NDArray[np.float64]
    epochs: int
    before: float
    after: float


def tuned(
    weight: NDArray[np.float64],
    bias: NDArray[np.float64],
    rows: NDArray[np.float64],
    target: NDArray[np.int64],
    *,
    bits: int,
    epochs: int,
    rate: float,
    seed: int,
) -> Tuned:
    """Fine-tune.

    Parameters
    ----------
    weight : ndarray, shape (n_features, n_outputs)
    bias : ndarray, shape (n_outputs,)
    rows : ndarray, shape (n_rows, n_features)
    target : ndarray of int64, shape (n_rows,)
        The class of each row, 0 or 1 where there is one output.
    bits : int
        Of a weight, its sign included.
    epochs : int
    rate : float
        Of learning, in steps of the grid.
    seed : int
        Of the order of rows.
    """
    means = np.abs(rows).mean(axis=0)
    scale = np.rint(np.log2(np.where(means > 0.0, means, 1.0))).astype(np.int64)
    scaled, wide = np.ldexp(rows, -scale), np.ldexp(weight, scale[:, None])
    limit = 2 ** (bits - 1) - 1
    step = int(np.ceil(np.log2(np.abs(wide).max(initial=2.0**-900)))) - bits + 1
    random = np.random.default_rng(seed)
    order = random.permutation(len(rows))
    held, used = order[: len(rows) // _HELD_BACK], order[len(rows) // _HELD_BACK :]
    integers = compensated(np.ldexp(wide, -step), gram(scaled[used]), limit)
    latent, offset = integers.astype(np.float64), bias + (scaled[used] @ (wide - np.ldexp(integers, step))).mean(axis=0)

    def quality() -> tuple[float, float]:
        scores = np.ldexp(scaled[held] @ np.rint(latent), step) + offset
        right = (scores[:, 0] > 0) == target[held] if scores.shape[1] == 1 else scores.argmax(axis=1) == target[held]
        return float(right.mean()), -float(-np.log(np.maximum(_likelihood(scores, target[held]), 1e-300)).mean())

    best, kept = quality(), (np.rint(latent), offset.copy(), 0)
    before = best[0]
    moved, moved_offset = np.zeros_like(latent), np.zeros_like(offset)
    for epoch in range(1, epochs + 1):
        shuffled = used[random.permutation(len(used))]
        for at in range(0, len(shuffled), _BATCH):
            part = shuffled[at : at + _BATCH]
            scores = np.ldexp(scaled[part] @ np.rint(latent), step) + offset
            slope = _probabilities(scores) - _indicator(target[part], scores.shape[1])
            # Straight through the rounding, and measured in steps.
            moved = _MOMENTUM * moved - rate * (scaled[part].T @ slope) / len(part)
            moved_offset = _MOMENTUM * moved_offset - rate * 2.0**step * slope.mean(axis=0)
            latent = np.clip(latent + moved, -limit, limit)
            offset = offset + moved_offset
        rate *= _DECAY
        if (found := quality()) > best:
            best, kept = found, (np.rint(latent), offset.copy(), epoch)
    return Tuned(kept[0].astype(np.int64), step - scale, kept[1], kept[2], before, best[0])


def _probabilities(scores: NDArray[np.float64]) -> NDArray[np.float64]:
    if scores.shape[1] == 1:
        return np.asarray(1.0 / (1.0 + np.exp(-np.clip(scores, -700.0, 700.0))))
    powers = np.exp(scores - scores.max(axis=1, keepdims=True))
    return np.asarray(powers / powers.sum(axis=1, keepdims=True))


def _likelihood(scores: NDArray[np.float64], target: NDArray[np.int64]) -> NDArray[np.float64]:
    found = _probabilities(scores)
    return np.where(target == 1, found[:, 0], 1.0 - found[:, 0]) if scores.shape[1] == 1 else found[np.arange(len(found)), target]


def _indicator(target: NDArray[np.int64], outputs: int) -> NDArray[np.float64]:
    return target[:, None].astype(np.float64) if outputs == 1 else np.eye(outputs)[target]
