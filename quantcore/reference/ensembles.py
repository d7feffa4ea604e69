"""Ensembles of whole models: Votes, LabelValues, WeightedMean, PairConfidence, CodeScores, Augment, Layers, ScoreUfunc."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from quantcore.plan.csr import Csr
from quantcore.plan.ensemble_ops import Augment, CodeScores, LabelValues, Layers, PairConfidence, ScoreUfunc, Votes, WeightedMean
from quantcore.reference.inputs import require_finite
from quantcore.reference.matrices import Matrix

__all__ = [
    "augment",
    "code_scores",
    "label_values",
    "layers",
    "members_of",
    "pair_confidence",
    "pairs",
    "score_ufunc",
    "votes",
    "weighted_mean",
]

Scores = NDArray[Any]


def votes(op: Votes, labels: Sequence[NDArray[Any]]) -> NDArray[np.float64]:
    """The weight of the members that chose each class."""
    members = members_of(labels)
    out = np.zeros((members.shape[0], op.n_classes))
    rows = np.arange(len(members))
    for i in range(members.shape[1]):
        at = members[:, i] if op.columns is None else op.columns[i][members[:, i]]
        out[rows, at] += 1.0 if op.weights is None else op.weights[i]
    return out


def members_of(labels: Sequence[NDArray[Any]]) -> NDArray[np.intp]:
    """Labels as numbers, one column a member: several inputs, or the columns of one."""
    found = labels[0] if labels[0].ndim == 2 else np.stack(labels, axis=1)
    return found.astype(np.intp)


def label_values(op: LabelValues, labels: NDArray[Any]) -> NDArray[np.float64]:
    """Labels as a column of numbers."""
    return labels.astype(np.float64)[:, None]


def weighted_mean(op: WeightedMean, inputs: Sequence[Scores]) -> Scores:
    """The sum, perhaps of products, in order, over the divisor."""
    dtype = np.result_type(*inputs, *([] if op.weights is None else [np.float64]))
    terms = [x.astype(dtype) for x in inputs]
    if op.weights is not None:
        terms = [x * weight for x, weight in zip(terms, op.weights, strict=True)]
    total = terms[0]
    for x in terms[1:]:
        total = total + x
    return np.asarray(total / dtype.type(op.divisor))


def pairs(n_pairs: int) -> list[tuple[int, int]]:
    """The classes of each pair."""
    n_classes = (1 + round((1 + 8 * n_pairs) ** 0.5)) // 2
    return [(i, j) for i in range(n_classes) for j in range(i + 1, n_classes)]


def pair_confidence(op: PairConfidence, s: Scores) -> NDArray[np.float64]:
    """Sums of the scores for and against each class, mapped to (-1/3, 1/3)."""
    known = pairs(s.shape[1])
    sums = np.zeros((len(s), known[-1][1] + 1))
    for k, (i, j) in enumerate(known):
        sums[:, i] -= s[:, k]
        sums[:, j] += s[:, k]
    found: NDArray[np.float64] = sums / (3 * (np.abs(sums) + 1))
    return found


def code_scores(op: CodeScores, s: Scores) -> NDArray[np.float64]:
    """Minus the squared distances, by the source's formula."""
    x = np.ascontiguousarray(s, np.float64)
    require_finite(x)
    squares = np.einsum("ij,ij->i", x, x)[:, None] + -2.0 * (x @ op.codes.T)
    squares += np.einsum("ij,ij->i", op.codes, op.codes)
    return np.asarray(-np.maximum(squares, 0.0))


def augment(op: Augment, inputs: Sequence[Matrix]) -> Matrix:
    """The matrix and the scores side by side."""
    X, scores = inputs[0], [np.asarray(s) for s in inputs[1:]]
    if not op.front:
        require_finite(X)
    if isinstance(X, Csr):
        return joined(op, X, np.concatenate(scores, axis=1) if scores else np.zeros((X.n_rows, 0)))
    wide = X.astype(np.float64)
    return np.concatenate((*scores, wide) if op.front else (wide, *scores), axis=1)


def joined(op: Augment, X: Csr, scores: Scores, kept: NDArray[np.bool_] | None = None) -> Csr:
    """Both as CSR; of the scores those that are not 0 are stored, or those of ``kept``."""
    width = scores.shape[1]
    rows, columns = np.nonzero(scores if kept is None else kept)
    stored = scores[rows, columns].astype(np.float64)
    offsets = (width, 0) if op.front else (0, X.n_columns)
    parts = [(X.row_ids(), X.indices + offsets[0], X.data.astype(np.float64)), (rows, columns + offsets[1], stored)]
    if op.front:
        parts.reverse()
    row, indices, data = (np.concatenate(part) for part in zip(*parts, strict=True))
    order = np.argsort(row, kind="stable")
    indptr = np.concatenate([[0], np.cumsum(np.bincount(row, minlength=X.n_rows))]).astype(np.int64)
    return Csr(indptr, indices[order].astype(np.int64), data[order], X.n_columns + width)


def layers(op: Layers, inputs: Sequence[Scores]) -> Scores:
    """One behind another."""
    return np.stack(inputs)


def score_ufunc(op: ScoreUfunc, s: Scores) -> Scores:
    """The function of NumPy of that name."""
    with np.errstate(all="ignore"):
        found: Scores = getattr(np, op.name)(s)
    return found
