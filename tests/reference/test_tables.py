"""Ops over tables, against NumPy, Python's own sets and scikit-learn's helpers."""

from __future__ import annotations

import warnings

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.utils._encode import _check_unknown, _encode

from quantcore.plan import Csr
from quantcore.plan.table import Table
from quantcore.plan.table_ops import Codes, Fill, Join, Lookup, MissingCells, Numbers, OneHot
from quantcore.reference import tables

NAN = float("nan")
NUMBERS = st.sampled_from(
    [0.0, -0.0, 1, 2, True, False, 2**53, 2**53 + 1, float(2**53), 2.5, -3, 1e300, NAN, float(np.float32(0.1))]
)
OBJECTS = st.one_of(st.none(), st.text(max_size=2), NUMBERS)
DTYPES = st.sampled_from([np.float64, np.float32, np.float16, np.int64, np.int32, np.int8, np.uint8])


def objects(values):
    found = np.empty(len(values), object)
    found[:] = values
    return found


def column(values):
    return np.array([0], np.uint32), Table(len(values), (values,))


def codes(values, categories, nan=False):
    index, table = column(values)
    op = Codes(columns=index, categories=[categories], nan=(nan,), unknown="keep")
    return tables.codes(op, table)[:, 0]


def as_the_source(values, known):
    """What scikit-learn's encoders find: its own two helpers, as they call them."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        valid = _check_unknown(values, known, return_mask=True)[1]
        kept = values.copy()
        kept[~valid] = known[0]
        return np.where(valid, _encode(kept, uniques=known, check_unknown=False), -1)


@given(st.lists(OBJECTS, min_size=1, max_size=8), st.lists(OBJECTS, min_size=1, max_size=8))
def test_objects_are_compared_as_python_does(values, known):
    unique = list(dict.fromkeys(v for v in known if v == v))
    nan = len(unique) < len(set(map(str, known))) and any(v != v for v in known)
    if not unique:
        return
    categories = objects([*unique, NAN] if nan else unique)
    np.testing.assert_array_equal(codes(objects(values), tuple(unique), nan), as_the_source(objects(values), categories))


def as_dtype(values, dtype):
    whole = np.dtype(dtype).kind != "f"
    with np.errstate(all="ignore"):
        return np.array([v for v in values if not whole or (v == v and abs(v) < 2**60)], np.float64).astype(dtype)


@given(st.lists(NUMBERS, min_size=1, max_size=8), st.lists(NUMBERS, min_size=1, max_size=8), DTYPES, DTYPES)
def test_numbers_are_compared_as_numpy_does(values, known, first, second):
    given_, listed = as_dtype(values, first), as_dtype(known, second)
    given_ = given_[~np.isinf(given_)]
    listed = np.unique(listed[~np.isinf(listed)])
    if not len(given_) or not len(listed):
        return
    nan = bool(np.isnan(listed[-1]))
    categories = listed[:-1] if nan else listed
    np.testing.assert_array_equal(codes(given_, categories, nan), as_the_source(given_, listed))


@pytest.mark.parametrize("dtype", [np.int64, np.float64, np.uint64])
def test_large_integers(dtype):
    known = np.array([2**53 - 1, 2**53, 2**53 + 1, 2**53 + 2], np.int64)
    values = np.array([2**53 - 1, 2**53, 2**53 + 2, 7]).astype(dtype)
    np.testing.assert_array_equal(codes(values, known), as_the_source(values, known))
    np.testing.assert_array_equal(codes(objects(known.tolist()), known), [0, 1, 2, 3])
    np.testing.assert_array_equal(
        codes(known, known.astype(float)[[0, 1, 3]]), as_the_source(known, known.astype(float)[[0, 1, 3]])
    )


def test_what_codes_refuse():
    with pytest.raises(TypeError, match="column 0"):
        codes(np.array([1.0]), ("x",))
    with pytest.raises(ValueError, match="infinity"):
        codes(np.array([np.inf]), np.array([1.0]))
    with pytest.raises(TypeError, match="unhashable"):
        codes(objects([[1]]), ("x",))
    with pytest.raises(ValueError, match="True"):
        codes(np.array([True, False]), ("x",))
    op = Codes(columns=np.array([0], np.uint32), categories=[("x", None)], nan=(False,))
    with pytest.raises(ValueError, match=r"column 'town' holds \['y'\]"):
        tables.codes(op, Table(2, (objects(["x", "y"]),), ("town",)))


@pytest.mark.parametrize(
    "columns",
    [
        [np.float32([1, 2]), np.int16([3, 4])],
        [np.float32([1, 2]), np.int64([3, 4])],
        [np.float16([1, 2]), np.float32([3, 4])],
        [np.int8([1, 2]), np.array([True, False])],
        [np.float32([1, 2]), np.array([True, False])],
    ],
)
def test_numbers_have_numpy_s_common_dtype(columns):
    found = tables.numbers(Numbers(columns=np.array([1, 0], np.uint32)), Table(2, tuple(columns)))
    expected = np.column_stack(columns[::-1])
    assert found.dtype == (expected.dtype if expected.dtype.kind == "f" else np.float64)
    np.testing.assert_array_equal(found, expected)


def test_numbers_of_objects():
    table = Table(4, (objects(["1.5", None, True, NAN]), objects([b"2", 2**70, "-0.0", "nan"])))
    found = tables.numbers(Numbers(columns=np.array([0, 1], np.uint32)), table)
    np.testing.assert_array_equal(found, [[1.5, 2], [NAN, 2.0**70], [1, -0.0], [NAN, NAN]])
    assert np.signbit(found[2, 1])
    for values, error in ((["x"], ValueError), ([[1]], (TypeError, ValueError)), ([1j], TypeError), ([10**400], OverflowError)):
        with pytest.raises(error, match="column 0 must hold numbers"):
            tables.numbers(Numbers(columns=np.array([0], np.uint32)), Table(1, (objects(values),)))


@pytest.mark.parametrize(("value", "nan", "infinity"), [(NAN, False, True), (np.inf, True, False), (-np.inf, False, False)])
def test_numbers_refuse(value, nan, infinity):
    table = Table(2, (np.array([1.0, value]), np.array([1, 2])), ("size", "age"))
    index = np.array([1, 0], np.uint32)
    with pytest.raises(ValueError, match="column 'size'"):
        tables.numbers(Numbers(columns=index, allow_nan=nan, allow_infinity=infinity), table)
    np.testing.assert_array_equal(tables.numbers(Numbers(columns=index), table)[:, 1], [1.0, value])


def test_fill_and_missing_cells():
    table = Table(4, (objects(["x", None, NAN, "?"]), np.array([1.0, NAN, 3.0, -1.0]), np.array([1, 2, 3, -1])))
    index = np.array([0, 1], np.uint32)
    found = tables.fill(Fill(columns=index, missing=(), fill=("f", 7)), table)
    assert found.columns[0].tolist() == ["x", None, "f", "?"]
    assert found.columns[1].tolist() == [1.0, 7, 3.0, -1.0] and found.columns[1].dtype == object
    assert found.columns[2] is table.columns[2]
    found = tables.fill(Fill(columns=index[:1], missing=None, fill=("f",)), table)
    assert found.columns[0].tolist() == ["x", "f", "f", "?"]
    with pytest.raises(ValueError, match=r"NaN, but '\?' stands for missing"):
        tables.fill(Fill(columns=index, missing=("?",), fill=("f", 0)), table)
    numbers = Fill(columns=np.array([2, 1], np.uint32), missing=(), fill=(0.0, 9.5), objects=False)
    found = tables.fill(numbers, table)
    assert found.columns[2].dtype == found.columns[1].dtype == np.float64
    np.testing.assert_array_equal(found.columns[1], [1.0, 9.5, 3.0, -1.0])
    given_ = tables.fill(Fill(columns=index[1:], missing=(), fill=(9.5,), objects=None), table)
    np.testing.assert_array_equal(given_.columns[1], [1.0, 9.5, 3.0, -1.0])
    given_ = tables.fill(Fill(columns=index, missing=(), fill=(0.0, 9.5), objects=None), table)
    assert given_.columns[0].tolist() == ["x", None, 0.0, "?"] and given_.columns[1].tolist() == [1.0, 9.5, 3.0, -1.0]
    cells = MissingCells(columns=np.array([2], np.uint32), missing=(-1,))
    np.testing.assert_array_equal(tables.missing_cells(cells, table), [[0], [0], [0], [1]])
    sparse = tables.missing_cells(MissingCells(columns=index, missing=(), sparse=True), table)
    assert isinstance(sparse, Csr)
    np.testing.assert_array_equal(sparse.toarray(), [[0, 0], [0, 1], [1, 0], [0, 0]])
    with pytest.raises(ValueError, match="column 1 misses"):
        tables.missing_cells(MissingCells(columns=index, missing=(), complete=1), table)


def test_join():
    table = Table(2, (objects(["x", "y"]), None, np.array([1, 2])))
    matrix = np.array([[0.5, 1.5], [2.5, 3.5]], np.float32)
    parts = [table, matrix, Csr(np.array([0, 0, 1]), np.array([1]), np.array([9.0]), 2)]
    op = Join(inputs=(0, 1, 2), columns=tuple(np.array(c, np.uint32) for c in ([2, 0], [1], [1, 0])))
    found = tables.join(op, parts)
    assert [c.tolist() for c in found.columns] == [[1, 2], ["x", "y"], [1.5, 3.5], [0.0, 9.0], [0.0, 0.0]]
    assert [c.dtype.kind for c in found.columns] == ["i", "O", "f", "f", "f"]
    whole = tables.join(Join(inputs=(0, 1), columns=op.columns[:2], objects=True), parts[:2])
    assert all(c.dtype == object for c in whole.columns)


def test_one_hot_and_lookup():
    found = np.array([[0, 1], [-1, 0], [2, -1]], np.int32)
    place = np.array([0, -1, 1, 1, 3, 2, -1], np.int32)
    expected = np.array([[1, 0, 1, 0], [0, 1, 0, 1], [0, 1, 0, 0]])
    for dtype in ("float64", "float32"):
        op = OneHot(ends=(4, 7), place=place, n_outputs=4, dtype=dtype)
        sparse = tables.one_hot(op, found)
        assert sparse.data.dtype == dtype
        np.testing.assert_array_equal(sparse.toarray(), expected)
        dense = tables.one_hot(OneHot(ends=(4, 7), place=place, n_outputs=4, dtype=dtype, dense=True), found)
        assert dense.dtype == dtype
        np.testing.assert_array_equal(dense, expected)
    values = np.arange(14.0).reshape(7, 2)
    np.testing.assert_array_equal(
        tables.lookup(Lookup(ends=(4, 7), values=values), found), [[0, 1, 10, 11], [6, 7, 8, 9], [4, 5, 12, 13]]
    )
