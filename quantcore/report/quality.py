"""How well answers fit: each other (agreement) and the truth (accuracy, F1, log loss, calibration error; R², MAE)."""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from quantcore.runtime.quality import accuracy, r_squared

__all__ = ["Share", "agreement", "classification", "equal_rows", "regression", "share"]

_Z95 = 1.959963984540054
_BINS = 15
_LEAST = 1e-15


class Share(NamedTuple):
    """A share of rows with its 95% interval.

    Parameters
    ----------
    value, low, high : float
    n : int
        Number of rows.
    """

    value: float
    low: float
    high: float
    n: int


def share(hits: int, n: int) -> Share:
    """A share and its interval by Wilson's score: sound also where none or all of the rows count.

    Parameters
    ----------
    hits, n : int
    """
    if n < 1:
        raise ValueError("expected at least one row, got none")
    p, z2 = hits / n, _Z95 * _Z95
    centre = (p + z2 / (2 * n)) / (1 + z2 / n)
    away = _Z95 * math.sqrt(p * (1 - p) / n + z2 / (4 * n * n)) / (1 + z2 / n)
    return Share(p, max(0.0, centre - away) if hits else 0.0, min(1.0, centre + away) if hits < n else 1.0, n)


def agreement(ours: Any, source: Any) -> tuple[Share, NDArray[np.int64]]:
    """Share of rows with the same answers, and the positions of the others.

    Parameters
    ----------
    ours, source : array-like, shape (n_rows,) or (n_rows, n_outputs)
    """
    equal = equal_rows(ours, source)
    return share(int(equal.sum()), len(equal)), np.flatnonzero(~equal)


def equal_rows(a: Any, b: Any) -> NDArray[np.bool_]:
    """Whether each row's answers are the same."""
    equal: NDArray[np.bool_] = np.asarray(np.asarray(a) == np.asarray(b))
    return np.asarray(equal.reshape(len(equal), -1).all(axis=1))


def classification(y: Any, predicted: Any, probabilities: Any = None, classes: Any = None) -> dict[str, float]:
    """Accuracy and macro F1; with probabilities log loss and expected calibration error (15 bins of equal width).

    Parameters
    ----------
    y, predicted : array-like, shape (n_rows,) or, for several labels a row, (n_rows, n_labels)
    probabilities : array-like, shape (n_rows, n_classes), or None
    classes : array-like, shape (n_classes,), or None
        Of the columns of the probabilities.
    """
    y, predicted = np.asarray(y), np.asarray(predicted)
    found = {"accuracy": accuracy(y, predicted), "macro_f1": _macro_f1(y, predicted)}
    if probabilities is None or classes is None or y.ndim != 1:
        return found
    order = {label: k for k, label in enumerate(list(classes))}
    place = np.array([order.get(label, -1) for label in y.tolist()])
    if (place < 0).any():  # labels that the model doesn't know have no probability
        return found
    p: NDArray[np.float64] = np.asarray(probabilities, np.float64)
    found["log_loss"] = float(-np.log(np.clip(p[np.arange(len(p)), place], _LEAST, 1.0)).mean())
    best, right = p.max(axis=1), p.argmax(axis=1) == place
    bins = np.minimum((best * _BINS).astype(np.int64), _BINS - 1)
    size = np.bincount(bins, minlength=_BINS)
    gaps = np.abs(np.bincount(bins, right, _BINS) - np.bincount(bins, best, _BINS))
    found["calibration_error"] = float(gaps[size > 0].sum() / len(p))
    return found


def regression(y: Any, predicted: Any) -> dict[str, float]:
    """R² and mean absolute error.

    Parameters
    ----------
    y, predicted : array-like, shape (n_rows,) or (n_rows, n_outputs)
    """
    error = np.abs(np.asarray(y, np.float64).reshape(len(y), -1) - np.asarray(predicted, np.float64).reshape(len(y), -1))
    return {"r2": r_squared(y, predicted), "mae": float(error.mean())}


def _macro_f1(y: NDArray[Any], predicted: NDArray[Any]) -> float:
    """Mean of the F1 of all classes that occur in either; of several labels a row, of the labels."""
    if y.ndim > 1:
        return float(np.mean([_f1(y[:, k] == 1, predicted[:, k] == 1) for k in range(y.shape[1])]))
    return float(np.mean([_f1(y == label, predicted == label) for label in sorted({*y.tolist(), *predicted.tolist()}, key=str)]))


def _f1(real: NDArray[np.bool_], found: NDArray[np.bool_]) -> float:
    both = int(np.count_nonzero(real & found))
    return 2.0 * both / max(int(np.count_nonzero(real)) + int(np.count_nonzero(found)), 1)
