"""Benchmarks are functions named bench_*; they import the modules of this folder by their plain names."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

HERE = Path(__file__).resolve().parent


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("python_functions", "bench")
    sys.path.insert(0, str(HERE))
