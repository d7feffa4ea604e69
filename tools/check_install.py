"""Check an installed quantcore: every family of kernels is served by its compiled door, at an instruction set that was expected.

Usage: python tools/check_install.py ISA...    (one of these, or, without any, more than plain C)
Run it with the Python that quantcore is installed for; it needs nothing but NumPy.
"""

from __future__ import annotations

import importlib.metadata
import os
import pathlib
import sys

os.environ["QUANTCORE_FALLBACK"] = "error"

import quantcore  # noqa: E402 (reads the variable)

config = quantcore.show_config()
house = pathlib.Path(quantcore.__file__).resolve().parent
served = {family: (chosen["implementation"], chosen["isa"]) for family, chosen in config["families"].items()}
expected = set(sys.argv[1:]) or {"avx2", "avx512", "neon", "dotprod"}
wrong = {family: chosen for family, chosen in served.items() if chosen[0] != "compiled" or chosen[1] not in expected}
if wrong:
    sys.exit(f"expected compiled kernels for {' or '.join(sorted(expected))}; got {wrong} on a CPU with {config['cpu']}")
if (house.parent / "setup.py").exists():
    sys.exit(f"quantcore came from the checkout, {house}, not from an installed wheel")
if importlib.metadata.version("quantcore") != quantcore.__version__:
    sys.exit(f"the metadata say {importlib.metadata.version('quantcore')}, the code {quantcore.__version__}")
size = sum(path.stat().st_size for path in house.rglob("*") if path.is_file() and "__pycache__" not in path.parts)
print(f"quantcore {quantcore.__version__} in {house}: {len(served)} families served by {config['isa']}, {size / 1e6:.2f} MB")
if size >= 5e6:
    sys.exit("that is 5 MB or more: see CONTRIBUTING.md, 'Wheels'")
