"""A second reader of `.qc` files, written from quantcore/artifact/SPEC.md alone: plain Python, NumPy for arrays, no quantcore.

It is slow and says little about what is wrong; that it accepts and refuses the same bytes as the real reader, and finds the same
values in them, is what shows that SPEC.md is complete. Numbers of sections in comments are those of SPEC.md.
"""

from __future__ import annotations

import itertools
import math
import re
import struct
import zlib
from fractions import Fraction
from typing import Any, NamedTuple

import numpy as np

ITEM = {"u1": 1, "u2": 2, "u4": 4, "u8": 8, "i1": 1, "i2": 2, "i4": 4, "i8": 8, "f2": 2, "f4": 4, "f8": 8}
DTYPE = tuple(ITEM)
RATIO = (1, 1032, 1032, 1032)
FIRST = 2516  # bytes of the first preset dictionary, with which the second one begins


class Refused(Exception):
    """Its argument is one of the four reasons: truncated, checksum, version, invalid."""


class Entry(NamedTuple):
    """A section."""

    type: int
    codec: int
    dtype: str
    dims: tuple[int, ...]
    stored: bytes

    @property
    def decoded(self) -> int:
        return math.prod(self.dims) * ITEM[self.dtype]


class Trie(NamedTuple):
    """A vocabulary: its symbols, nodes as (parent, symbol), which of them are terms, the terms' columns."""

    separator: str
    symbols: tuple[bytes, ...]
    levels: tuple[int, ...]
    edges: tuple[tuple[int, int], ...]
    is_term: tuple[bool, ...]
    columns: tuple[int, ...]


def need(condition: bool, reason: str = "invalid") -> None:
    if not condition:
        raise Refused(reason)


def read(data: bytes, dictionary: bytes) -> Any:
    """The document of a file."""
    sections, memory = container(data)
    document, needed = content(sections, dictionary)
    need(needed == memory)
    return document


# 1. Container


def container(data: bytes) -> tuple[list[Entry], int]:
    """Sections and declared memory."""
    magic = bytes.fromhex("89 51 43 4D 0D 0A 1A 0A")
    need(data[:8] == magic[: len(data)])
    need(len(data) >= 64, "truncated")
    need(zlib.crc32(data[:60]) == struct.unpack("<I", data[60:64])[0], "checksum")
    version, major, minor, zero, features, count, size, memory, crc = struct.unpack("<HHHHIIQQI", data[8:44])
    need(version == 1 and features < 4, "version")
    need((major, minor, zero) == (0, 1, 0) and not any(data[44:60]))
    need(len(data) >= size, "truncated")
    width, align = (16, 1) if features & 1 else (64, 64)
    need(len(data) == size and 1 <= count <= 4096 and 64 + width * count <= size)
    table = data[64 : 64 + width * count]
    need(zlib.crc32(table) == crc, "checksum")
    end, sections = 64 + width * count, []
    for i in range(count):
        raw = table[width * i : width * (i + 1)]
        entry, start, crc = _short_entry(raw, end, data) if features & 1 else _entry(raw, data)
        need(entry.type in (1, 2, 3) or entry.type >= 0x8000, "version")
        need(zlib.crc32(entry.stored) == crc, "checksum")
        need(start == -(-end // align) * align and not any(data[end:start]))
        need(not sections or entry.type >= sections[-1].type)
        sections.append(entry)
        end = start + len(entry.stored)
    need(end == size)
    need(bool(features & 2) == any(entry.codec == 3 for entry in sections))
    return sections, memory


def _short_entry(raw: bytes, start: int, data: bytes) -> tuple[Entry, int, int]:
    kind, codec, zero, stored, decoded, crc = struct.unpack("<HBBIII", raw)
    need(zero == 0 and codec <= 3 and start + stored <= len(data))
    entry = Entry(kind, codec, "u1", (decoded,), data[start : start + stored])
    need(decoded >= 1 and decoded <= RATIO[codec] * stored and (codec or decoded == stored))
    return entry, start, crc


def _entry(raw: bytes, data: bytes) -> tuple[Entry, int, int]:
    kind, codec, dtype, n = struct.unpack("<HBBB", raw[:5])
    d0, d1, d2, start, stored, decoded, crc = struct.unpack("<6QI", raw[8:60])
    need(not any(raw[5:8]) and not any(raw[60:]) and n <= 3 and not any((d0, d1, d2)[n:]))
    need(codec <= 3 and dtype < len(DTYPE) and start + stored <= len(data))
    entry = Entry(kind, codec, DTYPE[dtype], (d0, d1, d2)[:n], data[start : start + stored])
    need(entry.decoded == decoded >= 1 and decoded <= RATIO[codec] * stored and (codec or decoded == stored))
    return entry, start, crc


def decoded(entry: Entry, dictionary: bytes = b"") -> bytes:
    """What a section's codec makes of its bytes."""
    if entry.codec == 0:
        return entry.stored
    preset = dictionary if entry.codec == 3 else dictionary[:FIRST]
    stream = zlib.decompressobj(-15, preset) if preset else zlib.decompressobj(-15)
    try:
        out = stream.decompress(entry.stored, entry.decoded + 1)
    except zlib.error:
        raise Refused("invalid") from None
    need(len(out) == entry.decoded and stream.eof and not stream.unused_data)
    return unshuffled(out, ITEM[entry.dtype]) if entry.codec == 2 else out


def unshuffled(data: bytes, size: int) -> bytes:
    out = bytearray(len(data))
    for k in range(size):
        out[k::size] = data[k * len(data) // size : (k + 1) * len(data) // size]
    return bytes(out)


def content(sections: list[Entry], dictionary: bytes) -> tuple[Any, int]:
    """The document, and the memory that reading it needs (6)."""
    head, rest = sections[0], sections[1:]
    pools = [s for s in rest if s.type == 2]
    need(head.type == 1 and all(s.type != 1 for s in rest) and len(pools) <= 1)
    need(all(s.dtype == "u1" and len(s.dims) == 1 and s.codec in (0, 1) for s in (head, *pools) if s.codec != 3))
    need(all(s.codec != 3 for s in rest) and head.dtype == "u1" and len(head.dims) == 1)
    need(head.decoded <= min(1 << 24, 100 * len(head.stored)))
    text = decoded(head, dictionary)
    arrays = Arrays(decoded(pools[0]) if pools else b"", [s for s in rest if s.type == 3])
    arrays.memory += (4 if max(text) < 128 else 10) * len(text)
    arrays.memory += 256 * text.count(b"{") + 104 * text.count(b"[") + 120 * text.count(b",")
    document = arrays.value(Json(text).whole(), 0)
    need(arrays.at == len(arrays.pool) and not arrays.own)
    need(isinstance(document, dict) and set(document) == {"extra", "plan"} and isinstance(document["extra"], dict))
    return document, arrays.memory


# 2. Metadata


class Json:
    """A parser of canonical JSON, which knows no other."""

    number = re.compile(r"-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:e[+-][0-9]+)?")
    plain = re.compile(r'[^"\\\x00-\x1f]*')
    escapes = {'"': '"', "\\": "\\", "b": "\b", "f": "\f", "n": "\n", "r": "\r", "t": "\t"}

    def __init__(self, text: bytes) -> None:
        try:
            self.text = text.decode("utf-8", "surrogatepass")
        except UnicodeDecodeError:
            raise Refused("invalid") from None
        self.at = 0

    def whole(self) -> Any:
        value = self.value(0)
        need(self.at == len(self.text))
        return value

    def took(self, word: str) -> bool:
        found = self.text.startswith(word, self.at)
        self.at += len(word) if found else 0
        return found

    def value(self, depth: int) -> Any:
        need(depth < 100)  # more than is let through later on
        for word, meaning in (("null", None), ("true", True), ("false", False)):
            if self.took(word):
                return meaning
        if self.took('"'):
            return self.string()
        if self.took("["):
            return self.items(depth)
        if self.took("{"):
            return self.members(depth)
        found = self.number.match(self.text, self.at)
        need(found is not None)
        self.at = found.end()
        return self.as_number(found.group())

    @staticmethod
    def as_number(text: str) -> int | float:
        if not set(text) & set(".e"):
            need(text != "-0" and len(text.lstrip("-")) <= 4300)
            return int(text)
        value = float(text)
        need(math.isfinite(value) and repr(value) == text)
        return value

    def string(self) -> str:
        parts = []
        while True:
            found = self.plain.match(self.text, self.at).group()
            parts.append(found)
            self.at += len(found)
            if self.took('"'):
                return "".join(parts)
            need(self.took("\\") and self.at < len(self.text))
            letter = self.text[self.at]
            if letter == "u":
                code = self.text[self.at + 1 : self.at + 5]
                need(re.fullmatch("00[01][0-9a-f]", code) is not None and chr(int(code, 16)) not in "\b\f\n\r\t")
                parts.append(chr(int(code, 16)))
                self.at += 5
            else:
                need(letter in self.escapes)
                parts.append(self.escapes[letter])
                self.at += 1

    def items(self, depth: int) -> list[Any]:
        if self.took("]"):
            return []
        out = [self.value(depth + 1)]
        while self.took(","):
            out.append(self.value(depth + 1))
        need(self.took("]"))
        return out

    def members(self, depth: int) -> dict[str, Any]:
        out: dict[str, Any] = {}
        if self.took("}"):
            return out
        last = None
        while True:
            need(self.took('"'))
            key = self.string()
            need(last is None or last < key)
            need(self.took(":"))
            out[key] = self.value(depth + 1)
            last = key
            if self.took("}"):
                return out
            need(self.took(","))


# 3. Nodes


class Arrays:
    """Takes what nodes stand for from the pool and the array sections."""

    def __init__(self, pool: bytes, own: list[Entry]) -> None:
        self.pool, self.at, self.own = pool, 0, own
        self.memory = len(pool)
        self.seen: list[Any] = []
        self.ranks: dict[int, list[int]] = {}  # of D among the distinct ones, by the identity of the idf

    def value(self, value: Any, depth: int) -> Any:
        if not isinstance(value, (list, dict)):
            return value
        need(depth <= 64)
        if isinstance(value, list):
            return [self.value(v, depth + 1) for v in value]
        if "$" in value:
            need(len(value) == 1)
            need(_nesting(value["$"]) <= 6)
            found = self.node(value["$"])
            self.seen.append(found if isinstance(found, np.ndarray) else None)
            return found
        out, late = {}, {}
        for key, member in value.items():
            node = member["$"] if isinstance(member, dict) and list(member) == ["$"] else None
            if isinstance(node, list) and node[:1] == ["byidf"]:
                need(len(node) == 3 and node[1] in DTYPE and node[1][0] in "iu")
                late[key] = node[1], self.ints(node[2])
                self.seen.append(None)
            elif isinstance(node, list) and node[:1] == ["rowsbyidf"]:
                need(len(node) == 8)
                late[key] = None, self._matrix(*node[1:])
                self.seen.append(None)
            else:
                out[key] = self.value(member, depth + 1)
        for key, (dtype, table) in late.items():
            ranks = self.ranks.get(id(out.get("idf")))
            if dtype is None:
                need(ranks is not None and len(table[0]) == max(ranks) + 1)
                out[key] = table[1]([table[0][r] for r in ranks])
                continue
            need(ranks is not None and len(table) == max(ranks) + 1 and fits(table, dtype))
            self.memory += ITEM[dtype] * len(ranks)
            out[key] = np.array([table[r] for r in ranks], dtype)
        return out

    def node(self, node: Any, allowed: tuple[str, ...] | None = None) -> Any:
        need(isinstance(node, list) and bool(node) and isinstance(node[0], str))
        name, *rest = node
        need(allowed is None or name in allowed)
        known = {
            "pool": None, "own": 0, "same": 1, "int": 5, "rows": 7, "bool": 2, "again": 4, "rise": 2, "rise8": 5, "sum": 3,
            "leaves": 1, "mean": 7, "idf": 4, "text": 3, "front": 3, "ucs4": 2, "trie": 7,
        }  # fmt: skip
        need(name in known, "version")
        need(known[name] is None and len(rest) >= 1 or known[name] == len(rest))
        return getattr(self, f"_{name}")(*rest)

    # what stands inside of nodes

    def bytes(self, node: Any, *also: str) -> bytes:
        found = self.node(node, ("pool", "own", *also))
        need(found.dtype == np.uint8 and found.ndim == 1)
        return found.tobytes()

    def ints(self, node: Any, unsigned: bool = False, most: int = 8) -> list[int]:
        found = self.node(node, ("pool", "own", "int"))
        need(found.dtype.kind in ("u" if unsigned else "iu") and found.ndim == 1 and found.itemsize <= most)
        values = found.tolist()
        need(all(-(1 << 33) <= v < 1 << 33 for v in values))
        return values

    def counts(self, node: Any, most: int = 8) -> list[int]:
        return self.ints(node, True, most)

    def front(self, prefix: Any, rest: Any, data: Any) -> list[bytes]:
        """Strings that begin as the one before does."""
        shared, lengths, raw = self.counts(prefix, 1), self.counts(rest), self.bytes(data)
        self.memory += 16 * (len(shared) + len(raw))
        need(len(shared) == len(lengths) and sum(lengths) == len(raw) and all(p <= 15 for p in shared))
        out: list[bytes] = []
        at, before = 0, b""
        for p, n in zip(shared, lengths, strict=True):
            need(p <= len(before))
            before = before[:p] + raw[at : at + n]
            out.append(before)
            at += n
        self.memory += sum(map(len, out))
        need(sum(map(len, out)) < 1 << 32)
        return out

    # nodes

    def _pool(self, dtype: Any, *dims: Any) -> Any:
        shape = shaped(list(dims))
        need(dtype in DTYPE)
        size = math.prod(shape) * ITEM[dtype]
        need(self.at + size <= len(self.pool))
        raw = unshuffled(self.pool[self.at : self.at + size], ITEM[dtype])
        self.at += size
        self.memory += size
        return np.frombuffer(raw, f"<{dtype}").reshape(shape)

    def _own(self) -> Any:
        need(bool(self.own))
        entry = self.own.pop(0)
        self.memory += entry.decoded
        return np.frombuffer(decoded(entry), f"<{entry.dtype}").reshape(entry.dims)

    def _same(self, k: Any) -> Any:
        need(type(k) is int and 0 <= k < len(self.seen) and self.seen[k] is not None)
        return self.seen[k]

    def _int(self, dtype: Any, signed: Any, dims: Any, classes: Any, packed: Any) -> Any:
        shape = shaped(dims)
        need(dtype in DTYPE and dtype[0] in "iu" and type(signed) is int and signed in (0, 1))
        sizes, bits = self.bytes(classes), Bits(self.bytes(packed))
        need(len(sizes) == math.prod(shape))
        self.memory += len(sizes) * ITEM[dtype]
        need(all(c <= 33 for c in sizes))
        values = [(1 << c - 1) + bits.take(c - 1) if c else 0 for c in sizes]
        need(bits.at_end())
        if signed:
            values = [unzigzag(v) for v in values]
        need(fits(values, dtype))
        return np.array(values, f"<{dtype}").reshape(shape)

    def _bool(self, dims: Any, data: Any) -> Any:
        shape, raw = shaped(dims), self.bytes(data)
        count = math.prod(shape)
        need(len(raw) == -(-count // 8) and int.from_bytes(raw, "little") >> count == 0)
        self.memory += count
        return np.array([raw[i // 8] >> i % 8 & 1 for i in range(count)], np.bool_).reshape(shape)

    def _again(self, dtype: Any, dims: Any, values: Any, back: Any) -> Any:
        shape = shaped(dims)
        new = None if values is None else self.node(values, ("pool", "own", "int"))
        steps = self.counts(back)
        need(dtype in DTYPE and math.prod(shape) == len(steps) < 1 << 31)
        self.memory += 16 * len(steps)
        count = steps.count(0)
        if new is None:
            need(dtype[0] in "iu" and (count == 0 or fits([count - 1], dtype)))
            new = np.arange(count).astype(dtype)
        need(new.ndim == 1 and new.dtype == np.dtype(dtype) and len(new) == count)
        place, fresh = [], itertools.count()
        for i, b in enumerate(steps):
            need(b <= i)
            place.append(place[i - b] if b else next(fresh))
        return new[np.array(place, np.int64)].reshape(shape)

    def _rise(self, dims: Any, steps: Any) -> Any:
        shape, found = shaped(dims), self.counts(steps, 4)
        need(math.prod(shape) == len(found))
        self.memory += 4 * len(found)
        places = [p % (1 << 32) for p in itertools.accumulate(found)]
        bits = [o - (1 << 31) if o >= 1 << 31 else (1 << 32) - 1 - o for o in places]
        return np.array(bits, "<u4").view("<f4").reshape(shape)

    def _rise8(self, dims: Any, h: Any, top: Any, bottom: Any, low: Any) -> Any:
        shape, tops, bottoms, lows = shaped(dims), self.counts(top), self.counts(bottom), self.counts(low)
        need(type(h) is int and 16 <= h <= 32 and math.prod(shape) == len(tops) == len(bottoms) == len(lows))
        need(all(t >> 48 - h == 0 for t in tops) and all(b >> 16 == 0 for b in bottoms) and all(n >> h == 0 for n in lows))
        self.memory += 8 * len(tops)
        sums = itertools.accumulate((t << 16) + b for t, b in zip(tops, bottoms, strict=True))
        places = [(p % (1 << 64 - h) << h) + n for p, n in zip(sums, lows, strict=True)]
        bits = [o - (1 << 63) if o >= 1 << 63 else (1 << 64) - 1 - o for o in places]
        return np.array(bits, "<u8").view("<f8").reshape(shape)

    def _sum(self, dtype: Any, dims: Any, steps: Any) -> Any:
        shape, found = shaped(dims), self.ints(steps)
        need(dtype in DTYPE and dtype[0] in "iu" and math.prod(shape) == len(found) < 1 << 29)
        self.memory += ITEM[dtype] * len(found)
        sums = list(itertools.accumulate(found))
        need(fits(sums, dtype))
        return np.array(sums, f"<{dtype}").reshape(shape)

    def _mean(self, dims: Any, scale: Any, n: Any, shift: Any, size: Any, packed: Any, others: Any) -> Any:
        shape, counts, shifts, sizes = shaped(dims), self.counts(n), self.counts(shift), self.ints(size)
        bits = Bits(self.bytes(packed))
        rest = np.zeros(0) if others is None else self.node(others, ("pool", "own"))
        need(rest.dtype == np.float64 and rest.ndim == 1 and type(scale) is float and 2.0**-64 <= scale <= 2.0**64)
        need(math.prod(shape) == len(counts) and all(count < 1 << 32 for count in counts) and all(k <= 63 for k in shifts))
        need(len(rest) == counts.count(0) and len(shifts) == len(sizes) == len(counts) - len(rest))
        self.memory += 24 * len(counts)
        plain, pairs, out = iter(rest.tolist()), zip(shifts, sizes, strict=True), []
        for count in counts:
            if count == 0:
                out.append(next(plain))
                continue
            k, more = next(pairs)
            c = more + k + count.bit_length()
            need(1 <= c <= 53)
            sign = bits.take(1)
            value = math.ldexp((1 << c - 1) + bits.take(c - 1), -k) / count * scale
            out.append(-value if sign else value)
        need(bits.at_end())
        return np.array(out, "<f8").reshape(shape)

    def _leaves(self, k: Any) -> Any:
        flags = self._same(k)
        need(flags.dtype == np.bool_ and flags.ndim == 1 and len(flags) < 1 << 31)
        out, since, balance = [], 0, 0
        for flag in flags.tolist():
            if flag:
                out.append(since)
            balance += 1 if flag else -1
            since += 1
            if balance > 0:
                since = balance = 0
        self.memory += 4 * len(out)
        return np.array(out, "<u4")

    def _idf(self, kind: Any, top: Any, counts: Any, off: Any) -> Any:
        need(kind in ("f8", "f4") and type(top) is int and 1 <= top < 1 << 31)
        d = self.ints(counts)
        self.memory += 24 * len(d)
        moved = None if off is None else self.ints(off)
        need(bool(d) and all(1 <= n < 1 << 31 for n in d))
        distinct = sorted(set(d))
        moved = [0] * len(distinct) if moved is None else moved
        need(len(moved) == len(distinct) and all(abs(m) <= 2 for m in moved))
        table = [idf_value(kind, top, n, m) for n, m in zip(distinct, moved, strict=True)]
        rank = {n: r for r, n in enumerate(distinct)}
        result = np.array([table[rank[n]] for n in d], np.float64)
        self.ranks[id(result)] = [rank[n] for n in d]
        return result

    def _text(self, width: Any, lengths: Any, data: Any) -> Any:
        sizes, raw = self.counts(lengths), self.bytes(data)
        self.memory += 64 * len(sizes) + 4 * len(raw)
        need(sum(sizes) == len(raw))
        ends = list(itertools.accumulate(sizes))
        texts = [utf8(raw[end - n : end]) for n, end in zip(sizes, ends, strict=True)]
        if width is None:
            return texts
        need(type(width) is int and width >= 1 and 4 * len(sizes) * width <= 64 * (len(sizes) + len(raw)))
        self.memory += 4 * width * len(sizes)
        need(all(len(t) <= width and not t.endswith("\0") for t in texts))
        return np.array(texts, f"<U{width}")

    def _front(self, prefix: Any, rest: Any, data: Any) -> list[str]:
        found = self.front(prefix, rest, data)
        self.memory += 64 * len(found) + 4 * sum(map(len, found))
        return [utf8(one) for one in found]

    def _ucs4(self, dims: Any, points: Any) -> Any:
        shape, codes = shaped(dims), self.node(points, ("pool", "own"))
        need(codes.dtype == np.uint32 and codes.ndim == 2 and codes.shape[1] >= 1 and len(codes) == math.prod(shape))
        need(all(point <= 0x10FFFF for point in codes.reshape(-1).tolist()))
        return codes.view(f"<U{codes.shape[1]}").reshape(shape)

    # 4. Matrices and vocabularies

    def _rows(self, *arguments: Any) -> Any:
        groups, join = self._matrix(*arguments)
        return join(groups)

    def _matrix(self, dtype: Any, width: Any, low: Any, codes: Any, group: Any, sizes: Any, packed: Any) -> Any:
        need(dtype in ("i2", "i4") and type(width) is int and 1 <= width <= 4096)
        need(isinstance(low, list) and 1 <= len(low) <= 256 and all(type(h) is int and 0 <= h <= 24 for h in low))
        lengths, groups = self.bytes(codes), self.bytes(group, "int")
        stretches, data = self.counts(sizes), self.bytes(packed)
        return groups, lambda named: self._joined(dtype, width, low, lengths, named, stretches, data)

    def _joined(self, dtype: str, width: int, low: Any, lengths: bytes, groups: Any, stretches: Any, data: bytes) -> Any:
        need(len(groups) * width <= 8 * len(data))
        self.memory += len(groups) * (width * ITEM[dtype] + 16) + 128 * len(stretches) + 16384 * len(low)
        n, left = divmod(len(lengths), len(low))
        need(left == 0 and 2 <= n <= 256 and all(g < len(low) for g in groups))
        symbols = [prefix_code(lengths[g * n : g * n + n]) for g in range(len(low))]
        out = np.zeros((len(groups), width), f"<{dtype}")
        at, most = 0, max(1, 4096 // width)
        for g, h in enumerate(low):
            rows = [i for i, own in enumerate(groups) if own == g]
            for first in range(0, len(rows), most):
                need(bool(stretches))
                size = stretches.pop(0)
                need(at + size <= len(data))
                bits = Bits(data[at : at + size])
                at += size
                for i in rows[first : first + most]:
                    entries = [_matrix_entry(bits, h, symbols[g]) for _ in range(width)]
                    need(fits(entries, dtype))
                    out[i] = entries
                need(bits.at_end())
        need(at == len(data) and not stretches)
        return out

    def _trie(self, separator: Any, prefix: Any, rest: Any, data: Any, is_term: Any, steps: Any, levels: Any) -> Trie:
        need(isinstance(separator, str) and isinstance(levels, list))
        symbols = self.front(prefix, rest, data)
        terms = self.node(is_term, ("bool",))
        need(terms.ndim == 1)
        self.memory += 16 * len(terms)
        gaps = None if steps is None else self.ints(steps)
        sizes, edges, base = [len(symbols)], [], 0
        for level in levels:
            need(isinstance(level, list) and len(level) == 3)
            children, uses, distances = (self.counts(part) for part in level)
            self.memory += 16 * len(distances)
            need(len(children) == sizes[-1] and sum(children) == len(distances) and len(uses) in (0, len(symbols)))
            ranked = sorted(range(len(symbols)), key=lambda s: -uses[s]) if uses else list(range(len(symbols)))
            found, at = [], 0
            for parent in sorted(range(len(children)), key=lambda p: -children[p]):
                rank = -1
                for gap in distances[at : at + children[parent]]:
                    rank += gap + 1
                    need(rank < len(symbols))
                    found.append((base + parent, ranked[rank]))
                at += children[parent]
            edges += sorted(found)
            base += sizes[-1]
            sizes.append(len(distances))
        need(sum(sizes) == len(terms))
        numbers = walk(sizes, edges, terms.tolist())
        columns = list(numbers)
        if gaps is not None:
            need(len(gaps) == len(numbers))
            sums = [s + t for t, s in enumerate(itertools.accumulate(gaps))]
            need(all(0 <= c < 1 << 32 for c in sums))
            columns = [sums[t] for t in numbers]
        return Trie(separator, tuple(symbols), tuple(sizes), tuple(edges), tuple(terms.tolist()), tuple(columns))


class Bits:
    """Bits of some bytes, the lowest of each first."""

    def __init__(self, data: bytes) -> None:
        self.value, self.left, self.size = int.from_bytes(data, "little"), 8 * len(data), 8 * len(data)

    def take(self, count: int) -> int:
        need(count <= self.left)
        found = self.value & (1 << count) - 1
        self.value >>= count
        self.left -= count
        return found

    def at_end(self) -> bool:
        """Only the zero bits that fill a byte are left."""
        return self.left < 8 and self.value == 0


def shaped(dims: Any) -> tuple[int, ...]:
    need(isinstance(dims, list) and len(dims) <= 3 and all(type(d) is int and d >= 0 for d in dims))
    need(math.prod(max(d, 1) for d in dims) < 1 << 48)
    return tuple(dims)


def fits(values: list[int], dtype: str) -> bool:
    bits = 8 * ITEM[dtype]
    low, high = (0, 1 << bits) if dtype[0] == "u" else (-(1 << bits - 1), 1 << bits - 1)
    return all(low <= v < high for v in values)


def unzigzag(u: int) -> int:
    return u // 2 if u % 2 == 0 else -(u + 1) // 2


def utf8(raw: bytes) -> str:
    try:
        return raw.decode("utf-8", "surrogatepass")
    except UnicodeDecodeError:
        raise Refused("invalid") from None


def prefix_code(lengths: bytes) -> dict[tuple[int, int], int]:
    """(length, code, first bit highest) → symbol."""
    need(all(n <= 12 for n in lengths))
    need(sum(Fraction(1, 1 << n) for n in lengths if n) == 1)
    out, code, before = {}, 0, 0
    for n, symbol in sorted((n, s) for s, n in enumerate(lengths) if n):
        code <<= n - before
        out[n, code] = symbol
        code, before = code + 1, n
    return out


def _matrix_entry(bits: Bits, h: int, symbols: dict[tuple[int, int], int]) -> int:
    rest = bits.take(h)
    length = code = 0
    while (length, code) not in symbols:
        code, length = 2 * code + bits.take(1), length + 1
    s = symbols[length, code]
    e = s // 16 - 1
    u = s if s < 32 else ((16 + s % 16) << e) + bits.take(e)
    return (unzigzag(u) << h) + rest - 2**h // 2


def walk(sizes: list[int], edges: list[tuple[int, int]], is_term: list[bool]) -> list[int]:
    """The number of each term, in the order of the nodes, in a walk that visits a node before its children."""
    children: dict[int, list[int]] = {}
    for i, (parent, _) in enumerate(edges):
        children.setdefault(parent, []).append(sizes[0] + i)  # they are sorted by symbol
    number, visited = {}, 0
    stack = list(range(sizes[0]))[::-1]
    while stack:
        node = stack.pop()
        if is_term[node]:
            number[node] = visited
            visited += 1
        stack += children.get(node, [])[::-1]
    return [number[node] for node in sorted(number)]


def _nesting(value: Any) -> int:
    """How deep lists are nested; objects are refused."""
    need(not isinstance(value, dict))
    return 1 + max(map(_nesting, value), default=0) if isinstance(value, list) else 0


# 5. idf


def idf_value(kind: str, top: int, count: int, off: int) -> float:
    real = {"f8": np.float64, "f4": np.float32}[kind]
    value = np.array([real(logarithm(float(real(top) / real(count)))) + real(1)], kind)
    bits = value.view(f"i{kind[1]}")
    bits += off
    return float(value[0])


def logarithm(q: float) -> float:
    m, k = math.frexp(q)
    if m < 0.7071067811865476:
        m, k = 2 * m, k - 1
    f = m - 1
    s = f / (2 + f)
    z = s * s
    r = 0.0
    for c in (
        0.1479819860511658591, 0.1531383769920937332, 0.1818357216161805012, 0.2222219843214978396, 0.2857142874366239149,
        0.3999999999940941908, 0.6666666666666735130,
    ):  # fmt: skip
        r = (r + c) * z
    half = (0.5 * f) * f
    return k * 6.93147180369123816490e-01 - ((half - (s * (half + r) + k * 1.90821492927058770002e-10)) - f)
