"""Rows that may reach other leaves: whatever is within the errors of a row that is sure reaches the same."""

from __future__ import annotations

import numpy as np
import pytest

from quantcore.importers import convert
from quantcore.reference import FUNCTIONS
from quantcore.reference.matrices import as_csr
from quantcore.runtime import tree_errors

RANDOM = np.random.default_rng(11)
X = np.round(RANDOM.normal(size=(500, 5)), 2)
X[:, 3] = RANDOM.integers(0, 6, 500)
Y = X[:, 0] * X[:, 1] + X[:, 3] % 3
ERROR = np.where(RANDOM.random(X.shape) < 0.9, 0.0, 10.0 ** RANDOM.uniform(-4, -0.3, X.shape))
ERROR[:, 3] = 0.0


def lightgbm(**options):
    library = pytest.importorskip("lightgbm")
    categories = options.pop("categories", "auto")
    options = {"verbose": -1, "num_threads": 1, "num_leaves": 8, "min_data_per_group": 5, **options}
    return library.train(options, library.Dataset(X, Y, categorical_feature=categories), 6)


def xgboost(**options):
    library = pytest.importorskip("xgboost")
    return library.XGBRegressor(n_estimators=6, max_depth=3, n_jobs=1, **options).fit(X, Y)


SOURCES = {
    "plain": lightgbm,
    "zero is missing": lambda: lightgbm(zero_as_missing=True),
    "categories": lambda: lightgbm(categories=[3]),
    "a number is missing": lambda: xgboost(missing=0.5),
}


@pytest.mark.parametrize("sparse", [False, True])
@pytest.mark.parametrize("name", SOURCES)
def test_sure_rows_reach_the_same_leaves(name, sparse):
    op = convert(SOURCES[name]()).ops[0]
    near = op.absent if op.absent is not None else 0.0
    rows = X.copy()
    rows[::7, 1] = near + RANDOM.choice([0.0, 1e-3, -1e-3], len(rows[::7]))  # what is next to missing
    error = ERROR.copy()
    error[::7, 1] = 2e-3
    given = (as_csr(rows), error[rows != 0.0]) if sparse else (rows, error)
    unsure = tree_errors.unsure_rows(op, *given)
    if sparse:
        error = np.where(rows != 0.0, error, 0.0)
    known = FUNCTIONS["Trees"](op, rows)
    for share in (-1.0, 1.0, *RANDOM.uniform(-1.0, 1.0, 6)):
        other = FUNCTIONS["Trees"](op, rows + share * error)
        assert not ((other != known).any(axis=1) & ~unsure).any()
    assert unsure.any() and not unsure.all()


def test_categories_that_may_be_others_are_never_sure():
    op = convert(SOURCES["categories"]()).ops[0]
    error = np.zeros_like(X)
    error[::2, 3] = 1e-9
    assert tree_errors.unsure_rows(op, X, error).tolist() == [True, False] * 250
