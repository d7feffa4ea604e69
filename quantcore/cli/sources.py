"""Sources from files: pickles, which run code and are asked for by name, and model files of XGBoost and LightGBM."""

from __future__ import annotations

from pathlib import Path
from typing import Any

__all__ = ["PICKLES", "TRUST", "read_source"]

PICKLES = (".joblib", ".pkl", ".pickle")
TRUST = (
    "reading a pickle runs whatever code it holds; if you know where this file comes from, say so: --trust-pickle "
    "(see https://docs.python.org/3/library/pickle.html)"
)


def read_source(path: Path, *, trust: bool) -> Any:
    """A fitted model: what :func:`quantcore.quantize` takes.

    Parameters
    ----------
    path : Path
    trust : bool
        Whether a pickle may be read.

    Raises
    ------
    PermissionError
        It is a pickle, and nobody said that it is to be trusted.
    """
    if path.suffix.lower() not in PICKLES:
        return path
    if not path.is_file():
        raise FileNotFoundError(f"{path}: no such file")
    if not trust:
        raise PermissionError(f"{path.name}: {TRUST}")
    import joblib

    return joblib.load(path)
