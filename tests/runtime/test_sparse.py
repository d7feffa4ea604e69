"""Compiled scores of CSR rows: the bits of the reference, with its bounds; pipelines over CSR end to end."""

import numpy as np
import pytest
import scipy.sparse as sp
from sklearn.calibration import CalibratedClassifierCV
from sklearn.feature_extraction.text import HashingVectorizer, TfidfVectorizer
from sklearn.linear_model import LogisticRegression, Ridge, SGDClassifier
from sklearn.multiclass import OneVsRestClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import MaxAbsScaler

import quantcore as qc
from quantcore.native import registry
from quantcore.plan import Csr, Plan
from quantcore.plan.ops import ArgMax, Linear, PlanarLinear, TfIdf
from quantcore.reference.linear import linear
from quantcore.reference.planar import planar_bound, planar_linear
from quantcore.runtime import Executor, rounding, sparse

needs_kernels = pytest.mark.skipif(registry.door("sparse") is None, reason="this checkout is pure NumPy")


def csr(n_rows, n_columns, share=0.1, dtype=np.float64, seed=0):
    found = sp.random(n_rows, n_columns, share, "csr", random_state=seed, data_rvs=np.random.default_rng(seed).standard_normal)
    return Csr(found.indptr.astype(np.int64), found.indices.astype(np.int64), found.data.astype(dtype), n_columns)


def planar(n_features, n_outputs, dtype, *, centred=False, indexed=False, seed=1, **changes):
    random = np.random.default_rng(seed)
    n_stored = n_features // 3 if indexed else n_features
    info = np.iinfo(dtype)
    given = {
        "rows": random.integers(info.min // 2, info.max // 2, (n_stored, n_outputs + centred)).astype(dtype),
        "exponent": random.integers(-30, -10, n_stored).astype(np.int16),
        "index": random.integers(0, n_stored, n_features).astype(np.uint32) if indexed else None,
        "bias": random.normal(size=n_outputs),
        "centred": centred,
        "sublinear": False,
        "idf": None,
        "norm": None,
        "error": 0.5,
        "amplitude": 1e4,
    }
    return PlanarLinear(**{**given, **changes})


def both(op, X):
    """Scores and sums of the kernel on X."""
    found = sparse.Models(True, {}).scores(0, op, X, True)
    assert found is not None
    return found


@needs_kernels
@pytest.mark.parametrize("x_dtype", [np.float64, np.float32, np.float16])
@pytest.mark.parametrize("n_outputs", [1, 3, 17, 151])
@pytest.mark.parametrize("dtype", ["int16", "int32"])
@pytest.mark.parametrize("centred, indexed", [(False, False), (True, True)])
def test_planar(dtype, centred, indexed, n_outputs, x_dtype):
    op, X = planar(400, n_outputs, dtype, centred=centred, indexed=indexed), csr(60, 400, dtype=x_dtype)
    scores, sizes = both(op, X)
    assert scores.tobytes() == planar_linear(op, X).tobytes()
    assert planar_bound(op, X, scores, sizes=sizes).tobytes() == planar_bound(op, X, scores).tobytes()
    error = np.abs(X.data) * 1e-6
    assert planar_bound(op, X, scores, error, sizes).tobytes() == planar_bound(op, X, scores, error).tobytes()


@needs_kernels
@pytest.mark.parametrize("norm", [None, "l1", "l2", "max"])
@pytest.mark.parametrize("sublinear", [False, True])
def test_planar_with_tfidf_folded_in(norm, sublinear):
    random = np.random.default_rng(2)
    op = planar(300, 5, "int32", norm=norm, sublinear=sublinear, idf=random.random(300) + 1.0)
    X = csr(40, 300)
    X = X.with_data(np.ceil(np.abs(X.data)))
    scores, sizes = both(op, X)
    assert scores.tobytes() == planar_linear(op, X).tobytes()
    assert planar_bound(op, X, scores, sizes=sizes).tobytes() == planar_bound(op, X, scores).tobytes()


@needs_kernels
@pytest.mark.parametrize("op_dtype", ["float64", "float32"])
@pytest.mark.parametrize("x_dtype", [np.float64, np.float32, np.float16])
@pytest.mark.parametrize("n_outputs", [1, 2, 33])
def test_linear(n_outputs, x_dtype, op_dtype):
    random = np.random.default_rng(3)
    weight = random.normal(size=(200, n_outputs)).astype(op_dtype).astype(np.float64)
    op = Linear(weight=weight, bias=random.normal(size=n_outputs), dtype=op_dtype)
    X = csr(50, 200, dtype=x_dtype)
    scores, sizes = both(op, X)
    expected = linear(op, X)
    assert scores.dtype == np.float64 and scores.tobytes() == expected.tobytes()
    for error in (None, np.abs(X.data).astype(np.float64) * 1e-6):
        bound = rounding.scores_error(op, X, error, scores, sizes)
        assert bound.tobytes() == rounding.scores_error(op, X, error, scores).tobytes()


def test_obstacles_are_named():
    assert sparse.obstacle(planar(9, 2, "int16")) is None
    assert sparse.obstacle(Linear(weight=np.ones((3, 2)), bias=np.zeros(2))) is None
    assert sparse.obstacle(TfIdf(sublinear=False, idf=None, norm=None)) == "TfIdf has no kernel for sparse rows"
    huge = planar(9, 2, "int16", exponent=np.full(9, 901, np.int16))
    assert sparse.obstacle(huge) == "weights beyond the range of float64"
    wide = Linear(weight=np.full((3, 2), 1e39), bias=np.zeros(2), dtype="float32")
    assert sparse.obstacle(wide) == "weights beyond the range of float32"
    assert sparse.obstacle(Linear(weight=np.ones((3, 1)), bias=np.array([np.inf]))) == "a bias that is not finite"


def test_what_the_kernel_leaves_to_the_reference():
    """Overflow, and ops with an obstacle: the same answers, or the same error."""
    overflow = Linear(weight=np.full((3, 2), 1e300), bias=np.zeros(2))
    X = Csr(np.array([0, 2]), np.array([0, 1]), np.array([1e300, 1.0]), 3)
    huge = planar(3, 2, "int16", exponent=np.full(3, 990, np.int16))
    for op, rows in ((overflow, X), (huge, X.with_data(np.array([1e5, 1.0])))):
        plan = Plan(input="matrix", n_features_in=3, ops=(op, ArgMax(inputs=(0,), classes=np.arange(2))), outputs={"predict": 1})
        native, plain = Executor(plan), Executor(plan, native=False)
        assert native.value_at(0, rows).tobytes() == plain.value_at(0, rows).tobytes()
    reasons: dict[int, str] = {}
    assert sparse.Models(True, reasons).scores(7, huge, X, True) is None
    assert reasons == ({7: "weights beyond the range of float64"} if registry.door("sparse") else reasons)
    assert sparse.Models(True, {}).scores(0, huge, np.ones((1, 3)), True) is None
    assert sparse.Models(False, {}).scores(0, overflow, X, True) is None


WORDS = "card freeze lost stolen pay refund money account open close limit fee travel abroad pin code reset".split()


@pytest.fixture(scope="module")
def texts():
    random = np.random.default_rng(4)
    topics = random.integers(0, 4, 600)
    documents = [" ".join(random.choice(WORDS[t * 4 : t * 4 + 6], 6)) + f" n{random.integers(300)}" for t in topics]
    return documents, np.array(["red", "green", "blue", "grey"])[topics]


CLASSIFIERS = {
    "logistic": LogisticRegression(),
    "float32": LogisticRegression(),
    "scaled": make_pipeline(MaxAbsScaler(), LogisticRegression()),
    "hinge": SGDClassifier(random_state=0),
    "one-vs-rest": OneVsRestClassifier(LogisticRegression()),
    "calibrated": CalibratedClassifierCV(SGDClassifier(random_state=0), cv=3),
}


@pytest.mark.parametrize("name", CLASSIFIERS)
@pytest.mark.parametrize("vectorizer", [TfidfVectorizer(), HashingVectorizer(n_features=1 << 12)], ids=["tfidf", "hashing"])
def test_csr_into_a_classifier(texts, name, vectorizer):
    """Labels are scikit-learn's; with and without kernels there is not a bit of difference, in answers or certificates."""
    documents, labels = texts
    X = vectorizer.fit_transform(documents).astype(np.float32 if name == "float32" else np.float64)
    source = CLASSIFIERS[name].fit(X[:400], labels[:400])
    model = qc.quantize(source, calibration=X[:400])
    rest = X[400:]
    found, sure = model.predict_certified(rest)
    np.testing.assert_array_equal(found[sure], source.predict(rest)[sure])
    assert sure.mean() > 0.99
    np.testing.assert_array_equal(model.predict(rest.tocsc()), found)
    plan = model._executor.plan
    native, plain = Executor(plan), Executor(plan, native=False)
    for executor in (native, plain):
        answers, certified = executor.certified(rest)
        np.testing.assert_array_equal(answers, found)
        np.testing.assert_array_equal(certified, sure)
    for of_native, of_plain in zip(native.scores(rest), plain.scores(rest), strict=True):
        assert of_native.tobytes() == of_plain.tobytes()
    for method in plan.outputs.keys() - {"predict"}:
        assert native.run(method, rest).tobytes() == plain.run(method, rest).tobytes()
    if registry.door("sparse") is not None:
        assert any(m is not None for m in native.sparse._models.values()), "no kernel served a Csr"


def test_csr_into_a_binary_classifier_and_a_regressor(texts):
    documents, labels = texts
    X = HashingVectorizer(n_features=1 << 12).transform(documents)
    binary = LogisticRegression().fit(X, labels == "red")
    model = qc.quantize(binary, calibration=X, guarantee="exact")
    np.testing.assert_array_equal(model.predict(X), binary.predict(X))
    regressor = Ridge(solver="lsqr").fit(X, (labels == "red") + 0.5)
    numbers = qc.quantize(regressor, calibration=X)
    np.testing.assert_allclose(numbers.predict(X), regressor.predict(X), atol=1e-4)
    for given in (model, numbers):
        plan = given._executor.plan
        assert Executor(plan).run("predict", X).tobytes() == Executor(plan, native=False).run("predict", X).tobytes()
