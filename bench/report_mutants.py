"""The section on changed files: what they do to each library."""

from __future__ import annotations

from typing import Any

__all__ = ["section"]

_HEAD = ("library", "file", "crashes", "hangs", "silently different", "same answers", "refused")


def section(benchmarks: list[dict[str, Any]]) -> str:
    """A Markdown table of what was measured, or nothing."""
    found = [b["extra_info"] for b in benchmarks if b["extra_info"].get("task") == "mutants"]
    if not found:
        return ""
    lines = [_HEAD, ("---",) * len(_HEAD)]
    for one in found:
        counts = (f"{one[name]:,}" for name in ("crash", "hang", "different", "same", "refused"))
        lines.append((one["library"], f"{one['bytes']:,} bytes", *counts))
    table = "".join(f"| {' | '.join(line)} |\n" for line in lines)
    return (
        f"## Changed files\n\n{found[0]['mutants']:,} copies of a small ensemble's file, each with a bit flipped, four bytes "
        "made extreme, or its end cut off; each loaded and asked in a process of its own, with 4 GiB and 3 s. Goal: 0, 0, 0.\n\n"
        f"{table}"
    )
