"""The comparison behind ``make same-bits``: what it reads is what the kernels' tests write, and no difference passes."""

import os
import pickle
import runpy
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from tape import Recorded, Tape, digest, replay

from quantcore.native import registry

ROOT = Path(__file__).parents[2]
if not (ROOT / "tools").exists():
    pytest.skip("tests an installed package: tools/ is not there", allow_module_level=True)

TOOL = runpy.run_path(str(ROOT / "tools" / "same_bits.py"))
SLOT = "pack/to_int8/groups/float32"
TEST = "tests/native/test_pack.py::test_ties_go_to_even[row-float32-to_int8]"


@pytest.fixture(scope="module")
def kept(tmp_path_factory):
    """What one test asks of its door."""
    pytest.importorskip("quantcore.native._pack", exc_type=ImportError)
    path = tmp_path_factory.mktemp("tapes") / "tapes.pickle"
    env = {**os.environ, "QUANTCORE_TAPES": str(path), "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    here = ["-c", str(ROOT / "pyproject.toml"), "--rootdir", str(ROOT), str(ROOT / TEST)]
    # From another folder: -m would put the checkout before the quantcore that is tested.
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", *here]
    subprocess.run(command, cwd=path.parent, env=env, check=True)
    return pickle.loads(path.read_bytes())


def test_a_tape_is_replayed(kept, door_of, isas):
    slots, ((test, of, calls, left_out),) = kept
    assert SLOT in slots and test == TEST and of == [SLOT] and calls and not left_out
    found = set()
    for isa in isas:
        door_of("pack").select(isa)
        found.add(replay(calls, registry.door))
    assert len(found) == 1
    place, name, packed = calls[-1]
    given, named = pickle.loads(packed)
    other = pickle.dumps(((given[0] * 2, *given[1:]), named))
    assert replay([*calls[:-1], (place, name, other)], registry.door) not in found


class Adder:
    """Stands for a door: makes objects, writes into arrays, raises, calls back."""

    def __init__(self, numbers, ask=None):
        self.numbers, self.ask = numbers, ask

    def add(self, other, out):
        out[:] = self.numbers + (other.numbers if isinstance(other, Adder) else other)

    def asked(self):
        return self.ask(self.numbers)


Adder.__module__ = "quantcore.native.made_up"


class Door:
    Adder = Adder


def test_what_a_tape_keeps():
    tape = Tape(largest=10_000)
    door = Recorded(Door, tape, "made_up")
    first, second = door.Adder(np.arange(3.0)), door.Adder(np.ones(3), ask=lambda numbers: numbers.sum())
    out = np.zeros(3)
    second.add(first, out)
    first.add(2, out)
    assert second.asked() == 3.0
    with pytest.raises(TypeError):
        first.add(2)
    tape.on = False
    first.add(4, out)
    tape.on = True
    assert tape.left_out == 0 and [name for _, name, _ in tape.calls] == ["Adder", "Adder", "add", "add", "asked", "add"]
    expected = digest(
        first._target, second._target, None, np.array([1.0, 2.0, 3.0]), None, np.array([2.0, 3.0, 4.0]), None, "TypeError", None
    )  # objects by their type
    assert replay(tape.calls, lambda name: Door) == expected
    large = door.Adder(np.zeros(10_000), ask=len)
    assert large.asked() == 10_000  # of what was not kept
    door.Adder({1, 2})
    assert len(tape.calls) == 6 and tape.left_out == 3


def kernels(bits, calls=1):
    return {"kernels": {SLOT: {TEST: [bits, calls, 0]}}, "bound": {SLOT: "scalar"}}


def test_other_bits_are_told():
    compare = TOOL["compare_kernels"]
    assert compare({"a": kernels("0"), "b": kernels("0")}) == []
    (told,) = compare({"a": kernels("1"), "b": kernels("0")})
    assert told.startswith(f"{SLOT}: {TEST} gives other bits") and "'b': '0'" in told


def test_what_no_test_compares_is_told():
    (told,) = TOOL["compare_kernels"]({"a": kernels("0", calls=0), "b": kernels("0", calls=0)})
    assert told == f"{SLOT}: no test compares its instruction sets (the fixture on_every_isa)"


def served(method, bits, labels, splits=()):
    found = {"digests": {method: bits}, "exact": ["predict"], "labels": labels, "splits": list(splits), "rows": 3}
    return {"models": {"m": found}}


def test_models():
    compare = TOOL["compare_models"]
    first = served("predict", "x", ["1", None, "0"])
    assert compare({"a": first, "b": served("predict", "x", ["1", "2", None])}) == []
    (told,) = compare({"a": first, "b": served("predict", "y", ["1", "2", "0"])})
    assert told.startswith("m: predict gives other bits")
    (told,) = compare({"a": first, "b": served("predict", "x", ["2", "2", "0"])})
    assert told.startswith("m: row 0 has several certified labels")
    (told,) = compare({"a": first, "b": served("predict", "x", ["1", "2", "0"], ["predict, 7 at a time"])})
    assert told == "m, b: other bits for predict, 7 at a time"
    numpys = [served("predict_log_proba", bits, []) for bits in "xy"]
    assert compare(dict(zip("ab", numpys, strict=True))) == []
