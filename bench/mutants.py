"""What becomes of changed files of one library's model: python bench/mutants.py LIBRARY MODEL ROWS SEED COUNT

Each mutant is loaded and asked for answers in a process of its own, forked from one that has imported the library alone, with
4 GiB of address space more than it has and 3 seconds of wall clock. Mutants are what a failing disk or a careless program makes:
a bit flipped, four bytes made extreme, the end cut off. Prints the counts as one JSON line.
"""

from __future__ import annotations

import json
import os
import resource
import signal
import sys
import tempfile
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from random import Random
from typing import Any

import numpy as np

SECONDS = 3
SPARE = 4 << 30
EXTREMES = (0, 1, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF, 0x3F800000, 0x7FC00000)
SAME, REFUSED, DIFFERENT = 0, 1, 2
Ask = Callable[[str, Any], Any]


def mutant(data: bytes, random: Random) -> bytes:
    """The file with one thing wrong."""
    out = bytearray(data)
    while out == data:  # four bytes may have been those already
        kind, at = random.random(), random.randrange(len(out))
        if kind < 0.5:
            out[at] ^= 1 << random.randrange(8)
        elif kind < 0.9:
            out[at : at + 4] = random.choice(EXTREMES).to_bytes(4, "little")[: len(out) - at]
        else:
            del out[at:]
    return bytes(out)


def library(name: str) -> Ask:
    """The function (path, rows) → answers; only that library is imported."""
    if name == "quantcore":
        import quantcore

        return lambda path, rows: quantcore.load(path).predict_proba(rows)
    if name == "LightGBM":
        import lightgbm

        return lambda path, rows: lightgbm.Booster(model_file=path).predict(rows, num_threads=1)
    if name == "XGBoost":
        import xgboost

        def predict(path: str, rows: Any) -> Any:
            booster = xgboost.Booster({"nthread": 1})
            booster.load_model(path)
            return booster.inplace_predict(rows)

        return predict
    if name == "treelite":
        import treelite

        return lambda path, rows: treelite.gtil.predict(treelite.Model.deserialize(path), rows, nthread=1)
    if name == "onnxruntime":
        import onnxruntime

        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = options.inter_op_num_threads = 1
        options.log_severity_level = 4

        def run(path: str, rows: Any) -> Any:
            session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
            return session.run(None, {session.get_inputs()[0].name: rows.astype(np.float32)})[-1]

        return run
    import sklearn.ensemble  # noqa: F401  (what pickles name)

    if name == "skops":
        import skops.io

        return lambda path, rows: skops.io.load(path, trusted=skops.io.get_untrusted_types(file=path)).predict_proba(rows)
    if name == "joblib":
        import joblib

        return lambda path, rows: joblib.load(path).predict_proba(rows)
    import pickle

    return lambda path, rows: pickle.loads(Path(path).read_bytes()).predict_proba(rows)


def outcome(ask: Ask, path: str, rows: Any, known: bytes | None) -> str:
    """What one mutant does, in a child."""
    child = os.fork()
    if not child:
        code = 9
        try:
            quiet = os.open(os.devnull, os.O_WRONLY)
            os.dup2(quiet, 1)
            os.dup2(quiet, 2)
            resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
            now = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
            resource.setrlimit(resource.RLIMIT_AS, (now + SPARE, resource.RLIM_INFINITY))
            signal.alarm(SECONDS)
            try:
                code = SAME if answer(ask(path, rows)) == known else DIFFERENT
            except Exception:
                code = REFUSED
        finally:
            os._exit(code)
    status = os.waitpid(child, 0)[1]
    if os.WIFSIGNALED(status):
        return "hang" if os.WTERMSIG(status) == signal.SIGALRM else "crash"
    return {SAME: "same", REFUSED: "refused", DIFFERENT: "different"}.get(os.WEXITSTATUS(status), "crash")


def answer(found: Any) -> bytes:
    """Answers to compare: probabilities of rows, to the bit."""
    if isinstance(found, list):  # a dict a row
        found = [[row[key] for key in sorted(row)] for row in found]
    return np.ascontiguousarray(found, np.float64).tobytes()


def known_answer(ask: Ask, path: str, rows: Any) -> bytes:
    """Of the file as it is, computed in a child too: threads that a library starts do not outlive a fork."""
    read, write = os.pipe()
    child = os.fork()
    if not child:
        os.write(write, answer(ask(path, rows)))
        os._exit(0)
    os.close(write)
    with os.fdopen(read, "rb") as pipe:
        found = pipe.read()
    if os.waitpid(child, 0)[1] or not found:
        raise RuntimeError("the file itself can't be read")
    return found


def main(name: str, model: str, rows_path: str, seed: int, count: int) -> None:
    """Count outcomes."""
    data, rows = Path(model).read_bytes(), np.load(rows_path)
    ask, random, seen = library(name), Random(seed), Counter[str]()
    known = known_answer(ask, model, rows)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / Path(model).name
        os.chdir(folder)
        for _ in range(count):
            path.write_bytes(mutant(data, random))
            seen[outcome(ask, str(path), rows, known)] += 1
    counts = {kind: seen[kind] for kind in ("crash", "hang", "different", "same", "refused")}
    print(json.dumps({"mutants": count, "bytes": len(data), **counts}))


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], sys.argv[3], int(sys.argv[4]), int(sys.argv[5]))
