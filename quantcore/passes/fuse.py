"""Fold what is foldable: fewer ops with the same labels."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from quantcore.passes.rewrite import rewrite
from quantcore.plan import Op, Plan
from quantcore.plan.ops import Binarize, Columns, Linear, Text, TfIdf

__all__ = ["fuse"]

_MOST_WEIGHTS = 1 << 26


def fuse(plan: Plan) -> Plan:
    """Apply all foldings that don't change a label; the TfIdf op in front of a Linear one is folded when that is quantized.

    Parameters
    ----------
    plan : Plan
    """
    return _fold_columns(_fold_binarize(plan))


def _fold_columns(plan: Plan) -> Plan:
    """Terms that were not selected have weight 0, so that one pass over the text serves; of tables the columns are dropped."""

    def change(position: int, op: Op) -> list[Op]:
        before = plan.ops[op.inputs[0]] if plan.input == "text" and isinstance(op, Linear) and op.inputs[0] >= 0 else None
        if not isinstance(op, Linear) or not isinstance(before, Columns):
            return [op]
        source = plan.ops[before.inputs[0]]
        counts = plan.ops[source.inputs[0]] if isinstance(source, TfIdf) and source.inputs[0] >= 0 else source
        if not isinstance(counts, Text) or counts.n_features * len(op.bias) > _MOST_WEIGHTS:
            return [op]
        weight = np.zeros((counts.n_features, len(op.bias)))
        weight[before.index] = op.weight
        return [replace(op, inputs=before.inputs, weight=weight)]

    return rewrite(plan, change)


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
