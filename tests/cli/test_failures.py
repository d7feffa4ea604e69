"""What can't be had, and how the command says so: messages, exit codes, and a scan that survives its models."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time

import joblib
import numpy as np
import pytest
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import make_pipeline

import quantcore as qc

pytest.importorskip("typer", reason="the command line is made with typer")
from typer.testing import CliRunner  # noqa: E402

from quantcore.cli.app import app  # noqa: E402

DOCUMENTS = ["good film", "bad film", "fine plot", "boring plot"] * 5
SOURCE = make_pipeline(TfidfVectorizer(), LogisticRegression()).fit(DOCUMENTS, ["y", "n"] * 10)
INSPECTED = ["bytes", "digest", "input", "methods", "provenance", "report", "sections", "served_by", "source", "stages"]


def run(*arguments, code=0):
    result = CliRunner().invoke(app, [str(a) for a in arguments])
    assert result.exit_code == code, (result.output, result.exception)
    return result


class Ends:
    """A pickle that ends the process that reads it."""

    def __reduce__(self):
        return os.abort, ()


class Sleeps:
    """A pickle that takes its time."""

    def __reduce__(self):
        return time.sleep, (600.0,)


class Exits:
    def __reduce__(self):
        return sys.exit, (3,)


@pytest.fixture
def folder(tmp_path):
    joblib.dump(SOURCE, tmp_path / "good.joblib")
    return tmp_path


def test_scan_survives_what_its_models_do(folder):
    joblib.dump(Ends(), folder / "ends.joblib")
    joblib.dump(Exits(), folder / "exits.pkl")
    joblib.dump(Sleeps(), folder / "sleeps.pickle")
    joblib.dump(make_pipeline(TfidfVectorizer(), KNeighborsClassifier()).fit(DOCUMENTS, [0, 1] * 10), folder / "near.joblib")
    start = time.monotonic()
    done = run("scan", folder, "--trust-pickle", "--json", "--timeout", 30, code=1)
    assert time.monotonic() - start < 200
    found = {one["file"]: one for one in json.loads(done.stdout)}
    assert found["good.joblib"]["artifact_bytes"] == len(qc.quantize(folder / "good.joblib", trust_pickle=True).data)
    assert "SIGABRT" in found["ends.joblib"]["obstacles"][0]
    assert "exit code 3" in found["exits.pkl"]["obstacles"][0]
    assert found["sleeps.pickle"]["obstacles"] == ["no answer within 30 s (--timeout)"]
    with pytest.raises(qc.UnsupportedModelError) as known:
        qc.quantize(joblib.load(folder / "near.joblib"))
    assert found["near.joblib"]["obstacles"] == [str(obstacle) for obstacle in known.value.obstacles]


def test_scan_where_processes_have_no_groups(folder, monkeypatch):
    monkeypatch.delattr(os, "killpg", raising=False)
    done = run("scan", folder, "--trust-pickle", "--json")
    assert [one["file"] for one in json.loads(done.stdout)] == ["good.joblib"]
    joblib.dump(Sleeps(), folder / "sleeps.pickle")
    done = run("scan", folder, "--trust-pickle", "--json", "--timeout", 10, code=1)
    assert json.loads(done.stdout)[1]["obstacles"] == ["no answer within 10 s (--timeout)"]


def test_scan_shows_obstacles_in_full(folder):
    near = make_pipeline(TfidfVectorizer(), KNeighborsClassifier()).fit(DOCUMENTS, [0, 1] * 10)
    joblib.dump(near, folder / "near.joblib")
    with pytest.raises(qc.UnsupportedModelError) as known:
        qc.quantize(near)
    shown = run("scan", folder, "--trust-pickle", code=1).stdout
    assert all(str(obstacle) in shown for obstacle in known.value.obstacles)


def test_keep_is_refused_with_a_reason(folder):
    done = run("quantize", folder / "good.joblib", "--trust-pickle", "-o", folder / "o.qc", "--unsupported", "keep", code=2)
    assert "holds no code" in done.stderr
    assert not (folder / "o.qc").exists()


def test_calibration_converts_once(folder, monkeypatch):
    from quantcore.passes import search as real

    calls = []
    monkeypatch.setattr("quantcore.passes.search", lambda *a, **k: (calls.append(1), real(*a, **k))[1])
    (folder / "rows.txt").write_text("\n".join(DOCUMENTS), "utf-8")
    run("quantize", folder / "good.joblib", "--trust-pickle", "-o", folder / "o.qc", "--calibration", folder / "rows.txt")
    assert calls == [1]


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (("--precision", "int7"), 2, "int7"),
        (("--guarantee", "perhaps"), 2, "perhaps"),
        (("--min-agreement", "1.5"), 2, "--min-agreement"),
        (("--min-agreement", "0.9"), 2, "--guarantee measured"),
        (("--max-bytes", "10"), 1, "max_bytes=10"),
        (("--calibration", "nowhere.csv"), 2, "nowhere.csv"),
    ],
)
def test_exit_codes_of_quantize(folder, arguments, code, message):
    done = run("quantize", folder / "good.joblib", "--trust-pickle", "-o", folder / "o.qc", *arguments, code=code)
    assert message in " ".join(done.stderr.split())
    assert not (folder / "o.qc").exists()


def test_exit_codes_of_sources(folder):
    (folder / "cut.joblib").write_bytes((folder / "good.joblib").read_bytes()[:-40])
    done = run("quantize", folder / "cut.joblib", "--trust-pickle", "-o", folder / "o.qc", code=1)
    assert "can't be read" in done.stderr
    (folder / "folder.joblib").mkdir()
    for name in ("none.joblib", "folder.joblib"):
        run("quantize", folder / name, "--trust-pickle", "-o", folder / "o.qc", code=2)
    joblib.dump(LogisticRegression(), folder / "raw.joblib")
    assert "fitted" in run("quantize", folder / "raw.joblib", "--trust-pickle", "-o", folder / "o.qc", code=1).stderr
    joblib.dump(KNeighborsClassifier().fit([[0.0]] * 5, [0] * 5), folder / "near.joblib")
    assert "KNeighbors" in run("quantize", folder / "near.joblib", "--trust-pickle", "-o", folder / "o.qc", code=1).stderr
    (folder / "bad.qc").write_bytes(b"\x00" * 100)
    run("inspect", folder / "bad.qc", code=1)
    run("inspect", folder / "none.qc", code=2)
    run("inspct", code=2)


def test_exit_codes_of_rows(folder):
    qc.save(qc.quantize(SOURCE), folder / "m.qc")
    (folder / "rows.txt").write_text("good\n", "utf-8")
    (folder / "rows.xml").write_text("good\n", "utf-8")
    for rows, out, message in (
        ("no.txt", "o.csv", "no.txt: no such file"),
        ("rows.xml", "o.csv", "rows.xml: expected a name that ends in one of"),
        ("rows.txt", "o.xml", "o.xml: expected a name that ends in one of"),
    ):
        done = run("predict", folder / "m.qc", folder / rows, "-o", folder / out, code=2)
        assert message in " ".join(done.stderr.split())
        assert not (folder / out).exists()
    (folder / "empty").mkdir()
    assert "no models" in run("scan", folder / "empty", code=2).stderr


def test_a_model_file_of_another_library(folder):
    xgboost = pytest.importorskip("xgboost")
    rows = np.arange(40.0).reshape(-1, 2)
    booster = xgboost.train({"nthread": 1}, xgboost.DMatrix(rows, rows[:, 0]), 2)
    booster.save_model(folder / "model.json")
    run("quantize", folder / "model.json", "-o", folder / "m.qc")
    np.testing.assert_array_equal(qc.load(folder / "m.qc").predict(rows), booster.predict(xgboost.DMatrix(rows)))


def test_inspect_has_stable_keys(folder):
    for source, rows in ((SOURCE, DOCUMENTS), (SOURCE, None), (LogisticRegression().fit([[0.0], [1.0]], [0, 1]), None)):
        qc.save(qc.quantize(source, rows), folder / "m.qc")
        found = json.loads(run("inspect", folder / "m.qc", "--json").stdout)
        assert sorted(found) == INSPECTED
        assert {"guarantee", "calibrated", "certify", "slower_because"} <= set(found["report"])
        assert all("op" in stage for stage in found["stages"])


def test_shell_completion_completes():
    environment = {**os.environ, "_QUANTCORE_COMPLETE": "complete_bash", "COMP_WORDS": "quantcore insp", "COMP_CWORD": "1"}
    program = "import sys; sys.argv = ['quantcore']; from quantcore.cli import main; main()"
    done = subprocess.run([sys.executable, "-c", program], env=environment, capture_output=True, text=True)
    assert done.stdout.split() == ["inspect"]
    environment.update(COMP_WORDS="quantcore quantize --guar", COMP_CWORD="2")
    done = subprocess.run([sys.executable, "-c", program], env=environment, capture_output=True, text=True)
    assert done.stdout.split() == ["--guarantee"]
    environment = {**os.environ, "_TYPER_COMPLETE_TEST_DISABLE_SHELL_DETECTION": "1"}
    program = "import sys; sys.argv = ['quantcore', '--show-completion', 'bash']; from quantcore.cli import main; main()"
    done = subprocess.run([sys.executable, "-c", program], env=environment, capture_output=True, text=True)
    assert "_QUANTCORE_COMPLETE=complete_bash" in done.stdout
