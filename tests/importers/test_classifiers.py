"""Classifiers: same methods, same labels, same scores as scikit-learn, over text and over matrices."""

from __future__ import annotations

import warnings

import numpy as np
import pytest
import scipy.sparse as sp
from sklearn.exceptions import ConvergenceWarning
from sklearn.feature_extraction.text import CountVectorizer, TfidfVectorizer
from sklearn.linear_model import (
    LogisticRegression,
    LogisticRegressionCV,
    PassiveAggressiveClassifier,
    Perceptron,
    RidgeClassifier,
    RidgeClassifierCV,
    SGDClassifier,
)
from sklearn.naive_bayes import BernoulliNB, ComplementNB, MultinomialNB
from sklearn.pipeline import make_pipeline
from sklearn.svm import LinearSVC

from quantcore.importers.sklearn.common import VERSION

CLASSIFIERS = {
    "logistic regression": lambda: LogisticRegression(),
    "logistic regression without intercept": lambda: LogisticRegression(fit_intercept=False),
    "logistic regression, saga": lambda: LogisticRegression(solver="saga", max_iter=20),
    "logistic regression, cross-validated": lambda: LogisticRegressionCV(Cs=2, cv=2),
    "linear SVC": lambda: LinearSVC(),
    "linear SVC without intercept": lambda: LinearSVC(fit_intercept=False),
    "ridge": lambda: RidgeClassifier(),
    "ridge, cross-validated": lambda: RidgeClassifierCV(),
    "perceptron": lambda: Perceptron(),
    "passive-aggressive": lambda: PassiveAggressiveClassifier(random_state=0),
    "multinomial NB": lambda: MultinomialNB(),
    "multinomial NB, flat prior": lambda: MultinomialNB(fit_prior=False, alpha=0.3),
    "complement NB": lambda: ComplementNB(),
    "complement NB, normalised": lambda: ComplementNB(norm=True),
    "Bernoulli NB": lambda: BernoulliNB(),
    "Bernoulli NB at 0.1": lambda: BernoulliNB(binarize=0.1),
    "Bernoulli NB, binary already": lambda: BernoulliNB(binarize=None),
    **{
        f"SGD, {loss}": (lambda loss=loss: SGDClassifier(loss=loss, random_state=0))
        for loss in ("hinge", "log_loss", "modified_huber", "squared_hinge", "perceptron", "squared_error", "huber")
    },
}
CLASSES = {
    "strings": np.array(["spam", "ham", "straße"]),
    "integers": np.array([10, -3, 7]),
    "objects": np.array(["b", "a", "c"], object),
    "floats": np.array([0.5, 1.5, 3.0]) * 2,
}


@pytest.fixture(autouse=True)
def quiet():
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        warnings.simplefilter("ignore", FutureWarning)
        yield


def labels_of(kind, y):
    return (y == 1) if kind == "binary" else y


@pytest.mark.parametrize("kind", ["binary", "multi-class"])
@pytest.mark.parametrize("name", CLASSIFIERS)
def test_over_text(name, kind, corpus, odd, same):
    documents, y = corpus
    vectorizer = TfidfVectorizer(ngram_range=(1, 2), sublinear_tf=True, norm=None if "NB" in name else "l2")
    if "already" in name:
        vectorizer = CountVectorizer(binary=True)
    model = make_pipeline(vectorizer, CLASSIFIERS[name]()).fit(documents, labels_of(kind, y))
    plan = same(model, odd)
    np.testing.assert_array_equal(plan.classes, model.classes_)
    assert plan.input == "text" and plan.n_features_in is None


@pytest.mark.parametrize("kind", ["binary", "multi-class"])
@pytest.mark.parametrize("name", CLASSIFIERS)
def test_over_matrices(name, kind, corpus, same):
    documents, y = corpus
    counts = CountVectorizer(binary="binary" in name, dtype=np.float64).fit_transform(documents)
    counts.sort_indices()  # in another order the source itself gives other bits
    model = CLASSIFIERS[name]().fit(counts, labels_of(kind, y))
    plan = same(model, counts)
    assert plan.input == "matrix" and plan.n_features_in == counts.shape[1]
    if name != "Bernoulli NB at 0.1":
        same(model, counts.toarray(), exact=False)


@pytest.mark.parametrize("values", CLASSES)
@pytest.mark.parametrize("kind", ["binary", "multi-class"])
def test_kinds_of_labels(values, kind, corpus, odd, same):
    documents, y = corpus
    y = CLASSES[values][y % 2 if kind == "binary" else y]
    same(make_pipeline(CountVectorizer(), LogisticRegression()).fit(documents, y), odd)


@pytest.mark.parametrize("name", ["logistic regression", "ridge", "SGD, log_loss"])
def test_float32(name, corpus, odd, same):
    documents, y = corpus
    model = make_pipeline(TfidfVectorizer(dtype=np.float32), CLASSIFIERS[name]()).fit(documents, y)
    assert model[-1].coef_.dtype == np.float32 or name == "ridge" or VERSION < (1, 9)
    same(model, odd, tolerance=1e-6)


def test_multi_label_ridge(corpus, odd, same):
    documents, y = corpus
    Y = np.stack([y == 0, y != 1], axis=1).astype(int)
    for ridge in (RidgeClassifier(), RidgeClassifierCV()):
        same(make_pipeline(TfidfVectorizer(), ridge).fit(documents, Y), odd)


def test_sparse_coefficients(corpus, odd, same):
    documents, y = corpus
    model = make_pipeline(TfidfVectorizer(), SGDClassifier(penalty="l1", random_state=0)).fit(documents, y)
    model[-1].sparsify()
    assert sp.issparse(model[-1].coef_)
    same(model, odd, exact=False)


def test_one_class(corpus, odd, same):
    documents, _ = corpus
    for bayes in (MultinomialNB(), ComplementNB(), BernoulliNB()):
        same(make_pipeline(CountVectorizer(), bayes).fit(documents, ["only"] * len(documents)), odd)


def test_extreme_scores(corpus, same):
    documents, y = corpus
    X = 1e6 * CountVectorizer(dtype=np.float64).fit_transform(documents)
    for target in (y, y == 1):
        same(LogisticRegression(max_iter=5).fit(X / 1e6, target), X, exact=False)
