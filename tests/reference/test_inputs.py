"""Bad input raises what scikit-learn raises for it, good input is read as scikit-learn reads it."""

from __future__ import annotations

import warnings
from types import SimpleNamespace

import numpy as np
import pytest
import scipy.sparse as sp
from sklearn.feature_extraction.text import CountVectorizer, HashingVectorizer, TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.naive_bayes import BernoulliNB, MultinomialNB
from sklearn.pipeline import make_pipeline

from quantcore.importers import convert
from quantcore.plan import Csr
from quantcore.reference import run
from quantcore.reference.inputs import matrix

DOCUMENTS = ["cat dog", "dog mat", "cat cat", "mat sat"]
LABELS = [0, 1, 0, 1]
TEXT_SETTINGS = [
    {},
    {"lowercase": False},
    {"lowercase": False, "strip_accents": "ascii"},
    {"lowercase": False, "strip_accents": "unicode"},
    {"analyzer": "char"},
    {"analyzer": "char_wb", "lowercase": False},
    {"token_pattern": r"[a-z]+|\d", "lowercase": False},
]
BAD_DOCUMENTS = {
    "None": None,
    "a string": "cat dog",
    "bytes": b"cat",
    "a number": 5,
    "a 0-d array": np.array("cat"),
    "no documents": [],
    "numbers": [1, 2],
    "None within": ["cat", None],
    "nan within": ["cat", np.nan],
    "another nan within": ["cat", float("nan")],
    "lists within": [["cat"], ["dog"]],
    "bytearray within": [bytearray(b"cat")],
    "bad bytes": [b"\xff"],
    "2-d": np.array([["cat", "dog"]]),
    "a sparse matrix": sp.csr_matrix(np.ones((2, 2))),
    "an object": [SimpleNamespace(lower=lambda: "cat")],
}


def exception_of(function, *arguments):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            return None, function(*arguments)
        except Exception as error:
            return type(error), str(error)


@pytest.mark.parametrize("name", BAD_DOCUMENTS)
@pytest.mark.parametrize("settings", TEXT_SETTINGS, ids=str)
def test_documents(name, settings):
    model = make_pipeline(TfidfVectorizer(**settings), LogisticRegression()).fit(DOCUMENTS, LABELS)
    expected, found = (exception_of(f, BAD_DOCUMENTS[name]) for f in (model.predict, lambda X: run(convert(model), X)))
    assert found[0] is expected[0]
    if expected[0] is None:
        np.testing.assert_array_equal(found[1], expected[1])
    else:
        assert len(found[1]) > 20


def test_no_documents_at_all():
    for model in (CountVectorizer(vocabulary=["cat"]), TfidfVectorizer().fit(DOCUMENTS)):
        expected, found = (exception_of(f, []) for f in (model.transform, lambda X, m=model: run(convert(m), X, "transform")))
        assert found[0] is expected[0]
    # scikit-learn leaks a StopIteration here, which would end a caller's generator: a ValueError instead.
    assert exception_of(HashingVectorizer().transform, [])[0] is StopIteration
    assert exception_of(run, convert(HashingVectorizer()), [], "transform")[0] is ValueError


def test_all_containers_of_documents():
    plan = convert(CountVectorizer(vocabulary=["cat", "dog"]))
    expected = run(plan, DOCUMENTS, "transform").toarray()
    for X in (tuple(DOCUMENTS), np.array(DOCUMENTS), np.array(DOCUMENTS, object), iter(DOCUMENTS), dict.fromkeys(DOCUMENTS)):
        np.testing.assert_array_equal(run(plan, X, "transform").toarray(), expected)


X_FIT = np.random.default_rng(3).random((12, 3))
MATRICES = {
    "list": [[1, 2, 3], [4, 5, 6]],
    "integers": np.arange(6).reshape(2, 3),
    "booleans": np.eye(3, dtype=bool),
    "big-endian": np.arange(6, dtype=">f4").reshape(2, 3),
    "float16": np.arange(6, dtype=np.float16).reshape(2, 3),
    "Fortran": np.asfortranarray(X_FIT),
    "strided": np.ones((4, 6))[::2, ::2],
    "read-only": np.frombuffer(np.ones(6).tobytes()).reshape(2, 3),
    "objects": np.array([[1, 2.5, True]], object),
    "strings as objects": np.array([["1", "2", "3"]], object),
    "masked": np.ma.array([[1.0, 2, 3]], mask=[[0, 1, 0]]),
    "huge values": np.full((1, 3), 1e308),
    **{
        f"sparse {f}": sp.random(5, 3, 0.5, random_state=0).asformat(f) for f in ("csr", "csc", "coo", "lil", "dok", "bsr", "dia")
    },
    "sparse array": sp.csr_array(X_FIT),
    "sparse booleans": sp.csr_array(np.eye(3, dtype=bool)),
    "sparse, 64-bit indices": sp.csr_matrix((np.ones(2), np.array([2, 0]), np.array([0, 1, 2], np.int64)), shape=(2, 3)),
    "sparse, unsorted": sp.csr_matrix((np.arange(4.0), [2, 0, 2, 1], [0, 2, 4]), shape=(2, 3)),
    "sparse, repeated": sp.csr_matrix((np.arange(6.0), [1, 0, 1, 2, 2, 2], [0, 3, 6]), shape=(2, 3)),
    "sparse, empty": sp.csr_matrix((4, 3)),
    # what is refused
    "None": None,
    "a number": 5,
    "a string": "abc",
    "a dict": {"a": 1},
    "1-d": [1, 2, 3],
    "3-d": np.zeros((2, 3, 1)),
    "empty list": [],
    "no rows": np.zeros((0, 3)),
    "no columns": [[]],
    "ragged": [[1, 2, 3], [1, 2]],
    "narrow": [[1, 2]],
    "wide": [[1, 2, 3, 4]],
    "NaN": [[1, np.nan, 3]],
    "inf": [[1, np.inf, 3]],
    "NaN as object": np.array([[1, np.nan, 3]], object),
    "strings": [["a", "b", "c"]],
    "strings of numbers": [["1", "2", "3"]],
    "bytes": np.array([[b"1", b"2", b"3"]]),
    "a string as object": np.array([[1, 2, "x"]], object),
    "None within": [[None, 1, 2]],
    "None as object": np.array([[None, 1, 2]], object),
    "an object within": [[object(), 1, 2]],
    "an integer beyond float64": [[10**400, 1, 2]],
    "complex": [[1j, 0, 0]],
    "np.matrix": np.matrix([[1, 2, 3]]),
    "sparse 1-d": sp.coo_array(np.ones(3)),
    "sparse narrow": sp.csr_matrix(np.ones((2, 2))),
    "sparse NaN": sp.csr_matrix(np.array([[1.0, np.nan, 0]])),
    "sparse inf": sp.csc_matrix(np.array([[1.0, np.inf, 0]])),
    "sparse complex": sp.csr_matrix(np.array([[1j, 0, 0]])),
    "sparse without rows": sp.csr_matrix((0, 3)),
}


@pytest.mark.parametrize("name", MATRICES)
@pytest.mark.parametrize("classifier", [LogisticRegression(), MultinomialNB(), BernoulliNB()], ids=lambda c: type(c).__name__)
def test_matrices(name, classifier):
    model = classifier.fit(X_FIT, np.arange(12) % 3)
    if name == "None within" and isinstance(classifier, BernoulliNB):
        pytest.skip("BernoulliNB alone turns a list's None into NaN, and raises ValueError instead of TypeError")
    X, method = MATRICES[name], "predict_log_proba" if "NB" in type(classifier).__name__ else "decision_function"
    expected = exception_of(getattr(model, method), X)
    found = exception_of(run, convert(model), X, method)
    assert found[0] is expected[0], (expected, found)
    if expected[0] is None:
        np.testing.assert_allclose(found[1], expected[1], rtol=1e-12, atol=1e-12)


def test_dates_are_refused():
    # scikit-learn's own error is an accident of NumPy's (a kind of TypeError) deep in the product.
    with pytest.raises(TypeError, match="datetime64"):
        matrix(np.zeros((1, 3), "M8[s]"), 3)


def test_the_caller_s_matrix_is_not_changed():
    X = sp.csr_matrix((np.arange(6.0), [1, 0, 1, 2, 2, 2], [0, 3, 6]), shape=(2, 3))
    before = X.data.copy(), X.indices.copy(), X.indptr.copy(), X.has_sorted_indices
    found = matrix(X, 3)
    assert isinstance(found, Csr)
    np.testing.assert_array_equal(found.toarray(), X.toarray())
    assert found.indices.tolist() == [0, 1, 2] and found.indptr.tolist() == [0, 2, 3]
    for old, new in zip(before, (X.data, X.indices, X.indptr, X.has_sorted_indices), strict=True):
        np.testing.assert_array_equal(old, new)


@pytest.mark.parametrize(
    "breach",
    [{"indices": [0, 7]}, {"indices": [0, -1]}, {"indptr": [0, 2, 1]}, {"indptr": [1, 1, 2]}, {"indptr": [0, 1, 9]}],
    ids=str,
)
def test_a_broken_sparse_matrix(breach):
    parts = {"data": np.ones(2), "indices": np.array([0, 1]), "indptr": np.array([0, 1, 2])}
    parts.update({k: np.array(v) for k, v in breach.items()})
    broken = SimpleNamespace(shape=(2, 3), dtype=np.dtype(float), **parts)
    broken.tocsr = lambda: broken
    with pytest.raises(ValueError, match="broken"):
        matrix(broken, 3)


def test_data_frames_and_their_names():
    pandas = pytest.importorskip("pandas", reason="pandas is not installed")
    frame = pandas.DataFrame(X_FIT, columns=["a", "b", "c"])
    model = LogisticRegression().fit(frame, np.arange(12) % 2)
    plan = convert(model)
    assert plan.feature_names_in == ("a", "b", "c")
    for X in (frame, X_FIT, frame[["c", "a", "b"]], frame.rename(columns={"a": "z"}), frame[["a", "b"]]):
        expected, found = exception_of(model.predict, X), exception_of(run, plan, X)
        assert found[0] is expected[0]
        if expected[0] is None:
            np.testing.assert_array_equal(found[1], expected[1])


def test_a_method_that_is_not_there():
    plan = convert(CountVectorizer(vocabulary=["cat"]))
    with pytest.raises(AttributeError, match="transform"):
        run(plan, ["cat"], "predict_proba")


def test_values_of_data_frames():
    """Read by the way that is fast, and what NumPy's own way gives."""
    pandas = pytest.importorskip("pandas")
    whole = np.arange(6).reshape(3, 2)
    frames = {
        "float32": pandas.DataFrame(whole.astype(np.float32)),
        "float16": pandas.DataFrame(whole.astype(np.float16)),
        "columns of one order": pandas.DataFrame(np.asfortranarray(whole * 0.5)),
        "mixed": pandas.DataFrame({"a": [1, 2], "b": [0.5, np.nan], "c": [True, False]}),
        "nullable": pandas.DataFrame({"a": pandas.array([1, None], "Int64"), "b": pandas.array([0.5, 2], "Float32")}),
        "one name twice": pandas.DataFrame(whole, columns=["a", "a"]),
        "categories": pandas.DataFrame({"a": pandas.Categorical([3, 1, 3]), "b": [1, 2, 3]}),
        "objects": pandas.DataFrame({"a": [1, None], "b": ["2", 3.5]}, dtype=object),
        "no rows": pandas.DataFrame(whole[:0]),
        "words": pandas.DataFrame({"a": ["x", "y"], "b": [1.0, 2.0]}),
        "dates": pandas.DataFrame({"a": pandas.to_datetime(["2020-01-01", "2021-01-01"])}),
    }
    for name, frame in frames.items():
        plain = np.asarray(frame)
        assert frame.to_numpy().dtype == plain.dtype, name
        try:
            expected = matrix(plain, plain.shape[1], allow_nan=True)
        except (ValueError, TypeError) as error:
            with pytest.raises(type(error)):
                matrix(frame, plain.shape[1], allow_nan=True)
            continue
        found = matrix(frame, plain.shape[1], allow_nan=True)
        assert found.dtype == expected.dtype and found.tobytes() == expected.tobytes() and found.flags.c_contiguous, name
