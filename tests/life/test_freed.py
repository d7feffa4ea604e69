"""A model that is dropped is freed there and then: nothing waits for Python's collector of cycles, which may come hours later."""

import gc
import sys
import weakref
from pathlib import Path

import numpy as np
import pytest

import quantcore as qc

sys.path.append(str(Path(__file__).parent))
from golden_rows import GOLDEN, NAMES, answer, forms  # noqa: E402


@pytest.fixture
def no_collector():
    gc.collect()
    gc.disable()
    yield
    gc.enable()


def answers(call, name):
    return [answer(call, rows) for rows in forms(name)]


@pytest.mark.parametrize("ask", [False, True])
@pytest.mark.parametrize("name", NAMES)
def test_dropped_models_are_freed(name, ask, no_collector):
    path = GOLDEN / f"{name}.qc"
    first = qc.load(path)
    labels = getattr(first, "classes_", None) if first.report()["certify"] == "label" else None
    asked = ask and isinstance(labels, np.ndarray)
    model = qc.load(path, on_uncertain=lambda rows: [labels[0]] * len(rows)) if asked else first
    watched = [weakref.ref(x) for x in (first, first._executor, model, model._executor, model._artifact.plan)]
    for method in first._artifact.plan.outputs:
        for served in (first, model):
            answers(getattr(served, method), name)
            answers(lambda rows, served=served, method=method: served.run(method, rows, threads=2), name)
    if hasattr(first, "classes_"):
        answers(model.predict_certified, name)
    model.stats(), model.report()
    del first, model, served
    assert [ref() for ref in watched] == [None] * len(watched)


@pytest.mark.parametrize("name", NAMES)
def test_a_bound_method_outlives_its_model(name):
    """Who keeps ``model.predict`` alone has the door, and what it does not read or settle is answered all the same."""
    model = qc.load(GOLDEN / f"{name}.qc")
    expected = {method: answers(getattr(model, method), name) for method in model._artifact.plan.outputs}
    calls = {method: getattr(qc.load(GOLDEN / f"{name}.qc"), method) for method in expected}
    assert {method: answers(call, name) for method, call in calls.items()} == expected


def test_reload_frees_what_it_replaces(tmp_path, no_collector):
    path = tmp_path / "model.qc"
    path.write_bytes((GOLDEN / "text_word.qc").read_bytes())
    rows = forms("text_word")[0]
    before = qc.predict(path, rows)
    served = weakref.ref(qc.reload(path))
    np.testing.assert_array_equal(qc.predict(path, rows), before)
    assert served() is not None
    qc.reload(path)
    assert served() is None
    np.testing.assert_array_equal(qc.predict(path, rows), before)
