"""The public functions."""

from __future__ import annotations

import os
import platform
import sys
import threading
import unicodedata
from collections.abc import Callable, Mapping
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from quantcore._version import __version__
from quantcore.artifact import decode, encoded, mapped, read, write
from quantcore.errors import UnsupportedModelError
from quantcore.model import Model, OnUncertain
from quantcore.native import registry
from quantcore.plan import Plan
from quantcore.plan.ops import Predictions
from quantcore.runtime import Executor, selftest, settle_cold
from quantcore.runtime.certify import LABEL, Property, checked

__all__ = ["load", "predict", "quantize", "reload", "save", "show_config"]

Path = str | os.PathLike[str]
Progress = bool | Callable[[str, int, int], None] | None

_STAGES = ("import", "quantize", "encode", "measure")
_MEASURED_ROWS = 20_000
# What the report says about each method's values: max_error, max_bound, and the same of probabilities.
_ERRORS = {"decision_function": "", "predict_proba": "_proba"}

_cache: dict[str, Model] = {}
_cache_lock = threading.Lock()


def quantize(
    estimator: Any,
    calibration: Any = None,
    *,
    precision: Literal["auto", "float32", "float16", "int16", "int8", "int4"] = "auto",
    prune: Literal["auto"] | float | None = "auto",
    guarantee: Literal["exact", "certified", "measured"] = "certified",
    certify: Literal["label"] | Mapping[str, float] = "label",
    min_agreement: float | None = None,
    objective: Literal["balanced", "size", "latency", "throughput"] = "balanced",
    max_bytes: int | None = None,
    max_latency: float | None = None,
    unsupported: Literal["error", "keep"] = "error",
    metadata: Mapping[str, Any] | None = None,
    seed: int = 0,
    progress: Progress = None,
    trust_pickle: bool = False,
    allow_version_mismatch: bool = False,
) -> Any:
    """Convert a fitted model.

    Parameters
    ----------
    estimator : estimator or path
        Fitted: a classifier, a Pipeline from raw text to label, a search object, a meta-estimator; a model of XGBoost or
        LightGBM, or the path of a file that one of them saved; the path of a pickle, with ``trust_pickle``.
    calibration : rows as ``predict`` takes them, or None
        Tunes how fine the weights have to be, and measures the result; without them rows are drawn from what the model
        itself knows.
    precision : {"auto", "float32", "float16", "int16", "int8", "int4"}
        Least number of bits of the largest weight (24, 12, 16, 8, 4); "auto" takes what the guarantee asks for.
    prune : "auto", None or float
        With "measured" and calibration rows, the share of the terms of a vocabulary, or of the columns of a table, that is
        dropped: those that move the scores least; the weights of other columns are fitted again to the source's scores.
        "auto": of terms as many as pays. Certified labels leave nothing to drop.
    guarantee : {"exact", "certified", "measured"}
        "exact": the file also holds the source's own weights, which settle every row. "certified": each row carries a proof
        that its label is the source's; the few that can't be proved get the best answer, and are counted. "measured":
        agreement is measured, not proved; the smallest file. With calibration rows terms of a vocabulary are dropped, weights of
        a linear model and leaves of a tree ensemble rounded, as far as labels agree (see ``min_agreement``).
    certify : "label", {"threshold": float} or {"top_k": int}
        What a certificate is about: what ``predict`` returns; whether ``predict_proba`` is at least the threshold (of the
        positive class where there are two, else of each); or the set of the k classes with the highest scores. The grid is made
        fine enough for it, and ``predict_certified`` answers it.
    min_agreement : float or None
        With "measured" alone: share of rows whose label must not change (0.999 if None).
    objective : {"balanced", "size", "latency", "throughput"}
        What to choose among forms that agree often enough: the least product of bytes and time, the fewest bytes, the least time
        of a row. Time is of a cost model, not of this machine, so that the same model gives the same file.
    max_bytes : int or None
        Largest artifact; ValueError if the model needs more.
    max_latency : float or None
        Most seconds a row, by the cost model; ValueError, which names the closest form, if none is as fast. Of single linear
        models over texts or numbers.
    unsupported : {"error", "keep"}
        What happens to steps of a pipeline that can't be converted: UnsupportedModelError; or they stay scikit-learn's, and a
        :class:`~quantcore.partial.PartialModel` serves the whole, which can't be saved as an artifact. ``calibration`` then tunes
        what reads the caller's rows, and ``max_bytes`` holds for each compiled part.
    metadata : mapping or None
        JSON values to keep in ``provenance["metadata"]``.
    seed : int
        Of the rows that are drawn.
    progress : None, True or callable of (stage, done, total)
        Stages of the conversion, and within the second one "search", how far the search among forms has come. What it raises
        (KeyboardInterrupt too) ends the conversion, which has written nothing.
    trust_pickle : bool
        Load a path that holds a pickle (of ``joblib.dump``, say), **which runs whatever code is in it**. The versions of
        scikit-learn that it was pickled with are read before, without running anything, and kept in
        ``provenance["pickled_with"]``.
    allow_version_mismatch : bool
        Take a pickle of another scikit-learn than the one that is installed. It may misread it without an error.

    Returns
    -------
    Model
        Or a PartialModel, where ``unsupported="keep"`` and not all can be converted.

    Raises
    ------
    UnsupportedModelError
        Lists all that stands in the way: a pickle without ``trust_pickle``, or of another scikit-learn, among it.
    sklearn.exceptions.NotFittedError
        The estimator is not fitted.
    ValueError
        An option has an unknown value, or a limit can't be met.
    """
    from quantcore.importers import convert
    from quantcore.passes import BITS, OBJECTIVES, Options, search

    _check("precision", precision, BITS)
    _check("guarantee", guarantee, ("exact", "certified", "measured"))
    share = 0.0 if prune in ("auto", None) else _share(prune, guarantee)
    _check("unsupported", unsupported, ("error", "keep"))
    _check("objective", objective, OBJECTIVES)
    pickled_with: tuple[str, ...] = ()
    if trust_pickle:
        estimator, pickled_with = _unpickled(estimator, allow_version_mismatch)
    if unsupported == "keep":
        options: dict[str, Any] = {"precision": precision, "prune": prune, "guarantee": guarantee, "certify": certify}
        options.update(min_agreement=min_agreement, max_bytes=max_bytes, metadata=metadata, seed=seed, progress=progress)
        options.update(objective=objective, max_latency=max_latency)
        return _whole_or_partial(estimator, _kept(calibration), options)
    if min_agreement is not None and (guarantee != "measured" or not 0.0 < min_agreement <= 1.0):
        raise ValueError(
            f"min_agreement={min_agreement!r} goes with guarantee='measured' alone, as a share in (0, 1]; "
            f"got guarantee={guarantee!r}"
        )
    if max_latency is not None and not max_latency > 0.0:
        raise ValueError(f"max_latency={max_latency!r}: expected seconds a row, above 0")
    tell = _teller(progress)
    tell(0)
    rows = _kept(calibration)
    source = convert(estimator)
    wanted = checked(certify, source)
    tell(1)
    how = Options(guarantee, precision, min_agreement, seed, wanted, share, objective, max_bytes, max_latency)
    found = search(source, how, rows, _searching(progress))
    plan = found.plan
    tell(2)
    executor = Executor(plan, settle=settle_cold(plan))
    extra: dict[str, Any] = {"provenance": _provenance(estimator, source.source, guarantee, precision, metadata)}
    if pickled_with:
        extra["provenance"]["pickled_with"] = {"scikit-learn": ", ".join(pickled_with)}
    if wanted is not LABEL:
        extra["certify"] = wanted.as_json()
    known = selftest.expected(executor)
    if known is not None:
        extra["selftest"] = known
    tell(3)
    extra["report"] = {"guarantee": guarantee, "calibrated": rows is not None, **_measured(estimator, executor, rows, wanted)}
    extra["report"].update(_bounded(executor, source, rows, seed))
    if rows is not None:
        from quantcore.runtime.baseline import baseline

        seen = baseline(executor, _first(rows))
        extra["report"].update({"baseline": seen} if seen else {})
    data, artifact = encoded(plan, extra, codec=registry.door("codec"))
    if max_bytes is not None and len(data) > max_bytes:
        raise ValueError(
            f"the smallest form that keeps guarantee={guarantee!r} takes {len(data)} bytes, more than max_bytes={max_bytes} "
            f"({next(one['form'] for one in found.candidates if one['kept'])}); raise the limit, or try guarantee='measured'"
        )
    tell(4)
    model = Model(data, artifact=artifact, like=executor)  # digests say that both Plans are equal
    model._candidates = [{**one, "bytes": len(data)} if one["kept"] else one for one in found.candidates]
    return model


def _whole_or_partial(estimator: Any, calibration: Any, options: dict[str, Any]) -> Any:
    """All of a model, or the parts of a pipeline that can be converted."""
    try:
        return quantize(estimator, calibration, **options)
    except UnsupportedModelError:
        from quantcore.partial import PartialModel

        # What comes first reads the caller's rows; a certificate of another property than the label needs the whole model.
        first = getattr(estimator, "steps", [(None, None)])[0][1]

        def convert(part: Any) -> Model:
            own = part is first or getattr(part, "steps", [(None, None)])[0][1] is first
            found: Model = quantize(part, calibration if own else None, **options)
            return found

        return PartialModel.of(estimator, convert)


def predict(model: Model | Path, X: Any, *, method: str = "predict", threads: int = 1) -> Any:
    """Predict with a Model, or with the artifact at a path, which is loaded once a process.

    Parameters
    ----------
    model : Model or path
    X : rows as the source's method takes them
    method : str
        "predict", "predict_proba", "predict_log_proba" or "decision_function".
    threads : int
        Lists of documents, arrays of rows and tables are split among so many threads.
    """
    if not isinstance(model, Model):
        model = _cached(model)
    if method == "predict" and threads == 1:
        return model._answer(X)
    return model.run(method, X, threads)


def save(model: Model, path: Path) -> None:
    """Write a Model's artifact: atomically (a crash leaves the old file or the new one) and durably.

    Parameters
    ----------
    model : Model
    path : path-like
    """
    write(path, model.data)


def load(
    path: Path,
    *,
    mmap: bool = False,
    expected_sha256: str | None = None,
    max_bytes: int | None = None,
    on_uncertain: OnUncertain = "answer",
    watch: float = 0.0,
) -> Model:
    """Read an artifact, check all of it, and make it ready to predict.

    Parameters
    ----------
    path : path-like
    mmap : bool
        Map the file instead of reading it: raw sections of floats (large weights that no coding makes smaller) are then pages
        that all processes share which map the file; all else is private. Whoever rewrites the file in place, instead of putting
        another there as :func:`save` does, changes such weights or, by cutting it, ends the process: see SECURITY.md.
    expected_sha256 : str or None
        Refuse a file with another SHA-256 (hex).
    max_bytes : int or None
        Refuse a file that is larger, or decodes to more.
    on_uncertain : {"answer", "raise"} or callable of rows → labels
        What happens to rows that no plane of the file settles. A callable gets them as they came: of a data frame, of a dict of
        columns or of a list the rows in question.
    watch : float
        Share of the calls, from 0 to 1, some of whose rows (64 at most) are looked at again in the background: ``stats()`` then
        counts missing values and margins, as :meth:`Model.stats` says. 0: no call takes any longer.

    Raises
    ------
    ArtifactError
        ``.reason`` is "truncated", "checksum", "version" or "invalid".
    OSError
        The file can't be read.
    """
    try:
        if mmap:
            with mapped(path, expected_sha256=expected_sha256, max_bytes=max_bytes) as data:
                return _loaded(data, "shared", max_bytes, on_uncertain, watch)
        data = read(path, expected_sha256=expected_sha256, max_bytes=max_bytes)
        return _loaded(data, "private", max_bytes, on_uncertain, watch)
    except SystemError as error:
        # NumPy's iterators return without an exception where malloc fails.
        if "without" in str(error) and "exception" in str(error):
            raise MemoryError from error
        raise


def _loaded(
    data: bytes | memoryview,
    memory: Literal["private", "shared"],
    max_bytes: int | None,
    on_uncertain: OnUncertain,
    watch: float,
) -> Model:
    artifact = decode(data, max_bytes=max_bytes, codec=registry.door("codec"), memory=memory)
    return Model(data, on_uncertain=on_uncertain, artifact=artifact, watch=watch)


def reload(path: Path) -> Model:
    """Load the artifact at a path again and let :func:`predict` use it from now on; on failure the old one stays.

    Parameters
    ----------
    path : path-like

    Returns
    -------
    Model
        The new one.
    """
    fresh = load(path)
    name = os.fspath(path)
    with _cache_lock:
        _cache[os.path.abspath(name)] = fresh
        if os.path.isabs(name):  # as in _cached
            _cache[name] = fresh
    return fresh


def show_config() -> dict[str, Any]:
    """Version, CPU features, and which kernels serve each family, and why."""
    return registry.describe()


def _cached(path: Path) -> Model:
    name = os.fspath(path)
    found = _cache.get(name)
    if found is None:
        whole = os.path.abspath(name)
        with _cache_lock:
            found = _cache.get(whole)
            if found is None:
                found = _cache[whole] = load(whole)
            if os.path.isabs(name):  # a relative path means another file after chdir
                _cache[name] = found
    return found


def _check(name: str, value: Any, known: Any) -> None:
    if value not in known:
        raise ValueError(f"{name}={value!r} is not known in this release; expected one of: {', '.join(map(repr, known))}")


def _unpickled(given: Any, allow_version_mismatch: bool) -> tuple[Any, tuple[str, ...]]:
    """The estimator in a pickle, also one that has been read, and what it was pickled with; all else stays as it is."""
    from quantcore.importers.pickles import Unpickled, is_pickle, load_pickle

    if isinstance(given, (str, os.PathLike)) and is_pickle(given):
        return load_pickle(given, allow_version_mismatch=allow_version_mismatch)
    return given if isinstance(given, Unpickled) else (given, ())


def _share(prune: Any, guarantee: str) -> float:
    number = isinstance(prune, int | float) and not isinstance(prune, bool)
    if not number or not 0.0 < prune < 1.0 or guarantee != "measured":
        raise ValueError(
            f"prune={prune!r} with guarantee={guarantee!r}: expected 'auto', None, or with guarantee='measured' a share in (0, 1)"
        )
    return float(prune)


def _kept(rows: Any) -> Any:
    """Calibration rows are read more than once, and in parts."""
    if hasattr(rows, "tocsr"):
        return rows.tocsr()
    return list(rows) if rows is not None and not hasattr(rows, "__len__") else rows


def _teller(progress: Progress) -> Callable[[int], None]:
    if callable(progress):
        return lambda done: progress(_STAGES[min(done, len(_STAGES) - 1)], done, len(_STAGES))
    if progress:
        return lambda done: print(f"quantcore: {_STAGES[done]} ..." if done < len(_STAGES) else "quantcore: done", flush=True)
    return lambda done: None


def _searching(progress: Progress) -> Callable[[int, int], None] | None:
    return (lambda done, total: progress("search", done, total)) if callable(progress) else None


def _provenance(
    estimator: Any, source: str, guarantee: str, precision: str, metadata: Mapping[str, Any] | None
) -> dict[str, Any]:
    found: dict[str, Any] = {
        "quantcore": __version__,
        "numpy": np.__version__,
        "python": platform.python_version(),
        "unicode": unicodedata.unidata_version,
        "estimator": source,
        "precision": precision,
    }
    # A file of another library is read without any of these.
    top = type(estimator).__module__.partition(".")[0]
    for name, module in (("scikit-learn", "sklearn"), *([(top, top)] if top != "sklearn" else [])):
        version = getattr(sys.modules.get(module), "__version__", None)
        if version is not None:
            found[name] = version
    if metadata:
        found["metadata"] = dict(metadata)
    return found


def _measured(estimator: Any, executor: Executor, rows: Any, wanted: Property) -> dict[str, Any]:
    """Agreement with the source on the calibration rows, and how many of them are certified."""
    if rows is None or "predict" not in executor.plan.outputs or not hasattr(estimator, "predict"):
        return {}
    rows = _first(rows)
    rows = _as_source_reads(rows) if executor.plan.input == "table" else rows
    if rows is None:
        return {}
    if isinstance(executor.plan.ops[executor.plan.outputs["predict"]], Predictions):
        error = np.abs(executor.run("predict", rows) - estimator.predict(rows))
        return {"rows": len(error), "max_error": _shown(error.max(initial=0.0))}
    labels, sure = executor.certified(rows)
    estimator, theirs = _last_step(estimator, rows)
    equal = np.asarray(labels == estimator.predict(theirs))
    same: NDArray[np.bool_] = np.asarray(equal.reshape(len(labels), -1).all(axis=1))
    if wanted is not LABEL:
        sure = executor.certified_as(wanted, rows)[1]
    found: dict[str, Any] = {"rows": len(same), "agreement": float(same.mean()), "certified": float(sure.mean())}
    for method, name in _ERRORS.items():
        if method in executor.plan.outputs:
            ours, own = executor.run(method, rows), getattr(estimator, method)(theirs)
            parts = zip(ours, own, strict=True) if isinstance(ours, list) else [(ours, own)]
            found[f"max_error{name}"] = _shown(max(np.abs(a - b).max(initial=0.0) for a, b in parts))
    return found


def _first(rows: Any) -> Any:
    from quantcore.reference import forms  # conversion alone looks at parts of rows

    return rows[:_MEASURED_ROWS] if hasattr(rows, "tocsr") else forms.head(rows, _MEASURED_ROWS)


def _as_source_reads(rows: Any) -> Any:
    """Rows as estimators take them: of dicts a data frame, by what the source was fitted with. None where that isn't loaded."""
    from quantcore.reference import forms

    if not forms.is_records(rows):
        return rows
    module = sys.modules.get("pandas") or sys.modules.get("polars")
    if module is None:
        return None
    one_row = isinstance(rows, Mapping) and not any(map(forms.is_column, rows.values()))
    return module.DataFrame([rows] if one_row else rows)


def _last_step(estimator: Any, rows: Any) -> tuple[Any, Any]:
    """What predicts in scikit-learn's Pipeline, and what it reads of the rows: each of its methods would transform them again."""
    if f"{type(estimator).__module__}.{type(estimator).__name__}" != "sklearn.pipeline.Pipeline" or len(estimator.steps) < 2:
        return estimator, rows
    return estimator.steps[-1][1], estimator[:-1].transform(rows)


def _bounded(executor: Executor, source: Plan, rows: Any, seed: int) -> dict[str, Any]:
    """What is proved about the error of scores and probabilities, the source's own rounding included, over the calibration rows
    or over drawn ones."""
    if "predict" not in executor.plan.outputs:
        return {}
    from quantcore.passes import drawn_rows

    found: dict[str, Any] = {"bounds_over": "drawn rows" if rows is None else "calibration rows"}
    some = drawn_rows(source, seed) if rows is None else _first(rows)
    if some is None:
        return {}
    for method, name in {"predict": "", **_ERRORS}.items():
        try:
            bound = executor.bound(method, some, checked=rows is None)  # drawn documents are contents, not names of files
        except (ValueError, TypeError):
            if rows is not None:
                raise
            continue  # as in passes.convert
        if bound is not None:
            found[f"max_bound{name}"] = _shown(bound)
    return found


def _shown(value: float) -> float | None:
    """Three digits, rounded up; None for what is infinite or no number."""
    value = float(value)  # of float32 itself the largest number would overflow
    digits = float(f"{value:.3g}")
    digits = digits if digits >= value else float(f"{value * 1.005:.3g}")
    return digits if np.isfinite(digits) else None
