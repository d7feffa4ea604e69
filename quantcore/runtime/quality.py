"""How well predictions fit: accuracy and R², as scikit-learn's estimators score themselves."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np

__all__ = ["accuracy", "r_squared"]


def accuracy(y: Any, predicted: Any, sample_weight: Any = None) -> float:
    """Share of rows whose labels are all right.

    Parameters
    ----------
    y, predicted : array-like, shape (n_rows,) or (n_rows, n_labels)
    sample_weight : array-like, shape (n_rows,), or None
    """
    y, predicted = _alike(y, predicted)
    right = np.asarray(y == predicted).reshape(len(predicted), -1).all(axis=1)
    return float(np.average(right, weights=sample_weight))


def r_squared(y: Any, predicted: Any, sample_weight: Any = None) -> float:
    """1 less the squared error over the variance, the mean of all columns; of a constant column 1 if it is met, else 0.

    Parameters
    ----------
    y, predicted : array-like, shape (n_rows,) or (n_rows, n_outputs)
    sample_weight : array-like, shape (n_rows,), or None
    """
    y, predicted = (np.asarray(a, np.float64).reshape(len(a), -1) for a in _alike(y, predicted))
    if len(y) < 2:
        warnings.warn("R² of fewer than two rows is not defined: the answer is NaN", stacklevel=3)
        return float("nan")
    weight = np.ones((len(y), 1)) if sample_weight is None else np.asarray(sample_weight, np.float64).reshape(-1, 1)
    error = (weight * (y - predicted) ** 2).sum(axis=0)
    spread = (weight * (y - np.average(y, axis=0, weights=weight[:, 0])) ** 2).sum(axis=0)
    with np.errstate(divide="ignore", invalid="ignore"):
        found = np.where(spread != 0.0, 1.0 - error / spread, np.where(error == 0.0, 1.0, 0.0))
    return float(found.mean())


def _alike(y: Any, predicted: Any) -> tuple[Any, Any]:
    y, predicted = np.asarray(y), np.asarray(predicted)
    if y.size == predicted.size and len(y) == len(predicted):
        return y.reshape(predicted.shape), predicted
    raise ValueError(f"y has shape {y.shape}, but the predictions have {predicted.shape}; pass one row of y for each row of X")
