"""The ``quantcore`` command: one function a command, each in the module of its name.

Exit codes: 0 all is well; 1 what was asked for does not hold (a model that can't be converted, an artifact that is damaged, rows
that failed); 2 the command was not understood (a wrong option, a missing file, a pickle that nobody trusts); 130 Ctrl-C.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import wraps
from pathlib import Path
from typing import Annotated, Any, Literal, Optional, TypeVar

import typer
from rich.console import Console
from rich.markup import escape

from quantcore.errors import QuantcoreError

__all__ = ["app"]

out, err = Console(soft_wrap=True), Console(stderr=True, soft_wrap=True)
F = TypeVar("F", bound=Callable[..., Any])

_CODES = (
    "Exit codes: 0 all is well; 1 it can't be had (a model that is not converted, a damaged artifact, rows that failed); "
    "2 the command was not understood (an option, a missing file, a pickle without --trust-pickle); 130 Ctrl-C."
)

app = typer.Typer(
    name="quantcore",
    help="Turn fitted scikit-learn models into small, safe files, look into them, and serve them.",
    epilog="Shell completion: [bold]quantcore --install-completion[/]. " + _CODES,
    no_args_is_help=True,
    rich_markup_mode="rich",
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)

Artifact = Annotated[Path, typer.Argument(help="An artifact (.qc).", exists=True, dir_okay=False)]
Source = Annotated[
    Path, typer.Argument(help="A fitted model: .joblib, .pkl, or a file of XGBoost or LightGBM.", exists=True, dir_okay=False)
]
Trust = Annotated[bool, typer.Option("--trust-pickle", help="Read a pickle: that runs whatever code it holds.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]
Guarantee = Annotated[Literal["exact", "certified", "measured"], typer.Option(help="What is promised.")]
Streamed = Literal["jsonl", "csv", "text"]
Column = Annotated[Optional[str], typer.Option(help="The column of the documents, for models that read texts.")]  # noqa: UP045


def _told(function: F) -> F:
    """Errors as a message and an exit code; a broken pipe is no error."""

    @wraps(function)
    def call(*args: Any, **kwargs: Any) -> Any:
        try:
            return function(*args, **kwargs)
        except QuantcoreError as error:
            err.print("[red]error:[/]", escape(str(error)), highlight=False)
            raise typer.Exit(1) from None
        except BrokenPipeError:  # whoever reads has enough; what is left in the buffer goes nowhere
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            raise typer.Exit(0) from None
        except (OSError, ValueError, TypeError, ImportError) as error:
            err.print("[red]error:[/]", escape(str(error)), highlight=False)
            raise typer.Exit(2) from None

    return call  # type: ignore[return-value]


def command(name: str, *examples: str) -> Callable[[F], F]:
    """Register a command; its help ends with examples."""

    def register(function: F) -> F:
        lines = [*(f"Example: [bold]{example}[/]" for example in examples), _CODES]
        app.command(name, epilog="\n\n".join(lines))(_told(function))
        return function

    return register


@contextmanager
def progress(title: str, total: float | None) -> Iterator[Callable[[float], None]]:
    """A bar on the terminal's error stream: takes how much more is done."""
    from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

    columns = TextColumn("{task.description}"), BarColumn(), TextColumn("{task.completed:.0f}"), TimeRemainingColumn()
    with Progress(*columns, console=err, transient=True) as bar:
        task = bar.add_task(title, total=total)
        yield lambda more: bar.advance(task, more)


@contextmanager
def stages() -> Iterator[Callable[[str, int, int], None]]:
    """A bar on the terminal's error stream: takes what :func:`quantcore.quantize` and :func:`quantcore.compare` tell."""
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

    columns = TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn()
    with Progress(*columns, console=err, transient=True) as bar:
        task = bar.add_task("")
        yield lambda stage, done, total: bar.update(task, description=stage, completed=done, total=total)


from quantcore.cli import (  # noqa: E402 - each registers its command
    bench,
    compare,
    config,
    inspect,
    predict,
    quantize,
    scan,
    verify,
)

_ = (bench, compare, config, inspect, predict, quantize, scan, verify)
