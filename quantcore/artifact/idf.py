"""idf values as the integers that they come from: ``log(N / D) + 1``, scikit-learn's formula.

N is the number of documents (plus one where smoothed), D the document frequency of a term (likewise). The logarithm is
computed here from +, -, * and / alone, so it gives the same bits on every machine; where the source's differs in the last
place, the difference is stored.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from quantcore.artifact._fail import invalid

__all__ = ["join_idf", "ranks", "split_idf", "values"]

MAX_COUNT = 1 << 31
_DEEPEST = 1 << 14  # largest D of the rarest term that is tried
_LN2_HI, _LN2_LO = 6.93147180369123816490e-01, 1.90821492927058770002e-10
_LG = (
    6.666666666666735130e-01, 3.999999999940941908e-01, 2.857142874366239149e-01, 2.222219843214978396e-01,
    1.818357216161805012e-01, 1.531383769920937332e-01, 1.479819860511658591e-01,
)  # fmt: skip


def _log(x: NDArray[np.float64]) -> NDArray[np.float64]:
    """Natural logarithm of normal numbers, as in Sun's fdlibm; below one unit in the last place wrong."""
    mantissa, exponent = np.frexp(x)
    small = mantissa < 0.7071067811865476
    f = np.where(small, 2.0 * mantissa, mantissa) - 1.0
    k = (exponent - small).astype(np.float64)
    s = f / (2.0 + f)
    z = s * s
    r = np.zeros_like(z)
    for c in reversed(_LG):
        r = (r + c) * z
    half = 0.5 * f * f
    return k * _LN2_HI - ((half - (s * (half + r) + k * _LN2_LO)) - f)


def values(top: int, counts: NDArray[Any], kind: str) -> NDArray[Any]:
    """The formula, in the dtype ``kind``."""
    real = np.dtype(kind).type
    ratio = real(top) / counts.astype(kind)
    result: NDArray[Any] = _log(ratio.astype(np.float64)).astype(kind) + real(1)
    return result


def _bits(values: NDArray[Any], kind: str) -> NDArray[Any]:
    """Numbers whose differences count units in the last place."""
    counts: NDArray[np.int64] = values.view(f"i{kind[1]}").astype(np.int64)
    return counts


def split_idf(idf: NDArray[np.float64]) -> tuple[str, int, NDArray[np.int64], NDArray[np.int64]] | None:
    """The source's dtype, N, the D of every value, and the last-place differences per distinct D; or None."""
    if idf.ndim != 1 or not len(idf) or not idf.max() < 23.0:  # NaN, or more than log(2**31) + 1
        return None
    if idf.min() < 1.0 - 2.0**-20:  # no D is above N: these are biases, means and the like, not worth the search
        return None
    known, inverse = np.unique(idf, return_inverse=True)
    for kind in ("f4", "f8"):  # the search in doubles finds nothing for a source of singles, and takes its time
        exact = known.astype(kind)
        if not np.array_equal(exact.astype(np.float64), known):
            continue
        ratio = np.exp(known - 1)
        tops = np.round(ratio[-1] * np.arange(1, _DEEPEST + 1))
        tops = tops[tops < MAX_COUNT]
        # all but a few candidates fail on one value already
        near = tops / ratio[0]
        for top in tops[np.abs(near - np.round(near)) <= 1e-6 * near].astype(int).tolist():
            counts = np.round(top / ratio).astype(np.int64)
            if counts.min() < 1 or counts.max() >= MAX_COUNT or (np.diff(counts) >= 0).any():
                continue
            off = _bits(exact, kind) - _bits(values(top, counts, kind), kind)
            if np.abs(off).max() <= 2:
                return kind, top, counts[inverse], off[::-1]  # ascending in D
    return None


def ranks(counts: NDArray[Any]) -> tuple[NDArray[Any], NDArray[Any]]:
    """Distinct values, ascending, and the position of each value among them."""
    if counts.max() > len(counts) + 4096:
        distinct, rank = np.unique(counts, return_inverse=True)
        return distinct, rank
    seen = np.bincount(counts) > 0
    return np.flatnonzero(seen), (np.cumsum(seen, dtype=np.int32) - np.int32(1))[counts]


def join_idf(
    kind: str,
    top: int,
    counts: NDArray[Any],
    off: NDArray[Any] | None,
    ranks: Callable[[NDArray[Any]], tuple[NDArray[Any], NDArray[Any]]] = ranks,
    values: Callable[[int, NDArray[Any], str], NDArray[Any]] = values,
) -> tuple[NDArray[np.float64], NDArray[Any]]:
    """Inverse of `split_idf` (``off`` None: no differences), and each value's rank among the distinct D, ascending."""
    if not len(counts) or counts.min() < 1 or counts.max() >= MAX_COUNT:
        raise invalid("a document frequency is out of range")
    distinct, rank = ranks(counts)
    found = values(top, distinct, kind)
    if off is not None:
        if len(off) != len(distinct) or np.abs(off.astype(np.int64)).max() > 2:
            raise invalid("the last places of idf values do not fit their document frequencies")
        found = (_bits(found, kind) + off).astype(f"i{kind[1]}").view(kind)
    return found.astype(np.float64).take(rank), rank
