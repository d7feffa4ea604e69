"""What is proved about the error of scores and probabilities, stated so that it can be applied to rows that nobody has seen."""

from __future__ import annotations

from typing import Any

import numpy as np

from quantcore.plan import INPUT, Plan
from quantcore.plan.ops import Affine, Columns, Impute, Linear, PlanarLinear, Polynomial
from quantcore.reference.bounds import edges, gamma

__all__ = ["linear_bound"]

# They compute the source's very bits: what a linear op reads of them is what the source's reads.
_EXACT = (Affine, Columns, Impute, Polynomial)


def linear_bound(plan: Plan) -> dict[str, Any] | None:
    """Coefficients of a bound on how far each score is from the source's own, for any row: ``a * sum_j |x_j| 2**c_j + b``.

    Parameters
    ----------
    plan : Plan
        As it is served.

    Returns
    -------
    dict or None
        ``a``, ``b``, ``c`` (a list of integers, one a column), ``columns`` ("input", or "transformed": x are then the columns
        that the model's own transformers give the linear op). It holds while the sum of ``|x_j|`` times the largest weight of
        each column stays below a quarter of the source dtype's largest number. None where scores follow from several linear ops,
        from documents, or from columns that are known up to a bound alone.
    """
    linear = [op for op in plan.ops if isinstance(op, Linear | PlanarLinear)]
    if len(linear) != 1 or plan.input != "matrix" or not _reads_exactly(plan, linear[0].inputs[0]):
        return None
    op = linear[0]
    if isinstance(op, PlanarLinear) and op.approximate:
        return None
    width = op.weight.shape[0] if isinstance(op, Linear) else len(op.exponent if op.index is None else op.index)
    tiny, _ = edges(op.dtype)
    source, own = (float(gamma(width + 3.0, dtype)) for dtype in (op.dtype, op.dtype if isinstance(op, Linear) else "float64"))
    bias = float(np.abs(op.bias).max(initial=0.0))
    if isinstance(op, Linear):
        with np.errstate(divide="ignore"):
            powers = np.ceil(np.log2(np.abs(op.weight).max(axis=1)))
        exponent = np.where(np.isfinite(powers), powers, -1100).astype(np.int64)
        a = source + own
    else:
        if op.sublinear or op.norm is not None or op.idf is not None:
            return None
        exponent = (op.exponent if op.index is None else op.exponent[op.index]).astype(np.int64)
        weight = (2.0 if len(op.bias) > 1 else 1.0) * op.amplitude + 2.0 * op.error
        a = op.error * (2.0 if op.centred else 1.0) + op.amplitude * source + weight * own
    b = bias * 2.0 * (source + own) + 4.0 * (width + 1.0) * tiny
    transformed = op.inputs[0] != INPUT
    return {
        "a": float(a * (1.0 + 2.0**-19)),
        "b": float(b * (1.0 + 2.0**-19)),
        "c": exponent.tolist(),
        "columns": "transformed" if transformed else "input",
    }


def _reads_exactly(plan: Plan, position: int) -> bool:
    while position != INPUT:
        op = plan.ops[position]
        if not isinstance(op, _EXACT) or len(op.inputs) != 1:
            return False
        position = op.inputs[0]
    return True
