"""What the tests of all doors share."""

import sys
from pathlib import Path

import pytest

sys.path.append(str(Path(__file__).parent))  # for the modules that some tests here share


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
    used = []

    def find(family):
        used.append(import_door(family))
        return used[-1]

    yield find
    for door in used:
        door.select(machine_isas()[-1])


@pytest.fixture
def isas():
    """The instruction sets of this machine."""
    return machine_isas()


@pytest.fixture
def on_every_isa(door_of, isas):
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
        return results["scalar"]

    return compare
