"""Ops that read records: rows that hold features by name, each row others (where ``plan.input`` is "records")."""

from __future__ import annotations

from typing import Literal

import numpy as np
from numpy.typing import NDArray

from quantcore.plan.op import Op

__all__ = ["NamedFeatures", "HashedFeatures", "RecordOp"]


class RecordOp(Op, base=True):
    """Base of the ops that read records, or the values of one column of a table."""


class NamedFeatures(RecordOp):
    """Mappings from names to numbers, strings or lists of strings → matrix (DictVectorizer).

    A number is the value of the feature of its name; a string, or each of a list, sets the feature
    ``name + separator + string`` to 1. Features that are not known are left out.

    Parameters
    ----------
    names : ndarray of uint8
        UTF-8 of all features, one after another, in the order of the columns.
    ends : ndarray of uint32, shape (n_features,)
    separator : str
    dtype : {"float64", "float32"}
    dense : bool
        The result is a dense matrix, else CSR.
    """

    names: NDArray[np.uint8]
    ends: NDArray[np.uint32]
    separator: str = "="
    dtype: Literal["float64", "float32"] = "float64"
    dense: bool = False

    def features(self) -> list[str]:
        """The names of the columns."""
        raw, ends = self.names.tobytes(), self.ends.tolist()
        return [raw[a:b].decode("utf-8", "surrogatepass") for a, b in zip([0, *ends], ends, strict=False)]


class HashedFeatures(RecordOp):
    """Mappings, pairs or strings → CSR matrix, the column of a feature being a hash of its name (FeatureHasher).

    Parameters
    ----------
    n_features : int
    source : {"dict", "pair", "string"}
        What a record is: a mapping, or pairs, of names and numbers or strings; or strings, each of value 1.
    alternate_sign : bool
        The sign of each value comes from the hash.
    dtype : {"float64", "float32"}
    """

    n_features: int
    source: Literal["dict", "pair", "string"] = "dict"
    alternate_sign: bool = True
    dtype: Literal["float64", "float32"] = "float64"
