"""Answers into files: CSV, JSON lines, Parquet; a file appears whole or not at all."""

from __future__ import annotations

import csv
import json
import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TextIO

import numpy as np

from quantcore.cli.rows import STREAM, kind_of

__all__ = ["Write", "plain", "writer"]

Write = Callable[[list[dict[str, Any]]], None]


@contextmanager
def writer(path: Path, named: str | None = None) -> Iterator[Write]:
    """Takes answers, some at a time; the file is renamed to its name when all are there. A stream gets each part at once.

    Parameters
    ----------
    path : Path
    named : {"jsonl", "csv", "text"} or None
        What standard output gets.
    """
    kind = kind_of(path, named)
    if str(path) == STREAM:
        with _lines(kind, sys.stdout) as write:
            yield write
        return
    partial = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        with _open(kind, partial) as write:
            yield write
        os.replace(partial, path)
    finally:
        partial.unlink(missing_ok=True)


def plain(value: Any) -> Any:
    """As files hold it."""
    if isinstance(value, np.ndarray):
        return [plain(v) for v in value.tolist()]
    return value.item() if isinstance(value, np.generic) else value


@contextmanager
def _open(kind: str, path: Path) -> Iterator[Write]:
    if kind == "parquet":
        with _parquet(path) as write:
            yield write
        return
    # A lone surrogate that JSON spelled out as \\udc80 is spelled out again.
    with open(path, "w", encoding="utf-8", errors="backslashreplace", newline="") as file, _lines(kind, file) as write:
        yield write


@contextmanager
def _lines(kind: str, file: TextIO) -> Iterator[Write]:
    made: list[csv.DictWriter[str]] = []

    def write(rows: list[dict[str, Any]]) -> None:
        if kind == "csv":
            if not made and rows:
                made.append(csv.DictWriter(file, list(rows[0]), lineterminator="\n" if file is sys.stdout else "\r\n"))
                made[0].writeheader()
            if rows:
                made[0].writerows(rows)
        elif kind == "jsonl":
            file.writelines(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)
        else:
            file.writelines(f"{row.get('label', row)}\n" for row in rows)
        if file is sys.stdout:  # whoever reads the stream waits for it
            file.flush()

    yield write


@contextmanager
def _parquet(path: Path) -> Iterator[Write]:
    try:
        import pyarrow
        from pyarrow import parquet
    except ImportError:
        raise ValueError("Parquet needs pyarrow: pip install pyarrow") from None
    made: list[Any] = []

    def write(rows: list[dict[str, Any]]) -> None:
        if rows:
            batch = pyarrow.Table.from_pylist(rows, schema=made[0].schema if made else None)
            if not made:
                made.append(parquet.ParquetWriter(path, batch.schema))
            made[0].write_table(batch)

    try:
        yield write
        if not made:  # a file without rows is one all the same
            made.append(parquet.ParquetWriter(path, pyarrow.schema([("row", pyarrow.int64())])))
    finally:
        for one in made:
            one.close()
