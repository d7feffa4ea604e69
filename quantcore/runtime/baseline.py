"""What the calibration rows gave, for a server to hold its own counters against."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from quantcore.plan import Csr, Table
from quantcore.plan.ops import ArgMax, MultiLabel, Threshold
from quantcore.reference import forms, inputs
from quantcore.runtime.execute import Executor

__all__ = ["QUANTILES", "baseline", "margins", "missing"]

_ROWS = 5000
QUANTILES = (0.05, 0.25, 0.5, 0.75, 0.95)


def baseline(executor: Executor, rows: Any) -> dict[str, Any]:
    """Some 80 bytes of a file.

    Parameters
    ----------
    executor : Executor
    rows : calibration rows

    Returns
    -------
    dict
        ``open`` and ``unknown``: share of rows that no hot plane settled, and of tokens that the vocabulary lacks (counted where
        the compiled pass reads texts), as ``open_rows`` / ``rows`` and ``unknown_tokens`` / ``tokens`` of ``stats()``.
        ``missing``: missing values a row of numbers or of a table, where there are some. ``margins``: how far the best score of a
        row is from the next (of one score, from where the label changes), at 5, 25, 50, 75 and 95 of 100 rows. Empty for what
        predicts no label.
    """
    if _decision(executor) is None:
        return {}
    some = rows[:_ROWS] if hasattr(rows, "tocsr") else forms.head(rows, _ROWS)
    before = executor.stats()
    executor.certified(some)
    after = executor.stats()
    seen = {name: after[name] - before[name] for name in ("rows", "open_rows", "tokens", "unknown_tokens")}
    if not seen["rows"]:
        return {}
    found: dict[str, Any] = {"open": _digits(seen["open_rows"] / seen["rows"])}
    if seen["tokens"]:
        found["unknown"] = _digits(seen["unknown_tokens"] / seen["tokens"])
    n_missing, n_rows = missing(executor, some)
    if n_missing:
        found["missing"] = _digits(n_missing / n_rows)
    margin = margins(executor, some)
    if margin is not None and np.isfinite(margin).all():
        found["margins"] = [_digits(value) for value in np.quantile(margin, QUANTILES)]
    return found


def margins(executor: Executor, rows: Any) -> NDArray[np.float64] | None:
    """How far the best score of each row is from the next, counted nowhere; None for what predicts no label from scores.

    Parameters
    ----------
    executor : Executor
    rows : rows as ``predict`` takes them
    """
    decision = _decision(executor)
    found = None if decision is None else executor.scores(rows, counted=False)
    scores = None if found is None else np.asarray(found[0], np.float64)
    if scores is None or scores.ndim != 2:
        return None
    if isinstance(decision, ArgMax) and scores.shape[1] > 1:
        best = np.partition(scores, scores.shape[1] - 2, axis=1)
        return np.asarray(best[:, -1] - best[:, -2])
    at = 0.0 if isinstance(decision, ArgMax) else decision.at
    return np.asarray(np.abs(scores - at).min(axis=1))


def missing(executor: Executor, rows: Any) -> tuple[int, int]:
    """How many values of rows are missing (NaN, None) in columns that the model reads, and the number of rows.

    Parameters
    ----------
    executor : Executor
    rows : rows as ``predict`` takes them
    """
    given = inputs.read(executor.plan, rows)
    if isinstance(given, Table):
        return sum(_missing(column) for column in given.columns if column is not None), given.n_rows
    if isinstance(given, Csr):
        return _missing(given.data), given.n_rows
    return _missing(given) if isinstance(given, np.ndarray) else 0, len(given)


def _missing(values: NDArray[Any]) -> int:
    if values.dtype.kind == "f":
        return int(np.count_nonzero(np.isnan(values)))
    if values.dtype.kind != "O":
        return 0
    return sum(value is None or value != value for value in values.ravel().tolist())


def _decision(executor: Executor) -> Any:
    """The op that decides a label, or None."""
    outputs = executor.plan.outputs
    found = executor.plan.ops[outputs["predict"]] if "predict" in outputs else None
    return found if isinstance(found, ArgMax | MultiLabel | Threshold) else None


def _digits(value: float) -> float:
    return float(f"{float(value):.3g}")
