"""What a caller may pass: the exception types are scikit-learn's, the messages say what to do."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from quantcore.plan import INPUT, Plan
from quantcore.plan.csr import Csr
from quantcore.plan.rules import all_finite

__all__ = ["documents", "matrix", "read", "require_finite", "require_rows"]

# Values that are looked at in one go: they stay in the cache, and in between Ctrl-C is heard.
_STEP = 1 << 18
_FLOATS = (np.dtype(np.float64), np.dtype(np.float32), np.dtype(np.float16))
_FEW = 64  # values; of more a sum says it sooner


def read(plan: Plan, X: Any) -> Any:
    """What a Plan's caller passes, checked: a list of documents, or rows of numbers.

    NaN is let through where every op that reads the rows takes it for a missing value.

    Parameters
    ----------
    plan : Plan
    X : iterable of documents, or matrix
    """
    if plan.input == "text":
        return documents(X)
    if plan.input == "table":
        from quantcore.reference import frames  # texts and matrices do without

        return replace(frames.read(plan, X), names=plan.feature_names_in)
    if plan.input == "records":
        from quantcore.reference import records  # so do they

        return records.read(plan, X)
    first = [op for op in plan.ops if INPUT in op.inputs]
    if _is_sparse(X) and not any(op.accepts_sparse for op in first):
        _refuse_complex(X.data.dtype if isinstance(X, Csr) else X.dtype)
        raise TypeError("a sparse matrix was passed, but dense rows are required; pass X.toarray()")
    integers = False
    if any(op.kind == "Ufunc" for op in first):
        from quantcore.reference import functions  # so do all others

        integers = functions.reads_integers(first, X)
    return matrix(
        X,
        plan.n_features_in or 0,
        plan.feature_names_in,
        integers=integers,
        allow_nan=all(op.accepts_nan for op in first),
        allow_infinity=all(op.accepts_infinity for op in first),
    )


def documents(X: Any) -> list[Any]:
    """The documents of an iterable, unread.

    Parameters
    ----------
    X : iterable of str, bytes, file names or files
        Lists, tuples, arrays, series, generators.

    Returns
    -------
    list

    Raises
    ------
    ValueError
        For a single string.
    TypeError
        For what can't be iterated over.
    """
    if isinstance(X, str):
        raise ValueError("expected an iterable of documents, got one string; pass a list, such as [text]")
    try:
        return list(X)
    except TypeError as error:
        raise TypeError(f"expected an iterable of documents, got {type(X).__name__} ({error}); pass a list of strings") from None


def matrix(
    X: Any,
    n_features: int,
    feature_names: tuple[str, ...] | None = None,
    *,
    allow_nan: bool = False,
    allow_infinity: bool = False,
    integers: bool = False,
) -> NDArray[Any] | Csr:
    """Rows of numbers, checked as scikit-learn's linear models check them.

    float64, float32 and float16 stay what they are, as in scikit-learn: its scalers compute in the rows' own dtype.
    All else becomes float64.

    Parameters
    ----------
    X : array-like, data frame or SciPy sparse matrix of any format
        Never changed: what has to be sorted or summed is copied.
    n_features : int
        Expected number of columns.
    feature_names : tuple of str or None
        Names that the columns of a data frame must have, in this order.
    allow_nan : bool
        NaN is a missing value that some op of the model knows what to do with.
    allow_infinity : bool
        Infinite values are compared as all others (trees alone do that).
    integers : bool
        Integers and booleans stay what they are: NumPy's functions have own ways with them.

    Returns
    -------
    ndarray or Csr
        C-contiguous, or CSR with ascending columns and repeats summed.
    """
    _check_names(X, feature_names)
    found: NDArray[Any] | Csr = _sparse(X) if _is_sparse(X) else _dense(X, integers)
    rows, columns = found.shape
    require_rows(rows)
    if columns < 1:
        raise ValueError(f"expected at least one feature, got an array of shape {found.shape}")
    require_finite(found, allow_nan=allow_nan, allow_infinity=allow_infinity)
    if columns != n_features:
        raise ValueError(f"the input has {columns} features, but this model was fitted on {n_features}")
    return found


def require_finite(X: NDArray[Any] | Csr, *, allow_nan: bool = False, allow_infinity: bool = False) -> None:
    """Raise ValueError for infinity and NaN, each unless it is allowed."""
    if allow_nan and allow_infinity:
        return
    values = X.data if isinstance(X, Csr) else X
    if values.size <= _FEW and all_finite(values):
        return
    nan = infinite = False
    with np.errstate(over="ignore", invalid="ignore"):
        for some in _in_steps(values):
            # A finite sum proves that all is finite; an infinite one may be overflow, so look closer.
            if not np.isfinite(some.sum()):
                nan, infinite = nan or bool(np.isnan(some).any()), infinite or bool(np.isinf(some).any())
    if (infinite and not allow_infinity) or (nan and not allow_nan):
        kind = "NaN" if nan and not allow_nan else "infinity (or a value too large for its dtype)"
        raise ValueError(f"the input contains {kind}; impute or drop such values before predicting")


def require_rows(n_rows: int) -> None:
    """Raise ValueError for an empty batch, as all scikit-learn estimators but the bare vectorizers do."""
    if n_rows < 1:
        raise ValueError("expected at least one row, got none")


def _check_names(X: Any, feature_names: tuple[str, ...] | None) -> None:
    columns = getattr(X, "columns", None)
    if feature_names is None or columns is None:
        return
    names = list(columns)
    if all(isinstance(name, str) for name in names) and tuple(names) != feature_names:
        unexpected = sorted(set(names) - set(feature_names))[:5]
        missing = sorted(set(feature_names) - set(names))[:5]
        raise ValueError(
            "the columns must be those that the model was fitted on, in the same order; "
            f"unexpected: {unexpected}, missing: {missing}"
        )


def _dense(X: Any, integers: bool) -> NDArray[Any]:
    if isinstance(X, np.matrix):
        raise TypeError("np.matrix is not supported; pass np.asarray(X)")
    # NumPy's own way to the values of a data frame takes pandas 80 us.
    array = np.asarray(X.to_numpy() if _is_frame(X) else X)
    if array.ndim != 2:
        hint = "; for one row pass X.reshape(1, -1), for one feature X.reshape(-1, 1)" if array.ndim == 1 else ""
        raise ValueError(f"expected a 2-d array of rows, got {array.ndim} dimension(s), shape {array.shape}{hint}")
    if array.dtype.kind in "SUV":
        raise ValueError(f"expected numbers, got an array of dtype {array.dtype}; convert it with X.astype(float)")
    _refuse_complex(array.dtype)
    if array.dtype.kind in "mM":
        raise TypeError(f"expected numbers, got an array of dtype {array.dtype}; convert it to numbers first")
    if array.dtype.kind == "O" and isinstance(X, (list, tuple)) and any(value is None for value in array.ravel()):
        # In an object array None is a missing value (NaN, refused as such), in a list it is no number at all.
        raise TypeError("expected numbers, got None within a list; impute missing values first")
    dtype: Any = array.dtype.newbyteorder("=") if integers and array.dtype.kind in "biu" else _float(array.dtype)
    return _converted(array, dtype)


def _is_sparse(X: Any) -> bool:
    # Of a data frame, an attribute that is not there takes pandas 3 us.
    return not isinstance(X, np.ndarray) and not _is_frame(X) and (hasattr(X, "tocsr") or isinstance(X, Csr))


def _is_frame(X: Any) -> bool:
    """Whether X is a DataFrame of pandas, and of no subclass."""
    own = type(X)
    return own.__name__ == "DataFrame" and own.__module__.partition(".")[0] == "pandas"


def _sparse(X: Any) -> Csr:
    if len(X.shape) != 2:
        raise ValueError(f"expected a 2-d sparse matrix, got shape {X.shape}; pass X.reshape(1, -1) for one row")
    csr = X if isinstance(X, Csr) else X.tocsr()
    dtype = csr.data.dtype
    _refuse_complex(dtype)
    rows, columns = map(int, csr.shape)
    given = {name: np.asarray(getattr(csr, name)) for name in ("indptr", "indices")}
    if strange := [f"{name} of {array.dtype}" for name, array in given.items() if array.dtype.kind not in "iu"]:
        raise ValueError(f"the sparse matrix is broken: it has {strange[0]}, expected integers")
    indptr, indices = (_converted(array, np.int64) for array in given.values())
    data = _converted(np.asarray(csr.data), _float(dtype))
    if len(indptr) != rows + 1 or indptr[0] != 0 or (np.diff(indptr) < 0).any():
        raise ValueError("the sparse matrix is broken: indptr must start at 0, ascend and hold one entry more than rows")
    stored = int(indptr[-1])
    if min(len(indices), len(data)) < stored:
        raise ValueError(f"the sparse matrix is broken: indptr ends at {stored}, but {min(len(indices), len(data))} are stored")
    indices, data = indices[:stored], data[:stored]
    if stored and (indices.min() < 0 or indices.max() >= columns):
        raise ValueError(f"the sparse matrix is broken: column numbers must be in 0 .. {columns - 1}")
    return canonical(Csr(indptr, indices, data, columns))


def canonical(found: Csr) -> Csr:
    """The same matrix with ascending columns and repeats summed (in the order in which they are stored)."""
    if _ascends(found):
        return found
    row, indices, data = found.row_ids(), found.indices, found.data
    order = np.lexsort((indices, row))
    row, indices, data = row[order], indices[order], data[order]
    first = np.concatenate([[True], (np.diff(indices) != 0) | (np.diff(row) != 0)])
    summed = np.zeros(int(first.sum()), data.dtype)
    np.add.at(summed, np.cumsum(first) - 1, data)
    counts = np.bincount(row[first], minlength=found.n_rows)
    indptr = np.concatenate([[0], np.cumsum(counts)]).astype(np.int64)
    return Csr(indptr, indices[first], summed, found.n_columns)


def _ascends(found: Csr) -> bool:
    """Whether columns ascend within each row."""
    indices = found.indices
    for start in range(0, len(indices) - 1, _STEP):
        some = indices[start : start + _STEP + 1]
        falls = np.flatnonzero(some[1:] <= some[:-1]) + (start + 1)
        if (found.indptr[np.searchsorted(found.indptr, falls)] != falls).any():  # within a row
            return False
    return True


def _in_steps(array: NDArray[Any]) -> Iterable[NDArray[Any]]:
    """Some rows at a time."""
    if array.size <= _STEP:
        return (array,)
    step = max(1, _STEP // array[:1].size)
    return (array[start : start + step] for start in range(0, len(array), step))


def _converted(array: NDArray[Any], dtype: Any) -> NDArray[Any]:
    """In this dtype, C-contiguous and aligned; the array itself if it is so."""
    if array.size <= _STEP or (array.dtype == dtype and array.flags.c_contiguous):
        found = np.ascontiguousarray(array, dtype)
        return found if found.flags.aligned else found.copy()
    found = np.empty(array.shape, dtype)
    for some, to in zip(_in_steps(array), _in_steps(found), strict=True):
        to[...] = some
    return found


def _float(dtype: np.dtype[Any]) -> np.dtype[Any]:
    """The native form of a float dtype that stays; float64 for all else."""
    native = dtype.newbyteorder("=")
    return native if native in _FLOATS else _FLOATS[0]


def _refuse_complex(dtype: np.dtype[Any]) -> None:
    if dtype.kind == "c":
        raise ValueError("complex numbers are not supported; pass X.real, or real and imaginary parts as features")
