"""Artifacts with something wrong behind right checksums: a Model or ArtifactError, answers or the errors of bad input, within a
second and DESIGN's memory.

The fast test runs some thousand cases of fixed seeds. ``make fuzz`` goes on for FUZZ_SECONDS in FUZZ_PROCESSES processes, adds
its cases and what became of them to ``build/fuzz/cases.json``, the fields and nodes that it changed to ``build/fuzz/parts.json``,
and keeps what was found beside them.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest

from quantcore.native import registry

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


def test_every_family_has_a_native_target():
    targets = re.search(r"set -- ([a-z ]+)", (ROOT / "tools" / "fuzz_native").read_text())[1].split()
    assert set(targets) == {path.stem for path in PROGRAM.with_name("native").glob("*.c")} - {"driver"}
    assert set(targets) == set(registry.FAMILIES)


def test_some_mutants(tmp_path):
    found = ended(start(tmp_path, 0, 600.0, CASES // 10 if SANITIZED else CASES), tmp_path, 0)
    assert not found["findings"], json.dumps(found["findings"], indent=1)
    outcomes = found["outcomes"]
    # Both ends have to be there: files that are models still, and each reason to refuse one.
    assert outcomes["model"] > found["cases"] / 30 and outcomes["answered"] > 0, outcomes
    assert all(any(reason in key for key in outcomes) for reason in ("invalid", "version", "truncated")), outcomes
    if not SANITIZED:
        parts = found["parts"].values()
        assert sum(changed > 0 for changed, _ in parts) > len(parts) / 2, found["parts"]
        assert sum(models > 0 for _, models in parts) > len(parts) / 8, found["parts"]
        # Nearly all golden files were changed to something that is a model still.
        assert len({name.split()[1] for name, models in found["models_of_golden"].items() if models}) > 40


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
    made: Counter[str] = Counter()
    models: Counter[str] = Counter()
    findings, slowest, changed, accepted = [], 0.0, Counter[str](), Counter[str]()
    failures = []
    for seed, process in running:
        try:
            found = ended(process, folder, seed)
        except pytest.fail.Exception as failure:
            failures.append(str(failure))
            continue
        total["sanitized" if SANITIZED else "native"] += found["cases"]
        outcomes.update(found["outcomes"])
        made.update(found["by_mutator"])
        models.update(found["models_by_mutator"])
        changed.update({part: n for part, (n, _) in found["parts"].items()})
        accepted.update({part: n for part, (_, n) in found["parts"].items()})
        findings += found["findings"]
        slowest = max(slowest, found["slowest_seconds"])
    # Seeds are never used twice, so that no case is counted twice; cases of a process that died are not counted.
    now = {"processes": before.get("processes", 0) + PROCESSES}
    now |= {kind: before.get(kind, 0) + total[kind] for kind in ("native", "sanitized")}
    became = dict(before.get("became", {}))
    kind = "sanitized" if SANITIZED else "native"
    became[kind] = dict(Counter(became.get(kind, {})) + outcomes)
    counter.write_text(json.dumps({**now, "became": became}))
    parts_file = folder / "parts.json"
    old = json.loads(parts_file.read_text()) if parts_file.is_file() else {}
    parts = {part: [changed[part] + old.get(part, (0, 0))[0], accepted[part] + old.get(part, (0, 0))[1]] for part in changed}
    parts_file.write_text(json.dumps(parts, indent=0))
    with capsys.disabled():
        print(f"\n{sum(total.values())} cases ({dict(outcomes)}), the slowest {slowest:.2f} s; in all {now}")
        shares = ", ".join(f"{name} {models[name]} of {n}" for name, n in sorted(made.items()))
        print(f"{outcomes['model']} became models ({shares})")
        reached = [sum(n[i] > 0 for n in parts.values()) for i in (0, 1)]
        print(f"of {len(parts)} fields and kinds of nodes {reached[0]} were changed so far, {reached[1]} in files that load")
    assert not failures and not findings, json.dumps([*failures, *findings], indent=1)
