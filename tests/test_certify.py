"""What a certificate can be about: thresholds and the first k classes, of all kinds of sources, against scikit-learn."""

from __future__ import annotations

import csv
import gzip
import pickle
import warnings

import numpy as np
import pytest
import scipy.sparse as sp
from sklearn.calibration import CalibratedClassifierCV
from sklearn.feature_extraction.text import CountVectorizer, HashingVectorizer, TfidfVectorizer
from sklearn.linear_model import LinearRegression, LogisticRegression, RidgeClassifier, SGDClassifier
from sklearn.model_selection import FixedThresholdClassifier
from sklearn.multiclass import OneVsRestClassifier
from sklearn.multioutput import MultiOutputClassifier
from sklearn.naive_bayes import GaussianNB, MultinomialNB
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import LinearSVC

import quantcore as qc
from quantcore.artifact import encode

RANDOM = np.random.default_rng(4)
WIDTH = 30
W = RANDOM.normal(size=(WIDTH, 5))
X = RANDOM.normal(size=(1200, WIDTH))
SCORES = X @ W + 4 * RANDOM.normal(size=(1200, 5))
NAMES = np.array(["ash", "beech", "cedar", "elm", "fir"])
Y, TWO, SEVERAL = NAMES[SCORES.argmax(axis=1)], np.where(SCORES[:, 0] > 0, "yes", "no"), (SCORES > 1).astype(int)
NEW = RANDOM.normal(size=(3000, WIDTH)) * RANDOM.choice([0.1, 1.0, 5.0], (3000, 1))
WORDS = np.array([f"w{i}" for i in range(60)])
PLACE = RANDOM.integers(0, 5, 800)
TEXTS = [" ".join(RANDOM.choice(WORDS[c * 10 : c * 10 + 20], 10)) for c in PLACE]
NEW_TEXTS = [" ".join(RANDOM.choice(WORDS, 8)) for _ in range(1500)] + ["", "nothing known"]
SOME_TEXTS = [" ".join(RANDOM.choice(WORDS, 8)) for _ in range(1000)]


def scaled(last):
    return make_pipeline(StandardScaler(), last)


def words(last, **options):
    return make_pipeline(TfidfVectorizer(ngram_range=(1, 2), **options), last)


SOURCES = {
    "two classes": (lambda: scaled(LogisticRegression()).fit(X, TWO), X, NEW),
    "multinomial": (lambda: scaled(LogisticRegression()).fit(X, Y), X, NEW),
    "float32": (lambda: scaled(LogisticRegression()).fit(X.astype(np.float32), Y), X.astype(np.float32), NEW.astype(np.float32)),
    "not scaled": (lambda: LogisticRegression(max_iter=200).fit(X, Y), X, NEW),
    "one-vs-rest": (lambda: scaled(OneVsRestClassifier(LogisticRegression())).fit(X, Y), X, NEW),
    "several labels": (lambda: scaled(OneVsRestClassifier(LogisticRegression())).fit(X, SEVERAL), X, NEW),
    "SGD": (lambda: scaled(SGDClassifier(loss="modified_huber", random_state=0)).fit(X, Y), X, NEW),
    "sigmoid": (lambda: scaled(CalibratedClassifierCV(LinearSVC(), cv=2)).fit(X, Y), X, NEW),
    "sigmoid, two classes": (lambda: scaled(CalibratedClassifierCV(LinearSVC(), cv=2)).fit(X, TWO), X, NEW),
    "isotonic": (
        lambda: scaled(CalibratedClassifierCV(LinearSVC(), method="isotonic", ensemble=False)).fit(X, Y),
        X,
        NEW,
    ),
    "Gaussian": (lambda: GaussianNB().fit(X, Y), X, NEW),
    "threshold of its own": (lambda: FixedThresholdClassifier(scaled(LogisticRegression()), threshold=0.8).fit(X, TWO), X, NEW),
    "text, two classes": (lambda: words(LogisticRegression()).fit(TEXTS, PLACE > 2), SOME_TEXTS, NEW_TEXTS),
    "text, multinomial": (lambda: words(LogisticRegression()).fit(TEXTS, NAMES[PLACE]), SOME_TEXTS, NEW_TEXTS),
    "text, naive Bayes": (
        lambda: make_pipeline(CountVectorizer(), MultinomialNB(fit_prior=False)).fit(TEXTS, PLACE),
        SOME_TEXTS,
        NEW_TEXTS,
    ),
    "text, one-vs-rest": (lambda: words(OneVsRestClassifier(LogisticRegression())).fit(TEXTS, PLACE), SOME_TEXTS, NEW_TEXTS),
    "text, calibrated": (lambda: words(CalibratedClassifierCV(LinearSVC(), cv=2)).fit(TEXTS, PLACE), SOME_TEXTS, NEW_TEXTS),
    "text, float32": (lambda: words(SGDClassifier(loss="log_loss"), dtype=np.float32).fit(TEXTS, PLACE), SOME_TEXTS, NEW_TEXTS),
    "text, hashed": (
        lambda: make_pipeline(HashingVectorizer(n_features=256), LogisticRegression()).fit(TEXTS, PLACE),
        SOME_TEXTS,
        NEW_TEXTS,
    ),
}


@pytest.fixture(autouse=True)
def quiet():
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


@pytest.fixture(scope="module")
def fitted():
    made = {}

    def get(name):
        if name not in made:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                made[name] = SOURCES[name][0]()
        return made[name]

    return get


def reached(source, rows, at):
    found = source.predict_proba(rows) >= at
    return found[:, 1] if found.shape[1] == 2 else found


def scores_of(source, rows):
    if hasattr(source, "decision_function"):
        return source.decision_function(rows)
    return source.predict_joint_log_proba(rows) if hasattr(source, "predict_joint_log_proba") else source.predict_proba(rows)


def compare(found, rows, expected, top=False):
    labels, certified = found.predict_certified(rows)
    assert labels.shape == expected.shape and certified.shape == (len(expected),) and certified.dtype == bool
    if top:
        labels, expected = np.sort(labels, axis=1), np.sort(expected, axis=1)
    wrong = (labels != expected).reshape(len(expected), -1).any(axis=1)
    assert not (wrong & certified).any()
    return wrong, certified


@pytest.mark.parametrize("guarantee", ["certified", "exact"])
@pytest.mark.parametrize("at", [0.02, 0.5, 0.83, 0.999])
@pytest.mark.parametrize("name", SOURCES)
def test_thresholds(name, at, guarantee, fitted):
    source, (_, calibration, rows) = fitted(name), SOURCES[name]
    found = qc.quantize(source, calibration, certify={"threshold": at}, guarantee=guarantee)
    expected = reached(source, rows, at)
    wrong, certified = compare(found, rows, expected)
    assert found.predict_certified(rows).labels.dtype == bool
    # A grid of several outputs over texts has 16 bits: of short texts some stay open.
    assert certified.mean() >= (0.99 if "text" in name else 0.998) and wrong.mean() <= 1e-3
    if guarantee == "exact":
        assert not wrong.any() or "float32" in name
    again = qc.quantize(source, certify={"threshold": at}, guarantee=guarantee)
    assert compare(again, rows, expected)[1].mean() >= (0.97 if "text" in name else 0.99)


@pytest.mark.parametrize("guarantee", ["certified", "exact"])
@pytest.mark.parametrize("k", [1, 3])
@pytest.mark.parametrize("name", SOURCES)
def test_the_first_classes(name, k, guarantee, fitted):
    source, (_, calibration, rows) = fitted(name), SOURCES[name]
    scores = scores_of(source, rows)
    if scores.ndim == 1 or scores.shape[1] == 2:
        found = qc.quantize(source, calibration, certify={"top_k": 1}, guarantee=guarantee)
        compare(found, rows, source.predict(rows)[:, None])
        return
    found = qc.quantize(source, calibration, certify={"top_k": k}, guarantee=guarantee)
    expected = np.take(source.classes_, np.argsort(-scores, axis=1, kind="stable")[:, :k])
    wrong, certified = compare(found, rows, expected, top=True)
    assert certified.mean() >= (0.99 if "text" in name else 0.998) and wrong.mean() <= 1e-3
    if k == 1 and name != "several labels":
        np.testing.assert_array_equal(found.predict_certified(rows).labels[certified, 0], source.predict(rows)[certified])


def test_the_order_of_the_first_classes():
    """Descending, equal ones as in classes_; the set is certified where only the order is open."""
    model = LogisticRegression().fit(np.eye(4), [0, 1, 2, 3])
    model.coef_ = np.array([[1.0, 0, 0, 0], [1.0, 0, 0, 0], [-3.0, 0, 0, 0], [0.5, 0, 0, 0]])
    model.intercept_ = np.zeros(4)
    found = qc.quantize(model, certify={"top_k": 2})
    labels, certified = found.predict_certified([[1.0, 0, 0, 0], [-1.0, 0, 0, 0], [0.0, 0, 0, 0]])
    assert labels.tolist() == [[0, 1], [2, 3], [0, 1]]
    assert certified.tolist() == [True, True, True]  # within the first two of row 0 nothing has to be told apart
    one = qc.quantize(model, certify={"top_k": 1})
    assert one.predict_certified([[1.0, 0, 0, 0]]).certified.tolist() == [False]


def test_a_threshold_hit_to_the_last_digit():
    """Scores whose probability is the threshold, and their neighbours: never certified wrongly, and one digit away is open."""
    model = LogisticRegression().fit(np.eye(2), [0, 1])
    model.coef_, model.intercept_ = np.array([[1.0, 0.0]]), np.zeros(1)
    for at in (0.5, 0.75, 0.83, 1e-6, 1 - 1e-9):
        found = qc.quantize(model, certify={"threshold": at})
        centre = float(np.log(np.longdouble(at) / (1 - np.longdouble(at))))
        rows = [[centre * (1 + k * 2.0**-52) + (k * 5e-324 if centre == 0 else 0.0), 0.0] for k in range(-300, 300)]
        rows += [[centre + s * 10.0**-k, 0.0] for k in range(1, 17) for s in (1, -1)]
        labels, certified = found.predict_certified(rows)
        np.testing.assert_array_equal(labels[certified], reached(model, rows, at)[certified])
        assert not certified[290:310].any() or at == 0.5
        true = 1 / (1 + np.exp(-np.array([x for x, _ in rows], np.longdouble)))
        assert certified[np.abs(true - np.longdouble(at)) > 2e-12 * at].all()


def test_several_outputs():
    y = np.c_[TWO, Y]
    source = scaled(MultiOutputClassifier(LogisticRegression())).fit(X, y)
    found = qc.quantize(source, X, certify={"threshold": 0.6})
    two, many = source.predict_proba(NEW)
    wrong, certified = compare(found, NEW, np.c_[two[:, 1] >= 0.6, many >= 0.6])
    assert certified.mean() > 0.998
    with pytest.raises(ValueError, match="several labels a row"):
        qc.quantize(source, certify={"top_k": 1})


def test_rows_without_any_term_are_known():
    """Naive Bayes with equal priors ties on them; the source adds its bias to zero, and takes the first of the largest."""
    source = make_pipeline(CountVectorizer(), MultinomialNB(fit_prior=False)).fit(TEXTS, PLACE)
    for certify in ("label", {"threshold": 0.15}, {"threshold": 0.25}, {"top_k": 2}):
        found = qc.quantize(source, certify=certify)
        labels, certified = found.predict_certified(["", "nothing known"])
        assert certified.all()
        if certify == "label":
            np.testing.assert_array_equal(labels, source.predict(["", "nothing known"]))
    bare = MultinomialNB(fit_prior=False).fit(np.round(np.abs(X) * 3), PLACE_OF_ROWS)
    for rows in (sp.csr_matrix((2, WIDTH)), np.zeros((2, WIDTH))):
        labels, certified = qc.quantize(bare).predict_certified(rows)
        assert certified.all() and (labels == bare.predict(rows)).all()


PLACE_OF_ROWS = SCORES.argmax(axis=1)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["sms_spam", "rt_polarity", "clinc150", "banking77", "sib200_20lang", "movie_reviews"])
def test_text_sets(name, data_dir):
    with gzip.open(data_dir / f"{name}.csv.gz", "rt", encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    parts = {
        s: ([r["text"] for r in rows if r["split"] == s], [r["label"] for r in rows if r["split"] == s])
        for s in ("train", "test")
    }
    (texts, y), (new, _) = parts["train"], parts["test"]
    source = words(LogisticRegression(max_iter=40)).fit(texts[::2], y[::2])
    n_classes = len(source.classes_)
    some = texts[:: max(len(texts) // 2000, 1)]  # spread: files are sorted by language
    for guarantee in ("certified", "exact"):
        for at in (0.3, 0.5, 0.83):
            found = qc.quantize(source, some, certify={"threshold": at}, guarantee=guarantee)
            wrong, certified = compare(found, new, reached(source, new, at))
            assert (~certified).sum() <= max(1e-4 * len(new), 2) and not (guarantee == "exact" and wrong.any())
        k = min(3, n_classes - 1)
        if n_classes > 2:
            found = qc.quantize(source, some, certify={"top_k": k}, guarantee=guarantee)
            order = np.argsort(-source.decision_function(new), axis=1, kind="stable")[:, :k]
            wrong, certified = compare(found, new, source.classes_[order], top=True)
            assert (~certified).sum() <= max(1e-4 * len(new), 2) and not (guarantee == "exact" and wrong.any())


BAD = {
    "unknown": ({"recall": 0.5}, "not known"),
    "a name": ("labels", "not known"),
    "nothing": (None, "not known"),
    "a list": ([0.5], "not known"),
    "empty": ({}, "not known"),
    "two at once": ({"threshold": 0.5, "top_k": 2}, "not known"),
    "0": ({"threshold": 0.0}, r"\(0, 1\)"),
    "1": ({"threshold": 1}, r"\(0, 1\)"),
    "above 1": ({"threshold": 83}, r"\(0, 1\)"),
    "NaN": ({"threshold": float("nan")}, r"\(0, 1\)"),
    "a string": ({"threshold": "0.5"}, r"\(0, 1\)"),
    "True": ({"threshold": True}, r"\(0, 1\)"),
    "no class": ({"top_k": 0}, "from 1 to 4"),
    "all classes": ({"top_k": 5}, "from 1 to 4"),
    "half a class": ({"top_k": 1.5}, "from 1 to 4"),
    "True classes": ({"top_k": True}, "from 1 to 4"),
}


@pytest.mark.parametrize("name", BAD)
def test_what_can_not_be_certified(name, fitted):
    certify, message = BAD[name]
    with pytest.raises(ValueError, match=message):
        qc.quantize(fitted("multinomial"), certify=certify)


def test_sources_without_such_answers(fitted):
    for certify in ({"threshold": 0.5}, {"top_k": 1}):
        with pytest.raises(ValueError, match="LinearRegression is a regressor"):
            qc.quantize(LinearRegression().fit(X, SCORES[:, 0]), certify=certify)
        with pytest.raises(ValueError, match="StandardScaler has no predict"):
            qc.quantize(StandardScaler().fit(X), certify=certify)
    for source in (RidgeClassifier().fit(X, Y), LinearSVC().fit(X, Y)):
        with pytest.raises(ValueError, match=f"{type(source).__name__} has no predict_proba"):
            qc.quantize(source, certify={"threshold": 0.5})
        assert qc.quantize(source, certify={"top_k": np.int64(2)}).report()["certify"] == {"top_k": 2}
    assert qc.quantize(fitted("multinomial"), certify={"threshold": np.float32(0.25)}).report()["certify"] == {"threshold": 0.25}


def test_the_file_says_what_is_certified(tmp_path, fitted):
    source = fitted("multinomial")
    plain, found = qc.quantize(source), qc.quantize(source, certify={"top_k": 2})
    assert plain.report()["certify"] == "label" and found.report()["certify"] == {"top_k": 2}
    qc.save(found, tmp_path / "m.qc")
    for model in (qc.load(tmp_path / "m.qc"), pickle.loads(pickle.dumps(found))):
        assert model.report()["certify"] == {"top_k": 2}
        np.testing.assert_array_equal(model.predict_certified(NEW).labels, found.predict_certified(NEW).labels)
    assert "certify" not in plain._artifact.extra  # a file of an earlier release is about labels


def test_a_file_that_certifies_nonsense_is_refused(fitted):
    artifact = qc.quantize(fitted("multinomial"))._artifact
    for bad in ({"top_k": 5}, {"top_k": 0}, {"threshold": 2.0}, {"other": 1}, 7, None, "labels", [1], {"top_k": [1]}):
        with pytest.raises(qc.ArtifactError) as caught:
            qc.Model(encode(artifact.plan, {**artifact.extra, "certify": bad}))
        assert caught.value.reason == "invalid"


def test_rows_that_stay_open(tmp_path, fitted):
    source = fitted("multinomial")
    model = qc.quantize(source, X, certify={"threshold": 0.5}, guarantee="measured", min_agreement=0.8)
    qc.save(model, tmp_path / "m.qc")
    near = NEW[~model.predict_certified(NEW).certified]
    assert len(near)
    with pytest.raises(qc.UncertainError) as caught:
        qc.load(tmp_path / "m.qc", on_uncertain="raise").predict_certified(np.vstack([X[:1] * 0, near]))
    assert len(caught.value.rows) >= len(near) - 1
    with pytest.raises(ValueError, match="answers with labels, but this model certifies {'threshold': 0.5}"):
        qc.load(tmp_path / "m.qc", on_uncertain=source.predict)


def test_exact_files_prove_what_the_grid_leaves_open(fitted):
    source = fitted("multinomial")
    for certify in ("label", {"threshold": 0.5}, {"top_k": 2}):
        coarse = qc.quantize(source, X, certify=certify, guarantee="certified").predict_certified(NEW).certified
        exact = qc.quantize(source, X, certify=certify, guarantee="exact").predict_certified(NEW).certified
        assert exact.all() and exact.sum() >= coarse.sum()
