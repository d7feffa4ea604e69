"""The optimizer's part of the results: smallest files, at equal accuracy beside fastText's, forms of tables, int4 beside int8."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from scipy.stats import binomtest

from quantcore.report.quality import share

# Least times smaller than joblib's file, of the smallest form that agrees on 999 of 1000 rows.
SMALLEST = {"sms_spam": 10.0, "rt_polarity": 6.0, "movie_reviews": 10.0, "banking77": 10.0, "clinc150": 20.0}
FOUNDING = {"e-mail, founding size": 1500, "intent, founding size": 20_000, "sentiment, founding size": 1500}
# Seconds of one core's time that the search may take.
SECONDS = {
    "clinc150": 30.0,
    "sms_spam": 2.0,
    "e-mail, founding size": 2.0,
    "intent, founding size": 2.0,
    "sentiment, founding size": 2.0,
}
_NOISE = 1.1  # two forms of one speed differ by as much from run to run

Extra = dict[str, Any]


def section(benchmarks: list[dict[str, Any]]) -> str:
    """Tables in Markdown; empty where none of it was run.

    Parameters
    ----------
    benchmarks : list of dict
        As pytest-benchmark wrote them.
    """
    parts = []
    for task, head, line in _TABLES:
        found = [one["extra_info"] for one in benchmarks if one["extra_info"].get("task") == task]
        lines = [cells for extra in found for cells in line(extra)]
        if lines:
            rows = (head, ("---",) * len(head), *lines)
            parts.append("".join(f"| {' | '.join(cells)} |\n" for cells in rows))
    return "## Smallest forms\n\n" + "\n".join(parts) if parts else ""


def _smallest(extra: Extra) -> list[tuple[str, ...]]:
    own, runs, sizes = extra["own"], [extra["own"], *extra["fresh"]], extra["file_bytes"]
    rows, flips, won, lost = (sum(run[name] for run in runs) for name in ("rows", "flips", "won", "lost"))
    agreeing = share(rows - flips, rows)
    ratio, wanted = sizes["joblib"] / own["bytes"], SMALLEST[extra["case"]]
    # the probability of so many lost, of the rows that changed sides, if either way is as likely
    even = binomtest(lost, won + lost, alternative="greater").pvalue if won + lost else 1.0
    most = SECONDS.get(extra["case"])
    met = ratio >= wanted and agreeing.high >= own["agreement"] and even >= 0.05 and (most is None or own["cpu_seconds"] <= most)
    return [
        (
            extra["case"],
            _bytes(own["bytes"]),
            f"{_bytes(sizes['joblib'])} ({ratio:.1f}x)",
            f"{_bytes(sizes['ONNX'])} ({sizes['ONNX'] / own['bytes']:.0f}x)" if "ONNX" in sizes else "-",
            f"{own['flips']} of {own['rows']:,}",
            f"{flips} of {rows:,} ({agreeing.value:.2%}; {agreeing.low:.2%} .. {agreeing.high:.2%})",
            f"{won} won, {lost} lost (p = {even:.2g})",
            f"{own['cpu_seconds']:.1f} s",
            f"{wanted:g}x" + ("" if most is None else f", {most:g} s"),
            _met(met),
        )
    ]


def _equal(extra: Extra) -> list[tuple[str, ...]]:
    out = []
    for theirs in extra["fasttext"]:
        enough = [one for one in extra["ours"] if one["accuracy"] >= theirs["accuracy"]]
        ours = min(enough, key=lambda one: one["bytes"], default=None)
        what = f"{_bytes(theirs['bytes'])}, {theirs['accuracy']:.2%}"
        if ours is None:
            out.append((extra["case"], what, "none as accurate", "", "**no**"))
            continue
        form = f"min_agreement={ours['agreement']:g}" + ("" if ours["source"] == "as above" else f", {ours['source']}")
        shown = f"{_bytes(ours['bytes'])}, {ours['accuracy']:.2%} ({form})"
        out.append(
            (extra["case"], what, shown, f"{theirs['bytes'] / ours['bytes']:.1f}x", _met(ours["bytes"] <= theirs["bytes"]))
        )
    return out


def _founding(extra: Extra) -> list[tuple[str, ...]]:
    goal, most = FOUNDING[extra["case"]], SECONDS[extra["case"]]
    met = extra["bytes"] <= goal and extra["cpu_seconds"] <= most
    flips = f"{extra['flips']} of {extra['rows']:,}"
    return [
        (extra["case"], _bytes(extra["bytes"]), flips, f"{extra['cpu_seconds']:.2f} s", f"{_bytes(goal)}, {most:g} s", _met(met))
    ]


def _table(extra: Extra) -> list[tuple[str, ...]]:
    ours, plain = extra["forms"]["chosen"], extra["forms"]["float32"]
    slower = any(ours[what] > _NOISE * plain[what] for what in ("batch", "one"))
    few = share(ours["rows"] - ours["flips"], ours["rows"]).high >= 0.999
    # the options in the provenance are a few bytes longer
    return [(extra["case"], *_forms(ours, plain), _met(ours["bytes"] <= plain["bytes"] + 16 and not slower and few))]


def _int4(extra: Extra) -> list[tuple[str, ...]]:
    four, eight = extra["forms"]["int4"], extra["forms"]["int8"]
    kept = not four["form"].startswith("int4")
    halves = "int8 was kept" if kept else f"{four['weights'] / eight['weights']:.2f} of int8's weights"
    met = kept or 2 * four["weights"] <= eight["weights"]
    return [(extra["case"], *_forms(four, eight), halves, _met(met))]


def _forms(one: Extra, other: Extra) -> tuple[str, ...]:
    return tuple(f"{show(one)} / {show(other)}" for show in _SHOWN)


_SHOWN: tuple[Callable[[Extra], str], ...] = (
    lambda form: f"{form['form'].removeprefix('the coarsest grid whose certificates hold') or 'certified'}",
    lambda form: _bytes(form["bytes"]),
    lambda form: f"{form['flips']} of {form['rows']:,}",
    lambda form: f"{form['batch'] * 1e9:,.0f} ns",
    lambda form: f"{form['one'] * 1e9:,.0f} ns",
)


def _bytes(value: float) -> str:
    return f"{value:,.0f} B" if value < 1e4 else f"{value / 1e3:,.1f} kB" if value < 1e5 else f"{value / 1e3:,.0f} kB"


def _met(yes: bool) -> str:
    return "yes" if yes else "**no**"


_PAIR = ("form", "file", "labels that differ", "batch, a row", "one row")
_TABLES: tuple[tuple[str, tuple[str, ...], Callable[[Extra], list[tuple[str, ...]]]], ...] = (
    (
        "smallest",
        (
            "min_agreement=0.999", "file", "joblib compress=3", "ONNX", "labels that differ", "with fresh splits",
            "right labels", "search, CPU", "goal", "met",
        ),
        _smallest,
    ),
    ("equal accuracy", ("beside fastText", "its file, accuracy", "smallest of ours, no less accurate", "smaller", "met"), _equal),
    ("founding", ("founding size", "file", "labels that differ", "search, CPU", "goal", "met"), _founding),
    ("smallest table", ("chosen / float32", *_PAIR, "met"), _table),
    ("int4", ("int4 / int8, min_agreement=0.99", *_PAIR, "weights", "met"), _int4),
)  # fmt: skip
