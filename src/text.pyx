"""The door to ``src/kernels/text``: documents in, labels, scores or counts out.

A :class:`CharTable` holds what the running interpreter says of characters; a
:class:`TextModel` holds the tables of one model, built once and never changed.
"""

import numpy as np

cimport numpy as cnp
from cpython.exc cimport PyErr_CheckSignals
from cpython.mem cimport PyMem_Free, PyMem_Malloc
from cpython.ref cimport Py_INCREF, PyObject
from libc.stdint cimport int16_t, int32_t, int64_t, uint8_t, uint32_t, uint64_t
from libc.string cimport memcpy, memset

cnp.import_array()

cdef extern from *:
    """
    #include "kernels/text/text.h"
    #include "kernels/table.h"
    #if defined(Py_GIL_DISABLED)
    #define QC_SWAP(place, value) __atomic_exchange_n(place, value, __ATOMIC_ACQ_REL)
    #define QC_ADD(place, value) __atomic_fetch_add(place, value, __ATOMIC_RELAXED)
    #else
    static void *qc_swap(void **place, void *value) { void *old = *place; *place = value; return old; }
    #define QC_SWAP(place, value) qc_swap((void **)(place), value)
    #define QC_ADD(place, value) (*(place) += (value))
    #endif
    """
    ctypedef struct qc_chars:
        pass
    ctypedef struct qc_index:
        uint64_t mask
    ctypedef enum qc_analyzer:
        pass
    ctypedef enum qc_norm:
        pass
    ctypedef struct qc_text:
        qc_analyzer analyzer
        int min_n, max_n, minimum, binary, sublinear, hashing, alternate_sign, has_stop_words
        qc_norm norm
        const qc_chars *chars
        const qc_chars *chars_as_is
        uint64_t n_features
        const uint64_t *hash_values
        qc_index token_index, pair_index
        int n_outputs, width, padded, centred
        const signed char *hot
        uint32_t scale_base
        const int16_t *fine16
        const int32_t *fine32
        const double *fine_scale
        const float *bias32
        const double *bias
        float bias_max, spread, amplitude
        double fine_error, weight_error, weight_amplitude, source_unit
        int empty_label
        float log_table[1024]
    ctypedef struct qc_document:
        const void *data
        int64_t length
        uint8_t kind, ascii, as_is
    ctypedef enum qc_status:
        QC_DONE
        QC_NEEDS_CHARS
        QC_NEEDS_LOWER
        QC_NO_MEMORY
        QC_PAUSED
    ctypedef enum qc_job:
        QC_LABELS
        QC_SCORES
        QC_COUNTS
    ctypedef struct qc_result:
        qc_job job
        int32_t *labels
        uint8_t *planes
        double *scores
        double *bounds
        int64_t *counted
        uint64_t fine, open, tokens, unknown
    ctypedef struct qc_left:
        pass
    ctypedef struct qc_scratch:
        void *memory[16]
        qc_left left
        uint32_t code
        size_t done, n_counts
    ctypedef struct qc_text_tables:
        const uint8_t *symbol_bytes
        const uint32_t *symbol_ends
        size_t n_symbols
        const uint32_t *parent
        const uint32_t *symbol
        size_t n_pairs
        const uint64_t *values
        const uint32_t *columns
        const uint8_t *stop_bytes
        const uint32_t *stop_ends
        size_t n_stop
        int with_columns
    int qc_text_build(qc_text *, const qc_text_tables *) nogil
    void qc_text_free(qc_text *)
    double qc_hot_plane(const void *, int, const int32_t *, int, double, size_t, size_t, size_t, size_t, signed char *, uint8_t *,
                        double *) noexcept nogil
    void qc_scratch_free(qc_scratch *)
    qc_chars *qc_chars_new(int lower)
    void qc_chars_free(qc_chars *)
    int qc_chars_set_page(qc_chars *, uint32_t, const uint32_t *, const uint8_t *)
    double qc_log(double)
    qc_status _run "qc_bound.run_documents_planar"(
        const qc_text *, qc_scratch *, const qc_document *, size_t, qc_result *) noexcept nogil
    void *QC_SWAP(void *place, void *value)
    void QC_ADD(uint64_t *place, uint64_t value)

cdef extern from "Python.h":
    int PyUnicode_Check(object)
    int PyUnicode_KIND(object)
    const void *PyUnicode_DATA(object)
    Py_ssize_t PyUnicode_GET_LENGTH(object)
    bint PyUnicode_IS_ASCII(object)
    object PyList_GetSlice(object, Py_ssize_t, Py_ssize_t)
    Py_ssize_t PyList_GET_SIZE(object)
    PyObject *PyList_GET_ITEM(object, Py_ssize_t)

include "door.pxi"
include "classes.pxi"

# In code points. From about 0.5 ms of work on the GIL is released (releasing it for less costs more than it gives
# beside a busy Python thread); between parts of some 20 ms, and within a long
# document, Ctrl-C is honoured.
cdef enum:
    RELEASE_FROM = 1 << 18
    MOST_HASHED = (1 << 30) - 1  # code points: a document that is hashed is taken whole, its bytes are numbered in 32 bits
    PART = 1 << 22
    COLUMNS = 14
    COUNTS = 15


def log(double x):
    """The kernels' natural logarithm, for tests."""
    return qc_log(x)


def hot_plane(rows, exponent, int base, double error, size_t n_outputs, size_t padded):
    """The int8 hot plane of grid rows (contiguous int16 or int32; exponents int32), the codes of the rows' scales, the spread of
    errors and the least hot step in grid steps: see ``qc_hot_plane``."""
    cdef double spread, least = 1.0
    hot, codes = np.empty((len(rows), padded), np.int8), np.empty(len(rows), np.uint8)
    spread = qc_hot_plane(data_of(rows), rows.itemsize == 4, <const int32_t *>data_of(exponent), base, error, len(rows),
                          rows.shape[1], n_outputs, padded, <signed char *>data_of(hot), <uint8_t *>data_of(codes), &least)
    return hot, codes, spread, least


cdef class CharTable:
    """Lowering and classes of characters, made a page of 256 at a time from the running interpreter.

    Parameters
    ----------
    lower : bool
        Whether characters are lowered.
    is_word : callable of str → bool
        Whether a (lowered) character belongs to a token.
    """

    cdef qc_chars *chars
    cdef bint lower
    cdef object is_word

    def __cinit__(self, bint lower, is_word):
        self.lower = lower
        self.is_word = is_word
        self.chars = qc_chars_new(lower)
        if self.chars is NULL:
            raise MemoryError
        self.make(0)

    def __dealloc__(self):
        qc_chars_free(self.chars)

    cdef int make(self, uint32_t first) except -1:
        cdef uint32_t lowered[256]
        cdef uint8_t flags[256]
        cdef uint32_t i
        for i in range(256):
            text = chr(first + i)
            special = False
            if self.lower:
                small = text.lower()
                # the lower case of a sigma depends on its neighbours; U+0130 lowers to two characters
                special = len(small) != 1 or first + i == 0x3A3
                if not special:
                    text = small
            lowered[i] = ord(text)
            flags[i] = bool(self.is_word(text)) | text.isspace() << 1 | special << 2
        if qc_chars_set_page(self.chars, first, lowered, flags):
            raise MemoryError
        return 0


# Of sublinear counts; all models have the same.
cdef float LOGS[1024]


cdef void make_logs() noexcept:
    cdef int i
    LOGS[0] = 0.0
    for i in range(1, 1024):
        LOGS[i] = <float>(1.0 + qc_log(<double>i))


make_logs()


cdef class TextModel:
    """Tables of one text model, and what it was asked.

    Parameters
    ----------
    config : dict
        The scalar fields of ``qc_text`` by name.
    tables : dict of ndarray
        ``symbol_bytes``, ``symbol_ends``, ``parent``, ``symbol``, ``values``, ``columns``, ``stop_bytes``, ``stop_ends``
        (see ``qc_text_tables``), ``hash_values`` or None.
    weights : dict of ndarray
        ``hot``, ``fine``, ``fine_scale``, ``bias32``, ``bias``; empty for counts alone.
    chars, chars_as_is : CharTable
        For text as it comes; for text that ``prepare`` or ``str.lower`` has been through.
    classes : ndarray or None
        What label i is answered as.
    prepare : callable
        Any input that scikit-learn takes → list of str; raises what scikit-learn raises.
    strip : callable or None
        Lowering and accent stripping of one document that is not ASCII.
    settle : callable or None
        (documents, labels, open rows) → None: called for rows that no plane could settle; may change labels in place.

    The arrays must have the C dtypes of ``text.h``, be contiguous and hold what ``quantcore.runtime.text`` promises:
    nothing is checked here.
    """

    cdef qc_text text
    cdef void *spare
    cdef uint64_t n_rows, n_fine, n_open, n_tokens, n_unknown
    cdef object arrays, chars, chars_as_is, prepare, strip, settle
    cdef Classes classes
    cdef bint always_prepare, with_columns

    def __cinit__(self, dict config, dict tables, dict weights, CharTable chars, CharTable chars_as_is, classes, prepare,
                  strip, settle):
        cdef qc_text *t = &self.text
        cdef qc_text_tables given
        cdef int status
        memset(t, 0, sizeof(qc_text))
        self.arrays = (tables, weights)
        self.chars, self.chars_as_is = chars, chars_as_is
        self.prepare, self.strip, self.settle = prepare, strip, settle
        t.analyzer = <qc_analyzer><int>config["analyzer"]
        t.min_n, t.max_n, t.minimum = config["min_n"], config["max_n"], config["minimum"]
        t.binary, t.sublinear = config["binary"], config["sublinear"]
        t.hashing, t.alternate_sign = config["hashing"], config["alternate_sign"]
        t.norm = <qc_norm><int>config["norm"]
        t.n_features = config["n_features"]
        self.always_prepare, self.with_columns = config["always_prepare"], config["with_columns"]
        t.chars, t.chars_as_is = chars.chars, chars_as_is.chars
        memcpy(t.log_table, LOGS, sizeof(LOGS))
        self.set_weights(config, weights)
        if classes is not None:
            self.classes = Classes(classes)
        memset(&given, 0, sizeof(given))
        given.symbol_bytes = <const uint8_t *>data_of(tables["symbol_bytes"])
        given.symbol_ends = <const uint32_t *>data_of(tables["symbol_ends"])
        given.n_symbols = len(tables["symbol_ends"])
        given.parent, given.symbol = <const uint32_t *>data_of(tables["parent"]), <const uint32_t *>data_of(tables["symbol"])
        given.n_pairs = len(tables["parent"])
        given.values, given.columns = <const uint64_t *>data_of(tables["values"]), <const uint32_t *>data_of(tables["columns"])
        given.stop_bytes = <const uint8_t *>data_of(tables["stop_bytes"])
        given.stop_ends = <const uint32_t *>data_of(tables["stop_ends"])
        given.n_stop = len(tables["stop_ends"])
        given.with_columns = self.with_columns
        t.has_stop_words = given.n_stop > 0
        if tables["hash_values"] is not None:
            t.hash_values = <const uint64_t *>data_of(tables["hash_values"])
        with nogil:
            status = qc_text_build(t, &given)
        if status == -1:
            raise MemoryError("no memory for the tables of a text model")
        if status:
            raise ValueError("this vocabulary can't be hashed: its terms were made to collide, or are no characters")

    cdef int set_weights(self, dict config, dict weights) except -1:
        cdef qc_text *t = &self.text
        t.n_outputs, t.width, t.padded, t.centred = config["n_outputs"], config["width"], config["padded"], config["centred"]
        if not t.n_outputs:
            return 0
        t.bias_max, t.spread, t.amplitude = config["bias_max"], config["spread"], config["amplitude"]
        t.fine_error, t.weight_error = config["fine_error"], config["weight_error"]
        t.weight_amplitude, t.source_unit = config["weight_amplitude"], config["source_unit"]
        t.empty_label = config["empty_label"]
        t.bias = <const double *>data_of(weights["bias"])
        if t.n_outputs > 1:
            t.hot = <const signed char *>data_of(weights["hot"])
            t.scale_base = config["scale_base"]
            if weights["fine"].dtype == np.int16:
                t.fine16 = <const int16_t *>data_of(weights["fine"])
            else:
                t.fine32 = <const int32_t *>data_of(weights["fine"])
            t.fine_scale = <const double *>data_of(weights["fine_scale"])
            t.bias32 = <const float *>data_of(weights["bias32"])
        return 0

    def __dealloc__(self):
        qc_text_free(&self.text)
        free_scratch(<qc_scratch *>self.spare)

    def stats(self):
        """Rows, rows that took the fine plane, rows left open, symbols read, symbols unknown: since the model was built."""
        return self.n_rows, self.n_fine, self.n_open, self.n_tokens, self.n_unknown

    def predict(self, X):
        """The classes of documents, shape (n,)."""
        cdef qc_result result
        cdef Py_ssize_t n
        cdef int32_t small_labels[16]
        cdef uint8_t small_planes[16]
        cdef int32_t *labels = small_labels
        cdef tuple documents
        require(self.classes is not None and self.text.n_outputs, "predict", "weights and classes")
        documents = self.documents(X)
        n = len(documents)
        memset(&result, 0, sizeof(result))
        result.job = QC_LABELS
        result.planes = small_planes
        if n > 16:
            labels = <int32_t *>PyMem_Malloc(n * 5)
            if labels is NULL:
                raise MemoryError
            result.planes = <uint8_t *>(labels + n)
        result.labels = labels
        try:
            self.run(documents, &result)
            if result.open and self.settle is not None:
                self.classes.settle(self.settle, documents, labels, result.planes, n)
            return self.classes.answer(labels, n)
        finally:
            if n > 16:
                PyMem_Free(labels)

    def labels(self, X):
        """Positions of the classes (int32), and which plane settled each row (uint8: 0 hot, 1 fine, 2 open)."""
        cdef qc_result result
        cdef tuple documents
        require(self.text.n_outputs, "labels", "weights")
        documents = self.documents(X)
        labels, planes = np.empty(len(documents), np.int32), np.empty(len(documents), np.uint8)
        memset(&result, 0, sizeof(result))
        result.job = QC_LABELS
        result.labels, result.planes = <int32_t *>data_of(labels), <uint8_t *>data_of(planes)
        self.run(documents, &result)
        return labels, planes

    def scores(self, X, *, bint counted=True):
        """Scores, shape (n, n_outputs), and for each row a bound on their error and on that of their differences; ``stats`` does
        not count them where ``counted`` is False."""
        cdef qc_result result
        cdef tuple documents
        require(self.text.n_outputs, "scores", "weights")
        documents = self.documents(X)
        scores, bounds = np.empty((len(documents), self.text.n_outputs)), np.empty(len(documents))
        memset(&result, 0, sizeof(result))
        result.job = QC_SCORES
        result.scores, result.bounds = <double *>data_of(scores), <double *>data_of(bounds)
        self.run(documents, &result, counted)
        return scores, bounds

    def counts(self, X):
        """Row boundaries, columns (in no order) and counts of the documents' features."""
        cdef qc_result result
        cdef tuple documents
        cdef qc_scratch *scratch
        require(self.with_columns, "counts", "columns")
        documents = self.documents(X)
        indptr = np.zeros(len(documents) + 1, np.int64)
        scratch = new_scratch()
        memset(&result, 0, sizeof(result))
        result.job = QC_COUNTS
        result.counted = <int64_t *>data_of(indptr) + 1
        try:
            self.run_with(scratch, documents, &result)
            columns, counts = np.empty(scratch.n_counts, np.int64), np.empty(scratch.n_counts)
            if scratch.n_counts:
                memcpy(data_of(columns), scratch.memory[COLUMNS], scratch.n_counts * 8)
                memcpy(data_of(counts), scratch.memory[COUNTS], scratch.n_counts * 8)
        finally:
            free_scratch(scratch)
        return np.cumsum(indptr, out=indptr), columns, counts

    cdef tuple documents(self, X):
        """Strong references to the documents, all str; a list of str passes without a look by Python."""
        cdef Py_ssize_t i
        cdef tuple documents
        if (type(X) is list or type(X) is tuple) and not self.always_prepare:
            documents = tuple(X)
            if documents:
                for i in range(len(documents)):
                    if not PyUnicode_Check(documents[i]):
                        break
                else:
                    return documents
        documents = tuple(self.prepare(X))
        for i in range(len(documents)):
            require_str(documents[i], "prepare")
        return documents

    cdef int run(self, tuple documents, qc_result *result, bint counted=True) except -1:
        cdef qc_scratch *scratch = <qc_scratch *>QC_SWAP(&self.spare, NULL)
        if scratch is NULL:
            scratch = new_scratch()
        try:
            self.run_with(scratch, documents, result, counted)
        finally:
            free_scratch(<qc_scratch *>QC_SWAP(&self.spare, scratch))
        return 0

    cdef int run_with(self, qc_scratch *scratch, tuple documents, qc_result *result, bint counted=True) except -1:
        cdef qc_document one[16]
        cdef qc_document *described = one
        cdef Py_ssize_t n = len(documents), i, part
        cdef int64_t total
        cdef qc_status status
        cdef list kept = None
        cdef CharTable table
        scratch.done = 0
        scratch.n_counts = 0
        memset(&scratch.left, 0, sizeof(scratch.left))
        if n > 16:
            described = <qc_document *>PyMem_Malloc(n * sizeof(qc_document))
            if described is NULL:
                raise MemoryError
        try:
            for i in range(n):
                describe(documents[i], described + i, False)
            if self.strip is not None:
                kept = []
                for i in range(n):
                    if not described[i].ascii:
                        ready = self.strip(documents[i])
                        require_str(ready, "strip")
                        kept.append(ready)
                        describe(ready, described + i, True)
            if self.text.hashing:
                for i in range(n):
                    require_short(described + i)
            part = 0
            total = 0
            while <Py_ssize_t>scratch.done < n:
                if <Py_ssize_t>scratch.done >= part:
                    if part:
                        PyErr_CheckSignals()
                    total = 0
                    part = scratch.done
                    while part < n and (total == 0 or total + described[part].length < PART):
                        total += described[part].length + 1
                        part += 1
                if total > RELEASE_FROM:
                    with nogil:
                        status = _run(&self.text, scratch, described, part, result)
                else:
                    status = _run(&self.text, scratch, described, part, result)
                if status == QC_NEEDS_CHARS:
                    table = self.chars_as_is if described[scratch.done].as_is else self.chars
                    table.make(scratch.code)
                elif status == QC_NEEDS_LOWER:
                    if kept is None:
                        kept = []
                    ready = str.lower(documents[scratch.done])  # a subclass may have any lower of its own
                    kept.append(ready)
                    describe(ready, described + scratch.done, True)
                    if self.text.hashing:
                        require_short(described + scratch.done)
                elif status == QC_PAUSED:
                    PyErr_CheckSignals()
                elif status == QC_NO_MEMORY:
                    raise MemoryError("no memory for the features of a document")
        finally:
            if n > 16:
                PyMem_Free(described)
        if not counted:
            return 0
        QC_ADD(&self.n_rows, n)
        QC_ADD(&self.n_tokens, result.tokens)
        QC_ADD(&self.n_unknown, result.unknown)
        if result.fine or result.open:
            QC_ADD(&self.n_fine, result.fine)
            QC_ADD(&self.n_open, result.open)
        return 0


cdef inline int require_short(const qc_document *document) except -1:
    if document.length > MOST_HASHED:
        raise ValueError(f"a document of {document.length} characters; at most {MOST_HASHED} can be hashed at once: cut it")
    return 0


cdef inline int require_str(found, str what) except -1:
    """Callables of the caller's give texts, whose memory is read."""
    if not PyUnicode_Check(found):
        raise TypeError(f"{what} gave {type(found).__name__}, expected str")
    return 0


cdef inline int require(bint there, str method, str what) except -1:
    if not there:
        raise TypeError(f"{method} needs {what}, which this TextModel was built without")
    return 0


cdef inline void describe(document, qc_document *out, bint as_is) noexcept:
    out.kind = PyUnicode_KIND(document)
    out.data = PyUnicode_DATA(document)
    out.length = PyUnicode_GET_LENGTH(document)
    out.ascii = PyUnicode_IS_ASCII(document)
    out.as_is = as_is


cdef void *data_of(array):
    return cnp.PyArray_DATA(array)


cdef qc_scratch *new_scratch() except NULL:
    cdef qc_scratch *scratch = <qc_scratch *>PyMem_Malloc(sizeof(qc_scratch))
    if scratch is NULL:
        raise MemoryError
    memset(scratch, 0, sizeof(qc_scratch))
    return scratch


cdef void free_scratch(qc_scratch *scratch) noexcept:
    if scratch is not NULL:
        qc_scratch_free(scratch)
        PyMem_Free(scratch)
