# A few rows, one at a time: the tops of all trees, then the walk from where they end; included by trees.pyx.

cdef extern from *:
    """
    #include "kernels/trees/descend.h"
    #include "kernels/trees/values.h"
    """
    ctypedef struct qc_top_tests:
        pass
    ctypedef struct qc_tops:
        const uint8_t *source
        const uint8_t *blocks
        const uint32_t *first
        const float *exact
        const float *nearest
        ptrdiff_t n_columns
        const qc_top_tests *tests
        const uint32_t *slots
        const uint8_t *planes
        const int32_t *exits
        ptrdiff_t n_trees, n_packs
    enum:
        QC_PACK
        QC_MOST_EXITS
        QC_TOP_PLANES
        QC_TOP_COLUMNS
    ptrdiff_t qc_tops_open_int32(const qc_forest *, ptrdiff_t, int, uint32_t *, int32_t *, uint32_t *) noexcept nogil
    ptrdiff_t qc_tops_open_int64(const qc_forest *, ptrdiff_t, int, uint32_t *, int32_t *, uint32_t *) noexcept nogil
    void qc_tops_order(const qc_forest *, int, const int32_t *, ptrdiff_t, uint32_t *) noexcept nogil
    ptrdiff_t qc_tops_columns(const qc_forest *, int, const int32_t *, ptrdiff_t, ptrdiff_t, const uint32_t *, qc_tops *,
                              uint8_t *, uint8_t *) noexcept nogil
    ptrdiff_t qc_tops_write_int32(
        const qc_forest *, const int32_t *, const uint32_t *, const uint8_t *, const uint8_t *, qc_tops *) noexcept nogil
    ptrdiff_t qc_tops_write_int64(
        const qc_forest *, const int32_t *, const uint32_t *, const uint8_t *, const uint8_t *, qc_tops *) noexcept nogil
    bint qc_row_refused_float32(const float *, ptrdiff_t, int) noexcept nogil
    bint qc_row_refused_float64(const double *, ptrdiff_t, int) noexcept nogil
    int qc_row_values_float32(const qc_columns *, const float *, bint, float *, int *) noexcept nogil
    int qc_row_values_float64(const qc_columns *, const double *, bint, float *, int *) noexcept nogil
    void qc_descend_int32(const void *, const int *, int *, ptrdiff_t, unsigned int *, unsigned int *) noexcept nogil
    void qc_descend_int64(const void *, const int64_t *, int *, ptrdiff_t, unsigned int *, unsigned int *) noexcept nogil
    bint _tops "qc_bound.tops_row_float32"(const qc_tops *, const float *, bint, int *) noexcept nogil


cdef struct _Row:
    float *values
    int *codes
    int *at
    unsigned int *leaves
    char *keys
    char *cast  # the row in the dtype of the thresholds


@cython.final
cdef class Rows:
    """An ensemble for rows that come one by one: any trees, up to 128 columns and sets.

    Parameters
    ----------
    forest : Forest
    values : Values
    base : array of float64, shape (n_outputs,)
    divisor : float
    refused : int
        As of Sliced.
    tops : bool
        False: the walk begins at the roots.
    """

    cdef Forest forest
    cdef Values values
    cdef qc_tops t
    cdef dict held
    cdef double divisor
    cdef int refused
    cdef bint whole  # no tree goes on below its top
    cdef bint tops
    cdef void *spare
    cdef void *base
    cdef ptrdiff_t width

    def __cinit__(self, Forest forest not None, Values values not None, base, double divisor, int refused, bint tops=True):
        self.width = forest.c.n_columns + forest.c.n_sets
        if self.width > QC_TOP_COLUMNS:
            raise ValueError(f"forest: {self.width} columns and sets are more than {QC_TOP_COLUMNS}")
        self.values, self.divisor, self.refused = _values_of(forest, values), divisor, refused
        self.forest, self.held = forest, {"base": _base_of(base, values)}
        self.base = _data(self.held["base"])
        self.t.n_trees, self.t.n_packs = forest.f.n_trees, (forest.f.n_trees + QC_PACK - 1) // QC_PACK
        self.tops = tops and self._open()

    cdef bint _open(self) except -1:
        """Lay the tops out; False where they have too many columns of ranks."""
        cdef Forest forest = self.forest
        cdef Py_ssize_t n_trees = forest.f.n_trees, n_splits = forest.n_leaves - n_trees, n, size
        held = self.held
        leaves = np.empty(n_splits + 1, np.uint32)
        opened, ends = np.empty(min(n_splits, n_trees * (QC_MOST_EXITS - 1)) + 1, np.int32), np.empty(n_trees, np.uint32)
        n = (qc_tops_open_int64 if forest.wide else qc_tops_open_int32)(
            &forest.f, n_splits, QC_MOST_EXITS, <uint32_t *>_data(leaves), <int32_t *>_data(opened), <uint32_t *>_data(ends)
        )
        order, column, most = np.empty(2 * n + 1, np.uint32), np.empty(n + 1, np.uint8), np.empty(n + 1, np.uint8)
        cdef const int32_t *splits = <int32_t *>_data(opened)
        cdef uint32_t *sorted_ = <uint32_t *>_data(order)
        qc_tops_order(&forest.f, forest.wide, splits, n, sorted_)
        size = qc_tops_columns(&forest.f, forest.wide, splits, n, forest.c.n_columns, sorted_, &self.t, NULL, NULL)
        if size < 0:
            return False
        held["source"], held["blocks"] = np.empty(self.t.n_columns + 1, np.uint8), np.empty(self.t.n_columns + 1, np.uint8)
        held["first"] = np.empty(self.t.n_columns + 1, np.uint32)
        held["exact"] = np.empty(size + 1, np.float32)
        held["nearest"] = np.empty(size + 1, np.float32) if forest.wide else None
        self.t.source, self.t.blocks = <uint8_t *>_data(held["source"]), <uint8_t *>_data(held["blocks"])
        self.t.first = <uint32_t *>_data(held["first"])
        self.t.exact, self.t.nearest = <float *>_data(held["exact"]), <float *>_data(held["nearest"])
        qc_tops_columns(
            &forest.f, forest.wide, splits, n, forest.c.n_columns, sorted_, &self.t, <uint8_t *>_data(column),
            <uint8_t *>_data(most)
        )
        held["slots"] = np.zeros(self.t.n_packs * QC_TOP_PLANES + 1, np.uint32)
        held["planes"] = np.zeros(self.t.n_packs, np.uint8)
        held["exits"] = np.full((n_trees, QC_MOST_EXITS), -1, np.int32)
        self.t.slots, self.t.planes = <uint32_t *>_data(held["slots"]), <uint8_t *>_data(held["planes"])
        self.t.exits = <int32_t *>_data(held["exits"])
        held["tests"] = np.zeros(self._write(opened, ends, column, most) * sizeof(qc_top_tests) + 64, np.uint8)
        self.t.tests = <qc_top_tests *>((<uintptr_t>_data(held["tests"]) + 63) & ~<uintptr_t>63)
        self._write(opened, ends, column, most)
        self.whole = bool((held["exits"] < 0).all())
        return True

    cdef Py_ssize_t _write(self, opened, ends, column, most):
        cdef const qc_forest *f = &self.forest.f
        cdef const int32_t *splits = <int32_t *>_data(opened)
        cdef const uint32_t *until = <uint32_t *>_data(ends)
        if self.forest.wide:
            return qc_tops_write_int64(f, splits, until, <uint8_t *>_data(column), <uint8_t *>_data(most), &self.t)
        return qc_tops_write_int32(f, splits, until, <uint8_t *>_data(column), <uint8_t *>_data(most), &self.t)

    def __dealloc__(self):
        PyMem_Free(self.spare)

    def of(self, Walk walk not None):
        """Whether this is of the same forest and values."""
        return self.forest is walk.forest and self.values is walk.values

    def sums(self, rows):
        """As of Sliced."""
        cdef int width = _checked_width(self.forest, rows)
        out = _empty(self.values, rows)
        return None if self.run(rows, width, cnp.PyArray_DIM(rows, 0), cnp.PyArray_BYTES(out)) else out

    cdef int run(self, X, int width, Py_ssize_t n, char *out) except -1:
        """1 if a value is refused, else 0."""
        cdef const char *rows = cnp.PyArray_BYTES(X)
        cdef char *spare = <char *>QC_SWAP(&self.spare, NULL)
        cdef size_t trees = (self.t.n_trees + 1) * 4, columns = (self.width + 1) * 8
        cdef int size = 4 if self.values.single_ else 8
        cdef Py_ssize_t row
        cdef bint refused = False
        cdef PyThreadState *released
        cdef _Row of
        if spare is NULL:
            spare = <char *>PyMem_Malloc(
                QC_TOP_COLUMNS * 4 + 2 * _rounded(trees) + _rounded(columns)
                + _rounded(self.forest.c.n_categorical * 4 + 4) + _rounded(self.forest.c.n_features * 8)
            )
            if spare is NULL:
                raise MemoryError
            memset(spare, 0, QC_TOP_COLUMNS * 4)
        of.values = <float *>spare
        of.at = <int *>(spare + QC_TOP_COLUMNS * 4)
        of.leaves = <unsigned int *>(<char *>of.at + _rounded(trees))
        of.keys = <char *>of.leaves + _rounded(trees)
        of.codes = <int *>(of.keys + _rounded(columns))
        of.cast = <char *>of.codes + _rounded(self.forest.c.n_categorical * 4 + 4)
        released = _release(n * self.t.n_trees >= ROWS_RELEASE_FROM)
        for row in range(n):
            refused = self.one(&of, rows, width, out)
            if refused:
                break
            rows += self.forest.c.n_features * width
            out += self.values.v.n_outputs * size
        _acquire(released)
        PyMem_Free(QC_SWAP(&self.spare, spare))
        return refused

    cdef bint one(self, _Row *of, const char *x, int width, char *out) noexcept nogil:
        cdef const qc_columns *c = &self.forest.c
        cdef bint wide = self.forest.wide
        cdef Py_ssize_t k
        cdef int found
        if width == 4:
            if qc_row_refused_float32(<const float *>x, c.n_features, self.refused):
                return True
            found = qc_row_values_float32(c, <const float *>x, wide, of.values, of.codes)
        else:
            if qc_row_refused_float64(<const double *>x, c.n_features, self.refused):
                return True
            found = qc_row_values_float64(c, <const double *>x, wide, of.values, of.codes)
        if found < 0:
            return True
        if found or not self.tops or _tops(&self.t, of.values, wide and width == 8, of.at):
            memcpy(of.at, self.forest.f.roots, self.t.n_trees * sizeof(int32_t))
            self.walk(of, x, width)
        elif self.whole:
            for k in range(self.t.n_trees):
                of.leaves[k] = <unsigned int>~of.at[k]
        else:
            self.walk(of, x, width)
        if self.values.single_:
            _sum_row(&self.values.v, of.leaves, self.t.n_trees, <float *>self.base, <float>self.divisor, <float *>out)
        else:
            _sum_row(&self.values.v, of.leaves, self.t.n_trees, <double *>self.base, self.divisor, <double *>out)
        return False

    cdef void walk(self, _Row *of, const char *x, int width) noexcept nogil:
        """From ``at`` on."""
        cdef const qc_columns *c = &self.forest.c
        cdef const void *nodes = self.forest.f.nodes
        cdef Py_ssize_t k
        if self.forest.wide and width == 4:
            for k in range(c.n_features):
                (<double *>of.cast)[k] = (<const float *>x)[k]
            x = of.cast
        elif width == 8 and not self.forest.wide:
            for k in range(c.n_features):
                (<float *>of.cast)[k] = <float>(<const double *>x)[k]
            x = of.cast
        if self.forest.wide:
            _keys_float64(c, <const double *>x, 1, <int64_t *>of.keys, of.codes)
            qc_descend_int64(nodes, <const int64_t *>of.keys, of.at, self.t.n_trees, of.leaves, of.leaves)
        else:
            _keys_float32(c, <const float *>x, 1, <int *>of.keys, of.codes)
            qc_descend_int32(nodes, <const int *>of.keys, of.at, self.t.n_trees, of.leaves, of.leaves)


cdef void _sum_row(
    const qc_leaf_values *v, const unsigned int *leaves, Py_ssize_t n_trees, _sum *base, _sum divisor, _sum *out
) noexcept nogil:
    """One row's sums, in the order of the trees."""
    cdef _sum *values = <_sum *>v.values
    cdef _sum *of
    cdef Py_ssize_t tree, k
    cdef _sum total
    if v.n_outputs == 1:
        total = base[0]
        if v.index:
            for tree in range(n_trees):
                total += values[v.index[leaves[tree]]]
        else:
            for tree in range(n_trees):
                total += values[leaves[tree]]
        out[0] = total / divisor
        return
    for k in range(v.n_outputs):
        out[k] = base[k]
    for tree in range(n_trees):
        of = values + <Py_ssize_t>(v.index[leaves[tree]] if v.index else leaves[tree]) * v.width
        for k in range(v.width):
            out[(v.output[tree] if v.output else 0) + k] += of[k]
    for k in range(v.n_outputs):
        out[k] /= divisor
