"""Every way that leaves the compiled, certified pass is counted, row by row, and told to whoever listens."""

from __future__ import annotations

import json
import logging
import os
import pickle
import subprocess
import sys

import numpy as np
import pytest
from scipy.sparse import csr_matrix
from sklearn.feature_extraction.text import CountVectorizer, TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import make_pipeline

import quantcore as qc
from quantcore.runtime import Executor, selftest
from quantcore.runtime.fallbacks import REASONS, Fallbacks

TEXTS = ["good film", "bad film", "fine plot", "boring plot", "good plot", "bad"] * 5
LABELS = ["y", "n", "y", "n", "y", "n"] * 5
# 0.1 - 0.1 is 0 in the source; a bound on a sum of float32 can't tell on which side it is.
WORDS = ["up down", "up", "down"]
EVEN = np.array([[1.0, -1.0], [1.0, 1.0], [-1.0, 1.0], [-1.0, -1.0]])


@pytest.fixture
def heard():
    found = []
    before = qc.on_fallback(found.append)
    yield found
    qc.on_fallback(before)


@pytest.fixture(scope="module")
def texts():
    return make_pipeline(TfidfVectorizer(), LogisticRegression()).fit(TEXTS, LABELS)


@pytest.fixture(scope="module")
def even():
    source = LogisticRegression().fit(EVEN, [0, 1, 0, 0])
    source.coef_, source.intercept_ = np.array([[0.1, 0.1]]), np.zeros(1)
    return source


@pytest.fixture(scope="module")
def even_words():
    source = make_pipeline(CountVectorizer(), LogisticRegression()).fit(["up", "down"], ["yes", "no"])
    source[-1].coef_, source[-1].intercept_ = np.array([[-0.1, 0.1]]), np.zeros(1)  # of "down" and "up"
    return source


def counts(model):
    return {name.removeprefix("fallback_"): n for name, n in model.stats().items() if name.startswith("fallback_") and n}


def test_the_compiled_pass_is_no_fallback(texts, heard):
    model = qc.quantize(texts)
    assert model.predict(TEXTS).tolist() == texts.predict(TEXTS).tolist()
    model.predict_certified(TEXTS)
    assert not heard
    assert not counts(model)
    assert {f"fallback_{reason}" for reason in REASONS} < set(model.stats())


def test_op_by_op_is_told_once_and_counted_by_row(texts, heard):
    model = qc.quantize(texts)
    for _ in range(3):
        np.testing.assert_allclose(model.predict_proba(TEXTS), texts.predict_proba(TEXTS), atol=1e-4)
    assert counts(model) == {"op_by_op": 3 * len(TEXTS)}
    (told,) = heard
    assert (told.reason, told.rows, told.model) == ("op_by_op", len(TEXTS), model.digest)


def test_what_has_no_kernel_says_so(heard):
    source = make_pipeline(TfidfVectorizer(token_pattern=r"(?:go|ba)\w+"), LogisticRegression()).fit(TEXTS, LABELS)
    model = qc.quantize(source)
    assert model.predict(TEXTS).tolist() == source.predict(TEXTS).tolist()
    assert counts(model) == {"op_by_op": len(TEXTS)}
    assert "needs Python's re" in heard[0].detail
    assert heard[0].detail == "; ".join(model.report()["slower_because"])


@pytest.mark.parametrize("wrap", [lambda X: X, lambda X: X.tolist(), csr_matrix], ids=["array", "list", "csr"])
def test_open_rows_of_numbers_get_the_best_answer(even, heard, wrap):
    fallbacks = Fallbacks(lambda: "digest")
    executor = Executor(qc.quantize(even)._artifact.plan, fallbacks=fallbacks)  # without the cold planes of the file
    _, sure = executor.certified(wrap(EVEN))
    assert sure.tolist() == [False, True, False, True]
    assert executor.run("predict", wrap(EVEN)).tolist() == even.predict(wrap(EVEN)).tolist()
    assert fallbacks.stats()["fallback_open"] == executor.stats()["open_rows"] == 4
    assert [one for one in heard if one.reason == "open"] == [("open", heard[-1].detail, 2, "digest")] * 2


def test_open_documents_get_the_best_answer(even_words, heard):
    model = qc.quantize(even_words)
    assert model.predict_certified(WORDS).certified.tolist() == [False, True, True]
    assert model.predict(WORDS).tolist() == even_words.predict(WORDS).tolist()
    assert counts(model) == {"open": 2}
    assert [(one.reason, one.rows, one.model) for one in heard] == [("open", 1, model.digest)] * 2


def test_cold_planes_settle(even, heard):
    model = qc.quantize(even, guarantee="exact")
    assert model.predict(EVEN).tolist() == even.predict(EVEN).tolist()
    assert counts(model)["cold"] == 2
    assert [(one.reason, one.rows) for one in heard] == [("cold", 2)]


def test_on_uncertain_is_asked(even_words, heard, tmp_path):
    qc.save(qc.quantize(even_words), tmp_path / "m.qc")
    model = qc.load(tmp_path / "m.qc", on_uncertain=lambda rows: ["yes"] * len(rows))
    assert model.predict(WORDS).tolist() == ["yes", "yes", "no"]
    assert counts(model) == {"on_uncertain": 1}
    assert [(one.reason, one.rows, one.model) for one in heard] == [("on_uncertain", 1, model.digest)]
    with pytest.raises(qc.UncertainError):
        qc.load(tmp_path / "m.qc", on_uncertain="raise").predict(WORDS)


def test_measured_models_prove_nothing_so_nothing_is_open(texts, heard):
    model = qc.quantize(texts, TEXTS, guarantee="measured", min_agreement=0.9)
    model.predict(TEXTS)
    assert model._executor.proves or "open" not in counts(model)


def test_a_failed_self_test(texts, heard, monkeypatch):
    data = qc.quantize(texts).data
    real = selftest.passes
    monkeypatch.setattr(selftest, "passes", lambda executor, known: executor.module is None and real(executor, known))
    model = pickle.loads(pickle.dumps((qc.Model, data)))[0](data)
    (told,) = heard
    assert (told.reason, told.rows, told.model) == ("selftest", 0, model.digest)
    assert model.predict(TEXTS).tolist() == texts.predict(TEXTS).tolist()
    assert counts(model) == {"selftest": len(TEXTS)}
    assert len(heard) == 1


def test_kept_steps(heard):
    source = make_pipeline(TfidfVectorizer(), KNeighborsClassifier(3)).fit(TEXTS, LABELS)
    model = qc.quantize(source, unsupported="keep")
    model.predict(TEXTS)
    model.predict(TEXTS[:2])
    assert counts(model)["kept"] == len(TEXTS) + 2
    (told,) = [one for one in heard if one.reason == "kept"]
    assert "KNeighborsClassifier" in told.detail


def test_a_hook_that_fails_breaks_nothing(texts, caplog):
    def broken(record):
        raise RuntimeError("no line to the pager")

    before = qc.on_fallback(broken)
    try:
        model = qc.quantize(texts)
        with caplog.at_level(logging.ERROR, "quantcore"):
            found = model.predict_proba(TEXTS)
        assert found.shape == (len(TEXTS), 2)
        assert "no line to the pager" in caplog.text
    finally:
        assert qc.on_fallback(before) is broken
    with pytest.raises(TypeError, match="'int'"):
        qc.on_fallback(3)


def test_without_compiled_modules(texts, tmp_path):
    qc.save(qc.quantize(texts), tmp_path / "m.qc")
    program = """
import json, sys
for family in ("text", "table", "trees", "sparse", "codec", "dense", "pack"):
    sys.modules[f"quantcore.native._{family}"] = None
import quantcore as qc
heard = []
qc.on_fallback(heard.append)
model = qc.load(sys.argv[1])
texts = json.loads(sys.argv[2])
labels = model.predict(texts).tolist()
print(json.dumps([labels, model.stats(), heard]))
"""
    done = subprocess.run(
        [sys.executable, "-c", program, str(tmp_path / "m.qc"), json.dumps(TEXTS)],
        capture_output=True,
        text=True,
        check=True,
        env={**os.environ, "QUANTCORE_FALLBACK": "allow"},
    )
    labels, stats, heard = json.loads(done.stdout)
    assert labels == texts.predict(TEXTS).tolist()
    assert stats["fallback_numpy"] == len(TEXTS)
    assert stats["fallback_op_by_op"] == 0
    ((reason, detail, rows, _),) = heard
    assert (reason, rows) == ("numpy", 0)
    assert "can't be imported" in detail


def test_counters_only_grow_in_threads(even_words):
    from concurrent.futures import ThreadPoolExecutor

    model = qc.quantize(even_words)
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(model.predict, [WORDS] * 400))
    assert counts(model) == {"open": 400}


def test_tables_that_the_compiled_reader_refuses(heard):
    pd = pytest.importorskip("pandas", reason="tables are data frames")
    from sklearn.compose import ColumnTransformer
    from sklearn.preprocessing import OneHotEncoder, StandardScaler

    X = pd.DataFrame({"n": np.arange(40.0), "c": list("abcd") * 10})
    parts = [("n", StandardScaler(), ["n"]), ("c", OneHotEncoder(handle_unknown="ignore"), ["c"])]
    source = make_pipeline(ColumnTransformer(parts), LogisticRegression()).fit(X, [0, 1] * 20)
    model = qc.quantize(source)
    assert model.predict(X).tolist() == source.predict(X).tolist()
    assert model.stats()["rows"] == len(X)
    assert not heard
    refused = X.assign(n=X["n"].astype(str))  # float("3.0") is Python's
    assert model.predict(refused).tolist() == source.predict(refused).tolist()
    assert counts(model) == {"op_by_op": len(X)}
    assert [(one.reason, one.rows) for one in heard] == [("op_by_op", len(X))]
