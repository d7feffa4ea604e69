"""Import time over NumPy's, and installed size."""

from __future__ import annotations

import functools
import importlib.util
import subprocess
import sys
from pathlib import Path

import pytest
from peers import NAMES
from replay import Replay, clock
from timing import environment, interleaved

ROUNDS = 9
IMPORTS = {
    "quantcore": "import quantcore",
    "scikit-learn": "import joblib, sklearn.pipeline, sklearn.feature_extraction.text, sklearn.linear_model",
    "onnxruntime": "import onnxruntime",
}
PACKAGES = {
    "quantcore": ("quantcore",),
    "scikit-learn": ("sklearn", "scipy", "joblib", "threadpoolctl"),
    "onnxruntime": ("onnxruntime",),
}
BANNED = {"sklearn", "scipy", "pandas", "joblib"}
_PROGRAM = """
import numpy, sys, time
start = time.perf_counter()
{statement}
print(time.perf_counter() - start, *{{name.partition(".")[0] for name in sys.modules}})
"""


def start(name):
    command = [sys.executable, "-c", _PROGRAM.format(statement=IMPORTS[name])]
    seconds, *modules = subprocess.run(command, capture_output=True, text=True, check=True, env=environment()).stdout.split()
    if name == "quantcore":
        assert not BANNED & set(modules)
    return float(seconds)


@functools.cache
def measured():
    names = [name for name in NAMES if all(map(importlib.util.find_spec, PACKAGES[name]))]
    return interleaved({name: functools.partial(start, name) for name in names}, ROUNDS)


def installed_mb(name):
    total = 0
    for package in PACKAGES[name]:
        home = Path(importlib.util.find_spec(package).origin)
        files = home.parent.rglob("*") if home.name == "__init__.py" else [home]
        total += sum(path.stat().st_size for path in files if path.is_file() and "__pycache__" not in path.parts)
    return total / 1e6


@pytest.mark.benchmark(timer=clock, group="import over NumPy's")
@pytest.mark.parametrize("contender", NAMES)
def bench_import(benchmark, contender):
    if contender not in measured():
        pytest.skip(f"{contender} is not installed")
    benchmark.extra_info.update(unit="import", contender=contender, task="import", installed_mb=installed_mb(contender))
    rounds = measured()[contender]
    benchmark.pedantic(Replay(rounds), rounds=len(rounds))
