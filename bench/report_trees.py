"""The section on tree ensembles: times beside the peers and the goals, what peers answer, sizes of files, conversion."""

from __future__ import annotations

from typing import Any

__all__ = ["headlines", "section"]

_PEERS = ("source", "onnxruntime", "treelite", "lleaves")
_AVX2 = "quantcore, AVX2"
_SMALL, _SLICED = 64, 256  # leaves
_FILE_RATIO = 4.0
_CONVERT_SECONDS, _CONVERT_MEMORY = 2.0, 5.0
# What README shows: case, task.
_HEADLINES = (
    ("lightgbm 100 x 31", "trees: predict, 1 row"),
    ("lightgbm 500 x 64", "trees: predict, 1000 rows"),
    ("lightgbm 500 x 255", "trees: predict, 20000 rows"),
    ("random forest 100 x 4000", "trees: predict, 20000 rows"),
    ("covertype, random forest", "trees: predict, 1000 rows"),
)
Found = dict[str, dict[str, Any]]  # by contender


def section(benchmarks: list[dict[str, Any]]) -> str:
    """Markdown tables of what was measured, or nothing."""
    by_case = _by_case(benchmarks)
    parts = []
    if by_case:
        head = ("case, task", "quantcore", _AVX2, *_PEERS, "goals", "met")
        lines = [_line(case, task, found) for case, tasks in by_case.items() for task, found in tasks.items()]
        note = "One row: µs a call; more: ns a row and tree. In brackets: times slower than quantcore."
        parts.append(f"## Tree ensembles\n\n{note}\n\n{_table(head, lines)}")
        firsts = [(case, next(iter(tasks.values()))["quantcore"]) for case, tasks in by_case.items()]
        head = ("case", "quantcore", "onnxruntime", "treelite", "lleaves")
        lines = [(case, *(first["answers"].get(name, "") for name in head[1:])) for case, first in firsts]
        parts.append(f"Answers beside the source's own predict (and predict_proba); why who is absent:\n\n{_table(head, lines)}")
        head = ("case", "trees", "leaves, at most", "quantcore, exact", "joblib compress=3", "ratio", "goal", "met")
        parts.append(_table(head, [_file(case, first) for case, first in firsts]))
    converted = {f["extra_info"]["task"]: f for f in benchmarks if f["extra_info"].get("case") == "ten million nodes"}
    if converted:
        parts.append(_table(("a forest of ten million nodes", "measured", "goal", "met"), _conversion(converted)))
    return "\n".join(parts)


def headlines(benchmarks: list[dict[str, Any]]) -> list[tuple[str, ...]]:
    """Lines for README's table: what, quantcore, source library, onnxruntime, ratio to the source library, goal, met."""
    by_case, out = _by_case(benchmarks), []
    for case, task in _HEADLINES:
        found = by_case.get(case, {}).get(task)
        if found is None or "source" not in found:
            continue
        ours, theirs = found["quantcore"]["seconds"], found["source"]["seconds"]
        n = found["quantcore"]["rows"]
        what = f"{case}: {'one row' if n == 1 else f'batch of {n:,}, a row'}"
        shown = [_time(found[name]["seconds"] / n) if name in found else "-" for name in ("quantcore", "source", "onnxruntime")]
        goals, met = _goals(found)
        out.append((what, *shown, f"{theirs / ours:,.0f}x", goals, met))
    return out


def _by_case(benchmarks: list[dict[str, Any]]) -> dict[str, dict[str, Found]]:
    out: dict[str, dict[str, Found]] = {}
    for one in benchmarks:
        extra = one["extra_info"]
        if str(extra.get("task", "")).startswith("trees: "):
            found = out.setdefault(extra["case"], {}).setdefault(extra["task"], {})
            found[extra["contender"]] = {**extra, "seconds": one["stats"]["median"]}
    return {case: {task: f for task, f in tasks.items() if "quantcore" in f} for case, tasks in out.items()}


def _line(case: str, task: str, found: Found) -> tuple[str, ...]:
    ours = found["quantcore"]["seconds"]
    cells = []
    for name in ("quantcore", _AVX2, *_PEERS):
        if name not in found:
            cells.append("-")
            continue
        one = found[name]
        text = f"{one['seconds'] * 1e6:.2f}" if one["rows"] == 1 else f"{one['seconds'] / one['rows'] / one['trees'] * 1e9:.2f}"
        cells.append(text if name == "quantcore" else f"{text} ({one['seconds'] / ours:.1f}x)")
    return (f"{case}: {task.removeprefix('trees: ')}", *cells, *_goals(found))


def _goals(found: Found) -> tuple[str, str]:
    """The goals of a task, which depend on the shape of the ensemble, and whether they are met."""
    own = found["quantcore"]
    if (own["method"], own["form"]) != ("predict", "float32") or own["rows"] not in (1, 1000, 20000):
        return "", ""
    ours, n, most = own["seconds"], own["rows"], own["most_leaves"]
    least: list[tuple[str, float]] = []  # whose time, by how much it has to be more than ours
    limit = None
    if n == 1:
        least = [("onnxruntime", 4.0), ("lleaves", 1.0), ("treelite", 1.0)]
        limit = 1.3e-6 if (own["trees"], most) == (100, 31) else None
    elif most <= _SMALL:
        least, limit = [("onnxruntime", 25.0), ("source", 15.0)], 0.5e-9
    elif most <= _SLICED:
        least, limit = [("onnxruntime", 25.0)], 1.3e-9
    else:
        least = [("onnxruntime", 5.0 if n == 1000 else 15.0)]
    goals, met = [], []
    for name, times in least:
        if name in found:
            goals.append(f"{times:g}x {name}")
            met.append(found[name]["seconds"] >= times * ours)
    if _AVX2 in found and "onnxruntime" in found and most <= _SLICED:
        goals.append("AVX2 8x onnxruntime")
        met.append(found["onnxruntime"]["seconds"] >= 8.0 * found[_AVX2]["seconds"])
    if limit is not None:
        goals.append(_time(limit) if n == 1 else f"{limit * 1e9:g} ns")
        met.append(ours / (1 if n == 1 else n * own["trees"]) <= limit)
    missed = [goal for goal, good in zip(goals, met, strict=True) if not good]
    return ", ".join(goals), f"**no**: {', '.join(missed)}" if missed else "yes" if goals else ""


def _file(case: str, first: dict[str, Any]) -> tuple[str, ...]:
    ours, theirs = first["bytes"]["quantcore"], first["bytes"]["source"]
    met = "yes" if theirs >= _FILE_RATIO * ours else "**no**"
    sizes = (f"{ours / 1e3:,.0f} kB", f"{theirs / 1e3:,.0f} kB", f"{theirs / ours:.2f}x")
    return (case, str(first["trees"]), str(first["most_leaves"]), *sizes, f"{_FILE_RATIO:g}x smaller", met)


def _conversion(found: dict[str, dict[str, Any]]) -> list[tuple[str, ...]]:
    lines = []
    for task, one in found.items():
        extra, seconds = one["extra_info"], one["stats"]["median"]
        goal = f"under {_CONVERT_SECONDS:g} s" if task in ("convert", "quantize") else ""
        met = ("yes" if seconds < _CONVERT_SECONDS else "**no**") if goal else ""
        lines.append((task, f"{seconds:.2f} s ({extra['cpu_seconds']:.2f} s of CPU)", goal, met))
        if extra["model_mb"] and goal:
            ratio = extra["extra_mb"] / extra["model_mb"]
            met = "yes" if ratio < _CONVERT_MEMORY else "**no**"
            lines.append((f"{task}: memory beside the model", f"{ratio:.2f}x", f"under {_CONVERT_MEMORY:g}x", met))
    sizes = {name: found[name]["extra_info"]["file_mb"] for name in ("quantize", "joblib.dump") if name in found}
    if len(sizes) == 2 and sizes["quantize"]:
        ratio = sizes["joblib.dump"] / sizes["quantize"]
        met = "yes" if ratio >= _FILE_RATIO else "**no**"
        lines.append(("file", f"{sizes['quantize']:.1f} MB, {ratio:.1f}x smaller", f"{_FILE_RATIO:g}x smaller", met))
    return lines


def _time(seconds: float) -> str:
    for unit, scale in (("s", 1.0), ("ms", 1e-3), ("µs", 1e-6)):
        if seconds >= scale or unit == "µs":
            return f"{seconds / scale:.3g} {unit}"
    raise AssertionError


def _table(head: tuple[str, ...], lines: list[tuple[str, ...]]) -> str:
    return "".join(f"| {' | '.join(line)} |\n" for line in (head, ("---",) * len(head), *lines))
