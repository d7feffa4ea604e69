"""onnxruntime as a contender, where it and skl2onnx are installed."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

__all__ = ["convert", "session"]


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
        kind: Any = StringTensorType([None])
    elif hasattr(X, "indptr") or hasattr(X, "columns") or not hasattr(X, "shape"):
        return "its input has no form that is compared here"
    else:
        kind = FloatTensorType([None, X.shape[1]])
    options = {id(estimator): {"zipmap": False}} if hasattr(estimator, "classes_") else None
    try:
        found = to_onnx(estimator, initial_types=[("rows", kind)], options=options)
    except Exception as error:  # whatever its converters raise is an answer
        return f"skl2onnx fails: {type(error).__name__}: {error}".splitlines()[0][:200]
    data: bytes = found.SerializeToString()
    try:
        session(data)(X[:1])
    except Exception as error:  # a missing locale, an operator that it lacks
        return f"onnxruntime fails: {str(error).splitlines()[0][:200]}"
    return data


def session(model: str | bytes) -> Callable[[Any], Any]:
    """``predict`` of an ONNX file, or of its content, on one thread: its first output."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.log_severity_level = 4
    made = onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
    name = made.get_inputs()[0].name
    text = "string" in made.get_inputs()[0].type

    def predict(X: Any) -> Any:
        rows = np.asarray(X, object) if text else np.asarray(X, np.float32)
        return np.asarray(made.run(None, {name: rows})[0]).reshape(len(rows), -1).squeeze(axis=1)

    return predict


def _is_text(X: Any) -> bool:
    return not hasattr(X, "shape") and bool(len(X)) and isinstance(X[0], str)
