"""Run by test_interrupt.py: predicts for seconds, is sent SIGINT from outside, and prints how long it took to be heard.

``ms`` is what a clock shows; ``cpu_ms``, where Linux tells it, what the thread that predicts ran of that: what others on the
machine take is not in it.
"""

import json
import os
import signal
import subprocess
import sys
import time

import numpy as np
import pandas as pd
import pyarrow
from scipy.sparse import random as random_csr
from scipy.sparse import vstack
from sklearn.compose import make_column_transformer
from sklearn.ensemble import RandomForestClassifier
from sklearn.feature_extraction.text import HashingVectorizer, TfidfVectorizer
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

import quantcore as qc

rng = np.random.default_rng(0)
WORDS = np.array([f"w{i}" for i in range(5000)])
DOCUMENTS = [" ".join(rng.choice(WORDS, 40)) for _ in range(400)]
LABELS = rng.integers(0, 2, 400)


def texts(vectorizer, rows):
    return qc.quantize(make_pipeline(vectorizer, LogisticRegression()).fit(DOCUMENTS, LABELS)), rows


def large():
    once = " ".join(DOCUMENTS) + " "
    return [(once * (100_000_000 // len(once) + 1))[:100_000_000]]


def numbers(estimator, rows, columns, classes, many):
    X = rng.normal(size=(500, columns))
    return qc.quantize(estimator.fit(X, rng.integers(0, classes, 500))), rng.normal(size=(rows, columns)).repeat(many, axis=0)


def csr():
    X = random_csr(500, 5000, 0.02, "csr", random_state=0)
    model = qc.quantize(LogisticRegression(max_iter=5).fit(X, rng.integers(0, 20, 500)))
    return model, vstack([random_csr(2000, 5000, 0.02, "csr", random_state=0)] * 100, "csr")


def trees_on_csr():
    X = random_csr(500, 300, 0.05, "csr", random_state=0)
    model = qc.quantize(RandomForestClassifier(200).fit(X, rng.integers(0, 2, 500)))
    return model, vstack([random_csr(2000, 300, 0.05, "csr", random_state=0)] * 100, "csr")


def columns(form):
    """A table with strings, missing numbers and a million rows or more."""
    rows = 400
    table = {"town": [f"t{i % 50}" for i in range(rows)], "pay": [float("nan") if i % 9 == 0 else i / 7 for i in range(rows)]}
    frame = pd.DataFrame(table)
    numbers = make_pipeline(SimpleImputer(), StandardScaler())
    front = make_column_transformer((numbers, ["pay"]), (OneHotEncoder(handle_unknown="ignore"), ["town"]))
    model = qc.quantize(make_pipeline(front, LogisticRegression()).fit(frame, LABELS))
    many = pd.concat([frame] * 10_000, ignore_index=True)
    if form == "frame":
        return model, many
    if form == "columns":
        return model, {name: many[name].tolist() for name in many}
    if form == "arrow":
        return model, pyarrow.Table.from_pandas(many, preserve_index=False).combine_chunks()
    if form == "records":
        return model, frame.to_dict("records") * 5000
    return model, frame.to_numpy(object).repeat(5000, axis=0)


def columns_and(last, times, *texts):
    """A frame with documents, and what reads those and its other columns, or these alone."""
    frame = pd.DataFrame({"said": DOCUMENTS, "pay": np.arange(400) / 7, "town": [f"t{i % 50}" for i in range(400)]})
    front = make_column_transformer((StandardScaler(), ["pay"]), (OneHotEncoder(), ["town"]), *texts)
    return qc.quantize(make_pipeline(front, last).fit(frame, LABELS)), pd.concat([frame] * times, ignore_index=True)


CASES = {
    "documents": lambda: texts(TfidfVectorizer(ngram_range=(1, 2)), DOCUMENTS * 2000),
    "hashed documents": lambda: texts(HashingVectorizer(n_features=1 << 16), DOCUMENTS * 500),
    "one document of 100 MB": lambda: texts(TfidfVectorizer(ngram_range=(1, 2)), large()),
    "one of characters": lambda: texts(TfidfVectorizer(analyzer="char_wb", ngram_range=(2, 4)), large()),
    "one hashed": lambda: texts(HashingVectorizer(n_features=1 << 16, ngram_range=(1, 2)), large()),
    "table": lambda: numbers(LogisticRegression(max_iter=5), 20_000, 100, 20, 25),
    "csr": csr,
    "frame": lambda: columns("frame"),
    "records": lambda: columns("records"),
    "objects": lambda: columns("objects"),
    "columns": lambda: columns("columns"),
    "arrow": lambda: columns("arrow"),
    "frame and trees": lambda: columns_and(RandomForestClassifier(100), 2000),
    "texts beside columns": lambda: columns_and(LogisticRegression(), 500, (TfidfVectorizer(), "said")),
    "trees in slices": lambda: numbers(RandomForestClassifier(200, max_depth=7), 20_000, 20, 2, 50),
    "trees that are walked": lambda: numbers(RandomForestClassifier(800), 20_000, 20, 20, 10),
    "trees on csr": trees_on_csr,
}

SENDER = """
import os, sys, time
pid = int(sys.argv[1])
def ran():
    try:
        return int(open(f"/proc/{pid}/schedstat").read().split()[0]) / 1e9
    except OSError:
        return float("nan")
time.sleep(0.3)
print(time.monotonic(), ran(), flush=True)
os.kill(pid, 2)
"""


def ran():
    """Seconds of CPU that this process' first thread took, as the sender reads them."""
    try:
        with open("/proc/self/schedstat") as file:
            return int(file.read().split()[0]) / 1e9
    except OSError:
        return float("nan")


def few(rows):
    """Some rows of the same form."""
    if isinstance(rows, dict):
        return {name: values[:3] for name, values in rows.items()}
    return DOCUMENTS[:3] if isinstance(rows, list) and isinstance(rows[0], str) else rows[:3]


if __name__ == "__main__":
    model, rows = CASES[sys.argv[1]]()
    method, threads = sys.argv[2], int(sys.argv[3])
    call = getattr(model, method) if threads == 1 else lambda rows: qc.predict(model, rows, method=method, threads=threads)
    small = few(rows)
    call(small)
    sender = subprocess.Popen([sys.executable, "-c", SENDER, str(os.getpid())], stdout=subprocess.PIPE)
    handler, calls = signal.getsignal(signal.SIGINT), 0
    try:
        while True:
            started = time.monotonic()
            call(rows)
            calls += 1
    except KeyboardInterrupt:
        heard, ran_then = time.monotonic(), ran()
    sent, ran_before = map(float, sender.communicate()[0].split())
    # What was left in the middle leaves nothing behind: the next call answers as another model of the same file does.
    right, found = getattr(qc.Model(model.data), method)(small), call(small)
    same = all(np.array_equal(a, b) for a, b in zip(found, right, strict=True))
    print(
        json.dumps(
            {
                "ms": 1000 * (heard - sent),
                "cpu_ms": 1000 * (ran_then - ran_before),
                "within": started < sent,
                "same": same,
                "handler": handler is signal.getsignal(signal.SIGINT),
            }
        )
    )
