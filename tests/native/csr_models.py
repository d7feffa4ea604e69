"""Models of CSR rows, rows for them, and scores in exact arithmetic: what the tests of labels share."""

from fractions import Fraction

import numpy as np
import scipy.sparse as sp

from quantcore.plan import Csr, Plan
from quantcore.plan.ops import ArgMax, Linear, PlanarLinear, Threshold
from quantcore.runtime import Executor


def linear(rng, n_features, n_outputs, *, dtype="float64", zeros=0.0, spread=3):
    weight = rng.normal(size=(n_features, n_outputs)) * np.exp2(rng.integers(-spread, spread + 1, n_features))[:, None]
    weight *= rng.random(weight.shape) >= zeros
    bias = rng.normal(size=n_outputs)
    if dtype == "float32":
        weight, bias = (a.astype(np.float32).astype(np.float64) for a in (weight, bias))
    return Linear(weight=weight, bias=bias, dtype=dtype)


def planar(rng, n_features, n_outputs, bits=5, dtype="float64", zeros=0.0, indexed=False, stored="int16"):
    n_stored = max(1, n_features // 2) if indexed else n_features
    rows = rng.integers(-(1 << bits), (1 << bits) + 1, (n_stored, n_outputs))
    return PlanarLinear(
        rows=(rows * (rng.random(rows.shape) >= zeros)).astype(stored),
        exponent=rng.integers(-8, -3, n_stored).astype(np.int16),
        index=rng.integers(0, n_stored, n_features).astype(np.uint32) if indexed else None,
        bias=np.float32(rng.normal(size=n_outputs)).astype(np.float64),
        centred=False,
        sublinear=False,
        idf=None,
        norm=None,
        error=0.5,
        amplitude=float(1 << bits) + 0.5,
        dtype=dtype,
    )


def plan_of(scores, scaler=None, *, at=0.0):
    n_outputs = len(scores.bias)
    width = len(scores.weight) if isinstance(scores, Linear) else len(scores.rows if scores.index is None else scores.index)
    ops = [] if scaler is None else [scaler]
    ops.append(type(scores)(**{**scores.__dict__, "inputs": (len(ops) - 1,)}))
    classes = np.arange(max(2, n_outputs)) * 10
    last = (len(ops) - 1,)
    ops.append(ArgMax(inputs=last, classes=classes) if n_outputs > 1 else Threshold(inputs=last, classes=classes, at=at))
    outputs = {"predict": len(ops) - 1, "decision_function": len(ops) - 2}
    return Plan(tuple(ops), outputs, "matrix", n_features_in=width, classes=classes)


def rows_of(rng, n_rows, n_columns, dtype=np.float64, indices=np.int32, most=9):
    """Rows with repeats, in any order, with explicit zeros; some are empty."""
    lengths = rng.integers(0, most + 1, n_rows)
    indptr = np.concatenate([[0], np.cumsum(lengths)]).astype(indices)
    data = rng.normal(size=indptr[-1]).astype(dtype)
    data[rng.random(len(data)) < 0.1] = 0.0
    return Csr(indptr, rng.integers(0, n_columns, indptr[-1]).astype(indices), data, n_columns)


def scipy_of(X):
    return sp.csr_matrix((X.data, X.indices, X.indptr), shape=X.shape)


def model_of(plan):
    model = Executor(plan).labels_of_csr
    assert model is not None
    return model


def exact_gaps(op, gain, x, indices):
    """Scores in exact arithmetic and, on a grid, how far any weights within it can move one of them."""
    stored = np.arange(len(op.rows)) if isinstance(op, PlanarLinear) and op.index is None else getattr(op, "index", None)
    scores = [Fraction(float(b)) for b in op.bias]
    moved = Fraction(0)
    for value, j in zip(x.tolist(), indices.tolist(), strict=True):
        value = Fraction(value if gain is None else float(x.dtype.type(value * gain[j])))  # rounded as the source does
        if isinstance(op, Linear):
            weights, step = [Fraction(float(w)) for w in op.weight[j]], Fraction(0)
        else:
            step = Fraction(2) ** int(op.exponent[stored[j]])
            weights = [int(q) * step for q in op.rows[stored[j]]]
        scores = [s + value * w for s, w in zip(scores, weights, strict=True)]
        moved += abs(value) * step / 2
    return scores, moved
