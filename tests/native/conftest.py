"""What the tests of all doors share.

With ``QUANTCORE_BITS=file`` the tests that compare instruction sets also write what they compared, as hashes: of all that was
given to the doors, and of the scalar results. ``make same-bits`` lays such files of several CPUs side by side. Inputs are hashed
too since NumPy and libm, which make them, may differ in a last bit between CPUs; results count where inputs are equal.
"""

import hashlib
import json
import os
import sys
from pathlib import Path

import numpy as np
import pytest

from quantcore.native import registry

sys.path.append(str(Path(__file__).parent))  # for the modules that some tests here share

BITS = os.environ.get("QUANTCORE_BITS")
_bits = {}


def pytest_collection_modifyitems(config, items):
    if BITS:
        others = [item for item in items if "on_every_isa" not in item.fixturenames]
        config.hook.pytest_deselected(items=others)
        items[:] = [item for item in items if "on_every_isa" in item.fixturenames]


def pytest_sessionfinish():
    if BITS:
        for family in registry.FAMILIES:
            for op, layout, dtype, *_ in getattr(import_door(family), "kernels", list)():
                _bits.setdefault("/".join((family, op, layout, dtype)), {})  # empty: no test has compared it
        Path(BITS).write_text(json.dumps(_bits, indent=1, sort_keys=True))


def digest(*values):
    """A hash of numbers, strings, arrays and what holds them; of other objects their type alone."""
    found = hashlib.sha256()

    def add(value):
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


def unwrapped(value):
    return value._target if isinstance(value, Recorded) else value


class Recorded:
    """A door, or an object that it made: remembers a hash of each call, once."""

    def __init__(self, target, calls):
        self._target, self._calls = target, calls

    def __getattr__(self, name):
        found = getattr(self._target, name)
        if not callable(found) or name in ("select", "selected", "kernels"):
            return found

        def call(*given, **named):
            self._calls.add(digest(name, given, named))
            answer = found(*map(unwrapped, given), **{key: unwrapped(value) for key, value in named.items()})
            made_here = type(answer).__module__.startswith("quantcore.native.")
            return Recorded(answer, self._calls) if made_here else answer

        return call


def import_door(family):
    return pytest.importorskip(
        f"quantcore.native._{family}",
        reason="this checkout is pure NumPy: build the native modules to test them",
        exc_type=ImportError,
    )


def machine_isas():
    return [name for name, present in import_door("cpu").isas().items() if present]


@pytest.fixture
def door_of():
    """Family → its door; what a test selects is undone after it."""
    used, calls = [], set()

    def find(family):
        used.append(Recorded(import_door(family), calls) if BITS else import_door(family))
        return used[-1]

    yield find
    for door in used:
        door.select(machine_isas()[-1])


@pytest.fixture
def isas():
    """The instruction sets of this machine."""
    return machine_isas()


@pytest.fixture
def on_every_isa(door_of, isas, request):
    """Run a function on every ISA of the machine and return its scalar result; any other bit is a failure."""

    def compare(family, slot, run):
        door = door_of(family)
        written = {isa for *key, isa, _ in door.kernels() if tuple(key) == slot}
        assert "scalar" in written
        results = {}
        for isa in isas:
            door.select(isa)
            bound = {tuple(key): found for *key, found, _ in door.selected()}
            if isa in written:
                assert bound[slot] == isa
                results[isa] = run(door)
        assert set(results) == written & set(isas)
        for isa, result in results.items():
            for got, expected in zip(result, results["scalar"], strict=True):
                assert got.dtype == expected.dtype and got.shape == expected.shape
                assert got.tobytes() == expected.tobytes(), f"{slot}: {isa} and scalar differ"
        if BITS:
            found = _bits.setdefault("/".join((family, *slot)), {}).setdefault(request.node.nodeid, [])
            found.append([digest(sorted(door._calls)), digest(list(results["scalar"])), sorted(results)])
        return results["scalar"]

    return compare
