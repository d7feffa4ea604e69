"""Plans of every shape that an artifact has to hold, built by hand; equality down to the bit; checksums repaired."""

from __future__ import annotations

import dataclasses
import itertools
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from quantcore.artifact import encode
from quantcore.plan import Plan, Vocabulary
from quantcore.plan.ops import (
    ArgMax,
    Binarize,
    Codes,
    Concat,
    Fill,
    LeafNumbers,
    LeafSum,
    Linear,
    Lookup,
    MissingCells,
    MultiLabel,
    Numbers,
    OneHot,
    PlanarLinear,
    Predictions,
    Sigmoid,
    Softmax,
    Text,
    TfIdf,
    Threshold,
    Trees,
)

sys.path.append(str(Path(__file__).parents[1] / "fuzz"))
sys.path.append(str(Path(__file__).parent))  # for the modules that some tests here share
from checksums import repaired  # noqa: E402

WORDS = "account alarm balance book card cancel change check food hotel music play quick réserver transfer water weather".split()


def text(terms: dict[tuple[str, ...], int] | None, n_features: int, **changes: Any) -> Text:
    analyzer = changes.get("analyzer", "word")
    fields: dict[str, Any] = {
        "analyzer": "word",
        "ngram_range": (1, 2),
        "lowercase": True,
        "strip_accents": None,
        "token_pattern": r"(?u)\b\w\w+\b",
        "stop_words": (),
        "encoding": "utf-8",
        "decode_error": "strict",
        "source": "content",
        "binary": False,
        "n_features": n_features,
        "vocabulary": None if terms is None else Vocabulary.from_terms(terms, " " if analyzer == "word" else ""),
        "alternate_sign": terms is None,
    }
    return Text(**{**fields, **changes})


def terms(n: int) -> dict[tuple[str, ...], int]:
    """Words and pairs of words, numbered as scikit-learn numbers a learnt vocabulary."""
    grams = [(w,) for w in WORDS] + list(itertools.product(WORDS, WORDS))
    rng = np.random.default_rng(0)
    chosen = [grams[i] for i in sorted(rng.choice(len(grams), n, replace=False))]
    return {gram: column for column, gram in enumerate(sorted(chosen, key=" ".join))}


def idf(n: int, documents: int = 1000) -> np.ndarray:
    counts = np.random.default_rng(1).integers(1, documents, n).astype(np.float64)
    return np.log((documents + 1) / (counts + 1)) + 1.0


def planar(n: int, outputs: int, **changes: Any) -> PlanarLinear:
    rng = np.random.default_rng(2)
    rows = np.rint(rng.standard_t(3, (n, outputs)) * 200).clip(-32000, 32000).astype(np.int16)
    fields: dict[str, Any] = {
        "inputs": (0,),
        "rows": rows,
        "exponent": np.full(n, -9, np.int16),
        "index": None,
        "bias": rng.normal(size=outputs),
        "centred": False,
        "sublinear": True,
        "idf": idf(n),
        "norm": "l2",
        "error": 0.5,
        "amplitude": 40.0,
    }
    return PlanarLinear(**{**fields, **changes})


def binary(n: int = 60) -> Plan:
    classes = np.array(["ham", "spam"])
    ops = (
        text(terms(n), n),
        planar(n, 1),
        Sigmoid(inputs=(1,), slope=np.array([-1.0]), offset=np.array([0.0]), paired=True),
        Threshold(inputs=(1,), classes=classes),
    )
    return Plan(ops, {"predict": 3, "predict_proba": 2, "decision_function": 1}, "text", classes=classes, source="Pipeline")


def by_frequency(n: int = 4000) -> Plan:
    """One column of weights whose size goes with the document frequency, which a few ranges tell."""
    rng = np.random.default_rng(8)
    counts = np.minimum(rng.zipf(1.5, n), 900)
    rows = np.rint(rng.normal(size=n) * 3 * counts).clip(-32000, 32000).astype(np.int16)[:, None]
    linear = planar(n, 1, rows=rows, exponent=np.full(n, -9, np.int16), idf=np.log(1001 / (counts + 1.0)) + 1.0)
    ops = (text(None, n), linear, Threshold(inputs=(1,), classes=np.array([False, True])))
    return Plan(ops, {"predict": 2, "decision_function": 1}, "text", classes=np.array([False, True]))


def several(n: int = 200, outputs: int = 5) -> Plan:
    """Shared rows, an exponent that follows the idf, string classes of mixed script."""
    classes = np.array(["añadir", "буква", "c", "d" * 40, ""])
    distinct = 80
    index = np.concatenate([np.arange(distinct), np.random.default_rng(3).integers(0, distinct, n - distinct)]).astype(np.uint32)
    linear = planar(n, outputs, index=index, rows=planar(distinct, outputs).rows, exponent=np.full(distinct, -3, np.int16))
    ops = (text(terms(n), n), linear, Softmax(inputs=(1,)), ArgMax(inputs=(1,), classes=classes))
    return Plan(ops, {"predict": 3, "predict_proba": 2}, "text", classes=classes)


def characters() -> Plan:
    """Three levels; some inner nodes are no terms; columns in an order of their own."""
    rng = np.random.default_rng(4)
    grams = sorted(
        {tuple(w[i : i + k]) for w in (*WORDS, "日本語のテキスト", "\ud800x😀") for k in (1, 2, 3) for i in range(len(w) - k + 1)}
    )
    chosen = [grams[i] for i in rng.permutation(len(grams))[: len(grams) * 3 // 4]]
    featurizer = text({g: c for c, g in enumerate(chosen)}, len(chosen) + 3, analyzer="char", ngram_range=(1, 3))
    weight = rng.normal(size=(len(chosen) + 3, 3))
    ops = (
        featurizer,
        TfIdf(inputs=(0,), sublinear=False, idf=None, norm="l1"),
        Linear(inputs=(1,), weight=weight, bias=np.zeros(3)),
        MultiLabel(inputs=(2,)),
    )
    return Plan(ops, {"predict": 3, "transform": 1, "decision_function": 2}, "text")


def hashing() -> Plan:
    rng = np.random.default_rng(5)
    index = np.zeros(1 << 14, np.uint32)
    index[rng.integers(0, 1 << 14, 50)] = np.arange(1, 51)
    linear = planar(51, 1, index=index, idf=None, norm=None, sublinear=False, rows=np.arange(51, dtype=np.int32)[:, None] * 70000)
    ops = (text(None, 1 << 14), linear, Threshold(inputs=(1,), classes=np.array([False, True]), at=0.25))
    return Plan(ops, {"predict": 2, "decision_function": 1}, "text", classes=np.array([False, True]))


def matrix() -> Plan:
    classes = ("no", 1)
    linear = Linear(inputs=(0,), weight=np.arange(12.0).reshape(4, 3)[:, :1], bias=np.array([-0.0]), dtype="float32")
    names = tuple(f"feature {i}" for i in range(4))
    ops = (Binarize(threshold=0.5), linear, Threshold(inputs=(1,), classes=classes))
    return Plan(ops, {"predict": 2}, "matrix", n_features_in=4, classes=classes, feature_names_in=names)


def forest() -> Plan:
    """Trees of random shapes; thresholds of both signs, zero and infinity; the leaves' numbers follow from the shapes."""
    rng = np.random.default_rng(6)
    flags: list[bool] = []
    numbers: list[int] = []
    for _ in range(12):
        start, waiting = len(flags), 1
        while waiting:
            flags.append(bool(rng.random() < (0.3 if len(flags) - start < 15 else 0.8)))
            waiting += -1 if flags[-1] else 1
            if flags[-1]:
                numbers.append(len(flags) - 1 - start)
    threshold = np.concatenate([np.sort(rng.normal(size=700)), [0.0, 1e-40, 1.0, np.inf]]).astype(np.float32)
    trees = Trees(
        leaf=np.array(flags),
        split=rng.integers(0, len(threshold), flags.count(False)).astype(np.uint32),
        feature=np.array([0, 2], np.uint32),
        missing=np.zeros(2, np.uint8),
        ends=np.array([700, 704], np.uint32),
        threshold=threshold,
    )
    leaves = LeafNumbers(inputs=(0,), numbers=np.array(numbers, np.uint32), shape=(12,))
    return Plan((trees, leaves), {"apply": 1}, "matrix", n_features_in=3)


def regression() -> Plan:
    """The same trees over thresholds right above float32 numbers; leaves are means times a learning rate, some of them not."""
    rng = np.random.default_rng(7)
    middle = np.concatenate([np.sort(part) for part in np.split(rng.normal(size=704).astype(np.float32), [700])]).astype(
        np.float64
    )
    trees = dataclasses.replace(forest().ops[0], threshold=np.nextafter(middle, np.inf))
    n_leaves = int(np.count_nonzero(trees.leaf))
    counts = rng.integers(1, 90, n_leaves)
    sums = np.array([rng.normal(size=n).astype(np.float32).astype(np.float64).sum() for n in counts])
    values = np.where(np.arange(n_leaves) % 9 == 0, rng.normal(size=n_leaves), sums / counts * 0.1)
    sums_ = LeafSum(inputs=(0,), values=values[:, None], index=None, output=None, base=np.zeros(1))
    return Plan((trees, sums_, Predictions(inputs=(1,), flat=True)), {"predict": 2}, "matrix", n_features_in=3)


def table() -> Plan:
    """Categories of every kind, few and many of them; places that count up, numbers that are NaN."""
    words = tuple(sorted({f"{a} {b}" for a in WORDS for b in WORDS[:6]} | {"\ud800", ""}))
    listed = [
        words,
        ("a", "b\0"),
        (None, True, 2, 3.5, "x", -0.0),
        np.arange(100) * 3 - 7,
        np.array([0.1, 0.5, np.inf]),
        np.array([False]),
    ]
    columns = np.array([1, 2, 3, 4, 5, 0], np.uint32)
    nan = (True, False, True, False, True, False)
    codes = Codes(inputs=(0,), columns=columns, categories=listed, nan=nan, unknown="keep")
    sizes = codes.n_codes()
    ends = tuple(np.cumsum(np.array(sizes) + 1).tolist())
    starts = np.cumsum([0, *sizes])
    place = np.concatenate([np.append(np.arange(start, start + size), -1) for start, size in zip(starts, sizes, strict=False)])
    hot = OneHot(inputs=(1,), ends=ends, place=place.astype(np.int32), n_outputs=int(starts[-1]))
    values = np.concatenate([np.append(np.arange(float(size)), np.nan) for size in sizes])[:, None]
    ops = (
        Fill(columns=np.array([1, 2], np.uint32), missing=(), fill=("filled", "")),
        codes,
        hot,
        Lookup(inputs=(1,), ends=ends, values=values),
        Numbers(columns=np.array([0, 6], np.uint32)),
        MissingCells(columns=np.array([6], np.uint32), missing=(None,)),
        Concat(inputs=(2, 3, 4, 5), weights=(1.0, 0.5, 1.0, 1.0), sparse=True),
    )
    names = tuple(f"column {i}" for i in range(7))
    named_out = tuple(f"out {i}" for i in range(hot.n_outputs + 6 + 2 + 1))
    return Plan(
        ops, {"transform": 6}, "table", n_features_in=7, feature_names_in=names, by_name=True, feature_names_out=named_out
    )


PLANS = {f.__name__: f for f in (binary, by_frequency, several, characters, hashing, matrix, forest, regression, table)}
EXTRA: dict[str, Any] = {
    "provenance": {"versions": {"quantcore": "0.1.0"}, "notes": ["a\u20ac", None, True, -1, 1e-300]},
    "report": {"agreement": 1.0, "histogram": np.arange(5, dtype=np.int64)},
    "selftest": {"rows": ["one", "two \ud800"], "scores": np.array([[1.5, -0.0], [np.inf, np.nan]])},
}


def _same(a: Any, b: Any) -> bool:
    """Whether two trees are equal: same types, same dtypes, same bits."""
    if isinstance(a, np.ndarray):
        return isinstance(b, np.ndarray) and a.dtype == b.dtype and a.shape == b.shape and a.tobytes() == b.tobytes()
    if dataclasses.is_dataclass(a):
        return type(a) is type(b) and all(_same(getattr(a, f.name), getattr(b, f.name)) for f in dataclasses.fields(a))
    if isinstance(a, dict):
        return isinstance(b, dict) and a.keys() == b.keys() and all(_same(a[k], b[k]) for k in a)
    if isinstance(a, (list, tuple)):
        return type(a) is type(b) and len(a) == len(b) and all(map(_same, a, b))
    return type(a) is type(b) and repr(a) == repr(b)


@pytest.fixture(params=PLANS)
def plan(request: pytest.FixtureRequest) -> Plan:
    return PLANS[request.param]()


@pytest.fixture
def plans() -> dict[str, Callable[..., Plan]]:
    return dict(PLANS)


@pytest.fixture
def extra() -> dict[str, Any]:
    return EXTRA


@pytest.fixture
def same() -> Callable[[Any, Any], bool]:
    return _same


@pytest.fixture
def repair() -> Callable[[bytearray], bytes]:
    return repaired


@pytest.fixture(scope="session", params=["binary", "several"])
def small(request: pytest.FixtureRequest) -> bytes:
    """A small artifact of a few hundred bytes."""
    return encode(PLANS[request.param](20 if request.param == "binary" else 90), {"report": {}, "provenance": {}})
