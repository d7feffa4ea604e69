"""What is wrong with a model document, or with the arrays of a model."""

from __future__ import annotations

__all__ = ["Malformed"]


class Malformed(ValueError):
    """A field is not what it has to be; becomes an obstacle of the conversion.

    Parameters
    ----------
    field : str
    why : str
    """

    def __init__(self, field: str, why: str) -> None:
        super().__init__(f"{field}: {why}")
        self.field, self.why = field, why
