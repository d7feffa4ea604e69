"""Ensembles of whole models from quantize to predict: labels equal the source's, also on the edge between two of them; what is
certified holds however the source adds."""

from __future__ import annotations

import numpy as np
import pytest
import scipy.sparse as sp
from sklearn.calibration import CalibratedClassifierCV
from sklearn.compose import TransformedTargetRegressor
from sklearn.ensemble import (
    GradientBoostingClassifier,
    RandomForestClassifier,
    RandomForestRegressor,
    StackingClassifier,
    StackingRegressor,
    VotingClassifier,
    VotingRegressor,
)
from sklearn.feature_extraction.text import CountVectorizer, TfidfVectorizer
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.model_selection import GridSearchCV
from sklearn.multiclass import OneVsOneClassifier, OutputCodeClassifier
from sklearn.multioutput import ClassifierChain, RegressorChain
from sklearn.naive_bayes import GaussianNB, MultinomialNB
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import LinearSVC
from sklearn.tree import DecisionTreeClassifier, DecisionTreeRegressor

import quantcore as qc

pytestmark = pytest.mark.filterwarnings("ignore")

RANDOM = np.random.default_rng(31)
X = RANDOM.normal(size=(400, 12))
LABELS = (X @ RANDOM.normal(size=(12, 3)) + RANDOM.normal(size=(400, 3))).argmax(axis=1)
INDICATORS = np.c_[LABELS == 0, LABELS > 1, X[:, 3] > 0].astype(int)
TARGET = X @ RANDOM.normal(size=12)


def linear():
    return [("a", LogisticRegression()), ("b", LinearSVC()), ("c", LogisticRegression(C=0.01))]


def trees():
    return [(str(d), DecisionTreeClassifier(max_depth=d, random_state=0)) for d in (2, 3, 6)]


MODELS = {
    "hard": lambda: VotingClassifier(linear()),
    "hard, tied": lambda: VotingClassifier(linear()[:2]),
    "hard, weighted": lambda: VotingClassifier(linear(), weights=[0.1, 0.2, 0.3]),
    "hard, with trees": lambda: VotingClassifier([*linear(), *trees()]),
    "soft": lambda: VotingClassifier([linear()[0], linear()[2]], voting="soft"),
    "soft, weighted": lambda: VotingClassifier([linear()[0], *trees()], voting="soft", weights=[0.3, 1, 1, 2]),
    "soft, of trees": lambda: VotingClassifier(trees(), voting="soft"),
    "stacked": lambda: StackingClassifier(linear(), cv=2),
    "stacked, rows passed": lambda: StackingClassifier(linear(), cv=2, passthrough=True),
    "stacked, labels": lambda: StackingClassifier(linear(), cv=2, stack_method="predict"),
    "stacked, forest": lambda: StackingClassifier(linear(), RandomForestClassifier(10, max_depth=4, random_state=0), cv=2),
    "stacked, boosted": lambda: StackingClassifier(trees(), GradientBoostingClassifier(n_estimators=5), cv=2, passthrough=True),
    "pairs": lambda: OneVsOneClassifier(LinearSVC()),
    "pairs of trees": lambda: OneVsOneClassifier(DecisionTreeClassifier(max_depth=3, random_state=0)),
    "codes": lambda: OutputCodeClassifier(LinearSVC(), code_size=4, random_state=1),
    "codes of trees": lambda: OutputCodeClassifier(DecisionTreeClassifier(max_depth=4), code_size=4, random_state=1),
}
CHAINS = {
    "chain": lambda: ClassifierChain(LogisticRegression(), order=[2, 0, 1]),
    "chain of trees": lambda: ClassifierChain(DecisionTreeClassifier(max_depth=3)),
}


def same(a, b):
    """Rows of labels that are equal."""
    return np.asarray(a == b).reshape(len(a), -1).all(axis=1)


def on_the_edge(model, rows, n=80):
    """Pairs of rows as near as floats can be that the source answers differently."""
    a, b = rows[RANDOM.integers(0, len(rows), n)], rows[RANDOM.integers(0, len(rows), n)]
    known = model.predict(a)
    keep = ~same(known, model.predict(b))
    a, b, known = a[keep], b[keep], known[keep]
    for _ in range(70):
        middle = a + (b - a) / 2
        alike = same(model.predict(middle), known)[:, None]
        a, b = np.where(alike, middle, a), np.where(alike, b, middle)
    return np.concatenate([a, b])


def answers_of(model, rows):
    """What the source answers where it adds in other orders: row by row, by columns, of sparse rows."""
    found = [model.predict(rows), model.predict(np.asfortranarray(rows))]
    found.append(np.concatenate([model.predict(row[None]) for row in rows]))
    return [*found, model.predict(sp.csr_matrix(rows))]


@pytest.mark.parametrize("guarantee", ["certified", "exact"])
@pytest.mark.parametrize("name", [*MODELS, *CHAINS])
def test_rows_on_the_edge(name, guarantee):
    model = (MODELS | CHAINS)[name]().fit(X, INDICATORS if name in CHAINS else LABELS)
    edge = on_the_edge(model, X)
    assert len(edge) > 30
    far = RANDOM.normal(size=(400, 12)) * 2
    found = qc.quantize(model, guarantee=guarantee)
    for rows, least in ((edge, 0.0), (far, 0.95)):
        labels, certified = found.predict_certified(rows)
        np.testing.assert_array_equal(labels, found.predict(rows))
        for expected in answers_of(model, rows):
            assert same(labels, expected)[certified].all()
        assert certified.mean() >= least
        if guarantee == "exact" and rows is far:
            np.testing.assert_array_equal(labels, model.predict(rows))
    if "tree" in name and name not in ("hard, with trees", "soft, weighted"):
        # Sums of the leaves' values have the source's very bits, so ties are told as it tells them.
        labels, certified = found.predict_certified(edge)
        np.testing.assert_array_equal(labels, model.predict(edge))
        assert certified.all()


def test_open_rows_are_settled_by_the_source_s_weights():
    model = VotingClassifier(linear()).fit(X, LABELS)
    edge = on_the_edge(model, X)
    near = edge + 1e-7 * RANDOM.normal(size=edge.shape)
    coarse, exact = qc.quantize(model, precision="int4"), qc.quantize(model, guarantee="exact")
    assert coarse.predict_certified(near)[1].mean() <= exact.predict_certified(near)[1].mean()
    labels, certified = exact.predict_certified(near)
    assert certified.mean() > 0.9
    np.testing.assert_array_equal(labels, model.predict(near))
    assert coarse.stats()["open_rows"] == np.count_nonzero(~coarse.predict_certified(near)[1])


def test_a_tie_of_two_members_is_known():
    """Two votes for two classes: the first class wins, however the members' scores are rounded."""
    model = VotingClassifier(trees()[:2]).fit(X, LABELS)
    votes = model.transform(X)
    tied = votes[:, 0] != votes[:, 1]
    assert tied.sum() > 10
    labels, certified = qc.quantize(model).predict_certified(X)
    assert certified.all()
    np.testing.assert_array_equal(labels[tied], votes[tied].min(axis=1))


WORDS = [f"w{i}" for i in range(300)]
TEXTS = [" ".join(RANDOM.choice(WORDS[k::3] + WORDS, 12)) for k in LABELS]
NEW = [" ".join(RANDOM.choice(WORDS, RANDOM.integers(1, 15))) for _ in range(500)] + ["", "none of these", "w1"]


def of_texts():
    tfidf = TfidfVectorizer(sublinear_tf=True)
    return [
        ("a", make_pipeline(tfidf, LogisticRegression())),
        ("b", make_pipeline(tfidf, LinearSVC())),
        ("c", make_pipeline(CountVectorizer(), MultinomialNB())),
    ]


OVER_TEXTS = {
    "hard": lambda: VotingClassifier(of_texts(), weights=[2, 1, 1]),
    "soft": lambda: VotingClassifier([of_texts()[0], of_texts()[2]], voting="soft"),
    "stacked": lambda: StackingClassifier(of_texts(), cv=2),
    "stacked, forest": lambda: StackingClassifier(of_texts(), RandomForestClassifier(5, max_depth=3), cv=2),
    "rows passed": lambda: make_pipeline(TfidfVectorizer(), StackingClassifier([("a", LinearSVC())], cv=2, passthrough=True)),
    "pairs": lambda: make_pipeline(TfidfVectorizer(), OneVsOneClassifier(LinearSVC())),
    "codes": lambda: OutputCodeClassifier(of_texts()[1][1], code_size=3, random_state=0),
    "calibrated": lambda: CalibratedClassifierCV(VotingClassifier([of_texts()[0], of_texts()[2]], voting="soft"), cv=2),
    "searched": lambda: GridSearchCV(VotingClassifier(of_texts()), {"a__logisticregression__C": [0.1, 1.0]}, cv=2),
}


@pytest.mark.parametrize("guarantee", ["certified", "exact"])
@pytest.mark.parametrize("name", OVER_TEXTS)
def test_texts(name, guarantee):
    model = OVER_TEXTS[name]().fit(TEXTS, np.array(["x", "y", "z"])[LABELS])
    expected = model.predict(NEW)
    for calibration in (None, TEXTS):
        found = qc.quantize(model, calibration, guarantee=guarantee)
        labels, certified = found.predict_certified(NEW)
        assert (labels == expected)[certified].all()
        # Two documents in three are drawn from all classes alike: many are close calls.
        assert certified.mean() > (0.99 if guarantee == "exact" else 0.6 if "forest" in name else 0.95)
        if guarantee == "exact":
            np.testing.assert_array_equal(labels, expected)
        single = [found.predict([text])[0] for text in NEW[:50]]
        np.testing.assert_array_equal(single, found.predict(NEW)[:50])


@pytest.mark.parametrize("name", ["hard", "soft", "stacked, forest", "pairs", "codes"])
def test_saved_and_loaded(name, tmp_path):
    model = MODELS[name]().fit(X, np.array(["x", "y", "z"])[LABELS])
    found = qc.quantize(model, X, guarantee="exact", certify="label")
    qc.save(found, tmp_path / "model.qc")
    again = qc.load(tmp_path / "model.qc")
    assert again.data == found.data and again.digest == found.digest
    for method in ("predict", "predict_proba", "decision_function", "transform"):
        assert hasattr(again, method) == hasattr(found, method) == hasattr(model, method)
        if hasattr(found, method):
            np.testing.assert_array_equal(getattr(again, method)(X), getattr(found, method)(X))
            if method != "predict":
                np.testing.assert_allclose(getattr(found, method)(X), getattr(model, method)(X), atol=1e-9)
    np.testing.assert_array_equal(again.classes_, model.classes_)


def test_other_properties():
    model = VotingClassifier([linear()[0], linear()[2]], voting="soft").fit(X, LABELS)
    p = model.predict_proba(X)
    answers, certified = qc.quantize(model, X, certify={"threshold": 0.4}).predict_certified(X)
    assert ((answers == (p >= 0.4)).all(axis=1))[certified].all() and certified.mean() > 0.95
    answers, certified = qc.quantize(model, X, certify={"top_k": 2}).predict_certified(X)
    first = np.sort(np.argsort(-p, axis=1, kind="stable")[:, :2], axis=1)
    assert (np.sort(answers, axis=1) == first).all(axis=1)[certified].all() and certified.mean() > 0.95
    # The probabilities of two labels are no pair.
    chain = ClassifierChain(LogisticRegression()).fit(X, INDICATORS[:, :2])
    answers, certified = qc.quantize(chain, X, certify={"threshold": 0.4}).predict_certified(X)
    assert answers.shape == (400, 2) and ((answers == (chain.predict_proba(X) >= 0.4)).all(axis=1))[certified].all()


REGRESSORS = {
    "mean": lambda: VotingRegressor([("a", Ridge()), ("b", RandomForestRegressor(5, max_depth=4))], weights=[1, 3]),
    "stacked": lambda: StackingRegressor([("a", Ridge()), ("b", DecisionTreeRegressor(max_depth=4))], cv=2, passthrough=True),
    "chain": lambda: RegressorChain(Ridge(), order=[1, 0]),
    "scaled": lambda: TransformedTargetRegressor(Ridge(), transformer=StandardScaler()),
    "expm1": lambda: TransformedTargetRegressor(Ridge(), func=np.log1p, inverse_func=np.expm1),
}


@pytest.mark.parametrize("name", REGRESSORS)
def test_regressors(name):
    y = np.abs(TARGET)
    model = REGRESSORS[name]().fit(X, np.c_[y, y**2] if name == "chain" else y)
    found = qc.quantize(model, X)
    error = np.abs(found.predict(X) - model.predict(X)).max()
    assert error <= found.report()["max_bound"]
    exact = qc.quantize(model, guarantee="exact")
    np.testing.assert_allclose(exact.predict(X), model.predict(X), rtol=1e-9, atol=1e-9)
    assert exact.predict(X).shape == model.predict(X).shape


def test_bad_input():
    voting, chain = (qc.quantize(m.fit(X, y)) for m, y in ((MODELS["hard"](), LABELS), (CHAINS["chain of trees"](), INDICATORS)))
    for source, found in (
        (VotingClassifier(linear()).fit(X, LABELS), voting),
        (CHAINS["chain of trees"]().fit(X, INDICATORS), chain),
    ):
        wrong = X[:3].copy()
        wrong[1, 2] = np.nan
        for rows in (X[:, :5], X[:0], X[0], wrong, wrong * np.inf, [["a"] * 12]):
            for model in (source, found):
                with pytest.raises(ValueError):
                    model.predict(rows)
    texts = qc.quantize(OVER_TEXTS["hard"]().fit(TEXTS, LABELS))
    with pytest.raises(ValueError):
        texts.predict("one string")


def test_missing_values_are_passed_through():
    holes = np.where(RANDOM.random(X.shape) < 0.1, np.nan, X)
    model = StackingClassifier(trees(), trees()[2][1], cv=2, passthrough=True).fit(holes, LABELS)
    labels, certified = qc.quantize(model).predict_certified(holes)
    np.testing.assert_array_equal(labels, model.predict(holes))
    assert certified.all()


@pytest.mark.parametrize("dtype", [np.float32, np.float16, np.int64])
def test_other_dtypes(dtype):
    rows = (X * 4).astype(dtype)
    for name in ("hard", "soft, weighted", "stacked, rows passed", "pairs", "codes"):
        model = MODELS[name]().fit(X, LABELS)
        labels, certified = qc.quantize(model, guarantee="exact").predict_certified(rows)
        assert (labels == model.predict(rows))[certified].all() and certified.mean() > 0.99


def test_sources_of_float32():
    """Fitted on float32: the source adds in that dtype, and bounds are as wide."""
    rows = X.astype(np.float32)
    for name in ("hard", "soft", "stacked", "stacked, forest"):
        model = MODELS[name]().fit(rows, LABELS)
        edge = on_the_edge(model, rows)
        for given in (edge.astype(np.float32), rows):
            labels, certified = qc.quantize(model, guarantee="exact").predict_certified(given)
            for expected in answers_of(model, given):
                assert (labels == expected)[certified].all()


def test_gaussian_members():
    model = VotingClassifier([("a", GaussianNB()), ("b", LogisticRegression())], voting="soft").fit(X, LABELS)
    labels, certified = qc.quantize(model).predict_certified(X)
    np.testing.assert_array_equal(labels, model.predict(X))
    assert certified.mean() > 0.99
