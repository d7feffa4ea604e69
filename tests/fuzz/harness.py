"""One mutant: a Model or ArtifactError, then answers or the errors of bad input, in little time and little memory."""

from __future__ import annotations

import re
import signal
import tracemalloc
import warnings
import zlib
from collections import Counter
from typing import Any

import numpy as np
from mutators import MEMORY
from seeds import Seed

from quantcore.artifact import decode
from quantcore.artifact.container import HEADER
from quantcore.errors import ArtifactError
from quantcore.model import Model
from quantcore.native import registry

__all__ = ["Hang", "case", "odd_rows", "with_memory"]

NEEDS = re.compile(r"it needs (\d+) bytes, its header declares")
INPUT_ERRORS = (TypeError, ValueError, OSError)  # what scikit-learn raises for input that it refuses; documents may be files
MIB = 1 << 20


class Hang(BaseException):
    """A case took more than its second: no ``except Exception`` may hide it."""


class AllocationError(Exception):
    """Reading allocated more than DESIGN allows."""


def with_memory(data: bytes, memory: int) -> bytes:
    """The file with another number of bytes that it declares to need."""
    head = bytearray(data[: HEADER.size])
    head[32:40] = memory.to_bytes(8, "little")
    head[60:64] = zlib.crc32(head[:60]).to_bytes(4, "little")
    return bytes(head) + data[HEADER.size :]


def odd_rows() -> list[Any]:
    """Inputs that fit few models or none."""
    return [
        np.full((2, 5), np.nan), np.zeros((3, 1)), np.zeros((0, 5)), [], ["a", 1], [b"\xff\xfe", b"a"], None, "text", [None],
        [[1, 2], [3]], np.full((2, 3), "x", object), [{"a": 1}], {"a": [1.0]}, np.full((1, 5), 1e308),
        ["\ud800\udfff\0" * 9], [["a", "b"]], 3.5,
    ]  # fmt: skip


ODD = odd_rows()


def case(data: bytes, seed: Seed, number: int, seen: Counter[str], *, measured: bool = False) -> None:
    """Read a mutant and ask it for answers.

    Parameters
    ----------
    data : bytes
        The mutant.
    seed : Seed
        What it was made of; its rows fit unless the change says otherwise.
    number : int
        Of the case: chooses which checks it gets, so that a case can be tried again.
    seen : Counter
        What became of the cases.
    measured : bool
        Whether to measure what reading allocates.

    Raises
    ------
    Exception
        Anything is a finding.
    """
    try:
        artifact = _read(data, measured)
    except ArtifactError as error:
        found = NEEDS.search(str(error)) if data[32:40] == MEMORY.to_bytes(8, "little") else None
        if found is None:
            seen[error.reason] += 1
            if number % 16 == 0:
                _same_error(data, error)
            return
        data = with_memory(data, int(found[1]))  # nothing but the declared memory was wrong
        try:
            artifact = _read(data, measured)
        except ArtifactError as error:
            seen[f"{error.reason}, memory right"] += 1
            if number % 16 == 0:
                _same_error(data, error)
            return
    again = number % 16 == 0
    if again and decode(data).digest != artifact.digest:
        raise AssertionError("the compiled reader and the definitions read different content")
    try:
        model = Model(data) if again else Model(data, artifact=artifact)  # read once is enough, mostly
    except ArtifactError:
        seen["self-test or options"] += 1
        return
    seen["model"] += 1
    fitting = seed.rows[number % len(seed.rows)]
    for rows in (fitting, ODD[number // 2 % len(ODD)]) if number % 2 else (fitting,):
        for method in model._artifact.plan.outputs:
            _asked(getattr(model, method), rows, seen)
        if "predict" in model._artifact.plan.outputs and number % 4 == 0:
            _asked(model.predict_certified, rows, seen)


def _asked(call: Any, rows: Any, seen: Counter[str]) -> None:
    try:
        call(rows)
        seen["answered"] += 1
    except INPUT_ERRORS as error:
        seen["input refused"] += 1
        seen[f"| {type(error).__name__}: {re.sub('[0-9]+', 'N', str(error))[:60]}"] += 1
    except AttributeError as error:  # scikit-learn's for what is no document
        if not re.search("predicts numbers|expected (documents|records)|no attribute 'read'", str(error)):
            raise
        seen["input refused"] += 1


def _read(data: bytes, measured: bool) -> Any:
    codec = registry.door("codec")
    if not measured:
        return decode(data, codec=codec, max_bytes=1 << 26)
    declared = int.from_bytes(data[32:40], "little") if len(data) >= HEADER.size else 0
    tracemalloc.start()
    try:
        return decode(data, codec=codec, max_bytes=1 << 26)
    finally:
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        if declared <= 1 << 26 and peak > 2 * (len(data) + declared) + MIB:
            raise AllocationError(f"{peak} bytes were allocated; the file has {len(data)} and declares {declared}")


def _same_error(data: bytes, known: ArtifactError) -> None:
    """The definitions refuse the file for the same reason."""
    try:
        decode(data, max_bytes=1 << 26)
    except ArtifactError as error:
        if str(error) == str(known):
            return
        raise AssertionError(f"compiled: {known}; the definitions: {error}") from None
    raise AssertionError(f"the definitions read what the compiled reader refuses: {known}")


def limit_time(seconds: float) -> None:
    """Raise Hang after so many seconds of the processor; 0: no longer."""
    signal.setitimer(signal.ITIMER_PROF, seconds)


def prepare() -> None:
    """Settings of the process: once."""

    def stop(*_: Any) -> None:
        raise Hang("a case took more than its time")

    signal.signal(signal.SIGPROF, stop)
    warnings.simplefilter("ignore")
    np.seterr(all="ignore")
