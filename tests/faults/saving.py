"""Saves one file over another; killed by test_killed.py at one of its system calls. Usage: saving.py MODEL TARGET"""

import contextlib
import os
import sys

from quantcore.artifact.files import write

with open(sys.argv[1], "rb") as file:
    data = file.read()
os.umask(0o022)
if len(sys.argv) > 3:
    with contextlib.suppress(OSError):
        os.stat("/quantcore-save-begins")  # shows in a trace
write(sys.argv[2], data)
