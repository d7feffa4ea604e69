"""The hot functions of reading, and of writing: NumPy's, which are the definition, or compiled ones in their place."""

from __future__ import annotations

import functools
from collections.abc import Callable
from types import ModuleType
from typing import Any, NamedTuple

from quantcore.artifact import bits, canonical, deflate, idf, preorder, repeats, rows, strings, trie

__all__ = ["Transforms", "transforms"]

Function = Callable[..., Any]


class Transforms(NamedTuple):
    """What the decoder and the encoder call; by default the definitions."""

    join_bits: Function = bits.join
    split_bits: Function = bits.split
    same: Function = canonical.same
    pooled: Function = deflate.pooled
    numbers: Function = repeats.numbers
    leaf_numbers: Function = preorder.leaf_numbers
    flags: Function = bits.flags
    ranks: Function = idf.ranks
    idf_values: Function = idf.values
    join_sorted: Function = strings.join_sorted
    join_level: Function = trie.join_level
    alphabetical: Function = trie.alphabetical
    join_rows: Function = rows.join_rows


@functools.cache
def transforms(codec: ModuleType | None) -> Transforms:
    """Those of a compiled door, or the definitions where there is none."""
    by_numpy = Transforms()
    if codec is None:
        return by_numpy
    return Transforms(**{name: _compiled(getattr(codec, name), function) for name, function in by_numpy._asdict().items()})


def _compiled(function: Function, definition: Function) -> Function:
    """The compiled function; what it refuses the definition looks at, and says what is wrong."""

    @functools.wraps(definition)
    def run(*arguments: Any) -> Any:
        found = function(*arguments)
        return definition(*arguments) if found is None else found

    return run
