"""Report: what ``model.report()`` returns. A dict, whose items are attributes too, and that people can read."""

from __future__ import annotations

import html
from typing import Any

from quantcore.report.units import of_bytes, percent

__all__ = ["Report"]

_SHARES = ("agreement", "certified")
_MOST_CANDIDATES = 20


class Report(dict[str, Any]):
    """A dict with stable names; ``report.max_error`` is ``report["max_error"]``.

    An item whose name is a dict's method (``items``, say) is read in brackets alone. Printed, or as the last line of a
    notebook's cell, it is a table.
    """

    def __getattr__(self, name: str) -> Any:
        if name in self:
            return self[name]
        raise AttributeError(f"this report has no {name!r}; it has {', '.join(sorted(self))}")

    def __dir__(self) -> list[str]:
        return sorted({*super().__dir__(), *self})

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (dict(self),)

    def __str__(self) -> str:
        lines = self._lines()
        width = max((len(name) for name, _ in lines), default=0)
        parts = ["\n".join(f"{name.ljust(width)}  {value}".rstrip() for name, value in lines)]
        parts += ["\n".join(_aligned(table)) for table in self._tables()]
        return "\n\n".join(parts)

    def _repr_html_(self) -> str:
        rows = "".join(f"<tr><th>{html.escape(name)}</th><td>{html.escape(value)}</td></tr>" for name, value in self._lines())
        found = [f"<table><tbody>{rows}</tbody></table>"]
        for head, *body in self._tables():
            heads = "".join(f"<th>{html.escape(cell)}</th>" for cell in head)
            lines = "".join("<tr>" + "".join(f"<td>{html.escape(cell)}</td>" for cell in line) + "</tr>" for line in body)
            found.append(f"<table><thead><tr>{heads}</tr></thead><tbody>{lines}</tbody></table>")
        return "\n".join(found)

    def _lines(self) -> list[tuple[str, str]]:
        """Name and value of what is one figure, or a few."""
        return [(name, _shown(name, value)) for name, value in self.items() if name not in ("candidates", "sections")]

    def _tables(self) -> list[list[list[str]]]:
        """What takes a table of its own: sections, and the forms that were tried."""
        found = []
        sections = self.get("sections")
        if isinstance(sections, dict) and sections:
            rows = [[name, of_bytes(size["stored"]), of_bytes(size["decoded"])] for name, size in sections.items()]
            found.append([["section", "stored", "decoded"], *rows])
        candidates = self.get("candidates")
        if isinstance(candidates, list) and candidates:
            names = list(dict.fromkeys(name for one in candidates for name in one))
            rows = [[_shown(name, one.get(name)) for name in names] for one in candidates[:_MOST_CANDIDATES]]
            more = len(candidates) - _MOST_CANDIDATES
            rows += [[f"and {more} more", *[""] * (len(names) - 1)]] if more > 0 else []
            found.append([names, *rows])
        return found


def _shown(name: str, value: Any) -> str:
    if value is None:
        return "–"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if name in _SHARES and isinstance(value, (int, float)):
        return percent(value)
    if (name == "bytes" or name.endswith("_bytes")) and isinstance(value, (int, float)):
        return of_bytes(value)
    if isinstance(value, float):
        return f"{value:.6g}"
    if isinstance(value, dict):
        return ", ".join(f"{k} {_shown(str(k), v)}" for k, v in value.items())
    if isinstance(value, (list, tuple)):
        return ", ".join(_shown("", v) for v in value) or "–"
    return str(value)


def _aligned(table: list[list[str]]) -> list[str]:
    widths = [max(len(line[i]) for line in table) for i in range(len(table[0]))]
    return ["  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip() for line in table]
