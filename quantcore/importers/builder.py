"""What importers write to: ops in order, and the list of all that stands in the way."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields, is_dataclass, replace
from typing import Any, Literal

import numpy as np

from quantcore.errors import Obstacle
from quantcore.plan import INPUT, Op, Plan
from quantcore.plan.ops import Documents, Numbers, TableOp

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
    table : tuple of int or None
        The columns that are meant, where the result is a table.
    single : bool
        Of a table: its one column is read as 1-d (a ColumnTransformer's column given by name, not in a list).
    """

    position: int
    width: int | None = None
    dtype: np.dtype[Any] | None = None
    table: tuple[int, ...] | None = None
    single: bool = False


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
        self.input: Literal["text", "matrix", "table", "records"] | None = None
        self.n_features_in: int | None = None
        self.feature_names_in: tuple[str, ...] | None = None
        self.by_name = False

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

    def read_table(self, estimator: Any, source: Node, width: int, *, by_name: bool = False) -> Node | None:
        """An estimator reads columns of any kind: the caller's own, or some that another one passes on. None where they are
        numbers already, the result of an op."""
        if source.table is not None:
            return source
        if source.position != INPUT:
            return None
        if self.input in ("text", "records"):
            what = "documents" if self.input == "text" else "records"
            self.obstacle(estimator, "", f"it reads a table, but another branch of the model reads {what}; convert it apart")
        self._caller(estimator, width)
        self.input, self.by_name = "table", by_name and (self.by_name or self.input is None)
        return Node(INPUT, width, table=tuple(range(width)))

    def read_text(self, estimator: Any, source: Node) -> tuple[int, ...]:
        """A vectorizer reads documents: the caller's own, or a column of a table. The inputs of its op."""
        if source.single and source.table is not None:
            return (self.add(Documents(inputs=(source.position,), column=source.table[0]), None).position,)
        if source.position != INPUT or self.input not in (None, "text"):
            self.obstacle(estimator, "", "a vectorizer must be the first step, over documents alone; convert the rest apart")
        self.input = "text"
        return (INPUT,)

    def read_records(self, estimator: Any, source: Node) -> tuple[int, ...]:
        """A vectorizer reads records: the caller's own, or a column of a table. The inputs of its op."""
        if source.single and source.table is not None:
            return (self.add(Documents(inputs=(source.position,), column=source.table[0]), None).position,)
        if source.position != INPUT or self.input not in (None, "records"):
            self.obstacle(estimator, "", "it must be the first step, over records alone; convert the rest apart")
        self.input = "records"
        return (INPUT,)

    def read_matrix(self, estimator: Any, source: Node, width: int) -> Node:
        """An estimator reads a matrix: the caller's own, or a step's result."""
        if source.table is not None:
            numbers = Numbers(inputs=(source.position,), columns=np.array(source.table, np.uint32))
            return self.add(numbers, len(source.table))
        if source.position != INPUT:
            return source
        if self.input in ("text", "records"):
            what = "documents" if self.input == "text" else "records"
            self.obstacle(estimator, "", f"it reads a matrix, but another branch of the model reads {what}; convert it apart")
        self._caller(estimator, width)
        self.input = self.input or "matrix"
        return Node(INPUT, width)

    def _caller(self, estimator: Any, width: int) -> None:
        """What the caller passes: as the first estimator that reads it was fitted on it."""
        names = getattr(estimator, "feature_names_in_", None)
        if self.n_features_in is None or self.feature_names_in is None:
            self.n_features_in = width
            self.feature_names_in = None if names is None else tuple(map(str, names))

    def plan(self, result: Result, source: str) -> Plan:
        """The Plan of the given outputs, without the ops that none of them needs."""
        outputs = {method: node.position for method, node in result.methods.items()}
        if self.input == "table":
            outputs = self._numbers_of_table(outputs)
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
            by_name=self.by_name,
        )

    def _numbers_of_table(self, outputs: dict[str, int]) -> dict[str, int]:
        """Where one branch reads a table, what others read as a matrix are the numbers of its columns."""
        if not any(INPUT in op.inputs and not isinstance(op, TableOp) for op in self.ops):
            return outputs
        whole = Numbers(columns=np.arange(self.n_features_in or 0, dtype=np.uint32))

        def moved(op: Op) -> Op:
            first = INPUT if isinstance(op, TableOp) else 0
            return replace(op, inputs=tuple(first if i == INPUT else i + 1 for i in op.inputs))

        self.ops = [whole, *map(moved, self.ops)]
        return {method: position + 1 for method, position in outputs.items()}


def _equal(a: Any, b: Any) -> bool:
    if type(a) is not type(b):
        return False
    if is_dataclass(a):
        return all(_equal(getattr(a, f.name), getattr(b, f.name)) for f in fields(a))
    if isinstance(a, np.ndarray):
        return a.dtype == b.dtype and np.array_equal(a, b)
    return bool(a == b)
