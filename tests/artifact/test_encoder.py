"""Which of the codings is taken, and where its arrays go."""

from __future__ import annotations

import zlib
from typing import Any

import numpy as np
import pytest
from encoding import DOUBLES, FEW, IDF, MEANS, RANDOM, START, coding, decoded, noise, same, some, written

from quantcore.artifact import encoder as module
from quantcore.artifact.container import ALIGN, ARRAY, DEFLATE, ENTRY, POOL, RAW, SHUFFLE, Section
from quantcore.artifact.encoder import Encoder
from quantcore.artifact.transforms import Transforms, transforms
from quantcore.plan import Vocabulary


@pytest.fixture(autouse=True)
def seeded():
    """The same numbers whatever test comes before."""
    RANDOM.bit_generator.state = START


@pytest.mark.parametrize("value", [{"$": 1}, {"$": 1, "a": 2}, {1: 2}, {"a": 1, 2: 3}])
def test_keys_that_are_not_held(value):
    with pytest.raises(ValueError, match="mappings whose keys are strings, and not '\\$'"):
        Encoder().value(value)


def test_documents():
    """Arrays are taken in the order of the document's text, which is that of the keys."""
    value = {"b": [1, {"c": noise(5), "a": noise(3)}, [noise(2)]], "a": {"z": noise(1), "d": None}, "c": "text", "d": [[], {}]}
    document, sections = written(value)
    assert document == {
        "a": {"d": None, "z": {"$": ["pool", "u1", 1]}},
        "b": [1, {"a": {"$": ["pool", "u1", 3]}, "c": {"$": ["pool", "u1", 5]}}, [{"$": ["pool", "u1", 2]}]],
        "c": "text",
        "d": [[], {}],
    }
    assert [*document] == ["a", "b", "c", "d"] and [*document["b"][1]] == ["a", "c"]
    parts = (value["a"]["z"], value["b"][1]["a"], value["b"][1]["c"], value["b"][2][0])
    assert sections == [Section(POOL, RAW, "u1", (11,), b"".join(part.tobytes() for part in parts))]
    assert written({"a": [1, 2]}) == ({"a": [1, 2]}, [])


def test_the_pool_is_deflated_where_that_is_shorter(monkeypatch):
    for length, codec in ((99, DEFLATE), (100, RAW), (101, RAW)):
        encoder = Encoder()
        array = noise(100)
        encoder._commit(array)
        monkeypatch.setattr(module, "compress_parts", lambda parts, length=length: b"x" * length)
        stored = b"x" * 99 if codec == DEFLATE else array.tobytes()
        assert encoder.sections() == [Section(POOL, codec, "u1", (100,), stored)]


def test_equal_arrays_are_stored_once():
    """Of one dtype and shape, and by their bits; the number is that of all nodes before."""
    a = noise(9)
    value = [a, ["x"] * 65, a.copy(), a.view("i1"), a.reshape(3, 3), a.reshape(3, 3).copy(), np.array([0.0]), np.array([-0.0])]
    document = written(value)[0]
    assert [node["$"][0] for node in document] == ["pool", "text", "same", "pool", "pool", "same", "pool", "pool"]
    assert document[2] == {"$": ["same", 0]} and document[5] == {"$": ["same", 4]}
    strided = np.arange(40, dtype="i4").reshape(2, 20)[:, ::2]
    assert written([strided, np.ascontiguousarray(strided)])[0][1] == {"$": ["same", 0]}


def test_large_arrays_have_sections_of_their_own(monkeypatch):
    """From 4096 bytes on; as long as a file has room for sections, one of which is the metadata's and one the pool's."""
    assert written(noise(4095))[0] == {"$": ["pool", "u1", 4095]} and written(noise(4096))[0] == {"$": ["own"]}
    monkeypatch.setattr(module, "MAX_SECTIONS", 5)
    document, sections = written([noise(4096) for _ in range(5)])
    assert document == [{"$": ["own"]}] * 3 + [{"$": ["pool", "u1", 4096]}] * 2
    assert [(s.type, s.decoded) for s in sections] == [(POOL, 8192)] + [(ARRAY, 4096)] * 3


def test_sections_are_stored_in_the_shortest_form():
    pack = Encoder()._pack
    array = noise(5000, "u2")
    assert pack(array) == Section(ARRAY, RAW, "u2", (5000,), array.tobytes())
    for dtype in ("u2", "f4", "f8"):  # of slowly varying numbers first bytes are alike
        section = pack((np.arange(5000) / 7).astype(dtype).reshape(50, 100))
        assert section.codec == SHUFFLE and section.dims == (50, 100) and section.dtype == dtype
    few = noise(3, "f8")[RANDOM.integers(0, 3, 3000)]
    assert pack(few).codec == DEFLATE and zlib.decompress(pack(few).stored, -15) == few.tobytes()
    assert pack(np.zeros(5000, "u1")).codec == DEFLATE


def test_of_large_arrays_forms_are_compared_by_estimates(monkeypatch):
    """From 2**19 bytes on one form is deflated, the one that is estimated to be the shorter."""
    deflated: list[bytes] = []
    monkeypatch.setattr(module, "compress", lambda data: deflated.append(data) or data[:9])
    for n, count in (((1 << 19) - 4, 2), (1 << 19, 1)):
        array = np.arange(n // 4, dtype="u4")
        for better in (0, 1):
            deflated.clear()
            forms = [array.tobytes(), b"".join(array.tobytes()[k::4] for k in range(4))]
            monkeypatch.setattr(module, "estimate", lambda data, best=forms[better]: 1 if data == best else 2)
            Encoder()._pack(array)
            assert deflated == (forms if count == 2 else [forms[better]])


def test_what_a_node_is_estimated_to_take():
    """Bytes that deflate can't shorten are what they are; a section takes an entry and, on average, half of the padding too."""
    cost = Encoder()._cost
    small, large = noise(100), noise(4096)
    overhead = cost(small) - 100
    assert 0 < overhead < 10 and cost(large) - 4096 - overhead == ENTRY.size + ALIGN // 2
    assert cost([small, noise(50)]) > cost(small) + 50 and cost([[]]) > cost([]) > 0 and cost([None, 1, "u1"]) > cost([None]) > 0
    # deflated as they are these floats are shorter than shuffled; integers are shuffled
    few = noise(3, "f8")[RANDOM.integers(0, 3, 3000)]
    shuffled = np.frombuffer(b"".join(few.tobytes()[k::8] for k in range(8)), "u1")
    assert cost(few) < cost(shuffled) == cost(few.view("u8"))
    assert cost(few[:500]) < cost(shuffled) / 2


def test_integers_in_the_narrowest_type():
    """Whose ends are still in."""
    for dtype in ("u1", "u2", "u4", "i1", "i2", "i4"):
        info = np.iinfo(dtype)
        least = info.min if dtype[0] == "i" else 0
        for values in ([least, info.max], [least, info.min + 1]):
            assert Encoder()._ints(np.array(values, "i8")).dtype == dtype or values[1] != info.max
        if dtype[0] == "i":
            assert Encoder()._ints(np.array([least, 0])).dtype == dtype
    for values, dtype in (
        ([0, 256], "u2"), ([-1, 128], "i2"), ([-129, 0], "i2"), ([-1, 0], "i1"), ([0, 0], "u1"), ([1, 1], "u1"), ([], "u1"),
        ([2**32, 0], "u8"), ([-(2**31) - 1, 0], "i8"), ([-1, 2**32], "i8"), ([0, 65536], "u4"), ([-40000, 0], "i4"),
    ):  # fmt: skip
        assert Encoder()._ints(np.array(values, "i8")).dtype == dtype


def test_numbers_of_bits_where_they_vary_in_size():
    """Without a sign where none is negative."""
    sizes = (2.0 ** RANDOM.uniform(0, 31, 2000)).astype("i8")
    assert Encoder()._ints(sizes)[:4] == ["int", "u4", 0, [2000]]
    sizes[5] *= -1
    assert Encoder()._ints(sizes)[:4] == ["int", "i4", 1, [2000]]
    for values, signed in (([0, 5], 0), ([-1], 1), ([], 0), ([3], 0)):
        ((name, dtype, sign, dims, *_),) = Encoder()._int_nodes(np.array(values, "i4"), "i4")
        assert (name, dtype, sign, dims) == ("int", "i4", signed, [len(values)])


def test_what_is_taken():
    """What each coding is for."""
    assert coding(noise(300)) == "pool" and coding(RANDOM.normal(size=300)) == "pool"
    assert coding((2.0 ** RANDOM.uniform(0, 31, 2000)).astype("u4")) == "int"
    assert coding(np.arange(1000, dtype="i4") * 1009) == "sum" and coding(np.arange(1000, dtype="i4")[:, None] * 1009) == "sum"
    assert coding(noise(20, "u4")[RANDOM.integers(0, 20, 900)]) == "again" == coding(noise(20, "f8")[RANDOM.integers(0, 20, 900)])
    assert coding(np.sort(RANDOM.normal(size=900).astype("f4"))) == "rise" and coding(np.repeat(DOUBLES, 3) + 1e-9) != "rise"
    assert coding(np.sort(RANDOM.normal(size=900).astype("f4")).astype("f8")) == "rise8"
    assert coding((RANDOM.standard_t(2, (300, 9)) * 99).astype("i2")) == "rows"
    assert coding(RANDOM.integers(0, 2, 99).astype(bool)) == "bool"
    # new values that count up are not written
    first = np.unique(RANDOM.integers(0, 400, 900), return_index=True)[1]
    order = np.argsort(np.argsort(first))
    numbers = order[np.unique(RANDOM.integers(0, 400, 900), return_inverse=True)[1] % len(order)]
    seen: dict[int, int] = {}
    counting = np.array([seen.setdefault(int(x), len(seen)) for x in numbers], "u4")
    node = written(counting)[0]["$"]
    assert node[:4] == ["again", "u4", [900], None] or node[0] != "again"
    (found,) = Encoder()._repeats(counting, [900])
    assert found[:4] == ["again", "u4", [900], None]
    (found,) = Encoder()._repeats(counting + np.uint32(1), [900])
    assert found[3] is not None


@pytest.mark.parametrize(
    ("values", "counts"),
    [
        ([0], True), ([0, 1, 0, 2, 2, 3], True), ([0, 0, 0], True), ([1, 2], False), ([0, 2], False), ([1, 0], False),
        ([0, 1, 3], False), ([0, 1, 1, 3, 2], False), ([0, 1, -1], False), ([2, 0, 1], False), ([-1, 0, 1], False),
    ],
)  # fmt: skip
def test_numbers_that_count_up(values, counts):
    assert module._counts_up(np.array(values, "i4")) is counts
    if min(values) >= 0:
        assert module._counts_up(np.array(values, "u1")) is counts
    assert module._counts_up(np.array([*range(256)], "u1"))


def test_lists_of_strings():
    """More than 64 are a node, each string by what it shares with the one before where that is shorter."""
    words = sorted(f"word {n:04}" for n in RANDOM.permutation(9000)[:300])
    assert written(words[:64]) == (words[:64], []) and coding(words[:65]) == "front"
    shuffled = [noise(3).tobytes().hex() for _ in range(65)]
    assert coding(shuffled) == "text" and written(shuffled)[0]["$"][1] is None
    mixed = [*words, 5]
    assert written(mixed) == (mixed, []) and written([7] * 99) == ([7] * 99, [])
    array = np.array(["a", "bcd", ""])
    assert written(array)[0] == {"$": ["text", 3, ["pool", "u1", 3], ["pool", "u1", 4]]}
    wide = np.array(["x" * 500] + [""] * 99)
    assert written(wide)[0]["$"][0] == "ucs4" and written(np.array(["x" * 500] * 2))[0]["$"][:2] == ["text", 500]


def test_names_of_columns_that_are_told_beside():
    """As many as 1024 stay as they are: deflate knows the categories that they repeat."""
    names = [f"out {n}" for n in range(1025)]
    assert written({"feature_names_out": names[:1024]})[0] == {"feature_names_out": names[:1024]}
    assert "$" in written({"feature_names_out": names})[0]["feature_names_out"]
    assert "$" in written({"feature_names_in": names[:1024]})[0]["feature_names_in"]
    assert written({"feature_names_out": None, "feature_names_in": 5})[0] == {"feature_names_out": None, "feature_names_in": 5}


COUNTS = RANDOM.integers(1, 30, 300)
RANKS = np.unique(COUNTS, return_inverse=True)[1].reshape(-1)
FREQUENCIES = np.log(1001 / (COUNTS + 1.0)) + 1


def test_exponents_that_follow_from_the_frequencies():
    table = noise(RANKS.max() + 1, "i2")
    value = {"exponent": table[RANKS], "idf": FREQUENCIES}
    document, _ = written(value)
    assert document["exponent"]["$"][:2] == ["byidf", "i2"] and document["idf"]["$"][0] == "idf"
    other = table[RANKS].copy()
    other[np.flatnonzero(RANKS == RANKS[0])[-1]] += 1
    for changes, name in (
        ({"exponent": other}, ("pool", "again")),
        ({"exponent": table[RANKS][1:]}, ("pool", "again")),
        ({"exponent": 5}, None),
        ({"exponent": None}, None),
        ({"idf": None}, ("pool", "again")),
        ({"idf": RANDOM.normal(size=300)}, ("pool", "again")),
        ({"idf": FREQUENCIES.astype("f4")}, ("pool", "again")),
        ({"idf": [1.0]}, ("pool", "again")),
    ):
        found = written({**value, **changes})[0]["exponent"]
        assert found["$"][0] in name if name else found == changes["exponent"]
    assert written({"idf": FREQUENCIES, "other": table[RANKS]})[0]["other"]["$"][0] != "byidf"
    assert written({"exponent": table[RANKS]})[0]["exponent"]["$"][0] != "byidf"


def test_weights_that_go_with_the_frequencies():
    counts = np.minimum(RANDOM.zipf(1.5, 4000), 900)
    rows = np.rint(RANDOM.normal(size=4000) * 3 * counts).clip(-32000, 32000).astype("i2")[:, None]
    exponent = np.full(4000, -9, "i2")
    value = {"exponent": exponent, "idf": np.log(1001 / (counts + 1.0)) + 1, "rows": rows}
    assert written(value)[0]["rows"]["$"][:3] == ["rowsbyidf", "i2", 1]
    assert written({**value, "rows": rows.astype("i4")})[0]["rows"]["$"][:2] == ["rowsbyidf", "i4"]
    for other in (
        rows[1:], rows[:, 0], np.repeat(rows, 2, axis=1), rows.astype("i8"), rows.astype("f8"), None, 5,
        noise(4000, "i2")[:, None],  # of one size whatever the frequency: the ranks tell nothing
    ):  # fmt: skip
        found = written({**value, "rows": other})[0]["rows"]
        assert found is other if other is None or type(other) is int else found["$"][0] != "rowsbyidf"
    assert written({**value, "weights": rows})[0]["weights"]["$"][0] != "rowsbyidf"
    assert written({"idf": value["idf"], "rows": rows})[0]["rows"]["$"][0] != "rowsbyidf"  # no exponents: no planar op


def test_codings_that_names_ask_for():
    """Frequencies of `idf`, means of `values`; of others nobody looks for them."""
    value = {"idf": IDF, "other": IDF + 0.0, "values": np.concatenate([MEANS, MEANS * 3])}
    document, _ = written(value)
    assert document["idf"]["$"][0] == "idf" and document["other"] == {"$": ["same", 0]} and document["values"]["$"][0] == "mean"
    moved = np.nextafter(IDF, np.inf)
    assert written({"a": IDF, "b": moved})[0]["a"]["$"][0] != "idf"
    assert written({"idf": IDF})[0]["idf"]["$"][4] is None and written({"idf": moved})[0]["idf"]["$"][4] is not None
    assert written({"idf": None, "values": [1, 2]})[0] == {"idf": None, "values": [1, 2]}
    assert written({"values": MEANS})[0]["values"]["$"][7] is None
    some_others = np.concatenate([MEANS, np.pi * np.arange(1, 6)])
    assert written({"values": some_others})[0]["values"]["$"][7] is not None


def shapes(n: int, trees: int) -> tuple[np.ndarray, np.ndarray]:
    """Flags of trees of so many leaves in all, and the numbers of these within their trees: chains to the right."""
    flags: list[bool] = []
    numbers: list[int] = []
    for k in range(trees):
        leaves = n // trees if k else n - n // trees * (trees - 1)
        start = len(flags)
        for i in range(leaves):
            flags += [False, True] if i + 1 < leaves else [True]
            numbers.append(len(flags) - 1 - start)
    return np.array(flags), np.array(numbers, "u4")


def test_numbers_that_follow_from_the_shapes_of_trees():
    for n in (FEW, 100, 300):
        flags, numbers = shapes(n, 3)
        assert written([flags, numbers])[0][1] == {"$": ["leaves", 0]}
    other, _ = shapes(300, 5)
    flags, numbers = shapes(300, 3)
    assert written([noise(5), other, flags, numbers])[0][3] == {"$": ["leaves", 2]}
    late = numbers.copy()
    late[-1] += 1
    for first, second in (
        (flags, late),
        (flags, numbers + np.uint32(1)),
        (flags, numbers[:-1]),
        (flags, numbers.astype("i4")),
        (flags, numbers.astype("u8")),
        (flags, numbers[:, None]),
        (flags[:, None], numbers),
        (flags.astype("u1"), numbers),
        (numbers, flags),
        shapes(FEW - 1, 3),
    ):
        assert written([first, second])[0][1]["$"][0] != "leaves"


def test_vocabularies():
    """Columns in the order of the terms are not written; symbols are ranked by their uses where that is shorter."""
    words = [f"w{n:03}" for n in range(120)]
    likely = RANDOM.permutation(120)[np.minimum(RANDOM.zipf(1.4, (900, 3)) - 1, 119)]
    grams = {tuple(words[i] for i in row[:n]) for row in likely.tolist() for n in (1, 2, 3)}
    learnt = {gram: column for column, gram in enumerate(sorted(grams, key=" ".join))}
    vocabulary = Vocabulary.from_terms(learnt, " ")
    assert len(vocabulary.levels) == 3
    name, separator, prefix, rest, data, is_term, steps, levels = written(vocabulary)[0]["$"]
    assert (name, separator, steps, len(levels), is_term[1]) == ("trie", " ", None, 2, [vocabulary.n_nodes])
    assert all(isinstance(level[1], list) or len(level[1]) for level in Encoder()._trie(vocabulary)[7])
    moved = Vocabulary.from_terms({gram: 3 * column + 1 for gram, column in learnt.items()}, " ")
    assert written(moved)[0]["$"][6] is not None
    shuffled = Vocabulary.from_terms(dict(zip(learnt, RANDOM.permutation(len(learnt)).tolist(), strict=True)), " ")
    assert written(shuffled)[0]["$"][6] is not None
    assert same(shuffled, written({"v": shuffled}) and decoded(*written(shuffled)))
    few = Vocabulary.from_terms({("a",): 0, ("a", "b"): 1, ("b",): 2, ("b", "a"): 3, ("b", "a", "b"): 4}, " ")
    assert [level[1] for level in written(few)[0]["$"][7]] == [["pool", "u1", 0]] * 2


def test_functions_that_stand_for_the_definitions():
    called = []

    def split(values: np.ndarray) -> Any:
        called.append(len(values))
        return transforms(None).split_bits(values)

    assert Encoder(Transforms(split_bits=split)).value(some(70)) == Encoder().value(some(70))
    assert called
