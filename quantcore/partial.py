"""PartialModel: a pipeline of which a part is compiled and the rest stays scikit-learn's (``unsupported="keep"``)."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, NamedTuple

from quantcore.errors import UnsupportedModelError
from quantcore.model import Model
from quantcore.plan import METHODS
from quantcore.runtime.fallbacks import Fallbacks

if TYPE_CHECKING:
    from quantcore.report.summary import Report

__all__ = ["PartialModel", "Stage"]


class Stage(NamedTuple):
    """Some steps of a pipeline, one after another.

    Parameters
    ----------
    names : tuple of str
    model : Model or estimator
        Compiled, or the source's own step.
    reason : str or None
        Why the step was kept; None: it is compiled.
    """

    names: tuple[str, ...]
    model: Any
    reason: str | None


class PartialModel:
    """Serves a pipeline of which some steps can't be converted; made by :func:`quantcore.quantize` with ``unsupported="keep"``.

    It has the methods that its source has. It needs scikit-learn and can't be saved as an artifact, which holds no code.

    Parameters
    ----------
    stages : tuple of Stage
    """

    def __init__(self, stages: tuple[Stage, ...]) -> None:
        self.stages = stages
        self._fallbacks = Fallbacks(lambda: "")
        for name in METHODS:
            if hasattr(stages[-1].model, name) and all(hasattr(stage.model, "transform") for stage in stages[:-1]):
                setattr(self, name, self._method(name))

    @classmethod
    def of(cls, pipeline: Any, convert: Callable[[Any], Model]) -> PartialModel:
        """Compile the longest runs of steps that convert.

        Parameters
        ----------
        pipeline : Pipeline
            Fitted; or a search for one.
        convert : callable of estimator → Model

        Raises
        ------
        UnsupportedModelError
            It is no pipeline, or none of its steps can be converted.
        """
        pipeline = getattr(pipeline, "best_estimator_", pipeline)  # of a search
        steps = [step for step in getattr(pipeline, "steps", ()) if step[1] not in (None, "passthrough")]
        stages: list[Stage] = []
        at = 0
        while at < len(steps):
            stage, at = _longest(pipeline, steps, at, convert)
            stages.append(stage)
        if not any(stage.reason is None for stage in stages):
            convert(pipeline)  # raises what stands in the way of all of it
        return cls(tuple(stages))

    def _method(self, name: str) -> Callable[[Any], Any]:
        def call(X: Any) -> Any:
            return getattr(self.stages[-1].model, name)(self._before_last(X))

        call.__name__ = name
        return call

    def _before_last(self, X: Any) -> Any:
        """What the last stage is given."""
        for stage in self.stages[:-1]:
            self._note(stage, X)
            X = stage.model.transform(X)
        self._note(self.stages[-1], X)
        return X

    def _note(self, stage: Stage, X: Any) -> None:
        """Count rows that a kept step serves."""
        if stage.reason is not None:
            from quantcore.report.rows import count

            n_rows = count(X) if hasattr(X, "__len__") or hasattr(X, "shape") else 0  # an iterator is not read twice
            self._fallbacks.count("kept", n_rows, f"{'/'.join(stage.names)}: {stage.reason}", once=True)

    @property
    def classes_(self) -> Any:
        """The source's ``classes_``."""
        return self.stages[-1].model.classes_

    @property
    def n_features_in_(self) -> int:
        """Number of columns of a matrix or a table."""
        found: int = self.stages[0].model.n_features_in_
        return found

    @property
    def feature_names_in_(self) -> Any:
        """Names of the columns, where the source was fitted with names."""
        return self.stages[0].model.feature_names_in_

    def score(self, X: Any, y: Any, sample_weight: Any = None) -> float:
        """What the source's ``score`` gives: accuracy of labels, R² of numbers.

        Parameters
        ----------
        X : rows as ``predict`` takes them
        y : array-like
        sample_weight : array-like, or None
        """
        more = {} if sample_weight is None else {"sample_weight": sample_weight}
        return float(self.stages[-1].model.score(self._before_last(X), y, **more))

    @property
    def data(self) -> bytes:
        """There is none."""
        kept = ", ".join(f"{'/'.join(s.names)}: {s.reason}" for s in self.stages if s.reason is not None)
        raise ValueError(
            f"a model with steps of scikit-learn can't be saved as an artifact, which holds no code; kept were {kept}"
        )

    def report(self) -> Report:
        """How each stage is served.

        Returns
        -------
        Report
            A dict, whose items are attributes too. ``stages``: a list of dicts with ``steps``, ``served_by`` and, for those that
            were kept, ``reason``; ``kept``: their names.
        """
        stages = []
        for stage in self.stages:
            if stage.reason is None:
                stages.append({"steps": list(stage.names), **stage.model.report()})
            else:
                stages.append({"steps": list(stage.names), "served_by": "scikit-learn", "reason": stage.reason})
        from quantcore.report.summary import Report

        kept = [name for stage in self.stages if stage.reason is not None for name in stage.names]
        return Report({"stages": stages, "kept": kept})

    def stats(self) -> dict[str, int]:
        """Counters of the compiled stages, summed, and the rows of kept ones (of each) as ``fallback_kept``."""
        total: dict[str, int] = self._fallbacks.stats()
        for stage in self.stages:
            if stage.reason is None:
                for name, value in stage.model.stats().items():
                    total[name] = total.get(name, 0) + value
        return total

    def __reduce__(self) -> tuple[type[PartialModel], tuple[tuple[Stage, ...]]]:
        return type(self), (self.stages,)

    def __repr__(self) -> str:
        parts = (f"{'+'.join(s.names)} ({'compiled' if s.reason is None else 'kept'})" for s in self.stages)
        return f"<quantcore.PartialModel: {' → '.join(parts)}>"


def _longest(pipeline: Any, steps: list[tuple[str, Any]], at: int, convert: Callable[[Any], Model]) -> tuple[Stage, int]:
    """The longest run of steps from a position on that converts, or one step that is kept."""
    reason = ""
    for end in range(len(steps), at, -1):
        part = steps[at][1] if end == at + 1 else type(pipeline)(steps[at:end])
        try:
            model = convert(part)
        except UnsupportedModelError as error:
            reason = "; ".join(str(obstacle) for obstacle in error.obstacles)
            continue
        if end == len(steps) or hasattr(model, "transform"):
            return Stage(tuple(name for name, _ in steps[at:end]), model, None), end
        reason = "what it gives is no matrix"
    name, step = steps[at]
    return Stage((name,), step, reason), at + 1
