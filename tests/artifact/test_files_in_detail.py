"""What saving and reading ask of the system: names, modes, flags, pages; and what they leave behind."""

from __future__ import annotations

import hashlib
import io
import mmap
import os
import stat

import pytest

from quantcore.artifact import files, mapped, read, write
from quantcore.errors import ArtifactError

posix = pytest.mark.skipif(os.name != "posix", reason="POSIX modes and descriptors")
DATA = bytes(range(256)) * 40


@pytest.fixture
def calls(monkeypatch):
    """What is asked of ``os``, in order: (name, arguments, answer)."""
    found = []
    for name in ("open", "fsync", "close", "replace", "fchmod", "unlink"):
        real = getattr(os, name)

        def asked(*arguments, real=real, name=name):
            answer = real(*arguments)
            found.append((name, arguments, answer))
            return answer

        monkeypatch.setattr(os, name, asked)
    return found


def descriptors():
    return len(os.listdir("/proc/self/fd"))


@posix
def test_a_new_file_comes_about_under_another_name(tmp_path, calls):
    """In the same folder, exclusively, closed for children; synced, closed and renamed; then the folder is synced."""
    target = tmp_path / ("m" * 250)  # as long as names may be: the temporary one is not longer
    before = descriptors()
    write(target, DATA)
    assert descriptors() == before and target.read_bytes() == DATA and os.listdir(tmp_path) == [target.name]
    (_, (temporary, flags, mode), handle), *rest = calls
    assert os.path.dirname(temporary) == str(tmp_path) and os.path.basename(temporary).startswith(".mmm")
    assert temporary.endswith(".tmp") and mode == 0o666
    assert flags == os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC
    (_, (folder, folder_flags), folder_handle) = rest[3]
    assert (folder, folder_flags) == (str(tmp_path), os.O_RDONLY | os.O_DIRECTORY)
    assert [(name, arguments) for name, arguments, _ in rest] == [
        ("fsync", (handle,)),
        ("close", (handle,)),
        ("replace", (temporary, str(target))),
        ("open", (folder, folder_flags)),
        ("fsync", (folder_handle,)),
        ("close", (folder_handle,)),
    ]


@posix
@pytest.mark.parametrize("name", ["é" * 127, "☃" * 85, "\U0001f600" * 63], ids=["two bytes", "three bytes", "four bytes"])
def test_names_of_long_characters(tmp_path, name):
    """Systems count bytes, 255 mostly, not characters."""
    write(tmp_path / name, DATA)
    write(tmp_path / name, DATA)
    assert os.listdir(tmp_path) == [name]


def test_temporary_names_are_not_guessed(tmp_path, calls):
    for _ in range(3):
        write(tmp_path / "model.qc", DATA)
    names = {os.path.basename(arguments[0]) for name, arguments, _ in calls if name == "open" and len(arguments) == 3}
    assert len(names) == 3 and all(len(name) == len(".model.qc.") + 16 + len(".tmp") for name in names)
    assert all(int(name.split(".")[3], 16) >= 0 for name in names)


@posix
def test_a_longer_name_than_the_system_takes_leaves_nothing(tmp_path):
    with pytest.raises(OSError):
        write(tmp_path / ("m" * 256), DATA)
    assert os.listdir(tmp_path) == []


@posix
@pytest.mark.parametrize("mode", [0o640, 0o777, 0o4755, 0o2664, 0o1777])
def test_permissions_are_kept_and_nothing_else(tmp_path, mode):
    """The umask takes nothing from them; set-id bits are not for a new content."""
    target = tmp_path / "model.qc"
    write(target, b"old")
    target.chmod(mode)
    old = os.umask(0o077)
    try:
        write(target, DATA)
    finally:
        os.umask(old)
    assert stat.S_IMODE(target.stat().st_mode) == mode & 0o777


@posix
def test_what_is_not_permitted_is_said(tmp_path, monkeypatch):
    """A look at the old file that fails is no sign that there is none."""
    write(tmp_path / "model.qc", b"old")

    def denied(path):
        raise PermissionError(path)

    monkeypatch.setattr(os, "stat", denied)
    with pytest.raises(PermissionError):
        files._mode(str(tmp_path / "model.qc"))


@posix
def test_a_failure_leaves_no_descriptor(tmp_path, monkeypatch):
    target, before = tmp_path / "model.qc", descriptors()
    for name in ("write", "fsync", "fchmod", "replace"):
        write(target, b"old")

        def fail(*_):
            raise OSError("no")

        with monkeypatch.context() as patch, pytest.raises(OSError, match="no"):
            patch.setattr(os, name, fail)
            write(target, DATA)
        assert descriptors() == before and os.listdir(tmp_path) == ["model.qc"] and target.read_bytes() == b"old"


@posix
def test_what_cannot_be_made_durable_is_said(tmp_path, monkeypatch):
    """The last step: the new file is there by then, and no descriptor stays."""
    target, before, real, left = tmp_path / "model.qc", descriptors(), os.fsync, [1]

    def fail(handle):
        if not left:
            raise OSError("folder")
        left.pop()
        real(handle)

    monkeypatch.setattr(os, "fsync", fail)
    with pytest.raises(OSError, match="folder"):
        write(target, DATA)
    assert target.read_bytes() == DATA and descriptors() == before


def test_without_folders_that_can_be_opened(tmp_path, monkeypatch):
    """As on Windows."""
    monkeypatch.delattr(os, "O_DIRECTORY", raising=False)
    monkeypatch.delattr(os, "fchmod", raising=False)
    target = tmp_path / "model.qc"
    write(target, b"old")
    write(target, DATA)
    assert target.read_bytes() == DATA and os.listdir(tmp_path) == ["model.qc"]


def test_limits_are_inclusive(tmp_path):
    target = tmp_path / "model.qc"
    write(target, DATA)
    digest = hashlib.sha256(DATA).hexdigest()
    assert read(target, max_bytes=len(DATA), expected_sha256=digest) == DATA
    with mapped(target, max_bytes=len(DATA), expected_sha256=digest) as view:
        assert bytes(view) == DATA
    for call in (lambda **limits: read(target, **limits), lambda **limits: mapped(target, **limits).__enter__()):
        with pytest.raises(ArtifactError, match=f"{len(DATA)} bytes.*max_bytes is {len(DATA) - 1}") as caught:
            call(max_bytes=len(DATA) - 1)
        assert caught.value.reason == "invalid"
        with pytest.raises(ArtifactError, match=f"SHA-256 {digest}, expected 00") as caught:
            call(expected_sha256="00" * 32)
        assert caught.value.reason == "checksum"


def test_mapped_pages_are_those_of_the_file(tmp_path):
    target = tmp_path / "model.qc"
    write(target, DATA)
    with mapped(target) as view:
        assert isinstance(view, memoryview) and isinstance(view.obj, mmap.mmap) and view.readonly and view == DATA
    (tmp_path / "empty").write_bytes(b"")
    with mapped(tmp_path / "empty") as view:
        assert view == b""


@pytest.mark.parametrize("change", [b"x", b""])
def test_changes_of_size_while_it_is_mapped(tmp_path, change):
    target = tmp_path / "model.qc"
    write(target, DATA)
    with pytest.raises(ArtifactError, match="somebody changes while it is read") as caught, mapped(target):
        before = target.stat()
        target.write_bytes(DATA + change if change else DATA[:-1])
        os.utime(target, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert caught.value.reason == "checksum"


class Pieces(io.BytesIO):
    """A file as ``open(..., buffering=0)`` gives it, of which a call reads a few bytes at most; it counts the calls."""

    def __init__(self, path, mode, buffering):
        assert mode == "rb"
        super().__init__(DATA)
        self.path, self.asked, self.buffering = path, [], buffering

    def fileno(self):
        return -5

    def read(self, size=-1):
        self.asked.append(size)
        return super().read(min(size, 4000) if size >= 0 else 4000)


def test_small_files_in_pieces(monkeypatch):
    """One call of the system reads 2 GiB at most; no byte is asked for again, nor more than there are."""
    opened = []
    monkeypatch.setattr(files, "open", lambda *a, **k: opened.append(Pieces(*a, **k)) or opened[0], raising=False)
    monkeypatch.setattr(os, "fstat", lambda handle: os.stat_result((0o644, 0, 0, 1, 0, 0, len(DATA), 0, 0, 0)))
    assert read("somewhere") == DATA
    size = len(DATA)
    assert opened[0].asked == [size, size - 4000, size - 8000, 0] and opened[0].buffering == 0


@pytest.mark.skipif(not hasattr(os, "posix_fadvise"), reason="small pages alone")
def test_files_from_16_mib_on_are_read_into_large_pages(tmp_path, monkeypatch):
    advice = []

    class Memory(mmap.mmap):
        def madvise(self, option, *rest):
            advice.append((option, len(self)))
            return super().madvise(option, *rest)

    monkeypatch.setattr(mmap, "mmap", Memory)
    target = tmp_path / "large"
    for size, large in (((1 << 24) - 1, False), (1 << 24, True)):
        with open(target, "wb") as file:
            file.truncate(size)
            file.seek(size - 3)
            file.write(b"end")
        found = read(target)
        assert isinstance(found, memoryview) == large and len(found) == size and bytes(found[-4:]) == b"\0end"
    assert advice == ([(mmap.MADV_HUGEPAGE, 1 << 24)] if hasattr(mmap, "MADV_HUGEPAGE") else [])


def test_large_files_are_asked_for_no_more_than_they_hold():
    """Nothing behind the size at which it was opened is read, and no call is made in vain."""
    asked = []

    class File(io.BytesIO):
        def readinto(self, buffer):
            asked.append(len(buffer))
            return super().readinto(buffer)

    assert bytes(files._read_large(File(DATA + b"more"), len(DATA))) == DATA and asked == [len(DATA)]


@pytest.mark.skipif(not hasattr(mmap, "MADV_HUGEPAGE"), reason="a system without large pages")
def test_a_system_without_large_pages(monkeypatch):
    class Memory(mmap.mmap):
        def madvise(self, *_):
            raise OSError("none here")

    monkeypatch.setattr(mmap, "mmap", Memory)
    assert bytes(files._read_large(io.BytesIO(DATA), len(DATA))) == DATA
    monkeypatch.delattr(mmap, "MADV_HUGEPAGE")
    assert bytes(files._read_large(io.BytesIO(DATA), len(DATA))) == DATA
