"""``quantcore inspect``: what an artifact holds."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
from rich.table import Table

import quantcore
from quantcore.cli.app import Artifact, AsJson, command, out
from quantcore.report.units import of_bytes, percent

__all__ = ["inspect"]


@command("inspect", "quantcore inspect model.qc")
def inspect(artifact: Artifact, as_json: AsJson = False) -> None:
    """Stages, sizes, precision, certificate and provenance of an artifact."""
    model = quantcore.load(artifact)
    found = _described(model)
    if as_json:
        out.print_json(json.dumps(found))
        return
    plan = model._artifact.plan
    out.print(f"[bold]{artifact.name}[/]: {plan.source}, {of_bytes(found['bytes'])}", highlight=False)
    out.print(f"reads {found['input']}; answers {', '.join(found['methods'])}; {found['served_by']}", highlight=False)
    stages = Table("stage", "what", box=None, pad_edge=False)
    for stage in found["stages"]:
        stages.add_row(stage["op"], ", ".join(f"{k} {v}" for k, v in stage.items() if k != "op"))
    out.print(stages)
    sections = Table("section", "stored", "decoded", box=None, pad_edge=False)
    for name, sizes in found["sections"].items():
        sections.add_row(name, of_bytes(sizes["stored"]), of_bytes(sizes["decoded"]))
    out.print(sections)
    for name in ("guarantee", "certify", "agreement", "certified", "max_bound", "max_bound_proba", "bounds_over", "rows"):
        if name in found["report"]:
            value = found["report"][name]
            out.print(f"{name}: {percent(value) if name in ('agreement', 'certified') else value}", highlight=False)
    out.print("made with " + ", ".join(f"{k} {v}" for k, v in found["provenance"].items()), highlight=False)
    out.print(f"digest {found['digest']}", highlight=False)


def _described(model: Any) -> dict[str, Any]:
    plan, report = model._artifact.plan, model.report()
    return {
        "bytes": report.pop("bytes"),
        "source": plan.source,
        "input": plan.input,
        "methods": sorted(plan.outputs),
        "stages": [_stage(op) for op in plan.ops],
        "sections": report.pop("sections"),
        "served_by": report.pop("served_by"),
        "report": report,
        "provenance": model.provenance,
        "digest": model.digest,
    }


def _stage(op: Any) -> dict[str, Any]:
    """An op by its numbers and strings; of arrays dtype and shape."""
    found: dict[str, Any] = {"op": op.kind}
    for name in op.__dataclass_fields__:
        value = getattr(op, name)
        if isinstance(value, np.ndarray):
            found[name] = f"{value.dtype}[{' x '.join(map(str, value.shape))}]"
        elif isinstance(value, (bool, int, float, str)) and value != "":
            found[name] = value
        elif isinstance(value, (tuple, list)) and 0 < len(value) <= 8 and all(isinstance(v, (int, float, str)) for v in value):
            found[name] = str(list(value))
        elif hasattr(value, "n_symbols"):
            found[name] = f"{int(value.is_term.sum())} terms of {value.n_symbols} symbols"
    return found
