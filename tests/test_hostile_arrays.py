"""Rows in every layout that memory has, rows that lie about themselves, and rows that another thread changes meanwhile: the
source's labels, an error that scikit-learn raises too, or, where nobody can know what was read, any label; never a crash."""

from __future__ import annotations

import itertools
import sys
from pathlib import Path

import numpy as np
import pytest
import scipy.sparse as sp
from sklearn.ensemble import HistGradientBoostingClassifier, RandomForestClassifier
from sklearn.feature_extraction.text import CountVectorizer, HashingVectorizer, TfidfTransformer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import MinMaxScaler

import quantcore as qc

sys.path.append(str(Path(__file__).parent))
from hostile import DTYPES, FAULTS, Liar, Strange, beside, outcome  # noqa: E402

RANDOM = np.random.default_rng(3)
WIDTH = 7
X = RANDOM.integers(-3, 4, (90, WIDTH)).astype(np.float64)  # whole numbers, so that every dtype holds them
Y = np.digitize(X[:, 0] + X[:, 1] - 0.3 * X[:, 2], [-1.2, 1.3])
TEXTS = [" ".join(RANDOM.choice(["cat", "dog", "bird", "fish", "ähre", "日本"], 5)) for _ in range(60)]
TEXT_Y = np.array([len(set(text)) % 3 for text in TEXTS])

ROWS = {
    "linear": lambda: LogisticRegression().fit(X, Y),
    "scaled, two classes": lambda: make_pipeline(MinMaxScaler(), LogisticRegression()).fit(X, Y > 0),
    "forest": lambda: RandomForestClassifier(4, max_depth=4, random_state=0).fit(X, Y),
    "histogram": lambda: HistGradientBoostingClassifier(max_iter=3, min_samples_leaf=5).fit(X, Y),
}
SPARSE = {
    "terms": lambda: make_pipeline(TfidfTransformer(), LogisticRegression()).fit(sp.csr_matrix(np.abs(X)), Y),
    "linear": lambda: LogisticRegression().fit(sp.csr_matrix(X), Y),
}
DOCUMENTS = {
    "words": lambda: make_pipeline(CountVectorizer(), LogisticRegression()).fit(TEXTS, TEXT_Y),
    "characters": lambda: make_pipeline(CountVectorizer(analyzer="char"), LogisticRegression()).fit(TEXTS, TEXT_Y),
    "hashed": lambda: make_pipeline(HashingVectorizer(n_features=32), LogisticRegression()).fit(TEXTS, TEXT_Y),
}


def pairs(sources):
    """The source and its model, made once."""

    @pytest.fixture(scope="module", params=sources)
    def made(request):
        source = sources[request.param]()
        rows = TEXTS if sources is DOCUMENTS else np.abs(X) if request.param == "terms" else X
        rows = sp.csr_matrix(rows) if sources is SPARSE else rows
        return source, qc.quantize(source, rows)

    return made


dense, sparse, documents = pairs(ROWS), pairs(SPARSE), pairs(DOCUMENTS)

LAYOUTS = {
    "C": lambda a: np.ascontiguousarray(a),
    "Fortran": lambda a: np.asfortranarray(a),
    "every other row": lambda a: np.repeat(a, 2, axis=0)[::2],
    "every third column": lambda a: np.repeat(a, 3, axis=1)[:, ::3],
    "reversed": lambda a: a[::-1, ::-1].copy()[::-1, ::-1],
    "one row, repeated by a stride of 0": lambda a: np.broadcast_to(a[0], a.shape),
    "one column, repeated": lambda a: np.broadcast_to(a[:, :1], a.shape),
    "read-only": lambda a: _frozen(a.copy()),
    "unaligned": lambda a: _unaligned(a),
    "in a record": lambda a: _in_record(a),
    "one row": lambda a: a[:1],
}


def _frozen(a):
    a.flags.writeable = False
    return a


def _unaligned(a):
    room = np.zeros(a.nbytes + 1, np.uint8)[1:].view(a.dtype).reshape(a.shape)
    room[:] = a
    return room


def _in_record(a):
    records = np.zeros(len(a), [("before", "u1"), ("rows", a.dtype, (a.shape[1],)), ("after", "u2")])
    records["rows"] = a
    return records["rows"]


@pytest.mark.parametrize("layout", LAYOUTS)
def test_every_dtype_order_and_stride(dense, layout):
    source, model = dense
    for code, order in itertools.product(DTYPES, "<>"):
        dtype = np.dtype(code).newbyteorder(order)
        rows = X if dtype.kind in "if" else np.abs(X)
        given = LAYOUTS[layout](rows.astype(dtype))
        np.testing.assert_array_equal(model.predict(given), source.predict(given), err_msg=f"{dtype}")
        certified = model.predict_certified(given)
        np.testing.assert_array_equal(certified.labels, source.predict(given), err_msg=f"{dtype}")


@pytest.mark.parametrize("n", [0, 1, 2, 15, 16, 17, 255, 256, 257, 100_001])
def test_numbers_of_rows(dense, n):
    source, model = dense
    rows = np.resize(X, (n, WIDTH))
    if n:
        np.testing.assert_array_equal(model.predict(rows), source.predict(rows))
        return
    with pytest.raises(ValueError, match="at least one row"):
        model.predict(rows)


# ------------------------------------------------------------------------- CSR


def changed(rows, **arrays):
    """A CSR matrix whose arrays are others, past SciPy's checks."""
    found = sp.csr_matrix(rows)
    for name, array in arrays.items():
        setattr(found, name, array)
    return found


def bad_matrices():
    """Name → CSR matrix that breaks a rule of the format."""
    good = sp.csr_matrix(np.abs(X))
    huge = [-1, -(2**31), WIDTH, WIDTH + 1, 2**31 - 1]
    for value, at in itertools.product(huge, (0, good.nnz // 2, good.nnz - 1)):
        indices = good.indices.copy()
        indices[at] = value
        yield f"index {value} at {at}", changed(good, indices=indices)
    for value, at in itertools.product([-1, -(2**31), good.nnz + 1, 2**31 - 1], (0, 1, 45, len(good.indptr) - 1)):
        indptr = good.indptr.copy()
        indptr[at] = value
        yield f"indptr {value} at {at}", changed(good, indptr=indptr)
    wide = good.indptr.astype(np.int64)
    wide[3] = 2**62
    yield "indptr of 2^62", changed(good, indptr=wide, indices=good.indices.astype(np.int64))
    yield "indptr falls", changed(good, indptr=good.indptr[::-1].copy())
    yield "indptr short", changed(good, indptr=good.indptr[:-1])
    yield "indptr empty", changed(good, indptr=good.indptr[:0])
    yield "indices short", changed(good, indices=good.indices[:-1])
    yield "data short", changed(good, data=good.data[: good.nnz // 2])
    yield "data 2-d", changed(good, data=good.data[None])
    yield "indices of float", changed(good, indices=good.indices + 0.5)
    yield "indptr of objects", changed(good, indptr=np.full(len(good.indptr), object()))
    yield "no arrays", changed(good, indptr=None)


@pytest.mark.parametrize("name", [name for name, _ in bad_matrices()])
def test_matrices_that_break_the_format(sparse, name):
    """Refused, by every method."""
    rows = dict(bad_matrices())[name]
    for method in ("predict", "predict_proba", "predict_certified", "decision_function"):
        with pytest.raises((ValueError, TypeError)):
            getattr(sparse[1], method)(rows)


def test_index_types_and_orders(sparse):
    source, model = sparse
    rows = np.abs(X)
    expected = source.predict(sp.csr_matrix(rows))
    for index, value in itertools.product((np.int32, np.int64), (np.float64, np.float32, np.int64, np.int8)):
        good = sp.csr_matrix(rows.astype(value))
        good.indices, good.indptr = good.indices.astype(index), good.indptr.astype(index)
        np.testing.assert_array_equal(model.predict(good), expected)
        reverse = good.copy()
        for a, b in itertools.pairwise(good.indptr):  # columns of a row may come in any order
            reverse.indices[a:b], reverse.data[a:b] = good.indices[a:b][::-1], good.data[a:b][::-1]
        reverse.has_sorted_indices = False
        np.testing.assert_array_equal(model.predict(reverse), expected)
        for form in (sp.csc_matrix, sp.coo_matrix, sp.csr_array):
            np.testing.assert_array_equal(model.predict(form(good)), expected)


def test_arrays_of_a_matrix_in_any_memory(sparse):
    source, model = sparse
    rows = sp.csr_matrix(np.abs(X))
    expected = source.predict(rows)
    memory = {
        "other byte order": lambda a: a.astype(a.dtype.newbyteorder()),
        "every other": lambda a: np.repeat(a, 2)[::2],
        "reversed": lambda a: a[::-1].copy()[::-1],
        "read-only": lambda a: _frozen(a.copy()),
        "unaligned": lambda a: np.frombuffer(b"x" + a.tobytes(), np.uint8)[1:].view(a.dtype),
        "longer than they need be": lambda a: np.concatenate([a, a[-1:]]),
    }
    for (what, change), name in itertools.product(memory.items(), ("indptr", "indices", "data")):
        if what == "longer than they need be" and name == "indptr":
            continue
        given = changed(np.abs(X), **{name: change(getattr(rows, name))})
        np.testing.assert_array_equal(model.predict(given), expected, err_msg=f"{name}, {what}")
        np.testing.assert_array_equal(model.predict_certified(given).labels, expected)


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_stored_values_that_are_no_numbers(sparse, value):
    _, model = sparse
    rows = sp.csr_matrix(np.resize(np.abs(X), (3000, WIDTH)))
    for at in (0, rows.nnz // 2, rows.nnz - 1):
        given = rows.copy()
        given.data[at] = value
        for method in ("predict", "predict_proba", "predict_certified"):
            with pytest.raises(ValueError, match="NaN|infin"):
                getattr(model, method)(given)


def test_tables_of_no_memory(dense):
    """A row, repeated more often than any machine could hold."""
    _, model = dense
    for n in (1 << 40, 1 << 50):
        with pytest.raises((MemoryError, ValueError)):
            model.predict(np.broadcast_to(X[0], (n, WIDTH)))


# ----------------------------------------------------------------- liars, threads


LIES = {
    "an error": lambda: Liar(RuntimeError("no array today"), X.shape),
    "a list": lambda: Liar([[1.0] * WIDTH], X.shape),
    "another width": lambda: Liar(np.zeros((2, WIDTH + 1)), X.shape),
    "one dimension": lambda: Liar(np.zeros(WIDTH), X.shape),
    "objects": lambda: Liar(np.full((2, WIDTH), object()), X.shape),
    "complex numbers": lambda: Liar(np.zeros((2, WIDTH), complex), X.shape),
    "NaN and infinity": lambda: Liar(np.full((2, WIDTH), np.inf), X.shape),
    "nothing": lambda: Liar(None, X.shape),
    "no memory": lambda: Liar(MemoryError(), X.shape),
}


@pytest.mark.parametrize("lie", LIES)
def test_arrays_that_lie(dense, lie):
    source, model = dense
    if lie == "NaN and infinity" and isinstance(source, HistGradientBoostingClassifier):  # which takes both
        np.testing.assert_array_equal(model.predict(LIES[lie]()), source.predict(np.full((2, WIDTH), np.inf)))
        return
    for method in ("predict", "predict_proba", "predict_certified"):
        with pytest.raises((TypeError, ValueError, RuntimeError, MemoryError)):
            getattr(model, method)(LIES[lie]())


def test_arrays_that_tell_another_truth(dense):
    """What ``__array__`` gives is what counts, not what the object says about itself; each call reads it once."""
    source, model = dense
    calls = itertools.count()

    def given():
        next(calls)
        return X[:5]

    np.testing.assert_array_equal(model.predict(Liar(given, shape=(3, 99))), source.predict(X[:5]))
    assert next(calls) == 1


def test_numbers_that_act_when_they_are_read(dense):
    source, model = dense
    rows = [[1.0] * WIDTH for _ in range(40)]

    def fail():
        raise ZeroDivisionError("not today")

    rows[20][3] = Strange(fail)
    with pytest.raises((ZeroDivisionError, TypeError, ValueError)):
        model.predict(rows)
    rows[20][3] = Strange(rows.clear)
    try:
        model.predict(rows)
    except (TypeError, ValueError):
        pass
    np.testing.assert_array_equal(model.predict(X), source.predict(X))


@pytest.mark.parametrize("threads", [1, 2])
def test_rows_that_change_during_the_call(dense, threads):
    source, model = dense
    rows = np.resize(X, (20_000, WIDTH))
    values = itertools.cycle([np.nan, np.inf, 1e308, -1e30, 0.0, 3.0])

    def change():
        rows[RANDOM.integers(len(rows)), :] = next(values)

    beside(change, lambda: qc.predict(model, rows, threads=threads), 40)
    np.testing.assert_array_equal(model.predict(X), source.predict(X))


def test_lists_of_rows_that_change_during_the_call(dense):
    source, model = dense
    rows = X.tolist() * 20
    extra = [[0.0] * WIDTH, [1.0], [], None, ["x"] * WIDTH]

    def change():
        rows.append(extra[len(rows) % len(extra)])
        rows[3].append(1.0)
        rows.pop()
        rows[3].pop()

    beside(change, lambda: model.predict(rows), 60)
    np.testing.assert_array_equal(model.predict(X), source.predict(X))


@pytest.mark.parametrize("array", ["indices", "indptr", "data"])
def test_matrices_that_change_during_the_call(sparse, array):
    source, model = sparse
    good = sp.csr_matrix(np.resize(np.abs(X), (50_000, WIDTH)))  # enough that the GIL is released
    kept = getattr(good, array).copy()
    values = itertools.cycle([-1, 2**31 - 1, -(2**31), 0, WIDTH - 1])

    def change():
        held = getattr(good, array)
        at = RANDOM.integers(len(held), size=50)
        held[at] = next(values)
        held[at] = kept[at]

    beside(change, lambda: model.predict(good))
    beside(change, lambda: model.predict_proba(good), 30)
    getattr(good, array)[:] = kept
    np.testing.assert_array_equal(model.predict(good), source.predict(good))


FORMS = {
    "a tuple": tuple,
    "an array": np.array,
    "of the other byte order": lambda texts: np.array(texts).astype(np.array(texts).dtype.newbyteorder()),
    "an array of objects": lambda texts: np.array(texts, object),
    "every other": lambda texts: np.repeat(np.array(texts, object), 2)[::2],
    "reversed": lambda texts: np.array(texts[::-1], object)[::-1],
    "of one text": lambda texts: np.broadcast_to(np.array(texts[3], object), len(texts)),
    "read-only": lambda texts: _frozen(np.array(texts, object)),
    "an iterator": iter,
    "keys": lambda texts: dict.fromkeys(texts).keys(),
    "a column of them": lambda texts: np.array(texts, object)[:, None],
    "bytes": lambda texts: [text.encode() for text in texts],
    "bytes that are no UTF-8": lambda texts: [*texts, b"\xff\xfe"],
    "of subclasses of str": lambda texts: [type("Str", (str,), {})(text) for text in texts],
    "one is None": lambda texts: [*texts, None],
    "one is a number": lambda texts: [3.5, *texts],
    "one is a list": lambda texts: [*texts, ["cat"]],
    "one text": lambda texts: texts[0],
    "no text": lambda texts: texts[:0],
    "None": lambda texts: None,
    "a number": lambda texts: 3,
    "lone surrogates": lambda texts: [*texts, "cat \ud800 dog"],
    "zeros": lambda texts: [*texts, "cat\0dog\0"],
}


@pytest.mark.parametrize("form", FORMS)
def test_documents_in_every_form(documents, form):
    """As the source takes them: its labels, or an error where it has one."""
    source, model = documents
    for method in ("predict", "predict_proba"):
        expected = outcome(getattr(source, method), FORMS[form](TEXTS))
        found = outcome(getattr(model, method), FORMS[form](TEXTS))
        if method == "predict" or isinstance(expected, str):
            assert found == expected
        else:
            np.testing.assert_allclose(found, expected, atol=2e-2)


@pytest.mark.parametrize("lie", LIES)
def test_documents_that_lie(documents, lie):
    source, model = documents
    for method in ("predict", "predict_proba", "predict_certified"):
        with pytest.raises(FAULTS):
            getattr(model, method)(LIES[lie]())
    np.testing.assert_array_equal(model.predict(TEXTS), source.predict(TEXTS))


def test_documents_that_act_when_they_are_read(documents):
    """A str of one's own that empties the list, or fails, when it is lowered, encoded, hashed or iterated."""
    source, model = documents

    def fail(*args):
        raise ZeroDivisionError("not today")

    def acting(act):
        names = (
            "lower",
            "encode",
            "__hash__",
            "__iter__",
            "__len__",
            "__getitem__",
            "__str__",
            "translate",
            "casefold",
            "isascii",
        )
        return type("Acting", (str,), dict.fromkeys(names, act))("cat dog ÄHRE")

    for n in (1, len(TEXTS)):
        texts = list(TEXTS[:n])

        def clear(*args, texts=texts):
            texts.clear()
            return "cat"

        for act in (fail, clear):
            texts[:] = TEXTS[:n]
            texts[n // 2] = acting(act)
            for method in ("predict", "predict_proba", "predict_certified"):
                try:
                    getattr(model, method)(texts)
                except FAULTS:
                    continue
    np.testing.assert_array_equal(model.predict(TEXTS), source.predict(TEXTS))


def test_documents_that_change_during_the_call(documents):
    source, model = documents
    texts = TEXTS * 40

    def change():
        texts.append("a new one " * 50)
        texts[7] = "x" * 100
        del texts[-1]
        texts[9] = None
        texts[9] = "cat"
        texts.sort(key=len)

    beside(change, lambda: model.predict(texts), 60)
    beside(change, lambda: model.predict_certified(texts), 30)
    np.testing.assert_array_equal(model.predict(TEXTS), source.predict(TEXTS))
