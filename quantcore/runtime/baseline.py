"""What the calibration rows gave, for a server to hold its own counters against."""

from __future__ import annotations

from typing import Any

import numpy as np

from quantcore.plan.ops import ArgMax, MultiLabel, Threshold
from quantcore.reference import forms
from quantcore.runtime.execute import Executor

__all__ = ["baseline"]

_ROWS = 5000
_QUANTILES = (0.05, 0.25, 0.5, 0.75, 0.95)


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
        ``margins``: how far the best score of a row is from the next (of one score, from where the label changes), at
        5, 25, 50, 75 and 95 of 100 rows. Empty for what predicts no label.
    """
    decision = executor.plan.ops[executor.plan.outputs["predict"]] if "predict" in executor.plan.outputs else None
    if not isinstance(decision, ArgMax | MultiLabel | Threshold):
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
    margins = _margins(executor, decision, some)
    if margins is not None and np.isfinite(margins).all():
        found["margins"] = [_digits(value) for value in np.quantile(margins, _QUANTILES)]
    return found


def _margins(executor: Executor, decision: Any, rows: Any) -> Any:
    found = executor.scores(rows)
    scores = None if found is None else np.asarray(found[0], np.float64)
    if scores is None or scores.ndim != 2:
        return None
    if isinstance(decision, ArgMax) and scores.shape[1] > 1:
        best = np.partition(scores, scores.shape[1] - 2, axis=1)
        return best[:, -1] - best[:, -2]
    at = 0.0 if isinstance(decision, ArgMax) else decision.at
    return np.abs(scores - at).min(axis=1)


def _digits(value: float) -> float:
    return float(f"{float(value):.3g}")
