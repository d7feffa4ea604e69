"""How answers differ from the source's: which rows, by what margin, and whether they were certified all the same."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
from numpy.typing import NDArray

from quantcore.model import Model
from quantcore.report.quality import agreement, equal_rows, share

__all__ = ["Flip", "against", "by_margin", "margins_of", "plain"]

_FLIPS = 50


@dataclasses.dataclass(frozen=True)
class Flip:
    """A row whose answer is not the source's.

    Parameters
    ----------
    row : int
    source, found : Any
        Labels, or predicted numbers.
    margin : float or None
        How far the source's best score is from the next (of one score, from 0).
    certified : bool or None
        Whether the answer was certified all the same; that would be a bug.
    """

    row: int
    source: Any
    found: Any
    margin: float | None
    certified: bool | None


def against(
    source: NDArray[Any],
    found: NDArray[Any],
    name: str,
    model: Model | None,
    X: Any,
    margins: NDArray[np.float64] | None,
    *,
    decides: bool,
) -> dict[str, Any]:
    """What is told by the source's answers: the fields of a Contender that compare with them."""
    nothing: dict[str, Any] = {"agreement": None, "max_error": None, "certified": None, "flips": []}
    if name == "source":
        return nothing
    if not decides:
        error = np.abs(np.asarray(found, np.float64) - np.asarray(source, np.float64))
        return {**nothing, "max_error": float(error.max(initial=0.0))}
    same, away = agreement(found, source)
    sure = None if model is None else model.predict_certified(X).certified
    told = sure if model is not None and model.report()["certify"] == "label" else None
    flips = [
        Flip(
            int(i),
            plain(source[i]),
            plain(found[i]),
            None if margins is None else float(margins[i]),
            None if told is None else bool(told[i]),
        )
        for i in away[:_FLIPS].tolist()
    ]
    proved = None if sure is None else share(int(sure.sum()), len(sure))
    return {"agreement": same, "max_error": None, "certified": proved, "flips": flips}


def margins_of(estimator: Any, X: Any, *, several: bool) -> NDArray[np.float64] | None:
    """How far each row's best score is from the next; of one score, from 0; of several labels a row, the least of theirs."""
    for method in ("decision_function", "predict_proba"):
        if not hasattr(estimator, method):
            continue
        scores = getattr(estimator, method)(X)
        if isinstance(scores, list) or getattr(scores, "ndim", 0) not in (1, 2):
            return None
        scores = np.asarray(scores, np.float64)
        if several and scores.ndim == 2:  # each label is decided on its own
            return np.asarray(np.abs(scores - (0.0 if method == "decision_function" else 0.5)).min(axis=1))
        if scores.ndim == 1:
            return np.asarray(np.abs(scores))
        best = np.partition(scores, scores.shape[1] - 2, axis=1) if scores.shape[1] > 1 else None
        return np.abs(scores[:, 0]) if best is None else np.asarray(best[:, -1] - best[:, -2])
    return None


def by_margin(answers: dict[str, NDArray[Any]], margins: NDArray[np.float64]) -> dict[str, list[tuple[float, bool]]]:
    """For each contender the source's margin of every row, and whether the answers are the same."""
    source = answers["source"]
    found = {}
    for name, own in answers.items():
        if name != "source":
            same = equal_rows(own, source)
            found[name] = list(zip(margins.tolist(), same.tolist(), strict=True))
    return found


def plain(value: Any) -> Any:
    """As JSON holds it."""
    if isinstance(value, dict):
        return {str(k): plain(v) for k, v in value.items()}
    if isinstance(value, tuple) and hasattr(value, "_asdict"):
        return {k: plain(v) for k, v in value._asdict().items()}
    if isinstance(value, (list, tuple)):
        return [plain(v) for v in value]
    if isinstance(value, np.ndarray):
        return plain(value.tolist())
    if isinstance(value, np.generic):
        return plain(value.item())
    if isinstance(value, float) and not np.isfinite(value):
        return None
    return value
