"""What a certificate is about: which answers follow from given scores and their ends, and what can't be asked for."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest

from quantcore.plan import Plan, ops
from quantcore.runtime.certify import LABEL, Property, checked, decided

NAMES = np.array(["a", "b", "c"])
LINEAR = ops.Linear(weight=np.ones((2, 3)), bias=np.zeros(3))
CLASSES = ops.ArgMax(classes=NAMES, inputs=(0,))
SOFTMAX = ops.Softmax(inputs=(0,))


def plan(*made, classes=NAMES, **outputs):
    return Plan(made, outputs, "matrix", n_features_in=2, classes=classes, source="Source")


USUAL = plan(LINEAR, CLASSES, SOFTMAX, predict=1, predict_proba=2)


def executor(plan, found, dtype="float64", margin=0.0):
    """One whose results are given: {position: (value, interval)}."""
    values = {at: SimpleNamespace(value=np.array(value, float), interval=ends) for at, (value, ends) in found.items()}
    return SimpleNamespace(
        plan=plan,
        _dtype=dtype,
        _evaluate=lambda position, given, known: values[position],
        _compared=lambda position, given, known: (values[position].interval, margin),
        _decided=lambda op, given, known: (np.array(["x", "y"]), np.array([True, False])),
    )


def ends(value, half):
    value, half = np.array(value, float), np.array(half, float)
    return value - half, value + half


def test_properties_as_they_are_asked_for():
    assert checked("label", USUAL) is LABEL and LABEL.as_json() == "label"
    for asked in ({"threshold": 0.25}, {"top_k": 1}, {"top_k": 2}):
        found = checked(asked, USUAL)
        assert found.as_json() == asked and (found.kind, found.value) == next(iter(asked.items()))
    for value, kind in ((np.float32(0.25), float), (np.float64(0.5), float), (1e-300, float)):
        assert type(checked({"threshold": value}, USUAL).value) is kind
    assert type(checked({"top_k": np.int8(2)}, USUAL).value) is int
    # Classes of the decision itself, where the Plan has none.
    assert checked({"top_k": 2}, plan(LINEAR, CLASSES, classes=None, predict=1)).value == 2


@pytest.mark.parametrize(
    "asked",
    [
        "labels",
        b"label",
        None,
        7,
        ["label"],
        [],
        {},
        {"other": 1},
        {"threshold": 0.5, "top_k": 1},
        {"label": None},
        ("threshold", 0.5),
    ],
    ids=repr,
)
def test_properties_that_are_none(asked):
    with pytest.raises(ValueError, match="is not known in this release; expected 'label'"):
        checked(asked, USUAL)


@pytest.mark.parametrize("value", [0.0, 1.0, -0.5, 1.5, True, False, np.True_, "0.5", None, float("nan"), 0.5j], ids=repr)
def test_thresholds_that_are_no_probabilities(value):
    with pytest.raises(ValueError, match=r"expected a threshold in \(0, 1\)"):
        checked({"threshold": value}, USUAL)


@pytest.mark.parametrize("value", [0, 3, -1, True, np.True_, 1.0, "1", None], ids=repr)
def test_numbers_of_classes_that_there_are_not(value):
    with pytest.raises(ValueError, match=r"from 1 to 2; Source has 3 classes"):
        checked({"top_k": value}, USUAL)


def test_sources_without_such_answers():
    for asked in ({"threshold": 0.5}, {"top_k": 1}):
        with pytest.raises(ValueError, match="Source has no predict,"):
            checked(asked, plan(LINEAR, decision_function=0))
        with pytest.raises(ValueError, match="Source is a regressor"):
            checked(asked, plan(LINEAR, ops.Predictions(flat=True, inputs=(0,)), predict=1))
    with pytest.raises(ValueError, match="Source has no predict_proba"):
        checked({"threshold": 0.5}, plan(LINEAR, CLASSES, predict=1))
    several = plan(LINEAR, CLASSES, ops.Stack(inputs=(1, 1)), predict=2)
    with pytest.raises(ValueError, match="several labels a row"):
        checked({"top_k": 1}, several)
    with pytest.raises(ValueError, match="several labels a row"):
        checked({"top_k": 1}, plan(LINEAR, CLASSES, classes=[NAMES, NAMES], predict=1))
    nameless = Plan((LINEAR,), {"decision_function": 0}, "matrix", n_features_in=2)
    with pytest.raises(ValueError, match="this model has no predict,"):
        checked({"top_k": 1}, nameless)


def test_labels_are_the_executors():
    labels, sure = decided(executor(USUAL, {}), LABEL, None)
    assert labels.tolist() == ["x", "y"] and sure.tolist() == [True, False]


def test_thresholds_of_each_class():
    value = [[0.5, 0.25, 0.25], [0.5, 0.25, 0.25], [0.75, 0.125, 0.125], [0.25, 0.25, 0.5]]
    # The lowest may be the threshold, the highest may not.
    half = [[0, 0.125, 0], [2**-50, 0, 0], [0.25, 0, 0], [0.25, 0, 0]]
    found = executor(USUAL, {2: (value, ends(value, half))})
    answers, sure = decided(found, Property("threshold", 0.5), None, {})
    assert answers.tolist() == [[True, False, False], [True, False, False], [True, False, False], [False, False, True]]
    assert sure.tolist() == [True, False, True, False]
    answers, sure = decided(executor(USUAL, {2: (value, None)}), Property("threshold", 0.5), None)
    assert answers.shape == (4, 3) and not sure.any() and sure.shape == (4,)


def test_a_threshold_in_float32_is_its_nearest_float32_as_well():
    """0.1 is below float32(0.1), 0.7 above float32(0.7)."""
    for at in (0.1, 0.7):
        low, high = sorted((at, float(np.float32(at))))
        between, inside = (low + high) / 2, [[low, 0, 0], [np.nextafter(low, 0), 0, 0], [high, 0, 0], [(low + high) / 2, 0, 0]]
        value = np.array(inside)
        for dtype, expected in (("float32", [False, True, True, False]), ("float64", [True] * 4)):
            sure = decided(executor(USUAL, {2: (value, (value, value))}, dtype), Property("threshold", at), None)[1]
            assert sure.tolist() == expected
        assert low < between < high


def test_thresholds_of_two_classes_are_of_the_second():
    value = [[0.75, 0.25], [0.25, 0.75]]
    two = plan(LINEAR, ops.ArgMax(classes=NAMES[:2], inputs=(0,)), SOFTMAX, predict=1, predict_proba=2)
    half = [[1.0, 0.0], [1.0, 0.5]]  # the first column is not asked for
    answers, sure = decided(executor(two, {2: (value, ends(value, half))}), Property("threshold", 0.5), None)
    assert answers.tolist() == [False, True] and sure.tolist() == [True, False]
    labels = plan(LINEAR, ops.MultiLabel(inputs=(0,)), SOFTMAX, predict=1, predict_proba=2)  # two labels are no pair of classes
    answers, sure = decided(executor(labels, {2: (value, ends(value, half))}), Property("threshold", 0.5), None)
    assert answers.tolist() == [[True, False], [False, True]] and sure.tolist() == [False, False]


def test_thresholds_of_a_stack_of_decisions_that_share_probabilities():
    value = [[0.75, 0.25], [0.25, 0.75]]
    stacked = plan(LINEAR, CLASSES, SOFTMAX, ops.Stack(inputs=(1, 1)), predict=3, predict_proba=2)
    answers, _ = decided(executor(stacked, {2: (value, ends(value, 0))}), Property("threshold", 0.5), None)
    assert answers.tolist() == [[True, False], [False, True]]


def test_what_has_been_computed_is_handed_on():
    handed = []
    found = executor(USUAL, {})
    found._decided = lambda op, given, known: handed.append((op, given, known))
    already = {0: "scores"}
    decided(found, LABEL, "rows", already)
    decided(found, LABEL, "rows")
    assert handed == [(CLASSES, "rows", already), (CLASSES, "rows", {})] and handed[0][2] is already


def test_thresholds_of_several_outputs():
    pair, three = [[0.75, 0.25], [0.25, 0.75]], [[0.5, 0.25, 0.25], [0.25, 0.75, 0.0]]
    decision = ops.Stack(inputs=(1, 1))
    both = plan(LINEAR, CLASSES, SOFTMAX, SOFTMAX, ops.Several(inputs=(2, 3)), decision, predict=5, predict_proba=4)
    found = {2: (pair, ends(pair, 0)), 3: (three, ends(three, [[0, 0, 0], [0, 0.5, 0]]))}
    answers, sure = decided(executor(both, found), Property("threshold", 0.5), None)
    assert answers.tolist() == [[False, True, False, False], [True, False, True, False]] and sure.tolist() == [True, False]
    one = plan(LINEAR, CLASSES, SOFTMAX, ops.Several(inputs=(2,)), decision, predict=4, predict_proba=3)
    answers, sure = decided(executor(one, found), Property("threshold", 0.5), None)
    assert answers.tolist() == [[False], [True]] and sure.tolist() == [True, True]  # one output is still several
    answers, sure = decided(executor(both, {**found, 2: (pair, None)}), Property("threshold", 0.5), None)
    assert answers.shape == (2, 4) and not sure.any()


def test_the_first_classes():
    value = [[1.0, 3.0, 2.0], [2.0, 2.0, 1.0], [1.0, 2.0, 2.0], [3.0, 1.0, 2.5]]
    found = executor(USUAL, {0: (value, ends(value, [[0.25] * 3, [0] * 3, [0] * 3, [0.5] * 3]))})
    labels, sure = decided(found, Property("top_k", 1), None)
    assert labels.tolist() == [["b"], ["a"], ["b"], ["a"]] and sure.tolist() == [True, True, True, False]
    labels, sure = decided(found, Property("top_k", 2), None)
    assert labels.tolist() == [["b", "c"], ["a", "b"], ["b", "c"], ["a", "c"]] and sure.tolist() == [True] * 4
    unknown = decided(executor(USUAL, {0: (value, None)}), Property("top_k", 2), None)[1]
    assert unknown.tolist() == [False] * 4
    rounded = decided(executor(USUAL, {0: (value, ends(value, 0))}, margin=1.0), Property("top_k", 1), None)[1]
    assert rounded.tolist() == [True, True, False, True]  # 2 may be rounded to 1 that is in front of it; ties go to the first


def test_the_first_class_of_one_score_is_the_label():
    threshold = plan(LINEAR, ops.Threshold(classes=NAMES[:2], inputs=(0,)), predict=1)
    labels, sure = decided(executor(threshold, {}), Property("top_k", 1), None)
    assert labels.tolist() == [["x"], ["y"]] and sure.tolist() == [True, False]


def test_classes_of_the_plan_where_the_decision_has_none():
    labels = plan(LINEAR, ops.MultiLabel(inputs=(0,)), predict=1)
    value = [[1.0, 3.0, 2.0]]
    assert decided(executor(labels, {0: (value, ends(value, 0))}), Property("top_k", 1), None)[0].tolist() == [["b"]]
