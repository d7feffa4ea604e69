"""Plans as trees, by hand: what is left out, which types are written, and what is refused with which words."""

from __future__ import annotations

import typing
from collections.abc import Mapping
from typing import Any, Literal, Optional, Union

import numpy as np
import pytest
from numpy.typing import NDArray

from quantcore.artifact.tree import _check_of, plan_from_tree, plan_to_tree
from quantcore.errors import ArtifactError
from quantcore.plan import Plan, Vocabulary
from quantcore.plan.ops import Affine, Binarize, Concat, Linear, RowNorm, Softmax, Text, Threshold, WeightedMean

VOCABULARY = Vocabulary.from_terms({("a",): 0, ("b",): 1}, " ")
TEXT = {
    "analyzer": "word", "ngram_range": [1, 2], "lowercase": True, "strip_accents": None, "token_pattern": r"\w+",
    "stop_words": [], "encoding": "utf-8", "decode_error": "strict", "source": "content", "binary": False, "n_features": 2,
    "vocabulary": VOCABULARY,
}  # fmt: skip
WEIGHT, BIAS, CLASSES = np.ones((2, 1)), np.zeros(1), np.array(["ham", "spam"])
TREE: dict[str, Any] = {
    "ops": [
        {"op": "Text", **TEXT},
        {"op": "Linear", "inputs": [0], "weight": WEIGHT, "bias": BIAS},
        {"op": "Threshold", "inputs": [1], "classes": CLASSES, "at": 0.25},
    ],
    "outputs": {"predict": 2, "decision_function": 1},
    "input": "text",
    "classes": CLASSES,
}


def changed(op: int | None, /, **fields: Any) -> dict[str, Any]:
    """The tree with other fields of an op, or of the Plan."""
    if op is None:
        return {**TREE, **fields}
    return {**TREE, "ops": [{**raw, **fields} if i == op else raw for i, raw in enumerate(TREE["ops"])]}


def without(op: int | None, name: str) -> dict[str, Any]:
    if op is None:
        return {k: v for k, v in TREE.items() if k != name}
    return {**TREE, "ops": [{k: v for k, v in raw.items() if i != op or k != name} for i, raw in enumerate(TREE["ops"])]}


def types_of(value: Any) -> Any:
    """A tree as it prints: 1, 1.0, True and NumPy's own numbers differ."""
    if isinstance(value, dict):
        return {k: types_of(v) for k, v in value.items()}
    return [types_of(v) for v in value] if isinstance(value, list) else (type(value), repr(value))


def test_there_and_back():
    plan = plan_from_tree(TREE)
    text, linear, threshold = plan.ops
    assert type(plan) is Plan and (type(text), type(linear), type(threshold)) == (Text, Linear, Threshold)
    assert text.ngram_range == (1, 2) and text.stop_words == () and text.vocabulary is VOCABULARY and text.inputs == (-1,)
    assert linear.inputs == (0,) and linear.weight is WEIGHT and linear.bias is BIAS and threshold.classes is CLASSES
    assert plan.outputs == TREE["outputs"] and plan.classes is CLASSES and plan.n_features_in is None and plan.source == ""
    assert types_of(plan_to_tree(plan)) == types_of(TREE)
    assert plan_from_tree(changed(None, ops=[])).ops == ()


def test_fields_that_hold_their_default_are_left_out():
    """Equal ones too; 0.0 and -0.0 differ, and so do numbers of other types."""
    for at, told in ((0.0, False), (float("0"), False), (-0.0, True), (5.0, True), (1e-300, True)):
        (op,) = plan_to_tree(Plan((Threshold(classes=None, at=at),), {"predict": 0}, "matrix"))["ops"]
        assert op == {"op": "Threshold", "classes": None, **({"at": at} if told else {})}
    bare = plan_to_tree(Plan((Binarize(threshold=0.5),), {"transform": 0}, "matrix", n_features_in=None, source="".join([])))
    assert bare == {"ops": [{"op": "Binarize", "threshold": 0.5}], "outputs": {"transform": 0}, "input": "matrix"}
    full = Plan((), {}, "table", 3, ["x"], ("a", "b", "c"), "S", True, ("d",))
    assert plan_to_tree(full) == {
        "ops": [], "outputs": {}, "input": "table", "n_features_in": 3, "classes": ["x"], "feature_names_in": ["a", "b", "c"],
        "source": "S", "by_name": True, "feature_names_out": ["d"],
    }  # fmt: skip
    scaled = Affine(shift=None, scale=BIAS, product=bool(1), clip=(0.0, 1.0), sparse="".join(["sc", "ale"]))
    (op,) = plan_to_tree(Plan((scaled,), {}, "matrix"))["ops"]
    assert op == {"op": "Affine", "shift": None, "scale": BIAS, "product": True, "clip": [0.0, 1.0]}


def test_numbers_become_pythons():
    """NumPy's scalars too; where a float is declared, an int is one."""
    ops = (
        Binarize(threshold=np.float32(0.5)),
        Binarize(threshold=3),
        Concat(weights=(1, np.float64(2.0)), sparse=np.True_),
        Text(
            **{**TEXT, "ngram_range": (np.int64(1), 2), "n_features": np.uint8(2), "encoding": np.str_("utf-8"), "stop_words": ()}
        ),
        Threshold(classes=(1, 2.5, True, None, "a", np.int64(7), np.float64(8.0), np.False_)),
        WeightedMean(weights=None, divisor=2),
    )
    tree = plan_to_tree(Plan(ops, {np.str_("predict"): np.int64(4)}, "matrix"))
    assert types_of([{k: v for k, v in op.items() if k != "vocabulary"} for op in tree["ops"]]) == types_of(
        [
            {"op": "Binarize", "threshold": 0.5},
            {"op": "Binarize", "threshold": 3.0},
            {"op": "Concat", "weights": [1.0, 2.0], "sparse": True},
            {"op": "Text", **{k: v for k, v in TEXT.items() if k != "vocabulary"}},
            {"op": "Threshold", "classes": [1, 2.5, True, None, "a", 7, 8.0, False]},
            {"op": "WeightedMean", "weights": None, "divisor": 2.0},
        ]
    )
    assert types_of(tree["outputs"]) == {"predict": (int, "4")} and all(type(key) is str for key in tree["outputs"])
    with pytest.raises(TypeError):
        plan_to_tree(Plan((Threshold(classes=object()),), {}, "matrix"))


def op_of(kind: type, **fields: Any) -> Any:
    (op,) = plan_from_tree({"ops": [{"op": kind.__name__, **fields}], "outputs": {}, "input": "matrix"}).ops
    return op


def test_fields_may_all_be_told():
    assert op_of(RowNorm, norm="l1", inputs=[-1]).norm == "l1" and op_of(RowNorm, norm="l2").inputs == (-1,)
    assert op_of(Softmax).scale == 1.0 and op_of(Softmax, scale=2.0, paired="zero").paired == "zero"


INVALID: list[tuple[Any, str]] = [
    (None, "it holds no list of ops"),
    ([], "it holds no list of ops"),
    ("ops", "it holds no list of ops"),
    ({}, "it holds no list of ops"),
    (changed(None, ops=None), "it holds no list of ops"),
    (changed(None, ops={"a": 1}), "it holds no list of ops"),
    (changed(None, ops=(1,)), "it holds no list of ops"),
    (changed(None, ops=[None]), "op 0 has no name"),
    (changed(None, ops=["Text"]), "op 0 has no name"),
    (changed(None, ops=[TREE["ops"][0], {"inputs": [0]}]), "op 1 has no name"),
    (changed(2, op=5), "op 2 has no name"),
    (changed(2, op=None), "op 2 has no name"),
    (changed(2, op=["Text"]), "op 2 has no name"),
    (without(0, "binary"), "op 0 (Text) has no 'binary'"),
    (without(1, "bias"), "op 1 (Linear) has no 'bias'"),
    (without(2, "classes"), "op 2 (Threshold) has no 'classes'"),
    (without(None, "input"), "the Plan has no 'input'"),
    (without(None, "outputs"), "the Plan has no 'outputs'"),
    ({"ops": []}, "the Plan has no 'input'"),
    (changed(0, lowercase=1), "'lowercase' of op 0 (Text) is 1, expected bool"),
    (changed(0, n_features=True), "'n_features' of op 0 (Text) is True, expected int"),
    (changed(0, n_features=2.0), "'n_features' of op 0 (Text) is 2.0, expected int"),
    (changed(0, n_features=None), "'n_features' of op 0 (Text) is None, expected int"),
    (changed(0, encoding=[]), "'encoding' of op 0 (Text) is a list, expected str"),
    (changed(0, encoding={}), "'encoding' of op 0 (Text) is a dict, expected str"),
    (changed(0, analyzer="words"), "'analyzer' of op 0 (Text) is 'words', expected Literal['word', 'char', 'char_wb']"),
    (changed(0, analyzer=None), "'analyzer' of op 0 (Text) is None, expected Literal['word', 'char', 'char_wb']"),
    (changed(0, strip_accents="latin"), "'strip_accents' of op 0 (Text) is 'latin', expected Literal['ascii', 'unicode']"),
    (changed(0, vocabulary=[]), "'vocabulary' of op 0 (Text) is a list, expected Vocabulary"),
    (changed(0, ngram_range=[1]), "'ngram_range' of op 0 (Text) is a list, expected tuple[int, int]"),
    (changed(0, ngram_range=[1, 2, 3]), "'ngram_range' of op 0 (Text) is a list, expected tuple[int, int]"),
    (changed(0, ngram_range=[1, 2.0]), "'ngram_range' of op 0 (Text) is 2.0, expected int"),
    (changed(0, ngram_range=[1.0, 2]), "'ngram_range' of op 0 (Text) is 1.0, expected int"),
    (changed(0, ngram_range="12"), "'ngram_range' of op 0 (Text) is '12', expected tuple[int, int]"),
    (changed(0, stop_words=["a", "b", 3]), "'stop_words' of op 0 (Text) is 3, expected str"),
    (changed(0, stop_words=[1, 2]), "'stop_words' of op 0 (Text) is 1, expected str"),
    (changed(0, stop_words="abc"), "'stop_words' of op 0 (Text) is 'abc', expected tuple[str, ...]"),
    (changed(0, inputs=[0.0]), "'inputs' of op 0 (Text) is 0.0, expected int"),
    (changed(1, weight=WEIGHT.astype("f4")), "'weight' of op 1 (Linear) is an array of float32, expected "),
    (changed(1, weight=[[1.0]]), "'weight' of op 1 (Linear) is a list, expected "),
    (changed(1, weight=None), "'weight' of op 1 (Linear) is None, expected "),
    (changed(1, dtype="float16"), "'dtype' of op 1 (Linear) is 'float16', expected Literal['float64', 'float32']"),
    (changed(2, at=5), "'at' of op 2 (Threshold) is 5, expected float"),
    (changed(2, at=None), "'at' of op 2 (Threshold) is None, expected float"),
    (changed(2, at=np.zeros(1)), "'at' of op 2 (Threshold) is an array of float64, expected float"),
    (changed(2, classes="ab"), "'classes' of op 2 (Threshold) is 'ab', expected labels"),
    (changed(2, classes={}), "'classes' of op 2 (Threshold) is a dict, expected labels"),
    (changed(2, classes=0), "'classes' of op 2 (Threshold) is 0, expected labels"),
    (changed(2, classes=np.zeros((1, 1))), "'classes' of op 2 (Threshold) is an array of float64, expected labels"),
    (changed(2, classes=np.array(1.0)), "'classes' of op 2 (Threshold) is an array of float64, expected labels"),
    (changed(2, classes=["a", {}]), "'classes' of op 2 (Threshold) is a list, expected labels"),
    (changed(2, classes=["a", ["b"]]), "'classes' of op 2 (Threshold) is a list, expected labels"),
    (changed(2, classes=[["a"], "b"]), "'classes' of op 2 (Threshold) is a list, expected labels"),
    (changed(2, classes=[["a"], [["b"]]]), "'classes' of op 2 (Threshold) is a list, expected labels"),
    (changed(2, classes=[["a"], np.zeros((1, 1))]), "'classes' of op 2 (Threshold) is an array of float64, expected labels"),
    (changed(None, outputs=[2]), "'outputs' of the Plan is a list, expected "),
    (changed(None, outputs={"predict": 2.0}), "'outputs' of the Plan is 2.0, expected int"),
    (changed(None, outputs={"predict": 2, "transform": None}), "'outputs' of the Plan is None, expected int"),
    (changed(None, n_features_in="4"), "'n_features_in' of the Plan is '4', expected int"),
    (changed(None, n_features_in=4.0), "'n_features_in' of the Plan is 4.0, expected int"),
    (changed(None, feature_names_in=["a", 1]), "'feature_names_in' of the Plan is 1, expected str"),
    (changed(None, input=None), "'input' of the Plan is None, expected Literal['text', 'matrix', 'table', 'records']"),
    (changed(None, source=None), "'source' of the Plan is None, expected str"),
]


@pytest.mark.parametrize("at", range(len(INVALID)))
def test_what_is_no_plan(at):
    tree, words = INVALID[at]
    with pytest.raises(ArtifactError) as caught:
        plan_from_tree(tree)
    assert caught.value.reason == "invalid"
    text = str(caught.value)
    assert f"not a valid artifact: {words}" in text and (words.endswith(" ") or f"{words};" in text)


@pytest.mark.parametrize(
    ("tree", "words"),
    [
        (changed(1, op="Oracle"), "an op 'Oracle'"),
        (changed(1, op=""), "an op ''"),
        (changed(0, depth=3), "a field 'depth' of op 0 (Text)"),
        (changed(2, kind="Text"), "a field 'kind' of op 2 (Threshold)"),
        (changed(None, novel=1), "a field 'novel' of the Plan"),
        (changed(None, op="Text"), "a field 'op' of the Plan"),
        (changed(0, ops=[]), "a field 'ops' of op 0 (Text)"),
    ],
)
def test_what_needs_a_newer_release(tree, words):
    with pytest.raises(ArtifactError) as caught:
        plan_from_tree(tree)
    assert caught.value.reason == "version" and f"it holds {words};" in str(caught.value)


def test_what_is_shown_of_a_value():
    with pytest.raises(ArtifactError) as caught:
        plan_from_tree(changed(2, at="x" * 200))
    assert f"is '{'x' * 79}, expected float" in str(caught.value)


def test_labels():
    """None, an array, a tuple of scalars, or a list of arrays and tuples, one for each output."""
    array = np.array([1, 2])
    for value, expected in (
        (None, None),
        (array, array),
        ([], ()),
        (["a", 1, 2.5, True, None], ("a", 1, 2.5, True, None)),
        ([None], (None,)),
    ):
        found = op_of(Threshold, classes=value).classes
        assert found is expected or (found == expected and type(found) is tuple)
    found = op_of(Threshold, classes=[array, ["a", 1], []]).classes
    assert type(found) is list and found[0] is array and found[1:] == [("a", 1), ()]
    assert op_of(Threshold, classes=[[1]]).classes == [(1,)] and op_of(Threshold, classes=[array]).classes == [array]


Pair, Many = tuple[int, str], tuple[str, ...]
ARRAY = np.zeros(3, np.uint8)
CHECKS: list[tuple[Any, list[tuple[Any, Any]], list[Any]]] = [
    (int, [(5, 5)], [5.0, True, None, "5", np.int64(5)]),
    (float, [(5.0, 5.0)], [5, True, None, np.float32(5)]),
    (bool, [(True, True)], [1, 0, None]),
    (str, [("a", "a")], [None, ["a"], np.str_("a")]),
    (Literal["a", 1], [("a", "a"), (1, 1)], ["b", True, 1.0, None, 2]),
    (int | None, [(5, 5), (None, None)], [5.0, True, "a"]),
    (Optional[str], [("a", "a"), (None, None)], [5]),  # noqa: UP045  the other spelling
    (Union[bool, None], [(False, False), (None, None)], [0]),  # noqa: UP007
    (Literal["a"] | None, [("a", "a"), (None, None)], ["b"]),
    (Many | None, [(["a"], ("a",)), (None, None)], [[1], "a"]),
    (Pair, [([1, "a"], (1, "a")), ((1, "a"), (1, "a"))], [["a", 1], [1, 2], ["a", "b"], [1], [1, "a", "b"], "1a", None, []]),
    (Many, [([], ()), (["a", "b", "c"], ("a", "b", "c")), (("a",), ("a",))], [[1], ["a", None], "ab", None, {"a": 1}]),
    (tuple[NDArray[np.uint8], ...], [([ARRAY, ARRAY], (ARRAY, ARRAY))], [[ARRAY, ARRAY.astype("u2")], [ARRAY, None], ARRAY]),
    (Mapping[str, int], [({}, {}), ({"a": 1, "b": 2}, {"a": 1, "b": 2})], [{"a": "b"}, {"a": 1, "b": 2.0}, [], None]),
    (NDArray[np.uint8], [(ARRAY, ARRAY)], [ARRAY.view("i1"), ARRAY.astype("u2"), [0], None]),
    (NDArray[np.bool_], [(ARRAY > 0,) * 2], [ARRAY]),
    (NDArray[Any], [(ARRAY, ARRAY), (BIAS, BIAS)], [[0], None, 5]),
]


@pytest.mark.parametrize("at", range(len(CHECKS)))
def test_declared_types(at):
    hint, fitting, wrong = CHECKS[at]
    check = _check_of(hint)
    for value, expected in fitting:
        found = check(value, "field", "somewhere")
        assert type(found) is type(expected) and (found is expected or same(found, expected))
    for value in wrong:
        with pytest.raises(ArtifactError, match=r"'field' of somewhere is .*, expected "):
            check(value, "field", "somewhere")


def same(a: Any, b: Any) -> bool:
    return len(a) == len(b) and all(x is y for x, y in zip(a, b, strict=True)) if type(a) is tuple else a == b


def test_types_without_none_do_not_take_it():
    with pytest.raises(ArtifactError, match="'field' of somewhere is None, expected int"):
        _check_of(typing.Union[int, str])(None, "field", "somewhere")  # noqa: UP007
