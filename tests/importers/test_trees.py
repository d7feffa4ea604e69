"""scikit-learn's tree ensembles: the same leaves, the same bits, also on thresholds and beside them."""

from __future__ import annotations

import warnings

import numpy as np
import pytest
import sklearn
from scipy.sparse import csr_matrix
from sklearn import ensemble, tree
from sklearn.calibration import CalibratedClassifierCV
from sklearn.datasets import make_classification
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV
from sklearn.multiclass import OneVsRestClassifier
from sklearn.multioutput import MultiOutputClassifier, MultiOutputRegressor
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from quantcore.errors import UnsupportedModelError
from quantcore.importers import convert
from quantcore.importers.sklearn.common import VERSION
from quantcore.plan.ops import LeafSum, Trees
from quantcore.reference import run

# What goes through exp or log is within a few ulp; all else has the source's own bits.
TRANSCENDENTAL = {
    ("BaggingClassifier", "predict_log_proba"),
    ("GradientBoostingClassifier", "predict_log_proba"),
    ("GradientBoostingClassifier", "predict_proba"),
    ("HistGradientBoostingClassifier", "predict_proba"),
}
METHODS = ("predict", "predict_proba", "predict_log_proba", "decision_function", "apply", "score_samples", "transform")


@pytest.fixture(scope="module")
def data():
    """Rows, three classes, a number."""
    X, y = make_classification(700, 8, n_informative=5, n_classes=3, random_state=0)
    X[:, 3] = np.round(X[:, 3])  # ties between rows
    return X, y, X[:, 0] * 2 + np.sin(X[:, 1] * 3)


def check(estimator, X, y, hard_rows, *, random=None, cast=None):
    """Fit, convert, and compare every method on hard rows."""
    random = random or np.random.default_rng(1)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        estimator.fit(X, y)
    plan = convert(estimator)
    rows = hard_rows(plan, X, random)
    rows = rows if cast is None else cast(rows)
    name = type(estimator).__name__
    assert set(plan.outputs) == {m for m in METHODS if hasattr(estimator, m)}
    for method in plan.outputs:
        with np.errstate(divide="ignore"):
            expected, found = getattr(estimator, method)(rows), run(plan, rows, method)
        if hasattr(expected, "toarray"):
            expected, found = expected.toarray(), found.toarray()
        if not isinstance(expected, list):
            expected, found = [expected], [found]
        for a, b in zip(expected, found, strict=True):
            assert (a.shape, a.dtype) == (b.shape, b.dtype)
            if (name, method) in TRANSCENDENTAL:
                np.testing.assert_allclose(b, a, rtol=4e-15, atol=4e-16)
            else:
                np.testing.assert_array_equal(b, a)
    return plan


SINGLE = [
    tree.DecisionTreeClassifier(random_state=0),
    tree.DecisionTreeClassifier(max_leaf_nodes=25, random_state=0),
    tree.DecisionTreeClassifier(ccp_alpha=0.002, random_state=0),
    tree.ExtraTreeClassifier(random_state=0),
    ensemble.RandomForestClassifier(20, random_state=0),
    ensemble.RandomForestClassifier(20, max_leaf_nodes=17, random_state=0),
    ensemble.ExtraTreesClassifier(20, random_state=0),
    ensemble.BaggingClassifier(n_estimators=15, max_features=0.6, max_samples=0.02, random_state=0),
]
NUMBERS = [
    tree.DecisionTreeRegressor(random_state=0),
    tree.ExtraTreeRegressor(random_state=0),
    ensemble.RandomForestRegressor(15, random_state=0),
    ensemble.ExtraTreesRegressor(15, random_state=0),
    ensemble.BaggingRegressor(n_estimators=10, max_features=0.6, bootstrap_features=True, random_state=0),
]
INFINITE = [
    ensemble.IsolationForest(n_estimators=15, random_state=0),
    ensemble.IsolationForest(n_estimators=15, max_features=0.5, contamination=0.1, random_state=0),
    ensemble.IsolationForest(n_estimators=5, max_samples=1, random_state=0),
    ensemble.HistGradientBoostingClassifier(max_iter=15),
]


def name_of(estimator):
    return str(estimator).replace(" ", "").replace("\n", "")


def with_gaps(X, estimator=None):
    if VERSION < (1, 6) and type(estimator).__name__.startswith(("ExtraTree", "IsolationForest")):
        return X  # NaN is refused
    X = X.copy()
    X[np.random.default_rng(2).random(X.shape) < 0.1] = np.nan
    return X


@pytest.mark.parametrize("missing", [False, True], ids=["whole", "missing"])
@pytest.mark.parametrize("estimator", [*SINGLE, *INFINITE], ids=name_of)
def test_classifiers(estimator, missing, data, hard_rows):
    X, y, _ = data
    check(sklearn.clone(estimator), with_gaps(X, estimator) if missing else X, y, hard_rows)


@pytest.mark.parametrize("missing", [False, True], ids=["whole", "missing"])
@pytest.mark.parametrize("estimator", NUMBERS, ids=name_of)
def test_regressors(estimator, missing, data, hard_rows):
    X, _, number = data
    X = with_gaps(X, estimator) if missing else X
    check(sklearn.clone(estimator), X, number, hard_rows)
    check(sklearn.clone(estimator), X, np.stack([number, number**2, -number], axis=1), hard_rows)


@pytest.mark.parametrize("kind", [tree.DecisionTreeClassifier, tree.ExtraTreeClassifier])
@pytest.mark.parametrize("forest", [None, ensemble.RandomForestClassifier, ensemble.ExtraTreesClassifier])
def test_several_outputs(kind, forest, data, hard_rows):
    X, y, number = data
    labels = np.stack([y, (number > 0).astype(int), y % 2], axis=1)
    check(kind(random_state=0) if forest is None else forest(10, random_state=0), X, labels, hard_rows)


@pytest.mark.parametrize("loss", ["log_loss", "exponential"])
def test_binary_gradient_boosting(loss, data, hard_rows):
    check(ensemble.GradientBoostingClassifier(n_estimators=15, loss=loss, random_state=0), data[0], data[2] > 0, hard_rows)


@pytest.mark.parametrize("init", [None, "zero"])
def test_gradient_boosting(init, data, hard_rows):
    X, y, number = data
    check(ensemble.GradientBoostingClassifier(n_estimators=8, init=init, random_state=0), X, y, hard_rows)
    for loss in ("squared_error", "huber", "quantile"):
        check(ensemble.GradientBoostingRegressor(n_estimators=12, loss=loss, init=init, random_state=0), X, number, hard_rows)


@pytest.mark.parametrize("loss", ["squared_error", "absolute_error", "quantile", "poisson", "gamma"])
def test_hist_gradient_boosting_regressors(loss, data, hard_rows):
    X, _, number = data
    options = {"quantile": 0.7} if loss == "quantile" else {}
    estimator = ensemble.HistGradientBoostingRegressor(max_iter=15, loss=loss, monotonic_cst=[1, -1] + [0] * 6, **options)
    check(estimator, with_gaps(X), np.exp(number / 4), hard_rows)


@pytest.mark.parametrize("max_bins", [255, 40])
@pytest.mark.parametrize("binary", [False, True])
def test_categories(binary, max_bins, data, hard_rows):
    """Negative and fractional categories, ones that training never saw, NaN among them."""
    X, y, _ = data
    random = np.random.default_rng(3)
    X = X.copy()
    X[:, 2], X[:, 6] = random.integers(-3, 12, len(X)), random.integers(0, 38, len(X)) * 0.5
    y = (y + X[:, 2].astype(int)) % (2 if binary else 3)
    X = with_gaps(X)
    estimator = ensemble.HistGradientBoostingClassifier(max_iter=12, max_bins=max_bins, categorical_features=[2, 6])
    plan = check(estimator, X, y, hard_rows)
    assert plan.ops[0].members is not None
    unseen = X[:200].copy()
    unseen[:, [2, 6]] = random.choice([-7.0, 100.0, 1e9, 2.25, -0.5, 0.25, np.nan, 3.0], (200, 2))
    np.testing.assert_array_equal(run(plan, unseen, "decision_function"), estimator.decision_function(unseen))


@pytest.mark.parametrize("depth", [1, 4])
def test_ada_boost(depth, data, hard_rows):
    X, y, number = data
    for labels in (y, np.array(["a", "b"])[(number > 0).astype(int)]):
        base = tree.DecisionTreeClassifier(max_depth=depth)
        algorithm = {"algorithm": "SAMME"} if VERSION < (1, 6) else {}  # the only one from 1.6 on
        check(ensemble.AdaBoostClassifier(base, n_estimators=12, random_state=0, **algorithm), X, labels, hard_rows)
    for loss in ("linear", "exponential"):
        base = tree.DecisionTreeRegressor(max_depth=depth)
        check(ensemble.AdaBoostRegressor(base, n_estimators=12, loss=loss, random_state=0), X, number, hard_rows)


@pytest.mark.parametrize("options", [{}, {"max_leaf_nodes": 9}, {"sparse_output": False}], ids=str)
def test_random_trees_embedding(options, data, hard_rows):
    check(ensemble.RandomTreesEmbedding(10, random_state=0, **options), data[0], None, hard_rows)


@pytest.mark.parametrize("cast", [np.float32, np.float16, csr_matrix], ids=["float32", "float16", "csr"])
def test_other_inputs(cast, data, hard_rows):
    X, y, _ = data

    def convert_rows(rows):
        rows = np.clip(rows, -6e4, 6e4)
        return cast(np.nan_to_num(rows)) if cast is csr_matrix else rows.astype(cast)

    for estimator in (ensemble.RandomForestClassifier(10, random_state=0), ensemble.GradientBoostingClassifier(n_estimators=5)):
        check(estimator, X, y, hard_rows, cast=convert_rows)
    if cast is not csr_matrix:
        check(ensemble.HistGradientBoostingClassifier(max_iter=5), X, y, hard_rows, cast=convert_rows)


def test_refused_rows(data):
    """The exception types are the source's own."""
    X, y, _ = data
    forest, boosted = ensemble.RandomForestClassifier(3).fit(X, y), ensemble.HistGradientBoostingClassifier(max_iter=2).fit(X, y)
    gradient = ensemble.GradientBoostingClassifier(n_estimators=2).fit(X, y)
    gap, huge, infinite = X[:2].copy(), X[:2].copy(), X[:2].copy()
    gap[0, 0], huge[0, 0], infinite[0, 0] = np.nan, 1e39, np.inf
    cases = [
        (forest, huge), (forest, infinite), (forest, csr_matrix(gap)), (gradient, gap), (gradient, huge),
        (forest, X[:, :3]), (boosted, csr_matrix(X)), (boosted, X[:, :3]), (forest, X[0]),
    ]  # fmt: skip
    for estimator, rows in cases:
        with pytest.raises((ValueError, TypeError)) as theirs:
            estimator.predict(rows)
        with pytest.raises(theirs.type):
            run(convert(estimator), rows)


def test_within_others(data, hard_rows):
    X, y, _ = data
    forest = ensemble.RandomForestClassifier(8, random_state=0)
    rows = np.nan_to_num(hard_rows(convert(forest.fit(X, y)), X, np.random.default_rng(4)))
    scaled = make_pipeline(StandardScaler(), forest)
    search = GridSearchCV(ensemble.RandomForestClassifier(5, random_state=0), {"max_depth": [2, 5]}, cv=2)
    calibrated = CalibratedClassifierCV(ensemble.GradientBoostingClassifier(n_estimators=5), cv=2, method="isotonic")
    stacked = make_pipeline(ensemble.RandomTreesEmbedding(5, random_state=0), LogisticRegression())
    for estimator in (scaled, search, calibrated, stacked):
        estimator.fit(X, y)
        plan = convert(estimator)
        assert "apply" not in plan.outputs
        np.testing.assert_array_equal(run(plan, rows), estimator.predict(rows))
        np.testing.assert_allclose(run(plan, rows, "predict_proba"), estimator.predict_proba(rows), rtol=1e-12, atol=1e-15)


def test_one_ensemble_a_class_or_column(data, hard_rows):
    X, y, number = data
    labels = np.stack([y, y % 2], axis=1)
    boosted = ensemble.GradientBoostingRegressor(n_estimators=4, random_state=0)
    for estimator, target in (
        (OneVsRestClassifier(ensemble.RandomForestClassifier(4, random_state=0)), y),
        (MultiOutputClassifier(ensemble.GradientBoostingClassifier(n_estimators=3, random_state=0)), labels),
        (MultiOutputRegressor(boosted), np.stack([number, -number], axis=1)),
    ):
        estimator.fit(X, target)
        np.testing.assert_array_equal(run(convert(estimator), X), estimator.predict(X))


def test_equal_tests_and_leaves_are_stored_once(data):
    X, y, _ = data
    plan = convert(ensemble.RandomForestClassifier(20, random_state=0).fit(X, y))
    op, sums = (next(o for o in plan.ops if isinstance(o, kind)) for kind in (Trees, LeafSum))
    assert len(op.threshold) < len(op.split) and len(sums.values) < op.n_leaves
    assert op.n_trees == 20 and len(np.unique(op.split)) == len(op.threshold)


def test_jobs_leave_the_order_open(data):
    X, y, _ = data
    plan = convert(ensemble.RandomForestClassifier(5, n_jobs=2).fit(X, y))
    assert not next(o for o in plan.ops if isinstance(o, LeafSum)).ordered


def test_obstacles(data):
    X, y, number = data
    start = ensemble.GradientBoostingRegressor(n_estimators=2, init=tree.DecisionTreeRegressor(max_depth=2)).fit(X, number)
    bagged = ensemble.BaggingClassifier(LogisticRegression(), n_estimators=2).fit(X, y)
    for estimator, parameter in ((start, "init"), (bagged, "estimator")):
        with pytest.raises(UnsupportedModelError, match=parameter):
            convert(estimator)
