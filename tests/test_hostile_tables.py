"""Tables in every layout that memory has, that lie about themselves, whose cells act when they are read, or that another thread
changes meanwhile: the source's labels, an error, or, where nobody can know what was read, any label; never a crash."""

from __future__ import annotations

import itertools
import sys
from pathlib import Path

import numpy as np
import pytest
from sklearn.compose import make_column_transformer
from sklearn.ensemble import RandomForestClassifier
from sklearn.feature_extraction.text import CountVectorizer
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, OrdinalEncoder, StandardScaler

import quantcore as qc

sys.path.append(str(Path(__file__).parent))
from hostile import DTYPES, FAULTS, LOCKED, Liar, Strange, beside, outcome  # noqa: E402

pandas = pytest.importorskip("pandas", reason="data frames of pandas are tested with it")

RANDOM = np.random.default_rng(4)
NAN = float("nan")
N = 120
TOWNS = ["Oslo", "Rome", "Lima", "Kyiv", "São Paulo"]
COLUMNS = {
    "age": [float(v) if v else NAN for v in RANDOM.integers(0, 60, N)],
    "town": [TOWNS[i] for i in RANDOM.integers(0, 5, N)],
    "rank": RANDOM.integers(1, 5, N).tolist(),
    "said": [" ".join(RANDOM.choice(["cat", "dog", "bird", "ähre", "日本"], 4)) for _ in range(N)],
}
NAMES = list(COLUMNS)
FRAME = pandas.DataFrame(COLUMNS)
Y = (np.nan_to_num(FRAME["age"]) > 30).astype(int) + (FRAME["town"] == "Oslo") + (FRAME["rank"] > 2)

SCALED = make_pipeline(SimpleImputer(), StandardScaler())
ONES = OneHotEncoder(handle_unknown="ignore")
CODES = OrdinalEncoder(handle_unknown="use_encoded_value", unknown_value=-1)
SOURCES = {
    "linear": ([(SCALED, ["age", "rank"]), (ONES, ["town"])], LogisticRegression()),
    "trees": ([("passthrough", ["age", "rank"]), (CODES, ["town"])], RandomForestClassifier(6, max_depth=5, random_state=0)),
    "texts beside": ([(SCALED, ["age"]), (ONES, ["rank", "town"]), (CountVectorizer(), "said")], LogisticRegression()),
}


@pytest.fixture(scope="module", params=SOURCES)
def table(request):
    """The source and its model, made once."""
    parts, last = SOURCES[request.param]
    source = make_pipeline(make_column_transformer(*parts), last).fit(FRAME, Y)
    return source, qc.quantize(source, FRAME)


def columns(times=1):
    """Lists of their own."""
    return {name: list(values) * times for name, values in COLUMNS.items()}


def records(times=1):
    return FRAME.to_dict("records") * times


def right_afterwards(source, model):
    np.testing.assert_array_equal(model.predict(FRAME), source.predict(FRAME))
    np.testing.assert_array_equal(model.predict(columns()), source.predict(FRAME))


LAYOUTS = {
    "whole": lambda a: a,
    "every other": lambda a: np.repeat(a, 2)[::2],
    "reversed": lambda a: a[::-1].copy()[::-1],
    "one value": lambda a: np.broadcast_to(a[0], a.shape),
    "read-only": lambda a: np.frombuffer(a.tobytes(), a.dtype),
    "unaligned": lambda a: np.frombuffer(b"x" + a.tobytes(), np.uint8)[1:].view(a.dtype),
    "in a record": lambda a: np.rec.fromarrays([np.zeros(len(a), "u1"), a], names="before,values")["values"],
    "a column of an array": lambda a: np.stack([a, a], axis=1)[:, 1],
}


@pytest.mark.parametrize("layout", LAYOUTS)
def test_every_dtype_order_and_stride_of_columns(table, layout):
    source, model = table
    whole = {**COLUMNS, "age": [0.0 if v != v else v for v in COLUMNS["age"]]}
    for code, order in itertools.product(DTYPES, "<>"):
        dtype = np.dtype(code).newbyteorder(order)
        given = {name: np.array(whole[name], object) for name in ("town", "said")}
        given |= {name: LAYOUTS[layout](np.array(whole[name]).astype(dtype)) for name in ("age", "rank")}
        native = {name: np.ascontiguousarray(v, v.dtype.newbyteorder("=")) for name, v in given.items()}
        expected = outcome(source.predict, pandas.DataFrame(native))
        assert outcome(model.predict, given) == expected, dtype
        assert outcome(lambda X: model.predict_certified(X).labels, given) == expected, dtype
        assert outcome(model.predict, pandas.DataFrame(given)) == expected, dtype


@pytest.mark.parametrize("value", [NAN, np.inf, -np.inf, 1e308, -1e308, 5e-324, 2**53, 2**63, None, "12", b"x", 1j], ids=repr)
@pytest.mark.parametrize("name", NAMES)
def test_values_that_do_not_belong_there(table, name, value):
    """As the source takes a frame of them: its labels, or an error."""
    source, model = table
    odd = columns()
    odd[name][7] = value
    frame = pandas.DataFrame({key: pandas.Series(v, dtype=object if key == name else None) for key, v in odd.items()})
    expected = outcome(source.predict, frame)
    assert outcome(model.predict, frame) == expected
    rows = [dict(zip(odd, row, strict=True)) for row in zip(*odd.values(), strict=True)]
    for form in (odd, rows):
        found = outcome(model.predict, form)
        assert found == expected or (value is None and name != "said"), "None in a list is NaN, as a frame of it has"
        assert found == outcome(model.predict, form)


def test_empty_tables(table):
    _, model = table
    for empty in (FRAME[:0], {name: [] for name in NAMES}, [], {}, FRAME[[]], pandas.DataFrame(), [{}], FRAME[:0].to_numpy()):
        with pytest.raises((ValueError, TypeError, KeyError)):
            model.predict(empty)


def test_columns_that_do_not_fit(table):
    source, model = table
    strange = {
        "one is longer": {**columns(), "town": COLUMNS["town"] * 2},
        "one is shorter": {**columns(), "age": np.arange(3.0)},
        "one is lacking": {name: values for name, values in COLUMNS.items() if name != "town"},
        "one is a table": {**columns(), "age": np.zeros((N, 2))},
        "one is a number": {**columns(), "rank": 3},
        "one is a text": {**columns(), "town": "Oslo"},
        "one is None": {**columns(), "town": None},
        "one is an iterator": {**columns(), "town": iter(COLUMNS["town"])},
        "one is twice there": pandas.concat([FRAME, FRAME[["town"]]], axis=1),
        "names of several levels": FRAME.set_axis(pandas.MultiIndex.from_product([["x"], NAMES]), axis=1),
        "names that are numbers": FRAME.set_axis(range(len(NAMES)), axis=1),
        "a row lacks one": [*records(), {"age": 1.0}],
        "a row is none": [*records(), None],
        "a row is a list": [*records(), [1.0, "Oslo", 3, "cat"]],
        "a row of lists": [{name: [value] for name, value in row.items()} for row in records()],
    }
    for what, X in strange.items():
        with pytest.raises((ValueError, TypeError, KeyError, AttributeError)):
            model.predict(X)
            pytest.fail(what)
    right_afterwards(source, model)


# ----------------------------------------------------------------- liars


class Named(dict):
    """A dict whose items are not what it says elsewhere."""

    def __len__(self):
        return 1 << 40

    def __getitem__(self, name):
        raise RuntimeError("no column today")


class Stream:
    """Says that it is a table of pyarrow."""

    def __init__(self, given):
        self.given = given

    def __arrow_c_stream__(self, requested_schema=None):
        if isinstance(self.given, BaseException):
            raise self.given
        return self.given


Stream.__module__ = "pyarrow.lib"


class Framed:
    """Has what data frames have, and lies in all of it."""

    columns = pandas.Index(NAMES)
    shape = (1 << 40, len(NAMES))
    iloc = loc = values = None

    def __len__(self):
        return -1

    def __getitem__(self, name):
        return Liar([1.0] * 3, shape=(3,))

    def __dataframe__(self, *args, **more):
        raise RuntimeError("no table today")


def lies():
    """Name → table that is none."""
    told = {
        "an error": RuntimeError("no array today"), "a list": [1.0] * N, "another length": np.zeros(3), "nothing": None,
        "two dimensions": np.zeros((N, 2)), "no memory": MemoryError(), "objects": np.full(N, object()),
    }  # fmt: skip
    for what, given in told.items():
        yield f"a column: {what}", {**columns(), "age": Liar(given, shape=(N,))}
        yield f"a table: {what}", Liar(given, shape=(N, len(NAMES)))
    yield "a dict", Named(columns())
    yield "a frame", Framed()
    for what, given in {"an error": RuntimeError("no stream today"), "nothing": None, "a number": 3, "itself": object()}.items():
        yield f"a stream: {what}", Stream(given)
    yield "rows that are dicts, and lie", [Named(row) for row in records()]


@pytest.mark.parametrize("lie", [name for name, _ in lies()])
def test_tables_that_lie(table, lie):
    source, model = table
    for method in ("predict", "predict_proba", "predict_certified"):
        with pytest.raises(FAULTS):
            getattr(model, method)(dict(lies())[lie])
    right_afterwards(source, model)


@pytest.mark.parametrize("name", ["age", "town", "rank"])
@pytest.mark.parametrize("act", ["fail", "clear"])
def test_cells_that_act_when_they_are_read(table, name, act):
    """They fail, or empty what holds them; hashing and comparing them does the same."""
    source, model = table

    class Acting(Strange):
        def __hash__(self):
            self.act()
            return hash("Oslo")

        def __eq__(self, other):
            self.act()
            return False

    def fail():
        raise ZeroDivisionError("not today")

    def try_it(X, empty):
        cell = Acting(fail if act == "fail" else empty)
        put(X, cell)
        for method in ("predict", "predict_certified"):
            try:
                getattr(model, method)(X)
            except FAULTS:
                continue

    def put(X, cell):
        if isinstance(X, dict):
            X[name][20] = cell
        elif isinstance(X, list):
            X[20][name] = cell
        elif isinstance(X, np.ndarray):
            X[20, NAMES.index(name)] = cell
        else:
            X[name] = pandas.Series([*X[name][:20], cell, *X[name][21:]], dtype=object)

    for X, empty in ((X, X.clear) for X in (columns(), records())):
        try_it(X, empty)
    lists, rows = columns(), records()
    try_it(lists, lists[name].clear)
    try_it(rows, rows[20].clear)
    array = FRAME.to_numpy(object)
    try_it(array, lambda: array.fill(None))
    frame = FRAME.copy()
    try_it(frame, lambda: frame.pop(name))
    right_afterwards(source, model)


# --------------------------------------------------------------- threads


def changes(form):
    """A table, and what changes it."""
    turn = itertools.count()
    if form == "lists":
        X = columns(20)

        def change():
            k = next(turn)
            X["town"][k % 100], X["age"][k % 90] = "".join(["Os", "lo"]), float(k)
            X["rank"].append(3)
            X["said"][5] = "a new one " * (k % 50)
            X["rank"].pop()
            X["town"] = list(X["town"])

    elif form == "rows":
        X = records(20)

        def change():
            k = next(turn)
            X[k % 500] = {"age": float(k), "town": "".join(["Ro", "me"]), "rank": 2, "said": "cat " * (k % 9)}
            X[3].pop("town", None)
            X[3]["town"] = "Oslo"
            X.append(X[7])
            del X[-1]

    elif form == "array":
        X = FRAME.to_numpy(object).repeat(20, axis=0)

        def change():
            k = next(turn)
            X[k % 500, 0], X[k % 77, 1] = float(k), "".join(["Li", "ma"])

    elif form == "numbers":
        X = columns(20)
        X |= {"age": np.array(X["age"]), "rank": np.array(X["rank"])}

        def change():
            k = next(turn)
            X["age"][k % 500 :] = (NAN, np.inf, 1e308, 3.0)[k % 4]
            X["rank"][::7] = k % 5

    else:
        X = pandas.concat([FRAME] * 20, ignore_index=True)

        def change():
            k = next(turn)
            X.loc[k % 500, "age"] = float(k)
            X["more"] = k
            X["age"] = X["age"] + 1.0
            del X["more"]

    return X, change


FORMS = ["lists", "rows", "numbers", "frame", *(["array"] if LOCKED else [])]


@pytest.mark.parametrize("threads", [1, 2])
@pytest.mark.parametrize("form", FORMS)
def test_tables_that_change_during_the_call(table, form, threads):
    source, model = table
    X, change = changes(form)
    beside(change, lambda: qc.predict(model, X, threads=threads), 40)
    beside(change, lambda: model.predict_certified(X), 20)
    right_afterwards(source, model)
