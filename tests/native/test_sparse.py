"""Linear scores of CSR rows: against sums in NumPy, and every ISA against scalar, bit for bit."""

import numpy as np
import pytest

INT8 = ("scores", "csr", "int8")
FLOAT32 = ("scores", "csr", "float32")
WIDTHS = [1, 2, 7, 15, 16, 17, 28, 64, 77, 96, 97, 112, 151, 255, 256, 257, 300, 700]


def csr(n_rows, n_columns, mean, dtype=np.int32, seed=0):
    rng = np.random.default_rng(seed)
    lengths = rng.poisson(mean, n_rows) * (rng.random(n_rows) > 0.1)
    indptr = np.concatenate([[0], np.cumsum(lengths)]).astype(dtype)
    return indptr, rng.integers(0, n_columns, indptr[-1]).astype(dtype), rng.normal(size=indptr[-1]).astype(np.float32)


def weights(n_stored, n_outputs, seed=1):
    rng = np.random.default_rng(seed)
    rows = rng.integers(-128, 128, (n_stored, n_outputs)).astype(np.int8)
    return rows, (rng.random(n_stored) * 2.0 ** rng.integers(-20, 10, n_stored)).astype(np.float32)


def in_order(indptr, indices, data, dense):
    """Sums over the features in order, each product and each sum rounded to the dtype of ``dense``'s rows."""
    out = np.zeros((len(indptr) - 1, dense(0, data[:1].sum()).shape[0]), dense(0, data[:1].sum()).dtype)
    for row in range(len(out)):
        for i in range(indptr[row], indptr[row + 1]):
            out[row] += dense(indices[i], data[i])
    return out


@pytest.mark.parametrize("dtype", [np.int32, np.int64])
@pytest.mark.parametrize("indexed", [False, True])
@pytest.mark.parametrize("n_outputs", WIDTHS)
def test_int8_rows(on_every_isa, n_outputs, indexed, dtype):
    rows, scale = weights(50, n_outputs)
    index = np.random.default_rng(2).integers(0, 50, 120).astype(np.uint32) if indexed else None
    indptr, indices, data = csr(30, 120 if indexed else 50, 9, dtype)
    stored = index if indexed else np.arange(50)

    (got,) = on_every_isa("sparse", INT8, lambda door: [door.Int8Rows(rows, scale, index).scores(indptr, indices, data)])
    expected = in_order(indptr, indices, data, lambda j, x: np.float32(x * scale[stored[j]]) * rows[stored[j]].astype(np.float32))
    assert got.shape == (30, n_outputs)
    assert got.tobytes() == expected.tobytes()

    # The bound of the README against the sum in float64: n + 2 roundings, each at most 2**-24.
    def exact(j, x):
        return np.float64(x) * np.float64(scale[stored[j]]) * rows[stored[j]].astype(np.float64)

    magnitude = in_order(indptr, indices, data, lambda j, x: np.abs(exact(j, x)))
    n = np.diff(indptr)[:, None] + 2
    assert (np.abs(got - in_order(indptr, indices, data, exact)) <= n * 2.0**-24 / (1 - n * 2.0**-24) * magnitude).all()


@pytest.mark.parametrize("dtype", [np.int32, np.int64])
def test_float32_column(on_every_isa, dtype):
    column = np.random.default_rng(4).normal(size=500).astype(np.float32)
    indptr, indices, data = csr(100, 500, 12, dtype)
    (got,) = on_every_isa("sparse", FLOAT32, lambda door: [door.Float32Column(column).scores(indptr, indices, data)])
    assert got.tobytes() == in_order(indptr, indices, data, lambda j, x: np.array([x * column[j]])).tobytes()


def test_every_slot_is_tested_here(door_of):
    assert {kernel[:3] for kernel in door_of("sparse").kernels()} == {INT8, FLOAT32}


def test_a_row_has_the_same_bits_in_any_batch(door_of, isas):
    rows, scale = weights(200, 151)
    indptr, indices, data = csr(64, 200, 15)
    for isa in isas:
        door = door_of("sparse")
        door.select(isa)
        model = door.Int8Rows(rows, scale)
        whole = model.scores(indptr, indices, data)
        for i in range(64):
            part = slice(indptr[i], indptr[i + 1])
            one = model.scores(np.array([0, part.stop - part.start], np.int32), indices[part], data[part])
            assert one.tobytes() == whole[i].tobytes()


def test_work_in_several_steps(door_of):
    """More products than one step between two looks for signals: with the GIL released, the same sums."""
    rows, scale = weights(10, 16)
    n = 9_000_000
    indptr = np.arange(0, n + 1, 1000, dtype=np.int64)
    indices, data = np.tile(np.arange(10, dtype=np.int64), n // 10), np.ones(n, np.float32)
    got = door_of("sparse").Int8Rows(rows, scale).scores(indptr, indices, data)
    first = door_of("sparse").Int8Rows(rows, scale).scores(indptr[:2], indices[:1000], data[:1000])
    assert (got == first).all()


def test_empty(door_of):
    door = door_of("sparse")
    none = np.empty(0, np.float32)
    for model, width in ((door.Int8Rows(*weights(3, 5)), 5), (door.Float32Column(np.ones(3, np.float32)), 1)):
        assert model.shape == (3, width)
        assert model.scores([0], np.empty(0, int), none).shape == (0, width)
        assert model.scores(np.zeros(4, np.int32), np.empty(0, np.int32), none).tolist() == [[0.0] * width] * 3
    assert door.Int8Rows(*weights(0, 5)).scores([0, 0], np.empty(0, int), none).tolist() == [[0.0] * 5]


def test_odd_but_valid_input(door_of):
    door_of("sparse").select("scalar")  # where the sanitizers see every access
    rows, scale = weights(50, 20)
    model = door_of("sparse").Int8Rows(rows, scale)
    indptr, indices, data = csr(30, 50, 9)
    expected = model.scores(indptr, indices, data)
    swapped = [a.astype(a.dtype.newbyteorder(">")) for a in (indptr, indices, data)]
    strided = [np.repeat(a, 2)[::2] for a in (indptr, indices, data)]
    readonly = [np.frombuffer(a.tobytes(), a.dtype) for a in (indptr, indices, data)]
    unaligned = [np.frombuffer(b"\0" + a.tobytes(), np.uint8)[1:].view(a.dtype) for a in (indptr, indices, data)]
    for given in (
        swapped,
        strided,
        readonly,
        unaligned,
        [indptr.astype(np.int64), indices, data],
        [indptr, indices.astype(np.int64), data],
    ):
        assert model.scores(*given).tobytes() == expected.tobytes()
    again = door_of("sparse").Int8Rows(np.asfortranarray(rows), scale.astype(">f4"), np.arange(50, dtype=">i4"))
    assert again.scores(indptr, indices, data).tobytes() == expected.tobytes()


def test_index_is_copied(door_of):
    rows, scale = weights(4, 3)
    index = np.zeros(2, np.uint32)
    model = door_of("sparse").Int8Rows(rows, scale, index)
    index[:] = 4_000_000_000
    assert model.scores([0, 1], [1], np.ones(1, np.float32)).shape == (1, 3)


ONES = np.ones(2, np.float32)


@pytest.mark.parametrize(
    "indptr, indices, data, error, message",
    [
        ([0, 2], [0, 3], ONES, ValueError, "column index out of range: these weights have 3 features"),
        ([0, 2], [-1, 0], ONES, ValueError, "column index out of range"),
        (np.array([0, 2], np.int32), np.array([0, -1], np.int32), ONES, ValueError, "column index out of range"),
        ([0, 2], [1 << 40, 0], ONES, ValueError, "column index out of range"),
        ([0, 3, 2], [0, 1], ONES, ValueError, "indptr must rise from 0 to the number of values, 2"),
        ([0, -1, 2], [0, 1], ONES, ValueError, "indptr must rise"),
        ([1, 2], [0, 1], ONES, ValueError, "indptr must rise"),
        ([0, 1], [0, 1], ONES, ValueError, "indptr must rise"),
        ([0, 3], [0, 1], ONES, ValueError, "indptr must rise"),
        (np.empty(0, int), [0, 1], ONES, ValueError, "0 row boundaries, 2 indices, 2 values"),
        ([0, 2], [0], ONES, ValueError, "1 indices, 2 values"),
        ([0, 2], [0, 1], np.ones(2), TypeError, "data: expected float32, got float64; convert it first"),
        ([0, 2], [0.0, 1.0], ONES, TypeError, "indices: expected int32 or int64, got float64"),
        ([[0, 2]], [0, 1], ONES, ValueError, r"indptr: expected 1 dimension\(s\), got 2"),
    ],
)
def test_bad_input(door_of, indptr, indices, data, error, message):
    door = door_of("sparse")
    for model in (door.Int8Rows(*weights(3, 5)), door.Float32Column(np.ones(3, np.float32))):
        with pytest.raises(error, match=message):
            model.scores(indptr, indices, data)


@pytest.mark.parametrize(
    "change, error, message",
    [
        ({"rows": np.zeros((3, 2))}, TypeError, "rows: expected int8, got float64"),
        ({"rows": np.zeros(3, np.int8)}, ValueError, r"rows: expected 2 dimension\(s\), got 1"),
        ({"scale": np.ones(2, np.float32)}, ValueError, "3 rows, 2 scales"),
        ({"index": np.array([0, 3], np.uint32)}, ValueError, "row numbers from 0 to 2, found 0 to 3"),
        ({"index": np.array([0, -1], np.int32)}, ValueError, "row numbers from 0 to 2, found -1 to 0"),
        ({"index": np.array([0.0])}, TypeError, "index: expected uint32 or int32, got float64"),
    ],
)
def test_bad_weights(door_of, change, error, message):
    given = {"rows": np.zeros((3, 2), np.int8), "scale": np.ones(3, np.float32), **change}
    with pytest.raises(error, match=message):
        door_of("sparse").Int8Rows(**given)
