"""Forms of tables, good and bad: answers and exception types are scikit-learn's on pandas, through the public Model alone."""

from __future__ import annotations

import warnings

import numpy as np
import pytest
import scipy.sparse as sp
from sklearn.compose import ColumnTransformer
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, OrdinalEncoder, StandardScaler
from sklearn.tree import DecisionTreeClassifier

import quantcore as qc

pandas = pytest.importorskip("pandas", reason="the oracle reads data frames of pandas")

NAMES = ["age", "job", "hours", "level"]


def table(seed, n_rows=300):
    random = np.random.default_rng(seed)
    found = pandas.DataFrame(
        {
            "age": random.integers(17, 90, n_rows).astype(float),
            "job": random.choice(["clerk", "smith", "cook", "none"], n_rows),
            "hours": random.normal(40, 12, n_rows),
            "level": random.integers(0, 4, n_rows),
        }
    )
    found.loc[::7, "age"] = np.nan
    found.loc[::11, "job"] = None
    return found


X = table(1)
Y = ((X["hours"] > 40) ^ (X["job"] == "cook")).to_numpy()
ROWS = table(2, 40)


def by_name():
    """Columns are found by their names, in any order."""
    numbers = make_pipeline(SimpleImputer(), StandardScaler())
    front = ColumnTransformer(
        [
            ("n", numbers, ["age", "hours"]),
            ("w", OneHotEncoder(handle_unknown="ignore"), ["job"]),
            ("l", SimpleImputer(), ["level"]),
        ]
    )
    return make_pipeline(front, LogisticRegression()).fit(X, Y)


def strict():
    """All columns, by their names and in their order."""
    front = OrdinalEncoder(handle_unknown="use_encoded_value", unknown_value=-1)
    return make_pipeline(front, SimpleImputer(), DecisionTreeClassifier(max_depth=6, random_state=0)).fit(X[["job", "level"]], Y)


def by_position():
    """Fitted on an array: columns have no names."""
    numbers = make_pipeline(SimpleImputer(), StandardScaler())
    front = ColumnTransformer([("n", numbers, [0, 2]), ("w", OneHotEncoder(handle_unknown="ignore"), [1])])
    return make_pipeline(front, LogisticRegression()).fit(X.to_numpy(object), Y)


SOURCES = {"by name": by_name, "strict": strict, "by position": by_position}
COLUMNS = {"by name": NAMES, "strict": ["job", "level"], "by position": NAMES}


@pytest.fixture(scope="module", params=SOURCES)
def pair(request):
    source = SOURCES[request.param]()
    return request.param, source, qc.quantize(source)


@pytest.fixture(autouse=True)
def quiet():
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


def outcome(call, rows):
    try:
        return call(rows)
    except Exception as error:
        return error


def changed(**columns):
    """The rows with some columns replaced."""
    return lambda frame: frame.assign(**{n: make(frame[n]) for n, make in columns.items() if n in frame})


def polars_of(frame):
    return pytest.importorskip("polars").DataFrame(
        {n: [None if v is None or v != v else v for v in frame[n].tolist()] for n in frame}
    )


def arrow_of(frame):
    return pytest.importorskip("pyarrow").table(polars_of(frame).to_arrow())


def nullable(dtype):
    return lambda column: column.astype(dtype)


def objects(column):
    return pandas.Series(column.to_list(), index=column.index, dtype=object)


GOOD = {
    "as it was fitted": lambda f: f,
    "objects": changed(age=objects, job=objects, hours=objects, level=objects),
    "float32": changed(age=nullable("float32"), hours=nullable("float32")),
    "float16": changed(hours=nullable("float16")),
    "Float64": changed(age=nullable("Float64")),
    "Float32": changed(hours=nullable("Float32")),
    "Int64": changed(age=nullable("Int64"), level=nullable("Int64")),
    "Int8, one missing": changed(age=lambda c: c.astype("Int8").where(c > 20)),
    "Arrow's integers": changed(level=nullable("int64[pyarrow]")),
    "Arrow's floats": changed(age=nullable("double[pyarrow]")),
    "boolean": changed(level=lambda c: (c > 1).astype("boolean")),
    "bool": changed(level=lambda c: c > 1),
    "bool beside floats": changed(age=lambda c: c > 40),
    "small integers": changed(level=nullable("uint8")),
    "strings with pandas.NA": changed(job=nullable("string")),
    "strings of Arrow": changed(job=nullable("string[pyarrow]")),
    "categories": changed(job=nullable("category")),
    "categories with one unused": changed(job=lambda c: pandas.Categorical(c, ["zebra", "smith", "cook"])),
    "categories of integers": changed(level=nullable("category")),
    "sparse": changed(level=lambda c: pandas.arrays.SparseArray(c.to_numpy())),
    "an unknown category": changed(job=lambda c: c.where(c != "smith", "pilot")),
    "numbers as strings": changed(age=lambda c: objects(c.fillna(30).astype(int).astype(str))),
    "None among numbers": changed(age=lambda c: pandas.Series([None, *c[1:]], index=c.index, dtype=object)),
    "bytes": changed(job=lambda c: pandas.Series([b"cook"] * len(c), index=c.index, dtype=object)),
    "integers beyond 2**53": changed(hours=lambda c: pandas.Series([2**60 + 1] * len(c), index=c.index)),
    "one row": lambda f: f[3:4],
    "rows out of order": lambda f: f[::-1],
    "an index of its own": lambda f: f.set_axis([f"r{i}" for i in range(len(f))], axis=0),
    "polars": polars_of,
    "Arrow": arrow_of,
}


@pytest.mark.parametrize("form", GOOD)
def test_forms_that_scikit_learn_takes(pair, form):
    kind, source, model = pair
    needs = [name for name in ("polars", "pyarrow") if name in form.lower() or ("Arrow" in form and name == "pyarrow")]
    for name in needs:
        pytest.importorskip(name)
    rows = GOOD[form](ROWS[COLUMNS[kind]])
    expected = outcome(source.predict, rows)
    if isinstance(expected, Exception):  # numbers where the encoder was fitted on objects
        assert "isnan" in str(expected)
        with pytest.raises(type(expected), match="holds numbers"):
            model.predict(rows)
        return
    np.testing.assert_array_equal(model.predict(rows), expected)
    np.testing.assert_allclose(model.predict_proba(rows), source.predict_proba(rows), rtol=0.0, atol=1e-2)


def test_columns_of_any_order_beside_others():
    source = by_name()
    model = qc.quantize(source)
    rows = ROWS.assign(other="x", more=1j)[["other", "level", "hours", "job", "age", "more"]]
    np.testing.assert_array_equal(model.predict(rows), source.predict(rows))
    np.testing.assert_array_equal(model.predict(polars_of(rows.drop(columns="more"))), source.predict(rows))


# ------------------------------------------------------------------------ bad input


def renamed(*names):
    return lambda f: f.set_axis(list(names)[: f.shape[1]], axis=1)


BAD = {
    "a column is missing": lambda f: f.drop(columns="job"),
    "two columns are missing": lambda f: f.drop(columns=["job", "level"]),
    "a column is called otherwise": lambda f: f.rename(columns={"job": "Job"}),
    "a column more": lambda f: f.assign(other=1),
    "another order": lambda f: f[f.columns[::-1]],
    "no rows": lambda f: f[:0],
    "no columns": lambda f: f[[]],
    "names are numbers": lambda f: f.set_axis(range(f.shape[1]), axis=1),
    "names of both kinds": lambda f: f.rename(columns={"job": 3}),
    "names are tuples": lambda f: f.set_axis(pandas.MultiIndex.from_product([["a"], f.columns]), axis=1),
    "words for numbers": changed(age=lambda c: objects(c.astype(str) + "?"), level=lambda c: c),
    "complex numbers": changed(age=lambda c: c * 1j, level=lambda c: c * 1j),
    "infinity": changed(hours=lambda c: c / 0.0),
    "pandas.NA among numbers": changed(age=lambda c: pandas.Series([pandas.NA] * len(c), index=c.index, dtype=object)),
    "a Series": lambda f: f["job"],
    "a row as a Series": lambda f: f.iloc[0],
    "1-d": lambda f: np.arange(4.0),
    "1-d list": lambda f: [1, "cook", 2.0, 1],
    "3-d": lambda f: np.zeros((1, 2, 4)),
    "too narrow": lambda f: f.to_numpy(object)[:, 1:],
    "too wide": lambda f: np.column_stack([f.to_numpy(object), f.to_numpy(object)]),
    "no rows, array": lambda f: f.to_numpy(object)[:0],
    "an empty list": lambda f: [],
    "a list of an empty list": lambda f: [[]],
    "ragged": lambda f: [[1.0, "cook", 40.0, 1], [1.0, "cook"]],
    "None": lambda f: None,
    "a string": lambda f: "cook",
    "a number": lambda f: 3,
    "an object": lambda f: object(),
    "an np.matrix": lambda f: np.matrix(f.select_dtypes("number").to_numpy()),
    "names, polars": lambda f: polars_of(f.drop(columns="job")),
    "names, Arrow": lambda f: arrow_of(f.drop(columns="job")),
}

# Where scikit-learn's refusal is another one in each release, or names what it stumbled on.
EITHER = {"an np.matrix", "names are tuples", "names are numbers"}


def kind_of(error):
    return next(t for t in type(error).__mro__ if t.__module__ == "builtins")


@pytest.mark.parametrize("bad", BAD)
def test_bad_input(pair, bad):
    kind, source, model = pair
    if "polars" in bad or "Arrow" in bad:
        pytest.importorskip("polars")
    rows = BAD[bad](ROWS[COLUMNS[kind]])
    expected = outcome(source.predict, rows)
    found = outcome(model.predict, rows)
    if not isinstance(expected, Exception):
        np.testing.assert_array_equal(found, expected)
    elif bad in EITHER:
        assert isinstance(found, ValueError | TypeError)
    else:
        assert isinstance(found, Exception), f"{bad}: {expected!r}, here it answers"
        assert kind_of(found) is kind_of(expected), f"{bad}: {expected!r}, here {found!r}"
        assert str(found)
    certified = outcome(model.predict_certified, rows)
    assert type(certified) is type(found) if isinstance(found, Exception) else not isinstance(certified, Exception)


@pytest.mark.parametrize(
    ("bad", "names"),
    [
        (lambda f: f.drop(columns=["job", "level"]), ["job", "level"]),
        (lambda f: pandas.concat([f, f[["job"]]], axis=1), ["job"]),
        (lambda f: f.assign(job=pandas.to_datetime(["2024-01-01"] * len(f))), ["job"]),
        (lambda f: f.assign(age=pandas.to_timedelta(range(len(f)))), ["age"]),
        (lambda f: f.assign(age=1j), ["age"]),
    ],
)
def test_messages_name_the_columns(bad, names):
    with pytest.raises((ValueError, TypeError)) as caught:
        qc.quantize(by_name()).predict(bad(ROWS))
    assert all(repr(name) in str(caught.value) for name in names)


def test_dates_are_refused_where_numbers_are_read():
    model = qc.quantize(by_name())
    for dates in (pandas.to_datetime(["2024-01-01"] * len(ROWS)), pandas.to_datetime(["2024-01-01"] * len(ROWS), utc=True)):
        with pytest.raises(TypeError):
            model.predict(ROWS.assign(hours=dates))


def test_sparse_rows_are_refused():
    with pytest.raises(TypeError, match="toarray"):
        qc.quantize(by_name()).predict(sp.csr_matrix(np.ones((2, 4))))


# ----------------------------------------------------------------- dicts and records


def records(frame):
    return [{n: None if v != v else v for n, v in row.items()} for row in frame.to_dict("records")]


def test_records_mean_what_a_data_frame_of_them_means(pair):
    kind, source, model = pair
    if kind == "by position":
        with pytest.raises(ValueError, match="without column names"):
            model.predict(records(ROWS))
        return
    rows = records(ROWS[COLUMNS[kind]])
    expected = source.predict(pandas.DataFrame(rows))
    np.testing.assert_array_equal(model.predict(rows), expected)
    np.testing.assert_array_equal(model.predict(tuple(rows)), expected)
    # The meaning of a row does not depend on its batch.
    np.testing.assert_array_equal(np.concatenate([model.predict(row) for row in rows]), expected)
    np.testing.assert_array_equal(np.concatenate([model.predict([row]) for row in rows]), expected)
    columns = {name: [row[name] for row in rows] for name in rows[0]}
    np.testing.assert_array_equal(model.predict(columns), expected)
    np.testing.assert_array_equal(model.predict({n: tuple(v) for n, v in columns.items()}), expected)
    np.testing.assert_array_equal(model.predict({n: np.array(v, object) for n, v in columns.items()}), expected)
    backwards = [dict(reversed(row.items())) for row in rows]
    np.testing.assert_array_equal(model.predict(backwards), expected)


def test_columns_of_a_dict_may_be_series_and_arrays():
    source = by_name()
    model = qc.quantize(source)
    expected = source.predict(ROWS)
    np.testing.assert_array_equal(model.predict({n: ROWS[n] for n in ROWS}), expected)
    np.testing.assert_array_equal(model.predict({n: ROWS[n].array for n in ROWS}), expected)
    np.testing.assert_array_equal(model.predict({n: ROWS[n].to_numpy() for n in ROWS}), expected)
    polars, pyarrow = pytest.importorskip("polars"), pytest.importorskip("pyarrow")
    of_polars = polars_of(ROWS)
    expected = source.predict(of_polars)
    np.testing.assert_array_equal(model.predict({n: polars.Series(of_polars[n]) for n in ROWS}), expected)
    arrow = arrow_of(ROWS)
    np.testing.assert_array_equal(model.predict({n: arrow[n] for n in ROWS}), expected)
    np.testing.assert_array_equal(model.predict({n: arrow[n].combine_chunks() for n in ROWS}), expected)
    batch = pyarrow.RecordBatch.from_arrays([arrow[n].combine_chunks() for n in ROWS], names=list(ROWS))
    np.testing.assert_array_equal(model.predict(batch), expected)


def test_none_stays_none_where_the_source_knows_it():
    job = np.array(["clerk", None, float("nan"), "cook"] * 10, object)
    rows = pandas.DataFrame({"job": pandas.Series(job, dtype=object)})
    source = make_pipeline(OneHotEncoder(), LogisticRegression()).fit(rows, np.arange(40) % 4)
    model = qc.quantize(source)
    expected = source.predict(rows)
    np.testing.assert_array_equal(model.predict(rows), expected)
    np.testing.assert_array_equal(model.predict([{"job": value} for value in job]), expected)
    np.testing.assert_array_equal(model.predict({"job": list(job)}), expected)


BAD_RECORDS = {
    "a key is missing": (lambda r: [r[0], {n: v for n, v in r[1].items() if n != "job"}], ValueError, ["'job'", "row 1"]),
    "two keys are missing": (lambda r: [{"age": 1.0, "hours": 2.0}], ValueError, ["'job'", "'level'", "row 0"]),
    "no key": (lambda r: {}, ValueError, ["'job'"]),
    "one is no dict": (lambda r: [r[0], r[1], [1, 2]], TypeError, ["row 2", "list"]),
    "one is None": (lambda r: [r[0], None], TypeError, ["row 1", "NoneType"]),
    "columns of different length": (
        lambda r: {"age": [1.0], "job": ["cook", "cook"], "hours": [1.0], "level": [1]},
        ValueError,
        ["'job'", "'age'"],
    ),
    "a column among values": (lambda r: r[0] | {"job": ["cook"]}, TypeError, ["'job'", "'age'"]),
    "a matrix for a column": (lambda r: {n: np.ones((2, 2)) for n in r[0]}, ValueError, ["'age'"]),
    "no rows": (lambda r: {n: [] for n in r[0]}, ValueError, ["row"]),
    "complex": (lambda r: {n: np.ones(2, complex) for n in r[0]}, ValueError, ["'age'"]),
}


@pytest.mark.parametrize("bad", BAD_RECORDS)
def test_bad_records(bad):
    make, kind, words = BAD_RECORDS[bad]
    with pytest.raises(kind) as caught:
        qc.quantize(by_name()).predict(make(records(ROWS)))
    assert all(word in str(caught.value) for word in words), str(caught.value)


def test_a_key_more_is_refused_as_a_column_more_is():
    rows = records(ROWS[["job", "level"]])
    model = qc.quantize(strict())
    with pytest.raises(ValueError, match="unseen at fit time:\n- other"):
        model.predict([rows[0] | {"other": 1}])
    assert len(qc.quantize(by_name()).predict([records(ROWS)[0] | {"other": 1}])) == 1


def test_nothing_is_changed():
    frame, rows = ROWS.copy(), records(ROWS)
    before = frame.copy(deep=True), [dict(row) for row in rows]
    model = qc.quantize(by_name())
    model.predict(frame)
    model.predict(rows)
    pandas.testing.assert_frame_equal(frame, before[0])
    assert rows == before[1]
