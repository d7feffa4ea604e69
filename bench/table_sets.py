"""Logistic regressions over tables, with the rows that they were fitted on and others."""

from __future__ import annotations

from typing import Any

import numpy as np
import tables
from cases import TABLE_CASES
from sklearn import datasets
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

SETS = ("digits", "wine", "breast_cancer", "covertype", "adult")
NARROW = ("64 x 10", "784 x 10", "1024 x 100")
_FILES = {"covertype": "covertype_15k", "adult": "adult"}


def missing(case: str) -> str | None:
    """The data set that a case needs and that is not there, or None."""
    name = _FILES.get(case)
    return None if name is None or (tables.DATA / f"{name}.csv.gz").is_file() else name


def fitted(case: str) -> tuple[Any, Any, Any]:
    """A pipeline, the rows that it was fitted on, and others."""
    if case == "adult":
        X, y, new = tables.frames("adult")
        return tables.fitted("adult", "one-hot + logistic", X, y), X, new
    if case == "covertype":
        X, y, new = tables.frames(_FILES[case])
        X, new = (np.ascontiguousarray(rows, np.float64) for rows in (X, new))
    elif case in NARROW:
        n_columns, n_classes = TABLE_CASES[case]
        random = np.random.default_rng(0)
        y = random.integers(0, n_classes, 8000)
        X = random.normal(size=(n_classes, n_columns))[y] * 0.4 + random.normal(size=(len(y), n_columns))
        X, new, y = X[::2], X[1::2], y[::2]
    else:
        X, y = getattr(datasets, f"load_{case}")(return_X_y=True)
        order = np.random.default_rng(0).permutation(len(X))
        train, test = np.split(order, [len(X) * 3 // 5])
        X, y, new = X[train], y[train], X[test]
    return make_pipeline(StandardScaler(), LogisticRegression(max_iter=300)).fit(X, y), X, new
