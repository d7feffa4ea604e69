"""Which form of an ensemble serves which rows, and that all give the same answers."""

import numpy as np
import pytest

sklearn = pytest.importorskip("sklearn")

from sklearn.ensemble import (  # noqa: E402
    GradientBoostingClassifier,
    HistGradientBoostingClassifier,
    HistGradientBoostingRegressor,
    RandomForestClassifier,
)

import quantcore as qc  # noqa: E402
from quantcore.native import registry  # noqa: E402
from quantcore.runtime import Executor, trees  # noqa: E402


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


@pytest.mark.skipif(registry.door("trees") is None, reason="this checkout is pure NumPy: nothing is compiled")
@pytest.mark.parametrize(
    ("estimator", "n_classes", "methods"),
    [
        (GradientBoostingClassifier(n_estimators=20), 2, ("predict_proba", "predict_log_proba", "decision_function")),
        (GradientBoostingClassifier(n_estimators=20), 3, ("predict_proba", "predict_log_proba", "decision_function")),
        (HistGradientBoostingClassifier(max_iter=20), 2, ("predict_proba", "decision_function")),
        (HistGradientBoostingRegressor(max_iter=20, loss="gamma"), None, ("predict",)),
        (RandomForestClassifier(20, random_state=0), 3, ("predict_proba", "predict_log_proba")),
    ],
)
def test_answers_that_follow_from_sums(estimator, n_classes, methods):
    """One pass gives them: within the reference's bound, equal where nothing but sums is asked for, the same in any batch."""
    random = np.random.default_rng(0)
    X = random.normal(size=(400, 6))
    y = X[:, 0] * X[:, 1] + X[:, 2]
    y = np.exp(y) if n_classes is None else np.digitize(y, np.linspace(-1, 1, n_classes - 1))
    source = estimator.fit(X, y)
    model, rows = qc.quantize(source), random.normal(size=(700, 6))
    executor = model._executor
    by_numpy = Executor(executor.plan, native=False)
    for method in methods:
        with np.errstate(divide="ignore"):
            whole = getattr(model, method)(rows)
            expected, sources = by_numpy.run(method, rows), getattr(source, method)(rows)
            assert executor.forests.answer(method, 6, rows).tobytes() == whole.tobytes()
            for n in (1, 2, 16, 17, 64, 65, 512):
                assert getattr(model, method)(rows[:n]).tobytes() == whole[:n].tobytes()
                assert getattr(model, method)(rows[:n].tolist()).shape == whole[:n].shape
        assert (whole.dtype, whole.shape) == (sources.dtype, sources.shape)
        np.testing.assert_allclose(whole, expected, rtol=2e-14, atol=1e-15)
        np.testing.assert_allclose(whole, sources, rtol=2e-14, atol=1e-15)
        bound = executor.bound(method, rows)
        finite = np.isfinite(whole)
        assert bound is None or (np.abs(whole - expected)[finite] <= bound).all()
        if method == "decision_function" or isinstance(source, RandomForestClassifier):
            assert whole.tobytes() == expected.tobytes()
        rows_too_wide = rows[:, :5]
        with pytest.raises(ValueError, match="features"):
            getattr(model, method)(rows_too_wide)


@pytest.mark.skipif(registry.door("trees") is None, reason="this checkout is pure NumPy: nothing is compiled")
@pytest.mark.parametrize("n_classes", [2, 3])
def test_probabilities_of_float32_sums(n_classes):
    xgboost = pytest.importorskip("xgboost")
    source, X = fitted(xgboost.XGBClassifier(n_estimators=20, max_depth=3), n_classes)
    model = qc.quantize(source)
    found, expected = model.predict_proba(X), source.predict_proba(X)
    assert found.dtype == expected.dtype == np.float32
    np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-7)
    np.testing.assert_allclose(found, Executor(model._executor.plan, native=False).run("predict_proba", X), rtol=1e-6, atol=1e-7)
    assert model._executor.forests.answer("predict_proba", 6, X).tobytes() == found.tobytes()


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


@pytest.mark.skipif(registry.door("trees") is None, reason="this checkout is pure NumPy: nothing is compiled")
def test_compiled_trees_are_handed_on():
    source, X = fitted(RandomForestClassifier(20, random_state=0), 3)
    converted = qc.quantize(source)
    plan = qc.quantize(source)._artifact.plan
    first = converted._executor
    second = Executor(plan, like=first)
    assert second.forests._forests == first.forests._forests != {}
    assert second.direct is not first.direct  # which counts its own rows
    reference = Executor(plan, native=False, like=first)
    assert reference.direct is None
    for rows in (X, X[:1]):
        assert (second.run("predict", rows) == source.predict(rows)).all()
        for served in (second, reference):
            assert (served.run("predict_proba", rows) == source.predict_proba(rows)).all()
    assert second.stats()["rows"] == len(X) + 1 and first.stats()["rows"] == 0


@pytest.mark.skipif(registry.door("trees") is None, reason="this checkout is pure NumPy: nothing is compiled")
@pytest.mark.parametrize("estimator", [RandomForestClassifier(20, random_state=0), HistGradientBoostingClassifier(max_iter=5)])
def test_data_frames_and_lists_take_the_compiled_pass(estimator):
    pandas = pytest.importorskip("pandas")
    source, X = fitted(estimator, 3)
    model = qc.quantize(source)
    rows = np.rint(4.0 * X)
    forms = [pandas.DataFrame(rows), pandas.DataFrame(rows.astype(np.float32)), pandas.DataFrame(rows.astype(np.int64)),
             rows.tolist(), rows.astype(np.int32), np.asfortranarray(rows), rows.astype(">f8")]  # fmt: skip
    for form in forms:
        for few in (form, form[:1]):
            n = len(few)
            assert (model.predict(few) == source.predict(rows[:n])).all()
            assert (model.predict_proba(few) == model.predict_proba(rows[:n])).all()
    assert model.stats()["fallback_op_by_op"] == 0
    assert model.stats()["rows"] == len(forms) * (len(X) + 1)
    broken = pandas.DataFrame(rows)
    broken.iloc[1, 2] = np.inf
    if isinstance(estimator, RandomForestClassifier):
        with pytest.raises(ValueError, match="infinity"):
            model.predict(broken)
        with pytest.raises(ValueError, match="infinity"):
            model.predict_proba(broken)
    with pytest.raises(ValueError, match="features"):
        model.predict(pandas.DataFrame(rows[:, :4]))
