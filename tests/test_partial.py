"""``unsupported="keep"``: what converts is compiled, the rest stays, and the answers are the source's."""

from __future__ import annotations

import pickle

import numpy as np
import pytest
from sklearn.datasets import load_iris
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, StandardScaler
from sklearn.svm import SVC

import quantcore as qc
from quantcore.partial import PartialModel

TEXTS = ["good film", "bad film", "fine plot", "boring plot", "good plot", "bad"] * 5
LABELS = ["y", "n", "y", "n", "y", "n"] * 5


def crop(X):
    return np.clip(X, -1.0, 1.0)


def test_a_last_step_is_kept_behind_compiled_ones():
    source = make_pipeline(TfidfVectorizer(), KNeighborsClassifier(3)).fit(TEXTS, LABELS)
    model = qc.quantize(source, unsupported="keep")
    np.testing.assert_array_equal(model.predict(TEXTS), source.predict(TEXTS))
    np.testing.assert_allclose(model.predict_proba(TEXTS), source.predict_proba(TEXTS))
    assert model.report()["kept"] == ["kneighborsclassifier"]
    assert "KNeighborsClassifier" in model.report()["stages"][1]["reason"]
    assert not hasattr(model, "transform")
    assert "tfidfvectorizer (compiled)" in repr(model)


def test_a_step_in_the_middle_is_kept_between_compiled_ones():
    X, y = load_iris(return_X_y=True)
    source = make_pipeline(StandardScaler(), FunctionTransformer(crop), StandardScaler(), LogisticRegression()).fit(X, y)
    model = qc.quantize(source, unsupported="keep")
    np.testing.assert_array_equal(model.predict(X), source.predict(X))
    np.testing.assert_allclose(model.predict_proba(X), source.predict_proba(X), atol=1e-7)
    assert [stage.reason is None for stage in model.stages] == [True, False, True]
    assert model.stages[2].names == ("standardscaler-2", "logisticregression")
    np.testing.assert_array_equal(model.classes_, source.classes_)
    assert model.stats()["rows"] >= len(X)


def test_it_has_what_its_source_has_and_pickles():
    X, y = load_iris(return_X_y=True)
    search = GridSearchCV(make_pipeline(StandardScaler(), KNeighborsClassifier()), {"kneighborsclassifier__n_neighbors": [3, 5]})
    source = search.fit(X, y)
    for model in (qc.quantize(source, unsupported="keep"), pickle.loads(pickle.dumps(qc.quantize(source, unsupported="keep")))):
        np.testing.assert_array_equal(model.predict(X), source.predict(X))
        assert model.score(X, y) == source.score(X, y)
        assert model.n_features_in_ == source.n_features_in_ == 4
        assert model.report().kept == ["kneighborsclassifier"]
        assert model.stats()["fallback_kept"] == 2 * len(X)
        assert not hasattr(model, "feature_names_in_")
    weights = np.arange(len(y))
    assert model.score(X, y, weights) == source.best_estimator_.score(X, y, weights)


def test_what_converts_whole_is_a_model():
    X, y = load_iris(return_X_y=True)
    source = make_pipeline(StandardScaler(), LogisticRegression()).fit(X, y)
    assert qc.quantize(source, unsupported="keep").data == qc.quantize(source).data


def test_it_is_no_artifact(tmp_path):
    source = make_pipeline(TfidfVectorizer(), KNeighborsClassifier(3)).fit(TEXTS, LABELS)
    model = qc.quantize(source, unsupported="keep")
    assert isinstance(model, PartialModel)
    with pytest.raises(ValueError, match=r"kneighborsclassifier: KNeighborsClassifier"):
        qc.save(model, tmp_path / "m.qc")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    "source", [SVC().fit(*load_iris(return_X_y=True)), make_pipeline(SVC()).fit(*load_iris(return_X_y=True))]
)
def test_where_nothing_converts_the_obstacles_are_named(source):
    with pytest.raises(qc.UnsupportedModelError, match="SVC"):
        qc.quantize(source, unsupported="keep")
    with pytest.raises(ValueError, match="unsupported='drop'"):
        qc.quantize(source, unsupported="drop")
