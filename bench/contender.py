"""One contender, in a process of its own.

    python bench/contender.py {quantcore,scikit-learn,onnxruntime} MODEL ROWS

MODEL is the contender's own file, ROWS a JSON list of documents, an .npy file of numbers, or an .npz file of a SciPy CSR
matrix. Each line on stdin is a request in JSON; its answer is a line in JSON on stdout: {"task": "one" | "batch" | "load"} →
seconds per row (or load) of one round; {"task": "labels"} → a label for each row, as strings; {"task": "modules"} → names of
the modules that are loaded.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from timing import seconds_per_call

BATCH = 1000
_ROUND_SECONDS = 0.02  # a round of one task takes at least about so long


class Rounds:
    """Measures one round at a time of a model that ``load`` makes and that answers lists of documents, arrays or CSR."""

    def __init__(self, load: Callable[[], Callable[[Any], Any]], rows: Any) -> None:
        self.load = load
        self.predict = load()
        self.batch = rows[:BATCH]
        self.n_rows = len(self.batch) if isinstance(self.batch, list) else self.batch.shape[0]
        self.ones = [self.batch[i : i + 1] for i in range(self.n_rows)]
        self.at = 0
        self.predict(self.batch)  # whatever is made at first use
        start = time.perf_counter()
        for rows in self.ones[:5]:
            self.predict(rows)
        each = max((time.perf_counter() - start) / len(self.ones[:5]), 1e-9)
        self.calls = min(max(int(_ROUND_SECONDS / each), 10), len(self.ones))

    def one(self) -> float:
        """Rows one by one: other rows each round, until all had their turn; a quick contender has them all in turn."""
        rows = [self.ones[(self.at + i) % len(self.ones)] for i in range(self.calls)]
        self.at += self.calls
        return self._repeated(self.predict, rows)

    def batch_of_many(self) -> float:
        """All rows in one call."""
        return self._repeated(lambda _: self.predict(self.batch)) / self.n_rows

    def load_again(self) -> float:
        """From the file, in the page cache, to a model that answers."""
        return self._repeated(lambda _: self.load())

    def _repeated(self, call: Callable[[Any], Any], arguments: Sequence[Any] = (None,)) -> float:
        """Median of as many passes over the arguments as a round has time for."""
        times: list[float] = []
        while sum(times) * len(arguments) < _ROUND_SECONDS:
            times.append(seconds_per_call(call, arguments))
        return sorted(times)[len(times) // 2]

    def labels(self) -> list[str]:
        """Answers, to compare contenders."""
        return [str(label) for label in self.predict(self.batch)]


def loader(name: str, path: str) -> Callable[[], Callable[[Any], Any]]:
    """The function that loads a contender's model; nothing but that contender is imported."""
    if name == "quantcore":
        import quantcore

        return lambda: quantcore.load(path).predict
    if name == "scikit-learn":
        import joblib

        return lambda: joblib.load(path).predict
    import numpy as np
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")

    def load() -> Callable[[Any], Any]:
        session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
        entry, label = session.get_inputs()[0].name, session.get_outputs()[0].name
        if session.get_inputs()[0].type == "tensor(string)":
            return lambda documents: session.run([label], {entry: np.array(documents, object).reshape(-1, 1)})[0]
        return lambda rows: session.run([label], {entry: rows})[0]

    return load


def read(rows: Path) -> Any:
    """Documents, an array of numbers, or a CSR matrix."""
    if rows.suffix == ".json":
        return json.loads(rows.read_text("utf-8"))
    if rows.suffix == ".npz":
        from scipy.sparse import load_npz

        return load_npz(rows)
    import numpy as np

    return np.load(rows)


def main(name: str, path: str, rows: str) -> None:
    """Answer requests until stdin ends."""
    rounds = Rounds(loader(name, path), read(Path(rows)))
    tasks: dict[str, Callable[[], Any]] = {
        "one": rounds.one,
        "batch": rounds.batch_of_many,
        "load": rounds.load_again,
        "labels": rounds.labels,
        "modules": lambda: sorted(sys.modules),
    }
    print(json.dumps("ready"), flush=True)
    for line in sys.stdin:
        print(json.dumps(tasks[json.loads(line)["task"]]()), flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
