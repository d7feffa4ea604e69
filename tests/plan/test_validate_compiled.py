"""Compiled checks of trees: they take what the definitions take, and nothing else."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from quantcore.native import registry
from quantcore.plan.ops import Trees
from quantcore.plan.validate_trees import check_trees

BREAK = {
    "not a whole tree": {"leaf": [0, 1, 0, 1]},
    "no node": {"leaf": [], "split": []},
    "a split too few": {"split": [0]},
    "a test that is not there": {"split": [0, 5]},
    "a feature that is not there": {"feature": [0, 9]},
    "an unknown bit of missing": {"missing": [1, 4]},
    "columns that fall": {"feature": [1, 0]},
    "a column twice": {"feature": [0, 0], "missing": [1, 1]},
    "an empty column": {"ends": [0, 4]},
    "ends beyond the thresholds": {"ends": [1, 7]},
    "thresholds of no column": {"ends": [1, 3]},
    "thresholds that fall": {"threshold": [0.5, 3.0, 2.0, 4.0]},
    "thresholds that are equal": {"threshold": [0.5, 1.0, 1.0, 4.0]},
    "NaN": {"threshold": [np.nan, 1.0, 2.0, 4.0]},
    "-0.0": {"threshold": [-0.0, 1.0, 2.0, 4.0]},
    "two dimensions": {"leaf": [[0, 0, 1, 1, 1, 1]]},
}


def trees(dtype, **other):
    """Two trees, of which some arrays are others."""
    kinds = {
        "leaf": np.bool_,
        "split": np.uint32,
        "feature": np.uint32,
        "missing": np.uint8,
        "ends": np.uint32,
        "threshold": dtype,
    }
    good = {
        "leaf": [0, 0, 1, 1, 1, 1],
        "split": [0, 3],
        "feature": [0, 1],
        "missing": [1, 3],
        "ends": [1, 4],
        "threshold": [0.5, -np.inf, 2.0, np.inf],
    }
    return Trees(**{name: np.array(value, kinds[name]) for name, value in {**good, **other}.items()})


def sound(op, width=3):
    found = registry.door("codec").trees_sound(op.leaf, op.split, op.feature, op.missing, op.ends, op.threshold, width, 0)
    assert type(found) is bool
    return found


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_what_is_sound_passes(dtype):
    op = trees(dtype)
    assert sound(op)
    assert check_trees(op, 3, registry.door("codec")) == check_trees(op, 3, None) == 2
    stump = trees(dtype, leaf=[1], split=[], feature=[], missing=[], ends=[], threshold=[])
    assert sound(stump) and check_trees(stump, 1, None) == 1


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("what", BREAK)
def test_what_is_broken_is_refused_in_the_same_words(dtype, what):
    op = trees(dtype, **BREAK[what])
    assert not sound(op)
    with pytest.raises(ValueError) as definition:
        check_trees(op, 3, None)
    with pytest.raises(ValueError) as compiled:
        check_trees(op, 3, registry.door("codec"))
    assert str(compiled.value) == str(definition.value)


def test_arrays_of_any_layout_are_read():
    op = trees(np.float64)
    assert sound(replace(op, threshold=np.repeat(op.threshold, 2)[::2], split=np.repeat(op.split, 2)[::2]))
    assert not sound(replace(op, threshold=op.threshold.astype(">f8")))  # nor do the definitions take it
    assert not sound(replace(op, missing=op.missing.astype(np.int8)))
