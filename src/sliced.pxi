# Bit-sliced ensembles: ranks of a block of rows, then all trees; included by trees.pyx.

cdef extern from *:
    """
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
    ctypedef struct qc_ranks:
        const qc_columns *columns
        const uint32_t *feature
        const uint8_t *missing
        const uint8_t *count
        const uint8_t *levels
        const uint32_t *first
        const uint32_t *pivot
        const double *threshold
        const float *exact
        const float *nearest
        ptrdiff_t n_columns
        const uint8_t *sides
        const uint32_t *sides_first
        int refused
    ctypedef struct qc_group:
        pass
    ctypedef struct qc_term:
        pass
    ctypedef struct qc_sliced:
        const qc_group *groups
        const uint32_t *test_column
        const uint8_t *test_rank
        const uint32_t *program
        const qc_term *terms
        const uint16_t *counts
        const uint32_t *output
        const uint32_t *table
        const void *values
        const uint8_t *bytes
        const void *base
        ptrdiff_t n_groups, n_trees, width, n_outputs, most_tests
        double divisor
    ctypedef struct qc_sliced_source:
        const uint8_t *leaf
        const uint32_t *split
        ptrdiff_t n_nodes, n_trees, n_tests
    ctypedef struct qc_sliced_layout:
        qc_group *groups
        uint32_t *tests
        uint32_t *program
        qc_term *terms
        uint16_t *counts
        uint8_t *places
        uint32_t *table
        ptrdiff_t n_groups, n_listed, n_terms, n_places, most_tests
    enum:
        QC_SLICE
        QC_MOST_RANKS
        QC_MOST_LEAVES
        QC_MOST_PLANES
    size_t qc_sliced_scratch(const qc_sliced *) noexcept nogil
    bint qc_sliced_build(const qc_sliced_source *, uint32_t *seen, qc_sliced_layout *) noexcept nogil
    void qc_sliced_values(const qc_sliced_source *, const qc_sliced_layout *, const void *values, const uint32_t *index,
                          ptrdiff_t width, int size, void *to, uint8_t *bytes) noexcept nogil
    ptrdiff_t qc_ranks_build(
        const qc_columns *, const uint32_t *, const void *, bint, qc_ranks *, uint32_t *, uint8_t *) noexcept nogil
    int _ranks_float32 "qc_bound.ranks_blocks_float32"(
        const qc_ranks *, const float *, ptrdiff_t, uint8_t *, int32_t *) noexcept nogil
    int _ranks_float64 "qc_bound.ranks_blocks_float64"(
        const qc_ranks *, const double *, ptrdiff_t, uint8_t *, int32_t *) noexcept nogil
    void _sliced_float32 "qc_bound.sums_sliced_float32"(
        const qc_sliced *, const uint8_t *, ptrdiff_t, void *, float *) noexcept nogil
    void _sliced_float64 "qc_bound.sums_sliced_float64"(
        const qc_sliced *, const uint8_t *, ptrdiff_t, void *, double *) noexcept nogil
    void _places "qc_bound.places_sliced_uint8"(
        const qc_sliced *, const uint8_t *, ptrdiff_t, void *, uint8_t *, ptrdiff_t) noexcept nogil
    bint QC_PLAIN(object)
    void *QC_SWAP(void *place, void *value)
    void QC_ADD(uint64_t *place, uint64_t value)

cdef extern from "kernels/pages.h":
    size_t qc_paged_size(size_t) nogil
    void *qc_paged(void *, size_t) nogil
    void qc_page(void *, size_t) nogil

cdef extern from "numpy/arrayobject.h":
    bint PyArray_CheckExact(object)


ctypedef fused _sum:
    float
    double


cdef void *_data(array):
    return NULL if array is None else cnp.PyArray_DATA(array)


cdef int _width_of(Forest forest, X):
    """Bytes of a value, or 0 for what can't be read as it is: no C-contiguous, native array of float64 or float32, as wide."""
    cdef int kind
    if not PyArray_CheckExact(X) or cnp.PyArray_NDIM(X) != 2 or not QC_PLAIN(X):
        return 0
    kind = cnp.PyArray_TYPE(X)
    if cnp.PyArray_DIM(X, 1) != forest.c.n_features or cnp.PyArray_DIM(X, 0) < 1:
        return 0
    return 8 if kind == cnp.NPY_DOUBLE else 4 if kind == cnp.NPY_FLOAT else 0


cdef int _checked_width(Forest forest, X) except -1:
    cdef int width = _width_of(forest, X)
    if not width:
        raise TypeError(f"expected a C-contiguous array of float64 or float32, {forest.c.n_features} columns wide, with rows")
    return width


cdef object _paged(size_t size):
    """Zeros, in large pages where they are many: of 500 trees of 255 leaves rows then take 4% less."""
    room = np.empty(qc_paged_size(size), np.uint8)
    qc_page(_data(room), size)
    cdef size_t start = <char *>qc_paged(_data(room), size) - <char *>_data(room)
    found = room[start:start + size]
    found[:] = 0
    return found


cdef object _empty(Values values, rows):
    cdef cnp.npy_intp shape[2]
    shape[0], shape[1] = cnp.PyArray_DIM(rows, 0), values.v.n_outputs
    return cnp.PyArray_EMPTY(2, shape, cnp.NPY_FLOAT if values.single_ else cnp.NPY_DOUBLE, 0)


cdef Values _values_of(Forest forest, Values values):
    if values.n_trees != forest.f.n_trees or values.n_leaves != forest.n_leaves:
        raise ValueError(f"values: they are of {values.n_trees} trees with {values.n_leaves} leaves, not of these")
    return values


cdef object _base_of(base, Values values):
    base = _array(base, "base", FLOAT64, 1).astype(values.dtype)
    if len(base) != values.v.n_outputs:
        raise ValueError(f"base: expected {values.v.n_outputs} of them, got {len(base)}")
    return base


@cython.final
cdef class Sliced:
    """An ensemble whose trees have at most 256 leaves, laid out for bit slices.

    Parameters
    ----------
    forest : Forest
    values : Values
    base : array of float64, shape (n_outputs,)
        Where the sums start.
    divisor : float
        Of the sums.
    refused : int
        What rows may not hold: 1 infinite values, 2 NaN, 3 both.
    """

    cdef Forest forest
    cdef Values values
    cdef qc_ranks r
    cdef qc_sliced s
    cdef dict held
    cdef void *spare
    cdef size_t ranks_size, codes_size, scratch_size

    def __cinit__(self, Forest forest not None, Values values not None, base, double divisor, int refused):
        if forest.leaf is None:
            raise ValueError("forest: its trees have more than 256 leaves each")
        if not divisor > 0 or not 0 <= refused <= 3:
            raise ValueError(f"divisor {divisor!r} or refused {refused!r}: expected a positive number, and 0 to 3")
        self.forest, self.values, self.held = forest, _values_of(forest, values), {}
        self.r.columns, self.r.refused = &forest.c, refused
        column, rank = self._columns()
        self._sides()
        self._trees(column, rank)
        held = self.held
        held["base"] = _base_of(base, values)
        self.s.base, self.s.divisor, self.s.output = _data(held["base"]), divisor, values.v.output
        self.s.n_outputs, self.s.width = values.v.n_outputs, values.v.width
        self.ranks_size = _rounded((self.r.n_columns + forest.c.n_sets + 1) * QC_SLICE)
        self.codes_size = QC_SLICE * sizeof(int32_t)
        self.scratch_size = qc_sliced_scratch(&self.s)

    cdef tuple _columns(self):
        """Columns of ranks; of each test its column and its rank there."""
        cdef Forest forest = self.forest
        cdef const void *threshold = _data(forest.threshold)
        cdef const uint32_t *ends = <uint32_t *>_data(forest.bounds)
        cdef Py_ssize_t n_tests = len(forest.threshold) + forest.c.n_sets, n
        held = self.held
        n_pivots = qc_ranks_build(&forest.c, ends, threshold, forest.wide, &self.r, NULL, NULL)
        n = self.r.n_columns + 1
        for name in ("missing", "count", "levels"):
            held[name] = np.empty(n, np.uint8)
        for name in ("feature", "first", "pivot"):
            held[name] = np.empty(n, np.uint32)
        held["threshold"] = forest.threshold.astype(np.float64)
        held["exact"] = np.empty(n_pivots + 1, np.float32)
        held["nearest"] = np.empty(n_pivots + 1, np.float32) if forest.wide else None
        self.r.feature, self.r.missing = <uint32_t *>_data(held["feature"]), <uint8_t *>_data(held["missing"])
        self.r.count, self.r.levels = <uint8_t *>_data(held["count"]), <uint8_t *>_data(held["levels"])
        self.r.first, self.r.pivot = <uint32_t *>_data(held["first"]), <uint32_t *>_data(held["pivot"])
        self.r.threshold, self.r.exact = <double *>_data(held["threshold"]), <float *>_data(held["exact"])
        self.r.nearest = <float *>_data(held["nearest"])
        column, rank = np.empty(n_tests + 1, np.uint32), np.empty(n_tests + 1, np.uint8)
        qc_ranks_build(
            &forest.c, ends, threshold, forest.wide, &self.r, <uint32_t *>_data(column), <uint8_t *>_data(rank)
        )
        return column[:n_tests], rank[:n_tests]

    cdef object _sides(self):
        """Of each set, the sides of its codes: missing, unknown, and each category."""
        cdef Forest forest = self.forest
        cdef Py_ssize_t n_sets = forest.c.n_sets
        if not n_sets:
            return
        of, sides = forest.set_feature, forest.set_sides
        sizes = np.diff(forest.category_ends.astype(np.int64), prepend=0).take(of)
        first = np.cumsum(sizes + 2) - sizes - 2
        missing_left, members_left = (sides & 1).astype(bool), (sides & 2).astype(bool)
        table = np.empty((sizes + 2).sum(), np.uint8)
        table[first] = ~missing_left
        table[first + 1] = members_left
        inside = np.ones(len(table), bool)
        inside[first] = inside[first + 1] = False
        table[inside] = forest.members.astype(bool) != np.repeat(members_left, sizes)
        self.held["sides"], self.held["sides_first"] = table, first.astype(np.uint32)
        self.r.sides, self.r.sides_first = <uint8_t *>_data(table), <uint32_t *>_data(self.held["sides_first"])

    cdef object _trees(self, column, rank):
        cdef Forest forest = self.forest
        cdef Values values = self.values
        cdef qc_sliced_source source
        cdef qc_sliced_layout layout
        held = self.held
        n_trees, n_leaves = forest.f.n_trees, forest.n_leaves
        source.leaf, source.split = <uint8_t *>_data(forest.leaf), <uint32_t *>_data(forest.split)
        source.n_nodes, source.n_trees, source.n_tests = len(forest.leaf), n_trees, len(column)
        seen = np.empty(len(column) + 1, np.uint32)
        layout.groups, layout.tests, layout.program, layout.terms = NULL, NULL, NULL, NULL
        layout.counts, layout.places, layout.table = NULL, NULL, NULL
        if not qc_sliced_build(&source, <uint32_t *>_data(seen), &layout):
            raise ValueError("forest: a tree has more than 256 leaves")
        tests = np.empty(layout.n_listed + 1, np.uint32)
        held["groups"] = np.empty(layout.n_groups, "V16")
        held["program"], held["terms"] = np.empty(n_trees, np.uint32), _paged(4 * (layout.n_terms + 1))
        held["counts"], held["table"] = np.empty((n_trees, 2 + QC_MOST_PLANES), np.uint16), np.empty(n_trees, np.uint32)
        places = held["places"] = np.empty(n_leaves, np.uint8)
        layout.groups, layout.tests = <qc_group *>_data(held["groups"]), <uint32_t *>_data(tests)
        layout.program, layout.terms = <uint32_t *>_data(held["program"]), <qc_term *>_data(held["terms"])
        layout.counts, layout.table = <uint16_t *>_data(held["counts"]), <uint32_t *>_data(held["table"])
        layout.places = <uint8_t *>_data(places)
        qc_sliced_build(&source, <uint32_t *>_data(seen), &layout)
        tests = tests[:layout.n_listed]
        held["test_column"] = column.take(tests) if len(tests) else np.zeros(1, np.uint32)
        held["test_rank"] = rank.take(tests) if len(tests) else np.zeros(1, np.uint8)
        held["values"] = np.zeros(layout.n_places * values.v.width, values.dtype)
        held["bytes"] = _paged(held["values"].nbytes)
        qc_sliced_values(
            &source, &layout, values.v.values, values.v.index, values.v.width, values.dtype.itemsize,
            _data(held["values"]), <uint8_t *>_data(held["bytes"])
        )
        self.s.groups, self.s.program, self.s.terms = layout.groups, layout.program, layout.terms
        self.s.counts, self.s.table = layout.counts, layout.table
        self.s.test_column, self.s.test_rank = <uint32_t *>_data(held["test_column"]), <uint8_t *>_data(held["test_rank"])
        self.s.values, self.s.bytes = _data(held["values"]), <uint8_t *>_data(held["bytes"])
        self.s.n_groups, self.s.n_trees, self.s.most_tests = layout.n_groups, n_trees, layout.most_tests

    def __dealloc__(self):
        PyMem_Free(self.spare)

    def of(self, Walk walk not None):
        """Whether this is of the same forest and values."""
        return self.forest is walk.forest and self.values is walk.values

    def sums(self, rows):
        """Sums of rows, C-contiguous float32 or float64, shape (n_rows, n_outputs); None where a value is refused."""
        cdef int width = _checked_width(self.forest, rows)
        out = _empty(self.values, rows)
        return None if self.run(rows, width, cnp.PyArray_DIM(rows, 0), cnp.PyArray_BYTES(out)) else out

    def leaves(self, rows):
        """Numbers of the leaves of rows, uint32, shape (n_rows, n_trees); None where a value is refused."""
        cdef int width = _checked_width(self.forest, rows)
        cdef Py_ssize_t n = cnp.PyArray_DIM(rows, 0), n_trees = self.s.n_trees, start = 0, count
        cdef const char *x = cnp.PyArray_BYTES(rows)
        cdef bint refused = False
        cdef PyThreadState *released
        numbers = np.zeros((n_trees, QC_MOST_LEAVES), np.uint32)
        tree = np.repeat(np.arange(n_trees), _sizes(self.forest.leaf, n_trees))
        numbers[tree, self.held["places"]] = np.arange(self.forest.n_leaves)
        out = np.empty((n, n_trees), np.uint32)
        room = np.empty(self.ranks_size + self.codes_size + _rounded(self.scratch_size) + n_trees * QC_SLICE + 64, np.uint8)
        cdef uint8_t *ranks = <uint8_t *>((<uintptr_t>_data(room) + 63) & ~<uintptr_t>63)
        cdef uint8_t *places = ranks + self.ranks_size + self.codes_size + _rounded(self.scratch_size)
        cdef uint32_t *to = <uint32_t *>_data(out)
        while start < n and not refused:
            count = min(n - start, QC_SLICE)
            released = _release(n * n_trees >= SLICED_RELEASE_FROM)
            refused = self.rank(x, width, count, ranks)
            if not refused:
                _places(&self.s, ranks, count, ranks + self.ranks_size + self.codes_size, places, QC_SLICE)
                _numbers(<uint32_t *>_data(numbers), places, n_trees, count, to)
            _acquire(released)
            PyErr_CheckSignals()
            x += count * self.forest.c.n_features * width
            to += count * n_trees
            start += count
        return None if refused else out

    cdef bint rank(self, const char *rows, int width, Py_ssize_t n, uint8_t *ranks) noexcept nogil:
        """Ranks of a block of rows; True where a value is refused."""
        cdef int32_t *codes = <int32_t *>(ranks + self.ranks_size)
        if width == 4:
            return _ranks_float32(&self.r, <const float *>rows, n, ranks, codes)
        return _ranks_float64(&self.r, <const double *>rows, n, ranks, codes)

    cdef int run(self, X, int width, Py_ssize_t n, char *out) except -1:
        """1 if a value is refused, else 0."""
        cdef const char *rows = cnp.PyArray_BYTES(X)
        cdef char *spare = <char *>QC_SWAP(&self.spare, NULL)
        cdef uint8_t *ranks
        cdef bint worth_it = n * self.s.n_trees >= SLICED_RELEASE_FROM, refused = False
        cdef Py_ssize_t start = 0, count, pause = 0
        # Ctrl-C is heard in between: after some 1 ms to 10 ms
        cdef Py_ssize_t step = max(QC_SLICE, PAUSE // (self.s.n_trees * self.s.n_outputs))
        cdef PyThreadState *released = NULL
        if spare is NULL:
            spare = <char *>PyMem_Malloc(self.ranks_size + self.codes_size + self.scratch_size + 64)
            if spare is NULL:
                raise MemoryError
        ranks = <uint8_t *>((<uintptr_t>spare + 63) & ~<uintptr_t>63)
        try:
            while start < n and not refused:
                count = min(n - start, QC_SLICE)
                if start >= pause:
                    pause = start + step
                    _acquire(released)
                    PyErr_CheckSignals()
                    released = _release(worth_it)
                refused = self.block(rows, width, count, ranks, out)
                rows += count * self.forest.c.n_features * width
                out += count * self.s.n_outputs * (4 if self.values.single_ else 8)
                start += count
            _acquire(released)
        finally:
            PyMem_Free(QC_SWAP(&self.spare, spare))
        return refused

    cdef bint block(self, const char *rows, int width, Py_ssize_t n, uint8_t *ranks, char *out) noexcept nogil:
        cdef void *scratch = ranks + self.ranks_size + self.codes_size
        if self.rank(rows, width, n, ranks):
            return True
        if self.values.single_:
            _sliced_float32(&self.s, ranks, n, scratch, <float *>out)
        else:
            _sliced_float64(&self.s, ranks, n, scratch, <double *>out)
        return False


cdef void _numbers(
    const uint32_t *numbers, const uint8_t *places, Py_ssize_t n_trees, Py_ssize_t n_rows, uint32_t *out
) noexcept nogil:
    """Places tree by tree → numbers row by row, 16 trees at a time: what they fill of a row is a cache line."""
    cdef Py_ssize_t first = 0, tree, row
    while first < n_trees:
        for row in range(n_rows):
            for tree in range(first, min(first + 16, n_trees)):
                out[row * n_trees + tree] = numbers[tree * QC_MOST_LEAVES + places[tree * QC_SLICE + row]]
        first += 16


cdef size_t _rounded(size_t size):
    return (size + 63) & ~<size_t>63


cdef object _sizes(leaf, Py_ssize_t n_trees):
    """Leaves of each tree, from flags in preorder: a tree ends where there is one more leaf than splits than ever before."""
    lowest = np.minimum(np.minimum.accumulate(np.cumsum(np.where(leaf, -1, 1), dtype=np.int64)), 0)
    ends = np.flatnonzero(np.diff(lowest, prepend=0))
    return np.diff(np.cumsum(leaf)[ends], prepend=0)
