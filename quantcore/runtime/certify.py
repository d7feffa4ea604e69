"""What a certificate is about: the label, whether probabilities reach a threshold, or which classes come first.

The property is data of the file. Each has an answer, and an answer is certified where it is the same for everything that
the source could compute:

- ``"label"``: what ``predict`` returns;
- ``{"threshold": t}``: whether ``predict_proba`` is at least t: of the positive class where there are two, else of each class
  or label;
- ``{"top_k": k}``: the k classes whose scores, as ``predict`` compares them, are the highest, in descending order; of equal
  scores the first classes come first. Certified is the set, not its order.
"""

from __future__ import annotations

import numbers
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from quantcore.plan import Plan
from quantcore.plan.ops import ArgMax, MultiLabel, Predictions, Several, Stack, Threshold
from quantcore.plan.record import Record

if TYPE_CHECKING:
    from quantcore.runtime.execute import Executor
    from quantcore.runtime.values import Known

__all__ = ["LABEL", "Property", "checked", "decided"]

_EXPECTED = "expected 'label', {'threshold': t} or {'top_k': k}"


class Property(Record, kw_only=False):
    """What is certified.

    Parameters
    ----------
    kind : {"label", "threshold", "top_k"}
    value : float or int
        The threshold, or the number of classes.
    """

    kind: str
    value: Any = None

    def as_json(self) -> Any:
        """As the public function takes it, and as a file holds it."""
        return self.kind if self.value is None else {self.kind: self.value}


LABEL = Property("label")


def checked(certify: Any, plan: Plan) -> Property:
    """The property that a caller, or a file, asks for.

    Parameters
    ----------
    certify : "label", {"threshold": float} or {"top_k": int}
    plan : Plan

    Raises
    ------
    ValueError
        It is none of those, or the model has no such answer.
    """
    if isinstance(certify, str) and certify == "label":
        return LABEL
    if not isinstance(certify, Mapping) or len(certify) != 1 or next(iter(certify)) not in ("threshold", "top_k"):
        raise ValueError(f"certify={certify!r} is not known in this release; {_EXPECTED}")
    (kind, value), source = next(iter(certify.items())), plan.source or "this model"
    decision = plan.ops[plan.outputs["predict"]] if "predict" in plan.outputs else None
    if decision is None:
        raise ValueError(f"certify={certify!r}: {source} has no predict, so there is nothing to certify; leave certify out")
    if isinstance(decision, Predictions):
        raise ValueError(
            f"certify={certify!r}: {source} is a regressor: it has neither classes nor probabilities; "
            "leave certify out: report() states a bound on the error of its predictions"
        )
    if kind == "threshold":
        return Property(kind, _threshold(certify, value, plan, source))
    return Property(kind, _top_k(certify, value, plan, decision, source))


def _threshold(certify: Any, value: Any, plan: Plan, source: str) -> float:
    if not isinstance(value, numbers.Real) or not 0.0 < float(value) < 1.0:
        raise ValueError(f"certify={certify!r}: expected a threshold in (0, 1), a probability that is neither 0 nor 1")
    if "predict_proba" not in plan.outputs:
        raise ValueError(
            f"certify={certify!r}: {source} has no predict_proba to compare with a threshold; "
            "wrap it in CalibratedClassifierCV, or use certify='label' or {'top_k': k}"
        )
    return float(value)


def _top_k(certify: Any, value: Any, plan: Plan, decision: Any, source: str) -> int:
    if isinstance(decision, Stack) or isinstance(plan.classes, list):
        raise ValueError(
            f"certify={certify!r}: {source} predicts several labels a row, each with classes of its own; use certify='label'"
        )
    n_classes = len(plan.classes) if plan.classes is not None else len(decision.classes)
    whole = isinstance(value, numbers.Integral) and not isinstance(value, bool)
    if not whole or not 1 <= int(value) < n_classes:
        raise ValueError(
            f"certify={certify!r}: expected a whole number of classes from 1 to {n_classes - 1}; {source} has {n_classes} classes"
        )
    return int(value)


def decided(
    executor: Executor, wanted: Property, given: Any, known: Known | None = None
) -> tuple[NDArray[Any], NDArray[np.bool_]]:
    """The answers for rows that have been checked, and whether each row's is certified.

    Parameters
    ----------
    executor : Executor
    wanted : Property
    given : checked rows
    known : dict of results by position, or None
        Of ops that have been run.
    """
    plan, known = executor.plan, {} if known is None else known
    decision = plan.ops[plan.outputs["predict"]]
    if wanted.kind == "label":
        return executor._decided(decision, given, known)
    if wanted.kind == "threshold":
        return _reached(executor, decision, wanted.value, given, known)
    return _first(executor, decision, wanted.value, given, known)


def _reached(executor: Executor, decision: Any, at: float, given: Any, known: Known) -> tuple[NDArray[Any], NDArray[np.bool_]]:
    """Whether probabilities reach ``at``: of shape (n_rows,) for two classes, else (n_rows, n_classes)."""
    plan = executor.plan
    position = plan.outputs["predict_proba"]
    op = plan.ops[position]
    several = isinstance(op, Several)
    answers: list[NDArray[np.bool_]] = []
    sure: list[NDArray[np.bool_]] = []
    # A comparison in float32 takes the threshold's nearest float32.
    ends = sorted({at, float(np.float32(at))}) if executor._dtype == "float32" else [at]
    for place in op.inputs if several else (position,):
        found = executor._evaluate(place, given, known)
        value, interval = found.value, found.interval
        pair = value.shape[1] == 2 and (several or not isinstance(decision, MultiLabel | Stack))
        shown = slice(1, None) if pair else slice(None)
        answers.append(value[:, shown] >= at)
        if interval is None:
            sure.append(np.zeros(len(value), np.bool_))
            continue
        low, high = (end[:, shown] for end in interval)
        sure.append(np.asarray(((low >= ends[-1]) | (high < ends[0])).all(axis=1)))
    joined = np.concatenate(answers, axis=1)
    return joined[:, 0] if joined.shape[1] == 1 and not several else joined, np.all(sure, axis=0)


def _first(executor: Executor, decision: Any, k: int, given: Any, known: Known) -> tuple[NDArray[Any], NDArray[np.bool_]]:
    """The k first classes, shape (n_rows, k)."""
    from quantcore.reference.labels import as_array
    from quantcore.runtime.intervals import decide_top

    if isinstance(decision, Threshold):  # one score for two classes: the first is the label
        labels, sure = executor._decided(decision, given, known)
        return labels[:, None], sure
    scores = executor._evaluate(decision.inputs[0], given, known).value
    order = np.argsort(-scores, axis=1, kind="stable")[:, :k]
    classes = as_array(decision.classes if isinstance(decision, ArgMax) else executor.plan.classes)
    interval, margin = executor._compared(decision.inputs[0], given, known)
    sure = np.zeros(len(scores), np.bool_) if interval is None else decide_top(order, interval, margin)
    return np.take(classes, order), sure
