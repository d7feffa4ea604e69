"""What importers write to: ops in order, and the list of all that stands in the way."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields, is_dataclass, replace
from typing import Any, Literal

import numpy as np

from quantcore.errors import Obstacle
from quantcore.plan import INPUT, Op, Plan
from quantcore.plan.ops import Concat, Documents, Fill, Join, Numbers, TableOp, Take

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
    numbers : Node or None
        Of a table: the same as a matrix, where some op gives that too.
    array : bool
        Of a table: the source holds it in one array, of objects if one column is.
    """

    position: int
    width: int | None = None
    dtype: np.dtype[Any] | None = None
    table: tuple[int, ...] | None = None
    single: bool = False
    numbers: Node | None = None
    array: bool = False


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

    def read_table(self, estimator: Any, source: Node, width: int, *, by_name: bool = False) -> Node:
        """An estimator reads columns of any kind: the caller's own, some that another one passes on, or the result of an op."""
        if source.table is not None:
            return source
        if source.position != INPUT:
            return self.join([source], width)
        if self.input in ("text", "records"):
            what = "documents" if self.input == "text" else "records"
            self.obstacle(estimator, "", f"it reads a table, but another branch of the model reads {what}; convert it apart")
        self._caller(estimator, width)
        self.input, self.by_name = "table", by_name and (self.by_name or self.input is None)
        return Node(INPUT, width, table=tuple(range(width)))

    def join(self, parts: Sequence[Node], width: int, numbers: Node | None = None) -> Node:
        """Tables and matrices side by side as one table."""
        positions = {part.position for part in parts}
        if len(positions) == 1 and all(part.table is not None for part in parts):
            return Node(positions.pop(), width, table=tuple(i for part in parts for i in part.table or ()), numbers=numbers)
        columns = [range(part.width or width) if part.table is None else part.table for part in parts]
        op = Join(inputs=tuple(part.position for part in parts), columns=tuple(np.array(c, np.uint32) for c in columns))
        return replace(self.add(op, width), table=tuple(range(width)), numbers=numbers)

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
        if source.numbers is not None:
            return source.numbers
        if source.table is not None:
            numbers = Numbers(inputs=(source.position,), columns=np.array(source.table, np.uint32), array=source.array)
            return self.add(numbers, len(source.table))
        if source.position != INPUT:
            return source
        if self.input in ("text", "records"):
            what = "documents" if self.input == "text" else "records"
            self.obstacle(estimator, "", f"it reads a matrix, but another branch of the model reads {what}; convert it apart")
        self._caller(estimator, width)
        self.input, self.by_name = self.input or "matrix", False
        return Node(INPUT, width)

    def numbers(self, estimator: Any, result: Result) -> Result:
        """A result as a Plan gives it: what is a table as a matrix."""
        methods = {}
        for name, node in result.methods.items():
            methods[name] = node if node.table is None else self.read_matrix(estimator, node, node.width or 0)
            if self._spells(node.position, node.table or ()):
                self.obstacle(estimator, "", "its result holds strings; convert it with the encoder or model that reads them")
        return replace(result, methods=methods)

    def _spells(self, position: int, columns: Sequence[int]) -> bool:
        """Whether some columns of a table hold strings, as far as that is known."""
        op = None if position == INPUT else self.ops[position]
        if isinstance(op, Fill):
            filled = dict(zip(op.columns.tolist(), op.fill, strict=True))
            return any(isinstance(filled.get(c), str) for c in columns) or self._spells(op.inputs[0], columns)
        if not isinstance(op, Join):
            return False
        ends = np.cumsum([len(c) for c in op.columns])
        parts = [
            (i, [int(c[k - end + len(c)]) for k in columns if end - len(c) <= k < end])
            for i, c, end in zip(op.inputs, op.columns, ends, strict=True)
        ]
        return any(self._spells(i, chosen) for i, chosen in parts)

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
            self._refuse(set(outputs.values()))
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
        if not any(INPUT in op.inputs and not isinstance(op, Join | TableOp) for op in self.ops):
            return outputs
        whole = Numbers(columns=np.arange(self.n_features_in or 0, dtype=np.uint32))

        def moved(op: Op) -> Op:
            first = INPUT if isinstance(op, Join | TableOp) else 0
            return replace(op, inputs=tuple(first if i == INPUT else i + 1 for i in op.inputs))

        self.ops = [whole, *map(moved, self.ops)]
        return {method: position + 1 for method, position in outputs.items()}

    def _refuse(self, outputs: set[int]) -> None:
        """Numbers of a table refuse NaN and infinity where all that read them do, as the estimators there look at them first."""

        def accepts(position: int, what: str) -> bool:
            readers = [(at, op) for at, op in enumerate(self.ops) if position in op.inputs]
            passed = (accepts(at, what) if isinstance(op, Concat | Join | Take) else getattr(op, what) for at, op in readers)
            return position in outputs or all(passed)

        for position, op in enumerate(self.ops):
            if isinstance(op, Numbers):
                nan, infinity = accepts(position, "accepts_nan"), accepts(position, "accepts_infinity")
                self.ops[position] = replace(op, allow_nan=nan, allow_infinity=infinity)


def _equal(a: Any, b: Any) -> bool:
    if type(a) is not type(b):
        return False
    if is_dataclass(a):
        return all(_equal(getattr(a, f.name), getattr(b, f.name)) for f in fields(a))
    if isinstance(a, np.ndarray):
        return a.dtype == b.dtype and np.array_equal(a, b)
    if isinstance(a, list | tuple):
        return len(a) == len(b) and all(map(_equal, a, b))
    return bool(a == b)
