"""Text: documents to n-gram counts, the definition. Loops in Python, equals scikit-learn on every input."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Iterable, Mapping
from typing import Any, NoReturn

import numpy as np

from quantcore.plan.csr import Csr
from quantcore.plan.ops import Text
from quantcore.reference.inputs import documents
from quantcore.reference.murmur import column_and_sign

__all__ = ["analyzer", "text"]

_WHITE_SPACES = re.compile(r"\s\s+")


def text(op: Text, X: Any) -> Csr:
    """Documents → n-gram counts.

    Parameters
    ----------
    op : Text
    X : iterable of documents

    Returns
    -------
    Csr
        float64 counts.
    """
    found = documents(X)
    # The source hashes nothing at all with an exception of its own (StopIteration): say it plainly.
    if op.vocabulary is None and not found:
        raise ValueError("expected at least one document, got none")
    analyze = analyzer(op)
    count = _hashed(op) if op.vocabulary is None else _looked_up(op.vocabulary.lookup)
    indptr, indices, data = [0], [], []
    for document in found:
        counts = count(analyze(document))
        columns = sorted(counts)
        indices += columns
        data += [1 if op.binary else counts[c] for c in columns]
        indptr.append(len(indices))
    return Csr(np.array(indptr, np.int64), np.array(indices, np.int64), np.array(data, np.float64), op.n_features)


def analyzer(op: Text) -> Callable[[Any], list[str]]:
    """The function from one document to its n-grams.

    Parameters
    ----------
    op : Text

    Returns
    -------
    callable
        Raises what scikit-learn raises for something that is no document.
    """
    ngrams = {"word": _word_ngrams, "char": _char_ngrams, "char_wb": _char_wb_ngrams}[op.analyzer](op)

    def analyze(document: Any) -> list[str]:
        decoded = decode(op, document)
        try:
            return ngrams(_preprocess(op, decoded))
        except (AttributeError, TypeError) as error:
            if isinstance(decoded, str):
                raise
            _refuse(decoded, error)

    return analyze


def decode(op: Text, document: Any) -> Any:
    """The content of one document: read and decoded where it has to be."""
    if op.source == "filename":
        with open(document, "rb") as file:
            document = file.read()
    elif op.source == "file":
        document = document.read()
    if isinstance(document, bytes):
        return document.decode(op.encoding, op.decode_error)
    if document is np.nan:
        raise ValueError("expected a document (str or bytes), got nan; drop or fill missing texts first")
    return document


def _refuse(document: Any, error: AttributeError | TypeError) -> NoReturn:
    name = type(document).__name__
    hint = "convert each document with str(...), or fill missing texts first"
    raise type(error)(f"expected documents of type str or bytes, got {name!r} ({error}); {hint}") from None


def _preprocess(op: Text, document: str) -> str:
    if op.lowercase:
        document = document.lower()
    if op.strip_accents == "ascii":
        return unicodedata.normalize("NFKD", document).encode("ascii", "ignore").decode("ascii")
    if op.strip_accents == "unicode":
        try:
            document.encode("ascii")
        except UnicodeEncodeError:
            return "".join(c for c in unicodedata.normalize("NFKD", document) if not unicodedata.combining(c))
    return document


def _word_ngrams(op: Text) -> Callable[[str], list[str]]:
    find = re.compile(op.token_pattern).findall
    stop_words = frozenset(op.stop_words)
    low, high = op.ngram_range

    def ngrams(document: str) -> list[str]:
        tokens = [token for token in find(document) if token not in stop_words]
        if high == 1:
            return tokens
        return [" ".join(tokens[i : i + n]) for n in range(low, min(high, len(tokens)) + 1) for i in range(len(tokens) - n + 1)]

    return ngrams


def _char_ngrams(op: Text) -> Callable[[str], list[str]]:
    low, high = op.ngram_range

    def ngrams(document: str) -> list[str]:
        spaced = _WHITE_SPACES.sub(" ", document)
        return [spaced[i : i + n] for n in range(low, min(high, len(spaced)) + 1) for i in range(len(spaced) - n + 1)]

    return ngrams


def _char_wb_ngrams(op: Text) -> Callable[[str], list[str]]:
    low, high = op.ngram_range

    def ngrams(document: str) -> list[str]:
        found = []
        for word in _WHITE_SPACES.sub(" ", document).split():
            padded = f" {word} "
            for n in range(low, high + 1):
                found += [padded[i : i + n] for i in range(max(len(padded) - n, 0) + 1)]
                if n >= len(padded):  # a short word counts once, as a whole
                    break
        return found

    return ngrams


def _looked_up(columns: Mapping[str, int]) -> Callable[[Iterable[str]], dict[int, int]]:
    def count(terms: Iterable[str]) -> dict[int, int]:
        counts: dict[int, int] = {}
        for term in terms:
            column = columns.get(term)
            if column is not None:
                counts[column] = counts.get(column, 0) + 1
        return counts

    return count


def _hashed(op: Text) -> Callable[[Iterable[str]], dict[int, int]]:
    known: dict[str, tuple[int, int]] = {}

    def count(terms: Iterable[str]) -> dict[int, int]:
        counts: dict[int, int] = {}
        for term in terms:
            found = known.get(term)
            if found is None:
                found = known[term] = column_and_sign(term, op.n_features)
            column, sign = found
            counts[column] = counts.get(column, 0) + (sign if op.alternate_sign else 1)
        return counts

    return count
