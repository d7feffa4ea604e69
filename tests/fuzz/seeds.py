"""Small artifacts of every kind of Plan that models become, and rows that fit them."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from sklearn.compose import ColumnTransformer
from sklearn.ensemble import GradientBoostingClassifier, HistGradientBoostingClassifier, RandomForestClassifier
from sklearn.feature_extraction import DictVectorizer
from sklearn.feature_extraction.text import CountVectorizer, HashingVectorizer, TfidfVectorizer
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LinearRegression, LogisticRegression, RidgeClassifier
from sklearn.multiclass import OneVsRestClassifier
from sklearn.naive_bayes import GaussianNB
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, OrdinalEncoder, PolynomialFeatures, StandardScaler

import quantcore as qc
from quantcore.artifact import decode
from quantcore.artifact.canonical import dumps, loads
from quantcore.artifact.codec import DICTIONARY
from quantcore.artifact.container import ARRAY, POOL, Section, unpack
from quantcore.artifact.decoder import content
from quantcore.artifact.encoder import Encoder
from quantcore.artifact.tree import plan_to_tree

GOLDEN = sorted((Path(__file__).resolve().parents[1] / "golden").glob("*.qc"))
WORDS = "account alarm balance book card cancel change check food hotel music play quick réserver transfer water".split()
RANDOM = np.random.default_rng(0)
TEXTS = [" ".join(RANDOM.choice(WORDS, 6)) for _ in range(60)]
LABELS = np.array(["ham", "spam", "буква"])[[hash_ % 3 for hash_ in map(len, TEXTS)]]
X = np.abs(RANDOM.normal(size=(80, 5)))
Y = np.digitize(X.sum(axis=1), np.quantile(X.sum(axis=1), [0.3, 0.6]))
MIXED = np.empty((40, 3), object)
MIXED[:, 0] = RANDOM.choice(["red", "green", "blue"], 40)
MIXED[:, 1] = RANDOM.choice(["s", "m", "l"], 40)
MIXED[:, 2] = RANDOM.normal(size=40)
MIXED_Y = RANDOM.integers(0, 2, 40)
RECORDS = [{"age": float(i % 7), "city=" + "abc"[i % 3]: 1.0} for i in range(30)]


class Seed(NamedTuple):
    """One artifact taken apart.

    Parameters
    ----------
    data : bytes
        The file.
    document : dict
        Its metadata as parsed, and ``sections`` of the file behind it.
    tree : dict
        The metadata with arrays in the place of nodes: ``Coded`` nodes, one of the codings that each array may have.
    rows : list
        Inputs of ``predict``, each fitting the model.
    """

    name: str
    data: bytes
    document: dict[str, Any]
    sections: list[Section]
    tree: dict[str, Any]
    rows: list[Any]


class Coded(list[Any]):
    """What stands behind ``$``: a node with arrays as its leaves."""


def sources() -> Iterator[tuple[str, Callable[[], Any], dict[str, Any], list[Any]]]:
    """Fitted models, options of ``quantize``, inputs."""
    texts = [TEXTS[:3], ["", "hôtel CAFÉ 日本 😀 İ\0", "alarm " * 40]]
    rows = [X[:3], np.zeros((1, 5)), X[:20].astype(np.float32)]
    logistic = lambda: LogisticRegression(max_iter=30)  # noqa: E731
    yield "binary", lambda: make_pipeline(TfidfVectorizer(ngram_range=(1, 2)), logistic()).fit(TEXTS, LABELS == "ham"), {}, texts
    yield "several", lambda: make_pipeline(TfidfVectorizer(sublinear_tf=True), logistic()).fit(TEXTS, LABELS), {}, texts
    yield (
        "characters",
        lambda: make_pipeline(CountVectorizer(analyzer="char_wb", ngram_range=(1, 2)), RidgeClassifier()).fit(TEXTS, LABELS),
        {},
        texts,
    )
    yield (
        "exact",
        lambda: make_pipeline(TfidfVectorizer(stop_words=["food"], strip_accents="unicode"), logistic()).fit(TEXTS, LABELS),
        {"guarantee": "exact"},
        texts,
    )
    yield (
        "hashing",
        lambda: make_pipeline(HashingVectorizer(n_features=64), logistic()).fit(TEXTS, LABELS),
        {},
        texts,
    )
    yield "counts", lambda: CountVectorizer(token_pattern=r"[a-z]+", binary=True).fit(TEXTS), {}, texts
    yield "linear", lambda: logistic().fit(X, Y), {}, rows
    yield (
        "scaled",
        lambda: make_pipeline(SimpleImputer(), StandardScaler(), logistic()).fit(X, Y > 0),
        {"guarantee": "exact"},
        rows,
    )
    yield "multilabel", lambda: OneVsRestClassifier(logistic()).fit(X, (X[:, :3] > 0.7).astype(int)), {}, rows
    yield "regression", lambda: make_pipeline(PolynomialFeatures(2), LinearRegression()).fit(X, X[:, :2]), {}, rows
    yield "gaussian", lambda: GaussianNB().fit(X, Y), {}, rows
    yield "forest", lambda: RandomForestClassifier(3, max_depth=4, random_state=0).fit(X, Y), {}, rows
    yield "gradient", lambda: GradientBoostingClassifier(n_estimators=2, random_state=0).fit(X, Y), {}, rows
    yield (
        "histogram",
        lambda: HistGradientBoostingClassifier(max_iter=2, max_leaf_nodes=5, categorical_features=[1]).fit(
            np.column_stack([X[:, 0], np.arange(80) % 5]), Y > 0
        ),
        {},
        [np.column_stack([X[:4, 0], np.arange(4)])],
    )
    yield (
        "columns",
        lambda: make_pipeline(
            ColumnTransformer([("a", OneHotEncoder(handle_unknown="ignore"), [0, 1]), ("b", StandardScaler(), [2])]), logistic()
        ).fit(MIXED, MIXED_Y),
        {},
        [MIXED[:4], MIXED[:1]],
    )
    yield (
        "codes",
        lambda: make_pipeline(
            ColumnTransformer([("a", OrdinalEncoder(handle_unknown="use_encoded_value", unknown_value=-1), [0, 1])]), logistic()
        ).fit(MIXED, MIXED_Y),
        {},
        [MIXED[:4]],
    )
    yield "records", lambda: make_pipeline(DictVectorizer(), logistic()).fit(RECORDS, np.arange(30) % 2), {}, [RECORDS[:4]]


def make() -> list[Seed]:
    """All seeds; the same on every run."""
    found: list[Seed] = []
    for name, fit, options, rows in sources():
        calibration = None if name == "counts" else rows[0]
        found += variants(name, qc.quantize(fit(), calibration, **options).data, rows)
    for path in GOLDEN:
        rows = _rows(json.loads(path.with_suffix(".json").read_text("utf-8"))["rows"])
        found += variants(f"golden {path.stem}", path.read_bytes(), [rows, rows[:1] if isinstance(rows, list) else rows])
    return found


def variants(name: str, data: bytes, rows: list[Any]) -> Iterator[Seed]:
    """A file with its arrays in one coding or another, with its self-test and without."""
    sections, _ = unpack(memoryview(data), None)
    whole = json.loads(bytes(content(sections[0], DICTIONARY)).decode("utf-8", "surrogatepass"))
    for variant in range(4):
        document, tree = whole, _coded(data, variant)
        if variant % 2:  # with it most changes of weights would end at load
            document, tree["extra"] = _without_selftest(document), _without_selftest(tree)["extra"]
        yield Seed(f"{name} {variant}", data, document, sections[1:], tree, rows)


def _rows(stored: Any) -> Any:
    """Rows of a golden file, from its JSON (tools/make_golden.py)."""
    if isinstance(stored, dict) and "columns" in stored:
        return stored["columns"]
    if isinstance(stored, dict) and "dtype" in stored:
        dtype = np.dtype(stored["dtype"])
        found = np.frombuffer(bytes.fromhex(stored["hex"]), dtype) if "hex" in stored else np.array(stored["values"], dtype)
        return found.reshape(stored["shape"])
    return stored


def _without_selftest(document: dict[str, Any]) -> dict[str, Any]:
    """Its answers are plain numbers, so that no array is left over."""
    return {**document, "extra": {key: value for key, value in document["extra"].items() if key != "selftest"}}


def _coded(data: bytes, variant: int) -> dict[str, Any]:
    """The document with each array in one of its codings, another one in each variant."""
    artifact = decode(data)
    encoder = Encoder()

    def replaced(value: Any) -> Any:
        if isinstance(value, dict):
            return {key: replaced(member) for key, member in value.items()}
        if isinstance(value, (list, tuple)):
            return [replaced(member) for member in value]
        if isinstance(value, np.ndarray):
            choices = encoder._candidates(value)
            node = choices[variant % len(choices)]
            return {"$": Coded(node) if isinstance(node, list) else node}
        if hasattr(value, "symbol_ends"):
            return {"$": Coded(encoder._trie(value))}
        return value

    tree: dict[str, Any] = replaced({"extra": artifact.extra, "plan": plan_to_tree(artifact.plan)})
    return tree


def written(tree: Any, pool: list[bytes], used: list[int]) -> Any:
    """The document of a tree; arrays go to the pool. ``used`` counts its bytes."""
    if isinstance(tree, dict):
        return {key: written(tree[key], pool, used) for key in sorted(tree)}
    if isinstance(tree, list):
        return [written(member, pool, used) for member in tree]
    if isinstance(tree, np.ndarray):
        raw = np.ascontiguousarray(tree)
        pool.append(raw.view(np.uint8).reshape(-1, raw.itemsize).T.tobytes() if raw.size else b"")
        used[0] += raw.nbytes
        return ["pool", raw.dtype.str[1:], *raw.shape]
    return tree


def assembled(tree: Any) -> tuple[bytes, list[Section]]:
    """Metadata and sections of a tree."""
    pool: list[bytes] = []
    text = dumps(written(tree, pool, [0]))
    data = b"".join(pool)
    return text, [Section(POOL, 0, "u1", (len(data),), data)] if data else []


__all__ = ["ARRAY", "Coded", "Seed", "assembled", "loads", "make", "sources"]
