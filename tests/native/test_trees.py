"""The walk finds the reference's leaves, and sums have the reference's bits."""

import numpy as np
import pytest

from quantcore.plan.ops import LeafSum, Trees
from quantcore.reference.trees import leaf_sum, trees

DTYPES = (np.float32, np.float64)
SPECIAL = [0.0, -0.0, np.inf, -np.inf, np.nan, 1e-45, -1e-45, 1e-35, -1e-35, 1e-38, 3.4e38, -3.4e38]


def random_flags(random, n_trees, largest):
    """Trees of any shape, in preorder."""
    flags = []
    for _ in range(n_trees):
        waiting, budget = 1, int(random.integers(0, largest))
        while waiting:
            leaf = budget == 0 or random.random() < 0.35
            flags.append(leaf)
            budget -= not leaf
            waiting += -1 if leaf else 1
    return np.array(flags)


def random_trees(random, dtype, n_trees=9, largest=40, n_features=5, categories=True):
    leaf = random_flags(random, n_trees, largest)
    keys = [(f, m) for f in range(n_features) for m in range(4) if random.random() < 0.7]
    feature, missing = (np.array([key[k] for key in keys], kind) for k, kind in ((0, np.uint32), (1, np.uint8)))
    pool = [0.0, np.inf, -np.inf, 1e-45, 1e-35, float(np.float32(1e-35)), 3.4e38, *random.normal(size=30)]
    parts = [np.unique(np.array(random.choice(pool, random.integers(1, 12)), dtype)) + dtype(0) for _ in keys]
    threshold = np.concatenate(parts)
    fields, n_sets = {}, 0
    if categories:
        values = [np.unique(random.integers(0, 30, random.integers(1, 9))).astype(np.float64) for _ in range(2)]
        n_sets = 6
        of = random.integers(0, 2, n_sets).astype(np.uint32)
        fields = {
            "category_feature": np.array([1, 4], np.uint32),
            "category_ends": np.cumsum([len(v) for v in values]).astype(np.uint32),
            "category_values": np.concatenate(values),
            "set_feature": of,
            "set_sides": random.integers(0, 4, n_sets).astype(np.uint8),
            "members": random.random(int(sum(len(values[k]) for k in of))) < 0.5,
            "category": str(random.choice(["equal", "truncated", "unsigned"])),
        }
    split = random.integers(0, len(threshold) + n_sets, int((~leaf).sum())).astype(np.uint32)
    ends = np.cumsum([len(p) for p in parts]).astype(np.uint32)
    return Trees(
        leaf=leaf, split=split, feature=feature, missing=missing, ends=ends, threshold=threshold,
        allow_nan=True, allow_infinity=True, **fields,
    )  # fmt: skip


def random_rows(random, op, n_rows, n_features=5):
    pool = np.concatenate([SPECIAL, op.threshold, np.arange(-3, 33) / 2, [1e20, -1e20, 2.0**31, 2.0**53, 2.0**63, -(2.0**63)]])
    with np.errstate(over="ignore"):
        rows = random.choice(pool, (n_rows, n_features)).astype(op.threshold.dtype)
    near = random.integers(0, 3, rows.shape)
    up, down = (np.nextafter(rows, rows.dtype.type(end)) for end in (np.inf, -np.inf))
    return np.where(near == 1, up, np.where(near == 2, down, rows))


def wrapped(door, op, n_features=5):
    categories = None
    if op.members is not None:
        categories = (
            op.category_feature, op.category_ends, op.category_values, op.set_feature, op.set_sides, op.members, op.category
        )  # fmt: skip
    return door.Forest(n_features, op.leaf, op.split, op.feature, op.missing, op.ends, op.threshold, categories)


def reference(op, rows):
    if op.members is not None and op.category == "equal":  # there the reference refuses infinite categories
        rows[np.isinf(rows)] = 7.0
    return trees(op, rows)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("categories", [False, True])
def test_leaves_on_every_isa(on_every_isa, dtype, categories):
    random = np.random.default_rng(0)
    for n_rows in (0, 1, 7, 8, 9, 64, 1500):
        op = random_trees(random, dtype, categories=categories, n_trees=int(random.integers(1, 80)))
        rows = random_rows(random, op, n_rows)
        expected = reference(op, rows)
        slot = ("walk", "rows", "int32" if dtype is np.float32 else "int64")
        (found,) = on_every_isa("trees", slot, lambda door, op=op, rows=rows: [wrapped(door, op).leaves(rows)])
        np.testing.assert_array_equal(found, expected)


@pytest.mark.parametrize("dtype", DTYPES)
def test_keys_on_every_isa(on_every_isa, dtype):
    """Every kind of missing value against every kind of number."""
    random = np.random.default_rng(1)
    op = random_trees(random, dtype, n_trees=200, largest=3)
    rows = random_rows(random, op, 400)
    expected = reference(op, rows)
    slot = ("keys", "rows", np.dtype(dtype).name)
    (found,) = on_every_isa("trees", slot, lambda door: [wrapped(door, op).leaves(rows)])
    np.testing.assert_array_equal(found, expected)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("kinds", DTYPES)
@pytest.mark.parametrize("pooled", [False, True])
@pytest.mark.parametrize(("width", "n_outputs"), [(1, 1), (1, 3), (3, 3), (2, 5)])
def test_sums_on_every_isa(on_every_isa, dtype, kinds, pooled, width, n_outputs):
    random = np.random.default_rng(2)
    op = random_trees(random, kinds, n_trees=75)
    rows = random_rows(random, op, 333)
    values = random.normal(size=(20 if pooled else op.n_leaves, width)).astype(dtype)
    index = random.integers(0, 20, op.n_leaves).astype(np.uint32) if pooled else None
    output = random.integers(0, n_outputs - width + 1, op.n_trees).astype(np.uint32) if width < n_outputs else None
    base = random.normal(size=n_outputs).astype(dtype)
    expected = leaf_sum(LeafSum(values=values, index=index, output=output, base=base.astype(np.float64)), reference(op, rows))

    def run(door):
        held = door.Values(values, index, output, op.n_leaves, op.n_trees, n_outputs)
        out = np.tile(base, (len(rows), 1))
        wrapped(door, op).sums(rows, held, out)
        return [out]

    (found,) = on_every_isa("trees", ("sum", "leaves", np.dtype(dtype).name), run)
    assert found.tobytes() == expected.tobytes()


@pytest.mark.parametrize("dtype", DTYPES)
def test_deep_chains(door_of, dtype):
    """Trees as deep as they have nodes, to the left and to the right."""
    depth = 5000
    threshold = np.arange(depth, dtype=dtype)
    left = np.array([False] * depth + [True] * (depth + 1))
    right = np.array([False, True] * depth + [True])
    op = Trees(
        leaf=np.concatenate([left, right]), split=np.concatenate([threshold[::-1], threshold]).astype(np.uint32),
        feature=np.zeros(1, np.uint32), missing=np.zeros(1, np.uint8), ends=np.array([depth], np.uint32), threshold=threshold,
    )  # fmt: skip
    rows = np.array([-1.0, 0.0, 0.5, 17.0, depth - 1.0, depth + 9.0], dtype)[:, None]
    np.testing.assert_array_equal(wrapped(door_of("trees"), op, 1).leaves(rows), trees(op, rows))


def test_what_the_door_refuses(door_of):
    door, random = door_of("trees"), np.random.default_rng(3)
    op = random_trees(random, np.float64)
    good = {name: getattr(op, name) for name in ("leaf", "split", "feature", "missing", "ends", "threshold")}
    categories = [
        op.category_feature, op.category_ends, op.category_values, op.set_feature, op.set_sides, op.members, op.category
    ]  # fmt: skip
    limit = np.full(len(op.split), len(op.threshold) + len(op.set_feature), np.uint32)
    bad = [
        {"leaf": op.leaf[:-1]}, {"leaf": ~op.leaf}, {"leaf": np.zeros(5, bool)}, {"leaf": np.zeros(0, bool)},
        {"leaf": np.array([True, False, True])}, {"leaf": op.leaf.astype(np.uint8)},
        {"split": limit}, {"split": op.split[:-1]}, {"feature": op.feature + np.uint32(5)}, {"missing": op.missing[1:]},
        {"ends": op.ends[::-1].copy()}, {"ends": op.ends + np.uint32(1)}, {"threshold": op.threshold[:-1]},
        {"threshold": np.zeros(len(op.threshold), np.int64)},
    ]  # fmt: skip
    for change in bad:
        with pytest.raises((ValueError, TypeError)):
            door.Forest(5, **{**good, **change}, categories=tuple(categories))
    for position, value in (
        (0, np.array([1, 9], np.uint32)), (1, op.category_ends[::-1].copy()), (2, op.category_values[:-1]),
        (3, op.set_feature + np.uint32(2)), (4, op.set_sides[1:]), (5, op.members[1:]), (6, "other"),
    ):  # fmt: skip
        with pytest.raises((ValueError, TypeError)):
            door.Forest(5, **good, categories=(*categories[:position], value, *categories[position + 1 :]))
    forest = wrapped(door, op)
    for rows in (np.zeros((3, 4)), np.zeros((3, 5), np.float32), np.zeros(5)):
        with pytest.raises((ValueError, TypeError)):
            forest.leaves(rows)
    values = np.zeros((op.n_leaves, 1))
    for arguments in (
        (values[1:], None, None, op.n_leaves, op.n_trees, 1), (values[:0], None, None, op.n_leaves, op.n_trees, 1),
        (values, np.full(op.n_leaves, op.n_leaves, np.uint32), None, op.n_leaves, op.n_trees, 1),
        (values, None, np.ones(op.n_trees, np.uint32), op.n_leaves, op.n_trees, 1),
        (values, None, None, op.n_leaves, op.n_trees, 0),
    ):  # fmt: skip
        with pytest.raises((ValueError, TypeError)):
            door.Values(*arguments)
    held = door.Values(values, None, None, op.n_leaves, op.n_trees, 1)
    for out in (np.zeros((2, 1)), np.zeros((3, 2)), np.zeros((3, 1), np.float32), np.zeros((6, 1))[::2]):
        with pytest.raises((ValueError, TypeError)):
            forest.sums(np.zeros((3, 5)), held, out)
    with pytest.raises(ValueError, match="not of these"):
        forest.sums(np.zeros((3, 5)), door.Values(values, None, None, op.n_leaves, op.n_trees - 1, 1), np.zeros((3, 1)))
