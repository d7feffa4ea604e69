"""What can't be converted: all of it is named at once, with advice."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.sparse import csr_matrix
from sklearn._loss.loss import HalfBinomialLoss
from sklearn.calibration import CalibratedClassifierCV
from sklearn.compose import ColumnTransformer
from sklearn.decomposition import PCA
from sklearn.discriminant_analysis import QuadraticDiscriminantAnalysis
from sklearn.ensemble import (
    AdaBoostClassifier,
    AdaBoostRegressor,
    BaggingRegressor,
    GradientBoostingClassifier,
    HistGradientBoostingRegressor,
    RandomTreesEmbedding,
)
from sklearn.exceptions import NotFittedError
from sklearn.feature_extraction import DictVectorizer
from sklearn.feature_extraction.text import CountVectorizer, HashingVectorizer, TfidfVectorizer
from sklearn.feature_selection import SelectFromModel
from sklearn.impute import KNNImputer, MissingIndicator, SimpleImputer
from sklearn.linear_model import Lasso, LogisticRegression, Ridge, SGDClassifier
from sklearn.model_selection import GridSearchCV
from sklearn.multiclass import OneVsRestClassifier
from sklearn.naive_bayes import GaussianNB, MultinomialNB
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import FeatureUnion, make_pipeline
from sklearn.preprocessing import (
    FunctionTransformer,
    KBinsDiscretizer,
    Normalizer,
    OneHotEncoder,
    OrdinalEncoder,
    PolynomialFeatures,
    PowerTransformer,
    QuantileTransformer,
    SplineTransformer,
    StandardScaler,
)
from sklearn.tree import DecisionTreeClassifier

from quantcore.errors import UnsupportedModelError
from quantcore.importers import convert

DOCUMENTS = ["the cat sat", "a dog ran", "cat and dog", "the dog sat", "cat ran", "a mat"]
LABELS = [0, 1, 0, 1, 0, 1]


def obstacles(estimator):
    with pytest.raises(UnsupportedModelError) as caught:
        convert(estimator)
    assert all(o.advice for o in caught.value.obstacles)
    return [(o.estimator, o.parameter) for o in caught.value.obstacles]


@pytest.mark.parametrize("name", ["tokenizer", "preprocessor", "analyzer", "strip_accents"])
@pytest.mark.filterwarnings("ignore")
def test_callables(name):
    settings = {"tokenizer": str.split, "preprocessor": str.upper, "analyzer": str.split, "strip_accents": str.lower}
    vectorizer = TfidfVectorizer(**{name: settings[name]}).fit(DOCUMENTS)
    assert obstacles(vectorizer) == [("TfidfVectorizer", name)]
    assert obstacles(HashingVectorizer(**{name: settings[name]})) == [("HashingVectorizer", name)]


def test_a_tokenizer_that_is_not_used(corpus):
    with pytest.warns(UserWarning):
        vectorizer = CountVectorizer(analyzer="char", tokenizer=str.split).fit(DOCUMENTS)
    convert(vectorizer)


@pytest.mark.filterwarnings("ignore")
def test_all_obstacles_at_once():
    union = FeatureUnion(
        [
            ("a", TfidfVectorizer(tokenizer=str.split)),
            ("b", CountVectorizer(preprocessor=str.lower, ngram_range=(1, 2))),
            ("c", CountVectorizer()),
        ]
    )
    model = make_pipeline(union, KNeighborsClassifier(2)).fit(DOCUMENTS, LABELS)
    assert obstacles(model) == [
        ("TfidfVectorizer", "tokenizer"),
        ("CountVectorizer", "preprocessor"),
        ("KNeighborsClassifier", ""),
    ]


def test_an_unknown_step_hides_no_later_obstacle():
    X = np.random.default_rng(0).random((6, 2))
    model = make_pipeline(FunctionTransformer(np.round), KNeighborsClassifier(2)).fit(X, LABELS)
    assert obstacles(model) == [("FunctionTransformer", "func"), ("KNeighborsClassifier", "")]


def test_strangers_classes_and_subclasses():
    class Mine(LogisticRegression):
        pass

    assert obstacles(object()) == [("object", "")]
    with pytest.raises(UnsupportedModelError, match="pass an instance"):
        convert(LogisticRegression)
    with pytest.raises(UnsupportedModelError, match="fit a plain LogisticRegression"):
        convert(make_pipeline(CountVectorizer(), Mine()).fit(DOCUMENTS, LABELS))


def test_passthrough_branches():
    assert obstacles(FeatureUnion([("v", CountVectorizer()), ("a", "passthrough")]).fit(DOCUMENTS)) == [("FeatureUnion", "a")]


@pytest.mark.parametrize("range_", [(0, 1), (0, 2), (-1, 1)])
def test_ngram_ranges_below_one(range_):
    assert obstacles(HashingVectorizer(ngram_range=range_)) == [("HashingVectorizer", "ngram_range")]


def test_empty_tokens():
    assert obstacles(CountVectorizer(token_pattern=r"\w*").fit(DOCUMENTS)) == [("CountVectorizer", "token_pattern")]


@pytest.mark.filterwarnings("ignore")
def test_infinite_coefficients():
    model = make_pipeline(CountVectorizer(), MultinomialNB(alpha=0.0, force_alpha=True)).fit(DOCUMENTS, LABELS)
    assert obstacles(model) == [("MultinomialNB", "")]


def test_a_search_that_kept_no_model():
    search = GridSearchCV(make_pipeline(CountVectorizer(), LogisticRegression()), {}, refit=False, cv=2)
    assert obstacles(search.fit(DOCUMENTS, LABELS)) == [("GridSearchCV", "refit")]


def test_sparse_labels():
    import scipy.sparse as sp

    Y = sp.csr_matrix(np.array([[1, 0], [0, 1], [1, 1], [0, 1], [1, 0], [0, 1]]))
    model = make_pipeline(CountVectorizer(), OneVsRestClassifier(LogisticRegression())).fit(DOCUMENTS, Y)
    assert obstacles(model) == [("OneVsRestClassifier", "")]


@pytest.mark.parametrize(
    "model",
    [
        make_pipeline(CountVectorizer(), LogisticRegression()),
        make_pipeline(HashingVectorizer(), SGDClassifier()),
        CalibratedClassifierCV(),
        OneVsRestClassifier(LogisticRegression()),
        GridSearchCV(LogisticRegression(), {}),
        MultinomialNB(),
    ],
    ids=lambda m: type(m).__name__,
)
def test_not_fitted(model):
    with pytest.raises(NotFittedError):
        convert(model)


def test_nothing_to_convert():
    assert obstacles(make_pipeline("passthrough")) == [("Pipeline", "")]


RANDOM = np.random.default_rng(3)
X = np.round(RANDOM.normal(size=(60, 4)), 2)
Y, TARGET = np.arange(60) % 3, X @ np.arange(4.0)
EMPTY = np.c_[X[:, :2], np.full(60, np.nan)]
BITS = np.tile([[1, 0]], (6, 1))
WORDS = np.array([["a"], ["b"]], object)


def changed(fitted, **attributes):
    vars(fitted).update(attributes)
    return fitted


def leaves(fitted):
    encoder = fitted.one_hot_encoder_
    encoder.categories_ = encoder.categories_[::-1]
    return fitted


# What was fitted, and the one parameter that is named.
FITTED = {
    "a boosted linear model": (
        lambda: changed(AdaBoostClassifier(LogisticRegression(), n_estimators=2).fit(X, Y), algorithm="SAMME"),
        "estimator",
    ),
    "a boosted regression": (lambda: AdaBoostRegressor(Ridge(), n_estimators=2).fit(X, TARGET), "estimator"),
    "SAMME.R": (lambda: changed(AdaBoostClassifier(n_estimators=2).fit(X, Y), algorithm="SAMME.R"), "algorithm"),
    "boosting of one class": (lambda: changed(AdaBoostClassifier(n_estimators=2).fit(X, Y * 0), algorithm="SAMME"), ""),
    "a start that is a model": (lambda: GradientBoostingClassifier(n_estimators=2, init=LogisticRegression()).fit(X, Y), "init"),
    "bagging of lines": (lambda: BaggingRegressor(Ridge(), n_estimators=2).fit(X, TARGET), "estimator"),
    "a loss of another link": (
        lambda: HistGradientBoostingRegressor(max_iter=2, loss=HalfBinomialLoss()).fit(X, (Y > 0).astype(float)),
        "loss",
    ),
    "leaves in another order": (lambda: leaves(RandomTreesEmbedding(2, random_state=0).fit(X)), ""),
    "more features than trees name": (
        lambda: DecisionTreeClassifier(max_depth=1, max_features=1).fit(
            csr_matrix((np.ones(2), ([0, 1], [0, 1])), (4, 2**20 + 1)), BITS[:4, 0] * [0, 1, 1, 0]
        ),
        "n_features_in_",
    ),
    "constants over documents": (
        lambda: OneVsRestClassifier(make_pipeline(CountVectorizer(), LogisticRegression())).fit(DOCUMENTS, BITS),
        "",
    ),
    "an imputer of nothing": (lambda: SimpleImputer().fit(EMPTY[:, 2:]), ""),
    "an imputer of no objects": (lambda: SimpleImputer(strategy="most_frequent").fit(np.full((3, 1), np.nan, object)), ""),
    "an indicator of nothing": (lambda: MissingIndicator().fit(X), "features"),
    "a scaler of nothing": (lambda: StandardScaler().fit(EMPTY), ""),
    "quantiles of nothing": (lambda: QuantileTransformer(n_quantiles=5).fit(EMPTY), ""),
    "bins without end": (lambda: bins(np.inf), ""),
    "knots without end": (lambda: knots(np.inf), ""),
    "powers without end": (lambda: changed(PowerTransformer().fit(X), lambdas_=np.array([1.0, np.nan, 1.0, 1.0])), ""),
    "one spline, continued": (lambda: SplineTransformer(2, degree=0, extrapolation="linear").fit(X), "extrapolation"),
    "too many products": (lambda: PolynomialFeatures(8).fit(np.zeros((1, 30))), "degree"),
    "rows of unknown width": (lambda: Normalizer(), ""),
    "no feature selected": (lambda: SelectFromModel(Lasso(alpha=1e9)).fit(X, TARGET), ""),
    "no component": (lambda: changed(PCA(2).fit(X), components_=np.full((2, 4), np.nan)), ""),
    "records of nothing": (lambda: DictVectorizer().fit([{}]), ""),
    "a variance of 0": (lambda: GaussianNB(var_smoothing=0.0).fit(np.c_[X, np.ones(60)], Y), ""),
    "a prior of 0": (lambda: QuadraticDiscriminantAnalysis(priors=[0.0, 0.5, 0.5]).fit(X, Y), ""),
    "weights that are NaN": (lambda: changed(LogisticRegression().fit(X, Y), coef_=np.full((3, 4), np.nan)), ""),
    "labels that are dates": (
        lambda: LogisticRegression().fit(X, np.array(["2020", "2021", "2022"], "datetime64[Y]")[Y]),
        "classes_",
    ),
    "categories that are dates": (lambda: OneHotEncoder().fit(np.array([["2020"], ["2021"]], "datetime64[Y]")), "categories"),
    "an unknown value out of range": (
        lambda: OrdinalEncoder(handle_unknown="use_encoded_value", unknown_value=1000, dtype=np.int8).fit(WORDS),
        "unknown_value",
    ),
    "categories that are all dropped": (lambda: OneHotEncoder(drop="first").fit(WORDS[:1]), "drop"),
    "a union of nothing": (lambda: FeatureUnion([("a", "drop")]).fit(X), "transformer_list"),
    "columns of nothing": (lambda: ColumnTransformer([("a", "drop", [0])]).fit(X), "transformers"),
    "a step behind labels": (
        lambda: changed(make_pipeline(StandardScaler()), steps=[(name, LogisticRegression().fit(X, Y)) for name in "ab"]),
        "b",
    ),
    "a pattern that is none": (lambda: changed(CountVectorizer().fit(DOCUMENTS), token_pattern=None), "token_pattern"),
}


def bins(edge):
    fitted = KBinsDiscretizer(3, strategy="uniform").fit(X)
    fitted.bin_edges_[0][1] = edge
    return fitted


def knots(knot):
    fitted = SplineTransformer().fit(X)
    fitted.bsplines_[0].t[5] = knot
    return fitted


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("name", FITTED)
def test_fitted_state_that_can_not_be_stored(name):
    make, parameter = FITTED[name]
    model = make()
    assert obstacles(model) == [(type(model).__name__, parameter)]


def branches(*parts):
    return changed(FeatureUnion([("a", CountVectorizer())]).fit(DOCUMENTS), transformer_list=list(zip("ab", parts, strict=True)))


@pytest.mark.parametrize(
    ("parts", "words"),
    [
        ((CountVectorizer().fit(DOCUMENTS), StandardScaler().fit(X)), "it reads a matrix, but another branch"),
        ((CountVectorizer().fit(DOCUMENTS), OneHotEncoder().fit(WORDS)), "it reads a table, but another branch"),
        ((DictVectorizer().fit([{"a": 1}]), OneHotEncoder().fit(WORDS)), "of the model reads records"),
        ((DictVectorizer().fit([{"a": 1}]), CountVectorizer().fit(DOCUMENTS)), "a vectorizer must be the first step"),
        ((StandardScaler().fit(X), DictVectorizer().fit([{"a": 1}])), "it must be the first step, over records alone"),
    ],
    ids=range(5),
)
def test_branches_that_read_different_things(parts, words):
    with pytest.raises(UnsupportedModelError) as caught:
        convert(branches(*parts))
    [obstacle] = caught.value.obstacles
    assert obstacle.estimator == type(parts[1]).__name__ and words in obstacle.advice


def test_a_transformer_of_columns_is_the_only_obstacle():
    model = ColumnTransformer([("near", KNNImputer(), [0, 1]), ("scaler", StandardScaler(), [2, 3])]).fit(X)
    assert obstacles(model) == [("KNNImputer", "")]


def test_a_vocabulary_of_nothing():
    with pytest.raises(ValueError, match="the vocabulary is empty"):
        convert(changed(CountVectorizer().fit(DOCUMENTS), vocabulary_={}))
