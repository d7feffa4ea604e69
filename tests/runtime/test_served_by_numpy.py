"""What no compiled pass serves: NumPy serves it, with the source's labels, and the report says why."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from sklearn.compose import ColumnTransformer
from sklearn.ensemble import RandomForestClassifier
from sklearn.feature_extraction.text import CountVectorizer, HashingVectorizer, TfidfTransformer, TfidfVectorizer
from sklearn.feature_selection import SelectKBest, VarianceThreshold
from sklearn.impute import MissingIndicator, SimpleImputer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import KBinsDiscretizer, MinMaxScaler, OneHotEncoder, OrdinalEncoder, StandardScaler

import quantcore as qc
from quantcore.importers import convert
from quantcore.native import registry
from quantcore.runtime import text

TEXTS = ["the cat sat on the mat", "a dog ran far away", "the bird flew high"] * 4
LABELS = ["cat", "dog", "bird"] * 4
NEW = [*TEXTS, "", "far cat", "BIRD \0 dog", "mat on the mat é", "the bird flew high " * 9]


def fitted(*steps):
    return make_pipeline(*steps, LogisticRegression()).fit(TEXTS, LABELS)


def scaled(idf=1.0, weights=1.0):
    source = fitted(CountVectorizer(), TfidfTransformer(sublinear_tf=True))
    source[1].idf_ = source[1].idf_ * idf
    source[-1].coef_, source[-1].intercept_ = source[-1].coef_ * weights, source[-1].intercept_ * weights
    return source


OBSTACLES = {
    "may find tokens with spaces": lambda: fitted(CountVectorizer(token_pattern=r"[a-z ]{2,}", ngram_range=(1, 2))),
    "takes NUL or lone surrogates": lambda: fitted(HashingVectorizer(token_pattern=r"[^ ]+", n_features=64)),
    "hashed character n-grams": lambda: fitted(HashingVectorizer(analyzer="char", n_features=64)),
    "n-grams of 61 are longer than 60": lambda: fitted(CountVectorizer(analyzer="char", ngram_range=(1, 61))),
    "needs Python's re": lambda: fitted(TfidfVectorizer(token_pattern=r"(?!the)\b\w+\b")),
    "an idf beyond the range of float32": lambda: scaled(idf=2.0**60),
    "weights beyond the range of float32": lambda: scaled(weights=2.0**-140),
}


@pytest.mark.skipif(registry.door("text") is None, reason="nothing is compiled")
@pytest.mark.parametrize("reason", OBSTACLES)
def test_numpy_serves_what_the_pass_does_not(reason):
    source = OBSTACLES[reason]()
    model = qc.quantize(source)
    report = model.report()
    assert report["served_by"] == "op by op" and reason in " ".join(report["slower_because"])
    np.testing.assert_array_equal(model.predict(NEW), source.predict(NEW))


def test_more_hashed_features_than_the_pass_counts():
    op = convert(HashingVectorizer(n_features=2**25)).ops[0]
    assert "33554432 hashed features are more than" in text.obstacle(op)


@pytest.mark.parametrize("factor", [2.0**-60, 0.5, 8.0, 64.0, 2.0**39, 2.0**60])
def test_an_idf_of_the_caller_s_own_says_nothing_about_how_rare_words_are(factor):
    """A step is coarser where a word is rare; of no document, as exp(-idf) has it, it would take the word away."""
    source = scaled(idf=factor)
    found = qc.quantize(source)
    np.testing.assert_array_equal(found.predict(NEW), source.predict(NEW))
    np.testing.assert_allclose(found.predict_proba(NEW), source.predict_proba(NEW), atol=1e-3)


@pytest.mark.parametrize("form", ["ascii", "unicode"])
@pytest.mark.parametrize("lowercase", [False, True])
def test_accents_of_either_case(form, lowercase):
    texts = ["Café one", "té two", "x\u0301 İ three"] * 3
    vectorizer = CountVectorizer(strip_accents=form, lowercase=lowercase, token_pattern=r"(?u)\b\w+\b")
    source = make_pipeline(vectorizer, LogisticRegression()).fit(texts, LABELS[:9])
    new = [*texts, "CAFÉ", "cafe", "te\u0301 İ", "ﬁ é", "plain"]
    model = qc.quantize(source)
    np.testing.assert_array_equal(model.predict(new), source.predict(new))
    np.testing.assert_allclose(model.predict_proba(new), source.predict_proba(new), atol=1e-3)


STEPS = {
    "more than one scaler": (StandardScaler(), MinMaxScaler()),
    "more than one imputer": (SimpleImputer(), SimpleImputer(missing_values=0.0)),
    "a selection in front of an imputer": (SelectKBest(k=4), SimpleImputer(missing_values=0.0)),
}


@pytest.mark.skipif(registry.door("table") is None, reason="nothing is compiled")
@pytest.mark.parametrize("reason", STEPS)
def test_what_has_no_kernel_has_the_source_s_labels(reason):
    rng = np.random.default_rng(3)
    X = np.round(np.abs(rng.normal(size=(90, 6))), 1)
    source = make_pipeline(*STEPS[reason], LogisticRegression()).fit(X, np.arange(90) % 3)
    model = qc.quantize(source)
    assert reason in " ".join(model.report()["slower_because"])
    new = np.round(np.abs(rng.normal(size=(200, 6))), 1)
    np.testing.assert_array_equal(model.predict(new), source.predict(new))


def most_frequent(marker):
    return SimpleImputer(strategy="most_frequent", missing_values=marker)


COLUMNS = {
    "gaps filled twice": (
        make_pipeline(most_frequent("?"), most_frequent("!"), OneHotEncoder(handle_unknown="ignore")),
        ["c", "d"],
    ),
    "an indicator behind filled gaps": (
        make_pipeline(most_frequent("!"), MissingIndicator(features="all", missing_values="?")),
        ["c", "d"],
    ),
    "an indicator of strings": (MissingIndicator(features="all", missing_values="?"), ["c", "d"]),
    "intervals of float32": (KBinsDiscretizer(3, dtype=np.float32), ["a", "b"]),
    "intervals of codes": (make_pipeline(OrdinalEncoder(), KBinsDiscretizer(2)), ["c", "a"]),
    "an indicator that is sparse": (make_pipeline(StandardScaler(), MissingIndicator(features="all", sparse=True)), ["e"]),
    "an indicator of some columns": (make_pipeline(StandardScaler(), MissingIndicator()), ["a", "e"]),
    "a selection that lets gaps through": (make_pipeline(StandardScaler(), VarianceThreshold(), SimpleImputer()), ["a", "e"]),
}


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("name", COLUMNS)
def test_columns_that_are_read_op_by_op(name):
    step, columns = COLUMNS[name]
    rng = np.random.default_rng(5)
    rows = pd.DataFrame({"a": np.round(rng.normal(size=300), 1), "b": np.round(rng.normal(size=300), 1)})
    rows["c"], rows["d"] = rng.choice(["x", "y", "?", "!"], 300), rng.choice(["u", "v", "?"], 300)
    rows["e"] = np.where(rng.random(300) < 0.3, np.nan, rows["a"])
    source = make_pipeline(ColumnTransformer([("step", step, columns)]), LogisticRegression()).fit(rows, np.arange(300) % 3)
    model, new = qc.quantize(source), rows.sample(frac=1.0, random_state=0)
    np.testing.assert_array_equal(model.predict(new), source.predict(new))
    np.testing.assert_allclose(model.predict_proba(new), source.predict_proba(new), atol=1e-3)
    one = new.iloc[0].to_dict()
    np.testing.assert_array_equal(model.predict(one), source.predict(new[:1]))


def test_votes_for_more_classes_than_bit_slices_sum():
    rng = np.random.default_rng(6)
    X, y = rng.normal(size=(700, 4)), np.arange(700) % 70
    source = RandomForestClassifier(3, max_depth=5, random_state=0).fit(X, y)
    model = qc.quantize(source)
    new = rng.normal(size=(400, 4))
    np.testing.assert_array_equal(model.predict(new), source.predict(new))
    np.testing.assert_allclose(model.predict_proba(new), source.predict_proba(new), rtol=1e-12)
    assert "70 outputs are more than 64" in " ".join(model.report()["slower_because"])
