"""Values for the encoder, and what it makes of them: always something that decodes to them."""

from __future__ import annotations

from typing import Any

import numpy as np

from quantcore.artifact import canonical
from quantcore.artifact.container import ARRAY, POOL, Section
from quantcore.artifact.decoder import Decoder
from quantcore.artifact.encoder import Encoder
from quantcore.artifact.idf import join_idf
from quantcore.artifact.transforms import transforms
from quantcore.plan import Vocabulary

RANDOM = np.random.default_rng(5)
FEW, MANY = 64, 1 << 20  # items: fewer are not searched, as many are not searched for repeats


def decoded(document: Any, sections: list[Section]) -> Any:
    text = canonical.dumps(document)  # nodes hold JSON's own types alone
    decoder = Decoder(None, transforms(None))
    own = [s for s in sections if s.type == ARRAY]
    decoder.load(sections[0] if sections and sections[0].type == POOL else None, own)
    found = decoder.value(canonical.loads(text))
    decoder.finish()
    return found


def same(a: Any, b: Any) -> bool:
    """Down to the bit; of arrays of strings and big-endian ones, the same items."""
    if isinstance(a, np.ndarray):
        plain = np.ascontiguousarray(a, a.dtype.newbyteorder("<")).reshape(a.shape)
        return isinstance(b, np.ndarray) and (plain.dtype, plain.shape, plain.tobytes()) == (b.dtype, b.shape, b.tobytes())
    if isinstance(a, dict):
        return isinstance(b, dict) and a.keys() == b.keys() and all(same(a[k], b[k]) for k in a)
    if isinstance(a, list):
        return isinstance(b, list) and len(a) == len(b) and all(map(same, a, b))
    if isinstance(a, Vocabulary):
        return isinstance(b, Vocabulary) and a.terms() == b.terms() and a.separator == b.separator and a.levels == b.levels
    return type(a) is type(b) and a == b


def written(value: Any) -> tuple[Any, list[Section]]:
    """The document and the sections, which decode to the value."""
    encoder = Encoder()
    document = encoder.value(value)
    sections = encoder.sections()
    assert same(value, decoded(document, sections))
    return document, sections


def coding(value: Any) -> str:
    """Of one array: the name of its node."""
    name: str = written(value)[0]["$"][0]
    return name


def some(n: int, dtype: str = "i4") -> np.ndarray:
    """Numbers, some of them twice."""
    return np.resize(np.array([3, 1, 4, 1, 5, 9, 2, 6, 5, 3, 5, 8, 97], dtype), n)


def distinct(n: int, dtype: str = "f8") -> np.ndarray:
    return RANDOM.permutation(n).astype(dtype) * 3 + 1


def noise(n: int, dtype: str = "u1") -> np.ndarray:
    return np.frombuffer(RANDOM.bytes(n * np.dtype(dtype).itemsize), dtype)


IDF, _ = join_idf("f8", 1001, RANDOM.integers(2, 500, 300), None)
DOUBLES = np.sort(RANDOM.normal(size=80).astype("f4")).astype("f8")
MEANS = np.array([float(RANDOM.integers(1, 50)) / n * 0.1 for n in RANDOM.integers(1, 40, 70)])
MEANS[:3] = MEANS[3]  # one value more than once
START = RANDOM.bit_generator.state
