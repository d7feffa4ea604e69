"""Exact integer products: against Python's integers, and every ISA against scalar, bit for bit."""

import numpy as np
import pytest

from quantcore.reference import dense as reference

SLOTS = {dtype: ("dot", "blocks", dtype) for dtype in ("int8", "int4", "int16")}
LIMIT = {"int8": 127, "int4": 7, "int16": 32767}
# (rows, features, outputs): every width of a group, every tail of a block, rows that fill a register tile and rows beside it.
SHAPES = [
    *((9, 70, outputs) for outputs in range(1, 10)),
    *(
        (1, features, 5)
        for features in (1, 2, 3, 15, 16, 17, 31, 32, 33, 63, 64, 65, 127, 128, 129, 191, 192, 193, 255, 256, 300)
    ),
    *((rows, 130, 7) for rows in (2, 3, 4, 5, 7, 8, 12, 17)),
    (1, 30, 2),
    (3, 4095, 3),
    (3, 4096, 2),
    (5, 4097, 6),
    (2, 8193, 5),
    (70, 784, 10),
    (40, 1024, 100),
]


def problem(dtype, rows, features, outputs, seed=0):
    rng = np.random.default_rng(seed)
    array = np.int16 if dtype == "int16" else np.int8
    least = np.iinfo(array).min  # of rows: the kernels take it, weights never hold it
    x = rng.integers(least, -least, (rows, features)).astype(array)
    return x, rng.integers(-LIMIT[dtype], LIMIT[dtype] + 1, (features, outputs)).astype(array)


def wrap(door, weights, dtype, scale=None):
    return door.Weights(weights, scale, int4=dtype == "int4")


@pytest.mark.parametrize("dtype", SLOTS)
@pytest.mark.parametrize("rows, features, outputs", SHAPES)
def test_products(on_every_isa, dtype, rows, features, outputs):
    x, weights = problem(dtype, rows, features, outputs)
    (got,) = on_every_isa("dense", SLOTS[dtype], lambda door: [wrap(door, weights, dtype).dot(x)])
    expected = x.astype(np.int64) @ weights.astype(np.int64)
    assert got.dtype == (np.int64 if dtype == "int16" else np.int32)
    assert (got == expected).all()
    assert (reference.dot(x, weights) == got).all() and reference.dot(x, weights).dtype == got.dtype


@pytest.mark.parametrize("dtype", SLOTS)
@pytest.mark.parametrize("features", [1 << 17, (1 << 17) + 1, 3 * (1 << 17)])
@pytest.mark.parametrize("outputs", [1, 4, 6])
def test_extreme_sums(on_every_isa, dtype, features, outputs):
    """All products as large as can be, of one sign: at the most features whose sum fits int32, and beyond."""
    array = np.int16 if dtype == "int16" else np.int8
    least = int(np.iinfo(array).min)
    x = np.array([[least], [-least - 1]], array).repeat(features, axis=1)
    weights = np.full((features, outputs), LIMIT[dtype], array)
    weights[:, ::2] *= -1
    (got,) = on_every_isa("dense", SLOTS[dtype], lambda door: [wrap(door, weights, dtype).dot(x)])
    signs = [-1 if k % 2 == 0 else 1 for k in range(outputs)]
    assert got.tolist() == [[int(x[r, 0]) * LIMIT[dtype] * sign * features for sign in signs] for r in range(2)]
    assert got.dtype == (np.int64 if dtype == "int16" or features > 1 << 17 else np.int32)


@pytest.mark.parametrize("dtype", SLOTS)
def test_pairs_of_extremes(on_every_isa, dtype):
    """Neighbours of opposite and of equal sign: what saturates in between would show."""
    x, weights = problem(dtype, 16, 256, 16, seed=3)
    least, most = np.iinfo(x.dtype).min, np.iinfo(x.dtype).max
    rng = np.random.default_rng(4)
    x = rng.choice(np.array([least, most], x.dtype), x.shape)
    weights = rng.choice(np.array([-LIMIT[dtype], LIMIT[dtype]], x.dtype), weights.shape)
    x[0], weights[:, 0] = least, -LIMIT[dtype]
    (got,) = on_every_isa("dense", SLOTS[dtype], lambda door: [wrap(door, weights, dtype).dot(x)])
    assert (got == x.astype(np.int64) @ weights.astype(np.int64)).all()


def test_many_rows_and_steps(door_of):
    """Blocks of rows, several steps, the GIL released: each row as if it were alone."""
    x, weights = problem("int8", 3000, 500, 130)
    model = door_of("dense").Weights(weights)
    got = model.dot(x)
    assert (got == x.astype(np.int64) @ weights.astype(np.int64)).all()
    assert (model.dot(x[2999:]) == got[2999:]).all()
