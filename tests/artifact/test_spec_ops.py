"""SPEC.md's tables of the Plan and its ops: they are as the declarations, and enough to check the golden files by."""

from __future__ import annotations

import dataclasses
import importlib.util
import json
import re
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest

from quantcore.artifact.dictionary import TABLES
from quantcore.plan.ops import OPS, Op

ROOT = Path(__file__).resolve().parents[2]
GOLDEN = sorted((ROOT / "tests" / "golden").glob("*.qc"))


def loaded(path: Path) -> ModuleType:
    spec = importlib.util.spec_from_file_location(path.stem, path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[path.stem] = module
    spec.loader.exec_module(module)
    return module


TOOL, READER = loaded(ROOT / "tools" / "spec_ops.py"), loaded(ROOT / "tests" / "independent_reader.py")


def told() -> tuple[dict[str, tuple[str, str | None]], dict[str, dict[str, tuple[str, str | None]]]]:
    """Type and default of the Plan's fields, and of each op's, as a reader of SPEC.md alone has them."""
    text = (ROOT / "quantcore" / "artifact" / "SPEC.md").read_text("utf-8")
    rows = [re.split(r"(?<!\\) \| ", line[2:-2]) for line in text[text.index("| field of the Plan") :].splitlines()]
    plan, ops = {}, {}
    for row in rows:
        name = row[0].strip("`")
        if len(row) == 4 and row[0].startswith("`"):
            plan[name] = row[1], None if row[2] == "none" else row[2].strip("`")
        elif len(row) == 3 and row[0].startswith("`"):
            fields = [re.fullmatch(r"`(\w+)`: (.+?)(?: = `(.*)`)?", field) for field in row[1].split("<br>") if field != "none"]
            ops[name] = {found[1]: (found[2], found[3]) for found in fields if found}
            assert all(fields), row[1]
    return plan, ops


def test_every_op_is_told_as_it_is_declared(capsys):
    assert TOOL.main(["--check"]) == 0
    plan, ops = told()
    assert ops.keys() == OPS.keys()
    assert {"ops", "outputs", "input"} <= plan.keys()
    for name, op in OPS.items():
        assert [*ops[name]] == [field.name for field in dataclasses.fields(op) if field.name != "inputs"]


def test_an_op_that_is_missing_is_noticed(monkeypatch, capsys):
    monkeypatch.setattr(TOOL, "OPS", {**OPS, "Novel": Op})
    assert TOOL.main(["--check"]) == 1
    assert "tools/spec_ops.py --write" in capsys.readouterr().err
    monkeypatch.setattr(TOOL, "OPS", {name: op for name, op in OPS.items() if name != "Votes"})
    assert TOOL.main(["--check"]) == 1


def fits(value: Any, kind: str) -> bool:
    """Whether a value of a file is of a type, as section 10 says what types are."""
    if kind.startswith("list of ") and (" or " not in kind or kind.endswith(" or `null`")):
        kind, null = (kind.removesuffix(" or `null`"), kind.endswith(" or `null`"))
        if value is None:
            return null
        found = re.fullmatch(r"list of (\d+ )?(.+)", kind)
        assert found is not None
        return isinstance(value, list) and (not found[1] or len(value) == int(found[1])) and all(fits(v, found[2]) for v in value)
    if kind.startswith("array of "):
        dtypes = re.findall(r"`(\w+)`", kind.split(" or `null`")[0])
        if isinstance(value, np.ndarray):
            return ("b1" if value.dtype == bool else value.dtype.str[1:]) in dtypes
        return value is None and kind.endswith(" or `null`")
    if kind.startswith('`"'):
        return value in re.findall(r'`"([^"]*)"`', kind) or (value is None and "`null`" in kind)
    if " or " in kind:
        return any(fits(value, part) for part in kind.split(" or "))
    if kind == "labels":
        scalars = isinstance(value, list) and all(v is None or isinstance(v, bool | int | float | str) for v in value)
        one = value is None or scalars or (isinstance(value, np.ndarray) and value.ndim == 1)
        return one or (isinstance(value, list) and all(fits(v, "labels") for v in value))
    if kind.startswith("object of "):
        return isinstance(value, dict) and all(fits(v, kind.removeprefix("object of ")) for v in value.values())
    plain = {"int": int, "float": float, "bool": bool, "str": str, "`null`": type(None), "vocabulary": READER.Trie, "ops": dict}
    return type(value) is plain[kind]


def check(found: dict[str, Any], fields: dict[str, tuple[str, str | None]]) -> None:
    """The fields of a file are those that are told, all without a default are there, and no default is spelled out."""
    assert found.keys() <= fields.keys()
    assert {name for name, (_, default) in fields.items() if default is None} <= found.keys()
    for name, value in found.items():
        kind, default = fields[name]
        assert fits(value, kind), (name, value, kind)
        if default is not None:
            assert json.dumps(value, default=lambda other: type(other).__name__) != default


@pytest.mark.parametrize("path", GOLDEN, ids=lambda path: path.stem)
def test_golden_files_hold_what_is_told(path):
    plan_fields, op_fields = told()
    plan = READER.read(path.read_bytes(), TABLES)["plan"]
    check(plan, plan_fields)
    for op in plan["ops"]:
        name = op.pop("op")
        check(op, {"inputs": ("list of int", "[-1]"), **op_fields[name]})


def test_what_is_not_told_does_not_fit():
    for value, kind in (
        (1, "float"), (True, "int"), ("x", '`"a"`, `"b"`'), (np.zeros(1, "f4"), "array of `f8`"), ([1, 2.0], "list of int"),
        ([0.5], "list of 2 float or `null`"), (None, "array of `u4`"), ({}, "labels"), ("x", "bool or `null`"),
    ):  # fmt: skip
        assert not fits(value, kind)
    for value, kind in (
        (None, "list of 2 float or `null`"), ([0.5, 1.0], "list of 2 float or `null`"), (None, '`"l1"`, `"l2"` or `null`'),
        (np.zeros(1, bool), "array of `b1`"), ([["a", None], np.zeros(1)], "labels"), (["a"], "list of str or `null`"),
    ):  # fmt: skip
        assert fits(value, kind)
