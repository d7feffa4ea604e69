"""A fitted vectorizer's terms as a Vocabulary."""

from __future__ import annotations

import re
from collections.abc import Mapping
from itertools import chain
from typing import Any

from quantcore.importers.builder import Builder
from quantcore.plan import Vocabulary
from quantcore.plan.patterns import is_spaceless, run_pattern

__all__ = ["vocabulary"]

Terms = dict[tuple[str, ...], int]


def vocabulary(
    terms: Mapping[Any, int],
    estimator: Any,
    build: Builder,
    *,
    analyzer: str,
    ngram_range: tuple[int, int],
    token_pattern: str,
    stop_words: tuple[str, ...],
) -> Vocabulary:
    """The trie of all terms that some text can produce.

    Parameters
    ----------
    terms : mapping of term to column
        As scikit-learn holds it; what is no string, or no n-gram of this analyzer, is never found and left out.
    estimator : vectorizer
        Named in obstacles.
    build : Builder
    analyzer, ngram_range, token_pattern, stop_words
        As in the op Text.
    """
    strings = {t: c for t, c in terms.items() if isinstance(t, str)}
    if analyzer == "word":
        return _words(strings, ngram_range, token_pattern, frozenset(stop_words), estimator, build)
    low, high = ngram_range
    # char_wb counts a word shorter than the range as a whole, blanks included.
    shortest = low if analyzer == "char" else 1
    return Vocabulary.from_terms({tuple(t): c for t, c in strings.items() if shortest <= len(t) <= high}, "")


def _words(
    strings: dict[str, int],
    ngram_range: tuple[int, int],
    token_pattern: str,
    stop_words: frozenset[str],
    estimator: Any,
    build: Builder,
) -> Vocabulary:
    run = run_pattern(token_pattern)
    # Only where no token can be empty or hold a space does a term split back into its tokens.
    if not is_spaceless(token_pattern) or _may_be_empty(token_pattern):
        if "" in strings:
            build.obstacle(estimator, "token_pattern", "it finds empty tokens, which can't be stored; use another")
        return Vocabulary.from_terms({(t,): c for t, c in strings.items() if t}, " ")
    low, high = ngram_range
    split: Terms = {tuple(t.split(" ")): c for t, c in strings.items()}
    token = None if run is None else re.compile(f"{run.atom}{{{run.minimum},}}")
    never = {
        symbol
        for symbol in set(chain.from_iterable(split))
        if not symbol or symbol in stop_words or (token is not None and not token.fullmatch(symbol))
    }
    return Vocabulary.from_terms({t: c for t, c in split.items() if low <= len(t) <= high and never.isdisjoint(t)}, " ")


def _may_be_empty(token_pattern: str) -> bool:
    compiled = re.compile(token_pattern)
    # A group beside others, or one that takes no part, is found as "" too.
    return run_pattern(token_pattern) is None and (compiled.groups > 0 or compiled.search("") is not None)
