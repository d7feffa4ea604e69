"""A thread that works through what it is given, beside whoever serves: who serves never waits for it."""

from __future__ import annotations

import logging
import os
import queue
import threading
from collections.abc import Callable
from typing import Any

__all__ = ["Background"]

_IDLE = 1.0  # seconds after which the thread ends: whoever made this can then be forgotten


class Background:
    """Items are worked through one after another, in their order, on a thread that is there while there are some.

    A process that forks begins anew in the child: what waits is the parent's.

    Parameters
    ----------
    work : callable of item
        What it raises is logged.
    most_waiting : int
    name : str
        Of the thread.
    """

    def __init__(self, work: Callable[[Any], None], most_waiting: int, name: str) -> None:
        self._work, self._most, self._name = work, most_waiting, name
        self._begin()

    def _begin(self) -> None:
        self._process = os.getpid()
        self._lock = threading.Lock()
        self._waiting: queue.Queue[Any] = queue.Queue(self._most)
        self._thread: threading.Thread | None = None

    def put(self, item: Any) -> bool:
        """Have an item worked on; False where as many wait as may."""
        if self._process != os.getpid():  # the lock may be held, by a thread that is not there
            self._begin()
        with self._lock:
            try:
                self._waiting.put_nowait(item)
            except queue.Full:
                return False
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name=self._name, daemon=True)
                self._thread.start()
        return True

    def flush(self) -> None:
        """Wait until everything that was taken on is done."""
        if self._process == os.getpid():
            self._waiting.join()

    def close(self) -> None:
        """Finish what was taken on, and end the thread. What comes later is worked on as before."""
        if self._process != os.getpid():
            return
        self.flush()
        with self._lock:
            thread = self._thread
            if thread is not None:
                self._waiting.put_nowait(self)  # nothing is in front of it
        if thread is not None:
            thread.join()

    def _run(self) -> None:
        while True:
            try:
                item = self._waiting.get(timeout=_IDLE)
            except queue.Empty:
                with self._lock:
                    if self._waiting.empty():
                        self._thread = None
                        return
                continue
            try:
                if item is self:
                    with self._lock:
                        if self._waiting.empty():
                            self._thread = None
                            return
                    continue
                self._work(item)
            except Exception:  # who was served was answered long ago; what fails must not end the rest
                logging.getLogger("quantcore").exception("%s: failed", self._name)
            finally:
                self._waiting.task_done()
