"""Files: saved atomically and durably, read into private memory."""

from __future__ import annotations

import contextlib
import os
import stat

from quantcore.artifact._fail import checksum, too_large

__all__ = ["read", "write"]


def write(path: str | os.PathLike[str], data: bytes) -> None:
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
    temporary = os.path.join(folder, f".{name[:200]}.{os.urandom(8).hex()}.tmp")
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


def read(path: str | os.PathLike[str], *, expected_sha256: str | None = None, max_bytes: int | None = None) -> bytes:
    """The bytes of a file, in memory that nobody else can change.

    Parameters
    ----------
    path : path-like
    expected_sha256 : str or None
        Hex SHA-256 of the whole file; another content raises ArtifactError("checksum").
    max_bytes : int or None
        Largest file to read; a larger one raises ArtifactError("invalid") before it is read.
    """
    with open(path, "rb", buffering=0) as file:
        size = os.fstat(file.fileno()).st_size
        if max_bytes is not None and size > max_bytes:
            raise too_large(f"the file holds {size} bytes", max_bytes)
        private = file.read(size)
        while more := file.read(size - len(private)):  # one call reads 2 GiB at most
            private += more
    if expected_sha256 is not None:
        import hashlib  # 2 ms that only this needs

        found = hashlib.sha256(private).hexdigest()
        if found != expected_sha256.lower():
            raise checksum(f"the file (SHA-256 {found}, expected {expected_sha256})")
    return private
