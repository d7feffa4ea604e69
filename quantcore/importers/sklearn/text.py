"""Text vectorizers: CountVectorizer, TfidfVectorizer, HashingVectorizer, TfidfTransformer."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from typing import Any, Literal

import numpy as np
from sklearn.utils.validation import check_is_fitted

from quantcore.importers.builder import Builder, Node, Result
from quantcore.importers.sklearn.terms import vocabulary
from quantcore.plan.ops import Text, TfIdf

__all__ = ["count_vectorizer", "hashing_vectorizer", "tfidf_transformer", "tfidf_vectorizer"]

_NO_CODE = "the file holds no code, so a callable can't be stored; "
_ADVICE = {
    "tokenizer": _NO_CODE + "say it as token_pattern, or apply it to the documents and refit",
    "preprocessor": _NO_CODE + "use lowercase and strip_accents, or apply it to the documents before fit and predict",
    "analyzer": _NO_CODE + "use 'word', 'char' or 'char_wb', or apply it to the documents and refit",
    "strip_accents": _NO_CODE + "use 'unicode' or 'ascii', or apply it to the documents before fit and predict",
}


def count_vectorizer(estimator: Any, source: Node, build: Builder) -> Result:
    """CountVectorizer."""
    return Result({"transform": _counts(estimator, source, build)})


def tfidf_vectorizer(estimator: Any, source: Node, build: Builder) -> Result:
    """TfidfVectorizer: the counts, then the transformer that it fitted."""
    check_is_fitted(estimator)
    return Result({"transform": _weighted(estimator._tfidf, _counts(estimator, source, build), build)})


def tfidf_transformer(estimator: Any, source: Node, build: Builder) -> Result:
    """TfidfTransformer."""
    check_is_fitted(estimator)
    return Result({"transform": _weighted(estimator, build.read_matrix(estimator, source, estimator.n_features_in_), build)})


def hashing_vectorizer(estimator: Any, source: Node, build: Builder) -> Result:
    """HashingVectorizer: no fitted state."""
    read = build.read_text(estimator, source)
    op = _text(estimator, build, read, None, int(estimator.n_features))
    counts = build.add(op, op.n_features, np.dtype(estimator.dtype))
    if estimator.norm is None:
        return Result({"transform": counts})
    dtype = _float_dtype(counts)
    weighted = TfIdf(inputs=(counts.position,), sublinear=False, idf=None, norm=estimator.norm, dtype=dtype)
    return Result({"transform": build.add(weighted, counts.width, np.dtype(dtype))})


def _counts(estimator: Any, source: Node, build: Builder) -> Node:
    read = build.read_text(estimator, source)
    terms = _terms(estimator)
    op = _text(estimator, build, read, terms, len(terms))
    return build.add(op, op.n_features, np.dtype(estimator.dtype))


def _terms(estimator: Any) -> Mapping[Any, int]:
    if not hasattr(estimator, "vocabulary_"):
        # A given vocabulary needs no fit; scikit-learn validates it (or raises NotFittedError), on a copy here.
        estimator = copy.copy(estimator)
        estimator.get_feature_names_out()
    terms: Mapping[Any, int] = estimator.vocabulary_
    if not terms:
        raise ValueError("the vocabulary is empty: no document could be told from another")
    return terms


def _text(estimator: Any, build: Builder, read: tuple[int, ...], terms: Mapping[Any, int] | None, n_features: int) -> Text:
    word = estimator.analyzer == "word"
    for name in ("analyzer", "preprocessor", "strip_accents", *(("tokenizer",) if word else ())):
        if callable(getattr(estimator, name)):
            build.obstacle(estimator, name, _ADVICE[name])
    if word and estimator.tokenizer is None and not isinstance(estimator.token_pattern, str):
        build.obstacle(estimator, "token_pattern", f"expected a string, got {estimator.token_pattern!r}; give one and refit")
    low, high = estimator.ngram_range
    if not 1 <= low <= high:
        build.obstacle(estimator, "ngram_range", f"expected 1 <= first <= second, got {(low, high)}; refit with such a range")
    stop_words = estimator.get_stop_words() if word else None
    settings: dict[str, Any] = {
        "analyzer": estimator.analyzer,
        "ngram_range": (int(low), int(high)),
        "token_pattern": estimator.token_pattern if word else "",
        "stop_words": tuple(sorted(w for w in stop_words or () if isinstance(w, str))),
    }
    stored = None
    if terms is not None and not build.obstacles:
        stored = vocabulary(terms, estimator, build, **settings)
    return Text(
        inputs=read,
        **settings,
        lowercase=bool(estimator.lowercase),
        strip_accents=estimator.strip_accents or None,
        encoding=estimator.encoding,
        decode_error=estimator.decode_error,
        source=estimator.input,
        binary=bool(estimator.binary),
        n_features=n_features,
        vocabulary=stored,
        alternate_sign=terms is None and bool(estimator.alternate_sign),
    )


def _weighted(transformer: Any, counts: Node, build: Builder) -> Node:
    dtype = _float_dtype(counts)
    idf = getattr(transformer, "idf_", None)
    op = TfIdf(
        inputs=(counts.position,),
        sublinear=bool(transformer.sublinear_tf),
        idf=None if idf is None else np.asarray(idf, np.float64),
        norm=transformer.norm,
        dtype=dtype,
    )
    # What does nothing is not an op; the dtype may change all the same.
    if not op.sublinear and op.idf is None and op.norm is None:
        return Node(counts.position, counts.width, np.dtype(dtype))
    return build.add(op, counts.width, np.dtype(dtype))


def _float_dtype(counts: Node) -> Literal["float64", "float32"]:
    return "float32" if counts.dtype == np.float32 else "float64"
