"""``quantcore scan``: a whole fleet of models at once, each in a process of its own."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.table import Table

from quantcore.cli.app import AsJson, Guarantee, Trust, command, err, out, progress
from quantcore.cli.sources import PICKLES, TRUST
from quantcore.report.units import of_bytes

__all__ = ["scan"]

_OTHERS = (".json", ".ubj", ".bst", ".model", ".lgb")
_LINES = 5  # of what a process said last


@command("scan", "quantcore scan models/ --trust-pickle", "quantcore scan models/ --json > fleet.json")
def scan(
    folder: Annotated[Path, typer.Argument(help="A folder of models.", exists=True, file_okay=False)],
    guarantee: Guarantee = "certified",
    trust_pickle: Trust = False,
    timeout: Annotated[float, typer.Option(min=0.1, help="Seconds for each model.")] = 300.0,
    as_json: AsJson = False,
) -> None:
    """Which models convert, to what size, and all that stands in the way of the others.

    Each model has a process of its own: one that crashes or hangs ends with that, and the scan goes on.
    """
    files = sorted(p for p in folder.rglob("*") if p.suffix.lower() in (*PICKLES, *_OTHERS) and p.is_file())
    if not files:
        raise ValueError(f"{folder}: no models ({', '.join((*PICKLES, *_OTHERS))})")
    if not trust_pickle and all(p.suffix.lower() in PICKLES for p in files):
        raise PermissionError(f"{folder} holds pickles: {TRUST}")
    found = []
    with progress("converting", len(files)) as more:
        for path in files:
            size = path.stat().st_size
            tried = _tried(path, guarantee, timeout, trust=trust_pickle)
            found.append({"file": str(path.relative_to(folder)), "bytes": size, **tried})
            more(1)
    if as_json:
        out.print_json(json.dumps(found))
    else:
        _show(found)
    if any("obstacles" in one for one in found):
        raise typer.Exit(1)


def _tried(path: Path, guarantee: str, timeout: float, *, trust: bool) -> dict[str, Any]:
    with tempfile.TemporaryDirectory(prefix="quantcore-") as folder:
        answer, said = Path(folder) / "answer.json", Path(folder) / "said"
        arguments = [sys.executable, "-m", "quantcore.cli.attempt", str(path), str(answer), guarantee, str(int(trust))]
        with said.open("wb") as output:  # a file: a pipe would be held open by whatever the process leaves behind
            process = subprocess.Popen(arguments, stdin=subprocess.DEVNULL, stdout=output, stderr=output, start_new_session=True)
            try:
                code = process.wait(timeout)
            except subprocess.TimeoutExpired:
                return {"obstacles": [f"no answer within {timeout:g} s (--timeout)"]}
            finally:
                _end(process)
        with contextlib.suppress(OSError, ValueError):  # there is none, or half of one
            found: dict[str, Any] = json.loads(answer.read_text("utf-8"))
            return found
        last = said.read_text("utf-8", "replace").strip().splitlines()[-_LINES:]
        return {"obstacles": [f"its process ended with {_ending(code)}" + "".join(f"\n{line}" for line in last)]}


def _end(process: subprocess.Popen[bytes]) -> None:
    """End a process and those that it started."""
    with contextlib.suppress(OSError):
        if hasattr(os, "killpg"):
            os.killpg(process.pid, signal.SIGKILL)
        elif process.poll() is None:
            process.kill()
    process.wait()


def _ending(code: int) -> str:
    if code >= 0:
        return f"exit code {code}"
    try:
        return f"signal {-code} ({signal.Signals(-code).name})"
    except ValueError:
        return f"signal {-code}"


def _show(found: list[dict[str, Any]]) -> None:
    table = Table(box=None, pad_edge=False)
    for name in ("file", "bytes", "artifact", "", "served by"):
        table.add_column(name, justify="right" if name in ("bytes", "artifact", "") else "left", overflow="fold")
    for one in found:
        if "obstacles" in one:
            table.add_row(one["file"], of_bytes(one["bytes"]), "[red]no[/]", "", "")
        else:
            size = one["artifact_bytes"]
            table.add_row(one["file"], of_bytes(one["bytes"]), of_bytes(size), f"{one['bytes'] / size:.3g}x", one["served_by"])
    out.print(table)
    for one in found:
        if "obstacles" in one:
            out.print(f"\n{one['file']}", markup=False, highlight=False)
            for obstacle in one["obstacles"]:
                out.print("  - " + obstacle.replace("\n", "\n    "), markup=False, highlight=False)
    good = [one for one in found if "obstacles" not in one]
    before, after = sum(one["bytes"] for one in good), sum(one["artifact_bytes"] for one in good)
    err.print(f"{len(good)} of {len(found)} convert: {of_bytes(before)} become {of_bytes(after)}", highlight=False)
