"""The smallest forms: bytes, labels of test rows that the search never saw, accuracy, seconds of the search; on the sets' own
splits and on fresh ones, beside joblib's compressed file, ONNX's, and fastText's quantized ones of no higher accuracy.

``report.py`` makes tables of the rows (``report_optimizer.py``). fastText is found as ``fasttext_peer.py`` says.
"""

from __future__ import annotations

import time
from typing import Any

import fasttext_peer
import founding
import joblib
import numpy as np
import pytest
import splits
import texts
from cases import FOUNDING_CASES, TEXT_CASES, prepared
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline

import quantcore

AGREEMENT = 0.999
# name of a case: how many fresh splits, so that there are some thousands of test rows
CASES = {"sms_spam": 3, "rt_polarity": 2, "banking77": 1, "clinc150": 1, "movie_reviews": 5}
# What is asked where bytes are compared at equal accuracy: flips that cost no accuracy are free.
LESS = (0.98, 0.95, 0.9, 0.8)
# A case whose pipeline is less accurate than fastText's larger files is fitted with less regularization too.
BETTER = {"sms_spam": 30.0}


def smallest(source: Any, split: texts.Split, agreement: float = AGREEMENT, **options: Any) -> dict[str, Any]:
    """The smallest form's bytes, and what it does to labels of the test rows: flips; rows that are now right, now wrong."""
    start = time.process_time()
    model = quantcore.quantize(source, split.train, guarantee="measured", min_agreement=agreement, **options)
    seconds = time.process_time() - start
    labels, own, truth = (
        np.asarray(found) for found in (model.predict(split.test), source.predict(split.test), split.test_labels)
    )
    return {
        "bytes": len(model.data),
        "cpu_seconds": seconds,
        "rows": len(own),
        "flips": int(np.count_nonzero(labels != own)),
        "won": int(np.count_nonzero((labels == truth) & (own != truth))),
        "lost": int(np.count_nonzero((labels != truth) & (own == truth))),
        "accuracy": float(np.mean(labels == truth)),
        "source_accuracy": float(np.mean(own == truth)),
        "agreement": agreement,
    }


def read(case: str) -> texts.Split:
    split = texts.read(case)
    if split is None:
        pytest.skip(f"no data set {case}: set QUANTCORE_DATA to the folder that holds it")
    return split


@pytest.mark.parametrize("case", CASES)
def bench_smallest_form(benchmark, case):
    split, folder = read(case), prepared(case)
    source = joblib.load(folder / "model.joblib")
    own = benchmark.pedantic(smallest, (source, split), rounds=1)
    fresh = [smallest(*splits.fresh(case, split, TEXT_CASES[case][1], seed)) for seed in range(1, CASES[case] + 1)]
    files = {"joblib": folder / "model.joblib", "ONNX": folder / "model.onnx"}
    sizes = {name: path.stat().st_size for name, path in files.items() if path.is_file()}
    benchmark.extra_info.update(task="smallest", case=case, own=own, fresh=fresh, file_bytes=sizes)


@pytest.mark.parametrize("case", CASES)
def bench_equal_accuracy(benchmark, case):
    split = read(case)
    theirs = fasttext_peer.files(case, split)
    if isinstance(theirs, str):
        pytest.skip(f"no fastText: {theirs}")
    sources = [("as above", joblib.load(prepared(case) / "model.joblib"))]
    if case in BETTER:
        pipeline = make_pipeline(TfidfVectorizer(**TEXT_CASES[case][1]), LogisticRegression(C=BETTER[case], max_iter=300))
        sources.append((f"C={BETTER[case]:g}", pipeline.fit(split.train, split.train_labels)))

    def forms() -> list[dict[str, Any]]:
        return [
            {**smallest(source, split, agreement, objective="size"), "source": name}
            for name, source in sources
            for agreement in (AGREEMENT, *LESS)
        ]

    ours = benchmark.pedantic(forms, rounds=1)
    benchmark.extra_info.update(task="equal accuracy", case=case, ours=ours, fasttext=theirs)


@pytest.mark.parametrize("case", FOUNDING_CASES)
def bench_founding_size(benchmark, case):
    documents, labels, test = founding.rows(FOUNDING_CASES[case])
    source = joblib.load(prepared(case) / "model.joblib")
    split = texts.Split(documents, labels, test, list(source.predict(test)))
    found = benchmark.pedantic(smallest, (source, split), rounds=1)
    benchmark.extra_info.update(task="founding", case=case, **found)
