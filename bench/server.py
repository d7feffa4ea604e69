"""A contender in a process of its own, asked by lines of JSON."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

from timing import environment

__all__ = ["Server"]


class Server:
    """``SCRIPT --serve NAME FOLDER``: it first tells why it can't serve, or null; then it answers line by line until stdin ends.

    Parameters
    ----------
    script : str
        A benchmark that serves its own contenders.
    name : str
    folder : Path
    **more
        Variables of its environment.
    """

    def __init__(self, script: str, name: str, folder: Path, **more: str) -> None:
        command = [sys.executable, str(Path(script).resolve()), "--serve", name, str(folder)]
        self._process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment(**more), stderr=subprocess.DEVNULL
        )
        self.absent: str | None = self._answer()

    def ask(self, request: Any) -> Any:
        """What the process answers."""
        assert self._process.stdin is not None
        print(json.dumps(request), file=self._process.stdin, flush=True)
        return self._answer()

    def _answer(self) -> Any:
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        return json.loads(line) if line else f"the process ended with status {self._process.wait()}"

    def close(self) -> None:
        """End the process."""
        self._process.communicate()
