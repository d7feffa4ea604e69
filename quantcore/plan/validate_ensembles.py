"""Check the ops of ensembles of whole models."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from quantcore.plan import ensemble_ops
from quantcore.plan.op import Op
from quantcore.plan.rules import array, boolean, is_count, is_finite, require

__all__ = ["CHECKS", "LABEL_READERS"]

_MOST = 1 << 16
_MOST_CODES = 1 << 26
_WHOLE = 2.0**20
_LARGEST = 2.0**1000  # no sum of them overflows


def _votes(op: ensemble_ops.Votes, labels: Sequence[Op | None], widths: list[int]) -> int:
    require(is_count(op.n_classes) and 1 <= op.n_classes <= _MOST, f"n_classes is {op.n_classes!r}, expected 1 to {_MOST}")
    if len(labels) == 1 and labels[0] is not None and labels[0].kind == "MultiLabel":
        n_members, most = widths[0], 2
    else:
        distinct = {id(getattr(label, "classes", label)): label for label in labels}  # members mostly share them
        n_members, most = len(labels), max(map(_numbers, distinct.values()))
    if op.columns is not None:
        array(op.columns, "columns", np.uint32, (n_members, None))
        require(op.columns.shape[1] >= most, f"columns has {op.columns.shape[1]} labels a member, expected {most}")
        require(int(op.columns.max()) < op.n_classes, f"columns names a class beyond the {op.n_classes}")
    else:
        require(most <= op.n_classes, f"a member has {most} labels, more than the {op.n_classes} classes")
    if op.weights is not None:
        array(op.weights, "weights", np.float64, (n_members,))
        require(bool((op.weights >= 0.0).all()), "weights must not be negative")
        require(float(op.weights.max()) <= _LARGEST, f"weights must not be beyond {_LARGEST}")
    return op.n_classes


def _label_values(op: ensemble_ops.LabelValues, labels: Sequence[Op | None], widths: list[int]) -> int:
    classes = _classes(labels[0])
    require(bool(np.isfinite(classes.astype(np.float64)).all()), "its labels must be finite numbers")
    return 1


def _numbers(label: Op | None) -> int:
    """How many labels 0, 1, ... an op may give."""
    classes = _classes(label)
    require(classes.dtype.kind in "bui" and bool((classes >= 0).all()), "its labels must be numbers from 0 on")
    most = int(classes.max()) + 1
    require(most <= _MOST, f"a label is {most - 1}, beyond {_MOST}")
    return most


def _classes(label: Op | None) -> Any:
    classes = getattr(label, "classes", None)
    if label is None or label.kind not in ("ArgMax", "Threshold") or not isinstance(classes, np.ndarray):
        raise ValueError("it reads labels of one output each, which must be numbers")
    if classes.dtype.kind not in "buif":
        raise ValueError(f"it reads labels that are numbers, not of dtype {classes.dtype}")
    return classes


# Ops that read labels: (op, the ops that give them, their widths) → number of columns.
LABEL_READERS: dict[str, Callable[[Any, Sequence[Op | None], list[int]], int]] = {
    "LabelValues": _label_values,
    "Votes": _votes,
}


def _weighted_mean(op: ensemble_ops.WeightedMean, incoming: list[int]) -> int:
    require(len(set(incoming)) == 1, f"its inputs have {sorted(set(incoming))} columns, expected one number")
    if op.weights is not None:
        require(type(op.weights) is tuple and len(op.weights) == len(incoming), "needs one weight per input")
        require(all(is_finite(w) for w in op.weights), "weights must be finite numbers")
    require(is_finite(op.divisor) and op.divisor != 0, "divisor must be a finite number, not 0")
    return incoming[0]


def _pair_confidence(op: ensemble_ops.PairConfidence, incoming: list[int]) -> int:
    n_classes = int(1 + round((1 + 8 * incoming[0]) ** 0.5)) // 2
    require(n_classes * (n_classes - 1) // 2 == incoming[0], f"{incoming[0]} scores are not one for each pair of classes")
    return n_classes


def _code_scores(op: ensemble_ops.CodeScores, incoming: list[int]) -> int:
    array(op.codes, "codes", np.float64, (None, incoming[0]))
    require(1 <= len(op.codes) <= _MOST and op.codes.size <= _MOST_CODES, f"it has {len(op.codes)} codes, too few or too many")
    whole = (np.rint(op.codes) == op.codes) & (np.abs(op.codes) <= _WHOLE)
    require(bool(whole.all()), "codes must be whole numbers")
    return len(op.codes)


def _augment(op: ensemble_ops.Augment, incoming: list[int]) -> int:
    boolean(op.front, "front")
    require(sum(incoming) < 2**32, "has too many columns")
    return sum(incoming)


def _layers(op: ensemble_ops.Layers, incoming: list[int]) -> int:
    require(len(set(incoming)) == 1, f"its inputs have {sorted(set(incoming))} columns, expected one number")
    return incoming[0]


def _ufunc(op: ensemble_ops.ScoreUfunc, incoming: list[int]) -> int:
    require(type(op.name) is str and op.name in ensemble_ops.UFUNCS, f"the function {op.name!r} is not known")
    return incoming[0]


CHECKS: dict[str, Callable[[Any, list[int]], int]] = {
    "Augment": _augment,
    "CodeScores": _code_scores,
    "Layers": _layers,
    "PairConfidence": _pair_confidence,
    "ScoreUfunc": _ufunc,
    "WeightedMean": _weighted_mean,
}
