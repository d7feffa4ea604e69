"""The container: header, table, sections. It knows nothing of what they hold.

Every byte of a file is covered by a checksum or has to be zero, and there is one way to lay out given sections, so any
change to a file is noticed here.
"""

from __future__ import annotations

import math
import struct
import zlib
from typing import NamedTuple

from quantcore.artifact._fail import checksum, invalid, newer, too_large, truncated

__all__ = [
    "ANCILLARY",
    "ARRAY",
    "DEFLATE",
    "DTYPES",
    "ITEMSIZE",
    "MAX_SECTIONS",
    "META",
    "POOL",
    "RAW",
    "SHORT",
    "SHUFFLE",
    "TABLED",
    "Section",
    "pack",
    "unpack",
]

MAGIC = b"\x89QCM\r\n\x1a\n"
VERSION = 1
NEEDS = (0, 1)  # the release that first read this format version
HEADER = struct.Struct("<8sHHHHIIQQI16sI")
ENTRY = struct.Struct("<HBBB3s3QQQQI4s")
SHORT = struct.Struct("<HBBIII")  # an entry where there is no array, and nothing is aligned
ALIGN = 64
IS_SHORT, IS_TABLED = 1, 2  # required features
KNOWN = IS_SHORT | IS_TABLED

META, POOL, ARRAY = 1, 2, 3
MAX_SECTIONS = 4096
ANCILLARY = 0x8000  # types with this bit may be ignored by a reader that does not know them
RAW, DEFLATE, SHUFFLE, TABLED = 0, 1, 2, 3  # the last: deflate with the dictionary of tables
MAX_RATIO = {RAW: 1, DEFLATE: 1032, SHUFFLE: 1032, TABLED: 1032}  # 1032 is the most that deflate can do
DTYPES = ("u1", "u2", "u4", "u8", "i1", "i2", "i4", "i8", "f2", "f4", "f8")
ITEMSIZE = {name: int(name[1]) for name in DTYPES}


class Section(NamedTuple):
    """One section: its table entry and its stored bytes."""

    type: int
    codec: int
    dtype: str
    dims: tuple[int, ...]
    stored: memoryview | bytes

    @property
    def decoded(self) -> int:
        """Decoded length in bytes."""
        return math.prod(self.dims) * ITEMSIZE[self.dtype]


def pack(sections: list[Section], memory: int, *, short: bool | None = None) -> bytes:
    """Lay out a file.

    Parameters
    ----------
    sections : list of Section
        Ascending by type.
    memory : int
        Bytes that reading declares to need (SPEC.md, "Memory").
    short : bool or None
        With a short table; None: where no section is an array.
    """
    short = all(_fits_short(s) for s in sections) if short is None else short
    align, entry = (1, SHORT.size) if short else (ALIGN, ENTRY.size)
    offset = HEADER.size + entry * len(sections)
    table, body = bytearray(), bytearray()
    for s in sections:
        body += bytes(-(offset + len(body)) % align)
        crc = zlib.crc32(s.stored)
        if short:
            table += SHORT.pack(s.type, s.codec, 0, len(s.stored), s.decoded, crc)
        else:
            dims = (*s.dims, *[0] * (3 - len(s.dims)))
            table += ENTRY.pack(
                s.type, s.codec, DTYPES.index(s.dtype), len(s.dims), b"", *dims, offset + len(body), len(s.stored), s.decoded,
                crc, b"",
            )  # fmt: skip
        body += s.stored
    size = offset + len(body)
    features = IS_SHORT * short | IS_TABLED * any(s.codec == TABLED for s in sections)
    head = HEADER.pack(MAGIC, VERSION, *NEEDS, 0, features, len(sections), size, memory, zlib.crc32(table), b"", 0)[:-4]
    return head + zlib.crc32(head).to_bytes(4, "little") + bytes(table) + bytes(body)


def _fits_short(section: Section) -> bool:
    plain = section.type in (META, POOL) and section.dtype == "u1" and len(section.dims) == 1
    return plain and max(section.decoded, len(section.stored)) < 1 << 32


def unpack(data: memoryview, max_bytes: int | None) -> tuple[list[Section], int]:
    """Check a file's layout and every checksum; the sections (views into ``data``) and the declared memory."""
    count, memory, features = _header(data)
    if max_bytes is not None and memory > max_bytes:
        raise too_large(f"the artifact declares {memory} decoded bytes", max_bytes)
    short = bool(features & IS_SHORT)
    align, size = (1, SHORT.size) if short else (ALIGN, ENTRY.size)
    offset = HEADER.size + size * count
    sections: list[Section] = []
    for i in range(count):
        expected = offset + -offset % align
        at = HEADER.size + size * i
        section, start = (_short_entry(data, at, expected), expected) if short else _entry(data, at)
        if start != expected or section.decoded == 0:
            raise invalid(f"section {i} starts at {start}, its place is {expected}")
        if any(data[offset:start]):
            raise invalid(f"the padding before section {i} is not zero")
        if sections and section.type < sections[-1].type:
            raise invalid(f"section {i} is out of order")
        sections.append(section)
        offset = start + len(section.stored)
    if offset != len(data):
        raise invalid(f"its sections end at {offset}, the file at {len(data)}")
    if bool(features & IS_TABLED) != any(s.codec == TABLED for s in sections):
        raise invalid("its required features are not those of its sections")
    return sections, memory


def _header(data: memoryview) -> tuple[int, int, int]:
    size = len(data)
    if bytes(data[: len(MAGIC)]) != MAGIC[:size]:
        raise invalid("it does not start with the magic bytes of a .qc file")
    if size < HEADER.size:
        raise truncated(size, HEADER.size)
    _, version, major, minor, zero, features, count, total, memory, table_crc, zeros, crc = HEADER.unpack_from(data)
    if zlib.crc32(data[: HEADER.size - 4]) != crc:
        raise checksum("the header")
    if version != VERSION:
        raise newer(f"format version {version} (this one reads {VERSION})", f"{major}.{minor} or newer")
    if features & ~KNOWN:
        raise newer(f"required features {features:#x} (this one knows {KNOWN:#x})", f"{major}.{minor} or newer")
    if zero or any(zeros) or (major, minor) != NEEDS:
        raise invalid("a reserved field of the header is not zero")
    if size < total:
        raise truncated(size, total)
    if size > total:
        raise invalid(f"the file holds {size} bytes, its header says {total}")
    end = HEADER.size + (SHORT if features & IS_SHORT else ENTRY).size * count
    if not 0 < count <= MAX_SECTIONS or end > size:
        raise invalid(f"a table of {count} sections does not fit a file of {size} bytes")
    if zlib.crc32(data[HEADER.size : end]) != table_crc:
        raise checksum("the table")
    return count, memory, features


def _short_entry(data: memoryview, at: int, offset: int) -> Section:
    kind, codec, zero, stored, decoded, crc = SHORT.unpack_from(data, at)
    return _section(data, kind, codec, 0, (decoded,), offset, stored, decoded, crc, reserved=zero)


def _entry(data: memoryview, at: int) -> tuple[Section, int]:
    kind, codec, dtype, ndim, zero, d0, d1, d2, offset, stored, decoded, crc, zeros = ENTRY.unpack_from(data, at)
    reserved = any(zero) or any(zeros) or ndim > 3 or any((d0, d1, d2)[ndim:])
    return _section(data, kind, codec, dtype, (d0, d1, d2)[:ndim], offset, stored, decoded, crc, reserved=reserved), offset


def _section(
    data: memoryview,
    kind: int,
    codec: int,
    dtype: int,
    dims: tuple[int, ...],
    offset: int,
    stored: int,
    decoded: int,
    crc: int,
    *,
    reserved: int,
) -> Section:
    if kind not in (META, POOL, ARRAY) and not kind & ANCILLARY:
        raise newer(f"a required section of unknown type {kind}")
    if reserved:
        raise invalid("a reserved field of the table is not zero")
    if codec not in MAX_RATIO or dtype >= len(DTYPES):
        raise invalid(f"a section has unknown codec {codec} or dtype {dtype}")
    if offset > len(data) or stored > len(data) - offset:
        raise invalid(f"a section of {stored} bytes at {offset} ends outside the file")
    section = Section(kind, codec, DTYPES[dtype], dims, data[offset : offset + stored])
    if decoded != section.decoded or decoded > stored * MAX_RATIO[codec] or (codec == RAW and decoded != stored):
        raise invalid(f"a section declares {decoded} decoded bytes, impossible for its shape, its codec or {stored} stored bytes")
    if zlib.crc32(section.stored) != crc:
        raise checksum(f"the section at {offset}")
    return section
