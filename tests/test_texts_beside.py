"""Texts beside numbers and categories: one ColumnTransformer, a compiled pass for each part, labels and scores of the source."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest
from sklearn.compose import ColumnTransformer
from sklearn.feature_extraction.text import CountVectorizer, HashingVectorizer, TfidfVectorizer
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression, Ridge, RidgeClassifier
from sklearn.multiclass import OneVsRestClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler
from sklearn.svm import LinearSVC

import quantcore as qc
from quantcore.plan.ops import Linear, PlanarLinear, WeightedMean
from quantcore.runtime.execute import Executor

pandas = pytest.importorskip("pandas", reason="data frames of pandas are tested with it")

WORDS = [f"{a}{b}" for a in ("red", "blue", "green", "old", "new", "Bäume") for b in ("", "s", "ly", "ish", "est")]
VECTORIZERS = {
    "tf-idf": TfidfVectorizer(),
    "pairs": TfidfVectorizer(ngram_range=(1, 2), sublinear_tf=True),
    "characters": TfidfVectorizer(analyzer="char_wb", ngram_range=(2, 3), norm="l1"),
    "counts": CountVectorizer(),
    "hashed": HashingVectorizer(n_features=256),
}
MODELS = {
    "logistic": LogisticRegression(),
    "SVC": LinearSVC(),
    "ridge": RidgeClassifier(),
    "one against the rest": OneVsRestClassifier(LogisticRegression()),
}


def frame(seed, n_rows=600):
    random = np.random.default_rng(seed)
    found = {
        "text": [" ".join(random.choice(WORDS, random.integers(0, 12))) for _ in range(n_rows)],
        "age": np.where(random.random(n_rows) < 0.1, np.nan, random.normal(40, 12, n_rows)),
        "title": [" ".join(random.choice(WORDS[:9], 3)) for _ in range(n_rows)],
        "size": random.normal(size=n_rows) * 1e6,
        "town": random.choice(["Rome", "Oslo", "Kyiv"], n_rows),
    }
    return pandas.DataFrame(
        {name: pandas.Series(values, dtype=None if name in ("age", "size") else object) for name, values in found.items()}
    )


def target(X, several):
    score = X["text"].str.count("red") - X["title"].str.count("blue") + (X["town"] == "Oslo") + X["size"] / 1e6
    return np.digitize(score, [-0.5, 0.7, 2.0]) if several else (score > 0.3).map({True: "yes", False: "no"}).to_numpy(object)


def fitted(vectorizer, model, several=False, titles=False, seed=1):
    parts = [
        ("c", OneHotEncoder(handle_unknown="ignore"), ["town"]),
        ("t", vectorizer, "text"),
        ("n", make_pipeline(SimpleImputer(), StandardScaler()), ["age", "size"]),
    ]
    parts += [("w", CountVectorizer(binary=True), "title")] if titles else []
    X = frame(seed)
    return make_pipeline(ColumnTransformer(parts), model).fit(X, target(X, several))


@pytest.mark.parametrize("several", [False, True], ids=["two classes", "several"])
@pytest.mark.parametrize("model", MODELS)
@pytest.mark.parametrize("vectorizer", VECTORIZERS)
def test_labels_and_scores_are_the_source_s_from_every_form_of_table(vectorizer, model, several):
    source = fitted(VECTORIZERS[vectorizer], MODELS[model], several, titles=vectorizer == "counts")
    served = qc.quantize(source)
    assert served.report()["served_by"] == "fused kernel", served.report()["slower_because"]
    X = frame(2)
    X.loc[5, "town"], X.loc[6, "age"] = "Unknown", np.nan
    expected = source.predict(X)
    for rows in (
        X,
        X.to_dict("records"),
        {name: X[name].tolist() for name in X},
        X.assign(more=1)[["more", *reversed(X.columns)]],
    ):
        labels, certified = served.predict_certified(rows)
        np.testing.assert_array_equal(labels[certified], expected[certified])
        assert certified.mean() > 0.995
        np.testing.assert_array_equal(served.predict(rows), labels)
    assert served.predict(X.to_dict("records")[3]) == labels[3]
    for method in ("decision_function", "predict_proba"):
        if hasattr(source, method):
            bound = served._executor.bound(method, X)
            away = np.abs(getattr(served, method)(X) - getattr(source, method)(X)).max()
            assert away <= bound < 1e-2
    assert served.stats()["open_rows"] >= 0 == served.stats()["fallback_op_by_op"]


def test_the_reference_gives_the_same_labels():
    source = fitted(TfidfVectorizer(), LogisticRegression(), several=True)
    served = qc.quantize(source)
    X = frame(3)
    labels, certified = Executor(served._artifact.plan, native=False).certified(X)
    own, sure = served.predict_certified(X)
    np.testing.assert_array_equal(labels[certified & sure], own[certified & sure])
    np.testing.assert_array_equal(labels[certified], source.predict(X)[certified])


def test_a_regressor_s_numbers_are_within_the_stated_bound():
    X = frame(1)
    y = X["size"] / 1e6 + X["text"].str.len()
    source = make_pipeline(fitted(TfidfVectorizer(), LogisticRegression())[0], Ridge()).fit(X, y)
    served = qc.quantize(source)
    rows = frame(2)
    bound = served._executor.bound("predict", rows)
    assert np.abs(served.predict(rows) - source.predict(rows)).max() <= bound < 1e-2


def test_the_sum_of_the_parts_bounds_holds_the_exact_score():
    """Terms that cancel: what counts are terms, not sums. The oracle adds fractions of the source's own weights and values."""
    source = fitted(CountVectorizer(), LogisticRegression())
    head = source[-1]
    random = np.random.default_rng(0)
    head.coef_ = random.normal(size=head.coef_.shape) * 10.0 ** random.integers(0, 9, head.coef_.shape)
    head.coef_ -= head.coef_.mean()
    served = qc.quantize(source)
    X = frame(2, 60)
    terms = source[0].transform(X)
    terms = terms.toarray() if hasattr(terms, "toarray") else terms
    weights, bias = [Fraction(float(w)) for w in head.coef_[0]], Fraction(float(head.intercept_[0]))
    exact = [sum(Fraction(float(x)) * w for x, w in zip(row, weights, strict=True)) + bias for row in terms]
    scores, away = served._executor.beside.scores(X)
    for found, error, wanted in zip(scores[:, 0], away[:, 0], exact, strict=True):
        assert abs(Fraction(float(found)) - wanted) <= Fraction(float(error))


def test_what_has_no_grid_or_is_exact_keeps_one_matrix():
    source = fitted(TfidfVectorizer(dtype=np.float32), LogisticRegression())
    assert not any(isinstance(op, WeightedMean) for op in qc.quantize(source)._artifact.plan.ops)
    exact = qc.quantize(fitted(TfidfVectorizer(), LogisticRegression()), guarantee="exact")
    kinds = {type(op) for op in exact._artifact.plan.ops}
    assert Linear in kinds and PlanarLinear not in kinds
    X = frame(2)
    np.testing.assert_array_equal(exact.predict(X), fitted(TfidfVectorizer(), LogisticRegression()).predict(X))


@pytest.mark.parametrize(
    "change",
    [
        lambda X: X.drop(columns="text"),
        lambda X: X.drop(columns="age"),
        lambda X: X.assign(text=[None, *X["text"][1:]]),
        lambda X: X.assign(age=["old", *X["age"][1:]]),
        lambda X: X[:0],
        lambda X: X.assign(size=np.inf),
    ],
)
def test_bad_tables_raise_what_the_source_raises(change):
    source = fitted(TfidfVectorizer(), LogisticRegression())
    served, X = qc.quantize(source), change(frame(2))
    with pytest.raises(Exception) as expected:  # noqa: PT011 - whatever the source raises
        source.predict(X)
    with pytest.raises(expected.type):
        served.predict(X)
