"""What finds and fills missing values: SimpleImputer, MissingIndicator."""

from __future__ import annotations

import math
from dataclasses import replace
from numbers import Real
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.utils.validation import check_is_fitted

from quantcore.importers.builder import Builder, Node, Result
from quantcore.importers.sklearn.encoders import plain
from quantcore.plan.ops import Columns, Concat, Fill, Impute, Missing, MissingCells

__all__ = ["missing_indicator", "simple_imputer"]


def simple_imputer(estimator: Any, source: Node, build: Builder) -> Result:
    """SimpleImputer: fill, drop the columns that were empty, append the indicator."""
    check_is_fitted(estimator)
    if estimator._fit_dtype.kind == "O":
        return _objects(estimator, source, build)
    missing = estimator.missing_values
    absent = _is_pandas_na(missing) or (isinstance(missing, Real) and math.isnan(missing))
    marker = None if absent else float(missing)
    matrix = build.read_matrix(estimator, source, estimator.n_features_in_)
    # Where it keeps the dtype that it was fitted on, what it fills is rounded to that.
    fitted = np.asarray(estimator.statistics_).astype(np.float64)
    empty = np.isnan(fitted) & (not estimator.keep_empty_features)
    fill: NDArray[np.float64] = np.where(np.isnan(fitted), 0.0, fitted)
    if getattr(estimator, "_fill_dtype", None) is not None:
        fill = fill.astype(estimator._fill_dtype).astype(np.float64)
    dtype = matrix.dtype if matrix.dtype is None or matrix.dtype.kind == "f" else np.dtype(np.float64)
    filled = build.add(Impute(inputs=(matrix.position,), missing=marker, fill=fill), matrix.width, dtype)
    if empty.all():
        build.obstacle(estimator, "", "all columns were empty, so none is left; fit it on data")
    elif empty.any():
        index = np.flatnonzero(~empty).astype(np.uint32)
        filled = build.add(Columns(inputs=(filled.position,), index=index, allow_nan=True), len(index), dtype)
    features = estimator.indicator_.features_ if estimator.add_indicator else ()
    numbers, shown = filled, None
    if len(features):
        gaps = Missing(inputs=(matrix.position,), missing=marker, index=np.array(features, np.uint32))
        shown = build.add(gaps, len(features), dtype)
        joined = Concat(inputs=(filled.position, shown.position), weights=(1.0, 1.0))
        numbers = build.add(joined, (filled.width or 0) + len(features), dtype)
    if source.table is None:
        return Result({"transform": numbers})
    # These two keep what they are given, strings among numbers too, and None isn't missing; others make numbers of it first.
    keeps = estimator.strategy in ("most_frequent", "constant")
    missing = () if marker is None else (marker,)
    table = _filled(source, missing, tuple(fill.tolist()), ~empty, build, objects=None if keeps else False)
    if shown is not None:
        cells = shown
        if keeps:  # of the narrowest float: side by side with the rows they take the rows' own
            cells = _cells(source, missing, features, build, dtype="float32")
        table = build.join([table, cells], numbers.width or 0)
    return Result({"transform": replace(table, numbers=None if keeps else numbers)})


def _objects(estimator: Any, source: Node, build: Builder) -> Result:
    """Over strings and other objects: the result is a table."""
    table = build.read_table(estimator, source, estimator.n_features_in_)
    missing = _marker(estimator, build)
    statistics = estimator.statistics_
    kept = np.array([estimator.keep_empty_features or not (isinstance(v, Real) and math.isnan(v)) for v in statistics])
    if not kept.any():
        build.obstacle(estimator, "", "all columns were empty, so none is left; fit it on data")
        return Result()
    filled = _filled(table, missing, plain(estimator, statistics, "fill_value", build), kept, build, objects=True)
    features = estimator.indicator_.features_ if estimator.add_indicator else ()
    if not len(features):
        return Result({"transform": filled})
    indicator = _cells(table, missing, features, build)
    return Result({"transform": build.join([filled, indicator], int(kept.sum()) + len(features))})


def _filled(
    table: Node, missing: Any, fill: tuple[Any, ...], kept: NDArray[np.bool_], build: Builder, *, objects: bool | None
) -> Node:
    index = np.flatnonzero(kept).tolist()
    columns = tuple((table.table or ())[i] for i in index)
    op = Fill(
        inputs=(table.position,),
        columns=np.array(columns, np.uint32),
        missing=missing,
        fill=tuple(fill[i] for i in index),
        objects=objects,
    )
    return replace(build.add(op, len(columns)), table=columns)


def missing_indicator(estimator: Any, source: Node, build: Builder) -> Result:
    """MissingIndicator."""
    check_is_fitted(estimator)
    features = list(map(int, estimator.features_))
    others: list[int] = []
    if estimator.features == "missing-only" and estimator.error_on_new:
        others = sorted(set(range(estimator.n_features_in_)) - set(features))
    if not features:
        build.obstacle(estimator, "features", "no value was missing, so no column is left; use features='all', or leave it out")
        return Result()
    missing = estimator.missing_values
    if source.table is None and isinstance(missing, Real):
        matrix = build.read_matrix(estimator, source, estimator.n_features_in_)
        op = Missing(
            inputs=(matrix.position,),
            missing=None if math.isnan(missing) else float(missing),
            index=np.array(features, np.uint32),
            complete=np.array(others, np.uint32) if others else None,
            sparse=None if estimator.sparse == "auto" else bool(estimator.sparse),
        )
        return Result({"transform": build.add(op, len(features), np.dtype(np.float64))})
    table = build.read_table(estimator, source, estimator.n_features_in_)
    return Result({"transform": _cells(table, _marker(estimator, build), features, build, others, estimator.sparse is True)})


def _cells(
    table: Node, missing: Any, features: Any, build: Builder, others: Any = (), sparse: bool = False, **settings: Any
) -> Node:
    columns = np.array([(table.table or ())[i] for i in (*features, *others)], np.uint32)
    op = MissingCells(inputs=(table.position,), columns=columns, missing=missing, complete=len(others), sparse=sparse, **settings)
    return build.add(op, len(features))


def _marker(estimator: Any, build: Builder) -> tuple[Any, ...] | None:
    """The value that stands for missing, as Fill holds it."""
    missing = estimator.missing_values
    if _is_pandas_na(missing):
        return None
    if isinstance(missing, Real) and math.isnan(missing):
        return ()
    return plain(estimator, [missing], "missing_values", build)


def _is_pandas_na(value: Any) -> bool:
    return type(value).__name__ == "NAType" and type(value).__module__.startswith("pandas")
