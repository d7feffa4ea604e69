"""Changes of an artifact that keep its checksums right: what is wrong with a mutant, a reader has to find behind them.

Each mutator takes a random number generator, the seeds and one of them, and gives a whole file. Those that change the content
declare more memory than it needs; `harness` writes the right number in where nothing else is wrong.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Callable
from random import Random
from typing import Any

import numpy as np
from checksums import repaired
from seeds import Seed, assembled

from quantcore.artifact import canonical
from quantcore.artifact.container import DEFLATE, ENTRY, HEADER, IS_SHORT, META, RAW, SHORT, SHUFFLE, Section, pack
from quantcore.artifact.decoder import content

__all__ = ["MEMORY", "MUTATORS", "TOUCHED", "parts_of", "repaired"]

MEMORY = 1 << 22  # bytes that a changed document declares
INTEGERS = [
    0, 1, 2, 3, 7, 8, 15, 16, 17, 60, 61, 63, 64, 65, 127, 128, 255, 256, 4095, 4096, 4097, 65535, 65536, (1 << 24) - 1, 1 << 24,
    (1 << 31) - 1, 1 << 31, (1 << 32) - 1, 1 << 32, (1 << 33) - 1, (1 << 48) - 1, (1 << 63) - 1, 1 << 63, (1 << 64) - 1, 1 << 64,
]  # fmt: skip
FLOATS = [0.0, -0.0, 0.5, -1.0, 1.0, 1e-320, 1e-45, 1e30, 3.5e38, 1e308, -1e308, 1 + 2**-52]
NUMBERS = [*INTEGERS, *(-n for n in INTEGERS[1:]), *FLOATS]
TEXTS = [
    "", "$", "op", "a", "word", "char", "char_wb", " ", "\0", "é", "\ud800", "😀", "İ", "x" * 70, "l1", "l2", "max",
    "float32", "float64", "text", "matrix", "table", "records", "predict", "predict_proba", "transform", "decision_function",
    "(", "(?:a|a)*b", r"\w", r"(\w)", r"\S+", "utf-8", "utf-16", "idna", "rot13", "filename", "file", "u1", "u4", "i8", "f2",
    "f4", "f8", "own", "pool", "same", "int", "rows", "bool", "again", "rise", "leaves", "idf", "byidf", "ucs4", "trie",
    "mean", "rise8", "zip",
]  # fmt: skip
NODES = {
    "pool", "own", "same", "int", "rows", "bool", "again", "rise", "rise8", "leaves", "mean", "sum", "idf", "byidf", "text",
    "front", "ucs4", "trie",
}  # fmt: skip
TOUCHED: set[str] = set()  # fields of ops and kinds of nodes that the mutant at hand changed: who counts them clears it
DTYPES = ["u1", "u2", "u4", "u8", "i1", "i2", "i4", "i8", "f2", "f4", "f8", "?"]


def number(random: Random, like: Any = None) -> Any:
    """An extreme number, or one that is near."""
    if type(like) is int and random.random() < 0.5:
        return like + random.choice((-1, 1, -2, 2, like, 1 << random.randrange(64)))
    if type(like) is float and random.random() < 0.5:
        return like * random.choice((-1.0, 0.5, 2.0, 2.0**-40, 2.0**40))
    return random.choice(NUMBERS)


def nested(random: Random) -> Any:
    """Lists or objects in each other, some of them just too deep."""
    value: Any = random.choice((1, "a", [], {}))
    depth = random.choice((1, 3, 7, 30, 62, 63, 64, 65, 66, 200, 900, 1200))
    for _ in range(depth):
        value = [value] if random.random() < 0.7 else {random.choice(("a", "$", "op")): value}
    return value


def some_value(random: Random, like: Any = None) -> Any:
    """Any JSON value."""
    kind = random.random()
    if kind < 0.45:
        return number(random, like)
    if kind < 0.7:
        return random.choice(TEXTS)
    if kind < 0.85:
        return random.choice(
            (None, True, False, [], {}, [[]], {"$": []}, {"$": ["own"]}, {"$": ["same", 0]}, [0] * 5000, ["a"] * 300)
        )
    if kind < 0.9:
        return nested(random)
    wide = random.choice((1, 2, 3, 70, 3000))
    return random.choice(
        ([number(random)] * wide, [random.choice(TEXTS)] * wide, {"$": [random.choice(TEXTS), *[number(random)] * 3]})
    )


# ------------------------------------------------------------------ container


def any_bytes(random: Random, seeds: list[Seed], seed: Seed) -> bytes:
    """Bytes anywhere become others; parts are gone, there twice, or another file's."""
    data = bytearray(seed.data)
    for _ in range(random.choice((1, 1, 1, 2, 4, 16))):
        at, kind = random.randrange(len(data)), random.random()
        if kind < 0.4:
            data[at] ^= 1 << random.randrange(8)
        elif kind < 0.6:
            data[at] = random.randrange(256)
        elif kind < 0.85:
            size = random.choice((2, 4, 8))
            at = min(at & -size, len(data) - size)
            data[at : at + size] = (random.choice(INTEGERS) * random.choice((1, -1)) % (1 << 8 * size)).to_bytes(size, "little")
        elif kind < 0.9:
            del data[max(at, 64) :]
        elif kind < 0.95:
            end = at + random.randrange(1, 100)
            data[at:end] = data[at:end] * random.randrange(3)
        else:
            other = random.choice(seeds).data
            end = random.randrange(at, len(other)) if at < len(other) else at
            data[at:end] = other[at:end]
    if random.random() < 0.5 and len(data) >= 32:
        data[24:32] = len(data).to_bytes(8, "little")
    return repaired(data)


def header_and_table(random: Random, seeds: list[Seed], seed: Seed) -> bytes:
    """Fields of the header and of the table's entries become extreme."""
    data = bytearray(seed.data)
    count = int.from_bytes(data[20:24], "little")
    for _ in range(random.choice((1, 1, 2, 3))):
        if random.random() < 0.4:
            at, size = random.choice(((8, 2), (10, 2), (12, 2), (14, 2), (16, 4), (20, 4), (24, 8), (32, 8), (44, 8)))
        else:
            short = data[16] & IS_SHORT
            entry = HEADER.size + (SHORT if short else ENTRY).size * random.randrange(max(count, 1))
            wide = ((0, 2), (2, 1), (3, 1), (4, 1), (5, 1), (8, 8), (16, 8), (24, 8), (32, 8), (40, 8), (48, 8), (60, 4))
            at, size = random.choice(((0, 2), (2, 1), (3, 1), (4, 4), (8, 4)) if short else wide)
            at += entry
        old = int.from_bytes(data[at : at + size], "little")
        new = number(random, old)
        if type(new) is int and at + size <= len(data):
            data[at : at + size] = (new % (1 << 8 * size)).to_bytes(size, "little")
    return repaired(data)


def sections_swapped(random: Random, seeds: list[Seed], seed: Seed) -> bytes:
    """Sections of two files in one, sections gone, there twice, of another type, coded otherwise."""
    other = random.choice(seeds)
    mine = list(seed.sections)
    kind = random.random()
    if kind < 0.4:
        mine = list(other.sections)
    elif kind < 0.6:
        mine = [*mine, *other.sections]
    elif kind < 0.8 and mine:
        mine = mine * random.choice((0, 2, 3))
    out = []
    for section in mine:
        if random.random() < 0.3:
            data = bytes(content(section))
            section = recoded(random, section, changed_bytes(random, data))
        if random.random() < 0.1:
            section = section._replace(type=random.choice((1, 2, 3, 4, 0x7FFF, 0x8000, 0xFFFF)))
        out.append(section)
    if random.random() < 0.1:
        random.shuffle(out)
    text = canonical.dumps(seed.document)
    return packed(random, text, out)


def recoded(random: Random, section: Section, data: bytes) -> Section:
    """Data as a section, raw or deflated, its declared size mostly right."""
    codec = random.choice((RAW, RAW, DEFLATE, SHUFFLE))
    stored = data if codec == RAW else deflated(data)
    if not stored:
        return section
    dims = section.dims if section.decoded == len(data) else (len(data),)
    dtype = section.dtype if section.decoded == len(data) else "u1"
    if random.random() < 0.15:
        dims = tuple(random.choice((d, number(random, d))) for d in dims)
        dims = tuple(d % (1 << 64) if type(d) is int else 1 for d in dims)
    if random.random() < 0.1 and codec != RAW:
        stored = changed_bytes(random, stored)
    return Section(section.type, codec, dtype, dims, stored)


def deflated(data: bytes) -> bytes:
    stream = zlib.compressobj(1, zlib.DEFLATED, -15)
    return stream.compress(data) + stream.flush()


def changed_bytes(random: Random, data: bytes) -> bytes:
    """A few bytes of a payload, or words of it."""
    out = bytearray(data)
    if not out:
        return b"\1"
    for _ in range(random.choice((1, 1, 2, 5))):
        at, kind = random.randrange(len(out)), random.random()
        if kind < 0.6:
            out[at] = random.choice((0, 1, 127, 128, 255, random.randrange(256)))
        elif kind < 0.8:
            out[at] ^= 1 << random.randrange(8)
        elif kind < 0.9:
            out[at : at + 8] = bytes([random.choice((0, 255))]) * len(out[at : at + 8])
        else:
            out[at:] = random.choice((b"", out[at:] * 2))
        if not out:
            return b"\0"
    return bytes(out)


def packed(random: Random, text: bytes, sections: list[Section]) -> bytes:
    """A file of these sections; what does not fit the container's numbers is cut to them."""
    codec, stored = RAW, text
    if random.random() < 0.05 and text:
        codec, stored = DEFLATE, deflated(text)
    meta = Section(META, codec, "u1", (len(text),), stored)
    try:
        return pack([meta, *sections], random.choice((MEMORY, MEMORY, MEMORY, MEMORY, MEMORY, 0, 1 << 40, (1 << 64) - 1)))
    except struct.error:  # a size that no table can hold
        return pack([meta], MEMORY)


# ------------------------------------------------------------------- documents


def part_of(tree: Any, key: Any) -> str | None:
    """The name of what a key leads to, as it is counted: the field of an op or of the Plan, or a part of a kind of node."""
    if isinstance(tree, list):
        return f"node {tree[0]}" if tree and isinstance(tree[0], str) and tree[0] in NODES else None
    if isinstance(tree.get("op"), str):
        return f"{tree['op']}.{key}"
    return f"Plan.{key}" if "ops" in tree else None


def parts_of(tree: Any) -> set[str]:
    """All that there is to change in a document."""
    if not isinstance(tree, (dict, list)):
        return set()
    found = set()
    for key in tree if isinstance(tree, dict) else range(len(tree)):
        found |= {part_of(tree, key)} | parts_of(tree[key])
    return found - {None}


def changed(tree: Any, random: Random, change: Callable[[Any, Random], Any], share: float = 0.1) -> Any:
    """A copy of the tree that differs in one place, and shares the rest."""
    if isinstance(tree, (dict, list)) and tree and random.random() > share:
        keys = list(tree) if isinstance(tree, dict) else range(len(tree))
        key = random.choice(keys)
        part = part_of(tree, key)
        if part:
            TOUCHED.add(part)
        copy = dict(tree) if isinstance(tree, dict) else type(tree)(tree)
        copy[key] = changed(tree[key], random, change, share)
        return copy
    return change(tree, random)


def replaced(value: Any, random: Random) -> Any:
    """Something else in the place of a value."""
    kind = random.random()
    if isinstance(value, list) and value and kind < 0.6:
        copy, at = type(value)(value), random.randrange(len(value))
        if kind < 0.15:
            del copy[at]
        elif kind < 0.3:
            copy.insert(at, copy[random.randrange(len(copy))])
        elif kind < 0.4:
            other = random.randrange(len(copy))
            copy[at], copy[other] = copy[other], copy[at]
        elif kind < 0.5:
            copy = type(value)(copy * random.choice((2, 2, 3, 300 if len(copy) < 20 else 2)))
        else:
            copy[at] = some_value(random, copy[at])
        return copy
    if isinstance(value, dict) and value and kind < 0.6:
        copy, key = dict(value), random.choice(list(value))
        if kind < 0.25:
            del copy[key]
        elif kind < 0.4:
            copy[random.choice(TEXTS) or "b"] = some_value(random)
        else:
            copy[key] = some_value(random, copy[key])
        return copy
    if type(value) is bool and kind < 0.6:
        return not value
    if type(value) in (int, float) and kind < 0.7:
        return number(random, value)
    if type(value) is str and kind < 0.7:
        return random.choice(TEXTS)
    return some_value(random, value)


def spliced(mine: Any, other: Any, random: Random) -> Any:
    """The tree with a part of another at about the same place."""
    if isinstance(mine, dict) and isinstance(other, dict):
        shared = [key for key in mine if key in other]
        if shared and random.random() > 0.15:
            key = random.choice(shared)
            return {**mine, key: spliced(mine[key], other[key], random)}
    if isinstance(mine, list) and isinstance(other, list) and mine and other and random.random() > 0.2:
        copy = type(mine)(mine)
        at, from_ = random.randrange(len(mine)), random.randrange(len(other))
        copy[at] = spliced(mine[at], other[from_], random)
        return copy
    return other


def documents(random: Random, seeds: list[Seed], seed: Seed) -> bytes:
    """Values of the metadata become others; sections stay."""
    tree = seed.document
    for _ in range(random.choice((1, 1, 2, 3))):
        if random.random() < 0.15:
            tree = spliced(tree, random.choice(seeds).document, random)
        else:
            tree = changed(tree, random, replaced)
    return packed(random, text_of(tree, random), seed.sections)


def text_of(tree: Any, random: Random) -> bytes:
    """Canonical text, now and then spelled otherwise, or no text at all where it can't be written."""
    try:
        text = canonical.dumps(tree)
    except (ValueError, RecursionError):
        return b"[" * random.choice((1, 64, 2000, 100_000))
    if random.random() < 0.02:
        text = changed_bytes(random, text)
    return text


# ---------------------------------------------------------------------- arrays


def changed_array(array: np.ndarray, random: Random) -> Any:
    """Other items, another dtype, another shape, longer or shorter."""
    kind = random.random()
    size = array.size
    if not size:
        return np.zeros(random.choice((1, 2, 100)), array.dtype)
    if kind < 0.6:
        out = array.copy()
        flat = out.reshape(-1)
        for _ in range(random.choice((1, 1, 2, 5))):
            at = random.randrange(size)
            if out.dtype.kind == "f":
                flat[at] = random.choice((np.nan, np.inf, -np.inf, 0.0, -0.0, 1e30, -1e-30, 5e-324, flat[random.randrange(size)]))
            elif out.dtype.kind in "iu":
                limits = np.iinfo(out.dtype)
                near = int(flat[at]) + random.choice((-1, 1, 2, size))
                wanted = random.choice((near, near, 0, 1, size, size - 1, limits.max, limits.min, int(flat[-1])))
                flat[at] = min(max(wanted, limits.min), limits.max)
            elif out.dtype.kind == "b":
                flat[at] = not flat[at]
        return out
    if kind < 0.68:
        return array.astype(random.choice(DTYPES)) if array.dtype.kind in "iufb" else array
    if kind < 0.78:
        flat = array.reshape(-1)
        cut = random.choice((flat[:-1], flat[1:], np.concatenate([flat, flat[:1]]), flat[:0], np.concatenate([flat, flat])))
        return cut.reshape(-1, *array.shape[1:]) if array.ndim > 1 and cut.size and cut.size % max(array[0].size, 1) == 0 else cut
    if kind < 0.86:
        return random.choice((array[None], array[..., None], array.reshape(-1), array.T))
    if kind < 0.93:
        return array[::-1].copy() if random.random() < 0.5 else np.sort(array, axis=None).reshape(array.shape)
    fill = np.zeros_like(array)
    return fill if random.random() < 0.5 or array.dtype.kind not in "iu" else np.full_like(array, np.iinfo(array.dtype).max)


def changed_leaf(value: Any, random: Random) -> Any:
    """An array changes as arrays do, all else as JSON does."""
    if isinstance(value, np.ndarray) and random.random() < 0.9:
        found = changed_array(value, random)
        return found if isinstance(found, np.ndarray) and found.ndim <= 3 and found.dtype.kind in "iuf" else value
    return replaced(value, random)


def arrays(random: Random, seeds: list[Seed], seed: Seed) -> bytes:
    """Arrays in their codings change, and what stands beside them; ops of other models get in."""
    ops = seed.tree["plan"]["ops"]
    for _ in range(random.choice((1, 1, 1, 2, 3))):
        if random.random() < 0.1:
            ops = spliced(ops, random.choice(seeds).tree["plan"]["ops"], random)
        else:
            ops = changed(ops, random, changed_leaf, 0.02)
    tree = {**seed.tree, "plan": {**seed.tree["plan"], "ops": ops}}
    if random.random() < 0.2:
        tree = changed(tree, random, replaced)
    try:
        text, sections = assembled(tree)
    except (ValueError, RecursionError, TypeError):
        return seed.data[:-1]
    if sections and random.random() < 0.2:
        data = changed_bytes(random, bytes(sections[0].stored))
        sections = [Section(sections[0].type, RAW, "u1", (len(data),), data)]
    return packed(random, text, sections)


def near(value: Any, random: Random) -> Any:
    """A value that may well fit where the old one did: of its type and about its size; of an array one item, mostly another's."""
    if isinstance(value, np.ndarray) and value.size and value.dtype.kind in "iuf":
        out = value.copy()
        flat, at, other = out.reshape(-1), random.randrange(value.size), random.randrange(value.size)
        if value.dtype.kind != "f" or random.random() < 0.3:
            flat[at] = flat[other]
        else:
            with np.errstate(all="ignore"):
                flat[at] *= random.choice((-1.0, 0.0, 0.5, 1.0 + 2.0**-10, 3.0, 2.0**30, 2.0**-30))
        return out
    if type(value) is bool:
        return not value
    if type(value) is int:
        return value + random.choice((-1, 1))
    if type(value) is float:
        return value * random.choice((-1.0, 0.5, 2.0, 0.0)) + random.choice((0.0, 0.0, 1.0))
    return replaced(value, random)


def fields(random: Random, seeds: list[Seed], seed: Seed) -> bytes:
    """A field of an op, each as often as any other of it, gets a value that may fit."""
    ops = list(seed.tree["plan"]["ops"])
    for _ in range(random.choice((1, 1, 2))):
        at = random.randrange(len(ops))
        key = random.choice([key for key in ops[at] if key != "op"])
        TOUCHED.add(f"{ops[at]['op']}.{key}")
        ops[at] = {**ops[at], key: changed(ops[at][key], random, near, 0.0)}
    try:
        text, sections = assembled({**seed.tree, "plan": {**seed.tree["plan"], "ops": ops}})
    except (ValueError, RecursionError, TypeError):
        return seed.data[:-1]
    return packed(random, text, sections)


def pools(random: Random, seeds: list[Seed], seed: Seed) -> bytes:
    """Bytes of the pool alone change: every coded array, each in one of its codings."""
    if seed.name not in _WRITTEN:
        _WRITTEN[seed.name] = assembled(seed.tree)
    text, sections = _WRITTEN[seed.name]
    out = []
    for section in sections:
        data = bytearray(section.stored)
        for _ in range(random.choice((1, 1, 2, 4))):
            data[random.randrange(len(data))] = random.choice((0, 1, 2, 127, 128, 254, 255, random.randrange(256)))
        out.append(section._replace(stored=bytes(data)))
    return packed(random, text, out)


_WRITTEN: dict[str, tuple[bytes, list[Section]]] = {}  # documents that `pools` leaves as they are
Mutator = Callable[[Random, "list[Seed]", Seed], bytes]
MUTATORS: dict[str, tuple[Mutator, float]] = {
    "bytes": (any_bytes, 0.1),
    "table": (header_and_table, 0.1),
    "sections": (sections_swapped, 0.1),
    "document": (documents, 0.2),
    "arrays": (arrays, 0.15),
    "fields": (fields, 0.2),
    "pool": (pools, 0.15),
}
