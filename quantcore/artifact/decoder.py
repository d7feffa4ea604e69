"""Nodes → values and arrays, every argument checked, every allocation declared before it is made."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from quantcore.artifact import idf, means, rows, strings
from quantcore.artifact._fail import invalid, newer
from quantcore.artifact.ascending import Doubles, join_ascending, join_doubles, join_steps
from quantcore.artifact.container import DTYPES, ITEMSIZE, RAW, SHUFFLE, TABLED, Section
from quantcore.artifact.deflate import inflate, unshuffle
from quantcore.artifact.dictionary import TABLES
from quantcore.artifact.transforms import Transforms
from quantcore.plan.vocabulary import Vocabulary

__all__ = ["Decoder", "content"]

Array = NDArray[Any]
_DEEPEST = 64
_DEEPEST_NODE = 6
_NESTED = frozenset((dict, list))
_MOST_ITEMS = 1 << 48
_STRING = 64  # bytes that a Python string needs besides its text


def content(section: Section, dictionary: bytes = b"") -> bytes | memoryview:
    """Decoded bytes of a section; ``dictionary`` is that of DEFLATE."""
    if section.codec == RAW:
        return section.stored
    data = inflate(section.stored, section.decoded, TABLES if section.codec == TABLED else dictionary)
    return unshuffle(data, ITEMSIZE[section.dtype]) if section.codec == SHUFFLE else data


class Decoder:
    """Takes arrays out of one file in the order of its document.

    Parameters
    ----------
    memory : int or None
        What the header declares; None to count alone (the writer does).
    transforms : Transforms
        The definitions, or what stands for them.
    shared : bool
        Somebody else could change the sections: what has to stay as it was validated is copied first.
    """

    def __init__(self, memory: int | None, transforms: Transforms, *, shared: bool = False) -> None:
        self._do = transforms
        self._shared = shared
        self.used = 0
        self.sizes: dict[str, tuple[int, int]] = {}
        self._memory = memory
        self._pool: bytes | memoryview = b""
        self._pooled = 0
        self._own: list[Section] = []
        self._taken = 0
        self._path: list[str | int] = []
        self._arrays: list[Array | None] = []
        self._ranks: dict[int, Array] = {}

    def load(self, pool: Section | None, own: list[Section]) -> None:
        """Take the sections that hold arrays."""
        self._own = own
        if pool is not None:
            self.charge(pool.decoded)
            self._pool = self._content(pool)

    def charge(self, size: int) -> None:
        """Count memory, before it is allocated."""
        self.used += size
        if self._memory is not None and self.used > self._memory:
            raise invalid(f"it needs more memory than the {self._memory} bytes that its header declares")

    def finish(self) -> None:
        """Nothing may be left over."""
        if self._taken != len(self._own) or self._pooled != len(self._pool):
            raise invalid("it holds arrays that nothing refers to")
        if self._memory is not None and self.used != self._memory:
            raise invalid(f"it needs {self.used} bytes, its header declares {self._memory}")

    def value(self, value: Any, depth: int = 0) -> Any:
        """Inverse of `Encoder.value`."""
        if depth > _DEEPEST:
            raise invalid("its metadata is nested too deeply")
        if type(value) is list:
            return value if _NESTED.isdisjoint(map(type, value)) else self._list(value, depth)
        if type(value) is not dict:
            return value
        if "$" in value:
            if len(value) != 1:
                raise invalid("a coded value has members besides '$'")
            return self._coded(value["$"])
        if _NESTED.isdisjoint(map(type, value.values())):
            return value
        late = {}
        out = {}
        path = self._path
        for key, member in value.items():
            kind = type(member)
            if kind not in _NESTED or (kind is list and depth < _DEEPEST and _NESTED.isdisjoint(map(type, member))):
                out[key] = member
                continue
            path.append(key)
            if kind is dict and "$" in member and (node := _by_idf(member)) is not None:
                late[key] = self._waiting(node)
            elif kind is dict and len(member) == 1 and "$" in member and depth < _DEEPEST:
                out[key] = self._coded(member["$"])
            else:
                out[key] = self.value(member, depth + 1)
            path.pop()
        for key, join in late.items():
            out[key] = join(out.get("idf"))
        return out

    def _list(self, value: list[Any], depth: int) -> list[Any]:
        out, path = list(value), self._path
        for i, member in enumerate(value):
            if type(member) in _NESTED:
                path.append(i)
                out[i] = self.value(member, depth + 1)
                path.pop()
        return out

    def _coded(self, node: Any) -> Any:
        if type(node) is list and node and node[0] == "pool" and _NESTED.isdisjoint(map(type, node)):  # most are
            self._arrays.append(found := self._leaf_pool(*node[1:]))
            return found
        if not _shallow(node, _DEEPEST_NODE):
            raise invalid("a coded value is nested too deeply, or holds an object")
        result = self._node(node)
        # only whole arrays can be named again
        self._arrays.append(result if isinstance(result, np.ndarray) else None)
        return result

    def _node(self, node: Any) -> Any:
        if not isinstance(node, list) or not node or not isinstance(node[0], str):
            raise invalid("a coded value is not a list that starts with a name")
        codec = _CODECS.get(node[0])
        if codec is None:
            raise newer(f"an array coded as {node[0]!r}")
        function, count = codec
        if count is not None and len(node) != count + 1:
            raise invalid(f"{node[0]!r} takes {count} arguments, {len(node) - 1} arrived")
        result = function(self, *node[1:])
        if isinstance(result, np.ndarray):
            result.flags.writeable = False
        return result

    # leaves

    def _leaf_pool(self, dtype: Any = None, *dims: Any) -> Array:
        shape = dims if len(dims) == 1 and type(dims[0]) is int and 0 <= dims[0] < _MOST_ITEMS else _shape(list(dims))
        if dtype not in DTYPES:
            raise invalid(f"an array of unknown dtype {dtype!r}"[:200])
        start, size = self._pooled, math.prod(shape) * ITEMSIZE[dtype]
        if size > len(self._pool) - start:
            raise invalid("the pool is too short")
        self._pooled = start + size
        self.charge(size)
        found: Array = self._do.pooled(self._pool, start, dtype, shape)
        return found

    def _leaf_own(self) -> Array:
        if self._taken >= len(self._own):
            raise invalid("a section is missing")
        section = self._own[self._taken]
        self._taken += 1
        self.charge(section.decoded)
        self.sizes[f"{self._taken}:{'.'.join(map(str, self._path))}"] = len(section.stored), section.decoded
        return np.frombuffer(self._content(section), f"<{section.dtype}").reshape(section.dims)

    def _content(self, section: Section) -> bytes | memoryview:
        found = content(section)
        # Any floats are safe to compute with; integers that are checked once name places from then on.
        return bytes(found) if self._shared and section.dtype[0] != "f" else found

    # codings

    def _same(self, position: Any) -> Array:
        if type(position) is not int or not 0 <= position < len(self._arrays):
            raise invalid("a repeated array names one that did not come before")
        found = self._arrays[position]
        if found is None:
            raise invalid("a repeated array names something else")
        return found

    def _int(self, dtype: Any, signed: Any, dims: Any, classes: Any, packed: Any) -> Array:
        shape = _shape(dims)
        if dtype not in DTYPES or dtype[0] not in "iu" or type(signed) is not int or signed not in (0, 1):
            raise invalid(f"integers of dtype {dtype!r}")
        first, second = self._bytes(classes), self._bytes(packed)
        if math.prod(shape) != len(first):
            raise invalid(f"{len(first)} integers do not fill the shape {shape}")
        self.charge(len(first) * ITEMSIZE[dtype])
        joined: Array = self._do.join_bits(first, second, dtype, bool(signed))
        return joined.reshape(shape)

    def _rows(self, *arguments: Any) -> Array:
        return self._matrix(*arguments)[1](None)

    def _matrix(
        self, dtype: Any, width: Any, low: Any, codes: Any, group: Any, sizes: Any, packed: Any
    ) -> tuple[int, Callable[[Array | None], Array]]:
        """A matrix whose groups are named row by row (None), or that waits for the ranks which they follow from."""
        if dtype not in ("i2", "i4") or type(width) is not int or not 0 < width <= rows.MAX_WIDTH:
            raise invalid(f"a matrix of dtype {dtype!r} and width {width!r}"[:200])
        if not isinstance(low, list) or len(low) > 256 or not all(type(h) is int and 0 <= h <= rows.MAX_LOW for h in low):
            raise invalid("the groups of a matrix need numbers of low bits")
        lengths, groups = self._bytes(codes), self._bytes(group, "int")
        stretches, data = self._integers(sizes), self._bytes(packed)
        if stretches.dtype.kind != "u":
            raise invalid("the size of a stretch is negative")

        def join(ranks: Array | None) -> Array:
            n = len(groups if ranks is None else ranks)
            if n * width > 8 * len(data):  # an entry takes a bit at least
                raise invalid(f"{len(data)} bytes do not fill a matrix of {n} rows")
            self.charge(n * (width * ITEMSIZE[dtype] + 16) + 128 * len(stretches) + 16384 * len(low))
            named = groups if ranks is None else groups.take(ranks)
            joined: Array = self._do.join_rows(rows.Rows(width, low, lengths, named, stretches, data), dtype)
            return joined

        return len(groups), join

    def _bool(self, dims: Any, packed: Any) -> Array:
        shape, data = _shape(dims), self._bytes(packed)
        count = math.prod(shape)
        if len(data) != -(-count // 8) or (count % 8 and data[-1] >> (count % 8)):
            raise invalid(f"{len(data)} bytes for {count} bits, or padding that is not zero")
        self.charge(count)
        found: Array = self._do.flags(data, count)
        return found.reshape(shape)

    def _again(self, dtype: Any, dims: Any, values: Any, back: Any) -> Array:
        shape = _shape(dims)
        new = None if values is None else self._inner(values, ("pool", "own", "int"))
        steps = self._integers(back)
        if (
            dtype not in DTYPES
            or (new is None and dtype[0] not in "iu")
            or (new is not None and (new.ndim != 1 or new.dtype != np.dtype(dtype)))
        ):
            raise invalid(f"back references to values of dtype {dtype!r}")
        if steps.dtype.kind != "u" or len(steps) >= 1 << 31 or math.prod(shape) != len(steps):
            raise invalid(f"{len(steps)} back references do not fill the shape {shape}")
        count = int(np.count_nonzero(steps == 0))
        if count - 1 > np.iinfo(dtype).max if new is None else count != len(new):
            raise invalid(f"{count} new values do not fit")
        self.charge(16 * len(steps))
        found = self._do.numbers(steps)
        result: Array = found.astype(f"<{dtype}") if new is None else new.take(found)
        return result.reshape(shape)

    def _rise(self, dims: Any, steps: Any) -> Array:
        shape, found = _shape(dims), self._integers(steps)
        if found.dtype.kind != "u" or found.itemsize > 4 or math.prod(shape) != len(found):
            raise invalid(f"{len(found)} steps of {found.dtype} do not make floats of shape {shape}")
        self.charge(4 * len(found))
        return join_ascending(found).reshape(shape)

    def _rise8(self, dims: Any, bits: Any, *steps: Any) -> Array:
        shape, (top, bottom, low) = _shape(dims), map(self._integers, steps)
        unsigned = all(part.dtype.kind == "u" for part in (top, bottom, low))
        if type(bits) is not int or not unsigned or math.prod(shape) != len(top):
            raise invalid(f"{len(top)} steps do not make doubles of shape {shape}")
        self.charge(8 * len(top))
        return join_doubles(Doubles(bits, top, bottom, low)).reshape(shape)

    def _sum(self, dtype: Any, dims: Any, steps: Any) -> Array:
        shape, found = _shape(dims), self._integers(steps)
        if dtype not in DTYPES or dtype[0] not in "iu" or math.prod(shape) != len(found) or len(found) >= 1 << 29:
            raise invalid(f"{len(found)} steps do not make integers of dtype {dtype!r} and shape {shape}"[:200])
        self.charge(ITEMSIZE[dtype] * len(found))
        return join_steps(found, dtype).reshape(shape)

    def _mean(self, dims: Any, scale: Any, count: Any, shift: Any, size: Any, packed: Any, others: Any) -> Array:
        shape = _shape(dims)
        counts, shifts, sizes = (self._integers(part) for part in (count, shift, size))
        data = self._bytes(packed)
        rest = np.zeros(0, "<f8") if others is None else self._inner(others, ("pool", "own"))
        if rest.dtype != np.float64 or rest.ndim != 1 or type(scale) is not float or counts.dtype.kind != "u":
            raise invalid("means need counts, a factor and floats")
        if shifts.dtype.kind != "u" or math.prod(shape) != len(counts):
            raise invalid(f"{len(counts)} means do not fill the shape {shape}")
        self.charge(24 * len(counts))
        return means.join_means(means.Means(scale, counts, shifts, sizes, data, rest)).reshape(shape)

    def _leaves(self, position: Any) -> Array:
        flags = self._same(position)
        if flags.dtype != np.bool_ or flags.ndim != 1 or len(flags) >= 1 << 31:
            raise invalid("numbers of leaves need the flags of trees")
        self.charge(4 * int(np.count_nonzero(flags)))
        found: Array = self._do.leaf_numbers(flags)
        return found

    def _idf(self, kind: Any, top: Any, counts: Any, off: Any) -> Array:
        if kind not in ("f4", "f8") or type(top) is not int or not 0 < top < 1 << 31:
            raise invalid(f"idf of dtype {kind!r} over {top!r} documents")
        values = self._integers(counts)
        self.charge(24 * len(values))  # the values, and the ranks that stay for `byidf`
        steps = None if off is None else self._integers(off)
        result, ranks = idf.join_idf(kind, top, values, steps, self._do.ranks, self._do.idf_values)
        self._ranks[id(result)] = ranks
        return result

    def _waiting(self, node: list[Any]) -> Callable[[Any], Array]:
        """What is taken out of the file now, and becomes an array when its sibling ``idf`` is there."""
        self._arrays.append(None)
        name, count = node[0], _BY_IDF[node[0]]
        if len(node) != count + 1:
            raise invalid(f"{name!r} takes {count} arguments, {len(node) - 1} arrived")
        if not _shallow(node, _DEEPEST_NODE):
            raise invalid("a coded value is nested too deeply, or holds an object")
        n_ranks, join = self._table(*node[1:]) if name == "byidf" else self._matrix(*node[1:])

        def joined(found: Any) -> Array:
            ranks = self._ranks.get(id(found))
            if ranks is None or int(ranks.max()) + 1 != n_ranks:
                raise invalid("an array by idf does not fit its idf")
            result = join(ranks)
            result.flags.writeable = False
            return result

        return joined

    def _table(self, dtype: Any, values: Any) -> tuple[int, Callable[[Array], Array]]:
        if dtype not in DTYPES or dtype[0] not in "iu":
            raise invalid("an array by idf needs an integer dtype and a table")
        table = self._integers(values)
        limits = np.iinfo(dtype)
        if not len(table) or table.min() < limits.min or table.max() > limits.max:
            raise invalid(f"a table by idf does not fit {dtype}")
        table = table.astype(f"<{dtype}")

        def join(ranks: Array) -> Array:
            self.charge(len(ranks) * table.itemsize)
            looked_up: Array = table.take(ranks)
            return looked_up

        return len(table), join

    def _text(self, width: Any, lengths: Any, data: Any) -> Any:
        sizes, raw = self._integers(lengths), self._bytes(data)
        if sizes.dtype.kind != "u":
            raise invalid("the length of a string is negative")
        self.charge(_STRING * len(sizes) + 4 * len(raw))
        if width is None:
            return strings.join_text(sizes, raw)
        if type(width) is not int or width < 1 or strings.too_wide(len(sizes), width, len(raw)):
            raise invalid(f"strings of width {width!r}")
        self.charge(4 * width * len(sizes))
        texts = strings.join_text(sizes, raw)
        if any(len(t) > width or t.endswith("\0") for t in texts):
            raise invalid(f"a string does not fit the width {width}")
        return np.array(texts, f"<U{width}")

    def _front(self, prefix: Any, rest: Any, data: Any) -> list[str]:
        joined, ends = self._front_coded(prefix, rest, data)
        self.charge(_STRING * len(ends) + 4 * len(joined))
        return strings.join_text(np.diff(ends, prepend=np.uint32(0)), joined)

    def _front_coded(self, prefix: Any, rest: Any, data: Any) -> tuple[Array, Array]:
        """Bytes and ends of strings that are told by what they share with the one before."""
        front, lengths, raw = self._integers(prefix), self._integers(rest), self._bytes(data)
        if front.dtype != np.uint8 or lengths.dtype.kind != "u":
            raise invalid("front-coded strings need bytes and lengths")
        self.charge(16 * (len(front) + len(raw)))
        joined, ends = self._do.join_sorted(front, lengths, raw)
        self.charge(len(joined))
        return joined, ends

    def _ucs4(self, dims: Any, points: Any) -> Array:
        shape, codes = _shape(dims), self._inner(points, ("pool", "own"))
        if codes.dtype != np.uint32 or codes.ndim != 2 or codes.shape[1] < 1:
            raise invalid("text in UCS-4 needs a matrix of u4")
        if math.prod(shape) != len(codes) or (codes.size and int(codes.max()) > 0x10FFFF):
            raise invalid("text in UCS-4 holds something else")
        return codes.view(f"<U{codes.shape[1]}").reshape(shape)

    def _trie(self, separator: Any, prefix: Any, rest: Any, data: Any, is_term: Any, steps: Any, levels: Any) -> Vocabulary:
        if not isinstance(separator, str) or not isinstance(levels, list):
            raise invalid("a vocabulary needs a separator and levels")
        symbol_bytes, symbol_ends = self._front_coded(prefix, rest, data)
        terms = self._inner(is_term, ("bool",))
        if terms.ndim != 1:
            raise invalid("a vocabulary needs to know which nodes are terms")
        self.charge(16 * len(terms))
        gaps = None if steps is None else self._integers(steps)
        sizes, parents, symbols, base = [len(symbol_ends)], [], [], 0
        for level in levels:
            if not isinstance(level, list) or len(level) != 3:
                raise invalid("a level of a vocabulary needs three arrays")
            children, uses, edges = (self._integers(part) for part in level)
            if any(a.dtype.kind != "u" for a in (children, uses, edges)) or len(children) != sizes[-1]:
                raise invalid("the counts of a trie's level do not add up")
            self.charge(16 * len(edges))
            parent, symbol = self._do.join_level(children, uses, edges, sizes[0])
            parents.append(parent + np.uint32(base))
            symbols.append(symbol)
            base += sizes[-1]
            sizes.append(len(edges))
        if sum(sizes) != len(terms):
            raise invalid(f"{sum(sizes)} nodes, {len(terms)} of them told to be terms or not")
        parent = _joined(parents)
        column = self._do.alphabetical(parent, tuple(sizes), terms)
        if gaps is not None:
            if len(gaps) != len(column):
                raise invalid("columns and terms differ in number")
            column = (np.cumsum(gaps.astype(np.int64) + 1) - 1)[column]
            if len(column) and (column.min() < 0 or column.max() >= 1 << 32):
                raise invalid("a column is out of range")
        arrays = (symbol_bytes, symbol_ends, parent, _joined(symbols), column.astype("<u4", copy=False))
        for array in arrays:
            array.flags.writeable = False
        return Vocabulary(*arrays[:4], tuple(sizes), terms, arrays[4], separator)

    # arguments

    def _inner(self, node: Any, allowed: tuple[str, ...]) -> Array:
        """An array inside a coding: of a few kinds, so nothing nests without end."""
        if type(node) is not list or not node or node[0] not in allowed:
            raise invalid(f"a coding expects {' or '.join(allowed)} inside")
        if node[0] == "pool":
            return self._leaf_pool(*node[1:])
        found: Array = self._node(node)
        return found

    def _bytes(self, node: Any, *also: str) -> NDArray[np.uint8]:
        found = self._inner(node, ("pool", "own", *also))
        if found.dtype != np.uint8 or found.ndim != 1:
            raise invalid("a coded value needs bytes where something else arrived")
        return found

    def _integers(self, node: Any) -> Array:
        found = self._inner(node, ("pool", "own", "int"))
        if found.dtype.kind not in "iu" or found.ndim != 1:
            raise invalid("a coded value needs integers where something else arrived")
        if found.dtype.itemsize == 8 and len(found) and not -(1 << 33) <= int(found.min()) <= int(found.max()) < 1 << 33:
            raise invalid("an integer has more than 33 bits")
        return found


_CODECS: dict[str, tuple[Callable[..., Any], int | None]] = {
    "pool": (Decoder._leaf_pool, None),
    "own": (Decoder._leaf_own, 0),
    "same": (Decoder._same, 1),
    "int": (Decoder._int, 5),
    "rows": (Decoder._rows, 7),
    "bool": (Decoder._bool, 2),
    "again": (Decoder._again, 4),
    "rise": (Decoder._rise, 2),
    "rise8": (Decoder._rise8, 5),
    "leaves": (Decoder._leaves, 1),
    "mean": (Decoder._mean, 7),
    "sum": (Decoder._sum, 3),
    "idf": (Decoder._idf, 4),
    "text": (Decoder._text, 3),
    "front": (Decoder._front, 3),
    "ucs4": (Decoder._ucs4, 2),
    "trie": (Decoder._trie, 7),
}


# Nodes that are no arrays before their sibling "idf" is there, and how many arguments they take.
_BY_IDF = {"byidf": 2, "rowsbyidf": 7}


def _by_idf(member: dict[str, Any]) -> list[Any] | None:
    """The node of an array that has to wait for its sibling ``idf``."""
    if len(member) != 1:
        return None
    node = member["$"]
    return node if type(node) is list and node and type(node[0]) is str and node[0] in _BY_IDF else None


def _shallow(value: Any, depth: int) -> bool:
    """Whether a node is lists within lists, not too many, around what holds nothing."""
    if type(value) is not list:
        return type(value) is not dict
    if depth <= 0:
        return False
    return _NESTED.isdisjoint(map(type, value)) or all(_shallow(member, depth - 1) for member in value)


def _shape(dims: Any) -> tuple[int, ...]:
    size = 0
    if type(dims) is list and len(dims) <= 3:
        size = 1
        for d in dims:
            if type(d) is not int or d < 0:
                size = 0
                break
            size *= d or 1
    if not 0 < size < _MOST_ITEMS:
        raise invalid(f"an array of shape {dims!r}"[:200])
    return tuple(dims)


def _joined(parts: list[NDArray[np.uint32]]) -> NDArray[np.uint32]:
    return np.concatenate(parts) if len(parts) > 1 else parts[0] if parts else np.zeros(0, "<u4")
