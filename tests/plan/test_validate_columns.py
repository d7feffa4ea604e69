"""Ops over columns, cells and records: what a hostile file may not say."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from quantcore.plan import Plan
from quantcore.plan.ops import (
    Cells,
    Codes,
    ColumnUfunc,
    HashedFeatures,
    Lookup,
    NamedFeatures,
    Numbers,
    OneHot,
    Power,
    Quantiles,
    Spline,
    Ufunc,
)
from quantcore.plan.validate import validate

EDGES = np.array([0.0, 1.0, 5.0])
PLACE = np.array([0, 1, -1, 2, 3, 4, -1], np.int32)
NAMES = "size", "town=Ro\u0300me", "\U0001f408"
BYTES = [n.encode() for n in NAMES]
OPS = {
    "Cells": Cells(ends=(1, 3), edges=EDGES),
    "Power": Power(method="box-cox", exponents=np.array([0.0, 2.0])),
    "Quantiles": Quantiles(quantiles=np.zeros((3, 2)), references=np.array([0.0, 0.5, 1.0]), clip=(-5.0, 5.0)),
    "Spline": Spline(knots=np.tile(np.arange(9.0), (2, 1)), degree=3),
    "Ufunc": Ufunc(name="log1p"),
    "NamedFeatures": NamedFeatures(
        names=np.frombuffer(b"".join(BYTES), np.uint8), ends=np.cumsum([len(b) for b in BYTES]).astype(np.uint32)
    ),
    "HashedFeatures": HashedFeatures(n_features=8),
}


def plan_of(op, *more):
    records = op.kind in ("NamedFeatures", "HashedFeatures")
    ops = (op, *more) if op.kind != "Cells" or more else (op, OneHot(inputs=(0,), ends=(3, 7), place=PLACE, n_outputs=5))
    given = {"input": "records", "n_features_in": None} if records else {"input": "matrix", "n_features_in": 2}
    return Plan(ops, {"transform": len(ops) - 1}, **given)


@pytest.mark.parametrize("name", OPS)
def test_what_importers_make_is_valid(name):
    validate(plan_of(OPS[name]))


BAD = [
    ("Cells", {"ends": (1,)}),
    ("Cells", {"ends": (2, 1)}),
    ("Cells", {"edges": np.array([0.0, np.nan, 1.0])}),
    ("Cells", {"edges": EDGES.astype(np.float32)}),
    ("Cells", {"dtype": "float16"}),
    ("Power", {"method": "log"}),
    ("Power", {"exponents": np.array([np.inf, 0.0])}),
    ("Power", {"exponents": np.zeros(3)}),
    ("Power", {"dtype": "rows"}),
    ("Quantiles", {"quantiles": np.zeros((3, 3))}),
    ("Quantiles", {"quantiles": np.zeros((2, 2))}),
    ("Quantiles", {"quantiles": np.full((3, 2), np.nan)}),
    ("Quantiles", {"references": np.zeros(0), "quantiles": np.zeros((0, 2))}),
    ("Quantiles", {"references": np.array([0.0, 0.0, 1.0])}),
    ("Quantiles", {"references": np.array([0.0, 0.5, 2.0])}),
    ("Quantiles", {"clip": (1.0, 1.0)}),
    ("Quantiles", {"clip": (-np.inf, 1.0)}),
    ("Quantiles", {"negative": 1}),
    ("Spline", {"knots": np.arange(9.0)[None]}),
    ("Spline", {"knots": np.tile(np.arange(7.0), (2, 1))}),
    ("Spline", {"knots": np.tile(np.arange(9.0)[::-1], (2, 1))}),
    ("Spline", {"degree": -1}),
    ("Spline", {"degree": 100}),
    ("Spline", {"degree": True}),
    ("Spline", {"extrapolation": "none"}),
    ("Spline", {"sparse": 0}),
    ("Spline", {"extrapolation": "periodic", "degree": 3, "knots": np.tile(np.arange(8.0), (2, 1)), "bias": False}),
    ("Ufunc", {"name": "load"}),
    ("Ufunc", {"name": "save"}),
    ("Ufunc", {"name": ["log"]}),
    ("Ufunc", {"finite": None}),
    ("NamedFeatures", {"ends": np.array([1, 2], np.uint32)}),
    ("NamedFeatures", {"ends": np.zeros(0, np.uint32)}),
    ("NamedFeatures", {"ends": np.array([5, 4, sum(map(len, BYTES))], np.uint32)}),
    ("NamedFeatures", {"ends": np.array([4, 12, sum(map(len, BYTES))], np.uint32)}),
    ("NamedFeatures", {"names": np.frombuffer(b"aabb", np.uint8), "ends": np.array([1, 2, 4], np.uint32)}),
    ("NamedFeatures", {"separator": None}),
    ("NamedFeatures", {"dense": 1}),
    ("NamedFeatures", {"dtype": "int64"}),
    ("HashedFeatures", {"n_features": 0}),
    ("HashedFeatures", {"n_features": 2**31}),
    ("HashedFeatures", {"source": "text"}),
    ("HashedFeatures", {"alternate_sign": "yes"}),
]


@pytest.mark.parametrize(("name", "changes"), BAD, ids=lambda v: v if isinstance(v, str) else ", ".join(v))
def test_what_a_file_may_not_say(name, changes):
    with pytest.raises(ValueError, match=rf"^op 0 \({name}\)"):
        validate(plan_of(replace(OPS[name], **changes)))


def coded(n):
    """Codes of so many categories, and one of NaN."""
    categories = [tuple("abc"[:n])]
    return Codes(columns=np.array([0], np.uint32), categories=categories, nan=(True,), unknown="keep")


def test_ops_read_what_they_can():
    for plan in (
        replace(plan_of(OPS["NamedFeatures"]), input="matrix", n_features_in=2),
        replace(plan_of(OPS["Ufunc"]), input="records", n_features_in=None),
        replace(plan_of(OPS["HashedFeatures"]), n_features_in=3),
        plan_of(OPS["Ufunc"], replace(OPS["HashedFeatures"], inputs=(0,))),
        plan_of(OPS["Cells"], Ufunc(inputs=(0,), name="sin")),
        plan_of(OPS["Cells"], OneHot(inputs=(0,), ends=(3, 7), place=PLACE, n_outputs=5, dtype="float16")),
        plan_of(OPS["Cells"], OneHot(inputs=(0,), ends=(3, 7), place=PLACE, n_outputs=5, dense=1)),
        plan_of(OPS["Cells"], Lookup(inputs=(0,), ends=(3, 7), values=np.zeros((7, 1)), rows=1)),
        plan_of(OPS["Cells"], Lookup(inputs=(0,), ends=(1, 7), values=np.zeros((7, 1)))),
        plan_of(OPS["Cells"], OneHot(inputs=(0,), ends=(3, 5), place=PLACE[:5], n_outputs=5)),
        Plan((coded(2), Lookup(inputs=(0,), ends=(2,), values=np.zeros((2, 1)))), {"transform": 1}, "table", 2),
        Plan((ColumnUfunc(columns=np.array([0], np.uint32), name="log"),), {"transform": 0}, "table", 2),
        Plan(
            (ColumnUfunc(columns=np.array([2], np.uint32), name="log"), Numbers(inputs=(0,), columns=np.array([0], np.uint32))),
            {"transform": 1},
            "table",
            2,
        ),
    ):
        with pytest.raises(ValueError):
            validate(plan)
    validate(Plan((coded(2), Lookup(inputs=(0,), ends=(3,), values=np.zeros((3, 1)))), {"transform": 1}, "table", 2))
    function = ColumnUfunc(columns=np.array([1], np.uint32), name="log")
    numbers = Numbers(inputs=(0,), columns=np.array([0, 1], np.uint32))
    validate(Plan((function, numbers), {"transform": 1}, "table", 2))
