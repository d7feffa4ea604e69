"""CSR x int8 beside SciPy's CSR @ dense float64, on matrices of the shapes of real text models."""

import numpy as np
import pytest
from scipy.sparse import csr_matrix

from quantcore.native import registry

# name: features, outputs, rows, nonzeros a row
SETS = {"clinc150": (31314, 151, 1000, 15), "banking77": (23608, 77, 1000, 22), "goemotions": (207794, 28, 1000, 25)}


def problem(name):
    n_features, n_outputs, n_rows, nonzeros = SETS[name]
    rng = np.random.default_rng(0)
    indices = rng.integers(0, n_features, n_rows * nonzeros).astype(np.int32)
    indptr = np.arange(0, n_rows * nonzeros + 1, nonzeros, dtype=np.int32)
    x = csr_matrix((rng.random(n_rows * nonzeros), indices, indptr), shape=(n_rows, n_features))
    return x, rng.normal(size=(n_features, n_outputs))


def door(family):
    found = registry.door(family)
    if found is None:
        pytest.skip("the native modules are not built")
    return found


@pytest.mark.parametrize("name", SETS)
def bench_int8(benchmark, name):
    x, weight = problem(name)
    model = door("sparse").Int8Rows(*door("pack").to_int8(weight.astype(np.float32)))
    data = x.data.astype(np.float32)
    benchmark.group = f"CSR scores, {name}"
    benchmark.extra_info.update(
        isa=registry.implementation("sparse").isa, nonzeros=x.nnz, weight_bytes_read=x.nnz * weight.shape[1]
    )
    scores = benchmark(model.scores, x.indptr, x.indices, data)
    np.testing.assert_allclose(scores, x @ weight, atol=0.1)


@pytest.mark.parametrize("name", SETS)
def bench_scipy(benchmark, name):
    x, weight = problem(name)
    benchmark.group = f"CSR scores, {name}"
    benchmark.extra_info.update(nonzeros=x.nnz, weight_bytes_read=x.nnz * weight.shape[1] * 8)
    benchmark(lambda: x @ weight)


def bench_float32_column(benchmark):
    x, weight = problem("clinc150")
    model = door("sparse").Float32Column(weight[:, 0].astype(np.float32))
    data = x.data.astype(np.float32)
    benchmark.group = "CSR scores, one output"
    scores = benchmark(model.scores, x.indptr, x.indices, data)
    np.testing.assert_allclose(scores[:, 0], x @ weight[:, 0], atol=1e-4)


def bench_scipy_column(benchmark):
    x, weight = problem("clinc150")
    column = weight[:, 0].copy()
    benchmark.group = "CSR scores, one output"
    benchmark(lambda: x @ column)
