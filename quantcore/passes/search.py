"""Choose among forms of a model, and say why: what was tried, what was found, what was kept."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

from quantcore.passes.convert import BITS, Matrices, Options, optimize
from quantcore.passes.fuse import fuse
from quantcore.passes.measured import SHARES, Chain, Form, Trial, chain, forms, made
from quantcore.passes.sizes import vocabulary_bytes
from quantcore.plan import Csr, Plan
from quantcore.plan.ops import Text
from quantcore.runtime.execute import Executor, Value

__all__ = ["Found", "search"]

_DEFAULT_AGREEMENT = 0.999
Tell = Callable[[int, int], None]


class Found(NamedTuple):
    """A Plan that was chosen, and the candidates that it was chosen from.

    Parameters
    ----------
    plan : Plan
    candidates : list of dict
        ``form``, ``bytes`` (estimated; None: of the chosen one the file tells), ``agreement`` (expected of rows to come),
        ``flips`` and ``rows`` that were counted, ``kept``, ``why``.
    """

    plan: Plan
    candidates: list[dict[str, Any]]


def search(plan: Plan, options: Options, calibration: Any = None, tell: Tell | None = None) -> Found:
    """The form that is served.

    Parameters
    ----------
    plan : Plan
        As imported.
    options : Options
    calibration : rows as predict takes them, or None
    tell : callable of (done, total), or None
        Hears how far the search has come.
    """
    if options.guarantee != "measured":
        served = optimize(plan, options, calibration)
        return Found(served, [_candidate("the coarsest grid whose certificates hold", None, kept=True, why="chosen")])
    fused = fuse(plan)
    found = chain(fused)
    if found is None or "predict" not in fused.outputs or calibration is None:
        why = "chosen: other forms are tried for single text models, with calibration rows"
        served = optimize(plan, options, calibration)
        return Found(served, [_candidate("the coarsest grid that is expected to agree", None, kept=True, why=why)])
    return _measured(plan, fused, found, options, calibration, tell)


def _measured(source: Plan, plan: Plan, found: Chain, options: Options, calibration: Any, tell: Tell | None) -> Found:
    """The smallest form that agrees often enough, by estimated sizes; a grid alone where none does."""
    trial = _trial(plan, found, options, calibration)
    least = options.min_agreement or _DEFAULT_AGREEMENT
    text = plan.ops[found.text]
    size = vocabulary_bytes(text.vocabulary) if isinstance(text, Text) and text.vocabulary is not None else 0
    tried: list[Form] = []
    for form in forms(trial, least, BITS[options.precision], size):
        tried.append(form)
        if tell is not None:
            tell(SHARES.index(form.share), len(SHARES))
    best = min((form for form in tried if form.good), key=lambda form: form.bytes, default=None)
    candidates = []
    for form in tried:
        why = "chosen: the smallest that agrees" if form is best else "agrees, but is larger"
        about = _candidate(_name(form), form.bytes, kept=form is best, why=why if form.good else "flips too many labels")
        verdict = {"agreement": form.verdict.agreement, "flips": form.verdict.flips, "rows": form.verdict.rows}
        candidates.append({**about, **verdict})
    if best is not None:
        return Found(made(plan, found, trial, best), candidates)
    why = "chosen: no other form is expected to agree often enough"
    candidates.append(_candidate("all terms on the grid that is expected to agree", None, kept=True, why=why))
    return Found(optimize(source, options, calibration), candidates)


def _trial(plan: Plan, found: Chain, options: Options, calibration: Any) -> Trial:
    decision = plan.ops[plan.outputs["predict"]]
    executor = Executor(plan, native=False)
    counts: Csr | None = Matrices(plan, calibration).rows_at(found.text)
    if counts is None:
        raise ValueError("forms are judged on calibration rows; none were given")

    def decide(scores: Any) -> Any:
        return executor._decided(decision, None, {found.linear: Value(scores)})[0]

    return Trial(plan, found, counts, decide, options.seed)


def _name(form: Form) -> str:
    terms = "all terms" if form.share == 1.0 else f"{form.share:.0%} of the terms"
    norms = f", norms of idf by {form.octaves} octaves" if form.octaves else ""
    return f"{terms}, {form.bits:.2g} bits a weight{norms}"


def _candidate(form: str, size: int | None, *, kept: bool, why: str) -> dict[str, Any]:
    return {"form": form, "bytes": size, "kept": kept, "why": why}
