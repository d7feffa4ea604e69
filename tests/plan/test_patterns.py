"""A run pattern must find what ``re.findall`` finds, in every text."""

from __future__ import annotations

import random
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from quantcore.plan.patterns import RunPattern, is_spaceless, run_pattern

RUNS = {
    r"(?u)\b\w\w+\b": (r"\w", 2, True),
    r"\b\w+\b": (r"\w", 1, True),
    r"\w+": (r"\w", 1, False),
    r"(?u)\b\w{3,}\b": (r"\w", 3, True),
    r"\b\w\w\w+": (r"\w", 3, True),
    r"\w\w*": (r"\w", 1, False),
    r"\w{2}\w+": (r"\w", 3, False),
    r"\S+": (r"\S", 1, False),
    r"[a-zA-Z]+": ("[a-zA-Z]", 1, False),
    r"[a-z]{2,}": ("[a-z]", 2, False),
    r"[^\W\d_]+": (r"[^\W\d_]", 1, False),
    r"[\w'-]+": (r"[\w'-]", 1, False),
    r"[^\s]+": (r"[^\s]", 1, False),
    r"[]a]+": ("[]a]", 1, False),
    r"\d+": (r"\d", 1, False),
    r".+": (".", 1, False),
    r"(\w+)": (r"\w", 1, False),
    r"(?:\w\w+)": (r"\w", 2, False),
    r"(?u)\b(\w\w+)\b": (r"\w", 2, True),
    r"(\b\w+\b)": (r"\w", 1, True),
}
OTHERS = [
    r"\b[a-z]+\b",
    r"\b\S+\b",
    r"\w",
    r"\w*",
    r"\w{2,5}",
    r"\b\w{2,5}\b",
    r"\w{3}",
    r"\w+?",
    r"\w{2,}?",
    r"(\w)\w+",
    r"(\w+)|(\d+)",
    r"\w+|\d",
    r"(\w)+",
    r"(?=\w)\w+",
    r"(?i)[a-z]+",
    r"(?a)\w+",
    r"\w+\s",
    r"\w\d+",
    r"\b",
    r"\\b\w+",
    r"\w+\\b",
    "",
    "(",
    "[a",
    r"a+",
    r"\B\w+",
    r"\w+\b\b",
    r"^\w+",
]
ALPHABET = "aZz_é0ß -'.\n\t]^\\[\ud800Σ\u0301😀"


@pytest.mark.parametrize("pattern", RUNS)
def test_runs(pattern):
    assert run_pattern(pattern) == RunPattern(*RUNS[pattern])


@pytest.mark.parametrize("pattern", OTHERS)
def test_others(pattern):
    assert run_pattern(pattern) is None


def runs(found: RunPattern, text: str) -> list[str]:
    """Maximal runs, by the definition: no regular expression longer than one character."""
    tokens, current = [], ""
    for character in [*text, None]:
        if character is not None and re.fullmatch(found.atom, character):
            current += character
            continue
        if len(current) >= found.minimum:
            tokens.append(current)
        current = ""
    return tokens


PIECES = [r"\w", r"\S", "[a-z]", r"\d", "+", "*", "{2,}", "{2}", "?", r"\b", "(", ")", "(?u)", "(?:", "|", "b", "\\", "[^a]"]


def test_whatever_is_accepted_is_equivalent():
    # Every short combination of pieces that compiles, against re.findall.
    dice = random.Random(5)
    texts = ["".join(dice.choices(ALPHABET, k=dice.randrange(12))) for _ in range(40)]
    accepted = 0
    for _ in range(20000):
        pattern = "".join(dice.choices(PIECES, k=dice.randrange(1, 7)))
        found = run_pattern(pattern)
        if found is not None:
            accepted += 1
            assert [re.findall(pattern, t) for t in texts] == [runs(found, t) for t in texts], pattern
    assert accepted > 100


@pytest.mark.parametrize("pattern", RUNS)
@given(text=st.text(st.sampled_from(ALPHABET) | st.characters(), max_size=30))
def test_usual_patterns_on_any_text(pattern, text):
    assert runs(run_pattern(pattern), text) == re.findall(pattern, text)


@pytest.mark.parametrize(
    "pattern",
    [r"(?u)\b\w\w+\b", r"\b[a-zA-Z]+\b", r"\S+", r"\w+(?:-\w+)*", r"[^\s,]+", r"\w+|[!?.]", r"(?<!\d)\d{2,4}", r"#?\w+'?\w*"],
)
def test_spaceless(pattern):
    assert is_spaceless(pattern)


@pytest.mark.parametrize(
    "pattern", [r"\w+ \w+", r".+", r"[^,]+", r"\w+\s\w+", r"\W+", r"\D+", r"\x20+", "[ -~]+", r"a\ b", "[a", "(?x) a"]
)
def test_not_spaceless(pattern):
    assert not is_spaceless(pattern)


def test_spaceless_patterns_find_no_space():
    dice = random.Random(6)
    texts = ["".join(dice.choices(ALPHABET + "   ", k=20)) for _ in range(20)]
    pieces = [*PIECES, " ", r"\s", r"\W", ".", "[^b]", r"[\s]", "-", r"\-"]
    accepted = 0
    for _ in range(5000):
        pattern = "".join(dice.choices(pieces, k=dice.randrange(1, 6)))
        try:
            compiled = re.compile(pattern)
        except re.error:
            continue
        if compiled.groups <= 1 and is_spaceless(pattern):
            accepted += 1
            assert not any(" " in token for text in texts for token in compiled.findall(text)), pattern
    assert accepted > 100
