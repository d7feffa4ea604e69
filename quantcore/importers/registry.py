"""Which function imports which estimator, and the way in.

Keys are the package and the class name, so that a class may move between
modules; values are imported when they are needed, so that no scikit-learn is
imported before an estimator of it is here.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from importlib import import_module
from os import PathLike
from types import MappingProxyType
from typing import Any

from quantcore.errors import UnsupportedModelError
from quantcore.importers.builder import SOURCE, Builder, Node, Result
from quantcore.importers.malformed import Malformed
from quantcore.importers.versions import unsupported
from quantcore.plan import INPUT, Plan
from quantcore.plan.ops import Text
from quantcore.plan.validate import validate

__all__ = ["IMPORTERS", "convert", "import_estimator"]

Importer = Callable[[Any, Node, Builder], Result]

_SKLEARN = {
    "calibration": {"CalibratedClassifierCV": "calibrated_classifier"},
    "chains": {"ClassifierChain": "classifier_chain", "RegressorChain": "regressor_chain"},
    "columns": {
        "FunctionTransformer": "function_transformer",
        "KBinsDiscretizer": "k_bins_discretizer",
        "PowerTransformer": "power_transformer",
        "QuantileTransformer": "quantile_transformer",
        "SplineTransformer": "spline_transformer",
    },
    "compose": {"ColumnTransformer": "column_transformer", "FeatureUnion": "feature_union"},
    "decomposition": {
        "IncrementalPCA": "pca",
        "PCA": "pca",
        "TruncatedSVD": "truncated_svd",
    },
    "discriminant": {
        "LinearDiscriminantAnalysis": "linear_discriminant_analysis",
        "QuadraticDiscriminantAnalysis": "quadratic_discriminant_analysis",
    },
    "boosting": {
        "AdaBoostClassifier": "ada_boost_classifier",
        "AdaBoostRegressor": "ada_boost_regressor",
        "GradientBoostingClassifier": "gradient_boosting_classifier",
        "GradientBoostingRegressor": "gradient_boosting_regressor",
    },
    "encoders": {
        "OneHotEncoder": "one_hot_encoder",
        "OrdinalEncoder": "ordinal_encoder",
        "TargetEncoder": "target_encoder",
    },
    "ensembles": {
        "BaggingClassifier": "bagging_classifier",
        "BaggingRegressor": "bagging_regressor",
        "IsolationForest": "isolation_forest",
    },
    "hist_gradient_boosting": {
        "HistGradientBoostingClassifier": "hist_gradient_boosting_classifier",
        "HistGradientBoostingRegressor": "hist_gradient_boosting_regressor",
    },
    "imputation": {"MissingIndicator": "missing_indicator", "SimpleImputer": "simple_imputer"},
    "linear": {
        "LinearSVC": "linear_classifier",
        "LogisticRegression": "logistic_regression",
        "LogisticRegressionCV": "logistic_regression",
        "PassiveAggressiveClassifier": "linear_classifier",
        "Perceptron": "linear_classifier",
        "RidgeClassifier": "ridge_classifier",
        "RidgeClassifierCV": "ridge_classifier",
        "SGDClassifier": "sgd_classifier",
    },
    "meta": {
        "FrozenEstimator": "frozen_estimator",
        "GridSearchCV": "search",
        "HalvingGridSearchCV": "search",
        "HalvingRandomSearchCV": "search",
        "Pipeline": "pipeline",
        "RandomizedSearchCV": "search",
        "SelfTrainingClassifier": "self_training_classifier",
    },
    "multiclass": {"OneVsRestClassifier": "one_vs_rest_classifier"},
    "multioutput": {"MultiOutputClassifier": "multi_output_classifier"},
    "naive_bayes": {
        "BernoulliNB": "bernoulli_nb",
        "ComplementNB": "complement_nb",
        "GaussianNB": "gaussian_nb",
        "MultinomialNB": "multinomial_nb",
    },
    "pairwise": {"OneVsOneClassifier": "one_vs_one_classifier", "OutputCodeClassifier": "output_code_classifier"},
    "preprocessing": {
        "Binarizer": "binarizer",
        "MaxAbsScaler": "max_abs_scaler",
        "MinMaxScaler": "min_max_scaler",
        "Normalizer": "normalizer",
        "PolynomialFeatures": "polynomial_features",
        "RobustScaler": "robust_scaler",
        "StandardScaler": "standard_scaler",
    },
    "records": {
        "DictVectorizer": "dict_vectorizer",
        "FeatureHasher": "feature_hasher",
        "LabelBinarizer": "label_encoder",
        "LabelEncoder": "label_encoder",
        "MultiLabelBinarizer": "label_encoder",
    },
    "regression": {
        "ARDRegression": "linear_regressor",
        "BayesianRidge": "linear_regressor",
        "CCA": "pls",
        "ElasticNet": "linear_regressor",
        "ElasticNetCV": "linear_regressor",
        "GammaRegressor": "generalized_linear_regressor",
        "HuberRegressor": "linear_regressor",
        "Lars": "linear_regressor",
        "LarsCV": "linear_regressor",
        "Lasso": "linear_regressor",
        "LassoCV": "linear_regressor",
        "LassoLars": "linear_regressor",
        "LassoLarsCV": "linear_regressor",
        "LassoLarsIC": "linear_regressor",
        "LinearRegression": "linear_regressor",
        "LinearSVR": "linear_regressor",
        "MultiOutputRegressor": "multi_output_regressor",
        "MultiTaskElasticNet": "linear_regressor",
        "MultiTaskElasticNetCV": "linear_regressor",
        "MultiTaskLasso": "linear_regressor",
        "MultiTaskLassoCV": "linear_regressor",
        "OrthogonalMatchingPursuit": "linear_regressor",
        "OrthogonalMatchingPursuitCV": "linear_regressor",
        "PLSCanonical": "pls",
        "PLSRegression": "pls",
        "PassiveAggressiveRegressor": "sgd_regressor",
        "PoissonRegressor": "generalized_linear_regressor",
        "QuantileRegressor": "linear_regressor",
        "RANSACRegressor": "ransac_regressor",
        "Ridge": "linear_regressor",
        "RidgeCV": "linear_regressor",
        "SGDRegressor": "sgd_regressor",
        "TheilSenRegressor": "linear_regressor",
        "TweedieRegressor": "generalized_linear_regressor",
    },
    "selection": {
        "GenericUnivariateSelect": "selector",
        "RFE": "recursive_selector",
        "RFECV": "recursive_selector",
        "SelectFdr": "selector",
        "SelectFpr": "selector",
        "SelectFromModel": "selector",
        "SelectFwe": "selector",
        "SelectKBest": "selector",
        "SelectPercentile": "selector",
        "SequentialFeatureSelector": "selector",
        "VarianceThreshold": "selector",
    },
    "stacking": {"StackingClassifier": "stacking_classifier", "StackingRegressor": "stacking_regressor"},
    "text": {
        "CountVectorizer": "count_vectorizer",
        "HashingVectorizer": "hashing_vectorizer",
        "TfidfTransformer": "tfidf_transformer",
        "TfidfVectorizer": "tfidf_vectorizer",
    },
    "trees": {
        "DecisionTreeClassifier": "tree_classifier",
        "DecisionTreeRegressor": "tree_regressor",
        "ExtraTreeClassifier": "tree_classifier",
        "ExtraTreeRegressor": "tree_regressor",
        "ExtraTreesClassifier": "forest_classifier",
        "ExtraTreesRegressor": "forest_regressor",
        "RandomForestClassifier": "forest_classifier",
        "RandomForestRegressor": "forest_regressor",
        "RandomTreesEmbedding": "random_trees_embedding",
    },
    "threshold": {
        "FixedThresholdClassifier": "fixed_threshold_classifier",
        "TunedThresholdClassifierCV": "tuned_threshold_classifier",
    },
    "transformed_target": {"TransformedTargetRegressor": "transformed_target_regressor"},
    "voting": {"VotingClassifier": "voting_classifier", "VotingRegressor": "voting_regressor"},
}
_XGBOOST = {
    "Booster": "booster",
    "XGBClassifier": "classifier",
    "XGBRFClassifier": "classifier",
    "XGBRFRegressor": "regressor",
    "XGBRanker": "regressor",
    "XGBRegressor": "regressor",
}
_LIGHTGBM = {
    "Booster": "booster",
    "LGBMClassifier": "classifier",
    "LGBMRanker": "regressor",
    "LGBMRegressor": "regressor",
}
IMPORTERS: Mapping[str, str] = MappingProxyType(
    {
        f"sklearn.{name}": f"quantcore.importers.sklearn.{module}:{function}"
        for module, names in _SKLEARN.items()
        for name, function in names.items()
    }
    | {f"xgboost.{name}": f"quantcore.importers.xgboost:{function}" for name, function in _XGBOOST.items()}
    | {f"lightgbm.{name}": f"quantcore.importers.lightgbm:{function}" for name, function in _LIGHTGBM.items()}
)


def convert(estimator: Any) -> Plan:
    """The Plan of a fitted estimator: float64, nothing quantized.

    Parameters
    ----------
    estimator : estimator or path
        A classifier, a regressor, a transformer, a pipeline, a search object or a meta-estimator of scikit-learn; a model of
        XGBoost or LightGBM, or the path of a file that one of them saved.

    Returns
    -------
    Plan
        With exactly the methods that the estimator has.

    Raises
    ------
    UnsupportedModelError
        Lists all that stands in the way.
    sklearn.exceptions.NotFittedError
        Where the estimator, or a part of it, is not fitted.
    """
    build = Builder()
    untested = unsupported("numpy")
    if untested is not None:
        build.obstacles.append(untested)
    if isinstance(estimator, (str, PathLike)):
        result = import_module("quantcore.importers.files").from_path(estimator, build)
    else:
        result = import_estimator(estimator, SOURCE, build)
    if not build.obstacles and (
        not result.methods or any(n.position == INPUT and n.table is None for n in result.methods.values())
    ):
        build.obstacle(estimator, "", "it changes nothing, so there is nothing to convert")
    if not build.obstacles:
        result = build.numbers(estimator, result)
    if build.obstacles:
        raise UnsupportedModelError(build.obstacles)
    plan = build.plan(result, source="Booster" if isinstance(estimator, (str, PathLike)) else type(estimator).__name__)
    transformed = result.methods.get("transform")
    plan = replace(plan, feature_names_out=None if transformed is None else _names_out(estimator, plan, transformed.width))
    validate(plan)
    return plan


def _names_out(estimator: Any, plan: Plan, width: int | None) -> tuple[str, ...] | None:
    """What the source calls the columns of its transform. Terms of texts are not stored a second time."""
    find = getattr(estimator, "get_feature_names_out", None)
    if find is None or any(isinstance(op, Text) for op in plan.ops):
        return None
    try:
        names = tuple(map(str, find()))
    except (ValueError, AttributeError):  # a step of a pipeline can't say it
        return None
    return names if width in (None, len(names)) else None  # of labels that are stacked, scikit-learn names too few


def import_estimator(estimator: Any, source: Node, build: Builder) -> Result:
    """Append the ops of one estimator; an unknown one becomes an obstacle and offers nothing.

    Parameters
    ----------
    estimator : estimator
    source : Node
        What it reads.
    build : Builder
    """
    cls = type(estimator)
    key = f"{cls.__module__.partition('.')[0]}.{cls.__qualname__}"
    target = IMPORTERS.get(key)
    if target is None:
        build.obstacle(estimator, "", _unknown(estimator))
        return Result()
    untested = unsupported(key.partition(".")[0])
    if untested is not None:
        if untested not in build.obstacles:
            build.obstacles.append(untested)
        return Result()
    module, _, function = target.partition(":")
    importer: Importer = getattr(import_module(module), function)
    try:
        found = importer(estimator, source, build)
    except Malformed as error:
        build.obstacle(estimator, error.field, error.why)
        return Result()
    # What wraps another estimator does not pass these on.
    gone = [name for name in ("apply", "score_samples") if name in found.methods and not hasattr(estimator, name)]
    return Result({name: node for name, node in found.methods.items() if name not in gone}, found.classes) if gone else found


def _unknown(estimator: Any) -> str:
    if isinstance(estimator, type):
        return f"expected a fitted estimator, got the class {estimator.__name__}; pass an instance, after fit"
    bases = [base.__name__ for base in type(estimator).__mro__[1:] if f"sklearn.{base.__qualname__}" in IMPORTERS]
    if bases:
        return f"a subclass may do anything; fit a plain {bases[0]} if it does nothing else"
    known = ", ".join(sorted(key.partition(".")[2] for key in IMPORTERS))
    return f"this class is not supported; supported are {known}"
