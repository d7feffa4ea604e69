from collections.abc import Callable
from typing import Any, final

DENSE: int
CSR: int
STORE: int
LOOKUP: int
HOT: int

def kernels() -> list[tuple[str, str, str, str, str]]: ...
def select(isa: str) -> None: ...
def selected() -> list[tuple[str, str, str, str, str]]: ...

@final
class Sink:
    def __new__(cls, kind: int, column: int, values: Any, place: Any, one: float) -> Sink: ...

@final
class Part:
    def __new__(
        cls,
        column: int,
        knows_none: bool,
        sinks: tuple[Sink, ...],
        *,
        none: float = ...,
        nan: float = ...,
        wide: bool = ...,
        steps: Any = ...,
        edges: Any = ...,
        known: dict[Any, int] | None = ...,
        of_nan: int = ...,
        of_none: int = ...,
        least: int = ...,
        objects: bool = ...,
        numbers: bool = ...,
    ) -> Part: ...

@final
class Reader:
    def __new__(
        cls,
        names: tuple[str, ...] | None,
        n_columns: int,
        by_name: bool,
        columns: tuple[int, ...],
        parts: tuple[Part, ...],
        width: int,
        form: int,
        csr: type,
        answer: Callable[[Any], Any] | None,
        other: Callable[[Any], Any] | None,
    ) -> Reader: ...
    def read(self, X: Any) -> Any: ...
    def predict(self, X: Any) -> Any: ...
    def through(self, X: Any, answer: Callable[[Any], Any]) -> Any: ...
