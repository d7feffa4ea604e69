"""Calls of the doors, kept so that another CPU can make them again: what ``make same-bits`` records and replays.

A tape is a list of ``(place, name, given)``: the index of the call that made the object, or the name of a door; the method; what
was passed, packed. Only numbers, strings, arrays, CSR matrices and what holds them are kept, up to a size; a call with anything
else is left out, and so is what is asked of an object that such a call made. Callables become one that answers None. Needs NumPy
alone.
"""

from __future__ import annotations

import hashlib
import pickle
from collections.abc import Callable
from typing import Any

import numpy as np

from quantcore.plan import Csr

__all__ = ["LARGEST", "Recorded", "Tape", "digest", "replay"]

LARGEST = 1 << 20  # bytes of a call: an emulated CPU takes its time, and kernels have passed by every remainder by then
_SELECTING = ("select", "selected", "kernels")


class _LeftOut(Exception):
    """Something that is not kept."""


class _Made:
    """What an earlier call of the tape made."""

    def __init__(self, place: int) -> None:
        self.place = place


class _Callback:
    """A callable, which gives back what it is given."""


class Tape:
    """Calls of one test.

    Parameters
    ----------
    largest : int
        Bytes of a call that is kept.
    """

    def __init__(self, largest: int = LARGEST) -> None:
        self.calls: list[tuple[int | str, str, bytes]] = []
        self.slots: set[str] = set()
        self.largest, self.on, self.left_out = largest, True, 0

    def keep(self, place: int | str | None, name: str, given: tuple[Any, ...], named: dict[str, Any]) -> int | None:
        """The index of a call that is kept, or None."""
        if not self.on:
            return None
        try:
            if place is None:
                raise _LeftOut
            packed = pickle.dumps((_packable(given), _packable(named)), 5)
            if len(packed) > self.largest:
                raise _LeftOut
        except _LeftOut:
            self.left_out += 1
            return None
        self.calls.append((place, name, packed))
        return len(self.calls) - 1


class Recorded:
    """A door, or an object that it made, whose calls go on a tape."""

    def __init__(self, target: Any, tape: Tape, place: int | str | None) -> None:
        self._target, self._tape, self._place = target, tape, place

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._target, name)
        if not callable(found) or name in _SELECTING:
            return found

        def call(*given: Any, **named: Any) -> Any:
            place = self._tape.keep(self._place, name, given, named)
            answer = found(*map(_unwrapped, given), **{key: _unwrapped(value) for key, value in named.items()})
            return Recorded(answer, self._tape, place) if _is_native(answer) else answer

        return call


def replay(calls: list[tuple[int | str, str, bytes]], door: Callable[[str], Any]) -> str:
    """Make the calls of a tape.

    Parameters
    ----------
    calls : list
    door : callable of name → module

    Returns
    -------
    str
        A hash of all answers, of the errors' types, and of the arrays that calls wrote into.
    """
    made: list[Any] = []
    found: list[Any] = []
    for place, name, packed in calls:
        target = door(place) if isinstance(place, str) else made[place]
        given, named = _unpacked(pickle.loads(packed), made)
        written = [value for value in (*given, *named.values()) if isinstance(value, np.ndarray) and value.flags.writeable]
        before = [array.tobytes() for array in written]
        answer: Any = None
        if target is not None:
            try:
                answer = getattr(target, name)(*given, **named)
            except Exception as error:
                found.append(type(error).__name__)
        made.append(answer if _is_native(answer) else None)
        found += [answer, *(array for array, old in zip(written, before, strict=True) if array.tobytes() != old)]
    return digest(*found)


def digest(*values: Any) -> str:
    """A hash of numbers, strings, arrays and what holds them; of other objects their type alone."""
    found = hashlib.sha256()

    def add(value: Any) -> None:
        found.update(type(value).__name__.encode() + b"\0")
        if isinstance(value, np.ndarray) and value.dtype != object:
            found.update(f"{value.dtype.str}{value.shape}".encode() + value.tobytes())
        elif isinstance(value, dict):
            add(list(value.items()))
        elif isinstance(value, list | tuple | np.ndarray):
            found.update(str(len(value)).encode())
            for item in value:
                add(item)
        elif isinstance(value, str):
            found.update(value.encode("utf-8", "surrogatepass") + b"\0")
        elif isinstance(value, bytes | int | float | np.generic | None):
            found.update(repr(value).encode() + b"\0")

    for value in values:
        add(value)
    return found.hexdigest()[:32]


def _is_native(value: Any) -> bool:
    return type(value).__module__.startswith("quantcore.native.")


def _unwrapped(value: Any) -> Any:
    return value._target if isinstance(value, Recorded) else value


def _packable(value: Any) -> Any:
    if isinstance(value, Recorded):
        if value._place is None or isinstance(value._place, str):
            raise _LeftOut
        return _Made(value._place)
    if type(value) in (tuple, list):
        return type(value)(map(_packable, value))
    if type(value) is dict:
        return {key: _packable(item) for key, item in value.items()}
    if type(value) is np.ndarray and value.dtype == object:
        if not all(item is None or type(item) in (str, int, float, bool) for item in value.flat):
            raise _LeftOut
        return value
    if value is None or type(value) in (np.ndarray, str, bytes, int, float, bool) or isinstance(value, np.generic | np.dtype):
        return value
    if type(value) is Csr or value is Csr:
        return value
    if callable(value) and not isinstance(value, type):
        return _Callback()
    raise _LeftOut


def _unpacked(value: Any, made: list[Any]) -> Any:
    if isinstance(value, _Made):
        return made[value.place]
    if isinstance(value, _Callback):
        return lambda *given: given[0] if given and isinstance(given[0], str | list) else None
    if type(value) in (tuple, list):
        return type(value)(_unpacked(item, made) for item in value)
    if type(value) is dict:
        return {key: _unpacked(item, made) for key, item in value.items()}
    return value
