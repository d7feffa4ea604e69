"""What a process of its own takes to load a model and to answer for the first time: run as ``python -m quantcore.report.fresh``.

Arguments: kind ("artifact", "joblib" or "onnx"), path of the model, path of the first rows (joblib). Prints one line of JSON:
``load`` and ``first`` in seconds, once the library itself is imported, ``memory``, the resident bytes afterwards less those of an
interpreter with NumPy alone, and ``peak``, the most that was resident on the way, less the same.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median
from typing import Any

__all__ = ["KINDS", "measured"]

_PAGE = os.sysconf("SC_PAGE_SIZE") if hasattr(os, "sysconf") else 4096
_THREADS = ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS")
_PATIENCE = 300.0
_UNFAIR = ("PYTHONDONTWRITEBYTECODE",)  # modules compiled anew in every process, which no server does


def _artifact(path: str) -> Callable[[], Callable[[Any], Any]]:
    import quantcore

    return lambda: quantcore.load(path).predict


def _joblib(path: str) -> Callable[[], Callable[[Any], Any]]:
    import joblib
    import sklearn  # noqa: F401

    return lambda: joblib.load(path).predict


def _onnx(path: str) -> Callable[[], Callable[[Any], Any]]:
    from quantcore.report.onnx import session

    return lambda: session(path)


KINDS = {"artifact": _artifact, "joblib": _joblib, "onnx": _onnx}


def measured(kind: str, path: Path, first: Path, times: int = 3) -> dict[str, float]:
    """The medians of some processes' figures, in seconds and bytes; empty where a process fails.

    Parameters
    ----------
    kind : {"artifact", "joblib", "onnx"}
    path : Path
    first : Path
        Rows that joblib wrote.
    times : int
    """
    environment = {name: value for name, value in os.environ.items() if name not in _UNFAIR} | dict.fromkeys(_THREADS, "1")
    runs = []
    for _ in range(times):
        command = [sys.executable, "-m", "quantcore.report.fresh", kind, str(path), str(first)]
        try:
            done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=_PATIENCE, check=True)
            runs.append(json.loads(done.stdout.splitlines()[-1]))
        except (subprocess.SubprocessError, ValueError, IndexError):
            return {}
    return {name: float(median(run[name] for run in runs)) for name in runs[0]}


def _resident() -> int:
    try:
        with open("/proc/self/statm", encoding="ascii") as file:
            return int(file.read().split()[1]) * _PAGE
    except OSError:  # no Linux: the largest so far
        return _peak()


def _peak() -> int:
    """The most bytes that were resident so far; 0 where the platform does not tell."""
    try:
        with open("/proc/self/status", encoding="ascii") as file:  # getrusage also counts what the parent had before exec
            return next(int(line.split()[1]) * 1024 for line in file if line.startswith("VmHWM:"))
    except (OSError, StopIteration):
        pass
    try:
        import resource
    except ImportError:
        return 0
    largest = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return largest if sys.platform == "darwin" else largest * 1024


def _main(kind: str, path: str, first: str) -> None:
    import joblib
    import numpy  # noqa: F401 - every contender has it

    rows = joblib.load(first)
    before = _resident()
    load = KINDS[kind](path)
    start = time.perf_counter()
    predict = load()
    loaded = time.perf_counter()
    predict(rows)
    done = time.perf_counter()
    now = _resident()
    memory, peak = max(now - before, 0), max(_peak(), now) - before
    print(json.dumps({"load": loaded - start, "first": done - loaded, "memory": memory, "peak": max(peak, 0)}))


if __name__ == "__main__":
    _main(*sys.argv[1:])
