"""HistGradientBoosting*: trees over float64, with missing values and categories."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from sklearn.utils.validation import check_is_fitted

from quantcore.importers.builder import Builder, Node, Result
from quantcore.importers.forests import MOST_FEATURES, Nodes, Sets, in_range, trees_op
from quantcore.importers.malformed import Malformed
from quantcore.importers.registry import import_estimator
from quantcore.importers.sklearn.common import classes_of, labels
from quantcore.importers.sklearn.trees import Forest, leaf_sum
from quantcore.plan.ops import Concat, Exp, Predictions, Sigmoid, Softmax
from quantcore.plan.tree_ops import LEFT, MEMBERS_LEFT

__all__ = ["hist_gradient_boosting_classifier", "hist_gradient_boosting_regressor"]


def hist_gradient_boosting_classifier(estimator: Any, source: Node, build: Builder) -> Result:
    """HistGradientBoostingClassifier."""
    scores = _scores(estimator, source, build)
    classes = classes_of(estimator, estimator.classes_, build)
    if scores.width == 1:
        op = Sigmoid(inputs=(scores.position,), slope=np.full(1, -1.0), offset=np.zeros(1), paired=True)
        probabilities = build.add(op, 2)
    else:
        probabilities = build.add(Softmax(inputs=(scores.position,)), scores.width)
    predict = labels(scores, classes, build)
    return Result({"predict": predict, "predict_proba": probabilities, "decision_function": scores}, classes)


def hist_gradient_boosting_regressor(estimator: Any, source: Node, build: Builder) -> Result:
    """HistGradientBoostingRegressor."""
    scores = _scores(estimator, source, build)
    link = type(estimator._loss.link).__name__
    if link == "LogLink":
        scores = build.add(Exp(inputs=(scores.position,)), 1)
    elif link != "IdentityLink":
        build.obstacle(
            estimator, "loss", f"{estimator.loss!r} is not supported; refit with 'squared_error', 'poisson', 'gamma', ..."
        )
    return Result({"predict": build.add(Predictions(inputs=(scores.position,), flat=True), None)})


def _scores(estimator: Any, source: Node, build: Builder) -> Node:
    check_is_fitted(estimator)
    rows = _rows(estimator, source, build)
    predictors = [predictor for iteration in estimator._predictors for predictor in iteration]
    whole = np.concatenate([predictor.nodes for predictor in predictors])
    counts = np.array([len(predictor.nodes) for predictor in predictors], np.int64)
    starts = np.cumsum(counts) - counts
    offset = np.repeat(starts, counts)
    columns, categories = rows.columns, rows.categories
    leaf = whole["is_leaf"].astype(bool)
    if not int(np.where(leaf, 0, whole["feature_idx"]).max(initial=0)) < len(columns) <= MOST_FEATURES:
        raise Malformed("feature_idx", f"a split tests one that is not among {len(columns)} features, or they are too many")
    missing = whole["missing_go_to_left"].astype(np.uint8)
    set_of, sets = _sets(predictors, whole, counts, leaf, missing, categories)
    nodes = Nodes(
        roots=starts,
        left=whole["left"].astype(np.int64) + offset,
        right=whole["right"].astype(np.int64) + offset,
        leaf=leaf,
        feature=columns[np.where(leaf, 0, whole["feature_idx"])],
        threshold=whole["num_threshold"] + 0.0,
        missing=missing,
        set_of=set_of,
        sets=sets,
    )
    in_range(nodes, len(columns))
    op, at = trees_op(nodes, (rows.node.position,), allow_nan=True, allow_infinity=True, sparse="refuse")
    forest = Forest(build.add(op, len(predictors)), at, starts)
    base = np.asarray(estimator._baseline_prediction, np.float64).ravel()
    output = np.arange(len(predictors), dtype=np.uint32) % np.uint32(len(base))
    values = np.ascontiguousarray(whole["value"][at])
    return leaf_sum(forest, values[:, None], build, base=base, output=output if len(base) > 1 else None)


class _Rows(NamedTuple):
    """What the trees read, the column of it for each one that they name, and the categories of the first of those, as numbers."""

    node: Node
    columns: NDArray[np.int64]
    categories: list[NDArray[np.float64]]


def _rows(estimator: Any, source: Node, build: Builder) -> _Rows:
    preprocessor = getattr(estimator, "_preprocessor", None)
    width = estimator.n_features_in_
    if preprocessor is None:
        return _Rows(build.read_matrix(estimator, source, width), np.arange(width), [])
    is_categorical = np.asarray(estimator.is_categorical_)
    columns = np.concatenate([np.flatnonzero(is_categorical), np.flatnonzero(~is_categorical)])
    encoder = preprocessor.named_transformers_["encoder"]
    known = [np.asarray(c) for c in encoder.categories_]
    if all(c.dtype.kind in "biuf" for c in known):  # the trees' sets can hold the caller's own numbers
        numbers = [c.astype(np.float64) for c in known]
        return _Rows(build.read_matrix(estimator, source, width), columns, [c[~np.isnan(c)] for c in numbers])
    named = getattr(preprocessor, "feature_names_in_", None) is not None
    table = build.read_table(preprocessor, source, width, by_name=named)
    given = table.table or ()
    places = [given[i] for i in columns.tolist()]
    chosen = Node(table.position, len(known), table=tuple(places[: len(known)]))
    parts = [import_estimator(encoder, chosen, build).methods["transform"]]
    if len(places) > len(known):
        rest = Node(table.position, len(places) - len(known), table=tuple(places[len(known) :]))
        parts.append(build.read_matrix(estimator, rest, len(places) - len(known)))
    positions = tuple(part.position for part in parts)
    node = build.add(Concat(inputs=positions, weights=(1.0,) * len(positions), sparse=False), width, np.dtype(np.float64))
    return _Rows(node, np.arange(width), [np.arange(float(np.sum([c == c for c in found]))) for found in known])  # noqa: PLR0124


def _sets(
    predictors: list[Any],
    whole: NDArray[Any],
    counts: NDArray[np.int64],
    leaf: NDArray[np.bool_],
    missing: NDArray[np.uint8],
    categories: list[NDArray[np.float64]],
) -> tuple[NDArray[np.int64] | None, Sets | None]:
    """The sets that categorical nodes test, as the caller's own values; changes ``missing`` of those nodes to their sides.

    Unknown categories go where missing values go. So where those go left, the set holds the known ones that go right.
    """
    at = np.flatnonzero((whole["is_categorical"] != 0) & ~leaf)
    if not len(at):
        return None, None
    bitsets = np.concatenate([p.raw_left_cat_bitsets.reshape(-1, 8) for p in predictors])
    sizes = np.array([len(p.raw_left_cat_bitsets) for p in predictors], np.int64)
    first = np.repeat(np.cumsum(sizes) - sizes, counts)
    if (whole["bitset_idx"][at] >= np.repeat(sizes, counts)[at]).any() or (whole["feature_idx"][at] >= len(categories)).any():
        raise Malformed("bitset_idx", "a split tests a set of categories that is not there")
    rows = np.ascontiguousarray(bitsets[first[at] + whole["bitset_idx"][at]].astype("<u4"))
    in_left = np.unpackbits(rows.view(np.uint8), axis=1, bitorder="little").astype(bool)
    n_known = np.array([len(c) for c in categories])[whole["feature_idx"][at]]
    known = np.arange(in_left.shape[1]) < n_known[:, None]
    goes_left = missing[at] > 0
    held = np.where(goes_left[:, None], known & ~in_left, known & in_left)
    missing[at] = np.where(goes_left, LEFT, MEMBERS_LEFT)
    table = np.zeros((len(categories), in_left.shape[1]))
    for k, values in enumerate(categories):
        table[k, : len(values)] = values
    node, code = np.nonzero(held)
    set_of = np.full(len(whole), -1, np.int64)
    set_of[at] = np.arange(len(at))
    values = table[whole["feature_idx"][at][node], code]
    return set_of, Sets(values, np.cumsum(held.sum(axis=1)))
