"""Weights as the pass over tables reads them: what the door arranges is what NumPy makes of the formulas, bit for bit."""

import numpy as np
import pytest

UNITS = {"float64": (2.0**-53, 2.0**-53), "float32": (2.0**-53, 2.0**-24)}


@pytest.fixture
def table(door_of):
    return door_of("table")


@np.errstate(over="ignore", invalid="ignore")
def by_definition(values, exponent, index, error, relative, unit):
    """ARCHITECTURE.md, section 3, J."""
    if exponent is None:
        weight, step = (values if index is None else values[index]), np.zeros(len(values) if index is None else len(index))
    else:
        rows, e = (a if index is None else a[index] for a in (values, exponent.astype(np.int64)))
        weight, step = np.ldexp(rows.astype(np.float64), e[:, None]), error * np.ldexp(1.0, e)
    n, outputs = weight.shape
    padded = -(-n // 16) * 16
    largest = np.abs(weight).max(axis=1, initial=0.0) + step
    shift = np.clip(np.where(largest > 0.0, np.frexp(largest)[1], 0), -500, 500).astype(np.int64)
    size = largest.sum()  # what underflows in the source is that many times its smallest number
    scaled, step, largest = np.ldexp(weight, -shift[:, None]), np.ldexp(step, -shift), np.ldexp(largest, -shift)
    with np.errstate(over="ignore", under="ignore"):
        hot = scaled.astype(np.float32)

    def share(i, here, sums):
        return (step + largest * ((sums + 6.0) * here + (n + 4.0) * unit[i] + relative[i])) * (1.0 + 2.0**-8)

    def padded_to(a):
        return np.concatenate([a, np.zeros(padded - n, a.dtype)])

    def up(a):
        return np.nextafter(a.astype(np.float32), np.float32(np.inf))

    def layout(a):
        return np.concatenate([a.T, np.zeros((outputs, padded - n), a.dtype)], axis=1).reshape(-1)

    lanes, held = padded / 16 + 4.0, largest > 0.0
    bounds = [[padded_to(share(i, here, lanes)) for i in (0, 1)] for here in (2.0**-24, 2.0**-53)]
    most = []
    for i in (0, 1):
        least = (share(i, 2.0**-53, 0.0)[held] / largest[held]).min(initial=1.0)
        most.append(least * (2.0**124 if unit[i] == 2.0**-24 else 2.0**1020))
    return {
        "hot": layout(hot),
        "fine": layout(scaled),
        "gain": padded_to(np.ldexp(1.0, shift)),
        "step": step,
        "largest": largest,
        "hot_bound": tuple(map(up, bounds[0])),
        "lane_bound": tuple(up(b.reshape(-1, 16).sum(axis=0)) for b in bounds[0]),
        "fine_bound": tuple(bounds[1]),
        "most": tuple(most),
        "exact": bool((hot == scaled).all()),
        "size": size,
    }


def agree(table, *source):
    found, expected = table.weights(*source), by_definition(*source)
    assert found.keys() == expected.keys()
    for name, want in expected.items():
        if name in ("size", "most"):  # the order of a sum is open, and which NaN it is
            assert found[name] == pytest.approx(want, rel=1e-12 if name == "size" else 0, nan_ok=True)
            continue
        for a, b in zip(*(x if isinstance(x, tuple) else (x,) for x in (found[name], want)), strict=True):
            assert np.asarray(a).dtype == np.asarray(b).dtype, name
            assert np.asarray(a).tobytes() == np.asarray(b).tobytes(), name


@pytest.mark.parametrize("dtype", UNITS)
@pytest.mark.parametrize("relative", [(0.0, 0.0), (2.0**-51, 2.0**-22)])
def test_floats(table, dtype, relative):
    rng = np.random.default_rng(0)
    for n, outputs in ((1, 1), (5, 1), (16, 3), (33, 7), (200, 2)):
        weight = rng.standard_normal((n, outputs)) * 10.0 ** rng.integers(-300, 300, (n, 1))
        weight[rng.random(weight.shape) < 0.2] = 0.0
        weight[: n // 4] = rng.standard_normal((n // 4, outputs)).astype(np.float32)
        agree(table, weight, None, None, 0.0, relative, UNITS[dtype])
    agree(table, np.zeros((3, 2)), None, None, 0.0, relative, UNITS[dtype])
    agree(table, np.array([[2.0**-1074, -(2.0**-1040)], [1.7e308, -1.0]]), None, None, 0.0, relative, UNITS[dtype])
    agree(table, np.asfortranarray(rng.standard_normal((9, 4))), None, None, 0.0, relative, UNITS[dtype])


@pytest.mark.parametrize("dtype", [np.int16, np.int32])
def test_integers(table, dtype):
    rng = np.random.default_rng(1)
    limits = np.iinfo(dtype)
    for n, outputs in ((1, 1), (7, 3), (40, 2)):
        rows = rng.integers(limits.min, limits.max, (n, outputs), endpoint=True).astype(dtype)
        rows[rng.random(rows.shape) < 0.2] = 0
        for exponent in (rng.integers(-60, 20, n), rng.choice([-1000, 1000, -990, 0], n)):
            exponent = exponent.astype(np.int16)
            agree(table, rows, exponent, None, 0.5, (0.0, 0.0), UNITS["float64"])
            index = rng.integers(0, n, 3 * n).astype(np.uint32)
            agree(table, rows, exponent, index, 0.5 + 2.0**-30, (2.0**-51, 2.0**-22), UNITS["float32"])


def test_what_does_not_fit_is_refused(table):
    rows, exponent, units = np.ones((3, 2), np.int16), np.zeros(3, np.int16), UNITS["float64"]
    with pytest.raises(ValueError, match="not there"):
        table.weights(rows, exponent, np.array([0, 3], np.uint32), 0.5, (0.0, 0.0), units)
    for values, exponents in ((rows, None), (rows, exponent[:2]), (np.ones((3, 2)), exponent)):
        with pytest.raises(ValueError, match="an exponent a row"):
            table.weights(values, exponents, None, 0.5, (0.0, 0.0), units)
    for values in (np.ones(3), np.ones((3, 2), np.float32)):
        with pytest.raises(ValueError, match="expected a matrix"):
            table.weights(values, None, None, 0.0, (0.0, 0.0), units)
