"""The door to ``src/kernels/sparse``: weights are checked once, when they are wrapped; input at every call."""

cimport cython

import numpy as np

cdef extern from *:
    """
    #include "kernels/sparse/sparse.h"
    #include "kernels/table.h"
    """
    ctypedef struct qc_csr:
        const void *indptr
        const void *indices
        const float *data
        ptrdiff_t n_rows
        int wide
    ctypedef struct qc_int8_rows:
        const signed char *rows
        const float *scale
        const unsigned int *index
        ptrdiff_t n_outputs
        ptrdiff_t stride
    enum:
        QC_LANES
        QC_CSR_OK
        QC_CSR_INDPTR
    int qc_csr_check(const qc_csr *x, ptrdiff_t n_stored, ptrdiff_t n_columns) noexcept nogil
    void _scores_int8 "qc_bound.scores_csr_int8"(const qc_csr *, const qc_int8_rows *, float *) noexcept nogil
    void _scores_float32 "qc_bound.scores_csr_float32"(const qc_csr *, const float *, float *) noexcept nogil

include "door.pxi"

# In products: from about 50 us on the GIL is released; between steps of some 10 ms Ctrl-C is honoured.
cdef enum:
    RELEASE_FROM = 1 << 20
    STEP = 1 << 26


cdef object FLOAT32 = np.dtype(np.float32)
cdef object INT32 = np.dtype(np.int32)
cdef object INT64 = np.dtype(np.int64)
cdef object asarray = np.asarray


cdef object _array(object x, str name, tuple dtypes, int ndim):
    array = asarray(x)
    native = array.dtype
    if native not in dtypes:
        native = native.newbyteorder("=")
    if native not in dtypes:
        raise TypeError(f"{name}: expected {' or '.join(map(str, dtypes))}, got {array.dtype}; convert it first with astype")
    if array.ndim != ndim:
        raise ValueError(f"{name}: expected {ndim} dimension(s), got {array.ndim}, shape {array.shape}")
    flags = array.flags
    return array if flags.c_contiguous and flags.aligned and array.dtype == native else array.astype(native, order="C")


@cython.final
cdef class _Csr:
    """A checked CSR matrix: the struct, and the buffers that it points into."""

    cdef qc_csr x
    cdef ptrdiff_t n_stored
    cdef const float[::1] data
    cdef const int[::1] indptr32, indices32
    cdef const long long[::1] indptr64, indices64

    def __cinit__(self, indptr, indices, data, ptrdiff_t n_columns):
        indptr = _array(indptr, "indptr", (INT32, INT64), 1)
        indices = _array(indices, "indices", (INT32, INT64), 1)
        self.data = _array(data, "data", (FLOAT32,), 1)
        self.n_stored = self.data.shape[0]
        if len(indices) != self.n_stored or len(indptr) == 0:
            raise ValueError(
                f"not a CSR matrix: {len(indptr)} row boundaries, {len(indices)} indices, {self.n_stored} values; expected "
                "n_rows + 1 boundaries and as many indices as values"
            )
        self.x.wide = indptr.itemsize == 8 or indices.itemsize == 8
        if self.x.wide:
            self.indptr64, self.indices64 = indptr.astype(INT64, copy=False), indices.astype(INT64, copy=False)
            self.x.indptr, self.x.indices = &self.indptr64[0], &self.indices64[0]
        else:
            self.indptr32, self.indices32 = indptr, indices
            self.x.indptr, self.x.indices = &self.indptr32[0], &self.indices32[0]
        self.x.data = &self.data[0]
        self.x.n_rows = len(indptr) - 1
        cdef int fault = qc_csr_check(&self.x, self.n_stored, n_columns)
        if fault == QC_CSR_INDPTR:
            raise ValueError(f"not a CSR matrix: indptr must rise from 0 to the number of values, {self.n_stored}")
        if fault != QC_CSR_OK:
            raise ValueError(f"column index out of range: these weights have {n_columns} features")


@cython.final
cdef class Int8Rows:
    """Weights as int8, one row of outputs per feature, ``W[j] = rows[r] * scale[r]`` with ``r = index[j]``.

    Parameters
    ----------
    rows : array of int8, shape (n_stored, n_outputs)
    scale : array of float32, shape (n_stored,)
    index : array of uint32 or int32, shape (n_features,), optional
        Stored row of each feature; without it feature j has row j.
    """

    cdef qc_int8_rows w
    cdef ptrdiff_t n_features
    cdef const signed char[:, ::1] rows
    cdef const float[::1] scale
    cdef const unsigned int[::1] index

    def __cinit__(self, rows, scale, index=None):
        rows = _array(rows, "rows", (np.dtype(np.int8),), 2)
        self.scale = _array(scale, "scale", (FLOAT32,), 1)
        n_stored, n_outputs = rows.shape
        if self.scale.shape[0] != n_stored:
            raise ValueError(f"expected one scale per row: {n_stored} rows, {self.scale.shape[0]} scales")
        if n_outputs % QC_LANES:
            rows = np.pad(rows, [(0, 0), (0, -n_outputs % QC_LANES)])
        self.rows = rows
        self.w.rows, self.w.scale = &self.rows[0, 0], &self.scale[0]
        self.w.n_outputs, self.w.stride = n_outputs, rows.shape[1]
        self.n_features = n_stored
        if index is not None:
            # Copied, since what is checked here is trusted later.
            index = _array(index, "index", (np.dtype(np.uint32), INT32), 1).astype("int64")
            if len(index) and not 0 <= index.min() <= index.max() < n_stored:
                raise ValueError(f"index must hold row numbers from 0 to {n_stored - 1}, found {index.min()} to {index.max()}")
            self.index = index.astype("uint32")
            self.w.index = &self.index[0]
            self.n_features = len(index)

    @property
    def shape(self):
        """(n_features, n_outputs)."""
        return self.n_features, self.w.n_outputs

    def scores(self, indptr, indices, data):
        """CSR (int32 or int64 boundaries and indices, float32 values) → float32 scores, (n_rows, n_outputs)."""
        cdef _Csr csr = _Csr(indptr, indices, data, self.n_features)
        out = np.empty((csr.x.n_rows, self.w.n_outputs), np.float32)
        cdef float[:, ::1] target = out
        cdef ptrdiff_t work = csr.n_stored * self.w.stride, n_rows = csr.x.n_rows, start
        cdef ptrdiff_t step = max(1, n_rows // (1 + work // STEP))
        cdef PyThreadState *released
        cdef qc_csr part = csr.x
        for start in range(0, n_rows, step):
            _slice(&csr.x, &part, start, min(step, n_rows - start))
            released = _release(work >= RELEASE_FROM)
            _scores_int8(&part, &self.w, &target[start, 0])
            _acquire(released)
            PyErr_CheckSignals()
        return out


@cython.final
cdef class Float32Column:
    """Weights of one output, shape (n_features,), float32."""

    cdef const float[::1] weights

    def __cinit__(self, weights):
        self.weights = _array(weights, "weights", (FLOAT32,), 1)

    @property
    def shape(self):
        """(n_features, n_outputs)."""
        return self.weights.shape[0], 1

    def scores(self, indptr, indices, data):
        """CSR (int32 or int64 boundaries and indices, float32 values) → float32 scores, (n_rows, n_outputs)."""
        cdef _Csr csr = _Csr(indptr, indices, data, self.weights.shape[0])
        out = np.empty(csr.x.n_rows, np.float32)
        cdef float[::1] target = out
        cdef ptrdiff_t work = csr.n_stored * QC_LANES, n_rows = csr.x.n_rows, start
        cdef ptrdiff_t step = max(1, n_rows // (1 + work // STEP))
        cdef PyThreadState *released
        cdef qc_csr part = csr.x
        for start in range(0, n_rows, step):
            _slice(&csr.x, &part, start, min(step, n_rows - start))
            released = _release(work >= RELEASE_FROM)
            _scores_float32(&part, &self.weights[0], &target[start])
            _acquire(released)
            PyErr_CheckSignals()
        return out.reshape(-1, 1)


cdef void _slice(const qc_csr *x, qc_csr *part, ptrdiff_t start, ptrdiff_t count) noexcept nogil:
    """Rows start .. start + count: row boundaries count from the first value of the whole matrix."""
    part.n_rows = count
    part.indptr = <const char *>x.indptr + start * (8 if x.wide else 4)
