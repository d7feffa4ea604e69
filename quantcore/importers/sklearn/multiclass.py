"""OneVsRestClassifier: one binary classifier per class or label."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
from sklearn.base import is_classifier
from sklearn.utils.validation import check_is_fitted

from quantcore.importers.builder import Builder, Node, Result
from quantcore.importers.registry import import_estimator
from quantcore.importers.sklearn.common import VERSION, classes_of, labels, linear
from quantcore.plan.ops import INPUT, Concat, Linear, MultiLabel, NormalizeRows, Sigmoid, Take

__all__ = ["joined", "one_vs_rest_classifier", "positive"]


def one_vs_rest_classifier(estimator: Any, source: Node, build: Builder) -> Result:
    """OneVsRestClassifier, multi-class, binary or multi-label."""
    check_is_fitted(estimator)
    if estimator.label_binarizer_.sparse_input_:
        build.obstacle(estimator, "", "it was fitted on sparse labels and returns such; refit with y.toarray()")
    parts = _parts(estimator, source, build)
    if not all(part.methods for part in parts):
        return Result()
    classes = classes_of(estimator, estimator.classes_, build)
    methods: dict[str, Node] = {}
    if all("decision_function" in part.methods for part in parts):
        methods["decision_function"] = joined([part.methods["decision_function"] for part in parts], build)
    if all("predict_proba" in part.methods for part in parts):
        methods["predict_proba"] = _probabilities(parts, estimator.multilabel_, build)
    offered = {name: node for name, node in methods.items() if hasattr(estimator, name)}

    # scikit-learn's own rule looks at the first estimator alone, also where that is a constant (no classifier to it).
    first = estimator.estimators_[0]
    at = 0.0 if hasattr(first, "decision_function") and is_classifier(first) else 0.5
    deciding = [part.methods.get("decision_function") or positive(part.methods["predict_proba"], build) for part in parts]
    scores = joined(deciding, build)
    if estimator.multilabel_:
        predict = build.add(MultiLabel(inputs=(scores.position,), at=at), scores.width)
    else:
        if VERSION < (1, 8) and len(parts) > 2:  # of several largest scores the last one decides
            order = tuple(reversed(range(len(parts))))
            scores = build.add(Take(inputs=(scores.position,), columns=order), scores.width)
            classes_in_order = classes[::-1]
        else:
            classes_in_order = classes
        predict = labels(scores, classes_in_order, build, at)
    return Result({**offered, "predict": predict}, classes)


def _parts(estimator: Any, source: Node, build: Builder) -> list[Result]:
    constant = [type(e).__name__ == "_ConstantPredictor" for e in estimator.estimators_]
    parts = [Result() if c else import_estimator(e, source, build) for c, e in zip(constant, estimator.estimators_, strict=True)]
    if any(constant):
        over = source
        if source.position == INPUT and build.input != "matrix":
            # A constant needs rows to count: where each part reads the documents itself, another part's scores.
            known = [node for part in parts for node in part.methods.values() if node.width is not None]
            if not known:
                build.obstacle(estimator, "", "all of its estimators are constants; use the constant")
                return parts
            over = known[0]
        parts = [
            _constant(e, over, build) if c else part for c, e, part in zip(constant, estimator.estimators_, parts, strict=True)
        ]
    return parts


def _constant(estimator: Any, over: Node, build: Builder) -> Result:
    """All training labels were equal: the answer does not depend on x."""
    value = float(estimator.y_[0])
    scores = linear(estimator, np.zeros((1, over.width or estimator.n_features_in_)), value, over, build)
    # exp(-800) is 0 and exp(800) infinite: exactly 1 and 0.
    certain = Sigmoid(inputs=(scores.position,), slope=np.zeros(1), offset=np.full(1, -800.0 if value else 800.0), paired=True)
    return Result({"decision_function": scores, "predict_proba": build.add(certain, 2)})


def _probabilities(parts: list[Result], multi_label: bool, build: Builder) -> Node:
    pairs = [part.methods["predict_proba"] for part in parts]
    found = pairs[0] if len(pairs) == 1 else joined([positive(pair, build) for pair in pairs], build)
    if multi_label:
        return found
    return build.add(NormalizeRows(inputs=(found.position,), empty="keep"), found.width)


def positive(pair: Node, build: Builder) -> Node:
    """The second of two probabilities."""
    op = build.ops[pair.position]
    if isinstance(op, Sigmoid) and op.paired:
        return build.add(replace(op, paired=False), 1)
    return build.add(Take(inputs=(pair.position,), columns=(1,)), 1)


def joined(nodes: list[Node], build: Builder) -> Node:
    """Several columns as one matrix: one op where they are of one kind over one input."""
    if len(nodes) == 1:
        return nodes[0]
    ops = [build.ops[node.position] for node in nodes]
    linears = [op for op in ops if isinstance(op, Linear) and op.inputs == ops[0].inputs]
    if len(linears) == len(ops) and len({op.dtype for op in linears}) == 1:
        weight, bias = np.concatenate([op.weight for op in linears], axis=1), np.concatenate([op.bias for op in linears])
        return build.add(replace(linears[0], weight=weight, bias=bias), len(ops))
    sigmoids = [op for op in ops if isinstance(op, Sigmoid) and not op.paired]
    if len(sigmoids) == len(ops):
        scores = joined([Node(op.inputs[0], 1) for op in sigmoids], build)
        slope, offset = np.concatenate([op.slope for op in sigmoids]), np.concatenate([op.offset for op in sigmoids])
        return build.add(Sigmoid(inputs=(scores.position,), slope=slope, offset=offset), len(ops))
    return build.add(Concat(inputs=tuple(n.position for n in nodes), weights=(1.0,) * len(nodes)), len(nodes))
