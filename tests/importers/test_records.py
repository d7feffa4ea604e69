"""Vectorizers of records: scikit-learn's matrices, whatever kind of record, and its exceptions."""

from __future__ import annotations

import warnings
from collections import ChainMap, OrderedDict
from decimal import Decimal
from fractions import Fraction

import numpy as np
import pytest
from sklearn.compose import ColumnTransformer
from sklearn.ensemble import RandomForestClassifier
from sklearn.feature_extraction import DictVectorizer, FeatureHasher
from sklearn.linear_model import LogisticRegression
from sklearn.naive_bayes import MultinomialNB
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import LabelBinarizer, LabelEncoder, MaxAbsScaler, MultiLabelBinarizer

import quantcore as qc
from quantcore import UnsupportedModelError
from quantcore.importers import convert
from quantcore.plan import Csr
from quantcore.reference import run

RANDOM = np.random.default_rng(29)
TOWNS, TAGS = ["Rome", "Oslo", "Zürich", "naïve=1", "\ud800", ""], ["a", "b", "c=d", "é", "🐈"]


def record(random):
    found = {"town": str(random.choice(TOWNS[:5])), "size": float(random.normal()), "count": int(random.integers(0, 5))}
    if random.random() < 0.5:
        found["tags"] = [str(t) for t in random.choice(TAGS, random.integers(0, 4))]
    if random.random() < 0.3:
        found[f"rare {random.integers(9)}"] = bool(random.random() < 0.5)
    return found


KNOWN = [record(RANDOM) for _ in range(150)]
Y = np.array([r["count"] > 1 for r in KNOWN])
ODD = [
    {},
    {"unknown": 1.0, "town": "nowhere", "size": 0},
    {"town": ("Rome", "Oslo", "Rome"), "tags": {"a"}, "count": np.float32(0.1)},
    OrderedDict(size=Decimal("0.1"), count=Fraction(1, 3)),
    ChainMap({"size": 1}, {"town": "Oslo"}),
    {"size": -0.0, "count": 2**60 + 1, "town": 7, "town=Rome": 5},
    {"count": True, "size": 5e-324, 3: 4.0, ("a", 1): 2},
]
NEW = [record(RANDOM) for _ in range(200)] + ODD


@pytest.fixture(autouse=True)
def quiet():
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


def outcome(function, *arguments):
    try:
        return None, function(*arguments)
    except Exception as error:
        return type(error), None


def assert_same(found, expected):
    if isinstance(expected, np.ndarray):
        assert found.dtype == expected.dtype
        np.testing.assert_array_equal(found, expected)
        return
    expected = expected.tocsr(copy=True)
    expected.sum_duplicates()
    assert isinstance(found, Csr) and found.shape == expected.shape and found.data.dtype == expected.data.dtype
    for mine, others in ((found.indptr, expected.indptr), (found.indices, expected.indices), (found.data, expected.data)):
        np.testing.assert_array_equal(mine, others)


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize("sparse", [True, False])
@pytest.mark.parametrize("separator", ["=", "", " is "])
@pytest.mark.parametrize("sort", [True, False])
def test_named_features(sort, separator, sparse, dtype):
    model = DictVectorizer(sort=sort, separator=separator, sparse=sparse, dtype=dtype).fit(KNOWN)
    plan = convert(model)
    assert plan.input == "records" and plan.n_features_in is None
    assert_same(run(plan, NEW, "transform"), model.transform(NEW))
    assert_same(run(plan, (r for r in NEW), "transform"), model.transform(NEW))
    assert_same(run(plan, KNOWN[0], "transform"), model.transform(KNOWN[0]))
    kept = DictVectorizer(sort=sort).fit(KNOWN)
    kept.restrict(np.arange(len(kept.feature_names_)) % 2 == 0)
    assert_same(run(convert(kept), NEW, "transform"), kept.transform(NEW))


BAD = {
    "none": [],
    "one string": "abc",
    "strings": ["abc", "de"],
    "numbers": [1, 2],
    "a number": 3,
    "None": None,
    "None within": [{"size": None}],
    "a mapping within": [{"size": {"a": 1}}],
    "numbers within a list": [{"tags": [1]}],
    "mappings within a list": [{"tags": [{"a": 1}]}],
    "an object": [{"size": object()}],
    "bytes": [{"size": b"ab"}],
    "a complex number": [{"size": 1j}],
    "one mapping": {"size": 1.0},
    "an empty mapping": {},
    "an array": np.ones((2, 2)),
    "pairs": [[("size", 1), ("town", "Rome")]],
    "triples": [[("size", 1, 2)]],
    "lists": [["size", "town"]],
    "number names": [{1: 2.0}],
    "a lone surrogate": [{"\ud800": 1.0}],
    "a list of numbers": [{"size": [1.0]}],
    "a number as a string": [{"size": "1.0"}],
    "NaN": [{"size": float("nan")}],
}


@pytest.mark.parametrize("bad", BAD)
@pytest.mark.parametrize(
    "model",
    [
        DictVectorizer().fit(KNOWN),
        DictVectorizer(sparse=False, dtype=np.float32).fit(KNOWN),
        *(FeatureHasher(16, input_type=kind) for kind in ("dict", "pair", "string")),
    ],
    ids=lambda m: f"{type(m).__name__} {getattr(m, 'input_type', m.get_params().get('sparse'))}",
)
def test_records_are_taken_or_refused_alike(model, bad):
    expected, found = outcome(model.transform, BAD[bad]), outcome(run, convert(model), BAD[bad], "transform")
    assert found[0] is (ValueError if expected[0] is StopIteration else expected[0])
    if found[0] is None:
        assert_same(found[1], expected[1])


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize("alternate", [True, False])
@pytest.mark.parametrize("n_features", [1, 7, 64, 2**20, 2**31 - 1])
def test_hashed_features(n_features, alternate, dtype):
    simple = [{k: v for k, v in r.items() if not isinstance(v, list | tuple | set) and isinstance(k, str)} for r in NEW]
    simple = [{k: v for k, v in r.items() if "\ud800" not in str(v)} for r in simple]
    forms = {
        "dict": simple,
        "pair": [list(r.items()) + [(b"bytes", 2.5)] for r in simple],
        "string": [[*map(str, r)] * 2 + ["é", ""] for r in simple],
    }
    for kind, records in forms.items():
        model = FeatureHasher(n_features, input_type=kind, alternate_sign=alternate, dtype=dtype)
        expected, found = model.transform(records), run(convert(model), records, "transform")
        if n_features > 7:
            assert_same(found, expected)
        else:  # SciPy may sum in another order
            assert found.shape == expected.shape and found.data.dtype == expected.dtype
            size = abs(expected).max() + 1e18
            np.testing.assert_allclose(found.toarray(), expected.toarray(), rtol=1e-6, atol=size * np.finfo(dtype).eps)
        if n_features > 7:
            lazy = iter([r if kind == "dict" else iter(r) for r in records[:9]])
            assert_same(run(convert(model), lazy, "transform"), model.transform(records[:9]))


MODELS = {
    "logistic": lambda: make_pipeline(DictVectorizer(), LogisticRegression(max_iter=200)),
    "dense": lambda: make_pipeline(DictVectorizer(sparse=False), LogisticRegression(max_iter=200)),
    "scaled": lambda: make_pipeline(DictVectorizer(), MaxAbsScaler(), LogisticRegression(max_iter=200)),
    "forest": lambda: make_pipeline(DictVectorizer(), RandomForestClassifier(9, random_state=0)),
    "hashed": lambda: make_pipeline(FeatureHasher(32), LogisticRegression(max_iter=200)),
    "hashed, without signs": lambda: make_pipeline(FeatureHasher(2**12, alternate_sign=False), LogisticRegression(max_iter=200)),
    "hashed, forest": lambda: make_pipeline(FeatureHasher(5), RandomForestClassifier(9, random_state=0)),
}
PLAIN = [{k: v for k, v in r.items() if k != "tags"} for r in KNOWN]
LATER = [{k: v for k, v in record(RANDOM).items() if k != "tags"} for _ in range(400)]
for found_ in (PLAIN, LATER):
    for record_ in found_:
        record_["town"] = record_["town"].replace("\ud800", "?")


@pytest.mark.parametrize("guarantee", ["certified", "exact", "measured"])
@pytest.mark.parametrize("calibrated", [True, False])
@pytest.mark.parametrize("name", MODELS)
def test_models_over_records(name, calibrated, guarantee, tmp_path):
    model = MODELS[name]().fit(PLAIN, Y)
    found = qc.quantize(model, PLAIN if calibrated else None, guarantee=guarantee)
    expected = model.predict(LATER)
    if guarantee != "measured":
        labels, sure = found.predict_certified(LATER)
        np.testing.assert_array_equal(labels[sure], expected[sure])
        assert sure.mean() > 0.97
    assert (found.predict(LATER) == expected).mean() > 0.99
    np.testing.assert_allclose(found.predict_proba(LATER), model.predict_proba(LATER), atol=1e-2)
    qc.save(found, tmp_path / "records.qc")
    loaded = qc.load(tmp_path / "records.qc")
    np.testing.assert_array_equal(loaded.predict_proba(r for r in LATER), found.predict_proba(LATER))
    np.testing.assert_array_equal(qc.predict(loaded, LATER, threads=2), found.predict(LATER))


def test_multinomial_bayes_over_hashes():
    model = make_pipeline(FeatureHasher(64, alternate_sign=False), MultinomialNB())
    counts = [{k: abs(v) if isinstance(v, float) else v for k, v in r.items()} for r in PLAIN]
    found = qc.quantize(model.fit(counts, Y), counts)
    np.testing.assert_array_equal(found.predict(counts), model.predict(counts))


def test_sums_of_many_are_bounded():
    """Half a row's features in one column: certified labels hold in whatever order they are summed."""
    model = make_pipeline(FeatureHasher(2, alternate_sign=False), LogisticRegression())
    records = [{f"f{i}": float(v) for i, v in enumerate(RANDOM.normal(size=40))} for _ in range(300)]
    y = np.array([sum(r.values()) > 0 for r in records])
    model.fit(records, y)
    labels, sure = qc.quantize(model, records).predict_certified(records)
    np.testing.assert_array_equal(labels[sure], model.predict(records)[sure])
    assert sure.mean() > 0.99


def test_records_in_a_column_of_a_table():
    pandas = pytest.importorskip("pandas", reason="a data frame holds them")
    frame = pandas.DataFrame({"record": PLAIN, "size": [r["size"] for r in PLAIN]})
    columns = ColumnTransformer([("named", DictVectorizer(), "record"), ("size", MaxAbsScaler(), ["size"])])
    model = make_pipeline(columns, LogisticRegression()).fit(frame, Y)
    np.testing.assert_array_equal(qc.quantize(model).predict(frame), model.predict(frame))


def test_what_can_not_be_stored():
    with pytest.raises(UnsupportedModelError, match="strings"):
        convert(DictVectorizer().fit([{1: 2.0}]))
    with pytest.raises(UnsupportedModelError, match="numpy.float64"):
        convert(DictVectorizer(dtype=np.int64).fit(KNOWN))
    with pytest.raises(UnsupportedModelError, match="first step"):
        convert(make_pipeline(DictVectorizer(), FeatureHasher()).fit(KNOWN))
    for encoder in (LabelEncoder(), LabelBinarizer(), MultiLabelBinarizer()):
        labels = [["a"], ["b", "c"]] if isinstance(encoder, MultiLabelBinarizer) else ["a", "b", "c"]
        with pytest.raises(UnsupportedModelError, match="OrdinalEncoder") as caught:
            convert(encoder.fit(labels))
        assert caught.value.obstacles[0].estimator == type(encoder).__name__
