"""Compiled models of CSR rows → labels: which parts of a Plan they can serve, and their weights.

What the kernel's bounds cover is derived in ARCHITECTURE.md, section 3, "CSR rows"; the names are the same here.
"""

from __future__ import annotations

from collections.abc import Callable
from types import ModuleType
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from quantcore.plan import Csr, Plan
from quantcore.plan.ops import Affine, ArgMax, Linear, PlanarLinear, Threshold
from quantcore.reference.bounds import edges
from quantcore.runtime import pruned, table
from quantcore.runtime.text import class_array

__all__ = ["Chain", "build", "chain", "obstacle"]

_LANES = 16
_UNIT = {"float64": 2.0**-53, "float32": 2.0**-24}
# Weights beyond this leave float32 when they meet rows; those below the other are left to the bound alone.
_LARGEST, _SMALLEST = 2.0**60, 2.0**-80
_CACHED = 1 << 19  # bytes of hot rows that a second cache holds beside all else: nothing is prefetched
_FARTHEST = 2.0**30  # of a scaler from 1
_UP = 1.0 + 2.0**-20


class Chain(NamedTuple):
    """The way from a CSR row to its scores."""

    scaler: Affine | None
    scores: Linear | PlanarLinear


def chain(plan: Plan, position: int) -> Chain | None:
    """The way to the scores at a position, where nothing but one scaling of columns stands in front of them.

    Parameters
    ----------
    plan : Plan
    position : int
    """
    found = table.chain(plan, position)
    if found is None or not found.before:
        return None if found is None else Chain(None, found.scores)
    scaler, *others = found.before
    if others or not isinstance(scaler, Affine) or scaler.clip is not None:
        return None
    refuses = scaler.sparse == "refuse" or (scaler.sparse == "centre" and scaler.shift is not None)
    return None if refuses else Chain(scaler if scaler.scale is not None else None, found.scores)


def obstacle(found: Chain) -> str | None:
    """Why the compiled kernel can't serve these ops, or None where it can.

    Parameters
    ----------
    found : Chain
    """
    op, scaler = found.scores, found.scaler
    if isinstance(op, PlanarLinear):
        if op.centred or op.sublinear or op.idf is not None or op.norm is not None:
            return "weights with a tf-idf folded in"
        with np.errstate(over="ignore"):
            largest = float(np.ldexp(max(op.amplitude, 2.0**31), int(op.exponent.max(initial=-1000))))
    else:
        largest = float(np.abs(op.weight).max(initial=0.0))
    if not max(largest, float(np.abs(op.bias).max())) <= _LARGEST:
        return "weights beyond the range of float32"
    if scaler is not None and scaler.scale is not None:
        size = np.abs(scaler.scale)
        if not (1.0 / _FARTHEST <= size.min() and size.max() <= _FARTHEST):
            return "a scale beyond the range of float32"
    return None


def build(
    module: ModuleType,
    found: Chain,
    decision: ArgMax | Threshold,
    other: Callable[[Any], Any],
    settle: Callable[[Any, list[int], list[int]], list[int]] | None = None,
) -> Any:
    """A compiled model of CSR rows → labels.

    Parameters
    ----------
    module : module
        The compiled door.
    found : Chain
        One that has no obstacle.
    decision : ArgMax or Threshold
    other : callable
        Answers ``predict`` for what the kernel does not read.
    settle : callable or None
        (rows, labels, positions) → labels, for the rows that no plane settled; rows are all that were given.
    """
    op, n_outputs = found.scores, len(found.scores.bias)
    fine = _Fine(op)
    gain = None if found.scaler is None or found.scaler.scale is None else np.asarray(1.0 / found.scaler.scale, np.float64)
    hot = _Rows(fine, gain) if n_outputs > 1 else _Column(fine, gain)
    tiny, largest = edges(op.dtype)
    at = decision.at if isinstance(decision, Threshold) else 0.0
    config = {
        "bias_max": float(np.abs(op.bias).max()),
        "at": at,
        "empty_label": int(np.argmax(op.bias.astype(op.dtype))) if n_outputs > 1 else int(op.bias[0] > at),
        "unit": _UNIT[op.dtype],
        "tiny": tiny,
        "largest": largest,
        "prefetch": 0,
        **hot.config,
    }
    plane = hot.plane(module)
    arrays = {
        "spread": None,
        "column": None,
        "bias32": None,
        "features": None,
        **hot.arrays,
        "gain": gain,
        "step": fine.step,
        "size": fine.size,
    }
    exact = module.ExactRows(fine.rows, np.ascontiguousarray(op.bias, np.float64), fine.exponent, fine.index)
    return module.LabelModel(config, arrays, plane, exact, class_array(decision), Csr, other, settle)


class _Fine:
    """The op's own weights, equal rows once; of each stored row the grid's step and the largest weights, ours and the
    source's."""

    def __init__(self, op: Linear | PlanarLinear) -> None:
        self.op, self.exponent = op, None  # type: Linear | PlanarLinear, NDArray[np.int16] | None
        if isinstance(op, Linear):
            self.rows, index, first = _distinct(op.weight)
            self.index = index
            self.weight = self.rows
            self.step = np.zeros(len(self.rows))
            self.source = np.abs(self.weight).max(axis=1, initial=0.0)
        else:
            whole = np.hstack([op.rows.astype(np.int32), op.exponent[:, None].astype(np.int32)])
            _, index, first = _distinct(whole)
            self.index = index if op.index is None else index[op.index]
            self.rows, self.exponent = op.rows[first], op.exponent[first]
            power = np.ldexp(1.0, self.exponent.astype(np.int64))
            self.weight = self.rows * power[:, None]
            self.step, self.source = op.error * power, op.amplitude * power
        self.own = np.abs(self.weight).max(axis=1, initial=0.0) + self.step
        self.size = np.maximum(self.source, self.own)
        self.unit = _UNIT[op.dtype]


def _distinct(rows: NDArray[Any]) -> tuple[NDArray[Any], NDArray[np.uint32], NDArray[np.int64]]:
    """Equal rows once, in the order in which they first stand: the rows, the place of each, the first of each."""
    words = np.ascontiguousarray(rows).view(np.uint32).reshape(len(rows), -1)
    # Odd factors, so that rows that differ in one word differ; rows that meet by chance are told apart below.
    factors = np.random.default_rng(0).integers(0, 1 << 63, words.shape[1], np.uint64) * np.uint64(2) + np.uint64(1)
    keys = np.zeros(len(words), np.uint64)
    for word, factor in zip(words.T, factors, strict=True):
        keys += word * factor
    _, first, inverse = np.unique(keys, return_index=True, return_inverse=True)
    first = first.astype(np.int64)
    strangers = np.flatnonzero((words != words[first[inverse]]).any(axis=1))
    if len(strangers):  # each stays alone
        inverse[strangers] = len(first) + np.arange(len(strangers))
        first = np.concatenate([first, strangers])
    order = np.argsort(first, kind="stable")
    place = np.empty(len(order), np.uint32)
    place[order] = np.arange(len(order), dtype=np.uint32)
    return rows[first[order]], place[inverse.reshape(-1)], first[order]


class _Hot:
    """What hot planes have in common: shares of what is rounded, spreads per feature, the largest bound."""

    def __init__(self, fine: _Fine, gain: NDArray[np.float64] | None, scores: float) -> None:
        self.fine, self.gain = fine, gain
        self.scores = scores  # how many are compared

    def spread(self, away: NDArray[np.float64], own: NDArray[np.float64], ours: float, floor: float) -> NDArray[np.float64]:
        """Of each feature, what |x| adds to the bound: what stands in for its weights is ``away`` from them, and no larger than
        ``own``; ``ours`` is the roundoff of our sums."""
        fine, unit = self.fine, self.fine.unit
        source = 2.0**-13 if unit == _UNIT["float32"] else 2.0**-20
        stored = np.maximum.reduce([away + self.scores * fine.step, own * floor, fine.size * source]) * _UP
        used = stored > 0.0
        k_own, k_source = ((s[used] / stored[used]).max(initial=0.0) for s in (own, fine.size))
        scaled = (0.0, 0.0) if self.gain is None else (_UNIT["float64"], _UNIT["float32"])
        # Half as much again covers second orders: n * unit is below 1 / 16.
        half_more = 1.5 * self.scores
        share = half_more * (k_own * ours + k_source * unit)
        fixed = tuple(half_more * (k_own * 6.0 * ours + k_source * (3.0 * unit + 2.0 * x + 2.0**-50)) for x in scaled)
        most = 2.0**100
        spread = stored[fine.index]
        if self.gain is not None:
            size = np.abs(self.gain)
            # No value times its gain may overflow, whatever its weights: then the source refuses the row.
            least = float(stored.max(initial=0.0)) * 2.0**-30 if used.any() else 1.0
            spread = np.maximum(spread, least) * size * _UP
            most = min(most, least * 2.0**120)
        self.config = {"share": share, "fixed": fixed, "most": most}
        return np.asarray(spread)

    def largest(self) -> float:
        """Of all that a value which underflows is multiplied by."""
        gain = 1.0 if self.gain is None else max(1.0, float(np.abs(self.gain).max()))
        return float(self.fine.size.max(initial=0.0)) * gain


class _Rows(_Hot):
    """Several outputs: int8 rows, one scale each; what is compared are two scores."""

    def __init__(self, fine: _Fine, gain: NDArray[np.float64] | None) -> None:
        super().__init__(fine, gain, 2.0)
        largest = np.abs(fine.weight).max(axis=1, initial=0.0)
        used = largest >= _SMALLEST
        scale = np.where(used, _rounded_up(largest / 127.0).astype(np.float64), 1.0)
        steps = np.where(used[:, None], np.rint(fine.weight / scale[:, None]), 0.0)
        rest = fine.weight - steps * scale[:, None]
        away = (rest.max(axis=1) - rest.min(axis=1)) * _UP + fine.own * 2.0**-50
        own = np.maximum(fine.own, np.where(used, 127.0 * scale, 0.0))
        spread = self.spread(away, own, 2.0**-24, 2.0**-10)
        self.steps, self.scale = steps.astype(np.int8), scale
        slack = 2.0**-115 + 2.0**-120 * (self.largest() + float(spread.max(initial=0.0)))
        self.config |= {"last": 2.0**-22, "slack": (slack, slack)}
        bias = np.full(-(-len(fine.op.bias) // _LANES) * _LANES, -np.inf, np.float32)
        bias[: len(fine.op.bias)] = fine.op.bias
        self.arrays = {"spread": _rounded_up(spread), "bias32": bias}

    def plane(self, module: ModuleType) -> Any:
        """The rows, in full or pruned; in full with what belongs to a feature in one place."""
        n_outputs, density = self.steps.shape[1], np.count_nonzero(self.steps) / self.steps.size
        gain = 1.0 if self.gain is None else self.gain
        scale = (self.scale[self.fine.index] * gain).astype(np.float32)
        if pruned.layout(len(self.steps), n_outputs, density) != "rows":
            if self.gain is None:
                return pruned.build(module, self.steps, self.scale.astype(np.float32), self.fine.index)
            return pruned.build(module, self.steps[self.fine.index], scale)
        padded = -(-n_outputs // _LANES) * _LANES
        features = np.zeros((len(scale), 4), np.float32)
        features.view(np.uint32)[:, 0] = self.fine.index * np.uint32(padded // _LANES)
        features[:, 1], features[:, 2] = scale, self.arrays["spread"]
        self.arrays["features"] = features
        self.config["prefetch"] = int(len(self.steps) * padded > _CACHED)
        return module.Rows(self.steps, None, self.fine.index)


class _Column(_Hot):
    """One output: float32 weights, each beside its spread."""

    def __init__(self, fine: _Fine, gain: NDArray[np.float64] | None) -> None:
        super().__init__(fine, gain, 1.0)
        weight = fine.weight[:, 0]
        if gain is None:
            column = weight.astype(np.float32)[fine.index]
            away = np.abs(weight - weight.astype(np.float32))
        else:  # a product is within half a unit of float32 of its weight, but where it underflows
            column = (weight[fine.index] * gain).astype(np.float32)
            away = np.abs(weight) * 2.0**-24 + 2.0**-149 * _FARTHEST
        spread = self.spread(away + fine.own * 2.0**-50, fine.own, 2.0**-53, 2.0**-20)
        tiny, size = edges(fine.op.dtype)[0], self.largest()
        self.config |= {
            "last": max(8.0 * fine.unit, 2.0**-49),
            "slack": (8.0 * tiny + 2.0**-1018 * size, 8.0 * tiny + 2.0**-124 * size),
        }
        self.arrays = {"column": np.ascontiguousarray(np.stack([column, _rounded_up(spread)], axis=1))}

    def plane(self, module: ModuleType) -> None:
        return None


def _rounded_up(values: NDArray[np.float64]) -> NDArray[np.float32]:
    """The next float32 above, but for 0."""
    with np.errstate(over="ignore"):
        found: NDArray[np.float32] = np.nextafter(values.astype(np.float32), np.float32(np.inf))
    return np.where(values == 0.0, np.float32(0.0), found)
