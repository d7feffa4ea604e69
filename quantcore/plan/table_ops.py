"""Ops over tables: what makes numbers of columns of any kind.

A table (:class:`quantcore.plan.table.Table`) is what the caller passes where ``plan.input`` is "table", or what Fill makes of
one. Columns are named by their position among those that the source was fitted on.
"""

from __future__ import annotations

from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from quantcore.plan.op import Op

__all__ = ["Cells", "Codes", "Documents", "Fill", "Lookup", "MissingCells", "Numbers", "OneHot", "TableOp"]


class TableOp(Op, base=True):
    """Base of the ops that read a table."""


class Numbers(TableOp):
    """Table → dense matrix of the given columns, in that order.

    Of the dtype that NumPy gives such columns side by side where that is a float; else (integers, booleans, objects) float64, as
    scikit-learn converts them: None is NaN, a string that spells a number is that number. What an op may not read (NaN,
    infinity) is refused by the op that reads it.
    """

    columns: NDArray[np.uint32]


class Fill(TableOp):
    """Table → the same table, missing values of some columns replaced (SimpleImputer over strings or objects).

    Parameters
    ----------
    columns : ndarray of uint32
    missing : tuple of one str, int, float, bool or None
        The value that stands for missing; an empty tuple: NaN.
    fill : tuple
        One value a column.
    """

    columns: NDArray[np.uint32]
    missing: Any
    fill: Any


class MissingCells(TableOp):
    """Table → dense matrix, 1.0 where a value of the given columns is missing, else 0.0; ``missing`` as in Fill."""

    columns: NDArray[np.uint32]
    missing: Any


class Codes(TableOp):
    """Table → which category each value of the given columns is: int32, shape (n_rows, n_columns).

    Values are compared as Python compares them (1 == 1.0 == True, NaN with NaN).

    Parameters
    ----------
    columns : ndarray of uint32
    categories : list of (ndarray or tuple)
        One a column: numbers or booleans, or a tuple of str, int, float, bool and None, without NaN. The code is the position.
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
