"""Nothing but ArtifactError, whatever the bytes."""

from __future__ import annotations

import copy
import hashlib
import json
import random
import struct
import zlib

import numpy as np
import pytest

from quantcore.artifact import canonical, decode, encode
from quantcore.artifact.codec import DICTIONARY, TABLES, compress
from quantcore.artifact.container import (
    ANCILLARY,
    ARRAY,
    DEFLATE,
    ENTRY,
    HEADER,
    META,
    POOL,
    RAW,
    SHORT,
    TABLED,
    Section,
    pack,
    unpack,
)
from quantcore.artifact.decoder import content
from quantcore.errors import ArtifactError

LIMIT = 1 << 24


def refused(data: bytes) -> str:
    with pytest.raises(ArtifactError) as caught:
        decode(data, max_bytes=LIMIT)
    return caught.value.reason


def opened(data: bytes) -> tuple[dict, list[Section]]:
    """The document and the other sections."""
    sections, _ = unpack(memoryview(data), None)
    return json.loads(bytes(content(sections[0], DICTIONARY)).decode("utf-8", "surrogatepass")), sections[1:]


def closed(document: object, sections: list[Section], memory: int = 1 << 20) -> bytes:
    text = document if isinstance(document, bytes) else canonical.dumps(document)
    return pack([Section(META, RAW, "u1", (len(text),), text), *sections], memory)


def test_every_bit_flip_is_refused(small):
    for bit in range(8 * len(small)):
        changed = bytearray(small)
        changed[bit // 8] ^= 1 << bit % 8
        with pytest.raises(ArtifactError):
            decode(bytes(changed))


def test_every_truncation_is_refused(small):
    for size in range(len(small)):
        assert refused(small[:size]) == "truncated"


def test_every_trailing_byte_is_refused(small):
    for tail in (b"\0", b"\0" * 64, small):
        assert refused(small + tail) == "invalid"


def test_something_else_is_refused():
    for data in (b"PK\3\4" + bytes(100), b"\x80\x04", bytes(64), b"{}"):
        assert refused(data) == "invalid"
    assert refused(b"") == "truncated"


@pytest.mark.parametrize("name", ["binary", "by_frequency", "several", "characters", "hashing", "matrix", "table"])
def test_mutants_with_repaired_checksums(plans, name, repair):
    """Those that decode all the same have to be valid Plans: decode validates."""
    data = encode(plans[name](), {"report": {"x": np.arange(3)}})
    rng = random.Random(name)
    extremes = [0, 1, 2**31 - 1, 2**31, 2**32 - 1]
    for _ in range(1200):
        changed = bytearray(data)
        for _ in range(rng.choice([1, 1, 2, 4])):
            at = rng.randrange(len(changed))
            if rng.random() < 0.5:
                changed[at] = rng.randrange(256)
            else:
                changed[at : at + 4] = struct.pack("<I", rng.choice(extremes))[: len(changed) - at]
        try:
            decode(repair(changed), max_bytes=LIMIT)
        except ArtifactError:
            continue


@pytest.mark.parametrize("name", ["binary", "by_frequency", "several", "characters", "hashing", "matrix", "table"])
def test_mutants_of_the_document(plans, name):
    """Values of the metadata replaced by others, sections left as they are."""
    document, sections = opened(encode(plans[name](), {"report": {"x": np.arange(3)}}))
    rng = random.Random(name)
    pieces = [
        None,
        True,
        -1,
        0,
        1,
        3,
        2**31,
        2**63,
        2**80,
        0.5,
        "",
        "u1",
        "f8",
        "own",
        "pool",
        [],
        {},
        [["own"]],
        {"$": []},
        {"$": ["own"]},
    ]
    kinds = (
        "same",
        "int",
        "rows",
        "bool",
        "again",
        "rise",
        "rise8",
        "leaves",
        "mean",
        "sum",
        "idf",
        "byidf",
        "rowsbyidf",
        "text",
        "front",
        "ucs4",
        "trie",
        "zip",
    )
    pieces += [{"$": [kind]} for kind in kinds]
    for _ in range(1500):
        mutant = json.loads(json.dumps(document))
        for _ in range(rng.choice([1, 1, 2])):
            _replace(mutant, rng, pieces)
        try:
            decode(closed(mutant, sections, memory_of(mutant, sections)), max_bytes=LIMIT)
        except ArtifactError:
            continue


def rows_by_idf(document):
    """The op that holds such a node, and the node."""
    (op,) = [op for op in document["plan"]["ops"] if "rows" in op]
    assert op["rows"]["$"][0] == "rowsbyidf"
    return op, op["rows"]["$"]


@pytest.mark.parametrize(
    "change",
    [
        lambda op, node: op.update(idf=None),
        lambda op, node: op.update(idf={"$": ["same", 0]}),
        lambda op, node: node.pop(),
        lambda op, node: node.append(["pool", "u1", 1]),
        lambda op, node: node.__setitem__(1, "i8"),
        lambda op, node: node.__setitem__(2, 2),
        lambda op, node: node.__setitem__(2, 0),
        lambda op, node: node.__setitem__(3, node[3][:-1]),
        lambda op, node: node.__setitem__(3, [25] * len(node[3])),
        lambda op, node: node.__setitem__(5, ["pool", "u1", 1]),
        lambda op, node: node.__setitem__(5, ["same", 0]),
        lambda op, node: node.__setitem__(0, "byidf"),
        lambda op, node: node.__setitem__(0, "rows"),
        lambda op, node: op.update(rows={"$": ["rowsbyidf"]}),
        lambda op, node: op.update(bias={"$": list(node)}),
    ],
)
def test_rows_that_do_not_fit_their_idf(plans, change):
    document, sections = opened(encode(plans["by_frequency"](), {}))
    decode(closed(document, sections, memory_of(document, sections)))
    change(*rows_by_idf(document))
    assert refused(closed(document, sections, 1 << 22)) == "invalid"


def _replace(tree, rng, pieces):
    while True:
        keys = list(tree) if isinstance(tree, dict) else range(len(tree))
        if not keys:
            return
        key = rng.choice(list(keys))
        if isinstance(tree[key], (dict, list)) and tree[key] and rng.random() < 0.85:
            tree = tree[key]
            continue
        action = rng.random()
        if action < 0.2 and isinstance(tree, dict):
            tree[rng.choice(["op", "extra", "rows", "new", "idf"])] = copy.deepcopy(rng.choice(pieces))
        elif action < 0.4:
            del tree[key]
        else:
            tree[key] = copy.deepcopy(rng.choice(pieces))
        return


def memory_of(document, sections) -> int:
    """The memory that a document needs: the number that decode accepts, found by asking."""
    from quantcore.artifact.codec import _open

    text = canonical.dumps(document)
    return _open([Section(META, RAW, "u1", (len(text),), text), *sections], None)[1].used


def test_declared_memory_is_exact(small):
    document, sections = opened(small)
    need = memory_of(document, sections)
    decode(closed(document, sections, need))
    for memory in (0, need - 1, need + 1, 1 << 40):
        assert refused(closed(document, sections, memory)) == "invalid"
    with pytest.raises(ArtifactError, match="max_bytes"):
        decode(small, max_bytes=100)


def test_zip_bombs_are_refused_before_they_inflate(small):
    document, _ = opened(small)
    stored = zlib.compress(bytes(1 << 26), 9, -15)
    honest = Section(POOL, DEFLATE, "u1", (1 << 26,), stored)
    with pytest.raises(ArtifactError, match="max_bytes"):
        decode(closed(document, [honest], 1 << 27), max_bytes=LIMIT)
    assert refused(closed(document, [honest], 1 << 20)) == "invalid"
    for declared in (1, 1 << 10):
        assert refused(closed(document, [Section(POOL, DEFLATE, "u1", (declared,), stored)])) == "invalid"
    # more than deflate can do
    assert refused(closed(document, [Section(POOL, DEFLATE, "u1", (1 << 20,), b"\3\0")])) == "invalid"
    # text whose objects need far more than itself
    bomb = b"[" + b"[]," * 200_000 + b"[]]"
    packed = zlib.compress(bomb, 9, -15)
    assert refused(pack([Section(META, DEFLATE, "u1", (len(bomb),), packed)], 1 << 20)) == "invalid"


def test_newer_files_name_what_to_install(small, repair):
    newer = bytearray(small)
    newer[8:14] = struct.pack("<HHH", 2, 0, 7)
    with pytest.raises(ArtifactError, match=r"format version 2 .*install quantcore 0\.7 or newer") as caught:
        decode(repair(newer))
    assert caught.value.reason == "version"
    newer = bytearray(small)
    newer[16] = 4
    assert refused(repair(newer)) == "version"


def test_unknown_parts(small):
    document, sections = opened(small)
    need = memory_of(document, sections)
    unknown = Section(ANCILLARY | 9, RAW, "u1", (3,), b"abc")
    assert decode(closed(document, [*sections, unknown], need)).digest == decode(small).digest
    assert refused(closed(document, [*sections, Section(9, RAW, "u1", (3,), b"abc")], need)) == "version"
    document["plan"]["ops"][0]["op"] = "Oracle"
    assert refused(closed(document, sections, memory_of(document, sections))) == "version"
    document, sections = opened(small)
    document["plan"]["ops"][0]["depth"] = 3
    assert refused(closed(document, sections, memory_of(document, sections))) == "version"


@pytest.mark.parametrize(
    "change",
    [
        lambda text: text.replace(b'"extra":', b'"extra": '),
        lambda text: text.replace(b'"ops":', b'"ops":[],"ops":'),
        lambda text: text.replace(b"0.5", b"0.50"),
        lambda text: text.replace(b"0.5", b"NaN"),
        lambda text: b"[" * 100_000 + b"]" * 100_000,
        lambda text: b"9" * 5000,
        lambda text: b"\xff" + text,
        lambda text: text[:-1],
    ],
)
def test_other_spellings_of_the_metadata(small, change):
    document, sections = opened(small)
    text = canonical.dumps(document)
    assert change(text) != text
    assert refused(closed(change(text), sections)) == "invalid"


def test_wrong_types_and_leftovers(small):
    document, sections = opened(small)
    for where, value in [
        ("ngram_range", [1, 2, 3]),
        ("lowercase", 1),
        ("n_features", 20.0),
        ("analyzer", "words"),
        ("encoding", None),
    ]:
        changed = json.loads(json.dumps(document))
        changed["plan"]["ops"][0][where] = value
        assert refused(closed(changed, sections, memory_of(changed, sections))) == "invalid"
    spare = Section(ARRAY, RAW, "u1", (1,), b"x")
    assert refused(closed(document, [*sections, spare])) == "invalid"
    assert refused(closed(document, [*sections, *sections])) == "invalid"
    assert refused(pack(sections, 0)) == "invalid"


@pytest.mark.parametrize("dims", [[2**47, 2**47, 0], [2**63, 0], [0, -1], [1, 1, 1, 1], [True], "ab"])
def test_impossible_shapes(small, dims):
    document, sections = opened(small)
    for node in (
        ["pool", "u1", *dims],
        ["bool", dims, ["pool", "u1", 0]],
        ["int", "u1", 0, dims, ["pool", "u1", 0], ["pool", "u1", 0]],
    ):
        document["extra"]["report"] = {"$": node}
        assert refused(closed(document, sections)) == "invalid"


@pytest.mark.parametrize(
    "node",
    [
        ["rise", [3], ["pool", "u1", 2]],
        ["rise", [2], ["pool", "i1", 2]],
        ["rise", [2], ["pool", "u8", 2]],
        ["rise", [2], ["pool", "f4", 2]],
        ["rise", [1, 1, 2, 1], ["pool", "u1", 2]],
        ["rise", [2], ["leaves", 0]],
        ["rise", [2]],
        ["rise8", [2], 15, ["pool", "u1", 2], ["pool", "u1", 2], ["pool", "u1", 2]],
        ["rise8", [2], 33, ["pool", "u1", 2], ["pool", "u1", 2], ["pool", "u1", 2]],
        ["rise8", [2], 16.0, ["pool", "u1", 2], ["pool", "u1", 2], ["pool", "u1", 2]],
        ["rise8", [3], 16, ["pool", "u1", 2], ["pool", "u1", 2], ["pool", "u1", 2]],
        ["rise8", [2], 16, ["pool", "u1", 2], ["pool", "u1", 1], ["pool", "u1", 2]],
        ["rise8", [2], 16, ["pool", "u1", 2], ["pool", "u1", 2], ["pool", "u1", 1]],
        ["rise8", [2], 16, ["pool", "i1", 2], ["pool", "u1", 2], ["pool", "u1", 2]],
        ["rise8", [2], 16, ["pool", "u1", 2], ["pool", "f4", 2], ["pool", "u1", 2]],
        ["rise8", [2], 16, ["pool", "u1", 2], ["pool", "u1", 2]],
        ["sum", "f4", [2], ["pool", "u1", 2]],
        ["sum", "u1", [2], ["pool", "f4", 2]],
        ["sum", "i1", [2], ["pool", "u1", 2]],
        ["sum", "u1", [3], ["pool", "u1", 2]],
        ["sum", "u1", [2, 2], ["pool", "u1", 2]],
        ["sum", "u1", [2], ["sum", "u1", [2], ["pool", "u1", 2]]],
        ["sum", "u1", [2]],
        ["front", ["pool", "u1", 1], ["pool", "u1", 1], ["pool", "u1", 1]],
        ["front", ["pool", "u2", 1], ["pool", "u1", 1], ["pool", "u1", 0]],
        ["front", ["pool", "u1", 1], ["pool", "i1", 1], ["pool", "u1", 0]],
        ["front", ["pool", "u1", 2], ["pool", "u1", 1], ["pool", "u1", 0]],
        ["front", ["pool", "u1", 1], ["pool", "u1", 1]],
        ["mean", [2], 1.0, ["pool", "u1", 2], ["pool", "u1", 2], ["pool", "u1", 2], ["pool", "u1", 2], None],  # shifts of 0
        ["mean", [2], 1, ["pool", "u1", 2], ["pool", "u1", 2], ["pool", "i1", 2], ["pool", "u1", 2], None],
        ["mean", [2], 0.0, ["pool", "u1", 2], ["pool", "u1", 2], ["pool", "i1", 2], ["pool", "u1", 2], None],
        ["mean", [2], 1e30, ["pool", "u1", 2], ["pool", "u1", 2], ["pool", "i1", 2], ["pool", "u1", 2], None],
        ["mean", [3], 1.0, ["pool", "u1", 2], ["pool", "u1", 2], ["pool", "i1", 2], ["pool", "u1", 2], None],
        ["mean", [2], 1.0, ["pool", "i1", 2], ["pool", "u1", 2], ["pool", "i1", 2], ["pool", "u1", 2], None],
        ["mean", [2], 1.0, ["pool", "u1", 2], ["pool", "i1", 2], ["pool", "i1", 2], ["pool", "u1", 2], None],
        ["mean", [2], 1.0, ["pool", "u1", 2], ["pool", "u1", 1], ["pool", "i1", 2], ["pool", "u1", 2], None],
        ["mean", [2], 1.0, ["pool", "u1", 2], ["pool", "u1", 2], ["pool", "i1", 1], ["pool", "u1", 2], None],
        ["mean", [2], 1.0, ["pool", "u1", 2], ["pool", "u1", 2], ["pool", "i1", 2], ["pool", "u2", 1], None],
        ["mean", [2], 1.0, ["pool", "u1", 2], ["pool", "u1", 2], ["pool", "i1", 2], ["pool", "u1", 2], ["pool", "f8", 1]],
        ["mean", [2], 1.0, ["pool", "u1", 2], ["pool", "u1", 2], ["pool", "i1", 2], ["pool", "u1", 2], ["pool", "f4", 0]],
        ["mean", [2], 1.0, ["pool", "u1", 2], ["pool", "u1", 2], ["pool", "i1", 2], ["pool", "u1", 2]],
        ["leaves", -1],
        ["leaves", 2],
        ["leaves", True],
        ["leaves", 0.0],
        ["leaves", 1],
        ["leaves"],
    ],
)
def test_hostile_trees(node):
    """The first array is booleans, the second numbers; what a node takes from the pool begins with 200, 100."""
    flags, pool = ["bool", [2], ["pool", "u1", 1]], Section(POOL, RAW, "u1", (18,), bytes([2, 0, 200, 100, *bytes(14)]))
    document = {"extra": {"a": {"$": flags}, "b": {"$": ["pool", "u1", 1]}, "c": {"$": node}}, "plan": {"ops": []}}
    assert refused(closed(document, [pool])) == "invalid"


def test_the_preset_dictionary_is_frozen():
    """Files depend on it for ever; SPEC.md states the same hash."""
    assert hashlib.sha256(DICTIONARY).hexdigest() == "49b47492e838b9e9c894516c85a9a8ead424e4c0b6328a218d68b7104ecd72a7"
    assert hashlib.sha256(TABLES).hexdigest() == "1368a3e291c2b81e75971ae8e404a5a184f2aa77621727b44131df83e2409f8d"
    assert TABLES.startswith(DICTIONARY)


def test_reserved_fields(small, repair):
    sections, memory = unpack(memoryview(small), None)
    wide = [14, *range(44, 60), *(HEADER.size + k for k in (5, 6, 7, 16, 60, 63)), HEADER.size + ENTRY.size + 7]
    short = [14, *range(44, 60), HEADER.size + 3, HEADER.size + SHORT.size + 3]
    for places, is_short in ((wide, False), (short, True)):
        data = pack(sections, memory, short=is_short)
        assert decode(data).plan.ops
        for at in places:
            changed = bytearray(data)
            changed[at] = 1
            assert refused(repair(changed)) == "invalid"


def test_required_features_are_those_of_the_sections(small, repair):
    sections, memory = unpack(memoryview(small), None)
    text = bytes(content(sections[0], DICTIONARY))
    for codec, dictionary in ((DEFLATE, DICTIONARY), (TABLED, TABLES)):
        head = Section(META, codec, "u1", (len(text),), compress(text, dictionary))
        for is_short in (False, True):
            data = pack([head, *sections[1:]], memory, short=is_short)
            assert decode(data).digest == decode(small).digest
            for feature, reason in ((2, "invalid"), (4, "version")):
                changed = bytearray(data)
                changed[16] ^= feature
                assert refused(repair(changed)) == reason
    pool = Section(POOL, TABLED, "u1", (4,), compress(b"\0\0\0\0", TABLES))
    assert refused(closed({"extra": {}, "plan": {}}, [pool])) == "invalid"
