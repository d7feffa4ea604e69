"""From a source's Plan to the one that is served: fuse, tune, quantize."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, Literal

from quantcore.passes.fuse import fuse
from quantcore.passes.margins import margins
from quantcore.passes.numeric import gridded
from quantcore.passes.quantize import OPEN_TARGET, Grid, planar
from quantcore.passes.rewrite import consumers, rewrite
from quantcore.passes.rows import drawn_table
from quantcore.passes.sample import Sample, drawn, given, thinned
from quantcore.passes.texts_beside import parts, scored_apart
from quantcore.plan import INPUT, Csr, Op, Plan
from quantcore.plan.ops import (
    Affine,
    ArgMax,
    LabelValues,
    LeafMedian,
    LeafSum,
    Linear,
    LogSoftmax,
    Polynomial,
    Predictions,
    Project,
    Quadratic,
    RowNorm,
    Softmax,
    Text,
    TfIdf,
    Votes,
)
from quantcore.reference import FUNCTIONS, inputs
from quantcore.reference.matrices import as_csr
from quantcore.runtime.certify import LABEL, Property
from quantcore.runtime.execute import Executor

__all__ = ["BITS", "Matrices", "Options", "is_table", "optimize"]

# What a model answers, before it becomes a label or a probability.
_ANSWERS = (LabelValues, LeafMedian, LeafSum, Linear, Quadratic, Votes)
# Least bits of the largest weight for each precision; "auto" takes what the guarantee asks for.
BITS = {"auto": 2, "float32": 24, "float16": 12, "int16": 16, "int8": 8, "int4": 4}
_DRAWN = 2000
Guarantee = Literal["exact", "certified", "measured"]


@dataclass(frozen=True)
class Options:
    """How a Plan is to be optimized; the public function checks and explains them."""

    guarantee: Guarantee = "certified"
    precision: str = "auto"
    min_agreement: float | None = None
    seed: int = 0
    certify: Property = LABEL
    prune: float = 0.0
    objective: str = "balanced"
    max_bytes: int | None = None
    max_latency: float | None = None


def optimize(plan: Plan, options: Options, calibration: Any = None) -> Plan:
    """The Plan that is served: every Linear op on a grid.

    Parameters
    ----------
    plan : Plan
        As imported.
    options : Options
    calibration : rows as predict takes them, or None
    """
    plan = fuse(plan)
    certified = options.guarantee != "measured"
    target = OPEN_TARGET if certified else (1.0 - (options.min_agreement or 0.999)) / 2
    grid = Grid(certified, target, BITS[options.precision])
    matrices = Matrices(plan, calibration, options.seed)
    decides = "predict" in plan.outputs and not isinstance(plan.ops[plan.outputs["predict"]], Predictions)

    def change(position: int, op: Op) -> list[Op]:
        if not isinstance(op, Linear) or (options.guarantee == "exact" and not decides) or _is_stacked(plan, op):
            return [op]
        apart = margins(plan, op, options.certify)
        beside = parts(plan, op) if options.guarantee == "certified" else []
        if beside:
            made = scored_apart(
                plan,
                op,
                beside,
                grid,
                lambda part: matrices.sample(part.position, part.tfidf, replace(op, weight=part.weight), options.seed),
                matrices.rows_of,
                apart,
                decides=decides,
                centre_needed=_centre_needed(plan, position),
                seed=options.seed,
            )
            if made is not None:
                return made
        if is_table(plan, op):
            if options.guarantee == "exact":
                return [op]  # the source's own weights settle every row: a grid beside them would save nothing
            rows = matrices.rows_at(op.inputs[0])
            scaled = op.inputs[0] != INPUT and isinstance(plan.ops[op.inputs[0]], Affine | Project | RowNorm)
            auto = options.precision == "auto"
            return [gridded(op, rows, grid, decides=decides, scaled=scaled, auto=auto, seed=options.seed, apart=apart)]
        tfidf = _tfidf(plan, op)
        source = op.inputs[0] if tfidf is None else tfidf.inputs[0]
        sample = matrices.sample(source, tfidf, op, options.seed)
        folded = Linear(inputs=(source,), weight=op.weight, bias=op.bias, dtype=op.dtype)
        return [
            planar(
                folded,
                tfidf,
                sample,
                grid,
                centred=True,
                centre_needed=_centre_needed(plan, position),
                cold=options.guarantee == "exact",
                apart=apart,
            )
        ]

    return rewrite(plan, change)


def _centre_needed(plan: Plan, position: int) -> bool:
    """Scores are shown, or more is made of them than comparisons with each other."""
    compared = all(isinstance(r, ArgMax | Softmax | LogSoftmax) for r in consumers(plan, position))
    return position in plan.outputs.values() or not compared


def is_table(plan: Plan, op: Op) -> bool:
    """Its columns are no terms of texts: they differ in scale, and each row has most of them."""
    if plan.input != "text":
        return True
    before = [plan.ops[i] for i in op.inputs]
    return any(isinstance(b, Project | Polynomial) or is_table(plan, b) for b in before if not isinstance(b, Text))


def _is_stacked(plan: Plan, op: Op) -> bool:
    """It reads what other models answer: few weights, and each row has all of its columns."""
    return any(i != INPUT and (isinstance(plan.ops[i], _ANSWERS) or _is_stacked(plan, plan.ops[i])) for i in op.inputs)


def _tfidf(plan: Plan, op: Linear) -> TfIdf | None:
    """The TfIdf op that can be folded into a Linear one: its input are counts of texts."""
    before = plan.ops[op.inputs[0]] if op.inputs[0] != INPUT else None
    if not isinstance(before, TfIdf) or before.inputs[0] == INPUT:
        return None
    return before if isinstance(plan.ops[before.inputs[0]], Text) else None


class Matrices:
    """What the calibration rows, or rows drawn in their place where the Plan reads a table, are at each op of the source's
    Plan."""

    def __init__(self, plan: Plan, calibration: Any, seed: int) -> None:
        self.plan = plan
        self.rows: Any = None
        self.given = calibration is not None
        if self.given:
            self.rows = inputs.read(plan, calibration)
        elif plan.input == "table":
            self.rows = drawn_table(plan, _DRAWN, seed)
        if self.rows is not None:
            self.executor = Executor(plan)

    def rows_at(self, position: int) -> Csr | None:
        """What an op gives of the calibration rows, or None without such."""
        if self.rows is None:
            return None
        try:
            return as_csr(self.executor.value_at(position, self.rows))
        except (ValueError, TypeError):
            if self.given:
                raise
            return None  # drawn rows may be what an encoder behind another step was not fitted on

    def rows_of(self, op: Op) -> Csr | None:
        """The same of an op that joins results of the Plan, or is one of its own."""
        known = next((i for i, other in enumerate(self.plan.ops) if other is op), None)
        if known is not None:
            return self.rows_at(known)
        found = [self.rows_at(i) for i in op.inputs]
        return None if any(rows is None for rows in found) else as_csr(FUNCTIONS[op.kind](op, found))

    def sample(self, position: int, tfidf: TfIdf | None, op: Linear, seed: int) -> Sample:
        """Terms that a Linear op reads; drawn where no rows are given."""
        rows = self.rows_at(position)
        if rows is None:
            weights = op.weight if tfidf is None or tfidf.idf is None else op.weight * tfidf.idf[:, None]
            return drawn(tfidf, weights, seed)
        return given(thinned(rows, seed), tfidf)
