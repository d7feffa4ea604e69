"""Which implementation serves each family of kernels.

A family is served by its compiled door, bound to the best instruction set at
or below ``QUANTCORE_ISA``, or by NumPy (:mod:`quantcore.reference`) where the
door can't be imported; ``QUANTCORE_FALLBACK`` says what happens then. Both
variables are read once, at first use.
"""

from __future__ import annotations

import functools
import importlib
import os
import threading
from types import ModuleType
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

from quantcore._version import __version__

if TYPE_CHECKING:
    import logging

__all__ = ["FALLBACKS", "FAMILIES", "ISAS", "Implementation", "describe", "door", "implementation"]

FAMILIES = ("codec", "dense", "frame", "pack", "sparse", "table", "text", "trees")
ISAS = ("scalar", "avx2", "avx512", "neon", "dotprod")
FALLBACKS = ("allow", "warn", "error")

_lock = threading.RLock()
_chosen: dict[str, Implementation] = {}


class Implementation(NamedTuple):
    """What serves one family, and why.

    Parameters
    ----------
    kind : {"compiled", "numpy"}
    isa : str or None
        Best instruction set that the door may use; None for NumPy.
    reason : str
    module : module or None
        The compiled door.
    """

    kind: Literal["compiled", "numpy"]
    isa: str | None
    reason: str
    module: ModuleType | None


def door(family: str) -> ModuleType | None:
    """The compiled door of a family, or None where NumPy serves it.

    Parameters
    ----------
    family : str
        One of ``FAMILIES``.

    Raises
    ------
    ValueError
        Unknown family, or an environment variable that holds an unknown value.
    ImportError
        The door can't be imported and ``QUANTCORE_FALLBACK=error``.
    """
    return implementation(family).module


def implementation(family: str) -> Implementation:
    """What serves a family; the choice is made once a process, at first use."""
    found = _chosen.get(family)
    if found is None:
        with _lock:
            found = _chosen.get(family)
            if found is None:
                found = _chosen[family] = _choose(family)
    return found


def describe() -> dict[str, Any]:
    """Version, CPU features, ISA in use and what serves each family: the content of ``show_config()``."""
    chosen = {family: implementation(family) for family in FAMILIES}
    compiled = [c for c in chosen.values() if c.kind == "compiled"]
    return {
        "version": __version__,
        "cpu": [name for name, present in _cpu().features().items() if present] if compiled else [],
        "isa": compiled[0].isa if compiled else None,
        "families": {
            family: {
                "implementation": c.kind,
                "isa": c.isa,
                "reason": c.reason,
                "kernels": c.module.selected() if c.module else [],
            }
            for family, c in chosen.items()
        },
    }


def _choose(family: str) -> Implementation:
    if family not in FAMILIES:
        raise ValueError(f"unknown family of kernels {family!r}; expected one of: {', '.join(FAMILIES)}")
    fallback = _setting("QUANTCORE_FALLBACK", FALLBACKS) or "warn"
    cap = _setting("QUANTCORE_ISA", ISAS)
    try:
        module = importlib.import_module(f"quantcore.native._{family}")
        isa, reason = _isa(cap)
    except ImportError as error:
        reason = f"the compiled kernels of {family!r} can't be imported: {error}"
        if fallback == "error":
            raise ImportError(
                f"{reason}. QUANTCORE_FALLBACK=error forbids NumPy in their place: reinstall quantcore from a wheel, "
                "or with a C compiler at hand, or set QUANTCORE_FALLBACK=allow"
            ) from error
        tell = _log().warning if fallback == "warn" else _log().info
        tell("%s; NumPy serves in their place, slower", reason)
        return Implementation("numpy", None, reason, None)
    module.select(isa)
    return Implementation("compiled", isa, reason, module)


def _cpu() -> ModuleType:
    return importlib.import_module("quantcore.native._cpu")


@functools.cache
def _isa(cap: str | None) -> tuple[str, str]:
    """The best instruction set that kernels may use, and why."""
    available = [name for name, present in _cpu().isas().items() if present]
    if cap is not None and cap in available:
        return cap, "capped by QUANTCORE_ISA"
    if cap is not None:
        _log().warning("QUANTCORE_ISA=%s is above this CPU, which has %s: it changes nothing", cap, ", ".join(available))
    return available[-1], "best of this CPU"


def _log() -> logging.Logger:
    import logging  # 2 ms that only a departure from the rule needs

    return logging.getLogger("quantcore")


def _setting(name: str, valid: tuple[str, ...]) -> str | None:
    value = os.environ.get(name)
    if not value:
        return None
    if value not in valid:
        raise ValueError(f"{name}={value!r} is not a known value; expected one of: {', '.join(valid)}")
    return value
