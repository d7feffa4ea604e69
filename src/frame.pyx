"""The door to ``src/kernels/frame``: a table as the caller holds it → the matrix that a model reads, in one pass.

It answers what is plainly right. Everything else, input that is wrong or merely unusual, is refused, and the reference reads it.
"""

import sys

import numpy as np

cimport cython
cimport numpy as cnp
from cpython.mem cimport PyMem_Free, PyMem_Malloc
from cpython.object cimport PyObject
from libc.stdint cimport int32_t, int64_t, uint8_t, uint32_t
from libc.math cimport NAN
from libc.string cimport memset

cnp.import_array()

include "frame_kernels.pxi"

DENSE, CSR = 0, 1
STORE, LOOKUP, HOT = 0, 1, 2

# Doubles of a matrix that is answered at once, so that it stays in the second level of the cache, and the fewest of its rows.
cdef enum:
    PART = 1 << 16
    LEAST_ROWS = 16
    SMALL = 1 << 12  # for more doubles room is kept: pages that are new to a process take longer than all else here
    NOT_READ = -2


cdef struct _Sink:
    int kind
    int32_t column
    int32_t unknown  # the slot of code -1
    double one
    const double *values
    const int32_t *place


cdef struct _Part:
    int column  # among those that are read
    bint coded
    bint knows_none
    bint wide
    bint objects
    bint all_numbers
    int least
    double none
    double nan
    const qc_frame_step *steps
    ptrdiff_t n_steps
    const double *edges
    ptrdiff_t n_edges  # -1: numbers stay numbers
    qc_cell_codes codes
    qc_frame_strings strings
    int first_sink
    int n_sinks


cdef struct _Scratch:
    qc_frame_column *columns
    PyObject **cells  # of a block of rows that are dicts, column by column
    double *values
    int32_t *codes
    int32_t *stored_columns  # CSR: what each sink stores
    double *stored_values


include "ways.pxi"
include "columns.pxi"
include "arrow.pxi"


@cython.final
cdef class Reader:
    """Tables of any form → a matrix of float64, dense or CSR.

    Parameters
    ----------
    names : tuple of str, or None
        Of all columns, as the source was fitted on them.
    n_columns : int
    by_name : bool
        Columns are found by their names, in any order, beside others.
    columns : tuple of int
        Those that are read, ascending.
    parts : tuple of Part
    width : int
        Of the matrix.
    form : int
        ``DENSE`` or ``CSR``; in CSR parts write to ascending columns.
    csr : type
        What has the fields indptr, indices, data and n_columns in its ``__dict__``.
    answer : callable or None
        What ``predict`` makes of a matrix.
    other : callable or None
        Answers ``predict`` for what is not read here.
    """

    cdef tuple names, columns, parts_
    cdef Py_ssize_t n_columns, n_needed, n_parts, n_sinks, width, part_rows
    cdef bint by_name, sparse, zeroed
    cdef object csr, answer, other
    cdef object room  # where matrices are made that are answered at once
    cdef object places  # (an Index of pandas that was seen, where the columns are in it)
    cdef _Part *parts
    cdef _Sink *sinks
    cdef void *spare

    def __cinit__(self, names, Py_ssize_t n_columns, bint by_name, tuple columns, tuple parts, Py_ssize_t width, int form,
                  csr, answer, other):
        cdef Py_ssize_t k, n_sinks = 0
        cdef Part part
        self.names, self.n_columns, self.by_name = names, n_columns, by_name
        self.columns, self.n_needed, self.parts_, self.n_parts = columns, len(columns), parts, len(parts)
        self.width, self.sparse, self.csr, self.answer, self.other = width, form == 1, csr, answer, other
        if names is not None and len(names) != n_columns or any(not 0 <= i < n_columns for i in columns):
            raise ValueError("names and columns don't belong together")
        for part in parts:
            n_sinks += len(part.sinks)
            if not 0 <= part.p.column < self.n_needed or part.reach > width:
                raise ValueError("a part leads out of the columns or the matrix")
        self.n_sinks = n_sinks
        self.part_rows = max(LEAST_ROWS, PART // max(n_sinks if self.sparse else width, 1))
        self.parts = <_Part *>PyMem_Malloc(self.n_parts * sizeof(_Part) + 1)
        self.sinks = <_Sink *>PyMem_Malloc(n_sinks * sizeof(_Sink) + 1)
        if self.parts is NULL or self.sinks is NULL:
            raise MemoryError
        n_sinks = 0
        for k in range(self.n_parts):
            part = parts[k]
            self.parts[k] = part.p
            self.parts[k].first_sink = n_sinks
            for sink in part.sinks:
                self.sinks[n_sinks] = (<Sink>sink).s
                self.zeroed |= (<Sink>sink).s.kind == 2
                n_sinks += 1

    def __dealloc__(self):
        PyMem_Free(self.parts)
        PyMem_Free(self.sinks)
        PyMem_Free(self.spare)

    def read(self, X):
        """The matrix of a table; None for what is not read here."""
        return self.given(X, None)

    def predict(self, X):
        """What ``answer`` makes of the matrix, or ``other`` of the table."""
        found = self.given(X, self.answer)
        return self.other(X) if found is None else found

    def through(self, X, answer):
        """What a callable makes of the matrix, some rows at a time, joined; None for what is not read here."""
        return self.given(X, answer)

    cdef object given(self, X, answer):
        cdef _Scratch s
        cdef void *held = self.scratch(&s)
        try:
            if type(X) is dict:
                return self.of_dict(X, &s, answer)
            if type(X) is list or type(X) is tuple:
                return self.of_dicts(X, &s, answer)
            if PyArray_CheckExact(X):
                return self.of_array(X, &s, answer)
            return self.of_frame(X, &s, answer)
        finally:
            PyMem_Free(QC_SWAP(&self.spare, held))

    cdef void *scratch(self, _Scratch *s) except NULL:
        """Carved from one piece, which stays for the next call."""
        cdef char *at = <char *>QC_SWAP(&self.spare, NULL)
        cdef size_t columns = self.n_needed * sizeof(qc_frame_column), stored = self.n_sinks * QC_FRAME_ROWS if self.sparse else 0
        cdef char *whole = at
        if at is NULL:
            at = whole = <char *>PyMem_Malloc(
                columns + self.n_needed * QC_FRAME_ROWS * sizeof(PyObject *) + QC_FRAME_ROWS * 12 + stored * 12)
            if at is NULL:
                raise MemoryError
        s.columns, at = <qc_frame_column *>at, at + columns
        s.cells, at = <PyObject **>at, at + self.n_needed * QC_FRAME_ROWS * sizeof(PyObject *)
        s.values, at = <double *>at, at + QC_FRAME_ROWS * 8
        s.stored_values, at = <double *>at, at + stored * 8
        s.codes, at = <int32_t *>at, at + QC_FRAME_ROWS * 4
        s.stored_columns = <int32_t *>at
        return whole

    # ------------------------------------------------------------- the forms

    cdef object of_dict(self, dict X, _Scratch *s, answer):
        """One row, or columns: lists and arrays."""
        cdef Py_ssize_t n = 1, k
        cdef bint scalars = True
        held = []
        if self.names is None or not self.may_hold(len(X)):
            return None
        try:
            memset(s.cells, 0, self.n_needed * sizeof(PyObject *))
            for k in range(self.n_needed):
                s.cells[k] = qc_dict_value(X, PyTuple_GET_ITEM(<PyObject *>self.names, self.columns[k]))
                if s.cells[k] is NULL:
                    return None
                scalars &= qc_is_scalar(s.cells[k])
                s.columns[k].kind, s.columns[k].data, s.columns[k].stride = QC_OF_OBJECT, <char *>(s.cells + k), 0
                s.columns[k].holds_none = False
            if not scalars:
                for k in range(self.n_needed):
                    found = _of_values(<object>s.cells[k], &s.columns[k], held)
                    if found < 0 or (k and found != n):
                        return None
                    n = found
            return self.answered(s, n, answer, None)
        finally:
            for k in range(self.n_needed):
                Py_XDECREF(s.cells[k])

    cdef bint may_hold(self, Py_ssize_t count):
        """Whether a dict of so many values may be read: other names than the source's are for the reference to refuse."""
        return self.by_name or (count == self.n_columns and self.n_needed == self.n_columns)

    cdef object of_dicts(self, X, _Scratch *s, answer):
        """Rows that are dicts."""
        cdef Py_ssize_t k
        cdef PyObject *first = NULL if self.names is None else qc_item(X, 0)
        cdef bint dicts = first is not NULL and PyDict_CheckExact(first)
        Py_XDECREF(first)
        if not dicts:
            return None
        for k in range(self.n_needed):
            s.columns[k].kind, s.columns[k].stride = QC_OF_OBJECT, sizeof(PyObject *)
            s.columns[k].holds_none = False
        return self.answered(s, len(X), answer, X)

    cdef bint gather(self, X, Py_ssize_t start, Py_ssize_t n, _Scratch *s) except -1:
        """The cells of some rows; whether all were there. What was taken is to be dropped in either case."""
        cdef Py_ssize_t i, k
        cdef PyObject *row
        cdef PyObject *cell
        memset(s.cells, 0, self.n_needed * n * sizeof(PyObject *))
        for k in range(self.n_needed):  # as if they were of all rows
            s.columns[k].data = <char *>(s.cells + k * n) - start * <Py_ssize_t>sizeof(PyObject *)
        for i in range(n):
            row = qc_item(X, start + i)
            if row is NULL:
                return False
            try:
                if not PyDict_CheckExact(row) or not self.may_hold(len(<object>row)):
                    return False
                for k in range(self.n_needed):
                    cell = qc_dict_value(<object>row, PyTuple_GET_ITEM(<PyObject *>self.names, self.columns[k]))
                    if cell is NULL:
                        return False
                    s.cells[k * n + i] = cell
            finally:
                Py_DECREF(row)
        return True

    cdef object of_array(self, cnp.ndarray X, _Scratch *s, answer):
        cdef Py_ssize_t k, at
        if cnp.PyArray_NDIM(X) != 2 or cnp.PyArray_DIM(X, 1) != self.n_columns or not cnp.PyArray_DIM(X, 0):
            return None
        X = _own(X)
        for k in range(self.n_needed):
            at = self.columns[k]
            if not _of_memory(X, at * cnp.PyArray_STRIDE(X, 1), cnp.PyArray_STRIDE(X, 0), &s.columns[k]):
                return None
        return self.answered(s, cnp.PyArray_DIM(X, 0), answer, None)

    cdef object of_frame(self, X, _Scratch *s, answer):
        cdef Py_ssize_t n
        if self.names is None:
            return None
        held = []
        pandas = sys.modules.get("pandas")
        if pandas is not None and type(X) is getattr(pandas, "DataFrame", None):
            n = self.of_pandas(X, s, held)
            return None if n < 1 else self.answered(s, n, answer, None)
        if type(X).__module__.partition(".")[0] in ("polars", "pyarrow") and hasattr(X, "__arrow_c_stream__"):
            return self.of_arrow(X, s, answer)
        return None

    cdef Py_ssize_t of_pandas(self, X, _Scratch *s, list held) except -1:
        """The columns of a data frame, by way of its blocks: a column by its name takes pandas 10 us."""
        cdef Py_ssize_t k, n
        manager = getattr(X, "_mgr", None)
        places = self.places_in(X.columns)
        if places is None or manager is None:
            return NOT_READ
        try:
            blocks, block_of, within, n = manager.blocks, manager.blknos, manager.blklocs, manager.shape[1]
            for k in range(self.n_needed):
                at = places[k]
                values = blocks[block_of[at]].values
                if _of_block(values, within[at], n, &s.columns[k], held) < 0:
                    return NOT_READ
        except (AttributeError, IndexError, TypeError):  # not the pandas that we know
            return NOT_READ
        return n

    cdef tuple places_in(self, index):
        """Where the columns that are read stand in an Index; None where they don't, or not as they have to."""
        with cython.critical_section(self):
            seen = self.places
        if seen is not None and seen[0].is_(index):
            return seen[1]
        there = index.tolist()
        places = None
        if self.by_name:
            numbers = {name: i for i, name in enumerate(there)}
            if len(numbers) == len(there) and all([type(name) is str for name in there]):
                found = [numbers.get(self.names[i], -1) for i in self.columns]
                places = None if -1 in found else tuple(found)
        elif tuple(there) == self.names:
            places = self.columns
        if places is not None:
            with cython.critical_section(self):
                self.places = (index, places)
        return places

    cdef object of_arrow(self, X, _Scratch *s, answer):
        """A table of polars or pyarrow, chunk by chunk."""
        stream = _Chunks(X)
        if not stream.take() or not stream.find(self.names, self.columns, self.by_name):
            return None
        if len(stream) == 1:
            return None if not stream.columns(0, s.columns) else self.answered(s, stream.rows(0), answer, None)
        answers = []
        for k in range(len(stream)):
            if stream.rows(k):
                found = self.answered(s, stream.rows(k), answer, None) if stream.columns(k, s.columns) else None
                if found is None or not PyArray_CheckExact(found):
                    return None
                answers.append(found)
        return np.concatenate(answers) if answers else None

    # --------------------------------------------------------------- the way

    cdef object answered(self, _Scratch *s, Py_ssize_t n, answer, rows):
        """The matrix of columns (or of rows that are dicts), or what is answered to it."""
        cdef Py_ssize_t start = 0, count
        cdef bint worth_it = not self.sparse and min(n, self.part_rows) * self.width > SMALL
        if n < 1:
            return None
        if answer is None or (n <= self.part_rows and not worth_it):
            found = self.matrix(s, 0, n, rows, None)
            return found if answer is None or found is None else answer(found)
        answers, whole = [], self.swapped(None) if worth_it else None
        while start < n:
            count = min(self.part_rows, n - start)
            if worth_it and whole is None:
                whole = np.empty((self.part_rows, self.width))
            found = self.matrix(s, start, count, rows, whole)
            if found is None:
                self.swapped(whole)
                return None
            answers.append(answer(found))
            if worth_it and (Py_REFCNT(found) > 1 or Py_REFCNT(whole) > 2):
                whole = None  # somebody keeps what was answered
            found = None
            PyErr_CheckSignals()
            start += count
        self.swapped(whole)
        return answers[0] if len(answers) == 1 else np.concatenate(answers)

    cdef object swapped(self, room):
        """The room that is kept, in exchange."""
        with cython.critical_section(self):
            kept, self.room = self.room, room
        return kept

    cdef object matrix(self, _Scratch *s, Py_ssize_t first, Py_ssize_t n_rows, rows, whole):
        """The rows from first on, dense ones within an array if there is one; None where one is not read."""
        cdef cnp.npy_intp shape[2]
        cdef Py_ssize_t done = 0, n, width = self.width, i
        cdef int64_t stored = 0
        cdef double *out = NULL
        cdef int64_t *indptr = NULL
        cdef int64_t *indices = NULL
        cdef bint read
        shape[0], shape[1] = n_rows, width
        if self.sparse:
            pointers, found = np.empty(n_rows + 1, np.int64), np.empty(n_rows * self.n_sinks, np.int64)
            data = np.empty(n_rows * self.n_sinks)
            indptr, indices = <int64_t *>cnp.PyArray_DATA(pointers), <int64_t *>cnp.PyArray_DATA(found)
            out = <double *>cnp.PyArray_DATA(data)
            indptr[0] = 0
        else:
            data = cnp.PyArray_EMPTY(2, shape, cnp.NPY_DOUBLE, 0) if whole is None else whole[:n_rows]
            out = <double *>cnp.PyArray_DATA(data)
        while done < n_rows:
            n = min(QC_FRAME_ROWS, n_rows - done)
            try:
                if rows is not None and not self.gather(rows, first + done, n, s):
                    return None
                if not self.sparse and self.zeroed:
                    memset(out + done * width, 0, n * width * sizeof(double))
                read = self.block(s, first + done, n, NULL if self.sparse else out + done * width)
            finally:
                if rows is not None:
                    for i in range(n * self.n_needed):
                        Py_XDECREF(s.cells[i])
            if not read:
                return None
            if self.sparse:
                stored = qc_frame_rows(
                    s.stored_columns, s.stored_values, self.n_sinks, n, stored, indptr + done, indices, out)
            done += n
        return self.as_csr(pointers, found[:stored], data[:stored]) if self.sparse else data

    cdef object as_csr(self, indptr, indices, data):
        """As its own initializer makes it, which takes longer than all else here."""
        made = self.csr.__new__(self.csr)
        cdef dict fields = made.__dict__
        fields["indptr"], fields["indices"], fields["data"], fields["n_columns"] = indptr, indices, data, self.width
        return made

    cdef bint block(self, _Scratch *s, Py_ssize_t start, Py_ssize_t n, double *out) except -1:
        """Some rows through all parts, to dense rows or to what sinks store; whether all were read."""
        cdef Py_ssize_t k, i
        cdef _Part *p
        cdef _Sink *sink
        for k in range(self.n_parts):
            p = &self.parts[k]
            if p.coded:
                if not _codes(p, &s.columns[p.column], start, n, s):
                    return False
            else:
                if not _numbers(p, &s.columns[p.column], start, n, s.values):
                    return False
                if not qc_frame_steps(p.steps, p.n_steps, s.values, n):
                    return False
                if p.n_edges >= 0:
                    qc_frame_cells(s.values, n, p.edges, p.n_edges, s.codes)
            for i in range(p.first_sink, p.first_sink + p.n_sinks):
                sink = &self.sinks[i]
                if out is not NULL:
                    _to_rows(sink, s, n, out, self.width)
                else:
                    _to_stored(sink, s, n, i)
        return True


def kernels():
    """None: these functions are the same on every instruction set."""
    return []


def select(str isa):
    """Nothing depends on the instruction set."""


def selected():
    """None, as of ``kernels``."""
    return []
