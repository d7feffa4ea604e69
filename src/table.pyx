"""The door to ``src/kernels/table``: rows of numbers in, labels or scores out, each with its proof."""

import numpy as np

cimport numpy as cnp
from cpython.exc cimport PyErr_CheckSignals
from cpython.mem cimport PyMem_Free, PyMem_Malloc
from cpython.ref cimport Py_INCREF, PyObject
from libc.stdint cimport int32_t, uint8_t, uint32_t, uint64_t, uintptr_t
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
        const double *fine_bound[2]
        const double *bias
        double bias_max
        double hot_slack[2]
        double fine_slack[2]
        double last[2]
        double most[2]
        double at
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
            t.fine_bound[i] = <const double *>data_of(arrays["fine_bound"][i])
        self.work = t.padded * (t.n_outputs + 4) + t.n_columns
        self.scratch_size = qc_table_scratch(t) + 64

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
        """Scores, shape (n_rows, n_outputs), and for each row a bound on the error of every score; None for input with a value that
        is not finite."""
        cdef qc_table_result result
        cdef Py_ssize_t n = len(X)
        scores, bounds = np.empty((n, self.table.n_outputs)), np.empty(n)
        memset(&result, 0, sizeof(result))
        result.job = QC_TABLE_SCORES
        result.scores, result.bounds = <double *>data_of(scores), <double *>data_of(bounds)
        return None if self.run(X, self.checked_width(X), n, &result) else (scores, bounds)

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
                        refused = _run(&self.table, rows + start * self.table.n_columns * width, width == 4, count, aligned, &here)
                    start += count
                    if here.labels is not NULL:
                        here.labels += count
                        here.planes += count
                    if here.scores is not NULL:
                        here.scores += count * self.table.n_outputs
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
