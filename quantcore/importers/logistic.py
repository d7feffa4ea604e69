"""Where a probability, computed in a float dtype, first exceeds one half."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

__all__ = ["half"]


def half(slope: float, dtype: Any) -> float:
    """The largest score s for which ``1 / (1 + exp(-slope * s))`` is not above one half.

    That is not 0: ``1 + exp(-slope * s)`` rounds to 2 for a few small positive s.

    Parameters
    ----------
    slope : float
    dtype : {numpy.float32, numpy.float64}
        In what the source computes.
    """
    one, bits = dtype(1.0), np.int32 if dtype is np.float32 else np.int64
    low, high = 0, int(dtype(1.0 / slope).view(bits))  # bits of floats that are not negative ascend as the floats do
    while high - low > 1:
        middle = (low + high) // 2
        odds = dtype(math.exp(-slope * float(bits(middle).view(dtype))))
        if one / (one + odds) <= dtype(0.5):
            low = middle
        else:
            high = middle
    return float(bits(low).view(dtype))
