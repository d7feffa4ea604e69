"""The door to ``src/kernels/table``: rows of numbers in, labels or scores out, each with its proof."""

import numpy as np

cimport numpy as cnp
from cpython.exc cimport PyErr_CheckSignals
from cpython.mem cimport PyMem_Free, PyMem_Malloc
from cpython.ref cimport Py_INCREF, PyObject
from libc.stdint cimport int16_t, int32_t, uint8_t, uint32_t, uint64_t, uintptr_t
from libc.string cimport memcpy, memset

cnp.import_array()

cdef extern from *:
    """
    #include "kernels/table/table.h"
    #include "kernels/table.h"
    #include <numpy/arrayobject.h>
    #define QC_PLAIN(x) PyArray_ISCARRAY_RO((PyArrayObject *)(x)) /* C-contiguous, aligned, native */
    #if defined(Py_GIL_DISABLED)
    #define QC_SWAP(place, value) __atomic_exchange_n(place, value, __ATOMIC_ACQ_REL)
    #define QC_ADD(place, value) __atomic_fetch_add(place, value, __ATOMIC_RELAXED)
    #else
    static void *qc_swap(void **place, void *value) { void *old = *place; *place = value; return old; }
    #define QC_SWAP(place, value) qc_swap((void **)(place), value)
    #define QC_ADD(place, value) (*(place) += (value))
    #endif
    """
    ctypedef enum qc_steps:
        pass
    ctypedef struct qc_dense:
        const uint8_t *blocks
        const int32_t *offset
        ptrdiff_t n_features, n_outputs, n_blocks
    enum:
        QC_BLOCK
        QC_SPAN
    void qc_dense_arrange(const void *values, ptrdiff_t n_features, ptrdiff_t n_outputs, int size, int int4, uint8_t *blocks)
    void qc_dense_offsets(const qc_dense *w, int32_t *offset)
    ctypedef struct qc_table:
        ptrdiff_t n_columns, n_features, padded, n_outputs
        qc_steps steps
        int checked
        const uint32_t *column
        const double *fill[2]
        int missing_is_nan
        double missing
        const double *shift[2]
        const double *scale[2]
        const double *gain
        const float *shift32
        const float *scale32
        const float *gain32
        int clipped
        double low[2]
        double high[2]
        const float *hot
        const double *fine
        const float *hot_bound[2]
        const float *lane_bound[2]
        const double *fine_bound[2]
        const double *bias
        double bias_max
        double hot_slack[2]
        double fine_slack[2]
        double last[2]
        double most[2]
        double at
        qc_dense plane
        const float *plane_scale
        const float *plane_bias
        const float *plane_error[2]
        const float *plane_size
        float plane_last[2]
        float plane_floor[2]
    ctypedef enum qc_table_job:
        QC_TABLE_LABELS
        QC_TABLE_SCORES
    ctypedef struct qc_table_result:
        qc_table_job job
        int32_t *labels
        uint8_t *planes
        double *scores
        double *bounds
        uint64_t fine, open
    ctypedef struct qc_table_source:
        ptrdiff_t n_rows, n_features, n_outputs
        const void *values
        int width
        const int16_t *exponent
        const uint32_t *index
        double error
        double relative[2]
        double unit[2]
    ctypedef struct qc_table_weights:
        ptrdiff_t padded
        float *hot
        double *fine
        double *gain
        double *step
        double *largest
        float *hot_bound[2]
        float *lane_bound[2]
        double *fine_bound[2]
        double size
        double most[2]
    int qc_table_arrange(const qc_table_source *, qc_table_weights *) noexcept nogil
    enum:
        QC_TABLE_LANES
    size_t qc_table_scratch(const qc_table *)
    ptrdiff_t _run "qc_bound.run_rows_table"(
        const qc_table *, const void *, int single, ptrdiff_t n_rows, void *scratch, qc_table_result *) noexcept nogil
    bint QC_PLAIN(object)
    void *QC_SWAP(void *place, void *value)
    void QC_ADD(uint64_t *place, uint64_t value)

cdef extern from "numpy/arrayobject.h":
    bint PyArray_CheckExact(object)

include "door.pxi"
include "classes.pxi"
include "links.pxi"

# In products. From about 0.2 ms of work on the GIL is released; between parts of some 20 ms Ctrl-C is honoured.
cdef enum:
    RELEASE_FROM = 1 << 22
    PART = 1 << 29


cdef class TableModel:
    """One table model: its weights, ready to be run, and what it was asked.

    Parameters
    ----------
    config : dict
        The scalar fields of ``qc_table`` by name; pairs as tuples.
    arrays : dict
        Its arrays by name, None where there is none; pairs as tuples.
    classes : ndarray or None
        What label i is answered as; None: no labels are asked for.
    other : callable
        What answers ``predict`` for input that is no C-contiguous array of float64 or float32 of the right width, or that holds
        a value that is not finite: it checks, raises or converts.
    settle : callable or None
        (rows, labels, positions) → labels, for the rows that no plane settled.

    The arrays must have the C dtypes of ``table.h``, be contiguous and hold what ``quantcore.runtime.table`` promises: nothing is
    checked here.
    """

    cdef qc_table table
    cdef void *spare
    cdef size_t scratch_size
    cdef uint64_t n_rows, n_fine, n_open
    cdef object arrays, other, settle
    cdef Classes classes
    cdef ptrdiff_t work

    def __cinit__(self, dict config, dict arrays, classes, other, settle):
        cdef qc_table *t = &self.table
        cdef int i
        memset(t, 0, sizeof(qc_table))
        self.arrays, self.other, self.settle = arrays, other, settle
        self.classes = None if classes is None else Classes(classes)
        t.n_columns, t.n_features, t.padded = config["n_columns"], config["n_features"], config["padded"]
        t.n_outputs = config["n_outputs"]
        t.steps, t.checked, t.clipped = <qc_steps><int>config["steps"], config["checked"], config["clipped"]
        t.missing_is_nan, t.missing = config["missing_is_nan"], config["missing"]
        t.bias_max, t.at = config["bias_max"], config["at"]
        t.column = <const uint32_t *>data_of(arrays["column"])
        t.gain, t.bias = <const double *>data_of(arrays["gain"]), <const double *>data_of(arrays["bias"])
        t.hot, t.fine = <const float *>data_of(arrays["hot"]), <const double *>data_of(arrays["fine"])
        t.shift32, t.scale32 = <const float *>data_of(arrays["shift32"]), <const float *>data_of(arrays["scale32"])
        t.gain32 = <const float *>data_of(arrays["gain32"])
        for i in range(2):
            t.low[i], t.high[i] = config["low"][i], config["high"][i]
            t.hot_slack[i], t.fine_slack[i] = config["hot_slack"][i], config["fine_slack"][i]
            t.last[i], t.most[i] = config["last"][i], config["most"][i]
            t.fill[i], t.shift[i] = <const double *>data_of(arrays["fill"][i]), <const double *>data_of(arrays["shift"][i])
            t.scale[i] = <const double *>data_of(arrays["scale"][i])
            t.hot_bound[i] = <const float *>data_of(arrays["hot_bound"][i])
            t.lane_bound[i] = <const float *>data_of(arrays["lane_bound"][i])
            t.fine_bound[i] = <const double *>data_of(arrays["fine_bound"][i])
        if arrays["plane"] is not None:
            self.set_plane(config, arrays)
        self.work = t.padded * (t.n_outputs + 4) + t.n_columns
        self.scratch_size = qc_table_scratch(t) + 64

    cdef int set_plane(self, dict config, dict arrays) except -1:
        """The int8 plane: its weights come features x outputs, features padded to QC_BLOCK, and are laid out here."""
        cdef qc_table *t = &self.table
        cdef int i
        values = arrays["plane"]
        t.plane.n_features, t.plane.n_outputs = values.shape
        t.plane.n_blocks = t.plane.n_features // QC_BLOCK
        laid_out = np.empty(values.size + QC_BLOCK, np.uint8)
        offset = np.empty(((t.plane.n_blocks + QC_SPAN - 1) // QC_SPAN, t.plane.n_outputs), np.int32)
        cdef uint8_t *blocks = <uint8_t *>((<uintptr_t>data_of(laid_out) + QC_BLOCK - 1) & ~<uintptr_t>(QC_BLOCK - 1))
        qc_dense_arrange(data_of(values), t.plane.n_features, t.plane.n_outputs, 1, 0, blocks)
        t.plane.blocks, t.plane.offset = blocks, <const int32_t *>data_of(offset)
        qc_dense_offsets(&t.plane, <int32_t *>data_of(offset))
        self.arrays = {**arrays, "plane": (laid_out, offset)}
        t.plane_scale, t.plane_bias = <const float *>data_of(arrays["plane_scale"]), <const float *>data_of(arrays["plane_bias"])
        t.plane_size = <const float *>data_of(arrays["plane_size"])
        for i in range(2):
            t.plane_error[i] = <const float *>data_of(arrays["plane_error"][i])
            t.plane_last[i], t.plane_floor[i] = config["plane_last"][i], config["plane_floor"][i]
        return 0

    def __dealloc__(self):
        PyMem_Free(self.spare)

    def stats(self):
        """Rows, rows that took the fine plane, rows left open: since the model was built."""
        return self.n_rows, self.n_fine, self.n_open

    def accepts(self, X):
        """Whether the kernel reads this as it is: a C-contiguous, native array of float64 or float32, of the right width."""
        return self.width_of(X) != 0

    cdef int width_of(self, X):
        """Bytes of a value, or 0 for what ``accepts`` refuses."""
        cdef int kind
        if not PyArray_CheckExact(X) or cnp.PyArray_NDIM(X) != 2 or not QC_PLAIN(X):
            return 0
        kind = cnp.PyArray_TYPE(X)
        if cnp.PyArray_DIM(X, 1) != self.table.n_columns or cnp.PyArray_DIM(X, 0) < 1:
            return 0
        return 8 if kind == cnp.NPY_DOUBLE else 4 if kind == cnp.NPY_FLOAT else 0

    def predict(self, X):
        """The classes of rows, shape (n_rows,)."""
        cdef int width = self.width_of(X)
        cdef Py_ssize_t n
        cdef int32_t small_labels[16]
        cdef uint8_t small_planes[16]
        cdef int32_t *labels = small_labels
        cdef qc_table_result result
        if not width or self.classes is None:
            return self.other(X)
        n = cnp.PyArray_DIM(X, 0)
        memset(&result, 0, sizeof(result))
        result.planes = small_planes
        if n > 16:
            labels = <int32_t *>PyMem_Malloc(n * 5)
            if labels is NULL:
                raise MemoryError
            result.planes = <uint8_t *>(labels + n)
        result.labels = labels
        try:
            if self.run(X, width, n, &result):
                return self.other(X)
            if result.open and self.settle is not None:
                self.classes.settle(self.settle, X, labels, result.planes, n)
            return self.classes.answer(labels, n)
        finally:
            if n > 16:
                PyMem_Free(labels)

    def labels(self, X):
        """Positions of the classes (int32) and which plane settled each row (uint8: 0 hot, 1 fine, 2 open); None for input with a
        value that is not finite."""
        cdef qc_table_result result
        cdef Py_ssize_t n = len(X)
        labels, planes = np.empty(n, np.int32), np.empty(n, np.uint8)
        memset(&result, 0, sizeof(result))
        result.labels, result.planes = <int32_t *>data_of(labels), <uint8_t *>data_of(planes)
        return None if self.run(X, self.checked_width(X), n, &result) else (labels, planes)

    def scores(self, X):
        """Scores, shape (n_rows, n_outputs), and for each row a bound on the error of every score; None for input with a value
        that is not finite."""
        cdef qc_table_result result
        cdef Py_ssize_t n = len(X)
        scores, bounds = np.empty((n, self.table.n_outputs)), np.empty(n)
        memset(&result, 0, sizeof(result))
        result.job = QC_TABLE_SCORES
        result.scores, result.bounds = <double *>data_of(scores), <double *>data_of(bounds)
        return None if self.run(X, self.checked_width(X), n, &result) else (scores, bounds)

    def linked(self, X, Link link):
        """What a link makes of the scores of rows; None for input that ``accepts`` refuses, or that is not finite."""
        cdef qc_table_result result
        cdef int width = self.width_of(X)
        cdef double small[32]
        cdef double *scores
        cdef double *more = NULL
        cdef double *answers
        cdef cnp.npy_intp shape[2]
        if not width or link.link.n_scores != self.table.n_outputs:
            return None
        shape[0], shape[1] = cnp.PyArray_DIM(X, 0), link.link.n_outputs
        out = cnp.PyArray_EMPTY(1 if link.flat else 2, shape, cnp.NPY_DOUBLE, 0)
        answers = scores = <double *>cnp.PyArray_DATA(out)
        memset(&result, 0, sizeof(result))
        result.job = QC_TABLE_SCORES
        if link.link.paired:  # a row's scores are fewer than its answers
            scores = small
            if shape[0] > 32:
                scores = more = <double *>PyMem_Malloc(shape[0] * sizeof(double))
                if more is NULL:
                    raise MemoryError
        result.scores = scores
        try:
            if self.run(X, width, shape[0], &result):
                return None
            link.rows(scores, answers, shape[0])
        finally:
            PyMem_Free(more)
        return out

    cdef int checked_width(self, X) except -1:
        cdef int width = self.width_of(X)
        if not width:
            raise TypeError(f"expected a C-contiguous array of float64 or float32, {self.table.n_columns} columns wide")
        return width

    cdef int run(self, X, int width, Py_ssize_t n, qc_table_result *result) except -1:
        """1 if a value is not finite, else 0."""
        cdef const char *rows = cnp.PyArray_BYTES(X)
        cdef char *scratch = <char *>QC_SWAP(&self.spare, NULL)
        cdef void *aligned
        cdef ptrdiff_t refused = -1
        cdef Py_ssize_t start, count
        cdef Py_ssize_t part = n if n * self.work <= PART else max(1, PART // self.work)
        cdef qc_table_result here
        if scratch is NULL:
            scratch = <char *>PyMem_Malloc(self.scratch_size)
            if scratch is NULL:
                raise MemoryError
        aligned = <void *>((<uintptr_t>scratch + 63) & ~<uintptr_t>63)
        try:
            if n * self.work < RELEASE_FROM:
                refused = _run(&self.table, rows, width == 4, n, aligned, result)
            else:
                here = result[0]
                start = 0
                while start < n and refused < 0:
                    if start:
                        PyErr_CheckSignals()
                    count = min(part, n - start)
                    with nogil:
                        refused = _run(&self.table, rows + start * self.table.n_columns * width, width == 4, count, aligned,
                                       &here)
                    start += count
                    if here.labels is not NULL:
                        here.labels += count
                        here.planes += count
                    if here.scores is not NULL:
                        here.scores += count * self.table.n_outputs
                    if here.bounds is not NULL:
                        here.bounds += count
                result.fine, result.open = here.fine, here.open
        finally:
            PyMem_Free(QC_SWAP(&self.spare, scratch))
        if refused >= 0:
            return 1
        if result.job == QC_TABLE_LABELS:
            QC_ADD(&self.n_rows, n)
            if result.fine:
                QC_ADD(&self.n_fine, result.fine)
                QC_ADD(&self.n_open, result.open)
        return 0


cdef void *data_of(array):
    return NULL if array is None else cnp.PyArray_DATA(array)


cdef object new_doubles(ptrdiff_t n):
    cdef cnp.npy_intp shape = n
    return cnp.PyArray_EMPTY(1, &shape, cnp.NPY_DOUBLE, 0)


cdef object new_floats(ptrdiff_t n):
    cdef cnp.npy_intp shape = n
    return cnp.PyArray_EMPTY(1, &shape, cnp.NPY_FLOAT, 0)


def weights(values, exponent, index, double error, tuple relative, tuple unit):
    """Weights in the kernel's layout, and the coefficients of its bounds.

    Parameters
    ----------
    values : ndarray of float64, int16 or int32, shape (n_rows, n_outputs)
    exponent : ndarray of int16, shape (n_rows,), or None
        Integers are to be multiplied by these powers of two, and off by at most ``error`` after that; None: they are floats.
    index : ndarray of uint32, shape (n_features,), or None
        The row of each feature.
    error : float
    relative, unit : tuple of float
        For rows of float64 and of float32: how far scaled values may be from the source's, and the roundoff of its sums.

    Returns
    -------
    dict
        Fields of ``qc_table_weights`` by name, and ``exact``.
    """
    cdef qc_table_source s
    cdef qc_table_weights w
    cdef int kind, exact, i
    cdef Py_ssize_t n
    values = np.ascontiguousarray(values)
    kind = cnp.PyArray_TYPE(values)
    if cnp.PyArray_NDIM(values) != 2 or kind not in (cnp.NPY_DOUBLE, cnp.NPY_INT16, cnp.NPY_INT32):
        raise ValueError(f"expected a matrix of float64, int16 or int32, got {values.dtype} of shape {values.shape}")
    s.n_rows, s.n_outputs, s.width = cnp.PyArray_DIM(values, 0), cnp.PyArray_DIM(values, 1), values.itemsize
    exponent = None if exponent is None else np.ascontiguousarray(exponent, np.int16)
    index = None if index is None else np.ascontiguousarray(index, np.uint32)
    if (exponent is None) != (kind == cnp.NPY_DOUBLE) or (exponent is not None and exponent.shape != (s.n_rows,)):
        raise ValueError("integers have an exponent a row, floats have none")
    s.n_features = s.n_rows if index is None else len(index)
    s.values, s.error = cnp.PyArray_DATA(values), error
    s.exponent, s.index = <const int16_t *>data_of(exponent), <const uint32_t *>data_of(index)
    w.padded = (s.n_features + QC_TABLE_LANES - 1) // QC_TABLE_LANES * QC_TABLE_LANES
    found = {"fine": new_doubles(s.n_outputs * w.padded), "hot": new_floats(s.n_outputs * w.padded)}
    found["gain"], found["step"], found["largest"] = new_doubles(w.padded), new_doubles(s.n_features), new_doubles(s.n_features)
    found["hot_bound"] = new_floats(w.padded), new_floats(w.padded)
    found["lane_bound"] = new_floats(QC_TABLE_LANES), new_floats(QC_TABLE_LANES)
    found["fine_bound"] = new_doubles(w.padded), new_doubles(w.padded)
    w.fine, w.hot, w.gain = <double *>data_of(found["fine"]), <float *>data_of(found["hot"]), <double *>data_of(found["gain"])
    w.step, w.largest = <double *>data_of(found["step"]), <double *>data_of(found["largest"])
    for i in range(2):
        s.relative[i], s.unit[i] = relative[i], unit[i]
        w.hot_bound[i], w.lane_bound[i] = <float *>data_of(found["hot_bound"][i]), <float *>data_of(found["lane_bound"][i])
        w.fine_bound[i] = <double *>data_of(found["fine_bound"][i])
    n = s.n_outputs * w.padded
    if n < RELEASE_FROM >> 8:
        exact = qc_table_arrange(&s, &w)
    else:
        with nogil:
            exact = qc_table_arrange(&s, &w)
    if exact < 0:
        raise ValueError("the index names a row that is not there")
    found["size"], found["most"], found["exact"] = w.size, (w.most[0], w.most[1]), exact == 1
    return found
