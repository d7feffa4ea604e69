"""Plan ↔ tree: mappings, lists, numbers, strings, arrays and vocabularies.

Generic over the op dataclasses: a new op, or a new field, needs nothing here. Fields that hold their default are left out.
"""

from __future__ import annotations

import dataclasses
import functools
import operator
import types
import typing
from collections.abc import Callable, Mapping
from typing import Any, Literal, Union

import numpy as np

from quantcore.artifact._fail import invalid, newer
from quantcore.plan import OPS, Op, Plan, Vocabulary

__all__ = ["plan_from_tree", "plan_to_tree"]

_HINTS: dict[type[Any], tuple[dict[str, tuple[Any, Any]], frozenset[str]]] = {}


def plan_to_tree(plan: Plan) -> dict[str, Any]:
    """A Plan as a tree."""
    tree = _fields(plan)
    tree["ops"] = [{"op": op.kind, **_fields(op)} for op in plan.ops]
    return tree


def plan_from_tree(tree: Any) -> Plan:
    """Inverse of `plan_to_tree`, every field of the type that its dataclass declares."""
    if not isinstance(tree, dict) or not isinstance(tree.get("ops"), list):
        raise invalid("it holds no list of ops")
    ops = []
    for position, raw in enumerate(tree["ops"]):
        kind = raw.get("op") if isinstance(raw, dict) else None
        if not isinstance(kind, str):
            raise invalid(f"op {position} has no name")
        if kind not in OPS:
            raise newer(f"an op {kind!r}")
        fields = dict(raw)
        del fields["op"]
        ops.append(_build(OPS[kind], fields, f"op {position} ({kind})"))
    fields = dict(tree)
    del fields["ops"]
    built: Plan = _build(Plan, fields, "the Plan", ops=tuple(ops))
    return built


def _fields(item: Plan | Op) -> dict[str, Any]:
    hints, _ = _hints(type(item))
    out = {}
    for field in dataclasses.fields(item):
        value = getattr(item, field.name)
        if field.name != "ops" and not _is_default(value, field.default):
            out[field.name] = _plain(value, hints[field.name][0])
    return out


def _is_default(value: Any, default: Any) -> bool:
    # repr tells -0.0 from 0.0; no default is an array
    return value is default or (type(value) is type(default) and repr(value) == repr(default))


def _plain(value: Any, hint: Any) -> Any:
    """Python's own types for NumPy's scalars; ints where a float is declared become floats."""
    if isinstance(value, (np.ndarray, Vocabulary, str)) or value is None:
        return str(value) if isinstance(value, np.str_) else value
    if isinstance(value, Mapping):
        return {str(k): _plain(v, int) for k, v in value.items()}
    if isinstance(value, (tuple, list)):
        inner = typing.get_args(hint)[0] if typing.get_args(hint) else Any
        return [_plain(v, inner) for v in value]
    if isinstance(value, (bool, np.bool_)):
        return bool(value)
    if hint is float or isinstance(value, (float, np.floating)):
        return float(value)
    return operator.index(value)


def _build(cls: type[Any], raw: dict[str, Any], where: str, **known: Any) -> Any:
    """An object of a dataclass from values that have to be checked, and others that are ``known``."""
    hints, required = _HINTS.get(cls) or _hints(cls)
    if not hints.keys() >= raw.keys():
        raise newer(f"a field {min(raw.keys() - hints.keys())!r} of {where}")
    if not raw.keys() >= required and (missing := required - raw.keys() - known.keys()):
        raise invalid(f"{where} has no {min(missing)!r}")
    for name, value in raw.items():
        hint, check = hints[name]
        known[name] = value if type(value) is hint else check(value, name, where)
    return cls.of(known)


_Check = Callable[[Any, str, str], Any]


def _hints(cls: type[Any]) -> tuple[dict[str, tuple[Any, _Check]], frozenset[str]]:
    """Types and checks of a dataclass's fields, and the names of those without a default; looked up once, for it costs more than
    reading a small file."""
    if cls not in _HINTS:
        hints, declared = typing.get_type_hints(cls), dataclasses.fields(cls)
        required = frozenset(f.name for f in declared if f.default is dataclasses.MISSING)
        _HINTS[cls] = {f.name: (hints[f.name], _check_of(hints[f.name])) for f in declared}, required
    return _HINTS[cls]


@functools.cache
def _check_of(hint: Any) -> _Check:
    """What gives a value as the declared type wants it, or raises ArtifactError."""
    if hint is Any:
        return _classes
    origin, args = typing.get_origin(hint), typing.get_args(hint)
    if origin in (Union, types.UnionType):
        rest = next(a for a in args if a is not types.NoneType)
        other, optional = _check_of(rest), types.NoneType in args

        def check(value: Any, name: str, where: str) -> Any:
            if (value is None and optional) or type(value) is rest:
                return value
            return other(value, name, where)

        return check
    convert = _CONVERSIONS.get(origin, _plain_type)(hint, args)

    def converted(value: Any, name: str, where: str) -> Any:
        found = convert(value, name, where)
        if found is None:
            raise invalid(f"{name!r} of {where} is {_shown(value)}, expected {_shown_type(hint)}")
        return found

    return converted


# Each makes a function of (value, name, where) that gives None for what does not fit.


def _plain_type(hint: Any, args: tuple[Any, ...]) -> _Check:
    return lambda value, name, where: value if type(value) is hint else None


def _literal(hint: Any, args: tuple[Any, ...]) -> _Check:
    types_, known = frozenset(map(type, args)), frozenset((type(a), a) for a in args)
    return lambda value, name, where: value if type(value) in types_ and (type(value), value) in known else None


def _tuple(hint: Any, args: tuple[Any, ...]) -> _Check:
    many = args[1:] == (...,)
    inner = args[0]
    checks, only = [_check_of(a) for a in args if a is not ...], frozenset((inner,))

    def convert(value: Any, name: str, where: str) -> Any:
        if not isinstance(value, (list, tuple)) or not (many or len(value) == len(args)):
            return None
        if many and only.issuperset(map(type, value)):
            return tuple(value)
        return tuple([checks[0 if many else i](v, name, where) for i, v in enumerate(value)])

    return convert


def _mapping(hint: Any, args: tuple[Any, ...]) -> _Check:
    inner, check, only = args[1], _check_of(args[1]), frozenset((args[1],))

    def convert(value: Any, name: str, where: str) -> Any:
        if not isinstance(value, dict):
            return None
        if only.issuperset(map(type, value.values())):
            return dict(value)
        return {k: v if type(v) is inner else check(v, name, where) for k, v in value.items()}

    return convert


def _array(hint: Any, args: tuple[Any, ...]) -> _Check:
    kind = typing.get_args(args[1])[0]
    wanted = None if kind is Any else np.dtype(kind)

    def convert(value: Any, name: str, where: str) -> Any:
        if not isinstance(value, np.ndarray):
            return None
        return value if wanted is None or value.dtype is wanted or value.dtype == wanted else None

    return convert


_CONVERSIONS: dict[Any, Callable[[Any, tuple[Any, ...]], _Check]] = {
    Literal: _literal,
    tuple: _tuple,
    Mapping: _mapping,
    np.ndarray: _array,
}


def _classes(value: Any, name: str, where: str) -> Any:
    """Labels: an array, a tuple of Python scalars, a list of arrays or of such tuples (one per output), or None."""
    if value is None or (isinstance(value, np.ndarray) and value.ndim == 1):
        return value
    if isinstance(value, list) and value and all(isinstance(v, (list, np.ndarray)) for v in value):
        return [_classes(v, name, where) if isinstance(v, np.ndarray) else _scalars(v, name, where) for v in value]
    return _scalars(value, name, where)


def _scalars(value: Any, name: str, where: str) -> tuple[Any, ...]:
    if not isinstance(value, list) or not all(v is None or isinstance(v, (str, int, float)) for v in value):
        raise invalid(f"{name!r} of {where} is {_shown(value)}, expected labels")
    return tuple(value)


def _shown(value: Any) -> str:
    if isinstance(value, np.ndarray):
        return f"an array of {value.dtype}"
    return repr(value)[:80] if isinstance(value, (str, int, float, types.NoneType)) else f"a {type(value).__name__}"


def _shown_type(hint: Any) -> str:
    return hint.__name__ if isinstance(hint, type) and not typing.get_args(hint) else str(hint).replace("typing.", "")
