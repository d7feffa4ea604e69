"""Intervals: whatever the scores are between their ends, the result of a link lies between the ends of its result."""

from __future__ import annotations

import numpy as np
import pytest

from quantcore.plan import ops
from quantcore.reference import FUNCTIONS
from quantcore.runtime.intervals import decide, decide_top, propagate, slack

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


def test_ties_are_certain_only_where_nothing_is_rounded():
    """Both ends equal: the source computes that very value, and takes the first largest."""
    tie, near = np.array([[1.0, 1.0, 0.0]]), np.array([[0.0, 1e-12, 0.0]])
    op = ops.ArgMax(classes=np.arange(3))
    assert decide(op, (tie, tie))[0]
    assert not decide(op, (tie, tie + near))[0] and not decide(op, (tie - near, tie + near))[0]
    assert decide(op, (tie - near, tie))[0]  # the second is at most equal
    assert decide(ops.Threshold(classes=np.arange(2)), (np.zeros((1, 1)), np.zeros((1, 1))))[0]  # exactly 0 is not above 0
    assert not decide(ops.Threshold(classes=np.arange(2)), (np.zeros((1, 1)), np.full((1, 1), 1e-300)))[0]
    unknown = np.array([[-np.inf, -np.inf, -np.inf]]), np.array([[np.inf, np.inf, np.inf]])
    assert not decide(op, unknown)[0] and not decide(op, (np.full((1, 3), np.nan),) * 2)[0]


@pytest.mark.parametrize("dtype", ["float64", "float32"])
def test_division_by_a_sum_may_round_two_values_to_one(dtype):
    """A smaller value in front of the best one may become equal to it, and would be taken."""
    op = ops.ArgMax(classes=np.arange(2))
    best = np.array([[np.nextafter(0.7, 0), 0.7]])
    assert decide(op, (best, best))[0] and not decide(op, (best, best), slack(dtype, 1))[0]
    assert decide(op, (best[:, ::-1], best[:, ::-1]), slack(dtype, 1))[0]


@pytest.mark.parametrize("k", [1, 2, 4])
def test_the_first_k(k):
    """Certain: all values between the ends give that set, in whatever order; ties go to the first classes."""
    random = np.random.default_rng(6)
    values = random.integers(0, 6, (4000, 5)).astype(np.float64)
    half = random.choice([0.0, 0.0, 0.3, 1.0], values.shape)
    order = np.argsort(-values, axis=1, kind="stable")[:, :k]
    sure = decide_top(order, (values - half, values + half))
    assert 0.05 < sure.mean() < 0.99
    sets = np.sort(order, axis=1)
    seen_other = np.zeros(len(values), bool)
    for _ in range(60):
        other = values + random.choice([-1.0, 0.0, 1.0], values.shape) * half
        found = np.sort(np.argsort(-other, axis=1, kind="stable")[:, :k], axis=1)
        seen_other |= (found != sets).any(axis=1)
    assert not (seen_other & sure).any()
    assert (seen_other | sure).mean() > 0.9  # little is left open for nothing


PLATEAUS = ops.Isotonic(
    knots=np.array([-2.0, -1.0, 0.0, 1.0, 2.0, 3.0]), values=np.array([0.0, 0.0, 0.3, 0.3, 0.3, 1.0]), ends=(6,)
)


@pytest.mark.parametrize("dtype", ["float64", "float32"])
def test_plateaus_are_known_to_the_bit(dtype):
    low, high = (
        np.array([[-5.0, -1.5, 0.25, 0.5, 1.5, 0.0, -0.5, 4.0, np.nan, -np.inf]]).T,
        np.array([[-3.0, -1.25, 0.75, 1.5, 2.0, 0.5, 0.5, 5.0, 1.0, np.inf]]).T,
    )
    least, most = propagate(PLATEAUS, [(low, high)], dtype)
    known = (least == most)[:, 0].tolist()
    # On the first knot of a plateau some interpolate from the segment before it; the clipped end in float32 as well.
    assert known == [True, True, True, True, True, False, False, dtype == "float64", False, False]
    assert least[:5, 0].tolist() == [0.0, 0.0, 0.3, 0.3, 0.3]
    pair = propagate(ops.Isotonic(**{**vars(PLATEAUS), "paired": True}), [(low, high)], dtype)
    assert (pair[0] == pair[1])[:5].all() and pair[0][2].tolist() == [0.7, 0.3]


def test_sums_of_what_is_known_to_the_bit():
    zero, half = np.zeros((1, 3)), np.array([[0.25, 0.0, 0.75]])
    three = np.array([[0.1, 0.2, 0.3]])
    uniform = ops.NormalizeRows(empty="uniform")
    for given, known in ((zero, [True] * 3), (half, [True] * 3), (three, [False] * 3)):
        least, most = propagate(uniform, [(given, given)], "float64")
        assert (least == most)[0].tolist() == known
        assert (least <= FUNCTIONS["NormalizeRows"](uniform, given)).all()
    least, most = propagate(uniform, [(half - [[0.1, 0, 0]], half)], "float64")
    assert (least == most)[0].tolist() == [False, True, False]  # nothing over something is nothing
    least, most = propagate(ops.Average(), [(half, half), (three, three)], "float64")
    assert (least == most).all()


def test_what_cancels_in_the_source_is_not_lost():
    """Scores and an offset of 1e9 that cancel, probabilities next to 1, a scale of large scores: rounded while large."""
    wide = np.longdouble
    score = np.array([[1e9 + 0.125 * i] for i in range(16)])
    op = ops.Sigmoid(slope=np.array([-0.3]), offset=np.array([0.3e9]), paired=True)
    low, high = propagate(op, [(score, score)], "float64")
    true = 1 / (1 + np.exp(wide(op.slope) * score.astype(wide) + op.offset.astype(wide)))
    assert ((low[:, 1:] <= true) & (true <= high[:, 1:]) & (low[:, :1] <= 1 - true) & (1 - true <= high[:, :1])).all()
    plain = ops.Sigmoid(slope=np.array([-1.0]), offset=np.array([0.0]), paired=True)
    low, high = propagate(plain, [(np.array([[36.0]]), np.array([[36.0]]))], "float64")
    assert low[0, 0] <= 0.0 <= 2.0**-53 <= high[0, 0]  # of 1 - p only multiples of an ulp can be seen
    scores = np.array([[3e6, 3e6 + 1.1, 3e6 - 0.7]])
    scaled = ops.Softmax(scale=0.123)
    low, high = propagate(scaled, [(scores, scores)], "float64")
    z = scores.astype(wide) * wide(0.123)
    true = np.exp(z - z.max()) / np.exp(z - z.max()).sum()
    assert ((low <= true) & (true <= high)).all()
    single = (scores.astype(np.float32) * np.float32(0.123)).astype(np.float32)
    low, high = propagate(scaled, [(scores, scores)], "float32")
    rounded = np.exp(single - single.max()) / np.exp(single - single.max()).sum()
    assert ((low <= rounded) & (rounded <= high)).all()


def test_what_float32_flushes_to_zero():
    scores = np.array([[0.0, -95.0, -104.5, -300.0]])
    low, high = propagate(ops.Softmax(), [(scores, scores)], "float32")
    e = np.exp(scores.astype(np.float32))
    assert ((low <= e / e.sum()) & (e / e.sum() <= high)).all() and (low[0, 1:] <= 0.0).all()
    low, high = propagate(ops.Exp(), [(np.array([[90.0]]),) * 2], "float32")
    assert high[0, 0] == np.inf


def test_a_share_of_a_row_with_one_wide_entry():
    """What the others sum to must not be lost beside the wide one."""
    low, high = np.array([[1e-17, 1e-16, 0.0]]), np.array([[1.0, 1e-16, 0.0]])
    least, _ = propagate(ops.NormalizeRows(), [(low, high)], "float64")
    assert least[0, 0] <= 1e-17 / 1.1e-16
