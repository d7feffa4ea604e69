"""The comparison behind ``make same-bits``: what it reads is what the kernels' tests write, and no difference passes."""

import json
import os
import runpy
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
if not (ROOT / "tools").exists():
    pytest.skip("tests an installed package: tools/ is not there", allow_module_level=True)

TOOL = runpy.run_path(str(ROOT / "tools" / "same_bits.py"))
SLOT = "pack/to_int8/groups/float32"
TEST = "tests/native/test_pack.py::test_ties_go_to_even[row-float32-to_int8]"


@pytest.fixture(scope="module")
def written(tmp_path_factory):
    """What one test writes, in two runs."""
    pytest.importorskip("quantcore.native._pack", exc_type=ImportError)
    found = []
    for run in ("a", "b"):
        path = tmp_path_factory.mktemp(run) / "bits.json"
        env = {**os.environ, "QUANTCORE_BITS": str(path), "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
        here = ["-c", str(ROOT / "pyproject.toml"), "--rootdir", str(ROOT), str(ROOT / TEST)]
        # From another folder: -m would put the checkout before the quantcore that is tested.
        command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", *here]
        subprocess.run(command, cwd=path.parent, env=env, check=True)
        found.append(json.loads(path.read_text()))
    return found


def test_runs_of_one_machine_agree(written, isas):
    assert written[0] == written[1]
    (case,) = written[0][SLOT][TEST]
    assert {"scalar"} <= set(case[2]) <= set(isas)
    both = [{slot: tests for slot, tests in run.items() if tests} for run in written]
    assert TOOL["compare_kernels"](dict(zip("ab", both, strict=True))) == []


def altered(found, position, value):
    case = list(found[SLOT][TEST][0])
    case[position] = value
    return {SLOT: {TEST: [case]}}


def test_other_bits_are_told(written):
    (told,) = TOOL["compare_kernels"]({"a": altered(written[0], 1, "1"), "b": altered(written[1], 1, "0")})
    assert told.startswith(f"{SLOT}: {TEST} gives other bits") and "'b': '0'" in told


def test_other_inputs_are_no_evidence(written):
    (told,) = TOOL["compare_kernels"]({"a": altered(written[0], 0, "1"), "b": altered(written[1], 0, "0")})
    assert told == f"{SLOT}: 1 cases had inputs that differ between CPUs, and 0 had not"


def test_what_ran_once_is_told(written):
    (told,) = TOOL["compare_kernels"]({"a": altered(written[0], 1, "1"), "b": {}})
    assert "ran differently: {'a': 1, 'b': 0} cases" in told


def test_what_no_test_compares_is_told(written):
    (told,) = TOOL["compare_kernels"]({"a": {"pack/to_int4/rows/float32": {}}, "b": {"pack/to_int4/rows/float32": {}}})
    assert told == "pack/to_int4/rows/float32: no test compares its instruction sets (the fixture on_every_isa)"


def served(kind, method, bits, labels):
    return {"m": {"kind": kind, "digests": {method: bits}, "labels": labels}}


def test_models():
    compare = TOOL["compare_models"]
    first = served("text", "decision_function", "x", [1, None, 0])
    assert compare({"a": first, "b": served("text", "decision_function", "x", [1, 2, None])}) == []
    (told,) = compare({"a": first, "b": served("text", "decision_function", "y", [1, 2, 0])})
    assert told.startswith("m: decision_function gives other bits")
    (told,) = compare({"a": first, "b": served("text", "decision_function", "x", [2, 2, 0])})
    assert told == "m: row 0 has several certified labels: {1, 2}"
    numpys = [served("table", "predict_log_proba", bits, []) for bits in "xy"]
    assert compare(dict(zip("ab", numpys, strict=True))) == []
