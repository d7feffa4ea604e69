"""Rows from files: CSV, JSON lines, Parquet and plain text, in chunks, so that a file may be larger than memory.

A row is a dict of column → value. What CSV holds are strings; :class:`Reader` makes of them what the model's ops expect.
"""

from __future__ import annotations

import csv
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from quantcore.model import Model
from quantcore.plan import Plan
from quantcore.plan.ops import Codes, Fill, MissingCells, Numbers

__all__ = ["KINDS", "Reader", "chunks", "count", "kind_of"]

KINDS = {".csv": "csv", ".tsv": "csv", ".jsonl": "jsonl", ".ndjson": "jsonl", ".parquet": "parquet", ".txt": "text"}
_TEXT = "text"
Record = dict[str, Any]


def kind_of(path: Path) -> str:
    """What a file holds, by its name."""
    kind = KINDS.get(path.suffix.lower())
    if kind is None:
        raise ValueError(f"{path.name}: expected a name that ends in one of {', '.join(KINDS)}")
    return kind


def chunks(path: Path, size: int) -> Iterator[list[Record]]:
    """The rows of a file, ``size`` at a time.

    Parameters
    ----------
    path : Path
    size : int
    """
    kind = kind_of(path)
    if kind == "parquet":
        yield from _parquet(path, size)
        return
    with open(path, encoding="utf-8-sig", newline="" if kind == "csv" else None) as file:
        if kind == "csv":
            rows: Iterator[Record] = csv.DictReader(file, delimiter="\t" if path.suffix.lower() == ".tsv" else ",")
        elif kind == "jsonl":
            rows = (_parsed(line, number, path) for number, line in enumerate(file, 1) if line.strip())
        else:
            rows = ({_TEXT: line.rstrip("\n")} for line in file)
        part: list[Record] = []
        for row in rows:
            part.append(row)
            if len(part) == size:
                yield part
                part = []
        if part:
            yield part


def count(path: Path) -> int | None:
    """About how many rows a file holds, for a progress bar; None where that takes reading it."""
    if kind_of(path) == "parquet":
        return int(_pyarrow().ParquetFile(path).metadata.num_rows)
    with open(path, "rb") as file:
        head = file.read(1 << 16)
        lines = head.count(b"\n")
    return None if not lines else max(1, round(path.stat().st_size / (len(head) / lines)))


class Reader(NamedTuple):
    """How rows become what a model's methods take.

    Parameters
    ----------
    model : Model
    column : str or None
        Of the documents, for a model that reads texts; None: the column "text", or the only one.
    """

    model: Model
    column: str | None = None

    def rows(self, records: list[Record]) -> Any:
        """A list of documents, an array of numbers, or a list of dicts."""
        plan = self.model._artifact.plan
        if plan.input == "text":
            return [self._document(record) for record in records]
        if plan.input == "matrix":
            names = plan.feature_names_in or tuple(records[0])[: plan.n_features_in]
            return np.array([[_number(_cell(record, name)) for name in names] for record in records], np.float64)
        return self._table(plan, records)

    def _document(self, record: Record) -> str:
        name = self.column or (_TEXT if _TEXT in record else next(iter(record)) if len(record) == 1 else None)
        if name is None:
            raise ValueError(f"several columns: {', '.join(record)}; name that of the documents: --column NAME")
        found = _cell(record, name)
        if not isinstance(found, str):
            raise ValueError(f"column {name!r} holds {found!r}, expected a document")
        return found

    def _table(self, plan: Plan, records: list[Record]) -> Any:
        names = plan.feature_names_in or tuple(records[0])[: plan.n_features_in]
        read = _conversions(plan)
        rows = [{names[i]: convert(_cell(record, names[i])) for i, convert in read.items()} for record in records]
        if plan.feature_names_in is not None and plan.by_name:
            return rows
        out = np.empty((len(rows), len(names)), object)
        for r, row in enumerate(rows):
            out[r] = [row.get(name) for name in names]
        return out if plan.feature_names_in is None else [dict(zip(names, row, strict=True)) for row in out.tolist()]


def _conversions(plan: Plan) -> dict[int, Callable[[Any], Any]]:
    """What each column's ops take: numbers, or values of a category's type."""
    found: dict[int, Callable[[Any], Any]] = {}
    for op in plan.ops:
        if isinstance(op, Numbers):
            found.update(dict.fromkeys(op.columns.tolist(), _number))
        elif isinstance(op, Fill | MissingCells):
            for index in op.columns.tolist():
                found.setdefault(index, _value)
        elif isinstance(op, Codes):
            for index, known in zip(op.columns.tolist(), op.categories, strict=True):
                numbers = isinstance(known, np.ndarray) or (len(known) and not any(isinstance(v, str) for v in known))
                found[index] = _number if numbers else _value
        elif op.kind == "Documents":
            found[op.column] = str  # type: ignore[attr-defined]
    return dict(sorted(found.items()))


def _cell(record: Record, name: str) -> Any:
    if name not in record:
        raise ValueError(f"column {name!r} is missing; there are {', '.join(map(str, record))}")
    return record[name]


def _number(value: Any) -> Any:
    """A float; an empty cell is a missing value."""
    return float("nan") if value is None or value == "" else float(value)


def _value(value: Any) -> Any:
    return None if value == "" else value


def _parsed(line: str, number: int, path: Path) -> Record:
    try:
        found = json.loads(line)
    except ValueError as error:
        raise ValueError(f"{path.name}, line {number}: no JSON ({error})") from None
    if not isinstance(found, dict):
        raise ValueError(f"{path.name}, line {number}: expected an object, got {type(found).__name__}")
    return found


def _parquet(path: Path, size: int) -> Iterator[list[Record]]:
    for batch in _pyarrow().ParquetFile(path).iter_batches(batch_size=size):
        yield batch.to_pylist()


def _pyarrow() -> Any:
    try:
        from pyarrow import parquet
    except ImportError:
        raise ValueError("Parquet needs pyarrow: pip install pyarrow") from None
    return parquet
