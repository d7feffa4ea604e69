"""float16: against NumPy and against exact neighbours, and every ISA against scalar, bit for bit."""

import numpy as np
import pytest
from packing import floats

from quantcore.reference import pack as reference

TYPES = {np.float32: "to_float32", np.float64: "to_float64"}
every_type = pytest.mark.parametrize("dtype, back", TYPES.items(), ids=["float32", "float64"])


def halves():
    """Every finite float16."""
    h = np.arange(1 << 16, dtype=np.uint16).view(np.float16)
    return h[np.isfinite(h)]


def around_halves(dtype):
    """Every finite float16, the ties between neighbours, and the values of dtype on both sides of each tie."""
    ends = np.sort(np.append(halves().astype(dtype), dtype(65536)))
    ties = (ends[:-1] + ends[1:]) / dtype(2)
    return np.concatenate([ends, ties, np.nextafter(ties, dtype(-np.inf)), np.nextafter(ties, dtype(np.inf)), -ties])


def near_ties():
    """float64 on both sides of every tie by less than float32 sees: rounding through float32 gets half of them wrong."""
    ends = np.sort(np.append(halves().astype(np.float64), 65536.0))
    ties = (ends[:-1] + ends[1:]) / 2
    away = [ties * (1 + sign * 2.0**-power) for sign in (-1, 1) for power in (24, 25, 26, 30, 40, 52)]
    return np.concatenate([ties, *away])


def to_float16(x, on_every_isa):
    slot = ("to_float16", "flat", str(x.dtype))
    (h,) = on_every_isa("pack", slot, lambda door: [door.to_float16(x)])
    return h


def to_float(h, op, on_every_isa):
    (x,) = on_every_isa("pack", (op, "flat", "float16"), lambda door: [getattr(door, op)(h)])
    return x


@every_type
@pytest.mark.parametrize("n", [0, 1, 3, 4, 7, 8, 15, 16, 17, 31, 32, 33, 63, 1000])
def test_lengths(on_every_isa, dtype, back, n):
    x = np.random.default_rng(n).normal(size=n).astype(dtype)
    h = to_float16(x, on_every_isa)
    assert h.tobytes() == x.astype(np.float16).tobytes()
    assert to_float(h, back, on_every_isa).tobytes() == h.astype(dtype).tobytes()


@pytest.mark.parametrize(
    "x",
    [
        around_halves(np.float32),
        around_halves(np.float64),
        near_ties(),
        floats((300, 333), seed=1),
        floats((300, 333), np.float64, 1),
        np.array(
            [5e-324, -5e-324, 2.0**-150, 2.0**-126, 2.0**-25, np.nextafter(2.0**-25, 1), 1e300, -1e300, 65519.999, 65520, -0.0]
        ),
    ],
    ids=["float32", "float64", "near", "floats32", "floats64", "extreme"],
)
def test_rounding_is_numpys(on_every_isa, x):
    with np.errstate(over="ignore", under="ignore"):
        expected = x.astype(np.float16)
    h = to_float16(x, on_every_isa)
    assert h.shape == x.shape and h.tobytes() == expected.tobytes()
    assert reference.to_float16(x).tobytes() == expected.tobytes()


def test_float64_is_rounded_once(on_every_isa):
    x = near_ties()
    with np.errstate(over="ignore", under="ignore"):
        twice = x.astype(np.float32).astype(np.float16)
    h = to_float16(x, on_every_isa)
    assert (h.view(np.uint16) != twice.view(np.uint16)).sum() > 10_000  # the values do tell one rounding from two
    finite = np.isfinite(h)
    ours, theirs = (np.abs(v.astype(np.float64) - x)[finite] for v in (h, twice))
    assert (ours <= theirs).all()  # subtractions of neighbours are exact


@every_type
def test_every_float16_comes_back(on_every_isa, dtype, back):
    x = to_float(halves(), back, on_every_isa)
    assert x.tobytes() == halves().astype(dtype).tobytes()
    assert getattr(reference, back)(halves()).tobytes() == x.tobytes()


@every_type
def test_arrays_that_pass_by_the_caches(on_every_isa, dtype, back):
    x = np.resize(floats((1, 99_991), dtype), 9_000_001)
    with np.errstate(over="ignore", under="ignore"):
        expected = x.astype(np.float16)
    h = to_float16(x, on_every_isa)
    np.testing.assert_array_equal(h, expected)
    h[np.isinf(h)] = 1
    np.testing.assert_array_equal(to_float(h, back, on_every_isa), h.astype(dtype))
