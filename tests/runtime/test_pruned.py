"""Pruned weights: which layout is chosen, and that it has the unpruned bits."""

import numpy as np
import pytest

from quantcore.native import registry
from quantcore.runtime import pruned


@pytest.mark.parametrize(
    "shape, density, expected",
    [
        ((31_000, 151), 0.1, "rows"),
        ((31_000, 151), 0.0, "rows"),  # too narrow for any list
        ((3_000, 1000), 0.1, "rows"),  # in a cache
        ((3_000, 1000), 0.03, "lists"),
        ((100_000, 1000), 0.03, "lists"),
        ((100_000, 1000), 0.1, "masks"),
        ((100_000, 1000), 0.6, "rows"),
        ((1_000_000, 151), 0.1, "rows"),
        ((1_000, 70_000), 0.001, "masks"),  # more outputs than lists can number
        ((0, 300), 0.0, "lists"),
    ],
)
def test_layout(shape, density, expected):
    assert pruned.layout(*shape, density) == expected


@pytest.mark.skipif(registry.door("sparse") is None, reason="this checkout is pure NumPy")
@pytest.mark.parametrize(
    "n_outputs, zeros, kind", [(20, 0.5, "Rows"), (500, 0.99, "Lists"), (300, 0.0, "Rows"), (40, 1.0, "Rows")]
)
@pytest.mark.parametrize("indexed", [False, True])
def test_bits_are_those_of_unpruned_rows(n_outputs, zeros, kind, indexed):
    random = np.random.default_rng(0)
    rows = random.integers(-127, 128, (90, n_outputs)).astype(np.int8)
    rows[(random.random(rows.shape) < zeros) | (random.random(90) < 0.5)[:, None]] = 0
    scale = random.random(90).astype(np.float32)
    index = random.integers(0, 90, 200).astype(np.uint32) if indexed else None
    indptr = np.arange(0, 601, 20, dtype=np.int64)
    indices, data = random.integers(0, 200 if indexed else 90, 600), random.normal(size=600)
    door = registry.door("sparse")
    found = pruned.build(door, rows, scale, index)
    full = door.Rows(rows, scale, index)
    assert type(found).__name__ == kind and found.shape == full.shape
    assert found.scores(indptr, indices, data).tobytes() == full.scores(indptr, indices, data).tobytes()
    if index is not None:
        index[:50] = 0xFFFFFFFF
        again = pruned.build(door, rows, scale, index).scores(indptr, indices, data)
        assert again.tobytes() == door.Rows(rows, scale, index).scores(indptr, indices, data).tobytes()
