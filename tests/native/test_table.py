"""The pass over tables: every ISA against the scalar kernel, bit for bit, on generated models (tests/runtime has the oracles)."""

import numpy as np
import pytest

from quantcore.plan import INPUT
from quantcore.plan.ops import Affine, ArgMax, Impute, Linear, PlanarLinear, Threshold
from quantcore.runtime import table

SLOT = ("run", "rows", "table")


def scores_op(rng, n_features, n_outputs):
    """Weights on a grid, or of float64."""
    bias = rng.integers(-3, 4, n_outputs) / 4.0
    if n_outputs % 2:
        return Linear(inputs=(INPUT,), weight=rng.integers(-999, 1000, (n_features, n_outputs)) / 256.0, bias=bias)
    return PlanarLinear(
        inputs=(INPUT,),
        rows=rng.integers(-9999, 10000, (n_features, n_outputs)).astype(np.int16),
        exponent=rng.integers(-16, -8, n_features).astype(np.int16),
        index=None,
        bias=bias,
        centred=False,
        sublinear=False,
        idf=None,
        norm=None,
        error=0.5,
        amplitude=10000.0,
    )


def steps(rng, before, width):
    """Ops in front of the scores."""
    shift, scale = rng.integers(-8, 9, width) / 4.0, rng.integers(1, 9, width) / 3.0
    return {
        "nothing": (),
        "standard": (Affine(shift=shift, scale=scale),),
        "rounded": (Affine(shift=shift, scale=scale, cast=True),),
        "clipped": (Affine(shift=shift, scale=scale, product=True, clip=(0.0, 1.0), sparse="refuse"),),
        "filled": (Impute(missing=None, fill=shift), Affine(shift=shift, scale=scale)),
    }[before]


@pytest.mark.parametrize("first", ["float32", "int8"])
@pytest.mark.parametrize("before", ["nothing", "standard", "rounded", "clipped", "filled"])
@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_bits_of_labels_scores_and_bounds(on_every_isa, monkeypatch, dtype, before, first):
    monkeypatch.setattr(table, "_PLANE_OUTPUTS", 2 if first == "int8" else 1 << 30)
    monkeypatch.setattr(table, "_PLANE_WEIGHTS", 1)
    rng = np.random.default_rng(len(before))
    cases = []
    for n_features in (1, 15, 16, 33, 100):
        for n_outputs in (1, 2, 3, 10, 21):
            decision = Threshold(classes=np.arange(2)) if n_outputs == 1 else ArgMax(classes=np.arange(n_outputs))
            rows = (rng.integers(-999, 1000, (19, n_features)) / 128.0).astype(dtype)
            rows[::5] *= 0.0
            cases.append((table.Chain(steps(rng, before, n_features), scores_op(rng, n_features, n_outputs)), decision, rows))

    def run(door):
        results = []
        for chain, decision, rows in cases:
            model = table.build(door, chain, rows.shape[1], decision)
            results += [*model.labels(rows), *model.scores(rows)]
        return results

    assert len(on_every_isa("table", SLOT, run)) == 4 * len(cases)
