"""Run a Plan, op by op."""

from __future__ import annotations

import functools
import importlib
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from quantcore.plan import INPUT, Csr, Op, Plan
from quantcore.reference import inputs

__all__ = ["FUNCTIONS", "run"]

# What each op means: a function by its module here. Ops that join take a list of inputs.
_HOMES = {
    "Affine": "columns.affine",
    "ArgMax": "labels.argmax",
    "Augment": "ensembles.augment",
    "Average": "links.average",
    "Binarize": "matrices.binarize",
    "Cells": "tables.cells",
    "CodeScores": "ensembles.code_scores",
    "Codes": "tables.codes",
    "ColumnUfunc": "functions.column_ufunc",
    "Columns": "columns.columns",
    "Concat": "matrices.concat",
    "Difference": "links.difference",
    "Documents": "tables.documents",
    "Exp": "links.exp",
    "Fill": "tables.fill",
    "Float32": "links.float32",
    "HashedFeatures": "records.hashed_features",
    "Impute": "columns.impute",
    "Isotonic": "links.isotonic",
    "Join": "tables.join",
    "LabelValues": "ensembles.label_values",
    "Layers": "ensembles.layers",
    "LeafMedian": "trees.leaf_median",
    "LeafNumbers": "trees.leaf_numbers",
    "LeafOneHot": "trees.leaf_one_hot",
    "LeafSum": "trees.leaf_sum",
    "Linear": "linear.linear",
    "Log": "links.log",
    "LogSoftmax": "links.log_softmax",
    "Lookup": "tables.lookup",
    "Missing": "columns.missing",
    "MissingCells": "tables.missing_cells",
    "MultiLabel": "labels.multi_label",
    "NamedFeatures": "records.named_features",
    "NormalizeRows": "links.normalize_rows",
    "Numbers": "tables.numbers",
    "OneHot": "tables.one_hot",
    "PairConfidence": "ensembles.pair_confidence",
    "PathScore": "trees.path_score",
    "PlanarLinear": "planar.planar_linear",
    "Polynomial": "products.polynomial",
    "Power": "functions.power",
    "Predictions": "labels.predictions",
    "Project": "products.project",
    "Quadratic": "products.quadratic",
    "Quantiles": "quantiles.quantiles",
    "Ramp": "links.ramp",
    "RowNorm": "columns.row_norm",
    "Several": "labels.several",
    "Sigmoid": "links.sigmoid",
    "SignedSquare": "links.signed_square",
    "Softmax": "links.softmax",
    "Softplus": "links.softplus",
    "Spline": "splines.spline",
    "Stack": "labels.stack",
    "Take": "matrices.take",
    "Text": "text.text",
    "TfIdf": "matrices.tfidf",
    "Threshold": "labels.threshold",
    "Trees": "trees.trees",
    "ScoreUfunc": "ensembles.score_ufunc",
    "Ufunc": "functions.ufunc",
    "Votes": "ensembles.votes",
    "WeightedMean": "ensembles.weighted_mean",
}


class _Functions(Mapping[str, Callable[..., Any]]):
    """Modules are imported when they are first asked for: a model needs few, one that a kernel serves whole needs none."""

    def __getitem__(self, kind: str) -> Callable[..., Any]:
        return _function(_HOMES[kind])

    def __iter__(self) -> Iterator[str]:
        return iter(_HOMES)

    def __len__(self) -> int:
        return len(_HOMES)


@functools.cache
def _function(home: str) -> Callable[..., Any]:
    module, _, name = home.partition(".")
    found: Callable[..., Any] = getattr(importlib.import_module(f"quantcore.reference.{module}"), name)
    return found


FUNCTIONS: Mapping[str, Callable[..., Any]] = _Functions()


def run(plan: Plan, X: Any, method: str = "predict") -> NDArray[Any] | Csr:
    """What the source's method returns, computed from the definitions.

    Parameters
    ----------
    plan : Plan
    X : iterable of documents, or matrix
        As ``plan.input`` says.
    method : str
        One of ``plan.outputs``.

    Returns
    -------
    ndarray or Csr
        ``decision_function`` and ``score_samples`` of one output are 1-d, as scikit-learn's.
    """
    if method not in plan.outputs:
        raise AttributeError(f"this model has no {method}; it has {', '.join(plan.outputs)}")
    results: dict[int, Any] = {INPUT: inputs.read(plan, X)}
    for position in plan.needed(method):
        op = plan.ops[position]
        results[position] = _apply(op, [results[i] for i in op.inputs])
    result: NDArray[Any] | Csr = results[plan.outputs[method]]
    if method in ("decision_function", "score_samples") and isinstance(result, np.ndarray) and result.shape[1] == 1:
        return result[:, 0]
    return result


def _apply(op: Op, arguments: list[Any]) -> Any:
    function = FUNCTIONS[op.kind]
    return function(op, arguments) if op.joins else function(op, arguments[0])
