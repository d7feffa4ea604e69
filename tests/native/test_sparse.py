"""Scores of CSR rows: against sums in NumPy, and every ISA against scalar, bit for bit."""

from fractions import Fraction

import numpy as np
import pytest

WIDTHS = [1, 2, 7, 15, 16, 17, 28, 64, 77, 96, 97, 112, 151, 255, 256, 257, 300, 700]
DTYPES = ["int4", "int8", "int16", "float16", "float32"]
COLUMN = ("scores", "column", "float32")


def csr(n_rows, n_columns, mean, dtype=np.int32, seed=0):
    rng = np.random.default_rng(seed)
    lengths = rng.poisson(mean, n_rows) * (rng.random(n_rows) > 0.1)
    indptr = np.concatenate([[0], np.cumsum(lengths)]).astype(dtype)
    return indptr, rng.integers(0, n_columns, indptr[-1]).astype(dtype), rng.normal(size=indptr[-1]).astype(np.float32)


def weights(n_stored, n_outputs, dtype="int8", seed=1):
    """Rows of any value that the dtype has (of float16 subnormal ones too), and a scale each."""
    rng = np.random.default_rng(seed)
    shape = n_stored, n_outputs
    if dtype.startswith("int"):
        most = 1 << int(dtype[3:]) - 1
        rows = rng.integers(-most, most, shape).astype(np.int8 if dtype == "int4" else dtype)
    else:
        rows = (rng.normal(size=shape) * 2.0 ** rng.integers(-24, 14, shape)).astype(dtype)
    return rows, (rng.random(n_stored) * 2.0 ** rng.integers(-20, 10, n_stored)).astype(np.float32)


def wrapped(door, dtype, rows, *rest):
    return door.Rows(rows, *rest, **({"bits": 4} if dtype == "int4" else {}))


def in_order(indptr, indices, data, dense, width=None):
    """Sums over the features in order, each product and each sum rounded to the dtype of ``dense``'s rows."""
    one = dense(0, data.dtype.type(1))
    out = np.zeros((len(indptr) - 1, width or len(one)), one.dtype)
    for row in range(len(out)):
        for i in range(indptr[row], indptr[row + 1]):
            out[row] += dense(indices[i], data[i])
    return out


@pytest.mark.parametrize("wide, x_dtype", [(np.int32, np.float32), (np.int64, np.float64)])
@pytest.mark.parametrize("indexed", [False, True])
@pytest.mark.parametrize("n_outputs", WIDTHS)
@pytest.mark.parametrize("dtype", DTYPES)
def test_rows(on_every_isa, dtype, n_outputs, indexed, wide, x_dtype):
    rows, scale = weights(50, n_outputs, dtype)
    index = np.random.default_rng(2).integers(0, 50, 120).astype(np.uint32) if indexed else None
    indptr, indices, data = csr(30, 120 if indexed else 50, 9, wide)
    data = data.astype(np.float64) * 1.1 if x_dtype == np.float64 else data
    stored = index if indexed else np.arange(50)

    def run(door):
        return [wrapped(door, dtype, rows, scale, index).scores(indptr, indices, data)]

    (got,) = on_every_isa("sparse", ("scores", "rows", dtype), run)
    single = data.astype(np.float32)
    expected = in_order(
        indptr, indices, single, lambda j, x: np.float32(x * scale[stored[j]]) * rows[stored[j]].astype(np.float32)
    )
    assert got.shape == (30, n_outputs)
    assert got.tobytes() == expected.tobytes()

    # The bound of the README against the sum in float64: n + 2 roundings, each at most 2**-24.
    def exact(j, x):
        return np.float64(x) * np.float64(scale[stored[j]]) * rows[stored[j]].astype(np.float64)

    magnitude = in_order(indptr, indices, single, lambda j, x: np.abs(exact(j, x)))
    n = np.diff(indptr)[:, None] + 2
    error = np.abs(got - in_order(indptr, indices, single, exact))
    # float16 weights are tiny enough for products below the least normal number, which are rounded absolutely
    assert (error <= n * 2.0**-24 / (1 - n * 2.0**-24) * magnitude + n * 2.0**-149).all()


@pytest.mark.parametrize("dtype", DTYPES)
def test_no_scale_is_a_scale_of_one(on_every_isa, dtype):
    rows, _ = weights(40, 33, dtype)
    x = csr(20, 40, 9)

    def run(door):
        return [wrapped(door, dtype, rows).scores(*x), wrapped(door, dtype, rows, np.ones(40, np.float32)).scores(*x)]

    without, ones = on_every_isa("sparse", ("scores", "rows", dtype), run)
    assert without.tobytes() == ones.tobytes()


@pytest.mark.parametrize("wide, x_dtype", [(np.int32, np.float32), (np.int64, np.float64)])
@pytest.mark.parametrize("kept", [0.0, 0.03, 0.5, 0.999])
@pytest.mark.parametrize("n_outputs", [5, 151, 300])
@pytest.mark.parametrize("dtype", DTYPES)
def test_dropped_features_add_nothing(on_every_isa, dtype, n_outputs, kept, wide, x_dtype):
    """Nonzeros without weights are as if they were not there: more of them than one stage holds, rows longer than one."""
    rng = np.random.default_rng(3)
    rows, scale = weights(60, n_outputs, dtype)
    index = np.where(rng.random(500) < kept, rng.integers(0, 60, 500), -1).astype(np.int32)
    indptr, indices, data = csr(12, 500, 900, wide)
    indptr = np.sort(np.concatenate([indptr, [0, 0, indptr[-1]], indptr[3:6]])).astype(wide)  # empty rows too
    data = data.astype(x_dtype)

    def run(door):
        return [wrapped(door, dtype, rows, scale, index).scores(indptr, indices, data)]

    (got,) = on_every_isa("sparse", ("scores", "rows", dtype), run)
    there = index[indices] >= 0
    boundaries = np.concatenate([[0], np.cumsum(there)])[indptr]
    expected = in_order(
        boundaries,
        index[indices[there]],
        data[there].astype(np.float32),
        lambda j, x: np.float32(x * scale[j]) * rows[j].astype(np.float32),
        width=n_outputs,
    )
    assert got.tobytes() == expected.tobytes()


@pytest.mark.parametrize("dtype", [np.int32, np.int64])
def test_float32_column(on_every_isa, dtype):
    column = np.random.default_rng(4).normal(size=500).astype(np.float32)
    indptr, indices, data = csr(100, 500, 12, dtype)
    (got,) = on_every_isa("sparse", COLUMN, lambda door: [door.Float32Column(column).scores(indptr, indices, data)])
    assert got.tobytes() == in_order(indptr, indices, data, lambda j, x: np.array([x * column[j]])).tobytes()


PRUNED = [
    (5, 0.5),
    (16, 0.9),
    (64, 0.1),
    (65, 0.97),
    (151, 0.9),
    (256, 0.7),
    (257, 0.5),
    (700, 0.99),
    (1000, 0.9),
    (40, 1.0),
    (40, 0.0),
]


@pytest.mark.parametrize("layout", ["Lists", "Masks"])
@pytest.mark.parametrize("n_outputs, zeros", PRUNED)
def test_pruned_layouts_have_the_bits_of_full_rows(on_every_isa, layout, n_outputs, zeros):
    """Zeros add nothing, whatever the sign of the product: sums start from +0, so that they are never -0."""
    rng = np.random.default_rng(5)
    rows, scale = weights(80, n_outputs)
    rows[rng.random(rows.shape) < zeros] = 0
    index = np.where(rng.random(300) < 0.8, rng.integers(0, 80, 300), -1).astype(np.int32)
    indptr, indices, data = csr(25, 300, 40)
    data[rng.random(len(data)) < 0.1] = -0.0
    data[rng.random(len(data)) < 0.1] = -1e-38  # products that vanish
    for given in (index, None):
        columns = indices if given is not None else indices % 80

        def run(door, given=given, columns=columns):
            full = door.Rows(rows, scale, given).scores(indptr, columns, data)
            pruned = getattr(door, layout)(rows, scale, given)
            assert pruned.shape == (80 if given is None else 300, n_outputs)
            return [pruned.scores(indptr, columns, data), full]

        got, full = on_every_isa("sparse", ("scores", layout.lower(), "int8"), run)
        assert got.tobytes() == full.tobytes()
        assert not np.signbit(got[got == 0]).any()


def test_masks_of_infinite_products_are_full_rows(door_of, isas):
    """Infinity times a weight of 0 is NaN on every instruction set. (Its sign differs between CPUs: compared by value.)"""
    door = door_of("sparse")
    rows, scale = weights(20, 70)
    rows[np.random.default_rng(6).random(rows.shape) < 0.7] = 0
    indptr, indices, data = csr(12, 20, 5)
    data[[3, 20, 40]] = np.inf, -np.inf, 3e38
    scale[indices[40]] = 1e3
    for isa in isas:
        door.select(isa)
        full, masks = (layout(rows, scale).scores(indptr, indices, data) for layout in (door.Rows, door.Masks))
        assert np.isnan(full).any(axis=1).sum() == 3, isa
        np.testing.assert_array_equal(masks, full, isa)


def test_pruned_layouts_are_smaller(door_of):
    door = door_of("sparse")
    rows, _ = weights(100, 512)
    rows[np.random.default_rng(0).random(rows.shape) < 0.95] = 0
    nonzero = np.count_nonzero(rows)
    assert door.Lists(rows).nbytes == 3 * nonzero + 64
    assert door.Masks(rows).nbytes == 100 * 64 + nonzero + 64
    assert door.Rows(rows).nbytes == rows.size
    assert door.Rows(rows[:, :500] % 8, bits=4).nbytes == 100 * 256


def planar(n_stored, n_outputs, dtype, centred, seed=6):
    rng = np.random.default_rng(seed)
    info = np.iinfo(dtype)
    rows = rng.integers(info.min, info.max, (n_stored, n_outputs + centred), endpoint=True).astype(dtype)
    return rows, rng.integers(-60, 20, n_stored).astype(np.int16), rng.normal(size=n_outputs)


@pytest.mark.parametrize("n_outputs", [1, 2, 3, 8, 9, 28, 40, 41, 80, 81, 151, 170])
@pytest.mark.parametrize("centred", [False, True])
@pytest.mark.parametrize("dtype", ["int16", "int32"])
def test_exact_integers(on_every_isa, dtype, centred, n_outputs):
    """Each product is the exact one, rounded once; sums and sizes run from left to right."""
    rows, exponent, bias = planar(30, n_outputs, dtype, centred)
    index = np.random.default_rng(2).integers(0, 30, 90).astype(np.uint32)
    for wide, x_dtype, norms in ((np.int32, np.float32, None), (np.int64, np.float64, np.arange(1.0, 16.0) / 7)):
        indptr, indices, data = csr(15, 90, 6, wide)
        data = data.astype(x_dtype)

        def run(door, x=(indptr, indices, data), norms=norms):
            model = door.ExactRows(rows, bias, exponent, index, centred)
            scores, sizes = model.scores(*x, norms, sizes=True)
            return [scores, sizes, model.scores(*x, norms)]

        scores, sizes, again = on_every_isa("sparse", ("exact", "rows", dtype), run)
        assert scores.tobytes() == again.tobytes()
        for row in range(15):
            total, size = np.zeros(n_outputs), 0.0
            for i in range(indptr[row], indptr[row + 1]):
                stored = int(index[indices[i]])
                centre = int(rows[stored, -1]) if centred else 0
                power = Fraction(2) ** int(exponent[stored])
                x = Fraction(float(data[i]))
                total += [float(x * (int(q) + centre) * power) for q in rows[stored, :n_outputs]]
                size += float(abs(x) * power)
            assert scores[row].tobytes() == ((total / norms[row] if norms is not None else total) + bias).tobytes()
            assert sizes[row] == size


def test_exact_products_of_tiny_and_huge_values(on_every_isa):
    """x * 2^e alone would lose bits, or overflow, where the product of all three does not."""
    rows, bias = np.array([[3, 5, 7, -1]] * 4, np.int16), np.zeros(4)
    exponent = np.array([-500, 900, -1000, 900], np.int16)
    data = np.array([1.2345678901234567e-170, 1.2345e36, 1.7e308, 5e-324])
    indptr, indices = np.arange(5, dtype=np.int32), np.arange(4, dtype=np.int32)

    def run(door):
        return [door.ExactRows(rows, bias, exponent).scores(indptr, indices, data)]

    (got,) = on_every_isa("sparse", ("exact", "rows", "int16"), run)
    expected = [
        [float(Fraction(float(x)) * int(q) * Fraction(2) ** int(e)) for q in rows[0]] for x, e in zip(data, exponent, strict=True)
    ]
    assert got.tolist() == expected
    assert (got != 0).all()


@pytest.mark.parametrize("n_outputs", [1, 2, 7, 8, 28, 40, 41, 81, 151])
def test_exact_float64(on_every_isa, n_outputs):
    rng = np.random.default_rng(8)
    rows, bias = rng.normal(size=(50, n_outputs)) * 2.0 ** rng.integers(-40, 40, (50, n_outputs)), rng.normal(size=n_outputs)
    for wide, x_dtype in ((np.int32, np.float64), (np.int64, np.float32)):
        indptr, indices, data = csr(30, 50, 9, wide)
        data = data.astype(x_dtype)

        def run(door, x=(indptr, indices, data)):
            scores, sizes = door.ExactRows(rows, bias).scores(*x, sizes=True)
            return [scores, sizes, door.ExactRows(rows, bias).scores(*x)]

        scores, sizes, again = on_every_isa("sparse", ("exact", "rows", "float64"), run)
        assert scores.tobytes() == again.tobytes()
        double = data.astype(np.float64)
        assert scores.tobytes() == (in_order(indptr, indices, double, lambda j, x: x * rows[j]) + bias).tobytes()
        assert sizes.tobytes() == in_order(indptr, indices, double, lambda j, x: np.abs(x * rows[j])).tobytes()


def test_every_slot_is_tested_here(door_of):
    tested = {("scores", "rows", dtype) for dtype in DTYPES} | {("scores", "lists", "int8"), ("scores", "masks", "int8"), COLUMN}
    tested |= {("exact", "rows", dtype) for dtype in ("float64", "int16", "int32")}
    others = {("labels", "rows", "int8"), ("labels", "rows", "float32"), ("labels", "column", "float32")}  # by test_labels.py
    assert {kernel[:3] for kernel in door_of("sparse").kernels()} == tested | others


def test_a_row_has_the_same_bits_in_any_batch(door_of, isas):
    rows, scale = weights(200, 151)
    rows[:, ::3] = 0
    drops = np.where(np.arange(200) % 3 == 0, -1, np.arange(200)).astype(np.int32)
    indptr, indices, data = csr(64, 200, 15)
    door = door_of("sparse")
    for isa in isas:
        door.select(isa)
        exact = door.ExactRows(rows.astype(np.int16), np.zeros(151), np.zeros(200, np.int16))
        for model in (door.Rows(rows, scale), door.Rows(rows, scale, drops), door.Lists(rows), door.Masks(rows), exact):
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
    door = door_of("sparse")
    exact = door.ExactRows(rows.astype(np.int16), np.zeros(16), np.zeros(10, np.int16))
    for model in (door.Rows(rows, scale), door.Masks(rows), exact):
        got = model.scores(indptr, indices, data)
        assert (got == model.scores(indptr[:2], indices[:1000], data[:1000])).all()
    _, sizes = exact.scores(indptr, indices, data, sizes=True)
    assert (sizes == 1000.0).all()


def models(door, n_features, n_outputs):
    rows, scale = weights(n_features, n_outputs)
    whole = rows.astype(np.int32), np.zeros(n_outputs), np.zeros(n_features, np.int16)
    return [
        door.Rows(rows, scale),
        door.Rows(rows % 8, scale, bits=4),
        door.Lists(rows, scale),
        door.Masks(rows, scale),
        door.ExactRows(*whole),
        door.ExactRows(rows.astype(float), np.zeros(n_outputs)),
    ]


def test_empty(door_of):
    door = door_of("sparse")
    none = np.empty(0, np.float32)
    for model in [*models(door, 3, 5), door.Float32Column(np.ones(3, np.float32))]:
        width = model.shape[1]
        assert model.shape == (3, width)
        assert model.scores([0], np.empty(0, int), none).shape == (0, width)
        assert model.scores(np.zeros(4, np.int32), np.empty(0, np.int32), none).tolist() == [[0.0] * width] * 3
    for model in models(door, 0, 5):
        assert model.scores([0, 0], np.empty(0, int), none).tolist() == [[0.0] * 5]
    rows, scale = weights(0, 5)
    for layout in (door.Rows, door.Lists, door.Masks):
        nothing = layout(rows, scale, np.full(4, -1, np.int32))
        assert nothing.scores([0, 2], [1, 3], ONES).tolist() == [[0.0] * 5]


def test_odd_but_valid_input(door_of):
    door_of("sparse").select("scalar")  # where the sanitizers see every access
    rows, scale = weights(50, 20)
    model = door_of("sparse").Rows(rows, scale)
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
    again = door_of("sparse").Rows(np.asfortranarray(rows), scale.astype(">f4"), np.arange(50, dtype=">i4"))
    assert again.scores(indptr, indices, data).tobytes() == expected.tobytes()


def test_index_is_copied(door_of):
    rows, scale = weights(4, 3)
    index = np.zeros(2, np.uint32)
    model = door_of("sparse").Rows(rows, scale, index)
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
        ([0, 2], [0, 1], np.ones(2, int), TypeError, "data: expected float32 or float64, got int64; convert it first"),
        ([0, 2], [0.0, 1.0], ONES, TypeError, "indices: expected int32 or int64, got float64"),
        ([[0, 2]], [0, 1], ONES, ValueError, r"indptr: expected 1 dimension\(s\), got 2"),
    ],
)
def test_bad_input(door_of, indptr, indices, data, error, message):
    door = door_of("sparse")
    for model in [*models(door, 3, 5), door.Float32Column(np.ones(3, np.float32))]:
        with pytest.raises(error, match=message):
            model.scores(indptr, indices, data)


def test_bad_norms(door_of):
    model = door_of("sparse").ExactRows(np.ones((3, 2)), np.zeros(2))
    with pytest.raises(ValueError, match="one norm per row: 1 rows, 2 norms"):
        model.scores([0, 2], [0, 1], ONES, np.ones(2))


@pytest.mark.parametrize(
    "change, error, message",
    [
        ({"rows": np.zeros((3, 2))}, TypeError, "rows: expected int8.* got float64"),
        ({"rows": np.zeros(3, np.int8)}, ValueError, r"rows: expected 2 dimension\(s\), got 1"),
        ({"rows": np.zeros((3, 0), np.int8)}, ValueError, "rows: expected at least one output"),
        ({"scale": np.ones(2, np.float32)}, ValueError, "3 rows, 2 scales"),
        ({"scale": np.full(3, np.nan, np.float32)}, ValueError, "scale: expected finite numbers"),
        ({"index": np.array([0, 3], np.uint32)}, ValueError, "row numbers from 0 to 2, found 0 to 3"),
        ({"index": np.array([0, -2], np.int32)}, ValueError, "row numbers from 0 to 2, found -2 to 0"),
        ({"index": np.array([0.0])}, TypeError, "index: expected uint32 or int32, got float64"),
    ],
)
def test_bad_weights(door_of, change, error, message):
    door = door_of("sparse")
    given = {"rows": np.zeros((3, 2), np.int8), "scale": np.ones(3, np.float32), **change}
    for layout in (door.Rows, door.Lists, door.Masks):
        with pytest.raises(error, match=message):
            layout(**given)


def test_bad_rows_of_one_layout(door_of):
    door = door_of("sparse")
    with pytest.raises(ValueError, match="int4 weights are from -8 to 7, found -9 to 0"):
        door.Rows(np.array([[0, -9]], np.int8), bits=4)
    with pytest.raises(ValueError, match="bits=3; expected 4"):
        door.Rows(np.array([[0, 1]], np.int8), bits=3)
    with pytest.raises(ValueError, match="rows: expected finite numbers"):
        door.Rows(np.array([[0, np.inf]], np.float16))
    with pytest.raises(ValueError, match="at most 65,536 outputs, got 65537"):
        door.Lists(np.zeros((1, 65537), np.int8))


@pytest.mark.parametrize(
    "change, error, message",
    [
        ({"rows": np.zeros((3, 2), np.int8)}, TypeError, "rows: expected float64 or int16 or int32, got int8"),
        ({"exponent": None}, ValueError, "rows of int16: expected an exponent per row"),
        ({"exponent": np.zeros(2, np.int16)}, ValueError, "3 rows, 2 scales"),
        ({"exponent": np.full(3, 901, np.int16)}, ValueError, "expected -1000 to 900, found 901 to 901"),
        ({"bias": np.zeros(3)}, ValueError, "2 outputs, 3 biases"),
        ({"bias": np.zeros(0), "rows": np.zeros((3, 0), np.int16)}, ValueError, "0 outputs, 0 biases"),
        ({"centred": True}, ValueError, "1 outputs, 2 biases"),
        ({"index": np.array([0, -1], np.int32)}, ValueError, "row numbers from 0 to 2, found -1 to 0"),
        ({"rows": np.full((3, 2), np.nan)}, ValueError, "rows: expected finite numbers"),
    ],
)
def test_bad_exact_weights(door_of, change, error, message):
    given = {"rows": np.zeros((3, 2), np.int16), "bias": np.zeros(2), "exponent": np.zeros(3, np.int16), **change}
    with pytest.raises(error, match=message):
        door_of("sparse").ExactRows(**given)
