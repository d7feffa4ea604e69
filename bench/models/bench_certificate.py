"""What certificates cost: the same models, served by the library and by a build whose kernels prove nothing."""

from __future__ import annotations

import functools
import os
import subprocess
import sys

import pytest
from cases import ROUNDS, prepared, rows_of
from peers import Contender, interleaved
from replay import Replay, clock
from texts import ROOT

# Outputs, and the most that a proof may cost: a quarter of the time from 8 classes on, 0.1 us a row below.
CASES = {
    "30 x 2": 1,
    "breast_cancer": 1,
    "sms_spam": 1,
    "64 x 10": 10,
    "784 x 10": 10,
    "digits": 10,
    "1024 x 100": 100,
    "clinc150": 151,
}


@functools.cache
def without_certificates() -> str:
    """The folder of a build of its own, made anew where the sources have changed."""
    build = ROOT / "build" / "uncertified"
    command = [sys.executable, "setup.py", "--quiet", "build", "--build-base", build, "--build-lib", build / "lib"]
    subprocess.run(command, cwd=ROOT, check=True, env={**os.environ, "QUANTCORE_UNCERTIFIED": "1"})
    return str(build / "lib")


@functools.cache
def measured(case: str) -> dict[tuple[str, str], list[float]]:
    """Seconds a row by task and build, in interleaved rounds."""
    folder = prepared(case)
    builds = {"with": Contender("quantcore", folder / "model.qc", rows_of(case, folder))}
    try:
        extra = {"PYTHONPATH": without_certificates()}
        builds["without"] = Contender("quantcore", folder / "model.qc", rows_of(case, folder), **extra)
        found = {}
        for task in ("one", "batch"):
            rounds = interleaved({name: lambda b=b, task=task: b.ask(task) for name, b in builds.items()}, 3 * ROUNDS)
            found.update({(task, name): seconds for name, seconds in rounds.items()})
        return found
    finally:
        for build in builds.values():
            build.close()


@pytest.mark.benchmark(timer=clock)
@pytest.mark.parametrize("build", ["with", "without"])
@pytest.mark.parametrize("task", ["one", "batch"])
@pytest.mark.parametrize("case", CASES)
def bench_certificate(benchmark, case, task, build):
    rounds = measured(case)[task, build]
    benchmark.group = f"certificate, {task}: {case}"
    benchmark.extra_info.update(unit="row", case=case, certificate=build, task=task, outputs=CASES[case])
    benchmark.pedantic(Replay(rounds), rounds=len(rounds))
