"""The door to ``src/kernels/dense``: weights are checked and laid out once, when they are wrapped; rows at every call."""

cimport cython
cimport numpy as cnp

import numpy as np

cdef extern from *:
    """
    #include "kernels/dense/dense.h"
    #include "kernels/table.h"
    """
    ctypedef struct qc_dense:
        const unsigned char *blocks
        const float *scale
        const int *offset
        ptrdiff_t n_features
        ptrdiff_t n_outputs
        ptrdiff_t n_blocks
        int wide
    enum:
        QC_BLOCK
        QC_SPAN
        QC_NARROW
    void qc_dense_arrange(
        const void *values, ptrdiff_t n_features, ptrdiff_t n_outputs, int size, int int4, unsigned char *blocks) noexcept nogil
    void qc_dense_offsets(const qc_dense *w, int *offset) noexcept nogil
    void _dot_int8 "qc_bound.dot_blocks_int8"(const qc_dense *, const signed char *, ptrdiff_t, void *) noexcept nogil
    void _dot_int4 "qc_bound.dot_blocks_int4"(const qc_dense *, const signed char *, ptrdiff_t, void *) noexcept nogil
    void _dot_int16 "qc_bound.dot_blocks_int16"(const qc_dense *, const short *, ptrdiff_t, void *) noexcept nogil
    void _scores_float32 "qc_bound.scores_blocks_float32"(const qc_dense *, const float *, ptrdiff_t, float *) noexcept nogil
    void _scores_float16 "qc_bound.scores_blocks_float16"(const qc_dense *, const float *, ptrdiff_t, float *) noexcept nogil
    void _scores_int8 "qc_bound.scores_blocks_int8"(const qc_dense *, const float *, ptrdiff_t, float *) noexcept nogil
    void _scores_int16 "qc_bound.scores_blocks_int16"(const qc_dense *, const float *, ptrdiff_t, float *) noexcept nogil
    void _scores_int4 "qc_bound.scores_blocks_int4"(const qc_dense *, const float *, ptrdiff_t, float *) noexcept nogil

include "door.pxi"

cnp.import_array()

# In products: from about 50 us of the fastest kernels on the GIL is released; between steps of some 10 ms (100 ms in plain C)
# Ctrl-C is honoured. A step has some rows at least, which share one pass over the weights.
cdef enum:
    RELEASE_FROM = 1 << 22
    STEP = 1 << 27
    LEAST_ROWS = 64

cdef enum Kind:
    FLOAT32, FLOAT16, INT8, INT16, INT4

cdef tuple NAMES = ("float32", "float16", "int8", "int16", "int4")
cdef dict KINDS = {"float32": FLOAT32, "float16": FLOAT16, "int8": INT8, "int16": INT16}
cdef dict TYPES = {cnp.NPY_FLOAT32: "float32", cnp.NPY_INT8: "int8", cnp.NPY_INT16: "int16"}


cdef object _native(object x):
    """Any array, C-contiguous, aligned and in the machine's byte order."""
    array = np.asarray(x)
    return np.require(array, array.dtype.newbyteorder("="), ["C", "A"])


@cython.final
cdef class Weights:
    """A matrix of weights, checked and laid out for the kernels once; immutable, safe to share between threads.

    Parameters
    ----------
    values : array, shape (n_features, n_outputs)
        float32 or float16, finite; int8 from -127 to 127; int16 from -32767 to 32767.
    scale : array of float32, shape (n_outputs,), optional
        Scores of an output are multiplied by it; without it, by 1.
    int4 : bool
        The values, int8 from -7 to 7, are kept two in a byte.
    """

    cdef qc_dense w
    cdef Kind kind
    cdef object _blocks, _scale, _offset

    def __cinit__(self, values, scale=None, *, bint int4=False):
        values = _native(values)
        if values.ndim != 2 or not values.size:
            raise ValueError(f"expected weights of shape (n_features, n_outputs), at least (1, 1); got {values.shape}")
        name = values.dtype.name
        if name not in KINDS or (int4 and name != "int8"):
            expected = "int8, for int4" if int4 else "float32, float16, int8 or int16"
            raise TypeError(f"weights: expected {expected}; got {name}; convert them first with astype")
        self.kind = INT4 if int4 else <Kind><int>KINDS[name]
        _check(values, self.kind)
        cdef cnp.ndarray source = values
        cdef int size = cnp.PyArray_ITEMSIZE(source)
        cdef ptrdiff_t per_block = 2 * QC_BLOCK if int4 else QC_BLOCK // size
        self.w.n_features, self.w.n_outputs = source.shape[0], source.shape[1]
        self.w.n_blocks = (self.w.n_features + per_block - 1) // per_block
        self.w.wide = self.w.n_features > QC_NARROW
        self._scale = _scales(scale, self.w.n_outputs)
        self.w.scale = <const float *>cnp.PyArray_DATA(<cnp.ndarray>self._scale)
        self._blocks = np.empty(self.w.n_blocks * self.w.n_outputs * QC_BLOCK + QC_BLOCK - 1, np.uint8)
        cdef unsigned char *blocks = <unsigned char *>cnp.PyArray_DATA(<cnp.ndarray>self._blocks)
        blocks += -<size_t>blocks % QC_BLOCK
        self.w.blocks = blocks
        with nogil:
            qc_dense_arrange(cnp.PyArray_DATA(source), self.w.n_features, self.w.n_outputs, size, int4, blocks)
        if self.kind == INT8:
            self._offset = np.empty(((self.w.n_blocks + QC_SPAN - 1) // QC_SPAN, self.w.n_outputs), np.int32)
            self.w.offset = <int *>cnp.PyArray_DATA(<cnp.ndarray>self._offset)
            qc_dense_offsets(&self.w, <int *>cnp.PyArray_DATA(<cnp.ndarray>self._offset))

    @property
    def shape(self):
        """(n_features, n_outputs)."""
        return self.w.n_features, self.w.n_outputs

    @property
    def dtype(self):
        """Name of the precision: "float32", "float16", "int8", "int16" or "int4"."""
        return NAMES[self.kind]

    @property
    def nbytes(self):
        """Bytes in memory, padding and tables counted."""
        return self._blocks.nbytes + self._scale.nbytes + (0 if self._offset is None else self._offset.nbytes)

    def dot(self, x):
        """Exact products of integers, scale left out; see reference.dense.

        Parameters
        ----------
        x : array, shape (n_rows, n_features)
            int8 where the weights are int8 or int4; int16 where they are.

        Returns
        -------
        ndarray, shape (n_rows, n_outputs)
            int32, or int64 where the weights are int16 or have more than 2**17 features.
        """
        if self.kind == FLOAT32 or self.kind == FLOAT16:
            raise TypeError(f"weights of {self.dtype} have no integer products; use scores")
        cdef cnp.ndarray rows = _rows(x, cnp.NPY_INT16 if self.kind == INT16 else cnp.NPY_INT8, self.w.n_features)
        return _run(self, rows, cnp.NPY_INT64 if self.kind == INT16 or self.w.wide else cnp.NPY_INT32, True)

    def scores(self, x):
        """Rows of float32 times the weights, times the scale, summed in one order; see reference.dense.

        Parameters
        ----------
        x : array of float32, shape (n_rows, n_features)

        Returns
        -------
        ndarray of float32, shape (n_rows, n_outputs)
        """
        return _run(self, _rows(x, cnp.NPY_FLOAT32, self.w.n_features), cnp.NPY_FLOAT32, False)


cdef object _run(Weights weights, cnp.ndarray rows, int type_number, bint integer):
    cdef ptrdiff_t n_rows = rows.shape[0], work = weights.w.n_features * weights.w.n_outputs
    cdef cnp.npy_intp shape[2]
    shape[0], shape[1] = n_rows, weights.w.n_outputs
    cdef cnp.ndarray out = cnp.PyArray_EMPTY(2, shape, type_number, 0)
    cdef const char *source = <const char *>cnp.PyArray_DATA(rows)
    cdef char *target = <char *>cnp.PyArray_DATA(out)
    cdef ptrdiff_t source_bytes = weights.w.n_features * cnp.PyArray_ITEMSIZE(rows)
    cdef ptrdiff_t target_bytes = weights.w.n_outputs * cnp.PyArray_ITEMSIZE(out)
    cdef ptrdiff_t start, count, step = max(STEP // work, LEAST_ROWS)
    cdef PyThreadState *released
    if n_rows * work < RELEASE_FROM:
        _call(weights, source, n_rows, target, integer)
        return out
    for start in range(0, n_rows, step):
        count = min(step, n_rows - start)
        released = _release(count * work >= RELEASE_FROM)
        _call(weights, source + start * source_bytes, count, target + start * target_bytes, integer)
        _acquire(released)
        PyErr_CheckSignals()
    return out


cdef void _call(Weights weights, const void *x, ptrdiff_t n_rows, void *out, bint integer) noexcept nogil:
    cdef const qc_dense *w = &weights.w
    if integer:
        if weights.kind == INT8:
            _dot_int8(w, <const signed char *>x, n_rows, out)
        elif weights.kind == INT4:
            _dot_int4(w, <const signed char *>x, n_rows, out)
        else:
            _dot_int16(w, <const short *>x, n_rows, out)
    elif weights.kind == FLOAT32:
        _scores_float32(w, <const float *>x, n_rows, <float *>out)
    elif weights.kind == FLOAT16:
        _scores_float16(w, <const float *>x, n_rows, <float *>out)
    elif weights.kind == INT8:
        _scores_int8(w, <const float *>x, n_rows, <float *>out)
    elif weights.kind == INT16:
        _scores_int16(w, <const float *>x, n_rows, <float *>out)
    else:
        _scores_int4(w, <const float *>x, n_rows, <float *>out)


cdef inline cnp.ndarray _rows(object x, int type_number, ptrdiff_t n_features):
    """Rows as the kernels read them: as they came where nothing is odd about them."""
    cdef cnp.ndarray array
    if cnp.PyArray_CheckExact(x):
        array = <cnp.ndarray>x
        if (cnp.PyArray_NDIM(array) == 2 and cnp.PyArray_TYPE(array) == type_number and array.shape[1] == n_features
                and cnp.PyArray_ISCARRAY_RO(array)):
            return array
    return _odd_rows(x, type_number, n_features)


cdef cnp.ndarray _odd_rows(object x, int type_number, ptrdiff_t n_features):
    array = _native(x)
    if array.dtype.name != TYPES[type_number]:
        raise TypeError(f"x: expected {TYPES[type_number]}, got {array.dtype}; convert it first with astype")
    if array.ndim != 2:
        raise ValueError(f"x: expected 2 dimensions (n_rows, n_features), got {array.ndim}, shape {array.shape}")
    if array.shape[1] != n_features:
        raise ValueError(f"x has {array.shape[1]} features, but these weights have {n_features}")
    return array


cdef object _scales(object scale, ptrdiff_t n_outputs):
    if scale is None:
        return np.ones(n_outputs, np.float32)
    array = _native(scale)
    if array.dtype != np.float32:
        raise TypeError(f"scale: expected float32, got {array.dtype}; convert it first with astype")
    if array.shape != (n_outputs,):
        raise ValueError(f"expected one scale per output, shape ({n_outputs},); got shape {array.shape}")
    if not np.isfinite(array).all():
        raise ValueError("every scale must be finite")
    return array.copy()


cdef object _check(object values, Kind kind):
    """Refuse the first value that the kernels do not take, by name."""
    limit = 7 if kind == INT4 else 127 if kind == INT8 else 32767
    floating = kind == FLOAT32 or kind == FLOAT16
    # One pass over good weights: NaN is neither.
    least, largest = values.min(), values.max()
    if np.isfinite(least) and np.isfinite(largest) if floating else -limit <= least and largest <= limit:
        return
    bad = ~np.isfinite(values) if floating else (values < -limit) | (values > limit)
    row, column = np.unravel_index(np.argmax(bad), values.shape)
    expected = "finite values" if floating else f"values from {-limit} to {limit}"
    raise ValueError(f"weights[{row}, {column}] is {values[row, column]}: expected {expected}")
