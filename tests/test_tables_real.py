"""Real tables: a ColumnTransformer that imputes, scales and encodes, in front of a model. On every row of the set, and on rows
drawn from its columns with values mixed, missing and unknown: certified labels are the source's, of exact models all labels."""

from __future__ import annotations

import warnings

import numpy as np
import pytest
from sklearn.compose import ColumnTransformer, make_column_selector
from sklearn.ensemble import (
    HistGradientBoostingClassifier,
    HistGradientBoostingRegressor,
    RandomForestClassifier,
    RandomForestRegressor,
)
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression, Ridge, RidgeClassifier, SGDClassifier
from sklearn.naive_bayes import MultinomialNB
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import MinMaxScaler, OneHotEncoder, OrdinalEncoder, StandardScaler, TargetEncoder
from sklearn.svm import LinearSVC

import quantcore as qc
from quantcore.importers import convert
from quantcore.passes.convert import Options, optimize
from quantcore.runtime.execute import Executor

pandas = pytest.importorskip("pandas", reason="data frames of pandas are tested with it")

NAMES = ("adult", "credit_g", "california_housing")
ENCODERS = {
    "one-hot": OneHotEncoder(handle_unknown="ignore"),
    "rare": OneHotEncoder(handle_unknown="infrequent_if_exist", min_frequency=20, drop="first", sparse_output=False),
    "ordinal": OrdinalEncoder(handle_unknown="use_encoded_value", unknown_value=-1, encoded_missing_value=-2, min_frequency=10),
    "target": TargetEncoder(),
}
CLASSIFIERS = {
    "logistic": LogisticRegression(max_iter=200),
    "ridge": RidgeClassifier(),
    "SVC": LinearSVC(),
    "SGD": SGDClassifier(random_state=0),
    "naive Bayes": MultinomialNB(),
    "boosting": HistGradientBoostingClassifier(max_iter=20),
    "forest": RandomForestClassifier(10, max_depth=9, random_state=0),
}
REGRESSORS = {
    "ridge": Ridge(),
    "boosting": HistGradientBoostingRegressor(max_iter=20),
    "forest": RandomForestRegressor(10, max_depth=9, random_state=0),
}
PAIRS = [
    (name, encoder, model)
    for name in NAMES
    for encoder in ENCODERS
    for model in (REGRESSORS if name == "california_housing" else CLASSIFIERS)
    if model != "naive Bayes" or encoder != "ordinal"  # which would be negative
]


@pytest.fixture(scope="module")
def sets(data_dir):
    found = {}
    for name in NAMES:
        frame = pandas.read_csv(data_dir / f"{name}.csv.gz")
        train = (frame.pop("split") == "train").to_numpy()
        found[name] = frame, frame.pop("target"), train
    return found


def drawn(frame, n_rows, seed=0):
    """Each column by itself: its values, some changed or of another size, some missing, some that it never held."""
    random = np.random.default_rng(seed)
    found = {}
    for name, column in frame.items():
        values = column.to_numpy()[random.integers(0, len(frame), n_rows)]
        missing, strange = random.random((2, n_rows)) < 0.04
        if column.dtype.kind in "if":
            values = np.where(strange, values * random.normal(size=n_rows) * 3.0, values.astype(float))
            values[missing] = np.nan
            found[name] = values
        else:
            values = values.astype(object)
            values[strange] = random.choice(["", "Unknown", "?", "unbekannt \N{SNOWMAN}", " Private"], int(strange.sum()))
            values[missing] = np.nan
            found[name] = pandas.Series(values, dtype=column.dtype)
    return pandas.DataFrame(found)


def fitted(frame, y, encoder, model):
    known = CLASSIFIERS if y.dtype.kind != "f" else REGRESSORS
    scaler = MinMaxScaler(clip=True) if model == "naive Bayes" else StandardScaler()
    words = (
        ENCODERS[encoder] if encoder == "ordinal" else make_pipeline(SimpleImputer(strategy="most_frequent"), ENCODERS[encoder])
    )
    if encoder == "target":
        words.set_params(targetencoder__target_type="continuous" if known is REGRESSORS else "binary")
    columns = ColumnTransformer(
        [
            ("numbers", make_pipeline(SimpleImputer(strategy="median"), scaler), make_column_selector(dtype_include=np.number)),
            ("words", words, make_column_selector(dtype_exclude=np.number)),
        ],
        sparse_threshold=0.0 if model == "boosting" else 0.3,
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # what does not converge is a model as well
        return make_pipeline(columns, known[model]).fit(frame, y)


def check(sets, name, encoder, model, n_rows, most=None):
    frame, y, train = (part[:most] for part in sets[name])
    source = fitted(frame[train], y[train], encoder, model)
    served, exact = qc.quantize(source), qc.quantize(source, guarantee="exact")
    for rows in (frame, drawn(frame, n_rows)):
        expected = source.predict(rows)
        if name == "california_housing":
            found = served.predict(rows)
            if model == "ridge":
                bound = Executor(optimize(convert(source), Options())).bound("predict", rows)
                np.testing.assert_allclose(found, expected, rtol=0, atol=bound)
            else:
                np.testing.assert_array_equal(found, expected)
        else:
            labels, certified = served.predict_certified(rows)
            np.testing.assert_array_equal(labels[certified], expected[certified])
            assert certified.mean() > 0.999
            np.testing.assert_array_equal(exact.predict(rows), expected)


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize(("name", "encoder", "model"), PAIRS)
def test_labels(sets, name, encoder, model):
    check(sets, name, encoder, model, 2000, most=4000)


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize(("name", "encoder", "model"), PAIRS)
def test_labels_of_100000_rows(sets, name, encoder, model):
    check(sets, name, encoder, model, 100_000)
