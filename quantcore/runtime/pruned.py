"""Pruned weights over sparse rows: features without weights dropped, and the layout that is fastest for what is left."""

from __future__ import annotations

from types import ModuleType
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

__all__ = ["build", "layout"]

_DROPPED = 0xFFFFFFFF
# Measured (src/kernels/sparse/README.md): an entry of a list costs as much as 25 weights of a full row, and a list 8 more.
_LIST, _ENTRY = 8, 25
# Masks cost more time than they save until the full rows are far larger than any cache.
_MASKS_FROM = 1 << 26
_MASKS_OUTPUTS = 256
_MASKS_DENSITY = 0.5


def layout(n_stored: int, n_outputs: int, density: float) -> Literal["rows", "lists", "masks"]:
    """The layout of int8 weights that is fastest over sparse rows.

    Parameters
    ----------
    n_stored, n_outputs : int
        Shape of the weights that are left.
    density : float
        Share of them that is not 0.
    """
    if (density * n_outputs + _LIST) * _ENTRY <= n_outputs <= 1 << 16:
        return "lists"
    if n_outputs >= _MASKS_OUTPUTS and density <= _MASKS_DENSITY and n_stored * n_outputs >= _MASKS_FROM:
        return "masks"
    return "rows"


def build(module: ModuleType, rows: NDArray[np.int8], scale: NDArray[np.float32], index: NDArray[np.uint32] | None = None) -> Any:
    """A compiled model of CSR rows → float32 scores, the bits those of the unpruned rows.

    Parameters
    ----------
    module : module
        The compiled door.
    rows : ndarray of int8, shape (n_stored, n_outputs)
    scale : ndarray of float32, shape (n_stored,)
    index : ndarray of uint32, shape (n_features,), or None
        Stored row of each feature; None where feature j has row j.
    """
    alive = rows.any(axis=1)
    if not alive.all():
        place = np.where(alive, np.cumsum(alive) - 1, _DROPPED).astype(np.uint32)
        index = place if index is None else np.where(index == _DROPPED, _DROPPED, place[np.minimum(index, len(rows) - 1)])
        index = index.astype(np.uint32)
        rows, scale = rows[alive], scale[alive]
    density = np.count_nonzero(rows) / max(1, rows.size)
    n_stored, n_outputs = rows.shape
    chosen = {"rows": module.Rows, "lists": module.Lists, "masks": module.Masks}[layout(n_stored, n_outputs, density)]
    return chosen(rows, scale, index)
