"""Fold what is foldable: fewer ops with the same labels."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from quantcore.passes.rewrite import consumers, rewrite
from quantcore.plan import Op, Plan
from quantcore.plan.ops import ArgMax, Binarize, Linear, LogSoftmax, Softmax, Text, TfIdf, Threshold

__all__ = ["fuse"]


def fuse(plan: Plan, *, keep_outputs: bool = False) -> Plan:
    """Apply all foldings that don't change a label.

    Parameters
    ----------
    plan : Plan
    keep_outputs : bool
        Leave the scores of two classes as two columns (``guarantee="exact"`` replays the source's own sums).
    """
    plan = _fold_binarize(plan)
    return plan if keep_outputs else _fold_pairs(plan)


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


def _fold_pairs(plan: Plan) -> Plan:
    """Two scores that are only compared, or put through softmax, become their difference (naive Bayes)."""
    folded = set()
    for position, op in enumerate(plan.ops):
        if isinstance(op, Linear) and op.weight.shape[1] == 2 and position not in plan.outputs.values():
            readers = consumers(plan, position)
            if readers and all(_compares(reader) for reader in readers):
                folded.add(position)

    def change(position: int, op: Op) -> list[Op]:
        if position in folded and isinstance(op, Linear):
            return [replace(op, weight=np.ascontiguousarray(op.weight[:, 1:] - op.weight[:, :1]), bias=op.bias[1:] - op.bias[:1])]
        if op.inputs and op.inputs[0] in folded:
            if isinstance(op, ArgMax):
                return [Threshold(inputs=op.inputs, classes=op.classes)]
            if isinstance(op, Softmax | LogSoftmax):
                return [replace(op, paired="zero")]
        return [op]

    return rewrite(plan, change)


def _compares(op: Op) -> bool:
    return isinstance(op, ArgMax) or (isinstance(op, Softmax | LogSoftmax) and op.paired == "no")
