"""``quantcore bench``: how fast an artifact is on this machine."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer
from rich.table import Table

import quantcore
from quantcore.cli.app import Artifact, AsJson, Column, command, err, out
from quantcore.cli.rows import Reader, records_of
from quantcore.report import rows as rows_of
from quantcore.report.timing import interleaved, latencies, seconds_per_call, spread
from quantcore.report.units import of_rate, of_seconds, percent

__all__ = ["bench"]

_SINGLE = 500


@command("bench", "quantcore bench model.qc --rows test.csv")
def bench(
    artifact: Artifact,
    rows: Annotated[Path, typer.Option(help="Rows: .csv, .tsv, .jsonl, .parquet or .txt.", exists=True, dir_okay=False)],
    column: Column = None,
    most: Annotated[int, typer.Option(min=1, help="Rows that are read.")] = 10_000,
    rounds: Annotated[int, typer.Option(min=1, help="Of which times are the medians.")] = 15,
    as_json: AsJson = False,
) -> None:
    """Latency of one row and throughput by batch size: medians with 95% intervals, on one thread."""
    model = quantcore.load(artifact)
    X = Reader(model._artifact.plan, column).rows(records_of(rows, most))
    n = rows_of.count(X)
    model.predict(X)
    singles = [rows_of.some(X, i, i + 1) for i in range(min(n, _SINGLE))]
    batches = {size: [rows_of.some(X, 0, size)] for size in (10, 100, 1000, 10_000) if size <= n}
    measures = {"one": lambda: latencies(model.predict, singles).tolist()}
    for size, part in batches.items():
        measures[str(size)] = lambda part=part: seconds_per_call(model.predict, part)  # type: ignore[misc]
    found = interleaved(measures, rounds)
    ordered = [sorted(one) for one in found.pop("one")]
    single = {f"p{q}": spread([one[min(len(one) - 1, len(one) * q // 100)] for one in ordered]) for q in (50, 90, 99)}
    rates = {int(size): spread([int(size) / max(s, 1e-12) for s in seconds]) for size, seconds in found.items()}
    if as_json:
        out.print_json(json.dumps({"rows": n, "one_row_seconds": single, "rows_per_second": rates}))
        return
    table = Table("", "median", "95% interval", box=None, pad_edge=False)
    for name, s in single.items():
        table.add_row(f"one row, {name}", of_seconds(s.median), f"{of_seconds(s.low)} to {of_seconds(s.high)}")
    for size, s in rates.items():
        table.add_row(f"batches of {size}", of_rate(s.median), f"{of_rate(s.low)} to {of_rate(s.high)}")
    out.print(table)
    err.print(f"{n} rows; {model.report()['served_by']}; noise {percent(single['p50'].noise)}", highlight=False)
