"""About how long a row takes, from a Plan's shape alone: forms are compared without a clock, so that a model gives one file.

The constants were fitted by ``bench/cost.py`` (batches, one thread, AVX-512, Zen 5, beside other load). Of a model that was left
out of the fit they were off by 16 % in the median (20 forms of texts; at most 57 %) and 21 % (6 tables; at most a factor of 3):
they rank forms of one model, and promise nothing about a machine. What is picked for latency took 1.00 to 1.08 times as long
as the fastest form of each of nine sets (``bench/cost.py picks``, beside heavy load; rt_polarity 1.06 and, in another run, 1.11).
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from quantcore.plan import Plan
from quantcore.plan.ops import Linear, PlanarLinear, Text, Trees

__all__ = ["CONSTANTS", "Shape", "factors", "nanoseconds", "plan_seconds", "shape", "text_shape"]

_L1 = 32 * 1024
_ENTRY = 12  # bytes of a term in the tables that are built at load


class Shape(NamedTuple):
    """What a row's cost follows from.

    Parameters
    ----------
    kind : {"text", "table"}
    letters : float
        Of a row of text.
    terms : float
        Of a row, those that the model knows; of a table its columns.
    outputs : int
        Scores of a row.
    bytes : int
        Of the tables that terms are looked up in, and of the weights: what has to stay in the caches.
    """

    kind: str
    letters: float
    terms: float
    outputs: int
    bytes: int


# ns: a row, a letter, a term, a term for each doubling of the tables beyond a first-level cache, an output of a term.
CONSTANTS = {"text": (0.0, 1.86, 9.12, 0.0, 0.124), "table": (7.61, 0.0, 0.337, 0.0, 0.0031)}


def shape(plan: Plan, letters: float = 100.0, terms: float = 20.0) -> Shape:
    """What the cost of a row of a Plan follows from: a fused pass over texts, or over columns.

    Parameters
    ----------
    plan : Plan
    letters, terms : float
        Of a row of text, on average: its length, and its terms that the model knows.
    """
    outputs, size, columns = 0, 0, 0
    for op in plan.ops:
        if isinstance(op, Text):
            size += _ENTRY * op.n_features
        elif isinstance(op, PlanarLinear | Linear):
            weights = op.rows if isinstance(op, PlanarLinear) else op.weight
            outputs += len(op.bias)
            columns = max(columns, len(weights))
            # one output keeps its weights beside the terms; the hot plane of several is of bytes
            size += int(weights.size) * (4 if plan.input == "matrix" and weights.size <= _L1 else 1)
    if plan.input == "text":
        return Shape("text", letters, terms, outputs, size)
    return Shape("table", 0.0, float(columns), outputs, size)


def factors(found: Shape) -> tuple[float, ...]:
    """What the constants multiply.

    Parameters
    ----------
    found : Shape
    """
    beyond = max(0.0, float(np.log2(max(found.bytes, 1) / _L1)))
    return 1.0, found.letters, found.terms, found.terms * beyond, found.terms * found.outputs


def text_shape(letters: float, terms: float, n_terms: int, outputs: int) -> Shape:
    """Of a form of a text model: so many terms of a row are known, of so many in all."""
    return Shape("text", letters, terms, outputs, n_terms * (_ENTRY + outputs))


def plan_seconds(plan: Plan) -> float | None:
    """Of a row of typical length; None where the cost is not known: of anything but one linear op over texts or numbers."""
    linear = [op for op in plan.ops if isinstance(op, Linear | PlanarLinear)]
    trees = any(isinstance(op, Trees) for op in plan.ops)
    if len(linear) != 1 or trees or plan.input not in ("text", "matrix"):
        return None
    return nanoseconds(shape(plan)) * 1e-9


def nanoseconds(found: Shape) -> float:
    """Of a row of a batch.

    Parameters
    ----------
    found : Shape
    """
    return float(sum(constant * factor for constant, factor in zip(CONSTANTS[found.kind], factors(found), strict=True)))
