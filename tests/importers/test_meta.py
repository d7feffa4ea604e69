"""Estimators around estimators: pipelines, searches, one-vs-rest, calibration."""

from __future__ import annotations

import warnings

import numpy as np
import pytest
from sklearn.calibration import CalibratedClassifierCV
from sklearn.ensemble import RandomForestClassifier
from sklearn.experimental import enable_halving_search_cv  # noqa: F401
from sklearn.feature_extraction.text import CountVectorizer, TfidfTransformer, TfidfVectorizer
from sklearn.linear_model import LogisticRegression, RidgeClassifier, SGDClassifier
from sklearn.model_selection import GridSearchCV, HalvingGridSearchCV, HalvingRandomSearchCV, RandomizedSearchCV
from sklearn.multiclass import OneVsRestClassifier
from sklearn.naive_bayes import MultinomialNB
from sklearn.pipeline import FeatureUnion, Pipeline, make_pipeline
from sklearn.svm import LinearSVC

from quantcore.importers import convert
from quantcore.importers.sklearn.common import VERSION
from quantcore.reference import run

METHODS = ["sigmoid", "isotonic", *(["temperature"] if VERSION >= (1, 8) else [])]


def test_steps_that_pass_through(corpus, odd, same):
    documents, y = corpus
    steps = [("counts", CountVectorizer()), ("a", "passthrough"), ("b", None), ("tfidf", TfidfTransformer())]
    same(Pipeline([*steps, ("model", LogisticRegression())]).fit(documents, y), odd)
    same(Pipeline([("inner", Pipeline(steps)), ("last", "passthrough")]).fit(documents, y), odd)


def test_union_in_front_of_a_classifier(corpus, odd, same):
    documents, y = corpus
    union = FeatureUnion([("w", TfidfVectorizer()), ("c", TfidfVectorizer(analyzer="char", ngram_range=(1, 2)))])
    same(make_pipeline(union, LinearSVC()).fit(documents, y), odd)


@pytest.mark.parametrize(
    "search",
    [
        lambda p, grid: GridSearchCV(p, grid, cv=2),
        lambda p, grid: RandomizedSearchCV(p, grid, n_iter=2, cv=2, random_state=0),
        lambda p, grid: HalvingGridSearchCV(p, grid, cv=2, min_resources=60),
        lambda p, grid: HalvingRandomSearchCV(p, grid, cv=2, min_resources=60, random_state=0),
    ],
    ids=["grid", "random", "halving grid", "halving random"],
)
def test_searches(search, corpus, odd, same):
    documents, y = corpus
    model = make_pipeline(TfidfVectorizer(), LogisticRegression())
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        same(search(model, {"logisticregression__C": [0.1, 1.0, 10.0]}).fit(documents, y), odd)


def targets(kind, y):
    return {
        "binary": np.where(y == 1, "yes", "no"),
        "multi-class": np.array(["a", "b", "c"])[y],
        "multi-label": np.stack([y == 0, y != 1, y > 0], axis=1).astype(int),
    }[kind]


ESTIMATORS = {
    "logistic regression": LogisticRegression(),
    "linear SVC": LinearSVC(),
    "naive Bayes": MultinomialNB(),
    "modified Huber": SGDClassifier(loss="modified_huber", random_state=0),
    "ridge": RidgeClassifier(),
}


@pytest.mark.parametrize("kind", ["binary", "multi-class", "multi-label"])
@pytest.mark.parametrize("name", ESTIMATORS)
def test_one_vs_rest(name, kind, corpus, odd, same):
    documents, y = corpus
    model = make_pipeline(TfidfVectorizer(), OneVsRestClassifier(ESTIMATORS[name])).fit(documents, targets(kind, y))
    if VERSION < (1, 7) and (name, kind) == ("modified Huber", "multi-class"):
        odd = [document for document in odd if np.isfinite(model.predict_proba([document])).all()]  # else it divides 0 by 0
    same(model, odd)


@pytest.mark.parametrize("over", [RandomForestClassifier(3, random_state=0), LinearSVC(fit_intercept=False)], ids=str)
def test_one_vs_rest_of_equal_scores(over):
    """Which of several largest scores decides depends on scikit-learn's release."""
    X = np.random.default_rng(0).integers(0, 3, (300, 4)).astype(float)
    model = OneVsRestClassifier(over).fit(X, (X[:, 0] + X[:, 1]) % 3)
    rows = np.concatenate([X, np.zeros((1, 4))])
    np.testing.assert_array_equal(run(convert(model), rows), model.predict(rows))


def test_one_vs_rest_of_linear_models_is_one_op(corpus, odd, same):
    documents, y = corpus
    plan = same(make_pipeline(TfidfVectorizer(), OneVsRestClassifier(LogisticRegression())).fit(documents, y), odd)
    assert [op.kind for op in plan.ops].count("Linear") == 1
    assert [op.kind for op in plan.ops].count("Sigmoid") == 1


@pytest.mark.parametrize("kind", ["binary", "multi-class", "multi-label"])
def test_one_vs_rest_over_whole_pipelines(kind, corpus, odd, same):
    documents, y = corpus
    model = OneVsRestClassifier(make_pipeline(TfidfVectorizer(), LogisticRegression())).fit(documents, targets(kind, y))
    plan = same(model, odd)
    assert [op.kind for op in plan.ops].count("Text") == 1


@pytest.mark.parametrize("name", ["logistic regression", "linear SVC", "naive Bayes"])
@pytest.mark.parametrize("columns", [[0, 1, 2], [1, 0, 2], [2, 1, 0]], ids=str)
def test_constant_labels(name, columns, corpus, odd, same):
    documents, y = corpus
    Y = np.stack([y == 0, np.zeros(len(y)), np.ones(len(y))], axis=1).astype(int)[:, columns]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        same(make_pipeline(TfidfVectorizer(), OneVsRestClassifier(ESTIMATORS[name])).fit(documents, Y), odd)


def test_constant_labels_over_whole_pipelines(corpus, odd, same):
    documents, y = corpus
    Y = np.stack([np.ones(len(y)), y == 0, np.zeros(len(y))], axis=1).astype(int)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        same(OneVsRestClassifier(make_pipeline(TfidfVectorizer(), LogisticRegression())).fit(documents, Y), odd)


@pytest.mark.parametrize("ensemble", [True, False])
@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("kind", ["binary", "multi-class"])
@pytest.mark.parametrize("name", ["linear SVC", "naive Bayes", "logistic regression"])
def test_calibration(name, kind, method, ensemble, corpus, odd, same):
    documents, y = corpus
    calibrated = CalibratedClassifierCV(ESTIMATORS[name], method=method, ensemble=ensemble, cv=3)
    same(make_pipeline(TfidfVectorizer(), calibrated).fit(documents, targets(kind, y)), odd)


def test_calibration_with_the_vectorizer_inside(corpus, odd, same):
    documents, y = corpus
    plan = same(CalibratedClassifierCV(make_pipeline(TfidfVectorizer(), LinearSVC()), cv=3).fit(documents, y), odd)
    assert [op.kind for op in plan.ops].count("Text") <= 3


def test_calibration_of_a_fitted_model(corpus, odd, same):
    documents, y = corpus
    fitted = make_pipeline(TfidfVectorizer(), LinearSVC()).fit(documents, y)
    if VERSION >= (1, 6):
        from sklearn.frozen import FrozenEstimator

        same(CalibratedClassifierCV(FrozenEstimator(fitted)).fit(documents, y), odd)
        same(FrozenEstimator(fitted), odd)
    else:
        same(CalibratedClassifierCV(fitted, cv="prefit").fit(documents, y), odd)


def test_one_vs_rest_over_calibration(corpus, odd, same):
    documents, y = corpus
    inner = CalibratedClassifierCV(LinearSVC(), cv=2)
    same(make_pipeline(TfidfVectorizer(), OneVsRestClassifier(inner)).fit(documents, y), odd)


def test_calibration_over_one_vs_rest(corpus, odd, same):
    documents, y = corpus
    inner = OneVsRestClassifier(LogisticRegression())
    same(make_pipeline(TfidfVectorizer(), CalibratedClassifierCV(inner, cv=2)).fit(documents, y), odd)
