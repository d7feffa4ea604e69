"""Packing: against NumPy, and every ISA against scalar, bit for bit."""

import numpy as np
import pytest

from quantcore.reference import pack as reference

SHAPES = [
    (0, 0),
    (0, 5),
    (3, 0),
    (1, 1),
    (2, 7),
    (5, 8),
    (3, 15),
    (4, 16),
    (3, 17),
    (2, 31),
    (2, 63),
    (3, 64),
    (2, 65),
    (40, 100),
    (3, 5000),
]
TINY = np.finfo(np.float32).tiny


def floats(shape, seed=0):
    """float32 over the whole range of exponents, one row in three of ordinary numbers, one of them with zeros."""
    rng = np.random.default_rng(seed)
    x = (rng.normal(size=shape) * 2.0 ** rng.integers(-149, 120, shape)).astype(np.float32)
    x[::3] = rng.normal(size=x[::3].shape)
    x[1::3] *= rng.integers(0, 2, x[1::3].shape)
    return x


def halves():
    """Every finite float16."""
    h = np.arange(1 << 16, dtype=np.uint16).view(np.float16)
    return h[np.isfinite(h)]


def around_halves():
    """Every finite float16, the ties between neighbours, and the float32 on both sides of each tie."""
    ends = np.sort(np.append(halves().astype(np.float32), np.float32(65536)))
    ties = (ends[:-1] + ends[1:]) / np.float32(2)
    return np.concatenate([ends, ties, np.nextafter(ties, np.float32(-np.inf)), np.nextafter(ties, np.float32(np.inf)), -ties])


def oracle_int8(x):
    largest = np.abs(x).max(axis=1, initial=np.float32(0))
    scale = np.maximum(largest / np.float32(127), TINY)
    return np.rint(x * (np.float32(1) / scale)[:, None]).astype(np.int8), scale


@pytest.mark.parametrize("shape", SHAPES)
def test_int8(on_every_isa, shape):
    x = floats(shape)
    q, scale = on_every_isa("pack", ("to_int8", "rows", "float32"), lambda door: door.to_int8(x))
    expected, expected_scale = oracle_int8(x)
    np.testing.assert_array_equal(q, expected)
    np.testing.assert_array_equal(scale, expected_scale)
    for got, wanted in zip(reference.to_int8(x), (q, scale), strict=True):
        assert got.tobytes() == wanted.tobytes()
    exact = np.abs(x.astype(np.float64) - q * scale.astype(np.float64)[:, None])
    assert (exact <= 0.50002 * scale.astype(np.float64)[:, None]).all()
    assert (np.abs(q.astype(int)) <= 127).all()


def test_int8_rounds_ties_to_even(on_every_isa):
    x = np.concatenate([np.arange(-127, 128) + 0.5, [127.0, -127.0, -0.0]]).clip(-127, 127).astype(np.float32)[None]
    q, scale = on_every_isa("pack", ("to_int8", "rows", "float32"), lambda door: door.to_int8(x))
    assert scale[0] == 1
    np.testing.assert_array_equal(q, np.rint(x))


def test_int8_extreme_rows(on_every_isa):
    largest = np.finfo(np.float32).max
    values = [largest, -largest, TINY, TINY / 2, np.float32(1e-45), 0.0, 127 * TINY, 126 * TINY]
    x = np.array([[v, -v, v / 3, 0] for v in values], np.float32)
    q, scale = on_every_isa("pack", ("to_int8", "rows", "float32"), lambda door: door.to_int8(x))
    np.testing.assert_array_equal(q, oracle_int8(x)[0])
    assert np.isfinite(scale).all() and (scale >= TINY).all()
    assert q[0].tolist() == [127, -127, 42, 0]


@pytest.mark.parametrize("n", [0, 1, 7, 8, 15, 16, 17, 31, 33, 1000])
def test_float16_lengths(on_every_isa, n):
    x = np.random.default_rng(n).normal(size=n).astype(np.float32)
    (h,) = on_every_isa("pack", ("to_float16", "flat", "float32"), lambda door: [door.to_float16(x)])
    assert h.tobytes() == x.astype(np.float16).tobytes()
    (back,) = on_every_isa("pack", ("to_float32", "flat", "float16"), lambda door: [door.to_float32(h)])
    assert back.tobytes() == h.astype(np.float32).tobytes()


@pytest.mark.parametrize("x", [around_halves(), floats((300, 333), 1).ravel(), floats((300, 333), 1)])
def test_float16_is_numpys(on_every_isa, x):
    with np.errstate(over="ignore"):
        expected = x.astype(np.float16)
    (h,) = on_every_isa("pack", ("to_float16", "flat", "float32"), lambda door: [door.to_float16(x)])
    assert h.shape == x.shape and h.tobytes() == expected.tobytes()
    assert reference.to_float16(x).tobytes() == expected.tobytes()


def test_every_float16_comes_back(on_every_isa):
    (x,) = on_every_isa("pack", ("to_float32", "flat", "float16"), lambda door: [door.to_float32(halves())])
    assert x.tobytes() == halves().astype(np.float32).tobytes()
    assert reference.to_float32(halves()).tobytes() == x.tobytes()


def test_every_slot_is_tested_here(door_of):
    slots = {kernel[:3] for kernel in door_of("pack").kernels()}
    assert slots == {("to_int8", "rows", "float32"), ("to_float16", "flat", "float32"), ("to_float32", "flat", "float16")}


CALLS = [("to_int8", np.float32), ("to_float16", np.float32), ("to_float32", np.float16)]


@pytest.fixture(params=["compiled", "reference"])
def packing(request, door_of):
    return door_of("pack") if request.param == "compiled" else reference


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("position", [(0, 0), (1, 36), (2, 3), (6, 36)])
@pytest.mark.parametrize("call, dtype", CALLS)
def test_nonfinite_is_refused_by_name(packing, isas, call, dtype, position, bad):
    x = np.ones((7, 37), dtype)
    x[position] = bad
    x[6, 36] = bad  # the first one is named
    for isa in isas if hasattr(packing, "select") else ["numpy"]:
        if isa != "numpy":
            packing.select(isa)
        with pytest.raises(ValueError) as raised:
            getattr(packing, call)(x)
        where = f"x[{position[0]}, {position[1]}] is {bad}:"
        assert str(raised.value) == f"{where} only finite values can be packed; clean or impute them first"


def test_nonfinite_is_found_beyond_the_first_step(door_of):
    x = np.zeros((1 << 24) + 3, np.float32)  # a step is 2**24 values
    x[-1] = np.nan
    with pytest.raises(ValueError, match=r"x\[16777218\] is nan"):
        door_of("pack").to_float16(x)
    with pytest.raises(ValueError, match=r"x\[5592405, 2\] is nan"):
        door_of("pack").to_int8(x[1:].reshape(-1, 3))


@pytest.mark.parametrize("call, dtype", CALLS)
@pytest.mark.parametrize(
    "change",
    [
        lambda x: x[::2, ::3],
        lambda x: x[::-1, ::-1],
        lambda x: x.T,
        lambda x: np.asfortranarray(x),
        lambda x: x.astype(x.dtype.newbyteorder(">")),
        lambda x: np.frombuffer(x.tobytes(), x.dtype).reshape(x.shape),
        lambda x: np.frombuffer(b"\0" + x.tobytes(), np.uint8)[1:].view(x.dtype).reshape(x.shape),
    ],
    ids=["strided", "reversed", "transposed", "fortran", "swapped", "readonly", "unaligned"],
)
def test_odd_but_valid_input(packing, call, dtype, change):
    if packing is not reference:
        packing.select("scalar")  # where the sanitizers see every access
    x = np.random.default_rng(3).normal(size=(20, 37)).astype(dtype)
    plain = np.array(change(x), dtype, order="C")
    got, expected = getattr(packing, call)(change(x)), getattr(packing, call)(plain)
    for a, b in zip(
        np.atleast_1d(got) if call != "to_int8" else got, np.atleast_1d(expected) if call != "to_int8" else expected, strict=True
    ):
        np.testing.assert_array_equal(a, b)


@pytest.mark.parametrize("call, dtype", CALLS)
@pytest.mark.parametrize("bad", [np.float64, np.int8, np.complex64, object, "U3"])
def test_other_dtypes_are_refused(packing, call, dtype, bad):
    with pytest.raises(TypeError, match=f"expected an array of {np.dtype(dtype)}, got {np.dtype(bad)}"):
        getattr(packing, call)(np.zeros((2, 2)).astype(bad))


@pytest.mark.parametrize("shape", [(), (3,), (1, 2, 3)])
def test_int8_takes_rows(packing, shape):
    with pytest.raises(ValueError, match="expected a 2-d array of rows"):
        packing.to_int8(np.zeros(shape, np.float32))
