"""The terms of a text featurizer as arrays: a trie over symbols.

A symbol is what n-grams are made of: a token for word n-grams, one code point
for character n-grams. Nodes 0 .. n_symbols-1 are the symbols themselves; then
come the 2-grams, sorted by (parent, symbol), then the 3-grams, and so on. A
node is thus named by its position, and an n-gram is found by n exact
look-ups, with no string but the symbols'. A 2-gram's parts need not be terms
(max_df, min_df and max_features drop them), so ``is_term`` says which are.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property
from itertools import chain

import numpy as np
from numpy.typing import NDArray

from quantcore.plan.record import Record

__all__ = ["Vocabulary"]


class Vocabulary(Record, kw_only=False):
    """Terms and their columns.

    Parameters
    ----------
    symbol_bytes : ndarray of uint8
        All symbols, UTF-8 (lone surrogates as three bytes, "surrogatepass"), one after another,
        in ascending byte order, each once.
    symbol_ends : ndarray of uint32, shape (n_symbols,)
        End of each symbol in ``symbol_bytes``; each at least one byte long.
    parent, symbol : ndarray of uint32, shape (n_nodes - n_symbols,)
        For each longer n-gram the node of all but its last symbol, and its last symbol.
    levels : tuple of int
        Number of nodes per n-gram length: ``levels[0] == n_symbols``; their sum is ``n_nodes``.
    is_term : ndarray of bool, shape (n_nodes,)
    column : ndarray of uint32, shape (n_terms,)
        Column of each term, in node order; ``n_features`` may be larger than the number of
        terms (terms that no text can produce are not stored).
    separator : str
        What joins symbols to a term: " " for words, "" for characters.
    """

    symbol_bytes: NDArray[np.uint8]
    symbol_ends: NDArray[np.uint32]
    parent: NDArray[np.uint32]
    symbol: NDArray[np.uint32]
    levels: tuple[int, ...]
    is_term: NDArray[np.bool_]
    column: NDArray[np.uint32]
    separator: str

    @property
    def n_symbols(self) -> int:
        return len(self.symbol_ends)

    @property
    def n_nodes(self) -> int:
        return len(self.is_term)

    @classmethod
    def from_terms(cls, terms: dict[tuple[str, ...], int], separator: str) -> Vocabulary:
        """Build the trie.

        Parameters
        ----------
        terms : dict of tuple of str to int
            Symbols of each term (one or more, none of them empty) → its column.
        separator : str
        """
        # Code point order is the byte order of UTF-8, surrogates included.
        symbols = sorted(set(chain.from_iterable(terms)))
        number = {s: i for i, s in enumerate(symbols)}
        encoded = [s.encode("utf-8", "surrogatepass") for s in symbols]
        lengths = np.fromiter(map(len, terms), np.int64, len(terms))
        flat = np.fromiter((number[s] for s in chain.from_iterable(terms)), np.int64, int(lengths.sum()))
        starts = np.cumsum(lengths) - lengths

        # Level by level: every term that reaches length n goes from its node of length n-1 to the next one.
        node = flat[starts]
        levels, parents, lasts, size = [len(symbols)], [], [], len(symbols)
        for n in range(2, int(lengths.max(initial=1)) + 1):
            reaching = np.flatnonzero(lengths >= n)
            pair = (node[reaching] << 32) | flat[starts[reaching] + n - 1]
            pairs, rank = np.unique(pair, return_inverse=True)
            node[reaching] = size + rank.reshape(-1)
            parents.append(pairs >> 32)
            lasts.append(pairs & 0xFFFFFFFF)
            levels.append(len(pairs))
            size += len(pairs)

        is_term = np.zeros(size, np.bool_)
        is_term[node] = True
        columns = np.fromiter(terms.values(), np.int64, len(terms))
        none = [np.zeros(0, np.int64)]
        return cls(
            symbol_bytes=np.frombuffer(b"".join(encoded), np.uint8).copy(),
            symbol_ends=np.cumsum([len(e) for e in encoded], dtype=np.int64).astype(np.uint32),
            parent=np.concatenate(parents or none).astype(np.uint32),
            symbol=np.concatenate(lasts or none).astype(np.uint32),
            levels=tuple(levels),
            is_term=is_term,
            column=columns[np.argsort(node)].astype(np.uint32),
            separator=separator,
        )

    def symbols(self) -> list[str]:
        """The symbols as strings, in node order."""
        raw = self.symbol_bytes.tobytes()
        ends = self.symbol_ends.tolist()
        return [raw[a:b].decode("utf-8", "surrogatepass") for a, b in zip([0, *ends], ends, strict=False)]

    @cached_property
    def lookup(self) -> Mapping[str, int]:
        """``terms()``, made once: for the paths that look strings up."""
        return self.terms()

    def terms(self) -> dict[str, int]:
        """Term → column, as scikit-learn's ``vocabulary_`` (without unreachable terms)."""
        names = self.symbols()
        symbols = list(names)
        for parent, symbol in zip(self.parent.tolist(), self.symbol.tolist(), strict=True):
            names.append(names[parent] + self.separator + symbols[symbol])
        nodes = np.flatnonzero(self.is_term).tolist()
        return {names[i]: c for i, c in zip(nodes, self.column.tolist(), strict=True)}
