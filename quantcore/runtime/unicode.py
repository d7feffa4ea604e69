"""Which texts two versions of Unicode may split differently.

A text is split by what its characters are (letter or digit, space), and by what they are in lower case and without accents. No
version from 13.0 to 17.0 changed that of a character that there already was; each gave some to code points that had been
unassigned, which belong to no token. These are listed here, as the interpreters of each version tell them (``str.isalnum``,
``isspace``, ``lower``, ``unicodedata.normalize``): a text without any of them is split as before.
"""

from __future__ import annotations

import re
from typing import Any

__all__ = ["affected", "between", "first_and_last"]

# Code points that a version gave a behaviour to.
_ADDED = {
    "14.0.0": """
        870-887 889-88E 898-89F 8B5 8C8-8D2 C3C C5D CDD 170D 1715 171F 1AC1-1ACE 1B4C 1DFA 2C2F 2C5F 9FFD-9FFF A7C0-A7C1
        A7D0-A7D1 A7D3 A7D5-A7D9 A7F2-A7F4 10570-1057A 1057C-1058A 1058C-10592 10594-10595 10597-105A1 105A3-105B1
        105B3-105B9 105BB-105BC 10780-10785 10787-107B0 107B2-107BA 10F70-10F85 11070-11072 11075 11740-11746 11AB0-11ABF
        12F90-12FF0 16A70-16ABE 16AC0-16AC9 1AFF0-1AFF3 1AFF5-1AFFB 1AFFD-1AFFE 1B11F-1B122 1DF00-1DF1E 1E290-1E2AE
        1E7E0-1E7E6 1E7E8-1E7EB 1E7ED-1E7EE 1E7F0-1E7FE 2A6DE-2A6DF 2B735-2B738
    """,
    "15.0.0": """
        10EFD-10EFF 1123F-11240 11F02 11F04-11F10 11F12-11F33 11F41-11F42 11F50-11F59 1342F 13441-13446 1B132 1B155
        1D2C0-1D2D3 1DF25-1DF2A 1E030-1E06D 1E08F 1E4D0-1E4F9 2B739 31350-323AF
    """,
    "15.1.0": """
        2EBF0-2EE5D
    """,
    "16.0.0": """
        897 1C89-1C8A A7CB-A7CD A7DA-A7DC 105C0-105F3 10D40-10D65 10D69-10D6D 10D6F-10D85 10EC2-10EC4 11380-11389 1138B
        1138E 11390-113B5 113B7 113C5 113C7-113C8 113CE-113D1 113D3 116D0-116E3 11BC0-11BE0 11BF0-11BF9 13460-143FA
        16100-1611D 16121-16128 1612F-16139 16D40-16D6C 16D70-16D79 18CFF 1CCD6-1CCF9 1E5D0-1E5FA
    """,
    "17.0.0": """
        88F C5C CDC 1ACF-1ADD 1AE0-1AEB A7CE-A7CF A7D2 A7D4 A7F1 10940-10959 10EC5-10EC7 10EFA-10EFB 11DB0-11DDB 11DE0-11DE9
        16EA0-16EB8 16EBB-16ED3 16FF2-16FF6 187F8-187FF 18D09-18D1E 18D80-18DF2 1E6C0-1E6DE 1E6E0-1E6F5 1E6FE-1E6FF
        2B73A-2B73F 2CEA2-2CEAD 323B0-33479
    """,
}
_FIRST = (13, 0, 0)


def first_and_last() -> tuple[str, str]:
    """The versions that are told apart here."""
    return ".".join(map(str, _FIRST)), list(_ADDED)[-1]


def between(written: str, here: str) -> re.Pattern[str] | None:
    """Finds a character that one version knows and the other doesn't; None where one of the two is not told apart here.

    Parameters
    ----------
    written, here : str
        Versions of Unicode, as ``unicodedata.unidata_version`` gives them.
    """
    try:
        low, high = sorted((_numbers(written), _numbers(here)))
    except ValueError:
        return None
    if low < _FIRST or high > _numbers(first_and_last()[1]):
        return None
    found = [text for version, text in _ADDED.items() if low < _numbers(version) <= high]
    return re.compile("[" + "".join(_range(part) for text in found for part in text.split()) + "]") if found else None


def _numbers(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in version.split("."))


def _range(text: str) -> str:
    low, _, high = text.partition("-")
    return rf"\U{int(low, 16):08x}-\U{int(high or low, 16):08x}"


def affected(pattern: re.Pattern[str], documents: Any) -> int:
    """How many documents hold a character that the pattern finds; what is no text counts as none."""
    search, found = pattern.search, 0
    for document in documents:
        if isinstance(document, bytes):
            document = document.decode("utf-8", "ignore")
        if isinstance(document, str) and not document.isascii() and search(document):
            found += 1
    return found
