"""What is wrong with a model document of another library."""

from __future__ import annotations

__all__ = ["Malformed"]


class Malformed(ValueError):
    """A field of a model document is not what it has to be.

    Parameters
    ----------
    field : str
    why : str
    """

    def __init__(self, field: str, why: str) -> None:
        super().__init__(f"{field}: {why}")
        self.field, self.why = field, why
