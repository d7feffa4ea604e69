"""Transformers over tables: what scikit-learn's ``transform`` returns, bit for bit, or the type of what it raises."""

from __future__ import annotations

import itertools
import warnings
from dataclasses import replace

import numpy as np
import pytest
from sklearn.compose import ColumnTransformer, make_column_selector
from sklearn.ensemble import HistGradientBoostingClassifier, RandomForestClassifier
from sklearn.feature_extraction.text import CountVectorizer, TfidfVectorizer
from sklearn.impute import MissingIndicator, SimpleImputer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import FeatureUnion, make_pipeline
from sklearn.preprocessing import (
    FunctionTransformer,
    MinMaxScaler,
    Normalizer,
    OneHotEncoder,
    OrdinalEncoder,
    StandardScaler,
    TargetEncoder,
)

from quantcore.errors import UnsupportedModelError
from quantcore.importers import convert
from quantcore.importers.sklearn.common import VERSION
from quantcore.plan import Csr
from quantcore.plan.table import Table
from quantcore.reference import FUNCTIONS, run

pd = pytest.importorskip("pandas", reason="data frames of pandas are tested with it")

NAN = float("nan")
BIG = 2**53


@pytest.fixture(autouse=True)
def quiet():
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


def objects(*values):
    found = np.empty(len(values), object)
    found[:] = values
    return found


def frame(**columns):
    """A data frame whose columns keep the dtype that they are given in (pandas makes strings of objects)."""
    return pd.DataFrame({name: pd.Series(values, dtype=getattr(values, "dtype", None)) for name, values in columns.items()})


def outcome(function, *arguments):
    try:
        found = function(*arguments)
    except Exception as error:
        return type(error), None
    return None, found


def agree(model, X, *, exact=True):
    """A converted transformer gives what the source gives, or raises what it raises."""
    plan = convert(model)
    expected, found = outcome(model.transform, X), outcome(run, plan, X, "transform")
    assert found[0] is expected[0], (expected, found, X)
    if expected[0] is not None:
        return plan
    want, have = expected[1], found[1]
    assert isinstance(have, Csr) == hasattr(want, "tocsr")
    if isinstance(have, Csr):
        want = want.tocsr()
        want.sort_indices()
        np.testing.assert_array_equal(have.indptr, want.indptr)
        np.testing.assert_array_equal(have.indices, want.indices)
        have, want = have.data, want.data
    want = np.asarray(want)
    if want.dtype.kind == "f":
        assert have.dtype == want.dtype
    want = want.astype(have.dtype)
    np.testing.assert_array_equal(have, want) if exact else np.testing.assert_allclose(have, want, rtol=1e-12)
    if exact:
        np.testing.assert_array_equal(np.signbit(have), np.signbit(want))
    return plan


# What a column may hold: name → values. Fitted on each and served each of the others.
COLUMNS = {
    "strings": objects("x", "y", "z", "x"),
    "strings, None": objects("x", None, "y", "x"),
    "strings, NaN": objects("x", NAN, "y", "x"),
    "strings, None, NaN": objects("x", None, "y", np.nan),
    "numbers as objects": objects(1, 2.5, True, 3),
    "large as objects": objects(BIG, BIG + 1, float(BIG), 1),
    "numbers, None as objects": objects(1, None, 2, 1),
    "spelled": objects("1", "2", "2.5", "1"),
    "integers": np.array([1, 2, 3, 1]),
    "large integers": np.array([BIG, BIG + 1, BIG + 2, 1]),
    "larger integers": np.array([BIG + 3, BIG + 1, BIG - 1, 5]),
    "unsigned": np.array([1, 2, 200, 1], np.uint8),
    "floats": np.array([1.0, 2.5, -0.0, 1.0]),
    "large floats": np.array([float(BIG), BIG + 2.0, 1.0, 0.0]),
    "floats, NaN": np.array([1.0, NAN, 0.0, 2.0]),
    "single": np.array([0.1, 2.5, 1.0, 0.3], np.float32),
    "double": np.array([0.1, float(np.float32(0.1)), 1.0, 0.3]),
    "infinite": np.array([1.0, np.inf, 2.0, 1.0]),
    "booleans": np.array([True, False, True, True]),
    "one boolean": np.array([True, True, True, True]),
    "booleans as objects": objects(True, False, None, True),
    "empty strings": objects("", " ", "x", ""),
    "mixed": objects("x", 1, 2.5, None),
    "unhashable": objects("x", [1], "y", "x"),
}


def fits(model, values, y=None):
    return outcome(model.fit, frame(a=values), y)[0] is None


@pytest.mark.parametrize("fitted", COLUMNS)
@pytest.mark.parametrize("served", COLUMNS)
def test_values_are_compared_as_the_source_compares_them(fitted, served):
    if VERSION < (1, 8) and served.endswith(("booleans", "one boolean")) and COLUMNS[fitted].dtype != bool:
        return  # they went NumPy's way once: what can't be compared raises something else
    if np.lib.NumpyVersion(np.__version__) < "2.0.0" and "single" in (fitted, served):
        return  # an array of float32 was compared with each float64 in float32, and then in float64 once more
    y = np.array([0, 1, 1, 0])
    models = {
        "error": OneHotEncoder(),
        "ignore": OneHotEncoder(handle_unknown="ignore", sparse_output=False),
        "ordinal": OrdinalEncoder(handle_unknown="use_encoded_value", unknown_value=-3, encoded_missing_value=-2),
        "target": TargetEncoder(target_type="continuous"),
    }
    for model in models.values():
        if fits(model, COLUMNS[fitted], y):
            agree(model, frame(a=COLUMNS[served]))
            if served.startswith("string"):  # what pandas itself makes of strings
                agree(model, frame(a=COLUMNS[served].tolist()))


@pytest.mark.parametrize("served", COLUMNS)
def test_object_arrays(served):
    """Rows of one object array: each column of it is of objects."""
    rows = np.column_stack([objects("x", "y", None, "x"), objects(1, 2, 3.5, True), objects(1.5, NAN, BIG + 1, 0)])
    model = OneHotEncoder(handle_unknown="ignore").fit(rows)
    values = COLUMNS[served].astype(object)
    for place in range(3):
        new = rows.copy()
        new[:, place] = values
        agree(model, new)
    plain = np.array([["x", "yy"], ["yyy", "z"], ["x", "z"]])
    agree(OneHotEncoder(handle_unknown="ignore").fit(plain), np.array([["x", "z"], ["long unknown", "yy"]]))
    numbers = np.array([[1, 2], [3, 4], [1, 4]])
    for rows in (numbers, numbers.astype(float), np.array([[1.0, NAN]]), np.array([[np.inf, 1.0]]), numbers.astype(np.float32)):
        agree(OneHotEncoder(handle_unknown="ignore").fit(numbers), rows)
        agree(OrdinalEncoder(handle_unknown="use_encoded_value", unknown_value=-1).fit(numbers), rows)


TOWNS = ["Rome"] * 9 + ["Oslo"] * 7 + ["Kyiv"] * 4 + ["Lima"] * 2 + ["Cork"] + [None] * 3 + [NAN] * 2
SIZES = [1.0] * 10 + [2.0] * 9 + [3.0] * 2 + [4.0] + [NAN] * 6
HALVES = [True] * 20 + [False] * 8
SERVED = frame(
    town=objects("Rome", "Cork", "Unknown", None, NAN, "Lima", "Kyiv", ""),
    size=[1.0, 3.0, 7.0, NAN, 4.0, 2.0, -0.0, 1e300],
    half=[True, False] * 4,
)
FITTED = frame(town=objects(*TOWNS), size=SIZES, half=HALVES)


@pytest.mark.parametrize("rare", [{}, {"min_frequency": 3}, {"min_frequency": 0.2}, {"max_categories": 3}, {"max_categories": 1}])
@pytest.mark.parametrize("unknown", ["error", "ignore", "infrequent_if_exist", "warn"])
@pytest.mark.parametrize("drop", [None, "first", "if_binary", ["Rome", 1.0, True], [NAN, NAN, False], [None, 2.0, True]])
def test_one_hot_encoder(drop, unknown, rare):
    model = OneHotEncoder(drop=drop, handle_unknown=unknown, **rare)
    if outcome(model.fit, FITTED)[0] is not None:
        pytest.skip("scikit-learn refuses it")
    if not model.get_feature_names_out().size:
        with pytest.raises(UnsupportedModelError, match="drop"):
            convert(model)
        return
    agree(model, FITTED)
    agree(model, SERVED)
    for dtype in (np.float32, np.float64, int, np.uint8):
        dense = OneHotEncoder(drop=drop, handle_unknown=unknown, sparse_output=False, dtype=dtype, **rare).fit(FITTED)
        agree(dense, FITTED[::-1])
        agree(dense, SERVED)


@pytest.mark.parametrize("rare", [{}, {"min_frequency": 3}, {"max_categories": 2}])
@pytest.mark.parametrize("dtype", [np.float64, np.float32, np.int32, np.int8])
@pytest.mark.parametrize("missing", [NAN, -1, 77])
@pytest.mark.parametrize("unknown", [None, NAN, -9, 100])
def test_ordinal_encoder(rare, dtype, missing, unknown):
    model = OrdinalEncoder(
        handle_unknown="error" if unknown is None else "use_encoded_value",
        unknown_value=unknown,
        encoded_missing_value=missing,
        dtype=dtype,
        **rare,
    )
    if outcome(model.fit, FITTED)[0] is not None:
        pytest.skip("scikit-learn refuses it")
    agree(model, FITTED[::-1])
    agree(model, SERVED)


def test_categories_that_are_given():
    known = [["Rome", "Atlantis", None, NAN], [0.0, 1.0, 2.5, NAN], [False, True]]
    for model in (
        OneHotEncoder(categories=known, handle_unknown="ignore"),
        OrdinalEncoder(categories=known, handle_unknown="use_encoded_value", unknown_value=-1),
    ):
        agree(model.fit(FITTED), SERVED)


@pytest.mark.parametrize("kind", ["binary", "continuous", "multiclass"])
@pytest.mark.parametrize("smooth", ["auto", 0.0, 5.5])
def test_target_encoder(kind, smooth):
    random = np.random.default_rng(2)
    y = {
        "binary": np.array(["no", "yes"])[random.integers(0, 2, len(FITTED))],
        "continuous": random.normal(size=len(FITTED)),
        "multiclass": random.integers(3, 6, len(FITTED)),
    }[kind]
    model = TargetEncoder(smooth=smooth).fit(FITTED, y)
    agree(model, FITTED[::-1])
    agree(model, SERVED)


OBJECTS = frame(
    a=objects("x", None, "y", "x", NAN, "?"),
    b=objects(1, 2.5, None, True, NAN, 1),
    c=objects(None, None, None, None, None, None),
    d=objects(NAN, NAN, NAN, NAN, NAN, NAN),
    e=[1.5, NAN, 1.5, 3.0, -0.0, 7.0],
)


@pytest.mark.parametrize("missing", [NAN, None, "?", 1, pd.NA], ids=["nan", "None", "?", "1", "NA"])
@pytest.mark.parametrize("keep", [False, True])
@pytest.mark.parametrize("indicator", [False, True])
@pytest.mark.parametrize(
    "fill", [{"strategy": "most_frequent"}, {"strategy": "constant"}, {"strategy": "constant", "fill_value": 0}]
)
def test_imputers_of_objects(missing, keep, indicator, fill):
    rows = (
        OBJECTS if missing is not pd.NA else frame(a=objects("x", pd.NA, "y", "x", NAN, None), b=objects(1, 2, NAN, 1, 3, pd.NA))
    )
    if missing is None or isinstance(missing, (str, int)):
        columns = {name: objects(*(None if v != v else v for v in rows[name])) for name in "abce"}
        rows = frame(**columns)
    imputer = SimpleImputer(missing_values=missing, keep_empty_features=keep, add_indicator=indicator, **fill)
    if outcome(imputer.fit, rows)[0] is not None:
        pytest.skip("scikit-learn refuses it")
    filled = imputer.transform(rows)
    for encoder in (OneHotEncoder(handle_unknown="ignore"), OrdinalEncoder(handle_unknown="use_encoded_value", unknown_value=-1)):
        if outcome(encoder.fit, filled)[0] is not None:
            filled = filled.astype(str).astype(object)  # what can't be sorted can't be encoded either
            continue
        model = make_pipeline(imputer, encoder)
        for new in (rows, rows[::-1], rows.to_numpy(object), OBJECTS[list(rows)]):
            agree(model, new)


def test_objects_that_hold_numbers():
    rows = frame(a=objects(1, None, 3, "4.5"), b=[1.0, 2.0, NAN, 4.0])
    plan = convert(make_pipeline(SimpleImputer(strategy="constant", fill_value="7"), StandardScaler()).fit(rows.astype(object)))
    assert plan.input == "table"
    for missing in (NAN, None):
        data = frame(a=objects(1, missing, 3, "4.5"), b=objects(1.0, 2, missing, 4.0))
        imputer = SimpleImputer(strategy="constant", fill_value=-1, missing_values=missing)
        agree(make_pipeline(imputer, MinMaxScaler()).fit(data), data)


def test_strings_are_no_result():
    imputer = SimpleImputer(strategy="most_frequent").fit(OBJECTS[["a"]].where(OBJECTS[["a"]].notna(), NAN))
    with pytest.raises(UnsupportedModelError, match="strings"):
        convert(imputer)


@pytest.mark.parametrize("strategy", ["mean", "median", "most_frequent", "constant"])
@pytest.mark.parametrize("dtype", [np.float64, np.float32, np.int64])
@pytest.mark.parametrize("missing", [NAN, -1])
def test_imputers_of_numbers_in_tables(strategy, dtype, missing):
    random = np.random.default_rng(3)
    values = random.integers(-1, 4, (30, 3))
    if dtype != np.int64:
        values = values / 3
        values[values < 0] = missing
    elif missing != -1:
        pytest.skip("integers hold no NaN")
    rows = pd.DataFrame(values.astype(dtype), columns=["a", "b", "c"])
    imputer = SimpleImputer(strategy=strategy, missing_values=missing, add_indicator=True)
    agree(ColumnTransformer([("i", imputer, ["c", "a"])]).fit(rows), rows[::-1])
    encoded = make_pipeline(SimpleImputer(strategy=strategy, missing_values=missing), OneHotEncoder(handle_unknown="ignore"))
    columns = ColumnTransformer([("e", encoded, ["c", "a"]), ("b", "passthrough", ["b"])]).fit(rows.fillna(0), None)
    agree(columns, rows.fillna(0)[::-1])
    agree(encoded.fit(rows), rows[::-1])


@pytest.mark.parametrize("features", ["missing-only", "all"])
@pytest.mark.parametrize("sparse", ["auto", True, False])
@pytest.mark.parametrize("error", [True, False])
@pytest.mark.parametrize("missing", [NAN, None, "?"])
def test_missing_indicator(features, sparse, error, missing):
    rows = frame(a=objects("x", missing, "y"), b=objects("x", "z", "y"), c=objects("x", "y", missing))
    indicator = MissingIndicator(features=features, sparse=sparse, error_on_new=error, missing_values=missing)
    new = frame(a=rows["a"].array, b=objects(missing, "z", "y"), c=rows["c"].array)
    model = ColumnTransformer([("i", indicator, ["c", "b", "a"])], sparse_threshold=0).fit(rows)
    agree(model, rows[::-1])
    agree(model, new)
    if missing is not NAN:
        return
    numbers = np.array([[1.0, NAN, 3.0], [NAN, 2.0, 3.0]])
    indicator.fit(numbers)
    for served in (numbers[::-1], np.array([[1.0, 2.0, NAN]])):
        agree(indicator, served)
        if sparse != "auto":  # a union of dense branches
            agree(FeatureUnion([("i", indicator), ("f", SimpleImputer())]).fit(numbers), served)


def mixed(seed, n_rows=60):
    random = np.random.default_rng(seed)
    found = pd.DataFrame(
        {
            "age": random.integers(17, 90, n_rows),
            "job": random.choice(["clerk", "smith", "cook"], n_rows),
            "hours": random.normal(40, 12, n_rows),
            "retired": random.random(n_rows) < 0.3,
            "note": [" ".join(random.choice(["red", "blue", "green", "Green"], 4)) for _ in range(n_rows)],
            "title": [" ".join(random.choice(["cat", "dog", "cat-fish"], 2)) for _ in range(n_rows)],
            "single": random.normal(size=n_rows).astype(np.float32),
            "small": random.integers(-9, 9, n_rows).astype(np.int8),
            "spelled": random.choice(["1", "2.5", "-3e2"], n_rows).astype(object),
        }
    )
    found.loc[found.index % 7 == 0, "hours"] = np.nan
    found.loc[found.index % 11 == 0, "job"] = np.nan
    return found


ONE_HOT = OneHotEncoder(handle_unknown="ignore")
DENSE = OneHotEncoder(handle_unknown="ignore", sparse_output=False)
COLUMN_TRANSFORMERS = {
    "by name": ColumnTransformer([("n", StandardScaler(), ["hours", "age"]), ("w", ONE_HOT, ["job"])]),
    "by position": ColumnTransformer([("n", StandardScaler(), [2, 0]), ("w", ONE_HOT, [1])]),
    "by slice": ColumnTransformer([("n", StandardScaler(), slice("hours", "retired")), ("w", ONE_HOT, slice(0, 2))]),
    "by mask": ColumnTransformer([("n", StandardScaler(), [True, False, True] + [False] * 6)]),
    "callable": ColumnTransformer(
        [
            ("n", MinMaxScaler(), make_column_selector(dtype_include=np.number)),
            ("w", ONE_HOT, make_column_selector("^(job|spelled)$")),
        ]
    ),
    "callable that gives one column": ColumnTransformer([("t", CountVectorizer(), lambda X: "note")]),
    "drop": ColumnTransformer([("a", "drop", ["note"]), ("n", StandardScaler(), ["hours"])]),
    "remainder passes": ColumnTransformer(
        [("w", ONE_HOT, ["job"]), ("t", "drop", ["note", "title"])], remainder="passthrough", sparse_threshold=0
    ),
    "remainder passes, sparse": ColumnTransformer(
        [("w", ONE_HOT, ["job"]), ("t", "drop", ["note", "title"])], remainder="passthrough", sparse_threshold=1
    ),
    "remainder is encoded": ColumnTransformer([("n", StandardScaler(), ["hours"])], remainder=ONE_HOT),
    "numbers, booleans and what spells numbers": ColumnTransformer(
        [("p", "passthrough", ["spelled", "retired", "age", "single"])], verbose_feature_names_out=False
    ),
    "booleans": ColumnTransformer([("p", "passthrough", ["retired"])]),
    "single": ColumnTransformer([("p", "passthrough", ["single"]), ("s", StandardScaler(), ["single"])]),
    "single beside integers": ColumnTransformer([("p", MinMaxScaler(), ["single", "age"])]),
    "single beside what is small": ColumnTransformer(
        [("p", MinMaxScaler(), ["single"]), ("s", "passthrough", ["small", "retired"])]
    ),
    "single beside integers that pass": ColumnTransformer([("p", MinMaxScaler(), ["single"]), ("s", "passthrough", ["age"])]),
    "small alone": make_pipeline(
        ColumnTransformer([("s", "passthrough", ["small"]), ("r", "passthrough", ["retired"])]), MinMaxScaler()
    ),
    "small and single": make_pipeline(
        ColumnTransformer([("s", "passthrough", ["small"]), ("r", "passthrough", ["single"])]), StandardScaler()
    ),
    "single beside booleans that pass": make_pipeline(
        ColumnTransformer([("p", "passthrough", ["single", "retired"])]), StandardScaler()
    ),
    "single beside an indicator": ColumnTransformer(
        [("n", StandardScaler(), ["single"]), ("m", MissingIndicator(features="all"), ["hours", "job"])]
    ),
    "two encoders of numbers": ColumnTransformer(
        [("a", ONE_HOT, ["age", "small"]), ("b", OneHotEncoder(handle_unknown="ignore", drop="first"), ["age", "small"])]
    ),
    "small, weighed": ColumnTransformer(
        [("s", "passthrough", ["small", "retired"]), ("t", "passthrough", ["single"])], transformer_weights={"s": 0.1}
    ),
    "single beside booleans": ColumnTransformer([("p", MinMaxScaler(), ["single", "retired"])]),
    "sparse": ColumnTransformer(
        [("n", StandardScaler(), ["hours", "age"]), ("w", ONE_HOT, ["job", "spelled"])], sparse_threshold=1
    ),
    "sparse alone": ColumnTransformer([("w", ONE_HOT, ["job", "spelled"])]),
    "sparse alone, made dense": ColumnTransformer([("w", ONE_HOT, ["job", "spelled"])], sparse_threshold=0),
    "dense": ColumnTransformer([("n", StandardScaler(), ["hours", "age"]), ("w", DENSE, ["job", "spelled"])]),
    "weights": ColumnTransformer(
        [("n", StandardScaler(), ["hours"]), ("w", ONE_HOT, ["job"]), ("p", "passthrough", ["age"])],
        transformer_weights={"n": 0.3, "w": 2, "p": 0},
    ),
    "nested": ColumnTransformer(
        [
            ("in", ColumnTransformer([("h", StandardScaler(), ["hours"]), ("j", ONE_HOT, ["job"])]), ["job", "age", "hours"]),
            ("by place", ColumnTransformer([("h", StandardScaler(), [1])], remainder="passthrough"), ["age", "hours"]),
        ]
    ),
    "no column": ColumnTransformer([("none", StandardScaler(), []), ("w", ONE_HOT, ["job"])]),
    "texts": ColumnTransformer(
        [
            ("note", TfidfVectorizer(), "note"),
            ("title", CountVectorizer(), "title"),
            ("w", ONE_HOT, ["job"]),
            ("n", make_pipeline(SimpleImputer(), StandardScaler()), ["hours"]),
        ]
    ),
    "texts by position": ColumnTransformer(
        [("note", TfidfVectorizer(norm="l1"), 4), ("n", "passthrough", [0])], sparse_threshold=0
    ),
    "union inside": ColumnTransformer(
        [("u", FeatureUnion([("s", StandardScaler()), ("same", "passthrough"), ("m", MissingIndicator())]), ["hours", "age"])]
    ),
    "pipelines": ColumnTransformer(
        [
            ("n", make_pipeline(SimpleImputer(strategy="median", add_indicator=True), StandardScaler()), ["age", "hours"]),
            ("w", make_pipeline(SimpleImputer(strategy="most_frequent"), ONE_HOT), ["job", "spelled"]),
            ("o", make_pipeline(SimpleImputer(strategy="constant", fill_value="none"), OrdinalEncoder()), ["job", "note"]),
        ]
    ),
}


@pytest.mark.parametrize("name", COLUMN_TRANSFORMERS)
def test_column_transformer(name):
    rows = mixed(1)
    model = COLUMN_TRANSFORMERS[name].fit(rows)
    agree(model, rows)
    new = mixed(2, 40)
    if "o" not in dict(getattr(model, "named_transformers_", {})):  # it refuses notes that it doesn't know
        agree(model, new)
        agree(model, new[list(new)[::-1]].assign(other=1))
    agree(model, rows.drop(columns="hours"))
    agree(model, rows.to_numpy(object)[:, :3])
    array = rows.to_numpy(object)
    if outcome(model.transform, array)[0] is None:
        agree(model, array)
    else:  # the source finds columns by name alone; here their places do as well
        whole = outcome(model.transform, rows)[1]
        found = run(convert(model), array, "transform")
        dense = [m.toarray() if hasattr(m, "toarray") else m for m in (found, whole)]
        np.testing.assert_allclose(dense[0], dense[1].astype(float), rtol=1e-6, atol=1e-8)


@pytest.mark.parametrize("name", ["by name", "sparse", "weights", "nested", "texts", "pipelines"])
def test_scores_behind_a_column_transformer(name):
    rows, y = mixed(1), np.arange(60) % 2
    first = make_pipeline(COLUMN_TRANSFORMERS[name], SimpleImputer())
    for last in (LogisticRegression(), RandomForestClassifier(5, random_state=0)):
        model = make_pipeline(first, last).fit(rows, y)
        np.testing.assert_array_equal(run(convert(model), rows), model.predict(rows))


def in_pandas(step):
    return step.set_output(transform="pandas")


TWICE = {
    "passed on": make_pipeline(
        ColumnTransformer([("same", "passthrough", ["job", "age", "hours"])]),
        ColumnTransformer([("w", ONE_HOT, [0]), ("n", StandardScaler(), [1, 2])]),
    ),
    "filled, then encoded": make_pipeline(
        ColumnTransformer(
            [
                ("n", SimpleImputer(), ["hours", "age"]),
                ("w", SimpleImputer(strategy="constant", fill_value="none"), ["job"]),
            ]
        ),
        ColumnTransformer([("w", ONE_HOT, [2]), ("n", StandardScaler(), [1, 0])]),
    ),
    "scaled beside strings": make_pipeline(
        ColumnTransformer(
            [("n", make_pipeline(SimpleImputer(), StandardScaler()), ["hours"]), ("w", "passthrough", ["job", "retired"])]
        ),
        ColumnTransformer([("n", "passthrough", [0]), ("w", ONE_HOT, [1, 2])]),
    ),
    "by name, from pandas": make_pipeline(
        in_pandas(
            ColumnTransformer(
                [
                    ("w", SimpleImputer(strategy="constant", fill_value="none"), ["job"]),
                    ("n", StandardScaler(), ["hours", "age"]),
                ],
                remainder="passthrough",
                verbose_feature_names_out=False,
            )
        ),
        ColumnTransformer([("n", MinMaxScaler(), ["age", "single"]), ("w", ONE_HOT, ["job", "retired"])]),
    ),
    "weighed beside strings": make_pipeline(
        ColumnTransformer(
            [("n", StandardScaler(), ["age"]), ("w", "passthrough", ["job", "small"]), ("p", "passthrough", ["single"])],
            transformer_weights={"n": 0.3, "p": 2.0},
        ),
        ColumnTransformer([("w", ONE_HOT, [1]), ("n", "passthrough", [0, 2, 3])]),
    ),
    "objects beside numbers": make_pipeline(
        ColumnTransformer([("same", "passthrough", ["job", "age", "retired"])]), OneHotEncoder(handle_unknown="ignore")
    ),
    "imputer, then by name": make_pipeline(
        in_pandas(SimpleImputer(strategy="most_frequent")),
        ColumnTransformer([("w", ONE_HOT, ["job"]), ("n", "passthrough", ["age"])]),
    ),
    "numbers alone": make_pipeline(
        ColumnTransformer([("n", StandardScaler(), ["age", "hours"])]), ColumnTransformer([("second", MinMaxScaler(), [1])])
    ),
    "sparse, then chosen": make_pipeline(
        ColumnTransformer([("w", ONE_HOT, ["job"]), ("n", StandardScaler(), ["age"])], sparse_threshold=1),
        ColumnTransformer([("some", "passthrough", [3, 0]), ("n", Normalizer(), [1, 2, 4])], sparse_threshold=1),
    ),
    "encoded twice": make_pipeline(
        ColumnTransformer([("o", OrdinalEncoder(), ["job"])], remainder="drop"), OneHotEncoder(handle_unknown="ignore")
    ),
}


@pytest.mark.parametrize("name", TWICE)
def test_one_transformer_after_another(name):
    rows, model = mixed(1), TWICE[name]
    if outcome(model.fit, rows)[0] is not None:
        pytest.skip("scikit-learn refuses it")  # 1.8: strings of pandas 3 in SimpleImputer
    agree(model, rows)
    agree(model, mixed(2, 40))


@pytest.mark.parametrize("same", ["passthrough", FunctionTransformer()], ids=["passthrough", "identity"])
def test_feature_union(same):
    rows = mixed(1)[["hours", "age"]]
    matrix = rows.to_numpy()
    unions = [
        FeatureUnion([("s", StandardScaler()), ("same", same)]),
        FeatureUnion([("same", same), ("o", ONE_HOT)], transformer_weights={"same": 2.0}),
        FeatureUnion([("c", ColumnTransformer([("o", ONE_HOT, [1])])), ("same", same), ("no", "drop")]),
    ]
    for union in unions:
        for X in (rows, matrix):
            agree(union.fit(X), X[::-1])
    last = make_pipeline(FeatureUnion([("c", ColumnTransformer([("o", ONE_HOT, [0])])), ("m", MissingIndicator())]))
    agree(last.fit(matrix), matrix)


def refusals(model, rows, y):
    fitted = model.fit(rows, y)
    plan = convert(fitted)
    for place, value in itertools.product(range(rows.shape[1]), (np.nan, np.inf, None, "x", "2.5")):
        new = rows.astype(object) if isinstance(value, str) or value is None else rows.astype(float)
        new = new.copy()
        new.iloc[1, place] = value
        expected, found = outcome(fitted.predict, new), outcome(run, plan, new)
        assert found[0] is expected[0], (place, value, expected, found)
        if expected[0] is None:
            np.testing.assert_array_equal(found[1], expected[1])


@pytest.mark.parametrize(
    "last", [LogisticRegression(), RandomForestClassifier(3, random_state=0), HistGradientBoostingClassifier()]
)
@pytest.mark.parametrize(
    "step", ["passthrough", StandardScaler(), SimpleImputer(), Normalizer(), make_pipeline(SimpleImputer(), StandardScaler())]
)
def test_what_is_refused(step, last):
    random = np.random.default_rng(0)
    rows = pd.DataFrame(random.normal(size=(60, 3)), columns=["a", "b", "c"])
    columns = ColumnTransformer([("n", step, ["a", "b"])], remainder="drop")
    refusals(make_pipeline(columns, last), rows, random.integers(0, 2, 60))


def test_messages_name_the_column():
    rows = mixed(1).fillna({"hours": 1.0, "job": "cook"})
    columns = ColumnTransformer([("n", StandardScaler(), ["age", "hours"]), ("w", OneHotEncoder(), ["job"])])
    plan = convert(make_pipeline(columns, LogisticRegression()).fit(rows, np.arange(60) % 2))
    for name, value in (("hours", "long"), ("hours", np.inf), ("job", "pilot")):
        new = rows.astype({name: object})
        new.loc[3, name] = value
        with pytest.raises(ValueError, match=f"column '{name}'"):
            run(plan, new)
    with pytest.raises(TypeError, match="column 'job'"):
        run(plan, rows.assign(job=1.5))


def test_every_column_of_a_table_has_a_name():
    table = Table(2, (np.arange(2.0), None), ("a", "b"))
    assert (table.name(1), replace(table, names=None).name(1), table.take_rows(np.array([1])).names) == (
        "column 'b'",
        "column 1",
        ("a", "b"),
    )
    assert "Join" in FUNCTIONS
