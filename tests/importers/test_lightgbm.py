"""LightGBM: raw scores bit for bit, and what its objectives make of them."""

from __future__ import annotations

import functools
import re
import warnings

import numpy as np
import pytest
from scipy.sparse import csr_matrix
from sklearn.calibration import CalibratedClassifierCV
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from quantcore.errors import UnsupportedModelError
from quantcore.importers import convert
from quantcore.plan import METHODS
from quantcore.plan.ops import LeafSum, Trees
from quantcore.reference import FUNCTIONS, run

lightgbm = pytest.importorskip("lightgbm")

RANDOM = np.random.default_rng(0)
X = RANDOM.normal(size=(800, 6))
X[:, 3] = np.where(RANDOM.random(len(X)) < 0.4, 0.0, X[:, 3])
X[:, 4] = RANDOM.integers(0, 12, len(X))
X[RANDOM.random(X.shape) < 0.08] = np.nan
FILLED = np.nan_to_num(X)
NUMBER = FILLED[:, 0] * 3 + FILLED[:, 1] ** 2 + np.abs(FILLED[:, 3]) + FILLED[:, 4] % 5
BINARY = (NUMBER > 4).astype(int)
CLASSES = np.digitize(NUMBER, [2.0, 4.0, 6.0])
POSITIVE = np.exp(NUMBER / 8)
OBJECTIVES = {
    "regression": NUMBER, "regression_l1": NUMBER, "huber": NUMBER, "fair": NUMBER, "quantile": NUMBER, "mape": POSITIVE,
    "poisson": POSITIVE, "gamma": POSITIVE, "tweedie": POSITIVE,
    "binary": BINARY, "cross_entropy": BINARY * 0.7, "cross_entropy_lambda": BINARY * 0.7,
    "multiclass": CLASSES, "multiclassova": CLASSES,
}  # fmt: skip


def train(objective="regression", rounds=10, *, y=None, rows=X, categories="auto", group=None, **options):
    options = {"objective": objective, "verbose": -1, "num_leaves": 12, "min_data_in_leaf": 5, "num_threads": 1, **options}
    if objective.startswith("multiclass"):
        options["num_class"] = 4
    data = lightgbm.Dataset(rows, OBJECTIVES[objective] if y is None else y, categorical_feature=categories, group=group)
    return lightgbm.train(options, data, rounds)


def scores_of(plan, rows):
    trees, sums = (next(op for op in plan.ops if isinstance(op, kind)) for kind in (Trees, LeafSum))
    return FUNCTIONS["LeafSum"](sums, FUNCTIONS["Trees"](trees, rows))


def check(booster, hard_rows, rows=X):
    plan = convert(booster)
    rows = hard_rows(plan, rows, np.random.default_rng(1))
    scores = scores_of(plan, rows)
    if "\naverage_output" not in booster.model_to_string():  # raw scores of these are not divided
        np.testing.assert_array_equal(scores, booster.predict(rows, raw_score=True).reshape(scores.shape))
    expected, found = booster.predict(rows), run(plan, rows)
    assert (found.shape, found.dtype) == (expected.shape, expected.dtype)
    np.testing.assert_allclose(found, expected, rtol=1e-14, atol=1e-16)
    return plan


@pytest.mark.parametrize("boosting", ["gbdt", "dart", "rf"])
@pytest.mark.parametrize("objective", OBJECTIVES)
def test_objectives(objective, boosting, hard_rows):
    options = {"bagging_fraction": 0.7, "bagging_freq": 1} if boosting == "rf" else {}
    check(train(objective, boosting=boosting, **options), hard_rows)


@pytest.mark.parametrize("options", [{"use_missing": False}, {"zero_as_missing": True}, {}], ids=str)
def test_missing_values(options, hard_rows):
    for rows in (X, FILLED):
        plan = check(train(rows=rows, **options), hard_rows, rows)
        small = [0.0, -0.0, 1e-35, -1e-35, 1.0000000180025095e-35, -1.0000000180025095e-35, 1.1e-35, -1.1e-35, 1e-36, np.nan]
        near = np.random.default_rng(2).choice(small, (300, X.shape[1]))
        booster = train(rows=rows, **options)
        np.testing.assert_array_equal(run(plan, near), booster.predict(near))


@pytest.mark.parametrize("options", [{}, {"max_cat_to_onehot": 20}, {"use_missing": False}, {"zero_as_missing": True}], ids=str)
def test_categories(options, hard_rows):
    booster = train(categories=[4], **options, min_data_per_group=5, cat_smooth=1)
    plan = check(booster, hard_rows)
    assert plan.ops[0].members is not None
    rows = X.copy()
    rows[:, 4] = np.random.default_rng(2).choice([0, 3, 5, 11, 12, 40, 3.7, -1, -0.5, 1e6, 2.0**31, 1e300, np.nan], len(rows))
    np.testing.assert_array_equal(run(plan, rows), booster.predict(rows))


def test_many_categories(hard_rows):
    rows = X.copy()
    rows[:, 4] = np.random.default_rng(3).integers(0, 400, len(X)) * 7
    check(train(rows=rows, y=rows[:, 4] % 3 + FILLED[:, 0], categories=[4], min_data_per_group=1, cat_smooth=0), hard_rows, rows)


def test_ranking_and_others(hard_rows):
    for objective in ("lambdarank", "rank_xendcg"):
        check(train(objective, y=BINARY, group=[20] * 40), hard_rows)
    check(train(reg_sqrt=True), hard_rows)
    check(train("binary", sigmoid=2.5), hard_rows)
    check(train(linear_tree=False, monotone_constraints=[1, -1, 0, 0, 0, 0], extra_trees=True), hard_rows)
    check(train(min_data_in_leaf=700), hard_rows)  # single leaves


ESTIMATORS = [
    (lightgbm.LGBMClassifier(), BINARY),
    (lightgbm.LGBMClassifier(), np.array(["no", "yes"])[BINARY]),
    (lightgbm.LGBMClassifier(), CLASSES + 3),
    (lightgbm.LGBMClassifier(objective="multiclassova"), CLASSES),
    (lightgbm.LGBMClassifier(boosting_type="rf", subsample=0.7, subsample_freq=1), CLASSES),
    (lightgbm.LGBMRegressor(), NUMBER),
    (lightgbm.LGBMRegressor(objective="poisson"), POSITIVE),
]


@pytest.mark.parametrize(("estimator", "y"), ESTIMATORS)
def test_estimators(estimator, y, hard_rows):
    estimator.set_params(n_estimators=8, num_leaves=12, n_jobs=1, verbose=-1).fit(X, y)
    plan = convert(estimator)
    rows = hard_rows(plan, X, np.random.default_rng(1))
    assert set(plan.outputs) == {m for m in METHODS if hasattr(estimator, m)}
    labels = estimator.predict(rows)
    assert run(plan, rows).dtype == labels.dtype
    if "predict_proba" in plan.outputs:
        np.testing.assert_array_equal(run(plan, rows), labels)
        expected = estimator.predict_proba(rows)
        np.testing.assert_allclose(run(plan, rows, "predict_proba"), expected, rtol=1e-14, atol=4e-16)
        if "decision_function" in plan.outputs:
            np.testing.assert_array_equal(run(plan, rows, "decision_function"), estimator.decision_function(rows))
    else:
        np.testing.assert_allclose(run(plan, rows), labels, rtol=1e-14)


def test_within_scikit_learns_own():
    scaled = make_pipeline(StandardScaler(), lightgbm.LGBMClassifier(n_estimators=4, n_jobs=1, verbose=-1))
    search = GridSearchCV(lightgbm.LGBMClassifier(n_estimators=4, n_jobs=1, verbose=-1), {"max_depth": [2, 3]}, cv=2)
    calibrated = CalibratedClassifierCV(lightgbm.LGBMClassifier(n_estimators=4, n_jobs=1, verbose=-1), cv=2)
    for estimator in (scaled, search, calibrated):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            estimator.fit(X, CLASSES)
            labels, expected = estimator.predict(X), estimator.predict_proba(X)
        plan = convert(estimator)
        np.testing.assert_array_equal(run(plan, X), labels)
        np.testing.assert_allclose(run(plan, X, "predict_proba"), expected, rtol=1e-5, atol=1e-7)


def test_the_best_iteration():
    estimator = lightgbm.LGBMClassifier(n_estimators=60, learning_rate=1.0, n_jobs=1, verbose=-1)
    stop = lightgbm.early_stopping(2, verbose=False)
    estimator.fit(X[:500], CLASSES[:500], eval_set=[(X[500:], RANDOM.permutation(CLASSES[500:]))], callbacks=[stop])
    assert 0 < estimator.best_iteration_ < 60
    plan = convert(estimator)
    assert plan.ops[0].n_trees == estimator.best_iteration_ * 4
    np.testing.assert_array_equal(run(plan, X), estimator.predict(X))


def test_other_inputs():
    estimator = lightgbm.LGBMRegressor(n_estimators=5, n_jobs=1, verbose=-1).fit(X, NUMBER)
    plan = convert(estimator)
    single = X.astype(np.float32)
    np.testing.assert_array_equal(run(plan, single), estimator.predict(single))
    rows = csr_matrix(FILLED * (np.random.default_rng(3).random(X.shape) < 0.5))
    np.testing.assert_array_equal(run(plan, rows), estimator.predict(rows))


def test_files(tmp_path, hard_rows):
    for objective in ("binary", "multiclass", "tweedie"):
        booster, path = train(objective, categories=[4], min_data_per_group=5), tmp_path / "model.txt"
        booster.save_model(path)
        plan = convert(str(path))
        rows = hard_rows(plan, X, np.random.default_rng(1))
        np.testing.assert_array_equal(run(plan, rows), run(convert(booster), rows))


def test_feature_names(tmp_path):
    data = lightgbm.Dataset(X, NUMBER, feature_name=list("abcdef"))
    booster = lightgbm.train({"verbose": -1, "num_threads": 1}, data, 2)
    assert convert(booster).feature_names_in == tuple("abcdef")
    assert convert(train()).feature_names_in is None


@functools.cache
def text(categorical=False):
    options = {"categories": [4], "min_data_per_group": 5, "cat_smooth": 1} if categorical else {}
    return train(rounds=3, **options).model_to_string()


def line(found, name):
    """The first line of that name, without its value."""
    return next(part for part in found.split("\n") if part.startswith(name + "="))


def set_item(name, position, value, categorical=False):
    def change():
        found = text(categorical)
        before = line(found, name)
        items = before.partition("=")[2].split()
        items[position] = value
        return found.replace(before, f"{name}={' '.join(items)}", 1)

    return change


def swap(a, b, categorical=False):
    return lambda: text(categorical).replace(a, b, 1)


HOSTILE = [
    (set_item("left_child", 1, "0"), "left_child"),
    (set_item("left_child", 0, "999"), "left_child"),
    (set_item("right_child", 0, "-999"), "right_child"),
    (set_item("right_child", 0, "2"), "child of two"),
    (set_item("left_child", 0, "x"), "left_child"),
    (set_item("left_child", 0, "99999999999999999999999"), "left_child"),
    (set_item("split_feature", 0, "6"), "split_feature"),
    (set_item("split_feature", 0, "-1"), "split_feature"),
    (set_item("threshold", 0, "nan"), "threshold"),
    (set_item("threshold", 0, ""), "threshold"),
    (set_item("decision_type", 0, "12"), "decision_type"),
    (set_item("decision_type", 0, "1"), "num_cat|cat_boundaries|threshold"),
    (set_item("leaf_value", 0, "inf"), "leaf_value"),
    (set_item("leaf_value", 0, ""), "leaf_value"),
    (set_item("num_leaves", 0, "4"), "leaf_value"),
    (set_item("num_leaves", 0, "0"), "leaf_value"),
    (set_item("num_leaves", 0, "99999999999999"), "num_leaves"),
    (set_item("is_linear", 0, "1"), "linear_tree"),
    (set_item("cat_boundaries", 1, "9999", True), "cat_boundaries"),
    (set_item("cat_threshold", 0, "-1", True), "cat_threshold"),
    (set_item("cat_threshold", 0, str(1 << 40), True), "cat_threshold"),
    (set_item("num_cat", 0, "0", True), "threshold|cat_boundaries"),
    (swap("max_feature_idx=5", "max_feature_idx=-5"), "max_feature_idx"),
    (swap("num_tree_per_iteration=1", "num_tree_per_iteration=2"), "Tree"),
    (swap("num_tree_per_iteration=1", "num_tree_per_iteration=0"), "num_tree_per_iteration"),
    (swap("objective=regression", "objective=mystery"), "objective"),
    (swap("version=v4", "version=v9"), "version"),
    (swap("end of trees", "end of tree"), "end of trees"),
    (swap("pandas_categorical:null", 'pandas_categorical:[["a", "b"]]'), "pandas_categorical"),
    (swap("objective=regression", "objective=binary sigmoid:0"), "objective.sigmoid: '0' is no positive number"),
    (swap("objective=regression", "objective=binary sigmoid:x"), "objective.sigmoid: 'x' is no positive number"),
]


@pytest.mark.parametrize(("change", "field"), HOSTILE, ids=range(len(HOSTILE)))
def test_malformed_files(change, field, tmp_path):
    path = tmp_path / "model.txt"
    path.write_text(change())
    with pytest.raises(UnsupportedModelError) as caught:
        convert(path)
    [obstacle] = caught.value.obstacles
    assert re.search(field, f"{obstacle.parameter}: {obstacle.advice}")


def test_files_that_are_cut_short_or_changed(tmp_path):
    """Whatever the bytes: a Plan, or UnsupportedModelError."""
    random, path = np.random.default_rng(5), tmp_path / "model.txt"
    whole = text(True).encode()
    for _ in range(200):
        data = bytearray(whole)
        for at in random.integers(4, len(data), 3):
            data[at] = random.choice(list(b"0123456789-=e. \nx"))
        path.write_bytes(bytes(data[: random.integers(4, len(data))]) if random.random() < 0.2 else bytes(data))
        try:
            convert(path)
        except UnsupportedModelError:
            pass


def test_linear_trees_are_refused():
    estimator = lightgbm.LGBMClassifier(n_estimators=2, n_jobs=1, verbose=-1, linear_tree=True).fit(X, BINARY)
    for source in (train(linear_tree=True), estimator):
        with pytest.raises(UnsupportedModelError, match="linear_tree"):
            convert(source)


def test_classifiers_without_probabilities_are_refused():
    estimator = lightgbm.LGBMClassifier(objective="regression", n_estimators=2, n_jobs=1, verbose=-1).fit(X, BINARY)
    with pytest.raises(UnsupportedModelError, match="'regression' gives 2 classes no probabilities"):
        convert(estimator)


def test_labels_that_are_objects():
    estimator = lightgbm.LGBMClassifier(n_estimators=2, n_jobs=1, verbose=-1)
    estimator.fit(X, np.array(["no", "yes"], object)[BINARY])
    np.testing.assert_array_equal(run(convert(estimator), X), estimator.predict(X))
    estimator.fit(X, np.array(["2020-01-01", "2021-01-01"], "datetime64[D]")[BINARY])
    with pytest.raises(UnsupportedModelError, match="classes_"):
        convert(estimator)


def test_a_function_as_objective_gives_scores():
    def objective(predicted, data):
        return predicted - data.get_label(), np.ones_like(predicted)

    booster = lightgbm.train({"objective": objective, "verbose": -1, "num_threads": 1}, lightgbm.Dataset(X, NUMBER), 3)
    np.testing.assert_array_equal(run(convert(booster), X), booster.predict(X))
