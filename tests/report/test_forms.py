"""A comparison of every kind of source and of rows: what it says equals what independent calls say."""

from __future__ import annotations

import re

import numpy as np
import pytest
from sklearn.compose import ColumnTransformer
from sklearn.datasets import load_iris
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LinearRegression, LogisticRegression, Perceptron
from sklearn.multiclass import OneVsRestClassifier
from sklearn.multioutput import MultiOutputClassifier
from sklearn.naive_bayes import GaussianNB
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler
from sklearn.tree import DecisionTreeClassifier

import quantcore as qc
from quantcore.report.plots import _plain_numbers, front
from quantcore.report.table import text

FAST = {"rounds": 2, "batch_sizes": (1, 20), "onnxruntime": False}
X, Y = load_iris(return_X_y=True)
SEVERAL = np.column_stack([Y == 0, Y > 0, X[:, 0] > 5.8]).astype(int)
SOURCES = {
    "no decision_function": DecisionTreeClassifier(max_depth=3, random_state=0).fit(X, Y),
    "no probabilities": Perceptron(random_state=0).fit(X, Y),
    "probabilities alone": GaussianNB().fit(X, Y),
    "multi-label": OneVsRestClassifier(LogisticRegression(max_iter=300)).fit(X, SEVERAL),
    "several outputs": MultiOutputClassifier(LogisticRegression(max_iter=300)).fit(X, SEVERAL),
}


@pytest.mark.parametrize("kind", SOURCES)
def test_classifiers_of_every_kind(kind):
    source = SOURCES[kind]
    model = qc.quantize(source)
    truth = SEVERAL if kind in ("multi-label", "several outputs") else Y
    found = qc.compare(source, model, X, truth, **FAST)
    own = found.contenders[1]
    same = (model.predict(X) == source.predict(X)).reshape(len(X), -1).all(axis=1)
    assert own.agreement.value == same.mean()
    assert own.certified.value == model.predict_certified(X).certified.mean()
    assert own.quality["accuracy"] == pytest.approx((model.predict(X) == truth).reshape(len(X), -1).all(axis=1).mean())
    assert "accuracy" in str(found)
    found.to_json()
    if kind != "several outputs":
        margins = np.array([m for m, _ in found.margins["quantcore"]])
        scores = source.decision_function(X) if hasattr(source, "decision_function") else source.predict_proba(X)
        if kind == "multi-label":  # the label that is nearest to another answer
            expected = np.abs(scores).min(axis=1)
        else:
            ordered = np.sort(scores, axis=1)
            expected = ordered[:, -1] - ordered[:, -2]
        np.testing.assert_allclose(margins, expected)


def test_numbers_of_several_outputs():
    targets = np.column_stack([X[:, 0], X[:, 1] * 2])
    source = LinearRegression().fit(X, targets)
    model = qc.quantize(source)
    own = qc.compare(source, model, X, targets, **FAST).contenders[1]
    assert own.agreement is None
    assert own.max_error == np.abs(model.predict(X) - source.predict(X)).max()
    assert own.quality["mae"] == pytest.approx(np.abs(targets - model.predict(X)).mean())


def test_data_frames():
    pd = pytest.importorskip("pandas", reason="tables are data frames")
    frame = pd.DataFrame({"n": X[:, 0], "kind": np.array(["a", "b", "c"])[Y], "z": X[:, 1]})
    parts = [("n", StandardScaler(), ["n", "z"]), ("kind", OneHotEncoder(), ["kind"])]
    source = make_pipeline(ColumnTransformer(parts), LogisticRegression(max_iter=300)).fit(frame, Y)
    model = qc.quantize(source)
    found = qc.compare(source, {"one": model, "two": model}, frame, Y, **FAST)
    assert [c.agreement.value for c in found.contenders[1:]] == [(model.predict(frame) == source.predict(frame)).mean()] * 2
    assert found.contenders[1].load_seconds > 0


def test_memory_at_its_peak_is_at_least_what_stays():
    found = qc.compare(SOURCES["multi-label"], qc.quantize(SOURCES["multi-label"]), X, **FAST)
    for contender in found.contenders:
        assert contender.peak_bytes >= contender.memory_bytes > 0
    assert "memory, peak" in str(found)


def test_many_contenders_fit_a_terminal(monkeypatch):
    monkeypatch.setenv("COLUMNS", "100")
    source = SOURCES["probabilities alone"]
    model = qc.quantize(source)
    names = [f"models/production/intent-classifier-{i}" for i in range(6)]
    found = qc.compare(source, dict.fromkeys(names, model), X, **FAST)
    shown = text(found)
    table = shown[: shown.index(" rows; times are")]
    assert all(name in table for name in names)
    assert max(len(line) for line in table.splitlines()) <= 100
    assert table.count("source") == len(re.findall(r"(?m)^file ", table)) > 1
    notebook = found._repr_html_()
    assert len(re.findall("<th>models", notebook)) == 6


def test_the_front_is_what_none_beats():
    rng = np.random.default_rng(0)
    for size in (1, 2, 40):
        points = [tuple(p) for p in rng.integers(0, 8, (size, 2)).tolist()]
        beaten = [any(a <= x and b >= y and (a, b) != (x, y) for a, b in points) for x, y in points]
        assert sorted(front(points)) == [i for i in range(size) if not beaten[i]]


def test_a_page_of_the_forms_that_were_tried():
    pytest.importorskip("matplotlib", reason="plots are drawn with matplotlib")
    documents = ["good film", "bad film", "fine plot and good film", "boring plot", "great", "awful and bad"] * 20
    source = make_pipeline(TfidfVectorizer(), LogisticRegression()).fit(documents, [1, 0] * 60)
    model = qc.quantize(source, documents, guarantee="measured", min_agreement=0.9)
    found = qc.compare(source, model, documents, **FAST)
    assert found.candidates["quantcore"] == model.report().candidates
    several = sum(bool(one.get("bytes")) and one.get("agreement") is not None for one in model.report().candidates) > 1
    page = found.to_html()
    assert ("Forms that were tried" in page) == several
    assert page == found.to_html()  # the same figures, the same page
    again = qc.compare(source, qc.Model(model.data), documents, **FAST)
    assert again.candidates == {}
    assert "Forms that were tried" not in again.to_html()


@pytest.mark.parametrize("ends", [(0.64, 0.7), (0.51, 0.69), (3.0, 17.0), (0.2, 3000.0)])
def test_every_axis_has_figures(ends):
    figure = pytest.importorskip("matplotlib.figure", reason="plots are drawn with matplotlib")
    axes = figure.Figure().subplots()
    axes.set(xscale="log", xlim=ends)
    _plain_numbers(axes.xaxis)
    axes.figure.canvas.draw()
    inside = [
        t.get_text()
        for t in (*axes.get_xticklabels(), *axes.get_xticklabels(minor=True))
        if ends[0] <= t.get_position()[0] <= ends[1]
    ]
    assert sum(map(bool, inside)) >= 2
    assert all(ends[0] <= float(text.replace(",", "")) <= ends[1] for text in inside if text)
