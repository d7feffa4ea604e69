"""Pipelines over tables: a ColumnTransformer in front of a model, from data frames, dicts and object arrays."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.compose import ColumnTransformer
from sklearn.ensemble import RandomForestClassifier
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, OrdinalEncoder, StandardScaler

import quantcore as qc

pandas = pytest.importorskip("pandas", reason="data frames of pandas are tested with it")

NUMBERS, WORDS = ["age", "hours"], ["job", "town"]


def frame(seed: int, n_rows: int = 400):
    random = np.random.default_rng(seed)
    found = {
        "age": random.integers(17, 90, n_rows).astype(float),
        "job": random.choice(["clerk", "smith", "cook", None], n_rows),
        "hours": random.normal(40, 12, n_rows),
        "town": random.choice(["Rome", "Oslo", "Kyiv", "Lima", "Cork"], n_rows),
    }
    found["age"][::7] = np.nan
    return pandas.DataFrame(found)


def fitted(encoder, model):
    numbers = make_pipeline(SimpleImputer(strategy="median"), StandardScaler())
    columns = ColumnTransformer([("numbers", numbers, NUMBERS), ("words", encoder, WORDS)])
    X = frame(1)
    return make_pipeline(columns, model).fit(X, (X["hours"] > 40) ^ (X["job"] == "cook"))


@pytest.mark.parametrize("model", [LogisticRegression(), RandomForestClassifier(10, random_state=0)], ids=["linear", "trees"])
@pytest.mark.parametrize(
    "encoder",
    [
        OneHotEncoder(handle_unknown="ignore"),
        OrdinalEncoder(handle_unknown="use_encoded_value", unknown_value=-1, encoded_missing_value=-2),
    ],
    ids=["one-hot", "ordinal"],
)
def test_labels_are_the_source_s_from_every_form_of_table(encoder, model):
    source = fitted(encoder, model)
    served = qc.quantize(source)
    X = frame(2)
    X.loc[3, "town"] = "Unknown"
    expected = source.predict(X)
    np.testing.assert_array_equal(served.predict(X), expected)
    np.testing.assert_array_equal(served.predict(X.to_dict("records")), expected)
    np.testing.assert_array_equal(served.predict({name: X[name].tolist() for name in X}), expected)
    np.testing.assert_array_equal(served.predict(X.to_numpy(object)), expected)
    assert served.predict_certified(X).certified.mean() > 0.99
