"""What a pickle says about itself, read without loading it: nothing that it names is imported, called or built.

``pickletools`` splits a stream into opcodes and has no way to run one; the opcodes are followed here on a stack of names,
strings and placeholders.
"""

from __future__ import annotations

import bz2
import io
import lzma
import pickletools
import zlib
from dataclasses import dataclass
from importlib import import_module
from math import prod
from os import PathLike
from typing import Any, BinaryIO, cast

import numpy as np

__all__ = ["is_pickle", "sklearn_versions"]

_VERSION = "_sklearn_version"  # a key of every state that BaseEstimator.__getstate__ returns, and that __setstate__ drops
# Of a state's items only these are looked at.
_KEYS = {_VERSION, "dtype", "numpy_array_alignment_bytes", "shape"}
_LZ4 = b"\x04\x22\x4d\x18"
_PROTO = b"\x80"  # how a pickle of protocol 2 (2003) or later begins
_CHUNK = 1 << 16
# All that damaged or hostile bytes raise on the way.
_BROKEN = (
    AttributeError,
    EOFError,
    LookupError,
    MemoryError,
    OSError,
    OverflowError,
    RecursionError,
    TypeError,
    ValueError,
    lzma.LZMAError,
    zlib.error,
)


def is_pickle(path: str | PathLike[str]) -> bool:
    """Whether a file is a pickle, plain or compressed as joblib does.

    Parameters
    ----------
    path : path-like

    Raises
    ------
    OSError
        The file can't be read.
    """
    with open(path, "rb") as file:
        head = file.read(4)
        file.seek(0)
        if head == _LZ4:  # of the formats that are read here only pickles are compressed like this
            return True
        try:
            return _plain(file).read(1) == _PROTO
        except _BROKEN:
            return False


def sklearn_versions(path: str | PathLike[str]) -> tuple[str, ...]:
    """The versions of scikit-learn that a pickle's estimators were pickled with.

    Loading loses them, but for a warning. A stream that can't be followed to its end gives those up to there.

    Parameters
    ----------
    path : path-like
        A pickle, or what ``joblib.dump`` wrote.

    Returns
    -------
    tuple of str
        One where all estimators come from one process; empty where there is none of scikit-learn's.

    Raises
    ------
    OSError
        The file can't be read.
    """
    found: set[str] = set()
    with open(path, "rb") as file:
        try:
            _follow(_plain(file), found)
        except (*_BROKEN, ImportError):
            pass
    return tuple(sorted(found))


class _Inflated(io.RawIOBase):
    """A stream of zlib or gzip, inflated as it is read."""

    def __init__(self, file: BinaryIO) -> None:
        self._file, self._inflate, self._at = file, zlib.decompressobj(47), 0  # 32 + 15: either header

    def readable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._at

    def readinto(self, buffer: Any) -> int:
        data = b""
        while not data and not self._inflate.eof:
            more = self._inflate.unconsumed_tail or self._file.read(_CHUNK)
            if not more:
                break
            data = self._inflate.decompress(more, len(buffer))
        buffer[: len(data)] = data
        self._at += len(data)
        return len(data)


def _plain(file: BinaryIO) -> BinaryIO:
    """The file's content, decompressed by what it begins with."""
    head = file.read(6)
    file.seek(0)
    if head[:1] == b"x" or head[:2] == b"\x1f\x8b":
        return cast(BinaryIO, io.BufferedReader(_Inflated(file)))
    if head[:3] == b"BZh":
        return cast(BinaryIO, bz2.BZ2File(file))
    if head == b"\xfd7zXZ\0" or head[:2] == b"]\0":
        return cast(BinaryIO, lzma.LZMAFile(file))
    if head[:4] == _LZ4:
        return cast(BinaryIO, import_module("lz4.frame").open(file))
    return file


@dataclass
class _Thing:
    """A class or function (``args`` is None), or what a call of it with ``args`` would make."""

    name: str
    args: Any = None
    state: Any = None


_MARK = object()


def _follow(file: BinaryIO, found: set[str]) -> None:
    """One stream, up to its end; versions go into ``found``."""
    stack: list[Any] = []
    memo: dict[Any, Any] = {}
    for op, arg, _ in pickletools.genops(file):
        name = op.name
        if name == "MEMOIZE" or name.endswith("PUT"):
            memo[len(memo) if arg is None else arg] = stack[-1]
        elif name.endswith("GET"):
            stack.append(memo[arg])
        elif name == "MARK":
            stack.append(_MARK)
        elif name == "DUP":
            stack.append(stack[-1])
        else:
            taken, items = _taken(stack, op)
            if len(op.stack_after) > 0:
                stack.append(_result(name, arg, taken, items))
            if name == "BUILD":
                _built(file, taken[0], taken[1], found)


def _taken(stack: list[Any], op: Any) -> tuple[list[Any], list[Any]]:
    """What an opcode takes off the stack: single entries, and those above the last mark."""
    items: list[Any] = []
    count = len(op.stack_before)
    if pickletools.markobject in op.stack_before:
        while (top := stack.pop()) is not _MARK:
            items.append(top)
        items.reverse()
        count = op.stack_before.index(pickletools.markobject)
    taken = stack[len(stack) - count :]
    if len(taken) != count:
        raise IndexError("the stack is empty")
    del stack[len(stack) - count :]
    return taken, items


def _result(name: str, arg: Any, taken: list[Any], items: list[Any]) -> Any:
    """What an opcode leaves on the stack."""
    if name == "GLOBAL":
        return _Thing(arg.replace(" ", "."))
    if name == "STACK_GLOBAL":
        return _Thing(f"{taken[0]}.{taken[1]}")
    if name in ("NEWOBJ", "NEWOBJ_EX", "REDUCE"):
        return _Thing(taken[0].name if isinstance(taken[0], _Thing) else "", taken[1])
    if name.startswith(("TUPLE", "EMPTY_TUPLE")):
        return tuple(taken or items)
    if name in ("DICT", "EMPTY_DICT", "SETITEM", "SETITEMS"):
        held = taken[0] if taken and isinstance(taken[0], dict) else {}
        flat = items or taken[1:]
        held.update((k, v) for k, v in zip(flat[::2], flat[1::2], strict=False) if isinstance(k, str) and k in _KEYS)
        return held
    if name in ("NEWTRUE", "NEWFALSE"):
        return name == "NEWTRUE"
    # A constant; or what was taken, as changed in place; or something whose content does not matter.
    return taken[0] if taken else arg


def _built(file: BinaryIO, of: Any, state: Any, found: set[str]) -> None:
    """``of`` gets its state. Behind a wrapper of joblib's the file holds an array's bytes, between two opcodes."""
    if isinstance(of, _Thing):
        of.state = state
    state = state[0] if isinstance(state, tuple) and state and isinstance(state[0], dict) else state  # of a class with slots
    if not isinstance(state, dict):
        return
    if isinstance(state.get(_VERSION), str):
        found.add(state[_VERSION])
    if isinstance(of, _Thing) and of.name == "joblib.numpy_pickle.NumpyArrayWrapper":
        dtype = state["dtype"]
        if isinstance(dtype.state, tuple) and len(dtype.state) == 8 and dtype.state[7] & 1:  # it holds Python objects
            _follow(file, found)
            return
        if state.get("numpy_array_alignment_bytes") is not None:
            file.read(file.read(1)[0])
        left = prod(map(int, state["shape"])) * np.dtype(str(dtype.args[0])).itemsize
        while left > 0:
            read = len(file.read(min(left, _CHUNK)))
            if not read:
                raise EOFError("the file ends within an array")
            left -= read
