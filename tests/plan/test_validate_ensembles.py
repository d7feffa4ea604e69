"""Hostile ops of ensembles: refused by name; what passes is served alike by both paths."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from quantcore.artifact import decode, encode
from quantcore.errors import ArtifactError
from quantcore.plan import Plan, ops
from quantcore.plan.ensemble_ops import UFUNCS
from quantcore.plan.validate import validate
from quantcore.runtime import Executor

LINEAR = ops.Linear(weight=np.arange(9.0).reshape(3, 3) - 4.0, bias=np.array([0.5, 0.0, -0.5]))
CLASSES = np.array(["x", "y", "z"])
SOUND = Plan(
    (
        LINEAR,
        ops.ArgMax(inputs=(0,), classes=np.arange(3)),
        ops.Take(inputs=(0,), columns=(1,)),
        ops.Threshold(inputs=(2,), classes=np.array([0, 1]), at=0.0),
        ops.Votes(inputs=(1, 3, 1), n_classes=3, weights=np.array([1.0, 0.25, 2.0])),
        ops.ArgMax(inputs=(4,), classes=CLASSES),
        ops.MultiLabel(inputs=(0,), at=0.0),
        ops.Votes(inputs=(6,), n_classes=3, columns=np.array([[0, 1], [0, 2], [1, 2]], np.uint32)),
        ops.PairConfidence(inputs=(0,)),
        ops.WeightedMean(inputs=(7, 8), weights=None, divisor=1.0),
        ops.CodeScores(inputs=(0,), codes=np.array([[1.0, -1, 1], [0, 0, 1], [1, 1, 1], [-1, 1, 1]])),
        ops.LabelValues(inputs=(1,)),
        ops.Augment(inputs=(-1, 11, 8), front=True),
        ops.ScoreUfunc(inputs=(0,), name="expm1"),
        ops.Layers(inputs=(0, 8)),
        ops.WeightedMean(inputs=(0, 8), weights=(0.5, -1.5), divisor=-1.0),
        ops.Stack(inputs=(1, 3)),
    ),
    {"predict": 5, "decision_function": 9, "transform": 12},
    "matrix",
    n_features_in=3,
    classes=CLASSES,
)
ROWS = np.random.default_rng(3).normal(size=(20, 3))


def changed(position, **changes):
    built = list(SOUND.ops)
    built[position] = replace(built[position], **changes)
    return replace(SOUND, ops=tuple(built))


def shown(position, method="decision_function"):
    return replace(SOUND, outputs={method: position})


SHOWN = [(10, "decision_function"), (13, "predict_proba"), (14, "transform"), (15, "transform"), (16, "transform")]


@pytest.mark.parametrize(("position", "method"), SHOWN)
def test_whole_ones_pass(position, method):
    validate(SOUND)
    found = decode(encode(shown(position, method), {})).plan
    expected = Executor(SOUND, native=False).value_at(position, ROWS)
    np.testing.assert_allclose(Executor(found).run(method, ROWS), expected, rtol=1e-12)


U32 = np.uint32
BREACHES = [
    (4, {"inputs": (1, 0)}, "labels"),
    (4, {"inputs": (1, -1)}, "labels"),
    (4, {"inputs": ()}, "inputs"),
    (4, {"n_classes": 2}, "labels"),
    (4, {"n_classes": 0}, "n_classes"),
    (4, {"n_classes": 3.0}, "n_classes"),
    (4, {"n_classes": 1 << 30}, "n_classes"),
    (4, {"weights": np.array([1.0, -1.0, 2.0])}, "negative"),
    (4, {"weights": np.array([1.0, np.nan, 2.0])}, "weights"),
    (4, {"weights": np.array([1e308, 1e308, 2.0])}, "weights"),
    (4, {"weights": np.ones(2)}, "weights"),
    (1, {"classes": np.array([0, 1, -1])}, "from 0"),
    (1, {"classes": np.array([0, 1, 1 << 40])}, "beyond"),
    (1, {"classes": np.array([0.0, 1.0, 2.0])}, "from 0"),
    (1, {"classes": (0, 1, 2)}, "numbers"),
    (7, {"columns": np.array([[0, 1], [0, 2], [1, 3]], U32)}, "beyond"),
    (7, {"columns": np.array([[0], [0], [1]], U32)}, "labels a member"),
    (7, {"columns": np.array([[0, 1], [0, 2]], U32)}, "columns"),
    (7, {"columns": np.array([[0, 1], [0, 2], [1, 2]])}, "columns"),
    (8, {"inputs": (-1,)}, "matrix"),
    (7, {"inputs": (5, 5, 5)}, "numbers"),
    (7, {"inputs": (1, 6, 1)}, "labels"),
    (9, {"divisor": 0.0}, "divisor"),
    (9, {"divisor": float("nan")}, "divisor"),
    (9, {"inputs": (7, 2)}, "columns"),
    (15, {"weights": (1.0,)}, "one weight"),
    (15, {"weights": [1.0, 2.0]}, "one weight"),
    (15, {"weights": (1.0, float("inf"))}, "finite"),
    (10, {"codes": np.ones((4, 2))}, "codes"),
    (10, {"codes": np.full((4, 3), 0.5)}, "whole"),
    (10, {"codes": np.full((4, 3), 2.0**40)}, "whole"),
    (10, {"codes": np.zeros((0, 3))}, "codes"),
    (10, {"codes": np.ones((4, 3), np.float32)}, "codes"),
    (11, {"inputs": (0,)}, "labels"),
    (11, {"inputs": (5,)}, "numbers"),
    (11, {"inputs": (1, 1)}, "inputs"),
    (12, {"front": 1}, "front"),
    (12, {"inputs": (-1, 1)}, "labels"),
    (13, {"name": "exec"}, "function"),
    (13, {"name": "sin"}, "function"),
    (13, {"name": None}, "function"),
    (13, {"inputs": (-1,)}, "matrix"),
    (14, {"inputs": (0, 2)}, "columns"),
    (14, {"inputs": (0, -1)}, "matrix"),
]


@pytest.mark.parametrize(("position", "changes", "message"), BREACHES, ids=range(len(BREACHES)))
def test_a_breach_is_refused(position, changes, message):
    with pytest.raises(ValueError, match=message):
        validate(changed(position, **changes))


@pytest.mark.parametrize("width", [2, 4, 5, 7, 8, 9])
def test_scores_that_are_no_pairs(width):
    wide = (ops.Linear(weight=np.ones((3, width)), bias=np.zeros(width)), ops.PairConfidence(inputs=(0,)))
    with pytest.raises(ValueError, match="pair of classes"):
        validate(Plan(wide, {"decision_function": 1}, "matrix", n_features_in=3))


@pytest.mark.parametrize(
    ("position", "method"), [(14, "predict_proba"), (14, "predict"), (7, "predict"), (12, "decision_function")]
)
def test_only_matching_methods(position, method):
    with pytest.raises(ValueError, match=method):
        validate(shown(position, method))


def test_all_functions_are_numpy_s_own_and_of_one_number():
    for name in UFUNCS:
        assert isinstance(getattr(np, name), np.ufunc) and getattr(np, name).nin == getattr(np, name).nout == 1


def test_random_changes_are_refused_or_served_alike():
    random = np.random.default_rng(0)
    arrays = [(4, "weights"), (7, "columns"), (10, "codes"), (1, "classes")]
    passed = 0
    for _ in range(300):
        position, name = arrays[random.integers(len(arrays))]
        array = getattr(SOUND.ops[position], name).copy()
        array.flat[random.integers(array.size)] = random.choice([0, 1, 2, 3, 7])
        given = replace(
            changed(position, **{name: array}), outputs={"predict": 5, "decision_function": int(random.choice([9, 10]))}
        )
        try:
            found = decode(encode(given, {})).plan
        except (ValueError, ArtifactError):
            continue
        passed += 1
        for method in found.outputs:
            a, b = (Executor(found, native=native).run(method, ROWS) for native in (True, False))
            (np.testing.assert_array_equal if method == "predict" else np.testing.assert_allclose)(a, b)
    assert passed > 100
