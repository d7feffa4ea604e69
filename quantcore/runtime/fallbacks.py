"""What is served by something slower or less sure than the compiled, certified pass: counted, and told to whoever listens.

Counting costs nothing where that pass serves: it happens on the ways that leave it. The reasons are names that servers export:
they stay as they are.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from threading import get_ident
from typing import Any, NamedTuple

__all__ = ["REASONS", "Fallback", "Fallbacks", "on_fallback"]

REASONS = {
    "numpy": "rows that NumPy served since a compiled module is not there",
    "selftest": "rows that NumPy served since the compiled kernels failed the artifact's self-test",
    "op_by_op": "rows that no single compiled pass served: each op ran on its own, on kernels or in NumPy",
    "open": "rows that no plane settled, and that got the best answer",
    "cold": "rows that no hot plane settled, and that the cold planes did",
    "on_uncertain": "rows that no plane settled, and that went to the caller's on_uncertain",
    "kept": "rows that a step of scikit-learn served, kept by unsupported='keep'",
}


_OPEN = {
    "open": "no plane settled them; they got the best answer",
    "cold": "the source's own arithmetic settled them",
    "on_uncertain": "no plane settled them; on_uncertain was asked",
}


class Fallback(NamedTuple):
    """What :func:`on_fallback` tells.

    Parameters
    ----------
    reason : str
        "numpy", "selftest", "op_by_op", "open", "cold", "on_uncertain" or "kept".
    detail : str
        Why, for people: its words may change.
    rows : int
        Of this call; 0 where a model was loaded.
    model : str
        The model's digest; "" for a PartialModel, which has none.
    """

    reason: str
    detail: str
    rows: int
    model: str


Hook = Callable[[Fallback], Any]
_hook: Hook | None = None


def on_fallback(hook: Hook | None) -> Hook | None:
    """Have every fallback told, from now on.

    What lasts ("numpy", "selftest", "op_by_op", "kept") is told once a model and detail; what happens to rows ("open", "cold",
    "on_uncertain") with each call that has some. ``model.stats()`` counts the rows of all of them, whether somebody listens or
    not.

    Parameters
    ----------
    hook : callable of Fallback, or None
        Called on the thread that predicts, before the answer is returned; what it raises is logged, and the answer stands. None:
        nobody listens.

    Returns
    -------
    callable or None
        The hook that was there before.
    """
    global _hook
    if hook is not None and not callable(hook):
        raise TypeError(f"on_fallback expects a callable of one record, or None; got {type(hook).__name__!r}")
    before, _hook = _hook, hook
    return before


class Fallbacks:
    """Counters of one model.

    Parameters
    ----------
    digest : callable of () → str
        Asked for only where somebody listens: digests take time.
    """

    def __init__(self, digest: Callable[[], str]) -> None:
        self._digest = digest
        self._counted: dict[tuple[str, int], list[int]] = {}  # by reason and thread: without a GIL no two of them add to one
        self._told: set[tuple[str, str]] = set()
        self.answerer = "open"
        self.lasting: tuple[str, str] | None = None  # reason and detail, where no compiled pass serves this model at all

    def count(self, reason: str, rows: int, detail: str, *, once: bool = False) -> None:
        """Rows that fell back; ``once``: the hook hears of a detail once."""
        self._counted.setdefault((reason, get_ident()), [0])[0] += rows
        if _hook is not None:
            self._tell(_hook, reason, rows, detail, once=once)

    def left_open(self, rows: int) -> None:
        """Rows that no hot plane settled, and who answers for them."""
        self.count(self.answerer, rows, _OPEN[self.answerer])

    def op_by_op(self, rows: int, obstacles: Collection[str]) -> None:
        """Rows that were served op by op, and what stands in the way of the one pass."""
        if self.lasting is not None:
            self.count(self.lasting[0], rows, self.lasting[1], once=True)
            return
        found = "; ".join(sorted(set(obstacles)))
        self.count("op_by_op", rows, found or "no kernel serves all the way from these rows to this answer", once=True)

    def lasts(self, reason: str, detail: str) -> None:
        """No compiled pass serves this model, from now on."""
        self.lasting = reason, detail
        self.count(reason, 0, detail, once=True)

    def stats(self) -> dict[str, int]:
        """Rows by reason, under the names of ``model.stats()``."""
        total = dict.fromkeys(REASONS, 0)
        for (reason, _), (rows,) in list(self._counted.items()):
            total[reason] += rows
        return {f"fallback_{reason}": rows for reason, rows in total.items()}

    def _tell(self, hook: Hook, reason: str, rows: int, detail: str, *, once: bool) -> None:
        if once and (reason, detail) in self._told:
            return
        self._told.add((reason, detail))
        try:
            hook(Fallback(reason, detail, rows, self._digest()))
        except Exception:  # who listens must not break who predicts
            import logging  # 2 ms that only this needs

            logging.getLogger("quantcore").exception("the hook of quantcore.on_fallback failed")
