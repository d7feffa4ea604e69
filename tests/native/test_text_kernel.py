"""The text kernel: every ISA against scalar, bit for bit; scalar against the definition; certificates against every source
that a grid stands for."""

from __future__ import annotations

import warnings

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.feature_extraction.text import CountVectorizer, HashingVectorizer

from quantcore.importers import convert
from quantcore.plan.ops import ArgMax, Linear, PlanarLinear, TfIdf, Threshold
from quantcore.reference.linear import linear
from quantcore.reference.matrices import tfidf
from quantcore.reference.planar import planar_linear
from quantcore.reference.text import text as count_terms
from quantcore.runtime.text import build, obstacle

SLOT = ("run", "documents", "planar")
OPEN = 2

WORDS = (
    "the cat sat on a mat don't e-mail x9 ab_c 12 i naïve café ΑΣ ὈΔΥΣΣΕΎΣ İstanbul straße ﬁne ǅ 日本語 кот КОТ שלום सत्य "
    "🐈 🐈‍⬛ 𝐜𝐚𝐭 𐐀𐐨 e\u0301te\u0301 a\u0300 sixteen_letters_ seventeen_letters caféééééééé_ééé internationalization "
    "donaudampfschifffahrtsgesellschaft 日本語日本語 日本語日本語日 K Å Σ ΣΑΣ Ⅷ ½ ² ٣ _ __ \ud800 a\udfff \0 a\0b"
).split(" ")
GAPS = [" ", " ", " ", "  ", "\t\n", ", ", ".", "-", "'", "\0", "\u00a0", "\u2003 ", "\x1c", "\u0301", "\u200d", ""]
ODD = [
    "",
    " ",
    "  ",
    "\0",
    "a",
    "Σ",
    "İ",
    "ΑΣ'Α ΑΣ Σ ΣΑΣ ὈΔΥΣΣΕΎΣ",
    "İİ İstanbul ISTANBUL ı",
    "\ud800",
    "lone \ud800 surrogate cat\udfff dog",
    "The cat\0sat",
    "🐈" * 40,
    "zzz " * 50,
    "q" * 70_000,
    "x" + "é" * 15 + " " + "é" * 8 + " " + "é" * 9,
    *(" ".join(["cat", "the", "mat", "x9"][i % k] for i in range(n)) for n in (31, 32, 33, 64, 65) for k in (1, 2, 4)),
    *(" ".join(f"w{i}" for i in range(n - 2)) + " w3 w4" for n in (31, 32, 33)),
]


def corpus(n, seed, words=WORDS):
    """Documents of the words and gaps, some of any code points, each kind of storage among them."""
    random = np.random.default_rng(seed)
    found = []
    for _ in range(n):
        size = int(random.choice([1, 2, 5, 12, 31, 32, 33, 60]))
        pool = [w for w in words if w.isascii()] if random.random() < 0.4 else words
        chosen = random.choice(len(pool), size)
        gaps = random.choice(len(GAPS), size) if random.random() < 0.5 else np.zeros(size, int)
        document = "".join(pool[w] + GAPS[g] for w, g in zip(chosen, gaps, strict=True))
        if random.random() < 0.2:
            document = document.upper()
        if random.random() < 0.2:
            top = int(random.choice([0x80, 0x100, 0x10000, 0x110000]))
            document += "".join(map(chr, random.integers(0, top, size)))
        found.append(document)
    return found


FEATURIZERS = {
    "words": {},
    "words to 2": {"ngram_range": (1, 2)},
    "2 words": {"ngram_range": (2, 2)},
    "2 to 3 words": {"ngram_range": (2, 3)},
    "words to 4": {"ngram_range": (1, 4)},
    "words of one letter": {"ngram_range": (1, 2), "token_pattern": r"(?u)\b\w+\b"},
    "words of 3 letters": {"ngram_range": (1, 2), "token_pattern": r"\w{3,}"},
    "no spaces": {"ngram_range": (1, 2), "token_pattern": r"\S+"},
    "letters of English": {"token_pattern": r"[a-zA-Z]+", "lowercase": False},
    "not letters": {"token_pattern": r"\W+"},
    "as they are": {"ngram_range": (1, 2), "lowercase": False},
    "stop words": {"ngram_range": (1, 3), "stop_words": ["the", "on", "naïve", "seventeen_letters"]},
    "rare words dropped": {"ngram_range": (1, 3), "min_df": 6, "max_df": 0.5},
    "once each": {"ngram_range": (1, 2), "binary": True},
    "accents stripped": {"ngram_range": (1, 2), "strip_accents": "unicode"},
    "ASCII alone": {"strip_accents": "ascii", "lowercase": False},
    "characters": {"analyzer": "char"},
    "characters to 2": {"analyzer": "char", "ngram_range": (1, 2), "lowercase": False},
    "3 to 5 characters": {"analyzer": "char", "ngram_range": (3, 5)},
    "some characters": {"analyzer": "char", "ngram_range": (2, 4), "min_df": 8},
    "characters, accents stripped": {"analyzer": "char", "ngram_range": (1, 3), "strip_accents": "unicode"},
    "characters in words": {"analyzer": "char_wb", "ngram_range": (2, 4)},
    "one character in words": {"analyzer": "char_wb"},
    "3 to 5 characters in words": {"analyzer": "char_wb", "ngram_range": (3, 5), "binary": True},
    "6 and 7 characters in words": {"analyzer": "char_wb", "ngram_range": (6, 7)},
    "a list": {
        "vocabulary": ["cat", "the cat", "a mat the", "", " ", "Cat", "internationalization", "zz zz"],
        "ngram_range": (1, 2),
    },
    "a list of pairs": {"vocabulary": ["the cat", "cat the", "cat cat"], "ngram_range": (2, 2)},
    "odd terms": {
        "vocabulary": ["\0", "a\0b", "\ud800", "a\udfff", "🐈", "é" * 9],
        "token_pattern": r"[^ ]+",
        "ngram_range": (1, 2),
    },
    "odd characters": {
        "vocabulary": ["\0", "\ud800 ", " \0 ", "🐈\u200d", "  ", "at "],
        "analyzer": "char",
        "ngram_range": (1, 3),
    },
    "shorter than min_n": {
        "vocabulary": [" a ", " i ", " \0 ", "a", " ", " the", " \ud800 "],
        "analyzer": "char_wb",
        "ngram_range": (4, 5),
    },
    "hashed": {"n_features": 1 << 12, "ngram_range": (1, 2)},
    "hashed without signs": {"n_features": 1000, "alternate_sign": False, "ngram_range": (2, 3)},
    "hashed into three": {"n_features": 3, "ngram_range": (1, 2)},
    "hashed once each": {"n_features": 64, "binary": True, "stop_words": ["the", "cat"]},
    "hashed, accents stripped": {"n_features": 1 << 10, "strip_accents": "unicode", "token_pattern": r"[^\W\d]+"},
}
_ops = {}


def featurizer(name):
    """The Text op of a row of FEATURIZERS, fitted once."""
    if name not in _ops:
        chosen = FEATURIZERS[name]
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            if "n_features" in chosen:
                _ops[name] = convert(HashingVectorizer(norm=None, **chosen)).ops[0]
            else:
                fitted = CountVectorizer(**chosen)
                _ops[name] = convert(fitted if "vocabulary" in chosen else fitted.fit(corpus(150, 1))).ops[0]
    return _ops[name]


def planar(op, n_outputs, seed):
    """A PlanarLinear over the op's columns, coarse enough for ties."""
    random = np.random.default_rng(seed)
    n = op.n_features
    single = n_outputs == 1
    stored = n if seed % 2 else max(n // 3, 1)
    centred = not single and seed % 3 == 0
    largest = int(random.choice([2, 127, 3000, 1 << 22 if single else 32767]))
    rows = random.integers(-largest, largest + 1, (stored, n_outputs + centred))
    rows[random.random(stored) < 0.3] //= 50
    exponent = np.full(stored, -7) if single else random.integers(-14, -6, stored)
    bias = random.integers(-40, 40, n_outputs) / 16.0 if seed % 4 else np.zeros(n_outputs)
    size = np.abs(rows[:, :n_outputs] + (rows[:, -1:] if centred else 0)).max(initial=0)
    return PlanarLinear(
        inputs=(0,),
        rows=rows.astype(np.int32 if seed % 5 == 0 or largest > 32767 else np.int16),
        exponent=exponent.astype(np.int16),
        index=None if stored == n else random.integers(0, stored, n).astype(np.uint32),
        bias=bias,
        centred=centred,
        sublinear=bool(seed % 2) and not op.alternate_sign,
        idf=1.0 + random.exponential(2.0, n) if seed % 3 else None,
        norm=(None, "l2", "l1", "max")[seed % 4],
        error=0.5,
        amplitude=float(size) + 1.0,
    )


def decision(n_outputs):
    return Threshold(classes=np.arange(2)) if n_outputs == 1 else ArgMax(classes=np.arange(n_outputs))


class Compiled:
    """Labels, scores and counts of one model."""

    def __init__(self, door, op, scores):
        self.decide = build(door, op, scores, decision(len(scores.bias)))
        self.score = build(door, op, scores)
        self.count = build(door, op)

    def all(self, documents):
        return [*self.decide.labels(documents), *self.score.scores(documents), *self.count.counts(documents)]


def assert_counts(op, found, documents):
    """The counts are those of the definition, which are returned."""
    indptr, columns, counts = found
    rows = np.repeat(np.arange(len(documents)), np.diff(indptr))
    order = np.lexsort((columns, rows))
    expected = count_terms(op, documents)
    np.testing.assert_array_equal(indptr, expected.indptr)
    np.testing.assert_array_equal(columns[order], expected.indices)
    np.testing.assert_array_equal(counts[order], expected.data)
    return expected


def source_scores(scores, counts, random, worst):
    """Scores of a source whose weights lie anywhere in the grid's boxes, or in their corners, computed as scikit-learn does."""
    stored = np.arange(counts.n_columns) if scores.index is None else scores.index
    n_outputs = len(scores.bias)
    box = random.uniform(-1.0, 1.0, (counts.n_columns, n_outputs))
    box = scores.error * (np.sign(box) if worst else box)
    grid = scores.rows[:, :n_outputs].astype(np.float64) + (scores.rows[:, -1:] if scores.centred else 0)
    folded = np.ldexp(grid[stored] + box, scores.exponent.astype(int)[stored][:, None])
    weight = folded if scores.idf is None else folded / scores.idf[:, None]
    terms = TfIdf(sublinear=scores.sublinear, idf=scores.idf, norm=scores.norm)
    return linear(Linear(weight=weight, bias=scores.bias), tfidf(terms, counts))


def assert_certified(scores, counts, found, seed):
    labels, planes, shown, bounds = found[:4]
    reference = planar_linear(scores, counts)
    # What the float32 idf of the tables costs, far within the grid's steps.
    np.testing.assert_allclose(shown, reference, rtol=1e-6, atol=1e-6 * (1 + np.abs(reference).max()))
    random = np.random.default_rng(seed)
    for worst in (False, True):
        source = source_scores(scores, counts, random, worst)
        assert (np.abs(shown - source) <= bounds[:, None]).all()
        if source.shape[1] > 1:
            differences = [s - s[np.arange(len(s)), labels][:, None] for s in (shown, source)]
            assert (np.abs(differences[0] - differences[1]) <= bounds[:, None]).all()
        expected = source[:, 0] > 0 if source.shape[1] == 1 else source.argmax(axis=1)
        sure = planes != OPEN
        np.testing.assert_array_equal(labels[sure], expected[sure])


def assert_right(scores, op, found, documents, seed):
    assert_certified(scores, assert_counts(op, found[4:], documents), found, seed)


def usable(op, documents):
    """Hashing refuses lone surrogates where a token holds them."""
    return documents if op.vocabulary is not None else [d.encode("utf-8", "ignore").decode() for d in documents]


@pytest.mark.parametrize("name", FEATURIZERS)
def test_every_isa_gives_the_bits_of_scalar_and_scalar_the_definition(name, on_every_isa, door_of):
    op = featurizer(name)
    documents = usable(op, ODD + corpus(250, 2))
    for n_outputs in (1, 2, 5, 40):
        seed = 7 * n_outputs + list(FEATURIZERS).index(name)
        scores = planar(op, n_outputs, seed)
        assert obstacle(op, scores) is None
        model = Compiled(door_of("text"), op, scores)
        found = on_every_isa("text", SLOT, lambda door, model=model: model.all(documents))
        assert_right(scores, op, found, documents, seed)


@pytest.mark.parametrize(
    "name", ["words to 2", "stop words", "words to 4", "some characters", "6 and 7 characters in words", "hashed"]
)
def test_any_split_gives_the_same_bits(name, door_of, isas):
    op = featurizer(name)
    documents = usable(op, ODD + corpus(1300, 3))
    scores = planar(op, 3, 5)
    model = Compiled(door_of("text"), op, scores)
    random = np.random.default_rng(0)
    for isa in isas:
        door_of("text").select(isa)
        whole = model.all(documents)[:4]
        for size in (1, 2, 17, 1000):
            cuts = range(size, len(documents), size)
            if size == 17:
                cuts = np.sort(random.choice(np.arange(1, len(documents)), 90, replace=False)).tolist()
            parts = [model.all(documents[a:b])[:4] for a, b in zip([0, *cuts], [*cuts, len(documents)], strict=True)]
            for k, expected in enumerate(whole):
                assert np.concatenate([part[k] for part in parts]).tobytes() == expected.tobytes()


SLICE = 65536
LONG = {
    # Words, spaces, n-grams and single characters across the cut; each document also in wider storage.
    "words": "the cat sat on a mat " * 4000,
    "a token across the cut": "ab " * ((SLICE - 20) // 3) + "cat" * 30 + " the cat sat " + "mat " * 3000,
    "a token longer than a slice": "the cat " + "q" * (SLICE + 9) + " sat on " + "é" * SLICE + " mat the cat",
    "spaces across the cut": "x" * (SLICE - 7) + " " * 40 + "the cat" + "\n" * SLICE + "sat on",
    "spaces alone": " " * (2 * SLICE + 3),
    "one space at the cut": "x" * (SLICE - 1) + " the cat sat on a mat",
    "no token at all": "." * (2 * SLICE + 1),
    "late strangers": "the cat " * (SLICE // 8) + "кот КОТ ΑΣ " * 300 + "日本語 " * 3000,
    "late sigma": "the cat " * 9000 + "ὈΔΥΣΣΕΎΣ",
    "one character": "a" * (SLICE + 1),
    "just a slice": "the cat sat on " * 5000,
}
LONG["just a slice"] = LONG["just a slice"][:SLICE]


@pytest.mark.parametrize("name", ["words to 4", "stop words", "some characters", "characters in words", "odd terms", "hashed"])
def test_long_documents(name, on_every_isa, door_of):
    op = featurizer(name)
    documents = ["a mat", *LONG.values(), "the cat", LONG["a token across the cut"] + "🐈"]
    counts = None
    for n_outputs in (1, 3):
        scores = planar(op, n_outputs, 11)
        model = Compiled(door_of("text"), op, scores)
        found = on_every_isa("text", SLOT, lambda door, model=model: model.all(documents))
        counts = counts or assert_counts(op, found[4:], documents)
        assert_certified(scores, counts, found, 0)


@pytest.mark.parametrize("analyzer", ["word", "char", "char_wb"])
def test_cuts_anywhere(analyzer, door_of):
    """The same text shifted by every few characters: each cut falls on another place of it."""
    tail = "the  cat, ΑΣΑ the\n\ncat ab  abc 日本 "
    op = convert(CountVectorizer(analyzer=analyzer, ngram_range=(1, 3)).fit([tail])).ops[0]
    model = build(door_of("text"), op)
    for shift in range(0, len(tail) + 4, 1 if analyzer == "word" else 3):
        document = "z" * shift + " " + tail * (SLICE // len(tail) + 40)
        assert_counts(op, model.counts([document]), [document])


def test_thousands_of_features_in_one_document(on_every_isa, door_of):
    words = [f"w{i}" for i in range(6000)]
    op = convert(CountVectorizer(ngram_range=(1, 2)).fit([" ".join(words)])).ops[0]
    documents = [" ".join(words), " ".join(words * 2), " ".join(words[:600]), " ".join(words[:2000] * 9)]
    for n_outputs, seed in ((1, 5), (1, 9), (4, 5), (4, 14)):
        scores = planar(op, n_outputs, seed)
        model = Compiled(door_of("text"), op, scores)
        found = on_every_isa("text", SLOT, lambda door, model=model: model.all(documents))
        assert_right(scores, op, found, documents, seed)


@pytest.mark.parametrize("n_outputs", [2, 15, 16, 17, 48, 64, 65, 150, 300])
def test_widths(n_outputs, on_every_isa, door_of):
    op = featurizer("words to 2")
    documents = ODD + corpus(60, 4)
    for seed in (n_outputs, n_outputs + 1, n_outputs + 2):
        scores = planar(op, n_outputs, seed)
        model = Compiled(door_of("text"), op, scores)
        found = on_every_isa("text", SLOT, lambda door, model=model: model.all(documents))
        assert_right(scores, op, found, documents, seed)


@pytest.mark.parametrize("dtype, n", [(np.int16, 32768), (np.int32, 1 << 23)])
@pytest.mark.parametrize("base", [-10, 3])
def test_hot_plane_keeps_its_promise(dtype, n, base, door_of):
    """Every size of a row's largest entry: the int8 entries times the decoded scale are the grid's, up to the spread."""
    largest = np.unique(
        np.concatenate([np.arange(0, min(n, 40_000)), 127 * np.arange(0, n // 127, 61), np.geomspace(1, n - 1, 4000)])
    )
    largest = largest.astype(dtype)
    rows = np.stack([largest, -(largest // 3), largest // 2 + 1, largest * 0 + 1], axis=1).astype(dtype)
    error = 0.5
    exponent = np.zeros(len(rows), np.int32)
    hot, codes, spread, least = door_of("text").hot_plane(rows, exponent, base, error, 3, 16)
    scale = ((base + 127 << 23) + (codes.astype(np.uint32) << 20)).astype(np.uint32).view(np.float32).astype(np.float64)
    remainders = rows[:, :3] / scale[:, None] - hot[:, :3]
    assert np.abs(hot.astype(int)).max() <= 127 and not hot[:, 3:].any()
    assert (remainders.max(axis=1) - remainders.min(axis=1) + 2 * error / scale).max() <= spread
    assert least <= scale.min()


def test_unseen_pages_in_the_middle_of_a_batch(door_of):
    """Tables of characters are made while a batch runs: what was answered before that stays, what follows is complete."""
    op = convert(CountVectorizer(token_pattern=r"[^\s.]+").fit(corpus(50, 6))).ops[0]  # a class of its own: no page is made
    documents = [" ".join(chr(c) for c in range(first, first + 600, 7)) for first in range(0x100, 0x3000, 0x200)] * 9
    documents += [chr(0x10000 + 4096 * i) * 3 + " cat" for i in range(60)]
    model = build(door_of("text"), op)
    assert_counts(op, model.counts(documents), documents)


def test_counters_grow_by_what_was_read(door_of):
    op = featurizer("words to 2")
    model = build(door_of("text"), op, planar(op, 1, 5), decision(1))
    model.predict(["the cat", "qqqq the", ""])
    rows, fine, left_open, tokens, unknown = model.stats()
    assert (rows, tokens, unknown) == (3, 4, 1)
    assert fine >= left_open >= 0


def test_no_feature_at_all(door_of):
    """An empty answer is the class of the largest bias, the first of equal ones, as argmax says."""
    op = featurizer("words")
    for bias, expected in (([0.0, 1.0, 1.0], 1), ([2.0, 2.0, 1.0], 0), ([0.0], 0), ([0.25], 1), ([-0.0], 0)):
        scores = planar(op, len(bias), 5)
        scores = PlanarLinear(**{**vars(scores), "bias": np.array(bias)})
        labels, planes = build(door_of("text"), op, scores, decision(len(bias))).labels(["", "zzz", "?"])
        assert labels.tolist() == [expected] * 3 and not planes.any()


word = st.sampled_from(WORDS) | st.text(max_size=20) | st.text(st.characters(codec=None, categories=None), max_size=6)
document = st.lists(st.tuples(word, st.sampled_from(GAPS)), max_size=40).map(lambda pieces: "".join(map("".join, pieces)))


@settings(max_examples=150)
@given(
    st.sampled_from(list(FEATURIZERS)),
    st.lists(document, min_size=1, max_size=30),
    st.sampled_from([1, 2, 5]),
    st.integers(0, 60),
)
def test_any_documents(name, documents, n_outputs, seed):
    door = pytest.importorskip("quantcore.native._text", exc_type=ImportError)
    cpu = pytest.importorskip("quantcore.native._cpu", exc_type=ImportError)
    op = featurizer(name)
    documents = usable(op, documents)
    scores = planar(op, n_outputs, seed)
    model = Compiled(door, op, scores)
    results = []
    for isa in [name for name, present in cpu.isas().items() if present]:
        door.select(isa)
        results.append(model.all(documents))
    for result in results[1:]:
        assert [a.tobytes() for a in result] == [a.tobytes() for a in results[0]]
    assert_right(scores, op, results[0], documents, seed)
