"""Objectives and limits: the front of size and time, the closest candidate where a limit can't be met."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.ensemble import RandomForestClassifier
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline

import quantcore as qc
from quantcore.importers import convert
from quantcore.passes import OBJECTIVES
from quantcore.passes.choose import chosen
from quantcore.passes.cost import CONSTANTS, Shape, factors, nanoseconds, shape


def corpus(n, seed):
    """Documents of two classes whose words overlap."""
    random = np.random.default_rng(seed)
    shares = np.random.default_rng(7).dirichlet(np.ones(60) * 0.3, 2)
    y = random.integers(0, 2, n)
    return [" ".join(f"w{i}" for i in random.choice(60, random.integers(4, 15), p=shares[k])) for k in y], y


def candidates():
    rows = [("a", 100, 9.0, True), ("b", 200, 2.0, True), ("c", 150, 5.0, True), ("d", 210, 6.0, True), ("e", 10, 1.0, False)]
    return [{"form": name, "bytes": size, "latency": time, "agreement": 1.0, "good": good} for name, size, time, good in rows]


@pytest.mark.parametrize(
    "options, best", [(("size",), 0), (("latency",), 1), (("throughput",), 1), (("balanced",), 1), (("size", None, 5.0), 2)]
)
def test_objectives_and_limits(options, best):
    found = candidates()
    assert chosen(found, *options) == best
    assert [one["kept"] for one in found] == [i == best for i in range(5)]
    assert found[best]["why"].startswith("chosen")
    assert found[4]["why"] == "flips too many labels"
    assert "no larger and no slower" in found[3]["why"] or "max_latency" in found[3]["why"]


def test_the_front_is_told():
    found = candidates()
    chosen(found, "size")
    assert ["front" in one["why"] for one in found] == [False, True, True, False, False]
    found = candidates()
    assert chosen(found, "latency", max_bytes=160) == 2
    assert found[1]["why"] == "takes more than max_bytes"
    assert chosen(candidates(), "latency", max_bytes=1) == 0  # the smallest; the file decides
    assert chosen([{**one, "good": False} for one in candidates()], "size") is None


def test_the_closest_candidate_is_named():
    with pytest.raises(ValueError, match=r"max_latency=1.0 can't be met: the closest candidate \(b\) takes 2 s a row"):
        chosen(candidates(), "size", None, 1.0)


def test_the_cost_is_the_sum_of_its_parts_and_grows_with_each():
    one = Shape("text", 100.0, 20.0, 5, 1 << 20)
    assert nanoseconds(one) == sum(c * f for c, f in zip(CONSTANTS["text"], factors(one), strict=True))
    assert factors(one) == (1.0, 100.0, 20.0, 100.0, 100.0)
    for field, more in (("letters", 200.0), ("terms", 40.0), ("outputs", 10)):
        assert nanoseconds(one._replace(**{field: more})) > nanoseconds(one)
    texts, y = corpus(200, 0)
    plan = convert(make_pipeline(TfidfVectorizer(), LogisticRegression()).fit(texts, y))
    assert shape(plan, 50.0, 7.0)[:4] == ("text", 50.0, 7.0, 1)


def test_options_of_quantize():
    texts, y = corpus(2000, 3)
    source = make_pipeline(TfidfVectorizer(ngram_range=(1, 2)), LogisticRegression()).fit(texts, y)
    found = {o: qc.quantize(source, texts, guarantee="measured", min_agreement=0.99, objective=o) for o in OBJECTIVES}
    kept = {o: next(c for c in m.report()["candidates"] if c["kept"]) for o, m in found.items()}
    assert kept["latency"]["latency"] <= min(one["latency"] for one in kept.values())
    assert len(found["size"].data) <= 1.02 * min(len(m.data) for m in found.values())
    for model in found.values():
        assert np.mean(model.predict(texts) == source.predict(texts)) >= 0.99
        assert all(one["why"] and one["latency"] > 0.0 for one in model.report()["candidates"])
    with pytest.raises(ValueError, match="max_latency=1e-12 can't be met: the closest candidate"):
        qc.quantize(source, texts, guarantee="measured", min_agreement=0.99, max_latency=1e-12)
    with pytest.raises(ValueError, match="max_latency=1e-12 can't be met: the closest candidate"):
        qc.quantize(source, max_latency=1e-12)
    with pytest.raises(ValueError, match="more than max_bytes=50 .*of the terms|more than max_bytes=50 .*all terms"):
        qc.quantize(source, texts, guarantee="measured", min_agreement=0.99, max_bytes=50)
    with pytest.raises(ValueError, match="objective='fast'"):
        qc.quantize(source, objective="fast")
    with pytest.raises(ValueError, match="max_latency=0"):
        qc.quantize(source, max_latency=0)
    forest = RandomForestClassifier(5).fit(np.eye(4), [0, 1, 0, 1])
    with pytest.raises(ValueError, match="max_latency is known of single linear models"):
        qc.quantize(forest, max_latency=1.0)
