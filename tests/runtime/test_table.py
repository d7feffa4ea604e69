"""The pass over tables: the same bits on every ISA, bounds that hold against exact arithmetic, labels that no order of summation flips."""

from fractions import Fraction

import numpy as np
import pytest

from quantcore.plan import INPUT, Plan
from quantcore.plan.ops import Affine, ArgMax, Columns, Impute, Linear, PlanarLinear, Threshold
from quantcore.reference import run
from quantcore.runtime import Executor, table

WIDTHS = [1, 2, 7, 15, 16, 17, 30, 64, 131]
OUTPUTS = [1, 2, 3, 8, 10, 19]
BEFORE = ["nothing", "standard", "standard32", "product", "clipped", "imputed", "marked", "selected", "all"]


def linear(rng, n_features, n_outputs, *, dtype="float64", spread=0):
    weight = rng.normal(size=(n_features, n_outputs)) * np.exp2(rng.integers(-spread, spread + 1, n_features))[:, None]
    bias = rng.normal(size=n_outputs)
    if dtype == "float32":
        weight, bias = weight.astype(np.float32).astype(np.float64), bias.astype(np.float32).astype(np.float64)
    return Linear(inputs=(INPUT,), weight=weight, bias=bias, dtype=dtype)


def planar(rng, n_features, n_outputs, bits=14):
    return PlanarLinear(
        inputs=(INPUT,),
        rows=rng.integers(-(1 << bits), (1 << bits) + 1, (n_features, n_outputs)).astype(np.int32),
        exponent=rng.integers(-20, -8, n_features).astype(np.int16),
        index=None,
        bias=rng.normal(size=n_outputs),
        centred=False,
        sublinear=False,
        idf=None,
        norm=None,
        error=0.5,
        amplitude=float(1 << bits) + 0.5,
    )


def steps(rng, before, n_columns):
    """Ops in front of the scores, and the number of features that they leave."""
    shift, scale = rng.normal(size=n_columns), np.exp(rng.normal(size=n_columns))
    fill = rng.normal(size=n_columns)
    index = np.flatnonzero(rng.random(n_columns) < 0.6).astype(np.uint32)
    index = index if len(index) else np.zeros(1, np.uint32)
    select = Columns(index=index, allow_nan=True)
    found = {
        "nothing": [],
        "standard": [Affine(shift=shift, scale=scale)],
        "standard32": [Affine(shift=shift, scale=scale, cast=True)],
        "product": [Affine(shift=shift, scale=scale, product=True, sparse="refuse")],
        "clipped": [Affine(shift=shift, scale=scale, product=True, clip=(0.0, 1.0), sparse="refuse")],
        "imputed": [Impute(missing=None, fill=fill), Affine(shift=shift, scale=scale)],
        "marked": [Impute(missing=-1.0, fill=fill)],
        "selected": [Columns(index=index, allow_nan=False), Affine(shift=shift[index], scale=scale[index], cast=True)],
        "all": [Impute(missing=None, fill=fill), select, Affine(shift=shift[index], scale=scale[index])],
    }[before]
    return found, len(index) if before in ("selected", "all") else n_columns


def plan_of(before, scores, n_columns):
    n_outputs = len(scores.bias)
    ops = []
    for op in [*before, scores]:
        ops.append(type(op)(**{**op.__dict__, "inputs": (len(ops) - 1,)}))
    decides = Threshold if n_outputs == 1 else ArgMax
    ops.append(decides(inputs=(len(ops) - 1,), classes=np.arange(max(n_outputs, 2))))
    outputs = {"predict": len(ops) - 1, "decision_function": len(ops) - 2}
    return Plan(tuple(ops), outputs, "matrix", n_features_in=n_columns, classes=np.arange(max(n_outputs, 2)))


def rows_for(rng, before, n_rows, n_columns, dtype):
    X = rng.normal(size=(n_rows, n_columns)).astype(dtype)
    if before in ("imputed", "all"):
        X[rng.random(X.shape) < 0.2] = np.nan
    if before == "marked":
        X[rng.random(X.shape) < 0.2] = -1.0
    return X


def compiled(door, plan, n_columns):
    decision = plan.ops[plan.outputs["predict"]]
    found = table.chain(plan, decision.inputs[0])
    assert found is not None and table.obstacle(found) is None
    return table.build(door, found, n_columns, decision)


@pytest.fixture
def door():
    return pytest.importorskip("quantcore.native._table", reason="this checkout is pure NumPy", exc_type=ImportError)


def isas_of(door):
    machine = pytest.importorskip("quantcore.native._cpu", exc_type=ImportError).isas()
    return [isa for isa, present in machine.items() if present]


@pytest.fixture(autouse=True)
def best_isa_after(door):
    yield
    door.select(isas_of(door)[-1])


@pytest.mark.parametrize("before", BEFORE)
@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_every_isa_and_batch_gives_the_same_bits(door, before, dtype):
    rng = np.random.default_rng(BEFORE.index(before))
    for n_columns in WIDTHS:
        for n_outputs in OUTPUTS:
            front, width = steps(rng, before, n_columns)
            scores = planar(rng, width, n_outputs) if rng.random() < 0.5 else linear(rng, width, n_outputs, spread=3)
            plan = plan_of(front, scores, n_columns)
            X = rows_for(rng, before, 19, n_columns, dtype)
            seen = set()
            for isa in isas_of(door):
                door.select(isa)
                model = compiled(door, plan, n_columns)
                whole = [a.tobytes() for a in (*model.labels(X), *model.scores(X))]
                for cut in (1, 8):
                    parts = [(*model.labels(X[i : i + cut]), *model.scores(X[i : i + cut])) for i in range(0, len(X), cut)]
                    assert [b"".join(p[k].tobytes() for p in parts) for k in range(4)] == whole
                seen.add(tuple(whole))
            assert len(seen) == 1


@pytest.mark.parametrize("before", BEFORE)
@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_scores_are_within_their_bounds_of_the_reference(door, before, dtype):
    rng = np.random.default_rng(100 + BEFORE.index(before))
    for n_columns, n_outputs in [(5, 1), (30, 3), (64, 10), (200, 2)]:
        front, width = steps(rng, before, n_columns)
        for scores in (planar(rng, width, n_outputs), linear(rng, width, n_outputs, spread=5)):
            plan = plan_of(front, scores, n_columns)
            X = rows_for(rng, before, 40, n_columns, dtype)
            found, bounds = compiled(door, plan, n_columns).scores(X)
            known = run(plan, X, "decision_function").reshape(found.shape)
            # the grid's own error is in the bounds, but not between these two
            assert (np.abs(found - known) <= bounds[:, None]).all()
            if isinstance(scores, Linear):
                assert bounds.max() < (1e-10 if dtype == np.float64 else 1e-3) * (1 + np.abs(found).max())


def exact_scores(weight, bias, row):
    return [
        sum((Fraction(x) * Fraction(w) for x, w in zip(row, column, strict=True)), Fraction(b))
        for column, b in zip(weight.T, bias, strict=True)
    ]


def orders(row, column, bias, dtype):
    """What a source may compute: sums of products in several orders, in its own dtype."""
    products = (row.astype(dtype) * column.astype(dtype)).astype(dtype)
    rng = np.random.default_rng(0)
    tries = [
        products,
        products[::-1],
        products[np.argsort(products)],
        products[np.argsort(-np.abs(products))],
        rng.permutation(products),
    ]
    for ordered in tries:
        total = dtype(0)
        for p in ordered:
            total = dtype(total + p)
        yield dtype(total + dtype(bias))
    yield dtype(products.sum(dtype=dtype) + dtype(bias))
    yield dtype(row.astype(dtype) @ column.astype(dtype) + dtype(bias))


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize("n_outputs", [1, 2, 5])
def test_rows_beside_a_boundary_are_certified_only_where_no_order_flips_them(door, dtype, n_outputs):
    """Rows are moved onto the boundary between the best two outputs and then by few units in the last place of the gap."""
    rng = np.random.default_rng(n_outputs)
    certified = moved = 0
    for n_features in (3, 16, 40):
        op = linear(rng, n_features, n_outputs, dtype=np.dtype(dtype).name, spread=2)
        plan = plan_of([], op, n_features)
        model = compiled(door, plan, n_features)
        X = rng.normal(size=(60, n_features)).astype(dtype)
        for i, row in enumerate(X):
            exact = exact_scores(op.weight, op.bias, row.tolist())
            order = sorted(range(n_outputs), key=lambda k: exact[k])
            gap = exact[order[-1]] - exact[order[-2]] if n_outputs > 1 else exact[0]
            weight = op.weight[:, order[-1]] - op.weight[:, order[-2]] if n_outputs > 1 else op.weight[:, 0]
            j = int(np.argmax(np.abs(weight)))
            row[j] -= dtype(float(gap) / weight[j])
            row[j] += dtype(np.spacing(row[j]) * rng.integers(-40, 41) * 2.0 ** int(rng.integers(0, 12)))
            X[i] = row
        labels, planes = model.labels(X)
        for row, label, plane in zip(X, labels, planes, strict=True):
            if plane == 2:
                continue
            certified += 1
            exact = exact_scores(op.weight, op.bias, row.tolist())
            if n_outputs == 1:
                assert (exact[0] > 0) == label
                assert all((score > 0) == label for score in orders(row, op.weight[:, 0], op.bias[0], dtype))
                continue
            assert all(exact[label] > exact[k] for k in range(n_outputs) if k != label)
            computed = [list(orders(row, op.weight[:, k], op.bias[k], dtype)) for k in range(n_outputs)]
            assert all(min(computed[label]) > max(computed[k]) for k in range(n_outputs) if k != label)
            moved += plane == 1
    assert certified > 20  # the test tests something


def test_bounds_enclose_exact_scores_of_any_weights_within_the_grid(door):
    """Source weights are put anywhere within half a step of the grid, at its ends too."""
    rng = np.random.default_rng(5)
    for n_features, n_outputs in [(4, 1), (20, 3), (50, 8)]:
        op = planar(rng, n_features, n_outputs, bits=5)
        model = compiled(door, plan_of([], op, n_features), n_features)
        step = np.ldexp(1.0, op.exponent.astype(int))[:, None]
        X = rng.normal(size=(20, n_features))
        scores, bounds = model.scores(X)
        labels, planes = model.labels(X)
        for i, row in enumerate(X):
            for away in (
                np.sign(row)[:, None] * 0.5,
                -np.sign(row)[:, None] * 0.5,
                rng.uniform(-0.5, 0.5, (n_features, n_outputs)),
            ):
                source = (op.rows + away) * step
                exact = exact_scores(source, op.bias, row.tolist())
                assert all(abs(Fraction(s) - e) <= Fraction(bounds[i]) for s, e in zip(scores[i].tolist(), exact, strict=True))
            if planes[i] < 2 and n_outputs > 1:
                # the worst source: every weight of the winner half a step against it, those of another half a step for it
                for other in set(range(n_outputs)) - {labels[i]}:
                    source = op.rows * step
                    source[:, labels[i]] -= (np.sign(row)[:, None] * 0.5 * step)[:, 0]
                    source[:, other] += (np.sign(row)[:, None] * 0.5 * step)[:, 0]
                    exact = exact_scores(source, op.bias, row.tolist())
                    assert exact[labels[i]] > exact[other]


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("before", BEFORE)
def test_what_is_not_finite_is_found_wherever_it_stands(door, before, bad):
    rng = np.random.default_rng(3)
    for dtype in (np.float64, np.float32):
        for n_columns in (1, 16, 21):
            front, width = steps(rng, before, n_columns)
            model = compiled(door, plan_of(front, linear(rng, width, 3), n_columns), n_columns)
            for n_rows, at in [(1, 0), (20, 19), (9, 4)]:
                X = rng.normal(size=(n_rows, n_columns)).astype(dtype)
                X[at, n_columns - 1] = bad
                missing = bad != bad and before in ("imputed", "all")
                assert (model.labels(X) is None) == (not missing)
                assert (model.scores(X) is None) == (not missing)


def test_rows_of_zeros_are_answered_by_the_biases(door):
    op = Linear(inputs=(INPUT,), weight=np.array([[1.0, -1.0], [2.0, 0.5]]), bias=np.array([0.0, 1e-300]))
    model = compiled(door, plan_of([], op, 2), 2)
    labels, planes = model.labels(np.array([[0.0, -0.0], [0.0, 5e-324]]))
    assert labels[0] == 1 and planes[0] == 1
    tie = Linear(inputs=(INPUT,), weight=np.array([[1.0, -1.0], [2.0, 0.5]]), bias=np.zeros(2))
    labels, planes = compiled(door, plan_of([], tie, 2), 2).labels(np.zeros((3, 2)))
    assert labels.tolist() == [0, 0, 0] and planes.tolist() == [1, 1, 1]  # argmax takes the first, as the source does


@pytest.mark.parametrize("size", [1e-310, 1e-40, 1e-30, 1e30, 1e200])
def test_columns_of_any_size_keep_their_labels(door, size):
    rng = np.random.default_rng(8)
    op = linear(rng, 12, 4)
    op = type(op)(**{**op.__dict__, "weight": op.weight / np.array([size if size > 1e-300 else 1e-300] + [1.0] * 11)[:, None]})
    X = rng.normal(size=(200, 12)) * np.array([size] + [1.0] * 11)
    plan = plan_of([], op, 12)
    labels, planes = compiled(door, plan, 12).labels(X)
    assert (labels == run(plan, X, "predict")).all() and (planes < 2).mean() > 0.99


def test_what_has_no_kernel_says_why():
    rng = np.random.default_rng(0)
    scale = Affine(shift=None, scale=np.ones(4))
    scores = linear(rng, 4, 2)
    assert table.obstacle(table.Chain((scale, scale), scores)) == "more than one scaler, or one in front of other steps"
    clipping = Affine(shift=None, scale=np.ones(4), clip=(-1.0, 1.0))
    assert table.obstacle(table.Chain((clipping,), scores)) == "a scaler that divides and clips"
    tiny = Affine(shift=None, scale=np.full(4, 1e-200))
    assert table.obstacle(table.Chain((tiny,), scores)) == "a scale beyond the range of doubles"


def test_executors_count_and_settle(door):
    op = linear(np.random.default_rng(1), 6, 3)
    executor = Executor(plan_of([], op, 6), settle=lambda rows, positions: np.full(len(rows), 2))
    X = np.random.default_rng(2).normal(size=(50, 6))
    assert executor.run("predict", X).shape == (50,)
    assert executor.run("predict", X.tolist()).shape == (50,)
    assert executor.run("predict", X.astype(">f4")[:, ::-1][:, ::-1]).shape == (50,)
    assert executor.stats()["rows"] == 150 and executor.stats()["open_rows"] == 0
    twins = Linear(inputs=(INPUT,), weight=np.tile(op.weight[:, :1], 3), bias=np.zeros(3))  # ties everywhere
    executor = Executor(plan_of([], twins, 6), settle=lambda rows, positions: np.full(len(rows), 2))
    assert executor.run("predict", X).tolist() == [2] * 50
    labels, sure = executor.certified(X)
    assert labels.tolist() == [2] * 50 and not sure.any()
    assert executor.stats()["open_rows"] == 100
