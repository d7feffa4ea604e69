"""Linear scores over texts beside other columns: apart for each, so that the text kernel makes the scores of the texts.

A linear score of columns side by side is the sum of the scores of the parts, which a WeightedMean of divisor 1 adds. The source
sums all its terms in one go: a term of one part goes through as many roundings more as the other parts have terms, m at most.
Of texts ``u (1.5 n + 24.5) A`` is what the source rounds (ARCHITECTURE.md, section 3, A), A at most the amplitude times what the
grid's step is multiplied by: with an amplitude larger by ``1 + (m + 8) / 24`` that is more than ``u (1.5 n + m + 24.5) A``. Of
other columns a term is at most ``amplitude 2^e |x|``, and ``2^e |x|`` is what the grid's error is multiplied by, which therefore
is larger by ``4 m u amplitude``.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from quantcore.passes.margins import Apart
from quantcore.passes.numeric import gridded
from quantcore.passes.quantize import Grid, planar
from quantcore.passes.sample import Sample
from quantcore.plan import Csr, Op, Plan
from quantcore.plan.ops import Concat, Documents, Linear, PlanarLinear, Text, TfIdf, WeightedMean
from quantcore.plan.validate import widths

__all__ = ["Part", "parts", "scored_apart"]

_BITS_OF_NUMBERS = 16  # of the largest weight, where scores are the answer: other columns are that fine
_MOST = 1 << 22  # columns: bounds are of first order in their number times the unit roundoff


class Part(NamedTuple):
    """Columns of what a Linear op reads.

    Parameters
    ----------
    position : int
        The op that gives them; of texts their counts.
    tfidf : TfIdf or None
    weight : ndarray
        The rows of weights.
    texts : bool
    """

    position: int
    tfidf: TfIdf | None
    weight: NDArray[np.float64]
    texts: bool


def parts(plan: Plan, op: Linear) -> list[Part]:
    """What a Linear op reads side by side, if texts of columns are there and all is in float64; else nothing.

    Parameters
    ----------
    plan : Plan
        Over tables.
    op : Linear
    """
    before = plan.ops[op.inputs[0]] if op.inputs[0] >= 0 else None
    if plan.input != "table" or not isinstance(before, Concat) or op.dtype != "float64" or len(op.weight) > _MOST:
        return []
    known = widths(plan)
    found, start = [], 0
    for position, weight in zip(before.inputs, before.weights, strict=True):
        rows = op.weight[start : start + known[position]]
        start += known[position]
        tfidf = plan.ops[position]
        counts = plan.ops[tfidf.inputs[0]] if isinstance(tfidf, TfIdf) else tfidf
        texts = isinstance(counts, Text) and counts.inputs[0] >= 0 and isinstance(plan.ops[counts.inputs[0]], Documents)
        folded = tfidf if isinstance(tfidf, TfIdf) else None
        if texts and (weight != 1.0 or (folded is not None and folded.dtype != "float64")):
            return []
        found.append(Part(folded.inputs[0] if texts and folded else position, folded if texts else None, rows, texts))
    return found if any(part.texts for part in found) else []


def scored_apart(
    plan: Plan,
    op: Linear,
    found: list[Part],
    grid: Grid,
    sample: Callable[[Part], Sample],
    rows: Callable[[Op], Csr | None],
    apart: Apart | None,
    *,
    decides: bool,
    centre_needed: bool,
    seed: int,
) -> list[Op] | None:
    """The ops that take a Linear op's place, or None where its weights have no grid.

    Parameters
    ----------
    plan : Plan
    op : Linear
    found : list of Part
    grid : Grid
    sample : callable of Part → Sample
        Terms of texts.
    rows : callable of Op → matrix or None
        What an op of this Plan gives of the calibration rows.
    apart : callable of scores → margins, or None
    decides, centre_needed, seed
        As for ``gridded`` and ``planar``.
    """
    texts, others = [part for part in found if part.texts], [part for part in found if not part.texts]
    samples: list[Sample] = [sample(part) for part in texts]
    fine = grid if decides else replace(grid, bits=max(grid.bits, _BITS_OF_NUMBERS))
    scores = [_scores(s.terms, _folded(part)) for s, part in zip(samples, texts, strict=True)]
    ops: list[Op] = []
    if others:
        joined = _joined(plan.ops[op.inputs[0]], found, others)
        weight = np.concatenate([part.weight for part in others])
        given = rows(joined) if isinstance(joined, Concat) else rows(plan.ops[others[0].position])
        # Half of what a row's scores may be off is for each: texts come with other columns, whatever those are.
        beside = _beside(apart, scores, seed) if decides else apart
        at = -2 if isinstance(joined, Concat) and len(others) > 1 else others[0].position
        plain = Linear(inputs=(at,), weight=weight, bias=op.bias, dtype=op.dtype)
        table = gridded(plain, given, grid, decides=decides, scaled=False, auto=False, seed=seed, apart=beside)
        if not isinstance(table, PlanarLinear):
            return None
        more = sum(len(part.weight) for part in texts) * 2.0**-51 * table.amplitude
        ops = [*([joined] if at == -2 else []), replace(table, error=table.error + more)]
        known = np.zeros((1, len(op.bias))) if given is None else _scores(given, weight)
        scores.append(known + op.bias)
    for i, (part, terms) in enumerate(zip(texts, samples, strict=True)):
        last = not others and i == len(texts) - 1
        plain = Linear(
            inputs=(part.position,), weight=part.weight, bias=op.bias if last else np.zeros_like(op.bias), dtype=op.dtype
        )
        rest = [s for j, s in enumerate(scores) if j != i]
        made = planar(
            plain,
            part.tfidf,
            terms,
            fine,
            centred=True,
            centre_needed=centre_needed,
            cold=False,
            apart=_beside(apart, rest, seed) if decides else apart,
        )
        columns = len(op.weight) - len(part.weight)
        ops.append(replace(made, amplitude=made.amplitude * (1.0 + (columns + 8.0) / 24.0)))
    n_parts = len(texts) + bool(others)
    ops.append(WeightedMean(inputs=tuple(range(-1 - n_parts, -1)), weights=None, divisor=1.0))
    return ops


def _joined(before: Any, found: list[Part], others: list[Part]) -> Any:
    """The other columns side by side."""
    weights = tuple(w for part, w in zip(found, before.weights, strict=True) if not part.texts)
    if len(others) == 1 and weights == (1.0,):
        return None
    return Concat(inputs=tuple(part.position for part in others), weights=weights, sparse=before.sparse)


def _folded(part: Part) -> NDArray[np.float64]:
    idf = None if part.tfidf is None else part.tfidf.idf
    return part.weight if idf is None else part.weight * idf[:, None]


def _scores(rows: Csr, weight: NDArray[np.float64]) -> NDArray[np.float64]:
    of = rows.row_ids()
    return np.stack([np.bincount(of, rows.data * weight[rows.indices, k], rows.n_rows) for k in range(weight.shape[1])], axis=1)


def _beside(apart: Apart | None, others: list[NDArray[np.float64]], seed: int) -> Apart:
    """Half of the margins of scores to which those of the other parts are added, each of some row of theirs."""

    def margins(scores: NDArray[np.float64]) -> NDArray[np.float64]:
        random, whole = np.random.default_rng(seed), scores
        for other in others:
            whole = whole + other[random.integers(0, len(other), len(scores))]
        if apart is not None:
            return 0.5 * apart(whole)
        if whole.shape[1] == 1:
            return np.asarray(0.5 * np.abs(whole[:, 0]))
        best = np.partition(whole, whole.shape[1] - 2, axis=1)
        return np.asarray(0.5 * (best[:, -1] - best[:, -2]))

    return margins
