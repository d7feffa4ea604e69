"""Shadowing: the answers are those of the model that serves, and what differs is told."""

from __future__ import annotations

import threading

import numpy as np
import pytest
from scipy.sparse import csr_matrix
from sklearn.datasets import load_iris
from sklearn.linear_model import LogisticRegression

import quantcore as qc


@pytest.fixture(scope="module")
def pair():
    X, y = load_iris(return_X_y=True)
    source = LogisticRegression(max_iter=300).fit(X, y)
    return X, source, qc.quantize(source), LogisticRegression(max_iter=300).fit(X, y[::-1])


@pytest.mark.parametrize("serve", ["source", "model"])
def test_equal_models_show_no_difference(pair, serve):
    X, source, model, _ = pair
    told: list[object] = []
    with qc.shadow(source, model, sample=1.0, on_difference=told.append, serve=serve) as both:
        np.testing.assert_array_equal(both.predict(X), source.predict(X))
        np.testing.assert_allclose(both.predict_proba(X), source.predict_proba(X), atol=1e-7)
        both.flush()
        stats = both.stats()
    assert not told
    assert stats == {"calls": 2, "checked": 2, "checked_rows": 300, "different_rows": 0, "failed": 0, "left_out": 0}


def test_differences_are_told_with_their_rows(pair):
    X, _, model, other = pair
    told: list[object] = []
    with qc.shadow(other, model, sample=1.0, on_difference=told.append) as both:
        answers = both.predict(X)
        both.flush()
    np.testing.assert_array_equal(answers, other.predict(X))
    (found,) = told
    np.testing.assert_array_equal(found.rows, np.flatnonzero(other.predict(X) != model.predict(X)))
    assert (found.method, found.X is X) == ("predict", True)
    np.testing.assert_array_equal(found.checked, model.predict(X))


class Answers:
    """A model that gives one answer."""

    def __init__(self, answer):
        self.answer = answer

    def predict(self, X):
        return self.answer


@pytest.mark.parametrize(
    ("served", "checked", "rows", "n"),
    [
        (np.array(["a", "b", "b"]), np.array(["a", "a", "b"]), [1], 3),
        (np.array([1.0, np.nan, 2.0, np.inf]), np.array([1.0 + 1e-9, np.nan, 2.1, np.inf]), [2], 4),
        (np.array([1.0, 2.0, 3.0]), np.array([1.0, 2.0]), [0, 1, 2], 3),
        (np.array([1.0, 2.0]), np.array([[1.0], [2.0]]), [0, 1], 2),
        (csr_matrix([[0.0, 1.0], [2.0, 0.0]]), csr_matrix([[0.0, 1.0], [0.0, 2.0]]), [1], 2),
        ([np.array([[0.1, 0.9], [0.5, 0.5]]), np.ones((2, 1))], [np.array([[0.9, 0.1], [0.5, 0.5]]), np.ones((2, 1))], [0], 2),
        ([], [], [], 0),
    ],
    ids=["labels", "numbers", "fewer rows", "other shape", "sparse", "several outputs", "no output"],
)
def test_answers_of_every_form_are_compared(served, checked, rows, n):
    told: list[object] = []
    with qc.shadow(Answers(served), Answers(checked), sample=1.0, on_difference=told.append, tolerance=1e-6) as both:
        assert both.predict(None) is served
        both.flush()
        stats = both.stats()
    assert (stats["failed"], stats["checked_rows"], stats["different_rows"]) == (0, n, len(rows))
    assert [found.rows.tolist() for found in told] == ([rows] if rows else [])


def test_a_copy_is_asked_for_nothing_that_it_has_not_yet(pair):
    """``copy`` looks for methods before an object has any attribute."""
    _, source, model, _ = pair
    with pytest.raises(AttributeError, match="no attribute '_serving'"):
        _ = object.__new__(type(qc.shadow(source, model)))._serving
    assert not hasattr(qc.shadow(source, model), "__array__")


def test_only_a_sample_is_checked(pair):
    X, source, model, _ = pair
    with qc.shadow(source, model, sample=0.25, most_waiting=10_000) as both:
        for _ in range(2000):
            both.predict(X[:1])
        both.flush()
        stats = both.stats()
    assert stats["calls"] == 2000
    assert 400 < stats["checked"] < 600
    with qc.shadow(source, model, sample=0.0) as both:
        both.predict(X)
    assert both.stats()["checked"] == 0


class Slow:
    def __init__(self) -> None:
        self.go = threading.Event()

    def predict(self, X):
        self.go.wait(10)
        raise RuntimeError("the other model is broken")


def test_what_serves_never_waits_and_never_fails_for_what_checks(pair, caplog):
    X, source, _, _ = pair
    slow = Slow()
    with qc.shadow(source, slow, sample=1.0, most_waiting=2) as both:
        for _ in range(10):
            np.testing.assert_array_equal(both.predict(X), source.predict(X))
        slow.go.set()
        both.flush()
        stats = both.stats()
    assert stats["failed"] + stats["left_out"] == 10
    assert stats["left_out"] >= 7
    assert "shadow check" in caplog.text


def test_it_has_the_methods_of_what_serves_alone(pair):
    X, source, model, _ = pair
    both = qc.shadow(source, model, serve="model")
    np.testing.assert_array_equal(both.classes_, source.classes_)
    assert both.digest == model.digest
    assert both.predict_certified(X).certified.tolist() == model.predict_certified(X).certified.tolist()
    with pytest.raises(AttributeError, match="fit"):
        _ = both.fit
    assert not hasattr(qc.shadow(source, model), "transform")
    for option in ({"sample": 1.5}, {"serve": "both"}, {"most_waiting": 0}):
        with pytest.raises(ValueError, match=next(iter(option))):
            qc.shadow(source, model, **option)
