"""Dense products beside their roof and NumPy's float32: one row against reads, batches against products in registers.

``python bench/kernels/bench_dense.py`` prints the table: the best of many short rounds, in which all contenders take turns in one
process on one thread, the Python call counted.
"""

from __future__ import annotations

import ctypes
import functools
import json
import shutil
import subprocess
import sys
from pathlib import Path
from statistics import median
from time import perf_counter
from typing import NamedTuple

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from timing import environment, interleaved

from quantcore.native import registry

HERE = Path(__file__).resolve().parent
LIBRARY = HERE.parents[1] / "build" / "bench" / "dense_roof.so"
ROUNDS = 151
LONG = 0.0005  # seconds of one turn, far below a scheduler's slice


class Case(NamedTuple):
    """One product; ``roof`` is what its weights are measured against."""

    name: str
    rows: int
    features: int
    outputs: int
    dtype: str
    method: str
    roof: str | None


CASES = [
    Case("int8, one row, weights in L2", 1, 512, 1024, "int8", "dot", "read"),
    Case("int8, one row, weights in L3", 1, 2048, 4096, "int8", "dot", "read"),
    Case("int8, one row, weights in memory", 1, 4096, 65536, "int8", "dot", "read"),
    Case("int4, one row, weights in L3", 1, 4096, 4096, "int4", "dot", "read"),
    Case("int8, 1000 x 1024 x 100", 1000, 1024, 100, "int8", "dot", "int8"),
    Case("int8, 4096 x 784 x 10", 4096, 784, 10, "int8", "dot", "int8"),
    Case("int4, 1000 x 1024 x 100", 1000, 1024, 100, "int4", "dot", "int8"),
    Case("int16, 1000 x 1024 x 100", 1000, 1024, 100, "int16", "dot", "int8"),
    *(Case(f"float32 x {t}, 1000 x 1024 x 100", 1000, 1024, 100, t, "scores", "float32") for t in ("float32", "float16", "int8")),
    Case("int8, 64 x 10, one row", 1, 64, 10, "int8", "dot", None),
    Case("float32, 64 x 10, one row", 1, 64, 10, "float32", "scores", None),
    Case("float32, 30 x 2, one row", 1, 30, 2, "float32", "scores", None),
]


def compiled_roof() -> ctypes.CDLL:
    LIBRARY.parent.mkdir(parents=True, exist_ok=True)
    flags = ["-O3", "-march=native", "-shared", "-fPIC"]
    subprocess.run(["cc", *flags, "-o", str(LIBRARY), str(HERE / "dense_roof.c")], check=True)
    library = ctypes.CDLL(str(LIBRARY))
    library.roof_read.argtypes = [ctypes.c_void_p, ctypes.c_ssize_t, ctypes.c_int]
    for name in ("read", "int8", "float32"):
        if hasattr(library, f"roof_{name}"):
            getattr(library, f"roof_{name}").restype = ctypes.c_double
    return library


def problem(case):
    """Rows and weights, both integers, as small as the precision holds."""
    rng = np.random.default_rng(0)
    limit = 7 if case.dtype == "int4" else 127
    x = rng.integers(-127, 128, (case.rows, case.features), np.int8)
    weights = rng.integers(-limit, limit + 1, (case.features, case.outputs), np.int8)
    if case.dtype != "int4":
        weights = weights.astype(case.dtype, copy=False)
    return x.astype("float32" if case.method == "scores" else "int16" if case.dtype == "int16" else "int8", copy=False), weights


def contenders(case, roof):
    """What takes turns: name → seconds of one call, the mean of as many as take LONG."""

    def timed(call):
        call()  # the others have been in the caches
        start = perf_counter()
        call()
        repeats = max(1, int(LONG / (perf_counter() - start)))
        start = perf_counter()
        for _ in range(repeats):
            call()
        return (perf_counter() - start) / repeats

    x, weights = problem(case)
    model = registry.door("dense").Weights(weights, int4=case.dtype == "int4")
    call = getattr(model, case.method)
    found = {"quantcore": functools.partial(timed, lambda: call(x))}
    if weights.size <= 1 << 25:
        x32, w32 = x.astype(np.float32), weights.astype(np.float32)
        np.testing.assert_array_equal(call(x[:3]), x[:3].astype(np.int64) @ weights.astype(np.int64))
        found["NumPy float32"] = functools.partial(timed, lambda: x32 @ w32)
    products = case.rows * case.features * case.outputs
    if case.roof == "read":
        stored = products // (2 if case.dtype == "int4" else 1)
        buffer = np.ones(stored + 64, np.uint8)
        address = buffer.ctypes.data + -buffer.ctypes.data % 64
        repeats = max(1, int(LONG / roof.roof_read(address, stored, 1)))
        found["roof"] = lambda keep=buffer: roof.roof_read(address, stored, repeats)
    elif case.roof and hasattr(roof, f"roof_{case.roof}"):
        peak = getattr(roof, f"roof_{case.roof}")
        per_step = {"int8": 16 * 64, "float32": 16 * 16}[case.roof]
        steps = int(LONG / (peak(10_000) * per_step))
        found["roof"] = lambda: peak(steps) * products
    return found


def measure():
    """{case name: {contender: seconds of each round}}."""
    roof = compiled_roof()
    return {case.name: interleaved(contenders(case, roof), ROUNDS) for case in CASES}


@functools.cache
def measured():
    """The same from a process whose BLAS has one thread and tunes itself."""
    run = subprocess.run([sys.executable, __file__, "--json"], capture_output=True, text=True, check=True, env=environment())
    return json.loads(run.stdout)


def share(roof, seconds):
    """The roof's time by ours: round by round for reads, whose bandwidth others share; the best of each for registers."""
    if roof == "read":
        return median(theirs / ours for theirs, ours in zip(seconds["roof"], seconds["quantcore"], strict=False))
    return min(seconds["roof"]) / min(seconds["quantcore"])


def table(results):
    lines = ["| case | time | share of the roof | NumPy float32 |", "| --- | --- | --- | --- |"]
    for case in CASES:
        seconds = results[case.name]
        ours = min(seconds["quantcore"])
        time = f"{ours * 1e9:,.0f} ns" if ours < 1e-6 else f"{ours * 1e6:,.2f} µs"
        roof = f"{share(case.roof, seconds):.0%}" if "roof" in seconds else ""
        peer = f"{min(seconds['NumPy float32']) / ours:.1f}x" if "NumPy float32" in seconds else ""
        lines.append(f"| {case.name} | {time} | {roof} | {peer} |")
    return "\n".join(lines)


if __name__ == "__main__":
    found = measure() if sys.argv[1:] == ["--json"] else measured()
    print(json.dumps(found) if sys.argv[1:] == ["--json"] else table(found))
else:
    import pytest
    from replay import Replay, clock

    @pytest.mark.benchmark(timer=clock)
    @pytest.mark.parametrize("contender", ["quantcore", "roof", "NumPy float32"])
    @pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
    def bench_dense(benchmark, case, contender):
        if registry.door("dense") is None or not shutil.which("cc"):
            pytest.skip("the native modules, or a C compiler, are not there")
        seconds = measured()[case.name]
        if contender not in seconds:
            pytest.skip(f"{contender} has no part in this")
        benchmark.group = f"dense: {case.name}"
        benchmark.extra_info.update(isa=registry.implementation("dense").isa, contender=contender)
        if contender == "quantcore" and "roof" in seconds:
            benchmark.extra_info["share_of_roof"] = share(case.roof, seconds)
        benchmark.pedantic(Replay(seconds[contender]), rounds=len(seconds[contender]))
