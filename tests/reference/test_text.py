"""The text definition on generated Unicode, against scikit-learn's own analyzers."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.feature_extraction.text import CountVectorizer, HashingVectorizer
from sklearn.utils import murmurhash3_32

from quantcore.importers import convert
from quantcore.reference import run
from quantcore.reference.murmur import murmur3_32
from quantcore.reference.text import analyzer

# Where lower-casing, wordness, folding and blanks are at their worst.
TRICKY = "aZ_0 \t\n\x0b\x1c\x85\u00a0\u2003\u3000\u200b\0ΣσςİıKÅŸẞßée\u0301\u0345ǅﬁ™½\ud800\udfff😀𝐜-'.ªº٣०"
DOCUMENT = st.text(st.one_of(st.sampled_from(TRICKY), st.characters()), max_size=25)
SETTINGS = [
    {"analyzer": a, "ngram_range": n, "lowercase": low, "strip_accents": s}
    for a, n, low, s in itertools.product(
        ["word", "char", "char_wb"], [(1, 1), (1, 3), (3, 5)], [True, False], [None, "ascii", "unicode"]
    )
]


@pytest.mark.parametrize("chosen", SETTINGS, ids=lambda s: "-".join(map(str, s.values())))
@settings(max_examples=25)
@given(document=DOCUMENT)
def test_analyzers(chosen, document):
    vectorizer = HashingVectorizer(**chosen)
    op = convert(vectorizer).ops[0]
    assert sorted(analyzer(op)(document)) == sorted(vectorizer.build_analyzer()(document))


@pytest.mark.filterwarnings("ignore:Your stop_words may be inconsistent")
@pytest.mark.parametrize("pattern", [r"\S+", r"\b\w+\b", r"\b(\w)\w*\b", r"[^\W\d_]+", r"\w+\s\w+", r"(?i)[a-z]+", r"\w*"])
@settings(max_examples=50)
@given(document=DOCUMENT)
def test_token_patterns(pattern, document):
    vectorizer = HashingVectorizer(token_pattern=pattern, ngram_range=(1, 2), stop_words=["a", "z_"])
    op = convert(vectorizer).ops[0]
    assert sorted(analyzer(op)(document)) == sorted(vectorizer.build_analyzer()(document))


@settings(max_examples=150)
@given(fitted=st.lists(DOCUMENT, min_size=1, max_size=5), document=DOCUMENT, word=st.booleans())
def test_counts_over_a_learnt_vocabulary(fitted, document, word):
    chosen = {"token_pattern": r"\w+"} if word else {"analyzer": "char"}
    vectorizer = CountVectorizer(ngram_range=(1, 2), **chosen).fit([*fitted, "a"])
    expected = vectorizer.transform([document, *fitted]).toarray()
    np.testing.assert_array_equal(run(convert(vectorizer), [document, *fitted], "transform").toarray(), expected)


@given(st.binary(max_size=40), st.integers(0, 2**31))
def test_murmur(data, seed):
    assert murmur3_32(data, seed) == murmurhash3_32(data, seed)


def test_murmur_of_every_length():
    for n in range(70):
        data = bytes(range(200, 200 + min(n, 50))) + b"x" * max(n - 50, 0)
        assert murmur3_32(data) == murmurhash3_32(data, 0)


@pytest.mark.parametrize("n_features", [1, 2, 7, 1000, 2**20 - 3, 2**20])
@pytest.mark.parametrize("alternate_sign", [True, False])
def test_the_one_hash_without_an_absolute_value(n_features, alternate_sign):
    term = "akqlrggi"  # found by inverting the hash
    assert murmurhash3_32(term, 0) == -(2**31)
    vectorizer = HashingVectorizer(n_features=n_features, alternate_sign=alternate_sign, norm=None)
    expected, found = vectorizer.transform([term]), run(convert(vectorizer), [term], "transform")
    assert (found.indices.tolist(), found.data.tolist()) == (expected.indices.tolist(), expected.data.tolist())
