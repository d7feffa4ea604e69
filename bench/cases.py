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
import texts
from contender import BATCH
from peers import NAMES, Contender, measure, onnx_locale, require_proofs, to_onnx
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline

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
FOUNDING_CASES = {f"{wanted.name}, founding size": wanted for wanted in founding.FOUNDING}
CASES = (*TEXT_CASES, *FOUNDING_CASES)


class Measured(NamedTuple):
    """Rounds of each task and contender, the size of each one's file, labels that differ from scikit-learn's, absentees."""

    seconds: dict[str, dict[str, list[float]]]
    file_bytes: dict[str, int]
    flips: dict[str, int]
    documents: int
    absent: dict[str, str]


@functools.cache
def measured(case: str) -> Measured | str:
    """Measure all contenders in one go, so that their rounds are interleaved; or say why the case can't be measured."""
    if case in TEXT_CASES and texts.read(TEXT_CASES[case][0]) is None:
        return f"no data set {TEXT_CASES[case][0]}: set QUANTCORE_DATA to the folder that holds it"
    folder = _prepared(case)
    models = {"quantcore": folder / "model.qc", "scikit-learn": folder / "model.joblib", "onnxruntime": folder / "model.onnx"}
    absent, extra = {}, {}
    if not models["onnxruntime"].is_file():
        absent["onnxruntime"] = (folder / "no_onnx.txt").read_text("utf-8")
    else:
        extra, reason = onnx_locale(CACHE / "locale")
        if reason is not None:
            absent["onnxruntime"] = reason
    running: dict[str, Contender] = {}
    try:
        for name in NAMES:
            if name not in absent:
                running[name] = Contender(name, models[name], folder / "documents.json", **extra)
        seconds = measure(running, ROUNDS)
        labels = {name: contender.ask("labels") for name, contender in running.items()}
    finally:
        for contender in running.values():
            contender.close()
    flips = {name: sum(a != b for a, b in zip(found, labels["scikit-learn"], strict=True)) for name, found in labels.items()}
    sizes = {name: models[name].stat().st_size for name in running}
    return Measured(seconds, sizes, flips, len(labels["scikit-learn"]), absent)


def _prepared(case: str) -> Path:
    """The folder of a case: its source and the ONNX form are made once, the artifact is made by the quantcore of today."""
    folder = CACHE / "models" / case.replace(" ", "_").replace(",", "").replace("(", "").replace(")", "")
    source = folder / "model.joblib"
    if not source.is_file():
        folder.mkdir(parents=True, exist_ok=True)
        pipeline, documents = _trained(case)
        (folder / "documents.json").write_text(json.dumps(documents), "utf-8")
        reason = to_onnx(pipeline, folder / "model.onnx")
        if reason is not None:
            (folder / "no_onnx.txt").write_text(reason, "utf-8")
        joblib.dump(pipeline, source, compress=3)  # last: it says that the folder is complete
    pipeline = joblib.load(source)
    model = quantcore.quantize(pipeline)
    require_proofs(model, pipeline, json.loads((folder / "documents.json").read_text("utf-8")))
    quantcore.save(model, folder / "model.qc")
    return folder


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
