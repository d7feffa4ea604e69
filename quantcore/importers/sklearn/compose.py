"""ColumnTransformer and FeatureUnion: columns of a table, or all of them, through several transformers side by side."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from sklearn.utils.validation import check_is_fitted

from quantcore.importers.builder import Builder, Node, Result
from quantcore.importers.registry import import_estimator
from quantcore.plan import INPUT
from quantcore.plan.ops import Concat, MissingCells, Numbers, Take

__all__ = ["column_transformer", "feature_union"]

Parts = Sequence[tuple[Node, float | None]]


def column_transformer(estimator: Any, source: Node, build: Builder) -> Result:
    """ColumnTransformer: what it resolved while it was fitted, by position."""
    check_is_fitted(estimator)
    if source.table is not None or source.position == INPUT:
        named = getattr(estimator, "feature_names_in_", None) is not None
        source = build.read_table(estimator, source, estimator.n_features_in_, by_name=named)
    weights = estimator.transformer_weights or {}
    parts: list[tuple[Node, float | None]] = []
    for name, transformer, columns in estimator.transformers_:
        index = list(map(int, estimator._transformer_to_input_indices[name]))
        if _is(transformer, "drop") or not index:
            continue
        chosen = _chosen(index, bool(np.isscalar(columns)), source, build)
        part = chosen if _passes(transformer) else import_estimator(transformer, chosen, build).methods.get("transform")
        if part is not None:
            parts.append((part, weights.get(name)))
    return _beside(estimator, "transformers", parts, build, sparse=bool(getattr(estimator, "sparse_output_", False)))


def feature_union(estimator: Any, source: Node, build: Builder) -> Result:
    """FeatureUnion: all of its branches read the same."""
    weights = estimator.transformer_weights or {}
    parts: list[tuple[Node, float | None]] = []
    for name, transformer in estimator.transformer_list:
        if _is(transformer, "drop"):
            continue
        if _passes(transformer):
            part = _whole(estimator, transformer, name, source, build)
        else:
            part = import_estimator(transformer, source, build).methods.get("transform")
        if part is not None:
            parts.append((part, weights.get(name)))
    return _beside(estimator, "transformer_list", parts, build, sparse=None)


def _whole(estimator: Any, transformer: Any, name: str, source: Node, build: Builder) -> Node | None:
    """What a branch that passes everything on gives."""
    if source.position != INPUT or source.table is not None:
        return source
    width = getattr(transformer, "n_features_in_", None) or next(
        (t.n_features_in_ for _, t in estimator.transformer_list if hasattr(t, "n_features_in_")), None
    )
    if width is None or build.input == "text":
        build.obstacle(estimator, name, "a branch that passes documents through can't be stored; use a vectorizer, or 'drop'")
        return None
    return build.read_matrix(transformer if hasattr(transformer, "n_features_in_") else estimator, source, width)


def _beside(estimator: Any, parameter: str, parts: Parts, build: Builder, *, sparse: bool | None) -> Result:
    """The results of several transformers side by side: a matrix, and where one of them is a table the same as a table."""
    parts = [(part, weight) for part, weight in parts if part.width != 0]
    if not parts:
        build.obstacle(estimator, parameter, "no column is left; keep at least one transformer")
        return Result()
    width = sum(part.width or 0 for part, _ in parts)
    passed = [part.table is not None and part.numbers is None for part, _ in parts]
    if not sparse and all(passed) and all(weight is None for _, weight in parts):
        return Result({"transform": replace(build.join([part for part, _ in parts], width), array=True)})
    if len(parts) > 1:
        parts = [(_booleans(part, build) if weight is None else part, weight) for part, weight in parts]
    matrices = [
        (_passed(part, build) if alone and weight is None else build.read_matrix(estimator, part, part.width or 0), weight)
        for alone, (part, weight) in zip(passed, parts, strict=True)
    ]
    op = Concat(
        inputs=tuple(part.position for part, _ in matrices),
        weights=tuple(1.0 if weight is None else float(weight) for _, weight in matrices),
        sparse=sparse,
    )
    joined = build.add(op, width, _dtype(matrices))
    if sparse or all(part.table is None for part, _ in parts):
        return Result({"transform": joined})
    tables = [
        part if weight is None else build.add(Concat(inputs=(matrix.position,), weights=(float(weight),)), part.width)
        for (part, weight), (matrix, _) in zip(parts, matrices, strict=True)
    ]
    return Result({"transform": replace(build.join(tables, width, joined), array=True)})


def _booleans(part: Node, build: Builder) -> Node:
    """What MissingIndicator gives, beside others."""
    op = None if part.position == INPUT else build.ops[part.position]
    return build.add(replace(op, dtype="float32"), part.width) if isinstance(op, MissingCells) and part.table is None else part


def _passed(part: Node, build: Builder) -> Node:
    """The numbers of a table beside others."""
    columns = np.array(part.table, np.uint32)
    return build.add(Numbers(inputs=(part.position,), columns=columns, beside=True, array=True), len(columns))


def _dtype(parts: Parts) -> np.dtype[Any] | None:
    """The dtype that the source's own multiplication and stacking give; None is the caller's own."""
    kinds = [None if part.dtype is None else np.zeros(1, part.dtype) * (1.0 if w is None else w) for part, w in parts]
    known = np.result_type(*(kind for kind in kinds if kind is not None)) if any(k is not None for k in kinds) else None
    return known if known == np.float64 or all(kind is not None for kind in kinds) else None


def _chosen(index: list[int], single: bool, source: Node, build: Builder) -> Node:
    """Some columns of a table or a matrix."""
    if source.table is None:
        return build.add(Take(inputs=(source.position,), columns=tuple(index)), len(index), source.dtype)
    return replace(source, width=len(index), table=tuple(source.table[i] for i in index), single=single, numbers=None)


def _passes(transformer: Any) -> bool:
    """Whether its result is what it reads. scikit-learn puts a FunctionTransformer in the place of "passthrough"."""
    plain = type(transformer).__module__.startswith("sklearn.") and type(transformer).__name__ == "FunctionTransformer"
    return _is(transformer, "passthrough") or (plain and transformer.func is None and not transformer.validate)


def _is(transformer: Any, word: str) -> bool:
    return isinstance(transformer, str) and transformer == word
