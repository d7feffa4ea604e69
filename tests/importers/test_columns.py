"""Bins, splines, quantiles, powers and functions: scikit-learn's values bit for bit, or within the stated bound."""

from __future__ import annotations

import warnings
from functools import partial

import numpy as np
import pytest
import scipy.sparse as sp
from sklearn.preprocessing import (
    FunctionTransformer,
    KBinsDiscretizer,
    PowerTransformer,
    QuantileTransformer,
    SplineTransformer,
)

from quantcore import UnsupportedModelError
from quantcore.importers import convert
from quantcore.plan import Csr
from quantcore.plan.column_ops import SPARSE_UFUNCS, UFUNCS
from quantcore.reference import run
from quantcore.reference.bounds import UNKNOWN
from quantcore.runtime.execute import Executor

NUMPY_2 = np.lib.NumpyVersion(np.__version__) >= "2.0.0"
RANDOM = np.random.default_rng(17)
X = np.column_stack(
    [
        RANDOM.normal(size=300),
        np.round(RANDOM.normal(size=300) * 2),  # repeated values
        RANDOM.exponential(size=300) * 1e3 + 1e6,
        RANDOM.choice([0.0, 0.1, 7.0], 300),
    ]
)
POSITIVE = np.abs(X) + 0.01

BINS = {
    f"{strategy}, {encode}{', float32' if dtype else ''}": KBinsDiscretizer(
        5, encode=encode, strategy=strategy, dtype=dtype, subsample=None
    )
    for strategy in ("uniform", "quantile", "kmeans")
    for encode in ("onehot", "onehot-dense", "ordinal")
    for dtype in (None, np.float32)
}
SPLINES = {
    f"{extrapolation}, {degree}{', sparse' if sparse else ''}": SplineTransformer(
        n_knots=6, degree=degree, extrapolation=extrapolation, knots=knots, include_bias=bias, sparse_output=sparse
    )
    for extrapolation, knots, bias in (
        ("constant", "uniform", True),
        ("linear", "quantile", False),
        ("continue", "uniform", False),
        ("periodic", "uniform", True),
        ("error", "quantile", True),
    )
    for degree in (0, 1, 2, 3, 5)
    for sparse in (False, True)
    if not (extrapolation == "periodic" and degree == 0 and sparse)  # scikit-learn's fails
}
EXACT = BINS | SPLINES
NEAR = {
    "uniform": QuantileTransformer(n_quantiles=40),
    "uniform, few": QuantileTransformer(n_quantiles=2),
    "uniform, one": QuantileTransformer(n_quantiles=1),
    "normal": QuantileTransformer(n_quantiles=40, output_distribution="normal"),
    "normal, many": QuantileTransformer(n_quantiles=300, output_distribution="normal"),
    "Yeo-Johnson": PowerTransformer(),
    "Yeo-Johnson, plain": PowerTransformer(standardize=False),
    "Box-Cox": PowerTransformer("box-cox"),
    "Box-Cox, plain": PowerTransformer("box-cox", standardize=False),
}


@pytest.fixture(autouse=True)
def quiet():
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


def knots_of(model) -> np.ndarray:
    """Whatever decides, one column each."""
    if isinstance(model, KBinsDiscretizer):
        found = [e[np.isfinite(e)] for e in model.bin_edges_]
    elif isinstance(model, SplineTransformer):
        found = [b.t[model.degree : len(b.t) - model.degree] for b in model.bsplines_]
    elif isinstance(model, QuantileTransformer):
        found = list(model.quantiles_.T)
    else:
        found = [np.zeros(1)] * X.shape[1]
    return np.column_stack([np.resize(f, 60) for f in found])


def rows_for(model, fitted: np.ndarray) -> np.ndarray:
    """Rows at and next to what decides, within and beyond, zeros of both signs, denormal numbers."""
    knots = knots_of(model)
    spread = fitted.max(axis=0) - fitted.min(axis=0)
    special = np.repeat([0.0, -0.0, 5e-324, -1e-310, 1e-7, -1e-7, 1.0, -1.0, 3.5], X.shape[1]).reshape(-1, X.shape[1])
    around = [knots, np.nextafter(knots, np.inf), np.nextafter(knots, -np.inf), knots + 1e-7, knots - 1e-7]
    beyond = fitted.min(axis=0) + RANDOM.uniform(-0.7, 1.7, (200, X.shape[1])) * spread
    rows = np.vstack([fitted, *around, special, beyond])
    # Beyond the knots the one refuses, and the other fails: an error of scikit-learn's.
    if isinstance(model, SplineTransformer) and (model.extrapolation, model.degree * (model.extrapolation != "error")) in (
        ("error", 0),
        ("constant", 0),
    ):
        rows = np.clip(rows, knots.min(axis=0), knots.max(axis=0))
    return np.maximum(rows, fitted.min(axis=0) / 2) if getattr(model, "method", "") == "box-cox" else rows


def dense(found):
    return found.toarray() if hasattr(found, "toarray") else found


def outcome(function, *arguments):
    try:
        return None, function(*arguments)
    except Exception as error:
        return type(error), None


def errors(plan, rows):
    """The stated bound of each value, as a dense matrix."""
    executor = Executor(plan)
    found = executor._evaluate(plan.outputs["transform"], executor._input(rows))
    if found.error is None or found.error is UNKNOWN:
        return np.full(found.value.shape, 0.0 if found.error is None else np.inf)
    return dense(found.value.with_data(found.error)) if isinstance(found.value, Csr) else found.error


def assert_within(model, rows, *, exact=False, most=1e-9):
    """scikit-learn's values lie within the bounds that are stated, and the bounds say something."""
    plan = convert(model)
    expected, found = model.transform(rows), run(plan, rows, "transform")
    assert isinstance(found, Csr) == hasattr(expected, "toarray")
    expected, found = dense(expected), dense(found)
    assert found.dtype == expected.dtype and found.shape == expected.shape
    bound = errors(plan, rows)
    if exact:
        np.testing.assert_array_equal(found, expected)
    np.testing.assert_array_equal(np.isnan(found), np.isnan(expected))
    with np.errstate(invalid="ignore"):
        off = np.where(found == expected, 0.0, np.abs(found.astype(float) - expected))
        assert not (off > bound).any()
        known = np.isfinite(bound)
        size = 1.0 + np.abs(np.nan_to_num(np.where(known, expected, 0.0).astype(float)))
        assert not known.any() or np.quantile((bound / size)[known], 0.9) < most
    return known.mean()


@pytest.mark.parametrize("name", EXACT)
def test_bins_and_splines_have_the_source_s_bits(name):
    model = EXACT[name].fit(X)
    assert assert_within(model, rows_for(model, X), exact=True) == 1.0


@pytest.mark.parametrize("dtype", [np.float32, np.float16, np.int64])
@pytest.mark.parametrize("name", [n for n in EXACT if "kmeans" not in n])
def test_bins_and_splines_of_other_dtypes(name, dtype):
    given = (X * [1, 1, 1e-3, 1]).astype(dtype)
    model = EXACT[name].fit(given)
    rows = rows_for(model, given.astype(float)).astype(dtype)
    if "error" in name:
        rows = given
    # NumPy 1 computes in the rows' dtype where NumPy 2 has float64 of a number.
    exact = dtype == np.int64 or not name.startswith(("linear", "periodic")) or NUMPY_2
    assert_within(model, rows, exact=exact and not (dtype == np.float16 and "linear" in name), most=np.inf)


@pytest.mark.parametrize("name", NEAR)
def test_quantiles_and_powers_lie_within_the_bound(name):
    given = POSITIVE if "Box" in name else X
    model = NEAR[name].fit(given)
    rows = rows_for(model, given)
    rows[::9, 1] = np.nan
    assert assert_within(model, rows, most=1e-6) > 0.9


@pytest.mark.parametrize("fitted", [np.float64, np.float32])
@pytest.mark.parametrize("dtype", [np.float32, np.float16, np.int64])
@pytest.mark.parametrize("name", NEAR)
def test_quantiles_and_powers_of_other_dtypes(name, dtype, fitted):
    given = ((POSITIVE if "Box" in name else X) * [1, 1, 1e-3, 1]).astype(np.float16).astype(fitted)
    model = NEAR[name].fit(given + (given == 0) * ("Box" in name))
    rows = rows_for(model, given).astype(dtype)
    if "Box" in name:
        rows = np.maximum(rows, dtype(1))
    assert_within(model, rows, most=np.inf)


@pytest.mark.parametrize("exponent", [0.0, 1e-17, 1e-9, -1e-9, 0.5, 1.0, 2.0, 2.0 + 1e-16, -3.7, 40.0])
@pytest.mark.parametrize("method", ["box-cox", "yeo-johnson"])
def test_powers_of_any_exponent(method, exponent):
    model = PowerTransformer(method, standardize=False).fit(POSITIVE)
    model.lambdas_[:] = exponent
    rows = np.vstack([POSITIVE, 10.0 ** RANDOM.uniform(-300, 300, (200, 4)), np.ones((1, 4))])
    if method == "yeo-johnson":
        rows[1::2] *= -1
    assert_within(model, rows, most=np.inf)


@pytest.mark.parametrize("positive", [True, False])
@pytest.mark.parametrize("ignored", [True, False])
def test_quantiles_of_sparse_rows(ignored, positive):
    rows = sp.random(90, 4, 0.4, format="csc", random_state=3)
    if not positive:
        rows.data[::3] *= -1
    model = QuantileTransformer(n_quantiles=20, ignore_implicit_zeros=ignored).fit(abs(rows))
    expected, found = outcome(model.transform, rows), outcome(run, convert(model), rows, "transform")
    assert found[0] is expected[0]
    if found[0] is None:
        np.testing.assert_allclose(dense(found[1]), dense(expected[1]), rtol=0, atol=1e-15)
        assert isinstance(found[1], Csr)


@pytest.mark.parametrize("name", sorted(UFUNCS - {"identity"}))
@pytest.mark.parametrize("dtype", [np.float64, np.float32, np.float16, np.int64, np.int32, np.int8, np.uint8, np.bool_])
def test_functions(name, dtype):
    special = [0.0, -0.0, 1.0, -1.0, 0.5, 2.0, 100.0, 709.0, -745.0, 5e-324, np.pi, 1.6e4, np.nan, np.inf, -np.inf]
    rows = np.vstack([np.repeat(special, 2).reshape(-1, 2), RANDOM.normal(size=(500, 2)) * [1.0, 50.0]])
    rows = (
        rows.astype(dtype) if np.dtype(dtype).kind == "f" else np.nan_to_num(rows, posinf=3, neginf=2).clip(0, 99).astype(dtype)
    )
    for validate in (False, True):
        model = FunctionTransformer(getattr(np, name), validate=validate)
        if outcome(model.fit, X[:, :2])[0] is not None or outcome(model.transform, rows)[0] is TypeError:
            continue  # NumPy has no such function of booleans
        plan = convert(model)
        expected, found = outcome(model.transform, rows), outcome(run, plan, rows, "transform")
        assert found[0] is expected[0]
        if found[0] is None:
            np.testing.assert_array_equal(found[1], expected[1])
            bound = errors(plan, rows)
            assert (bound >= 0).all()
            with np.errstate(invalid="ignore"):
                sure = np.isfinite(found[1]) & (np.abs(found[1]) < np.finfo(found[1].dtype).max / 4)
            assert np.isfinite(bound[sure]).all()


@pytest.mark.parametrize("name", sorted(UFUNCS - {"identity"}))
def test_functions_of_sparse_rows(name):
    rows = sp.csr_matrix(np.maximum(RANDOM.normal(size=(30, 3)), 0).clip(0, 1))
    for validate, accepted in ((False, False), (True, True), (True, False)):
        model = FunctionTransformer(getattr(np, name), validate=validate, accept_sparse=accepted).fit(rows.toarray())
        expected, found = outcome(model.transform, rows), outcome(run, convert(model), rows, "transform")
        if name in SPARSE_UFUNCS or (validate and not accepted):
            assert found[0] is expected[0]
        else:
            assert found[0] is TypeError  # scikit-learn's fails, or is a product of matrices
        if found[0] is None:
            np.testing.assert_array_equal(dense(found[1]), dense(expected[1]))


def named(values):
    return values + 1


@pytest.mark.parametrize(
    "function",
    [named, partial(np.add, 1), lambda values: values, np.add, np.round, np.nan_to_num, np.frexp],
    ids=["function", "partial", "lambda", "add", "round", "nan_to_num", "frexp"],
)
def test_functions_that_are_no_data_are_refused(function):
    with pytest.raises(UnsupportedModelError, match=r"log1p.*compute the column") as caught:
        convert(FunctionTransformer(function).fit(X))
    assert caught.value.obstacles[0].parameter == "func"


def test_arguments_of_functions_are_refused():
    with pytest.raises(UnsupportedModelError, match="kw_args"):
        convert(FunctionTransformer(np.log1p, kw_args={"where": True}).fit(X))
    convert(FunctionTransformer(np.log1p, kw_args={}).fit(X))


BAD = {
    "NaN": np.full((2, 4), np.nan),
    "infinity": np.full((2, 4), np.inf),
    "negative": -np.ones((2, 4)),
    "too wide": np.zeros((2, 5)),
    "1-d": np.zeros(4),
    "empty": np.zeros((0, 4)),
    "strings": np.full((2, 4), "a"),
    "sparse": sp.csr_matrix(np.eye(4)),
    "far": np.full((2, 4), 1e300),
}
MODELS = {
    "bins": KBinsDiscretizer(3),
    "splines": SplineTransformer(),
    "splines, error": SplineTransformer(extrapolation="error"),
    "splines, error, sparse": SplineTransformer(extrapolation="error", sparse_output=True),
    "splines, 0": SplineTransformer(degree=0),
    "quantiles": QuantileTransformer(n_quantiles=9),
    "powers": PowerTransformer(),
    "Box-Cox": PowerTransformer("box-cox"),
    "function": FunctionTransformer(np.cbrt, validate=True),
}


@pytest.mark.parametrize("bad", BAD)
@pytest.mark.parametrize("name", MODELS)
def test_rows_are_taken_or_refused_alike(name, bad):
    model = MODELS[name].fit(POSITIVE)
    expected, found = outcome(model.transform, BAD[bad]), outcome(run, convert(model), BAD[bad], "transform")
    assert found[0] is expected[0]
    if found[0] is None:
        np.testing.assert_allclose(dense(found[1]), dense(expected[1]), rtol=1e-12)


@pytest.mark.skipif("handle_missing" not in SplineTransformer().get_params(), reason="scikit-learn 1.8 brought it")
@pytest.mark.parametrize("extrapolation", ["constant", "linear", "continue", "periodic", "error"])
@pytest.mark.parametrize("sparse", [False, True])
def test_splines_of_missing_values(extrapolation, sparse):
    rows = X.copy()
    rows[::5, 0] = np.nan
    model = SplineTransformer(extrapolation=extrapolation, sparse_output=sparse, handle_missing="zeros").fit(rows)
    assert_within(model, rows, exact=True)
    rows[3, 1] = np.inf
    expected, found = outcome(model.transform, rows), outcome(run, convert(model), rows, "transform")
    assert found[0] is expected[0]
