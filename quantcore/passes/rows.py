"""Rows for a model that came without any: to state how far its scores may be off."""

from __future__ import annotations

from typing import Any

import numpy as np

from quantcore.passes.accepted import accepted
from quantcore.plan import INPUT, Plan
from quantcore.plan.ops import Affine, Linear, Text
from quantcore.runtime import selftest

__all__ = ["drawn_rows"]

_ROWS = 200
_MOST_NUMBERS = 1 << 22
_SYMBOLS = 20


def drawn_rows(plan: Plan, seed: int) -> Any:
    """Rows that the Plan takes, or None if none are found; see ``_drawn``.

    Parameters
    ----------
    plan : Plan
        The source's.
    seed : int
    """
    rows = _drawn(plan, seed)
    return accepted(plan, rows, seed) if plan.input in ("matrix", "table") else rows


def _drawn(plan: Plan, seed: int) -> Any:
    """Rows as ``predict`` takes them: texts of symbols of the vocabularies, or numbers as a scaler says that columns are spread;
    without one such that all columns weigh alike.
    """
    random = np.random.default_rng(seed)
    if plan.input in ("table", "records"):
        return selftest.rows(plan)
    if plan.input == "text":
        return _texts(plan, random)
    width = plan.n_features_in or 1
    rows = random.normal(size=(max(1, min(_ROWS, _MOST_NUMBERS // width)), width))
    first = [op for op in plan.ops if INPUT in op.inputs]
    scaler = next((op for op in first if isinstance(op, Affine)), None)
    if scaler is not None:
        scale = 1.0 if scaler.scale is None else scaler.scale
        shift = 0.0 if scaler.shift is None else scaler.shift
        return (rows - shift) / scale if scaler.product else rows * scale + shift
    linear = next((op for op in first if isinstance(op, Linear)), None)
    if linear is None:
        return rows
    largest = np.abs(linear.weight).max(axis=1)
    return rows / np.where(largest > 0.0, largest / np.median(largest[largest > 0.0]) if largest.any() else 1.0, 1.0)


def _texts(plan: Plan, random: np.random.Generator) -> list[str]:
    known = [op.vocabulary for op in plan.ops if isinstance(op, Text) and op.vocabulary is not None]
    symbols = [s for vocabulary in known for s in vocabulary.symbols()]
    if not symbols:
        return [" ".join(f"w{i}" for i in random.integers(0, 10_000, _SYMBOLS)) for _ in range(_ROWS)]
    gap = next((v.separator for v in known if v.separator), " ")
    return [gap.join(symbols[i] for i in random.integers(0, len(symbols), _SYMBOLS)) for _ in range(_ROWS)]
