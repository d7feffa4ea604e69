"""The cold planes: open rows settled by the source's own arithmetic."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from quantcore.plan import INPUT, Op, Plan
from quantcore.plan.ops import LeafSum, Linear, PlanarLinear, Text, TfIdf
from quantcore.runtime.certify import Property, decided

if TYPE_CHECKING:
    from quantcore.runtime.execute import Executor

__all__ = ["Cold", "cold_plan", "settle_cold"]


def _is_whole(plan: Plan) -> bool:
    """Whether nothing of the source's own numbers is missing."""
    return not any(
        (isinstance(op, LeafSum) and op.approximate) or (isinstance(op, PlanarLinear) and op.cold is None) for op in plan.ops
    )


def cold_plan(plan: Plan) -> Plan | None:
    """The source's own arithmetic, from the cold planes: None where the Plan lacks them."""
    if not _is_whole(plan):
        return None
    ops: list[Op] = []
    moved = {INPUT: INPUT}
    for position, op in enumerate(plan.ops):
        inputs_ = tuple(moved[i] for i in op.inputs)
        if isinstance(op, PlanarLinear) and op.cold is not None:
            single = op.dtype == "float32"
            counts = op.inputs[0] != INPUT and isinstance(plan.ops[op.inputs[0]], Text)
            if op.sublinear or op.idf is not None or op.norm is not None or (single and counts):
                ops.append(TfIdf(inputs=inputs_, sublinear=op.sublinear, idf=op.idf, norm=op.norm, dtype=op.dtype))
                inputs_ = (len(ops) - 1,)
            # Terms of float32 may meet weights of float64: then the source sums in float64.
            single = single and bool((op.cold.astype(np.float32) == op.cold).all())
            ops.append(Linear(inputs=inputs_, weight=op.cold, bias=op.bias, dtype="float32" if single else "float64"))
        else:
            ops.append(op.changed(inputs=inputs_))
        moved[position] = len(ops) - 1
    found: Plan = plan.changed(ops=tuple(ops), outputs={method: moved[at] for method, at in plan.outputs.items()})
    return found


class Cold:
    """Settles open rows by the source's own arithmetic, prepared when the first of them comes: most models see none.

    Parameters
    ----------
    plan : Plan
        One that has a ``cold_plan``.
    """

    def __init__(self, plan: Plan) -> None:
        self._plan = plan

    @cached_property
    def executor(self) -> Executor:
        """What serves the cold Plan. Threads that come at once may each make one; they are equal."""
        from quantcore.runtime.execute import Executor  # which knows this class

        cold = cold_plan(self._plan)
        if cold is None:
            raise TypeError("expected a Plan with cold planes")
        return Executor(cold, native=False)

    def __call__(self, rows: Any, positions: list[int]) -> NDArray[Any]:
        """Labels. The rows have been checked: a matrix is no longer what the caller passed."""
        return np.asarray(self.executor.value_at(self.executor.plan.outputs["predict"], rows))

    def proved(self, wanted: Property, rows: Any) -> tuple[NDArray[Any], NDArray[np.bool_]]:
        """Answers, and whether they hold however the source rounds: nothing else stands between the two here."""
        return decided(self.executor, wanted, rows)


def settle_cold(plan: Plan) -> Cold | None:
    """Answers for open rows from the cold planes, or None where there are none."""
    return Cold(plan) if _is_whole(plan) else None
