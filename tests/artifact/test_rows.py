"""Matrices of integers bit by bit (SPEC.md, section 4), and how rows find their groups, by loops over Python's integers."""

from __future__ import annotations

import math
from collections import Counter

import numpy as np
import pytest

from quantcore.artifact import prefix, rows
from quantcore.artifact.container import POOL, RAW, Section
from quantcore.artifact.decoder import Decoder
from quantcore.artifact.transforms import transforms
from quantcore.errors import ArtifactError

RANDOM = np.random.default_rng(31)


def symbol_of(entry, h):
    """(low bits, symbol, raw bits, number of raw bits)."""
    high, rest = entry + 2**h // 2 >> h, (entry + 2**h // 2) % 2**h
    u = 2 * high if high >= 0 else -2 * high - 1
    if u < 32:
        return rest, u, 0, 0
    e = u.bit_length() - 5
    return rest, 16 * (e + 1) + (u >> e) % 16, u % 2**e, e


def codes_of(lengths):
    code, found, before = 0, {}, 0
    for n, symbol in sorted((n, s) for s, n in enumerate(lengths) if n):
        code <<= n - before
        found[symbol], before = format(code, f"0{n}b"), n
        code += 1
    return found


def packed(matrix, low, lengths, group):
    """Sizes and bytes of the stretches; lengths of codes by group."""
    sizes, out = [], b""
    for g, h in enumerate(low):
        mine, codes = [row for row, its in zip(matrix, group, strict=True) if its == g], codes_of(lengths[g])
        most = max(1, 4096 // len(matrix[0]))
        for start in range(0, len(mine), most):
            bits = ""
            for row in mine[start : start + most]:
                for entry in row:
                    rest, symbol, raw, e = symbol_of(entry, h)
                    bits += (
                        (format(rest, f"0{h}b")[::-1] if h else "") + codes[symbol] + (format(raw, f"0{e}b")[::-1] if e else "")
                    )
            sizes.append(-(-len(bits) // 8))
            out += int(bits[::-1] or "0", 2).to_bytes(sizes[-1], "little")
    return sizes, out


def parts_of(matrix, low, lengths, group):
    sizes, data = packed(matrix, low, lengths, group)
    codes = np.array([n for one in lengths for n in one], np.uint8)
    return rows.Rows(
        len(matrix[0]), low, codes, np.array(group, np.uint8), np.array(sizes, np.uint32), np.frombuffer(data, np.uint8)
    )


def best(costs):
    return min(range(len(costs)), key=lambda g: (costs[g], g))


def grouped(matrix):
    """Low bits by group, and each row's group: by the size of its mean entry; then three times where it takes the fewest bits."""
    n, width, entries = len(matrix), len(matrix[0]), [abs(x) for row in matrix for x in row]
    means = [sum(map(abs, row)) / width if width >= 4 else sum(entries) / len(entries) for row in matrix]
    halves = [math.ceil(2 * math.log2(mean + 2**-8)) for mean in means]
    levels = sorted(set(halves))
    group = [levels.index(half) for half in halves]
    low = []
    for g, level in enumerate(levels):
        largest = max(abs(x) for row, its in zip(matrix, group, strict=True) if its == g for x in row)
        low.append(min(max(level // 2 - 4, largest.bit_length() - 17, 0), 24))
    if len(levels) == 1:
        return low, group
    symbols = {h: [[symbol_of(x, h)[1::2] for x in row] for row in matrix] for h in set(low)}
    for _ in range(3):
        costs = [[] for _ in matrix]
        for g, h in enumerate(low):
            mine = [row for row, its in zip(symbols[h], group, strict=True) if its == g]
            counts = Counter(s for row in mine for s, _ in row if s < 256)
            total = sum(counts.values()) + 256 * 0.05
            extra = {s: max((s - 16) // 16, 0) - math.log2((counts[s] + 0.05) / total) for s in range(256)}
            for row, found in zip(symbols[h], costs, strict=True):
                beyond = any(s > 255 for s, _ in row)
                taken = sum(extra[min(s, 255)] for s, _ in row) + h * width - math.log2((len(mine) + 0.5) / n)
                found.append(math.inf if beyond else taken)
        group = [best(found) for found in costs]
    used = sorted(set(group))
    return [low[g] for g in used], [used.index(g) for g in group]


def heavy(n, width, most, dtype, kinds=6):
    sizes = np.exp(RANDOM.uniform(0, np.log(most), kinds))[RANDOM.integers(0, kinds, n), None]
    info = np.iinfo(dtype)
    return (RANDOM.standard_t(3, (n, width)) * sizes).clip(info.min, info.max).astype(dtype)


def outliers():
    matrix = RANDOM.integers(-3, 4, (40, 5)).astype(np.int32)
    matrix[::7, 2] = 2**31 - 1
    matrix[3::7, 4] = -(2**31)
    matrix[5] = 0
    return matrix


def misled():
    """Rows of ones of which one entry makes the mean that of other rows: they move to the ones."""
    matrix = RANDOM.choice(np.array([-1, 1], np.int16), (60, 40))
    matrix[20:] *= 45
    matrix[20:24] //= 45
    matrix[20:24, 7] = 1761
    return matrix


MATRICES = {
    "misled": misled(),
    "small": heavy(60, 5, 30, np.int16),
    "four columns": heavy(150, 4, 5000, np.int16),
    "three columns": heavy(150, 3, 5000, np.int16),
    "one column": heavy(300, 1, 9, np.int32),
    "large": heavy(120, 6, 2**28, np.int32),
    "two sizes": heavy(90, 7, 900, np.int16, 2),
    "blocks": heavy(4099, 4, 300, np.int16, 2),
    "outliers": outliers(),
    "zeros": np.zeros((9, 5), np.int16),
    "ends": np.array([[-(2**15), 2**15 - 1, 0, 0]] * 3, np.int16),
    "the largest": np.full((5, 4), 2**31 - 1, np.int32),
    "the least": np.full((5, 4), -(2**31), np.int32),
    "one entry": np.array([[7]], np.int16),
    "wide": heavy(3, 4096, 40, np.int16),
    "thirty-two": np.full((4, 4), 32, np.int16),
}


@pytest.mark.parametrize("name", MATRICES)
def test_rows_in_parts(name):
    matrix = MATRICES[name]
    plain, parts = matrix.tolist(), rows.split_rows(matrix)
    low, group = grouped(plain)
    assert parts.width == matrix.shape[1] and parts.low == low and parts.group.tolist() == group and parts.group.dtype == np.uint8
    lengths = parts.codes.reshape(len(low), -1).tolist()
    largest = 0
    for g, h in enumerate(low):
        counts = Counter(symbol_of(x, h)[1] for row, its in zip(plain, group, strict=True) if its == g for x in row)
        largest = max(largest, *counts)
        own = prefix.code_lengths(np.array([counts[s] for s in range(len(lengths[g]))])).tolist()
        assert lengths[g] == own
    assert len(lengths[0]) == max(2, largest + 1) <= 256
    sizes, data = packed(plain, low, lengths, group)
    assert parts.sizes.tolist() == sizes and parts.packed.tobytes() == data
    found = rows.join_rows(parts, matrix.dtype.str[1:])
    assert found.dtype == matrix.dtype and found.tolist() == plain


def test_symbols_and_the_number_of_their_raw_bits():
    values = np.unique(RANDOM.integers(-(2**20), 2**20, 500) >> RANDOM.integers(0, 20, 500))
    for h in (0, 1, 5, 7):
        kept = values[np.abs(values) < 2 ** (17 + h)]
        symbol, extra = rows.symbols(kept, h)
        assert list(zip(symbol.tolist(), extra.tolist(), strict=True)) == [symbol_of(v, h)[1::2] for v in kept.tolist()]


def every():
    """A complete code of 256 symbols: one of eight bits for each."""
    return [8] * 256


READ = {
    "all symbols": ([[x] for x in (0, -1, 15, -16, 16, -(2**17), 2**17 - 1, 100_000, -77)], [0], [every()], [0] * 9, "i4"),
    "a group of no rows": ([[3], [-4], [5]], [0, 3, 1], [every()] * 3, [0, 2, 0], "i2"),
    "groups of no rows around": ([[3], [-4], [5]] * 2000, [0, 3, 1, 2], [every()] * 4, [1, 2, 1] * 2000, "i2"),
    "the most low bits": ([[2**31 - 1, -(2**31), 12_345_678]], [24], [every()], [0], "i4"),
    "two symbols": ([[0], [-1], [0]], [0], [[1, 1]], [0, 0, 0], "i2"),
    "long codes": ([[x] for x in range(6)] + [[-x] for x in range(7)], [0], [[*range(1, 12), 12, 12]], [0] * 13, "i2"),
    "whole bytes": ([[3, -4]], [0], [every()], [0], "i2"),
    "256 groups": ([[g] for g in range(256)], [g % 9 for g in range(256)], [every()] * 256, list(range(256)), "i2"),
    "stretches": ([[g % 7, -g] for g in range(5000)], [0, 2], [every()] * 2, [g % 5 // 4 for g in range(5000)], "i2"),
    "stretches of 240 rows": ([[-(g % 2)] * 17 for g in range(490)], [0], [[1, 1]], [0] * 490, "i2"),
    "stretches of a row": ([[g % 11] * 4095 for g in range(3)], [0], [every()], [0] * 3, "i2"),
    "ends of a type": ([[2**15 - 1], [-(2**15)]], [4], [every()], [0, 0], "i2"),
}


@pytest.mark.parametrize("name", READ)
def test_parts_by_hand(name):
    matrix, low, lengths, group, dtype = READ[name]
    found = rows.join_rows(parts_of(matrix, low, lengths, group), dtype)
    assert found.dtype == np.dtype(dtype) and found.tolist() == matrix


def test_an_outlier_among_many():
    """Low bits enough for it to have a symbol, though the mean entry asks for fewer."""
    for dtype, entry in ((np.int32, 2**31 - 1), (np.int32, -(2**31)), (np.int16, -(2**15))):
        matrix = np.zeros((60_000, 1), dtype)
        matrix[777] = entry
        parts = rows.split_rows(matrix)
        assert parts.low == [14 if entry > 0 else 15 if dtype == np.int32 else 0]
        assert np.array_equal(rows.join_rows(parts, matrix.dtype.str[1:]), matrix)


def test_the_widest_matrix():
    """4096 columns."""
    for width in (4096, 4097):
        pool = bytes([1, 1, 0, *[0] * (width // 8 + (width % 8 > 0))])
        size = len(pool) - 3
        decoder = Decoder(None, transforms(None))
        decoder.load(Section(POOL, RAW, "u1", (len(pool) + 2,), pool[:3] + size.to_bytes(2, "little") + pool[3:]), [])
        node = ["rows", "i2", width, [0], *(["pool", "u1", n] for n in (2, 1)), ["pool", "u2", 1], ["pool", "u1", size]]
        if width == 4096:
            assert decoder.value({"$": node}).tolist() == [[0] * width]
        else:
            with pytest.raises(ArtifactError) as caught:
                decoder.value({"$": node})
            assert caught.value.reason == "invalid"


def test_no_rows():
    empty = rows.Rows(3, [0], np.array([1, 1], np.uint8), np.zeros(0, np.uint8), np.zeros(0, np.uint32), np.zeros(0, np.uint8))
    assert rows.join_rows(empty, "i2").shape == (0, 3)


GOOD = parts_of([[3, -4], [70, 2], [-9, 500]], [0, 2], [every()] * 2, [0, 1, 0])


def u8(*values):
    return np.array(values, np.uint8)


REFUSED = {
    "a group that is not there": ({"group": u8(0, 2, 0)}, "names a group"),
    "a row more": ({"group": u8(0, 1, 0, 0)}, "does not end"),
    "a row less": ({"group": u8(0, 1)}, "does not end"),
    "a stretch less": ({"group": u8(0, 0, 0)}, "do not fill"),
    "a size less": ({"sizes": GOOD.sizes[:1]}, "do not fill"),
    "sizes of another sum": ({"sizes": GOOD.sizes + np.uint32(1)}, "do not fill"),
    "a byte more": ({"packed": np.append(GOOD.packed, u8(0))}, "do not fill"),
    "a byte of zeros at the end": (
        {"packed": np.append(GOOD.packed, u8(0)), "sizes": GOOD.sizes + np.array([0, 1], np.uint32)}, "does not end",
    ),
    "a byte in the wrong stretch": ({"sizes": GOOD.sizes + np.array([1, -1]).astype(np.uint32)}, "does not end"),
    "a byte in the other stretch": ({"sizes": GOOD.sizes - np.array([1, -1]).astype(np.uint32)}, "does not end"),
    "bits behind the last": ({"packed": np.append(GOOD.packed[:-1], GOOD.packed[-1] | u8(128))}, "does not end"),
    "no bytes": ({"packed": GOOD.packed[:0], "sizes": GOOD.sizes * np.uint32(0)}, "does not end|do not fill"),
    "no groups": ({"low": []}, "codes of a matrix do not fit|names a group"),
    "codes of no group": ({"low": [0, 2, 0]}, "codes of a matrix do not fit"),
    "one symbol": ({"codes": u8(0, 0)}, "codes of a matrix do not fit"),
    "257 symbols": ({"codes": np.tile(u8(*every(), 0), 2)}, "codes of a matrix do not fit"),
    "no symbols": ({"codes": u8()}, "codes of a matrix do not fit"),
    "a code that is not complete": ({"codes": np.tile(u8(*every()[:-1], 0), 2)}, "no complete prefix code"),
    "one code of two": ({"codes": np.append(GOOD.codes[:256], u8(*every()[:-1], 9))}, "no complete prefix code"),
    "codes of no length": ({"codes": GOOD.codes * u8(0)}, "no complete prefix code"),
}  # fmt: skip


@pytest.mark.parametrize("name", REFUSED)
def test_parts_that_are_refused(name):
    changes, text = REFUSED[name]
    assert rows.join_rows(GOOD, "i2").tolist() == [[3, -4], [70, 2], [-9, 500]]
    with pytest.raises(ArtifactError, match=text) as caught:
        rows.join_rows(GOOD._replace(**changes), "i2")
    assert caught.value.reason == "invalid"


def test_padding_of_every_width():
    """Codes of one bit: up to seven bits of padding, each of which has to be zero, and no eighth."""
    for n in range(1, 17):
        parts = parts_of([[-(x % 2)] for x in range(n)], [0], [[1, 1]], [0] * n)
        assert rows.join_rows(parts, "i2").tolist() == [[-(x % 2)] for x in range(n)]
        for bit in range(n, 8 * len(parts.packed)):
            spoiled = parts.packed.copy()
            spoiled[bit // 8] |= 1 << bit % 8
            with pytest.raises(ArtifactError, match="does not end"):
                rows.join_rows(parts._replace(packed=spoiled), "i2")
        longer = parts._replace(packed=np.append(parts.packed, u8(0)), sizes=parts.sizes + np.uint32(1))
        with pytest.raises(ArtifactError, match="does not end"):
            rows.join_rows(longer, "i2")


@pytest.mark.parametrize("entry", [2**15, -(2**15) - 1, 2**16])
def test_entries_beyond_the_type(entry):
    parts = parts_of([[1], [entry], [2]], [0], [every()], [0] * 3)
    assert rows.join_rows(parts, "i4").tolist() == [[1], [entry], [2]]
    with pytest.raises(ArtifactError, match="does not fit i2"):
        rows.join_rows(parts, "i2")


def test_entries_that_go_on_beyond_the_end():
    for n in (1, 2, 9):
        parts = parts_of([[0]] * n, [0], [every()], [0] * n)
        with pytest.raises(ArtifactError, match="does not end"):
            rows.join_rows(parts._replace(group=np.zeros(30, np.uint8)), "i2")
