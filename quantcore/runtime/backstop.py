"""What doors call for rows that they do not read or settle, without keeping who keeps them."""

from __future__ import annotations

import weakref
from collections.abc import Callable
from typing import Any

__all__ = ["Backstop"]


class Backstop:
    """Methods of an Executor, for the doors that it keeps.

    Did the doors keep it in turn, a model that is dropped, or replaced by ``reload``, would go on to hold its weights until
    Python's collector of cycles looks at old objects: in a quiet server never. So they know it weakly. Who keeps no more of a
    model than its bound ``predict`` has a door alone; then an Executor is made anew when the door first asks for it.

    Parameters
    ----------
    executor : Executor
    anew : callable of () → Executor
        Makes its like; keeps what that takes, not the Executor.
    """

    def __init__(self, executor: Any, anew: Callable[[], Any]) -> None:
        self._known = weakref.ref(executor)
        self._anew = anew
        self._made: Any = None

    @property
    def executor(self) -> Any:
        found = self._known() or self._made
        if found is None:  # threads that come at once may each make one
            found = self._made = self._anew()
        return found

    def predict(self, X: Any) -> Any:
        """Labels of what a door does not read."""
        return self.executor.predict(X)

    def labels(self, X: Any) -> Any:
        """Labels of what no compiled pass reads."""
        return self.executor.labels(X)

    def read_first(self, X: Any) -> Any:
        """Labels of what compiled trees don't read as it is."""
        return self.executor.read_first(X)

    def settle(self, rows: Any, labels: list[int], positions: list[int]) -> Any:
        """Places of labels for rows that no plane settled."""
        return self.executor.settle_labels(rows, labels, positions)

    def settle_csr(self, X: Any, labels: list[int], positions: list[int]) -> Any:
        """As ``settle``, of CSR rows that have not been read."""
        return self.executor.settle_csr(X, labels, positions)

    def at_cut(self, X: Any) -> Any:
        """The matrix at the cut of a Plan over tables."""
        return self.executor.at_cut(X)
