"""Integer matrices: a prefix code for the size of an entry, and the bits below, which are noise, as they are.

Rows of about the same size form a group with a code of its own and lie together. They are cut into stretches of whole rows,
which are decoded side by side.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from quantcore.artifact import prefix
from quantcore.artifact._fail import invalid

__all__ = ["MAX_LOW", "MAX_WIDTH", "MOST_BITS", "Rows", "coded", "join_rows", "split_rows", "symbols"]

MAX_LOW = 24
MAX_WIDTH = 4096
_STRETCH = 4096  # entries, about; decoding takes a step for each, in all stretches at once
# The zigzag number of symbol s is BASE[s] plus its EXTRA[s] lowest bits, which are raw: the first 32 symbols stand for
# themselves, then come 16 an octave.
_SYMBOLS = 256
_EXTRA = np.maximum((np.arange(_SYMBOLS) - 16) // 16, 0)
_BASE = np.where(_EXTRA > 0, (16 + np.arange(_SYMBOLS) % 16) << _EXTRA, np.arange(_SYMBOLS))
MOST_BITS = 17  # of an entry without its low bits, for its symbol to be below 256
_ROUNDS = 3
_GROUPED_FROM = 4  # columns
_BLOCK = 4096  # rows


class Rows(NamedTuple):
    """A matrix in parts.

    Parameters
    ----------
    width : int
        Number of columns.
    low : list of int
        Number of low bits per group.
    codes : ndarray of uint8, shape (n_groups * n_symbols,)
        Length of the code of each symbol, group by group; 0 where it does not occur.
    group : ndarray of uint8, shape (n_rows,)
    sizes : ndarray of unsigned int
        Bytes of each stretch of rows, by group.
    packed : ndarray of uint8
        The stretches. Per entry: the low bits, the code, the raw bits of the symbol.
    """

    width: int
    low: list[int]
    codes: NDArray[np.uint8]
    group: NDArray[np.uint8]
    sizes: NDArray[Any]
    packed: NDArray[np.uint8]


def _stretches(counts: NDArray[np.int64], width: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Group and number of rows of every stretch, from the number of rows of every group."""
    most = max(1, _STRETCH // width)
    group = np.repeat(np.arange(len(counts)), -(-counts // most))
    rows = np.full(len(group), most, np.int64)
    last = np.cumsum(-(-counts // most)) - 1
    some = counts > 0
    rows[last[some]] = (counts[some] - 1) % most + 1
    return group, rows


def split_rows(rows: NDArray[Any]) -> Rows:
    """Take a matrix apart: rows go to the group that codes them best, beginning with groups by the mean entry."""
    size = np.abs(rows.astype(np.int64))
    # naming the group costs more than it gains where rows are short
    mean = size.mean(axis=1) if rows.shape[1] >= _GROUPED_FROM else np.full(len(rows), size.mean())
    halves = np.ceil(2.0 * np.log2(mean + 2.0**-8)).astype(np.int64)
    levels, group = np.unique(halves, return_inverse=True)
    least = np.zeros(len(levels), np.int64)
    np.maximum.at(least, group, np.frexp(size.max(axis=1).astype(np.float64))[1] - MOST_BITS)
    low = np.clip(levels // 2 - 4, least, MAX_LOW)
    if len(levels) == 1:
        return coded(rows, low, group.astype(np.uint8))
    counts = {h: _histograms(rows, h) for h in set(low.tolist())}
    for _ in range(_ROUNDS):
        group = _assigned(counts, low, group, rows.shape[1])
    used, inverse = np.unique(group, return_inverse=True)
    return coded(rows, low[used], inverse.astype(np.uint8))


def _parts(rows: NDArray[Any], low: Any) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]:
    """Low bits, symbols and raw bits of entries."""
    shifted = rows.astype(np.int64) + (1 << low >> 1)
    high = shifted >> low
    zigzag = (high << 1) ^ (high >> 63)
    octave = np.frexp(zigzag.astype(np.float64))[1].astype(np.int64) - 5
    symbol = np.where(octave > 0, 16 + 16 * octave + (zigzag >> np.maximum(octave, 0) & 15), zigzag)
    return shifted - (high << low), symbol, zigzag - _BASE[np.minimum(symbol, _SYMBOLS - 1)]


def _histograms(rows: NDArray[Any], low: int) -> NDArray[np.uint16]:
    """How often each symbol occurs in each row; in a last column, those that are beyond the symbols."""
    out = np.empty((len(rows), _SYMBOLS + 1), np.uint16)
    for at in range(0, len(rows), _BLOCK):
        symbol = np.minimum(_parts(rows[at : at + _BLOCK], low)[1], _SYMBOLS)
        keys = np.arange(len(symbol))[:, None] * (_SYMBOLS + 1) + symbol
        found = np.bincount(keys.ravel(), minlength=len(symbol) * (_SYMBOLS + 1))
        out[at : at + _BLOCK] = found.reshape(len(symbol), _SYMBOLS + 1)
    return out


def _assigned(
    counts: dict[int, NDArray[np.uint16]], low: NDArray[np.int64], group: NDArray[Any], width: int
) -> NDArray[np.int64]:
    """The group of each row whose code, made for the rows that it has now, takes the fewest bits."""
    n = len(group)
    best, out = np.full(n, np.inf), group.astype(np.int64)
    for g, h in enumerate(low.tolist()):
        mine = group == g
        total = counts[h][mine, :_SYMBOLS].sum(axis=0, dtype=np.float64) + 0.05
        bits = _EXTRA - np.log2(total / total.sum())
        for at in range(0, n, _BLOCK):
            part = slice(at, at + _BLOCK)
            beyond = counts[h][part, _SYMBOLS] > 0
            cost = counts[h][part, :_SYMBOLS] @ bits + h * width - np.log2(np.count_nonzero(mine) + 0.5)
            better = (cost < best[part]) & ~beyond
            best[part][better], out[part][better] = cost[better], g
    return out


def symbols(values: NDArray[Any], low: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Of each value the symbol, and the number of its raw bits, where so many low bits are apart."""
    symbol = _parts(values, low)[1]
    return symbol, _EXTRA[symbol]


def coded(rows: NDArray[Any], low: NDArray[np.int64], group: NDArray[np.uint8]) -> Rows:
    """The parts of a matrix whose groups are settled."""
    order = np.argsort(group, kind="stable")
    groups = group[order]
    h = low[groups][:, None]
    rest, symbol, extra = _parts(rows[order], h)
    n_symbols = max(2, int(symbol.max()) + 1)
    keys = groups[:, None].astype(np.int64) * n_symbols + symbol
    counts = np.bincount(keys.ravel(), minlength=len(low) * n_symbols).reshape(len(low), n_symbols)
    lengths = np.stack([prefix.code_lengths(c) for c in counts])
    codes = np.stack([prefix.codes(one) for one in lengths])
    at = groups[:, None], symbol
    before = lengths[at].astype(np.int64)
    values = (rest | codes[at] << h | extra << (before + h)).astype(np.uint64)
    _, stretches = _stretches(np.bincount(groups), rows.shape[1])
    sizes, packed = _pack(values, before + h + _EXTRA[symbol], stretches)
    return Rows(rows.shape[1], low.tolist(), lengths.ravel(), group, sizes, packed)


def _pack(
    values: NDArray[np.uint64], lengths: NDArray[np.int64], rows: NDArray[np.int64]
) -> tuple[NDArray[Any], NDArray[np.uint8]]:
    """Bytes of stretches of so many rows, and the stretches: values one after another, lowest bits first."""
    last = np.cumsum(rows) - 1
    bits = np.diff(np.cumsum(lengths.sum(axis=1))[last], prepend=0)
    sizes = -(-bits // 8)
    steps = lengths.copy()
    steps[last, -1] += 8 * sizes - bits
    flat, steps, lengths = values.ravel(), steps.ravel(), lengths.ravel()
    starts = np.cumsum(steps) - steps
    word, shift = starts >> 6, (starts & 63).astype(np.uint64)
    # every word holds the start of a value: they are at most 50 + 7 bits apart
    out = np.zeros(int(word[-1]) + 2, "<u8")
    out[:-1] = np.bitwise_or.reduceat(flat << shift, np.flatnonzero(np.diff(word, prepend=-1)))
    across = (starts & 63) + lengths > 64
    out[word[across] + 1] |= flat[across] >> (np.uint64(64) - shift[across])
    return sizes.astype(np.uint32), out.view(np.uint8)[: int(sizes.sum())]


def join_rows(parts: Rows, dtype: str) -> NDArray[Any]:
    """Inverse of `split_rows`, and of any other way to form groups."""
    tables, lengths, low = _tables(parts)
    counts = np.bincount(parts.group, minlength=len(low))
    if len(counts) > len(low):
        raise invalid("a row of a matrix names a group that is not there")
    group, rows = _stretches(counts, parts.width)
    sizes = parts.sizes.astype(np.int64)
    if len(sizes) != len(rows) or int(sizes.sum()) != len(parts.packed):
        raise invalid(f"the stretches of a matrix do not fill {len(parts.packed)} bytes")
    limits = np.iinfo(dtype)
    padded = np.concatenate([parts.packed, np.zeros(8, np.uint8)])
    windows: NDArray[np.uint64] = np.ndarray((len(parts.packed) + 1,), "<u8", padded, strides=(1,))
    out = np.empty((len(parts.group), parts.width), np.dtype(dtype).newbyteorder("<"))
    order = np.argsort(parts.group, kind="stable")
    # All stretches take one step at a time, the longest ones first, so that those that still go are a slice.
    lanes = np.argsort(-rows, kind="stable")
    ends = (8 * np.cumsum(sizes))[lanes]
    position, group = ends - 8 * sizes[lanes], group[lanes]
    row, rows, h = (np.cumsum(rows) - rows)[lanes], rows[lanes], low[group]
    for i in range(int(rows.max(initial=0))):
        going = slice(0, int(np.searchsorted(-rows, -i)))
        at, g, cut = position[going], group[going], h[going]
        for k in range(parts.width):
            window = windows[np.minimum(at >> 3, len(parts.packed))] >> (at & 7).view(np.uint64)
            code = (window >> cut.view(np.uint64)).view(np.int64)
            symbol = tables[g, code & (1 << prefix.LONGEST) - 1]
            length, extra = lengths[g, symbol], _EXTRA[symbol]
            zigzag = _BASE[symbol] + (code >> length & (1 << extra) - 1)
            rest = window.view(np.int64) & (1 << cut) - 1
            value = (((zigzag >> 1) ^ -(zigzag & 1)) << cut) + rest - (1 << cut >> 1)
            if value.min() < limits.min or value.max() > limits.max:
                raise invalid(f"an entry of a matrix does not fit {dtype}")
            out[order[row[going] + i], k] = value
            at += length + cut + extra
    unused = ends - position
    if (unused < 0).any() or (unused > 7).any() or (padded[ends - 1 >> 3] >> 8 - unused).any():
        raise invalid("a stretch of a matrix does not end where it should")
    return out


def _tables(parts: Rows) -> tuple[NDArray[np.uint8], NDArray[np.int64], NDArray[np.int64]]:
    """Per group: the table of its code, the lengths of its symbols; the numbers of low bits."""
    n = len(parts.low)
    low = np.array(parts.low, np.int64)
    if not n or len(parts.codes) % n or not 2 <= len(parts.codes) // n <= _SYMBOLS:
        raise invalid("the codes of a matrix do not fit its groups")
    lengths = parts.codes.reshape(n, len(parts.codes) // n)
    if not all(map(prefix.is_complete, lengths)):
        raise invalid("a code of a matrix is no complete prefix code")
    return np.stack([prefix.table(one) for one in lengths]), lengths.astype(np.int64), low
