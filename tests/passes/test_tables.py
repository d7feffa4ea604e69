"""Forms of tables for "measured": compensation against least squares, verdicts off the rows that a form was made of."""

from __future__ import annotations

import itertools
from dataclasses import replace

import numpy as np
import pytest
from sklearn import datasets
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

import quantcore as qc
from quantcore.artifact import encode
from quantcore.importers import convert
from quantcore.passes import Options, optimize, tables
from quantcore.passes.compensate import compensated, gram, refitted
from quantcore.passes.sizes import integers_bytes
from quantcore.passes.tables import on_grid
from quantcore.plan import INPUT, Plan
from quantcore.plan.ops import Linear, PlanarLinear
from quantcore.reference import run
from quantcore.runtime.execute import Executor

DIGITS = datasets.load_digits(return_X_y=True)


def halves(X, y):
    order = np.random.default_rng(1).permutation(len(X))
    half = len(X) // 2
    return X[order[:half]], y[order[:half]], X[order[half:]], y[order[half:]]


def fitted(X, y):
    return make_pipeline(StandardScaler(), LogisticRegression(max_iter=200)).fit(X, y)


def test_compensated_rounding_is_near_the_best_of_all():
    """Of four features the best rounding can be found among all neighbours."""
    random = np.random.default_rng(0)
    mixing = random.normal(size=(4, 4)) * [3.0, 1.0, 1.0, 0.3]
    better = 0
    for _ in range(40):
        products, weight = gram(random.normal(size=(300, 4)) @ mixing), random.normal(size=(4, 1)) * 3

        def loss(integers, weight=weight, products=products):
            off = weight - integers
            return float((off.T @ products @ off).item())

        best = min(loss(np.rint(weight) + np.array(d)[:, None]) for d in itertools.product((-2, -1, 0, 1, 2), repeat=4))
        found, nearest = loss(compensated(weight, products, 100)), loss(np.rint(weight))
        assert best <= found + 1e-9
        better += found < nearest - 1e-9
        assert found <= nearest + 4 * best + 1e-9
    assert better > 20


def test_compensation_respects_the_limit_and_independent_features_need_none():
    weight = np.random.default_rng(0).normal(size=(30, 3)) * 10
    assert np.abs(compensated(weight, np.eye(30), 7)).max() == 7
    np.testing.assert_array_equal(compensated(weight, np.eye(30), 1000), np.rint(weight))


def test_refitted_weights_are_those_of_least_squares():
    random = np.random.default_rng(0)
    rows, weight = random.normal(size=(500, 6)) @ random.normal(size=(6, 6)), random.normal(size=(6, 2))
    kept = np.array([True, True, False, True, False, True])
    away = rows - rows.mean(axis=0)
    products = away.T @ away
    expected = np.linalg.lstsq(away[:, kept], away @ weight, rcond=None)[0]
    found = refitted(weight, products, kept)
    np.testing.assert_allclose(found[kept], expected, rtol=1e-6)
    assert not found[~kept].any()


@pytest.mark.parametrize("precision", ["auto", "int8", "int4", "int16"])
def test_labels_of_new_rows_agree_and_the_file_is_no_larger_than_a_certified_one(precision):
    X, y, new, _ = halves(*DIGITS)
    source = fitted(X, y)
    model = qc.quantize(source, X, guarantee="measured", min_agreement=0.99, precision=precision)
    assert np.mean(model.predict(new) == source.predict(new)) >= 0.985
    assert len(model.data) <= len(qc.quantize(source, X, precision="float32").data)
    candidates = model.report()["candidates"]
    (kept,) = [one for one in candidates if one["kept"]]
    assert kept["agreement"] >= 0.99
    assert kept["bytes"] == len(model.data)
    assert candidates[0]["form"] == "the source's weights"


def test_int4_takes_half_the_bytes_of_int8_or_the_report_says_that_int8_was_kept():
    random = np.random.default_rng(0)
    y = random.integers(0, 20, 8000)
    X, y, new, _ = halves(random.normal(size=(20, 200))[y] * 1.2 + random.normal(size=(8000, 200)), y)
    source = fitted(X, y)
    four, eight = (qc.quantize(source, X, guarantee="measured", precision=p) for p in ("int4", "int8"))
    chosen = next(c for c in four.report()["candidates"] if c["kept"])
    assert chosen["form"].startswith("int4")
    sizes = {c["form"]: c["weights"] for c in four.report()["candidates"]}
    (op,) = [op for op in four._artifact.plan.ops if isinstance(op, PlanarLinear)]
    assert np.abs(op.rows).max() <= 7
    assert len(four.data) < len(eight.data)
    assert np.mean(four.predict(new) == source.predict(new)) >= 0.999
    assert 2 * sizes["int4, nearest"] <= min(sizes["int8, nearest"], sizes["int8, compensated"])
    X, y, _, _ = halves(*DIGITS)
    kept = next(
        c for c in qc.quantize(fitted(X, y), X, guarantee="measured", precision="int4").report()["candidates"] if c["kept"]
    )
    assert not kept["form"].startswith("int4")


@pytest.mark.parametrize("name", ["breast_cancer", "digits", "wine"])
def test_the_file_is_never_larger_than_the_float32_form_and_labels_of_new_rows_agree(name):
    X, y, new, _ = halves(*getattr(datasets, f"load_{name}")(return_X_y=True))
    source = fitted(X, y)
    model = qc.quantize(source, X, guarantee="measured")
    assert len(model.data) <= len(qc.quantize(source, X, precision="float32").data) + 8  # an option in the provenance is longer
    wrong = np.count_nonzero(model.predict(new) != source.predict(new))
    assert wrong <= np.ceil(0.001 * len(new)) + 1


def test_a_grid_that_gains_nothing_is_not_taken():
    X, y = datasets.load_breast_cancer(return_X_y=True)
    source = fitted(X, y)
    model = qc.quantize(source, X, guarantee="measured")
    (kept,) = [one for one in model.report()["candidates"] if one["kept"]]
    assert kept["form"] == "float32"
    assert "gains nothing" in kept["why"]
    labels, sure = model.predict_certified(X)  # the source's weights, each to the nearest: what is answered is proved
    assert sure.mean() > 0.99
    np.testing.assert_array_equal(labels, source.predict(X))
    (op,) = [op for op in model._artifact.plan.ops if isinstance(op, PlanarLinear)]
    away = np.abs(np.ldexp(op.rows.astype(float), op.exponent.astype(int)[:, None]) - source[1].coef_.T)
    assert (away <= np.ldexp(0.5, op.exponent.astype(int))[:, None]).all()


def test_rows_of_a_form_that_is_not_the_sources_take_no_finer_plane_for_its_distance():
    """A grid so coarse that its error would cover most gaps: what is computed is what is meant, by the reference too."""
    X, y, new, _ = halves(*DIGITS)
    model = qc.quantize(fitted(X, y), X, guarantee="measured", min_agreement=0.8)
    (op,) = [op for op in model._artifact.plan.ops if isinstance(op, PlanarLinear)]
    assert op.approximate and op.error == 0.0
    np.testing.assert_array_equal(model.predict(new), run(model._artifact.plan, new, "predict"))
    assert model.stats()["fine_rows"] <= 0.02 * len(new)
    assert not model.predict_certified(new)[1].any()


def test_sizes_of_integers_are_about_those_of_the_file():
    random = np.random.default_rng(0)
    for shape, deviation in (((30, 1), 1e4), ((64, 10), 3.0), ((64, 10), 1e3), ((300, 20), 40.0), ((300, 20), 1e5)):
        values = np.rint(random.normal(size=shape) * deviation).astype(np.int64)
        op = Linear(inputs=(INPUT,), weight=values.astype(float), bias=np.zeros(shape[1]))
        plan = Plan(
            (on_grid(op, values, np.zeros(len(values), np.int64), op.bias),), {"decision_function": 0}, "matrix", shape[0]
        )
        nothing = np.zeros_like(values)
        empty = replace(plan, ops=(on_grid(op, nothing, np.zeros(len(values), np.int64), op.bias),))
        stored = len(encode(plan, {})) - len(encode(empty, {}))
        assert integers_bytes(values) == pytest.approx(stored, rel=0.3, abs=24)


def test_whole_features_are_dropped_and_the_others_refitted():
    X, y, new, _ = halves(*DIGITS)
    source = fitted(X, y)
    model = qc.quantize(source, X, guarantee="measured", min_agreement=0.9, prune=0.2)
    (op,) = [op for op in model._artifact.plan.ops if isinstance(op, PlanarLinear)]
    assert np.count_nonzero(op.rows.any(axis=1)) <= round(0.8 * 64)
    assert np.mean(model.predict(new) == source.predict(new)) >= 0.9
    with pytest.raises(ValueError, match="no form with prune=0.9 reaches min_agreement=0.9999.*the best agrees on"):
        qc.quantize(source, X, guarantee="measured", min_agreement=0.9999, prune=0.9)
    with pytest.raises(ValueError, match="with guarantee='measured' a share"):
        qc.quantize(source, X, prune=0.3)
    with pytest.raises(ValueError, match="needs calibration rows"):
        qc.quantize(source, guarantee="measured", prune=0.3)


def test_a_bad_candidate_that_agrees_on_the_rows_it_was_made_of_is_told_by_the_others(monkeypatch):
    """Weights off by a vector that is orthogonal to every row that tunes: no label of these changes, those of others do."""
    random = np.random.default_rng(0)
    X = random.normal(size=(300, 400))
    source = LogisticRegression(max_iter=500).fit(X, X[:, 0] > 0)
    tune = X[::2]
    away = random.normal(size=400)
    away -= tune.T @ np.linalg.lstsq(tune.T, away, rcond=None)[0]

    def planted(weight, products, limit):
        return np.rint(weight + 30000.0 * (away / np.abs(away).max())[:, None]).astype(np.int64)

    monkeypatch.setattr(tables, "compensated", planted)
    model = qc.quantize(source, X, guarantee="measured", precision="int16")
    bad = next(c for c in model.report()["candidates"] if c["form"] == "int16, compensated")
    assert bad["flips"] > 0 and not bad["kept"] and bad["why"] == "flips too many labels"
    assert bad["agreement"] < 0.99
    assert np.mean(model.predict(X) == source.predict(X)) >= 0.999


def test_a_grid_that_flips_labels_off_the_calibration_rows_alone_is_caught_by_the_certificate():
    """Calibration rows that are far from any tie allow a coarse grid; rows near a tie flip, and none of them is certified."""
    X, y, new, _ = halves(*datasets.make_classification(8000, 100, n_informative=60, n_classes=2, random_state=0))
    source = make_pipeline(StandardScaler(), LogisticRegression()).fit(X, y)
    clear = X[np.abs(source.decision_function(X)) > np.quantile(np.abs(source.decision_function(X)), 0.9)]
    plan = optimize(convert(source), Options("measured", min_agreement=0.999), clear)
    assert not next(op for op in plan.ops if isinstance(op, PlanarLinear)).approximate
    executor = Executor(plan)
    np.testing.assert_array_equal(executor.certified(clear)[0], source.predict(clear))
    labels, sure = executor.certified(new)
    wrong = labels != source.predict(new)
    assert wrong.any()  # else nothing was planted
    assert not (wrong & sure).any()
    assert sure.mean() > 0.5
