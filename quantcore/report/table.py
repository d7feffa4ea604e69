"""A Comparison as a table: for the terminal, and for notebooks."""

from __future__ import annotations

import html as _html
import math
import shutil
from typing import TYPE_CHECKING

from quantcore.report.units import of_bytes, of_rate, of_seconds, percent

if TYPE_CHECKING:
    from quantcore.report.comparison import Comparison, Contender

__all__ = ["cells", "html", "notes", "text"]

_NARROWEST = 60


def cells(comparison: Comparison) -> list[list[str]]:
    """Rows of a table: the first holds the names, each other one a figure of all contenders."""
    found = comparison.contenders
    table = [["", *(c.name for c in found)]]

    def row(name: str, values: list[str]) -> None:
        if any(v not in ("", "–") for v in values):
            table.append([name, *values])

    def times(name: str, values: list[float | None], show: str) -> None:
        first = values[0]
        texts = []
        for value in values:
            ratio = "" if not value or not first or value is first else f" ({_ratio(value, first)})"
            texts.append((of_bytes(value) if show == "bytes" else of_seconds(value)) + ratio)
        row(name, texts)

    times("file", [float(c.file_bytes) for c in found], "bytes")
    times("memory", [c.memory_bytes for c in found], "bytes")
    times("memory, peak", [c.peak_bytes for c in found], "bytes")
    times("load", [c.load_seconds for c in found], "seconds")
    times("first prediction", [c.first_seconds for c in found], "seconds")
    for name in found[0].latency:
        times(f"one row, {name}", [c.latency[name].median for c in found], "seconds")
    for size in found[0].throughput:
        first = found[0].throughput[size].median
        row(
            f"batches of {size}",
            [
                of_rate(c.throughput[size].median) + ("" if c is found[0] else f" ({_times(c.throughput[size].median / first)}x)")
                for c in found
            ],
        )
    row("agreement", [_share(c.agreement) for c in found])
    row("certified", [_share(c.certified) for c in found])
    row("largest error", ["–" if c.max_error is None else f"{c.max_error:.3g}" for c in found])
    for name in found[0].quality:
        row(name.replace("_", " "), [f"{c.quality[name]:.4f}" if name in c.quality else "–" for c in found])
    currency = comparison.prices.get("currency", "")
    for name, label in (("per_million", "cost of a million rows"), ("per_year", "cost of a year")):
        row(label, [f"{_money(c.cost[name])} {currency}" if name in c.cost else "–" for c in found])
    return table


def notes(comparison: Comparison) -> list[str]:
    """What belongs to the table: rows, noise, who is absent, which rows differ."""
    found = [
        f"{comparison.rows} rows; times are medians of interleaved rounds on one thread, good to about "
        f"{100 * comparison.noise:.2g}% (95% intervals); in brackets: compared with the source"
    ]
    if comparison.prices:
        price, currency, load = (comparison.prices.get(k) for k in ("price_per_hour", "currency", "requests_per_second"))
        of_year = "" if load is None else f"; a year has {load:g} single rows a second"
        found.append(f"costs: at {price:g} {currency} an hour and core, of the time that the calls take{of_year}")
    found += [f"{name} did not take part: {reason}" for name, reason in comparison.absent.items()]
    for contender in comparison.contenders:
        found += [_flip(contender, i) for i in range(min(len(contender.flips), 5))]
        if len(contender.flips) > 5:
            found.append(f"{contender.name}: more rows differ; see .contenders[...].flips")
    return found


def text(comparison: Comparison) -> str:
    """For the terminal: what is too wide for it is shown in parts, the source in each."""
    table = cells(comparison)
    widths = [max(len(line[i]) for line in table) for i in range(len(table[0]))]
    parts = [
        "\n".join(_lines([[line[i] for i in columns] for line in table], [widths[i] for i in columns]))
        for columns in _columns(widths, max(_NARROWEST, shutil.get_terminal_size((160, 24)).columns))
    ]
    return "\n\n".join(parts) + "\n\n" + "\n".join(notes(comparison))


def _columns(widths: list[int], room: int) -> list[list[int]]:
    """Columns that fit side by side: the names and the source, and as many of the others as there is room for, one at least."""
    found: list[list[int]] = [[0, 1]]
    for i in range(2, len(widths)):
        if len(found[-1]) > 2 and sum(widths[k] + 2 for k in found[-1]) + widths[i] > room:
            found.append([0, 1])
        found[-1].append(i)
    return found


def _lines(table: list[list[str]], widths: list[int]) -> list[str]:
    lines = ["  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip() for line in table]
    lines.insert(1, "  ".join("-" * width for width in widths))
    return lines


def html(comparison: Comparison) -> str:
    """For notebooks: a table without any style of its own."""
    head, *body = cells(comparison)
    lines = [
        '<div class="wide"><table><thead><tr>' + "".join(f"<th>{_html.escape(c)}</th>" for c in head) + "</tr></thead><tbody>"
    ]
    for name, *values in body:
        lines.append(f"<tr><th>{_html.escape(name)}</th>" + "".join(f"<td>{_html.escape(v)}</td>" for v in values) + "</tr>")
    lines.append("</tbody></table></div>")
    lines += [f"<p>{_html.escape(note)}</p>" for note in notes(comparison)]
    return "\n".join(lines)


def _ratio(value: float, source: float) -> str:
    smaller = value <= source
    return f"1/{_times(source / value)}" if smaller and source / value >= 1.005 else f"{_times(value / source)}x"


def _times(ratio: float) -> str:
    """Three digits, and no exponent."""
    return f"{ratio:,.0f}" if ratio >= 1000 else f"{ratio:.3g}"


def _money(value: float) -> str:
    """Three digits, and no exponent."""
    if not value:
        return "0"
    return f"{value:,.{max(0, 2 - math.floor(math.log10(abs(value))))}f}"


def _share(value: tuple[float, float, float, int] | None) -> str:
    return "–" if value is None else f"{percent(value[0])} ({percent(value[1])} to {percent(value[2])})"


def _flip(contender: Contender, i: int) -> str:
    flip = contender.flips[i]
    margin = "" if flip.margin is None else f", margin {flip.margin:.3g}"
    proved = "" if flip.certified is None else ", certified (a bug: please report it)" if flip.certified else ", not certified"
    return f"{contender.name}: row {flip.row} is {flip.found!r}, the source says {flip.source!r}{margin}{proved}"
