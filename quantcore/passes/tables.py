"""The smallest form of linear scores over columns whose labels agree as often as was asked: for ``guarantee="measured"``.

Every second calibration row tunes (scales, compensation, bias), the others judge: what a form does off the rows that it was made
of is what counts. Forms: weights as they are; grids of each number of bits, rounded to nearest or with compensation; whole
features dropped where that is asked for, what remains refitted against the source's own scores.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from quantcore.passes.compensate import compensated, gram, refitted
from quantcore.passes.judge import Verdict, flips_estimated, gap_errors
from quantcore.passes.sizes import integers_bytes
from quantcore.plan import Csr
from quantcore.plan.ops import Linear, PlanarLinear

__all__ = ["FLOAT32", "TABLE_BITS", "TableForm", "on_grid", "table_forms"]

_MOST_ROWS = 8000
TABLE_BITS = (2, 3, 4, 5, 6, 8, 10, 12, 16)
FLOAT32 = 24
_SAFETY = 1.25
_LARGEST_EXPONENT = 900


class TableForm(NamedTuple):
    """A form of a Linear op over columns.

    Parameters
    ----------
    name : str
    op : Linear or PlanarLinear
    bits : int
        Of the largest weight, its sign included; 0: as the source has it.
    bytes : int
        Estimated, of the weights alone.
    verdict : Verdict
        On rows that it was not made of.
    good : bool
        Labels agree as often as was asked.
    """

    name: str
    op: Linear | PlanarLinear
    bits: int
    bytes: int
    verdict: Verdict
    good: bool


def table_forms(
    op: Linear, rows: Csr, decide: Callable[[Any], Any], least: float, *, prune: float = 0.0, only: tuple[int, ...] = TABLE_BITS
) -> Iterator[TableForm]:
    """Forms: the source's own weights, float32, then from few bits to many until one agrees.

    Parameters
    ----------
    op : Linear
    rows : Csr
        What it reads of calibration rows.
    decide : callable of scores → labels
    least : float
        Share of rows whose labels must stay.
    prune : float
        Share of the features to drop.
    only : tuple of int
        Numbers of bits to try, ascending.
    """
    if rows.n_rows > _MOST_ROWS:
        rows = rows.take_rows(np.unique(np.linspace(0, rows.n_rows - 1, _MOST_ROWS).astype(np.int64)))
    matrix = rows.toarray().astype(np.float64)
    tune, judge = (matrix[::2], matrix[1::2]) if len(matrix) > 1 else (matrix, matrix)
    # A model tells rows that it was fitted on further apart than others. Where it does, rows of which half is the mean are about
    # as near a tie as new ones (measured on 784 x 10: 0.5 % flip, 0.03 % of the rows as they are, 0.7 % of these).
    known = np.random.default_rng(0).random(judge.shape) < 0.5
    halves = np.where(known, judge, tune.mean(axis=0))
    source, nearer = judge @ op.weight + op.bias, halves @ op.weight + op.bias
    labels = np.asarray(decide(source))

    def verdict(weight: NDArray[np.float64], bias: NDArray[np.float64]) -> Verdict:
        scores = judge @ weight + bias
        same: NDArray[np.bool_] = np.equal(decide(scores), labels).reshape(len(scores), -1).all(axis=1)
        pairs = ((source, scores), (nearer, halves @ weight + bias))
        estimate = max(factor * flips_estimated(*gap_errors(*pair)) for factor, pair in zip((_SAFETY, 1.0), pairs, strict=True))
        return Verdict(int((~same).sum()), len(same), estimate)

    yield TableForm("the source's weights", op, 0, 8 * op.weight.size, verdict(op.weight, op.bias), True)
    largest = np.abs(op.weight).max(axis=1, initial=0.0)
    scale = _scales(tune, largest)
    weight = np.ldexp(op.weight, scale[:, None])
    if not 0.0 < np.abs(weight).max(initial=0.0) < np.inf or not np.isfinite(matrix).all():
        return
    scaled = np.ldexp(tune, -scale)
    products = gram(scaled)
    if prune:
        weight = refitted(weight, products, _kept(weight, np.diag(products), prune))
    top = int(np.ceil(np.log2(np.abs(weight).max())))
    if not prune and np.abs(top - FLOAT32 - scale).max() <= _LARGEST_EXPONENT:
        integers = np.rint(np.ldexp(weight, FLOAT32 - top)).astype(np.int64)
        judged = verdict(np.ldexp(integers.astype(np.float64), (top - FLOAT32 - scale)[:, None]), op.bias)
        made = on_grid(op, integers, top - FLOAT32 - scale, op.bias, approximate=False)
        yield TableForm("float32", made, FLOAT32, integers_bytes(integers), judged, judged.agreement >= least)
    share = f"{1.0 - prune:.0%} of the features, " if prune else ""
    for bits in only:
        step, limit = top - bits + 1, 2 ** (bits - 1) - 1
        if np.abs(step - scale).max() > _LARGEST_EXPONENT:
            return
        steps = np.ldexp(weight, -step)
        nearest = np.clip(np.rint(steps), -limit, limit).astype(np.int64)
        found = []
        for way, integers in (("nearest", nearest), ("compensated", compensated(steps, products, limit))):
            values = np.ldexp(integers.astype(np.float64), (step - scale)[:, None])
            # rounded, as the factor is: libraries differ in the last places
            bias = op.bias + (tune @ (op.weight - values)).mean(axis=0).astype(np.float32)
            judged = verdict(values, bias)
            name = f"{share}int{bits}, {way}"
            made = on_grid(op, integers, step - scale, bias)
            found.append(TableForm(name, made, bits, integers_bytes(integers), judged, judged.agreement >= least))
        yield from sorted(found, key=lambda form: form.verdict.agreement)
        if any(form.good for form in found):
            return


def _scales(rows: NDArray[np.float64], largest: NDArray[np.float64]) -> NDArray[np.int64]:
    """log2 of how large each column is; of one that is always 0 here, what makes its weights as large as 1."""
    means = np.abs(rows).mean(axis=0)
    size = np.where(means > 0.0, means, np.where(largest > 0.0, 1.0 / np.maximum(largest, 1e-300), 1.0))
    return np.asarray(np.rint(np.log2(size)), np.int64)


def _kept(weight: NDArray[np.float64], variance: NDArray[np.float64], prune: float) -> NDArray[np.bool_]:
    """The features that move the scores most."""
    away = weight if weight.shape[1] == 1 else weight - weight.mean(axis=1, keepdims=True)
    importance = np.abs(away).max(axis=1) * np.sqrt(variance)
    kept = np.zeros(len(weight), np.bool_)
    kept[np.argsort(-importance, kind="stable")[: max(1, round((1.0 - prune) * len(weight)))]] = True
    return kept


def on_grid(
    op: Linear, integers: NDArray[np.int64], exponent: NDArray[np.int64], bias: NDArray[np.float64], *, approximate: bool = True
) -> PlanarLinear:
    """An op with integers for weights, and log2 of each feature's step.

    Parameters
    ----------
    op : Linear
    integers : ndarray of int64, shape (n_features, n_outputs)
    exponent : ndarray of int64, shape (n_features,)
    bias : ndarray of float64, shape (n_outputs,)
    approximate : bool
        The weights are others than the source's, or the bias is; else each is the nearest on the grid.
    """
    exponent = np.where(integers.any(axis=1), exponent, 0) if approximate else exponent  # what is dropped needs no step
    amplitude = float(np.ldexp(np.abs(op.weight).max(axis=1), -exponent).max(initial=0.0))
    return PlanarLinear(
        inputs=op.inputs,
        rows=integers.astype(np.int16 if np.abs(integers).max(initial=0) < 2**15 else np.int32),
        exponent=exponent.astype(np.int16),
        index=None,
        bias=bias,
        centred=False,
        sublinear=False,
        idf=None,
        norm=None,
        error=0.0 if approximate else 0.5,  # nothing is certified of what is not the source's: what is computed is what is meant
        amplitude=max(amplitude, float(np.abs(integers).max(initial=0))),
        approximate=approximate,
        dtype=op.dtype,
    )
