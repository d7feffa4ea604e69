"""Raw deflate streams: the smallest one when writing, exact and bounded when reading."""

from __future__ import annotations

import math
import os
import zlib
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from quantcore.artifact._fail import invalid
from quantcore.artifact.threads import most_threads

__all__ = ["compress", "compress_parts", "estimate", "inflate", "pooled", "shuffle", "unshuffle"]

_SAMPLED = 1 << 19  # bytes; samples say how to go about more
_CHUNK = 1 << 20  # of a large stream; chunks are deflated side by side
_WINDOW = 1 << 15  # what deflate remembers
_PARTS = 8  # of a sample
_NO_MEMORY = "Error -4"  # Z_MEM_ERROR, which Python's zlib tells by this alone
_WORTH = 0.01  # least share that a large array must become shorter, and by which a slower way must beat a faster one
_STRATEGIES = (zlib.Z_DEFAULT_STRATEGY, zlib.Z_FILTERED, zlib.Z_HUFFMAN_ONLY, zlib.Z_RLE)
# Of chunks, the fastest first; level 0 stores. Level 9 takes ten times level 6 where numbers vary slowly, for little.
_WAYS = (
    (zlib.Z_DEFAULT_STRATEGY, 0),
    (zlib.Z_HUFFMAN_ONLY, 1),
    (zlib.Z_RLE, 1),
    (zlib.Z_DEFAULT_STRATEGY, 1),
    (zlib.Z_DEFAULT_STRATEGY, 4),
    (zlib.Z_FILTERED, 6),
    (zlib.Z_DEFAULT_STRATEGY, 6),
)
_FAST = 4  # the first of them, that look no farther than they have to


def compress(data: bytes, dictionary: bytes = b"") -> bytes:
    """The shortest of a few deflate streams; the first of equals, so the answer follows from the data alone.

    Large data is deflated in chunks, each in the fastest way that comes within 1% of the shortest on a sample; where that saves
    less than 1% in all, the answer is ``data`` itself, which is read faster.
    """
    if len(data) < _SAMPLED:
        return min((_deflate([data], strategy, dictionary=dictionary) for strategy in _STRATEGIES), key=len)
    stream = _deflate_chunks(data, dictionary)
    return stream if len(stream) <= (1.0 - _WORTH) * len(data) else data


def _deflate_chunks(data: bytes, dictionary: bytes) -> bytes:
    """One stream whose chunks are made on several threads, each knowing what came before it: as many as there are threads, or
    one after another, they are the same bytes."""
    view = memoryview(data)

    def chunk(start: int) -> bytes:
        before = bytes(view[start - _WINDOW : start]) if start else dictionary
        part = view[start : start + _CHUNK]
        return _deflate([part], *_way(part), before, last=start + _CHUNK >= len(view))

    starts = range(0, len(view), _CHUNK)
    threads = min(len(starts), os.cpu_count() or 1, most_threads())
    if threads == 1:
        return b"".join(map(chunk, starts))
    from concurrent.futures import ThreadPoolExecutor  # reading does without

    with ThreadPoolExecutor(threads) as pool:
        return b"".join(pool.map(chunk, starts))


def _way(part: memoryview) -> tuple[int, int]:
    """Strategy and level for a chunk."""
    some = part if len(part) <= _CHUNK >> 4 else _sample(part, _CHUNK >> 7)
    lengths: list[int] = []
    for strategy, level in _WAYS:
        lengths.append(len(_deflate([some], strategy, level)))
        if len(lengths) == _FAST and min(lengths) > (1.0 - _WORTH) * len(some):  # noise: slower ways don't find more
            break
    return next(way for way, n in zip(_WAYS, lengths, strict=False) if n <= (1.0 + _WORTH) * min(lengths))


def estimate(data: bytes) -> int:
    """About how long `compress` would make it, in a fraction of the time."""
    part, level = (data, 9) if len(data) < _SAMPLED else (_sample(data, 1 << 15), 6)
    found = min(len(part), *(len(_deflate([part], strategy, level)) for strategy in _STRATEGIES[1:]))
    return found * len(data) // max(len(part), 1)


def _sample(data: bytes | memoryview, size: int) -> bytes:
    """Stretches of so many bytes, spread over the data."""
    step = (len(data) - size) // (_PARTS - 1)
    return b"".join(data[k * step : k * step + size] for k in range(_PARTS))


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


def _deflate(
    parts: Sequence[bytes | memoryview], strategy: int, level: int = 9, dictionary: bytes = b"", *, last: bool = True
) -> bytes:
    """A stream, with a new Huffman table for each part; or its beginning, up to a whole byte, where it is not the ``last``."""
    preset = (dictionary,) if dictionary else ()
    stream = zlib.compressobj(level, zlib.DEFLATED, -15, 9, strategy, *preset)
    out = []
    for i, part in enumerate(parts):
        out.append(stream.compress(part))
        if i + 1 < len(parts):
            out.append(stream.flush(zlib.Z_BLOCK))
    out.append(stream.flush(zlib.Z_FINISH if last else zlib.Z_SYNC_FLUSH))
    return b"".join(out)


def inflate(stored: memoryview | bytes, decoded: int, dictionary: bytes = b"") -> bytes:
    """Exactly ``decoded`` bytes, from a stream that ends exactly where ``stored`` ends."""
    try:
        stream = zlib.decompressobj(-15, dictionary) if dictionary else zlib.decompressobj(-15)
        # one byte more than declared: what is longer shows, and an empty answer still reaches the stream's end
        out = stream.decompress(stored, decoded + 1)
    except zlib.error as error:
        if str(error).startswith(_NO_MEMORY):  # says nothing about the file
            raise MemoryError from None
        raise invalid(f"a deflate stream is broken ({error})") from None
    if len(out) != decoded or not stream.eof or stream.unused_data:
        raise invalid(f"a deflate stream does not decode to the {decoded} bytes that it declares")
    return out


def shuffle(array: NDArray[np.generic]) -> bytes:
    """Bytes of a little-endian array, all first bytes before all second ones, and so on."""
    raw = np.ascontiguousarray(array).ravel().view(np.uint8)
    return bytes(raw.reshape(array.size, array.itemsize).T.tobytes())


def unshuffle(data: bytes | memoryview, itemsize: int) -> bytes | memoryview:
    """Inverse of `shuffle`."""
    if itemsize == 1:
        return data
    return bytes(np.frombuffer(data, np.uint8).reshape(itemsize, len(data) // itemsize).T.tobytes())


def pooled(pool: bytes | memoryview, start: int, dtype: str, shape: tuple[int, ...]) -> NDArray[Any]:
    """The array of the pool that starts at a byte: in memory of its own, its bytes shuffled no longer."""
    end = start + math.prod(shape) * int(dtype[1:])
    part = unshuffle(pool[start:end], int(dtype[1:]))
    return np.frombuffer(part, f"<{dtype}").reshape(shape)
