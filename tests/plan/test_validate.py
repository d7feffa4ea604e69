"""Every invariant: a sound Plan passes, each breach is a ValueError, and nothing else is ever raised."""

from __future__ import annotations

from dataclasses import fields, is_dataclass, replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from quantcore.plan import Plan, Vocabulary, ops
from quantcore.plan.validate import validate

TERMS = {("a",): 0, ("b",): 1, ("a", "b"): 2, ("b", "b"): 3, ("a", "b", "c"): 5, ("\ud800é",): 4}
VOCABULARY = Vocabulary.from_terms(TERMS, " ")
TEXT = ops.Text(
    analyzer="word",
    ngram_range=(1, 3),
    lowercase=True,
    strip_accents=None,
    token_pattern=r"(?u)\b\w\w+\b",
    stop_words=("a", "the"),
    encoding="utf-8",
    decode_error="strict",
    source="content",
    binary=False,
    n_features=6,
    vocabulary=VOCABULARY,
)
TFIDF = ops.TfIdf(inputs=(0,), sublinear=True, idf=np.arange(1.0, 7.0), norm="l2")
LINEAR = ops.Linear(inputs=(1,), weight=np.ones((6, 3)), bias=np.zeros(3))
PLANAR = ops.PlanarLinear(
    inputs=(0,),
    rows=np.ones((2, 4), np.int16),
    exponent=np.array([-3, 4], np.int16),
    index=np.array([0, 1, 0, 1, 0, 1], np.uint32),
    bias=np.zeros(3),
    centred=True,
    sublinear=True,
    idf=np.ones(6),
    norm="l2",
    error=0.5,
    amplitude=3000.0,
)
CLASSES = np.array(["x", "y", "z"])
SOUND = Plan(
    (
        TEXT,
        TFIDF,
        LINEAR,
        PLANAR,
        ops.Average(inputs=(2, 3)),
        ops.ArgMax(inputs=(4,), classes=CLASSES),
        ops.Sigmoid(inputs=(2,), slope=np.ones(3), offset=np.zeros(3)),
        ops.Isotonic(inputs=(6,), knots=np.array([0.0, 1, 0, 1, 5]), values=np.ones(5), ends=(2, 4, 5)),
        ops.NormalizeRows(inputs=(7,)),
        ops.Log(inputs=(8,)),
        ops.Take(inputs=(2,), columns=(1,)),
        ops.Threshold(inputs=(10,), classes=(1, "a")),
        ops.Ramp(inputs=(10,), paired=True),
        ops.Softmax(inputs=(10,), paired="mirror"),
        ops.LogSoftmax(inputs=(2,)),
        ops.MultiLabel(inputs=(2,)),
        ops.Concat(inputs=(0, 1), weights=(1.0, 0.5)),
        ops.Binarize(inputs=(16,), threshold=0.0),
    ),
    {"predict": 5, "predict_proba": 8, "predict_log_proba": 9, "decision_function": 2, "transform": 17},
    "text",
    classes=CLASSES,
)


def changed(position, **changes):
    built = list(SOUND.ops)
    built[position] = replace(built[position], **changes)
    return replace(SOUND, ops=tuple(built))


def vocabulary(**changes):
    return changed(0, vocabulary=replace(VOCABULARY, **changes))


def with_value(array, at, value):
    array = array.copy()
    array[at] = value
    return array


V = VOCABULARY
BREACHES = {
    "no ops": replace(SOUND, ops=()),
    "no outputs": replace(SOUND, outputs={}),
    "unknown method": replace(SOUND, outputs={"fit": 2}),
    "output beyond": replace(SOUND, outputs={"predict": 99}),
    "labels as scores": replace(SOUND, outputs={"decision_function": 5}),
    "scores as labels": replace(SOUND, outputs={"predict": 2}),
    "scores as numbers": replace(SOUND, outputs={"apply": 2}),
    "wrong input": replace(SOUND, input="matrix", n_features_in=6),
    "no width": replace(SOUND, input="matrix"),
    "width of text": replace(SOUND, n_features_in=4),
    "classes": replace(SOUND, classes=np.ones((2, 2))),
    "classes of objects": replace(SOUND, classes=np.array([object()])),
    "feature names": replace(SOUND, feature_names_in=("a",)),
    "input ahead": changed(2, inputs=(3,)),
    "input of itself": changed(2, inputs=(2,)),
    "input negative": changed(2, inputs=(-2,)),
    "no inputs": changed(2, inputs=()),
    "two inputs": changed(2, inputs=(0, 1)),
    "input labels": changed(6, inputs=(5,)),
    "input not a tuple": changed(2, inputs=[1]),
    "input a bool": changed(2, inputs=(True,)),
    "softmax of a matrix": changed(14, inputs=(0,)),
    "text of a matrix": changed(0, inputs=(0,)),
    "weight too narrow": changed(2, weight=np.ones((5, 3))),
    "weight float32": changed(2, weight=np.ones((6, 3), np.float32)),
    "weight NaN": changed(2, weight=np.full((6, 3), np.nan)),
    "bias inf": changed(2, bias=np.array([0, np.inf, 0])),
    "bias 2-d": changed(2, bias=np.zeros((3, 1))),
    "no outputs of linear": changed(2, bias=np.zeros(0), weight=np.zeros((6, 0))),
    "dtype": changed(2, dtype="float16"),
    "idf too short": changed(1, idf=np.ones(5)),
    "norm": changed(1, norm="l3"),
    "sublinear": changed(1, sublinear=1),
    "rows float": changed(3, rows=np.ones((2, 4))),
    "rows too wide": changed(3, rows=np.ones((2, 5), np.int16)),
    "exponent too large": changed(3, exponent=np.array([0, 1001], np.int16)),
    "exponent lowest": changed(3, exponent=np.array([0, -32768], np.int16)),
    "exponent short": changed(3, exponent=np.zeros(1, np.int16)),
    "index beyond": changed(3, index=np.array([0, 1, 2, 0, 0, 0], np.uint32)),
    "index missing": changed(3, index=None),
    "index long": changed(3, index=np.zeros(7, np.uint32)),
    "error negative": changed(3, error=-1.0),
    "error NaN": changed(3, error=float("nan")),
    "amplitude inf": changed(3, amplitude=float("inf")),
    "cold narrow": changed(3, cold=np.ones((6, 2))),
    "classes for argmax": changed(5, classes=np.array([1, 2])),
    "average of widths": changed(4, inputs=(2, 10)),
    "slope": changed(6, slope=np.ones(2)),
    "pair of three": changed(6, paired=True),
    "knots fall": changed(7, knots=np.array([1.0, 0, 0, 1, 5])),
    "ends": changed(7, ends=(2, 2, 5)),
    "ends beyond": changed(7, ends=(2, 4, 6)),
    "ends short": changed(7, ends=(2, 5)),
    "empty": changed(8, empty="zero"),
    "floor": changed(9, floor=-1.0),
    "column": changed(10, columns=(3,)),
    "threshold of three": changed(11, inputs=(2,)),
    "at": changed(11, at=float("inf")),
    "scale": changed(13, scale=float("nan")),
    "weights": changed(16, weights=(1.0,)),
    "weights inf": changed(16, weights=(1.0, float("inf"))),
    "analyzer": changed(0, analyzer="line"),
    "ngram_range": changed(0, ngram_range=(2, 1)),
    "ngram_range zero": changed(0, ngram_range=(0, 1)),
    "stop words unsorted": changed(0, stop_words=("b", "a")),
    "encoding": changed(0, encoding="nothing"),
    "encoding not of text": changed(0, encoding="hex"),
    "encoding with NUL": changed(0, encoding="utf\0"),
    "token_pattern": changed(0, token_pattern="("),
    "token_pattern with groups": changed(0, token_pattern="(a)(b)"),
    "token_pattern deep": changed(0, token_pattern="(?:" * 1300 + ")" * 1300),
    "token_pattern long": changed(0, token_pattern="a" * 5000),
    "n_features": changed(0, n_features=5),
    "n_features zero": changed(0, n_features=0),
    "alternate_sign": changed(0, alternate_sign=True),
    "separator": vocabulary(separator=""),
    "bytes not UTF-8": vocabulary(symbol_bytes=with_value(V.symbol_bytes, 0, 255)),
    "symbol within a character": vocabulary(symbol_ends=with_value(V.symbol_ends, -1, V.symbol_ends[-1] - 1)),
    "symbols equal": vocabulary(symbol_bytes=with_value(V.symbol_bytes, 1, ord("a"))),
    "symbols unsorted": vocabulary(symbol_bytes=with_value(V.symbol_bytes, 0, ord("z"))),
    "empty symbol": vocabulary(symbol_ends=with_value(V.symbol_ends, 0, 0)),
    "bytes beyond": vocabulary(symbol_bytes=np.append(V.symbol_bytes, np.uint8(97))),
    "levels": vocabulary(levels=(4, 3)),
    "levels negative": vocabulary(levels=(4, 4, -1)),
    "no levels": vocabulary(levels=()),
    "empty level": vocabulary(levels=(4, 2, 1, 0)),
    "parent of another level": vocabulary(parent=with_value(V.parent, -1, 0)),
    "parent of itself": vocabulary(parent=with_value(V.parent, -1, 6)),
    "symbol beyond": vocabulary(symbol=with_value(V.symbol, 0, 4)),
    "pairs equal": vocabulary(parent=with_value(V.parent, 1, 0)),
    "column beyond": vocabulary(column=with_value(V.column, 0, 6)),
    "columns equal": vocabulary(column=with_value(V.column, 0, 1)),
    "a term without a column": vocabulary(column=V.column[1:]),
    "column int64": vocabulary(column=V.column.astype(np.int64)),
    "is_term short": vocabulary(is_term=V.is_term[1:]),
}


def test_a_sound_plan_passes():
    validate(SOUND)
    validate(replace(SOUND, ops=(replace(TEXT, vocabulary=Vocabulary.from_terms({}, " ")),), outputs={"transform": 0}))
    validate(Plan((ops.Binarize(threshold=0.5),), {"transform": 0}, "matrix", 3, feature_names_in=("a", "b", "c")))


@pytest.mark.parametrize("name", BREACHES)
def test_a_breach_is_refused(name):
    with pytest.raises(ValueError, match="."):
        validate(BREACHES[name])


def test_symbols_that_agree_in_eight_bytes():
    long = [("abcdefgh",), ("abcdefghi",), ("abcdefgh\0",), ("abcdefghij" * 9,)]
    sound = Vocabulary.from_terms({t: i for i, t in enumerate(long)}, " ")
    validate(changed(0, vocabulary=replace(sound)))
    swapped = sound.symbol_bytes.copy()
    swapped[sound.symbol_ends[0] + 8] = ord("z")
    with pytest.raises(ValueError, match="sorted"):
        validate(changed(0, vocabulary=replace(sound, symbol_bytes=swapped)))


def test_strings_longer_than_eight_bytes_need_no_second_look_when_they_differ_early():
    terms = {(f"{i:03d}" * 5,): i for i in range(6)}
    validate(changed(0, vocabulary=Vocabulary.from_terms(terms, " ")))


WILD = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-3, 2**40),
    st.floats(),
    st.text(max_size=3),
    st.just(()),
    st.lists(st.integers(-2, 20), max_size=4).map(tuple),
    st.lists(st.integers(0, 2**32 - 1), max_size=8).map(lambda v: np.array(v, np.uint32)),
    st.lists(st.floats(), max_size=8).map(lambda v: np.array(v, np.float64)),
    st.just(np.zeros((2, 2), np.int16)),
)


@given(position=st.integers(0, len(SOUND.ops) - 1), data=st.data(), value=WILD)
def test_no_field_of_any_value_raises_anything_else(position, data, value):
    op = SOUND.ops[position]
    name = data.draw(st.sampled_from([f.name for f in fields(op)]))
    plan = changed(position, **{name: value})
    if is_dataclass(getattr(op, name)):
        part = data.draw(st.sampled_from([f.name for f in fields(VOCABULARY)]))
        plan = vocabulary(**{part: value})
    try:
        validate(plan)
    except ValueError:
        pass
