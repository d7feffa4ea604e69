"""Model: what a user holds after ``quantize`` or ``load``."""

from __future__ import annotations

import copy
import functools
import re
import unicodedata
import warnings
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from quantcore.artifact import Artifact, decode
from quantcore.artifact.threads import most_threads
from quantcore.errors import ArtifactError, UncertainError
from quantcore.native import registry
from quantcore.plan import METHODS, Op
from quantcore.plan.ops import Exp, Predictions, Several, Text
from quantcore.runtime import Executor, selftest, settle_cold
from quantcore.runtime.certify import LABEL, Property, checked
from quantcore.runtime.fallbacks import Fallbacks
from quantcore.runtime.limits import linear_bound

if TYPE_CHECKING:
    from quantcore.report.summary import Report
    from quantcore.runtime.watch import Watch

__all__ = ["Certified", "Model", "OnUncertain"]

OnUncertain = Literal["answer", "raise"] | Callable[[Any], Any]


class Certified(NamedTuple):
    """Answers, and for each row whether its answer is proved to be the source model's.

    Parameters
    ----------
    labels : ndarray
        What the model's certificates are about. ``certify="label"``: what ``predict`` returns. ``{"threshold": t}``: whether
        ``predict_proba`` is at least t, bool, of shape (n_rows,) for the positive class of two, else (n_rows, n_classes) or
        (n_rows, n_labels). ``{"top_k": k}``: the k classes whose scores, as ``predict`` compares them, are the highest, in
        descending order (equal ones in the order of ``classes_``), shape (n_rows, k).
    certified : ndarray of bool, shape (n_rows,)
        All of the row's answer is proved; of the top k the set of classes, not its order.
    """

    labels: NDArray[Any]
    certified: NDArray[np.bool_]


class _Method:
    """A method that a model has only if its source has it (and no ``__getattr__``, which would slow every access down)."""

    def __set_name__(self, owner: type, name: str) -> None:
        self.name = name

    def __get__(self, model: Model | None, owner: type) -> Any:
        if model is None:
            return self
        outputs = model._artifact.plan.outputs
        if self.name not in outputs:
            raise AttributeError(f"this model has no {self.name!r}; its source has {', '.join(sorted(outputs))}")
        return functools.partial(model._executor.run, self.name)


class Model:
    """A converted model: immutable but for its counters, safe to share between threads, picklable.

    Made by :func:`quantcore.quantize` and :func:`quantcore.load`. It has the methods that its source has: ``predict``,
    ``predict_proba``, ``predict_log_proba``, ``decision_function``, ``transform``, ``apply``, ``score_samples``; each takes what
    the source's takes and raises what scikit-learn raises for bad input. Where the source reads a data frame, a dict of columns,
    one dict of values (a row) and a list of dicts do too: they mean what ``pandas.DataFrame`` makes of them, None being missing.

    Parameters
    ----------
    data : bytes or memoryview
        An artifact.
    on_uncertain : {"answer", "raise"} or callable of rows → labels
        What happens to rows that no plane of the file could settle.
    max_bytes : int or None
        Refuse an artifact that needs more than this, before it is decoded.
    artifact : Artifact or None
        What ``data`` decodes to, where it has just been decoded.
    like : Executor or None
        What serves the same Plan already, whose compiled trees are taken over.
    watch : float
        Share of the calls, from 0 to 1, some of whose rows are looked at again in the background: for the margins and the missing
        values of ``stats()``.

    Raises
    ------
    ArtifactError
        ``data`` is no artifact that can be trusted.
    """

    def __init__(
        self,
        data: bytes | memoryview,
        *,
        on_uncertain: OnUncertain = "answer",
        max_bytes: int | None = None,
        artifact: Artifact | None = None,
        like: Executor | None = None,
        watch: float = 0.0,
    ) -> None:
        if not 0.0 <= watch <= 1.0:
            raise ValueError(f"watch={watch!r}; expected a share of the calls, from 0 to 1")
        if on_uncertain not in ("answer", "raise") and not callable(on_uncertain):
            raise ValueError(f"on_uncertain={on_uncertain!r}; expected 'answer', 'raise' or a callable of rows → labels")
        # What is decoded already is known to be private, or told to be shared.
        self._data = data if artifact is not None or isinstance(data, bytes) else bytes(data)
        self._on_uncertain = on_uncertain
        self._artifact: Artifact = artifact or decode(self._data, max_bytes=max_bytes, codec=registry.door("codec"))
        self._certify = _property(self._artifact)
        if callable(on_uncertain) and self._certify is not LABEL:
            raise ValueError(
                f"on_uncertain={on_uncertain!r} answers with labels, but this model certifies {self._certify.as_json()!r}; "
                "expected 'answer' or 'raise'"
            )
        self._candidates: list[dict[str, Any]] | None = None  # of the conversion that made it, in this process
        artifact_ = self._artifact  # the counters do not keep the Model
        self._fallbacks = Fallbacks(lambda: artifact_.digest)
        self._serve(native=True, like=like)
        expected = self._artifact.extra.get("selftest")
        if expected is not None and not selftest.passes(self._executor, expected):
            self._serve(native=False)
            if not selftest.passes(self._executor, expected):
                raise ArtifactError("invalid", "the artifact's self-test fails here on every path: convert the model again")
            selftest.log_fallback()
            self._fallbacks.lasts("selftest", "the compiled kernels fail this artifact's self-test on this machine")
        self._unicode_rows: int | None = None
        self._heed_unicode()
        self._share, self._watch = watch, None if watch == 0.0 else self._watched(watch)

    def _serve(self, *, native: bool, like: Executor | None = None) -> None:
        self._executor = Executor(self._artifact.plan, native=native, settle=self._settle(), fallbacks=self._fallbacks, like=like)
        # The compiled pass itself, without a Python frame around it.
        compiled, front = self._executor.compiled, self._executor.front
        if front is not None and front.answer is not None:
            self.__dict__["predict"] = front.answer
        elif compiled is not None:
            self.__dict__["predict"] = compiled.predict
        elif "predict" in self._artifact.plan.outputs:
            self.__dict__["predict"] = self._executor.predict
        else:
            self.__dict__.pop("predict", None)
        # What `quantcore.predict` calls: an attribute of the instance alone is found fastest.
        self._answer: Callable[[Any], NDArray[Any]] = self.predict

    def _settle(self) -> Callable[[list[Any], list[int]], Any] | None:
        cold = settle_cold(self._artifact.plan)
        if cold is not None or self._on_uncertain == "answer":
            return cold
        if self._on_uncertain == "raise":

            def refuse(rows: list[Any], positions: list[int]) -> NDArray[Any]:
                raise UncertainError(positions)

            return refuse
        ask = self._on_uncertain
        decision = self._artifact.plan.ops[self._artifact.plan.outputs["predict"]]
        return lambda rows, positions: _checked_answers(ask(rows), len(positions), getattr(decision, "classes", None))

    def _heed_unicode(self) -> None:
        """Warn where texts may be split as another version of Unicode has it, and count those."""
        written, here = self._artifact.extra.get("provenance", {}).get("unicode"), unicodedata.unidata_version
        if written in (None, here) or not any(isinstance(op, Text) for op in self._artifact.plan.ops):
            return
        from quantcore.runtime import unicode  # most models are served where they were made

        pattern = unicode.between(str(written), here)
        counted = pattern is not None and self._artifact.plan.input == "text"
        warnings.warn(
            f"this model was fitted under Unicode {written}, this Python has Unicode {here}: texts with characters that only one "
            "of them knows may be split differently" + ("; stats() counts them as unicode_rows" if counted else ""),
            stacklevel=4,
        )
        if pattern is not None and counted:
            self._count_unicode(pattern)

    def _count_unicode(self, pattern: re.Pattern[str]) -> None:
        from quantcore.runtime.unicode import affected

        self._unicode_rows = 0

        def counting(call: Callable[..., Any]) -> Callable[..., Any]:
            def answer(first: Any, *rest: Any) -> Any:
                *names, X = first, *rest
                if hasattr(X, "__iter__") and not isinstance(X, str):
                    X = X if hasattr(X, "__len__") else list(X)  # an iterator is read twice
                    self._unicode_rows = affected(pattern, X) + (self._unicode_rows or 0)
                return call(*names, X)

            return answer

        self._through(counting)

    def _watched(self, share: float) -> Watch:
        from quantcore.runtime.watch import Watch  # most models do without

        known = self._artifact.extra.get("report", {}).get("baseline")
        found = Watch(self._executor, share, _quantiles(known))
        self._through(found.around)
        return found

    def _through(self, wrap: Callable[[Callable[..., Any]], Callable[..., Any]]) -> None:
        """Have all calls go through something. These objects alone: elsewhere nothing stands in the way of the compiled pass."""
        for name in ("run", "certified_as"):
            self._executor.__dict__[name] = wrap(getattr(self._executor, name))
        if "predict" in self.__dict__:
            self.__dict__["predict"] = self._answer = wrap(self.__dict__["predict"])

    # ---------------------------------------------------------------- predict

    def predict(self, X: Any) -> NDArray[Any]:
        """Labels of rows.

        Parameters
        ----------
        X : as the source's own ``predict`` takes it

        Returns
        -------
        ndarray, shape (n_rows,), or (n_rows, n_labels) for a multi-label source
        """
        found: NDArray[Any] = self._executor.run("predict", X)
        return found

    def predict_certified(self, X: Any) -> Certified:
        """What the certificates are about, and for each row whether it is proved to be the source model's: labels, or what
        ``quantize(certify=...)`` asked for, see :class:`Certified`.

        With cold planes (``guarantee="exact"``) rows that the others leave open are answered by the source's own arithmetic;
        ``False`` then says that the source's own rounding decides.

        Parameters
        ----------
        X : as the source's own ``predict`` takes it
        """
        if isinstance(self._decision(), Predictions):
            raise AttributeError("this model predicts numbers, which have no label to certify: report() states max_bound")
        return Certified(*self._executor.certified_as(self._certify, X))

    def score(self, X: Any, y: Any, sample_weight: Any = None) -> float:
        """Accuracy of a classifier's labels, R² of a regressor's numbers.

        Parameters
        ----------
        X : as the source's own ``predict`` takes it
        y : array-like, shape (n_rows,) or (n_rows, n_outputs)
        sample_weight : array-like, shape (n_rows,), or None

        Raises
        ------
        AttributeError
            The source has no ``predict``, or scores itself by D² (PoissonRegressor and its kin).
        """
        from quantcore.runtime import quality

        predicted, decision = self.predict(X), self._decision()
        if not isinstance(decision, Predictions):
            return quality.accuracy(y, predicted, sample_weight)
        if any(isinstance(self._artifact.plan.ops[i], Exp) for i in decision.inputs):
            raise AttributeError("the source scores itself by D², which is not computed here; predict, and use sklearn.metrics")
        return quality.r_squared(y, predicted, sample_weight)

    def _is_array(self, method: str) -> bool:
        """Parts of such a method's result can be joined."""
        plan = self._artifact.plan
        return method != "transform" and not isinstance(plan.ops[plan.outputs[method]], Several)

    def _decision(self) -> Op | None:
        """The op that gives what predict returns."""
        plan = self._artifact.plan
        return plan.ops[plan.outputs["predict"]] if "predict" in plan.outputs else None

    def run(self, method: str, X: Any, threads: int = 1) -> Any:
        """A method by its name, on several threads where the rows are worth it."""
        if method not in self._artifact.plan.outputs:
            raise AttributeError(f"this model has no {method!r}; its source has {', '.join(sorted(self._artifact.plan.outputs))}")
        call = self.predict if method == "predict" else lambda rows: self._executor.run(method, rows)
        if threads > 1 and self._is_array(method):
            from quantcore.reference import forms  # calls on one thread do without

            known = isinstance(X, list | tuple) or (isinstance(X, np.ndarray) and X.ndim == 2)
            count = forms.n_rows(X) if known or self._artifact.plan.input == "table" else 0
            threads = min(threads, count // 2, most_threads())
            if threads > 1:
                return _in_threads(call, forms.part, X, count, threads)
        return call(X)

    predict_proba = _Method()
    predict_log_proba = _Method()
    decision_function = _Method()
    transform = _Method()
    apply = _Method()
    score_samples = _Method()

    def __dir__(self) -> Sequence[str]:
        return sorted({*super().__dir__()} - {*METHODS} | {*self._artifact.plan.outputs})

    # ------------------------------------------------------------------- about

    @property
    def classes_(self) -> Any:
        """The source's ``classes_``: a copy; a list of arrays where it predicts several labels a row."""
        classes = self._artifact.plan.classes
        if classes is None:
            raise AttributeError("this model has no classes_: its source is no classifier")
        single = [np.array(c, object) if isinstance(c, tuple) else copy.copy(c) for c in _listed(classes)]
        return single if isinstance(classes, list) else single[0]

    @property
    def n_features_in_(self) -> int:
        """Number of columns of a matrix or a table."""
        found = self._artifact.plan.n_features_in
        if found is None:
            raise AttributeError("this model reads texts: it has no n_features_in_")
        return found

    @property
    def feature_names_in_(self) -> NDArray[Any]:
        """Names of the columns, where the source was fitted with names."""
        names = self._artifact.plan.feature_names_in
        if names is None:
            raise AttributeError("the source was fitted without feature names")
        return np.array(names, object)

    @property
    def get_feature_names_out(self) -> Callable[..., NDArray[Any]]:
        """The source's ``get_feature_names_out``: what the columns of ``transform`` are called, an array of str.

        It is there where the source has it; behind vectorizers, whose vocabulary would have to be stored twice, it is not.
        """
        names = self._artifact.plan.feature_names_out
        if names is None:
            raise AttributeError("this model has no get_feature_names_out: names are kept of what transforms numbers or tables")

        def get_feature_names_out(input_features: Any = None) -> NDArray[Any]:
            """Names of the columns of ``transform``.

            Parameters
            ----------
            input_features : None, or the names that the source was fitted on
            """
            given, known = None if input_features is None else list(input_features), self._artifact.plan.feature_names_in
            if given is not None and given != list(given if known is None else known):
                raise ValueError("input_features is not equal to feature_names_in_")
            return np.array(names, object)

        return get_feature_names_out

    @property
    def digest(self) -> str:
        """SHA-256 (hex) of the decoded content, however it is packed."""
        return self._artifact.digest

    @property
    def provenance(self) -> dict[str, Any]:
        """Versions and options that the file was made with."""
        return copy.deepcopy(self._artifact.extra.get("provenance", {}))

    @property
    def data(self) -> bytes:
        """The artifact: what :func:`quantcore.save` writes."""
        return bytes(self._data)

    def report(self) -> Report:
        """What was found when the file was made, and how it is served here.

        Returns
        -------
        Report
            A dict, whose items are attributes too, and that prints as a table:
            ``bytes`` and ``sections`` (stored and decoded bytes of each), what the conversion measured (``guarantee``,
            ``agreement``, ``certified``, ``max_error`` of scores or predicted numbers, ``max_error_proba``: as far as
            calibration rows were given), what is proved (``max_bound`` and ``max_bound_proba``: no value of any of the rows that
            ``bounds_over`` names is farther from the source's, whatever its arithmetic rounds; None: there is no bound), and
            ``served_by``. One linear op over numbers also has ``bound``: each score of any row x is within
            ``a * sum(abs(x) * 2.0**c) + b`` of the source's, with x as ``columns`` says ("input", or "transformed" by the
            model's own transformers). The Model that ``quantize`` returns also has ``candidates``, which are no part of the file:
            each form that was tried with its ``bytes``, the ``agreement`` that is expected, ``flips`` of how many ``rows``,
            whether it was ``kept``, and ``why``.
        """
        from quantcore.report.summary import Report  # serving does without

        sections = {name: {"stored": a, "decoded": b} for name, (a, b) in self._artifact.sizes.items()}
        bound = linear_bound(self._artifact.plan)
        served = "op by op" if self._executor.compiled is None else "fused kernel"
        found = {
            **copy.deepcopy(self._artifact.extra.get("report", {})),
            "certify": self._certify.as_json(),
            **({} if bound is None else {"bound": bound}),
            **({} if self._candidates is None else {"candidates": copy.deepcopy(self._candidates)}),
            "bytes": len(self._data),
            "sections": sections,
            "served_by": served,
            "slower_because": sorted(set(self._executor.reasons.values())),
        }
        return Report(found)

    def stats(self) -> dict[str, int]:
        """Counters since the model was made, each only ever growing.

        Returns
        -------
        dict
            ``rows``, ``fine_rows`` (that the hot plane left to the next one), ``open_rows`` (that no plane settled),
            ``tokens`` and ``unknown_tokens`` (words, or characters, and those that the vocabulary lacks), and rows by the
            reasons of :func:`quantcore.on_fallback`: ``fallback_numpy``, ``fallback_selftest``, ``fallback_op_by_op``,
            ``fallback_open``, ``fallback_cold``, ``fallback_on_uncertain``, ``fallback_kept``. ``unicode_rows``, where this
            Python has another version of Unicode than the one that the source was fitted under: documents that the two may
            split differently. Where ``load(..., watch=share)`` has some rows looked at: ``watched_rows``, and of these
            ``missing_values`` (NaN or None, in columns that the model reads), and how many have a margin (how far the best score
            is from the next) in ranges that held 5, 20, 25, 25, 20 and 5 of 100 calibration rows: ``margin_0_5`` (no clearer
            than the least clear 5 of 100), ``margin_5_25``, ``margin_25_50``, ``margin_50_75``, ``margin_75_95``,
            ``margin_95_100``. ``report()["baseline"]`` holds what the calibration rows gave.
        """
        found = self._executor.stats()
        more = {} if self._unicode_rows is None else {"unicode_rows": self._unicode_rows}
        return {**found, **more, **({} if self._watch is None else self._watch.stats())}

    def __repr__(self) -> str:
        plan = self._artifact.plan
        return f"<quantcore.Model of {plan.source or 'a model'}: {len(self._data)} bytes, {', '.join(sorted(plan.outputs))}>"

    def __reduce__(self) -> tuple[Callable[..., Model], tuple[Any, ...]]:
        return unpickle, (self.data, self._on_uncertain, *(() if self._watch is None else (self._share,)))

    def __copy__(self) -> Model:
        return self

    def __deepcopy__(self, memo: Any) -> Model:
        return self


def _property(artifact: Artifact) -> Property:
    for name in ("provenance", "report"):
        if not isinstance(artifact.extra.get(name, {}), dict):
            raise ArtifactError("invalid", f"the artifact's {name} is no mapping: convert the model again")
    try:
        return checked(artifact.extra.get("certify", "label"), artifact.plan)
    except ValueError as error:
        raise ArtifactError("invalid", str(error)) from None


def _listed(classes: Any) -> list[Any]:
    return classes if isinstance(classes, list) else [classes]


def _in_threads(call: Callable[[Any], Any], cut: Callable[[Any, int, int], Any], X: Any, count: int, threads: int) -> Any:
    from concurrent.futures import ThreadPoolExecutor  # 5 ms that only this needs

    # More parts than threads where rows are many: what Ctrl-C leaves to end by itself is short.
    size = min(-(-count // threads), 1 << 14)

    def part(start: int) -> Any:
        try:
            return call(cut(X, start, start + size))
        except UncertainError as error:
            return UncertainError([start + row for row in error.rows])

    pool = ThreadPoolExecutor(threads)
    try:
        parts = list(pool.map(part, range(0, count, size)))
    except BaseException as error:
        # Signals are heard on the main thread alone, which is here: it does not wait for the parts that run.
        pool.shutdown(wait=isinstance(error, Exception), cancel_futures=True)
        raise
    pool.shutdown()
    uncertain = [row for found in parts if isinstance(found, UncertainError) for row in found.rows]
    if uncertain:
        raise UncertainError(uncertain)
    return np.concatenate(parts)


def _checked_answers(answers: Any, n_rows: int, classes: Any) -> list[Any]:
    """What the caller's ``on_uncertain`` returned: one label for each row, and no other than the model's."""
    found = list(answers)
    strangers = [] if classes is None else [answer for answer in found if answer not in list(classes)]
    if len(found) != n_rows or strangers:
        what = f"{strangers[0]!r}" if strangers else f"{len(found)} labels"
        raise ValueError(f"on_uncertain returned {what}; expected {n_rows} label(s), each one of the model's classes_")
    return found


def _quantiles(baseline: Any) -> list[float] | None:
    """Of the margins of the calibration rows, where a file has them; it may hold anything."""
    found = baseline.get("margins") if isinstance(baseline, dict) else None
    fits = isinstance(found, list) and len(found) == 5 and all(isinstance(value, int | float) for value in found)
    return sorted(float(value) for value in found) if fits else None  # type: ignore[union-attr]


def unpickle(data: bytes, on_uncertain: OnUncertain = "answer", watch: float = 0.0) -> Model:
    """What pickles of Models call: its name and arguments stay as they are, for ever."""
    return Model(data, on_uncertain=on_uncertain, watch=watch)
