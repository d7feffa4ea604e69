"""Ops on matrices and scores against SciPy, scikit-learn and plain dense formulas."""

from __future__ import annotations

import warnings

import numpy as np
import pytest
import scipy.sparse as sp
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy import special
from sklearn.isotonic import IsotonicRegression
from sklearn.preprocessing import binarize, normalize

from quantcore.plan import OPS, Csr, ops
from quantcore.reference import FUNCTIONS, links, matrices
from quantcore.reference.linear import linear
from quantcore.reference.planar import planar_linear

SCORES = arrays(np.float64, st.tuples(st.integers(1, 5), st.integers(1, 6)), elements=st.floats(-800, 800))


def csr(X: sp.csr_matrix) -> Csr:
    return Csr(X.indptr.astype(np.int64), X.indices.astype(np.int64), X.data, X.shape[1])


def random_csr(rows, columns, density, seed, dtype=np.float64):
    X = sp.random(rows, columns, density, format="csr", random_state=seed, dtype=dtype)
    X.data = np.random.default_rng(seed).integers(1, 9, X.nnz).astype(dtype)
    X.sort_indices()
    return X


@pytest.fixture(autouse=True)
def no_warnings():
    with warnings.catch_warnings():
        warnings.simplefilter("error", RuntimeWarning)
        yield


def test_every_op_has_a_function():
    assert set(FUNCTIONS) == set(OPS)
    assert all(callable(function) for function in FUNCTIONS.values())


@given(SCORES)
def test_softmax(s):
    np.testing.assert_allclose(links.softmax(ops.Softmax(), s), special.softmax(s, axis=1), rtol=1e-13)
    scaled = links.softmax(ops.Softmax(scale=0.3), s)
    np.testing.assert_allclose(scaled, special.softmax(0.3 * s, axis=1), rtol=1e-13)
    one = s[:, :1]
    mirror = links.softmax(ops.Softmax(paired="mirror"), one)
    np.testing.assert_allclose(mirror, special.softmax(np.c_[-one, one], axis=1), rtol=1e-13)
    zero = links.softmax(ops.Softmax(paired="zero"), one)
    np.testing.assert_allclose(zero, special.softmax(np.c_[0 * one, one], axis=1), rtol=1e-13)


@given(SCORES)
def test_log_softmax(s):
    np.testing.assert_allclose(links.log_softmax(ops.LogSoftmax(), s), special.log_softmax(s, axis=1), rtol=1e-13, atol=1e-13)


@given(SCORES)
def test_sigmoid(s):
    k = s.shape[1]
    plain = links.sigmoid(ops.Sigmoid(slope=np.full(k, -1.0), offset=np.zeros(k)), s)
    np.testing.assert_allclose(plain, special.expit(s), rtol=5e-16, atol=5e-324)
    platt = links.sigmoid(ops.Sigmoid(slope=np.full(1, -2.0), offset=np.full(1, 0.5), paired=True), s[:, :1])
    expected = special.expit(2.0 * s[:, 0] - 0.5)
    np.testing.assert_allclose(platt, np.c_[1 - expected, expected], rtol=1e-15, atol=1e-16)


@given(SCORES)
def test_isotonic(s):
    x = np.array([-3.0, -1.0, 0.5, 2.0, 400.0])
    models = [IsotonicRegression(out_of_bounds="clip").fit(x, [0.0, 0.2, 0.2, 0.9, 1.0]), IsotonicRegression().fit([0.0], [0.4])]
    columns = [models[min(k, 1)] for k in range(s.shape[1])]
    op = ops.Isotonic(
        knots=np.concatenate([m.X_thresholds_ for m in columns]),
        values=np.concatenate([m.y_thresholds_ for m in columns]),
        ends=tuple(np.cumsum([len(m.X_thresholds_) for m in columns]).tolist()),
    )
    found = links.isotonic(op, s)
    np.testing.assert_allclose(found[:, 0], models[0].predict(s[:, 0]), rtol=1e-14, atol=1e-15)
    assert (found[:, 1:] == 0.4).all()


def test_normalize_rows_average_ramp_and_log():
    p = np.array([[1.0, 3.0], [0.0, 0.0]])
    np.testing.assert_array_equal(links.normalize_rows(ops.NormalizeRows(), p), [[0.25, 0.75], [0, 0]])
    np.testing.assert_array_equal(links.normalize_rows(ops.NormalizeRows(empty="uniform"), p), [[0.25, 0.75], [0.5, 0.5]])
    np.testing.assert_array_equal(links.average(ops.Average(inputs=(0, 1)), [p, p + 1]), p + 0.5)
    np.testing.assert_array_equal(links.ramp(ops.Ramp(paired=True), np.array([[-9.0], [0.5]])), [[1, 0], [0.25, 0.75]])
    np.testing.assert_array_equal(links.log(ops.Log(), p), [[0, np.log(3)], [-np.inf, -np.inf]])


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize("columns", [1, 7])
def test_linear_replays_scipy_s_bits(dtype, columns):
    X = random_csr(50, 300, 0.3, 1, dtype)
    weight = np.random.default_rng(2).normal(size=(300, columns)).astype(dtype)
    bias = np.random.default_rng(3).normal(size=columns).astype(dtype)
    op = ops.Linear(weight=weight.astype(np.float64), bias=bias.astype(np.float64), dtype=np.dtype(dtype).name)
    np.testing.assert_array_equal(linear(op, csr(X)), X @ weight + bias)
    np.testing.assert_allclose(linear(op, X.toarray()), X @ weight + bias, rtol=1e-4 if dtype == np.float32 else 1e-12)


@pytest.mark.parametrize("norm", ["l1", "l2", "max"])
@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_norms(norm, dtype):
    X = random_csr(40, 30, 0.2, 4, dtype)
    X.data *= np.random.default_rng(5).normal(size=X.nnz).astype(dtype)
    op = ops.TfIdf(sublinear=False, idf=None, norm=norm, dtype=np.dtype(dtype).name)
    found, expected = matrices.tfidf(op, csr(X)), normalize(X, norm)
    assert found.data.dtype == expected.data.dtype == dtype
    np.testing.assert_array_equal(found.data, expected.data)


def test_sublinear_refuses_what_has_no_logarithm():
    X = csr(sp.csr_matrix(np.array([[1.0, -1.0]])))
    with pytest.raises(ValueError, match="logarithm"):
        matrices.tfidf(ops.TfIdf(sublinear=True, idf=None, norm=None), X)


def test_concat():
    a, b = random_csr(9, 4, 0.5, 6), random_csr(9, 3, 0.4, 7)
    op = ops.Concat(inputs=(0, 1), weights=(1.0, 0.5))
    expected = sp.hstack([a, 0.5 * b]).tocsr()
    found = matrices.concat(op, [csr(a), csr(b)])
    np.testing.assert_array_equal(found.toarray(), expected.toarray())
    assert all((np.diff(found.indices[x:y]) > 0).all() for x, y in zip(found.indptr, found.indptr[1:], strict=False))
    for sparse, dense in ((None, False), (True, False), (False, True)):
        op = ops.Concat(inputs=(0, 1), weights=(1.0, 0.5), sparse=sparse)
        mixed = matrices.concat(op, [a.toarray(), csr(b)])
        assert isinstance(mixed, np.ndarray) == dense
        np.testing.assert_array_equal(mixed if dense else mixed.toarray(), expected.toarray())


def test_take():
    X = random_csr(9, 6, 0.5, 8)
    op = ops.Take(columns=(4, 0, 4))
    np.testing.assert_array_equal(matrices.take(op, X.toarray()), X.toarray()[:, [4, 0, 4]])
    found = matrices.take(op, csr(X))
    np.testing.assert_array_equal(found.toarray(), X.toarray()[:, [4, 0, 4]])
    assert all((np.diff(found.indices[x:y]) > 0).all() for x, y in zip(found.indptr, found.indptr[1:], strict=False))


def test_binarize():
    X = random_csr(9, 6, 0.5, 8)
    op = ops.Binarize(threshold=3.0)
    np.testing.assert_array_equal(matrices.binarize(op, csr(X)).toarray(), binarize(X, threshold=3.0).toarray())
    np.testing.assert_array_equal(matrices.binarize(op, X.toarray()), binarize(X.toarray(), threshold=3.0))
    with pytest.raises(ValueError, match="sparse"):
        matrices.binarize(ops.Binarize(threshold=-1.0), csr(X))


@pytest.mark.parametrize("indexed", [True, False])
@pytest.mark.parametrize("centred", [True, False])
@pytest.mark.parametrize("norm", [None, "l1", "l2"])
def test_planar_linear_is_tfidf_and_a_product(indexed, centred, norm):
    random = np.random.default_rng(9)
    n_features, n_outputs, n_distinct = 40, 5, 12 if indexed else 40
    idf = random.uniform(1, 4, n_features)
    op = ops.PlanarLinear(
        rows=random.integers(-3000, 3000, (n_distinct, n_outputs + centred)).astype(np.int16),
        exponent=random.integers(-14, 3, n_distinct).astype(np.int16),
        index=random.integers(0, n_distinct, n_features).astype(np.uint32) if indexed else None,
        bias=random.normal(size=n_outputs),
        centred=centred,
        sublinear=True,
        idf=idf,
        norm=norm,
        error=0.5,
        amplitude=3000.0,
    )
    stored = op.index if indexed else np.arange(n_features)
    grid = op.rows[stored] * 2.0 ** op.exponent[stored].astype(float)[:, None]
    V = grid[:, :n_outputs] + (grid[:, -1:] if centred else 0.0)
    X = sp.vstack([random_csr(20, n_features, 0.3, 10), sp.csr_matrix((1, n_features))]).tocsr()
    t = X.toarray()
    t[t > 0] = 1 + np.log(t[t > 0])
    norms = {None: np.ones(21), "l1": (t * idf).sum(1), "l2": np.sqrt(((t * idf) ** 2).sum(1))}[norm]
    norms = np.where(norms == 0, 1, norms)
    expected = (t @ V) / norms[:, None] + op.bias
    np.testing.assert_allclose(planar_linear(op, csr(X)), expected, rtol=1e-12, atol=1e-9)
    np.testing.assert_allclose(planar_linear(op, X.toarray()), expected, rtol=1e-12, atol=1e-9)
