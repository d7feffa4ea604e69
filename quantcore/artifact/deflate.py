"""Raw deflate streams: the smallest one when writing, exact and bounded when reading."""

from __future__ import annotations

import zlib

import numpy as np
from numpy.typing import NDArray

from quantcore.artifact._fail import invalid

__all__ = ["compress", "compress_parts", "estimate", "inflate", "shuffle", "unshuffle"]

_SAMPLED = 1 << 19  # from so many bytes on a sample says how to go about it
_PARTS, _PART = 8, 1 << 15  # of a sample
_STRATEGIES = (zlib.Z_DEFAULT_STRATEGY, zlib.Z_FILTERED, zlib.Z_HUFFMAN_ONLY, zlib.Z_RLE)


def compress(data: bytes, dictionary: bytes = b"") -> bytes:
    """The shortest of a few deflate streams; the first of equals, so the answer follows from the data alone."""
    strategies: tuple[int, ...] = _STRATEGIES
    if len(data) >= _SAMPLED:
        part = _sample(data)
        strategies = (min(_STRATEGIES, key=lambda strategy: len(_deflate([part], strategy))),)
    return min((_deflate([data], strategy, dictionary) for strategy in strategies), key=len)


def estimate(data: bytes) -> int:
    """About how long `compress` would make it, in a fraction of the time."""
    part = data if len(data) < _SAMPLED else _sample(data)
    level = 9 if len(part) < 1 << 19 else 6
    found = min(len(part), *(len(_deflate([part], strategy, level=level)) for strategy in _STRATEGIES[1:]))
    return found * len(data) // max(len(part), 1)


def _sample(data: bytes) -> bytes:
    """Stretches spread over the data."""
    step = (len(data) - _PART) // (_PARTS - 1)
    return b"".join(data[k * step : k * step + _PART] for k in range(_PARTS))


def compress_parts(parts: list[bytes]) -> bytes:
    """Deflate the concatenation of parts, with a new Huffman table between parts wherever that pays.

    Neighbours are joined greedily, from the left, so the answer follows from the data alone.
    """
    best = compress(b"".join(parts))
    for strategy in (zlib.Z_DEFAULT_STRATEGY, zlib.Z_HUFFMAN_ONLY):
        groups = list(parts)
        length = len(_deflate(groups, strategy))
        i = 0
        while i + 1 < len(groups):
            joined = [*groups[:i], groups[i] + groups[i + 1], *groups[i + 2 :]]
            new = len(_deflate(joined, strategy))
            if new <= length:
                groups, length = joined, new
            else:
                i += 1
        best = min(best, _deflate(groups, strategy), key=len)
    return best


def _deflate(parts: list[bytes], strategy: int, dictionary: bytes = b"", level: int = 9) -> bytes:
    preset = (dictionary,) if dictionary else ()
    stream = zlib.compressobj(level, zlib.DEFLATED, -15, 9, strategy, *preset)
    out = []
    for i, part in enumerate(parts):
        out.append(stream.compress(part))
        if i + 1 < len(parts):
            out.append(stream.flush(zlib.Z_BLOCK))
    out.append(stream.flush())
    return b"".join(out)


def inflate(stored: memoryview | bytes, decoded: int, dictionary: bytes = b"") -> bytes:
    """Exactly ``decoded`` bytes, from a stream that ends exactly where ``stored`` ends."""
    stream = zlib.decompressobj(-15, dictionary) if dictionary else zlib.decompressobj(-15)
    try:
        # one byte more than declared: what is longer shows, and an empty answer still reaches the stream's end
        out = stream.decompress(stored, decoded + 1)
    except zlib.error as error:
        raise invalid(f"a deflate stream is broken ({error})") from None
    if len(out) != decoded or not stream.eof or stream.unused_data:
        raise invalid(f"a deflate stream does not decode to the {decoded} bytes that it declares")
    return out


def shuffle(array: NDArray[np.generic]) -> bytes:
    """Bytes of a little-endian array, all first bytes before all second ones, and so on."""
    raw = np.ascontiguousarray(array).reshape(-1).view(np.uint8)
    return bytes(raw.reshape(-1, array.itemsize).T.tobytes())


def unshuffle(data: bytes | memoryview, itemsize: int) -> bytes | memoryview:
    """Inverse of `shuffle`."""
    if itemsize == 1:
        return data
    return bytes(np.frombuffer(data, np.uint8).reshape(itemsize, -1).T.tobytes())
