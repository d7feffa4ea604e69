"""Pickles: nothing runs unless it is trusted, and the versions in them are read before they are lost."""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import pickle
import pickletools
import warnings
import zlib
from pathlib import Path

import joblib
import numpy as np
import pytest
import sklearn
from sklearn.datasets import make_classification
from sklearn.ensemble import RandomForestClassifier
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

import quantcore as qc
from quantcore.importers.pickle_stream import is_pickle, sklearn_versions

OLD = "1.3.2"
X, Y = make_classification(60, 5, random_state=0)
HERE = sklearn.__version__


@pytest.fixture
def old(monkeypatch):
    """A context in which estimators are pickled by an older scikit-learn, as their states tell it."""

    def dumped(dump):
        with monkeypatch.context() as patched:
            patched.setattr("sklearn.base.__version__", OLD)
            dump()

    return dumped


def pipeline():
    """Steps whose states hold arrays of numbers, of records (trees) and of objects (classes), and one version each."""
    labels = np.array(["no", "yes"], object)[Y]
    return make_pipeline(StandardScaler(), RandomForestClassifier(3, random_state=0)).fit(X, labels)


@pytest.mark.parametrize("compress", [0, 3, ("zlib", 9), ("gzip", 3), ("bz2", 3), ("xz", 3), ("lzma", 3)])
def test_joblib(tmp_path, old, compress):
    path = tmp_path / "model.joblib"
    joblib.dump(pipeline(), path, compress=compress)
    assert is_pickle(path)
    assert sklearn_versions(path) == (HERE,)
    old(lambda: joblib.dump(pipeline(), path, compress=compress))
    assert sklearn_versions(path) == (OLD,)


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
def test_pickle(tmp_path, old, protocol):
    path = tmp_path / "model.pkl"
    old(lambda: path.write_bytes(pickle.dumps(pipeline(), protocol)))
    assert is_pickle(path) == (protocol >= 2)
    assert sklearn_versions(path) == (OLD,)


@pytest.mark.parametrize("compressed", [zlib.compress, gzip.compress, bz2.compress, lzma.compress])
def test_compressed_pickle(tmp_path, old, compressed):
    path = tmp_path / "model.pkl.z"
    old(lambda: path.write_bytes(compressed(pickle.dumps(pipeline()))))
    assert is_pickle(path)
    assert sklearn_versions(path) == (OLD,)


def test_arrays_between_opcodes(tmp_path, old):
    """A version behind arrays of every kind is found, so each was skipped to the byte."""
    arrays = [
        np.arange(10.0).reshape(2, 5),
        np.asfortranarray(np.ones((3, 4), np.float32)),
        np.array(["a", "longer"]),
        np.array(7, np.int8),
        np.zeros((0, 3)),
        np.zeros(3, [("a", "<f8"), ("b", "u1")]),
        np.zeros(2, [("a", "O")]),
        np.array([{"x": np.arange(3)}, None, "."], object),
        np.arange(3, dtype=">i4"),
        np.array([True, False]),
        np.datetime64("2026-01-01") + np.arange(3),
    ]
    path = tmp_path / "a.joblib"
    for compress in (0, 3):
        old(lambda compress=compress: joblib.dump([*arrays, LogisticRegression().fit(X, Y)], path, compress=compress))
        assert sklearn_versions(path) == (OLD,)


def test_a_version_that_is_a_reference(tmp_path):
    """The string was pickled before, in the user's own dict: the state only refers to it."""
    path = tmp_path / "a.pkl"
    data = pickle.dumps({"made with": sklearn.__version__, "key": "_sklearn_version", "model": LogisticRegression().fit(X, Y)})
    assert data.count(HERE.encode()) == 1
    path.write_bytes(data)
    assert sklearn_versions(path) == (HERE,)


def test_a_state_that_is_on_the_stack_twice(tmp_path):
    """No pickler writes DUP, which its reader knows all the same."""
    path = tmp_path / "dup.pkl"
    state = b"}(X\x10\x00\x00\x00_sklearn_versionX\x05\x00\x00\x001.2.3u20"
    path.write_bytes(b"\x80\x02cuser\nModel\n)\x81" + state + b"b.")
    assert sklearn_versions(path) == ("1.2.3",)
    found = Unpickling(io.BytesIO(path.read_bytes())).load()
    assert vars(found) == {"_sklearn_version": "1.2.3"}


class Unpickling(pickle.Unpickler):
    def find_class(self, module, name):
        return type(name, (), {})


def test_a_pickle_in_lz4_is_known_as_one(tmp_path):
    """Whether or not what inflates it is there."""
    path = tmp_path / "model.joblib.lz4"
    path.write_bytes(b"\x04\x22\x4d\x18" + bytes(40))
    assert is_pickle(path) and sklearn_versions(path) == ()
    with pytest.raises(qc.UnsupportedModelError, match="trust_pickle=True"):
        qc.quantize(path)


def test_several_versions(tmp_path, old):
    parts = []
    old(lambda: parts.append(pickle.dumps(StandardScaler().fit(X))))
    parts.append(pickle.dumps(LogisticRegression().fit(X, Y)))
    # One tuple of both: the streams without their frames and ends.
    bodies = [b"".join(op_bytes(part)) for part in parts]
    path = tmp_path / "two.pkl"
    path.write_bytes(b"\x80\x04" + bodies[0] + b"0" + bodies[1] + b".")
    assert sklearn_versions(path) == tuple(sorted({OLD, HERE}))


def op_bytes(data):
    """The opcodes of a pickle of protocol 4, without PROTO, FRAME and STOP. References would have to be renumbered."""
    ops = [(op.name, position) for op, _, position in pickletools.genops(data)]
    ends = [position for _, position in ops[1:]] + [len(data)]
    for (name, start), end in zip(ops, ends, strict=True):
        if name not in ("PROTO", "FRAME", "STOP"):
            yield data[start:end]


def test_other_objects_have_no_version(tmp_path):
    path = tmp_path / "a.pkl"
    for thing in ({"_sklearn_version": "1.0"}, "_sklearn_version", ["_sklearn_version", "1.0"], np.arange(4), None):
        path.write_bytes(pickle.dumps(thing))
        assert sklearn_versions(path) == ()


class Tripwire:
    """Writes a file when it is unpickled."""

    def __init__(self, path, version=None):
        self.path, self.version = path, version

    def __reduce__(self):
        rest = (None, {"_sklearn_version": self.version}) if self.version else ()
        return (Path.touch, (self.path,), *rest[1:])


@pytest.mark.parametrize("dump", [joblib.dump, lambda thing, path: path.write_bytes(zlib.compress(pickle.dumps(thing)))])
def test_nothing_runs_before_the_check(tmp_path, dump):
    sprung, path = tmp_path / "sprung", tmp_path / "evil.joblib"
    dump(Tripwire(sprung, OLD), path)
    assert is_pickle(path) and sklearn_versions(path) == (OLD,)
    with pytest.raises(qc.UnsupportedModelError, match="trust_pickle=True"):
        qc.quantize(path)
    with pytest.raises(qc.UnsupportedModelError, match=OLD):
        qc.quantize(path, trust_pickle=True)
    assert not sprung.exists()


def test_damaged_streams_end_the_reading(tmp_path, old):
    """Truncated anywhere, and with bytes changed: whatever is found is a version or nothing, and nothing else is raised."""
    path = tmp_path / "model.joblib"
    random = np.random.default_rng(0)
    for compress in (0, 3):
        old(
            lambda compress=compress: joblib.dump(make_pipeline(StandardScaler(), LogisticRegression()).fit(X, Y), path, compress)
        )
        whole = path.read_bytes()
        for cut in range(0, len(whole), 7):
            path.write_bytes(whole[:cut])
            is_pickle(path)
            assert sklearn_versions(path) in ((), (OLD,))
        for _ in range(300):
            damaged = bytearray(whole)
            for place in random.integers(0, len(whole), 3):
                damaged[place] = random.integers(0, 256)
            path.write_bytes(damaged)
            assert all(isinstance(version, str) for version in sklearn_versions(path))


def test_huge_declared_lengths(tmp_path):
    path = tmp_path / "a.pkl"
    for opcode in (
        b"\x8e" + b"\xff" * 7 + b"\x7f",
        b"\x8d" + b"\xff" * 6 + b"\0\0",
        b"B\xff\xff\xff\xff",
        b"r\xff\xff\xff\xff",
        b"0",
        b"R",
    ):
        path.write_bytes(b"\x80\x04" + opcode)
        assert sklearn_versions(path) == ()


def test_quantize(tmp_path, old):
    path, model = tmp_path / "model.joblib", pipeline()
    joblib.dump(model, path, compress=3)
    converted = qc.quantize(path, trust_pickle=True)
    assert (converted.predict(X) == model.predict(X)).all()
    assert converted.provenance["pickled_with"] == {"scikit-learn": HERE}
    assert converted.provenance["estimator"] == "Pipeline"

    old(lambda: joblib.dump(model, path))
    with pytest.raises(qc.UnsupportedModelError) as caught:
        qc.quantize(str(path), trust_pickle=True)
    text = str(caught.value)
    assert OLD in text and HERE in text and "allow_version_mismatch=True" in text and "model.joblib" in text
    assert str(tmp_path) not in text
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        converted = qc.quantize(path, trust_pickle=True, allow_version_mismatch=True)
    assert (converted.predict(X) == model.predict(X)).all()
    assert converted.provenance["pickled_with"] == {"scikit-learn": OLD}


def test_a_version_that_the_stream_hides(tmp_path, old, monkeypatch):
    path = tmp_path / "model.pkl"
    old(lambda: path.write_bytes(pickle.dumps(LogisticRegression().fit(X, Y))))
    monkeypatch.setattr("quantcore.importers.pickles.sklearn_versions", lambda path: ())
    with pytest.raises(qc.UnsupportedModelError, match=OLD):
        qc.quantize(path, trust_pickle=True)


def test_text_pipeline(tmp_path):
    documents = ["red cat", "blue dog", "red dog", "blue cat"] * 5
    model = make_pipeline(TfidfVectorizer(), LogisticRegression()).fit(documents, [0, 1, 0, 1] * 5)
    path = tmp_path / "text.pkl"
    path.write_bytes(pickle.dumps(model))
    converted = qc.quantize(path, calibration=documents, trust_pickle=True)
    assert (converted.predict(documents) == model.predict(documents)).all()
    assert converted.report()["agreement"] == 1.0


def test_model_files_of_other_libraries_are_no_pickles(tmp_path):
    xgboost = pytest.importorskip("xgboost")
    model = xgboost.XGBClassifier(n_estimators=3).fit(X, Y)
    for name in ("model.ubj", "model.json"):
        model.save_model(tmp_path / name)
        assert not is_pickle(tmp_path / name)
        assert (qc.quantize(tmp_path / name, trust_pickle=True).digest) == qc.quantize(tmp_path / name).digest
    joblib.dump(model, tmp_path / "model.joblib")
    converted = qc.quantize(tmp_path / "model.joblib", trust_pickle=True)
    assert (converted.predict(X) == model.predict(X)).all()
    assert "pickled_with" not in converted.provenance
