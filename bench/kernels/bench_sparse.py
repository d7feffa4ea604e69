"""CSR rows times weights beside SciPy's CSR @ dense float64: all precisions, exact scores, pruned layouts.

Contenders of a case take turns in one process, and the fastest round of each is compared: calls are shorter than a time slice, so
that noise only adds. `random_rows_gb_s` is the roof: the weights' rows, in the same order, copied into a buffer that stays in L1.
"""

from __future__ import annotations

import functools
import time
import warnings
from typing import Any, NamedTuple

import numpy as np
import pytest
import texts
from replay import Replay, clock
from scipy.sparse import csr_matrix
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.svm import LinearSVC
from timing import interleaved

from quantcore.native import registry
from quantcore.runtime import pruned

ROUNDS = 25
# features, outputs, rows of X
SHAPES = [(n, k, rows) for n, k in ((31_000, 151), (23_000, 77), (200_000, 28)) for rows in (1000, 5000)]
REAL = ("banking77", "clinc150")
CONTENDERS = ("scipy", "int8", "int4", "int16", "float16", "float32", "exact int16", "exact float64")
# features, outputs, what is pruned
PRUNED = [(31_000, 151, "features"), (31_000, 151, "weights"), (3_000, 1000, "weights"), (100_000, 1000, "weights")]
PRUNED_CONTENDERS = ("int8", "pruned", "lists", "masks")


class Case(NamedTuple):
    x: csr_matrix
    weight: np.ndarray


def door(family: str) -> Any:
    found = registry.door(family)
    if found is None:
        pytest.skip("the native modules are not built")
    return found


def rows_like_texts(n_features: int, n_rows: int) -> csr_matrix:
    """20 to 60 nonzeros a row; a feature's frequency falls with its rank, as words' do, and ranks are spread over the columns."""
    rng = np.random.default_rng(0)
    indptr = np.concatenate([[0], np.cumsum(rng.integers(20, 61, n_rows))]).astype(np.int32)
    ranks = np.minimum(n_features ** rng.random(indptr[-1]), n_features - 1).astype(np.int64)
    indices = rng.permutation(n_features)[ranks].astype(np.int32)
    return csr_matrix((rng.random(indptr[-1]), indices, indptr), shape=(n_rows, n_features))


def synthetic(n_features: int, n_outputs: int, n_rows: int) -> Case:
    rng = np.random.default_rng(1)
    return Case(rows_like_texts(n_features, n_rows), rng.normal(size=(n_features, n_outputs)))


def real(name: str) -> Case:
    split = texts.read(name)
    if split is None:
        pytest.skip(f"{name} is not there: QUANTCORE_DATA names the folder of data sets")
    vectorizer = TfidfVectorizer(ngram_range=(1, 2))
    train = vectorizer.fit_transform(split.train)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # it need not converge to be timed
        classifier = LinearSVC(max_iter=20, tol=1e-2).fit(train, split.train_labels)
    return Case(vectorizer.transform(split.test), np.ascontiguousarray(classifier.coef_.T))


def seconds(call: Any) -> float:
    call()  # brings its own weights back into the caches
    start = time.perf_counter()
    call()
    return time.perf_counter() - start


def timed(calls: dict[str, Any]) -> dict[str, list[float]]:
    return interleaved({name: functools.partial(seconds, call) for name, call in calls.items()}, ROUNDS, patience=5.0)


def copies(rows: np.ndarray, indices: np.ndarray) -> Any:
    """The roof: rows in the order of the nonzeros, a few at a time into a buffer that stays in L1."""
    few = max(1, 16384 // rows[0].nbytes)
    words = rows.view(np.int64) if rows[0].nbytes % 8 == 0 else rows
    buffer = np.empty((few, words.shape[1]), words.dtype)

    def run() -> None:
        for start in range(0, len(indices) - few, few):
            np.take(words, indices[start : start + few], axis=0, out=buffer, mode="clip")

    return run


@functools.cache
def measured(case: tuple[Any, ...]) -> tuple[Case, dict[str, list[float]], float]:
    problem = real(*case) if len(case) == 1 else synthetic(*case)
    x, weight = problem
    sparse, n_outputs = door("sparse"), weight.shape[1]
    single = weight.astype(np.float32)
    q, scale = door("pack").to_int8(single)
    bias, exponent = np.zeros(n_outputs), np.full(len(weight), -12, np.int16)
    grid = np.clip(np.rint(weight * 2.0**12), -32768, 32767).astype(np.int16)
    models = {
        "int8": sparse.Rows(q, scale),
        "int4": sparse.Rows(q >> 4, scale, bits=4),
        "int16": sparse.Rows(grid),
        "float16": sparse.Rows(single.astype(np.float16)),
        "float32": sparse.Rows(single),
        "exact int16": sparse.ExactRows(grid, bias, exponent),
        "exact float64": sparse.ExactRows(weight, bias),
    }
    data = x.data.astype(np.float32)
    calls = {"scipy": lambda: x @ weight}
    for name, model in models.items():
        calls[name] = functools.partial(model.scores, x.indptr, x.indices, x.data if "exact" in name else data)
    assert calls["exact float64"]().tobytes() == calls["scipy"]().tobytes()
    np.testing.assert_allclose(calls["int8"](), calls["scipy"](), atol=0.2)
    padded = np.zeros((len(q), -(-n_outputs // 16) * 16), np.int8)
    calls["roof"] = copies(padded, x.indices)
    found = timed(calls)
    roof = x.nnz * padded.shape[1] / min(found["roof"]) / 1e9
    return problem, found, roof


@pytest.mark.parametrize("contender", CONTENDERS)
@pytest.mark.parametrize("case", [*((name,) for name in REAL), *SHAPES], ids=lambda case: " x ".join(map(str, case)))
@pytest.mark.benchmark(timer=clock)
def bench_csr(benchmark: Any, case: tuple[Any, ...], contender: str) -> None:
    (x, weight), found, roof = measured(case)
    fastest = min(found[contender])
    benchmark.group = f"CSR scores, {' x '.join(map(str, case))}"
    benchmark.extra_info.update(
        isa=registry.implementation("sparse").isa,
        nonzeros=int(x.nnz),
        ns_per_nonzero=fastest / x.nnz * 1e9,
        times_scipy=min(found["scipy"]) / fastest,
    )
    if contender == "int8":
        benchmark.extra_info.update(weights_gb_s=x.nnz * weight.shape[1] / fastest / 1e9, random_rows_gb_s=roof)
    benchmark.pedantic(Replay(found[contender]), rounds=len(found[contender]), iterations=1)


@functools.cache
def measured_pruned(n_features: int, n_outputs: int, what: str) -> tuple[int, str, dict[str, list[float]]]:
    rng = np.random.default_rng(2)
    # Every feature is as frequent as any other, so that a tenth of the features has a tenth of the nonzeros.
    x = rows_like_texts(n_features, 2000)
    x.indices[:] = rng.integers(0, n_features, x.nnz)
    sparse = door("sparse")
    q = rng.integers(-127, 128, (n_features, n_outputs), dtype=np.int8)
    scale = rng.random(n_features).astype(np.float32)
    kept = rng.random((n_features, 1 if what == "features" else n_outputs), dtype=np.float32) < 0.1
    less = np.where(kept, q, 0).astype(np.int8)
    chosen = pruned.build(sparse, less, scale)
    models = {
        "int8": sparse.Rows(q, scale),
        "pruned": chosen,
        "lists": sparse.Lists(less, scale),
        "masks": sparse.Masks(less, scale),
    }
    data = x.data.astype(np.float32)
    calls = {name: functools.partial(model.scores, x.indptr, x.indices, data) for name, model in models.items()}
    unpruned = sparse.Rows(less, scale).scores(x.indptr, x.indices, data)
    assert all(calls[name]().tobytes() == unpruned.tobytes() for name in ("pruned", "lists", "masks"))
    return int(x.nnz), type(chosen).__name__, timed(calls)


@pytest.mark.parametrize("contender", PRUNED_CONTENDERS)
@pytest.mark.parametrize("n_features, n_outputs, what", PRUNED)
@pytest.mark.benchmark(timer=clock)
def bench_pruned(benchmark: Any, n_features: int, n_outputs: int, what: str, contender: str) -> None:
    """90% of the features, or of the weights, are 0."""
    nonzeros, chosen, found = measured_pruned(n_features, n_outputs, what)
    fastest = min(found[contender])
    benchmark.group = f"CSR scores, {n_features} x {n_outputs}, 90% of {what} pruned"
    benchmark.extra_info.update(
        chosen=chosen, ns_per_nonzero=fastest / nonzeros * 1e9, times_unpruned=min(found["int8"]) / fastest
    )
    benchmark.pedantic(Replay(found[contender]), rounds=len(found[contender]), iterations=1)


def bench_float32_column(benchmark: Any) -> None:
    x, weight = synthetic(31_000, 1, 1000)
    model = door("sparse").Float32Column(weight[:, 0].astype(np.float32))
    data = x.data.astype(np.float32)
    benchmark.group = "CSR scores, one output"
    scores = benchmark(model.scores, x.indptr, x.indices, data)
    np.testing.assert_allclose(scores[:, 0], x @ weight[:, 0], atol=1e-4)


def bench_scipy_column(benchmark: Any) -> None:
    x, weight = synthetic(31_000, 1, 1000)
    column = weight[:, 0].copy()
    benchmark.group = "CSR scores, one output"
    benchmark(lambda: x @ column)
