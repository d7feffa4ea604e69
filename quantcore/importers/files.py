"""Model files of other libraries, read without them."""

from __future__ import annotations

import os
from pathlib import Path

from quantcore.importers import lightgbm, xgboost
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
    name = os.path.basename(os.fspath(path))
    if data[:4] == b"tree":
        return lightgbm.from_file(data, name, build, SOURCE)
    return xgboost.from_file(data, name, build, SOURCE)
