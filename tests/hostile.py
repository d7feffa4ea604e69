"""What lies about itself, acts when it is read, or changes meanwhile: what the tests of hostile input share."""

from __future__ import annotations

import sys
import threading

import numpy as np

__all__ = ["DTYPES", "FAULTS", "LOCKED", "Liar", "Strange", "beside", "outcome"]

DTYPES = ["?", *"bBhHiIlLqQefdg"]
# What a caller may be told of bad input, and what the objects of these tests raise.
FAULTS = (TypeError, ValueError, KeyError, IndexError, AttributeError, RuntimeError, MemoryError, ZeroDivisionError)
# Without a GIL nothing locks arrays of objects, and NumPy's own copy crashes where another thread stores into one.
LOCKED = getattr(sys, "_is_gil_enabled", lambda: True)()


def outcome(call, X):
    """Labels, or that there was an error."""
    try:
        return call(X).tolist()
    except (*FAULTS, StopIteration):  # scikit-learn's of no documents that are to be hashed
        return "an error"


class Liar:
    """Says that it is an array, and gives what it was told to."""

    def __init__(self, given, shape):
        self.given, self.shape = given, shape
        self.dtype, self.ndim = np.dtype(float), len(shape)

    def __len__(self):
        return 1 << 40

    def __array__(self, dtype=None, copy=None):
        found = self.given() if callable(self.given) else self.given
        if isinstance(found, BaseException):
            raise found
        return found


class Strange:
    """A number that fails, or changes what holds it, when it is read."""

    def __init__(self, act):
        self.act = act

    def __float__(self):
        self.act()
        return 1.0


def beside(change, work, times=150):
    """``work`` many times while another thread goes on with ``change``; ``work`` may end in the errors of bad input."""
    end = threading.Event()

    def go_on():
        while not end.is_set():
            change()

    thread = threading.Thread(target=go_on)
    thread.start()
    try:
        for _ in range(times):
            try:
                work()
            except (TypeError, ValueError, LookupError):
                continue
            except RuntimeError as error:  # NumPy's, of lists that another thread makes longer while it counts them
                assert "Content of sequences changed" in str(error)
    finally:
        end.set()
        thread.join()
