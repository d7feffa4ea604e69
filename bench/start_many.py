"""Load every model of a folder and predict once with each, in this process.

    python bench/start_many.py {quantcore,scikit-learn,onnxruntime} FOLDER STARTED

STARTED is ``time.monotonic()`` of whoever started this process: the interpreter's own start counts. Prints JSON: seconds
until the last first prediction, and the resident memory then, in MB.
"""

from __future__ import annotations

import json
import re
import sys
import time
from pathlib import Path

from contender import loader

SUFFIX = {"quantcore": ".qc", "scikit-learn": ".joblib", "onnxruntime": ".onnx"}


def resident_mb() -> float:
    """The largest resident size of this process so far."""
    status = Path("/proc/self/status")
    if status.is_file():  # ru_maxrss would count what the parent held when it forked
        found = re.search(r"VmHWM:\s+(\d+) kB", status.read_text())
        return int(found[1]) / 1e3 if found else 0.0
    import resource

    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (1e6 if sys.platform == "darwin" else 1e3)


def main(name: str, folder: str, started: str) -> None:
    """Print the two figures."""
    models = []
    for path in sorted(Path(folder).glob(f"*{SUFFIX[name]}")):
        predict = loader(name, str(path))()
        predict(["free entry in a weekly competition to win cup final tickets"])
        models.append(predict)
    print(json.dumps({"seconds": time.monotonic() - float(started), "rss_mb": resident_mb(), "models": len(models)}))


if __name__ == "__main__":
    main(*sys.argv[1:])
