"""The self-test runs what will serve: rows of a table go through the compiled reader."""

from pathlib import Path

import numpy as np
import pytest

import quantcore as qc
from quantcore.runtime import selftest

GOLDEN = Path(__file__).parents[1] / "golden"
READ = ("table_lookup", "table_one_hot")  # by a compiled reader in front of a model


@pytest.mark.parametrize("name", READ)
def test_rows_of_tables_go_through_the_reader(name):
    model = qc.load(GOLDEN / f"{name}.qc")
    executor, known = model._executor, model._artifact.extra["selftest"]
    if executor.front is None:
        pytest.skip("this checkout is pure NumPy")
    rows = selftest.rows(executor.plan)
    read = executor.front.reader.read(rows.objects())
    assert np.array_equal(read, executor.at_cut(rows.objects()))
    assert selftest.passes(executor, known)

    class Wrong:
        def read(self, X):
            return 1.0 - read

    executor.front.reader = Wrong()
    assert not selftest.passes(executor, known)

    class Refuses:
        def read(self, X):
            return None

    executor.front.reader = Refuses()  # then the ops in front of the cut are asked
    assert selftest.passes(executor, known)


@pytest.mark.parametrize("count", [1, 2, 3, 5, 6, 7, 100, 12345, 500_001, (1 << 24) - 1])
def test_symbols_are_spread_as_linspace_spreads_them(count):
    assert selftest._spread(count) == sorted({*np.linspace(0, count - 1, 6).astype(np.int64).tolist()})
