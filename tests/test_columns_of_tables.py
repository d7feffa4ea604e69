"""Transformers of numbers over columns of data frames, beside categories: values and labels of every form of table."""

from __future__ import annotations

import warnings

import numpy as np
import pytest
from sklearn.compose import ColumnTransformer
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import (
    Binarizer,
    FunctionTransformer,
    KBinsDiscretizer,
    MinMaxScaler,
    Normalizer,
    OneHotEncoder,
    PolynomialFeatures,
    PowerTransformer,
    QuantileTransformer,
    SplineTransformer,
    StandardScaler,
)

import quantcore as qc
from quantcore.importers import convert
from quantcore.reference import run

pandas = pytest.importorskip("pandas", reason="data frames of pandas are tested with it")

NUMBERS = ["size", "count", "price"]


def frame(seed: int, n_rows: int = 300):
    random = np.random.default_rng(seed)
    return pandas.DataFrame(
        {
            "size": random.normal(size=n_rows),
            "town": random.choice(["Rome", "Oslo", "Kyiv"], n_rows),
            "count": random.integers(0, 50, n_rows),
            "price": random.lognormal(size=n_rows).astype(np.float32),
            "small": random.integers(-9, 9, n_rows).astype(np.int8),
        }
    )


STEPS = {
    "bins": KBinsDiscretizer(5),
    "bins, ordinal": KBinsDiscretizer(5, encode="ordinal"),
    "splines": SplineTransformer(extrapolation="linear"),
    "splines, sparse": SplineTransformer(sparse_output=True),
    "uniform": QuantileTransformer(n_quantiles=30),
    "normal": QuantileTransformer(n_quantiles=30, output_distribution="normal"),
    "powers": PowerTransformer(),
    "normed": Normalizer(),
    "products": PolynomialFeatures(2),
    "binary": Binarizer(threshold=0.5),
    "arctangents": FunctionTransformer(np.arctan),
    "squares": FunctionTransformer(np.square),
    "checked": FunctionTransformer(np.cbrt, validate=True),
    "nothing": FunctionTransformer(),
    "functions in a row": make_pipeline(FunctionTransformer(np.abs), FunctionTransformer(np.log1p), StandardScaler()),
    "a function behind a scaler": make_pipeline(MinMaxScaler(clip=True), FunctionTransformer(np.sqrt)),
}
Y = np.random.default_rng(0).random(300)


@pytest.fixture(autouse=True)
def quiet():
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


def columns(name, threshold=0.3):
    steps = [("numbers", STEPS[name], NUMBERS), ("words", OneHotEncoder(handle_unknown="ignore"), ["town"])]
    return ColumnTransformer([*steps, ("small", "passthrough", ["small"])], sparse_threshold=threshold)


@pytest.mark.parametrize("name", STEPS)
def test_values(name):
    model = columns(name, threshold=0).fit(frame(1))
    rows = frame(2)
    found = run(convert(model), rows, "transform")
    np.testing.assert_allclose(found, model.transform(rows), rtol=2e-6 if name == "normed" else 1e-14, atol=1e-15)


@pytest.mark.parametrize("name", ["arctangents", "squares", "checked"])
def test_functions_of_small_dtypes(name):
    """Each column in its own: half precision for 8 bits, and whole numbers stay whole."""
    for column in ("small", "price", "count"):
        model = ColumnTransformer([("f", STEPS[name], [column])]).fit(frame(1))
        rows = frame(2)
        np.testing.assert_array_equal(run(convert(model), rows, "transform"), model.transform(rows))


@pytest.mark.parametrize("threshold", [0.0, 1.0])
@pytest.mark.parametrize(
    "last", [LogisticRegression(max_iter=300), RandomForestClassifier(9, random_state=0)], ids=["linear", "trees"]
)
@pytest.mark.parametrize("name", STEPS)
def test_labels(name, last, threshold):
    X = frame(1)
    model = make_pipeline(columns(name, threshold), last).fit(X, X["size"] + np.log(X["price"]) > 0)
    found = qc.quantize(model, X)
    rows = frame(3)
    rows.loc[5, "town"] = "Unknown"
    labels, sure = found.predict_certified(rows)
    expected = model.predict(rows)
    np.testing.assert_array_equal(labels[sure], expected[sure])
    assert sure.mean() > 0.97 and (labels == expected).mean() > 0.995
    np.testing.assert_array_equal(found.predict(rows[rows.columns[::-1]]), labels)


def test_functions_of_columns_of_several_dtypes_need_a_table():
    """A matrix has one dtype: NumPy's functions have no longer the columns' own."""
    X = frame(1)[NUMBERS]
    model = make_pipeline(FunctionTransformer(np.arctan), LogisticRegression()).fit(X, X["size"] > 0)
    found = qc.quantize(model)
    with pytest.raises(TypeError, match="astype"):
        found.predict(X)
    rows = X.astype(float)
    np.testing.assert_array_equal(found.predict(rows), model.predict(rows))
