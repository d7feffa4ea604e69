"""CSR rows → labels end to end: scikit-learn's labels, and the user's for rows that no plane settled."""

import numpy as np
import pytest
import scipy.sparse as sp
from sklearn.feature_extraction.text import HashingVectorizer
from sklearn.linear_model import LogisticRegression, SGDClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import MaxAbsScaler, OneHotEncoder, StandardScaler
from sklearn.svm import LinearSVC

import quantcore as qc
from quantcore.native import registry
from quantcore.runtime import csr


def test_equal_rows_are_stored_once():
    rng = np.random.default_rng(0)
    rows = rng.integers(-3, 4, (500, 2)).astype(np.int32)
    kept, place, first = csr._distinct(rows)
    np.testing.assert_array_equal(kept[place], rows)
    np.testing.assert_array_equal(kept, np.unique(rows, axis=0)[np.argsort(np.unique(rows, axis=0, return_index=True)[1])])
    np.testing.assert_array_equal(rows[first], kept)


WORDS = "card freeze lost stolen pay refund money account open close limit fee travel abroad pin code reset".split()


@pytest.fixture(scope="module")
def texts():
    random = np.random.default_rng(4)
    topics = random.integers(0, 4, 900)
    documents = [" ".join(random.choice(WORDS[t * 4 : t * 4 + 7], 6)) + f" n{random.integers(300)}" for t in topics]
    return documents, np.array(["red", "green", "blue", "grey"])[topics]


SOURCES = {
    "logistic": LogisticRegression(),
    "binary": LogisticRegression(),
    "float32": LogisticRegression(solver="saga", max_iter=20),
    "maxabs": make_pipeline(MaxAbsScaler(), LogisticRegression()),
    "standard": make_pipeline(StandardScaler(with_mean=False), LinearSVC()),
    "hinge": SGDClassifier(random_state=0),
}


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
@pytest.mark.parametrize("guarantee", ["certified", "exact"])
@pytest.mark.parametrize("name", SOURCES)
def test_hashed_texts_as_scikit_learn(texts, name, guarantee):
    documents, labels = texts
    X = HashingVectorizer(n_features=1 << 12).transform(documents)
    if name == "float32":
        X = X.astype(np.float32)
    y = labels == "red" if name == "binary" else labels
    source = SOURCES[name].fit(X[:500], y[:500])
    model = qc.quantize(source, calibration=X[:500], guarantee=guarantee)
    expected = source.predict(X)
    found, sure = model.predict_certified(X)
    assert sure.mean() > 0.99
    np.testing.assert_array_equal(found[sure], expected[sure])
    for given in (X, sp.csr_array(X)):
        np.testing.assert_array_equal(model.predict(given), found)
    if guarantee == "exact":
        np.testing.assert_array_equal(found, expected)
    if registry.door("sparse") is not None:
        assert model._executor.labels_of_csr.stats()[0] == 3 * len(documents)
        np.testing.assert_array_equal(model._executor.__class__(model._executor.plan, native=False).run("predict", X), found)


def test_one_hot_tables_as_scikit_learn():
    rng = np.random.default_rng(2)
    table = rng.integers(0, 12, (2000, 8))
    y = (table[:, 0] + table[:, 1] * table[:, 2]) % 5
    encoder = OneHotEncoder(handle_unknown="ignore").fit(table[:1500])
    X = encoder.transform(table)
    for dtype in (np.float64, np.float32):
        rows = X.astype(dtype)
        source = LogisticRegression(max_iter=50).fit(rows[:1500], y[:1500])
        model = qc.quantize(source, calibration=rows[:1500])
        found, sure = model.predict_certified(rows)
        np.testing.assert_array_equal(found[sure], source.predict(rows)[sure])
        assert sure.mean() > 0.98


def test_uncertain_rows_are_settled_by_whom_the_user_names(texts):
    documents, labels = texts
    hashing = HashingVectorizer(n_features=1 << 12)
    source = SGDClassifier(random_state=0).fit(hashing.transform(documents), labels)
    model = qc.quantize(source, guarantee="measured", precision="int4", calibration=hashing.transform(documents))
    random = np.random.default_rng(9)
    X = hashing.transform([" ".join(random.choice(WORDS, 12)) for _ in range(3000)])
    open_rows = np.flatnonzero(~model.predict_certified(X)[1])
    assert len(open_rows)
    asked = []

    def ask(rows):
        asked.append(rows.shape)
        return source.predict(sp.csr_matrix((rows.data, rows.indices, rows.indptr), shape=rows.shape))

    helped = qc.Model(model.data, on_uncertain=ask)
    np.testing.assert_array_equal(helped.predict(X), source.predict(X))
    assert asked == [(len(open_rows), X.shape[1])]
    with pytest.raises(qc.UncertainError) as caught:
        qc.Model(model.data, on_uncertain="raise").predict(X)
    np.testing.assert_array_equal(caught.value.rows, open_rows)
