"""Columns of a data frame's categories in front of trees that split on their codes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from quantcore.importers.builder import Builder, Node
from quantcore.plan.ops import Codes, Concat, Lookup

__all__ = ["coded"]


def coded(
    estimator: Any, source: Node, build: Builder, categories: Sequence[tuple[str, ...] | None], *, refuse: bool
) -> tuple[Node, NDArray[np.int64]]:
    """The matrix that the trees read: codes of categories, then numbers; and the column of it for each of the caller's.

    Parameters
    ----------
    estimator : estimator or str
    source : Node
    build : Builder
    categories : sequence of (tuple of str, or None)
        One a column; None: it holds numbers. The code of a category is its position, of what is missing NaN.
    refuse : bool
        What is no category raises ValueError; else it is as what is missing.
    """
    width = len(categories)
    table = build.read_table(estimator, source, width)
    columns = table.table or ()
    known = [i for i, found in enumerate(categories) if found is not None]
    rest = [i for i, found in enumerate(categories) if found is None]
    values: list[float] = []
    ends = []
    for i in known:
        values += [*map(float, range(len(categories[i] or ()))), *[float("nan")] * 3]  # None, NaN, the unknown
        ends.append(len(values))
    codes = Codes(
        inputs=(table.position,),
        columns=np.array([columns[i] for i in known], np.uint32),
        categories=[(*(categories[i] or ()), None) for i in known],
        nan=(True,) * len(known),
        unknown="error" if refuse else "keep",
    )
    lookup = Lookup(inputs=(build.add(codes, len(known)).position,), ends=tuple(ends), values=np.array(values)[:, None])
    node = build.add(lookup, len(known), np.dtype(np.float64))
    if rest:
        numbers = build.read_matrix(estimator, Node(table.position, len(rest), table=tuple(columns[i] for i in rest)), len(rest))
        node = build.add(Concat(inputs=(node.position, numbers.position), weights=(1.0, 1.0), sparse=False), width)
    return node, np.argsort([*known, *rest])
