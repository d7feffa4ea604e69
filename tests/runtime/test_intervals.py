"""Intervals: whatever the scores are between their ends, the result of a link lies between the ends of its result."""

from __future__ import annotations

import numpy as np
import pytest

from quantcore.plan import ops
from quantcore.reference import FUNCTIONS
from quantcore.runtime.intervals import decide, propagate

LINKS = {
    "softmax": ops.Softmax(),
    "softmax, colder": ops.Softmax(scale=0.3),
    "softmax, upside down": ops.Softmax(scale=-2.0),
    "softmax of a pair": ops.Softmax(paired="zero"),
    "softmax of a mirrored pair": ops.Softmax(paired="mirror"),
    "log softmax": ops.LogSoftmax(),
    "log softmax of a pair": ops.LogSoftmax(paired="zero"),
    "sigmoid": ops.Sigmoid(slope=np.array([-1.0, 2.0, 0.0]), offset=np.array([0.0, -3.0, 1.0])),
    "sigmoid of a pair": ops.Sigmoid(slope=np.array([-1.5]), offset=np.array([0.2]), paired=True),
    "ramp": ops.Ramp(),
    "ramp of a pair": ops.Ramp(paired=True),
    "isotonic": ops.Isotonic(
        knots=np.array([-1.0, 0.0, 0.0, 2.0, -3.0, 3.0, 0.5]),
        values=np.array([0.0, 0.2, 0.7, 1.0, 0.1, 0.9, 0.4]),
        ends=(4, 6, 7),
    ),
    "take": ops.Take(columns=(2, 0)),
}


def ends(n_columns, seed, width):
    random = np.random.default_rng(seed)
    middle = random.normal(size=(200, n_columns)) * random.choice([0.01, 1.0, 30.0, 800.0], (200, 1))
    half = width * random.exponential(1.0, (200, 1)) * (random.random((200, 1)) < 0.9)
    return middle - half, middle + half


def inside(interval, random):
    low, high = interval
    where = random.choice([0.0, 1.0, random.random()], low.shape)
    return np.clip(low + where * (high - low), low, high)


@pytest.mark.parametrize("width", [0.0, 1e-9, 0.1, 5.0])
@pytest.mark.parametrize("name", LINKS)
def test_links(name, width):
    op = LINKS[name]
    n_columns = 1 if "pair" in name else 3
    random = np.random.default_rng(1)
    given = ends(n_columns, 0, width)
    found = propagate(op, [given], "float64")
    for _ in range(10):
        value = FUNCTIONS[op.kind](op, inside(given, random))
        assert ((found[0] <= value) & (value <= found[1])).all()


@pytest.mark.parametrize("empty", ["keep", "uniform"])
def test_normalized_rows(empty):
    op, random = ops.NormalizeRows(empty=empty), np.random.default_rng(2)
    low = random.random((200, 3)) * (random.random((200, 3)) < 0.5)
    given = low, low + random.random((200, 3)) * 0.1 * (random.random((200, 1)) < 0.8)
    found = propagate(op, [given], "float64")
    for _ in range(20):
        value = FUNCTIONS[op.kind](op, inside(given, random))
        assert ((found[0] <= value) & (value <= found[1])).all()


def test_logarithms_of_what_may_be_zero():
    low = np.array([[-1e-300, 0.0, 0.2, 0.9999]])
    given = low, np.array([[0.1, 0.0, 0.3, 1.0 + 1e-12]])
    for op in (ops.Log(), ops.Log(floor=1e-8)):
        found = propagate(op, [given], "float64")
        assert not np.isnan(found).any()
        for value in (FUNCTIONS["Log"](op, np.maximum(low, 0.0)), FUNCTIONS["Log"](op, np.minimum(given[1], 1.0))):
            assert ((found[0] <= value) & (value <= found[1])).all()


@pytest.mark.parametrize("op", [ops.Average(), ops.Concat(weights=(1.0, -2.0, 0.5))], ids=["average", "concat"])
def test_several_inputs(op):
    random = np.random.default_rng(3)
    given = [ends(2, seed, 0.5) for seed in range(3)]
    found = propagate(op, given, "float64")
    for _ in range(10):
        value = FUNCTIONS[op.kind](op, [inside(interval, random) for interval in given])
        assert ((found[0] <= value) & (value <= found[1])).all()


def test_no_bound_for_ops_that_have_none():
    assert propagate(ops.TfIdf(sublinear=False, idf=None, norm=None), [ends(2, 0, 1.0)], "float64") is None


@pytest.mark.parametrize(
    "op",
    [
        ops.ArgMax(classes=np.arange(3)),
        ops.MultiLabel(at=0.25),
        ops.Threshold(classes=np.arange(2), at=0.0),
    ],
    ids=lambda op: op.kind,
)
def test_decisions(op):
    """Certain: every value between the ends decides alike. Uncertain: two of the corners don't, or touch."""
    random = np.random.default_rng(4)
    given = ends(1 if op.kind == "Threshold" else 3, 5, 0.3)
    sure = decide(op, given)
    assert 0.1 < sure.mean() < 0.999
    answers = [FUNCTIONS[op.kind](op, inside(given, random)) for _ in range(30)]
    for answer in answers:
        np.testing.assert_array_equal(answer[sure], answers[0][sure])


def test_ties_of_the_sources_own_scores():
    """One array for both ends: nothing is between them, and the first of equals is the source's choice too."""
    tie = np.array([[1.0, 1.0, 0.0], [1.0, np.nan, 0.0]])
    np.testing.assert_array_equal(decide(ops.ArgMax(classes=np.arange(3)), (tie, tie)), [True, False])


def test_ties_are_never_certain():
    tie = np.array([[1.0, 1.0, 0.0]])
    assert not decide(ops.ArgMax(classes=np.arange(3)), (tie, tie.copy()))[0]
    assert decide(ops.Threshold(classes=np.arange(2)), (np.zeros((1, 1)), np.zeros((1, 1))))[0]  # exactly 0 is not above 0
    assert not decide(ops.Threshold(classes=np.arange(2)), (np.zeros((1, 1)), np.full((1, 1), 1e-300)))[0]
