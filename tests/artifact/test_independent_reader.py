"""The real reader and the one written from SPEC.md accept the same bytes, and find the same in them."""

from __future__ import annotations

import copy
import importlib.util
import json
import os
import random
import struct
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest

from quantcore.artifact import canonical, decode, encode
from quantcore.artifact.codec import _open
from quantcore.artifact.container import META, RAW, Section, pack, unpack
from quantcore.artifact.dictionary import TABLES
from quantcore.errors import ArtifactError
from quantcore.native import registry
from quantcore.plan import Vocabulary

TESTS = Path(__file__).resolve().parents[1]
GOLDEN = sorted((TESTS / "golden").glob("*.qc"))
MUTANTS = int(os.environ.get("QUANTCORE_READER_MUTANTS", "100000"))
EXTREMES = (0, 1, 2**31 - 1, 2**31, 2**32 - 1)
PIECES: list[Any] = [
    None, True, -1, 0, 1, 2, 3, 255, 2**31, 2**33, 2**63, 2**80, 0.5, -0.0, 1e300, "", "u1", "i8", "f4", "own", "pool", [], {},
    [["own"]], {"$": []}, {"$": ["own"]}, {"$": ["same", 0]}, ["pool", "u1", 0], ["pool", "u1", 1], "\ud800",
]  # fmt: skip


def _loaded() -> ModuleType:
    spec = importlib.util.spec_from_file_location("independent_reader", TESTS / "independent_reader.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


READER = _loaded()


def real(data: bytes, codec: ModuleType | None = None) -> Any:
    """What the real reader finds before it looks at the meaning of the Plan, or its reason to refuse."""
    try:
        sections, memory = unpack(memoryview(data), None)
        tree, _ = _open(sections, memory, codec)
    except ArtifactError as error:
        return error
    whole = isinstance(tree, dict) and set(tree) == {"extra", "plan"} and isinstance(tree["extra"], dict)
    return tree if whole else ArtifactError("invalid", "no document")


def second(data: bytes) -> Any:
    try:
        return READER.read(data, TABLES)
    except READER.Refused as refusal:
        return refusal


def equal(a: Any, b: Any) -> bool:
    """Whether the real reader's value and the second one's are the same down to the bit."""
    if isinstance(a, np.ndarray):
        return isinstance(b, np.ndarray) and a.dtype == b.dtype and a.shape == b.shape and a.tobytes() == b.tobytes()
    if isinstance(a, Vocabulary):
        ends = [0, *a.symbol_ends.tolist()]
        raw = a.symbol_bytes.tobytes()
        symbols = tuple(raw[start:end] for start, end in zip(ends, ends[1:], strict=False))
        edges = tuple(zip(a.parent.tolist(), a.symbol.tolist(), strict=True))
        return bool(
            (a.separator, symbols, tuple(a.levels), edges) == (b.separator, b.symbols, b.levels, b.edges)
            and (tuple(a.is_term.tolist()), tuple(a.column.tolist())) == (b.is_term, b.columns)
        )
    if isinstance(a, dict):
        return isinstance(b, dict) and a.keys() == b.keys() and all(equal(a[k], b[k]) for k in a)
    if isinstance(a, list):
        return isinstance(b, list) and len(a) == len(b) and all(map(equal, a, b))
    return type(a) is type(b) and repr(a) == repr(b)


def agree(data: bytes) -> bool:
    """Whether both accept (and find the same), or both refuse; the answer is whether they accept."""
    one, other = real(data), second(data)
    accepted = not isinstance(one, ArtifactError)
    assert accepted == (not isinstance(other, READER.Refused)), (one, other)
    assert not accepted or equal(one, other)
    return accepted


def repaired(data: bytearray) -> bytes:
    """Bytes with the checksums that they would have, as far as there is a layout."""
    import zlib

    count = int.from_bytes(data[20:24], "little")
    width = 16 if data[16:17] and data[16] & 1 else 64
    end = next_ = 64 + width * count
    if count < 1000 and end <= len(data):
        for at in range(64, end, width):
            offset, stored = (
                struct.unpack_from("<QQ", data, at + 32) if width == 64 else (next_, *struct.unpack_from("<I", data, at + 4))
            )
            next_ = offset + stored
            if next_ <= len(data):
                struct.pack_into("<I", data, at + width - (8 if width == 64 else 4), zlib.crc32(data[offset:next_]))
        struct.pack_into("<I", data, 40, zlib.crc32(data[64:end]))
    if len(data) >= 64:
        struct.pack_into("<I", data, 60, zlib.crc32(data[:60]))
    return bytes(data)


def of_bytes(data: bytes, rng: random.Random) -> bytes:
    """Some bytes changed, or the end cut; checksums repaired or not."""
    changed = bytearray(data)
    for _ in range(rng.choice([1, 1, 2, 4])):
        at = rng.randrange(64 if rng.random() < 0.2 else len(changed))
        if rng.random() < 0.6:
            changed[at] = rng.randrange(256)
        else:
            changed[at : at + 4] = struct.pack("<I", rng.choice(EXTREMES))[: len(changed) - at]
    if rng.random() < 0.05:
        del changed[rng.randrange(len(changed)) :]
    return repaired(changed) if len(changed) >= 64 and rng.random() < 0.9 else bytes(changed)


def of_document(data: bytes, rng: random.Random) -> bytes:
    """Sections as they decode, and a document in which something else stands; the memory is what it then needs."""
    sections = READER.container(data)[0]
    document = json.loads(READER.decoded(sections[0], TABLES).decode("utf-8", "surrogatepass"))
    for _ in range(rng.choice([1, 1, 2])):
        _replace(document, rng)
    arrays = [_plain(s, rng) for s in sections[1:]]
    try:
        text = canonical.dumps(document)
    except (ValueError, RecursionError):
        text = b"null"
    if rng.random() < 0.1:  # other spellings
        old, new = rng.choice(
            [(b"0.5", b"0.50"), (b",", b", "), (b"{", b'{"":0,'), (b"true", b"True"), (b"1", b"01"), (b"e-", b"E-")]
        )
        text = text.replace(old, new, 1)
    head = Section(META, RAW, "u1", (len(text),), text)
    entries = [READER.Entry(*one[:4], bytes(one.stored)) for one in (head, *arrays)]
    try:
        memory = READER.content(entries, TABLES)[1]
    except READER.Refused:
        memory = 1 << 24
    return pack([head, *arrays], memory if rng.random() < 0.97 else memory + rng.choice([-1, 1]))


def _plain(section: Any, rng: random.Random) -> Section:
    """A section, now and then with other content: raw bytes, some of them changed."""
    if rng.random() < 0.5:
        return Section(*section)
    raw = bytearray(READER.decoded(section))
    if rng.random() < 0.7:
        raw[rng.randrange(len(raw))] = rng.choice([0, 1, 2, 3, 7, 15, 16, 33, 34, 127, 128, 255, rng.randrange(256)])
    return Section(section.type, RAW, section.dtype, section.dims, bytes(raw))


def _replace(tree: Any, rng: random.Random) -> None:
    while True:
        keys = list(tree) if isinstance(tree, dict) else list(range(len(tree)))
        if not keys:
            return
        key = rng.choice(keys)
        if isinstance(tree[key], (dict, list)) and tree[key] and rng.random() < 0.9:
            tree = tree[key]
            continue
        old = tree[key]
        action = rng.random()
        if action < 0.1 and isinstance(tree, dict):
            tree[rng.choice(["op", "extra", "rows", "exponent", "idf", "$"])] = copy.deepcopy(rng.choice(PIECES))
        elif action < 0.25:
            del tree[key]
        elif action < 0.6 and type(old) is int:
            tree[key] = max(old + rng.choice([-2, -1, 1, 2]), -(2**70))
        elif action < 0.6 and isinstance(old, str) and old[:1] in "uif" and len(old) == 2:
            tree[key] = rng.choice(READER.DTYPE)
        else:
            tree[key] = copy.deepcopy(rng.choice(PIECES))
        return


def sources(plans: Any, extra: Any) -> list[bytes]:
    """Golden files, Plans made by hand, nodes that Plans seldom need."""
    made = [encode(make(), extra) for make in plans.values()]
    return [path.read_bytes() for path in GOLDEN] + made + [encode(plans["matrix"](), {"report": value}) for value in nodes()]


@pytest.mark.parametrize("path", GOLDEN, ids=lambda path: path.stem)
def test_golden_files(path):
    assert agree(path.read_bytes())


def test_every_coding(plans, extra):
    """Together the files hold every node that there is."""
    seen = set()
    for data in sources(plans, extra):
        assert agree(data)
        sections = READER.container(data)[0]
        seen |= _names(json.loads(READER.decoded(sections[0], TABLES).decode("utf-8", "surrogatepass")))
    assert seen >= {
        "pool", "own", "same", "int", "rows", "bool", "again", "rise", "sum", "leaves", "idf", "byidf", "text", "front", "ucs4",
        "trie",
    }  # fmt: skip


def _names(value: Any) -> set[str]:
    if isinstance(value, dict):
        return set().union(*map(_names, value.values())) if value else set()
    if isinstance(value, list):
        own = {value[0]} if value and isinstance(value[0], str) else set()
        return own.union(*map(_names, value))
    return set()


def nodes() -> list[Any]:
    """Values for nodes that Plans seldom need."""
    rng = np.random.default_rng(1)
    return [
        np.array([["a", "bc\0d"], ["", "\U0001f600"]]),
        rng.integers(0, 9, 300).repeat(3)[rng.permutation(900)] * 1_000_003,
        rng.choice(rng.normal(size=20), 400),
        rng.choice(rng.normal(size=20), (20, 20)).astype(np.float32),
        np.array(1.5),
        np.zeros((0, 3), np.int16),
        np.arange(70)[rng.integers(0, 70, 500)],
        np.unique(rng.integers(0, 500, 90), return_inverse=True)[1],
        (rng.standard_t(2, (300, 9)) * 99).astype(np.int32),
        (rng.standard_t(2, (5000, 1)) * 99).astype(np.int16),
        rng.integers(0, 2**33, 40),
        rng.integers(-(2**31), 2**31, 40),
        np.array([2**64 - 1, 0], np.uint64),
        rng.integers(0, 2, (3, 4, 5)).astype(bool),
        rng.normal(size=(70, 80)),
        [f"word {i}\0\ud800" for i in range(200)],
    ]


@pytest.mark.parametrize("position", range(len(nodes())))
def test_other_nodes(plans, position):
    data = encode(plans["matrix"](), {"report": nodes()[position]})
    assert agree(data)
    for seed in range(60):
        agree(of_document(data, random.Random(f"{position} {seed}")))


def _hunt(files: list[bytes], count: int, seed: str) -> tuple[int, int]:
    accepted = 0
    for i in range(count):
        rng = random.Random(f"{seed} {i}")
        data = rng.choice(files)
        mutant = of_bytes(data, rng) if rng.random() < 0.4 else of_document(data, rng)
        try:
            accepted += agree(mutant)
        except AssertionError as error:
            raise AssertionError(f"mutant {seed} {i}: {error}") from error
    return accepted, count


def test_mutants(plans, extra):
    accepted, count = _hunt(sources(plans, extra), 3000, "suite")
    assert count // 50 < accepted < count // 2  # neither all nor nothing


@pytest.mark.slow
def test_many_mutants(plans, extra):
    """100,000; QUANTCORE_READER_MUTANTS for another number."""
    accepted, count = _hunt(sources(plans, extra), MUTANTS, "slow")
    print(f"{count} mutants, of which both readers accepted {accepted}")


def test_accepted_documents_are_what_decode_sees(plans, extra):
    """`decode` looks at the Plan's meaning besides; it never accepts what the second reader refuses."""
    door = registry.door("codec")
    files = sources(plans, extra)
    for i in range(500):
        rng = random.Random(f"decode {i}")
        mutant = of_document(rng.choice(files), rng)
        try:
            decode(mutant, codec=door)
        except ArtifactError:
            continue
        assert not isinstance(second(mutant), READER.Refused)


def test_reasons():
    """Damage has one reason wherever only one thing is wrong."""
    data = GOLDEN[0].read_bytes()
    for size in range(len(data)):
        assert second(data[:size]).args == (real(data[:size]).reason,) == ("truncated",)
    for bit in range(0, 8 * len(data), 7):
        changed = bytearray(data)
        changed[bit // 8] ^= 1 << bit % 8
        assert second(bytes(changed)).args == (real(bytes(changed)).reason,)
