"""The pass over CSR rows: the same bits on every ISA, bounds that hold in exact arithmetic, no order of sums flips a label."""

from fractions import Fraction

import numpy as np
import pytest
import scipy.sparse as sp
from csr_models import exact_gaps, linear, model_of, plan_of, planar, rows_of, scipy_of

from quantcore.native import registry
from quantcore.plan import INPUT, Csr
from quantcore.plan.ops import Affine, Linear, PlanarLinear
from quantcore.runtime import Executor, csr

needs_kernels = pytest.mark.skipif(registry.door("sparse") is None, reason="this checkout is pure NumPy")


SLOTS = {
    "rows": (("labels", "rows", "int8"), 19, 0.0),
    "wide": (("labels", "rows", "int8"), 290, 0.3),
    "lists": (("labels", "rows", "float32"), 500, 0.99),
    "one": (("labels", "column", "float32"), 1, 0.0),
}


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("indices", [np.int32, np.int64])
@pytest.mark.parametrize("kind", SLOTS)
def test_same_on_every_isa(on_every_isa, kind, indices, dtype):
    slot, n_outputs, zeros = SLOTS[kind]
    rng = np.random.default_rng(1)
    op = planar(rng, 60, n_outputs, zeros=zeros)
    plan, X = plan_of(op), rows_of(rng, 300, 60, dtype, indices)
    found = csr.chain(plan, 0)

    def run(door):
        return csr.build(door, found, plan.ops[-1], lambda X: None).labels(X)

    labels, planes = on_every_isa("sparse", slot, run)
    assert {0, 2} <= set(planes) or n_outputs > 19
    assert len(set(labels)) > 1


@needs_kernels
@pytest.mark.parametrize("n_outputs", [1, 2, 3, 16, 17, 40, 97, 300])
@pytest.mark.parametrize("scaled", [False, True])
@pytest.mark.parametrize("op_dtype", ["float64", "float32"])
@pytest.mark.parametrize("kind", [linear, planar])
def test_labels_are_those_of_numpy(kind, op_dtype, scaled, n_outputs):
    rng = np.random.default_rng(n_outputs)
    scaler = Affine(shift=None, scale=np.exp(rng.normal(size=50))) if scaled else None
    plan = plan_of(kind(rng, 50, n_outputs, dtype=op_dtype), scaler, at=0.25)
    plain = Executor(plan, native=False)
    for dtype in (np.float64, np.float32):
        X = rows_of(rng, 200, 50, dtype)
        labels, planes = model_of(plan).labels(X)
        expected, sure = plain.certified(scipy_of(X))
        ours = planes < 2
        np.testing.assert_array_equal((labels * 10)[ours & sure], expected[ours & sure])
        assert (labels * 10 == expected)[ours].all()
        assert ours.mean() >= sure.mean() - 0.03


@needs_kernels
@pytest.mark.parametrize("n_outputs", [1, 2, 5])
@pytest.mark.parametrize("scaled", [False, True])
@pytest.mark.parametrize("op_dtype, dtype", [("float64", np.float64), ("float32", np.float32), ("float64", np.float32)])
@pytest.mark.parametrize("kind", [linear, planar])
def test_certified_labels_hold_for_any_weights_of_the_grid(kind, op_dtype, dtype, scaled, n_outputs):
    """The oracle is exact: rows on both sides of every boundary, as near to it as their dtype goes."""
    rng = np.random.default_rng(7)
    scale = np.exp(rng.normal(size=30)) if scaled else None
    op = kind(rng, 30, n_outputs, dtype=op_dtype)
    model = model_of(plan_of(op, None if scale is None else Affine(shift=None, scale=scale)))
    X = rows_of(rng, 150, 30, dtype, most=6)
    near = []
    gain = None if scale is None else 1.0 / scale
    for i in range(X.n_rows):
        at = slice(X.indptr[i], X.indptr[i + 1])
        x, indices = X.data[at].copy(), X.indices[at]
        near.append((x, indices))
        if len(x) == 0:
            continue
        # One value is moved so that the two best meet, then to either side of that by steps from tiny to large.
        scores, moved = exact_gaps(op, gain, x, indices)
        order = np.argsort([float(s) for s in scores])[::-1]
        row = exact_gaps(op, gain, np.ones(1, dtype), indices[:1])[0]
        slopes = [r - Fraction(float(b)) for r, b in zip(row, op.bias, strict=True)]
        gap, slope = scores[order[0]], slopes[order[0]]
        if n_outputs > 1:
            gap, slope = gap - scores[order[1]], slope - slopes[order[1]]
        if slope == 0:
            continue
        meets = float(Fraction(float(x[0])) - gap / slope)
        for away in (0.0, 1e-12, -1e-12, 1e-5, -1e-5, 1.01, -1.01):
            moved_by = away * float(moved / abs(slope)) if moved and abs(away) > 1.0 else away * abs(meets)
            changed = x.copy()
            changed[0] = meets + moved_by
            near.append((changed, indices))
    lengths = [len(x) for x, _ in near]
    indptr = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int32)
    whole = Csr(indptr, np.concatenate([j for _, j in near]), np.concatenate([x for x, _ in near]).astype(dtype), 30)
    labels, planes = model.labels(whole)
    reached = kind is planar or op_dtype == np.dtype(dtype).name  # values of float32 miss what doubles can tell
    assert {0, 1, 2} >= set(planes) and (planes < 2).sum() > 50 and (planes == 2).any() == reached
    for i in np.flatnonzero(planes < 2):
        at = slice(indptr[i], indptr[i + 1])
        scores, moved = exact_gaps(op, gain, whole.data[at], whole.indices[at])
        if n_outputs == 1:
            assert abs(scores[0]) >= moved and labels[i] == (scores[0] > 0), i
            continue
        best = scores[labels[i]]
        for k, score in enumerate(scores):
            assert k == labels[i] or best - score > 2 * moved or (moved == 0 and best == score and labels[i] < k), (i, k)


@needs_kernels
@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize("n_outputs", [1, 4])
def test_no_order_of_sums_flips_a_certified_label(n_outputs, dtype):
    """Sources with weights at the ends of the grid's steps, summed in their dtype in any order."""
    rng = np.random.default_rng(3)
    op_dtype = np.dtype(dtype).name
    op = planar(rng, 40, n_outputs, bits=4, dtype=op_dtype)
    model, X = model_of(plan_of(op)), rows_of(rng, 400, 40, dtype, most=30)
    labels, planes = model.labels(X)
    for _ in range(5):
        ends = rng.choice([-0.5, 0.5], op.rows.shape)
        weight = np.ldexp(op.rows + ends, op.exponent[:, None].astype(int)).astype(dtype)
        for i in np.flatnonzero(planes < 2):
            j = rng.permutation(np.arange(X.indptr[i], X.indptr[i + 1]))
            scores = np.zeros(n_outputs, dtype)
            for t in j:
                scores = scores + X.data[t] * weight[X.indices[t]]
            scores = scores + op.bias.astype(dtype)
            assert labels[i] == (np.argmax(scores) if n_outputs > 1 else scores[0] > 0)


@needs_kernels
def test_rows_of_zeros_take_the_first_of_the_largest_biases():
    op = linear(np.random.default_rng(0), 6, 4)
    op = Linear(weight=op.weight, bias=np.array([1.0, 2.0, 2.0, -1.0]))
    X = Csr(np.array([0, 0, 3, 3]), np.array([1, 1, 5]), np.zeros(3), 6)
    labels, planes = model_of(plan_of(op)).labels(X)
    np.testing.assert_array_equal(labels, [1, 1, 1])
    assert (planes < 2).all()
    for bias, expected in ((0.25, 0), (0.26, 1)):
        one = Linear(weight=op.weight[:, :1], bias=np.array([bias]))
        labels, planes = model_of(plan_of(one, at=0.25)).labels(X)
        np.testing.assert_array_equal(labels, [expected] * 3)
        assert (planes < 2).all()


@needs_kernels
@pytest.mark.parametrize("n_outputs", [1, 3, 120])
def test_rows_answer_alone_as_in_a_batch(n_outputs):
    rng = np.random.default_rng(5)
    plan = plan_of(planar(rng, 80, n_outputs, indexed=True))
    executor, X = Executor(plan), rows_of(rng, 700, 80)
    labels, planes = executor.labels_of_csr.labels(X)
    given = scipy_of(X)
    np.testing.assert_array_equal(executor.run("predict", given), labels * 10)
    for i in range(0, 700, 7):
        assert executor.run("predict", given[i]) == labels[i] * 10
    wide = Csr(X.indptr.astype(np.int64), X.indices.astype(np.int64), X.data, 80)
    np.testing.assert_array_equal(executor.labels_of_csr.labels(wide)[1], planes)
    np.testing.assert_array_equal(executor.run("predict", wide), labels * 10)
    assert executor.stats()["rows"] == 4 * 700 + 100
    assert executor.stats()["open_rows"] >= 3 * (planes == 2).sum()


@needs_kernels
@pytest.mark.parametrize("pruned", [0.99, 0.9])
def test_pruned_weights(pruned):
    """Lists and rows that are all zero: their columns still count for the grid, and for what is not finite."""
    rng = np.random.default_rng(6)
    op = planar(rng, 300, 600, zeros=pruned, bits=9)
    op.rows[100:] = 0
    plan = plan_of(op)
    executor, plain = Executor(plan), Executor(plan, native=False)
    X = rows_of(rng, 100, 300)
    labels, planes = executor.labels_of_csr.labels(X)
    expected, _ = plain.certified(scipy_of(X))
    np.testing.assert_array_equal((labels * 10)[planes < 2], expected[planes < 2])
    bad = X.data.copy()
    bad[X.indices >= 100] = np.inf
    with pytest.raises(ValueError, match="infinity"):
        executor.run("predict", scipy_of(X.with_data(bad)))


@needs_kernels
@pytest.mark.parametrize("n_outputs", [1, 3])
@pytest.mark.parametrize("value", [1e300, 1e-300, 3e38, 1e-40])
@pytest.mark.parametrize("op_dtype", ["float64", "float32"])
def test_values_at_the_edges_of_the_dtypes(op_dtype, value, n_outputs):
    rng = np.random.default_rng(8)
    scaler = Affine(shift=None, scale=np.full(20, 2.0**-20))
    for front in (None, scaler):
        plan = plan_of(linear(rng, 20, n_outputs, dtype=op_dtype), front)
        X = rows_of(rng, 60, 20)
        X = X.with_data(X.data * value)
        labels, planes = model_of(plan).labels(X)
        gain = None if front is None else 1.0 / front.scale
        for i in np.flatnonzero(planes < 2):
            at = slice(X.indptr[i], X.indptr[i + 1])
            scores, _ = exact_gaps(plan.ops[-2], gain, X.data[at], X.indices[at])
            assert labels[i] == (int(np.argmax(scores)) if n_outputs > 1 else scores[0] > 0)


@needs_kernels
def test_a_product_with_the_scale_that_overflows_is_refused_as_by_numpy():
    op = Linear(weight=np.array([[0.0, 0.0], [1.0, 2.0]]), bias=np.zeros(2))
    plan = plan_of(op, Affine(shift=None, scale=np.array([2.0**-20, 1.0])))
    X = Csr(np.array([0, 2]), np.array([0, 1]), np.array([1e38, 1.0], np.float32), 2)
    for executor in (Executor(plan), Executor(plan, native=False)):
        with pytest.raises(ValueError, match="infinity"):
            executor.run("predict", scipy_of(X))


def broken(**changes):
    X = sp.csr_matrix(np.eye(4)[:, :3] + 0.5)
    for name, value in changes.items():
        setattr(X, name, value)
    return X


HOSTILE = {
    "descends": broken(indptr=np.array([0, 6, 3, 9, 12], np.int32)),
    "starts late": broken(indptr=np.array([1, 3, 6, 9, 12], np.int32)),
    "ends late": broken(indptr=np.array([0, 3, 6, 9, 13], np.int32)),
    "negative end": broken(indptr=np.array([0, 3, 6, 9, -1], np.int32)),
    "too few boundaries": broken(indptr=np.array([0, 3, 6, 12], np.int32)),
    "column too large": broken(indices=np.array([0, 1, 3] * 4, np.int32)),
    "negative column": broken(indices=np.array([0, 1, -1] * 4, np.int32)),
    "few indices": broken(indices=np.array([0, 1, 2] * 3, np.int32)),
    "few values": broken(data=np.ones(9)),
    "NaN": broken(data=np.array([1.0] * 11 + [np.nan])),
    "infinity": broken(data=np.array([1.0] * 11 + [-np.inf])),
    "complex": broken(data=np.ones(12, complex)),
    "no rows": sp.csr_matrix((0, 3)),
    "too wide": sp.csr_matrix(np.ones((2, 4))),
    "too narrow": sp.csr_matrix(np.ones((2, 2))),
}


@pytest.mark.parametrize("name", HOSTILE)
@pytest.mark.parametrize("n_outputs", [1, 3])
def test_hostile_matrices_raise_what_numpy_raises(name, n_outputs):
    plan = plan_of(linear(np.random.default_rng(0), 3, n_outputs))
    told = []
    for executor in (Executor(plan), Executor(plan, native=False)):
        for call in (lambda X, e=executor: e.run("predict", X), executor.certified):
            with pytest.raises(ValueError) as caught:
                call(HOSTILE[name])
            told.append(str(caught.value))
    assert len(set(told)) == 1


class Odd:
    """Has the names of a CSR matrix, and nothing behind them."""

    format, shape, indptr, indices, data = "csr", (1, 3), [0, 1], None, "x"


def test_other_input_is_answered_or_refused_as_before():
    plan = plan_of(linear(np.random.default_rng(0), 3, 3))
    executor, plain = Executor(plan), Executor(plan, native=False)
    dense = np.random.default_rng(1).normal(size=(20, 3)) * (np.arange(3) > 0)
    given = sp.csr_matrix(dense)
    expected = plain.run("predict", dense)
    more = given.copy()
    more.data, more.indices = np.append(more.data, np.nan), np.append(more.indices, 99).astype(np.int32)
    reverse = given.copy()
    reverse.data = reverse.data.astype(">f8")
    strided = given.copy()
    strided.data = np.repeat(strided.data, 2)[::2]
    same = [given, sp.csr_array(given), given.tocsc(), given.tocoo(), given.tobsr(), given.tolil(), dense, dense.tolist()]
    for X in [*same, more, reverse, strided, Csr(given.indptr, given.indices, given.data, 3)]:
        np.testing.assert_array_equal(executor.run("predict", X), expected)
        np.testing.assert_array_equal(executor.certified(X)[0], expected)
    whole = sp.csr_matrix(np.rint(dense * 4).astype(np.int64))
    np.testing.assert_array_equal(executor.run("predict", whole), plain.run("predict", whole))
    with pytest.raises((ValueError, TypeError)):
        executor.run("predict", Odd())


def test_what_is_not_served():
    rng = np.random.default_rng(0)
    op = linear(rng, 4, 3)
    plan = plan_of(op, Affine(shift=np.ones(4), scale=None, sparse="centre"))
    assert csr.chain(plan, 1) is None
    assert csr.chain(plan_of(op, Affine(shift=None, scale=np.ones(4), clip=(0.0, 1.0))), 1) is None
    assert csr.chain(plan_of(op), INPUT) is None
    wide = Affine(shift=None, scale=np.full(4, 1e30))
    assert csr.obstacle(csr.Chain(wide, op)) == "a scale beyond the range of float32"
    assert csr.obstacle(csr.Chain(None, Linear(weight=op.weight * 1e30, bias=op.bias))) == "weights beyond the range of float32"
    assert csr.obstacle(csr.Chain(None, planar(rng, 4, 3))) is None
    folded = PlanarLinear(**{**planar(rng, 4, 3).__dict__, "norm": "l2"})
    assert csr.obstacle(csr.Chain(None, folded)) == "weights with a tf-idf folded in"
    huge = plan_of(Linear(weight=op.weight * 1e30, bias=op.bias))
    executor = Executor(huge)
    X = scipy_of(rows_of(rng, 30, 4))
    np.testing.assert_array_equal(executor.run("predict", X), Executor(huge, native=False).run("predict", X))
