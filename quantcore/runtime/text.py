"""Compiled text models: which parts of a Plan they can serve, and their tables."""

from __future__ import annotations

import unicodedata
from collections.abc import Callable
from types import ModuleType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from quantcore.plan.ops import ArgMax, Op, PlanarLinear, Text, Threshold
from quantcore.plan.patterns import is_spaceless, run_pattern
from quantcore.reference import inputs
from quantcore.reference.text import analyzer, decode
from quantcore.runtime.chars import char_table, is_word

__all__ = ["COLLIDE", "build", "class_array", "obstacle"]

_ANALYZERS = {"word": 0, "char": 1, "char_wb": 2}
_NORMS = {None: 0, "l1": 1, "l2": 2, "max": 3}
_LANES = 16
_MOST_ROWS = 1 << 24
_MOST_LEVELS = 60
_MOST_HASHED = 1 << 24
_UNIT = {"float64": 2.0**-53, "float32": 2.0**-24}
_NO_TERM, _NO_COLUMN, _COUNTED = 0, 0xFFFFFFFF, 2
COLLIDE = "the terms of this vocabulary were made to collide"


_LARGEST = 1 << 23  # a float32 holds it, and so it does what is that times a power of two


def obstacle(op: Text, scores: PlanarLinear | None = None) -> str | None:
    """Why the compiled kernel can't serve these ops, or None where it can.

    Parameters
    ----------
    op : Text
    scores : PlanarLinear or None
        None: counts alone.
    """
    pattern = run_pattern(op.token_pattern) if op.analyzer == "word" else None
    if op.analyzer == "word":
        if pattern is None:
            return f"the token pattern {op.token_pattern!r} needs Python's re"
        if op.ngram_range[1] > 1 and not is_spaceless(op.token_pattern):
            return f"the token pattern {op.token_pattern!r} may find tokens with spaces"
    if op.ngram_range[1] > _MOST_LEVELS:
        return f"n-grams of {op.ngram_range[1]} are longer than {_MOST_LEVELS}"
    if op.vocabulary is None:
        if pattern is None:
            return "hashed character n-grams have no compiled kernel"
        if is_word(pattern.atom)("\0") or is_word(pattern.atom)("\ud800"):
            return f"the token pattern {op.token_pattern!r} takes NUL or lone surrogates, which hashing refuses"
        if op.n_features > _MOST_HASHED:
            return f"{op.n_features} hashed features are more than {_MOST_HASHED}"
    if scores is None:
        return None
    if scores.idf is not None:
        size = np.abs(scores.idf[scores.idf != 0.0])
        if size.size and not (size.min() >= 2.0**-40 and size.max() <= 2.0**40):
            return "an idf beyond the range of float32"
    if op.alternate_sign and op.vocabulary is None and scores.sublinear:
        return "sublinear counts of either sign have no logarithm"
    if len(scores.rows) >= _MOST_ROWS:
        return f"{len(scores.rows)} distinct rows are more than {_MOST_ROWS}"
    if len(scores.bias) == 1 and scores.rows.size and max(int(scores.rows.max()), -int(scores.rows.min())) > _LARGEST:
        return "weights of one output of more than 24 bits"
    if scores.exponent.size and not -100 <= int(scores.exponent.min()) <= int(scores.exponent.max()) <= 80:
        return "weights beyond the range of float32"
    return None


def build(
    module: ModuleType,
    op: Text,
    scores: PlanarLinear | None = None,
    decision: Op | None = None,
    settle: Callable[[list[str], list[int], list[int]], list[int]] | None = None,
) -> Any:
    """A compiled model of documents → labels (with a decision), scores, or counts (without scores).

    Parameters
    ----------
    module : module
        The compiled door.
    op : Text
    scores : PlanarLinear or None
    decision : ArgMax, Threshold or None
    settle : callable or None
        (documents, labels, rows) → labels, for the rows that no plane settled.

    Returns
    -------
    TextModel or None
        None: the kernel can't hash this vocabulary (``COLLIDE``).
    """
    pattern = run_pattern(op.token_pattern) if op.analyzer == "word" else None
    atom = pattern.atom if pattern else r"\w"
    config: dict[str, Any] = {
        "analyzer": _ANALYZERS[op.analyzer],
        "min_n": op.ngram_range[0],
        "max_n": op.ngram_range[1],
        "minimum": pattern.minimum if pattern else 1,
        "binary": op.binary,
        "sublinear": scores is not None and scores.sublinear,
        "hashing": op.vocabulary is None,
        "alternate_sign": op.alternate_sign,
        "norm": _NORMS[scores.norm if scores else None],
        "n_features": op.n_features,
        "with_columns": scores is None,
        "always_prepare": op.source != "content",
        "n_outputs": 0,
        "width": 0,
        "padded": 0,
        "centred": False,
    }
    weights: dict[str, NDArray[Any]] = {}
    values = None
    if scores is not None:
        planes = _Planes(module, scores)
        config.update(planes.config())
        weights = planes.weights()
        values = planes.values(op.n_features)
    classes = None if decision is None else class_array(decision)
    arguments = (
        config,
        _tables(op, values),
        weights,
        char_table(module, op.lowercase, atom),
        char_table(module, False, atom),
        classes,
        _prepare(op),
        _strip(op) if op.strip_accents else None,
        settle,
    )
    try:
        return module.TextModel(*arguments)
    except ValueError:  # terms that were made to collide: only look-ups by hash need them not to
        return None


def class_array(op: Op) -> NDArray[Any]:
    """The classes of a decision as an array, of objects where the source holds objects."""
    if not isinstance(op, ArgMax | Threshold):
        raise TypeError(f"expected ArgMax or Threshold, got {op.kind}")
    if isinstance(op.classes, np.ndarray):
        return op.classes
    objects = np.empty(len(op.classes), object)
    objects[:] = op.classes
    return objects


class _Planes:
    """The planes of a PlanarLinear op as the kernel reads them."""

    def __init__(self, module: ModuleType, op: PlanarLinear) -> None:
        self.op = op
        self.single = len(op.bias) == 1
        self.padded = -(-op.rows.shape[1] // _LANES) * _LANES
        self.rows = np.ascontiguousarray(op.rows)
        self.exponent = op.exponent.astype(np.int32)
        if not self.single:
            # 31 octaves of scales end where the coarsest row's can't reach: 2^23 entries, less 2^7 of the hot plane.
            self.base = max(int(self.exponent.max(initial=-60)) + 25 - 31, -120)
            found = module.hot_plane(self.rows, self.exponent, self.base, op.error, len(op.bias), self.padded)
            self.hot, self.codes, self.spread, self.least_step = found

    def config(self) -> dict[str, Any]:
        op = self.op
        found = {
            "n_outputs": len(op.bias),
            "width": op.rows.shape[1],
            "padded": self.padded,
            "centred": op.centred,
            "bias_max": float(np.abs(op.bias).max(initial=0.0)) * (1 + 2.0**-23),
            "source_unit": _UNIT[op.dtype],
            "fine_error": op.error,
            "empty_label": int(op.bias[0] > 0.0) if self.single else int(np.argmax(op.bias)),
        }
        if self.single:
            step = 2.0 ** int(self.exponent.max(initial=-1000))
            return {
                **found,
                "weight_error": op.error * step,
                "weight_amplitude": op.amplitude * step,
                "spread": 0.0,
                "amplitude": 0.0,
            }
        return {
            **found,
            "weight_error": 0.0,
            "weight_amplitude": 0.0,
            "scale_base": (self.base + 127) << 23,
            "spread": self.spread * (1 + 2.0**-23),
            "amplitude": op.amplitude / self.least_step * (1 + 2.0**-23),
        }

    def weights(self) -> dict[str, NDArray[Any]]:
        op = self.op
        found: dict[str, NDArray[Any]] = {"bias": np.ascontiguousarray(op.bias)}
        if self.single:
            return found
        bias32 = np.full(self.padded, -np.inf, np.float32)
        bias32[: len(op.bias)] = op.bias
        return {**found, "hot": self.hot, "bias32": bias32, "fine": self.rows, "fine_scale": np.ldexp(1.0, self.exponent)}

    def values(self, n_features: int) -> NDArray[np.uint64]:
        """idf and weight, or idf, scale and row, of each feature in one word."""
        op = self.op
        halves = np.empty((n_features, 2), np.uint32)
        halves.view(np.float32)[:, 0] = 1.0 if op.idf is None else op.idf
        if self.single:
            weights = np.ldexp(self.rows[:, 0].astype(np.float32), self.exponent).view(np.uint32)
            halves[:, 1] = weights if op.index is None else weights.take(op.index)
        else:
            scales = self.codes.astype(np.uint32) << 24
            row = np.arange(n_features, dtype=np.uint32) if op.index is None else op.index
            halves[:, 1] = row | (scales if op.index is None else scales.take(row))
        values: NDArray[np.uint64] = halves.view(np.uint64)[:, 0]
        values[values == 1] = _NO_TERM
        return values


def _tables(op: Text, values: NDArray[np.uint64] | None) -> dict[str, Any]:
    """What the kernel looks features up in; ``values`` of each feature, None: all the same."""
    empty32 = np.zeros(0, np.uint32)
    stop_bytes, stop_ends = _joined(op.stop_words if op.analyzer == "word" else ())
    tables: dict[str, Any] = {"stop_bytes": stop_bytes, "stop_ends": stop_ends, "hash_values": None}
    found = op.vocabulary
    if found is None:
        tables.update(symbol_bytes=np.zeros(1, np.uint8), symbol_ends=empty32, parent=empty32, symbol=empty32)
        hashed = np.full(op.n_features, _COUNTED, np.uint64) if values is None else np.ascontiguousarray(values)
        tables.update(values=np.zeros(0, np.uint64), columns=empty32, hash_values=hashed)
        return tables
    by_node, columns = np.zeros(found.n_nodes, np.uint64), np.full(found.n_nodes, _NO_COLUMN, np.uint32)
    by_node[found.is_term] = _COUNTED if values is None else values.take(found.column)
    columns[found.is_term] = found.column
    if b"\0" in found.symbol_bytes.tobytes():
        symbol_bytes, symbol_ends = _joined(found.symbols())
    else:
        symbol_bytes, symbol_ends = np.ascontiguousarray(found.symbol_bytes), np.ascontiguousarray(found.symbol_ends)
    tables.update(symbol_bytes=symbol_bytes, symbol_ends=symbol_ends)
    tables.update(
        parent=np.ascontiguousarray(found.parent), symbol=np.ascontiguousarray(found.symbol), values=by_node, columns=columns
    )
    return tables


def _joined(words: Any) -> tuple[NDArray[np.uint8], NDArray[np.uint32]]:
    """Words one after another as the kernel writes them: NUL as C0 80."""
    if not words:
        return np.zeros(1, np.uint8), np.zeros(0, np.uint32)
    encoded = [word.encode("utf-8", "surrogatepass").replace(b"\0", b"\xc0\x80") for word in words]
    ends = np.cumsum([len(e) for e in encoded], dtype=np.int64).astype(np.uint32)
    return np.frombuffer(b"".join(encoded) or b"\0", np.uint8), ends


def _prepare(op: Text) -> Callable[[Any], list[str]]:
    """Any input that scikit-learn takes → list of str."""

    def prepare(X: Any) -> list[str]:
        found = inputs.documents(X)
        inputs.require_rows(len(found))
        return [_decoded(op, document) for document in found]

    return prepare


def _decoded(op: Text, document: Any) -> str:
    text = decode(op, document)
    if not isinstance(text, str):
        analyzer(op)(text)  # raises what scikit-learn raises for something that is no document
        raise TypeError(f"expected documents of type str or bytes, got {type(text).__name__!r}; convert each with str(...)")
    return text


def _strip(op: Text) -> Callable[[str], str]:
    """Lowering and accent stripping of a document that is not ASCII (an ASCII one keeps its accents: it has none)."""

    def strip(document: str) -> str:
        if op.lowercase:
            document = document.lower()
        normalized = unicodedata.normalize("NFKD", document)
        if op.strip_accents == "ascii":
            return normalized.encode("ascii", "ignore").decode("ascii")
        if document.isascii():
            return document
        return "".join([c for c in normalized if not unicodedata.combining(c)])

    return strip
