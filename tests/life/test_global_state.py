"""Importing, loading and predicting change nothing of the process: compared in a fresh one, before and after."""

import json
import os
import subprocess
import sys

import numpy as np
import pytest
from sklearn.compose import make_column_transformer
from sklearn.ensemble import RandomForestClassifier
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

import quantcore as qc

WATCH = """
import ctypes, ctypes.util, json, locale, mmap, os, signal, sys, threading, time, warnings
import numpy as np

LINUX = os.path.exists("/proc/self/task")
libm = ctypes.CDLL(ctypes.util.find_library("m"))

def control_words():
    # MXCSR and the x87 control word, or ARM's FPCR, as C's fenv_t holds them: its status flags are no state that lasts
    env = (ctypes.c_uint32 * 16)()
    assert libm.fegetenv(env) == 0
    import platform
    if platform.machine() in ("x86_64", "AMD64"):
        return [env[0] & 0xFFFF, env[7] & 0xFFC0]
    return [env[0]]

def state():
    return {
        "control words": control_words(), "rounding": libm.fegetround(),
        "subnormals": (np.float64(5e-324) * 1.0 != 0.0).item() and (np.float32(1e-45) * np.float32(1)).item() != 0.0,
        "locale": locale.setlocale(locale.LC_ALL), "umask": umask(),
        "signals": {s.name: str(signal.getsignal(s)) for s in signal.valid_signals() if isinstance(s, signal.Signals)},
        # Without 32 and 33: glibc takes these for itself when the first thread of a process starts.
        "kernel signals": [
            (name, int(mask, 16) & ~(3 << 31))
            for name, mask in (line.split() for line in open("/proc/self/status") if line.startswith(("SigB", "SigI", "SigC")))
        ]
        if LINUX
        else [],
        "threads": threading.active_count(),
        "kernel threads": len(os.listdir("/proc/self/task")) if LINUX else 1,
        "warnings": [str(f) for f in warnings.filters], "numpy errors": np.geterr(), "print": str(np.get_printoptions()),
        "numpy random": str(np.random.get_state()[1][:4]),
        "environment": dict(os.environ), "cwd": os.getcwd(), "path": list(sys.path),
        "switch interval": sys.getswitchinterval(), "recursion": sys.getrecursionlimit(),

        "hooks": [str(sys.excepthook), str(sys.unraisablehook), str(threading.excepthook)],
        "digits": getattr(sys, "get_int_max_str_digits", int)(),
        "files": len(os.listdir("/proc/self/fd")) if LINUX else 0,
    }

def umask():
    found = os.umask(0o22)
    os.umask(found)
    return found

state()  # what looking makes is made
seen = {"before": state()}
import quantcore as qc
seen["import"] = state()
rows = {"texts": ["w1 w2 w3", "größe w4 " * 50] * 3000, "table": np.random.default_rng(0).normal(size=(60000, 20)), "trees": None}
rows["trees"] = rows["table"]
own = np.random.default_rng(1)
record = lambda: {"age": own.normal(), "town": f"t{own.integers(9)}", "said": "w1 w2 größe"}
rows["columns"] = rows["texts beside"] = [record() for _ in range(30000)]
rows["columns and trees"] = {name: [row[name] for row in rows["columns"]] for name in ("age", "town", "said")}
bad = {"texts": [None], "columns": [{"age": 1.0}], "columns and trees": {"age": []}}
bad["texts beside"] = [{"age": 1.0, "town": "t1", "said": None}]
np.random.seed(0)
seen["before"]["numpy random"] = seen["import"]["numpy random"] = str(np.random.get_state()[1][:4])
models = {name: qc.load(path) for name, path in json.loads(sys.argv[1]).items()}
seen["load"] = state()
for name, model in models.items():
    for size in (1, 40, 60000):
        few = {key: v[:size] for key, v in rows[name].items()} if isinstance(rows[name], dict) else rows[name][:size]
        for method in ("predict", "predict_proba", "predict_certified"):
            getattr(model, method)(few)
    try:
        model.predict(bad.get(name, np.full((2, 20), np.inf)))
    except Exception:
        pass
    qc.predict(model, rows[name], threads=3)
for _ in range(500):  # a thread that was joined may not have left the system yet
    if state()["kernel threads"] <= seen["before"]["kernel threads"]:
        break
    time.sleep(0.01)
seen["predict"] = state()
print(json.dumps(seen))
"""


@pytest.mark.skipif(os.name != "posix", reason="looks at the process as POSIX shows it")
def test_nothing_of_the_process_changes(tmp_path):
    rng = np.random.default_rng(0)
    X, y = rng.normal(size=(200, 20)), np.arange(200) % 3
    documents = [" ".join(f"w{k}" for k in rng.integers(0, 50, 6)) for _ in range(200)]
    sources = {
        "texts": make_pipeline(TfidfVectorizer(ngram_range=(1, 2)), LogisticRegression()).fit(documents, y),
        "table": LogisticRegression().fit(X, y),
        "trees": RandomForestClassifier(30, max_depth=6).fit(X, y),
    }
    pandas = pytest.importorskip("pandas", reason="columns by their names are fitted on a data frame")
    frame = pandas.DataFrame({"age": X[:, 0], "town": [f"t{k}" for k in rng.integers(0, 9, 200)], "said": documents})
    parts = (StandardScaler(), ["age"]), (OneHotEncoder(), ["town"])
    for name, last, texts in (
        ("columns", LogisticRegression(), ()),
        ("columns and trees", RandomForestClassifier(30, max_depth=6), ()),
        ("texts beside", LogisticRegression(), [(TfidfVectorizer(), "said")]),
    ):
        sources[name] = make_pipeline(make_column_transformer(*parts, *texts), last).fit(frame, y)
    paths = {}
    for name, source in sources.items():
        paths[name] = str(tmp_path / f"{name}.qc")
        qc.save(qc.quantize(source), paths[name])
    run = subprocess.run(
        [sys.executable, "-c", WATCH, json.dumps(paths)], capture_output=True, text=True, timeout=300, check=False
    )
    assert run.returncode == 0, run.stderr
    assert run.stderr == ""
    seen = json.loads(run.stdout)
    before = seen.pop("before")
    for stage, state in seen.items():
        assert state == before, stage
