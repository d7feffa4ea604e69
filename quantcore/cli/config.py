"""``quantcore config``: version, CPU and the kernels that were chosen."""

from __future__ import annotations

import json
from typing import Any

import quantcore
from quantcore.cli.app import AsJson, command, out

__all__ = ["config"]


@command("config", "quantcore config")
def config(as_json: AsJson = False) -> None:
    """Version, CPU features, and which kernels serve each family, and why."""
    found = quantcore.show_config()
    if as_json:
        out.print_json(json.dumps(found, default=str))
    else:
        _show(found, "")


def _show(found: Any, indent: str) -> None:
    for name, value in found.items():
        if isinstance(value, dict):
            out.print(f"{indent}[bold]{name}[/]", highlight=False)
            _show(value, indent + "  ")
        else:
            many = isinstance(value, (list, tuple))
            # A kernel has five names, and a family dozens of them: --json lists them.
            strings = many and value and all(isinstance(v, str) for v in value)
            shown = " ".join(value) if strings else len(value) if many else value
            out.print(f"{indent}{name}: {shown}", highlight=False, markup=False)
