# CSR rows in, labels out, each with its proof; included by sparse.pyx.

cimport numpy as cnp
from cpython.mem cimport PyMem_Free, PyMem_Malloc
from cpython.ref cimport Py_INCREF, PyObject
from libc.stdint cimport int32_t, uint8_t, uint64_t
from libc.string cimport memcpy

cnp.import_array()

cdef extern from *:
    """
    #include <numpy/arrayobject.h>
    #define QC_PLAIN(x) PyArray_ISCARRAY_RO((PyArrayObject *)(x)) /* C-contiguous, aligned, native */
    #if defined(Py_GIL_DISABLED)
    #define QC_SHARED 1 /* arrays may be changed while they are read */
    #define QC_SWAP(place, value) __atomic_exchange_n(place, value, __ATOMIC_ACQ_REL)
    #define QC_ADD(place, value) __atomic_fetch_add(place, value, __ATOMIC_RELAXED)
    #else
    #define QC_SHARED 0
    static void *qc_swap(void **place, void *value) { void *old = *place; *place = value; return old; }
    #define QC_SWAP(place, value) qc_swap((void **)(place), value)
    #define QC_ADD(place, value) (*(place) += (value))
    #endif
    """
    ctypedef enum qc_exact_kind:
        pass
    ctypedef struct qc_feature:
        pass
    ctypedef struct qc_csr_labels:
        ptrdiff_t n_outputs
        const float *spread
        const qc_feature *features
        int prefetch
        const float *column
        const float *bias32
        double bias_max
        double at
        int32_t empty_label
        double share
        double fixed[2]
        double last
        double slack[2]
        double most
        qc_exact_rows exact
        qc_exact_kind kind
        const double *gain
        const double *step
        const double *size
        double unit
        double tiny
        double largest
    ctypedef struct qc_csr_result:
        int32_t *labels
        uint8_t *planes
        ptrdiff_t fine, open
    ptrdiff_t _labels_int8 "qc_bound.labels_rows_int8"(
        const qc_csr *, const qc_csr_labels *, const qc_rows *, float *scratch, qc_csr_result *) noexcept nogil
    ptrdiff_t _labels_rows "qc_bound.labels_rows_float32"(
        const qc_csr *, const qc_csr_labels *, const float *scores, qc_csr_result *) noexcept nogil
    ptrdiff_t _labels_column "qc_bound.labels_column_float32"(
        const qc_csr *, const qc_csr_labels *, qc_csr_result *) noexcept nogil
    bint QC_SHARED, QC_PLAIN "QC_PLAIN"(object)
    void *QC_SWAP(void *place, void *value)
    void QC_ADD(uint64_t *place, uint64_t value)

cdef extern from "numpy/arrayobject.h":
    bint PyArray_CheckExact(object)

include "classes.pxi"

# Rows whose hot scores are kept at a time: as many as fit into the first cache beside the weights, so many floats.
cdef enum:
    SCORES = 1 << 13


cdef int dtype_of(array, ptrdiff_t *length):
    """The type number of a contiguous, native, 1-d array, and its length; -1 for anything else."""
    if not PyArray_CheckExact(array) or cnp.PyArray_NDIM(array) != 1 or not QC_PLAIN(array):
        return -1
    length[0] = cnp.PyArray_DIM(array, 0)
    return cnp.PyArray_TYPE(array)


cdef int width_of(int kind):
    """Bytes of a native signed integer of 32 or 64 bits; 0 for all else (C has two names for one of them)."""
    if kind == cnp.NPY_INT or kind == cnp.NPY_LONG or kind == cnp.NPY_LONGLONG:
        return sizeof(int) if kind == cnp.NPY_INT else sizeof(long) if kind == cnp.NPY_LONG else sizeof(long long)
    return 0


@cython.final
cdef class _Given:
    """The arrays of a CSR matrix, held, and the struct that points into them."""

    cdef qc_csr x
    cdef ptrdiff_t n_stored
    cdef object indptr, indices, data

    cdef bint take(self, X, type plain, ptrdiff_t n_columns, ptrdiff_t row_bytes, ptrdiff_t n_outputs) except -1:
        """Whether X is a CSR matrix that kernels may read. What is no such matrix raises nothing: others say why.

        Other threads may change its arrays while none holds the GIL: what names places is copied before it is checked."""
        cdef ptrdiff_t n_bounds, n_indices, n_values
        cdef int bounds, indices, values
        if type(X) is not plain and getattr(X, "format", None) != "csr":
            return False
        shape = X.shape
        if type(shape) is not tuple or len(shape) != 2 or shape[1] != n_columns:
            return False
        self.indptr, self.indices, self.data = X.indptr, X.indices, X.data
        bounds, indices = width_of(dtype_of(self.indptr, &n_bounds)), width_of(dtype_of(self.indices, &n_indices))
        values = dtype_of(self.data, &n_values)
        if not bounds or not indices or (values != cnp.NPY_DOUBLE and values != cnp.NPY_FLOAT):
            return False
        if n_bounds < 2 or shape[0] != n_bounds - 1:
            return False
        if QC_SHARED or n_values * row_bytes + n_bounds * n_outputs >= RELEASE_FROM:
            self.indptr = cnp.PyArray_NewCopy(self.indptr, cnp.NPY_CORDER)
            self.indices = cnp.PyArray_NewCopy(self.indices, cnp.NPY_CORDER)
        self.x.indptr, self.x.indices, self.x.data = data_of(self.indptr), data_of(self.indices), data_of(self.data)
        self.x.wide_indptr, self.x.wide_indices, self.x.doubles = bounds == 8, indices == 8, values == cnp.NPY_DOUBLE
        self.x.n_rows = n_bounds - 1
        # As in SciPy, more may be stored than is in use.
        if bounds == 8:
            self.n_stored = (<int64_t *>self.x.indptr)[n_bounds - 1]
        else:
            self.n_stored = (<int32_t *>self.x.indptr)[n_bounds - 1]
        if self.n_stored < 0 or self.n_stored > min(n_indices, n_values):
            return False
        return qc_csr_check(&self.x, self.n_stored, n_columns) == QC_CSR_OK


@cython.final
cdef class LabelModel:
    """CSR rows → labels.

    Parameters
    ----------
    config : dict
        The scalar fields of ``qc_csr_labels`` by name; pairs as tuples.
    arrays : dict
        Its arrays by name, None where there is none.
    hot : Rows, Lists or Masks, or None
        The hot plane of several outputs.
    exact : ExactRows
        The fine plane.
    classes : ndarray
        What label i is answered as.
    plain : type
        What has the arrays and the shape of a CSR matrix without SciPy.
    other : callable
        What answers ``predict`` for input that is no CSR matrix of int32 or int64 and float32 or float64, of the right width and
        sound, or that holds a value that is not finite: it checks, raises or converts.
    settle : callable or None
        (rows, labels, positions) → labels, for the rows that no plane settled; rows are all that were given.

    The arrays must have the C dtypes of ``labels.h``, be contiguous and hold what ``quantcore.runtime.csr`` promises.
    """

    cdef qc_csr_labels m
    cdef _Weights hot
    cdef ExactRows exact
    cdef object arrays, other, settle
    cdef type plain
    cdef Classes classes
    cdef void *spare
    cdef ptrdiff_t n_columns, block, row_bytes
    cdef uint64_t n_rows, n_fine, n_open

    def __cinit__(
        self, dict config, dict arrays, _Weights hot, ExactRows exact not None, classes, type plain not None, other, settle
    ):
        cdef qc_csr_labels *m = &self.m
        cdef int i
        self.arrays, self.hot, self.exact = arrays, hot, exact
        self.classes, self.plain, self.other, self.settle = Classes(classes), plain, other, settle
        self.n_columns = exact.n_features
        m.n_outputs, m.exact, m.kind = exact.w.n_outputs, exact.w, <qc_exact_kind>exact.kind
        m.bias_max, m.at, m.empty_label = config["bias_max"], config["at"], config["empty_label"]
        m.share, m.last, m.most = config["share"], config["last"], config["most"]
        m.unit, m.tiny, m.largest = config["unit"], config["tiny"], config["largest"]
        for i in range(2):
            m.fixed[i], m.slack[i] = config["fixed"][i], config["slack"][i]
        m.spread, m.column = <const float *>data_of(arrays["spread"]), <const float *>data_of(arrays["column"])
        m.bias32, m.gain = <const float *>data_of(arrays["bias32"]), <const double *>data_of(arrays["gain"])
        m.step, m.size = <const double *>data_of(arrays["step"]), <const double *>data_of(arrays["size"])
        m.features, m.prefetch = <const qc_feature *>data_of(arrays["features"]), config["prefetch"]
        if hot is not None and (hot.w.n_outputs != m.n_outputs or hot.n_features != self.n_columns):
            raise ValueError(f"planes of different shapes: {hot.shape} and {exact.shape}")
        self.block = max(1, min(256, SCORES // m.n_outputs))
        self.row_bytes = 16 if hot is None else hot.row_bytes + m.n_outputs // 8

    def __dealloc__(self):
        PyMem_Free(self.spare)

    def stats(self):
        """Rows, rows that took the fine plane, rows left open: since the model was built."""
        return self.n_rows, self.n_fine, self.n_open

    def predict(self, X):
        """The classes of rows, shape (n_rows,)."""
        cdef _Given given = _Given.__new__(_Given)
        cdef int32_t small_labels[16]
        cdef uint8_t small_planes[16]
        cdef qc_csr_result result
        cdef ptrdiff_t n
        cdef void *more = NULL
        if not given.take(X, self.plain, self.n_columns, self.row_bytes, self.m.n_outputs):
            return self.other(X)
        n = given.x.n_rows
        result.labels, result.planes = small_labels, small_planes
        if n > 16:
            more = PyMem_Malloc(n * 5)
            if more is NULL:
                raise MemoryError
            result.labels, result.planes = <int32_t *>more, <uint8_t *>more + 4 * n
        try:
            if self.run(given, &result):
                return self.other(X)
            if result.open and self.settle is not None:
                self.settled(X, &result, n)
            return self.classes.answer(result.labels, n)
        finally:
            PyMem_Free(more)

    def labels(self, X):
        """Positions of the classes (int32) and which plane settled each row (uint8: 0 hot, 1 fine, 2 open); None for input that
        ``other`` would answer."""
        cdef _Given given = _Given.__new__(_Given)
        cdef qc_csr_result result
        if not given.take(X, self.plain, self.n_columns, self.row_bytes, self.m.n_outputs):
            return None
        labels, planes = np.empty(given.x.n_rows, np.int32), np.empty(given.x.n_rows, np.uint8)
        result.labels, result.planes = <int32_t *>data_of(labels), <uint8_t *>data_of(planes)
        return None if self.run(given, &result) else (labels, planes)

    cdef int settled(self, X, qc_csr_result *result, ptrdiff_t n) except -1:
        cdef ptrdiff_t i
        positions = [i for i in range(n) if result.planes[i] == 2]
        answers = self.settle(X, [result.labels[i] for i in positions], list(positions))
        for row, label in zip(positions, answers, strict=True):
            if not 0 <= label < len(self.classes.array):
                n = len(self.classes.array)
                raise ValueError(f"settle answered {label!r} for row {row}, not a position in the {n} classes")
            result.labels[row] = label
        return 0

    cdef int run(self, _Given given, qc_csr_result *result) except -1:
        """1 if a value is not finite, else 0."""
        cdef ptrdiff_t work = given.n_stored * self.row_bytes + given.x.n_rows * self.m.n_outputs, n_rows = given.x.n_rows
        cdef ptrdiff_t step = max(self.block, n_rows // (1 + work // STEP)), start
        cdef qc_csr_result here = result[0]
        cdef PyThreadState *released
        cdef float *scores = <float *>QC_SWAP(&self.spare, NULL)
        cdef bint refused = False
        here.fine = here.open = 0
        if scores is NULL:
            scores = <float *>PyMem_Malloc((self.block * self.m.n_outputs + QC_LANES) * sizeof(float))
            if scores is NULL:
                raise MemoryError
        try:
            start = 0
            while start < n_rows:
                if start:
                    PyErr_CheckSignals()
                released = _release(work >= RELEASE_FROM)
                refused = self.part(&given.x, start, min(step, n_rows - start), scores, &here)
                _acquire(released)
                if refused:
                    return 1
                start += step
        finally:
            PyMem_Free(QC_SWAP(&self.spare, scores))
        result.fine, result.open = here.fine, here.open
        QC_ADD(&self.n_rows, n_rows)
        if here.fine:
            QC_ADD(&self.n_fine, here.fine)
            QC_ADD(&self.n_open, here.open)
        return 0

    cdef bint part(self, const qc_csr *x, ptrdiff_t start, ptrdiff_t count, float *scores, qc_csr_result *here) noexcept nogil:
        """Whether one of some rows holds a value that is not finite."""
        cdef qc_csr rows = x[0]
        cdef ptrdiff_t first, n
        cdef scores_fn kernel = self.hot.kernel() if self.m.n_outputs > 1 else NULL
        if self.m.n_outputs == 1 or self.m.features:
            _slice(x, &rows, start, count)
            if self.m.n_outputs == 1:
                first = _labels_column(&rows, &self.m, here)
            else:
                first = _labels_int8(&rows, &self.m, &self.hot.w, scores, here)
            here.labels += count
            here.planes += count
            return first >= 0
        first = start
        while first < start + count:
            n = min(self.block, start + count - first)
            _slice(x, &rows, first, n)
            kernel(&rows, &self.hot.w, scores)
            if _labels_rows(&rows, &self.m, scores, here) >= 0:
                return True
            here.labels += n
            here.planes += n
            first += n
        return False
