"""What is outside of the tested releases is refused, with what to do."""

from __future__ import annotations

import re
import sys
from pathlib import Path

import numpy as np
import pytest
from sklearn.ensemble import VotingClassifier
from sklearn.linear_model import LogisticRegression

from quantcore.errors import UnsupportedModelError
from quantcore.importers import convert
from quantcore.importers.versions import SUPPORTED, release, unsupported

ROOT = Path(__file__).parents[2]
X, Y = np.random.default_rng(0).normal(size=(40, 3)), np.arange(40) % 2


def linear():
    return LogisticRegression().fit(X, Y)


def boosted(name):
    module = pytest.importorskip(name)
    kind = module.XGBClassifier if name == "xgboost" else module.LGBMClassifier
    return kind(n_estimators=2, n_jobs=1).fit(X, Y)


def test_releases():
    assert [release(v) for v in ("1.7.2", "2.0.0rc1", "1.4.1.post1", "10.12", "unknown")] == [
        (1, 7),
        (2, 0),
        (1, 4),
        (10, 12),
        (0, 0),
    ]


@pytest.mark.parametrize("module", SUPPORTED)
def test_bounds(module, monkeypatch):
    import importlib

    loaded = importlib.import_module(module) if module in ("numpy", "sklearn") else pytest.importorskip(module)
    assert unsupported(module) is None
    _, oldest, newest = SUPPORTED[module]
    inside = [".".join(map(str, (*end, 0, 0)[:3])) for end in (oldest, newest)] + [".".join(map(str, newest)) + ".9.9"]
    before = f"{oldest[0]}.{oldest[1] - 1}.9" if len(oldest) > 1 else f"{oldest[0] - 1}.99.0"
    after = f"{newest[0]}.{newest[1] + 1}.0" if len(newest) > 1 else f"{newest[0] + 1}.0.0.dev0"
    for version, fits in [*((v, True) for v in inside), (before, False), (after, False)]:
        monkeypatch.setattr(loaded, "__version__", version)
        assert (unsupported(module) is None) == fits, version


@pytest.mark.parametrize(
    "module, version, model",
    [
        ("numpy", "3.0.0", linear),
        ("sklearn", "1.3.2", linear),
        ("xgboost", "1.7.6", lambda: boosted("xgboost")),
        ("lightgbm", "3.3.5", lambda: boosted("lightgbm")),
        ("xgboost", "1.7.6", lambda: VotingClassifier([(n, boosted("xgboost")) for n in "ab"]).fit(X, Y)),
    ],
)
def test_conversion_stops(module, version, model, monkeypatch):
    fitted = model()
    monkeypatch.setattr(f"{module}.__version__", version)
    with pytest.raises(UnsupportedModelError) as caught:
        convert(fitted)
    (found,) = caught.value.obstacles
    assert (found.estimator, found.parameter) == (SUPPORTED[module][0], version)
    assert "supported are" in found.advice and "install" in found.advice


@pytest.mark.skipif(not (ROOT / "tools" / "compat.txt").exists(), reason="tests an installed package: tools/ is not there")
def test_both_ends_are_tested():
    """tools/compat.txt has the oldest release of everything; the newest ones come without a number."""
    lines = [line.split() for line in (ROOT / "tools" / "compat.txt").read_text().splitlines() if not line.startswith("#")]
    wanted = {line[0]: dict(re.match(r"([a-z-]+)(?:==)?(.*)", item).groups() for item in line[1:]) for line in lines}
    assert not any(wanted["newest"].values())
    for module, package in {"numpy": "numpy", "sklearn": "scikit-learn", "xgboost": "xgboost", "lightgbm": "lightgbm"}.items():
        oldest = ".".join(map(str, (*SUPPORTED[module][1], 0)[:2]))
        assert wanted["oldest"][package] == f"{oldest}.*"
    minors = {wanted[name].get("scikit-learn") for name in wanted} - {""}
    assert minors == {f"1.{minor}.*" for minor in range(SUPPORTED["sklearn"][1][1], SUPPORTED["sklearn"][2][1])}


def test_what_is_not_known_or_not_loaded_is_no_obstacle(monkeypatch):
    monkeypatch.delitem(sys.modules, "xgboost", raising=False)
    assert unsupported("xgboost") is None
    assert unsupported("json") is None
