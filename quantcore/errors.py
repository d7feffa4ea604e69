"""The exceptions that quantcore raises of its own accord.

Bad *input* raises what scikit-learn raises for it (ValueError, TypeError,
...): see :mod:`quantcore.reference.inputs`. The classes here are for models
that cannot be converted and for files that cannot be trusted.
"""

from __future__ import annotations

from typing import Literal, NamedTuple

__all__ = ["ArtifactError", "Obstacle", "QuantcoreError", "UncertainError", "UnsupportedModelError"]

ArtifactReason = Literal["truncated", "checksum", "version", "invalid"]


class QuantcoreError(Exception):
    """Base of every exception that quantcore defines."""


class Obstacle(NamedTuple):
    """One thing that stands in the way of a conversion."""

    estimator: str
    parameter: str
    advice: str

    def __str__(self) -> str:
        where = f"{self.estimator}({self.parameter})" if self.parameter else self.estimator
        return f"{where}: {self.advice}"


class UnsupportedModelError(QuantcoreError):
    """The source model holds something that quantcore can't express.

    Parameters
    ----------
    obstacles : sequence of Obstacle
        *All* that stands in the way, so that one attempt shows the whole list.
    """

    def __init__(self, obstacles: list[Obstacle] | tuple[Obstacle, ...]) -> None:
        self.obstacles = tuple(obstacles)
        lines = "\n".join(f"  - {o}" for o in self.obstacles)
        count = len(self.obstacles)
        super().__init__(f"this model can't be converted; {count} thing{'s' if count != 1 else ''} in the way:\n{lines}")

    def __reduce__(self) -> tuple[type[UnsupportedModelError], tuple[tuple[Obstacle, ...]]]:
        return type(self), (self.obstacles,)


class ArtifactError(QuantcoreError):
    """A file is not an artifact that this quantcore can trust.

    Parameters
    ----------
    reason : {"truncated", "checksum", "version", "invalid"}
        ``version`` messages name the quantcore release to install.
    message : str
        What was found, what was expected, and what to do.
    """

    def __init__(self, reason: ArtifactReason, message: str) -> None:
        self.reason = reason
        super().__init__(message)

    def __reduce__(self) -> tuple[type[ArtifactError], tuple[ArtifactReason, str]]:
        return type(self), (self.reason, str(self))


class UncertainError(QuantcoreError):
    """Rows could not be certified and the model was loaded with ``on_uncertain="raise"``.

    Parameters
    ----------
    rows : sequence of int
        Positions, in the input, of the rows that stay open.
    """

    def __init__(self, rows: list[int] | tuple[int, ...]) -> None:
        self.rows = tuple(rows)
        shown = ", ".join(map(str, self.rows[:10])) + (", ..." if len(self.rows) > 10 else "")
        super().__init__(
            f"{len(self.rows)} row(s) can't be certified (rows {shown}); load with on_uncertain='answer' "
            "to get the best answer for them, or convert with guarantee='exact'"
        )

    def __reduce__(self) -> tuple[type[UncertainError], tuple[tuple[int, ...]]]:
        return type(self), (self.rows,)
