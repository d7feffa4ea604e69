"""Memory of several processes that serve one large file: read by each, or mapped by all (PSS: shared pages are split).

Usage: bench_mmap.py [MEGABYTES [PROCESSES]]    (of raw weights; 128 and 8 if none are given; Linux; prints a table)
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
from pathlib import Path

from bench_load import raw

WORKER = """
import sys
import numpy as np
import quantcore as qc

def pss():
    lines = open("/proc/self/smaps_rollup").read().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("Pss:")) / 1024

model = qc.load(sys.argv[1], mmap=sys.argv[2] == "mapped")
rows = np.zeros((1, model.n_features_in_))
rows[0, ::1000] = 1e-300
model.predict(rows)
del rows
print("ready", flush=True)
sys.stdin.readline()
print(pss(), flush=True)
sys.stdin.readline()
"""


def main(megabytes: int, processes: int) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "raw.qc"
        path.write_bytes(raw(megabytes))
        print(f"File: {path.stat().st_size / 2**20:.0f} MiB, {processes} processes\n\n| load | PSS of all, MiB |\n|---|---|")
        for how in ("read", "mapped"):
            command = [sys.executable, "-c", WORKER, path, how]
            workers = [subprocess.Popen(command, stdin=-1, stdout=-1, text=True) for _ in range(processes)]
            try:
                for one in workers:
                    one.stdout.readline()
                found = []
                for one in workers:
                    one.stdin.write("\n")
                    one.stdin.flush()
                    found.append(float(one.stdout.readline()))
            finally:
                for one in workers:
                    one.kill()
                    one.wait()
            print(f"| {how} | {sum(found):.0f} |")


if __name__ == "__main__":
    main(*[int(given) for given in (sys.argv[1:] + ["128", "8"][len(sys.argv) - 1 :])])
