"""About what parts of a model take in a file, from entropies: to compare forms without writing each."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from quantcore.plan import Vocabulary

__all__ = ["entropy", "integers_bytes", "vocabulary_bytes"]

_CODE = 8.0  # bits that each value of a code costs before the first is stored, about
_FAR = 127  # what is farther from 0 has no code of its own


def entropy(counts: NDArray[np.int64]) -> float:
    """Bits of all items together, of which so many are of each kind."""
    some = counts[counts > 0].astype(np.float64)
    return float(-(some * np.log2(some / some.sum())).sum()) if len(some) else 0.0


def integers_bytes(values: NDArray[np.int64]) -> int:
    """Integers, the cheaper of two ways: a code for each value; a code for its length in bits, and the bits below the first.

    Parameters
    ----------
    values : ndarray of int64
    """
    lengths = np.frexp(2.0 * np.abs(values.astype(np.float64)))[1].reshape(-1)  # with the sign
    of_length = np.bincount(np.maximum(lengths, 0))
    bits = entropy(of_length) + _CODE * int(np.count_nonzero(of_length)) + float(np.maximum(lengths - 1, 0).sum())
    if np.abs(values).max(initial=0) <= _FAR:
        counts = np.unique(values, return_counts=True)[1]
        bits = min(bits, entropy(counts) + _CODE * len(counts))
    return int(bits / 8)


def vocabulary_bytes(vocabulary: Vocabulary) -> int:
    """Symbols letter by letter, in context of the place in the word; of each level how many children a node has and which sets of
    symbols these are."""
    lengths = np.diff(vocabulary.symbol_ends.astype(np.int64), prepend=0)
    # Sorted words share what they begin with: about log(n) bits of each are told by their order.
    letters = entropy(np.bincount(vocabulary.symbol_bytes))
    order = vocabulary.n_symbols * np.log2(max(vocabulary.n_symbols, 1))
    bits = max(letters - order, 0.0) + entropy(np.bincount(lengths))
    start = base = 0
    for n_parents, n_edges in zip(vocabulary.levels, vocabulary.levels[1:], strict=False):
        edges = slice(start, start + n_edges)
        children = np.bincount(vocabulary.parent[edges].astype(np.int64) - base, minlength=n_parents)
        factorials = np.cumsum(np.log2(np.maximum(np.arange(int(children.max(initial=0)) + 1), 1)))
        uses = np.bincount(vocabulary.symbol[edges], minlength=vocabulary.n_symbols)
        bits += entropy(np.bincount(children)) + entropy(np.bincount(uses)) + entropy(uses) - float(factorials[children].sum())
        start += n_edges
        base += n_parents
    return int(bits / 8) + len(vocabulary.is_term) // 64
