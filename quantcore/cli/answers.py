"""Answers into files: CSV, JSON lines, Parquet; a file appears whole or not at all."""

from __future__ import annotations

import csv
import json
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from quantcore.cli.rows import kind_of

__all__ = ["Write", "plain", "writer"]

Write = Callable[[list[dict[str, Any]]], None]


@contextmanager
def writer(path: Path) -> Iterator[Write]:
    """Takes answers, some at a time; the file is renamed to its name when all are there.

    Parameters
    ----------
    path : Path
    """
    kind = kind_of(path)
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
    with open(path, "w", encoding="utf-8", newline="") as file:
        if kind == "csv":
            made: list[csv.DictWriter[str]] = []

            def write_csv(rows: list[dict[str, Any]]) -> None:
                if not made and rows:
                    made.append(csv.DictWriter(file, list(rows[0])))
                    made[0].writeheader()
                if rows:
                    made[0].writerows(rows)

            yield write_csv
        elif kind == "jsonl":
            yield lambda rows: file.writelines(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)
        else:
            yield lambda rows: file.writelines(f"{row.get('label', row)}\n" for row in rows)


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
    finally:
        for one in made:
            one.close()
