"""The main job, end to end: train with scikit-learn, quantize, save, load in a fresh process without scikit-learn, predict.

    make demo

Every contender runs in a process of its own, on one thread; rounds are interleaved and medians are shown. Real data sets
are used where they are (QUANTCORE_DATA, or ../shared/data), and the standard library's own docstrings everywhere.
"""

from __future__ import annotations

import json
import pickle
import statistics
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import joblib
import texts
from founding import FOUNDING, train
from peers import Contender, measure, require_proofs
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline

import quantcore

ROUNDS = 5
BANNED = ("sklearn", "scipy", "pandas", "joblib")


class Trained(NamedTuple):
    """A fitted pipeline and documents that it has not seen."""

    name: str
    pipeline: Any
    documents: list[str]


def models() -> Iterator[Trained]:
    """The three founding sizes, one model that every Python install can train, and full-size ones from real data."""
    for wanted in FOUNDING:
        pipeline, documents = train(wanted)
        yield Trained(f"{wanted.name} (founding size)", pipeline, documents)
    yield fitted("docstring's module", texts.standard_library(8))
    for name, title in (("sms_spam", "SMS spam"), ("rt_polarity", "sentiment"), ("banking77", "intent, 77 classes")):
        split = texts.read(name)
        if split is not None:
            yield fitted(title, split)


def fitted(name: str, split: texts.Split) -> Trained:
    """tf-idf of words and word pairs, logistic regression."""
    pipeline = make_pipeline(TfidfVectorizer(ngram_range=(1, 2), sublinear_tf=True), LogisticRegression(max_iter=100, tol=1e-3))
    return Trained(name, pipeline.fit(split.train, split.train_labels), split.test)


def shown(trained: Trained, folder: Path) -> dict[str, str]:
    """One row of the table."""
    paths = {"quantcore": folder / "model.qc", "scikit-learn": folder / "model.joblib"}
    model = quantcore.quantize(trained.pipeline)
    require_proofs(model, trained.pipeline, trained.documents)
    quantcore.save(model, paths["quantcore"])
    joblib.dump(trained.pipeline, paths["scikit-learn"], compress=3)
    documents = folder / "documents.json"
    documents.write_text(json.dumps(trained.documents), "utf-8")
    with (
        Contender("quantcore", paths["quantcore"], documents) as ours,
        Contender("scikit-learn", paths["scikit-learn"], documents) as theirs,
    ):
        found = measure({"quantcore": ours, "scikit-learn": theirs}, ROUNDS)
        labels, expected = ours.ask("labels"), theirs.ask("labels")
        extra = {module.partition(".")[0] for module in ours.ask("modules")} & set(BANNED)
    if extra:
        raise RuntimeError(f"serving must need NumPy alone, but it imported {', '.join(sorted(extra))}")
    same = sum(a == b for a, b in zip(labels, expected, strict=True))
    joblib_bytes, pickle_bytes = paths["scikit-learn"].stat().st_size, len(pickle.dumps(trained.pipeline))
    return {
        "model": trained.name,
        "file / joblib / pickle": f"{size(paths['quantcore'].stat().st_size)} / {size(joblib_bytes)} / {size(pickle_bytes)}",
        "load": beside(found["load"], lambda s: f"{s * 1e3:.2f} ms"),
        "one document": beside(found["one"], lambda s: f"{s * 1e6:.2f} µs" if s < 1e-4 else f"{s * 1e6:.0f} µs"),
        "batch, documents/s": beside(found["batch"], lambda s: f"{1 / s:,.0f}"),
        "same labels": f"{same} of {len(labels)}",
    }


def size(n: int) -> str:
    """Bytes in thousands."""
    return f"{n / 1e3:.1f} kB" if n < 1e5 else f"{n / 1e3:,.0f} kB"


def beside(seconds: dict[str, list[float]], show: Callable[[float], str]) -> str:
    """Our median, scikit-learn's, and how many times faster ours is."""
    ours, theirs = (statistics.median(seconds[name]) for name in ("quantcore", "scikit-learn"))
    return f"{show(ours)} / {show(theirs)} ({theirs / ours:.0f}x)"


def main() -> None:
    """Print one table."""
    rows = []
    for trained in models():
        print(f"{trained.name}: trained, measuring ...", flush=True)
        with tempfile.TemporaryDirectory() as folder:
            rows.append(shown(trained, Path(folder)))
    titles = list(rows[0])
    widths = [max(len(title), *(len(row[title]) for row in rows)) for title in titles]
    print("\nquantcore / scikit-learn (times faster): default guarantee, one thread, each in a process of its own\n")
    for cells in (titles, ["-" * width for width in widths], *(list(row.values()) for row in rows)):
        print("  ".join(cell.ljust(width) for cell, width in zip(cells, widths, strict=True)).rstrip())


if __name__ == "__main__":
    main()
