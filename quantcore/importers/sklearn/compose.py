"""ColumnTransformer: columns of a table, each through transformers of its own, side by side."""

from __future__ import annotations

from typing import Any

import numpy as np
from sklearn.utils.validation import check_is_fitted

from quantcore.importers.builder import Builder, Node, Result
from quantcore.importers.registry import import_estimator
from quantcore.plan.ops import Concat, Take

__all__ = ["column_transformer"]


def column_transformer(estimator: Any, source: Node, build: Builder) -> Result:
    """ColumnTransformer: what it resolved while it was fitted, by position."""
    check_is_fitted(estimator)
    named = getattr(estimator, "feature_names_in_", None) is not None
    table = build.read_table(estimator, source, estimator.n_features_in_, by_name=named)
    weights = estimator.transformer_weights or {}
    parts: list[tuple[Node, float]] = []
    for name, transformer, columns in estimator.transformers_:
        index = estimator._transformer_to_input_indices[name]
        if transformer == "drop" or not len(index):
            continue
        chosen = _chosen(list(map(int, index)), np.ndim(columns) == 0, source if table is None else table, build)
        part: Node | None = chosen
        if transformer == "passthrough":
            part = build.read_matrix(estimator, chosen, len(index))
        else:
            part = import_estimator(transformer, chosen, build).methods.get("transform")
        if part is not None and part.table is not None:
            part = build.read_matrix(estimator, part, len(index))  # what a step passes on as it is
        if part is not None:
            parts.append((part, float(weights.get(name) or 1.0)))
    if not parts:
        build.obstacle(estimator, "transformers", "no column is left; keep at least one transformer")
        return Result()
    op = Concat(
        inputs=tuple(part.position for part, _ in parts),
        weights=tuple(weight for _, weight in parts),
        sparse=bool(estimator.sparse_output_),
    )
    return Result({"transform": build.add(op, sum(part.width or 0 for part, _ in parts))})


def _chosen(index: list[int], single: bool, source: Node, build: Builder) -> Node:
    if source.table is not None:
        return Node(source.position, len(index), source.dtype, tuple(source.table[i] for i in index), single)
    return build.add(Take(inputs=(source.position,), columns=tuple(index)), len(index), source.dtype)
