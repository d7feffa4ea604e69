"""Fit the constants of ``quantcore.passes.cost`` to measured batches, and say how far off the model is.

``python bench/cost.py`` reads the pipelines in build/bench/models (made by ``make bench``), times ``predict`` of each one's rows
(one thread, interleaved rounds, the least of each), fits the constants with all but one pipeline and states the error of the one
left out; writes build/bench/cost.json.
"""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

import joblib
import numpy as np
from scipy.optimize import nnls

import quantcore
from quantcore.passes.cost import Shape, factors, shape
from quantcore.plan.ops import Text
from quantcore.runtime.execute import Executor

MODELS = Path(__file__).resolve().parents[1] / "build" / "bench" / "models"
ROUNDS = 15


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
    main()
