"""Files read with the compiled transforms: the same Plan, or the same refusal."""

from __future__ import annotations

import random
import struct

import pytest

from quantcore.artifact import decode, encode
from quantcore.errors import ArtifactError

codec = pytest.importorskip("quantcore.native._codec", reason="this checkout is pure NumPy", exc_type=ImportError)
LIMIT = 1 << 24


def answer(data, door):
    try:
        return decode(data, max_bytes=LIMIT, codec=door)
    except ArtifactError as error:
        return error.reason, str(error)


def test_same_plan(plan, extra, same):
    data = encode(plan, extra)
    compiled, definition = decode(data, codec=codec), decode(data)
    assert same(compiled.plan, definition.plan) and compiled.digest == definition.digest


@pytest.mark.parametrize("name", ["binary", "several", "characters", "hashing", "matrix", "forest", "table"])
def test_mutants_with_repaired_checksums(plans, name, repair, same):
    data = encode(plans[name](), {"report": {}})
    rng = random.Random(name)
    extremes = [0, 1, 2**31 - 1, 2**31, 2**32 - 1]
    decoded = 0
    for _ in range(800):
        changed = bytearray(data)
        for _ in range(rng.choice([1, 1, 2, 4])):
            at = rng.randrange(64, len(changed))
            if rng.random() < 0.7:
                changed[at] = rng.randrange(256)
            else:
                changed[at : at + 4] = struct.pack("<I", rng.choice(extremes))[: len(changed) - at]
        mutant = repair(changed)
        found, expected = answer(mutant, codec), answer(mutant, None)
        assert isinstance(found, tuple) == isinstance(expected, tuple)
        if isinstance(found, tuple):
            assert found == expected
        else:
            decoded += 1
            assert same(found.plan, expected.plan)
    assert decoded
