"""A million generated documents: every label with guarantee="exact" is scikit-learn's, and so is every certified one.

``make exact`` runs it and prints how many rows each plane settled; QUANTCORE_SOAK_DOCUMENTS asks for more or fewer.
"""

from __future__ import annotations

import csv
import gzip
import os
import re

import numpy as np
import pytest
from sklearn.feature_extraction.text import HashingVectorizer, TfidfVectorizer
from sklearn.linear_model import LogisticRegression, SGDClassifier
from sklearn.naive_bayes import MultinomialNB
from sklearn.pipeline import make_pipeline

import quantcore as qc

DOCUMENTS = int(os.environ.get("QUANTCORE_SOAK_DOCUMENTS", 1_000_000))
CHUNK = 5000

MODELS = {
    "words to 2, two classes": ("sms_spam", TfidfVectorizer(ngram_range=(1, 2), sublinear_tf=True), LogisticRegression()),
    "words to 2, 7 classes": ("sib200_20lang", TfidfVectorizer(ngram_range=(1, 2)), SGDClassifier(random_state=0)),
    "words, 151 classes": ("clinc150", TfidfVectorizer(sublinear_tf=True), MultinomialNB(alpha=0.1)),
    "2 to 4 characters": (
        "sms_spam",
        TfidfVectorizer(analyzer="char", ngram_range=(2, 4), max_features=20_000),
        LogisticRegression(),
    ),
    "2 to 4 characters in words": (
        "sib200_20lang",
        TfidfVectorizer(analyzer="char_wb", ngram_range=(2, 4), max_features=30_000, sublinear_tf=True),
        SGDClassifier(random_state=0),
    ),
    "accents stripped": (
        "sib200_20lang",
        TfidfVectorizer(strip_accents="unicode"),
        SGDClassifier(loss="log_loss", random_state=0),
    ),
    "hashed": ("sms_spam", HashingVectorizer(n_features=1 << 16, ngram_range=(1, 2)), LogisticRegression()),
}
GAPS = [
    " ",
    " ",
    " ",
    " ",
    "  ",
    ", ",
    ". ",
    "! ",
    "-",
    "'",
    "\n",
    "\t",
    "\u00a0",
    "\u2003",
    "\0",
    "/",
    "…",
    " 🐈 ",
    "👩‍👩‍👧",
    "\u200f",
    "",
]
MARKS = ["\u0301", "\u0308", "\u0327", "\u0345", "\u05b8", "\u0651", "\u093c", "\u200d", "\ufe0f"]
CASES = [str, str, str, str.upper, str.title, str.swapcase, str.casefold]
TOPS = [0x80, 0x100, 0x250, 0x600, 0x3000, 0x10000, 0x11000, 0x20000, 0x110000]


def generate(random, texts, words, n):
    """Documents of all kinds: words of the vocabulary, pieces of real texts, code points of all planes, nothing at all."""
    kinds = random.choice(6, n, p=[0.45, 0.2, 0.15, 0.1, 0.0998, 0.0002])
    for kind in kinds:
        size = 1 + int(random.geometric(0.12))
        if kind == 0:
            yield "".join(recased(random, words[i]) + GAPS[g] for i, g in picks(random, words, size))
        elif kind == 1:
            text = texts[random.integers(len(texts))]
            start = int(random.integers(0, len(text) + 1))
            text = text[start : start + 8 * size]
            at = int(random.integers(0, len(text) + 1))
            yield CASES[random.integers(len(CASES))](text[:at] + MARKS[random.integers(len(MARKS))] + text[at:])
        elif kind == 2:
            top = TOPS[random.integers(len(TOPS))]
            yield "".join(map(chr, random.integers(0, top, 2 * size)))
        elif kind == 3:
            yield "".join(words[i][:2] for i, _ in picks(random, words, int(random.integers(0, 3))))
        elif kind == 4:
            top = TOPS[random.integers(len(TOPS))]
            odd = map(chr, random.integers(0, top, size))
            yield "".join(words[i] + c + GAPS[g] for (i, g), c in zip(picks(random, words, size), odd, strict=True))
        else:
            yield "".join(words[i] + GAPS[g] for i, g in picks(random, words, 12_000))


def picks(random, words, size):
    # The first words are the common ones.
    return zip(
        (len(words) * random.random(size) ** 3).astype(int).tolist(), random.integers(0, len(GAPS), size).tolist(), strict=True
    )


def recased(random, word):
    return CASES[random.integers(len(CASES))](word)


def read(path, split):
    with gzip.open(path, "rt", encoding="utf-8", newline="") as file:
        rows = [row for row in csv.DictReader(file) if row["split"] == split]
    return [row["text"] for row in rows], [row["label"] for row in rows]


@pytest.mark.slow
def test_no_label_flips(data_dir, capsys):
    sets = {name: read(data_dir / f"{name}.csv.gz", "train") for name in {data for data, *_ in MODELS.values()}}
    texts = sorted({text for found, _ in sets.values() for text in found})
    counts: dict[str, int] = {}
    for text in texts:
        for word in re.findall(r"\w+", text):
            counts[word] = counts.get(word, 0) + 1
    words = sorted(counts, key=lambda word: (-counts[word], word))
    models = {}
    for name, (data, vectorizer, classifier) in MODELS.items():
        source = make_pipeline(vectorizer, classifier).fit(*sets[data])
        models[name] = (source, *(qc.quantize(source, sets[data][0][:2000], guarantee=g) for g in ("exact", "certified")))
    random = np.random.default_rng(2024)
    flips = dict.fromkeys(models, 0)
    sure_flips, open_rows, best_flips = dict(flips), dict(flips), dict(flips)
    found: list[str] = []
    for start in range(0, DOCUMENTS, CHUNK):
        documents = list(generate(random, texts, words, min(CHUNK, DOCUMENTS - start)))
        for name, (source, exact, certified) in models.items():
            expected = source.predict(documents)
            wrong = exact.predict(documents) != expected
            labels, sure = certified.predict_certified(documents)
            flips[name] += int(wrong.sum())
            sure_flips[name] += int(((labels != expected) & sure).sum())
            best_flips[name] += int((labels != expected).sum())
            open_rows[name] += int((~sure).sum())
            found += [f"{name}: {documents[i]!r}" for i in np.flatnonzero(wrong | ((labels != expected) & sure))[:3]]
        with capsys.disabled():
            print(f"\r{min(start + CHUNK, DOCUMENTS):>9,} documents", end="", flush=True)
    with capsys.disabled():
        print(f"\n{'model':<28}{'hot':>10}{'fine':>9}{'open':>8}{'flips: exact':>14}{'certified':>11}{'open rows':>11}")
        for name, (_, exact, _) in models.items():
            stats = exact.stats()
            rows = (stats["rows"] - max(stats["fine_rows"], stats["open_rows"]), stats["fine_rows"], stats["open_rows"])
            print(
                f"{name:<28}{rows[0]:>10,}{rows[1]:>9,}{rows[2]:>8,}{flips[name]:>14}{sure_flips[name]:>11}{best_flips[name]:>11}"
            )
    assert not any(flips.values()) and not any(sure_flips.values()), "\n".join(found[:20])
