"""Which form of an ensemble serves which rows, and that all give the same answers."""

import numpy as np
import pytest

sklearn = pytest.importorskip("sklearn")

from sklearn.ensemble import GradientBoostingClassifier, HistGradientBoostingRegressor, RandomForestClassifier  # noqa: E402

import quantcore as qc  # noqa: E402
from quantcore.native import registry  # noqa: E402
from quantcore.runtime import trees  # noqa: E402


def fitted(estimator, n_classes):
    random = np.random.default_rng(0)
    X = random.normal(size=(400, 6))
    y = X[:, 0] * X[:, 1] + X[:, 2]
    return estimator.fit(X, y if n_classes is None else np.digitize(y, np.linspace(-1, 1, n_classes - 1))), X


def ops_of(model):
    plan = model._artifact.plan
    return plan.ops[0], plan.ops[1]


def test_what_is_sliced():
    small, _ = fitted(GradientBoostingClassifier(n_estimators=5), 3)
    op, sums = ops_of(qc.quantize(small))
    assert trees.sliced_obstacle(op, sums) is None
    assert trees.rows_obstacle(op) is None
    random = np.random.default_rng(1)
    deep = RandomForestClassifier(3).fit(random.normal(size=(3000, 3)), random.integers(0, 2, 3000))
    assert "leaves" in trees.sliced_obstacle(*ops_of(qc.quantize(deep)))
    wide = HistGradientBoostingRegressor(max_iter=90, max_depth=8).fit(random.normal(size=(900, 300)), random.normal(size=900))
    op, _ = ops_of(qc.quantize(wide))
    assert len(op.feature) > 128
    assert "columns" in trees.rows_obstacle(op)


def test_how_many_rows_come_one_by_one():
    assert trees.most_rows(sliced=True, tops=True) > trees.most_rows(sliced=True, tops=False)
    assert trees.most_rows(sliced=False, tops=False) == trees.most_rows(sliced=False, tops=True)


@pytest.mark.skipif(registry.door("trees") is None, reason="this checkout is pure NumPy: nothing is compiled")
@pytest.mark.parametrize(
    ("estimator", "n_classes"),
    [
        (GradientBoostingClassifier(n_estimators=20), 2),
        (GradientBoostingClassifier(n_estimators=20), 3),
        (HistGradientBoostingRegressor(max_iter=20), None),
        (RandomForestClassifier(20, random_state=0), 3),
    ],
)
def test_plain_arrays_and_all_else(estimator, n_classes):
    """The door's own way, and the checked one, row counts on both sides of every choice."""
    source, X = fitted(estimator, n_classes)
    model = qc.quantize(source)
    assert model.report()["served_by"] == "fused kernel"
    rows = np.random.default_rng(2).normal(size=(700, 6))
    before = model.stats()["rows"]
    for n in (1, 2, 12, 13, 16, 17, 64, 65, 192, 193, 512, 513, 700):
        expected = source.predict(rows[:n])
        for given in (rows[:n], rows[:n].tolist(), np.asfortranarray(rows[:n])):
            found = model.predict(given)
            assert found.dtype == expected.dtype
            assert found.tobytes() == expected.tobytes()
    assert model.stats()["rows"] - before == 3 * sum((1, 2, 12, 13, 16, 17, 64, 65, 192, 193, 512, 513, 700))


def test_refused_rows_raise_what_the_source_raises():
    source, X = fitted(GradientBoostingClassifier(n_estimators=5), 2)
    model = qc.quantize(source)
    for bad in (np.nan, np.inf, 1e300):
        for n in (1, 30, 300):
            rows = X[:n].copy()
            rows[-1, 5] = bad
            with pytest.raises(ValueError, match="NaN|infinity"):
                source.predict(rows)
            with pytest.raises(ValueError, match="NaN|infinity"):
                model.predict(rows)
    with pytest.raises(ValueError, match="features"):
        model.predict(X[:, :5])
