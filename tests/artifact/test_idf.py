"""idf values by SPEC.md, section 5, in plain Python, and the integers that they come from."""

from __future__ import annotations

import math

import numpy as np
import pytest

from quantcore.artifact import idf
from quantcore.errors import ArtifactError

MOST = 2**31 - 1
TERMS = (
    0.1479819860511658591, 0.1531383769920937332, 0.1818357216161805012, 0.2222219843214978396, 0.2857142874366239149,
    0.3999999999940941908, 0.6666666666666735130,
)  # fmt: skip


def log(q):
    """In doubles, each operation rounded by itself; q = m * 2**k."""
    m, k = math.frexp(q)
    if m < 0.7071067811865476:
        m, k = m + m, k - 1
    f = m - 1.0
    s = f / (2.0 + f)
    z, r = s * s, 0.0
    for c in TERMS:
        r = (r + c) * z
    half = (0.5 * f) * f
    return k * 6.93147180369123816490e-01 - ((half - (s * (half + r) + k * 1.90821492927058770002e-10)) - f)


def value(kind, top, count, off=0):
    if kind == "f8":
        return float(np.int64(np.float64(log(top / count) + 1.0).view(np.int64) + off).view(np.float64))
    ratio = np.float32(top) / np.float32(count)
    single = np.float32(log(float(ratio))) + np.float32(1.0)
    return float(np.int32(single.view(np.int32) + off).view(np.float32))


# The second numbers are the best approximations of a root of one half: quotients whose mantissa is the limit itself.
NEAR = [(225058681, 318281039), (543339720, 768398401), (1311738121, 1855077841)]


def test_the_limit_of_the_mantissa():
    assert all(math.frexp(n / d)[0] == 0.7071067811865476 for n, d in NEAR)


@pytest.mark.parametrize("kind", ["f8", "f4"])
def test_values_by_hand(kind):
    random = np.random.default_rng(5)
    counts = np.unique(np.concatenate([random.integers(1, 3000, 60), [1, 2, 3, 4, MOST, MOST - 1], random.integers(1, MOST, 60)]))
    for top in (1, 2, 1000, 12_345_678, MOST, *(n for n, _ in NEAR)):
        used = np.unique(np.concatenate([counts, [d for _, d in NEAR]]))
        shuffled = random.permutation(np.concatenate([used, used[::3]]))
        for off in (None, random.integers(-2, 3, len(used))):
            found, rank = idf.join_idf(kind, top, shuffled, off)
            moved = dict(zip(used.tolist(), [0] * len(used) if off is None else off.tolist(), strict=True))
            assert found.dtype == np.float64 and found.tolist() == [value(kind, top, d, moved[d]) for d in shuffled.tolist()]
            assert used[rank].tolist() == shuffled.tolist()


def test_counts_that_are_none():
    assert idf.join_idf("f8", 5, np.array([1, MOST]), None)[1].tolist() == [0, 1]
    for counts in ([0, 1], [1, MOST + 1], [-1], [2**33], []):
        with pytest.raises(ArtifactError, match="document frequency is out of range") as caught:
            idf.join_idf("f8", 5, np.array(counts, np.int64), None)
        assert caught.value.reason == "invalid"


def test_last_places_that_are_none():
    counts = np.array([3, 1, 3, 2])
    assert idf.join_idf("f4", 9, counts, np.array([-2, 2, 0], np.int8))[0].tolist() == [
        value("f4", 9, 3, 0), value("f4", 9, 1, -2), value("f4", 9, 3, 0), value("f4", 9, 2, 2),
    ]  # fmt: skip
    for off in ([3, 0, 0], [0, -3, 0], [0, 0], [0, 0, 0, 0], [-128, 0, 0]):
        with pytest.raises(ArtifactError, match="last places") as caught:
            idf.join_idf("f4", 9, counts, np.array(off, np.int8))
        assert caught.value.reason == "invalid"


@pytest.mark.parametrize("most", [5, 5000, 100_000, MOST])
def test_ranks(most):
    for n in (1, 7, 900):
        counts = np.append(np.random.default_rng(n).integers(1, most, n), most - 1)
        distinct, rank = idf.ranks(counts)
        assert distinct.tolist() == sorted(set(counts.tolist())) and distinct[rank].tolist() == counts.tolist()


def split(kind, top, counts, off=0):
    counts = np.array(counts)
    values = np.array([value(kind, top, d, off if i == 0 else 0) for i, d in enumerate(counts.tolist())])
    found = idf.split_idf(values)
    if found is not None:
        assert idf.join_idf(*found)[0].tobytes() == values.tobytes() and np.abs(found[3]).max() <= 2
    return found


@pytest.mark.parametrize("kind", ["f8", "f4"])
def test_the_integers_are_found(kind):
    """The smallest ones that give the values."""
    for top, counts in (
        (7, [1, 2, 3, 2, 1]), (7, [3, 7]), (1000, [2, 3, 10, 2]), (2, [1]), (997, [5, 6, 7, 990, 6]), (60, [6, 9, 15, 50]),
        (MOST if kind == "f8" else 1 << 20, [1, 1000]),
    ):  # fmt: skip
        divisor = math.gcd(top, *counts)
        found = split(kind, top, counts)
        assert found[:2] == (kind, top // divisor) and found[2].tolist() == [d // divisor for d in counts]
        assert found[3].tolist() == [0] * len(set(counts))


def test_the_rarest_term_is_in_at_most_16384_documents():
    others = [16_385, 20_011, 30_011]
    assert split("f8", 99_991, [16_384, *others])[1] == 99_991
    assert split("f8", 99_991, [16_385, *others]) is None


def test_values_a_few_last_places_off():
    for kind in ("f8", "f4"):
        for off in (-2, -1, 1, 2):
            found = split(kind, 1000, [7, 3, 3, 500], off)
            assert found[1] == 1000 and found[3].tolist() == [0, off, 0]  # by ascending D: 3, 7, 500
        assert split("f4", 50, [50, 3], -2)[3].tolist() == [0, -2]  # a little below 1: all documents have it
    assert split("f8", 10_007, [1009, 997, 5003], 3) is None


def test_what_comes_from_no_integers():
    close = value("f8", 1000, 3)
    for values in (
        [close, np.nextafter(close, 9), value("f8", 1000, 500)],  # two values, one D
        [value("f8", 7, 9), value("f8", 7, 2)],  # in more documents than there are
        [1.0 - 2.0**-19, 2.0],
        [710.0, 2.0], [2.0, np.inf], [np.nan, 2.0], [-1e300, 2.0], [math.pi, math.e],
    ):  # fmt: skip
        assert idf.split_idf(np.array(values)) is None
    assert idf.split_idf(np.zeros(0)) is None and idf.split_idf(np.ones((2, 2))) is None


def test_counts_stay_below_the_limit():
    """N = 2**31 - 1 is the largest; a term that is in as many documents the commonest."""
    assert split("f8", MOST, [1, MOST]) is not None
    values = np.array([value("f8", MOST + 1, 1), value("f8", MOST + 1, 3)])
    assert idf.split_idf(values) is None
    assert split("f8", MOST, [1, MOST + 1]) is None  # 1 but for the last places
