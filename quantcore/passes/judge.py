"""How many labels a changed form flips: counted on rows that it was not tuned with, and estimated from gaps and errors.

A count of no flips among n rows says little about one in a thousand. So the errors of the rows that come nearest to a tie (how
far the change moves the gap between their two best scores) are held against the gaps of those rows: with the two taken as
independent, half of the errors that are larger than a gap flip a label. Nearest to 0 gaps are taken as uniform, since few rows
lie there. The larger of the count and the estimate is believed.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

__all__ = ["Verdict", "flips_estimated", "gap_errors"]

# One of so many rows, but at least so many: those near a tie, and those that tell the density of gaps nearest to 0.
_NEAR, _LEAST_NEAR = 10, 100
_UNIFORM, _LEAST_UNIFORM = 50, 10


class Verdict(NamedTuple):
    """What was found of a form.

    Parameters
    ----------
    flips, rows : int
        Counted.
    estimate : float
        Share of rows that flip, from gaps and errors.
    """

    flips: int
    rows: int
    estimate: float

    @property
    def agreement(self) -> float:
        """Share of rows whose label stays, the worse of the two."""
        return 1.0 - max(self.flips / max(self.rows, 1), self.estimate)


def gap_errors(source: NDArray[np.float64], found: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Of each row the gap between the source's two best scores (of one score, from 0), and how far it has moved.

    Parameters
    ----------
    source, found : ndarray, shape (n_rows, n_outputs)
    """
    if source.shape[1] == 1:
        return np.abs(source[:, 0]), np.abs(found[:, 0] - source[:, 0])
    first = np.argmax(source, axis=1)
    rows = np.arange(len(source))
    others = source.copy()
    others[rows, first] = -np.inf
    second = np.argmax(others, axis=1)
    gap = source[rows, first] - source[rows, second]
    moved = (found[rows, first] - found[rows, second]) - gap
    return gap, np.abs(moved)


def flips_estimated(gaps: NDArray[np.float64], errors: NDArray[np.float64]) -> float:
    """Share of rows whose label changes if, among rows of small gaps, errors are independent of gaps, either sign as likely.

    Parameters
    ----------
    gaps, errors : ndarray, shape (n_rows,)
        Not negative.
    """
    n = len(gaps)
    if not n or not errors.any():
        return 0.0
    near = np.argsort(gaps, kind="stable")[: max(n // _NEAR, min(n, _LEAST_NEAR))]
    ordered, errors = gaps[near], errors[near]
    uniform = min(len(near) - 1, max(n // _UNIFORM, _LEAST_UNIFORM))
    edge = ordered[uniform]
    below = np.searchsorted(ordered, errors, side="right") / len(near)
    if edge > 0.0:
        below = np.where(errors < edge, errors / edge * (uniform + 1) / len(near), below)
    return float(below.mean() / 2 * len(near) / n)
