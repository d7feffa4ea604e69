"""Known answers: rows made from what a Plan holds, scored when the file is written and again when it is loaded."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from quantcore.plan import Op, Plan, Table
from quantcore.plan.ops import Documents, HashedFeatures, NamedFeatures, RecordOp, Text
from quantcore.plan.schema import values_of
from quantcore.runtime.execute import Executor

__all__ = ["expected", "log_fallback", "passes", "records", "rows"]

_WORDS = 6


def rows(plan: Plan) -> Any:
    """Synthetic rows: texts of symbols spread over each vocabulary (never training data), or small numbers."""
    if plan.input == "table":
        return _table(plan)
    if plan.input == "records":
        return records(plan.ops)
    if plan.input == "matrix":
        width = plan.n_features_in or 1
        waves = np.sin(np.arange(2 * width, dtype=np.float64)).reshape(2, width)
        return np.abs(waves) + 1.0 if any(op.kind in ("Power", "Ufunc") for op in plan.ops) else waves
    texts = ["quantcore"]
    for op in plan.ops:
        if isinstance(op, Text) and op.vocabulary is not None and op.vocabulary.n_symbols:
            found = op.vocabulary
            raw, ends = found.symbol_bytes, found.symbol_ends
            parts = [raw[ends[i - 1] if i else 0 : ends[i]].tobytes() for i in _spread(found.n_symbols)]
            texts.append((found.separator or " ").join([part.decode("utf-8", "surrogatepass") for part in parts]))
    return texts


def _spread(count: int) -> list[int]:
    """A few numbers below ``count``, ascending, each once, the first and the last among them: those of ``np.linspace``."""
    step = (count - 1) / (_WORDS - 1)
    return sorted({*(int(i * step) for i in range(_WORDS - 1)), count - 1})


def _table(plan: Plan) -> Table:
    """Two rows: small numbers, and where a column holds categories the first and the last of them."""
    columns: list[NDArray[Any] | None] = [None] * (plan.n_features_in or 0)
    schema = plan.schema
    for i in schema.columns:
        columns[i] = np.sin(np.arange(2.0) + i).astype(float if i in schema.floats else object)
    texts = [
        (op.column, ["quantcore", "table"]) for op in plan.ops if isinstance(op, Documents) and op.inputs[0] in schema.tables
    ]
    for index, known in (*values_of(plan.ops, schema), *texts):
        own = columns[index]
        if own is not None and known and (own.dtype == object or all(isinstance(v, int | float) for v in known)):
            own[:] = known[0], known[-1]
    for op in plan.ops:
        read = plan.ops[op.inputs[0]] if isinstance(op, RecordOp) and op.inputs[0] >= 0 else None
        if isinstance(read, Documents):
            columns[read.column] = np.fromiter(records((op,)), object, 2)
    return Table(2, tuple(columns))


def records(ops: tuple[Op, ...]) -> list[Any]:
    """Two records of a few features, of those that an op knows by name if there is one."""
    known = next((op.features() for op in ops if isinstance(op, NamedFeatures)), ["quantcore", "records"])
    names = [known[0], known[len(known) // 2], known[-1]]
    kinds = {op.source for op in ops if isinstance(op, HashedFeatures)}
    if "string" in kinds:
        return [names, names[:1]]
    found = [{name: 0.5 + i for i, name in enumerate(names)}, {names[0]: 1.0}]
    return [list(record.items()) for record in found] if "pair" in kinds else found


def expected(executor: Executor) -> list[float] | None:
    """The scores of the rows, rounded to what every path agrees on; None where the Plan has none, or refuses them."""
    try:
        found = executor.scores(rows(executor.plan), checked=True, counted=False)
    except (AttributeError, TypeError, ValueError):  # an encoder behind another step knows few of the values that it could get
        return None
    if found is None or not np.isfinite(found[0]).all():
        return None
    return [float(f"{score:.6g}") for score in found[0].ravel()[:8]]


def passes(executor: Executor, known: Any) -> bool:
    """Whether this path gives the known answers."""
    if not isinstance(known, list) or not all(isinstance(score, int | float) for score in known):
        return False
    try:
        wanted = [float(score) for score in known]
        found = executor.bare_scores(rows(executor.plan))
    except (AttributeError, OverflowError, TypeError, ValueError, OSError):
        return False
    if not isinstance(found, np.ndarray):
        return False
    given = found.ravel()[: len(wanted)].tolist()
    # six digits, less what float32 idf and norms of the hot tables lose
    slack = 2e-5 * (1.0 + max(map(abs, wanted), default=0.0))
    return len(given) == len(wanted) and all(
        abs(have - want) <= slack + 2e-5 * abs(want) for have, want in zip(given, wanted, strict=True)
    )


def log_fallback() -> None:
    """Say that the compiled path failed its self-test."""
    import logging  # 2 ms that only this needs

    logging.getLogger("quantcore").error(
        "the compiled kernels fail this artifact's self-test on this machine; NumPy serves it in their place"
    )
