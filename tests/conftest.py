"""What all tests share: the data folder, the profile of hypothesis, and a header that says which build is tested."""

from __future__ import annotations

import os
import re
import sysconfig
from pathlib import Path

import pytest
from hypothesis import settings

ROOT = Path(__file__).resolve().parents[1]

# The same examples on every machine, and no deadline: tests assert results, never times.
settings.register_profile("quantcore", deadline=None, derandomize=True, print_blob=True)
settings.load_profile("quantcore")


def pytest_report_header() -> str:
    import quantcore

    house = Path(quantcore.__file__).parent
    suffix = sysconfig.get_config_var("EXT_SUFFIX")
    doors = sorted(path.name.removesuffix(suffix) for path in (house / "native").glob(f"_*{suffix}"))
    return f"quantcore: {house}, native doors: {', '.join(doors) or 'none'}"


def pytest_ignore_collect(collection_path: Path) -> bool | None:
    """With QUANTCORE_NUMPY_ALONE=1 what needs scikit-learn, XGBoost or LightGBM is left out: where those have no wheels, or where
    it is to be shown that nothing else is needed. Without it a missing one is an error."""
    if os.environ.get("QUANTCORE_NUMPY_ALONE", "") in ("", "0"):
        return None
    if collection_path.is_dir():
        return True if collection_path.name in ("importers", "soak") else None
    text = collection_path.read_text(encoding="utf-8") if collection_path.suffix == ".py" else ""
    return True if re.search(r"^\s*(import|from) (joblib|lightgbm|scipy|sklearn|xgboost)\b", text, re.M) else None


@pytest.fixture(scope="session")
def data_dir() -> Path:
    """The folder of real data sets; the test is skipped where there is none."""
    folder = Path(os.environ.get("QUANTCORE_DATA") or ROOT.parent / "shared" / "data")
    if not folder.is_dir():
        pytest.skip(f"no data sets: {folder} is not a folder; set QUANTCORE_DATA to the folder that holds them")
    return folder
