"""What is written is what is read: every Plan, every bit, the same bytes each time."""

from __future__ import annotations

import dataclasses
import subprocess
import sys
import tracemalloc

import joblib
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from quantcore.artifact import decode, encode
from quantcore.artifact.container import HEADER, unpack
from quantcore.artifact.decoder import content
from quantcore.artifact.dictionary import DICTIONARY


def declared(data: bytes) -> int:
    return HEADER.unpack_from(data)[8]


def test_every_plan(plan, extra, same):
    artifact = decode(encode(plan, extra))
    assert same(artifact.plan, plan)
    assert same(artifact.extra, extra)


def test_trees_are_stored_by_what_they_follow_from(plans):
    data = encode(plans["forest"](), {})
    sections, _ = unpack(memoryview(data), None)
    text = bytes(content(sections[0], DICTIONARY))
    assert b'"numbers":{"$":["leaves",' in text and b'"threshold":{"$":["rise",' in text


def test_leaves_are_stored_as_means(plans):
    plan = plans["regression"]()
    data = encode(plan, {})
    sections, _ = unpack(memoryview(data), None)
    text = bytes(content(sections[0], DICTIONARY))
    assert b'"values":{"$":["mean",' in text and b'"threshold":{"$":["rise8",' in text
    assert decode(data).plan.ops[1].values.tobytes() == plan.ops[1].values.tobytes()
    assert len(data) < len(encode(dataclasses.replace(plan, ops=(plan.ops[0], changed(plan.ops[1]), plan.ops[2])), {}))


def changed(op):
    """Leaves as large, of bits that mean nothing."""
    return dataclasses.replace(op, values=np.random.default_rng(0).normal(size=op.values.shape))


def test_tables_are_stored_by_what_is_in_them(plans):
    """Categories that ascend by what is new in each, places of categories by steps: hardly anything is left of those."""
    data = encode(plans["table"](), {})
    sections, _ = unpack(memoryview(data), None)
    text = bytes(content(sections[0], DICTIONARY))
    assert b'"categories":[{"$":["front",' in text and b'"place":{"$":["sum","i4",' in text
    assert len(data) < 3000


def test_bytes_and_digest_follow_from_the_content(plan, extra):
    data = encode(plan, extra)
    assert encode(decode(data).plan, dict(reversed(extra.items()))) == data
    changed = {**extra, "report": {"agreement": 0.5}}
    assert decode(encode(plan, changed)).digest != decode(data).digest == decode(memoryview(data)).digest


def test_digest_does_not_depend_on_codings(plans, monkeypatch):
    plan = plans["several"]()
    data = encode(plan, {})
    monkeypatch.setattr("quantcore.artifact.encoder.Encoder._integer_candidates", lambda self, array: [])
    plain = encode(plan, {})
    assert plain != data
    assert decode(plain).digest == decode(data).digest


def test_arrays_are_read_only(plan):
    for op in decode(encode(plan, {})).plan.ops:
        for field in dataclasses.fields(op):
            value = getattr(op, field.name)
            assert not isinstance(value, np.ndarray) or not value.flags.writeable


def test_a_changing_buffer_is_copied(plans, same):
    plan = plans["binary"]()
    data = bytearray(encode(plan, {}))
    artifact = decode(memoryview(data))
    data[:] = bytes(len(data))
    assert same(artifact.plan, plan)


def test_small_files(plans):
    data = encode(plans["binary"](150), {"report": {}, "provenance": {}, "selftest": {}})
    assert len(data) < 1500
    rows = decode(data).sizes
    assert len(data) - rows["pool"][0] < 600


@pytest.mark.parametrize(
    "value", [{"a": float("nan")}, {"a": object()}, {"$": 1}, {1: 2}, {"a": np.array([None])}, {"a": np.zeros((1, 1, 1, 1))}]
)
def test_what_cannot_be_stored_is_a_value_error(plans, value):
    with pytest.raises((ValueError, TypeError)):
        encode(plans["matrix"](), {"report": value})


def test_long_lists_of_strings(plans, same):
    words = [f"word {i}\0\ud800" for i in range(200)]
    assert same(decode(encode(plans["matrix"](), {"report": words})).extra, {"report": words})


DTYPES = st.sampled_from(
    ["?", "u1", "<u2", "<u4", "<u8", "i1", "<i2", "<i4", "<i8", "<f2", "<f4", "<f8", "<U1", "<U7", ">i4", ">f8"]
)


@given(hnp.arrays(DTYPES, hnp.array_shapes(min_dims=0, max_dims=3, min_side=0, max_side=6)))
def test_any_array(array):
    found = decode(encode(_matrix(), {"report": array})).extra["report"]
    plain = np.ascontiguousarray(array, array.dtype.newbyteorder("<")).reshape(array.shape)
    assert found.dtype == plain.dtype and found.shape == plain.shape and found.tobytes() == plain.tobytes()


def _matrix():
    from quantcore.plan import Plan
    from quantcore.plan.ops import Linear

    return Plan((Linear(weight=np.ones((1, 1)), bias=np.zeros(1)),), {"decision_function": 0}, "matrix", n_features_in=1)


@pytest.fixture(scope="module")
def real(data_dir):
    """Plans of fitted pipelines, their weights as they are."""
    import csv
    import gzip

    from sklearn.feature_extraction.text import TfidfVectorizer
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline

    from quantcore.importers import convert

    def fit(name, rows, **settings):
        with gzip.open(data_dir / f"{name}.csv.gz", "rt", encoding="utf-8", newline="") as file:
            table = [row for row in csv.DictReader(file) if row["split"] == "train"][:rows]
        pipeline = make_pipeline(TfidfVectorizer(**settings), LogisticRegression(max_iter=30))
        return pipeline.fit([row["text"] for row in table], [row["label"] for row in table])

    sources = {
        "words": fit("sms_spam", 1500, ngram_range=(1, 2), sublinear_tf=True),
        "characters": fit("sms_spam", 300, analyzer="char_wb", ngram_range=(2, 4)),
        "float32": fit("sms_spam", 300, dtype=np.float32, min_df=2, max_features=500, smooth_idf=False),
        "languages": fit("sib200_20lang", 400, ngram_range=(1, 3), max_df=0.5),
    }
    return {name: (source, convert(source)) for name, source in sources.items()}


@pytest.mark.parametrize("name", ["words", "characters", "float32", "languages"])
def test_real_pipelines(real, name, same, tmp_path):
    source, plan = real[name]
    data = encode(plan, {})
    assert same(decode(data).plan, plan)
    joblib.dump(source, tmp_path / "source", compress=3)
    assert len(data) < (tmp_path / "source").stat().st_size


@pytest.mark.parametrize("name", ["words", "languages"])
def test_memory_stays_within_what_is_declared(real, name):
    data = encode(real[name][1], {})
    decode(data)
    tracemalloc.start()
    try:
        decode(data)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak <= 2 * (len(data) + declared(data)) + (1 << 20)


def test_reading_needs_numpy_alone(plans, tmp_path):
    (tmp_path / "model.qc").write_bytes(encode(plans["several"](), {}))
    code = (
        "import sys; from quantcore.artifact import decode, read; decode(read(sys.argv[1])); "
        "sys.exit(any(m.split('.')[0] in ('sklearn', 'scipy', 'pickle5', 'pandas') for m in sys.modules))"
    )
    subprocess.run([sys.executable, "-c", code, str(tmp_path / "model.qc")], check=True)
