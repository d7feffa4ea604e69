"""Single trees and forests whose answer is a mean over trees; what ensembles of other kinds share is here too."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from sklearn.utils.validation import check_is_fitted

from quantcore.importers.builder import Builder, Node, Result
from quantcore.importers.forests import MOST_FEATURES, Nodes, flat, fold_to_float32, in_range, joined, pooled, tests_op
from quantcore.importers.malformed import Malformed
from quantcore.importers.sklearn.common import allows_nan, classes_of, log_of
from quantcore.plan import INPUT
from quantcore.plan.ops import ArgMax, LeafNumbers, LeafOneHot, LeafSum, Log, Predictions, Several, Stack, Take

__all__ = [
    "Forest",
    "forest_classifier",
    "forest_regressor",
    "import_trees",
    "is_tree",
    "leaf_sum",
    "random_trees_embedding",
    "single_threaded",
    "tree_classifier",
    "tree_regressor",
]

_PART = 1 << 15  # nodes


class Forest(NamedTuple):
    """The leaves that a Trees op finds, and which nodes of the source they are.

    Parameters
    ----------
    leaves : Node
    at : ndarray of int, shape (n_leaves,)
        Position among the nodes of all trees, one tree after another.
    starts : ndarray of int64, shape (n_trees,)
        Position of each tree's first node.
    """

    leaves: Node
    at: NDArray[Any]
    starts: NDArray[np.int64]

    @property
    def n_trees(self) -> int:
        return len(self.starts)

    @property
    def tree(self) -> NDArray[np.int64]:
        """Tree of each leaf."""
        found: NDArray[np.int64] = np.searchsorted(self.starts, self.at, side="right") - 1
        return found

    @property
    def numbers(self) -> NDArray[np.uint32]:
        """Position of each leaf within its own tree: what apply gives."""
        return (self.at - self.starts[self.tree]).astype(np.uint32)


def import_trees(
    estimator: Any,
    trees: list[Any],
    source: Node,
    build: Builder,
    *,
    features: list[Any] | None = None,
    allow_nan: bool = False,
    allow_infinity: bool = False,
) -> Forest:
    """The Trees op of scikit-learn's own Tree objects.

    Parameters
    ----------
    estimator : estimator
    trees : list of Tree
        ``tree_`` of each estimator.
    source : Node
    build : Builder
    features : list of array of int, or None
        Which of the caller's columns each tree was fitted on; None: all.
    allow_nan, allow_infinity : bool
    """
    source = build.read_matrix(estimator, source, estimator.n_features_in_)
    if source.position == INPUT and estimator.n_features_in_ > MOST_FEATURES:
        raise Malformed("n_features_in_", f"{estimator.n_features_in_} are more than {MOST_FEATURES}; select those that are used")
    counts = np.array([tree.node_count for tree in trees], np.int64)
    starts = np.cumsum(counts) - counts
    parts = []
    # Trees in parts that stay in the cache from one look at them to the next.
    cuts = np.flatnonzero(np.diff(starts // _PART, prepend=-1)).tolist()
    for first, last in zip(cuts, [*cuts[1:], len(trees)], strict=True):
        some = None if features is None else features[first:last]
        nodes = _nodes(trees[first:last], counts[first:last], some, allow_nan)
        in_range(nodes, estimator.n_features_in_)
        found = flat(nodes)
        parts.append(found._replace(at=found.at + starts[first]))
    whole = joined(parts)
    sparse = "zero" if allow_infinity else "finite"
    op = tests_op(whole, (source.position,), allow_nan=allow_nan, allow_infinity=allow_infinity, sparse=sparse)
    return Forest(build.add(op, len(trees)), whole.at, starts)


def _nodes(trees: list[Any], counts: NDArray[np.int64], features: list[Any] | None, allow_nan: bool) -> Nodes:
    """The nodes of Tree objects; positions are counted from the first of these trees."""
    starts, n = np.cumsum(counts) - counts, int(counts.sum())
    integer = np.int32 if n < 1 << 31 else np.int64
    nodes = Nodes(
        roots=starts,
        left=np.empty(n, integer),
        right=np.empty(n, integer),
        leaf=np.empty(n, np.bool_),
        feature=np.empty(n, np.int32),
        threshold=np.empty(n, np.float32),
        missing=np.zeros(n, np.uint8),
    )
    # A tree's arrays are fields of its nodes: all are read while those are in the cache.
    for i, (tree, start) in enumerate(zip(trees, starts.tolist(), strict=True)):
        own = slice(start, start + tree.node_count)
        np.add(tree.children_left, start, out=nodes.left[own])
        np.add(tree.children_right, start, out=nodes.right[own])
        np.less(tree.children_left, 0, out=nodes.leaf[own])
        nodes.feature[own] = tree.feature if features is None else _columns(np.asarray(features[i]), tree)
        nodes.threshold[own] = fold_to_float32(tree.threshold)
        if allow_nan:
            nodes.missing[own] = tree.missing_go_to_left
    return nodes


def _columns(features: NDArray[Any], tree: Any) -> NDArray[Any]:
    """The caller's column of what each node tests."""
    if not int(tree.feature.max()) < len(features):
        raise Malformed("feature", f"a split tests one that is not among the {len(features)} that its tree was fitted on")
    found: NDArray[Any] = np.where(tree.feature < 0, -1, features[np.maximum(tree.feature, 0)])
    return found


def is_tree(estimator: Any) -> bool:
    """Whether an estimator is one of scikit-learn's trees, and no subclass of one."""
    names = ("DecisionTreeClassifier", "DecisionTreeRegressor", "ExtraTreeClassifier", "ExtraTreeRegressor")
    return type(estimator).__name__ in names and type(estimator).__module__.startswith("sklearn.")


def leaf_sum(forest: Forest, values: Any, build: Builder, **fields: Any) -> Node:
    """The LeafSum op of values that stand one row a leaf."""
    rows, index = pooled(values)
    fields = {"output": None, **fields}
    op = LeafSum(inputs=(forest.leaves.position,), values=rows, index=index, **fields)
    return build.add(op, len(op.base))


def single_threaded(estimator: Any) -> bool:
    """Whether the source adds its trees in their order: several jobs add in any."""
    return getattr(estimator, "n_jobs", None) in (None, 1)


def tree_classifier(estimator: Any, source: Node, build: Builder) -> Result:
    """DecisionTreeClassifier, ExtraTreeClassifier."""
    check_is_fitted(estimator)
    forest = import_trees(estimator, [estimator.tree_], source, build, allow_nan=allows_nan(estimator))
    return _classifier(estimator, forest, [estimator.tree_], (), build)


def tree_regressor(estimator: Any, source: Node, build: Builder) -> Result:
    """DecisionTreeRegressor, ExtraTreeRegressor."""
    check_is_fitted(estimator)
    forest = import_trees(estimator, [estimator.tree_], source, build, allow_nan=allows_nan(estimator))
    return _regressor(estimator, forest, [estimator.tree_], (), build)


def forest_classifier(estimator: Any, source: Node, build: Builder) -> Result:
    """RandomForestClassifier, ExtraTreesClassifier."""
    forest, trees = _forest(estimator, source, build)
    return _classifier(estimator, forest, trees, (len(trees),), build)


def forest_regressor(estimator: Any, source: Node, build: Builder) -> Result:
    """RandomForestRegressor, ExtraTreesRegressor."""
    forest, trees = _forest(estimator, source, build)
    return _regressor(estimator, forest, trees, (len(trees),), build)


def random_trees_embedding(estimator: Any, source: Node, build: Builder) -> Result:
    """RandomTreesEmbedding: a column for each leaf."""
    forest, _ = _forest(estimator, source, build)
    numbers, tree = forest.numbers, forest.tree
    known = estimator.one_hot_encoder_.categories_
    ends = np.cumsum([len(k) for k in known])
    order = np.lexsort((numbers, tree))
    if len(order) != ends[-1] or not np.array_equal(numbers[order], np.concatenate(known)):
        build.obstacle(estimator, "", "its encoder does not know all leaves, or others; refit it")
        return Result()
    column = np.empty(len(order), np.uint32)
    column[order] = np.arange(len(order), dtype=np.uint32)
    plain = bool((order == np.arange(len(order))).all())
    dense = not estimator.one_hot_encoder_.sparse_output
    op = LeafOneHot(inputs=(forest.leaves.position,), n_columns=len(order), column=None if plain else column, dense=dense)
    methods = {"transform": build.add(op, len(order), np.dtype(np.float64)), "apply": _apply(forest, (forest.n_trees,), build)}
    return Result(methods)


def _forest(estimator: Any, source: Node, build: Builder) -> tuple[Forest, list[Any]]:
    check_is_fitted(estimator)
    trees = [tree.tree_ for tree in estimator.estimators_]
    return import_trees(estimator, trees, source, build, allow_nan=allows_nan(estimator.estimators_[0])), trees


def _values(forest: Forest, trees: list[Any]) -> NDArray[np.float64]:
    """Values of the leaves, shape (n_leaves, n_outputs, n_classes)."""
    found: NDArray[np.float64] = np.concatenate([tree.value[tree.children_left < 0] for tree in trees])
    if len(found) != len(forest.at) or not (forest.at[1:] > forest.at[:-1]).all():
        found = np.concatenate([tree.value for tree in trees])[forest.at]
    return found


def _base(shape: tuple[int, ...], n_outputs: int) -> NDArray[np.float64]:
    """Where sums start; a single tree's value is shown as it is, -0.0 too."""
    return np.full(n_outputs, 0.0 if shape else -0.0)


def _apply(forest: Forest, shape: tuple[int, ...], build: Builder) -> Node:
    op = LeafNumbers(inputs=(forest.leaves.position,), numbers=forest.numbers, shape=shape)
    return build.add(op, forest.n_trees)


def _classifier(estimator: Any, forest: Forest, trees: list[Any], shape: tuple[int, ...], build: Builder) -> Result:
    values = _values(forest, trees)
    single = estimator.n_outputs_ == 1
    counts = [int(n) for n in np.atleast_1d(estimator.n_classes_)]
    classes = [classes_of(estimator, c, build) for c in ([estimator.classes_] if single else estimator.classes_)]
    columns = [values[:, k, :count] for k, count in enumerate(counts)]
    rows = columns[0] if single else np.concatenate(columns, axis=1)
    scores = leaf_sum(
        forest,
        rows,
        build,
        base=_base(shape, rows.shape[1]),
        divisor=float(len(trees)),
        ordered=single_threaded(estimator),
    )
    apply = _apply(forest, shape, build)
    if single:
        predict = build.add(ArgMax(inputs=(scores.position,), classes=classes[0]), None)
        log = log_of(scores, build)
        return Result({"predict": predict, "predict_proba": scores, "predict_log_proba": log, "apply": apply}, classes[0])
    ends = np.cumsum(counts).tolist()
    parts = [
        build.add(Take(inputs=(scores.position,), columns=tuple(range(end - count, end))), count)
        for end, count in zip(ends, counts, strict=True)
    ]
    labels = [build.add(ArgMax(inputs=(p.position,), classes=c), None) for p, c in zip(parts, classes, strict=True)]
    logs = [build.add(Log(inputs=(p.position,)), p.width) for p in parts]
    methods = {
        "predict": build.add(Stack(inputs=tuple(n.position for n in labels)), len(labels)),
        "predict_proba": build.add(Several(inputs=tuple(n.position for n in parts)), len(parts)),
        "predict_log_proba": build.add(Several(inputs=tuple(n.position for n in logs)), len(logs)),
        "apply": apply,
    }
    return Result(methods, classes)


def _regressor(estimator: Any, forest: Forest, trees: list[Any], shape: tuple[int, ...], build: Builder) -> Result:
    values = _values(forest, trees)[:, :, 0]
    scores = leaf_sum(
        forest,
        values,
        build,
        base=_base(shape, values.shape[1]),
        divisor=float(len(trees)),
        ordered=single_threaded(estimator),
    )
    predict = build.add(Predictions(inputs=(scores.position,), flat=estimator.n_outputs_ == 1), None)
    return Result({"predict": predict, "apply": _apply(forest, shape, build)})
