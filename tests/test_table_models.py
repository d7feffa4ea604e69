"""What a Model over tables offers besides predict: names, threads, certificates, scores, calibration, open rows."""

from __future__ import annotations

import pickle
import warnings

import numpy as np
import pytest
from sklearn.compose import ColumnTransformer
from sklearn.ensemble import HistGradientBoostingClassifier, RandomForestRegressor
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import MinMaxScaler, OneHotEncoder, OrdinalEncoder, StandardScaler

import quantcore as qc
from quantcore.passes.ranges import ranges
from quantcore.passes.rows import drawn_table

pandas = pytest.importorskip("pandas", reason="the oracle reads data frames of pandas")


def table(seed, n_rows=500):
    random = np.random.default_rng(seed)
    found = pandas.DataFrame(
        {
            "age": random.normal(45.0, 12.0, n_rows),
            "job": random.choice(["clerk", "smith", "cook"], n_rows),
            "income": random.lognormal(10.0, 1.0, n_rows),
            "town": random.choice([f"town {i:02d}" for i in range(40)], n_rows),
        }
    )
    found.loc[::9, "age"] = np.nan
    return found


X = table(1)
Y = ((X["age"].fillna(40) > 45) ^ (X["job"] == "cook")).to_numpy()
ROWS = table(2, 101)


def front(encoder=None):
    numbers = make_pipeline(SimpleImputer(), StandardScaler())
    encoder = OneHotEncoder(handle_unknown="ignore") if encoder is None else encoder
    return ColumnTransformer([("n", numbers, ["age", "income"]), ("w", encoder, ["job", "town"])])


@pytest.fixture(scope="module")
def pair():
    source = make_pipeline(front(), LogisticRegression()).fit(X, Y)
    return source, qc.quantize(source)


def forms(frame):
    rows = frame.to_dict("records")
    found = {
        "frame": frame,
        "records": rows,
        "tuple": tuple(rows),
        "columns": frame.to_dict("list"),
        "series": {name: frame[name] for name in frame},
        "array": frame.to_numpy(object),
        "lists": frame.to_numpy(object).tolist(),
    }
    try:
        import polars
        import pyarrow
    except ImportError:
        return found
    return found | {"polars": polars.DataFrame(rows), "Arrow": pyarrow.Table.from_pylist(rows)}


def test_names(pair):
    source, model = pair
    assert model.n_features_in_ == source.n_features_in_ == 4
    np.testing.assert_array_equal(model.feature_names_in_, source.feature_names_in_)
    with pytest.raises(AttributeError, match="no classes_"):
        assert qc.quantize(front().fit(X)).classes_
    assert not hasattr(model, "get_feature_names_out")


@pytest.mark.parametrize("encoder", [None, OrdinalEncoder()], ids=["one-hot", "ordinal"])
def test_names_out(encoder, tmp_path):
    source = front(encoder).fit(X)
    model = qc.quantize(source)
    qc.save(model, tmp_path / "model.qc")
    for found in (model, qc.load(tmp_path / "model.qc"), pickle.loads(pickle.dumps(model))):
        names = found.get_feature_names_out()
        np.testing.assert_array_equal(names, source.get_feature_names_out())
        assert names.dtype == source.get_feature_names_out().dtype
    np.testing.assert_array_equal(model.get_feature_names_out(source.feature_names_in_), source.get_feature_names_out())
    with pytest.raises(ValueError, match="input_features is not equal to feature_names_in_"):
        model.get_feature_names_out(["a", "b", "c", "d"])
    ours, own = model.transform(ROWS), source.transform(ROWS)
    np.testing.assert_array_equal(*(found.toarray() if hasattr(found, "toarray") else found for found in (ours, own)))


def test_names_out_of_a_matrix():
    source = make_pipeline(StandardScaler(), MinMaxScaler()).fit(X[["age", "income"]].fillna(0.0))
    np.testing.assert_array_equal(qc.quantize(source).get_feature_names_out(), source.get_feature_names_out())
    texts = TfidfVectorizer().fit(["a few words", "some more words"])
    assert not hasattr(qc.quantize(texts), "get_feature_names_out")


def test_threads_take_parts_of_every_form(pair):
    source, model = pair
    for name, rows in forms(ROWS).items():
        expected = model.predict(rows)
        np.testing.assert_array_equal(expected, source.predict(ROWS), err_msg=name)
        for threads in (2, 3, 64):
            np.testing.assert_array_equal(qc.predict(model, rows, threads=threads), expected, err_msg=name)
            proba = qc.predict(model, rows, method="predict_proba", threads=threads)
            np.testing.assert_array_equal(proba, model.predict_proba(rows), err_msg=name)
    row = ROWS.to_dict("records")[0]
    np.testing.assert_array_equal(qc.predict(model, row, threads=4), model.predict(row))


def test_certificates_and_scores(pair):
    source, model = pair
    truth = ROWS["job"] == "cook"
    expected = source.score(ROWS, truth)
    for name, rows in forms(ROWS).items():
        labels, certified = model.predict_certified(rows)
        np.testing.assert_array_equal(labels[certified], source.predict(ROWS)[certified], err_msg=name)
        assert certified.mean() > 0.97
        assert model.score(rows, truth) == expected


@pytest.mark.parametrize("form", ["frame", "records", "columns", "array", "polars", "Arrow"])
@pytest.mark.parametrize("guarantee", ["certified", "exact"])
def test_calibration_rows_in_every_form(form, guarantee):
    source = make_pipeline(front(OrdinalEncoder()), HistGradientBoostingClassifier(max_iter=5)).fit(X, Y)
    linear = make_pipeline(front(), LogisticRegression()).fit(X, Y)
    rows = forms(X).get(form)
    if rows is None:
        pytest.skip("polars or pyarrow is not installed")
    for model in (source, linear):
        if form == "array":  # which a ColumnTransformer over names does not read
            with pytest.raises(ValueError, match="strings is only supported for dataframes"):
                qc.quantize(model, rows, guarantee=guarantee)
            continue
        report = qc.quantize(model, rows, guarantee=guarantee).report()
        assert report["calibrated"] and report["rows"] == len(X)
        assert report["agreement"] == 1.0 and report["bounds_over"] == "calibration rows"
        assert report["max_error_proba"] <= report["max_bound_proba"]


def test_calibration_of_numbers():
    source = make_pipeline(front(), Ridge()).fit(X, X["income"])
    for rows in (X, X.to_dict("records"), X.to_dict("list")):
        report = qc.quantize(source, rows).report()
        assert 0.0 <= report["max_error"] <= report["max_bound"] < 1e-2 * X["income"].std()
    forest = make_pipeline(front(OrdinalEncoder()), RandomForestRegressor(5)).fit(X, X["income"])
    assert qc.quantize(forest, X.to_dict("records")).report()["max_error"] < 1e-6


def test_rows_are_drawn_where_the_source_s_lie():
    source = make_pipeline(front(), LogisticRegression()).fit(X, Y)
    from quantcore.importers import convert

    plan = convert(source)
    centre, spread = ranges(plan)
    for name in ("age", "income"):
        at = list(X).index(name)
        assert abs(centre[at] - X[name].mean()) < 1e-6 * X[name].mean() + 1e-9
        filled = X[name].fillna(X[name].mean())
        assert abs(spread[at] - filled.std(ddof=0)) < 1e-6 * filled.std()
    drawn = drawn_table(plan, 500, 0)
    assert {*drawn.columns[1].tolist()} == {*X["job"]} and {*drawn.columns[3].tolist()} == {*X["town"]}
    assert abs(np.corrcoef(drawn.columns[0], drawn.columns[2])[0, 1]) < 0.2
    again = drawn_table(plan, 500, 0)
    assert all(a.tolist() == b.tolist() for a, b in zip(drawn.columns, again.columns, strict=True))


def test_ranges_follow_thresholds_and_fills():
    from quantcore.importers import convert

    columns = ColumnTransformer(
        [("n", SimpleImputer(strategy="median"), ["income", "age"]), ("w", OrdinalEncoder(), ["job", "town"])]
    )
    plan = convert(make_pipeline(columns, HistGradientBoostingClassifier(max_iter=20)).fit(X, Y))
    centre, spread = ranges(plan)
    for name, at in (("age", 0), ("income", 2)):
        assert X[name].min() <= centre[at] <= X[name].max()
        assert 0.0 < spread[at] <= X[name].max() - X[name].min()


def test_without_calibration_the_grid_fits_the_rows_to_come(pair):
    source, model = pair
    report = model.report()
    assert report["bounds_over"] == "drawn rows" and not report["calibrated"]
    many = table(7, 4000)
    labels, certified = model.predict_certified(many)
    np.testing.assert_array_equal(labels[certified], source.predict(many)[certified])
    assert certified.mean() > 0.999
    error = np.abs(model.decision_function(many) - source.decision_function(many)).max()
    assert error <= 4 * report["max_bound"]


def test_open_rows_are_asked_in_the_form_that_they_came_in(tmp_path):
    rows = X.copy()
    y = np.arange(len(X)) % 2 == 0
    source = make_pipeline(front(), LogisticRegression()).fit(rows, y)
    weights = source[-1]
    weights.coef_[:] = 0.0
    weights.intercept_[0] = 0.0
    weights.coef_[0, 0], weights.coef_[0, 2:5], weights.coef_[0, 5:] = 1.0, 0.1 + 0.2, -0.3  # at the mean age rounding decides
    model = qc.quantize(source, precision="int16")  # so that the file does not hold the source's own weights
    qc.save(model, tmp_path / "model.qc")
    asked = []

    def answer(given):
        asked.append(given)
        return [True] * len(given["age"] if isinstance(given, dict) else given)

    served = qc.load(tmp_path / "model.qc", on_uncertain=answer)
    undecided = ROWS.assign(age=[np.nan if i % 10 == 3 else 60.0 for i in range(len(ROWS))])
    open_ = np.flatnonzero(undecided["age"].isna())
    strict = qc.load(tmp_path / "model.qc", on_uncertain="raise")
    for name, rows in forms(undecided).items():
        asked.clear()
        assert served.predict(rows)[open_].all(), name
        assert len(asked) == 1
        given = asked[0]
        if name == "frame":
            pandas.testing.assert_frame_equal(given, undecided.iloc[open_])
        elif name == "columns":
            assert given["job"] == undecided["job"].iloc[open_].tolist()
        elif name == "records":
            assert [row["town"] for row in given] == undecided["town"].iloc[open_].tolist()
        with pytest.raises(qc.UncertainError) as caught:
            strict.predict(rows)
        assert [*caught.value.rows] == open_.tolist()
        with pytest.raises(qc.UncertainError) as caught:
            qc.predict(strict, rows, threads=3)
        assert [*caught.value.rows] == open_.tolist()


def test_no_library_of_frames_is_imported(pair, tmp_path):
    import subprocess
    import sys

    qc.save(pair[1], tmp_path / "model.qc")
    code = (
        "import sys, quantcore as qc\n"
        f"model = qc.load({str(tmp_path / 'model.qc')!r})\n"
        "row = {'age': 30.0, 'job': 'cook', 'income': 1e4, 'town': None}\n"
        "model.predict(row), model.predict_proba([row, row]), model.predict({n: [v] for n, v in row.items()})\n"
        "sys.exit(bool({'pandas', 'polars', 'pyarrow', 'sklearn', 'scipy'} & {*sys.modules}))\n"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


@pytest.fixture(autouse=True)
def quiet():
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield
