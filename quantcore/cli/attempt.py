"""What ``quantcore scan`` runs for each model: ``python -m quantcore.cli.attempt MODEL ANSWER GUARANTEE TRUST``.

Writes to the path ANSWER what came of it, as JSON. Whatever a pickle prints, breaks or never ends stays in this process.
"""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import Any

import quantcore
from quantcore.cli.sources import read_source
from quantcore.errors import UnsupportedModelError

__all__ = ["attempt"]


def attempt(path: Path, guarantee: Any, *, trust: bool) -> dict[str, Any]:
    """The size of what a model converts to, or all that stands in the way.

    Parameters
    ----------
    path : Path
    guarantee : {"exact", "certified", "measured"}
    trust : bool
        Whether a pickle may be read.
    """
    try:
        model = quantcore.quantize(read_source(path, trust=trust), guarantee=guarantee, trust_pickle=True)
    except UnsupportedModelError as error:
        return {"obstacles": [str(obstacle) for obstacle in error.obstacles]}
    except Exception as error:  # whatever a source raises belongs to its line of the list
        return {"obstacles": [f"{type(error).__name__}: {error}"]}
    return {"artifact_bytes": len(model.data), "served_by": model.report()["served_by"]}


if __name__ == "__main__":
    source, answer, promised, trusted = sys.argv[1:]
    found = json.dumps(attempt(Path(source), promised, trust=trusted == "1"))
    partial = answer + ".part"
    Path(partial).write_text(found, "utf-8")
    os.replace(partial, answer)
