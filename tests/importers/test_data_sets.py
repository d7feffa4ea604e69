"""Real text: labels and scores of converted pipelines equal the source's, bit for bit."""

from __future__ import annotations

import csv
import gzip

import pytest
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression, RidgeClassifier, SGDClassifier
from sklearn.naive_bayes import ComplementNB
from sklearn.pipeline import make_pipeline

SETTINGS = {
    "words": ({"ngram_range": (1, 2), "sublinear_tf": True}, LogisticRegression(max_iter=30, tol=1e-2)),
    "char_wb": ({"analyzer": "char_wb", "ngram_range": (2, 3), "strip_accents": "unicode"}, SGDClassifier(random_state=0)),
    "char": ({"analyzer": "char", "ngram_range": (1, 2), "lowercase": False}, ComplementNB()),
    "pruned words": ({"ngram_range": (1, 3), "min_df": 2, "max_df": 0.3, "norm": None}, RidgeClassifier(alpha=10)),
}


@pytest.mark.parametrize("name", ["sms_spam", "clinc150", "sib200_20lang", "movie_reviews"])
@pytest.mark.parametrize("chosen", SETTINGS)
def test_pipelines(name, chosen, data_dir, same):
    with gzip.open(data_dir / f"{name}.csv.gz", "rt", encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    size = 40 if name == "movie_reviews" else 400
    train = [row for row in rows if row["split"] == "train"]
    train = train[:: max(len(train) // size, 1)][:size]
    test = [row["text"] for row in rows if row["split"] == "test"][:size]
    settings, classifier = SETTINGS[chosen]
    model = make_pipeline(TfidfVectorizer(**settings), classifier)
    same(model.fit([row["text"] for row in train], [row["label"] for row in train]), test)
