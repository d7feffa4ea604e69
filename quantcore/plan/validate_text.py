"""Check the Text op and its Vocabulary: vectorised, for half a million terms."""

from __future__ import annotations

import codecs
import functools
import operator
import re
import warnings
from types import ModuleType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from quantcore.plan.ops import Text
from quantcore.plan.vocabulary import Vocabulary

__all__ = ["check_text"]

# Longer patterns are nobody's; it bounds the time of re.compile on a forged file.
_LONGEST_PATTERN = 4096
_ARRAYS = (
    ("symbol_bytes", np.dtype(np.uint8)),
    ("symbol_ends", np.dtype(np.uint32)),
    ("parent", np.dtype(np.uint32)),
    ("symbol", np.dtype(np.uint32)),
    ("is_term", np.dtype(np.bool_)),
    ("column", np.dtype(np.uint32)),
)


def check_text(op: Text, codec: ModuleType | None = None) -> None:
    """Raise ValueError unless the op's settings and its vocabulary are sound.

    Parameters
    ----------
    op : Text
    codec : module or None
        Compiled checks; what they refuse is looked at here.
    """
    _one_of(op.analyzer, ("word", "char", "char_wb"), "analyzer")
    _one_of(op.strip_accents, ("ascii", "unicode", None), "strip_accents")
    _one_of(op.decode_error, ("strict", "ignore", "replace"), "decode_error")
    _one_of(op.source, ("content", "filename", "file"), "source")
    for name in ("lowercase", "binary", "alternate_sign"):
        _one_of(type(getattr(op, name)), (bool,), name)
    low_high = op.ngram_range
    _require(type(low_high) is tuple and [*map(type, low_high)] == [int, int], "ngram_range must be two integers")
    if not 1 <= low_high[0] <= low_high[1] < 2**31:
        raise ValueError(f"ngram_range {low_high} must be 1 <= first <= second")
    if type(op.n_features) is not int or not 0 < op.n_features < 2**31:
        raise ValueError(f"n_features is {op.n_features!r}")
    words = op.stop_words
    _require(type(words) is tuple and {*map(type, words)} <= {str}, "stop_words must be a tuple of strings")
    _require(all(map(operator.lt, words, words[1:])), "stop_words must be sorted, each once")
    _require(op.analyzer == "word" or not words, "stop_words are for the word analyzer alone")
    _check_encoding(op.encoding)
    _check_pattern(op)
    if op.vocabulary is None:
        return
    _require(not op.alternate_sign, "alternate_sign is for hashing alone")
    separator = " " if op.analyzer == "word" else ""
    _require(op.vocabulary.separator == separator, f"the vocabulary's separator must be {separator!r}")
    _check_vocabulary(op.vocabulary, op.n_features, codec)
    if op.analyzer != "word":
        leading = np.count_nonzero((op.vocabulary.symbol_bytes & 0xC0) != 0x80)
        _require(leading == op.vocabulary.n_symbols, "the symbols of character n-grams must be one character each")


def _check_encoding(encoding: Any) -> None:
    _require(type(encoding) is str and len(encoding) <= 64, f"encoding is {encoding!r}")
    _require(encoding == "utf-8" or _is_known(encoding), f"{encoding!r} is no text encoding that this Python knows")


def _is_known(encoding: str) -> bool:
    try:
        codecs.lookup(encoding)
        return isinstance("x".encode(encoding), bytes)
    except (LookupError, ValueError, TypeError):
        return False


def _check_pattern(op: Text) -> None:
    pattern = op.token_pattern
    _require(type(pattern) is str and len(pattern) <= _LONGEST_PATTERN, "token_pattern must be a string of usual length")
    if op.analyzer != "word":
        return
    _require(_groups(pattern) <= 1, "token_pattern may have one group at most")


@functools.lru_cache(maxsize=64)
def _groups(pattern: str) -> int:
    """Number of groups of a pattern; most models share one."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return re.compile(pattern).groups
    except (re.error, RecursionError, OverflowError, ValueError, MemoryError) as error:
        raise ValueError(f"token_pattern {pattern!r} can't be compiled: {error}") from None


def _check_vocabulary(vocabulary: Vocabulary, n_features: int, codec: ModuleType | None) -> None:
    v = vocabulary
    for name, dtype in _ARRAYS:
        array = getattr(v, name)
        if not isinstance(array, np.ndarray) or array.dtype != dtype or array.ndim != 1:
            raise ValueError(f"{name} must be 1-d {dtype}")  # NumPy takes its time to spell a dtype
    levels = v.levels
    _require(type(levels) is tuple and 1 <= len(levels) <= 65536, "levels must be a tuple, one number per n-gram length")
    _require({*map(type, levels)} == {int} and 0 <= min(levels) and max(levels) < 2**32, "levels must be counts")
    _require(levels[0] == v.n_symbols and sum(levels) == v.n_nodes, "levels do not add up to the nodes")
    _require(len(v.parent) == len(v.symbol) == v.n_nodes - v.n_symbols, "parent and symbol must be one per longer n-gram")
    _require(len(v.column) == int(np.count_nonzero(v.is_term)), "column must be one per term")
    if codec is None or not codec.symbols_sound(v.symbol_bytes, v.symbol_ends):
        _check_symbols(v)
    if codec is None or not codec.nodes_sound(v.parent, v.symbol, levels):
        _check_nodes(v)
    if codec is None or not codec.columns_sound(v.column, n_features):
        _check_columns(v, n_features)


def _check_symbols(v: Vocabulary) -> None:
    raw = v.symbol_bytes.tobytes()
    ends = v.symbol_ends.astype(np.int64)
    starts = np.concatenate([[0], ends])[:-1].astype(np.int64)
    _require(bool((ends > starts).all()), "symbol_ends must ascend")
    _require((int(ends[-1]) if len(ends) else 0) == len(raw), "symbol_ends must end at the last byte")
    if len(ends) == 0:
        return
    try:
        raw.decode("utf-8", "surrogatepass")
    except UnicodeDecodeError as error:
        raise ValueError(f"symbols must be UTF-8: {error}") from None
    # The whole is valid and no symbol starts within a character: each symbol is valid.
    _require(not bool(((v.symbol_bytes[starts] & 0xC0) == 0x80).any()), "a symbol starts within a character")
    keys = _first_bytes(v.symbol_bytes, starts, ends)
    ascending = keys[1:] > keys[:-1]
    # Only symbols that agree in eight bytes need to be compared as strings.
    for i in np.flatnonzero(keys[1:] == keys[:-1]).tolist():
        ascending[i] = raw[starts[i] : ends[i]] < raw[starts[i + 1] : ends[i + 1]]
    _require(bool(ascending.all()), "symbols must be sorted, each once")


def _first_bytes(data: NDArray[np.uint8], starts: NDArray[np.int64], ends: NDArray[np.int64]) -> NDArray[np.uint64]:
    """The first eight bytes of each symbol as a number that sorts like them, zeros after its end."""
    padded = np.concatenate([data, np.zeros(8, np.uint8)])
    keys = np.zeros(len(starts), np.uint64)
    for i in range(8):
        byte = np.where(starts + i < ends, padded[starts + i], 0)
        keys = (keys << np.uint64(8)) | byte.astype(np.uint64)
    return keys


def _check_nodes(v: Vocabulary) -> None:
    if len(v.parent) == 0:
        return
    _require(int(v.symbol.max()) < v.n_symbols, "a node names a symbol that is not there")
    pairs = (v.parent.astype(np.int64) << 32) | v.symbol
    before, start = 0, v.n_symbols
    for size in v.levels[1:]:
        _require(size > 0, "a level of n-grams is empty")
        level = slice(start - v.n_symbols, start - v.n_symbols + size)
        parents = v.parent[level]
        _require(before <= int(parents[0]) and int(parents[-1]) < start, "a node's parent is not in the level before it")
        _require(bool((np.diff(pairs[level]) > 0).all()), "nodes must be sorted by (parent, symbol), each once")
        before, start = start, start + size


def _check_columns(v: Vocabulary, n_features: int) -> None:
    columns = np.sort(v.column)
    _require(len(columns) == 0 or int(columns[-1]) < n_features, "a column is beyond n_features")
    _require(not bool((columns[1:] == columns[:-1]).any()), "two terms have one column")


def _one_of(value: Any, allowed: tuple[Any, ...], name: str) -> None:
    if value not in allowed:
        raise ValueError(f"{name} is {value!r}, expected one of {allowed}")


def _require(holds: bool, message: str) -> None:
    if not holds:
        raise ValueError(message)
