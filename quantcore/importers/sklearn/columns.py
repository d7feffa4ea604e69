"""Transformers of single columns of numbers: bins, splines, quantiles, powers, functions."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.utils.validation import check_is_fitted

from quantcore.importers.builder import Builder, Node, Result
from quantcore.importers.sklearn.preprocessing import as_float, standard_scaler, width_of
from quantcore.plan.column_ops import UFUNCS
from quantcore.plan.ops import Cells, ColumnUfunc, Lookup, OneHot, Power, Quantiles, Spline, Ufunc

__all__ = ["function_transformer", "k_bins_discretizer", "power_transformer", "quantile_transformer", "spline_transformer"]

_EMPTY = "it was fitted on a column without any value, or too large ones; drop that column and refit"


def k_bins_discretizer(estimator: Any, source: Node, build: Builder) -> Result:
    """KBinsDiscretizer: which cell, then the cell's number or its column."""
    check_is_fitted(estimator)
    source = build.read_matrix(estimator, source, estimator.n_features_in_)
    inner = [np.asarray(edges[1:-1], np.float64) for edges in estimator.bin_edges_]
    dtype: Any = "rows" if estimator.dtype is None else np.dtype(estimator.dtype).name
    edges = np.concatenate([np.zeros(0), *inner])
    if not np.isfinite(edges).all():
        build.obstacle(estimator, "", _EMPTY)
    cells = Cells(inputs=(source.position,), ends=tuple(np.cumsum([len(e) for e in inner]).tolist()), edges=edges, dtype=dtype)
    codes = build.add(cells, source.width)
    # The dtype of what is made of them: that of the rows, half ones excepted.
    given = np.dtype(dtype) if dtype != "rows" else None if source.dtype is None else _single_or_double(source.dtype)
    counts = [len(e) + 1 for e in inner]
    ends = tuple(np.cumsum([n + 1 for n in counts]).tolist())
    if estimator.encode == "ordinal":
        values = np.concatenate([[*range(n), np.nan] for n in counts]).reshape(-1, 1)
        lookup = Lookup(inputs=(codes.position,), ends=ends, values=values, rows=True)
        return Result({"transform": build.add(lookup, len(counts), given)})
    starts = np.cumsum([0, *counts])
    place = np.concatenate([[*range(start, start + n), -1] for start, n in zip(starts, counts, strict=False)]).astype(np.int32)
    dense = estimator.encode == "onehot-dense"
    hot = OneHot(inputs=(codes.position,), ends=ends, place=place, n_outputs=int(starts[-1]), dtype="rows", dense=dense)
    return Result({"transform": build.add(hot, hot.n_outputs, given)})


def _single_or_double(dtype: np.dtype[Any]) -> np.dtype[Any]:
    return dtype if dtype == np.float32 else np.dtype(np.float64)


def spline_transformer(estimator: Any, source: Node, build: Builder) -> Result:
    """SplineTransformer: the knots alone, its coefficients are ones."""
    check_is_fitted(estimator)
    source = build.read_matrix(estimator, source, estimator.n_features_in_)
    knots: NDArray[np.float64] = np.array([b.t for b in estimator.bsplines_], np.float64)
    op = Spline(
        inputs=(source.position,),
        knots=knots,
        degree=int(estimator.degree),
        extrapolation=estimator.extrapolation,
        bias=bool(estimator.include_bias),
        missing=getattr(estimator, "handle_missing", "error") == "zeros",
        sparse=bool(estimator.sparse_output),
    )
    if not np.isfinite(knots).all():
        build.obstacle(estimator, "", _EMPTY)
    if op.extrapolation == "linear" and op.n_splines < 2:
        build.obstacle(estimator, "extrapolation", "with a single spline scikit-learn's own fails; use 'constant', or more knots")
    dtype = np.dtype(np.float64) if op.sparse else as_float(source)
    return Result({"transform": build.add(op, len(knots) * (op.n_splines - (not op.bias)), dtype)})


def quantile_transformer(estimator: Any, source: Node, build: Builder) -> Result:
    """QuantileTransformer."""
    check_is_fitted(estimator)
    source = build.read_matrix(estimator, source, estimator.n_features_in_)
    clip = None
    if estimator.output_distribution == "normal":
        from scipy.special import ndtri

        near = 1e-7 - np.spacing(1)
        clip = float(ndtri(near)), float(ndtri(1 - near))
    quantiles = np.array(estimator.quantiles_, np.float64)
    if not np.isfinite(quantiles).all():
        build.obstacle(estimator, "", _EMPTY)
    op = Quantiles(
        inputs=(source.position,),
        quantiles=quantiles,
        references=np.array(estimator.references_, np.float64),
        clip=clip,
        negative=bool(estimator.ignore_implicit_zeros),
    )
    return Result({"transform": build.add(op, source.width, as_float(source))})


def power_transformer(estimator: Any, source: Node, build: Builder) -> Result:
    """PowerTransformer: the powers, then its own scaler."""
    check_is_fitted(estimator)
    source = build.read_matrix(estimator, source, estimator.n_features_in_)
    exponents = np.array(estimator.lambdas_, np.float64)
    if not np.isfinite(exponents).all():
        build.obstacle(estimator, "", _EMPTY)
    single = estimator.lambdas_.dtype == np.float32
    op = Power(inputs=(source.position,), method=estimator.method, exponents=exponents, dtype="float32" if single else "float64")
    powers = build.add(op, source.width, as_float(source))
    return standard_scaler(estimator._scaler, powers, build) if estimator.standardize else Result({"transform": powers})


def function_transformer(estimator: Any, source: Node, build: Builder) -> Result:
    """FunctionTransformer: nothing, or a function of NumPy's that is known by its name."""
    name = _function(estimator, build)
    finite = bool(estimator.validate)
    if name == "identity" and not finite:
        return Result({"transform": source})
    width = width_of(estimator, source, build)
    if source.table is not None:
        columns = np.array(source.table, np.uint32)
        over = ColumnUfunc(inputs=(source.position,), columns=columns, name=name, finite=finite)
        return Result({"transform": replace(build.add(over, len(columns)), table=source.table, single=source.single)})
    source = build.read_matrix(estimator, source, width)
    op = Ufunc(inputs=(source.position,), name=name, finite=finite, sparse=not finite or bool(estimator.accept_sparse))
    return Result({"transform": build.add(op, source.width, as_float(source))})


def _function(estimator: Any, build: Builder) -> str:
    func = estimator.func
    if func is None:
        return "identity"
    name = getattr(func, "__name__", type(func).__name__)
    if not isinstance(func, np.ufunc) or getattr(np, name, None) is not func or name not in UFUNCS:
        build.obstacle(
            estimator,
            "func",
            f"{name} can't be stored: the file holds no code, but names of NumPy's functions of one number, "
            f"{', '.join(sorted(UFUNCS - {'identity'}))}; use one of those, several of them in a Pipeline, a transformer of "
            "scikit-learn, or compute the column before fit and predict",
        )
        return "identity"
    if estimator.kw_args:
        build.obstacle(estimator, "kw_args", f"arguments of {name} are not stored; leave them out")
    return name
