from collections.abc import Callable
from typing import Any, Literal, final, overload

import numpy as np
from numpy.typing import ArrayLike, NDArray
from typing_extensions import disjoint_base

def kernels() -> list[tuple[str, str, str, str, str]]: ...
def select(isa: str) -> None: ...
def selected() -> list[tuple[str, str, str, str, str]]: ...

@disjoint_base
class _Weights:
    @property
    def shape(self) -> tuple[int, int]: ...
    @property
    def nbytes(self) -> int: ...
    def scores(self, indptr: ArrayLike, indices: ArrayLike, data: ArrayLike) -> NDArray[np.float32]: ...

@final
class Rows(_Weights):
    def __new__(
        cls, rows: ArrayLike, scale: ArrayLike | None = None, index: ArrayLike | None = None, *, bits: Literal[4] | None = None
    ) -> Rows: ...

@final
class Lists(_Weights):
    def __new__(cls, rows: ArrayLike, scale: ArrayLike | None = None, index: ArrayLike | None = None) -> Lists: ...

@final
class Masks(_Weights):
    def __new__(cls, rows: ArrayLike, scale: ArrayLike | None = None, index: ArrayLike | None = None) -> Masks: ...

@final
class Float32Column:
    def __new__(cls, weights: ArrayLike) -> Float32Column: ...
    @property
    def shape(self) -> tuple[int, int]: ...
    def scores(self, indptr: ArrayLike, indices: ArrayLike, data: ArrayLike) -> NDArray[np.float32]: ...

@final
class ExactRows:
    def __new__(
        cls,
        rows: ArrayLike,
        bias: ArrayLike,
        exponent: ArrayLike | None = None,
        index: ArrayLike | None = None,
        centred: bool = False,
    ) -> ExactRows: ...
    @property
    def shape(self) -> tuple[int, int]: ...
    @overload
    def scores(
        self,
        indptr: ArrayLike,
        indices: ArrayLike,
        data: ArrayLike,
        norms: ArrayLike | None = None,
        *,
        sizes: Literal[False] = False,
    ) -> NDArray[np.float64]: ...
    @overload
    def scores(
        self, indptr: ArrayLike, indices: ArrayLike, data: ArrayLike, norms: ArrayLike | None = None, *, sizes: Literal[True]
    ) -> tuple[NDArray[np.float64], NDArray[np.float64]]: ...

@final
class LabelModel:
    def __new__(
        cls,
        config: dict[str, Any],
        arrays: dict[str, Any],
        hot: _Weights | None,
        exact: ExactRows,
        classes: NDArray[Any],
        plain: type,
        other: Callable[[Any], NDArray[Any]],
        settle: Callable[[Any, list[int], list[int]], list[int]] | None,
    ) -> LabelModel: ...
    def stats(self) -> tuple[int, int, int]: ...
    def predict(self, X: Any) -> NDArray[Any]: ...
    def labels(self, X: Any) -> tuple[NDArray[np.int32], NDArray[np.uint8]] | None: ...
