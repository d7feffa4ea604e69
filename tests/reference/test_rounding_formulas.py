"""The errors of matrices and scores, computed again one number at a time from what runtime.rounding and ARCHITECTURE.md state.

Other tests show that the source stays within them; these that they are no wider, whichever term is the largest.
"""

from __future__ import annotations

import math
from fractions import Fraction

import numpy as np
import pytest

from quantcore.plan import Csr, ops
from quantcore.reference import FUNCTIONS
from quantcore.reference.matrices import as_csr
from quantcore.runtime.rounding import UNKNOWN, matrix_error, scores_error, with_zeros

RANDOM = np.random.default_rng(17)
N, M, K = 9, 5, 3
W = RANDOM.normal(size=(M, K))
BASE = RANDOM.normal(size=(N, M)) * (RANDOM.random((N, M)) < 0.7)
BASE[0] = 0.0
BASE[1, 1:] = 0.0
BASE[2] = [1.0, 2.0, -3.0, 4.0, 5.0]
# Values, and errors relative to them: none, zeros, small, larger than the values; and values below the normal numbers.
CASES = {
    "exact": (1.0, None),
    "no error": (1.0, 0.0),
    "small": (1.0, 1e-7),
    "wide": (1.0, 3.0),
    "tiny": (1e-320, 1e-3),
    "tiny, exact": (1e-320, None),
}


def eps(dtype):
    return float(np.finfo(dtype).eps)


def tiny(dtype):
    return float(np.finfo(dtype).tiny)


def given(case, sparse, dtype="float64"):
    """Rows, their error per value (all of them) and as it is given for what is stored."""
    size, relative = CASES[case]
    X = (BASE * (size if dtype == "float64" or size == 1.0 else 1e-44)).astype(dtype)
    if relative is None:
        return X, np.zeros(X.shape), (as_csr(X) if sparse else X), None
    error = np.abs(X.astype(np.float64)) * relative + (0.0 if sparse else 0.25 * relative)
    return X, error, (as_csr(X) if sparse else X), (error[X != 0] if sparse else error)


def close(found, expected, rtol=1e-9):
    np.testing.assert_allclose(found, np.array(expected, float), rtol=rtol, atol=0)


def stored(expected, X, sparse):
    return np.array(expected)[X != 0] if sparse else np.array(expected)


every_case = pytest.mark.parametrize("case", CASES)
both = pytest.mark.parametrize("sparse", [False, True], ids=["dense", "sparse"])


@every_case
@both
@pytest.mark.parametrize("product", [False, True])
@pytest.mark.parametrize("shifted", [False, True])
def test_affine(case, sparse, product, shifted):
    scale, shift = np.array([2.0, 0.5, 3.0, -1.25, 7.0]), (np.array([100.0, -50.0, 3.0, 0.0, 1e-3]) if shifted else None)
    op = ops.Affine(shift=shift, scale=scale, product=product, sparse="refuse" if not shifted else "ignore")
    X, error, rows, errors = given(case, sparse)
    value = rows.with_data(rows.data * 1.0) if sparse else X * 1.0
    found = matrix_error(op, [rows], [errors], value)
    if errors is None:
        assert found is None
        return
    expected = np.zeros(X.shape)
    for i, j in np.ndindex(X.shape):
        factor = abs(scale[j]) if product else 1 / abs(scale[j])
        moved = 0.0 if shift is None or sparse else abs(shift[j]) * (1.0 if product else factor)
        expected[i, j] = factor * (error[i, j] * 1.0001 + 8 * eps("f8") * abs(X[i, j])) + 8 * eps("f8") * moved + 4 * tiny("f8")
    close(found, stored(expected, X, sparse))


def test_affine_without_a_scale_and_of_what_is_missing():
    op = ops.Affine(shift=np.full(2, 3.0), scale=None)
    X, error = np.array([[np.nan, 2.0]]), np.array([[0.5, 0.25]])
    found = matrix_error(op, [X], [error], X - 3.0)
    close(found, [[0.5, 0.25 * 1.0001 + 8 * eps("f8") * 2 + 8 * eps("f8") * 3 + 4 * tiny("f8")]])
    sparse = matrix_error(ops.Affine(shift=None, scale=None), [as_csr(X)], [error[0]], as_csr(X))
    close(sparse, [0.5, 0.25 * 1.0001 + 8 * eps("f8") * 2 + 4 * tiny("f8")])


@every_case
@both
@pytest.mark.parametrize("shift", [None, np.array([100.0, -50.0, 3.0, 0.0, 1.0])], ids=["as they are", "shifted"])
@pytest.mark.parametrize("of_dense", [False, True])
def test_project(case, sparse, shift, of_dense):
    if sparse and of_dense:
        return
    op = ops.Project(weight=W, shift=shift, dense=of_dense)
    X, error, rows, errors = given(case, sparse)
    found = matrix_error(op, [rows], [errors], np.zeros((N, K)))
    for i, k in np.ndindex(N, K):
        n = (np.count_nonzero(X[i]) if sparse else M) + 8
        if (shift is not None and not of_dense) or errors is not None:
            n = M + 8
        total = off = Fraction(0)
        for j in range(M):
            inside = abs(X[i, j] - shift[j]) if of_dense and shift is not None else abs(X[i, j])
            outside = abs(shift[j]) if shift is not None and not of_dense else 0.0
            total += (Fraction(float(inside)) + Fraction(float(error[i, j])) + Fraction(float(outside))) * Fraction(abs(W[j, k]))
            off += Fraction(float(error[i, j])) * Fraction(abs(W[j, k]))
        expected = total * n * 2 * Fraction(eps("f8")) + n * 2 * Fraction(tiny("f8")) + off * Fraction(10001, 10000)
        assert found[i, k] == pytest.approx(float(expected), rel=1e-9, abs=0)


def test_project_of_what_may_overflow():
    largest = float(np.finfo(np.float64).max)
    X = np.array([[largest / 8, largest / 8], [largest / 8, largest / 7], [0, largest], [largest / 3, 0]])
    found = matrix_error(ops.Project(weight=np.ones((2, 1))), [X], [None], np.zeros((4, 1)))
    assert np.isfinite(found)[:, 0].tolist() == [True, False, False, False]
    found = matrix_error(ops.Project(weight=np.ones((2, 1))), [X[:1]], [X[:1] / 8], np.zeros((1, 1)))
    assert np.isinf(found).all()


@every_case
@both
@pytest.mark.parametrize("dtype", ["float64", "float32"])
def test_linear(case, sparse, dtype):
    op = ops.Linear(weight=W, bias=np.array([0.0, 2.0, -1000.0]), dtype=dtype)
    X, error, rows, errors = given(case, sparse)
    found = scores_error(op, rows, errors, np.zeros((N, K)))
    u = Fraction(eps(dtype)) / 2
    for i, k in np.ndindex(N, K):
        n = (np.count_nonzero(X[i]) if sparse and errors is None else M) + 1
        size = [(Fraction(abs(float(X[i, j]))), Fraction(float(error[i, j])), Fraction(abs(W[j, k]))) for j in range(M)]
        total, off = sum((x + e) * w for x, e, w in size), sum(e * w for _, e, w in size)
        bound = total * 2 * n * u / (1 - n * u) + 2 * u * abs(Fraction(op.bias[k])) + 2 * n * 2 * Fraction(tiny(dtype))
        expected = bound * (1 + Fraction(1, 2**20)) + off * Fraction(10001, 10000)
        if errors is None and not X[i].any():
            expected = 0
        assert found[i, k] == pytest.approx(float(expected), rel=1e-9, abs=0)
    if errors is None:  # sums that a kernel has made already
        sizes = np.abs(X) @ np.abs(W)
        close(scores_error(op, rows, None, np.zeros((N, K)), sizes), found)
        zero = ops.Linear(weight=W, bias=np.zeros(K), dtype=dtype)
        doubled = scores_error(zero, rows, None, np.zeros((N, K)), 2 * sizes)
        if case == "exact":
            close(doubled, 2 * scores_error(zero, rows, None, np.zeros((N, K))))
    else:
        close(scores_error(op, rows, errors, np.zeros((N, K)), np.full((N, K), 1e9)), found)


def test_linear_of_what_may_overflow():
    largest = float(np.finfo(np.float64).max) / 4
    for bias, X, finite in (
        (0.0, [largest], True),
        (0.4 * largest, [0.5 * largest], True),
        (0.6 * largest, [0.5 * largest], False),
    ):
        op = ops.Linear(weight=np.ones((1, 1)), bias=np.array([bias]))
        assert np.isfinite(scores_error(op, np.array([X]), None, np.zeros((1, 1)))[0, 0]) == finite


@pytest.mark.parametrize("dtype", ["float64", "float32"])
@pytest.mark.parametrize("error", [None, 0.0, 0.1])
def test_quadratic(dtype, error):
    """Half of the sum of squares, the logarithms of the variances that the source adds up, and the score."""
    variance = np.array([[0.5, 2.0, 4.0, 1.0, 1e-3], [8.0, 0.25, 1.0, 1.0, 30.0]])
    center, prior = np.array([[1.0, 0, 0, 2, 0], [0.0, 0, -1, 0, 0]]), np.array([-5.0, 2.5])
    op = ops.Quadratic(center=center, variance=variance, prior=prior, offset=np.ones(2), dtype=dtype)
    scores = np.array([[3.0, -40.0]]) * np.ones((N, 1))
    off = None if error is None else np.full(BASE.shape, error)
    found = scores_error(op, BASE, off, scores)
    for i, k in np.ndindex(N, 2):
        away = [abs(x - c) for x, c in zip(BASE[i], center[k], strict=True)]
        least = sum(a * a / v for a, v in zip(away, variance[k], strict=True))
        most = sum((a + (error or 0)) ** 2 / v for a, v in zip(away, variance[k], strict=True))
        logs = sum(0.5 * (abs(math.log(v)) + 2) for v in variance[k]) + abs(prior[k])
        rounded = (0.5 * most + logs + abs(scores[i, k])) * (M + 16) * 2 * eps(dtype)
        expected = 0.5 * (most - least) * 1.0001 + rounded + 2 * M * tiny(dtype) * (1 + 1 / min(variance[k]))
        assert found[i, k] == pytest.approx(expected, rel=1e-9)
    nothing = ops.Quadratic(
        center=np.zeros((1, 1)), variance=np.full((1, 1), math.exp(-2.0)), prior=np.zeros(1), offset=np.zeros(1), dtype=dtype
    )
    found = scores_error(nothing, np.zeros((1, 1)), None, np.zeros((1, 1)))
    assert found[0, 0] == pytest.approx(2.0 * 17 * 2 * eps(dtype), rel=1e-9)  # half of |log(e^-2)| + 2
    with pytest.raises(TypeError, match="dense rows"):
        scores_error(op, as_csr(BASE), None, scores)


@pytest.mark.parametrize("dtype, variance", [("float64", 1e-306), ("float32", 1e-37)])
def test_quadratic_of_variances_next_to_nothing(dtype, variance):
    """A square below the normal numbers, divided by such a variance, is no longer small."""
    op = ops.Quadratic(
        center=np.zeros((1, 2)), variance=np.array([[1.0, variance]]), prior=np.zeros(1), offset=np.zeros(1), dtype=dtype
    )
    found = scores_error(op, np.zeros((1, 2)), None, np.zeros((1, 1)))
    rounded = 0.5 * (4 + abs(math.log(variance))) * 18 * 2 * eps(dtype)
    assert found[0, 0] == pytest.approx(rounded + 2 * 2 * tiny(dtype) * (1 + 1 / variance), rel=1e-9)


def test_quadratic_of_what_may_overflow():
    largest = float(np.finfo(np.float64).max)
    op = ops.Quadratic(center=np.zeros((1, 2)), variance=np.array([[4.0, 4.0]]), prior=np.zeros(1), offset=np.zeros(1))
    rows = np.sqrt(largest) * np.array([[0.499, 0.0], [0.499, 0.499], [0.51, 0.0], [0.1, 0.1]])
    assert np.isfinite(scores_error(op, rows, None, np.zeros((4, 1))))[:, 0].tolist() == [True, True, False, True]
    narrow = ops.Quadratic(center=np.zeros((1, 2)), variance=np.array([[0.5, 0.5]]), prior=np.zeros(1), offset=np.zeros(1))
    rows = np.sqrt(largest) * np.array([[0.3, 0.0], [0.3, 0.3]])
    assert np.isfinite(scores_error(narrow, rows, None, np.zeros((2, 1))))[:, 0].tolist() == [True, False]


@every_case
@both
@pytest.mark.parametrize("norm", ["l1", "l2", "max"])
@pytest.mark.parametrize("dtype", ["float64", "float32"])
def test_row_norm(case, sparse, norm, dtype):
    if sparse and norm == "max" and case.startswith("tiny"):
        return
    op = ops.RowNorm(norm=norm)
    X, error, rows, errors = given(case, sparse, dtype)
    wide = X.astype(np.float64)
    # A row at the edge of what is divided, one whose squares are too large, one of a single value.
    if case in ("exact", "no error", "small") and not sparse:
        wide = np.vstack([wide, [[10.5 * eps(dtype), 0, 0, 0, 0], [9.5 * eps(dtype), 0, 0, 0, 0], [1e-4, 0, 0, 0, 0]]])
        wide = np.vstack([wide, [[10 * eps(dtype) * (1 + 2 * eps(dtype)), 0, 0, 0, 0]]])
        wide = np.vstack([wide, np.eye(5)[:2] * [[np.sqrt(np.finfo(dtype).max) / 3.9], [np.sqrt(np.finfo(dtype).max) / 4.1]]])
        X = rows = wide.astype(dtype)
        errors = error = None if errors is None else np.abs(wide) * CASES[case][1]
        error = np.zeros(X.shape) if error is None else error
    with np.errstate(all="ignore"):
        value = FUNCTIONS["RowNorm"](op, rows)
    values = value.toarray() if isinstance(value, Csr) else value
    found = matrix_error(op, [rows], [errors], value)
    expected = np.zeros(X.shape)
    size = {"l1": lambda row: np.abs(row).sum(), "l2": lambda row: np.sqrt((row**2).sum()), "max": lambda row: np.abs(row).max()}[
        norm
    ]
    least = 0.0 if sparse else 10 * eps(dtype)
    for i in range(len(X)):
        length, n = float(size(X[i])), (np.count_nonzero(X[i]) if sparse else M) + 8
        away = length * n * eps(dtype) + (0.0 if errors is None else float(size(error[i])) * 1.0001)
        divided = length > least
        relative = 0.0
        if divided:
            relative = away / (length - away) if length > away else np.inf
        if abs(length - least) <= away and away > 0:
            relative = np.inf
        if norm == "l2" and (
            0 < length < np.sqrt(tiny(dtype)) / eps(dtype) and divided or length > np.sqrt(np.finfo(dtype).max) / 4
        ):
            relative = np.inf
        for j in range(M):
            off = abs(float(values[i, j])) * relative + (tiny(dtype) if divided else 0) if values[i, j] != 0 else 0.0
            if errors is not None and not (error[i, j] == 0 and relative == np.inf):
                off += error[i, j] / (length if divided else 1.0) * (1 + relative)
            elif errors is not None:
                off = np.inf
            expected[i, j] = np.inf if np.isnan(off) else off
    close(found, stored(expected, X, sparse), 1e-9 if dtype == "float64" else 2e-5)


@pytest.mark.parametrize("dtype, size, known", [("float64", 1e-150, False), ("float64", 1e-138, True), ("float32", 1e-14, False)])
def test_norms_whose_squares_leave_the_normal_numbers(dtype, size, known):
    X = as_csr((np.array([[1.0, 2.0, 2.0]]) * size).astype(dtype))
    op = ops.RowNorm(norm="l2")
    assert np.isfinite(matrix_error(op, [X], [None], FUNCTIONS["RowNorm"](op, X))).all() == known


@both
@pytest.mark.parametrize("dtype", ["float64", "float32", "int64"])
def test_tfidf(sparse, dtype):
    op = ops.TfIdf(sublinear=False, idf=None, norm="l2")
    X = np.array([[1, 2, 0], [0, 0, 0], [3, 0, 0]]).astype(dtype)
    value = as_csr(X) if sparse else X
    found = matrix_error(op, [value], [None], value)
    kind = "float64" if dtype == "int64" else dtype
    expected = [
        [abs(x) * (((row != 0).sum() if sparse else 3) + 64) * eps(kind) + tiny(kind) for x in row] for row in X.astype(float)
    ]
    close(found, stored(expected, X, sparse))
    small = value.with_data(value.data * 0) if sparse else value * 0
    assert (matrix_error(op, [small], [None], small) == tiny(kind)).all()
    assert matrix_error(op, [value], [np.zeros(3)], value) is UNKNOWN  # of counts that are off nothing is known


@both
@pytest.mark.parametrize("weights", [(1.0, 1.0), (1.0, -2.5), (3.0, 1.0)])
def test_concat(sparse, weights):
    op = ops.Concat(inputs=(0, 1), weights=weights)
    A, B = BASE[:, :2], BASE[:, 2:] * 1e3
    E = np.abs(B) * 0.01
    rows = [as_csr(A), as_csr(B)] if sparse else [A, B]
    value = FUNCTIONS["Concat"](op, rows)
    assert matrix_error(op, rows, [None, None], value) is None
    for errors, off in (([None, E], np.hstack([A * 0, E])), ([np.abs(A), None], np.hstack([np.abs(A), B * 0]))):
        passed = [None if e is None else e[x != 0] if sparse else e for e, x in zip(errors, (A, B), strict=True)]
        found = matrix_error(op, rows, passed, value)
        factor = np.repeat(np.abs(weights), [2, 3])
        plain = np.hstack([A, B]) * factor
        expected = off * factor if weights == (1.0, 1.0) else off * factor * 1.0001 + np.abs(plain) * 2 * eps("f8")
        close(found, stored(expected, plain, sparse))


def test_concat_of_dense_and_sparse_stores_zeros_that_may_be_something_else():
    op = ops.Concat(inputs=(0, 1), weights=(1.0, 1.0))
    A, B = as_csr(np.array([[0.0, 2.0], [1.0, 0.0]])), np.array([[0.0, 0.0, 5.0], [0.0, 3.0, 0.0]])
    E = np.array([[0.0, 0.5, 0.25], [0.0, 0.0, np.inf]])
    value = FUNCTIONS["Concat"](op, [A, B])
    assert with_zeros(op, [A, B], [None, None], value) is value and with_zeros(op, [A, A], [None, A.data], value) is value
    assert with_zeros(op, [A, B], [None, UNKNOWN], value) is value
    dense = np.zeros((2, 2))
    assert with_zeros(op, [B, B], [E, E], dense) is dense
    found = with_zeros(op, [A, B], [None, E], value)
    np.testing.assert_array_equal(found.toarray(), value.toarray())
    # Two of the first matrix; of the other what is not 0, or may be something else.
    assert list(zip(found.row_ids().tolist(), found.indices.tolist(), found.data.tolist(), strict=True)) == [
        (0, 1, 2.0), (0, 3, 0.0), (0, 4, 5.0), (1, 0, 1.0), (1, 3, 3.0), (1, 4, 0.0),
    ]  # fmt: skip
    error = matrix_error(op, [A, B], [None, E], found)
    assert error.tolist() == [0.0, 0.5, 0.25, 0.0, 0.0, np.inf]
    assert matrix_error(op, [A, B], [A.data, E], found).tolist() == [2.0, 0.5, 0.25, 1.0, 0.0, np.inf]


def test_missing_columns_of_sparse_rows_that_are_off():
    """Of a row with an unknown value nothing is known: all its columns are stored."""
    op = ops.Missing(missing=None, index=np.array([0, 2]))
    X = np.array([[np.nan, 1.0, 0.0], [0.0, 2.0, 3.0], [1.0, 0.0, 2.0], [0.0, 0.0, np.nan]])
    rows = as_csr(X)
    value = FUNCTIONS["Missing"](op, rows)
    assert isinstance(value, Csr)
    assert with_zeros(op, [rows], [None], value) is value
    assert with_zeros(op, [rows], [np.full(len(rows.data), 0.5)], value) is value  # what is off is still there
    error = np.zeros(len(rows.data))
    error[list(rows.row_ids()).index(2)] = np.inf
    found = with_zeros(op, [rows], [error], value)
    np.testing.assert_array_equal(found.toarray(), value.toarray())
    assert found.n_columns == 2 and found.n_rows == 4
    stored_at = set(zip(found.row_ids().tolist(), found.indices.tolist(), strict=True))
    assert stored_at == {(0, 0), (2, 0), (2, 1), (3, 1)} and (np.diff(found.indptr) == [1, 0, 2, 1]).all()
    assert matrix_error(op, [rows], [error], found).tolist() == [0.0, np.inf, np.inf, 0.0]
    missing = np.where(rows.data == rows.data, 0.0, np.nan)  # an error that is itself not a number: as if nothing were known
    assert matrix_error(op, [rows], [missing], value).tolist() == [np.inf, np.inf]
    dense_error = np.array([[0.0, np.inf, 0.5], [np.inf, 0.0, 0.0], [np.nan, 0.0, np.inf], [0.0, 0.0, 0.0]])
    dense = matrix_error(op, [X], [dense_error], np.zeros((4, 2)))
    assert dense.tolist() == [[0.0, 0.0], [np.inf, 0.0], [np.inf, np.inf], [0.0, 0.0]]


def test_values_that_are_chosen_compared_or_filled():
    X, error = np.array([[1.0, 2.0, 3.0]]), np.array([[0.5, 0.25, np.nan]])
    assert matrix_error(ops.Take(columns=(2, 0)), [X], [error[:, :2].repeat(2, axis=1)], X).tolist() == [[0.25, 0.5]]
    chosen = ops.Columns(index=np.array([1, 0, 2]).astype(np.uint32))
    np.testing.assert_array_equal(matrix_error(chosen, [X], [error], X), [[0.25, 0.5, np.nan]])
    fill = ops.Impute(missing=None, fill=np.zeros(3))
    assert matrix_error(fill, [X], [error], X).tolist() == [[0.5, 0.25, np.inf]]
    assert matrix_error(ops.Impute(missing=-1.0, fill=np.zeros(3)), [X], [error], X) is UNKNOWN  # may be missing to one alone
    at = ops.Binarize(threshold=1.5)
    X = np.array([[1.0, 2.0, 1.5, 1.0, -1.5]])
    found = matrix_error(at, [X], [np.array([[0.5, 0.25, 0.0, 0.25, 1.0]])], X)
    assert found.tolist() == [[1.0, 0.0, 1.0, 0.0, 0.0]]  # may lie on the other side, or on the threshold
    for op in (at, chosen, fill):
        assert matrix_error(op, [X[:, :3]], [None], X[:, :3]) is None
        assert matrix_error(op, [X[:, :3]], [UNKNOWN], X[:, :3]) is UNKNOWN
    text = ops.Text.__new__(ops.Text)
    assert matrix_error(text, [X], [None], X) is None


@pytest.mark.parametrize("relative", [0.0, 1e-18, 0.01])
def test_products(relative):
    op = ops.Polynomial(least=1, most=3, interaction_only=True, bias=False)
    X = np.array([[2.0, -3.0, 0.5]])
    error = np.abs(X) * relative
    found = matrix_error(op, [X], [error], FUNCTIONS["Polynomial"](op, X))
    terms = [(0,), (1,), (2,), (0, 1), (0, 2), (1, 2), (0, 1, 2)]
    least = [math.prod(abs(X[0, j]) for j in term) for term in terms]
    most = [math.prod(abs(X[0, j]) + error[0, j] for j in term) for term in terms]
    close(found[0], [b - a + 2 * 3 * eps("f8") * b for a, b in zip(least, most, strict=True)])
    assert matrix_error(op, [X], [np.array([[0.0, np.inf, 0.0]])], X) is UNKNOWN
