"""Intervals are as wide as ARCHITECTURE.md, section 3, H, says, and no wider: their ends are computed again, term by term."""

from __future__ import annotations

import numpy as np
import pytest

from quantcore.plan import ops
from quantcore.runtime.intervals import decide, decide_top, propagate, slack

SLACK = {"float64": 2.0**-40, "float32": 2.0**-16}
UNIT = {"float64": 2.0**-53, "float32": 2.0**-24}
TINY = {"float64": 2.0**-1021, "float32": 2.0**-125}
LOW = np.array([[-5.0, 0.5, 2.0], [0.25, -1.0, -0.5], [-3.0, -2.0, 0.125]])
HIGH = LOW + np.array([[0.5, 0.0, 1.0], [0.0, 0.0, 0.0], [0.25, 1.5, 2.0]])

every_dtype = pytest.mark.parametrize("dtype", SLACK)


def share(dtype, width):
    return SLACK[dtype] + 4 * width * UNIT[dtype]


def wide(values):
    return np.asarray(values, np.longdouble)


def check(found, low, high, dtype, width=1, more=0.0):
    """Ends moved by the share of their size, the smallest number and what the operation loses besides."""
    low, high = wide(low), wide(high)
    for end, expected in ((found[0], low - np.abs(low) * share(dtype, width) - TINY[dtype] - more),
                          (found[1], high + np.abs(high) * share(dtype, width) + TINY[dtype] + more)):  # fmt: skip
        np.testing.assert_allclose(end, expected.astype(float), rtol=4e-15, atol=0)


@every_dtype
def test_the_slack(dtype):
    for width in (0, 1, 7, 2**20):
        assert slack(dtype, width) == pytest.approx(share(dtype, width), rel=1e-14, abs=0)


@every_dtype
def test_rising_functions(dtype):
    check(propagate(ops.Exp(), [(LOW, HIGH)], dtype), np.exp(wide(LOW)), np.exp(wide(HIGH)), dtype)
    check(propagate(ops.Softplus(), [(LOW, HIGH)], dtype), np.log1p(np.exp(wide(LOW))), np.log1p(np.exp(wide(HIGH))), dtype)
    nothing = propagate(ops.Exp(), [(np.full((1, 3), -np.inf),) * 2], dtype)
    assert nothing[0].tolist() == [[-TINY[dtype]] * 3] and nothing[1].tolist() == [[TINY[dtype]] * 3]


@every_dtype
def test_logarithms(dtype):
    low, high = np.array([[0.2, 1.0, -0.5]]), np.array([[0.3, 1.0, 0.25]])
    with np.errstate(divide="ignore"):
        expected = np.log(wide(np.maximum(low, 0))), np.log(wide(high))
    found = propagate(ops.Log(), [(low, high)], dtype)
    assert found[0][0, 2] == -np.inf
    check((found[0][:, :2], found[1][:, :2]), expected[0][:, :2], expected[1][:, :2], dtype, more=64 * UNIT[dtype])
    floor = propagate(ops.Log(floor=0.125), [(low, high)], dtype)
    check(floor, np.log(wide(np.maximum(low, 0)) + 0.125), np.log(wide(high) + 0.125), dtype, more=64 * UNIT[dtype])
    zero = propagate(ops.Log(), [(-np.ones((1, 1)), -np.ones((1, 1)))], dtype)
    assert zero[0][0, 0] == zero[1][0, 0] == -np.inf  # what is below zero for the slack alone is zero


@every_dtype
def test_sigmoids(dtype):
    slope, offset = np.array([-1.0, 0.25, 0.0, 1.0, 0.0]), np.array([0.0, 1e4, 1.5, 1e4, 0.0])
    low, high = np.array([[-30.0, -40_100.0, 7.0, -9_990.0, 1.0]]), np.array([[-29.0, -40_099.0, 9.0, -9_989.0, 2.0]])
    found = propagate(ops.Sigmoid(slope=slope, offset=offset), [(low, high)], dtype)
    lost = 8 * UNIT[dtype] * (np.maximum(np.abs(low), np.abs(high)) + np.array([0.0, 4e4, 0.0, 1e4, 0.0]))
    lost[0, [2, 4]] = 0.0  # a slope of 0 leaves the offset alone
    ends = [1 / (1 + np.exp(slope * wide(at) + offset)) for at in (low - lost, high + lost)]
    check(found, np.minimum(*ends), np.maximum(*ends), dtype)
    pair = ops.Sigmoid(slope=np.array([-1.0]), offset=np.array([3.0]), paired=True)
    found = propagate(pair, [(np.array([[0.5]]), np.array([[1.5]]))], dtype)
    lost = 8 * UNIT[dtype] * (1.5 + 3.0)
    low, high = (1 / (1 + np.exp(-wide(at) + 3.0)) for at in (0.5 - lost, 1.5 + lost))
    check((found[0][:, 1], found[1][:, 1]), [low], [high], dtype)
    check((found[0][:, 0], found[1][:, 0]), [1 - high], [1 - low], dtype, more=64 * UNIT[dtype])


@every_dtype
@pytest.mark.parametrize("scale", [1.0, 0.5, -2.0])
@pytest.mark.parametrize("size", [1.0, 1e6])
def test_softmax(dtype, scale, size):
    low, high = LOW + size, HIGH + size
    found = propagate(ops.Softmax(scale=scale), [(low, high)], dtype)
    lost = 16 * UNIT[dtype] * np.maximum(np.abs(low), np.abs(high)).max(axis=1, keepdims=True)
    ends = [wide(low - lost) * scale, wide(high + lost) * scale]
    check(found, *shares(np.minimum(*ends), np.maximum(*ends)), dtype, 3)


def shares(low, high):
    """Each column at its lowest while all others are at their highest, and the other way round."""
    out = np.zeros_like(low), np.zeros_like(low)
    for k in range(low.shape[1]):
        for end, own, rest in ((out[0], low, high), (out[1], high, low)):
            others = sum(np.exp(rest[:, j] - own[:, k]) for j in range(low.shape[1]) if j != k)
            end[:, k] = 1 / (1 + others)
    return out


@every_dtype
@pytest.mark.parametrize("paired", ["zero", "mirror"])
def test_softmax_of_a_pair(dtype, paired):
    low, high = np.array([[1.0], [-2.0]]), np.array([[1.5], [-1.0]])
    found = propagate(ops.Softmax(paired=paired), [(low, high)], dtype)
    lost = 16 * UNIT[dtype] * np.array([[1.5], [2.0]])
    low, high = wide(low - lost), wide(high + lost)
    other = (low * 0, low * 0) if paired == "zero" else (-high, -low)
    check(found, *shares(np.hstack([other[0], low]), np.hstack([other[1], high])), dtype, 2)


@every_dtype
def test_logarithms_of_shares(dtype):
    found = propagate(ops.LogSoftmax(), [(LOW, HIGH)], dtype)
    size = np.maximum(np.abs(LOW), np.abs(HIGH)).max(axis=1, keepdims=True)
    least, most = shares(wide(LOW) - 16 * UNIT[dtype] * size, wide(HIGH) + 16 * UNIT[dtype] * size)
    check(found, np.log(least), np.log(most), dtype, 3, more=share(dtype, 3) * (1 + size))
    alone = propagate(ops.LogSoftmax(), [(np.full((1, 1), 7.0),) * 2], dtype)
    assert (
        alone[1][0, 0] == pytest.approx(share(dtype, 1) * 8 + TINY[dtype], rel=1e-12, abs=0) and alone[0][0, 0] == -alone[1][0, 0]
    )


@every_dtype
def test_sums(dtype):
    given = [(LOW, HIGH), (2 * LOW, 2 * HIGH + 1)]
    for op in (ops.Concat(weights=(1.0, -3.0)), ops.Concat(weights=(2.0, 1.0))):
        ends = [np.hstack([w * end[n] for w, end in zip(op.weights, given, strict=True)]) for n in (0, 1)]
        size = np.hstack([w * np.maximum(np.abs(a), np.abs(b)) for w, (a, b) in zip(op.weights, given, strict=True)])
        check(propagate(op, given, dtype), np.minimum(*ends), np.maximum(*ends), dtype, 2, more=np.abs(size) * share(dtype, 2))
    plain = propagate(ops.Concat(weights=(1.0, 1.0)), given, dtype)
    np.testing.assert_array_equal(plain[0], np.hstack([LOW, 2 * LOW]))
    np.testing.assert_array_equal(plain[1], np.hstack([HIGH, 2 * HIGH + 1]))
    found = propagate(ops.Average(), given, dtype)
    size = sum(np.maximum(np.abs(a), np.abs(b)) for a, b in given) / 2
    exact = (given[0][0] == given[0][1]) & (given[1][0] == given[1][1])
    assert not exact.any()
    check(found, 1.5 * LOW, (3 * HIGH + 1) / 2, dtype, 2, more=size * share(dtype, 2))
    known = propagate(ops.Average(), [(LOW, HIGH), (LOW, LOW)], dtype)
    same = LOW == HIGH
    assert same.any() and (known[0][same] == known[1][same]).all() and (known[0] < known[1])[~same].all()


@every_dtype
def test_differences(dtype):
    found = propagate(ops.Difference(), [(LOW, HIGH)], dtype)
    check(found, LOW[:, 1:] - HIGH[:, :1], HIGH[:, 1:] - LOW[:, :1], dtype)


@every_dtype
def test_what_the_dtype_can_not_hold(dtype):
    largest = float(np.finfo(dtype).max)
    low, high = propagate(ops.Average(), [(np.array([[-largest, largest]]),) * 2], dtype)
    assert low.tolist() == high.tolist() == [[-largest, largest]]  # known to the bit: it does
    near = propagate(ops.Difference(), [(np.array([[0.5 * largest, -0.5 * largest]]),) * 2], dtype)
    assert near[0].tolist() == [[-np.inf]] and near[1][0, 0] < -0.99 * largest  # the margin alone is beyond it


def test_ramps_are_flat_outside():
    low = np.array([[1.0, -2.0, -1.0, 0.5, -3.0, 1.0, np.nextafter(1, 0)]])
    high = np.array([[2.0, -1.0, 1.0, 0.75, 3.0, 1.0, 1.0]])
    least, most = propagate(ops.Ramp(), [(low, high)], "float64")
    assert (least == most)[0].tolist() == [True, True, False, False, False, True, False]
    assert least[0, :2].tolist() == [1.0, 0.0]
    least, most = propagate(ops.Ramp(paired=True), [(low[:, :2].T, high[:, :2].T)], "float64")
    assert least.tolist() == most.tolist() == [[0.0, 1.0], [1.0, 0.0]]


@every_dtype
def test_one_rounding_to_float32(dtype):
    low, high = np.array([[0.1, 0.1]]), np.array([[0.1, 0.2]])
    found = propagate(ops.Float32(), [(low, high)], dtype)
    assert found[0][0, 0] == found[1][0, 0] == np.float32(0.1)
    check((found[0][:, 1], found[1][:, 1]), [np.float32(0.1)], [np.float32(0.2)], dtype)


def isotonic(*values):
    return ops.Isotonic(knots=np.arange(len(values), dtype=float), values=np.array(values), ends=(len(values),))


def is_flat(op, low, high, dtype="float64"):
    found = propagate(op, [(np.array([[low]]), np.array([[high]]))], dtype)
    return bool(found[0][0, 0] == found[1][0, 0])


def test_segments_of_isotonic_functions():
    op = isotonic(0.2, 0.7, 0.7, 0.9)
    assert not is_flat(op, 0.25, 0.5) and is_flat(op, 1.25, 1.5) and is_flat(op, -2.0, -1.0) and not is_flat(op, 2.5, 2.75)
    assert not is_flat(op, -1.0, 0.5) and not is_flat(op, 0.5, 1.5) and is_flat(op, 3.5, 4.0)
    for values, flat in (
        ((0.5,), True), ((0.1, 0.9), False), ((0.1, 0.9, 0.9), True), ((0.1, 0.2, 0.9), False), ((0.9, 0.2, 0.9), False),
        ((0.1, 0.9, 0.2, 0.9), False), ((0.2, 0.2, 0.9, 0.9), True),
    ):  # fmt: skip
        beyond = len(values) + 1.0
        # The clipped end: in float32 it is interpolated as well, where the last segment is not level.
        assert (
            is_flat(isotonic(*values), beyond, beyond + 1) and is_flat(isotonic(*values), beyond, beyond + 1, "float32") == flat
        )
    two = ops.Isotonic(knots=np.array([0.0, 1.0, 0.0, 1.0]), values=np.array([0.1, 0.2, 0.3, 0.3]), ends=(2, 4))
    least, most = propagate(two, [(np.array([[0.25, 0.25]]), np.array([[0.5, 0.5]]))], "float64")
    assert (least == most)[0].tolist() == [False, True]


@every_dtype
def test_normalized_rows(dtype):
    low, high = np.array([[0.25, 0.5, 0.125], [0.0, 0.5, 0.25]]), np.array([[0.5, 0.75, 0.125], [0.0, 0.75, 0.5]])
    found = propagate(ops.NormalizeRows(), [(low, high)], dtype)
    expected = [wide(low).copy(), wide(high).copy()]
    for k in range(3):
        others = [j for j in range(3) if j != k]
        expected[0][:, k] = low[:, k] / (low[:, k] + high[:, others].sum(axis=1))
        expected[1][:, k] = high[:, k] / (high[:, k] + low[:, others].sum(axis=1))
    least, most = found
    assert least[1, 0] == most[1, 0] == 0.0  # nothing over something is nothing
    at = (np.array([0, 0, 0, 1, 1]), np.array([0, 1, 2, 1, 2]))
    check((least[at], most[at]), expected[0][at], expected[1][at], dtype, 3)
    # Nothing is known of rows that may be all zeros; what is known to be is replaced as it is in the source.
    least, most = propagate(ops.NormalizeRows(), [(np.zeros((2, 2)), np.array([[0.5, 0.0], [0.0, 0.0]]))], dtype)
    assert least[0].tolist() == [-TINY[dtype]] * 2 and least[1].tolist() == most[1].tolist() == [0.0, 0.0]
    np.testing.assert_allclose(most[0], 1 + share(dtype, 2), rtol=1e-15)
    below = propagate(ops.NormalizeRows(), [(np.array([[-0.5, 0.5]]), np.array([[0.0, 0.5]]))], dtype)
    assert below[0].tolist() == below[1].tolist() == [[0.0, 1.0]]  # no share is negative, whatever the slack says


def test_decisions_among_the_largest_numbers():
    """Their sum overflows, and so would twice of one."""
    value = np.array([[1.0e308, 1.7e308]])
    assert decide(ops.ArgMax(classes=np.arange(2)), (value, value))[0]
    assert decide(ops.ArgMax(classes=np.arange(2)), (value * 0.999, value))[0]


def test_the_first_k_after_a_division_that_may_round_two_values_to_one():
    for dtype in SLACK:
        values = np.array([[np.nextafter(0.7, 0), 0.7], [0.7 * (1 - 2 * slack(dtype, 1)), 0.7], [0.7, 0.5]])
        order = np.array([[1], [1], [0]])
        assert decide_top(order, (values, values)).tolist() == [True, True, True]
        assert decide_top(order, (values, values), slack(dtype, 1)).tolist() == [False, True, True]
