"""Estimators from pickles: their versions are read first, and nothing is loaded that the caller has not said to trust."""

from __future__ import annotations

import os
import warnings
from typing import Any, NamedTuple

from quantcore.errors import Obstacle, UnsupportedModelError
from quantcore.importers.pickle_stream import is_pickle, sklearn_versions

__all__ = ["REFUSED", "Unpickled", "is_pickle", "load_pickle"]

REFUSED = (
    "a pickle can run any code while it is loaded; pass trust_pickle=True if you trust whoever wrote it and every hand that it "
    "went through, or load it yourself and pass the estimator"
)


class Unpickled(NamedTuple):
    """What a trusted pickle held.

    Parameters
    ----------
    estimator : object
    versions : tuple of str
        Of scikit-learn, that its estimators were pickled with.
    """

    estimator: Any
    versions: tuple[str, ...]


def load_pickle(path: str | os.PathLike[str], *, allow_version_mismatch: bool = False) -> Unpickled:
    """Load what a trusted file holds: its code runs.

    Parameters
    ----------
    path : path-like
        What ``pickle.dump`` or ``joblib.dump`` wrote.
    allow_version_mismatch : bool
        Also load estimators of another scikit-learn than the one that is installed.

    Returns
    -------
    Unpickled

    Raises
    ------
    UnsupportedModelError
        Another scikit-learn pickled it. Where its stream tells, nothing of it has run.
    OSError
        The file can't be read.
    """
    name = os.path.basename(os.fspath(path))
    versions = sklearn_versions(path)
    try:
        # The one place that loads pickles: importers alone, at the caller's word, by what scikit-learn itself depends on.
        import joblib
        import sklearn
        from sklearn.exceptions import InconsistentVersionWarning
    except ImportError as error:
        advice = f"loading it takes scikit-learn and joblib ({error}); install quantcore[sklearn]"
        raise UnsupportedModelError([Obstacle(name, "", advice)]) from error
    if not allow_version_mismatch and not set(versions) <= {sklearn.__version__}:
        raise UnsupportedModelError([_mismatch(name, versions, sklearn.__version__)])
    with warnings.catch_warnings():
        # An estimator that hid from the reader of streams still tells when it is loaded.
        warnings.simplefilter("ignore" if allow_version_mismatch else "error", InconsistentVersionWarning)
        try:
            return Unpickled(joblib.load(path), versions)
        except InconsistentVersionWarning as warning:
            found = (str(warning.original_sklearn_version),)
            raise UnsupportedModelError([_mismatch(name, found, sklearn.__version__)]) from warning


def _mismatch(name: str, versions: tuple[str, ...], installed: str) -> Obstacle:
    asked = next(version for version in versions if version != installed)
    return Obstacle(
        name,
        f"scikit-learn {', '.join(versions)}",
        f"it was pickled with that, and {installed} is installed, which may misread it without an error; convert it with "
        f"scikit-learn {asked} (the converted file needs none), or pass allow_version_mismatch=True and compare its answers with "
        "known ones",
    )
