"""Every single-bit flip and every truncation of every golden file is refused: all of them are tried."""

from __future__ import annotations

from pathlib import Path

import pytest

from quantcore.artifact import decode
from quantcore.errors import ArtifactError

GOLDEN = sorted((Path(__file__).resolve().parents[1] / "golden").glob("*.qc"))
# A flip in the magic bytes makes another kind of file; in the header all else is found by its checksum, before it is believed.
_REASONS = {"checksum", "invalid"}


def reason(data: bytes) -> str | None:
    try:
        decode(data)
    except ArtifactError as error:
        return error.reason
    return None


@pytest.mark.parametrize("path", GOLDEN, ids=lambda path: path.stem)
def test_every_bit_flip(path):
    data = bytearray(path.read_bytes())
    tried = 0
    for at in range(len(data)):
        for bit in range(8):
            data[at] ^= 1 << bit
            found = reason(bytes(data))
            data[at] ^= 1 << bit
            assert found in _REASONS, f"bit {bit} of byte {at}: {found}"
            tried += 1
    assert tried == 8 * path.stat().st_size
    assert reason(bytes(data)) is None


@pytest.mark.parametrize("path", GOLDEN, ids=lambda path: path.stem)
def test_every_truncation(path):
    data = path.read_bytes()
    assert [reason(data[:size]) for size in range(len(data))] == ["truncated"] * len(data)


@pytest.mark.parametrize("path", GOLDEN, ids=lambda path: path.stem)
def test_every_prefix_with_more_behind_it(path):
    """A file that stops and goes on with something else: zeros, as after a crash of a machine, or another file."""
    data = path.read_bytes()
    other = GOLDEN[GOLDEN.index(path) - 1].read_bytes()
    for tail in (bytes(len(data)), (other * (len(data) // len(other) + 1))[: len(data)]):
        for size in range(len(data)):
            mixed = data[:size] + tail[size:]
            assert mixed == data or reason(mixed) is not None
