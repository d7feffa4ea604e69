"""Floats that are means, times a factor: leaves of trees that were fitted to squared errors are sums of few bits over counts.

A sum of n numbers of 24 bits has far fewer than 53 of them, and so have the sum and n together. Which sum and which n a value
came from does not matter: the convergents of its continued fraction hold the shortest pair that gives its bits.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from quantcore.artifact._fail import invalid

__all__ = ["MOST_SHIFT", "Means", "join_means", "split_means"]

MOST_SHIFT = 63
_BITS = 53
_MOST_COUNT = 1 << 15
_CHEAP = 48.0  # bits of sum and count: more of them save nothing
_WORTH = 0.9  # of a mantissa: some pair of few bits is near any value
_STEPS = 24  # of a continued fraction
_SAMPLE = 48  # values
_BLOCK = 512  # values
_JOINED = 8192  # values; temporaries stay small and in the cache
# What libraries multiply leaves by, learning rates mostly; powers of two times one of these are that one here.
_SCALES = (1.0, 0.1, 0.3, 0.01, 0.03, 0.001, 0.07, 0.09, 0.7, 0.9)


class Means(NamedTuple):
    """Values in parts.

    Parameters
    ----------
    scale : float
    counts : ndarray of int, shape (n_values,)
        What a sum is divided by; 0: the value is one of the others.
    shift : ndarray of int
        Of each mean: its sum is so many powers of two below a whole number.
    size : ndarray of int
        Of each mean: the bit length of that number, less that of the count and the shift.
    packed : ndarray of uint8
        Of each mean: its sign, and the bits of the number below the leading one.
    others : ndarray of float64
    """

    scale: float
    counts: NDArray[Any]
    shift: NDArray[Any]
    size: NDArray[Any]
    packed: NDArray[np.uint8]
    others: NDArray[np.float64]


def split_means(values: NDArray[np.float64]) -> Means | None:
    """Take values apart; None where too few of them are means of few bits."""
    magnitude = np.abs(values)
    usable = np.isfinite(values) & (magnitude > 2.0**-40) & (magnitude < 2.0**40)
    picks = np.flatnonzero(usable)
    if 2 * len(picks) < len(values) or not len(picks):
        return None
    sample = magnitude[picks[np.linspace(0, len(picks) - 1, min(_SAMPLE, len(picks))).astype(np.int64)]]
    shifts, found = np.arange(MOST_SHIFT + 1), []
    for scale in _SCALES:
        cost, _, shift, _ = _shortest(sample, scale, shifts)
        cheap = cost < _CHEAP
        found.append((np.minimum(cost, _BITS).sum(), scale, shift[cheap]))
    total, scale, shift = min(found, key=lambda one: one[0])
    if total > _WORTH * _BITS * len(sample) or not len(shift):
        return None
    shifts = np.arange(max(0, int(shift.min()) - 4), min(MOST_SHIFT, int(shift.max()) + 4) + 1)
    number, count = np.zeros(len(values), np.int64), np.zeros(len(values), np.int64)
    shift = np.zeros(len(values), np.int64)
    for at in range(0, len(picks), _BLOCK):
        own = picks[at : at + _BLOCK]
        cost, m, k, n = _shortest(magnitude[own], scale, shifts)
        cheap = cost < _CHEAP
        number[own], shift[own], count[own] = (np.where(cheap, part, 0) for part in (m, k, n))
    mean = count > 0
    m, k = number[mean], shift[mean]
    length = _length(m)
    fields = (m ^ (np.int64(1) << (length - 1))) << 1 | np.signbit(values[mean])
    return Means(scale, count, k, length - _length(count[mean]) - k, _packed(fields, length), values[~mean])


def _shortest(
    magnitude: NDArray[np.float64], scale: float, shifts: NDArray[np.int64]
) -> tuple[NDArray[np.float64], NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]:
    """Of each value the whole number, the shift and the count that give its bits, and theirs; infinite where none do."""
    fraction, exponent = np.frexp(magnitude / scale)
    a = np.broadcast_to((fraction * 2.0**_BITS).astype(np.int64)[:, None], (len(magnitude), len(shifts))).copy()
    below = (_BITS - exponent)[:, None] - shifts
    held = np.clip(below, 0, 62)
    live, b = below == held, np.int64(1) << held
    m0, m1 = np.zeros_like(a), np.ones_like(a)
    n0, n1 = np.ones_like(a), np.zeros_like(a)
    best = np.full(a.shape, np.inf)
    power = np.ldexp(1.0, -shifts)
    for _ in range(_STEPS):
        whole = a // np.maximum(b, 1)
        # Floats tell what is too large before integers overflow: below 2**53 they are exact.
        live &= (whole * m1.astype(np.float64) + m0 < 2.0**_BITS) & (whole * n1.astype(np.float64) + n0 < _MOST_COUNT)
        m, n = whole * m1 + m0, whole * n1 + n0
        if not live.any():
            break
        a, b = np.where(live, b, a), np.where(live, a - whole * b, b)
        m0, m1 = np.where(live, m1, m0), np.where(live, m, m1)
        n0, n1 = np.where(live, n1, n0), np.where(live, n, n1)
        fits = live & (((m * power) / np.maximum(n, 1)) * scale == magnitude[:, None])
        best[fits] = np.log2(m[fits]) + np.log2(n[fits])
        live &= ~fits
    choice = best.argmin(axis=1)
    rows = np.arange(len(magnitude))
    return best[rows, choice], m1[rows, choice], shifts[choice], n1[rows, choice]


def _length(numbers: NDArray[np.int64]) -> NDArray[np.int64]:
    """Bit lengths of numbers below 2**53."""
    return np.frexp(numbers.astype(np.float64))[1].astype(np.int64)


def _packed(fields: NDArray[np.int64], widths: NDArray[np.int64]) -> NDArray[np.uint8]:
    """Fields of so many bits, at most 53, one after another, lowest bits first."""
    ends = np.cumsum(widths)
    starts = ends - widths
    total = int(ends[-1])
    out = np.zeros(total // 64 + 2, np.uint64)
    word, bit = starts >> 6, (starts & 63).astype(np.uint64)
    low = fields.view(np.uint64)
    np.bitwise_or.at(out, word, low << bit)
    across = (starts & 63) + widths > 64
    np.bitwise_or.at(out, word[across] + 1, low[across] >> (np.uint64(64) - bit[across]))
    return out.astype("<u8", copy=False).view(np.uint8)[: -(-total // 8)]


def join_means(parts: Means) -> NDArray[np.float64]:
    """Inverse of `split_means`."""
    count = parts.counts
    places = np.flatnonzero(count > 0)
    if count.size and (int(count.min()) < 0 or int(count.max()) >= 1 << 32):
        raise invalid("a mean is over a negative number of values, or too many")
    if len(parts.shift) != len(places) or len(parts.size) != len(places) or len(parts.others) != len(count) - len(places):
        raise invalid(f"parts of {len(parts.shift)} and {len(parts.others)} values do not make {len(count)}")
    if not 2.0**-64 <= parts.scale <= 2.0**64:
        raise invalid(f"means times {parts.scale!r}")
    if len(places) and (int(parts.shift.min()) < 0 or int(parts.shift.max()) > MOST_SHIFT):
        raise invalid("the sum of a mean is shifted too far")
    padded = np.zeros(len(parts.packed) + 8, np.uint8)
    padded[: len(parts.packed)] = parts.packed
    windows: NDArray[np.uint64] = np.ndarray((len(parts.packed) + 1,), "<u8", padded, strides=(1,))
    out = np.empty(len(count), "<f8")
    out[count == 0] = parts.others
    bit = 0
    for at in range(0, len(places), _JOINED):
        own = slice(at, at + _JOINED)
        n, k = count[places[own]].astype(np.int64), parts.shift[own].astype(np.int64)
        length = parts.size[own].astype(np.int64) + _length(n) + k
        if int(length.min()) < 1 or int(length.max()) > _BITS:
            raise invalid(f"the sum of a mean has less than 1 or more than {_BITS} bits")
        ends = np.cumsum(length) + bit
        if int(ends[-1]) > 8 * len(parts.packed):
            raise invalid("the sums of means are too short")
        starts = ends - length
        bits = (windows[starts >> 3] >> (starts & 7).astype(np.uint64)).view(np.int64) & ((np.int64(1) << length) - 1)
        number = (bits >> 1 | np.int64(1) << (length - 1)).astype(np.float64)
        value = number * np.ldexp(1.0, -k) / n * parts.scale
        out[places[own]] = np.where(bits & 1, -value, value)
        bit = int(ends[-1])
    if len(parts.packed) != -(-bit // 8) or (bit % 8 and parts.packed[-1] >> (bit % 8)):
        raise invalid(f"sums of {bit} bits do not fill {len(parts.packed)} bytes")
    return out
