"""``quantcore quantize``: a model file → an artifact."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Optional

import typer

import quantcore
from quantcore.cli.app import Column, Source, Trust, command, err, progress
from quantcore.cli.sources import read_source
from quantcore.report.units import of_bytes

__all__ = ["calibration_rows", "quantize"]

_CHUNK = 10_000


@command("quantize", "quantcore quantize model.joblib --trust-pickle --calibration rows.parquet -o model.qc")
def quantize(
    source: Source,
    output: Annotated[Path, typer.Option("-o", "--output", help="Where the artifact goes.")],
    calibration: Annotated[Optional[Path], typer.Option(help="Rows to tune and measure with.", exists=True)] = None,  # noqa: UP045
    column: Column = None,
    precision: Annotated[str, typer.Option(help="auto, float32, float16, int16, int8 or int4.")] = "auto",
    guarantee: Annotated[str, typer.Option(help="exact, certified or measured.")] = "certified",
    min_agreement: Annotated[Optional[float], typer.Option(help="With measured: share of equal labels.")] = None,  # noqa: UP045
    max_bytes: Annotated[Optional[int], typer.Option(help="Largest artifact.")] = None,  # noqa: UP045
    trust_pickle: Trust = False,
) -> None:
    """Convert a fitted model into one small, safe file."""
    estimator = read_source(source, trust=trust_pickle)
    options: dict[str, Any] = {"precision": precision, "guarantee": guarantee, "max_bytes": max_bytes}
    if min_agreement is not None:
        options["min_agreement"] = min_agreement
    with progress("converting", None) as more:
        if calibration is not None:
            options["calibration"] = calibration_rows(estimator, calibration, column)
        model = quantcore.quantize(estimator, progress=lambda stage, done, total: more(1), **options)
        quantcore.save(model, output)
    before, after = source.stat().st_size, len(model.data)
    agreement = model.report().get("agreement")
    same = "" if agreement is None else f", {agreement:.2%} of the calibration rows' labels equal"
    err.print(f"{output}: {of_bytes(after)}, {before / after:.3g} times smaller than {source.name}{same}", highlight=False)


def calibration_rows(estimator: Any, path: Path, column: str | None) -> Any:
    """All rows of a file as the estimator's ``predict`` takes them: a frame for tables, an array, or documents."""
    from quantcore.cli.rows import Reader, chunks

    probe = quantcore.quantize(estimator)  # tells what it reads
    reader = Reader(probe, column)
    records = [record for part in chunks(path, _CHUNK) for record in part]
    rows = reader.rows(records)
    if probe._artifact.plan.input != "table":
        return rows
    import pandas

    return pandas.DataFrame(rows) if isinstance(rows, list) else rows
