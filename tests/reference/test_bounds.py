"""The constants and formulas of ARCHITECTURE.md, section 3, A and G, in fractions: no bound is smaller, none is larger."""

from __future__ import annotations

import sys
from fractions import Fraction

import numpy as np
import pytest

from quantcore.plan import ops
from quantcore.reference.bounds import UP, edges, gamma
from quantcore.reference.matrices import as_csr
from quantcore.reference.planar import grid_values, planar_bound, planar_linear, planar_terms

UNIT = {"float64": Fraction(1, 2**53), "float32": Fraction(1, 2**24)}
TINY = {"float64": Fraction(1, 2**1021), "float32": Fraction(1, 2**125)}  # twice the smallest normal number
LARGEST = {"float64": Fraction(sys.float_info.max) / 4, "float32": (2 - Fraction(1, 2**23)) * 2**127 / 4}
MORE = 1 + Fraction(1, 2**20)
RANDOM = np.random.default_rng(5)
M, D, K = 7, 5, 3
EXPONENT = np.array([-3, 0, 2, -10, 5], np.int16)
INDEX = np.array([0, 4, 1, 2, 3, 3, 0], np.uint32)
ROWS = np.array([[0.0, 1.5, -2.0, 0.0, 3.25, -0.5, 0.125], [0.0] * 7, [0, 0, 0, 4.0, 0, 0, 0], [1.0, -1, 2, -2, 3, -3, 4]])


def close(found, expected):
    np.testing.assert_allclose(found, np.array(expected, float), rtol=1e-11)


def planar(dtype="float64", **changes):
    fields = {
        "rows": RANDOM.integers(-100, 100, (D, K)).astype(np.int16),
        "exponent": EXPONENT,
        "index": INDEX,
        "bias": np.array([0.5, -2.25, 1.0]),
        "centred": False,
        "sublinear": False,
        "idf": None,
        "norm": None,
        "error": 0.5,
        "amplitude": 300.0,
        "dtype": dtype,
    }
    return ops.PlanarLinear(**{**fields, **changes})


def shared(n, dtype):
    return n * UNIT[dtype] / (1 - n * UNIT[dtype])


@pytest.mark.parametrize("dtype", UNIT)
def test_gamma(dtype):
    for n in (1, 3, 1000, 2**20):
        close(gamma(n, dtype), shared(n, dtype))
    half = float(1 / UNIT[dtype]) / 2
    with np.errstate(all="raise"):
        found = gamma(np.array([half / 2, half, 2 * half, 3 * half]), dtype)
    assert found.tolist() == [1 / 3, np.inf, np.inf, np.inf]


@pytest.mark.parametrize("dtype", UNIT)
def test_edges(dtype):
    assert edges(dtype) == (float(TINY[dtype]), float(LARGEST[dtype]))
    assert float(MORE) == UP


def steps(op, row):
    """T of section 3, G."""
    place = range(M) if op.index is None else op.index
    return sum(abs(Fraction(float(x))) * Fraction(2) ** int(op.exponent[place[j]]) for j, x in enumerate(row))


def expected_bound(op, row, off=None, error=None):
    """(G2), its edges, and columns that are off."""
    n, total = np.count_nonzero(row), steps(op, row)
    grid, amplitude = Fraction(op.error), Fraction(op.amplitude)
    bias = max(abs(Fraction(float(b))) for b in op.bias)
    terms = (n if error is None else max(n, M)) + 1
    own = (2 if len(op.bias) > 1 else 1) * amplitude + 2 * grid
    bound = total * grid * (2 if op.centred else 1) + total * amplitude * shared(terms, op.dtype)
    bound += total * own * shared(terms + 2, "float64") + bias * 4 * shared(1, op.dtype) + 2 * terms * TINY[op.dtype]
    bound = bound * MORE if n else Fraction(0)
    sums, values = total * amplitude, grid_values(op)
    if error is not None:
        place = range(M) if op.index is None else op.index
        width = 4 * shared(M + 32, op.dtype)
        moved = Fraction(0)
        for j in range(M):
            largest = max(abs(Fraction(float(v))) for v in values[place[j]])
            moved += Fraction(float(error[j])) * (
                largest + Fraction(2) ** int(op.exponent[place[j]]) * (2 * grid + width * amplitude)
            )
        moved *= Fraction(10001, 10000)
        bound, sums = bound + moved, sums + moved
    return float(bound) if sums + bias <= LARGEST[op.dtype] else float("inf")


@pytest.mark.parametrize("dtype", UNIT)
@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"centred": True, "bias": np.array([0.5, -2.0])},
        {"bias": np.array([7.0]), "rows": np.ones((D, 1), np.int16)},
        {"index": None, "exponent": np.resize(EXPONENT, M), "rows": np.ones((M, K), np.int16)},
    ],
    ids=["plain", "centre stored", "one score", "no index"],
)
def test_planar_bound(dtype, changes):
    op = planar(dtype, **changes)
    for given in (ROWS, as_csr(ROWS)):
        scores = planar_linear(op, given)
        close(planar_bound(op, given, scores), [expected_bound(op, row) for row in ROWS])
        sizes = np.array([float(3 * steps(op, row)) for row in ROWS])
        close(planar_bound(op, given, scores, sizes=sizes)[2:], [expected_bound(op, 3 * row) for row in ROWS[2:]])


@pytest.mark.parametrize("dtype", UNIT)
@pytest.mark.parametrize("index", [True, False])
def test_planar_bound_of_rows_that_are_off(dtype, index):
    op = planar(dtype) if index else planar(dtype, index=None, exponent=np.resize(EXPONENT, M), rows=np.ones((M, K), np.int16))
    error = np.abs(RANDOM.normal(size=ROWS.shape)) * 0.01
    scores = planar_linear(op, ROWS)
    close(planar_bound(op, ROWS, scores, error), [expected_bound(op, row, error=e) for row, e in zip(ROWS, error, strict=True)])
    stored = np.where(ROWS != 0, error, 0)  # what is not stored is 0 in the source as well
    found = planar_bound(op, as_csr(ROWS), scores, error[ROWS != 0])
    close(found, [expected_bound(op, row, error=e) for row, e in zip(ROWS, stored, strict=True)])


@pytest.mark.parametrize("dtype", UNIT)
def test_planar_bound_where_sums_may_overflow(dtype):
    """A + |b| up to a quarter of the largest number, an error counted in."""
    largest = float(LARGEST[dtype])
    op = planar(dtype, bias=np.array([0.25 * largest, 0, 0]), amplitude=1.0, index=np.full(M, 1, np.uint32))
    for share, finite in ((0.7, True), (0.8, False)):
        row = np.zeros((1, M))
        row[0, 2] = share * largest
        assert np.isfinite(planar_bound(op, row, np.zeros((1, K)))[0]) == finite
    row[0, 2], error = 0.7 * largest, np.zeros((1, M))
    error[0, 2] = 0.1 * largest
    assert np.isinf(planar_bound(op, row, np.zeros((1, K)), error)[0])
    exact = planar(dtype, bias=np.zeros(K), amplitude=1.0, index=np.full(M, 1, np.uint32))
    assert np.isfinite(planar_bound(exact, np.array([[largest] + [0.0] * 6]), np.zeros((1, K)))[0])


@pytest.mark.parametrize("dtype", UNIT)
def test_planar_bound_of_texts(dtype):
    """(A2) and (E1) of section 3, with the constants that the code takes for them: 3 n + 64 and 4 n + 32."""
    counts = np.array([[1, 2, 0, 0, 3, 1, 0], [0] * 7, [0, 0, 0, 5, 0, 0, 0]], float)
    idf = np.array([1.0, 2.0, 0.5, 1.5, 3.0, 1.25, 1.75])
    for changes in ({"norm": "l2"}, {"sublinear": True}, {"idf": idf, "norm": "l1"}):
        op = planar(dtype, **changes)
        scores = planar_linear(op, as_csr(counts))
        values = np.where(counts > 0, 1 + np.log(np.maximum(counts, 1)), 0) if op.sublinear else counts
        weighted = values * (1 if op.idf is None else idf)
        norms = {"l2": np.sqrt((weighted**2).sum(axis=1)), "l1": weighted.sum(axis=1), None: np.ones(3)}[op.norm]
        norms[norms == 0] = 1
        expected = []
        for row, norm, score in zip(values, norms, scores, strict=True):
            n, total = int(np.count_nonzero(row)), Fraction(float(steps(op, row))) / Fraction(float(norm))
            share = (3 * n + 64) * UNIT[dtype] + (4 * n + 32) * UNIT["float64"]
            shown = max(abs(Fraction(float(s))) for s in score) + Fraction(9, 4)
            bound = (total * Fraction(op.error) * 2 + total * share * Fraction(op.amplitude)) * Fraction(10001, 10000)
            expected.append(float(bound + shown * share + 2 * (n + 1) * TINY[dtype]) if n else 0.0)
        close(planar_bound(op, as_csr(counts), scores), expected)
        off = np.zeros(counts.shape)
        assert np.isinf(planar_bound(op, counts, scores, off)).all()  # logarithms and norms of inexact rows have no bound


def test_planar_scores_in_fractions():
    op = planar(rows=RANDOM.integers(-100, 100, (D, K + 1)).astype(np.int16), centred=True)
    values = grid_values(op)
    for d in range(D):
        for k in range(K):
            assert Fraction(float(values[d, k])) == (int(op.rows[d, k]) + int(op.rows[d, K])) * Fraction(2) ** int(EXPONENT[d])
    found = planar_linear(op, ROWS)
    for row, scores in zip(ROWS, found, strict=True):
        for k in range(K):
            exact = sum(Fraction(float(x)) * Fraction(float(values[INDEX[j], k])) for j, x in enumerate(row))
            assert abs(Fraction(float(scores[k])) - exact - Fraction(float(op.bias[k]))) < Fraction(1, 10**9)
    with pytest.raises(ValueError, match="at least one row"):
        planar_linear(op, np.zeros((0, M)))
    with pytest.raises(ValueError, match="NaN"):
        planar_linear(op, np.array([[np.nan] + [0.0] * 6]))
    huge = planar(rows=np.full((D, K), 30_000, np.int16))
    assert np.isinf(planar_linear(huge, np.full((1, M), 1e304))).all()  # finite rows, scores that are not: nothing to refuse


def test_terms_that_were_dropped_have_no_bound():
    op = planar(approximate=True)
    assert planar_bound(op, ROWS, planar_linear(op, ROWS)).tolist() == [np.inf] * 4


@pytest.mark.parametrize("dtype", UNIT)
@pytest.mark.parametrize("error", [0.0, 2.0**-40])
def test_planar_bound_where_little_is_left_of_it(dtype, error):
    """No grid's error, no bias, values below the normal numbers: each of the other terms is once the largest."""
    for bias in ([0.0], [0.0, 0.0]):
        rows = RANDOM.integers(-100, 100, (D, len(bias))).astype(np.int16)
        for amplitude in (1.0, 2.0**-30):
            op = planar(dtype, error=error, amplitude=amplitude, bias=np.array(bias), rows=rows)
            for given in (ROWS, ROWS * 1e-320):
                close(planar_bound(op, given, np.zeros((4, len(bias)))), [expected_bound(op, row) for row in given])


@pytest.mark.parametrize("dtype", UNIT)
def test_planar_bound_of_texts_where_little_is_left_of_it(dtype):
    for counts, rest in (([1.0, 2.0, 0, 0, 0, 0, 0], 1.0), ([1.0, 1.0, 1.0, 0, 0, 0, 0], 0.0)):
        op = planar(dtype, norm="l1", error=0.0, amplitude=rest, bias=np.zeros(K))
        scores = np.array([[-3.0, 2.0, 0.5]]) * rest
        n, total = np.count_nonzero(counts), steps(op, counts) / 3
        share = (3 * n + 64) * UNIT[dtype] + (4 * n + 32) * UNIT["float64"]
        expected = (
            total * share * Fraction(rest) * Fraction(10001, 10000) + Fraction(3 * rest) * share + 2 * (n + 1) * TINY[dtype]
        )
        close(planar_bound(op, as_csr(np.array([counts])), scores), [float(expected)])
    largest = float(LARGEST[dtype])
    for amplitude, finite in ((largest, True), (2 * largest, False)):
        op = planar(dtype, sublinear=True, error=0.0, amplitude=amplitude, bias=np.zeros(K), index=np.full(M, 1, np.uint32))
        assert np.isfinite(planar_bound(op, as_csr(np.array([[1.0] + [0] * 6])), np.zeros((1, K)))[0]) == finite


def test_a_row_of_zeros_is_not_divided():
    op = planar(norm="l2")
    for given in (np.zeros((1, M)), as_csr(np.zeros((1, M)))):
        terms, norms, _ = planar_terms(op, as_csr(given))
        assert norms.tolist() == [1.0] and terms.data.tolist() == []
        assert planar_linear(op, given).tolist() == [op.bias.tolist()]
    assert planar_terms(planar(), as_csr(ROWS))[1].tolist() == [1.0] * 4  # nor where there is no norm
