"""The trie against a definition that holds sets of tuples."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from quantcore.plan import Vocabulary

SYMBOLS = st.text(st.sampled_from("ab\u00e9\ud800\udfff\uffff\U00010000 -"), min_size=1, max_size=3)
TERMS = st.lists(st.lists(SYMBOLS, min_size=1, max_size=4).map(tuple), unique=True, max_size=12)


def nodes_by_definition(terms):
    """All nodes as tuples of symbols: the symbols by their bytes, then each level by (parent, symbol)."""
    symbols = sorted({s for t in terms for s in t}, key=lambda s: s.encode("utf-8", "surrogatepass"))
    nodes = [(s,) for s in symbols]
    previous = nodes
    for n in range(2, max(map(len, terms), default=1) + 1):
        grams = {t[:n] for t in terms if len(t) >= n}
        previous = sorted(grams, key=lambda g: (nodes.index(g[:-1]), symbols.index(g[-1])))
        nodes = nodes + previous
    return nodes


@given(TERMS)
def test_nodes(terms):
    columns = {t: 3 * i + 1 for i, t in enumerate(terms)}
    vocabulary = Vocabulary.from_terms(columns, " ")
    nodes = nodes_by_definition(terms)
    symbols = vocabulary.symbols()
    rebuilt = [(s,) for s in symbols]
    for parent, symbol in zip(vocabulary.parent.tolist(), vocabulary.symbol.tolist(), strict=True):
        rebuilt.append((*rebuilt[parent], symbols[symbol]))
    assert rebuilt == nodes
    assert vocabulary.levels == tuple(sum(len(g) == n for g in nodes) for n in range(1, max(map(len, nodes), default=1) + 1))
    assert [g for g, is_term in zip(nodes, vocabulary.is_term, strict=True) if is_term] == [g for g in nodes if g in columns]
    assert vocabulary.column.tolist() == [columns[g] for g in nodes if g in columns]
    assert {a.dtype for a in (vocabulary.parent, vocabulary.symbol, vocabulary.column)} == {np.dtype(np.uint32)}


def test_terms_are_joined_by_the_separator():
    vocabulary = Vocabulary.from_terms({("a", "b"): 0, ("b",): 1}, " ")
    assert vocabulary.terms() == {"a b": 0, "b": 1} == dict(vocabulary.lookup)
    assert Vocabulary.from_terms({("a", "b"): 0}, "").terms() == {"ab": 0}
    assert Vocabulary.from_terms({}, " ").terms() == {}
