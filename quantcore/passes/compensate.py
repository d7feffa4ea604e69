"""Round weights to a grid so that what one weight's rounding does to the scores is taken up by the weights that come after it.

Of calibration rows X and weights W, integers Q on a grid are sought with small ``|X (W - Q)|``. Weights are rounded a feature at
a time; the rest of the weights then move by what least squares says (optimal brain quantization, in the order of GPTQ, through
a Cholesky factor of the inverse Gram matrix). The factor is rounded to float32, so that libraries which differ in the last places
of float64 give the same integers but for ties.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

__all__ = ["LARGEST_GRAM", "compensated", "gram", "refitted"]

LARGEST_GRAM = 2048
_DAMPING = 0.01


def gram(rows: NDArray[np.float64]) -> NDArray[np.float64]:
    """Products of columns, the mean taken off (the bias takes it up), damped: shape (n_features, n_features).

    Parameters
    ----------
    rows : ndarray, shape (n_rows, n_features)
    """
    away = rows - rows.mean(axis=0)
    found = away.T @ away / max(len(rows), 1)
    # A column that hardly varies here may vary elsewhere.
    found[np.diag_indices_from(found)] += _DAMPING * max(float(np.trace(found)) / max(len(found), 1), 1e-12)
    return np.asarray(found)


def compensated(weight: NDArray[np.float64], products: NDArray[np.float64], limit: int) -> NDArray[np.int64]:
    """Integers within ``-limit .. limit`` for weights that are measured in steps.

    Parameters
    ----------
    weight : ndarray, shape (n_features, n_outputs)
    products : ndarray, shape (n_features, n_features)
        Of :func:`gram`, over the same steps.
    limit : int
    """
    # Features that move the scores most come first: what comes after takes up the most.
    order = np.argsort(-np.diag(products), kind="stable")
    inverse = np.linalg.inv(products[np.ix_(order, order)])
    factor = np.linalg.cholesky((inverse + inverse.T) / 2).T.astype(np.float32).astype(np.float64)
    left, out = weight[order].copy(), np.empty(weight.shape, np.int64)
    for i in range(len(left)):
        integers = np.clip(np.rint(left[i]), -limit, limit)
        out[i] = integers
        left[i + 1 :] -= factor[i, i + 1 :, None] * ((left[i] - integers) / factor[i, i])
    back = np.empty_like(out)
    back[order] = out
    return back


def refitted(weight: NDArray[np.float64], products: NDArray[np.float64], kept: NDArray[np.bool_]) -> NDArray[np.float64]:
    """Weights of the features that stay, such that the scores are as near the source's as least squares brings them; 0 of others.

    Parameters
    ----------
    weight : ndarray, shape (n_features, n_outputs)
    products : ndarray, shape (n_features, n_features)
    kept : ndarray of bool, shape (n_features,)
    """
    out = np.zeros_like(weight)
    out[kept] = weight[kept]
    if not kept.all() and kept.any():
        out[kept] += np.linalg.solve(products[np.ix_(kept, kept)], products[np.ix_(kept, ~kept)] @ weight[~kept])
    return out
