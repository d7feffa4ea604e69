"""fastText's quantized files of several sizes for the job of a text case: bytes and accuracy of each.

Its package runs in an interpreter of its own, which QUANTCORE_FASTTEXT names (its wheels need NumPy 1); without one the running
interpreter is tried. Files are made once and their figures kept in build/bench/fasttext.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from typing import Any

import texts

CACHE = texts.ROOT / "build" / "bench" / "fasttext"
# Trains once, prunes and quantizes for each number of features that stay, prints bytes and accuracy of each.
_TRAIN = r"""
import json, os, sys, fasttext, numpy as np
folder = sys.argv[1]
split = json.load(open(folder + "/split.json"))
labels = {label: f"__label__{i}" for i, label in enumerate(sorted(set(split["train_labels"])))}
clean = lambda text: " ".join(text.lower().split())
order = np.random.default_rng(0).permutation(len(split["train"]))  # some sets come sorted by label, and fastText doesn't shuffle
with open(folder + "/train.txt", "w") as file:
    for i in order:
        file.write(labels[split["train_labels"][i]] + " " + clean(split["train"][i]) + "\n")
model = fasttext.train_supervised(
    folder + "/train.txt", dim=10, wordNgrams=2, epoch=25, lr=0.5, bucket=200000, thread=1, verbose=0, seed=1)
model.save_model(folder + "/model.bin")
found = []
for cutoff in (300, 1000, 5000, 20000):
    model = fasttext.load_model(folder + "/model.bin")
    model.quantize(
        input=folder + "/train.txt", cutoff=cutoff, retrain=True, qnorm=True, epoch=25, lr=0.5, thread=1, verbose=0)
    model.save_model(folder + "/model.ftz")
    answers = [model.f.predict(clean(t) + "\n", 1, 0.0, "strict")[0][1] for t in split["test"]]
    right = np.mean([a == labels[b] for a, b in zip(answers, split["test_labels"])])
    found.append({"bytes": os.path.getsize(folder + "/model.ftz"), "accuracy": float(right), "cutoff": cutoff})
    print(found[-1], file=sys.stderr)
os.remove(folder + "/model.bin")
print(json.dumps(found))
"""


def files(case: str, split: texts.Split) -> list[dict[str, Any]] | str:
    """Bytes, accuracy and number of features of each file, from small to large; or why there is none.

    Parameters
    ----------
    case : str
    split : Split
    """
    folder = CACHE / case
    folder.mkdir(parents=True, exist_ok=True)
    known = folder / "found.json"
    if not known.is_file():
        (folder / "split.json").write_text(json.dumps(split._asdict()), "utf-8")
        python = os.environ.get("QUANTCORE_FASTTEXT", sys.executable)
        run = subprocess.run([python, "-c", _TRAIN, str(folder)], capture_output=True, text=True, check=False)
        if run.returncode:
            return run.stderr.strip().splitlines()[-1]
        known.write_text(run.stdout.strip().splitlines()[-1], "utf-8")
    found: list[dict[str, Any]] = json.loads(known.read_text("utf-8"))
    return sorted(found, key=lambda one: one["bytes"])
