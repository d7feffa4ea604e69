"""Rows grouped by ranges of ranks: each step beside loops that do what it says."""

from __future__ import annotations

import math
import warnings

import numpy as np
import pytest

from quantcore.artifact import context, rows

RANDOM = np.random.default_rng(41)


def ranges(counts):
    """Ranks of 32 rows or of a 1024th of all, whichever is more, and what is left with the last."""
    least, found, number, have = max(32, math.ceil(sum(counts) / 1024)), [], 0, 0
    for count in counts:
        found.append(number)
        have += count
        if have >= least:
            number, have = number + 1, 0
    last = max(found[-1] - (have > 0), 0)
    return [min(n, last) for n in found]


@pytest.mark.parametrize(
    "counts",
    [
        [1], [32], [31, 1], [31, 1, 5], [32, 32], [32, 32, 1], [33, 31, 1], [1] * 100, [500, 1, 1, 40], [1, 31, 32, 0, 33],
        [40_000, 39, 1, 40, 38, 1, 2, 90], [32_800, 32, 1, 32, 33, 32], [5, 6],
    ],
)  # fmt: skip
def test_the_first_ranges(counts):
    assert context._first_ranges(np.array(counts)).tolist() == ranges(counts)


def test_the_first_ranges_of_many():
    for n, most in ((3000, 9), (50, 4000), (1500, 900)):
        counts = RANDOM.integers(1, most, n)
        found = context._first_ranges(counts)
        assert found.tolist() == ranges(counts.tolist()) and found[-1] < 1100


def test_bits_of_histograms():
    """The entropy, 24 bits for a group and 5 for each symbol that it has."""
    for counts in ([1], [1, 0, 1], [2, 0, 3], [1, 1, 1, 9], [7], [0, 0], [1, 2, 3, 4]):
        total, used = sum(counts), [c for c in counts if c]
        expected = sum(-c * math.log2(c / total) for c in used) + 24 + 5 * len(used)
        assert float(context._bits(np.array(counts, np.float64))) == pytest.approx(expected)
    both = context._bits(np.array([[1.0, 1.0, 0.0], [0.0, 5.0, 5.0]]))
    assert both.tolist() == pytest.approx([2 + 24 + 10, 10 + 24 + 10])


def merged(histograms):
    """Every pair of neighbours is weighed again before each merge."""
    parts, sizes = [h.copy() for h in histograms], [1] * len(histograms)
    while len(parts) > 1:
        cost = [float(context._bits(part)) for part in parts]
        gains = [a + b - float(context._bits(x + y)) for a, b, x, y in zip(cost, cost[1:], parts, parts[1:], strict=False)]
        at = gains.index(max(gains))
        if gains[at] <= 0 and len(parts) <= 256:
            break
        parts[at : at + 2] = [parts[at] + parts[at + 1]]
        sizes[at : at + 2] = [sizes[at] + sizes[at + 1]]
    return [g for g, size in enumerate(sizes) for _ in range(size)]


def test_neighbours_are_merged_that_gain_most():
    for n, kinds, width in ((1, 1, 3), (2, 2, 4), (3, 3, 4), (9, 3, 5), (30, 8, 6), (60, 5, 12), (40, 40, 9)):
        for scale in (3, 60, 900):
            base = RANDOM.integers(0, scale, (kinds, width)) * (RANDOM.random((kinds, width)) < 0.6)
            histograms = (base[np.sort(RANDOM.integers(0, kinds, n))] + RANDOM.integers(0, 3, (n, width))).astype(np.float64)
            assert context._merged(histograms).tolist() == merged(histograms)


def test_what_gains_nothing_is_left_apart():
    """Groups of one symbol each: together a group of 24 bits less, and a bit more for each entry."""
    for entries, expected in (([11, 11], [0, 0]), ([11, 13], [0, 0]), ([12, 12], [0, 1]), ([13, 13], [0, 1])):
        assert context._merged(np.diag(np.array(entries, np.float64))).tolist() == expected


def test_at_most_256_groups():
    histograms = np.diag(np.full(258, 1000.0))
    found = context._merged(histograms)
    assert found[-1] == 255 and found.tolist() == merged(histograms)
    assert context._merged(histograms[:256])[-1] == 255 and context._merged(histograms[:257])[-1] == 255


def test_groups_and_their_low_bits():
    """The whole, by its parts: ranges, histograms of symbols, merges; then the low bits from the mean entry of a group."""
    for n, n_ranks, most in (
        (1, 1, 5),
        (70, 3, 40),
        (900, 40, 3000),
        (3000, 90, 30_000),
        (400, 5, 2**31 - 1),
        (64, 2, 1),
        (200, 2, 600),
    ):
        ranks = np.append(np.arange(n_ranks), RANDOM.integers(0, n_ranks, n - n_ranks))
        matrix = np.rint(RANDOM.normal(size=n) / 9 * most ** (ranks / n_ranks)).astype(np.int32)[:, None]
        if most == 1:
            matrix[:] = 0
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            parts, table = context.split_by_rank(matrix, ranks)
        least = max(0, int(abs(matrix).max()).bit_length() - 17)
        first, symbols = ranges(np.bincount(ranks).tolist()), rows.symbols(matrix[:, 0], least)[0].tolist()
        histograms = np.zeros((first[-1] + 1, max(symbols) + 1))
        for rank, symbol in zip(ranks.tolist(), symbols, strict=True):
            histograms[first[rank], symbol] += 1
        groups = merged(histograms)
        assert table.tolist() == [groups[first[rank]] for rank in range(n_ranks)]
        assert parts.group.tolist() == [table[rank] for rank in ranks.tolist()]
        for g, low in enumerate(parts.low):
            own = [abs(x) for x, its in zip(matrix[:, 0].tolist(), parts.group.tolist(), strict=True) if its == g]
            mean = sum(own) / len(own)
            assert low == min(max(least, math.floor(math.log2(mean + 2**-8)) - 4), 24)
        assert rows.join_rows(parts, "i4").tolist() == matrix.tolist()
