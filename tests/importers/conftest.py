"""The oracle: a converted model must do what scikit-learn's own does."""

from __future__ import annotations

import os
import warnings

# Read when OpenMP is loaded: its threads wait for each other longer than these small fits take.
os.environ.setdefault("OMP_NUM_THREADS", "1")

import numpy as np
import pytest
from sklearn.base import is_regressor

from quantcore.importers import convert
from quantcore.importers.sklearn.common import VERSION
from quantcore.plan import METHODS, Csr
from quantcore.plan.ops import Trees
from quantcore.reference import run

WORDS = "the cat dog sat mat on a run fast slow red blue naïve café ΑΣ ὈΔΥΣΣΕΎΣ İstanbul straße ﬁne x9 ab_c don't e-mail".split()
ODD = [
    "",
    "   ",
    "a",
    "The cat\0sat",
    "lone \ud800 surrogate cat\udfff dog",
    "ΑΣ'Α ΑΣ Σ ΣΑΣ ὈΔΥΣΣΕΎΣ",
    "İİ İstanbul ISTANBUL ı",
    "K Å Ÿ ẞ ß ™ ½ ﬁ ǆ ǅ",
    "cat\t\tdog\n\n mat  on\u00a0\u2003 red",
    "mat_on 12 1 ab_c x9 don't e-mail",
    "e\u0301te\u0301 caf\u00e9 cafe\u0301 🐈 🐈‍⬛ 𝐜𝐚𝐭",
    "cat cat cat cat dog dog",
]


@pytest.fixture(scope="session")
def corpus() -> tuple[list[str], np.ndarray]:
    """Documents and labels 0, 1, 2."""
    random = np.random.default_rng(7)
    labels = random.integers(0, 3, 90)
    documents = []
    for label in labels:
        weights = np.ones(len(WORDS))
        weights[label * 5 : label * 5 + 5] = 6.0
        words = random.choice(WORDS, random.integers(1, 12), p=weights / weights.sum())
        documents.append(" ".join(w.upper() if random.random() < 0.2 else w for w in words))
    return documents, labels


@pytest.fixture(scope="session")
def odd(corpus):
    """Documents to predict: seen ones, and all that is strange."""
    return corpus[0][:30] + ODD


def usable_methods(estimator, X):
    """What each method returns, without those that scikit-learn declares and then can't run."""
    found = {}
    for method in METHODS:
        if method == "score_samples" and not hasattr(estimator, "decision_function"):
            continue  # a density (PCA), which is not converted
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", RuntimeWarning)
            try:
                found[method] = getattr(estimator, method)(X)
            except (AttributeError, NotImplementedError):
                continue
    return found


def assert_same(estimator, X, *, exact=True, tolerance=1e-12):
    """Same methods, labels equal, scores equal bit for bit (``exact``) or within ``tolerance``."""
    plan = convert(estimator)
    # Before 1.5 scikit-learn weighted by a product of sparse matrices, which leaves a row's terms in another order.
    exact = exact and (VERSION >= (1, 5) or not any(op.kind == "TfIdf" for op in plan.ops))
    expectations = usable_methods(estimator, X)
    assert set(plan.outputs) == set(expectations)
    for method, expected in expectations.items():
        with warnings.catch_warnings():
            warnings.simplefilter("error", RuntimeWarning)  # scikit-learn's own log(0) warns, quantcore's must not
            found = run(plan, X, method)
        if method == "transform" and not hasattr(expected, "tocsr"):
            assert isinstance(found, np.ndarray) and found.shape == expected.shape
            assert found.dtype == expected.dtype or expected.dtype.kind != "f"
            if exact:
                np.testing.assert_array_equal(found, expected)
            else:
                np.testing.assert_allclose(found, expected, rtol=tolerance, atol=tolerance)
        elif method == "transform":
            expected = expected.tocsr()
            expected.sort_indices()
            assert isinstance(found, Csr) and found.shape == expected.shape
            np.testing.assert_array_equal(found.indptr, expected.indptr)
            np.testing.assert_array_equal(found.indices, expected.indices)
            if exact:
                np.testing.assert_array_equal(found.data, expected.data)
            else:
                np.testing.assert_allclose(found.data, expected.data, rtol=tolerance)
        elif method == "predict" and not is_regressor(estimator):
            assert found.dtype == expected.dtype
            np.testing.assert_array_equal(found, expected)
        elif method == "decision_function" and exact:
            np.testing.assert_array_equal(found, expected)
        else:
            assert found.shape == expected.shape
            np.testing.assert_allclose(found, expected, rtol=tolerance, atol=tolerance)
    return plan


@pytest.fixture(scope="session")
def same():
    return assert_same


def rows_at_thresholds(plan, X, random, count=400):
    """Rows of X, and rows that sit on a threshold, just above and just below; with zeros of both signs, denormals, large
    values, and NaN and infinities where the model takes them."""
    op = next(op for op in plan.ops if isinstance(op, Trees))
    column = np.repeat(op.feature, np.diff(op.ends.astype(np.int64), prepend=0))
    parts = [X]
    pick = random.permutation(len(op.threshold))[:count]
    for towards in (None, np.inf, -np.inf):
        at = op.threshold[pick]
        at = at if towards is None else np.nextafter(at, at.dtype.type(towards))
        kept = np.isfinite(at) | op.allow_infinity
        rows = X[random.integers(0, len(X), int(kept.sum()))].copy()
        rows[np.arange(len(rows)), column[pick[kept]]] = at[kept]
        parts.append(rows)
    zero = float(np.float32(1e-35))  # LightGBM's
    special = [0.0, -0.0, 5e-324, -5e-324, 1e-45, -1e-45, 1e-39, 1e-35, -1e-35, zero, -zero, 1e30, -1e30]
    special += [np.nan] * op.allow_nan + [np.inf, -np.inf, 1e300, -1e300] * op.allow_infinity
    parts.append(random.choice(special, (count, X.shape[1])))
    if op.category_feature is not None and op.category == "equal":
        for part in parts:  # scikit-learn's encoder refuses infinite categories
            categories = part[:, op.category_feature]
            categories[np.isinf(categories)] = 3.0
            part[:, op.category_feature] = categories
    return np.concatenate(parts)


@pytest.fixture(scope="session")
def hard_rows():
    return rows_at_thresholds
