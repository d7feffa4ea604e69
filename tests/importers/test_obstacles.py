"""What can't be converted: all of it is named at once, with advice."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.calibration import CalibratedClassifierCV
from sklearn.exceptions import NotFittedError
from sklearn.feature_extraction.text import CountVectorizer, HashingVectorizer, TfidfVectorizer
from sklearn.linear_model import LogisticRegression, SGDClassifier
from sklearn.model_selection import GridSearchCV
from sklearn.multiclass import OneVsRestClassifier
from sklearn.naive_bayes import MultinomialNB
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import FeatureUnion, make_pipeline
from sklearn.preprocessing import FunctionTransformer

from quantcore.errors import UnsupportedModelError
from quantcore.importers import convert

DOCUMENTS = ["the cat sat", "a dog ran", "cat and dog", "the dog sat", "cat ran", "a mat"]
LABELS = [0, 1, 0, 1, 0, 1]


def obstacles(estimator):
    with pytest.raises(UnsupportedModelError) as caught:
        convert(estimator)
    assert all(o.advice for o in caught.value.obstacles)
    return [(o.estimator, o.parameter) for o in caught.value.obstacles]


@pytest.mark.parametrize("name", ["tokenizer", "preprocessor", "analyzer", "strip_accents"])
@pytest.mark.filterwarnings("ignore")
def test_callables(name):
    settings = {"tokenizer": str.split, "preprocessor": str.upper, "analyzer": str.split, "strip_accents": str.lower}
    vectorizer = TfidfVectorizer(**{name: settings[name]}).fit(DOCUMENTS)
    assert obstacles(vectorizer) == [("TfidfVectorizer", name)]
    assert obstacles(HashingVectorizer(**{name: settings[name]})) == [("HashingVectorizer", name)]


def test_a_tokenizer_that_is_not_used(corpus):
    with pytest.warns(UserWarning):
        vectorizer = CountVectorizer(analyzer="char", tokenizer=str.split).fit(DOCUMENTS)
    convert(vectorizer)


@pytest.mark.filterwarnings("ignore")
def test_all_obstacles_at_once():
    union = FeatureUnion(
        [
            ("a", TfidfVectorizer(tokenizer=str.split)),
            ("b", CountVectorizer(preprocessor=str.lower, ngram_range=(1, 2))),
            ("c", CountVectorizer()),
        ]
    )
    model = make_pipeline(union, KNeighborsClassifier(2)).fit(DOCUMENTS, LABELS)
    assert obstacles(model) == [
        ("TfidfVectorizer", "tokenizer"),
        ("CountVectorizer", "preprocessor"),
        ("KNeighborsClassifier", ""),
    ]


def test_an_unknown_step_hides_no_later_obstacle():
    X = np.random.default_rng(0).random((6, 2))
    model = make_pipeline(FunctionTransformer(np.round), KNeighborsClassifier(2)).fit(X, LABELS)
    assert obstacles(model) == [("FunctionTransformer", "func"), ("KNeighborsClassifier", "")]


def test_strangers_classes_and_subclasses():
    class Mine(LogisticRegression):
        pass

    assert obstacles(object()) == [("object", "")]
    with pytest.raises(UnsupportedModelError, match="pass an instance"):
        convert(LogisticRegression)
    with pytest.raises(UnsupportedModelError, match="fit a plain LogisticRegression"):
        convert(make_pipeline(CountVectorizer(), Mine()).fit(DOCUMENTS, LABELS))


def test_passthrough_branches():
    assert obstacles(FeatureUnion([("v", CountVectorizer()), ("a", "passthrough")]).fit(DOCUMENTS)) == [("FeatureUnion", "a")]


@pytest.mark.parametrize("range_", [(0, 1), (0, 2), (-1, 1)])
def test_ngram_ranges_below_one(range_):
    assert obstacles(HashingVectorizer(ngram_range=range_)) == [("HashingVectorizer", "ngram_range")]


def test_empty_tokens():
    assert obstacles(CountVectorizer(token_pattern=r"\w*").fit(DOCUMENTS)) == [("CountVectorizer", "token_pattern")]


@pytest.mark.filterwarnings("ignore")
def test_infinite_coefficients():
    model = make_pipeline(CountVectorizer(), MultinomialNB(alpha=0.0, force_alpha=True)).fit(DOCUMENTS, LABELS)
    assert obstacles(model) == [("MultinomialNB", "")]


def test_a_search_that_kept_no_model():
    search = GridSearchCV(make_pipeline(CountVectorizer(), LogisticRegression()), {}, refit=False, cv=2)
    assert obstacles(search.fit(DOCUMENTS, LABELS)) == [("GridSearchCV", "refit")]


def test_sparse_labels():
    import scipy.sparse as sp

    Y = sp.csr_matrix(np.array([[1, 0], [0, 1], [1, 1], [0, 1], [1, 0], [0, 1]]))
    model = make_pipeline(CountVectorizer(), OneVsRestClassifier(LogisticRegression())).fit(DOCUMENTS, Y)
    assert obstacles(model) == [("OneVsRestClassifier", "")]


@pytest.mark.parametrize(
    "model",
    [
        make_pipeline(CountVectorizer(), LogisticRegression()),
        make_pipeline(HashingVectorizer(), SGDClassifier()),
        CalibratedClassifierCV(),
        OneVsRestClassifier(LogisticRegression()),
        GridSearchCV(LogisticRegression(), {}),
        MultinomialNB(),
    ],
    ids=lambda m: type(m).__name__,
)
def test_not_fitted(model):
    with pytest.raises(NotFittedError):
        convert(model)


def test_nothing_to_convert():
    assert obstacles(make_pipeline("passthrough")) == [("Pipeline", "")]
