"""Small changes to Python sources: each mutant is one, and a good test suite notices it.

The operators are those of mutmut and cosmic-ray, one replacement each: an arithmetic, comparing or logical operator becomes its
neighbour, a number one more, True False; a condition is turned round; a statement that acts (a call, an item or attribute that
is set, an augmented assignment, a raise) is left out; of several types in isinstance one is. Strings, annotations, the texts of
errors and zip's "strict", which only guards, stay as they are: nobody promises them, or nothing would import.
"""

from __future__ import annotations

import ast
import copy
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

__all__ = ["Mutant", "mutants"]

_BINARY: dict[type[ast.operator], type[ast.operator]] = {
    ast.Add: ast.Sub,
    ast.Sub: ast.Add,
    ast.Mult: ast.Div,
    ast.Div: ast.Mult,
    ast.FloorDiv: ast.Div,
    ast.Mod: ast.FloorDiv,
    ast.Pow: ast.Mult,
    ast.LShift: ast.RShift,
    ast.RShift: ast.LShift,
    ast.BitAnd: ast.BitOr,
    ast.BitOr: ast.BitAnd,
    ast.BitXor: ast.BitOr,
}
_COMPARED: dict[type[ast.cmpop], type[ast.cmpop]] = {
    ast.Eq: ast.NotEq,
    ast.NotEq: ast.Eq,
    ast.Lt: ast.LtE,
    ast.LtE: ast.Lt,
    ast.Gt: ast.GtE,
    ast.GtE: ast.Gt,
    ast.Is: ast.IsNot,
    ast.IsNot: ast.Is,
    ast.In: ast.NotIn,
    ast.NotIn: ast.In,
}


@dataclass(frozen=True)
class Mutant:
    """One change to one module.

    Parameters
    ----------
    path : str
        Of the source, from the root of the checkout.
    where : str
        The function or method, "" for a constant of the module.
    line, column : int
    change : str
        What is written for what.
    node : ast.stmt
        The changed function (without its decorators), or the module's changed statement.
    """

    path: str
    where: str
    line: int
    column: int
    change: str
    node: ast.stmt

    @property
    def name(self) -> str:
        """The same while the function stays, wherever its lines go."""
        return f"{self.path.removeprefix('quantcore/')} {self.where or '(module)'}: {self.change}"


def mutants(root: Path, path: str) -> Iterator[Mutant]:
    """All mutants of a source file, in the order of its lines."""
    tree = ast.parse((root / path).read_text(encoding="utf-8"))
    yield from _of_body(tree.body, path, "")


def _of_body(body: list[ast.stmt], path: str, owner: str) -> Iterator[Mutant]:
    for statement in body:
        if isinstance(statement, ast.FunctionDef):
            yield from _of_statement(statement, path, f"{owner}{statement.name}")
        elif isinstance(statement, ast.ClassDef):
            yield from _of_body(statement.body, path, f"{statement.name}.")
        elif not owner and isinstance(statement, ast.Assign | ast.AnnAssign) and not _types_alone(statement):
            yield from _of_statement(statement, path, "")


def _types_alone(statement: ast.Assign | ast.AnnAssign) -> bool:
    """An alias of types, or __all__: nothing that computes."""
    value = statement.value
    return value is None or not any(isinstance(n, ast.Constant) and isinstance(n.value, int | float) for n in ast.walk(value))


def _of_statement(statement: ast.stmt, path: str, where: str) -> Iterator[Mutant]:
    """Places are found in the statement, and changed in a copy of it: both are walked in the same order."""
    for place, node in enumerate(_changeable(statement)):
        for n, (before, after) in enumerate(_changes(node)):
            changed = copy.deepcopy(statement)
            target = _changeable(changed)[place]
            replacement = list(_changes(target))[n][1]
            ast.fix_missing_locations(ast.copy_location(replacement, target))
            _Swap(target, replacement).visit(changed)
            if isinstance(changed, ast.FunctionDef):
                changed.decorator_list = []
            yield Mutant(path, where, node.lineno, node.col_offset, f"`{_shown(before)}` → `{_shown(after)}`", changed)


class _Swap(ast.NodeTransformer):
    def __init__(self, old: ast.AST, new: ast.AST) -> None:
        self.old, self.new = old, new

    def visit(self, node: ast.AST) -> ast.AST:
        return self.new if node is self.old else self.generic_visit(node)


def _changeable(node: ast.AST) -> list[ast.AST]:
    """Nodes that may be changed, in the order of the source; not what only a reader of types or of an error's text sees."""
    found: list[ast.AST] = []
    for name, value in ast.iter_fields(node):
        if name in ("annotation", "returns", "decorator_list", "exc", "cause") or getattr(node, "arg", "") == "strict":
            continue
        for child in value if isinstance(value, list) else [value]:
            if isinstance(child, ast.AST):
                found += [child, *_changeable(child)]
    return found


def _changes(node: ast.AST) -> Iterator[tuple[ast.AST, ast.AST]]:
    """(what is shown of the old, the new node)."""
    if isinstance(node, ast.BinOp) and type(node.op) in _BINARY:
        if isinstance(node.op, ast.BitOr) and _a_type(node.left) and _a_type(node.right):
            yield node, node.left
            yield node, node.right
        else:
            yield node, ast.BinOp(node.left, _BINARY[type(node.op)](), node.right)
    elif isinstance(node, ast.Compare):
        for n, op in enumerate(node.ops):
            yield node, ast.Compare(node.left, [*node.ops[:n], _COMPARED[type(op)](), *node.ops[n + 1 :]], node.comparators)
    elif isinstance(node, ast.BoolOp):
        yield node, ast.BoolOp(ast.Or() if isinstance(node.op, ast.And) else ast.And(), node.values)
    elif isinstance(node, ast.UnaryOp):
        yield node, node.operand
    elif isinstance(node, ast.Constant) and isinstance(node.value, bool):
        yield node, ast.Constant(not node.value)
    elif isinstance(node, ast.Constant) and isinstance(node.value, int | float):
        yield node, ast.Constant(node.value + 1)
    elif isinstance(node, ast.If | ast.While | ast.IfExp):
        # Comparisons and `not` are turned round above.
        if not isinstance(node.test, ast.Compare | ast.UnaryOp):
            changed = copy.copy(node)
            changed.test = ast.UnaryOp(ast.Not(), node.test)
            yield node.test, changed
    elif isinstance(node, ast.Raise | ast.AugAssign) or (isinstance(node, ast.Expr) and isinstance(node.value, ast.Call)):
        yield node, ast.Pass()
    elif isinstance(node, ast.Assign) and all(isinstance(t, ast.Subscript | ast.Attribute) for t in node.targets):
        yield node, ast.Pass()
    elif isinstance(node, ast.Break):
        yield node, ast.Continue()
    elif isinstance(node, ast.Continue):
        yield node, ast.Break()


def _a_type(node: ast.AST) -> bool:
    """Whether a name, ``ops.Name`` or a union of them reads like types."""
    if isinstance(node, ast.BinOp):
        return isinstance(node.op, ast.BitOr) and _a_type(node.left) and _a_type(node.right)
    name = node.attr if isinstance(node, ast.Attribute) else node.id if isinstance(node, ast.Name) else ""
    return name in ("int", "float", "str", "bool", "list", "tuple", "bool_") or (name[:1].isupper() and not name.isupper())


def _shown(node: ast.AST) -> str:
    if isinstance(node, ast.If | ast.While | ast.IfExp):
        return ast.unparse(node.test)
    text = " ".join(ast.unparse(node).split())
    return text if len(text) <= 100 else f"{text[:97]}..."
