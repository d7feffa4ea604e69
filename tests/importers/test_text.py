"""Vectorizers: every setting gives scikit-learn's matrix, bit for bit."""

from __future__ import annotations

import io
import warnings

import numpy as np
import pytest
from sklearn.exceptions import NotFittedError
from sklearn.feature_extraction.text import CountVectorizer, HashingVectorizer, TfidfTransformer, TfidfVectorizer
from sklearn.pipeline import FeatureUnion, make_pipeline

from quantcore.importers import convert
from quantcore.importers.sklearn.common import VERSION
from quantcore.reference import run

ANALYZERS = [
    {},
    {"ngram_range": (1, 2)},
    {"ngram_range": (2, 3)},
    {"ngram_range": (1, 2), "max_df": 0.4, "min_df": 2},
    {"ngram_range": (1, 3), "max_features": 40},
    {"analyzer": "char", "ngram_range": (1, 3)},
    {"analyzer": "char", "ngram_range": (2, 4), "lowercase": False},
    {"analyzer": "char_wb", "ngram_range": (2, 4)},
    {"analyzer": "char_wb", "ngram_range": (5, 6)},
    {"analyzer": "char_wb", "ngram_range": (1, 1)},
    {"stop_words": "english"},
    {"stop_words": ["cat", "the", "naïve"], "ngram_range": (1, 2)},
    {"lowercase": False},
    {"strip_accents": "unicode"},
    {"strip_accents": "ascii", "ngram_range": (1, 2)},
    {"strip_accents": "unicode", "analyzer": "char", "ngram_range": (1, 2)},
    {"binary": True},
    {"token_pattern": r"(?u)\b\w+\b", "ngram_range": (1, 2)},
    {"token_pattern": r"\S+"},
    {"token_pattern": r"[a-zA-Z]+", "ngram_range": (1, 2)},
    {"token_pattern": r"\b[a-z]{2,}\b", "ngram_range": (1, 2)},
    {"token_pattern": r"(?u)\b(\w\w+)\b", "ngram_range": (1, 2)},
    {"token_pattern": r"\b(\w)\w+\b", "ngram_range": (1, 2)},
    {"token_pattern": r"\w+ \w+", "ngram_range": (1, 2)},
    {"token_pattern": r"[^,]+"},
    {"dtype": np.float32},
]
WEIGHTS = [
    {},
    {"sublinear_tf": True},
    {"use_idf": False},
    {"smooth_idf": False, "norm": "l1"},
    {"norm": None, "sublinear_tf": True},
    {"norm": None, "use_idf": False},
    {"dtype": np.float32, "sublinear_tf": True},
    {"dtype": np.float32, "norm": "l1", "ngram_range": (1, 2)},
    {"binary": True, "sublinear_tf": True},
]


@pytest.mark.parametrize("settings", ANALYZERS, ids=str)
def test_count_vectorizer(settings, corpus, odd, same):
    same(CountVectorizer(**settings).fit(corpus[0] + odd[:30]), odd)


@pytest.mark.parametrize("settings", ANALYZERS, ids=str)
def test_odd_documents_as_vocabulary(settings, odd, same):
    settings = {k: v for k, v in settings.items() if k not in ("min_df", "max_df")}
    same(TfidfVectorizer(**settings).fit(odd), odd)


@pytest.mark.parametrize("settings", WEIGHTS, ids=str)
def test_tfidf_vectorizer(settings, corpus, odd, same):
    same(TfidfVectorizer(**settings).fit(corpus[0]), odd)


@pytest.mark.parametrize("settings", [s for s in ANALYZERS if not {"min_df", "max_features"} & set(s)], ids=str)
@pytest.mark.parametrize("n_features", [7, 2**20])
def test_hashing_vectorizer(settings, n_features, odd, same):
    encodable = [d for d in odd if d.isascii() or "\ud800" not in d]
    same(HashingVectorizer(n_features=n_features, **settings), encodable)


@pytest.mark.parametrize("settings", [{"norm": None}, {"norm": "l1"}, {"alternate_sign": False}, {"binary": True}], ids=str)
def test_hashing_collisions(settings, corpus, same):
    # Three columns: signs cancel, and binary turns the zeros that remain into ones.
    same(HashingVectorizer(n_features=3, ngram_range=(1, 2), **settings), corpus[0])


def test_hashing_refuses_lone_surrogates_as_scikit_learn_does():
    vectorizer = HashingVectorizer(n_features=8, token_pattern=r"\S+")
    with pytest.raises(UnicodeEncodeError):
        vectorizer.transform(["a \ud800"])
    with pytest.raises(UnicodeEncodeError):
        run(convert(vectorizer), ["a \ud800"], "transform")


VOCABULARIES = {
    "list": ["cat", "dog", "the cat"],
    "set": {"cat", "mat", "sat"},
    "out of range": ["cat", "cat sat mat", "dog sat"],
    "unreachable": ["Cat", "", " ", "cat  dog", " cat", "cat ", "a", "e-mail", "dog"],
    "mapping": {"dog": 2, "cat": 0, "never seen": 1},
    "not strings": {"dog": 0, 5: 1, ("a", "b"): 2},
}


@pytest.mark.parametrize("name", VOCABULARIES)
@pytest.mark.parametrize("settings", [{}, {"ngram_range": (1, 2)}, {"ngram_range": (2, 2)}, {"token_pattern": r"\S+"}], ids=str)
def test_given_vocabulary(name, settings, odd, same):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        vectorizer = CountVectorizer(vocabulary=VOCABULARIES[name], **settings)
        plan = same(vectorizer, odd)
    assert not hasattr(CountVectorizer(vocabulary=VOCABULARIES[name]), "vocabulary_")
    assert plan.ops[0].n_features == len(VOCABULARIES[name])


def test_unreachable_terms_are_not_stored():
    plan = convert(CountVectorizer(vocabulary=VOCABULARIES["unreachable"]))
    assert plan.ops[0].vocabulary.terms() == {"Cat": 0, "dog": 8}


def test_conversion_leaves_the_estimator_alone():
    vectorizer = CountVectorizer(vocabulary=["cat"])
    convert(vectorizer)
    assert not hasattr(vectorizer, "vocabulary_")


@pytest.mark.parametrize("char_term", ["a", " a ", "ab c", "abc", " ab"])
def test_given_char_vocabulary(char_term, odd, same):
    for analyzer in ("char", "char_wb"):
        same(CountVectorizer(vocabulary=[char_term, "zz"], analyzer=analyzer, ngram_range=(2, 5)), [*odd, "a ab abc abcd"])


def test_bytes_and_encodings(same):
    documents = ["naïve café".encode("latin-1"), b"plain cat", "a str among them, café"]
    same(CountVectorizer(encoding="latin-1").fit(documents), documents)
    broken = ["café cat".encode("latin-1"), b"\xff\xfe dog"]
    for how in ("ignore", "replace"):
        same(CountVectorizer(decode_error=how, analyzer="char").fit(broken), broken)
    strict = CountVectorizer().fit(["cat"])
    with pytest.raises(UnicodeDecodeError):
        strict.transform(broken)
    with pytest.raises(UnicodeDecodeError):
        run(convert(strict), broken, "transform")


def test_files_and_file_names(tmp_path):
    path = tmp_path / "one.txt"
    path.write_text("cat dog cat", encoding="utf-8")
    named = CountVectorizer(input="filename").fit([str(path)])
    np.testing.assert_array_equal(run(convert(named), [path], "transform").toarray(), [[2, 1]])
    opened = CountVectorizer(input="file").fit([io.StringIO("cat dog")])
    np.testing.assert_array_equal(run(convert(opened), [io.BytesIO(b"dog dog")], "transform").toarray(), [[0, 2]])
    with pytest.raises(FileNotFoundError):
        run(convert(named), [str(tmp_path / "missing")], "transform")


@pytest.mark.parametrize("dtype", [np.int64, np.float32, np.float64])
def test_tfidf_transformer(dtype, corpus, odd, same):
    same(make_pipeline(CountVectorizer(dtype=dtype), TfidfTransformer(sublinear_tf=True)).fit(corpus[0]), odd)


def test_transformer_over_a_matrix_of_ones_own(corpus, same):
    counts = CountVectorizer().fit_transform(corpus[0])
    for X in (counts, counts.toarray(), counts.tocsc()):
        same(TfidfTransformer().fit(counts), X)


def test_feature_union(corpus, odd, same):
    union = FeatureUnion(
        [
            ("words", TfidfVectorizer(ngram_range=(1, 2))),
            ("none", "drop"),
            ("chars", make_pipeline(CountVectorizer(analyzer="char_wb", ngram_range=(2, 3)), TfidfTransformer(norm="l1"))),
            ("hashed", HashingVectorizer(n_features=16)),
            ("counts", CountVectorizer(binary=True)),
        ],
        transformer_weights={"words": 0.5, "counts": 3},
    )
    same(union.fit(corpus[0]), odd)


def test_generators_reach_every_branch(corpus):
    union = FeatureUnion([("a", CountVectorizer()), ("b", TfidfVectorizer())]).fit(corpus[0])
    found = run(convert(union), (d for d in corpus[0][:5]), "transform")
    np.testing.assert_allclose(found.toarray(), union.transform(corpus[0][:5]).toarray(), rtol=0 if VERSION >= (1, 5) else 1e-14)


def test_idf_set_by_hand(odd, same):
    vectorizer = TfidfVectorizer(vocabulary=["cat", "dog", "mat"])
    last = 0.0 if VERSION >= (1, 5) else 0.5  # 0 made zeros that are not stored
    vectorizer.idf_ = np.array([1.0, 2.5, last])
    same(vectorizer, odd)


@pytest.mark.parametrize(
    "vectorizer", [CountVectorizer(), TfidfVectorizer(), TfidfTransformer(), TfidfVectorizer(vocabulary=["a"])]
)
def test_unfitted(vectorizer):
    with pytest.raises(NotFittedError):
        convert(vectorizer)
