"""Float scores of dense rows: the reference's order bit for bit, its error bound against exact fractions."""

from fractions import Fraction

import numpy as np
import pytest

from quantcore.reference import dense as reference

SLOTS = {dtype: ("scores", "blocks", dtype) for dtype in ("float32", "float16", "int8", "int16", "int4")}
SHAPES = [
    *((9, 70, outputs) for outputs in range(1, 10)),
    *(
        (1, features, 5)
        for features in (1, 2, 15, 16, 17, 31, 32, 33, 47, 48, 63, 64, 65, 112, 127, 128, 129, 143, 144, 255, 257)
    ),
    *((rows, 130, 7) for rows in (2, 3, 4, 5, 7, 8, 12, 17)),
    (1, 30, 2),
    (3, 4097, 3),
    (70, 784, 10),
    (40, 1024, 100),
]


def problem(dtype, rows, features, outputs, seed=0):
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(rows, features)) * 2.0 ** rng.integers(-30, 30, features)
    if dtype.startswith("float"):
        weights = (rng.normal(size=(features, outputs)) * 2.0 ** rng.integers(-20, 10, (features, 1))).astype(dtype)
    else:
        limit = {"int8": 127, "int16": 32767, "int4": 7}[dtype]
        weights = rng.integers(-limit, limit + 1, (features, outputs)).astype(np.int16 if dtype == "int16" else np.int8)
    return x.astype(np.float32), weights, rng.normal(size=outputs).astype(np.float32)


def wrap(door, weights, dtype, scale=None):
    return door.Weights(weights, scale, int4=dtype == "int4")


@pytest.mark.parametrize("dtype", SLOTS)
@pytest.mark.parametrize("rows, features, outputs", SHAPES)
def test_scores(on_every_isa, dtype, rows, features, outputs):
    x, weights, scale = problem(dtype, rows, features, outputs)
    scaled, plain = on_every_isa(
        "dense", SLOTS[dtype], lambda door: [wrap(door, weights, dtype, s).scores(x) for s in (scale, None)]
    )
    assert scaled.shape == (rows, outputs) and scaled.dtype == np.float32
    assert scaled.tobytes() == reference.scores(x, weights, scale).tobytes()
    assert plain.tobytes() == reference.scores(x, weights).tobytes()


@pytest.mark.parametrize("dtype", SLOTS)
@pytest.mark.parametrize("features", [1, 16, 17, 100, 784])
def test_the_bound_of_the_readme(door_of, dtype, features):
    """Against exact fractions: a product, its sum in one of 16 lanes, four levels of a tree, a scale."""
    x, weights, scale = problem(dtype, 3, features, 2, seed=1)
    got = wrap(door_of("dense"), weights, dtype, scale).scores(x)
    for r in range(3):
        for k in range(2):
            terms = [Fraction(float(a)) * Fraction(float(b)) for a, b in zip(x[r], weights[:, k], strict=True)]
            factor = Fraction(float(scale[k]))
            unit = Fraction(-(-features // 16) + 5, 2**24)
            error = abs(Fraction(float(got[r, k])) - sum(terms) * factor)
            assert error <= unit / (1 - unit) * sum(map(abs, terms)) * abs(factor)


@pytest.mark.parametrize("dtype", SLOTS)
def test_a_row_has_the_same_bits_in_any_batch(door_of, isas, dtype):
    x, weights, scale = problem(dtype, 300, 200, 23)
    door = door_of("dense")
    for isa in isas:
        door.select(isa)
        model = wrap(door, weights, dtype, scale)
        whole = model.scores(x)
        for size in (1, 2, 3, 5, 7, 64):
            parts = [model.scores(x[i : i + size]) for i in range(0, 300, size)]
            assert np.concatenate(parts).tobytes() == whole.tobytes()


@pytest.mark.parametrize("dtype", SLOTS)
def test_infinities_subnormals_and_signed_zeros(door_of, on_every_isa, dtype):
    x, weights, _ = problem(dtype, 6, 40, 5)
    x[0], x[1], x[2, 3], x[3, 39] = 1e-42, -0.0, np.inf, -np.inf
    weights[3], weights[39] = 1, 1
    (got,) = on_every_isa("dense", SLOTS[dtype], lambda door: [wrap(door, weights, dtype).scores(x)])
    assert got.tobytes() == reference.scores(x, weights).tobytes()
    assert (got[2] == np.inf).all() and (got[3] == -np.inf).all()
    x[4, 0] = np.nan
    assert np.isnan(wrap(door_of("dense"), weights, dtype).scores(x)[4]).all()
