"""Certificates over tables under attack, against exact rationals: what the source could compute is an interval around the real
score, and a label is certified only where it is the same all over it."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

import quantcore as qc
from quantcore.artifact import encode
from quantcore.importers import convert
from quantcore.model import Model
from quantcore.passes import Options, optimize

UNIT = {"float64": Fraction(1, 2**53), "float32": Fraction(1, 2**24)}
TINY = {"float64": Fraction(1, 2**1074), "float32": Fraction(1, 2**149)}


def source_of(weight, bias, dtype="float64"):
    """A fitted scikit-learn classifier with these coefficients."""
    weight, bias = np.atleast_2d(np.asarray(weight, dtype)), np.atleast_1d(np.asarray(bias, dtype))
    model = LogisticRegression()
    model.classes_ = np.arange(max(2, len(weight)))
    model.coef_, model.intercept_, model.n_features_in_ = weight, bias, weight.shape[1]
    model.n_iter_ = np.ones(1, int)
    return model


def possible(model, row):
    """For each class the lowest and the highest score that the source could compute in its dtype, in any order, with or
    without fused multiply-add: exact rationals."""
    dtype = str(model.coef_.dtype)
    unit, tiny = UNIT[dtype], TINY[dtype]
    found = []
    for weight, bias in zip(model.coef_, model.intercept_, strict=True):
        terms = [Fraction(float(x)) * Fraction(float(w)) for x, w in zip(row, weight, strict=True) if x != 0]
        n = len(terms) + 1
        gamma = n * unit / (1 - n * unit)
        size = sum(map(abs, terms))
        error = gamma * size + unit * abs(Fraction(float(bias))) + n * tiny if terms else 0
        score = sum(terms) + Fraction(float(bias))
        found.append((score - error, score + error, score))
    return found


def label_if_sure(scores):
    """The label that all of the possible scores give, or None."""
    if len(scores) == 1:
        low, high, _ = scores[0]
        return 1 if low > 0 else 0 if high <= 0 else None
    best = max(range(len(scores)), key=lambda k: scores[k][2])
    low = scores[best][0]
    rest = [k for k in range(len(scores)) if k != best]
    return best if all(low > scores[k][1] or (k > best and low >= scores[k][1]) for k in rest) else None


def check(model, rows, calibration=None, **options):
    """Every certified label is sure; returns what was certified, and what could have been."""
    found = qc.quantize(model, calibration, **options)
    labels, certified = found.predict_certified(rows)
    scores = np.atleast_2d(found.decision_function(rows).T).T
    bound = found.report()["bound"]
    size = np.abs(np.asarray(rows, np.float64))
    limit = bound["a"] * (size * 2.0 ** np.array(bound["c"], np.float64)).sum(axis=1) + bound["b"]
    could = np.zeros(len(rows), bool)
    for i, row in enumerate(rows):
        real = possible(model, row)
        sure = label_if_sure(real)
        could[i] = sure is not None
        assert not certified[i] or labels[i] == sure, f"row {i} is certified as {labels[i]}, the source may compute {real}"
        for (low, high, _), score in zip(real, scores[i], strict=True):
            away = max(abs(Fraction(float(score)) - low), abs(Fraction(float(score)) - high))
            assert away <= Fraction(float(limit[i])), f"row {i}: {float(away)} is more than the stated {limit[i]}"
    return certified, could


def orders(model, row, random, n=20):
    """Labels that orders of summation and dtypes give, as no linear algebra need keep to one."""
    kind = model.coef_.dtype.type
    seen = set()
    for _ in range(n):
        order = random.permutation(len(row))
        scores = []
        for weight, bias in zip(model.coef_, model.intercept_, strict=True):
            products = (row.astype(kind) * weight)[order]
            total = kind(0)
            if random.random() < 0.5:
                for value in products:
                    total = kind(total + value)
            else:
                total = kind(products[::2].sum(dtype=kind) + products[1::2].sum(dtype=kind))
            scores.append(kind(total + bias))
        seen.add(int(scores[0] > 0) if len(scores) == 1 else int(np.argmax(scores)))
    return seen


def on_the_boundary(model, random, n, dtype):
    """Rows whose two best scores (or whose one score and 0) are a few ulp apart, or equal as near as one column can say."""
    width = model.coef_.shape[1]
    rows = random.normal(size=(n, width)) * 10.0 ** random.integers(-3, 4, (1, width))
    weight = model.coef_.astype(np.float64)
    for i in range(n):
        a, b = (0, None) if len(weight) == 1 else random.choice(len(weight), 2, replace=False)
        normal = weight[a] - (0 if b is None else weight[b])
        at = int(np.abs(normal).argmax())
        shift = float(model.intercept_[a]) - (0.0 if b is None else float(model.intercept_[b]))
        rest = sum(
            Fraction(float(x)) * Fraction(float(w)) for j, (x, w) in enumerate(zip(rows[i], normal, strict=True)) if j != at
        )
        rows[i, at] = float(-(rest + Fraction(shift)) / Fraction(float(normal[at])))
        if b is not None and len(weight) > 2:  # these two are the best
            others = [k for k in range(len(weight)) if k not in (a, b)]
            push = np.linalg.pinv(np.vstack([normal, weight[others] - weight[a]])) @ np.r_[0.0, -np.full(len(others), 10.0)]
            rows[i] += push
        step = random.choice([0, 0, 1, 2, 8, 64, 2**12, 2**20, 2**28, 2**36])
        kind = np.dtype(dtype).type
        value = kind(rows[i, at])
        rows[i, at] = value * (1 + random.choice([-1, 1]) * step * float(np.finfo(kind).eps))
    return rows.astype(dtype)


@pytest.mark.parametrize("guarantee", ["certified", "exact"])
@pytest.mark.parametrize("n_classes", [2, 3, 6])
@pytest.mark.parametrize("dtype", ["float64", "float32"])
def test_rows_on_the_boundary(dtype, n_classes, guarantee):
    random = np.random.default_rng([n_classes, dtype == "float32"])
    outputs = 1 if n_classes == 2 else n_classes
    model = source_of(random.normal(size=(outputs, 80)), random.normal(size=outputs), dtype)
    rows = on_the_boundary(model, random, 150, dtype)
    certified, could = check(model, rows, guarantee=guarantee)
    assert not certified.all() and not could.all()
    labels = qc.quantize(model, guarantee=guarantee).predict(rows)
    for i in np.flatnonzero(certified):
        assert orders(model, rows[i], random, 6) == {labels[i]}
    if guarantee == "exact":
        # Rows without a proof are those that the source's own rounding decides, but for a factor of 4 in the bound on it.
        assert (could & ~certified).mean() < 0.2
        np.testing.assert_array_equal(labels[could], model.predict(rows)[could])


@pytest.mark.parametrize("dtype", ["float64", "float32"])
def test_rows_against_the_grid(dtype):
    """Columns with the sign of their weights' rounding: the error is as large as it can be, and the bound holds just so."""
    random = np.random.default_rng(5)
    model = source_of(random.normal(size=(1, 200)), [0.0], dtype)
    rows = random.normal(size=(500, 200)).astype(dtype)
    found = Model(encode(optimize(convert(model), Options("measured", min_agreement=0.9), rows), {}))
    served = found._artifact.plan.ops[0]
    error = model.coef_[0].astype(np.float64) - np.ldexp(served.rows[:, 0].astype(np.float64), served.exponent.astype(int))
    steps = np.ldexp(1.0, served.exponent.astype(int))
    flips = 0
    for trial in range(200):
        # The half of the columns whose error is largest beside their step, so that it is nearly half of it.
        sharp = np.argsort(-np.abs(error / steps))[: 20 + trial // 4]
        row = np.zeros(200)
        row[sharp] = np.sign(error[sharp]) / steps[sharp] * (1 + 0.1 * random.random(len(sharp)))
        most = float((np.abs(row) * steps).sum()) / 2
        true = float(np.abs(row * error).sum())
        assert true > 0.85 * most or trial > 100
        # One more column brings the served score to just below 0 on the wrong side of the true one.
        free = int(np.argmin(np.abs(error / steps)))
        served_score = float(row @ (model.coef_[0] - error))
        row[free] = -(served_score + true * (0.2 + 0.7 * random.random())) / float(model.coef_[0, free] - error[free])
        rows = row.astype(dtype)[None]
        label, certified = (a[0] for a in found.predict_certified(rows))
        sure = label_if_sure(possible(model, rows[0]))
        assert not certified or label == sure
        flips += sure is not None and label != sure
    assert flips > 50  # the attack works: these labels are wrong, and none of them is certified


def test_ties():
    """Equal classes: certain only where no rounding comes in between, which takes a row of zeros."""
    random = np.random.default_rng(1)
    weight = random.normal(size=(1, 60)).repeat(3, axis=0)
    model = source_of(weight, [0.5, 0.5, -1.0])
    rows = np.vstack([np.zeros(60), random.normal(size=(20, 60)), np.eye(60)[:3]])
    labels, certified = qc.quantize(model).predict_certified(rows)
    assert certified.tolist() == [True] + [False] * 23 and labels[0] == model.predict(rows[:1])[0] == 0
    import scipy.sparse as sp

    assert qc.quantize(model).predict_certified(sp.csr_matrix(rows))[1].tolist() == certified.tolist()
    for bias in (0.0, -0.0, 1e-300, -1e-300):
        single = source_of(random.normal(size=(1, 80)), [bias])
        for guarantee in ("certified", "exact"):
            labels, certified = qc.quantize(single, guarantee=guarantee).predict_certified(np.zeros((2, 80)))
            assert certified.all() and (labels == single.predict(np.zeros((2, 80)))).all()


EXTREMES = {
    "subnormal rows": (1e-310, 1.0, 0.0),
    "subnormal products": (1e-160, 1e-155, 0.0),
    "products that are 0": (1e-200, 1e-200, 0.0),
    "large": (1e150, 1e150, 1.0),
    "overflow": (1e200, 1e150, 0.0),
    "overflow, and a bias": (1e160, 1e150, 1e300),
}
SINGLE = {
    "subnormal rows": (1e-42, 1.0, 0.0),
    "subnormal products": (1e-22, 1e-18, 0.0),
    "products that are 0": (1e-30, 1e-30, 0.0),
    "large": (1e15, 1e15, 1.0),
    "overflow": (1e30, 1e20, 0.0),
    "overflow, and a bias": (1e19, 1e19, 1e38),
}


@pytest.mark.parametrize("n_classes", [2, 4])
@pytest.mark.parametrize("dtype", ["float64", "float32"])
@pytest.mark.parametrize("name", EXTREMES)
def test_the_edges_of_the_dtype(name, dtype, n_classes):
    """Nothing that over- or underflows in the source is certified by numbers that don't."""
    size, scale, bias = (SINGLE if dtype == "float32" else EXTREMES)[name]
    random = np.random.default_rng(8)
    outputs = 1 if n_classes == 2 else n_classes
    model = source_of(random.normal(size=(outputs, 70)) * scale, np.full(outputs, bias), dtype)
    with np.errstate(over="ignore", invalid="ignore"):
        rows = (random.normal(size=(300, 70)) * size).astype(dtype)
        expected = model.predict(rows)
        for calibration in (None, rows):
            for guarantee in ("certified", "exact"):
                found = qc.quantize(model, calibration, guarantee=guarantee)
                labels, certified = found.predict_certified(rows)
                np.testing.assert_array_equal(labels[certified], expected[certified])
                for i in np.flatnonzero(certified)[:40]:
                    assert orders(model, rows[i], random, 4) == {labels[i]}
                if name in ("large", "overflow", "subnormal rows"):
                    assert certified.mean() > 0.9 if name == "large" else certified.mean() < 1.0


SCALES = {"means": (1.0, 1e6), "small": (1e-30, 0.0), "large": (1e30, 0.0), "one": (1.0, 0.0)}


@pytest.mark.parametrize("dtype", ["float64", "float32"])
@pytest.mark.parametrize("calibrated", [True, False])
def test_badly_scaled_columns(calibrated, dtype):
    """Mean 1e6 and deviation 1, 1e-30, 1e30, side by side: labels are kept, behind a scaler and without one."""
    random = np.random.default_rng(17)
    columns = [SCALES[k] for k in ("means", "small", "large", "one") * 10]
    scale, mean = (np.array(c) for c in zip(*columns, strict=True))
    z = random.normal(size=(2500, 40))
    x, y = (z * scale + mean).astype(dtype), (z @ random.normal(size=(40, 3))).argmax(axis=1)
    new = (random.normal(size=(4000, 40)) * scale + mean).astype(dtype)
    scaled = make_pipeline(StandardScaler(), LogisticRegression()).fit(x, y)
    kept = scale != 1e-30 if dtype == "float32" else np.ones(40, bool)  # squares of 1e-30 are 0 in float32
    weight = scaled[-1].coef_ / scale * kept
    bare = source_of(weight, scaled[-1].intercept_ - weight @ mean, "float64")
    for model in (scaled, bare):
        for guarantee in ("certified", "exact"):
            found = qc.quantize(model, x if calibrated else None, guarantee=guarantee)
            labels, certified = found.predict_certified(new)
            expected = model.predict(new)
            np.testing.assert_array_equal(labels[certified], expected[certified])
            assert (labels == expected).all() or guarantee == "certified"
            if model is scaled or calibrated:
                assert certified.mean() > 0.995


@pytest.mark.parametrize("name", ["plain", "scaled"])
@pytest.mark.parametrize("dtype", ["float64", "float32"])
def test_the_stated_bound_of_a_regressor(name, dtype):
    """``a * sum |x_j| 2**c_j + b`` holds for rows that no one has seen, against extended precision."""
    random = np.random.default_rng(3)
    x = (random.normal(size=(400, 90)) * 10.0 ** random.integers(-4, 5, 90)).astype(dtype)
    y = (random.normal(size=400) + x[:, 0]).astype(dtype)
    model = Ridge() if name == "plain" else make_pipeline(StandardScaler(), Ridge())
    model.fit(x, y)
    last = model if name == "plain" else model[-1]
    for guarantee in ("certified", "measured"):
        found = qc.quantize(model, x, guarantee=guarantee)
        report = found.report()
        bound = report["bound"]
        assert bound["columns"] == ("input" if name == "plain" else "transformed")
        assert report["bounds_over"] == "calibration rows" and report["max_error"] <= report["max_bound"]
        new = (x[:50] * random.choice([-3.0, 1.0, 100.0], (50, 90))).astype(dtype)
        inside = new if name == "plain" else model[0].transform(new)
        real = inside.astype(np.longdouble) @ last.coef_.astype(np.longdouble) + np.longdouble(last.intercept_)
        limit = bound["a"] * (np.abs(inside).astype(float) * 2.0 ** np.array(bound["c"], float)).sum(axis=1) + bound["b"]
        assert (np.abs(found.predict(new) - real) <= limit).all()
        assert (np.abs(found.predict(new) - model.predict(new)) <= limit).all()
        if guarantee == "measured":
            assert (np.abs(found.predict(new) - real) > limit / 300).any()  # and it is no idle one
    drawn = qc.quantize(model).report()
    assert drawn["bounds_over"] == "drawn rows" and drawn["max_bound"] > 0 and "max_error" not in drawn
