"""Ops of ensembles of whole models: votes, weighted means, what one member's answers are to another that reads them."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from quantcore.plan.op import Op

__all__ = ["UFUNCS", "Augment", "CodeScores", "LabelValues", "Layers", "PairConfidence", "ScoreUfunc", "Votes", "WeightedMean"]

# Functions of one number that rise or fall throughout, or (the last two) on each side of 0.
UFUNCS = (
    "arcsinh",
    "arctan",
    "arctanh",
    "cbrt",
    "ceil",
    "exp",
    "exp2",
    "expm1",
    "floor",
    "log",
    "log10",
    "log1p",
    "log2",
    "negative",
    "positive",
    "rint",
    "sinh",
    "sqrt",
    "tanh",
    "trunc",
    "absolute",
    "square",
)


class Votes(Op):
    """Labels of several classifiers → for each class the weight of the members that chose it, float64, added in their order.

    The inputs are ops that give labels 0, 1, ... (ArgMax, Threshold), one a member; or one MultiLabel op, whose columns are the
    members.

    Parameters
    ----------
    n_classes : int
    columns : ndarray of uint32, shape (n_members, n_labels), or None
        The class that each member's label stands for; None: the label itself.
    weights : ndarray of float64, shape (n_members,), or None
        Not negative; None: 1 each.
    """

    joins = True

    n_classes: int
    columns: NDArray[np.uint32] | None = None
    weights: NDArray[np.float64] | None = None


class LabelValues(Op):
    """Labels that are numbers → a column of float64 (what a member predicts, where another one reads it)."""


class WeightedMean(Op):
    """Several inputs of one shape, added in their order, over ``divisor`` (VotingClassifier, VotingRegressor).

    Parameters
    ----------
    weights : tuple of float, or None
        What each input is multiplied by, in float64; None: by nothing, in the dtype of the inputs.
    divisor : float
    """

    joins = True

    weights: tuple[float, ...] | None
    divisor: float


class PairConfidence(Op):
    """Scores of all pairs of classes → of each class ``s / (3 (|s| + 1))``, s the sum of the scores for it less those against it.

    Pairs are (0, 1), (0, 2), ... (1, 2), ...; a score speaks for the second (OneVsOneClassifier).
    """


class CodeScores(Op):
    """Scores → minus the squared distance to each class's code, ``-max(|x|² - 2 x·c + |c|², 0)`` (OutputCodeClassifier).

    Parameters
    ----------
    codes : ndarray of float64, shape (n_classes, n_scores)
        Whole numbers.
    """

    codes: NDArray[np.float64]


class Augment(Op):
    """A matrix (the first input) and columns of scores (the others), all in float64; CSR where the matrix is, zeros left out.

    Parameters
    ----------
    front : bool
        The scores come first (a stacked model that passes its rows through, whatever they hold), not behind (chains, which
        refuse NaN and infinity).
    """

    joins = True

    front: bool

    @property
    def accepts_nan(self) -> bool:
        return self.front

    @property
    def accepts_infinity(self) -> bool:
        return self.front


class Layers(Op):
    """The inputs one behind another, shape (n_inputs, n_rows, n_columns) (VotingClassifier without ``flatten_transform``)."""

    joins = True


class ScoreUfunc(Op):
    """Scores → a function of NumPy, value by value, in the dtype of the scores (TransformedTargetRegressor).

    Parameters
    ----------
    name : str
        One of ``UFUNCS``.
    """

    name: str
