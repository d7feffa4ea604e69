"""What the benchmarks measure: fitted pipelines in every contender's form, kept in build/bench for the next run."""

from __future__ import annotations

import functools
import json
import os
import random
from pathlib import Path
from typing import Any, NamedTuple

import founding
import joblib
import numpy as np
import texts
from contender import BATCH, read
from peers import NAMES, Contender, measure, onnx_locale, require_proofs, to_onnx
from scipy import sparse
from sklearn import datasets
from sklearn.feature_extraction.text import HashingVectorizer, TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

import quantcore

CACHE = texts.ROOT / "build" / "bench"
ROUNDS = int(os.environ.get("QUANTCORE_BENCH_ROUNDS", "15"))

_WORDS = {"ngram_range": (1, 2), "sublinear_tf": True}
# name of a case: data set, parameters of the vectorizer
TEXT_CASES: dict[str, tuple[str, dict[str, Any]]] = {
    "sms_spam": ("sms_spam", _WORDS),
    "rt_polarity": ("rt_polarity", _WORDS),
    "clinc150": ("clinc150", _WORDS),
    "sib200": ("sib200_20lang", _WORDS),
    "banking77": ("banking77", _WORDS),
    "movie_reviews": ("movie_reviews", _WORDS),
    "sms_spam, char (2, 4)": ("sms_spam", {"analyzer": "char", "ngram_range": (2, 4), "sublinear_tf": True}),
    "sms_spam, char_wb (2, 4)": ("sms_spam", {"analyzer": "char_wb", "ngram_range": (2, 4), "sublinear_tf": True}),
}
# name of a case: columns, classes; or a data set of scikit-learn's
TABLE_CASES: dict[str, tuple[int, int] | str] = {
    "30 x 2": (30, 2),
    "64 x 10": (64, 10),
    "784 x 10": (784, 10),
    "1024 x 100": (1024, 100),
    "breast_cancer": "breast_cancer",
    "digits": "digits",
}
# name of a case: data set whose texts are hashed to 2**15 columns first; contenders are fed CSR
CSR_CASES = {"banking77, CSR": "banking77", "clinc150, CSR": "clinc150"}
_HASHED = 1 << 15
FOUNDING_CASES = {f"{wanted.name}, founding size": wanted for wanted in founding.FOUNDING}
CASES = (*TEXT_CASES, *FOUNDING_CASES)


class Measured(NamedTuple):
    """Rounds of each task and contender, the size of each one's file, labels that differ from scikit-learn's, absentees."""

    seconds: dict[str, dict[str, list[float]]]
    file_bytes: dict[str, int]
    flips: dict[str, int]
    rows: int
    absent: dict[str, str]


@functools.cache
def measured(case: str) -> Measured | str:
    """Measure all contenders in one go, so that their rounds are interleaved; or say why the case can't be measured."""
    data_set = CSR_CASES.get(case) or TEXT_CASES.get(case, (None,))[0]
    if data_set is not None and texts.read(data_set) is None:
        return f"no data set {data_set}: set QUANTCORE_DATA to the folder that holds it"
    folder = prepared(case)
    models = {"quantcore": folder / "model.qc", "scikit-learn": folder / "model.joblib", "onnxruntime": folder / "model.onnx"}
    absent, extra = {}, {}
    if not models["onnxruntime"].is_file():
        absent["onnxruntime"] = (folder / "no_onnx.txt").read_text("utf-8")
    elif case not in TABLE_CASES and case not in CSR_CASES:
        extra, reason = onnx_locale(CACHE / "locale")
        if reason is not None:
            absent["onnxruntime"] = reason
    running: dict[str, Contender] = {}
    try:
        for name in NAMES:
            if name not in absent:
                running[name] = Contender(name, models[name], rows_of(case, folder), **extra)
        seconds = measure(running, ROUNDS)
        labels = {name: contender.ask("labels") for name, contender in running.items()}
    finally:
        for contender in running.values():
            contender.close()
    flips = {name: sum(a != b for a, b in zip(found, labels["scikit-learn"], strict=True)) for name, found in labels.items()}
    sizes = {name: models[name].stat().st_size for name in running}
    return Measured(seconds, sizes, flips, len(labels["scikit-learn"]), absent)


def prepared(case: str) -> Path:
    """The folder of a case: its source and the ONNX form are made once, the artifact is made by the quantcore of today."""
    folder = CACHE / "models" / case.replace(" ", "_").replace(",", "").replace("(", "").replace(")", "")
    source = folder / "model.joblib"
    if not source.is_file():
        folder.mkdir(parents=True, exist_ok=True)
        train = _trained_table if case in TABLE_CASES else _trained_csr if case in CSR_CASES else _trained
        pipeline, rows = train(case)
        reason: str | None = "onnxruntime reads no sparse rows"
        if case in CSR_CASES:
            sparse.save_npz(rows_of(case, folder), rows)
        elif case in TABLE_CASES:
            np.save(rows_of(case, folder), rows)
            reason = to_onnx(pipeline, folder / "model.onnx", rows.shape[1])
        else:
            rows_of(case, folder).write_text(json.dumps(rows), "utf-8")
            reason = to_onnx(pipeline, folder / "model.onnx")
        if reason is not None:
            (folder / "no_onnx.txt").write_text(reason, "utf-8")
        joblib.dump(pipeline, source, compress=3)  # last: it says that the folder is complete
    pipeline = joblib.load(source)
    model = quantcore.quantize(pipeline)
    require_proofs(model, pipeline, read(rows_of(case, folder)))
    quantcore.save(model, folder / "model.qc")
    return folder


def rows_of(case: str, folder: Path) -> Path:
    """The file of a case's rows."""
    return folder / ("rows.npy" if case in TABLE_CASES else "rows.npz" if case in CSR_CASES else "documents.json")


def _trained_table(case: str) -> tuple[Any, Any]:
    """A scaler and a logistic regression, and rows of float32: all contenders are fed the same array."""
    shape, random_ = TABLE_CASES[case], np.random.default_rng(0)
    if isinstance(shape, str):
        X, y = getattr(datasets, f"load_{shape}")(return_X_y=True)
    else:
        y = random_.integers(0, shape[1], 4000)
        X = random_.normal(size=(shape[1], shape[0]))[y] * 0.4 + random_.normal(size=(len(y), shape[0]))
    pipeline = make_pipeline(StandardScaler(), LogisticRegression(max_iter=100)).fit(X, y)
    picked = random_.permutation(len(X))[:BATCH]
    return pipeline, np.ascontiguousarray(X[picked], np.float32)


def _trained_csr(case: str) -> tuple[Any, Any]:
    """A logistic regression over hashed texts, and CSR rows: the featurizer is no part of the model."""
    split, hashing = texts.read(CSR_CASES[case]), HashingVectorizer(n_features=_HASHED)
    if split is None:
        raise FileNotFoundError(f"no data set {CSR_CASES[case]}; set QUANTCORE_DATA to the folder that holds it")
    documents = random.Random(0).sample(split.test, min(len(split.test), BATCH))
    model = LogisticRegression(max_iter=100).fit(hashing.transform(split.train), split.train_labels)
    return model, hashing.transform(documents)


def _trained(case: str) -> tuple[Any, list[str]]:
    if case in FOUNDING_CASES:
        return founding.train(FOUNDING_CASES[case])
    name, parameters = TEXT_CASES[case]
    split = texts.read(name)
    if split is None:
        raise FileNotFoundError(f"no data set {name}; set QUANTCORE_DATA to the folder that holds it")
    pipeline = make_pipeline(TfidfVectorizer(**parameters), LogisticRegression(max_iter=300))
    documents = random.Random(0).sample(split.test, min(len(split.test), BATCH))  # data sets come sorted by class or language
    return pipeline.fit(split.train, split.train_labels), documents
