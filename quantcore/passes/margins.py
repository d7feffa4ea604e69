"""How far the scores of a row may be off before what is certified is no longer sure: what a grid has to stay below.

Where labels are told by comparing scores, that is half the gap between the two best ones (of one score, its size). Behind
links, calibration and averages, for several labels at once, for a threshold on probabilities or for the top k there is no such
formula, so the margin is found by bisection, with the very intervals that the certificates are made of.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from quantcore.plan import INPUT, Op, Plan
from quantcore.plan.ops import ArgMax, Linear, Quadratic, Threshold
from quantcore.runtime.certify import Property, decided
from quantcore.runtime.execute import Executor
from quantcore.runtime.values import Value

__all__ = ["Apart", "margins"]

# Scores of sample rows → for each row twice what each score may be off.
Apart = Callable[[NDArray[np.float64]], NDArray[np.float64]]

_STEPS = 12
_FINEST = -40


def margins(plan: Plan, op: Op, wanted: Property) -> Apart | None:
    """How to find the margins of a Linear op's scores; None where the gap between its two best scores is all that counts.

    Parameters
    ----------
    plan : Plan
        The source's.
    op : Op
        One of its Linear ops.
    wanted : Property
    """
    if "predict" not in plan.outputs:
        return None
    decision = plan.ops[plan.outputs["predict"]]
    direct = isinstance(decision, ArgMax) or (isinstance(decision, Threshold) and decision.at == 0.0)
    if wanted.kind == "label" and direct and plan.ops[decision.inputs[0]] is op:
        return None
    positions = _linear(plan, wanted)
    if positions is None or len({len(plan.ops[p].bias) for p in positions}) > 1:  # type: ignore[attr-defined]
        return None
    if not any(plan.ops[p] is op for p in positions):  # another model reads what follows from it
        return None
    executor = Executor(plan, native=False)

    def apart(scores: NDArray[np.float64]) -> NDArray[np.float64]:
        # Several such ops are folds of one calibration, or the like: their scores are about the same.
        size = np.abs(scores).max(axis=1, initial=0.0) + 1e-300
        low, high = np.full(len(scores), float(_FINEST)), np.full(len(scores), 1.0)
        for _ in range(_STEPS):
            middle = (low + high) / 2
            away = (size * np.exp2(middle))[:, None]
            known = {p: Value(scores, (scores - away, scores + away)) for p in positions}
            sure = decided(executor, wanted, None, known)[1]
            low, high = np.where(sure, middle, low), np.where(sure, high, middle)
        # Rows that no grid settles (ties that calibration makes) say nothing about the grid.
        settled = low > _FINEST + 0.5
        found: NDArray[np.float64] = (2.0 * size * np.exp2(low))[settled]
        return found if len(found) else np.zeros(1)

    return apart


def _linear(plan: Plan, wanted: Property) -> list[int] | None:
    """All Linear ops that the answer follows from; None where it follows from something else too."""
    method = "predict_proba" if wanted.kind == "threshold" else "predict"
    found, waiting = set(), list(plan.ops[plan.outputs[method]].inputs)
    while waiting:
        position = waiting.pop()
        if position == INPUT or isinstance(plan.ops[position], Quadratic):
            return None
        if isinstance(plan.ops[position], Linear):
            found.add(position)
        else:
            waiting += plan.ops[position].inputs
    return sorted(found)
