"""Certificates under attack: weights around ties, biases that cancel, margins just above and just below the bound, against
an oracle of 60 digits."""

from __future__ import annotations

from decimal import Decimal, localcontext

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from quantcore.passes import Options, optimize
from quantcore.plan import Plan, Vocabulary
from quantcore.plan.ops import ArgMax, Linear, Text, TfIdf, Threshold
from quantcore.reference import run
from quantcore.runtime import Executor, settle_cold

TERMS = ["aa", "bb", "cc", "dd", "ee", "ff"]


def plan_of(weight, bias, *, idf=None, sublinear=False, norm=None, dtype="float64"):
    """A text classifier over TERMS, as an importer makes it."""
    words = Vocabulary.from_terms({(term,): column for column, term in enumerate(TERMS)}, " ")
    featurizer = Text(
        analyzer="word",
        ngram_range=(1, 1),
        lowercase=True,
        strip_accents=None,
        token_pattern=r"(?u)\b\w\w+\b",
        stop_words=(),
        encoding="utf-8",
        decode_error="strict",
        source="content",
        binary=False,
        n_features=len(TERMS),
        vocabulary=words,
    )
    n = len(bias)
    decision = Threshold(inputs=(2,), classes=np.arange(2)) if n == 1 else ArgMax(inputs=(2,), classes=np.arange(n))
    weight, bias = np.asarray(weight, np.float64), np.asarray(bias, np.float64)
    if dtype == "float32":
        weight, bias = weight.astype(np.float32).astype(np.float64), bias.astype(np.float32).astype(np.float64)
    ops = (
        featurizer,
        TfIdf(inputs=(0,), sublinear=sublinear, idf=idf, norm=norm, dtype=dtype),
        Linear(inputs=(1,), weight=weight, bias=bias, dtype=dtype),
        decision,
    )
    return Plan(ops=ops, outputs={"predict": 3, "decision_function": 2}, input="text", classes=np.arange(max(n, 2)))


def text_of(counts):
    return " ".join(" ".join([term] * count) for term, count in zip(TERMS, counts, strict=True))


def true_scores(plan, counts):
    """The scores without any rounding that 60 digits show."""
    tfidf, linear = plan.ops[1], plan.ops[2]
    with localcontext() as context:
        context.prec = 60
        terms = []
        for column, count in enumerate(counts):
            term = (1 + Decimal(count).ln() if tfidf.sublinear else Decimal(count)) if count else Decimal(0)
            terms.append(term if tfidf.idf is None else term * Decimal(float(tfidf.idf[column])))
        norm = Decimal(1)
        if tfidf.norm == "l2":
            norm = sum(term * term for term in terms).sqrt()
        elif tfidf.norm is not None:
            norm = (sum if tfidf.norm == "l1" else max)(map(abs, terms))
        terms = [term / norm if norm else term for term in terms]
        columns = [[Decimal(float(w)) for w in column] for column in linear.weight.T]
        bias = [Decimal(float(b)) for b in linear.bias]
        return [sum(map(Decimal.__mul__, terms, column), b) for column, b in zip(columns, bias, strict=True)]


def assert_sound(plan, rows, guarantees=("certified", "exact")):
    """Bounds hold, and certified labels are both the true ones and the source's. Returns what was certified."""
    documents = [text_of(counts) for counts in rows]
    truth = [true_scores(plan, counts) for counts in rows]
    source, source_scores = run(plan, documents), run(plan, documents, "decision_function").reshape(len(rows), -1)
    for guarantee in guarantees:
        served = optimize(plan, Options(guarantee))
        for native in (True, False):
            executor = Executor(served, native=native, settle=settle_cold(served))
            scores, bounds = executor.scores(documents)
            labels, sure = executor.certified(documents)
            if guarantee == "exact":
                np.testing.assert_array_equal(labels, source)
            np.testing.assert_array_equal(labels[sure], source[sure])
            assert (np.abs(scores - source_scores) <= bounds[:, None]).all()
            for true, found, bound, label, certain in zip(truth, scores, bounds, labels, sure, strict=True):
                with localcontext() as context:
                    context.prec = 60
                    errors = [Decimal(float(f)) - t for f, t in zip(found, true, strict=True)]
                    # What is certain of an empty row is its bias, as it is.
                    assert max(map(abs, errors)) <= Decimal(float(bound))
                    assert max(errors) - min(errors) <= Decimal(float(bound)) or len(errors) == 1
                    if certain and any(true):
                        if len(true) == 1:
                            assert (true[0] > 0) == bool(label)
                        else:
                            assert true[label] == max(true)
    return sure


near = st.sampled_from([1.0, -1.0, 0.75, 0.1, -0.1, 3.0, 0.0]).flatmap(
    lambda base: st.integers(0, 56).flatmap(lambda k: st.sampled_from([0.0, 2.0**-k, -(2.0**-k)]).map(lambda d: base + base * d))
)
counts = st.lists(st.integers(0, 3) | st.sampled_from([7, 40]), min_size=len(TERMS), max_size=len(TERMS))


@st.composite
def plans(draw):
    n = draw(st.integers(1, 4))
    weight = [[draw(near) for _ in range(n)] for _ in TERMS]
    if draw(st.booleans()) and n > 1:  # two classes that differ in one entry, or in none
        for row in weight:
            row[1] = row[0]
        weight[0][1] = draw(near)
    bias = [draw(near | st.just(0.0)) for _ in range(n)]
    idf = [1.0 + abs(draw(near)) for _ in TERMS] if draw(st.booleans()) else None
    return plan_of(
        weight,
        bias,
        idf=None if idf is None else np.array(idf),
        sublinear=draw(st.booleans()),
        norm=draw(st.sampled_from([None, "l2", "l1", "max"])),
        dtype=draw(st.sampled_from(["float64", "float64", "float32"])),
    )


@settings(max_examples=150)
@given(plans(), st.lists(counts, min_size=1, max_size=12))
def test_near_ties(plan, rows):
    assert_sound(plan, rows)


DISTANCES = [0.0, *(sign * 2.0**-k for k in (*range(0, 28, 4), *range(28, 60, 6)) for sign in (1, -1))]
ROW = [1, 1, 0, 0, 0, 0]


@pytest.mark.parametrize("dtype", ["float64", "float32"])
@pytest.mark.parametrize("norm", [None, "l2"])
@pytest.mark.parametrize("base", [1.0, 0.1, 777.7])
def test_from_far_to_a_tie(base, norm, dtype):
    """The margin shrinks step by step: wide ones are certified, the tie itself never is, and between them nothing flips."""
    certain = {}
    for distance in DISTANCES:
        change = base * distance
        one = plan_of([[base], [-base + change], [0.3], [0.0], [0.0], [0.0]], [0.0], norm=norm, dtype=dtype)
        by_bias = plan_of([[base], [0.0], [0.3], [0.0], [0.0], [0.0]], [-base + change], dtype=dtype)
        many = plan_of([[base, base + change, 0.0], [base, base, 0.0], *[[0.1, 0.2, 0.3]] * 4], [0.0] * 3, norm=norm, dtype=dtype)
        several = plan_of(
            [[base, base, -base], [0.0] * 3, *[[0.1, 0.2, 0.3]] * 4], [0.5, 0.5 + change, 0.0], norm=norm, dtype=dtype
        )
        for name, plan in (("one", one), ("bias", by_bias), ("many", many), ("several", several)):
            certain[name, distance] = bool(assert_sound(plan, [ROW, [2, 2, 0, 0, 0, 0]])[0])
    for name in ("one", "bias", "many"):
        assert certain[name, 1.0] and certain[name, -1.0]
        assert not certain[name, 0.0]
        assert not any(sure for (which, distance), sure in certain.items() if which == name and abs(distance) < 2.0**-50)


def test_equal_columns_are_never_certain_of_each_other():
    weight = np.repeat(np.linspace(-1, 1, len(TERMS))[:, None], 3, axis=1)
    assert not assert_sound(plan_of(weight, [0.0, 0.0, 0.0]), [ROW, [0, 0, 0, 0, 0, 3]]).any()
    # Of two equal best ones the first is the answer, which only the source's own sums may say.
    weight[:, 0] -= 5.0
    assert not assert_sound(plan_of(weight, [0.0, 0.0, 0.0]), [ROW, [0, 0, 0, 0, 0, 3]]).any()


def test_weights_of_very_different_size():
    """A common term far larger than the one that decides."""
    for large in (1e3, 1e6, 1e12):
        for small in (1.0, 1e-3, 1e-9):
            weight = [[large, large], [0.0, small], [small, 0.0], [-large, -large], [0.0, 0.0], [1.0, 2.0]]
            rows = [[1, 1, 0, 0, 0, 0], [1, 0, 1, 0, 0, 0], [1, 1, 1, 1, 0, 0], [0, 0, 1, 0, 0, 0], [3, 2, 1, 3, 0, 1]]
            assert_sound(plan_of(weight, [0.0, 0.0]), rows)
            assert_sound(plan_of([[b - a] for a, b in weight], [0.0]), rows)
            assert_sound(plan_of([[a] for a, _ in weight], [small - large]), rows)


@pytest.mark.parametrize("idf", [1e-100, 1e-45, 1e-30, 1e-18, 1e-9, 1e9, 1e18, 1e30, 1e100, 0.0])
@pytest.mark.parametrize("norm", [None, "l2", "l1", "max"])
def test_idf_set_by_hand(idf, norm):
    """Nothing that float32 can't hold is certified wrongly."""
    weights = np.array([1.0, idf, 2.0, idf, 1.0, 1.0])
    for weight, bias in (
        ([[1.0], [-2.0], [0.5], [3.0], [0.0], [-1.0]], [-0.25]),
        (
            [[1.0, 0.0, 0.5], [0.0, 2.0, 0.1], [0.5, 0.0, 0.0], [3.0, 0.0, 1.0], [0.0, 0.0, 0.0], [0.0, 1.0, 2.0]],
            [0.0, 0.25, 0.0],
        ),
    ):
        plan = plan_of(weight, bias, idf=weights, norm=norm)
        assert_sound(plan, [ROW, [0, 1, 0, 0, 0, 0], [0, 1, 0, 2, 0, 0], [1, 0, 0, 3, 0, 1]])
