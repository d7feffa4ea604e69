"""onnxruntime as a contender, where it and skl2onnx are installed."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["convert", "session"]

_ROWS = "rows"


def convert(estimator: Any, X: Any) -> bytes | str:
    """The model in ONNX's form, or why there is none.

    Parameters
    ----------
    estimator : estimator
    X : rows, as its ``predict`` takes them
    """
    try:
        import onnxruntime  # noqa: F401
        from skl2onnx import to_onnx
        from skl2onnx.common.data_types import FloatTensorType, StringTensorType
    except ImportError as error:
        return f"{error.name or 'a module'} is not installed"
    if _is_text(X):
        types: Any = [(_ROWS, StringTensorType([None]))]
    elif hasattr(X, "iloc"):
        column = {True: FloatTensorType, False: StringTensorType}
        types = [(str(name), column[X[name].dtype.kind in "biuf"]([None, 1])) for name in X.columns]
    elif hasattr(X, "indptr") or not hasattr(X, "shape"):
        return "its input has no form that is compared here"
    else:
        types = [(_ROWS, FloatTensorType([None, X.shape[1]]))]
    options = {id(estimator): {"zipmap": False}} if hasattr(estimator, "classes_") else None
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            found = to_onnx(estimator, initial_types=types, options=options)
    except Exception as error:  # whatever its converters raise is an answer
        return f"skl2onnx fails: {type(error).__name__}: {error}".splitlines()[0][:200]
    data: bytes = found.SerializeToString()
    try:
        session(data)(X[:1])
    except Exception as error:  # a missing locale, an operator that it lacks
        if "Locale" in str(error):
            return "onnxruntime needs the locale en_US.UTF-8 for texts, which is not installed (locale-gen en_US.UTF-8)"
        return f"onnxruntime fails: {str(error).splitlines()[0][:200]}"
    return data


def session(model: str | bytes) -> Callable[[Any], Any]:
    """``predict`` of an ONNX file, or of its content, on one thread: its first output."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.log_severity_level = 4
    made = onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
    wanted = made.get_inputs()
    text = "string" in wanted[0].type

    def predict(X: Any) -> Any:
        if hasattr(X, "iloc"):
            fed = {one.name: _column(X[one.name], text="string" in one.type) for one in wanted}
        else:
            fed = {_ROWS: np.asarray(X, object) if text else np.asarray(X, np.float32)}
        return np.asarray(made.run(None, fed)[0]).reshape(len(X), -1).squeeze(axis=1)

    return predict


def _column(column: Any, *, text: bool) -> NDArray[Any]:
    """What onnxruntime is fed of a data frame: a column of strings, or of float32."""
    if not text:
        return np.asarray(column.to_numpy(np.float32).reshape(-1, 1))
    return np.asarray(column.astype(object).where(column.notna(), "").to_numpy(object).reshape(-1, 1))


def _is_text(X: Any) -> bool:
    return not hasattr(X, "shape") and bool(len(X)) and isinstance(X[0], str)
