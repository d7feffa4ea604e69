"""Rows to tune with: the caller's own, or drawn from what the model itself knows."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from quantcore.plan import Csr
from quantcore.plan.ops import TfIdf
from quantcore.reference.matrices import row_norms, tfidf

__all__ = ["Sample", "drawn", "drawn_counts", "given", "thinned", "usage"]

ROWS = 2000
_CLASSES = 50
_MOST_IDF = 24.0  # 1 + log(n_documents) of ten billion: a larger one is the caller's own


@dataclass(frozen=True)
class Sample:
    """Terms of sample rows, each divided by its row's norm: what multiplies a folded weight.

    Parameters
    ----------
    terms : Csr
    drawn : bool
        Not the caller's rows.
    """

    terms: Csr
    drawn: bool


def thinned(rows: Csr, seed: int) -> Csr:
    """Rows, and behind them the same with each value kept or dropped at random.

    What is given are mostly rows that the model was fitted on. It knows more of them than of rows to come, and tells its
    outputs further apart: LinearSVC on clinc150 left 31 of 5500 new rows open at a grid that settled all but 1 in 20,000 of
    those. Half of a row is about what a new one has in common with them.

    Parameters
    ----------
    rows : Csr
    seed : int
    """
    kept = np.random.default_rng(seed).random(len(rows.data)) < 0.5
    counts = np.concatenate([np.diff(rows.indptr), np.bincount(rows.row_ids()[kept], minlength=rows.n_rows)])
    indptr = np.concatenate([[0], np.cumsum(counts)]).astype(np.int64)
    indices, data = (np.concatenate([values, values[kept]]) for values in (rows.indices, rows.data))
    return Csr(indptr, indices, data, rows.n_columns)


def given(counts: Csr, op: TfIdf | None) -> Sample:
    """From the counts of the caller's rows."""
    if op is None:
        return Sample(counts, False)
    terms = tfidf(TfIdf(sublinear=op.sublinear, idf=None, norm=None), counts)
    if op.norm is not None:
        weighted = terms.data if op.idf is None else terms.data * op.idf[terms.indices]
        norms = row_norms(terms.with_data(weighted), op.norm)
        terms = terms.with_data(terms.data / np.where(norms == 0, 1.0, norms)[terms.row_ids()])
    return Sample(terms, False)


def usage(op: TfIdf | None, n_features: int) -> NDArray[np.float64]:
    """Share of documents that hold each feature, up to a factor: from the idf where there is one that scikit-learn computed."""
    if op is None or op.idf is None or op.idf.max(initial=0.0) > _MOST_IDF:
        return np.ones(n_features)
    share: NDArray[np.float64] = np.exp(op.idf.min() - op.idf)
    return share


def drawn(op: TfIdf | None, weights: NDArray[np.float64], seed: int) -> Sample:
    """Rows that the model itself could have seen, see :func:`drawn_counts`."""
    return Sample(given(drawn_counts(op, weights, seed), op).terms, True)


def drawn_counts(op: TfIdf | None, weights: NDArray[np.float64], seed: int) -> Csr:
    """Counts of rows that the model itself could have seen.

    A class is drawn, then features by how many documents hold them, tilted by ``exp(x_j w_jk)``: if the model gives
    ``p(k | x)`` in proportion to ``exp(w_k x)``, that is how its documents of class k are distributed. Their margins are
    about as clear as real ones, where features drawn regardless of the class would be closer calls.

    Parameters
    ----------
    op : TfIdf or None
    weights : ndarray, shape (n_features, n_outputs)
        The source's, idf folded in.
    seed : int
    """
    random = np.random.default_rng(seed)
    n_features, n_outputs = weights.shape
    share = usage(op, n_features)
    # The commonest feature of a text stands in a good part of all documents; rows stay within 5 to 60 features.
    mean = float(np.clip(share.sum() * 0.5, 5.0, 60.0))
    lengths = np.minimum(1 + random.poisson(mean, ROWS), n_features)
    idf = 1.0 if op is None or op.idf is None else float(np.average(op.idf, weights=share))
    norm = (
        1.0 if op is None or op.norm is None else idf * (mean if op.norm == "l1" else np.sqrt(mean) if op.norm == "l2" else 1.0)
    )
    outputs = random.permutation(n_outputs)[:_CLASSES]
    parts = np.array_split(np.arange(ROWS), 2 * len(outputs) if n_outputs == 1 else len(outputs))
    picks = []
    for i, part in enumerate(parts):
        tilt = weights[:, outputs[i % len(outputs)]] / norm * (1.0 if i < len(outputs) else -1.0)
        edges = np.cumsum(share * np.exp(np.clip(tilt, -30.0, 30.0)))
        picks.append(np.searchsorted(edges, random.random(int(lengths[part].sum())) * edges[-1], side="right"))
    keys = np.unique(np.repeat(np.arange(ROWS), lengths) * n_features + np.minimum(np.concatenate(picks), n_features - 1))
    indptr = np.concatenate([[0], np.cumsum(np.bincount(keys // n_features, minlength=ROWS))]).astype(np.int64)
    return Csr(indptr, (keys % n_features).astype(np.int64), np.ones(len(keys)), n_features)


def column_means(terms: Csr) -> NDArray[np.float64]:
    """Mean absolute value of each column."""
    total: NDArray[Any] = np.bincount(terms.indices, np.abs(terms.data), terms.n_columns)
    return total / max(terms.n_rows, 1)
