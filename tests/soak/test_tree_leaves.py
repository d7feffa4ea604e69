"""Ten million row-trees a library, on thresholds and beside them: no leaf differs from the source's."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.datasets import make_classification
from sklearn.ensemble import ExtraTreesClassifier, HistGradientBoostingRegressor, RandomForestClassifier

from quantcore.importers import convert
from quantcore.plan.ops import LeafNumbers, LeafSum, Trees
from quantcore.reference import FUNCTIONS
from quantcore.runtime import Executor

pytestmark = pytest.mark.slow

TREES, ROWS = 200, 52_000
X, Y = make_classification(4000, 12, n_informative=8, n_classes=3, random_state=0)
X[:, 3] = np.round(X[:, 3])
X[:, 7] = np.random.default_rng(1).integers(0, 20, len(X))
X[np.random.default_rng(2).random(X.shape) < 0.05] = np.nan


def hard(op, *, infinite=False):
    """Rows of which every value is one of training, a threshold, a neighbour of one, or special."""
    random = np.random.default_rng(3)
    column = np.repeat(op.feature, np.diff(op.ends.astype(np.int64), prepend=0))
    zero = float(np.float32(1e-35))
    special = [0.0, -0.0, 5e-324, 1e-45, -1e-45, 1e-39, zero, -zero, 1e30, -1e30, np.nan] + [np.inf, -np.inf] * infinite
    out = np.empty((ROWS, X.shape[1]))
    for j in range(X.shape[1]):
        at = op.threshold[column == j]
        at = at if infinite else at[np.isfinite(at)]
        near = np.concatenate([at, *(np.nextafter(at, at.dtype.type(end)) for end in (np.inf, -np.inf))])
        near = near if infinite else near[np.isfinite(near)]
        pools = [X[:, j], near if len(near) else X[:, j], np.array(special)]
        which = random.choice(3, ROWS, p=[0.3, 0.6, 0.1])
        out[:, j] = np.choose(which, [random.choice(pool, ROWS) for pool in pools])
    return out


def leaves(plan, rows):
    op = plan.ops[0]
    found = Executor(plan).forests.leaves(0, rows)
    assert isinstance(op, Trees) and found is not None and found.size >= 10_000_000
    return found


@pytest.mark.parametrize("kind", [RandomForestClassifier, ExtraTreesClassifier])
def test_scikit_learn(kind):
    source = kind(TREES, random_state=0).fit(X, Y)
    plan = convert(source)
    rows = hard(plan.ops[0])
    numbers = next(op for op in plan.ops if isinstance(op, LeafNumbers))
    np.testing.assert_array_equal(FUNCTIONS["LeafNumbers"](numbers, leaves(plan, rows)), source.apply(rows))


def test_hist_gradient_boosting():
    source = HistGradientBoostingRegressor(max_iter=TREES, categorical_features=[7], early_stopping=False).fit(X, Y * 1.0)
    plan = convert(source)
    rows = hard(plan.ops[0], infinite=True)
    rows[:, 7] = np.random.default_rng(4).choice([*range(25), -1.0, 2.5, np.nan], ROWS)
    found, sums = leaves(plan, rows), next(op for op in plan.ops if isinstance(op, LeafSum))
    inner = source._preprocess_X(rows, reset=False)
    known = source._bin_mapper.make_known_categories_bitsets()
    for k, (predictor,) in enumerate(source._predictors):
        at = found[:, k] if sums.index is None else sums.index[found[:, k]]
        np.testing.assert_array_equal(sums.values[at, 0], predictor.predict(inner, *known, 2))


def test_xgboost():
    xgboost = pytest.importorskip("xgboost")
    types = ["c" if j == 7 else "q" for j in range(X.shape[1])]
    source = xgboost.XGBRegressor(n_estimators=TREES, feature_types=types, enable_categorical=True).fit(X, Y)
    plan = convert(source)
    rows = hard(plan.ops[0])
    rows[:, 7] = np.random.default_rng(4).choice([*range(25), -1.0, 2.5, 300.0, np.nan], ROWS)
    numbers = next(op for op in plan.ops if isinstance(op, LeafNumbers))
    np.testing.assert_array_equal(FUNCTIONS["LeafNumbers"](numbers, leaves(plan, rows)), source.apply(rows))


@pytest.mark.parametrize("options", [{}, {"zero_as_missing": True}, {"use_missing": False}], ids=str)
def test_lightgbm(options):
    lightgbm = pytest.importorskip("lightgbm")
    from quantcore.importers.forests import preorder
    from quantcore.importers.lightgbm_model import parse

    data = lightgbm.Dataset(X, Y, categorical_feature=[7])
    source = lightgbm.train({"verbose": -1, "min_data_per_group": 5, **options}, data, TREES)
    plan = convert(source)
    rows = hard(plan.ops[0], infinite=True)
    rows[:, 7] = np.random.default_rng(4).choice([*range(25), -1.0, -0.5, 2.5, 300.0, np.nan], ROWS)
    model = parse(source.model_to_string().encode())
    order = preorder(model.nodes)
    at = order[model.nodes.leaf[order]][leaves(plan, rows)]
    counts = np.diff(np.append(model.starts, len(model.nodes.leaf)))
    np.testing.assert_array_equal(at - (model.starts + counts // 2), source.predict(rows, pred_leaf=True))
