"""Prefix codes and back references beside plain loops."""

from __future__ import annotations

import heapq
import itertools

import numpy as np
import pytest

from quantcore.artifact import prefix, repeats
from quantcore.errors import ArtifactError

RANDOM = np.random.default_rng(21)


def huffman(counts):
    """The fewest bits in all, by merging the two rarest again and again."""
    heap, total = [c for c in counts if c], 0
    heapq.heapify(heap)
    while len(heap) > 1:
        both = heapq.heappop(heap) + heapq.heappop(heap)
        total += both
        heapq.heappush(heap, both)
    return total


def shortest(counts, longest):
    """The fewest bits of a complete code of so many bits at most, by trying all: lengths that fall as counts rise."""
    counts = sorted(c for c in counts if c)
    found = [
        sum(c * n for c, n in zip(counts, lengths, strict=True))
        for lengths in itertools.combinations_with_replacement(range(longest, 0, -1), len(counts))
        if sum(2.0**-n for n in lengths) == 1.0
    ]
    return min(found)


def codes_of(lengths):
    """As in RFC 1951, first bit lowest."""
    code, found, before = 0, [0] * len(lengths), 0
    for n, symbol in sorted((n, s) for s, n in enumerate(lengths) if n):
        code <<= n - before
        found[symbol], before = int(format(code, f"0{n}b")[::-1], 2), n
        code += 1
    return found


def test_codes_are_the_shortest():
    for n in (2, 3, 4, 5, 9, 40, 256):
        for most in (1, 3, 50 if n < 256 else 9):
            counts = RANDOM.integers(0, most + 1, n)
            counts[:2] += 1
            lengths = prefix.code_lengths(counts)
            assert lengths.dtype == np.uint8 and len(lengths) == n and prefix.is_complete(lengths)
            assert int((lengths * counts).sum()) == huffman(counts.tolist()) and ((lengths > 0) == (counts > 0)).all()
            assert prefix.codes(lengths).tolist() == codes_of(lengths.tolist())


def test_codes_of_at_most_twelve_bits(monkeypatch):
    counts = [1, 1, 2, 3, 5, 8, 13, 21, 34, 55, 89, 144, 233, 377, 610, 987]  # Huffman's are of 15
    lengths = prefix.code_lengths(np.array(counts))
    assert lengths.max() == 12 and prefix.is_complete(lengths) and (np.diff(lengths.astype(int)) <= 0).all()
    monkeypatch.setattr(prefix, "LONGEST", 4)
    for some in (counts[:8], counts[4:12], [1, 1, 1, 1, 1000], [1, 2, 4, 8, 16, 32, 64]):
        lengths = prefix.code_lengths(np.array(some))
        assert lengths.max() <= 4 and int((lengths * np.array(some)).sum()) == shortest(some, 4)


@pytest.mark.parametrize(
    "counts, lengths",
    [
        ([], [1, 1]), ([5], [1, 1]), ([0], [1, 1]), ([0, 0], [1, 1]), ([0, 3], [1, 1]), ([3, 0], [1, 1]), ([0, 0, 0], [1, 1, 0]),
        ([7, 0, 0], [1, 1, 0]), ([0, 7, 0], [0, 1, 1]), ([0, 0, 7], [0, 1, 1]), ([4, 0, 0, 9], [1, 0, 0, 1]),
        ([0, 0, 7, 0, 0], [0, 0, 1, 1, 0]), ([1, 2], [1, 1]), ([1, 1, 1], [2, 2, 1]),
    ],
)  # fmt: skip
def test_codes_of_few_symbols(counts, lengths):
    """Two symbols at least have one: a neighbour where there is one alone."""
    found = prefix.code_lengths(np.array(counts, np.int64)).tolist()
    assert sorted(found) == sorted(lengths) if counts == [1, 1, 1] else found == lengths


@pytest.mark.parametrize(
    "lengths, complete",
    [
        ([1, 1], True), ([0, 1, 0, 1], True), ([1, 2, 2], True), ([12] * 2 + list(range(1, 12)), True), ([12] * 4096, True),
        ([1], False), ([0, 0], False), ([], False), ([1, 2], False), ([1, 1, 1], False), ([1, 1, 12], False), ([0, 1], False),
        ([13] * 2 + list(range(1, 13)), False), ([13] * 8192, False), ([255, 1, 1], False), ([1, 2, 3], False),
    ],
)  # fmt: skip
def test_complete_codes(lengths, complete):
    assert prefix.is_complete(np.array(lengths, np.uint8)) is complete


def test_tables_say_what_a_stream_begins_with():
    for lengths in ([1, 1], [2, 0, 1, 0, 2], [3, 3, 2, 3, 3, 3, 3], [12, 12, *range(11, 0, -1)], [4] * 16):
        table = prefix.table(np.array(lengths, np.uint8))
        codes = codes_of(lengths)
        assert table.dtype == np.uint8 and len(table) == 4096
        for stream in range(0, 4096, 7):
            begins = [s for s, n in enumerate(lengths) if n and stream & (1 << n) - 1 == codes[s]]
            assert begins == [table[stream]]


def back_of(values):
    last, found = {}, []
    for i, value in enumerate(values):
        found.append(i - last.get(value, i))
        last[value] = i
    return found


@pytest.mark.parametrize("n", [0, 1, 2, 50, 8191, 8192, 8193, 20_000])
@pytest.mark.parametrize("kinds", [1, 9, 5000])
def test_references_and_numbers(n, kinds):
    values = RANDOM.integers(0, kinds, n)
    back = repeats.distances(values)
    assert back.tolist() == back_of(values.tolist())
    numbers, seen = [], {}
    for value in values.tolist():
        numbers.append(seen.setdefault(value, len(seen)))
    for dtype in (np.int64, np.uint16):
        found = repeats.numbers(back.astype(dtype))
        assert found.dtype == np.uint32 and found.tolist() == numbers


def test_references_of_any_shape():
    """A reference needs not be to where a value stood last: any item before will do."""
    for n in (9, 8200, 30_000):
        back = np.minimum(RANDOM.integers(0, 9000, n) * (RANDOM.random(n) < 0.9), np.arange(n))
        expected, fresh = [], 0
        for i, distance in enumerate(back.tolist()):
            expected.append(expected[i - distance] if distance else fresh)
            fresh += distance == 0
        assert repeats.numbers(back).tolist() == expected


def test_references_before_the_start():
    assert repeats.numbers(np.array([0, 1, 2], np.uint8)).tolist() == [0, 0, 0]
    for back in ([1], [0, 2], [0, 0, 3], [0, 255]):
        with pytest.raises(ArtifactError, match="before the start") as caught:
            repeats.numbers(np.array(back, np.uint8))
        assert caught.value.reason == "invalid"
    late = np.zeros(9000, np.int64)
    late[8999] = 9000
    with pytest.raises(ArtifactError, match="before the start"):
        repeats.numbers(late)
