"""Sources from files: pickles, which run code and are asked for by name, and model files of XGBoost and LightGBM."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from quantcore.errors import QuantcoreError

__all__ = ["PICKLES", "TRUST", "Failed", "estimator_of", "read_source"]

PICKLES = (".joblib", ".pkl", ".pickle")
TRUST = (
    "reading a pickle runs whatever code it holds; if you know where this file comes from, say so: --trust-pickle "
    "(see https://docs.python.org/3/library/pickle.html)"
)


class Failed(QuantcoreError):
    """The command was understood, and what it asks for can't be had."""


def estimator_of(source: Any) -> Any:
    """The fitted model that :func:`read_source` read; another library's model file stays a path."""
    return getattr(source, "estimator", source) if isinstance(source, tuple) else source


def read_source(path: Path, *, trust: bool, any_version: bool = False) -> Any:
    """A fitted model: what :func:`quantcore.quantize` takes with ``trust_pickle=True``.

    Parameters
    ----------
    path : Path
    trust : bool
        Whether a pickle may be read.
    any_version : bool
        Whether it may be one of another scikit-learn than the one that is installed.

    Raises
    ------
    PermissionError
        It is a pickle, and nobody said that it is to be trusted.
    Failed
        It can't be read.
    """
    if path.suffix.lower() not in PICKLES:
        return path
    if not trust:
        raise PermissionError(f"{path.name}: {TRUST}")
    from quantcore.importers.pickles import load_pickle

    try:
        return load_pickle(path, allow_version_mismatch=any_version)
    except QuantcoreError:
        raise
    except ImportError as error:
        raise Failed(f"{path.name} needs a module that is not installed: {error}") from error
    except Exception as error:  # whatever the bytes of a pickle make their reader raise
        raise Failed(f"{path.name} can't be read: {type(error).__name__}: {error}") from error
