"""Random models over random tables: every encoder, imputer and transformer, alone, in pipelines, side by side and nested, in
front of models of all kinds. One seed gives one model, and the frames that it is asked about."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from sklearn.compose import ColumnTransformer, TransformedTargetRegressor, make_column_selector
from sklearn.ensemble import (
    HistGradientBoostingClassifier,
    HistGradientBoostingRegressor,
    RandomForestClassifier,
    RandomForestRegressor,
    StackingClassifier,
    StackingRegressor,
    VotingClassifier,
    VotingRegressor,
)
from sklearn.feature_extraction.text import CountVectorizer, HashingVectorizer, TfidfVectorizer
from sklearn.impute import MissingIndicator, SimpleImputer
from sklearn.linear_model import LogisticRegression, Ridge, RidgeClassifier
from sklearn.multiclass import OneVsOneClassifier, OneVsRestClassifier, OutputCodeClassifier
from sklearn.pipeline import FeatureUnion, make_pipeline
from sklearn.preprocessing import (
    Binarizer,
    FunctionTransformer,
    KBinsDiscretizer,
    MaxAbsScaler,
    MinMaxScaler,
    Normalizer,
    OneHotEncoder,
    OrdinalEncoder,
    PolynomialFeatures,
    PowerTransformer,
    QuantileTransformer,
    RobustScaler,
    SplineTransformer,
    StandardScaler,
    TargetEncoder,
)
from sklearn.svm import LinearSVC
from sklearn.tree import DecisionTreeClassifier, DecisionTreeRegressor

__all__ = ["Generator"]

NUMBERS = ("float", "single", "whole", "small", "sign", "flag", "nullable")
WORDS = ("word", "gaps", "none", "level", "string", "digits")
MIXED = ("mixed", "huge", "flags")
STRANGE = ("zz", "1", "", "a ", None, np.nan, 7, 2.5, True, False, -0.0, 0.0, np.inf, -np.inf, 2**53 + 1, -(2**62), 1e300, pd.NA)


class Generator:
    """What one seed gives.

    Parameters
    ----------
    seed : int
    """

    def __init__(self, seed: int) -> None:
        self.random = np.random.default_rng(seed)

    def chance(self, share: float) -> bool:
        return bool(self.random.random() < share)

    def one_of(self, *choices: Any) -> Any:
        return choices[self.random.integers(len(choices))]

    def some_of(self, choices: Any, most: int) -> list[Any]:
        count = int(self.random.integers(1, min(most, len(choices)) + 1))
        return [choices[i] for i in self.random.permutation(len(choices))[:count]]

    # ------------------------------------------------------------------ tables

    def frame(self, n_rows: int) -> pd.DataFrame:
        """Columns of all kinds, as the source is fitted on."""
        r = self.random
        words = np.array(["a", "b", "c", "dd", "\N{SNOWMAN}é"], object)
        found: dict[str, Any] = {
            "float": np.where(r.random(n_rows) < 0.15, np.nan, r.normal(size=n_rows).round(1)),
            "single": r.normal(size=n_rows).astype(np.float32),
            "whole": r.integers(-3, 40, n_rows),
            "small": r.integers(-3, 4, n_rows).astype(np.int8),
            "sign": r.choice([-0.0, 0.0, 1.0, -1.5], n_rows),
            "flag": r.random(n_rows) < 0.5,
            "nullable": pd.array(r.integers(0, 5, n_rows).tolist(), "Int64"),
            "word": r.choice(words, n_rows),
            "gaps": np.where(r.random(n_rows) < 0.15, np.nan, r.choice(words[:3], n_rows)),
            "none": np.where(r.random(n_rows) < 0.15, None, r.choice(words[1:], n_rows)),
            "level": pd.Categorical(r.choice(["low", "mid", "high"], n_rows), ["low", "mid", "high"]),
            "string": pd.array(r.choice(["x", "y", "z"], n_rows).tolist(), "string"),
            "digits": r.choice(np.array(["1", "10", "2", "-0"], object), n_rows),
            "mixed": np.array([[1, 2.5, True, -0.0, 3][i] for i in r.integers(0, 5, n_rows)], object),
            "huge": r.choice(np.array([2**53, 2**53 + 1, 2**53 + 2, -(2**62), 5], np.int64), n_rows),
            "flags": np.array([bool(v) for v in r.integers(0, 2, n_rows)], object),
            "text": np.array([" ".join(r.choice(["red", "blue", "green", "Bäume", "7"], 4)) for _ in range(n_rows)], object),
        }
        frame = pd.DataFrame({name: pd.Series(values, dtype=getattr(values, "dtype", None)) for name, values in found.items()})
        frame.loc[r.random(n_rows) < 0.1, "nullable"] = pd.NA
        return frame

    def target(self, frame: pd.DataFrame, kind: str) -> Any:
        score = frame["single"].to_numpy(float) + (frame["word"] == "a") - (frame["level"] == "low") + 0.05 * frame["whole"]
        if kind == "number":
            return np.asarray(score, float).round(3)
        cuts = [-0.3, 0.8] if kind == "several" else [0.4]
        labels = np.array(["no", "so", "yes"] if kind == "several" else ["no", "yes"])
        return labels[np.searchsorted(cuts, np.asarray(score, float))]

    def odd(self, frame: pd.DataFrame) -> pd.DataFrame:
        """Some values that the source has never seen, or of another type; sometimes a column of another dtype."""
        frame = frame.copy()
        for _ in range(int(self.random.integers(1, 4))):
            name = str(self.one_of(*(n for n in frame.columns if n != "text")))
            if self.chance(0.3):
                dtype = self.one_of("float32", "float64", "int64", object, "Int64", "category", "string")
                try:
                    frame[name] = frame[name].astype(dtype)
                except (ValueError, TypeError, OverflowError):
                    continue
                continue
            values = frame[name].tolist()
            values[int(self.random.integers(len(values)))] = self.one_of(*STRANGE)
            if self.chance(0.5):
                frame[name] = pd.Series(values, index=frame.index, dtype=object)
            else:
                frame[name] = pd.Series(values, index=frame.index)
        return frame

    # ------------------------------------------------------------ transformers

    def encoder(self, target: str) -> Any:
        kind = self.one_of("one-hot", "one-hot", "ordinal", "target")
        if kind == "one-hot":
            unknown = self.one_of("ignore", "error", "infrequent_if_exist")
            settings: dict[str, Any] = {"drop": self.one_of(None, "first", "if_binary")}
            settings |= self.one_of({}, {"min_frequency": 8}, {"max_categories": 3}, {"min_frequency": 0.2})
            settings |= {"sparse_output": self.chance(0.5), "dtype": self.one_of(np.float64, np.float64, np.float32)}
            return OneHotEncoder(handle_unknown=unknown, **settings)
        if kind == "ordinal":
            settings = self.one_of({}, {"min_frequency": 8}, {"max_categories": 3})
            if self.chance(0.7):
                settings |= {"handle_unknown": "use_encoded_value", "unknown_value": self.one_of(-1, np.nan, -9)}
            if self.chance(0.4):
                settings |= {"encoded_missing_value": self.one_of(-2, -1)}
            return OrdinalEncoder(dtype=self.one_of(np.float64, np.float64, np.float32), **settings)
        kinds = {"two": "binary", "several": "multiclass", "number": "continuous"}
        settings = {"cv": 3} if self.chance(0.9) else {"cv": 3, "shuffle": False}
        return TargetEncoder(target_type=kinds[target], smooth=self.one_of("auto", 3.0), **settings)

    def imputer(self, numbers: bool) -> Any:
        strategy = self.one_of(*(("mean", "median") if numbers else ()), "most_frequent", "constant")
        settings: dict[str, Any] = {"add_indicator": self.chance(0.3), "keep_empty_features": self.chance(0.3)}
        if strategy == "constant" and self.chance(0.6):
            settings["fill_value"] = self.one_of(-1, 0, 2.5) if numbers else "none"
        if self.chance(0.1):
            settings["missing_values"] = self.one_of(0, -1.5) if numbers else self.one_of("a", None)
        return SimpleImputer(strategy=strategy, **settings)

    def scaler(self) -> Any:
        choices = (
            lambda: StandardScaler(with_mean=self.chance(0.8), with_std=self.chance(0.8)),
            lambda: MinMaxScaler(self.one_of((0, 1), (-1, 2)), clip=self.chance(0.5)),
            MaxAbsScaler,
            lambda: RobustScaler(with_centering=self.chance(0.7)),
            lambda: KBinsDiscretizer(
                int(self.random.integers(2, 5)),
                encode=self.one_of("onehot", "ordinal", "onehot-dense"),
                strategy=self.one_of("uniform", "quantile"),
            ),
            lambda: SplineTransformer(
                4,
                degree=self.one_of(1, 2, 3),
                extrapolation=self.one_of("constant", "linear", "continue", "periodic"),
                include_bias=self.chance(0.5),
            ),
            lambda: QuantileTransformer(n_quantiles=20, output_distribution=self.one_of("uniform", "normal")),
            lambda: PowerTransformer(standardize=self.chance(0.7)),
            lambda: FunctionTransformer(self.one_of(None, np.abs, np.expm1, np.sqrt, np.sign, np.rint, np.arctan)),
            lambda: Binarizer(threshold=self.one_of(0.0, 0.5)),
            lambda: Normalizer(self.one_of("l1", "l2", "max")),
            lambda: PolynomialFeatures(2, include_bias=self.chance(0.5)),
        )
        return self.one_of(*choices)()

    def branch(self, target: str, names: list[str], depth: int = 0) -> tuple[Any, Any]:
        """A transformer, and the columns that it is given."""
        numbers = [n for n in NUMBERS if n in names]
        words = [n for n in WORDS if n in names]
        kind = int(self.random.integers(13))
        if kind <= 2:
            return make_pipeline(self.imputer(True), self.scaler()), self.some_of(numbers, 3)
        if kind == 3:
            return make_pipeline(self.imputer(False), self.encoder(target)), self.some_of(words, 3)
        if kind == 4:
            return self.encoder(target), self.some_of(words, 3)
        if kind == 5:
            return self.one_of("passthrough", "drop", FunctionTransformer()), self.some_of(numbers, 2)
        if kind == 6 and "text" in names:
            vectorizer = self.one_of(TfidfVectorizer(), CountVectorizer(binary=True), HashingVectorizer(n_features=16))
            return vectorizer, "text"
        if kind == 7:
            return make_pipeline(self.imputer(True), self.encoder(target)), self.some_of(numbers, 2)
        if kind == 8:
            return self.encoder(target), self.some_of([*numbers, *(n for n in MIXED if n in names)], 2)
        if kind == 9:
            gaps = MissingIndicator(features=self.one_of("all", "missing-only"), error_on_new=self.chance(0.5))
            parts = [("n", make_pipeline(self.imputer(True), self.scaler())), ("m", gaps)]
            weights = {"n": 0.7} if self.chance(0.2) else None
            return FeatureUnion(parts, transformer_weights=weights), self.some_of(numbers, 3)
        if kind == 10:
            return self.scaler(), self.some_of([n for n in numbers if n not in ("float", "nullable")] or numbers, 3)
        if kind == 11:
            inner = ColumnTransformer([("q", self.imputer(True), [0])], remainder="passthrough")
            return make_pipeline(inner, SimpleImputer(), self.scaler()), self.some_of(numbers, 3)
        if depth:
            return MissingIndicator(features="all"), self.some_of([*numbers, *words], 3)
        chosen = self.some_of([*numbers, *words], 6)
        usable = [n for n in chosen if n in NUMBERS], [n for n in chosen if n in WORDS]
        if not all(usable):
            return self.encoder(target), self.some_of(words, 2)
        return self.columns(target, chosen, depth + 1), chosen

    def columns(self, target: str, names: list[str], depth: int = 0) -> Any:
        parts = []
        for i in range(int(self.random.integers(1, 4))):
            transformer, chosen = self.branch(target, names, depth)
            if not depth and isinstance(chosen, list):
                chosen = self._named(chosen, names)
            parts.append((f"b{i}", transformer, chosen))
        if self.chance(0.15) and not depth:
            words = make_pipeline(self.imputer(False), OneHotEncoder(handle_unknown="ignore"))
            numbers = make_pipeline(SimpleImputer(), StandardScaler())
            parts = [
                ("w", words, make_column_selector("^(word|gaps|digits)$")),
                ("n", numbers, make_column_selector(dtype_include=[np.float64, np.int64])),
            ]
        weights = {parts[0][0]: 0.3} if self.chance(0.1) else None
        threshold = self.one_of(0.0, 0.3, 1.0)
        return ColumnTransformer(parts, sparse_threshold=threshold, transformer_weights=weights, remainder="drop")

    def _named(self, chosen: list[str], names: list[str]) -> Any:
        """The same columns by name, position or mask, or as a callable finds them."""
        kind = self.one_of("name", "name", "position", "mask", "callable")
        if kind == "position":
            return [names.index(n) for n in chosen]
        if kind == "mask":
            return [n in chosen for n in names]
        return chosen if kind == "name" else _Chooser(chosen)

    # ------------------------------------------------------------------- heads

    def head(self, target: str) -> Any:
        if target == "number":
            plain = (
                lambda: Ridge(),
                lambda: DecisionTreeRegressor(max_depth=4, random_state=0),
                lambda: RandomForestRegressor(4, random_state=0),
                lambda: HistGradientBoostingRegressor(max_iter=4, min_samples_leaf=5),
            )
            made = self.one_of(*plain)
            members = [("a", self.one_of(*plain)()), ("b", self.one_of(*plain)())]
            return self.one_of(
                made,
                made,
                made,
                lambda: VotingRegressor(members),
                lambda: StackingRegressor(members, Ridge(), cv=2, passthrough=self.chance(0.5)),
                lambda: TransformedTargetRegressor(made(), func=np.arcsinh, inverse_func=np.sinh),
                lambda: TransformedTargetRegressor(made(), transformer=StandardScaler()),
            )()
        plain = (
            lambda: LogisticRegression(max_iter=50),
            lambda: RidgeClassifier(),
            lambda: LinearSVC(),
            lambda: DecisionTreeClassifier(max_depth=4, random_state=0),
            lambda: RandomForestClassifier(4, random_state=0),
            lambda: HistGradientBoostingClassifier(max_iter=4, min_samples_leaf=5),
        )
        known = (plain[0], plain[3], plain[4])
        members = [("a", self.one_of(*known)()), ("b", self.one_of(*known)()), ("c", self.one_of(*known)())]
        made = self.one_of(*plain)
        return self.one_of(
            made,
            made,
            made,
            made,
            lambda: VotingClassifier(members, voting=self.one_of("hard", "soft")),
            lambda: StackingClassifier(members[:2], LogisticRegression(), cv=2, passthrough=self.chance(0.5)),
            lambda: OneVsOneClassifier(RidgeClassifier()),
            lambda: OneVsRestClassifier(LogisticRegression(max_iter=50)),
            lambda: OutputCodeClassifier(LogisticRegression(max_iter=50), code_size=2, random_state=0),
        )()

    def model(self) -> tuple[str, Any, pd.DataFrame, Any]:
        """What is to be predicted, an unfitted estimator, and what to fit it on."""
        target = self.one_of("two", "two", "several", "number")
        frame = self.frame(int(self.random.integers(60, 90)))
        steps = [self.columns(target, list(frame.columns))]
        if self.chance(0.6):
            steps.append(SimpleImputer())
        if self.chance(0.2):
            steps.append(self.one_of(MaxAbsScaler(), StandardScaler(with_mean=False)))
        if self.chance(0.8):
            steps.append(self.head(target))
        return target, make_pipeline(*steps), frame, self.target(frame, target)


class _Chooser:
    """A callable selector of columns."""

    def __init__(self, names: list[str]) -> None:
        self.names = names

    def __call__(self, frame: pd.DataFrame) -> list[str]:
        return self.names
