"""Packing beside its roof and beside NumPy, in turns, the Python call counted.

The roof is the faster of two compiled loops that read the same array, write as many bytes as the call does and do nothing
else, one of them past the caches (pack_roof.c). Both read an array that begins with a cache line. The roof writes to such a
buffer, which is there, while the calls allocate what they return, where NumPy puts it. What they get is memory in use already,
not fresh from the system, whose zeroing of pages would hide much of what is compared. Scales of channels need two readings of
the array; the roof reads it once all the same.

``python bench/kernels/bench_pack.py`` prints a table by itself.
"""

from __future__ import annotations

import ctypes
import functools
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest

if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from replay import Replay, clock
from timing import interleaved

from quantcore.native import registry

SHAPES = {"L2": (64, 2048), "memory": (8192, 6144)}  # of float32; of float64 half the rows
LAYOUTS: dict[str, dict[str, Any]] = {
    "row": {},
    "channel": {"axis": "channel"},
    "group 128": {"group": 128},
    "group 32": {"group": 32},
}
INTEGERS = {"to_int8": 127, "to_int16": 32767, "to_int4": 7}
SOURCES = {"float32": "to_float32", "float64": "to_float64"}
CASES = [(op, source, layout) for op in INTEGERS for source in SOURCES for layout in LAYOUTS]
CASES += [("to_float16", source, "flat") for source in SOURCES]


class Contenders(NamedTuple):
    """What takes turns, and the bytes that each reads and writes."""

    calls: dict[str, Callable[[], Any]]
    n_bytes: int


@functools.cache
def roofs() -> ctypes.CDLL:
    """The compiled loops; from here on this process takes no fresh pages for what it has freed."""
    compiler = os.environ.get("CC") or shutil.which("gcc") or shutil.which("clang")
    if compiler is None:
        pytest.skip("the roof needs a C compiler")
    if hasattr(libc := ctypes.CDLL(None), "mallopt"):
        libc.mallopt(-4, 0)  # M_MMAP_MAX: nothing is mapped for one allocation alone
        libc.mallopt(-1, 2**31 - 1)  # M_TRIM_THRESHOLD: nothing is given back
    with tempfile.TemporaryDirectory() as folder:
        library = f"{folder}/roof.so"
        source = Path(__file__).with_name("pack_roof.c")
        subprocess.run([compiler, "-O3", "-march=native", "-shared", "-fPIC", "-o", library, source], check=True)
        return ctypes.CDLL(library)


def aligned(x: Any) -> Any:
    """A copy that begins with a cache line; NumPy's own arrays begin 16 bytes into one."""
    memory = np.empty(x.nbytes + 64, np.uint8)
    first = -memory.ctypes.data % 64
    copy = memory[first : first + x.nbytes].view(x.dtype).reshape(x.shape)
    copy[...] = x
    return copy


def roof(x: Any, n_written: int, suffix: str) -> Callable[[], Any]:
    larger, smaller = max(x.nbytes, n_written), min(x.nbytes, n_written)
    loop = getattr(roofs(), f"{'shrink' if x.nbytes > n_written else 'grow'}_{larger // smaller}{suffix}")
    loop.restype = None
    y = np.empty(n_written + 64, np.uint8)
    start = y.ctypes.data
    arguments = ctypes.c_void_p(x.ctypes.data), ctypes.c_void_p(start + -start % 64), ctypes.c_size_t(smaller // 64)
    kept = x, y

    def copy() -> Any:
        loop(*arguments)
        return kept

    return copy


def numpy_pack(x: Any, op: str, layout: dict[str, Any]) -> Any:
    limit = x.dtype.type(INTEGERS[op])
    if "group" in layout:
        x = x.reshape(-1, layout["group"])
    scale = np.abs(x).max(axis=0 if "axis" in layout else 1, keepdims=True) / limit
    q = np.rint(x / scale).astype(np.int16 if op == "to_int16" else np.int8)
    return (q[:, ::2] & 15 | q[:, 1::2] << 4, scale) if op == "to_int4" else (q, scale)


def numpy_unpack(q: Any, scale: Any, layout: dict[str, Any]) -> Any:
    if q.dtype == np.uint8:
        q = (np.stack([q & 15, q >> 4], axis=2).reshape(len(q), -1) ^ 8).astype(np.int8) - np.int8(8)
    if "group" in layout:
        return q.reshape(-1, layout["group"]) * scale.reshape(-1, 1)
    return q * (scale if "axis" in layout else scale[:, None])


def contenders(op: str, source: str, layout: str, place: str, back: bool) -> Contenders:
    door = registry.door("pack")
    if door is None:
        pytest.skip("the native modules are not built")
    n_rows, n_columns = SHAPES[place]
    sample = np.random.default_rng(0).normal(size=1 << 16).astype(source)
    roofs()
    x = aligned(np.resize(sample, (n_rows if source == "float32" else n_rows // 2, n_columns)))
    where = LAYOUTS.get(layout, {})
    pack, unpack = getattr(door, op), getattr(door, SOURCES[source])
    packed = pack(x, **where)
    packed = aligned(packed) if op == "to_float16" else (aligned(packed[0]), packed[1])
    if op == "to_float16":
        q, calls = packed, {"quantcore": lambda: pack(x), "numpy": lambda: x.astype(np.float16)}
        if back:
            calls = {"quantcore": lambda: unpack(q), "numpy": lambda: q.astype(source)}
    else:
        q, scale = packed
        calls = {"quantcore": lambda: pack(x, **where), "numpy": lambda: numpy_pack(x, op, where)}
        if back:
            calls = {"quantcore": lambda: unpack(q, scale, **where), "numpy": lambda: numpy_unpack(q, scale, where)}
    read, written = (q, x.nbytes) if back else (x, q.nbytes)
    for suffix in ("", "_stream"):
        calls[f"roof{suffix}"] = roof(read, written, suffix)
    return Contenders(calls, read.nbytes + written)


def seconds(call: Callable[[], Any], calls: int) -> float:
    start = time.thread_time()  # not the wall's: others that take turns on this core would count for calls of 10 ms
    for _ in range(calls):
        call()
    return (time.thread_time() - start) / calls


@functools.lru_cache(maxsize=1)
def measured(op: str, source: str, layout: str, place: str, back: bool) -> tuple[dict[str, list[float]], int]:
    """Seconds of every round by contender, and bytes."""
    found = contenders(op, source, layout, place, back)
    calls = 50 if place == "L2" else 1
    measures = {name: functools.partial(seconds, call, calls) for name, call in found.calls.items()}
    rounds = interleaved(measures, 40 if place == "L2" else 20, patience=2.0)
    better = min(("roof", "roof_stream"), key=lambda name: min(rounds[name]))
    return {"quantcore": rounds["quantcore"], "roof": rounds[better], "numpy": rounds["numpy"]}, found.n_bytes


@pytest.mark.benchmark(timer=clock)
@pytest.mark.parametrize("place", SHAPES)
@pytest.mark.parametrize("op, source, layout", CASES)
@pytest.mark.parametrize("back", [False, True], ids=["pack", "unpack"])
@pytest.mark.parametrize("contender", ["quantcore", "roof", "numpy"])
def bench_pack(benchmark: Any, op: str, source: str, layout: str, place: str, back: bool, contender: str) -> None:
    rounds, n_bytes = measured(op, source, layout, place, back)
    benchmark.group = f"{'un' if back else ''}pack {op}, {source}, {layout}, {place}"
    benchmark.extra_info.update(
        isa=registry.implementation("pack").isa,
        bytes=n_bytes,
        gigabytes_per_second=n_bytes / min(rounds[contender]) * 1e-9,
        share_of_roof=min(rounds["roof"]) / min(rounds[contender]),
    )
    benchmark.pedantic(Replay(rounds[contender]), rounds=len(rounds[contender]))


def main(places: list[str]) -> None:
    """A table of the best round of each, and of the median ratio."""
    print("| call | GB/s | roof | share of roof | median share | times NumPy |\n|---|---|---|---|---|---|")
    for place in places or SHAPES:
        for back in (False, True):
            for op, source, layout in CASES:
                rounds, n_bytes = measured(op, source, layout, place, back)
                best = {name: min(found) for name, found in rounds.items()}
                middle = np.median([a / b for a, b in zip(rounds["roof"], rounds["quantcore"], strict=False)])
                name = f"{SOURCES[source]} from {op[3:]}" if back else f"{op} from {source}"
                ours, least = (n_bytes / best[contender] * 1e-9 for contender in ("quantcore", "roof"))
                ratios = f"{best['roof'] / best['quantcore']:.0%} | {middle:.0%} | {best['numpy'] / best['quantcore']:.1f}"
                print(f"| {name}, {layout}, {place} | {ours:.0f} | {least:.0f} | {ratios} |", flush=True)


if __name__ == "__main__":
    main(sys.argv[1:])
