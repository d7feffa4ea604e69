"""What the tests of all doors share.

With ``QUANTCORE_TAPES=file`` the tests that compare instruction sets also keep what they asked of the doors, which
``make same-bits`` asks again on several CPUs.
"""

import os
import pickle
import sys
from pathlib import Path

import pytest

from quantcore.native import registry

sys.path.append(str(Path(__file__).parent))  # for the modules that some tests here share

from tape import Recorded, Tape  # noqa: E402

TAPES = os.environ.get("QUANTCORE_TAPES")
_tapes = {}


def pytest_collection_modifyitems(config, items):
    if TAPES:
        others = [item for item in items if "on_every_isa" not in item.fixturenames]
        config.hook.pytest_deselected(items=others)
        items[:] = [item for item in items if "on_every_isa" in item.fixturenames]


def pytest_sessionfinish():
    if TAPES:
        slots = ["/".join((family, *row[:3])) for family in registry.FAMILIES for row in _kernels(family)]
        kept = [(test, sorted(tape.slots), tape.calls, tape.left_out) for test, tape in _tapes.items() if tape.slots]
        Path(TAPES).write_bytes(pickle.dumps((sorted(set(slots)), kept), 5))


def _kernels(family):
    return getattr(import_door(family), "kernels", list)()


def import_door(family):
    return pytest.importorskip(
        f"quantcore.native._{family}",
        reason="this checkout is pure NumPy: build the native modules to test them",
        exc_type=ImportError,
    )


def machine_isas():
    return [name for name, present in import_door("cpu").isas().items() if present]


@pytest.fixture
def tape(request):
    """What the test asks of doors; nobody reads it without ``QUANTCORE_TAPES``."""
    return _tapes.setdefault(request.node.nodeid, Tape()) if TAPES else None


@pytest.fixture
def door_of(tape):
    """Family → its door; what a test selects is undone after it."""
    used = []

    def find(family):
        used.append(import_door(family))
        return used[-1] if tape is None else Recorded(used[-1], tape, family)

    yield find
    for door in used:
        door.select(machine_isas()[-1])


@pytest.fixture
def isas():
    """The instruction sets of this machine."""
    return machine_isas()


@pytest.fixture
def on_every_isa(door_of, isas, tape):
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
                if tape is not None:
                    tape.on = isa == "scalar"
                results[isa] = run(door)
        assert set(results) == written & set(isas)
        for isa, result in results.items():
            for got, expected in zip(result, results["scalar"], strict=True):
                assert got.dtype == expected.dtype and got.shape == expected.shape
                assert got.tobytes() == expected.tobytes(), f"{slot}: {isa} and scalar differ"
        if tape is not None:
            tape.on = True
            tape.slots.add("/".join((family, *slot)))
        return results["scalar"]

    return compare
