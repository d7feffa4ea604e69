"""``quantcore compare``: a source beside its artifacts, on rows of a file."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Optional

import numpy as np
import typer

import quantcore
from quantcore.cli.app import AsJson, Column, Source, Trust, command, err, out, stages
from quantcore.cli.rows import Reader, Record, matcher, records_of
from quantcore.cli.sources import estimator_of, read_source
from quantcore.plan import Plan

__all__ = ["compare"]


@command(
    "compare",
    "quantcore compare model.joblib model.qc --rows test.csv --truth label --trust-pickle --html report.html",
    "quantcore compare model.joblib small.qc exact.qc --rows test.parquet --trust-pickle --price-per-hour 0.04 --currency EUR "
    "--requests-per-second 200",
)
def compare(
    source: Source,
    artifacts: Annotated[list[Path], typer.Argument(help="Artifacts (.qc).", exists=True, dir_okay=False)],
    rows: Annotated[Path, typer.Option(help="Rows: .csv, .tsv, .jsonl, .parquet or .txt.", exists=True, dir_okay=False)],
    truth: Annotated[Optional[str], typer.Option(help="The column of the true labels or numbers, for quality.")] = None,  # noqa: UP045
    column: Column = None,
    html: Annotated[Optional[Path], typer.Option(help="Write one self-contained page with plots.")] = None,  # noqa: UP045
    most: Annotated[int, typer.Option(min=1, help="Rows that are read.")] = 10_000,
    batch: Annotated[
        Optional[list[int]],  # noqa: UP045
        typer.Option(min=1, help="A batch size for throughput; may be repeated.", show_default="1 10 100 1000"),
    ] = None,
    rounds: Annotated[int, typer.Option(min=1, help="Of which times are the medians.")] = 15,
    onnxruntime: Annotated[
        Optional[bool], typer.Option("--onnxruntime/--no-onnxruntime", help="Whether it takes part; where it is installed.")  # noqa: UP045
    ] = None,
    price_per_hour: Annotated[Optional[float], typer.Option(min=0.0, help="Of one core: gives costs.")] = None,  # noqa: UP045
    requests_per_second: Annotated[
        Optional[float],  # noqa: UP045
        typer.Option(min=0.0, help="A load of single rows: gives the cost of a year."),
    ] = None,
    currency: Annotated[str, typer.Option(help="Of the price.")] = "¤",
    trust_pickle: Trust = False,
    as_json: AsJson = False,
) -> None:
    """Size, memory, latency, throughput, agreement, quality and cost, side by side."""
    estimator = estimator_of(read_source(source, trust=trust_pickle))
    models = _named(artifacts)
    records = records_of(rows, most)
    y = None if truth is None else _truth(estimator, records, truth)
    X = _as_fitted(next(iter(models.values()))._artifact.plan, column, records)
    with stages() as told:
        found = quantcore.compare(
            estimator,
            models,
            X,
            y,
            batch_sizes=batch or (1, 10, 100, 1000),
            rounds=rounds,
            onnxruntime=onnxruntime,
            price_per_hour=price_per_hour,
            requests_per_second=requests_per_second,
            currency=currency,
            progress=told,
        )
    if as_json:
        out.print_json(found.to_json())
    else:
        out.print(str(found), highlight=False, markup=False)
    if html is not None:
        found.to_html(html)
        err.print(f"page: {html}", highlight=False)


def _named(paths: list[Path]) -> dict[str, Any]:
    """Models by the names of their files; where two are called the same, by their paths."""
    stems = [path.stem for path in paths]
    return {path.stem if stems.count(path.stem) == 1 else str(path): quantcore.load(path) for path in paths}


def _as_fitted(plan: Plan, column: str | None, records: list[Record]) -> Any:
    """Rows as the source was fitted on them: with names in a data frame."""
    X = Reader(plan, column).rows(records)
    named = plan.input == "matrix" and plan.feature_names_in is not None
    if not named and (plan.input != "table" or not isinstance(X, list)):
        return X
    import pandas

    return pandas.DataFrame(X, columns=plan.feature_names_in if named else None)


def _truth(estimator: Any, records: list[Record], name: str) -> Any:
    """The column of the truth, taken out of the rows, as the labels that the source knows, or as numbers."""
    lacking = [i for i, record in enumerate(records) if name not in record]
    if lacking:
        raise ValueError(
            f"--truth {name}: row {lacking[0]} has no such column; it has {', '.join(map(str, records[lacking[0]]))}"
        )
    cells = [record.pop(name) for record in records]
    classes = getattr(estimator, "classes_", None)
    if classes is None:
        return np.array(cells, np.float64)
    match = matcher(np.asarray(classes).tolist())
    return np.array([match(cell) for cell in cells])
