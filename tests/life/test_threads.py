"""One Model in 64 threads: what each call answers is what one thread alone is answered, and every row is counted once."""

import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from scipy.sparse import random as random_csr
from sklearn.compose import make_column_transformer
from sklearn.ensemble import GradientBoostingClassifier, RandomForestClassifier, RandomForestRegressor
from sklearn.feature_extraction.text import CountVectorizer, HashingVectorizer, TfidfVectorizer
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

import quantcore as qc

sys.path.append(str(Path(__file__).parent))
from golden_rows import GOLDEN, NAMES, answer, forms  # noqa: E402

THREADS, CALLS = 64, 4
SIZES = (1, 2, 16, 17, 300, 3000)
rng = np.random.default_rng(0)
DOCUMENTS = [" ".join(f"w{k}" for k in rng.integers(0, 200, 12)) for _ in range(120)]


def texts(vectorizer, n_classes=2):
    return make_pipeline(vectorizer, LogisticRegression()).fit(DOCUMENTS, np.arange(120) % n_classes)


def numbers(estimator, columns, n_classes=2):
    X = np.random.default_rng(1).normal(size=(300, columns))
    return estimator.fit(X, np.arange(300) % n_classes)


def sparse_rows(n, seed):
    return random_csr(n, 400, 0.05, "csr", random_state=seed)


def strange(n, seed):
    """Documents with characters whose tables are made while others read them."""
    own = np.random.default_rng(seed)
    return [
        DOCUMENTS[i % 120] + " " + chr(0x400 + 37 * seed + i % 64) * 3 + chr(0x10000 + 256 * (seed % 60))
        for i in own.integers(0, 120, n)
    ]


def dense(columns, dtype=np.float64):
    return lambda n, seed: np.random.default_rng(seed).normal(size=(n, columns)).astype(dtype)


def mixed(n, seed):
    """Rows of numbers, some missing, and strings, some unknown."""
    own = np.random.default_rng(seed)
    numbers, towns = own.normal(size=(n, 2)), own.integers(0, 30, n)
    return np.array([[a, b if b < 2 else np.nan, f"t{t}"] for (a, b), t in zip(numbers, towns, strict=True)], object)


def columns(last):
    scaled = (make_pipeline(SimpleImputer(), StandardScaler()), [0, 1])
    front = make_column_transformer(scaled, (OneHotEncoder(handle_unknown="ignore"), [2]))
    return make_pipeline(front, last).fit(np.concatenate([mixed(300, 0), mixed(1, 5)]), np.arange(301) % 3)


def table(n, seed):
    """Columns of numbers, strings and texts."""
    own = np.random.default_rng(seed)
    found = {"age": own.normal(size=n), "town": [f"t{t}" for t in own.integers(0, 30, n)], "said": strange(n, seed)}
    found["age"][::9] = np.nan
    return found


def records(n, seed):
    columns = {name: list(values) for name, values in table(n, seed).items()}
    return [dict(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True)]


def frame(n, seed):
    return pytest.importorskip("pandas", reason="data frames of pandas are tested with it").DataFrame(table(n, seed))


def objects(n, seed):
    return frame(n, seed).astype(object)


def arrow(n, seed):
    return pytest.importorskip("pyarrow", reason="tables of Arrow are tested with it").table(table(n, seed))


def by_name(last, *texts):
    """Behind columns by their names, with texts beside them or without."""
    parts = [(make_pipeline(SimpleImputer(), StandardScaler()), ["age"]), (OneHotEncoder(handle_unknown="ignore"), ["town"])]
    front = make_column_transformer(*parts, *((vectorizer, "said") for vectorizer in texts))
    return make_pipeline(front, last).fit(frame(300, 0), np.arange(300) % 3)


CASES = {
    "words": (lambda: texts(TfidfVectorizer(ngram_range=(1, 2))), strange),
    "words, many classes": (lambda: texts(TfidfVectorizer(sublinear_tf=True), 20), strange),
    "characters": (lambda: texts(CountVectorizer(analyzer="char_wb", ngram_range=(1, 3))), strange),
    "hashed": (lambda: texts(HashingVectorizer(n_features=1 << 12)), strange),
    "table": (lambda: numbers(make_pipeline(StandardScaler(), LogisticRegression()), 20), dense(20)),
    "wide table": (lambda: numbers(LogisticRegression(max_iter=5), 300, 60), dense(300, np.float32)),
    "csr": (lambda: LogisticRegression(max_iter=5).fit(sparse_rows(300, 0), np.arange(300) % 20), sparse_rows),
    "one column of csr": (lambda: LogisticRegression(max_iter=5).fit(sparse_rows(300, 0), np.arange(300) % 2), sparse_rows),
    "forest": (lambda: numbers(RandomForestClassifier(60, max_depth=6, random_state=0), 12, 3), dense(12, np.float32)),
    "boosting": (lambda: numbers(GradientBoostingClassifier(n_estimators=40, random_state=0), 12), dense(12)),
    "columns": (lambda: columns(LogisticRegression()), mixed),
    "columns and trees": (lambda: columns(RandomForestClassifier(20, max_depth=5, random_state=0)), mixed),
    "large trees": (lambda: numbers(RandomForestRegressor(70, random_state=0), 12, 300), dense(12)),
    "dicts of columns": (lambda: by_name(LogisticRegression()), table),
    "records": (lambda: by_name(LogisticRegression()), records),
    "frames": (lambda: by_name(LogisticRegression()), frame),
    "frames of objects": (lambda: by_name(LogisticRegression()), objects),
    "tables of Arrow": (lambda: by_name(LogisticRegression()), arrow),
    "frames and trees": (lambda: by_name(RandomForestClassifier(20, max_depth=5, random_state=0)), frame),
    "texts beside columns": (lambda: by_name(LogisticRegression(), TfidfVectorizer()), frame),
    "texts beside columns, in records": (lambda: by_name(LogisticRegression(), CountVectorizer()), records),
}


@pytest.mark.parametrize("case", CASES)
def test_64_threads(case):
    make, rows = CASES[case]
    data = qc.quantize(make()).data
    alone, shared = qc.Model(data), qc.Model(data)  # the shared one is fresh: what it makes late is made while all ask
    methods = [name for name in ("predict", "predict_proba", "decision_function") if hasattr(alone, name)]
    jobs = [
        [(rows(SIZES[(i + j) % len(SIZES)] if i % 8 else 1, i), methods[j % len(methods)]) for j in range(CALLS)]
        for i in range(THREADS)
    ]
    expected = [[getattr(alone, method)(X) for X, method in job] for job in jobs]
    before, start = shared.stats(), threading.Barrier(THREADS)

    def work(job):
        start.wait()
        found = []
        for X, method in job:
            found.append(getattr(shared, method)(X))
            shared.stats()
        return found

    with ThreadPoolExecutor(THREADS) as pool:
        answers = list(pool.map(work, jobs))
    for found, right in zip(answers, expected, strict=True):
        for a, b in zip(found, right, strict=True):
            assert a.dtype == b.dtype and a.shape == b.shape and a.tobytes() == b.tobytes() or a.tolist() == b.tolist()
    counted = {name: count - before[name] for name, count in shared.stats().items()}
    fresh = qc.Model(data)
    start_alone = fresh.stats()
    for job in jobs:
        for X, method in job:
            getattr(fresh, method)(X)
    assert counted == {name: count - start_alone[name] for name, count in fresh.stats().items()}


@pytest.mark.parametrize("name", NAMES)
def test_each_golden_file_in_64_threads(name):
    """All ask with the very same rows, in each form that they come in, and in other orders."""
    alone, shared = qc.load(GOLDEN / f"{name}.qc"), qc.load(GOLDEN / f"{name}.qc")
    methods = [*alone._artifact.plan.outputs, *(["predict_certified"] if hasattr(alone, "classes_") else [])]
    asked = [(method, rows) for rows in forms(name) for method in methods]
    expected = [answer(getattr(alone, method), rows) for method, rows in asked]
    start = threading.Barrier(THREADS)

    def work(i):
        start.wait()
        order = [(i + j) % len(asked) for j in range(min(len(asked), 2 * CALLS))]
        return [(k, answer(getattr(shared, asked[k][0]), asked[k][1])) for k in order]

    with ThreadPoolExecutor(THREADS) as pool:
        for found in pool.map(work, range(THREADS)):
            for k, what in found:
                assert what == expected[k], asked[k][0]


def test_the_cache_of_paths_in_threads(tmp_path):
    """qc.predict(path) beside qc.reload(path): each answer is one of the two models', whole."""
    paths = tmp_path / "model.qc"
    first, second = qc.quantize(texts(TfidfVectorizer())), qc.quantize(texts(TfidfVectorizer(), 3))
    rows = DOCUMENTS[:40]
    answers = {tuple(model.predict(rows).tolist()) for model in (first, second)}
    qc.save(first, paths)
    stop = threading.Event()

    def swap():
        for model in [second, first] * 10:
            qc.save(model, paths)
            qc.reload(paths)
        stop.set()

    def ask():
        seen = set()
        while not stop.is_set():
            seen.add(tuple(qc.predict(paths, rows).tolist()))
        return seen

    with ThreadPoolExecutor(9) as pool:
        swapping, asking = pool.submit(swap), [pool.submit(ask) for _ in range(8)]
        swapping.result()
        assert set().union(*(found.result() for found in asking)) <= answers


@pytest.mark.parametrize("case", ["words", "wide table", "forest", "large trees"])
def test_parts_are_joined_bit_for_bit(case):
    """predict(threads=n), and rows in any split, give the bits of one call."""
    make, rows = CASES[case]
    model = qc.quantize(make())
    for size in (1, 7, 100, 1001):
        X = rows(size, 3)
        for method in ("predict", "predict_proba", "decision_function"):
            if not hasattr(model, method):
                continue
            whole = getattr(model, method)(X)
            for threads in (1, 2, 3, 8, 64):
                assert qc.predict(model, X, method=method, threads=threads).tobytes() == whole.tobytes()
            for step in (1, 13, 64) if size <= 100 else (13, 64, 65, 500):
                parts = [getattr(model, method)(X[i : i + step]) for i in range(0, size, step)]
                assert np.concatenate(parts).tobytes() == whole.tobytes()


@pytest.mark.parametrize("threads", [1, 2, 5, 16])
def test_an_error_in_one_part_is_raised(threads):
    model = qc.quantize(CASES["table"][0]())
    X = dense(20)(1000, 0)
    X[777, 3] = np.nan
    with pytest.raises(ValueError, match="NaN"):
        qc.predict(model, X, threads=threads)
    words = qc.quantize(CASES["words"][0]())
    with pytest.raises((TypeError, ValueError, AttributeError)) as alone:
        words.predict([*DOCUMENTS, None])
    with pytest.raises(alone.type, match=str(alone.value)[:20]):
        qc.predict(words, [*DOCUMENTS, None], threads=threads)
