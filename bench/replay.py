"""Rounds that were measured elsewhere, as a benchmark of pytest-benchmark.

Contenders run interleaved, each in a process of its own, so the fixture can't call them. It calls a :class:`Replay`
in their place, under a clock that moves on by what a round took and by nothing else: its statistics are theirs.
"""

from __future__ import annotations

from collections.abc import Iterable

_now = 0.0


def clock() -> float:
    """The timer for ``@pytest.mark.benchmark(timer=clock)``."""
    return _now


class Replay:
    """A target of ``benchmark.pedantic`` that takes each of the given times in turn."""

    def __init__(self, seconds: Iterable[float]) -> None:
        self._seconds = iter(seconds)

    def __call__(self) -> None:
        global _now
        _now += next(self._seconds)
