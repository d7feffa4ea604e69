"""XGBoost's model documents (JSON or UBJSON), checked field by field; needs no XGBoost."""

from __future__ import annotations

import json
import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from quantcore.importers import ubjson
from quantcore.importers.forests import MOST_FEATURES, Nodes, Sets, fold_below
from quantcore.importers.malformed import Malformed
from quantcore.plan.tree_ops import LEFT

__all__ = ["XgboostModel", "parse", "read_document"]

_OLDEST, _NEWEST = 2, 3


@dataclass
class XgboostModel:
    """What a document says.

    Parameters
    ----------
    objective : str
    n_features : int
    n_outputs : int
    base_score : list of float
        As written: before the objective's own transform. One per output, or one for all.
    nodes : Nodes
    values : ndarray of float32, shape (n_nodes, width)
        Of leaves.
    starts : ndarray of int64, shape (n_trees,)
    output : ndarray of int64, shape (n_trees,)
        To which output each tree adds; 0 where leaves hold all of them.
    weights : ndarray of float32, shape (n_trees,), or None
        What dart multiplies each tree by.
    rounds : ndarray of int64
        Number of trees up to the end of each round, from 0.
    attributes : dict of str
    feature_names : list of str
    categories : list of (tuple of str, or None)
        Of each feature the categories of a data frame, by which XGBoost recodes its values; empty where there are none.
    """

    objective: str
    n_features: int
    n_outputs: int
    base_score: list[float]
    nodes: Nodes
    values: NDArray[np.float32]
    starts: NDArray[np.int64]
    output: NDArray[np.int64]
    weights: NDArray[np.float32] | None
    rounds: NDArray[np.int64]
    attributes: dict[str, Any]
    feature_names: list[str]
    categories: list[tuple[str, ...] | None]


def read_document(data: bytes) -> Any:
    """The document in a file of XGBoost's, JSON or UBJSON.

    Parameters
    ----------
    data : bytes

    Raises
    ------
    Malformed
    """
    try:
        # Both begin with "{"; in UBJSON the length of a name follows, in JSON a quote or white space.
        return json.loads(data, object_pairs_hook=_object) if data[1:2] in b'" \n\r\t}' else ubjson.loads(data)
    except (ValueError, RecursionError) as error:
        raise Malformed("document", f"it is neither JSON nor UBJSON ({error})"[:200]) from None


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Readers differ in which of two equal names they believe."""
    found = dict(pairs)
    if len(found) < len(pairs):
        seen: set[str] = set()
        twice = next(name for name, _ in pairs if name in seen or seen.add(name))  # type: ignore[func-returns-value]
        raise ValueError(f"{twice!r:.80} stands twice in an object")
    return found


def parse(document: Any, *, rounds: int | None = None) -> XgboostModel:
    """A document's model.

    Parameters
    ----------
    document : dict
    rounds : int or None
        Only the trees of so many rounds; None: all.

    Raises
    ------
    Malformed
        Names the field.
    """
    version = _member(document, "version", (list, np.ndarray))
    numbers = [int(n) if isinstance(n, (int, np.integer)) else None for n in version[:3]]
    if not numbers or numbers[0] not in range(_OLDEST, _NEWEST + 1):
        raise Malformed("version", f"{numbers} is not supported; save the model with XGBoost {_OLDEST} to {_NEWEST}")
    learner = _member(document, "learner", dict)
    booster = _member(learner, "gradient_booster", dict, "learner")
    name = _member(booster, "name", str, "gradient_booster")
    weights: Any = None
    if name == "dart":
        weights = _array(booster, "weight_drop", np.float32, "gradient_booster")
        booster = _member(booster, "gbtree", dict, "gradient_booster")
    elif name != "gbtree":
        raise Malformed("gradient_booster.name", f"{name!r} is not supported, only 'gbtree' and 'dart' are trees")
    model = _member(booster, "model", dict, "gradient_booster")
    trees = _member(model, "trees", list, "model")
    output = _array(model, "tree_info", np.int64, "model")
    indptr = _array(model, "iteration_indptr", np.int64, "model") if "iteration_indptr" in model else None
    parameters = _member(learner, "learner_model_param", dict, "learner")
    n_features = _count(parameters, "num_feature", "learner_model_param")
    sizes = [name for name in ("num_class", "num_target") if name in parameters]
    n_outputs = max([1, *(_count(parameters, name, "learner_model_param") for name in sizes)])
    if not 0 < n_features <= MOST_FEATURES:
        raise Malformed("learner_model_param.num_feature", f"{n_features} features, expected 1 to {MOST_FEATURES}")
    if len(output) != len(trees) or not trees:
        raise Malformed("model.tree_info", f"{len(output)} entries for {len(trees)} trees")
    if weights is not None and len(weights) != len(trees):
        raise Malformed("gradient_booster.weight_drop", f"{len(weights)} entries for {len(trees)} trees")
    if indptr is None:
        parallel = _count(_member(model, "gbtree_model_param", dict, "model"), "num_parallel_tree", "gbtree_model_param")
        per_round = min(n_outputs * max(1, parallel), len(trees) + 1)
        indptr = np.arange(0, len(trees) + 1, per_round)
    if not len(indptr) or indptr[0] != 0 or (np.diff(indptr) < 0).any() or indptr[-1] != len(trees):
        raise Malformed("model.iteration_indptr", f"it does not rise from 0 to the {len(trees)} trees")
    if rounds is not None:
        if not 0 < rounds < len(indptr):
            raise Malformed("attributes.best_iteration", f"{rounds} rounds of the {len(indptr) - 1} that are there")
        kept = int(indptr[rounds])
        trees, output, weights = trees[:kept], output[:kept], None if weights is None else weights[:kept]
        if not trees:
            raise Malformed("attributes.best_iteration", "no tree is left")
    nodes, values, starts = _nodes(trees, n_features, n_outputs)
    most = n_outputs - values.shape[1]
    if most < 0 or output.min() < 0 or (values.shape[1] == 1 and output.max() > most):
        raise Malformed("model.tree_info", f"an output beyond the {n_outputs} that the model has")
    if n_outputs > len(model["trees"]) * values.shape[1]:
        raise Malformed("learner_model_param.num_class", f"{n_outputs} outputs, to which {len(model['trees'])} trees do not add")
    names = learner.get("feature_names")
    names = names if isinstance(names, list) else []
    if len(names) not in (0, n_features) or not all(isinstance(n, str) for n in names):
        raise Malformed("learner.feature_names", f"{len(names)} names for {n_features} features, or they are no strings")
    return XgboostModel(
        objective=_member(_member(learner, "objective", dict, "learner"), "name", str, "objective"),
        n_features=n_features,
        n_outputs=n_outputs,
        base_score=_base_score(parameters, n_outputs),
        nodes=nodes,
        values=values,
        starts=starts,
        output=output if values.shape[1] == 1 else np.zeros_like(output),
        weights=weights,
        rounds=indptr,
        attributes=learner["attributes"] if isinstance(learner.get("attributes"), dict) else {},
        feature_names=names,
        categories=_recoded(model.get("cats"), n_features),
    )


def _recoded(cats: Any, n_features: int) -> list[tuple[str, ...] | None]:
    found = cats.get("enc") if isinstance(cats, dict) else None
    if not isinstance(found, list | np.ndarray) or not len(found):
        return []
    if len(found) != n_features or not all(isinstance(one, dict) for one in found):
        raise Malformed("model.cats.enc", f"categories of {len(found)} features, but the model has {n_features}")
    return [_strings(one) for one in found]


def _strings(one: dict[str, Any]) -> tuple[str, ...] | None:
    """The categories of a feature, or None where it has none."""
    try:
        values = np.asarray(one["values"])
        if not len(values):
            return None
        if "offsets" not in one:
            raise Malformed("enable_categorical", "categories that are numbers; fit on strings, or on plain numbers")
        ends, raw = np.asarray(one["offsets"], np.int64), values.astype(np.uint8).tobytes()
        if (np.diff(ends) < 0).any() or ends[0] != 0 or ends[-1] != len(raw):
            raise Malformed("model.cats.enc", "offsets that do not fit the bytes of its strings")
        return tuple(raw[a:b].decode() for a, b in zip(ends[:-1].tolist(), ends[1:].tolist(), strict=True))
    except (KeyError, IndexError, TypeError, ValueError, OverflowError) as error:
        if isinstance(error, Malformed):
            raise
        raise Malformed("model.cats.enc", f"no list of strings ({type(error).__name__})") from None


def _base_score(parameters: dict[str, Any], n_outputs: int) -> list[float]:
    text = _member(parameters, "base_score", str, "learner_model_param")
    try:
        found = json.loads(text)
        scores = [float(np.float32(v)) for v in (found if isinstance(found, list) else [found])]
    except (ValueError, TypeError, OverflowError, RecursionError):
        scores = []
    if len(scores) not in (1, n_outputs) or not all(map(math.isfinite, scores)):
        raise Malformed("learner_model_param.base_score", f"{text[:80]!r} is not one finite number, or one for each output")
    return scores


def _nodes(trees: list[Any], n_features: int, n_outputs: int) -> tuple[Nodes, NDArray[np.float32], NDArray[np.int64]]:
    parts: dict[str, list[Any]] = {name: [] for name in ("left", "right", "feature", "threshold", "default", "kind", "values")}
    sets: list[tuple[Any, Any, Any]] = []
    starts, total = [], 0
    for number, tree in enumerate(trees):
        where = f"trees[{number}]"
        if not isinstance(tree, dict):
            raise Malformed(where, "it is no object")
        left = _array(tree, "left_children", np.int64, where)
        count = len(left)
        right, feature, default, kind = (
            _array(tree, name, np.int64, where, count)
            for name in ("right_children", "split_indices", "default_left", "split_type")
        )
        threshold = _array(tree, "split_conditions", np.float32, where, count)
        inner = left >= 0
        for name, child in (("left_children", left), ("right_children", right)):
            if inner.any() and not (child[inner].min() >= 0 and child[inner].max() < count):
                raise Malformed(f"{where}.{name}", "a child is out of range")
        if inner.any() and not (feature[inner].min() >= 0 and feature[inner].max() < n_features):
            raise Malformed(f"{where}.split_indices", f"a feature is beyond the {n_features} that the model has")
        parts["values"].append(_leaf_values(tree, where, inner, right, threshold, n_outputs))
        sets.append(_categories(tree, where, count, total))
        for name, part in (("feature", feature), ("threshold", threshold), ("default", default), ("kind", kind)):
            parts[name].append(part)
        parts["left"].append(left + total)
        parts["right"].append(right + total)
        parts.setdefault("leaf", []).append(~inner)
        starts.append(total)
        total += count
    if len({part.shape[1] for part in parts["values"]}) > 1:
        raise Malformed("trees", "some have vectors in their leaves, others do not")
    joined = {name: np.concatenate(found) for name, found in parts.items()}
    categorical = (joined["kind"] == 1) & ~joined["leaf"]
    numeric = ~categorical & ~joined["leaf"]
    threshold = joined["threshold"]
    if not np.isfinite(threshold[numeric]).all():
        raise Malformed("trees.split_conditions", "a threshold is NaN or infinite")
    values = joined["values"]
    if not np.isfinite(values[joined["leaf"]]).all():
        raise Malformed("trees", "a leaf is NaN or infinite")
    set_of, found_sets = _joined_sets(sets, categorical)
    nodes = Nodes(
        roots=np.array(starts, np.int64),
        left=joined["left"],
        right=joined["right"],
        leaf=joined["leaf"],
        feature=joined["feature"],
        threshold=fold_below(np.where(numeric, threshold, np.float32(0.0))),
        missing=np.where(joined["default"] != 0, np.uint8(LEFT), np.uint8(0)),
        set_of=set_of,
        sets=found_sets,
    )
    return nodes, values, np.array(starts, np.int64)


def _leaf_values(tree: dict[str, Any], where: str, inner: Any, right: Any, threshold: Any, n_outputs: int) -> NDArray[np.float32]:
    parameters = _member(tree, "tree_param", dict, where)
    width = max(1, _count(parameters, "size_leaf_vector", f"{where}.tree_param") if "size_leaf_vector" in parameters else 1)
    if width == 1:
        return np.asarray(threshold)[:, None]
    if width > n_outputs:
        raise Malformed(f"{where}.tree_param.size_leaf_vector", f"{width} values in a leaf for {n_outputs} outputs")
    if "leaf_weights" not in tree:
        raise Malformed(f"{where}.leaf_weights", "missing: vectors in leaves are read as XGBoost 3.2 and later write them")
    flat = _array(tree, "leaf_weights", np.float32, where)
    if len(flat) % width:
        raise Malformed(f"{where}.leaf_weights", f"{len(flat)} values for leaves of {width}")
    table = flat.reshape(-1, width)
    at = np.where(inner, 0, right)
    if np.count_nonzero(~inner) > len(table) or at.min() < 0 or at.max() >= len(table):
        raise Malformed(f"{where}.right_children", "a leaf names a vector that is not there, or two name the same")
    found: NDArray[np.float32] = table[at]
    return found


def _categories(tree: dict[str, Any], where: str, count: int, total: int) -> tuple[Any, Any, Any]:
    """Nodes with a set, the sizes of the sets, and their values."""
    if "categories_nodes" not in tree:
        return np.zeros(0, np.int64), np.zeros(0, np.int64), np.zeros(0, np.int64)
    nodes, starts, sizes, values = (
        _array(tree, name, np.int64, where)
        for name in ("categories_nodes", "categories_segments", "categories_sizes", "categories")
    )
    if len(starts) != len(nodes) or len(sizes) != len(nodes):
        raise Malformed(f"{where}.categories_segments", f"{len(starts)} segments, {len(sizes)} sizes for {len(nodes)} nodes")
    if len(nodes) and not (nodes.min() >= 0 and nodes.max() < count and len(np.unique(nodes)) == len(nodes)):
        raise Malformed(f"{where}.categories_nodes", "a node is out of range, or stands twice")
    if (sizes < 0).any() or not np.array_equal(starts, np.cumsum(sizes) - sizes) or sizes.sum() != len(values):
        raise Malformed(f"{where}.categories_segments", "the segments do not follow each other")
    if len(values) and not (values.min() >= 0 and values.max() < 1 << 24):
        raise Malformed(f"{where}.categories", "a category is negative, or 2**24 or more")
    return nodes + total, sizes, values


def _joined_sets(sets: list[tuple[Any, Any, Any]], categorical: Any) -> tuple[Any, Sets | None]:
    if not categorical.any():
        return None, None
    nodes, sizes, values = (np.concatenate([part[k] for part in sets]) for k in range(3))
    set_of = np.full(len(categorical), -1, np.int64)
    set_of[nodes] = np.arange(len(nodes))
    if (set_of[categorical] < 0).any():
        raise Malformed("trees.categories_nodes", "a categorical node has no categories")
    return np.where(categorical, set_of, -1), Sets(values, np.cumsum(sizes))


def _member(found: Any, name: str, kind: Any, where: str = "document") -> Any:
    if not isinstance(found, dict) or not isinstance(found.get(name), kind):
        raise Malformed(f"{where}.{name}", f"it is missing, or no {getattr(kind, '__name__', 'list')}")
    return found[name]


def _count(found: Any, name: str, where: str) -> int:
    text = found.get(name) if isinstance(found, dict) else None
    if not isinstance(text, str) or not text.isascii() or not text.isdigit() or len(text) > 18:
        raise Malformed(f"{where}.{name}", f"{text[:80]!r} is no count" if isinstance(text, str) else "it is no count")
    return int(text)


def _array(found: dict[str, Any], name: str, dtype: Any, where: str, count: int | None = None) -> Any:
    value = found.get(name)
    wanted = "biuf" if dtype == np.float32 else "biu"
    try:
        if not isinstance(value, np.ndarray) and not (isinstance(value, list) and set(map(type, value)) <= {int, float, bool}):
            raise ValueError
        array = np.asarray(value)
        if array.size == 0:
            array = array.astype(dtype)
        if array.ndim != 1 or array.dtype.kind not in wanted:
            raise ValueError
        if array.dtype == np.uint64 and dtype == np.int64 and int(array.max(initial=0)) >> 63:
            raise ValueError
        with np.errstate(over="ignore"):
            array = array.astype(dtype)
    except (ValueError, TypeError, OverflowError):
        raise Malformed(f"{where}.{name}", "it is missing, or no list of numbers") from None
    if count is not None and len(array) != count:
        raise Malformed(f"{where}.{name}", f"{len(array)} entries for {count} nodes")
    return array
