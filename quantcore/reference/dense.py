"""What dense products mean: integers exactly, floats in one order."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["dot", "scores"]

# Features up to which every sum of int8 products fits int32: 2**17 * 128 * 127 < 2**31.
_NARROW = 1 << 17
_LANES = 16


def dot(x: NDArray[Any], weights: NDArray[Any]) -> NDArray[Any]:
    """Integer rows times integer weights, exactly.

    Parameters
    ----------
    x : ndarray of int8 or int16, shape (n_rows, n_features)
    weights : ndarray of the same dtype, shape (n_features, n_outputs)

    Returns
    -------
    ndarray of int32 or int64, shape (n_rows, n_outputs)
        int64 where the dtype is int16 or there are more than 2**17 features.
    """
    products = x.astype(np.int64) @ weights.astype(np.int64)
    return products if x.dtype == np.int16 or len(weights) > _NARROW else products.astype(np.int32)


def scores(x: NDArray[np.float32], weights: NDArray[Any], scale: NDArray[np.float32] | None = None) -> NDArray[np.float32]:
    """Rows of float32 times weights of any precision, times one scale per output.

    Feature j goes to lane ``j % 16``; lanes sum in the order of the features, from +0; then lane i takes lane i + 8, i + 4, i + 2
    and i + 1. Every product and every sum is rounded to float32, nothing is fused: this is the kernels' order, bit for bit.

    Parameters
    ----------
    x : ndarray of float32, shape (n_rows, n_features)
    weights : ndarray of float32, float16, int8 or int16, shape (n_features, n_outputs)
    scale : ndarray of float32, shape (n_outputs,), optional

    Returns
    -------
    ndarray of float32, shape (n_rows, n_outputs)
    """
    values = weights.astype(np.float32)
    lanes = np.zeros((len(x), _LANES, values.shape[1]), np.float32)
    with np.errstate(over="ignore", invalid="ignore"):
        for j in range(0, len(values), _LANES):
            part = values[j : j + _LANES]
            lanes[:, : len(part)] += x[:, j : j + _LANES, None] * part
        half = _LANES // 2
        while half:
            lanes = lanes[:, :half] + lanes[:, half:]
            half //= 2
        return lanes[:, 0] if scale is None else lanes[:, 0] * scale
