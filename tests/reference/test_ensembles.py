"""Meanings of the ops of ensembles, each against NumPy's, SciPy's or scikit-learn's own function."""

from __future__ import annotations

import numpy as np
import pytest
import scipy.sparse as sp
from sklearn.metrics import pairwise_distances_argmin
from sklearn.utils.multiclass import _ovr_decision_function

from quantcore.plan import Csr, ops
from quantcore.reference import ensembles

RANDOM = np.random.default_rng(5)


@pytest.mark.parametrize("weights", [None, [1, 1, 2, 3], [0.1, 0.2, 0.3, 0.7], [0, 0, 0, 0]])
def test_votes_are_bincount_s(weights):
    labels = RANDOM.integers(0, 5, (200, 4))
    op = ops.Votes(inputs=(0, 1, 2, 3), n_classes=5, weights=None if weights is None else np.array(weights, float))
    expected = [np.bincount(row, weights=weights, minlength=5) for row in labels]
    np.testing.assert_array_equal(ensembles.votes(op, list(labels.T)), expected)
    np.testing.assert_array_equal(ensembles.votes(op, [labels]), expected)


@pytest.mark.parametrize("n_classes", [2, 3, 4, 7, 20])
def test_pairs_are_scikit_learn_s(n_classes):
    n_pairs = n_classes * (n_classes - 1) // 2
    s = np.vstack([RANDOM.normal(size=(50, n_pairs)) * RANDOM.choice([1e-300, 1e-3, 1, 1e9], (50, 1)), np.zeros((1, n_pairs))])
    columns = np.array([(i, j) for i in range(n_classes) for j in range(i + 1, n_classes)], np.uint32)
    labels = (s > 0).astype(int)
    votes = ensembles.votes(ops.Votes(n_classes=n_classes, columns=columns), [labels])
    sums = ensembles.pair_confidence(ops.PairConfidence(), s)
    found = ensembles.weighted_mean(ops.WeightedMean(weights=None, divisor=1.0), [votes, sums])
    np.testing.assert_array_equal(found, _ovr_decision_function(labels, s, n_classes))


@pytest.mark.parametrize("weights", [None, [1.0, 2.0, 0.5], [3, 1, 1], [-1.0, 2.0, 4.0]])
@pytest.mark.parametrize("shape", [(1, 2), (1, 7), (50, 3)])
def test_means_are_numpy_s_average(weights, shape):
    p = RANDOM.random((3, *shape))
    given = None if weights is None else tuple(map(float, weights))
    op = ops.WeightedMean(inputs=(0, 1, 2), weights=given, divisor=float(3 if weights is None else np.sum(weights)))
    np.testing.assert_array_equal(ensembles.weighted_mean(op, list(p)), np.average(p, axis=0, weights=weights))
    mixed = [p[0].astype(np.float32), p[1], p[2]]
    np.testing.assert_array_equal(ensembles.weighted_mean(op, mixed), np.average(np.asarray(mixed), axis=0, weights=weights))


def test_a_mean_of_float32_stays_so():
    p = RANDOM.random((3, 40, 4)).astype(np.float32)
    found = ensembles.weighted_mean(ops.WeightedMean(weights=None, divisor=3.0), list(p))
    assert found.dtype == np.float32
    np.testing.assert_array_equal(found, np.average(p, axis=0))


@pytest.mark.parametrize("low", [-1.0, 0.0])
def test_codes_are_scikit_learn_s_distances(low):
    codes = np.where(RANDOM.random((9, 12)) > 0.5, 1.0, low)
    x = np.vstack([RANDOM.normal(size=(300, 12)), codes, RANDOM.integers(0, 2, (300, 12))])
    found = ensembles.code_scores(ops.CodeScores(codes=codes), x)
    np.testing.assert_array_equal(found.argmax(axis=1), pairwise_distances_argmin(np.ascontiguousarray(x), codes))
    np.testing.assert_allclose(-found, ((x[:, None] - codes) ** 2).sum(axis=2), atol=1e-12)


@pytest.mark.parametrize("front", [True, False])
@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_augment_is_hstack(front, dtype):
    X = sp.random(30, 6, 0.3, format="csr", dtype=dtype, random_state=1)
    scores = [np.round(RANDOM.normal(size=(30, 2))), RANDOM.normal(size=(30, 1))]
    dense = [*scores, X.toarray()] if front else [X.toarray(), *scores]
    op = ops.Augment(inputs=(-1, 0, 1), front=front)
    found = ensembles.augment(op, [X.toarray(), *scores])
    assert found.dtype == np.float64
    np.testing.assert_array_equal(found, np.hstack(dense))
    given = Csr(X.indptr.astype(np.int64), X.indices.astype(np.int64), X.data, 6)
    sparse = ensembles.augment(op, [given, *scores])
    expected = sp.hstack([*scores, X] if front else [X, *scores]).tocsr()
    expected.sort_indices()
    np.testing.assert_array_equal(sparse.indptr, expected.indptr)
    np.testing.assert_array_equal(sparse.indices, expected.indices)
    np.testing.assert_array_equal(sparse.data, expected.data)
    alone = ensembles.augment(ops.Augment(front=front), [given])
    assert alone.data.dtype == np.float64 and alone.shape == X.shape


def test_a_chain_refuses_what_is_not_finite():
    rows = np.array([[1.0, np.nan]])
    with pytest.raises(ValueError, match="NaN"):
        ensembles.augment(ops.Augment(front=False), [rows])
    np.testing.assert_array_equal(ensembles.augment(ops.Augment(front=True), [rows]), rows)


def test_labels_as_numbers_and_layers():
    np.testing.assert_array_equal(ensembles.label_values(ops.LabelValues(), np.array([True, False])), [[1.0], [0.0]])
    p = RANDOM.random((2, 5, 3))
    np.testing.assert_array_equal(ensembles.layers(ops.Layers(), list(p)), p)


def test_functions_are_silent():
    s = np.array([[-1.0, 0.0, 1e30, -np.inf]], np.float32)
    for name in ("log", "sqrt", "exp", "log1p", "arctanh"):
        with np.errstate(all="ignore"):
            expected = getattr(np, name)(s)
        found = ensembles.score_ufunc(ops.ScoreUfunc(name=name), s)
        assert found.dtype == np.float32
        np.testing.assert_array_equal(found, expected)
