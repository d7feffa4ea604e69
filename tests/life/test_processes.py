"""Models in other processes: forked beside running threads, spawned, pickled to workers; and in subinterpreters."""

import json
import multiprocessing
import subprocess
import sys
import threading
from pathlib import Path

import joblib
import numpy as np
import pytest
from scipy.sparse import csr_matrix
from sklearn.compose import make_column_transformer
from sklearn.ensemble import RandomForestClassifier
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

import quantcore as qc

rng = np.random.default_rng(0)
DOCUMENTS = [" ".join(f"w{k}" for k in rng.integers(0, 60, 8)) for _ in range(100)]
X = rng.normal(size=(200, 12))
TABLE = {"age": rng.normal(size=100).tolist(), "town": [f"t{k}" for k in rng.integers(0, 9, 100)], "said": DOCUMENTS}


def columns(last, *texts):
    pandas = pytest.importorskip("pandas", reason="columns by their names are fitted on a data frame")
    front = make_column_transformer((StandardScaler(), ["age"]), (OneHotEncoder(), ["town"]), *((v, "said") for v in texts))
    return make_pipeline(front, last).fit(pandas.DataFrame(TABLE), np.arange(100) % 3)


CASES = {
    "texts": (lambda: make_pipeline(TfidfVectorizer(), LogisticRegression()).fit(DOCUMENTS, np.arange(100) % 2), DOCUMENTS * 30),
    "table": (lambda: LogisticRegression().fit(X, np.arange(200) % 3), np.tile(X, (20, 1))),
    "csr": (lambda: LogisticRegression().fit(csr_matrix(X), np.arange(200) % 3), csr_matrix(np.tile(X, (20, 1)))),
    "trees": (lambda: RandomForestClassifier(20, max_depth=5).fit(X, np.arange(200) % 3), np.tile(X, (20, 1))),
    "columns": (lambda: columns(LogisticRegression()), {name: values * 30 for name, values in TABLE.items()}),
    "columns and trees": (
        lambda: columns(RandomForestClassifier(20, max_depth=5)),
        [dict(zip(TABLE, row, strict=True)) for row in zip(*TABLE.values(), strict=True)] * 30,
    ),
    "texts beside columns": (
        lambda: columns(LogisticRegression(), TfidfVectorizer()),
        {name: values * 10 for name, values in TABLE.items()},
    ),
}


def ask(model, rows, connection):
    connection.send((model.predict(rows).tolist(), qc.predict(model, rows, threads=3).tolist(), model.digest))
    connection.close()


def predict(model, rows):
    return model.predict(rows).tolist()


def answer_of(method, model, rows):
    """What a process that is started so answers; its exit code too."""
    context = multiprocessing.get_context(method)
    here, there = context.Pipe(duplex=False)
    process = context.Process(target=ask, args=(model, rows, there))
    process.start()
    there.close()
    assert here.poll(120), f"a process of {method!r} does not answer"
    found = here.recv()
    process.join(60)
    assert process.exitcode == 0
    return found


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("method", [m for m in ("spawn", "forkserver") if m in multiprocessing.get_all_start_methods()])
def test_a_process_that_starts_anew(case, method):
    make, rows = CASES[case]
    model = qc.quantize(make())
    right = model.predict(rows).tolist()
    assert answer_of(method, model, rows) == (right, right, model.digest)


@pytest.mark.skipif("fork" not in multiprocessing.get_all_start_methods(), reason="this platform has no fork")
@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
@pytest.mark.parametrize("case", CASES)
def test_fork_beside_running_threads(case):
    """Threads are in the middle of calls on the very model while the process forks: the child waits for no lock of theirs."""
    make, rows = CASES[case]
    model = qc.quantize(make())
    right, stop = model.predict(rows).tolist(), threading.Event()

    def work():
        while not stop.is_set():
            model.predict(rows)
            qc.predict(model, rows, threads=2)

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    try:
        for _ in range(8):
            assert answer_of("fork", model, rows) == (right, right, model.digest)
    finally:
        stop.set()
        for thread in threads:
            thread.join()


@pytest.mark.parametrize("case", CASES)
def test_workers_of_joblib(case):
    make, rows = CASES[case]
    model = qc.quantize(make())
    right = model.predict(rows).tolist()
    assert joblib.Parallel(n_jobs=2, backend="loky")(joblib.delayed(predict)(model, rows) for _ in range(4)) == [right] * 4


def test_a_pool_of_processes():
    model = qc.quantize(CASES["texts"][0]())
    with multiprocessing.get_context("spawn").Pool(2) as pool:
        found = pool.starmap(predict, [(model, DOCUMENTS[i::4]) for i in range(4)])
    assert found == [model.predict(DOCUMENTS[i::4]).tolist() for i in range(4)]


SUBINTERPRETER = """
import json, sys
try:
    import _interpreters as sub
except ImportError:
    try:
        import _xxsubinterpreters as sub
    except ImportError:
        print(json.dumps(["none"])); sys.exit()
import quantcore as qc
asked = [(qc.load(path), json.load(open(rows))) for path, rows in json.loads(sys.argv[1])]
right = [model.predict(rows).tolist() for model, rows in asked]
tried = '''
import sys
sys.path[:] = {path!r}
found = []
for family in {families!r}:
    try:
        __import__("quantcore.native._" + family)
        found.append("imported")
    except ImportError as error:
        found.append(str(error))
with open({out!r}, "w") as file:
    file.write(repr(found))
'''
for create in ([lambda: sub.create(), lambda: sub.create("legacy")] if sys.version_info >= (3, 13) else [lambda: sub.create()]):
    other = create()
    sub.run_string(other, tried.format(path=sys.path, families=("cpu", *qc.native.registry.FAMILIES), out=sys.argv[2]))
    found = eval(open(sys.argv[2]).read())
    assert all(found) and "imported" not in found, found
    sub.destroy(other)
assert [model.predict(rows).tolist() for model, rows in asked] == right
assert [qc.predict(model, rows, threads=2).tolist() for model, rows in asked] == right
print(json.dumps(found))
"""


def test_subinterpreters_are_refused(tmp_path):
    """An ImportError that says why, and the first interpreter serves as before."""
    paths = []
    for name, (make, rows) in CASES.items():
        if name != "csr":
            paths.append((str(tmp_path / f"{name}.qc"), str(tmp_path / f"{name}.json")))
            qc.save(qc.quantize(make()), paths[-1][0])
            Path(paths[-1][1]).write_text(json.dumps(rows.tolist() if isinstance(rows, np.ndarray) else rows), "utf-8")
    run = subprocess.run(
        [sys.executable, "-c", SUBINTERPRETER, json.dumps(paths), tmp_path / "out"],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert run.returncode == 0, run.stderr
    found = json.loads(run.stdout)
    if found == ["none"]:
        pytest.skip("this Python has no subinterpreters")
    # Cython's words, or NumPy's where it is imported first.
    assert all("per process" in reason or "interpreter" in reason for reason in found), found
