"""Documents that are read in slices, and left in between so that Ctrl-C is heard: the features are scikit-learn's."""

import numpy as np
import pytest
from sklearn.feature_extraction.text import CountVectorizer, HashingVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline

import quantcore as qc

WORDS = [f"w{i}" for i in range(300)] + ["größe", "x" * 30]
SLICE, PAUSE = 1 << 16, 1 << 19


def text(seed, length, spaces=" "):
    rng = np.random.default_rng(seed)
    found = "".join(
        word + spaces[int(k) % len(spaces)]
        for word, k in zip(rng.choice(WORDS, length // 4), rng.integers(0, 9, length // 4), strict=True)
    )
    return found[:length]


SHORT = [text(seed, 400) for seed in range(20)]
LONG = [text(1, length) for length in (SLICE, SLICE + 1, 3 * SLICE + 17, PAUSE + 5, 2 * PAUSE + SLICE // 2)]
VECTORIZERS = {
    "words": CountVectorizer(ngram_range=(1, 3)),
    "characters": CountVectorizer(analyzer="char", ngram_range=(1, 3)),
    "characters in words": CountVectorizer(analyzer="char_wb", ngram_range=(2, 4)),
    "hashed": HashingVectorizer(n_features=4096, norm=None, ngram_range=(1, 3)),
    "hashed, longer alone": HashingVectorizer(n_features=4096, norm=None, ngram_range=(3, 3), alternate_sign=False),
    "hashed, stop words": HashingVectorizer(n_features=4096, norm=None, ngram_range=(1, 2), stop_words=["w1", "w2", "w3"]),
}


@pytest.mark.parametrize("name", VECTORIZERS)
@pytest.mark.parametrize("german", [False, True])
def test_features_of_long_documents(name, german):
    """Weights are small integers, so that scores are sums of integers: equal, not close."""
    documents = [d if german else d.replace("ö", "o").replace("ß", "s") for d in LONG]
    source = make_pipeline(VECTORIZERS[name], LogisticRegression())
    source.fit(SHORT, np.arange(len(SHORT)) % 2)
    linear = source[-1]
    linear.coef_ = np.random.default_rng(0).integers(-8, 9, linear.coef_.shape).astype(float)
    linear.intercept_ = np.array([3.0])
    model = qc.quantize(source)
    np.testing.assert_array_equal(model.decision_function(documents), source.decision_function(documents))
    before = model.stats()["rows"]
    np.testing.assert_array_equal(model.predict(documents), source.predict(documents))
    assert model.stats()["rows"] - before == len(documents)


def test_a_long_document_counts_its_tokens_once():
    source = make_pipeline(CountVectorizer(), LogisticRegression()).fit(SHORT, np.arange(len(SHORT)) % 2)
    model = qc.quantize(source)
    before = model.stats()["tokens"]
    model.predict([LONG[-1]])
    assert model.stats()["tokens"] - before == len(source[0].build_tokenizer()(LONG[-1]))
