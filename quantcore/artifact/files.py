"""Files: saved atomically and durably, read into private memory."""

from __future__ import annotations

import contextlib
import os
import stat
from collections.abc import Iterator
from typing import Any

from quantcore.artifact._fail import checksum, too_large

__all__ = ["mapped", "read", "write"]

_LARGE = 1 << 24  # bytes; from here on pages of 2 MiB pay: faults on small ones take longer than copying the file


def write(path: str | os.PathLike[str], data: bytes | memoryview) -> None:
    """Put ``data`` at ``path``: after a crash at any moment the old file is there or the new one, whole.

    A file that is replaced keeps its permissions; a new one gets those that the umask leaves.

    Parameters
    ----------
    path : path-like
    data : bytes

    Raises
    ------
    OSError
        The old file, if any, is untouched then and nothing is left behind; only where the last step
        fails, making the rename durable, is the new file there already.
    """
    target = os.path.realpath(os.fspath(path))  # a link stays a link
    folder, name = os.path.split(target)
    temporary = os.path.join(folder, f".{name[:50]}.{os.urandom(8).hex()}.tmp")  # of 255 bytes at most
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_CLOEXEC", 0) | getattr(os, "O_BINARY", 0)
    mode = _mode(target)
    handle = os.open(temporary, flags, 0o666 if mode is None else mode)
    try:
        try:
            if mode is not None and hasattr(os, "fchmod"):
                os.fchmod(handle, mode)  # what the umask took from it
            view = memoryview(data)
            while view:
                view = view[os.write(handle, view) :]
            os.fsync(handle)
        finally:
            os.close(handle)
        os.replace(temporary, target)
    except BaseException:
        with contextlib.suppress(OSError):
            os.unlink(temporary)
        raise
    _sync_folder(folder)


def _mode(path: str) -> int | None:
    """Permissions of the file that is there, which the new one gets too; None where there is none."""
    try:
        return stat.S_IMODE(os.stat(path).st_mode) & 0o777
    except FileNotFoundError:
        return None


def _sync_folder(folder: str) -> None:
    """Make the rename durable where the platform lets a folder be opened."""
    if not hasattr(os, "O_DIRECTORY"):
        return
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def read(path: str | os.PathLike[str], *, expected_sha256: str | None = None, max_bytes: int | None = None) -> bytes | memoryview:
    """The bytes of a file, in memory that nobody else can change; a read-only view of it where there are many.

    Parameters
    ----------
    path : path-like
    expected_sha256 : str or None
        Hex SHA-256 of the whole file; another content raises ArtifactError("checksum").
    max_bytes : int or None
        Largest file to read; a larger one raises ArtifactError("invalid") before it is read.
    """
    with open(path, "rb", buffering=0) as file:
        size = _size(file, max_bytes)
        private: bytes | memoryview
        if size >= _LARGE and hasattr(os, "posix_fadvise"):
            private = _read_large(file, size)
        else:
            private = file.read(size)
            while more := file.read(size - len(private)):  # one call reads 2 GiB at most
                private += more
    _check(private, expected_sha256)
    return private


@contextlib.contextmanager
def mapped(
    path: str | os.PathLike[str], *, expected_sha256: str | None = None, max_bytes: int | None = None
) -> Iterator[bytes | memoryview]:
    """As `read`, but the pages of the file itself, which all processes share that map it.

    Whoever rewrites the file in place changes them (`write` never does, it puts another file there). A change while the context
    lasts is noticed, by the file's size and time, and refused at its end; what comes later is not noticed.
    """
    import mmap  # reading does without

    with open(path, "rb", buffering=0) as file:
        before, size = _state(file), _size(file, max_bytes)
        view: bytes | memoryview = memoryview(mmap.mmap(file.fileno(), size, access=mmap.ACCESS_READ)) if size else b""
        _check(view, expected_sha256)
        yield view
        if _state(file) != before:
            raise checksum("the file, which somebody changes while it is read,")


def _size(file: Any, max_bytes: int | None) -> int:
    size: int = os.fstat(file.fileno()).st_size
    if max_bytes is not None and size > max_bytes:
        raise too_large(f"the file holds {size} bytes", max_bytes)
    return size


def _state(file: Any) -> tuple[int, int]:
    found = os.fstat(file.fileno())
    return found.st_size, found.st_mtime_ns


def _read_large(file: Any, size: int) -> memoryview:
    """Into memory of our own, in large pages where the system has them."""
    import mmap  # small files do without

    memory = mmap.mmap(-1, size, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
    if hasattr(mmap, "MADV_HUGEPAGE"):
        with contextlib.suppress(OSError):  # a kernel without them
            memory.madvise(mmap.MADV_HUGEPAGE)
    view, done = memoryview(memory), 0
    while done < size and (count := file.readinto(view[done:])):
        done += count
    return view[:done].toreadonly()


def _check(data: bytes | memoryview, expected_sha256: str | None) -> None:
    if expected_sha256 is None:
        return
    import hashlib  # 2 ms that only this needs

    found = hashlib.sha256(data).hexdigest()
    if found != expected_sha256.lower():
        raise checksum(f"the file (SHA-256 {found}, expected {expected_sha256})")
