"""Each coding gives back what it was given, and refuses parts that do not fit."""

from __future__ import annotations

import os
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from quantcore.artifact import ascending, bits, context, idf, means, prefix, preorder, repeats, rows, strings, trie
from quantcore.artifact.deflate import compress, compress_parts, inflate
from quantcore.errors import ArtifactError
from quantcore.plan import Vocabulary

U8 = np.uint8


@given(st.lists(st.integers(0, 2**33 - 1), max_size=50))
def test_bits(values):
    coded = bits.split(np.array(values, np.int64))
    assert coded is not None
    assert bits.join(*coded, "u8", False).tolist() == values


def test_bits_over_blocks():
    values = np.random.default_rng(0).geometric(1e-4, 3 * bits.BLOCK + 5)
    assert np.array_equal(bits.join(*bits.split(values), "i4", False), values)
    assert bits.split(np.array([1 << 33])) is None


@given(hnp.arrays(st.sampled_from([np.int8, np.int16, np.int32]), st.integers(0, 50)))
def test_signed_bits(values):
    coded = bits.split(bits.zigzag(values))
    found = bits.join(*coded, values.dtype.str[1:], True)
    assert found.dtype == values.dtype and np.array_equal(found, values)


@pytest.mark.parametrize(
    ("classes", "packed", "dtype"),
    [
        ([34], [], "u8"),
        ([3], [], "u1"),
        ([3], [0, 0], "u1"),
        ([3], [4], "u1"),
        ([9], [0], "u1"),
        ([33], [0, 0, 0, 0], "u4"),
        ([8], [0], "i1"),
    ],
)
def test_bits_refuse(classes, packed, dtype):
    with pytest.raises(ArtifactError):
        bits.join(np.array(classes, U8), np.array(packed, U8), dtype, False)


@given(st.lists(st.integers(0, 10**6), min_size=1, max_size=256))
def test_prefix_codes(counts):
    lengths = prefix.code_lengths(np.array(counts))
    assert prefix.is_complete(lengths) and all(lengths[i] for i, count in enumerate(counts) if count)
    table, codes = prefix.table(lengths), prefix.codes(lengths)
    for symbol in np.flatnonzero(lengths).tolist():
        behind = np.arange(1 << prefix.LONGEST - int(lengths[symbol])) << int(lengths[symbol])
        assert (table[codes[symbol] | behind] == symbol).all()


def test_prefix_codes_are_the_shortest():
    """Huffman's lengths, where none is too long."""
    assert prefix.code_lengths(np.array([5, 9, 12, 13, 16, 45])).tolist() == [4, 4, 3, 3, 3, 1]
    assert prefix.code_lengths(1 << np.arange(30)).max() == prefix.LONGEST


@given(hnp.arrays(st.sampled_from([np.int16, np.int32]), st.tuples(st.integers(1, 20), st.integers(2, 9))))
def test_rows(matrix):
    found = rows.join_rows(rows.split_rows(matrix), matrix.dtype.str[1:])
    assert found.dtype == matrix.dtype and np.array_equal(found, matrix)


@given(
    hnp.arrays(st.sampled_from([np.int16, np.int32]), st.tuples(st.integers(1, 200), st.just(1))),
    st.integers(1, 300),
    st.integers(0, 2**31),
)
def test_rows_by_rank(matrix, n_ranks, seed):
    ranks = np.unique(np.random.default_rng(seed).integers(0, n_ranks, len(matrix)), return_inverse=True)[1].reshape(-1)
    parts, table = context.split_by_rank(matrix, ranks)
    assert len(table) == ranks.max() + 1 and table.dtype == np.uint8
    assert np.array_equal(parts.group, table[ranks]) and (np.diff(table.astype(int)) >= 0).all()
    assert np.array_equal(rows.join_rows(parts, matrix.dtype.str[1:]), matrix)


def test_rows_by_rank_take_what_their_entropies_say():
    """Entries of two sizes, told by their ranks: about the bits of each alone, not of the mixture."""
    rng = np.random.default_rng(0)
    ranks = rng.integers(0, 100, 40_000)
    matrix = np.rint(rng.normal(size=40_000) * np.where(ranks < 50, 1.0, 300.0)).astype(np.int16)[:, None]

    def bits_of(values):
        share = np.unique(values, return_counts=True)[1] / len(values)
        return -(share * np.log2(share)).sum() * len(values)

    alone = (bits_of(matrix[ranks < 50]) + bits_of(matrix[ranks >= 50])) / 8
    parts, _ = context.split_by_rank(matrix, ranks)
    assert len(parts.low) == 2
    assert len(parts.packed) < 1.03 * alone < 0.9 * len(rows.split_rows(matrix).packed)


def heavy_tails(shape, dtype):
    rng = np.random.default_rng(1)
    limits = np.iinfo(dtype)
    sizes = np.exp(rng.uniform(0, np.log(limits.max) / 2, (shape[0], 1)))
    return (rng.standard_t(2, shape) * sizes).clip(limits.min, limits.max).astype(dtype)


@pytest.mark.parametrize("dtype", [np.int16, np.int32])
@pytest.mark.parametrize("shape", [(3000, 37), (4097, 3), (9, 4096), (9000, 1)])
def test_rows_of_every_size(shape, dtype):
    matrix = heavy_tails(shape, dtype)
    assert np.array_equal(rows.join_rows(rows.split_rows(matrix), np.dtype(dtype).str[1:]), matrix)


def test_rows_refuse():
    # two groups, codes of one bit each (symbols 0 and 1: 0 and -1), entries of one byte with seven low bits and of one bit
    codes = np.array([1, 1, 1, 1], U8)
    good = rows.Rows(1, [0, 7], codes, np.array([1, 0], U8), np.array([1, 1], np.uint32), np.array([1, 64 + 5], U8))
    assert rows.join_rows(good, "i2").tolist() == [[5], [-1]]
    for change in (
        {"group": np.array([1], U8)},
        {"group": np.array([1, 2], U8)},
        {"sizes": np.array([1], np.uint32)},
        {"sizes": np.array([2, 0], np.uint32)},
        {"sizes": np.array([1, 2], np.uint32)},
        {"packed": np.array([3, 69], U8)},
        {"codes": np.array([1, 2, 1, 1], U8)},
        {"codes": np.array([13, 1, 1, 1], U8)},
        {"codes": np.array([1, 1, 1], U8)},
        {"codes": np.zeros(4, U8)},
        {"low": []},
    ):
        with pytest.raises(ArtifactError):
            rows.join_rows(rows.Rows(**{**good._asdict(), **change}), "i2")
    long = np.zeros((2, 256), U8)
    long[:, [0, 255]] = 1
    big = rows.Rows(
        1, [0, 24], long.reshape(-1), np.array([1], U8), np.array([5], np.uint32), np.array([255, 255, 255, 255, 127], U8)
    )
    with pytest.raises(ArtifactError):
        rows.join_rows(big, "i2")


@given(st.lists(st.integers(0, 5), max_size=40))
def test_repeats(values):
    array = np.array(values, np.int16)
    back = repeats.distances(array)
    assert array[back == 0][repeats.numbers(back)].tolist() == values


def test_repeats_over_blocks():
    array = np.random.default_rng(0).zipf(1.3, 50_000).clip(max=30_000)
    back = repeats.distances(array)
    assert np.array_equal(array[back == 0][repeats.numbers(back)], array)


def test_repeats_refuse():
    with pytest.raises(ArtifactError):
        repeats.numbers(np.array([0, 2], U8))


@given(st.sets(st.text(min_size=1, max_size=30), max_size=30))
def test_sorted_strings(words):
    encoded = sorted(w.encode("utf-8", "surrogatepass") for w in words)
    data = np.frombuffer(b"".join(encoded), U8)
    ends = np.cumsum([len(e) for e in encoded], dtype=np.int64)
    found, found_ends = strings.join_sorted(*strings.split_sorted(data, ends))
    assert found.tobytes() == data.tobytes() and found_ends.tolist() == ends.tolist()


@pytest.mark.parametrize(
    ("prefix", "rest", "data"),
    [([1], [1], "a"), ([0, 2], [1, 1], "ab"), ([0, 16], [20, 1], "a" * 21), ([0], [2], "a"), ([0], [], "")],
)
def test_sorted_strings_refuse(prefix, rest, data):
    with pytest.raises(ArtifactError):
        strings.join_sorted(np.array(prefix, U8), np.array(rest, U8), np.frombuffer(data.encode(), U8))


@given(st.lists(st.text(max_size=9), max_size=9))
def test_text(words):
    assert strings.join_text(*strings.split_text(words)) == words


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize("smooth", [0, 1])
@pytest.mark.parametrize(("documents", "rarest"), [(2, 1), (57, 1), (4000, 2), (100_000, 1), (100_000, 900)])
def test_idf_of_scikit_learn(dtype, smooth, documents, rarest):
    """The bits of scikit-learn's formula, from integers."""
    counts = np.random.default_rng(documents).integers(rarest, documents + 1, 500).astype(dtype)
    values = np.full_like(counts, documents + smooth) / (counts + dtype(smooth))
    source = (np.log(values) + dtype(1)).astype(np.float64)
    coded = idf.split_idf(source)
    assert coded is not None
    found, _ = idf.join_idf(*coded)
    assert found.tobytes() == source.tobytes()


def test_idf_of_anything_else():
    rng = np.random.default_rng(0)
    for values in (
        rng.uniform(1, 9, 50),
        np.array([np.nan]),
        np.array([np.inf]),
        np.array([-3.0, 1.0]),
        np.zeros(0),
        np.array([1e300]),
    ):
        coded = idf.split_idf(values)
        assert coded is None or idf.join_idf(*coded)[0].tobytes() == values.tobytes()


GRAMS = st.dictionaries(
    st.lists(st.sampled_from("abcdeé☃"), min_size=1, max_size=4).map(tuple), st.integers(0, 2**32 - 1), min_size=1, max_size=40
)


@given(GRAMS, st.booleans())
def test_trie_levels(grams, ranked):
    v = Vocabulary.from_terms(grams, "")
    start = base = 0
    for n_parents, n_edges in zip(v.levels, v.levels[1:], strict=False):
        parent, symbol = v.parent[start : start + n_edges].astype(np.int64) - base, v.symbol[start : start + n_edges]
        found = trie.join_level(*trie.split_level(parent, symbol, n_parents, v.n_symbols, ranked), v.n_symbols)
        assert np.array_equal(found[0], parent) and np.array_equal(found[1], symbol)
        start, base = start + n_edges, base + n_parents


@given(
    st.sets(
        st.lists(st.sampled_from(["ab", "abc", "b", "é", "☃x", "_", "zz"]), min_size=1, max_size=3).map(tuple),
        min_size=1,
        max_size=60,
    )
)
def test_alphabetical_is_the_order_of_learnt_columns(grams):
    v = Vocabulary.from_terms({gram: column for column, gram in enumerate(sorted(grams, key=" ".join))}, " ")
    assert np.array_equal(trie.alphabetical(v.parent, v.levels, v.is_term), v.column)


@given(hnp.arrays(np.uint32, st.integers(0, 50)))
def test_ascending(patterns):
    """Any bits, NaN and both zeros among them."""
    steps = ascending.split_ascending(patterns.view(np.float32))
    assert np.array_equal(ascending.join_ascending(steps).view(np.uint32), patterns)


@given(hnp.arrays(st.sampled_from([np.int8, np.uint16, np.int32, np.uint32]), st.integers(0, 50)))
def test_steps(values):
    found = ascending.join_steps(ascending.split_steps(values), values.dtype.str[1:])
    assert found.dtype == values.dtype and np.array_equal(found, values)


def test_steps_over_blocks():
    values = np.random.default_rng(0).integers(-(2**31), 2**31, 3 * 8192 + 5)
    assert np.array_equal(ascending.join_steps(ascending.split_steps(values), "i8"), values)


@pytest.mark.parametrize(("steps", "dtype"), [([-1], "u1"), ([200, 56], "u1"), ([200], "i1"), ([0, *[1] * 8191, -1], "i1")])
def test_steps_refuse(steps, dtype):
    with pytest.raises(ArtifactError):
        ascending.join_steps(np.array(steps), dtype)


def test_steps_of_ascending_floats_are_what_lies_between():
    values = np.array([-np.inf, -1.0, np.nextafter(np.float32(-1.0), np.float32(0.0)), -0.0, 0.0, 1e-45, np.inf], np.float32)
    steps = ascending.split_ascending(values)
    assert steps.tolist()[2:6] == [1, 0x3F7FFFFF, 1, 1]
    values = np.sort(np.random.default_rng(0).normal(size=3 * 8192 + 5).astype(np.float32))
    assert np.array_equal(ascending.join_ascending(ascending.split_ascending(values)), values)


def numbered(flags):
    """Leaf by leaf, what `preorder.leaf_numbers` means."""
    found, waiting, at = [], 1, 0
    for leaf in flags.tolist():
        if leaf:
            found.append(at)
        waiting += -1 if leaf else 1
        at += 1
        if waiting == 0:
            waiting, at = 1, 0
    return found


@given(hnp.arrays(np.bool_, st.integers(0, 60)))
def test_leaf_numbers(flags):
    assert preorder.leaf_numbers(flags).tolist() == numbered(flags)


@pytest.mark.parametrize("share", [0.3, 0.5, 0.52, 0.9])
def test_leaf_numbers_over_blocks(share):
    flags = np.random.default_rng(0).random(40_000) < share
    assert preorder.leaf_numbers(flags).tolist() == numbered(flags)


def test_bits_between_words():
    """Numbers of no bits, and of all, at every place of a word."""
    rng = np.random.default_rng(2)
    for shift in range(64):
        values = np.concatenate([np.ones(5, np.int64), np.full(shift, 2), rng.integers(0, 1 << 33, 30), np.zeros(3, np.int64)])
        assert np.array_equal(bits.join(*bits.split(values), "u8", False), values)


def large():
    """Noise, repeats and small numbers, over several chunks."""
    rng = np.random.default_rng(3)
    words = b"".join(b"%d " % n for n in rng.integers(0, 5000, 300_000))
    return rng.bytes(1_200_000) + words + rng.poisson(3, 900_000).astype(np.uint8).tobytes() + bytes(300_000)


@pytest.mark.parametrize("dictionary", [b"", b"some text"])
def test_large_streams_are_the_same_on_any_number_of_threads(monkeypatch, dictionary):
    data, found = large(), []
    for threads in (1, 2, 5):
        monkeypatch.setattr(os, "cpu_count", lambda threads=threads: threads)
        found.append(compress(data, dictionary))
    assert found[0] == found[1] == found[2] and len(found[0]) < 0.6 * len(data)
    assert inflate(found[0], len(data), dictionary) == data


def test_noise_is_not_deflated():
    data = np.random.default_rng(4).bytes(1 << 20)
    assert compress(data) == data


@given(st.lists(st.binary(max_size=300), min_size=1, max_size=5))
def test_deflate(parts):
    data = b"".join(parts)
    assert inflate(compress(data), len(data)) == data
    assert inflate(compress_parts(parts), len(data)) == data
    with pytest.raises(ArtifactError):
        inflate(compress(data) + b"x", len(data))
    with pytest.raises(ArtifactError):
        inflate(compress(data), len(data) + 1)
    with pytest.raises(ArtifactError):
        inflate(compress(data + b"y"), len(data))


def leaves_of(random, n_leaves, scale, most=3000):
    """Leaves as libraries fit them to squared errors: sums of float32 over counts, times a factor."""
    counts = np.exp(random.uniform(0, np.log(most), n_leaves)).astype(np.int64)
    sums = np.array([random.normal(size=n).astype(np.float32).astype(np.float64).sum() for n in counts])
    return sums / counts * scale


@pytest.mark.parametrize("scale", [1.0, 0.1, 0.05, 0.3])
def test_means(scale):
    random = np.random.default_rng(0)
    values = leaves_of(random, 700, scale)
    values[:20] = [0.0, -0.0, np.nan, np.inf, -np.inf, 5e-324, 1e300, -1e-300, 1.0, -1.0, *random.normal(size=10)]
    parts = means.split_means(values)
    assert np.frexp(scale / parts.scale)[0] == 0.5 and np.count_nonzero(parts.counts) > 500  # but for a power of two
    assert means.join_means(parts).tobytes() == values.tobytes()
    # Each value by exact rationals: a sum over a count, rounded once, times the factor, rounded again.
    bits_left, at = int.from_bytes(parts.packed.tobytes(), "little"), 0
    others, pairs = iter(parts.others.tolist()), zip(parts.shift.tolist(), parts.size.tolist(), strict=True)
    for value, count in zip(values.tolist(), parts.counts.tolist(), strict=True):
        if count == 0:
            assert np.float64(next(others)).tobytes() == np.float64(value).tobytes()
            continue
        shift, size = next(pairs)
        length = size + shift + count.bit_length()
        field = bits_left >> at & (1 << length) - 1
        at += length
        number = Fraction((1 << length - 1) + (field >> 1), count << shift)
        rounded = Fraction(float(number)) * Fraction(parts.scale)
        assert float(rounded) == abs(value) and (field & 1) == (value < 0)
    assert bits_left >> at == 0


def test_what_are_no_means():
    random = np.random.default_rng(1)
    for values in (random.normal(size=300), np.zeros(100), np.full(80, np.nan), np.zeros(0)):
        assert means.split_means(values) is None
    targets = np.round(random.uniform(1e4, 5e5, 2000))
    values = np.array([targets[random.integers(0, 2000, n)].mean() for n in random.integers(1, 40, 500)])
    parts = means.split_means(values)
    assert parts.scale == 1.0 and len(parts.packed) < 3 * len(values)
    assert means.join_means(parts).tobytes() == values.tobytes()


def test_means_refuse():
    values = leaves_of(np.random.default_rng(2), 200, 0.1, most=200)
    values[::7] = np.pi * np.arange(1, 30)[: len(values[::7])]
    parts = means.split_means(values)
    assert 0 < len(parts.others) < 100
    count = parts.counts.copy()
    count[0] = -1
    broken = [
        parts._replace(counts=count), parts._replace(counts=parts.counts[:-1]), parts._replace(shift=parts.shift[1:]),
        parts._replace(size=parts.size[1:]), parts._replace(size=parts.size + 40), parts._replace(size=parts.size - 60),
        parts._replace(shift=parts.shift + 60), parts._replace(shift=parts.shift - 60), parts._replace(others=parts.others[1:]),
        parts._replace(packed=parts.packed[:-1]), parts._replace(packed=np.append(parts.packed, U8(0))),
        parts._replace(scale=0.0), parts._replace(scale=-0.1), parts._replace(scale=2.0**65), parts._replace(scale=np.nan),
    ]  # fmt: skip
    for one in broken:
        with pytest.raises(ArtifactError):
            means.join_means(one)


def midpoints(random, n_columns=6, n_thresholds=50):
    """Thresholds as LightGBM makes them: right above the middle of two float32 numbers; and those right above its zero."""
    columns = []
    for _ in range(n_columns):
        x = np.sort(random.normal(size=4 * n_thresholds).astype(np.float32).astype(np.float64))
        middle = (x[:-1:4] + x[1::4]) / 2
        columns.append(np.unique(np.append(np.nextafter(middle, np.inf), np.nextafter(np.float64(np.float32(1e-35)), np.inf))))
    return np.concatenate(columns)


def test_doubles_that_rise():
    values = midpoints(np.random.default_rng(0))
    parts = ascending.split_doubles(values)
    assert parts.bits >= 24 and np.count_nonzero(parts.low > 1) == 6
    assert ascending.join_doubles(parts).tobytes() == values.tobytes()
    # Their places among all doubles, by integers of any size.
    place = 0
    for value, top, bottom, low in zip(values, parts.top.tolist(), parts.bottom.tolist(), parts.low.tolist(), strict=True):
        place = (place + (top << 16) + bottom) % (1 << 64 - parts.bits)
        whole = (place << parts.bits) + low
        bits_ = whole - (1 << 63) if whole >= 1 << 63 else (1 << 64) - 1 - whole
        assert bits_ == int(value.view(np.uint64))


@given(hnp.arrays(np.uint32, st.integers(64, 90)), st.integers(0, 3))
def test_any_doubles_of_few_bits(patterns, low):
    values = ((patterns.astype(np.uint64) << np.uint64(32)) + np.uint64(low)).view(np.float64)
    parts = ascending.split_doubles(values)
    if parts is not None:  # those of either sign may end in other bits
        assert ascending.join_doubles(parts).tobytes() == values.tobytes()


def test_doubles_refuse():
    assert ascending.split_doubles(np.random.default_rng(0).normal(size=100)) is None
    parts = ascending.split_doubles(midpoints(np.random.default_rng(1)))
    wide = np.int64(1) << np.int64(48 - parts.bits)
    broken = [
        parts._replace(bits=15), parts._replace(bits=33), parts._replace(top=parts.top[1:]), parts._replace(low=parts.low[1:]),
        parts._replace(bottom=parts.bottom[1:]), parts._replace(top=parts.top.astype(np.int64) + wide),
        parts._replace(bottom=parts.bottom.astype(np.int64) + (1 << 16)), parts._replace(low=parts.low + (1 << parts.bits)),
        parts._replace(top=parts.top.astype(np.int64) - wide), parts._replace(low=parts.low.astype(np.int64) - 2),
    ]  # fmt: skip
    for one in broken:
        with pytest.raises(ArtifactError):
            ascending.join_doubles(one)
