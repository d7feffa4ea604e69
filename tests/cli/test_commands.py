"""The commands, end to end on files: what they print, write and return."""

from __future__ import annotations

import csv
import json

import joblib
import numpy as np
import pytest
from sklearn.datasets import load_iris
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.gaussian_process import GaussianProcessClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline

import quantcore as qc

typer = pytest.importorskip("typer", reason="the command line is made with typer")
pytest.importorskip("rich", reason="the command line prints with rich")
from typer.testing import CliRunner  # noqa: E402

from quantcore.cli.app import app  # noqa: E402

DOCUMENTS = ["good film", "bad film", "fine plot, good film", "boring plot", "great", "awful and bad"] * 5
LABELS = ["yes", "no", "yes", "no", "yes", "no"] * 5


def run(*arguments, code=0):
    result = CliRunner().invoke(app, [str(a) for a in arguments])
    assert result.exit_code == code, (result.output, result.exception)
    return result


@pytest.fixture
def text(tmp_path):
    source = make_pipeline(TfidfVectorizer(), LogisticRegression()).fit(DOCUMENTS, LABELS)
    joblib.dump(source, tmp_path / "text.joblib")
    qc.save(qc.quantize(source), tmp_path / "text.qc")
    return source, tmp_path


@pytest.fixture
def numbers(tmp_path):
    X, y = load_iris(return_X_y=True)
    source = LogisticRegression(max_iter=300).fit(X, y)
    joblib.dump(source, tmp_path / "iris.joblib")
    qc.save(qc.quantize(source), tmp_path / "iris.qc")
    return source, X, y, tmp_path


def test_quantize_writes_what_quantize_makes(text):
    source, folder = text
    (folder / "rows.txt").write_text("\n".join(DOCUMENTS), "utf-8")
    done = run(
        "quantize", folder / "text.joblib", "--trust-pickle", "-o", folder / "out.qc", "--calibration", folder / "rows.txt",
    )  # fmt: skip
    assert "100.00% of the calibration rows" in done.stderr
    made = qc.quantize(folder / "text.joblib", DOCUMENTS, trust_pickle=True)
    assert (folder / "out.qc").read_bytes() == made.data
    assert made.predict(DOCUMENTS).tolist() == source.predict(DOCUMENTS).tolist()


def test_a_pickle_is_read_only_when_it_is_trusted(text):
    _, folder = text
    done = run("quantize", folder / "text.joblib", "-o", folder / "no.qc", code=2)
    assert "--trust-pickle" in done.stderr
    assert not (folder / "no.qc").exists()
    assert "--trust-pickle" in run("scan", folder, code=2).stderr


def test_scan_lists_what_converts_and_what_stands_in_the_way(numbers):
    _, X, y, folder = numbers
    joblib.dump(GaussianProcessClassifier().fit(X[:60], y[:60]), folder / "gauss.joblib")
    (folder / "broken.joblib").write_bytes(b"no pickle")
    done = run("scan", folder, "--trust-pickle", "--json", code=1)
    found = {one["file"]: one for one in json.loads(done.stdout)}
    assert found["iris.joblib"]["artifact_bytes"] == len(qc.quantize(folder / "iris.joblib", trust_pickle=True).data)
    assert "GaussianProcessClassifier" in found["gauss.joblib"]["obstacles"][0]
    assert found["broken.joblib"]["obstacles"]
    assert "1 of 3 convert" in run("scan", folder, "--trust-pickle", code=1).stderr


def test_inspect_shows_all_that_is_there(text):
    _, folder = text
    model = qc.load(folder / "text.qc")
    found = json.loads(run("inspect", folder / "text.qc", "--json").stdout)
    assert found["digest"] == model.digest
    assert found["provenance"] == model.provenance
    assert [s["op"] for s in found["stages"]] == [op.kind for op in model._artifact.plan.ops]
    assert sum(s["stored"] for s in found["sections"].values()) < found["bytes"] == len(model.data)
    plain = run("inspect", folder / "text.qc").stdout
    for word in ("Text", "PlanarLinear", "guarantee: certified", "digest"):
        assert word in plain


@pytest.mark.parametrize("ending", ["csv", "jsonl", "parquet"])
def test_predict_answers_every_row_and_keeps_failures_apart(numbers, ending):
    source, X, _, folder = numbers
    rows = folder / "rows.csv"
    with rows.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["a", "b", "c", "d"])
        writer.writerows(X.tolist())
        writer.writerow([1, 2, "many", 4])
    if ending == "parquet":
        pytest.importorskip("pyarrow", reason="Parquet takes pyarrow")
    out = folder / f"labels.{ending}"
    done = run("predict", folder / "iris.qc", rows, "-o", out, "--proba", "--certified", "--batch", 40, code=1)
    assert "1 rows failed" in done.stderr
    found = read(out)
    assert [int(one["row"]) for one in found] == list(range(150))
    np.testing.assert_array_equal([int(one["label"]) for one in found], source.predict(X))
    shares = np.array([[float(one[f"p({k})"]) for k in range(3)] for one in found])
    np.testing.assert_allclose(shares, source.predict_proba(X), atol=1e-6)
    assert all(str(one["certified"]) == "True" for one in found)
    (rejected,) = [json.loads(line) for line in out.with_suffix(".rejected.jsonl").read_text("utf-8").splitlines()]
    assert (rejected["row"], rejected["record"]["c"]) == (150, "many")
    assert "many" in rejected["error"]


def read(path):
    if path.suffix == ".parquet":
        from pyarrow import parquet

        return parquet.read_table(path).to_pylist()
    with path.open(encoding="utf-8") as file:
        return [json.loads(line) for line in file] if path.suffix == ".jsonl" else list(csv.DictReader(file))


def test_predict_finds_the_documents(text):
    source, folder = text
    rows = folder / "rows.jsonl"
    rows.write_text("".join(json.dumps({"id": i, "body": d}) + "\n" for i, d in enumerate(DOCUMENTS)), "utf-8")
    out = folder / "labels.csv"
    run("predict", folder / "text.qc", rows, "-o", out, "--column", "body")
    assert [one["label"] for one in read(out)] == source.predict(DOCUMENTS).tolist()
    assert not out.with_suffix(".rejected.jsonl").exists()
    done = run("predict", folder / "text.qc", rows, "-o", out, code=1)
    assert "30 rows failed" in done.stderr
    assert "--column NAME" in out.with_suffix(".rejected.jsonl").read_text("utf-8")


def test_an_output_appears_whole_or_not_at_all(text):
    _, folder = text
    (folder / "rows.csv").write_text("text,text\ngood,bad\n", "utf-8")
    done = run("predict", folder / "text.qc", folder / "rows.csv", "-o", folder / "labels.csv", code=2)
    assert "a name stands twice" in done.stderr
    assert sorted(p.name for p in folder.iterdir()) == ["rows.csv", "text.joblib", "text.qc"]


def test_compare_and_bench(text):
    _, folder = text
    rows = folder / "rows.csv"
    with rows.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["text", "label"])
        writer.writerows(zip(DOCUMENTS, LABELS, strict=True))
    common = ("--rows", rows, "--rounds", 2, "--json")
    done = run("compare", folder / "text.joblib", folder / "text.qc", "--truth", "label", "--trust-pickle", *common)
    found = {c["name"]: c for c in json.loads(done.stdout)["contenders"]}
    assert found["text"]["agreement"]["value"] == 1.0
    assert found["text"]["quality"]["accuracy"] == 1.0
    found = json.loads(run("bench", folder / "text.qc", *common, "--column", "text").stdout)
    assert found["rows"] == 30
    assert found["rows_per_second"]["10"][0] > 0


def test_verify_tells_the_sound_from_the_damaged(numbers):
    *_, folder = numbers
    data = (folder / "iris.qc").read_bytes()
    (folder / "cut.qc").write_bytes(data[:-1])
    found = json.loads(run("verify", folder / "iris.qc", folder / "cut.qc", folder / "none.qc", "--json", code=1).stdout)
    assert [one["sound"] for one in found] == [True, False, False]
    assert [one.get("reason") for one in found] == [None, "truncated", "unreadable"]
    run("verify", folder / "iris.qc", "--sha256", found[0]["sha256"])
    run("verify", folder / "iris.qc", "--sha256", "0" * 64, code=1)


def test_config_and_help():
    assert json.loads(run("config", "--json").stdout)["version"] == qc.__version__
    for name in ("quantize", "scan", "inspect", "predict", "compare", "bench", "verify", "config"):
        assert "Example: " in run(name, "--help").stdout
