"""The door to ``src/kernels/pack``: arrays in, new arrays out; NaN and inf are refused by name."""

import numpy as np

cdef extern from *:
    """
    #include "kernels/pack/pack.h"
    #include "kernels/table.h"
    """
    ptrdiff_t _to_int8 "qc_bound.to_int8_rows_float32"(
        const float *, ptrdiff_t, ptrdiff_t, signed char *, float *) noexcept nogil
    ptrdiff_t _to_float16 "qc_bound.to_float16_flat_float32"(const float *, ptrdiff_t, unsigned short *) noexcept nogil
    ptrdiff_t _to_float32 "qc_bound.to_float32_flat_float16"(const unsigned short *, ptrdiff_t, float *) noexcept nogil

include "door.pxi"

# In elements: from about 50 us on the GIL is released; between steps of about 10 ms Ctrl-C is honoured.
cdef enum:
    RELEASE_FROM = 1 << 18
    STEP = 1 << 24


cdef object FLOAT32 = np.dtype(np.float32)
cdef object FLOAT16 = np.dtype(np.float16)


cdef object _checked(object x, object dtype):
    array = np.asarray(x)
    if array.dtype != dtype and array.dtype.newbyteorder("=") != dtype:
        raise TypeError(f"expected an array of {dtype}, got {array.dtype}; convert it first: x.astype(np.{dtype})")
    flags = array.flags
    return array if flags.c_contiguous and flags.aligned and array.dtype == dtype else array.astype(dtype, order="C")


cdef object _refusal(object array, ptrdiff_t position):
    where = ", ".join(map(str, np.unravel_index(position, array.shape)))
    return ValueError(f"x[{where}] is {array.flat[position]}: only finite values can be packed; clean or impute them first")


def to_int8(x):
    """float32 rows → (int8 from -127 to 127, one float32 scale per row); see reference.pack."""
    array = _checked(x, FLOAT32)
    if array.ndim != 2:
        raise ValueError(f"expected a 2-d array of rows, got {array.ndim}-d of shape {array.shape}; reshape it first")
    q = np.empty(array.shape, np.int8)
    scale = np.empty(len(array), np.float32)
    cdef const float[:, ::1] source = array
    cdef signed char[:, ::1] target = q
    cdef float[::1] scales = scale
    cdef ptrdiff_t n_rows = source.shape[0], n_columns = source.shape[1]
    cdef ptrdiff_t start, count, refused, step = max(1, STEP // max(1, n_columns))
    cdef PyThreadState *released
    for start in range(0, n_rows, step):
        count = min(step, n_rows - start)
        released = _release(count * n_columns >= RELEASE_FROM)
        refused = _to_int8(&source[start, 0], count, n_columns, &target[start, 0], &scales[start])
        _acquire(released)
        if refused >= 0:
            raise _refusal(array, start * n_columns + refused)
        PyErr_CheckSignals()
    return q, scale


def to_float16(x):
    """float32 → float16, nearest even; see reference.pack."""
    array = _checked(x, FLOAT32)
    h = np.empty(array.shape, np.float16)
    cdef const float[::1] source = array.reshape(-1)
    cdef unsigned short[::1] target = h.reshape(-1).view(np.uint16)
    cdef ptrdiff_t start, count, refused, n = source.shape[0]
    cdef PyThreadState *released
    for start in range(0, n, STEP):
        count = min(STEP, n - start)
        released = _release(count >= RELEASE_FROM)
        refused = _to_float16(&source[start], count, &target[start])
        _acquire(released)
        if refused >= 0:
            raise _refusal(array, start + refused)
        PyErr_CheckSignals()
    return h


def to_float32(h):
    """float16 → float32, exactly; see reference.pack."""
    array = _checked(h, FLOAT16)
    x = np.empty(array.shape, np.float32)
    cdef const unsigned short[::1] source = array.reshape(-1).view(np.uint16)
    cdef float[::1] target = x.reshape(-1)
    cdef ptrdiff_t start, count, refused, n = source.shape[0]
    cdef PyThreadState *released
    for start in range(0, n, STEP):
        count = min(STEP, n - start)
        released = _release(count >= RELEASE_FROM)
        refused = _to_float32(&source[start], count, &target[start])
        _acquire(released)
        if refused >= 0:
            raise _refusal(array, start + refused)
        PyErr_CheckSignals()
    return x
