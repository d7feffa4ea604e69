"""Which codings are tried for what: each of them decodes to what it came from."""

from __future__ import annotations

import numpy as np
import pytest
from encoding import DOUBLES, FEW, IDF, MANY, MEANS, RANDOM, START, decoded, distinct, same, some

from quantcore.artifact.encoder import Encoder


@pytest.fixture(autouse=True)
def seeded():
    """The same numbers whatever test comes before."""
    RANDOM.bit_generator.state = START


def tried(array: np.ndarray, searched: str = "") -> list[str]:
    """Names of all nodes that are tried; each of them decodes to the array."""
    names = []
    for n in range(len(Encoder()._candidates(array, searched))):
        encoder = Encoder()
        node = encoder._candidates(array, searched)[n]
        names.append(node[0] if isinstance(node, list) else "leaf")
        document = encoder._node(node, None)
        assert same(array, decoded(document, encoder.sections())), names[-1]
    return names


TRIED: dict[str, tuple[np.ndarray, str, list[str]]] = {
    "one number": (some(1), "", ["leaf", "int"]),
    "no dimension": (np.array(5, "i4"), "", ["leaf", "int"]),
    "none": (some(0), "", ["leaf", "int"]),
    "one negative number": (np.array([-5], "i2"), "", ["leaf", "int"]),
    "two numbers": (np.array([0, 0], "i4"), "", ["leaf", "int", "sum"]),
    "few": (some(FEW - 1), "", ["leaf", "int", "sum"]),
    "enough": (some(FEW), "", ["leaf", "int", "sum", "again"]),
    "enough, all different": (distinct(FEW, "i4"), "", ["leaf", "int"]),
    "bytes": (some(FEW, "u1"), "", ["leaf", "int", "sum", "again"]),
    "a column": (some(FEW, "u4")[:, None], "", ["leaf", "int", "sum", "again"]),
    "a row": (some(FEW, "u4")[None], "", ["leaf", "sum", "again"]),
    "two columns": (some(FEW, "u4").reshape(-1, 2), "", ["leaf"]),
    "three dimensions": (some(FEW, "u4").reshape(4, 4, 4), "", ["leaf", "int"]),
    "three dimensions of one row": (some(FEW, "u4").reshape(1, FEW, 1), "", ["leaf", "int", "sum", "again"]),
    "a small matrix": (some(FEW - 1, "i2").reshape(9, 7), "", ["leaf"]),
    "a matrix": (some(FEW, "i2").reshape(8, 8), "", ["leaf", "rows"]),
    "a matrix of i4": (some(FEW, "i4").reshape(8, 8), "", ["leaf", "rows"]),
    "a matrix of i8": (some(FEW, "i8").reshape(8, 8), "", ["leaf"]),
    "a matrix of one column": (some(FEW, "i2")[:, None], "", ["leaf", "rows", "int", "sum", "again"]),
    "the widest matrix": (some(2 * 4096, "i2").reshape(2, 4096), "", ["leaf", "rows"]),
    "one too wide": (some(2 * 4097, "i2").reshape(2, 4097), "", ["leaf"]),
    "int of u8": (np.array([0, 0, 0, 2**31 - 1], "u8"), "", ["leaf", "int", "sum"]),
    "too large": (np.array([0, 0, 0, 2**31], "u8"), "", ["leaf", "sum"]),
    "too far for steps": (np.array([0, 0, 0, 2**31 + 1], "u8"), "", ["leaf"]),
    "int of i8": (np.array([0, 0, 0, -(2**31)], "i8"), "", ["leaf", "int", "sum"]),
    "negative numbers of i8": (np.full(3, -7, "i8"), "", ["leaf", "int"]),
    "too small": (np.array([0, 0, 0, -(2**31) - 1], "i8"), "", ["leaf"]),
    "the largest": (np.array([2**64 - 1] * 2, "u8"), "", ["leaf"]),
    "all of i4": (np.repeat([-(2**31), 2**31 - 1], 3).astype("i4"), "", ["leaf", "int", "sum"]),
    "steps that are one of few": (np.array([7, 14, 21, 28, 33], "i4"), "", ["leaf", "int", "sum"]),
    "steps, half of them different": (np.array([7, 14, 16, 18], "i4"), "", ["leaf", "int", "sum"]),
    "steps, most of them different": (np.array([7, 14, 16, 19], "i4"), "", ["leaf", "int"]),
    "few floats": (some(FEW - 1, "f8"), "", ["leaf"]),
    "floats": (some(FEW, "f8") / 7, "", ["leaf", "again"]),
    "floats, all different": (RANDOM.normal(size=FEW), "", ["leaf"]),
    "a matrix of floats": (some(FEW, "f8").reshape(8, 8) / 7, "", ["leaf", "again"]),
    "zeros of both signs": (np.resize([0.0, -0.0, np.nan], FEW), "", ["leaf", "again", "rise8"]),
    "few single floats": (some(FEW - 1, "f4"), "", ["leaf"]),
    "single floats": (some(FEW, "f4"), "", ["leaf", "again", "rise"]),
    "single floats, all different": (distinct(FEW, "f4"), "", ["leaf", "rise"]),
    "a matrix of single floats": (some(FEW, "f4").reshape(8, 8), "", ["leaf", "again"]),
    "half floats": (some(FEW, "f2"), "", ["leaf"]),
    "doubles of few bits": (DOUBLES, "", ["leaf", "rise8"]),
    "idf": (IDF, "idf", ["leaf", "idf"]),
    "idf that is not named so": (IDF, "", ["leaf", "again"]),
    "idf among values": (IDF, "values", ["leaf", "again"]),
    "idf in single precision": (IDF.astype("f4"), "idf", ["leaf", "again", "rise"]),
    "no idf": (some(FEW, "f8") / 7, "idf", ["leaf", "again"]),
    "means": (MEANS[:FEW], "values", ["leaf", "again", "mean"]),
    "means in a column": (MEANS[:, None], "values", ["leaf", "again", "mean"]),
    "few means": (MEANS[: FEW - 1], "values", ["leaf"]),
    "means that are not named so": (MEANS, "", ["leaf", "again"]),
    "single floats named so": (MEANS.astype("f4"), "values", ["leaf", "again", "rise"]),
    "no means": (RANDOM.normal(size=70), "values", ["leaf"]),
    "booleans": (np.array([[True, False, True]]), "", ["bool"]),
    "strings": (np.array(["a", "bc"]), "", ["text"]),
    "one string, not a list": (np.array("abc"), "", ["ucs4"]),
    "strings in two dimensions": (np.array([["a"], ["bc"]]), "", ["ucs4"]),
    "strings of another byte order": (np.array([["a"], ["bc"]], ">U2"), "", ["ucs4"]),
    "the widest string": (np.array([""], "U16"), "", ["text"]),
    "one that is too wide": (np.array([""], "U17"), "", ["ucs4"]),
    "one string far longer than the others": (np.array(["x" * 500] + [""] * 99), "", ["ucs4"]),
    "numbers of another byte order": (some(3, ">i4"), "", ["leaf", "int"]),
}


@pytest.mark.parametrize("name", TRIED)
def test_what_is_tried(name):
    array, searched, names = TRIED[name]
    assert tried(array, searched) == names


def test_what_is_tried_of_many():
    """Repeats are looked for below 2**20 items; from there on only where new values are the next number each."""
    encoder = Encoder()
    flat = np.ones(MANY, "u1")
    assert encoder._repeats(flat, [MANY]) == [] and len(encoder._repeats(flat[1:], [MANY - 1])) == 1
    flat[0] = 0
    assert [node[:4] for node in encoder._repeats(flat, [MANY])] == [["again", "u1", [MANY], None]]
    floats = np.zeros(MANY, "f4")
    assert encoder._float_repeats(floats) == [] and len(encoder._float_repeats(floats[1:])) == 1
    halves = np.full(1 << 16, 0.5)
    assert encoder._means(halves) == []


def test_the_first_steps_of_many_tell():
    """Of 2**20 items, 2**16."""
    encoder = Encoder()
    for told, n in ((1 << 16, MANY), (1 << 15, MANY), (1 << 16, MANY - 1)):
        flat = np.zeros(n, "i4")
        flat[:told] = RANDOM.permutation(told) * 7
        expected = told == 1 << 15 or n < MANY
        assert [node[0] for node in encoder._steps(flat)] == ["sum"] * expected


@pytest.mark.parametrize(
    ("array", "words"),
    [
        (np.zeros((1, 1, 1, 1)), "at most 3 dimensions, not 4"),
        (np.zeros(2, "c16"), "can't hold arrays of complex128"),
        (np.zeros(2, "M8[s]"), "can't hold arrays of datetime64"),
        (np.zeros(2, "S3"), r"can't hold arrays of \|S3"),
        (np.zeros(2, np.longdouble), "can't hold arrays of float128"),
        (np.array([None]), "can't hold arrays of object"),
    ],
)
def test_what_is_not_held(array, words):
    if "float128" in words and array.dtype.itemsize == 8:
        array = array.astype("c16")
        words = "can't hold arrays of complex128"
    with pytest.raises(ValueError, match=words):
        Encoder()._candidates(array)
