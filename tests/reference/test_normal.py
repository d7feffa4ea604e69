"""Normal deviates: within the stated distance of SciPy's, and of the standard library's where that is exact to 1e-16."""

from __future__ import annotations

from statistics import NormalDist

import numpy as np
from scipy.special import ndtri

from quantcore.reference.normal import EXACT_TO, deviates

RANDOM = np.random.default_rng(31)


def probabilities():
    edges = np.array(
        [0.075, 0.5, 0.925, np.exp(-2), 1 - np.exp(-2), np.exp(-25), np.exp(-32), 1e-7, 1 - 1e-7, 5e-324, 1 - 2.0**-53]
    )
    near = [edges, np.nextafter(edges, 0), np.nextafter(edges, 1)]
    return np.concatenate(
        [RANDOM.random(200_000), 10.0 ** RANDOM.uniform(-308, 0, 50_000), 0.5 + RANDOM.normal(size=20_000) * 1e-9, *near]
    )


def test_deviates_lie_within_the_stated_distance_of_scipy_s():
    p = probabilities()
    found, expected = deviates(p), ndtri(p)
    finite = np.isfinite(expected)
    np.testing.assert_array_equal(found[~finite], expected[~finite])
    assert (np.abs(found - expected)[finite] <= EXACT_TO * np.abs(expected[finite])).all()


def test_deviates_are_the_standard_library_s():
    p = probabilities()[::500]
    p = p[(p > 0.0) & (p < 1.0)]
    np.testing.assert_allclose(deviates(p), [NormalDist().inv_cdf(v) for v in p.tolist()], rtol=1e-15)


def test_edges():
    with np.errstate(all="raise"):
        found = deviates(np.array([0.0, 1.0, 0.5, -0.1, 1.1, np.nan]))
    np.testing.assert_array_equal(found, [-np.inf, np.inf, 0.0, np.nan, np.nan, np.nan])
