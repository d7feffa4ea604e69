"""The reader of tables against the ops that it stands for, one by one: the same bits, or left to them."""

from __future__ import annotations

import decimal
import math
from dataclasses import replace

import numpy as np
import pytest

import quantcore.reference as reference
from quantcore.native import registry
from quantcore.plan import Csr, Plan
from quantcore.plan.ops import (
    Affine,
    ArgMax,
    Binarize,
    Cells,
    Codes,
    Columns,
    Concat,
    Fill,
    Impute,
    Linear,
    Lookup,
    Missing,
    MissingCells,
    Numbers,
    OneHot,
    RowNorm,
    Take,
)
from quantcore.runtime import frames
from quantcore.runtime.execute import Executor

pytestmark = pytest.mark.skipif(registry.door("frame") is None, reason="this checkout is pure NumPy: the reference reads all")
NAMES = ("age", "job", "size", "flag", "town", "rank", "unread")
NAN = float("nan")
WORDS = ("clerk", "smith", "", "a longer name of a job", "naïve", "12345678")


class Word(str):
    """A string that is none of Python's own."""


class Strange:
    """Neither hashed nor compared."""

    def __hash__(self):
        raise RuntimeError("hashed")

    def __eq__(self, other):
        raise RuntimeError("compared")


def plan_of(*, sparse=None, nan=True, unknown="keep", missing=(), by_name=True):
    """Every op that the reader knows; seven columns, of which one is not read."""
    index = lambda *places: np.array(places, np.uint32)  # noqa: E731
    affine = Affine(inputs=(1,), shift=np.array([40.0, 1e-3]), scale=np.array([3.0, 0.1]), cast=True)
    product = Affine(inputs=(0,), shift=np.array([0.1, -0.2]), scale=np.array([0.3, 7.0]), product=True, clip=(0.0, 1.0))
    codes = Codes(columns=index(1, 5), categories=[WORDS[:4], np.array([1.0, 2.0, 5.0])], nan=(nan, nan), unknown=unknown)
    slots = [len(WORDS[:4]) + nan + 1, 3 + nan + 1]
    ends = (slots[0], sum(slots))
    place = np.array([*range(slots[0] - 2), 0, -1, *range(slots[0] - 2, sum(slots) - 4), slots[0] - 2, -1], np.int32)
    filled = Fill(columns=index(4), missing=missing, fill=("Oslo",))
    lists = [("Lima", "Oslo"), (False, True, None)]
    towns = Codes(inputs=(9,), columns=index(4, 3), categories=lists, nan=(False, True), unknown=unknown)
    values = np.linspace(-1.0, 1.0, 8 * 2).reshape(8, 2)
    ops = [
        Numbers(columns=index(0, 2)),
        Impute(inputs=(0,), missing=None, fill=np.array([37.5, -0.0])),
        affine,
        product,
        Impute(inputs=(3,), missing=None, fill=np.array([0.0, 9.0])),
        Missing(inputs=(0,), missing=None, index=index(1)),
        Cells(inputs=(1,), ends=(3, 4), edges=np.array([20.0, 30.0, 40.0, 0.0])),
        codes,
        OneHot(inputs=(7,), ends=ends, place=place, n_outputs=int(place.max()) + 1),
        filled,
        towns,
        Lookup(inputs=(10,), ends=(3, 8), values=values),
        MissingCells(columns=index(1, 0), missing=(), dtype="float32"),
        Lookup(inputs=(6,), ends=(5, 8), values=np.arange(8.0)[:, None] / 3),
        Columns(inputs=(2,), index=index(1)),
        Binarize(inputs=(1,), threshold=21.0),
        Take(inputs=(13,), columns=(1, 0, 1)),
    ]
    inputs = (2, 8, 4, 5, 11, 12, 13, 14, 15, 16)
    ops.append(Concat(inputs=inputs, weights=(1.0, 0.5, 1.0, 2.0, 1.0, 1.0, 3.0, 1.0, 1.0, -1.0), sparse=sparse))
    plan = Plan(tuple(ops), {"transform": len(ops) - 1}, "table", len(NAMES), None, NAMES, "", by_name)
    position = len(ops) - 1
    width = frames.ways.at(plan, position).width
    weight = np.random.default_rng(0).normal(size=(width, 3))
    ops += [Linear(inputs=(position,), weight=weight, bias=np.zeros(3)), ArgMax(inputs=(position + 1,), classes=np.arange(3))]
    return replace(plan, ops=tuple(ops), outputs={"predict": position + 2, "decision_function": position + 1})


def reference_matrix(plan, X):
    return reference.run(replace(plan, outputs={"transform": frames.cut(plan)}), X, "transform")


def agree(plan, reader, X, *, must=False):
    """The reader answers as the ops do, or not at all; with ``must`` it answers. Whether it did."""
    found = reader.read(X)
    if found is None:
        assert not must, "the reader left a plain table to the reference"
        return False
    expected = reference_matrix(plan, X)
    if isinstance(found, Csr):
        for field in ("indptr", "indices", "data"):
            ours, own = getattr(found, field), getattr(expected, field)
            assert ours.dtype == own.dtype and ours.tobytes() == own.tobytes(), field
        assert found.n_columns == expected.n_columns
    else:
        expected = expected.toarray() if isinstance(expected, Csr) else np.ascontiguousarray(expected)
        assert found.dtype == expected.dtype and found.shape == expected.shape
        zero = 0.0 if getattr(plan.ops[frames.cut(plan)], "sparse", False) is not False else -0.0
        # A zero that CSR does not store has lost its sign.
        assert (found + zero).tobytes() == (expected + zero).tobytes()
    return True


def readers(plan):
    """The reader of a Plan in both forms, as far as the matrix is sparse."""
    rows = frames.ways.at(plan, frames.cut(plan))
    module = registry.door("frame")
    yield frames.build(module, plan, rows, csr=False)
    if rows.sparse:
        yield frames.build(module, plan, rows, csr=True)


def plain_columns(random, n_rows):
    """Columns as lists of Python's own values."""
    pick = lambda *values: [values[i] for i in random.integers(0, len(values), n_rows)]  # noqa: E731
    return {
        "age": [NAN if i % 7 == 0 else float(v) for i, v in enumerate(random.integers(15, 90, n_rows))],
        "job": pick(*WORDS, None, NAN, "unknown"),
        "size": pick(0.0, -0.0, 1.5, -2.25, 1e300, None, NAN),
        "flag": pick(True, False, None),
        "town": pick("Lima", "Oslo", "Rome", None, NAN),
        "rank": pick(1, 2, 5, 7, 5.0, NAN, None),
        "unread": pick("x", 1, None),
    }


ODD = (
    2**53, -(2**53) - 1, 2**70, np.float64(2.0), np.int64(5), np.float32(0.1), np.str_("clerk"), Word("clerk"), b"clerk",
    decimal.Decimal("1"), Strange(), [1], "12", math.inf, 1 + 0j, np.bool_(True), np.datetime64("2020-01-01"), (), object(),
)  # fmt: skip


def rows_of(columns):
    return [dict(zip(columns, values, strict=True)) for values in zip(*columns.values(), strict=True)]


def array_of(columns):
    out = np.empty((len(columns["age"]), len(columns)), object)
    for j, values in enumerate(columns.values()):
        out[:, j] = np.fromiter(values, object, len(values))
    return out


PLANS = [
    {"sparse": False},
    {"sparse": True},
    {},
    {"sparse": False, "nan": False},
    {"sparse": True, "unknown": "error"},
    {"sparse": False, "missing": (None,)},
    {"sparse": False, "missing": None},
    {"sparse": True, "missing": ("Rome",)},
]


@pytest.mark.parametrize("kind", PLANS, ids=str)
def test_plain_values_in_every_form(kind):
    plan = plan_of(**kind)
    plain = kind.get("unknown") != "error" and kind.get("missing") in (None, ())
    for reader in readers(plan):
        for n_rows in (1, 2, 15, 16, 255, 256, 257, 700):
            columns = plain_columns(np.random.default_rng(n_rows), n_rows)
            rows = rows_of(columns)
            must = plain or n_rows == 0
            agree(plan, reader, columns, must=must)
            agree(plan, reader, rows, must=must)
            agree(plan, reader, tuple(rows), must=must)
            agree(plan, reader, array_of(columns), must=must)
            agree(plan, reader, array_of(columns)[::-1], must=must)
            for row in rows[:5]:
                agree(plan, reader, row, must=must)


@pytest.mark.parametrize("kind", PLANS, ids=str)
def test_odd_values_are_read_alike_or_left_to_the_reference(kind):
    plan = plan_of(**kind)
    random = np.random.default_rng(5)
    for reader in readers(plan):
        read = 0
        for odd in ODD:
            for name in NAMES:
                columns = plain_columns(random, 20)
                columns[name][int(random.integers(20))] = odd
                for X in (columns, rows_of(columns), array_of(columns), next(r for r in rows_of(columns) if r[name] is odd)):
                    read += agree(plan, reader, X)
        assert read or kind.get("unknown") == "error" or kind.get("missing") is not None


def typed(columns):
    """Arrays of NumPy's own types, where the values have one."""
    return {
        **columns,
        "age": np.array(columns["age"]),
        "size": np.array([NAN if v is None else v for v in columns["size"]]),
        "rank": np.array([NAN if v is None else float(v) for v in columns["rank"]]),
        "flag": np.array([bool(v) for v in columns["flag"]]),
    }


@pytest.mark.parametrize("objects", [True, False, None])
@pytest.mark.parametrize("missing", [(), None, (40.0,), (None,), ("x",)], ids=str)
def test_numbers_behind_fills(missing, objects):
    columns = np.array([0, 2], np.uint32)
    fill = Fill(columns=columns, missing=missing, fill=(1.5, -2.0), objects=objects)
    linear = Linear(inputs=(1,), weight=np.ones((2, 1)), bias=np.zeros(1))
    ops = fill, Numbers(inputs=(0,), columns=columns), linear
    plan = Plan(ops, {"decision_function": 2}, "table", len(NAMES), None, NAMES, "", True)
    if frames.cut(plan) is None:
        assert missing in ((None,), ("x",)) and frames.obstacle(plan)
        return
    (reader,) = readers(plan)
    read = 0
    for n_rows in (1, 7, 300):
        values = plain_columns(np.random.default_rng(n_rows), n_rows)
        values["age"] = [40.0 if i % 3 else v for i, v in enumerate(values["age"])]
        whole = {name: [1.0 if v is None or v != v else v for v in values[name]] for name in values}
        for X in (values, rows_of(values), array_of(values), typed(values), whole, array_of(whole), typed(whole)):
            read += agree(plan, reader, X)
    assert read >= 9


def test_arrays_of_any_memory():
    plan = plan_of(sparse=False)
    (reader,) = readers(plan)
    columns = typed(plain_columns(np.random.default_rng(1), 40))
    assert agree(plan, reader, columns, must=True)
    for kind in "bBhHiIlLqQ?d":
        assert agree(plan, reader, {**columns, "age": np.arange(40).astype(kind)}, must=True)
        ranks = {**columns, "rank": (np.arange(40) % 7).astype(kind)}
        assert agree(plan, reader, ranks, must=kind != "?") == (kind != "?"), "the reference says more of unknown booleans"
    ages = np.arange(80.0)
    frozen = ages[:40].copy()
    frozen.flags.writeable = False
    unaligned = np.frombuffer(b"x" + ages[:40].tobytes(), np.uint8)[1:].view(np.float64)
    for strange in (ages[::2], ages[:40][::-1], frozen, unaligned, np.broadcast_to(3.0, 40)):
        assert agree(plan, reader, {**columns, "age": strange}, must=True)
    for other in ("<f4", ">f8", "<f2", ">i4", "c16", "m8[s]"):
        assert reader.read({**columns, "age": ages[:40].astype(other)}) is None
    assert reader.read({**columns, "rank": np.full(40, 2**60)}) is None
    assert reader.read({**columns, "job": ages[:40]}) is None, "numbers where the categories are strings"
    assert reader.read({**columns, "rank": np.full(40, math.inf)}) is None
    assert reader.read({**columns, "age": ages}) is None, "columns of different lengths"
    assert reader.read({**columns, "age": ages[:40].reshape(20, 2)}) is None


def test_what_is_no_such_table_is_left_to_the_reference():
    plan = plan_of(sparse=False)
    (reader,) = readers(plan)
    columns = plain_columns(np.random.default_rng(2), 5)
    rows = rows_of(columns)
    lacking = {name: values for name, values in columns.items() if name != "job"}
    for X in (
        None, 3, "text", [], (), {}, lacking, rows_of(lacking), [*rows, None], [*rows, lacking], [columns["age"]], object(),
        array_of(columns)[:0], array_of(columns)[:, :3], array_of(columns)[0], {name: [] for name in NAMES}, iter(rows),
        {**columns, "age": "old"}, {**columns, "age": 3}, array_of(columns).astype(str), {**rows[0], "job": ["clerk"]},
    ):  # fmt: skip
        assert reader.read(X) is None
    strict = plan_of(sparse=False, by_name=False)
    (reader,) = readers(strict)
    assert reader.read(columns) is None, "a column that is not read has to be there too: the reference looks"
    assert agree(strict, reader, array_of(columns), must=True)


def test_values_of_a_dict_are_taken_by_value_not_by_place():
    plan = plan_of(sparse=False)
    (reader,) = readers(plan)
    row = rows_of(plain_columns(np.random.default_rng(3), 1))[0]
    other = {**{"more": 1}, **dict(reversed(row.items())), "other": [2]}
    assert reader.read(other).tobytes() == reader.read(row).tobytes()


def test_data_frames_of_pandas():
    pandas = pytest.importorskip("pandas", reason="data frames of pandas are tested with it")
    plan, strict = plan_of(sparse=True), plan_of(sparse=True, by_name=False)
    for reader in readers(plan):
        columns = plain_columns(np.random.default_rng(4), 600)
        frame = pandas.DataFrame(columns).astype({"rank": float, "age": float, "flag": object})
        objects = frame.astype(object)
        read = [agree(plan, reader, X, must=True) for X in (frame, objects, frame[:1], frame[3:4], frame.iloc[::-3])]
        assert len(read) == 5
        moved = frame[[*reversed(NAMES)]].assign(more=1)
        assert agree(plan, reader, moved, must=True)
        blocks = pandas.DataFrame(np.arange(1200.0).reshape(600, 2), columns=["age", "size"])
        assert agree(plan, reader, blocks.join(frame[["job", "flag", "town", "rank", "unread"]]), must=True)
        joined = pandas.concat([frame, frame.astype({"rank": object})])
        agree(plan, reader, joined)
        for strange in (
            frame.drop(columns="job"), frame[:0], frame.rename(columns={"age": 3}), pandas.concat([frame, frame], axis=1),
            frame.astype({"age": "float32"}), frame.assign(town=frame["town"].astype("category")), frame["age"],
        ):  # fmt: skip
            assert reader.read(strange) is None
        agree(plan, reader, frame.assign(rank=frame["rank"].astype("Int64")))
        other = next(readers(strict))
        assert agree(strict, other, frame, must=True)
        assert other.read(moved) is None and other.read(frame.assign(more=1)) is None


@pytest.mark.parametrize("storage", ["python", "pyarrow"])
def test_strings_of_pandas(storage):
    pandas = pytest.importorskip("pandas", reason="data frames of pandas are tested with it")
    if storage == "pyarrow":
        pytest.importorskip("pyarrow", reason="its strings are tested with it")
    plan = plan_of(sparse=False)
    (reader,) = readers(plan)
    frame = pandas.DataFrame(plain_columns(np.random.default_rng(6), 300)).astype({"rank": float, "flag": object})
    nan = pandas.StringDtype(storage, na_value=np.nan)
    strings = frame.astype({"job": nan, "town": nan})
    assert agree(plan, reader, strings, must=True)
    assert agree(plan, reader, strings[5:6], must=True)
    assert agree(plan, reader, strings[17:290:3], must=True)
    joined = pandas.concat([strings, strings[:0], strings])  # strings of pyarrow then come in several chunks
    assert reader.read(joined) is not None
    agree(plan, reader, joined)
    agree(plan, reader, frame.astype({"job": pandas.StringDtype(storage)}))


def columns_of_arrow():
    """Columns of one type each."""
    columns = plain_columns(np.random.default_rng(7), 500)
    for name in ("job", "town", "unread"):
        columns[name] = [v if isinstance(v, str) else None for v in columns[name]]
    columns["flag"] = [bool(v) for v in columns["flag"]]
    columns["rank"] = [None if v is None or v != v else float(v) for v in columns["rank"]]
    return columns


def test_data_frames_of_polars():
    polars = pytest.importorskip("polars", reason="data frames of polars are tested with it")
    plan = plan_of(sparse=False)
    (reader,) = readers(plan)
    frame = polars.DataFrame(columns_of_arrow(), strict=False)
    for X in (frame, frame[:1], frame[40:300], frame.select(reversed(NAMES)).with_columns(more=1)):
        assert agree(plan, reader, X, must=True)
    for strange in (
        frame[:0], frame.drop("job"), frame.with_columns(polars.col("age").cast(polars.Float32)),
        frame.with_columns(polars.col("job").cast(polars.Categorical)),
        frame.with_columns(polars.Series("rank", [None, 1] * 250)),
    ):  # fmt: skip
        assert reader.read(strange) is None


def test_tables_of_arrow():
    arrow = pytest.importorskip("pyarrow", reason="tables of Arrow are tested with it")
    plan = plan_of(sparse=False)
    (reader,) = readers(plan)
    whole = arrow.table(columns_of_arrow())
    large = whole.set_column(1, "job", whole["job"].cast(arrow.large_string()))
    views = whole.set_column(1, "job", whole["job"].cast(arrow.string_view()))
    for X in (whole, whole[3:4], whole[250:], large[7:], views[9:], whole.slice(2, 77)):
        assert agree(plan, reader, X, must=True)
    for strange in (whole.slice(0, 0), whole.drop(["age"])):
        assert reader.read(strange) is None
    chunks = arrow.concat_tables([whole[:100], whole[100:101], whole[101:]])
    agree(plan, reader, chunks)


def test_a_model_answers_the_same_in_every_form():
    plan = plan_of(sparse=True)
    served, slow = Executor(plan), Executor(plan, native=False)
    assert served.front is not None and slow.front is None
    columns = plain_columns(np.random.default_rng(8), 400)
    array = array_of(columns)  # None stays None in it, as in scikit-learn
    alike = (columns, rows_of(columns), rows_of(columns)[:1]), (array, [list(row) for row in array], array[:7])
    for forms in alike:
        whole = served.run("decision_function", forms[0])
        for X in forms:
            expected = slow.run("predict", X)
            np.testing.assert_array_equal(served.run("predict", X), expected)
            labels, sure = served.certified(X)
            np.testing.assert_array_equal(labels, expected)
            assert sure.all()
            assert served.run("decision_function", X).tobytes() == whole[: len(expected)].tobytes()
        np.testing.assert_allclose(whole, slow.run("decision_function", forms[0]), rtol=1e-12)
    assert served.stats()["rows"] == 2 * (4 * 400 + 1 + 7)
    with pytest.raises(ValueError, match="missing"):
        served.run("predict", {"age": [1.0]})


def test_many_rows_are_answered_in_parts():
    plan = plan_of(sparse=False)
    rows = frames.ways.at(plan, frames.cut(plan))
    sizes = []

    def answer(matrix):
        sizes.append(len(matrix))
        return matrix[:, 0]

    reader = frames.build(registry.door("frame"), plan, rows, csr=False, answer=answer, other=lambda X: None)
    columns = typed(plain_columns(np.random.default_rng(9), 60_000))
    whole = reader.read(columns)
    assert reader.predict(columns).tobytes() == np.ascontiguousarray(whole[:, 0]).tobytes()
    assert len(sizes) > 1 and sum(sizes) == 60_000


def test_rows_go_to_the_caller_in_the_form_that_they_came_in():
    plan = plan_of(sparse=False)
    asked = []

    def settle(rows, positions):
        asked.append((rows, positions))
        return [0] * len(positions)

    executor = Executor(plan, settle=settle)
    weight = np.zeros_like(plan.ops[-2].weight)
    even = replace(plan, ops=(*plan.ops[:-2], replace(plan.ops[-2], weight=weight + 1e-300), plan.ops[-1]))
    executor = Executor(even, settle=settle)
    rows = rows_of(plain_columns(np.random.default_rng(10), 6))
    labels, sure = executor.certified(rows)
    assert not sure.all() and asked[0][0] == [rows[i] for i in asked[0][1]] and (labels[~sure] == 0).all()
    assert executor.run("predict", rows).tolist() == labels.tolist()


def test_obstacles_are_named():
    plan = plan_of(sparse=False)
    position = frames.cut(plan)
    norm = RowNorm(inputs=(2,), norm="l2")
    ops = [*plan.ops]
    ops[14] = norm
    ops[position] = replace(ops[position], inputs=(2, 14), weights=(1.0, 1.0))
    assert "RowNorm" in frames.obstacle(replace(plan, ops=tuple(ops)))
    assert frames.obstacle(plan) is None
    large = replace(plan.ops[7], categories=[WORDS[:4], np.array([1, 2, 2**60])])
    assert "2^53" in frames.obstacle(replace(plan, ops=(*plan.ops[:7], large, *plan.ops[8:])))
    executor = Executor(replace(plan, ops=tuple(ops)[:-2] + plan.ops[-2:]))
    assert executor.front is None and "RowNorm" in executor.reasons[-1]
