"""What a watched model counts beside its answers, against scikit-learn's scores and pandas' idea of what is missing."""

from __future__ import annotations

import gc
import pickle
import subprocess
import sys
import threading
import time
import weakref

import numpy as np
import pytest
from sklearn.compose import ColumnTransformer
from sklearn.datasets import load_iris
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder

import quantcore as qc
from quantcore.runtime.background import Background

RANGES = ("margin_0_5", "margin_5_25", "margin_25_50", "margin_50_75", "margin_75_95", "margin_95_100")
WORDS = ["good", "bad", "fine", "boring", "great", "awful", "plot", "film", "cast", "score"]
DOCUMENTS = [f"{WORDS[i % 6]} {WORDS[6 + i * 7 % 4]} {WORDS[i * 5 % 10]}" for i in range(300)]


def numbers():
    X, y = load_iris(return_X_y=True)
    return LogisticRegression(max_iter=300).fit(X, y), X


def texts():
    source = make_pipeline(TfidfVectorizer(), LogisticRegression()).fit(DOCUMENTS, [i % 2 for i in range(300)])
    return source, DOCUMENTS


def table():
    pd = pytest.importorskip("pandas", reason="tables are data frames")
    rng = np.random.default_rng(2)
    frame = pd.DataFrame(
        {
            "age": np.where(rng.random(240) < 0.15, np.nan, rng.normal(40, 9, 240)),
            "city": rng.choice(["Bonn", "Ulm", "Köln"], 240),
            "unread": np.nan,
            "kind": np.where(rng.random(240) < 0.1, None, rng.choice(["a", "b"], 240)),
        }
    )
    parts = [("n", SimpleImputer(), ["age"]), ("c", OneHotEncoder(), ["city", "kind"])]
    y = (frame["city"] == "Bonn") ^ (frame["age"].fillna(0) > 40)
    return make_pipeline(ColumnTransformer(parts), LogisticRegression(max_iter=300)).fit(frame, y), frame


def margins(source, X):
    scores = source.decision_function(X)
    if scores.ndim == 1:
        return np.abs(scores)
    scores = np.sort(scores, axis=1)
    return scores[:, -1] - scores[:, -2]


def some(X, start, stop):
    return X.iloc[start:stop] if hasattr(X, "iloc") else X[start:stop]


@pytest.mark.parametrize("case", [numbers, texts, table])
def test_margins_fall_where_those_of_the_source_do(case):
    source, X = case()
    data = qc.quantize(source, X).data
    model, plain = qc.Model(data, watch=1.0), qc.Model(data)
    before = plain.stats()
    assert before["rows"] == before["tokens"] == 0  # those of the self-test are nobody's
    for start in range(0, len(X), 60):
        np.testing.assert_array_equal(model.predict(some(X, start, start + 60)), plain.predict(some(X, start, start + 60)))
    model._watch.flush()
    stats, ends = model.stats(), model.report().baseline["margins"]
    assert stats["watched_rows"] == len(X)
    expected = [int(np.count_nonzero(i == np.searchsorted(ends, margins(source, X), side="right"))) for i in range(6)]
    assert np.abs(np.array([stats[name] for name in RANGES]) - expected).sum() <= 2  # a margin that is an end, to the last place
    assert sum(stats[name] for name in RANGES) == len(X)
    assert {name: stats[name] for name in before} == plain.stats()  # what was looked at again is not counted again


def test_missing_values_are_those_of_columns_that_are_read():
    source, frame = table()
    model = qc.Model(qc.quantize(source, frame).data, watch=1.0)
    for start in range(0, len(frame), 60):
        model.predict_proba(frame.iloc[start : start + 60])
    model._watch.flush()
    expected = int(frame[["age", "city", "kind"]].isna().to_numpy().sum())
    assert model.stats()["missing_values"] == expected
    assert model.report().baseline["missing"] == float(f"{expected / len(frame):.3g}")


@pytest.mark.parametrize("form", ["dict", "records", "columns", "csr"])
def test_other_forms_of_rows(form):
    source, frame = table()
    if form == "csr":
        scipy_sparse = pytest.importorskip("scipy.sparse")
        X, y = load_iris(return_X_y=True)
        source, rows, n, lost = LogisticRegression(max_iter=300).fit(X, y), scipy_sparse.csr_matrix(X[:50]), 50, 0
        frame = X
    else:
        part = frame.iloc[:1] if form == "dict" else frame.iloc[:50]
        n, lost = len(part), int(part[["age", "city", "kind"]].isna().to_numpy().sum())
        records = part.to_dict("records")
        rows = {"dict": records[0], "records": records, "columns": {name: part[name].to_numpy() for name in part}}[form]
    model = qc.Model(qc.quantize(source, frame).data, watch=1.0)
    model.predict(rows)
    model._watch.flush()
    stats = model.stats()
    assert (stats["watched_rows"], stats["missing_values"], sum(stats[name] for name in RANGES)) == (n, lost, n)


def test_what_nobody_watches_is_the_compiled_pass_itself():
    source, X = texts()
    model = qc.quantize(source, X)
    assert type(model.__dict__["predict"]).__name__ == "builtin_function_or_method"
    assert not {*RANGES, "watched_rows", "missing_values"} & {*model.stats()}


def test_a_sample_of_the_calls():
    source, X = numbers()
    model = qc.Model(qc.quantize(source).data, watch=0.25)
    assert not {*RANGES} & {*model.stats()}  # without calibration rows there is nothing to hold margins against
    for _ in range(2000):
        model.predict(X[:1])
        if not _ % 50:
            model._watch.flush()
    model._watch.flush()
    assert 400 < model.stats()["watched_rows"] < 600


def test_a_large_call_is_looked_at_in_part_and_an_iterator_once():
    source, X = texts()
    model = qc.Model(qc.quantize(source, X).data, watch=1.0)
    model.predict(X * 100)
    model._watch.flush()
    assert model.stats()["watched_rows"] == 64
    assert model.predict(iter(X[:30])).tolist() == source.predict(X[:30]).tolist()
    model._watch.flush()
    assert model.stats()["watched_rows"] == 94


def test_the_caller_may_change_his_rows():
    source, X = numbers()
    model = qc.Model(qc.quantize(source, X).data, watch=1.0)
    mine, go = X[:60].copy(), threading.Event()
    model._watch._background.put(None)  # raises, and is logged
    model._watch._count, real = lambda rows: (go.wait(), real(rows)), model._watch._count
    model._watch._background._work = model._watch._count
    model.predict(mine)
    mine[:] = np.nan
    go.set()
    model._watch.flush()
    assert (model.stats()["watched_rows"], model.stats()["missing_values"]) == (60, 0)


def test_numbers_have_no_margin():
    X, y = load_iris(return_X_y=True)
    model = qc.Model(qc.quantize(LinearRegression().fit(X, y), X).data, watch=1.0)
    model.predict(X[:20])
    model._watch.flush()
    assert {name: model.stats()[name] for name in ("watched_rows", "missing_values")} == {"watched_rows": 20, "missing_values": 0}
    assert not {*RANGES} & {*model.stats()}


def test_pickles_and_files_keep_the_share(tmp_path):
    source, X = numbers()
    model = qc.quantize(source, X)
    qc.save(model, tmp_path / "m.qc")
    assert len(model.__reduce__()[1]) == 2  # as ever
    for found in (qc.load(tmp_path / "m.qc", watch=0.5), pickle.loads(pickle.dumps(qc.Model(model.data, watch=0.5)))):
        assert found.__reduce__()[1][2] == 0.5
        assert found.stats()["watched_rows"] == 0
    for wrong in (-0.1, 1.5, float("nan")):
        with pytest.raises(ValueError, match="watch="):
            qc.load(tmp_path / "m.qc", watch=wrong)


def test_a_baseline_that_is_none_is_ignored():
    from quantcore.model import _quantiles

    for found in (None, 3, {}, {"margins": 1}, {"margins": [1, 2]}, {"margins": ["a"] * 5}):
        assert _quantiles(found) is None
    assert _quantiles({"margins": [5, 1, 2, 3, 4]}) == [1, 2, 3, 4, 5]


# ---------------------------------------------------------------- the thread


def test_the_thread_ends_and_the_model_is_forgotten():
    source, X = numbers()
    model = qc.Model(qc.quantize(source, X).data, watch=1.0)
    model.predict(X)
    model._watch.flush()
    watch = weakref.ref(model._watch)
    del model
    end = time.monotonic() + 30
    while watch() is not None and time.monotonic() < end:
        time.sleep(0.1)
        gc.collect()
    assert watch() is None
    assert not [t for t in threading.enumerate() if t.name == "quantcore-watch"]


def test_background_takes_no_more_than_may_wait_and_goes_on_after_errors():
    go, done = threading.Event(), []

    def work(item):
        go.wait()
        done.append(item)
        if item == 1:
            raise KeyError(item)

    background = Background(work, 3, "test")
    taken = [background.put(i) for i in range(20)]
    go.set()
    background.flush()
    assert 3 <= sum(taken) <= 4
    assert done == [i for i, there in enumerate(taken) if there]
    background.close()
    assert background.put(99)
    background.close()
    assert done[-1] == 99
    assert not [t for t in threading.enumerate() if t.name == "test"]


FORKS = """
import os, sys, threading, time
from quantcore.runtime.background import Background
done = []
busy = Background(lambda item: (time.sleep(0.05), done.append(item)), 50, "busy")
for i in range(20):
    busy.put(i)
busy._lock.acquire()  # as another thread may hold it
child = os.fork()
if child == 0:
    done.clear()
    assert busy.put("child")
    busy.flush()
    os._exit(0 if done == ["child"] else 1)
busy._lock.release()
status = os.waitpid(child, 0)[1]
busy.close()
assert done == list(range(20)), done
sys.exit(os.waitstatus_to_exitcode(status))
"""


@pytest.mark.skipif(not hasattr(__import__("os"), "fork"), reason="this system does not fork")
def test_a_child_begins_anew():
    done = subprocess.run([sys.executable, "-W", "ignore", "-c", FORKS], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
