"""Texts of every class of characters against scikit-learn itself: the compiled counts are those of its vectorizers."""

from __future__ import annotations

import unicodedata

import numpy as np
import pytest
from sklearn.feature_extraction.text import CountVectorizer, HashingVectorizer

from quantcore.importers import convert
from quantcore.runtime.text import build, obstacle

CLASSES = {
    "ASCII": [chr(c) for c in range(128)],
    "Latin": [chr(c) for c in range(0x80, 0x250)],
    "Greek": "ΑΣσςΆΌΐΰΣΣ",
    "Cyrillic": [chr(c) for c in range(0x400, 0x530)],
    "Turkish": "İıIiİ\u0307",
    "combining": [chr(c) for c in (*range(0x300, 0x370), *range(0x1AB0, 0x1AFF), 0x20D0, 0xFE20)],
    "joiners": "\u200d\u200c\u200b\u2060\ufeff\u00ad\ufe0f",
    "spaces": "".join(chr(c) for c in range(0x3001) if chr(c).isspace()) + "\u180e\u2028\u2029\x85\x1c\x1f",
    "surrogates": [chr(c) for c in (0xD800, 0xDBFF, 0xDC00, 0xDFFF, 0xD83D, 0xDE00)],
    "digits": "0123٠١٢०१²³½Ⅷ①",
    "growing": "ßŉǰΐΰևẖẗẘẙẚﬀﬁﬃİ",
    "CJK": "日本語中文字漢かなカナ한글ｱ",
    "astral": [chr(c) for c in (0x10400, 0x10428, 0x1D400, 0x1F600, 0x1F468, 0x20000, 0x2FA1D, 0xE0001, 0x10FFFF, 0x1E900)],
    "edges": [chr(c) for c in (0, 1, 0x7F, 0x80, 0xFF, 0x100, 0x7FF, 0x800, 0xFFFF, 0x10000, 0x10FFFF, 0xFFFD)],
}
OPTIONS = [
    {},
    {"lowercase": False},
    {"ngram_range": (1, 2), "strip_accents": "unicode"},
    {"strip_accents": "ascii", "ngram_range": (2, 3)},
    {"token_pattern": r"(?u)\b\w+\b", "binary": True},
    {"token_pattern": r"\S+"},
    {"analyzer": "char", "ngram_range": (1, 3)},
    {"analyzer": "char", "lowercase": False, "strip_accents": "unicode"},
    {"analyzer": "char_wb", "ngram_range": (1, 4)},
    {"analyzer": "char_wb", "ngram_range": (3, 5), "strip_accents": "ascii"},
]


def any_text(random, surrogates=True):
    """Runs of characters of a few classes, with spaces between some; now and then a token without end."""
    names = [name for name in CLASSES if surrogates or name != "surrogates"]
    parts = []
    for name in random.choice(names, int(random.integers(1, 5))):
        letters = CLASSES[name]
        size = int(random.choice([0, 1, 2, 3, 15, 16, 17, 40]))
        parts.append("".join(letters[i] for i in random.integers(0, len(letters), size)))
        parts.append(str(random.choice(["", "", " ", " ", "ς", "Σ ", "\0", "."])))
    kind = random.random()
    if kind < 0.15:
        anywhere = random.integers(0, 0x110000, 30)
        parts.append("".join(chr(c) for c in anywhere.tolist() if surrogates or not 0xD800 <= c < 0xE000))
    elif kind < 0.2:
        parts.append(str(random.choice(["a", "é", "Σ", "日", "😀", "İ"])) * int(random.choice([255, 4096, 65535, 65537, 70_000])))
    text = "".join(parts)
    return unicodedata.normalize(str(random.choice(["NFC", "NFD", "NFKC"])), text) if random.random() < 0.3 else text


def counted(model, texts, n_features):
    indptr, columns, counts = model.counts(texts)
    found = np.zeros((len(texts), n_features))
    np.add.at(found, (np.repeat(np.arange(len(texts)), np.diff(indptr)), columns), counts)
    return found


def check(door, random, options):
    texts = [any_text(random) for _ in range(12)]
    source = CountVectorizer(**options)
    try:
        source.fit([text[:400] for text in texts[:8]])
    except ValueError:  # none of them holds a token
        return 0
    op = convert(source).ops[0]
    assert obstacle(op) is None
    model = build(door, op)
    np.testing.assert_array_equal(counted(model, texts, op.n_features), source.transform(texts).toarray(), err_msg=ascii(texts))
    return len(texts)


def check_hashed(door, random):
    texts = [any_text(random, surrogates=False) for _ in range(8)]
    source = HashingVectorizer(n_features=int(random.choice([1, 7, 64])), norm=None, ngram_range=(1, 2), alternate_sign=True)
    op = convert(source).ops[0]
    found = counted(build(door, op), texts, op.n_features)
    np.testing.assert_array_equal(found, source.transform(texts).toarray(), err_msg=ascii(texts))


@pytest.mark.parametrize("options", OPTIONS, ids=str)
def test_every_class_of_characters(options, door_of):
    random, n = np.random.default_rng(len(str(options))), 0
    for _ in range(25):
        n += check(door_of("text"), random, options)
    assert n > 100


def test_hashed(door_of):
    random = np.random.default_rng(1)
    for _ in range(40):
        check_hashed(door_of("text"), random)


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(20))
def test_more_texts(seed, door_of):
    random = np.random.default_rng(100 + seed)
    for _ in range(300):
        for options in OPTIONS:
            check(door_of("text"), random, options)
        check_hashed(door_of("text"), random)
