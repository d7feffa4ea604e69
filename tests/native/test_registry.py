"""The choice of implementations, in fresh processes: it is made once each."""

import json
import os
import subprocess
import sys

import pytest

from quantcore.native import registry

HIDE = "import sys; sys.modules['quantcore.native._pack'] = None\n"
RUN = """
import json, logging, sys
logging.basicConfig(format="%(levelname)s %(name)s %(message)s", stream=sys.stderr, level=logging.INFO)
from quantcore.native import registry
try:
    doors = [registry.door("pack"), registry.door("pack")]
    assert doors[0] is doors[1]
    chosen = registry.implementation("pack")
    print(json.dumps({"door": doors[0] is not None, "kind": chosen.kind, "isa": chosen.isa, "reason": chosen.reason}))
except Exception as error:
    print(json.dumps({"error": type(error).__name__, "message": str(error)}))
"""


def choose(*, hide=False, **environment):
    base = {name: value for name, value in os.environ.items() if not name.startswith("QUANTCORE_")}
    path = os.pathsep.join(filter(None, sys.path))
    command = [sys.executable, "-c", (HIDE if hide else "") + RUN]
    done = subprocess.run(command, env={**base, "PYTHONPATH": path, **environment}, capture_output=True, text=True, check=True)
    return json.loads(done.stdout), done.stderr


@pytest.fixture
def compiled(door_of):
    return door_of("pack")


def test_best_of_the_cpu_is_the_default(compiled, isas):
    answer, log = choose()
    assert answer == {"door": True, "kind": "compiled", "isa": isas[-1], "reason": "best of this CPU"}
    assert log == ""


def test_cap_at_scalar(compiled):
    answer, log = choose(QUANTCORE_ISA="scalar")
    assert answer["isa"] == "scalar" and answer["reason"] == "capped by QUANTCORE_ISA"
    assert log == ""


def test_cap_above_the_cpu_is_logged_and_changes_nothing(compiled, isas):
    above = next((isa for isa in registry.ISAS if isa not in isas), None)
    if above is None:
        pytest.skip("no machine has every ISA")
    answer, log = choose(QUANTCORE_ISA=above)
    assert answer["isa"] == isas[-1]
    assert f"WARNING quantcore QUANTCORE_ISA={above} is above this CPU" in log


@pytest.mark.parametrize("name, valid", [("QUANTCORE_ISA", registry.ISAS), ("QUANTCORE_FALLBACK", registry.FALLBACKS)])
def test_unknown_values_list_the_valid_ones(name, valid):
    answer, _ = choose(**{name: "turbo"})
    assert answer["error"] == "ValueError"
    assert name in answer["message"] and "turbo" in answer["message"] and ", ".join(valid) in answer["message"]


@pytest.mark.parametrize("setting", [{}, {"QUANTCORE_FALLBACK": "warn"}, {"QUANTCORE_FALLBACK": ""}])
def test_missing_door_warns_once(setting):
    answer, log = choose(hide=True, **setting)
    assert answer["kind"] == "numpy" and not answer["door"] and answer["isa"] is None
    assert log.count("WARNING quantcore ") == 1 and answer["reason"] in log


def test_missing_door_allowed_is_no_warning():
    answer, log = choose(hide=True, QUANTCORE_FALLBACK="allow")
    assert answer["kind"] == "numpy"
    assert "WARNING" not in log and "INFO quantcore" in log


def test_missing_door_as_error():
    answer, _ = choose(hide=True, QUANTCORE_FALLBACK="error")
    assert answer["error"] == "ImportError" and "QUANTCORE_FALLBACK=error" in answer["message"]


def test_unknown_family():
    with pytest.raises(
        ValueError,
        match="unknown family of kernels 'forests'; expected one of: codec, dense, frame, pack, sparse, table, text, trees",
    ):
        registry.door("forests")


def test_describe():
    found = registry.describe()
    assert set(found) == {"version", "cpu", "isa", "families"}
    assert set(found["families"]) == set(registry.FAMILIES)
    for family, answer in found["families"].items():
        door = registry.door(family)
        assert answer["implementation"] == ("numpy" if door is None else "compiled")
        assert answer["kernels"] == ([] if door is None else door.selected())
        assert answer["reason"]
    json.dumps(found)
