"""The public face: what a Model takes and refuses, how it is copied, shared, saved, reloaded and served."""

from __future__ import annotations

import copy
import json
import os
import pickle
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import scipy.sparse as sp
from sklearn.feature_extraction.text import CountVectorizer, HashingVectorizer, TfidfVectorizer
from sklearn.linear_model import LogisticRegression, Ridge, SGDClassifier
from sklearn.pipeline import FeatureUnion, make_pipeline

import quantcore as qc
from quantcore import _api
from quantcore.artifact import decode
from quantcore.runtime import Executor, settle_cold

WORDS = "the cat dog sat on a mat red blue fast slow naïve café free call now kot КОТ 日本 x9".split()
random = np.random.default_rng(3)
TEXTS = [" ".join(random.choice(WORDS, random.integers(1, 9))) for _ in range(200)]
Y = np.array(["ham", "spam", "egg"])[[sum(map(len, text.split())) % 3 for text in TEXTS]]


def pipeline(kind="words", y=Y):
    vectorizer = {
        "words": TfidfVectorizer(ngram_range=(1, 2)),
        "characters": TfidfVectorizer(analyzer="char_wb", ngram_range=(2, 3)),
        "hashed": HashingVectorizer(n_features=256),
        "re": TfidfVectorizer(token_pattern=r"[a-z]+|\d"),
        "union": FeatureUnion([("a", TfidfVectorizer()), ("b", CountVectorizer(analyzer="char"))]),
        "stripped": TfidfVectorizer(strip_accents="unicode"),
    }[kind]
    return make_pipeline(vectorizer, LogisticRegression(max_iter=50)).fit(TEXTS, y)


@pytest.fixture(scope="module")
def source():
    return pipeline()


@pytest.fixture(scope="module")
def model(source):
    return qc.quantize(source, TEXTS)


@pytest.fixture
def path(model, tmp_path):
    qc.save(model, tmp_path / "model.qc")
    return tmp_path / "model.qc"


def tied(classes=("no", "yes"), guarantee="certified"):
    """A model that answers "cat dog" with a tie: its scores cancel exactly, in the source too."""
    found = make_pipeline(CountVectorizer(vocabulary=["cat", "dog", "mat"]), SGDClassifier())
    found[-1].classes_ = np.array(classes)
    found[-1].coef_ = np.array([[1.25, -1.25, 0.3]])
    found[-1].intercept_ = np.array([0.0])
    found[-1].n_features_in_, found[-1].loss_function_ = 3, None
    return found, qc.quantize(found, guarantee=guarantee)


# ------------------------------------------------------------------- input

BAD = {
    "None": None,
    "a string": "one text",
    "an integer": 3,
    "a list of None": ["a", None],
    "a list of integers": [1, 2],
    "NaN": ["a", np.nan],
    "a float": ["a", 1.5],
    "a list of lists": [["a"], ["b"]],
    "bytes that are no UTF-8": [b"\xff"],
    "nothing": [],
    "an empty tuple": (),
    "an empty array": np.array([], object),
    "bytes": b"one text",
    "integers": np.arange(3),
}
ODD = {
    "a tuple": tuple(TEXTS[:9]),
    "an object array": np.array(TEXTS[:9], object),
    "a string array": np.array(TEXTS[:9]),
    "a list of numpy strings": list(np.array(TEXTS[:9])),
    "bytes": [text.encode() for text in TEXTS[:9]],
    "bytes and strings": [TEXTS[0].encode(), TEXTS[1]],
    "a dict": dict.fromkeys(TEXTS[:9]),
    "empty strings": ["", " ", "\0"],
    "one": ["the cat"],
    "lone surrogates": ["\ud800 cat", "dog\udfff"],
    "a long one": ["the cat " * 40_000],
}


@pytest.mark.parametrize("featurizer", ["words", "characters", "hashed", "re", "union", "stripped"])
def test_bad_and_odd_input(featurizer):
    source = pipeline(featurizer)
    model = qc.quantize(source)
    for name, X in BAD.items():
        with pytest.raises(Exception) as expected:
            source.predict(X)
        # Hashing nothing ends in a bare StopIteration, which would end the caller's loop in silence.
        kind = ValueError if expected.type is StopIteration else expected.type
        for call in (model.predict, model.predict_certified, model.predict_proba):
            with pytest.raises(kind) as raised:
                call(X)
            assert raised.type is kind, f"{name}: {raised.value!r} instead of {expected.value!r}"
    for name, X in ODD.items():
        expected = source.predict(X)
        np.testing.assert_array_equal(model.predict(X), expected, err_msg=name)
        np.testing.assert_array_equal(model.predict_certified(X).labels, expected, err_msg=name)
        np.testing.assert_allclose(model.predict_proba(X), source.predict_proba(X), atol=1e-2, err_msg=name)
    for call in (model.predict, lambda rows: model.predict_certified(rows).labels):
        np.testing.assert_array_equal(call(text for text in TEXTS), source.predict(TEXTS))


def test_strings_that_are_subclasses(source, model):
    class Text(str):
        pass

    documents = [Text(text) for text in TEXTS[:9]]
    np.testing.assert_array_equal(model.predict(documents), source.predict(documents))


def test_series_and_arrow(source, model):
    pandas = pytest.importorskip("pandas")
    series = pandas.Series(TEXTS[:50], index=np.arange(50)[::-1])
    np.testing.assert_array_equal(model.predict(series), source.predict(series))
    missing = pandas.Series([*TEXTS[:3], None])
    with pytest.raises(Exception) as expected:
        source.predict(missing)
    with pytest.raises(type(expected.value)):
        model.predict(missing)


def test_messages_say_what_arrived_and_what_to_do(model):
    with pytest.raises(ValueError, match="expected an iterable of documents, got one string; pass a list"):
        model.predict("text")
    with pytest.raises(AttributeError, match="expected documents of type str or bytes, got 'int'.*convert"):
        model.predict([1])
    with pytest.raises(ValueError, match="got nan; drop or fill"):
        model.predict([np.nan])


@pytest.mark.parametrize("how", ["filename", "file"])
@pytest.mark.parametrize("guarantee", ["exact", "certified"])
def test_documents_in_files(how, guarantee, tmp_path):
    """Also rows that no plane settles are read once, by the cold planes too."""
    source, _ = tied()
    source[0].set_params(input=how)
    model = qc.quantize(source, guarantee=guarantee)
    names = []
    for i, text in enumerate(["cat dog", "cat", "dog", "mat", "cat dog mat"]):
        names.append(tmp_path / f"{i}.txt")
        names[-1].write_text(text, encoding="utf-8")

    def rows():
        return names if how == "filename" else [open(name, "rb") for name in names]

    expected = source.predict(rows())
    np.testing.assert_array_equal(model.predict(rows()), expected)
    labels, sure = model.predict_certified(rows())
    np.testing.assert_array_equal(labels, expected)
    assert sure.tolist() == [False, True, True, True, True]


def test_matrices():
    vectorizer = TfidfVectorizer().fit(TEXTS)
    X = vectorizer.transform(TEXTS)
    source = LogisticRegression().fit(X, Y)
    for calibration in (None, X, X.tocoo(), sp.csr_array(X), X.toarray()):
        model = qc.quantize(source, calibration, guarantee="exact")
        for rows in (X, X.tocsc(), sp.csr_array(X), X.toarray(), X.toarray().tolist()):
            np.testing.assert_array_equal(model.predict(rows), source.predict(rows))
            np.testing.assert_array_equal(model.predict_certified(rows).labels, source.predict(rows))
    assert model.n_features_in_ == source.n_features_in_
    bad = X.toarray()
    bad[3, 4] = np.nan
    for rows in (None, "text", ["text"], X.toarray()[0], X[:, :5], bad, X[:0], np.zeros((2, 0)), [[None] * X.shape[1]]):
        with pytest.raises(Exception) as expected:
            source.predict(rows)
        with pytest.raises(type(expected.value)):
            model.predict(rows)


# ----------------------------------------------------------- methods, copies


def test_methods_are_the_source_s(source, model):
    for method in ("predict", "predict_proba", "predict_log_proba", "decision_function"):
        assert hasattr(model, method) and method in dir(model)
        found = qc.predict(model, TEXTS, method=method)
        assert found.shape == getattr(source, method)(TEXTS).shape
    assert not hasattr(model, "transform") and "transform" not in dir(model)
    with pytest.raises(AttributeError, match="no 'transform'; its source has decision_function, predict"):
        model.transform(TEXTS)
    with pytest.raises(AttributeError, match="no 'fit_predict'"):
        qc.predict(model, TEXTS, method="fit_predict")
    with pytest.raises(AttributeError):
        _ = model.no_such_attribute
    svm = qc.quantize(make_pipeline(TfidfVectorizer(), SGDClassifier()).fit(TEXTS, Y))
    assert not hasattr(svm, "predict_proba") and hasattr(svm, "decision_function")


@pytest.mark.parametrize("classes", [["b", "a"], [True, False], [3, -1], np.array(["x", "y"], object)], ids=str)
def test_classes(classes):
    classes = np.sort(np.asarray(classes))
    source, model = tied(classes)
    for rows in (["cat"], ["dog", "cat"], ["cat", "dog"] * 20, [""]):
        found, expected = model.predict(rows), source.predict(rows)
        assert found.dtype == expected.dtype
        np.testing.assert_array_equal(found, expected)
        assert all(type(a) is type(b) for a, b in zip(found.tolist(), expected.tolist(), strict=True))
    assert model.classes_.dtype == classes.dtype
    model.classes_[:] = classes[::-1]  # a copy
    np.testing.assert_array_equal(model.classes_, classes)


def test_answers_are_the_caller_s_own(model):
    first = model.predict(TEXTS)
    first[:] = "egg"
    assert (model.predict(TEXTS) != "egg").any()


def test_copies_and_pickles(model):
    expected = model.predict(TEXTS)
    for other in (copy.copy(model), copy.deepcopy(model), *(pickle.loads(pickle.dumps(model, p)) for p in range(6))):
        np.testing.assert_array_equal(other.predict(TEXTS), expected)
        assert other.digest == model.digest and other.data == model.data and repr(other) == repr(model)
    strict = pickle.loads(pickle.dumps(qc.Model(tied()[1].data, on_uncertain="raise")))
    with pytest.raises(qc.UncertainError):
        strict.predict(["cat dog"])


def test_attributes(model, source):
    np.testing.assert_array_equal(model.classes_, source.classes_)
    for name in ("n_features_in_", "feature_names_in_"):
        with pytest.raises(AttributeError):
            getattr(model, name)
    assert len(model.digest) == 64 and model.provenance["estimator"] == "Pipeline"
    model.provenance["estimator"] = "changed"
    assert model.provenance["estimator"] == "Pipeline"
    report = model.report()
    assert report["bytes"] == len(model.data) and report["rows"] == len(TEXTS) and report["guarantee"] == "certified"
    assert report["agreement"] == 1.0 and report["served_by"] in ("fused kernel", "op by op")


def test_the_report_bounds_scores_on_the_calibration_rows(model, source):
    error = np.abs(model.decision_function(TEXTS) - source.decision_function(TEXTS)).max()
    assert error <= model.report()["max_error"] * 1.01


def test_stats_only_grow(source):
    model = qc.quantize(source)
    seen = [model.stats()]
    for rows in (TEXTS, ["zzz"], [""], TEXTS[:20]):
        model.predict(rows)
        model.predict_certified(rows)
        seen.append(model.stats())
    assert all(a[name] <= b[name] for a, b in zip(seen, seen[1:], strict=False) for name in a)
    assert seen[-1]["rows"] - seen[0]["rows"] == 2 * (len(TEXTS) + 1 + 1 + 20)
    assert seen[2]["unknown_tokens"] - seen[1]["unknown_tokens"] == 2


# ------------------------------------------------------------------ threads


def test_threads(model, source):
    rows = TEXTS * 40
    expected = source.predict(rows)
    for threads in (1, 2, 4, 7):
        np.testing.assert_array_equal(qc.predict(model, rows, threads=threads), expected)
        found = qc.predict(model, tuple(rows), method="predict_proba", threads=threads)
        np.testing.assert_array_equal(found, model.predict_proba(rows))
    assert qc.predict(model, rows[:3], threads=4).tolist() == expected[:3].tolist()


@pytest.mark.parametrize("kind", ["words", "characters", "union"])
def test_one_model_in_many_threads(kind):
    source = pipeline(kind)
    model = qc.quantize(source)  # fresh: its tables are made while the threads run
    before = model.stats()["rows"]
    jobs = [[*TEXTS[i::7], chr(0x400 + 37 * i) * 3, "日本" + chr(0x10000 + 256 * i)] * (1 + 30 * (i % 3)) for i in range(40)]
    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(model.predict, jobs))
    for rows, answer in zip(jobs, found, strict=True):
        np.testing.assert_array_equal(answer, source.predict(rows))
    assert model.stats()["rows"] - before == sum(map(len, jobs))


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this platform has no fork")
@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
def test_fork(model, source):
    model.predict(TEXTS)
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        os.write(writing, json.dumps(model.predict(TEXTS[:20]).tolist()).encode())
        os._exit(0)
    os.close(writing)
    with os.fdopen(reading) as pipe:
        assert json.load(pipe) == source.predict(TEXTS[:20]).tolist()
    assert os.waitpid(child, 0)[1] == 0


# ---------------------------------------------------------------- uncertain


def test_uncertain_rows():
    source, model = tied()
    rows = ["cat", "cat dog", "mat", "dog cat mat cat dog"]
    labels, sure = model.predict_certified(rows)
    assert sure.tolist() == [True, False, True, True] and labels.tolist()[0] == "yes"

    strict = qc.Model(model.data, on_uncertain="raise")
    assert strict.predict(["cat", "mat"]).tolist() == ["yes", "yes"]
    with pytest.raises(qc.UncertainError, match=r"1 row\(s\) can't be certified \(rows 1\)") as error:
        strict.predict(rows)
    assert error.value.rows == (1,)
    with pytest.raises(qc.UncertainError) as error:
        qc.predict(strict, ["cat"] * 50 + ["cat dog"] + ["mat"] * 49, threads=4)
    assert error.value.rows == (50,)

    asked = []
    answering = qc.Model(model.data, on_uncertain=lambda found: asked.append(found) or ["yes"] * len(found))
    assert answering.predict(rows).tolist() == ["yes"] * 4
    assert asked == [["cat dog"]]
    assert answering.predict_certified(rows).certified.tolist() == sure.tolist()

    for answers in (["maybe"], [], ["yes", "no"]):
        with pytest.raises(ValueError, match="on_uncertain"):
            qc.Model(model.data, on_uncertain=lambda found, answers=answers: answers).predict(rows)
    with pytest.raises(ValueError, match="on_uncertain='maybe'; expected"):
        qc.Model(model.data, on_uncertain="maybe")


def test_uncertain_rows_op_by_op():
    """The same where no fused kernel serves."""
    source, _ = tied()
    union = make_pipeline(FeatureUnion([("a", source[0])]), source[-1])
    model = qc.quantize(union)
    rows = ["cat", "cat dog", "mat"]
    assert model.predict_certified(rows).certified.tolist() == [True, False, True]
    with pytest.raises(qc.UncertainError) as error:
        qc.Model(model.data, on_uncertain="raise").predict(rows)
    assert error.value.rows == (1,)
    assert qc.Model(model.data, on_uncertain=lambda found: ["yes"]).predict(rows).tolist() == ["yes"] * 3
    with pytest.raises(ValueError, match="on_uncertain"):
        qc.Model(model.data, on_uncertain=lambda found: ["a longer label"]).predict(rows)


def test_exact_models_are_never_uncertain():
    source, model = tied(guarantee="exact")
    strict = qc.Model(model.data, on_uncertain="raise")
    np.testing.assert_array_equal(strict.predict(["cat dog", "cat"]), source.predict(["cat dog", "cat"]))


# ------------------------------------------------------------------ NumPy


@pytest.mark.parametrize("kind", ["words", "characters", "hashed", "re", "union", "stripped"])
@pytest.mark.parametrize("guarantee", ["exact", "certified"])
def test_numpy_gives_the_same_labels(kind, guarantee):
    source = pipeline(kind)
    plan = decode(qc.quantize(source, guarantee=guarantee).data).plan
    rows = [*TEXTS, "", "ὈΔΥΣΣΕΎΣ", "\ud800", "日本 " * 40]
    (compiled, sure), (plain, plainly) = (
        Executor(plan, native=native, settle=settle_cold(plan)).certified(rows) for native in (True, False)
    )
    np.testing.assert_array_equal(compiled[sure & plainly], plain[sure & plainly])
    expected = source.predict(rows)
    np.testing.assert_array_equal(plain[plainly], expected[plainly])
    if guarantee == "exact":
        np.testing.assert_array_equal(plain, expected)


# ------------------------------------------------------------ files, options


def test_saved_and_loaded(model, path):
    loaded = qc.load(path)
    assert path.read_bytes() == model.data == loaded.data and loaded.digest == model.digest
    for method in ("predict", "predict_proba", "predict_log_proba", "decision_function"):
        assert getattr(loaded, method)(TEXTS).tobytes() == getattr(model, method)(TEXTS).tobytes()
    assert qc.load(str(path), max_bytes=1 << 24).digest == model.digest


def test_the_same_bytes_for_the_same_options(source, model):
    assert qc.quantize(source, TEXTS).data == model.data
    assert qc.quantize(pickle.loads(pickle.dumps(source)), list(TEXTS)).data == model.data
    assert qc.quantize(source, (text for text in TEXTS)).data == model.data


def test_paths_are_loaded_once_and_reloaded(path, source, tmp_path, monkeypatch):
    expected = source.predict(TEXTS)
    np.testing.assert_array_equal(qc.predict(path, TEXTS), expected)
    good = path.read_bytes()
    path.write_bytes(b"broken")
    np.testing.assert_array_equal(qc.predict(str(path), TEXTS), expected)  # still the one in memory
    with pytest.raises(qc.ArtifactError):
        qc.reload(path)
    np.testing.assert_array_equal(qc.predict(path, TEXTS), expected)
    other = pipeline(y=Y[::-1])
    qc.save(qc.quantize(other), path)
    np.testing.assert_array_equal(qc.predict(path, TEXTS), expected)
    qc.reload(str(path))
    monkeypatch.chdir(tmp_path)
    for name in (path, str(path), path.name):
        np.testing.assert_array_equal(qc.predict(name, TEXTS), other.predict(TEXTS))
    path.write_bytes(good)
    qc.reload(path.name)
    np.testing.assert_array_equal(qc.predict(path, TEXTS), expected)
    with pytest.raises(FileNotFoundError):
        qc.predict(tmp_path / "missing.qc", TEXTS)


def test_relative_paths_after_chdir(tmp_path, monkeypatch, source):
    other = pipeline(y=Y[::-1])
    for name, found in (("a", source), ("b", other)):
        (tmp_path / name).mkdir()
        qc.save(qc.quantize(found), tmp_path / name / "model.qc")
    for name, found in (("a", source), ("b", other), ("a", source)):
        monkeypatch.chdir(tmp_path / name)
        np.testing.assert_array_equal(qc.predict("model.qc", TEXTS), found.predict(TEXTS))
        qc.reload("model.qc")


@pytest.mark.parametrize(
    "options, message",
    [
        ({"precision": "int3"}, "precision='int3' is not known in this release; expected one of: 'auto'"),
        ({"guarantee": "sure"}, "guarantee='sure'"),
        ({"guarantee": None}, "guarantee=None"),
        ({"certify": {"top_k": 3}}, "certify="),
        ({"prune": 0.5}, "prune=0.5"),
        ({"min_agreement": 0.9}, "min_agreement=0.9 goes with guarantee='measured' alone"),
        ({"guarantee": "measured", "min_agreement": 1.5}, "min_agreement=1.5"),
        ({"max_bytes": 10}, "more than max_bytes=10"),
    ],
)
def test_unknown_options(source, options, message):
    with pytest.raises(ValueError, match=message):
        qc.quantize(source, **options)


def test_mmap(path):
    assert qc.load(path, mmap=True).digest == qc.load(path).digest


def test_progress(source):
    told = []
    qc.quantize(source, progress=lambda *step: told.append(step))
    assert [done for _, done, _ in told] == list(range(len(told)))
    assert all(type(stage) is str and total == told[-1][1] for stage, _, total in told)


# ---------------------------------------------------------------- processes

SERVE = """
import json, sys
import quantcore
model = quantcore.load(sys.argv[1])
rows = json.loads(sys.argv[2])
print(json.dumps([
    model.predict(rows).tolist(), quantcore.predict(sys.argv[1], rows).tolist(), model.predict_proba(rows).tolist(),
    model.predict_certified(rows).certified.tolist(),
    [name for name in ("sklearn", "scipy", "pandas", "joblib") if name in sys.modules],
    quantcore.show_config()["families"]["text"]["isa"], quantcore.show_config()["families"]["text"]["implementation"],
]))
"""
NO_DOORS = """
import sys
class Absent:
    def find_spec(self, name, path=None, target=None):
        if name.startswith("quantcore.native._"):
            raise ImportError("no compiled modules here")
sys.meta_path.insert(0, Absent())
"""


def serve(path, *, before="", **environment):
    from pathlib import Path

    house = str(Path(qc.__file__).resolve().parents[1])
    return subprocess.run(
        [sys.executable, "-c", before + SERVE, str(path), json.dumps(TEXTS[:60])],
        capture_output=True,
        text=True,
        env={**os.environ, "PYTHONPATH": house, **environment},
        timeout=120,
    )


def test_serving_needs_numpy_alone(path, source, model):
    labels, again, probabilities, sure, imported, *_ = json.loads(serve(path).stdout)
    assert imported == []
    assert labels == again == source.predict(TEXTS[:60]).tolist()
    assert probabilities == model.predict_proba(TEXTS[:60]).tolist()
    assert sure == model.predict_certified(TEXTS[:60]).certified.tolist()


def test_serving_imports_no_more_than_it_needs(path):
    pytest.importorskip("quantcore.native._text", exc_type=ImportError)
    program = (
        "import sys, numpy; before = set(sys.modules); import quantcore; quantcore.load(sys.argv[1]).predict(['a b']);"
        "slow = {'numpy.ma', 'logging', 'hashlib', 'secrets', 'inspect', 'concurrent.futures', 'quantcore.artifact.encoder',"
        "'quantcore.reference.planar', 'quantcore.passes', 'quantcore.importers'};"
        "print(sorted(slow & (set(sys.modules) - before)))"
    )
    house = os.path.dirname(os.path.dirname(qc.__file__))
    done = subprocess.run(
        [sys.executable, "-c", program, str(path)],
        capture_output=True,
        text=True,
        check=True,
        env={**os.environ, "PYTHONPATH": house},
    )
    assert done.stdout.strip() == "[]"


@pytest.mark.parametrize("isa", ["scalar", "avx2", "avx512", "neon", "dotprod"])
def test_isa_caps_the_kernels(path, isa, model):
    pytest.importorskip("quantcore.native._text", exc_type=ImportError)
    cpu = pytest.importorskip("quantcore.native._cpu", exc_type=ImportError)
    done = serve(path, QUANTCORE_ISA=isa)
    labels, _, probabilities, _, _, used, kind = json.loads(done.stdout)
    available = [name for name, present in cpu.isas().items() if present]
    assert kind == "compiled" and used == (isa if isa in available else available[-1])
    assert ("it changes nothing" in done.stderr) == (isa not in available)
    assert labels == model.predict(TEXTS[:60]).tolist()
    assert probabilities == model.predict_proba(TEXTS[:60]).tolist()  # the same bits


def test_unknown_isa(path):
    done = serve(path, QUANTCORE_ISA="sse9")
    assert done.returncode and "QUANTCORE_ISA='sse9' is not a known value; expected one of: scalar, avx2" in done.stderr


def test_without_compiled_modules(path, model):
    expected = model.predict(TEXTS[:60]).tolist()
    for fallback in ("", "allow", "warn"):
        done = serve(path, before=NO_DOORS, QUANTCORE_FALLBACK=fallback)
        labels, again, _, sure, imported, isa, kind = json.loads(done.stdout)
        assert labels == again == expected and imported == [] and isa is None and kind == "numpy"
        assert sure == model.predict_certified(TEXTS[:60]).certified.tolist()
        assert ("NumPy serves in their place" in done.stderr) == (fallback != "allow")
    done = serve(path, before=NO_DOORS, QUANTCORE_FALLBACK="error")
    assert done.returncode and "QUANTCORE_FALLBACK=error forbids NumPy" in done.stderr
    done = serve(path, QUANTCORE_FALLBACK="perhaps")
    assert done.returncode and "expected one of: allow, warn, error" in done.stderr


def test_the_environment_caps_threads(tmp_path, model):
    path = tmp_path / "model.qc"
    qc.save(model, path)
    program = (
        "import sys, threading, quantcore as qc; from quantcore import model as m; m = qc.load(sys.argv[1]); seen = set();"
        "real = m._executor.run; m._executor.run = lambda *a: (seen.add(threading.get_ident()), real(*a))[1];"
        "m.run('predict_proba', ['a b c'] * 400, threads=8); print(len(seen))"
    )
    done = subprocess.run(
        [sys.executable, "-c", program, str(path)],
        capture_output=True,
        text=True,
        check=True,
        env={**os.environ, "QUANTCORE_THREADS": "1"},
    )
    assert int(done.stdout) == 1
    done = subprocess.run(
        [sys.executable, "-c", program, str(path)], capture_output=True, text=True, env={**os.environ, "QUANTCORE_THREADS": "no"}
    )
    assert done.returncode and "QUANTCORE_THREADS='no'; expected a positive number" in done.stderr


def test_progress_is_printed_where_it_is_true(source, capsys):
    qc.quantize(source, progress=True)
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].startswith("quantcore: ") and lines[0].endswith(" ...") and lines[-1] == "quantcore: done"


def test_scores_of_too_few_rows_and_of_others():
    X = np.random.default_rng(0).normal(size=(30, 3))
    regressor = Ridge().fit(X, X[:, 0])
    model = qc.quantize(regressor)
    assert model.score(X, X[:, 1]) == pytest.approx(regressor.score(X, X[:, 1]))
    with pytest.warns(UserWarning, match="fewer than two rows"):
        assert np.isnan(model.score(X[:1], X[:1, 0]))  # as scikit-learn's, which warns too
    with pytest.raises(ValueError, match=r"y has shape \(2,\), but the predictions have \(30,\)"):
        model.score(X, [0.0, 1.0])


def test_methods_are_found_on_the_class():
    assert callable(qc.Model.predict) and qc.Model.transform is vars(qc.Model)["transform"]


@pytest.mark.parametrize(
    ("text", "wanted"), [("<built-in> returned NULL without setting an exception", MemoryError), ("something else", SystemError)]
)
def test_memory_that_runs_out_within_numpy_is_a_memory_error(monkeypatch, tmp_path, text, wanted):
    def fails(*arguments, **options):
        raise SystemError(text)

    monkeypatch.setattr(_api, "read", fails)
    with pytest.raises(wanted):
        qc.load(tmp_path / "m.qc")
