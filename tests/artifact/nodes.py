"""Documents with arrays in the place of their nodes, and nodes that several tests read."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest

from quantcore.artifact.container import POOL, RAW, Section
from quantcore.artifact.decoder import Decoder
from quantcore.artifact.transforms import transforms
from quantcore.errors import ArtifactError

NONE = np.zeros(0, "u1")


def of(dtype):
    return lambda *values: np.array(values, f"<{dtype}")


u1, u2, u4, u8, i1, i4, i8, f4, f8 = map(of, ("u1", "u2", "u4", "u8", "i1", "i4", "i8", "f4", "f8"))


def pooled(document: Any, pool: list[bytes]) -> Any:
    """A document in which arrays stand in the place of their ``pool`` nodes; their bytes, shuffled, go to the pool."""
    if isinstance(document, np.ndarray):
        raw, size = document.tobytes(), document.itemsize
        pool.append(b"".join(raw[k::size] for k in range(size)))
        return ["pool", document.dtype.str[1:], *document.shape]
    if isinstance(document, list):
        return [pooled(member, pool) for member in document]
    if isinstance(document, dict):
        return {key: pooled(document[key], pool) for key in document}
    return document


def read(document: Any, *, own: tuple[Section, ...] = (), memory: int | None = None, shared: bool = False) -> tuple[Any, Decoder]:
    pool: list[bytes] = []
    document = json.loads(json.dumps(pooled(document, pool)))
    data = b"".join(pool)
    decoder = Decoder(memory, transforms(None), shared=shared)
    decoder.load(Section(POOL, RAW, "u1", (len(data),), data) if data else None, list(own))
    found = decoder.value(document)
    decoder.finish()
    return found, decoder


def refused(document: Any, words: str, *, reason: str = "invalid", **settings: Any) -> None:
    with pytest.raises(ArtifactError) as caught:
        read(document, **settings)
    assert caught.value.reason == reason and words in str(caught.value)


def bytes_of(document: Any) -> int:
    """Of the arrays in a node: they count once as the pool, once as nodes."""
    pool: list[bytes] = []
    pooled(document, pool)
    return sum(map(len, pool))


FULL_ROWS = ["rows", "i2", 1, [0] * 255 + [24], u1(*[1] * 512), u1(0, 255), u1(1, 4), u1(1, 0, 0, 128, 0)]
WIDE_ROWS = ["rows", "i4", 4096, [0], u1(1, 1), u1(0), u2(512), np.zeros(512, "u1")]
IDF = ["idf", "f8", 8, u1(8, 4, 8), None]
# Symbols "a" and "b"; the nodes ab, ba, bb, and aba. The second symbol has more children, so that it comes first in the gaps.
LEVELS = [[u1(1, 2), NONE, u1(0, 0, 1)], [u1(1, 0, 0), NONE, u1(0)]]
SYMBOLS = [u1(0, 0), u1(1, 1), u1(97, 98)]


def trie(*, symbols=SYMBOLS, terms=0b101101, steps=None, levels=LEVELS, separator=" ", n=6):
    return ["trie", separator, *symbols, ["bool", [n], u1(terms)], steps, levels]


def put(node, at, value):
    return [*node[:at], value, *node[at + 1 :]]
