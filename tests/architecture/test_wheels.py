"""Which wheels the configuration of cibuildwheel builds: one for each Python and each machine that is stated, and no other."""

from __future__ import annotations

import importlib.util
import re
import subprocess
import sys
from pathlib import Path

import pytest

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

ROOT = Path(__file__).resolve().parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
PYTHONS = [c.rpartition(" ")[2] for c in PROJECT["project"]["classifiers"] if re.search(r":: 3\.\d+$", c)]
WHEELS = {
    "linux": {"x86_64,aarch64": ["manylinux_x86_64", "manylinux_aarch64", "musllinux_x86_64", "musllinux_aarch64"]},
    "macos": {"x86_64,arm64": ["macosx_x86_64", "macosx_arm64"]},
    "windows": {"AMD64": ["win_amd64"]},
}


@pytest.mark.skipif(
    importlib.util.find_spec("cibuildwheel") is None,
    reason="cibuildwheel is not installed; 'make wheel' installs it (the extra [wheel])",
)
@pytest.mark.parametrize("platform", WHEELS)
def test_build_identifiers(platform):
    (machines, names), *_ = WHEELS[platform].items()
    command = [
        sys.executable,
        "-m",
        "cibuildwheel",
        "--print-build-identifiers",
        "--platform",
        platform,
        "--archs",
        machines,
        ".",
    ]
    result = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert result.returncode == 0, result.stderr
    assert set(result.stdout.split()) == {f"cp{p.replace('.', '')}-{name}" for p in PYTHONS for name in names}


def test_pythons_are_those_that_are_stated():
    settings = PROJECT["tool"]["cibuildwheel"]
    assert settings["build"].split() == [f"cp{python.replace('.', '')}-*" for python in PYTHONS]
    assert PROJECT["project"]["requires-python"] == f">={PYTHONS[0]}"


def test_the_workflow_builds_on_every_platform_and_publishes_without_a_password():
    text = (ROOT / ".github" / "workflows" / "wheels.yml").read_text(encoding="utf-8")
    runners = re.search(r"os: \[(.*)\]", text)[1].split(", ")
    assert {r.split("-")[0] for r in runners} == {"ubuntu", "macos", "windows"} and "ubuntu-24.04-arm" in runners
    assert "id-token: write" in text and "attestations: true" in text
    assert "password" not in text.replace("no stored password", "") and "secrets." not in text
    for action in re.findall(r"uses: \S+?@(\S+)", text):
        assert re.fullmatch(r"v\d+(\.\d+)*|[0-9a-f]{40}", action), f"{action} is a moving branch"
