"""Random models over random tables (:mod:`generated`): labels, probabilities, scores, transformed values and types of exceptions
are scikit-learn's, from every form of a table, and the reference's own are those of the compiled reader.

``QUANTCORE_TABLES=5000 QUANTCORE_TABLES_FROM=0 pytest tests/tables -m slow`` asks more models; ``python
tests/tables/test_generated.py FIRST LAST`` prints what is wrong without stopping at it.
"""

from __future__ import annotations

import os
import sys
import warnings
from collections import Counter
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest

import quantcore as qc

pd = pytest.importorskip("pandas", reason="the oracle reads data frames of pandas")

from generated import Generator  # noqa: E402 - needs pandas

SCORES = ("predict_proba", "decision_function", "predict_log_proba")


def outcome(call: Callable[[Any], Any], rows: Any) -> Any:
    try:
        return call(rows)
    except Exception as error:
        return error


def forms(generator: Generator, frame: Any, odd: bool) -> Iterator[tuple[str, Any, Any]]:
    """Name, the form of a table, and what scikit-learn is asked about in its place."""
    yield "frame", frame, frame
    shuffled = frame[list(generator.random.permutation(frame.columns))].assign(extra=1)
    yield "shuffled", shuffled, shuffled
    if generator.chance(0.5):
        import polars

        # Numbers side by side are one array of polars, in which integers beyond 2^53 are rounded: columns are told apart here.
        plain = frame.astype(object).where(frame.notna(), None).assign(huge=5)
        other = outcome(lambda f: polars.DataFrame({c: f[c].tolist() for c in f}, strict=True), plain)
        if not isinstance(other, Exception):
            yield "polars", other, other
            arrow = outcome(lambda f: f.to_arrow(), other)
            if not isinstance(arrow, Exception) and generator.chance(0.5):
                yield "arrow", arrow, other
    if not odd:
        # What JSON holds: None is what is missing, and all floats are wide.
        plain = frame.astype(object).where(frame.notna(), None)
        wide = frame.astype({"single": float, "small": int})
        yield "records", plain.to_dict("records"), wide
        yield "dict", {c: plain[c].tolist() for c in plain}, wide
        yield "row", plain.to_dict("records")[0], wide[:1]
    objects = frame.astype(object)
    yield "objects", objects.to_numpy(), objects
    yield "frame of objects", objects, objects
    yield "one row", frame[3:4], frame[3:4]


def difference(found: Any, expected: Any, atol: float) -> str | None:
    """How a result differs, or None."""
    if hasattr(expected, "toarray"):
        if not hasattr(found, "toarray"):
            return f"a {type(found).__name__} in place of a sparse matrix"
        found, expected = found.toarray(), expected.toarray()
    elif hasattr(found, "toarray"):
        return "sparse in place of dense"
    found, expected = np.asarray(found), np.asarray(expected)
    if found.shape != expected.shape:
        return f"shape {found.shape}, expected {expected.shape}"
    try:
        expected = expected.astype(float)
    except (TypeError, ValueError):
        return None if found.dtype == object else "objects expected"
    if not np.array_equal(np.isnan(found), np.isnan(expected)):
        return "NaN elsewhere"
    with np.errstate(all="ignore"):
        away = np.abs(found.astype(float) - expected)
    away[found == expected] = 0.0
    away = np.nan_to_num(away - atol - 1e-9 * np.abs(np.nan_to_num(expected)), nan=0.0, posinf=np.inf)
    return f"off by {away.max()} more than {atol}" if (away > 0.0).any() else None


def wrong(seed: int, count: Counter[str] | None = None, only: str | None = None) -> Iterator[str]:
    """What is not as the source has it."""
    count = Counter() if count is None else count
    generator = Generator(seed)
    target, source, frame, y = generator.model()
    failed = outcome(lambda X: source.fit(X, y), frame)
    if isinstance(failed, Exception):
        count["unfitted"] += 1
        return
    served = outcome(qc.quantize, source)
    if isinstance(served, Exception):
        count["refused"] += 1
        count[f"refused: {str(served).splitlines()[-1][:90]}"] += 1
        if not isinstance(served, qc.UnsupportedModelError):
            yield f"{seed}: conversion: {type(served).__name__}: {served}"
        return
    count["models"] += 1
    served = qc.Model(served.data)
    native = served._executor
    plain = type(native)(native.plan if native.front is None else served._artifact.plan, native=False)
    for odd in (False, True, True):
        rows = generator.frame(24)
        rows = generator.odd(rows) if odd else rows
        rows.index = rows.index[::-1]
        for name, form, same in forms(generator, rows, odd):
            if only not in (None, name):
                continue
            for problem in compare(source, served, plain, target, form, same, count, name):
                yield f"{seed} {'odd' if odd else 'plain'} {name}: {problem}"


def compare(
    source: Any, served: Any, plain: Any, target: str, form: Any, same: Any, count: Counter[str], name: str
) -> Iterator[str]:
    methods = [m for m in ("predict", *SCORES, "transform") if hasattr(source, m) and hasattr(served, m)]
    for method in methods:
        count["answers"] += 1
        expected = outcome(getattr(source, method), same)
        found = outcome(getattr(served, method), form)
        other = outcome(lambda X, m=method: plain.run(m, X), form)
        if isinstance(expected, Exception) or isinstance(found, Exception):
            if lenient(expected, found, name):
                count["lenient"] += 1
            elif type(found) is not type(expected):
                yield f"{method}: {_brief(found)}, expected {_brief(expected)}"
            elif type(other) is not type(expected):
                yield f"{method}, reference: {_brief(other)}, expected {_brief(expected)}"
            else:
                count["exceptions"] += 1
            continue
        if isinstance(other, Exception):
            yield f"{method}, reference: {_brief(other)}"
            continue
        if method == "predict" and target != "number":
            labels, certified = served.predict_certified(form)
            count["rows"] += len(labels)
            count["certified"] += int(certified.sum())
            if (labels[certified] != expected[certified]).any():
                yield f"a certified label is wrong: {labels[certified]}, expected {expected[certified]}"
            if not np.array_equal(labels, found):
                yield "labels of predict and predict_certified differ"
            sure = plain.certified(form)
            if (sure[0][sure[1]] != expected[sure[1]]).any():
                yield "a certified label of the reference is wrong"
            continue
        bound = served._executor.bound(method, form) or 0.0
        count["unbounded"] += not np.isfinite(bound)
        for title, values in (("", found), (", reference", other)):
            problem = difference(values, expected, bound if np.isfinite(bound) else np.inf)
            if problem:
                yield f"{method}{title}: {problem}"
        if method == "transform" and len(methods) == 1 and difference(found, other, 0.0):
            yield "transform: compiled and reference differ"


def lenient(expected: Any, found: Any, form: str) -> bool:
    """What is answered, or refused by another type of error, on purpose where scikit-learn stumbles: pandas.NA beside objects in
    one array, functions of objects that are numbers, and arrays that polars makes of numbers and strings."""
    text = str(expected)
    if not isinstance(expected, TypeError | ValueError):
        return False
    if "NA is ambiguous" in text or "'NAType'" in text or ("'NAType'" in str(found) and "could not convert" in text):
        return True
    if not isinstance(found, Exception) and ("loop of ufunc does not support" in text or "no callable" in text):
        return True
    return form in ("polars", "arrow") and "'isnan' not supported" in text


def _brief(found: Any) -> str:
    return f"{type(found).__name__}: {str(found)[:150]}" if isinstance(found, Exception) else "an answer"


@pytest.fixture(autouse=True)
def quiet() -> Iterator[None]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


@pytest.mark.parametrize("first", range(0, 24, 8))
def test_random_models_over_random_tables(first):
    assert not [problem for seed in range(first, first + 8) for problem in wrong(seed)]


@pytest.mark.slow
def test_many_random_models_over_random_tables():
    first = int(os.environ.get("QUANTCORE_TABLES_FROM", "1000"))
    count: Counter[str] = Counter()
    seeds = range(first, first + int(os.environ.get("QUANTCORE_TABLES", "100")))
    assert not [problem for seed in seeds for problem in wrong(seed, count)]
    assert count["models"] > len(seeds) // 3
    assert count["certified"] > 0.9 * count["rows"]


if __name__ == "__main__":
    warnings.simplefilter("ignore")
    total: Counter[str] = Counter()
    problems = 0
    for number in range(int(sys.argv[1]), int(sys.argv[2])):
        for text in wrong(number, total):
            problems += 1
            print(text, flush=True)
        if number % 100 == 99 or number == int(sys.argv[2]) - 1:
            print(f"up to {number}: {problems} wrong,", dict(total), flush=True)
