"""Put the weights of linear ops on a grid that is just fine enough.

The step of row j is a power of two, about ``g / sqrt(E|x_j|)``: rare features may be coarse. For entropy-coded planes the
fewest bits for a given mean bound ``sum_j E|x_j| step_j`` would take ``1 / E|x_j|``; the root was measured to leave fewer rows
open at equal size, since a row with one rare feature doesn't lose its certificate to it. The global ``g`` is the largest for
which the estimated share of rows that stay open is below the target. Everything here follows from the source, the options
and the sample rows: no clock, no machine.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from quantcore.passes.margins import Apart
from quantcore.passes.sample import Sample, column_means, usage
from quantcore.plan import Csr
from quantcore.plan.ops import Linear, PlanarLinear, TfIdf

__all__ = ["Grid", "gaps", "open_share", "planar"]

OPEN_TARGET = 5e-5
# With several outputs the estimate is too low for rows that the model was fitted on, even where half of each is dropped
# (measured on the test rows of clinc150, banking77 and sib200).
_GIVEN = 0.2
# An idf that was set by hand may say that a term never stands anywhere.
_LEAST_SHARE = 2.0**-40
LARGEST = 1 << 23  # a float32 holds it
_INT16 = (1 << 15) - 1


@dataclass(frozen=True)
class Grid:
    """How fine a grid has to be.

    Parameters
    ----------
    certified : bool
        Rows must be settled by the bound; else by the error that is likely.
    target : float
        Share of rows that may stay open (or flip, where not certified).
    bits : int
        Least number of bits of the largest weight.
    """

    certified: bool = True
    target: float = OPEN_TARGET
    bits: int = 1


def planar(
    op: Linear,
    folded: TfIdf | None,
    sample: Sample,
    grid: Grid,
    *,
    centred: bool,
    centre_needed: bool,
    cold: bool,
    apart: Apart | None = None,
    exponent: NDArray[np.int64] | None = None,
    approximate: bool = False,
) -> PlanarLinear:
    """A Linear op with its weights on a grid, the TfIdf op in front of it folded in.

    Parameters
    ----------
    op : Linear
    folded : TfIdf or None
    sample : Sample
    grid : Grid
    centred : bool
        The scores are compared with each other alone, or the centre is stored too.
    centre_needed : bool
        The scores themselves are shown: store each row's centre in a column of its own.
    cold : bool
        Keep the source's own weights.
    apart : callable of scores → margins, or None
        Where labels don't follow from the two best scores.
    exponent : ndarray of int64, shape (n_features,), or None
        log2 of each row's step, where that is settled.
    approximate : bool
        The op is not the source's own.
    """
    idf = None if folded is None else folded.idf
    source = op.weight if idf is None else op.weight * idf[:, None]
    n_outputs = source.shape[1]
    centred = centred and n_outputs > 1
    # Of two outputs the first is the centre itself, so that the weights of the pair are stored once.
    centre = (source[:, :1] if n_outputs == 2 else np.median(source, axis=1, keepdims=True)) if centred else 0.0
    weights = np.hstack([source - centre, centre]) if centred and centre_needed else source - centre
    single = "float32" in (op.dtype, folded.dtype if folded else "")
    if exponent is None:
        exponent = _exponents(weights, source, folded, sample, op.bias, grid, apart, single)
    rows = np.rint(np.ldexp(weights, -exponent[:, None]))
    amplitude = float(np.ldexp(np.abs(source).max(axis=1), -exponent).max(initial=0.0))
    # Folding the idf and the centre rounds twice in float64. What is not the source's own is what it is.
    error = 0.0 if approximate else 0.5 + amplitude * 2.0**-51
    stored = rows.astype(np.int16 if np.abs(rows).max(initial=0.0) <= _INT16 else np.int32)
    stored, exponent, index = _distinct(stored, exponent)
    return PlanarLinear(
        inputs=op.inputs,
        rows=stored,
        exponent=exponent.astype(np.int16),
        index=index,
        bias=op.bias,
        centred=centred and centre_needed,
        sublinear=folded is not None and folded.sublinear,
        idf=idf,
        norm=None if folded is None else folded.norm,
        error=error,
        amplitude=amplitude,
        cold=op.weight if cold else None,
        approximate=approximate,
        dtype="float32" if single else "float64",
    )


def _exponents(
    weights: NDArray[np.float64],
    source: NDArray[np.float64],
    folded: TfIdf | None,
    sample: Sample,
    bias: NDArray[np.float64],
    grid: Grid,
    apart: Apart | None,
    single: bool,
) -> NDArray[np.int64]:
    n_features, n_outputs = source.shape
    largest = np.abs(weights).max(axis=1, initial=0.0)
    top = float(largest.max(initial=0.0))
    if top == 0.0:
        return np.zeros(n_features, np.int64)
    relative = _relative_steps(folded, sample, n_features) if n_outputs > 1 else np.zeros(n_features, np.int64)
    found = gaps(source, sample.terms, bias, apart)
    # From coarse to fine, a factor of two at a time; the first grid that is fine enough is taken.
    given = n_outputs > 1 and grid.certified and not sample.drawn
    target = grid.target * (_GIVEN if given else 1.0)
    # Drawn rows are a guess that mostly asks for too much: of several outputs 16 bits have to do for them. They do for float32
    # sources too, whose rounding counts with the largest number of steps of any row.
    limit = LARGEST if n_outputs == 1 or not (sample.drawn or single) else _INT16
    coarsest = int(np.ceil(np.log2(top))) - grid.bits
    finest = np.floor(np.log2(np.maximum(largest, top * 2.0**-40) / limit)).astype(np.int64) + 1
    exponent = np.maximum(coarsest + relative, finest)
    for power in range(coarsest, coarsest - 40, -1):
        exponent = np.maximum(power + relative, finest)
        if open_share(found, exponent, sample.terms, grid) <= target or bool((exponent == finest).all()):
            break
    return np.full(n_features, exponent.max()) if n_outputs == 1 else exponent


def _relative_steps(folded: TfIdf | None, sample: Sample, n_features: int) -> NDArray[np.int64]:
    """log2 of each row's step: coarser by the square root of how rarely the row is used; the commonest has 0."""
    if sample.drawn:
        weight = usage(folded, n_features)
    else:
        mean = column_means(sample.terms)
        weight = mean + 0.5 * mean.max(initial=0.0) / max(sample.terms.n_rows, 1)
    if weight.max(initial=0.0) <= 0.0:
        return np.zeros(n_features, np.int64)
    share = np.maximum(weight / weight.max(), _LEAST_SHARE)
    steps: NDArray[np.int64] = np.floor(-0.5 * np.log2(share)).astype(np.int64)
    return steps


def gaps(source: NDArray[np.float64], terms: Csr, bias: NDArray[np.float64], apart: Apart | None = None) -> NDArray[np.float64]:
    """For each sample row how far its best score is from the next (or from 0, for one output), or what ``apart`` says."""
    scores = np.empty((terms.n_rows, source.shape[1]))
    for start in range(0, terms.n_rows, 256):
        part = terms.take_rows(np.arange(start, min(start + 256, terms.n_rows)))
        products = part.data[:, None] * source[part.indices]
        sums = np.zeros((part.n_rows, source.shape[1]))
        np.add.at(sums, part.row_ids(), products)
        scores[start : start + 256] = sums
    scores += bias
    if apart is not None:
        return apart(scores)
    if source.shape[1] == 1:
        return np.abs(scores[:, 0])
    best = np.partition(scores, source.shape[1] - 2, axis=1)
    return best[:, -1] - best[:, -2]


def open_share(gaps: NDArray[np.float64], exponent: NDArray[np.int64], terms: Csr, grid: Grid) -> float:
    """Estimated share of rows whose gap is below its bound: density of small gaps times the mean bound."""
    if not len(gaps):
        return 0.0
    steps = np.abs(terms.data) * np.ldexp(1.0, exponent[terms.indices])
    if grid.certified:
        bound: NDArray[np.float64] = np.bincount(terms.row_ids(), steps, terms.n_rows).astype(np.float64)
    else:
        # errors are about uniform within a step: what is likely is their root mean square, twice
        bound = 2.0 * np.sqrt(np.bincount(terms.row_ids(), steps**2 / 6.0, terms.n_rows))
    known = min(len(gaps) - 1, max(len(gaps) // 50, 10))
    near = np.partition(gaps, known)[known]
    share = (known + 1) / len(gaps)
    density = share / near if near > 0 else np.inf
    return float(min(density * bound.mean(), 1.0)) if bound.any() else 0.0


def _distinct(
    rows: NDArray[np.int16], exponent: NDArray[np.int64]
) -> tuple[NDArray[np.int16], NDArray[np.int64], NDArray[np.uint32] | None]:
    """Equal rows once, in the order in which they first stand; None for the index where that saves nothing."""
    if rows.shape[1] == 1:
        return (rows, exponent, None) if len(rows) < 4096 or rows.any(axis=1).mean() > 0.5 else _unique(rows, exponent)
    return _unique(rows, exponent)


def _unique(
    rows: NDArray[np.int16], exponent: NDArray[np.int64]
) -> tuple[NDArray[np.int16], NDArray[np.int64], NDArray[np.uint32] | None]:
    whole = np.ascontiguousarray(np.hstack([rows, exponent[:, None].astype(rows.dtype)]))
    keys = whole.view(np.dtype((np.void, whole.dtype.itemsize * whole.shape[1]))).ravel()
    _, first, inverse = np.unique(keys, return_index=True, return_inverse=True)
    if len(first) == len(rows):
        return rows, exponent, None
    order = np.argsort(first)
    place = np.empty(len(order), np.uint32)
    place[order] = np.arange(len(order), dtype=np.uint32)
    kept = first[order]
    return rows[kept], exponent[kept], place[inverse.reshape(-1)]
