"""Building a changed Plan from another one."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from quantcore.plan import INPUT, Op, Plan

__all__ = ["consumers", "rewrite"]


def consumers(plan: Plan, position: int) -> list[Op]:
    """The ops that read the result at a position."""
    return [op for op in plan.ops if position in op.inputs]


def rewrite(plan: Plan, change: Callable[[int, Op], list[Op]]) -> Plan:
    """Replace ops; what no output needs any more falls away.

    Parameters
    ----------
    plan : Plan
    change : callable of (position, op) → list of Op
        The ops that take its place, the last of which gives its result. Their inputs are positions of the *old* plan;
        ``-2`` names the op before it in the list, ``-3`` the one before that, and so on.
    """
    ops: list[Op] = []
    moved = {INPUT: INPUT}
    for position, op in enumerate(plan.ops):
        for new in change(position, op):
            inputs = tuple(len(ops) + i + 1 if i <= -2 else moved[i] for i in new.inputs)
            ops.append(replace(new, inputs=inputs))
        moved[position] = len(ops) - 1
    outputs = {method: moved[at] for method, at in plan.outputs.items()}
    grown = replace(plan, ops=tuple(ops), outputs=outputs)
    needed = sorted({at for method in outputs for at in grown.needed(method)})
    place = {INPUT: INPUT} | {old: new for new, old in enumerate(needed)}
    kept = tuple(replace(ops[at], inputs=tuple(place[i] for i in ops[at].inputs)) for at in needed)
    return replace(plan, ops=kept, outputs={method: place[at] for method, at in outputs.items()})
