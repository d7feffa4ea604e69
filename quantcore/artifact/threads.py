"""The one reader of QUANTCORE_THREADS."""

from __future__ import annotations

import functools
import os

__all__ = ["most_threads"]


@functools.cache
def most_threads() -> int:
    """QUANTCORE_THREADS: more threads are never used, whatever a call asks for."""
    value = os.environ.get("QUANTCORE_THREADS", "")
    if not value:
        return 1 << 16
    if not value.isascii() or not value.isdigit() or int(value) < 1:
        raise ValueError(f"QUANTCORE_THREADS={value!r}; expected a positive number")
    return int(value)
