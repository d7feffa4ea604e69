"""What all importers of scikit-learn's estimators share."""

from __future__ import annotations

from typing import Any

import numpy as np
import sklearn
from numpy.typing import NDArray

from quantcore.errors import UnsupportedModelError
from quantcore.importers.builder import Builder, Node
from quantcore.importers.versions import release, unsupported
from quantcore.plan.ops import ArgMax, Linear, Log, Project, Threshold

__all__ = ["VERSION", "allows_nan", "classes_of", "labels", "linear", "log_of", "project"]

VERSION = release(sklearn.__version__)
if untested := unsupported("sklearn"):
    raise UnsupportedModelError([untested])


def allows_nan(estimator: Any) -> bool:
    """Whether the source takes NaN for a missing value."""
    try:
        from sklearn.utils import get_tags
    except ImportError:  # before 1.6
        return bool(estimator._get_tags()["allow_nan"])
    return bool(get_tags(estimator).input_tags.allow_nan)


def classes_of(estimator: Any, classes: Any, build: Builder) -> Any:
    """Classes as ops hold them: a plain array, or a tuple for an object array."""
    array = np.asarray(classes)
    if array.dtype.kind in "bifuU":
        return array
    values = tuple(array.tolist())
    if not all(isinstance(v, (str, int, float)) for v in values):
        kinds = sorted({type(v).__name__ for v in values})
        build.obstacle(estimator, "classes_", f"labels of type {', '.join(kinds)}; fit with strings, integers or booleans")
    return values


def linear(estimator: Any, coef: Any, intercept: Any, source: Node, build: Builder) -> Node:
    """Scores: ``X @ coef.T + intercept``."""
    coef = np.atleast_2d(coef.toarray() if hasattr(coef, "toarray") else np.asarray(coef))
    n_outputs, n_features = coef.shape
    source = build.read_matrix(estimator, source, n_features)
    weight = np.ascontiguousarray(coef.T, np.float64)
    bias: NDArray[np.float64] = np.broadcast_to(np.asarray(intercept, np.float64).ravel(), (n_outputs,)).copy()
    if not (np.isfinite(weight).all() and np.isfinite(bias).all()):
        build.obstacle(estimator, "", "some coefficients are NaN or infinite; refit it (naive Bayes: with alpha > 0)")
    single = coef.dtype == np.float32 and source.dtype in (None, np.dtype(np.float32))
    op = Linear(inputs=(source.position,), weight=weight, bias=bias, dtype="float32" if single else "float64")
    return build.add(op, n_outputs)


def project(estimator: Any, weight: Any, source: Node, build: Builder, *, shift: Any = None, dense: bool = False) -> Node:
    """A transformer's product, as in :class:`quantcore.plan.ops.Project`."""
    source = build.read_matrix(estimator, source, len(weight))
    constants = [None if c is None else np.ascontiguousarray(c, np.float64) for c in (weight, shift)]
    if not all(c is None or np.isfinite(c).all() for c in constants):
        build.obstacle(estimator, "", "some of its weights are NaN or infinite (a variance of 0?); refit it")
    single = weight.dtype == np.float32 and source.dtype in (None, np.dtype(np.float32))
    op = Project(
        inputs=(source.position,),
        weight=np.ascontiguousarray(weight, np.float64),
        shift=constants[1],
        dense=dense,
        dtype="float32" if single else "float64",
    )
    return build.add(op, weight.shape[1], source.dtype if single else np.dtype(np.float64))


def labels(scores: Node, classes: Any, build: Builder, at: float = 0.0) -> Node:
    """The label op: one score decides between two classes, several by the largest."""
    if scores.width == 1 and len(classes) == 2:
        return build.add(Threshold(inputs=(scores.position,), classes=classes, at=at), None)
    return build.add(ArgMax(inputs=(scores.position,), classes=classes), None)


def log_of(probabilities: Node, build: Builder) -> Node:
    """predict_log_proba where the source takes the logarithm of predict_proba."""
    return build.add(Log(inputs=(probabilities.position,)), probabilities.width)
