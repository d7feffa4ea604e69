"""Errors of matrices and scores: what another order of summation gives, from rows that are themselves off, stays within them."""

from __future__ import annotations

import warnings

import numpy as np
import pytest

from quantcore.plan import Csr, ops
from quantcore.reference import FUNCTIONS
from quantcore.reference.matrices import as_csr
from quantcore.reference.planar import planar_bound
from quantcore.runtime.rounding import UNKNOWN, matrix_error, scores_error

N, M, K = 40, 12, 3
RANDOM = np.random.default_rng(21)
SCALE = 10.0 ** RANDOM.integers(-6, 7, M)
X = RANDOM.normal(size=(N, M)) * SCALE
W = RANDOM.normal(size=(M, K)) / SCALE[:, None]
FIRST, SECOND = np.arange(0, M, 2).astype(np.uint32), np.arange(M).astype(np.uint32)

MATRICES = {
    "affine": ops.Affine(shift=X.mean(axis=0), scale=X.std(axis=0)),
    "affine, product": ops.Affine(shift=X.mean(axis=0), scale=1 / SCALE, product=True, sparse="refuse", clip=(-0.5, 0.5)),
    "scale": ops.Affine(shift=None, scale=X.std(axis=0)),
    "columns": ops.Columns(index=FIRST),
    "impute": ops.Impute(missing=None, fill=np.zeros(M)),
    "norm, l1": ops.RowNorm(norm="l1"),
    "norm, l2": ops.RowNorm(norm="l2"),
    "norm, max": ops.RowNorm(norm="max"),
    "products": ops.Polynomial(least=1, most=3, interaction_only=False, bias=True),
    "projection": ops.Project(weight=W, shift=X.mean(axis=0)),
    "projection of dense rows": ops.Project(weight=W, shift=X.mean(axis=0), dense=True),
    "projection, no shift": ops.Project(weight=W),
    "binarize": ops.Binarize(threshold=0.0),
}
SCORES = {
    "linear": ops.Linear(weight=W, bias=np.ones(K)),
    "Gaussian": ops.Quadratic(center=W.T * SCALE**2, variance=np.tile(SCALE**2, (K, 1)), prior=-np.ones(K), offset=np.ones(K)),
}


def moved(op, exact_op, values):
    """The op's result in extended precision, of columns in reverse order where they are summed."""
    wide = values.astype(np.longdouble)
    if isinstance(op, ops.Project):
        shift = 0 if op.shift is None else op.shift.astype(np.longdouble)
        return (wide - shift)[:, ::-1] @ op.weight[::-1].astype(np.longdouble)
    if isinstance(op, ops.Linear):
        return wide[:, ::-1] @ op.weight[::-1].astype(np.longdouble) + op.bias
    if isinstance(op, ops.Quadratic):
        terms = (wide[:, None, :] - op.center) ** 2 / op.variance
        return op.prior + op.offset - terms[:, :, ::-1].sum(axis=2) / 2
    if isinstance(op, ops.RowNorm):
        size = np.abs(wide)
        norms = {"l1": size.sum(axis=1), "l2": np.sqrt((wide**2).sum(axis=1)), "max": size.max(axis=1)}[op.norm]
        return wide / norms[:, None]
    return exact_op(values)


def dense(found):
    return found.toarray() if isinstance(found, Csr) else found


@pytest.fixture(autouse=True)
def quiet():
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)
        yield


@pytest.mark.parametrize("relative", [0.0, 1e-12, 1e-6, 1e-2])
@pytest.mark.parametrize("sparse", [False, True])
@pytest.mark.parametrize("name", [*MATRICES, *SCORES])
def test_the_source_stays_within_the_error(name, sparse, relative):
    op = (MATRICES | SCORES)[name]
    given = X * (RANDOM.random(X.shape) < 0.7) if sparse else X
    rows = as_csr(given) if sparse else given
    size = np.abs(given) * relative
    errors = None if relative == 0.0 else (size[given != 0] if sparse else size)
    try:
        value = FUNCTIONS[op.kind](op, rows)
    except (TypeError, ValueError):
        assert sparse
        return
    found = scores_error(op, rows, errors, value) if name in SCORES else matrix_error(op, [rows], [errors], value)
    if found is UNKNOWN:
        assert sparse and relative > 0.0
        return
    if isinstance(op, ops.Binarize) and sparse and errors is not None:
        value = rows.with_data((rows.data > op.threshold).astype(float))  # as the executor keeps it
    if isinstance(value, Csr):
        bound = np.zeros(value.shape) if found is None else value.with_data(found).toarray()
        value = value.toarray()
    else:
        bound = np.zeros(value.shape) if found is None else found
    assert np.isfinite(bound).all()
    for direction in (-1.0, 1.0, RANDOM.choice([-1.0, 1.0], X.shape)):
        # As far as the error goes, less what the product itself rounds.
        off = given + direction * size * (1 - 1e-3)
        source = moved(op, lambda values: dense(FUNCTIONS[op.kind](op, as_csr(values) if sparse else values)), off)
        assert (np.abs(source - value) <= bound).all()
    if relative == 0.0:
        sums = isinstance(op, ops.Project | ops.RowNorm | ops.Linear | ops.Quadratic)
        assert bound.max() <= (1e-10 * np.abs(value).max() if sums else 0.0)


def test_planar_scores_of_rows_that_are_off():
    exponent = np.full(M, -20) - np.rint(np.log2(SCALE)).astype(int)
    rows = np.rint(np.ldexp(W, -exponent[:, None])).astype(np.int32)
    amplitude = float(np.ldexp(np.abs(W).max(axis=1), -exponent).max())
    op = ops.PlanarLinear(
        rows=rows, exponent=exponent.astype(np.int16), index=None, bias=np.zeros(K), centred=False, sublinear=False, idf=None,
        norm=None, error=0.5, amplitude=amplitude,
    )  # fmt: skip
    scores = FUNCTIONS["PlanarLinear"](op, X)
    for relative in (0.0, 1e-6, 1e-2):
        bound = planar_bound(op, X, scores, np.abs(X) * relative)
        for _ in range(5):
            off = X + RANDOM.choice([-1.0, 1.0], X.shape) * np.abs(X) * relative * (1 - 1e-3)
            source = off.astype(np.longdouble) @ W.astype(np.longdouble)
            assert (np.abs(source - scores) <= bound[:, None]).all()
    inexact = ops.PlanarLinear(**{**vars(op), "norm": "l2"})
    assert np.isinf(planar_bound(inexact, X, scores, np.abs(X))).all()
