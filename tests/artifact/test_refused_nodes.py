"""What is no node of SPEC.md: the reason, and words that say what is wrong."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from nodes import FULL_ROWS, IDF, LEVELS, NONE, SYMBOLS, WIDE_ROWS, f4, f8, i1, i8, put, refused, trie, u1, u2, u4, u8

from quantcore.artifact.container import ARRAY, RAW, Section
from quantcore.artifact.decoder import Decoder
from quantcore.artifact.transforms import transforms
from quantcore.errors import ArtifactError

BAD_MATRIX, BAD_LOW = "a matrix of dtype", "the groups of a matrix need numbers of low bits"
ROWS = ["rows", "i4", 8, [0], u1(1, 1), u1(0), u1(1), u1(0)]
MEAN = ["mean", [1], 1.0, u1(1), u1(0), u1(0), u1(1), None]
BYTES, INTEGERS = "needs bytes where something else arrived", "needs integers where something else arrived"
REFUSED: list[tuple[Any, str]] = [
    (None, "not a list that starts with a name"),
    ("bool", "not a list that starts with a name"),
    ([], "not a list that starts with a name"),
    ([1, "bool"], "not a list that starts with a name"),
    ([["bool"]], "not a list that starts with a name"),
    (["own", 0], "'own' takes 0 arguments, 1 arrived"),
    (["own"], "a section is missing"),
    (["bool", [0]], "'bool' takes 2 arguments, 1 arrived"),
    (["bool", [0], NONE, 0], "'bool' takes 2 arguments, 3 arrived"),
    (["bool"], "'bool' takes 2 arguments, 0 arrived"),
    (["bool", [[[[[0]]]]], NONE], "an array of shape [[[[[0]]]]]"),  # six deep
    (["bool", [[[[[[0]]]]]], NONE], "nested too deeply"),
    (["bool", [{}], NONE], "holds an object"),
    (["bool", {}, NONE], "holds an object"),
    (["pool"], "unknown dtype None"),
    (["pool", "b1", 0], "unknown dtype 'b1'"),
    (["pool", ["u1"], 0], "unknown dtype ['u1']"),
    (["pool", "u1", 1], "the pool is too short"),
    (["pool", "u1", 1, -1], "shape"),
    (["again", "u1", [2], ["pool", "u1", -1], u1(0)], "shape"),
    (["pool", "u1", 1, 1, 1, 0], "an array of shape [1, 1, 1, 0]"),
    (["pool", "u1", -1], "an array of shape [-1]"),
    (["pool", "u1", True], "an array of shape [True]"),
    (["pool", "u1", 2.0], "an array of shape [2.0]"),
    (["pool", "u1", 2**48, 0], "an array of shape"),
    (["pool", "u1", 2**24, 0, 2**24], "an array of shape"),
    (["bool", None, NONE], "an array of shape None"),
    (["bool", "ab", NONE], "an array of shape 'ab'"),
    (["same", 0], "names one that did not come before"),
    (["int", "f4", 0, [1], u1(1), NONE], "integers of dtype 'f4'"),
    (["int", "b1", 0, [1], u1(1), NONE], "integers of dtype 'b1'"),
    (["int", None, 0, [1], u1(1), NONE], "integers of dtype None"),
    (["int", "u1", False, [1], u1(1), NONE], "integers of dtype 'u1'"),
    (["int", "u1", 2, [1], u1(1), NONE], "integers of dtype 'u1'"),
    (["int", "u1", -1, [1], u1(1), NONE], "integers of dtype 'u1'"),
    (["int", "u1", 0, [2], u1(1), NONE], "1 integers do not fill the shape (2,)"),
    (["int", "u1", 0, [1], u2(1), NONE], BYTES),
    (["int", "u1", 0, [1], np.array([[1]], "u1"), NONE], BYTES),
    (["int", "u1", 0, [1], ["int", "u1", 0, [1], u1(1), NONE], NONE], "a coding expects pool or own inside"),
    (["int", "u1", 0, [1], "pool", NONE], "a coding expects pool or own inside"),
    (["int", "u1", 0, [1], [], NONE], "a coding expects pool or own inside"),
    (["int", "u1", 0, [1], None, NONE], "a coding expects pool or own inside"),
    (put(ROWS, 1, "i8"), BAD_MATRIX),
    (put(ROWS, 1, "u2"), BAD_MATRIX),
    (put(ROWS, 2, 8.0), BAD_MATRIX),
    (put(ROWS, 2, True), BAD_MATRIX),
    (put(ROWS, 2, 0), BAD_MATRIX),
    (put(ROWS, 2, -1), BAD_MATRIX),
    (put(WIDE_ROWS, 2, 4097), BAD_MATRIX),
    (put(ROWS, 3, "a"), BAD_LOW),
    (put(ROWS, 3, 0), BAD_LOW),
    (put(FULL_ROWS, 3, [0] * 257), BAD_LOW),
    (put(ROWS, 3, [25]), BAD_LOW),
    (put(ROWS, 3, [-1]), BAD_LOW),
    (put(ROWS, 3, [False]), BAD_LOW),
    (put(ROWS, 3, [0.0]), BAD_LOW),
    (put(ROWS, 6, i1(1)), "the size of a stretch is negative"),
    (put(ROWS, 2, 9), "1 bytes do not fill a matrix of 1 rows"),
    (["rows", "i4", 2, [0], u1(1, 1), u1(0, 0, 0, 0, 0), u1(1), u1(0)], "1 bytes do not fill a matrix of 5 rows"),
    (put(ROWS, 5, ["same", 0]), "a coding expects pool or own or int inside"),
    (["bool", [17], u1(255, 255, 2)], "3 bytes for 17 bits, or padding that is not zero"),
    (["bool", [9], u1(255, 2)], "2 bytes for 9 bits, or padding that is not zero"),
    (["bool", [1], u1(1, 0)], "2 bytes for 1 bits"),
    (["bool", [9], u1(1)], "1 bytes for 9 bits"),
    (["bool", [8], NONE], "0 bytes for 8 bits"),
    (["again", "b1", [1], u1(1), u1(0)], "back references to values of dtype 'b1'"),
    (["again", "f4", [1], None, u1(0)], "back references to values of dtype 'f4'"),
    (["again", "u2", [1], u1(1), u1(0)], "back references to values of dtype 'u2'"),
    (["again", "u1", [1], np.array([[1]], "u1"), u1(0)], "back references to values of dtype 'u1'"),
    (["again", "u1", [1], u1(1), i1(0)], "1 back references do not fill the shape (1,)"),
    (["again", "u1", [2], u1(1), u1(0)], "1 back references do not fill the shape (2,)"),
    (["again", "u1", [2], u1(1), u1(0, 0)], "2 new values do not fit"),
    (["again", "u1", [2], u1(1, 2), u1(0, 1)], "1 new values do not fit"),
    (["again", "u1", [257], None, np.zeros(257, "u1")], "257 new values do not fit"),
    (["again", "u1", [1], ["bool", [1], u1(1)], u1(0)], "a coding expects pool or own or int inside"),
    (["rise", [1], i1(1)], "1 steps of int8 do not make floats of shape (1,)"),
    (["rise", [1], u8(1)], "1 steps of uint64 do not make floats of shape (1,)"),
    (["rise", [2], u4(1)], "1 steps of uint32 do not make floats of shape (2,)"),
    (["rise8", [1], 16.0, u1(1), u1(1), u1(1)], "1 steps do not make doubles of shape (1,)"),
    (["rise8", [2], 16, u1(1), u1(1), u1(1)], "1 steps do not make doubles of shape (2,)"),
    (["rise8", [1], 16, i1(1), u1(1), u1(1)], "1 steps do not make doubles of shape (1,)"),
    (["rise8", [1], 16, u1(1), i1(1), u1(1)], "1 steps do not make doubles of shape (1,)"),
    (["rise8", [1], 16, u1(1), u1(1), i1(1)], "1 steps do not make doubles of shape (1,)"),
    (["sum", "f4", [1], u1(1)], "1 steps do not make integers of dtype 'f4' and shape (1,)"),
    (["sum", "b1", [1], u1(1)], "1 steps do not make integers of dtype 'b1' and shape (1,)"),
    (["sum", "u1", [2], u1(1)], "1 steps do not make integers of dtype 'u1' and shape (2,)"),
    (["sum", "u1", [1], f4(1)], INTEGERS),
    (["sum", "u1", [1], np.array([[1]], "u1")], INTEGERS),
    (["sum", "i8", [1], i8(2**33)], "an integer has more than 33 bits"),
    (["sum", "i8", [2], i8(0, -(2**33) - 1)], "an integer has more than 33 bits"),
    (["sum", "u1", [1], ["bool", [1], u1(1)]], "a coding expects pool or own or int inside"),
    (put(MEAN, 7, f4(1)), "means need counts, a factor and floats"),
    (put(MEAN, 7, np.zeros((1, 1))), "means need counts, a factor and floats"),
    (put(MEAN, 7, np.zeros((0, 1))), "means need counts, a factor and floats"),
    (put(MEAN, 2, 1), "means need counts, a factor and floats"),
    (put(MEAN, 3, i1(1)), "means need counts, a factor and floats"),
    (put(MEAN, 4, i1(0)), "1 means do not fill the shape (1,)"),
    (put(MEAN, 1, [2]), "1 means do not fill the shape (2,)"),
    (put(MEAN, 6, u2(1)), BYTES),
    (put(IDF, 1, "f2"), "idf of dtype 'f2' over 8 documents"),
    (put(IDF, 2, 8.0), "idf of dtype 'f8' over 8.0 documents"),
    (["idf", "f8", True, u1(1), None], "idf of dtype 'f8' over True documents"),
    (put(IDF, 2, 0), "idf of dtype 'f8' over 0 documents"),
    (put(IDF, 2, -1), "idf of dtype 'f8' over -1 documents"),
    (put(IDF, 2, 2**31), f"idf of dtype 'f8' over {2**31} documents"),
    (["text", None, i1(1), u1(97)], "the length of a string is negative"),
    (["text", 0, u1(0), NONE], "strings of width 0"),
    (["text", True, u1(1), u1(97)], "strings of width True"),
    (["text", 1.0, u1(1), u1(97)], "strings of width 1.0"),
    (["text", 17, u1(0), NONE], "strings of width 17"),
    (["text", 1, u1(2), u1(97, 98)], "a string does not fit the width 1"),
    (["text", 3, u1(2), u1(97, 0)], "a string does not fit the width 3"),
    (["front", u2(0), u1(1), u1(97)], "front-coded strings need bytes and lengths"),
    (["front", u1(0), i1(1), u1(97)], "front-coded strings need bytes and lengths"),
    (["ucs4", [1], np.array([[97]], "i4")], "text in UCS-4 needs a matrix of u4"),
    (["ucs4", [1], u4(97)], "text in UCS-4 needs a matrix of u4"),
    (["ucs4", [1], np.array([[[97]]], "u4")], "text in UCS-4 needs a matrix of u4"),
    (["ucs4", [2], np.zeros((2, 0), "u4")], "text in UCS-4 needs a matrix of u4"),
    (["ucs4", [2], np.array([[97]], "u4")], "text in UCS-4 holds something else"),
    (["ucs4", [1], np.array([[0x110000]], "u4")], "text in UCS-4 holds something else"),
    (["ucs4", [1], ["int", "u4", 0, [1, 1], u1(1), NONE]], "a coding expects pool or own inside"),
]


@pytest.mark.parametrize("at", range(len(REFUSED)))
def test_what_is_no_node(at):
    refused({"$": REFUSED[at][0]}, REFUSED[at][1])


def test_unknown_nodes_need_a_newer_release():
    refused({"$": ["zip", 1]}, "it holds an array coded as 'zip'", reason="version")
    refused({"$": ["byidf", "u1", u1(1)]}, "it holds an array coded as 'byidf'", reason="version")


def test_too_many_steps_are_refused_before_they_are_looked_at():
    """Zeros that the system need not hold: they are not read."""
    import mmap

    for size, words in ((1 << 29, "do not make integers"), ((1 << 29) - 1, "needs more memory")):
        own = Section(ARRAY, RAW, "u1", (size,), memoryview(mmap.mmap(-1, size)))
        refused({"$": ["sum", "u1", [size], ["own"]]}, words, own=(own,), memory=size)


def test_too_many_references_are_refused_before_they_are_looked_at(monkeypatch):
    """2**31 of them: one item again and again, which takes no memory."""
    many = np.broadcast_to(np.uint8(1), 1 << 31)
    decoder = Decoder(0, transforms(None))
    decoder._arrays = [many.view(np.bool_)]
    with pytest.raises(ArtifactError, match="numbers of leaves need the flags of trees"):
        decoder._leaves(0)
    monkeypatch.setattr(decoder, "_integers", lambda node: many)
    with pytest.raises(ArtifactError, match="back references do not fill the shape"):
        decoder._again("u1", [1 << 31], None, None)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"separator": None}, "needs a separator and levels"),
        ({"levels": None}, "needs a separator and levels"),
        ({"levels": {}}, "nested too deeply, or holds an object"),
        ({"levels": [None]}, "a level of a vocabulary needs three arrays"),
        ({"levels": ["abc"]}, "a level of a vocabulary needs three arrays"),
        ({"levels": [LEVELS[0][:2]]}, "a level of a vocabulary needs three arrays"),
        ({"levels": [LEVELS[0], [u1(1, 0), NONE, u1(0)]]}, "the counts of a trie's level do not add up"),
        ({"levels": [LEVELS[0], [u1(1, 0, 0, 0), NONE, u1(0)]]}, "the counts of a trie's level do not add up"),
        ({"levels": [[i1(1, 2), NONE, u1(0, 0, 1)]]}, "the counts of a trie's level do not add up"),
        ({"levels": [[u1(1, 2), NONE.view("i1"), u1(0, 0, 1)]]}, "the counts of a trie's level do not add up"),
        ({"levels": [[u1(1, 2), NONE, i1(0, 0, 1)]]}, "the counts of a trie's level do not add up"),
        ({"levels": [[f4(1, 2), NONE, u1(0, 0, 1)]]}, "needs integers where something else arrived"),
        ({"levels": LEVELS[:1]}, "5 nodes, 6 of them told to be terms or not"),
        ({"n": 5}, "padding that is not zero"),
        ({"n": 7}, "6 nodes, 7 of them told to be terms or not"),
        ({"steps": u1(0, 0, 0)}, "columns and terms differ in number"),
        ({"steps": u1(0, 0, 0, 0, 0)}, "columns and terms differ in number"),
        ({"steps": f8(0, 0, 0, 0)}, "needs integers where something else arrived"),
        ({"steps": i1(-1, 0, 0, 0)}, "a column is out of range"),
        ({"steps": i1(0, 0, 0, -4)}, "a column is out of range"),
        ({"steps": u8(2**32, 0, 0, 0)}, "a column is out of range"),
        ({"steps": u8(2**32 - 3, 0, 0, 0)}, "a column is out of range"),
        ({"symbols": [u2(0, 0), *SYMBOLS[1:]]}, "front-coded strings need bytes and lengths"),
        ({"symbols": [u1(0, 0), i1(1, 1), u1(97, 98)]}, "front-coded strings need bytes and lengths"),
    ],
)
def test_what_is_no_vocabulary(changes, words):
    refused({"$": trie(**changes)}, words)


def test_terms_of_a_vocabulary_are_flags():
    node = trie()
    for is_term, words in ((["bool", [2, 3], u1(0)], "which nodes are terms"), (u1(1, 0, 1, 1, 0, 1), "a coding expects bool")):
        node[5] = is_term
        refused({"$": node}, words)


def test_a_pool_is_too_short_for_what_comes_second():
    refused({"a": {"$": u1(1, 2, 3)}, "b": {"$": ["pool", "u1", 1]}}, "the pool is too short")


@pytest.mark.parametrize("within", [u1(1), ["own"]])
def test_arrays_as_deep_as_others(within):
    document: Any = {"$": within}
    for _ in range(65):
        document = {"a": document}
    refused(document, "nested too deeply", own=(Section(ARRAY, RAW, "u1", (1,), b"x"),) if within == ["own"] else ())
