"""A forest of ten million nodes: seconds and memory of converting it, and of writing and reading its file, beside joblib's.

Every round is a process of its own, so that its peak of memory is known. Run as a program it is such a process:

    python bench/models/bench_convert.py TASK
"""

from __future__ import annotations

import copy
import functools
import json
import resource
import subprocess
import sys
import time
from pathlib import Path

import joblib
import numpy as np
import pytest
from cases import CACHE
from peers import HERE
from replay import Replay, clock
from sklearn.ensemble import RandomForestClassifier
from timing import environment

NODES, GROWN, ROWS, FEATURES, ROUNDS = 10_000_000, 8, 60_000, 12, 3
HOME = CACHE / "ten_million_nodes"
TASKS = ("convert", "quantize", "load", "joblib.dump", "joblib.load")


def forest():
    """A few trees that grew, and others of their shapes with thresholds of their own: ten million nodes, few tests twice."""
    rng = np.random.default_rng(0)
    X = rng.normal(size=(ROWS, FEATURES)).astype(np.float32)
    y = X[:, 0] + X[:, 1] * X[:, 2] + 2.0 * rng.normal(size=ROWS) > 0
    found = RandomForestClassifier(GROWN, max_features=2, random_state=0).fit(X, y)
    grown = found.estimators_
    each = sum(tree.tree_.node_count for tree in grown) / GROWN
    trees = [copy.deepcopy(grown[k % GROWN]) for k in range(round(NODES / each))]
    for tree in trees[GROWN:]:
        state = tree.tree_.__getstate__()
        inner = state["nodes"]["left_child"] >= 0
        state["nodes"]["threshold"][inner] += rng.normal(scale=0.01, size=np.count_nonzero(inner))
        tree.tree_.__setstate__(state)
    found.estimators_, found.n_estimators = trees, len(trees)
    return found


def model():
    """Kept for the next run, as it is in memory."""
    path = HOME / "model.joblib"
    if not path.is_file():
        HOME.mkdir(parents=True, exist_ok=True)
        joblib.dump(forest(), path)
    return joblib.load(path)


def memory_mb():
    """Resident memory now, and from here on its peak: what made the model may have needed more."""
    try:
        Path("/proc/self/clear_refs").write_text("5")
        return resident("VmRSS")
    except OSError:
        return resident("VmHWM")


def resident(field):
    status = Path("/proc/self/status")
    if status.is_file():
        return int(next(line for line in status.read_text().splitlines() if line.startswith(field)).split()[1]) / 1e3
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (1e6 if sys.platform == "darwin" else 1e3)


def run(task):
    """One round of a task: its seconds, how far it raised the peak, and the sizes of the model and of its file in megabytes."""
    import quantcore
    from quantcore.importers import convert

    path = HOME / ("model.z3" if task.startswith("joblib") else "model.qc")
    source = None if task.endswith("load") else model()
    call = {
        "convert": lambda: convert(source),
        "quantize": lambda: quantcore.quantize(source),
        "load": lambda: quantcore.load(path),
        "joblib.dump": lambda: joblib.dump(source, path, compress=3),
        "joblib.load": lambda: joblib.load(path),
    }[task]
    before, start, cpu = memory_mb(), time.perf_counter(), time.process_time()
    made = call()
    found = {"seconds": time.perf_counter() - start, "cpu_seconds": time.process_time() - cpu}
    found["extra_mb"] = resident("VmHWM") - before
    if task == "quantize":
        quantcore.save(made, path)
    if source is not None:
        found["model_mb"] = sum(t.tree_.node_count * 64 + t.tree_.value.nbytes for t in source.estimators_) / 1e6
    if path.is_file():
        found["file_mb"] = path.stat().st_size / 1e6
    return found


@functools.cache
def measured():
    """The answers of each task's rounds; files are written before they are read."""
    found = {task: [] for task in TASKS}
    for turn in range(ROUNDS):
        for task in TASKS:
            if turn == 0 or not task.startswith("joblib"):
                command = [sys.executable, __file__, task]
                done = subprocess.run(command, capture_output=True, text=True, check=True, env=environment(PYTHONPATH=str(HERE)))
                found[task].append(json.loads(done.stdout))
    return found


@pytest.mark.benchmark(timer=clock, group="a forest of ten million nodes")
@pytest.mark.parametrize("task", TASKS)
def bench_convert(benchmark, task):
    rounds = measured()[task]
    contender = "joblib" if task.startswith("joblib") else "quantcore"
    benchmark.extra_info.update(unit="convert", contender=contender, task=task, case="ten million nodes")
    benchmark.extra_info.update(
        {name: max(one.get(name, 0.0) for one in rounds) for name in ("cpu_seconds", "extra_mb", "model_mb", "file_mb")}
    )
    benchmark.pedantic(Replay([one["seconds"] for one in rounds]), rounds=len(rounds))


if __name__ == "__main__":
    print(json.dumps(run(sys.argv[1])))
