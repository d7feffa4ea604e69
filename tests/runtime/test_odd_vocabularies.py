"""Vocabularies that a file may hold and no learnt one does: refused, or served by NumPy; and counts that are cheap whatever a
file declares."""

from __future__ import annotations

import tracemalloc
from dataclasses import replace

import numpy as np
import pytest
from sklearn.feature_extraction.text import CountVectorizer, HashingVectorizer, TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline

import quantcore as qc
from quantcore.artifact import decode, encode
from quantcore.importers import convert
from quantcore.native import registry
from quantcore.plan import Plan, Vocabulary
from quantcore.plan.validate import validate
from quantcore.runtime import Executor, text

TEXTS = ["the cat sat", "a dog ran far", "the bird flew"] * 3
Y = ["cat", "dog", "bird"] * 3


class Colliding:
    """A door that can hash no vocabulary."""

    def __init__(self, door):
        self.door = door

    def __getattr__(self, name):
        return getattr(self.door, name)

    def TextModel(self, *arguments):  # noqa: N802
        raise ValueError("this vocabulary can't be hashed: its terms were made to collide, or are no characters")


def test_terms_that_collide_are_served_by_numpy(monkeypatch):
    source = make_pipeline(TfidfVectorizer(), LogisticRegression()).fit(TEXTS, Y)
    model = qc.quantize(source, TEXTS)
    find = registry.door
    if find("text") is None:
        pytest.skip("nothing is compiled")
    monkeypatch.setattr(registry, "door", lambda family: Colliding(find(family)) if family == "text" else find(family))
    served = qc.Model(model.data)
    np.testing.assert_array_equal(served.predict(TEXTS), source.predict(TEXTS))
    np.testing.assert_allclose(served.predict_proba(TEXTS), source.predict_proba(TEXTS), atol=1e-2)
    assert served.report()["served_by"] == "op by op"
    assert text.COLLIDE in served.report()["slower_because"]


@pytest.mark.parametrize("analyzer", ["char", "char_wb"])
@pytest.mark.parametrize("symbol", ["ab", "é ", "日本"])
def test_characters_are_one_code_point_each(analyzer, symbol):
    plan = convert(CountVectorizer(analyzer=analyzer).fit(TEXTS))
    validate(plan)
    hostile = Vocabulary.from_terms({("a",): 0, (symbol,): 1}, "")
    (op,) = plan.ops
    with pytest.raises(ValueError, match="one character each"):
        validate(replace(plan, ops=(replace(op, vocabulary=hostile, n_features=2),)))


@pytest.mark.parametrize("native", [False, True])
@pytest.mark.parametrize("options", [{}, {"analyzer": "char"}, {"analyzer": "char_wb"}, {"token_pattern": "[a-z]+(?= )"}])
def test_declared_sizes_cost_nothing(options, native):
    """n-grams of up to two billion words, two billion columns: the work is that of the text."""
    plan = convert(CountVectorizer(**options).fit(TEXTS))
    op = replace(plan.ops[0], ngram_range=(1, 2**31 - 1), n_features=2**31 - 1)
    wide = Plan(ops=(op,), outputs=plan.outputs, input="text")
    validate(wide)
    tracemalloc.start()
    found = Executor(wide, native=native).run("transform", TEXTS)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 1 << 20
    known = Executor(replace(wide, ops=(replace(op, ngram_range=(1, 30)),)), native=False).run("transform", TEXTS)
    assert found.shape == known.shape and abs(found - known).nnz == 0


@pytest.mark.parametrize("name", ["report", "provenance"])
@pytest.mark.parametrize("value", [1, "text", ["a"], None])
def test_reports_are_mappings(name, value):
    artifact = decode(qc.quantize(make_pipeline(CountVectorizer(), LogisticRegression()).fit(TEXTS, Y), TEXTS).data)
    with pytest.raises(qc.ArtifactError, match=f"{name} is no mapping"):
        qc.Model(encode(artifact.plan, {**artifact.extra, name: value}))


@pytest.mark.slow
def test_a_document_too_long_to_hash():
    plan = convert(HashingVectorizer(n_features=8))
    executor = Executor(plan)
    document = "a" * (1 << 30)
    with pytest.raises(ValueError, match="cut it"):
        executor.run("transform", [document])
