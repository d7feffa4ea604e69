#!/usr/bin/env python3
"""Write the models that tools/same_bits.py has every CPU serve: NAME.qc, and NAME.rows with the rows and the methods whose
answers compiled kernels compute all the way, so that their bits are the same everywhere.

Usage: tools/same_bits_models.py FOLDER
"""

from __future__ import annotations

import functools
import json
import pickle
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

import quantcore as qc
from quantcore.plan.ops import Log

ROOT = Path(__file__).resolve().parents[1]
GOLDEN = ROOT / "tests" / "golden"
ROWS = 2000
rng = np.random.default_rng(5)

sys.path.append(str(ROOT / "tests" / "artifact"))


def texts() -> Iterator[tuple[str, Any, Any]]:
    from sklearn.feature_extraction.text import HashingVectorizer, TfidfVectorizer
    from sklearn.linear_model import LogisticRegression, SGDClassifier
    from sklearn.pipeline import make_pipeline
    from sklearn.svm import LinearSVC

    letters = list("abcdefghijklmnop") + ["é", "中", "ß", "🐈"]
    words = ["".join(rng.choice(letters, 1 + int(rng.integers(9)))) for _ in range(900)]
    labels = rng.integers(0, 20, ROWS)
    documents = [
        " ".join(words[(int(label) * 40 + int(w)) % 900] for w in rng.geometric(0.01, 1 + int(rng.integers(60))))
        for label in labels
    ]
    for name, vectorizer, last, answers in (
        ("words-2", TfidfVectorizer(sublinear_tf=True), LogisticRegression(), labels % 2),
        ("words-20", TfidfVectorizer(ngram_range=(1, 2)), LogisticRegression(max_iter=50), labels),
        ("characters-5", TfidfVectorizer(analyzer="char_wb", ngram_range=(2, 4)), LinearSVC(), labels % 5),
        ("hashed-3", HashingVectorizer(n_features=1 << 12), SGDClassifier(random_state=0), labels % 3),
    ):
        yield f"text-{name}", make_pipeline(vectorizer, last).fit(documents[:1000], answers[:1000]), documents


def matrices() -> Iterator[tuple[str, Any, Any]]:
    from scipy.sparse import random as random_csr
    from sklearn.ensemble import (
        ExtraTreesRegressor,
        GradientBoostingClassifier,
        HistGradientBoostingClassifier,
        RandomForestClassifier,
    )
    from sklearn.linear_model import LogisticRegression, Ridge, RidgeClassifier
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    x = rng.normal(size=(ROWS, 64))
    classes = (x @ rng.normal(size=(64, 10))).argmax(axis=1)
    hist = functools.partial(HistGradientBoostingClassifier, max_iter=20, random_state=0)
    few, single = x[:, :12], x[:, :12].astype(np.float32)
    with_nan = np.where(rng.random(few.shape) < 0.05, np.nan, few)
    category = np.concatenate([few[:, :5], rng.integers(0, 12, (ROWS, 2)).astype(float)], axis=1)
    number = x[:, 0] - x[:, 3] ** 2
    for name, source, rows, answers in (
        ("linear-10", make_pipeline(StandardScaler(), LogisticRegression(max_iter=50)), x, classes),
        ("linear-2", make_pipeline(StandardScaler(), RidgeClassifier()), x, classes < 5),
        ("linear-2-float32", LogisticRegression(), single, classes < 5),
        ("linear-numbers", make_pipeline(StandardScaler(), Ridge()), x, number),
        ("trees-sliced", RandomForestClassifier(60, max_depth=5, random_state=0), single, classes),
        ("trees-links", GradientBoostingClassifier(n_estimators=40, random_state=0), few, classes < 5),
        ("trees-deep", ExtraTreesRegressor(20, random_state=0), few, number),
        ("trees-missing", hist(max_leaf_nodes=255), with_nan, classes < 5),
        (
            "trees-sets",
            hist(categorical_features=[5, 6]),
            category,
            classes % 3,
        ),
    ):
        yield name, source.fit(rows[:1500], answers[:1500]), rows
    for name, n_classes in (("csr-20", 20), ("csr-2", 2)):
        sparse = random_csr(ROWS, 500, 0.03, "csr", random_state=n_classes)
        source = LogisticRegression(max_iter=10).fit(sparse, np.arange(ROWS) % n_classes)
        yield name, source, sparse


def frames() -> Iterator[tuple[str, Any, Any]]:
    """Dicts of columns stand for frames: an emulated CPU may lack pandas."""
    import pandas as pd
    from sklearn.compose import make_column_transformer
    from sklearn.ensemble import RandomForestClassifier
    from sklearn.impute import SimpleImputer
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import KBinsDiscretizer, OneHotEncoder, OrdinalEncoder, StandardScaler

    towns = [None if k == 7 else f"tøwn {k}" for k in rng.integers(0, 60, ROWS).tolist()]
    pay = [float("nan") if k % 9 == 0 else k / 7 for k in rng.integers(0, 500, ROWS).tolist()]
    columns = {"town": towns, "pay": pay, "age": rng.integers(18, 90, ROWS).tolist()}
    frame, answers = pd.DataFrame(columns), rng.integers(0, 3, ROWS)
    numbers = make_pipeline(SimpleImputer(), StandardScaler())
    one_hot = make_column_transformer((numbers, ["pay", "age"]), (OneHotEncoder(handle_unknown="ignore"), ["town"]))
    codes = OrdinalEncoder(handle_unknown="use_encoded_value", unknown_value=-1)
    bins = make_column_transformer(
        (KBinsDiscretizer(5, encode="ordinal"), ["age"]), (SimpleImputer(), ["pay"]), (codes, ["town"])
    )
    records = [dict(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True)]
    for name, front, last, rows in (
        ("frame-one-hot", one_hot, LogisticRegression(), columns),
        ("frame-records", one_hot, LogisticRegression(), records),
        ("frame-trees", bins, RandomForestClassifier(30, max_depth=5, random_state=0), columns),
    ):
        yield name, make_pipeline(front, last).fit(frame[:1500], answers[:1500]), rows


def drawn(rows: Any, n: int) -> Any:
    """Golden rows, and rows whose every value, or word, is one of theirs."""
    if isinstance(rows, np.ndarray):
        places = rng.integers(0, len(rows), (n, rows.shape[1]))
        return np.concatenate([rows, np.take_along_axis(rows, places, axis=0)])
    if isinstance(rows, dict):
        return {name: [*values, *(values[i] for i in rng.integers(0, len(values), n))] for name, values in rows.items()}
    if isinstance(rows[0], dict):
        return [*rows, *({name: rows[i][name] for name, i in _places(rows, n) if name in rows[i]} for _ in range(n))]
    words = [word for document in rows for word in document.split(" ")]
    return [*rows, *(" ".join(words[i] for i in rng.integers(0, len(words), rng.integers(0, 40))) for _ in range(n))]


def _places(rows: list[dict[str, Any]], n: int) -> list[tuple[str, int]]:
    names = sorted({name for row in rows for name in row})
    return [(name, int(i)) for name, i in zip(names, rng.integers(0, len(rows), len(names)), strict=True)]


def compiled(model: qc.Model, rows: Any) -> list[str]:
    """The methods that compiled kernels serve all the way."""
    executor = model._executor
    found = ["predict", *(["predict_certified"] if hasattr(model, "classes_") else [])] if executor.compiled is not None else []
    inner, given = (executor, rows) if executor.front is None else (executor.front.inner, executor.front.matrix(rows))
    for method, position in model._artifact.plan.outputs.items():
        place = inner.plan.outputs[method]
        scores = inner.fused is not None and inner.plan.input == "text" and inner._decision.inputs[0] == place
        leaves = model._artifact.plan.ops[position].kind == "LeafNumbers"
        one_pass = not isinstance(inner.plan.ops[place], Log) and inner._at_once(method, given) is not None
        if method != "predict" and (scores or leaves or one_pass):
            found.append(method)
    return sorted(found)


def main(folder: Path) -> None:
    from test_golden import NAMES, expected, restored

    folder.mkdir(parents=True, exist_ok=True)
    for make in (texts, matrices, frames):
        for name, source, rows in make():
            qc.save(qc.quantize(source), folder / f"{name}.qc")
            (folder / f"{name}.rows").write_bytes(pickle.dumps((rows, compiled(qc.load(folder / f"{name}.qc"), rows))))
    for name in NAMES:
        shutil.copyfile(GOLDEN / f"{name}.qc", folder / f"golden-{name}.qc")
        rows = drawn(restored(expected(name)["rows"]), ROWS)
        exact = compiled(qc.load(GOLDEN / f"{name}.qc"), rows)
        (folder / f"golden-{name}.rows").write_bytes(pickle.dumps((rows, exact)))
    print(json.dumps({path.stem: pickle.loads(path.read_bytes())[1] for path in sorted(folder.glob("*.rows"))}, indent=1))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
