"""What importers write to: ops in order, and the list of all that stands in the way."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields, is_dataclass, replace
from typing import Any, Literal

import numpy as np

from quantcore.errors import Obstacle
from quantcore.plan import INPUT, Op, Plan

__all__ = ["SOURCE", "Builder", "Node", "Result"]


@dataclass(frozen=True)
class Node:
    """The result of an op while a Plan is built.

    Parameters
    ----------
    position : int
        Of the op; ``INPUT`` for what the caller passes.
    width : int or None
        Number of columns; None where it isn't known yet.
    dtype : numpy.dtype or None
        In which the source holds it; None for the caller's own.
    """

    position: int
    width: int | None = None
    dtype: np.dtype[Any] | None = None


SOURCE = Node(INPUT)


@dataclass(frozen=True)
class Result:
    """What an estimator offers: method → node, and its classes."""

    methods: Mapping[str, Node] = field(default_factory=dict)
    classes: Any = None


class Builder:
    """Collects the ops of a Plan and the obstacles of a conversion."""

    def __init__(self) -> None:
        self.ops: list[Op] = []
        self.obstacles: list[Obstacle] = []
        self.input: Literal["text", "matrix"] | None = None
        self.n_features_in: int | None = None
        self.feature_names_in: tuple[str, ...] | None = None

    def add(self, op: Op, width: int | None, dtype: np.dtype[Any] | None = None) -> Node:
        """Append an op, or find the equal one that is there already (one vectorizer in front of many classifiers)."""
        for position, known in enumerate(self.ops):
            if _equal(known, op):
                return Node(position, width, dtype)
        self.ops.append(op)
        return Node(len(self.ops) - 1, width, dtype)

    def obstacle(self, estimator: Any, parameter: str, advice: str) -> None:
        """Note something that stands in the way; the conversion goes on, to find the rest. A file is named by its name."""
        found = Obstacle(estimator if isinstance(estimator, str) else type(estimator).__name__, parameter, advice)
        if found not in self.obstacles:
            self.obstacles.append(found)

    def read_text(self, estimator: Any, source: Node) -> None:
        """A vectorizer reads documents: the caller's own."""
        if source.position != INPUT or self.input == "matrix":
            self.obstacle(estimator, "", "a vectorizer must be the first step, over documents alone; convert the rest apart")
        self.input = "text"

    def read_matrix(self, estimator: Any, source: Node, width: int) -> Node:
        """An estimator reads a matrix: the caller's own, or a step's result."""
        if source.position != INPUT:
            return source
        if self.input == "text":
            self.obstacle(estimator, "", "it reads a matrix, but another branch of the model reads documents; convert it apart")
        self.input, self.n_features_in = "matrix", width
        names = getattr(estimator, "feature_names_in_", None)
        self.feature_names_in = None if names is None else tuple(map(str, names))
        return Node(INPUT, width)

    def plan(self, result: Result, source: str) -> Plan:
        """The Plan of the given outputs, without the ops that none of them needs."""
        outputs = {method: node.position for method, node in result.methods.items()}
        whole = Plan(tuple(self.ops), outputs, self.input or "matrix")
        needed = sorted({position for method in outputs for position in whole.needed(method)})
        moved = {INPUT: INPUT} | {old: new for new, old in enumerate(needed)}
        return Plan(
            ops=tuple(replace(self.ops[p], inputs=tuple(moved[i] for i in self.ops[p].inputs)) for p in needed),
            outputs={method: moved[position] for method, position in outputs.items()},
            input=self.input or "matrix",
            n_features_in=self.n_features_in,
            classes=result.classes,
            feature_names_in=self.feature_names_in,
            source=source,
        )


def _equal(a: Any, b: Any) -> bool:
    if type(a) is not type(b):
        return False
    if is_dataclass(a):
        return all(_equal(getattr(a, f.name), getattr(b, f.name)) for f in fields(a))
    if isinstance(a, np.ndarray):
        return a.dtype == b.dtype and np.array_equal(a, b)
    return bool(a == b)
