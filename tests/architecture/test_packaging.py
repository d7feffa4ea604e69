"""What the distributions hold: every package in the wheel, every native source in the sdist, one version."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path
from typing import NamedTuple

import pytest

import quantcore

ROOT = Path(__file__).resolve().parents[2]


class Distributions(NamedTuple):
    sdist: set[str]
    wheel: set[str]
    metadata: str


def run_setup(folder: Path, *arguments: str) -> None:
    """Run setup.py without native code: what is packed does not depend on a compiler."""
    result = subprocess.run(
        [sys.executable, "setup.py", "--quiet", *arguments],
        cwd=folder,
        env={**os.environ, "QUANTCORE_PURE": "1"},
        capture_output=True,
        text=True,
    )
    assert result.returncode == 0, result.stderr


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Distributions:
    """The sdist of this checkout, and the wheel that is built from the unpacked sdist."""
    folder = tmp_path_factory.mktemp("packaging")
    checkout = folder / "checkout"
    unwanted = shutil.ignore_patterns(".git", ".venv*", "build", "dist", "*.egg-info", "__pycache__", ".*_cache", ".hypothesis")
    shutil.copytree(ROOT, checkout, ignore=unwanted)
    run_setup(checkout, "sdist", "--formats=gztar", "--dist-dir", str(folder))
    (archive,) = folder.glob("*.tar.gz")
    with tarfile.open(archive) as tar:
        sdist = {name.partition("/")[2] for name in tar.getnames()}
        tar.extractall(folder, **({"filter": "data"} if hasattr(tarfile, "data_filter") else {}))
    unpacked = folder / archive.name.removesuffix(".tar.gz")
    run_setup(unpacked, "bdist_wheel", "--dist-dir", str(folder))
    (wheel,) = folder.glob("*.whl")
    with zipfile.ZipFile(wheel) as packed:
        names = set(packed.namelist())
        (metadata,) = (packed.read(name).decode() for name in names if name.endswith(".dist-info/METADATA"))
    return Distributions(sdist, names, metadata)


def files(folder: str, *patterns: str) -> set[str]:
    return {path.relative_to(ROOT).as_posix() for pattern in patterns for path in (ROOT / folder).rglob(pattern)}


def test_every_folder_of_modules_is_a_package() -> None:
    folders = {path.parent for path in (ROOT / "quantcore").rglob("*.py")}
    assert not [str(folder) for folder in folders if not (folder / "__init__.py").exists()]


def test_sdist_holds_every_native_source(built: Distributions) -> None:
    assert not files("src", "*.c", "*.h", "*.def", "*.pyx", "*.pxd", "*.pxi") - built.sdist


def test_sdist_holds_what_a_rebuild_and_its_tests_need(built: Distributions) -> None:
    assert not files("tests", "*.py") - built.sdist
    assert {"setup.py", "pyproject.toml", "MANIFEST.in", "Makefile", ".importlinter", "LICENSE"} <= built.sdist


def test_distributions_hold_no_compiled_module(built: Distributions) -> None:
    assert not [name for name in built.sdist | built.wheel if name.endswith((".so", ".pyd", ".o", ".pyc"))]


def test_wheel_holds_every_package(built: Distributions) -> None:
    modules = files("quantcore", "*.py", "*.pyi", "py.typed")
    assert "quantcore/plan/ops.py" in modules
    assert not modules - built.wheel


def test_wheel_holds_quantcore_alone(built: Distributions) -> None:
    assert {re.sub(r"^quantcore-[^/]*\.dist-info$", "dist-info", name.partition("/")[0]) for name in built.wheel} == {
        "quantcore",
        "dist-info",
    }


def test_numpy_is_the_only_dependency(built: Distributions) -> None:
    required = re.findall(r"^Requires-Dist: (.*)$", built.metadata, re.M)
    assert [line for line in required if "extra ==" not in line] == ["numpy>=1.26"]


def test_one_version(built: Distributions) -> None:
    assert f"\nVersion: {quantcore.__version__}\n" in built.metadata
