"""float64 numbers by the steps between their places (SPEC.md, `rise8`), with integers of any size."""

from __future__ import annotations

import struct
from collections import Counter

import numpy as np
import pytest

from quantcore.artifact import ascending
from quantcore.errors import ArtifactError

RANDOM = np.random.default_rng(61)


def place(value):
    """Of a float64 among all of them, in the order of the numbers."""
    (raw,) = struct.unpack("<Q", struct.pack("<d", value))
    return 2**64 - 1 - raw if raw >> 63 else raw + 2**63


def number(place):
    raw = place - 2**63 if place >> 63 else 2**64 - 1 - place
    return struct.unpack("<d", struct.pack("<Q", raw))[0]


def apart(values):
    """The most low bits, 32, 30, ... 16, whose two commonest values nine tenths of all have; (bits, top, bottom, low)."""
    places = [place(v) for v in values]
    for bits in range(32, 14, -2):
        common = Counter(p % 2**bits for p in places).most_common(2)
        if sum(n for _, n in common) * 10 >= 9 * len(values):
            above = [p >> bits for p in places]
            steps = [(b - a) % 2 ** (64 - bits) for a, b in zip([0, *above], above, strict=False)]
            return bits, [s >> 16 for s in steps], [s % 2**16 for s in steps], [p % 2**bits for p in places]
    return None


def numbers(n, low, odd=0):
    """Places that end in the bits of ``low``, in turn; but for the first ``odd``."""
    bits = RANDOM.integers(0, 2**32, n, dtype=np.uint64)
    places = (int(b) << 32 | low[i % len(low)] for i, b in enumerate(bits))
    return [number(p ^ (i + 1) * 3 * (i < odd)) for i, p in enumerate(places)]


CASES = {
    "none": [],
    "one": [1.5],
    "singles": [float(np.float32(v)) for v in RANDOM.normal(size=50)],
    "singles that ascend": np.sort(RANDOM.normal(size=90).astype(np.float32)).astype(np.float64).tolist(),
    "28 low bits": numbers(40, [0, 1 << 29]),
    "16 low bits": numbers(40, [0x10000, 0x20000, 0x40000, 0x80000]),
    "17 low bits": numbers(40, [0x20000, 0x40000, 0x60000, 0x80000]),
    "fewer than 16 low bits": numbers(40, [0x8000, 0x4000, 0x2000]),
    "two of three": numbers(39, [7, 9, 11]),
    "nine tenths": numbers(40, [7, 9], 4),
    "less than nine tenths": numbers(40, [7, 9], 5),
    "nine of ten": numbers(10, [7], 1),
    "ends": [-np.inf, -1e308, -5e-324, -0.0, 0.0, 5e-324, 1e308, np.inf, np.nan, -np.nan],
    "falling": [float(v) for v in range(30, -30, -1)],
}


@pytest.mark.parametrize("name", CASES)
def test_doubles_in_parts(name):
    values = np.array(CASES[name], np.float64)
    expected, parts = apart(values.tolist()), ascending.split_doubles(values)
    assert (
        (parts is None)
        == (expected is None)
        == (name in ("fewer than 16 low bits", "two of three", "less than nine tenths", "ends"))
    )
    if parts is not None:
        assert (parts.bits, parts.top.tolist(), parts.bottom.tolist(), parts.low.tolist()) == expected
        assert ascending.join_doubles(parts).tobytes() == values.tobytes()


def joined(bits, top, bottom, low, dtypes=(np.int64, np.int64, np.int64)):
    return ascending.join_doubles(ascending.Doubles(bits, *map(np.array, (top, bottom, low), dtypes)))


@pytest.mark.parametrize("bits", [16, 17, 31, 32])
@pytest.mark.parametrize("n", [0, 1, 2, 300, 8193])
def test_parts_by_hand(bits, n):
    top, bottom, low = (RANDOM.integers(0, 2**size, n) for size in (48 - bits, 16, bits))
    for part, size in ((top, 48 - bits), (bottom, 16), (low, bits)):
        part[: n // 4] = 2**size - 1
        part[n // 4 : n // 2] = 0
    total, expected = 0, []
    for t, b, h in zip(top.tolist(), bottom.tolist(), low.tolist(), strict=True):
        total = (total + (t << 16) + b) % 2 ** (64 - bits)
        expected.append(number((total << bits) + h))
    found = joined(bits, top, bottom, low, (np.uint32, np.uint16, np.uint32))
    assert found.dtype == np.float64 and found.tobytes() == np.array(expected, np.float64).tobytes()


REFUSED = {
    "15 bits": (15, [1], [1], [1], "15 low bits"),
    "33 bits": (33, [1], [1], [1], "33 low bits"),
    "fewer tops": (20, [1], [1, 2], [1, 2], "lengths that differ"),
    "fewer bottoms": (20, [1, 2], [1], [1, 2], "lengths that differ"),
    "fewer lows": (20, [1, 2], [1, 2], [1], "lengths that differ"),
    "a negative top": (20, [0, -1], [1, 2], [1, 2], "more than 28 bits"),
    "a negative bottom": (20, [0, 1], [-1, 2], [1, 2], "more than 16 bits"),
    "a negative low": (20, [0, 1], [1, 2], [1, -2], "more than 20 bits"),
    "a top of 29 bits": (20, [0, 1 << 28], [1, 2], [1, 2], "more than 28 bits"),
    "a bottom of 17 bits": (20, [0, 1], [1 << 16, 2], [1, 2], "more than 16 bits"),
    "a low of 21 bits": (20, [0, 1], [1, 2], [1, 1 << 20], "more than 20 bits"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_parts_that_are_refused(name):
    *parts, text = REFUSED[name]
    assert len(joined(20, [0, (1 << 28) - 1], [0, (1 << 16) - 1], [0, (1 << 20) - 1])) == 2
    with pytest.raises(ArtifactError, match=text) as caught:
        joined(*parts)
    assert caught.value.reason == "invalid"
