"""Quality and agreement against scikit-learn's metrics, and intervals against exact binomial ones."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats
from sklearn import metrics

from quantcore.report.quality import agreement, classification, regression, share


@pytest.mark.parametrize(("hits", "n"), [(0, 10), (10, 10), (1, 1000), (999, 1000), (37, 80)])
def test_the_interval_is_wilson_s(hits, n):
    found, expected = share(hits, n), stats.binomtest(hits, n).proportion_ci(method="wilson")
    np.testing.assert_allclose([found.low, found.high], [expected.low, expected.high], rtol=1e-9, atol=1e-12)
    assert found.value == hits / n
    with pytest.raises(ValueError, match="got none"):
        share(0, 0)


@pytest.mark.parametrize("labels", [["a", "b", "c"], [0, 1, 2]], ids=["strings", "numbers"])
def test_classification_is_scikit_learn_s(labels):
    random = np.random.default_rng(0)
    y, predicted = random.choice(labels, 500), random.choice(labels, 500)
    p = random.dirichlet(np.ones(3), 500)
    found = classification(y, predicted, p, np.array(labels))
    assert found["accuracy"] == pytest.approx(metrics.accuracy_score(y, predicted))
    assert found["macro_f1"] == pytest.approx(metrics.f1_score(y, predicted, average="macro"))
    assert found["log_loss"] == pytest.approx(metrics.log_loss(y, p, labels=labels))
    best, right = p.max(axis=1), np.array(labels)[p.argmax(axis=1)] == y
    bins = [np.flatnonzero((best >= i / 15) & (best < (i + 1) / 15)) for i in range(15)]
    expected = sum(abs(right[b].mean() - best[b].mean()) * len(b) for b in bins if len(b)) / 500
    assert found["calibration_error"] == pytest.approx(expected)


def test_labels_that_the_model_never_saw_have_no_log_loss():
    assert "log_loss" not in classification(["a", "z"], ["a", "a"], [[0.5, 0.5]] * 2, ["a", "b"])


def test_several_labels_and_numbers():
    random = np.random.default_rng(1)
    y, predicted = random.integers(0, 2, (2, 300, 4))
    assert classification(y, predicted)["macro_f1"] == pytest.approx(metrics.f1_score(y, predicted, average="macro"))
    truth, numbers = random.normal(size=(2, 300))
    found = regression(truth, numbers)
    assert found["r2"] == pytest.approx(metrics.r2_score(truth, numbers))
    assert found["mae"] == pytest.approx(metrics.mean_absolute_error(truth, numbers))


def test_rows_of_several_labels_agree_only_whole():
    same, away = agreement([[1, 0], [1, 1], [0, 0]], [[1, 0], [1, 0], [0, 0]])
    assert (same.value, same.n, away.tolist()) == (2 / 3, 3, [1])
