"""Packing beside a copy of the same array: both read it once, both allocate what they write.

Rates are in the table of bench/report.py; extra_info holds the bytes read and written, so that GB/s follow.
"""

import numpy as np
import pytest

from quantcore.native import registry

SHAPES = {"L2": (128, 512), "memory": (8192, 4096)}
CALLS = {"to_int8": np.float32, "to_float16": np.float32, "to_float32": np.float16}


def array(place, dtype):
    return np.random.default_rng(0).normal(size=SHAPES[place]).astype(np.float32).astype(dtype)


@pytest.mark.parametrize("place", SHAPES)
@pytest.mark.parametrize("call", CALLS)
def bench_pack(benchmark, call, place):
    door = registry.door("pack")
    if door is None:
        pytest.skip("the native modules are not built")
    x = array(place, CALLS[call])
    benchmark.group = f"pack {call}, {place}"
    benchmark.extra_info.update(isa=registry.implementation("pack").isa, bytes=x.nbytes + output_bytes(getattr(door, call)(x)))
    benchmark(getattr(door, call), x)


@pytest.mark.parametrize("place", SHAPES)
@pytest.mark.parametrize("call", CALLS)
def bench_copy(benchmark, call, place):
    x = array(place, CALLS[call])
    benchmark.group = f"pack {call}, {place}"
    benchmark.extra_info.update(bytes=2 * x.nbytes)
    benchmark(x.copy)


def output_bytes(result):
    return sum(part.nbytes for part in result) if isinstance(result, tuple) else result.nbytes
