from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

def kernels() -> list[tuple[str, str, str, str, str]]: ...
def select(isa: str) -> None: ...
def selected() -> list[tuple[str, str, str, str, str]]: ...
def to_int8(
    x: ArrayLike, axis: Literal["row", "channel"] = "row", group: int | None = None
) -> tuple[NDArray[np.int8], NDArray[np.float32] | NDArray[np.float64]]: ...
def to_int16(
    x: ArrayLike, axis: Literal["row", "channel"] = "row", group: int | None = None
) -> tuple[NDArray[np.int16], NDArray[np.float32] | NDArray[np.float64]]: ...
def to_int4(
    x: ArrayLike, axis: Literal["row", "channel"] = "row", group: int | None = None
) -> tuple[NDArray[np.uint8], NDArray[np.float32] | NDArray[np.float64]]: ...
def to_float16(x: ArrayLike) -> NDArray[np.float16]: ...
def to_float32(
    q: ArrayLike,
    scale: ArrayLike | None = None,
    axis: Literal["row", "channel"] = "row",
    group: int | None = None,
    n_columns: int | None = None,
) -> NDArray[np.float32]: ...
def to_float64(
    q: ArrayLike,
    scale: ArrayLike | None = None,
    axis: Literal["row", "channel"] = "row",
    group: int | None = None,
    n_columns: int | None = None,
) -> NDArray[np.float64]: ...
