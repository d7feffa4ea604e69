"""What `decode` asks of metadata, pool and Plan as wholes, and `encode` of what it has written."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import tracemalloc
import zlib
from types import ModuleType

import numpy as np
import pytest

from quantcore.artifact import canonical, codec, decode, encode
from quantcore.artifact.container import Section, pack, unpack
from quantcore.artifact.dictionary import DICTIONARY
from quantcore.artifact.transforms import transforms
from quantcore.errors import ArtifactError

RAW, DEFLATE, SHUFFLE, TABLED = range(4)
META, POOL, ARRAY, ANCILLARY = 1, 2, 3, 0x8000
PLAN = {
    "n_features_in": 1,
    "input": "matrix",
    "ops": [{"bias": {"$": ["pool", "f8", 1]}, "op": "Linear", "weight": {"$": ["same", 0]}}],
    "outputs": {"decision_function": 0},
}
ONE = {"bias": {"$": ["pool", "f8", 1]}, "op": "Linear", "weight": {"$": ["pool", "f8", 1, 1]}}
DOCUMENT = {"extra": {}, "plan": {**PLAN, "ops": [ONE]}}
POOLED = Section(POOL, RAW, "u1", (16,), bytes(16))


def head(document, codec=RAW):
    text = document if isinstance(document, bytes) else canonical.dumps(document)
    stored = text if codec == RAW else deflated(text)
    return Section(META, codec, "u1", (len(text),), stored)


def deflated(data, dictionary=DICTIONARY):
    stream = zlib.compressobj(9, zlib.DEFLATED, -15, 9, 0, *([dictionary] if dictionary else []))
    return stream.compress(data) + stream.flush()


def needed(text, arrays=16):
    """SPEC.md, section 6, of ASCII text and of a pool that is all taken as raw numbers."""
    return 4 * len(text) + 256 * text.count(b"{") + 104 * text.count(b"[") + 120 * text.count(b",") + 2 * arrays


def refused(sections, memory, text, reason="invalid"):
    with pytest.raises(ArtifactError, match=text) as caught:
        decode(pack(sections, memory))
    assert caught.value.reason == reason


def test_a_document_by_hand():
    text = canonical.dumps(DOCUMENT)
    for meta in (head(DOCUMENT), head(DOCUMENT, DEFLATE)):
        artifact = decode(pack([meta, POOLED], needed(text)))
        assert artifact.extra == {} and artifact.plan.ops[0].weight.tolist() == [[0.0]]
        assert artifact.sizes == {"meta": (len(meta.stored), len(text)), "pool": (16, 16)}
        for memory in (needed(text) - 1, needed(text) + 1):
            refused([meta, POOLED], memory, "header declares")


@pytest.mark.parametrize(
    "document",
    [
        [], 1, None, {}, {"plan": DOCUMENT["plan"]}, {"extra": {}}, {**DOCUMENT, "more": {}}, {**DOCUMENT, "extra": []},
        {**DOCUMENT, "extra": None},
    ],
)  # fmt: skip
def test_documents_of_another_shape(document):
    text = canonical.dumps(document)
    pool = [POOLED] if "ops" in str(document) else []
    refused([head(document), *pool], needed(text, 16 * len(pool)), "not a mapping of 'extra' and 'plan'")


def test_plans_are_validated():
    document = {"extra": {}, "plan": {**DOCUMENT["plan"], "outputs": {"decision_function": 1}}}
    refused([head(document), POOLED], needed(canonical.dumps(document)), "decision_function names op 1")


SECTIONS = {
    "no metadata": ([POOLED], "one metadata section"),
    "metadata twice": ([head(DOCUMENT), head(DOCUMENT), POOLED], "one metadata section"),
    "two pools": ([head(DOCUMENT), POOLED, POOLED], "at most one pool"),
    "metadata of other items": ([head(DOCUMENT)._replace(dtype="i1"), POOLED], "are bytes"),
    "metadata of two dimensions": ([head(DOCUMENT)._replace(dims=(1, len(canonical.dumps(DOCUMENT)))), POOLED], "are bytes"),
    "metadata of no dimension": ([head(b"1")._replace(dims=())], "are bytes"),
    "shuffled metadata": ([head(DOCUMENT, SHUFFLE), POOLED], "are bytes"),
    "a pool of other items": ([head(DOCUMENT), POOLED._replace(dtype="f8", dims=(2,))], "are bytes"),
    "a pool of two dimensions": ([head(DOCUMENT), POOLED._replace(dims=(4, 4))], "are bytes"),
    "a shuffled pool": ([head(DOCUMENT), POOLED._replace(codec=SHUFFLE, stored=deflated(bytes(16), b""))], "are bytes"),
    "a pool of tables": ([head(DOCUMENT), POOLED._replace(codec=TABLED, stored=deflated(bytes(16)))], "are bytes"),
    "an array of tables": (
        [head(DOCUMENT), Section(ARRAY, TABLED, "u1", (16,), deflated(bytes(16)))],
        "metadata alone is deflated with the dictionary of tables",
    ),
    "a last array of tables": (
        [head(DOCUMENT), POOLED, Section(ARRAY, TABLED, "u1", (16,), deflated(bytes(16)))],
        "metadata alone is deflated with the dictionary of tables",
    ),
    "an array more": ([head(DOCUMENT), POOLED, Section(ARRAY, RAW, "u1", (1,), b"x")], "nothing refers to"),
}


@pytest.mark.parametrize("name", SECTIONS)
def test_sections_that_are_refused(name):
    sections, text = SECTIONS[name]
    refused(sections, 1 << 16, text)


def test_arrays_are_found_wherever_they_are():
    """In the pool, raw or deflated, or in sections of their own."""
    text = canonical.dumps(DOCUMENT)
    pool = POOLED._replace(codec=DEFLATE, stored=deflated(bytes(16), b""))
    assert decode(pack([head(DOCUMENT), pool], needed(text))).sizes["pool"] == (len(pool.stored), 16)
    document = {"extra": {}, "plan": {**PLAN, "ops": [{**ONE, "bias": {"$": ["own"]}, "weight": {"$": ["own"]}}]}}
    own = [Section(ARRAY, RAW, "f8", dims, np.array(7.5).tobytes()) for dims in ((1,), (1, 1))]
    artifact = decode(pack([head(document), *own], needed(canonical.dumps(document), 8)))
    assert artifact.plan.ops[0].bias.tolist() == [7.5] and artifact.plan.ops[0].weight.tolist() == [[7.5]]
    assert "pool" not in artifact.sizes and artifact.sizes["1:plan.ops.0.bias"] == (8, 8)
    ignored = Section(ANCILLARY | 1, RAW, "u1", (1 << 20,), bytes(1 << 20))  # needs no memory
    assert decode(pack([head(document), *own, ignored], needed(canonical.dumps(document), 8))).digest == artifact.digest


def long(size):
    document = {**DOCUMENT, "extra": {"report": "a" * size}}
    return document, canonical.dumps(document)


def at_the_ratio():
    """A document whose metadata is a hundred times as long as when it is deflated, exactly; and one of a byte more."""
    for size in range(1000, 30_000):
        text = long(size)[1]
        if len(text) < 100 * len(deflated(text)) - 50:
            continue
        if len(text) == 100 * len(deflated(text)) == 100 * len(deflated(long(size + 1)[1])):
            return long(size), long(size + 1)
    raise AssertionError("there is none")


def test_the_largest_ratio_of_metadata():
    for (document, text), fits in zip(at_the_ratio(), (True, False), strict=True):
        sections = [head(document, DEFLATE), POOLED]
        if fits:
            assert decode(pack(sections, needed(text))).extra == document["extra"]
        else:
            refused(sections, needed(text), f"metadata of {len(text)} bytes from {len(sections[0].stored)}")


def test_metadata_is_written_in_the_shortest_way_that_is_read():
    plan, kinds = decode(pack([head(DOCUMENT), POOLED], needed(canonical.dumps(DOCUMENT)))).plan, set()
    for size in (10, 1000, 5000, *range(8000, 12_000, 100), 19_000, 60_000):
        sections, _ = unpack(memoryview(encode(plan, {"report": "a" * size})), None)
        text = texts(sections[0])
        assert text == canonical.dumps({"extra": {"report": "a" * size}, "plan": json.loads(text)["plan"]})
        least = len(codec.compress(text, DICTIONARY)), len(codec.compress(text, codec.TABLES))
        useful = [n for n in least if n < len(text) <= 100 * n]
        assert len(sections[0].stored) == min([*useful, len(text)])
        kinds.add(sections[0].codec == RAW)
    assert kinds == {True, False}


def texts(section):
    if section.codec == RAW:
        return bytes(section.stored)
    return zlib.decompressobj(-15, codec.TABLES if section.codec == TABLED else DICTIONARY).decompress(section.stored)


def test_the_longest_metadata(plans, monkeypatch):
    plan, extra = plans["matrix"](), {"report": "word " * 9}
    size = unpack(memoryview(encode(plan, extra)), None)[0][0].decoded
    monkeypatch.setattr(canonical, "MAX_TEXT", size)
    data = encode(plan, extra)
    assert decode(data).extra == extra
    monkeypatch.setattr(canonical, "MAX_TEXT", size - 1)
    with pytest.raises(ValueError, match=rf"needs {size} bytes, at most {size - 1} fit"):
        encode(plan, extra)
    with pytest.raises(ArtifactError, match=f"metadata of {size} bytes"):
        decode(data)


def test_metadata_is_not_inflated_beyond_what_is_declared():
    """At most twice the file and the declared memory, and 1 MiB: SPEC.md."""
    bomb = head(b'"' + b"a" * (15 << 20) + b'"', DEFLATE)
    bomb = bomb._replace(stored=deflated(b'"' + b"a" * (15 << 20) + b'"'))
    room = bytes(bomb.stored) + deflated(bytes(range(256)) * 700)  # long enough for the ratio, but the stream ends before
    data = pack([bomb._replace(stored=room + bytes(160_000 - len(room)))], 100)
    tracemalloc.start()
    try:
        with pytest.raises(ArtifactError, match="100 bytes of memory are less"):
            decode(data)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak <= 2 * (len(data) + 100) + (1 << 20)


def test_whose_memory_it_is(plans):
    """Bytes, and what nobody else can change, are used where they are; what somebody could is copied."""
    numbers = np.random.default_rng(0).bytes(48_000)
    report = {"floats": np.frombuffer(numbers, np.float64), "integers": np.frombuffer(numbers, np.uint64)}
    data = encode(plans["matrix"](), {"report": report})
    buffer = bytearray(data)
    for given, memory, shared in (
        (data, "any", (True, True)),
        (memoryview(buffer), "any", (False, False)),
        (memoryview(buffer), "private", (True, True)),
        (data, "private", (True, True)),
        (memoryview(buffer), "shared", (True, False)),
        (data, "shared", (True, False)),
    ):
        found = decode(given, memory=memory).extra["report"]
        whole = np.frombuffer(given, np.uint8)
        assert tuple(np.may_share_memory(found[name], whole) for name in report) == shared
        assert all(found[name].tobytes() == numbers for name in report)


def test_the_digest_of_what_is_in_it(plans):
    """SPEC.md, section 8, by hand."""
    report = {"list": [1, (2.5, "é")], "array": np.array([[1, 2], [3, 4]], ">i4"), "names": np.array(["a", "bc"]), "no": True}
    artifact = decode(encode(plans["matrix"](), {"report": report}))

    def named(dtype, dims, data):
        return {"$": [dtype, dims, hashlib.sha256(data).hexdigest()]}

    expected = {
        "list": [1, [2.5, "é"]],
        "array": named("i4", [2, 2], np.array([1, 2, 3, 4], "<i4").tobytes()),
        "names": named("U2", [2], "a\0bc".encode("utf-32-le")),
        "no": True,
    }
    assert codec._hashed(report) == codec._hashed(artifact.extra["report"]) == expected
    assert artifact.digest == codec._digest({"extra": artifact.extra, "plan": codec.plan_to_tree(artifact.plan)})
    assert codec._digest(report) == hashlib.sha256(canonical.dumps(expected)).hexdigest()
    words = plans["binary"](20)
    vocabulary = codec._hashed(words.ops[0].vocabulary)
    assert vocabulary.keys() == {field.name for field in dataclasses.fields(words.ops[0].vocabulary)}
    assert vocabulary["separator"] == " " and vocabulary["levels"] == list(words.ops[0].vocabulary.levels)
    raw = words.ops[0].vocabulary.symbol_bytes
    assert vocabulary["symbol_bytes"] == named("u1", [len(raw)], raw.tobytes())


def test_what_is_written_is_read_again_and_compared(plans, monkeypatch):
    """Whatever goes wrong in between, nothing is returned that is not what was given."""
    plan, real = plans["binary"](20), codec.pack
    unchanged = encode(plan, {})
    lying = ModuleType("lying")
    vars(lying).update(transforms(None)._asdict())
    lying.join_bits = lambda *arguments: transforms(None).join_bits(*arguments) ^ 1
    with pytest.raises(ValueError, match="does not survive being written"):
        encode(plans["matrix"](), {"report": np.random.default_rng(0).geometric(0.01, 500)}, codec=lying)
    for wrong in (
        lambda sections, memory: real(sections, memory + 1),
        lambda sections, memory: real([*sections, Section(ANCILLARY, RAW, "u1", (1,), b"x")], memory),
        lambda sections, memory: real([sections[0]._replace(stored=sections[0].stored[::-1]), *sections[1:]], memory),
    ):
        monkeypatch.setattr(codec, "pack", wrong)
        with pytest.raises(ValueError, match="does not survive being written"):
            encode(plan, {})
    monkeypatch.undo()
    data, artifact = codec.encoded(plan, {})
    assert data == unchanged == encode(plan, {}) and artifact.digest == decode(data).digest
