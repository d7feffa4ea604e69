"""Every node of SPEC.md by hand: what it means, and the memory that it declares."""

from __future__ import annotations

import math
import zlib
from typing import Any

import numpy as np
import pytest
from nodes import FULL_ROWS, IDF, LEVELS, NONE, WIDE_ROWS, bytes_of, f4, f8, i1, i4, i8, put, read, refused, trie, u1, u2, u4, u8

from quantcore.artifact.container import ARRAY, DEFLATE, POOL, RAW, SHUFFLE, TABLED, Section
from quantcore.artifact.decoder import Decoder, content
from quantcore.artifact.dictionary import TABLES
from quantcore.artifact.transforms import transforms
from quantcore.errors import ArtifactError

DEEPEST = 64


# node, the array that it means, bytes of memory besides those of the `pool` nodes inside
VALID: dict[str, tuple[Any, np.ndarray, int]] = {
    "pool": (np.array([[1, -2], [3, 70000]], "<i4"), np.array([[1, -2], [3, 70000]], "i4"), 0),
    "pool of one number": (np.array(1.5), np.array(1.5), 0),
    "pool of none": (np.zeros((0, 3), "i2"), np.zeros((0, 3), "i2"), 0),
    "pool in three dimensions": (np.arange(24, dtype="u2").reshape(2, 3, 4), np.arange(24, dtype="u2").reshape(2, 3, 4), 0),
    "pool, the largest shape": (["pool", "u1", 2**48 - 1, 0], np.zeros((2**48 - 1, 0), "u1"), 0),
    # 0, 1, 1b, 1 and below it 10100101b
    "int": (["int", "u2", 0, [2, 2], u1(0, 1, 2, 9), u1(0x4B, 0x01)], np.array([[0, 1], [3, 421]], "u2"), 8),
    "int, zigzag": (["int", "i1", 1, [3], u1(0, 1, 2), u1(0)], np.array([0, -1, 1], "i1"), 3),
    # seven low bits and a code of one: 64 + 5 - 64; no low bits: the second symbol is -1
    "rows": (
        ["rows", "i2", 1, [0, 7], u1(1, 1, 1, 1), u1(1, 0), u1(1, 1), u1(1, 64 + 5)],
        np.array([[5], [-1]], "i2"),
        2 * (2 + 16) + 2 * 128 + 2 * 16384,
    ),
    "rows, eight entries a byte": (
        ["rows", "i4", 8, [0], u1(1, 1), ["int", "u1", 0, [1], u1(0), NONE], u1(1), u1(0b10110001)],
        -np.array([[1, 0, 0, 0, 1, 1, 0, 1]], "i4"),
        1 + 8 * 4 + 16 + 128 + 16384,
    ),
    # the second row has 24 low bits, 2**23 of them, and the first symbol: 2**23 - 2**23
    "rows, most groups": (FULL_ROWS, np.array([[-1], [0]], "i2"), 2 * 18 + 2 * 128 + 256 * 16384),
    "rows, the widest": (WIDE_ROWS, np.zeros((1, 4096), "i4"), 4096 * 4 + 16 + 128 + 16384),
    "bool": (["bool", [3, 3], u1(0b10110001, 1)], np.array([[1, 0, 0], [0, 1, 1], [0, 1, 1]], bool), 9),
    "bool without padding": (["bool", [8], u1(255)], np.ones(8, bool), 8),
    "bool of three bytes": (["bool", [17], u1(255, 255, 1)], np.ones(17, bool), 17),
    "bool of none": (["bool", [0], NONE], np.zeros(0, bool), 0),
    "again": (
        ["again", "i4", [2, 3], i4(70000, -5), u1(0, 1, 0, 1, 4, 5)],
        np.array([[70000, 70000, -5], [-5, 70000, 70000]], "i4"),
        16 * 6,
    ),
    "again, floats": (["again", "f8", [2], f8(1.5), u1(0, 1)], f8(1.5, 1.5), 32),
    "again, coded values": (["again", "u2", [2], ["int", "u2", 0, [1], u1(1), NONE], u1(0, 1)], u2(1, 1), 2 + 32),
    "again, counting": (["again", "u1", [3], None, u1(0, 0, 1)], u1(0, 1, 1), 48),
    "again, counting as far as it goes": (["again", "u1", [256], None, np.zeros(256, "u1")], np.arange(256, dtype="u1"), 4096),
    "rise": (["rise", [2, 1], u4(0xBF800000, 0x807FFFFF)], np.array([[1.0], [-2.0]], "f4"), 8),
    # 1.0 and, 2**16 + 1 places of 2**16 further on, seven more
    "rise8": (
        ["rise8", [2], 16, u4(0xBFF00000, 1), u2(0, 1), u2(0, 7)],
        np.array([0x3FF0000000000000, 0x3FF0000100010007], "u8").view("f8"),
        16,
    ),
    "sum": (["sum", "i2", [3, 1], i1(-5, 3, 100)], np.array([[-5], [-2], [98]], "i2"), 6),
    "sum of the least": (["sum", "i8", [1], i8(-(2**33))], i8(-(2**33)), 8),
    "sum of the largest": (["sum", "i8", [1], u8(2**33 - 1)], i8(2**33 - 1), 8),
    "sum of none": (["sum", "i8", [0], np.zeros(0, "u8")], np.zeros(0, "i8"), 0),
    # 101b / 3 and -11b / 2 / 2, each times a half
    "mean": (
        ["mean", [3, 1], 0.5, u1(3, 2, 0), u1(0, 1), i1(1, -1), u1(0b11010), f8(-7.25)],
        np.array([[5 / 3 * 0.5], [-0.375], [-7.25]]),
        72,
    ),
    "mean without others": (["mean", [1], 1.0, u1(1), u1(0), u1(0), u1(1), None], f8(-1.0), 24),
    "idf": (["idf", "f8", 8, u1(8, 4, 8), None], np.array([1.0, math.log(2) + 1, 1.0]), 72),
    "idf, moved": (["idf", "f8", 9, u1(9), i1(2)], np.array([1 + 2**-51]), 24),
    "idf, moved in single precision": (["idf", "f4", 9, u1(9, 9), i1(1)], np.array([1 + 2**-23] * 2), 48),
    "idf of one document": (["idf", "f8", 1, u1(1), None], f8(1.0), 24),
    "idf of most documents": (["idf", "f8", 2**31 - 1, u4(2**31 - 1), None], f8(1.0), 24),
    "text": (["text", 3, u1(1, 3), np.frombuffer(b"aabc", "u1")], np.array(["a", "abc"]), 2 * 64 + 4 * 4 + 4 * 3 * 2),
    "text of one character": (["text", 1, u1(1), u1(97)], np.array(["a"]), 64 + 4 + 4),
    "text, the widest": (["text", 16, u1(0), NONE], np.array([""], "U16"), 128),
    "ucs4": (["ucs4", [2, 1], np.array([[97, 0x10FFFF], [0, 0]], "u4")], np.array([["a\U0010ffff"], [""]], "U2"), 0),
    "ucs4 of one character": (["ucs4", [1], np.array([[0xD800]], "u4")], np.array(["\ud800"]), 0),
    "ucs4 of none": (["ucs4", [0], np.zeros((0, 3), "u4")], np.zeros(0, "U3"), 0),
}


@pytest.mark.parametrize("name", VALID)
def test_what_a_node_means(name):
    node, expected, memory = VALID[name]
    found, decoder = read({"$": node})
    assert found.dtype == expected.dtype and found.shape == expected.shape and found.tobytes() == expected.tobytes()
    assert not found.flags.writeable
    assert decoder.used == 2 * bytes_of(node) + memory
    # as much is enough, and all is needed
    read({"$": node}, memory=decoder.used)
    if decoder.used:
        refused({"$": node}, f"needs more memory than the {decoder.used - 1} bytes", memory=decoder.used - 1)
    refused({"$": node}, f"its header declares {decoder.used + 1}", memory=decoder.used + 1)


def test_lists_of_strings():
    data = np.frombuffer("aé".encode(), "u1")
    found, decoder = read({"$": ["text", None, u1(1, 0, 2), data]})
    assert found == ["a", "", "é"] and decoder.used == 2 * 6 + 3 * 64 + 4 * 3
    found, decoder = read({"$": ["front", u1(0, 1), u1(2, 1), np.frombuffer(b"abc", "u1")]})
    assert found == ["ab", "ac"] and decoder.used == 2 * 7 + 2 * 80 + 16 * 3 + 5 * 4


def test_a_vocabulary():
    found, decoder = read({"$": trie()})
    assert found.symbol_bytes.tobytes() == b"ab" and found.symbol_ends.tolist() == [1, 2] and found.separator == " "
    assert found.parent.tolist() == [0, 1, 1, 2] and found.symbol.tolist() == [1, 0, 1, 0] and found.levels == (2, 3, 1)
    assert found.is_term.tolist() == [True, False, True, True, False, True]
    assert found.terms() == {"a": 0, "a b": 1, "a b a": 2, "b a": 3} and found.column.tolist() == [0, 1, 3, 2]
    # of 2 symbols in 2 bytes, 6 nodes, 4 edges; the bytes of all symbols; the flags
    assert decoder.used == 2 * bytes_of(trie()) + 16 * (2 + 2 + 6 + 4) + 2 + 6
    arrays = (found.symbol_bytes, found.symbol_ends, found.parent, found.symbol, found.is_term, found.column)
    assert not any(array.flags.writeable for array in arrays)
    assert [a.dtype.str[1:] for a in arrays] == ["u1", "u4", "u4", "u4", "b1", "u4"]


def test_columns_of_a_vocabulary():
    """The steps so far and the number of the term: 1, 1 + 1, 3 + 2, 3 + 3, for a, ab, aba, ba."""
    assert read({"$": trie(steps=u1(1, 0, 2, 0))})[0].column.tolist() == [1, 2, 6, 5]
    assert read({"$": trie(steps=i1(0, 0, 0, -3))})[0].column.tolist() == [0, 1, 0, 2]
    last = read({"$": trie(terms=1, n=2, steps=u8(2**32 - 1), levels=[])})[0]
    assert last.column.tolist() == [2**32 - 1] and last.levels == (2,)
    assert last.parent.shape == last.symbol.shape == (0,) and last.parent.dtype == last.symbol.dtype == np.uint32
    assert read({"$": trie(terms=0, steps=NONE)})[0].column.tolist() == []
    one_level = read({"$": trie(terms=0b01101, n=5, levels=LEVELS[:1])})[0]
    assert one_level.parent.tolist() == [0, 1, 1] and one_level.symbol.tolist() == [1, 0, 1]


def test_places_of_the_document():
    """k counts every `$`, whatever it stands for; only arrays that came before can be named."""
    flags = {"$": ["bool", [7], u1(0b1101110)]}
    document = {
        "a": flags,
        "b": [{"$": ["text", None, NONE, NONE]}, {"$": u1(3)}],
        "c": {"$": ["leaves", 0]},
        "d": {"$": ["same", 2]},
        "e": {"$": ["same", 3]},
        "f": {"$": ["leaves", 0]},
    }
    found, decoder = read(document)
    assert found["c"].tolist() == found["e"].tolist() == found["f"].tolist() == [1, 2, 0, 1, 2] and found["d"].tolist() == [3]
    assert found["c"].dtype == np.uint32 and found["d"] is found["b"][1] and not found["c"].flags.writeable
    assert decoder.used == 2 * 2 + 7 + 2 * 4 * 5
    for node, words in (
        (["same", 7], "names one that did not come before"),
        (["same", -1], "names one that did not come before"),
        (["same", 0.0], "names one that did not come before"),
        (["same", False], "names one that did not come before"),
        (["same", "0"], "names one that did not come before"),
        (["same", 1], "names something else"),
        (["leaves", 1], "names something else"),
        (["leaves", 2], "numbers of leaves need the flags of trees"),
        (["leaves", 7], "names one that did not come before"),
    ):
        refused({**document, "g": {"$": node}}, words)
    refused({"a": {"$": ["bool", [7, 1], u1(0)]}, "b": {"$": ["leaves", 0]}}, "numbers of leaves need the flags of trees")
    refused({"a": {"$": u1(0, 1)}, "b": {"$": ["leaves", 0]}}, "numbers of leaves need the flags of trees")


def by_idf(table, dtype="i2"):
    """Beside frequencies 8, 4, 8, whose ranks are 1, 0, 1; its place in the text is before them."""
    return {"a": {"$": u1(7)}, "exponent": {"$": ["byidf", dtype, table]}, "idf": {"$": IDF}, "z": {"$": ["same", 2]}}


def test_arrays_by_idf():
    found, decoder = read(by_idf(i1(-3, 5)))
    assert found["exponent"].tolist() == [5, -3, 5] and found["exponent"].dtype == np.int16 and found["z"] is found["idf"]
    assert decoder.used == 2 * 6 + 3 * 24 + 3 * 2 and not found["exponent"].flags.writeable
    for dtype, least, most in (("i1", -128, 127), ("u1", 0, 255), ("i4", -(2**31), 2**31 - 1)):
        assert read(by_idf(i8(least, most), dtype))[0]["exponent"].tolist() == [most, least, most]
        for bad in (i8(least - 1, 0), i8(0, most + 1)):
            refused(by_idf(bad, dtype), f"a table by idf does not fit {dtype}")
    for table, dtype, words in (
        (i1(1, 2), "f4", "an array by idf needs an integer dtype and a table"),
        (i1(1, 2), "b1", "an array by idf needs an integer dtype and a table"),
        (i1(1, 2), None, "an array by idf needs an integer dtype and a table"),
        (np.zeros(0, "i1"), "i2", "a table by idf does not fit i2"),
        (i1(1), "i2", "an array by idf does not fit its idf"),
        (i1(1, 2, 3), "i2", "an array by idf does not fit its idf"),
        (f4(1, 2), "i2", "needs integers where something else arrived"),
    ):
        refused(by_idf(table, dtype), words)


def test_matrices_by_idf():
    """Group 1 has seven low bits: rows 0 and 2 are 64 + 5 - 64 and 64 + 6 - 64; the row of group 0 is a bit."""
    rows = ["rowsbyidf", "i2", 1, [0, 7], u1(1, 1, 1, 1), u1(0, 1), u1(1, 2), u1(1, 64 + 5, 64 + 6)]
    document = {"idf": {"$": IDF}, "rows": {"$": rows}, "z": {"$": ["same", 0]}}
    found, decoder = read(document)
    assert found["rows"].tolist() == [[5], [-1], [6]] and not found["rows"].flags.writeable
    assert decoder.used == 2 * (3 + 4 + 2 + 2 + 3) + 3 * 24 + 3 * (2 + 16) + 2 * 128 + 2 * 16384
    refused({**document, "z": {"$": ["same", 1]}}, "names something else")
    refused({**document, "rows": {"$": rows[:-1]}}, "'rowsbyidf' takes 7 arguments, 6 arrived")
    refused({**document, "rows": {"$": [*rows, 0]}}, "'rowsbyidf' takes 7 arguments, 8 arrived")
    refused({**document, "rows": {"$": ["byidf"]}}, "'byidf' takes 2 arguments, 0 arrived")
    refused({**document, "rows": {"$": put(rows, 5, u1(0))}}, "an array by idf does not fit its idf")
    refused({**document, "rows": {"$": put(rows, 5, u1(0, 1, 1))}}, "an array by idf does not fit its idf")
    refused({**document, "rows": {"$": put(rows, 3, [[[[[[0]]]]]])}}, "nested too deeply")
    refused({**document, "rows": {"$": put(rows, 3, [[[[[0]]]]])}}, "need numbers of low bits")
    refused({**document, "rows": {"$": put(rows, 2, {})}}, "holds an object")
    refused({**document, "idf": {"$": f8(1, 2, 3)}}, "an array by idf does not fit its idf")
    refused({"idf": None, "rows": {"$": rows}}, "an array by idf does not fit its idf")
    refused([{"$": rows}], "an array coded as 'rowsbyidf'", reason="version")


def nested(depth: int, kinds: str) -> Any:
    """An object or list at that depth, within others."""
    value: Any = {} if kinds[depth % len(kinds)] == "{" else []
    for k in range(depth - 1, -1, -1):
        value = {"a": value} if kinds[k % len(kinds)] == "{" else [value]
    return value


@pytest.mark.parametrize("kinds", ["[", "{", "[{", "{{["])
def test_documents_are_at_most_64_deep(kinds):
    assert read(nested(DEEPEST, kinds))[0] == nested(DEEPEST, kinds)
    refused(nested(DEEPEST + 1, kinds), "its metadata is nested too deeply")


def test_plain_values_stay():
    document = {"a": [1, [2.5, None], {"b": "c"}, []], "d": {}, "e": True, "f": {"g": {"$": u1(1)}, "h": 3}, "i": "j"}
    found = read(document)[0]
    assert found["f"].pop("g").tolist() == [1] and found == {**document, "f": {"h": 3}}
    for value in (None, 5, "text", [1, 2]):
        assert read(value)[0] == value
    for extra in ({"a": 1}, {"a": {}}, {"a": 1, "b": 2}):
        refused({"$": ["own"], **extra}, "a coded value has members besides '$'")


def section(array: np.ndarray) -> Section:
    return Section(ARRAY, RAW, array.dtype.str[1:], array.shape, array.tobytes())


def test_sections_by_their_place_in_the_document():
    arrays = [np.arange(n, dtype="<i4").reshape(1, n) for n in (1, 2, 3)]
    document = {"a": {"b": [0, [1, {"$": ["own"]}]], "c": {"$": ["own"]}}, "d": {"$": ["own"]}}
    found, decoder = read(document, own=tuple(map(section, arrays)))
    for got, array in zip((found["a"]["b"][1][1], found["a"]["c"], found["d"]), arrays, strict=True):
        assert got.dtype == array.dtype and got.tolist() == array.tolist() and not got.flags.writeable
    assert decoder.sizes == {"1:a.b.1.1": (4, 4), "2:a.c": (8, 8), "3:d": (12, 12)} and decoder.used == 24
    refused(document, "a section is missing", own=tuple(map(section, arrays[:2])))
    refused(document, "it holds arrays that nothing refers to", own=(*map(section, arrays), section(u1(1))))
    beside = {"idf": {"$": IDF}, "k": {"$": ["byidf", "i1", ["own"]]}, "l": {"$": ["own"]}}
    assert [*read(beside, own=(section(i1(1, 2)), section(u1(3))))[1].sizes] == ["1:k", "2:l"]


def test_pools_are_used_up():
    decoder = Decoder(None, transforms(None))
    decoder.load(Section(POOL, RAW, "u1", (3,), b"abc"), [])
    assert decoder.value({"$": ["pool", "u1", 2]}).tobytes() == b"ab"
    with pytest.raises(ArtifactError, match="arrays that nothing refers to"):
        decoder.finish()
    assert decoder.value({"$": ["pool", "u1", 1]}).tobytes() == b"c"
    decoder.finish()


def test_what_is_copied_of_memory_that_others_can_change():
    for shared in (False, True):
        for dtype, stays in (("u1", shared), ("i4", shared), ("f4", False), ("f8", False)):
            stored = bytearray(8)
            own = Section(ARRAY, RAW, dtype, (8 // int(dtype[1]),), memoryview(stored))
            found, _ = read({"$": ["own"]}, own=(own,), shared=shared)
            stored[:] = b"\1" * 8
            assert found.any() != stays
    for settings, stays in (({"shared": True}, True), ({}, False)):
        stored = bytearray(1)
        decoder = Decoder(None, transforms(None), **settings)
        decoder.load(Section(POOL, RAW, "u1", (1,), memoryview(stored)), [])
        stored[0] = 1
        assert decoder.value({"$": ["pool", "u1", 1]}).tolist() == [not stays]


def test_what_sections_hold():
    """Raw bytes; deflate, with either dictionary; of shuffled bytes."""
    data = bytes(range(64)) * 2

    def deflated(raw: bytes, dictionary: bytes = b"") -> bytes:
        stream = zlib.compressobj(9, zlib.DEFLATED, -15, zdict=dictionary) if dictionary else zlib.compressobj(9, wbits=-15)
        return stream.compress(raw) + stream.flush()

    shuffled = b"".join(data[k::4] for k in range(4))
    assert content(Section(ARRAY, RAW, "u4", (32,), data)) == data
    assert content(Section(ARRAY, DEFLATE, "u4", (32,), deflated(data))) == data
    assert content(Section(ARRAY, DEFLATE, "u1", (128,), deflated(data, data[:50])), data[:50]) == data
    assert content(Section(ARRAY, SHUFFLE, "u4", (32,), deflated(shuffled))) == data
    assert content(Section(ARRAY, TABLED, "u1", (128,), deflated(TABLES[-128:], TABLES)), b"another") == TABLES[-128:]
