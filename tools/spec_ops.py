#!/usr/bin/env python3
"""The tables of a Plan's and of all ops' fields in SPEC.md, from the declarations in quantcore/plan.

Usage: tools/spec_ops.py            prints them
       tools/spec_ops.py --write    puts them into quantcore/artifact/SPEC.md
       tools/spec_ops.py --check    fails if what is there is not the same
"""

from __future__ import annotations

import dataclasses
import inspect
import re
import sys
import types
import typing
from pathlib import Path
from typing import Any, Literal, Union

import numpy as np

from quantcore.plan import Plan
from quantcore.plan.ops import OPS
from quantcore.plan.record import Record
from quantcore.plan.vocabulary import Vocabulary

SPEC = Path(__file__).resolve().parents[1] / "quantcore" / "artifact" / "SPEC.md"
BEGIN, END = "<!-- ops: tools/spec_ops.py writes what follows -->", "<!-- ops: end -->"
_ANY = "labels"


def main(arguments: list[str]) -> int:
    if arguments not in ([], ["--write"], ["--check"]):
        print(__doc__)
        return 2
    wanted = tables()
    if not arguments:
        print(wanted)
        return 0
    text = SPEC.read_text("utf-8")
    before, _, rest = text.partition(BEGIN + "\n")
    found, _, after = rest.partition(END)
    if arguments == ["--write"]:
        SPEC.write_text(f"{before}{BEGIN}\n{wanted}{END}{after}", "utf-8")
    elif found != wanted:
        print(f"{SPEC.name} does not tell the ops as they are declared: tools/spec_ops.py --write", file=sys.stderr)
        return 1
    return 0


def tables() -> str:
    """Both tables, as Markdown."""
    lines = ["| field of the Plan | type | default | means |", "|---|---|---|---|"]
    told = _documented(Plan)[1]
    for field, kind, default in _fields(Plan):
        lines.append(f"| `{field}` | {kind} | {default or 'none'} | {told.get(field, '')} |")
    lines += ["", "| op | fields | means |", "|---|---|---|"]
    for name, op in sorted(OPS.items()):
        summary, told, _ = _documented(op)
        own = [(field, kind, default) for field, kind, default in _fields(op) if field != "inputs"]
        fields = "<br>".join(f"`{field}`: {kind}{default and f' = {default}'}" for field, kind, default in own) or "none"
        summary += " Takes any number of inputs." if op.joins else ""
        means = "<br>".join([summary, *(f"`{field}`: {text}" for field, text in told.items())])
        lines.append(f"| `{name}` | {fields} | {means} |")
    return "\n".join(lines) + "\n"


def _fields(cls: type[Record]) -> list[tuple[str, str, str]]:
    """Name, type and default of each field, as the metadata hold them."""
    hints, kinds = typing.get_type_hints(cls), _documented(cls)[2]
    found = []
    for field in dataclasses.fields(cls):
        kind = _type(hints[field.name])
        if kind == "array":  # the declaration leaves the dtype open, the docstring says which
            kind += " of " + " or ".join(f"`{_dtype(item)}`" for item in re.findall(r"u?int\d+|float\d+", kinds[field.name]))
        found.append((field.name, kind, "" if field.default is dataclasses.MISSING else _value(field.default)))
    return found


def _type(hint: Any) -> str:
    origin, arguments = typing.get_origin(hint), typing.get_args(hint)
    if origin in (Union, types.UnionType):
        return " or ".join(_type(a) for a in arguments)
    if origin is Literal:
        return ", ".join(_value(a) for a in arguments)
    if origin is np.ndarray:
        item = typing.get_args(arguments[1])[0]
        return "array" if item is Any else f"array of `{_dtype(item)}`"
    if origin is tuple and arguments[1:] == (...,):
        return f"list of {_op_or(arguments[0])}"
    if origin is tuple:
        return f"list of {len(arguments)} {_type(arguments[0])}"
    if isinstance(origin, type) and issubclass(origin, typing.Mapping):
        return f"object of {_type(arguments[1])}"
    plain = {Any: _ANY, Vocabulary: "vocabulary", type(None): "`null`", bool: "bool", int: "int", float: "float", str: "str"}
    return plain[hint]


def _op_or(hint: Any) -> str:
    return "ops" if isinstance(hint, type) and issubclass(hint, Record) else _type(hint)


def _dtype(item: Any) -> str:
    found = np.dtype(item)
    return "b1" if found.kind == "b" else found.str[1:]


def _value(value: Any) -> str:
    if isinstance(value, tuple):
        return f"`[{', '.join(map(str, value))}]`"
    names = {None: "null", True: "true", False: "false"}
    return (
        f"`{names[value]}`"
        if value is None or isinstance(value, bool)
        else f'`"{value}"`'
        if isinstance(value, str)
        else f"`{value}`"
    )


def _documented(cls: type[Record]) -> tuple[str, dict[str, str], dict[str, str]]:
    """What a class and its parameters mean, from its docstring; and the kind of each parameter, as numpydoc has it."""
    summary, _, rest = inspect.cleandoc(cls.__doc__ or "").partition("\nParameters\n----------\n")
    told: dict[str, list[str]] = {}
    kinds: dict[str, str] = {}
    heads = ""
    for line in rest.splitlines():
        if line and not line.startswith(" "):
            heads, _, kind = line.partition(" : ")
            kinds.update(dict.fromkeys(heads.split(", "), kind))
            shape = re.search(r"shape \([^)]*\)", kind)
            told[heads] = [f"{shape.group()}." if shape else ""]
        elif line.strip():
            told[heads].append(line.strip())
    means = {"`, `".join(heads.split(", ")): _cell(" ".join(lines)) for heads, lines in told.items()}
    return _cell(summary), {heads: text for heads, text in means.items() if text}, kinds


def _cell(text: str) -> str:
    paragraphs = [" ".join(part.split()) for part in text.strip().split("\n\n")]
    return " ".join(paragraphs).replace("``", "`").replace("|", "\\|")


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
