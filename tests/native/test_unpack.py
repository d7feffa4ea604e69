"""Integers back to floats: exact products rounded once, every ISA against scalar, bit for bit."""

from fractions import Fraction

import numpy as np
import pytest
from packing import LAYOUTS, back_slot, blocks, floats, integers

from quantcore.reference import pack as reference

PACKED = {"to_int8": np.int8, "to_int16": np.int16, "to_int4": np.uint8}
SHAPES = [(0, 0), (0, 5), (3, 0), (1, 1), (5, 7), (3, 16), (2, 33), (33, 48), (4, 64), (3, 65), (40, 100), (2, 161), (3, 1030)]
every_packed = pytest.mark.parametrize("op", PACKED)
every_back = pytest.mark.parametrize("back, dtype", [("to_float32", np.float32), ("to_float64", np.float64)])
every_layout = pytest.mark.parametrize("layout", LAYOUTS, ids=lambda k: "-".join(map(str, k.values())) or "row")


def packed(op, shape, seed=0):
    """Any bits of the type, those that packing never makes included."""
    info = np.iinfo(PACKED[op])
    width = (shape[1] + 1) // 2 if op == "to_int4" else shape[1]
    return np.random.default_rng(seed).integers(info.min, info.max, (shape[0], width), endpoint=True).astype(PACKED[op])


def scales(shape, layout, dtype):
    sizes = (shape[1],) if layout.get("axis") == "channel" else shape[:1]
    if "group" in layout:
        sizes = (shape[0], -(-shape[1] // layout["group"]))
    return floats(sizes, dtype, 1)


def exact(q, scale, dtype, **layout):
    """Products in rational numbers, rounded to nearest even by Python's float; float32 from the exact float64 product."""
    x = np.zeros(q.shape, dtype)
    for place, where in blocks(q.shape, **layout).items():
        step = scale[place]
        if dtype == np.float32:
            with np.errstate(over="ignore", under="ignore"):
                x[where] = (q[where] * np.float64(step)).astype(np.float32)
        else:
            x[where] = [float(Fraction(float(step)) * int(v)) for v in q[where]]
    return x


@every_packed
@every_back
@every_layout
def test_products(on_every_isa, op, back, dtype, layout):
    for shape in SHAPES:
        q, scale = packed(op, shape), scales(shape, layout, dtype) * dtype(2**-20)
        keys = {**layout, "n_columns": shape[1]}
        (x,) = on_every_isa(
            "pack", back_slot(back, op, **layout), lambda door, a=(q, scale), k=keys: [getattr(door, back)(*a, **k)]
        )
        expected = exact(integers(q, op, shape[1]), scale, dtype, **layout)
        assert x.dtype == dtype and x.shape == shape
        np.testing.assert_array_equal(x, expected)
        assert getattr(reference, back)(q, scale, **keys).tobytes() == x.tobytes()


@every_back
def test_every_integer(on_every_isa, back, dtype):
    scale = np.array([0.3], dtype)
    for op, bits in (("to_int8", 8), ("to_int16", 16), ("to_int4", 8)):
        q = np.arange(1 << bits).astype(f"u{bits // 8}").view(PACKED[op])[None]
        (x,) = on_every_isa("pack", back_slot(back, op), lambda door, q=q: [getattr(door, back)(q, scale)])
        np.testing.assert_array_equal(x, integers(q, op, x.shape[1]).astype(dtype) * scale)


def test_float64_takes_scales_of_float32_exactly(door_of):
    q, scale = packed("to_int16", (5, 40)), floats((5, 1)).ravel()
    for packing in (door_of("pack"), reference):
        x = packing.to_float64(q, scale)
        assert x.dtype == np.float64
        np.testing.assert_array_equal(x, q * scale.astype(np.float64)[:, None])


@every_packed
@every_back
def test_arrays_that_pass_by_the_caches(on_every_isa, op, back, dtype):
    shape = (5, 1_500_011)  # rows begin at every alignment
    q, keys = packed(op, shape), {"n_columns": shape[1]}
    if op == "to_int4":
        values = (np.stack([q & 15, q >> 4], axis=2).reshape(5, -1) ^ 8).astype(np.int8)[:, : shape[1]] - np.int8(8)
    else:
        values = q
    for layout in ({}, {"axis": "channel"}, {"group": 1040}):
        sizes = {"axis": shape[1], "group": (5, -(-shape[1] // 1040))}.get(next(iter(layout), ""), 5)
        scale = np.random.default_rng(0).normal(size=sizes).astype(dtype)
        slot = back_slot(back, op, **layout)
        (x,) = on_every_isa("pack", slot, lambda door, s=scale, k=layout: [getattr(door, back)(q, s, **k, **keys)])
        spread = np.repeat(scale, 1040, axis=1)[:, : shape[1]] if "group" in layout else scale if layout else scale[:, None]
        np.testing.assert_array_equal(x, values.astype(dtype) * spread)
