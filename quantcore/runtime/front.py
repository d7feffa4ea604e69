"""Plans over tables in two halves: the compiled reader in front of the cut, an Executor behind it."""

from __future__ import annotations

from collections.abc import Callable
from types import ModuleType
from typing import Any

import numpy as np

from quantcore.native import registry
from quantcore.plan import Csr, Plan
from quantcore.plan.ops import Several, Trees
from quantcore.runtime import frames, ways
from quantcore.runtime.ways import NoWay

__all__ = ["Front", "front"]

# Methods whose results are arrays, a row a row: those of parts are joined. (Labels of several kinds come as arrays too.)
_JOINED = ("predict_proba", "predict_log_proba", "decision_function", "score_samples")


class Front:
    """The two halves of a Plan.

    Parameters
    ----------
    plan : Plan
    position : int
        Of the cut.
    module : module
        The door of the reader.
    serve : callable of Plan → Executor
        Makes what serves the Plan behind the cut.
    evaluate : callable of table → matrix
        What the ops in front of the cut give of what the reader refuses.
    own : callable of table → labels, or None
        Answers ``predict`` in the place of the half behind the cut.
    known : dict
        As for ``ways.at``.

    Raises
    ------
    NoWay
        No reader can be made.
    """

    def __init__(
        self,
        plan: Plan,
        position: int,
        module: ModuleType,
        serve: Callable[[Plan], Any],
        evaluate: Callable[[Any], Any],
        own: Callable[[Any], Any] | None,
        known: dict[int, Any],
    ) -> None:
        self.plan, self.position, self.evaluate = plan, position, evaluate
        rows = ways.at(plan, position, known)
        if rows.dtype != np.float64:
            raise NoWay(f"a matrix of {rows.dtype} in front of the model")
        whole = frames.behind(plan, position, rows.width)
        self.csr = frames.form(rows, whole) == "csr"
        # What a sparse matrix may not hold for trees, a dense one may: such rows are left to the reference.
        self.finite = rows.sparse and any(isinstance(op, Trees) and op.sparse == "finite" for op in whole.ops if frames.reads(op))
        self.sparse = rows.sparse
        self.inner = serve(whole)
        predicts = "predict" in plan.outputs
        compiled = self.inner.compiled
        answer = None if not predicts else self.inner.predict if compiled is None or self.csr else compiled.predict
        inner = self.inner  # the reader does not keep who keeps it

        def other(X: Any) -> Any:
            return inner.run("predict", evaluate(X))

        self.reader = frames.build(
            module, plan, rows, csr=self.csr, finite=self.finite, answer=answer, other=other if predicts else None
        )
        # The reader's own method, without a Python frame around it.
        self.answer: Callable[[Any], Any] | None = own if own is not None else self.reader.predict if predicts else None

    def matrix(self, X: Any) -> Any:
        """The rows at the cut, of a table as the caller passes it."""
        found = self.reader.read(X)
        return self.evaluate(X) if found is None else found

    def run(self, method: str, X: Any) -> Any:
        """What a method returns, but for ``predict``."""
        if method not in _JOINED or isinstance(self.plan.ops[self.plan.outputs[method]], Several):
            return self.inner.run(method, self.matrix(X))
        found = self.reader.through(X, lambda rows: self.inner.run(method, rows))
        return self.inner.run(method, self.evaluate(X)) if found is None else found

    def in_form(self, found: Any) -> Any:
        """What the ops in front of the cut gave, in the form that the reader gives."""
        return found.toarray() if isinstance(found, Csr) and not self.csr and not self.finite else found


def front(
    plan: Plan,
    serve: Callable[[Plan], Any],
    evaluate: Callable[[Any], Any],
    own: Callable[[Any], Any] | None,
    reasons: dict[int, str],
) -> Front | None:
    """The halves of a Plan, or None where it has none; ``reasons`` are told why."""
    module = registry.door("frame")
    if module is None or plan.input != "table":
        return None
    known: dict[int, Any] = {}
    position = frames.cut(plan, known)
    if position is None:
        reason = frames.obstacle(plan)
    else:
        try:
            return Front(plan, position, module, serve, evaluate, own, known)
        except (NoWay, ValueError) as error:  # the door refuses what no conversion makes, but a file may hold
            reason = str(error)
    reasons[-1] = f"tables are read op by op: {reason}"
    return None
