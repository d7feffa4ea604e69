"""Artifacts with something wrong behind right checksums: a Model or ArtifactError, answers or the errors of bad input, within a
second and DESIGN's memory.

The fast test runs some thousand cases of fixed seeds. ``make fuzz`` goes on for FUZZ_SECONDS in FUZZ_PROCESSES processes, adds
its cases to ``build/fuzz/cases.json`` and keeps what was found beside it.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest

PROGRAM = Path(__file__).with_name("run.py")
ROOT = Path(__file__).resolve().parents[2]
CASES = int(os.environ.get("FUZZ_CASES", 3000))
SANITIZED = "asan" in os.environ.get("LD_PRELOAD", "")
SECONDS = float(os.environ.get("FUZZ_SECONDS", 60.0))
PROCESSES = int(os.environ.get("FUZZ_PROCESSES", 0)) or os.cpu_count() or 1


def start(folder: Path, seed: int, seconds: float, cases: int | None) -> subprocess.Popen[str]:
    """A process that fuzzes."""
    command = [sys.executable, "-W", "ignore", str(PROGRAM), str(seconds), str(seed), str(folder)]
    # A sanitizer makes all a few times slower.
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "FUZZ_CASE_SECONDS": "5" if SANITIZED else "1"}
    command += [] if cases is None else [str(cases)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment)


def ended(process: subprocess.Popen[str], folder: Path, seed: int) -> dict:
    """What a process found; the case that killed it is kept."""
    out, errors = process.communicate()
    if process.returncode:
        current = folder / f"current-{seed}"
        kept = folder / f"crash-{seed}.qc"
        raw = current.read_bytes() if current.is_file() else bytes(16)
        kept.write_bytes(raw[16 : 16 + int.from_bytes(raw[:8], "little")])
        number = int.from_bytes(raw[8:16], "little")
        pytest.fail(f"status {process.returncode} in case {number} of seed {seed}, kept as {kept}\n{errors[-4000:]}")
    found: dict = json.loads(out)
    return found


def test_some_mutants(tmp_path):
    found = ended(start(tmp_path, 0, 600.0, CASES // 10 if SANITIZED else CASES), tmp_path, 0)
    assert not found["findings"], json.dumps(found["findings"], indent=1)
    outcomes = found["outcomes"]
    # Both ends have to be there: files that are models still, and each reason to refuse one.
    assert outcomes["model"] > found["cases"] / 30 and outcomes["answered"] > 0, outcomes
    assert all(any(reason in key for key in outcomes) for reason in ("invalid", "version", "truncated")), outcomes


@pytest.mark.slow
def test_many_mutants(capsys):
    folder = ROOT / "build" / "fuzz"
    folder.mkdir(parents=True, exist_ok=True)
    counter = folder / "cases.json"
    before = json.loads(counter.read_text()) if counter.is_file() else {}
    first = before.get("processes", 0) + 1
    running = [(first + i, start(folder, first + i, SECONDS, None)) for i in range(PROCESSES)]
    total: Counter[str] = Counter()
    outcomes: Counter[str] = Counter()
    findings, slowest = [], 0.0
    failures = []
    for seed, process in running:
        try:
            found = ended(process, folder, seed)
        except pytest.fail.Exception as failure:
            failures.append(str(failure))
            continue
        total["sanitized" if SANITIZED else "native"] += found["cases"]
        outcomes.update(found["outcomes"])
        findings += found["findings"]
        slowest = max(slowest, found["slowest_seconds"])
    # Seeds are never used twice, so that no case is counted twice; cases of a process that died are not counted.
    now = {"processes": before.get("processes", 0) + PROCESSES}
    now |= {kind: before.get(kind, 0) + total[kind] for kind in ("native", "sanitized")}
    counter.write_text(json.dumps(now))
    with capsys.disabled():
        print(f"\n{sum(total.values())} cases ({dict(outcomes)}), the slowest {slowest:.2f} s; in all {now}")
    assert not failures and not findings, json.dumps([*failures, *findings], indent=1)
