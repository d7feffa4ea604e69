"""Files of every kind, in and out: what each command reads, writes and keeps apart."""

from __future__ import annotations

import csv
import itertools
import json
import subprocess
import sys

import joblib
import numpy as np
import pytest
from sklearn.compose import ColumnTransformer
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.multiclass import OneVsRestClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder

import quantcore as qc

pytest.importorskip("typer", reason="the command line is made with typer")
pd = pytest.importorskip("pandas", reason="tables are data frames")
parquet = pytest.importorskip("pyarrow.parquet", reason="Parquet takes pyarrow")
from typer.testing import CliRunner  # noqa: E402

from quantcore.cli.app import app  # noqa: E402

KINDS = ("csv", "tsv", "jsonl", "parquet")


def run(*arguments, code=0):
    result = CliRunner().invoke(app, [str(a) for a in arguments])
    assert result.exit_code == code, (result.output, result.exception)
    return result


def written(frame, path):
    """A data frame in a file, by pandas."""
    if path.suffix in (".csv", ".tsv"):
        frame.to_csv(path, index=False, sep="\t" if path.suffix == ".tsv" else ",")
    elif path.suffix == ".jsonl":
        frame.to_json(path, orient="records", lines=True)
    elif path.suffix == ".txt":
        path.write_text("".join(f"{text}\n" for text in frame["text"]), "utf-8")
    else:
        frame.to_parquet(path, index=False)
    return path


def read(path):
    """Labels and rows of a file of answers, by the libraries of its kind."""
    if path.suffix == ".txt":
        return [{"label": line} for line in path.read_text("utf-8").splitlines()]
    if path.suffix == ".parquet":
        return parquet.read_table(path).to_pylist()
    with path.open(encoding="utf-8", newline="") as file:
        return [json.loads(line) for line in file] if path.suffix == ".jsonl" else [*csv.DictReader(file)]


@pytest.fixture(scope="module")
def table(tmp_path_factory):
    """Rows with numbers, missing ones and categories, and a model of them."""
    rng = np.random.default_rng(5)
    n = 230
    frame = pd.DataFrame(
        {
            "age": rng.integers(18, 90, n),
            "income": np.where(rng.random(n) < 0.2, np.nan, rng.normal(50, 9, n).round(3)),
            "city": rng.choice(["Bonn", "Köln, Süd", 'so-called "Ulm"'], n),
        }
    )
    y = np.where(frame["age"] + 20 * (frame["city"] == "Bonn") > 60, "old", "new")
    parts = [("numbers", SimpleImputer(), ["age", "income"]), ("kinds", OneHotEncoder(handle_unknown="ignore"), ["city"])]
    source = make_pipeline(ColumnTransformer(parts), LogisticRegression(max_iter=500)).fit(frame, y)
    folder = tmp_path_factory.mktemp("table")
    joblib.dump(source, folder / "m.joblib")
    qc.save(qc.quantize(source), folder / "m.qc")
    return source, frame, y, folder


@pytest.fixture(scope="module")
def text(tmp_path_factory):
    documents = ["good film", "bad film", "fine plot, good film", "boring plot é", "great", "awful and bad"] * 20
    source = make_pipeline(TfidfVectorizer(), LogisticRegression()).fit(documents, ["yes", "no", "yes", "no", "yes", "no"] * 20)
    folder = tmp_path_factory.mktemp("text")
    joblib.dump(source, folder / "m.joblib")
    qc.save(qc.quantize(source), folder / "m.qc")
    return source, pd.DataFrame({"text": documents}), folder


@pytest.mark.parametrize(("given", "wanted"), [*itertools.product(KINDS, KINDS)])
def test_tables_of_every_kind_become_answers_of_every_kind(table, tmp_path, given, wanted):
    source, frame, _, folder = table
    out = tmp_path / f"labels.{wanted}"
    run("predict", folder / "m.qc", written(frame, tmp_path / f"rows.{given}"), "-o", out, "--proba", "--batch", 100)
    found = read(out)
    assert [int(one["row"]) for one in found] == [*range(len(frame))]
    assert [one["label"] for one in found] == source.predict(frame).tolist()
    shares = np.array([[float(one["p(new)"]), float(one["p(old)"])] for one in found])
    np.testing.assert_allclose(shares, source.predict_proba(frame), atol=1e-4)
    assert sorted(p.name for p in tmp_path.iterdir()) == sorted([f"rows.{given}", out.name])


@pytest.mark.parametrize("given", [*KINDS, "txt"])
def test_documents_of_every_kind(text, tmp_path, given):
    source, frame, folder = text
    rows = written(frame, tmp_path / f"rows.{given}")
    out = tmp_path / "labels.txt"
    run("predict", folder / "m.qc", rows, "-o", out)
    assert [one["label"] for one in read(out)] == source.predict(frame["text"]).tolist()


@pytest.mark.parametrize("given", KINDS)
def test_every_kind_calibrates(table, tmp_path, given):
    source, frame, _, folder = table
    rows = written(frame, tmp_path / f"rows.{given}")
    run("quantize", folder / "m.joblib", "--trust-pickle", "--calibration", rows, "-o", tmp_path / "m.qc")
    report = qc.load(tmp_path / "m.qc").report()
    assert (report["rows"], report["agreement"], report["calibrated"]) == (len(frame), 1.0, True)
    np.testing.assert_array_equal(qc.load(tmp_path / "m.qc").predict(frame), source.predict(frame))


# ---------------------------------------------------------------- rows that fail


def test_lines_that_are_no_rows_are_kept_apart(text, tmp_path):
    source, _, folder = text
    lines = [
        b'{"text": "good"}',
        b'{"text": ',
        b'["good"]',
        '{"text": "schön"}'.encode("latin-1"),
        b'{"text": "bad"}',
        b'{"text": 3}',
    ]
    (tmp_path / "rows.jsonl").write_bytes(b"\n".join(lines) + b"\n")
    out = tmp_path / "labels.jsonl"
    done = run("predict", folder / "m.qc", tmp_path / "rows.jsonl", "-o", out, code=1)
    assert "4 rows failed" in done.stderr
    assert [(one["row"], one["label"]) for one in read(out)] == [
        (0, source.predict(["good"])[0]),
        (4, source.predict(["bad"])[0]),
    ]
    wrong = {one["row"]: one for one in read(tmp_path / "labels.rejected.jsonl")}
    assert sorted(wrong) == [1, 2, 3, 5]
    assert "line 2: no JSON" in wrong[1]["error"]
    assert wrong[1]["line"] == '{"text": '
    assert "expected an object, got list" in wrong[2]["error"]
    assert "no UTF-8" in wrong[3]["error"]
    assert wrong[3]["line"] == '{"text": "sch\\xf6n"}'
    assert (wrong[5]["record"], "expected a document" in wrong[5]["error"]) == ({"text": 3}, True)


def test_a_cell_too_few_is_no_missing_value(table, tmp_path):
    source, frame, _, folder = table
    (tmp_path / "rows.csv").write_text("age,income,city\n30,40,Bonn\n30,40\n30,,Bonn\n30,40,Bonn,5\n\n31,40,Bonn\n", "utf-8")
    out = tmp_path / "labels.csv"
    run("predict", folder / "m.qc", tmp_path / "rows.csv", "-o", out, code=1)
    rows = pd.DataFrame({"age": [30, 30, 31], "income": [40, np.nan, 40], "city": ["Bonn"] * 3})
    assert [(int(one["row"]), one["label"]) for one in read(out)] == [*zip([0, 2, 4], source.predict(rows).tolist(), strict=True)]
    wrong = read(tmp_path / "labels.rejected.jsonl")
    assert [one["row"] for one in wrong] == [1, 3]
    assert "line 3: 2 cells, expected 3" in wrong[0]["error"]
    assert "line 5: 4 cells, expected 3" in wrong[1]["error"]


def test_where_all_rows_fail_there_is_a_file_without_rows(text, tmp_path):
    *_, folder = text
    (tmp_path / "rows.jsonl").write_text('{"body": 1, "text": null}\n' * 3, "utf-8")
    for wanted in KINDS:
        out = tmp_path / f"labels.{wanted}"
        run("predict", folder / "m.qc", tmp_path / "rows.jsonl", "-o", out, "--rejected", tmp_path / "no.jsonl", code=1)
        assert read(out) == []
        assert len(read(tmp_path / "no.jsonl")) == 3


def test_bytes_that_are_no_utf_8_are_kept_apart(text, tmp_path):
    source, _, folder = text
    for name in ("rows.csv", "rows.txt"):
        rows, out = tmp_path / name, tmp_path / "labels.txt"
        rows.write_bytes(b"text\ngood film\nfine \xff\nboring plot \xc3\xa9\n")
        run("predict", folder / "m.qc", rows, "-o", out, code=1)
        good = ["text"] * (name == "rows.txt") + ["good film", "boring plot é"]
        assert [one["label"] for one in read(out)] == source.predict(good).tolist()
        [rejected] = [json.loads(line) for line in (tmp_path / "labels.rejected.jsonl").read_text("utf-8").splitlines()]
        assert rejected["error"] == f"{name}, line 3: no UTF-8"


def test_a_chunk_without_a_row(text, tmp_path):
    source, _, folder = text
    (tmp_path / "rows.jsonl").write_text('nothing\n{"text": "good film"}\n', "utf-8")
    run("predict", folder / "m.qc", tmp_path / "rows.jsonl", "-o", tmp_path / "labels.txt", "--batch", 1, code=1)
    assert [one["label"] for one in read(tmp_path / "labels.txt")] == source.predict(["good film"]).tolist()


def test_a_column_that_is_missing_is_named(table, tmp_path):
    _, frame, _, folder = table
    rows = written(frame.drop(columns="income").head(2), tmp_path / "rows.csv")
    run("predict", folder / "m.qc", rows, "-o", tmp_path / "labels.csv", code=1)
    kept = [json.loads(line) for line in (tmp_path / "labels.rejected.jsonl").read_text("utf-8").splitlines()]
    assert [one["error"] for one in kept] == ["column 'income' is missing; there are age, city"] * 2


def test_a_document_may_be_long(text, tmp_path):
    source, _, folder = text
    long = "good film, " * 60_000  # the csv module's own limit is 128 KiB
    with (tmp_path / "rows.csv").open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows([["text"], [long], ["bad\nfilm"]])
    run("predict", folder / "m.qc", tmp_path / "rows.csv", "-o", tmp_path / "labels.txt")
    assert [one["label"] for one in read(tmp_path / "labels.txt")] == source.predict([long, "bad\nfilm"]).tolist()


def test_columns_without_names_keep_the_order_of_the_first_row(tmp_path):
    X = np.random.default_rng(1).normal(size=(60, 2))
    source = LogisticRegression().fit(X, X[:, 0] > X[:, 1])
    qc.save(qc.quantize(source), tmp_path / "m.qc")
    records = [{"a": a, "b": b} if i % 2 == 0 else {"b": b, "a": a} for i, (a, b) in enumerate(X.tolist())]
    (tmp_path / "rows.jsonl").write_text("".join(json.dumps(one) + "\n" for one in records), "utf-8")
    run("predict", tmp_path / "m.qc", tmp_path / "rows.jsonl", "-o", tmp_path / "labels.jsonl", "--batch", 1)
    assert [one["label"] for one in read(tmp_path / "labels.jsonl")] == source.predict(X).tolist()


def test_columns_of_a_source_without_names(table, tmp_path):
    """Two of three columns are read: the first and the last."""
    _, frame, y, _ = table
    parts = [("number", SimpleImputer(), [0]), ("kinds", OneHotEncoder(handle_unknown="ignore"), [2])]
    rows = frame.to_numpy(object)
    source = make_pipeline(ColumnTransformer(parts), LogisticRegression(max_iter=500)).fit(rows, y)
    qc.save(qc.quantize(source), tmp_path / "m.qc")
    for kind in KINDS:
        run("predict", tmp_path / "m.qc", written(frame, tmp_path / f"rows.{kind}"), "-o", tmp_path / "labels.csv")
        assert [one["label"] for one in read(tmp_path / "labels.csv")] == source.predict(rows).tolist()


def test_documents_beside_other_columns(table, tmp_path):
    _, frame, y, _ = table
    parts = [("words", TfidfVectorizer(), "city"), ("number", SimpleImputer(), ["age"])]
    source = make_pipeline(ColumnTransformer(parts), LogisticRegression(max_iter=500)).fit(frame, y)
    qc.save(qc.quantize(source), tmp_path / "m.qc")
    rows = frame.assign(city=[*frame["city"][1:], "1999"])
    for kind in ("csv", "jsonl"):
        run("predict", tmp_path / "m.qc", written(rows, tmp_path / f"rows.{kind}"), "-o", tmp_path / "labels.csv")
        assert [one["label"] for one in read(tmp_path / "labels.csv")] == source.predict(rows).tolist()


def test_several_labels_a_row(tmp_path):
    X = np.random.default_rng(1).normal(size=(60, 2))
    source = OneVsRestClassifier(LogisticRegression()).fit(X, (X > 0).astype(int))
    qc.save(qc.quantize(source), tmp_path / "m.qc")
    rows = written(pd.DataFrame(X, columns=["a", "b"]), tmp_path / "rows.csv")
    run("predict", tmp_path / "m.qc", rows, "-o", tmp_path / "labels.jsonl")
    assert [one["label"] for one in read(tmp_path / "labels.jsonl")] == source.predict(X).tolist()


@pytest.mark.parametrize("command", ["bench", "compare", "quantize"])
def test_what_needs_all_rows_says_which_is_none(text, tmp_path, command):
    *_, folder = text
    arguments = {
        "bench": ("bench", folder / "m.qc", "--rows"),
        "compare": ("compare", folder / "m.joblib", folder / "m.qc", "--trust-pickle", "--rows"),
        "quantize": ("quantize", folder / "m.joblib", "--trust-pickle", "-o", tmp_path / "o.qc", "--calibration"),
    }[command]
    (tmp_path / "bad.jsonl").write_text('{"text": "good"}\nnothing\n', "utf-8")
    assert "line 2: no JSON" in run(*arguments, tmp_path / "bad.jsonl", code=2).stderr
    (tmp_path / "none.csv").write_text("text\n", "utf-8")
    assert "no rows" in run(*arguments, tmp_path / "none.csv", code=2).stderr
    assert not (tmp_path / "o.qc").exists()


def test_answers_come_while_rows_come(text):
    source, _, folder = text
    command = [sys.executable, "-m", "quantcore", "predict", str(folder / "m.qc"), "-", "-o", "-", "--batch", "1"]
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, encoding="utf-8")
    for i, document in enumerate(["good", "bad film", "great"]):
        print(json.dumps({"text": document}), file=process.stdin, flush=True)
        found = json.loads(process.stdout.readline())  # the next row is sent when this one has been answered
        assert (found["row"], found["label"]) == (i, source.predict([document])[0])
    process.communicate()
    assert process.returncode == 0


# ---------------------------------------------------------------- compare and bench


def test_compare_reads_tables_and_writes_a_page(table, tmp_path):
    pytest.importorskip("matplotlib", reason="plots are drawn with matplotlib")
    source, frame, y, folder = table
    qc.save(qc.quantize(source, guarantee="exact"), tmp_path / "m.qc")
    rows = written(frame.assign(truth=y), tmp_path / "rows.parquet")
    common = ("--rows", rows, "--truth", "truth", "--trust-pickle", "--rounds", 2, "--batch", 10, "--no-onnxruntime")
    price = ("--price-per-hour", "0.04", "--requests-per-second", 5, "--currency", "EUR")
    page = tmp_path / "page.html"
    done = run("compare", folder / "m.joblib", folder / "m.qc", tmp_path / "m.qc", *common, *price, "--json", "--html", page)
    found = json.loads(done.stdout)
    assert [c["name"] for c in found["contenders"]] == ["source", str(folder / "m.qc"), str(tmp_path / "m.qc")]
    for own in found["contenders"]:
        assert own["quality"]["accuracy"] == pytest.approx(np.mean(source.predict(frame) == y))
        assert [*own["throughput"]] == ["10"]
        year = own["latency"]["p50"]["median"] * 5 * 365.25 * 24 * 3600
        assert own["cost"]["per_year"] == pytest.approx(year / 3600 * 0.04)
    assert found["prices"] == {"currency": "EUR", "price_per_hour": 0.04, "requests_per_second": 5.0}
    assert page.read_text("utf-8").count("<svg") == 5
    shown = run("compare", folder / "m.joblib", folder / "m.qc", *common, *price).stdout
    assert "EUR" in shown
    done = run("compare", folder / "m.joblib", folder / "m.qc", "--rows", rows, "--truth", "no", "--trust-pickle", code=2)
    assert "--truth no: row 0" in done.stderr


def test_compare_of_a_regressor(tmp_path):
    X = pd.DataFrame(np.random.default_rng(1).normal(size=(80, 3)), columns=["a", "b", "c"])
    y = X["a"] * 2 - X["c"]
    source = Ridge().fit(X, y)
    joblib.dump(source, tmp_path / "m.joblib")
    qc.save(qc.quantize(source), tmp_path / "m.qc")
    rows = written(X.assign(y=y), tmp_path / "rows.csv")
    common = ("--truth", "y", "--trust-pickle", "--rounds", 2, "--no-onnxruntime", "--json")
    found = json.loads(run("compare", tmp_path / "m.joblib", tmp_path / "m.qc", "--rows", rows, *common).stdout)
    assert found["contenders"][1]["quality"]["r2"] == pytest.approx(source.score(X, y), abs=1e-6)


@pytest.mark.parametrize("given", KINDS)
def test_bench_reads_every_kind(table, tmp_path, given):
    _, frame, _, folder = table
    rows = written(frame, tmp_path / f"rows.{given}")
    found = json.loads(run("bench", folder / "m.qc", "--rows", rows, "--rounds", 2, "--most", 120, "--json").stdout)
    assert found["rows"] == 120
    assert [*found["rows_per_second"]] == ["10", "100"]
    assert "rows/s" in run("bench", folder / "m.qc", "--rows", rows, "--rounds", 1).stdout
