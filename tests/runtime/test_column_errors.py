"""Errors through ops over single columns: whatever is within the error of a value gives a result within the bound."""

from __future__ import annotations

import numpy as np
import pytest

from quantcore.plan import Csr, ops
from quantcore.plan.column_ops import UFUNCS
from quantcore.reference import FUNCTIONS
from quantcore.runtime.column_errors import error_of, unsettled_rows

RANDOM = np.random.default_rng(17)
N, M = 300, 3
X = np.round(RANDOM.normal(size=(N, M)) * 2.0, 2)
# Known to the bit, or to something between a billionth and a tenth.
ERROR = np.where(RANDOM.random((N, M)) < 0.3, 0.0, 10.0 ** RANDOM.uniform(-9, -1, (N, M)))
QUANTILES = np.sort(RANDOM.normal(size=(20, M)) * 2.0, axis=0)


def within(rows, error):
    """Rows that the source may have had in place of these: at both ends, and in between."""
    yield from (rows - error, rows + error)
    for _ in range(4):
        yield rows + error * RANDOM.uniform(-1.0, 1.0, rows.shape)


def result(op, rows):
    with np.errstate(all="ignore"):
        found = FUNCTIONS[op.kind](op, rows)
    return found.toarray() if isinstance(found, Csr) else np.asarray(found)


def bounded(op, rows, error):
    """The bound of a dense result; every result of rows within the error was found to keep it."""
    value = result(op, rows)
    with np.errstate(all="ignore"):
        found = error_of(op, rows, error, FUNCTIONS[op.kind](op, rows))
        bound = np.zeros(value.shape) if found is None else np.broadcast_to(found, value.shape)
        for near in within(rows, error):
            other = result(op, near)
            same = (other == value) | (np.isnan(other) & np.isnan(value))
            kept = same | (np.abs(other - value) <= bound) | np.isinf(bound)
            assert kept.all(), (np.argwhere(~kept)[:3], value[~kept][:3], other[~kept][:3], bound[~kept][:3])
    return bound


@pytest.mark.parametrize("name", sorted(UFUNCS))
def test_functions(name):
    bound = bounded(ops.Ufunc(name=name), X, ERROR)
    known = np.isfinite(result(ops.Ufunc(name=name), X)) & (ERROR < 1e-3)
    # Of tan nothing is known where a value moves; of all others nearly everything.
    assert np.isfinite(bound[known]).mean() > (0.2 if name == "tan" else 0.9)


@pytest.mark.parametrize("dtype", ["float64", "float32"])
@pytest.mark.parametrize("method", ["box-cox", "yeo-johnson"])
@pytest.mark.parametrize("exponent", [-1.5, 0.0, 0.3, 1.0, 2.0, 4.0])
def test_powers(method, exponent, dtype):
    op = ops.Power(method=method, exponents=np.full(M, exponent), dtype=dtype)
    rows = np.abs(X) + 0.5 if method == "box-cox" else X
    assert np.isfinite(bounded(op, rows, ERROR)).mean() > 0.9


@pytest.mark.parametrize("clip", [None, (-5.2, 5.2)], ids=["uniform", "normal"])
def test_quantiles(clip):
    op = ops.Quantiles(quantiles=QUANTILES, references=np.linspace(0.0, 1.0, len(QUANTILES)), clip=clip)
    assert np.isfinite(bounded(op, X, ERROR)).all()


@pytest.mark.parametrize("sparse", [False, True])
@pytest.mark.parametrize("degree", [0, 1, 2, 3])
@pytest.mark.parametrize("extrapolation", ["constant", "linear", "continue", "periodic"])
def test_splines(extrapolation, degree, sparse):
    knots = np.tile(np.arange(-3.0 - degree, 4.0 + degree), (M, 1))
    op = ops.Spline(knots=knots, degree=degree, extrapolation=extrapolation, sparse=sparse)
    rows = np.clip(X, -2.8, 2.8) if degree == 0 else X  # beyond the knots scikit-learn's own fails for degree 0
    if not sparse:
        assert np.isfinite(bounded(op, rows, ERROR)).mean() > 0.3
        return
    # Of CSR a bound is one of what is stored; rows that may store something else are told apart.
    value, unsettled = FUNCTIONS["Spline"](op, rows), unsettled_rows(op, rows, ERROR)
    bound = value.with_data(error_of(op, rows, ERROR, value)).toarray()
    settled = ~unsettled[:, None] & np.isfinite(bound)
    for near in within(rows, ERROR):
        assert (np.abs(result(op, near) - value.toarray()) <= bound)[settled].all()
    assert settled.any()


def test_cells_and_what_is_made_of_them():
    """A value that may lie in another cell: of its column, and of a row of indicators, nothing is known."""
    edges = np.array([-1.0, 0.5, 0.0, 1.25, -0.75])
    op = ops.Cells(ends=(2, 4, 5), edges=edges)
    codes = FUNCTIONS["Cells"](op, X)
    error = error_of(op, X, ERROR, codes)
    assert set(np.unique(error)) == {0.0, np.inf}
    sizes = (4, 4, 3)  # the cells of each column, and what is unknown
    ends = tuple(np.cumsum(sizes).tolist())
    made = {
        "values": ops.Lookup(ends=ends, values=RANDOM.normal(size=(ends[-1], 2))),
        "indicators": ops.OneHot(ends=ends, place=np.arange(ends[-1], dtype=np.int32), n_outputs=ends[-1], dense=True),
        "stored indicators": ops.OneHot(ends=ends, place=np.arange(ends[-1], dtype=np.int32), n_outputs=ends[-1]),
    }
    for name, after in made.items():
        value = FUNCTIONS[after.kind](after, codes)
        found = error_of(after, codes, error, value)
        bound = value.with_data(found).toarray() if isinstance(value, Csr) else found
        rows = (error > 0.0).any(axis=1)
        for near in within(X, ERROR):
            changed = result(after, FUNCTIONS["Cells"](op, near)) != result(after, codes)
            assert not (changed & (bound == 0.0))[~rows if name == "stored indicators" else slice(None)].any(), name
        assert error_of(after, codes, None, value) is None
