"""Rows from files: CSV, JSON lines, Parquet and plain text, in chunks, so that a file may be larger than memory.

A row is a dict of column → value. Cells of CSV are strings, those of the others have types; :class:`Reader` makes of either what
the model's ops expect. A line that is no row (broken JSON, a cell too many or too few, no UTF-8) is an :class:`Unreadable`.
"""

from __future__ import annotations

import csv
import json
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple, TextIO

import numpy as np

from quantcore.plan import Plan
from quantcore.plan.ops import Numbers
from quantcore.plan.schema import schema_of, values_of

__all__ = ["KINDS", "STREAM", "Reader", "Record", "Unreadable", "chunks", "count", "kind_of", "matcher", "records_of"]

KINDS = {".csv": "csv", ".tsv": "csv", ".jsonl": "jsonl", ".ndjson": "jsonl", ".parquet": "parquet", ".txt": "text"}
STREAM = "-"  # as a path: standard input or output
_TEXT = "text"
_CHUNK = 10_000
_LARGEST_CELL = 2**31 - 1  # the csv module's own limit is 128 KiB, less than a document may have
Record = dict[str, Any]


class Unreadable(NamedTuple):
    """A line of a file that is no row.

    Parameters
    ----------
    error : str
        Which line, what arrived and what was expected.
    text : str
        The line.
    """

    error: str
    text: str


def kind_of(path: Path, named: str | None = None) -> str:
    """What a file holds, by its name; what a stream holds, by what the caller named (JSON lines if nothing)."""
    if str(path) == STREAM:
        return named or "jsonl"
    kind = KINDS.get(path.suffix.lower())
    if kind is None:
        raise ValueError(f"{path.name}: expected a name that ends in one of {', '.join(KINDS)}, or - for a stream")
    return kind


def chunks(path: Path, size: int, named: str | None = None) -> Iterator[list[Record | Unreadable]]:
    """The rows of a file or of standard input, ``size`` at a time.

    Parameters
    ----------
    path : Path
    size : int
    named : {"jsonl", "csv", "text"} or None
        What standard input holds.
    """
    kind = kind_of(path, named)
    if kind == "parquet":
        yield from _parquet(path, size)
        return
    with _opened(path, kind) as file:
        if kind == "csv":
            rows = _csv(file, "\t" if path.suffix.lower() == ".tsv" else ",", path)
        elif kind == "jsonl":
            rows = (_parsed(line, number, path) for number, line in enumerate(file, 1) if line.strip())
        else:
            rows = (_text(line, number, path) for number, line in enumerate(file, 1))
        part: list[Record | Unreadable] = []
        for row in rows:
            part.append(row)
            if len(part) == size:
                yield part
                part = []
        if part:
            yield part


def records_of(path: Path, most: int | None = None) -> list[Record]:
    """The rows of a file at once, or the first of them.

    Raises
    ------
    ValueError
        There are none, or a line is no row.
    """
    found: list[Record] = []
    for part in chunks(path, _CHUNK):
        for row in part if most is None else part[: most - len(found)]:
            if isinstance(row, Unreadable):
                raise ValueError(row.error)
            found.append(row)
        if len(found) == most:
            break
    if not found:
        raise ValueError(f"{path.name} holds no rows")
    return found


@contextmanager
def _opened(path: Path, kind: str) -> Iterator[TextIO]:
    """A file, or standard input; bytes that are no UTF-8 come as lone surrogates, which :func:`_broken` finds."""
    newline = "" if kind == "csv" else None
    if str(path) == STREAM:
        if _real(sys.stdin):  # not closed: it is the process's own
            yield open(sys.stdin.fileno(), encoding="utf-8-sig", errors="surrogateescape", newline=newline, closefd=False)
        else:
            yield sys.stdin
        return
    with open(path, encoding="utf-8-sig", errors="surrogateescape", newline=newline) as file:
        yield file


def _broken(text: str) -> bool:
    """Whether a text as it was read holds bytes that are no UTF-8."""
    if text.isascii():
        return False
    try:
        text.encode()
    except UnicodeEncodeError:
        return True
    return False


def _real(stream: Any) -> bool:
    """Whether a stream has a descriptor: that of a test or a notebook may have none."""
    try:
        stream.fileno()
    except (AttributeError, OSError):
        return False
    return True


def count(path: Path) -> int | None:
    """About how many rows a file holds, for a progress bar; None where that takes reading it."""
    if str(path) == STREAM:
        return None
    if kind_of(path) == "parquet":
        return int(_pyarrow().ParquetFile(path).metadata.num_rows)
    with open(path, "rb") as file:
        head = file.read(1 << 16)
        lines = head.count(b"\n")
    return None if not lines else max(1, round(path.stat().st_size / (len(head) / lines)))


class Reader:
    """How rows become what a model's methods take.

    Parameters
    ----------
    plan : Plan
    column : str or None
        Of the documents, for a model that reads texts; None: the column "text", or the only one.
    """

    def __init__(self, plan: Plan, column: str | None = None) -> None:
        self.plan, self.column = plan, column
        self._names: tuple[str, ...] | None = plan.feature_names_in

    def rows(self, records: list[Record]) -> Any:
        """A list of documents, an array of numbers, or a list of dicts."""
        plan = self.plan
        if plan.input == "text":
            return [self._document(record) for record in records]
        if plan.input == "records":
            return [{name: value for name, value in record.items() if not _missing(value)} for record in records]
        if plan.input == "matrix":
            names = self._columns(records[0])
            return np.array([[_number(_cell(record, name)) for name in names] for record in records], np.float64)
        return self._table(plan, records)

    def _columns(self, first: Record) -> tuple[str, ...]:
        """The names of the source; where it has none, those of the first columns of the first row, for all that follow."""
        if self._names is None:
            self._names = tuple(first)[: self.plan.n_features_in]
        return self._names

    def _document(self, record: Record) -> str:
        name = self.column or (_TEXT if _TEXT in record else next(iter(record)) if len(record) == 1 else None)
        if name is None:
            raise ValueError(f"several columns: {', '.join(record)}; name that of the documents: --column NAME")
        found = _cell(record, name)
        if not isinstance(found, str):
            raise ValueError(f"column {name!r} holds {found!r}, expected a document")
        return found

    def _table(self, plan: Plan, records: list[Record]) -> Any:
        names = self._columns(records[0])
        read = _conversions(plan)
        rows = [{names[i]: convert(_cell(record, names[i])) for i, convert in read.items()} for record in records]
        if plan.feature_names_in is not None and plan.by_name:
            return rows
        out = np.empty((len(rows), len(names)), object)
        for r, row in enumerate(rows):
            out[r] = [row.get(name) for name in names]
        return out if plan.feature_names_in is None else [dict(zip(names, row, strict=True)) for row in out.tolist()]


def _conversions(plan: Plan) -> dict[int, Callable[[Any], Any]]:
    """What each column's ops take: numbers, documents, or one of the values that they know."""
    schema = schema_of(plan.ops)
    known: dict[int, list[Any]] = {}
    for index, values in values_of(plan.ops, schema):
        known.setdefault(index, []).extend(values)
    numbers = {*schema.floats}
    for op in plan.ops:
        if isinstance(op, Numbers) and op.inputs[0] in schema.tables:  # behind an imputer too
            numbers.update(op.columns.tolist())
    documents = {op.column for op in plan.ops if op.kind == "Documents"}  # type: ignore[attr-defined]
    found: dict[int, Callable[[Any], Any]] = {}
    for index in schema.columns:
        if index in documents:
            found[index] = _as_text
        elif index in known:
            found[index] = matcher(known[index])
        else:
            found[index] = _number if index in numbers else _value
    return found


def matcher(known: list[Any]) -> Callable[[Any], Any]:
    """A cell → the category that it means. A file may hold as text what the source knew as a number or a boolean, and the other
    way round: a date, say, is one of the source's strings. What means none of them stays as it is: the source's rule for unknown
    values decides."""
    plain = {(type(value) is bool, value): value for value in known if value == value}
    numbers = bool(plain) and all(isinstance(value, (int, float)) and not flag for flag, value in plain)

    def match(cell: Any) -> Any:
        if _missing(cell) and (False, cell) not in plain:
            return float("nan") if numbers else None
        for form in _forms(cell):
            if (type(form) is bool, form) in plain:
                return plain[type(form) is bool, form]
        return _number(cell) if numbers else cell

    return match


def _forms(cell: Any) -> Iterator[Any]:
    """A cell, and what else it may mean."""
    if isinstance(cell, (str, int, float, bool, type(None))):
        yield cell
    if isinstance(cell, str):
        if cell.lower() in ("true", "false"):
            yield cell.lower() == "true"
        try:
            yield float(cell)
        except ValueError:
            pass
        return
    yield str(cell)
    if isinstance(cell, float) and cell.is_integer():
        yield str(int(cell))
    elif isinstance(cell, bool):
        yield from (str(cell).lower(), int(cell))


def _cell(record: Record, name: str) -> Any:
    if name not in record:
        raise ValueError(f"column {name!r} is missing; there are {', '.join(map(str, record))}")
    return record[name]


def _missing(value: Any) -> bool:
    return value is None or value == "" or value != value


def _number(value: Any) -> Any:
    """A float; an empty cell is a missing value."""
    return float("nan") if value is None or value == "" else float(value)


def _as_text(value: Any) -> Any:
    return value if value is None or isinstance(value, str) else str(value)


def _value(value: Any) -> Any:
    return None if value == "" else value


def _csv(file: TextIO, delimiter: str, path: Path) -> Iterator[Record | Unreadable]:
    csv.field_size_limit(_LARGEST_CELL)
    reader = csv.reader(file, delimiter=delimiter)
    header: list[str] | None = None
    while True:
        try:
            cells = next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            yield Unreadable(f"{path.name}, line {reader.line_num}: {error}", "")
            continue
        if not cells:
            continue
        if header is None:
            header = cells
            if len({*header}) < len(header):
                raise ValueError(f"{path.name}: a name stands twice in its first line, {', '.join(header)}")
            continue
        where, text = f"{path.name}, line {reader.line_num}", delimiter.join(cells)
        if len(cells) != len(header):
            yield Unreadable(f"{where}: {len(cells)} cells, expected {len(header)}", text)
        elif _broken(text):
            yield Unreadable(f"{where}: no UTF-8", text)
        else:
            yield dict(zip(header, cells, strict=True))


def _parsed(line: str, number: int, path: Path) -> Record | Unreadable:
    where, text = f"{path.name}, line {number}", line.rstrip("\n")
    if _broken(line):
        return Unreadable(f"{where}: no UTF-8", text)
    try:
        found = json.loads(line)
    except (ValueError, RecursionError) as error:
        return Unreadable(f"{where}: no JSON ({error})", text)
    if not isinstance(found, dict):
        return Unreadable(f"{where}: expected an object, got {type(found).__name__}", text)
    return found


def _text(line: str, number: int, path: Path) -> Record | Unreadable:
    text = line.rstrip("\n")
    return Unreadable(f"{path.name}, line {number}: no UTF-8", text) if _broken(text) else {_TEXT: text}


def _parquet(path: Path, size: int) -> Iterator[list[Record | Unreadable]]:
    for batch in _pyarrow().ParquetFile(path).iter_batches(batch_size=size):
        yield batch.to_pylist()


def _pyarrow() -> Any:
    try:
        from pyarrow import parquet
    except ImportError:
        raise ValueError("Parquet needs pyarrow: pip install pyarrow") from None
    return parquet
