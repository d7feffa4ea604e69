"""Values and arrays → nodes: the smallest of the codings that fit."""

from __future__ import annotations

import hashlib
from typing import Any

import numpy as np
from numpy.typing import NDArray

from quantcore.artifact import bits, context, idf, means, repeats, rows, strings, trie
from quantcore.artifact.ascending import split_ascending, split_doubles, split_steps
from quantcore.artifact.container import ARRAY, DEFLATE, DTYPES, MAX_SECTIONS, POOL, RAW, SHUFFLE, Section
from quantcore.artifact.deflate import compress, compress_parts, estimate, shuffle
from quantcore.artifact.transforms import Transforms, transforms
from quantcore.plan.vocabulary import Vocabulary

__all__ = ["Encoder"]

POOLED = 4096  # arrays below this many bytes share one section
LARGE = 1 << 19  # bytes of an array; which form of it deflates best is then estimated, not tried
_ENTRY = 96  # what a section costs besides its bytes: a table entry and padding
_FEW = 64  # items of an array; it is not worth a search for shorter ones
_MANY = 1 << 20  # items; among more of them repeats are not looked for
_SOME = 1 << 16  # of many items, those that are looked at first
_FAR = 1 << 31  # as far as steps between integers are looked at
_NAMES = 1024  # of columns that are written beside the categories that they repeat, which deflate then knows
_LONG_LIST = 64  # strings; longer lists are stored as arrays
Array = NDArray[Any]


class Encoder:
    """Collects the arrays of one file while its values become JSON.

    Everything here follows from the values alone: the same input gives the same bytes.

    Parameters
    ----------
    do : Transforms or None
        What stands for the definitions.
    """

    def __init__(self, do: Transforms | None = None) -> None:
        self._do = transforms(None) if do is None else do
        self._pool: list[bytes] = []
        self._own: list[Section] = []
        self._seen: dict[tuple[str, tuple[int, ...], bytes], int] = {}
        self._count = 0
        self._flags: dict[int, Array] = {}
        self._costs: dict[int, tuple[Array, int]] = {}

    def sections(self) -> list[Section]:
        """The pool, if anything is in it, and the arrays of their own."""
        data = b"".join(self._pool)
        if not data:
            return self._own
        packed = compress_parts(self._pool)
        codec, stored = (DEFLATE, packed) if len(packed) < len(data) else (RAW, data)
        return [Section(POOL, codec, "u1", (len(data),), stored), *self._own]

    def value(self, value: Any) -> Any:
        """A JSON value, arrays in it coded; mappings in the order of their keys, which is the document's."""
        if isinstance(value, dict):
            if "$" in value or not all(isinstance(k, str) for k in value):
                raise ValueError("an artifact holds mappings whose keys are strings, and not '$'")
            ranks = _idf_ranks(value)
            return {k: self._field(k, value[k], ranks) for k in sorted(value)}
        if isinstance(value, list):
            if len(value) > _LONG_LIST and all(isinstance(v, str) for v in value):
                return self._node(min(self._text(value, None), self._front(value), key=self._cost), None)
            return [self.value(v) for v in value]
        if isinstance(value, Vocabulary):
            return self._node(self._trie(value), None)
        if isinstance(value, np.ndarray):
            return self._array(value)
        return value

    def _field(self, name: str, value: Any, ranks: Array | None) -> Any:
        if name == "exponent" and ranks is not None and isinstance(value, np.ndarray) and value.shape == ranks.shape:
            table = np.zeros(int(ranks.max()) + 1, value.dtype)
            table[ranks] = value
            if np.array_equal(table[ranks], value):
                return self._node(["byidf", _name(value), self._ints(table)], None)
        if name == "feature_names_out" and isinstance(value, list) and len(value) <= _NAMES:
            return value
        if name == "rows" and ranks is not None and isinstance(value, np.ndarray) and value.shape == (len(ranks), 1):
            return self._rows_by_idf(value, ranks)
        if name in ("idf", "values") and isinstance(value, np.ndarray):
            return self._array(value, searched=name)
        return self.value(value)

    def _rows_by_idf(self, array: Array, ranks: Array) -> Any:
        """One column of weights, beside the idf of its terms."""
        if array.dtype not in (np.int16, np.int32) or len(array) < _FEW:
            return self._array(array)
        p, table = context.split_by_rank(array, ranks)
        node = ["rowsbyidf", _name(array), p.width, p.low, p.codes, self._ints(table), self._ints(p.sizes), p.packed]
        least = min(self._candidates(array), key=self._cost)
        return self._node(node, None) if self._cost(node) < self._cost(least) else self._array(array)

    def _array(self, array: Array, *, searched: str = "") -> Any:
        """A node for an array; ``searched``: "idf" may follow from document frequencies, "values" (of leaves) be means."""
        key = (array.dtype.str, array.shape, hashlib.sha256(np.ascontiguousarray(array).reshape(-1).view(np.uint8).data).digest())
        if key in self._seen:
            return self._node(["same", self._seen[key]], None)
        if (flags := self._leaf_flags(array)) is not None:
            return self._node(["leaves", flags], key)
        if array.dtype == np.bool_ and array.ndim == 1:
            self._flags[self._count] = array
        return self._node(min(self._candidates(array, searched), key=self._cost), key)

    def _leaf_flags(self, array: Array) -> int | None:
        """Which flags of trees the numbers of their leaves follow from."""
        if array.dtype != np.uint32 or array.ndim != 1 or len(array) < _FEW:
            return None
        for position, flags in self._flags.items():
            first = self._do.leaf_numbers(flags[:_FEW])  # what comes later changes nothing about these
            if np.count_nonzero(flags) == len(array) and np.array_equal(first, array[: len(first)]):
                if np.array_equal(self._do.leaf_numbers(flags), array):
                    return position
        return None

    def _node(self, node: Any, key: Any) -> dict[str, Any]:
        if key is not None:
            self._seen[key] = self._count
        self._count += 1
        return {"$": self._commit(node)}

    def _commit(self, node: Any) -> Any:
        if isinstance(node, list):
            return [self._commit(n) for n in node]
        if not isinstance(node, np.ndarray):
            return node
        if node.nbytes < POOLED or len(self._own) == MAX_SECTIONS - 2:
            self._pool.append(shuffle(node))
            return ["pool", _name(node), *node.shape]
        self._own.append(self._pack(node))
        return ["own"]

    def _cost(self, node: Any) -> int:
        """About what a node needs in the file."""
        if isinstance(node, list):
            return 4 + sum(map(self._cost, node))
        if not isinstance(node, np.ndarray):
            return 2
        if id(node) not in self._costs:
            cost = 2 + estimate(shuffle(node))
            if node.nbytes >= POOLED:  # a section of its own may also be deflated as it is
                cost = _ENTRY + min(cost, estimate(node.tobytes()) if node.dtype.kind == "f" else cost)
            self._costs[id(node)] = node, cost
        return self._costs[id(node)][1]

    def _pack(self, array: Array) -> Section:
        plain = np.ascontiguousarray(array).tobytes()
        forms = [(DEFLATE, plain)]
        if array.itemsize > 1:
            forms.append((SHUFFLE, shuffle(array)))
        if array.nbytes >= LARGE:
            forms = [min(forms, key=lambda form: estimate(form[1]))]
        tries = [(RAW, plain), *((codec, compress(data)) for codec, data in forms)]
        codec, stored = min(tries, key=lambda t: len(t[1]))
        return Section(ARRAY, codec, _name(array), array.shape, stored)

    def _candidates(self, array: Array, searched: str = "") -> list[Any]:
        """Nodes that decode to the array; a bare array is a leaf."""
        if array.ndim > 3:
            raise ValueError(f"an artifact holds arrays of at most 3 dimensions, not {array.ndim}")
        if array.dtype.kind == "U":
            return [self._text(array.tolist(), array)] if array.ndim == 1 else [_wide(array)]
        if array.dtype == np.bool_:
            return [["bool", list(array.shape), np.packbits(array, axis=None, bitorder="little")]]
        if array.dtype.kind not in "iuf" or _name(array) not in DTYPES:
            raise ValueError(f"an artifact can't hold arrays of {array.dtype}")
        leaf = array.astype(array.dtype.newbyteorder("<"), copy=False)
        if array.dtype.kind == "f":
            coded = idf.split_idf(leaf) if searched == "idf" and _name(leaf) == "f8" else None
            if coded is None:
                found = self._means(leaf) if searched == "values" and _name(leaf) == "f8" else []
                return [leaf, *self._float_repeats(leaf), *self._floats_ascending(leaf), *found]
            kind, top, frequencies, off = coded
            return [leaf, ["idf", kind, top, self._ints(frequencies), self._ints(off) if off.any() else None]]
        return [leaf, *self._integer_candidates(leaf)]

    def _integer_candidates(self, array: Array) -> list[Any]:
        nodes: list[Any] = []
        small = array.dtype in (np.int16, np.int32)
        if small and array.ndim == 2 and array.shape[1] <= rows.MAX_WIDTH and array.size >= _FEW:
            p = rows.split_rows(array)
            nodes.append(["rows", _name(array), p.width, p.low, p.codes, self._ints(p.group), self._ints(p.sizes), p.packed])
        if array.ndim != 2 or array.shape[1] == 1:
            nodes += self._int_nodes(array, _name(array))
        if 1 < array.size == max(array.shape, default=0):
            nodes += self._steps(array)
        if _FEW <= array.size == max(array.shape, default=0):
            nodes += self._repeats(array.reshape(-1), list(array.shape))
        return nodes

    def _steps(self, array: Array) -> list[Any]:
        """Numbers that mostly count up (places of categories, codes that ascend), by the steps between them."""
        flat = array.reshape(-1)
        if int(flat.min()) < -_FAR or int(flat.max()) > _FAR:
            return []
        # Most steps are one of few where this pays; else it would only take time: of many numbers the first ones tell.
        for some in (flat,) if len(flat) < _MANY else (flat[:_SOME], flat):
            steps = split_steps(some)
            if len(np.unique(steps)) > len(steps) // 2:
                return []
        return [["sum", _name(array), list(array.shape), self._ints(steps)]]

    def _text(self, texts: list[str], array: Array | None) -> Any:
        """A list of strings, or a 1-d array of them."""
        lengths, data = strings.split_text(texts)
        if array is not None and strings.too_wide(len(texts), array.itemsize // 4, len(data)):
            return _wide(array)
        return ["text", None if array is None else array.itemsize // 4, self._ints(lengths), data]

    def _front(self, texts: list[str]) -> Any:
        """A list of strings that mostly begin as the one before does, as sorted ones do."""
        lengths, data = strings.split_text(texts)
        prefix, rest, own = strings.split_sorted(data, np.cumsum(lengths))
        return ["front", self._ints(prefix), self._ints(rest), own]

    def _float_repeats(self, leaf: Array) -> list[Any]:
        """Values that come again, told by their bits (0.0 and -0.0 differ), as long as their own search is worth it."""
        if not _FEW <= leaf.size < _MANY or leaf.dtype.itemsize < 4:
            return []
        flat = leaf.reshape(-1)
        back = repeats.distances(flat.view(f"<u{flat.itemsize}"))
        new = flat[back == 0]
        return [] if len(new) == len(flat) else [["again", _name(flat), list(leaf.shape), new, self._ints(back)]]

    def _means(self, leaf: Array) -> list[Any]:
        """Leaves that were fitted to squared errors; of many of them the search would take too long."""
        p = means.split_means(leaf.reshape(-1)) if _FEW <= leaf.size < _SOME else None
        if p is None:
            return []
        others = p.others if len(p.others) else None
        parts = [self._ints(part) for part in (p.counts, p.shift, p.size)]
        return [["mean", list(leaf.shape), p.scale, *parts, p.packed, others]]

    def _floats_ascending(self, leaf: Array) -> list[Any]:
        if leaf.ndim != 1 or len(leaf) < _FEW:
            return []
        if leaf.dtype == np.float64:
            p = split_doubles(leaf)
            return [] if p is None else [["rise8", list(leaf.shape), p.bits, *map(self._ints, (p.top, p.bottom, p.low))]]
        if leaf.dtype != np.float32:
            return []
        return [["rise", list(leaf.shape), self._ints(split_ascending(leaf))]]

    def _repeats(self, flat: Array, dims: list[int]) -> list[Any]:
        """Of a large array only if new values are the next number each: a search costs more than it usually finds."""
        if len(flat) >= _MANY and not _counts_up(flat):
            return []
        back = repeats.distances(flat)
        new = flat[back == 0]
        if len(new) == len(flat) or len(flat) >= 1 << 31:
            return []
        plain = np.array_equal(new, np.arange(len(new)))
        values = [None] if plain else [new, *self._int_nodes(new, _name(new))]
        return [["again", _name(flat), dims, min(values, key=self._cost), self._ints(back)]]

    def _ints(self, values: Array) -> Any:
        """A node for integers whose dtype is free: the narrowest that holds them."""
        low, high = (int(values.min()), int(values.max())) if values.size else (0, 0)
        name = next(d for d in DTYPES if d[0] == ("i" if low < 0 else "u") and np.iinfo(d).min <= low and high <= np.iinfo(d).max)
        narrow = values.astype(f"<{name}")
        return min([narrow, *self._int_nodes(narrow, name)], key=self._cost)

    def _int_nodes(self, array: Array, name: str) -> list[Any]:
        signed = int(array.size > 0 and array.min() < 0)
        if name in ("u8", "i8") and array.size and (int(array.max()) >= 1 << 31 or int(array.min()) < -(1 << 31)):
            return []
        flat = array.reshape(-1)
        coded = self._do.split_bits(bits.zigzag(flat) if signed else flat)
        return [] if coded is None else [["int", name, signed, list(array.shape), *coded]]

    def _trie(self, v: Vocabulary) -> Any:
        prefix, rest, data = strings.split_sorted(v.symbol_bytes, v.symbol_ends)
        order = trie.alphabetical(v.parent, v.levels, v.is_term)
        columns = np.empty(len(order), np.int64)
        columns[order] = v.column
        steps = np.diff(columns, prepend=-1) - 1
        levels: list[Any] = []
        start = base = 0
        for n_parents, n_edges in zip(v.levels, v.levels[1:], strict=False):
            edges = slice(start, start + n_edges)
            parent, symbol = v.parent[edges].astype(np.int64) - base, v.symbol[edges].astype(np.int64)
            forms = [trie.split_level(parent, symbol, n_parents, v.n_symbols, ranked) for ranked in (True, False)]
            levels.append(min(([self._ints(part) for part in form] for form in forms), key=self._cost))
            start, base = start + n_edges, base + n_parents
        is_term = np.packbits(v.is_term, bitorder="little")
        return [
            "trie", v.separator, self._ints(prefix), self._ints(rest), data, ["bool", [v.n_nodes], is_term],
            self._ints(steps) if steps.any() else None, levels,
        ]  # fmt: skip


def _name(array: Array) -> str:
    return str(array.dtype.str[1:])


def _counts_up(flat: Array) -> bool:
    """Whether every value is one that was there, or the next of 0, 1, 2, ..."""
    highest = np.maximum.accumulate(flat)
    return bool(flat[0] == 0 and (flat[1:] <= highest[:-1] + np.ones(1, flat.dtype)).all() and flat.min() == 0)


def _wide(array: Array) -> Any:
    raw = np.ascontiguousarray(array, array.dtype.newbyteorder("<"))
    return ["ucs4", list(array.shape), raw.reshape(-1).view("<u4").reshape(array.size, array.itemsize // 4)]


def _idf_ranks(value: dict[str, Any]) -> Array | None:
    found = value.get("idf")
    coded = idf.split_idf(found) if isinstance(found, np.ndarray) and found.dtype == np.float64 and "exponent" in value else None
    return None if coded is None else idf.ranks(coded[2])[1]
