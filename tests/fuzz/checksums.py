"""Changed artifacts whose checksums are right, so that what reads them has to look at the content."""

from __future__ import annotations

import zlib

from quantcore.artifact.container import ENTRY, HEADER, IS_SHORT, SHORT


def repaired(data: bytearray) -> bytes:
    """Every CRC made right where the layout still allows it."""
    count, short = int.from_bytes(data[20:24], "little"), len(data) > 16 and data[16] & IS_SHORT
    width = (SHORT if short else ENTRY).size
    end = behind = HEADER.size + width * count
    if count < 5000 and end <= len(data):
        for at in range(HEADER.size, end, width):
            places = (4, 8) if short else (40, 48)
            stored = int.from_bytes(data[at + places[0] : at + places[1]], "little")
            offset = behind if short else int.from_bytes(data[at + 32 : at + 40], "little")
            behind = offset + stored
            if behind <= len(data):
                check = at + (12 if short else 56)
                data[check : check + 4] = zlib.crc32(data[offset:behind]).to_bytes(4, "little")
        data[40:44] = zlib.crc32(data[HEADER.size : end]).to_bytes(4, "little")
    if len(data) >= HEADER.size:
        data[60:64] = zlib.crc32(data[:60]).to_bytes(4, "little")
    return bytes(data)
