"""Ops over tables of any kind: what a reference function could stumble over is refused."""

from __future__ import annotations

import numpy as np
import pytest

from quantcore.artifact.tree import plan_from_tree, plan_to_tree
from quantcore.plan import INPUT, Plan, ops
from quantcore.plan.validate import validate


def index(*columns):
    return np.array(columns, np.uint32)


CODES = ops.Codes(
    columns=index(1, 0), categories=[("x", 1, 2.5, True, None), np.array([1, 2, 2**60])], nan=(True, False), unknown="keep"
)
PLACE = np.array([0, 1, -1, -1, 1, 2, 0, 1, 2, 2, -1], np.int32)
NUMBERS = ops.Numbers(columns=index(2, 1))
# What each op reads stands before it; the op itself is the last.
GOOD = {
    "Numbers": (ops.Numbers(columns=index(2, 0), allow_nan=False, beside=True),),
    "Fill": (
        ops.Fill(columns=index(2, 0), missing=("?",), fill=("x", None)),
        ops.Numbers(inputs=(0,), columns=index(0)),
    ),
    "MissingCells": (ops.MissingCells(columns=index(0, 2), missing=None, complete=1, sparse=True),),
    "Join": (
        NUMBERS,
        ops.Join(inputs=(INPUT, 0), columns=(index(2), index(1, 0)), objects=True),
        ops.Numbers(inputs=(1,), columns=index(2, 0)),
    ),
    "OneHot": (CODES, ops.OneHot(inputs=(0,), ends=(7, 11), place=PLACE, n_outputs=3)),
    "Lookup": (CODES, ops.Lookup(inputs=(0,), ends=(7, 11), values=np.full((11, 2), np.nan))),
    "Cells": (
        NUMBERS,
        ops.Cells(inputs=(0,), ends=(1, 3), edges=np.arange(3.0)),
        ops.OneHot(inputs=(1,), ends=(3, 7), place=np.zeros(7, np.int32), n_outputs=1),
    ),
}
BAD = [
    ("Numbers", 0, {"columns": index(3)}),
    ("Numbers", 0, {"columns": index()}),
    ("Numbers", 0, {"columns": np.array([0])}),
    ("Numbers", 0, {"allow_nan": 1}),
    ("Numbers", 0, {"allow_infinity": None}),
    ("Numbers", 0, {"beside": 0}),
    ("Numbers", 0, {"array": 0}),
    ("Fill", 0, {"missing": (1, 2)}),
    ("Fill", 0, {"missing": "?"}),
    ("Fill", 0, {"missing": (b"?",)}),
    ("Fill", 0, {"fill": ("x",)}),
    ("Fill", 0, {"fill": ("x", [1])}),
    ("Fill", 0, {"fill": ["x", "y"]}),
    ("Fill", 0, {"objects": False}),
    ("Fill", 0, {"objects": None}),
    ("Fill", 0, {"objects": 1}),
    ("Fill", 1, {"inputs": (INPUT,), "columns": index(9)}),
    ("MissingCells", 0, {"complete": 2}),
    ("MissingCells", 0, {"complete": -1}),
    ("MissingCells", 0, {"sparse": "auto"}),
    ("MissingCells", 0, {"missing": ((),)}),
    ("MissingCells", 0, {"dtype": "bool"}),
    ("Join", 1, {"columns": (index(2),)}),
    ("Join", 1, {"columns": (index(2), index(2))}),
    ("Join", 1, {"columns": (index(2), index())}),
    ("Join", 1, {"columns": [index(2), index(1)]}),
    ("Join", 1, {"objects": None}),
    ("Join", 2, {"columns": index(3)}),
    ("Join", 0, {"inputs": (1,)}),
    ("OneHot", 0, {"categories": [("x",)]}),
    ("OneHot", 0, {"categories": [("x", b"y"), ("x",)]}),
    ("OneHot", 0, {"categories": [["x"], ("x",)]}),
    ("OneHot", 0, {"categories": [("x",), np.array([2, 1])]}),
    ("OneHot", 0, {"categories": [("x",), np.array(["1", "2"])]}),
    ("OneHot", 0, {"categories": [("x",), np.array([1.0, np.nan])]}),
    ("OneHot", 0, {"nan": (True,)}),
    ("OneHot", 0, {"nan": (1, 0)}),
    ("OneHot", 0, {"unknown": "ignore"}),
    ("OneHot", 1, {"ends": (7,)}),
    ("OneHot", 1, {"ends": (7, 7)}),
    ("OneHot", 1, {"ends": (7, 12)}),
    ("OneHot", 1, {"place": PLACE.astype(np.int64)}),
    ("OneHot", 1, {"place": np.full(11, 3, np.int32)}),
    ("OneHot", 1, {"place": np.full(11, -2, np.int32)}),
    ("OneHot", 1, {"n_outputs": 0}),
    ("OneHot", 1, {"dtype": "float16"}),
    ("OneHot", 1, {"dense": None}),
    ("OneHot", 1, {"inputs": (INPUT,)}),
    ("Lookup", 1, {"values": np.ones((10, 2))}),
    ("Lookup", 1, {"values": np.ones(11)}),
    ("Lookup", 1, {"values": np.ones((11, 2), np.float16)}),
    ("Cells", 1, {"edges": np.array([0.0, np.nan, 1.0])}),
    ("Cells", 1, {"ends": (2, 1)}),
    ("Cells", 1, {"inputs": (INPUT,)}),
]


def plan_of(chain):
    return Plan(tuple(chain), {"transform": len(chain) - 1}, "table", 3)


def shape(value):
    """What an op holds, to compare."""
    if isinstance(value, np.ndarray):
        return str(value.dtype), value.tolist()
    if isinstance(value, (list, tuple)):
        return type(value).__name__, [shape(v) for v in value]
    return repr(value)


@pytest.mark.parametrize("kind", GOOD)
def test_good(kind):
    plan = plan_of(GOOD[kind])
    validate(plan)
    for op, back in zip(plan.ops, plan_from_tree(plan_to_tree(plan)).ops, strict=True):
        for name, value in vars(op).items():
            assert repr(shape(value)) == repr(shape(getattr(back, name))), name


@pytest.mark.parametrize(("kind", "at", "change"), BAD, ids=lambda v: "-".join(v) if isinstance(v, dict) else str(v))
def test_bad(kind, at, change):
    chain = list(GOOD[kind])
    chain[at] = type(chain[at])(**(vars(chain[at]) | change))
    with pytest.raises(ValueError, match="op "):
        validate(plan_of(chain))


@pytest.mark.parametrize("given", ["matrix", "text"])
def test_a_table_is_needed(given):
    plan = Plan((ops.Numbers(columns=index(0)),), {"transform": 0}, given, 3 if given == "matrix" else None)
    with pytest.raises(ValueError, match="reads a table"):
        validate(plan)
