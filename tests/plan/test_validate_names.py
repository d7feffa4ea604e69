"""Names of a table's columns, what goes in and what comes out: all that a reader relies on is checked."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from quantcore.plan import Plan
from quantcore.plan.ops import Codes, Concat, Linear, Lookup, Numbers, Predictions
from quantcore.plan.validate import validate

OPS = (
    Codes(columns=np.array([1], np.uint32), categories=[("x", "y")], nan=(True,), unknown="keep"),
    Lookup(inputs=(0,), ends=(4,), values=np.arange(8.0).reshape(4, 2)),
    Numbers(columns=np.array([0, 2], np.uint32)),
    Concat(inputs=(1, 2), weights=(1.0, 1.0), sparse=False),
)
TABLE = Plan(
    OPS,
    {"transform": 3},
    "table",
    n_features_in=3,
    feature_names_in=("a", "b", "c"),
    by_name=True,
    feature_names_out=("b_0", "b_1", "a", "c"),
)


def test_a_valid_plan():
    validate(TABLE)
    validate(replace(TABLE, by_name=False, feature_names_in=None))
    validate(replace(TABLE, feature_names_out=None))


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"by_name": 1}, "by_name"),
        ({"by_name": None}, "by_name"),
        ({"feature_names_in": None}, "where the source has names"),
        ({"feature_names_in": ("a", "b")}, "2 feature names for 3"),
        ({"feature_names_in": ("a", "b", 3)}, "strings"),
        ({"feature_names_in": ["a", "b", "c"]}, "tuple"),
        ({"n_features_in": (1 << 20) + 1, "feature_names_in": None, "by_name": False}, "a table of 1048577 columns"),
        ({"feature_names_out": ("a", "b", "c")}, "3 names for what transform gives: 4"),
        ({"feature_names_out": ["b_0", "b_1", "a", "c"]}, "tuple"),
        ({"feature_names_out": ("b_0", "b_1", "a", 4)}, "strings"),
        ({"ops": OPS[:3], "outputs": {"transform": 1}}, "gives: 2 columns"),
    ],
)
def test_what_is_refused(changes, words):
    with pytest.raises(ValueError, match=words):
        validate(replace(TABLE, **changes))


def test_a_matrix_is_not_read_by_name():
    matrix = Plan(
        (Concat(inputs=(-1,), weights=(1.0,)),), {"transform": 0}, "matrix", n_features_in=2, feature_names_in=("a", "b")
    )
    validate(matrix)
    with pytest.raises(ValueError, match="found by name"):
        validate(replace(matrix, by_name=True))


def test_names_out_without_a_transform():
    linear = Linear(inputs=(3,), weight=np.ones((4, 1)), bias=np.zeros(1))
    predictions = Predictions(inputs=(4,), flat=True)
    with pytest.raises(ValueError, match="gives: None"):
        validate(replace(TABLE, ops=(*OPS, linear, predictions), outputs={"predict": 5}))
