# An ensemble's whole way from rows to an answer; included by trees.pyx.

from cpython.ref cimport Py_INCREF, PyObject

include "classes.pxi"

cdef enum:
    SMALL = 64  # sums that need no allocation
    LINKS_RELEASE_FROM = 1 << 12

cpdef enum:
    NUMBERS
    FLAT
    LARGEST
    ABOVE


cdef void _decide(_sum *sums, Py_ssize_t n, Py_ssize_t outputs, double at, bint above, int32_t *labels) noexcept nogil:
    cdef Py_ssize_t row, k, best
    for row in range(n):
        if above:
            labels[row] = sums[row] > at
            continue
        best = 0
        for k in range(1, outputs):
            if sums[k] > sums[best]:
                best = k
        labels[row] = <int32_t>best
        sums += outputs


@cython.final
cdef class Ensemble:
    """Trees, the sums of their leaves, and what is answered.

    Parameters
    ----------
    walk : Walk
    rows : Rows or None
        Answers up to ``most_rows`` rows at once.
    sliced : Sliced or None
        Answers more of them; where it is None, the walk does.
    most_rows : int
    answer : int
        ``NUMBERS``: the sums; ``FLAT``: as a 1-d array; ``LARGEST``: the class of the first largest; ``ABOVE``: the second of two
        classes where the first sum is above ``at``.
    classes : ndarray or None
    at : float
    other : callable
        Answers ``predict`` for what no kernel reads: it checks, raises or converts.
    """

    cdef Forest forest
    cdef Values values
    cdef Rows single
    cdef Sliced sliced
    cdef Walk walk
    cdef Py_ssize_t most_rows
    cdef int kind
    cdef Classes classes
    cdef double at
    cdef object other
    cdef uint64_t n_rows

    def __cinit__(
        self, Walk walk not None, Rows rows, Sliced sliced, Py_ssize_t most_rows, int answer, classes, double at, other
    ):
        cdef Py_ssize_t outputs = walk.values.v.n_outputs
        self.forest, self.values, self.walk = walk.forest, walk.values, walk
        for part in (rows, sliced):
            if part is not None and not part.of(walk):
                raise ValueError(f"{part}: not of the forest and the values that are walked")
        self.single, self.sliced, self.most_rows = rows, sliced, most_rows if rows is not None else 0
        self.kind, self.at, self.other = answer, at, other
        if answer >= LARGEST:
            self.classes = Classes(classes)
            if len(classes) != (2 if answer == ABOVE else outputs):
                raise ValueError(f"classes: got {len(classes)} for {outputs} sums")
        if not NUMBERS <= answer <= ABOVE or (answer in (FLAT, ABOVE) and outputs != 1):
            raise ValueError(f"answer: {answer} does not follow from {outputs} sums")

    @property
    def rows(self):
        """How many rows ``predict`` has answered here."""
        return self.n_rows

    def accepts(self, X):
        """Whether a kernel reads this as it is: a C-contiguous, native array of float64 or float32, of the right width."""
        return _width_of(self.forest, X) != 0

    def sums(self, X):
        """Sums of rows that are accepted; None where a value is refused."""
        cdef int width = _checked_width(self.forest, X)
        out = _empty(self.values, X)
        return None if self.run(X, width, cnp.PyArray_DIM(X, 0), cnp.PyArray_BYTES(out)) else out

    cdef int run(self, X, int width, Py_ssize_t n, char *out) except -1:
        if n <= self.most_rows:
            return self.single.run(X, width, n, out)
        if self.sliced is not None:
            return self.sliced.run(X, width, n, out)
        return self.walk.run(X, width, n, out)

    def predict(self, X):
        """What the source's predict answers, shape (n_rows,) or (n_rows, n_outputs)."""
        cdef int width = _width_of(self.forest, X)
        cdef bint single = self.values.single_
        cdef cnp.npy_intp shape[2]
        cdef double small[SMALL]
        cdef char *sums = <char *>small
        cdef size_t size
        if not width:
            return self.other(X)
        shape[0], shape[1] = cnp.PyArray_DIM(X, 0), self.values.v.n_outputs
        if self.kind <= FLAT:
            out = cnp.PyArray_EMPTY(2 - self.kind, shape, cnp.NPY_FLOAT if single else cnp.NPY_DOUBLE, 0)
            if self.run(X, width, shape[0], cnp.PyArray_BYTES(out)):
                return self.other(X)
            QC_ADD(&self.n_rows, shape[0])
            return out
        size = shape[0] * shape[1] * 8
        if size > SMALL * 8:
            sums = <char *>PyMem_Malloc(size + shape[0] * 4)
            if sums is NULL:
                raise MemoryError
        try:
            if self.run(X, width, shape[0], sums):
                return self.other(X)
            QC_ADD(&self.n_rows, shape[0])
            return self.labels(sums, shape[0])
        finally:
            if sums is not <char *>small:
                PyMem_Free(sums)

    def linked(self, X, Link link not None, bint single):
        """What a link makes of the sums of rows, in float32 where ``single``; None for what is not accepted, or refused."""
        cdef int width = _width_of(self.forest, X)
        cdef double small[3 * SMALL]
        cdef double *room = small
        cdef double *scores
        cdef double *answers
        cdef cnp.npy_intp shape[2]
        cdef Py_ssize_t i, n_scores, n_answers
        cdef PyThreadState *released
        if not width or link.link.n_scores != self.values.v.n_outputs:
            return None
        shape[0], shape[1] = cnp.PyArray_DIM(X, 0), link.link.n_outputs
        n_scores, n_answers = shape[0] * link.link.n_scores, shape[0] * shape[1]
        out = cnp.PyArray_EMPTY(1 if link.flat else 2, shape, cnp.NPY_FLOAT if single else cnp.NPY_DOUBLE, 0)
        if n_scores > SMALL or n_answers > SMALL:
            room = <double *>PyMem_Malloc((2 * n_scores + n_answers) * sizeof(double))
            if room is NULL:
                raise MemoryError
        scores = room
        answers = room + 2 * n_scores if single else <double *>cnp.PyArray_DATA(out)
        try:
            if self.run(X, width, shape[0], <char *>room):
                return None
            released = _release(n_answers >= LINKS_RELEASE_FROM)
            if self.values.single_:
                scores = room + n_scores
                for i in range(n_scores):
                    scores[i] = (<float *>room)[i]
            link.rows(scores, answers, shape[0])
            if single:
                for i in range(n_answers):
                    (<float *>cnp.PyArray_DATA(out))[i] = <float>answers[i]
            _acquire(released)
        finally:
            if room is not small:
                PyMem_Free(room)
        return out

    cdef object labels(self, char *sums, Py_ssize_t n):
        cdef int32_t small[SMALL]
        cdef Py_ssize_t outputs = self.values.v.n_outputs
        cdef int32_t *labels = &small[0] if n * outputs <= SMALL else <int32_t *>(sums + n * outputs * 8)
        if self.values.single_:
            _decide(<float *>sums, n, outputs, self.at, self.kind == ABOVE, labels)
        else:
            _decide(<double *>sums, n, outputs, self.at, self.kind == ABOVE, labels)
        return self.classes.answer(labels, n)
