"""Predict for as long as asked, in all forms, errors and reloads included, and watch the memory: run by ``make soak``.

Usage: python tests/soak/predictions.py [PREDICTIONS]

A prediction is one row answered by one call of one method. Every model is asked in turn with one row, over and over, a few and
a block; each round also gives each a bad input, makes Models anew from bytes and from a file, and reloads the file that
``qc.predict(path)`` serves. What is answered is compared with the first round's. Python's collector of cycles is off: nothing
here may need it.

The resident size is read after a warm-up of 400 rounds, and when as many predictions as were asked for have followed. What grows
in the warm-up is the interpreter's, not the models': free lists of small tuples, and gaps in malloc's heap. Measured there, and
in 1280 rounds: the bytes that malloc has given out stay the same within 2 KB in 64 rounds; the heap takes its last steps of 0.2
to 0.9 MB in the rounds up to 320. ``make soak`` gives glibc one arena: calls with ``threads`` start new threads, which else take
arenas in turn, and those grow in steps for as long as was looked (2.2 MB in 600 million predictions, 0.5 MB with one).
"""

from __future__ import annotations

import gc
import json
import os
import sys
import tempfile
import time

import numpy as np
import pandas as pd
from scipy.sparse import csr_matrix
from scipy.sparse import random as random_csr
from sklearn.compose import make_column_transformer
from sklearn.ensemble import GradientBoostingRegressor, RandomForestClassifier
from sklearn.feature_extraction.text import HashingVectorizer, TfidfVectorizer
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

import quantcore as qc

LIMIT, WARM_ROUNDS, SINGLE_CALLS = 1 << 20, 400, 1000
rng = np.random.default_rng(0)
DOCUMENTS = [" ".join(f"w{k}" for k in rng.integers(0, 500, 8)) for _ in range(2000)]
X = rng.normal(size=(4000, 16))
SPARSE = random_csr(4000, 2000, 0.005, "csr", random_state=0)
FRAME = pd.DataFrame({"age": X[:, 0], "pay": np.where(X[:, 1] > 2, np.nan, X[:, 1]), "town": [f"t{k}" for k in range(50)] * 80})


def resident() -> int:
    with open("/proc/self/statm") as file:
        return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def cases():
    two, three = np.arange(4000) % 2, np.arange(4000) % 3
    bad_texts, bad_rows = [["w1", None], "w1", [1.5]], [np.full((3, 16), np.inf), np.zeros((2, 3)), [["a"] * 16], X[:0]]
    broken = csr_matrix(SPARSE[:3])
    broken.indices[0] = 5000
    bad_sparse = [broken, SPARSE[:0], SPARSE[:4, :7]]
    for vectorizer, classes in (
        (TfidfVectorizer(ngram_range=(1, 2)), 2),
        (TfidfVectorizer(), 5),
        (HashingVectorizer(n_features=4096), 2),
    ):
        yield make_pipeline(vectorizer, LogisticRegression()).fit(DOCUMENTS, np.arange(2000) % classes), DOCUMENTS, bad_texts
    yield LogisticRegression().fit(X, two), X, bad_rows
    yield LogisticRegression().fit(X, three), X.astype(np.float32), bad_rows
    yield LogisticRegression(max_iter=5).fit(SPARSE, np.arange(4000) % 4), SPARSE, bad_sparse
    yield RandomForestClassifier(20, max_depth=6, random_state=0).fit(X, three), X, bad_rows
    yield GradientBoostingRegressor(n_estimators=30, random_state=0).fit(X, X[:, 0]), X, bad_rows
    columns = make_column_transformer(
        (make_pipeline(SimpleImputer(), StandardScaler()), ["age", "pay"]), (OneHotEncoder(handle_unknown="ignore"), ["town"])
    )
    table = make_pipeline(columns, LogisticRegression()).fit(FRAME, three)
    yield table, FRAME, [FRAME.drop(columns="pay")[:3], FRAME[:0], FRAME[:4].assign(age="old")]
    records = FRAME.to_dict("records")
    yield table, records, [[{"age": 1.0, "town": "t1"}], [], [{**records[0], "age": "old"}]]


class Served:
    """A model, rows as it takes them, and what it answered first."""

    def __init__(self, source, rows, bad, folder, number):
        self.path = os.path.join(folder, f"{number}.qc")
        self.model, self.bad = qc.quantize(source), bad
        qc.save(self.model, self.path)
        n = rows.shape[0] if hasattr(rows, "shape") else len(rows)
        self.parts = [rows[i : i + 1] for i in range(8)] + [rows[:17], rows[: n // 2], rows]
        self.many = np.tile(rows, (10, 1)) if isinstance(rows, np.ndarray) else rows
        self.methods = [m for m in ("predict_proba", "decision_function") if hasattr(self.model, m)]
        self.first = [np.asarray(self.model.predict(part)).tobytes() for part in self.parts]

    def round(self, turn):
        done = errors = 0
        model = qc.load(self.path) if turn % 16 == 0 else qc.Model(self.model.data) if turn % 16 == 8 else self.model
        for k, part in enumerate(self.parts):
            found = model.predict(part)
            if (turn + k) % 8 == 0 and np.asarray(found).tobytes() != self.first[k]:
                sys.exit(f"{self.model}: other answers in round {turn}")
            done += len(found)
        for k in range(SINGLE_CALLS):
            model.predict(self.parts[k % 8])
        done += SINGLE_CALLS
        done += len(qc.predict(self.path, self.parts[-2])) + len(np.asarray(model.predict(self.many)))
        for method in self.methods:
            done += len(getattr(model, method)(self.parts[turn % len(self.parts)]))
        done += len(model.predict_certified(self.parts[8]).labels) if hasattr(model, "classes_") else 0
        if turn % 32 == 0:
            qc.reload(self.path)
            done += len(qc.predict(self.path, self.many, threads=2))
        for bad in self.bad:
            try:
                model.predict(bad)
            except (ValueError, TypeError, AttributeError):
                errors += 1
            else:
                sys.exit(f"{self.model}: no error for {bad!r}")
        return done, errors


def main(wanted: int) -> None:
    with tempfile.TemporaryDirectory() as folder:
        served = [Served(*case, folder, number) for number, case in enumerate(cases())]
        done = errors = turn = 0
        gc.collect()
        gc.disable()
        warm = before = 0
        shown = time.monotonic()
        while turn < WARM_ROUNDS or done - warm < wanted:
            for one in served:
                rows, raised = one.round(turn)
                done, errors = done + rows, errors + raised
            turn += 1
            if turn == WARM_ROUNDS:
                warm, before = done, resident()
            if time.monotonic() - shown > 30:
                shown = time.monotonic()
                print(f"{done:,} predictions, resident {resident():,} bytes", flush=True)
        grown = resident() - before
    calls = turn * len(served) * SINGLE_CALLS
    found = {"warm_up": warm, "predictions": done - warm, "rounds": turn, "of_one_row": calls, "errors": errors, "grown": grown}
    print(json.dumps({**found, "models": len(served)}))
    if grown >= LIMIT:
        sys.exit(f"the resident size has grown by {grown:,} bytes in {done - warm:,} predictions; at most {LIMIT:,} are allowed")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 100_000_000)
