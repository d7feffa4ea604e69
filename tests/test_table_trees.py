"""Trees that split on a data frame's categories: the labels, and the scores, are the source's on frames with values that it has
never seen, or that are missing."""

from __future__ import annotations

import warnings

import numpy as np
import pytest
from sklearn.ensemble import HistGradientBoostingClassifier, HistGradientBoostingRegressor

import quantcore as qc

pandas = pytest.importorskip("pandas", reason="categories come in data frames of pandas")

JOBS = ["clerk", "smith", "cook", "none", "pilot"]
TOWNS = [f"town {i:02d}" for i in range(60)]


def table(seed, n_rows=600, jobs=JOBS):
    random = np.random.default_rng(seed)
    frame = pandas.DataFrame(
        {
            "age": random.normal(45.0, 12.0, n_rows),
            "job": random.choice(jobs, n_rows),
            "level": random.integers(0, 5, n_rows),
            "town": random.choice(TOWNS, n_rows),
            "hours": random.normal(40.0, 9.0, n_rows).astype(np.float32),
        }
    )
    frame.loc[::9, "age"] = np.nan
    frame.loc[::13, "job"] = None
    return frame


def categories(frame):
    return frame.astype({"job": "category", "town": "category"})


def target(frame):
    codes = frame["town"].str[-2:].astype(int)
    return ((codes % 3 == 0) ^ (frame["job"] == "cook") ^ (frame["age"].fillna(0) > 45)).to_numpy()


X = table(1)
Y = target(X)
ROWS = table(2, 300)


@pytest.fixture(autouse=True)
def quiet():
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


def test_by_dtype():
    source = HistGradientBoostingClassifier(max_iter=40).fit(categories(X), Y)
    model = qc.quantize(source)
    strange = table(3, 300, [*JOBS, "queen", "king"])
    strange.loc[5:9, "town"] = "nowhere"
    for frame in (ROWS, strange, ROWS[:1], strange[5:6]):
        rows = categories(frame)
        np.testing.assert_array_equal(model.predict(rows), source.predict(rows))
        np.testing.assert_array_equal(model.decision_function(rows), source.decision_function(rows))
        np.testing.assert_allclose(model.predict_proba(rows), source.predict_proba(rows), rtol=0.0, atol=1e-12)
        assert model.predict_certified(rows).certified.all()
        # The values decide, not the dtype; columns are found by their names.
        np.testing.assert_array_equal(model.predict(frame), source.predict(rows))
        np.testing.assert_array_equal(model.predict(rows[rows.columns[::-1]].assign(more=1)), source.predict(rows))
        records = [{n: None if v != v else v for n, v in row.items()} for row in frame.to_dict("records")]
        np.testing.assert_array_equal(model.predict(records), source.predict(rows))
        np.testing.assert_array_equal(model.predict(records[0]), source.predict(rows[:1]))


@pytest.mark.parametrize("missing", [False, True])
def test_by_names(missing):
    frame = X if missing else X.dropna()
    source = HistGradientBoostingRegressor(max_iter=30, categorical_features=["town", "job", "level"])
    source.fit(frame, frame["level"] + target(frame))
    model = qc.quantize(source)
    for rows in (ROWS, ROWS.assign(job="queen"), ROWS.assign(level=99), ROWS.dropna()):
        np.testing.assert_array_equal(model.predict(rows), source.predict(rows))


def test_only_categories():
    rows = categories(X)[["job", "town"]]
    source = HistGradientBoostingClassifier(max_iter=10).fit(rows, Y)
    model = qc.quantize(source)
    np.testing.assert_array_equal(model.decision_function(rows), source.decision_function(rows))


def test_missing_columns_are_named():
    model = qc.quantize(HistGradientBoostingClassifier(max_iter=3).fit(categories(X), Y))
    with pytest.raises(ValueError, match="columns are missing: .*'town'"):
        model.predict(categories(ROWS).drop(columns="town"))


def boosters():
    """Fitted models of the libraries that are here, by name."""
    lightgbm = pytest.importorskip("lightgbm")
    xgboost = pytest.importorskip("xgboost")
    options = {"n_estimators": 30, "n_jobs": 1}
    three = np.where(Y, 1, np.where(X["level"] > 2, 2, 0))
    return {
        "LGBMClassifier": lightgbm.LGBMClassifier(**options, verbose=-1, min_cat_to_onehot=1, max_cat_to_onehot=4),
        "LGBMRegressor": lightgbm.LGBMRegressor(**options, verbose=-1),
        "XGBClassifier": xgboost.XGBClassifier(**options, enable_categorical=True),
        "XGBClassifier, one-hot": xgboost.XGBClassifier(**options, enable_categorical=True, max_cat_to_onehot=100),
        "XGBRegressor": xgboost.XGBRegressor(**options, enable_categorical=True),
    }, three


@pytest.mark.parametrize("name", ["LGBMClassifier", "LGBMRegressor", "XGBClassifier", "XGBClassifier, one-hot", "XGBRegressor"])
def test_boosters(name, tmp_path):
    found, three = boosters()
    source = found[name]
    if name.startswith("XGB") and not _stores_categories():
        pytest.skip("XGBoost stores no categories before 3.1")
    source.fit(categories(X), X["level"] + Y if "Regressor" in name else three)
    model = qc.quantize(source)
    strange = table(3, 300, [*JOBS, "queen", "zebra"])
    strange.loc[5:9, "town"] = "nowhere"
    if name.startswith("XGB"):
        for call, rows in ((source.predict, categories(strange)), (model.predict, categories(strange)), (model.predict, strange)):
            with pytest.raises(ValueError, match=r"training set|not fitted on"):
                call(rows)
        strange = table(3, 300)
    for frame in (ROWS, strange, ROWS[1:2], strange[5:6]):
        rows = categories(frame)
        expected = source.predict(rows)
        np.testing.assert_array_equal(model.predict(rows), expected)
        np.testing.assert_array_equal(model.predict(frame), expected)
        if hasattr(source, "predict_proba"):
            np.testing.assert_allclose(model.predict_proba(rows), source.predict_proba(rows), rtol=0.0, atol=1e-6)
        records = [{n: None if v != v else v for n, v in row.items()} for row in frame.to_dict("records")]
        np.testing.assert_array_equal(model.predict(records), expected)
    other = categories(ROWS)
    unused = [] if name.startswith("XGB") else ["unused"]  # which XGBoost refuses
    other["job"] = other["job"].cat.set_categories([*unused, *reversed(other["job"].cat.categories)])
    np.testing.assert_array_equal(model.predict(other), source.predict(other))
    path = tmp_path / ("model.ubj" if name.startswith("XGB") else "model.txt")
    (source.get_booster() if name.startswith("XGB") else source.booster_).save_model(str(path))
    if "Regressor" in name:
        np.testing.assert_array_equal(qc.quantize(str(path)).predict(ROWS), source.predict(categories(ROWS)))


@pytest.mark.parametrize("name", ["LGBMRegressor", "XGBRegressor"])
def test_boosters_of_categories_alone(name):
    if name.startswith("XGB") and not _stores_categories():
        pytest.skip("XGBoost stores no categories before 3.1")
    rows = categories(X)[["job", "town"]]
    source = boosters()[0][name].fit(rows, X["level"])
    np.testing.assert_array_equal(qc.quantize(source).predict(rows), source.predict(rows))


def test_a_number_for_what_is_missing_beside_categories_is_refused():
    xgboost = pytest.importorskip("xgboost")
    if not _stores_categories():
        pytest.skip("XGBoost stores no categories before 3.1")
    source = xgboost.XGBRegressor(n_estimators=2, enable_categorical=True).fit(categories(X), X["level"])
    with pytest.raises(qc.UnsupportedModelError, match="only NaN can be missing"):
        qc.quantize(source.set_params(missing=3.0))


@pytest.mark.parametrize("name", ["LGBMClassifier", "XGBClassifier"])
def test_codes_in_an_array_are_refused(name):
    """LightGBM and XGBoost take an array's numbers for codes; here they would be values."""
    if name.startswith("XGB") and not _stores_categories():
        pytest.skip("XGBoost stores no categories before 3.1")
    model = qc.quantize(boosters()[0][name].fit(categories(X), Y))
    with pytest.raises(TypeError, match="holds numbers"):
        model.predict(np.zeros((2, 5)))


def _stores_categories():
    import xgboost

    return tuple(map(int, xgboost.__version__.split(".")[:2])) >= (3, 1)


def test_categories_that_are_numbers_are_refused():
    """Numbers in an array would be codes, in a data frame values."""
    lightgbm, xgboost = pytest.importorskip("lightgbm"), pytest.importorskip("xgboost")
    rows = categories(X).astype({"level": "category"})
    sources = [lightgbm.LGBMClassifier(n_estimators=2, verbose=-1)]
    sources += [xgboost.XGBClassifier(n_estimators=2, enable_categorical=True)] if _stores_categories() else []
    for source in sources:
        with pytest.raises(qc.UnsupportedModelError, match="fit on strings"):
            qc.quantize(source.fit(rows, Y))


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda t: t.replace("pandas_categorical:[", "pandas_categorical:[["), "no JSON"),
        (lambda t: t.replace("pandas_categorical:[", "pandas_categorical:[1, "), "no list of categories"),
        (lambda t: t.replace("pandas_categorical:[", "pandas_categorical:[[1], "), "fit on strings"),
        (lambda t: t.replace("pandas_categorical:[", 'pandas_categorical:[["a"], '), "3 columns, but 2 features"),
        (lambda t: t.replace("feature_infos=", "feature_infos=none "), "categories of 2 columns"),
    ],
)
def test_files_of_lightgbm_that_contradict_themselves(change, words, tmp_path):
    lightgbm = pytest.importorskip("lightgbm")
    source = lightgbm.LGBMRegressor(n_estimators=3, verbose=-1).fit(categories(X), X["level"])
    text = source.booster_.model_to_string()
    assert change(text) != text
    (tmp_path / "model.txt").write_text(change(text))
    with pytest.raises(qc.UnsupportedModelError, match=words):
        qc.quantize(str(tmp_path / "model.txt"))


def test_ordered_categories_of_lightgbm_are_refused():
    """Their codes are split by thresholds, and the file does not say which columns they are."""
    lightgbm = pytest.importorskip("lightgbm")
    rows = categories(X)
    rows["job"] = rows["job"].cat.as_ordered()
    source = lightgbm.LGBMRegressor(n_estimators=3, verbose=-1).fit(rows, X["level"])
    with pytest.raises(qc.UnsupportedModelError, match="ordered or constant categories"):
        qc.quantize(source)


@pytest.mark.parametrize(
    "change",
    [
        lambda enc: enc.pop(),
        lambda enc: enc[1].update(offsets=[0, 2]),
        lambda enc: enc[1].update(offsets=[]),
        lambda enc: enc[1].update(offsets=["a"]),
        lambda enc: enc[1].pop("values"),
        lambda enc: enc[1]["values"].__setitem__(0, 255),
        lambda enc: enc[1]["offsets"].__setitem__(1, 10**9),
        lambda enc: enc.__setitem__(1, "clerk"),
    ],
)
def test_files_of_xgboost_that_contradict_themselves(change, tmp_path):
    import json

    xgboost = pytest.importorskip("xgboost")
    if not _stores_categories():
        pytest.skip("XGBoost stores no categories before 3.1")
    source = xgboost.XGBRegressor(n_estimators=3, enable_categorical=True).fit(categories(X), X["level"])
    document = json.loads(bytes(source.get_booster().save_raw("json")))
    change(document["learner"]["gradient_booster"]["model"]["cats"]["enc"])
    (tmp_path / "model.json").write_text(json.dumps(document))
    with pytest.raises(qc.UnsupportedModelError, match="model.cats.enc"):
        qc.quantize(str(tmp_path / "model.json"))
