"""Ensembles of whole models: Plans that do what scikit-learn's own do, and what stands in the way of the others."""

from __future__ import annotations

import warnings

import numpy as np
import pytest
import scipy.sparse as sp
import sklearn
from sklearn.base import is_regressor
from sklearn.calibration import CalibratedClassifierCV
from sklearn.compose import TransformedTargetRegressor
from sklearn.ensemble import (
    RandomForestClassifier,
    RandomForestRegressor,
    StackingClassifier,
    StackingRegressor,
    VotingClassifier,
    VotingRegressor,
)
from sklearn.feature_extraction.text import CountVectorizer, TfidfVectorizer
from sklearn.linear_model import LogisticRegression, Ridge, RidgeClassifier
from sklearn.model_selection import GridSearchCV
from sklearn.multiclass import OneVsOneClassifier, OneVsRestClassifier, OutputCodeClassifier
from sklearn.multioutput import ClassifierChain, MultiOutputClassifier, MultiOutputRegressor, RegressorChain
from sklearn.naive_bayes import GaussianNB, MultinomialNB
from sklearn.neighbors import KNeighborsClassifier, KNeighborsRegressor
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import MaxAbsScaler, MinMaxScaler, PowerTransformer, RobustScaler, StandardScaler
from sklearn.semi_supervised import SelfTrainingClassifier
from sklearn.svm import SVC, LinearSVC
from sklearn.tree import DecisionTreeClassifier, DecisionTreeRegressor

from quantcore.errors import UnsupportedModelError
from quantcore.importers import convert
from quantcore.reference import run

VERSION = tuple(map(int, sklearn.__version__.split(".")[:2]))
RANDOM = np.random.default_rng(21)
X = np.round(RANDOM.normal(size=(150, 6)), 1)
NEW = np.vstack([X, RANDOM.normal(size=(150, 6)) * 2, np.zeros((1, 6))])
LABELS = (X[:, 0] + X[:, 1] ** 2 > 0.5).astype(int) + (X[:, 2] > 0.5)
INDICATORS = np.c_[LABELS == 0, LABELS > 1, X[:, 3] > 0].astype(int)
TARGET = X @ RANDOM.normal(size=6) + 0.1 * RANDOM.normal(size=150)
NAMES = {
    "int": np.array([7, -2, 30]),
    "str": np.array(["no", "yes", "perhaps"]),
    "object": np.array(["no", "yes", "perhaps"], object),
}

pytestmark = pytest.mark.filterwarnings("ignore")


def members(*, soft=False):
    found = [
        ("linear", LogisticRegression()),
        ("svc", LinearSVC()),
        ("bayes", GaussianNB()),
        ("forest", RandomForestClassifier(5, max_depth=4, random_state=0)),
    ]
    return [m for m in found if m[0] != "svc"] if soft else found


def trees():
    return [(str(d), DecisionTreeClassifier(max_depth=d, random_state=0)) for d in (2, 3, 5)]


def texts(*, soft=False):
    tfidf = TfidfVectorizer(sublinear_tf=True)
    found = [
        ("linear", make_pipeline(tfidf, LogisticRegression())),
        ("svc", make_pipeline(tfidf, LinearSVC())),
        ("bayes", make_pipeline(CountVectorizer(), MultinomialNB())),
    ]
    return [m for m in found if m[0] != "svc"] if soft else found


CLASSIFIERS = {
    "hard": lambda: VotingClassifier(members()),
    "hard, weighted": lambda: VotingClassifier(members(), weights=[0.5, 1, 0.25, 0.25]),
    "hard, of trees": lambda: VotingClassifier(trees()),
    "hard, one dropped": lambda: VotingClassifier([*members(), ("none", "drop")], weights=[1, 2, 3, 4, 5]),
    "soft": lambda: VotingClassifier(members(soft=True), voting="soft"),
    "soft, weighted": lambda: VotingClassifier(members(soft=True), voting="soft", weights=[2, 1, 0.5]),
    "soft, layers": lambda: VotingClassifier(members(soft=True), voting="soft", flatten_transform=False),
    "soft, of trees": lambda: VotingClassifier(trees(), voting="soft"),
    "stacked": lambda: StackingClassifier(members(), cv=2),
    "stacked, rows passed": lambda: StackingClassifier(members(), cv=2, passthrough=True),
    "stacked, labels": lambda: StackingClassifier(members(), cv=2, stack_method="predict"),
    "stacked, forest": lambda: StackingClassifier(members(), RandomForestClassifier(5, random_state=0), cv=2),
    "stacked, pipeline": lambda: StackingClassifier(members(), make_pipeline(StandardScaler(), LinearSVC()), cv=2),
    "stacked, regressor": lambda: StackingClassifier([*members(), ("ridge", Ridge())], cv=2),
    "pairs": lambda: OneVsOneClassifier(LinearSVC()),
    "pairs of trees": lambda: OneVsOneClassifier(DecisionTreeClassifier(max_depth=2, random_state=0)),
    "pairs of forests": lambda: OneVsOneClassifier(RandomForestClassifier(4, max_depth=3, random_state=0)),
    "nested": lambda: VotingClassifier([("a", VotingClassifier(members())), ("b", OneVsOneClassifier(LinearSVC()))]),
    "in a pipeline": lambda: make_pipeline(StandardScaler(), VotingClassifier(members())),
    "in a search": lambda: GridSearchCV(VotingClassifier(members()), {"linear__C": [0.1, 1.0]}, cv=2),
    "calibrated": lambda: CalibratedClassifierCV(VotingClassifier(members(soft=True), voting="soft"), cv=2),
    "calibrated pairs": lambda: CalibratedClassifierCV(OneVsOneClassifier(LinearSVC()), cv=2),
    "one-vs-rest": lambda: OneVsRestClassifier(VotingClassifier(members(soft=True), voting="soft")),
    "codes": lambda: OutputCodeClassifier(LinearSVC(), code_size=3, random_state=0),
    "codes of trees": lambda: OutputCodeClassifier(
        DecisionTreeClassifier(max_depth=3, random_state=0), code_size=4, random_state=0
    ),
}


@pytest.mark.parametrize("kind", NAMES)
@pytest.mark.parametrize("name", CLASSIFIERS)
def test_classifiers(name, kind, same):
    same(CLASSIFIERS[name]().fit(X, NAMES[kind][LABELS]), NEW, exact=False)


@pytest.mark.parametrize("kind", ["str", "bool"])
@pytest.mark.parametrize("name", [n for n in CLASSIFIERS if "codes" not in n])
def test_two_classes(name, kind, same):
    y = LABELS == 1 if kind == "bool" else NAMES["str"][(LABELS == 1).astype(int)]
    same(CLASSIFIERS[name]().fit(X, y), NEW, exact=False)


def test_sparse_rows(same):
    given, new = sp.csr_matrix(X), sp.csr_matrix(NEW)
    forest = RandomForestClassifier(5, max_depth=4, random_state=0)
    found = [("linear", LogisticRegression()), ("svc", LinearSVC()), ("forest", forest)]
    for model in (
        VotingClassifier(found),
        StackingClassifier(found, cv=2),
        StackingClassifier(found, cv=2, passthrough=True),
        StackingClassifier(found, forest, cv=2, passthrough=True),
        OneVsOneClassifier(LinearSVC()),
        OutputCodeClassifier(LogisticRegression(), code_size=3, random_state=1),
        SelfTrainingClassifier(LogisticRegression()),
    ):
        same(model.fit(given, LABELS), new, exact=False)
    same(ClassifierChain(LogisticRegression()).fit(given, INDICATORS), new, exact=False)


@pytest.mark.parametrize("passthrough", [False, True])
def test_fitted_members(passthrough, same):
    y = NAMES["str"][LABELS]
    fitted = [(name, member.fit(X, y)) for name, member in members()]
    same(StackingClassifier(fitted, cv="prefit", passthrough=passthrough).fit(X, y), NEW, exact=False)
    if VERSION >= (1, 6):
        from sklearn.frozen import FrozenEstimator

        frozen = [(name, FrozenEstimator(member)) for name, member in fitted]
        same(StackingClassifier(frozen, cv="prefit", passthrough=passthrough).fit(X, y), NEW, exact=False)


def test_stacked_labels(same):
    first = [
        ("forest", RandomForestClassifier(5, max_depth=3, random_state=0)),
        ("rest", OneVsRestClassifier(LogisticRegression())),
    ]
    for columns in (INDICATORS, INDICATORS[:, :2]):
        for final in (MultiOutputClassifier(LogisticRegression()), RandomForestClassifier(5, max_depth=3, random_state=0)):
            same(StackingClassifier([*first, ("ridge", RidgeClassifier())], final, cv=2).fit(X, columns), NEW, exact=False)


TEXTS = {
    "hard": lambda: VotingClassifier(texts(), weights=[1, 0.5, 0.7]),
    "soft": lambda: VotingClassifier(texts(soft=True), voting="soft"),
    "stacked": lambda: StackingClassifier(texts(), cv=2),
    "codes": lambda: OutputCodeClassifier(texts()[1][1], code_size=3, random_state=0),
    "behind": lambda: make_pipeline(TfidfVectorizer(), VotingClassifier([("a", LogisticRegression()), ("b", MultinomialNB())])),
    "rows passed": lambda: make_pipeline(TfidfVectorizer(), StackingClassifier([("a", LinearSVC())], cv=2, passthrough=True)),
    "pairs": lambda: make_pipeline(TfidfVectorizer(), OneVsOneClassifier(MultinomialNB())),
    "calibrated": lambda: CalibratedClassifierCV(VotingClassifier(texts(soft=True), voting="soft"), cv=2),
}


@pytest.mark.parametrize("name", TEXTS)
def test_texts(name, corpus, odd, same):
    documents, y = corpus
    plan = same(TEXTS[name]().fit(documents, y), odd, exact=False)
    if name != "calibrated":  # whose folds have vocabularies of their own
        assert [op.kind for op in plan.ops].count("Text") == 1


def test_a_shared_transformer_is_there_once(corpus, odd, same):
    plan = same(
        VotingClassifier([(str(c), make_pipeline(StandardScaler(), LogisticRegression(C=c))) for c in (1, 2, 3)]).fit(X, LABELS),
        NEW,
    )
    assert [op.kind for op in plan.ops].count("Affine") == 1
    documents, y = corpus
    pairs = [(str(c), make_pipeline(TfidfVectorizer(), LogisticRegression(C=c))) for c in (1, 2)]
    plan = same(VotingClassifier(pairs).fit(documents, y), odd)
    assert [[op.kind for op in plan.ops].count(kind) for kind in ("Text", "TfIdf")] == [1, 1]


CHAINS = {
    "predict": lambda: ClassifierChain(LogisticRegression(), order=[2, 0, 1]),
    "random order": lambda: ClassifierChain(LinearSVC(), order="random", random_state=1),
    "trees": lambda: ClassifierChain(DecisionTreeClassifier(max_depth=3, random_state=0)),
    "pipeline": lambda: ClassifierChain(make_pipeline(StandardScaler(), LogisticRegression()), cv=2),
    **(
        {
            "predict_proba": lambda: ClassifierChain(LogisticRegression(), chain_method="predict_proba", order=[1, 2, 0]),
            "predict_log_proba": lambda: ClassifierChain(GaussianNB(), chain_method="predict_log_proba"),
            "decision_function": lambda: ClassifierChain(LinearSVC(), chain_method="decision_function"),
            "forests": lambda: ClassifierChain(RandomForestClassifier(4, random_state=0), chain_method="predict_proba"),
        }
        if VERSION >= (1, 5)
        else {}
    ),
}


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize("name", CHAINS)
def test_chains(name, dtype, same):
    same(CHAINS[name]().fit(X.astype(dtype), INDICATORS), NEW.astype(dtype), exact=False)


def test_chains_of_other_labels():
    """Of several classes scikit-learn's chain can predict, and nothing else."""
    model = ClassifierChain(DecisionTreeClassifier(max_depth=3)).fit(X, np.c_[LABELS * 10, LABELS > 0])
    plan = convert(model)
    assert set(plan.outputs) == {"predict"}
    np.testing.assert_array_equal(run(plan, NEW), model.predict(NEW))


REGRESSORS = {
    "mean": lambda: VotingRegressor([("a", Ridge()), ("b", DecisionTreeRegressor(max_depth=4))]),
    "weighted mean": lambda: VotingRegressor([("a", Ridge()), ("b", RandomForestRegressor(5))], weights=[1, 3]),
    "stacked": lambda: StackingRegressor([("a", Ridge()), ("b", DecisionTreeRegressor(max_depth=4))], cv=2),
    "stacked, rows passed": lambda: StackingRegressor([("a", Ridge())], RandomForestRegressor(5), cv=2, passthrough=True),
    "standard": lambda: TransformedTargetRegressor(Ridge(), transformer=StandardScaler()),
    "no mean": lambda: TransformedTargetRegressor(Ridge(), transformer=StandardScaler(with_mean=False)),
    "robust": lambda: TransformedTargetRegressor(Ridge(), transformer=RobustScaler()),
    "min-max": lambda: TransformedTargetRegressor(RandomForestRegressor(5), transformer=MinMaxScaler()),
    "max-abs, piped": lambda: TransformedTargetRegressor(Ridge(), transformer=make_pipeline(MaxAbsScaler(), StandardScaler())),
    "expm1": lambda: TransformedTargetRegressor(Ridge(), func=np.log1p, inverse_func=np.expm1),
    "exp": lambda: TransformedTargetRegressor(DecisionTreeRegressor(max_depth=3), func=np.log, inverse_func=np.exp),
    "square": lambda: TransformedTargetRegressor(Ridge(), func=np.sqrt, inverse_func=np.square),
    "log": lambda: TransformedTargetRegressor(DecisionTreeRegressor(max_depth=3), func=np.exp, inverse_func=np.log),
    "identity": lambda: TransformedTargetRegressor(Ridge()),
    "nested": lambda: VotingRegressor(
        [("a", TransformedTargetRegressor(Ridge(), func=np.sqrt, inverse_func=np.square)), ("b", Ridge())]
    ),
}


@pytest.mark.parametrize("name", REGRESSORS)
def test_regressors(name, same):
    same(REGRESSORS[name]().fit(X, np.abs(TARGET) / 4 + 0.5), NEW, exact=False, tolerance=1e-9)


@pytest.mark.parametrize("name", ["standard", "min-max", "expm1", "identity"])
@pytest.mark.parametrize("width", [1, 2])
def test_regressors_of_several_targets(name, width, same):
    Y = np.abs(np.c_[TARGET, TARGET**2][:, :width]) + 0.5
    same(REGRESSORS[name]().fit(X, Y), NEW, exact=False, tolerance=1e-9)


@pytest.mark.parametrize("base", [Ridge(), DecisionTreeRegressor(max_depth=4), RandomForestRegressor(4)])
def test_regressors_side_by_side_and_in_chains(base, same):
    Y = np.c_[TARGET, TARGET**2, X[:, 0]]
    same(MultiOutputRegressor(base).fit(X, Y), NEW, exact=False, tolerance=1e-9)
    same(RegressorChain(base, order=[2, 0, 1]).fit(X, Y), NEW, exact=False, tolerance=1e-9)
    same(RegressorChain(base).fit(X, Y[:, :1]), NEW, exact=False, tolerance=1e-9)


@pytest.mark.parametrize("base", [trees()[1][1], VotingClassifier(members()), OneVsOneClassifier(LinearSVC())])
def test_classifiers_side_by_side(base):
    model = MultiOutputClassifier(base).fit(X, NAMES["str"][np.c_[LABELS, 2 - LABELS]])
    plan = convert(model)
    np.testing.assert_array_equal(run(plan, NEW), model.predict(NEW))
    assert ("predict_proba" in plan.outputs) == hasattr(model, "predict_proba")
    if "predict_proba" not in plan.outputs:
        return
    for found, expected in zip(run(plan, NEW, "predict_proba"), model.predict_proba(NEW), strict=True):
        np.testing.assert_allclose(found, expected, rtol=1e-12)


def test_self_training(same):
    some = np.where(RANDOM.random(150) < 0.3, -1, LABELS)
    model = SelfTrainingClassifier(make_pipeline(StandardScaler(), LogisticRegression())).fit(X, some)
    same(model, NEW, exact=False)
    if hasattr(model, "estimator_"):  # before scikit-learn 1.6 it had another name
        expected = model.predict(NEW)
        model.base_estimator_ = model.__dict__.pop("estimator_")
        with warnings.catch_warnings():
            np.testing.assert_array_equal(run(convert(model), NEW), expected)


def test_names_of_columns():
    """Where the members see arrays, the names are the ensemble's own."""
    for model in (OneVsOneClassifier(LinearSVC()), SelfTrainingClassifier(LogisticRegression())):
        model.fit(X, LABELS).feature_names_in_ = np.array(list("abcdef"), object)
        assert convert(model).feature_names_in == tuple("abcdef")


def cube(y):
    return y**3


OBSTACLES = {
    "a member": (lambda: VotingClassifier([*members(), ("near", KNeighborsClassifier())]), [("KNeighborsClassifier", "")]),
    "two members": (
        lambda: StackingClassifier([("near", KNeighborsClassifier())], KNeighborsClassifier(), cv=2),
        [("KNeighborsClassifier", "")],
    ),
    "negative weights": (lambda: VotingClassifier(members(), weights=[1, -1, 1, 1]), [("VotingClassifier", "weights")]),
    "regressors in pairs": (lambda: OneVsOneClassifier(Ridge()), [("OneVsOneClassifier", "estimator")]),
    "a function": (
        lambda: TransformedTargetRegressor(Ridge(), func=np.cbrt, inverse_func=cube),
        [("TransformedTargetRegressor", "inverse_func")],
    ),
    "a lambda": (
        lambda: TransformedTargetRegressor(Ridge(), func=lambda y: y, inverse_func=lambda y: y),
        [("TransformedTargetRegressor", "inverse_func")],
    ),
    "a transformer": (
        lambda: TransformedTargetRegressor(Ridge(), transformer=PowerTransformer()),
        [("TransformedTargetRegressor", "transformer")],
    ),
}


def obstacles(model):
    with pytest.raises(UnsupportedModelError) as caught:
        convert(model)
    assert all(o.advice for o in caught.value.obstacles)
    return [(o.estimator, o.parameter) for o in caught.value.obstacles]


@pytest.mark.parametrize("name", OBSTACLES)
def test_obstacles(name):
    model, expected = OBSTACLES[name]
    assert obstacles(model().fit(X, LABELS)) == expected


def put(model, *members, **attributes):
    """A fitted ensemble with other members, as people make one of models that are fitted already."""
    vars(model).update(attributes, **({"estimators_": list(members)} if members else {}))
    return model


WORDS, PAIR = NAMES["str"][LABELS], np.c_[TARGET, -TARGET]


def stacked(y):
    """Its last model was fitted on y, not on the numbers of the classes."""
    model = StackingClassifier(trees(), cv=2).fit(X, WORDS)
    return put(model, final_estimator_=LogisticRegression().fit(model.transform(X), y))


def stacked_labels(final, Y=INDICATORS):
    return StackingClassifier([("forest", RandomForestClassifier(3, random_state=0))], final, cv=2).fit(X, Y)


FITTED = {
    "votes of words": (
        lambda: put(VotingClassifier(trees()).fit(X, LABELS), *(t.fit(X, WORDS) for _, t in trees())),
        "estimators",
    ),
    "votes of other numbers": (
        lambda: put(VotingClassifier(trees()).fit(X, LABELS), *(t.fit(X, LABELS * 10) for _, t in trees())),
        "estimators",
    ),
    "soft votes of scores": (lambda: VotingClassifier(members(), voting="soft").fit(X, LABELS), "voting"),
    "soft votes of fewer classes": (
        lambda: put(VotingClassifier(trees(), voting="soft").fit(X, LABELS), trees()[0][1].fit(X, LABELS > 0)),
        "voting",
    ),
    "weights that are NaN": (lambda: VotingClassifier(members(), weights=[1, np.nan, 1, 1]).fit(X, LABELS), "weights"),
    "weights that cancel": (
        lambda: VotingRegressor([("a", Ridge()), ("b", Ridge(2))], weights=[1, -1]).fit(X, TARGET),
        "weights",
    ),
    "a mean of two targets": (
        lambda: put(VotingRegressor([("a", Ridge())]).fit(X, TARGET), Ridge().fit(X, PAIR)),
        "estimators",
    ),
    "a last model of words": (lambda: stacked(WORDS), "final_estimator"),
    "a last model of other numbers": (lambda: stacked(LABELS * 10), "final_estimator"),
    "a last model of one label": (
        lambda: put(stacked_labels(RidgeClassifier()), final_estimator_=LogisticRegression().fit(INDICATORS + X[:, :3], LABELS)),
        "final_estimator",
    ),
    "labels by one-vs-rest": (lambda: stacked_labels(OneVsRestClassifier(LogisticRegression())), "final_estimator"),
    "labels in a chain": (lambda: stacked_labels(ClassifierChain(LogisticRegression())), "final_estimator"),
    "labels 0 and 2": (lambda: stacked_labels(OneVsRestClassifier(LogisticRegression()), INDICATORS * 2), "final_estimator"),
    "stacked words": (
        lambda: put(StackingClassifier(trees()[:1], cv=2, stack_method="predict").fit(X, LABELS), trees()[0][1].fit(X, WORDS)),
        "2",
    ),
    "a stack of another method": (
        lambda: put(StackingClassifier([("svc", LinearSVC())], cv=2).fit(X, LABELS), stack_method_=["predict_proba"]),
        "svc",
    ),
    "pairs over a kernel": (lambda: OneVsOneClassifier(SVC(kernel="precomputed")).fit(X @ X.T, LABELS), "estimator"),
    "pairs of three classes": (
        lambda: put(OneVsOneClassifier(LinearSVC()).fit(X, LABELS), *[LinearSVC().fit(X, LABELS)] * 3),
        "estimator",
    ),
    "pairs of words": (
        lambda: put(OneVsOneClassifier(LinearSVC()).fit(X, LABELS), *[LinearSVC().fit(X, NAMES["str"][LABELS // 2])] * 3),
        "estimator",
    ),
    "pairs of votes": (lambda: OneVsOneClassifier(VotingClassifier(trees())).fit(X, LABELS), "estimator"),
    "codes of one digit": (lambda: OutputCodeClassifier(LinearSVC(), code_size=0.4, random_state=0).fit(X, LABELS), "code_size"),
    "a chain of texts": (lambda: ClassifierChain(trees()[0][1]).fit(X, np.c_[LABELS, LABELS].astype(str)), "estimator"),
    "a chain of one": (lambda: ClassifierChain(LogisticRegression()).fit(X, INDICATORS[:, :1]), ""),
    "a chain of classifiers": (lambda: RegressorChain(trees()[0][1]).fit(X, np.c_[LABELS, LABELS]), "estimator"),
    "a chain of two targets": (
        lambda: put(RegressorChain(Ridge()).fit(X, PAIR), Ridge().fit(X, PAIR), Ridge().fit(np.c_[X, TARGET], PAIR)),
        "estimator",
    ),
    "columns of two targets": (
        lambda: put(MultiOutputRegressor(Ridge()).fit(X, PAIR), *[Ridge().fit(X, PAIR)] * 2),
        "estimator",
    ),
    "calibrated votes": (
        lambda: calibrated(lambda fold: setattr(fold, "estimator", VotingClassifier(trees()).fit(X, LABELS))),
        "estimator",
    ),
    "calibrated without a class": (
        lambda: calibrated(lambda fold: setattr(fold, "estimator", LogisticRegression().fit(X, LABELS > 0))),
        "cv",
    ),
}
if VERSION >= (1, 5):
    from sklearn.model_selection import FixedThresholdClassifier

    FITTED |= {
        "a threshold that is NaN": (
            lambda: FixedThresholdClassifier(LogisticRegression(), threshold=np.nan).fit(X, LABELS > 0),
            "threshold",
        ),
        "a threshold of a method that is not there": (
            lambda: FixedThresholdClassifier(LinearSVC(), response_method="predict_proba").fit(X, LABELS > 0),
            "estimator",
        ),
    }
    FITTED["a chain of probabilities of texts"] = (
        lambda: ClassifierChain(trees()[0][1], chain_method="predict_proba").fit(X, INDICATORS.astype(str)),
        "estimator",
    )
    FITTED["a chain of three probabilities"] = (
        lambda: ClassifierChain(trees()[0][1], chain_method="predict_proba").fit(X, np.c_[LABELS, LABELS]),
        "chain_method",
    )


def calibrated(change):
    model = CalibratedClassifierCV(LogisticRegression(), cv=2).fit(X, LABELS)
    change(model.calibrated_classifiers_[0])
    return model


@pytest.mark.parametrize("name", FITTED)
def test_obstacles_of_fitted_models(name):
    model, parameter = FITTED[name]
    model = model()
    assert obstacles(model) == [(type(model).__name__, parameter)]


NEAR, MEAN = KNeighborsClassifier(), KNeighborsRegressor()


@pytest.mark.parametrize(
    "model",
    [
        VotingClassifier([*members(), ("near", NEAR), ("nearer", NEAR)]),
        VotingRegressor([("ridge", Ridge()), ("near", MEAN)]),
        StackingRegressor([("ridge", Ridge())], MEAN, cv=2),
        OneVsOneClassifier(NEAR),
        OneVsRestClassifier(NEAR),
        OutputCodeClassifier(NEAR, code_size=2, random_state=0),
        CalibratedClassifierCV(NEAR, cv=2),
        TransformedTargetRegressor(MEAN),
    ],
    ids=lambda m: type(m).__name__,
)
def test_a_member_is_the_only_obstacle(model):
    assert obstacles(model.fit(X, LABELS)) == [(f"KNeighbors{'Regressor' if is_regressor(model) else 'Classifier'}", "")]


@pytest.mark.parametrize(
    "model", [ClassifierChain(NEAR), MultiOutputClassifier(NEAR), RegressorChain(MEAN), MultiOutputRegressor(MEAN)]
)
def test_a_member_of_several_outputs_is_an_obstacle(model):
    assert obstacles(model.fit(X, INDICATORS))[0] == (f"KNeighbors{'Regressor' if is_regressor(model) else 'Classifier'}", "")


def test_members_of_more_classes(same):
    """scikit-learn's stack of two classes leaves out the first probability, however many there are."""
    three = [("linear", LogisticRegression().fit(X, LABELS)), ("bayes", GaussianNB().fit(X, LABELS))]
    same(StackingClassifier(three, cv="prefit").fit(X, LABELS > 0), NEW, exact=False)


def test_targets_that_stay_what_they_are(same):
    for transformer in (StandardScaler(with_mean=False, with_std=False), make_pipeline("passthrough", StandardScaler())):
        same(TransformedTargetRegressor(Ridge(), transformer=transformer).fit(X, TARGET), NEW, exact=False, tolerance=1e-9)
    piped = TransformedTargetRegressor(Ridge(), transformer=make_pipeline(StandardScaler(), PowerTransformer())).fit(X, TARGET)
    assert obstacles(piped) == [("TransformedTargetRegressor", "transformer")]


def test_self_training_behind_a_scaler(same):
    some = np.where(RANDOM.random(150) < 0.3, -1, LABELS)
    same(make_pipeline(StandardScaler(), SelfTrainingClassifier(LogisticRegression())).fit(X, some), NEW, exact=False)


def test_documents_are_not_passed_through(corpus):
    documents, y = corpus
    model = StackingClassifier(texts()[:1], cv=2).fit(documents, y)
    model.passthrough = True
    with pytest.raises(UnsupportedModelError, match="put the transformer in front"):
        convert(model)
