"""The small parts of the artifact one by one, at the edges of what they take; plain loops are the oracle."""

from __future__ import annotations

import io
import math
from types import ModuleType

import numpy as np
import pytest

from quantcore.artifact import _fail, canonical, context, files, strings, threads, trie
from quantcore.artifact.ascending import join_ascending, join_steps, split_ascending, split_steps
from quantcore.artifact.bits import join, split, unzigzag, zigzag
from quantcore.artifact.preorder import leaf_numbers
from quantcore.artifact.repeats import numbers
from quantcore.artifact.transforms import transforms
from quantcore.errors import ArtifactError

RANDOM = np.random.default_rng(3)
LONG = 3 * 8192 + 17  # several blocks, and a part of one


@pytest.mark.parametrize("value, most", [("", 1 << 16), ("1", 1), ("12", 12), ("70000", 70000)])
def test_threads_that_are_asked_for(monkeypatch, value, most):
    threads.most_threads.cache_clear()
    monkeypatch.setenv("QUANTCORE_THREADS", value)
    assert threads.most_threads() == most
    monkeypatch.delenv("QUANTCORE_THREADS")
    assert threads.most_threads() == most  # read once
    threads.most_threads.cache_clear()
    assert threads.most_threads() == 65536
    threads.most_threads.cache_clear()


@pytest.mark.parametrize("value", ["0", "-1", "two", "1.5", " ", "²", "٣"])
def test_threads_that_are_no_number(monkeypatch, value):
    threads.most_threads.cache_clear()
    monkeypatch.setenv("QUANTCORE_THREADS", value)
    with pytest.raises(ValueError, match="expected a positive number"):
        threads.most_threads()
    threads.most_threads.cache_clear()


def test_errors_by_reason():
    found = [
        (_fail.invalid("x" * 400), "invalid"),
        (_fail.checksum("the table"), "checksum"),
        (_fail.truncated(3, 64), "truncated"),
        (_fail.newer("y" * 400, "9.9"), "version"),
        (_fail.too_large("the file holds 5 bytes", 4), "invalid"),
    ]
    for error, reason in found:
        assert isinstance(error, ArtifactError) and error.reason == reason
    texts = [str(error) for error, _ in found]
    assert "x" * 300 in texts[0] and "x" * 301 not in texts[0] and "y" * 300 in texts[3] and "y" * 301 not in texts[3]
    assert (
        "3 bytes arrived, at least 64" in texts[2] and texts[3].endswith("install quantcore 9.9") and "max_bytes is 4" in texts[4]
    )


def test_canonical_text():
    value = {"b": [1, -0.0, 1e-7, True, None], "a": "é\ud800"}
    text = canonical.dumps(value)
    assert text == '{"a":"é\ud800","b":[1,-0.0,1e-07,true,null]}'.encode("utf-8", "surrogatepass")
    assert canonical.loads(text) == value and canonical.MAX_TEXT == 16 * 1024 * 1024
    for bad in (math.nan, math.inf):
        with pytest.raises(ValueError):
            canonical.dumps(bad)
    for text in (b'{"b":1,"a":2}', b"[1, 2]", b'{"a":1,"a":1}', b"1.0e0", b'"\\u00e9"', b" 1"):
        with pytest.raises(ArtifactError, match="not canonical JSON"):
            canonical.loads(text)
    for text in (b"{", b"\xff", b"[" * 100_000):
        with pytest.raises(ArtifactError, match="metadata is not JSON"):
            canonical.loads(text)


def test_what_parsing_takes():
    """4 bytes for a character (10 where one is not ASCII), and what CPython's containers hold."""
    assert canonical.parsed_size(b"") == 0 and canonical.parsed_size(b"abc") == 12 and canonical.parsed_size("é".encode()) == 20
    assert canonical.parsed_size(b"{") == 260 and canonical.parsed_size(b"[") == 108 and canonical.parsed_size(b",") == 124
    assert canonical.parsed_size(b'{"a":[1,2,3]}') == 4 * 13 + 256 + 104 + 2 * 120


def test_compiled_functions_in_place_of_the_definitions():
    """What a compiled one refuses (None) the definition looks at."""
    names = transforms(None)._fields
    assert transforms(None).numbers is numbers
    leaf = np.array([False, True, True])
    for answer in ("compiled", None):
        module = ModuleType("door")
        vars(module).update(dict.fromkeys(names, lambda *_, answer=answer: answer))
        result = transforms(module).leaf_numbers(leaf)
        assert result == answer if answer else result.tolist() == leaf_numbers(leaf).tolist()


def test_widths_that_are_out_of_proportion():
    """Four bytes a character against 64 for each string and each of its bytes: as much is not yet too much."""
    assert not strings.too_wide(1, 16, 0) and strings.too_wide(1, 17, 0)
    assert not strings.too_wide(1, 160, 9) and strings.too_wide(1, 161, 9)
    assert not strings.too_wide(2, 32, 2) and strings.too_wide(2, 33, 2)
    assert not strings.too_wide(0, 100, 0)


def test_lists_of_texts():
    texts = ["", "a", "é", "\ud800", "ab" * 50]
    lengths, data = strings.split_text(texts)
    assert lengths.tolist() == [0, 1, 2, 3, 100] and strings.join_text(lengths, data) == texts
    assert strings.join_text(np.zeros(0, np.int64), np.zeros(0, np.uint8)) == []
    for wrong in (lengths + 1, lengths[:-1], np.zeros(0, np.int64)):
        with pytest.raises(ArtifactError, match="do not add up"):
            strings.join_text(wrong, data)
    with pytest.raises(ArtifactError, match="not UTF-8"):
        strings.join_text(np.array([1, 1]), np.frombuffer("é".encode(), np.uint8))


class Slow(io.RawIOBase):
    """A file that gives a few bytes at a time, and may end early."""

    def __init__(self, data, step):
        self.data, self.step, self.at = data, step, 0

    def readinto(self, buffer):
        part = self.data[self.at : self.at + min(self.step, len(buffer))]
        buffer[: len(part)] = part
        self.at += len(part)
        return len(part)


def test_large_files_come_in_pieces():
    data = RANDOM.integers(0, 256, 100_000).astype(np.uint8).tobytes()
    for step in (1 << 20, 40_000, 33_333):
        found = files._read_large(Slow(data, step), len(data))
        assert bytes(found) == data and found.readonly
    assert bytes(files._read_large(Slow(data[:70_000], 40_000), len(data))) == data[:70_000]  # cut off meanwhile
    assert bytes(files._read_large(Slow(data, 40_000), 50_000)) == data[:50_000]


@pytest.mark.parametrize("n", [0, 1, 2, 8191, 8192, 8193, LONG])
def test_steps_over_blocks(n):
    values = np.cumsum(RANDOM.integers(-3, 5, n)).astype(np.int32)
    steps = split_steps(values)
    assert steps.tolist() == [int(b) - int(a) for a, b in zip([0, *values], values, strict=False)]
    np.testing.assert_array_equal(join_steps(steps, "i4"), values)
    floats = np.sort(RANDOM.normal(size=n).astype(np.float32))
    floats[: n // 3] *= np.float32(-1)
    np.testing.assert_array_equal(join_ascending(split_ascending(floats)).view(np.uint32), floats.view(np.uint32))


def test_steps_at_the_ends_of_a_type():
    for dtype in ("i1", "u1", "i2", "i4", "u4"):
        info = np.iinfo(dtype)
        for ok in (info.min, info.max):
            assert join_steps(np.array([ok, 0], np.int64), dtype).tolist() == [ok, ok]
        for bad in ([info.max, 1], [info.min, -1]):
            with pytest.raises(ArtifactError, match="do not fit"):
                join_steps(np.array(bad, np.int64), dtype)
    special = np.array([-np.inf, -1.0, -0.0, 0.0, 1.0, np.inf, np.nan], np.float32)
    assert split_ascending(special)[1:].tolist()[1:3] == [int(np.float32(1.0).view(np.uint32)), 1]  # -1 to -0, and -0 to 0
    np.testing.assert_array_equal(join_ascending(split_ascending(special)).view(np.uint32), special.view(np.uint32))


@pytest.mark.parametrize("n", [0, 1, 8191, 8192, 8193, LONG])
@pytest.mark.parametrize("most", [1, 2, 200, 1 << 20, 1 << 33])
def test_bit_strings_over_blocks(n, most):
    values = RANDOM.integers(0, most, n)
    classes, packed = split(values)
    assert classes.tolist() == [int(v).bit_length() for v in values]
    bits = "".join(format(int(v), "b")[1:][::-1] if v else "" for v in values)
    assert packed.tobytes() == int(bits[::-1] or "0", 2).to_bytes(-(-len(bits) // 8), "little")
    np.testing.assert_array_equal(join(classes, packed, "i8", False), values)
    signed = values // 2 * RANDOM.choice([-1, 1], n)
    np.testing.assert_array_equal(join(*split(zigzag(signed)), "i8", True), signed)


def test_bit_strings_that_are_none():
    assert split(np.array([1 << 33])) is None and split(np.array([-1])) is None and split(np.array([(1 << 33) - 1])) is not None
    assert unzigzag(np.arange(5).astype(np.uint64)).tolist() == [0, -1, 1, -2, 2] and zigzag(
        np.array([0, -1, 1, -2, 2])
    ).tolist() == [*range(5)]
    classes, packed = split(np.array([5, 300, 70_000]))
    for wrong, data in (
        (classes, packed[:-1]),
        (classes, np.append(packed, np.uint8(0))),
        (np.array([34], np.uint8), packed[:5]),
    ):
        with pytest.raises(ArtifactError):
            join(wrong, data, "i4", False)
    spoiled = packed.copy()
    spoiled[-1] |= 128  # beyond the last number
    with pytest.raises(ArtifactError, match="do not fill"):
        join(classes, spoiled, "i4", False)
    for dtype in ("u1", "i1", "u2", "i2"):
        info = np.iinfo(dtype)
        for value, fits in ((info.max, True), (info.max + 1, False)):
            parts = split(zigzag(np.array([value])) if info.min else np.array([value]))
            if fits:
                assert join(*parts, dtype, bool(info.min)).tolist() == [value]
            else:
                with pytest.raises(ArtifactError, match=f"does not fit {dtype}"):
                    join(*parts, dtype, bool(info.min))


def test_leaves_are_numbered_within_their_trees():
    """By a walk that counts who waits for a right child."""

    def tree(size):
        return [True] if size == 0 else [False, *tree(k := int(RANDOM.integers(0, size))), *tree(size - 1 - k)]

    for n_trees in (1, 3, 900):
        leaf = [node for _ in range(n_trees) for node in tree(int(RANDOM.integers(0, 40)))]
        expected, start, waiting = [], 0, 1
        for at, is_leaf in enumerate(leaf):
            if is_leaf:
                expected.append(at - start)
            waiting += -1 if is_leaf else 1
            if waiting == 0:
                start, waiting = at + 1, 1
        assert leaf_numbers(np.array(leaf)).tolist() == expected


def test_levels_of_a_trie():
    for n_parents, n_symbols, n in ((1, 1, 1), (5, 3, 9), (40, 300, 200), (3, 7, 0)):
        pairs = zip(RANDOM.integers(0, n_parents, n).tolist(), RANDOM.integers(0, n_symbols, n).tolist(), strict=True)
        edges = np.array(sorted(set(pairs)), np.int64).reshape(-1, 2)
        for ranked in (False, True):
            children, uses, gaps = trie.split_level(edges[:, 0], edges[:, 1], n_parents, n_symbols, ranked)
            assert children.tolist() == [int((edges[:, 0] == p).sum()) for p in range(n_parents)]
            assert uses.tolist() == ([int((edges[:, 1] == s).sum()) for s in range(n_symbols)] if ranked else [])
            parents, symbols = trie.join_level(children, uses, gaps, n_symbols)
            assert parents.tolist() == edges[:, 0].tolist() and symbols.tolist() == edges[:, 1].tolist()
            for bad in ((children, uses, np.append(gaps, 0)), (children, np.append(uses, 1)[: n_symbols + 1], gaps)):
                if len(bad[1]) not in (0, n_symbols) or len(bad[2]) != len(gaps):
                    with pytest.raises(ArtifactError, match="do not add up"):
                        trie.join_level(*bad, n_symbols)
    with pytest.raises(ArtifactError, match="not there"):
        trie.join_level(np.array([1]), np.zeros(0), np.array([3]), 3)


def test_merged_ranges_cost_less():
    """Neighbours become one as long as it gains bits, or they are too many: no further merge would gain."""
    for n, kinds in ((1, 1), (6, 2), (12, 4), (100, 3)):
        base = RANDOM.integers(0, 50, (kinds, 9)).astype(np.float64) * (RANDOM.random((kinds, 9)) < 0.5) + 1
        histograms = base[np.sort(RANDOM.integers(0, kinds, n))]
        group = context._merged(histograms)
        assert group[0] == 0 and set(np.diff(group).tolist()) <= {0, 1} and group[-1] < context._MOST_GROUPS
        parts = [histograms[group == g].sum(axis=0) for g in range(int(group[-1]) + 1)]
        bits = [float(context._bits(part)) for part in parts]
        assert sum(bits) <= float(context._bits(histograms).sum()) + 1e-9
        assert all(a + b <= float(context._bits(x + y)) for a, b, x, y in zip(bits, bits[1:], parts, parts[1:], strict=False))
    entropy = context._bits(np.array([2.0, 6.0, 0.0]))
    assert float(entropy) == pytest.approx(2 * 2 + 6 * math.log2(8 / 6) + 24 + 5 * 2)
    assert float(context._bits(np.zeros(3))) == 24.0


def as_bytes(texts):
    return np.frombuffer(b"".join(texts), np.uint8), np.cumsum([len(t) for t in texts]).astype(np.uint32)


def test_front_coded_strings():
    """By a loop over neighbours: at most 15 bytes are shared."""
    words = {
        b"",
        b"a",
        b"ab",
        b"abc",
        b"abd",
        b"b",
        b"x" * 15,
        b"x" * 16,
        b"x" * 16 + b"y",
        b"x" * 40,
        b"x" * 40 + b"z",
        b"\xff\x00",
    }
    words |= {bytes(RANDOM.integers(97, 100, RANDOM.integers(1, 25)).astype(np.uint8)) for _ in range(300)}
    for texts in (sorted(words), sorted(words)[1:], [b"abc"], [b""], [b"ab", b"ab"], []):
        data, ends = as_bytes(texts)
        shared = []
        for before, text in zip([b"", *texts], texts, strict=False):
            k = 0
            while k < min(len(before), len(text), 15) and before[k] == text[k]:
                k += 1
            shared.append(k)
        prefix, rest, own = strings.split_sorted(data, ends)
        assert prefix.tolist() == shared and rest.tolist() == [len(t) - k for t, k in zip(texts, shared, strict=True)]
        assert own.tobytes() == b"".join(t[k:] for t, k in zip(texts, shared, strict=True))
        found, stops = strings.join_sorted(prefix, rest, own)
        assert found.tobytes() == data.tobytes() and stops.tolist() == ends.tolist() and stops.dtype == np.uint32


def test_front_coded_strings_that_are_none():
    def join(prefix, rest, data=b"abcd"):
        return strings.join_sorted(np.array(prefix, np.uint8), np.array(rest, np.int64), np.frombuffer(data, np.uint8))

    assert join([0, 2], [2, 2])[0].tobytes() == b"ababcd" and join([0, 0], [4, 0])[1].tolist() == [4, 4]
    for prefix, rest in (([0], [2, 2]), ([0, 0], [2, 1]), ([0, 0], [2, 3])):
        with pytest.raises(ArtifactError, match="do not add up"):
            join(prefix, rest)
    for prefix, rest in (([1, 0], [2, 2]), ([0, 3], [2, 2]), ([0, 16], [2, 2])):
        with pytest.raises(ArtifactError, match="shares more than there is"):
            join(prefix, rest)
    with pytest.raises(ArtifactError, match="shares more than there is"):
        join([0, 16], [20, 1], b"x" * 21)  # there, but more than the format lets it
    assert join([0, 15], [20, 1], b"x" * 21)[0].tobytes() == b"x" * 36


def test_strings_at_the_edges():
    assert strings.join_text(np.array([1, 2]), np.frombuffer(b"abc", np.uint8)) == ["a", "bc"]
    texts = [b"abcd", b"abcde", b"ab"]  # the last is all prefix, and shorter than what the others share
    parts = np.array([0, 4, 2], np.uint8), np.array([4, 1, 0]), np.frombuffer(b"abcde", np.uint8)
    assert strings.join_sorted(*parts)[0].tobytes() == b"".join(texts)
    large = np.broadcast_to(np.uint8(97), 1 << 32)  # a byte that takes no more room than one
    with pytest.raises(ArtifactError, match="bytes or more"):
        strings.join_sorted(np.zeros(1, np.uint8), np.array([1 << 32]), large)


def test_integers_at_the_ends_of_a_type():
    for dtype in ("i1", "i2", "i4"):
        info = np.iinfo(dtype)
        for value in (info.min, info.max):
            assert join(*split(zigzag(np.array([value]))), dtype, True).tolist() == [value]
        with pytest.raises(ArtifactError, match=f"does not fit {dtype}"):
            join(*split(zigzag(np.array([int(info.min) - 1]))), dtype, True)


def test_a_tree_that_begins_at_the_end_of_a_block():
    leaf = np.array([True] * 8191 + [False, True, False, True, True] + [True] * 9 + [False, True, True])
    assert leaf_numbers(leaf).tolist() == [0] * 8191 + [1, 3, 4] + [0] * 9 + [1, 2]


def test_terms_in_the_order_of_a_walk():
    """A walk that visits a node before its children numbers the terms."""
    for sizes in ((1,), (3,), (2, 5), (4, 9, 3, 11), (1, 1, 1), (30, 80, 60)):
        parents, start = [], 0
        for above, size in zip(sizes, sizes[1:], strict=False):
            parents += sorted((start + RANDOM.integers(0, above, size)).tolist())
            start += above
        is_term = RANDOM.random(sum(sizes)) < 0.7
        children = {}
        for node, parent in enumerate(parents, sizes[0]):
            children.setdefault(parent, []).append(node)
        walk, waiting = [], list(range(sizes[0]))[::-1]
        while waiting:
            node = waiting.pop()
            walk.append(node)
            waiting += children.get(node, [])[::-1]
        rank = {node: n for n, node in enumerate(node for node in walk if is_term[node])}
        found = trie.alphabetical(np.array(parents, np.uint32), sizes, is_term)
        assert found.tolist() == [rank[node] for node in range(sum(sizes)) if is_term[node]]


def test_nodes_with_many_children_come_first():
    parent, symbol = np.array([0, 1, 1]), np.array([2, 0, 1])
    children, uses, gaps = trie.split_level(parent, symbol, 2, 3, False)
    assert children.tolist() == [1, 2] and uses.tolist() == [] and gaps.tolist() == [0, 0, 2]
