"""Check every invariant of a Plan, whoever made it.

The artifact reader calls this on content that nobody has looked at yet: it
only reads, in time linear in the size of the Plan, and raises ValueError for
whatever a kernel or the reference could stumble over.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType, ModuleType
from typing import Any, NamedTuple

import numpy as np

from quantcore.plan import ops, validate_columns, validate_ensembles, validate_matrix, validate_table, validate_trees
from quantcore.plan.ops import INPUT, Op
from quantcore.plan.plan import METHODS, Plan
from quantcore.plan.rules import array as _array
from quantcore.plan.rules import boolean as _bool
from quantcore.plan.rules import dtype as _dtype
from quantcore.plan.rules import is_count as _is_count
from quantcore.plan.rules import is_finite as _is_finite
from quantcore.plan.rules import is_int as _is_int
from quantcore.plan.rules import require as _require
from quantcore.plan.validate_text import check_text

__all__ = ["validate", "widths"]

_MAX_EXPONENT = 1000
_MOST_COLUMNS = 1 << 20
# By kind: looking a name up takes a fraction of asking what an op is an instance of.
_TO_MATRIX = frozenset(
    ("TfIdf", "Columns", "Impute", "Missing", "RowNorm", "Polynomial", "Project", "Power", "Quantiles", "Spline", "Ufunc")
)
_SCORES = frozenset(("Linear", "PlanarLinear", "Quadratic"))
_READS_MATRIX = frozenset(("Augment", "Concat", "Binarize", "Take", "Trees", "Affine")) | _TO_MATRIX | _SCORES
# What an op gives, where that does not depend on what it reads.
_GIVES: Mapping[str, str] = MappingProxyType(
    {
        **dict.fromkeys(("ArgMax", "Threshold", "MultiLabel", "Predictions"), "labels"),
        **dict.fromkeys(("Augment", *_TO_MATRIX), "matrix"),
        **dict.fromkeys(_SCORES, "scores"),
        "Several": "list",
        "Layers": "layers",
    }
)
_TRANSFORMED = ("matrix", "scores", "labels", "layers")


def validate(plan: Plan, codec: ModuleType | None = None) -> None:
    """Check a Plan.

    Parameters
    ----------
    plan : Plan
    codec : module or None
        Compiled checks of vocabularies and trees; what they refuse is looked at here, so the answer is the same.

    Raises
    ------
    ValueError
        Says which op breaks which rule.
    """
    known = ("text", "matrix", "table", "records")
    if plan.input not in known:
        raise ValueError(f"input is {plan.input!r}, expected 'text', 'matrix', 'table' or 'records'")
    if plan.input in ("matrix", "table"):
        width = plan.n_features_in
        _require(_is_count(width) and 0 < (width or 0) < 2**32, f"n_features_in is {width!r}, expected a positive number")
        few = plan.input != "table" or (width or 0) <= _MOST_COLUMNS  # a row holds a place for each
        _require(few, f"a table of {width} columns")
        # A number costs a file nothing, rows of so many columns cost memory: there have to be weights for them, or the like.
        if (width or 0) > _MOST_COLUMNS:
            held = max((a.size for op in plan.ops for a in vars(op).values() if isinstance(a, np.ndarray)), default=0)
            _require((width or 0) <= held, f"n_features_in is {width}, but no op holds so many numbers")
    else:
        _require(plan.n_features_in is None, f"a Plan over {plan.input} has no n_features_in")
    _require(type(plan.by_name) is bool, f"by_name is {plan.by_name!r}")
    named = plan.input == "table" and plan.feature_names_in is not None
    _require(named or not plan.by_name, "columns of a table can be found by name where the source has names")
    _check_outputs(plan, _results(plan, codec))


def widths(plan: Plan) -> list[int]:
    """The number of columns that each op of a valid Plan gives."""
    return [result.width for result in _results(plan, None)]


def _results(plan: Plan, codec: ModuleType | None) -> list[_Result]:
    results: list[_Result] = []
    for position, op in enumerate(plan.ops):
        try:
            results.append(_check(plan, op, results, codec))
        except ValueError as error:
            raise ValueError(f"op {position} ({op.kind}): {error}") from None
    return results


class _Result(NamedTuple):
    """What an op gives: its number of columns, and "matrix", "scores", "labels", "list", "layers", "leaves", "numbers", "table",
    "codes" or "documents"."""

    width: int
    what: str


def _check(plan: Plan, op: Op, results: list[_Result], codec: ModuleType | None) -> _Result:
    _require(type(op.inputs) is tuple and {*map(type, op.inputs)} <= {int}, "inputs must be a tuple of integers")
    if not 1 <= len(op.inputs) <= (65536 if op.joins else 1):
        raise ValueError(f"it can't take {len(op.inputs)} inputs")
    if min(op.inputs) < INPUT or max(op.inputs) >= len(results):
        raise ValueError(f"its inputs {op.inputs[:5]} must come before it")
    own = _OWN.get(op.kind)
    if own is not None:
        return own(plan, op, results, codec)
    check = _CHECKS.get(op.kind)
    if check is None and op.kind != "Trees":
        raise ValueError("this op is not known")
    _require(plan.input == "matrix" or INPUT not in op.inputs, "it reads a matrix, but the caller passes none")
    incoming, matrices = [], False
    for i in op.inputs:
        width, what = results[i] if i >= 0 else (plan.n_features_in or 0, "matrix")
        incoming.append(width)
        if what == "matrix":
            matrices = True
        elif what != "scores":
            raise ValueError("it reads labels, leaves or a list, which it can't")
    _require(not matrices or op.kind in _READS_MATRIX, "it reads scores, but its input is a matrix")
    if check is None:
        return _Result(validate_trees.check_trees(op, incoming[0], codec), "leaves")  # type: ignore[arg-type]
    # Affine over scores: predictions that are scaled back stay predictions
    gives = _GIVES.get(op.kind) or ("matrix" if matrices else "scores")
    return _Result(check(op, incoming), gives)


def _text(plan: Plan, op: Any, results: list[_Result], codec: ModuleType | None) -> _Result:
    documents = op.inputs[0] >= 0 and isinstance(plan.ops[op.inputs[0]], ops.Documents)
    _require(documents or (plan.input == "text" and op.inputs == (INPUT,)), "it must read documents")
    check_text(op, codec)
    return _Result(op.n_features, "matrix")


def _of_leaves(plan: Plan, op: Any, results: list[_Result], codec: ModuleType | None) -> _Result:
    trees = plan.ops[op.inputs[0]] if op.inputs[0] >= 0 else None
    if not isinstance(trees, ops.Trees):
        raise ValueError("it reads the leaves that a Trees op finds")
    return _Result(*validate_trees.check_leaf_op(op, trees))


def _stack(plan: Plan, op: Any, results: list[_Result], codec: ModuleType | None) -> _Result:
    single = all(i >= 0 and isinstance(plan.ops[i], (ops.ArgMax, ops.Threshold)) for i in op.inputs)
    _require(single, "it reads labels of one output each")
    return _Result(len(op.inputs), "labels")


def _records(plan: Plan, op: Any, results: list[_Result], codec: ModuleType | None) -> _Result:
    read = plan.input if op.inputs[0] == INPUT else results[op.inputs[0]].what
    return _Result(validate_columns.check_records(op, read), "matrix")


def _of_table(plan: Plan, op: Any, results: list[_Result], codec: ModuleType | None) -> _Result:
    own = _Result(plan.n_features_in or 0, plan.input)
    found = _Result(*validate_table.check(op, [results[i] if i >= 0 else own for i in op.inputs]))
    validate_table.check_codes(op, plan.ops[op.inputs[0]] if op.inputs[0] >= 0 else None)
    return found


def _of_labels(plan: Plan, op: Any, results: list[_Result], codec: ModuleType | None) -> _Result:
    labels = [plan.ops[i] if i >= 0 else None for i in op.inputs]
    widths = [results[i].width if i >= 0 else 0 for i in op.inputs]
    return _Result(validate_ensembles.LABEL_READERS[op.kind](op, labels, widths), "scores")


def _tfidf(op: ops.TfIdf, incoming: list[int]) -> int:
    _folded(op, incoming[0])
    _dtype(op.dtype)
    return incoming[0]


def _folded(op: ops.TfIdf | ops.PlanarLinear, width: int) -> None:
    _bool(op.sublinear, "sublinear")
    if op.norm not in (None, "l1", "l2", "max"):
        raise ValueError(f"norm is {op.norm!r}")
    if op.idf is not None:
        _array(op.idf, "idf", np.float64, (width,))


def _concat(op: ops.Concat, incoming: list[int]) -> int:
    _require(type(op.weights) is tuple and len(op.weights) == len(incoming), "needs one weight per input")
    _require(op.sparse is None or type(op.sparse) is bool, "sparse must be a bool or None")
    _require(all(_is_finite(w) for w in op.weights), "weights must be finite numbers")
    _require(sum(incoming) < 2**32, "has too many columns")
    return sum(incoming)


def _take(op: ops.Take, incoming: list[int]) -> int:
    _require(type(op.columns) is tuple and 0 < len(op.columns) <= 65536, "needs a tuple of columns")
    _require(all(_is_int(c) and 0 <= c < incoming[0] for c in op.columns), f"columns must be in 0 .. {incoming[0] - 1}")
    return len(op.columns)


def _binarize(op: ops.Binarize, incoming: list[int]) -> int:
    _require(_is_finite(op.threshold), "threshold must be a finite number")
    return incoming[0]


def _linear(op: ops.Linear, incoming: list[int]) -> int:
    _array(op.bias, "bias", np.float64, (None,))
    _require(len(op.bias) >= 1, "has no output")
    _array(op.weight, "weight", np.float64, (incoming[0], len(op.bias)))
    _dtype(op.dtype)
    return len(op.bias)


def _planar(op: ops.PlanarLinear, incoming: list[int]) -> int:
    width = incoming[0]
    _folded(op, width)
    _dtype(op.dtype)
    _bool(op.centred, "centred")
    _array(op.bias, "bias", np.float64, (None,))
    _require(len(op.bias) >= 1, "has no output")
    kind = op.rows.dtype if isinstance(op.rows, np.ndarray) else np.dtype(bool)
    _require(kind.kind == "i" and kind.itemsize in (2, 4) and kind.isnative, "rows must be int16 or int32")
    _array(op.rows, "rows", kind, (None, len(op.bias) + int(op.centred)))
    n_distinct = len(op.rows)
    _array(op.exponent, "exponent", np.int16, (n_distinct,))
    far = n_distinct > 0 and (op.exponent.max() > _MAX_EXPONENT or op.exponent.min() < -_MAX_EXPONENT)
    _require(not far, "an exponent is beyond 1000")
    if op.index is None:
        if n_distinct != width:
            raise ValueError(f"has {n_distinct} rows for {width} columns")
    else:
        _array(op.index, "index", np.uint32, (width,))
        _require(width == 0 or int(op.index.max()) < n_distinct, "index points beyond the rows")
    for name in ("error", "amplitude"):
        bound = getattr(op, name)
        if not _is_finite(bound) or bound < 0:
            raise ValueError(f"{name} must be a finite number, not negative")
    _bool(op.approximate, "approximate")
    _require(not op.approximate or op.cold is None, "cold weights settle nothing beside approximate ones")
    if op.cold is not None:
        _array(op.cold, "cold", np.float64, (width, len(op.bias)))
    return len(op.bias)


def _softmax(op: ops.Softmax | ops.LogSoftmax, incoming: list[int]) -> int:
    _require(op.paired in ("no", "zero", "mirror"), f"paired is {op.paired!r}")
    if isinstance(op, ops.Softmax):
        _require(_is_finite(op.scale), "scale must be a finite number")
    return _paired(op.paired != "no", incoming[0])


def _sigmoid(op: ops.Sigmoid, incoming: list[int]) -> int:
    _array(op.slope, "slope", np.float64, (incoming[0],))
    _array(op.offset, "offset", np.float64, (incoming[0],))
    _bool(op.paired, "paired")
    return _paired(op.paired, incoming[0])


def _ramp(op: ops.Ramp, incoming: list[int]) -> int:
    _bool(op.paired, "paired")
    return _paired(op.paired, incoming[0])


def _isotonic(op: ops.Isotonic, incoming: list[int]) -> int:
    _array(op.knots, "knots", np.float64, (None,))
    _array(op.values, "values", np.float64, (len(op.knots),))
    _require(type(op.ends) is tuple and len(op.ends) == incoming[0], "needs one end per column")
    _require(all(_is_int(e) for e in op.ends), "ends must be integers")
    _require(all(a < b for a, b in zip((0, *op.ends), op.ends, strict=False)), "each column needs a knot")
    _require(op.ends[-1] == len(op.knots), "the last end must be the number of knots")
    falls = np.flatnonzero(np.diff(op.knots) < 0) + 1
    _require(set(falls.tolist()) <= set(op.ends), "a column's knots must ascend")
    _bool(op.paired, "paired")
    return _paired(op.paired, incoming[0])


def _normalize(op: ops.NormalizeRows, incoming: list[int]) -> int:
    _require(op.empty in ("uniform", "keep"), f"empty is {op.empty!r}")
    return incoming[0]


def _average(op: ops.Average, incoming: list[int]) -> int:
    _require(len(set(incoming)) == 1, f"its inputs have {sorted(set(incoming))} columns, expected one number")
    return incoming[0]


def _log(op: ops.Log, incoming: list[int]) -> int:
    _require(_is_finite(op.floor) and op.floor >= 0, "floor must be a finite number, not negative")
    return incoming[0]


def _argmax(op: ops.ArgMax, incoming: list[int]) -> int:
    _classes(op.classes, incoming[0])
    return 1


def _threshold(op: ops.Threshold, incoming: list[int]) -> int:
    _require(incoming[0] == 1, f"reads one score, not {incoming[0]}")
    _classes(op.classes, 2)
    _require(_is_finite(op.at), "at must be a finite number")
    return 1


def _multi_label(op: ops.MultiLabel, incoming: list[int]) -> int:
    _require(_is_finite(op.at), "at must be a finite number")
    _require(op.dtype in ("int64", "float64"), f"dtype is {op.dtype!r}, expected 'int64' or 'float64'")
    return incoming[0]


_CHECKS: Mapping[str, Callable[[Any, list[int]], int]] = MappingProxyType(
    {
        "ArgMax": _argmax,
        "Average": _average,
        "Binarize": _binarize,
        "Concat": _concat,
        "Isotonic": _isotonic,
        "Linear": _linear,
        "Log": _log,
        "LogSoftmax": _softmax,
        "MultiLabel": _multi_label,
        "NormalizeRows": _normalize,
        "PlanarLinear": _planar,
        "Ramp": _ramp,
        "Sigmoid": _sigmoid,
        "Softmax": _softmax,
        "Take": _take,
        "TfIdf": _tfidf,
        "Threshold": _threshold,
        **validate_columns.CHECKS,
        **validate_ensembles.CHECKS,
        **validate_matrix.CHECKS,
    }
)

_OWN: Mapping[str, Callable[[Plan, Any, list[_Result], ModuleType | None], _Result]] = MappingProxyType(
    {
        "Text": _text,
        "Stack": _stack,
        **dict.fromkeys(validate_trees.LEAF_OPS, _of_leaves),
        **dict.fromkeys(validate_columns.RECORDS, _records),
        **dict.fromkeys(validate_table.OPS, _of_table),
        **dict.fromkeys(validate_ensembles.LABEL_READERS, _of_labels),
    }
)


def _check_outputs(plan: Plan, results: list[_Result]) -> None:
    _require(len(plan.outputs) >= 1, "the Plan has no output")
    for method, position in plan.outputs.items():
        if method not in METHODS:
            raise ValueError(f"unknown method {method!r}; known are {', '.join(METHODS)}")
        if not _is_int(position) or not 0 <= position < len(plan.ops):
            raise ValueError(f"{method} names op {position!r}, which is not there")
        expected = {"predict": "labels", "transform": "matrix", "apply": "numbers"}.get(method, "scores")
        found = results[position].what
        fits = found == expected or (found == "list" and method in ("predict_proba", "predict_log_proba"))
        fits = fits or (method == "transform" and found in _TRANSFORMED)
        if not fits:
            raise ValueError(f"{method} must return {expected}, not {found}")
    for classes in plan.classes if isinstance(plan.classes, list) else [plan.classes]:
        if classes is not None:
            _classes(classes, None)
    names = plan.feature_names_in
    if names is not None:
        _require(type(names) is tuple and all(type(n) is str for n in names), "feature_names_in must be a tuple of strings")
        _require(len(names) == plan.n_features_in, f"{len(names)} feature names for {plan.n_features_in} features")
    given = plan.feature_names_out
    if given is not None:
        _require(type(given) is tuple and all(type(n) is str for n in given), "feature_names_out must be a tuple of strings")
        width = results[plan.outputs["transform"]].width if "transform" in plan.outputs else None
        _require(len(given) == width, f"{len(given)} names for what transform gives: {width} columns")


def _classes(classes: Any, count: int | None) -> None:
    if isinstance(classes, tuple):
        _require({*map(type, classes)} <= {str, int, float, bool}, "classes must be strings or numbers")
    else:
        _require(isinstance(classes, np.ndarray) and classes.ndim == 1, "classes must be a 1-d array or a tuple")
        if classes.dtype.kind not in "biufU":  # NumPy takes its time to spell a dtype
            raise ValueError(f"classes can't be of dtype {classes.dtype}")
    if len(classes) < 1 or count not in (None, len(classes)):
        raise ValueError(f"{len(classes)} classes for {count} outputs")


def _paired(paired: bool, width: int) -> int:
    if paired and width != 1:
        raise ValueError(f"only one column can become a pair, not {width}")
    return 2 if paired else width
