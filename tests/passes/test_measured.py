"""Forms for "measured": vocabularies that shrink as scikit-learn's would, verdicts that come true, candidates that are told."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.naive_bayes import MultinomialNB
from sklearn.pipeline import make_pipeline

import quantcore as qc
from quantcore.artifact import encode
from quantcore.importers import convert
from quantcore.passes.judge import Verdict, flips_estimated, gap_errors
from quantcore.passes.measured import Trial, chain
from quantcore.passes.prune import kept_columns, pruned_features, pruned_vocabulary
from quantcore.passes.sizes import vocabulary_bytes
from quantcore.plan import Plan
from quantcore.plan.ops import Linear, PlanarLinear, Text, TfIdf
from quantcore.plan.validate import validate
from quantcore.reference import run
from quantcore.reference.matrices import row_norms

WORDS = [f"{a}{b}" for a in "bcdfghklmnprst" for b in ("a", "e", "io", "un")]


def corpus(n, seed):
    """Documents of two classes whose words overlap; labels follow from the words, with noise."""
    random = np.random.default_rng(seed)
    shares = np.random.default_rng(7).dirichlet(np.ones(len(WORDS)) * 0.3, 2)
    y = random.integers(0, 2, n)
    return [" ".join(random.choice(WORDS, random.integers(4, 15), p=shares[k])) for k in y], y


@pytest.mark.parametrize("analyzer", ["word", "char_wb"])
@pytest.mark.parametrize("share", [0.9, 0.5, 0.1])
def test_a_pruned_vocabulary_is_the_one_that_scikit_learn_would_have_with_these_terms(analyzer, share):
    texts, y = corpus(200, 0)
    source = make_pipeline(TfidfVectorizer(analyzer=analyzer, ngram_range=(1, 3)), LogisticRegression()).fit(texts, y)
    plan = convert(source)
    text, tfidf, linear = (next(op for op in plan.ops if isinstance(op, kind)) for kind in (Text, TfIdf, Linear))
    kept = kept_columns(np.random.default_rng(1).random(text.n_features), share)
    fewer, weighted, smaller = pruned_features(text, tfidf, linear, kept)
    names = source[0].get_feature_names_out()[kept]
    assert fewer.vocabulary.terms() == {name: i for i, name in enumerate(names)}
    ops = [{Text: fewer, TfIdf: weighted, Linear: smaller}.get(type(op), op) for op in plan.ops]
    pruned = type(plan)(tuple(ops), plan.outputs, "text", classes=plan.classes)
    validate(pruned)
    vectorizer = TfidfVectorizer(analyzer=analyzer, ngram_range=(1, 3), vocabulary=list(names))
    vectorizer.idf_ = source[0].idf_[kept]
    new = corpus(50, 2)[0]
    expected = vectorizer.transform(new) @ source[1].coef_[0, kept] + source[1].intercept_[0]
    np.testing.assert_allclose(run(pruned, new, "decision_function"), expected, atol=1e-12)


def test_no_symbol_or_node_is_left_that_no_term_needs():
    texts, y = corpus(100, 0)
    plan = convert(make_pipeline(TfidfVectorizer(ngram_range=(1, 3)), LogisticRegression()).fit(texts, y))
    text = next(op for op in plan.ops if isinstance(op, Text))
    found = pruned_vocabulary(text.vocabulary, np.array([0, 5]), text.n_features)
    symbols = {part for term in found.terms() for part in term.split(" ")}
    assert set(found.symbols()) == symbols
    assert found.n_nodes == len({tuple(t.split(" ")[:n]) for t in found.terms() for n in range(1, 4)} | {(s,) for s in symbols})


def test_estimates_of_flips_come_true():
    random = np.random.default_rng(0)
    scores = random.normal(size=(200_000, 1))
    moved = scores + random.normal(size=scores.shape) * 0.01
    flips = np.mean((scores > 0) != (moved > 0))
    some = slice(0, 4000)
    assert flips_estimated(*gap_errors(scores[some], moved[some])) == pytest.approx(flips, rel=0.35)
    assert flips_estimated(*gap_errors(scores, scores)) == 0.0


def test_gaps_and_errors_of_several_outputs():
    gap, error = gap_errors(np.array([[1.0, 5.0, 3.0]]), np.array([[1.0, 4.5, 3.25]]))
    assert (gap[0], error[0]) == (2.0, 0.75)
    assert Verdict(3, 1000, 0.0).agreement == 0.997
    assert Verdict(0, 1000, 0.002).agreement == 0.998


@pytest.mark.parametrize("least", [0.999, 0.98, 0.9])
def test_labels_of_new_documents_agree_as_often_as_was_asked(least):
    texts, y = corpus(4000, 3)
    source = make_pipeline(TfidfVectorizer(ngram_range=(1, 2)), LogisticRegression()).fit(texts, y)
    grid = qc.quantize(source, guarantee="measured", min_agreement=least)
    model = qc.quantize(source, texts, guarantee="measured", min_agreement=least)
    new = corpus(8000, 4)[0]
    agreement = np.mean(model.predict(new) == source.predict(new))
    assert agreement >= least - 2 * np.sqrt((1 - least) / len(new))  # two deviations of such a count
    assert len(model.data) < len(grid.data)
    candidates = model.report()["candidates"]
    (kept,) = [one for one in candidates if one["kept"]]
    assert kept["bytes"] == len(model.data)
    assert kept["agreement"] >= least
    assert all(one["why"] for one in candidates)
    assert len(candidates) > 5
    assert "candidates" not in qc.model.Model(model.data).report()


def test_of_many_outputs_terms_are_dropped_where_the_vocabulary_is_most_of_the_file():
    random = np.random.default_rng(1)
    names = [f"{a}{b}{c}" for a in "bcdfghklmnprst" for b in ("a", "e", "io", "un") for c in ("", "sk", "lt", "r")]
    shares = np.random.default_rng(7).dirichlet(np.ones(len(names)) * 0.1, 12)
    y = random.integers(0, 12, 6000)
    texts = [" ".join(random.choice(names, random.integers(5, 15), p=shares[k])) for k in y]
    source = make_pipeline(TfidfVectorizer(ngram_range=(1, 2)), LogisticRegression()).fit(texts[:4000], y[:4000])
    model = qc.quantize(source, texts[:4000], guarantee="measured", min_agreement=0.9, objective="size")
    candidates = model.report()["candidates"]
    (kept,) = [one for one in candidates if one["kept"]]
    assert "of the terms" in kept["form"]
    assert len(model.data) < 0.7 * min(
        one["bytes"] for one in candidates if "all terms" in one["form"] and one["agreement"] >= 0.9
    )
    new = texts[4000:]
    assert np.mean(model.predict(new) == source.predict(new)) >= 0.9 - 2 * np.sqrt(0.09 / len(new))


def test_a_model_without_some_terms_certifies_nothing():
    texts, y = corpus(3000, 3)
    source = make_pipeline(TfidfVectorizer(ngram_range=(1, 2)), LogisticRegression()).fit(texts, y)
    model = qc.quantize(source, texts, guarantee="measured", min_agreement=0.9)
    (planar,) = [op for op in model._artifact.plan.ops if isinstance(op, PlanarLinear)]
    assert planar.approximate
    labels, sure = model.predict_certified(texts)
    assert not sure.any()
    np.testing.assert_array_equal(labels, model.predict(texts))
    assert model.report()["max_bound"] is None
    assert model.report()["served_by"] == "fused kernel"
    assert "selftest" in model._artifact.extra


def test_norms_of_coarse_idf_values_keep_labels_and_are_told():
    """Of a balanced model the bias is small, so that norms matter next to nothing: the reference, with the norms taken as the
    document frequencies say, gives the same scores."""
    texts, y = corpus(3000, 3)
    source = make_pipeline(TfidfVectorizer(ngram_range=(1, 2), sublinear_tf=True), LogisticRegression()).fit(texts, y)
    plan = convert(source)
    (text,) = [op for op in plan.ops if isinstance(op, Text)]
    counts = run(type(plan)((text,), {"transform": 0}, "text"), texts, "transform")
    trial = Trial(plan, chain(plan), counts, lambda scores: scores[:, 0] > 0, 0)
    frequency = np.bincount(counts.indices, minlength=counts.n_columns)
    for octaves in (1, 2, 3):
        trial.coarsen(octaves)
        group = np.floor(np.log2(frequency + 1) / octaves).astype(int)  # of smoothed frequencies, as the idf is made of
        assert len(np.unique(trial.norm_idf)) == len(np.unique(group))
        assert all(len(np.unique(trial.norm_idf[group == g])) == 1 for g in np.unique(group))
        verdict, _ = trial.judged(1.0, None)
        norms = row_norms(counts.with_data((1 + np.log(counts.data)) * trial.norm_idf[counts.indices]), "l2")
        weights = source[1].coef_[0] * source[0].idf_
        products = (1 + np.log(counts.data)) * weights[counts.indices] / norms[counts.row_ids()]
        expected = np.bincount(counts.row_ids(), products, counts.n_rows) + source[1].intercept_
        assert verdict.flips == np.count_nonzero((expected > 0) != source.predict(texts))
        assert verdict.flips <= 0.002 * len(texts)


def test_sizes_are_estimated_well_enough_to_compare_forms():
    random = np.random.default_rng(0)
    words = ["".join(random.choice(list("etaoinshrdlu"), random.integers(2, 9))) for _ in range(3000)]
    texts = [" ".join(words[i] for i in np.minimum(random.zipf(1.4, 20), 2999)) for _ in range(1500)]
    source = make_pipeline(TfidfVectorizer(ngram_range=(1, 2)), LogisticRegression()).fit(texts, random.integers(0, 2, 1500))
    (text,) = [op for op in convert(source).ops if isinstance(op, Text)]
    stored = len(encode(Plan((text,), {"transform": 0}, "text"), {}))
    assert vocabulary_bytes(text.vocabulary) == pytest.approx(stored, rel=0.25)


def test_the_search_tells_how_far_it_has_come_and_can_be_ended():
    texts, y = corpus(500, 3)
    source = make_pipeline(TfidfVectorizer(), LogisticRegression()).fit(texts, y)
    told = []

    def stop(stage, done, total):
        told.append((stage, done, total))
        if stage == "search":
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        qc.quantize(source, texts, guarantee="measured", progress=stop)
    assert [stage for stage, _, _ in told] == ["import", "quantize", "search"]
    done = []
    model = qc.quantize(source, texts, guarantee="measured", progress=lambda *what: done.append(what))
    assert [d for stage, d, _ in done if stage == "search"] == sorted(d for stage, d, _ in done if stage == "search")
    assert done[-1][0] == "measure"
    assert model.data == qc.quantize(source, texts, guarantee="measured").data


def test_only_single_text_models_have_a_chain():
    texts, y = corpus(100, 0)
    assert chain(convert(make_pipeline(TfidfVectorizer(), MultinomialNB()).fit(texts, y))) is not None
    assert chain(convert(LogisticRegression().fit(np.eye(4), [0, 1, 0, 1]))) is None
