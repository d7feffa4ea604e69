"""A report is a dict, reads like an object, and holds what the model does on the calibration rows."""

from __future__ import annotations

import copy
import json
import pickle
import re

import numpy as np
import pytest
from sklearn.datasets import load_iris
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.pipeline import make_pipeline

import quantcore as qc

TEXTS = ["good film", "bad film", "fine plot", "boring plot", "good plot", "bad"] * 5
LABELS = ["y", "n", "y", "n", "y", "n"] * 5
SOURCE = make_pipeline(TfidfVectorizer(), LogisticRegression()).fit(TEXTS, LABELS)


def test_a_dict_whose_items_are_attributes():
    model = qc.quantize(SOURCE, TEXTS)
    report = model.report()
    assert isinstance(report, dict)
    assert report.max_error == report["max_error"]
    assert report.candidates == report["candidates"]
    assert json.loads(json.dumps(report)) == report == {**report}
    assert pickle.loads(pickle.dumps(report)) == copy.deepcopy(report) == report
    assert type(copy.copy(report)) is type(report)
    assert {"max_error", "sections"} <= {*dir(report)}
    with pytest.raises(AttributeError, match="no 'sise'; it has agreement, "):
        _ = report.sise
    report["bytes"] = 0
    assert model.report().bytes == len(model.data)


def test_it_prints_every_figure():
    report = qc.quantize(SOURCE, TEXTS).report()
    report["sections"]["<odd>"] = {"stored": 1, "decoded": 2}
    text, notebook = str(report), report._repr_html_()
    for word in (*report.keys() - {"candidates", "sections"}, *report.candidates[0], "100.00%", "fused kernel", "pool"):
        assert word in text
        assert word in notebook
    assert "&lt;odd&gt;" in notebook
    assert notebook.count("<tr>") == notebook.count("</tr>") > len(report)
    assert len({line.index("  ") for line in re.findall(r"(?m)^max_bound\b.*$", text)}) == 1
    report["candidates"] *= 50
    assert f"and {len(report.candidates) - 20} more" in str(report)


def test_it_prints_what_is_not_known_and_leaves_out_what_is_not_there():
    report = type(qc.quantize(SOURCE).report())({"max_error": None, "certified": 0.5, "sections": {}, "candidates": []})
    assert re.findall(r"(?m)^(\S+) +(\S+)$", str(report)) == [("max_error", "–"), ("certified", "50.00%")]
    assert "<th>" not in report._repr_html_().partition("</table>")[2]


def test_the_baseline_is_what_the_counters_give():
    rows = [*TEXTS, "zzz unheard of"]
    model = qc.quantize(SOURCE, rows)
    found = model.report().baseline
    model = qc.Model(model.data)  # the file carries it
    assert model.report().baseline == found
    before = model.stats()
    model.predict(rows)
    seen = {name: n - before[name] for name, n in model.stats().items()}
    assert found["unknown"] == pytest.approx(seen["unknown_tokens"] / seen["tokens"], rel=5e-3)
    assert found["open"] == pytest.approx(seen["open_rows"] / seen["rows"], rel=5e-3)
    margins = np.quantile(np.abs(SOURCE.decision_function(rows)), [0.05, 0.25, 0.5, 0.75, 0.95])
    np.testing.assert_allclose(found["margins"], margins, rtol=1e-2)
    assert "baseline" not in qc.quantize(SOURCE).report()


def test_margins_of_several_classes_and_none_of_numbers():
    X, y = load_iris(return_X_y=True)
    source = LogisticRegression(max_iter=300).fit(X, y)
    best = np.sort(source.decision_function(X), axis=1)
    margins = np.quantile(best[:, -1] - best[:, -2], [0.05, 0.25, 0.5, 0.75, 0.95])
    found = qc.quantize(source, X).report().baseline
    np.testing.assert_allclose(found["margins"], margins, rtol=1e-2)
    assert "unknown" not in found
    assert "baseline" not in qc.quantize(Ridge().fit(X, y), X).report()


def test_the_file_grows_by_less_than_150_bytes():
    import quantcore._api as api

    X, y = load_iris(return_X_y=True)
    for source, rows in ((SOURCE, TEXTS), (LogisticRegression(max_iter=300).fit(X, y), X)):
        with_it = len(qc.quantize(source, rows).data)
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr("quantcore.runtime.baseline.baseline", lambda executor, rows: {})
            without = len(api.quantize(source, rows).data)
        assert 0 <= with_it - without < 150  # sections are aligned: it may cost nothing
