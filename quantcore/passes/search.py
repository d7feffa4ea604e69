"""Choose among forms of a model, and say why: what was tried, what was found, what was kept."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from functools import partial
from typing import Any, NamedTuple, TypeVar

import numpy as np
from numpy.typing import NDArray

from quantcore.passes.choose import chosen, too_slow
from quantcore.passes.compensate import LARGEST_GRAM
from quantcore.passes.convert import BITS, Matrices, Options, is_table, optimize
from quantcore.passes.cost import Shape, nanoseconds, plan_seconds
from quantcore.passes.fuse import fuse
from quantcore.passes.judge import Verdict
from quantcore.passes.leaves import LEAF_BITS, Ensemble, ensemble, leaf_forms
from quantcore.passes.measured import SHARES, Chain, Form, Trial, chain, forms, made
from quantcore.passes.rewrite import rewrite
from quantcore.passes.sizes import vocabulary_bytes
from quantcore.passes.tables import FLOAT32, TABLE_BITS, on_grid, table_forms
from quantcore.plan import INPUT, Csr, Op, Plan
from quantcore.plan.ops import ArgMax, Linear, Predictions, Several, Stack, Text, Threshold
from quantcore.reference import inputs
from quantcore.reference.matrices import as_csr
from quantcore.runtime.execute import Executor
from quantcore.runtime.values import Value

__all__ = ["Found", "linear_scores", "search", "with_weights"]

_DEFAULT_AGREEMENT = 0.999
# Numbers of bits that are tried for tables; of other precisions the grid is the one that is expected to agree.
_PRECISIONS = {"auto": TABLE_BITS, "int16": (16,), "int8": (8, 10, 12, 16), "int4": (4,)}
_WORTH = 128  # bytes that a grid has to save over float32, or over the source's leaves
_LESS = 0.9  # of the bytes of these, for others to be worth their certificates
# Numbers of bits that are tried for leaves of trees.
_LEAVES = {"auto": 0, "int4": 4, "int8": 8, "float16": 12, "int16": 16, "float32": 24}
Tell = Callable[[int, int], None]
T = TypeVar("T")


class Found(NamedTuple):
    """A Plan that was chosen, and the candidates that it was chosen from.

    Parameters
    ----------
    plan : Plan
    candidates : list of dict
        ``form``, ``bytes`` (estimated; None: of the chosen one the file tells), ``latency`` (seconds a row, by the cost model),
        ``agreement`` (expected of rows to come), ``flips`` and ``rows`` that were counted, ``kept``, ``why``; of tables
        ``weights``, of tree ensembles ``leaves``, the bytes of these alone.
    makers : tuple of (str, callable)
        The ``form`` of each candidate that agrees, and what makes its Plan: to measure it.
    """

    plan: Plan
    candidates: list[dict[str, Any]]
    makers: tuple[tuple[str, Callable[[], Plan]], ...] = ()


def search(plan: Plan, options: Options, calibration: Any = None, tell: Tell | None = None) -> Found:
    """The form that is served: of those that keep the promise the best for the objective, within the limits.

    Parameters
    ----------
    plan : Plan
        As imported.
    options : Options
    calibration : rows as predict takes them, or None
    tell : callable of (done, total), or None
        Hears how far the search has come.

    Raises
    ------
    ValueError
        Limits can't be met; names the closest candidate.
    """
    found = _searched(plan, options, calibration, tell)
    kept = next(one for one in found.candidates if one["kept"])
    if kept.setdefault("latency", plan_seconds(found.plan)) is None and options.max_latency is not None:
        raise ValueError("max_latency is known of single linear models over texts or numbers alone; leave it out for this model")
    if options.max_latency is not None and kept["latency"] > options.max_latency:
        raise too_slow(kept["latency"], options.max_latency, kept["form"])
    return found


def _searched(plan: Plan, options: Options, calibration: Any, tell: Tell | None) -> Found:
    if options.guarantee != "measured":
        served = optimize(plan, options, calibration)
        return Found(served, [_candidate("the coarsest grid whose certificates hold", None, kept=True, why="chosen")])
    fused = fuse(plan)
    found = chain(fused)
    linear = _table(fused) if calibration is not None and options.precision in _PRECISIONS else None
    if linear is not None:
        return _of_table(fused, linear, options, calibration, tell)
    trees = ensemble(fused) if calibration is not None and not options.prune else None
    if trees is not None:
        return _of_leaves(fused, trees, options, calibration, tell)
    if found is None or "predict" not in fused.outputs or calibration is None:
        if options.prune:
            raise ValueError(
                f"prune={options.prune} needs calibration rows, and one linear model over texts or at most {LARGEST_GRAM} columns"
            )
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
    for form in forms(trial, least, BITS[options.precision], size, options.prune):
        tried.append(form)
        if tell is not None:
            tell(0 if options.prune else SHARES.index(form.share), len(SHARES))
    candidates = [_judged(_name(form), form.bytes, form.latency, form.verdict, form.good) for form in tried]
    best = chosen(candidates, options.objective, options.max_bytes, options.max_latency)
    if best is not None:
        makers = tuple((_name(form), partial(made, plan, found, trial, form)) for form in tried if form.good)
        return Found(made(plan, found, trial, tried[best]), candidates, makers)
    if options.prune:
        _cant_prune(options.prune, least, [c["agreement"] for c in candidates])
    why = "chosen: no other form is expected to agree often enough"
    candidates.append(_candidate("all terms on the grid that is expected to agree", None, kept=True, why=why))
    return Found(optimize(source, options, calibration), candidates)


def _cant_prune(prune: float, least: float, agreements: list[float]) -> None:
    best = f"; the best agrees on {max(agreements):.4f} of rows" if agreements else ""
    raise ValueError(f"no form with prune={prune} reaches min_agreement={least}{best}: prune less, or lower min_agreement")


def _table(plan: Plan) -> int | None:
    """The one Linear op, over columns, whose scores decide; or None."""
    linear = [i for i, op in enumerate(plan.ops) if isinstance(op, Linear)]
    decision = plan.ops[plan.outputs["predict"]] if "predict" in plan.outputs else None
    if len(linear) != 1 or decision is None or isinstance(decision, Predictions | Several | Stack):
        return None
    op = plan.ops[linear[0]]
    wide = isinstance(op, Linear) and len(op.weight) > LARGEST_GRAM
    return linear[0] if not wide and is_table(plan, op) and _only(plan, decision, linear[0]) else None


def _only(plan: Plan, op: Op, position: int) -> bool:
    """Whether an op reads nothing but what comes of another."""
    return all(i == position or (i >= 0 and _only(plan, plan.ops[i], position)) for i in op.inputs)


def _told(forms: Iterable[T], tell: Tell | None, total: int) -> Iterator[T]:
    """The forms, one after another as they are made."""
    for done, form in enumerate(forms, 1):
        if tell is not None:
            tell(min(done, total), total)
        yield form


def _of_table(plan: Plan, position: int, options: Options, calibration: Any, tell: Tell | None) -> Found:
    """The smallest form of linear scores over columns that agrees often enough; the source's own weights where a grid gains
    nothing."""
    op, decision = plan.ops[position], plan.ops[plan.outputs["predict"]]
    rows = (
        Matrices(plan, calibration, options.seed).rows_at(op.inputs[0])
        if op.inputs[0] != INPUT
        else as_csr(inputs.read(plan, calibration))
    )
    if not isinstance(op, Linear) or rows is None:
        raise TypeError(f"expected a Linear op and rows, got {op.kind}")
    executor, least = Executor(plan, native=False), options.min_agreement or _DEFAULT_AGREEMENT

    def decide(scores: Any) -> Any:
        return executor._decided(decision, None, {position: Value(scores)})[0]

    bits = _PRECISIONS[options.precision]
    some = table_forms(op, rows, decide, least, prune=options.prune, only=bits)
    tried = list(_told(some, tell, 2 + 2 * len(bits)))
    if options.precision == "int4":  # what it is held against
        eight = table_forms(op, rows, decide, least, prune=options.prune, only=(8, 16))
        tried += [form for form in eight if form.bits not in (0, FLOAT32)]
    terms = Shape("table", 0.0, float(len(op.weight)), op.weight.shape[1], 0)
    seconds = nanoseconds(terms) * 1e-9  # columns are multiplied whatever the grid
    allowed = [form.good and (form.bits > 0 or not options.prune) for form in tried]
    if not any(allowed):
        _cant_prune(options.prune, least, [form.verdict.agreement for form in tried if form.bits])
    least_bytes = min(form.bytes for form, good in zip(tried, allowed, strict=True) if good)
    plain = min(
        (i for i, form in enumerate(tried) if form.bits in (0, FLOAT32) and allowed[i]), key=lambda i: tried[i].bytes, default=0
    )
    eights = [form.bytes for form in tried if form.good and form.bits == 8]
    notes = [""] * len(tried)
    for i, form in enumerate(tried):
        if options.precision == "int4" and form.bits == 4 and eights and 2 * form.bytes > min(eights):
            allowed[i], notes[i] = False, "takes more than half of int8's bytes"
        elif options.precision == "auto" and not options.prune and i > plain and tried[plain].bytes - least_bytes < _WORTH:
            allowed[i], notes[i] = False, "a grid gains nothing"
    candidates = [_judged(form.name, form.bytes, seconds, form.verdict, good) for form, good in zip(tried, allowed, strict=True)]
    best = chosen(candidates, options.objective, options.max_bytes, options.max_latency)
    for one, note in zip(candidates, notes, strict=True):
        one["why"], one["weights"] = note or one["why"], one["bytes"]
    if "a grid gains nothing" in notes:
        candidates[plain]["why"] += "; a grid gains nothing"
    makers = tuple(
        (form.name, partial(_with, plan, position, form.op)) for form, good in zip(tried, allowed, strict=True) if good
    )
    return Found(_with(plan, position, tried[best or 0].op), candidates, makers)


def _of_leaves(plan: Plan, found: Ensemble, options: Options, calibration: Any, tell: Tell | None) -> Found:
    """The smallest form of an ensemble's leaves that agrees often enough; what its trees decide stays as it is."""
    least = options.min_agreement or _DEFAULT_AGREEMENT
    bits = tuple(b for b in LEAF_BITS if b >= _LEAVES[options.precision])
    tried = list(_told(leaf_forms(plan, found, calibration, least, bits, options.seed), tell, 2 + len(bits)))
    gains = [not i or form.bytes < min(_LESS * tried[0].bytes, tried[0].bytes - _WORTH) for i, form in enumerate(tried)]
    # All take the same time, which the cost model does not know.
    candidates = [
        _judged(form.name, form.bytes, 0.0, form.verdict, form.good and g) for form, g in zip(tried, gains, strict=True)
    ]
    best = chosen(candidates, "size", options.max_bytes)
    for one, form, gain in zip(candidates, tried, gains, strict=True):
        one["leaves"], one["latency"] = one["bytes"], None
        one["why"] = "gains next to nothing" if form.good and not gain else one["why"]
    makers = tuple((form.name, partial(_with, plan, found.sums, form.op)) for form in tried if form.good)
    return Found(_with(plan, found.sums, tried[best or 0].op), candidates, makers)


def _with(plan: Plan, position: int, op: Op) -> Plan:
    """The Plan with another op at a position."""
    return rewrite(plan, lambda i, other: [op if i == position else other])


def linear_scores(source: Plan, X: Any) -> tuple[Plan, int, Linear, NDArray[np.float64], Any] | None:
    """The fused Plan, the position of its one Linear op over columns and the op, what it reads of rows, and the classes; or None.

    Parameters
    ----------
    source : Plan
    X : rows as predict takes them
    """
    plan = fuse(source)
    position = _table(plan)
    decision = plan.ops[plan.outputs["predict"]] if position is not None else None
    op = None if position is None else plan.ops[position]
    if position is None or not isinstance(op, Linear) or not isinstance(decision, ArgMax | Threshold):
        return None
    if isinstance(decision, ArgMax) != (len(op.bias) > 1) or decision.classes is None:
        return None
    at = op.inputs[0]
    rows = as_csr(inputs.read(plan, X)) if at == INPUT else Matrices(plan, X, 0).rows_at(at)
    return None if rows is None else (plan, position, op, rows.toarray().astype(np.float64), decision.classes)


def with_weights(
    plan: Plan,
    position: int,
    op: Linear,
    integers: NDArray[np.int64],
    exponent: NDArray[np.int64],
    bias: NDArray[np.float64],
) -> Plan:
    """The Plan with other weights than the source's in one op."""
    return _with(plan, position, on_grid(op, integers, exponent, bias))


def _trial(plan: Plan, found: Chain, options: Options, calibration: Any) -> Trial:
    decision = plan.ops[plan.outputs["predict"]]
    executor = Executor(plan, native=False)
    counts: Csr | None = Matrices(plan, calibration, options.seed).rows_at(found.text)
    if counts is None:
        raise ValueError("forms are judged on calibration rows; none were given")

    def decide(scores: Any) -> Any:
        return executor._decided(decision, None, {found.linear: Value(scores)})[0]

    texts = [len(row) for row in calibration if isinstance(row, str)]
    return Trial(plan, found, counts, decide, options.seed, sum(texts) / max(len(texts), 1))


def _name(form: Form) -> str:
    terms = "all terms" if form.share == 1.0 else f"{form.share:.0%} of the terms"
    norms = f", norms of idf by {form.octaves} octaves" if form.octaves else ""
    return f"{terms}, {form.bits:.2g} bits a weight{norms}"


def _judged(form: str, size: int, latency: float, verdict: Verdict, good: bool) -> dict[str, Any]:
    shown = {"agreement": verdict.agreement, "flips": verdict.flips, "rows": verdict.rows}
    return {"form": form, "bytes": size, "latency": latency, **shown, "good": good}


def _candidate(form: str, size: int | None, *, kept: bool, why: str) -> dict[str, Any]:
    return {"form": form, "bytes": size, "kept": kept, "why": why}
