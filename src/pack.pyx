# cython: language_level=3, boundscheck=False, wraparound=False, freethreading_compatible=True
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

# From about 50 us of work on: below, releasing the GIL costs more than it gives.
cdef enum:
    RELEASE_FROM = 1 << 18


cdef object _checked(object x, str dtype):
    array = np.asarray(x)
    if array.dtype.newbyteorder("=") != dtype:
        raise TypeError(f"expected an array of {dtype}, got {array.dtype}; convert it first: x.astype(np.{dtype})")
    return np.ascontiguousarray(array, dtype).reshape(array.shape)


cdef object _refusal(object array, ptrdiff_t position):
    where = ", ".join(map(str, np.unravel_index(position, array.shape)))
    return ValueError(f"x[{where}] is {array.flat[position]}: only finite values can be packed; clean or impute them first")


def to_int8(x):
    array = _checked(x, "float32")
    if array.ndim != 2:
        raise ValueError(f"expected a 2-d array of rows, got {array.ndim}-d of shape {array.shape}; reshape it first")
    q = np.empty(array.shape, np.int8)
    scale = np.empty(len(array), np.float32)
    cdef const float[:, ::1] source = array
    cdef signed char[:, ::1] target = q
    cdef float[::1] scales = scale
    cdef ptrdiff_t refused, n_rows = source.shape[0], n_columns = source.shape[1]
    if n_rows * n_columns < RELEASE_FROM:
        refused = _to_int8(&source[0, 0], n_rows, n_columns, &target[0, 0], &scales[0])
    else:
        with nogil:
            refused = _to_int8(&source[0, 0], n_rows, n_columns, &target[0, 0], &scales[0])
    if refused >= 0:
        raise _refusal(array, refused)
    return q, scale


def to_float16(x):
    array = _checked(x, "float32")
    h = np.empty(array.shape, np.float16)
    cdef const float[::1] source = array.reshape(-1)
    cdef unsigned short[::1] target = h.reshape(-1).view(np.uint16)
    cdef ptrdiff_t refused, n = source.shape[0]
    if n < RELEASE_FROM:
        refused = _to_float16(&source[0], n, &target[0])
    else:
        with nogil:
            refused = _to_float16(&source[0], n, &target[0])
    if refused >= 0:
        raise _refusal(array, refused)
    return h


def to_float32(h):
    array = _checked(h, "float16")
    x = np.empty(array.shape, np.float32)
    cdef const unsigned short[::1] source = array.reshape(-1).view(np.uint16)
    cdef float[::1] target = x.reshape(-1)
    cdef ptrdiff_t refused, n = source.shape[0]
    if n < RELEASE_FROM:
        refused = _to_float32(&source[0], n, &target[0])
    else:
        with nogil:
            refused = _to_float32(&source[0], n, &target[0])
    if refused >= 0:
        raise _refusal(array, refused)
    return x
