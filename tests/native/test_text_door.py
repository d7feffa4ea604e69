"""The text kernel's door: threads that share a model, callbacks that raise or answer nonsense, and what it refuses."""

from __future__ import annotations

import threading

import numpy as np
import pytest
from sklearn.feature_extraction.text import CountVectorizer, HashingVectorizer

from quantcore.importers import convert
from quantcore.plan.ops import PlanarLinear, Threshold
from quantcore.runtime.chars import char_table
from quantcore.runtime.text import build

RELEASE_FROM = 1 << 18


def featurizer(**options):
    texts = ["the cat sat on a mat", "Кот КОТ 中日本 🐈 éa Éa"]
    return convert(CountVectorizer(**options).fit(texts)).ops[0]


def unsure(op):
    """One output, all weights 0: every document with a known term stays open."""
    return PlanarLinear(
        inputs=(0,),
        rows=np.zeros((1, 1), np.int16),
        exponent=np.zeros(1, np.int16),
        index=np.zeros(op.n_features, np.uint32),
        bias=np.zeros(1),
        centred=False,
        sublinear=False,
        idf=None,
        norm=None,
        error=0.5,
        amplitude=1.0,
    )


def settled_by(door, settle, classes=("no", "yes")):
    op = featurizer()
    return build(door, op, unsure(op), Threshold(inputs=(1,), classes=np.array(classes)), settle)


def in_threads(n, work):
    """All results of ``work(i)``, started together."""
    results, barrier = [None] * n, threading.Barrier(n)

    def run(i):
        barrier.wait()
        results[i] = work(i)

    threads = [threading.Thread(target=run, args=(i,)) for i in range(n)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return results


@pytest.mark.parametrize("analyzer", ["word", "char", "char_wb"])
@pytest.mark.parametrize("lowercase", [False, True])
def test_threads_make_pages_for_each_other(analyzer, lowercase, door_of):
    """Long documents run without the GIL while other threads add to the tables of characters that they read."""
    every = "".join(map(chr, [*range(0x400, 0xD800, 512), *range(0x10000, 0x20000, 512)]))
    tail = "".join(f"КОТ{c}Кот {c}é" for c in every)
    document = "cat Кот " * (RELEASE_FROM // 8) + tail
    results = []
    op = featurizer(analyzer=analyzer, lowercase=lowercase)
    for _ in range(3):
        char_table.cache_clear()  # no page is there yet
        model = build(door_of("text"), op)
        results += in_threads(4, lambda i, model=model: model.counts([document + str(i)]))
    for result in results:
        for got, expected in zip(result, results[0], strict=True):
            np.testing.assert_array_equal(got, expected)


def test_threads_share_a_model(door_of):
    op = featurizer(ngram_range=(1, 2))
    model = build(door_of("text"), op)
    batches = [[f"the cat {'sat ' * i} on Éa {k}" for k in range(3000 * i)] for i in (1, 3, 9)]
    alone = [model.counts(batch) for batch in batches]
    for i, result in enumerate(in_threads(6, lambda i: model.counts(batches[i % 3]))):
        for got, expected in zip(result, alone[i % 3], strict=True):
            np.testing.assert_array_equal(got, expected)


def test_settle_may_ask_the_same_model(door_of):
    calls = []

    def settle(documents, labels, rows):
        calls.append(rows)
        if len(calls) < 3:
            assert model.predict(["a dog", *documents]).tolist() == ["no"] + ["yes"] * len(documents)
        return [1] * len(documents)

    model = settled_by(door_of("text"), settle)
    assert model.predict(["cat", "zzz", "mat"] * 20).tolist() == ["yes", "no", "yes"] * 20
    assert [len(rows) for rows in calls] == [40, 40, 40]
    assert model.stats()[2] == 120


@pytest.mark.parametrize("answer", [2, -1, 10**6, 1 << 40])
def test_settle_answers_classes_alone(answer, door_of):
    with pytest.raises(ValueError, match="not a position in the 2 classes"):
        settled_by(door_of("text"), lambda documents, labels, rows: [answer] * len(rows)).predict(["cat"])


@pytest.mark.parametrize(
    "settle, error",
    [
        (lambda documents, labels, rows: [], ValueError),
        (lambda documents, labels, rows: [0] * (len(rows) + 1), ValueError),
        (lambda documents, labels, rows: None, TypeError),
        (lambda documents, labels, rows: ["yes"] * len(rows), TypeError),
        (lambda documents, labels, rows: 1 // 0, ZeroDivisionError),
    ],
)
def test_what_settle_raises_reaches_the_caller(settle, error, door_of):
    model = settled_by(door_of("text"), settle)
    for n in (1, 40):
        with pytest.raises(error):
            model.predict(["cat"] * n)
    assert model.predict(["zzz"] * 40).tolist() == ["no"] * 40


def test_settle_may_spoil_what_it_is_given(door_of):
    def settle(documents, labels, rows):
        answers = [1] * len(rows)
        documents.clear()
        labels.clear()
        rows[:] = [10**9] * len(rows)
        return answers

    assert settled_by(door_of("text"), settle).predict(["cat", "zzz"]).tolist() == ["yes", "no"]


def test_classes_may_be_objects(door_of):
    model = settled_by(door_of("text"), None, np.array([("a", 1), None], object)[:2])
    assert model.predict(["zzz"] * 17).tolist() == [("a", 1)] * 17


def test_what_prepare_and_strip_raise_reaches_the_caller(door_of):
    op = featurizer(strip_accents="unicode")
    model = build(door_of("text"), op)
    for bad in (["cat", None], ["cat", 3] * 20, [], "cat", [b"\xff"]):
        with pytest.raises((ValueError, AttributeError, TypeError)):
            model.counts(bad)

    class Loud(str):
        def lower(self):
            raise RuntimeError("no")

    with pytest.raises(RuntimeError, match="no"):
        model.counts(["cat", Loud("É")] * 20)
    assert model.counts(["the cat É"])[0].tolist() == [0, 2]


@pytest.mark.parametrize(
    "what, gives, documents",
    [("prepare", lambda op: lambda X: ["cat", None], iter(["cat"])), ("strip", lambda op: lambda text: None, ["cat", "É"])],
)
def test_prepare_and_strip_have_to_give_texts(door_of, monkeypatch, what, gives, documents):
    monkeypatch.setattr(f"quantcore.runtime.text._{what}", gives)
    model = build(door_of("text"), featurizer(strip_accents="unicode"))
    with pytest.raises(TypeError, match=f"{what} gave NoneType"):
        model.counts(documents)


def test_a_subclass_of_str_is_read_as_the_str_that_it_is(door_of):
    """Its own ``lower`` could return what is no str."""

    class Odd(str):
        def lower(self):
            return 5

    model = build(door_of("text"), featurizer())
    for text in ("THE cat İ", "cat ΑΣ"):
        np.testing.assert_array_equal(model.counts([Odd(text)])[2], model.counts([text])[2])


def test_a_model_does_what_it_was_built_for_alone(door_of):
    op = featurizer()
    counter, shown = build(door_of("text"), op), build(door_of("text"), op, unsure(op))
    for method in (counter.predict, counter.labels, counter.scores, shown.predict, shown.counts):
        with pytest.raises(TypeError, match="was built without"):
            method(["cat"])


def test_a_million_features_in_one_document(door_of):
    """Places of features spread over the whole table, however large: a crowded one would take hours."""
    op = convert(HashingVectorizer(n_features=1 << 24, norm=None, alternate_sign=False)).ops[0]
    n = 2_000_000
    indptr, columns, counts = build(door_of("text"), op).counts([" ".join(map(hex, range(n)))])
    assert counts.sum() == n and len(np.unique(columns)) == indptr[1]
