"""``quantcore predict``: files of rows → files of answers."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import nullcontext
from pathlib import Path
from typing import Annotated, Any, Optional

import typer

import quantcore
from quantcore.cli.answers import plain, writer
from quantcore.cli.app import Artifact, Column, Streamed, command, err, progress
from quantcore.cli.rows import STREAM, Reader, Record, Unreadable, chunks, count
from quantcore.model import Model
from quantcore.plan.ops import Predictions

__all__ = ["predict"]


@command(
    "predict",
    "quantcore predict model.qc new.csv -o labels.csv --proba",
    "tail -f log.jsonl | quantcore predict model.qc - -o - --column message --batch 1",
)
def predict(
    artifact: Artifact,
    source: Annotated[Path, typer.Argument(help="Rows: .csv, .tsv, .jsonl, .parquet or .txt; - for standard input.")],
    output: Annotated[
        Path, typer.Option("-o", "--output", help="Answers: .csv, .jsonl, .parquet or .txt; - for standard output.")
    ],
    column: Column = None,
    proba: Annotated[bool, typer.Option("--proba", help="Probabilities as well.")] = False,
    certified: Annotated[bool, typer.Option("--certified", help="Whether each label is proved to be the source's.")] = False,
    rejected: Annotated[
        Optional[Path], typer.Option(help="Rows that fail go here (.jsonl), with the reason; beside the output if not given.")  # noqa: UP045
    ] = None,
    stdin: Annotated[Optional[Streamed], typer.Option("--stdin", help="What standard input holds.")] = None,  # noqa: UP045
    stdout: Annotated[Optional[Streamed], typer.Option("--stdout", help="What standard output gets.")] = None,  # noqa: UP045
    batch: Annotated[int, typer.Option(min=1, help="Rows at a time.")] = 1000,
) -> None:
    """Predict, in chunks: a file may be larger than memory. Rows that fail are reported and kept apart."""
    if str(source) != STREAM and not source.is_file():
        raise FileNotFoundError(f"{source}: no such file")
    model = quantcore.load(artifact)
    reader = Reader(model._artifact.plan, column)
    failed = row = 0
    kept = rejected if rejected is not None else None if str(output) == STREAM else output.with_suffix(".rejected.jsonl")
    rejects = nullcontext(_tell) if kept is None else writer(kept)
    with writer(output, stdout) as write, rejects as reject, progress("predicting", count(source)) as more:
        for part in chunks(source, batch, stdin):
            answers, wrong = [], []
            for position, answer, record in _answered(model, reader, part, proba=proba, certified=certified):
                if isinstance(answer, Exception):
                    wrong.append({"row": row + position, "error": str(answer), **_json(record)})
                else:
                    answers.append({"row": row + position, **answer})
            write(answers)
            reject(wrong)
            row, failed = row + len(part), failed + len(wrong)
            more(len(part))
    if not failed and kept is not None:
        kept.unlink(missing_ok=True)
    err.print(f"{row - failed} rows answered: {output}", highlight=False)
    if failed:
        err.print(f"[red]{failed} rows failed[/]: {'above' if kept is None else kept}", highlight=False)
        raise typer.Exit(1)


def _tell(wrong: list[dict[str, Any]]) -> None:
    """Rows that fail where no file takes them."""
    for one in wrong:
        err.print(json.dumps(one, ensure_ascii=False), highlight=False, markup=False)


def _answered(
    model: Model, reader: Reader, part: list[Record | Unreadable], *, proba: bool, certified: bool
) -> Iterator[tuple[int, Any, Record | Unreadable]]:
    """Each row's answer or what it raised: the whole chunk at once; where that fails, row by row."""
    good = [(i, row) for i, row in enumerate(part) if not isinstance(row, Unreadable)]
    answers: list[Any] = []
    if good:
        try:
            answers = _answers(model, reader.rows([row for _, row in good]), proba=proba, certified=certified)
        except (ValueError, TypeError):
            answers = [_one(model, reader, row, proba=proba, certified=certified) for _, row in good]
    found = dict(zip((i for i, _ in good), answers, strict=True))
    for i, row in enumerate(part):
        yield i, ValueError(row.error) if isinstance(row, Unreadable) else found[i], row


def _one(model: Model, reader: Reader, row: Record, *, proba: bool, certified: bool) -> Any:
    try:
        return _answers(model, reader.rows([row]), proba=proba, certified=certified)[0]
    except (ValueError, TypeError) as error:
        return error


def _answers(model: Model, rows: Any, *, proba: bool, certified: bool) -> list[dict[str, Any]]:
    if certified and not isinstance(model._decision(), Predictions):
        labels, sure = model.predict_certified(rows)
        found = [{"label": plain(a), "certified": bool(s)} for a, s in zip(labels, sure, strict=True)]
    else:
        found = [{"label": plain(a)} for a in model.predict(rows)]
    if proba:
        classes = [str(c) for c in model.classes_]
        for one, shares in zip(found, model.predict_proba(rows), strict=True):
            one.update({f"p({c})": float(p) for c, p in zip(classes, shares, strict=True)})
    return found


def _json(row: Record | Unreadable) -> dict[str, Any]:
    """A row that failed: its cells, or the line that it was read from."""
    if isinstance(row, Unreadable):
        return {"line": row.text.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")}
    cells = {str(k): v if isinstance(v, (str, int, float, bool, type(None))) else str(v) for k, v in row.items()}
    return {"record": cells}
