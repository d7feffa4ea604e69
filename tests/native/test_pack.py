"""Packing to integers: against an oracle and the reference, and every ISA against scalar, bit for bit."""

from fractions import Fraction

import numpy as np
import pytest
from packing import BITS, LAYOUTS, LIMITS, floats, integers, oracle, slot

from quantcore.reference import pack as reference

SHAPES = [
    (0, 0),
    (0, 5),
    (3, 0),
    (1, 1),
    (2, 7),
    (5, 8),
    (3, 15),
    (17, 16),
    (3, 17),
    (35, 31),
    (33, 32),
    (16, 48),
    (2, 63),
    (18, 64),
    (2, 65),
    (40, 100),
    (17, 130),
    (5, 300),
    (3, 2100),
]
every_op = pytest.mark.parametrize("op", LIMITS)
every_type = pytest.mark.parametrize("dtype", [np.float32, np.float64])
every_layout = pytest.mark.parametrize("layout", LAYOUTS, ids=lambda k: "-".join(map(str, k.values())) or "row")


@every_op
@every_type
@every_layout
def test_integers_and_scales(on_every_isa, op, dtype, layout):
    for shape in SHAPES:
        x = floats(shape, dtype)
        q, scale = on_every_isa("pack", slot(op, x, **layout), lambda door, x=x: getattr(door, op)(x, **layout))
        expected, expected_scale = oracle(x, op, **layout)
        np.testing.assert_array_equal(integers(q, op, shape[1]), expected)
        assert scale.tobytes() == expected_scale.tobytes() and scale.shape == expected_scale.shape
        for got, wanted in zip(getattr(reference, op)(x, **layout), (q, scale), strict=True):
            assert got.dtype == wanted.dtype and got.shape == wanted.shape and got.tobytes() == wanted.tobytes()


@every_op
@every_type
def test_the_error_is_as_stated(door_of, op, dtype):
    x = np.random.default_rng(1).normal(size=(6, 50)).astype(dtype)
    q, scale = getattr(door_of("pack"), op)(x)
    most = {"to_int8": "0.50002", "to_int16": "0.506", "to_int4": "0.50001"}[op]
    for row, packed, step in zip(x.tolist(), integers(q, op, 50).tolist(), scale.tolist(), strict=True):
        for value, integer in zip(row, packed, strict=True):
            assert abs(Fraction(value) - integer * Fraction(step)) <= Fraction(most) * Fraction(step)
            assert abs(integer) <= LIMITS[op]


@every_op
@every_type
@every_layout
def test_ties_go_to_even(on_every_isa, op, dtype, layout):
    limit = LIMITS[op]
    values = np.arange(-limit, limit) + 0.5
    if "group" in layout or layout.get("axis") == "channel":
        values = values[: 60 if layout.get("axis") == "channel" else 30]
        # Each block holds its limit, so that its scale is 1.
        ends = np.full((len(values), 1), float(limit))
        x = np.concatenate([ends, np.repeat(values[:, None], 15, 1)], axis=1)
        x = x if "group" in layout else x.T
    else:
        x = np.concatenate([values, [limit, -limit, -0.0]])[None]
    x = np.ascontiguousarray(x, dtype)
    q, scale = on_every_isa("pack", slot(op, x, **layout), lambda door: getattr(door, op)(x, **layout))
    assert (scale == 1).all()
    np.testing.assert_array_equal(integers(q, op, x.shape[1]), np.rint(x))


@every_op
@every_type
def test_extreme_rows_come_back_finite(on_every_isa, op, dtype):
    info = np.finfo(dtype)
    values = [info.max, -info.max, info.tiny, info.tiny / 2, info.smallest_subnormal, 0.0, 127 * info.tiny, 126 * info.tiny]
    x = np.array([[v, -v, v / 3, 0] for v in values], dtype)
    q, scale = on_every_isa("pack", slot(op, x), lambda door: getattr(door, op)(x))
    expected, expected_scale = oracle(x, op)
    np.testing.assert_array_equal(integers(q, op, 4), expected)
    assert np.isfinite(scale).all() and (scale >= info.tiny).all() and scale.tobytes() == expected_scale.tobytes()
    assert integers(q, op, 4)[0].tolist() == [LIMITS[op], -LIMITS[op], round(LIMITS[op] / 3), 0]
    back = reference.to_float32 if dtype == np.float32 else reference.to_float64
    assert np.isfinite(back(q, scale)).all()


def test_int4_stand_two_a_byte_even_column_low(door_of):
    x = np.array([[1, -2, 7, -7, 3]], np.float32)
    for packing in (door_of("pack"), reference):
        q, scale = packing.to_int4(x)
        assert q.dtype == np.uint8 and scale.tolist() == [1]
        assert [f"{byte:02x}" for byte in q[0]] == ["e1", "97", "03"]  # an odd row ends with a half byte of 0


@every_op
@pytest.mark.parametrize("dtype, shape", [(np.float32, (7, 1_200_011)), (np.float64, (7, 700_009)), (np.float32, (9000, 1024))])
def test_arrays_that_pass_by_the_caches(on_every_isa, op, dtype, shape):
    x = np.resize(floats((1, 99_991), dtype), shape)  # rows of odd lengths begin at every alignment
    kind, info = np.dtype(dtype).type, np.finfo(dtype)
    groups = [(row, start) for row in range(0, shape[0], shape[0] // 3) for start in (0, (shape[1] - 1) // 1040 * 1040)]
    for layout in ({}, {"axis": "channel"}, {"group": 1040}, {"group": 64}):
        q, scale = on_every_isa("pack", slot(op, x, **layout), lambda door, layout=layout: getattr(door, op)(x, **layout))
        if layout == {"group": 64}:
            continue  # the same on every instruction set; small arrays are compared with the oracle
        if layout.get("group"):  # the first and the last, shorter group of some rows
            for row, start in groups:
                block = x[row : row + 1, start : start + 1040]
                expected, expected_scale = oracle(block, op)
                first, width = start * BITS[op] // 8 // q.itemsize, (block.shape[1] * BITS[op] + 7) // 8 // q.itemsize
                packed = q[row : row + 1, first : first + width]
                np.testing.assert_array_equal(integers(packed, op, block.shape[1]), expected)
                assert scale[row, start // 1040] == expected_scale[0]
            continue
        largest = np.abs(x).max(axis=0 if layout else 1)
        np.testing.assert_array_equal(scale, np.maximum(largest / kind(LIMITS[op]), info.tiny))
        if BITS[op] == 4:
            q = np.stack([q & 15, q >> 4], axis=2).reshape(len(q), -1)
            q = ((q ^ 8).astype(np.int8) - np.int8(8))[:, : shape[1]]
        picked = np.r_[: min(3000, shape[1]), max(0, shape[1] - 3000) : shape[1]]
        factor = kind(1) / (scale[picked] if layout else scale[:, None])
        with np.errstate(under="ignore"):
            np.testing.assert_array_equal(q[:, picked], np.rint(x[:, picked] * factor))


def test_every_slot_is_tested(door_of):
    packed = {(op, layout, dtype) for op in LIMITS for layout in ("groups", "columns") for dtype in ("float32", "float64")}
    back = {
        (op, layout, dtype)
        for op in ("to_float32", "to_float64")
        for layout in ("groups", "columns")
        for dtype in ("int8", "int16", "int4")
    }
    flat = {("to_float16", "flat", dtype) for dtype in ("float32", "float64")}
    flat |= {(op, "flat", "float16") for op in ("to_float32", "to_float64")}
    assert {kernel[:3] for kernel in door_of("pack").kernels()} == packed | back | flat
