"""Pipelines over tables: a ColumnTransformer in front of a model, from data frames, dicts and object arrays."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest
from sklearn.compose import ColumnTransformer
from sklearn.decomposition import PCA
from sklearn.ensemble import RandomForestClassifier
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression, RidgeClassifier, SGDClassifier
from sklearn.naive_bayes import MultinomialNB
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import (
    KBinsDiscretizer,
    MinMaxScaler,
    Normalizer,
    OneHotEncoder,
    OrdinalEncoder,
    StandardScaler,
    TargetEncoder,
)
from sklearn.svm import LinearSVC

import quantcore as qc
from quantcore.importers import convert
from quantcore.passes.convert import Options, optimize
from quantcore.plan import Csr
from quantcore.runtime import rounding
from quantcore.runtime.execute import Executor

pandas = pytest.importorskip("pandas", reason="data frames of pandas are tested with it")

NUMBERS, WORDS = ["age", "hours"], ["job", "town"]


def frame(seed: int, n_rows: int = 400):
    random = np.random.default_rng(seed)
    found = {
        "age": random.integers(17, 90, n_rows).astype(float),
        "job": random.choice(["clerk", "smith", "cook", None], n_rows),
        "hours": random.normal(40, 12, n_rows),
        "town": random.choice(["Rome", "Oslo", "Kyiv", "Lima", "Cork"], n_rows),
    }
    found["age"][::7] = np.nan
    return pandas.DataFrame(found)


def fitted(encoder, model):
    numbers = make_pipeline(SimpleImputer(strategy="median"), StandardScaler())
    columns = ColumnTransformer([("numbers", numbers, NUMBERS), ("words", encoder, WORDS)])
    X = frame(1)
    return make_pipeline(columns, model).fit(X, (X["hours"] > 40) ^ (X["job"] == "cook"))


@pytest.mark.parametrize("model", [LogisticRegression(), RandomForestClassifier(10, random_state=0)], ids=["linear", "trees"])
@pytest.mark.parametrize(
    "encoder",
    [
        OneHotEncoder(handle_unknown="ignore"),
        OrdinalEncoder(handle_unknown="use_encoded_value", unknown_value=-1, encoded_missing_value=-2),
    ],
    ids=["one-hot", "ordinal"],
)
def test_labels_are_the_source_s_from_every_form_of_table(encoder, model):
    source = fitted(encoder, model)
    served = qc.quantize(source)
    X = frame(2)
    X.loc[3, "town"] = "Unknown"
    expected = source.predict(X)
    np.testing.assert_array_equal(served.predict(X), expected)
    np.testing.assert_array_equal(served.predict(X.to_dict("records")), expected)
    np.testing.assert_array_equal(served.predict({name: X[name].tolist() for name in X}), expected)
    np.testing.assert_array_equal(served.predict(X.to_numpy(object)), expected)
    assert served.predict_certified(X).certified.mean() > 0.99


FIRST = {
    "ordinal": (OrdinalEncoder(handle_unknown="use_encoded_value", unknown_value=-1, encoded_missing_value=-2),),
    "one-hot": (OneHotEncoder(handle_unknown="ignore", min_frequency=5),),
    "target": (TargetEncoder(target_type="binary"),),
    "filled": (SimpleImputer(strategy="most_frequent", add_indicator=True), OneHotEncoder(handle_unknown="ignore")),
    "constant": (SimpleImputer(strategy="constant", fill_value="none"), OneHotEncoder(handle_unknown="ignore", drop="first")),
}


@pytest.mark.parametrize("model", [LogisticRegression(), RandomForestClassifier(10, random_state=0)], ids=["linear", "trees"])
@pytest.mark.filterwarnings("ignore:Found unknown categories")
@pytest.mark.parametrize("steps", FIRST)
def test_an_encoder_may_come_first(steps, model):
    """No ColumnTransformer: the columns are those of the source, each encoded."""
    X, new = frame(1)[WORDS], frame(2)[WORDS]
    if steps == "ordinal":
        X, new = frame(1), frame(2)
    source = make_pipeline(*FIRST[steps], model).fit(X.where(X.notna(), np.nan), frame(1)["hours"] > 40)
    new = new.where(new.notna(), np.nan)
    new.loc[3, "town"] = "Unknown"
    labels, certified = Executor(optimize(convert(source), Options())).certified(new)
    np.testing.assert_array_equal(labels, source.predict(new))
    assert certified.all()


@pytest.mark.parametrize("strategy", ["most_frequent", "constant"])
def test_columns_fitted_as_numbers_may_hold_strings_behind_an_imputer_that_keeps_them(strategy):
    """With an indicator too; None is then no missing value, as for the source."""
    X = pandas.DataFrame({"a": [0.0, 1.0, np.nan, 2.0] * 9, "b": [3.0, 1.0, 2.0] * 12})
    imputed = make_pipeline(SimpleImputer(strategy=strategy, add_indicator=True), OneHotEncoder(handle_unknown="ignore"))
    source = make_pipeline(ColumnTransformer([("c", imputed, ["a", "b"])]), LogisticRegression()).fit(X, X["b"] > 1.5)
    served = qc.quantize(source)
    new = X.astype(object)
    new.iloc[1, 0], new.iloc[4, 1], new.iloc[5, 0], new.iloc[7, 0] = "strange", "1", None, True
    for rows in (X, new):
        np.testing.assert_allclose(served.decision_function(rows), source.decision_function(rows), rtol=1e-2, atol=1e-2)
        np.testing.assert_array_equal(served.predict(rows), source.predict(rows))


@pytest.mark.parametrize("encode", ["onehot", "onehot-dense", "ordinal"])
@pytest.mark.filterwarnings("ignore:The current default behavior, quantile_method")
def test_bins_of_a_table_s_columns(encode):
    X = frame(1)
    binned = make_pipeline(SimpleImputer(), KBinsDiscretizer(3, encode=encode))
    source = make_pipeline(ColumnTransformer([("n", binned, NUMBERS)]), LogisticRegression()).fit(X, X["hours"] > 40)
    served = qc.quantize(source)
    assert served.report()["served_by"] == "fused kernel", served.report()["slower_because"]
    np.testing.assert_array_equal(served.predict(frame(2)), source.predict(frame(2)))
    np.testing.assert_array_equal(served.predict(frame(2).to_dict("records")), source.predict(frame(2)))
    single = X.astype({"age": np.float32, "hours": np.float32})  # left to the reference
    np.testing.assert_array_equal(served.predict(single), source.predict(single))


def many(seed, n_rows):
    """Rows of a numeric part and of categories that are many, with values missing and unknown."""
    random = np.random.default_rng(seed)
    found = frame(seed, n_rows)
    found["street"] = random.choice([f"street {i}" for i in range(120 + 10 * seed)], n_rows)
    found["note"] = [" ".join(random.choice(["red", "blue", "green", "black"], 3)) for _ in range(n_rows)]
    found.loc[::9, "job"] = "unheard of"
    return found


EXACT = {
    "scaled": make_pipeline(SimpleImputer(), StandardScaler()),
    "ranges": make_pipeline(SimpleImputer(add_indicator=True), MinMaxScaler(clip=True)),
}
INEXACT = {
    "components": make_pipeline(SimpleImputer(), StandardScaler(), PCA()),
    "normalized": make_pipeline(SimpleImputer(), Normalizer()),
}
HEADS = [LogisticRegression(), RidgeClassifier(), LinearSVC(), SGDClassifier(random_state=0), MultinomialNB()]


def behind(numbers, sparse, head):
    columns = ColumnTransformer(
        [
            ("n", numbers, NUMBERS),
            ("w", OneHotEncoder(handle_unknown="ignore"), ["job", "street"]),
            ("t", TargetEncoder(target_type="binary"), ["town"]),
            ("note", TfidfVectorizer(), "note"),
        ],
        sparse_threshold=float(sparse),
        transformer_weights={"w": 0.7, "n": 3.0},
    )
    X = many(1, 600)
    return make_pipeline(columns, head).fit(X, (X["hours"] > 40) ^ (X["job"] == "cook"))


@pytest.mark.parametrize("head", HEADS, ids=lambda head: type(head).__name__)
@pytest.mark.parametrize("sparse", [False, True], ids=["dense", "sparse"])
@pytest.mark.parametrize("numbers", [*EXACT, *INEXACT])
def test_scores_are_within_their_bounds_of_the_source_s(numbers, sparse, head):
    if isinstance(head, MultinomialNB) and numbers != "ranges":
        return  # it takes no negative numbers
    source = behind((EXACT | INEXACT)[numbers], sparse, head)
    executor = Executor(optimize(convert(source), Options()))
    X = many(2, 1500)
    scores, bound = executor.scores(X)
    assert np.isfinite(bound).all()
    scored = getattr(source[-1], "decision_function", None) or source[-1].predict_joint_log_proba
    own = scored(source[:-1].transform(X)).reshape(len(X), -1)
    away = np.abs(own - scores).max(axis=1)
    if own.shape[1] > 1:  # where classes are compared alone, the scores of texts are all off by one number a row
        away = np.abs((own - own[:, :1]) - (scores - scores[:, :1])).max(axis=1) / 2.0
    assert (away <= bound).all()
    labels, certified = executor.certified(X)
    np.testing.assert_array_equal(labels[certified], source.predict(X)[certified])
    assert certified.mean() > 0.999


@pytest.mark.parametrize("sparse", [False, True], ids=["dense", "sparse"])
def test_what_tables_give_is_exact(sparse):
    """Up to the columns' product nothing is rounded, so bounds are those of the product alone."""
    source = behind(EXACT["scaled"], sparse, LogisticRegression())
    source[0].transformers_ = source[0].transformers_[:3]  # without the text, whose tf-idf rounds
    plan = convert(source[:1])
    value = Executor(plan)._evaluate(plan.outputs["transform"], Executor(plan)._input(many(2, 50)))
    assert value.error is None
    expected = source[0].transform(many(2, 50))
    assert isinstance(value.value, Csr) == hasattr(expected, "tocsr")
    if sparse:
        expected = expected.tocsr()
        expected.sort_indices()
        np.testing.assert_array_equal(value.value.data, expected.data)
        np.testing.assert_array_equal(value.value.indices, expected.indices)
    else:
        np.testing.assert_array_equal(value.value, expected)


def test_zeros_that_may_be_none_in_the_source_are_stored():
    """Beside one-hot columns a component that is 0 here, but within its error of it, keeps a bound of its own."""
    X = pandas.DataFrame({"a": [1.0, -1.0, 1e-9, 0.1] * 20, "b": [1.0, -1.0, -1e-9, 0.3] * 20, "c": ["x", "y", "z", "x"] * 20})
    columns = ColumnTransformer([("p", PCA(), ["a", "b"]), ("o", OneHotEncoder(), ["c"])], sparse_threshold=1)
    source = make_pipeline(columns, LogisticRegression()).fit(X, np.arange(80) % 2)
    plan = convert(source[:1])
    executor = Executor(plan)
    rows = X[:1].assign(a=columns.named_transformers_["p"].mean_[0], b=columns.named_transformers_["p"].mean_[1])
    value = executor._evaluate(plan.outputs["transform"], executor._input(rows))
    assert value.value.toarray()[0, :2].tolist() == [0.0, 0.0]
    assert value.error is not rounding.UNKNOWN and value.error.shape == value.value.data.shape == (3,)
    assert (value.error[:2] > 0.0).all() and value.error[2] == 0.0
    found = executor._evaluate(plan.outputs["transform"], executor._input(X))
    components = columns.named_transformers_["p"]
    for row, values, errors in zip(X.values, found.value.data.reshape(-1, 3), found.error.reshape(-1, 3), strict=True):
        for k in range(2):
            parts = zip(row[:2], components.mean_, components.components_[k], strict=True)
            real = sum((Fraction(float(x)) - Fraction(float(m))) * Fraction(float(w)) for x, m, w in parts)
            assert abs(Fraction(float(values[k])) - real) <= Fraction(float(errors[k]))


def test_what_follows_rounded_columns_is_open():
    """Codes, and leaves, of numbers that are not the source's bits may be others."""
    X = many(1, 300)
    steps = ColumnTransformer([("p", INEXACT["components"], NUMBERS)]), OneHotEncoder(handle_unknown="ignore")
    source = make_pipeline(*steps, LogisticRegression(max_iter=10)).fit(X, X["hours"] > 40)
    executor = Executor(convert(source))
    assert not executor.certified(X)[1].any()
