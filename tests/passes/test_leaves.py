"""Leaves at a lower precision for "measured": values to the nearest of a grid, labels of new rows, what is told and what is not
proved."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pandas as pd
import pytest
from sklearn.calibration import CalibratedClassifierCV
from sklearn.datasets import load_digits, make_classification
from sklearn.ensemble import (
    AdaBoostClassifier,
    GradientBoostingClassifier,
    GradientBoostingRegressor,
    RandomForestClassifier,
    VotingClassifier,
)
from sklearn.linear_model import LogisticRegression
from sklearn.tree import DecisionTreeClassifier

import quantcore as qc
from quantcore.importers import convert
from quantcore.passes import leaves, search
from quantcore.passes.fuse import fuse
from quantcore.passes.leaves import ensemble, rounded
from quantcore.plan import Plan
from quantcore.plan.ops import LeafSum
from quantcore.plan.validate import validate
from quantcore.reference import run
from quantcore.runtime.cold import cold_plan

X, Y = make_classification(6000, 12, n_informative=8, n_classes=2, flip_y=0.1, random_state=0)
BOOSTED = GradientBoostingClassifier(n_estimators=60, max_depth=4, random_state=0).fit(X[:3000], Y[:3000])
NEW = X[3000:]


def sums(plan: Plan) -> LeafSum:
    return next(op for op in plan.ops if isinstance(op, LeafSum))


@pytest.mark.parametrize("step", [None, -3, -9])
def test_values_go_to_the_nearest_of_the_grid_and_equal_ones_are_stored_once(step):
    op = sums(convert(BOOSTED))
    found = rounded(op, step)
    assert found.values.dtype == op.values.dtype and found.approximate
    assert (found.values == found.values.astype(np.float32)).all()
    assert (np.diff(found.values[:, 0]) > 0).all()
    before = op.values if op.index is None else op.values[op.index]
    after = found.values[found.index]
    if step is None:
        np.testing.assert_array_equal(after, before.astype(np.float32))  # equal as numbers
        return
    for a, b in zip(before[:200, 0].tolist(), after[:200, 0].tolist(), strict=True):
        assert abs(Fraction(a) - Fraction(b)) <= Fraction(2) ** step / 2
        assert (Fraction(b) / Fraction(2) ** step).denominator == 1


@pytest.mark.parametrize("least", [0.999, 0.98])
def test_labels_of_new_rows_agree_and_the_file_is_smaller(least):
    model = qc.quantize(BOOSTED, X[:3000], guarantee="measured", min_agreement=least)
    exact = qc.quantize(BOOSTED, X[:3000])
    assert len(model.data) < 0.7 * len(exact.data)
    wrong = np.mean(model.predict(NEW) != BOOSTED.predict(NEW))
    assert wrong <= 1 - least + 2 * np.sqrt((1 - least) / len(NEW))
    candidates = model.report()["candidates"]
    (kept,) = [one for one in candidates if one["kept"]]
    assert kept["bytes"] == len(model.data) and kept["agreement"] >= least
    assert [one["form"] for one in candidates[:2]] == ["the source's leaves", "leaves of float32"]
    assert all(one["why"] == "flips too many labels" for one in candidates[2:-1])  # grids come from coarse to fine
    np.testing.assert_allclose(model.predict_proba(NEW), BOOSTED.predict_proba(NEW), atol=0.02 if least == 0.999 else 0.2)


def test_nothing_is_certified_and_the_reference_gives_the_same_labels():
    model = qc.quantize(BOOSTED, X[:3000], guarantee="measured")
    plan = model._artifact.plan
    validate(plan)
    assert sums(plan).approximate
    labels, sure = model.predict_certified(NEW)
    assert not sure.any()
    np.testing.assert_array_equal(labels, model.predict(NEW))
    np.testing.assert_array_equal(labels, run(plan, NEW, "predict"))
    for rows in (NEW[:1], NEW[:100], np.asfortranarray(NEW)):  # the last one goes op by op, and to nobody that proves
        np.testing.assert_array_equal(model.predict(rows), run(plan, rows, "predict"))
    assert cold_plan(plan) is None
    assert model.report()["max_bound"] is None
    assert model.report()["served_by"] == "fused kernel"


def test_classes_and_forests():
    digits, target = load_digits(return_X_y=True)
    source = GradientBoostingClassifier(n_estimators=15, random_state=0).fit(digits[:900], target[:900])
    model = qc.quantize(source, digits[:900], guarantee="measured", min_agreement=0.99)
    assert sums(model._artifact.plan).approximate
    assert model.stats()["fallback_selftest"] == 0
    np.testing.assert_array_equal(model.predict(digits[900:]), run(model._artifact.plan, digits[900:], "predict"))
    assert model.predict_proba(digits[:9]).dtype == source.predict_proba(digits[:9]).dtype
    assert np.mean(model.predict(digits[900:]) == source.predict(digits[900:])) >= 0.98
    forest = RandomForestClassifier(20, max_depth=8, random_state=0).fit(X[:3000], Y[:3000])
    model = qc.quantize(forest, X[:3000], guarantee="measured", min_agreement=0.99)
    assert len(model.data) <= len(qc.quantize(forest, X[:3000]).data)
    assert np.mean(model.predict(NEW) == forest.predict(NEW)) >= 0.985


def test_leaves_that_a_grid_does_not_make_smaller_stay_the_sources_and_certified():
    votes = RandomForestClassifier(10, random_state=0).fit(X[:1000], Y[:1000])  # grown in full: a leaf is of one class
    model = qc.quantize(votes, X[:1000], guarantee="measured")
    (kept,) = model.report()["candidates"]
    assert kept["form"] == "the source's leaves" and kept["kept"]
    assert model.predict_certified(NEW)[1].all()
    small = GradientBoostingClassifier(n_estimators=2, max_depth=2, random_state=0).fit(X[:1000], Y[:1000])
    model = qc.quantize(small, X[:1000], guarantee="measured", min_agreement=0.9)
    assert not sums(model._artifact.plan).approximate
    assert any(one["why"] == "gains next to nothing" for one in model.report()["candidates"])


def test_a_form_that_flips_labels_off_the_calibration_rows_alone_is_told_by_rows_near_a_tie():
    """Rows far from any tie let a coarse grid through that flips others: the rows mixed of them say so."""
    far = np.abs(BOOSTED.decision_function(X[:3000])) > 2.0
    model = qc.quantize(BOOSTED, X[:3000][far], guarantee="measured")
    candidates = model.report()["candidates"]
    told = [one for one in candidates if one["flips"] == 0 and one["why"] == "flips too many labels"]
    assert told  # no label of these rows changes, and yet they are refused
    assert np.mean(model.predict(NEW) == BOOSTED.predict(NEW)) >= 0.995


def test_the_search_tells_how_far_it_has_come_and_can_be_ended():
    told = []
    qc.quantize(BOOSTED, X[:500], guarantee="measured", progress=lambda *what: told.append(what))
    steps = [(done, total) for stage, done, total in told if stage == "search"]
    assert steps == sorted(steps) and len(steps) > 3 and steps[-1][0] <= steps[-1][1]

    def stop(stage, done, total):
        if stage == "search":
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        qc.quantize(BOOSTED, X[:500], guarantee="measured", progress=stop)


def test_precision_says_where_to_begin():
    for precision, least in (("int8", 8), ("int16", 16)):
        model = qc.quantize(BOOSTED, X[:3000], guarantee="measured", min_agreement=0.9, precision=precision)
        forms = [one["form"] for one in model.report()["candidates"]]
        assert forms[2] == f"leaves of {least} bits"
    model = qc.quantize(BOOSTED, X[:3000], guarantee="measured", precision="float32")
    assert [one["form"] for one in model.report()["candidates"]] == ["the source's leaves", "leaves of float32"]


def test_only_one_ensemble_whose_scores_decide_has_forms():
    assert ensemble(fuse(convert(BOOSTED))) is not None
    assert ensemble(fuse(convert(GradientBoostingRegressor(n_estimators=3).fit(X[:200], Y[:200])))) is None
    assert ensemble(fuse(convert(LogisticRegression().fit(X[:200], Y[:200])))) is None
    found = search(convert(BOOSTED), search.__globals__["Options"]("measured"))  # no rows to judge on
    assert not sums(found.plan).approximate


@pytest.mark.parametrize(
    "source",
    [
        CalibratedClassifierCV(GradientBoostingClassifier(n_estimators=5, random_state=0), ensemble=False, cv=2),
        AdaBoostClassifier(n_estimators=5, random_state=0),
        VotingClassifier([(str(d), DecisionTreeClassifier(max_depth=d, random_state=0)) for d in (2, 3, 4)], voting="soft"),
    ],
    ids=lambda m: type(m).__name__,
)
def test_leaves_behind_which_more_is_done_stay_the_source_s(source):
    source.fit(X[:1000], Y[:1000])
    assert ensemble(fuse(convert(source))) is None
    model = qc.quantize(source, X[:1000], guarantee="measured")
    np.testing.assert_array_equal(model.predict(NEW), source.predict(NEW))


def test_leaves_that_are_float32_already():
    xgboost = pytest.importorskip("xgboost")
    source = xgboost.XGBClassifier(n_estimators=20, max_depth=4, n_jobs=1).fit(X[:3000], Y[:3000])
    model = qc.quantize(source, X[:3000], guarantee="measured", min_agreement=0.99)
    assert "leaves of float32" not in [one["form"] for one in model.report()["candidates"]]
    assert np.mean(model.predict(NEW) == source.predict(NEW)) > 0.985


@pytest.mark.parametrize("form", ["array", "list", "data frame"])
def test_many_calibration_rows_are_thinned_in_their_own_form(form):
    source = GradientBoostingClassifier(n_estimators=5, random_state=0)
    rows = np.tile(X, (5, 1))[: leaves._MOST_ROWS + 500]
    given = {"array": rows, "list": rows.tolist(), "data frame": pd.DataFrame(rows)}[form]
    source.fit(X[:2000], Y[:2000])
    model = qc.quantize(source, given, guarantee="measured", min_agreement=0.99)
    assert len(model.data) < len(qc.quantize(source).data)
    assert np.mean(model.predict(NEW) == source.predict(NEW)) > 0.985
