#!/usr/bin/env python3
"""Show that every CPU gives the same bits: this one with each of its instruction sets, and the emulated ones.

Usage: tools/same_bits.py BIN    (BIN: the bin folder of a virtual environment)
       tools/same_bits.py serve TARGET    (the models of build/same-bits alone, for tools/wheel)

What is asked is made here, once, in build/same-bits; each CPU answers it in one process that needs NumPy and SciPy alone, and
only hashes of answers are compared:

* Kernels. The tests that compare the instruction sets of one machine keep what they asked of the doors (tests/native/tape.py), so
  a new kernel needs nothing but its test. Every slot has to be there.
* The text kernel's primitives, since labels seldom show a last bit of a sum (tools/text_primitives).
* Models: the golden files of tests/golden with their rows and rows drawn from those, and models that are trained for this
  (tools/same_bits_models.py). What compiled kernels compute is the same bit for bit, for every split of the rows and number of
  threads; certified labels are the same always. What NumPy computes is told apart: its exp and its matrix products differ between
  CPUs in the last bits.
"""

from __future__ import annotations

import importlib.util
import json
import os
import pickle
import platform
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
WORK = ROOT / "build" / "same-bits"
ARM = ("cortex-a72", "neoverse-n1")
X86 = ("Nehalem", "Haswell")
SPLITS, SINGLES, THREADS = (7, 64, 513), 200, (2, 5)

sys.path += [str(ROOT / "tests" / "native"), str(ROOT / "tools")]


def answer(target: str) -> None:
    """What this CPU gives for the tapes and the models."""
    from tape import replay

    import quantcore as qc
    from quantcore.native import registry

    started = time.process_time()
    slots, kept = pickle.loads((WORK / "tapes.pickle").read_bytes())
    kernels: dict[str, dict[str, list[Any]]] = {slot: {} for slot in slots}
    for test, of, calls, left_out in kept:
        found = replay(calls, registry.door)
        for slot in of:
            kernels[slot][test] = [found, len(calls), left_out]
    bound = {}
    for family in {slot.split("/")[0] for slot in slots}:
        bound.update({"/".join((family, *key)): isa for *key, isa, _ in registry.door(family).selected()})
    served = {path.stem: answers(path) for path in sorted((WORK / "models").glob("*.qc"))}
    config = {"isa": qc.show_config()["isa"], "seconds": time.process_time() - started}
    Path(target).write_text(json.dumps({**config, "bound": bound, "kernels": kernels, "models": served}))


def serve(target: str) -> None:
    """What an install answers for the models. NumPy may be all that is there: rows in CSR are left out where SciPy is not."""
    import quantcore as qc

    sparse = importlib.util.find_spec("scipy") is not None
    paths = [path for path in sorted((WORK / "models").glob("*.qc")) if sparse or not path.stem.startswith("csr-")]
    found = {"isa": qc.show_config()["isa"], "models": {path.stem: answers(path) for path in paths}}
    Path(target).write_text(json.dumps(found))


def answers(path: Path) -> dict[str, Any]:
    """What a model gives: hashes, labels that are certified, and which splits gave other bits."""
    import numpy as np
    from tape import digest

    import quantcore as qc
    from quantcore.reference import forms

    rows, exact = pickle.loads(path.with_suffix(".rows").read_bytes())
    model, n_rows = qc.load(path), forms.n_rows(rows)
    found, splits, count = {}, [], 0
    for method in [*model._artifact.plan.outputs, *(["predict_certified"] if hasattr(model, "classes_") else [])]:
        call = getattr(model, method)
        whole = call(rows)
        count += n_rows
        if not isinstance(whole, np.ndarray):
            found[method] = digest(whole if isinstance(whole, tuple | list) else whole.toarray())
            continue
        found[method] = digest(whole)
        if method not in exact:
            continue
        for step, most in ((1, SINGLES), *((step, n_rows) for step in SPLITS)):
            most = min(most, n_rows)
            parts = np.concatenate([call(forms.part(rows, i, min(i + step, most))) for i in range(0, most, step)])
            count += most
            if parts.tobytes() != whole[:most].tobytes():
                splits.append(f"{method}, {step} at a time")
        for threads in THREADS:
            count += n_rows
            if qc.predict(model, rows, method=method, threads=threads).tobytes() != whole.tobytes():
                splits.append(f"{method}, {threads} threads")
    sure: list[Any] = []
    if hasattr(model, "classes_"):
        labels, certified = model.predict_certified(rows)
        known = certified if certified.ndim == 1 else certified.all(axis=1)
        sure = [digest(label)[:8] if yes else None for label, yes in zip(labels.tolist(), known.tolist(), strict=True)]
    return {"digests": found, "exact": exact, "labels": sure, "splits": splits, "rows": count}


def collect(bin_folder: str) -> list[str]:
    """The environments; what each found is in build/same-bits/<environment>.json."""
    python = f"{bin_folder}/python"
    WORK.mkdir(parents=True, exist_ok=True)
    for old in [*WORK.glob("*.json"), *WORK.glob("models/*")]:
        old.unlink()
    subprocess.run([python, "-W", "ignore", ROOT / "tools" / "same_bits_models.py", WORK / "models"], check=True)
    options = ["-q", "-q", "-p", "no:cacheprovider", "-m", "not slow", "tests/native"]
    env = {**os.environ, "QUANTCORE_ISA": "", "QUANTCORE_TAPES": str(WORK / "tapes.pickle")}
    subprocess.run([python, "-m", "pytest", *options], env=env, check=True, cwd=ROOT)
    isas = json.loads(
        subprocess.check_output([python, "-c", "import json; from quantcore.native import _cpu; print(json.dumps(_cpu.isas()))"])
    )
    here = [isa for isa in ("avx2", "avx512") if isas[isa]]
    for isa in (*here, "neon"):
        subprocess.run([ROOT / "tools" / "text_primitives", isa], check=True)
    environments = {f"native-{isa}": (python, {"QUANTCORE_ISA": isa}) for isa, there in isas.items() if there}
    for cpu in (*(X86 if platform.machine() == "x86_64" else ()), *ARM):
        command = [ROOT / "tools" / "emulated_python", bin_folder, cpu]
        environments[cpu] = (subprocess.check_output(command, text=True).strip(), {"QUANTCORE_ISA": ""})
    for name, (interpreter, settings) in environments.items():
        env = {**os.environ, "QUANTCORE_FALLBACK": "error", **settings}
        started = time.monotonic()
        subprocess.run([interpreter, "-W", "ignore", __file__, "answer", WORK / f"{name}.json"], env=env, check=True)
        print(f"{name}: answered in {time.monotonic() - started:.0f} s", flush=True)
    return list(environments)


def compare_kernels(runs: dict[str, dict[str, Any]]) -> list[str]:
    """What is wrong with environment → slot → test → [hash, calls, calls left out]."""
    wrong, total = [], set()
    for slot, tests in next(iter(runs.values()))["kernels"].items():
        calls = left_out = 0
        for test, (_, made, missed) in tests.items():
            found = {name: run["kernels"][slot][test][0] for name, run in runs.items()}
            calls, left_out = calls + made, left_out + missed
            total.add((test, made))
            if len(set(found.values())) > 1:
                wrong.append(f"{slot}: {test} gives other bits: {found}")
        isas = sorted({run["bound"][slot] for run in runs.values()})
        print(f"{slot:32} {len(tests)} tests, {calls} calls the same, {left_out} left out; {', '.join(isas)}")
        if not calls:
            wrong.append(f"{slot}: no test compares its instruction sets (the fixture on_every_isa)")
    print(f"kernels: {len(total)} tests, {sum(made for _, made in total)} calls on {len(runs)} CPUs and instruction sets")
    return wrong


def compare_models(runs: dict[str, dict[str, Any]]) -> list[str]:
    """What is wrong with environment → model → what ``answers`` found."""
    wrong, rows_served = [], 0
    for model, first in next(iter(runs.values()))["models"].items():
        notes, found = [], {name: run["models"][model] for name, run in runs.items()}
        for method in first["digests"]:
            answers = {name: of["digests"][method] for name, of in found.items()}
            same = len(set(answers.values())) == 1
            if not same and method in first["exact"]:
                wrong.append(f"{model}: {method} gives other bits: {answers}")
            notes.append(f"{method} {'differs' if not same else 'the same' if method in first['exact'] else 'the same (NumPy)'}")
        wrong += [f"{model}, {name}: other bits for {split}" for name, of in found.items() for split in of["splits"]]
        rows = [set(labels) - {None} for labels in zip(*(of["labels"] for of in found.values()), strict=True)]
        wrong += [f"{model}: row {i} has several certified labels: {sure}" for i, sure in enumerate(rows) if len(sure) > 1]
        rows_served += first["rows"]
        print(f"{model:32} {', '.join(notes)}; {sum(map(bool, rows))} rows certified, {first['rows']} served")
    print(f"models: {rows_served} rows served on each of {len(runs)} CPUs and instruction sets")
    return wrong


def main() -> None:
    if sys.argv[1] == "answer":
        answer(sys.argv[2])
    elif sys.argv[1] == "serve":
        serve(sys.argv[2])
    else:
        names = collect(str(Path(sys.argv[1]).absolute()))
        runs = {name: json.loads((WORK / f"{name}.json").read_text()) for name in names}
        print("environments:", ", ".join(f"{name} ({run['isa']}, {run['seconds']:.0f} s)" for name, run in runs.items()))
        sys.exit("\n".join(compare_kernels(runs) + compare_models(runs)) or 0)


if __name__ == "__main__":
    main()
