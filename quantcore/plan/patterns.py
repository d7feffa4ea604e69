"""What a token pattern says, where it can be said without ``re``.

The usual patterns (``\\w\\w+`` between word boundaries and its kin) cut a text
into maximal runs of one character class. A kernel can do that; every other
pattern goes through Python's ``re``.
"""

from __future__ import annotations

import re
import warnings
from functools import lru_cache
from typing import NamedTuple

__all__ = ["RunPattern", "is_spaceless", "run_pattern"]

_CLASS = r"\[\^?\]?(?:\\.|[^\]\\\[])*\]"
_ATOM = re.compile(rf"\\[wWdDsS]|{_CLASS}|\.", re.DOTALL)
_QUANTIFIER = re.compile(r"\+|\*|\{(\d{1,4}),\}|\{(\d{1,4})\}|")
_HARMLESS = re.compile(
    rf"\(\?u\)|\\[bBwdS]|\\[^\w\s]|(?P<cls>{_CLASS})|\(\?(?:[:=!]|<[=!])|[()|+*?^$]|\{{\d*,?\d*\}}|[^\s\\\[\]{{}}()|+*?^$.]",
    re.DOTALL,
)


class RunPattern(NamedTuple):
    """Tokens are exactly the maximal runs of a character class.

    Parameters
    ----------
    atom : str
        The class as a regular expression for one character, such as ``\\w``.
    minimum : int
        Shorter runs are no tokens.
    bounded : bool
        The pattern also asks for word boundaries, which changes nothing.
    """

    atom: str
    minimum: int
    bounded: bool


@lru_cache(maxsize=256)
def run_pattern(token_pattern: str) -> RunPattern | None:
    """The run pattern that finds the same tokens as ``re.findall`` in every text, or None.

    Parameters
    ----------
    token_pattern : str

    Returns
    -------
    RunPattern or None
        None where the pattern is something else, or may be: the caller then uses ``re``.
    """
    body = token_pattern.removeprefix("(?u)")
    # One group around all that consumes is what findall returns anyway; its boundaries may stand in or out.
    left, body = _strip_boundary(body, "left")
    group = re.fullmatch(r"\((?:\?:)?(.*)\)(\\b)?", body, re.DOTALL) if body.startswith("(") else None
    right = False
    if group:
        inner_left, body = _strip_boundary(group[1], "left")
        left, right = left or inner_left, bool(group[2])
    inner_right, body = _strip_boundary(body, "right")
    right = right or inner_right

    head = _ATOM.match(body)
    if head is None or not _compiles(head[0]):
        return None
    atom, minimum, unbounded, at = head[0], 0, False, 0
    while at < len(body):
        if not body.startswith(atom, at):
            return None
        quantifier = _QUANTIFIER.match(body, at + len(atom))
        if quantifier is None:
            return None
        at = quantifier.end()
        text = quantifier[0]
        unbounded = unbounded or text in ("+", "*") or text.endswith(",}")
        minimum += 0 if text == "*" else int(quantifier[1] or quantifier[2] or 1)
    bounded = left or right
    if not unbounded or minimum < 1 or (bounded and atom != r"\w"):
        return None
    return RunPattern(atom, minimum, bounded)


@lru_cache(maxsize=256)
def is_spaceless(token_pattern: str) -> bool:
    """Whether no token of this pattern can hold a space; False where that can't be told."""
    at = 0
    while at < len(token_pattern):
        piece = _HARMLESS.match(token_pattern, at)
        if piece is None or (piece["cls"] and (not _compiles(piece["cls"]) or re.match(piece["cls"], " "))):
            return False
        at = piece.end()
    return True


def _strip_boundary(body: str, side: str) -> tuple[bool, str]:
    if side == "left":
        return body.startswith(r"\b"), body.removeprefix(r"\b")
    # "\\b" at the end is a boundary unless its backslash is itself escaped.
    backslashes = len(body[:-1]) - len(body[:-1].rstrip("\\"))
    found = body.endswith("b") and backslashes % 2 == 1
    return found, body[:-2] if found else body


def _compiles(atom: str) -> bool:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # "possible nested set": the source warns too
            re.compile(atom)
    except re.error:
        return False
    return True
