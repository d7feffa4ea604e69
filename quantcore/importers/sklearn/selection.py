"""Feature selectors: all that have get_support."""

from __future__ import annotations

from typing import Any

import numpy as np

from quantcore.importers.builder import Builder, Node, Result
from quantcore.importers.registry import import_estimator
from quantcore.importers.sklearn.common import allows_nan
from quantcore.plan.ops import Columns

__all__ = ["recursive_selector", "selector"]


def selector(estimator: Any, source: Node, build: Builder) -> Result:
    """The columns that were kept."""
    support = estimator.get_support()
    if not support.any():
        build.obstacle(estimator, "", "it selects no feature; choose a milder criterion and refit")
    source = build.read_matrix(estimator, source, len(support))
    index = np.flatnonzero(support).astype(np.uint32)
    op = Columns(inputs=(source.position,), index=index, allow_nan=allows_nan(estimator))
    return Result({"transform": build.add(op, len(index), source.dtype)})


def recursive_selector(estimator: Any, source: Node, build: Builder) -> Result:
    """RFE, RFECV: they also predict, by an estimator over the columns that were kept."""
    selected = selector(estimator, source, build).methods["transform"]
    known = len(build.obstacles)
    inner = import_estimator(estimator.estimator_, selected, build)
    # As a step of a pipeline it only selects: whatever stands in the way of its own predictions is no obstacle.
    del build.obstacles[known:]
    methods = {name: node for name, node in inner.methods.items() if name != "transform"}
    return Result({**methods, "transform": selected}, inner.classes)
