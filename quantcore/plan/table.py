"""A table as ops read it: columns of one length, whatever the caller passed them in."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from quantcore.plan.record import Record

__all__ = ["Table"]


class Table(Record, kw_only=False):
    """Columns side by side.

    Parameters
    ----------
    n_rows : int
    columns : tuple of (ndarray, shape (n_rows,), or None)
        As many as the source was fitted on, in that order; None where no op reads the column. Numbers and booleans keep their
        dtype, all else is of objects: missing values are None or NaN there, as the source would see them.
    names : tuple of str or None
        What the caller calls the columns, for messages alone.
    """

    n_rows: int
    columns: tuple[NDArray[Any] | None, ...]
    names: tuple[str, ...] | None = None

    def column(self, index: int) -> NDArray[Any]:
        """A column that some op reads."""
        found = self.columns[index]
        if found is None:
            raise ValueError(f"column {index} is not there")
        return found

    def name(self, index: int) -> str:
        """How a message calls a column."""
        return f"column {index}" if self.names is None else f"column {self.names[index]!r}"

    def objects(self) -> NDArray[Any]:
        """The same as a caller may pass it: an array of objects, shape (n_rows, n_columns), None where no op reads."""
        found = np.full((self.n_rows, len(self.columns)), None, object)
        for i, values in enumerate(self.columns):
            if values is not None:
                found[:, i] = values
        return found

    def take_rows(self, rows: Any) -> Table:
        """The given rows, in that order."""
        return Table(len(rows), tuple(None if c is None else c[rows] for c in self.columns), self.names)
