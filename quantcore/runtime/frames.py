"""Tables in one pass: where a Plan over tables is cut, and the compiled reader of what stands in front of the cut.

At the cut stands a matrix through which everything goes that an output needs. The ops in front of it look at single values, and
the reader does them all at once, from the caller's own columns; the Plan behind it is one over matrices, served as any other.
"""

from __future__ import annotations

from collections.abc import Callable
from types import ModuleType
from typing import Any

import numpy as np

from quantcore.plan import INPUT, Csr, Op, Plan
from quantcore.plan.ops import Affine, Columns, Impute, Linear, PlanarLinear, Trees
from quantcore.runtime import ways
from quantcore.runtime.ways import Binned, Coding, Hot, NoWay, Number, Rows, Valued

__all__ = ["behind", "build", "cut", "form", "obstacle", "reads"]

# So many columns are dense, whatever the source has: measured, see src/kernels/frame/README.md.
_MOST_DENSE = 1 << 9
_STORE, _LOOKUP, _HOT = 0, 1, 2
_IN_PASS = (Affine, Columns, Impute)


def cut(plan: Plan, known: dict[int, Any] | None = None) -> int | None:
    """The position of the matrix through which everything goes, or None: in front of trees the last one, so that they read rows;
    else the first behind which nothing is done but what the pass over rows of numbers does too.

    Parameters
    ----------
    plan : Plan
    known : dict or None
        As for ``ways.at``.
    """
    if plan.input != "table":
        return None
    known = {} if known is None else known
    positions = _narrows(plan)
    last = next((at for at in reversed(positions) if _is_matrix(plan, at, known)), None)
    if last is None or isinstance(plan.ops[last + 1], Trees):
        return last
    read = [op.kind in ways.KINDS and not isinstance(op, _IN_PASS) for op in plan.ops]
    return next((at for at in positions if not any(read[at + 1 :]) and _is_matrix(plan, at, known)), last)


def _narrows(plan: Plan) -> list[int]:
    """The positions through which everything goes that an output needs, ascending."""
    found, lowest, first = [], len(plan.ops), min(plan.outputs.values())
    for position in range(len(plan.ops) - 2, -1, -1):
        lowest = min(lowest, *plan.ops[position + 1].inputs)
        if position <= lowest and position < first:
            found.append(position)
    return found[::-1]


def _is_matrix(plan: Plan, position: int, known: dict[int, Any]) -> bool:
    try:
        ways.at(plan, position, known)
    except NoWay:
        return False
    return True


def obstacle(plan: Plan) -> str | None:
    """Why no reader serves a Plan over tables, or None where one does.

    Parameters
    ----------
    plan : Plan
    """
    known: dict[int, Any] = {}
    found = cut(plan, known)
    if found is not None:
        rows = ways.at(plan, found, known)
        return None if rows.dtype == np.float64 else f"a matrix of {rows.dtype} in front of the model"
    for position in range(len(plan.ops)):
        try:
            ways.at(plan, position, known)
        except NoWay as reason:
            if "no matrix" not in str(reason):
                return str(reason)
    return "no single matrix is in front of the model"


def behind(plan: Plan, position: int, width: int) -> Plan:
    """The Plan over matrices that reads what stands at a position, so many columns."""
    moved = [op.changed(inputs=tuple([i - position - 1 for i in op.inputs])) for op in plan.ops[position + 1 :]]
    outputs = {method: at - position - 1 for method, at in plan.outputs.items()}
    found: Plan = plan.changed(
        ops=tuple(moved), outputs=outputs, input="matrix", n_features_in=width, feature_names_in=None, by_name=False
    )
    return found


def form(rows: Rows, plan: Plan) -> str:
    """ "dense" or "csr": in which form the Plan behind the cut gets its rows.

    Parameters
    ----------
    rows : Rows
    plan : Plan
        Behind the cut.
    """
    if not rows.sparse:
        return "dense"
    first = [op for op in plan.ops if INPUT in op.inputs]
    alike = all(
        isinstance(op, Linear | PlanarLinear) or (isinstance(op, Trees) and op.sparse in ("zero", "finite")) for op in first
    )
    most = _MOST_DENSE if all(isinstance(op, Linear | PlanarLinear) for op in first) else 1 << 16
    return "dense" if alike and rows.width <= most else "csr"


def build(
    module: ModuleType,
    plan: Plan,
    rows: Rows,
    *,
    csr: bool,
    finite: bool = False,
    answer: Callable[[Any], Any] | None = None,
    other: Callable[[Any], Any] | None = None,
) -> Any:
    """The compiled reader of a matrix.

    Parameters
    ----------
    module : module
        The compiled door.
    plan : Plan
        The whole one.
    rows : Rows
        Columns of float64.
    csr : bool
        In which form.
    finite : bool
        NaN is left to the reference.
    answer, other : callable or None
        What ``predict`` makes of a matrix, and of a table that the reader refuses.

    Raises
    ------
    NoWay
        In CSR the columns of ones of several encoders can't be told apart.
    """
    sinks, checks = _sinks(module, rows), [(check, None) for check in rows.checks]
    found = _parts_in_order(sinks) if csr else _parts(sinks)
    columns = tuple(sorted({_column(of) for of, _ in [*found, *checks]}))
    place = {column: k for k, column in enumerate(columns)}
    none = plan.schema.none
    parts = [_part(module, of, tuple(to), place, none, finite) for of, to in found]
    parts += [_part(module, of, (), place, none, finite) for of, _ in checks]
    width = plan.n_features_in or 0
    kind = module.CSR if csr else module.DENSE
    names = plan.feature_names_in
    return module.Reader(names, width, plan.by_name, columns, tuple(parts), rows.width, kind, Csr, answer, other)


def _sinks(module: ModuleType, rows: Rows) -> list[tuple[Any, Any, int, int]]:
    """What each result is made of, its sink, and the columns from .. to which it writes."""
    found: list[tuple[Any, Any, int, int]] = []
    at = 0
    for column in rows.columns:
        if isinstance(column, Number):
            found.append((column, module.Sink(_STORE, at, None, None, 0.0), at, at + 1))
        elif isinstance(column, Valued):
            found.append((column.of, module.Sink(_LOOKUP, at, column.values, None, 0.0), at, at + 1))
        else:
            for of, place in column.of:
                there = place >= 0
                moved = np.where(there, place + at, -1).astype(np.int32)
                low, high = (int(moved[there].min()), int(moved.max()) + 1) if there.any() else (at, at)
                found.append((of, module.Sink(_HOT, 0, None, moved, float(column.one)), low, high))
        at += column.width if isinstance(column, Hot) else 1
    return found


def _parts(sinks: list[tuple[Any, Any, int, int]]) -> list[tuple[Any, list[Any]]]:
    """The sinks of each source, which is computed once."""
    found: dict[int, tuple[Any, list[Any]]] = {}
    for of, sink, *_ in sinks:
        found.setdefault(id(of), (of, []))[1].append(sink)
    return list(found.values())


def _parts_in_order(sinks: list[tuple[Any, Any, int, int]]) -> list[tuple[Any, list[Any]]]:
    """A part for each sink, by ascending columns."""
    sinks = sorted(sinks, key=lambda found: found[2:])
    if any(a[3] > b[2] for a, b in zip(sinks, sinks[1:], strict=False)):
        raise NoWay("columns of ones that several encoders share")
    return [(of, [sink]) for of, sink, *_ in sinks]


def _column(of: Number | Binned | Coding) -> int:
    return of.number.column if isinstance(of, Binned) else of.column


def _part(
    module: ModuleType,
    of: Number | Binned | Coding,
    sinks: tuple[Any, ...],
    place: dict[int, int],
    none: frozenset[int],
    finite: bool,
) -> Any:
    column = place[_column(of)]
    knows_none = _column(of) in none
    if isinstance(of, Coding):
        known = {value: code for value, code in of.known.items() if value is not None}
        settings = {"of_nan": of.of_nan, "of_none": of.of_none, "least": of.least, "objects": of.objects, "numbers": of.numbers}
        return module.Part(column, knows_none, sinks, known=known, **settings)
    number = of.number if isinstance(of, Binned) else of
    steps = [*number.steps, *([(ways.FINITE, 0.0, 0.0)] if finite else [])]
    edges = of.edges if isinstance(of, Binned) else None
    return module.Part(column, knows_none, sinks, none=number.none, nan=number.nan, wide=number.wide, steps=steps, edges=edges)


def reads(op: Op) -> bool:
    """Whether an op reads what stands at the cut."""
    return INPUT in op.inputs
