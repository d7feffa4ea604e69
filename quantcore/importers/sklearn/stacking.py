"""StackingClassifier, StackingRegressor: a last model that reads what others answer."""

from __future__ import annotations

from typing import Any

import numpy as np
from sklearn.utils.validation import check_is_fitted

from quantcore.importers.builder import Builder, Node, Result
from quantcore.importers.registry import import_estimator
from quantcore.importers.sklearn.common import classes_of
from quantcore.importers.sklearn.members import predicted, relabelled, side_by_side
from quantcore.importers.sklearn.multiclass import positive
from quantcore.plan.ops import INPUT, ArgMax, Augment, MultiLabel, Several, Stack, Take, Threshold

__all__ = ["stacking_classifier", "stacking_regressor"]


def stacking_classifier(estimator: Any, source: Node, build: Builder) -> Result:
    """StackingClassifier; its last model is fitted on the numbers of the classes."""
    transform, final = _stacked(estimator, source, build)
    if transform is None or "predict" not in final.methods:
        return Result()
    encoders = estimator._label_encoder
    several = isinstance(encoders, list)
    targets = estimator.classes_ if several else [estimator.classes_]
    predict = _targets(estimator, final.methods["predict"], targets, several, build)
    if predict is None:
        build.obstacle(estimator, "final_estimator", "it does not predict the numbers of the classes; refit it")
        return Result()
    methods = {"predict": predict, "transform": transform}
    for name in ("predict_proba", "decision_function"):
        if name in final.methods and hasattr(estimator, name):
            methods[name] = final.methods[name]
    if several and "predict_proba" in methods:
        # The source shows each label's first probability.
        op = build.ops[methods["predict_proba"].position]
        if not isinstance(op, Several):
            build.obstacle(estimator, "final_estimator", "its probabilities of several labels must be a list, one array a label")
            return Result()
        firsts = [build.add(Take(inputs=(at,), columns=(0,)), 1) for at in op.inputs]
        methods["predict_proba"] = side_by_side(firsts, build)
    known = [classes_of(estimator, c, build) for c in targets]
    return Result(methods, known if several else known[0])


def stacking_regressor(estimator: Any, source: Node, build: Builder) -> Result:
    """StackingRegressor."""
    transform, final = _stacked(estimator, source, build)
    if transform is None or "predict" not in final.methods:
        return Result()
    return Result({"predict": final.methods["predict"], "transform": transform})


def _stacked(estimator: Any, source: Node, build: Builder) -> tuple[Node | None, Result]:
    """What the last model reads, and what it answers."""
    check_is_fitted(estimator)
    names = [name for name, member in estimator.estimators if not isinstance(member, str)]
    columns: list[Node] = []
    labels: list[Node] = []
    whole = True
    for name, member, method in zip(names, estimator.estimators_, estimator.stack_method_, strict=True):
        part = import_estimator(member, source, build)
        found = _columns(estimator, name, method, part, build)
        whole &= bool(found)
        columns += found
        if method == "predict" and found and isinstance(build.ops[part.methods["predict"].position], ArgMax | Threshold):
            labels.append(part.methods["predict"])
    if not whole:
        return None, Result()
    meta = side_by_side(columns, build)
    transform = meta
    if estimator.passthrough:
        if source.position == INPUT and build.input != "matrix":
            build.obstacle(estimator, "passthrough", "only numbers are passed through; put the transformer in front of the whole")
            return None, Result()
        # The caller's own rows are read by a member already, which says how wide they are.
        width = build.n_features_in if source.position == INPUT else source.width
        op = Augment(inputs=(source.position, *(node.position for node in columns)), front=True)
        wide = None if width is None or meta.width is None else width + meta.width
        transform = meta = build.add(op, wide)
    elif len(labels) == len(columns):
        # Labels alone stay what they are.
        transform = build.add(Stack(inputs=tuple(node.position for node in labels)), len(labels))
    return transform, import_estimator(estimator.final_estimator_, meta, build)


def _columns(estimator: Any, name: str, method: str, part: Result, build: Builder) -> list[Node]:
    """The columns that the last model reads of a member."""
    if not part.methods:
        return []
    if method == "predict":
        found = predicted(estimator, name, part, build)
        return [] if found is None else [found]
    node = part.methods.get(method)
    if node is None:
        build.obstacle(estimator, name, f"it has no {method} here; choose another stack_method")
        return []
    op = build.ops[node.position]
    if isinstance(op, Several):
        parts = [Node(at, len(classes)) for at, classes in zip(op.inputs, part.classes, strict=True)]
        return [_behind_first(p, build) for p in parts if p.width != 1]
    # scikit-learn's own rule, also where these are two labels.
    binary = method == "predict_proba" and len(estimator.classes_) == 2
    return [_behind_first(node, build)] if binary else [node]


def _behind_first(node: Node, build: Builder) -> Node:
    width = node.width or 1
    if width == 2:
        return positive(node, build)
    return build.add(Take(inputs=(node.position,), columns=tuple(range(1, width))), width - 1)


def _targets(estimator: Any, predict: Node, targets: Any, several: bool, build: Builder) -> Node | None:
    """The last model's labels, as those that the whole was fitted on."""
    if not several:
        return relabelled(estimator, predict, targets[0], build)
    op = build.ops[predict.position]
    if isinstance(op, MultiLabel):
        return predict if all(np.array_equal(c, [0, 1]) for c in targets) else None
    if not isinstance(op, Stack):
        return None
    found = [relabelled(estimator, Node(at), c, build) for at, c in zip(op.inputs, targets, strict=True)]
    known = [node for node in found if node is not None]
    if len(known) < len(found):
        return None
    return build.add(Stack(inputs=tuple(node.position for node in known)), len(known))
