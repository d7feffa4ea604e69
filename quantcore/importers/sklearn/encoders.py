"""Encoders of categories: OneHotEncoder, OrdinalEncoder."""

from __future__ import annotations

from typing import Any

import numpy as np
from sklearn.utils.validation import check_is_fitted

from quantcore.importers.builder import Builder, Node, Result
from quantcore.plan.ops import Codes, Lookup, OneHot

__all__ = ["codes", "one_hot_encoder", "ordinal_encoder"]


def codes(estimator: Any, source: Node, build: Builder, unknown: str) -> tuple[Node, Codes] | None:
    """The codes of an encoder's categories, or None where its input is no table."""
    table = build.read_table(estimator, source, estimator.n_features_in_)
    if table is None or table.table is None:
        build.obstacle(estimator, "", "it encodes what another transformer computed; encode the columns themselves")
        return None
    listed, nan = [], []
    for found in estimator.categories_:
        missing = len(found) > 0 and found[-1] != found[-1]  # noqa: PLR0124
        kept = found[:-1] if missing else found
        nan.append(bool(missing))
        listed.append(kept if kept.dtype.kind in "biuf" else tuple(kept.tolist()))
    op = Codes(
        inputs=(table.position,),
        columns=np.array(table.table, np.uint32),
        categories=listed,
        nan=tuple(nan),
        unknown="error" if unknown == "error" else "keep",
    )
    return build.add(op, len(listed)), op


def one_hot_encoder(estimator: Any, source: Node, build: Builder) -> Result:
    """OneHotEncoder."""
    check_is_fitted(estimator)
    found = codes(estimator, source, build, estimator.handle_unknown)
    if found is None:
        return Result()
    node, op = found
    place: list[int] = []
    ends, start = [], 0
    for count in op.n_codes():
        place += [*range(start, start + count), -1]
        start += count
        ends.append(len(place))
    hot = OneHot(inputs=(node.position,), ends=tuple(ends), place=np.array(place, np.int32), n_outputs=start)
    return Result({"transform": build.add(hot, start, np.dtype(estimator.dtype))})


def ordinal_encoder(estimator: Any, source: Node, build: Builder) -> Result:
    """OrdinalEncoder."""
    check_is_fitted(estimator)
    found = codes(estimator, source, build, estimator.handle_unknown)
    if found is None:
        return Result()
    node, op = found
    values: list[float] = []
    ends = []
    for count, nan in zip(op.n_codes(), op.nan, strict=True):
        values += map(float, range(count))
        if nan:
            values[-1] = float(estimator.encoded_missing_value)
        values.append(float("nan") if estimator.unknown_value is None else float(estimator.unknown_value))
        ends.append(len(values))
    ordinal = Lookup(inputs=(node.position,), ends=tuple(ends), values=np.array(values, estimator.dtype).reshape(-1, 1))
    return Result({"transform": build.add(ordinal, len(ends), np.dtype(estimator.dtype))})
