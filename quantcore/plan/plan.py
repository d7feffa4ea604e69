"""The Plan: a model as data."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property
from typing import Any, Literal

from quantcore.plan.ops import Op
from quantcore.plan.record import Record
from quantcore.plan.schema import Schema, schema_of

__all__ = ["METHODS", "Plan"]

METHODS = ("predict", "predict_proba", "predict_log_proba", "decision_function", "transform", "apply", "score_samples")


class Plan(Record, kw_only=False):
    """Ops in topological order, and what each public method returns.

    Parameters
    ----------
    ops : tuple of Op
        An op's inputs come before it.
    outputs : mapping of str to int
        Method name (one of ``METHODS``) → position of the op whose result it returns.
    input : {"text", "matrix", "table", "records"}
        What a row is: a document, a row of numbers (dense or sparse), a row of values of any kind, or a record (named features).
    n_features_in : int or None
        Width of matrix or table input; None for text and records.
    classes : Any
        The source's ``classes_`` (array, or list of arrays), or None.
    feature_names_in : tuple of str or None
    by_name : bool
        Of a table: columns are found by their names, in any order, beside others.
    feature_names_out : tuple of str or None
        Names of the columns of ``transform``.
    """

    ops: tuple[Op, ...]
    outputs: Mapping[str, int]
    input: Literal["text", "matrix", "table", "records"]
    n_features_in: int | None = None
    classes: Any = None
    feature_names_in: tuple[str, ...] | None = None
    source: str = ""
    by_name: bool = False
    feature_names_out: tuple[str, ...] | None = None

    @cached_property
    def schema(self) -> Schema:
        """What is read of the caller's table."""
        return schema_of(self.ops)

    def needed(self, method: str) -> list[int]:
        """Positions of the ops that a method's result depends on, in order."""
        wanted = {self.outputs[method]}
        for position in range(len(self.ops) - 1, -1, -1):
            if position in wanted:
                wanted.update(i for i in self.ops[position].inputs if i >= 0)
        return sorted(wanted)
