"""PlanarLinear: tf-idf and scores from weights that are integers on a grid."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from quantcore.plan.csr import Csr
from quantcore.plan.ops import PlanarLinear, TfIdf
from quantcore.reference.inputs import require_finite, require_rows
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
    require_rows(csr.n_rows)
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
    """Bound on the difference between each row's scores and the source's own, and between differences of two of them.

    The grid moves each term by at most ``error`` steps (twice that for a difference); the source, and this function's own
    sums, round each of about 3 n + 64 operations relative to the sum of the absolute terms.

    ``error`` bounds ``|source - X|`` per value (of CSR: per stored value; None: none). It reaches a score multiplied by the
    source's own weight, which is within ``error`` steps of the grid's, and is rounded like any other term.

    ``sizes`` are each row's sums of ``abs(t) * 2.0 ** exponent``, where a kernel has summed them up already.
    """
    if error is not None and (op.sublinear or op.norm is not None):
        return np.full(len(scores), np.inf)  # logarithms and norms of inexact rows have no bound here
    csr = as_csr(X)
    terms, norms, stored = planar_terms(op, csr)
    steps = np.abs(terms.data) * np.ldexp(1.0, op.exponent.astype(np.int64))[stored] if sizes is None else terms.data[:0]
    total = (np.bincount(terms.row_ids(), steps, csr.n_rows) if sizes is None else sizes) / norms
    count = np.diff(csr.indptr)
    unit = 2.0**-24 if op.dtype == "float32" else 2.0**-53
    rounding = (3.0 * count + 64.0) * unit + (4.0 * count + 32.0) * 2.0**-53
    shown = np.abs(scores).max(axis=1, initial=0.0) + np.abs(op.bias).max(initial=0.0)
    bound: NDArray[np.float64] = total * (2.0 * op.error + rounding * op.amplitude) * 1.0001 + shown * rounding
    bound[count == 0] = 0.0  # the source adds its bias to zero
    if error is not None:
        place = np.arange(csr.n_columns) if op.index is None else op.index
        step = np.ldexp(1.0, op.exponent.astype(np.int64))
        width = (4.0 * csr.n_columns + 128.0) * unit
        size = (np.abs(grid_values(op)).max(axis=1) + step * (2.0 * op.error + width * op.amplitude))[place]
        if isinstance(X, Csr):
            bound += np.bincount(X.row_ids(), error * size[X.indices], X.n_rows) * 1.0001
        else:
            bound += (error @ size) * 1.0001
    return bound


def grid_values(op: PlanarLinear) -> NDArray[np.float64]:
    """The weights of each stored row as float64, the centre added: shape (n_distinct, n_outputs)."""
    values = np.ldexp(op.rows.astype(np.float64), op.exponent.astype(np.int64)[:, None])
    return values[:, :-1] + values[:, -1:] if op.centred else values
