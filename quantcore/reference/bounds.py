"""What floating-point arithmetic loses at most: the constants that all certificates are made of."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["UNKNOWN", "UP", "Error", "edges", "gamma"]

# Per value of a matrix (of CSR: per stored value) a bound on |source - ours|; None where they are the same bits. Infinite where
# nothing is known, 0 of what is NaN to both.
Error = NDArray[Any] | None
# No bound: not even that what is not stored is 0.
UNKNOWN: NDArray[np.float64] = np.array(np.inf)

# Each bound is itself a sum of rounded terms, up to 2^30 of them.
UP = 1.0 + 2.0**-20


def gamma(n: Any, dtype: str) -> Any:
    """``n u / (1 - n u)``: what n roundings do at most, as a share; infinite where that says nothing.

    Parameters
    ----------
    n : float or ndarray
    dtype : {"float64", "float32"}
    """
    share = np.asarray(n) * (2.0**-24 if dtype == "float32" else 2.0**-53)
    return np.where(share < 0.5, share / (1.0 - np.minimum(share, 0.5)), np.inf)


def edges(dtype: str) -> tuple[float, float]:
    """What one rounding loses at most below the normal numbers, whoever flushes them; and the largest sum of absolute terms
    that surely does not overflow.

    Parameters
    ----------
    dtype : {"float64", "float32"}
    """
    info = np.finfo(dtype)
    return 2.0 * float(info.tiny), float(info.max) / 4.0
