"""How fast files are loaded, validation and self-test included: small ones, raw sections from the page cache, and coded ones
beside the time that their decoders alone take.

Usage: bench_load.py [MEGABYTES]    (of raw weights, 256 if none is given; prints a table)
"""

from __future__ import annotations

import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np

import quantcore as qc
from quantcore.artifact import decode, encode
from quantcore.native import registry
from quantcore.plan import Plan
from quantcore.plan.ops import ArgMax, Linear, PlanarLinear, Predictions

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


def coded(megabytes: int) -> bytes:
    """Many outputs on a grid, most entries near zero, as those of a text classifier are."""
    n, outputs = megabytes * (1 << 20) // 2 // 32, 32
    random = np.random.default_rng(0)
    rows = np.rint(random.laplace(0, 1, (n, outputs)) * random.choice([4.0, 40.0, 400.0], (n, 1))).astype(np.int16)
    weights = {"rows": rows, "exponent": np.full(n, -12, np.int16), "index": None, "cold": None, "idf": None}
    scores = PlanarLinear(
        bias=np.zeros(outputs), error=0.5, amplitude=1.0, norm=None, sublinear=False, centred=False, dtype="float64", **weights
    )
    plan = Plan((scores, ArgMax(inputs=(0,), classes=np.arange(outputs))), {"predict": 1}, "matrix", n_features_in=n)
    return encode(plan, {}, codec=registry.door("codec"))


class Timed:
    """A door that adds up the seconds spent in its functions."""

    def __init__(self, door: Any) -> None:
        self.door, self.seconds = door, 0.0

    def __getattr__(self, name: str) -> Any:
        function = getattr(self.door, name)

        def timed(*arguments: Any) -> Any:
            start = time.perf_counter()
            try:
                return function(*arguments)
            finally:
                self.seconds += time.perf_counter() - start

        return timed


def reading(data: bytes, rounds: int) -> tuple[float, float]:
    """Seconds of the fastest reading, all checks included and no kernels prepared; and of the decoders alone."""
    best = (np.inf, np.inf)
    for _ in range(rounds):
        door = Timed(registry.door("codec"))
        start = time.perf_counter()
        decode(data, codec=door)
        best = min(best, (time.perf_counter() - start, door.seconds))
    return best


def main(megabytes: int) -> None:
    print("| file | bytes | load |\n|---|---|---|")
    for path in sorted(GOLDEN.glob("*.qc")):
        print(f"| {path.stem} | {path.stat().st_size} | {1e6 * least(path, 200):.0f} us |")
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "raw.qc"
        path.write_bytes(raw(megabytes))
        seconds, size = least(path, 5), path.stat().st_size
        print(f"| raw sections | {size} | {1e3 * seconds:.0f} ms, {size / seconds / 1e9:.2f} GB/s |")
        data = coded(max(megabytes // 8, 1))
        path.write_bytes(data)
        seconds, (read, alone) = least(path, 5), reading(data, 5)
        told = f"{1e3 * read:.0f} ms to read and check them, {1e3 * alone:.0f} ms of that in the decoders"
        print(f"| coded sections | {len(data)} | {1e3 * seconds:.0f} ms: {told} |")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 256)
