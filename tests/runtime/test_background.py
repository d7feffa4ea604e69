"""The thread beside whoever serves: everything that was taken on is done, in order, and nobody waits who need not."""

from __future__ import annotations

import os
import threading
import time

import pytest

from quantcore.runtime import background
from quantcore.runtime.background import Background


def ended(thread):
    thread.join(10)
    return not thread.is_alive()


def test_all_is_done_in_order_and_an_idle_thread_ends(monkeypatch):
    monkeypatch.setattr(background, "_IDLE", 0.01)
    done: list[int] = []
    beside = Background(done.append, 100, "test")
    for start in (0, 50):  # the second time on a thread of its own
        assert all(beside.put(i) for i in range(start, start + 50))
        beside.flush()
        assert done == [*range(start + 50)]
        until = time.monotonic() + 10
        while beside._thread is not None and time.monotonic() < until:
            time.sleep(0.005)
        assert beside._thread is None


def test_closing_finishes_what_was_taken_on():
    done: list[int] = []
    beside = Background(done.append, 10, "test")
    beside.close()  # no thread was begun
    assert beside.put(1)
    thread = beside._thread
    beside.close()
    assert done == [1] and ended(thread)
    assert beside.put(2)
    beside.close()
    assert done == [1, 2]


def test_what_comes_while_it_closes_is_worked_on():
    go, done = threading.Event(), []

    def work(item):
        go.wait(10)
        done.append(item)

    beside = Background(work, 10, "test")
    beside.put(1)
    beside._waiting.put_nowait(beside)  # as close() does
    beside.put(2)
    go.set()
    beside.flush()
    assert done == [1, 2] and beside._thread is not None
    beside.close()


def test_as_many_wait_as_may(caplog):
    go = threading.Event()

    def work(item):
        go.wait(10)
        raise KeyError(item)

    beside = Background(work, 1, "test")
    taken = [beside.put(i) for i in range(10)]
    assert taken[0] and not all(taken)
    go.set()
    beside.close()
    assert sum("test: failed" in record.getMessage() for record in caplog.records) == sum(taken)


def test_a_child_begins_anew(monkeypatch):
    """After a fork the parent's thread is not there: its lock may be held, and what waits is its own."""
    go, done = threading.Event(), []

    def work(item):
        if item == "parent's":
            go.wait(10)
        done.append(item)

    beside = Background(work, 1, "test")
    beside.put("parent's")
    thread, lock, waiting = beside._thread, beside._lock, beside._waiting
    with lock, monkeypatch.context() as child:
        child.setattr(os, "getpid", lambda: -1)
        beside.flush()  # both would wait for ever for the parent's item
        beside.close()
        assert beside.put("child's")
        beside.flush()
        assert done == ["child's"]
        beside.close()
    beside._waiting = waiting  # here the parent's thread is there after all
    go.set()
    assert ended(thread)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="processes don't fork here")
@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
def test_a_fork_while_items_wait():
    go = threading.Event()
    beside = Background(lambda item: go.wait(10) if item else None, 4, "test")
    beside.put(1)
    child = os.fork()
    if not child:
        fine = False
        try:
            beside.flush()
            fine = beside.put(0)
            beside.close()
        finally:
            os._exit(0 if fine else 1)
    go.set()
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    beside.close()
