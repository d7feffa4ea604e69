"""Tree ensembles end to end: the file, the compiled walk and the NumPy path give the source's own answers."""

from __future__ import annotations

import pickle

import numpy as np
import pytest
from sklearn import ensemble, tree
from sklearn.datasets import make_classification
from sklearn.decomposition import PCA
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

import quantcore as qc
from quantcore.artifact import decode
from quantcore.importers.sklearn.common import VERSION
from quantcore.plan.ops import Exp, Sigmoid, Softmax
from quantcore.runtime import Executor

X, Y = make_classification(900, 8, n_informative=5, n_classes=3, random_state=0)
GAPS = X.copy()
GAPS[np.random.default_rng(0).random(X.shape) < 0.1] = np.nan
CATEGORIES = GAPS.copy()
CATEGORIES[:, 2] = np.random.default_rng(1).integers(-2, 9, len(X))
ROWS = np.concatenate([X, np.random.default_rng(2).normal(size=(400, 8)) * 3])
SAMME = {"algorithm": "SAMME"} if VERSION < (1, 6) else {}  # the only one from 1.6 on
MODELS = {
    "tree": (tree.DecisionTreeClassifier(), X, Y),
    "forest": (ensemble.RandomForestClassifier(25, random_state=0), GAPS, Y),
    "several outputs": (ensemble.RandomForestClassifier(10, random_state=0), X, np.stack([Y, Y % 2], axis=1)),
    "regressor": (ensemble.ExtraTreesRegressor(10, random_state=0), X, X[:, 0] - X[:, 1]),
    "boosting": (ensemble.GradientBoostingClassifier(n_estimators=10), X, Y),
    "histograms": (ensemble.HistGradientBoostingClassifier(max_iter=10, categorical_features=[2]), CATEGORIES, Y),
    "ada": (ensemble.AdaBoostRegressor(n_estimators=8), X, X[:, 0]),
    "votes": (ensemble.AdaBoostClassifier(n_estimators=8, **SAMME), X, Y),
    "bags": (ensemble.BaggingClassifier(n_estimators=8, max_features=0.6), GAPS, Y),
    "isolation": (ensemble.IsolationForest(n_estimators=15, random_state=0), X, None),
    "embedding": (ensemble.RandomTreesEmbedding(8, random_state=0), X, None),
    "pipeline": (make_pipeline(StandardScaler(), ensemble.RandomForestClassifier(10, random_state=0)), X, Y),
}


@pytest.fixture(params=MODELS)
def case(request):
    estimator, rows, y = MODELS[request.param]
    source = estimator.fit(rows, y)
    model = qc.quantize(source)
    rows = np.concatenate([rows, ROWS])
    return source, model, rows


def dense(found):
    return [f.toarray() if hasattr(f, "toarray") else f for f in (found if isinstance(found, list) else [found])]


def has_exp(plan, position):
    """Whether an op has an exponential behind it: the kernels' own one, NumPy's is another."""
    op = plan.ops[position] if position >= 0 else None
    return isinstance(op, Exp | Sigmoid | Softmax) or (op is not None and any(has_exp(plan, i) for i in op.inputs))


def test_every_method_on_both_paths(case):
    source, model, rows = case
    plan = decode(model.data).plan
    by_numpy = Executor(plan, native=False)
    for method in plan.outputs:
        with np.errstate(divide="ignore"):
            expected = dense(getattr(source, method)(rows))
        ours, numpys = dense(getattr(model, method)(rows)), dense(by_numpy.run(method, rows))
        for a, b, c in zip(expected, ours, numpys, strict=True):
            if has_exp(plan, plan.outputs[method]) and b.dtype.kind == "f":
                np.testing.assert_allclose(b, c, rtol=1e-14, atol=1e-15)
            else:
                np.testing.assert_array_equal(b, c)
            assert (a.shape, a.dtype) == (b.shape, b.dtype)
            if a.dtype.kind == "f":
                np.testing.assert_allclose(b, a, rtol=1e-14, atol=1e-15)
            else:
                np.testing.assert_array_equal(b, a)


def test_one_row_as_many(case):
    source, model, rows = case
    for method in decode(model.data).plan.outputs:
        whole = dense(getattr(model, method)(rows[:70]))
        parts = [dense(getattr(model, method)(rows[i : i + 1])) for i in range(70)]
        for k, found in enumerate(whole):
            np.testing.assert_array_equal(np.concatenate([p[k] for p in parts]), found)


def test_the_file(case, tmp_path):
    source, model, rows = case
    path = tmp_path / "model.qc"
    qc.save(model, path)
    for other in (qc.load(path), pickle.loads(pickle.dumps(model))):
        assert other.digest == model.digest
        for method in decode(model.data).plan.outputs:
            for a, b in zip(dense(getattr(other, method)(rows)), dense(getattr(model, method)(rows)), strict=True):
                np.testing.assert_array_equal(a, b)


def test_all_labels_are_certified():
    """Votes that tie too: sums in the source's own order leave nothing open."""
    for name in ("tree", "forest", "several outputs", "boosting", "histograms", "votes", "bags", "pipeline"):
        estimator, rows, y = MODELS[name]
        source = estimator.fit(rows, y)
        labels, sure = qc.quantize(source).predict_certified(rows)
        assert sure.all(), name
        np.testing.assert_array_equal(labels, source.predict(rows))


def test_ties_of_votes():
    rows = np.arange(12.0)[:, None]
    source = ensemble.RandomForestClassifier(4, random_state=0).fit(rows, np.arange(12) % 3)
    found = np.linspace(-1, 13, 500)[:, None]
    labels, sure = qc.quantize(source).predict_certified(found)
    proba = np.sort(source.predict_proba(found), axis=1)
    assert sure.all() and (proba[:, -1] == proba[:, -2]).any()
    np.testing.assert_array_equal(labels, source.predict(found))


def test_jobs_widen_the_bounds():
    """Impure leaves, summed by several threads in any order: a tie that rounding may decide is not certified."""
    rows = np.arange(40.0)[:, None] % 7
    source = ensemble.RandomForestClassifier(9, n_jobs=2, random_state=0, max_depth=2).fit(rows, np.arange(40) % 3)
    labels, sure = qc.quantize(source).predict_certified(rows)
    proba = np.sort(source.predict_proba(rows), axis=1)
    np.testing.assert_array_equal(sure, proba[:, -1] - proba[:, -2] > 1e-12)
    np.testing.assert_array_equal(labels[sure], source.predict(rows)[sure])


def test_leaves_after_rounding_are_certified_away_from_thresholds():
    source = make_pipeline(PCA(4), ensemble.RandomForestClassifier(5, random_state=0)).fit(X, Y)
    model = qc.quantize(source)
    labels, sure = model.predict_certified(X)
    assert sure.mean() > 0.95
    np.testing.assert_array_equal(labels, source.predict(X))
    # Rows whose first component lies where float32 rounds it to either side of a threshold, as near as products can bring it.
    pca, forest = source.steps[0][1], source.steps[1][1]
    at = np.concatenate([t.tree_.threshold[t.tree_.feature == 0] for t in forest.estimators_])
    Z = np.resize(pca.transform(X), (len(at), 4))
    below = at.astype(np.float32)
    below = np.where(below > at, np.nextafter(below, np.float32(-np.inf)), below)
    Z[:, 0] = (below.astype(np.float64) + np.nextafter(below, np.float32(np.inf))) / 2.0
    edge = pca.inverse_transform(Z)
    labels, sure = model.predict_certified(edge)
    assert sure.mean() < 0.1
    np.testing.assert_array_equal(labels[sure], source.predict(edge)[sure])


def test_over_texts():
    texts = [f"{a} {b} cat" for a in "red green blue".split() for b in "dog mouse bird fish".split()] * 4
    labels = np.arange(len(texts)) % 3
    source = make_pipeline(TfidfVectorizer(), ensemble.ExtraTreesClassifier(9, random_state=0)).fit(texts, labels)
    model = qc.quantize(source, calibration=texts)
    np.testing.assert_array_equal(model.predict(texts), source.predict(texts))
    np.testing.assert_array_equal(model.predict_proba(texts), source.predict_proba(texts))


def test_reports_of_calibration_rows():
    forest = qc.quantize(ensemble.RandomForestClassifier(5, random_state=0).fit(X, Y), calibration=ROWS).report()
    assert (forest["agreement"], forest["certified"]) == (1.0, 1.0)
    numbers = qc.quantize(ensemble.RandomForestRegressor(5, random_state=0).fit(X, X[:, 0]), calibration=ROWS).report()
    assert numbers["max_error"] == 0.0 and numbers["max_bound"] == 0.0


def test_methods_are_those_of_the_source():
    model = qc.quantize(tree.DecisionTreeClassifier().fit(X, Y))
    assert model.apply(X).dtype == np.int64 and "apply" in dir(model)
    with pytest.raises(AttributeError, match="score_samples"):
        model.score_samples(X)


def test_a_model_file_without_its_library(tmp_path):
    xgboost = pytest.importorskip("xgboost")
    estimator = xgboost.XGBClassifier(n_estimators=4, n_jobs=1).fit(X, Y)
    path = tmp_path / "model.ubj"
    estimator.save_model(path)
    model = qc.quantize(path, calibration=ROWS)
    np.testing.assert_allclose(model.predict(ROWS), estimator.predict_proba(ROWS), rtol=1e-5)
    assert model.provenance["estimator"] == "Booster"
