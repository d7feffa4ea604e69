"""Deflate streams: the shortest of a few, chunks of large data, samples; zlib itself is the oracle."""

from __future__ import annotations

import concurrent.futures
import os
import zlib

import numpy as np
import pytest

from quantcore.artifact import deflate, threads
from quantcore.errors import ArtifactError

DEFAULT, FILTERED, HUFFMAN, RLE = 0, 1, 2, 3
RANDOM = np.random.default_rng(11)
TEXT = b" ".join(b"%d" % n for n in RANDOM.integers(0, 3000, 200_000))
NOISE = RANDOM.bytes(1 << 20)
RAMP = np.cumsum(RANDOM.integers(0, 2, 300_000)).astype("<u4").tobytes()


def stream_of(parts, strategy, dictionary=b""):
    """All parts in one stream of level 9, each with Huffman tables of its own."""
    made = zlib.compressobj(9, zlib.DEFLATED, -15, 9, strategy, *([dictionary] if dictionary else []))
    out = b""
    for part in parts[:-1]:
        out += made.compress(part) + made.flush(zlib.Z_BLOCK)
    return out + made.compress(parts[-1]) + made.flush()


@pytest.mark.parametrize("dictionary", [b"", b"0 1 2 3 4 5 6 7 8 9"])
@pytest.mark.parametrize(
    "data",
    [b"", b"a", TEXT[:5000], NOISE[:300], b"a" * 999, bytes(range(256)) * 9, RAMP[:4000], bytes(RANDOM.poisson(3, 900).tolist())],
)
def test_the_shortest_of_four_and_the_first_of_equals(data, dictionary):
    found = deflate.compress(data, dictionary)
    assert found == min((stream_of([data], s, dictionary) for s in (DEFAULT, FILTERED, HUFFMAN, RLE)), key=len)
    assert deflate.inflate(found, len(data), dictionary) == data


def greedy(parts, strategy):
    """Neighbours become one wherever that is no longer, from the left on."""
    done, rest = [], list(parts)
    while len(rest) > 1:
        joined = [rest[0] + rest[1], *rest[2:]]
        if len(stream_of(done + joined, strategy)) <= len(stream_of(done + rest, strategy)):
            rest = joined
        else:
            done.append(rest.pop(0))
    return stream_of(done + rest, strategy)


def test_parts_get_tables_of_their_own_where_that_pays():
    def some(low, high, n=2000):
        return bytes(RANDOM.integers(low, high, n).tolist())

    gains = 0
    for kinds in ("a", "aa", "ab", "abb", "aab", "abbcc", "abcca", "aabbccbb", "abcabc", "-c-", "aaaab"):
        parts = [{"a": some(97, 123), "b": some(48, 58), "c": some(200, 202), "-": b""}[kind] for kind in kinds]
        found, whole = deflate.compress_parts(parts), deflate.compress(b"".join(parts))
        assert found == min(whole, greedy(parts, DEFAULT), greedy(parts, HUFFMAN), key=len)
        assert deflate.inflate(found, sum(map(len, parts))) == b"".join(parts)
        gains += len(found) < len(whole)
    assert gains >= 6


def test_streams_that_are_none():
    data = TEXT[:1000]
    good = deflate.compress(data)
    assert deflate.inflate(memoryview(good), 1000) == data and deflate.inflate(deflate.compress(b""), 0) == b""
    for stored, size in (
        (good, 999),
        (good, 1001),
        (good[:-1], 1000),
        (good + b"\0", 1000),
        (b"", 0),
        (deflate.compress(b"x"), 0),
    ):
        with pytest.raises(ArtifactError, match="does not decode to"):
            deflate.inflate(stored, size)
    for broken in (b"\7", b"\xff" * 9, zlib.compress(data)):
        with pytest.raises(ArtifactError, match="broken") as caught:
            deflate.inflate(broken, 1000)
        assert caught.value.reason == "invalid"


def test_no_memory_is_not_the_file_s_fault(monkeypatch):
    for text, expected in (("Error -4 while decompressing", MemoryError), ("Error -3 while decompressing", ArtifactError)):

        class Stream:
            def decompress(self, *_, text=text):
                raise zlib.error(text)

        with monkeypatch.context() as patch, pytest.raises(expected):
            patch.setattr(zlib, "decompressobj", lambda *_, made=Stream: made())
            deflate.inflate(b"x", 1)


def test_bytes_are_shuffled():
    array = np.array([[0x04030201, 0x14131211], [0x24232221, 0x34333231]], "<u4")
    shuffled = bytes([1, 0x11, 0x21, 0x31, 2, 0x12, 0x22, 0x32, 3, 0x13, 0x23, 0x33, 4, 0x14, 0x24, 0x34])
    assert deflate.shuffle(array) == deflate.shuffle(np.asfortranarray(array)) == shuffled
    assert deflate.unshuffle(shuffled, 4) == array.tobytes()
    assert deflate.unshuffle(b"\1\2\3\4", 2) == b"\1\3\2\4" and deflate.unshuffle(b"abcdefgh", 8) == b"abcdefgh"
    assert deflate.unshuffle(shuffled, 1) is shuffled and deflate.unshuffle(b"", 4) == b""


@pytest.mark.parametrize("dtype", ["u1", "i2", "f4", "f8"])
def test_arrays_of_a_pool(dtype):
    values = RANDOM.integers(0, 100, (3, 4)).astype(f"<{dtype}")
    raw, size = values.tobytes(), values.itemsize
    pool = b"before" + b"".join(raw[k::size] for k in range(size)) + b"behind"
    found = deflate.pooled(pool, 6, dtype, (3, 4))
    assert found.dtype == values.dtype
    np.testing.assert_array_equal(found, values)


def test_samples_are_spread_over_all():
    """Stretches of one size at equal distances, the first at the beginning, the last at the end."""
    data = np.arange(50_000, dtype="<u4").tobytes()
    for size in (4000, 400):
        sample = deflate._sample(data, size)
        count = len(sample) // size
        starts = [4 * int.from_bytes(sample[k * size : k * size + 4], "little") for k in range(count)]
        places = [data.find(sample[k * size : (k + 1) * size]) for k in range(count)]
        assert len(sample) == count * size and count >= 4 and starts[0] == places[0] == 0
        assert len(set(np.diff(places).tolist())) == 1 and len(data) - size - 8 < places[-1] <= len(data) - size


KINDS = {"text": TEXT, "noise": NOISE, "ramp": RAMP, "zeros": bytes(600_000), "words": TEXT[:1000] * 700}


@pytest.mark.parametrize("name", KINDS)
def test_estimates(name):
    """Of small data the length itself, or a little more; of large data it is extrapolated."""
    for data in (KINDS[name][:20_000], KINDS[name]):
        found, length = deflate.estimate(data), len(deflate.compress(data))
        assert type(found) is int and found <= len(data)
        if len(data) == 20_000 and name != "words":
            assert min(length, len(data)) <= found <= 1.3 * length
        else:
            assert 0.7 * length <= found <= 1.4 * length + 2000
    assert deflate.estimate(b"") == 0


WAYS = [(DEFAULT, 0), (HUFFMAN, 1), (RLE, 1), (DEFAULT, 1), (DEFAULT, 4), (FILTERED, 6), (DEFAULT, 6)]  # the fastest first


class Counted:
    """`_deflate`, and the (length, strategy, level) of each call."""

    def __init__(self, monkeypatch):
        self.calls, self.real = [], deflate._deflate
        monkeypatch.setattr(deflate, "_deflate", self)

    def __call__(self, parts, strategy, level=9, *rest, **named):
        self.calls.append((sum(map(len, parts)), strategy, level))
        return self.real(parts, strategy, level, *rest, **named)


@pytest.mark.parametrize("name", KINDS)
def test_a_chunk_is_deflated_in_the_fastest_way_that_is_about_the_shortest(monkeypatch, name):
    counted, part = Counted(monkeypatch), memoryview(KINDS[name])[: 1 << 20]
    some = deflate._sample(part, 8192)
    found, asked = deflate._way(part), list(counted.calls)
    lengths = {way: len(counted.real([some], *way)) for way in WAYS}
    tried = WAYS[:4] if name == "noise" else WAYS  # what looks like noise is not looked at for longer
    assert asked == [(65_536, *way) for way in tried]
    assert found == [way for way in tried if lengths[way] <= 1.01 * min(lengths[w] for w in tried)][0]
    if name == "noise":
        assert found == (DEFAULT, 0)


def test_estimates_take_a_fraction_of_the_time(monkeypatch):
    """Half a mebibyte and more: a quarter of a mebibyte of it, not in the slowest way."""
    counted = Counted(monkeypatch)
    for size, seen, level in (((1 << 19) - 1, (1 << 19) - 1, 9), (1 << 19, 1 << 18, 6), (1 << 20, 1 << 18, 6)):
        counted.calls.clear()
        deflate.estimate(NOISE[:size])
        assert counted.calls == [(seen, strategy, level) for strategy in (FILTERED, HUFFMAN, RLE)]


def test_small_chunks_are_looked_at_whole(monkeypatch):
    counted = Counted(monkeypatch)
    for size, seen in ((100, 100), (50_000, 50_000), (65_536, 65_536), (65_537, 65_536), (1 << 20, 65_536)):
        counted.calls.clear()
        deflate._way(memoryview(NOISE)[:size])
        assert {length for length, _, _ in counted.calls} == {seen}


def test_from_half_a_mebibyte_on_noise_is_left_as_it_is():
    noise = NOISE[: 1 << 19]
    assert deflate.compress(noise) is noise
    assert deflate.inflate(deflate.compress(noise[:-1]), len(noise) - 1) == noise[:-1]


def test_what_saves_less_than_a_hundredth_is_left_as_it_is():
    """Zeros among noise: the stream is shorter by about what they take."""
    for zeros, kept in ((3000, True), (9000, False)):
        data = NOISE[: (1 << 19) - zeros] + bytes(zeros)
        found = deflate.compress(data)
        assert (found is data) == kept
        if not kept:
            assert len(found) < 0.99 * len(data) and deflate.inflate(found, len(data)) == data


def test_chunks_know_what_came_before_them():
    """Two kilobytes of noise again and again: they are stored once, and once for each table that is not the dictionary's."""
    block = NOISE[:2048]
    data = block * 1300  # three chunks
    plain, preset = deflate.compress(data), deflate.compress(data, block)
    whole = zlib.compressobj(6, zlib.DEFLATED, -15, 9)
    assert abs(len(plain) - len(whole.compress(data) + whole.flush())) < 500
    assert 1900 < len(plain) - len(preset) < 2500
    assert deflate.inflate(plain, len(data)) == data and deflate.inflate(preset, len(data), block) == data


def test_threads_for_chunks(monkeypatch):
    """As many as there are chunks of 1 MiB, processors and QUANTCORE_THREADS; none for one."""
    asked, chunks = [], []
    real, way = concurrent.futures.ThreadPoolExecutor, deflate._way
    monkeypatch.setattr(concurrent.futures, "ThreadPoolExecutor", lambda n: asked.append(n) or real(n))
    monkeypatch.setattr(deflate, "_way", lambda part: chunks.append(len(part)) or way(part))
    data = bytes(2 << 20) + b"end"
    for processors, limit, expected in ((1, "", []), (2, "", [2]), (9, "", [3]), (9, "2", [2]), (9, "1", []), (None, "", [])):
        monkeypatch.setattr(os, "cpu_count", lambda n=processors: n)
        monkeypatch.setenv("QUANTCORE_THREADS", limit)
        threads.most_threads.cache_clear()
        asked.clear()
        chunks.clear()
        found = deflate.compress(data)
        assert asked == expected and sorted(chunks) == [3, 1 << 20, 1 << 20] and deflate.inflate(found, len(data)) == data
    threads.most_threads.cache_clear()
    chunks.clear()
    exact = bytes(1 << 20)
    assert deflate.inflate(deflate.compress(exact), len(exact)) == exact and chunks == [1 << 20]
