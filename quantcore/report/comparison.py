"""A source and what was made of it, side by side on the user's own rows: a comparison that can be believed."""

from __future__ import annotations

import dataclasses
import json
import os
import platform
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from itertools import cycle
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from quantcore._api import load
from quantcore._version import __version__
from quantcore.model import Model
from quantcore.plan.ops import Predictions
from quantcore.report import fresh, onnx, rows
from quantcore.report.differences import Flip, against, by_margin, margins_of, plain
from quantcore.report.quality import Share, classification, regression
from quantcore.report.timing import Spread, interleaved, latencies, seconds_per_call, spread

__all__ = ["Comparison", "Contender", "Flip", "compare", "stages_of"]

_SINGLE_CALLS = 200
# Of a round of batches: short windows, so that the median is of those in which nothing else had the processor.
_WINDOW, _ROUND = 5e-4, 2e-2
_YEAR = 365.25 * 24 * 3600.0
_PERCENTILES = (50, 90, 99)


@dataclasses.dataclass(frozen=True)
class Contender:
    """What was measured of one model.

    Parameters
    ----------
    name : str
    file_bytes : int
        Of the source: joblib with compress=3.
    load_seconds, first_seconds, memory_bytes, peak_bytes : float or None
        In processes of their own (medians of three): loading, the first prediction, and resident memory beyond NumPy's, after it
        and at its highest. None: it can't be loaded by another process.
    latency : dict of "p50", "p90", "p99" → Spread
        Seconds of calls with one row.
    throughput : dict of batch size → Spread
        Rows per second.
    agreement : Share or None
        With the source's answers, of the rows; None for the source itself and for predicted numbers.
    max_error : float or None
        Of predicted numbers, largest distance from the source's.
    certified : Share or None
        Rows whose label is proved to be the source's.
    quality : dict
        Against the truth, where y was given.
    flips : list of Flip
        The first fifty.
    cost : dict
        "per_million" and, with a load, "per_year", in the currency of the price.
    latencies : list of float
        Seconds of single calls, for plots.
    """

    name: str
    file_bytes: int
    load_seconds: float | None
    first_seconds: float | None
    memory_bytes: float | None
    peak_bytes: float | None
    latency: dict[str, Spread]
    throughput: dict[int, Spread]
    agreement: Share | None
    max_error: float | None
    certified: Share | None
    quality: dict[str, float]
    flips: list[Flip]
    cost: dict[str, float]
    latencies: list[float]


@dataclasses.dataclass(frozen=True)
class Comparison:
    """Figures of a source and of models that stand for it; made by :func:`quantcore.compare`.

    Parameters
    ----------
    contenders : list of Contender
        The source first.
    rows : int
    absent : dict of str → str
        Contenders that could not take part, and why.
    stages : dict of str → dict of str → int
        Stored bytes of each section of each artifact.
    margins : dict of str → list of (margin, agrees)
        For plots: rows by the source's margin.
    candidates : dict of str → list of dict
        What ``report()`` of a model that was just made tells of the forms that were tried; empty for models from files.
    noise : float
        Median of half an interval as a share of its median: 0.02 means that figures of time are good to 2%.
    machine : dict
    prices : dict
        What the costs follow from: "currency", "price_per_hour" and "requests_per_second", where they were given.
    """

    contenders: list[Contender]
    rows: int
    absent: dict[str, str]
    stages: dict[str, dict[str, int]]
    margins: dict[str, list[tuple[float, bool]]]
    candidates: dict[str, list[dict[str, Any]]]
    noise: float
    machine: dict[str, str]
    prices: dict[str, Any]

    def to_dict(self) -> dict[str, Any]:
        """All figures as JSON holds them; seconds, bytes, rows per second."""
        found: dict[str, Any] = plain(dataclasses.asdict(self))
        return found

    def to_json(self, path: str | os.PathLike[str] | None = None) -> str:
        """All figures as JSON; also written to a path, if one is given."""
        text = json.dumps(self.to_dict(), indent=1)
        if path is not None:
            Path(path).write_text(text + "\n", "utf-8")
        return text

    def to_html(self, path: str | os.PathLike[str] | None = None) -> str:
        """One self-contained page with tables and plots (``pip install 'quantcore[report]'``); also written to a path."""
        from quantcore.report.page import page

        text = page(self)
        if path is not None:
            Path(path).write_text(text, "utf-8")
        return text

    def __str__(self) -> str:
        from quantcore.report.table import text

        return text(self)

    def _repr_html_(self) -> str:
        from quantcore.report.table import html

        return html(self)


def compare(
    estimator: Any,
    models: Any,
    X: Any,
    y: Any = None,
    *,
    batch_sizes: Sequence[int] = (1, 10, 100, 1000),
    rounds: int = 15,
    onnxruntime: bool | None = None,
    price_per_hour: float | None = None,
    requests_per_second: float | None = None,
    currency: str = "¤",
    progress: Callable[[str, int, int], None] | None = None,
) -> Comparison:
    """Compare a source with one or several artifacts, on rows of the user's own.

    Contenders take turns in rounds on one thread; times are medians with 95% intervals; loading and memory are measured in
    processes of their own.

    Parameters
    ----------
    estimator : estimator
        The fitted source.
    models : Model, path, or mapping of name → Model or path
    X : rows, as the source's ``predict`` takes them
    y : array-like or None
        The truth, for quality.
    batch_sizes : sequence of int
        For throughput; those beyond the number of rows are left out.
    rounds : int
    onnxruntime : bool or None
        Whether onnxruntime takes part; None: where it and skl2onnx are installed.
    price_per_hour : float or None
        Of one core: gives the cost of a million predictions, in the batches that are fastest.
    requests_per_second : float or None
        A load of single rows: with the price, gives the cost of a year.
    currency : str
        Of the price, as costs are shown; "¤" stands for any.
    progress : callable of (stage, done, total), or None
        Hears how far the measurements have come.

    Returns
    -------
    Comparison

    Raises
    ------
    ValueError
        There are no rows, or an option makes no sense.
    """
    X = rows.kept(X)
    n = rows.count(X)
    if n < 1 or rounds < 1 or not batch_sizes or min(batch_sizes) < 1:
        raise ValueError(f"expected rows, rounds and batch sizes of at least 1; got {n} rows, {rounds} rounds, {batch_sizes!r}")
    if any(value is not None and not value > 0.0 for value in (price_per_hour, requests_per_second)):
        raise ValueError(
            f"price_per_hour={price_per_hour!r}, requests_per_second={requests_per_second!r}: expected numbers above 0, or None"
        )
    tell = progress or (lambda stage, done, total: None)
    made = {name: m if isinstance(m, Model) else load(m) for name, m in _named(models).items()}
    with tempfile.TemporaryDirectory(prefix="quantcore-") as folder:
        files, absent = _files(estimator, made, X, Path(folder), onnxruntime)
        calls: dict[str, Callable[[Any], Any]] = {"source": estimator.predict, **{name: m.predict for name, m in made.items()}}
        if "onnxruntime" in files:
            calls["onnxruntime"] = onnx.session(str(files["onnxruntime"][1]))
        fresh_figures = {}
        for i, (name, (kind, path)) in enumerate(files.items()):
            tell("load", i, len(files))
            fresh_figures[name] = fresh.measured(kind, path, Path(folder) / "first.joblib")
        answers = {name: np.asarray(call(X)) for name, call in calls.items()}  # also the warm-up
        sizes = {name: path.stat().st_size for name, (_, path) in files.items()}
        with _one_thread():
            single, batches = _times(calls, X, n, batch_sizes, rounds, tell)
    tell("answers", 0, 1)
    decides = not any(isinstance(m._decision(), Predictions) for m in made.values())
    margins = margins_of(estimator, X, several=answers["source"].ndim > 1) if decides else None
    contenders = []
    for name in calls:
        model, figures = made.get(name), fresh_figures.get(name, {})
        per_row = 1.0 / max(batches[name].values(), key=lambda s: s.median).median
        contenders.append(
            Contender(
                name=name,
                file_bytes=sizes.get(name, 0),
                load_seconds=figures.get("load"),
                first_seconds=figures.get("first"),
                memory_bytes=figures.get("memory"),
                peak_bytes=figures.get("peak"),
                latency={f"p{q}": _percentile(single[name], q) for q in _PERCENTILES},
                throughput=batches[name],
                cost=_cost(per_row, _percentile(single[name], 50).median, price_per_hour, requests_per_second),
                quality={} if y is None else _quality(estimator, model, name, X, y, answers[name], decides=decides),
                latencies=np.concatenate(single[name]).tolist(),
                **against(answers["source"], answers[name], name, model, X, margins, decides=decides),
            )
        )
    return Comparison(
        contenders=contenders,
        rows=n,
        absent=absent,
        stages={name: stages_of(m) for name, m in made.items()},
        margins={} if margins is None else by_margin(answers, margins),
        candidates={name: m.report()["candidates"] for name, m in made.items() if m.report().get("candidates")},
        noise=float(np.median([s.noise for c in contenders for s in (c.latency["p50"], *c.throughput.values())])),
        machine={"python": platform.python_version(), "system": platform.platform(), "quantcore": __version__},
        prices=_prices(currency, price_per_hour, requests_per_second),
    )


def stages_of(model: Model) -> dict[str, int]:
    """Stored bytes of each section, ops by their names: ``1 PlanarLinear.rows`` is an array of the second op."""
    ops, found = model._artifact.plan.ops, dict[str, int]()
    for name, sizes in model.report()["sections"].items():
        parts = name.split(":", 1)[-1].split(".")
        if parts[:2] == ["plan", "ops"] and len(parts) > 2 and parts[2].isdecimal():
            name = " ".join([parts[2], ".".join([ops[int(parts[2])].kind, *parts[3:]])])
        found[name] = found.get(name, 0) + sizes["stored"]  # a vocabulary takes several sections
    return found


def _prices(currency: str, price: float | None, load_: float | None) -> dict[str, Any]:
    if price is None:
        return {}
    return {"currency": currency, "price_per_hour": price, **({} if load_ is None else {"requests_per_second": load_})}


@contextmanager
def _one_thread() -> Iterator[None]:
    """Hold BLAS and OpenMP to one thread where scikit-learn's own means to do so are there."""
    try:
        from threadpoolctl import threadpool_limits
    except ImportError:
        yield
        return
    with threadpool_limits(1):
        yield


def _named(models: Any) -> dict[str, Any]:
    if isinstance(models, Mapping):
        found = {str(name): model for name, model in models.items()}
    elif isinstance(models, (list, tuple)):
        found = {f"quantcore {i + 1}": model for i, model in enumerate(models)}
    else:
        found = {"quantcore": models}
    if not found or found.keys() & {"source", "onnxruntime"}:
        raise ValueError(f"models are named {sorted(found)}; expected at least one, none named 'source' or 'onnxruntime'")
    return found


def _files(
    estimator: Any, made: dict[str, Model], X: Any, folder: Path, wanted: bool | None
) -> tuple[dict[str, tuple[str, Path]], dict[str, str]]:
    """The file of each contender, and who could not take part."""
    import joblib

    files: dict[str, tuple[str, Path]] = {"source": ("joblib", folder / "source.joblib")}
    joblib.dump(estimator, files["source"][1], compress=3)
    joblib.dump(rows.some(X, 0, 1), folder / "first.joblib")
    for i, (name, model) in enumerate(made.items()):
        files[name] = "artifact", folder / f"{i}.qc"
        files[name][1].write_bytes(model.data)
    absent = {}
    if wanted is not False:
        converted = onnx.convert(estimator, X)
        if isinstance(converted, str):
            absent["onnxruntime"] = converted
        else:
            files["onnxruntime"] = "onnx", folder / "model.onnx"
            files["onnxruntime"][1].write_bytes(converted)
    return files, absent


def _times(
    calls: Mapping[str, Callable[[Any], Any]],
    X: Any,
    n: int,
    batch_sizes: Sequence[int],
    rounds: int,
    tell: Callable[[str, int, int], None],
) -> tuple[dict[str, list[NDArray[np.float64]]], dict[str, dict[int, Spread]]]:
    """Seconds of single calls by round, and rows per second by batch size."""
    picked = np.unique(np.linspace(0, n - 1, min(n, _SINGLE_CALLS)).astype(np.int64))
    singles = [rows.some(X, int(i), int(i) + 1) for i in picked]
    sizes = sorted({size for size in batch_sizes if size <= n} or {n})
    tell("one row", 0, len(sizes) + 1)
    found = interleaved({name: lambda call=call: latencies(call, singles) for name, call in calls.items()}, rounds)  # type: ignore[misc]
    batches: dict[str, dict[int, Spread]] = {name: {} for name in calls}
    for done, size in enumerate(sizes, 1):
        tell(f"batches of {size}", done, len(sizes) + 1)
        starts = np.unique(np.linspace(0, n - size, min(8, n - size + 1)).astype(np.int64))
        parts = [rows.some(X, int(start), int(start) + size) for start in starts]

        timed = interleaved({name: _round(call, parts) for name, call in calls.items()}, rounds)
        for name, seconds in timed.items():
            batches[name][size] = spread([size / max(s, 1e-12) for s in seconds])
    return found, batches


def _round(call: Callable[[Any], Any], parts: list[Any]) -> Callable[[], float]:
    """What measures the seconds of a call once a round: the median of windows that are so short that most have the processor for
    themselves, and long enough for the clock."""
    once = max(float(np.median([seconds_per_call(call, [part]) for part in parts])), 1e-9)
    size = max(1, round(_WINDOW / once))
    if size >= len(parts):
        windows = cycle([parts * round(size / len(parts))])
    else:
        windows = cycle([parts[i : i + size] for i in range(0, len(parts), size)])
    count = next((n for n in (10, 4) if n * size * once <= _ROUND), 1)
    # Whoever was on before left the caches to others: the first of several windows is not counted.
    return lambda: float(np.median([seconds_per_call(call, next(windows)) for _ in range(count)][count > 1 :]))


def _percentile(single: list[NDArray[np.float64]], q: int) -> Spread:
    return spread([float(np.percentile(one, q)) for one in single])


def _quality(
    estimator: Any, model: Model | None, name: str, X: Any, y: Any, answers: NDArray[Any], *, decides: bool
) -> dict[str, float]:
    if not decides:
        return regression(y, answers)
    teller: Any = estimator if name == "source" else model
    proba = teller.predict_proba(X) if hasattr(teller, "predict_proba") else None
    several = isinstance(proba, list)
    return classification(y, answers, None if several else proba, None if several else getattr(estimator, "classes_", None))


def _cost(per_row: float, single: float, price: float | None, load_: float | None) -> dict[str, float]:
    """Of a core that does nothing else: a million rows in batches; a year of single requests takes whole cores."""
    if price is None:
        return {}
    found = {"per_million": per_row * 1e6 / 3600.0 * price}
    if load_ is not None:
        found["per_year"] = single * load_ * _YEAR / 3600.0 * price
    return found
