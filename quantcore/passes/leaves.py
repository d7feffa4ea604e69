"""Leaves of tree ensembles at a lower precision: for ``guarantee="measured"``.

What a tree decides stays as it is; what its leaves add to the scores is rounded to float32, or to a grid with a step of a power
of two, on which a file names few distinct values in place of one for each leaf. The dtype of the sums stays the source's, and so
does that of the answers; zeros below the last bit of a value cost next to nothing in a file.

An ensemble tells rows that it was fitted on further apart than others. So labels are judged on those, and flips are estimated
too from rows of which half the columns are another row's, which come about as near to a tie as new ones.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from quantcore.passes.judge import Verdict, flips_estimated, gap_errors
from quantcore.passes.sizes import entropy
from quantcore.plan import INPUT, Plan
from quantcore.plan.ops import ArgMax, LeafSum, Softmax, Threshold, Trees
from quantcore.reference import inputs
from quantcore.reference.trees import leaf_sum
from quantcore.runtime.execute import Executor, Value

__all__ = ["LEAF_BITS", "Ensemble", "LeafForm", "ensemble", "leaf_forms", "rounded"]

LEAF_BITS = (3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 14, 16)
_MOST_ROWS = 4000
_SAFETY = 1.25
_DISTINCT = 30.0  # bits that a distinct value costs, about: the others are zeros


class Ensemble(NamedTuple):
    """Positions of the ops that lead from rows to scores, and the decision that follows from these alone."""

    trees: int
    sums: int
    decision: ArgMax | Threshold


class LeafForm(NamedTuple):
    """A form of a LeafSum op.

    Parameters
    ----------
    name : str
    op : LeafSum
    bits : int
        Of the largest value, its sign included; 0: float32 or as the source has it.
    bytes : int
        Estimated, of the leaves alone.
    verdict : Verdict
    good : bool
        Labels agree as often as was asked.
    """

    name: str
    op: LeafSum
    bits: int
    bytes: int
    verdict: Verdict
    good: bool


def ensemble(plan: Plan) -> Ensemble | None:
    """The one ensemble of a Plan, where its scores alone decide; or None.

    Parameters
    ----------
    plan : Plan
    """
    sums = [i for i, op in enumerate(plan.ops) if isinstance(op, LeafSum)]
    decision = plan.ops[plan.outputs["predict"]] if "predict" in plan.outputs else None
    if len(sums) != 1 or not isinstance(decision, ArgMax | Threshold):
        return None
    at = decision.inputs[0]
    while at != sums[0]:
        if at == INPUT or not isinstance(plan.ops[at], Softmax):
            return None
        at = plan.ops[at].inputs[0]
    trees = plan.ops[at].inputs[0]
    return Ensemble(trees, at, decision) if trees != INPUT and isinstance(plan.ops[trees], Trees) else None


def rounded(op: LeafSum, step: int | None) -> LeafSum:
    """The op with its leaves' values rounded to float32, or to a grid if a step is given; equal ones once, ascending.

    Parameters
    ----------
    op : LeafSum
    step : int or None
        log2 of it.
    """
    values = op.values if step is None else np.ldexp(np.rint(np.ldexp(op.values.astype(np.float64), -step)), step)
    values = (values.astype(np.float32) + np.float32(0.0)).astype(op.values.dtype)  # no -0.0
    distinct, place = np.unique(values, axis=0, return_inverse=True)
    place = place.reshape(-1)
    index = place if op.index is None else place[op.index]
    return replace(op, values=distinct, index=index.astype(np.uint32), approximate=True)


def leaf_forms(
    plan: Plan, found: Ensemble, calibration: Any, least: float, bits: tuple[int, ...], seed: int
) -> Iterator[LeafForm]:
    """Forms: the source's own values, float32, then grids from few bits to many until one agrees.

    Parameters
    ----------
    plan : Plan
        Fused.
    found : Ensemble
    calibration : rows as predict takes them
    least : float
        Share of rows whose labels must stay.
    bits : tuple of int
        Numbers of bits to try, ascending.
    seed : int
    """
    executor, op = Executor(plan, native=False), plan.ops[found.sums]
    if not isinstance(op, LeafSum):
        raise TypeError(f"expected a LeafSum op, got {op.kind}")
    rows = _thinned(calibration, seed)
    own = _leaves(plan, found, rows)
    mixed = _leaves(plan, found, rows, np.random.default_rng(seed))
    zero = found.decision.at if isinstance(found.decision, Threshold) else 0.0

    def decide(scores: NDArray[Any]) -> Any:
        return executor._decided(found.decision, None, {found.sums: Value(scores)})[0]

    source = [leaf_sum(op, leaves) for leaves in (own, mixed)]
    labels = np.asarray(decide(source[0]))

    def judged(name: str, form: LeafSum, n_bits: int) -> LeafForm:
        scores = [leaf_sum(form, leaves) for leaves in (own, mixed)]
        flips = int(np.count_nonzero(np.asarray(decide(scores[0])) != labels))
        pairs = [(a - zero, b.astype(np.float64) - zero) for a, b in zip(source, scores, strict=True)]
        estimate = max(factor * flips_estimated(*gap_errors(*pair)) for factor, pair in zip((_SAFETY, 1.0), pairs, strict=True))
        verdict = Verdict(flips, len(labels), estimate)
        return LeafForm(name, form, n_bits, _bytes(form), verdict, verdict.agreement >= least)

    yield judged("the source's leaves", op, 0)._replace(good=True)
    if op.whole or not 0.0 < op.largest < np.inf:
        return  # votes: their few values leave nothing to round
    if op.values.dtype != np.float32:
        yield judged("leaves of float32", rounded(op, None), 0)
    top = int(np.frexp(op.largest)[1])
    for n_bits in bits:
        form = judged(f"leaves of {n_bits} bits", rounded(op, top - n_bits + 1), n_bits)
        yield form
        if form.good:
            return


def _thinned(rows: Any, seed: int) -> Any:
    """Some of the caller's rows, of whatever kind."""
    n = rows.shape[0] if hasattr(rows, "shape") else len(rows)
    if n <= _MOST_ROWS or isinstance(rows, dict):
        return rows
    kept = np.sort(np.random.default_rng(seed).permutation(n)[:_MOST_ROWS])
    if hasattr(rows, "iloc"):
        return rows.iloc[kept]
    return rows[kept] if hasattr(rows, "shape") else [rows[i] for i in kept.tolist()]


def _leaves(plan: Plan, found: Ensemble, rows: Any, random: np.random.Generator | None = None) -> NDArray[np.uint32]:
    """The leaves that rows reach; with ``random`` those of rows whose columns are, each half of the time, another row's."""
    executor, at = Executor(plan), plan.ops[found.trees].inputs[0]
    given = inputs.read(plan, rows)
    value = given if at == INPUT else executor.value_at(at, given)
    if random is not None and isinstance(value, np.ndarray):
        value = np.where(random.random(value.shape) < 0.5, value, value[random.permutation(len(value))])
    known = {} if at == INPUT else {at: Value(value)}
    leaves: NDArray[np.uint32] = executor._evaluate(found.trees, value if at == INPUT else given, known, bounds=False).value
    return leaves


def _bytes(op: LeafSum) -> int:
    """About what values and their places take."""
    each = _DISTINCT if op.approximate else 8.0 * op.values.dtype.itemsize
    places = 0.0 if op.index is None else entropy(np.bincount(op.index))
    return int((each * op.values.size + places) / 8)
