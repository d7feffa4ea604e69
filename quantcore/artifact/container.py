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
    "SHUFFLE",
    "Section",
    "pack",
    "unpack",
]

MAGIC = b"\x89QCM\r\n\x1a\n"
VERSION = 1
NEEDS = (0, 1)  # the release that first read this format version
HEADER = struct.Struct("<8sHHHHIIQQI16sI")
ENTRY = struct.Struct("<HBBB3s3QQQQI4s")
ALIGN = 64

META, POOL, ARRAY = 1, 2, 3
MAX_SECTIONS = 4096
ANCILLARY = 0x8000  # types with this bit may be ignored by a reader that does not know them
RAW, DEFLATE, SHUFFLE = 0, 1, 2
MAX_RATIO = {RAW: 1, DEFLATE: 1032, SHUFFLE: 1032}  # 1032 is the most that deflate can do
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


def pack(sections: list[Section], memory: int) -> bytes:
    """Lay out a file.

    Parameters
    ----------
    sections : list of Section
        Ascending by type.
    memory : int
        Bytes that reading declares to need (SPEC.md, "Memory").
    """
    offset = HEADER.size + ENTRY.size * len(sections)
    table, body = bytearray(), bytearray()
    for s in sections:
        gap = -(offset + len(body)) % ALIGN
        body += bytes(gap)
        dims = (*s.dims, *[0] * (3 - len(s.dims)))
        table += ENTRY.pack(
            s.type, s.codec, DTYPES.index(s.dtype), len(s.dims), b"", *dims, offset + len(body), len(s.stored), s.decoded,
            zlib.crc32(s.stored), b"",
        )  # fmt: skip
        body += s.stored
    size = offset + len(body)
    head = HEADER.pack(MAGIC, VERSION, *NEEDS, 0, 0, len(sections), size, memory, zlib.crc32(table), b"", 0)[:-4]
    return head + zlib.crc32(head).to_bytes(4, "little") + bytes(table) + bytes(body)


def unpack(data: memoryview, max_bytes: int | None) -> tuple[list[Section], int]:
    """Check a file's layout and every checksum; the sections (views into ``data``) and the declared memory."""
    count, memory = _header(data)
    if max_bytes is not None and memory > max_bytes:
        raise too_large(f"the artifact declares {memory} decoded bytes", max_bytes)
    offset = HEADER.size + ENTRY.size * count
    sections: list[Section] = []
    for i in range(count):
        section, start = _entry(data, HEADER.size + ENTRY.size * i)
        expected = offset + -offset % ALIGN
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
    return sections, memory


def _header(data: memoryview) -> tuple[int, int]:
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
    if features:
        raise newer(f"required features {features:#x} (this one knows none)", f"{major}.{minor} or newer")
    if zero or any(zeros) or (major, minor) != NEEDS:
        raise invalid("a reserved field of the header is not zero")
    if size < total:
        raise truncated(size, total)
    if size > total:
        raise invalid(f"the file holds {size} bytes, its header says {total}")
    end = HEADER.size + ENTRY.size * count
    if not 0 < count <= MAX_SECTIONS or end > size:
        raise invalid(f"a table of {count} sections does not fit a file of {size} bytes")
    if zlib.crc32(data[HEADER.size : end]) != table_crc:
        raise checksum("the table")
    return count, memory


def _entry(data: memoryview, at: int) -> tuple[Section, int]:
    kind, codec, dtype, ndim, zero, d0, d1, d2, offset, stored, decoded, crc, zeros = ENTRY.unpack_from(data, at)
    if kind not in (META, POOL, ARRAY) and not kind & ANCILLARY:
        raise newer(f"a required section of unknown type {kind}")
    if any(zero) or any(zeros) or ndim > 3 or any((d0, d1, d2)[ndim:]):
        raise invalid("a reserved field of the table is not zero")
    if codec not in MAX_RATIO or dtype >= len(DTYPES):
        raise invalid(f"a section has unknown codec {codec} or dtype {dtype}")
    if offset > len(data) or stored > len(data) - offset:
        raise invalid(f"a section of {stored} bytes at {offset} ends outside the file")
    section = Section(kind, codec, DTYPES[dtype], (d0, d1, d2)[:ndim], data[offset : offset + stored])
    if decoded != section.decoded or decoded > stored * MAX_RATIO[codec] or (codec == RAW and decoded != stored):
        raise invalid(f"a section declares {decoded} decoded bytes, impossible for its shape, its codec or {stored} stored bytes")
    if zlib.crc32(section.stored) != crc:
        raise checksum(f"the section at {offset}")
    return section, offset
