"""A save that is killed at any of its system calls leaves the old file or the new one, whole."""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from quantcore.artifact import decode, read, write
from quantcore.errors import ArtifactError

HERE = Path(__file__).parent
GOLDEN = HERE.parent / "golden"
OLD, NEW = GOLDEN / "text_word.qc", GOLDEN / "trees_forest.qc"
CALLS = ("stat", "open", "fchmod", "write", "fsync", "close", "replace")

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="POSIX processes")


def whole(path: Path) -> bytes:
    """What is at the target: one of the two files, which can be read."""
    found = path.read_bytes()
    assert found in (OLD.read_bytes(), NEW.read_bytes())
    decode(found)
    return found


def killed_at(target: Path, n: int, after: bool) -> bool:
    """Save in a child that kills itself before, or right after, the n-th call into the system."""
    child = os.fork()
    if child == 0:
        left = [n]

        def wrapped(name):
            real = getattr(os, name)

            def call(*arguments, **keywords):
                left[0] -= 1
                if left[0] < 0 and not after:
                    os.kill(os.getpid(), signal.SIGKILL)
                if name == "write" and len(arguments[1]) > 100:
                    arguments = arguments[0], arguments[1][:100]  # many short ones
                found = real(*arguments, **keywords)
                if left[0] < 0:
                    os.kill(os.getpid(), signal.SIGKILL)
                return found

            setattr(os, name, call)

        for name in CALLS:
            wrapped(name)
        try:
            write(target, NEW.read_bytes())
        finally:
            os._exit(0)
    status = os.waitpid(child, 0)[1]
    return os.WIFSIGNALED(status)


@pytest.mark.parametrize("there", [True, False])
@pytest.mark.parametrize("after", [False, True])
def test_every_call(tmp_path, after, there):
    target, n, seen = tmp_path / "model.qc", 0, []
    while True:
        if there:
            write(target, OLD.read_bytes())
        else:
            target.unlink(missing_ok=True)
        killed = killed_at(target, n, after)
        seen.append(whole(target) if there or target.exists() else b"")
        for left in tmp_path.glob(".*.tmp"):  # of the dead; the next save is not in their way
            left.unlink()
        if not killed:
            break
        n += 1
    assert n >= len(CALLS)
    assert seen[0] == (OLD.read_bytes() if there else b"") and seen[-1] == NEW.read_bytes()
    assert seen == sorted(seen, key=[seen[0], seen[-1]].index)  # the old one up to a moment, then the new one


def test_what_the_dead_leave_behind(tmp_path):
    """A temporary file of a save that was killed hinders neither loading nor saving."""
    target = tmp_path / "model.qc"
    write(target, OLD.read_bytes())
    (tmp_path / ".model.qc.0123456789abcdef.tmp").write_bytes(NEW.read_bytes()[:100])
    write(target, NEW.read_bytes())
    assert read(target) == NEW.read_bytes()
    with pytest.raises(ArtifactError):
        decode(read(tmp_path / ".model.qc.0123456789abcdef.tmp"))


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("strace") is None, reason="strace injects the signals")
def test_every_system_call(tmp_path):
    """The same by the kernel's own count: strace kills the process at each system call from the first of the save on."""
    target, log = tmp_path / "model.qc", tmp_path / "log"
    command = [sys.executable, "-S", HERE / "saving.py", NEW, target, "marked"]
    env = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path)), "PYTHONHASHSEED": "0"}

    def run(*options: str) -> int:
        write(target, OLD.read_bytes())
        return subprocess.run(["strace", "-o", log, *options, *command], env=env, check=False, capture_output=True).returncode

    run()
    if not log.exists() or "exited with" not in log.read_text():
        pytest.skip("no process may be traced here")
    calls = [found.group(1) for line in log.read_text().splitlines() if (found := re.match(r"(\w+)\(", line))]
    lines = log.read_text().splitlines()
    begins = next(i for i, line in enumerate(lines) if "/quantcore-save-begins" in line)
    seen = []
    for i in range(begins + 1, len(calls)):
        name = calls[i]
        nth = calls[: i + 1].count(name)
        if name in ("exit_group", "execve"):
            continue
        run("-e", "trace=all", "-e", f"inject={name}:signal=SIGKILL:when={nth}")
        seen.append(whole(target))
        for left in tmp_path.glob(".*.tmp"):
            left.unlink()
    print(f"killed at each of {len(seen)} system calls: {seen.count(OLD.read_bytes())} times the old file is there, else the new")
    assert OLD.read_bytes() in seen and NEW.read_bytes() in seen
