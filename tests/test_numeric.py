"""Converted models over tables, from quantize to predict: labels equal the source's, bounds hold, bad input is refused alike."""

from __future__ import annotations

import csv
import gzip
import subprocess
import sys
import warnings

import numpy as np
import pytest
import scipy.sparse as sp
from sklearn.datasets import load_iris
from sklearn.decomposition import PCA, TruncatedSVD
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis, QuadraticDiscriminantAnalysis
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.feature_selection import SelectKBest, chi2
from sklearn.impute import SimpleImputer
from sklearn.linear_model import Lasso, LinearRegression, LogisticRegression, PoissonRegressor, Ridge, RidgeClassifier
from sklearn.multioutput import MultiOutputClassifier, MultiOutputRegressor
from sklearn.naive_bayes import GaussianNB
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import MaxAbsScaler, MinMaxScaler, Normalizer, PolynomialFeatures, RobustScaler, StandardScaler
from sklearn.svm import LinearSVC

import quantcore as qc
from quantcore.importers.sklearn.common import VERSION

RANDOM = np.random.default_rng(11)
SCALES = np.array([1.0, 1e-30, 1e30, 1.0, 50.0, 1e-3, 1.0, 2.0] * 3)
MEANS = np.array([0.0, 0.0, 0.0, 1e6, 3.0, 1.0, -1e6, 0.0] * 3)
Z = RANDOM.normal(size=(600, 24))
X = Z * SCALES + MEANS
W = RANDOM.normal(size=(24, 4))
Y = (Z @ W + 0.3 * RANDOM.normal(size=(600, 4))).argmax(axis=1)
NEW = RANDOM.normal(size=(800, 24)) * SCALES + MEANS

FRONTS = {
    "scaled": lambda: [StandardScaler()],
    "robust": lambda: [RobustScaler()],
    "min-max": lambda: [MinMaxScaler(clip=True)],
    "PCA": lambda: [StandardScaler(), PCA(8, whiten=True)],
    "normed": lambda: [StandardScaler(), Normalizer()],
    "polynomial": lambda: [StandardScaler(), SelectKBest(k=6), PolynomialFeatures(2), StandardScaler(with_mean=False)],
    "imputed": lambda: [SimpleImputer(add_indicator=True), MaxAbsScaler(), StandardScaler()],
}
LAST = {
    "logistic": lambda: LogisticRegression(max_iter=50),
    "ridge": lambda: RidgeClassifier(),
    "SVC": lambda: LinearSVC(max_iter=200),
    "Bayes": lambda: GaussianNB(),
    "LDA": lambda: LinearDiscriminantAnalysis(),
}


@pytest.fixture(autouse=True)
def quiet():
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


def check(model, found, rows, least=0.99):
    labels, sure = found.predict_certified(rows)
    expected = model.predict(rows)
    np.testing.assert_array_equal(labels[sure], expected[sure])
    assert sure.mean() >= least
    assert (labels == expected).mean() >= 1.0 - (1.0 - least) / 10
    for method in ("decision_function", "predict_proba"):
        if hasattr(model, method):
            scores = getattr(model, method)(rows)
            np.testing.assert_allclose(getattr(found, method)(rows), scores, rtol=1e-2, atol=2e-3 * (1.0 + np.abs(scores).max()))


@pytest.mark.parametrize("calibrated", [True, False])
@pytest.mark.parametrize("last", LAST)
@pytest.mark.parametrize("front", FRONTS)
def test_labels_behind_transformers(front, last, calibrated):
    y = Y if last != "SVC" else Y > 1
    rows = X.copy()
    if front == "imputed":
        rows[RANDOM.random(rows.shape) < 0.05] = np.nan
    model = make_pipeline(*FRONTS[front](), LAST[last]()).fit(rows, y)
    check(model, qc.quantize(model, rows if calibrated else None), NEW)


@pytest.mark.parametrize("dtype", [np.float32, np.float16])
def test_rows_of_other_floats(dtype):
    rows = (Z * 3).astype(dtype)
    model = make_pipeline(StandardScaler(), LogisticRegression()).fit(rows, Y)
    check(model, qc.quantize(model, rows), (NEW - MEANS).clip(-50, 50).astype(dtype), least=0.97)


@pytest.mark.parametrize("guarantee", ["certified", "exact"])
@pytest.mark.parametrize("calibrated", [True, False])
def test_badly_scaled_columns_without_a_scaler(calibrated, guarantee):
    weight = W / SCALES[:, None]
    model = LogisticRegression().fit(Z, Y)
    model.coef_, model.intercept_ = weight.T.copy(), -(MEANS @ weight)
    found = qc.quantize(model, X if calibrated else None, guarantee=guarantee)
    np.testing.assert_array_equal(found.predict(NEW), model.predict(NEW))
    check(model, found, NEW, least=0.99 if calibrated else 0.9)


@pytest.mark.parametrize("binary", [True, False])
def test_discriminants(binary):
    model = QuadraticDiscriminantAnalysis(reg_param=0.1).fit(Z, Y > 1 if binary else Y)
    check(model, qc.quantize(model), RANDOM.normal(size=(500, 24)))


REGRESSORS = {
    "ordinary": LinearRegression(),
    "scaled ridge": make_pipeline(StandardScaler(), Ridge()),
    "lasso of products": make_pipeline(StandardScaler(), PolynomialFeatures(2), Lasso(0.01)),
    "Poisson": make_pipeline(StandardScaler(), PoissonRegressor()),
    "several": MultiOutputRegressor(make_pipeline(RobustScaler(), Ridge())),
}


@pytest.mark.parametrize("guarantee", ["certified", "exact", "measured"])
@pytest.mark.parametrize("name", REGRESSORS)
def test_regressors(name, guarantee):
    target = np.exp(0.2 * (Z @ W))
    model = REGRESSORS[name].fit(Z * 3 + 5, target if name == "several" else target[:, 0])
    found = qc.quantize(model, Z * 3 + 5, guarantee=guarantee)
    rows = RANDOM.normal(size=(300, 24)) * 3 + 5
    expected = model.predict(rows)
    assert found.predict(rows).shape == expected.shape
    spread = expected.std()
    np.testing.assert_allclose(found.predict(rows), expected, rtol=0, atol=spread * (1e-2 if guarantee == "measured" else 2e-4))
    with pytest.raises(AttributeError, match="numbers"):
        found.predict_certified(rows)
    report = found.report()
    assert report["max_error"] <= report["max_bound"]
    if name != "Poisson":
        assert found.score(rows, expected + 1) == pytest.approx(model.score(rows, expected + 1), abs=1e-3)
    else:
        with pytest.raises(AttributeError, match="D²"):
            found.score(rows, expected)


@pytest.mark.parametrize("pos_label", [None, "no", "yes"])
@pytest.mark.parametrize("response", ["auto", "predict_proba", "decision_function"])
def test_thresholds(response, pos_label):
    if VERSION < (1, 5):
        pytest.skip("scikit-learn has had these classifiers from 1.5 on")
    from sklearn.model_selection import FixedThresholdClassifier, TunedThresholdClassifierCV

    y = np.where(Y > 1, "yes", "no")
    for threshold in ("auto", 0.3, 0.0):
        inner = make_pipeline(StandardScaler(), LogisticRegression())
        model = FixedThresholdClassifier(inner, threshold=threshold, pos_label=pos_label, response_method=response).fit(X, y)
        found = qc.quantize(model, X)
        np.testing.assert_array_equal(found.predict(NEW), model.predict(NEW))
    if pos_label is None and response != "decision_function":
        tuned = TunedThresholdClassifierCV(inner, response_method=response, cv=2).fit(X, y)
        np.testing.assert_array_equal(qc.quantize(tuned, X).predict(NEW), tuned.predict(NEW))


@pytest.mark.parametrize("last", [LogisticRegression(), RidgeClassifier(), GaussianNB()], ids=lambda m: type(m).__name__)
def test_several_labels(last):
    y = np.c_[np.where(Y > 1, "yes", "no"), np.array(["a", "b", "c", "d"])[Y]]
    model = make_pipeline(StandardScaler(), MultiOutputClassifier(last)).fit(X, y)
    found = qc.quantize(model, X)
    labels, sure = found.predict_certified(NEW)
    np.testing.assert_array_equal(labels[sure], model.predict(NEW)[sure])
    assert sure.mean() > 0.99 and labels.dtype == model.predict(NEW).dtype
    assert found.score(NEW, labels) == 1.0
    for a, b in zip(found.classes_, model.classes_, strict=True):
        np.testing.assert_array_equal(a, b)
    if hasattr(model, "predict_proba"):
        probabilities = found.predict_proba(NEW)
        assert isinstance(probabilities, list)
        for a, b in zip(probabilities, model.predict_proba(NEW), strict=True):
            np.testing.assert_allclose(a, b, atol=1e-2)


def test_transformers_alone():
    model = make_pipeline(StandardScaler(), PCA(3)).fit(X)
    found = qc.quantize(model)
    np.testing.assert_allclose(found.transform(NEW), model.transform(NEW), rtol=1e-9, atol=1e-9)
    for method in ("predict", "predict_proba", "score"):
        with pytest.raises(AttributeError, match="transform"):
            getattr(found, method)(NEW, *[[1]] * (method == "score"))
    texts = ["a cat sat", "the dog", "cat and dog", ""]
    vectorizer = TfidfVectorizer().fit(texts)
    weighted = qc.quantize(vectorizer).transform(texts)
    assert sp.issparse(weighted)
    np.testing.assert_allclose(weighted.toarray(), vectorizer.transform(texts).toarray(), rtol=1e-14)


def test_sparse_results_without_scipy(tmp_path):
    qc.save(qc.quantize(TfidfVectorizer().fit(["a cat sat", "the dog"])), tmp_path / "v.qc")
    code = (
        "import sys, quantcore as qc; found = qc.load(sys.argv[1]).transform(['cat dog cat']); "
        "assert 'scipy' not in sys.modules and 'sklearn' not in sys.modules; "
        "print(type(found).__name__, found.shape, found.toarray().sum() > 1)"
    )
    done = subprocess.run([sys.executable, "-c", code, str(tmp_path / "v.qc")], capture_output=True, text=True, check=True)
    assert done.stdout.split(" ", 1) == ["Csr", "(1, 4) True\n"]


def test_text_through_selection_and_components():
    words = [f"w{i}" for i in range(60)]
    y = RANDOM.integers(0, 3, 200)
    texts = [" ".join(RANDOM.choice(words[c * 20 : c * 20 + 25], 12)) for c in y]
    for middle in (SelectKBest(chi2, k=20), TruncatedSVD(6, random_state=0), MaxAbsScaler()):
        model = make_pipeline(TfidfVectorizer(), middle, LogisticRegression()).fit(texts, y)
        found = qc.quantize(model, texts)
        check(model, found, texts)
        if isinstance(middle, SelectKBest):
            assert (
                found.report()["served_by"]
                == qc.quantize(make_pipeline(TfidfVectorizer(), LogisticRegression()).fit(texts, y)).report()["served_by"]
            )


BAD = {
    "NaN": np.full((2, 24), np.nan),
    "infinity": np.full((2, 24), np.inf),
    "too wide": np.zeros((2, 25)),
    "1-d": np.zeros(24),
    "3-d": np.zeros((2, 24, 1)),
    "empty": np.zeros((0, 24)),
    "complex": np.zeros((2, 24), complex),
    "strings": np.full((2, 24), "a"),
    "objects": np.full((2, 24), None),
    "sparse": sp.csr_matrix(np.eye(24)),
    "a list": [[0.5] * 24],
    "Fortran": np.asfortranarray(Z[:4]),
    "integers": np.arange(48).reshape(2, 24),
}


@pytest.mark.parametrize("bad", BAD)
def test_input_is_taken_or_refused_alike(bad):
    models = [
        make_pipeline(StandardScaler(), LogisticRegression()),
        make_pipeline(StandardScaler(with_mean=False), LogisticRegression()),
        make_pipeline(MinMaxScaler(), LogisticRegression()),
        make_pipeline(SimpleImputer(), LogisticRegression()),
        make_pipeline(PCA(3), LogisticRegression()),
        GaussianNB(),
        LinearDiscriminantAnalysis(),
    ]
    for model in models:
        model.fit(Z, Y)
        found, answers = qc.quantize(model), []
        for predict in (model.predict, found.predict):
            try:
                answers.append(predict(BAD[bad]))
            except Exception as error:
                answers.append(type(error))
        if isinstance(answers[0], type):
            assert answers[1] is answers[0], type(model).__name__
        else:
            np.testing.assert_array_equal(answers[0], answers[1])


def table(path):
    with gzip.open(path, "rt", encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    names = [n for n in rows[0] if n not in ("target", "split", "ocean_proximity", "color")]
    parts = {}
    for split in ("train", "test"):
        chosen = [r for r in rows if r["split"] == split]
        numbers = np.array([[float(r[n]) if r[n] else np.nan for n in names] for r in chosen])
        parts[split] = numbers, np.array([r["target"] for r in chosen])
    return parts


@pytest.mark.parametrize("name", ["covertype_15k", "wine_quality"])
def test_real_classes(name, data_dir):
    parts = table(data_dir / f"{name}.csv.gz")
    (rows, y), (new, _) = parts["train"], parts["test"]
    rows, y = rows[::3], y[::3]
    for last in (LogisticRegression(max_iter=40), LinearDiscriminantAnalysis(), GaussianNB()):
        model = make_pipeline(StandardScaler(), last).fit(rows, y)
        check(model, qc.quantize(model, rows), new, least=0.999)


def test_real_values(data_dir):
    parts = table(data_dir / "california_housing.csv.gz")
    (rows, y), (new, target) = parts["train"], parts["test"]
    model = make_pipeline(SimpleImputer(strategy="median"), StandardScaler(), PolynomialFeatures(2), Ridge()).fit(
        rows, y.astype(float)
    )
    found = qc.quantize(model, rows)
    assert np.abs(found.predict(new) - model.predict(new)).max() < 1e-3 * y.astype(float).std()
    assert found.score(new, target.astype(float)) == pytest.approx(model.score(new, target.astype(float)), abs=1e-5)


def test_threads_share_the_rows_of_an_array():
    source = make_pipeline(StandardScaler(), LogisticRegression()).fit(*load_iris(return_X_y=True))
    model, X = qc.quantize(source), load_iris().data
    for threads in (1, 2, 5):
        np.testing.assert_array_equal(qc.predict(model, X, threads=threads), source.predict(X))
        found = qc.predict(model, X, method="predict_proba", threads=threads)
        np.testing.assert_array_equal(found, model.predict_proba(X))
    assert qc.predict(model, X[:1], threads=4).shape == (1,)
    with pytest.raises(ValueError, match="2-d"):
        qc.predict(model, X[0], threads=4)
