from collections.abc import Callable
from typing import Any, final

import numpy as np
from numpy.typing import ArrayLike, NDArray

def kernels() -> list[tuple[str, str, str, str, str]]: ...
def select(isa: str) -> None: ...
def selected() -> list[tuple[str, str, str, str, str]]: ...
def exp(x: float) -> float: ...

@final
class Values:
    def __new__(
        cls,
        values: ArrayLike,
        index: ArrayLike | None,
        output: ArrayLike | None,
        n_leaves: int,
        n_trees: int,
        n_outputs: int,
    ) -> Values: ...
    @property
    def dtype(self) -> np.dtype[Any]: ...

@final
class Forest:
    def __new__(
        cls,
        n_features: int,
        leaf: ArrayLike,
        split: ArrayLike,
        feature: ArrayLike,
        missing: ArrayLike,
        ends: ArrayLike,
        threshold: ArrayLike,
        categories: tuple[ArrayLike, ArrayLike, ArrayLike, ArrayLike, ArrayLike, ArrayLike, str] | None = None,
    ) -> Forest: ...
    @property
    def n_leaves(self) -> int: ...
    @property
    def shape(self) -> tuple[int, int]: ...
    def leaves(self, rows: ArrayLike) -> NDArray[np.uint32]: ...
    def sums(self, rows: ArrayLike, values: Values, out: NDArray[Any]) -> None: ...

@final
class Sliced:
    def __new__(cls, forest: Forest, values: Values, base: ArrayLike, divisor: float, refused: int) -> Sliced: ...
    def of(self, walk: Walk) -> bool: ...
    def leaves(self, rows: NDArray[Any]) -> NDArray[np.uint32] | None: ...
    def sums(self, rows: NDArray[Any]) -> NDArray[Any] | None: ...

@final
class Rows:
    def __new__(
        cls, forest: Forest, values: Values, base: ArrayLike, divisor: float, refused: int, tops: bool = True
    ) -> Rows: ...
    def of(self, walk: Walk) -> bool: ...
    def sums(self, rows: NDArray[Any]) -> NDArray[Any] | None: ...

@final
class Walk:
    def __new__(cls, forest: Forest, values: Values, base: ArrayLike, divisor: float, refused: int) -> Walk: ...
    def sums(self, rows: NDArray[Any]) -> NDArray[Any] | None: ...

@final
class Link:
    def __new__(
        cls, kind: int, paired: int, shares: int, scale: float, slope: NDArray[Any], offset: NDArray[Any], flat: bool
    ) -> Link: ...
    def __call__(self, scores: NDArray[Any]) -> NDArray[np.float64]: ...

@final
class Ensemble:
    def __new__(
        cls,
        walk: Walk,
        rows: Rows | None,
        sliced: Sliced | None,
        most_rows: int,
        answer: int,
        classes: NDArray[Any] | None,
        at: float,
        other: Callable[[Any], Any],
    ) -> Ensemble: ...
    @property
    def rows(self) -> int: ...
    def accepts(self, X: Any) -> bool: ...
    def sums(self, X: NDArray[Any]) -> NDArray[Any] | None: ...
    def linked(self, X: Any, link: Link, single: bool) -> NDArray[Any] | None: ...
    def predict(self, X: Any) -> Any: ...

NUMBERS: int
FLAT: int
LARGEST: int
ABOVE: int
