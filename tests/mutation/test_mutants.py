"""The mutants themselves: what is changed in a source, what stays, and that a change reaches the imported function."""

from __future__ import annotations

import ast
import importlib.util
from pathlib import Path

HERE = Path(__file__).resolve().parent
SOURCE = '''
"""A module."""
LIMIT = 3
Alias = int | None

class Box:
    def size(self, n: int = 1) -> int | float:
        if not isinstance(n, int | float):
            raise ValueError(f"{n + 1} is no number")
        self.seen = n
        return n * 2 if n < 5 and n is not None else -n
'''


def test_what_is_changed(tmp_path, monkeypatch):
    import sys

    spec = importlib.util.spec_from_file_location("mutants", HERE / "mutants.py")
    mutants = importlib.util.module_from_spec(spec)
    monkeypatch.setitem(sys.modules, "mutants", mutants)
    spec.loader.exec_module(mutants)
    (tmp_path / "box.py").write_text(SOURCE)
    found = list(mutants.mutants(tmp_path, "box.py"))
    assert sorted((m.where, m.change) for m in found) == sorted(
        [
            ("", "`3` → `4`"),
            ("Box.size", "`1` → `2`"),
            ("Box.size", "`not isinstance(n, int | float)` → `isinstance(n, int | float)`"),
            ("Box.size", "`int | float` → `int`"),
            ("Box.size", "`int | float` → `float`"),
            ("Box.size", "`raise ValueError(f'{n + 1} is no number')` → `pass`"),
            ("Box.size", "`self.seen = n` → `pass`"),
            ("Box.size", "`n < 5 and n is not None` → `not (n < 5 and n is not None)`"),
            ("Box.size", "`n * 2` → `n / 2`"),
            ("Box.size", "`2` → `3`"),
            ("Box.size", "`n < 5 and n is not None` → `n < 5 or n is not None`"),
            ("Box.size", "`n < 5` → `n <= 5`"),
            ("Box.size", "`5` → `6`"),
            ("Box.size", "`n is not None` → `n is None`"),
            ("Box.size", "`-n` → `n`"),
        ]
    )
    # Each is one change: everything else of the function is as it was.
    whole = ast.parse(SOURCE).body[3].body[0]
    for mutant in found[1:]:
        assert ast.dump(mutant.node) != ast.dump(whole) and mutant.node.name == "size"
        compile(ast.Module([mutant.node], []), "box.py", "exec")
