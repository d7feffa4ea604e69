"""PlanarLinear: tf-idf and scores from weights that are integers on a grid."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from quantcore.plan.csr import Csr
from quantcore.plan.ops import PlanarLinear, TfIdf
from quantcore.reference.bounds import UP, edges, gamma
from quantcore.reference.inputs import require_finite
from quantcore.reference.matrices import Matrix, as_csr, row_norms, sum_rows, tfidf

__all__ = ["grid_values", "planar_bound", "planar_linear", "planar_terms"]


def planar_terms(op: PlanarLinear, csr: Csr) -> tuple[Csr, NDArray[np.float64], NDArray[Any]]:
    """(Sublinear) counts, each row's norm (1 where there is none or it is 0), and the stored row of each count's column."""
    terms = tfidf(TfIdf(sublinear=op.sublinear, idf=None, norm=None), csr)
    norms = np.ones(csr.n_rows)
    if op.norm is not None:
        weighted = terms.data if op.idf is None else terms.data * op.idf[terms.indices]
        norms = row_norms(terms.with_data(weighted), op.norm)
        norms[norms == 0] = 1.0
    return terms, norms, terms.indices if op.index is None else op.index[terms.indices]


def planar_linear(op: PlanarLinear, X: Matrix) -> NDArray[np.float64]:
    """Counts (or any matrix) → scores, float64, sums from left to right."""
    csr = as_csr(X)
    terms, norms, stored = planar_terms(op, csr)
    values, rows = grid_values(op), terms.row_ids()
    scores = np.empty((csr.n_rows, values.shape[1]))
    with np.errstate(over="ignore", invalid="ignore"):
        for k in range(values.shape[1]):
            scores[:, k] = sum_rows(rows, terms.data * values[stored, k], csr.n_rows) / norms + op.bias[k]
    if not np.isfinite(scores).all():
        require_finite(X)
    return scores


def planar_bound(
    op: PlanarLinear,
    X: Matrix,
    scores: NDArray[np.float64],
    error: NDArray[Any] | None = None,
    sizes: NDArray[np.float64] | None = None,
) -> NDArray[np.float64]:
    """Bound on the difference between each row's scores and the source's own: each lies within it, but for one number that is
    the same for all scores of the row (the rounded centre).

    The grid moves each term by at most ``error`` steps, once more where the centre is stored. Behind a folded TfIdf op the
    source, and this function's own sums, round each of about 3 n + 64 operations relative to the sum of the absolute terms
    (ARCHITECTURE.md, section 3, A and E); where the rows are read as they are, sums alone are rounded (section 3, G).

    ``error`` bounds ``|source - X|`` per value (of CSR: per stored value; None: none). It reaches a score multiplied by the
    source's own weight, which is within ``error`` steps of the grid's, and is rounded like any other term.

    ``sizes`` are each row's sums of ``abs(t) * 2.0 ** exponent``, where a kernel has summed them up already.
    """
    if op.approximate:
        return np.full(len(scores), np.inf)
    plain = not op.sublinear and op.norm is None and op.idf is None
    if error is not None and not plain:
        return np.full(len(scores), np.inf)  # logarithms and norms of inexact rows have no bound here
    csr = as_csr(X)
    terms, norms, stored = planar_terms(op, csr)
    step = np.ldexp(1.0, op.exponent.astype(np.int64))
    count = np.diff(csr.indptr).astype(np.float64)
    tiny, largest = edges(op.dtype)
    bias = float(np.abs(op.bias).max(initial=0.0))
    with np.errstate(over="ignore", invalid="ignore"):
        summed = sizes if sizes is not None else _absolute_sums(terms, step[stored])
        total = summed / norms
        grid = total * (op.error * (2.0 if op.centred or not plain else 1.0))
        if plain:
            n = (count if error is None else np.maximum(count, csr.n_columns)) + 1.0
            # What is stored may be centred: twice the source's own weight, and the error of the grid.
            own = (2.0 if len(op.bias) > 1 else 1.0) * op.amplitude + 2.0 * op.error
            rounded = total * (op.amplitude * gamma(n, op.dtype) + own * gamma(n + 2.0, "float64"))
            bound = (grid + rounded + bias * (4.0 * gamma(1.0, op.dtype)) + 2.0 * n * tiny) * UP
        else:
            unit = 2.0**-24 if op.dtype == "float32" else 2.0**-53
            share = (3.0 * count + 64.0) * unit + (4.0 * count + 32.0) * 2.0**-53
            shown = np.abs(scores).max(axis=1, initial=0.0) + bias
            bound = (grid + total * share * op.amplitude) * 1.0001 + shown * share + 2.0 * (count + 1.0) * tiny
        bound = np.where(count > 0.0, bound, 0.0)  # the source adds its bias to zero
        sums = total * op.amplitude
        if error is not None:
            place = np.arange(csr.n_columns) if op.index is None else op.index
            width = 4.0 * gamma(csr.n_columns + 32.0, op.dtype)
            size = (np.abs(grid_values(op)).max(axis=1) + step * (2.0 * op.error + width * op.amplitude))[place]
            if isinstance(X, Csr):
                moved = np.bincount(X.row_ids(), error * size[X.indices], X.n_rows) * 1.0001
            else:
                moved = (error.astype(np.float64) @ size) * 1.0001
            bound, sums = bound + moved, sums + moved
    return np.where(sums + bias <= largest, bound, np.inf)


def _absolute_sums(terms: Csr, steps: NDArray[np.float64]) -> NDArray[np.float64]:
    sizes: NDArray[np.float64] = np.abs(terms.data.astype(np.float64)) * steps
    return np.asarray(np.bincount(terms.row_ids(), sizes, terms.n_rows), np.float64)


def grid_values(op: PlanarLinear) -> NDArray[np.float64]:
    """The weights of each stored row as float64, the centre added: shape (n_distinct, n_outputs)."""
    values = np.ldexp(op.rows.astype(np.float64), op.exponent.astype(np.int64)[:, None])
    return values[:, :-1] + values[:, -1:] if op.centred else values
