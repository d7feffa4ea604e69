"""Vectorizers of records: DictVectorizer, FeatureHasher. Encoders of labels, which are no steps of a model."""

from __future__ import annotations

from typing import Any, Literal

import numpy as np
from sklearn.utils.validation import check_is_fitted

from quantcore.importers.builder import Builder, Node, Result
from quantcore.plan.ops import HashedFeatures, NamedFeatures

__all__ = ["dict_vectorizer", "feature_hasher", "label_encoder"]


def dict_vectorizer(estimator: Any, source: Node, build: Builder) -> Result:
    """DictVectorizer."""
    check_is_fitted(estimator, "feature_names_")
    names = list(estimator.feature_names_)
    if not names:
        build.obstacle(estimator, "", "it knows no feature; fit it on records that have some")
    if not all(type(name) is str for name in names):
        build.obstacle(estimator, "feature_names_", "some names are no strings; name features by strings and refit")
        return Result()
    parts = [name.encode("utf-8", "surrogatepass") for name in names]
    op = NamedFeatures(
        inputs=build.read_records(estimator, source),
        names=np.frombuffer(b"".join(parts), np.uint8).copy(),
        ends=np.cumsum([len(part) for part in parts]).astype(np.uint32),
        separator=estimator.separator,
        dtype=_dtype(estimator, build),
        dense=not estimator.sparse,
    )
    return Result({"transform": build.add(op, len(names), np.dtype(op.dtype))})


def feature_hasher(estimator: Any, source: Node, build: Builder) -> Result:
    """FeatureHasher: no fitted state."""
    op = HashedFeatures(
        inputs=build.read_records(estimator, source),
        n_features=int(estimator.n_features),
        source=estimator.input_type,
        alternate_sign=bool(estimator.alternate_sign),
        dtype=_dtype(estimator, build),
    )
    return Result({"transform": build.add(op, op.n_features, np.dtype(op.dtype))})


def _dtype(estimator: Any, build: Builder) -> Literal["float64", "float32"]:
    if estimator.dtype not in (np.float64, np.float32):
        build.obstacle(estimator, "dtype", f"it is {estimator.dtype!r}; use numpy.float64 or numpy.float32")
    return "float32" if estimator.dtype == np.float32 else "float64"


def label_encoder(estimator: Any, source: Node, build: Builder) -> Result:
    """LabelEncoder, LabelBinarizer, MultiLabelBinarizer: refused, with what to do in their place."""
    build.obstacle(
        estimator,
        "",
        "it encodes labels, which a model gives and does not read: a classifier fitted on the labels themselves is stored with "
        "them (classes_); for columns use OrdinalEncoder or OneHotEncoder, for lists of strings DictVectorizer",
    )
    return Result()
