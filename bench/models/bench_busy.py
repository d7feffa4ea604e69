"""One-row calls beside a busy Python thread: how much longer the slow ones among them take.

The GIL is held during short calls: who lets go of it for a microsecond of work waits for the busy thread's whole switch interval
(5 ms) to get it back. Run as a program this prints, for each kind of model, percentiles of one call's time, quiet and busy, in
interleaved rounds. A busy thread takes the GIL between two calls whatever is called; such a wait lands in one call in some
thousands, and is there for a function of Python alone, too: ``nothing`` is that function.
"""

from __future__ import annotations

import functools
import sys
import threading
import time
from pathlib import Path

import numpy as np
import pytest

sys.path.append(str(Path(__file__).resolve().parents[1]))
from replay import Replay, clock  # noqa: E402

ROUNDS, CALLS = 12, 4000
KINDS = ("nothing", "text", "table", "csr", "trees")


def models():
    from scipy.sparse import random as random_csr
    from sklearn.ensemble import RandomForestClassifier
    from sklearn.feature_extraction.text import TfidfVectorizer
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline

    import quantcore as qc

    rng = np.random.default_rng(0)
    documents = [" ".join(f"w{k}" for k in rng.integers(0, 3000, 30)) for _ in range(500)]
    X, y = rng.normal(size=(500, 30)), np.arange(500) % 2
    sparse = random_csr(500, 3000, 0.01, "csr", random_state=0)
    yield "nothing", (lambda rows: rows), documents[:1]
    yield (
        "text",
        qc.quantize(make_pipeline(TfidfVectorizer(ngram_range=(1, 2)), LogisticRegression()).fit(documents, y)).predict,
        documents[:1],
    )
    yield "table", qc.quantize(LogisticRegression().fit(X, y)).predict, X[:1]
    yield "csr", qc.quantize(LogisticRegression().fit(sparse, np.arange(500) % 4)).predict, sparse[:1]
    yield "trees", qc.quantize(RandomForestClassifier(100, max_depth=7, random_state=0).fit(X, y)).predict, X[:1]


def times(call, rows):
    clock, found = time.perf_counter_ns, np.empty(CALLS, np.int64)
    for i in range(CALLS):
        start = clock()
        call(rows)
        found[i] = clock() - start
    return found


def busy_times(call, rows):
    stop = False

    def work():
        count = 0
        while not stop:
            count += 1

    thread = threading.Thread(target=work)
    thread.start()
    found = times(call, rows)
    stop = True
    thread.join()
    return found


@functools.cache
def measure():
    """Of each kind and state, each round's percentiles in seconds."""
    kinds = list(models())
    found = {(name, state): [] for name, *_ in kinds for state in ("quiet", "busy")}
    for _ in range(ROUNDS):
        for name, call, rows in kinds:
            call(rows)
            found[name, "quiet"].append(np.percentile(times(call, rows), (50, 99)) / 1e9)
            found[name, "busy"].append(np.percentile(busy_times(call, rows), (50, 99)) / 1e9)
    return found


@pytest.mark.benchmark(timer=clock)
@pytest.mark.parametrize("state", ["quiet", "busy"])
@pytest.mark.parametrize("kind", KINDS)
def bench_p99_of_one_row(benchmark, kind, state):
    rounds = [float(p99) for _, p99 in measure()[kind, state]]
    benchmark.group = f"p99 of one row of {kind}, with and without a busy thread"
    benchmark.pedantic(Replay(rounds), rounds=len(rounds))


if __name__ == "__main__":
    # Of each round its own percentile, and of those the median: what the machine adds in one round is not in the others.
    of = {key: 1e6 * np.median(rounds, axis=0) for key, rounds in measure().items()}
    print("| one row of | quiet p50 / p99, µs | busy p50 / p99, µs | p99 busy / quiet |\n|---|---|---|---|")
    for name in KINDS:
        quiet, busy = of[name, "quiet"], of[name, "busy"]
        print(f"| {name} | {quiet[0]:.2f} / {quiet[1]:.2f} | {busy[0]:.2f} / {busy[1]:.2f} | {busy[1] / quiet[1]:.2f} |")
