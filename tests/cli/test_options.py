"""Options of the commands: that they reach what they name, and that the help tells the truth about them."""

from __future__ import annotations

import json
import shlex
import signal
import subprocess
import sys

import joblib
import pytest
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline

import quantcore as qc

typer = pytest.importorskip("typer", reason="the command line is made with typer")
from typer.testing import CliRunner  # noqa: E402

from quantcore.cli.app import app, out  # noqa: E402

NAMES = ("quantize", "scan", "inspect", "predict", "compare", "bench", "verify", "config")
WORDS = ["good", "bad", "fine", "boring", "great", "awful", "plot", "film", "cast", "score"]
DOCUMENTS = [f"{WORDS[i % 6]} {WORDS[6 + i * 7 % 4]} {WORDS[i * 5 % 10]}" for i in range(120)]
LABELS = ["yes" if i % 2 == 0 else "no" for i in range(120)]


def run(*arguments, code=0):
    result = CliRunner().invoke(app, [str(a) for a in arguments])
    assert result.exit_code == code, (result.output, result.exception)
    return result


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    found = tmp_path_factory.mktemp("options")
    source = make_pipeline(TfidfVectorizer(), LogisticRegression()).fit(DOCUMENTS, LABELS)
    joblib.dump(source, found / "m.joblib")
    (found / "rows.txt").write_text("\n".join(DOCUMENTS) + "\n", "utf-8")
    return found


MEASURED = ("--guarantee", "measured", "--min-agreement", "0.9")
OPTIONS = {
    "objective": ((*MEASURED, "--objective", "size"), {"guarantee": "measured", "min_agreement": 0.9, "objective": "size"}),
    "latency": ((*MEASURED, "--max-latency", "1e-3"), {"guarantee": "measured", "min_agreement": 0.9, "max_latency": 1e-3}),
    "prune": ((*MEASURED, "--prune", "0.3"), {"guarantee": "measured", "min_agreement": 0.9, "prune": 0.3}),
    "no pruning": ((*MEASURED, "--prune", "none"), {"guarantee": "measured", "min_agreement": 0.9, "prune": None}),
    "size": (("--max-bytes", "5000"), {"max_bytes": 5000}),
    "precision": (("--precision", "int16"), {"precision": "int16"}),
    "certify": (("--certify", "threshold=0.75"), {"certify": {"threshold": 0.75}}),
    "exact": (("--guarantee", "exact", "--seed", "3"), {"guarantee": "exact", "seed": 3}),
    "metadata": (("--metadata", "team=mail", "--metadata", "note=a=b"), {"metadata": {"team": "mail", "note": "a=b"}}),
}


@pytest.mark.parametrize("which", OPTIONS)
def test_the_file_is_what_quantize_makes_with_the_same_options(folder, which):
    given, options = OPTIONS[which]
    path = folder / f"{which}.qc"
    run("quantize", folder / "m.joblib", "--trust-pickle", "--calibration", folder / "rows.txt", "-o", path, *given)
    made = qc.quantize(str(folder / "m.joblib"), DOCUMENTS, trust_pickle=True, **options)
    assert path.read_bytes() == made.data
    assert "pickled_with" in made.provenance


def test_candidates_and_the_report_are_printed(folder, monkeypatch):
    monkeypatch.setattr(out, "width", 300)  # no cell is wrapped
    common = ("quantize", folder / "m.joblib", "--trust-pickle", "--calibration", folder / "rows.txt", "-o", folder / "o.qc")
    made = qc.quantize(folder / "m.joblib", DOCUMENTS, guarantee="measured", min_agreement=0.9, trust_pickle=True)
    shown = " ".join(run(*common, *MEASURED, "--candidates").stdout.split())
    kept = next(one for one in made.report().candidates if one["kept"])
    assert f"→ {kept['form']}" in shown
    assert all(one["form"] in shown for one in made.report().candidates)
    found = json.loads(run(*common, *MEASURED, "--json").stdout)
    assert found["candidates"] == made.report().candidates
    assert (found["file"], found["digest"]) == (str(folder / "o.qc"), qc.load(folder / "o.qc").digest)


@pytest.mark.parametrize(
    ("given", "code", "message"),
    [
        (("--max-latency", "1e-12"), 1, "closest candidate"),
        (("--prune", "0.5"), 2, "--guarantee measured"),
        ((*MEASURED, "--prune", "half"), 2, "--prune half"),
        ((*MEASURED, "--prune", "1.0"), 2, "--prune 1.0"),
        (("--certify", "top_k"), 2, "--certify top_k"),
        (("--certify", "beauty=1"), 2, "--certify beauty=1"),
        (("--certify", "threshold=2"), 1, "threshold"),
        (("--metadata", "team"), 2, "NAME=VALUE"),
        (("--objective", "beauty"), 2, "beauty"),
    ],
)
def test_options_that_make_no_sense(folder, given, code, message):
    path = folder / "no.qc"
    done = run(
        "quantize", folder / "m.joblib", "--trust-pickle", "--calibration", folder / "rows.txt", "-o", path, *given, code=code
    )  # fmt: skip
    assert message in " ".join(done.stderr.replace("│", " ").split())
    assert not path.exists()


class Interrupts:
    """A pickle whose reading the user ends with Ctrl-C."""

    def __reduce__(self):
        return signal.raise_signal, (signal.SIGINT,)


@pytest.mark.parametrize("name", ["quantize", "compare"])
def test_ctrl_c_leaves_nothing_half_written(folder, tmp_path, name):
    joblib.dump(Interrupts(), tmp_path / "m.joblib")
    qc.save(qc.quantize(joblib.load(folder / "m.joblib")), tmp_path / "m.qc")
    given = {
        "quantize": ("-o", tmp_path / "o.qc"),
        "compare": (tmp_path / "m.qc", "--rows", folder / "rows.txt", "--html", tmp_path / "page.html"),
    }[name]
    command = [sys.executable, "-m", "quantcore", name, str(tmp_path / "m.joblib"), "--trust-pickle", *map(str, given)]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 130
    assert "Traceback" not in done.stderr
    assert sorted(p.name for p in tmp_path.iterdir()) == ["m.joblib", "m.qc"]


# ---------------------------------------------------------------- help


def commands():
    return typer.main.get_command(app).commands


def test_every_command_is_there():
    assert sorted(commands()) == sorted(NAMES)


@pytest.mark.parametrize("name", NAMES)
def test_examples_are_commands_that_are_understood(name, monkeypatch, tmp_path):
    epilog = commands()[name].epilog
    assert "Exit codes: 0" in epilog
    examples = [line.removeprefix("Example: [bold]").removesuffix("[/]") for line in epilog.split("\n\n") if "Example" in line]
    assert examples
    monkeypatch.chdir(tmp_path)
    for example in examples:
        words = shlex.split(example.split("|")[-1].split(">")[0])
        assert words[:2] == ["quantcore", name]
        for word in words[2:]:  # what has to be there, is
            if word.endswith("/"):
                (tmp_path / word).mkdir(exist_ok=True)
            elif "." in word and not word.startswith("-"):
                (tmp_path / word).touch()
        commands()[name].make_context(name, words[2:])  # raises what a user would see


@pytest.mark.parametrize("name", NAMES)
def test_every_option_says_what_it_is(name):
    for parameter in commands()[name].params:
        said = getattr(parameter, "help", None)
        assert said, f"{name} {parameter.name}"


def test_config_tells_what_show_config_tells():
    found = qc.show_config()
    shown = run("config").stdout
    assert f"version: {found['version']}" in shown
    assert f"isa: {found['isa']}" in shown
    assert " ".join(found["cpu"]) in shown
    assert all(family in shown for family in found["families"])
    assert json.loads(run("config", "--json").stdout) == json.loads(json.dumps(found, default=str))
