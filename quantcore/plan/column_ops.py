"""Ops that turn single numbers into others, column by column, by more than a shift and a scale."""

from __future__ import annotations

from typing import Literal

import numpy as np
from numpy.typing import NDArray

from quantcore.plan.op import Op
from quantcore.plan.table_ops import TableOp

__all__ = ["SPARSE_UFUNCS", "UFUNCS", "ColumnUfunc", "Power", "Quantiles", "Spline", "Ufunc"]

# Those that NumPy leaves to SciPy's sparse matrices: they keep zeros.
SPARSE_UFUNCS = frozenset(
    "absolute arcsin arcsinh arctan arctanh deg2rad expm1 identity log1p negative rad2deg rint sin sinh sqrt tan tanh".split()
)
UFUNCS = SPARSE_UFUNCS | frozenset(
    "arccos arccosh cbrt ceil cos cosh degrees exp exp2 fabs floor log log10 log2 positive radians reciprocal sign square "
    "trunc".split()
)


class Ufunc(Op):
    """Matrix → NumPy's function of that name of each value, in the rows' own dtype (FunctionTransformer).

    Integers that a caller passes reach it as they are: NumPy has functions of its own for them.

    Parameters
    ----------
    name : str
        One of ``UFUNCS``. "identity" changes nothing.
    finite : bool
        NaN and infinity raise ValueError.
    sparse : bool
        A CSR matrix may be passed; only to ``SPARSE_UFUNCS``, else it raises TypeError.
    """

    name: str
    finite: bool = False
    sparse: bool = True

    @property
    def accepts_nan(self) -> bool:
        return not self.finite

    @property
    def accepts_infinity(self) -> bool:
        return not self.finite

    @property
    def accepts_sparse(self) -> bool:
        return self.sparse and self.name in SPARSE_UFUNCS


class ColumnUfunc(TableOp):
    """Table → the same table with NumPy's function of that name of the given columns, each in its own dtype.

    Parameters
    ----------
    columns : ndarray of uint32
    name : str
        As in Ufunc.
    finite : bool
        NaN and infinity raise ValueError, and the columns have their common dtype first.
    """

    columns: NDArray[np.uint32]
    name: str
    finite: bool = False


class Power(Op):
    """Dense matrix → powers of each column's values that make it more normal (PowerTransformer, less its scaler).

    Parameters
    ----------
    method : {"box-cox", "yeo-johnson"}
        ``(x ** p - 1) / p``, ln x for p = 0, and ValueError unless x > 0; or the same of ``x + 1`` for x >= 0, and of ``1 - x``
        with 2 - p and the sign turned for x < 0.
    exponents : ndarray of float64, shape (n_features,)
    dtype : {"float64", "float32"}
        In what the source holds the exponents.
    """

    method: Literal["box-cox", "yeo-johnson"]
    exponents: NDArray[np.float64]
    dtype: Literal["float64", "float32"] = "float64"

    @property
    def accepts_nan(self) -> bool:
        return True

    @property
    def accepts_sparse(self) -> bool:
        return False


class Quantiles(Op):
    """Matrix → where each value lies among the quantiles of its column, in 0 .. 1, or the normal deviate of that.

    Parameters
    ----------
    quantiles : ndarray of float64, shape (n_quantiles, n_features)
        Ascending.
    references : ndarray of float64, shape (n_quantiles,)
    clip : (float, float) or None
        The normal distribution's least and largest deviates; None: uniform.
    negative : bool
        Of CSR: negative values are allowed.
    """

    quantiles: NDArray[np.float64]
    references: NDArray[np.float64]
    clip: tuple[float, float] | None = None
    negative: bool = False

    @property
    def accepts_nan(self) -> bool:
        return True


class Spline(Op):
    """Dense matrix → the values of each column's B-splines, side by side (SplineTransformer).

    Parameters
    ----------
    knots : ndarray of float64, shape (n_features, n_knots)
        With those beyond the ends.
    degree : int
    extrapolation : {"error", "constant", "linear", "continue", "periodic"}
    bias : bool
        False: without the last spline of each column.
    missing : bool
        The splines of NaN are 0, and infinity is let through; else either raises ValueError.
    sparse : bool
        The result is CSR, and stores the values of all splines that reach there.
    """

    knots: NDArray[np.float64]
    degree: int
    extrapolation: Literal["error", "constant", "linear", "continue", "periodic"] = "constant"
    bias: bool = True
    missing: bool = False
    sparse: bool = False

    @property
    def n_splines(self) -> int:
        """Of one column, the last included."""
        return int(self.knots.shape[1] - (2 * self.degree if self.extrapolation == "periodic" else self.degree) - 1)

    @property
    def accepts_nan(self) -> bool:
        return self.missing

    @property
    def accepts_infinity(self) -> bool:
        # SciPy's sparse design matrix refuses it.
        return self.missing and not (self.sparse and self.extrapolation not in ("constant", "linear"))

    @property
    def accepts_sparse(self) -> bool:
        return False
