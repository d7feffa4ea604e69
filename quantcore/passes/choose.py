"""Choose among candidates by an objective, within limits, and say of each why it was kept or dropped."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

__all__ = ["OBJECTIVES", "chosen", "too_slow"]

# What is made small. Batches and single rows are ranked alike by the cost model; equal ones by the other figure.
OBJECTIVES: dict[str, Callable[[dict[str, Any]], tuple[float, ...]]] = {
    "balanced": lambda one: (one["bytes"] * one["latency"], one["bytes"]),
    "size": lambda one: (one["bytes"], one["latency"]),
    "latency": lambda one: (one["latency"], one["bytes"]),
    "throughput": lambda one: (one["latency"], one["bytes"]),
}


def chosen(
    candidates: Sequence[dict[str, Any]], objective: str, max_bytes: int | None = None, max_latency: float | None = None
) -> int | None:
    """The position of the best candidate, or None where none is ``good``; sets ``kept`` and ``why`` of each.

    Parameters
    ----------
    candidates : sequence of dict
        ``form``, ``bytes``, ``latency``, ``agreement``, ``good``; the last is taken out.
    objective : str
    max_bytes : int or None
        Sizes are estimates: where all are above it the smallest is chosen, and the file decides.
    max_latency : float or None

    Raises
    ------
    ValueError
        No candidate that agrees is fast enough.
    """
    good = [i for i, one in enumerate(candidates) if one.pop("good")]
    fast = [i for i in good if max_latency is None or candidates[i]["latency"] <= max_latency]
    if good and not fast:
        nearest = min((candidates[i] for i in good), key=lambda one: (one["latency"], one["bytes"]))
        raise too_slow(nearest["latency"], max_latency, nearest["form"])
    small = [i for i in fast if max_bytes is None or candidates[i]["bytes"] <= max_bytes]
    order = OBJECTIVES[objective if small else "size"]
    best = min(small or fast, key=lambda i: order(candidates[i]), default=None)
    for i, one in enumerate(candidates):
        one["kept"] = i == best
        if i == best:
            one["why"] = "chosen: the smallest that agrees" if objective == "size" else f"chosen: the best for {objective!r}"
        elif i not in good:
            one["why"] = "flips too many labels"
        elif i not in fast:
            one["why"] = "takes more than max_latency"
        elif small and i not in small:
            one["why"] = "takes more than max_bytes"
        elif any(_beats(candidates[j], one) for j in good):
            one["why"] = "agrees, but another form is no larger and no slower"
        else:
            one["why"] = f"on the front of size and time, but not the best for {objective!r}"
    return best


def _beats(one: dict[str, Any], other: dict[str, Any]) -> bool:
    pairs = [(one[name], other[name]) for name in ("bytes", "latency")]
    return all(a <= b for a, b in pairs) and any(a < b for a, b in pairs)


def too_slow(latency: float, limit: float | None, form: str) -> ValueError:
    """What is said where a limit can't be met."""
    return ValueError(
        f"max_latency={limit!r} can't be met: the closest candidate ({form}) takes {latency:.3g} s a row by the cost model; "
        "raise the limit, or lower min_agreement"
    )
