# What frame.pyx takes from C; included by it.

cdef extern from *:
    """
    #include "kernels/frame/cells.h"
    #if defined(Py_GIL_DISABLED)
    #define QC_SWAP(place, value) __atomic_exchange_n(place, value, __ATOMIC_ACQ_REL)
    #define QC_SHARED 1 /* objects in lists and arrays may be replaced while they are looked at */
    #else
    static void *qc_swap(void **place, void *value) { void *old = *place; *place = value; return old; }
    #define QC_SWAP(place, value) qc_swap((void **)(place), value)
    #define QC_SHARED 0
    #endif
    """
    ctypedef enum qc_frame_kind:
        QC_OF_BOOL
        QC_OF_INT8
        QC_OF_UINT8
        QC_OF_INT16
        QC_OF_UINT16
        QC_OF_INT32
        QC_OF_UINT32
        QC_OF_INT64
        QC_OF_UINT64
        QC_OF_FLOAT64
        QC_OF_BITS
        QC_OF_OBJECT
        QC_OF_UTF8
        QC_OF_UTF8_64
        QC_OF_VIEWS
    ctypedef struct qc_frame_column:
        qc_frame_kind kind
        const char *data
        ptrdiff_t stride
        ptrdiff_t offset
        const uint8_t *valid
        int holds_none
    ctypedef enum qc_frame_action:
        pass
    ctypedef struct qc_frame_step:
        qc_frame_action action
        double a
        double b
    ctypedef struct qc_frame_strings:
        const uint32_t *slots
        uint32_t mask
        const uint32_t *ends
        const char *text
        const int32_t *codes
    ctypedef struct qc_cell_codes:
        PyObject *known
        const double *numbers
        const int32_t *number_codes
        ptrdiff_t n_numbers
        int32_t of_nan
        int32_t of_none
    enum:
        QC_FRAME_ROWS
        QC_SHARED
    void qc_frame_numbers(const qc_frame_column *, ptrdiff_t, ptrdiff_t, double *) noexcept nogil
    void qc_frame_nulls(const qc_frame_column *, ptrdiff_t, ptrdiff_t, double, double *) noexcept nogil
    bint qc_frame_steps(const qc_frame_step *, ptrdiff_t, double *, ptrdiff_t) noexcept nogil
    void qc_frame_store(const double *, ptrdiff_t, double *, ptrdiff_t) noexcept nogil
    void qc_frame_lookup(const int32_t *, ptrdiff_t, const double *, ptrdiff_t, double *, ptrdiff_t) noexcept nogil
    void qc_frame_hot(const int32_t *, ptrdiff_t, const int32_t *, ptrdiff_t, double, double *, ptrdiff_t) noexcept nogil
    void qc_frame_stored(const double *, ptrdiff_t, int32_t, int32_t *, double *) noexcept nogil
    void qc_frame_stored_hot(
        const int32_t *, ptrdiff_t, const int32_t *, ptrdiff_t, double, int32_t *, double *) noexcept nogil
    int64_t qc_frame_rows(
        const int32_t *, const double *, ptrdiff_t, ptrdiff_t, int64_t, int64_t *, int64_t *, double *) noexcept nogil
    void qc_frame_find(
        const double *, ptrdiff_t, const double *, const int32_t *, ptrdiff_t, int32_t, int32_t *) noexcept nogil
    void qc_frame_cells(const double *, ptrdiff_t, const double *, ptrdiff_t, int32_t *) noexcept nogil
    bint qc_frame_is_large(const double *, ptrdiff_t) noexcept nogil
    bint qc_frame_is_infinite(const double *, ptrdiff_t) noexcept nogil
    void qc_frame_strings_fill(const char *, const uint32_t *, ptrdiff_t, uint32_t *, uint32_t) noexcept nogil
    bint qc_frame_strings_codes(
        const qc_frame_strings *, const qc_frame_column *, ptrdiff_t, ptrdiff_t, int32_t, int32_t *) noexcept nogil
    bint qc_cells_numbers(const char *, ptrdiff_t, ptrdiff_t, double, double *) noexcept
    int qc_cells_codes(const qc_cell_codes *, int32_t, const char *, ptrdiff_t, ptrdiff_t, int32_t *) except -1
    PyObject *qc_dict_value(object, PyObject *) except? NULL
    PyObject *qc_item(object, Py_ssize_t) except? NULL
    bint qc_is_scalar(PyObject *) noexcept
    void *QC_SWAP(void *place, void *value) noexcept

cdef extern from "Python.h":
    int PyErr_CheckSignals() except -1
    void Py_XDECREF(PyObject *)
    void Py_DECREF(PyObject *)
    Py_ssize_t Py_REFCNT(object)
    bint PyDict_CheckExact(PyObject *)
    Py_ssize_t PyTuple_GET_SIZE(PyObject *)
    PyObject *PyTuple_GET_ITEM(PyObject *, Py_ssize_t)
    Py_ssize_t PySequence_Fast_GET_SIZE(PyObject *)
    PyObject **PySequence_Fast_ITEMS(object)

cdef extern from "numpy/arrayobject.h":
    bint PyArray_CheckExact(object)
