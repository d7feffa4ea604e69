"""``quantcore quantize``: a model file → an artifact."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Any, Literal, Optional

import typer
from rich.table import Table

import quantcore
from quantcore.cli.app import AsJson, Column, Guarantee, Source, Trust, command, err, out, stages
from quantcore.cli.sources import Failed, estimator_of, read_source
from quantcore.report.units import of_bytes, of_seconds, percent

__all__ = ["calibration_rows", "quantize"]


@command(
    "quantize",
    "quantcore quantize model.joblib --trust-pickle --calibration rows.parquet -o model.qc",
    "quantcore quantize booster.ubj --max-bytes 100000 -o model.qc",
    "quantcore quantize text.joblib --trust-pickle --calibration texts.csv --guarantee measured --min-agreement 0.999 "
    "--objective size --candidates -o text.qc",
    "quantcore quantize model.joblib --trust-pickle --certify threshold=0.83 -o model.qc",
)
def quantize(
    source: Source,
    output: Annotated[Path, typer.Option("-o", "--output", help="Where the artifact goes.")],
    calibration: Annotated[
        Optional[Path],  # noqa: UP045
        typer.Option(help="Rows to tune and measure with: .csv, .tsv, .jsonl, .parquet or .txt.", exists=True, dir_okay=False),
    ] = None,
    column: Column = None,
    precision: Annotated[
        Literal["auto", "float32", "float16", "int16", "int8", "int4"], typer.Option(help="Least bits of the largest weight.")
    ] = "auto",
    prune: Annotated[str, typer.Option(help="With measured: auto, none, or the share of terms or columns to drop.")] = "auto",
    guarantee: Guarantee = "certified",
    certify: Annotated[str, typer.Option(help="What is proved of a row: label, threshold=0.83 or top_k=3.")] = "label",
    min_agreement: Annotated[
        Optional[float], typer.Option(min=0.0, max=1.0, help="With measured: share of rows whose label must not change.")  # noqa: UP045
    ] = None,
    objective: Annotated[
        Literal["balanced", "size", "latency", "throughput"], typer.Option(help="What to choose among forms that agree.")
    ] = "balanced",
    max_bytes: Annotated[Optional[int], typer.Option(min=1, help="Largest artifact.")] = None,  # noqa: UP045
    max_latency: Annotated[
        Optional[float],  # noqa: UP045
        typer.Option(help="Most seconds a row, by the cost model: 1e-6. Of single linear models over texts or numbers."),
    ] = None,
    unsupported: Annotated[Literal["error", "keep"], typer.Option(help="error: the obstacles are listed.")] = "error",
    metadata: Annotated[
        Optional[list[str]], typer.Option(metavar="NAME=VALUE", help="Text to keep in the provenance; may be repeated.")  # noqa: UP045
    ] = None,
    seed: Annotated[int, typer.Option(help="Of the rows that are drawn.")] = 0,
    trust_pickle: Trust = False,
    allow_version_mismatch: Annotated[
        bool, typer.Option("--allow-version-mismatch", help="Take a pickle of another scikit-learn; it may be misread.")
    ] = False,
    candidates: Annotated[bool, typer.Option("--candidates", help="Print each form that was tried, and why not it.")] = False,
    as_json: AsJson = False,
) -> None:
    """Convert a fitted model into one small, safe file. Nothing is written unless all is well."""
    if unsupported == "keep":
        raise ValueError(
            "--unsupported keep: a pipeline with steps that stay scikit-learn's can be used, but not saved as an artifact, which "
            "holds no code; quantcore.quantize(estimator, unsupported='keep') makes one in Python"
        )
    if min_agreement is not None and guarantee != "measured":
        raise ValueError(f"--min-agreement goes with --guarantee measured alone; got --guarantee {guarantee}")
    options: dict[str, Any] = {
        "precision": precision,
        "prune": _prune(prune, guarantee),
        "guarantee": guarantee,
        "certify": _certify(certify),
        "min_agreement": min_agreement,
        "objective": objective,
        "max_bytes": max_bytes,
        "max_latency": max_latency,
        "metadata": _metadata(metadata or []),
        "seed": seed,
    }
    given = read_source(source, trust=trust_pickle, any_version=allow_version_mismatch)
    with stages() as told:
        if calibration is not None:
            told("reading rows", 0, 1)
            options["calibration"] = calibration_rows(estimator_of(given), calibration, column)
        try:
            model = quantcore.quantize(given, progress=told, trust_pickle=True, **options)
        except ValueError as error:  # the options have been understood: a limit that can't be met, a model that is not fitted
            raise Failed(str(error)) from error
        quantcore.save(model, output)
    report = model.report()
    if as_json:
        out.print_json(json.dumps({"file": str(output), "digest": model.digest, **report}))
    elif candidates:
        out.print(_table(report["candidates"]))
    before, after = source.stat().st_size, len(model.data)
    agreement = report.get("agreement")
    same = "" if agreement is None else f", {agreement:.2%} of the calibration rows' labels equal"
    err.print(f"{output}: {of_bytes(after)}, {before / after:.3g} times smaller than {source.name}{same}", highlight=False)


def calibration_rows(estimator: Any, path: Path, column: str | None) -> Any:
    """All rows of a file as the estimator's ``predict`` takes them: a frame for tables, an array, or documents."""
    from quantcore.cli.rows import Reader, records_of
    from quantcore.importers import convert

    plan = convert(estimator)  # tells what it reads; nothing is quantized yet
    rows = Reader(plan, column).rows(records_of(path))
    if plan.input != "table":
        return rows
    import pandas

    return pandas.DataFrame(rows) if isinstance(rows, list) else rows


def _prune(given: str, guarantee: str) -> Any:
    if given in ("auto", "none"):
        return None if given == "none" else given
    if guarantee != "measured":
        raise ValueError(f"--prune {given} goes with --guarantee measured alone; got --guarantee {guarantee}")
    try:
        share = float(given)
    except ValueError:
        share = -1.0
    if not 0.0 < share < 1.0:
        raise ValueError(f"--prune {given}: expected auto, none, or a share between 0 and 1")
    return share


def _certify(given: str) -> Any:
    name, _, value = given.partition("=")
    try:
        if given == "label":
            return given
        if name == "threshold":
            return {name: float(value)}
        if name == "top_k":
            return {name: int(value)}
    except ValueError:
        pass
    raise ValueError(f"--certify {given}: expected label, threshold=SHARE or top_k=NUMBER")


def _metadata(pairs: list[str]) -> dict[str, str] | None:
    wrong = [pair for pair in pairs if "=" not in pair]
    if wrong:
        raise ValueError(f"--metadata {wrong[0]}: expected NAME=VALUE")
    return dict(pair.split("=", 1) for pair in pairs) or None


def _table(candidates: list[dict[str, Any]]) -> Table:
    """Each form that was tried, with its figures."""
    table = Table("", "form", "file", "a row", "agreement", "why", box=None, pad_edge=False)
    for one in candidates:
        size, time, agreement = one.get("bytes"), one.get("latency"), one.get("agreement")
        table.add_row(
            "→" if one["kept"] else "",
            one["form"],
            of_bytes(size),
            of_seconds(time),
            "–" if agreement is None else percent(agreement),
            one["why"],
        )
    return table
