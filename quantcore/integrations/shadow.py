"""Serve one model and check the other on a sample of the calls, in the background: for roll-outs."""

from __future__ import annotations

import logging
import random
import threading
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from quantcore.runtime.background import Background

__all__ = ["Difference", "Shadow", "shadow"]

_METHODS = ("predict", "predict_proba", "predict_log_proba", "decision_function", "transform", "apply", "score_samples")


class Difference(NamedTuple):
    """A call whose two answers differ.

    Parameters
    ----------
    method : str
    X : rows as the caller passed them
    rows : ndarray of int64
        Positions of the rows that differ.
    served, checked : answers of the model that serves, and of the one that is checked against it
    """

    method: str
    X: Any
    rows: NDArray[np.int64]
    served: Any
    checked: Any


class Shadow:
    """Two models behind one: made by :func:`shadow`.

    It has the methods and attributes (``classes_``, say) of the model that serves. ``stats()`` counts calls, calls that were
    checked, rows that differ, checks that raised, and checks that were left out since the background was behind.
    """

    def __init__(
        self,
        serving: Any,
        checked: Any,
        sample: float,
        on_difference: Callable[[Difference], None] | None,
        tolerance: float,
        most_waiting: int,
        seed: int,
    ) -> None:
        self._serving, self._checked = serving, checked
        self._sample, self._tell, self._tolerance = sample, on_difference, tolerance
        self._random = random.Random(seed)
        self._lock = threading.Lock()
        self._counts = dict.fromkeys(("calls", "checked", "checked_rows", "different_rows", "failed", "left_out"), 0)
        self._background = Background(self._check, most_waiting, "quantcore-shadow")
        for name in _METHODS:
            if hasattr(serving, name):
                setattr(self, name, self._method(name))

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__") or "_serving" not in self.__dict__:
            raise AttributeError(f"{type(self).__name__!r} object has no attribute {name!r}")
        return getattr(self._serving, name)

    def _method(self, name: str) -> Callable[[Any], Any]:
        call = getattr(self._serving, name)

        def answer(X: Any) -> Any:
            found = call(X)
            with self._lock:
                self._counts["calls"] += 1
                picked = self._random.random() < self._sample
            if picked and hasattr(self._checked, name):
                self._later(name, X, found)
            return found

        answer.__name__ = name
        return answer

    def _later(self, name: str, X: Any, found: Any) -> None:
        if not self._background.put((name, X, found)):  # what serves never waits for what checks
            self._count(left_out=1)

    def _check(self, item: tuple[str, Any, Any]) -> None:
        name, X, served = item
        try:
            own = getattr(self._checked, name)(X)
            rows = _different(served, own, self._tolerance)
            self._count(checked=1, checked_rows=_n_rows(served), different_rows=len(rows))
            if len(rows) and self._tell is not None:
                self._tell(Difference(name, X, rows, served, own))
        except Exception:
            self._count(failed=1)
            logging.getLogger("quantcore").exception("a shadow check of quantcore failed")

    def _count(self, **more: int) -> None:
        with self._lock:
            for name, value in more.items():
                self._counts[name] += value

    def stats(self) -> dict[str, int]:
        """Counters, each only ever growing: ``calls``, ``checked``, ``checked_rows``, ``different_rows``, ``failed``,
        ``left_out``."""
        with self._lock:
            return dict(self._counts)

    def flush(self) -> None:
        """Wait until every check that was taken on is done."""
        self._background.flush()

    def close(self) -> None:
        """Finish the checks that were taken on and end the thread; later calls are served and checked as before."""
        self._background.close()

    def __enter__(self) -> Shadow:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()


def shadow(
    source: Any,
    model: Any,
    *,
    sample: float = 0.01,
    on_difference: Callable[[Difference], None] | None = None,
    serve: str = "source",
    tolerance: float = 1e-6,
    most_waiting: int = 1000,
    seed: int = 0,
) -> Shadow:
    """Serve one model and check the other on a sample of the calls, on a thread of its own.

    Parameters
    ----------
    source : estimator
        The fitted model of scikit-learn.
    model : Model
    sample : float
        Share of the calls that are checked, from 0 to 1. The rows of such a call are kept until then: don't change them.
    on_difference : callable of Difference, or None
        Called on the background thread.
    serve : {"source", "model"}
        Whose answers the caller gets.
    tolerance : float
        Numbers may differ by this much, relative to the larger of 1 and their size; labels must be equal.
    most_waiting : int
        So many checks may wait; more are left out, and counted.
    seed : int
        Of the sample.

    Returns
    -------
    Shadow

    Raises
    ------
    ValueError
        An option has an unknown value.
    """
    if not 0.0 <= sample <= 1.0:
        raise ValueError(f"sample={sample!r}; expected a share from 0 to 1")
    if serve not in ("source", "model"):
        raise ValueError(f"serve={serve!r}; expected 'source' or 'model'")
    if most_waiting < 1:
        raise ValueError(f"most_waiting={most_waiting!r}; expected at least 1")
    pair = (source, model) if serve == "source" else (model, source)
    return Shadow(*pair, sample, on_difference, tolerance, most_waiting, seed)


def _n_rows(answer: Any) -> int:
    """Rows of an answer: a list has an array for each output, a sparse matrix no length."""
    if isinstance(answer, list):
        return _n_rows(answer[0]) if answer else 0
    return int(answer.shape[0])


def _different(a: Any, b: Any, tolerance: float) -> NDArray[np.int64]:
    """Rows whose answers differ."""
    if isinstance(a, list):
        parts = [_different(x, y, tolerance) for x, y in zip(a, b, strict=True)]
        return np.unique(np.concatenate(parts)) if parts else np.zeros(0, np.int64)
    if hasattr(a, "toarray"):
        a, b = a.toarray(), b.toarray()
    a, b = np.asarray(a), np.asarray(b)
    if a.shape != b.shape:
        return np.arange(max(len(a), len(b)))
    if a.dtype.kind == "f" and b.dtype.kind == "f":
        with np.errstate(invalid="ignore"):
            size = np.maximum(1.0, np.maximum(np.abs(a), np.abs(b)))
            equal = (np.abs(a - b) <= tolerance * size) | (a == b) | (np.isnan(a) & np.isnan(b))
    else:
        equal = np.asarray(a == b)
    return np.flatnonzero(~equal.reshape(len(a), -1).all(axis=1))
