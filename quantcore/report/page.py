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
body { font: 16px/1.5 system-ui, sans-serif; max-width: 84rem; margin: 2rem auto; padding: 0 1rem; color: #222; background: #fff }
.wide { overflow-x: auto } table { border-collapse: collapse; min-width: 100%; font-variant-numeric: tabular-nums }
th, td { text-align: left; padding: .3rem .8rem; border-bottom: 1px solid #ddd; vertical-align: top; white-space: nowrap }
thead th { white-space: normal; overflow-wrap: anywhere; min-width: 8rem; max-width: 14rem; vertical-align: bottom }
tbody th, thead th:first-child { position: sticky; left: 0; background: #fff; font-weight: 600; min-width: 0 }
tbody tr:hover > * { background: #f4f4f4 }
@media print { .wide { overflow: visible } th, td { white-space: normal } }
figure { margin: 2rem 0; max-width: 66rem } figure svg { width: 100%; height: auto } p { color: #444 }
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
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<style>{_STYLE}</style></head><body>\n<h1>Comparison</h1>\n{table.html(comparison)}\n"
        f"{figures}\n<p>{html.escape(machine)}</p>\n</body></html>\n"
    )
