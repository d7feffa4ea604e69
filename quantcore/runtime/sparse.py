"""Compiled scores of CSR rows: the reference's own bits, and the sums that bounds are made of."""

from __future__ import annotations

from types import ModuleType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from quantcore.native import registry
from quantcore.plan import Csr, Op
from quantcore.plan.ops import Linear, PlanarLinear

__all__ = ["Models", "build", "obstacle"]

_MOST_EXPONENT = 900  # up to there no weight overflows, the centre added or not
_FLOATS = (np.dtype(np.float64), np.dtype(np.float32))

# Scores, and the sums of absolute terms where they were asked for.
Found = tuple[NDArray[np.float64], NDArray[np.float64] | None]


def obstacle(op: Op) -> str | None:
    """Why the compiled kernels can't serve an op over CSR rows, or None where they can.

    Parameters
    ----------
    op : Op
    """
    if not isinstance(op, Linear | PlanarLinear):
        return f"{op.kind} has no kernel for sparse rows"
    if not np.isfinite(op.bias).all():
        return "a bias that is not finite"
    if isinstance(op, PlanarLinear):
        return "weights beyond the range of float64" if int(op.exponent.max(initial=0)) > _MOST_EXPONENT else None
    size = np.abs(op.weight).max(initial=0.0)
    return None if size <= np.finfo(op.dtype).max else f"weights beyond the range of {op.dtype}"


def build(module: ModuleType, op: Linear | PlanarLinear) -> Any:
    """A compiled model of CSR rows → scores.

    Its ``scores(X, sizes)`` gives the reference's scores, bit for bit, and with ``sizes`` the sums of absolute terms that
    ``planar_bound`` and ``scores_error`` take; None where the reference has to answer.

    Parameters
    ----------
    module : module
        The compiled door.
    op : Linear or PlanarLinear
        One that has no obstacle.
    """
    return _Planar(module, op) if isinstance(op, PlanarLinear) else _Linear(module, op)


class Models:
    """The compiled models of a Plan's ops, each made when first needed.

    Parameters
    ----------
    native : bool
        False: there are none.
    reasons : dict of position → str
        Where the obstacle of an op is noted.
    """

    def __init__(self, native: bool, reasons: dict[int, str]) -> None:
        self.native, self.reasons = native, reasons
        self._models: dict[int, Any] = {}

    def scores(self, position: int, op: Op, X: Any, sizes: bool) -> Found | None:
        """What the op at a position gives for X (see ``build``), or None where no kernel serves."""
        if not self.native or not isinstance(X, Csr) or not isinstance(op, Linear | PlanarLinear) or X.n_rows < 1:
            return None
        if position not in self._models:
            module = registry.door("sparse")
            reason = obstacle(op)
            if reason is not None:
                self.reasons[position] = reason
            self._models[position] = None if module is None or reason is not None else build(module, op)
        model = self._models[position]
        found: Found | None = None if model is None else model.scores(X, sizes)
        return found if found is not None and np.isfinite(found[0]).all() else None  # the reference says what is wrong


class _Planar:
    def __init__(self, module: ModuleType, op: PlanarLinear) -> None:
        self.op = op
        self.plain = not op.sublinear and op.norm is None
        self.model = module.ExactRows(op.rows, op.bias, op.exponent, op.index, op.centred)

    def scores(self, X: Csr, sizes: bool) -> Found:
        norms = None
        if not self.plain:
            from quantcore.reference.planar import planar_terms  # others do without

            X, norms, _ = planar_terms(self.op, X)
        found = self.model.scores(X.indptr, X.indices, _readable(X), norms, sizes=sizes)
        return found if sizes else (found, None)


class _Linear:
    def __init__(self, module: ModuleType, op: Linear) -> None:
        self.module, self.op = module, op
        self._single: Any = None
        self._double: Any = None

    def scores(self, X: Csr, sizes: bool) -> Found:
        single = np.result_type(X.data.dtype, self.op.dtype) == np.float32
        data = _readable(X)
        if single:
            scores = self._float32(X, data)
            return scores, self._float64(X, data, True)[1] if sizes else None
        return self._float64(X, data, sizes)

    def _float64(self, X: Csr, data: NDArray[Any], sizes: bool) -> Found:
        if self._double is None:
            self._double = self.module.ExactRows(self.op.weight, self.op.bias)
        found = self._double.scores(X.indptr, X.indices, data, sizes=sizes)
        return found if sizes else (found, None)

    def _float32(self, X: Csr, data: NDArray[Any]) -> NDArray[np.float64]:
        weight = self.op.weight
        if self._single is None:
            single = weight.astype(np.float32)
            self._single = self.module.Float32Column(single[:, 0]) if single.shape[1] == 1 else self.module.Rows(single)
        with np.errstate(over="ignore", invalid="ignore"):
            found: NDArray[Any] = self._single.scores(X.indptr, X.indices, data) + self.op.bias.astype(np.float32)
        return found.astype(np.float64)


def _readable(X: Csr) -> NDArray[Any]:
    """Values as the kernels read them: float64, or float32 (of float16 and integers too, exactly)."""
    data = X.data
    if data.dtype in _FLOATS:
        return data
    return data.astype(np.float32 if data.dtype == np.float16 else np.float64)
