"""What all tests share: the data folder, the profile of hypothesis, and a header that says which build is tested."""

from __future__ import annotations

import os
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


@pytest.fixture(scope="session")
def data_dir() -> Path:
    """The folder of real data sets; the test is skipped where there is none."""
    folder = Path(os.environ.get("QUANTCORE_DATA") or ROOT.parent / "shared" / "data")
    if not folder.is_dir():
        pytest.skip(f"no data sets: {folder} is not a folder; set QUANTCORE_DATA to the folder that holds them")
    return folder
