"""What members leave open: whatever is between the ends of what is read lies between the ends of what is made of it."""

from __future__ import annotations

import itertools
from fractions import Fraction

import numpy as np
import pytest
import scipy.sparse as sp
from sklearn.ensemble import RandomForestClassifier

from quantcore.importers import convert
from quantcore.plan import Csr, Plan, ops
from quantcore.reference import FUNCTIONS
from quantcore.runtime import Executor
from quantcore.runtime.ensembles import augmented, possible, propagate, votes_of
from quantcore.runtime.execute import Value
from quantcore.runtime.intervals import decide
from quantcore.runtime.rounding import UNKNOWN
from quantcore.runtime.tree_errors import unsure_rows

CODES = np.array([[1.0, -1, 1, 1, -1, 1], [1, 1, -1, -1, -1, 1], [-1, 1, 1, -1, 1, 1]])
ONE = {
    "pairs": (ops.PairConfidence(), 6),
    "codes": (ops.CodeScores(codes=CODES), 6),
    **{
        f"{name}": (ops.ScoreUfunc(name=name), 3)
        for name in ("exp", "expm1", "log1p", "log", "square", "absolute", "negative", "rint")
    },
}


def between(n_columns, seed, width):
    random = np.random.default_rng(seed)
    middle = random.normal(size=(200, n_columns)) * random.choice([0.01, 1.0, 30.0, 800.0], (200, 1))
    half = width * random.exponential(1.0, (200, 1)) * (random.random((200, 1)) < 0.9)
    return middle - half, middle + half


@pytest.mark.parametrize("width", [0.0, 1e-9, 1e-3, 1.0])
@pytest.mark.parametrize("name", ONE)
def test_results_lie_between_the_ends(name, width):
    op, n_columns = ONE[name]
    low, high = between(n_columns, 3, width)
    random = np.random.default_rng(4)
    least, most = propagate(op, [(low, high)], "float64")
    for _ in range(20):
        s = low + (high - low) * random.choice([0.0, 0.3, 1.0, random.random()], low.shape)
        found = FUNCTIONS[op.kind](op, np.clip(s, low, high))
        if name == "codes":  # what all have in common is left out
            with np.errstate(invalid="ignore"):
                found = found + (s**2).sum(axis=1, keepdims=True)
            slack = 1e-9 * (1.0 + (s**2).sum(axis=1, keepdims=True))
            assert ((found >= least - slack) & (found <= most + slack)).all()
        else:
            assert ((found >= least) & (found <= most) | np.isnan(found)).all()


@pytest.mark.parametrize("weights", [None, (0.3, 2.0, 1.7), (1.0, -2.5, 4.0)])
@pytest.mark.parametrize("width", [0.0, 1e-9, 1.0])
def test_means_lie_between_the_ends(width, weights):
    parts = [between(3, seed, width) for seed in (1, 2, 3)]
    op = ops.WeightedMean(inputs=(0, 1, 2), weights=weights, divisor=3.0 if weights is None else float(np.sum(weights)))
    random = np.random.default_rng(4)
    least, most = propagate(op, parts, "float64")
    exact = [Fraction(1)] * 3 if weights is None else [Fraction(w) for w in weights]
    for row in range(0, 200, 7):
        for corner in itertools.product((0, 1), repeat=3):
            values = [Fraction(float(parts[i][c][row, 1])) * exact[i] for i, c in enumerate(corner)]
            assert (
                Fraction(float(least[row, 1])) <= sum(values) / Fraction(op.divisor) <= Fraction(float(most[row, 1]))
                or width == 0.0
            )
    for _ in range(20):
        picks = [low + (high - low) * random.random(low.shape) for low, high in parts]
        found = FUNCTIONS[op.kind](op, [np.clip(p, *part) for p, part in zip(picks, parts, strict=True)])
        assert ((found >= least) & (found <= most)).all()
    if width == 0.0:  # known to the bit
        np.testing.assert_array_equal(least, most)
        assert (propagate(op, parts, "float32")[0] < propagate(op, parts, "float32")[1]).all()


def test_codes_of_few_bits_are_known_to_the_bit():
    x = np.random.default_rng(0).integers(-4, 5, (100, 6)) / 4.0
    low, high = propagate(ops.CodeScores(codes=CODES), [(x, x)], "float64")
    exact = [
        [-sum((Fraction(a) - Fraction(b)) ** 2 for a, b in zip(row, code, strict=True)) for code in CODES] for row in x.tolist()
    ]
    best = [max(range(3), key=lambda k: (row[k], -k)) for row in exact]
    op = ops.ArgMax(classes=np.arange(3))
    assert decide(op, (low, high)).all()
    np.testing.assert_array_equal(low.argmax(axis=1), best)


def test_infinite_ends_prove_nothing():
    inf = np.full((4, 6), np.inf)
    for op in (ops.PairConfidence(), ops.CodeScores(codes=CODES)):
        least, most = propagate(op, [(-inf, inf)], "float64")
        assert not decide(ops.ArgMax(classes=np.arange(least.shape[1])), (least, most)).any()
    least, most = propagate(ops.ScoreUfunc(name="log"), [(np.array([[-1.0]]), np.array([[1.0]]))], "float64")
    assert (least == -np.inf).all() and (most == np.inf).all()


@pytest.mark.parametrize("weights", [None, [1.0, 1.0, 2.0, 3.0], [0.1, 0.2, 0.3, 0.3000000000000001]])
def test_votes_are_sure_if_no_choice_of_open_members_changes_them(weights):
    random = np.random.default_rng(8)
    n_rows, n_classes = 300, 3
    masks = [random.random((n_rows, n_classes)) < 0.15 for _ in range(4)]
    for mask in masks:
        mask[np.arange(n_rows), random.integers(0, n_classes, n_rows)] = True
    op = ops.Votes(inputs=(0, 1, 2, 3), n_classes=n_classes, weights=None if weights is None else np.array(weights))
    labels = [mask.argmax(axis=1) for mask in masks]
    interval = votes_of(op, FUNCTIONS["Votes"](op, labels), masks, [np.arange(n_classes)] * 4)
    sure = decide(ops.ArgMax(classes=np.arange(n_classes)), interval)
    every = []
    for row in range(n_rows):
        choices = itertools.product(*(np.flatnonzero(mask[row]) for mask in masks))
        every.append({int(np.argmax(np.bincount(choice, weights=weights, minlength=n_classes))) for choice in choices})
    could = np.array([len(found) == 1 for found in every])
    assert not (sure & ~could).any()
    assert (could & ~sure).mean() < 0.1 and sure.mean() > 0.1
    for row in np.flatnonzero(sure):
        assert every[row] == {int((interval[0][row] + interval[1][row]).argmax())}


def test_labels_that_a_decision_may_give():
    random = np.random.default_rng(9)
    middle = random.normal(size=(300, 4))
    low, high = middle - 0.4 * random.random((300, 1)), middle + 0.4 * random.random((300, 1))
    for op in (ops.ArgMax(classes=np.arange(4)), ops.MultiLabel(at=0.1), ops.Threshold(classes=np.arange(2), at=0.1)):
        s, lo, hi = (x[:, :1] if isinstance(op, ops.Threshold) else x for x in (middle, low, high))
        at = s.argmax(axis=1) if isinstance(op, ops.ArgMax) else (s > op.at).astype(int)
        at = at[:, 0] if isinstance(op, ops.Threshold) else at
        masks = possible(op, at, decide(op, (lo, hi)), s, (lo, hi), 0.0)
        nothing = possible(op, at, np.zeros(300, bool), s, None, 0.0)
        assert all(mask.all() for mask in nothing)
        seen = [np.zeros_like(mask) for mask in masks]
        for _ in range(50):
            x = lo + (hi - lo) * random.choice([0.0, 1.0, 0.5], lo.shape)
            found = x.argmax(axis=1)[:, None] if isinstance(op, ops.ArgMax) else (x > op.at).astype(int)
            for k in range(found.shape[1]):
                seen[k][np.arange(300), found[:, k]] = True
        assert all((mask | ~s).all() for mask, s in zip(masks, seen, strict=True))
        assert np.mean([(mask == s).mean() for mask, s in zip(masks, seen, strict=True)]) > 0.9


@pytest.mark.parametrize("sparse", [False, True])
def test_rows_that_reach_the_same_leaves(sparse):
    random = np.random.default_rng(1)
    X = random.normal(size=(200, 5)).astype(np.float32).astype(np.float64)
    forest = RandomForestClassifier(20, random_state=0).fit(X, X[:, 0] * X[:, 1] > 0)
    plan = convert(forest)
    trees = plan.ops[0]
    error = np.abs(random.normal(size=X.shape)) * random.choice([0.0, 1e-9, 1e-4, 1e-2], (200, 1))
    error[random.random(X.shape) < 0.5] = 0.0
    # Some on a threshold, or an ulp from it: float32 rounds what is near.
    starts = np.concatenate([[0], trees.ends[:-1]])
    for row in range(60):
        column = int(random.integers(5))
        t = trees.threshold[random.integers(starts[column], trees.ends[column])]
        X[row, trees.feature[column]] = np.nextafter(t, np.float32(random.choice([-9, 9]))) if row % 3 else t
        error[row, trees.feature[column]] = random.choice([1e-12, 5e-8, 0.0])
    given, e = X, error
    if sparse:
        csr = sp.csr_matrix(X)
        given, e = Csr(csr.indptr.astype(np.int64), csr.indices.astype(np.int64), csr.data, 5), error[X != 0.0]
    same = ~unsure_rows(trees, given, e)
    leaves = forest.apply(X)
    moved = np.zeros(len(X), bool)
    for _ in range(100):
        away = X + error * random.choice([-1.0, 1.0, random.uniform(-1, 1)], X.shape)
        moved |= (forest.apply(away) != leaves).any(axis=1)
    assert not (moved & same).any()
    assert same.mean() > 0.2 and moved.mean() > 0.05
    assert same[(error == 0.0).all(axis=1)].all()
    assert unsure_rows(trees, X[:1], np.full((1, 5), np.nan)).all()


def test_scores_without_a_bound_make_rows_without_one():
    """A model that reads another's answers must not take them for exact where nothing is known about them."""
    linear = ops.Linear(inputs=(2,), weight=np.ones((3, 1)), bias=np.zeros(1))
    built = (
        ops.Linear(weight=np.eye(2), bias=np.zeros(2)),
        ops.Take(inputs=(0,), columns=(0,)),
        ops.Concat(inputs=(0, 1), weights=(1.0, 1.0)),
        linear,
        ops.Threshold(inputs=(3,), classes=np.arange(2)),
    )
    executor = Executor(Plan(built, {"predict": 4}, "matrix", n_features_in=2), native=False)
    rows = np.ones((3, 2))
    assert executor.certified(rows)[1].all()
    open_ = {1: Value(np.ones((3, 1)), None, UNKNOWN)}
    assert not executor._decided(built[4], rows, open_)[1].any()


def test_zeros_that_may_be_none_are_stored():
    X = Csr(np.array([0, 1, 1]), np.array([0]), np.array([2.0]), 2)
    op = ops.Augment(inputs=(-1, 0), front=False)
    scores, error = np.array([[0.0], [3.0]]), np.array([[1e-9], [0.0]])
    value = FUNCTIONS["Augment"](op, [X, scores])
    assert value.indptr.tolist() == [0, 1, 2]
    found, _, known = augmented(op, value, [X, scores], [None, error])
    assert found.indptr.tolist() == [0, 2, 3] and found.data.tolist() == [2.0, 0.0, 3.0] and known.tolist() == [0.0, 1e-9, 0.0]
    assert augmented(op, value, [X, scores], [None, UNKNOWN])[2] is UNKNOWN
    assert augmented(op, value, [X, scores], [None, None])[2] is None
