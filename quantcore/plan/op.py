"""The base of all ops, and their register."""

from __future__ import annotations

from typing import Any, ClassVar

from quantcore.plan.record import Record

__all__ = ["INPUT", "OPS", "Op"]

INPUT = -1
OPS: dict[str, type[Op]] = {}


class Op(Record):
    """Base of all ops.

    Parameters
    ----------
    inputs : tuple of int
        Positions of the ops whose results this one takes; ``INPUT`` (-1) is the caller's input.
    """

    kind: ClassVar[str] = ""
    joins: ClassVar[bool] = False  # takes any number of inputs: its function gets a list of them
    inputs: tuple[int, ...] = (INPUT,)

    def __init_subclass__(cls, *, base: bool = False, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        if not base:
            cls.kind = cls.__name__
            OPS[cls.kind] = cls

    @property
    def accepts_nan(self) -> bool:
        """Whether NaN passes (as a missing value), where other ops raise ValueError."""
        return False

    @property
    def accepts_infinity(self) -> bool:
        """Whether infinite values pass, where other ops raise ValueError."""
        return False

    @property
    def accepts_sparse(self) -> bool:
        """Whether CSR rows pass, where other ops raise TypeError before they look at the rows."""
        return True
