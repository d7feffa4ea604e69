"""What the functions of ops refuse, and how: what arrived is named, and what to pass."""

from __future__ import annotations

import numpy as np
import pytest

from quantcore.plan import Csr, Plan, Table, ops
from quantcore.plan.validate import validate
from quantcore.reference import FUNCTIONS, forms, run
from quantcore.reference.functions import reads_integers
from quantcore.reference.matrices import as_csr

SPARSE = as_csr(np.array([[0.0, 1.5], [2.0, 0.0], [0.0, 0.0]]))
KNOTS = np.tile(np.arange(-3.0, 4.0), (2, 1))
ROWS = Table(2, (np.array([1.0, 2.0]), np.array(["x", 3], object), None), ("a", "b", "c"))
CASES = {
    "cells of CSR": (ops.Cells(ends=(1, 2), edges=np.zeros(2)), SPARSE, TypeError, r"pass X.toarray\(\)"),
    "splines of CSR": (ops.Spline(knots=KNOTS, degree=1), SPARSE, TypeError, r"pass X.toarray\(\)"),
    "exp of CSR": (ops.Ufunc(name="exp"), SPARSE, TypeError, r"of which exp can't be had; pass X.toarray\(\)"),
    "what only dense rows may be": (ops.Ufunc(name="sqrt", sparse=False), SPARSE, TypeError, r"pass X.toarray\(\)"),
    "NaN beside a marker": (
        ops.Impute(missing=-1.0, fill=np.zeros(2)),
        np.array([[np.nan, -1.0]]),
        ValueError,
        "contains NaN, but this model takes -1.0 for missing",
    ),
    "a function of strings": (
        ops.ColumnUfunc(name="exp", columns=np.array([0, 1], np.uint32)),
        ROWS,
        TypeError,
        "column 'b' holds 'x', of which exp can't be had; pass numbers",
    ),
    "a column that nobody read": (
        ops.ColumnUfunc(name="exp", columns=np.array([2], np.uint32)),
        ROWS,
        ValueError,
        "column 2 is not there",
    ),
}


@pytest.mark.parametrize("name", CASES)
def test_refusals(name):
    op, given, error, words = CASES[name]
    with pytest.raises(error, match=words):
        FUNCTIONS[op.kind](op, given)


def test_sparse_functions_keep_zeros():
    found = FUNCTIONS["Ufunc"](ops.Ufunc(name="sqrt"), SPARSE)
    assert isinstance(found, Csr)
    np.testing.assert_array_equal(found.toarray(), np.sqrt(SPARSE.toarray()))


class Typed:
    """What has columns of some dtypes, as a data frame has."""

    columns = ("a", "b")

    def __init__(self, *dtypes):
        self.dtypes = [np.dtype(dtype) for dtype in dtypes]


@pytest.mark.parametrize(
    ("names", "dtypes", "integers"),
    [
        (["square"], ["int64", "int64"], True),
        (["square"], ["float64", "float64"], True),
        (["exp"], ["int64", "float64"], False),
        (["square"], ["int64", "float64"], None),
        (["exp"], ["int8", "float64"], None),
    ],
)
def test_integers_reach_functions_where_all_columns_are_alike(names, dtypes, integers):
    first = [ops.Ufunc(name=name) for name in names]
    if integers is None:
        with pytest.raises(TypeError, match="columns of dtype .*can't be told apart"):
            reads_integers(first, Typed(*dtypes))
    else:
        assert reads_integers(first, Typed(*dtypes)) is integers


def test_parts_of_tables_and_of_csr():
    for rows, values in ((ROWS, lambda r: r.columns[0].tolist()), (SPARSE, lambda r: r.toarray().tolist())):
        n = forms.n_rows(rows)
        whole = values(rows)
        assert n == len(whole)
        assert values(forms.part(rows, 1, 9)) == whole[1:]
        assert values(forms.take(rows, np.array([0, n - 1]))) == [whole[0], whole[-1]]


class Lowered(str):
    """A str whose own method fails."""

    def lower(self):
        raise TypeError("it can't be lowered")


def test_errors_of_a_document_s_own_methods_are_passed_on():
    text = ops.Text(
        analyzer="word",
        ngram_range=(1, 1),
        lowercase=True,
        strip_accents=None,
        token_pattern=r"\w+",
        stop_words=(),
        encoding="utf-8",
        decode_error="strict",
        source="content",
        binary=False,
        n_features=8,
        vocabulary=None,
    )
    plan = Plan(input="text", ops=(text,), outputs={"transform": 0})
    assert run(plan, ["A b"], "transform").shape == (1, 8)
    with pytest.raises(TypeError, match="it can't be lowered"):
        run(plan, [Lowered("A b")], "transform")


class Unknown(ops.Op, base=True):
    """An op of a later release: not among those that files may name."""

    kind = "Unknown"


@pytest.mark.parametrize(
    ("first", "words"),
    [
        (Unknown(inputs=(-1,)), "this op is not known"),
        (ops.Lookup(inputs=(-1,), ends=(2,), values=np.zeros((2, 1))), "codes"),
    ],
)
def test_plans_that_make_no_sense(first, words):
    with pytest.raises(ValueError, match=words):
        validate(Plan(input="matrix", ops=(first,), outputs={"transform": 0}, n_features_in=1))
