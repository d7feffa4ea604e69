"""Projections: PCA, IncrementalPCA, TruncatedSVD."""

from __future__ import annotations

from typing import Any

import numpy as np
from sklearn.utils.validation import check_is_fitted

from quantcore.importers.builder import Builder, Node, Result
from quantcore.importers.sklearn.common import VERSION, project
from quantcore.plan.ops import Affine

__all__ = ["pca", "truncated_svd"]


def pca(estimator: Any, source: Node, build: Builder) -> Result:
    """PCA, IncrementalPCA: the mean is taken off after the product."""
    check_is_fitted(estimator)
    projected = project(estimator, estimator.components_.T, source, build, shift=estimator.mean_)
    if not estimator.whiten:
        return Result({"transform": projected})
    scale = np.sqrt(estimator.explained_variance_)
    if VERSION < (1, 5) and (scale < np.finfo(scale.dtype).eps).any():
        build.obstacle(estimator, "whiten", "a component has no variance, and this scikit-learn divides by it; use fewer, or 1.5")
    op = Affine(inputs=(projected.position,), shift=None, scale=np.maximum(scale, np.finfo(scale.dtype).eps).astype(np.float64))
    return Result({"transform": build.add(op, projected.width, projected.dtype)})


def truncated_svd(estimator: Any, source: Node, build: Builder) -> Result:
    """TruncatedSVD."""
    check_is_fitted(estimator)
    return Result({"transform": project(estimator, estimator.components_.T, source, build)})
