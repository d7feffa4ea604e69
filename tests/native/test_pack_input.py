"""What the packing door takes and refuses, beside the reference."""

import numpy as np
import pytest

from quantcore.reference import pack as reference

PACKING = ("to_int8", "to_int16", "to_int4")
CALLS = [(call, dtype) for call in (*PACKING, "to_float16") for dtype in (np.float32, np.float64)]
CALLS += [("to_float32", np.float16), ("to_float64", np.float16)]
FINITE = "only finite values can be packed; clean or impute them first"


@pytest.fixture(params=["compiled", "reference"])
def packing(request, door_of):
    return door_of("pack") if request.param == "compiled" else reference


@pytest.fixture
def everywhere(packing, isas):
    """Select each instruction set in turn; the reference is one more."""

    def each():
        for isa in isas if hasattr(packing, "select") else ["numpy"]:
            if isa != "numpy":
                packing.select(isa)
            yield isa

    return each


def parts(result):
    return result if isinstance(result, tuple) else (result,)


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("position", [(0, 0), (1, 36), (2, 3), (17, 36)])
@pytest.mark.parametrize("call, dtype", CALLS)
def test_nonfinite_is_refused_by_name(packing, everywhere, call, dtype, position, bad):
    x = np.ones((18, 37), dtype)
    x[position] = bad
    x[17, 36] = bad  # the first one is named
    for _ in everywhere():
        for layout in ({}, {"axis": "channel"}, {"group": 16}) if call in PACKING else ({},):
            with pytest.raises(ValueError) as raised:
                getattr(packing, call)(x, **layout)
            assert str(raised.value) == f"x[{position[0]}, {position[1]}] is {bad}: {FINITE}"


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_nonfinite_is_seen_wherever_it_stands(packing, everywhere, dtype):
    for n in (20, 33, 70, 300):
        for _ in everywhere():
            for j in range(n):
                x = np.zeros((17, n), dtype)
                x[j % 17, j] = np.nan
                for call in (packing.to_int8, packing.to_float16):
                    with pytest.raises(ValueError, match=rf"x\[{j % 17}, {j}\] is nan"):
                        call(x)
                with pytest.raises(ValueError, match=rf"x\[{j % 17}, {j}\] is nan"):
                    packing.to_int4(x, axis="channel")


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_scales_that_are_not_finite_are_refused_by_name(packing, everywhere, bad):
    q, scale = np.ones((40, 50), np.int8), np.ones((40, 4), np.float32)
    scale[3, 2] = bad
    for _ in everywhere():
        with pytest.raises(ValueError, match=rf"scale\[3, 2\] is {bad}: only finite scales can be unpacked"):
            packing.to_float32(q, scale, group=16)
        with pytest.raises(ValueError, match=rf"scale\[14\] is {bad}: only finite scales can be unpacked"):
            packing.to_float64(q, scale.ravel()[:40])
        with pytest.raises(ValueError, match=rf"scale\[14\] is {bad}: only finite scales can be unpacked"):
            packing.to_float64(q[:40, :], np.append(scale.ravel()[:40], np.ones(10, np.float32)), axis="channel")


def test_nonfinite_is_found_beyond_the_first_step(door_of):
    x = np.zeros((1 << 24) + 3, np.float32)  # a step is 2**24 values
    x[-1] = np.nan
    with pytest.raises(ValueError, match=r"x\[16777218\] is nan"):
        door_of("pack").to_float16(x)
    with pytest.raises(ValueError, match=r"x\[5592405, 2\] is nan"):
        door_of("pack").to_int8(x[1:].reshape(-1, 3))


def test_steps_join(door_of):
    """Rows, groups and columns that take several steps are packed as one by one."""
    door = door_of("pack")
    tall = np.resize(np.random.default_rng(0).normal(size=100_003).astype(np.float32), (260_000, 130))
    q, scale = door.to_int4(tall, group=48)
    back = door.to_float32(q, scale, group=48)
    for got, expected in zip((q[-5:], scale[-5:]), door.to_int4(tall[-5:], group=48), strict=True):
        np.testing.assert_array_equal(got, expected)
    np.testing.assert_array_equal(back[-5:], door.to_float32(q[-5:], scale[-5:], group=48))
    q, scale = door.to_int8(tall, axis="channel")
    for j in (0, 63, 64, 129):
        column, step = door.to_int8(np.ascontiguousarray(tall[:, j : j + 1]), axis="channel")
        assert scale[j] == step[0]
        np.testing.assert_array_equal(q[:, j], column[:, 0])


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
        lambda x: x.view(np.memmap),
    ],
    ids=["strided", "reversed", "transposed", "fortran", "swapped", "readonly", "unaligned", "subclass"],
)
def test_odd_but_valid_input(packing, call, dtype, change):
    if packing is not reference:
        packing.select("scalar")  # where the sanitizers see every access
    x = np.random.default_rng(3).normal(size=(20, 37)).astype(dtype)
    plain = np.array(change(x), dtype, order="C")
    for a, b in zip(parts(getattr(packing, call)(change(x))), parts(getattr(packing, call)(plain)), strict=True):
        assert type(a) is np.ndarray
        np.testing.assert_array_equal(a, b)


@pytest.mark.parametrize("dtype", [np.int8, np.int16, np.uint8])
def test_odd_but_valid_packed_input(packing, dtype):
    q = np.random.default_rng(0).integers(0, 100, (20, 38)).astype(dtype)
    scale = np.arange(40, dtype=np.float32)
    plain = packing.to_float32(np.ascontiguousarray(q[::2]), scale[::4].copy())
    for odd in (q[::2], q[::2].astype(q.dtype.newbyteorder(">")), np.asfortranarray(q[::2])):
        np.testing.assert_array_equal(packing.to_float32(odd, scale[::4]), plain)
        np.testing.assert_array_equal(packing.to_float32(odd, scale[::4].astype(">f4")), plain)


@pytest.mark.parametrize("call", [*PACKING, "to_float16"])
@pytest.mark.parametrize("bad", [np.float16, np.int8, np.complex64, object, "U3"])
def test_other_dtypes_are_refused(packing, call, bad):
    message = f"expected an array of float32 or float64, got {np.dtype(bad)}; convert it first: x.astype"
    with pytest.raises(TypeError) as raised:
        getattr(packing, call)(np.zeros((2, 2)).astype(bad))
    assert str(raised.value).startswith(message)


@pytest.mark.parametrize("call", ["to_float32", "to_float64"])
@pytest.mark.parametrize("bad", [np.float32, np.int32, object])
def test_other_packed_dtypes_are_refused(packing, call, bad):
    with pytest.raises(TypeError, match=f"expected an array of float16 or int8 or int16 or uint8, got {np.dtype(bad)}"):
        getattr(packing, call)(np.zeros((2, 2)).astype(bad), np.ones(2, np.float32))


@pytest.mark.parametrize("shape", [(), (3,), (1, 2, 3)])
@pytest.mark.parametrize("call", PACKING)
def test_integers_are_of_rows(packing, call, shape):
    with pytest.raises(ValueError, match="expected a 2-d array of rows"):
        getattr(packing, call)(np.zeros(shape, np.float32))
    with pytest.raises(ValueError, match="expected a 2-d array of rows"):
        packing.to_float32(np.zeros(shape, np.int8), np.ones(3, np.float32))


@pytest.mark.parametrize("shape", [(), (3,), (1, 2, 3)])
def test_float16_is_of_any_shape(packing, shape):
    h = packing.to_float16(np.ones(shape, np.float64))
    assert h.shape == shape and packing.to_float32(h).shape == shape


@pytest.mark.parametrize("group", [0, -16, 15, 24, 16.0, "16", 2**70 + 1])
def test_groups_that_are_refused(packing, group):
    with pytest.raises(ValueError, match="expected group=None or a positive multiple of 16, got "):
        packing.to_int8(np.ones((2, 40), np.float32), group=group)


def test_layouts_that_are_refused(packing):
    x = np.ones((2, 40), np.float32)
    with pytest.raises(ValueError, match="unknown axis 'column'; expected 'row' or 'channel'"):
        packing.to_int8(x, axis="column")
    with pytest.raises(ValueError, match="group=16 needs axis='row', got axis='channel'"):
        packing.to_int8(x, axis="channel", group=16)


@pytest.mark.parametrize("n_columns", [0, 5, 40])
def test_a_group_longer_than_a_row_is_the_row(packing, n_columns):
    x = np.random.default_rng(0).normal(size=(3, n_columns)).astype(np.float32)
    for group in (48, 1 << 62):
        q, scale = packing.to_int4(x, group=group)
        assert scale.shape == (3, min(1, n_columns))
        expected, expected_scale = packing.to_int4(x)
        np.testing.assert_array_equal(q, expected)
        np.testing.assert_array_equal(scale.ravel(), expected_scale[: scale.size])


def test_unpacking_that_does_not_fit_is_refused(packing):
    q, scale = packing.to_int4(np.ones((3, 5), np.float32))
    assert packing.to_float32(q, scale).shape == (3, 6) and packing.to_float32(q, scale, n_columns=5).shape == (3, 5)
    for n_columns in (4, 7, -1):
        with pytest.raises(ValueError, match=rf"n_columns={n_columns} does not fit rows of 3 uint8 \(two int4 each\)"):
            packing.to_float32(q, scale, n_columns=n_columns)
    with pytest.raises(ValueError, match="n_columns=4 does not fit rows of 3 int8"):
        packing.to_float32(q.view(np.int8), scale, n_columns=4)
    for layout, shape in (({}, "(3,)"), ({"axis": "channel"}, "(6,)"), ({"group": 16}, "(3, 1)")):
        with pytest.raises(ValueError) as raised:
            packing.to_float32(q, np.ones(4, np.float32), **layout)
        assert str(raised.value) == f"expected scale of shape {shape}, got (4,); pass axis and group as in packing"


def test_scales_are_asked_for(packing):
    q = np.ones((2, 2), np.int8)
    with pytest.raises(TypeError, match="int8 needs the scale that it was packed with"):
        packing.to_float32(q)
    with pytest.raises(TypeError, match="expected an array of float32, got float64"):
        packing.to_float32(q, np.ones(2))
    with pytest.raises(TypeError, match="float16 has no scale: expected the array alone"):
        packing.to_float32(q.astype(np.float16), np.ones(2, np.float32))
