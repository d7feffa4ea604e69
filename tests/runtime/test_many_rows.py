"""Methods that run op by op take many rows some at a time: the bits of all at once, in every form of rows."""

import numpy as np
import pytest
from scipy.sparse import csr_matrix
from scipy.sparse import random as random_csr
from sklearn.decomposition import TruncatedSVD
from sklearn.linear_model import LogisticRegression
from sklearn.multioutput import MultiOutputClassifier
from sklearn.naive_bayes import GaussianNB
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import MaxAbsScaler

import quantcore as qc
from quantcore.plan import Csr
from quantcore.reference import forms
from quantcore.runtime import execute

rng = np.random.default_rng(0)
X = rng.normal(size=(60, 9))
SPARSE = random_csr(60, 30, 0.2, "csr", random_state=0)
Y = np.arange(60) % 3
SOURCES = {
    "csr": lambda: (LogisticRegression().fit(SPARSE, Y), SPARSE),
    "to csr": lambda: (MaxAbsScaler().fit(SPARSE), SPARSE),
    "to numbers": lambda: (TruncatedSVD(3, random_state=0).fit(SPARSE), SPARSE),
    "rows": lambda: (make_pipeline(GaussianNB()).fit(X, Y), X),
    "several outputs": lambda: (MultiOutputClassifier(LogisticRegression()).fit(X, np.stack([Y, Y == 1], axis=1)), X),
}


@pytest.mark.parametrize("name", SOURCES)
@pytest.mark.parametrize("at_once", [1, 7, 59, 60])
def test_parts_are_joined(name, at_once, monkeypatch):
    source, rows = SOURCES[name]()
    model = qc.quantize(source)
    asked = model._artifact.plan.outputs
    whole = {method: getattr(model, method)(rows) for method in asked}
    monkeypatch.setattr(execute, "_AT_ONCE", at_once)
    for method in asked:
        found = getattr(model, method)(rows)
        for one, other in zip(*((x if isinstance(x, list) else [x]) for x in (found, whole[method])), strict=True):
            one, other = (x.toarray() if hasattr(x, "toarray") else x for x in (one, other))
            assert one.dtype == other.dtype and one.tobytes() == other.tobytes(), method


def test_parts_of_a_sparse_matrix():
    rows = csr_matrix(SPARSE)
    given = Csr(rows.indptr.astype(np.int64), rows.indices.astype(np.int64), rows.data, rows.shape[1])
    for start, stop in ((0, 60), (0, 1), (5, 9), (59, 70), (3, 3)):
        found = forms.part(given, start, stop)
        np.testing.assert_array_equal(found.toarray(), rows[start:stop].toarray())
        assert found.n_columns == given.n_columns and found.indptr[0] == 0
