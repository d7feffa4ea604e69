"""LightGBM's model text, checked field by field; needs no LightGBM."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from quantcore.importers.forests import MOST_FEATURES, Nodes, Sets
from quantcore.importers.malformed import Malformed
from quantcore.plan.tree_ops import LEFT, MEMBERS_LEFT, ZERO

__all__ = ["LightgbmModel", "parse"]

_MOST_OUTPUTS = 1 << 16
_ZERO_BELOW = float(np.float32(1e-35))
_CATEGORICAL, _DEFAULT_LEFT = 1, 2
_LONGEST = 40  # characters of a number
_NONE, _ZERO, _NAN = 0, 1, 2


@dataclass
class LightgbmModel:
    """What a text says.

    Parameters
    ----------
    objective : list of str
        Its name and its parameters, such as "sigmoid:1"; nothing for an objective of the user's own.
    n_features, n_outputs : int
    averaged : bool
        Scores are divided by the number of rounds.
    feature_names : list of str
    nodes : Nodes
        Splits and leaves of each tree, one tree after another.
    values : ndarray of float64, shape (n_nodes,)
        Of leaves.
    starts : ndarray of int64, shape (n_trees,)
    categories : list of (tuple of str, or None)
        Of each feature the categories of a data frame, by which LightGBM codes its values; empty where there are none.
    """

    objective: list[str]
    n_features: int
    n_outputs: int
    averaged: bool
    feature_names: list[str]
    nodes: Nodes
    values: NDArray[np.float64]
    starts: NDArray[np.int64]
    categories: list[tuple[str, ...] | None]


def parse(data: bytes) -> LightgbmModel:
    """A text's model.

    Parameters
    ----------
    data : bytes

    Raises
    ------
    Malformed
        Names the field.
    """
    text = data.decode("utf-8", "surrogateescape")
    body, end, tail = text.partition("\nend of trees")
    if not end:
        raise Malformed("end of trees", "missing: the text is cut short")
    head, *blocks = re.split(r"\n(?=Tree=)", body)
    header = _pairs(head, "header")
    version = header.get("version")
    if version not in ("v3", "v4"):
        raise Malformed("version", f"{version!r} is not supported, only v3 and v4 are")
    n_features = _count(header, "max_feature_idx") + 1
    n_outputs = _count(header, "num_tree_per_iteration")
    names = header.get("feature_names", "").split()
    if n_features > MOST_FEATURES or len(names) not in (0, n_features):
        raise Malformed("max_feature_idx", f"{n_features} features of at most {MOST_FEATURES}, and names of {len(names)}")
    if not 0 < n_outputs <= _MOST_OUTPUTS:
        raise Malformed("num_tree_per_iteration", f"{n_outputs} outputs, expected 1 to {_MOST_OUTPUTS}")
    if not blocks or len(blocks) % n_outputs:
        raise Malformed("Tree", f"{len(blocks)} trees for {n_outputs} outputs")
    categories = _categories(tail, header.get("feature_infos", "").split(), n_features)
    nodes, values, starts = _nodes(blocks, n_features)
    return LightgbmModel(
        objective=header.get("objective", "").split(),
        n_features=n_features,
        n_outputs=n_outputs,
        averaged="average_output" in header,
        feature_names=names,
        nodes=nodes,
        values=values,
        starts=starts,
        categories=categories,
    )


def _categories(tail: str, infos: list[str], n_features: int) -> list[tuple[str, ...] | None]:
    """Of each feature the categories of a data frame, by which LightGBM codes its values; empty where there are none."""
    found = re.search(r"^pandas_categorical:(.*)$", tail, re.MULTILINE)
    try:
        listed = json.loads(found[1]) if found and found[1].strip() else []
    except (ValueError, RecursionError):
        raise Malformed("pandas_categorical", "no JSON") from None
    if not listed:
        return []
    if not isinstance(listed, list) or not all(isinstance(known, list) for known in listed):
        raise Malformed("pandas_categorical", "no list of categories for each column")
    if not all(isinstance(value, str) for known in listed for value in known):
        raise Malformed("pandas_categorical", "categories that are no strings; fit on strings, or on plain numbers")
    # The file does not say which columns those were: features that are split by sets have their codes listed.
    at = [i for i, info in enumerate(infos) if re.fullmatch(r"-?\d+(:-?\d+)*", info)]
    if len(infos) != n_features or len(at) != len(listed):
        raise Malformed(
            "pandas_categorical",
            f"categories of {len(listed)} columns, but {len(at)} features have sets of codes; which ones are meant is not stored "
            "(ordered or constant categories, or codes beside categories): fit it without those",
        )
    out: list[tuple[str, ...] | None] = [None] * n_features
    for i, known in zip(at, listed, strict=True):
        out[i] = tuple(known)
    return out


def _nodes(blocks: list[str], n_features: int) -> tuple[Nodes, NDArray[np.float64], NDArray[np.int64]]:
    parts: dict[str, list[Any]] = {}
    sets: list[tuple[Any, Any, Any]] = []
    starts, total = [], 0
    for number, block in enumerate(blocks):
        where = f"Tree={number}"
        tree = _pairs(block, where)
        if tree.get("is_linear", "0").strip() != "0":
            raise Malformed("linear_tree", "linear models in leaves are not supported; fit with linear_tree=False")
        n_leaves = _count(tree, "num_leaves", where)
        values = _array(tree, "leaf_value", np.float64, where, n_leaves)
        n_inner = n_leaves - 1
        if n_leaves < 1 or not np.isfinite(values).all():
            raise Malformed(f"{where}.leaf_value", "there is none, or one is NaN or infinite")
        names = (("split_feature", np.int64), ("threshold", np.float64), ("decision_type", np.int64))
        feature, threshold, decision = (_array(tree, name, dtype, where, n_inner) for name, dtype in names)
        children = [_children(tree, name, where, n_inner, n_leaves) for name in ("left_child", "right_child")]
        if n_inner and not (feature.min() >= 0 and feature.max() < n_features):
            raise Malformed(f"{where}.split_feature", f"a feature is beyond the {n_features} that the model has")
        if n_inner and not (decision.min() >= 0 and (decision >> 2).max() <= _NAN):
            raise Malformed(f"{where}.decision_type", "unknown bits")
        if np.isnan(threshold).any():
            raise Malformed(f"{where}.threshold", "one is NaN")
        categorical = (decision & _CATEGORICAL) > 0
        sets.append(_sets(tree, where, threshold, categorical, total))
        columns = {
            "leaf": np.arange(2 * n_leaves - 1) >= n_inner,
            "left": _padded(children[0], n_leaves) + total,
            "right": _padded(children[1], n_leaves) + total,
            "feature": _padded(feature, n_leaves),
            "threshold": _padded(np.where(categorical, 0.0, _folded(threshold)), n_leaves),
            "missing": _padded(_missing(decision, threshold, categorical), n_leaves),
            "values": np.concatenate([np.zeros(n_inner), values]),
        }
        for name, column in columns.items():
            parts.setdefault(name, []).append(column)
        starts.append(total)
        total += 2 * n_leaves - 1
    joined: dict[str, Any] = {name: np.concatenate(found) for name, found in parts.items()}
    values = joined.pop("values")
    at, sizes, members = (np.concatenate([part[k] for part in sets]) for k in range(3))
    first = np.array(starts, np.int64)
    nodes = Nodes(roots=first, **joined)
    if len(at):
        nodes.set_of = np.full(total, -1, np.int64)
        nodes.set_of[at] = np.arange(len(at))
        nodes.sets = Sets(members, np.cumsum(sizes))
    return nodes, values, first


def _folded(threshold: Any) -> NDArray[np.float64]:
    """Thresholds for x, where LightGBM tests x with all within 1e-35 of 0 made 0 (as its dense rows are read)."""
    below, near = float(np.nextafter(-_ZERO_BELOW, -np.inf)), np.abs(threshold) <= _ZERO_BELOW
    found: NDArray[np.float64] = np.where(near, np.where(threshold < 0.0, below, _ZERO_BELOW), threshold)
    return found


def _missing(decision: Any, threshold: Any, categorical: Any) -> NDArray[np.uint8]:
    """Where missing values go, as in the op Trees."""
    kind = (decision >> 2) & 3
    # Where nothing is missing, NaN stands for 0.
    left = np.where(kind == _NONE, threshold >= 0.0, (decision & _DEFAULT_LEFT) > 0)
    found = np.where(left, LEFT, 0) | np.where(kind == _ZERO, ZERO, 0)
    result: NDArray[np.uint8] = np.where(categorical, MEMBERS_LEFT, found).astype(np.uint8)
    return result


def _children(tree: dict[str, str], name: str, where: str, n_inner: int, n_leaves: int) -> NDArray[np.int64]:
    """Positions among the tree's splits and, after them, its leaves."""
    child = _array(tree, name, np.int64, where, n_inner)
    if n_inner and not (child.min() >= -n_leaves and child.max() < n_inner):
        raise Malformed(f"{where}.{name}", "a child is out of range")
    found: NDArray[np.int64] = np.where(child >= 0, child, n_inner + ~child)
    return found


def _sets(tree: dict[str, str], where: str, threshold: Any, categorical: Any, total: int) -> tuple[Any, Any, Any]:
    """Splits on categories, the sizes of their sets, and the members."""
    nothing = np.zeros(0, np.int64)
    at = np.flatnonzero(categorical)
    if not len(at):
        return nothing, nothing, nothing
    count = _count(tree, "num_cat", where)
    ends = _array(tree, "cat_boundaries", np.int64, where, count + 1)
    words = _array(tree, "cat_threshold", np.int64, where)
    number = threshold[at]
    if not ((number >= 0) & (number < count) & (number == np.trunc(number))).all():
        raise Malformed(f"{where}.threshold", f"a set of categories beyond the {count} that are there")
    if ends[0] != 0 or (np.diff(ends) < 0).any() or ends[-1] != len(words):
        raise Malformed(f"{where}.cat_boundaries", f"they do not rise from 0 to {len(words)}")
    if len(words) and not (words.min() >= 0 and words.max() < 1 << 32):
        raise Malformed(f"{where}.cat_threshold", "a word has more than 32 bits")
    flags = np.unpackbits(words.astype("<u4").view(np.uint8), bitorder="little")
    held = [np.flatnonzero(flags[32 * ends[k] : 32 * ends[k + 1]]) for k in number.astype(np.int64)]
    return at + total, np.array([len(h) for h in held]), np.concatenate(held)


def _padded(inner: Any, n_leaves: int) -> Any:
    return np.concatenate([inner, np.zeros(n_leaves, inner.dtype)])


def _pairs(block: str, where: str) -> dict[str, str]:
    """Lines of the form name=value; a line without a value is a flag."""
    found: dict[str, str] = {}
    for line in block.split("\n"):
        name, value = _split(line)
        if name in found:  # readers differ in which of the two they believe
            raise Malformed(f"{where}.{name:.80}", "it stands twice")
        if line:
            found[name] = value
    return found


def _split(line: str) -> tuple[str, str]:
    name, _, value = line.rstrip("\r").partition("=")
    return name, value


def _count(found: dict[str, str], name: str, where: str = "header") -> int:
    text = found.get(name, "").strip()
    if not text.isascii() or not text.isdigit() or len(text) > 9:
        raise Malformed(f"{where}.{name}", f"{text[:80]!r} is no count")
    return int(text)


def _array(found: dict[str, str], name: str, dtype: Any, where: str, count: int | None = None) -> Any:
    words = found.get(name, "").split()
    if max(map(len, words), default=0) > _LONGEST:  # NumPy would give each word the room of the longest
        raise Malformed(f"{where}.{name}", "it holds something that is no number")
    try:
        array = np.array(words, str).astype(dtype)
    except (ValueError, OverflowError):
        raise Malformed(f"{where}.{name}", "it holds something that is no number") from None
    if count is not None and len(array) != count:
        raise Malformed(f"{where}.{name}", f"{len(array)} entries, expected {count}")
    return array
