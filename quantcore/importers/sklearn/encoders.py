"""Encoders of categories: OneHotEncoder, OrdinalEncoder, TargetEncoder."""

from __future__ import annotations

import numbers
from dataclasses import replace
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from sklearn.utils.validation import check_is_fitted

from quantcore.importers.builder import Builder, Node, Result
from quantcore.importers.sklearn.common import VERSION
from quantcore.plan import INPUT
from quantcore.plan.ops import Codes, Join, Lookup, OneHot

__all__ = ["codes", "one_hot_encoder", "ordinal_encoder", "plain", "target_encoder"]


def codes(estimator: Any, source: Node, build: Builder, unknown: str) -> tuple[Node, Codes]:
    """The codes of an encoder's categories, in its order."""
    table = build.read_table(estimator, source, estimator.n_features_in_)
    listed, nan = [], []
    for found in estimator.categories_:
        missing = len(found) > 0 and _is_nan(found[-1])
        kept = found[:-1] if missing else found
        nan.append(missing)
        listed.append(kept if kept.dtype.kind in "biuf" else plain(estimator, kept, "categories", build))
    if any(isinstance(found, tuple) for found in listed):
        table = _of_objects(table, build)
    op = Codes(
        inputs=(table.position,),
        columns=np.array(table.table, np.uint32),
        categories=listed,
        nan=tuple(nan),
        unknown="error" if unknown == "error" else "keep",
    )
    return build.add(op, len(listed)), op


def _of_objects(table: Node, build: Builder) -> Node:
    """Columns that the source holds in one array: an encoder that was fitted on objects was given objects alone."""
    before = None if table.position == INPUT else build.ops[table.position]
    if isinstance(before, Join):
        return replace(build.add(replace(before, objects=True), table.width), table=table.table)
    if not table.array:
        return table
    op = Join(inputs=(table.position,), columns=(np.array(table.table, np.uint32),), objects=True)
    return replace(build.add(op, table.width), table=tuple(range(len(table.table or ()))))


def plain(estimator: Any, values: Any, parameter: str, build: Builder) -> tuple[Any, ...]:
    """Objects as ops hold them."""
    found = tuple(v.item() if isinstance(v, np.generic) else v for v in values)
    other = sorted({type(v).__name__ for v in found if v is not None and type(v) not in (str, int, float, bool)})
    if other:
        build.obstacle(estimator, parameter, f"values of type {', '.join(other)}; fit it on strings, numbers or booleans")
        return (None,) * len(found)
    return found


def one_hot_encoder(estimator: Any, source: Node, build: Builder) -> Result:
    """OneHotEncoder."""
    check_is_fitted(estimator)
    node, op = codes(estimator, source, build, estimator.handle_unknown)
    place: list[int] = []
    ends, start = [], 0
    dropped = estimator._drop_idx_after_grouping
    for i, count in enumerate(op.n_codes()):
        grouped, unknown = _grouped(estimator, i, count)
        drop = None if dropped is None else dropped[i]
        for code in (*grouped, unknown):
            if code is None or code == drop:
                place.append(-1)
            else:
                place.append(start + int(code) - (drop is not None and code > drop))
        start += int(max(grouped)) + 1 - (drop is not None) if count else 0
        ends.append(len(place))
    if not start:
        build.obstacle(estimator, "drop", "it drops every category, so that no column is left; drop its columns before it")
        start = 1
    hot = OneHot(
        inputs=(node.position,),
        ends=tuple(ends),
        place=np.array(place, np.int32),
        n_outputs=start,
        dtype=_float(estimator.dtype),
        dense=not estimator.sparse_output,
    )
    return Result({"transform": build.add(hot, start, np.dtype(_float(estimator.dtype)))})


def _grouped(estimator: Any, column: int, count: int) -> tuple[Any, int | None]:
    """For each code, and for the unknown one, which it is once rare categories are one; None: no column is set."""
    enabled = getattr(estimator, "_infrequent_enabled", False)
    rare = estimator._infrequent_indices[column] if enabled else None
    if rare is None:
        return range(count), None
    mapping = estimator._default_to_infrequent_mappings[column]
    # scikit-learn 1.6 and 1.7 leave all columns of an unknown category 0 under "warn".
    warns = estimator.handle_unknown == "warn" and VERSION >= (1, 8)
    takes_unknown = estimator.handle_unknown == "infrequent_if_exist" or warns
    return mapping, int(mapping[rare[0]]) if takes_unknown else None


def ordinal_encoder(estimator: Any, source: Node, build: Builder) -> Result:
    """OrdinalEncoder."""
    check_is_fitted(estimator)
    node, op = codes(estimator, source, build, estimator.handle_unknown)
    values: list[float] = []
    ends = []
    for i, (count, nan) in enumerate(zip(op.n_codes(), op.nan, strict=True)):
        grouped, _ = _grouped(estimator, i, count - nan)
        values += map(float, grouped)
        if nan:
            values.append(float(estimator.encoded_missing_value))
        values.append(float("nan") if estimator.unknown_value is None else float(estimator.unknown_value))
        ends.append(len(values))
    dtype = np.dtype(estimator.dtype)
    if dtype.kind != "f" and not np.iinfo(dtype).min <= (estimator.unknown_value or 0) <= np.iinfo(dtype).max:
        build.obstacle(estimator, "unknown_value", f"{estimator.unknown_value} is no {dtype}; choose another value or dtype")
        return Result()
    # Where unknown values are refused nothing reads the last value of a column: 0 fits every dtype.
    stored = np.nan_to_num(values) if dtype.kind != "f" else np.array(values)
    return _looked_up(node, ends, stored.astype(dtype).astype(_float(dtype)).reshape(-1, 1), build)


def target_encoder(estimator: Any, source: Node, build: Builder) -> Result:
    """TargetEncoder: of each category the (shrunk) mean of the target, for each class where there are several."""
    check_is_fitted(estimator)
    node, op = codes(estimator, source, build, "ignore")
    mean = np.atleast_1d(np.asarray(estimator.target_mean_, np.float64))
    width = len(mean)
    values: list[NDArray[np.float64]] = []
    ends: list[int] = []
    for i, count in enumerate(op.n_codes()):
        found = np.column_stack(estimator.encodings_[i * width : (i + 1) * width])
        values.append(np.vstack([found.astype(np.float64).reshape(count, width), mean]))
        ends.append(count + 1 + (ends[-1] if ends else 0))
    return _looked_up(node, ends, np.ascontiguousarray(np.vstack(values)), build)


def _looked_up(node: Node, ends: list[int], values: NDArray[Any], build: Builder) -> Result:
    op = Lookup(inputs=(node.position,), ends=tuple(ends), values=values)
    return Result({"transform": build.add(op, len(ends) * values.shape[1], values.dtype)})


def _float(dtype: Any) -> Literal["float64", "float32"]:
    """The float that a dtype becomes beside float32 columns."""
    return "float32" if np.result_type(np.dtype(dtype), np.float32) == np.float32 else "float64"


def _is_nan(value: Any) -> bool:
    return isinstance(value, numbers.Real) and not isinstance(value, numbers.Integral) and bool(value != value)
