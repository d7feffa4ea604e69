"""Ops over tables: what a reference function could stumble over is refused."""

from __future__ import annotations

import numpy as np
import pytest

from quantcore.plan import Plan, ops
from quantcore.plan.validate import validate
from quantcore.plan.validate_matrix import n_products

ONES = np.ones(3)
GOOD = {
    "Affine": {"shift": ONES, "scale": ONES},
    "Columns": {"index": np.array([0, 2], np.uint32)},
    "Impute": {"missing": None, "fill": ONES},
    "Missing": {"missing": -1.0, "index": np.array([1], np.uint32)},
    "RowNorm": {"norm": "l2"},
    "Polynomial": {"least": 0, "most": 2, "interaction_only": False, "bias": True},
    "Project": {"weight": np.ones((3, 2)), "shift": ONES},
    "Quadratic": {"center": np.ones((2, 3)), "variance": np.ones((2, 3)), "prior": np.ones(2), "offset": np.ones(2)},
}
BAD = [
    ("Affine", {"shift": np.ones(4)}),
    ("Affine", {"scale": np.array([1.0, 0.0, 1.0])}),
    ("Affine", {"scale": np.array([1.0, np.nan, 1.0])}),
    ("Affine", {"clip": (1.0, -1.0)}),
    ("Affine", {"clip": (0.0, np.inf)}),
    ("Affine", {"product": True}),
    ("Affine", {"product": 1}),
    ("Affine", {"sparse": "dense"}),
    ("Affine", {"cast": None}),
    ("Columns", {"index": np.array([2, 0], np.uint32)}),
    ("Columns", {"index": np.array([1, 1], np.uint32)}),
    ("Columns", {"index": np.array([3], np.uint32)}),
    ("Columns", {"index": np.zeros(0, np.uint32)}),
    ("Columns", {"index": np.array([0], np.int64)}),
    ("Columns", {"allow_nan": 0}),
    ("Impute", {"missing": np.nan}),
    ("Impute", {"missing": "NaN"}),
    ("Impute", {"fill": np.ones(2)}),
    ("Missing", {"index": np.array([5], np.uint32)}),
    ("RowNorm", {"norm": "l3"}),
    ("Polynomial", {"least": 3}),
    ("Polynomial", {"most": -1, "least": -1}),
    ("Polynomial", {"most": 10**6}),
    ("Polynomial", {"most": 0, "bias": False}),
    ("Polynomial", {"bias": 1}),
    ("Project", {"weight": np.ones((2, 2))}),
    ("Project", {"weight": np.ones((3, 0))}),
    ("Project", {"shift": np.ones(2)}),
    ("Project", {"dtype": "float16"}),
    ("Quadratic", {"variance": np.zeros((2, 3))}),
    ("Quadratic", {"center": np.ones((3, 2))}),
    ("Quadratic", {"prior": np.ones(0)}),
]


def plan_of(kind, fields):
    op = ops.OPS[kind](**fields)
    method = "decision_function" if kind == "Quadratic" else "transform"
    return Plan((op,), {method: 0}, "matrix", 3)


@pytest.mark.parametrize("kind", GOOD)
def test_good(kind):
    validate(plan_of(kind, GOOD[kind]))


@pytest.mark.parametrize(("kind", "change"), BAD, ids=lambda v: v if isinstance(v, str) else "-".join(v))
def test_bad(kind, change):
    with pytest.raises(ValueError, match=f"op 0 \\({kind}\\)"):
        validate(plan_of(kind, GOOD[kind] | change))


def test_numbers_of_products():
    assert n_products(3, 0, 2, False, True) == 10
    assert n_products(3, 2, 3, True, False) == 4
    with pytest.raises(ValueError, match="columns"):
        validate(Plan((ops.Polynomial(least=0, most=4, interaction_only=False, bias=True),), {"transform": 0}, "matrix", 500))


def test_what_reads_what():
    linear = ops.Linear(weight=np.ones((3, 1)), bias=np.zeros(1))
    threshold = ops.Threshold(inputs=(0,), classes=np.array([0, 1]))
    numbers = ops.Predictions(inputs=(0,), flat=True)
    validate(Plan((linear, numbers), {"predict": 1}, "matrix", 3))
    validate(Plan((linear, threshold, ops.Stack(inputs=(1, 1))), {"predict": 2}, "matrix", 3, [np.array([0, 1])] * 2))
    validate(Plan((linear, ops.Several(inputs=(0,))), {"predict_proba": 1}, "matrix", 3))
    wide = ops.Linear(weight=np.ones((3, 2)), bias=np.zeros(2))
    for broken, outputs in [
        ((linear,), {"predict": 0}),
        ((linear, ops.Stack(inputs=(0,))), {"predict": 1}),
        ((linear, numbers, ops.Stack(inputs=(1,))), {"predict": 2}),
        ((wide, numbers), {"predict": 1}),
        ((linear, ops.Difference(inputs=(0,))), {"decision_function": 1}),
        ((linear, ops.Several(inputs=(0,))), {"decision_function": 1}),
        ((linear, ops.Several(inputs=(0,)), ops.Exp(inputs=(1,))), {"predict_proba": 2}),
        ((ops.Exp(),), {"decision_function": 0}),
    ]:
        with pytest.raises(ValueError):
            validate(Plan(broken, outputs, "matrix", 3))
