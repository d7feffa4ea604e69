"""Bit slices, the tops of trees and the walk: the reference's sums, bit for bit, on every instruction set."""

import importlib.util
from pathlib import Path

import numpy as np
import pytest

from quantcore.plan.ops import LeafSum, Trees
from quantcore.reference.trees import leaf_sum, trees

_spec = importlib.util.spec_from_file_location("random_ensembles", Path(__file__).with_name("test_trees.py"))
_walks = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(_walks)
DTYPES, random_rows, random_trees, wrapped = _walks.DTYPES, _walks.random_rows, _walks.random_trees, _walks.wrapped
INFINITE, NAN = 1, 2


class Case:
    """A random ensemble, rows on its thresholds and beside them, and the reference's sums."""

    def __init__(self, seed, dtype, kind, n_rows, *, largest=60, width=1, n_outputs=1, categories=True, rows_dtype=None):
        random = np.random.default_rng(seed)
        self.op = random_trees(random, dtype, n_trees=70, largest=largest, categories=categories)
        rows = random_rows(random, self.op, n_rows)
        with np.errstate(over="ignore"):
            self.rows = rows.astype(rows_dtype or dtype)
            read = self.rows.astype(dtype)
        if categories and self.op.category == "equal":  # the reference refuses infinite categories
            self.rows[np.isinf(read)] = 7.0
            read[np.isinf(read)] = 7.0
        values = random.normal(size=(23, width)).astype(kind)
        index = random.integers(0, 23, self.op.n_leaves).astype(np.uint32)
        output = random.integers(0, n_outputs - width + 1, self.op.n_trees).astype(np.uint32) if width < n_outputs else None
        base = random.normal(size=n_outputs).astype(kind).astype(np.float64)
        self.sums = LeafSum(values=values, index=index, output=output, base=base, divisor=3.7)
        self.expected = leaf_sum(self.sums, trees(self.op, read))

    def made(self, door, kind, refused=0):
        sums, op = self.sums, self.op
        values = door.Values(sums.values, sums.index, sums.output, op.n_leaves, op.n_trees, len(sums.base))
        return getattr(door, kind)(wrapped(door, op), values, sums.base, sums.divisor, refused)

    def check(self, on_every_isa, slot, kind):
        (found,) = on_every_isa("trees", slot, lambda door: [self.made(door, kind).sums(self.rows)])
        assert found.dtype == self.expected.dtype
        assert found.tobytes() == self.expected.tobytes()


@pytest.mark.parametrize("kind", DTYPES)
@pytest.mark.parametrize(("width", "n_outputs"), [(1, 1), (1, 3), (3, 3), (2, 5)])
@pytest.mark.parametrize("n_rows", [1, 63, 64, 65, 192, 193, 512, 513, 1500])
def test_sums_in_slices(on_every_isa, kind, width, n_outputs, n_rows):
    case = Case(n_rows + width, np.float32, kind, n_rows, width=width, n_outputs=n_outputs)
    case.check(on_every_isa, ("sums", "sliced", np.dtype(kind).name), "Sliced")


@pytest.mark.parametrize("rows_dtype", DTYPES)
@pytest.mark.parametrize("largest", [1, 31, 250])
@pytest.mark.parametrize("n_rows", [1, 64, 512, 1100])
def test_leaves_in_slices(on_every_isa, n_rows, largest, rows_dtype):
    case = Case(n_rows, np.float32, np.float64, n_rows, largest=largest, rows_dtype=rows_dtype, categories=False)
    expected = trees(case.op, case.rows.astype(np.float32))
    (found,) = on_every_isa("trees", ("places", "sliced", "uint8"), lambda door: [case.made(door, "Sliced").leaves(case.rows)])
    np.testing.assert_array_equal(found, expected)


def test_leaves_of_refused_rows(door_of):
    case = Case(3, np.float32, np.float64, 600, categories=False)
    case.rows[599, 0] = np.nan
    assert case.made(door_of("trees"), "Sliced", NAN).leaves(case.rows) is None


@pytest.mark.parametrize("largest", [1, 2, 3, 8, 31, 63, 127, 250])
@pytest.mark.parametrize("kind", DTYPES)
def test_trees_of_all_sizes(on_every_isa, kind, largest):
    for seed in range(3):
        case = Case(seed, np.float32, kind, 600, largest=largest, categories=False)
        case.check(on_every_isa, ("sums", "sliced", np.dtype(kind).name), "Sliced")


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("rows_dtype", DTYPES)
@pytest.mark.parametrize("categories", [False, True])
def test_ranks(on_every_isa, dtype, rows_dtype, categories):
    """Rows of either dtype against thresholds of either: on them, beside them, missing, tiny, huge."""
    for seed in range(6):
        case = Case(seed, dtype, np.float64, 700, rows_dtype=rows_dtype, categories=categories)
        case.check(on_every_isa, ("ranks", "blocks", np.dtype(rows_dtype).name), "Sliced")


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("rows_dtype", DTYPES)
@pytest.mark.parametrize("largest", [1, 31, 32, 33, 64, 400])
def test_tops(on_every_isa, dtype, rows_dtype, largest):
    for seed in range(3):
        case = Case(seed, dtype, np.float64, 60, rows_dtype=rows_dtype, largest=largest, categories=bool(seed))
        case.check(on_every_isa, ("tops", "row", "float32"), "Rows")


@pytest.mark.parametrize("kind", DTYPES)
@pytest.mark.parametrize(("width", "n_outputs"), [(1, 1), (1, 3), (3, 3), (2, 5)])
def test_outputs_of_tops_and_walk(door_of, kind, width, n_outputs):
    case = Case(5, np.float64, kind, 50, width=width, n_outputs=n_outputs)
    for name in ("Rows", "Walk"):
        assert case.made(door_of("trees"), name).sums(case.rows).tobytes() == case.expected.tobytes()


@pytest.mark.parametrize("n_thresholds", [30, 31, 32, 63, 64, 127, 128, 254, 255, 256, 257, 511, 700])
@pytest.mark.parametrize("dtype", DTYPES)
def test_many_thresholds(on_every_isa, dtype, n_thresholds):
    """A column of ranks holds 255 thresholds; a feature may have more."""
    random = np.random.default_rng(n_thresholds)
    threshold = np.unique(random.normal(size=n_thresholds).astype(dtype))
    n = len(threshold)
    op = Trees(
        leaf=np.tile([False, True, True], n), split=random.permutation(n).astype(np.uint32), feature=np.zeros(1, np.uint32),
        missing=np.zeros(1, np.uint8), ends=np.array([n], np.uint32), threshold=threshold, allow_nan=True, allow_infinity=True,
    )  # fmt: skip
    rows = np.concatenate([threshold, np.nextafter(threshold, dtype(9)), np.nextafter(threshold, dtype(-9)), [np.nan, np.inf]])
    rows = rows.astype(dtype)[:, None]
    values = np.ldexp(1.0, np.arange(2 * n) % 40)[:, None]
    expected = leaf_sum(LeafSum(values=values, index=None, output=None, base=np.zeros(1)), trees(op, rows))

    def run(door):
        held = door.Values(values, None, None, op.n_leaves, op.n_trees, 1)
        return [door.Sliced(wrapped(door, op, 1), held, np.zeros(1), 1.0, 0).sums(rows)]

    (found,) = on_every_isa("trees", ("ranks", "blocks", np.dtype(dtype).name), run)
    assert found.tobytes() == expected.tobytes()


def test_many_columns(on_every_isa):
    """Features that fill several tiles, some unused, and more than 64 columns for the tops."""
    random = np.random.default_rng(8)
    for n_features in (15, 16, 17, 40, 64, 100):
        op = random_trees(random, np.float32, n_trees=40, n_features=n_features, categories=False)
        keep = min(len(op.feature), 120)
        ends = op.ends[:keep]
        n = int(ends[-1])
        op = type(op)(
            leaf=op.leaf, split=op.split % np.uint32(n), feature=op.feature[:keep], missing=op.missing[:keep], ends=ends,
            threshold=op.threshold[:n], allow_nan=True, allow_infinity=True,
        )  # fmt: skip
        rows = random_rows(random, op, 300, n_features)
        values = random.normal(size=(op.n_leaves, 1))
        expected = leaf_sum(LeafSum(values=values, index=None, output=None, base=np.zeros(1)), trees(op, rows))
        for slot, kind in ((("ranks", "blocks", "float32"), "Sliced"), (("tops", "row", "float32"), "Rows")):

            def run(door, op=op, values=values, kind=kind, rows=rows, n_features=n_features):
                held = door.Values(values, None, None, op.n_leaves, op.n_trees, 1)
                return [getattr(door, kind)(wrapped(door, op, n_features), held, np.zeros(1), 1.0, 0).sums(rows)]

            (found,) = on_every_isa("trees", slot, run)
            assert found.tobytes() == expected.tobytes()


@pytest.mark.parametrize("kind", ["Sliced", "Rows", "Walk"])
@pytest.mark.parametrize("rows_dtype", DTYPES)
def test_refused_values(door_of, isas, kind, rows_dtype):
    door = door_of("trees")
    case = Case(3, np.float32, np.float64, 40, rows_dtype=rows_dtype, categories=False)
    fine = np.random.default_rng(0).normal(size=(40, 5)).astype(rows_dtype)
    for isa in isas:
        door.select(isa)
        for bad, rule in ((np.nan, NAN), (np.inf, INFINITE), (-np.inf, INFINITE)):
            for refused in (0, INFINITE, NAN, INFINITE | NAN):
                rows = fine.copy()
                rows[37, 4] = bad
                made = case.made(door, kind, refused)
                assert (made.sums(rows) is None) == bool(refused & rule)
                assert made.sums(fine) is not None


def test_what_an_ensemble_answers(door_of, isas):
    door = door_of("trees")
    case = Case(4, np.float32, np.float64, 900, n_outputs=3, categories=False)
    asked = []
    for isa in isas:
        door.select(isa)
        forest = wrapped(door, case.op)
        sums = case.sums
        values = door.Values(sums.values, sums.index, sums.output, case.op.n_leaves, case.op.n_trees, 3)
        arguments = (forest, values, sums.base, sums.divisor, 0)
        parts = door.Walk(*arguments), door.Rows(*arguments), door.Sliced(*arguments)
        for classes in (np.array(["a", "bb", "c"]), np.array([3, 1, 2]), np.array([None, "x", 7], object), np.array([1.5, 2, 3])):
            for sliced in (None, parts[2]):
                made = door.Ensemble(parts[0], parts[1], sliced, 20, door.LARGEST, classes, 0.0, asked.append)
                for n in (1, 20, 21, 900):
                    found = made.predict(case.rows[:n])
                    np.testing.assert_array_equal(found, classes[case.expected[:n].argmax(axis=1)])
                    assert found.dtype == classes.dtype
                    assert made.sums(case.rows[:n]).tobytes() == case.expected[:n].tobytes()
                assert made.rows == 942
        numbers = door.Ensemble(*parts, 20, door.NUMBERS, None, 0.0, asked.append)
        assert numbers.predict(case.rows).tobytes() == case.expected.tobytes()
        for other in (case.rows.tolist(), case.rows[:, ::2], case.rows[:, ::-1], case.rows[:0], case.rows[:, :4]):
            assert numbers.predict(other) is None
            assert asked.pop() is other
        with pytest.raises(ValueError, match="does not follow"):
            door.Ensemble(*parts, 20, door.ABOVE, np.array([0, 1]), 0.0, None)
        with pytest.raises(ValueError, match="classes"):
            door.Ensemble(*parts, 20, door.LARGEST, np.array([0, 1]), 0.0, None)
        stranger = door.Rows(wrapped(door, case.op), *arguments[1:])
        with pytest.raises(ValueError, match="not of the forest"):
            door.Ensemble(parts[0], stranger, parts[2], 20, door.NUMBERS, None, 0.0, None)


@pytest.mark.parametrize("kind", DTYPES)
@pytest.mark.parametrize("single", [False, True])
@pytest.mark.parametrize(
    ("code", "paired", "n_outputs"), [(0, 0, 3), (1, 0, 2), (2, 0, 5), (2, 1, 1), (2, 2, 1), (3, 0, 2), (3, 1, 1)]
)
def test_links_of_sums(door_of, isas, kind, single, code, paired, n_outputs):
    """What the link makes of the reference's sums, in rows of every number; tests of links say what that is."""
    door = door_of("trees")
    case = Case(6, np.float32, kind, 300, n_outputs=n_outputs, categories=False)
    slope, offset = -np.linspace(0.5, 2.0, n_outputs), np.linspace(-1.0, 1.0, n_outputs)
    for flat in (False, True):
        link = door.Link(code, paired, 0, 0.5, slope, offset, flat)
        expected = link(case.expected).astype(np.float32 if single else np.float64)
        assert expected.ndim == (1 if flat and n_outputs == 1 and not paired else 2)
        for isa in isas:
            door.select(isa)
            sums = case.sums
            values = door.Values(sums.values, sums.index, sums.output, case.op.n_leaves, case.op.n_trees, n_outputs)
            arguments = (wrapped(door, case.op), values, sums.base, sums.divisor, NAN)
            parts = door.Walk(*arguments), door.Rows(*arguments), door.Sliced(*arguments)
            made = door.Ensemble(*parts, 20, door.NUMBERS, None, 0.0, None)
            rows = np.where(np.isnan(case.rows), np.float32(np.inf), case.rows)
            whole = made.linked(rows, link, single)
            fine = ~np.isnan(case.rows).any(axis=1)
            assert whole.dtype == expected.dtype and whole[fine].tobytes() == expected[fine].tobytes()
            for n in (1, 20, 21, 65):
                assert made.linked(rows[:n], link, single).tobytes() == whole[:n].tobytes()
            assert made.linked(case.rows, link, single) is None  # NaN is refused here
            assert made.linked(rows.tolist(), link, single) is None
            assert made.linked(rows, door.Link(0, 0, 0, 1.0, np.zeros(9), np.zeros(9), False), single) is None


def test_trees_too_large(door_of):
    door = door_of("trees")
    case = Case(0, np.float32, np.float64, 3, largest=2000, categories=False)
    with pytest.raises(ValueError, match="256 leaves"):
        case.made(door, "Sliced")


@pytest.mark.parametrize("slot", [("walk", "deep", "int32"), ("places", "sliced", "uint8")])
@pytest.mark.parametrize("n_rows", [1, 63, 64, 65, 500, 512, 1537, 6000])
def test_deep_trees(on_every_isa, n_rows, slot):
    """Trees of many leaves, single leaves among them."""
    for seed in (0, 1):
        case = Case(seed, np.float32, np.float64, n_rows, largest=3000, width=2, n_outputs=2, categories=bool(seed))
        assert case.op.n_leaves > 256 * case.op.n_trees
        case.check(on_every_isa, slot, "Walk")
        expected = trees(case.op, case.rows)
        (found,) = on_every_isa("trees", slot, lambda door, case=case: [wrapped(door, case.op).leaves(case.rows)])
        np.testing.assert_array_equal(found, expected)


@pytest.mark.parametrize("n_features", [31, 33, 64, 65, 255, 257])
def test_deep_trees_of_many_columns(on_every_isa, n_features):
    """As many columns as a node can name, and more."""
    random = np.random.default_rng(n_features)
    n = 40 * n_features
    op = Trees(
        leaf=_walks.random_flags(random, 12, 4000), split=np.zeros(0, np.uint32), feature=np.arange(n_features, dtype=np.uint32),
        missing=random.integers(0, 2, n_features).astype(np.uint8), ends=np.arange(40, n + 1, 40, dtype=np.uint32),
        threshold=np.sort(random.normal(size=(n_features, 40)).astype(np.float32)).ravel(), allow_nan=True, allow_infinity=True,
    )  # fmt: skip
    op = type(op)(**{**vars(op), "split": random.integers(0, n, int((~op.leaf).sum())).astype(np.uint32)})
    assert op.n_leaves > 256 * op.n_trees
    rows = random_rows(random, op, 700, n_features)
    expected = trees(op, rows)
    slot = ("walk", "deep", "int32")
    (found,) = on_every_isa("trees", slot, lambda door: [wrapped(door, op, n_features).leaves(rows)])
    np.testing.assert_array_equal(found, expected)
