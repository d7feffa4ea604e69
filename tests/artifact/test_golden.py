"""Files that were written once are read for ever, and answer what they answered (made by tools/make_golden.py)."""

from __future__ import annotations

import hashlib
import importlib.util
import json
import os
import pickle
import subprocess
import sys
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import quantcore as qc
from quantcore.artifact import decode, encode
from quantcore.native import registry
from quantcore.plan.ops import OPS

ROOT = Path(__file__).resolve().parents[2]
GOLDEN = ROOT / "tests" / "golden"
NAMES = sorted(path.stem for path in GOLDEN.glob("*.qc"))
CONVERT = """
import hashlib, pickle, sys
import quantcore
for name, (source, options) in pickle.load(open(sys.argv[1], "rb")).items():
    print(name, hashlib.sha256(quantcore.quantize(source, **options).data).hexdigest())
"""


@pytest.mark.parametrize("name", NAMES)
def test_written_again_they_are_no_larger(name: str) -> None:
    data = (GOLDEN / f"{name}.qc").read_bytes()
    artifact = decode(data)
    again = encode(artifact.plan, artifact.extra)
    assert len(again) <= len(data) and decode(again).digest == artifact.digest


def expected(name: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((GOLDEN / f"{name}.json").read_text("utf-8"))
    return found


def restored(value: Any) -> Any:
    """Rows, or an answer, from their JSON."""
    if isinstance(value, dict) and "columns" in value:
        return value["columns"]
    if isinstance(value, dict) and "dtype" in value:
        dtype, shape = np.dtype(value["dtype"]), value["shape"]
        if "hex" in value:
            return np.frombuffer(bytes.fromhex(value["hex"]), dtype).reshape(shape)
        return np.array(value["values"], dtype).reshape(shape)
    if isinstance(value, list) and value and isinstance(value[0], dict) and "dtype" in value[0]:
        return [restored(v) for v in value]
    return value


def check(found: Any, want: Any, rtol: float) -> None:
    """Equal dtypes and bits, or, where there is an ``rtol``, equal but for last places."""
    if isinstance(want, list):
        assert len(found) == len(want)
        for one, other in zip(found, want, strict=True):
            check(one, other, rtol)
        return
    found = found.toarray() if hasattr(found, "toarray") else np.asarray(found)
    assert found.dtype == want.dtype and found.shape == want.shape
    if want.dtype.kind != "f":
        assert found.tolist() == want.tolist()
    elif rtol:
        np.testing.assert_allclose(found, want, rtol=rtol, atol=rtol)
    else:
        assert found.tobytes() == want.tobytes()


def check_answers(model: qc.Model, want: dict[str, Any]) -> None:
    compiled = registry.door("codec") is not None
    rows = restored(want["rows"])
    for method, told in want["methods"].items():
        # NumPy's exp and matrix products differ in last places between CPUs; without kernels float32 tables don't come in either
        rtol = (0.0 if told["exact"] else 1e-9) if compiled else 2e-5
        check(model.run(method, rows), restored(told["answer"]), rtol)


def test_there_are_some():
    assert len(NAMES) >= 24
    assert sum(path.stat().st_size for path in GOLDEN.iterdir()) < 120_000


def test_every_op_is_in_one():
    """An op without a golden file may change its meaning unseen: tools/make_golden.py takes a new family."""
    assert not OPS.keys() - {op for name in NAMES for op in expected(name)["ops"]}


@pytest.mark.parametrize("name", NAMES)
def test_golden(name):
    want = expected(name)
    model = qc.load(GOLDEN / f"{name}.qc", expected_sha256=want["sha256"])
    assert model.digest == want["digest"]
    assert sorted({op.kind for op in model._artifact.plan.ops}) == want["ops"]
    check_answers(model, want)


@pytest.mark.parametrize("name", NAMES)
def test_golden_without_the_codec_door(name):
    data = (GOLDEN / f"{name}.qc").read_bytes()
    assert decode(data).digest == expected(name)["digest"]


@pytest.mark.parametrize("path", sorted(GOLDEN.glob("*.pickle")), ids=lambda path: path.stem)
def test_golden_pickles(path):
    model = pickle.loads(path.read_bytes())
    want = expected(path.stem)
    assert hashlib.sha256(model.data).hexdigest() == want["sha256"]
    check_answers(model, want)


def test_the_same_source_gives_the_same_bytes(tmp_path):
    """Sources that are fitted once, converted in two processes of other hash seeds and numbers of threads."""
    pytest.importorskip("pandas", reason="two sources are fitted on data frames")
    spec = importlib.util.spec_from_file_location("make_golden", ROOT / "tools" / "make_golden.py")
    tool = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(tool)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        made = {name: (source, options) for name, make in tool.FAMILIES.items() for source, _, options in [make()]}
    (tmp_path / "sources.pickle").write_bytes(pickle.dumps(made))
    found = set()
    for seed, threads in (("1", "1"), ("20", "2")):
        env = {**os.environ, "PYTHONHASHSEED": seed, "OMP_NUM_THREADS": threads, "OPENBLAS_NUM_THREADS": threads}
        command = [sys.executable, "-W", "ignore", "-c", CONVERT, tmp_path / "sources.pickle"]
        found.add(subprocess.run(command, env=env, capture_output=True, text=True, check=True).stdout)
    assert len(found) == 1
    assert set(NAMES) <= {line.split()[0] for line in found.pop().splitlines()}
