"""What follows from scores, as the doors compute it in the pass that makes them."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from quantcore.plan import Op, Plan
from quantcore.plan.ops import Exp, NormalizeRows, Predictions, Sigmoid, Softmax

__all__ = ["Linked", "linked"]


class Linked(NamedTuple):
    """A way from scores to an answer, as a door's ``Link`` knows it.

    Parameters
    ----------
    position : int
        Of the scores.
    kind, paired, shares, scale, sigmoid
        As of ``Link``; ``sigmoid``: slope and offset, or None.
    flat : bool
        One output is answered as a 1-d array.
    """

    position: int
    kind: int
    paired: int
    shares: int
    scale: float
    sigmoid: tuple[Any, Any] | None
    flat: bool

    @property
    def bare(self) -> bool:
        """Whether the answer is the scores themselves."""
        return not (self.kind or self.paired or self.shares)

    def made(self, module: Any, n_scores: int) -> Any:
        """The Link of a door."""
        zeros = np.zeros(n_scores)
        return module.Link(self.kind, self.paired, self.shares, self.scale, *(self.sigmoid or (zeros, zeros)), self.flat)


def linked(plan: Plan, position: int, *, flat: bool) -> Linked:
    """How the result of the op at a position follows from scores: from itself, if from no others.

    Parameters
    ----------
    plan : Plan
    position : int
    flat : bool
        Whether the method answers one output as a 1-d array, whatever the ops say.
    """
    shares = 0
    op: Op = plan.ops[position]
    if isinstance(op, Predictions):
        flat, position = op.flat, op.inputs[0]
    if position >= 0 and isinstance(op := plan.ops[position], NormalizeRows):
        shares, position = 1 if op.empty == "uniform" else 2, op.inputs[0]
    kind, paired, scale, sigmoid = 0, 0, 1.0, None
    if position >= 0 and isinstance(op := plan.ops[position], Exp | Sigmoid | Softmax):
        position = op.inputs[0]
        if isinstance(op, Softmax):
            kind, paired, scale = 2, ("no", "zero", "mirror").index(op.paired), op.scale
        else:
            kind = 1 if isinstance(op, Exp) else 3
        if isinstance(op, Sigmoid):
            paired, sigmoid = int(op.paired), (op.slope, op.offset)
    return Linked(position, kind, paired, shares, scale, sigmoid, flat)
