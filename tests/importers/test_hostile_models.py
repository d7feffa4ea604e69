"""Whatever is in a model file, or in the arrays of a fitted tree: a model, or UnsupportedModelError that names a field."""

from __future__ import annotations

import copy
import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from sklearn import ensemble, tree
from sklearn.datasets import make_classification

from quantcore.errors import UnsupportedModelError
from quantcore.importers import convert

PROGRAM = Path(__file__).with_name("mutants.py")
MANY = int(os.environ.get("QUANTCORE_MUTANTS", 200_000))
X, Y = make_classification(300, 5, n_informative=4, n_redundant=0, n_classes=3, random_state=0)
X[:, 2] = np.random.default_rng(0).integers(0, 6, len(X))


def run(family, seed, count):
    """What became of the mutants of a process of its own, which has little memory and little time for each."""
    pytest.importorskip(family)
    command = [sys.executable, "-W", "ignore", str(PROGRAM), family, str(seed), str(count)]
    done = subprocess.run(command, capture_output=True, text=True, env={**os.environ, "OMP_NUM_THREADS": "1"})
    assert done.returncode == 0, f"the process ended with status {done.returncode}\n{done.stderr[-2000:]}"
    found = json.loads(done.stdout)
    assert not found["failures"], json.dumps(found["failures"][:5], indent=1)
    assert found["models"] + found["refused"] == count
    # Both ends have to be there: mutants that are still models, and many fields that are looked at.
    assert found["models"] > count / 20 and len(found["fields"]) > 20, found
    return found


@pytest.mark.parametrize("family", ["xgboost", "lightgbm"])
def test_mutants(family):
    run(family, 0, 1000)


@pytest.mark.slow
@pytest.mark.parametrize("family", ["xgboost", "lightgbm"])
def test_many_mutants(family, capsys):
    found = run(family, 1, MANY // 2)
    with capsys.disabled():
        shown = {name: found[name] for name in ("models", "refused", "slowest_seconds", "grown_mb")}
        print(f"\n{family}: {shown}, {len(found['fields'])} fields")


def refused(tmp_path, text):
    path = tmp_path / "model"
    path.write_text(text)
    with pytest.raises(UnsupportedModelError) as caught:
        convert(path)
    return " ".join(str(caught.value).split())


def test_names_that_stand_twice(tmp_path):
    assert "'version' stands twice" in refused(tmp_path, '{"version": [3, 0, 0], "version": [2, 0, 0], "learner": {}}')
    head = "tree\nversion=v4\nnum_tree_per_iteration=1\nmax_feature_idx=0\n"
    assert "header.max_feature_idx: it stands twice" in refused(
        tmp_path, f"{head}max_feature_idx=9\n\nTree=0\nnum_leaves=1\n\nend of trees"
    ).replace("model(header.max_feature_idx)", "header.max_feature_idx")


def test_one_long_word_costs_no_room_for_all(tmp_path):
    """NumPy gives each string of an array the room of the longest: here 40 GB."""
    words = " ".join(["0"] * 1000 + ["1" * 10_000_000])
    head = "tree\nversion=v4\nnum_tree_per_iteration=1\nmax_feature_idx=0"
    assert "leaf_value" in refused(tmp_path, f"{head}\n\nTree=0\nnum_leaves=1\nleaf_value={words}\n\nend of trees")


def test_sets_of_categories_that_multiply(tmp_path):
    """30,000 splits of one category each beside one of 320,000: a flag for each pair would take 10 GB."""
    n, words = 30_001, 10_000
    columns = {
        "split_feature": [0] * n,
        "threshold": range(n),
        "decision_type": [1] * n,
        "left_child": [~k for k in range(n)],
        "right_child": [*range(1, n), ~n],
        "leaf_value": [0] * (n + 1),
        "cat_boundaries": [*range(n), n - 1 + words],
        "cat_threshold": [1] * (n - 1) + [2**32 - 1] * words,
    }
    lines = "\n".join(f"{name}={' '.join(map(str, values))}" for name, values in columns.items())
    head = "tree\nversion=v4\nnum_tree_per_iteration=1\nmax_feature_idx=0"
    assert "categories" in refused(tmp_path, f"{head}\n\nTree=0\nnum_leaves={n + 1}\nnum_cat={n}\n{lines}\n\nend of trees")


# Fitted trees with changed arrays: (estimator, what is changed, the field that has to be named).
TREES = {
    "child of two": (lambda t: t.children_left.__setitem__(0, t.children_right[0]), "children"),
    # A leaf that gets a child has no feature to test.
    "own descendant": (lambda t: t.children_left.__setitem__(t.children_left[0], 0), "children|feature"),
    "own child": (lambda t: t.children_right.__setitem__(0, 0), "children"),
    "left beyond": (lambda t: t.children_left.__setitem__(0, t.node_count), "children"),
    "right negative": (lambda t: t.children_right.__setitem__(0, -1), "children"),
    "far beyond": (lambda t: t.children_right.__setitem__(0, 1 << 40), "children"),
    "feature beyond": (lambda t: t.feature.__setitem__(0, 5), "feature"),
    "feature negative": (lambda t: t.feature.__setitem__(0, -2), "feature"),
    "threshold NaN": (lambda t: t.threshold.__setitem__(0, np.nan), "threshold"),
}
ESTIMATORS = [
    tree.DecisionTreeClassifier(max_depth=4),
    tree.ExtraTreeRegressor(max_depth=4),
    ensemble.RandomForestClassifier(3, max_depth=4),
    ensemble.ExtraTreesRegressor(3, max_depth=4),
    ensemble.GradientBoostingClassifier(n_estimators=2),
    ensemble.AdaBoostClassifier(tree.DecisionTreeClassifier(max_depth=3), n_estimators=3),
    ensemble.BaggingClassifier(tree.DecisionTreeClassifier(max_depth=4), n_estimators=3, max_features=0.8),
    ensemble.IsolationForest(n_estimators=3),
    ensemble.RandomTreesEmbedding(3),
]


@pytest.mark.parametrize("change", TREES)
@pytest.mark.parametrize("estimator", ESTIMATORS, ids=lambda e: type(e).__name__)
def test_trees_with_changed_arrays(estimator, change):
    source = copy.deepcopy(estimator).fit(X, Y)
    inner = getattr(source, "estimators_", [source])
    first = np.ravel(inner)[0].tree_
    TREES[change][0](first)
    with pytest.raises(UnsupportedModelError, match=TREES[change][1]):
        convert(source)


HISTOGRAMS = {
    "own child": (lambda p: p.nodes["left"].__setitem__(0, 0), "children"),
    "child of two": (lambda p: p.nodes["left"].__setitem__(0, p.nodes["right"][0]), "children"),
    "child beyond": (lambda p: p.nodes["right"].__setitem__(0, 4_000_000_000), "children"),
    "feature beyond": (lambda p: p.nodes["feature_idx"].__setitem__(0, 77), "feature_idx"),
    "threshold NaN": (lambda p: p.nodes["num_threshold"].__setitem__(slice(None), np.nan), "threshold"),
    "set beyond": (lambda p: p.nodes["bitset_idx"].__setitem__(slice(None), 4_000_000_000), "bitset_idx"),
    "set of a number": (lambda p: p.nodes["is_categorical"].__setitem__(slice(None), 1), "bitset_idx"),
}


@pytest.mark.parametrize("change", HISTOGRAMS)
def test_histogram_trees_with_changed_arrays(change):
    source = ensemble.HistGradientBoostingRegressor(max_iter=3, categorical_features=[2]).fit(X, X[:, 2] % 2 + X[:, 0])
    for (predictor,) in source._predictors:
        HISTOGRAMS[change][0](predictor)
    with pytest.raises(UnsupportedModelError, match=HISTOGRAMS[change][1]):
        convert(source)
