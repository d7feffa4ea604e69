"""The plots of a Comparison, each as an SVG that stands in a page without any other file."""

from __future__ import annotations

import io
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from quantcore.report.comparison import Comparison

__all__ = ["front", "plots"]

_WIDTH, _HEIGHT = 9.0, 3.8
_LINE = 0.28  # of a legend or of a bar, in inches
_MARGIN_BINS = 10
_LONGEST = 28
_MARKERS = "osD^vP*Xph<>"


def plots(comparison: Comparison) -> list[tuple[str, str]]:
    """Title and SVG of each plot that there are figures for.

    Parameters
    ----------
    comparison : Comparison
    """
    try:
        import matplotlib
        from matplotlib.figure import Figure
    except ImportError:
        raise ImportError("plots need matplotlib: pip install 'quantcore[report]'") from None
    found = []
    drawn: list[tuple[str, Callable[[Comparison, Any], bool]]] = [
        ("Latency of one row", _latency),
        ("Throughput by batch size", _throughput),
        ("Size by stage", _stages),
        ("Agreement by margin", _agreement),
        ("Size and speed", _size_and_speed),
        ("Forms that were tried", _candidates),
    ]
    # The same page from the same figures: ids in an SVG are random without a salt.
    with matplotlib.rc_context({"svg.hashsalt": "quantcore", "svg.fonttype": "path", "axes.spines.top": False}):
        for title, draw in drawn:
            names = len(comparison.contenders)
            figure = Figure(figsize=(_WIDTH, max(_HEIGHT, _LINE * names + 1.0)), layout="constrained")
            axes = figure.subplots()
            axes.spines["right"].set_visible(False)
            if draw(comparison, axes):
                text = io.StringIO()
                figure.savefig(text, format="svg", metadata={"Date": None})
                svg = text.getvalue()
                found.append((title, svg[svg.index("<svg") :]))
    return found


def front(points: list[tuple[float, float]]) -> list[int]:
    """Positions of the points that none beats: no other is as small in the first and as large in the second, and better in one.

    Parameters
    ----------
    points : list of (cost, gain)
    """
    order = sorted(range(len(points)), key=lambda i: (points[i][0], -points[i][1]))
    found: list[int] = []
    for i in order:
        if not found or points[i][1] > points[found[-1]][1] or points[i] == points[found[-1]]:
            found.append(i)
    return found


def _short(name: str) -> str:
    return name if len(name) <= _LONGEST else name[: _LONGEST // 2] + "…" + name[-(_LONGEST // 2 - 1) :]


def _look(i: int) -> dict[str, Any]:
    """Colour and marker of the contender at a position, the same in all plots."""
    import matplotlib

    colours = matplotlib.colormaps["tab10"]
    return {"color": colours(i % 10), "marker": _MARKERS[i % len(_MARKERS)]}


def _plain_numbers(axis: Any) -> None:
    """Of a logarithmic axis: 0.1, 20, 1,000 in the place of powers; between the powers where there are few."""
    from matplotlib.ticker import FuncFormatter, MaxNLocator, NullFormatter, NullLocator

    low, high = axis.get_view_interval()
    reach = high / max(low, 1e-300)
    axis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,g}"))
    if reach < 8.0:  # there may be no power, and no two or five of one, in between
        axis.set_major_locator(MaxNLocator(5))
        axis.set_minor_locator(NullLocator())
    else:
        axis.set_minor_formatter(FuncFormatter(_two_or_five) if reach < 100.0 else NullFormatter())


def _two_or_five(value: float, _: Any) -> str:
    return f"{value:,g}" if f"{value:e}"[0] in "25" else ""


def _legend(axes: Any, title: str | None = None) -> None:
    """Beside the plot: names are long, and curves are everywhere."""
    axes.legend(loc="upper left", bbox_to_anchor=(1.01, 1.0), borderaxespad=0.0, frameon=False, fontsize="small", title=title)


def _latency(comparison: Comparison, axes: Any) -> bool:
    """Share of calls that took at most so long."""
    slowest = 0.0
    for i, contender in enumerate(comparison.contenders):
        micros = np.sort(np.maximum(contender.latencies, 1e-9)) * 1e6
        slowest = max(slowest, float(np.percentile(micros, 99.9)))
        share = np.arange(1, len(micros) + 1) / len(micros)
        keep = np.unique(np.linspace(0, len(micros) - 1, min(len(micros), 400)).astype(np.int64))
        axes.plot(micros[keep], share[keep], label=_short(contender.name), color=_look(i)["color"])
    axes.set(xscale="log", xlabel="time of a call with one row, µs", ylabel="share of calls", ylim=(0.0, 1.02))
    axes.set_xlim(right=2.0 * slowest)  # a few calls that the machine held up would take all the room
    _plain_numbers(axes.xaxis)
    axes.grid(alpha=0.3)
    _legend(axes)
    return True


def _throughput(comparison: Comparison, axes: Any) -> bool:
    sizes: list[int] = []
    for i, contender in enumerate(comparison.contenders):
        sizes = list(contender.throughput)
        middle = np.array([contender.throughput[s].median for s in sizes])
        ends = np.array([[contender.throughput[s].low, contender.throughput[s].high] for s in sizes]).T
        axes.errorbar(sizes, middle, np.abs(ends - middle), label=_short(contender.name), capsize=3, markersize=5, **_look(i))
    axes.set(xscale="log", yscale="log", xlabel="rows in a batch", ylabel="rows per second")
    axes.set_xticks(sizes, [str(size) for size in sizes])
    axes.minorticks_off()
    axes.grid(alpha=0.3)
    _legend(axes)
    return True


def _stages(comparison: Comparison, axes: Any) -> bool:
    names = list(comparison.stages)
    sections: dict[str, list[float]] = {}
    for i, name in enumerate(names):
        for section, stored in comparison.stages[name].items():
            label = section.split(":", 1)[-1]
            sections.setdefault(label, [0.0] * len(names))[i] += stored / 1000
    left = np.zeros(len(names))
    for label, sizes in sorted(sections.items(), key=lambda s: -sum(s[1])):
        axes.barh(range(len(names)), sizes, left=left, label=_short(label), height=0.6)
        left += sizes
    axes.set_yticks(range(len(names)), [_short(name) for name in names])
    axes.invert_yaxis()
    axes.set(xlabel="stored, kB")
    beside = max(0.0, (4 - len(names)) / 2)  # one bar is a bar, not a wall
    axes.set_ylim(len(names) - 0.5 + beside, -0.5 - beside)
    if names:
        _legend(axes, "section")
    return bool(names)


def _agreement(comparison: Comparison, axes: Any) -> bool:
    """Share of equal answers among rows whose margins are alike."""
    where = {contender.name: i for i, contender in enumerate(comparison.contenders)}
    least = 100.0
    for name, pairs in comparison.margins.items():
        margin = np.array([m for m, _ in pairs])
        same = np.array([s for _, s in pairs], np.float64)
        parts = np.array_split(np.argsort(margin, kind="stable"), min(_MARGIN_BINS, len(margin)))
        shares = [100.0 * float(same[p].mean()) for p in parts]
        least = min(least, *shares)
        axes.plot([float(np.median(margin[p])) for p in parts], shares, label=_short(name), **_look(where[name]), markersize=5)
    away = max(100.0 - least, 0.5)
    axes.set(xlabel="margin of the source's answer (median of a tenth of the rows)", ylabel="equal answers, %")
    axes.set_ylim(max(100.0 - 1.1 * away, -5.0), 100.0 + 0.1 * away)
    axes.set_yticks([tick for tick in axes.get_yticks() if max(100.0 - 1.1 * away, 0.0) <= tick <= 100.0])
    axes.ticklabel_format(axis="y", useOffset=False)
    axes.grid(alpha=0.3)
    if comparison.margins:
        _legend(axes)
    return bool(comparison.margins)


def _size_and_speed(comparison: Comparison, axes: Any) -> bool:
    """Below and left is better in both."""
    points = []
    for i, contender in enumerate(comparison.contenders):
        point = contender.file_bytes / 1000, contender.latency["p50"].median * 1e6
        points.append(point)
        axes.plot(*point, linestyle="none", label=_short(contender.name), markersize=8, **_look(i))
    best = [points[i] for i in front([(size, -micros) for size, micros in points])]
    axes.plot(*zip(*best, strict=True), color="0.6", linestyle="--", linewidth=1, zorder=0, label="none is better in both")
    axes.set(xscale="log", yscale="log", xlabel="file, kB", ylabel="one row, median, µs")
    axes.margins(0.15)
    _plain_numbers(axes.xaxis)
    _plain_numbers(axes.yaxis)
    axes.grid(alpha=0.3, which="both")
    _legend(axes)
    return True


def _candidates(comparison: Comparison, axes: Any) -> bool:
    """Bytes and labels that are expected to change of the forms that the search tried, and those that none beats."""
    where = {contender.name: i for i, contender in enumerate(comparison.contenders)}
    tried = {
        name: [one for one in forms if one.get("bytes") and one.get("agreement") is not None]
        for name, forms in comparison.candidates.items()
    }
    tried = {name: forms for name, forms in tried.items() if len(forms) > 1}
    changed = [1.0 - one["agreement"] for forms in tried.values() for one in forms]
    least = min((share for share in changed if share > 0.0), default=1e-3) / 2.0  # where those are drawn that change none
    for name, forms in tried.items():
        points = [(one["bytes"] / 1000, 100.0 * max(1.0 - one["agreement"], least)) for one in forms]
        colour = _look(where[name])["color"]
        axes.scatter(*zip(*points, strict=True), color=colour, s=24, label=_short(name))
        best = [points[i] for i in front([(size, -share) for size, share in points])]
        axes.plot(*zip(*best, strict=True), color=colour, linewidth=1, alpha=0.6, drawstyle="steps-post")
        kept = [p for p, one in zip(points, forms, strict=True) if one.get("kept")]
        axes.scatter(*zip(*kept, strict=True), s=120, facecolors="none", edgecolors=colour, label="kept") if kept else None
    if tried:
        axes.plot([], [], color="0.4", linewidth=1, alpha=0.6, label="none is better in both")
        axes.set(yscale="log", xlabel="file, kB", ylabel="labels that change, %")
        axes.margins(0.1)
        _plain_numbers(axes.yaxis)
        if min(changed) <= 0.0:
            axes.axhline(100.0 * least, color="0.6", linewidth=1, linestyle=":", label="none of the rows judged")
        axes.grid(alpha=0.3)
        _legend(axes)
    return bool(tried)
