"""Coverage by room: branches of quantcore, lines of the C kernels. Fails below 95 % of either.

Usage: coverage_report.py BUILD [--no-limit]    (as tools/coverage has left it)
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections import defaultdict
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
WANTED = 0.95


def branches(build: Path) -> dict[str, list[tuple[str, int, int]]]:
    """(file, passed, all) branches by room."""
    coverage = [sys.executable, "-m", "coverage"]
    data, parts = build / "python" / "all", map(str, (build / "python").glob("data.*"))
    subprocess.run([*coverage, "combine", "--keep", "--quiet", f"--data-file={data}", *parts], cwd=ROOT, check=True)
    report = build / "python.json"
    subprocess.run([*coverage, "json", "--quiet", f"--data-file={data}", "-o", str(report)], cwd=ROOT, check=True)
    rooms = defaultdict(list)
    for name, found in json.loads(report.read_text())["files"].items():
        room = Path(name).parts[1] if len(Path(name).parts) > 2 else "(face)"
        rooms[room].append((name, found["summary"]["covered_branches"], found["summary"]["num_branches"]))
    return rooms


def lines(build: Path) -> dict[str, dict[str, dict[int, int]]]:
    """How often each line of a C file was passed, by family; a header's lines in whatever kernel they were."""
    families: dict[str, dict[str, dict[int, int]]] = defaultdict(lambda: defaultdict(dict))
    for notes in sorted((build / "temp").rglob("*.gcno")):
        said = subprocess.run(
            [os.environ.get("GCOV", "gcov"), "--json-format", "--stdout", notes.name],
            cwd=notes.parent,
            check=True,
            capture_output=True,
        )
        for text in said.stdout.splitlines():
            for file in json.loads(text)["files"]:
                path = Path(file["file"])
                if not path.is_relative_to(ROOT / "src"):
                    continue
                place = path.relative_to(ROOT / "src")
                family = place.parts[1] if place.parts[0] == "kernels" and len(place.parts) > 2 else "shared"
                counts = families[family][str(place)]
                for line in file["lines"]:
                    counts[line["line_number"]] = max(counts.get(line["line_number"], 0), line["count"])
    return families


def row(name: str, passed: int, whole: int) -> str:
    return f"  {name:<14} {passed:>6} of {whole:>6}  {passed / max(whole, 1):6.1%}"


def main(build: Path, limit: bool) -> int:
    rooms, families = branches(build), lines(build)
    print("branches of quantcore")
    total = [0, 0]
    for room, files in sorted(rooms.items()):
        passed, whole = (sum(f[n] for f in files) for n in (1, 2))
        total = [total[0] + passed, total[1] + whole]
        print(row(room, passed, whole))
    print(row("all", *total))
    print("lines of the C kernels")
    summed, missed = [0, 0], {}
    for family, files in sorted(families.items()):
        passed, whole = sum(n > 0 for f in files.values() for n in f.values()), sum(map(len, files.values()))
        summed = [summed[0] + passed, summed[1] + whole]
        missed |= {name: sorted(n for n, count in f.items() if not count) for name, f in files.items()}
        print(row(family, passed, whole))
    print(row("all", *summed))
    (build / "kernels.json").write_text(json.dumps({name: at for name, at in sorted(missed.items()) if at}, indent=1))
    low = min(total[0] / max(total[1], 1), summed[0] / max(summed[1], 1))
    if low < WANTED and limit:
        print(f"{low:.1%} is below {WANTED:.0%}; `coverage report -m` and {build / 'kernels.json'} say what is missed")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]).resolve(), "--no-limit" not in sys.argv[2:]))
