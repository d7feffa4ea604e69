"""PlanarLinear: tf-idf and scores from weights that are integers on a grid."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from quantcore.plan.ops import PlanarLinear, TfIdf
from quantcore.reference.inputs import require_rows
from quantcore.reference.matrices import Matrix, as_csr, row_norms, sum_rows, tfidf

__all__ = ["grid_values", "planar_linear"]


def planar_linear(op: PlanarLinear, X: Matrix) -> NDArray[np.float64]:
    """Counts (or any matrix) → scores, float64, sums from left to right."""
    csr = as_csr(X)
    require_rows(csr.n_rows)
    terms = tfidf(TfIdf(sublinear=op.sublinear, idf=None, norm=None), csr)
    norms = np.ones(csr.n_rows)
    if op.norm is not None:
        weighted = terms.data if op.idf is None else terms.data * op.idf[terms.indices]
        norms = row_norms(terms.with_data(weighted), op.norm)
        norms[norms == 0] = 1.0
    stored = terms.indices if op.index is None else op.index[terms.indices]
    values, rows = grid_values(op), terms.row_ids()
    scores = np.empty((csr.n_rows, values.shape[1]))
    for k in range(values.shape[1]):
        scores[:, k] = sum_rows(rows, terms.data * values[stored, k], csr.n_rows) / norms + op.bias[k]
    return scores


def grid_values(op: PlanarLinear) -> NDArray[np.float64]:
    """The weights of each stored row as float64, the centre added: shape (n_distinct, n_outputs)."""
    values = np.ldexp(op.rows.astype(np.float64), op.exponent.astype(np.int64)[:, None])
    return values[:, :-1] + values[:, -1:] if op.centred else values
