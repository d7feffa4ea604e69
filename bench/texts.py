"""Texts to train on: the real data sets where they are, and those that every Python install has."""

from __future__ import annotations

import ast
import csv
import gzip
import os
import random
import re
import sysconfig
from collections import Counter
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).resolve().parents[1]
_SENTENCE = re.compile(r"(?<=[.!?:])\s+|\n\s*\n")


class Split(NamedTuple):
    """Documents and labels to fit on, and to test on."""

    train: list[str]
    train_labels: list[str]
    test: list[str]
    test_labels: list[str]


def data_dir() -> Path | None:
    """The folder of real data sets, or None."""
    folder = Path(os.environ.get("QUANTCORE_DATA") or ROOT.parent / "shared" / "data")
    return folder if folder.is_dir() else None


def read(name: str) -> Split | None:
    """A real data set by its name, or None where it is not there."""
    folder = data_dir()
    path = None if folder is None else folder / f"{name}.csv.gz"
    if path is None or not path.is_file():
        return None
    with gzip.open(path, "rt", encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    train = [row for row in rows if row["split"] == "train"]
    test = [row for row in rows if row["split"] == "test"]
    return Split([r["text"] for r in train], [r["label"] for r in train], [r["text"] for r in test], [r["label"] for r in test])


def standard_library(classes: int) -> Split:
    """Sentences of the standard library's docstrings, labelled by the module or package that they stand in.

    Parameters
    ----------
    classes : int
        So many modules, those with the most sentences.
    """
    found: dict[str, list[str]] = {}
    home = Path(sysconfig.get_path("stdlib"))
    for path in sorted(home.rglob("*.py")):
        top = path.relative_to(home).parts[0].removesuffix(".py")
        if top not in ("test", "site-packages", "dist-packages", "lib2to3", "idlelib"):
            found.setdefault(top, []).extend(_sentences(path))
    most = Counter({name: len(sentences) for name, sentences in found.items()}).most_common(classes)
    rows = [(sentence, name) for name, _ in most for sentence in dict.fromkeys(found[name])]
    random.Random(0).shuffle(rows)
    cut = len(rows) * 3 // 4
    return Split([s for s, _ in rows[:cut]], [n for _, n in rows[:cut]], [s for s, _ in rows[cut:]], [n for _, n in rows[cut:]])


def _sentences(path: Path) -> list[str]:
    """Sentences of four words or more from all docstrings of a source file; none from a file that can't be read."""
    try:
        tree = ast.parse(path.read_bytes())
    except (SyntaxError, ValueError, OSError):
        return []
    nodes = [n for n in ast.walk(tree) if isinstance(n, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef)]
    texts = [ast.get_docstring(node) or "" for node in nodes]
    pieces = (" ".join(piece.split()) for text in texts for piece in _SENTENCE.split(text))
    return [piece for piece in pieces if len(piece.split()) >= 4]
