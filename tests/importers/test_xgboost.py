"""XGBoost: the same leaves, margins bit for bit, and what its objectives make of them."""

from __future__ import annotations

import functools
import json
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
from quantcore.importers import convert, ubjson
from quantcore.importers.malformed import Malformed
from quantcore.importers.versions import release
from quantcore.importers.xgboost_model import parse
from quantcore.plan.ops import LeafSum, Trees
from quantcore.reference import FUNCTIONS, run

xgboost = pytest.importorskip("xgboost")
RELEASE = release(xgboost.__version__)

RANDOM = np.random.default_rng(0)
X = RANDOM.normal(size=(600, 6))
X[:, 4] = RANDOM.integers(0, 12, len(X))
X[RANDOM.random(X.shape) < 0.08] = np.nan
FILLED = np.nan_to_num(X)
NUMBER = FILLED[:, 0] * 3 + FILLED[:, 1] ** 2 + FILLED[:, 4] / 3
BINARY = (NUMBER > 2).astype(int)
CLASSES = np.digitize(NUMBER, [0.0, 2.0, 4.0])
POSITIVE = np.exp(NUMBER / 8)
OBJECTIVES = {
    "reg:squarederror": NUMBER, "reg:absoluteerror": NUMBER, "reg:pseudohubererror": NUMBER, "reg:squaredlogerror": POSITIVE,
    "reg:logistic": BINARY * 0.8, "binary:logistic": BINARY, "binary:logitraw": BINARY, "binary:hinge": BINARY,
    "count:poisson": POSITIVE, "reg:gamma": POSITIVE, "reg:tweedie": POSITIVE, "survival:cox": POSITIVE,
    "multi:softprob": CLASSES, "multi:softmax": CLASSES,
}  # fmt: skip
GENTLE = {"survival:cox": 0.02}


def train(objective="reg:squarederror", y=None, rounds=12, *, rows=X, **options):
    y = OBJECTIVES[objective] if y is None else y
    options = {"objective": objective, "max_depth": 4, "nthread": 1, "eta": GENTLE.get(objective, 0.3), **options}
    if objective.startswith("multi:"):
        options["num_class"] = 4
    return xgboost.train(options, xgboost.DMatrix(rows, y, feature_types=options.pop("types", None)), rounds)


def margin_of(plan, rows):
    """The sums before the objective's transform."""
    trees, sums = (next(op for op in plan.ops if isinstance(op, kind)) for kind in (Trees, LeafSum))
    return FUNCTIONS["LeafSum"](sums, FUNCTIONS["Trees"](trees, rows))


def check(booster, hard_rows, rows=X, **data):
    """Margins bit for bit, predictions within an ulp or two of float32."""
    plan = convert(booster)
    rows = hard_rows(plan, rows, np.random.default_rng(1))
    matrix = xgboost.DMatrix(rows, **data)
    margins = margin_of(plan, rows)
    np.testing.assert_array_equal(margins, booster.predict(matrix, output_margin=True).reshape(margins.shape))
    expected, found = booster.predict(matrix), run(plan, rows)
    assert (found.shape, found.dtype) == (expected.shape, expected.dtype)
    np.testing.assert_allclose(found, expected, rtol=3e-6, atol=1e-12)
    return plan


@pytest.mark.parametrize("booster", ["gbtree", "dart"])
@pytest.mark.parametrize("objective", OBJECTIVES)
def test_objectives(objective, booster, hard_rows):
    options = {"rate_drop": 0.4} if booster == "dart" else {}
    check(train(objective, booster=booster, **options), hard_rows)


def test_ranking(hard_rows):
    for objective in ("rank:ndcg", "rank:pairwise", "rank:map"):
        data = xgboost.DMatrix(X, BINARY, qid=np.repeat(np.arange(60), 10))
        check(xgboost.train({"objective": objective, "nthread": 1}, data, 5), hard_rows)


def test_several_targets(hard_rows):
    y = np.stack([NUMBER, -NUMBER, NUMBER**2], axis=1)
    check(train(y=y), hard_rows)
    vectors = train(y=y, multi_strategy="multi_output_tree")
    if RELEASE >= (3, 2):
        check(vectors, hard_rows)
    else:
        with pytest.raises(UnsupportedModelError, match=r"XGBoost 3\.2"):
            convert(vectors)
    check(train("reg:quantileerror", NUMBER, quantile_alpha=[0.2, 0.5, 0.9]), hard_rows)


def test_forests_and_base_score(hard_rows):
    check(train(num_parallel_tree=4, subsample=0.5, colsample_bynode=0.5), hard_rows)
    for objective, base in (("binary:logistic", 0.3), ("count:poisson", 2.5), ("reg:squarederror", -1.75)):
        check(train(objective, base_score=base), hard_rows)
    check(train(rounds=1, max_depth=1), hard_rows)
    check(train(gamma=1e9, rounds=2), hard_rows)  # single leaves


@pytest.mark.parametrize("onehot", [1, 100])
def test_categories(onehot, hard_rows):
    types = ["q", "q", "q", "q", "c", "q"]
    booster = train("reg:squarederror", NUMBER + (FILLED[:, 4] % 3) * 5, types=types, max_cat_to_onehot=onehot)
    plan = convert(booster)
    assert plan.ops[0].members is not None
    rows = hard_rows(plan, X, np.random.default_rng(1))
    rows[:, 4] = np.random.default_rng(2).choice([0, 3, 5, 11, 12, 40, 3.7, -1, -0.5, 1e6, 2**24, np.nan], len(rows))
    expected = booster.predict(xgboost.DMatrix(rows, feature_types=types))
    np.testing.assert_array_equal(run(plan, rows), expected)


ESTIMATORS = [
    (xgboost.XGBClassifier(), BINARY),
    (xgboost.XGBClassifier(), CLASSES),
    (xgboost.XGBClassifier(objective="multi:softmax"), CLASSES),
    (xgboost.XGBClassifier(objective="binary:hinge"), BINARY),
    (xgboost.XGBClassifier(booster="dart", rate_drop=0.5), BINARY),
    (xgboost.XGBClassifier(booster="dart", rate_drop=0.5), CLASSES),
    (xgboost.XGBClassifier(), np.stack([BINARY, 1 - BINARY, BINARY], axis=1)),
    (xgboost.XGBRFClassifier(), BINARY),
    (xgboost.XGBRegressor(), NUMBER),
    (xgboost.XGBRegressor(objective="count:poisson"), POSITIVE),
    (xgboost.XGBRegressor(), np.stack([NUMBER, -NUMBER], axis=1)),
    (xgboost.XGBRegressor(booster="dart", rate_drop=0.5, multi_strategy="one_output_per_tree"), NUMBER),
    (xgboost.XGBRFRegressor(), NUMBER),
    (xgboost.XGBRegressor(missing=3.0), NUMBER),
]


@pytest.mark.parametrize(("estimator", "y"), ESTIMATORS)
def test_estimators(estimator, y, hard_rows):
    estimator.set_params(n_estimators=8, max_depth=4, n_jobs=1).fit(X, y)
    plan = convert(estimator)
    rows = hard_rows(plan, X, np.random.default_rng(1))
    for method in plan.outputs:
        given = np.where(np.isinf(rows) | (np.abs(rows) > 3e38), 0.0, rows) if method == "apply" else rows  # it refuses infinity
        expected, found = getattr(estimator, method)(given), run(plan, given, method)
        assert (found.shape, found.dtype) == (expected.shape, expected.dtype)
        if method in ("apply", "predict"):
            close = np.isclose(found, expected, rtol=3e-6, atol=0.0)
            assert close.all() if "Regressor" in type(estimator).__name__ else (found == expected).all()
        else:
            np.testing.assert_allclose(found, expected, rtol=3e-6, atol=2e-7)
    expected_methods = {"predict", "apply"} | ({"predict_proba"} if "Classifier" in type(estimator).__name__ else set())
    assert set(plan.outputs) == expected_methods - ({"predict_proba"} if estimator.objective == "binary:hinge" else set())


def test_within_scikit_learns_own():
    scaled = make_pipeline(StandardScaler(), xgboost.XGBClassifier(n_estimators=4, n_jobs=1))
    search = GridSearchCV(xgboost.XGBClassifier(n_estimators=4, n_jobs=1), {"max_depth": [2, 3]}, cv=2)
    calibrated = CalibratedClassifierCV(xgboost.XGBClassifier(n_estimators=4, n_jobs=1), cv=2)
    for estimator in (scaled, search, calibrated):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            estimator.fit(X, CLASSES)
            labels, expected = estimator.predict(X), estimator.predict_proba(X)
        plan = convert(estimator)
        np.testing.assert_array_equal(run(plan, X), labels)
        np.testing.assert_allclose(run(plan, X, "predict_proba"), expected, rtol=1e-5, atol=1e-7)


def test_the_best_iteration(hard_rows):
    estimator = xgboost.XGBClassifier(n_estimators=60, early_stopping_rounds=2, n_jobs=1, learning_rate=1.0)
    estimator.fit(X[:400], CLASSES[:400], eval_set=[(X[400:], RANDOM.permutation(CLASSES[400:]))], verbose=False)
    rounds = estimator.best_iteration + 1
    assert rounds < estimator.get_booster().num_boosted_rounds()
    plan = convert(estimator)
    assert plan.ops[0].n_trees == rounds * 4
    np.testing.assert_array_equal(run(plan, X), estimator.predict(X))


def test_sparse_rows_miss_what_they_do_not_store():
    estimator = xgboost.XGBRegressor(n_estimators=5, n_jobs=1).fit(X, NUMBER)
    rows = FILLED * (np.random.default_rng(3).random(X.shape) < 0.5)
    np.testing.assert_array_equal(run(convert(estimator), csr_matrix(rows)), estimator.predict(csr_matrix(rows)))


def test_labels_where_the_probability_rounds_to_one_half():
    """exp(-m) + 1 rounds to 2 for a few positive margins: the source says class 0 there."""
    booster = train("binary:logistic", base_score=0.5, gamma=1e9, rounds=1)
    estimator = xgboost.XGBClassifier(n_estimators=1, n_jobs=1).fit(X, BINARY)
    decision = convert(estimator)
    at = decision.ops[decision.outputs["predict"]].at
    margins = np.array([at], np.float32)
    near = np.concatenate([np.nextafter(margins, np.float32(k)) for k in (-1, 1)] + [margins, -margins, [0.0, 1e-9, 1e-7, 6e-8]])
    near = near.astype(np.float32)
    leaf = np.float32(booster.predict(xgboost.DMatrix(X[:1], base_margin=[0.0]), output_margin=True)[0])
    rows = xgboost.DMatrix(np.repeat(X[:1], len(near), axis=0), base_margin=near - leaf)
    reached = booster.predict(rows, output_margin=True)
    np.testing.assert_array_equal(booster.predict(rows) > 0.5, reached > np.float32(at))


@pytest.mark.parametrize("form", ["json", "ubj"])
def test_files(form, tmp_path, hard_rows):
    for objective in ("binary:logistic", "multi:softprob", "reg:gamma"):
        booster = train(objective, booster="dart", rate_drop=0.3)
        path = tmp_path / f"model.{form}"
        booster.save_model(path)
        plan = convert(path)
        rows = hard_rows(plan, X, np.random.default_rng(1))
        np.testing.assert_array_equal(run(plan, rows), run(convert(booster), rows))


def test_feature_names():
    data = xgboost.DMatrix(X, NUMBER, feature_names=list("abcdef"))
    assert convert(xgboost.train({"nthread": 1}, data, 2)).feature_names_in == tuple("abcdef")


@functools.cache
def document():
    return bytes(train(rounds=3).save_raw("json"))


def broken(change):
    found = json.loads(document())
    change(found["learner"])
    return json.dumps(found)


def first(learner):
    return learner["gradient_booster"]["model"]["trees"][0]


def base_score(learner, text):
    learner["learner_model_param"]["base_score"] = text


HOSTILE = [
    (lambda m: first(m)["left_children"].__setitem__(1, 0), "child of two|own descendant"),
    (lambda m: first(m)["left_children"].__setitem__(0, 2), "child of two|own descendant"),
    (lambda m: first(m)["left_children"].__setitem__(0, 99999), r"trees\[0\].left_children"),
    (lambda m: first(m)["right_children"].__setitem__(0, -5), r"trees\[0\].right_children"),
    (lambda m: first(m)["split_indices"].__setitem__(0, 6), r"trees\[0\].split_indices"),
    (lambda m: first(m)["split_indices"].__setitem__(0, -1), r"trees\[0\].split_indices"),
    (lambda m: first(m)["split_conditions"].__setitem__(0, float("nan")), "split_conditions"),
    (lambda m: first(m)["split_conditions"].pop(), "split_conditions"),
    (lambda m: first(m).pop("default_left"), "default_left"),
    (lambda m: first(m).__setitem__("left_children", "abc"), "left_children"),
    (lambda m: first(m).__setitem__("left_children", [[1], [2]]), "left_children"),
    (lambda m: first(m).__setitem__("left_children", [2**70]), "left_children"),
    (lambda m: first(m).__setitem__("left_children", [2**63] * len(first(m)["left_children"])), "left_children"),
    (lambda m: first(m)["split_conditions"].__setitem__(-1, float("inf")), "trees: a leaf"),
    (lambda m: first(m)["split_type"].__setitem__(0, 1), "categories_nodes"),
    (lambda m: first(m)["tree_param"].__setitem__("size_leaf_vector", "7"), "size_leaf_vector"),
    (lambda m: m["gradient_booster"]["model"]["tree_info"].__setitem__(0, 5), "tree_info"),
    (lambda m: m["gradient_booster"]["model"]["tree_info"].pop(), "tree_info"),
    (lambda m: m["gradient_booster"]["model"].__setitem__("trees", []), "tree_info"),
    (lambda m: m["gradient_booster"]["model"].__setitem__("trees", {}), "trees"),
    (lambda m: m["gradient_booster"]["model"].__setitem__("iteration_indptr", [0, 9]), "iteration_indptr"),
    (lambda m: m["gradient_booster"].__setitem__("name", "gblinear"), "gblinear"),
    (lambda m: m["learner_model_param"].__setitem__("num_feature", "-1"), "num_feature"),
    (lambda m: m["learner_model_param"].__setitem__("num_feature", "9" * 30), "num_feature"),
    (lambda m: m["learner_model_param"].__setitem__("num_feature", "0"), "num_feature: 0 features"),
    (lambda m: m["learner_model_param"].__setitem__("base_score", "[nan]"), "base_score"),
    (lambda m: m["objective"].__setitem__("name", "reg:custom"), "objective"),
    (lambda m: m["objective"].__setitem__("name", "count:poisson") or base_score(m, "-1"), "base_score"),
    (lambda m: m["objective"].__setitem__("name", "binary:logistic") or base_score(m, "2.0"), "base_score"),
    (lambda m: m.pop("learner_model_param"), "learner_model_param"),
]


def refused(path, field):
    with pytest.raises(UnsupportedModelError) as caught:
        convert(path)
    [obstacle] = caught.value.obstacles
    assert re.search(field, f"{obstacle.parameter}: {obstacle.advice}")


def test_other_versions_are_refused(tmp_path):
    path = tmp_path / "model.json"
    for version in ([1, 7, 6], [9, 0, 0], [], ["3"], "3"):
        path.write_text(json.dumps({**json.loads(document()), "version": version}))
        with pytest.raises(UnsupportedModelError, match="version"):
            convert(path)


@pytest.mark.parametrize(("change", "field"), HOSTILE, ids=range(len(HOSTILE)))
def test_malformed_files(change, field, tmp_path):
    path = tmp_path / "model.json"
    path.write_text(broken(change))
    refused(path, field)


VECTORS = [
    (lambda t: t[0].pop("leaf_weights"), r"trees\[0\].leaf_weights: missing"),
    (lambda t: t[1]["leaf_weights"].pop(), r"trees\[1\].leaf_weights: \d+ values for leaves of 2"),
    (lambda t: t[0]["right_children"].__setitem__(-1, 10_000), r"trees\[0\].right_children: a leaf names a vector"),
    (lambda t: t[1]["tree_param"].__setitem__("size_leaf_vector", "1"), "trees: some have vectors in their leaves"),
]


@pytest.mark.skipif(RELEASE < (3, 2), reason="vectors in leaves are read as XGBoost 3.2 and later write them")
@pytest.mark.parametrize(("change", "field"), VECTORS, ids=range(len(VECTORS)))
def test_malformed_vectors_in_leaves(change, field, tmp_path):
    found = json.loads(
        bytes(train(y=np.stack([NUMBER, -NUMBER], axis=1), rounds=2, multi_strategy="multi_output_tree").save_raw("json"))
    )
    change(found["learner"]["gradient_booster"]["model"]["trees"])
    path = tmp_path / "model.json"
    path.write_text(json.dumps(found))
    refused(path, field)


def test_members_that_older_files_lack(tmp_path):
    """Neither where the rounds begin, nor sets of categories that are empty."""
    booster, path = train("multi:softprob", rounds=3, num_parallel_tree=2), tmp_path / "model.json"
    found = json.loads(bytes(booster.save_raw("json")))
    model = found["learner"]["gradient_booster"]["model"]
    model.pop("iteration_indptr", None)
    for tree in model["trees"]:
        for name in ("categories", "categories_nodes", "categories_segments", "categories_sizes"):
            tree.pop(name, None)
    path.write_text(json.dumps(found))
    np.testing.assert_array_equal(run(convert(path), X), run(convert(booster), X))


def test_rounds_that_are_not_there():
    estimator = xgboost.XGBRegressor(n_estimators=3, n_jobs=1).fit(X, NUMBER)
    estimator.get_booster().set_attr(best_iteration="9")
    with pytest.raises(UnsupportedModelError, match="10 rounds of the 3"):
        convert(estimator)
    found = json.loads(document())
    found["learner"]["gradient_booster"]["model"]["iteration_indptr"] = [0, 0, 3]
    with pytest.raises(Malformed, match="best_iteration: no tree is left"):
        parse(found, rounds=1)


def test_files_that_are_cut_short_or_changed(tmp_path):
    """Whatever the bytes: a Plan, or UnsupportedModelError."""
    random, path = np.random.default_rng(5), tmp_path / "model"
    for form in ("json", "ubj"):
        whole = bytes(train(rounds=2, max_depth=2).save_raw(form))
        for _ in range(150):
            data = bytearray(whole)
            for at in random.integers(0, len(data), 3):
                data[at] = random.integers(0, 256)
            path.write_bytes(bytes(data[: random.integers(1, len(data))]) if random.random() < 0.3 else bytes(data))
            try:
                convert(path)
            except UnsupportedModelError:
                pass


def test_ubjson_is_what_json_says():
    booster = train("multi:softprob", booster="dart", rate_drop=0.3)
    plain, binary = json.loads(bytes(booster.save_raw("json"))), ubjson.loads(bytes(booster.save_raw("ubj")))

    def same(a, b):
        if isinstance(a, dict):
            return a.keys() == b.keys() and all(same(a[k], b[k]) for k in a)
        if isinstance(b, np.ndarray):
            return np.array_equal(np.asarray(a, b.dtype), b)
        if isinstance(a, list):
            return len(a) == len(b) and all(map(same, a, b))
        return np.float32(a) == np.float32(b) if isinstance(a, float) else a == b

    assert same(plain, binary)


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"{#i\x01i\x01aZ}", "an object of a fixed size"),
        (b"{i\x01aZi\x01aT}", "'a' stands twice"),
        (b"{i\x01aZ", "ends early"),
        (b"{Si\x01aZ}", "a length of type b'S'"),
        (b"{i\xffa", "a negative length"),
        (b"[$S#i\x01a", "an array of type b'S'"),
        (b"[" * 100, "nested too deeply"),
        (b"N", "unknown marker b'N'"),
        (b"ZZ", "1 bytes follow"),
    ],
)
def test_ubjson_that_is_refused(data, words):
    with pytest.raises(ValueError, match=words):
        ubjson.loads(data)


def test_a_function_as_objective_is_refused():
    def objective(y_true, y_pred):
        return y_pred - y_true, np.ones_like(y_true)

    for kind, y in ((xgboost.XGBRegressor, NUMBER), (xgboost.XGBClassifier, BINARY)):
        with pytest.raises(UnsupportedModelError, match="objective"):
            convert(kind(objective=objective, n_estimators=2, n_jobs=1).fit(X, y))


def test_classifiers_without_probabilities_are_refused():
    estimator = xgboost.XGBClassifier(objective="reg:squarederror", n_estimators=2, n_jobs=1).fit(X, BINARY)
    with pytest.raises(UnsupportedModelError, match="'reg:squarederror' gives no probabilities"):
        convert(estimator)


def test_infinity_for_missing_values_is_refused():
    estimator = xgboost.XGBRegressor(n_estimators=2, n_jobs=1).fit(X, NUMBER).set_params(missing=np.inf)
    with pytest.raises(UnsupportedModelError, match="infinity for missing values"):
        convert(estimator)
