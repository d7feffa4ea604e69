"""Figures of ``quantcore.compare`` beside an independent timing of the same calls: ``timeit``, in a process of its own.

Each row is compare's figure over timeit's, which is to be within 10%; compare and timeit take turns, and a row is the median over
the turns, with the least and the largest. Run as a program it is the process that times:

    python bench/models/bench_compare.py MODEL ROWS
"""

from __future__ import annotations

import json
import subprocess
import sys
import timeit
from pathlib import Path
from statistics import median

import joblib
import numpy as np
import pytest
import texts
from sklearn.datasets import load_breast_cancer
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from timing import environment

import quantcore as qc

TURNS, SIZES, SINGLES = 5, (1, 10, 100), 200
WITHIN = 0.10
HERE = str(Path(__file__).resolve().parents[1])  # the process finds the modules beside the benchmarks


def case(name):
    """A fitted model, and rows for it."""
    if name == "breast cancer":
        X, y = load_breast_cancer(return_X_y=True)
        return make_pipeline(StandardScaler(), LogisticRegression()).fit(X, y), X
    split = texts.standard_library(5)
    source = make_pipeline(TfidfVectorizer(), LogisticRegression(max_iter=30)).fit(split.train[:5000], split.train_labels[:5000])
    return source, split.test[:1000]


def timed(model, rows):
    """A call with one row, and rows per second by batch size: medians over many short windows, as compare's rounds are short."""
    n, call = len(rows), model.predict
    picked = np.unique(np.linspace(0, n - 1, min(n, SINGLES)).astype(int))
    out = {"one": _one(call, [rows[i : i + 1] for i in picked])}
    for size in SIZES:
        starts = np.unique(np.linspace(0, n - size, 8).astype(int))
        out[str(size)] = size / _each(call, [rows[s : s + size] for s in starts])
    return out


def _one(call, singles, times=40):
    """Median of single calls, row after row: the same row again and again is known to caches and to the branch predictor."""
    timers = [timeit.Timer("call(part)", globals={"call": call, "part": part}) for part in singles]
    empty = timeit.Timer("pass")
    for timer in (*timers, empty):
        timer.timeit(100)  # Python has seen the statement often enough to run it as it runs what is run often
    found = [timer.timeit(1) for _ in range(times) for timer in timers]
    return median(found) - median(empty.timeit(1) for _ in range(len(found)))


def _each(call, parts, times=200, window=5e-4):
    """Seconds of a call, the loop taken off; of calls that take long, fewer."""
    timer = timeit.Timer("for part in parts: call(part)", globals={"call": call, "parts": parts})
    empty = timeit.Timer("for part in parts: pass", globals={"parts": parts})
    once = timer.timeit(1)
    number, times = max(1, round(window / once)), max(9, min(times, round(2.0 / once)))
    return (median(timer.repeat(times, number)) - median(empty.repeat(times, number))) / number / len(parts)


def _main(model: str, rows: str) -> None:
    made = qc.load(model) if model.endswith(".qc") else joblib.load(model)
    print(json.dumps(timed(made, joblib.load(rows))))


def ratios_of(source, rows, folder):
    """By contender and figure: compare's over timeit's, of each turn."""
    model = qc.quantize(source)
    files = {"source": folder / "m.joblib", "quantcore": folder / "m.qc"}
    qc.save(model, files["quantcore"])
    joblib.dump(source, files["source"])
    joblib.dump(rows, folder / "rows.joblib")
    ratios: dict[tuple[str, str], list[float]] = {}
    for _ in range(TURNS):
        found = qc.compare(source, model, rows, onnxruntime=False, batch_sizes=SIZES, rounds=7)
        for contender in found.contenders:
            command = [sys.executable, __file__, str(files[contender.name]), str(folder / "rows.joblib")]
            own = json.loads(
                subprocess.run(command, capture_output=True, text=True, check=True, env=environment(PYTHONPATH=HERE)).stdout
            )
            given = {"one": contender.latency["p50"].median, **{str(s): v.median for s, v in contender.throughput.items()}}
            for what, value in given.items():
                ratios.setdefault((contender.name, what), []).append(value / own[what])
    return ratios


@pytest.mark.parametrize("name", ["breast cancer", "sentences"])
def bench_compare(name, tmp_path, capsys):
    ratios = ratios_of(*case(name), tmp_path)
    with capsys.disabled():
        show(name, ratios)


def show(name, ratios):
    print(f"\n{name}: compare's figure / timeit's")
    for (who, what), values in ratios.items():
        off = median(values)
        verdict = "" if abs(off - 1) <= WITHIN else "  OFF"
        print(f"  {who:10} {what:>5}  {off:.3f}  ({min(values):.3f} to {max(values):.3f}){verdict}")


if __name__ == "__main__":
    _main(*sys.argv[1:])
