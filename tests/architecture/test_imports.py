"""What ``quantcore`` may import: NumPy alone at run time, and pickle nowhere."""

from __future__ import annotations

import ast
import json
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
EXECUTES_ON_LOAD = {"pickle", "cPickle", "_pickle", "marshal", "shelve", "joblib", "cloudpickle", "dill"}
# A conversion loads a scikit-learn pickle where its caller says trust_pickle=True; serving never does.
ALLOWED = {"quantcore/importers/pickles.py": {"joblib"}}


def imported(tree: ast.AST) -> Iterator[str]:
    """Top-level names of all modules that a file imports, wherever in the file, by statement or by name."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name.partition(".")[0] for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and not node.level and node.module:
            yield node.module.partition(".")[0]
        elif isinstance(node, ast.Call) and node.args and isinstance(node.args[0], ast.Constant):
            function = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
            if function in ("import_module", "__import__"):
                yield str(node.args[0].value).partition(".")[0]


@pytest.mark.parametrize(
    "source",
    [
        "import pickle",
        "def f():\n    from pickle import loads",
        "import os, pickle as p",
        "import importlib\nimportlib.import_module('pickle')",
        "__import__('pickle')",
    ],
)
def test_the_search_for_imports_finds_them(source: str) -> None:
    assert "pickle" in set(imported(ast.parse(source)))


def test_nothing_imports_pickle() -> None:
    files = sorted((ROOT / "quantcore").rglob("*.py"))
    assert files
    found = {}
    for path in files:
        name = path.relative_to(ROOT).as_posix()
        if bad := EXECUTES_ON_LOAD & set(imported(ast.parse(path.read_bytes()))) - ALLOWED.get(name, set()):
            found[name] = bad
    for door in (ROOT / "src").glob("*.pyx"):
        if re.search(rf"^\s*(c?import|from)\s+({'|'.join(EXECUTES_ON_LOAD)})\b", door.read_text(encoding="utf-8"), re.M):
            found[str(door)] = EXECUTES_ON_LOAD
    assert not found


def test_numpy_never_reads_pickled_arrays() -> None:
    calls = [
        f"{path}:{node.lineno}"
        for path in (ROOT / "quantcore").rglob("*.py")
        for node in ast.walk(ast.parse(path.read_bytes()))
        if isinstance(node, ast.keyword) and node.arg == "allow_pickle" and getattr(node.value, "value", True) is not False
    ]
    assert not calls


def test_import_loads_numpy_alone() -> None:
    script = "import json, sys; before = set(sys.modules); import quantcore; print(json.dumps(sorted(set(sys.modules) - before)))"
    result = subprocess.run([sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, check=True)
    packages = {name.partition(".")[0] for name in json.loads(result.stdout)}
    assert "quantcore" in packages
    # Modules that Cython makes up for what NumPy has compiled with it are no packages.
    packages = {name for name in packages if not re.match(r"cython_runtime$|_cython_\d", name)}
    assert packages - sys.stdlib_module_names <= {"quantcore", "numpy"}
