"""Compiled table models: which parts of a Plan they can serve, and their weights.

What the kernel's bounds cover is derived in ARCHITECTURE.md, section 3, H; the names of the coefficients are the same here.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from types import ModuleType
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from quantcore.plan import INPUT, Op, Plan
from quantcore.plan.ops import (
    Affine,
    Columns,
    Impute,
    Linear,
    PlanarLinear,
    Threshold,
)
from quantcore.runtime.links import linked
from quantcore.runtime.text import class_array

__all__ = ["Chain", "build", "chain", "link", "obstacle"]

_LANES, _BLOCK = 16, 64
_MOST_FEATURES = 1 << 17
_MOST_WEIGHTS = 1 << 26
_AS_IS, _SHIFT, _PRODUCT = 0, 1, 2
_FLOAT32, _FLOAT64 = 2.0**-24, 2.0**-53
_FARTHEST = 500
# From so many outputs and weights on (float32 weights of 128 KB, an eighth of a usual L2) an int8 plane in front is worth its
# own cost: measured, see src/kernels/table/README.md.
_PLANE_OUTPUTS, _PLANE_WEIGHTS = 16, 1 << 15


class Chain(NamedTuple):
    """The way from a row to its scores: ``before`` in the order in which the ops run."""

    before: tuple[Affine | Columns | Impute, ...]
    scores: Linear | PlanarLinear


def chain(plan: Plan, position: int) -> Chain | None:
    """The way to the scores at a position, where it is one of ops over single columns.

    Parameters
    ----------
    plan : Plan
    position : int
    """
    op: Op | None = plan.ops[position] if position >= 0 and plan.input == "matrix" else None
    if not isinstance(op, Linear | PlanarLinear):
        return None
    scores, before = op, []
    while op.inputs[0] != INPUT:
        op = plan.ops[op.inputs[0]]
        if not isinstance(op, Affine | Columns | Impute):
            return None
        before.append(op)
    return Chain(tuple(reversed(before)), scores)


def obstacle(found: Chain) -> str | None:
    """Why the compiled kernel can't serve these ops, or None where it can.

    Parameters
    ----------
    found : Chain
    """
    scores, before = found.scores, found.before
    scalers = [op for op in before if isinstance(op, Affine)]
    imputers = [op for op in before if isinstance(op, Impute)]
    if len(scalers) > 1 or (scalers and not isinstance(before[-1], Affine)):
        return "more than one scaler, or one in front of other steps"
    if scalers and scalers[0].clip is not None and not scalers[0].product:
        return "a scaler that divides and clips"
    if len(imputers) > 1:
        return "more than one imputer"
    if imputers and any(isinstance(op, Columns) and not op.allow_nan for op in before[: before.index(imputers[0])]):
        return "a selection in front of an imputer that takes no missing values"
    scale = scalers[0].scale if scalers else None
    if scale is not None and not (2.0**-_FARTHEST <= np.abs(scale).min() and np.abs(scale).max() <= 2.0**_FARTHEST):
        return "a scale beyond the range of doubles"
    if isinstance(scores, PlanarLinear) and (scores.centred or scores.sublinear or scores.idf is not None or scores.norm):
        return "weights with a tf-idf folded in"
    n_features = _width(scores)
    if n_features > _MOST_FEATURES or n_features * len(scores.bias) > _MOST_WEIGHTS:
        return f"{n_features} x {len(scores.bias)} weights are more than the pass over tables is made for"
    return None


def build(
    module: ModuleType,
    found: Chain,
    n_columns: int,
    decision: Op | None = None,
    other: Callable[[Any], Any] | None = None,
    settle: Callable[[NDArray[Any], list[int], list[int]], list[int]] | None = None,
) -> Any:
    """A compiled model of rows → labels (with a decision) or scores.

    Parameters
    ----------
    module : module
        The compiled door.
    found : Chain
        One that has no obstacle.
    n_columns : int
        Of a row as it comes.
    decision : ArgMax, Threshold or None
    other : callable or None
        Answers ``predict`` for what the kernel does not read.
    settle : callable or None
        (rows, labels, positions) → labels, for the rows that no plane settled.
    """
    weights = _Weights(module, found.scores, _relative(found.before))
    steps = _Steps(found.before, weights)
    config = {
        "n_columns": n_columns,
        "n_features": weights.n_features,
        "padded": weights.padded,
        "n_outputs": weights.n_outputs,
        "at": decision.at if isinstance(decision, Threshold) else 0.0,
        **steps.config,
        **weights.config,
    }
    arrays = {**steps.arrays, **weights.arrays, "plane": None}
    if weights.n_outputs >= _PLANE_OUTPUTS and weights.n_outputs * weights.padded >= _PLANE_WEIGHTS:
        plane = _Plane(weights)
        config, arrays = {**config, **plane.config}, {**arrays, **plane.arrays}
    return module.TableModel(config, arrays, None if decision is None else class_array(decision), other, settle)


def link(module: ModuleType, plan: Plan, method: str) -> tuple[int, Any] | None:
    """The position of the scores that a method's answer follows from, and how it does; None where no kernel knows that way.

    Parameters
    ----------
    module : module
        The compiled door.
    plan : Plan
    method : str
        One of its outputs.
    """
    found = linked(plan, plan.outputs[method], flat=method == "decision_function")
    scores = plan.ops[found.position] if found.position >= 0 else None
    if not isinstance(scores, Linear | PlanarLinear):
        return None
    return found.position, found.made(module, len(scores.bias))


class _Weights:
    """Weights in the kernel's layout, outputs x features; powers of two bring each feature's largest to about 1."""

    def __init__(self, module: ModuleType, op: Linear | PlanarLinear, relative: tuple[float, float]) -> None:
        self.bias = np.ascontiguousarray(op.bias, np.float64)
        self.n_features, self.n_outputs = _width(op), len(op.bias)
        # The roundoff of the source's sums: float32 where both the rows and its weights are.
        self.unit = (_FLOAT64, _FLOAT32 if op.dtype == "float32" else _FLOAT64)
        self.relative = relative
        if isinstance(op, Linear):
            found = module.weights(op.weight, None, None, 0.0, relative, self.unit)
        else:
            found = module.weights(op.rows, op.exponent, op.index, op.error, relative, self.unit)
        self.step, self.largest, self.gain, self.fine = (found[name] for name in ("step", "largest", "gain", "fine"))
        self.padded = len(self.gain)
        self.arrays = {
            "hot": found["hot"],
            "fine": None if found["exact"] else self.fine,
            "bias": self.bias,
            **{name: found[name] for name in ("hot_bound", "lane_bound", "fine_bound")},
        }
        size, n = found["size"], float(self.padded)
        underflow = size * 2.0**-1020, size * 2.0**-124
        self.config = {
            "bias_max": max(map(abs, self.bias.tolist()), default=0.0),
            "hot_slack": tuple(n * 2.0**-118 + u for u in underflow),
            "fine_slack": (
                n * 2.0**-1000 + underflow[0],
                n * (2.0**-118 if self.unit[1] == _FLOAT32 else 2.0**-1000) + underflow[1],
            ),
            "last": tuple(max(8.0 * unit, 2.0**-49) for unit in self.unit),
            "most": found["most"],
        }

    @property
    def scaled(self) -> NDArray[np.float64]:
        """Features x outputs."""
        found: NDArray[np.float64] = self.fine.reshape(self.n_outputs, self.padded)[:, : self.n_features].T
        return found

    def padded_to(self, values: NDArray[Any]) -> NDArray[Any]:
        """One value a feature, zeros behind."""
        out = np.zeros(self.padded, values.dtype)
        out[: self.n_features] = values
        return out


class _Plane:
    """Weights rounded to int8, one scale an output, and what a unit of a row's norm adds to the error of each output."""

    def __init__(self, weights: _Weights) -> None:
        n_blocks, scaled = -(-weights.n_features // _BLOCK), weights.scaled
        with np.errstate(under="ignore"):
            scale = _rounded_up(np.maximum(np.abs(scaled).max(axis=0) / 127.0, 2.0**-60)).astype(np.float64)
        steps = np.rint(scaled / scale)
        away = _norm(scaled - steps * scale) + _norm(weights.step[:, None])
        share = [
            (weights.n_features + 4.0) * unit + relative + 2.0 * _FLOAT32
            for relative, unit in zip(weights.relative, weights.unit, strict=True)
        ]
        values = np.zeros((n_blocks * _BLOCK, weights.n_outputs), np.int8)
        values[: weights.n_features] = steps
        whole = weights.config
        last = [2.0**-19 + 4.0 * unit for unit in whole["last"]]
        floor = [a * whole["bias_max"] + slack for a, slack in zip(last, whole["hot_slack"], strict=True)]
        self.config = {"plane_last": tuple(last), "plane_floor": tuple(f * (1.0 + 2.0**-8) for f in floor)}
        errors = [(away + _norm(weights.largest[:, None]) * s) * (1.0 + 2.0**-8) for s in share]
        self.arrays = {
            "plane": values,
            "plane_scale": _padded_outputs(scale),
            "plane_bias": _padded_outputs(weights.bias, -np.inf),
            "plane_error": tuple(map(_padded_outputs, errors)),
            "plane_size": _padded_outputs(_norm(steps) * scale * (1.0 + 2.0**-8)),
        }


def _norm(columns: NDArray[np.float64]) -> NDArray[np.float64]:
    """Of each column, without over- or underflow for what weights that are scaled to 1 leave."""
    return np.asarray(np.sqrt((columns * columns).sum(axis=0)))


def _padded_outputs(values: NDArray[np.float64], padding: float = 0.0) -> NDArray[np.float32]:
    out = np.full(-(-len(values) // _LANES) * _LANES, padding, np.float32)
    out[: len(values)] = values
    return out


def _rounded_up(values: NDArray[np.float64]) -> NDArray[np.float32]:
    """The next float32 above; what is beyond them all leaves its rows to the fine plane."""
    with np.errstate(over="ignore"):
        found: NDArray[np.float32] = np.nextafter(values.astype(np.float32), np.float32(np.inf))
    return found


class _Steps:
    """What is done to a row's values before the weights: a selection, a fill, one scaler."""

    def __init__(self, before: tuple[Affine | Columns | Impute, ...], weights: _Weights) -> None:
        column: NDArray[Any] | None = None
        fill: NDArray[np.float64] | None = None
        missing: float | None = None
        scaler: Affine | None = None
        for op in before:
            if isinstance(op, Columns):
                column = op.index if column is None else column[op.index]
                fill = None if fill is None else fill[op.index]
            elif isinstance(op, Impute):
                fill, missing = op.fill, op.missing
            else:
                scaler = op
        pad = weights.padded_to
        gain = weights.gain
        steps, shift, scale, clip = _AS_IS, None, None, None
        if scaler is not None and scaler.product:
            steps = _PRODUCT
            shift, scale = _rounded(scaler, scaler.shift, 0.0, pad), _rounded(scaler, scaler.scale, 1.0, pad)
            clip = scaler.clip
        elif scaler is not None:
            steps = _SHIFT
            shift = _rounded(scaler, scaler.shift, 0.0, pad)
            if scaler.scale is not None:
                gain[: weights.n_features] /= scaler.scale
        none = (None, None)
        both = None if fill is None else (pad(fill), pad(fill.astype(np.float32).astype(np.float64)))
        low, high = (-math.inf, math.inf) if clip is None else clip
        self.config = {
            "steps": steps,
            "checked": fill is not None or column is not None or clip is not None,
            "missing_is_nan": fill is not None and missing is None,
            "missing": 0.0 if missing is None else missing,
            "clipped": clip is not None,
            "low": (low, float(np.float32(low))),
            "high": (high, float(np.float32(high))),
        }
        self.arrays: dict[str, Any] = {
            "column": None if column is None else np.ascontiguousarray(column, np.uint32),
            "fill": none if both is None else both,
            "shift": none if shift is None else shift,
            "scale": none if scale is None else scale,
            "gain": gain,
            **self._narrow(scaler, shift, scale, gain, weights.n_features),
        }

    @staticmethod
    def _narrow(scaler: Affine | None, shift: Any, scale: Any, gain: NDArray[np.float64], n_features: int) -> dict[str, Any]:
        """The steps of float32 rows in float32, where the source rounds its constants first: an operation on two numbers of
        float32 gives the same whether it is rounded from doubles or at once."""
        size = np.abs(gain[:n_features])
        if (scaler is not None and not scaler.cast) or size.min() < 2.0**-100 or size.max() > 2.0**100:
            return {"shift32": None, "scale32": None, "gain32": None}
        constants = (None if c is None else c[1].astype(np.float32) for c in (shift, scale))
        return {**dict(zip(("shift32", "scale32"), constants, strict=True)), "gain32": gain.astype(np.float32)}


def _relative(before: tuple[Affine | Columns | Impute, ...]) -> tuple[float, float]:
    """How far our scaled values may be from the source's, for rows of float64 and float32: it divides; a product with the
    reciprocal is within 3 units of that (and the scale was rounded)."""
    divides = any(isinstance(op, Affine) and not op.product and op.scale is not None for op in before)
    return (4.0 * _FLOAT64, 4.0 * _FLOAT32) if divides else (0.0, 0.0)


def _rounded(
    op: Affine, values: NDArray[np.float64] | None, neutral: float, pad: Callable[[NDArray[Any]], NDArray[Any]]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """A scaler's constants for rows of float64, and for rows of float32, where the source may round them first."""
    size = next(len(c) for c in (op.shift, op.scale) if c is not None) if values is None else len(values)
    found = np.full(size, neutral) if values is None else values
    return pad(found), pad(found.astype(np.float32).astype(np.float64) if op.cast else found)


def _width(op: Linear | PlanarLinear) -> int:
    if isinstance(op, Linear):
        return len(op.weight)
    return len(op.rows) if op.index is None else len(op.index)
