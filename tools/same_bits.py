#!/usr/bin/env python3
"""Show that every CPU gives the same bits: this one with each of its instruction sets, and the emulated ones.

Usage: tools/same_bits.py BIN    (BIN: the bin folder of a virtual environment)

Three things are compared, in build/same-bits:

* Kernels. The tests that compare the instruction sets of one machine write hashes of what they gave to the doors and got
  (tests/native/conftest.py); the files of several machines are laid side by side here, so a new kernel needs
  nothing but its test.
* The text kernel's primitives, since labels seldom show a last bit of a sum (tools/text_primitives).
* Models. Some are trained here, over text and tables, and served everywhere from the same files and the same rows. Certified
  labels are the same always; what compiled kernels compute is the same bit for bit. What NumPy computes is told apart: its
  exp and its matrix products differ between CPUs in the last bits.
"""

from __future__ import annotations

import hashlib
import json
import os
import platform
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
WORK = ROOT / "build" / "same-bits"
ARM = ("cortex-a72", "neoverse-n1")
X86 = ("Nehalem", "Haswell")
COMPILED = {
    "text": ("predict", "predict_certified", "decision_function"),
    "table": ("predict", "predict_certified", "decision_function", "predict_proba"),
}  # the rest is NumPy's


def train() -> None:
    """The models and their rows, into build/same-bits/models."""
    import numpy as np
    from sklearn.feature_extraction.text import HashingVectorizer, TfidfVectorizer
    from sklearn.linear_model import LogisticRegression, Ridge, RidgeClassifier, SGDClassifier
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler
    from sklearn.svm import LinearSVC

    import quantcore as qc

    folder = WORK / "models"
    folder.mkdir(parents=True, exist_ok=True)
    random = np.random.default_rng(5)
    letters = list("abcdefghijklmnop") + ["é", "中", "ß", "🐈"]
    words = ["".join(random.choice(letters, 1 + int(random.integers(9)))) for _ in range(900)]
    labels = random.integers(0, 20, 1500)
    documents = [
        " ".join(words[(int(label) * 40 + int(w)) % 900] for w in random.geometric(0.01, 1 + int(random.integers(60))))
        for label in labels
    ]
    texts = {
        "words-2": (TfidfVectorizer(sublinear_tf=True), LogisticRegression(), labels % 2),
        "words-20": (TfidfVectorizer(ngram_range=(1, 2)), LogisticRegression(max_iter=50), labels),
        "characters-5": (TfidfVectorizer(analyzer="char_wb", ngram_range=(2, 4)), LinearSVC(), labels % 5),
        "hashed-3": (HashingVectorizer(n_features=1 << 12), SGDClassifier(random_state=0), labels % 3),
    }
    x = random.normal(size=(1500, 64))
    classes = (x @ random.normal(size=(64, 10))).argmax(axis=1)
    tables = {
        "table-10": (StandardScaler(), LogisticRegression(max_iter=50), classes),
        "table-2": (StandardScaler(), RidgeClassifier(), classes < 5),
        "table-numbers": (StandardScaler(), Ridge(), x[:, 0] - x[:, 3] ** 2),
    }
    for chosen, rows in ((texts, documents), (tables, x)):
        for name, (front, last, answers) in chosen.items():
            model = qc.quantize(make_pipeline(front, last).fit(rows[:1000], answers[:1000]))
            qc.save(model, folder / f"{name}.qc")
    (folder / "documents.json").write_text(json.dumps(documents))
    np.save(folder / "table.npy", x)


def serve(target: str) -> None:
    """What each model answers here; needs NumPy and quantcore alone."""
    import numpy as np

    import quantcore as qc

    def digest(values: object) -> str:
        array = np.ascontiguousarray(values)
        return hashlib.sha256(f"{array.dtype.str}{array.shape}".encode() + array.tobytes()).hexdigest()[:32]

    folder = WORK / "models"
    rows = {"text": json.loads((folder / "documents.json").read_text()), "table": np.load(folder / "table.npy")}
    answers = {}
    for path in sorted(folder.glob("*.qc")):
        model = qc.load(path)
        kind = "table" if path.stem.startswith("table") else "text"
        found, sure = {"predict": digest(model.predict(rows[kind]))}, []
        for method in ("decision_function", "predict_proba"):
            if hasattr(model, method):
                found[method] = digest(getattr(model, method)(rows[kind]))
        if hasattr(model, "classes_"):
            labels, certified = model.predict_certified(rows[kind])
            found["predict_certified"] = digest(labels) + digest(certified)
            sure = [label if known else None for label, known in zip(labels.tolist(), certified.tolist(), strict=True)]
        answers[path.stem] = {"kind": kind, "digests": found, "labels": sure}
    served = {"isa": qc.show_config()["isa"], "models": answers}
    Path(target).write_text(json.dumps(served))


def collect(bin_folder: str) -> list[str]:
    """The environments; what each found is in build/same-bits/<environment>.{kernels,models}.json."""
    python = f"{bin_folder}/python"
    WORK.mkdir(parents=True, exist_ok=True)
    for old in [*WORK.glob("*.json"), *WORK.glob("models/*")]:
        old.unlink()
    subprocess.run([python, __file__, "train"], check=True)
    isas = json.loads(
        subprocess.check_output([python, "-c", "import json; from quantcore.native import _cpu; print(json.dumps(_cpu.isas()))"])
    )
    here = [isa for isa in ("avx2", "avx512") if isas[isa]]
    for isa in (*here, "neon"):
        subprocess.run([ROOT / "tools" / "text_primitives", isa], check=True)
    environments = {f"native-{isa}": (python, {"QUANTCORE_ISA": isa}) for isa, there in isas.items() if there}
    for cpu in (*(X86 if platform.machine() == "x86_64" else ()), *ARM):
        command = [ROOT / "tools" / "emulated_python", bin_folder, cpu]
        environments[cpu] = (subprocess.check_output(command, text=True).strip(), {})
    for name, (interpreter, settings) in environments.items():
        env = {**os.environ, "QUANTCORE_FALLBACK": "error", **settings}
        models = WORK / f"{name}.models.json"
        subprocess.run([interpreter, __file__, "serve", models], env=env, check=True)
        if name.startswith("native-") and name != list(environments)[0]:
            continue  # one run of the tests compares all instruction sets of this machine
        print(f"{name}: the kernels' tests", flush=True)
        options = ["-q", "-q", "-p", "no:cacheprovider", "-m", "not slow", "tests/native"]
        env = {**env, "QUANTCORE_ISA": "", "QUANTCORE_BITS": str(WORK / f"{name}.kernels.json")}
        subprocess.run([interpreter, "-m", "pytest", *options], env=env, check=True, cwd=ROOT)
    return list(environments)


def compare_kernels(runs: dict[str, dict[str, dict[str, list]]]) -> list[str]:
    """What is wrong with environment → slot → test → cases of (hash of inputs, hash of results, instruction sets)."""
    wrong = []
    for slot in sorted(set().union(*runs.values())):
        isas: set[str] = set()
        compared = other_inputs = 0
        tests = sorted(set().union(*(run.get(slot, {}) for run in runs.values())))
        for test in tests:
            done = {name: run.get(slot, {}).get(test, []) for name, run in runs.items()}
            if len(set(map(len, done.values()))) > 1:
                wrong.append(f"{slot}: {test} ran differently: { {name: len(cases) for name, cases in done.items()} } cases")
                continue
            for cases in zip(*done.values(), strict=True):
                isas.update(*(case[2] for case in cases))
                results = {name: case[1] for name, case in zip(done, cases, strict=True)}
                if len({case[0] for case in cases}) > 1:
                    other_inputs += 1
                elif len(set(results.values())) > 1:
                    wrong.append(f"{slot}: {test} gives other bits: {results}")
                else:
                    compared += 1
        print(f"{slot:32} {compared} cases the same, {other_inputs} with other inputs; {', '.join(sorted(isas))}")
        if not tests:
            wrong.append(f"{slot}: no test compares its instruction sets (the fixture on_every_isa)")
        if other_inputs * 10 > compared:  # NumPy's exp in a generator, say; most cases do without
            wrong.append(f"{slot}: {other_inputs} cases had inputs that differ between CPUs, and {compared} had not")
    return wrong


def compare_models(runs: dict[str, dict[str, dict]]) -> list[str]:
    """What is wrong with environment → model → what ``serve`` wrote."""
    wrong = []
    for model, first in next(iter(runs.values())).items():
        notes = []
        for method in first["digests"]:
            answers = {name: run[model]["digests"][method] for name, run in runs.items()}
            same = len(set(answers.values())) == 1
            if not same and method in COMPILED[first["kind"]]:
                wrong.append(f"{model}: {method} gives other bits: {answers}")
            notes.append(f"{method} {'the same' if same else 'differs'}")
        rows = [set(labels) - {None} for labels in zip(*(run[model]["labels"] for run in runs.values()), strict=True)]
        wrong += [f"{model}: row {i} has several certified labels: {found}" for i, found in enumerate(rows) if len(found) > 1]
        print(f"{model:32} {', '.join(notes)}; {sum(map(bool, rows))} rows certified")
    return wrong


def main() -> None:
    if sys.argv[1] == "train":
        train()
    elif sys.argv[1] == "serve":
        serve(sys.argv[2])
    else:
        names = collect(str(Path(sys.argv[1]).absolute()))
        kernels = {name: json.loads(path.read_text()) for name in names if (path := WORK / f"{name}.kernels.json").exists()}
        models = {name: json.loads((WORK / f"{name}.models.json").read_text()) for name in names}
        print("environments:", ", ".join(f"{name} ({run['isa']})" for name, run in models.items()))
        wrong = compare_kernels(kernels) + compare_models({name: run["models"] for name, run in models.items()})
        sys.exit("\n".join(wrong) or 0)


if __name__ == "__main__":
    main()
