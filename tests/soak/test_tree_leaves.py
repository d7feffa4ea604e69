"""At least ten million row-trees a model, on thresholds and beside them: no leaf differs from the source's.

What serves many rows finds no leaves, only sums. So each leaf's value is replaced by a random integer below 2**44: sums of 200
of them are exact in doubles, and equal only if all leaves are. They go through every form of an ensemble (bit slices, walks, rows
one by one), in batches of several sizes, on every instruction set of the machine. Then the model itself: labels, and sums bit for
bit.
"""

from __future__ import annotations

import warnings
from typing import Any, NamedTuple

import numpy as np
import pytest
from sklearn.datasets import make_classification
from sklearn.ensemble import (
    ExtraTreesClassifier,
    ExtraTreesRegressor,
    GradientBoostingClassifier,
    GradientBoostingRegressor,
    HistGradientBoostingRegressor,
    RandomForestClassifier,
    RandomForestRegressor,
    RandomTreesEmbedding,
)

import quantcore as qc
from quantcore.importers import convert
from quantcore.importers.forests import preorder
from quantcore.native import registry
from quantcore.plan import Plan
from quantcore.plan.ops import LeafNumbers, LeafSum, Predictions, Trees
from quantcore.reference import FUNCTIONS
from quantcore.runtime import Executor, trees

pytestmark = pytest.mark.slow

TREES, ROWS, SINGLE_ROWS = 200, 52_000, 12_000
BATCHES = {20_000: ROWS, 1000: ROWS, 193: 20_000, 64: 20_000, 7: 7000, 1: 3000}  # rows a call, and how many in all
CATEGORICAL = 7
X, Y = make_classification(4000, 12, n_informative=8, n_classes=3, random_state=0)
X[:, 3] = np.round(X[:, 3])
X[:, CATEGORICAL] = np.random.default_rng(1).integers(0, 20, len(X))
X[np.random.default_rng(2).random(X.shape) < 0.05] = np.nan
FILLED = np.nan_to_num(X)
WIDE = np.concatenate([FILLED + np.random.default_rng(k).normal(size=X.shape) for k in range(12)], axis=1)
UNSEEN = {"equal": [-1.0, 2.5, np.nan], "unsigned": [-1.0, 2.5, 300.0, np.nan], "truncated": [-1.0, -0.5, 2.5, 300.0, np.nan]}


class Found(NamedTuple):
    """A source, its Plan, the node of each leaf of the Plan in its own tree, and what finds the nodes that rows reach."""

    source: Any
    plan: Plan
    numbers: Any
    nodes: Any


def hard(op, train, n_rows, random, infinite):
    """Rows of which every value is one of training, a threshold, a neighbour of one, or special."""
    column = np.repeat(op.feature, np.diff(op.ends.astype(np.int64), prepend=0))
    zero = float(np.float32(1e-35))
    special = [0.0, -0.0, 5e-324, 1e-45, -1e-45, 1e-39, zero, -zero, 1e30, -1e30]
    special += [np.nan] * op.allow_nan + [np.inf, -np.inf, 1e300, -1e300] * infinite
    out = np.empty((n_rows, train.shape[1]))
    for j in range(train.shape[1]):
        at = op.threshold[column == j]
        at = at if infinite else at[np.isfinite(at)]
        doubles = at.astype(np.float64)
        # Neighbours in the dtype of thresholds, and of doubles, which round to the threshold itself.
        ends = [np.nextafter(a, a.dtype.type(end)) for a in (at, doubles) for end in (np.inf, -np.inf)]
        near = np.concatenate([doubles, *ends])
        near = near if infinite else near[np.abs(near) < 3e38]
        pools = [train[:, j], near if len(near) else train[:, j], np.array(special)]
        which = random.choice(3, n_rows, p=[0.3, 0.6, 0.1])
        out[:, j] = np.choose(which, [random.choice(pool, n_rows) for pool in pools])
    if op.category_feature is not None:
        out[:, CATEGORICAL] = random.choice([*range(25), *UNSEEN[op.category]], n_rows)
    return out


# What finds the nodes of each library.


def scikit_learn(estimator, train, y=Y):
    source = estimator.fit(train, y)
    plan = convert(source)
    numbers = next(op for op in plan.ops if isinstance(op, LeafNumbers)).numbers
    return Found(source, plan, numbers, lambda rows: source.apply(rows).reshape(len(rows), -1))


def histograms(**options):
    source = HistGradientBoostingRegressor(
        max_iter=TREES, categorical_features=[CATEGORICAL], early_stopping=False, min_samples_leaf=3, **options
    ).fit(X, Y * 1.0)
    predictors = [predictor for (predictor,) in source._predictors]
    values = [predictor.nodes["value"].copy() for predictor in predictors]
    for predictor in predictors:
        predictor.nodes["value"] = np.arange(len(predictor.nodes))
    numbered = convert(source)
    sums = next(op for op in numbered.ops if isinstance(op, LeafSum))
    numbers = (sums.values[:, 0] if sums.index is None else sums.values[sums.index, 0]).astype(np.int64)

    def nodes(rows):
        inner = source._preprocess_X(rows, reset=False)
        known = source._bin_mapper.make_known_categories_bitsets()
        kept = [predictor.nodes["value"].copy() for predictor in predictors]
        for predictor in predictors:
            predictor.nodes["value"] = np.arange(len(predictor.nodes))
        found = np.stack([predictor.predict(inner, *known, 2) for predictor in predictors], axis=1)
        for predictor, own in zip(predictors, kept, strict=True):
            predictor.nodes["value"] = own
        return found

    for predictor, own in zip(predictors, values, strict=True):
        predictor.nodes["value"] = own
    return Found(source, convert(source), numbers, nodes)


def xgboost(**options):
    library = pytest.importorskip("xgboost")
    types = ["c" if j == CATEGORICAL else "q" for j in range(X.shape[1])]
    options = {"n_estimators": TREES, "feature_types": types, "enable_categorical": True, "n_jobs": 2, **options}
    return scikit_learn(library.XGBRegressor(**options), X)


def lightgbm(**options):
    library = pytest.importorskip("lightgbm")
    from quantcore.importers.lightgbm_model import parse

    data = library.Dataset(X, Y, categorical_feature=[CATEGORICAL])
    source = library.train({"verbose": -1, "min_data_per_group": 5, "min_data_in_leaf": 2, **options}, data, TREES)
    plan = convert(source)
    model = parse(source.model_to_string().encode())
    order = preorder(model.nodes)
    at = order[model.nodes.leaf[order]]
    counts = np.diff(np.append(model.starts, len(model.nodes.leaf)))
    tree = np.searchsorted(model.starts, at, side="right") - 1
    return Found(source, plan, at - (model.starts + counts // 2)[tree], lambda rows: source.predict(rows, pred_leaf=True))


# Models: how they are made, and whether trees are small enough for bit slices.
MODELS = {
    "RandomForestClassifier, whole": (lambda: scikit_learn(RandomForestClassifier(TREES, random_state=0), X), False),
    "RandomForestRegressor, 200 leaves": (
        lambda: scikit_learn(RandomForestRegressor(TREES, max_leaf_nodes=200, random_state=0), X),
        True,
    ),
    "ExtraTreesClassifier, whole": (lambda: scikit_learn(ExtraTreesClassifier(TREES, random_state=0), X), False),
    "ExtraTreesRegressor, 64 leaves": (
        lambda: scikit_learn(ExtraTreesRegressor(TREES, max_leaf_nodes=64, random_state=0), X),
        True,
    ),
    "ExtraTreesClassifier, 144 features": (
        lambda: scikit_learn(ExtraTreesClassifier(TREES, max_leaf_nodes=100, random_state=0), WIDE),
        True,
    ),
    "GradientBoostingRegressor, depth 6": (
        lambda: scikit_learn(GradientBoostingRegressor(n_estimators=TREES, max_depth=6, subsample=0.5), FILLED),
        True,
    ),
    "GradientBoostingClassifier, 3 x 67": (
        lambda: scikit_learn(GradientBoostingClassifier(n_estimators=67, subsample=0.5), FILLED),
        True,
    ),
    "RandomTreesEmbedding": (lambda: scikit_learn(RandomTreesEmbedding(TREES, max_depth=7, random_state=0), FILLED), True),
    "HistGradientBoosting, 31 leaves": (lambda: histograms(), True),
    "HistGradientBoosting, 255 leaves": (lambda: histograms(max_leaf_nodes=255), True),
    "XGBoost, depth 6": (lambda: xgboost(), True),
    "XGBoost, depth 8, one-hot": (lambda: xgboost(max_depth=8, max_cat_to_onehot=30, min_child_weight=4), True),
    "XGBoost, depth 14": (lambda: xgboost(max_depth=14, learning_rate=0.05, min_child_weight=0, reg_lambda=0), False),
    "LightGBM, 31 leaves": (lambda: lightgbm(), True),
    "LightGBM, 64 leaves, zero is missing": (lambda: lightgbm(num_leaves=64, zero_as_missing=True), True),
    "LightGBM, 255 leaves, nothing missing": (lambda: lightgbm(num_leaves=255, use_missing=False), True),
    "LightGBM, 900 leaves": (lambda: lightgbm(num_leaves=900), False),
}


def numbered(found, random):
    """The Plan whose trees add the integers of their leaves, and these integers by tree and node."""
    op = found.plan.ops[0]
    assert isinstance(op, Trees)
    tree = np.repeat(np.arange(op.n_trees), np.diff(op.leaf_ends, prepend=0))
    table = random.integers(0, 1 << 44, (op.n_trees, int(found.numbers.max()) + 1)).astype(np.float64)
    values = table[tree, found.numbers][:, None]
    sums = LeafSum(inputs=(0,), values=values, index=None, output=None, base=np.zeros(1))
    ops = (op, sums, Predictions(inputs=(1,), flat=True))
    return Plan(ops, {"predict": 2}, "matrix", n_features_in=found.plan.n_features_in), table


def in_batches(predict, rows, size):
    return np.concatenate([predict(rows[at : at + size]) for at in range(0, len(rows), size)])


def isas():
    from quantcore.native import _cpu

    return [name for name, present in _cpu.isas().items() if present]


@pytest.fixture
def door():
    found = registry.door("trees")
    if found is None:
        pytest.skip("this checkout is pure NumPy: nothing is compiled")
    yield found
    found.select(registry.implementation("trees").isa)


@pytest.mark.parametrize("name", MODELS)
def test_leaves(name, door, capsys):
    random = np.random.default_rng(3)
    make, is_sliced = MODELS[name]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        found = make()
    op = found.plan.ops[0]
    train = WIDE if "144" in name else X if op.allow_nan else FILLED
    infinite = op.allow_infinity and not name.startswith("XGBoost")  # whose apply refuses what its predict takes
    rows = hard(op, train, ROWS, random, infinite)
    with np.errstate(over="ignore"):
        single = hard(op, train, SINGLE_ROWS, random, infinite).astype(np.float32)
    nodes = found.nodes(rows).astype(np.int64)
    assert nodes.size >= 10_000_000
    plan, table = numbered(found, random)
    every = np.arange(op.n_trees)
    expected, of_single = (table[every, at].sum(axis=1) for at in (nodes, found.nodes(single).astype(np.int64)))
    checked = 0
    for isa in isas():
        door.select(isa)
        executor = Executor(plan)
        assert (trees.sliced_obstacle(op, plan.ops[1]) is None) == is_sliced and executor.direct is not None
        leaves = executor.forests.leaves(0, rows)
        numbers = LeafNumbers(inputs=(0,), numbers=found.numbers.astype(np.uint32), shape=(op.n_trees,))
        np.testing.assert_array_equal(FUNCTIONS["LeafNumbers"](numbers, leaves), nodes)
        for size, n in BATCHES.items():
            np.testing.assert_array_equal(in_batches(executor.direct.predict, rows[:n], size), expected[:n])
            part = single[:n]
            np.testing.assert_array_equal(in_batches(executor.direct.predict, part, size), of_single[: len(part)])
            checked += (n + len(part)) * op.n_trees
        checked += nodes.size
    door.select(registry.implementation("trees").isa)
    answers = 0
    if "predict" in found.plan.outputs:
        model = qc.quantize(found.source)
        for given in (rows, single):
            own = found.source.predict(given)
            for size in (20_000, 50):
                ours = in_batches(model.predict, given, size)
                np.testing.assert_array_equal(ours, own)
                answers += len(given)
    with capsys.disabled():
        leaves_of = np.diff(op.leaf_ends, prepend=0)
        print(
            f"\n{name}: {nodes.size:,} row-trees against the source, {checked:,} in all forms on {', '.join(isas())}; "
            f"{op.n_trees} trees of up to {leaves_of.max()} leaves; {answers:,} answers equal",
            flush=True,
        )
