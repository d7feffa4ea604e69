"""Figures as people read them: no figure without its unit."""

from __future__ import annotations

__all__ = ["of_bytes", "of_rate", "of_seconds", "percent"]


def of_seconds(value: float | None) -> str:
    """From nanoseconds to seconds, three digits."""
    if value is None:
        return "–"
    for unit, factor in (("s", 1.0), ("ms", 1e-3), ("µs", 1e-6)):
        if value >= factor:
            return f"{value / factor:.3g} {unit}"
    return f"{value / 1e-9:.3g} ns"


def of_bytes(value: float | None) -> str:
    """Bytes, kB or MB (of a thousand each)."""
    if value is None:
        return "–"
    for unit, factor in (("GB", 1e9), ("MB", 1e6), ("kB", 1e3)):
        if value >= factor:
            return f"{value / factor:.3g} {unit}"
    return f"{value:.0f} B"


def of_rate(value: float) -> str:
    """Rows per second."""
    for unit, factor in (("M rows/s", 1e6), ("k rows/s", 1e3)):
        if value >= factor:
            return f"{value / factor:.3g} {unit}"
    return f"{value:.3g} rows/s"


def percent(value: float) -> str:
    """A share; as many digits as tell it from all and from none."""
    text = f"{100 * value:.2f}%"
    return text if text not in ("100.00%", "0.00%") or value in (0.0, 1.0) else f"{100 * value:.4f}%"
