"""Reads UBJSON as XGBoost writes it: objects, arrays (typed ones as NumPy arrays), strings and numbers, big-endian."""

from __future__ import annotations

import struct
from typing import Any

import numpy as np

__all__ = ["loads"]

_DEEPEST = 64
_NUMBERS = {b"i": "b", b"U": "B", b"I": "h", b"l": "i", b"L": "q", b"d": "f", b"D": "d"}
_DTYPES = {b"i": ">i1", b"U": ">u1", b"I": ">i2", b"l": ">i4", b"L": ">i8", b"d": ">f4", b"D": ">f8"}
_CONSTANTS = {b"T": True, b"F": False, b"Z": None}


def loads(data: bytes) -> Any:
    """The value that the bytes hold.

    Parameters
    ----------
    data : bytes

    Raises
    ------
    ValueError
        They are no UBJSON, or end early.
    """
    reader = _Reader(data)
    value = reader.value(reader.take(1), 0)
    if reader.at != len(data):
        raise ValueError(f"{len(data) - reader.at} bytes follow the value")
    return value


class _Reader:
    def __init__(self, data: bytes) -> None:
        self.data = memoryview(data)
        self.at = 0

    def take(self, count: int) -> bytes:
        if not 0 <= count <= len(self.data) - self.at:
            raise ValueError(f"it ends early: {count} bytes are missing at {self.at}")
        self.at += count
        return bytes(self.data[self.at - count : self.at])

    def value(self, marker: bytes, depth: int) -> Any:
        if depth > _DEEPEST:
            raise ValueError("it is nested too deeply")
        if marker in _NUMBERS:
            return struct.unpack(">" + _NUMBERS[marker], self.take(struct.calcsize(_NUMBERS[marker])))[0]
        if marker in _CONSTANTS:
            return _CONSTANTS[marker]
        if marker == b"S":
            return self.text()
        if marker == b"{":
            return self.members(depth)
        if marker == b"[":
            return self.items(depth)
        raise ValueError(f"unknown marker {marker!r} at {self.at - 1}")

    def count(self) -> int:
        marker = self.take(1)
        if marker not in (b"i", b"U", b"I", b"l", b"L"):
            raise ValueError(f"a length of type {marker!r} at {self.at - 1}")
        found = self.value(marker, 0)
        if found < 0:
            raise ValueError(f"a negative length at {self.at}")
        return int(found)

    def text(self) -> str:
        return self.take(self.count()).decode("utf-8", "surrogateescape")

    def members(self, depth: int) -> dict[str, Any]:
        out: dict[str, Any] = {}
        while (marker := self.take(1)) != b"}":
            self.at -= 1
            if marker in (b"#", b"$"):
                raise ValueError(f"an object of a fixed size at {self.at}, which XGBoost does not write")
            name = self.text()
            if name in out:
                raise ValueError(f"{name!r} stands twice in an object")
            out[name] = self.value(self.take(1), depth + 1)
        return out

    def items(self, depth: int) -> Any:
        marker = self.take(1)
        if marker == b"$":
            kind = self.take(1)
            if kind not in _DTYPES or self.take(1) != b"#":
                raise ValueError(f"an array of type {kind!r} at {self.at}")
            dtype, count = np.dtype(_DTYPES[kind]), self.count()
            return np.frombuffer(self.take(count * dtype.itemsize), dtype).astype(dtype.newbyteorder("="))
        if marker == b"#":
            return [self.value(self.take(1), depth + 1) for _ in range(self.count())]
        out = []
        while marker != b"]":
            out.append(self.value(marker, depth + 1))
            marker = self.take(1)
        return out
