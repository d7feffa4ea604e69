"""Transformers, regressors and classifiers over tables: what scikit-learn returns, bit for bit where no sum is in the way."""

from __future__ import annotations

import warnings

import numpy as np
import pytest
import scipy.sparse as sp
from sklearn import linear_model as lm
from sklearn.cross_decomposition import CCA, PLSCanonical, PLSRegression
from sklearn.decomposition import PCA, IncrementalPCA, TruncatedSVD
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis, QuadraticDiscriminantAnalysis
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.feature_selection import (
    RFE,
    RFECV,
    GenericUnivariateSelect,
    SelectFdr,
    SelectFpr,
    SelectFromModel,
    SelectFwe,
    SelectKBest,
    SelectPercentile,
    SequentialFeatureSelector,
    VarianceThreshold,
    chi2,
)
from sklearn.impute import SimpleImputer
from sklearn.multioutput import MultiOutputRegressor
from sklearn.naive_bayes import GaussianNB
from sklearn.pipeline import FeatureUnion, make_pipeline
from sklearn.preprocessing import (
    Binarizer,
    MaxAbsScaler,
    MinMaxScaler,
    Normalizer,
    PolynomialFeatures,
    RobustScaler,
    StandardScaler,
)
from sklearn.svm import LinearSVR

from quantcore.errors import UnsupportedModelError
from quantcore.importers import convert
from quantcore.importers.sklearn.common import VERSION
from quantcore.plan import Csr
from quantcore.reference import run

RANDOM = np.random.default_rng(5)
X = RANDOM.normal(size=(80, 5)) * [1.0, 100.0, 1e-30, 1e30, 1.0] + [0.0, 3.0, 0.0, 0.0, 1e6]
X[:, 1] = np.round(X[:, 1])
NEW = np.vstack([X[:30] * 1.7, np.zeros((1, 5)), X[30:31] * 1e6])
Y = (X[:, 0] + X[:, 1] / 100 + (X[:, 4] - 1e6) > 0) + (X[:, 0] > 0.7).astype(int)
PLAIN = RANDOM.normal(size=(80, 5))
SPARSE = sp.random(60, 8, 0.4, format="csr", random_state=3)

ELEMENTWISE = {
    "standard": StandardScaler(),
    "standard, mean alone": StandardScaler(with_std=False),
    "standard, deviation alone": StandardScaler(with_mean=False),
    "standard, nothing": StandardScaler(with_mean=False, with_std=False),
    "min-max": MinMaxScaler(),
    "min-max, clipped": MinMaxScaler((-0.3, 0.7), clip=True),
    "largest": MaxAbsScaler(),
    "robust": RobustScaler(),
    "robust, centre alone": RobustScaler(with_scaling=False),
    "robust, scale alone": RobustScaler(with_centering=False, quantile_range=(10, 80)),
    "binarizer": Binarizer(threshold=0.5),
    "normalizer": Normalizer(),
    "normalizer, l1": Normalizer("l1"),
    "normalizer, max": Normalizer("max"),
    "polynomial": PolynomialFeatures(2),
    "polynomial, 3": PolynomialFeatures(3, include_bias=False),
    "polynomial, 2 to 4": PolynomialFeatures((2, 4), order="F"),
    "polynomial, interactions": PolynomialFeatures((0, 3), interaction_only=True),
    "polynomial, bias alone": PolynomialFeatures(0),
    "best two": SelectKBest(k=2),
    "percentile": SelectPercentile(percentile=50),
    "false positives": SelectFpr(alpha=0.9),
    "false discoveries": SelectFdr(alpha=0.999),
    "family-wise": SelectFwe(alpha=0.99),
    "univariate": GenericUnivariateSelect(mode="k_best", param=3),
    "variance": VarianceThreshold(1e-9),
    "recursive": RFE(lm.LogisticRegression(), n_features_to_select=2),
    "recursive, cross-validated": RFECV(lm.LogisticRegression(), cv=2),
    "from a model": SelectFromModel(lm.LogisticRegression(), max_features=2),
    "sequential": SequentialFeatureSelector(lm.RidgeClassifier(), n_features_to_select=2, cv=2),
}
SUMS = {
    "PCA": PCA(),
    "PCA, whitened": PCA(3, whiten=True),
    "PCA, a share": PCA(0.9),
    "incremental PCA": IncrementalPCA(2),
    "truncated SVD": TruncatedSVD(2, random_state=0),
    "LDA": LinearDiscriminantAnalysis(),
    "LDA, eigen": LinearDiscriminantAnalysis(solver="eigen", shrinkage="auto"),
}


@pytest.fixture(autouse=True)
def quiet():
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


def outcome(function, *arguments):
    try:
        found = function(*arguments)
    except Exception as error:
        return type(error), None
    return None, found.toarray() if hasattr(found, "toarray") else found


@pytest.mark.parametrize("dtype", [np.float64, np.float32, np.float16, np.int64])
@pytest.mark.parametrize("name", ELEMENTWISE)
def test_value_by_value(name, dtype, same):
    model = ELEMENTWISE[name].fit(X, Y)
    rows = NEW.astype(np.float16).astype(np.float64).clip(-6e4, 6e4).astype(dtype) if dtype in (np.float16, np.int64) else NEW
    same(model, rows.clip(-1e37, 1e37).astype(dtype))


@pytest.mark.parametrize("name", SUMS)
def test_products(name, same):
    model = SUMS[name].fit(PLAIN, Y)
    same(model, PLAIN * 2, exact=False, tolerance=1e-9)
    single = SUMS[name].fit(PLAIN.astype(np.float32), Y)
    found = run(convert(single), PLAIN.astype(np.float32), "transform")
    np.testing.assert_allclose(found, single.transform(PLAIN.astype(np.float32)), rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize("form", ["csr", "csc", "coo"])
@pytest.mark.parametrize("name", [*ELEMENTWISE, *SUMS])
def test_sparse(name, form):
    model = (ELEMENTWISE | SUMS)[name]
    if name == "incremental PCA" and form == "coo":
        pytest.skip("scikit-learn slices the rows, which COO has not")
    model = model.fit(SPARSE.toarray(), np.arange(60) % 3)
    plan = convert(model)
    rows = SPARSE.asformat(form)
    expected, found = outcome(model.transform, rows), outcome(run, plan, rows, "transform")
    assert found[0] is expected[0]
    if expected[0] is None:
        np.testing.assert_allclose(found[1], expected[1], rtol=0 if name in ELEMENTWISE else 1e-12, atol=1e-15)


IMPUTERS = {
    "mean": SimpleImputer(),
    "median": SimpleImputer(strategy="median"),
    "most frequent": SimpleImputer(strategy="most_frequent"),
    "constant": SimpleImputer(strategy="constant", fill_value=-7.5),
    "a number": SimpleImputer(missing_values=-1),
    "indicator": SimpleImputer(add_indicator=True),
    "empty columns": SimpleImputer(keep_empty_features=True, add_indicator=True),
    "constant, empty columns": SimpleImputer(strategy="constant", keep_empty_features=True),
}


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize("name", IMPUTERS)
def test_imputers(name, dtype, same):
    gap = IMPUTERS[name].missing_values
    rows = np.round(RANDOM.normal(size=(50, 4)), 1).astype(dtype)
    rows[RANDOM.random(rows.shape) < 0.3] = gap
    rows[:, 2] = gap
    model = IMPUTERS[name].fit(rows)
    same(model, rows[::-1])
    complete = np.nan_to_num(rows) + dtype(9)
    same(model, complete)
    for sparse in (sp.csr_matrix(rows), sp.csc_matrix(complete)):
        expected, found = outcome(model.transform, sparse), outcome(run, convert(model), sparse, "transform")
        assert found[0] is expected[0]
        np.testing.assert_array_equal(found[1], expected[1])
    for bad in (np.full((2, 4), np.inf), np.full((2, 4), np.nan)):
        expected, found = outcome(model.transform, bad), outcome(run, convert(model), bad, "transform")
        assert found[0] is expected[0]


def test_imputers_of_zeros():
    model = SimpleImputer(missing_values=0).fit(np.eye(3) + 1)
    for rows in (np.eye(3), sp.csr_matrix(np.eye(3))):
        expected, found = outcome(model.transform, rows), outcome(run, convert(model), rows, "transform")
        assert found[0] is expected[0]


REGRESSORS = {
    "ordinary": lm.LinearRegression(),
    "ordinary, positive": lm.LinearRegression(positive=True, fit_intercept=False),
    "ridge": lm.Ridge(),
    "ridge, cross-validated": lm.RidgeCV(),
    "lasso": lm.Lasso(0.01),
    "lasso, cross-validated": lm.LassoCV(cv=2, n_alphas=5) if "n_alphas" in lm.LassoCV().get_params() else lm.LassoCV(cv=2),
    "elastic net": lm.ElasticNet(0.01),
    "Lars": lm.Lars(),
    "Lars, cross-validated": lm.LarsCV(cv=2),
    "lasso Lars": lm.LassoLars(0.01),
    "lasso Lars, cross-validated": lm.LassoLarsCV(cv=2),
    "lasso Lars, criterion": lm.LassoLarsIC(),
    "matching pursuit": lm.OrthogonalMatchingPursuit(),
    "matching pursuit, cross-validated": lm.OrthogonalMatchingPursuitCV(cv=2),
    "SGD": lm.SGDRegressor(random_state=0),
    "passive-aggressive": lm.PassiveAggressiveRegressor(random_state=0),
    "SVR": LinearSVR(),
    "Huber": lm.HuberRegressor(),
    "quantile": lm.QuantileRegressor(alpha=0.01),
    "Poisson": lm.PoissonRegressor(),
    "gamma": lm.GammaRegressor(),
    "Tweedie": lm.TweedieRegressor(power=1.5),
    "Tweedie, identity": lm.TweedieRegressor(power=0),
    "Bayesian": lm.BayesianRidge(),
    "ARD": lm.ARDRegression(),
    "Theil-Sen": lm.TheilSenRegressor(max_subpopulation=50, random_state=0),
    "RANSAC": lm.RANSACRegressor(random_state=0),
    "least squares of components": PLSRegression(2),
    "several outputs": MultiOutputRegressor(lm.Ridge()),
}
TARGET = np.exp(PLAIN @ [0.1, -0.2, 0.05, 0.0, 0.3] + 1.0)


@pytest.mark.parametrize("name", REGRESSORS)
def test_regressors(name, same):
    target = np.c_[TARGET, 1 / TARGET] if name == "several outputs" else TARGET
    model = REGRESSORS[name].fit(PLAIN, target)
    plan = same(model, PLAIN * 3, exact=False)
    assert plan.classes is None
    expected = outcome(model.predict, sp.csr_matrix(PLAIN)), outcome(run, plan, sp.csr_matrix(PLAIN))
    assert expected[0][0] is expected[1][0]
    if expected[0][0] is None:
        np.testing.assert_allclose(expected[1][1], expected[0][1], rtol=1e-12)


@pytest.mark.parametrize(
    "model",
    [
        lm.LinearRegression(),
        lm.Ridge(),
        lm.RidgeCV(),
        lm.Lasso(0.01),
        lm.MultiTaskLasso(0.01),
        lm.MultiTaskLassoCV(cv=2),
        lm.MultiTaskElasticNet(0.01),
        lm.MultiTaskElasticNetCV(cv=2),
        lm.OrthogonalMatchingPursuit(),
        lm.RANSACRegressor(random_state=0),
        PLSRegression(2),
        PLSCanonical(2),
        CCA(2),
    ],
    ids=lambda m: type(m).__name__,
)
def test_several_targets(model, same):
    same(model.fit(PLAIN, np.c_[TARGET, TARGET**2]), PLAIN * 3, exact=False, tolerance=1e-9)
    if isinstance(model, lm.LinearRegression | lm.Ridge | PLSRegression):
        same(model.fit(PLAIN, TARGET[:, None]), PLAIN * 3, exact=False, tolerance=1e-9)


CLASSIFIERS = {
    "LDA": LinearDiscriminantAnalysis(),
    "LDA, least squares": LinearDiscriminantAnalysis(solver="lsqr"),
    "LDA, eigen": LinearDiscriminantAnalysis(solver="eigen"),
    "QDA": QuadraticDiscriminantAnalysis(),
    "QDA, regularized": QuadraticDiscriminantAnalysis(reg_param=0.3),
    "Gaussian NB": GaussianNB(),
    "scaled": make_pipeline(StandardScaler(), lm.LogisticRegression()),
    "everything": make_pipeline(
        SimpleImputer(add_indicator=True),
        FeatureUnion([("a", StandardScaler()), ("b", make_pipeline(MinMaxScaler(), PolynomialFeatures(2)))]),
        SelectKBest(k=6),
        PCA(4, whiten=True),
        lm.LogisticRegression(),
    ),
}


@pytest.mark.parametrize("classes", [2, 3])
@pytest.mark.parametrize("name", CLASSIFIERS)
def test_classifiers(name, classes, same):
    rows = PLAIN.copy()
    labels = np.array(["a", "b", "c"])[np.minimum(Y, classes - 1)]
    if name == "everything":
        rows[RANDOM.random(rows.shape) < 0.1] = np.nan
    model = CLASSIFIERS[name].fit(rows, labels)
    if VERSION < (1, 5) and (name, classes) == ("everything", 2):
        with pytest.raises(UnsupportedModelError, match="whiten"):
            convert(model)
        return
    same(model, rows * 1.5, exact=False, tolerance=1e-8)


def test_text_in_front(corpus, odd, same):
    documents, y = corpus
    steps = {
        "best": SelectKBest(chi2, k=20),
        "largest": MaxAbsScaler(),
        "components": TruncatedSVD(5, random_state=0),
        "norm": Normalizer("l1"),
    }
    for step in steps.values():
        same(make_pipeline(TfidfVectorizer(), step, lm.LogisticRegression()).fit(documents, y), odd, exact=False)
    found = run(convert(make_pipeline(TfidfVectorizer(), steps["best"]).fit(documents, y)), odd, "transform")
    assert isinstance(found, Csr) and found.shape[1] == 20
