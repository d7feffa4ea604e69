"""Links: exp against decimal arithmetic, each link against its reference function."""

import decimal

import numpy as np
import pytest

from quantcore.plan.ops import Exp, NormalizeRows, Sigmoid, Softmax
from quantcore.reference import FUNCTIONS


@pytest.fixture
def door(door_of):
    return door_of("table")


def exact_exp(x):
    with decimal.localcontext(decimal.Context(prec=60, Emin=-9999, Emax=9999)):
        return decimal.Decimal(x).exp()


def test_exp_is_within_a_unit_of_the_exact_value(door):
    rng = np.random.default_rng(0)
    xs = np.concatenate([rng.uniform(-708, 709.7, 1500), rng.normal(size=1500), np.ldexp(rng.normal(size=200), -30), [0.0, -0.0]])
    for x in xs.tolist():
        got = door.exp(x)
        assert abs(decimal.Decimal(got) - exact_exp(x)) <= decimal.Decimal(float(np.spacing(got)))


def test_exp_at_the_ends(door):
    assert door.exp(-np.inf) == 0.0 and door.exp(-746.0) == 0.0 and door.exp(np.inf) == np.inf and door.exp(710.0) == np.inf
    assert np.isnan(door.exp(np.nan)) and door.exp(0.0) == 1.0
    for x in (-745.13, -744.0, -720.5, -709.0):  # subnormal results round once more
        assert abs(decimal.Decimal(door.exp(x)) - exact_exp(x)) <= 2 * decimal.Decimal(5e-324)


def scores(n_rows, n_columns):
    s = np.random.default_rng(n_columns).normal(size=(n_rows, n_columns)) * 3
    s[0] = 0.0
    s[1] = np.linspace(-800, 800, n_columns)
    s[2] = -900.0
    return s


@pytest.mark.parametrize("n_columns", [1, 2, 3, 17])
@pytest.mark.parametrize("shares", ["", "uniform", "keep"])
@pytest.mark.parametrize("kind", ["identity", "exp", "softmax", "sigmoid"])
def test_a_link_is_its_reference_function(door, kind, n_columns, shares):
    s, zeros = scores(20, n_columns), np.zeros(n_columns)
    slope, offset = -np.linspace(0.5, 2.0, n_columns), np.linspace(-1.0, 1.0, n_columns)
    op = {"exp": Exp(), "softmax": Softmax(scale=0.7), "sigmoid": Sigmoid(slope=slope, offset=offset)}.get(kind)
    expected = s if op is None else FUNCTIONS[op.kind](op, s)
    if shares:
        with np.errstate(invalid="ignore"):
            expected = FUNCTIONS["NormalizeRows"](NormalizeRows(empty=shares), expected)
    code = ("identity", "exp", "softmax", "sigmoid").index(kind)
    link = door.Link(
        code, 0, ("", "uniform", "keep").index(shares), 0.7, *((slope, offset) if code == 3 else (zeros, zeros)), False
    )
    np.testing.assert_allclose(link(s), expected, rtol=1e-14, atol=1e-300)


@pytest.mark.parametrize("paired", ["zero", "mirror"])
def test_one_score_may_stand_for_a_pair(door, paired):
    s = scores(10, 1)
    link = door.Link(2, ("no", "zero", "mirror").index(paired), 0, 1.5, np.zeros(1), np.zeros(1), False)
    np.testing.assert_allclose(link(s), FUNCTIONS["Softmax"](Softmax(paired=paired, scale=1.5), s), rtol=1e-14, atol=1e-300)
    link = door.Link(3, 1, 0, 1.0, np.array([-2.0]), np.array([0.5]), False)
    expected = FUNCTIONS["Sigmoid"](Sigmoid(slope=np.array([-2.0]), offset=np.array([0.5]), paired=True), s)
    np.testing.assert_allclose(link(s), expected, rtol=1e-14, atol=1e-300)


def test_one_output_may_be_flat(door):
    link = door.Link(0, 0, 0, 1.0, np.zeros(1), np.zeros(1), True)
    assert link(scores(5, 1)).shape == (5,)
    with pytest.raises(ValueError, match=r"expected scores of shape \(n_rows, 1\), got \(5, 2\)"):
        link(scores(5, 2))
