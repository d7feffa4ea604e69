"""Changed model files of XGBoost and LightGBM, made from real ones by their structure; and what becomes of them.

    python tests/importers/mutants.py {xgboost,lightgbm} SEED COUNT

converts COUNT mutants in this process, with 256 MB to spare and 5 s of CPU for each, and prints what it found as JSON. A mutant
is refused with an error that names a field, or it is a model: then the compiled kernels answer it as NumPy does.
"""

from __future__ import annotations

import contextlib
import copy
import json
import math
import os
import resource
import signal
import struct
import sys
import tempfile
import time
import traceback
from collections import Counter
from pathlib import Path

import numpy as np

import quantcore as qc
from quantcore.artifact import decode
from quantcore.errors import UnsupportedModelError
from quantcore.runtime import Executor

SPARE, SECONDS = 256 << 20, 5.0
DEEP = [900, 930, 950, 960, 970]  # near the depth that Python's reader of JSON refuses
NUMBERS = [
    *(-2, -1, 0, 1, 2, 3, 5, 7, 127, 255, 256, 65535, 65536, 10**9, 10**18),
    *(2**k + off for k in (20, 31, 32, 53, 63, 64, 70) for off in (-1, 0)),
    *(-(2**31), -(2**63), -(2**63) - 1, 0.5, -0.0, 1e-45, 1e-320, 1e30, 1e39, 1e308, math.nan, math.inf, -math.inf),
]
TEXTS = [
    "",
    " ",
    "x",
    "é",
    "\ud800",
    "-",
    "e",
    "1e999",
    "[]",
    "[1,2]",
    "[nan]",
    "{}",
    "null",
    "x" * 50_000,
    "[" * 50_000,
    "9" * 5000,
]
OBJECTIVES = ["reg:squarederror", "multi:softprob", "multi:softmax", "binary:logistic", "binary:hinge", "count:poisson", "dart"]


class Hang(BaseException):
    """A mutant took too long."""


def pick(random, items):
    return items[int(random.integers(len(items)))]


# XGBoost


def xgboost_seeds():
    """Documents of boosters of several kinds, the smallest that have all fields in use."""
    import xgboost

    random = np.random.default_rng(0)
    X = random.normal(size=(120, 4))
    X[:, 3] = random.integers(0, 9, 120)
    X[random.random(X.shape) < 0.05] = np.nan
    y = np.nan_to_num(X).sum(axis=1)
    three = np.digitize(y, np.quantile(y, [0.3, 0.6]))
    plain = {"nthread": 1, "max_depth": 2}
    kinds = [
        ({**plain, "objective": "binary:logistic"}, y > 0, "qqqq", 3),
        ({**plain, "max_cat_to_onehot": 2, "max_depth": 3}, y, "qqqc", 3),
        ({**plain, "objective": "multi:softprob", "num_class": 3, "booster": "dart", "rate_drop": 0.4}, three, "qqqq", 2),
        ({**plain, "multi_strategy": "multi_output_tree"}, np.stack([y, -y], axis=1), "qqqq", 2),
    ]
    if tuple(map(int, xgboost.__version__.split(".")[:2])) < (3, 2):
        del kinds[-1]  # vectors in leaves are not read as older releases write them
    found = []
    for options, target, types, rounds in kinds:
        data = xgboost.DMatrix(X, target, feature_types=list(types), enable_categorical=True)
        document = json.loads(bytes(xgboost.train(options, data, rounds).save_raw("json")))
        # Statistics that nothing reads: mutants of them would test nothing.
        for tree in trees_of(document):
            for name in ("base_weights", "loss_changes", "sum_hessian", "parents"):
                tree.pop(name, None)
        found.append(json.dumps(document))
    return found


def trees_of(document):
    booster = document["learner"]["gradient_booster"]
    return booster.get("gbtree", booster)["model"]["trees"]


def places(found, out, random):
    """Containers and keys of a document; of a list only some."""
    if isinstance(found, dict):
        keys = list(found)
    else:
        keys = sorted({int(k) for k in random.integers(0, len(found), 3)}) if found else []
    for key in keys:
        out.append((found, key))
        if isinstance(found[key], (dict, list)):
            places(found[key], out, random)
    return out


def change_document(document, random):
    """One change to a document in place."""
    where, key = pick(random, places(document, [], random))
    value = where[key]
    kind = random.random()
    if isinstance(where, list) and isinstance(value, (int, float)) and kind < 0.5:
        # Near what is right: another node, another feature.
        where[key] = int(random.integers(-2, len(where) + 2)) if random.random() < 0.7 else pick(random, where)
    elif kind < 0.7:
        where[key] = hostile(value, random)
    elif kind < 0.78:
        del where[key]
    elif kind < 0.84:
        other, at = pick(random, places(document, [], random))
        where[key], other[at] = deep(copy.deepcopy, other[at]), deep(copy.deepcopy, value)
    elif kind < 0.9 and isinstance(value, list):
        where[key] = pick(
            random, [value * 2, value[:-1], value[::-1], [*value, *value[:1]], value * 1000 if len(value) < 50 else []]
        )
    elif kind < 0.93:
        for _ in range(pick(random, [1, 2, 70, *DEEP])):
            value = [value]
        where[key] = value
    elif isinstance(where, dict):
        where[str(key) + pick(random, ["x", " ", "\0"])] = where.pop(key)
    else:
        where.insert(key, value)


def deep(function, *arguments):
    """Call what may nest deeper than what reads it does."""
    limit = sys.getrecursionlimit()
    sys.setrecursionlimit(100_000)
    try:
        return function(*arguments)
    finally:
        sys.setrecursionlimit(limit)


def hostile(value, random):
    if isinstance(value, str) and random.random() < 0.6:
        text = str(pick(random, NUMBERS)) if random.random() < 0.7 else pick(random, OBJECTIVES)
        return f"[{text}, {text}]" if random.random() < 0.2 else text
    return pick(random, [pick(random, NUMBERS), pick(random, TEXTS), None, True, False, [], {}, [[]], [{}], [0, 1], {"a": 1}])


def ubjson(value, random):
    """A value as UBJSON, arrays of numbers typed as XGBoost types them, or otherwise."""
    if isinstance(value, dict):
        return b"{" + b"".join(_length(k) + ubjson(v, random) for k, v in value.items()) + b"}"
    if isinstance(value, list):
        for marker, dtype, kinds in ((b"l", ">i4", {int}), (b"L", ">i8", {int}), (b"d", ">f4", {float, int})):
            if value and set(map(type, value)) <= kinds and random.random() < 0.8:
                with contextlib.suppress(OverflowError), np.errstate(over="ignore"):
                    return b"[$" + marker + b"#L" + struct.pack(">q", len(value)) + np.array(value, dtype).tobytes()
        return b"[" + b"".join(ubjson(v, random) for v in value) + b"]"
    if isinstance(value, str):
        return b"S" + _length(value)
    if isinstance(value, bool) or value is None:
        return {True: b"T", False: b"F", None: b"Z"}[value]
    if isinstance(value, int):
        return b"L" + struct.pack(">Q", value % 2**64)
    with contextlib.suppress(OverflowError):
        return b"d" + struct.pack(">f", value)
    return b"D" + struct.pack(">d", value)


def _length(text):
    data = text.encode("utf-8", "surrogatepass")
    return b"L" + struct.pack(">q", len(data)) + data


def xgboost_mutant(seeds, random):
    document = json.loads(pick(random, seeds))
    for _ in range(int(random.integers(1, 4)) if random.random() < 0.9 else 0):
        deep(change_document, document, random)
    if random.random() < 0.4:
        return bytes_changed(deep(ubjson, document, random), random, 0.3)
    text = deep(json.dumps, document)
    if random.random() < 0.08:  # a name that stands twice, or brackets without end
        more = pick(
            random,
            ['"learner": 1, ', '"trees": [], "trees": [], ', '"left_children": [], ', '"x": ' + "[" * 100_000, '{"x": ' * 9000],
        )
        cut = pick(random, [i for i in range(len(text)) if text[i] == "{"]) + 1
        text = text[:cut] + more + text[cut:]
    return bytes_changed(text.encode("utf-8", "surrogatepass"), random, 0.1)


# LightGBM


def lightgbm_seeds():
    """Texts of boosters of several kinds."""
    import lightgbm

    random = np.random.default_rng(0)
    X = random.normal(size=(200, 4))
    X[:, 3] = random.integers(0, 40, 200)
    X[random.random(X.shape) < 0.05] = np.nan
    y = np.nan_to_num(X).sum(axis=1)
    three = np.digitize(y, np.quantile(y, [0.3, 0.6]))
    plain = {"num_threads": 1, "verbose": -1, "num_leaves": 5, "min_data_in_leaf": 5}
    kinds = [
        ({**plain, "objective": "binary"}, y > 0, "auto"),
        ({**plain, "min_data_per_group": 5, "cat_smooth": 1.0, "zero_as_missing": True}, y, [3]),
        ({**plain, "objective": "multiclass", "num_class": 3}, three, "auto"),
        ({**plain, "boosting": "rf", "bagging_freq": 1, "bagging_fraction": 0.7, "objective": "poisson"}, abs(y), [3]),
    ]
    found = []
    for options, target, categories in kinds:
        data = lightgbm.Dataset(X, target, categorical_feature=categories)
        found.append(
            lightgbm.train(options, data, 2).model_to_string().partition("\nfeature_importances")[0] + "\n\nparameters:\n"
        )
    return found


def lightgbm_mutant(seeds, random):
    lines = pick(random, seeds).split("\n")
    for _ in range(int(random.integers(1, 4)) if random.random() < 0.9 else 0):
        change_lines(lines, random)
    return bytes_changed("\n".join(lines).encode("utf-8", "surrogatepass"), random, 0.15)


def change_lines(lines, random):
    at = int(random.integers(len(lines)))
    name, equals, value = lines[at].partition("=")
    words = value.split(" ")
    k, kind = int(random.integers(len(words))), random.random()
    if equals and kind < 0.55:
        if random.random() < 0.5:
            words[k] = str(int(random.integers(-len(words) - 2, len(words) + 2)))
        else:
            words[k] = str(pick(random, NUMBERS)) if random.random() < 0.8 else pick(random, TEXTS)
        lines[at] = name + equals + " ".join(words)
    elif equals and kind < 0.65:
        changed = [words[:k] + words[k + 1 :], [*words, words[k]], words[::-1], words * 2, words * 500 if len(words) < 50 else []]
        lines[at] = name + equals + " ".join(pick(random, changed))
    elif kind < 0.72:
        del lines[at]
    elif kind < 0.8:
        lines.insert(int(random.integers(len(lines))), lines[at])
    elif kind < 0.88:
        other = int(random.integers(len(lines)))
        lines[at], lines[other] = lines[other], lines[at]
    elif kind < 0.94:
        end = int(random.integers(at, len(lines))) + 1
        lines[at:end] = pick(random, [[], lines[at:end] * 2, lines[at:end][::-1]])
    else:
        lines[at] = pick(
            random, [name, "=" + value, name + "x=" + value, " " + lines[at], lines[at] + "\r", name + "=" + "1" * 5000]
        )
    if not lines:
        lines.append("tree")


def bytes_changed(data, random, share):
    """Now and then bytes that are others, gone or there twice, or an end that is missing."""
    if random.random() >= share or not data:
        return data
    at, kind = int(random.integers(len(data))), random.random()
    if kind < 0.3:
        return data[:at]
    if kind < 0.6:
        out = bytearray(data)
        for place in random.integers(0, len(out), int(random.integers(1, 6))):
            out[place] = random.integers(0, 256)
        return bytes(out)
    end = at + int(random.integers(1, 40))
    return data[:at] + pick(random, [b"", data[at:end] * 2, data[at:end] * 50, bytes(8), b"\xff" * 8]) + data[end:]


FAMILIES = {"xgboost": (xgboost_seeds, xgboost_mutant), "lightgbm": (lightgbm_seeds, lightgbm_mutant)}


def tried(path):
    """What becomes of a file: "model", or the field that stands in the way."""
    try:
        model = qc.quantize(path)
    except UnsupportedModelError as error:
        if not all(o.parameter and o.advice for o in error.obstacles):
            raise
        return error.obstacles[0].parameter
    plan = decode(model.data).plan
    rows = np.random.default_rng(0).normal(size=(3, plan.n_features_in)) * 3.0
    rows[1, ::2] = np.nan
    rows[2, ::3] = 0.0
    with np.errstate(all="ignore"):
        ours, numpys = model.predict(rows), Executor(plan, native=False).run("predict", rows)
    np.testing.assert_allclose(ours, numpys, rtol=3e-7)  # exponentials of our own beside NumPy's, rounded to float32
    return "model"


def main(family, seed, count):
    """Convert mutants and print what became of them."""
    random = np.random.default_rng(seed)
    make_seeds, mutant = FAMILIES[family]
    seeds = make_seeds()
    folder = Path(tempfile.mkdtemp())
    path = folder / "model"
    fields, failures = Counter(), []
    slowest = 0.0
    try:
        for text in seeds:
            path.write_text(text)
            if (found := tried(path)) != "model":
                raise AssertionError(f"a seed itself is refused: {found}")

        def stop(*_):
            raise Hang(f"more than {SECONDS} s")

        signal.signal(signal.SIGPROF, stop)
        before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        if Path("/proc/self/statm").is_file():
            now = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
            resource.setrlimit(resource.RLIMIT_AS, (now + SPARE, resource.RLIM_INFINITY))
        for number in range(count):
            path.write_bytes(mutant(seeds, random))
            start = time.process_time()
            signal.setitimer(signal.ITIMER_PROF, SECONDS)
            try:
                fields[tried(path)] += 1
            except (Exception, Hang) as error:
                signal.setitimer(signal.ITIMER_PROF, 0.0)
                failures.append(
                    {"number": number, "error": f"{type(error).__name__}: {error}"[:300], "at": traceback.format_exc()[-900:]}
                )
                if "QUANTCORE_KEEP_MUTANTS" in os.environ:
                    kept = Path(os.environ["QUANTCORE_KEEP_MUTANTS"]) / f"{family}-{seed}-{number}"
                    kept.write_bytes(path.read_bytes())
            finally:
                signal.setitimer(signal.ITIMER_PROF, 0.0)
            slowest = max(slowest, time.process_time() - start)
        grown = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1e3
    finally:
        path.unlink(missing_ok=True)
        folder.rmdir()
    models = fields.pop("model", 0)
    found = {"models": models, "refused": sum(fields.values()), "fields": dict(fields.most_common(400)), "failures": failures}
    print(json.dumps({**found, "slowest_seconds": slowest, "grown_mb": grown}))


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]))
