"""Bad input is refused with scikit-learn's exception type, odd but valid input gets its answer: compared with the source itself,
through the public Model alone."""

from __future__ import annotations

import warnings

import numpy as np
import pytest
import scipy.sparse as sp
from sklearn.calibration import CalibratedClassifierCV
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.impute import SimpleImputer
from sklearn.linear_model import (
    Lasso,
    LinearRegression,
    LogisticRegression,
    PoissonRegressor,
    Ridge,
    RidgeClassifier,
    SGDClassifier,
)
from sklearn.multiclass import OneVsRestClassifier
from sklearn.naive_bayes import BernoulliNB, GaussianNB, MultinomialNB
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import MaxAbsScaler, MinMaxScaler, Normalizer, RobustScaler, StandardScaler
from sklearn.svm import LinearSVC

import quantcore as qc

RANDOM = np.random.default_rng(7)
WIDTH = 24
X = np.abs(RANDOM.normal(size=(300, WIDTH))) * 2
Y = (X @ RANDOM.normal(size=(WIDTH, 3))).argmax(axis=1)
MULTI = (X[:, :4] > 1.4).astype(int)

SOURCES = {
    "logistic": lambda: LogisticRegression(max_iter=50).fit(X, Y),
    "logistic, two classes": lambda: LogisticRegression(max_iter=50).fit(X, Y > 0),
    "logistic, float32": lambda: LogisticRegression(max_iter=50).fit(X.astype(np.float32), Y),
    "ridge": lambda: RidgeClassifier().fit(X, Y),
    "SVC": lambda: LinearSVC(max_iter=200).fit(X, Y),
    "SGD": lambda: SGDClassifier(loss="modified_huber", random_state=0).fit(X, Y),
    "scaled": lambda: make_pipeline(StandardScaler(), LogisticRegression()).fit(X, Y),
    "scaled, no mean": lambda: make_pipeline(StandardScaler(with_mean=False), LogisticRegression()).fit(X, Y),
    "min-max": lambda: make_pipeline(MinMaxScaler(), LogisticRegression()).fit(X, Y),
    "max-abs": lambda: make_pipeline(MaxAbsScaler(), LinearSVC(max_iter=200)).fit(X, Y),
    "robust": lambda: make_pipeline(RobustScaler(), RidgeClassifier()).fit(X, Y),
    "normed": lambda: make_pipeline(Normalizer(), LogisticRegression()).fit(X, Y),
    "imputed": lambda: make_pipeline(SimpleImputer(), LogisticRegression(max_iter=50)).fit(X, Y),
    "calibrated": lambda: make_pipeline(StandardScaler(), CalibratedClassifierCV(LinearSVC(max_iter=200), cv=2)).fit(X, Y),
    "one-vs-rest": lambda: OneVsRestClassifier(LogisticRegression(max_iter=50)).fit(X, Y),
    "multi-label": lambda: OneVsRestClassifier(LogisticRegression(max_iter=50)).fit(X, MULTI),
    "LDA": lambda: LinearDiscriminantAnalysis().fit(X, Y),
    "Gaussian": lambda: GaussianNB().fit(X, Y),
    "multinomial": lambda: MultinomialNB().fit(X, Y),
    "Bernoulli": lambda: BernoulliNB(binarize=1.0).fit(X, Y),
    "ordinary": lambda: LinearRegression().fit(X, X[:, 0] * 2),
    "scaled ridge": lambda: make_pipeline(StandardScaler(), Ridge()).fit(X, X[:, :2]),
    "lasso": lambda: Lasso(0.01).fit(X, X[:, 0]),
    "Poisson": lambda: PoissonRegressor().fit(X, X[:, 0]),
}


def with_value(value, dtype=np.float64):
    rows = X[:5].astype(dtype)
    rows[3, 7] = value
    return rows


class Opaque:
    """Nothing that NumPy could make an array of."""


BAD = {
    "NaN": lambda: with_value(np.nan),
    "NaN, float32": lambda: with_value(np.nan, np.float32),
    "infinity": lambda: with_value(np.inf),
    "minus infinity, float32": lambda: with_value(-np.inf, np.float32),
    "NaN in one row": lambda: with_value(np.nan)[3:4],
    "NaN in a sparse matrix": lambda: sp.csr_matrix(with_value(np.nan)),
    "infinity in a sparse matrix": lambda: sp.csc_matrix(with_value(np.inf)),
    "too wide": lambda: np.ones((2, WIDTH + 1)),
    "too narrow": lambda: np.ones((2, WIDTH - 1)),
    "too wide, sparse": lambda: sp.csr_matrix(np.ones((2, WIDTH + 1))),
    "0-d": lambda: np.float64(1.0),
    "a number": lambda: 1.0,
    "1-d": lambda: X[0],
    "1-d list": lambda: X[0].tolist(),
    "3-d": lambda: X[None, :5],
    "no rows": lambda: X[:0],
    "no columns": lambda: X[:3, :0],
    "no rows, sparse": lambda: sp.csr_matrix((0, WIDTH)),
    "an empty list": lambda: [],
    "a list of an empty list": lambda: [[]],
    "ragged": lambda: [X[0].tolist(), X[1, :5].tolist()],
    "complex": lambda: X[:3].astype(complex),
    "complex, sparse": lambda: sp.csr_matrix(X[:3].astype(complex)),
    "strings": lambda: np.full((2, WIDTH), "word"),
    "bytes": lambda: np.full((2, WIDTH), b"word"),
    "a list of strings": lambda: [["word"] * WIDTH],
    "objects that are words": lambda: np.full((2, WIDTH), "word", object),
    "objects that are None": lambda: np.full((2, WIDTH), None, object),
    "dates": lambda: np.full((2, WIDTH), np.datetime64("2024-01-01")),
    "None": lambda: None,
    "a string": lambda: "word",
    "a dict": lambda: {"a": 1},
    "an object": Opaque,
    "a matrix": lambda: np.matrix(X[:3]),
    "a number beyond float64": lambda: [[10**400] * WIDTH],
    "a record": lambda: np.zeros(2, [("a", float), ("b", float)]),
}


def read_only():
    rows = X[:6].copy()
    rows.flags.writeable = False
    return rows


def unsorted_csr():
    found = sp.csr_matrix(X[:6] * (X[:6] > 1))
    for i in range(6):
        part = slice(found.indptr[i], found.indptr[i + 1])
        found.indices[part], found.data[part] = found.indices[part][::-1].copy(), found.data[part][::-1].copy()
    found.has_sorted_indices = False
    return found


def with_repeats():
    return sp.coo_matrix(([1.0, 2.0, 0.5, 4.0], ([0, 0, 1, 2], [3, 3, 0, 23])), shape=(3, WIDTH))


def int64_indices():
    found = sp.csr_matrix(X[:6])
    found.indices, found.indptr = found.indices.astype(np.int64), found.indptr.astype(np.int64)
    return found


ODD = {
    **{np.dtype(d).name: (lambda d=d: np.round(X[:6]).astype(d)) for d in "?bBhHiIlLefdg"},
    "big-endian float64": lambda: X[:6].astype(">f8"),
    "big-endian float32": lambda: X[:6].astype(">f4"),
    "big-endian integers": lambda: np.round(X[:6]).astype(">i4"),
    "Fortran order": lambda: np.asfortranarray(X[:6]),
    "every second row": lambda: X[:12:2],
    "every second column": lambda: np.repeat(X[:6], 2, axis=1)[:, ::2],
    "backwards": lambda: X[:6][::-1, ::-1],
    "a broadcast row": lambda: np.broadcast_to(X[0], (5, WIDTH)),
    "read-only": read_only,
    "not aligned": lambda: np.frombuffer(b"\0" + X[:6].tobytes(), np.uint8)[1:].view(np.float64).reshape(6, WIDTH),
    "a memory map's kin": lambda: memoryview(np.ascontiguousarray(X[:6])),
    "one row": lambda: X[:1],
    "a list of lists": lambda: X[:6].tolist(),
    "a tuple of tuples": lambda: tuple(map(tuple, X[:6].tolist())),
    "a list of arrays": lambda: list(X[:6]),
    "a list of integers": lambda: np.round(X[:6]).astype(int).tolist(),
    "a list of booleans": lambda: (X[:6] > 1).tolist(),
    "objects that are numbers": lambda: X[:6].astype(object),
    "strings that are numbers, as objects": lambda: np.round(X[:6]).astype(int).astype(str).astype(object),
    "zeros": lambda: np.zeros((3, WIDTH)),
    "minus zeros": lambda: -np.zeros((3, WIDTH)),
    "CSR": lambda: sp.csr_matrix(X[:6]),
    "CSC": lambda: sp.csc_matrix(X[:6]),
    "COO": lambda: sp.coo_matrix(X[:6]),
    "LIL": lambda: sp.lil_matrix(X[:6]),
    "DOK": lambda: sp.dok_matrix(X[:6]),
    "CSR array": lambda: sp.csr_array(X[:6]),
    "CSC array": lambda: sp.csc_array(X[:6]),
    "COO array": lambda: sp.coo_array(X[:6]),
    "CSR of float32": lambda: sp.csr_matrix(X[:6].astype(np.float32)),
    "CSR of integers": lambda: sp.csr_matrix(np.round(X[:6]).astype(np.int64)),
    "CSR, empty rows": lambda: sp.csr_matrix((4, WIDTH)),
    "CSR, not sorted": unsorted_csr,
    "CSR, int64 indices": int64_indices,
    "COO with repeats": with_repeats,
}


@pytest.fixture(autouse=True)
def quiet():
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


@pytest.fixture(scope="module", params=SOURCES)
def pair(request):
    """A source and the models made of it, without and with calibration rows."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        source = SOURCES[request.param]()
        return source, (qc.quantize(source), qc.quantize(source, X, guarantee="exact"))


def outcome(call, rows):
    try:
        return call(rows)
    except Exception as error:
        return error


def methods(source):
    return [name for name in ("predict", "predict_proba", "decision_function") if hasattr(source, name)]


def kind_of(error):
    """The exception's type, of NumPy's private ones the public base."""
    return next(t for t in type(error).__mro__ if t.__module__ == "builtins")


# What scikit-learn does not check: dates that one estimator takes for numbers, sparse rows that Lasso never looks at (its
# answers are NaN, or complex), and a record, which each estimator refuses in its own way. They are refused here.
def is_unchecked(what, source, expected):
    if what in ("dates", "a record"):
        return True
    return type(source).__name__ == "Lasso" and "sparse" in what and not isinstance(expected, Exception)


def same_refusal(what, source, expected, found):
    if is_unchecked(what, source, expected):
        return isinstance(found, (TypeError, ValueError))
    if what in ("a dict", "an object") or (isinstance(source, OneVsRestClassifier) and what in ("0-d", "a number", "None")):
        # Of what has no rows some ask for its number first (TypeError), some for its dimensions (ValueError).
        return isinstance(found, (TypeError, ValueError))
    return isinstance(found, Exception) and kind_of(found) is kind_of(expected)


def assert_refused_alike(source, models, rows, what):
    for name in methods(source):
        expected = outcome(getattr(source, name), rows)
        for model in models:
            found = outcome(getattr(model, name), rows)
            if isinstance(expected, Exception) or is_unchecked(what, source, expected):
                assert same_refusal(what, source, expected, found), f"{what}: {name} gives {expected!r}, here {found!r}"
                assert str(found), f"{what}: {found!r} says nothing"
            else:
                assert not isinstance(found, Exception), f"{what}: {name} answers, here {found!r}"
                assert_answers_alike(name, expected, found)


def assert_answers_alike(name, expected, found):
    assert found.shape == expected.shape
    if expected.dtype.kind == "f":
        size = 1.0 + np.abs(expected).max(initial=0.0)
        np.testing.assert_allclose(found, expected, rtol=0.0, atol=5e-3 * size)
    else:
        np.testing.assert_array_equal(found, expected)
        assert found.dtype == expected.dtype


@pytest.mark.parametrize("bad", BAD)
def test_bad_rows(pair, bad):
    source, models = pair
    assert_refused_alike(source, models, BAD[bad](), bad)


@pytest.mark.parametrize("bad", BAD)
def test_certificates_refuse_what_predict_refuses(pair, bad):
    source, models = pair
    if not hasattr(source, "classes_"):
        return
    rows = BAD[bad]()
    expected = outcome(source.predict, rows)
    found = outcome(models[0].predict_certified, rows)
    if isinstance(expected, Exception) or is_unchecked(bad, source, expected):
        assert same_refusal(bad, source, expected, found), f"{bad}: predict gives {expected!r}, here {found!r}"
    else:
        assert not isinstance(found, Exception)


@pytest.mark.parametrize("odd", ODD)
def test_odd_rows(pair, odd):
    source, models = pair
    rows = ODD[odd]()
    if odd == "float128" and isinstance(source, OneVsRestClassifier):
        # Its running maximum is float64, which long doubles can't be written to: scikit-learn answers 0 throughout.
        assert not source.predict(rows).any() or source.multilabel_
        rows = rows.astype(np.float64)
    before = rows.copy() if hasattr(rows, "copy") and not isinstance(rows, list) else None
    assert_refused_alike(source, models, rows, odd)
    if isinstance(before, np.ndarray):
        np.testing.assert_array_equal(rows, before)
    elif before is not None and sp.issparse(before):
        assert (abs(before.tocsr() - rows.tocsr())).nnz == 0


TEXTS = ["free money now", "see you at lunch", "money money", "lunch now", "", "the the the"]
BAD_TEXTS = {
    "a string": lambda: "free money",
    "None": lambda: None,
    "a number": lambda: 3,
    "numbers": lambda: [1, 2],
    "None among texts": lambda: ["free", None],
    "NaN among texts": lambda: ["free", np.nan],
    "lists": lambda: [["free"], ["money"]],
    "bytes that are not UTF-8": lambda: [b"\xff\xfe"],
    "nothing": lambda: [],
    "a matrix": lambda: np.zeros((2, 3)),
}
ODD_TEXTS = {
    "a tuple": lambda: tuple(TEXTS),
    "a generator": lambda: (t for t in TEXTS),
    "an array": lambda: np.array(TEXTS),
    "an object array": lambda: np.array(TEXTS, object),
    "bytes": lambda: [t.encode() for t in TEXTS],
    "a set of one": lambda: {"free money"},
    "keys": lambda: dict.fromkeys(TEXTS).keys(),
    "NumPy strings": lambda: [np.str_(t) for t in TEXTS],
}


@pytest.mark.parametrize("name", [*BAD_TEXTS, *ODD_TEXTS])
@pytest.mark.parametrize("front", ["tfidf", "chars"])
def test_texts(front, name):
    vectorizer = TfidfVectorizer() if front == "tfidf" else TfidfVectorizer(analyzer="char", ngram_range=(1, 3))
    source = make_pipeline(vectorizer, LogisticRegression()).fit(TEXTS, [1, 0, 1, 0, 0, 0])
    make = (BAD_TEXTS | ODD_TEXTS)[name]
    expected = outcome(source.predict, make())
    for model in (qc.quantize(source), qc.quantize(source, guarantee="exact", certify={"threshold": 0.7})):
        found = outcome(model.predict, make())
        if isinstance(expected, Exception):
            assert type(found) is type(expected), f"{expected!r}, here {found!r}"
        else:
            np.testing.assert_array_equal(found, expected)
        certified = outcome(model.predict_certified, make())
        assert (type(certified) is type(expected)) if isinstance(expected, Exception) else certified.certified.all()
