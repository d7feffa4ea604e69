"""The door to ``src/kernels/pack``: arrays in, new arrays out; NaN and inf are refused by name.

``quantcore.reference.pack`` says what each function computes.
"""

cimport numpy as cnp

import numpy as np

cdef extern from "<stdint.h>":
    const ptrdiff_t PTRDIFF_MAX

cdef extern from *:
    """
    #include "kernels/pack/pack.h"
    #include "kernels/pack/choose.h"
    """
    ctypedef int qc_pack_fn(const void *, ptrdiff_t, ptrdiff_t, ptrdiff_t, void *, void *) noexcept nogil
    ctypedef int qc_unpack_fn(const void *, ptrdiff_t, ptrdiff_t, ptrdiff_t, const void *, void *) noexcept nogil
    ctypedef int qc_convert_fn(const void *, ptrdiff_t, void *) noexcept nogil
    qc_pack_fn *qc_packing(int bits, int wide, int columns)
    qc_unpack_fn *qc_unpacking(int bits, int wide, int columns)
    qc_convert_fn *qc_narrowing(int wide)
    qc_convert_fn *qc_widening(int wide)

include "door.pxi"

cnp.import_array()

# In elements: from about 50 us on the GIL is released; between steps of about 10 ms Ctrl-C is honoured.
cdef enum:
    RELEASE_FROM = 1 << 18
    STEP = 1 << 24
    ALIGN_FROM = 1 << 16  # bytes; of less, a view of an array costs more than it saves
    PANEL = 64  # columns that a step takes at least, and in multiples of which it takes them


cdef tuple FLOATS = (np.dtype(np.float32), np.dtype(np.float64))
cdef tuple FLOAT32 = FLOATS[:1]
cdef tuple PACKED = tuple(map(np.dtype, (np.float16, np.int8, np.int16, np.uint8)))


cdef cnp.ndarray _checked(object x, tuple dtypes):
    """An array of one of the dtypes, C-contiguous, aligned and in native byte order."""
    cdef cnp.ndarray array = x if cnp.PyArray_CheckExact(x) else np.asarray(x)
    if cnp.PyArray_ISCARRAY_RO(array):  # by number: comparing dtypes would take a third of a small call's time
        for dtype in dtypes:
            if (<cnp.dtype>dtype).type_num == cnp.PyArray_TYPE(array):
                return array
    if array.dtype not in dtypes and array.dtype.newbyteorder("=") not in dtypes:
        expected = " or ".join(map(str, dtypes))
        raise TypeError(f"expected an array of {expected}, got {array.dtype}; convert it first: x.astype(np.{dtypes[0]})")
    return array.astype(array.dtype.newbyteorder("="), order="C")


cdef object _refusal(object array, str name="x", str what="values can be packed; clean or impute them first"):
    position = np.unravel_index(np.argmin(np.isfinite(array)), array.shape)
    where = ", ".join(map(str, position))
    return ValueError(f"{name}[{where}] is {array[position]}: only finite {what}")


cdef int _check_rows(cnp.ndarray array) except -1:
    if cnp.PyArray_NDIM(array) != 2:
        shape = (<object>array).shape
        raise ValueError(f"expected a 2-d array of rows, got {array.ndim}-d of shape {shape}; reshape it first")
    return 0


cdef ptrdiff_t _group_of(object axis, object group, ptrdiff_t n_columns) except -1:
    """Length of a group; 0: one scale a column."""
    if axis == "channel":
        if group is not None:
            raise ValueError(f"group={group!r} needs axis='row', got axis='channel': groups are of consecutive values of a row")
        return 0
    if axis != "row":
        raise ValueError(f"unknown axis {axis!r}; expected 'row' or 'channel'")
    if group is None:
        return max(n_columns, 1)
    if type(group) is int and 0 < group <= n_columns and group % 16 == 0:
        return group
    try:
        return min(_multiple(group), (max(n_columns, 1) + 15) // 16 * 16)
    except (AttributeError, OverflowError, ValueError):
        raise ValueError(f"expected group=None or a positive multiple of 16, got {group!r}") from None


cdef ptrdiff_t _multiple(object group) except -1:
    cdef ptrdiff_t length = group.__index__()
    if length <= 0 or length % 16:
        raise ValueError
    return length


cdef object _new(int n_dims, cnp.npy_intp *shape, int kind, ptrdiff_t n_bytes):
    """A large array begins with a cache line, where kernels store a third faster than where NumPy would put it."""
    if n_bytes < ALIGN_FROM:
        return cnp.PyArray_EMPTY(n_dims, shape, kind, 0)
    cdef cnp.npy_intp room = n_bytes + 64
    cdef cnp.ndarray memory = cnp.PyArray_EMPTY(1, &room, cnp.NPY_UINT8, 0)
    cdef char *data = <char *>cnp.PyArray_DATA(memory)
    cdef cnp.ndarray array = cnp.PyArray_SimpleNewFromData(n_dims, shape, kind, data + (-<size_t>data & 63))
    cnp.set_array_base(array, memory)
    return array


cdef object _empty(int n_dims, ptrdiff_t n_rows, ptrdiff_t n_columns, int kind, ptrdiff_t itemsize):
    cdef cnp.npy_intp shape[2]
    shape[0] = n_rows
    shape[1] = n_columns
    if n_dims == 1:
        n_columns = 1
    if n_columns and n_rows > (PTRDIFF_MAX - 64) // itemsize // n_columns:
        return cnp.PyArray_EMPTY(n_dims, shape, kind, 0)  # says that it is too large
    return _new(n_dims, shape, kind, n_rows * n_columns * itemsize)


cdef tuple _pack(object x, object axis, object group, int bits):
    cdef cnp.ndarray array = _checked(x, FLOATS)
    _check_rows(array)
    cdef ptrdiff_t n_rows = cnp.PyArray_DIM(array, 0), n_columns = cnp.PyArray_DIM(array, 1), width = (n_columns * bits + 7) // 8
    cdef ptrdiff_t length = _group_of(axis, group, n_columns), per_row = 1
    cdef int kind = cnp.PyArray_TYPE(array), wide = kind == cnp.NPY_FLOAT64, itemsize = 8 if wide else 4
    cdef object q = _empty(2, n_rows, (n_columns + 1) // 2 if bits == 4 else n_columns,
                           cnp.NPY_UINT8 if bits == 4 else cnp.NPY_INT8 if bits == 8 else cnp.NPY_INT16, 2 if bits == 16 else 1)
    if group is not None:
        per_row = (n_columns + length - 1) // length
    cdef object scale = _empty(1 if group is None else 2, n_rows if length else n_columns, per_row, kind, itemsize)
    cdef const char *source = <const char *>cnp.PyArray_DATA(array)
    cdef char *target = <char *>cnp.PyArray_DATA(q)
    cdef char *scales = <char *>cnp.PyArray_DATA(scale)
    cdef qc_pack_fn *kernel = qc_packing(bits, wide, not length)
    cdef PyThreadState *released
    cdef ptrdiff_t start, count, step, finite
    if length:
        step = max(1, STEP // max(1, n_columns))
        start = 0 if per_row else n_rows
        while start < n_rows:
            count = min(step, n_rows - start)
            released = _release(count * n_columns >= RELEASE_FROM)
            finite = kernel(source + start * n_columns * itemsize, count, n_columns, length, target + start * width,
                            scales + start * per_row * itemsize)
            _acquire(released)
            if not finite:
                raise _refusal(array)
            PyErr_CheckSignals()
            start += step
    else:
        step = max(PANEL, 2 * STEP // max(1, n_rows) // PANEL * PANEL)  # they are read faster the wider they are
        start = 0
        while start < n_columns:
            count = min(step, n_columns - start)
            released = _release(count * n_rows >= RELEASE_FROM)
            finite = kernel(source + start * itemsize, n_rows, count, n_columns, target + start * bits // 8,
                            scales + start * itemsize)
            _acquire(released)
            if not finite:
                raise _refusal(array)
            PyErr_CheckSignals()
            start += step
    return q, scale


cdef object _unpack(object q, object scale, object axis, object group, object columns, int wide):
    cdef cnp.ndarray array = _checked(q, PACKED), factors
    cdef int kind = cnp.PyArray_TYPE(array)
    if kind == cnp.NPY_FLOAT16:
        if scale is not None or axis != "row" or group is not None or columns is not None:
            raise TypeError("float16 has no scale: expected the array alone")
        return _convert(array, qc_widening(wide), cnp.NPY_FLOAT64 if wide else cnp.NPY_FLOAT32)
    if scale is None:
        raise TypeError(f"{array.dtype} needs the scale that it was packed with")
    factors = _checked(scale, FLOATS if wide else FLOAT32)
    if wide and cnp.PyArray_TYPE(factors) == cnp.NPY_FLOAT32:
        factors = factors.astype(np.float64)
    _check_rows(array)
    cdef ptrdiff_t n_rows = cnp.PyArray_DIM(array, 0), n_columns = cnp.PyArray_DIM(array, 1), width = n_columns
    cdef int bits = 4 if kind == cnp.NPY_UINT8 else 8 if kind == cnp.NPY_INT8 else 16, itemsize = 8 if wide else 4
    if bits == 4:
        n_columns = 2 * width
    if columns is not None:
        n_columns = columns
        if ((n_columns + 1) // 2 if bits == 4 else n_columns) != width or n_columns < 0:
            pairs = " (two int4 each)" if bits == 4 else ""
            raise ValueError(f"n_columns={columns} does not fit rows of {width} {array.dtype}{pairs}")
    cdef ptrdiff_t length = _group_of(axis, group, n_columns), per_row = 1
    if group is not None:
        per_row = (n_columns + length - 1) // length
    cdef cnp.npy_intp first = n_rows if length else n_columns
    cdef int n_dims = 1 if group is None else 2
    if (cnp.PyArray_NDIM(factors) != n_dims or cnp.PyArray_DIM(factors, 0) != first
            or n_dims == 2 and cnp.PyArray_DIM(factors, 1) != per_row):
        expected = (first, per_row)[:n_dims]
        raise ValueError(f"expected scale of shape {expected}, got {(<object>factors).shape}; pass axis and group as in packing")
    cdef object x = _empty(2, n_rows, n_columns, cnp.NPY_FLOAT64 if wide else cnp.NPY_FLOAT32, itemsize)
    cdef const char *source = <const char *>cnp.PyArray_DATA(array)
    cdef const char *scales = <const char *>cnp.PyArray_DATA(factors)
    cdef char *target = <char *>cnp.PyArray_DATA(x)
    cdef qc_unpack_fn *kernel = qc_unpacking(bits, wide, not length)
    cdef PyThreadState *released
    cdef ptrdiff_t start, count, finite, row = width * (2 if bits == 16 else 1), step = max(1, STEP // max(1, n_columns))
    start = 0 if per_row else n_rows
    while start < n_rows:
        count = min(step, n_rows - start)
        released = _release(count * n_columns >= RELEASE_FROM)
        finite = kernel(source + start * row, count, n_columns, length if length else n_columns,
                        scales + (start * per_row * itemsize if length else 0), target + start * n_columns * itemsize)
        _acquire(released)
        if not finite:
            raise _refusal(factors, "scale", "scales can be unpacked")
        PyErr_CheckSignals()
        start += step
    return x


cdef object _convert(cnp.ndarray array, qc_convert_fn *kernel, int kind):
    cdef ptrdiff_t itemsize = 2 if kind == cnp.NPY_FLOAT16 else 4 if kind == cnp.NPY_FLOAT32 else 8
    cdef object to = _new(cnp.PyArray_NDIM(array), cnp.PyArray_DIMS(array), kind, cnp.PyArray_SIZE(array) * itemsize)
    cdef const char *source = <const char *>cnp.PyArray_DATA(array)
    cdef char *target = <char *>cnp.PyArray_DATA(to)
    cdef PyThreadState *released
    cdef ptrdiff_t n = cnp.PyArray_SIZE(array), start, count, finite
    cdef ptrdiff_t read = cnp.PyArray_ITEMSIZE(array), written = cnp.PyArray_ITEMSIZE(to)
    for start in range(0, n, STEP):
        count = min(STEP, n - start)
        released = _release(count >= RELEASE_FROM)
        finite = kernel(source + start * read, count, target + start * written)
        _acquire(released)
        if not finite:
            raise _refusal(array)
        PyErr_CheckSignals()
    return to


def to_int8(x, axis="row", group=None):
    """Rows → (int8 from -127 to 127, scale of x's dtype)."""
    return _pack(x, axis, group, 8)


def to_int16(x, axis="row", group=None):
    """Rows → (int16 from -32767 to 32767, scale of x's dtype)."""
    return _pack(x, axis, group, 16)


def to_int4(x, axis="row", group=None):
    """Rows → (bytes of two int4 from -7 to 7, the even column in the low half; scale of x's dtype)."""
    return _pack(x, axis, group, 4)


def to_float16(x):
    """float32 or float64 → float16, rounded once, to nearest even."""
    cdef cnp.ndarray array = _checked(x, FLOATS)
    return _convert(array, qc_narrowing(cnp.PyArray_TYPE(array) == cnp.NPY_FLOAT64), cnp.NPY_FLOAT16)


def to_float32(q, scale=None, axis="row", group=None, n_columns=None):
    """float16 → float32, exactly; int8, int16 or bytes of two int4, with their float32 scale → q * scale in float32."""
    return _unpack(q, scale, axis, group, n_columns, 0)


def to_float64(q, scale=None, axis="row", group=None, n_columns=None):
    """float16 → float64, exactly; int8, int16 or bytes of two int4, with their scale → q * scale in float64."""
    return _unpack(q, scale, axis, group, n_columns, 1)
