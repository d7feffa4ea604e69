"""The plots of a Comparison, each as an SVG that stands in a page without any other file."""

from __future__ import annotations

import io
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from quantcore.report.comparison import Comparison

__all__ = ["plots"]

_SIZE = (7.0, 3.6)
_MARGIN_BINS = 10


def plots(comparison: Comparison) -> list[tuple[str, str]]:
    """Title and SVG of each plot that there are figures for.

    Parameters
    ----------
    comparison : Comparison
    """
    try:
        from matplotlib.figure import Figure
    except ImportError:
        raise ImportError("plots need matplotlib: pip install 'quantcore[report]'") from None
    found = []
    drawn: list[tuple[str, Callable[[Comparison, Any], bool]]] = [
        ("Latency of one row", _latency),
        ("Throughput by batch size", _throughput),
        ("Size by stage", _stages),
        ("Agreement by margin", _agreement),
        ("Size and speed", _front),
    ]
    for title, draw in drawn:
        figure = Figure(figsize=_SIZE, layout="constrained")
        if draw(comparison, figure.subplots()):
            text = io.StringIO()
            figure.savefig(text, format="svg", metadata={"Date": None})
            svg = text.getvalue()
            found.append((title, svg[svg.index("<svg") :]))
    return found


def _latency(comparison: Comparison, axes: Any) -> bool:
    """Share of calls that took at most so long."""
    for contender in comparison.contenders:
        seconds = np.sort(np.maximum(contender.latencies, 1e-9)) * 1e6
        axes.plot(seconds, np.arange(1, len(seconds) + 1) / len(seconds), label=contender.name)
    axes.set(xscale="log", xlabel="time of a call with one row, µs", ylabel="share of calls")
    axes.legend()
    return True


def _throughput(comparison: Comparison, axes: Any) -> bool:
    for contender in comparison.contenders:
        sizes = list(contender.throughput)
        middle = np.array([contender.throughput[s].median for s in sizes])
        ends = np.array([[contender.throughput[s].low, contender.throughput[s].high] for s in sizes]).T
        axes.errorbar(sizes, middle, np.abs(ends - middle), label=contender.name, marker="o", capsize=3)
    axes.set(xscale="log", yscale="log", xlabel="rows in a batch", ylabel="rows per second")
    axes.legend()
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
        axes.barh(names, sizes, left=left, label=label)
        left += sizes
    axes.set(xlabel="stored, kB")
    axes.legend(fontsize="small")
    return bool(names)


def _agreement(comparison: Comparison, axes: Any) -> bool:
    """Share of equal answers among rows whose margins are alike."""
    for name, pairs in comparison.margins.items():
        margin = np.array([m for m, _ in pairs])
        same = np.array([s for _, s in pairs], np.float64)
        parts = np.array_split(np.argsort(margin, kind="stable"), min(_MARGIN_BINS, len(margin)))
        axes.plot([float(np.median(margin[p])) for p in parts], [float(same[p].mean()) for p in parts], marker="o", label=name)
    axes.set(xlabel="margin of the source's answer (median of a tenth of the rows)", ylabel="share of equal answers")
    axes.legend()
    return bool(comparison.margins)


def _front(comparison: Comparison, axes: Any) -> bool:
    """Below and left is better in both."""
    for contender in comparison.contenders:
        point = contender.file_bytes / 1000, contender.latency["p50"].median * 1e6
        axes.plot(*point, "o")
        axes.annotate(contender.name, point, textcoords="offset points", xytext=(6, 4))
    axes.set(xscale="log", yscale="log", xlabel="file, kB", ylabel="one row, median, µs")
    axes.margins(0.2)
    return True
