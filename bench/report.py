"""The JSON of a benchmark run → a Markdown table beside the goals; README's headline table with --readme.

python bench/report.py build/bench/results.json [--readme]
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import report_mutants
import report_optimizer
import report_trees

ROOT = Path(__file__).resolve().parents[1]
RESULTS = ROOT / "bench" / "results" / "results.md"
README = ROOT / "README.md"
START, END = "<!-- bench:start -->", "<!-- bench:end -->"
SHORT = ("sms_spam", "clinc150", "rt_polarity", "sib200")
CSR = ("banking77, CSR", "clinc150, CSR")
# Least times faster than scikit-learn, by task and case.
FASTER = {
    **{("one", case): 700.0 for case in SHORT},
    **{("batch", case): 60.0 for case in SHORT},
    ("batch", "sms_spam"): 80.0,
    ("batch", "rt_polarity"): 80.0,
    ("one", "movie_reviews"): 40.0,
    ("batch", "movie_reviews"): 40.0,
    ("batch", "sms_spam, char (2, 4)"): 30.0,
    ("batch", "sms_spam, char_wb (2, 4)"): 30.0,
    **{("one", case): 100.0 for case in CSR},
    **{("batch", case): 10.0 for case in CSR},
}
# Least times faster than onnxruntime, and most seconds, by task and case.
FASTER_THAN_ONNX = {
    ("one", "30 x 2"): (5.0, 0.8e-6),
    ("one", "64 x 10"): (5.0, 0.8e-6),
    ("batch", "784 x 10"): (2.0, None),
    ("batch", "1024 x 100"): (2.0, None),
}
TABLES = ("30 x 2", "64 x 10", "784 x 10", "1024 x 100", "breast_cancer", "digits")
LOAD_FASTER = 10.0
MOST_BATCH_SECONDS = 0.25e-6
SMALLER = {"sms_spam": 3.5, "rt_polarity": 3.5, "movie_reviews": 3.5, "clinc150": 10.0}
MOST_BYTES = {"e-mail, founding size": 2000, "intent, founding size": 60_000, "sentiment, founding size": 2000}
TITLES = {"one": "one {}", "batch": "batch, a {}", "load": "load"}
HEADLINES = {
    *(
        (task, case)
        for task in ("one", "batch", "load", "file")
        for case in ("sms_spam", "rt_polarity", "clinc150", "movie_reviews")
    ),
    *(("file", case) for case in MOST_BYTES),
    *FASTER_THAN_ONNX,
    *((task, "") for task in ("many", "import")),
}


class Row(NamedTuple):
    """One line of the table."""

    key: tuple[str, str]
    what: str
    ours: str
    theirs: str
    onnx: str
    ratio: str
    goal: str
    met: str


def main(results: Path, readme: bool) -> None:
    """Write the tables."""
    run = json.loads(results.read_text("utf-8"))
    rows = _rows(run["benchmarks"])
    machine = run["machine_info"]
    about = (
        f"{machine.get('cpu', {}).get('brand_raw', machine['machine'])}, Python {machine['python_version']}, "
        f"{run['datetime'][:10]}; one thread, one process a contender, interleaved rounds, medians, the Python call counted."
    )
    RESULTS.parent.mkdir(parents=True, exist_ok=True)
    text = f"# Results\n\n`make bench` on {about}\n\n{_table(rows)}{_tables(run['benchmarks'])}"
    trees = report_trees.section(run["benchmarks"])
    mutants = report_mutants.section(run["benchmarks"])
    smallest = report_optimizer.section(run["benchmarks"])
    text += "".join(f"\n{part}" for part in (smallest, trees, mutants) if part)
    RESULTS.write_text(text, "utf-8")
    print(text)
    if readme:
        headlines = [row for row in rows if row.key in HEADLINES]
        headlines += [Row(("trees", line[0]), *line) for line in report_trees.headlines(run["benchmarks"])]
        before, _, rest = README.read_text("utf-8").partition(START)
        after = rest.partition(END)[2]
        README.write_text(f"{before}{START}\n{_table(headlines)}\n`make bench` on {about}\n{END}{after}", "utf-8")


def _table(rows: list[Row]) -> str:
    head = ("what", "quantcore", "source library", "onnxruntime", "ratio to the source", "goal", "met")
    lines = [head, ("---",) * len(head), *(row[1:] for row in rows)]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)


def _tables(benchmarks: list[dict[str, Any]]) -> str:
    """Pipelines over tables, by the form in which the rows come (bench/tables.py)."""
    by_form: dict[tuple[str, str], dict[str, Any]] = {}
    for found in benchmarks:
        extra = found["extra_info"]
        if extra.get("task") == "table":
            at = by_form.setdefault((extra["case"], extra["form"]), {"goals": extra["goals"]})
            at[extra["contender"]] = found["stats"]["median"]
    if not by_form:
        return ""
    head = ("pipeline", "rows", "quantcore", "scikit-learn", "onnxruntime", "goals met")
    lines = [head, ("---",) * len(head)]
    for (case, form), found in by_form.items():
        ours = found.get("quantcore")
        theirs = [found.get(name) for name in ("scikit-learn", "onnxruntime")]
        if ours is not None:
            shown = ["-" if t is None else f"{_seconds(t)} ({t / ours:,.0f}x)" for t in theirs]
            lines.append((case, form, _seconds(ours), *shown, found["goals"]))
    return "\n## Tables\n\n" + "".join(f"| {' | '.join(line)} |\n" for line in lines)


def _rows(benchmarks: list[dict[str, Any]]) -> list[Row]:
    by_key: dict[tuple[str, str], dict[str, dict[str, Any]]] = {}
    for found in benchmarks:
        extra = found["extra_info"]
        if "contender" in extra and extra["task"] != "table":
            at = by_key.setdefault((extra["task"], extra.get("case", "")), {})
            at[extra["contender"]] = {**extra, "seconds": found["stats"]["median"]}
    rows: list[Row] = []
    for (task, case), found in by_key.items():
        if "quantcore" not in found or "scikit-learn" not in found:
            continue
        if task in TITLES:
            rows.append(_timed(task, case, found))
        if task == "load":
            rows += [_file(case, found), _labels(case, found)]
        if task == "many":
            rows.append(
                _limited(task, "200 small models: start to first prediction of each", found, "seconds", _seconds, 1.0, "1 s")
            )
            rows.append(_limited(task, "200 small models: resident memory", found, "rss_mb", _megabytes, 150.0, "150 MB"))
        if task == "import":
            rows.append(_limited(task, "import over NumPy's", found, "seconds", _seconds, 0.01, "10 ms"))
            rows.append(_limited(task, "installed size", found, "installed_mb", _megabytes, 5.0, "5 MB"))
    return rows


def _row(
    key: tuple[str, str],
    what: str,
    found: dict[str, dict[str, Any]],
    field: str,
    show: Callable[[float], str],
    goal: str,
    met: bool | None,
) -> Row:
    shown = [show(found[name][field]) if name in found else "-" for name in ("quantcore", "scikit-learn", "onnxruntime")]
    ratio = found["scikit-learn"][field] / found["quantcore"][field]
    return Row(
        key,
        what,
        *shown,
        f"{ratio:,.0f}x" if ratio >= 20.0 else f"{ratio:.1f}x",
        goal,
        "" if met is None else "yes" if met else "**no**",
    )


def _timed(task: str, case: str, found: dict[str, dict[str, Any]]) -> Row:
    ours = found["quantcore"]["seconds"]
    title = f"{case}: {TITLES[task].format('row' if case in TABLES else 'document')}"
    if (task, case) in FASTER_THAN_ONNX:
        times, most = FASTER_THAN_ONNX[task, case]
        goal = f"{times:g}x onnxruntime" + ("" if most is None else f", {_seconds(most)}")
        met = "onnxruntime" in found and found["onnxruntime"]["seconds"] / ours >= times and (most is None or ours <= most)
        return _row((task, case), title, found, "seconds", _seconds, goal, met)
    wanted = FASTER.get((task, case)) if task != "load" or case in TABLES else LOAD_FASTER
    met = None if wanted is None else found["scikit-learn"]["seconds"] / ours >= wanted
    goal = "" if wanted is None else f"{wanted:.0f}x"
    if task == "batch" and case in SHORT:
        goal, met = f"{goal}, 0.25 µs", bool(met) and ours <= MOST_BATCH_SECONDS
    return _row((task, case), title, found, "seconds", _seconds, goal, met)


def _file(case: str, found: dict[str, dict[str, Any]]) -> Row:
    ours, theirs = (found[name]["file_bytes"] for name in ("quantcore", "scikit-learn"))
    if case in MOST_BYTES:
        goal, met = f"{_kilobytes(MOST_BYTES[case])}", ours <= MOST_BYTES[case]
    else:
        wanted = SMALLER.get(case, 1.0)
        goal, met = f"{wanted:g}x smaller" if wanted > 1.0 else "no larger", theirs / ours >= wanted
    return _row(("file", case), f"{case}: file (joblib compress=3)", found, "file_bytes", _kilobytes, goal, met)


def _labels(case: str, found: dict[str, dict[str, Any]]) -> Row:
    shown = [
        f"{found[name]['flips']} of {found[name]['rows']}" if name in found else "-" for name in ("quantcore", "onnxruntime")
    ]
    met = "yes" if found["quantcore"]["flips"] == 0 else "**no**"
    return Row(("labels", case), f"{case}: labels that differ from scikit-learn's", shown[0], "", shown[1], "", "0", met)


def _limited(
    task: str, what: str, found: dict[str, dict[str, Any]], field: str, show: Callable[[float], str], most: float, goal: str
) -> Row:
    return _row((task, ""), what, found, field, show, f"under {goal}", found["quantcore"][field] < most)


def _seconds(value: float) -> str:
    for unit, scale in (("s", 1.0), ("ms", 1e-3), ("µs", 1e-6)):
        if value >= scale:
            return f"{value / scale:.3g} {unit}"
    return f"{value / 1e-6:.2f} µs"


def _kilobytes(value: float) -> str:
    return f"{value / 1e3:,.1f} kB" if value < 1e5 else f"{value / 1e3:,.0f} kB"


def _megabytes(value: float) -> str:
    return f"{value:.3g} MB"


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("results", type=Path, help="what pytest --benchmark-json wrote")
    parser.add_argument("--readme", action="store_true", help="also rewrite the marked table in README.md")
    arguments = parser.parse_args()
    main(arguments.results, arguments.readme)
