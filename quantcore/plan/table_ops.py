"""Ops over tables: what makes numbers of columns of any kind.

A table (:class:`quantcore.plan.table.Table`) is what the caller passes where ``plan.input`` is "table", or what Fill makes of
one. Columns are named by their position among those that the source was fitted on.
"""

from __future__ import annotations

from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from quantcore.plan.op import Op

__all__ = ["Cells", "Codes", "Documents", "Fill", "Join", "Lookup", "MissingCells", "Numbers", "OneHot", "TableOp"]


class TableOp(Op, base=True):
    """Base of the ops that read a table: each looks at NaN and infinity itself."""

    @property
    def accepts_nan(self) -> bool:
        return True

    @property
    def accepts_infinity(self) -> bool:
        return True


class Numbers(TableOp):
    """Table → dense matrix of the given columns, in that order.

    Of the dtype that NumPy gives such columns side by side where that is a float; else (integers, booleans, objects) float64, as
    scikit-learn converts them: None is NaN, a string that spells a number is that number.

    Parameters
    ----------
    columns : ndarray of uint32
    allow_nan, allow_infinity : bool
        False: ValueError, since all that read these numbers refuse them.
    beside : bool
        They are passed on beside other numbers: what NumPy makes of integers there (int8 and float32 are float32) is asked for,
        so that small integers and booleans are the smallest float that holds them.
    array : bool
        The source makes one array of them first: booleans beside numbers are objects there, so that all are float64.
    """

    columns: NDArray[np.uint32]
    allow_nan: bool = True
    allow_infinity: bool = True
    beside: bool = False
    array: bool = False


class Fill(TableOp):
    """Table → the same table, missing values of some columns replaced (SimpleImputer).

    Parameters
    ----------
    columns : ndarray of uint32
    missing : tuple of one str, int, float, bool or None; or None
        The value that stands for missing; an empty tuple: NaN. None: all that pandas takes for missing (None, NaN, pandas.NA).
        Where it is a value, NaN is refused by ValueError.
    fill : tuple
        One str, int, float, bool or None a column.
    objects : bool or None
        These columns become objects (the imputer was fitted on objects), or floats; None: objects if one of them is, else floats.
    """

    columns: NDArray[np.uint32]
    missing: Any
    fill: Any
    objects: bool | None = True


class MissingCells(TableOp):
    """Table → matrix, 1.0 where a value of the given columns is missing, else 0.0; ``missing`` as in Fill.

    Parameters
    ----------
    columns : ndarray of uint32
    missing : tuple or None
    complete : int
        So many columns, the last, are not shown, but must not miss any value: ValueError if they do.
    sparse : bool
        The result is CSR.
    dtype : {"float64", "float32"}
        The source's are booleans: float32 where other columns stand beside them.
    """

    columns: NDArray[np.uint32]
    missing: Any
    complete: int = 0
    sparse: bool = False
    dtype: Literal["float64", "float32"] = "float64"


class Join(Op):
    """Tables and matrices side by side → one table (what a ColumnTransformer passes on to another transformer).

    Parameters
    ----------
    columns : tuple of (ndarray of uint32)
        Of each input, those that are taken, in that order.
    objects : bool
        All of them become objects, as in an array that holds strings too.
    """

    joins = True

    columns: tuple[NDArray[np.uint32], ...]
    objects: bool = False


class Codes(TableOp):
    """Table → which category each value of the given columns is: int32, shape (n_rows, n_columns).

    Values are compared as scikit-learn compares them, which depends on the column's dtype:

    - Objects and booleans as Python does (1 == 1.0 == True; NaN, whatever its bits, is NaN; None is None). What has no hash
      raises TypeError.
    - Integers and floats as NumPy 2 does: values and categories in the dtype that is common to both, so that an integer beyond
      2^53 may equal another one in a column of floats. The first category that is equal is meant. Infinity raises ValueError;
      TypeError where the categories are objects.

    Parameters
    ----------
    columns : ndarray of uint32
    categories : list of (ndarray or tuple)
        One a column: ascending numbers or booleans, or a tuple of str, int, float, bool and None, without NaN. The code is the
        position.
    nan : tuple of bool
        For each column whether NaN is a category as well: its code comes after all others.
    unknown : {"error", "keep"}
        Of what is no category: ValueError, or code -1.
    """

    columns: NDArray[np.uint32]
    categories: Any
    nan: tuple[bool, ...]
    unknown: Literal["error", "keep"] = "error"

    def n_codes(self) -> list[int]:
        """The number of codes of each column."""
        return [len(c) + n for c, n in zip(self.categories, self.nan, strict=True)]


class OneHot(Op):
    """Codes → CSR matrix of ones: code c of column i sets output ``place[start_i + c]`` where that is not negative.

    Parameters
    ----------
    ends : tuple of int
        End of each column's places, of which there is one more than codes: the last is that of -1, the unknown.
    place : ndarray of int32
        Output column, or -1; several codes may share one.
    n_outputs : int
    dtype : {"float64", "float32", "rows"}
        "rows": that of the rows which Cells looked at.
    dense : bool
        The result is a dense matrix.
    """

    ends: tuple[int, ...]
    place: NDArray[np.int32]
    n_outputs: int
    dtype: Literal["float64", "float32", "rows"] = "float64"
    dense: bool = False


class Lookup(Op):
    """Codes → dense matrix: each column's code becomes ``width`` numbers, side by side (ordinal and target encoding).

    Parameters
    ----------
    ends : tuple of int
        As in OneHot.
    values : ndarray of float64 or float32, shape (ends[-1], width)
        May hold NaN.
    rows : bool
        They are given in the dtype of the rows which Cells looked at.
    """

    ends: tuple[int, ...]
    values: NDArray[Any]
    rows: bool = False


class Cells(Op):
    """Dense matrix → codes: in which interval each value lies (KBinsDiscretizer), ``searchsorted(edges[1:-1], x, "right")``.

    Codes are as wide as the rows, int32 for float32 and int64 for float64, so that what is made of them can have their dtype.

    Parameters
    ----------
    ends : tuple of int
        End of each column's edges.
    edges : ndarray of float64
        The inner edges of all columns, one after another.
    dtype : {"float64", "float32", "rows"}
        What rows are rounded to first; "rows": float32 stays, all else is float64.
    """

    ends: tuple[int, ...]
    edges: NDArray[np.float64]
    dtype: Literal["float64", "float32", "rows"] = "rows"

    @property
    def accepts_sparse(self) -> bool:
        return False


class Documents(TableOp):
    """Table → the values of one column as a list, for Text to read."""

    column: int
