"""Canonical JSON: one text per value, its cost in memory known before it is parsed."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

from quantcore.artifact._fail import invalid

__all__ = ["MAX_TEXT", "dumps", "loads", "parsed_size", "same"]

MAX_TEXT = 1 << 24


def dumps(value: Any) -> bytes:
    """Canonical text: sorted keys, no spaces, shortest round-trip floats, no NaN, UTF-8 with lone surrogates passed."""
    text: str = _encode()(value)
    return text.encode("utf-8", "surrogatepass")


@functools.cache
def _encode() -> Callable[[Any], str]:
    import json  # as long to import as a fifth of quantcore, and only files need it

    # What is parsed holds no cycles, and what is written the encoder has walked; looking for them takes longer than all the rest.
    return json.JSONEncoder(
        sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False, check_circular=False
    ).encode


def parsed_size(text: bytes) -> int:
    """Upper bound on what parsing and checking a text allocates in CPython."""
    characters = 4 if text.isascii() else 10
    return characters * len(text) + 256 * text.count(b"{") + 104 * text.count(b"[") + 120 * text.count(b",")


@functools.cache
def _decode() -> Callable[[str], Any]:
    import json

    return json.JSONDecoder().decode


def same(text: bytes, value: Any) -> bool:
    """Whether `dumps` makes this text of the value that it was parsed to."""
    return dumps(value) == text


def loads(text: bytes, same: Callable[[bytes, Any], bool] = same) -> Any:
    """Parse; refuse everything that `dumps` would have written otherwise (which covers repeated keys)."""
    try:
        value = _decode()(text.decode("utf-8", "surrogatepass"))
        canonical = same(text, value)
    except (ValueError, RecursionError) as error:
        raise invalid(f"its metadata is not JSON ({type(error).__name__})") from None
    if not canonical:
        raise invalid("its metadata is not canonical JSON")
    return value
