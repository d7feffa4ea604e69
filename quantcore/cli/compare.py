"""``quantcore compare``: a source beside its artifacts, on rows of a file."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Optional

import numpy as np
import typer

import quantcore
from quantcore.cli.app import AsJson, Column, Source, Trust, command, err, out
from quantcore.cli.rows import Reader, chunks
from quantcore.cli.sources import read_source

__all__ = ["compare"]


@command("compare", "quantcore compare model.joblib model.qc --rows test.csv --truth label --trust-pickle --html report.html")
def compare(
    source: Source,
    artifacts: Annotated[list[Path], typer.Argument(help="Artifacts (.qc).", exists=True, dir_okay=False)],
    rows: Annotated[Path, typer.Option(help="Rows: .csv, .tsv, .jsonl, .parquet or .txt.", exists=True, dir_okay=False)],
    truth: Annotated[Optional[str], typer.Option(help="The column of the true labels, for quality.")] = None,  # noqa: UP045
    column: Column = None,
    html: Annotated[Optional[Path], typer.Option(help="Write one self-contained page with plots.")] = None,  # noqa: UP045
    most: Annotated[int, typer.Option(min=1, help="Rows that are read.")] = 10_000,
    rounds: Annotated[int, typer.Option(min=1)] = 15,
    price_per_hour: Annotated[Optional[float], typer.Option(help="Of one core.")] = None,  # noqa: UP045
    requests_per_second: Annotated[Optional[float], typer.Option(help="A load of single rows.")] = None,  # noqa: UP045
    trust_pickle: Trust = False,
    as_json: AsJson = False,
) -> None:
    """Size, memory, latency, throughput, agreement, quality and cost, side by side."""
    estimator = read_source(source, trust=trust_pickle)
    models = {path.stem: quantcore.load(path) for path in artifacts}
    records = next(chunks(rows, most))
    y = None
    if truth is not None:
        classes = getattr(estimator, "classes_", np.zeros(0))
        y = np.array([record.pop(truth) for record in records])
        y = y.astype(classes.dtype) if np.asarray(classes).dtype.kind in "iufb" else y
    X = Reader(next(iter(models.values()))._artifact.plan, column).rows(records)
    if isinstance(X, list) and isinstance(X[0], dict):
        import pandas

        X = pandas.DataFrame(X)
    found = quantcore.compare(
        estimator, models, X, y, rounds=rounds, price_per_hour=price_per_hour, requests_per_second=requests_per_second
    )
    if as_json:
        out.print_json(found.to_json())
    else:
        out.print(str(found), highlight=False, markup=False)
    if html is not None:
        found.to_html(html)
        err.print(f"page: {html}", highlight=False)
