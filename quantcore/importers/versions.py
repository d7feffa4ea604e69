"""Releases of other libraries that models are converted from: those that "make compat" tests."""

from __future__ import annotations

import re
import sys

from quantcore.errors import Obstacle

__all__ = ["SUPPORTED", "release", "unsupported"]

# Module → the project's name, the oldest and the newest release. Outside of these attributes or formulas may differ.
SUPPORTED: dict[str, tuple[str, tuple[int, ...], tuple[int, ...]]] = {
    "lightgbm": ("LightGBM", (4,), (4,)),
    "numpy": ("NumPy", (1, 26), (2,)),
    "sklearn": ("scikit-learn", (1, 4), (1, 9)),
    "xgboost": ("XGBoost", (2,), (3,)),
}


def release(version: str) -> tuple[int, ...]:
    """The first two numbers of a version: (1, 7) of "1.7.2rc1"; (0, 0) where there are none."""
    numbers = re.match(r"(\d+)\.(\d+)", version)
    return (int(numbers[1]), int(numbers[2])) if numbers else (0, 0)


def unsupported(module: str) -> Obstacle | None:
    """What stands in the way if the release of a module that is imported was not tested.

    Parameters
    ----------
    module : str
        One that has no entry in ``SUPPORTED``, or is not imported, is no obstacle.
    """
    version = getattr(sys.modules.get(module), "__version__", None)
    if module not in SUPPORTED or version is None:
        return None
    name, oldest, newest = SUPPORTED[module]
    found = release(version)
    if oldest <= found and found[: len(newest)] <= newest:
        return None
    span = " to ".join(dict.fromkeys(".".join(map(str, end)) for end in (oldest, newest)))
    advice = f"supported are {span}; convert with one of those, or install a newer quantcore (the converted file needs no {name})"
    if module == "numpy":
        advice = f"supported are {span}; install one of those, or a newer quantcore"
    return Obstacle(name, version, advice)
