"""Model files of other libraries, read without them."""

from __future__ import annotations

import os
from pathlib import Path

from quantcore.importers import lightgbm, xgboost
from quantcore.importers.builder import SOURCE, Builder, Result
from quantcore.importers.pickles import REFUSED, is_pickle

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
    name = os.path.basename(os.fspath(path))
    if is_pickle(path):
        build.obstacle(name, "", REFUSED)
        return Result()
    data = Path(path).read_bytes()
    if data[:4] == b"tree":
        return lightgbm.from_file(data, name, build, SOURCE)
    return xgboost.from_file(data, name, build, SOURCE)
