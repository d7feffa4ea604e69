"""Known answers in the file: kernels that do not give them are replaced once; a file that nothing agrees with is refused."""

from __future__ import annotations

import logging
from pathlib import Path

import pytest

import quantcore as qc
from quantcore.artifact import decode, encode
from quantcore.errors import ArtifactError
from quantcore.native import registry
from quantcore.runtime import selftest

GOLDEN = sorted((Path(__file__).parent / "golden").glob("*.qc"))
TESTED = [path for path in GOLDEN if "selftest" in decode(path.read_bytes()).extra]


def test_most_files_have_known_answers():
    assert len(TESTED) >= len(GOLDEN) // 2


@pytest.mark.parametrize("path", TESTED, ids=lambda path: path.stem)
def test_kernels_chosen_here_pass(path, caplog):
    model = qc.load(path)
    assert model.stats()["fallback_selftest"] == 0 and not caplog.records


@pytest.mark.skipif(registry.door("text") is None, reason="no compiled kernels here")
def test_kernels_that_fail_are_replaced_once(monkeypatch, caplog):
    """The reference then serves, the log says so once, and the counter stays."""
    path = next(path for path in TESTED if path.stem == "text_word")
    rows = ["book card", "music"]
    want = qc.load(path).predict(rows).tolist()
    passes, asked = selftest.passes, []

    def only_the_reference(executor, known):
        asked.append(executor.compiled is None)
        return executor.compiled is None and passes(executor, known)

    monkeypatch.setattr(selftest, "passes", only_the_reference)
    with caplog.at_level(logging.ERROR, logger="quantcore"):
        model = qc.load(path)
    assert asked == [False, True]
    assert [record.levelname for record in caplog.records] == ["ERROR"] and "NumPy serves it" in caplog.text
    assert model.report()["served_by"] == "op by op"
    assert model.predict(rows).tolist() == want
    assert model.stats()["fallback_selftest"] == len(rows) and len(caplog.records) == 1


@pytest.mark.parametrize("path", TESTED, ids=lambda path: path.stem)
def test_a_second_mismatch_is_refused(path, caplog):
    """Answers that neither path gives: checksums are right, the content is not."""
    found = decode(path.read_bytes())
    known = [score + 1.0 for score in found.extra["selftest"]]
    for answers in (known, known[:0] + ["x"], {}, [*found.extra["selftest"], 0.5, 0.5, 0.5, 0.5, 0.5, 0.5, 0.5, 0.5, 0.5]):
        with pytest.raises(ArtifactError, match="self-test fails here on every path") as caught:
            qc.Model(encode(found.plan, {**found.extra, "selftest": answers}))
        assert caught.value.reason == "invalid"
    assert not caplog.records  # what is refused has not fallen back
