"""``quantcore verify``: whether artifacts are whole, and serve here what they were made to."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Annotated, Any, Optional

import typer

import quantcore
from quantcore.cli.app import AsJson, command, out
from quantcore.errors import ArtifactError

__all__ = ["verify"]


@command("verify", "quantcore verify model.qc --sha256 9f86d081...")
def verify(
    artifacts: Annotated[list[Path], typer.Argument(help="Artifacts (.qc).")],
    sha256: Annotated[Optional[str], typer.Option(help="The file's SHA-256, from whoever made it.")] = None,  # noqa: UP045
    max_bytes: Annotated[Optional[int], typer.Option(help="Refuse files that decode to more.")] = None,  # noqa: UP045
    as_json: AsJson = False,
) -> None:
    """Read every byte, check it, and run the self-test on this machine's kernels."""
    found = [_checked(path, sha256, max_bytes) for path in artifacts]
    if as_json:
        out.print_json(json.dumps(found))
    else:
        for one in found:
            state = "[green]sound[/]" if one["sound"] else f"[red]{one['reason']}[/]: {one['error']}"
            out.print(f"{one['file']}: {state}", f"sha256 {one['sha256']}" if "sha256" in one else "", highlight=False)
    if not all(one["sound"] for one in found):
        raise typer.Exit(1)


def _checked(path: Path, sha256: str | None, max_bytes: int | None) -> dict[str, Any]:
    try:
        model = quantcore.load(path, expected_sha256=sha256, max_bytes=max_bytes)
    except ArtifactError as error:
        return {"file": str(path), "sound": False, "reason": error.reason, "error": str(error)}
    except OSError as error:
        return {"file": str(path), "sound": False, "reason": "unreadable", "error": str(error)}
    digest = hashlib.sha256(model.data).hexdigest()
    return {"file": str(path), "sound": True, "sha256": digest, "digest": model.digest, "served_by": model.report()["served_by"]}
