"""``quantcore scan``: a whole fleet of models at once."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.table import Table

import quantcore
from quantcore.cli.app import AsJson, Trust, command, err, out, progress
from quantcore.cli.sources import PICKLES, TRUST, read_source
from quantcore.errors import UnsupportedModelError
from quantcore.report.units import of_bytes

__all__ = ["scan"]

_OTHERS = (".json", ".ubj", ".bst", ".model", ".lgb")


@command("scan", "quantcore scan models/ --trust-pickle")
def scan(
    folder: Annotated[Path, typer.Argument(help="A folder of models.", exists=True, file_okay=False)],
    guarantee: Annotated[str, typer.Option(help="exact, certified or measured.")] = "certified",
    trust_pickle: Trust = False,
    as_json: AsJson = False,
) -> None:
    """Which models convert, to what size, and all that stands in the way of the others."""
    files = sorted(p for p in folder.rglob("*") if p.suffix.lower() in (*PICKLES, *_OTHERS) and p.is_file())
    if not files:
        raise ValueError(f"{folder}: no models ({', '.join((*PICKLES, *_OTHERS))})")
    if not trust_pickle and all(p.suffix.lower() in PICKLES for p in files):
        raise PermissionError(f"{folder} holds pickles: {TRUST}")
    found = []
    with progress("converting", len(files)) as more:
        for path in files:
            size = path.stat().st_size
            found.append({"file": str(path.relative_to(folder)), "bytes": size, **_tried(path, guarantee, trust_pickle)})
            more(1)
    if as_json:
        out.print_json(json.dumps(found))
    else:
        _show(found)
    if any("obstacles" in one for one in found):
        raise typer.Exit(1)


def _tried(path: Path, guarantee: str, trust: bool) -> dict[str, Any]:
    try:
        model = quantcore.quantize(read_source(path, trust=trust), guarantee=guarantee)  # type: ignore[arg-type]
    except UnsupportedModelError as error:
        return {"obstacles": [str(obstacle) for obstacle in error.obstacles]}
    except Exception as error:  # whatever a pickle raises belongs to its line of the list
        return {"obstacles": [f"{type(error).__name__}: {error}".splitlines()[0]]}
    return {"artifact_bytes": len(model.data), "served_by": model.report()["served_by"]}


def _show(found: list[dict[str, Any]]) -> None:
    table = Table(box=None, pad_edge=False)
    for name in ("file", "bytes", "artifact", "", "served by"):
        table.add_column(name, justify="right" if name in ("bytes", "artifact", "") else "left", overflow="fold")
    for one in found:
        if "obstacles" in one:
            table.add_row(one["file"], of_bytes(one["bytes"]), "[red]no[/]", "", "\n".join(one["obstacles"]))
        else:
            size = one["artifact_bytes"]
            table.add_row(one["file"], of_bytes(one["bytes"]), of_bytes(size), f"{one['bytes'] / size:.3g}x", one["served_by"])
    out.print(table)
    good = [one for one in found if "obstacles" not in one]
    before, after = sum(one["bytes"] for one in good), sum(one["artifact_bytes"] for one in good)
    err.print(f"{len(good)} of {len(found)} convert: {of_bytes(before)} become {of_bytes(after)}", highlight=False)
