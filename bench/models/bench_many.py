"""200 small models in one process: from its start to the first prediction of each, and the memory that takes."""

from __future__ import annotations

import functools
import json
import random
import subprocess
import sys
import time

import joblib
import pytest
import texts
from cases import CACHE
from peers import HERE, NAMES, onnx_locale, to_onnx
from replay import Replay, clock
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from timing import environment, interleaved

import quantcore

MODELS, FEATURES, ROWS, ROUNDS = 200, 500, 400, 5


@functools.cache
def folder():
    """Models fitted on different rows; kept for the next run but for the artifacts."""
    home = CACHE / "many"
    if not (home / "complete").is_file():
        home.mkdir(parents=True, exist_ok=True)
        split = texts.read("sms_spam") or texts.standard_library(2)
        for i in range(MODELS):
            rows = random.Random(i).sample(range(len(split.train)), ROWS)
            vectorizer = TfidfVectorizer(ngram_range=(1, 2), sublinear_tf=True, max_features=FEATURES)
            pipeline = make_pipeline(vectorizer, LogisticRegression())
            pipeline.fit([split.train[r] for r in rows], [split.train_labels[r] for r in rows])
            joblib.dump(pipeline, home / f"{i:03}.joblib", compress=3)
            to_onnx(pipeline, home / f"{i:03}.onnx")
        (home / "complete").touch()
    for path in sorted(home.glob("*.joblib")):
        quantcore.save(quantcore.quantize(joblib.load(path)), path.with_suffix(".qc"))
    return home


@functools.cache
def measured():
    home = folder()
    extra, absent = onnx_locale(CACHE / "locale")
    names = [name for name in NAMES if name != "onnxruntime" or (absent is None and any(home.glob("*.onnx")))]
    memory = {name: [] for name in names}

    def start(name):
        command = [sys.executable, str(HERE / "start_many.py"), name, str(home), repr(time.monotonic())]
        done = subprocess.run(command, capture_output=True, text=True, check=True, env=environment(**extra))
        found = json.loads(done.stdout)
        assert found["models"] == MODELS
        memory[name].append(found["rss_mb"])
        return found["seconds"]

    seconds = interleaved({name: functools.partial(start, name) for name in names}, ROUNDS)
    return seconds, memory, absent


@pytest.mark.benchmark(timer=clock, group="200 small models in one process")
@pytest.mark.parametrize("contender", NAMES)
def bench_many(benchmark, contender):
    seconds, memory, absent = measured()
    if contender not in seconds:
        pytest.skip(absent or "skl2onnx made no models")
    benchmark.extra_info.update(unit="start", contender=contender, task="many", rss_mb=sorted(memory[contender])[ROUNDS // 2])
    benchmark.pedantic(Replay(seconds[contender]), rounds=len(seconds[contender]))
