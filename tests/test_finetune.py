"""Fine-tuning: no accuracy is lost at 4 bits, gradients are those of differences, errors say what is expected."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn import datasets
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

import quantcore as qc
from quantcore.passes.finetune import _indicator, _likelihood, _probabilities
from quantcore.plan.ops import PlanarLinear


def halves(name):
    X, y = getattr(datasets, f"load_{name}")(return_X_y=True)
    order = np.random.default_rng(1).permutation(len(X))
    half = len(X) // 2
    return X[order[:half]], y[order[:half]], X[order[half:]], y[order[half:]]


@pytest.mark.parametrize("name", ["digits", "breast_cancer"])
def test_no_accuracy_is_lost_at_4_bits(name):
    X, y, new, truth = halves(name)
    source = make_pipeline(StandardScaler(), LogisticRegression(max_iter=200)).fit(X, y)
    model = qc.finetune(source, X, y)
    (op,) = [op for op in model._artifact.plan.ops if isinstance(op, PlanarLinear)]
    assert np.abs(op.rows).max() <= 7
    accuracy = np.mean(source.predict(new) == truth)
    assert np.mean(model.predict(new) == truth) >= accuracy - 2 * np.sqrt(accuracy * (1 - accuracy) / len(new))
    about = model.report()["finetuned"]
    assert about["accuracy_after"] >= about["accuracy_before"]
    assert not model.predict_certified(new)[1].any()
    assert qc.finetune(source, X, y).data == model.data


@pytest.mark.parametrize("outputs", [1, 4])
def test_slopes_are_those_of_differences(outputs):
    random = np.random.default_rng(0)
    scores, target = random.normal(size=(6, outputs)), random.integers(0, max(outputs, 2), 6)
    slope = _probabilities(scores) - _indicator(target, outputs)
    for k in range(outputs):
        above, below = scores.copy(), scores.copy()
        above[:, k] += 1e-6
        below[:, k] -= 1e-6
        difference = (-np.log(_likelihood(above, target)) + np.log(_likelihood(below, target))) / 2e-6
        np.testing.assert_allclose(slope[:, k], difference, atol=1e-7)


def test_what_can_not_be_tuned():
    X, y, _, _ = halves("digits")
    source = LogisticRegression(max_iter=50).fit(X, y)
    with pytest.raises(qc.UnsupportedModelError, match="one linear classifier"):
        qc.finetune(RandomForestClassifier(3).fit(X, y), X, y)
    with pytest.raises(ValueError, match="no classes of the source: 99"):
        qc.finetune(source, X, np.where(y == 3, 99, y))
    with pytest.raises(ValueError, match="as many labels as rows"):
        qc.finetune(source, X, y[:-1])
    with pytest.raises(ValueError, match=r"bits in 2 .. 16"):
        qc.finetune(source, X, y, bits=1)
