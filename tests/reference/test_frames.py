"""Columns of tables as scikit-learn's own checks see them, dtype by dtype; what is read of them, and by which name."""

from __future__ import annotations

import datetime
import decimal
import itertools
import warnings

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.utils.validation import check_array

from quantcore.plan import Plan
from quantcore.plan.ops import Codes, Documents, Fill, Lookup, MissingCells, Numbers
from quantcore.reference import forms, frames

pandas = pytest.importorskip("pandas", reason="the oracle reads data frames of pandas")

NAMES = ("a", "b", "c")


def columns(*index):
    return np.array(index, np.uint32)


def coded(*index, categories=("x",), inputs=(-1,)):
    return Codes(
        inputs=inputs, columns=columns(*index), categories=[categories] * len(index), nan=(False,) * len(index), unknown="keep"
    )


def plan(*ops, names=NAMES, width=3, by_name=True):
    return Plan(ops, {"transform": len(ops) - 1}, "table", n_features_in=width, feature_names_in=names, by_name=by_name)


ONE = plan(coded(0), names=("a",), width=1)
SOME = 3


def same(found, expected):
    """The same values, of the same kind; NaN is NaN, None is None, pandas.NA is itself."""
    assert found.shape == expected.shape
    assert (found.dtype.kind in "biuf") == (expected.dtype.kind in "biuf")
    if expected.dtype.kind in "biuf":
        assert found.dtype == expected.dtype.newbyteorder("=") and found.dtype.isnative
        np.testing.assert_array_equal(found, expected)
        return
    for a, b in zip(found.tolist(), expected.tolist(), strict=True):
        if isinstance(b, float) and b != b:
            assert isinstance(a, float) and a != a
        elif b is None or b is pandas.NA or b is pandas.NaT:
            assert a is b
        else:
            assert a == b and type(a) is type(b)


SERIES = {
    **{dtype: (lambda dtype=dtype: np.arange(SOME).astype(dtype)) for dtype in "? u1 i2 i4 i8 u8 f2 f4 f8 >i4 >f8".split()},
    **{
        dtype: (lambda dtype=dtype: pandas.array([1, 0, 1], dtype)) for dtype in ("Int8", "UInt64", "Int64", "Float32", "Float64")
    },
    **{
        f"{dtype}, one missing": (lambda dtype=dtype: pandas.array([1, None, 1], dtype)) for dtype in ("Int8", "Int64", "Float64")
    },
    "boolean": lambda: pandas.array([True, False, True], "boolean"),
    "boolean, one missing": lambda: pandas.array([True, None, True], "boolean"),
    "objects": lambda: np.array(["x", None, float("nan")], object),
    "objects of all kinds": lambda: np.array([1, "x", 2.5], object),
    "objects with pandas.NA": lambda: np.array(["x", pandas.NA, pandas.NaT], object),
    "large integers": lambda: np.array([2**53 + 1, 2**63 - 1, -(2**63)]),
    "integers beyond 64 bits": lambda: np.array([2**70, 1, None], object),
    "string": lambda: pandas.array(["x", None, "y"], "string"),
    "string, python": lambda: pandas.array(["x", None, "y"], "string[python]"),
    "str": lambda: pandas.array(["x", None, "y"], "str"),
    "category": lambda: pandas.Categorical(["x", None, "y"]),
    "category of integers": lambda: pandas.Categorical([2, 1, 2]),
    "category of integers, one missing": lambda: pandas.Categorical([2, None, 1]),
    "category of booleans": lambda: pandas.Categorical([True, False, True]),
    "ordered": lambda: pandas.Categorical(["x", "y", "x"], ["y", "x"], ordered=True),
    "sparse": lambda: pandas.arrays.SparseArray([0, 1, 0]),
    "sparse floats": lambda: pandas.arrays.SparseArray([0.5, np.nan, 0.0]),
    "bytes": lambda: np.array([b"x", b"", b"z"], object),
    "periods": lambda: pandas.period_range("2024-01", periods=3, freq="M"),
    "intervals": lambda: pandas.interval_range(0, 3),
    "decimals": lambda: np.array([decimal.Decimal("1.5"), None, 2], object),
    "dates of Python": lambda: np.array([datetime.date(2024, 1, 1), None, 2], object),
    "NumPy's scalars": lambda: np.array([np.float32(1.5), np.int8(2), np.str_("x")], object),
}
ARROW = {
    "Arrow's int64": ("int64[pyarrow]", [1, 2, 3]),
    "Arrow's int64, one missing": ("int64[pyarrow]", [1, None, 3]),
    "Arrow's float": ("float[pyarrow]", [1.5, None, 2.5]),
    "Arrow's bool": ("bool[pyarrow]", [True, False, True]),
    "Arrow's string": ("string[pyarrow]", ["x", None, "y"]),
}


def expected_of(frame):
    """What an encoder looks at."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return check_array(frame.iloc[:, 0], ensure_2d=False, dtype=None, ensure_all_finite=False)


@pytest.mark.parametrize("name", [*SERIES, *ARROW])
@pytest.mark.parametrize("own_arrays", [True, False], ids=["fast", "public"])
def test_columns_of_pandas(name, own_arrays, monkeypatch):
    if name in ARROW:
        pytest.importorskip("pyarrow")
        values = pandas.array(ARROW[name][1], ARROW[name][0])
    else:
        values = SERIES[name]()
    frame = pandas.DataFrame({"a": values})
    if not own_arrays:  # a release of pandas in which its private function is not there
        monkeypatch.delattr(pandas.DataFrame, "_get_column_array")
    same(frames.read(ONE, frame).columns[0], expected_of(frame))
    same(frames.read(ONE, frame[1:2]).columns[0], expected_of(frame)[1:2])


@pytest.mark.parametrize("name", SERIES)
def test_columns_of_arrays(name):
    values = np.asarray(SERIES[name]())
    same(frames.read(ONE, values[:, None]).columns[0], check_array(values[:, None], dtype=None, ensure_all_finite=False)[:, 0])


def test_columns_of_polars_and_arrow():
    polars, pyarrow = pytest.importorskip("polars"), pytest.importorskip("pyarrow")
    for values, dtype in (
        ([1, 2, 3], None),
        ([1, None, 3], None),
        ([1, None, 3], polars.UInt8),
        ([1.5, None, 2.5], polars.Float32),
        ([True, False, True], None),
        (["x", None, "y"], None),
        (["x", "y", "x"], polars.Categorical),
        (["x", None, "x"], polars.Enum(["x", "y"])),
        ([None, None, None], polars.String),
    ):
        frame = polars.DataFrame({"a": polars.Series(values, dtype=dtype)})
        expected = check_array(frame, dtype=None, ensure_all_finite=False)[:, 0]
        same(frames.read(ONE, frame).columns[0], expected)
        table = frame.to_arrow()
        if not pyarrow.types.is_dictionary(table.schema[0].type):  # of which Arrow makes nulls entries
            expected = check_array(table, dtype=None, ensure_all_finite=False)[:, 0]
        for found in (table, pyarrow.concat_tables([table[:1], table[1:]]), table.combine_chunks().to_batches()[0]):
            same(frames.read(ONE, found).columns[0], expected)


VALUES = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(2**60), 2**60),
    st.floats(allow_infinity=False),
    st.text("ab1.", max_size=3),
)


@settings(max_examples=200, deadline=None)
@given(st.lists(VALUES, min_size=1, max_size=6))
def test_records_mean_the_same_alone_and_together(values):
    together = frames.read(ONE, [{"a": v} for v in values]).columns[0]
    alone = [frames.read(ONE, {"a": v}).columns[0] for v in values]
    assert all(len(a) == 1 and a.dtype == together.dtype for a in alone)
    same(np.concatenate(alone), together)
    same(frames.read(ONE, {"a": values}).columns[0], together)
    for found, value in zip(together.tolist(), values, strict=True):
        assert (found != found) if value is None or value != value else (found == value and type(found) is type(value))


@settings(max_examples=200, deadline=None)
@given(st.lists(VALUES, min_size=1, max_size=6))
def test_numbers_of_records_are_those_of_a_data_frame(values):
    read = plan(Numbers(columns=columns(0)), names=("a",), width=1)
    found = frames.read(read, [{"a": v} for v in values]).columns[0]
    frame = pandas.DataFrame([{"a": v} for v in values])
    try:
        expected = check_array(frame, dtype=np.float64, ensure_all_finite=False)[:, 0]
    except (ValueError, TypeError):
        assert found.dtype == object  # for the op to refuse
        return
    np.testing.assert_array_equal(found.astype(np.float64), expected)


def test_none_is_kept_where_an_op_knows_it():
    for ops, kept in (
        ((coded(0),), False),
        ((coded(0, categories=("x", None)),), True),
        ((Fill(columns=columns(0), missing=(None,), fill=("x",)), coded(0, inputs=(0,))), True),
        ((Fill(columns=columns(0), missing=(), fill=("x",)), coded(0, inputs=(0,))), False),
        ((Fill(columns=columns(0), missing=(), fill=("x",)), coded(0, categories=("x", None), inputs=(0,))), True),
        ((MissingCells(columns=columns(0), missing=(None,)),), True),
    ):
        read = plan(*ops, names=("a",), width=1)
        for rows in ({"a": None}, [{"a": None}], {"a": [None]}, {"a": np.array([None], object)}):
            value = frames.read(read, rows).columns[0][0]
            assert value is None if kept else value != value
        # A data frame's own None is what the source would see.
        assert frames.read(read, pandas.DataFrame({"a": pandas.Series([None], dtype=object)})).columns[0][0] is None


def test_only_what_is_read_is_there():
    ops = (
        Fill(columns=columns(1), missing=(), fill=("x",)),
        coded(2, inputs=(0,)),
        Lookup(inputs=(1,), ends=(2,), values=np.zeros((2, 1))),
        Numbers(columns=columns(4)),
        Documents(column=6),
        MissingCells(inputs=(0,), columns=columns(4, 5), missing=()),
    )
    names = tuple("abcdefgh")
    read = plan(*ops, names=names, width=8)
    schema = read.schema
    assert schema.columns == (1, 2, 4, 5, 6) == tuple(frames.needed_columns(read))
    assert schema.floats == {4} and not schema.numbers and schema.tables == {-1, 0}
    frame = pandas.DataFrame({name: ["1"] for name in "gfecbz"})
    found = frames.read(read, frame)
    assert [c is not None for c in found.columns] == [False, True, True, False, True, True, True, False]
    for missing in "bcefg":
        with pytest.raises(ValueError, match=rf"columns are missing: \['{missing}'\]"):
            frames.read(read, frame.drop(columns=missing))


@pytest.mark.parametrize(("by_name", "names"), [(True, NAMES), (False, NAMES), (False, None)])
def test_names(by_name, names):
    """Each order, each subset, one more: as a source of that kind takes them."""
    read = plan(coded(0, 2), names=names, by_name=by_name)
    for count in range(5):
        for order in itertools.permutations((*NAMES, "d"), count):
            frame = pandas.DataFrame({name: [name] for name in order}, index=[0])
            fits = {"a", "c"} <= {*order} if by_name else (order == NAMES if names else count == 3)
            if not fits:
                with pytest.raises(
                    (ValueError if order else TypeError, ValueError), match="missing|feature names|features|found by"
                ):
                    frames.read(read, frame)
                continue
            found = frames.read(read, frame)
            expected = ["a", "c"] if names else [order[0], order[2]]
            assert [found.columns[0][0], found.columns[2][0]] == expected and found.columns[1] is None


def test_rows_in_the_caller_s_form():
    frame = pandas.DataFrame({"a": [1, 2, 3], "b": ["x", "y", "z"]})
    rows = frame.to_dict("records")
    cases = [
        frame,
        rows,
        tuple(rows),
        frame.to_dict("list"),
        {n: frame[n] for n in frame},
        frame.to_numpy(object),
        frame.to_numpy(object).tolist(),
    ]
    try:
        import polars
        import pyarrow
    except ImportError:
        pass
    else:
        cases += [polars.DataFrame(rows), pyarrow.Table.from_pylist(rows), pyarrow.RecordBatch.from_pylist(rows)]
    read = plan(coded(0, 1), names=("a", "b"), width=2, by_name=False)
    for X in cases:
        assert forms.n_rows(X) == 3
        for part, wanted in (
            (forms.take(X, np.array([0, 2])), ["x", "z"]),
            (forms.part(X, 1, 5), ["y", "z"]),
            (forms.head(X, 2), ["x", "y"]),
            (forms.head(X, 9), ["x", "y", "z"]),
            (forms.take(frames.read(read, X), np.array([1])), None),
        ):
            if wanted is None:
                assert part.n_rows == 1 and part.columns[1].tolist() == ["y"]
                continue
            assert forms.n_rows(part) == len(wanted)
            assert type(part) is type(X) or isinstance(X, tuple)
            assert frames.read(read, part).columns[1].tolist() == wanted
    assert forms.n_rows(rows[0]) == 1 and forms.head(rows[0], 1) is rows[0]
    assert [forms.is_records(X) for X in (rows, rows[0], frame, [[1]], [])] == [True, True, False, False, False]
