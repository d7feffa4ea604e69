"""Data and an oracle that the tests of packing share."""

import numpy as np

LIMITS = {"to_int8": 127, "to_int16": 32767, "to_int4": 7}
BITS = {"to_int8": 8, "to_int16": 16, "to_int4": 4}
LAYOUTS = [{}, {"axis": "channel"}, {"group": 16}, {"group": 32}, {"group": 48}, {"group": 128}]


def floats(shape, dtype=np.float32, seed=0):
    """Over the whole range of exponents, one row in three of ordinary numbers, one of them with zeros."""
    rng = np.random.default_rng(seed)
    low, high = (-149, 120) if dtype == np.float32 else (-1074, 1000)
    with np.errstate(under="ignore"):
        x = (rng.normal(size=shape) * 2.0 ** rng.integers(low, high, shape)).astype(dtype)
    x[::3] = rng.normal(size=x[::3].shape)
    x[1::3] *= rng.integers(0, 2, x[1::3].shape).astype(dtype)
    return x


def slot(op, x, axis="row", group=None):
    """The slot of kernels.def that such a call runs."""
    return op, "columns" if axis == "channel" else "groups", str(x.dtype)


def back_slot(op, q_op, axis="row", group=None):
    return op, "columns" if axis == "channel" else "groups", q_op.removeprefix("to_")


def blocks(shape, axis="row", group=None):
    """Position of a scale → index of the values that share it."""
    n_rows, n_columns = shape
    if axis == "channel":
        return {(j,): np.s_[:, j] for j in range(n_columns)}
    if group is None:
        return {(i,): np.s_[i, :] for i in range(n_rows)}
    n_groups = -(-n_columns // group)
    return {(i, g): np.s_[i, g * group : (g + 1) * group] for i in range(n_rows) for g in range(n_groups)}


def oracle(x, op, **layout):
    """(integers, scales), one block after the other."""
    kind, info = x.dtype.type, np.finfo(x.dtype)
    places = blocks(x.shape, **layout)
    q = np.zeros(x.shape, np.int64)
    scale_shape = (x.shape[1],) if layout.get("axis") == "channel" else x.shape[:1]
    if "group" in layout:
        scale_shape = (x.shape[0], -(-x.shape[1] // layout["group"]))
    scale = np.zeros(scale_shape, x.dtype)
    for place, where in places.items():
        largest = max((abs(v) for v in x[where].tolist()), default=0.0)
        step = kind(largest) / kind(LIMITS[op])
        step = min(max(step, info.tiny), np.nextafter(info.max / kind(LIMITS[op]), kind(0)))
        scale[place] = step
        with np.errstate(under="ignore"):
            q[where] = np.rint(x[where] * (kind(1) / step))
    return q, scale


def integers(q, op, n_columns):
    """What was packed, as int64, one a column: nibbles taken apart byte by byte."""
    if op != "to_int4":
        return q.astype(np.int64)
    out = np.zeros((len(q), n_columns), np.int64)
    for j in range(n_columns):
        nibble = q[:, j // 2].astype(np.int64) >> 4 * (j % 2) & 15
        out[:, j] = np.where(nibble < 8, nibble, nibble - 16)
    return out
