"""Passes: the grid's promises, foldings that keep every label, Plans that hold nothing they don't need."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from sklearn.feature_extraction.text import CountVectorizer, TfidfVectorizer
from sklearn.linear_model import LogisticRegression, Perceptron
from sklearn.multiclass import OneVsRestClassifier
from sklearn.naive_bayes import BernoulliNB, ComplementNB, MultinomialNB
from sklearn.pipeline import make_pipeline

from quantcore.importers import convert
from quantcore.passes import BITS, Options, optimize
from quantcore.passes.fuse import fuse
from quantcore.passes.rewrite import rewrite
from quantcore.plan.ops import Binarize, Linear, PlanarLinear, TfIdf
from quantcore.reference import run
from quantcore.reference.planar import grid_values
from quantcore.runtime import cold_plan

WORDS = [f"w{i}" for i in range(60)]
random = np.random.default_rng(0)
TEXTS = [" ".join(random.choice(WORDS, random.integers(1, 12))) for _ in range(150)]
Y = np.array([len(set(text.split()) & set(WORDS[:20])) % 3 for text in TEXTS])
MODELS = {
    "two classes": lambda: make_pipeline(TfidfVectorizer(ngram_range=(1, 2)), LogisticRegression()).fit(TEXTS, Y > 0),
    "three classes": lambda: make_pipeline(TfidfVectorizer(sublinear_tf=True), LogisticRegression()).fit(TEXTS, Y),
    "labels alone": lambda: make_pipeline(CountVectorizer(), Perceptron()).fit(TEXTS, Y),
    "Bayes": lambda: make_pipeline(TfidfVectorizer(norm="l1"), MultinomialNB()).fit(TEXTS, Y),
    "Bayes of two": lambda: make_pipeline(CountVectorizer(), ComplementNB()).fit(TEXTS, Y > 0),
    "Bernoulli": lambda: make_pipeline(TfidfVectorizer(), BernoulliNB()).fit(TEXTS, Y),
    "one-vs-rest": lambda: make_pipeline(TfidfVectorizer(), OneVsRestClassifier(LogisticRegression())).fit(TEXTS, Y),
}


def planes(plan):
    return [op for op in plan.ops if isinstance(op, PlanarLinear)]


@pytest.fixture(params=MODELS)
def plan(request):
    return convert(MODELS[request.param]())


@pytest.mark.parametrize("calibration", [None, TEXTS], ids=["drawn", "given"])
@pytest.mark.parametrize("precision", BITS)
def test_the_grid_keeps_its_promises(plan, precision, calibration):
    """Within ``error`` steps of the source's weights (of each other, where the centre isn't stored), amplitude above them all."""
    found = optimize(plan, Options("exact", precision), calibration)
    assert planes(found)
    for op in planes(found):
        source = op.cold if op.idf is None else op.cold * op.idf[:, None]
        index = np.arange(len(source)) if op.index is None else op.index
        step = np.ldexp(1.0, op.exponent.astype(int))[index][:, None]
        assert (np.abs(source) <= op.amplitude * step * (1 + 1e-12)).all()
        off = (grid_values(op)[index] - source) / step
        if not op.centred and off.shape[1] > 1:
            assert (off.max(axis=1) - off.min(axis=1) <= 2 * op.error).all()
        else:
            error = op.error + (0.5 + 1e-9) * op.centred  # the centre is rounded too
            assert (np.abs(off) <= error).all()
        assert op.error <= 0.51
        if op.index is not None:
            assert len(np.unique(np.column_stack([op.rows, op.exponent]), axis=0)) == len(op.rows)
        bits = {"float32": 24, "int16": 16, "float16": 12, "int8": 8, "int4": 4}.get(precision, 0)
        if len(op.bias) == 1:
            assert np.abs(op.rows).max() >= 2 ** (min(bits, 23) - 1) * 0.99 or bits == 0


def test_coarser_where_agreement_is_only_measured(plan):
    def entries(guarantee, **more):
        found = optimize(plan, Options(guarantee, **more), TEXTS)
        return sum(float(np.log2(np.abs(op.rows.astype(float)) + 1).sum()) for op in planes(found))

    assert entries("measured", min_agreement=0.9) <= entries("measured") <= entries("certified")


def test_cold_planes_are_the_source(plan):
    found = optimize(plan, Options("exact"))
    cold = cold_plan(found)
    for method in plan.outputs:
        np.testing.assert_array_equal(run(cold, TEXTS, method), run(fuse(plan), TEXTS, method))
    np.testing.assert_array_equal(run(cold, TEXTS), run(plan, TEXTS))
    assert cold_plan(optimize(plan, Options("certified"))) is None


def test_fuse_keeps_every_label(plan):
    fused = fuse(plan)
    assert set(fused.outputs) == set(plan.outputs)
    for method in plan.outputs:
        found, expected = run(fused, TEXTS, method), run(plan, TEXTS, method)
        if method == "predict":
            np.testing.assert_array_equal(found, expected)
        else:
            np.testing.assert_allclose(found, expected, rtol=1e-9, atol=1e-9)


def test_binarize_becomes_binary_counts():
    fused = fuse(convert(MODELS["Bernoulli"]()))
    assert not any(isinstance(op, Binarize | TfIdf) for op in fused.ops)
    assert fused.ops[0].binary
    at_half = make_pipeline(TfidfVectorizer(), BernoulliNB(binarize=0.5)).fit(TEXTS, Y)
    assert any(isinstance(op, Binarize) for op in fuse(convert(at_half)).ops)


def test_the_same_options_give_the_same_plan(plan):
    for calibration in (None, TEXTS):
        a, b = (optimize(plan, Options("certified", seed=3), calibration) for _ in range(2))
        for one, other in zip(planes(a), planes(b), strict=True):
            assert one.rows.tobytes() == other.rows.tobytes() and one.exponent.tobytes() == other.exponent.tobytes()


def test_rewrite_drops_what_no_output_needs(plan):
    linear = [position for position, op in enumerate(plan.ops) if isinstance(op, Linear)]
    assert [op.kind for op in rewrite(plan, lambda position, op: [op]).ops] == [op.kind for op in plan.ops]
    only = replace(plan, outputs={"predict": plan.outputs["predict"]})
    kept = rewrite(only, lambda position, op: [op])
    assert len(kept.ops) == len(only.needed("predict")) and linear
    np.testing.assert_array_equal(run(kept, TEXTS), run(plan, TEXTS))
