"""Fit the constants of ``quantcore.passes.cost`` to measured batches, and say how far off the model is.

``python bench/cost.py`` reads the pipelines in build/bench/models (made by ``make bench``), times ``predict`` of each one's rows
(one thread, interleaved rounds, the least of each), fits the constants with all but one pipeline and states the error of the one
left out; writes build/bench/cost.json.

``python bench/cost.py picks [CASE ...]`` measures every form that agrees of each set, and says how much longer the one takes
that the model picks for objective="latency" than the fastest; it ends with an error where that is more than a tenth on any set.
"""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path
from typing import Any

import joblib
import numpy as np
import table_sets
import texts
from scipy.optimize import nnls

import quantcore
from quantcore.artifact import encode
from quantcore.importers import convert
from quantcore.model import Model
from quantcore.passes import search
from quantcore.passes.convert import Options
from quantcore.passes.cost import Shape, factors, shape
from quantcore.plan.ops import Text
from quantcore.runtime.execute import Executor

MODELS = Path(__file__).resolve().parents[1] / "build" / "bench" / "models"
ROUNDS = 15
TEXTS = ("sms_spam", "rt_polarity", "banking77", "clinc150", "movie_reviews")
MOST = 1.1


def main() -> None:
    """Measure, fit, write."""
    cases = [case for folder in sorted(MODELS.iterdir()) for case in _cases(folder)]
    best = dict.fromkeys((name for name, *_ in cases), np.inf)
    for _ in range(ROUNDS):
        for name, model, rows, _ in cases:
            start = time.perf_counter()
            model.predict(rows)
            best[name] = min(best[name], (time.perf_counter() - start) / len(rows) * 1e9)
    result: dict[str, Any] = {}
    for kind in ("text", "table"):
        some = [(name, found, best[name]) for name, _, _, found in cases if found.kind == kind]
        columns = np.array([factors(found) for _, found, _ in some])
        measured = np.array([ns for _, _, ns in some])
        constants = _fitted(columns, measured)
        print(f"{kind}: {', '.join(f'{c:.3g}' for c in constants)}")
        rows = {}
        for i, (name, found, ns) in enumerate(some):
            others = np.arange(len(some)) != i
            expected = float(columns[i] @ _fitted(columns[others], measured[others]))
            rows[name] = {"ns": ns, "expected_ns": expected, **found._asdict()}
            print(f"  {name:32s} {ns:9.0f} ns, expected {expected:9.0f} ({expected / ns - 1:+.0%})")
        off = [abs(row["expected_ns"] / row["ns"] - 1) for row in rows.values()]
        print(f"  off by {np.median(off):.0%} in the median, {max(off):.0%} at most")
        result[kind] = {"constants": list(constants), "median_error": float(np.median(off)), "rows": rows}
    (MODELS.parent / "cost.json").write_text(json.dumps(result, indent=1), "utf-8")


def picks(cases: list[str]) -> bool:
    """Whether, on every set, the form that the cost model picks takes at most a tenth longer than the fastest that agrees."""
    good = True
    for case in cases or (*TEXTS, *table_sets.SETS):
        if case in TEXTS:
            split = texts.read(case)
            path = MODELS / case / "model.joblib"
            if split is None or not path.is_file():
                continue
            source, X, new = joblib.load(path), split.train, split.test[:1000]
        elif table_sets.missing(case) is not None:
            continue
        else:
            source, X, new = table_sets.fitted(case)
        models, picked = _forms(source, X)
        best = dict.fromkeys(models, np.inf)
        for _ in range(2 * ROUNDS):
            for name, model in models.items():
                start = time.perf_counter()
                model.predict(new)
                best[name] = min(best[name], (time.perf_counter() - start) / len(new) * 1e9)
        fastest = min(best, key=lambda name: best[name])
        ratio = best[picked] / best[fastest]
        good &= ratio <= MOST
        print(
            f"{case:15s} {len(models):3d} forms, picked {picked!r}: {best[picked]:.0f} ns, {ratio:.3f} of {fastest!r}", flush=True
        )
    return good


def _forms(source: Any, X: Any) -> tuple[dict[str, Model], str]:
    """Each form that agrees, as a model, and the name of the one that is picked."""
    found = search(convert(source), Options("measured", min_agreement=0.99, objective="latency"), X)
    picked = next(one["form"] for one in found.candidates if one["kept"])
    return {name: Model(encode(make(), {})) for name, make in found.makers}, picked


def _cases(folder: Path) -> list[tuple[str, Any, Any, Shape]]:
    """A pipeline's Model, its rows, its shape; of texts also of its smallest form."""
    source = folder / "model.joblib"
    rows: Any = None
    if (folder / "documents.json").is_file():
        rows = json.loads((folder / "documents.json").read_text("utf-8"))
    elif (folder / "rows.npy").is_file():
        rows = np.load(folder / "rows.npy")
    if rows is None or not source.is_file():
        return []
    pipeline = joblib.load(source)
    found = [(folder.name, quantcore.quantize(pipeline))]
    if isinstance(rows, list):
        found.append((f"{folder.name}, measured", quantcore.quantize(pipeline, rows, guarantee="measured")))
    return [(name, model, rows, shape(model._artifact.plan, *_text(model, rows))) for name, model in found]


def _text(model: Any, rows: Any) -> tuple[float, ...]:
    """Mean length of texts, and of their known terms."""
    plan = model._artifact.plan
    text = next((i for i, op in enumerate(plan.ops) if isinstance(op, Text)), None)
    if text is None:
        return ()
    return float(np.mean([len(row) for row in rows])), len(Executor(plan).value_at(text, rows).data) / len(rows)


def _fitted(columns: Any, measured: Any) -> Any:
    """Constants that are not negative, with the least sum of squared relative errors."""
    return nnls(columns / measured[:, None], np.ones(len(measured)))[0]


if __name__ == "__main__":
    if sys.argv[1:2] == ["picks"]:
        sys.exit(not picks(sys.argv[2:]))
    main()
