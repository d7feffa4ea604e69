"""A comparison tells what independent calls tell, in every form."""

from __future__ import annotations

import json
import re

import numpy as np
import pytest
from scipy.sparse import csr_matrix
from sklearn.compose import ColumnTransformer
from sklearn.datasets import load_diabetes, load_iris
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.multiclass import OneVsRestClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler
from sklearn.tree import DecisionTreeClassifier

import quantcore as qc
from quantcore.report.comparison import stages_of
from quantcore.report.differences import margins_of, plain
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


def test_onnxruntime_reads_the_columns_of_a_frame():
    pytest.importorskip("onnxruntime", reason="it is compared with onnxruntime")
    pytest.importorskip("skl2onnx", reason="models are converted with skl2onnx")
    pd = pytest.importorskip("pandas", reason="tables are data frames")
    rng = np.random.default_rng(4)
    frame = pd.DataFrame({"a": rng.normal(size=90), "kind": rng.choice(["x", "y", "z"], 90), "n": rng.integers(0, 9, 90)})
    y = frame["a"] + (frame["kind"] == "x") > 0.3
    parts = [("numbers", StandardScaler(), ["a", "n"]), ("kind", OneHotEncoder(handle_unknown="ignore"), ["kind"])]
    source = make_pipeline(ColumnTransformer(parts), LogisticRegression()).fit(frame, y)
    found = qc.compare(source, qc.quantize(source), frame, y, rounds=2, batch_sizes=(10,), onnxruntime=True)
    assert not found.absent
    assert [c.name for c in found.contenders] == ["source", "quantcore", "onnxruntime"]
    assert found.contenders[2].agreement.value > 0.97
    assert found.contenders[2].load_seconds > 0


def test_costs_have_their_currency_and_follow_from_the_price(texts):
    *_, comparison = texts
    assert comparison.prices == {"currency": "¤", "price_per_hour": 0.05, "requests_per_second": 10}
    costs = re.search(r"cost of a million rows +([\d.,]+) ¤ ", str(comparison))
    assert float(costs[1]) == pytest.approx(comparison.contenders[0].cost["per_million"], rel=0.005)
    assert "at 0.05 ¤ an hour and core" in str(comparison)
    year = comparison.contenders[1].latency["p50"].median * 10 * 365.25 * 86400 / 3600 * 0.05
    assert comparison.contenders[1].cost["per_year"] == pytest.approx(year)


def test_a_price_without_a_load_has_no_year(texts):
    source, made, _ = texts
    found = qc.compare(source, made["certified"], DOCUMENTS, price_per_hour=0.05, **FAST)
    assert found.contenders[0].cost.keys() == {"per_million"}
    assert "cost of a million rows" in str(found) and "a year" not in str(found)


def test_sparse_rows_and_several_labels():
    """onnxruntime takes no sparse rows; the margin of several labels is the least of theirs."""
    X = csr_matrix(np.round(np.random.default_rng(4).normal(size=(80, 5)), 1) * (np.arange(5) % 2))
    Y = (X.toarray()[:, [1, 3]] > 0.0).astype(int)
    source = OneVsRestClassifier(LogisticRegression()).fit(X, Y)
    found = qc.compare(source, qc.quantize(source), X, Y, **FAST)
    assert found.contenders[1].agreement.value == 1.0
    assert found.contenders[1].quality["accuracy"] == source.score(X, Y)
    several = margins_of(source, X, several=True)
    np.testing.assert_array_equal(several, np.abs(source.decision_function(X)).min(axis=1))


def test_margins_are_there_where_scores_tell_them():
    X, y = load_iris(return_X_y=True)
    tree = DecisionTreeClassifier(max_depth=2).fit(X, y)
    shares = np.sort(tree.predict_proba(X), axis=1)
    np.testing.assert_array_equal(margins_of(tree, X, several=False), shares[:, -1] - shares[:, -2])
    assert margins_of(DecisionTreeClassifier().fit(X, np.c_[y, y]), X, several=True) is None
    assert margins_of(Ridge().fit(X, y), X, several=False) is None
    one = make_pipeline(StandardScaler(), DecisionTreeClassifier()).fit(X, y * 0)
    np.testing.assert_array_equal(margins_of(one, X, several=False), np.ones(len(X)))


def test_stages_are_ops_by_their_names():
    words = ["".join(letters) for letters in np.random.default_rng(8).choice([*"abcdefghijklmnop"], (6000, 9))]
    documents = [" ".join(words[2 * i : 2 * i + 3]) for i in range(3000)]
    model = qc.quantize(make_pipeline(TfidfVectorizer(), LogisticRegression()).fit(documents, [i % 2 for i in range(3000)]))
    found, sections = stages_of(model), model.report().sections
    ops = [op.kind for op in model._artifact.plan.ops]
    named = [re.fullmatch(r"(\d+) (\w+)\.\S+", name) for name in found]
    assert all(ops[int(one[1])] == one[2] for one in named if one)
    assert sum(map(bool, named)) >= 2
    assert sum(found.values()) == sum(sizes["stored"] for sizes in sections.values())


def test_progress_is_told_in_order(texts):
    source, made, _ = texts
    told = []
    qc.compare(source, made["certified"], DOCUMENTS, progress=lambda *step: told.append(step), **FAST)
    assert [stage for stage, *_ in told] == ["load", "load", "one row", "batches of 1", "batches of 10", "answers"]
    assert all(0 <= done < total for _, done, total in told)


def test_a_certificate_of_something_else_says_nothing_about_labels(texts):
    source, _, _ = texts
    other = make_pipeline(TfidfVectorizer(), LogisticRegression()).fit(DOCUMENTS, LABELS[::-1])
    model = qc.quantize(source, DOCUMENTS, certify={"threshold": 0.75})
    flips = qc.compare(other, model, DOCUMENTS, **FAST).contenders[1].flips
    assert flips
    assert all(flip.certified is None for flip in flips)


def test_json_has_no_nan():
    assert json.loads(json.dumps(plain({"a": np.float64("nan"), "b": [np.inf, np.int8(3)], "c": np.array([1.5])}))) == {
        "a": None,
        "b": [None, 3],
        "c": [1.5],
    }


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"X": []}, "0 rows"),
        ({"price_per_hour": -1.0}, r"price_per_hour=-1\.0"),
        ({"requests_per_second": 0.0}, r"requests_per_second=0\.0"),
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
