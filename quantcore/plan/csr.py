"""A CSR matrix without SciPy: what sparse ops pass to each other."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from quantcore.plan.record import Record

__all__ = ["Csr"]


class Csr(Record, kw_only=False):
    """Compressed sparse rows.

    Parameters
    ----------
    indptr : ndarray of int64, shape (n_rows + 1,)
    indices : ndarray of int64, shape (nnz,)
        Column numbers, ascending within a row, without repeats.
    data : ndarray of float64 or float32, shape (nnz,)
    n_columns : int
    """

    indptr: NDArray[np.int64]
    indices: NDArray[np.int64]
    data: NDArray[Any]
    n_columns: int

    @property
    def n_rows(self) -> int:
        return len(self.indptr) - 1

    @property
    def shape(self) -> tuple[int, int]:
        return self.n_rows, self.n_columns

    def row_ids(self) -> NDArray[np.int64]:
        """Row number of every stored value, shape (nnz,)."""
        return np.arange(self.n_rows, dtype=np.int64).repeat(self.indptr[1:] - self.indptr[:-1])

    def with_data(self, data: NDArray[Any]) -> Csr:
        """The same pattern with other values."""
        return Csr(self.indptr, self.indices, data, self.n_columns)

    def take_rows(self, rows: NDArray[np.int64]) -> Csr:
        """The rows of the given numbers, in that order."""
        lengths = np.diff(self.indptr)[rows]
        indptr = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64)
        within = np.arange(indptr[-1], dtype=np.int64) - np.repeat(indptr[:-1], lengths)
        source = np.repeat(self.indptr[:-1][rows], lengths) + within
        return Csr(indptr, self.indices[source], self.data[source], self.n_columns)

    def toarray(self) -> NDArray[Any]:
        """Dense copy, shape (n_rows, n_columns)."""
        out = np.zeros(self.shape, self.data.dtype)
        out[self.row_ids(), self.indices] = self.data
        return out
