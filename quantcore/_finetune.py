"""Fine-tuning: experimental, and the one function that wants labels."""

from __future__ import annotations

from typing import Any

import numpy as np

from quantcore.artifact import encode
from quantcore.errors import Obstacle, UnsupportedModelError
from quantcore.model import Model
from quantcore.native import registry

__all__ = ["finetune"]


def finetune(
    estimator: Any, X: Any, y: Any, *, bits: int = 4, epochs: int = 20, learning_rate: float = 0.3, seed: int = 0
) -> Model:
    """Train the weights of a fitted linear classifier further, on a grid of few bits. Experimental: may change in any release.

    Labels are no longer the source's: the model is another one, which certifies nothing.

    Parameters
    ----------
    estimator : estimator
        Fitted: a linear classifier over at most 2048 columns, or a Pipeline that ends in one.
    X : rows as ``predict`` takes them
    y : array of labels
    bits : int
        Of a weight, its sign included: 2 .. 16.
    epochs : int
    learning_rate : float
        In steps of the grid.
    seed : int
        Of the order of rows.

    Returns
    -------
    Model
        ``report()["finetuned"]`` tells the accuracy on the quarter of the rows that was held back, before and after.

    Raises
    ------
    UnsupportedModelError
        The estimator is no such classifier.
    ValueError
        A label is none of the source's classes, or an option is out of range.
    """
    from quantcore.importers import convert
    from quantcore.passes.finetune import tuned
    from quantcore.passes.search import linear_scores, with_weights

    if not 2 <= bits <= 16 or epochs < 0 or not learning_rate > 0.0:
        raise ValueError(f"expected bits in 2 .. 16, epochs >= 0, learning_rate > 0; got {bits!r}, {epochs!r}, {learning_rate!r}")
    source = convert(estimator)
    found = linear_scores(source, X)
    if found is None:
        what = "finetune takes one linear classifier over at most 2048 columns, whose labels follow from its scores"
        raise UnsupportedModelError([Obstacle(type(estimator).__name__, "", what)])
    plan, position, op, rows, classes = found
    labels = np.asarray(y)
    if len(labels) != len(rows):
        raise ValueError(f"{len(rows)} rows and {len(labels)} labels: expected as many labels as rows")
    place = {label: i for i, label in enumerate(np.asarray(classes).tolist())}
    unknown = sorted({str(label) for label in labels.tolist() if label not in place})
    if unknown:
        raise ValueError(
            f"labels that are no classes of the source: {', '.join(unknown[:5])}; expected some of {list(place)[:20]}"
        )
    target = np.array([place[label] for label in labels.tolist()], np.int64)
    best = tuned(op.weight, op.bias, rows, target, bits=bits, epochs=epochs, rate=learning_rate, seed=seed)
    served = with_weights(plan, position, op, best.integers, best.exponent, best.bias)
    about = {"bits": bits, "epochs": best.epochs, "accuracy_before": best.before, "accuracy_after": best.after}
    report = {"guarantee": "measured", "calibrated": True, "finetuned": about}
    extra = {"report": report, "provenance": {"estimator": source.source, "finetuned": True, "seed": seed}}
    return Model(encode(served, extra, codec=registry.door("codec")))
