"""The door to dense products: what it takes, what it refuses, and that nothing it was given can change a model later."""

import threading

import numpy as np
import pytest

INT8 = np.arange(-6, 6, dtype=np.int8).reshape(4, 3)
DTYPES = {
    "float32": (INT8.astype(np.float32), False),
    "float16": (INT8.astype(np.float16), False),
    "int8": (INT8, False),
    "int16": (INT8.astype(np.int16), False),
    "int4": (INT8, True),
}


@pytest.mark.parametrize("dtype", DTYPES)
def test_the_common_interface(door_of, dtype):
    values, int4 = DTYPES[dtype]
    model = door_of("dense").Weights(values, np.ones(3, np.float32), int4=int4)
    assert model.shape == (4, 3) and model.dtype == dtype
    assert 3 * 64 <= model.nbytes < 3 * 64 + 200
    x = np.eye(4, dtype=np.float32)
    assert (model.scores(x) == INT8).all()


def test_every_slot_is_tested(door_of):
    dots = {("dot", "blocks", dtype) for dtype in ("int8", "int4", "int16")}
    assert {kernel[:3] for kernel in door_of("dense").kernels()} == dots | {("scores", "blocks", dtype) for dtype in DTYPES}


@pytest.mark.parametrize("dtype", ["int8", "int4", "int16"])
def test_odd_but_valid_rows(door_of, isas, dtype):
    rng = np.random.default_rng(0)
    values, int4 = rng.integers(-7, 8, (70, 5)).astype(np.int16 if dtype == "int16" else np.int8), dtype == "int4"
    x = rng.integers(-100, 100, (6, 70)).astype(values.dtype)
    for isa in isas:
        door_of("dense").select(isa)
        model = door_of("dense").Weights(values, int4=int4)
        for method, rows in (("dot", x), ("scores", x.astype(np.float32))):
            call = getattr(model, method)
            expected = call(rows)
            for given in odd(rows):
                assert call(given).tobytes() == expected.tobytes()
    again = door_of("dense").Weights(np.asfortranarray(values.astype(values.dtype.newbyteorder(">"))), int4=int4)
    assert (again.dot(x) == model.dot(x)).all()


def odd(x):
    yield x.astype(x.dtype.newbyteorder(">"))
    yield np.asfortranarray(x)
    yield np.repeat(x, 2, axis=1)[:, ::2]
    yield x[::-1].copy()[::-1]
    yield np.frombuffer(x.tobytes(), x.dtype).reshape(x.shape)
    yield np.frombuffer(b"\0" + x.tobytes(), np.uint8)[1:].view(x.dtype).reshape(x.shape)
    yield x.view(type("Rows", (np.ndarray,), {}))


def test_rows_that_end_where_memory_may(door_of, isas):
    """No byte after the last row is read: each row ends its buffer, which the sanitizers watch."""
    rng = np.random.default_rng(1)
    for isa in isas:
        door = door_of("dense")
        door.select(isa)
        for features in (1, 3, 17, 63, 65, 100, 130):
            for dtype, (values, int4) in DTYPES.items():
                weights = rng.integers(-7, 8, (features, 5)).astype(values.dtype)
                model = door.Weights(weights, int4=int4)
                for rows in (1, 2, 5, 8):
                    x = rng.integers(-99, 99, (rows, features)).astype(np.int8)
                    expected = x.astype(np.int64) @ weights.astype(np.int64)
                    assert (model.scores(x.astype(np.float32)) == expected).all()
                    if not dtype.startswith("float"):
                        assert (model.dot(x.astype(np.int16 if dtype == "int16" else np.int8)) == expected).all()


def test_no_rows(door_of):
    model = door_of("dense").Weights(INT8)
    assert model.dot(np.empty((0, 4), np.int8)).shape == (0, 3)
    assert model.scores(np.empty((0, 4), np.float32)).shape == (0, 3)


def test_weights_and_scales_are_copied(door_of):
    values, scale = INT8.copy(), np.full(3, 2, np.float32)
    model = door_of("dense").Weights(values, scale)
    values[:], scale[:] = 0, 0
    assert (model.scores(np.eye(4, dtype=np.float32)) == 2.0 * INT8).all()


def test_threads_share_weights(door_of):
    rng = np.random.default_rng(2)
    weights, x = rng.integers(-127, 128, (600, 40), np.int8), rng.integers(-127, 128, (400, 600), np.int8)
    model, expected, wrong = door_of("dense").Weights(weights), x.astype(np.int64) @ weights.astype(np.int64), []

    def work():
        for _ in range(5):
            if not (model.dot(x) == expected).all():
                wrong.append(1)

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong


@pytest.mark.parametrize(
    "method, x, error, message",
    [
        ("dot", np.zeros((2, 4)), TypeError, "x: expected int8, got float64; convert it first with astype"),
        ("dot", np.zeros((2, 4), np.uint8), TypeError, "x: expected int8, got uint8"),
        ("scores", np.zeros((2, 4)), TypeError, "x: expected float32, got float64"),
        ("scores", [["a"] * 4], TypeError, "x: expected float32"),
        ("dot", np.zeros(4, np.int8), ValueError, r"expected 2 dimensions \(n_rows, n_features\), got 1, shape \(4,\)"),
        ("dot", np.zeros((1, 1, 4), np.int8), ValueError, "got 3, shape"),
        ("dot", np.zeros((2, 5), np.int8), ValueError, "x has 5 features, but these weights have 4"),
        ("scores", np.zeros((4, 2), np.float32), ValueError, "x has 2 features"),
    ],
)
def test_bad_rows(door_of, method, x, error, message):
    with pytest.raises(error, match=message):
        getattr(door_of("dense").Weights(INT8), method)(x)


@pytest.mark.parametrize("dtype", ["float32", "float16"])
def test_float_weights_have_no_integer_products(door_of, dtype):
    with pytest.raises(TypeError, match=f"weights of {dtype} have no integer products; use scores"):
        door_of("dense").Weights(DTYPES[dtype][0]).dot(np.zeros((1, 4), np.int8))


def with_one(dtype, value):
    values = np.zeros((4, 3), dtype)
    values[2, 1] = value
    return values


@pytest.mark.parametrize(
    "values, kwargs, error, message",
    [
        (with_one(np.int8, -128), {}, ValueError, r"weights\[2, 1\] is -128: expected values from -127 to 127"),
        (with_one(np.int16, -32768), {}, ValueError, r"weights\[2, 1\] is -32768: expected values from -32767 to 32767"),
        (with_one(np.int8, -8), {"int4": True}, ValueError, r"weights\[2, 1\] is -8: expected values from -7 to 7"),
        (with_one(np.int8, 8), {"int4": True}, ValueError, r"is 8: expected values from -7 to 7"),
        (with_one(np.float32, np.nan), {}, ValueError, r"weights\[2, 1\] is nan: expected finite values"),
        (with_one(np.float16, -np.inf), {}, ValueError, r"weights\[2, 1\] is -inf: expected finite values"),
        (np.zeros((4, 3)), {}, TypeError, "expected float32, float16, int8 or int16; got float64"),
        (np.zeros((4, 3), np.int16), {"int4": True}, TypeError, "expected int8, for int4; got int16"),
        (np.zeros(4, np.int8), {}, ValueError, r"shape \(n_features, n_outputs\), at least \(1, 1\); got \(4,\)"),
        (np.zeros((0, 3), np.int8), {}, ValueError, r"got \(0, 3\)"),
        (np.zeros((4, 0), np.int8), {}, ValueError, r"got \(4, 0\)"),
        (INT8, {"scale": np.ones(3)}, TypeError, "scale: expected float32, got float64"),
        (INT8, {"scale": np.ones(4, np.float32)}, ValueError, r"one scale per output, shape \(3,\); got shape \(4,\)"),
        (INT8, {"scale": np.array([1, np.inf, 1], np.float32)}, ValueError, "every scale must be finite"),
    ],
)
def test_bad_weights(door_of, values, kwargs, error, message):
    with pytest.raises(error, match=message):
        door_of("dense").Weights(values, **kwargs)
