"""The compiled transforms: what they answer is the definitions' answer, bit for bit; what those refuse they refuse."""

import json

import numpy as np
import pytest

from quantcore.artifact import bits, canonical, deflate, idf, preorder, repeats, rows, strings, trie
from quantcore.errors import ArtifactError
from quantcore.plan import Vocabulary
from quantcore.plan.validate_text import _check_columns, _check_nodes, _check_symbols

U8 = np.uint8


@pytest.fixture
def codec(door_of):
    return door_of("codec")


def answer(function, *arguments):
    """The arrays that a function returns, or None where it refuses."""
    try:
        found = function(*arguments)
    except ArtifactError:
        return None
    return found if isinstance(found, tuple) or found is None else (found,)


def agree(compiled, definition, *arguments):
    """Whether the compiled function answers: with the same bits then, else it leaves the answer to the definition."""
    got = answer(compiled, *arguments)
    if got is None:
        return False
    expected = answer(definition, *arguments)
    assert expected is not None, "only the definition refuses"
    for a, b in zip(got, expected, strict=True):
        assert a.dtype == b.dtype and a.shape == b.shape and a.tobytes() == b.tobytes()
    return True


def mutants(rng, arrays, count):
    """Copies of the arrays, a few items of one of them changed, or its end cut off, or more items behind it."""
    for _ in range(count):
        changed = [a.copy() for a in arrays]
        which = rng.integers(len(arrays))
        array = changed[which]
        action = rng.random()
        if action < 0.15:
            changed[which] = array[: rng.integers(len(array) + 1)]
        elif action < 0.3:
            changed[which] = np.concatenate([array, array[:3], np.zeros(1, array.dtype)])
        else:
            for at in rng.integers(0, max(len(array), 1), rng.integers(1, 4)):
                if len(array):
                    value = rng.choice([0, 1, 2, 33, 34, 127, 128, 255, 65535, 2**31, 2**32 - 1, rng.integers(256)])
                    array[at] = value & np.iinfo(array.dtype).max if array.dtype.kind in "iu" else value & 1
        yield changed


def refusals(compiled, definition, arrays, call, count=400):
    rng = np.random.default_rng(len(arrays[0]))
    assert agree(compiled, definition, *call(*arrays))
    answered = sum(agree(compiled, definition, *call(*changed)) for changed in mutants(rng, arrays, count))
    assert 0 < answered < count


@pytest.mark.parametrize("dtype", ["u1", "u2", "u4", "u8", "i1", "i2", "i4", "i8"])
def test_integers(codec, dtype):
    rng = np.random.default_rng(0)
    limits = np.iinfo(dtype)
    for n in (0, 1, 7, 3000):
        values = np.exp(rng.uniform(0, np.log(min(limits.max, 2**31) - 1), n)).astype(np.int64) - (dtype[0] == "i")
        values *= rng.choice([1, -1], n) if dtype[0] == "i" else 1
        signed = dtype[0] == "i"
        arrays = bits.split(bits.zigzag(values) if signed else values)
        assert agree(codec.join_bits, bits.join, *arrays, dtype, signed)
        for other in ("u1", "i1", "u2", "i2", "i4"):
            agree(codec.join_bits, bits.join, *arrays, other, signed)
    refusals(codec.join_bits, bits.join, arrays, lambda *a: (*a, dtype, signed))


def test_split(codec):
    rng = np.random.default_rng(0)
    for n in (0, 1, 7, 3000, 50_000):
        values = np.exp2(rng.uniform(0, 33, n)).astype(np.int64) - 1
        values[rng.random(n) < 0.1] = 0
        for dtype in (np.int64, np.uint64, np.uint8, np.uint32):
            assert agree(codec.split_bits, bits.split, np.minimum(values, min(np.iinfo(dtype).max, 2**33)).astype(dtype))
    for values in ([0], [2**33 - 1], [1] * 9):
        assert agree(codec.split_bits, bits.split, np.array(values))
    for values in ([2**33], [-1], [0, 2**40, 3], [1, -(2**62)]):
        assert codec.split_bits(np.array(values)) is None and bits.split(np.array(values)) is None


def test_repeats(codec):
    back = repeats.distances(np.random.default_rng(0).zipf(1.3, 20_000).clip(max=3000))
    for dtype in (np.uint16, np.uint32):
        assert agree(codec.numbers, repeats.numbers, back.astype(dtype))
    small = [back[:30].astype(U8)]
    refusals(codec.numbers, repeats.numbers, small, lambda b: (b,))
    assert codec.numbers(np.array([0, -1])) is None


def test_ranks(codec):
    counts = np.random.default_rng(0).integers(1, 900, 700)
    for dtype in (U8, np.uint16, np.uint32):
        assert agree(codec.ranks, idf.ranks, counts.astype(dtype))
    assert codec.ranks(np.array([700 + 4096], np.uint32)) is None


def words(n=400):
    rng = np.random.default_rng(3)
    letters = np.array(list("abcdeé☃😀\ud800"))
    return sorted({"".join(rng.choice(letters, rng.integers(1, 30))) for _ in range(n)})


def symbols(texts):
    encoded = [t.encode("utf-8", "surrogatepass") for t in texts]
    return np.frombuffer(b"".join(encoded), U8), np.cumsum([len(e) for e in encoded]).astype(np.uint32)


def test_sorted_strings(codec):
    prefix, rest, data = strings.split_sorted(*symbols(words()))
    for dtype in (np.uint16, np.uint32):
        assert agree(codec.join_sorted, strings.join_sorted, prefix, rest.astype(dtype), data)
    arrays = [prefix, rest.astype(U8), data]
    refusals(codec.join_sorted, strings.join_sorted, arrays, lambda *a: a)
    assert agree(codec.join_sorted, strings.join_sorted, *(np.zeros(0, U8) for _ in range(3)))


def vocabulary(n_symbols=300, n_grams=4000):
    rng = np.random.default_rng(4)
    names = [f"w{i:04}" for i in range(n_symbols)]
    picks = (n_symbols * rng.random((n_grams, 3)) ** 3).astype(int)
    grams = {tuple(names[i] for i in row[: rng.integers(1, 4)]) for row in picks.tolist()}
    return Vocabulary.from_terms({gram: column for column, gram in enumerate(sorted(grams))}, " ")


@pytest.mark.parametrize("ranked", [True, False])
def test_levels(codec, ranked):
    v = vocabulary()
    start = base = 0
    for n_parents, n_edges in zip(v.levels, v.levels[1:], strict=False):
        parent, symbol = v.parent[start : start + n_edges].astype(np.int64) - base, v.symbol[start : start + n_edges]
        arrays = [part.astype(np.uint16) for part in trie.split_level(parent, symbol, n_parents, v.n_symbols, ranked)]
        refusals(codec.join_level, trie.join_level, arrays, lambda *a: (*a, v.n_symbols))
        start, base = start + n_edges, base + n_parents


def test_alphabetical(codec):
    v = vocabulary()
    assert agree(codec.alphabetical, trie.alphabetical, v.parent, v.levels, v.is_term)
    parent = v.parent.copy()
    parent[3] = v.n_symbols + 3
    assert codec.alphabetical(parent, v.levels, v.is_term) is None
    assert codec.alphabetical(v.parent[1:], v.levels, v.is_term) is None


@pytest.mark.parametrize("dtype", [np.int16, np.int32])
@pytest.mark.parametrize("shape", [(3000, 37), (2, 2), (4097, 3), (9, 4096), (700, 100), (9000, 1)])
def test_rows(codec, shape, dtype):
    rng = np.random.default_rng(1)
    limits = np.iinfo(dtype)
    sizes = np.exp(rng.uniform(0, np.log(limits.max) / 2, (shape[0], 1)))
    matrix = (rng.standard_t(2, shape) * sizes).clip(limits.min, limits.max).astype(dtype)
    parts, name = rows.split_rows(matrix), matrix.dtype.str[1:]
    assert np.array_equal(codec.join_rows(parts, name), matrix)
    assert agree(codec.join_rows, rows.join_rows, parts, name)
    agree(codec.join_rows, rows.join_rows, parts, "i4" if name == "i2" else "i2")


def test_rows_refuse(codec):
    rng = np.random.default_rng(1)
    matrix = (rng.standard_t(2, (60, 70)) * np.exp(rng.uniform(0, 6, (60, 1)))).clip(-32768, 32767).astype(np.int16)
    parts = rows.split_rows(matrix)
    arrays = [np.array(parts.low, U8), parts.codes, parts.group, parts.sizes, parts.packed]

    def call(low, codes, group, sizes, packed):
        return rows.Rows(parts.width, np.minimum(low, rows.MAX_LOW).tolist(), codes, group, sizes, packed), "i2"

    refusals(codec.join_rows, rows.join_rows, arrays, call, 150)


def sound(check, *arguments):
    try:
        check(*arguments)
    except ValueError:
        return False
    return True


def test_symbols_sound(codec):
    data, ends = symbols(words(60))
    assert codec.symbols_sound(data, ends)
    rng = np.random.default_rng(0)
    found = set()
    for changed, stops in mutants(rng, [data, ends], 1500):
        v = Vocabulary(changed, stops, *[np.zeros(0, np.uint32)] * 2, (len(stops),), np.zeros(len(stops), np.bool_), None, " ")
        expected = sound(_check_symbols, v)
        found.add(expected)
        assert codec.symbols_sound(changed, stops) == expected
    assert found == {True, False}


@pytest.mark.parametrize("length", [1, 2, 3, 4])
def test_utf8(codec, length):
    """As Python's "surrogatepass", at the ends of every range."""
    first = [0, 0x7F, 0x80, 0xBF, 0xC0, 0xC1, 0xC2, 0xDF, 0xE0, 0xED, 0xEF, 0xF0, 0xF3, 0xF4, 0xF5, 0xFF]
    then = [0, 0x7F, 0x80, 0x8F, 0x90, 0x9F, 0xA0, 0xBF, 0xC0, 0xFF]
    for combination in np.stack(np.meshgrid(first, *[then] * (length - 1)), axis=-1).reshape(-1, length).tolist():
        try:
            bytes(combination).decode("utf-8", "surrogatepass")
            expected = True
        except UnicodeDecodeError:
            expected = False
        assert codec.symbols_sound(np.array(combination, U8), np.array([length], np.uint32)) == expected


def test_nodes_and_columns_sound(codec):
    v = vocabulary(40, 300)
    rng = np.random.default_rng(0)
    found = set()
    for parent, symbol, column in mutants(rng, [v.parent, v.symbol, v.column], 600):
        if len(parent) != len(v.parent) or len(symbol) != len(v.symbol):
            continue  # checked before
        changed = Vocabulary(v.symbol_bytes, v.symbol_ends, parent, symbol, v.levels, v.is_term, column, " ")
        nodes, columns = sound(_check_nodes, changed), sound(_check_columns, changed, len(v.column))
        found |= {("nodes", nodes), ("columns", columns)}
        assert codec.nodes_sound(parent, symbol, v.levels) == nodes
        assert codec.columns_sound(column, len(v.column)) == columns
    assert len(found) == 4
    assert not codec.columns_sound(v.column, 2**31 - 1)  # the definition says


def test_leaf_numbers(codec):
    rng = np.random.default_rng(0)
    for n in (0, 1, 2, 100, 50_000):
        for share in (0.0, 0.4, 0.5, 0.55, 1.0):
            flags = rng.random(n) < share
            assert agree(codec.leaf_numbers, preorder.leaf_numbers, flags)
    assert codec.leaf_numbers(np.zeros((2, 2), np.bool_)) is None


def test_arrays_of_the_pool(codec):
    rng = np.random.default_rng(0)
    pool = rng.bytes(4000)
    for data in (pool, memoryview(pool)):
        for dtype in ("u1", "u2", "u4", "u8", "i1", "i2", "i4", "i8", "f2", "f4", "f8"):
            for shape in ((), (0,), (7,), (5, 3), (2, 0, 4), (2, 3, 4)):
                for start in (0, 1, 3777):
                    assert agree(codec.pooled, deflate.pooled, data, start, dtype, shape)
    assert not codec.pooled(pool, 0, "f8", (3,)).flags.writeable
    for start, shape in ((4000, (1,)), (3993, (1,)), (4001, ()), (0, (501,)), (0, (1 << 45, 7)), (0, (1, 1, 1, 1))):
        assert codec.pooled(pool, start, "f8", shape) is None


def test_flags(codec):
    rng = np.random.default_rng(0)
    for count in (0, 1, 7, 8, 9, 4096):
        assert agree(codec.flags, bits.flags, np.frombuffer(rng.bytes(-(-count // 8)), U8), count)
    assert codec.flags(np.zeros(1, U8), 9) is None


def test_idf_values(codec):
    rng = np.random.default_rng(0)
    for kind in ("f8", "f4"):
        for top in (1, 7, 5575, (1 << 31) - 1):
            counts = np.unique(np.exp(rng.uniform(0, np.log((1 << 31) - 1), 3000)).astype(np.int64))
            assert agree(codec.idf_values, idf.values, top, counts, kind)


JSON = [
    {"a": [0, -1, 10, 1.5, -0.0, 1e-05, 1e16, 1.7976931348623157e308, 5e-324, 123456789012345678], "b": {}, "c": [], "ca": None},
    [True, False, None, "", 'a"b', "back\\slash", "\n\r\t\b\f", " ~", {"": {"": [[[]]]}}],
    "text",
    0,
]
ODD = [{"é": 1}, {"a": "é"}, {"a": "\x7f"}, {"a": "\x01"}, {'"': 1}, {"a": 10**18}, [0.5] * 200, "\ud800"]


@pytest.mark.parametrize("value", JSON)
def test_canonical_texts_are_known(codec, value):
    assert codec.same(canonical.dumps(value), None) is True


@pytest.mark.parametrize("value", ODD)
def test_what_is_rare_in_texts_is_left_to_the_definition(codec, value):
    assert codec.same(canonical.dumps(value), None) is None


@pytest.mark.parametrize(
    "text",
    [
        b'{"b":1,"a":2}', b'{"a":1,"a":2}', b'{"ab":1,"a":2}', b'{"a": 1}', b"[1 ]", b"[1,2]]", b"[-0]", b"[1.50]", b"[1e5]",
        b"[1E5]", b"[1e999]", b"[-1e999]", b"[0.10]", b"[1.0e-5]", b'["\\/"]', b'["\\u0041"]', b'["\\u000a"]', b"NaN",
        b"[Infinity]", b"1 ", b"", b"[" * 200 + b"]" * 200, b'{"a":1,}', b'"a', b'"\\', b"tru", b'{"a"', b"[1.5",
    ],
)  # fmt: skip
def test_other_texts_are_refused(codec, text):
    assert codec.same(text, None) is None


def test_no_changed_text_is_taken_for_canonical(codec):
    rng = np.random.default_rng(0)
    alphabet = np.frombuffer(b'{}[],:"\\0159.eE+-ntaN u\xc3\x00', U8)
    taken = 0
    for text in map(canonical.dumps, JSON[:2]):
        for _ in range(20_000):
            changed = np.frombuffer(text, U8).copy()
            for at in rng.integers(0, len(changed), rng.integers(1, 4)):
                changed[at] = rng.choice(alphabet)
            if rng.random() < 0.3:
                changed = np.delete(changed, rng.integers(len(changed)))
            changed = changed.tobytes()
            try:
                value = json.loads(changed.decode("utf-8", "surrogatepass"))
            except (ValueError, RecursionError):
                continue  # what is no JSON never comes here
            if codec.same(changed, value):
                taken += 1
                assert canonical.same(changed, value)
    assert taken > 100
