"""Look at a sample of the rows that a model serves: how clear its decisions are, and how much of its input is missing.

Kernels compute neither on the way to a label, so it is done again for some rows of some calls, in the background. A model that
nobody watches does without all of this.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Any

import numpy as np

from quantcore.reference import forms
from quantcore.runtime.background import Background
from quantcore.runtime.baseline import QUANTILES, margins, missing
from quantcore.runtime.execute import Executor

__all__ = ["Watch"]

_ROWS = 64  # of a call
_MOST_WAITING = 100
_ENDS = (0, *(round(100 * q) for q in QUANTILES), 100)
_NAMES = tuple(f"margin_{low}_{high}" for low, high in zip(_ENDS, _ENDS[1:], strict=False))


class Watch:
    """Counts of the rows that were looked at.

    Parameters
    ----------
    executor : Executor
    share : float
        Of the calls, from 0 to 1.
    quantiles : list of float, or None
        Of the margins of the calibration rows, as the baseline of a file has them; None: margins are not counted.
    """

    def __init__(self, executor: Executor, share: float, quantiles: Any) -> None:
        self._executor, self._share = executor, share
        self._quantiles = None if quantiles is None else np.asarray(quantiles, np.float64)
        names = ("watched_rows", "missing_values", *(() if quantiles is None else _NAMES))
        self._counts = dict.fromkeys(names, 0)
        self._background = Background(self._count, _MOST_WAITING, "quantcore-watch")

    def around(self, call: Callable[..., Any]) -> Callable[..., Any]:
        """The same call, some of whose rows are looked at; they are its last argument."""
        share, draw = self._share, random.Random().random

        def answer(first: Any, *rest: Any) -> Any:
            *names, X = first, *rest
            if not hasattr(X, "__len__") and not hasattr(X, "shape"):
                X = list(X)  # an iterator is read twice
            found = call(*names, X)
            if draw() < share:
                self._look(X)
            return found

        return answer

    def flush(self) -> None:
        """Wait until all rows that were put aside have been looked at."""
        self._background.flush()

    def stats(self) -> dict[str, int]:
        """Counters, each only ever growing."""
        return dict(self._counts)

    def _look(self, X: Any) -> None:
        """Put some rows aside: copied, as the caller may change his own afterwards."""
        try:
            start = random.randrange(max(1, forms.n_rows(X) - _ROWS + 1))
            self._background.put(_copied(forms.part(X, start, start + _ROWS)))
        except (TypeError, ValueError, IndexError, NotImplementedError):  # a form that can't be cut: the answer stands
            return

    def _count(self, rows: Any) -> None:
        n_missing, n_rows = missing(self._executor, rows)
        bins = np.zeros(len(_NAMES), np.int64)
        if self._quantiles is not None:
            found = margins(self._executor, rows)
            if found is not None:
                found = found[np.isfinite(found)]
                bins += np.bincount(np.searchsorted(self._quantiles, found, side="right"), minlength=len(_NAMES))
        more = {"watched_rows": n_rows, "missing_values": n_missing, **dict(zip(_NAMES, bins.tolist(), strict=True))}
        for name in self._counts:  # one thread alone counts
            self._counts[name] += more[name]


def _copied(X: Any) -> Any:
    if isinstance(X, dict):
        return {name: _copied(value) for name, value in X.items()}
    return X.copy() if isinstance(X, np.ndarray) or hasattr(X, "iloc") or hasattr(X, "indptr") else X
