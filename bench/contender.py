"""One contender, in a process of its own.

    python bench/contender.py {quantcore,scikit-learn,onnxruntime} MODEL DOCUMENTS

MODEL is the contender's own file, DOCUMENTS a JSON list of strings. Each line on stdin is a request in JSON; its answer is
a line in JSON on stdout: {"task": "one" | "batch" | "load"} → seconds per document (or load) of one round;
{"task": "labels"} → a label for each document, as strings; {"task": "modules"} → names of the modules that are loaded.
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
    """Measures one round at a time of a model that ``load`` makes and that answers lists of documents."""

    def __init__(self, load: Callable[[], Callable[[list[str]], Any]], documents: list[str]) -> None:
        self.load = load
        self.predict = load()
        self.ones = [[document] for document in documents[:BATCH]]
        self.batch = documents[:BATCH]
        self.at = 0
        self.predict(self.batch)  # whatever is made at first use
        start = time.perf_counter()
        for rows in self.ones[:5]:
            self.predict(rows)
        each = max((time.perf_counter() - start) / len(self.ones[:5]), 1e-9)
        self.calls = min(max(int(_ROUND_SECONDS / each), 10), len(self.ones))

    def one(self) -> float:
        """Documents one by one: other documents each round, until all had their turn; a quick contender has them all in turn."""
        rows = [self.ones[(self.at + i) % len(self.ones)] for i in range(self.calls)]
        self.at += self.calls
        return self._repeated(self.predict, rows)

    def batch_of_many(self) -> float:
        """All documents in one call."""
        return self._repeated(lambda _: self.predict(self.batch)) / len(self.batch)

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


def loader(name: str, path: str) -> Callable[[], Callable[[list[str]], Any]]:
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

    def load() -> Callable[[list[str]], Any]:
        session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
        entry, label = session.get_inputs()[0].name, session.get_outputs()[0].name
        return lambda documents: session.run([label], {entry: np.array(documents, object).reshape(-1, 1)})[0]

    return load


def main(name: str, path: str, documents: str) -> None:
    """Answer requests until stdin ends."""
    rounds = Rounds(loader(name, path), json.loads(Path(documents).read_text("utf-8")))
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
