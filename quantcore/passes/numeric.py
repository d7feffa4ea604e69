"""Put the weights of linear ops over tables on a grid, where a grid serves.

Columns of a table differ in scale by any factor, so each row of weights has the step ``2^e / 2^c_j``, with ``2^c_j`` about
how large its column is: of the calibration rows, or, where there are none, 1 behind a scaler and else what makes all columns
weigh alike. ``e`` is the coarsest for which the bound on a row's error is small enough beside the gaps between its scores; for
a regressor, beside the spread of its predictions. Where 30 bits are not enough (large means, small deviations), or the weights
are so few that a grid saves nothing, the op keeps its float64 weights: its bound is then the rounding alone.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from quantcore.passes.margins import Apart
from quantcore.passes.quantize import Grid, gaps, open_share
from quantcore.plan import Csr
from quantcore.plan.ops import Linear, PlanarLinear
from quantcore.reference.matrices import as_csr

__all__ = ["gridded"]

_MOST_BITS = 30
_ROWS = 2000
_DRAWN_VALUES = 1 << 20
_FEW = 32
_FAR = 16
_LARGEST_EXPONENT = 900
# Of the spread of a regressor's predictions: what the bound may be on average.
_SHARE = {True: 2.0**-16, False: 2.0**-10}


def gridded(
    op: Linear,
    rows: Csr | None,
    grid: Grid,
    *,
    decides: bool,
    scaled: bool,
    auto: bool,
    seed: int,
    apart: Apart | None = None,
) -> Linear | PlanarLinear:
    """The op on a grid, or as it is.

    Parameters
    ----------
    op : Linear
    rows : Csr or None
        What it reads of the calibration rows.
    grid : Grid
    decides : bool
        Labels follow from the scores; else the scores are the answer.
    scaled : bool
        Its columns come from a scaler or the like.
    auto : bool
        No precision was asked for.
    seed : int
        Of the rows that are drawn where none are given.
    apart : callable of scores → margins, or None
        Where labels don't follow from the two best scores.
    """
    largest = np.abs(op.weight).max(axis=1)
    if largest.max(initial=0.0) == 0.0 or (auto and op.weight.size <= _FEW):
        return op
    if rows is None:
        scale = _outliers(largest) if scaled else -_log2(largest)
        n_rows = max(16, min(_ROWS, _DRAWN_VALUES // len(largest)))
        terms = as_csr(np.random.default_rng(seed).normal(size=(n_rows, len(largest))))
    else:
        rows = rows.take_rows(np.unique(np.linspace(0, rows.n_rows - 1, _ROWS).astype(np.int64)))
        means = np.bincount(rows.indices, np.abs(rows.data), rows.n_columns) / rows.n_rows
        scale = np.where(means > 0.0, _log2(means), -_log2(largest))
        terms = rows.with_data(np.ldexp(rows.data.astype(np.float64), -scale[rows.indices]))
    weight = np.ldexp(op.weight, scale[:, None])
    if not 0.0 < np.abs(weight).max() < np.inf:  # products that leave the range of float64
        return op
    top = int(np.ceil(np.log2(np.abs(weight).max())))
    enough = _criterion(op, weight, terms, grid, decides, apart)
    least = grid.bits if rows is not None or scaled else _MOST_BITS
    bits = next((b for b in range(least, _MOST_BITS + 1) if enough(top - b)), None)
    bits = (_MOST_BITS if rows is None and not scaled else None) if bits is None else bits
    if bits is None:
        return op
    exponent = top - bits - scale
    if np.abs(exponent).max() > _LARGEST_EXPONENT:
        return op
    integers = np.rint(np.ldexp(op.weight, -exponent[:, None]))
    amplitude = float(np.ldexp(largest, -exponent).max())
    return PlanarLinear(
        inputs=op.inputs,
        rows=integers.astype(np.int16 if np.abs(integers).max() < 2**15 else np.int32),
        exponent=exponent.astype(np.int16),
        index=None,
        bias=op.bias,
        centred=False,
        sublinear=False,
        idf=None,
        norm=None,
        error=0.5,
        amplitude=amplitude,
        dtype=op.dtype,
    )


def _criterion(
    op: Linear, weight: NDArray[np.float64], terms: Csr, grid: Grid, decides: bool, apart: Apart | None
) -> Callable[[int], bool]:
    if decides:
        found = gaps(weight, terms, op.bias, apart)
        return lambda power: open_share(found, np.full(len(weight), power), terms, grid) <= grid.target
    sums = np.zeros((terms.n_rows, weight.shape[1]))
    for k in range(weight.shape[1]):
        sums[:, k] = np.bincount(terms.row_ids(), terms.data * weight[terms.indices, k], terms.n_rows)
    size = float(np.bincount(terms.row_ids(), np.abs(terms.data), terms.n_rows).mean())
    spread = float(sums.std(axis=0).min())
    return lambda power: size * 2.0 ** (power - 1) <= _SHARE[grid.certified] * spread


def _outliers(largest: NDArray[np.float64]) -> NDArray[np.int64]:
    """Scale of columns behind a scaler: 1, but where the weights say that it left a column alone (a deviation of 1e-30)."""
    powers = _log2(largest)
    away = int(np.median(powers[largest > 0.0])) - powers
    return np.where((largest > 0.0) & (np.abs(away) > _FAR), away, 0)


def _log2(values: NDArray[np.float64]) -> NDArray[np.int64]:
    """The nearest power of two; 0 where there is none."""
    found: NDArray[np.int64] = np.rint(np.log2(np.where(values > 0.0, values, 1.0))).astype(np.int64)
    return found
