"""Hostile ops of tree ensembles: refused by name, and what passes can be walked."""

from __future__ import annotations

import tracemalloc
from dataclasses import replace

import numpy as np
import pytest

from quantcore.artifact import decode, encode
from quantcore.errors import ArtifactError
from quantcore.plan import Plan
from quantcore.plan.ops import ArgMax, LeafMedian, LeafNumbers, LeafOneHot, LeafSum, Predictions, Trees
from quantcore.plan.validate import validate
from quantcore.runtime import Executor

# Two trees: a split over a split, and a split on categories; then a single leaf.
TREES = Trees(
    leaf=np.array([False, False, True, True, True, False, True, True, True]),
    split=np.array([0, 2, 3], np.uint32),
    feature=np.array([0, 0, 2], np.uint32),
    missing=np.array([0, 1, 3], np.uint8),
    ends=np.array([1, 2, 3], np.uint32),
    threshold=np.array([0.5, -1.0, 2.0]),
    category_feature=np.array([1], np.uint32),
    category_ends=np.array([3], np.uint32),
    category_values=np.array([0.0, 2.0, 7.0]),
    set_feature=np.array([0], np.uint32),
    set_sides=np.array([2], np.uint8),
    members=np.array([True, False, True]),
    allow_nan=True,
)
SUM = LeafSum(
    inputs=(0,),
    values=np.arange(12.0).reshape(6, 2),
    index=np.array([0, 1, 2, 3, 4, 5], np.uint32),
    output=None,
    base=np.zeros(2),
)
MEDIAN = LeafMedian(inputs=(0,), values=np.arange(6.0), index=None, weights=np.ones(3))
NUMBERS = LeafNumbers(inputs=(0,), numbers=np.arange(6, dtype=np.uint32), shape=(3,))
ONE_HOT = LeafOneHot(inputs=(0,), n_columns=6, column=np.array([1, 0, 2, 4, 3, 5], np.uint32))


def plan(trees=TREES, leaves=SUM):
    last = {
        "LeafSum": ArgMax(inputs=(1,), classes=np.arange(2)),
        "LeafMedian": Predictions(inputs=(1,), flat=True),
    }.get(leaves.kind)
    method = {"LeafNumbers": "apply", "LeafOneHot": "transform"}.get(leaves.kind, "predict")
    found = (trees, leaves) if last is None else (trees, leaves, last)
    return Plan(found, {method: len(found) - 1}, "matrix", n_features_in=3)


@pytest.mark.parametrize("leaves", [SUM, MEDIAN, NUMBERS, ONE_HOT], ids=lambda op: op.kind)
def test_whole_ones_pass(leaves):
    given = plan(leaves=leaves)
    validate(given)
    assert decode(encode(given, {})).plan.ops[0].n_trees == 3


def u32(*values):
    return np.array(values, np.uint32)


BAD_TREES = [
    ({"leaf": np.array([False, True, True, True, False])}, "leaf"),
    ({"leaf": np.array([True, False, True])}, "leaf"),
    ({"leaf": np.array([False] * 9)}, "leaf"),
    ({"leaf": np.zeros(0, bool)}, "nodes"),
    ({"leaf": TREES.leaf.astype(np.uint8)}, "leaf"),
    ({"leaf": TREES.leaf[None]}, "leaf"),
    ({"split": u32(0, 2, 4)}, "split"),
    ({"split": u32(0, 2)}, "split"),
    ({"split": np.array([0, 2, 3])}, "split"),
    ({"feature": u32(0, 0, 3)}, "feature"),
    ({"feature": u32(0, 2, 0)}, "ascend"),
    ({"feature": u32(0, 0)}, "missing|feature"),
    ({"missing": np.array([0, 0, 3], np.uint8)}, "ascend"),
    ({"missing": np.array([0, 1, 4], np.uint8)}, "missing"),
    ({"ends": u32(1, 1, 3)}, "ends"),
    ({"ends": u32(2, 1, 3)}, "ends"),
    ({"ends": u32(1, 2, 9)}, "ends"),
    ({"ends": u32(1, 2)}, "ends"),
    ({"threshold": np.array([0.5, np.nan, 2.0])}, "NaN"),
    ({"threshold": np.array([0.5, -0.0, 2.0])}, "-0.0"),
    ({"threshold": np.array([1, 2, 3])}, "threshold"),
    ({"threshold": np.array([0.5, -1.0])}, "threshold"),
    ({"ends": u32(1, 3, 4), "threshold": np.array([0.5, 2.0, 2.0, 1.0])}, "ascend"),
    ({"category_feature": u32(3)}, "categorical feature"),
    ({"category_feature": None}, "together"),
    ({"category_ends": u32(2)}, "category_values"),
    ({"category_ends": u32(0)}, "category_ends"),
    ({"category_values": np.array([0.0, 2.0, 2.0])}, "categories"),
    ({"category_values": np.array([0.0, 2.0, np.inf])}, "category_values"),
    ({"set_feature": u32(1)}, "set_feature"),
    ({"set_feature": u32()}, "set_feature"),
    ({"category_feature": u32(1, 2), "category_ends": u32(2, 3)}, "without a set"),
    ({"set_sides": np.array([4], np.uint8)}, "set_sides"),
    ({"set_sides": np.zeros(2, np.uint8)}, "set_sides"),
    ({"members": np.array([True, False])}, "members"),
    ({"category": "other"}, "category"),
    ({"sparse": "other"}, "sparse"),
    ({"allow_nan": 1}, "allow_nan"),
    ({"absent": np.nan}, "absent"),
    ({"inputs": (0,)}, "inputs"),
]
BAD_LEAVES = [
    (SUM, {"values": np.zeros((0, 2)), "index": u32(0, 0, 0, 0, 0, 0)}, "index"),
    (SUM, {"values": np.zeros((6, 0))}, "values"),
    (SUM, {"values": np.zeros((6, 3))}, "values"),
    (SUM, {"values": np.full((6, 2), np.nan)}, "values"),
    (SUM, {"values": np.zeros((6, 2), np.int64)}, "values"),
    (SUM, {"values": np.zeros((5, 2)), "index": None}, "values"),
    (SUM, {"index": u32(0, 1, 2, 3, 4, 6)}, "index"),
    (SUM, {"index": u32(0, 1)}, "index"),
    (SUM, {"output": u32(0, 0, 1)}, "output"),
    (SUM, {"output": u32(0, 0)}, "output"),
    (SUM, {"base": np.zeros(0)}, "outputs"),
    (SUM, {"base": np.array([np.inf, 0.0])}, "base"),
    (SUM, {"divisor": 0.0}, "divisor"),
    (SUM, {"divisor": float("nan")}, "divisor"),
    (SUM, {"ordered": None}, "ordered"),
    (SUM, {"approximate": 1}, "approximate"),
    (SUM, {"inputs": (-1,)}, "Trees"),
    (MEDIAN, {"weights": np.ones(2)}, "weights"),
    (MEDIAN, {"values": np.ones(5)}, "values"),
    (NUMBERS, {"shape": (2,)}, "shape"),
    (NUMBERS, {"shape": (-1, -3)}, "shape"),
    (NUMBERS, {"shape": (1, 1, 3)}, "shape"),
    (NUMBERS, {"numbers": u32(1)}, "numbers"),
    (NUMBERS, {"dtype": "int8"}, "dtype"),
    (ONE_HOT, {"n_columns": 7}, "n_columns"),
    (ONE_HOT, {"column": u32(0, 1, 2, 3, 4, 3)}, "column"),
    (ONE_HOT, {"column": u32(1, 0, 3, 2, 4, 5)}, "column"),
    (ONE_HOT, {"dense": 2}, "dense"),
]


@pytest.mark.parametrize(("change", "message"), BAD_TREES, ids=range(len(BAD_TREES)))
def test_broken_trees(change, message):
    with pytest.raises(ValueError, match=message):
        validate(plan(replace(TREES, **change)))


@pytest.mark.parametrize(("op", "change", "message"), BAD_LEAVES, ids=range(len(BAD_LEAVES)))
def test_broken_leaves(op, change, message):
    with pytest.raises(ValueError, match=message):
        validate(plan(leaves=replace(op, **change)))


def test_only_matching_methods():
    for leaves, method in ((SUM, "predict"), (SUM, "apply"), (NUMBERS, "transform"), (ONE_HOT, "predict_proba")):
        with pytest.raises(ValueError, match=method):
            validate(Plan((TREES, leaves), {method: 1}, "matrix", n_features_in=3))
    with pytest.raises(ValueError, match="apply"):
        validate(Plan((TREES,), {"apply": 0}, "matrix", n_features_in=3))
    with pytest.raises(ValueError, match="leaves"):
        validate(Plan((TREES, ArgMax(inputs=(0,), classes=np.arange(3))), {"predict": 1}, "matrix", n_features_in=3))


def test_random_changes_are_refused_or_walked():
    """Numbers of an op changed at random: ArtifactError, or a Plan that both paths walk alike."""
    random = np.random.default_rng(0)
    rows = random.normal(size=(20, 3)) * 3
    rows[random.random(rows.shape) < 0.1] = np.nan
    names = [
        "leaf",
        "split",
        "feature",
        "missing",
        "ends",
        "threshold",
        "category_ends",
        "category_values",
        "set_sides",
        "members",
    ]
    passed = 0
    for _ in range(400):
        name = str(random.choice(names))
        array = getattr(TREES, name).copy()
        array[random.integers(0, len(array))] = random.choice([0, 1, 2, 3, 5])
        given = plan(replace(TREES, **{name: array}))
        try:
            found = decode(encode(given, {})).plan
        except (ValueError, ArtifactError):
            continue
        passed += 1
        rows_ = np.where(np.isfinite(rows), rows, 1.0) if random.random() < 0.5 else rows
        np.testing.assert_array_equal(Executor(found).run("predict", rows_), Executor(found, native=False).run("predict", rows_))
    assert passed > 30


def test_validation_needs_little_memory():
    """Less than what a reader may allocate: twice the decoded sizes, and 1 MiB."""
    n = 1 << 20
    trees = Trees(
        leaf=np.ones(n, bool), split=u32(), feature=u32(), missing=np.zeros(0, np.uint8), ends=u32(), threshold=np.zeros(0)
    )
    comb = replace(TREES, split=np.zeros(n - 1, np.uint32))
    comb = replace(comb, leaf=np.concatenate([np.tile([False, True], n - 1), [True]]))
    for op in (trees, comb):
        given = Plan((op, LeafOneHot(inputs=(0,), n_columns=n)), {"transform": 1}, "matrix", n_features_in=3)
        size = sum(a.nbytes for a in vars(op).values() if isinstance(a, np.ndarray))
        tracemalloc.start()
        validate(given)
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        assert peak < size + (1 << 20), (peak, size)
