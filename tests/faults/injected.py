"""Fails each call of one kind that an operation makes, in turn; run under shim.c by test_injected.py.

Usage: injected.py SHIM OPERATION KIND once|ever MODEL ROWS    (operations: load, save, predict; prints JSON)

After each failure: the exception is a clean one, no file is left open or lying about, the old file is intact, and the operation
then gives what it gave before. The same failures a second time leave no more memory allocated than they did the first time.
"""

from __future__ import annotations

import ctypes
import gc
import json
import os
import sys
import tempfile
import warnings
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np

import quantcore as qc

CLEAN = {"malloc": MemoryError}


def main(shim: str, operation: str, kind: str, mode: str, path: str, rows_path: str) -> None:
    faults = ctypes.PyDLL(shim)  # keeps the GIL: nothing is allocated on the way
    faults.fault_live.restype = faults.fault_disarm.restype = ctypes.c_long
    what, always = kind.encode(), int(mode == "ever")
    rows = json.loads(Path(rows_path).read_text("utf-8"))
    rows = np.array(rows) if not isinstance(rows[0], str) else rows
    model = qc.load(path)
    old = Path(path).read_bytes()
    folder = Path(tempfile.mkdtemp())
    target = folder / "model.qc"
    qc.save(model, target)
    run: Any = {
        "load": lambda: qc.load(target).data,
        "save": lambda: qc.save(model, target),
        "predict": lambda: model.predict(rows).tolist(),
    }[operation]
    for _ in range(3):
        want = run()
    seen: Counter[str] = Counter()

    def failing(n: int) -> bool:
        """Whether the n-th call was there to fail."""
        before = os.listdir("/proc/self/fd")
        error: BaseException | None = None
        found = None
        faults.fault_arm(what, n, always)
        try:
            found = run()
        except BaseException as caught:
            error = caught
        failed = faults.fault_disarm()
        if error is not None:
            assert failed, f"{error!r} though nothing failed"
            seen[type(error).__name__] += 1
            if not isinstance(error, CLEAN.get(kind, OSError)):
                raise AssertionError(f"{operation}, {kind} {n} {mode}: {error!r}") from error
            error.__traceback__ = None
        else:
            seen["answered" if failed else "done"] += 1
            assert found == want
        del error
        assert target.read_bytes() == old and os.listdir(folder) == ["model.qc"], os.listdir(folder)
        assert len(os.listdir("/proc/self/fd")) == len(before)
        return bool(failed)

    def loop() -> int:
        n = 0
        while failing(n):
            n += 1
        return n

    with warnings.catch_warnings():
        warnings.simplefilter("error")
        count = loop()
        assert run() == want
        live = []
        for _ in range(2):
            loop()
            gc.collect()
            live.append(faults.fault_live())
    target.unlink()
    folder.rmdir()
    print(json.dumps({"calls": count, "seen": dict(seen), "grown": live[1] - live[0]}))


if __name__ == "__main__":
    main(*sys.argv[1:])
