"""What is stated for rows that nobody has seen: ``a * sum |x_j| 2**c_j + b``, from fractions (ARCHITECTURE.md, section 3, G)."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest

from quantcore.plan import INPUT, Plan, ops
from quantcore.runtime.limits import linear_bound

UNIT = {"float64": Fraction(1, 2**53), "float32": Fraction(1, 2**24)}
TINY = {"float64": Fraction(1, 2**1021), "float32": Fraction(1, 2**125)}
WEIGHT = np.array([[1.0, -0.75], [0.0, 0.0], [0.3, -2.5], [4.0, 1.0]])
BIAS = np.array([0.5, -3.0])
EXPONENT = np.array([-3, 4], np.int16)


def gamma(n, dtype):
    return n * UNIT[dtype] / (1 - n * UNIT[dtype])


def plan(*made, at=None, **changes):
    return Plan(made, {"predict": len(made) - 1 if at is None else at}, "matrix", **changes)


def planar(**changes):
    fields = {
        "rows": np.ones((2, 2), np.int16),
        "exponent": EXPONENT,
        "index": np.array([1, 0, 1, 1], np.uint32),
        "bias": BIAS,
        "centred": False,
        "sublinear": False,
        "idf": None,
        "norm": None,
        "error": 0.5,
        "amplitude": 90.0,
    }
    return ops.PlanarLinear(**{**fields, **changes})


def check(found, a, b, c, columns="input"):
    more = 1 + Fraction(1, 2**19)
    assert found["c"] == c and found["columns"] == columns
    assert found["a"] == pytest.approx(float(a * more), rel=1e-11, abs=0) and found["b"] == pytest.approx(
        float(b * more), rel=1e-11, abs=0
    )


@pytest.mark.parametrize("dtype", UNIT)
def test_own_weights(dtype):
    found = linear_bound(plan(ops.Linear(weight=WEIGHT, bias=BIAS, dtype=dtype)))
    share = gamma(4 + 3, dtype)
    # Powers of two that are at least the largest weight of each column; nothing for a column of zeros.
    check(found, 2 * share, 3 * 4 * share + 4 * 5 * TINY[dtype], [0, -1100, 2, 2])
    none = linear_bound(plan(ops.Linear(weight=WEIGHT, bias=np.zeros(2), dtype=dtype)))
    check(none, 2 * share, 20 * TINY[dtype], [0, -1100, 2, 2])


@pytest.mark.parametrize("dtype", UNIT)
def test_a_grid(dtype):
    source, own, tiny = gamma(4 + 3, dtype), gamma(4 + 3, "float64"), 4 * 5 * TINY[dtype]
    b, half = 3 * 2 * (source + own) + tiny, Fraction(1, 2)
    for centred, steps in ((False, half), (True, 2 * half)):
        found = linear_bound(plan(planar(dtype=dtype, centred=centred)))
        check(found, steps + 90 * source + (2 * 90 + 2 * half) * own, b, [4, -3, 4, 4])
    source, own, tiny = gamma(2 + 3, dtype), gamma(2 + 3, "float64"), 4 * 3 * TINY[dtype]
    found = linear_bound(plan(planar(dtype=dtype, index=None, bias=np.array([2.0]))))
    check(found, half + 90 * source + (90 + 2 * half) * own, 2 * 2 * (source + own) + tiny, [-3, 4])


def test_what_has_no_such_bound():
    linear, wide = ops.Linear(weight=WEIGHT, bias=BIAS), {"inputs": (0,)}
    assert linear_bound(Plan((linear,), {"predict": 0}, "text")) is None
    assert linear_bound(plan(linear, linear)) is None  # scores of several ops
    assert linear_bound(plan(ops.Columns(index=np.arange(4).astype(np.uint32)))) is None
    for changes in ({"approximate": True}, {"sublinear": True}, {"norm": "l2"}, {"idf": np.ones(4)}):
        assert linear_bound(plan(planar(**changes))) is None
    for front in (
        ops.RowNorm(norm="l2"),
        ops.Concat(inputs=(INPUT, INPUT), weights=(1.0, 1.0)),
    ):  # known up to a bound; two of them
        assert linear_bound(plan(front, ops.Linear(weight=WEIGHT, bias=BIAS, **wide))) is None


def test_columns_that_are_read_exactly():
    affine = ops.Affine(shift=None, scale=np.full(4, 2.0))
    chosen = ops.Columns(index=np.arange(4).astype(np.uint32), inputs=(0,))
    share = gamma(7, "float64")
    found = linear_bound(plan(affine, chosen, ops.Linear(weight=WEIGHT, bias=BIAS, inputs=(1,))))
    check(found, 2 * share, 12 * share + 20 * TINY["float64"], [0, -1100, 2, 2], "transformed")
    behind = ops.RowNorm(norm="l2", inputs=(0,))
    assert linear_bound(plan(affine, behind, ops.Linear(weight=WEIGHT, bias=BIAS, inputs=(1,)))) is None


@pytest.mark.parametrize("dtype", UNIT)
def test_each_term_once_the_largest(dtype):
    """No bias and no error of a grid: what the others give is seen."""
    tiny, own = TINY[dtype], gamma(7, "float64")
    for error, amplitude in ((0.0, 90.0), (2.0**-40, 2.0**-30)):
        found = linear_bound(plan(planar(dtype=dtype, error=error, amplitude=amplitude, bias=np.zeros(2))))
        size, step = Fraction(amplitude), Fraction(error)
        check(found, step + size * gamma(7, dtype) + (2 * size + 2 * step) * own, 4 * 5 * tiny, [4, -3, 4, 4])
        found = linear_bound(plan(planar(dtype=dtype, error=error, amplitude=amplitude, bias=np.zeros(1))))
        check(found, step + size * gamma(7, dtype) + (size + 2 * step) * own, 4 * 5 * tiny, [4, -3, 4, 4])
