"""Each malloc, open, read, write, fsync, rename and close of load, save and predict fails, once and for ever."""

from __future__ import annotations

import json
import os
import platform
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from quantcore.native import registry

HERE = Path(__file__).parent
GOLDEN = HERE.parent / "golden"
CALLS = {"load": ("open", "read"), "save": ("open", "write", "fsync", "rename", "close"), "predict": ()}
MODELS = ("text_word", "text_exact", "table_linear", "trees_forest")
pytestmark = [
    pytest.mark.skipif(sys.platform != "linux" or platform.libc_ver()[0] != "glibc", reason="the shim stands before glibc"),
    pytest.mark.skipif("LD_PRELOAD" in os.environ, reason="a sanitizer stands there already"),
]


@pytest.fixture(scope="module")
def shim(tmp_path_factory):
    compiler = shutil.which(os.environ.get("CC", "cc"))
    if compiler is None:
        pytest.skip("no C compiler")
    found = tmp_path_factory.mktemp("shim") / "shim.so"
    subprocess.run([compiler, "-O1", "-fno-builtin", "-shared", "-fPIC", "-o", found, HERE / "shim.c", "-ldl"], check=True)
    return found


def injected(shim, tmp_path, operation, kind, mode, name, allocator="pymalloc"):
    rows = json.loads((GOLDEN / f"{name}.json").read_text("utf-8"))["rows"]
    if isinstance(rows, dict):
        import numpy as np

        rows = np.frombuffer(bytes.fromhex(rows["hex"]), rows["dtype"]).reshape(rows["shape"]).tolist()
    (tmp_path / "rows.json").write_text(json.dumps(rows))
    env = {**os.environ, "LD_PRELOAD": str(shim), "PYTHONMALLOC": allocator, "OPENBLAS_NUM_THREADS": "1"}
    arguments = [shim, operation, kind, mode, GOLDEN / f"{name}.qc", tmp_path / "rows.json"]
    run = subprocess.run([sys.executable, HERE / "injected.py", *arguments], env=env, capture_output=True, text=True, timeout=600)
    assert run.returncode == 0, run.stderr[-3000:]
    return json.loads(run.stdout)


@pytest.mark.parametrize("mode", ["once", "ever"])
@pytest.mark.parametrize(("operation", "kind"), [(o, k) for o, kinds in CALLS.items() for k in kinds])
def test_files(shim, tmp_path, operation, kind, mode):
    found = injected(shim, tmp_path, operation, kind, mode, "table_linear")
    assert found["calls"] >= 1 and found["seen"].get("OSError", 0) + found["seen"].get("PermissionError", 0) >= 1
    assert found["grown"] <= 8


@pytest.mark.parametrize("mode", ["once", "ever"])
@pytest.mark.parametrize("name", MODELS)
@pytest.mark.parametrize("operation", ["load", "save", "predict"])
def test_memory(shim, tmp_path, operation, name, mode):
    """Python's small objects come from its own arenas here, so these are NumPy's arrays, zlib's and the kernels' own memory."""
    found = injected(shim, tmp_path, operation, "malloc", mode, name)
    assert found["grown"] <= 8
    if registry.door("codec") is not None and operation == "load":
        assert found["seen"]["MemoryError"] >= 3
