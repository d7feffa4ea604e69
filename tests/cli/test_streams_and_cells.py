"""Rows of every type, and standard input and output."""

from __future__ import annotations

import csv
import datetime
import io
import json
import subprocess
import sys

import numpy as np
import pytest
from sklearn.compose import ColumnTransformer
from sklearn.feature_extraction import DictVectorizer
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, OrdinalEncoder, StandardScaler

import quantcore as qc

pytest.importorskip("typer", reason="the command line is made with typer")
pd = pytest.importorskip("pandas", reason="tables are data frames")

from typer.testing import CliRunner  # noqa: E402

from quantcore.cli.app import app  # noqa: E402
from quantcore.cli.rows import Reader, chunks, matcher  # noqa: E402

DOCUMENTS = ["good film", "bad film", 'fine plot, "good" film', "boring\tplot é", "great", "awful and bad"] * 5
LABELS = ["yes", "no", "yes", "no", "yes", "no"] * 5


def table():
    rng = np.random.default_rng(3)
    n = 60
    frame = pd.DataFrame(
        {
            "age": rng.integers(18, 90, n),
            "income": np.where(rng.random(n) < 0.2, np.nan, rng.normal(size=n)),
            "paid": rng.random(n) < 0.5,
            "rooms": rng.integers(1, 5, n),
            "since": rng.choice(["2024-01-01", "2024-02-01", "2025-12-31"], n),
            "plan": rng.choice(["1", "2", "free"], n),
        }
    )
    return frame, (frame["age"] + 20 * frame["paid"] > 60).astype(int)


@pytest.fixture(scope="module")
def mixed():
    X, y = table()
    parts = [
        ("numbers", make_pipeline(SimpleImputer(), StandardScaler()), ["age", "income"]),
        ("one_hot", OneHotEncoder(handle_unknown="ignore"), ["paid", "rooms", "since"]),
        ("ordinal", OrdinalEncoder(handle_unknown="use_encoded_value", unknown_value=-1), ["plan"]),
    ]
    source = make_pipeline(ColumnTransformer(parts), LogisticRegression(max_iter=500)).fit(X, y)
    return source, qc.quantize(source), X


def written(X, path):
    """The rows in a file, its cells as that kind of file has them."""
    if path.suffix == ".csv":
        X.to_csv(path, index=False)
    elif path.suffix == ".jsonl":
        X.to_json(path, orient="records", lines=True)
    else:
        pytest.importorskip("pyarrow", reason="Parquet takes pyarrow")
        dates = X.assign(since=[datetime.date.fromisoformat(d) for d in X["since"]])
        dates.assign(plan=X["plan"].astype("category")).to_parquet(path, index=False)
    return path


@pytest.mark.parametrize("ending", ["csv", "jsonl", "parquet"])
def test_cells_mean_what_the_source_was_fitted_on(mixed, tmp_path, ending):
    source, model, X = mixed
    path = written(X, tmp_path / f"rows.{ending}")
    (records,) = chunks(path, 1000)
    rows = Reader(model._artifact.plan).rows(records)
    np.testing.assert_array_equal(model.predict(rows), source.predict(X))
    np.testing.assert_allclose(model.predict_proba(rows), source.predict_proba(X), atol=1e-4)


def test_cells_that_nobody_knows_and_empty_ones(mixed, tmp_path):
    source, model, X = mixed
    odd = X.head(4).copy()
    odd["since"] = ["1999-01-01", "2024-01-01", "x", "2025-12-31"]
    odd["rooms"] = [99, 1, 2, 3]
    odd["plan"] = ["3", "1", "free", "none"]
    odd.loc[1, "income"] = np.nan
    (records,) = chunks(written(odd, tmp_path / "rows.csv"), 10)
    rows = Reader(model._artifact.plan).rows(records)
    np.testing.assert_array_equal(model.predict(rows), source.predict(odd))


def test_cells_of_categories_that_are_missing(mixed, tmp_path):
    source, model, X = mixed
    odd = X.head(3).astype({"rooms": float})
    odd.loc[0, "rooms"], odd.loc[1, "since"], odd.loc[2, "plan"] = np.nan, None, None
    for ending in ("csv", "jsonl"):
        (records,) = chunks(written(odd, tmp_path / f"rows.{ending}"), 10)
        np.testing.assert_array_equal(model.predict(Reader(model._artifact.plan).rows(records)), source.predict(odd))


@pytest.mark.parametrize(
    ("known", "cell", "meant"),
    [
        (["1", "2", "free"], 1.0, "1"),
        (["1.0", "1"], 1.0, "1.0"),
        (["2.5"], 2.5, "2.5"),
        (["true", "false"], True, "true"),
        (["True"], True, "True"),
        ([0, 1], True, 1),
        ([False, True], "TRUE", True),
        ([1.0, 2.0], "2", 2.0),
        ([1.0, 2.0], "7", 7.0),
        (["2024-01-01"], datetime.date(2024, 1, 1), "2024-01-01"),
        (["a"], datetime.date(2024, 1, 1), datetime.date(2024, 1, 1)),
        (["a", ""], "", ""),
        (["a"], "", None),
        (["a"], "b", "b"),
    ],
    ids=repr,
)
def test_a_cell_is_the_category_that_it_means(known, cell, meant):
    found = matcher(known)(cell)
    assert (type(found), found) == (type(meant), meant)


def test_records(tmp_path):
    found = [{"city": "Bonn", "n": 2.0}, {"city": "Ulm"}, {"n": 1.0, "flag": 3.0}] * 6
    source = make_pipeline(DictVectorizer(), LogisticRegression()).fit(found, ["a", "b", "c"] * 6)
    model = qc.quantize(source)
    path = tmp_path / "rows.jsonl"
    path.write_text("".join(json.dumps({**one, "empty": None}) + "\n" for one in found), "utf-8")
    (records,) = chunks(path, 100)
    rows = Reader(model._artifact.plan).rows(records)
    assert model.predict(rows).tolist() == source.predict(found).tolist()


# ------------------------------------------------------------------ streams


def piped(*arguments, data, code=0):
    done = subprocess.run([sys.executable, "-m", "quantcore", *map(str, arguments)], input=data, capture_output=True)
    assert done.returncode == code, done.stderr.decode()
    return done.stdout.decode("utf-8"), done.stderr.decode("utf-8")


@pytest.fixture(scope="module")
def text(tmp_path_factory):
    source = make_pipeline(TfidfVectorizer(), LogisticRegression()).fit(DOCUMENTS, LABELS)
    path = tmp_path_factory.mktemp("text") / "m.qc"
    qc.save(qc.quantize(source), path)
    return source, path


def test_json_lines_through_pipes(text):
    source, path = text
    data = "".join(json.dumps({"text": d}, ensure_ascii=False) + "\n" for d in [*DOCUMENTS, None]).encode()
    out, err = piped("predict", path, "-", "-o", "-", "--batch", 7, data=data, code=1)
    found = [json.loads(line) for line in out.splitlines()]
    assert [one["label"] for one in found] == source.predict(DOCUMENTS).tolist()
    (told,) = [json.loads(line) for line in err.splitlines() if line.startswith("{")]
    assert told["row"] == len(DOCUMENTS)
    assert "expected a document" in told["error"]
    assert f"{len(DOCUMENTS)} rows answered" in err


def test_a_stream_that_is_no_file(text):
    """A test or a notebook puts something of its own in place of standard input."""
    source, path = text
    data = "".join(json.dumps({"text": d}) + "\n" for d in DOCUMENTS)
    done = CliRunner().invoke(app, ["predict", str(path), "-", "-o", "-", "--stdout", "text"], input=data)
    assert done.exit_code == 0, done.output
    assert done.stdout.splitlines() == source.predict(DOCUMENTS).tolist()


def test_csv_through_pipes(text):
    source, path = text
    file = io.StringIO(newline="")
    writer = csv.writer(file)
    writer.writerow(["body", "id"])
    writer.writerows([d, i] for i, d in enumerate(DOCUMENTS))
    data = file.getvalue().encode("utf-8-sig")
    common = ("predict", path, "-", "-o", "-", "--stdin", "csv", "--column", "body")
    out, _ = piped(*common, "--stdout", "csv", data=data)
    assert [one["label"] for one in csv.DictReader(io.StringIO(out))] == source.predict(DOCUMENTS).tolist()
    out, _ = piped(*common, "--stdout", "text", data=data)
    assert out.splitlines() == source.predict(DOCUMENTS).tolist()


def test_a_reader_that_has_enough_is_no_error(text):
    _, path = text
    data = "".join(json.dumps({"text": d}) + "\n" for d in DOCUMENTS * 2000).encode()
    command = [sys.executable, "-m", "quantcore", "predict", str(path), "-", "-o", "-"]
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    import threading

    def feed():
        try:
            process.stdin.write(data)
            process.stdin.close()
        except BrokenPipeError:
            pass

    feeder = threading.Thread(target=feed)
    feeder.start()
    assert json.loads(process.stdout.readline())["row"] == 0
    process.stdout.close()
    err = process.stderr.read().decode()
    assert process.wait(60) == 0
    feeder.join()
    process.stderr.close()
    assert "Traceback" not in err
    assert "Exception ignored" not in err
