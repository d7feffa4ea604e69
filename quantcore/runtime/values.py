"""What ops give while a Plan runs, and some rows of what goes into them."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from quantcore.plan import Csr, Table
from quantcore.runtime import intervals

__all__ = ["FINE", "HOT", "OPEN", "Known", "Value", "take"]

HOT, FINE, OPEN = 0, 1, 2  # the plane that settled a row


class Value(NamedTuple):
    """The result of an op; of a matrix also the error of each value, of leaves how far off each row's may be (0 or infinity), of
    scores and what follows them the lowest and the highest that the source may have."""

    value: Any
    interval: intervals.Interval | None = None
    error: NDArray[Any] | None = None

    def as_matrix(self) -> NDArray[Any] | None:
        """Scores that are read as a matrix."""
        if self.interval is None:
            return self.error
        low, high = self.interval
        return np.asarray(np.maximum(high - self.value, self.value - low))


Known = dict[int, Value]


def take(X: Any, rows: NDArray[np.int64]) -> Any:
    """Some rows, in the form that they came in."""
    if isinstance(X, Csr | Table):
        return X.take_rows(rows)
    if isinstance(X, np.ndarray):
        return X[rows]
    if isinstance(X, list) and not isinstance(X[0], dict):
        return [X[i] for i in rows.tolist()]
    from quantcore.reference import forms  # tables alone come in others

    return forms.take(X, rows)
