"""Drop features of a vocabulary that change next to no score: for "measured" alone, since a row's norm changes with them."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from quantcore.plan import Csr, Vocabulary
from quantcore.plan.ops import Linear, Text, TfIdf

__all__ = ["importance", "kept_columns", "pruned_features", "pruned_vocabulary"]


def importance(weight: NDArray[np.float64], terms: Csr) -> NDArray[np.float64]:
    """What a feature's weights move the scores by, in a root mean square over rows: ``max_k |w_jk - mean_k w_jk| * rms(x_j)``.

    Parameters
    ----------
    weight : ndarray, shape (n_features, n_outputs)
        The idf not folded in.
    terms : Csr
        What the weights multiply, of sample rows.
    """
    away = weight if weight.shape[1] == 1 else weight - weight.mean(axis=1, keepdims=True)
    squares = np.bincount(terms.indices, terms.data * terms.data, terms.n_columns)
    found: NDArray[np.float64] = np.abs(away).max(axis=1) * np.sqrt(squares / max(terms.n_rows, 1))
    return found


def kept_columns(score: NDArray[np.float64], share: float) -> NDArray[np.int64]:
    """The columns of the highest scores, ascending: at least one, equal ones in their order."""
    n = max(1, round(share * len(score)))
    return np.sort(np.argsort(-score, kind="stable")[:n])


def pruned_vocabulary(vocabulary: Vocabulary, kept: NDArray[np.int64], n_features: int) -> Vocabulary:
    """The same vocabulary with some of its terms, columns renumbered; symbols and nodes that lead nowhere fall away.

    Parameters
    ----------
    vocabulary : Vocabulary
    kept : ndarray of int64
        Columns, ascending.
    n_features : int
    """
    place = np.full(n_features, -1, np.int64)
    place[kept] = np.arange(len(kept))
    new_column = place[vocabulary.column]
    is_term = vocabulary.is_term.copy()
    is_term[np.flatnonzero(is_term)[new_column < 0]] = False
    n_symbols, starts = vocabulary.n_symbols, np.concatenate([[0], np.cumsum(vocabulary.levels)]).astype(np.int64)
    # From the longest n-grams to the shortest: a node stays for itself, or for one that goes on from it.
    stays = is_term.copy()
    for level in range(len(vocabulary.levels) - 1, 0, -1):
        rows = np.arange(starts[level], starts[level + 1])
        live = rows[stays[rows]] - n_symbols
        stays[vocabulary.parent[live]] = True
    live = np.flatnonzero(stays[n_symbols:])
    stays[vocabulary.symbol[live]] = True  # a symbol that ends an n-gram is a node of the first level
    number = np.cumsum(stays) - 1
    lengths = np.diff(vocabulary.symbol_ends, prepend=np.uint32(0))
    symbols = stays[:n_symbols]
    levels = [int(np.count_nonzero(stays[a:b])) for a, b in zip(starts[:-1], starts[1:], strict=True)]
    while len(levels) > 1 and levels[-1] == 0:
        levels.pop()
    return Vocabulary(
        symbol_bytes=vocabulary.symbol_bytes[np.repeat(symbols, lengths)],
        symbol_ends=np.cumsum(lengths[symbols], dtype=np.int64).astype(np.uint32),
        parent=number[vocabulary.parent[live]].astype(np.uint32),
        symbol=number[vocabulary.symbol[live]].astype(np.uint32),
        levels=tuple(levels),
        is_term=is_term[stays],
        column=new_column[new_column >= 0].astype(np.uint32),
        separator=vocabulary.separator,
    )


def pruned_features(
    text: Text, tfidf: TfIdf | None, linear: Linear, kept: NDArray[np.int64]
) -> tuple[Text, TfIdf | None, Linear]:
    """The ops of a text pipeline with some of its features.

    Parameters
    ----------
    text : Text
        With a vocabulary.
    tfidf : TfIdf or None
    linear : Linear
    kept : ndarray of int64
        Columns, ascending.
    """
    if text.vocabulary is None:
        raise ValueError("hashed features have no terms to drop")
    fewer = replace(text, vocabulary=pruned_vocabulary(text.vocabulary, kept, text.n_features), n_features=len(kept))
    idf = None if tfidf is None or tfidf.idf is None else tfidf.idf[kept]
    return fewer, None if tfidf is None else replace(tfidf, idf=idf), replace(linear, weight=linear.weight[kept])
