"""The door of tables: numbers and codes against NumPy, what it refuses, references, and tables that change meanwhile."""

import gc
import itertools
import math
import sys
import threading
import tracemalloc

import numpy as np
import pytest

NAN = float("nan")
FILL_NAN, FILL, REPLACE, SUBTRACT, DIVIDE, MULTIPLY, ADD, CLIP, ABOVE, IS_NAN, IS, FINITE, NO_INFINITY = range(13)
EDGES = np.array(
    [0.0, -0.0, 1.0, -1.0, 0.1, 1e308, -1e308, 5e-324, 1e-310, 2.0**53, 3.7, NAN, -NAN, math.inf, -math.inf, 2.5, 40.0]
)


@pytest.fixture
def door(door_of):
    return door_of("frame")


def reader(door, *parts, names=("a", "b"), width=1, form=0, answer=None, other=None, csr=tuple, by_name=True):
    columns = tuple(range(len(names)))
    return door.Reader(names, len(names), by_name, columns, parts, width, form, csr, answer, other)


def number(door, *steps, at=0, column=0, **more):
    return door.Part(column, False, (door.Sink(door.STORE, at, None, None, 0.0),), steps=list(steps), **more)


def through(door, values, *steps, **more):
    found = reader(door, number(door, *steps, **more), names=("a",)).read({"a": values})
    return None if found is None else found[:, 0]


def same(found, expected):
    """Equal bits but for NaN, whose bits depend on the order of operands."""
    nan = np.isnan(expected)
    return (np.isnan(found) == nan).all() and found[~nan].tobytes() == np.asarray(expected, float)[~nan].tobytes()


STEPS = {
    (FILL_NAN, 3.5, 0.0): lambda x: np.where(np.isnan(x), 3.5, x),
    (REPLACE, 0.0, 9.0): lambda x: np.where(x == 0.0, 9.0, x),
    (SUBTRACT, 0.3, 0.0): lambda x: x - 0.3,
    (DIVIDE, 0.7, 0.0): lambda x: x / 0.7,
    (DIVIDE, 1e-320, 0.0): lambda x: x / 1e-320,
    (MULTIPLY, -0.1, 0.0): lambda x: x * -0.1,
    (ADD, 0.0, 0.0): lambda x: x + 0.0,
    (CLIP, 0.0, 1.0): lambda x: np.clip(x, 0.0, 1.0),
    (CLIP, -0.0, 0.0): lambda x: np.clip(x, -0.0, 0.0),
    (ABOVE, 0.0, 0.0): lambda x: (x > 0.0).astype(float),
    (IS_NAN, 0.0, 0.0): lambda x: np.isnan(x).astype(float),
}


@pytest.mark.parametrize("step", STEPS, ids=str)
def test_steps_are_numpy_s(door, step):
    values = np.concatenate([EDGES, np.random.default_rng(0).normal(size=777)])
    with np.errstate(all="ignore"):
        for given in (values, *(STEPS[other](values) for other in list(STEPS)[:5])):
            found, expected = through(door, given, step), STEPS[step](given)
            if step[0] == CLIP:  # which of two zeros is taken depends on NumPy's version
                found, expected = found + 0.0, expected + 0.0
            assert same(found, expected)


def test_steps_that_refuse(door):
    finite = EDGES[np.isfinite(EDGES)]
    assert through(door, finite, (FINITE, 0.0, 0.0)).tobytes() == finite.tobytes()
    for strange in (NAN, math.inf, -math.inf):
        assert through(door, np.append(finite, strange), (FINITE, 0.0, 0.0)) is None
    assert through(door, np.append(finite, NAN), (NO_INFINITY, 0.0, 0.0)) is not None
    assert through(door, EDGES, (NO_INFINITY, 0.0, 0.0)) is None
    for action, expected in ((FILL, np.where(finite == 1.0, 7.0, finite)), (IS, (finite == 1.0).astype(float))):
        assert through(door, finite, (action, 1.0, 7.0)).tobytes() == expected.tobytes()
        assert through(door, EDGES, (action, 1.0, 7.0)) is None


def test_numbers_of_every_type_are_numpy_s(door):
    random = np.random.default_rng(1)
    for kind in "?bBhHiIlLqQd":
        dtype = np.dtype(kind)
        values = random.integers(0, 256, 300 * dtype.itemsize, np.uint8).view(np.uint8 if kind == "?" else dtype)
        values = values[:300] % 2 == 1 if kind == "?" else values
        with np.errstate(all="ignore"):
            for strided in (values, values[::-1], values[::3]):
                assert same(through(door, strided), strided.astype(float))


def test_objects_are_numpy_s(door):
    values = [1, -5, 2**53 - 1, True, 0.5, NAN, None, np.float64(0.25), np.int64(7), np.bool_(False), -0.0]
    assert same(through(door, values), np.array(values, object).astype(float))
    assert same(through(door, values, none=4.0, nan=8.0), [8.0 if v is None or v != v else float(v) for v in values])
    for odd in (2**53, -(2**60), 2**80, "1", b"1", 1j, np.float32(1), [1], object(), type("F", (float,), {})(1.0)):
        assert through(door, [*values, odd]) is None


@pytest.mark.parametrize("n", [0, 1, 2, 3, 7, 8, 40])
def test_codes_of_numbers_are_searched(door, n):
    random = np.random.default_rng(n)
    known = np.unique(random.integers(-30, 30, n) / 2).tolist()
    table = {value: code for code, value in enumerate(known)}
    values = [*(random.integers(-40, 40, 500) / 2).tolist(), -0.0, NAN, 5e-324]
    slots = np.arange(len(known) + 2.0)
    for form in (np.array(values), values):
        sink = door.Sink(door.LOOKUP, 0, slots, None, 0.0)
        part = door.Part(0, False, (sink,), known=table, of_nan=len(known), numbers=True)
        found = reader(door, part, names=("a",)).read({"a": form})[:, 0]
        expected = [len(known) if v != v else table.get(v, len(known) + 1) for v in values]
        assert found.tolist() == expected


@pytest.mark.parametrize("n", [0, 1, 2, 5, 16])
def test_cells_are_searchsorted_s(door, n):
    edges = np.sort(np.random.default_rng(n).choice(EDGES[np.isfinite(EDGES)], n))
    sink = door.Sink(door.LOOKUP, 0, np.arange(n + 2.0), None, 0.0)
    part = door.Part(0, False, (sink,), edges=edges)
    found = reader(door, part, names=("a",)).read({"a": EDGES})[:, 0]
    assert found.tolist() == np.searchsorted(edges, EDGES, side="right").tolist()


def test_strings_of_arrow_are_compared_by_value(door):
    arrow = pytest.importorskip("pyarrow", reason="strings of Arrow are tested with it")
    letters = ["", "a", "b", "é", "\U0001f600", "abcdefg", "abcdefgh", "abcdefgi", "x" * 12, "x" * 13, "x" * 14, "y" * 5000]
    words = [*letters, *("".join(pair) for pair in itertools.product(letters[:8], repeat=3))]
    words = list(dict.fromkeys(words))
    known = {word: code for code, word in enumerate(words[::2])}
    slots = np.arange(len(known) + 2.0)
    part = door.Part(0, False, (door.Sink(door.LOOKUP, 0, slots, None, 0.0),), known=known, of_none=len(known))
    expected = [len(known) if w is None else known.get(w, len(known) + 1) for w in [*words, None]]
    for kind in (arrow.string(), arrow.large_string(), arrow.string_view()):
        column = arrow.array([*words, None], kind)
        found = reader(door, part, names=("a",)).read(arrow.table({"a": column, "b": column}))
        assert found[:, 0].tolist() == expected
        for start in (1, 7, 8, 100):
            found = reader(door, part, names=("a",)).read(arrow.table({"a": column[start:]}))
            assert found[:, 0].tolist() == expected[start:]


def test_strings_of_arrow_whose_offsets_lead_astray(door):
    """Arrow itself looks at the ends alone; offsets that fall, or are negative, are refused before anything is read there."""
    arrow = pytest.importorskip("pyarrow", reason="strings of Arrow are tested with it")
    n, text = 40, b"abcdefghij" * 12
    known = {text[i : i + 3].decode(): i for i in range(10)}
    found = reader(door, door.Part(0, False, (door.Sink(door.LOOKUP, 0, np.arange(11.0), None, 0.0),), known=known), names=("a",))
    for kind, dtype in ((arrow.string(), np.int32), (arrow.large_string(), np.int64)):

        def column(at, value, kind=kind, dtype=dtype):
            ends = np.arange(0, 3 * n + 1, 3).astype(dtype)
            ends[at] = value
            return arrow.Array.from_buffers(kind, n, [None, arrow.py_buffer(ends.tobytes()), arrow.py_buffer(text)])

        right = found.read(arrow.table({"a": column(0, 0)}))
        assert right[:, 0].tolist() == [3 * i % 10 for i in range(n)]
        lowest, highest = np.iinfo(dtype).min, np.iinfo(dtype).max
        for at, value in itertools.product((1, n // 2, n - 1), (-1, lowest, highest)):
            assert found.read(arrow.table({"a": column(at, value)})) is None
        assert found.read(arrow.table({"a": column(n // 2, 7)})) is None


def test_parts_that_do_not_fit_are_refused(door):
    sink = door.Sink(door.STORE, 3, None, None, 0.0)
    with pytest.raises(ValueError, match="leads out"):
        reader(door, number(door, at=3))
    with pytest.raises(ValueError, match="leads out"):
        reader(door, number(door, column=2))
    for wrong in ({"known": {"x": 0}}, {"edges": [1.0]}):
        with pytest.raises(ValueError, match="does not fit"):
            door.Part(0, False, (sink,), **wrong)
    lookup = door.Sink(door.LOOKUP, 0, np.zeros(2), None, 0.0)
    with pytest.raises(ValueError, match="does not fit"):
        door.Part(0, False, (lookup,), known={"x": 0, "y": 1})
    with pytest.raises(ValueError, match="does not fit"):
        door.Part(0, False, (lookup,), edges=[1.0, 2.0])
    with pytest.raises(TypeError, match="strings or numbers"):
        door.Part(0, False, (), known={b"x": 0})
    for wrong in (
        (3, 0, None, None, 0.0),
        (1, 0, None, None, 0.0),
        (2, 0, None, np.zeros(0, np.int32), 1.0),
        (0, -1, None, None, 0.0),
    ):
        with pytest.raises(ValueError, match="sink"):
            door.Sink(*wrong)
    with pytest.raises(ValueError, match="belong together"):
        door.Reader(("a",), 2, True, (0,), (), 1, 0, tuple, None, None)


class Key:
    """Has the hash of a name; what happens when it is compared is said later."""

    def __init__(self, name):
        self.hash, self.compare = hash(name), lambda: False

    def __hash__(self):
        return self.hash

    def __eq__(self, other):
        return self.compare()


def row_with(key, compare, **values):
    row = {key: 0, **values}
    key.compare = compare
    return row


def refuse():
    raise RuntimeError("compared")


def words(door, **more):
    slots = np.arange(4.0)
    return door.Part(1, False, (door.Sink(door.LOOKUP, 1, slots, None, 0.0),), known={"x": 0, "y": 1}, of_nan=2, **more)


def test_errors_of_keys_go_to_the_caller(door):
    found = reader(door, number(door), words(door), width=2)
    row = {"a": 1.0, "b": "x"}
    for name in row:
        bad = row_with(Key(name), refuse, **row)
        for X in (bad, [row, bad], [bad, row]):
            with pytest.raises(RuntimeError, match="compared"):
                found.read(X)


def test_a_key_may_change_the_rows(door):
    rows = [{"a": 1.0, "b": "x"} for _ in range(300)]

    def clear():
        rows.clear()
        return False

    rows[7] = row_with(Key("a"), clear, a=2.0, b="y")
    assert reader(door, number(door), words(door), width=2).read(rows) is None
    assert rows == []


def test_references_are_given_back(door):
    word, age = "".join(["x"]), 1000.5
    other = object()
    odd = type("Str", (str,), {})("x")
    found = reader(door, number(door), words(door, least=0), width=2, answer=len, other=lambda X: None)
    row = {"a": age, "b": word}
    tables = [
        row, [row] * 600, {"a": [age] * 9, "b": [word] * 9}, np.array([[age, word]] * 300, object), {"a": age},
        [row, {"a": age}], {"a": age, "b": other}, [row, {"a": age, "b": other}], {"a": [age], "b": [odd]}, [row, other],
        {"a": [age], "b": [word] * 2}, {"a": age, "b": "unknown"}, {"a": age, "b": [word]},
        [], [age], np.array([[age, other]], object),
    ]  # fmt: skip

    def all_of_them():
        for X in tables:
            found.read(X)
            found.predict(X)

    all_of_them()
    held = [age, word, other, odd, row, *tables]
    before = [sys.getrefcount(x) for x in held]
    for _ in range(50):
        all_of_them()
    assert [sys.getrefcount(x) for x in held] == before


def test_memory_is_given_back(door):
    arrow = pytest.importorskip("pyarrow", reason="its tables are read in chunks")
    found = reader(door, number(door), words(door), width=2)
    table = arrow.table({"a": np.arange(400.0), "b": ["x", "y"] * 200})
    tables = [table, arrow.concat_tables([table, table]), arrow.concat_tables([table] * 40), table.drop(["b"])]

    def rounds(n):
        for _ in range(n):
            for X in tables:
                found.read(X)
            reader(door, number(door), words(door), width=2)
        gc.collect()

    rounds(20)
    tracemalloc.start()
    try:
        rounds(5)
        first = tracemalloc.get_traced_memory()[0]
        rounds(300)
        assert tracemalloc.get_traced_memory()[0] - first < 20_000
    finally:
        tracemalloc.stop()
    allocated = arrow.total_allocated_bytes()
    rounds(50)
    assert arrow.total_allocated_bytes() == allocated


def test_tables_that_change_meanwhile(door):
    """Another thread replaces cells, lists and columns; each answer is one of those that the table may give.

    Without a GIL it leaves the array of objects alone: NumPy, which stores them, locks nothing then; its own ``copy`` crashes.
    """
    locked = getattr(sys, "_is_gil_enabled", lambda: True)()
    found = reader(door, number(door), words(door), width=2)
    ages, jobs = [1.0] * 500, ["x"] * 500
    columns = {"a": ages, "b": jobs}
    array = np.array([[1.0, "x"]] * 500, object)
    rows = [{"a": 1.0, "b": "x"} for _ in range(500)]
    done = threading.Event()

    def change():
        for turn in itertools.count():
            if done.is_set():
                return
            for i in range(0, 500, 7):
                ages[i], jobs[i] = float(turn % 3), "xy"[turn % 2]
                if locked:
                    array[i, 0], array[i, 1] = float(turn % 3), "".join(["y"])
                rows[i] = {"a": float(turn), "b": "y"}
            columns["b"] = ["y"] * 500

    thread = threading.Thread(target=change)
    thread.start()
    try:
        for _ in range(300):
            for X in (columns, array, rows, rows[3]):
                matrix = found.read(X)
                assert matrix is not None and np.isin(matrix[:, 1], (0.0, 1.0)).all()
    finally:
        done.set()
        thread.join()


def test_several_threads_read_with_one_reader(door):
    found = reader(door, number(door), words(door), width=2)
    tables = [{"a": np.full(700, float(k)), "b": ["xy"[k % 2]] * 700} for k in range(4)]
    wrong = []

    def work(k):
        for _ in range(200):
            matrix = found.read(tables[k])
            if not ((matrix[:, 0] == k).all() and (matrix[:, 1] == k % 2).all()):
                wrong.append(k)

    threads = [threading.Thread(target=work, args=(k,)) for k in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong


def test_there_is_nothing_to_choose(door):
    assert door.kernels() == door.selected() == []
    door.select("scalar")
