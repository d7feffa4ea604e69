"""Saving is atomic, reading is private, and failures leave the old file alone."""

from __future__ import annotations

import hashlib
import os
import stat

import numpy as np
import pytest

from quantcore.artifact import decode, encode, mapped, read, write
from quantcore.artifact import files as files_module
from quantcore.errors import ArtifactError

OLD, NEW = b"old" * 1000, b"new" * 5000


@pytest.fixture
def path(tmp_path):
    target = tmp_path / "model.qc"
    write(target, OLD)
    return target


def test_write_and_read(path):
    write(path, NEW)
    assert read(path) == read(str(path), expected_sha256=hashlib.sha256(NEW).hexdigest().upper(), max_bytes=len(NEW)) == NEW
    assert os.listdir(path.parent) == ["model.qc"]


@pytest.mark.skipif(os.name != "posix", reason="POSIX modes")
def test_mode_follows_the_umask(tmp_path):
    old = os.umask(0o027)
    try:
        write(tmp_path / "m", OLD)
    finally:
        os.umask(old)
    assert stat.S_IMODE((tmp_path / "m").stat().st_mode) == 0o640


@pytest.mark.skipif(os.name != "posix", reason="POSIX modes")
@pytest.mark.parametrize("mode", [0o600, 0o664, 0o444])
def test_a_file_that_is_replaced_keeps_its_mode(path, mode):
    path.chmod(mode)
    write(path, NEW)
    assert stat.S_IMODE(path.stat().st_mode) == mode and path.read_bytes() == NEW


@pytest.mark.skipif(os.name != "posix", reason="symbolic links")
def test_a_link_stays_a_link(path):
    link = path.parent / "link"
    link.symlink_to(path.name)
    write(link, NEW)
    assert link.is_symlink() and path.read_bytes() == NEW


@pytest.mark.parametrize("name", ["fsync", "replace", "write", "close"])
@pytest.mark.parametrize("error", [OSError("disk"), KeyboardInterrupt()])
def test_failure_leaves_the_old_file(path, monkeypatch, name, error):
    real_close = os.close

    def fail(*arguments, **keywords):
        if name == "close":
            real_close(*arguments)
        raise error

    with monkeypatch.context() as patch, pytest.raises(type(error)):
        patch.setattr(os, name, fail)
        write(path, NEW)
    assert path.read_bytes() == OLD
    assert os.listdir(path.parent) == ["model.qc"]


def test_short_writes_are_continued(path, monkeypatch):
    real = os.write
    monkeypatch.setattr(os, "write", lambda handle, data: real(handle, data[:777]))
    write(path, NEW)
    assert path.read_bytes() == NEW


def test_everything_is_synced_before_it_is_renamed(path, monkeypatch):
    calls = []
    for name in ("fsync", "replace"):
        real = getattr(os, name)
        monkeypatch.setattr(os, name, lambda *a, real=real, name=name, **k: (calls.append(name), real(*a, **k))[1])
    write(path, NEW)
    assert calls == ["fsync", "replace", "fsync"] if hasattr(os, "O_DIRECTORY") else calls == ["fsync", "replace"]


def test_what_is_not_there(tmp_path):
    for call in (lambda p: read(p), lambda p: write(p, OLD)):
        with pytest.raises(OSError):
            call(tmp_path / "nowhere" / "model.qc")
    with pytest.raises(OSError):
        read(tmp_path)


def test_limits(path):
    with pytest.raises(ArtifactError, match="SHA-256") as caught:
        read(path, expected_sha256="0" * 64)
    assert caught.value.reason == "checksum"
    with pytest.raises(ArtifactError, match="max_bytes"):
        read(path, max_bytes=10)


def large(plans, tmp_path, changes=None):
    """A file with raw floats and raw integers in sections of their own."""
    rng = np.random.default_rng(0)
    floats, integers = np.frombuffer(rng.bytes(48_000), np.float64), np.frombuffer(rng.bytes(48_000), np.uint64)
    path = tmp_path / "large.qc"
    write(path, encode(plans["matrix"](), {"report": {"floats": floats, "integers": integers}}))
    return path


def test_large_files_are_read_in_large_pages(plans, tmp_path, monkeypatch):
    path = large(plans, tmp_path)
    small = read(path)
    monkeypatch.setattr(files_module, "_LARGE", 1000)
    view = read(path, expected_sha256=hashlib.sha256(small).hexdigest())
    assert isinstance(view, memoryview) and view.readonly and view == small
    assert decode(view, memory="private").digest == decode(small).digest


def test_only_floats_are_shared_with_the_file(plans, tmp_path):
    path = large(plans, tmp_path)
    with mapped(path) as view:
        found = decode(view, memory="shared")
    file = np.frombuffer(view, np.uint8)
    shared = {name: np.may_share_memory(array, file) for name, array in found.extra["report"].items()}
    assert shared == {"floats": True, "integers": False}
    assert not found.extra["report"]["floats"].flags.writeable
    assert found.digest == decode(read(path)).digest


def test_a_file_that_changes_while_it_is_mapped(plans, tmp_path):
    path = large(plans, tmp_path)
    with pytest.raises(ArtifactError, match="while it is read"), mapped(path):
        path.write_bytes(path.read_bytes())
        os.utime(path, ns=(1, 1))
    with mapped(path) as view:  # another file in its place is no change of this one
        write(path, NEW)
    assert decode(view, memory="shared").digest
    (tmp_path / "empty").write_bytes(b"")
    with pytest.raises(ArtifactError, match="truncated"), mapped(tmp_path / "empty") as view:
        decode(view, memory="shared")
