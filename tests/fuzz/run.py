"""Fuzz for a while in this process, under limits of time and memory; the parent keeps what kills it.

``python tests/fuzz/run.py SECONDS SEED FOLDER [CASES]`` prints one JSON line; among what it counts is, for each mutator, how many
of its mutants became models, and for each field of an op and kind of node how often it was changed, and in how many models.
Findings are written to FOLDER as ``<kind>-<seed>-<number>.qc``; ``python tests/fuzz/run.py replay FILE SEED-NAME``
tries one again.
"""

from __future__ import annotations

import gc
import json
import mmap
import os
import resource
import sys
import time
import traceback
from collections import Counter
from pathlib import Path
from random import Random
from typing import Any

import harness
import seeds
from mutators import MUTATORS, TOUCHED, parts_of

SECOND = float(os.environ.get("FUZZ_CASE_SECONDS", 1.0))
SPARE = 1 << 30  # bytes of address space that the process may still grow by
SLOT = 1 << 22  # bytes of the file that holds the case at hand


def main(seconds: float, seed: int, folder: Path, cases: int) -> dict[str, Any]:
    """Run cases; what became of them."""
    random = Random(seed)
    harness.prepare()
    made = seeds.make()
    for one in made:  # the seeds themselves have to be read and to answer, or nothing is tested
        seen: Counter[str] = Counter()
        harness.case(one.data, one, 0, seen)
        if seen["model"] != 1 or not seen["answered"]:
            raise AssertionError(f"{one.name} is refused: {dict(seen)}")
    current = folder / f"current-{seed}"
    current.write_bytes(bytes(SLOT))
    names, weights = list(MUTATORS), [share for _, share in MUTATORS.values()]
    total, by_mutator, findings = Counter[str](), Counter[str](), []
    kinds, models, changed, accepted, of_golden = (Counter[str]() for _ in range(5))
    gc.collect()
    gc.freeze()  # seeds are many small objects, which a collector would go through again and again
    parts = set().union(*(parts_of(one.document) | parts_of(one.tree) for one in made))
    slowest, number = 0.0, 0
    with current.open("r+b") as file, mmap.mmap(file.fileno(), SLOT) as slot:
        _limit_memory()
        end = time.monotonic() + seconds
        while number < cases and (number % 64 or time.monotonic() < end):
            one = random.choice(made)
            (name,) = random.choices(names, weights)
            TOUCHED.clear()
            data = MUTATORS[name][0](random, made, one)
            before = total["model"]
            slot[:16] = len(data).to_bytes(8, "little") + number.to_bytes(8, "little")
            slot[16 : 16 + len(data)] = data[: SLOT - 16]
            start = time.process_time()
            harness.limit_time(SECOND)
            try:
                harness.case(data, one, number, total, measured=number % 16 == 0)
                harness.limit_time(0.0)
            except (Exception, harness.Hang) as error:
                harness.limit_time(0.0)
                where = traceback.extract_tb(error.__traceback__)[-1]
                kind = f"{type(error).__name__} at {Path(where.filename).name}:{where.lineno}"
                kinds[kind] += 1
                if kinds[kind] <= 3:
                    kept = folder / f"{type(error).__name__}-{seed}-{number}.qc"
                    kept.write_bytes(data)
                    told = f"{type(error).__name__}: {error}"[:300]
                    findings.append(
                        {"file": kept.name, "made of": one.name, "by": name, "error": told, "at": traceback.format_exc()[-700:]}
                    )
            slowest = max(slowest, time.process_time() - start)
            by_mutator[name] += 1
            changed.update(TOUCHED)
            if total["model"] > before:
                models[name] += 1
                accepted.update(TOUCHED)
                of_golden[one.name] += one.name.startswith("golden")
            number += 1
    current.unlink()
    inputs = {key: count for key, count in total.most_common() if key.startswith("|")}
    return {
        "cases": number,
        "by_mutator": dict(by_mutator),
        "models_by_mutator": dict(models),
        "parts": {part: (changed[part], accepted[part]) for part in sorted(parts)},
        "models_of_golden": dict(of_golden),
        "outcomes": {key: count for key, count in total.items() if not key.startswith("|")},
        "input_errors": inputs,
        "kinds": dict(kinds),
        "findings": findings,
        "slowest_seconds": slowest,
    }


def _limit_memory() -> None:
    """Little more address space than the process has: not with a sanitizer, whose shadow is larger than any limit."""
    if "asan" in os.environ.get("LD_PRELOAD", "") or not Path("/proc/self/statm").is_file():
        return
    now = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (now + SPARE, resource.RLIM_INFINITY))


def replay(path: Path, name: str) -> None:
    """One kept case again, with its traceback."""
    harness.prepare()
    one = next(s for s in seeds.make() if s.name == name)
    seen: Counter[str] = Counter()
    number = int(path.stem.rpartition("-")[2])
    _limit_memory()
    harness.limit_time(SECOND)
    harness.case(path.read_bytes(), one, number, seen, measured=number % 16 == 0)
    print(dict(seen))


if __name__ == "__main__":
    if sys.argv[1] == "replay":
        replay(Path(sys.argv[2]), sys.argv[3])
    else:
        limit = int(sys.argv[4]) if len(sys.argv) > 4 else sys.maxsize
        print(json.dumps(main(float(sys.argv[1]), int(sys.argv[2]), Path(sys.argv[3]), limit)))
