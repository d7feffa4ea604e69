"""The ops of a Plan: typed, frozen, data only.

Each op's meaning is one function of the same name in
:mod:`quantcore.reference`. An op names its inputs by their position in the
Plan (``INPUT`` is what the caller passes), so a Plan is a small graph in
topological order. Fields are numbers, strings, tuples, arrays or nested
dataclasses of those: all that the artifact has to store.
"""

from __future__ import annotations

from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from quantcore.plan.column_ops import ColumnUfunc, Power, Quantiles, Spline, Ufunc
from quantcore.plan.ensemble_ops import (
    Augment,
    CodeScores,
    LabelValues,
    Layers,
    PairConfidence,
    ScoreUfunc,
    Votes,
    WeightedMean,
)
from quantcore.plan.op import INPUT, OPS, Op
from quantcore.plan.record_ops import HashedFeatures, NamedFeatures, RecordOp
from quantcore.plan.table_ops import Cells, Codes, Documents, Fill, Join, Lookup, MissingCells, Numbers, OneHot, TableOp
from quantcore.plan.tree_ops import LeafMedian, LeafNumbers, LeafOneHot, LeafSum, PathScore, Trees
from quantcore.plan.vocabulary import Vocabulary

__all__ = [
    "INPUT",
    "OPS",
    "Affine",
    "ArgMax",
    "Augment",
    "Average",
    "Binarize",
    "Cells",
    "CodeScores",
    "Codes",
    "ColumnUfunc",
    "Columns",
    "Concat",
    "Difference",
    "Documents",
    "Exp",
    "Fill",
    "Float32",
    "HashedFeatures",
    "Impute",
    "Isotonic",
    "Join",
    "LabelValues",
    "Layers",
    "LeafMedian",
    "LeafNumbers",
    "LeafOneHot",
    "LeafSum",
    "Linear",
    "Log",
    "LogSoftmax",
    "Lookup",
    "Missing",
    "MissingCells",
    "MultiLabel",
    "NamedFeatures",
    "NormalizeRows",
    "Numbers",
    "OneHot",
    "Op",
    "PairConfidence",
    "PathScore",
    "PlanarLinear",
    "Polynomial",
    "Power",
    "Predictions",
    "Project",
    "Quadratic",
    "Quantiles",
    "Ramp",
    "RecordOp",
    "RowNorm",
    "ScoreUfunc",
    "Several",
    "Sigmoid",
    "SignedSquare",
    "Softmax",
    "Softplus",
    "Spline",
    "Stack",
    "TableOp",
    "Take",
    "Text",
    "TfIdf",
    "Threshold",
    "Trees",
    "Ufunc",
    "Votes",
    "WeightedMean",
]


class Text(Op):
    """Documents → n-gram counts (CSR, float64), as scikit-learn's vectorizers count them.

    Parameters
    ----------
    vocabulary : Vocabulary or None
        None for hashing.
    n_features : int
        Number of columns.
    alternate_sign : bool
        Hashing only: the sign of each count comes from the hash.
    source : {"content", "filename", "file"}
        scikit-learn's ``input``.
    stop_words : tuple of str
        Sorted; word n-grams only.
    binary : bool
        Counts become 1 (under hashing also those that cancelled to 0).
    """

    analyzer: Literal["word", "char", "char_wb"]
    ngram_range: tuple[int, int]
    lowercase: bool
    strip_accents: Literal["ascii", "unicode"] | None
    token_pattern: str
    stop_words: tuple[str, ...]
    encoding: str
    decode_error: Literal["strict", "ignore", "replace"]
    source: Literal["content", "filename", "file"]
    binary: bool
    n_features: int
    vocabulary: Vocabulary | None
    alternate_sign: bool = False


class TfIdf(Op):
    """CSR → CSR: sublinear tf (1 + ln tf), times idf, each row divided by its norm (rows of norm 0 stay).

    ``dtype`` is the source's own ("float64" or "float32").
    """

    sublinear: bool
    idf: NDArray[np.float64] | None
    norm: Literal["l1", "l2", "max"] | None
    dtype: Literal["float64", "float32"] = "float64"


class Concat(Op):
    """Matrices side by side (FeatureUnion), each times its weight (1.0 where the source gives none).

    Parameters
    ----------
    weights : tuple of float
    sparse : bool or None
        The result is CSR, or dense, whatever the parts are; None: CSR where one is.
    """

    joins = True

    weights: tuple[float, ...]
    sparse: bool | None = None

    @property
    def accepts_nan(self) -> bool:
        return True

    @property
    def accepts_infinity(self) -> bool:
        return True


class Take(Op):
    """The given columns of a result, in that order (the positive class's probability, a ColumnTransformer's columns)."""

    columns: tuple[int, ...]

    @property
    def accepts_nan(self) -> bool:
        return True

    @property
    def accepts_infinity(self) -> bool:
        return True


class Binarize(Op):
    """x → 1.0 where x > threshold, else 0.0 (BernoulliNB)."""

    threshold: float


class Affine(Op):
    """Column by column ``(x - shift) / scale``, or ``x * scale + shift``; then clipped (the scalers).

    Results keep the rows' own float dtype, as scikit-learn's do: each step is computed and then rounded to it.

    Parameters
    ----------
    shift, scale : ndarray of float64, shape (n_features,) or None
    product : bool
        ``x * scale + shift``.
    clip : (float, float) or None
    sparse : {"scale", "centre", "refuse"}
        What a CSR matrix gets: times ``1 / scale`` alone; the same, or ValueError if there is a shift; TypeError.
    cast : bool
        ``shift`` and ``scale`` are rounded to the rows' dtype first (StandardScaler from scikit-learn 1.8 on).
    """

    shift: NDArray[np.float64] | None
    scale: NDArray[np.float64] | None
    product: bool = False
    clip: tuple[float, float] | None = None
    sparse: Literal["scale", "centre", "refuse"] = "scale"
    cast: bool = False

    @property
    def accepts_nan(self) -> bool:
        return True

    @property
    def accepts_sparse(self) -> bool:
        return self.sparse != "refuse"


class Columns(Op):
    """The given columns of a matrix, dense or CSR (feature selection); ``index`` ascends."""

    index: NDArray[np.uint32]
    allow_nan: bool = False

    @property
    def accepts_nan(self) -> bool:
        return self.allow_nan


class Impute(Op):
    """Missing values become their column's ``fill``; ``missing`` is None for NaN. Of CSR, stored values alone."""

    missing: float | None
    fill: NDArray[np.float64]

    @property
    def accepts_nan(self) -> bool:
        return self.missing is None


class Missing(Op):
    """1.0 where a value of the given columns is missing, else 0.0 (SimpleImputer's indicator, MissingIndicator).

    Parameters
    ----------
    missing : float or None
        As in Impute.
    index : ndarray of uint32
    complete : ndarray of uint32, or None
        Columns that must not miss any value: ValueError if they do.
    sparse : bool or None
        The result is CSR, or dense; None: as the rows are.
    """

    missing: float | None
    index: NDArray[np.uint32]
    complete: NDArray[np.uint32] | None = None
    sparse: bool | None = None

    @property
    def accepts_nan(self) -> bool:
        return self.missing is None


class RowNorm(Op):
    """Each row divided by its norm. Rows of norm 0 stay; of dense rows, as in scikit-learn, also those whose norm is
    below 10 machine epsilons."""

    norm: Literal["l1", "l2", "max"]


class Polynomial(Op):
    """Products of ``least`` to ``most`` features, in the order of scikit-learn's PolynomialFeatures.

    Parameters
    ----------
    least, most : int
    interaction_only : bool
        No feature twice in a product.
    bias : bool
        A first column of ones.
    """

    least: int
    most: int
    interaction_only: bool
    bias: bool


class Project(Op):
    """Matrix → matrix: ``X @ weight - shift @ weight``, or ``(X - shift) @ weight`` if ``dense`` (PCA, TruncatedSVD,
    discriminants); never put on a grid.

    Parameters
    ----------
    weight : ndarray of float64, shape (n_features, n_outputs)
    shift : ndarray of float64, shape (n_features,) or None
    dense : bool
        A CSR matrix raises TypeError.
    dtype : {"float64", "float32"}
        In what the source holds the weights.
    """

    weight: NDArray[np.float64]
    shift: NDArray[np.float64] | None = None
    dense: bool = False
    dtype: Literal["float64", "float32"] = "float64"

    @property
    def accepts_sparse(self) -> bool:
        return not self.dense


class Quadratic(Op):
    """Dense matrix → scores: ``prior_k + (offset_k - sum_j (x_j - center_kj)^2 / variance_kj / 2)`` (GaussianNB).

    Parameters
    ----------
    center, variance : ndarray of float64, shape (n_outputs, n_features)
    prior, offset : ndarray of float64, shape (n_outputs,)
    dtype : {"float64", "float32"}
        In what the source computes.
    """

    center: NDArray[np.float64]
    variance: NDArray[np.float64]
    prior: NDArray[np.float64]
    offset: NDArray[np.float64]
    dtype: Literal["float64", "float32"] = "float64"

    @property
    def accepts_sparse(self) -> bool:
        return False


class Difference(Op):
    """Two scores → the second less the first."""


class Exp(Op):
    """Scores → exp(s): the inverse of a logarithmic link."""


class Softplus(Op):
    """Scores → ln(1 + exp(s)) (LightGBM's cross_entropy_lambda)."""


class SignedSquare(Op):
    """Scores → s * |s|: the inverse of a root that keeps its sign (LightGBM's reg_sqrt)."""


class Float32(Op):
    """Scores → rounded to float32, as their source gives them (XGBoost)."""


class Predictions(Op):
    """Scores → what a regressor predicts: the numbers themselves, as a 1-d array if ``flat``."""

    flat: bool


class Linear(Op):
    """Matrix (CSR or dense) → scores: ``X @ weight + bias``, shape (n_rows, n_outputs), float64.

    Parameters
    ----------
    weight : ndarray of float64, shape (n_features, n_outputs)
    bias : ndarray of float64, shape (n_outputs,)
    dtype : {"float64", "float32"}
        In what the source computes.
    """

    weight: NDArray[np.float64]
    bias: NDArray[np.float64]
    dtype: Literal["float64", "float32"] = "float64"


class PlanarLinear(Op):
    """Matrix → scores, weights as integers on a grid; a TfIdf op in front of it folded in.

    With ``t`` the (sublinear) counts of a row, ``norm`` the norm of ``t * idf`` (1 where there is
    none), the score of output k is ``sum_j t_j * V_jk / norm + bias_k`` with
    ``V_jk = rows[index[j], k] * 2.0 ** exponent[index[j]]`` (plus the last column of ``rows``, the
    centre, where ``centred``: it cancels in comparisons, so only scores that are shown need it).

    Parameters
    ----------
    rows : ndarray of int16 or int32, shape (n_distinct, n_outputs + centred)
        Equal rows are stored once.
    exponent : ndarray of int16, shape (n_distinct,)
    index : ndarray of uint32, shape (n_features,) or None
        Row of each column; None where column j has row j.
    bias : ndarray of float64, shape (n_outputs,)
        The source's own.
    sublinear, idf, norm
        The TfIdf op that was folded in (False, None, None without one).
    error : float
        Bound, in grid steps, on ``|V - source|`` per entry of ``rows`` (centre excluded).
    amplitude : float
        Bound, in grid steps, on the source's own ``|V|`` per entry, before centring: what its
        rounding errors grow with.
    cold : ndarray of float64, shape (n_features, n_outputs) or None
        The source's own weights (idf not folded in), for ``guarantee="exact"``.
    dtype : {"float64", "float32"}
        In what the source computes.
    approximate : bool
        Terms were dropped, or weights refitted: ``error`` says nothing about the source, and nothing is certified.
    """

    rows: NDArray[Any]
    exponent: NDArray[np.int16]
    index: NDArray[np.uint32] | None
    bias: NDArray[np.float64]
    centred: bool
    sublinear: bool
    idf: NDArray[np.float64] | None
    norm: Literal["l1", "l2", "max"] | None
    error: float
    amplitude: float
    cold: NDArray[np.float64] | None = None
    dtype: Literal["float64", "float32"] = "float64"
    approximate: bool = False


class Softmax(Op):
    """Scores → probabilities over outputs. One output s stands for the pair (0, s) if ``paired`` is
    "zero", for (-s, s) if "mirror" (scikit-learn's multinomial logistic regression on two classes).
    Every score is multiplied by ``scale`` first (temperature calibration)."""

    paired: Literal["no", "zero", "mirror"] = "no"
    scale: float = 1.0


class LogSoftmax(Op):
    """Scores → log probabilities, ``s - logsumexp(s)`` (naive Bayes); ``paired`` as in Softmax."""

    paired: Literal["no", "zero", "mirror"] = "no"


class Sigmoid(Op):
    """Scores → 1 / (1 + exp(slope * s + offset)), per column (Platt's form; slope -1, offset 0 is
    plain expit). One column becomes the pair (1 - p, p) if ``paired``."""

    slope: NDArray[np.float64]
    offset: NDArray[np.float64]
    paired: bool = False


class Ramp(Op):
    """Scores → (clip(s, -1, 1) + 1) / 2 (modified Huber loss); ``paired`` as in Sigmoid."""

    paired: bool = False


class Isotonic(Op):
    """Scores → piecewise linear interpolation per column, clipped to the ends; ``paired`` as in Sigmoid.

    Parameters
    ----------
    knots : ndarray of float64, shape (n_knots,)
        x of all columns, one after another; each column's ascending.
    values : ndarray of float64, shape (n_knots,)
    ends : tuple of int
        End of each column's knots.
    """

    knots: NDArray[np.float64]
    values: NDArray[np.float64]
    ends: tuple[int, ...]
    paired: bool = False


class NormalizeRows(Op):
    """Probabilities divided by their row's sum; ``empty`` says what a row of zeros becomes: equal
    shares ("uniform": CalibratedClassifierCV, one-vs-rest calibration), or it stays ("keep")."""

    empty: Literal["uniform", "keep"] = "keep"


class Average(Op):
    """Mean of several inputs of one shape, summed in order (CalibratedClassifierCV's folds)."""

    joins = True


class Log(Op):
    """Natural logarithm of ``p + floor``, log(0) = -inf without a warning (predict_log_proba; with a
    floor: temperature calibration over probabilities)."""

    floor: float = 0.0


class ArgMax(Op):
    """Scores → ``classes[first largest]``. ``classes`` is a 1-d array as the source holds it: of
    integers, booleans, floats, fixed-width strings (<U) or, as a tuple, Python objects."""

    classes: Any


class Threshold(Op):
    """One score → ``classes[1]`` where score > at, else ``classes[0]``."""

    classes: Any
    at: float = 0.0


class MultiLabel(Op):
    """Scores → 0/1 indicator matrix of int64 (or ``dtype``), 1 where score > at."""

    at: float = 0.0
    dtype: Literal["int64", "float64"] = "int64"


class Stack(Op):
    """Labels of several classifiers side by side, shape (n_rows, n_inputs) (MultiOutputClassifier)."""

    joins = True


class Several(Op):
    """The inputs' results as a list (MultiOutputClassifier's probabilities)."""

    joins = True
