"""Reproduce the figures of reliability in one table: python tools/reliability.py BIN [PART...]

BIN is the bin folder of a virtual environment with the peers of bench/ in it. Without PARTs all run, about an hour on two quiet
cores; FUZZ_SECONDS (60), SOAK_PREDICTIONS (1,000,000) and QUANTCORE_MUTANTS (1000) for shorter or longer ones. A part that fails
is told, the others still run, and the exit status is 1. What each part wrote is in build/reliability.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
LOGS = ROOT / "build" / "reliability"
MUTANTS = LOGS / "mutants.json"
SECONDS = os.environ.get("FUZZ_SECONDS", "60")
SMALL = 300.0  # µs: the goal for files up to 100 kB


def cells(text: str) -> list[list[str]]:
    """The rows of the Markdown tables in a text."""
    lines = [line for line in text.splitlines() if line.startswith("|") and not set(line) <= set("|- :")]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]


def load(text: str) -> str:
    rows = {name: rest for name, *rest in cells(text)}
    small = [float(took[:-3]) for _, took in rows.values() if took.endswith(" us")]
    under = sum(took <= SMALL for took in small)
    return (
        f"{len(small)} golden files in {min(small):.0f} to {max(small):.0f} µs, {under} of them under {SMALL:.0f}; "
        f"raw sections: {rows['raw sections'][1]}; coded ones: {rows['coded sections'][1]}"
    )


def mutants(text: str) -> str:
    found = [one["extra_info"] for one in json.loads(MUTANTS.read_text())["benchmarks"]]
    return "; ".join(
        f"{one['library']} {one['crash']} crashes, {one['hang']} hangs, {one['different']} silently different" for one in found
    )


def passed(text: str) -> str:
    return re.findall(r"\d+ passed[^\n]*", text)[-1]


def fuzzed(text: str) -> str:
    return "; ".join(re.findall(r"^(\d+ cases) .*?(in all \{.*\})$", text, re.M)[-1])


def native(text: str) -> str:
    return ", ".join(re.findall(r"^  ([a-z0-9_.]+ \d+)$", text, re.M)) + " (in all)"


def soak(text: str) -> str:
    found = json.loads(text.strip().splitlines()[-1])
    return (
        f"{found['predictions']:,} predictions, {found['errors']:,} of them errors: the memory grew by {found['grown']:,} bytes"
    )


def mapped(text: str) -> str:
    return "PSS of all: " + ", ".join(f"{how} {size} MiB" for how, size in cells(text)[1:])


def busy(text: str) -> str:
    return "p99 busy / quiet: " + ", ".join(f"{name} {ratio}" for name, *_, ratio in cells(text)[1:])


# Of each part: what it shows, its command ("." stands for BIN), and what makes a line of what it wrote.
PARTS: dict[str, tuple[str, list[str], Callable[[str], str]]] = {
    "load": ("load, fully validated", ["python", "bench/models/bench_load.py"], load),
    "damage": ("every bit flip and truncation of the golden files", ["pytest", "-q", "tests/artifact/test_damage.py"], passed),
    "faults": ("failing malloc, read, write, fsync, rename; kill -9", ["pytest", "-q", "tests/faults"], passed),
    "fuzz": (f"changed artifacts, {SECONDS} s", ["pytest", "tests/fuzz", "-m", "slow", "-p", "no:cacheprovider"], fuzzed),
    "sanitized": (f"the same under sanitizers, {SECONDS} s", ["tools/sanitize", ".", "tests/fuzz", "-m", "slow"], fuzzed),
    "kernels": (f"kernels on any bytes, {SECONDS} s a target", ["tools/fuzz_native", SECONDS], native),
    "mutants": (
        "mutants of a small model, with the peers",
        ["pytest", "-q", "bench/models/bench_mutants.py", f"--benchmark-json={MUTANTS}"],
        mutants,
    ),
    "mmap": ("8 processes and one file", ["python", "bench/models/bench_mmap.py"], mapped),
    "soak": (
        "memory over many calls",
        ["python", "-W", "ignore", "tests/soak/predictions.py", os.environ.get("SOAK_PREDICTIONS", "1000000")],
        soak,
    ),
    "busy": ("one row beside a busy thread", ["python", "-W", "ignore", "bench/models/bench_busy.py"], busy),
}


def run(part: str, binaries: Path) -> tuple[bool, str]:
    """Whether a part succeeded, and its line."""
    _, (program, *arguments), line = PARTS[part]
    tool = program.startswith("tools/")
    command = [str(ROOT / program if tool else binaries / program), *(str(binaries) if a == "." else a for a in arguments)]
    # Where a library is slow to end or NumPy's threads differ, figures would: one thread, as in bench/; one arena for the soak.
    environment = {**os.environ, "OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1", "MALLOC_ARENA_MAX": "1"}
    log = LOGS / f"{part}.txt"
    with log.open("w") as file:
        status = subprocess.run(command, cwd=ROOT, env=environment, stdout=file, stderr=subprocess.STDOUT, check=False).returncode
    text = log.read_text()
    try:
        told = line(text)
    except (IndexError, KeyError, ValueError):
        told = "no figures"
    return status == 0, told if status == 0 else f"**failed**, see {log.relative_to(ROOT)}; {told}"


def main(binaries: Path, parts: list[str]) -> int:
    unknown = [part for part in parts if part not in PARTS]
    if unknown:
        sys.exit(f"unknown parts {', '.join(unknown)}; known are {', '.join(PARTS)}")
    LOGS.mkdir(parents=True, exist_ok=True)
    print("| what | result | took |\n| --- | --- | --- |", flush=True)
    start, well = time.monotonic(), True
    for part in parts or PARTS:
        began = time.monotonic()
        succeeded, told = run(part, binaries)
        well &= succeeded
        print(f"| {PARTS[part][0]} | {told} | {time.monotonic() - began:.0f} s |", flush=True)
    print(f"\n{(time.monotonic() - start) / 60:.0f} minutes in all.")
    return 0 if well else 1


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]).absolute(), sys.argv[2:]))
