"""How fast files are loaded, validation and self-test included: small ones, and raw sections from the page cache.

Usage: bench_load.py [MEGABYTES]    (of raw weights, 256 if none is given; prints a table)
"""

from __future__ import annotations

import sys
import tempfile
import time
from pathlib import Path

import numpy as np

import quantcore as qc
from quantcore.artifact import encode
from quantcore.native import registry
from quantcore.plan import Plan
from quantcore.plan.ops import Linear, Predictions

GOLDEN = Path(__file__).resolve().parents[2] / "tests" / "golden"


def least(path: Path, rounds: int) -> float:
    """Seconds of the fastest load."""
    best = np.inf
    for _ in range(rounds):
        start = time.perf_counter()
        qc.load(path)
        best = min(best, time.perf_counter() - start)
    return float(best)


def raw(megabytes: int) -> bytes:
    """A linear model whose weights no coding makes smaller."""
    n = megabytes * (1 << 20) // 8 // 16
    weight = np.frombuffer(np.random.default_rng(0).bytes(128 * n), np.float64).reshape(n, 16)
    weight = np.where(np.isfinite(weight), weight, 1.0)
    ops = (Linear(weight=weight, bias=np.zeros(16)), Predictions(inputs=(0,), flat=False))
    plan = Plan(ops, {"predict": 1}, "matrix", n_features_in=n)
    return encode(plan, {}, codec=registry.door("codec"))


def main(megabytes: int) -> None:
    print("| file | bytes | load |\n|---|---|---|")
    for path in sorted(GOLDEN.glob("*.qc")):
        print(f"| {path.stem} | {path.stat().st_size} | {1e6 * least(path, 200):.0f} us |")
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "raw.qc"
        path.write_bytes(raw(megabytes))
        seconds, size = least(path, 5), path.stat().st_size
        print(f"| raw sections | {size} | {1e3 * seconds:.0f} ms, {size / seconds / 1e9:.2f} GB/s |")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 256)
