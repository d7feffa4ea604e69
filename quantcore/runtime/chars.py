"""Character tables, one for each way of lowering and each class of token characters, shared by all models."""

from __future__ import annotations

import functools
import re
from collections.abc import Callable
from types import ModuleType
from typing import Any

__all__ = ["char_table", "is_word"]


def is_word(atom: str) -> Callable[[str], bool]:
    r"""Whether a character belongs to the class that a regular expression for one character names.

    ``\w`` is what ``re`` takes it for: ``str.isalnum()``, and the underscore.
    """
    if atom == r"\w":
        return lambda c: c == "_" or c.isalnum()
    match = re.compile(atom).fullmatch
    return lambda c: match(c) is not None


@functools.cache
def char_table(module: ModuleType, lower: bool, atom: str) -> Any:
    """The compiled table of a class; its pages are made when a text first needs them."""
    return module.CharTable(lower, is_word(atom))
