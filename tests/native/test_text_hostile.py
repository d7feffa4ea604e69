"""The text kernel under hostile documents and odd, but valid, Plans: the same bits from every ISA, the definition's counts, and
no certificate that the grid itself refutes. Under ``make sanitize`` buffers end where they were asked to, so that no read or
write beyond them passes unseen."""

from __future__ import annotations

import numpy as np
import pytest

from quantcore.plan import Plan, Vocabulary
from quantcore.plan.ops import ArgMax, PlanarLinear, Text, Threshold
from quantcore.plan.validate import validate
from quantcore.reference.planar import planar_linear
from quantcore.reference.text import text as count_terms
from quantcore.runtime.text import build, obstacle

SLOT = ("run", "documents", "planar")
OPEN = 2
SLICE = 65536
EDGES = [0, 1, 2, 7, 8, 9, 15, 16, 17, 31, 32, 33, 63, 64, 65, 127, 128, 129]
LETTERS = ["abcdefgh", "aé", "aéß中日", "aé中🐈𐐀", "AΣİß", "a\0b", "中日本"]
GAPS = [" ", "  ", ".", "\n\t ", "\u2003", " 中 ", " 🐈 ", "\0", "\x1c ", " " * 70]
PATTERNS = [r"(?u)\b\w\w+\b", r"(?u)\b\w+\b", r"\w{3,}", r"\w{20,}", r"\S+", r"[^ ]+", r"[a-z]+"]
HASHED = PATTERNS[:4]


def pick(random, choices):
    return choices[int(random.integers(len(choices)))]


def words(random):
    """Tokens of every length, some of them equal up to their last character."""
    letters = pick(random, LETTERS)
    sizes = random.choice(EDGES[1:], int(random.integers(1, 30)))
    found = ["".join(letters[i] for i in random.integers(0, len(letters), size)) for size in sizes]
    return [letters[0] * 3, letters[:2] * 2] + found + [word + letters[0] for word in found[:3]]


def vocabulary(random, pool, analyzer, max_n):
    """Terms of every depth; now and then none at all."""
    terms = []
    for _ in range(int(random.choice([0, 1, 2, 40, 300]))):
        size = int(random.choice([1, 2, 3, max_n]))
        text = list(pick(random, pool)) + [" "] + list(pick(random, pool)) + [" "]
        start = int(random.integers(len(text)))
        terms.append(tuple(pick(random, pool) for _ in range(size)) if analyzer == "word" else tuple(text[start : start + size]))
    if analyzer == "word" and terms:  # what short documents may hold several times
        terms += [gram for gram in ((pool[0],), (pool[0], pool[1]), (pool[1], pool[0]), (pool[0],) * 2) if len(gram) <= max_n]
    terms = list(dict.fromkeys(terms))
    n_features = len(terms) + int(random.choice([1, 5]))
    columns = random.choice(n_features, len(terms), replace=False)
    found = Vocabulary.from_terms(dict(zip(terms, columns.tolist(), strict=True)), " " if analyzer == "word" else "")
    return found, n_features


def featurizer(random):
    pool = words(random)
    hashed = random.random() < 0.2
    analyzer = "word" if hashed else pick(random, ["word", "word", "char", "char_wb"])
    max_n = pick(random, [1, 1, 2, 2, 3, 5, 60])
    found, n_features = None, pick(random, [1, 2, 1000, 1 << 20, 1 << 24])
    if not hashed:
        found, n_features = vocabulary(random, pool, analyzer, max_n)
    op = Text(
        analyzer=analyzer,
        ngram_range=(int(random.integers(1, max_n + 1)), max_n),
        lowercase=bool(random.integers(2)),
        strip_accents=pick(random, [None, None, "ascii", "unicode"]),
        token_pattern=pick(random, HASHED if hashed else PATTERNS),
        stop_words=tuple(sorted({pick(random, pool) for _ in range(3)})) if analyzer == "word" and random.random() < 0.3 else (),
        encoding="utf-8",
        decode_error="strict",
        source="content",
        binary=bool(random.integers(2)),
        n_features=n_features,
        vocabulary=found,
        alternate_sign=hashed and bool(random.integers(2)),
    )
    return op, pool


def planar(random, op):
    """Weights at the edges of what the kernel takes."""
    n, n_outputs = op.n_features, pick(random, [1, 1, 2, 16, 17, 161, 700])
    if n > 1000 or n * n_outputs > 200_000:
        n_outputs = pick(random, [1, 2])
    single = n_outputs == 1
    centred = not single and bool(random.integers(2))
    stored = n if n < 1000 and random.random() < 0.5 else min(n, 3)
    wide = bool(random.integers(2))
    largest = pick(random, [0, 1, 127, 128, 32767, *([(1 << 23) if single else (1 << 30) - 1] if wide else [])])
    rows = random.integers(-largest, largest + 1, (stored, n_outputs + centred))
    rows[random.random(stored) < 0.3] = pick(random, [0, largest, -largest])
    limits = pick(random, [[-100], [80], [0]] if single else [[-100], [80], [-100, 80], [-60, -59, 0], [0, 3]])
    idf = None
    if random.random() < 0.6:
        idf = random.choice(pick(random, [[1.0], [0.0, 1.0], [2.0**-39, 2.0**39], [1.5, -3.0]]), n)
    index = None if stored == n else random.integers(0, stored, n).astype(np.uint32)
    if idf is not None and (idf == 0.0).any():  # what is times 0 has a row of zeros
        stored, rows = stored + 1, np.concatenate([rows, np.zeros_like(rows[:1])])
        index = np.where(idf == 0.0, stored - 1, np.arange(n) if index is None else index).astype(np.uint32)
    size = np.abs(rows[:, :n_outputs] + (rows[:, -1:] if centred else 0)).max(initial=0)
    return PlanarLinear(
        inputs=(0,),
        rows=rows.astype(np.int32 if wide else np.int16),
        exponent=random.choice(limits, stored).astype(np.int16),
        index=index,
        bias=random.choice([0.0, 1e30, -1e-30, 0.5], n_outputs),
        centred=centred,
        sublinear=not op.alternate_sign and bool(random.integers(2)),
        idf=idf,
        norm=pick(random, [None, "l1", "l2", "max"]),
        error=0.5,
        amplitude=float(size) + 1.0,
    )


def documents(random, op, pool, sizes):
    """One document of each size in code points, of every kind of storage."""
    found = []
    for size in sizes:
        kind = int(random.integers(7))
        if kind == 0:
            text = pick(random, [" ", "a", ".", "é", "中", "🐈", "a ", " \n", "aé ", "Σ", "中 "]) * size
        elif kind == 1:
            text = (pick(random, pool) + pick(random, GAPS)) * size
        elif kind == 2:
            text = "".join(map(chr, random.integers(0, pick(random, [0x80, 0x100, 0x3000, 0x110000]), size).tolist()))
        elif kind == 3:
            text = f"{pool[0]} {pool[1]} " * size
        else:
            some = [pick(random, pool) + pick(random, GAPS) for _ in range(min(size, 40))]
            text = "".join(some) * (size // max(len("".join(some)), 1) + 1)
        if random.random() < 0.3:
            text = text[: max(size - 1, 0)] + pick(random, ["é", "中", "🐈", "\ud800", "İ"])
        found.append(text[:size] if op.vocabulary is not None else text[:size].encode("utf-8", "ignore").decode())
    return found


def check_one(random, on_every_isa, door, sizes):
    op, pool = featurizer(random)
    scores = planar(random, op)
    n_outputs = len(scores.bias)
    decision = {"inputs": (1,), "classes": np.arange(max(n_outputs, 2))}
    decide = Threshold(**decision) if n_outputs == 1 else ArgMax(**decision)
    validate(Plan(input="text", ops=(op, scores, decide), outputs={"predict": 2}))
    assert obstacle(op, scores) is None
    texts = [*documents(random, op, pool, sizes), f"{pool[0]} {pool[1]} " * 2]  # the last has pairs to compare, near the ends

    def run(door):
        """Alone and together: buffers just large enough, and grown ones."""
        model, shown, counter = build(door, op, scores, decide), build(door, op, scores), build(door, op)
        alone = [model.labels([text]) for text in texts]
        labels, planes = model.labels(texts)
        assert [part[0].tolist() for part in alone] == [[label] for label in labels.tolist()]
        assert [part[1].tolist() for part in alone] == [[plane] for plane in planes.tolist()]
        np.testing.assert_array_equal(model.predict(texts), labels)
        each = [counter.counts([text]) for text in texts]
        together = counter.counts(texts)
        for k in (1, 2):
            np.testing.assert_array_equal(np.concatenate([part[k] for part in each]), together[k])
        return labels, planes, *shown.scores(texts), *together

    labels, planes, shown, bounds, indptr, columns, counts = on_every_isa("text", SLOT, run)
    rows = np.repeat(np.arange(len(texts)), np.diff(indptr))
    order = np.lexsort((columns, rows))
    expected = count_terms(op, texts)
    np.testing.assert_array_equal(indptr, expected.indptr)
    np.testing.assert_array_equal(columns[order], expected.indices)
    np.testing.assert_array_equal(counts[order], expected.data)
    reference = planar_linear(scores, expected)
    assert (np.abs(shown - reference) <= bounds[:, None]).all()
    best = reference[:, 0] > 0 if n_outputs == 1 else reference.argmax(axis=1)
    assert ((labels >= 0) & (labels < max(n_outputs, 2))).all()
    np.testing.assert_array_equal(labels[planes != OPEN], best[planes != OPEN])


@pytest.mark.parametrize("seed", range(60))
def test_hostile_documents(seed, on_every_isa, door_of):
    random = np.random.default_rng(seed)
    check_one(random, on_every_isa, door_of("text"), random.permutation(EDGES))


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(1000, 1400))
def test_more_hostile_documents(seed, on_every_isa, door_of):
    random = np.random.default_rng(seed)
    sizes = [*EDGES, *random.integers(0, 400, 12)] + ([SLICE - 1, SLICE, SLICE + 1] if seed % 10 == 0 else [])
    check_one(random, on_every_isa, door_of("text"), random.permutation(sizes))
