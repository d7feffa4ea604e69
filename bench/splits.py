"""Fresh splits of the text cases: all rows of a data set dealt anew, the pipeline fitted again; kept in build/bench/fresh."""

from __future__ import annotations

import random
from typing import Any

import joblib
import texts
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline

CACHE = texts.ROOT / "build" / "bench" / "fresh"


def dealt(split: texts.Split, seed: int) -> texts.Split:
    """As many rows to fit on and to test on as in the data set's own split, others.

    Parameters
    ----------
    split : Split
    seed : int
    """
    rows = [*zip(split.train, split.train_labels, strict=True), *zip(split.test, split.test_labels, strict=True)]
    random.Random(seed).shuffle(rows)
    train, test = rows[: len(split.train)], rows[len(split.train) :]
    return texts.Split([t for t, _ in train], [k for _, k in train], [t for t, _ in test], [k for _, k in test])


def fresh(case: str, split: texts.Split, parameters: dict[str, Any], seed: int) -> tuple[Any, texts.Split]:
    """A pipeline that was fitted on a fresh split, and the split.

    Parameters
    ----------
    case : str
    split : Split
        The data set's own.
    parameters : dict
        Of the vectorizer.
    seed : int
    """
    new, path = dealt(split, seed), CACHE / f"{case}_{seed}.joblib"
    if not path.is_file():
        CACHE.mkdir(parents=True, exist_ok=True)
        pipeline = make_pipeline(TfidfVectorizer(**parameters), LogisticRegression(max_iter=300))
        joblib.dump(pipeline.fit(new.train, new.train_labels), path, compress=3)
    return joblib.load(path), new
