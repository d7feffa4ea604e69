"""Header, table and sections byte by byte: files are laid out here from SPEC.md, section 1, right ones and wrong ones."""

from __future__ import annotations

import math
import struct
import zlib

import pytest

from quantcore.artifact.container import Section, pack, unpack
from quantcore.errors import ArtifactError

ITEM = {"u1": 1, "u2": 2, "u4": 4, "u8": 8, "i1": 1, "i2": 2, "i4": 4, "i8": 8, "f2": 2, "f4": 4, "f8": 8}
CODE = {name: number for number, name in enumerate(ITEM)}
META = {"type": 1, "codec": 0, "dtype": "u1", "dims": (3,), "stored": b"abc"}
POOL = {"type": 2, "codec": 0, "dtype": "u1", "dims": (5,), "stored": b"01234"}
ARRAYS = [
    {"type": 3, "codec": 0, "dtype": "f8", "dims": (2, 1, 2), "stored": bytes(range(32))},
    {"type": 3, "codec": 2, "dtype": "i4", "dims": (70, 2), "stored": bytes(range(65))},
    {"type": 3, "codec": 1, "dtype": "u2", "dims": (), "stored": b"\3"},
    {"type": 0x8000, "codec": 0, "dtype": "i1", "dims": (1,), "stored": b"z"},
    {"type": 0xFFFF, "codec": 1, "dtype": "f2", "dims": (9,), "stored": b"last"},
]


def entry(at, section):
    """An entry of 64 bytes for a section at ``at``; a section may say something else of itself than what it is."""
    dims = section["dims"]
    named = {"dtype": CODE[section["dtype"]], "ndim": len(dims), "zero": b"", "dims": (*dims, 0, 0, 0)[:3], "at": at, "end": b""}
    named |= {"length": len(section["stored"]), "decoded": math.prod(dims) * ITEM[section["dtype"]]}
    named |= {"crc": zlib.crc32(section["stored"]), **section.get("says", {})}
    return (
        struct.pack("<HBBB3s", section["type"], section["codec"], named["dtype"], named["ndim"], named["zero"])
        + struct.pack("<QQQQQQ", *named["dims"], named["at"], named["length"], named["decoded"])
        + struct.pack("<I4s", named["crc"], named["end"])
    )


def laid_out(sections, memory=0, short=False, tail=b"", filler=b"\0", **changes):
    """A file; changes are of fields of the header."""
    width, align = (16, 1) if short else (64, 64)
    table, body, begin = b"", b"", 64 + width * len(sections)
    for s in sections:
        body += filler * (-(begin + len(body)) % align)
        if short:
            named = {"decoded": math.prod(s["dims"]), "length": len(s["stored"]), "crc": zlib.crc32(s["stored"]), "zero": 0}
            named |= s.get("says", {})
            table += struct.pack("<HBB", s["type"], s["codec"], named["zero"])
            table += struct.pack("<III", named["length"], named["decoded"], named["crc"])
        else:
            table += entry(begin + len(body), s)
        body += s["stored"]
    body += tail
    features = short | 2 * any(s["codec"] == 3 for s in sections)
    head = {"magic": b"\x89QCM\r\n\x1a\n", "version": 1, "major": 0, "minor": 1, "zero": 0, "features": features}
    head |= {"count": len(sections), "size": begin + len(body), "memory": memory, "crc": zlib.crc32(table), "zeros": b""}
    packed = struct.pack("<8sHHHHIIQQI16s", *{**head, **changes}.values())
    return packed + struct.pack("<I", zlib.crc32(packed)) + table + body


def of(section):
    return Section(*(section[name] for name in ("type", "codec", "dtype", "dims", "stored")))


def refused(data, max_bytes=None):
    with pytest.raises(ArtifactError) as caught:
        unpack(memoryview(data), max_bytes)
    return caught.value.reason, str(caught.value)


FILES = {
    "wide": ([META, POOL, *ARRAYS], False),
    "one array": ([META, ARRAYS[0]], False),
    "metadata alone": ([META], True),
    "short": ([{**META, "codec": 1, "dims": (1032 * 3,)}, POOL], True),
    "tabled": ([{**META, "codec": 3, "dims": (300,)}, POOL], True),
    "tabled and wide": ([{**META, "codec": 3, "dims": (300,)}, POOL, ARRAYS[1]], False),
    "two dimensions": ([{**META, "dims": (3, 1)}], False),
    "other items": ([{**META, "dtype": "i1"}], False),
    "an ancillary one": ([META, {**META, "type": 0x8001}], False),
}


@pytest.mark.parametrize("name", FILES)
@pytest.mark.parametrize("memory", [0, 77, 2**64 - 1])
def test_files_are_laid_out_as_the_specification_says(name, memory):
    sections, short = FILES[name]
    data = laid_out(sections, memory, short)
    assert pack([of(s) for s in sections], memory) == data
    assert unpack(memoryview(data), None) == ([of(s) for s in sections], memory)


def test_a_short_table_is_for_sections_below_4_gib():
    for size, short in (((1 << 32) - 1, True), (1 << 32, False)):
        section = {**META, "codec": 1, "dims": (size,)}
        assert pack([of(section)], 0) == laid_out([section], 0, short)


def test_either_table_on_request():
    for short in (False, True):
        data = pack([of(META), of(POOL)], 9, short=short)
        assert data == laid_out([META, POOL], 9, short) and unpack(memoryview(data), None)[0] == [of(META), of(POOL)]


def test_what_is_declared_beside_what_is_allowed():
    data = laid_out([META], 100)
    assert unpack(memoryview(data), 100)[1] == unpack(memoryview(data), None)[1] == 100
    reason, text = refused(data, 99)
    assert reason == "invalid" and "100 decoded bytes" in text and "max_bytes is 99" in text


HEADERS = {
    "magic": ({"magic": b"\x89QCM\r\n\x1a\r"}, "invalid", "magic bytes"),
    "a later version": ({"version": 2, "minor": 7}, "version", "format version 2 .*quantcore 0.7 or newer"),
    "an earlier version": ({"version": 0}, "version", "format version 0"),
    "unknown features": ({"features": 4, "major": 3}, "version", "0x4 .*quantcore 3.1 or newer"),
    "all features": ({"features": 0xFFFFFFFF}, "version", "required features"),
    "major": ({"major": 1}, "invalid", "reserved field of the header"),
    "minor": ({"minor": 2}, "invalid", "reserved field of the header"),
    "zero": ({"zero": 1}, "invalid", "reserved field of the header"),
    "zeros": ({"zeros": bytes(15) + b"\1"}, "invalid", "reserved field of the header"),
    "first zeros": ({"zeros": b"\1"}, "invalid", "reserved field of the header"),
    "more than there is": ({"size": 132}, "truncated", "131 bytes arrived, at least 132"),
    "less than there is": ({"size": 130}, "invalid", "131 bytes, its header says 130"),
    "no section": ({"count": 0}, "invalid", "table of 0 sections"),
    "more sections than there are": ({"count": 3}, "invalid", "table of 3 sections"),
    "another table": ({"crc": 1}, "checksum", "the table"),
    "another codec's feature": ({"features": 2}, "invalid", "required features"),
}


@pytest.mark.parametrize("name", HEADERS)
def test_headers_that_are_refused(name):
    changes, reason, text = HEADERS[name]
    with pytest.raises(ArtifactError, match=text) as caught:
        unpack(memoryview(laid_out([META], **changes)), None)
    assert caught.value.reason == reason


def test_the_order_of_checks():
    """SPEC.md, section 1: what comes first says the reason, whatever else is wrong."""
    whole = laid_out([META])
    assert refused(whole[:63])[0] == "truncated" and refused(b"\x89QCN")[0] == "invalid" and refused(b"\x89QC")[0] == "truncated"
    damaged = bytearray(laid_out([META], version=2))
    damaged[59] ^= 1
    assert refused(damaged)[0] == "checksum" and "the header" in refused(damaged)[1]
    assert refused(laid_out([META], version=2, zero=1))[0] == "version"
    assert refused(laid_out([META], features=8, zero=1))[0] == "version"
    assert refused(laid_out([META], zero=1, size=9999))[0] == "invalid"
    assert refused(laid_out([META], size=9999, count=0))[0] == "truncated"
    assert refused(laid_out([META], count=0, crc=1))[0] == "invalid"
    table_alone = {**META, "stored": b"", "dims": (1,), "codec": 1}  # its end is the end of the file
    assert refused(laid_out([table_alone], crc=1))[0] == "checksum"
    assert refused(laid_out([table_alone]))[0] == "invalid"
    assert refused(laid_out([], count=0))[0] == refused(laid_out([], count=1))[0] == "invalid"
    assert refused(laid_out([{**META, "type": 9}], crc=1))[0] == "checksum"


def test_the_most_sections():
    small = {"type": 0x8000, "codec": 0, "dtype": "u1", "dims": (1,), "stored": b"x"}
    assert len(unpack(memoryview(laid_out([META, *[small] * 4095])), None)[0]) == 4096
    assert "table of 4097 sections" in refused(laid_out([META, *[small] * 4096]))[1]


def says(section, **what):
    return {**section, "says": what}


ARRAY = ARRAYS[0]
ENTRIES = {
    "a required type that nobody knows": (says({**ARRAY, "type": 4}), "version", "unknown type 4"),
    "the last required type": ({**ARRAY, "type": 0x7FFF}, "version", "unknown type 32767"),
    "zeros in front": (says(ARRAY, zero=b"\0\0\1"), "invalid", "reserved field of the table"),
    "zeros behind": (says(ARRAY, end=b"\0\0\0\1"), "invalid", "reserved field of the table"),
    "four dimensions": (says(ARRAY, ndim=4), "invalid", "reserved field of the table"),
    "a dimension too many": (says({**ARRAY, "dims": (4,)}, dims=(4, 1, 0)), "invalid", "reserved field of the table"),
    "the last dimension too many": (says({**ARRAY, "dims": (4,)}, dims=(4, 0, 1)), "invalid", "reserved field of the table"),
    "a codec that nobody knows": ({**ARRAY, "codec": 4}, "invalid", "unknown codec 4"),
    "a dtype that nobody knows": (says(ARRAY, dtype=11), "invalid", "dtype 11"),
    "outside the file": (says(ARRAY, at=2**63), "invalid", "ends outside"),
    # All else is right for the bytes that there are.
    "beyond the end": (says({**ARRAY, "dims": (5,)}, length=40, decoded=40), "invalid", "ends outside"),
    "before its place": (says(ARRAY, at=192, crc=zlib.crc32(b"abc" + bytes(29))), "invalid", "its place is 256"),
    "behind its place": (
        says({**ARRAY, "stored": bytes(64) + ARRAY["stored"]}, at=320, length=32, crc=zlib.crc32(ARRAY["stored"])),
        "invalid",
        "its place is 256",
    ),
    "another size": (says(ARRAY, decoded=33), "invalid", "33 decoded bytes"),
    "another shape": ({**ARRAY, "dims": (2, 1, 1)}, "invalid", "16 decoded bytes"),
    "raw, and longer": ({**ARRAY, "dims": (5,)}, "invalid", "40 decoded bytes"),
    "raw, and shorter": ({**ARRAY, "dims": (3,)}, "invalid", "24 decoded bytes"),
    "nothing": ({**ARRAY, "dims": (0,), "stored": b""}, "invalid", "section 1"),
    "nothing of something": ({**ARRAY, "dims": (0,), "codec": 1}, "invalid", "section 1"),
    "another checksum": (says(ARRAY, crc=5), "checksum", "the section at 256"),
    "out of order": (POOL, "invalid", "section 3 is out of order"),
}


@pytest.mark.parametrize("codec", [1, 2, 3])
@pytest.mark.parametrize("short", [False, True])
def test_what_deflate_can_do_at_most(codec, short):
    for size, fits in ((1032 * 3, True), (1032 * 3 + 1, False)):
        data = laid_out([{**META, "codec": codec, "dims": (size,)}], short=short)
        if fits:
            assert unpack(memoryview(data), None)[0][0].decoded == size
        else:
            assert refused(data)[0] == "invalid" and f"{size} decoded bytes" in refused(data)[1]


@pytest.mark.parametrize("short", [False, True])
def test_nothing_lies_between_the_sections_or_behind(short):
    assert "sections end at" in refused(laid_out([META, POOL], short=short, tail=b"\0"))[1]
    if not short:
        assert "padding before section 1" in refused(laid_out([META, POOL], filler=b"\1"))[1]


SHORT_ENTRIES = {
    "zero": (says(POOL, zero=1), "invalid", "reserved field of the table"),
    "unknown type": ({**POOL, "type": 5}, "version", "unknown type 5"),
    "unknown codec": ({**POOL, "codec": 9}, "invalid", "unknown codec 9"),
    "beyond the end": (says(POOL, length=6, decoded=6), "invalid", "ends outside"),
    "longer": (says(POOL, decoded=6), "invalid", "6 decoded bytes"),
    "checksum": (says(POOL, crc=1), "checksum", "the section at 99"),
    "empty": ({**POOL, "dims": (0,), "stored": b""}, "invalid", "section 1"),
    "out of order": (POOL, "invalid", "section 3 is out of order"),
}


@pytest.mark.parametrize(("short", "name"), [*((False, name) for name in ENTRIES), *((True, name) for name in SHORT_ENTRIES)])
def test_entries_that_are_refused(short, name):
    section, reason, text = (SHORT_ENTRIES if short else ENTRIES)[name]
    before = [META, POOL, {**POOL, "type": 0x8000}] if name == "out of order" else [META]
    with pytest.raises(ArtifactError, match=text) as caught:
        unpack(memoryview(laid_out([*before, section], short=short)), None)
    assert caught.value.reason == reason
