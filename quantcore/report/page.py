"""A Comparison as one HTML page that needs nothing else."""

from __future__ import annotations

import html
from typing import TYPE_CHECKING

from quantcore.report import table
from quantcore.report.plots import plots

if TYPE_CHECKING:
    from quantcore.report.comparison import Comparison

__all__ = ["page"]

_STYLE = """
body { font: 16px/1.5 system-ui, sans-serif; max-width: 60rem; margin: 2rem auto; padding: 0 1rem; color: #222; background: #fff }
table { border-collapse: collapse; width: 100% }
th, td { text-align: left; padding: .3rem .8rem .3rem 0; border-bottom: 1px solid #ddd; vertical-align: top }
figure { margin: 2rem 0 } figure svg { max-width: 100%; height: auto } p { color: #444 }
"""


def page(comparison: Comparison) -> str:
    """The page.

    Parameters
    ----------
    comparison : Comparison
    """
    figures = "\n".join(
        f"<figure><figcaption><h2>{html.escape(title)}</h2></figcaption>{svg}</figure>" for title, svg in plots(comparison)
    )
    machine = ", ".join(f"{name} {value}" for name, value in comparison.machine.items())
    return (
        '<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8"><title>quantcore: comparison</title>'
        f"<style>{_STYLE}</style></head><body>\n<h1>Comparison</h1>\n{table.html(comparison)}\n"
        f"{figures}\n<p>{html.escape(machine)}</p>\n</body></html>\n"
    )
