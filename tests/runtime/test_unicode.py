"""Which texts two versions of Unicode may split differently: the table against this interpreter's own database."""

from __future__ import annotations

import unicodedata
import warnings

import numpy as np
import pytest
from sklearn.feature_extraction.text import CountVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline

import quantcore as qc
from quantcore.runtime import unicode

HERE = unicodedata.unidata_version
FIRST, LAST = unicode.first_and_last()
ASSIGNED_IN_14, ASSIGNED_IN_16 = "\U00010570", "\ua7dc"
TEXTS = ["good film", "bad film", "fine plot", "boring plot"] * 3


def known(low, high):
    pattern = unicode.between(low, high)
    return set() if pattern is None else {c for c in map(chr, range(0x110000)) if pattern.match(c)}


def numbers(version):
    return tuple(map(int, version.split(".")))


@pytest.mark.skipif(not numbers(FIRST) < numbers(HERE) <= numbers(LAST), reason=f"Unicode {HERE} is not told apart")
def test_what_older_versions_lack_is_assigned_here_and_what_newer_ones_add_is_not():
    older = known(FIRST, HERE)
    assert older
    assert all(unicodedata.category(c) != "Cn" for c in older)
    # Each has a behaviour: a letter or digit, another lower case, a decomposition, or an accent.
    for c in older:
        behaves = c.isalnum() or c.isspace() or c.lower() != c or unicodedata.combining(c)
        assert behaves or unicodedata.normalize("NFKD", c) != c
    newer = known(HERE, LAST)
    assert all(unicodedata.category(c) == "Cn" for c in newer)
    assert not any(c.isalnum() or c.isspace() or c.lower() != c for c in newer)
    assert known(FIRST, LAST) == older | newer


def test_versions_that_are_not_told_apart():
    assert unicode.between("12.1.0", LAST) is None
    assert unicode.between(FIRST, "99.0.0") is None
    assert unicode.between("no version", FIRST) is None


def fitted_under(version):
    source = make_pipeline(CountVectorizer(), LogisticRegression()).fit(TEXTS, [1, 0, 1, 0] * 3)
    real = unicodedata.unidata_version
    try:
        unicodedata.unidata_version = version
        return source, qc.quantize(source).data
    finally:
        unicodedata.unidata_version = real


def test_documents_that_may_be_split_differently_are_counted(monkeypatch):
    source, data = fitted_under("13.0.0")
    monkeypatch.setattr(unicodedata, "unidata_version", "14.0.0")
    with pytest.warns(UserWarning, match=r"fitted under Unicode 13\.0\.0.*unicode_rows"):
        model = qc.Model(data)
    assert model.stats()["unicode_rows"] == 0
    rows = ["good", f"a {ASSIGNED_IN_14} film", "日本 é", ASSIGNED_IN_16]
    assert model.predict(rows).tolist() == source.predict(rows).tolist()
    assert model.stats()["unicode_rows"] == 1
    np.testing.assert_allclose(model.predict_proba(iter(rows)), source.predict_proba(rows), atol=1e-4)
    assert model.stats()["unicode_rows"] == 2
    model.predict_certified([ASSIGNED_IN_14.encode(), ASSIGNED_IN_14])
    assert model.stats()["unicode_rows"] == 4
    assert qc.predict(model, rows * 2, threads=2).tolist() == source.predict(rows * 2).tolist()
    assert model.stats()["unicode_rows"] == 6
    with pytest.raises(ValueError, match="got one string"):
        model.predict("no list")


def test_where_versions_agree_nothing_stands_in_the_way():
    source, data = fitted_under(HERE)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        model = qc.Model(data)
    assert "unicode_rows" not in model.stats()
    assert model.predict == model._executor.fused.predict


def test_versions_that_nobody_tells_apart_are_warned_of_alone():
    _, data = fitted_under("9.0.0")
    with pytest.warns(UserWarning, match=r"Unicode 9\.0\.0"):
        model = qc.Model(data)
    assert "unicode_rows" not in model.stats()
