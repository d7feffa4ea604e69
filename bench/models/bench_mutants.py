"""A thousand changed files of one small model, in each library's own format: crashes, hangs, answers that differ in silence.

``pytest bench/models/bench_mutants.py`` (QUANTCORE_MUTANTS for another number a model).
"""

from __future__ import annotations

import functools
import importlib.util
import json
import os
import pickle
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from replay import Replay, clock
from sklearn.ensemble import RandomForestClassifier
from timing import environment

COUNT = int(os.environ.get("QUANTCORE_MUTANTS", 1000))
PROGRAM = Path(__file__).resolve().parents[1] / "mutants.py"
LIBRARIES = {
    "quantcore": "quantcore",
    "LightGBM": "lightgbm",
    "XGBoost": "xgboost",
    "treelite": "treelite",
    "onnxruntime": "skl2onnx",
    "joblib": "joblib",
    "pickle": "pickle",
    "skops": "skops",
}


@functools.cache
def sources():
    """Rows, and a forest fitted on them."""
    random = np.random.default_rng(0)
    X = random.normal(size=(300, 8)).astype(np.float32)
    y = (X[:, :3].sum(axis=1) > 0).astype(int)
    return X, y, RandomForestClassifier(10, max_depth=4, random_state=0).fit(X, y)


def saved(name, folder):
    """The path of a library's own file of a small ensemble."""
    X, y, forest = sources()
    path = folder / {"LightGBM": "model.txt", "XGBoost": "model.ubj", "onnxruntime": "model.onnx"}.get(name, f"model.{name}")
    if name == "LightGBM":
        import lightgbm

        options = {"objective": "binary", "num_leaves": 15, "num_threads": 1, "verbose": -1}
        lightgbm.train(options, lightgbm.Dataset(X, y), 10).save_model(path)
    elif name in ("XGBoost", "treelite"):
        import xgboost

        booster = xgboost.train({"objective": "binary:logistic", "max_depth": 4, "nthread": 1}, xgboost.DMatrix(X, y), 10)
        if name == "XGBoost":
            booster.save_model(path)
        else:
            import treelite

            treelite.frontend.from_xgboost(booster).serialize(path)
    elif name == "onnxruntime":
        import skl2onnx

        path.write_bytes(skl2onnx.to_onnx(forest, X[:1], options={"zipmap": False}).SerializeToString())
    elif name == "quantcore":
        import quantcore

        quantcore.save(quantcore.quantize(forest, X), path)
    elif name == "joblib":
        import joblib

        joblib.dump(forest, path)
    elif name == "pickle":
        path.write_bytes(pickle.dumps(forest))
    else:
        import skops.io

        skops.io.dump(forest, path)
    return path


@pytest.mark.benchmark(timer=clock, group="changed files")
@pytest.mark.parametrize("name", LIBRARIES)
def bench_mutants(benchmark, name, tmp_path):
    if importlib.util.find_spec(LIBRARIES[name]) is None:
        pytest.skip(f"{name} is not installed")
    rows = tmp_path / "rows.npy"
    np.save(rows, sources()[0][:50])
    command = [sys.executable, "-W", "ignore", str(PROGRAM), name, str(saved(name, tmp_path)), str(rows), "0", str(COUNT)]
    start = time.perf_counter()
    done = subprocess.run(command, capture_output=True, text=True, env=environment(OMP_NUM_THREADS="1"))
    assert not done.returncode, done.stderr[-3000:]
    found = json.loads(done.stdout)
    benchmark.extra_info.update(task="mutants", library=name, **found)
    seconds = (time.perf_counter() - start) / COUNT
    benchmark.pedantic(Replay([seconds]), rounds=1)
    if name == "quantcore":
        assert found["crash"] == found["hang"] == found["different"] == 0, found
