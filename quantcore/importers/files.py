"""Model files of other libraries, read without them."""

from __future__ import annotations

import os
from pathlib import Path

from quantcore.importers.builder import SOURCE, Builder, Result

__all__ = ["from_path"]


def from_path(path: str | os.PathLike[str], build: Builder) -> Result:
    """What a model file predicts once its library has loaded it: XGBoost's JSON and UBJSON, LightGBM's text.

    Parameters
    ----------
    path : path-like
    build : Builder

    Raises
    ------
    OSError
        The file can't be read.
    """
    data = Path(path).read_bytes()
    if data[:4] == b"tree":
        from quantcore.importers.lightgbm import from_file
    else:
        from quantcore.importers.xgboost import from_file
    return from_file(data, os.path.basename(os.fspath(path)), build, SOURCE)
