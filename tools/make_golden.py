#!/usr/bin/env python3
"""Golden artifacts: one small model for each family of ops, with what it has to answer for ever.

Usage: tools/make_golden.py [NAME ...]    (none: all that are not there yet)

Writes tests/golden/NAME.qc and NAME.json: rows, answers (dtype, shape, the bytes in hex), SHA-256 of the file, digest of its
content. What is there is never overwritten: a file that was written once has to be read for ever. A new family is a new function
here, with a new name.
"""

from __future__ import annotations

import hashlib
import json
import pickle
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

FOLDER = Path(__file__).resolve().parents[1] / "tests" / "golden"
# What NumPy and its BLAS compute differs in the last bits between CPUs, unless a compiled kernel stands for it.
INEXACT = {
    "Exp", "Isotonic", "Linear", "Log", "LogSoftmax", "NormalizeRows", "Power", "Project", "Quadratic", "Quantiles", "Sigmoid",
    "Softmax", "Softplus", "Spline", "TfIdf", "Ufunc", "PathScore", "PlanarLinear", "RowNorm", "Average", "Affine",
    "CodeScores", "ColumnUfunc", "PairConfidence", "ScoreUfunc", "WeightedMean",
}  # fmt: skip
PICKLED = ("text_word", "trees_gradient_boosting")
WORDS = (
    "account alarm balance book card cancel change check food hotel music play quick réserver transfer water 天気 weather".split()
)
FAMILIES: dict[str, Callable[[], tuple[Any, Any, dict[str, Any]]]] = {}


def family(function: Callable[[], Any]) -> Callable[[], Any]:
    """A function that gives a fitted source, rows and options of `quantize`."""
    FAMILIES[function.__name__] = function
    return function


def documents(n: int, seed: int) -> tuple[list[str], np.ndarray]:
    random = np.random.default_rng(seed)
    labels, words = random.integers(0, 3, n), WORDS
    texts = [
        " ".join(words[(5 * k + int(w)) % len(words)] for w in random.geometric(0.25, 1 + random.integers(7))) for k in labels
    ]
    return texts, labels


def numbers(n: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    random = np.random.default_rng(seed)
    x = np.round(random.normal(size=(n, 5)), 3)
    return x, np.round(x[:, 0] - x[:, 1] * x[:, 2] + 0.3 * random.normal(size=n), 3)


def _text(vectorizer: Any, last: Any, names: Any = ("de", "en", "日本"), **options: Any) -> Any:
    from sklearn.pipeline import make_pipeline

    texts, labels = documents(150, 1)
    source = make_pipeline(vectorizer, last).fit(texts, np.array(names)[labels % len(names)])
    return source, [*documents(4, 2)[0], "", "неизвестно"], options


def _table(source: Any, *, regression: bool = False, classes: int = 2, **options: Any) -> Any:
    x, y = numbers(160, 3)
    target = y if regression else np.digitize(y, np.quantile(y, np.arange(1, classes) / classes))
    return source.fit(x, target), numbers(5, 4)[0], options


@family
def text_word() -> Any:
    from sklearn.feature_extraction.text import CountVectorizer
    from sklearn.naive_bayes import MultinomialNB

    return _text(CountVectorizer(ngram_range=(1, 2), strip_accents="unicode"), MultinomialNB())


@family
def text_char() -> Any:
    from sklearn.feature_extraction.text import TfidfVectorizer
    from sklearn.svm import LinearSVC

    return _text(TfidfVectorizer(analyzer="char_wb", ngram_range=(1, 3), max_features=200), LinearSVC(random_state=0))


@family
def text_hash() -> Any:
    from sklearn.feature_extraction.text import HashingVectorizer
    from sklearn.linear_model import SGDClassifier

    return _text(HashingVectorizer(n_features=256), SGDClassifier(random_state=0), (False, True))


@family
def text_tfidf_sublinear() -> Any:
    from sklearn.feature_extraction.text import TfidfVectorizer
    from sklearn.linear_model import LogisticRegression

    return _text(TfidfVectorizer(sublinear_tf=True, stop_words=["book", "card"]), LogisticRegression(), ("ham", "spam"))


@family
def text_exact() -> Any:
    from sklearn.feature_extraction.text import TfidfVectorizer
    from sklearn.linear_model import LogisticRegression

    return _text(TfidfVectorizer(dtype=np.float32, smooth_idf=False), LogisticRegression(), guarantee="exact")


@family
def text_svd() -> Any:
    from sklearn.decomposition import TruncatedSVD
    from sklearn.feature_extraction.text import TfidfVectorizer
    from sklearn.linear_model import RidgeClassifier
    from sklearn.pipeline import make_pipeline

    return _text(TfidfVectorizer(max_features=15), make_pipeline(TruncatedSVD(3, random_state=0), RidgeClassifier()), (3, 5, 7))


@family
def records() -> Any:
    from sklearn.feature_extraction import DictVectorizer
    from sklearn.linear_model import RidgeClassifier
    from sklearn.pipeline import make_pipeline

    found = [{"word": text.split(" ")[0], "length": float(len(text))} for text in documents(120, 1)[0]]
    labels = documents(120, 1)[1]
    return make_pipeline(DictVectorizer(), RidgeClassifier()).fit(found, labels), found[:6], {}


@family
def table_linear() -> Any:
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    return _table(make_pipeline(StandardScaler(), LogisticRegression()), classes=3)


@family
def table_ridge() -> Any:
    from sklearn.linear_model import Ridge
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import PolynomialFeatures, RobustScaler

    return _table(make_pipeline(RobustScaler(), PolynomialFeatures(2), Ridge()), regression=True)


@family
def table_pca() -> Any:
    from sklearn.decomposition import PCA
    from sklearn.pipeline import make_pipeline
    from sklearn.svm import LinearSVC

    return _table(make_pipeline(PCA(3, random_state=0), LinearSVC(random_state=0)))


@family
def table_gaussian() -> Any:
    from sklearn.naive_bayes import GaussianNB

    return _table(GaussianNB(), classes=3)


@family
def table_columns() -> Any:
    from sklearn.linear_model import LinearRegression
    from sklearn.pipeline import make_pipeline, make_union
    from sklearn.preprocessing import PowerTransformer, QuantileTransformer, SplineTransformer

    several = make_union(PowerTransformer(), QuantileTransformer(n_quantiles=9, random_state=0), SplineTransformer(3))
    return _table(make_pipeline(several, LinearRegression()), regression=True)


@family
def table_multi_output() -> Any:
    from sklearn.linear_model import LogisticRegression
    from sklearn.multioutput import MultiOutputClassifier

    x, y = numbers(160, 3)
    both = np.stack([np.where(y > 0, "up", "down"), np.where(x[:, 3] > 0, "left", "right")], axis=1)
    return MultiOutputClassifier(LogisticRegression()).fit(x, both), numbers(5, 4)[0], {}


@family
def calibrated_sigmoid() -> Any:
    from sklearn.calibration import CalibratedClassifierCV
    from sklearn.svm import LinearSVC

    return _table(CalibratedClassifierCV(LinearSVC(random_state=0), cv=2))


@family
def calibrated_isotonic() -> Any:
    from sklearn.calibration import CalibratedClassifierCV
    from sklearn.linear_model import LogisticRegression

    return _table(CalibratedClassifierCV(LogisticRegression(), method="isotonic", cv=2), certify={"threshold": 0.25})


@family
def trees_single() -> Any:
    from sklearn.tree import DecisionTreeClassifier

    return _table(DecisionTreeClassifier(max_depth=4, random_state=0), classes=3)


@family
def trees_forest() -> Any:
    from sklearn.ensemble import RandomForestClassifier

    return _table(RandomForestClassifier(5, max_depth=4, random_state=0), classes=3)


@family
def trees_gradient_boosting() -> Any:
    from sklearn.ensemble import GradientBoostingClassifier

    return _table(GradientBoostingClassifier(n_estimators=6, max_depth=2, random_state=0))


@family
def trees_histogram() -> Any:
    from sklearn.ensemble import HistGradientBoostingRegressor

    source, rows, options = _table(HistGradientBoostingRegressor(max_iter=5, max_leaf_nodes=6), regression=True)
    rows[::3, 1] = np.nan
    return source, rows, options


@family
def trees_isolation() -> Any:
    from sklearn.ensemble import IsolationForest

    x, _ = numbers(160, 3)
    return IsolationForest(n_estimators=4, max_samples=16, random_state=0).fit(x), numbers(5, 4)[0], {}


@family
def trees_median() -> Any:
    from sklearn.ensemble import AdaBoostRegressor

    return _table(AdaBoostRegressor(n_estimators=4, random_state=0), regression=True)


@family
def trees_embedding() -> Any:
    from sklearn.ensemble import RandomTreesEmbedding
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline

    return _table(make_pipeline(RandomTreesEmbedding(3, max_depth=2, random_state=0), LogisticRegression()))


def _frame(n: int, seed: int) -> tuple[Any, np.ndarray]:
    import pandas

    random = np.random.default_rng(seed)
    frame = pandas.DataFrame(
        {
            "age": np.round(random.normal(45.0, 12.0, n), 1),
            "job": random.choice(["clerk", "smith", "cook"], n),
            "town": random.choice([f"town {i:02d}" for i in range(12)], n),
        }
    )
    frame.loc[::7, "age"] = np.nan
    return frame, (frame["age"].fillna(40) > 45).to_numpy() ^ (frame["job"] == "cook").to_numpy()


@family
def table_one_hot() -> Any:
    from sklearn.compose import ColumnTransformer
    from sklearn.impute import SimpleImputer
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import OneHotEncoder

    front = ColumnTransformer(
        [("n", SimpleImputer(add_indicator=True), ["age"]), ("w", OneHotEncoder(handle_unknown="ignore"), ["job", "town"])]
    )
    frame, y = _frame(200, 5)
    return make_pipeline(front, LogisticRegression()).fit(frame, y), _frame(8, 6)[0], {}


@family
def table_lookup() -> Any:
    from sklearn.compose import ColumnTransformer
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import OrdinalEncoder
    from sklearn.tree import DecisionTreeClassifier

    unknown = OrdinalEncoder(handle_unknown="use_encoded_value", unknown_value=-1)
    front = ColumnTransformer([("t", unknown, ["town"]), ("o", OrdinalEncoder(), ["job"])])
    frame, y = _frame(200, 5)
    return make_pipeline(front, DecisionTreeClassifier(max_depth=3, random_state=0)).fit(frame, y), _frame(8, 6)[0], {}


@family
def table_texts() -> Any:
    from sklearn.compose import ColumnTransformer
    from sklearn.feature_extraction.text import TfidfVectorizer
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import OneHotEncoder

    front = ColumnTransformer(
        [("t", TfidfVectorizer(), "text"), ("n", "passthrough", ["age"]), ("w", OneHotEncoder(handle_unknown="ignore"), ["town"])]
    )
    frames = []
    for n, seed in ((200, 5), (8, 6)):
        frame = _frame(n, seed)[0].fillna({"age": 40.0}).drop(columns="job")
        frames.append(frame.assign(text=documents(n, seed)[0]))
    return make_pipeline(front, LogisticRegression()).fit(frames[0], documents(200, 5)[1]), frames[1], {}


@family
def trees_xgboost() -> Any:
    from xgboost import XGBClassifier

    source, rows, options = _table(XGBClassifier(n_estimators=4, max_depth=2, n_jobs=1), classes=3)
    rows[::2, 0] = np.nan
    return source, rows, options


@family
def trees_lightgbm() -> Any:
    from lightgbm import LGBMRegressor

    x, y = numbers(160, 3)
    source = LGBMRegressor(n_estimators=4, num_leaves=4, objective="poisson", n_jobs=1, verbose=-1)
    return source.fit(x, np.abs(y)), numbers(5, 4)[0], {}


@family
def trees_means() -> Any:
    """Leaves that are sums over counts, thresholds of float64: codings of their own."""
    from lightgbm import LGBMRegressor

    return _table(LGBMRegressor(n_estimators=12, num_leaves=8, min_child_samples=5, n_jobs=1, verbose=-1), regression=True)


@family
def trees_steps() -> Any:
    """Thresholds of float64 between rows of float32: stored by the steps between them."""
    from lightgbm import LGBMClassifier

    x, y = numbers(400, 3)
    source = LGBMClassifier(n_estimators=20, num_leaves=12, min_child_samples=4, min_data_in_bin=1, n_jobs=1, verbose=-1)
    return source.fit(x.astype(np.float32), y > 0), numbers(5, 4)[0], {}


@family
def trees_rounded() -> Any:
    """Leaves on a grid, which certify nothing."""
    from sklearn.ensemble import GradientBoostingClassifier

    source = GradientBoostingClassifier(n_estimators=12, max_depth=3, random_state=0)
    return _table(source, calibration=numbers(160, 3)[0], guarantee="measured", min_agreement=0.95)


@family
def text_multi_label() -> Any:
    from sklearn.feature_extraction.text import CountVectorizer
    from sklearn.linear_model import SGDClassifier
    from sklearn.multiclass import OneVsRestClassifier
    from sklearn.pipeline import make_pipeline

    texts, labels = documents(120, 1)
    both = np.stack([labels == 1, labels != 2, np.array([" " in text for text in texts])], axis=1).astype(int)
    last = OneVsRestClassifier(SGDClassifier(loss="modified_huber", random_state=0))
    return make_pipeline(CountVectorizer(binary=True), last).fit(texts, both), [*documents(4, 2)[0], ""], {}


@family
def text_bernoulli() -> Any:
    from sklearn.feature_extraction.text import CountVectorizer
    from sklearn.naive_bayes import BernoulliNB

    return _text(CountVectorizer(max_features=12), BernoulliNB(binarize=1.0))


@family
def text_one_vs_rest() -> Any:
    from sklearn.feature_extraction.text import TfidfVectorizer
    from sklearn.linear_model import LogisticRegression
    from sklearn.multiclass import OneVsRestClassifier

    return _text(TfidfVectorizer(max_features=12), OneVsRestClassifier(LogisticRegression()))


@family
def records_hashed() -> Any:
    from sklearn.feature_extraction import FeatureHasher
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline

    texts, labels = documents(120, 1)
    found = [{f"word={text.split(' ')[0]}": 1.0, "length": float(len(text))} for text in texts]
    return make_pipeline(FeatureHasher(32), LogisticRegression(max_iter=500)).fit(found, labels), found[:6], {}


@family
def table_selected() -> Any:
    from sklearn.feature_selection import SelectKBest
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import FunctionTransformer, Normalizer

    front = make_pipeline(FunctionTransformer(np.arctan), Normalizer(), SelectKBest(k=3))
    return _table(make_pipeline(front, LogisticRegression()))


@family
def table_bins() -> Any:
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import KBinsDiscretizer

    return _table(make_pipeline(KBinsDiscretizer(4, strategy="uniform"), LogisticRegression()))


@family
def table_one_vs_one() -> Any:
    from sklearn.linear_model import LogisticRegression
    from sklearn.multiclass import OneVsOneClassifier

    return _table(OneVsOneClassifier(LogisticRegression()), classes=3)


@family
def table_output_code() -> Any:
    from sklearn.linear_model import LogisticRegression
    from sklearn.multiclass import OutputCodeClassifier

    return _table(OutputCodeClassifier(LogisticRegression(), code_size=2, random_state=0), classes=3)


def _members() -> list[tuple[str, Any]]:
    from sklearn.linear_model import LogisticRegression
    from sklearn.naive_bayes import GaussianNB
    from sklearn.tree import DecisionTreeClassifier

    return [("l", LogisticRegression()), ("n", GaussianNB()), ("t", DecisionTreeClassifier(max_depth=2, random_state=0))]


@family
def table_votes() -> Any:
    from sklearn.ensemble import VotingClassifier

    return _table(VotingClassifier(_members(), weights=[1, 1.5, 2]), classes=3)


@family
def table_mean_of_members() -> Any:
    from sklearn.ensemble import VotingClassifier

    return _table(VotingClassifier(_members(), voting="soft", flatten_transform=False), classes=3)


@family
def table_chain() -> Any:
    from sklearn.linear_model import LogisticRegression
    from sklearn.multioutput import ClassifierChain

    x, y = numbers(160, 3)
    both = np.stack([y > 0, x[:, 3] + y > 0.2], axis=1).astype(int)
    return ClassifierChain(LogisticRegression(), order=[1, 0]).fit(x, both), numbers(5, 4)[0], {}


@family
def table_stacked() -> Any:
    from sklearn.ensemble import StackingClassifier
    from sklearn.linear_model import LogisticRegression

    members = [_members()[0], _members()[2]]
    return _table(StackingClassifier(members, LogisticRegression(), cv=2, passthrough=True, stack_method="predict"))


@family
def table_transformed_target() -> Any:
    from sklearn.compose import TransformedTargetRegressor
    from sklearn.linear_model import Ridge

    x, y = numbers(160, 3)
    source = TransformedTargetRegressor(Ridge(), func=np.arcsinh, inverse_func=np.sinh)
    return source.fit(x, y), numbers(5, 4)[0], {}


@family
def table_of_all_kinds() -> Any:
    from sklearn.compose import ColumnTransformer
    from sklearn.feature_extraction.text import CountVectorizer
    from sklearn.impute import MissingIndicator, SimpleImputer
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import FunctionTransformer, OneHotEncoder, OrdinalEncoder

    def frame(n: int, seed: int) -> Any:
        found, y = _frame(n, seed)
        found["said"] = documents(n, seed)[0]
        found["job"] = found["job"].where(np.arange(n) % 5 > 0, None)
        found["size"] = np.round(np.random.default_rng(seed).random(n), 2)
        return found, y

    kinds = make_pipeline(SimpleImputer(strategy="most_frequent"), OneHotEncoder(handle_unknown="ignore"))
    passed = ColumnTransformer([("o", OrdinalEncoder(), ["town"])], remainder="passthrough")
    front = ColumnTransformer(
        [
            ("text", CountVectorizer(max_features=6), "said"),
            ("roots", FunctionTransformer(np.sqrt), ["size"]),
            ("kinds", kinds, ["job"]),
            ("lost", MissingIndicator(), ["age"]),
            ("passed", make_pipeline(passed, SimpleImputer()), ["town", "size"]),
        ]
    )
    rows, y = frame(200, 5)
    return make_pipeline(front, LogisticRegression(max_iter=500)).fit(rows, y), frame(8, 6)[0], {}


@family
def trees_lightgbm_root() -> Any:
    from lightgbm import LGBMRegressor

    x, y = numbers(160, 3)
    source = LGBMRegressor(n_estimators=3, num_leaves=4, reg_sqrt=True, n_jobs=1, verbose=-1)
    return source.fit(x, y), numbers(5, 4)[0], {}


@family
def trees_lightgbm_lambda() -> Any:
    from lightgbm import LGBMRegressor

    x, y = numbers(160, 3)
    source = LGBMRegressor(n_estimators=3, num_leaves=4, objective="cross_entropy_lambda", n_jobs=1, verbose=-1)
    return source.fit(x, (y > 0).astype(float)), numbers(5, 4)[0], {}


@family
def table_quadratic() -> Any:
    from sklearn.discriminant_analysis import QuadraticDiscriminantAnalysis

    return _table(QuadraticDiscriminantAnalysis())


@family
def table_joined() -> Any:
    from sklearn.compose import ColumnTransformer
    from sklearn.impute import SimpleImputer
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import OneHotEncoder

    frame, y = _frame(200, 5)
    filled = ColumnTransformer([("age", SimpleImputer(), ["age"]), ("job", "passthrough", ["job"])])
    encoded = ColumnTransformer([("job", OneHotEncoder(), [1])], remainder="passthrough")
    return make_pipeline(filled, encoded, LogisticRegression(max_iter=500)).fit(frame, y), _frame(8, 6)[0], {}


def stored(value: Any) -> Any:
    """An answer as JSON, every bit of it."""
    if isinstance(value, list):
        return [stored(v) for v in value]
    if hasattr(value, "toarray"):
        return stored(value.toarray())
    array = np.asarray(value)
    plain = {"dtype": array.dtype.str, "shape": list(array.shape)}
    return {**plain, "values": array.tolist()} if array.dtype.kind in "OUb" else {**plain, "hex": array.tobytes().hex()}


def rows_stored(rows: Any) -> Any:
    """Rows as JSON: documents and records as they are, a matrix as an answer, a data frame as a dict of columns."""
    if isinstance(rows, np.ndarray):
        return stored(rows)
    return {"columns": rows.to_dict("list")} if hasattr(rows, "to_dict") else rows


def make(name: str) -> None:
    import quantcore as qc

    source, rows, options = FAMILIES[name]()
    model = qc.quantize(source, **options)
    plan = model._artifact.plan
    fused = model.report()["served_by"] == "fused kernel"
    methods = {}
    for method in sorted(plan.outputs):
        found = stored(model.run(method, rows))
        kinds = {plan.ops[i].kind for i in plan.needed(method)}
        labels = method == "predict" and hasattr(model, "classes_")
        exact = labels or not kinds & INEXACT or (fused and method in ("predict", "decision_function"))
        methods[method] = {"answer": found, "exact": exact}
    expected = {
        "sha256": hashlib.sha256(model.data).hexdigest(),
        "digest": model.digest,
        "ops": sorted({op.kind for op in plan.ops}),
        "rows": rows_stored(rows),
        "methods": methods,
    }
    FOLDER.mkdir(exist_ok=True)
    with open(FOLDER / f"{name}.qc", "xb") as file:
        file.write(model.data)
    with open(FOLDER / f"{name}.json", "x", encoding="utf-8") as file:
        json.dump(expected, file, ensure_ascii=False, separators=(",", ":"), sort_keys=True)
        file.write("\n")
    if name in PICKLED:
        with open(FOLDER / f"{name}.pickle", "xb") as file:
            pickle.dump(model, file, protocol=4)


def main(names: list[str]) -> None:
    for name in names or FAMILIES:
        if not (FOLDER / f"{name}.qc").exists():
            make(name)
            print(name, (FOLDER / f"{name}.qc").stat().st_size, (FOLDER / f"{name}.json").stat().st_size)


if __name__ == "__main__":
    main(sys.argv[1:])
