"""Records are the frozen dataclasses that they stand for."""

from __future__ import annotations

import copy
import pickle
from dataclasses import FrozenInstanceError, fields, is_dataclass, replace

import numpy as np
import pytest

from quantcore.plan import OPS, Csr, Plan, Vocabulary
from quantcore.plan.ops import Sigmoid
from quantcore.plan.record import Record


class Point(Record, kw_only=False):
    """Two numbers."""

    x: int
    y: int = 2


class Named(Point):
    """A field more."""

    name: str


def test_they_are_dataclasses() -> None:
    assert all(is_dataclass(cls) for cls in (*OPS.values(), Csr, Plan, Vocabulary))
    assert [f.name for f in fields(Named)] == ["x", "y", "name"]
    assert vars(Point(1)) == {"x": 1, "y": 2}
    assert vars(Named(3, name="a")) == {"x": 3, "y": 2, "name": "a"}
    assert vars(replace(Named(3, name="a"), y=5)) == {"x": 3, "y": 5, "name": "a"}
    for twin in (copy.deepcopy(Point(1, 4)), pickle.loads(pickle.dumps(Point(1, 4)))):
        assert vars(twin) == {"x": 1, "y": 4}
    assert repr(Point(1, y=np.zeros((2, 3)))) == "Point(x=1, y=<float64[2, 3]>)"


@pytest.mark.parametrize(
    ("positions", "names"),
    [((), {}), ((1, 2, 3), {}), ((1,), {"x": 1}), ((1,), {"z": 1}), ((), {"y": 1})],
)
def test_their_fields_are_checked(positions: tuple[int, ...], names: dict[str, int]) -> None:
    with pytest.raises(TypeError, match="Point takes"):
        Point(*positions, **names)


def test_ops_take_keywords_alone() -> None:
    with pytest.raises(TypeError, match="0 positions"):
        Sigmoid((0,), slope=-1.0, offset=0.0)  # type: ignore[misc]


def test_they_are_frozen() -> None:
    point = Point(1)
    with pytest.raises(FrozenInstanceError, match="assign to field 'x'"):
        point.x = 2  # type: ignore[misc]
    with pytest.raises(FrozenInstanceError, match="delete field 'x'"):
        del point.x
    assert point.x == 1 and point != Point(1)


def test_changed_is_replace() -> None:
    point = Point(1, y=5)
    point.__dict__["cached"] = 7  # of a cached property: it belongs to the old values
    assert vars(point.changed(x=3)) == vars(replace(point, x=3)) == {"x": 3, "y": 5} and point.x == 1
    with pytest.raises(TypeError, match=r"unknown: \['z'\]"):
        point.changed(z=1)
