"""The command line: ``pip install 'quantcore[cli]'``, then ``quantcore --help``."""

from __future__ import annotations

import sys

__all__ = ["main"]


def main() -> None:
    """Entry point of the ``quantcore`` command."""
    try:
        import rich  # noqa: F401
        import typer  # noqa: F401
    except ImportError as error:
        print(f"quantcore: the command line needs {error.name}: pip install 'quantcore[cli]'", file=sys.stderr)
        raise SystemExit(2) from None
    from quantcore.cli.app import app

    app()
