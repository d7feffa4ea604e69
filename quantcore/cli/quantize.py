"""``quantcore quantize``: a model file → an artifact."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal, Optional

import typer

import quantcore
from quantcore.cli.app import Column, Guarantee, Source, Trust, command, err, progress
from quantcore.cli.sources import Failed, read_source
from quantcore.report.units import of_bytes

__all__ = ["calibration_rows", "quantize"]

_CHUNK = 10_000


@command(
    "quantize",
    "quantcore quantize model.joblib --trust-pickle --calibration rows.parquet -o model.qc",
    "quantcore quantize booster.ubj --guarantee measured --min-agreement 0.999 -o model.qc",
)
def quantize(
    source: Source,
    output: Annotated[Path, typer.Option("-o", "--output", help="Where the artifact goes.")],
    calibration: Annotated[Optional[Path], typer.Option(help="Rows to tune and measure with.", exists=True)] = None,  # noqa: UP045
    column: Column = None,
    precision: Annotated[
        Literal["auto", "float32", "float16", "int16", "int8", "int4"], typer.Option(help="Least bits of the largest weight.")
    ] = "auto",
    guarantee: Guarantee = "certified",
    min_agreement: Annotated[
        Optional[float], typer.Option(min=0.0, max=1.0, help="With measured: share of rows whose label must not change.")  # noqa: UP045
    ] = None,
    max_bytes: Annotated[Optional[int], typer.Option(min=1, help="Largest artifact.")] = None,  # noqa: UP045
    unsupported: Annotated[Literal["error", "keep"], typer.Option(help="error: the obstacles are listed.")] = "error",
    trust_pickle: Trust = False,
    allow_version_mismatch: Annotated[
        bool, typer.Option("--allow-version-mismatch", help="Take a pickle of another scikit-learn; it may be misread.")
    ] = False,
) -> None:
    """Convert a fitted model into one small, safe file."""
    if unsupported == "keep":
        raise ValueError(
            "--unsupported keep: a pipeline with steps that stay scikit-learn's can be used, but not saved as an artifact, which "
            "holds no code; quantcore.quantize(estimator, unsupported='keep') makes one in Python"
        )
    if min_agreement is not None and guarantee != "measured":
        raise ValueError(f"--min-agreement goes with --guarantee measured alone; got --guarantee {guarantee}")
    estimator = read_source(source, trust=trust_pickle, any_version=allow_version_mismatch)
    options: dict[str, Any] = {"precision": precision, "guarantee": guarantee, "max_bytes": max_bytes}
    if min_agreement is not None:
        options["min_agreement"] = min_agreement
    with progress("converting", None) as more:
        if calibration is not None:
            options["calibration"] = calibration_rows(estimator, calibration, column)
        try:
            model = quantcore.quantize(estimator, progress=lambda stage, done, total: more(1), **options)
        except ValueError as error:  # the options have been understood: a limit that can't be met, a model that is not fitted
            raise Failed(str(error)) from error
        quantcore.save(model, output)
    before, after = source.stat().st_size, len(model.data)
    agreement = model.report().get("agreement")
    same = "" if agreement is None else f", {agreement:.2%} of the calibration rows' labels equal"
    err.print(f"{output}: {of_bytes(after)}, {before / after:.3g} times smaller than {source.name}{same}", highlight=False)


def calibration_rows(estimator: Any, path: Path, column: str | None) -> Any:
    """All rows of a file as the estimator's ``predict`` takes them: a frame for tables, an array, or documents."""
    from quantcore.cli.rows import Reader, chunks
    from quantcore.importers import convert

    plan = convert(estimator)  # tells what it reads; nothing is quantized yet
    reader = Reader(plan, column)
    records = [record for part in chunks(path, _CHUNK) for record in part]
    rows = reader.rows(records)
    if plan.input != "table":
        return rows
    import pandas

    return pandas.DataFrame(rows) if isinstance(rows, list) else rows
