"""Choose among forms of a model, and say why: what was tried, what was found, what was kept."""

from __future__ import annotations

from typing import Any, NamedTuple

from quantcore.artifact import decode, encode
from quantcore.native import registry
from quantcore.passes.convert import BITS, Matrices, Options, optimize
from quantcore.passes.fuse import fuse
from quantcore.passes.measured import Chain, Form, Trial, chain, forms, made
from quantcore.plan import Csr, Plan
from quantcore.runtime.execute import Executor, Value

__all__ = ["Found", "search"]

_DEFAULT_AGREEMENT = 0.999


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


def search(plan: Plan, options: Options, calibration: Any = None) -> Found:
    """The form that is served.

    Parameters
    ----------
    plan : Plan
        As imported.
    options : Options
    calibration : rows as predict takes them, or None
    """
    served = optimize(plan, options, calibration)
    if options.guarantee != "measured":
        return Found(served, [_candidate("the coarsest grid whose certificates hold", None, kept=True, why="chosen")])
    fused = fuse(plan)
    found = chain(fused)
    if found is None or "predict" not in fused.outputs or calibration is None:
        why = "chosen: other forms are tried for single text models, with calibration rows"
        return Found(served, [_candidate("the coarsest grid that is expected to agree", None, kept=True, why=why)])
    return _measured(fused, found, options, calibration, served)


def _measured(plan: Plan, found: Chain, options: Options, calibration: Any, served: Plan) -> Found:
    """The smallest form that agrees often enough, by estimated sizes, if it is smaller than a grid alone."""
    trial = _trial(plan, found, options, calibration)
    least = options.min_agreement or _DEFAULT_AGREEMENT
    sizes = {name: stored for name, (stored, _) in decode(encode(served, {}), codec=registry.door("codec")).sizes.items()}
    weights = sum(stored for name, stored in sizes.items() if name.endswith((".rows", ".index", ".exponent")))
    size = sum(sizes.values())
    tried = list(forms(trial, least, BITS[options.precision], size - weights))
    best = min((form for form in tried if form.good), key=lambda form: form.bytes, default=None)
    if best is not None and best.bytes >= size:
        best = None
    candidates = []
    for form in tried:
        why = "chosen: the smallest that agrees" if form is best else "agrees, but is larger"
        about = _candidate(_name(form), form.bytes, kept=form is best, why=why if form.good else "flips too many labels")
        verdict = {"agreement": form.verdict.agreement, "flips": form.verdict.flips, "rows": form.verdict.rows}
        candidates.append({**about, **verdict})
    why = "chosen: nothing smaller agrees often enough" if best is None else "larger than the chosen form"
    candidates.append(_candidate("all terms on the grid that is expected to agree", size, kept=best is None, why=why))
    return Found(served if best is None else made(plan, found, trial, best), candidates)


def _trial(plan: Plan, found: Chain, options: Options, calibration: Any) -> Trial:
    decision = plan.ops[plan.outputs["predict"]]
    executor = Executor(plan, native=False)
    counts: Csr | None = Matrices(plan, calibration, options.seed).rows_at(found.text)
    if counts is None:
        raise ValueError("forms are judged on calibration rows; none were given")

    def decide(scores: Any) -> Any:
        return executor._decided(decision, None, {found.linear: Value(scores)})[0]

    return Trial(plan, found, counts, decide, options.seed)


def _name(form: Form) -> str:
    terms = "all terms" if form.share == 1.0 else f"{form.share:.0%} of the terms"
    return f"{terms}, {form.bits:.2g} bits a weight"


def _candidate(form: str, size: int | None, *, kept: bool, why: str) -> dict[str, Any]:
    return {"form": form, "bytes": size, "kept": kept, "why": why}
