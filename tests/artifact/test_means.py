"""Means by fractions and integers of any size: what the parts say (SPEC.md, section 4), and which pair a value is stored as."""

from __future__ import annotations

import math
from fractions import Fraction

import numpy as np
import pytest

from quantcore.artifact import means
from quantcore.errors import ArtifactError

RANDOM = np.random.default_rng(51)
SCALES = (1.0, 0.1, 0.3, 0.01, 0.03, 0.001, 0.07, 0.09, 0.7, 0.9)


def parts_of(items, scale=1.0):
    """Parts from (sign, m, shift, count), or floats that are no means."""
    counts, shifts, sizes, bits, others = [], [], [], "", []
    for item in items:
        if isinstance(item, float):
            counts.append(0)
            others.append(item)
            continue
        sign, m, k, n = item
        c = m.bit_length()
        counts.append(n)
        shifts.append(k)
        sizes.append(c - k - n.bit_length())
        bits += str(sign) + format(m, "b")[1:][::-1]
    data = int(bits[::-1] or "0", 2).to_bytes(-(-len(bits) // 8), "little")
    return means.Means(
        scale, np.array(counts, np.int64), np.array(shifts, np.uint8), np.array(sizes, np.int64),
        np.frombuffer(data, np.uint8), np.array(others, np.float64),
    )  # fmt: skip


def value_of(item, scale=1.0):
    if isinstance(item, float):
        return item
    sign, m, k, n = item
    quotient = float(Fraction(m, n << k))
    return (-1 if sign else 1) * float(Fraction(quotient) * Fraction(scale))


def some(n):
    """Means of every length, shift and count, and others among them."""
    items = []
    for _ in range(n):
        m, k = int(RANDOM.integers(1, 1 << int(RANDOM.integers(1, 54)))), int(RANDOM.integers(0, 64))
        count = int(RANDOM.integers(1, 1 << int(RANDOM.integers(1, 33))))
        items.append((int(RANDOM.integers(0, 2)), m, k, count) if RANDOM.random() < 0.9 else float(RANDOM.normal()))
    return items


@pytest.mark.parametrize("scale", [1.0, 0.1, 2.0**-64, 2.0**64, 3.0])
def test_parts_by_hand(scale):
    ends = [(0, 1, 0, 1), (1, 1, 63, 1), (1, (1 << 53) - 1, 0, (1 << 32) - 1), (0, 1 << 52, 63, 1), (0, 1, 0, (1 << 32) - 1)]
    for items in (
        [],
        [1.5],
        ends,
        [*ends, -2.5, *ends],
        some(60),
        [(0, 1, 0, 1)] * 8,
        [(1, 1, 0, 3)] * 9,
        [(0, (1 << 53) - 1, 5, 7)] * 33,
    ):
        found = means.join_means(parts_of(items, scale))
        assert found.dtype == np.float64 and found.tolist() == [value_of(item, scale) for item in items]


def test_parts_over_blocks():
    for n in (8192, 8195):
        items = [(i & 1, 1 + i % 4000, i % 3, 1 + i % 7) for i in range(n)]
        assert means.join_means(parts_of(items)).tolist() == [value_of(item) for item in items]


GOOD = parts_of([(0, 5, 1, 3), -7.25, (1, 1000, 0, 9), (0, 1, 0, 1)])  # sums of 3, 10 and 1 bits: two bits of padding
assert len(GOOD.packed) == 2


def changed(array, at, value, dtype=np.int64):
    out = array.astype(dtype)
    out[at] = value
    return out


REFUSED = {
    "a negative count": ({"counts": changed(GOOD.counts, 0, -1)}, "negative number of values"),
    "a negative count in place of another": ({"counts": changed(GOOD.counts, 1, -1)}, "negative number of values"),
    "a count of 33 bits": ({"counts": changed(GOOD.counts, 2, 1 << 32)}, "too many"),
    "a shift less": ({"shift": GOOD.shift[:-1]}, "do not make 4"),
    "a size less": ({"size": GOOD.size[:-1]}, "do not make 4"),
    "a size more": ({"size": np.append(GOOD.size, 0)}, "do not make 4"),
    "no other": ({"others": GOOD.others[:0]}, "do not make 4"),
    "another more": ({"others": np.append(GOOD.others, 1.0)}, "do not make 4"),
    "a mean less": ({"counts": changed(GOOD.counts, 0, 0)}, "do not make 4"),
    "a factor too small": ({"scale": math.nextafter(2.0**-64, 0.0)}, "means times"),
    "a factor too large": ({"scale": math.nextafter(2.0**64, math.inf)}, "means times"),
    "a factor that is negative": ({"scale": -1.0}, "means times"),
    "no factor": ({"scale": math.nan}, "means times"),
    "a shift of 64": ({"shift": changed(GOOD.shift, 1, 64), "size": changed(GOOD.size, 1, -58)}, "shifted too far"),
    "a negative shift": ({"shift": changed(GOOD.shift, 0, -1), "size": changed(GOOD.size, 0, 2)}, "shifted too far"),
    "no bits": ({"size": changed(GOOD.size, 2, -1)}, "less than 1 or more than 53"),
    "54 bits": ({"size": changed(GOOD.size, 0, 51)}, "less than 1 or more than 53"),
    "too few bytes": ({"packed": GOOD.packed[:1]}, "too short"),
    "no bytes": ({"packed": GOOD.packed[:0]}, "too short"),
    "a byte more": ({"packed": np.append(GOOD.packed, np.uint8(0))}, "do not fill 3 bytes"),
    "bits behind the last": ({"packed": changed(GOOD.packed, 1, GOOD.packed[1] | 64, np.uint8)}, "do not fill 2 bytes"),
    "a bit behind the last": ({"packed": changed(GOOD.packed, 1, GOOD.packed[1] | 128, np.uint8)}, "do not fill 2 bytes"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_parts_that_are_refused(name):
    changes, text = REFUSED[name]
    assert means.join_means(GOOD).tolist() == [5 / 2 / 3, -7.25, -1000 / 9, 1.0]
    with pytest.raises(ArtifactError, match=text) as caught:
        means.join_means(GOOD._replace(**changes))
    assert caught.value.reason == "invalid"


def test_a_bit_too_few():
    """Whatever the length: every bit that is read is there."""
    for n in range(1, 20):
        parts = parts_of([(1, 1, 0, 1)] * n)
        with pytest.raises(ArtifactError, match="too short"):
            means.join_means(parts._replace(packed=parts.packed[:-1]))
        longer = parts_of([(1, 1, 0, 1)] * (8 * len(parts.packed) + 1))
        with pytest.raises(ArtifactError, match="too short"):
            means.join_means(longer._replace(packed=longer.packed[:-1]))


def test_padding_of_every_width():
    for n in range(1, 20):
        for sign in (0, 1):
            parts = parts_of([(sign, 1, 0, 1)] * n)
            assert means.join_means(parts).tolist() == [1.0 - 2.0 * sign] * n
            for bit in range(n, 8 * len(parts.packed)):
                packed = changed(parts.packed, bit // 8, parts.packed[bit // 8] | 1 << bit % 8, np.uint8)
                with pytest.raises(ArtifactError, match="do not fill"):
                    means.join_means(parts._replace(packed=packed))


def shortest(value, scale, shifts):
    """(bits, shift, m, n): the first convergent, of the value over the factor times 2**shift, that gives the value's bits."""
    best = (math.inf, 0, 1, 0)
    quotient = Fraction(value / scale)
    for k in shifts:
        x = quotient * 2**k
        a, b = x.numerator, x.denominator
        m0, m1, n0, n1 = 0, 1, 1, 0
        while b:
            whole = a // b
            a, b = b, a - whole * b
            m0, m1, n0, n1 = m1, whole * m1 + m0, n1, whole * n1 + n0
            if m1 >= 2**53 or n1 >= 2**15:
                break
            if m1 and float(Fraction(float(Fraction(m1, n1 << k))) * Fraction(scale)) == value:
                bits = math.log2(m1) + math.log2(n1)
                best = min(best, (bits, k, m1, n1), key=lambda found: found[0])
                break
    return best


def apart(values):
    """Factor and items, as `parts_of` takes them; None where too few are means."""
    usable = [abs(v) for v in values if math.isfinite(v) and 2.0**-40 < abs(v) < 2.0**40]
    if 2 * len(usable) < len(values) or not usable or len(usable) > 48:
        return None
    found = []
    for scale in SCALES:
        all_ = [shortest(v, scale, range(64)) for v in usable]
        found.append((sum(min(one[0], 53.0) for one in all_), scale, [one[1] for one in all_ if one[0] < 48.0]))
    total, scale, shifts = min(found, key=lambda one: one[0])
    if total > 0.9 * 53 * len(usable) or not shifts:
        return None
    items = []
    for v in values:
        bits, k, m, n = (math.inf, 0, 1, 0)
        if abs(v) in usable:
            bits, k, m, n = shortest(abs(v), scale, range(max(0, min(shifts) - 4), min(63, max(shifts) + 4) + 1))
        items.append((int(math.copysign(1, v) < 0), m, k, n) if bits < 48.0 else v)
    return scale, items


def values_of(kind):
    if kind == "few bits":
        return [m / 2**k / n * (-1) ** m for m, k, n in RANDOM.integers([1, 0, 1], [5000, 9, 90], (9, 3)).tolist()]
    if kind == "sizes":
        tiny = [
            2.0**-40,
            math.nextafter(2.0**-40, 1.0),
            1.5 * 2.0**-40,
            1.25 * 2.0**-41,
            2.0**40,
            1.5 * 2.0**39,
            2.0**41,
            2.0**-60,
        ]
        return [*tiny, math.nan, math.inf, -math.inf, 0.0, -0.0, *(n / 7 for n in range(1, 12))]
    if kind == "many bits":  # a pair of 46 to 50 bits each
        pairs = [
            (int(RANDOM.integers(1 << b, 2 << b)) | 1, int(RANDOM.integers(1 << 14, 1 << 15)) | 1)
            for b in range(31, 36)
            for _ in "ab"
        ]
        return [m / n for m, n in pairs] + [5.5, 7.0, 8.25, 3.0]
    if kind == "large sums":  # the next convergent is not much longer
        return [(int(RANDOM.integers(1 << b, 2 << b)) | 1) / n * 2.0**-20 for b in range(38, 45, 2) for n in (1, 3, 5, 7)]
    if kind == "large counts":
        return [101 / n for n in (32_749, 32_767, 32_769, 32_771, 16_411, 65_537)] + [0.5, 0.25, 77.0]
    if kind == "large":
        return [float(n) * 2.0**30 / 3 for n in range(1, 9)]
    if kind == "small":
        return [float(n) * 2.0**-36 / 5 for n in range(1, 9)]
    if kind in ("the first", "the last"):
        return [5 / 3 / 2**20, *[11 / 3 / 2**10] * 20][:: 1 if kind == "the first" else -1]
    if kind == "the smallest":  # with more bits than the largest shift leaves without a count
        return [(2**25 + 2 * n + 1) * 2.0**-63 / 3 for n in range(8)]
    if kind == "whole":
        return [float(n) for n in range(1, 9)]
    if kind == "half of them":
        return [n / 3 for n in range(1, 5)] + [math.nan] * 4
    if kind == "less than half of them":
        return [n / 3 for n in range(1, 5)] + [math.nan] * 5
    if kind == "of a learning rate":
        return [float(n) / 11 * 0.3 for n in range(1, 9)]
    return [float(v) for v in RANDOM.normal(size=12)]


KINDS = [
    "few bits", "sizes", "many bits", "large sums", "large counts", "large", "small", "whole", "half of them",
    "less than half of them", "of a learning rate", "the first", "the last", "the smallest", "noise",
]  # fmt: skip


@pytest.mark.parametrize("kind", KINDS)
def test_the_shortest_pair_is_stored(kind):
    values = np.array(values_of(kind))
    expected, parts = apart(values.tolist()), means.split_means(values)
    if expected is None:
        assert parts is None and kind in ("less than half of them", "noise")
        return
    scale, items = expected
    by_hand = parts_of(items, scale)
    assert parts.scale == scale and parts.counts.tolist() == by_hand.counts.tolist()
    assert parts.shift.tolist() == by_hand.shift.tolist() and parts.size.tolist() == by_hand.size.tolist()
    assert parts.packed.tobytes() == by_hand.packed.tobytes() and parts.others.tobytes() == by_hand.others.tobytes()
    assert means.join_means(parts).tobytes() == values.tobytes()
    assert any(not isinstance(item, float) for item in items)


@pytest.mark.parametrize("scale", SCALES)
def test_factors_that_libraries_multiply_by(scale):
    sums, counts = RANDOM.integers(1, 1 << 22, 30), RANDOM.integers(1, 3000, 30)
    values = sums / 2.0**18 / counts * (2.0 * scale)
    parts = means.split_means(values)
    assert parts.scale == scale and (parts.counts > 0).all() and means.join_means(parts).tobytes() == values.tobytes()


def test_shifts_are_looked_for_near_those_of_a_sample():
    """Four more or less than any that 48 values of all have; a pair at the nearest shift does as well."""
    values = np.full(480, 11 / 3 / 2**10)
    values[np.setdiff1d(np.arange(480), np.linspace(0, 479, 48).astype(int))[:4]] = [
        5 / 3 / 2**14,
        5 / 3 / 2**15,
        1001 / 3 / 2**6,
        1001 / 3 / 2**5,
    ]
    parts = means.split_means(values)
    found = dict(zip(values.tolist(), zip(parts.counts.tolist(), parts.shift.tolist(), strict=True), strict=True))
    assert found == {
        11 / 3 / 2**10: (3, 10),
        5 / 3 / 2**14: (3, 14),
        5 / 3 / 2**15: (6, 14),
        1001 / 3 / 2**6: (3, 6),
        1001 / 3 / 2**5: (3, 6),
    }
    assert means.join_means(parts).tobytes() == values.tobytes()


def test_many_values_are_looked_at_in_blocks():
    for n in (511, 512, 513, 1100):
        values = np.where(np.arange(n) % 7 == 0, np.nan, (1 + np.arange(n)) / 3)
        parts = means.split_means(values)
        assert ((parts.counts > 0) == np.isfinite(values)).all() and means.join_means(parts).tobytes() == values.tobytes()
