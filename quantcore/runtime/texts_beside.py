"""Texts beside other columns: each text column through the text kernel, the others through the reader of tables, the scores of
all of them added.

What the bounds of the parts have to hold is in ``quantcore.passes.texts_beside``; the sum of m parts is rounded m times here.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from quantcore.plan import Plan
from quantcore.plan.ops import Documents, Text, WeightedMean
from quantcore.reference import inputs
from quantcore.runtime.ways import needed

__all__ = ["Beside", "position"]

_UNIT = 2.0**-53
_TINY = 2.0**-1021


def position(plan: Plan) -> int | None:
    """Where scores of texts and of other columns are added, if all that is answered follows from that sum; else None.

    Parameters
    ----------
    plan : Plan
    """
    sums = [i for i, op in enumerate(plan.ops) if isinstance(op, WeightedMean) and op.weights is None and op.divisor == 1.0]
    if plan.input != "table" or len(sums) != 1:
        return None
    at = sums[0]
    behind = all(i >= at for op in plan.ops[at + 1 :] for i in op.inputs)
    others = [i for i in plan.ops[at].inputs if not _is_texts(plan, i)]
    one = len(set(plan.ops[at].inputs)) == len(plan.ops[at].inputs) > len(others) <= 1
    return at if one and behind and min(plan.outputs.values()) >= at else None


def _is_texts(plan: Plan, at: int) -> bool:
    """Whether an op is one over the counts of a column of the caller's texts."""
    counts = plan.ops[plan.ops[at].inputs[0]] if at >= 0 and plan.ops[at].inputs[0] >= 0 else None
    documents = plan.ops[counts.inputs[0]] if isinstance(counts, Text) and counts.inputs[0] >= 0 else None
    return isinstance(documents, Documents) and documents.inputs[0] < 0


class Beside:
    """The parts of a sum of scores.

    Parameters
    ----------
    plan : Plan
    at : int
        The position of the sum.
    model : callable of positions → compiled model, or None
        Of a Text op and the scores behind it.
    serve : callable of Plan → Executor
        Makes what serves the other columns.

    Raises
    ------
    ValueError
        Some part has no compiled pass: the message says why.
    """

    def __init__(self, plan: Plan, at: int, model: Callable[[tuple[int, ...]], Any], serve: Callable[[Plan], Any]) -> None:
        self.at = at
        self.other: Any = None
        self._texts: list[tuple[int, Any]] = []
        columns: list[int] = []
        for i in plan.ops[at].inputs:
            if not _is_texts(plan, i):
                self.other = serve(_scores_alone(plan, i)).front
                if self.other is None:
                    raise ValueError("other columns have no compiled reader")
                continue
            found = model((plan.ops[i].inputs[0], i))
            if found is None:
                raise ValueError("texts have no compiled pass")
            documents: Any = plan.ops[plan.ops[plan.ops[i].inputs[0]].inputs[0]]
            columns.append(documents.column)
            self._texts.append((documents.column, found))
        # What reads these columns of the caller's table, and no others.
        ops = tuple(Documents(inputs=(-1,), column=column) for column in sorted(set(columns)))
        self._columns: Plan = plan.changed(ops=ops, outputs={})
        self._share = 4.0 * (len(plan.ops[at].inputs) + 4) * _UNIT

    def scores(self, X: Any) -> tuple[NDArray[np.float64], NDArray[np.float64]] | None:
        """The sums for a table as the caller passes it, and how far the source's may be off; None where some part refuses it.

        Parameters
        ----------
        X : as the source takes it
        """
        rows = None if self.other is None else self.other.reader.read(X)
        if rows is None and self.other is not None:
            return None
        table = inputs.read(self._columns, X)
        found = [model.scores(table.column(column).tolist()) for column, model in self._texts]
        total, away = found[0][0], found[0][1][:, None]
        size = np.abs(total)
        for scores, error in found[1:]:
            total, away, size = total + scores, away + error[:, None], size + np.abs(scores)
        if rows is not None:
            plan = self.other.inner.plan
            value = self.other.inner.evaluated(plan.outputs["decision_function"], rows)
            if value.interval is None:
                return None
            scores, (low, high) = value.value, value.interval
            total, size = scores + total, size + np.abs(scores)
            away = away + np.maximum(high - scores, scores - low)
        return total, away + (size + away) * self._share + _TINY


def _scores_alone(plan: Plan, at: int) -> Plan:
    """A Plan of the scores at a position."""
    wanted = needed(plan, at)
    moved = {-1: -1} | {old: new for new, old in enumerate(wanted)}
    ops = tuple([plan.ops[i].changed(inputs=tuple([moved[j] for j in plan.ops[i].inputs])) for i in wanted])
    found: Plan = plan.changed(ops=ops, outputs={"decision_function": len(ops) - 1}, classes=None, feature_names_out=None)
    return found
