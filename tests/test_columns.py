"""Models behind bins, splines, quantiles, powers and functions: labels equal, certificates hold next to thresholds too."""

from __future__ import annotations

import warnings

import numpy as np
import pytest
import scipy.sparse as sp
from sklearn.compose import ColumnTransformer
from sklearn.ensemble import HistGradientBoostingClassifier, RandomForestClassifier
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.naive_bayes import GaussianNB
from sklearn.pipeline import FeatureUnion, make_pipeline
from sklearn.preprocessing import (
    FunctionTransformer,
    KBinsDiscretizer,
    MinMaxScaler,
    PowerTransformer,
    QuantileTransformer,
    SplineTransformer,
    StandardScaler,
)

import quantcore as qc
from quantcore.importers import convert
from quantcore.plan import Csr
from quantcore.plan.ops import Cells, ColumnUfunc, Trees
from quantcore.reference.bounds import UNKNOWN
from quantcore.runtime.execute import Executor, Value

RANDOM = np.random.default_rng(23)
X = np.column_stack(
    [
        RANDOM.normal(size=500),
        RANDOM.exponential(size=500) * 40,
        np.round(RANDOM.normal(size=500) * 3),
        RANDOM.lognormal(size=500),
    ]
)
Y = ((np.sin(3 * X[:, 0]) + np.log1p(X[:, 1]) / 3 + 0.1 * X[:, 2] > 1.0) + (X[:, 3] > 2)).astype(int)
NEW = np.column_stack(
    [
        RANDOM.normal(size=900),
        RANDOM.exponential(size=900) * 40,
        np.round(RANDOM.normal(size=900) * 3),
        RANDOM.lognormal(size=900),
    ]
)
FRONTS = {
    "bins": lambda: KBinsDiscretizer(6),
    "bins, dense": lambda: KBinsDiscretizer(6, encode="onehot-dense"),
    "bins, ordinal": lambda: KBinsDiscretizer(6, encode="ordinal"),
    "splines": lambda: SplineTransformer(),
    "splines, sparse": lambda: SplineTransformer(knots="quantile", extrapolation="linear", sparse_output=True),
    "uniform": lambda: QuantileTransformer(n_quantiles=60),
    "normal": lambda: QuantileTransformer(n_quantiles=60, output_distribution="normal"),
    "powers": lambda: PowerTransformer(),
    "function": lambda: FunctionTransformer(np.arctan),
    "no function": lambda: FunctionTransformer(),
    "powers, then bins": lambda: make_pipeline(PowerTransformer(), KBinsDiscretizer(6)),
    "powers, then splines": lambda: make_pipeline(PowerTransformer(), SplineTransformer(sparse_output=True)),
    "scaled, then bins": lambda: make_pipeline(StandardScaler(), KBinsDiscretizer(6, encode="ordinal"), MinMaxScaler()),
    "quantiles, then functions": lambda: make_pipeline(QuantileTransformer(n_quantiles=60), FunctionTransformer(np.sqrt)),
    "side by side": lambda: FeatureUnion([("a", PowerTransformer()), ("b", KBinsDiscretizer(4)), ("c", SplineTransformer())]),
    "some columns": lambda: ColumnTransformer(
        [
            ("logarithm", FunctionTransformer(np.log1p), [1, 3]),
            ("bins", KBinsDiscretizer(4), [0]),
            ("as it is", FunctionTransformer(), [2]),
            ("powers", PowerTransformer(), [0, 1]),
        ],
        sparse_threshold=0.9,
    ),
}
LAST = {
    "logistic": lambda: LogisticRegression(max_iter=60),
    "forest": lambda: RandomForestClassifier(12, max_depth=6, random_state=0),
    "boosting": lambda: HistGradientBoostingClassifier(max_iter=12, random_state=0),
    "Bayes": lambda: GaussianNB(),
}


@pytest.fixture(autouse=True)
def quiet():
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


def check(model, found, rows, least=0.98):
    labels, sure = found.predict_certified(rows)
    expected = model.predict(rows)
    np.testing.assert_array_equal(labels[sure], expected[sure])
    assert sure.mean() >= least
    assert (labels == expected).mean() > 0.998
    if hasattr(model, "predict_proba"):
        np.testing.assert_allclose(found.predict_proba(rows), model.predict_proba(rows), atol=2e-3)


def fitted(front, last, dtype=np.float64):
    model = make_pipeline(FRONTS[front](), LAST[last]())
    sparse = front in ("bins", "splines, sparse", "powers, then bins", "powers, then splines", "side by side", "some columns")
    if last in ("boosting", "Bayes") and sparse:
        pytest.skip("scikit-learn's takes no sparse matrix")
    return model.fit(X.astype(dtype), Y)


@pytest.mark.parametrize("guarantee", ["certified", "exact"])
@pytest.mark.parametrize("last", LAST)
@pytest.mark.parametrize("front", FRONTS)
def test_labels_are_the_source_s(front, last, guarantee):
    model = fitted(front, last)
    # What is computed of whole numbers lies on edges of bins, to the last bits: open in a third of the rows.
    check(model, qc.quantize(model, X, guarantee=guarantee), NEW, 0.4 if front == "powers, then bins" else 0.98)


@pytest.mark.parametrize("last", LAST)
@pytest.mark.parametrize("front", FRONTS)
def test_labels_of_single_precision(front, last):
    model = fitted(front, last, np.float32)
    check(model, qc.quantize(model), NEW.astype(np.float32), least=0.0)


def at_thresholds(model, n_rows=300):
    """Rows that a bisection has driven to where the source's label changes, and their neighbours."""
    low, high = NEW[RANDOM.integers(0, len(NEW), n_rows)], NEW[RANDOM.integers(0, len(NEW), n_rows)]
    at_low = model.predict(low)
    kept = at_low != model.predict(high)
    low, high, at_low = low[kept], high[kept], at_low[kept]
    for _ in range(70):
        middle = (low + high) / 2
        same = (model.predict(middle) == at_low)[:, None]
        low, high = np.where(same, middle, low), np.where(same, high, middle)
    return np.vstack([low, high, np.nextafter(low, np.inf), np.nextafter(high, -np.inf)])


@pytest.mark.parametrize("last", LAST)
@pytest.mark.parametrize("front", FRONTS)
def test_certificates_hold_where_the_label_changes(front, last):
    model = fitted(front, last)
    rows = at_thresholds(model)
    labels, sure = qc.quantize(model, X).predict_certified(rows)
    np.testing.assert_array_equal(labels[sure], model.predict(rows)[sure])


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize("last", LAST)
@pytest.mark.parametrize("front", FRONTS)
def test_what_errors_allow_changes_no_certified_label(front, last, dtype):
    """A source on another machine: each op's result is moved by as much as is stated, and the rest computed anew."""
    model = fitted(front, last, dtype)
    executor = Executor(convert(model))
    rows = executor._input(np.vstack([NEW, at_thresholds(model)]).astype(dtype))
    decision, known = executor.plan.ops[executor.plan.outputs["predict"]], {}
    labels, sure = executor._decided(decision, rows, known)
    for at, found in known.items():
        if found.error is None or found.error is UNKNOWN or isinstance(executor.plan.ops[at], Trees | Cells | ColumnUfunc):
            continue
        held = found.value.data if isinstance(found.value, Csr) else found.value
        for sign in (-1.0, 1.0, RANDOM.choice([-1.0, 0.0, 1.0], held.shape)):
            with np.errstate(invalid="ignore"):
                away = np.where(np.isfinite(found.error), 0.999 * found.error, 0.0) * sign
            moved = (held + away).astype(held.dtype)
            value = found.value.with_data(moved) if isinstance(found.value, Csr) else moved
            others, _ = executor._decided(decision, rows, {at: Value(value)})
            np.testing.assert_array_equal(others[sure], labels[sure])


def test_flags_depend_on_the_row_alone():
    for front, last in (("powers, then bins", "logistic"), ("powers, then splines", "forest"), ("some columns", "forest")):
        model = fitted(front, last)
        rows = np.vstack([NEW[:20], at_thresholds(model, 40)])
        found = qc.quantize(model, X)
        _, together = found.predict_certified(rows)
        alone = np.concatenate([found.predict_certified(row[None])[1] for row in rows])
        np.testing.assert_array_equal(together, alone)


def test_predictions_of_regressors():
    for front in FRONTS:
        model = make_pipeline(FRONTS[front](), Ridge()).fit(X, X[:, 1])
        found = qc.quantize(model, X)
        np.testing.assert_allclose(found.predict(NEW), model.predict(NEW), atol=2e-3 * X[:, 1].std())
        report = found.report()
        assert front == "powers, then bins" or report["max_error"] <= report["max_bound"], front


@pytest.mark.parametrize("front", FRONTS)
def test_files_give_what_was_saved(front, tmp_path):
    model = make_pipeline(FRONTS[front](), LogisticRegression(max_iter=60)).fit(X, Y)
    found = qc.quantize(model, X)
    qc.save(found, tmp_path / "model.qc")
    np.testing.assert_array_equal(qc.load(tmp_path / "model.qc").predict_proba(NEW), found.predict_proba(NEW))


def test_sparse_rows_through_functions():
    rows = sp.random(200, 5, 0.5, format="csr", random_state=1)
    y = np.asarray(rows.sum(axis=1)).ravel() > 1.2
    model = make_pipeline(FunctionTransformer(np.log1p), LogisticRegression()).fit(rows, y)
    check(model, qc.quantize(model, rows), rows, least=0.95)


@pytest.mark.parametrize("last", [LogisticRegression(), RandomForestClassifier(4, random_state=0)], ids=["linear", "trees"])
@pytest.mark.parametrize(
    "front",
    [
        PowerTransformer("box-cox"),
        SplineTransformer(extrapolation="error"),
        make_pipeline(MinMaxScaler(), SplineTransformer(extrapolation="error")),
        make_pipeline(StandardScaler(), SplineTransformer(extrapolation="error")),
        make_pipeline(QuantileTransformer(n_quantiles=30), SplineTransformer(extrapolation="error")),
        FunctionTransformer(np.log),
        FunctionTransformer(np.log, validate=True),
        make_pipeline(MinMaxScaler(), FunctionTransformer(np.arcsin)),
    ],
    ids=lambda m: str(m).replace("\n", ""),
)
def test_models_that_refuse_some_rows_need_no_calibration(front, last):
    rows = np.abs(X) + 3.0
    model = make_pipeline(front, last).fit(rows, Y)
    found = qc.quantize(model)
    np.testing.assert_array_equal(found.predict(rows), model.predict(rows))
    bounds = [value for name, value in found.report().items() if name.startswith("max_bound")]
    assert bounds and all(bound is None or bound < 1e-2 for bound in bounds)


def test_functions_of_columns_need_no_calibration():
    columns = ColumnTransformer([("logarithm", FunctionTransformer(np.log), [1, 3]), ("as it is", "passthrough", [0])])
    model = make_pipeline(columns, LogisticRegression()).fit(X, Y)
    np.testing.assert_array_equal(qc.quantize(model).predict(NEW), model.predict(NEW))
