"""Rows in whatever form the caller has them: how many, and some of them in the same form."""

from __future__ import annotations

from typing import Any

from quantcore.reference.forms import n_rows as count
from quantcore.reference.forms import part as some
from quantcore.reference.forms import take

__all__ = ["count", "kept", "some", "take"]


def kept(X: Any) -> Any:
    """Rows that can be read more than once and in slices: an iterator becomes a list."""
    if hasattr(X, "tocsr"):
        return X.tocsr()
    return X if hasattr(X, "__len__") or hasattr(X, "shape") else list(X)
