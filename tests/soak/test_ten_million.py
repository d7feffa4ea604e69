"""Ten million generated rows of numbers: no certified answer flips, at most 1 in 10,000 rows stays open, and with
guarantee="exact" every answer is scikit-learn's.

``make exact`` runs it; QUANTCORE_SOAK_ROWS asks for more or fewer rows. A source that computes in float32 is itself uncertain of
some rows, which no grid can settle: those are what guarantee="exact" leaves without proof, and they are counted apart.
"""

from __future__ import annotations

import functools
import os
import warnings

import numpy as np
import pytest
from sklearn.calibration import CalibratedClassifierCV
from sklearn.decomposition import PCA
from sklearn.linear_model import LogisticRegression, RidgeClassifier, SGDClassifier
from sklearn.multiclass import OneVsRestClassifier
from sklearn.naive_bayes import GaussianNB
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import RobustScaler, StandardScaler
from sklearn.svm import LinearSVC

import quantcore as qc

ROWS = int(os.environ.get("QUANTCORE_SOAK_ROWS", 10_000_000))
CHUNK = 20_000
WIDTH, CLASSES = 40, 6
SCALE = np.tile([1.0, 50.0, 1e-3, 1.0], WIDTH // 4)
MEAN = np.tile([0.0, 3.0, 1.0, 1e3], WIDTH // 4)
TRUE = np.random.default_rng(99).normal(size=(WIDTH, CLASSES))


def scaled(last):
    return make_pipeline(StandardScaler(), last)


MODELS = {
    "two classes": (scaled(LogisticRegression()), "two", "label"),
    "two classes, float32": (scaled(LogisticRegression()), "two", "label"),
    "multinomial": (scaled(LogisticRegression()), "many", "label"),
    "multinomial, float32": (scaled(LogisticRegression()), "many", "label"),
    "multinomial, not scaled": (LogisticRegression(max_iter=30), "many", "label"),
    "multinomial, p >= 0.3": (scaled(LogisticRegression()), "many", {"threshold": 0.3}),
    "multinomial, first 3": (scaled(LogisticRegression()), "many", {"top_k": 3}),
    "two classes, p >= 0.83": (scaled(LogisticRegression()), "two", {"threshold": 0.83}),
    "one-vs-rest": (scaled(OneVsRestClassifier(LogisticRegression())), "many", "label"),
    "one-vs-rest, ridge": (make_pipeline(RobustScaler(), RidgeClassifier()), "many", "label"),
    "SGD, p >= 0.5": (scaled(SGDClassifier(loss="modified_huber", random_state=0)), "many", {"threshold": 0.5}),
    "several labels": (scaled(OneVsRestClassifier(LogisticRegression())), "several", "label"),
    "several labels, float32": (scaled(OneVsRestClassifier(LogisticRegression())), "several", "label"),
    "several labels, p >= 0.7": (scaled(OneVsRestClassifier(LogisticRegression())), "several", {"threshold": 0.7}),
    "sigmoid": (scaled(CalibratedClassifierCV(LinearSVC(), cv=3)), "many", "label"),
    "isotonic": (scaled(CalibratedClassifierCV(LinearSVC(), method="isotonic", ensemble=False, cv=3)), "many", "label"),
    "isotonic, first 2": (
        scaled(CalibratedClassifierCV(LinearSVC(), method="isotonic", ensemble=False, cv=3)),
        "many",
        {"top_k": 2},
    ),
    "components": (make_pipeline(StandardScaler(), PCA(20, random_state=0), LogisticRegression()), "many", "label"),
    "Gaussian": (GaussianNB(), "many", "label"),
}


def rows_of(random, n, dtype):
    """Rows of several kinds: as in training, far out, few values other than the mean, repeated, and all zeros."""
    rows = random.normal(size=(n, WIDTH))
    kinds = random.choice(4, n, p=[0.7, 0.15, 0.1, 0.05])[:, None]
    rows = np.where(kinds == 1, rows * 10.0 ** random.uniform(-3, 2, (n, 1)), rows)
    rows = np.where(kinds == 2, rows * (random.random((n, WIDTH)) < 0.1), rows)
    rows = np.where(kinds == 3, np.round(rows), rows)
    return (rows * SCALE + MEAN).astype(dtype)


def near_the_boundary(random, answer, rows):
    """The same rows moved between two answers by bisection, until only some digits of their distance are left."""
    other = rows[random.permutation(len(rows))]
    ends, answers = np.array(rows), answer(rows)
    steps = random.integers(4, 50, len(rows))
    low, high = np.zeros(len(rows)), np.ones(len(rows))
    for step in range(50):
        middle = (low + high) / 2
        mixed = (rows + (other - rows) * middle[:, None]).astype(rows.dtype)
        same = (answer(mixed) == answers).reshape(len(rows), -1).all(axis=1)
        low, high = np.where(same, middle, low), np.where(same, high, middle)
        ends[steps == step] = mixed[steps == step]
    return ends


def answers_of(source, certify, rows):
    if certify == "label":
        return source.predict(rows)
    if "threshold" in certify:
        reached = source.predict_proba(rows) >= certify["threshold"]
        return reached[:, 1] if reached.shape[1] == 2 else reached
    name = "predict_proba" if not hasattr(source, "decision_function") else "decision_function"
    order = np.argsort(-getattr(source, name)(rows), axis=1, kind="stable")
    return np.sort(source.classes_[order[:, : certify["top_k"]]], axis=1)


@pytest.mark.slow
def test_no_certified_answer_flips(capsys):
    warnings.simplefilter("ignore")
    random = np.random.default_rng(2025)
    x = rows_of(random, 4000, np.float64)
    scores = (x - MEAN) / SCALE @ TRUE + 4.0 * random.normal(size=(4000, CLASSES))
    labels = {"two": scores[:, 0] > 0, "many": scores.argmax(axis=1), "several": (scores > 2).astype(int)}
    failures = []
    header = f"{'model':<26}{'rows':>11}{'near':>9}{'open':>8}{'source':>8}{'best wrong':>12}{'flips':>7}{'exact wrong':>13}"
    with capsys.disabled():
        print(f"\n{header}")
    for name, (source, kind, certify) in MODELS.items():
        dtype = np.float32 if "float32" in name else np.float64
        train = x.astype(dtype)
        source.fit(train, labels[kind])
        certified, exact = (qc.quantize(source, train, certify=certify, guarantee=g) for g in ("certified", "exact"))
        share = -(-ROWS // len(MODELS))
        n = {"rows": 0, "near": 0, "open": 0, "own": 0, "wrong": 0, "flips": 0, "exact": 0}
        for start in range(0, share, CHUNK):
            rows = rows_of(random, min(CHUNK, share - start), dtype)
            # Some near a boundary: they are looked at for flips, but open by the thousand, as they should be.
            near = near_the_boundary(random, functools.partial(answers_of, source, certify), rows[: len(rows) // 20])
            for is_near, part in ((False, rows), (True, near)):
                expected = answers_of(source, certify, part)
                found, sure = certified.predict_certified(part)
                best, proved = exact.predict_certified(part)
                if certify != "label" and "top_k" in certify:
                    found, best = np.sort(found, axis=1), np.sort(best, axis=1)
                wrong, off = (np.any((a != expected).reshape(len(part), -1), axis=1) for a in (found, best))
                n["near" if is_near else "rows"] += len(part)
                n["flips"] += int((wrong & sure).sum()) + int((off & proved).sum())
                n["wrong"] += int(wrong.sum())
                if not is_near:
                    n["exact"] += int(off.sum())
                    n["open"] += int((~sure & proved).sum())
                    n["own"] += int((~proved).sum())
        counts = zip(("11", "9", "8", "8", "12", "7", "13"), n.values(), strict=True)
        line = f"{name:<26}" + "".join(f"{count:>{width},}" for width, count in counts)
        with capsys.disabled():
            print(line, flush=True)
        # In float32 the source's own rounding decides some rows: they are not proved, and may differ from one call to another.
        single = dtype is np.float32
        too_many = n["open"] > max(1e-4 * n["rows"], 5) or (n["own"] > max(1e-4 * n["rows"], 5) and not single)
        if n["flips"] or n["exact"] > (n["own"] if single else 0) or too_many:
            failures.append(line)
    assert not failures, "\n".join([header, *failures])
