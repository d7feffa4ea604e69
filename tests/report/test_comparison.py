"""A comparison tells what independent calls tell, in every form."""

from __future__ import annotations

import json
import re

import numpy as np
import pytest
from sklearn.datasets import load_diabetes, load_iris
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.pipeline import make_pipeline

import quantcore as qc
from quantcore.report.units import of_bytes, of_rate, of_seconds, percent

DOCUMENTS = ["good film", "bad film", "fine plot and good film", "boring plot", "great", "awful and bad"] * 5
LABELS = ["yes", "no", "yes", "no", "yes", "no"] * 5
FAST = {"rounds": 3, "batch_sizes": (1, 10), "onnxruntime": False}


@pytest.fixture(scope="module")
def texts():
    source = make_pipeline(TfidfVectorizer(), LogisticRegression()).fit(DOCUMENTS, LABELS)
    made = {"certified": qc.quantize(source), "measured": qc.quantize(source, guarantee="measured")}
    comparison = qc.compare(source, made, DOCUMENTS, LABELS, price_per_hour=0.05, requests_per_second=10, **FAST)
    return source, made, comparison


def test_it_holds_what_the_models_say(texts):
    source, made, comparison = texts
    assert [c.name for c in comparison.contenders] == ["source", "certified", "measured"]
    assert comparison.rows == len(DOCUMENTS)
    for contender in comparison.contenders[1:]:
        model = made[contender.name]
        assert contender.file_bytes == len(model.data)
        assert contender.agreement.value == np.mean(model.predict(DOCUMENTS) == source.predict(DOCUMENTS))
        assert contender.certified.value == model.predict_certified(DOCUMENTS).certified.mean()
        assert contender.quality["accuracy"] == model.score(DOCUMENTS, LABELS)
        assert contender.load_seconds > 0
        assert contender.memory_bytes < comparison.contenders[0].memory_bytes
        assert contender.latency["p50"].median <= contender.latency["p90"].median <= contender.latency["p99"].median
        assert set(contender.throughput) == {1, 10}
        fastest = max(s.median for s in contender.throughput.values())
        assert contender.cost["per_million"] == pytest.approx(1e6 / fastest / 3600 * 0.05)
    assert sum(comparison.stages["certified"].values()) < len(made["certified"].data)


def test_every_form_holds_the_figures(texts, tmp_path):
    *_, comparison = texts
    parsed = json.loads(comparison.to_json(tmp_path / "c.json"))
    assert parsed == json.loads((tmp_path / "c.json").read_text("utf-8"))
    assert parsed["contenders"][1]["agreement"]["n"] == len(DOCUMENTS)
    text, notebook = str(comparison), comparison._repr_html_()
    for word in ("certified", "agreement", "batches of 10", "cost of a year", "log loss", "one row, p99"):
        assert word in text
        assert word in notebook


def test_the_page_needs_nothing_else(texts, tmp_path):
    pytest.importorskip("matplotlib", reason="plots are drawn with matplotlib")
    page = texts[2].to_html(tmp_path / "c.html")
    assert (tmp_path / "c.html").read_text("utf-8") == page
    assert page.count("<svg") == page.count("</svg>") == 5
    assert not re.search(r"<(script|link|img)|src=|url\((?!#)", page)


def test_differences_are_listed_with_their_margins(texts):
    source, made, _ = texts
    other = make_pipeline(TfidfVectorizer(), LogisticRegression()).fit(DOCUMENTS, LABELS[::-1])
    found = qc.compare(other, made["certified"], DOCUMENTS, **FAST).contenders[1]
    expected = np.flatnonzero(other.predict(DOCUMENTS) != source.predict(DOCUMENTS))
    assert [flip.row for flip in found.flips] == expected.tolist()
    flip = found.flips[0]
    assert (flip.source, flip.found) == (other.predict(DOCUMENTS)[flip.row], source.predict(DOCUMENTS)[flip.row])
    assert flip.margin == pytest.approx(abs(other.decision_function(DOCUMENTS)[flip.row]))


def test_arrays_and_numbers():
    X, y = load_diabetes(return_X_y=True)
    source = Ridge().fit(X, y)
    found = qc.compare(source, qc.quantize(source), X, y, **FAST)
    own = found.contenders[1]
    assert own.agreement is None
    assert own.certified is None
    assert own.max_error == np.abs(qc.quantize(source).predict(X) - source.predict(X)).max()
    assert own.quality["r2"] == pytest.approx(source.score(X, y))
    assert "largest error" in str(found)


def test_onnxruntime_takes_part_where_it_is(tmp_path):
    pytest.importorskip("onnxruntime", reason="it is compared with onnxruntime")
    pytest.importorskip("skl2onnx", reason="models are converted with skl2onnx")
    X, y = load_iris(return_X_y=True)
    source = LogisticRegression(max_iter=300).fit(X, y)
    qc.save(qc.quantize(source), tmp_path / "m.qc")
    found = qc.compare(source, tmp_path / "m.qc", X.astype(np.float32), y, rounds=2, batch_sizes=(10,))
    assert [c.name for c in found.contenders] == ["source", "quantcore", "onnxruntime"]
    assert found.contenders[2].agreement.value > 0.9


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"X": []}, "0 rows"),
        ({"rounds": 0}, "0 rounds"),
        ({"batch_sizes": (0,)}, r"\(0,\)"),
        ({"models": {}}, "at least one"),
        ({"models": {"source": None}}, "'source'"),
    ],
)
def test_what_makes_no_sense_is_refused(texts, arguments, message):
    source, made, _ = texts
    models, X = arguments.pop("models", made), arguments.pop("X", DOCUMENTS)
    with pytest.raises((ValueError, TypeError, FileNotFoundError), match=message):
        qc.compare(source, models, X, **{**FAST, **arguments})


def test_units():
    assert [of_seconds(s) for s in (None, 2.0, 3.21e-3, 4.567e-6, 12e-9)] == ["–", "2 s", "3.21 ms", "4.57 µs", "12 ns"]
    assert [of_bytes(b) for b in (None, 12, 1234, 5.6e6, 7.89e9)] == ["–", "12 B", "1.23 kB", "5.6 MB", "7.89 GB"]
    assert [of_rate(r) for r in (12.3, 4567.0, 3.1e6)] == ["12.3 rows/s", "4.57 k rows/s", "3.1 M rows/s"]
    assert [percent(p) for p in (1.0, 0.999999, 0.5, 0.0)] == ["100.00%", "99.9999%", "50.00%", "0.00%"]
