"""The golden files' rows, and the same in the other forms that callers have them in."""

import importlib.util
import json
import os
import sys
from pathlib import Path

import numpy as np
from scipy.sparse import csr_matrix

import quantcore as qc

sys.path.append(str(Path(__file__).parents[1] / "artifact"))
from test_golden import GOLDEN, NAMES, restored  # noqa: E402

__all__ = ["GOLDEN", "NAMES", "answer", "forms"]


def forms(name):
    """The rows of a golden file, and as other doors, or none, read them."""
    rows = restored(json.loads((GOLDEN / f"{name}.json").read_text("utf-8"))["rows"])
    found = [rows]
    if isinstance(rows, np.ndarray) and rows.dtype != object:
        found += [rows[:1], rows.tolist(), np.asfortranarray(rows), rows.astype(np.float32)]
        if not np.isnan(rows).any():
            found.append(csr_matrix(rows))
    elif isinstance(rows, dict):
        found += tables({column: rows[column] for column in qc.load(GOLDEN / f"{name}.qc").feature_names_in_})
    else:
        found += [rows[:1], tuple(rows)]
    return found


def tables(columns):
    """A dict of columns as rows, an array, and frames, as far as those libraries are there."""
    rows = list(zip(*columns.values(), strict=True))
    records = [dict(zip(columns, row, strict=True)) for row in rows]
    array = np.empty((len(rows), len(columns)), object)
    array[:] = rows
    found = [records, tuple(records), records[0], array]
    if importlib.util.find_spec("pandas"):
        import pandas

        frame = pandas.DataFrame(columns)
        found += [frame, frame[:1], frame.astype(object)]
    if importlib.util.find_spec("pyarrow"):
        import pyarrow

        found.append(pyarrow.table({name: pyarrow.array(values, from_pandas=True) for name, values in columns.items()}))
    if importlib.util.find_spec("polars") and "TSAN_OPTIONS" not in os.environ:  # under ThreadSanitizer polars itself crashes
        import polars

        found.append(polars.DataFrame(columns, strict=False))
    return found


def answer(call, rows):
    """What is answered, or refused, in a form that can be compared; bits of floats are."""
    try:
        found = call(rows)
    except (TypeError, ValueError) as error:
        return type(error), str(error)
    if hasattr(found, "certified"):
        return tuple(answer(lambda part: part, part) for part in found)
    if not isinstance(found, np.ndarray):
        return repr(found)
    return found.dtype, found.shape, found.tobytes() if found.dtype.kind == "f" else found.tolist()
