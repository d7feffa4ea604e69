/* Python's objects, of exact types alone: no code of the caller's runs, and what it takes is decided by its bits.
 * Included by the door. */
#ifndef QC_FRAME_CELLS_H
#define QC_FRAME_CELLS_H

#include <Python.h>
#include <math.h>
#include <numpy/arrayobject.h>
#include <numpy/arrayscalars.h>

#include "kernels/frame/frame.h"

/* 1: a number (NaN stands for none too, told by *is_none); 0: something else. Integers of more than 53 bits are left to others. */
static int qc_cell_number(PyObject *cell, double *out, int *is_none) {
    const PyTypeObject *type = Py_TYPE(cell);
    *is_none = 0;
    if (type == &PyFloat_Type || type == &PyDoubleArrType_Type) {
        *out = PyFloat_AS_DOUBLE(cell);
        return 1;
    }
    if (cell == Py_None) {
        *is_none = 1;
        *out = NAN;
        return 1;
    }
    if (type == &PyLong_Type) {
        int beyond;
        const long long value = PyLong_AsLongLongAndOverflow(cell, &beyond);
        *out = (double)value;
        return !beyond && fabs(*out) < 0x1p53;
    }
    if (type == &PyBool_Type) {
        *out = cell == Py_True;
        return 1;
    }
    if (type == &PyBoolArrType_Type) {
        *out = PyArrayScalar_VAL(cell, Bool) != 0;
        return 1;
    }
    if (type == &PyInt64ArrType_Type) {
        *out = (double)PyArrayScalar_VAL(cell, Int64);
        return fabs(*out) < 0x1p53;
    }
    return 0;
}

/* Objects → numbers; 0 if one is none that is plain. */
static int qc_cells_numbers(const char *at, ptrdiff_t stride, ptrdiff_t n, double none, double *out) {
    for (ptrdiff_t i = 0; i < n; ++i, at += stride) {
        PyObject *cell = *(PyObject *const *)at;
        int is_none;
        if (!cell || !qc_cell_number(cell, out + i, &is_none)) return 0;
        if (is_none) out[i] = none;
    }
    return 1;
}

/* Strings that were met before in a block, by their address: while it is read no object can vanish. */
enum { QC_MET = 64, QC_MET_FROM = 16 };

typedef struct {
    PyObject *known; /* dict of str → code */
    const double *numbers;
    const int32_t *number_codes;
    ptrdiff_t n_numbers;
    int32_t of_nan, of_none;
} qc_cell_codes;

/* 1: found out, -1 for what is unknown; 0: not a plain cell; -1: an exception is set. */
static int qc_cell_code(const qc_cell_codes *m, int32_t of_none, PyObject *cell, int32_t *out) {
    double number;
    int is_none;
    if (PyUnicode_CheckExact(cell)) {
        PyObject *found = PyDict_GetItemWithError(m->known, cell); /* borrowed: the dict is ours, and never changes */
        if (!found) {
            *out = -1;
            return PyErr_Occurred() ? -1 : 1;
        }
        *out = (int32_t)PyLong_AsLong(found);
        return 1;
    }
    if (!qc_cell_number(cell, &number, &is_none)) return 0;
    if (is_none)
        *out = of_none;
    else
        qc_frame_find(&number, 1, m->numbers, m->number_codes, m->n_numbers, m->of_nan, out);
    return 1;
}

static int qc_cells_codes(const qc_cell_codes *m, int32_t of_none, const char *at, ptrdiff_t stride, ptrdiff_t n, int32_t *out) {
    struct {
        PyObject *cell;
        int32_t code;
    } met[QC_MET];
    if (n >= QC_MET_FROM) memset(met, 0, sizeof met);
    for (ptrdiff_t i = 0; i < n; ++i, at += stride) {
        PyObject *cell = *(PyObject *const *)at;
        if (!cell) return 0;
        const size_t place = ((uintptr_t)cell >> 4 ^ (uintptr_t)cell >> 10) % QC_MET;
        if (n >= QC_MET_FROM && met[place].cell == cell) {
            out[i] = met[place].code;
            continue;
        }
        const int found = qc_cell_code(m, of_none, cell, out + i);
        if (found <= 0) return found;
        if (n >= QC_MET_FROM) {
            met[place].cell = cell;
            met[place].code = out[i];
        }
    }
    return 1;
}

/* A new reference to a dict's value; NULL without an exception: it is not there. */
static PyObject *qc_dict_value(PyObject *dict, PyObject *key) {
#if PY_VERSION_HEX >= 0x030D0000
    PyObject *found = NULL;
    return PyDict_GetItemRef(dict, key, &found) < 0 ? NULL : found;
#else
    PyObject *found = PyDict_GetItemWithError(dict, key);
    Py_XINCREF(found);
    return found;
#endif
}

/* A new reference to an item of a list or tuple, which may have become shorter; NULL without an exception then. */
static PyObject *qc_item(PyObject *rows, Py_ssize_t i) {
#if defined(Py_GIL_DISABLED)
    if (PyList_CheckExact(rows)) {
        if (i >= PyList_GET_SIZE(rows)) return NULL;
        PyObject *found = PyList_GetItemRef(rows, i);
        if (!found) PyErr_Clear();
        return found;
    }
#endif
    if (i >= PySequence_Fast_GET_SIZE(rows)) return NULL;
    PyObject *found = PySequence_Fast_GET_ITEM(rows, i);
    Py_INCREF(found);
    return found;
}

static int qc_is_scalar(PyObject *cell) {
    double number;
    int is_none;
    return PyUnicode_CheckExact(cell) || PyLong_CheckExact(cell) || qc_cell_number(cell, &number, &is_none);
}

#endif
